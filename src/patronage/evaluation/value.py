"""What segments are worth later: how much of what could be foreseen about the future a segmentation keeps.

A segmentation forecasts each customer's outcome by its segment's mean. ``kept`` compares these forecasts with the
best that learners can do from all the features: 1 means nothing foreseeable is lost by speaking of segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from patronage.evaluation.bootstrap import LEVEL, r_squared, r_squared_draws
from patronage.evaluation.evidence import CONFIRM, N_FOLDS, Evidence


@dataclass(frozen=True)
class Interval:
    """A figure and its bootstrap interval."""

    value: float
    low: float
    high: float


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
    r2 = _by_outcome(evidence, segments, best)
    counted = evidence.counted
    if not counted.any() or not rows.any():
        return Worth(Interval(np.nan, np.nan, np.nan), r2, np.full(len(evidence.draws[part].counts), np.nan))
    own, whole = r_squared_draws(targets[:, counted], evidence.draws[part], errors[:, counted], ceiling[:, counted])
    drawn = _share(own.sum(axis=1), whole.sum(axis=1))
    kept = float(_share(segments[counted].sum(keepdims=True), best[counted].sum(keepdims=True))[0])
    return Worth(interval(kept, drawn), r2, drawn)


def explained(labels: np.ndarray, evidence: Evidence) -> dict[str, tuple[float, float]]:
    """`Worth.r2` on *select* alone, without the bootstrap: what is explained, not how surely."""
    rows = evidence.rows("select")
    targets = evidence.targets[rows]
    segments = r_squared(segment_errors(labels, evidence)[rows], targets)
    return _by_outcome(evidence, segments, r_squared(evidence.ceiling_errors[rows], targets))


def _by_outcome(evidence: Evidence, segments: np.ndarray, best: np.ndarray) -> dict[str, tuple[float, float]]:
    return {name: (float(segments[i]), float(best[i])) for i, name in enumerate(evidence.outcomes)}


def interval(value: float, draws: np.ndarray) -> Interval:
    """The 90 % percentile interval of bootstrap draws around a figure; draws that are NaN are left out.

    In simulations with a known truth it holds ``kept`` in 85 to 89 % of repetitions, the more the more customers there
    are. It is about the customers: what learners would have made of other customers is not in it.
    """
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole, or NaN where there is no whole to have a share of."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
