"""Placing points at the nearest centre: K-means and other clusterers with one centre per segment."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from patronage.assigners import UNASSIGNED, Assignment, checked_points


class CentroidAssigner:
    """Nearest centre by Euclidean distance.

    Parameters
    ----------
    centres : ndarray of shape (n_segments, n_dimensions)

    Raises
    ------
    ValueError
        ``centres`` is not a finite matrix with at least one row.
    """

    kind: ClassVar[str] = "centroid"

    def __init__(self, *, centres: np.ndarray) -> None:
        centres = np.ascontiguousarray(centres, dtype=float)
        if centres.ndim != 2 or not len(centres) or not np.isfinite(centres).all():  # noqa: PLR2004 - a matrix
            raise ValueError(f"centres must be a finite (n_segments, n_dimensions) array; got shape {centres.shape}.")
        self.centres = centres

    @property
    def n_segments(self) -> int:
        """Number of centres."""
        return len(self.centres)

    def assign(self, points: np.ndarray) -> Assignment:
        """Place points; the margin is (d₂ − d₁) / (d₂ + d₁) of the two nearest centres' distances."""
        # cdist works pair by pair; a matrix product would round differently for other batch sizes. Centre by centre the
        # two nearest of many points are found several times as fast as point by point.
        distances = cdist(self.centres, checked_points(points, self.centres.shape[1], "CentroidAssigner"))
        n_points = distances.shape[1]
        if self.n_segments == 1:
            return Assignment(
                np.zeros(n_points, dtype=int), np.full(n_points, UNASSIGNED), np.ones(n_points), distances[0]
            )
        label, runner_up, nearest, second = _two_nearest(distances)
        total = nearest + second
        margin = np.divide(second - nearest, total, out=np.zeros_like(total), where=total > 0)
        return Assignment(label, runner_up, margin, nearest)

    def arrays(self) -> dict[str, np.ndarray]:
        """The centres."""
        return {"centres": self.centres}


def _two_nearest(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which two of at least two centres are nearest, and how far they are; of equal distances the first counts.

    Parameters
    ----------
    distances : ndarray of shape (n_segments, n_points)
    """
    # Small numbers, and sums instead of masks: so a processor takes many points at a time.
    label = (distances[1] < distances[0]).astype(np.int32)
    runner_up = 1 - label
    nearest, second = np.minimum(distances[0], distances[1]), np.maximum(distances[0], distances[1])
    for segment in range(2, len(distances)):
        distance = distances[segment]
        is_nearest, is_near = distance < nearest, distance < second
        runner_up += is_near * (segment - runner_up)
        runner_up += is_nearest * (label - runner_up)
        label += is_nearest * (segment - label)
        second = np.minimum(second, np.maximum(distance, nearest))
        nearest = np.minimum(nearest, distance)
    return label.astype(int), runner_up.astype(int), nearest, second
