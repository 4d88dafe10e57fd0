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
    kind : ndarray of shape (n_points,), int
        Equal for points that place a row alike whichever of them it joins, at an equal reach.
    min_samples : int
    tolerance : float
        0 is exact; else every neighbour may be farther than the one of its rank, at most by this share, further ones
        are not looked at, and equally near ones come in the order of SciPy's tree.
    """

    def __init__(
        self,
        points: np.ndarray,
        core_distances: np.ndarray,
        *,
        kind: np.ndarray,
        min_samples: int,
        tolerance: float,
    ) -> None:
        self._points, self._core_distances, self._kind = points, core_distances, kind
        self._min_samples, self._tolerance = min_samples, tolerance
        self._quick = cKDTree(points, leafsize=LEAF_SIZE)
        # hdbscan keeps its training points in this kind of tree: equally near points come in the same order.
        self._careful = KDTree(points)

    def join(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Training point that every row joins, or one of its kind, and the reach to it.

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
        if self._tolerance > 0.0:
            joined, reach = self._easiest(distance, neighbour)
            final = near_enough
        else:
            joined, settled = self._settled(distance, neighbour)
            reach = self._as_hdbscan_measures(points, neighbour[:, -1])
            final = near_enough & settled

        rest = np.flatnonzero(~final)
        if rest.size > 0:
            n_neighbours = min(2 * self._min_samples, len(self._points))
            joined[rest], reach[rest] = self._easiest(*self._careful.query(points[rest], k=n_neighbours))
        return joined, reach

    def _easiest(self, distance: np.ndarray, neighbour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the neighbours is reached most easily, the first of several; the reach to it."""
        core = distance[:, self._min_samples, np.newaxis]
        reach = np.maximum(np.maximum(distance, core), self._core_distances[neighbour])
        first = reach.argmin(axis=1)
        rows = np.arange(len(first))
        return neighbour[rows, first], reach[rows, first]

    def _settled(self, distance: np.ndarray, neighbour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whom a row joins, at a reach of core(x), and whether more neighbours or another order cannot change that.

        No reach is below core(x), so the first neighbour to attain it wins, however many more are looked at. That is
        the first one whose core distance is surely below core(x); or one that is equally near, or nearer with an
        equal core distance, equal but for rounding. Settled is a row where all of these are neighbours found, and of
        one kind.
        """
        core, of_neighbours = distance[:, -1:], self._core_distances[neighbour]
        surely = of_neighbours <= core * (1 - _ROUNDING)
        rows, first = np.arange(len(distance)), surely.argmax(axis=1)
        joined = neighbour[rows, first]
        farthest = distance[rows, first, np.newaxis] * (1 + _ROUNDING)
        rival = (distance <= farthest) & (of_neighbours <= core * (1 + _ROUNDING))
        alike = self._kind[neighbour] == self._kind[joined, np.newaxis]
        settled: np.ndarray = surely[rows, first] & (farthest < core)[:, 0] & (alike | ~rival).all(axis=1)
        return joined, settled

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
