"""Density clusters: HDBSCAN's out-of-sample prediction, from plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.neighbors import KDTree

from patronage.assigners import UNASSIGNED, Assignment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import hdbscan

_NOISE_RULES = ("keep", "nearest")
_ROWS_AT_ONCE = 8192  # bounds the memory of the (rows, neighbours) and (rows, segments) tables
_LARGEST_LAMBDA = np.finfo(np.float64).max


class DensityAssigner:
    """Place points in the clusters of a fitted HDBSCAN as if they joined its condensed tree.

    A new point x is hung on the training point j that it reaches most easily and falls out of the tree at its
    own density λ; the cluster in which that happens is its cluster:

    - core(x) is the distance to the (``min_samples`` + 1)-th nearest training point;
    - reach(x, j) = max(core(x), core(j), ‖x − j‖) over the 2 · ``min_samples`` nearest training points; the
      smallest one decides, the nearer point where several are equally small;
    - λ = 1 / reach, or the largest float where reach is 0;
    - if j left the tree at a λ above that of x, climb from the cluster j left: to its parent as long as the
      cluster itself was born at or above λ, and never beyond the root;
    - strength = min(λ, λ_max) / λ_max, where λ_max is the largest λ at which anything left the selected
      cluster: 1 in its core, 0 for noise.

    These are the labels and probabilities of ``hdbscan.approximate_predict``. No arithmetic crosses rows, so a
    row gets the same bits whichever rows come along.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions), float
        Training points.
    core_distances : ndarray of shape (n_points,), float
        Core distance of every training point.
    labels : ndarray of shape (n_points,), int
        Segment of every training point, ``UNASSIGNED`` for noise. Every segment has at least one point.
    point_cluster : ndarray of shape (n_points,), int
        Cluster of the condensed tree that the training point left as a single point.
    point_lambda : ndarray of shape (n_points,), float
        Density λ = 1 / distance at which it left; infinite for duplicates.
    cluster_parent : ndarray of shape (n_clusters,), int
        Parent of every cluster of the condensed tree, numbered before its children. The root is cluster 0 with
        parent −1.
    cluster_lambda : ndarray of shape (n_clusters,), float
        Density at which the cluster split off its parent; unused for the root.
    cluster_label : ndarray of shape (n_clusters,), int
        Segment that the cluster belongs to, ``UNASSIGNED`` above the selected clusters.
    cluster_max_lambda : ndarray of shape (n_clusters,), float
        λ_max of the selected cluster that the cluster lies in; unused where there is none.
    min_samples : ndarray of shape (), int
        Neighbours that make up a core distance; fewer than ``n_points``.
    noise : ndarray of shape (), str
        "keep" leaves noise ``UNASSIGNED``; "nearest" gives it the segment of the nearest training point that has
        one (its strength stays 0).

    Raises
    ------
    ValueError
        If a type, a shape, a value or an index does not fit the others.

    References
    ----------
    .. [1] Campello, Moulavi, Zimek & Sander (2015). Hierarchical density estimates for data clustering,
       visualization, and outlier detection. ACM TKDD 10(1).
    .. [2] McInnes, Healy & Astels (2017). hdbscan: Hierarchical density based clustering. JOSS 2(11).

    Examples
    --------
    >>> import numpy as np
    >>> two_blobs = DensityAssigner(
    ...     points=np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]]),
    ...     core_distances=np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
    ...     labels=np.array([0, 0, 0, 1, 1, 1]),
    ...     point_cluster=np.array([1, 1, 1, 2, 2, 2]),
    ...     point_lambda=np.array([10.0, 10.0, 10.0, 10.0, 10.0, 10.0]),
    ...     cluster_parent=np.array([-1, 0, 0]),
    ...     cluster_lambda=np.array([0.0, 0.2, 0.2]),
    ...     cluster_label=np.array([-1, 0, 1]),
    ...     cluster_max_lambda=np.array([0.0, 10.0, 10.0]),
    ...     min_samples=np.array(1),
    ...     noise=np.array("keep"),
    ... )
    >>> placed = two_blobs.assign(np.array([[0.1], [4.8], [90.0]]))
    >>> placed.label.tolist(), placed.runner_up.tolist()
    ([0, 1, -1], [1, 0, 1])
    """

    kind: ClassVar[str] = "density"
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equal by value, over arrays

    def __init__(
        self,
        *,
        points: np.ndarray,
        core_distances: np.ndarray,
        labels: np.ndarray,
        point_cluster: np.ndarray,
        point_lambda: np.ndarray,
        cluster_parent: np.ndarray,
        cluster_lambda: np.ndarray,
        cluster_label: np.ndarray,
        cluster_max_lambda: np.ndarray,
        min_samples: np.ndarray,
        noise: np.ndarray,
    ) -> None:
        self._points = _floats("points", points, None, None)
        n_points = len(self._points)
        self._core_distances = _floats("core_distances", core_distances, n_points)
        self._labels = _integers("labels", labels, n_points)
        self._point_cluster = _integers("point_cluster", point_cluster, n_points)
        self._point_lambda = _floats("point_lambda", point_lambda, n_points)
        self._cluster_parent = _integers("cluster_parent", cluster_parent, None)
        n_clusters = len(self._cluster_parent)
        self._cluster_lambda = _floats("cluster_lambda", cluster_lambda, n_clusters)
        self._cluster_label = _integers("cluster_label", cluster_label, n_clusters)
        self._cluster_max_lambda = _floats("cluster_max_lambda", cluster_max_lambda, n_clusters)
        self._min_samples = _integers("min_samples", min_samples)
        self._noise = _frozen("noise", noise, "U", None, ())
        self._check_values()

        # hdbscan keeps its training points in the same kind of tree, so equally near points come in its order.
        self._tree = KDTree(self._points)
        self._segments = [_Segment(self._points[self._labels == label]) for label in range(self.n_segments)]

    @classmethod
    def from_hdbscan(cls, fitted: hdbscan.HDBSCAN, *, noise: str) -> Self:
        """Take over what a fitted clusterer needs to place points.

        Parameters
        ----------
        fitted : hdbscan.HDBSCAN
            Fitted with ``prediction_data=True`` and the Euclidean metric.
        noise : {"keep", "nearest"}
            What becomes of a row that belongs to no cluster, see the class.

        Returns
        -------
        DensityAssigner
            With the segments numbered as in ``fitted.labels_``.

        Raises
        ------
        ValueError
            If the metric is another one, there is no prediction data, or ``noise`` is unknown.

        Notes
        -----
        ``hdbscan.approximate_predict`` (0.8.44) guesses the selected clusters: of the clusters that the points
        with a label left, it takes the one with the lowest number. Where a selected cluster split before a single
        point had left it, that is one of its children, the other child's rows become noise, and the labels of other
        clusters may be permuted against ``labels_``. Here the selected cluster is the lowest common ancestor of
        these clusters, which is the same one in every other case and agrees with ``labels_`` in this one.

        A tree that never splits places nobody, as in ``approximate_predict``, even where
        ``allow_single_cluster`` made its root a cluster.
        """
        if fitted.metric not in ("euclidean", "l2"):
            raise ValueError(
                f"DensityAssigner measures Euclidean distances; the HDBSCAN was fitted with metric={fitted.metric!r}"
            )
        try:
            prediction = fitted.prediction_data_
        except AttributeError as error:
            raise ValueError(
                "DensityAssigner needs an HDBSCAN with prediction data; fit it with prediction_data=True"
            ) from error

        tree = fitted.condensed_tree_.to_numpy()
        root = int(tree["parent"].min())
        n_clusters = int(tree["parent"].max()) - root + 1
        # A child numbered below the root is a training point, any other is a cluster.
        of_points, of_clusters = tree[tree["child"] < root], tree[tree["child"] >= root]

        n_points = len(prediction.raw_data)
        point_cluster = np.full(n_points, -1)
        point_lambda = np.zeros(n_points)
        point_cluster[of_points["child"]] = of_points["parent"] - root
        point_lambda[of_points["child"]] = of_points["lambda_val"]

        cluster_parent = np.full(n_clusters, -1)
        cluster_lambda = np.zeros(n_clusters)
        cluster_parent[of_clusters["child"] - root] = of_clusters["parent"] - root
        cluster_lambda[of_clusters["child"] - root] = of_clusters["lambda_val"]

        max_lambda = np.zeros(n_clusters)
        np.maximum.at(max_lambda, tree["parent"] - root, tree["lambda_val"])

        cluster_label = np.full(n_clusters, UNASSIGNED)
        cluster_max_lambda = np.zeros(n_clusters)
        if n_clusters > 1:
            for label in range(fitted.labels_.max() + 1):
                selected = _lowest_common_ancestor(point_cluster[fitted.labels_ == label], cluster_parent)
                cluster_label[selected] = label
                cluster_max_lambda[selected] = max_lambda[selected]
            for cluster in range(1, n_clusters):
                if cluster_label[cluster] == UNASSIGNED:
                    cluster_label[cluster] = cluster_label[cluster_parent[cluster]]
                    cluster_max_lambda[cluster] = cluster_max_lambda[cluster_parent[cluster]]

        min_samples = fitted.min_samples if fitted.min_samples is not None else fitted.min_cluster_size
        return cls(
            points=prediction.raw_data,
            core_distances=prediction.core_distances,
            labels=fitted.labels_,
            point_cluster=point_cluster,
            point_lambda=point_lambda,
            cluster_parent=cluster_parent,
            cluster_lambda=cluster_lambda,
            cluster_label=cluster_label,
            cluster_max_lambda=cluster_max_lambda,
            min_samples=np.array(min_samples),
            noise=np.array(noise),
        )

    @property
    def n_segments(self) -> int:
        """Number of segments that points can be placed in."""
        return int(self._labels.max()) + 1

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything the assigner needs: the arguments of the constructor, by name.

        Returns
        -------
        dict of str to ndarray
            Read-only arrays; none holds objects, so ``np.savez`` needs no pickle.
        """
        return {
            "points": self._points,
            "core_distances": self._core_distances,
            "labels": self._labels,
            "point_cluster": self._point_cluster,
            "point_lambda": self._point_lambda,
            "cluster_parent": self._cluster_parent,
            "cluster_lambda": self._cluster_lambda,
            "cluster_label": self._cluster_label,
            "cluster_max_lambda": self._cluster_max_lambda,
            "min_samples": self._min_samples,
            "noise": self._noise,
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DensityAssigner):
            return NotImplemented
        theirs = other.arrays()
        return all(np.array_equal(mine, theirs[name]) for name, mine in self.arrays().items())

    def assign(self, points: np.ndarray) -> Assignment:
        """Place points in segments.

        Parameters
        ----------
        points : ndarray of shape (n_rows, n_dimensions), float
            Finite coordinates in the space of the training points.

        Returns
        -------
        Assignment
            ``margin`` is the membership strength and ``distance`` 1 − strength, so noise has 0 and 1. ``runner_up``
            is, of the segments other than ``label``, the one that has the nearest training point (the lowest number
            where two are equally near).

        Raises
        ------
        ValueError
            If ``points`` has another shape or a value that is not finite.
        """
        points = self._checked(points)
        label = np.empty(len(points), dtype=np.int64)
        runner_up = np.empty(len(points), dtype=np.int64)
        strength = np.empty(len(points))
        for rows in _slices(len(points)):
            label[rows], strength[rows] = self._place(points[rows])
            if self._noise == "nearest":
                left = rows.start + np.flatnonzero(label[rows] == UNASSIGNED)
                label[left] = self._nearest_segment(points[left], label[left])
            runner_up[rows] = self._nearest_segment(points[rows], label[rows])
        return Assignment(label=label, runner_up=runner_up, margin=strength, distance=1.0 - strength)

    def membership(self, points: np.ndarray) -> np.ndarray:
        """Membership strengths alone, without the search for the runner-up.

        Parameters
        ----------
        points : ndarray of shape (n_rows, n_dimensions), float
            Finite coordinates in the space of the training points.

        Returns
        -------
        ndarray of shape (n_rows,), float in [0, 1]
            1 in the core of a cluster, 0 for noise.

        Raises
        ------
        ValueError
            If ``points`` has another shape or a value that is not finite.
        """
        points = self._checked(points)
        strength = np.empty(len(points))
        for rows in _slices(len(points)):
            _, strength[rows] = self._place(points[rows])
        return strength

    def _place(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label and membership strength of every row, noise kept."""
        n_neighbours = min(2 * int(self._min_samples), len(self._points))
        distance, neighbour = self._tree.query(points, k=max(n_neighbours, int(self._min_samples) + 1))
        core = distance[:, [int(self._min_samples)]]
        reach = np.maximum(np.maximum(distance, core), self._core_distances[neighbour])
        easiest = reach.argmin(axis=1)[:, np.newaxis]
        joined = np.take_along_axis(neighbour, easiest, axis=1)[:, 0]
        reach = np.take_along_axis(reach, easiest, axis=1)[:, 0]

        density = np.full(len(points), _LARGEST_LAMBDA)
        with np.errstate(over="ignore"):  # 1 / subnormal
            np.divide(1.0, reach, out=density, where=reach > 0.0)
        np.minimum(density, _LARGEST_LAMBDA, out=density)

        cluster = self._climb(joined, density)
        label = self._cluster_label[cluster]
        peak = self._cluster_max_lambda[cluster]
        strength = np.ones(len(points))
        np.divide(np.minimum(density, peak), peak, out=strength, where=peak > 0.0)
        strength[label == UNASSIGNED] = 0.0
        return label, strength

    def _climb(self, joined: np.ndarray, density: np.ndarray) -> np.ndarray:
        """Cluster of the condensed tree in which rows that hang on the points ``joined`` fall out."""
        cluster = self._point_cluster[joined]
        climbing = np.flatnonzero(self._point_lambda[joined] > density)
        while climbing.size > 0:
            born = self._cluster_lambda[cluster[climbing]]
            climbing = climbing[(cluster[climbing] > 0) & (born >= density[climbing])]
            cluster[climbing] = self._cluster_parent[cluster[climbing]]
        return cluster

    def _nearest_segment(self, points: np.ndarray, excluded: np.ndarray) -> np.ndarray:
        """Segment, other than ``excluded``, of the nearest training point that has one."""
        if self.n_segments == 0:
            return np.full(len(points), UNASSIGNED)
        # No point of a segment is nearer than the box around it: search the nearest box first, and of the others
        # only those that can still win; ≤ and not <, so that the lower number wins where two are equally near.
        bound = np.column_stack([segment.box_distance(points) for segment in self._segments])
        bound[excluded[:, np.newaxis] == np.arange(self.n_segments)] = np.inf
        first = bound.argmin(axis=1)[:, np.newaxis] == np.arange(self.n_segments)
        nearest = np.full(bound.shape, np.inf)
        self._search(points, first & (bound < np.inf), nearest)
        best = nearest.min(axis=1)[:, np.newaxis]
        self._search(points, ~first & (bound <= best) & (bound < np.inf), nearest)

        segment = nearest.argmin(axis=1)
        segment[np.isinf(nearest.min(axis=1))] = UNASSIGNED
        return segment

    def _search(self, points: np.ndarray, wanted: np.ndarray, nearest: np.ndarray) -> None:
        """Fill in the distance from rows to segments, both as in ``wanted``."""
        for label, segment in enumerate(self._segments):
            rows = np.flatnonzero(wanted[:, label])
            if rows.size > 0:
                nearest[rows, label] = segment.tree.query(points[rows])[0][:, 0]

    def _checked(self, points: np.ndarray) -> np.ndarray:
        points = np.ascontiguousarray(points, dtype=np.float64)
        n_dimensions = self._points.shape[1]
        if points.ndim != self._points.ndim or points.shape[1] != n_dimensions:
            raise ValueError(
                f"DensityAssigner places points of shape (n_rows, {n_dimensions}), got shape {points.shape}"
            )
        if not np.isfinite(points).all():
            raise ValueError("DensityAssigner places finite points only, got NaN or infinity")
        return points

    def _check_values(self) -> None:
        """Check all that is divided by or followed as an index, so that nothing later can fail or go in circles."""
        n_points, n_clusters = len(self._points), len(self._cluster_parent)
        _require("points", "be finite", np.isfinite(self._points))
        _require(
            "core_distances",
            "be ≥ 0 and finite",
            (self._core_distances >= 0) & (self._core_distances < np.inf),
        )
        _require("point_lambda", "be ≥ 0", self._point_lambda >= 0)
        _require("cluster_lambda", "be ≥ 0", self._cluster_lambda >= 0)
        _require("cluster_max_lambda", "be ≥ 0", self._cluster_max_lambda >= 0)

        segments = np.unique(self._labels[self._labels != UNASSIGNED])
        _require("labels", "be −1 or number the segments from 0 on", segments == np.arange(len(segments)))
        _require(
            "cluster_label", f"be in [−1, {len(segments)})", _within(self._cluster_label, -1, len(segments))
        )
        _require("point_cluster", f"be in [0, {n_clusters})", _within(self._point_cluster, 0, n_clusters))
        _require("cluster_parent", "be −1 for the root, cluster 0", self._cluster_parent[0] == -1)
        _require(
            "cluster_parent",
            "be an earlier cluster, for every cluster but the root",
            _within(self._cluster_parent[1:], 0, np.arange(1, n_clusters)),
        )
        _require("min_samples", f"be in [1, {n_points})", _within(self._min_samples, 1, n_points))
        _require("noise", 'be "keep" or "nearest"', np.isin(self._noise, _NOISE_RULES))


class _Segment:
    """The training points of one segment, ready for a nearest-neighbour search."""

    def __init__(self, points: np.ndarray) -> None:
        self.tree: Any = KDTree(points)
        self._low, self._high = points.min(axis=0), points.max(axis=0)

    def box_distance(self, points: np.ndarray) -> np.ndarray:
        """Distance to the box around the segment; 0 inside."""
        squared = np.zeros(len(points))
        # One dimension after the other, as the search tree adds them up: then rounding cannot lift the bound above
        # the distance, and no sum depends on how many rows there are.
        with np.errstate(over="ignore"):
            for column, low, high in zip(points.T, self._low, self._high, strict=True):
                squared += np.maximum(np.maximum(low - column, column - high), 0.0) ** 2
        return np.sqrt(squared)


def _lowest_common_ancestor(clusters: np.ndarray, parent: np.ndarray) -> int:
    """Deepest cluster that lies above (or is) all of ``clusters``; parents are numbered before their children."""
    found = set(clusters.tolist())
    while len(found) > 1:
        last = max(found)
        found.remove(last)
        found.add(int(parent[last]))
    return int(found.pop())


def _slices(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, n_rows))


def _frozen(
    name: str, value: np.ndarray, kinds: str, dtype: type | None, shape: tuple[int | None, ...]
) -> np.ndarray:
    """Read-only copy of an array that has one of ``kinds`` of types and the ``shape``; None fits any length but 0."""
    value = np.asarray(value)
    fits = value.ndim == len(shape) and all(
        has > 0 if wanted is None else has == wanted for has, wanted in zip(value.shape, shape, strict=True)
    )
    if value.dtype.kind not in kinds or not fits:
        wanted_shape = ", ".join("≥ 1" if wanted is None else str(wanted) for wanted in shape)
        raise ValueError(
            f"DensityAssigner: {name} must be an array of type {'/'.join(kinds)} and shape ({wanted_shape}), "
            f"got type {value.dtype} and shape {value.shape}"
        )
    frozen = np.array(value, dtype=dtype, order="C")
    frozen.flags.writeable = False
    return frozen


def _floats(name: str, value: np.ndarray, *shape: int | None) -> np.ndarray:
    return _frozen(name, value, "fiu", np.float64, shape)


def _integers(name: str, value: np.ndarray, *shape: int | None) -> np.ndarray:
    return _frozen(name, value, "i", np.int64, shape)


def _within(values: np.ndarray, low: int, end: int | np.ndarray) -> np.ndarray:
    return (values >= low) & (values < end)


def _require(name: str, rule: str, holds: np.ndarray) -> None:
    if not np.all(holds):
        raise ValueError(f"DensityAssigner: {name} must {rule}")
