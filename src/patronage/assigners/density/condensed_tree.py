"""The condensed tree of an HDBSCAN: at which density points and clusters left, and which segment that is."""

from __future__ import annotations

import numpy as np

from patronage.assigners import UNASSIGNED
from patronage.assigners.density.checks import frozen, require, require_in

_LARGEST_LAMBDA = np.finfo(np.float64).max


class CondensedTree:
    """Where a point falls out of the tree. The arrays are those of `DensityAssigner`.

    Parameters
    ----------
    n_points, n_segments : int
        How many training points and segments there are.
    point_cluster, point_lambda : ndarray of shape (n_points,)
    cluster_parent, cluster_lambda, cluster_label, cluster_max_lambda : ndarray of shape (n_clusters,)

    Raises
    ------
    ValueError
        A type, a shape or a value does not fit, or an index points nowhere or in a circle.
    """

    def __init__(
        self,
        *,
        n_points: int,
        n_segments: int,
        point_cluster: np.ndarray,
        point_lambda: np.ndarray,
        cluster_parent: np.ndarray,
        cluster_lambda: np.ndarray,
        cluster_label: np.ndarray,
        cluster_max_lambda: np.ndarray,
    ) -> None:
        self._point_cluster = frozen("point_cluster", point_cluster, np.int64, (n_points,))
        self._point_lambda = frozen("point_lambda", point_lambda, np.float64, (n_points,))
        self._cluster_parent = frozen("cluster_parent", cluster_parent, np.int64, (None,))
        of_clusters = self._cluster_parent.shape
        self._cluster_lambda = frozen("cluster_lambda", cluster_lambda, np.float64, of_clusters)
        self._cluster_label = frozen("cluster_label", cluster_label, np.int64, of_clusters)
        self._cluster_max_lambda = frozen("cluster_max_lambda", cluster_max_lambda, np.float64, of_clusters)

        numbers = np.arange(len(self._cluster_parent))
        earlier = (self._cluster_parent < np.maximum(numbers, 1)) & (self._cluster_parent >= 0)
        require_in("point_cluster", self._point_cluster, 0, len(numbers))
        require("point_lambda", self._point_lambda, self._point_lambda >= 0, "be ≥ 0")
        require_in("cluster_parent of the root", self._cluster_parent[:1], -1, 0)
        require("cluster_parent", self._cluster_parent[1:], earlier[1:], "be an earlier cluster")
        require("cluster_lambda", self._cluster_lambda, self._cluster_lambda >= 0, "be ≥ 0")
        require_in("cluster_label", self._cluster_label, UNASSIGNED, n_segments)
        require("cluster_max_lambda", self._cluster_max_lambda, self._cluster_max_lambda >= 0, "be ≥ 0")

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the constructor, by name; read-only."""
        return {
            "point_cluster": self._point_cluster,
            "point_lambda": self._point_lambda,
            "cluster_parent": self._cluster_parent,
            "cluster_lambda": self._cluster_lambda,
            "cluster_label": self._cluster_label,
            "cluster_max_lambda": self._cluster_max_lambda,
        }

    def departures(self) -> tuple[np.ndarray, np.ndarray]:
        """Where every training point left, as far as it matters to rows that join it.

        Returns
        -------
        cluster : ndarray of shape (n_points,), int
        at : ndarray of shape (n_points,), float
            The density at which it left, if not above that at which its cluster was born; else infinity. Rows that
            join points with the same cluster and density here, at an equal reach, fall out alike: at a density above
            the birth all of them stay, at one below all of them climb, and only at the birth itself do those stay
            whose point left there and then.
        """
        born = self._cluster_lambda[self._point_cluster]
        return self._point_cluster, np.where(self._point_lambda > born, np.inf, self._point_lambda)

    def fall_out(self, joined: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segment and strength of rows, from the points that they joined and the reach to those.

        Parameters
        ----------
        joined : ndarray of shape (n_rows,), int
            Training points.
        reach : ndarray of shape (n_rows,), float ≥ 0
            Mutual reachability distances to them.

        Returns
        -------
        label : ndarray of shape (n_rows,), int
        strength : ndarray of shape (n_rows,), float in [0, 1]
        """
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
