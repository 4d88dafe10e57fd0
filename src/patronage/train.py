"""The story: tables → features → candidates → evaluation → selection → refit → segments → model → registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.backtest import Judged, judge_candidates, open_judge, stabilities
from patronage.catalogue import Catalogue, Feature
from patronage.clusterers import Clusterer
from patronage.continuity import carry_ids, first_ids
from patronage.evaluation.judgement import Row
from patronage.evaluation.value import select_customers
from patronage.features import build_features
from patronage.journal import Journal, note
from patronage.model import Calibration, SegmentationModel, require_replaceable
from patronage.observation import diagnose_features, learn_catalogues, observe, require_customers, require_judgeable
from patronage.periods import is_snapshot, training_windows
from patronage.recipe import FittedRecipe, Recipe, RepresentationChoice, fit_recipes
from patronage.refit import FailedRefit, Refit, refit_shortlist
from patronage.segments import describe_segments
from patronage.selection import Policy, Selection, Verdict, elect, select
from patronage.tables import DataSource, open_tables
from patronage.tracking import Tracking, register, tracked_run
from patronage.validation import check_tables
from patronage.windows import Window


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
    n_refits : int
        Subsamples for stability.
    seed, workers : int
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
    n_refits: int
    seed: int
    workers: int
    output: Path
    tracking: Tracking
    config: Mapping[str, Any] = field(default_factory=dict)


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
    """

    selection: Selection
    backtest: list[Judged]
    baselines: list[Row]
    confirm: dict[str, float]
    model: SegmentationModel | None
    version: str
    run_id: str
    seconds: dict[str, float]


