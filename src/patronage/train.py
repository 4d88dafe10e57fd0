"""The story: tables → features → candidates → evaluation → selection → refit → segments → model → registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from patronage.catalogue import Catalogue, Feature
from patronage.clusterers import Clusterer, Failure
from patronage.continuity import carry_ids, first_ids
from patronage.errors import InvalidInputError
from patronage.evaluation.baselines import RFM, fit_baselines
from patronage.evaluation.judgement import Judge, Row
from patronage.evaluation.size import size
from patronage.evaluation.stability import Stability, refit_labels, stability
from patronage.evaluation.value import gather_evidence
from patronage.features import FeatureTable, build_features, build_outcomes, learn_catalogue
from patronage.journal import Journal, note
from patronage.model import Calibration, SegmentationModel, package
from patronage.recipe import FittedRecipe, Recipe, RepresentationChoice, fit_recipes
from patronage.representation import StandardRepresentation, signed_log
from patronage.segments import describe_segments
from patronage.selection import Policy, Selection, Verdict, failed_gates, select
from patronage.tables import DataSource, Tables, open_tables
from patronage.tracking import TrackedRun, Tracking, tracked_run
from patronage.validation import validate
from patronage.windows import Window, Windows, plan_windows

MIN_CUSTOMERS = 50
"""Fewer cannot be divided into five folds and a confirm part that say anything."""


@dataclass(frozen=True)
class Training:
    """What to train: plain values, checked where they are declared.

    Attributes
    ----------
    data : DataSource
    features, outcomes : tuple of Feature
    lookback_days, outcome_days : int
    as_of : date, optional
        Default: ``outcome_days`` before the newest day.
    representation : RepresentationChoice
    clusterers : tuple of Clusterer
    policy : Policy
    n_refits : int
        Subsamples for stability.
    refit_ari : float
        Least agreement of the refitted model with the backtested one.
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
    refit_ari: float
    seed: int
    workers: int
    output: Path
    tracking: Tracking
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """Features of active customers at a window's ``as_of``, and what they did afterwards, row by row the same."""

    features: pd.DataFrame
    outcomes: pd.DataFrame
    rfm: pd.DataFrame


@dataclass(frozen=True)
class Refit:
    """The chosen recipe fitted again at the newest day."""

    fitted: FittedRecipe
    features: pd.DataFrame
    labels: np.ndarray
    stable: Stability
    metrics: dict[str, float]
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Trained:
    """The outcome of a training run.

    Attributes
    ----------
    selection : Selection
    baselines : list of Row
    confirm : dict
        The winner's headline figures; empty without a winner.
    refit_failed : tuple of str
        Gates that the refit failed.
    model : SegmentationModel, optional
        None where nothing passed.
    version : str
        Registered model version; empty where none.
    run_id : str
    seconds : dict
        Stage → seconds.
    """

    selection: Selection
    baselines: list[Row]
    confirm: dict[str, float]
    refit_failed: tuple[str, ...]
    model: SegmentationModel | None
    version: str
    run_id: str
    seconds: dict[str, float]


def train(training: Training) -> Trained:
    """Run the main job: from raw tables to a registered, packaged segmentation.

    Raises
    ------
    PatronageError
        Data or configuration cannot be used; nothing has been packaged or registered then.
    """
    journal = Journal()
    with open_tables(training.data) as tables:
        with journal.stage("read and check tables"):
            for fault in validate(tables):
                note(str(fault))
            windows = _windows(tables, training)
        with journal.stage("build features and outcomes"):
            catalogue, outcomes = _catalogues(tables, training, windows)
            learn = _observe(tables, catalogue, outcomes, windows.learn)
            judged = _observe(tables, catalogue, outcomes, windows.judge)
            last = judged
            if windows.refit.previous != windows.judge:
                last = _observe(tables, catalogue, outcomes, windows.refit.previous)
            newest = build_features(tables, catalogue, windows.refit)
            _require_customers(newest, learn, judged, training)
        with tracked_run(training.tracking, training.config) as run:
            with journal.stage("log data and configuration"):
                run.log_setup(tables, catalogue, windows, training.seed)
            recipes = [
                Recipe(catalogue.basis, training.representation, candidate)
                for clusterer in training.clusterers
                for candidate in clusterer.candidates()
            ]
            with journal.stage("fit candidates"):
                fitted = fit_recipes(recipes, learn.features, learn.outcomes, seed=training.seed)
            with journal.stage(f"refit on {training.n_refits} subsamples"):
                stable = _stabilities(recipes, fitted, learn, training)
            with journal.stage("judge on what came later"):
                judge = _judge(catalogue, learn, judged, training)
                labels, rows = _rows(recipes, fitted, stable, judged, judge)
            with journal.stage("select"):
                selection = select(rows, training.policy)
                baselines = judge.baseline_rows([int(r.metrics["size/n_segments"]) for r in rows if not r.failure])
            if selection.winner is None:
                run.log_selection(selection, baselines, training.policy, {})
                return Trained(selection, baselines, {}, (), None, "", run.run_id, journal.seconds)
            with journal.stage("confirm"):
                winner = rows.index(selection.winner.row)
                confirm = judge.confirm(labels[winner])
            with journal.stage("refit at the newest day"):
                refit = _refit(recipes[winner], fitted[winner], last, newest, training)
            with journal.stage("describe and package"):
                model = _package(
                    refit, fitted[winner], labels[winner], judged, catalogue, selection.winner, confirm, windows
                )
            with journal.stage("log to MLflow"):
                run.log_selection(selection, baselines, training.policy, confirm)
                run.log_segments(model.segments, training.outcomes[0])
                version = _publish(run, model, refit, training, journal)
            packaged = model if version else None
            return Trained(
                selection, baselines, confirm, refit.failed, packaged, version, run.run_id, journal.seconds
            )


