"""Which job of a sweep wins: the best candidate of each, compared on what the select customers did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from patronage.evaluation.row import Row
from patronage.selection import Policy

_OF_THE_CEILING = (
    *("value/kept_low", "value/kept_high", "value/kept_baseline"),
    *("value/lift", "value/lift_low", "value/lift_high"),
)


@dataclass(frozen=True)
class Contender:
    """A job's best candidate, with all that a choice between jobs needs; no confirm customer's outcome is in it.

    Attributes
    ----------
    job : int
        Number of the job, from 1.
    row : Row
        The candidate's line of the leaderboard.
    policy : Policy
        By which the job chose it.
    foreseen : mapping
        Outcome → (R² of the segment means, R² of the ceiling) on the select customers.
    counted : tuple of str
        Outcomes that the job's features foresee well enough to count.
    judged_by : str
        Digest of the judged customers and of what the select customers did.
    """

    job: int
    row: Row
    policy: Policy
    foreseen: Mapping[str, tuple[float, float]]
    counted: tuple[str, ...]
    judged_by: str


@dataclass(frozen=True)
class Choice:
    """The sweep's winner, and how its jobs compare.

    Attributes
    ----------
    winner : int, optional
        Number of the job; None where there is none.
    kept_common : mapping
        Job → kept on the common scale; see `kept_common`.
    objective : mapping
        Job → what the choice was made by.
    reason : str
        Why it won, or why there is no winner, in words.
    """

    winner: int | None
    kept_common: Mapping[int, float]
    objective: Mapping[int, float]
    reason: str


def kept_common(contenders: Sequence[Contender]) -> dict[int, float]:
    """Put what the jobs keep on one scale: Σ R²(segment means) / max over jobs of Σ R²(ceiling).

    ``kept`` alone does not compare jobs of different features: it is a share of what the job's own features could
    foresee, and a poor feature set has a low ceiling. The segments' R² do compare, on the same customers and outcomes;
    divided by the sweep's highest ceiling they read as ``kept`` does. The sums are over the outcomes that count in any
    of the jobs. NaN where nothing is foreseeable.
    """
    counted = sorted({outcome for one in contenders for outcome in one.counted})
    segments = {one.job: sum(one.foreseen[name][0] for name in counted) for one in contenders}
    highest = max((sum(one.foreseen[name][1] for name in counted) for one in contenders), default=0.0)
    return {job: total / highest if highest > 0 else float("nan") for job, total in segments.items()}


def choose(contenders: Sequence[Contender]) -> Choice:
    """Choose among the jobs' best candidates.

    Where all jobs choose by the same weights, so does the sweep, with ``value/kept`` on the common scale; where they
    differ, by kept on the common scale, or by the ARI of refits where nothing came later. Within the smallest tolerance
    the fewest segments win, as among candidates; then the better objective, then the first job.

    Figures of jobs that judged different customers or outcomes (other data, windows or outcomes) do not compare: then
    there is no winner.
    """
    nothing = {one.job: float("nan") for one in contenders}
    if not contenders:
        return Choice(None, {}, {}, "no job has a candidate that passes")
    if len({one.judged_by for one in contenders}) > 1:
        reason = (
            "jobs judged different customers or outcomes (data, windows or outcomes differ), so their figures do not "
            "compare; train with the options you prefer alone"
        )
        return Choice(None, nothing, nothing, reason)
    kept = kept_common(contenders)
    weights, words = _weights(contenders, kept)
    objective = {one.job: _objective(one, weights, kept) for one in contenders}
    tolerance = min(one.policy.tolerance for one in contenders)
    best = max(objective.values())
    near = [one for one in contenders if objective[one.job] >= best - tolerance]
    winner = min(near, key=lambda one: (one.row.metrics["size/n_segments"], -objective[one.job], one.job))
    won = objective[winner.job]
    reason = f"best {words} {won:.3f}"
    if won != best:
        reason = f"{words} {won:.3f} is within {tolerance:g} of the best ({best:.3f}), with the fewest segments"
    elif len(contenders) == 1:
        reason = "the only job with a candidate that passes"
    return Choice(winner.job, kept, objective, reason)


def _weights(contenders: Sequence[Contender], kept: Mapping[int, float]) -> tuple[Mapping[str, float], str]:
    """What the sweep chooses by, and its name."""
    weights = contenders[0].policy.weights
    if all(dict(one.policy.weights) == dict(weights) for one in contenders):
        return weights, "kept on the common scale" if dict(weights) == {"value/kept": 1.0} else "objective"
    if any(np.isfinite(value) for value in kept.values()):
        return {"value/kept": 1.0}, "kept on the common scale (the jobs' own objectives differ)"
    return {"stability/ari": 1.0}, "ARI of refits (the jobs' own objectives differ)"


def _objective(one: Contender, weights: Mapping[str, float], kept: Mapping[int, float]) -> float:
    own = one.row.metrics.get("value/kept", float("nan"))
    # Shares of the job's own ceiling become shares of the sweep's highest.
    shrink = kept[one.job] / own if own else 1.0
    total = 0.0
    for metric, weight in weights.items():
        figure = one.row.metrics.get(metric, float("nan"))
        if metric == "value/kept":
            figure = kept[one.job]
        elif metric in _OF_THE_CEILING:
            figure *= shrink
        total += weight * figure
    return total if np.isfinite(total) else float("-inf")
