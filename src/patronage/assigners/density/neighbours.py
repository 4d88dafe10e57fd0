"""Which training point a row joins: the one that it reaches most easily among its nearest neighbours."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from sklearn.neighbors import KDTree

# Fastest from 5 dimensions on, where the search takes the time. It also decides which neighbours are found within a
# tolerance: with another number here, packaged models would place a few rows elsewhere.
LEAF_SIZE = 64

_ROUNDING = 1e-12  # generous for the relative error of a distance


class Neighbours:
    """The training points, to find the one that a row joins.

    The few nearest ones almost always decide, and SciPy's tree finds them faster than scikit-learn's. Where they do
    not, and where distances are so equal that rounding or the order within a tree would, the row is looked up as
    hdbscan does.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions), float
    core_distances : ndarray of shape (n_points,), float
    min_samples : int
    tolerance : float
        0 is exact; else every neighbour may be farther than the one of its rank, at most by this share, further ones
        are not looked at, and equally near ones come in the order of SciPy's tree.
    """

    def __init__(self, points: np.ndarray, core_distances: np.ndarray, min_samples: int, tolerance: float) -> None:
        self._points, self._core_distances = points, core_distances
        self._min_samples, self._tolerance = min_samples, tolerance
        self._quick = cKDTree(points, leafsize=LEAF_SIZE)
        # hdbscan keeps its training points in this kind of tree: equally near points come in the same order.
        self._careful = KDTree(points)

    def join(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Training point that every row joins, and the reach to it.

        Parameters
        ----------
        points : ndarray of shape (n_rows, n_dimensions), float, in C-order

        Returns
        -------
        joined : ndarray of shape (n_rows,), int
        reach : ndarray of shape (n_rows,), float ≥ 0
        """
        distance, neighbour = self._quick.query(points, k=self._min_samples + 1, eps=self._tolerance)
        near_enough = np.isfinite(distance[:, -1])  # a square overflows: SciPy finds nobody
        neighbour[~near_enough] = 0
        first, reach, joined = self._easiest(distance, neighbour)
        if self._tolerance > 0.0:
            final = near_enough
        else:
            final = near_enough & self._settled(distance, neighbour, first, reach)
            reach = self._as_hdbscan_measures(points, neighbour[:, -1])

        rest = np.flatnonzero(~final)
        if rest.size > 0:
            n_neighbours = min(2 * self._min_samples, len(self._points))
            _, reach[rest], joined[rest] = self._easiest(*self._careful.query(points[rest], k=n_neighbours))
        return joined, reach

    def _easiest(self, distance: np.ndarray, neighbour: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which of the neighbours is reached most easily, the first of several; the reach to it; its number."""
        core = distance[:, self._min_samples, np.newaxis]
        reach = np.maximum(np.maximum(distance, core), self._core_distances[neighbour])
        first = reach.argmin(axis=1)
        rows = np.arange(len(first))
        return first, reach[rows, first], neighbour[rows, first]

    def _settled(self, distance: np.ndarray, neighbour: np.ndarray, first: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """Whether more neighbours, or another order of equally near ones, cannot change whom a row joins.

        No reach is below core(x), so the first neighbour to attain it wins, however many more are looked at. What is
        equal but for rounding is not settled here.
        """
        core = distance[:, -1]
        looked_at = np.arange(distance.shape[1]) <= first[:, np.newaxis]
        tied = distance[:, 1:] <= distance[:, :-1] * (1 + _ROUNDING)
        close = np.abs(self._core_distances[neighbour] - core[:, np.newaxis]) <= core[:, np.newaxis] * _ROUNDING
        unsure = (tied & looked_at[:, :-1]).any(axis=1) | (close & looked_at).any(axis=1)
        settled: np.ndarray = (reach == core) & (first < self._min_samples) & ~unsure
        return settled

    def _as_hdbscan_measures(self, points: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
        """Distances to neighbours, with squares added in the order of the columns as scikit-learn's tree does.

        SciPy adds them in another order. Density is compared with those of the condensed tree, and there the last
        bit counts: a row can lie as far from its neighbours as these from each other.
        """
        squared = np.zeros(len(points))
        with np.errstate(over="ignore"):
            for column, other in zip(points.T, self._points[neighbour].T, strict=True):
                squared += (column - other) ** 2
        return np.sqrt(squared)
