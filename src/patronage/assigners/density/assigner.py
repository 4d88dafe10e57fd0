"""Placing points in density clusters: the parts put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from patronage.assigners import UNASSIGNED, Assignment, checked_points
from patronage.assigners.density.checks import frozen, require, require_in
from patronage.assigners.density.condensed_tree import CondensedTree
from patronage.assigners.density.neighbours import Neighbours
from patronage.assigners.density.segments import NearestSegments, slices
from patronage.assigners.density.taking_over import arrays_of

if TYPE_CHECKING:
    import hdbscan

NOISE_RULES = ("keep", "nearest")
MAX_TOLERANCE = 10.0
"""The largest ``neighbour_tolerance``; from 2 on little time is left to save."""


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

    In many dimensions nearly all of the time goes into proving that no training point is nearer than those found.
    ``neighbour_tolerance`` does without: each of the ``min_samples`` + 1 neighbours may be farther than the true one
    of its rank, by that share at most, and further ones are not looked at. As core(x) is then never too small, rows
    at the edge of a segment tend to become noise, and strengths tend to be smaller. Which neighbours are found
    depends on the row and the training points alone: this way, too, a row always gets the same bits.

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
    neighbour_tolerance : ndarray of shape (), float in [0, 10], default 0
        0 is exact. Raising it is faster and places more rows elsewhere than the exact search would. It holds for the
        search of nearest segments, too.

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
        neighbour_tolerance: np.ndarray | float = 0.0,
    ) -> None:
        self._points = frozen("points", points, np.float64, (None, None))
        of_points = self._points.shape[:1]
        self._core_distances = frozen("core_distances", core_distances, np.float64, of_points)
        self._labels = frozen("labels", labels, np.int64, of_points)
        self._min_samples = frozen("min_samples", min_samples, np.int64, ())
        self._noise = frozen("noise", noise, np.str_, ())
        self._tolerance = frozen("neighbour_tolerance", np.asarray(neighbour_tolerance), np.float64, ())
        self._check_values()
        self._tree = CondensedTree(
            n_points=len(self._points),
            n_segments=self.n_segments,
            point_cluster=point_cluster,
            point_lambda=point_lambda,
            cluster_parent=cluster_parent,
            cluster_lambda=cluster_lambda,
            cluster_label=cluster_label,
            cluster_max_lambda=cluster_max_lambda,
        )
        tolerance = float(self._tolerance)
        self._segments = NearestSegments(self._points, self._labels, tolerance)
        alike = np.column_stack([*self._tree.departures(), *self._segments.of_points()])
        self._neighbours = Neighbours(
            self._points,
            self._core_distances,
            kind=np.unique(_as_bytes(alike), return_inverse=True)[1],
            min_samples=int(self._min_samples),
            tolerance=tolerance,
        )

    def _check_values(self) -> None:
        """Check what is searched among and divided by: nothing later fails."""
        named = np.unique(self._labels[self._labels != UNASSIGNED])
        tolerated = (self._tolerance >= 0) & (self._tolerance <= MAX_TOLERANCE)
        require("points", self._points, np.isfinite(self._points), "be finite")
        require("core_distances", self._core_distances, self._core_distances >= 0, "be ≥ 0")
        require("core_distances", self._core_distances, self._core_distances < np.inf, "be finite")
        require("labels", named, named == np.arange(len(named)), "be −1 or number the segments from 0 on")
        require_in("min_samples", self._min_samples, 1, len(self._points))
        require("noise", self._noise, np.isin(self._noise, NOISE_RULES), f"be one of {NOISE_RULES}")
        require("neighbour_tolerance", self._tolerance, tolerated, f"be from 0 to {MAX_TOLERANCE:g}")

    @classmethod
    def from_hdbscan(cls, fitted: hdbscan.HDBSCAN, *, noise: str, neighbour_tolerance: float = 0.0) -> Self:
        """Take over what a fitted clusterer needs to place points, see `taking_over.arrays_of`.

        Parameters
        ----------
        fitted : hdbscan.HDBSCAN
            Fitted with ``prediction_data=True`` and the Euclidean metric.
        noise : {"keep", "nearest"}
            What becomes of a row that belongs to no cluster, see the class.
        neighbour_tolerance : float in [0, 10], default 0
            How much farther neighbours may be than the nearest, see the class.

        Returns
        -------
        DensityAssigner
            With the segments numbered as in ``fitted.labels_``.

        Raises
        ------
        ValueError
            If the metric is another one, there is no prediction data, ``labels_`` skips a number, or an option has
            no such value.
        """
        return cls(
            **arrays_of(fitted), noise=np.array(noise), neighbour_tolerance=np.array(neighbour_tolerance, dtype=float)
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
            **self._tree.arrays(),
            "min_samples": self._min_samples,
            "noise": self._noise,
            "neighbour_tolerance": self._tolerance,
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
            ``runner_up`` is the segment other than ``label`` that has the nearest training point: nearest to the
            row where it was found in no segment, else to the training point that it joined, which is known
            beforehand. The lowest number counts where several are equally near.

        Raises
        ------
        ValueError
            If ``points`` has another shape or a value that is not finite.
        """
        points, where = _distinct(checked_points(points, self._points.shape[1], "DensityAssigner"))
        label = np.empty(len(points), dtype=np.int64)
        runner_up = np.empty(len(points), dtype=np.int64)
        strength = np.empty(len(points))
        for rows in slices(len(points)):
            joined, reach = self._neighbours.join(points[rows])
            label[rows], strength[rows] = self._tree.fall_out(joined, reach)
            runner_up[rows] = self._segments.other_of(joined, label[rows])
        found = label != UNASSIGNED
        lost = np.flatnonzero(~found)
        for rows in slices(len(lost)):
            these = lost[rows]
            runner_up[these] = self._segments.other(points[these], label[these])
            if self._noise == "nearest":
                label[these] = runner_up[these]
                runner_up[these] = self._segments.other(points[these], label[these])
        return Assignment(
            label=label[where],
            runner_up=runner_up[where],
            margin=strength[where],
            distance=1.0 - strength[where],
            found=found[where],
        )


def _distinct(points: np.ndarray) -> tuple[np.ndarray, np.ndarray | slice]:
    """Rows that differ, and which of them every row is: counts repeat, and placing a row takes far longer than this."""
    column = np.sort(points[:, 0])
    if (column[1:] != column[:-1]).all():  # far quicker to see than to sort rows
        return points, slice(None)
    _, first, where = np.unique(_as_bytes(points), return_index=True, return_inverse=True)
    return points[first], where


def _as_bytes(rows: np.ndarray) -> np.ndarray:
    """One value per row of a matrix in C-order: equal where rows are equal bit for bit."""
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
