"""Placing points in the cells of a grid, each of which belongs to a segment."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from patronage.assigners import UNASSIGNED, Assignment, checked_points

_LARGEST = 1e150  # squares of distances stay finite


class GridAssigner:
    """Segment of the cell that a point falls in.

    Parameters
    ----------
    edges : ndarray of shape (n_dimensions, n_tiles − 1)
        Per dimension the ascending borders of its tiles; a point on a border is in the upper tile.
    segment_of_cell : ndarray of shape (n_tiles ** n_dimensions,), int
        Segment of every cell; the first dimension's tile counts fastest.
    centres : ndarray of shape (n_segments, n_dimensions)
        Means of the segments' training points.

    Raises
    ------
    ValueError
        Shapes do not fit together, a number is not finite, or a cell points to no segment.
    """

    kind: ClassVar[str] = "grid"

    def __init__(self, *, edges: np.ndarray, segment_of_cell: np.ndarray, centres: np.ndarray) -> None:
        edges, segment_of_cell, centres = np.asarray(edges), np.asarray(segment_of_cell), np.asarray(centres)
        n_dimensions, n_tiles = (len(edges), edges.shape[1] + 1) if edges.ndim == 2 else (0, 0)  # noqa: PLR2004
        fits = n_dimensions > 0 and centres.ndim == 2 and len(centres) > 0 and centres.shape[1] == n_dimensions  # noqa: PLR2004
        if not fits or segment_of_cell.shape != (n_tiles**n_dimensions,):
            raise ValueError(
                f"edges {edges.shape}, segment_of_cell {segment_of_cell.shape} and centres {centres.shape} "
                "do not fit together; expected (d, tiles − 1), (tiles ** d,) and (k, d)."
            )
        if not np.isfinite(edges).all() or not np.isfinite(centres).all() or (np.diff(edges, axis=1) < 0).any():
            raise ValueError("a grid needs finite centres and finite, ascending edges.")
        if segment_of_cell.dtype.kind != "i" or not ((segment_of_cell >= 0) & (segment_of_cell < len(centres))).all():
            raise ValueError(f"a cell must belong to one of the {len(centres)} segments.")
        self.edges = np.array(edges, dtype=float, order="C")
        self.segment_of_cell = np.array(segment_of_cell, dtype=np.int64)
        self.centres = np.array(centres, dtype=float, order="C")
        self._n_tiles = n_tiles
        outer = np.full((n_dimensions, 1), np.inf)
        tile = np.stack(np.unravel_index(np.arange(len(segment_of_cell)), (n_tiles,) * n_dimensions, order="F"), axis=1)
        axis = np.arange(n_dimensions)
        self._low = np.hstack([-outer, self.edges])[axis, tile]
        self._high = np.hstack([self.edges, outer])[axis, tile]

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self.centres)

    def assign(self, points: np.ndarray) -> Assignment:
        """Place points.

        Returns
        -------
        Assignment
            ``runner_up`` is the segment with the nearest cell, ``margin`` δ / (1 + δ) of the distance δ to that cell,
            ``distance`` that to the own segment's centre.
        """
        points = np.clip(checked_points(points, len(self.edges), "GridAssigner"), -_LARGEST, _LARGEST)
        rows = np.arange(len(points))
        cell = np.zeros(len(points), dtype=np.int64)
        for axis, edges in enumerate(self.edges):
            cell += np.searchsorted(edges, points[:, axis], side="right") * self._n_tiles**axis
        label = self.segment_of_cell[cell]
        away = np.full((len(points), self.n_segments), np.inf)
        for number, segment in enumerate(self.segment_of_cell):
            if (self._low[number] < self._high[number]).all():  # no point falls between two equal edges
                away[:, segment] = np.minimum(away[:, segment], self._distance(points, number))
        away[rows, label] = np.inf
        nearest = away.argmin(axis=1)
        gap = away[rows, nearest]
        runner_up = np.where(np.isinf(gap), UNASSIGNED, nearest)
        margin = np.divide(gap, 1.0 + gap, out=np.ones_like(gap), where=np.isfinite(gap))
        return Assignment(label, runner_up, margin, cdist(points, self.centres)[rows, label])

    def _distance(self, points: np.ndarray, cell: int) -> np.ndarray:
        squared = np.zeros(len(points))
        for axis in range(points.shape[1]):
            column = points[:, axis]
            outside = np.maximum(np.maximum(self._low[cell, axis] - column, column - self._high[cell, axis]), 0.0)
            squared += outside * outside
        return np.sqrt(squared)

    def arrays(self) -> dict[str, np.ndarray]:
        """Edges, the cells' segments and the centres."""
        return {"edges": self.edges, "segment_of_cell": self.segment_of_cell, "centres": self.centres}
