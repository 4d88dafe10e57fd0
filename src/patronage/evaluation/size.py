"""Whether segments are big enough, and neither too many nor too few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from patronage.assigners import UNASSIGNED


@dataclass(frozen=True)
class Size:
    """Sizes of the segments.

    Attributes
    ----------
    n_segments : int
        Segments with at least one customer; the unassigned are no segment.
    min_share : float
        Smallest segment's share of all customers; 0 without segments.
    effective_segments : float
        exp(−Σ p ln p) over the segments' shares of the assigned: the number of equal segments that would be as
        diverse (Hill number of order 1).
    coverage : float
        Share of customers that a segment was found for, before any policy for noise.
    """

    n_segments: int
    min_share: float
    effective_segments: float
    coverage: float


def size(labels: np.ndarray, found: np.ndarray | None = None) -> Size:
    """Judge the sizes of the segments.

    Parameters
    ----------
    labels : ndarray of shape (n_customers,)
    found : ndarray of shape (n_customers,), bool, optional
        Whether a segment was found before any policy for noise; default: all with a label.
    """
    found = labels != UNASSIGNED if found is None else found
    assigned = labels[labels != UNASSIGNED]
    if not len(assigned):
        return Size(0, 0.0, 0.0, 0.0)
    counts = np.unique(assigned, return_counts=True)[1]
    shares = counts / len(assigned)
    return Size(
        len(counts),
        float(counts.min() / len(labels)),
        float(np.exp(-np.sum(shares * np.log(shares)))),
        float(found.mean()),
    )
