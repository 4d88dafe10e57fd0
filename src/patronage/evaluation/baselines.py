"""Simple segmentations that are hard to beat, at any number of segments: what a candidate must be better than.

All are fitted in the learn window and label customers of the judge window, as a candidate does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from patronage.catalogue import Feature
from patronage.representation import OutcomeAwareRepresentation, signed_log

RFM = (
    Feature("baseline recency_days", "orders", "date_diff('day', max(ordered_at)::date, $as_of::date)", empty=None),
    Feature("baseline orders", "orders", "count(*)", empty=0),
    Feature("baseline revenue", "lines", "sum(revenue)", empty=0),
)
"""Recency, frequency and monetary value, whatever features the user chose; no name of theirs has a blank in it."""

SHUFFLED = "shuffled"
"""The null: labels dealt out at random. It is no rival, it shows where 0 lies."""

_N_TERCILES = 3


@dataclass(frozen=True)
class Baselines:
    """Fitted inputs of the baselines.

    Attributes
    ----------
    learn_rfm, judge_rfm : ndarray of shape (n_customers, 3)
        Recency, frequency and monetary value; no columns where there are no orders.
    learn_targets : ndarray of shape (n_learn, n_outcomes)
        Outcomes of the learn window, standardised on the judged scale.
    learn_space, judge_space : ndarray of shape (n_customers, n_columns)
        Standardised basis features.
    learn_score, judge_score : ndarray of shape (n_customers,)
        Mean of the predicted outcomes.
    seed : int
    """

    learn_rfm: np.ndarray
    judge_rfm: np.ndarray
    learn_targets: np.ndarray
    learn_space: np.ndarray
    judge_space: np.ndarray
    learn_score: np.ndarray
    judge_score: np.ndarray
    seed: int

    def labels(self, n_segments: int) -> Mapping[str, np.ndarray]:
        """Labels of the judge window's customers by every baseline, with this many segments."""
        with threadpool_limits(1):
            found: dict[str, np.ndarray] = {}
            if self.learn_rfm.shape[1]:
                found["kmeans_rfm"] = self._kmeans_rfm(n_segments)
                found["rfm_grid"] = self._rfm_grid(n_segments)
                found["revenue_tiles"] = _tiles(self.learn_rfm[:, 2], self.judge_rfm[:, 2], n_segments)
            else:
                kmeans = self._kmeans(self.learn_space, n_segments)
                found["kmeans_features"] = np.asarray(kmeans.predict(self.judge_space))
            found["prediction_tiles"] = _tiles(self.learn_score, self.judge_score, n_segments)
            found["outcome_tree"] = self._outcome_tree(n_segments)
            null = next(iter(found.values()))
            return found | {SHUFFLED: np.random.default_rng(self.seed).permutation(null)}

    def _kmeans_rfm(self, n_segments: int) -> np.ndarray:
        """K-means on the logarithms of recency, frequency and monetary value, standardised."""
        learn, judge = signed_log(self.learn_rfm), signed_log(self.judge_rfm)
        centre, spread = learn.mean(axis=0), np.maximum(learn.std(axis=0), 1e-9)
        fitted = self._kmeans((learn - centre) / spread, n_segments)
        return np.asarray(fitted.predict((judge - centre) / spread))

    def _rfm_grid(self, n_segments: int) -> np.ndarray:
        """Terciles of R, F and M; the 27 cells merged by K-means on their mean outcomes, weighted by their sizes.

        A cell that nobody was in goes with the nearest that somebody was in, counted in steps of a tercile; of equally
        near ones, with the largest.
        """
        edges = [_edges(self.learn_rfm[:, axis], _N_TERCILES) for axis in range(3)]
        learn, judge = (
            sum(np.searchsorted(edges[axis], rfm[:, axis], side="right") * _N_TERCILES**axis for axis in range(3))
            for rfm in (self.learn_rfm, self.judge_rfm)
        )
        cells, own, counts = np.unique(learn, return_inverse=True, return_counts=True)
        means = np.column_stack([np.bincount(own, weights=column) / counts for column in self.learn_targets.T])
        merged = self._kmeans(means, n_segments, counts).labels_
        place = np.arange(_N_TERCILES**3)[:, None] // _N_TERCILES ** np.arange(3) % _N_TERCILES
        steps = np.abs(place[:, None] - place[cells][None]).sum(axis=2)
        # Fewer than one customer's weight between equals: steps come first.
        nearest = (steps - counts / (counts.sum() + 1)).argmin(axis=1)
        return np.asarray(merged[nearest[judge]])

    def _outcome_tree(self, n_segments: int) -> np.ndarray:
        """A regression tree with one leaf per segment, each holding at least 3 % of the learn customers."""
        if n_segments == 1:  # a root without a split is no tree to scikit-learn
            return np.zeros(len(self.judge_space), dtype=int)
        smallest = max(1, int(np.ceil(0.03 * len(self.learn_space))))
        tree = DecisionTreeRegressor(max_leaf_nodes=n_segments, min_samples_leaf=smallest, random_state=self.seed)
        tree.fit(self.learn_space, self.learn_targets)
        number_of_leaf = np.cumsum(tree.tree_.children_left < 0) - 1
        return np.asarray(number_of_leaf[tree.apply(self.judge_space)])

    def _kmeans(self, points: np.ndarray, n_segments: int, weights: np.ndarray | None = None) -> KMeans:
        k = min(n_segments, len(np.unique(points, axis=0)))
        return KMeans(k, n_init=10, random_state=self.seed).fit(points, sample_weight=weights)


def fit_baselines(
    features: tuple[Feature, ...],
    learn: pd.DataFrame,
    judge: pd.DataFrame,
    outcomes: pd.DataFrame,
    learn_rfm: pd.DataFrame,
    judge_rfm: pd.DataFrame,
    *,
    seed: int,
) -> Baselines:
    """Prepare the baselines from the learn window; nothing of the judge window but its features is read."""
    targets = signed_log(outcomes.to_numpy(float))
    spread = targets.std(axis=0)
    targets = (targets - targets.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    with threadpool_limits(1):
        forest = OutcomeAwareRepresentation(features, seed=seed)
        learn_score = forest.fit_transform(learn, outcomes).mean(axis=1)
        judge_score = forest.transform(judge).mean(axis=1)
    return Baselines(
        learn_rfm.to_numpy(float),
        judge_rfm.to_numpy(float),
        targets,
        forest.encoder_.transform(learn),
        forest.encoder_.transform(judge),
        learn_score,
        judge_score,
        seed,
    )


def _edges(values: np.ndarray, n_tiles: int) -> np.ndarray:
    return np.unique(np.quantile(values, np.arange(1, n_tiles) / n_tiles))


def _tiles(learn: np.ndarray, judge: np.ndarray, n_tiles: int) -> np.ndarray:
    """Quantile classes with edges from the learn window."""
    return np.searchsorted(_edges(learn, n_tiles), judge, side="right")
