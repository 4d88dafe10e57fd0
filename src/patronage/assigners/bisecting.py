"""Placing points by a tree of halvings: bisecting K-means, whose segments come from splitting segments."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy.spatial.distance import cdist

from patronage.assigners import UNASSIGNED, Assignment, checked_points


class BisectingAssigner:
    """From the root down, a point goes to the nearer of a split's two centres, until it is in a segment.

    Parameters
    ----------
    centres : ndarray of shape (n_splits, 2, n_dimensions)
        The two centres of every split; the root's come first.
    children : ndarray of shape (n_splits, 2), int
        Where either side leads: to split ``s`` (greater than its own number), or, as −1 − label, to a segment.
    leaves : ndarray of shape (n_segments, n_dimensions)
        Centres of the segments.

    Raises
    ------
    ValueError
        The arrays describe no tree with one leaf per segment.

    References
    ----------
    Steinbach, Karypis & Kumar (2000), A comparison of document clustering techniques, KDD workshop on text mining.
    """

    kind: ClassVar[str] = "bisecting"

    def __init__(self, *, centres: np.ndarray, children: np.ndarray, leaves: np.ndarray) -> None:
        self.centres = np.ascontiguousarray(centres, dtype=float)
        self.children = np.asarray(children)
        self.leaves = np.ascontiguousarray(leaves, dtype=float)
        n_splits = len(self.children)
        shapes = (self.centres.shape, self.children.shape, self.leaves.shape)
        if (
            self.leaves.ndim != 2  # noqa: PLR2004 - a matrix
            or len(self.leaves) != n_splits + 1
            or shapes[:2] != ((n_splits, 2, self.leaves.shape[1]), (n_splits, 2))
            or not np.issubdtype(self.children.dtype, np.integer)
            or not (np.isfinite(self.centres).all() and np.isfinite(self.leaves).all())
        ):
            raise ValueError(f"centres, children and leaves must be those of one tree; got shapes {shapes}.")
        own = np.arange(n_splits)[:, None]
        inner = self.children >= 0
        # Every split but the root is led to once, and from before it; every segment is led to once.
        if (
            (inner & (self.children <= own)).any()
            or not np.array_equal(np.sort(self.children[inner]), np.arange(1, n_splits))
            or not np.array_equal(np.sort(-1 - self.children[~inner]), np.arange(n_splits + 1 if n_splits else 0))
        ):
            raise ValueError("children must lead to every split and every segment once.")

    @classmethod
    def from_kmeans(cls, fitted: Any) -> Self:  # noqa: ANN401 - scikit-learn is untyped
        """Take over the tree of a fitted ``sklearn.cluster.BisectingKMeans``."""
        mean = fitted._X_mean  # noqa: SLF001 - the centres in the tree are of centred points, and nothing public has the tree
        centres: list[np.ndarray] = []
        children: list[list[int]] = []
        pending: list[tuple[Any, int | None, int]] = [(fitted._bisecting_tree, None, 0)]  # noqa: SLF001
        while pending:
            node, parent, side = pending.pop(0)
            if node.left is None:
                number = -1 - int(node.label)
            else:
                number = len(centres)
                centres.append(np.stack([node.left.center + mean, node.right.center + mean]))
                children.append([0, 0])
                pending += [(node.left, number, 0), (node.right, number, 1)]
            if parent is not None:
                children[parent][side] = number
        n_dimensions = fitted.cluster_centers_.shape[1]
        return cls(
            centres=np.array(centres).reshape(-1, 2, n_dimensions),
            children=np.array(children, dtype=np.int64).reshape(-1, 2),
            leaves=fitted.cluster_centers_,
        )

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self.leaves)

    def assign(self, points: np.ndarray) -> Assignment:
        """Place points.

        The margin is the smallest (d₂ − d₁) / (d₂ + d₁) of the splits on the way, d₁ being the distance to the nearer
        centre; the runner-up is where the point would be, had it gone the other way there.
        """
        points = checked_points(points, self.leaves.shape[1], "BisectingAssigner")
        n_splits = len(self.children)
        side = np.empty((len(points), n_splits), dtype=np.int64)
        clearness = np.empty((len(points), n_splits))
        rows = np.arange(len(points))
        for split in range(n_splits):
            # cdist works pair by pair; a matrix product would round differently for other batch sizes.
            distances = cdist(points, self.centres[split])
            side[:, split] = distances[:, 1] < distances[:, 0]
            total = distances.sum(axis=1)
            gap = np.abs(distances[:, 1] - distances[:, 0])
            clearness[:, split] = np.divide(gap, total, out=np.zeros_like(gap), where=total > 0)
        label, narrowest = self._descend(side, clearness)
        distance = np.sqrt(((points - self.leaves[label]) ** 2).sum(axis=1))
        if not n_splits:
            return Assignment(label, np.full(len(label), UNASSIGNED), np.ones(len(label)), distance)
        margin = clearness[rows, narrowest]
        side[rows, narrowest] = 1 - side[rows, narrowest]
        runner_up, _ = self._descend(side, clearness)
        return Assignment(label, runner_up, margin, distance)

    def arrays(self) -> dict[str, np.ndarray]:
        """The tree."""
        return {"centres": self.centres, "children": self.children, "leaves": self.leaves}

    def _descend(self, side: np.ndarray, clearness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segment that each row ends in, and the split on its way that was the least clear."""
        rows = np.arange(len(side))
        at = np.zeros(len(side), dtype=np.int64) if len(self.children) else np.full(len(side), -1)
        narrowest = np.zeros(len(side), dtype=np.int64)
        while (inner := at >= 0).any():
            here = rows[inner]
            split = at[here]
            narrower = clearness[here, split] < clearness[here, narrowest[here]]
            narrowest[here] = np.where(narrower, split, narrowest[here])
            at[here] = self.children[split, side[here, split]]
        return -1 - at, narrowest
