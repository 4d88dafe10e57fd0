"""A typing tool: who resembles whom decides, for clusterers that cannot place new customers steadily."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from patronage.assigners import UNASSIGNED, Assignment, checked_points

N_NEIGHBOURS = 12
"""Training customers that vote. More is smoother and blurs small segments."""

N_FOLDS = 5

_NOISE_RULES = ("keep", "nearest")
_SLACK = 1.0  # a neighbour may be up to twice as far as the true one: three times as fast, and agrees as often
_LEAST_WEIGHT = 1e-6  # of a neighbour as far away as the one that sets the scale
_LARGEST = 1e150  # squares of distances stay finite


class TypingAssigner:
    """Place points by the weighted vote of the training points most like them.

    The weight of the j-th nearest of ``N_NEIGHBOURS`` training points is 1 − d_j / d_{k+1}, its distance over that of
    the first one that does not vote. A segment's share of the weights is the probability that the point belongs to it.
    Noise is a class like the segments. No arithmetic crosses rows, so a row gets the same bits whichever rows come
    along.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions), float
        Training points.
    labels : ndarray of shape (n_points,), int
        Segment of every training point, ``UNASSIGNED`` for noise. Every segment has at least one point.
    noise : ndarray of shape (), str
        "keep" leaves a row ``UNASSIGNED`` that noise wins; "nearest" lets the training points in segments vote again.

    Raises
    ------
    ValueError
        A type, a shape or a value does not fit the others.

    References
    ----------
    Hechenbichler & Schliep (2004), Weighted k-nearest-neighbor techniques and ordinal classification, SFB 386,
    Discussion Paper 399 (the triangular kernel).

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> typed = TypingAssigner(points=points, labels=np.array([0, 0, 0, 1, 1, 1]), noise=np.array("keep"))
    >>> typed.assign(np.array([[0.3], [4.0]])).label.tolist()
    [0, 1]
    """

    kind: ClassVar[str] = "typing"

    def __init__(self, *, points: np.ndarray, labels: np.ndarray, noise: np.ndarray) -> None:
        points, labels, noise = np.asarray(points), np.asarray(labels), np.asarray(noise)
        if points.ndim != 2 or not points.size or labels.shape != points.shape[:1]:  # noqa: PLR2004 - a matrix
            raise ValueError(
                f"points {points.shape} and labels {labels.shape} do not fit together; expected (n, d) and (n,)."
            )
        if points.dtype.kind != "f" or labels.dtype.kind != "i":
            raise ValueError(f"points must be floats and labels integers; got {points.dtype} and {labels.dtype}.")
        if not (np.abs(points) <= _LARGEST).all():
            raise ValueError("a typing tool needs finite points.")
        n_segments = int(labels.max()) + 1
        if labels.min() < UNASSIGNED or not 0 < n_segments <= len(labels):
            raise ValueError(f"labels must be {UNASSIGNED} or count from 0; got {labels.min()} to {labels.max()}.")
        sizes = np.bincount(labels[labels != UNASSIGNED], minlength=n_segments)
        if not sizes.all():
            raise ValueError(f"segment {int(sizes.argmin())} has no training point.")
        if noise.shape != () or noise.dtype.kind != "U" or str(noise) not in _NOISE_RULES:
            raise ValueError(f"noise must be one of {', '.join(_NOISE_RULES)}.")
        self.points = np.array(points, dtype=float, order="C")
        self.labels = np.array(labels, dtype=np.int64)
        self.noise = np.array(noise)
        inside = self.labels != UNASSIGNED
        self._everyone = _Electorate(self.points, self.labels, n_segments)
        self._assigned = _Electorate(self.points[inside], self.labels[inside], n_segments)
        self._centres = np.vstack([self.points[self.labels == segment].mean(axis=0) for segment in range(n_segments)])

    @property
    def n_segments(self) -> int:
        """Number of segments that points can be placed in."""
        return len(self._centres)

    def assign(self, points: np.ndarray) -> Assignment:
        """Place points of shape (n_rows, n_dimensions).

        Returns
        -------
        Assignment
            ``margin`` is the share of ``label`` minus the largest other one, ``distance`` that to the segment's centre
            (the nearest one for noise). ``runner_up`` is the segment with the next largest share, the one with the
            nearest centre where no neighbour votes for another.
        """
        points = np.clip(checked_points(points, self.points.shape[1], "TypingAssigner"), -_LARGEST, _LARGEST)
        rows = np.arange(len(points))
        shares = self._everyone.shares(points)
        label = _winner(shares)
        found = label != UNASSIGNED
        if str(self.noise) == "nearest":
            left = np.flatnonzero(~found)
            if left.size:
                shares[left] = self._assigned.shares(points[left])
            shares[:, UNASSIGNED] = 0.0
            label = _winner(shares)

        to_centres = cdist(points, self._centres)
        distance = np.where(label == UNASSIGNED, to_centres.min(axis=1), to_centres[rows, label])
        own = shares[rows, label]
        shares[rows, label] = -1.0
        margin = own - np.maximum(shares.max(axis=1), 0.0)
        runner_up = shares[:, :UNASSIGNED].argmax(axis=1)
        silent = shares[rows, runner_up] <= 0.0
        assigned = label != UNASSIGNED
        to_centres[rows[assigned], label[assigned]] = np.inf
        runner_up[silent] = to_centres[silent].argmin(axis=1)
        runner_up[np.isinf(to_centres).all(axis=1)] = UNASSIGNED
        return Assignment(label, runner_up, margin, distance, found)

    def agreement(self) -> float:
        """Share of training points that get their own label, or stay noise, when a fifth at a time is held out.

        1 where there are too few points to hold any out.
        """
        fold = np.random.default_rng(0).permutation(len(self.points)) % N_FOLDS
        agreed = 0
        for number in range(N_FOLDS):
            out = fold == number
            if out.all() or not out.any():
                return 1.0
            voters = _Electorate(self.points[~out], self.labels[~out], self.n_segments)
            agreed += int((_winner(voters.shares(self.points[out])) == self.labels[out]).sum())
        return agreed / len(self.points)

    def arrays(self) -> dict[str, np.ndarray]:
        """Training points, their labels and the rule for noise."""
        return {"points": self.points, "labels": self.labels, "noise": self.noise}


class _Electorate:
    """Training points that vote."""

    def __init__(self, points: np.ndarray, labels: np.ndarray, n_segments: int) -> None:
        # Halved in the middle, not at the median: a third faster where customers lie unevenly.
        self._tree = cKDTree(points, leafsize=32, balanced_tree=False)
        self._labels = labels
        self._n_segments = n_segments
        # One more is asked for, to set the scale, where there is one.
        self._nearest = np.arange(1, min(N_NEIGHBOURS + 1, len(points)) + 1)

    def shares(self, points: np.ndarray) -> np.ndarray:
        """Share of every segment in the votes, noise in the last column; shape (n_rows, n_segments + 1)."""
        distance, neighbour = self._tree.query(points, k=self._nearest, eps=_SLACK)
        scale = distance[:, -1:]
        weight = 1.0 - np.divide(distance, scale, out=np.zeros_like(distance), where=scale > 0.0)
        weight = np.maximum(weight, _LEAST_WEIGHT)
        n_voters = min(N_NEIGHBOURS, len(self._nearest))
        rows = np.arange(len(points))
        votes = np.zeros((len(points), self._n_segments + 1))
        total = np.zeros(len(points))
        for number in range(n_voters):
            votes[rows, self._labels[neighbour[:, number]]] += weight[:, number]
            total += weight[:, number]
        shares: np.ndarray = votes / total[:, np.newaxis]
        return shares


def _winner(shares: np.ndarray) -> np.ndarray:
    """Label with the largest share; a segment wins a draw with noise."""
    label = shares.argmax(axis=1)
    label[label == shares.shape[1] - 1] = UNASSIGNED
    return label
