"""The marketer's RFM grid as a clusterer: quantile classes of every column, their cells merged to k segments."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans

_MOST_CELLS = 4096


class RFMGrid(ClusterMixin, BaseEstimator):
    """Cut every column at its quantiles; merge the cells by K-means on their means, weighted by their customers.

    A cell without customers goes with the occupied one that is the fewest tiles away.

    Parameters
    ----------
    n_clusters : int, default 4
        Segments that the cells are merged to.
    n_tiles : int, default 3
        Classes per column. Raising it makes cells finer, and smaller.
    n_init : int, default 10
        Starts of K-means.
    random_state : int, optional

    Attributes
    ----------
    edges_ : ndarray of shape (n_columns, n_tiles − 1)
        Inner quantiles of every column.
    segment_of_cell_ : ndarray of shape (n_tiles ** n_columns,), int
        Segment of every cell; the first column's tile counts fastest.
    cluster_centers_ : ndarray of shape (n_clusters, n_columns)
        Means of the segments' rows.
    labels_ : ndarray of shape (n_rows,), int
    """

    def __init__(
        self, n_clusters: int = 4, n_tiles: int = 3, n_init: int = 10, random_state: int | None = None
    ) -> None:
        self.n_clusters = n_clusters
        self.n_tiles = n_tiles
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn edges and segments from points of shape (n_rows, n_columns).

        Raises
        ------
        ValueError
            The grid has too many cells, or fewer occupied ones than segments are asked for.
        """
        if not isinstance(self.n_tiles, int) or self.n_tiles < 2:  # noqa: PLR2004 - one class is none
            raise ValueError(f"n_tiles must be a whole number from 2 on; got {self.n_tiles!r}")
        n_columns = X.shape[1]
        n_cells = self.n_tiles**n_columns
        if n_cells > _MOST_CELLS:
            raise ValueError(
                f"{self.n_tiles} classes of each of {n_columns} columns make more than {_MOST_CELLS:,} cells; "
                "name a few features"
            )
        self.edges_ = np.quantile(X, np.arange(1, self.n_tiles) / self.n_tiles, axis=0).T
        tiles = np.column_stack(
            [np.searchsorted(edges, column, side="right") for edges, column in zip(self.edges_, X.T, strict=True)]
        )
        cells, own, counts = np.unique(tiles, axis=0, return_inverse=True, return_counts=True)
        own = own.reshape(-1)
        if isinstance(self.n_clusters, int) and len(cells) < self.n_clusters:
            raise ValueError(
                f"{self.n_clusters} segments asked for, customers fall in {len(cells)} of the {n_cells} cells"
            )
        means = np.column_stack([np.bincount(own, weights=column) / counts for column in X.T])
        merged = KMeans(self.n_clusters, n_init=self.n_init, random_state=self.random_state)
        group = merged.fit(means, sample_weight=counts).labels_
        all_tiles = np.stack(np.unravel_index(np.arange(n_cells), (self.n_tiles,) * n_columns, order="F"), axis=1)
        steps = np.abs(all_tiles[:, np.newaxis, :] - cells[np.newaxis, :, :]).sum(axis=2)
        self.segment_of_cell_ = group[steps.argmin(axis=1)].astype(np.int64)
        self.labels_ = group[own]
        self.cluster_centers_ = np.vstack([X[self.labels_ == k].mean(axis=0) for k in range(self.n_clusters)])
        return self