def _windows(tables: Tables, training: Training) -> Windows:
    if not tables.has("transactions"):
        raise InvalidInputError(
            f"data={training.data.name} has no transactions table; training needs dated orders to judge segments on "
            "what comes later. Name a file: data.transactions.path=…"
        )
    first, last = tables.span()
    windows = plan_windows(
        first,
        last,
        lookback_days=training.lookback_days,
        outcome_days=training.outcome_days,
        as_of=training.as_of,
    )
    note(
        f"learn at {windows.learn.as_of}, judge at {windows.judge.as_of}, refit at {windows.refit.as_of}; "
        f"lookback {training.lookback_days} days, outcomes {training.outcome_days} days"
    )
    for table in ("customers", "products"):
        if tables.has(table):
            note(f"table {table} has no dates: it is taken as it is today")
    return windows


def _catalogues(tables: Tables, training: Training, windows: Windows) -> tuple[Catalogue, Catalogue]:
    catalogue = learn_catalogue(tables, training.features, windows.learn)
    outcomes = learn_catalogue(tables, training.outcomes, windows.learn)
    for kind, given in (("feature", catalogue), ("outcome", outcomes)):
        for name, reason in given.skipped.items():
            note(f"{kind} {name} left out: {reason}")
    note(f"{len(catalogue.features)} features, {len(catalogue.basis)} of them form segments")
    return catalogue, outcomes


def _observe(tables: Tables, catalogue: Catalogue, outcomes: Catalogue, window: Window) -> Observed:
    active = build_features(tables, catalogue, window).active
    rfm = build_features(tables, Catalogue(RFM), window).active
    later = build_outcomes(tables, outcomes, window).reindex(active.index)
    return Observed(active, later, rfm)


def _require_customers(newest: FeatureTable, learn: Observed, judged: Observed, training: Training) -> None:
    counts = {status: int(n) for status, n in newest.status.value_counts().items()}
    note("customers at the newest day: " + ", ".join(f"{n:,} {status}" for status, n in counts.items()))
    fewest = min(len(learn.features), len(judged.features), len(newest.active))
    most_segments = max(
        (
            int(value)
            for clusterer in training.clusterers
            for parameter in ("n_clusters", "n_components")
            for value in [*clusterer.grid.get(parameter, []), clusterer.parameters.get(parameter, 0)]
        ),
        default=0,
    )
    if fewest < max(MIN_CUSTOMERS, most_segments):
        raise InvalidInputError(
            f"table transactions: {fewest:,} customer(s) with an order in the lookback, at least "
            f"{max(MIN_CUSTOMERS, most_segments)} are needed (up to {most_segments} segments are asked for). "
            "Use a longer lookback_days, more data, or fewer segments."
        )


def _stabilities(
    recipes: Sequence[Recipe], fitted: Sequence[FittedRecipe | Failure], learn: Observed, training: Training
) -> list[Stability | None]:
    alive = [position for position, one in enumerate(fitted) if not isinstance(one, Failure)]
    refits = refit_labels(
        [recipes[position] for position in alive],
        learn.features,
        learn.outcomes,
        n_refits=training.n_refits,
        seed=training.seed,
        workers=training.workers,
    )
    results: list[Stability | None] = [None] * len(recipes)
    spaces: dict[int, np.ndarray] = {}
    for position, labels in zip(alive, refits, strict=True):
        reference = _assign(fitted[position], learn.features, spaces)
        results[position] = stability(reference, labels)
    return results


def _assign(one: FittedRecipe | Failure, features: pd.DataFrame, spaces: dict[int, np.ndarray]) -> np.ndarray:
    """Labels by a fitted recipe; candidates that share a representation share its points in ``spaces``."""
    assert isinstance(one, FittedRecipe)  # noqa: S101 - failures are sorted out before
    key = id(one.representation)
    if key not in spaces:
        spaces[key] = one.representation.transform(features)
    return one.assigner.assign(spaces[key]).label


def _judge(catalogue: Catalogue, learn: Observed, judged: Observed, training: Training) -> Judge:
    common = StandardRepresentation(catalogue.basis).fit(learn.features).transform(judged.features)
    evidence = gather_evidence(
        common,
        signed_log(judged.outcomes.to_numpy(float)),
        list(judged.outcomes.columns),
        list(judged.features.index),
        seed=training.seed,
        workers=training.workers,
    )
    baselines = fit_baselines(
        catalogue.basis, learn.features, judged.features, learn.outcomes, learn.rfm, judged.rfm, seed=training.seed
    )
    return Judge(evidence, common, baselines)


