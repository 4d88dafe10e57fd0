"""Which candidate wins, and why: gates first, then an objective, then the fewest segments among near equals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from patronage.errors import InvalidConfigError
from patronage.evaluation.row import METRICS, Row

OBJECTIVES = tuple(
    metric for metric in METRICS if not metric.startswith(("refit/", "final/")) and metric != "value/kept_unseen"
)
"""What an objective may be made of: figures that every candidate has, not only those that passed already."""

_LOWER_IS_BETTER = ("separation/davies_bouldin", "separation/bic", "separation/silhouette_error")

_BOUNDS: Mapping[str, tuple[float, float]] = {
    "min_segments": (1, float("inf")),
    "max_segments": (1, float("inf")),
    "min_share": (0, 1),
    "coverage": (0, 1),
    "ari": (-1, 1),
    "jaccard": (0, 1),
    "ari_backtest": (-1, 1),
    "typing_agreement": (0, 1),
}
"""Between which values a gate can tell candidates apart: a share is no more than 1."""


@dataclass(frozen=True)
class Gates:
    """What a candidate must reach to be considered; no threshold is lowered for a demo.

    Attributes
    ----------
    min_segments, max_segments : int
        Fewer is no segmentation, more cannot be acted on.
    min_share : float
        Smallest segment's share of customers.
    coverage : float
        Share of customers that a segment was found for.
    ari : float
        Mean agreement of refits with the candidate.
    jaccard : float
        Stability of the least stable segment.
    ari_backtest : float
        Agreement of the model refitted at the newest day with the backtested one.
    typing_agreement : float
        Share of held-out customers that a typing tool gives the clusterer's own label.
    """

    min_segments: int = 2
    max_segments: int = 20
    min_share: float = 0.03
    coverage: float = 0.8
    ari: float = 0.7
    jaccard: float = 0.5
    ari_backtest: float = 0.7
    typing_agreement: float = 0.9

    def __post_init__(self) -> None:
        """Check the limits."""
        for gate, limit in vars(self).items():
            low, high = _BOUNDS[gate]
            if not np.isfinite(limit) or not low <= limit <= high:
                rule = f"from {low} to {high}" if np.isfinite(high) else f"{low} or more"
                raise InvalidConfigError(f"selection.gates.{gate} must be {rule}; got {limit:g}.")
        if self.min_segments > self.max_segments:
            raise InvalidConfigError(
                f"selection.gates.min_segments must be at most max_segments, {self.max_segments}; "
                f"got {self.min_segments}."
            )


@dataclass(frozen=True)
class Policy:
    """How a winner is chosen.

    Attributes
    ----------
    weights : mapping
        Metric → weight; the objective is the weighted sum.
    tolerance : float
        Candidates this close to the best count as equal; the one with the fewest segments wins.
    gates : Gates
    """

    weights: Mapping[str, float]
    tolerance: float = 0.02
    gates: Gates = field(default_factory=Gates)

    def __post_init__(self) -> None:
        """Check the declaration."""
        if not 0 <= self.tolerance < np.inf:
            raise InvalidConfigError(f"selection.tolerance must be 0 or more, and finite; got {self.tolerance}.")
        unknown = sorted(set(self.weights) - set(OBJECTIVES))
        if unknown or not self.weights:
            raise InvalidConfigError(
                f"selection.weights names {', '.join(unknown) or 'no metric'}; known metrics: {', '.join(OBJECTIVES)}."
            )
        for metric, weight in self.weights.items():
            if not np.isfinite(weight):
                raise InvalidConfigError(f"selection.weights.{metric} must be a finite number; got {weight}.")
            if weight > 0 and metric in _LOWER_IS_BETTER:
                raise InvalidConfigError(
                    f"selection.weights.{metric}: lower is better, so its weight must be negative; got {weight}."
                )


@dataclass(frozen=True)
class Verdict:
    """What became of one candidate.

    Attributes
    ----------
    row : Row
    objective : float
        NaN where the candidate failed.
    failed : tuple of str
        The gates it failed, each with figure and limit.
    reason : str
        Why it won or did not, in words.
    """

    row: Row
    objective: float
    failed: tuple[str, ...]
    reason: str

    @property
    def passed(self) -> bool:
        """Whether all gates were passed."""
        return not self.failed


@dataclass(frozen=True)
class Selection:
    """The outcome: a winner or none, and a reason for every candidate (in the order given)."""

    winner: Verdict | None
    verdicts: tuple[Verdict, ...]

    def near_misses(self, n: int = 3) -> list[Verdict]:
        """Candidates that failed the fewest gates, best objective first."""
        alive = [verdict for verdict in self.verdicts if not verdict.row.failure and verdict.failed]
        return sorted(alive, key=lambda v: (len(v.failed), -np.nan_to_num(v.objective, nan=-np.inf)))[:n]


@dataclass(frozen=True)
class CheckedGate:
    """A gate, held against a candidate's figure.

    Attributes
    ----------
    gate : str
        Stage (``backtest``; ``refit`` at the newest day; ``final``, on all customers) and gate: ``final/ari``.
    figure : float
        NaN where the figure does not apply.
    limit : str
        What is asked for, such as ``≥ 0.7``.
    failure : str
        What it fails by, in words; empty where it is passed.
    """

    gate: str
    figure: float
    limit: str
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether the gate is passed; a figure that does not apply fails none."""
        return not self.failure


