"""Which segment has the nearest training point: for rows that have no segment, and for runners-up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

from patronage.assigners import UNASSIGNED

_ROWS_AT_ONCE = 8192  # bounds the memory of the (rows, neighbours) and (rows, segments) tables
_LEAF_SIZE = 40
_ROUNDING = 1e-12  # generous for the relative error of a distance


class NearestSegments:
    """The training points by segment.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions), float
    labels : ndarray of shape (n_points,), int
        Segment of every training point, ``UNASSIGNED`` for noise.
    tolerance : float
        0 is exact; else the point found in a segment may be farther than its nearest one, at most by this share.
    """

    def __init__(self, points: np.ndarray, labels: np.ndarray, tolerance: float) -> None:
        members = [points[labels == segment] for segment in range(labels.max() + 1)]
        self._tolerance = tolerance
        self._trees = [cKDTree(inside, leafsize=_LEAF_SIZE) for inside in members]
        self._boxes = [(inside.min(axis=0), inside.max(axis=0)) for inside in members]
        # Of every training point the nearest segment, which is its own where it has one, and the next one.
        self._nearest, self._next = labels.copy(), np.empty(len(labels), dtype=np.int64)
        noise = np.flatnonzero(labels == UNASSIGNED)
        for rows in slices(len(noise)):
            self._nearest[noise[rows]] = self.other(points[noise[rows]], labels[noise[rows]])
        for rows in slices(len(points)):
            self._next[rows] = self.other(points[rows], self._nearest[rows])

    def other(self, points: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Segment other than ``label`` that has the nearest training point.

        Parameters
        ----------
        points : ndarray of shape (n_rows, n_dimensions), float
        label : ndarray of shape (n_rows,), int
            ``UNASSIGNED``: any segment will do.

        Returns
        -------
        ndarray of shape (n_rows,), int
            The lowest number where several are equally near, ``UNASSIGNED`` where there is none.
        """
        if not self._trees:
            return np.full(len(points), UNASSIGNED)
        numbers = np.arange(len(self._trees))
        # No point of a segment is nearer than the box around it: search in the nearest box, then in those
        # that can still win or draw, for the lowest number wins where several are equally near.
        bound = np.column_stack([_box_distance(points, low, high) for low, high in self._boxes])
        bound[label[:, np.newaxis] == numbers] = np.inf
        first = bound.argmin(axis=1)[:, np.newaxis] == numbers
        distance = np.full(bound.shape, np.inf)
        self._measure(points, first & (bound < np.inf), distance)
        best = distance.min(axis=1, keepdims=True)
        self._measure(points, ~first & (bound < np.inf) & (bound <= best), distance)
        return np.where(distance.min(axis=1) < np.inf, distance.argmin(axis=1), UNASSIGNED)

    def other_of(self, joined: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Segment other than ``label`` that is nearest to training points.

        Parameters
        ----------
        joined : ndarray of shape (n_rows,), int
            Training points.
        label : ndarray of shape (n_rows,), int

        Returns
        -------
        ndarray of shape (n_rows,), int
            As in ``other``.
        """
        return np.where(self._nearest[joined] == label, self._next[joined], self._nearest[joined])

    def of_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every training point the nearest segment, which is its own where it has one, and the next one."""
        return self._nearest, self._next

    def _measure(self, points: np.ndarray, wanted: np.ndarray, distance: np.ndarray) -> None:
        """Write the distance of rows to the nearest point of segments, both where ``wanted``."""
        for number, tree in enumerate(self._trees):
            rows = np.flatnonzero(wanted[:, number])
            if rows.size > 0:
                distance[rows, number] = tree.query(points[rows], eps=self._tolerance)[0]


def slices(n_rows: int) -> Iterator[slice]:
    """Slices of rows that are worked on at once."""
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, n_rows))


def _box_distance(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Distance to the box between the corners ``low`` and ``high``, rounded down; 0 inside."""
    squared = np.zeros(len(points))
    with np.errstate(over="ignore"):
        for column, lowest, highest in zip(points.T, low, high, strict=True):
            squared += np.maximum(np.maximum(lowest - column, column - highest), 0.0) ** 2
    return np.sqrt(squared) * (1 - _ROUNDING)
