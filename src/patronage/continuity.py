"""Segment ids that survive: matching the segments of two models by the customers they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from patronage.evaluation.stability import jaccard_matrix

ACCEPT = 0.5
"""Two segments are the same one if at least half of the customers in either are in both (Jaccard)."""


def carry_ids(former: np.ndarray, former_ids: Sequence[str], current: np.ndarray, n_current: int) -> list[str]:
    """Give the current segments ids: the former ones where they match, else ids never used before.

    Parameters
    ----------
    former, current : ndarray of shape (n_customers,)
        Labels of the same customers at the same date by both models.
    former_ids : sequence of str
        Ids of the former segments, in the order of their labels.
    n_current : int
        Number of current segments.

    Returns
    -------
    list of str of length n_current
        Matched by the assignment with the largest sum of Jaccard similarities (Hungarian method).
    """
    similarity = jaccard_matrix(current, former, n_current)
    # What is no match counts nothing: else two near misses could outweigh a match.
    matches = np.where(similarity >= ACCEPT, similarity, 0.0)
    ids: dict[int, str] = {}
    for row, column in zip(*linear_sum_assignment(-matches), strict=True):
        if matches[row, column] > 0:
            ids[int(row)] = former_ids[column]
    number = max((int(known[1:]) for known in former_ids), default=0)
    for label in range(n_current):
        if label not in ids:
            number += 1
            ids[label] = segment_id(number)
    return [ids[label] for label in range(n_current)]


def first_ids(worth_per_label: np.ndarray) -> list[str]:
    """First ids of segments, in falling order of what a customer is worth; ids mean nothing else."""
    order = np.argsort(-np.nan_to_num(worth_per_label, nan=-np.inf), kind="stable")
    ids = [""] * len(order)
    for number, label in enumerate(order, start=1):
        ids[label] = segment_id(number)
    return ids


def segment_id(number: int) -> str:
    """Opaque id: S01, S02 and so on."""
    return f"S{number:02d}"