def check_gates(metrics: Mapping[str, float], gates: Gates) -> tuple[CheckedGate, ...]:
    """Hold every gate against a candidate's figures.

    A value that does not apply (NaN, or absent) fails no gate, but size and stability must be known. The refit's
    figures are looked at once they are there.
    """
    checked = _size_and_stability(metrics, gates, "backtest", "size/", "stability/")
    checked += _typing("backtest", metrics.get("typing/agreement", float("nan")), gates)
    lift_high = metrics.get("value/lift_high", float("nan"))
    failure = ""
    if lift_high < 0:
        failure = (
            f"kept {metrics['value/kept']:.3f} is below the best baseline's {metrics['value/kept_baseline']:.3f} "
            f"(difference at most {lift_high:.3f})"
        )
    checked.append(CheckedGate("backtest/lift_high", lift_high, "≥ 0", failure))
    for stage, words in (("refit", "refit: "), ("final", "refit on all customers: ")):
        if f"{stage}/ari" in metrics:
            checked += _size_and_stability(metrics, gates, stage, f"{stage}/", f"{stage}/", words)
            agreement = metrics[f"{stage}/ari_backtest"]
            checked.append(
                _at_least(
                    f"{stage}/ari_backtest", agreement, gates.ari_backtest, f"{words}ARI with the backtested model"
                )
            )
            checked += _typing(stage, metrics.get(f"{stage}/typing_agreement", float("nan")), gates, words)
    return tuple(checked)


def failed_gates(metrics: Mapping[str, float], gates: Gates) -> tuple[str, ...]:
    """Gates that the figures do not pass, each in words."""
    return tuple(one.failure for one in check_gates(metrics, gates) if not one.passed)


def _at_least(gate: str, figure: float, limit: float, words: str) -> CheckedGate:
    """A gate whose figure must be known."""
    failure = "" if figure >= limit else f"{words} {figure:.4g} < {limit:g}"
    return CheckedGate(gate, figure, f"≥ {limit:g}", failure)


def _typing(stage: str, agreement: float, gates: Gates, words: str = "") -> list[CheckedGate]:
    """The gate of a typing tool; what needs none has no figure, and passes."""
    failure = ""
    if agreement < gates.typing_agreement:
        failure = f"{words}typing tool agrees on {agreement:.4g} < {gates.typing_agreement:g} of held-out customers"
    return [CheckedGate(f"{stage}/typing_agreement", agreement, f"≥ {gates.typing_agreement:g}", failure)]


def _size_and_stability(
    metrics: Mapping[str, float], gates: Gates, stage: str, size: str, stability: str, words: str = ""
) -> list[CheckedGate]:
    n_segments = int(metrics[f"{size}n_segments"])
    failure = ""
    if not gates.min_segments <= n_segments <= gates.max_segments:
        failure = f"{words}{n_segments} segments, allowed {gates.min_segments} to {gates.max_segments}"
    limit = f"{gates.min_segments} to {gates.max_segments}"
    return [
        CheckedGate(f"{stage}/n_segments", n_segments, limit, failure),
        *(
            _at_least(f"{stage}/{gate}", metrics.get(metric, float("nan")), limit_, f"{words}{told}")
            for gate, metric, limit_, told in (
                ("min_share", f"{size}min_share", gates.min_share, "smallest segment"),
                ("coverage", f"{size}coverage", gates.coverage, "coverage"),
                ("ari", f"{stability}ari", gates.ari, "ARI of refits"),
                ("jaccard_min", f"{stability}jaccard_min", gates.jaccard, "least stable segment's Jaccard"),
            )
        ),
    ]


