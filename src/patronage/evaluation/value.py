"""What segments are worth later: how much of what could be foreseen about the future a segmentation keeps.

A segmentation forecasts each customer's outcome by its segment's mean. ``kept`` compares these forecasts with the
best that learners can do from all the features: 1 means nothing foreseeable is lost by speaking of segments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

SELECT_SHARE = 0.7
N_FOLDS = 5
N_BOOTSTRAP = 1000
LEVEL = 0.90
MIN_CEILING = 0.05
"""An outcome counts only if the lower bound of what is foreseeable about it reaches this R²."""

CONFIRM = -1


@dataclass(frozen=True)
class Interval:
    """A figure and its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evidence:
    """What segmentations are judged against, computed once and shared by all of them.

    Attributes
    ----------
    outcomes : tuple of str
    targets : ndarray of shape (n_customers, n_outcomes)
        Outcomes after ``as_of``, as sign(y)·log1p|y|.
    folds : ndarray of shape (n_customers,)
        Fold 0 … 4 of a *select* customer, ``CONFIRM`` for a *confirm* customer.
    ceiling_errors : ndarray of shape (n_customers, n_outcomes)
        Squared errors of the best learner per outcome.
    learners : tuple of str
        That learner, per outcome.
    counted : ndarray of shape (n_outcomes,), bool
        Outcomes whose ceiling's lower bound on *select* is at least ``MIN_CEILING``.
    draws : mapping
        Bootstrap weights per part, shape (n_bootstrap, n_rows): the same for all segmentations, so that they are
        compared in pairs.
    """

    outcomes: tuple[str, ...]
    targets: np.ndarray
    folds: np.ndarray
    ceiling_errors: np.ndarray
    learners: tuple[str, ...]
    counted: np.ndarray
    draws: Mapping[str, np.ndarray]

    def rows(self, part: str) -> np.ndarray:
        """Which customers belong to ``select`` or ``confirm``."""
        return self.folds != CONFIRM if part == "select" else self.folds == CONFIRM


@dataclass(frozen=True)
class Worth:
    """What a segmentation keeps of the foreseeable.

    Attributes
    ----------
    kept : Interval
        NaN where no outcome is foreseeable.
    r2 : mapping
        Outcome → (R² of the segment means, R² of the ceiling).
    draws : ndarray of shape (n_bootstrap,)
        ``kept`` in each bootstrap draw, to compare segmentations in pairs.
    """

    kept: Interval
    r2: Mapping[str, tuple[float, float]]
    draws: np.ndarray


def fold_customers(customer_ids: Sequence[str]) -> np.ndarray:
    """Divide customers by a hash of their id: 30 % confirm, the rest in five folds.

    A hash keeps every customer on its side of the split in every run, whoever else is in the data.
    """
    folds = np.empty(len(customer_ids), dtype=int)
    for row, customer in enumerate(customer_ids):
        digest = hashlib.blake2b(f"patronage {customer}".encode(), digest_size=8).digest()
        point = int.from_bytes(digest[:4], "big") / 2**32
        folds[row] = digest[4] * 256 + digest[5] if point < SELECT_SHARE else CONFIRM
    return np.where(folds == CONFIRM, CONFIRM, folds % N_FOLDS)


def select_customers(customer_ids: Sequence[str]) -> np.ndarray:
    """Tell which customers choices may be made on; ndarray of shape (n_customers,), bool."""
    return fold_customers(customer_ids) != CONFIRM


def gather_evidence(
    space: np.ndarray,
    targets: np.ndarray,
    outcomes: Sequence[str],
    customer_ids: Sequence[str],
    *,
    seed: int,
    workers: int,
) -> Evidence:
    """Find out how well each outcome could be foreseen from all basis features: the common ceiling.

    Boosting, extra-trees and ridge forecast every *select* customer out of fold, and every *confirm* customer from
    all *select* customers; per outcome the learner with the best R² on *select* is the ceiling.

    Parameters
    ----------
    space : ndarray of shape (n_customers, n_columns)
        All basis features at ``as_of``, standardised.
    targets : ndarray of shape (n_customers, n_outcomes)
        Outcomes after ``as_of`` on the scale they are judged on.
    """
    folds = fold_customers(customer_ids)
    learners = LEARNERS if targets.shape[1] else {}  # a snapshot has nothing to foresee
    jobs = [
        (name, fold, column)
        for fold in [*range(N_FOLDS), CONFIRM]
        for name in learners
        for column in (range(targets.shape[1]) if name == "boosting" else [None])
    ]
    results = Parallel(n_jobs=workers)(
        delayed(_forecast)(name, space, targets, folds, fold, column, seed) for name, fold, column in jobs
    )
    forecasts = {name: np.zeros_like(targets) for name in learners}
    for (name, fold, column), forecast in zip(jobs, results, strict=True):
        columns = slice(None) if column is None else slice(column, column + 1)
        forecasts[name][folds == fold, columns] = forecast
    errors = {name: (targets - forecast) ** 2 for name, forecast in forecasts.items()}

    select = folds != CONFIRM
    r2 = {name: r_squared(error[select], targets[select]) for name, error in errors.items()}
    best = tuple(max(learners, key=lambda name: r2[name][column]) for column in range(targets.shape[1]))
    ceiling = np.empty_like(targets)
    for column, name in enumerate(best):
        ceiling[:, column] = errors[name][:, column]
    rng = np.random.default_rng(seed)
    draws = {}
    for part, rows in (("select", select), ("confirm", ~select)):
        n = max(int(rows.sum()), 1)
        draws[part] = rng.multinomial(n, np.full(n, 1 / n), size=N_BOOTSTRAP).astype(float)
    lower = np.quantile(r_squared_draws(ceiling[select], targets[select], draws["select"]), (1 - LEVEL) / 2, axis=0)
    return Evidence(tuple(outcomes), targets, folds, ceiling, best, lower >= MIN_CEILING, draws)


