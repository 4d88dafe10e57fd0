"""Judging candidates: all figures of each, on the same evidence as every other's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from patronage.assigners import Assignment
from patronage.evaluation.baselines import SHUFFLED, Baselines
from patronage.evaluation.density import dbcv
from patronage.evaluation.effect import cramers_v, is_binary, omega2, top20_capture, value_gap
from patronage.evaluation.evidence import Evidence
from patronage.evaluation.row import Row
from patronage.evaluation.sample import Sample, draw_sample
from patronage.evaluation.separation import Separation, distance_matrix, separation
from patronage.evaluation.size import Size, size
from patronage.evaluation.stability import Stability
from patronage.evaluation.value import Worth, explained, interval, worth


class Judge:
    """Judges segmentations of one window's customers on the same evidence.

    Distances, ceilings, bootstrap draws and the baselines at each number of segments are computed once and shared.

    Parameters
    ----------
    evidence : Evidence
        Outcomes after ``as_of`` and what was foreseeable about them, of the customers who are heard.
    common_space : ndarray of shape (n_heard, n_columns)
        The ``standard`` space, in which candidates of different representations can be compared.
    baselines : Baselines, optional
        None where there are no outcomes to compare by.
    money : Evidence, optional
        The same outcomes on the scale of money; without it ``kept_money`` is not known.
    outcomes : ndarray of shape (n_heard, n_outcomes), optional
        As they are; default: on the scale of ``evidence``.
    headline : str, optional
        The outcome that shares are measured in; default: the first.
    heard : ndarray of shape (n_customers,), bool, optional
        Which of the window's customers were asked for their outcomes; default: all.
    select : ndarray of shape (n_customers,), bool, optional
        Which of the window's customers choices may be made on; needed with ``heard``.
    """

    def __init__(
        self,
        evidence: Evidence,
        common_space: np.ndarray,
        baselines: Baselines | None,
        *,
        money: Evidence | None = None,
        outcomes: np.ndarray | None = None,
        headline: str | None = None,
        heard: np.ndarray | None = None,
        select: np.ndarray | None = None,
    ) -> None:
        self.evidence = evidence
        self._money = money
        self._outcomes = evidence.targets if outcomes is None else outcomes
        self._headline = 0 if headline is None else evidence.outcomes.index(headline)
        self._heard = np.ones(len(evidence.folds), dtype=bool) if heard is None else heard
        self._select = evidence.rows("select") if select is None else select
        asked = np.flatnonzero(evidence.rows("select"))
        drawn = draw_sample(common_space[asked])
        self._sample = Sample(np.flatnonzero(self._heard)[asked[drawn.rows]], drawn.weights, drawn.strata)
        self._common_space = common_space[asked[drawn.rows]]
        self._common_distances = distance_matrix(self._common_space)
        self._baselines = baselines
        self._rivals: dict[int, dict[str, Worth]] = {}
        self._rival_labels: dict[int, Mapping[str, np.ndarray]] = {}
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
        rows = self._sample.rows
        points, sampled = space[rows], labels[rows]
        distances = self._distances_in(space, points)
        own = separation(points, sampled, distances, self._sample)
        common = own
        if distances is not self._common_distances:
            common = separation(self._common_space, sampled, self._common_distances, self._sample)
        density = dbcv(distances, sampled, space.shape[1], self._sample.weights)
        heard = labels[self._heard]
        return Row(
            name,
            clusterer,
            representation,
            self._figures(own, common, density, sizes, stable) | self._value(heard),
            best_baseline=self._best(heard)[0] if self._baselines is not None else "",
            jaccard=tuple(float(value) for value in stable.jaccard),
        )

    def _distances_in(self, space: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Distances of the sampled customers in a candidate's space, measured once per space."""
        if id(space) not in self._distances:
            same = np.array_equal(points, self._common_space)
            # The space is kept beside its distances, so that its id stays its own.
            self._distances[id(space)] = (space, self._common_distances if same else distance_matrix(points))
        return self._distances[id(space)][1]

    def baselines(self, n_segments: int) -> dict[str, Worth]:
        """What every baseline keeps with this many segments, on *select*."""
        if self._baselines is None:
            return {}
        if n_segments not in self._rivals:
            labels = self._rival_labels[n_segments] = self._baselines.labels(n_segments)
            self._rivals[n_segments] = {name: worth(given, self.evidence) for name, given in labels.items()}
        return self._rivals[n_segments]

    def n_groups(self, labels: np.ndarray) -> int:
        """The number of segments at which baselines are compared with these labels of all customers.

        The unassigned are one more, where there are any among those who are heard.
        """
        return _n_groups(labels[self._heard])

    def foreseen(self, labels: np.ndarray) -> dict[str, tuple[float, float]]:
        """Per outcome, R² of the segment means and R² of the ceiling, on *select*.

        Unlike ``kept`` they compare with those of runs on other features, of the same customers and outcomes. Empty
        where there are no outcomes.
        """
        return {} if self._baselines is None else explained(labels[self._heard], self.evidence)

    def kept_unseen(self, labels: Mapping[str, np.ndarray]) -> float:
        """Σ R²(segment means) / Σ R²(ceiling) on *select*, each outcome by segments formed without knowing it.

        Parameters
        ----------
        labels : mapping
            Counted outcome → labels of all customers by a segmentation that never saw this outcome.
        """
        if not labels:
            return float("nan")
        of_outcome = [self.foreseen(given)[outcome] for outcome, given in labels.items()]
        ceiling = sum(best for _, best in of_outcome)
        return sum(segments for segments, _ in of_outcome) / ceiling if ceiling > 0 else float("nan")

    @property
    def counted(self) -> list[str]:
        """Outcomes that ``kept`` is made of: those of which enough could be foreseen."""
        return [name for name, counts in zip(self.evidence.outcomes, self.evidence.counted, strict=True) if counts]

    def __getstate__(self) -> dict[str, object]:
        """Leave the distances behind: they are large, and a judge that travels only confirms."""
        return {**vars(self), "_distances": {}, "_common_distances": np.empty((0, 0))}

    def confirm(self, labels: np.ndarray) -> dict[str, float]:
        """Headline figures on the *confirm* customers, by whose outcomes nothing was judged; read once, for the winner.

        Empty where there are no outcomes.
        """
        if self._baselines is None:
            return {}
        labels = labels[self._heard]
        won = worth(labels, self.evidence, "confirm")
        name = self._best(labels)[0]
        rival = worth(self._rival_labels[_n_groups(labels)][name], self.evidence, "confirm")
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
        if self._money is not None:
            kept = worth(labels, self._money, "confirm").kept
            figures |= {"kept_money": kept.value, "kept_money_low": kept.low, "kept_money_high": kept.high}
        for outcome, (segments, ceiling) in won.r2.items():
            figures[f"r2_segments_{outcome}"] = segments
            figures[f"r2_ceiling_{outcome}"] = ceiling
        return figures

    def compare(self, labels: np.ndarray, rival: np.ndarray) -> dict[str, float]:
        """What a segmentation keeps beside another one, in pairs on the *confirm* customers.

        Parameters
        ----------
        labels, rival : ndarray of shape (n_customers,)
            Of all customers.

        Returns
        -------
        dict
            ``kept_rival``, and ``difference`` of the first less the second with its interval; empty where there are no
            outcomes.
        """
        if self._baselines is None:
            return {}
        own, other = (worth(one[self._heard], self.evidence, "confirm") for one in (labels, rival))
        difference = interval(own.kept.value - other.kept.value, own.draws - other.draws)
        return {
            "kept_rival": other.kept.value,
            "difference": difference.value,
            "difference_low": difference.low,
            "difference_high": difference.high,
        }

    def baseline_rows(self, counts: Sequence[int]) -> list[Row]:
        """Leaderboard lines of the baselines for these numbers of segments; 0 has none.

        ``size/n_segments`` is the number asked for, at which candidates are compared with them: tiles may merge at
        ties.
        """
        return [
            Row(
                f"{name} k={n_segments}",
                metrics={"size/n_segments": float(n_segments)}
                | _kept("kept", given)
                | self._effects(self._rival_labels[n_segments][name]),
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
        return (
            _kept("kept", own)
            | {
                "value/kept_baseline": rival.kept.value,
                "value/lift": lift.value,
                "value/lift_low": lift.low,
                "value/lift_high": lift.high,
            }
            | self._effects(labels)
        )

    def _effects(self, labels: np.ndarray) -> dict[str, float]:
        """What needs no ceiling, and ``kept_money``, on *select*."""
        rows = self.evidence.rows("select")
        groups, outcomes = labels[rows], self._outcomes[rows]
        each = {
            f"value/omega2_{name}": omega2(column, groups)
            for name, column in zip(self.evidence.outcomes, self.evidence.targets[rows].T, strict=True)
        }
        responses = [cramers_v(column, groups) for column in outcomes.T if is_binary(column)]
        return (
            ({} if self._money is None else _kept("kept_money", worth(labels, self._money)))
            | {
                "value/omega2": float(np.mean(list(each.values()))),
                "value/cramers_v": float(np.mean(responses)) if responses else float("nan"),
                "value/value_gap": value_gap(outcomes[:, self._headline], groups),
                "value/top20_capture": top20_capture(outcomes[:, self._headline], groups, self.evidence.folds[rows]),
            }
            | each
        )

    def _figures(
        self, own: Separation, common: Separation, density: float, sizes: Size, stable: Stability
    ) -> dict[str, float]:
        return {
            "separation/silhouette": own.silhouette,
            "separation/silhouette_error": own.silhouette_error,
            "separation/silhouette_common": common.silhouette,
            "separation/silhouette_macro": own.silhouette_macro,
            "separation/davies_bouldin": own.davies_bouldin,
            "separation/calinski_harabasz": own.calinski_harabasz,
            "separation/dbcv": density,
            "separation/bic": float("nan"),  # known to whoever has the points it was fitted to
            "size/n_segments": float(sizes.n_segments),
            "size/min_share": sizes.min_share,
            "size/effective_segments": sizes.effective_segments,
            "size/coverage": sizes.coverage,
            "stability/ari": stable.ari,
            "stability/ari_pairwise": stable.ari_pairwise,
            "stability/ari_clusterer": stable.ari_clusterer,
            "stability/jaccard_min": float(stable.jaccard.min()) if len(stable.jaccard) else float("nan"),
        }


def _kept(name: str, given: Worth) -> dict[str, float]:
    return {
        f"value/{name}": given.kept.value,
        f"value/{name}_low": given.kept.low,
        f"value/{name}_high": given.kept.high,
    }


def _n_groups(labels: np.ndarray) -> int:
    """Groups that forecasts are made by: the segments, and the unassigned where there are any."""
    return len(np.unique(labels))
