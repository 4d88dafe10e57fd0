"""Placing rows in segments: one small, array-only assigner per kind of clusterer.

An assigner holds nothing but arrays, so it is saved without pickle, and its kernels work row by row, so that a
customer scored alone gets bit for bit what it gets among a million others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

UNASSIGNED = -1
"""The label of a row that belongs to no segment (noise)."""


@dataclass(frozen=True)
class Assignment:
    """Where rows were placed.

    Attributes
    ----------
    label : ndarray of shape (n_rows,), int
        Index of the segment, or ``UNASSIGNED``.
    runner_up : ndarray of shape (n_rows,), int
        Index of the next best segment; ``UNASSIGNED`` where there is none.
    margin : ndarray of shape (n_rows,), float in [0, 1]
        How clearly ``label`` wins over ``runner_up``: 0 on the border, 1 far from it.
    distance : ndarray of shape (n_rows,), float
        Distance to the segment in the assigner's own measure; larger is less typical.
    found : ndarray of shape (n_rows,), bool
        Whether a segment was found, before any policy that gives noise one all the same; default: all with a label.
    """

    label: np.ndarray
    runner_up: np.ndarray
    margin: np.ndarray
    distance: np.ndarray
    found: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))

    def __post_init__(self) -> None:
        """Fill in what was found."""
        if len(self.found) != len(self.label):
            object.__setattr__(self, "found", self.label != UNASSIGNED)


class Assigner(Protocol):
    """Places points of the representation's space in segments."""

    kind: ClassVar[str]

    @property
    def n_segments(self) -> int:
        """Number of segments that points can be placed in."""
        ...

    def assign(self, points: np.ndarray) -> Assignment:
        """Place ``points`` of shape (n_rows, n_dimensions)."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything the assigner needs, as arrays; ``cls(**arrays)`` builds it again."""
        ...


def checked_points(points: np.ndarray, n_dimensions: int, owner: str) -> np.ndarray:
    """Points as a finite float matrix in C-order.

    Raises
    ------
    ValueError
        They are no matrix with ``n_dimensions`` columns, or a value is not finite; the message names ``owner``.
    """
    points = np.ascontiguousarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != n_dimensions:  # noqa: PLR2004 - a matrix
        raise ValueError(f"{owner} places points of shape (n_rows, {n_dimensions}), got shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"{owner} places finite points only, got NaN or infinity")
    return points