def segment_errors(labels: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Squared errors of forecasting by segment means, on the folds the ceiling uses.

    A *select* customer is forecast by the mean of its segment in the other folds, a *confirm* customer by the mean in
    all of *select*. The unassigned are a group like the others. A group without training customers is forecast by
    the overall mean.
    """
    groups, own = np.unique(labels, return_inverse=True)
    errors = np.empty_like(evidence.targets)
    for fold in [*range(N_FOLDS), CONFIRM]:
        held_out = evidence.folds == fold
        train = ~held_out & (evidence.folds != CONFIRM)
        counts = np.bincount(own[train], minlength=len(groups))
        overall = evidence.targets[train].mean(axis=0)
        means = np.empty((len(groups), evidence.targets.shape[1]))
        for column in range(evidence.targets.shape[1]):
            sums = np.bincount(own[train], weights=evidence.targets[train, column], minlength=len(groups))
            means[:, column] = np.where(counts > 0, sums / np.maximum(counts, 1), overall[column])
        errors[held_out] = (evidence.targets[held_out] - means[own[held_out]]) ** 2
    return errors


def worth(labels: np.ndarray, evidence: Evidence, part: str = "select") -> Worth:
    """Judge what a segmentation keeps: kept = Σ R²(segment means) / Σ R²(ceiling) over the counted outcomes.

    Never clipped: it may be below 0, or above 1 where segments forecast better than the learners. NaN where the
    ceiling of these customers is not above 0. It rises with the number of segments: compare at an equal number only.

    Parameters
    ----------
    labels : ndarray of shape (n_customers,)
    evidence : Evidence
        Of the same customers.
    part : {"select", "confirm"}
        Whose outcomes are read.
    """
    rows = evidence.rows(part)
    errors, targets = segment_errors(labels, evidence)[rows], evidence.targets[rows]
    ceiling = evidence.ceiling_errors[rows]
    segments, best = r_squared(errors, targets), r_squared(ceiling, targets)
    r2 = {name: (float(segments[i]), float(best[i])) for i, name in enumerate(evidence.outcomes)}
    counted = evidence.counted
    if not counted.any() or not rows.any():
        return Worth(Interval(np.nan, np.nan, np.nan), r2, np.full(N_BOOTSTRAP, np.nan))
    weights = evidence.draws[part]
    drawn = _share(
        r_squared_draws(errors[:, counted], targets[:, counted], weights).sum(axis=1),
        r_squared_draws(ceiling[:, counted], targets[:, counted], weights).sum(axis=1),
    )
    kept = float(_share(segments[counted].sum(keepdims=True), best[counted].sum(keepdims=True))[0])
    return Worth(interval(kept, drawn), r2, drawn)


def interval(value: float, draws: np.ndarray) -> Interval:
    """The 90 % percentile interval of bootstrap draws around a figure; draws that are NaN are left out."""
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def r_squared(errors: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """1 − Σ error / Σ (y − ȳ)² per column; 0 where the outcome does not vary."""
    if not len(targets):
        return np.zeros(targets.shape[1])
    total = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    return _explained(errors.sum(axis=0), total, (targets**2).sum(axis=0))


def r_squared_draws(errors: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """R² in every bootstrap draw; ndarray of shape (n_bootstrap, n_outcomes)."""
    centred = targets - targets.mean(axis=0)
    total = weights @ centred**2 - (weights @ centred) ** 2 / weights.sum(axis=1, keepdims=True)
    return _explained(weights @ errors, total, weights @ (targets**2 + centred**2))


def _explained(error: np.ndarray, total: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """1 − error / total, or 0 where the total is no more than the rounding of numbers of this scale."""
    return 1 - np.divide(error, total, out=np.ones_like(total), where=total > 1e-12 * scale)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole, or NaN where there is no whole to have a share of."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _boosting(seed: int) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    return HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.05, min_samples_leaf=20, early_stopping=False, random_state=seed
    )


def _forest(seed: int) -> Any:  # noqa: ANN401
    return ExtraTreesRegressor(n_estimators=300, min_samples_leaf=5, max_features=0.5, random_state=seed)


def _ridge(seed: int) -> Any:  # noqa: ANN401, ARG001 - ridge has no chance in it
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))


LEARNERS = {"boosting": _boosting, "forest": _forest, "ridge": _ridge}


def _forecast(
    name: str,
    space: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    fold: int,
    column: int | None,
    seed: int,
) -> np.ndarray:
    held_out = folds == fold
    train = ~held_out & (folds != CONFIRM)
    if not held_out.any():
        return np.empty((0, targets.shape[1] if column is None else 1))
    # scikit-learn wants a single outcome as a vector.
    wanted = targets[:, column or 0] if column is not None or targets.shape[1] == 1 else targets
    with threadpool_limits(1):
        learner = LEARNERS[name](seed).fit(space[train], wanted[train])
        return np.asarray(learner.predict(space[held_out])).reshape(int(held_out.sum()), -1)