def _rows(
    recipes: Sequence[Recipe],
    fitted: Sequence[FittedRecipe | Failure],
    stable: Sequence[Stability | None],
    judged: Observed,
    judge: Judge,
) -> tuple[list[np.ndarray], list[Row]]:
    labels: list[np.ndarray] = []
    rows: list[Row] = []
    spaces: dict[int, np.ndarray] = {}
    for recipe, one, steadiness in zip(recipes, fitted, stable, strict=True):
        clusterer, representation = recipe.candidate.clusterer.name, recipe.representation.kind
        if isinstance(one, Failure) or steadiness is None:
            reason = one.reason if isinstance(one, Failure) else "no refit"
            rows.append(Row(recipe.name, clusterer, representation, failure=reason))
            labels.append(np.empty(0, dtype=int))
            continue
        labels.append(_assign(one, judged.features, spaces))
        space = spaces[id(one.representation)]
        rows.append(judge.judge(recipe.name, clusterer, representation, space, labels[-1], steadiness))
    return labels, rows


def _refit(
    recipe: Recipe, backtested: FittedRecipe | Failure, last: Observed, newest: FeatureTable, training: Training
) -> Refit:
    assert isinstance(backtested, FittedRecipe)  # noqa: S101 - a winner has segments
    features = newest.active
    (fitted,) = fit_recipes([recipe], last.features, last.outcomes, seed=training.seed, current=features)
    if isinstance(fitted, Failure):
        raise InvalidInputError(f"the winner {recipe.name} cannot be fitted at the newest day: {fitted.reason}.")
    labels = fitted.assign(features).label
    (refits,) = refit_labels(
        [recipe],
        last.features,
        last.outcomes,
        n_refits=training.n_refits,
        seed=training.seed,
        workers=training.workers,
        current=features,
    )
    stable = stability(labels, refits)
    sizes = size(labels)
    metrics = {
        "size/n_segments": float(sizes.n_segments),
        "size/min_share": sizes.min_share,
        "size/coverage": sizes.coverage,
        "stability/ari": stable.ari,
        "stability/jaccard_min": float(stable.jaccard.min(initial=1.0)),
        "ari_backtest": float(adjusted_rand_score(backtested.assign(features).label, labels)),
    }
    failed = failed_gates(metrics, training.policy.gates)
    if metrics["ari_backtest"] < training.refit_ari:
        failed += (f"ARI with the backtested model {metrics['ari_backtest']:.3f} < {training.refit_ari:g}",)
    return Refit(fitted, features, labels, stable, metrics, failed)


def _package(
    refit: Refit,
    backtested: FittedRecipe | Failure,
    judged_labels: np.ndarray,
    judged: Observed,
    catalogue: Catalogue,
    winner: Verdict,
    confirm: dict[str, float],
    windows: Windows,
) -> SegmentationModel:
    """Number segments by what they were worth in the backtest, carry ids over to the refit, and describe it."""
    assert isinstance(backtested, FittedRecipe)  # noqa: S101 - a winner has segments
    first_outcome = judged.outcomes.iloc[:, 0].to_numpy(float)
    worth = np.array(
        [
            first_outcome[judged_labels == label].mean() if (judged_labels == label).any() else np.nan
            for label in range(backtested.assigner.n_segments)
        ]
    )
    former_ids = first_ids(worth)
    ids = carry_ids(
        backtested.assign(refit.features).label, former_ids, refit.labels, refit.fitted.assigner.n_segments
    )
    segments = describe_segments(
        ids,
        refit.labels,
        refit.features,
        catalogue.features,
        value_per_id={
            segment: float(value) for segment, value in zip(former_ids, worth, strict=True) if np.isfinite(value)
        },
        jaccard=refit.stable.jaccard,
    )
    calibration = Calibration.learn(refit.fitted.assign(refit.features), refit.stable.stayed, len(segments))
    return package(
        refit.fitted,
        replace(catalogue, skipped=dict(catalogue.skipped)),
        segments,
        calibration,
        lookback_days=windows.refit.lookback_days,
        outcome_days=windows.refit.outcome_days,
        trained_as_of=windows.refit.as_of,
        about={
            "candidate": winner.row.name,
            "why": winner.reason,
            "select": _finite(winner.row.metrics),
            "confirm": _finite(confirm),
            "refit": _finite(refit.metrics),
        },
    )


def _publish(
    run: TrackedRun, model: SegmentationModel, refit: Refit, training: Training, journal: Journal
) -> str:
    run.log_refit(refit.metrics, refit.failed)
    run.log_seconds(journal.seconds)
    if refit.failed:
        return ""
    model.save(training.output)
    note(f"packaged in {training.output}")
    return run.register(model, training.output)


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in figures.items() if np.isfinite(value)}
