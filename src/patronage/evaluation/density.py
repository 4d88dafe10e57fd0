"""Two judges that think of segments as densities: DBCV for segments of any shape, BIC for mixtures."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from patronage.assigners import UNASSIGNED
from patronage.assigners.mixture import MixtureAssigner

_BLOCK = 20_000


def dbcv(distances: np.ndarray, labels: np.ndarray, n_dimensions: int, weights: np.ndarray | None = None) -> float:
    """Density-based clustering validation: whether segments are denser inside than the gaps between them.

    The core distance of a point in segment C is (Σ_j d_ij^−D / (|C| − 1))^(−1/D), the mutual reachability distance of
    two points the largest of their core distances and their distance. DSC, the sparseness of a segment, is the largest
    inner edge of its minimum spanning tree; DSPC, the separation of two segments, the smallest mutual reachability
    distance between inner nodes of theirs. V_C = (min DSPC − DSC) / max(min DSPC, DSC), and

    DBCV = Σ_C |C| / n · V_C, in [−1, 1]; noise counts in n.

    As in the authors' program, a tree without inner edges is judged by all of its edges, and points on top of each
    other are left out of the sum. Where edges are equally long, a point hangs on the first one that is in the tree.
    A segment of one point has V_C = 0.

    Parameters
    ----------
    distances : ndarray of shape (n_points, n_points)
        Euclidean; memory and time grow with the square of n_points, so give a sample.
    labels : ndarray of shape (n_points,)
        ``UNASSIGNED`` is noise.
    n_dimensions : int
        D, of the space that the distances were measured in.
    weights : ndarray of shape (n_points,), optional
        How many points each stands for; default 1.

    Returns
    -------
    float
        NaN for fewer than two segments.

    References
    ----------
    Moulavi, Jaskowiak, Campello, Zimek & Sander (2014), Density-based clustering validation, SIAM SDM.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    segments = np.unique(labels[labels != UNASSIGNED])
    if len(segments) < 2:  # noqa: PLR2004 - separation needs two segments
        return float("nan")
    members = [np.flatnonzero(labels == segment) for segment in segments]
    cores, inner, sparseness = [], [], []
    for rows in members:
        inside = distances[np.ix_(rows, rows)]
        core = _core_distances(inside, weights[rows], n_dimensions)
        # Both maxima in place: the segment's distances are the largest array here.
        np.maximum(inside, core[:, None], out=inside)
        np.maximum(inside, core[None, :], out=inside)
        nodes, longest = _inner_tree(inside)
        cores.append(core[nodes])
        inner.append(rows[nodes])
        sparseness.append(longest)
    separation = np.full(len(segments), np.inf)
    for first in range(len(segments)):
        for second in range(first):
            between = distances[np.ix_(inner[first], inner[second])]
            np.maximum(between, cores[first][:, None], out=between)
            np.maximum(between, cores[second][None, :], out=between)
            separation[[first, second]] = np.minimum(separation[[first, second]], between.min())
    validity = np.zeros(len(segments))
    for number, (rows, apart, sparse) in enumerate(zip(members, separation, sparseness, strict=True)):
        if len(rows) > 1 and max(apart, sparse) > 0:
            validity[number] = (apart - sparse) / max(apart, sparse)
    shares = np.array([weights[rows].sum() for rows in members]) / weights.sum()
    return float(shares @ validity)


def _core_distances(inside: np.ndarray, weights: np.ndarray, n_dimensions: int) -> np.ndarray:
    """All-points core distances; by logarithms, as a distance to the power of −D soon leaves the numbers there are."""
    apart = inside > 0
    terms = np.where(apart, -n_dimensions * np.log(np.where(apart, inside, 1.0)) + np.log(weights), -np.inf)
    cores = np.zeros(len(inside))
    known = apart.any(axis=1)  # not so for a point alone, or with all others on top of it
    others = weights.sum() - weights[known]
    cores[known] = np.exp((np.log(others) - logsumexp(terms[known], axis=1)) / n_dimensions)
    return cores


def _inner_tree(reachability: np.ndarray) -> tuple[np.ndarray, float]:
    """Prim's minimum spanning tree: its inner nodes (more than one edge), and its longest inner edge.

    Without inner nodes the first point stands for them; without inner edges all edges count.
    """
    n = len(reachability)
    if n == 1:
        return np.zeros(1, dtype=int), 0.0
    parent = np.zeros(n, dtype=int)
    best = reachability[0].copy()
    best[0] = np.inf
    outside = np.ones(n, dtype=bool)
    outside[0] = False
    lengths = np.zeros(n)
    for _ in range(n - 1):
        new = int(best.argmin())
        lengths[new], outside[new] = best[new], False
        best[new] = np.inf
        row = reachability[new]
        nearer = outside & ((row < best) | ((row == best) & (new < parent)))
        parent[nearer] = new
        best[nearer] = row[nearer]
    child = np.arange(1, n)
    degree = np.bincount(np.concatenate([child, parent[1:]]), minlength=n)
    nodes = np.flatnonzero(degree > 1)
    edges = (degree[child] > 1) & (degree[parent[1:]] > 1)
    longest = lengths[1:][edges] if edges.any() else lengths[1:]
    return (nodes if len(nodes) else np.zeros(1, dtype=int)), float(longest.max())


def bic(points: np.ndarray, mixture: MixtureAssigner, covariance_type: str) -> float:
    """Bayesian information criterion of a Gaussian mixture: −2 ln L + p ln n; lower is better, within one space only.

    With k components in d dimensions p = (k − 1) + k d + the parameters of the covariances: k d (d + 1) / 2 (full),
    d (d + 1) / 2 (tied), k d (diag) or k (spherical).

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        What the mixture was fitted to.
    mixture : MixtureAssigner
    covariance_type : {"full", "tied", "diag", "spherical"}

    References
    ----------
    Schwarz (1978), Estimating the dimension of a model, Annals of Statistics 6.
    """
    k, d = mixture.means.shape
    shape = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d, "spherical": k}[covariance_type]
    n_parameters = k - 1 + k * d + shape
    loglikelihood = 0.0
    for start in range(0, len(points), _BLOCK):
        loglikelihood += float(_log_density(points[start : start + _BLOCK], mixture).sum())
    return -2 * loglikelihood + n_parameters * float(np.log(len(points)))


def _log_density(points: np.ndarray, mixture: MixtureAssigner) -> np.ndarray:
    """Ln Σ_k π_k N(x; μ_k, Σ_k) with the precision's Cholesky factor P: |Σ|^−½ is Π diag P."""
    k, d = mixture.means.shape
    terms = np.empty((len(points), k))
    for component in range(k):
        factor = mixture.precisions_cholesky[component]
        projected = (points - mixture.means[component]) @ factor
        scale = np.log(mixture.weights[component]) + np.log(np.diag(factor)).sum() - 0.5 * d * np.log(2 * np.pi)
        terms[:, component] = scale - 0.5 * (projected**2).sum(axis=1)
    return np.asarray(logsumexp(terms, axis=1))
