"""All figures of one candidate side by side: a line of the leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from patronage.assigners import Assignment
from patronage.evaluation.baselines import SHUFFLED, Baselines
from patronage.evaluation.separation import Separation, distance_matrix, separation
from patronage.evaluation.size import Size, size
from patronage.evaluation.stability import Stability
from patronage.evaluation.value import Evidence, Worth, interval, worth

METRICS = (
    "separation/silhouette",
    "separation/silhouette_common",
    "separation/silhouette_macro",
    "separation/davies_bouldin",
    "separation/calinski_harabasz",
    "size/n_segments",
    "size/min_share",
    "size/effective_segments",
    "size/coverage",
    "stability/ari",
    "stability/ari_pairwise",
    "stability/jaccard_min",
    "value/kept",
    "value/kept_low",
    "value/kept_high",
    "value/kept_baseline",
    "value/lift",
    "value/lift_low",
    "value/lift_high",
    "refit/n_segments",
    "refit/min_share",
    "refit/coverage",
    "refit/ari",
    "refit/jaccard_min",
    "refit/ari_backtest",
    "final/n_segments",
    "final/min_share",
    "final/coverage",
    "final/ari",
    "final/jaccard_min",
    "final/ari_backtest",
)
"""What a candidate is measured by. ``lift`` is kept minus the best same-k baseline's, compared in pairs;
``refit/…`` is known for candidates that passed the backtest, ``final/…`` for those that were fitted again on all
customers, the confirm customers included."""


SEPARATION_SAMPLE = 5_000
"""Separation needs all distances between customers; beyond this many a sample of them is judged."""


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes
    ----------
    name : str
        Candidate or baseline.
    clusterer, representation : str
        What it is made of; both empty for a baseline.
    metrics : mapping
        Metric → figure; NaN or absent where it does not apply.
    failure : str
        Why there are no segments; empty where there are.
    best_baseline : str
        The baseline that ``lift`` compares with.
    jaccard : tuple of float
        Stability per segment.
    """

    name: str
    clusterer: str = ""
    representation: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    best_baseline: str = ""
    jaccard: tuple[float, ...] = ()


