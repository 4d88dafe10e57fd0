"""How far apart segments lie in a space. High separation alone proves little; it is one voice among four."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist, squareform

from patronage.assigners import UNASSIGNED
from patronage.evaluation.sample import Sample


@dataclass(frozen=True)
class Separation:
    """Separation of labelled points; NaN where fewer than two segments have points.

    From a sample, the figures are estimates of those of the population it was drawn from.

    Attributes
    ----------
    silhouette : float in [−1, 1]
        Mean silhouette width of the points in a segment.
    silhouette_error : float ≥ 0
        Standard error of ``silhouette`` by sampling; 0 where all points were judged.
    silhouette_macro : float in [−1, 1]
        Mean over segments of their mean width: a small segment counts as much as a big one.
    davies_bouldin : float ≥ 0
        Lower is better; compare within one space only.
    calinski_harabasz : float ≥ 0
        Between- over within-segment dispersion; compare within one space only.
    """

    silhouette: float
    silhouette_error: float
    silhouette_macro: float
    davies_bouldin: float
    calinski_harabasz: float


@dataclass(frozen=True)
class _Widths:
    """Silhouette widths with what they are made of; every array of shape (n_points,) but the last.

    Attributes
    ----------
    widths, within, nearest : ndarray
        s(i), a(i) and b(i).
    own, other : ndarray of int
        Number of the own segment, and of the nearest other one.
    totals : ndarray of shape (n_segments,)
        Sum of weights per segment.
    """

    widths: np.ndarray
    within: np.ndarray
    nearest: np.ndarray
    own: np.ndarray
    other: np.ndarray
    totals: np.ndarray


def distance_matrix(space: np.ndarray) -> np.ndarray:
    """Euclidean distances between all points, computed once and shared by all candidates of a representation."""
    return squareform(pdist(space))


def silhouette_widths(distances: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Silhouette width of every point, from one matrix product for all segments.

    s(i) = (b(i) − a(i)) / max(a(i), b(i)), where a is the mean distance to the other points of the own segment and b
    the smallest mean distance to the points of another. A point alone in its segment has width 0. With weights, the
    means are weighted: they estimate those over the population that the points were drawn from.

    References
    ----------
    Rousseeuw (1987), Silhouettes, Journal of Computational and Applied Mathematics 20.
    """
    return _silhouette(distances, labels, np.ones(len(labels)) if weights is None else weights).widths


