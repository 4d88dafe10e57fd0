"""Density clusters: HDBSCAN's out-of-sample prediction, from plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.spatial import cKDTree
from sklearn.neighbors import KDTree

from patronage.assigners import UNASSIGNED, Assignment, checked_points

if TYPE_CHECKING:
    from collections.abc import Iterator

    import hdbscan

_NOISE_RULES = ("keep", "nearest")
_ROWS_AT_ONCE = 8192  # bounds the memory of the (rows, neighbours) and (rows, segments) tables
_LARGEST_LAMBDA = np.finfo(np.float64).max
_ROUNDING = 1e-12  # generous for the relative error of a distance


class DensityAssigner:
    """Place points in the clusters of a fitted HDBSCAN as if they joined its condensed tree.

    A new point x joins the training point j that it reaches most easily, and falls out of the tree at its own
    density λ; the cluster that it falls out of is its cluster:

    - core(x) is the distance to the (``min_samples`` + 1)-th nearest training point;
    - reach(x, j) = max(core(x), core(j), ‖x − j‖), over the 2 · ``min_samples`` nearest training points; the
      smallest one decides, the nearer point where several are equally small;
    - λ = 1 / reach, or the largest float where reach is 0;
    - if j left the tree at a larger λ, climb from the cluster that j left: on to its parent as long as the
      cluster itself was born at or above the λ of x, but never beyond the root;
    - strength = min(λ, λ_max) / λ_max, where λ_max is the largest λ at which anything left the selected
      cluster: 1 in its core, 0 for noise.

    These are the labels and probabilities of ``hdbscan.approximate_predict``. No arithmetic crosses rows, so
    a row gets the same bits whichever rows come along.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions), float
        Training points.
    core_distances : ndarray of shape (n_points,), float
        Core distance of every training point.
    labels : ndarray of shape (n_points,), int
        Segment of every training point, ``UNASSIGNED`` for noise. Every segment has at least one point.
    point_cluster : ndarray of shape (n_points,), int
        Cluster of the condensed tree that the training point left on its own.
    point_lambda : ndarray of shape (n_points,), float
        Density λ = 1 / distance at which it left; infinite for duplicates.
    cluster_parent : ndarray of shape (n_clusters,), int
        Parent of every cluster of the condensed tree, numbered before its children. The root is cluster 0 and
        has parent −1.
    cluster_lambda : ndarray of shape (n_clusters,), float
        Density at which the cluster split off its parent; unused for the root.
    cluster_label : ndarray of shape (n_clusters,), int
        Segment that the cluster belongs to, ``UNASSIGNED`` above the selected clusters.
    cluster_max_lambda : ndarray of shape (n_clusters,), float
        λ_max of the selected cluster that the cluster lies in; unused where there is none.
    min_samples : ndarray of shape (), int
        Neighbours that make up a core distance; fewer than ``n_points``.
    noise : ndarray of shape (), str
        "keep" leaves noise ``UNASSIGNED``; "nearest" gives it the segment of the nearest training point that
        has one (its strength stays 0).

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
    >>> two_groups = DensityAssigner(
    ...     points=np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]]),
    ...     core_distances=np.full(6, 0.1),
    ...     labels=np.array([0, 0, 0, 1, 1, 1]),
    ...     point_cluster=np.array([1, 1, 1, 2, 2, 2]),
    ...     point_lambda=np.full(6, 10.0),
    ...     cluster_parent=np.array([-1, 0, 0]),
    ...     cluster_lambda=np.array([0.0, 0.2, 0.2]),
    ...     cluster_label=np.array([-1, 0, 1]),
    ...     cluster_max_lambda=np.array([0.0, 10.0, 10.0]),
    ...     min_samples=np.array(1),
    ...     noise=np.array("keep"),
    ... )
    >>> placed = two_groups.assign(np.array([[0.1], [4.8], [90.0]]))
    >>> placed.label.tolist(), placed.runner_up.tolist()
    ([0, 1, -1], [1, 0, 1])
    """

    kind: ClassVar[str] = "density"
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equality compares arrays

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
        self._points = _frozen("points", points, np.float64, (None, None))
        of_points = self._points.shape[:1]
        self._core_distances = _frozen("core_distances", core_distances, np.float64, of_points)
        self._labels = _frozen("labels", labels, np.int64, of_points)
        self._point_cluster = _frozen("point_cluster", point_cluster, np.int64, of_points)
        self._point_lambda = _frozen("point_lambda", point_lambda, np.float64, of_points)
        self._cluster_parent = _frozen("cluster_parent", cluster_parent, np.int64, (None,))
        of_clusters = self._cluster_parent.shape
        self._cluster_lambda = _frozen("cluster_lambda", cluster_lambda, np.float64, of_clusters)
        self._cluster_label = _frozen("cluster_label", cluster_label, np.int64, of_clusters)
        self._cluster_max_lambda = _frozen("cluster_max_lambda", cluster_max_lambda, np.float64, of_clusters)
        self._min_samples = _frozen("min_samples", min_samples, np.int64, ())
        self._noise = _frozen("noise", noise, np.str_, ())
        self._check_values()

        # hdbscan keeps its training points in this kind of tree: equally near points come in the same order.
        self._tree = KDTree(self._points)
        self._segments = _Segments(self._points, self._labels)

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
            If the metric is another one, there is no prediction data, ``labels_`` skips a number, or
            ``noise`` is unknown.

        Notes
        -----
        ``hdbscan.approximate_predict`` (0.8.44) guesses which clusters were selected: of the clusters that a
        label's points left, the lowest number. Where a selected cluster split before any labelled point left
        it on its own (common where distances are tied, as between counts), that is one of its children: rows
        of the other child become noise, and labels may be permuted against ``labels_``. A cluster inside
        another selected one, which ``cluster_selection_epsilon`` can leave, loses its label. Here the
        clusters follow from ``labels_``: the lowest common ancestor of those that the label's points left,
        which is the same one in every other case. Only the root, which ``allow_single_cluster`` can select,
        leaves the label to its children where no labelled point left it on its own.

        A tree that never splits places nobody, as in ``approximate_predict``, even where
        ``allow_single_cluster`` made a segment of its root.
        """
        if fitted.metric not in {"euclidean", "l2"}:
            raise ValueError(
                f"DensityAssigner measures Euclidean distances, got an HDBSCAN with metric={fitted.metric!r}"
            )
        try:
            prediction = fitted.prediction_data_
        except AttributeError as error:
            raise ValueError(
                "DensityAssigner needs an HDBSCAN with prediction data: fit it with prediction_data=True"
            ) from error

        tree = fitted.condensed_tree_.to_numpy()
        root = tree["parent"].min()
        tree["parent"] -= root
        n_points, n_clusters = len(prediction.raw_data), tree["parent"].max() + 1
        # Clusters are numbered from the root on, training points below it.
        of_points, of_clusters = tree[tree["child"] < root], tree[tree["child"] >= root]

        point_cluster, point_lambda = np.full(n_points, -1), np.zeros(n_points)
        point_cluster[of_points["child"]] = of_points["parent"]
        point_lambda[of_points["child"]] = of_points["lambda_val"]

        cluster_parent, cluster_lambda = np.full(n_clusters, -1), np.zeros(n_clusters)
        cluster_parent[of_clusters["child"] - root] = of_clusters["parent"]
        cluster_lambda[of_clusters["child"] - root] = of_clusters["lambda_val"]

        cluster_label, cluster_max_lambda = np.full(n_clusters, UNASSIGNED), np.zeros(n_clusters)
        np.maximum.at(cluster_max_lambda, tree["parent"], tree["lambda_val"])
        if n_clusters > 1:
            for label in np.unique(fitted.labels_[fitted.labels_ != UNASSIGNED]):
                left = np.unique(point_cluster[fitted.labels_ == label])
                selected = _lowest_common_ancestor(left, cluster_parent)
                top = [selected] if selected > 0 or 0 in left else np.flatnonzero(cluster_parent == selected)
                cluster_label[top] = label
                cluster_max_lambda[top] = cluster_max_lambda[selected]
        for cluster in range(1, n_clusters):  # parents come first: what is selected passes down
            parent = cluster_parent[cluster]
            if cluster_label[cluster] == UNASSIGNED and cluster_label[parent] != UNASSIGNED:
                cluster_label[cluster] = cluster_label[parent]
                cluster_max_lambda[cluster] = cluster_max_lambda[parent]

        min_samples = fitted.min_cluster_size if fitted.min_samples is None else fitted.min_samples
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
            ``margin`` is the membership strength and ``distance`` 1 − strength, so noise has 0 and 1.
            ``runner_up`` is the segment other than ``label`` that has the nearest training point, the lowest
            number where several are equally near.

        Raises
        ------
        ValueError
            If ``points`` has another shape or a value that is not finite.
        """
        points = checked_points(points, self._points.shape[1], "DensityAssigner")
        label = np.empty(len(points), dtype=np.int64)
        runner_up = np.empty(len(points), dtype=np.int64)
        strength = np.empty(len(points))
        found = np.empty(len(points), dtype=bool)
        for rows in _slices(len(points)):
            joined, reach, nearest, distance = self._join(points[rows])
            placed, strength[rows] = self._fall_out(joined, reach)
            found[rows] = placed != UNASSIGNED
            if self._noise == "nearest":
                left = np.flatnonzero(placed == UNASSIGNED)
                placed[left] = self._segments.other(points[rows][left], placed[left], nearest[left], distance[left])
            label[rows] = placed
            runner_up[rows] = self._segments.other(points[rows], placed, nearest, distance)
        return Assignment(label=label, runner_up=runner_up, margin=strength, distance=1.0 - strength, found=found)

    def _join(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Training point that every row joins, the reach to it; the nearest one, the distance to that."""
        min_samples = int(self._min_samples)
        joined, reach, nearest, distance, final = self._easiest(points, min_samples + 1)
        open_rows = np.flatnonzero(~final)
        if open_rows.size > 0:
            n_neighbours = min(2 * min_samples, len(self._points))
            joined[open_rows], reach[open_rows], *_ = self._easiest(points[open_rows], n_neighbours)
        return joined, reach, nearest, distance

    def _easiest(self, points: np.ndarray, n_neighbours: int) -> tuple[np.ndarray, ...]:
        """As ``_join``, among ``n_neighbours``; and whether that is final.

        No reach is below core(x), so the first neighbour to attain it wins, however many more are looked at.
        Only an equally near one might then come before it: the order among those is up to the tree.
        """
        distance, neighbour = self._tree.query(points, k=n_neighbours)
        core = distance[:, int(self._min_samples), np.newaxis]
        reach = np.maximum(np.maximum(distance, core), self._core_distances[neighbour])
        first = reach.argmin(axis=1)[:, np.newaxis]
        reach = np.take_along_axis(reach, first, axis=1)
        joined = np.take_along_axis(neighbour, first, axis=1)
        tied = (distance[:, 1:] == distance[:, :-1]) & (np.arange(n_neighbours - 1) <= first)
        final = (reach == core) & (first < n_neighbours - 1) & ~tied.any(axis=1, keepdims=True)
        return joined[:, 0], reach[:, 0], neighbour[:, 0], distance[:, 0], final[:, 0]

    def _fall_out(self, joined: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label and strength of rows, from the points that they joined and the reach to those."""
        density = np.full(len(reach), _LARGEST_LAMBDA)
        with np.errstate(over="ignore"):  # 1 / subnormal
            np.divide(1.0, reach, out=density, where=reach > 0.0)
        np.minimum(density, _LARGEST_LAMBDA, out=density)

        cluster = self._point_cluster[joined]
        climbing = np.flatnonzero(self._point_lambda[joined] > density)
        while climbing.size > 0:
            born = self._cluster_lambda[cluster[climbing]]
            climbing = climbing[(cluster[climbing] > 0) & (born >= density[climbing])]
            cluster[climbing] = self._cluster_parent[cluster[climbing]]

        label = self._cluster_label[cluster]
        max_lambda = self._cluster_max_lambda[cluster]
        strength = np.ones(len(reach))
        np.divide(np.minimum(density, max_lambda), max_lambda, out=strength, where=max_lambda > 0.0)
        strength[label == UNASSIGNED] = 0.0
        return label, strength

    def _check_values(self) -> None:
        """Check all that is divided by or followed as an index: nothing later fails or goes in circles."""
        numbers = np.arange(len(self._cluster_parent))
        earlier = (self._cluster_parent < np.maximum(numbers, 1)) & (self._cluster_parent >= 0)
        named = np.unique(self._labels[self._labels != UNASSIGNED])
        _require("points", self._points, np.isfinite(self._points), "be finite")
        _require("core_distances", self._core_distances, self._core_distances >= 0, "be ≥ 0")
        _require("core_distances", self._core_distances, self._core_distances < np.inf, "be finite")
        _require("labels", named, named == np.arange(len(named)), "be −1 or number the segments from 0 on")
        _require_in("point_cluster", self._point_cluster, 0, len(numbers))
        _require("point_lambda", self._point_lambda, self._point_lambda >= 0, "be ≥ 0")
        _require_in("cluster_parent of the root", self._cluster_parent[:1], -1, 0)
        _require("cluster_parent", self._cluster_parent[1:], earlier[1:], "be an earlier cluster")
        _require("cluster_lambda", self._cluster_lambda, self._cluster_lambda >= 0, "be ≥ 0")
        _require_in("cluster_label", self._cluster_label, UNASSIGNED, len(named))
        _require("cluster_max_lambda", self._cluster_max_lambda, self._cluster_max_lambda >= 0, "be ≥ 0")
        _require_in("min_samples", self._min_samples, 1, len(self._points))
        _require("noise", self._noise, np.isin(self._noise, _NOISE_RULES), f"be one of {_NOISE_RULES}")


class _Segments:
    """The training points by segment, to find the segment that has the nearest one."""

    def __init__(self, points: np.ndarray, labels: np.ndarray) -> None:
        members = [points[labels == segment] for segment in range(labels.max() + 1)]
        # For one neighbour this kind of tree is about twice as fast as scikit-learn's.
        self._trees = [cKDTree(inside, leafsize=40) for inside in members]
        self._boxes = [(inside.min(axis=0), inside.max(axis=0)) for inside in members]
        self._labels = labels
        self._other, self._lead = np.empty(len(points), dtype=np.int64), np.empty(len(points))
        for rows in _slices(len(points)):
            self._other[rows], self._lead[rows] = self._search(points[rows], labels[rows])

    def other(self, points: np.ndarray, label: np.ndarray, nearest: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Segment other than ``label`` that has the nearest training point.

        By the triangle inequality a row shares the answer of its ``nearest`` training point, if that has the
        same ``label`` and its answer leads the next one by more than twice the ``distance`` between the two.
        """
        segment: np.ndarray = self._other[nearest]
        shared = (self._labels[nearest] == label) & (2.0 * distance < self._lead[nearest])
        own = np.flatnonzero(~shared)
        if own.size > 0:
            segment[own], _ = self._search(points[own], label[own])
        return segment

    def _search(self, points: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segment as in ``other``, and at least how much farther away the next one is."""
        if not self._trees:
            return np.full(len(points), UNASSIGNED), np.full(len(points), np.inf)
        numbers = np.arange(len(self._trees))
        # No point of a segment is nearer than the box around it: search in the nearest box, then in those
        # that can still win or draw, for the lowest number wins where several are equally near.
        bound = np.column_stack([_box_distance(points, low, high) for low, high in self._boxes])
        bound[label[:, np.newaxis] == numbers] = np.inf
        first = bound.argmin(axis=1)[:, np.newaxis] == numbers
        distance = np.full(bound.shape, np.inf)
        self._measure(points, first & (bound < np.inf), distance)
        best = distance.min(axis=1, keepdims=True)
        self._measure(points, ~first & (bound < np.inf) & (bound <= best), distance)

        winner = distance.argmin(axis=1)
        best = distance.min(axis=1)
        others = np.where(np.isinf(distance), bound, distance)
        others[np.arange(len(points)), winner] = np.inf
        lead = np.full(len(points), np.inf)
        exists = best < np.inf
        np.subtract(others.min(axis=1) * (1 - _ROUNDING), best * (1 + _ROUNDING), out=lead, where=exists)
        return np.where(exists, winner, UNASSIGNED), lead

    def _measure(self, points: np.ndarray, wanted: np.ndarray, distance: np.ndarray) -> None:
        """Write the distance of rows to the nearest point of segments, both where ``wanted``."""
        for number, tree in enumerate(self._trees):
            rows = np.flatnonzero(wanted[:, number])
            if rows.size > 0:
                distance[rows, number] = tree.query(points[rows])[0]


def _box_distance(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Distance to the box between the corners ``low`` and ``high``, rounded down; 0 inside."""
    squared = np.zeros(len(points))
    with np.errstate(over="ignore"):
        for column, lowest, highest in zip(points.T, low, high, strict=True):
            squared += np.maximum(np.maximum(lowest - column, column - highest), 0.0) ** 2
    return np.sqrt(squared) * (1 - _ROUNDING)


def _lowest_common_ancestor(clusters: np.ndarray, parent: np.ndarray) -> int:
    """Deepest cluster that is or lies above all ``clusters``; parents are numbered before their children."""
    found = set(clusters.tolist())
    while len(found) > 1:
        last = max(found)
        found.remove(last)
        found.add(int(parent[last]))
    return int(found.pop())


def _slices(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, n_rows))


def _frozen(name: str, value: np.ndarray, dtype: type[np.generic], shape: tuple[int | None, ...]) -> np.ndarray:
    """Read-only copy of an array of this type and shape; None stands for any length but 0."""
    value = np.asarray(value)
    same_shape = value.ndim == len(shape) and all(
        has > 0 if needed is None else has == needed for has, needed in zip(value.shape, shape, strict=True)
    )
    # NumPy counts numbers as safely cast to strings.
    same_kind = (value.dtype.kind == "U") == (dtype is np.str_)
    if not same_shape or not same_kind or not np.can_cast(value.dtype, dtype, "safe"):
        needed_shape = tuple("≥1" if needed is None else needed for needed in shape)
        raise ValueError(
            f"DensityAssigner: {name} must be {dtype.__name__} of shape {needed_shape}, "
            f"got {value.dtype} of shape {value.shape}"
        )
    frozen: np.ndarray = np.array(value, dtype=dtype, order="C")
    frozen.flags.writeable = False
    return frozen


def _require_in(name: str, values: np.ndarray, low: int, end: int) -> None:
    _require(name, values, (values >= low) & (values < end), f"be in [{low}, {end})")


def _require(name: str, values: np.ndarray, holds: np.ndarray, rule: str) -> None:
    if not np.all(holds):
        raise ValueError(f"DensityAssigner: {name} must {rule}, got {np.extract(~holds, values)[0]}")
