"""Placing points in the most probable component of a Gaussian mixture."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from patronage.assigners import UNASSIGNED, Assignment, checked_points


class MixtureAssigner:
    """Most probable component.

    Parameters
    ----------
    weights : ndarray of shape (n_segments,)
    means : ndarray of shape (n_segments, n_dimensions)
    precisions_cholesky : ndarray of shape (n_segments, n_dimensions, n_dimensions)
        Cholesky factors of the inverse covariances.

    Raises
    ------
    ValueError
        Shapes do not fit together, or a number is not finite.
    """

    kind: ClassVar[str] = "mixture"

    def __init__(self, *, weights: np.ndarray, means: np.ndarray, precisions_cholesky: np.ndarray) -> None:
        k, d = means.shape if means.ndim == 2 else (0, 0)  # noqa: PLR2004 - a matrix
        if not k or weights.shape != (k,) or precisions_cholesky.shape != (k, d, d):
            raise ValueError(
                f"weights {weights.shape}, means {means.shape} and precisions_cholesky {precisions_cholesky.shape} "
                "do not fit together; expected (k,), (k, d) and (k, d, d)."
            )
        diagonals = np.einsum("kdd->kd", precisions_cholesky)
        finite = all(np.isfinite(array).all() for array in (weights, means, precisions_cholesky))
        if not finite or not (weights > 0).all():
            raise ValueError("a mixture needs finite means and precisions, and finite weights above 0.")
        if not (diagonals > 0).all():
            raise ValueError("a Cholesky factor needs a positive diagonal.")
        self.weights = np.ascontiguousarray(weights, dtype=float)
        self.means = np.ascontiguousarray(means, dtype=float)
        self.precisions_cholesky = np.ascontiguousarray(precisions_cholesky, dtype=float)
        self._offset = np.log(self.weights) + np.log(diagonals).sum(axis=1)

    @classmethod
    def from_gmm(cls, fitted: Any) -> Self:  # noqa: ANN401 - scikit-learn is untyped
        """Take over a fitted `sklearn.mixture.GaussianMixture` of any covariance type."""
        k, d = fitted.means_.shape
        factors = fitted.precisions_cholesky_
        if fitted.covariance_type == "full":
            full = factors
        elif fitted.covariance_type == "tied":
            full = np.repeat(factors[None], k, axis=0)
        elif fitted.covariance_type == "diag":
            full = np.stack([np.diag(row) for row in factors])
        else:
            full = np.stack([np.eye(d) * value for value in factors])
        return cls(weights=fitted.weights_, means=fitted.means_, precisions_cholesky=full)

    @property
    def n_segments(self) -> int:
        """Number of components."""
        return len(self.weights)

    def assign(self, points: np.ndarray) -> Assignment:
        """Place points; margin is the difference of the two largest posteriors, distance Mahalanobis'."""
        points = checked_points(points, self.means.shape[1], "MixtureAssigner")
        squared = np.zeros((len(points), self.n_segments))
        for k in range(self.n_segments):
            # Summed dimension by dimension: a matrix product would round differently for other batch sizes.
            centred = points - self.means[k]
            for column in range(points.shape[1]):
                projected = np.zeros(len(points))
                for row in range(column + 1):
                    projected += centred[:, row] * self.precisions_cholesky[k, row, column]
                squared[:, k] += projected * projected
        score = self._offset - 0.5 * squared
        rows = np.arange(len(points))
        label = score.argmax(axis=1)
        if self.n_segments == 1:
            alone = np.full(len(label), UNASSIGNED)
            return Assignment(label, alone, np.ones(len(label)), np.sqrt(squared[rows, label]))
        posterior = np.exp(score - score[rows, label][:, None])
        total = np.zeros(len(points))
        for k in range(self.n_segments):
            total += posterior[:, k]
        # The second is found by its score: far away, all other posteriors are 0 in floating point.
        score[rows, label] = -np.inf
        runner_up = score.argmax(axis=1)
        margin = (1.0 - posterior[rows, runner_up]) / total
        return Assignment(label, runner_up, margin, np.sqrt(squared[rows, label]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, means and Cholesky factors."""
        return {"weights": self.weights, "means": self.means, "precisions_cholesky": self.precisions_cholesky}
