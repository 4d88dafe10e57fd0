"""How far apart segments lie in a space. High separation alone proves little; it is one voice among four."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from patronage.assigners import UNASSIGNED


@dataclass(frozen=True)
class Separation:
    """Separation of labelled points; NaN where fewer than two segments have points.

    Attributes
    ----------
    silhouette : float in [−1, 1]
        Mean silhouette width of the points in a segment.
    silhouette_macro : float in [−1, 1]
        Mean over segments of their mean width: a small segment counts as much as a big one.
    davies_bouldin : float ≥ 0
        Lower is better; compare within one space only.
    calinski_harabasz : float ≥ 0
        Between- over within-segment dispersion; compare within one space only.
    """

    silhouette: float
    silhouette_macro: float
    davies_bouldin: float
    calinski_harabasz: float


def distance_matrix(space: np.ndarray) -> np.ndarray:
    """Euclidean distances between all points, computed once and shared by all candidates of a representation."""
    return squareform(pdist(space))


def silhouette_widths(distances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouette width of every point, from one matrix product for all segments.

    s(i) = (b(i) − a(i)) / max(a(i), b(i)), where a is the mean distance to the other points of the own segment and b
    the smallest mean distance to the points of another. A point alone in its segment has width 0.

    References
    ----------
    Rousseeuw (1987), Silhouettes, Journal of Computational and Applied Mathematics 20.
    """
    segments, own = np.unique(labels, return_inverse=True)
    if len(segments) < 2:  # noqa: PLR2004 - no other segment to compare with
        return np.full(len(labels), np.nan)
    membership = np.eye(len(segments))[own]
    sizes = membership.sum(axis=0)
    sums = distances @ membership
    rows = np.arange(len(labels))
    within = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    nearest = means.min(axis=1)
    largest = np.maximum(within, nearest)
    widths = np.divide(nearest - within, largest, out=np.zeros_like(within), where=largest > 0)
    return np.where(sizes[own] > 1, widths, 0.0)


def separation(space: np.ndarray, labels: np.ndarray, distances: np.ndarray) -> Separation:
    """Judge how far apart segments lie; points without a segment are left out (see ``coverage``).

    Parameters
    ----------
    space : ndarray of shape (n_points, n_dimensions)
    labels : ndarray of shape (n_points,)
    distances : ndarray of shape (n_points, n_points)
        From `distance_matrix` of the same space.
    """
    kept = labels != UNASSIGNED
    labels = labels[kept]
    n_segments = len(np.unique(labels))
    if not 2 <= n_segments < len(labels):  # noqa: PLR2004 - separation needs two segments
        return Separation(np.nan, np.nan, np.nan, np.nan)
    inside = distances if kept.all() else distances[np.ix_(kept, kept)]
    widths = silhouette_widths(inside, labels)
    macro = float(np.mean([widths[labels == label].mean() for label in np.unique(labels)]))
    return Separation(
        float(widths.mean()),
        macro,
        float(davies_bouldin_score(space[kept], labels)),
        float(calinski_harabasz_score(space[kept], labels)),
    )
