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
        # cdist works pair by pair; a matrix product would round differently for other batch sizes.
        distances = cdist(checked_points(points, self.centres.shape[1], "CentroidAssigner"), self.centres)
        rows = np.arange(len(distances))
        label = distances.argmin(axis=1)
        nearest = distances[rows, label]
        if self.n_segments == 1:
            return Assignment(label, np.full(len(label), UNASSIGNED), np.ones(len(label)), nearest)
        distances[rows, label] = np.inf
        runner_up = distances.argmin(axis=1)
        second = distances[rows, runner_up]
        total = nearest + second
        margin = np.divide(second - nearest, total, out=np.zeros_like(total), where=total > 0)
        return Assignment(label, runner_up, margin, nearest)

    def arrays(self) -> dict[str, np.ndarray]:
        """The centres."""
        return {"centres": self.centres}