class Judge:
    """Judges segmentations of one window's customers on the same evidence.

    Distances, ceilings, bootstrap draws and the baselines at each number of segments are computed once and shared.

    Parameters
    ----------
    evidence : Evidence
        Outcomes after ``as_of`` and what was foreseeable about them.
    common_space : ndarray of shape (n_customers, n_columns)
        The ``standard`` space, in which candidates of different representations can be compared.
    baselines : Baselines, optional
        None where there are no outcomes to compare by.
    """

    def __init__(self, evidence: Evidence, common_space: np.ndarray, baselines: Baselines | None) -> None:
        self.evidence = evidence
        self._select = evidence.rows("select")
        rows = np.flatnonzero(self._select)
        if len(rows) > SEPARATION_SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(rows, SEPARATION_SAMPLE, replace=False))
        self._sample = rows
        self._common_space = common_space[self._sample]
        self._common_distances = distance_matrix(self._common_space)
        self._baselines = baselines
        self._rivals: dict[int, dict[str, Worth]] = {}
        self._distances: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def judge(
        self,
        name: str,
        clusterer: str,
        representation: str,
        space: np.ndarray,
        assignment: Assignment,
        stable: Stability,
    ) -> Row:
        """Judge one candidate on the *select* customers.

        Parameters
        ----------
        space : ndarray of shape (n_customers, n_dimensions)
            The candidate's own space; candidates that share it must give the same array.
        assignment : Assignment
            Of all customers, by its packaged assigner.
        stable : Stability
            From the learn window.
        """
        labels = assignment.label
        sizes = size(labels[self._select], assignment.found[self._select])
        if id(space) not in self._distances:
            self._distances[id(space)] = (space, distance_matrix(space[self._sample]))
        own = separation(space[self._sample], labels[self._sample], self._distances[id(space)][1])
        common = separation(self._common_space, labels[self._sample], self._common_distances)
        return Row(
            name,
            clusterer,
            representation,
            self._figures(own, common, sizes, stable) | self._value(labels),
            best_baseline=self._best(labels)[0] if self._baselines is not None else "",
            jaccard=tuple(float(value) for value in stable.jaccard),
        )

    def baselines(self, n_segments: int) -> dict[str, Worth]:
        """What every baseline keeps with this many segments, on *select*."""
        if self._baselines is None:
            return {}
        if n_segments not in self._rivals:
            labels = self._baselines.labels(n_segments)
            self._rivals[n_segments] = {name: worth(given, self.evidence) for name, given in labels.items()}
        return self._rivals[n_segments]

    def confirm(self, labels: np.ndarray) -> dict[str, float]:
        """Headline figures on the *confirm* customers, by whose outcomes nothing was judged; read once, for the winner.

        Empty where there are no outcomes.
        """
        if self._baselines is None:
            return {}
        won = worth(labels, self.evidence, "confirm")
        name = self._best(labels)[0]
        rival = worth(self._baselines.labels(_n_groups(labels))[name], self.evidence, "confirm")
        lift = interval(won.kept.value - rival.kept.value, won.draws - rival.draws)
        figures = {
            "kept": won.kept.value,
            "kept_low": won.kept.low,
            "kept_high": won.kept.high,
            "kept_baseline": rival.kept.value,
            "lift": lift.value,
            "lift_low": lift.low,
            "lift_high": lift.high,
            "n_customers": float(self.evidence.rows("confirm").sum()),
        }
        for outcome, (segments, ceiling) in won.r2.items():
            figures[f"r2_segments_{outcome}"] = segments
            figures[f"r2_ceiling_{outcome}"] = ceiling
        return figures

    def baseline_rows(self, counts: Sequence[int]) -> list[Row]:
        """Leaderboard lines of the baselines for these numbers of segments; 0 has none."""
        return [
            Row(
                f"{name} k={n_segments}",
                metrics={
                    "size/n_segments": float(n_segments),
                    "value/kept": given.kept.value,
                    "value/kept_low": given.kept.low,
                    "value/kept_high": given.kept.high,
                },
            )
            for n_segments in sorted(set(counts) - {0})
            for name, given in self.baselines(n_segments).items()
        ]

    def _best(self, labels: np.ndarray) -> tuple[str, Worth]:
        rivals = {name: given for name, given in self.baselines(_n_groups(labels)).items() if name != SHUFFLED}
        name = max(rivals, key=lambda rival: (np.nan_to_num(rivals[rival].kept.value, nan=-np.inf), rival))
        return name, rivals[name]

    def _value(self, labels: np.ndarray) -> dict[str, float]:
        if self._baselines is None:
            return {}
        own, (_, rival) = worth(labels, self.evidence), self._best(labels)
        lift = interval(own.kept.value - rival.kept.value, own.draws - rival.draws)
        return {
            "value/kept": own.kept.value,
            "value/kept_low": own.kept.low,
            "value/kept_high": own.kept.high,
            "value/kept_baseline": rival.kept.value,
            "value/lift": lift.value,
            "value/lift_low": lift.low,
            "value/lift_high": lift.high,
        }

    def _figures(self, own: Separation, common: Separation, sizes: Size, stable: Stability) -> dict[str, float]:
        return {
            "separation/silhouette": own.silhouette,
            "separation/silhouette_common": common.silhouette,
            "separation/silhouette_macro": own.silhouette_macro,
            "separation/davies_bouldin": own.davies_bouldin,
            "separation/calinski_harabasz": own.calinski_harabasz,
            "size/n_segments": float(sizes.n_segments),
            "size/min_share": sizes.min_share,
            "size/effective_segments": sizes.effective_segments,
            "size/coverage": sizes.coverage,
            "stability/ari": stable.ari,
            "stability/ari_pairwise": stable.ari_pairwise,
            "stability/jaccard_min": float(stable.jaccard.min()) if len(stable.jaccard) else float("nan"),
        }


def _n_groups(labels: np.ndarray) -> int:
    """Groups that forecasts are made by: the segments, and the unassigned where there are any."""
    return len(np.unique(labels))