def train(training: Training) -> Trained:  # noqa: PLR0915 - the story is told in one piece
    """Run the main job: from raw tables to a registered, packaged segmentation.

    Raises
    ------
    PatronageError
        Data or configuration cannot be used; nothing has been packaged or registered then.
    """
    require_replaceable(training.output)
    seed, workers, n_refits = training.seed, training.workers, training.n_refits
    journal = Journal()
    with open_tables(training.data) as tables:
        with journal.stage("read and check tables"):
            check_tables(tables)
            windows = training_windows(
                tables,
                lookback_days=training.lookback_days,
                outcome_days=training.outcome_days,
                as_of=training.as_of,
            )

        with journal.stage("build features and outcomes"):
            catalogue, outcomes = learn_catalogues(tables, training.features, training.outcomes, windows.learn)
            require_judgeable(outcomes, training.representation.kind, training.policy.weights)
            last = learn = judged = observe(tables, catalogue, outcomes, windows.judge)
            if not is_snapshot(tables):
                learn = observe(tables, catalogue, outcomes, windows.learn)
                if windows.refit.previous != windows.judge:
                    last = observe(tables, catalogue, outcomes, windows.refit.previous)
            elif outcomes.features:
                learn, judged = last.halves()
            diagnosis, catalogue = diagnose_features(catalogue, learn.features)
            newest = build_features(tables, catalogue, windows.refit)
            headline = next((o for o in training.outcomes if o.name in outcomes.names), None)
            require_customers(newest, (learn, judged), training.clusterers)

        with tracked_run(training.tracking, training.config) as run:
            with journal.stage("log data and configuration"):
                run.log_setup(tables, catalogue, windows, seed)
                run.log_diagnosis(diagnosis)

            recipes = [
                Recipe(catalogue.basis, training.representation, candidate)
                for clusterer in training.clusterers
                for candidate in clusterer.candidates()
            ]
            with journal.stage(f"fit {len(recipes)} candidates"):
                fitted = fit_recipes(recipes, learn.features, learn.outcomes, seed=seed)
            with journal.stage(f"refit them on {n_refits} subsamples"):
                stable = stabilities(fitted, learn, n_refits=n_refits, seed=seed, workers=workers)
            with journal.stage("judge them on what came later"):
                judge = open_judge(catalogue.basis, learn, judged, seed=seed, workers=workers)
                candidates = judge_candidates(recipes, fitted, stable, judged, judge)
                rows = [candidate.row for candidate in candidates]

            with journal.stage("refit the shortlist at the newest day"):
                passing = [n for n, verdict in enumerate(select(rows, training.policy).verdicts) if verdict.passed]
                # What elects a winner must not know what the confirm customers did: they sit this one out.
                known = last.only(select_customers(last.features.index.to_list()))
                current = newest.active.loc[select_customers(newest.active.index.to_list())]
                rehearsals = refit_shortlist(
                    [fitted[n] for n in passing], known, current, n_refits=n_refits, seed=seed, workers=workers
                )
                for n, rehearsal in zip(passing, rehearsals, strict=True):
                    rows[n] = rehearsal.add_to(rows[n])
            with journal.stage("refit the winner on all customers"):
                finals: dict[int, Refit | FailedRefit] = {}

                def refit_on_all(n: int, row: Row) -> Row:
                    (finals[n],) = refit_shortlist(
                        [fitted[n]], last, newest.active, n_refits=n_refits, seed=seed, workers=workers
                    )
                    return finals[n].add_to(row, "final")

                # The winner must pass the gates once more; if it does not, the next best has its turn.
                selection = elect(rows, training.policy, refit_on_all)
                winner = None if selection.winner is None else selection.verdicts.index(selection.winner)
                rows = [verdict.row for verdict in selection.verdicts]
            with journal.stage("confirm the winner"):
                baselines = judge.baseline_rows([int(r.metrics["size/n_segments"]) for r in rows if not r.failure])
                confirm = {} if winner is None else judge.confirm(candidates[winner].labels)
                if confirm:
                    # Those were refitted on the confirm customers too before the winner had its turn.
                    confirm["after_fallbacks"] = float(len(finals) - 1)
            run.log_selection(selection, baselines, training.policy, confirm)
            trained = Trained(selection, candidates, baselines, confirm, None, "", run.run_id, journal.seconds)
            again, backtested = (None, None) if winner is None else (finals[winner], fitted[winner])
            if winner is None or not isinstance(again, Refit) or not isinstance(backtested, FittedRecipe):
                run.log_seconds(journal.seconds)
                return trained

            with journal.stage("describe, package and register"):
                later = None if headline is None else judged.outcomes[headline.name]
                ids, worth = _ids(again, backtested, candidates[winner].labels, later)
                about = _about(selection.winner, confirm, training.data.name)
                model = _package(again, newest.active, catalogue, ids, worth, windows.refit, about)
                run.log_segments(model.segments, headline)
                version = register(run, model, newest.active)
                model.save(training.output)
                note(f"packaged in {training.output}")
            run.log_seconds(journal.seconds)
            return replace(trained, model=model, version=version)


def _ids(
    again: Refit, backtested: FittedRecipe, judged_labels: np.ndarray, outcome: pd.Series | None
) -> tuple[list[str], dict[str, float]]:
    """Number segments by what they were worth in the backtest, and carry these ids over to the refit.

    Where there is no outcome the largest segment comes first.
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


def _package(
    again: Refit,
    features: pd.DataFrame,
    catalogue: Catalogue,
    ids: list[str],
    worth: dict[str, float],
    window: Window,
    about: dict[str, Any],
) -> SegmentationModel:
    """Describe the refit's segments and put all that scoring needs in one model."""
    segments = describe_segments(
        ids, again.assignment.label, features, catalogue.features, value_per_id=worth, jaccard=again.stable.jaccard
    )
    return SegmentationModel(
        catalogue=catalogue,
        representation=again.fitted.representation,
        assigner=again.fitted.assigner,
        segments=segments,
        calibration=Calibration.learn(again.assignment, again.stable.stayed, len(segments)),
        lookback_days=window.lookback_days,
        outcome_days=window.outcome_days,
        trained_as_of=window.as_of,
        about=about,
    )


def _about(winner: Verdict | None, confirm: Mapping[str, float], data: str) -> dict[str, Any]:
    assert winner is not None  # noqa: S101 - the caller has looked

    def finite(figures: Mapping[str, float]) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in figures.items() if np.isfinite(value)}

    return {
        "candidate": winner.row.name,
        "why": winner.reason,
        "data": data,
        "metrics": finite(winner.row.metrics),
        "confirm": finite(confirm),
    }