def _silhouette(distances: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> _Widths:
    segments, own = np.unique(labels, return_inverse=True)
    if len(segments) < 2:  # noqa: PLR2004 - no other segment to compare with
        nothing = np.full(len(labels), np.nan)
        return _Widths(nothing, nothing, nothing, own, own, np.full(len(segments), weights.sum()))
    totals = np.bincount(own, weights=weights)
    sums = distances @ (np.eye(len(segments))[own] * weights[:, None])
    rows = np.arange(len(labels))
    alone = np.bincount(own)[own] == 1
    # A point's distance to itself is 0, so only its weight has to be taken away.
    within = sums[rows, own] / np.where(alone, 1.0, totals[own] - weights)
    means = sums / totals
    means[rows, own] = np.inf
    other = means.argmin(axis=1)
    nearest = means[rows, other]
    largest = np.maximum(within, nearest)
    widths = np.divide(nearest - within, largest, out=np.zeros_like(within), where=largest > 0)
    return _Widths(np.where(alone, 0.0, widths), within, nearest, own, other, totals)


def silhouette_error(distances: np.ndarray, labels: np.ndarray, sample: Sample) -> float:
    """Standard error of the mean silhouette width, estimated from a stratified sample.

    A point counts twice: by its own width, and by what it does to the mean distances a and b of all others. Both are
    in its influence z(j) = ∂s̄/∂w(j) (the infinitesimal jackknife), which costs one more matrix product, and
    Var(s̄) = Σ_h (1 − n_h/N_h) n_h var_h(w z) over the strata h.

    Parameters
    ----------
    distances : ndarray of shape (n_points, n_points)
    labels : ndarray of shape (n_points,)
        ``UNASSIGNED`` points are in no segment, but were drawn like the others.
    sample : Sample
        The same points.

    References
    ----------
    Deville (1999), Variance estimation for complex statistics and estimators, Survey Methodology 25.
    """
    if sample.is_complete:
        return 0.0
    kept = labels != UNASSIGNED
    influence = np.zeros(len(labels))
    inside = distances if kept.all() else distances[np.ix_(kept, kept)]
    influence[kept] = _influence(inside, labels[kept], sample.weights[kept])
    pulled = sample.weights * influence
    variance = 0.0
    for stratum in np.unique(sample.strata):
        members = sample.strata == stratum
        n = int(members.sum())
        left_out = 1 - n / sample.weights[members].sum()
        if n > 1:
            variance += left_out * n * pulled[members].var(ddof=1)
    return float(np.sqrt(variance))


def _influence(distances: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """∂s̄/∂w(j) of s̄ = Σ w s / Σ w: what one more point like j would change in the mean width."""
    found = _silhouette(distances, labels, weights)
    rows, total = np.arange(len(labels)), weights.sum()
    mean = weights @ found.widths / total
    # s = b/a − 1 where a > b, and 1 − a/b elsewhere; one that is alone, or on top of another, does not move.
    largest = np.maximum(found.within, found.nearest)
    others = found.totals[found.own] - weights
    moves = (largest > 0) & (np.bincount(found.own)[found.own] > 1)
    per_unit = np.divide(weights, largest**2 * total, out=np.zeros_like(largest), where=moves)
    smaller = np.minimum(found.within, found.nearest)
    by_within = -per_unit * np.where(found.within > found.nearest, smaller, largest)
    by_nearest = per_unit * np.where(found.within > found.nearest, largest, smaller)
    pull = np.zeros((len(labels), len(found.totals)))
    pull[rows, found.own] = np.divide(by_within, others, out=np.zeros_like(others), where=moves)
    pull[rows, found.other] += by_nearest / found.totals[found.other]
    shift = np.zeros_like(pull)
    shift[rows, found.own] = pull[rows, found.own] * found.within
    shift[rows, found.other] += pull[rows, found.other] * found.nearest
    own = found.own
    moved = (distances @ pull)[rows, own] - shift.sum(axis=0)[own]
    # No point is among the others of its own segment, so its own a does not depend on its weight.
    moved += shift[rows, own]
    return (found.widths - mean) / total + moved


def separation(
    space: np.ndarray, labels: np.ndarray, distances: np.ndarray, sample: Sample | None = None
) -> Separation:
    """Judge how far apart segments lie; points without a segment are left out (see ``coverage``).

    Parameters
    ----------
    space : ndarray of shape (n_points, n_dimensions)
    labels : ndarray of shape (n_points,)
    distances : ndarray of shape (n_points, n_points)
        From `distance_matrix` of the same space.
    sample : Sample, optional
        How the points were drawn; default: they are all there are.
    """
    sample = Sample.all_of(len(labels)) if sample is None else sample
    kept = labels != UNASSIGNED
    inner, weights = labels[kept], sample.weights[kept]
    segments, own = np.unique(inner, return_inverse=True)
    if not 2 <= len(segments) < len(inner):  # noqa: PLR2004 - separation needs two segments
        return Separation(np.nan, np.nan, np.nan, np.nan, np.nan)
    inside = distances if kept.all() else distances[np.ix_(kept, kept)]
    widths = silhouette_widths(inside, inner, weights)
    macro = np.bincount(own, weights=weights * widths) / np.bincount(own, weights=weights)
    return Separation(
        float(weights @ widths / weights.sum()),
        silhouette_error(distances, labels, sample),
        float(macro.mean()),
        *_by_centres(space[kept], own, weights),
    )


def _by_centres(space: np.ndarray, own: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Davies-Bouldin and Calinski-Harabasz index of weighted points.

    DB = mean over segments of max_j (r_i + r_j) / |c_i − c_j| with r the mean distance to the own centre (1979);
    CH = [Σ n_i |c_i − c|² / (k − 1)] / [Σ |x − c_i|² / (n − k)] (1974). Segments with one centre have no ratio; points
    that all lie on their centres have CH 1, as in scikit-learn.
    """
    n_segments, total = int(own.max()) + 1, weights.sum()
    sizes = np.bincount(own, weights=weights)
    # Centred first, so that a far origin costs no digits.
    points = space - weights @ space / total
    centres = np.column_stack([np.bincount(own, weights=weights * column) for column in points.T]) / sizes[:, None]
    squared = ((points - centres[own]) ** 2).sum(axis=1)
    radii = np.bincount(own, weights=weights * np.sqrt(squared)) / sizes
    between = squareform(pdist(centres))
    ratio = np.divide(radii[:, None] + radii[None, :], between, out=np.zeros_like(between), where=between > 0)
    inner, outer = float(weights @ squared), float(sizes @ (centres**2).sum(axis=1))
    harabasz = 1.0 if inner == 0 else outer * (total - n_segments) / (inner * (n_segments - 1))
    return float(ratio.max(axis=1).mean()), harabasz
