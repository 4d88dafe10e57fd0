"""What a training is given, and what its stages hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patronage.backtest import Judged
from patronage.catalogue import Catalogue, Feature
from patronage.champion import Champion, Incumbent
from patronage.clusterers import Clusterer, Failure
from patronage.diagnosis import Diagnosis
from patronage.evaluation.judgement import Judge
from patronage.evaluation.row import Row
from patronage.model import SegmentationModel
from patronage.observation import Observed
from patronage.playbook import Playbook
from patronage.recipe import FittedRecipe, RepresentationChoice
from patronage.refit import FailedRefit, Refit
from patronage.report import Report
from patronage.selection import Policy, Selection
from patronage.tables import DataSource
from patronage.tracking import Tracking
from patronage.windows import Windows
from patronage.wording import Wording


@dataclass(frozen=True)
class Training:
    """What to train: plain values, checked where they are declared.

    Attributes
    ----------
    data : DataSource
    features, outcomes : tuple of Feature
        The first outcome is the one that segments are ordered by.
    lookback_days, outcome_days : int
    as_of : date, optional
        Default: ``outcome_days`` before the newest day.
    representation : RepresentationChoice
    clusterers : tuple of Clusterer
    policy : Policy
    fit_rows : int, optional
        Most customers that anything is fitted to; all are placed, judged and described. None: all.
    n_refits : int
        Subsamples for stability.
    min_confidence, min_prospect_confidence : float in [0, 1]
        Customers, and prospects, who are less certain of their segment are unassigned; see `packaging.package`.
    seed, workers : int
    names : mapping
        Segment id → a name of the user's own.
    wording : Wording
        Words of names, actions and report.
    playbook : Playbook, optional
        What is done with which segment; None: no report is made.
    output : Path
        Folder of the packaged model.
    tracking : Tracking
    config : mapping
        The resolved configuration, for the log.
    """

    data: DataSource
    features: tuple[Feature, ...]
    outcomes: tuple[Feature, ...]
    lookback_days: int
    outcome_days: int
    as_of: date | None
    representation: RepresentationChoice
    clusterers: tuple[Clusterer, ...]
    policy: Policy
    fit_rows: int | None
    n_refits: int
    min_confidence: float
    min_prospect_confidence: float
    seed: int
    workers: int
    names: Mapping[str, str]
    wording: Wording
    playbook: Playbook | None
    output: Path
    tracking: Tracking
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """What is trained on: everything that was read from the tables.

    Attributes
    ----------
    windows : Windows
    catalogue : Catalogue
        Features with a useful distribution, their vocabularies learned.
    diagnosis : Diagnosis
    learn, judged, last : Observed
        Where candidates are fitted, where they are judged, and the latest window whose outcomes are complete. In
        ``learn`` and ``last`` only customers that are fitted to.
    newest : DataFrame of shape (n_customers, n_features)
        Features of active customers at the newest day.
    fitted_to : ndarray of shape (n_customers,), bool
        Which of the newest customers segments are formed from.
    headline : Feature, optional
        The outcome that segments are ordered by.
    counts : dict
        Table → rows.
    digest : str
        Of all rows.
    champion : Champion
        The model in charge.
    incumbent : Incumbent, optional
        The same on these data; None where there is none that they can be compared by.
    """

    windows: Windows
    catalogue: Catalogue
    diagnosis: Diagnosis
    learn: Observed
    judged: Observed
    last: Observed
    newest: pd.DataFrame
    fitted_to: np.ndarray
    headline: Feature | None
    counts: dict[str, int]
    digest: str
    champion: Champion
    incumbent: Incumbent | None


@dataclass(frozen=True)
class Backtest:
    """All that a choice is made by, before anything is known of what the confirm customers did.

    Attributes
    ----------
    fitted : list of FittedRecipe or Failure
        In the learn window.
    candidates : list of Judged
        Every candidate's labels of the judge window's customers, by the model fitted in the learn window.
    judge : Judge
    rows : list of Row
        The candidates' lines; those that passed were rehearsed at the newest day.
    baselines : list of Row
    finals : dict
        Position of a candidate → its refit on all customers; empty until the first had its turn.
    """

    fitted: list[FittedRecipe | Failure]
    candidates: list[Judged]
    judge: Judge
    rows: list[Row]
    baselines: list[Row]
    finals: dict[int, Refit | FailedRefit] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """The outcome of a training run.

    Attributes
    ----------
    selection : Selection
    backtest : list of Judged
        Every candidate's labels of the judge window's customers, by the model fitted in the learn window.
    baselines : list of Row
    confirm : dict
        The winner's headline figures; empty without a winner.
    model : SegmentationModel, optional
        None where no candidate passed.
    version : str
        Registered model version; empty where none.
    run_id : str
    seconds : dict
        Stage → seconds.
    report : Report, optional
        None where no candidate passed, or none was asked for.
    """

    selection: Selection
    backtest: list[Judged]
    baselines: list[Row]
    confirm: dict[str, float]
    model: SegmentationModel | None
    version: str
    run_id: str
    seconds: dict[str, float]
    report: Report | None = None

    @property
    def first_actions(self) -> dict[str, str]:
        """Segment → the most important thing to do with it; empty without a report."""
        return {} if self.report is None else self.report.first_actions