def select(rows: Sequence[Row], policy: Policy) -> Selection:
    """Choose among candidates.

    Parameters
    ----------
    rows : sequence of Row
        Candidates, not baselines.
    policy : Policy

    Returns
    -------
    Selection
        Pure: the same rows and policy give the same choice. Among those within tolerance of the best the fewest
        segments win, of these the steadiest (ARI of refits), then the best objective, then the name.
    """
    judged = [_judge(row, policy) for row in rows]
    passing = [position for position, (_, failed) in enumerate(judged) if not failed]
    winner = None
    if passing:
        best = max(judged[position][0] for position in passing)
        near = [position for position in passing if judged[position][0] >= best - policy.tolerance]
        winner = min(
            near,
            key=lambda p: (
                rows[p].metrics["size/n_segments"], -rows[p].metrics["stability/ari"], -judged[p][0], rows[p].name,
            ),
        )  # fmt: skip
    verdicts = []
    for position, (row, (objective, failed)) in enumerate(zip(rows, judged, strict=True)):
        reason = "; ".join(failed)
        if not failed and winner is not None:
            reason = _reason(rows, judged, position, winner, policy)
        verdicts.append(Verdict(row, objective, failed, reason))
    return Selection(None if winner is None else verdicts[winner], tuple(verdicts))


def elect(rows: Sequence[Row], policy: Policy, prove: Callable[[int, Row], Row]) -> Selection:
    """Choose a winner that passes all gates once more when it is put to its last proof.

    Parameters
    ----------
    rows : sequence of Row
        Candidates, not baselines.
    policy : Policy
    prove : callable
        Given a winner's position and line, gives the line with the figures of its proof. One that fails a gate by them
        loses, and the next best has its turn; none is proved twice.
    """
    known = list(rows)
    proved: set[int] = set()
    while True:
        selection = select(known, policy)
        if selection.winner is None:
            return selection
        winner = selection.verdicts.index(selection.winner)
        if winner in proved:
            return selection
        known[winner] = prove(winner, known[winner])
        proved.add(winner)


def _judge(row: Row, policy: Policy) -> tuple[float, tuple[str, ...]]:
    if row.failure:
        return float("nan"), (row.failure,)
    objective = sum(weight * row.metrics.get(metric, float("nan")) for metric, weight in policy.weights.items())
    failed = failed_gates(row.metrics, policy.gates)
    if np.isnan(objective) and not failed:
        absent = [metric for metric in policy.weights if np.isnan(row.metrics.get(metric, float("nan")))]
        failed = (f"{', '.join(absent)} not applicable, but the objective needs it",)
    return float(objective), failed


def _reason(
    rows: Sequence[Row],
    judged: Sequence[tuple[float, tuple[str, ...]]],
    position: int,
    winner: int,
    policy: Policy,
) -> str:
    objective, chosen = judged[position][0], judged[winner][0]
    own, won = rows[position].metrics, rows[winner].metrics
    if position == winner:
        best = max(value for value, failed in judged if not failed)
        if chosen == best:
            return f"chosen: best objective {chosen:.3f} of those that pass all gates"
        near = [
            rows[p].metrics["size/n_segments"]
            for p, (value, failed) in enumerate(judged)
            if not failed and value >= best - policy.tolerance
        ]
        steadiest = " and of these the steadiest" if near.count(won["size/n_segments"]) > 1 else ""
        return (
            f"chosen: objective {chosen:.3f} is within {policy.tolerance:g} of the best ({best:.3f}), "
            f"with the fewest segments{steadiest}"
        )
    if objective > chosen:
        near_by = f"passes; objective {objective:.3f} is within {policy.tolerance:g} of the winner's, but"
        k, fewest = int(own["size/n_segments"]), int(won["size/n_segments"])
        if k > fewest:
            return f"{near_by} {k} segments, not {fewest}"
        return f"{near_by} less steady: ARI {own['stability/ari']:.2f}, not {won['stability/ari']:.2f}"
    return f"passes; objective {objective:.3f} against the winner's {chosen:.3f}"
