"""From the refit winner to what is registered: ids by later value, descriptions, and all that scoring needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.catalogue import Catalogue
from patronage.continuity import carry_ids, first_ids
from patronage.model import Calibration, SegmentationModel
from patronage.recipe import FittedRecipe
from patronage.refit import Refit
from patronage.segments import describe_segments
from patronage.selection import Verdict
from patronage.windows import Window


def number_segments(
    again: Refit, backtested: FittedRecipe, judged_labels: np.ndarray, outcome: pd.Series | None
) -> tuple[list[str], dict[str, float]]:
    """Number segments by what they were worth in the backtest, and carry these ids over to the refit.

    Where there is no outcome the largest segment comes first.

    Parameters
    ----------
    again : Refit
    backtested : FittedRecipe
        The same recipe, fitted in the learn window.
    judged_labels : ndarray of shape (n_customers,)
        Labels of the judge window's customers by ``backtested``.
    outcome : Series of shape (n_customers,), optional
        What these customers were worth later.

    Returns
    -------
    tuple
        The id of each of the refit's segments, and id → mean later value per customer in the backtest.
    """
    if outcome is None:
        sizes = np.bincount(
            judged_labels[judged_labels != UNASSIGNED], minlength=backtested.assigner.n_segments
        ).astype(float)
        n_segments = again.fitted.assigner.n_segments
        return carry_ids(again.backtest_labels, first_ids(sizes), again.assignment.label, n_segments), {}
    later = outcome.to_numpy(float)
    worth = np.array(
        [
            later[judged_labels == label].mean() if (judged_labels == label).any() else np.nan
            for label in range(backtested.assigner.n_segments)
        ]
    )
    former = first_ids(worth)
    ids = carry_ids(again.backtest_labels, former, again.assignment.label, again.fitted.assigner.n_segments)
    return ids, {segment: float(value) for segment, value in zip(former, worth, strict=True) if np.isfinite(value)}


def package(
    again: Refit,
    features: pd.DataFrame,
    catalogue: Catalogue,
    ids: list[str],
    worth: dict[str, float],
    window: Window,
    about: dict[str, Any],
) -> SegmentationModel:
    """Describe the refit's segments and put all that scoring needs in one model.

    Parameters
    ----------
    again : Refit
    features : DataFrame of shape (n_customers, n_features)
        Active customers at the newest day.
    catalogue : Catalogue
    ids, worth
        As `number_segments` gives them.
    window : Window
        The refit's.
    about : dict
        As `tell_about` gives it.
    """
    segments = describe_segments(
        ids, again.assignment.label, features, catalogue.features, value_per_id=worth, jaccard=again.stable.jaccard
    )
    return SegmentationModel(
        catalogue=catalogue,
        representation=again.fitted.representation,
        assigner=again.fitted.assigner,
        segments=segments,
        calibration=Calibration.learn(again.assignment, again.stable.stayed, len(segments), again.fitted_to),
        lookback_days=window.lookback_days,
        outcome_days=window.outcome_days,
        trained_as_of=window.as_of,
        about=about,
    )


def tell_about(winner: Verdict, confirm: Mapping[str, float], data: str) -> dict[str, Any]:
    """What a model knows of its own making: candidate, reason, data and figures that apply."""

    def finite(figures: Mapping[str, float]) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in figures.items() if np.isfinite(value)}

    return {
        "candidate": winner.row.name,
        "why": winner.reason,
        "data": data,
        "metrics": finite(winner.row.metrics),
        "confirm": finite(confirm),
    }
