"""What foretells outcomes from features: learners that also say what they would have said of a customer unseen.

Every learner is fitted to a standard space and standardised outcomes. It predicts row by row, and consists of arrays
and scikit-learn's trees, so that it can be packaged without pickle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.model_selection import KFold

N_FOLDS = 5


class Forecaster(Protocol):
    """A fitted learner, or a part of one."""

    def predict(self, space: np.ndarray) -> np.ndarray:
        """Foretell the outcomes of ``space`` (n_rows, n_columns); ndarray of shape (n_rows, n_outcomes)."""
        ...


@dataclass(frozen=True)
class Lines:
    """A linear forecast, in columns as they are in the space.

    Attributes
    ----------
    coefficients : ndarray of shape (n_outcomes, n_columns)
    intercepts : ndarray of shape (n_outcomes,)
    """

    coefficients: np.ndarray
    intercepts: np.ndarray

    def predict(self, space: np.ndarray) -> np.ndarray:
        """Foretell; row by row, since a matrix product would round differently for other batch sizes."""
        return np.einsum("ij,kj->ik", space, self.coefficients, optimize=False) + self.intercepts


@dataclass(frozen=True)
class Trees:
    """A weighted sum of regression trees per outcome, or of trees for all outcomes at once.

    Attributes
    ----------
    groups : tuple of tuples of scikit-learn trees
        One group for all outcomes, or one per outcome.
    start : ndarray of shape (n_outcomes,)
        What is foretold before any tree.
    weight : float
        Of every tree.
    """

    groups: tuple[tuple[Any, ...], ...]
    start: np.ndarray
    weight: float

    def predict(self, space: np.ndarray) -> np.ndarray:
        """Foretell."""
        # scikit-learn's trees compare in single precision; converting once saves doing it per tree.
        points = np.ascontiguousarray(space, dtype=np.float32)
        parts = []
        for group in self.groups:
            total = np.zeros((len(points), len(self.start) if len(self.groups) == 1 else 1))
            for tree in group:
                total += tree.tree_.predict(points).reshape(total.shape)
            parts.append(total)
        return self.start + self.weight * np.hstack(parts)


@dataclass(frozen=True)
class Learned:
    """The outcome of learning.

    Attributes
    ----------
    forecasters : tuple of Lines or Trees
        The forecast is their mean.
    unseen : ndarray of shape (n_customers, n_outcomes)
        Forecasts of the training rows by what has not seen their outcome.
    """

    forecasters: tuple[Lines | Trees, ...]
    unseen: np.ndarray


def forecast(forecasters: Sequence[Forecaster], space: np.ndarray) -> np.ndarray:
    """The mean of the forecasts; ndarray of shape (n_rows, n_outcomes)."""
    total = forecasters[0].predict(space)
    for other in forecasters[1:]:
        total = total + other.predict(space)
    return total / len(forecasters)


def learn_ridge(space: np.ndarray, targets: np.ndarray, *, penalty: float) -> Learned:
    """Ridge regression on standardised columns; the training rows are left out one by one, exactly.

    With a fixed penalty the error of leaving row i out is e_i / (1 − h_ii), h being the hat matrix.

    Parameters
    ----------
    penalty : float > 0
        Per customer: the sum of squared coefficients is multiplied by ``penalty * n_customers``, so that it means the
        same for a few and for many.

    References
    ----------
    Hoerl & Kennard (1970), Ridge regression, Technometrics 12. Golub, Heath & Wahba (1979), Generalized
    cross-validation as a method for choosing a good ridge parameter, Technometrics 21.
    """
    centre = space.mean(axis=0)
    spread = space.std(axis=0)
    columns = (space - centre) / np.where(spread > 1e-9, spread, np.inf)  # noqa: PLR2004 - a constant says nothing
    mean = targets.mean(axis=0)
    gram = columns.T @ columns + penalty * len(space) * np.eye(columns.shape[1])
    coefficients = np.linalg.solve(gram, columns.T @ (targets - mean))
    leverage = 1 / len(space) + np.einsum("ij,ji->i", columns, np.linalg.solve(gram, columns.T))
    errors = (targets - mean - columns @ coefficients) / (1 - leverage)[:, None]
    scaled = (coefficients / np.where(spread > 1e-9, spread, np.inf)[:, None]).T  # noqa: PLR2004
    return Learned((Lines(np.ascontiguousarray(scaled), mean - scaled @ centre),), targets - errors)


def learn_extra_trees(
    space: np.ndarray,
    targets: np.ndarray,
    *,
    n_trees: int,
    min_samples_leaf: int,
    max_features: float,
    seed: int,
) -> Learned:
    """A forest of extremely randomised trees; the training rows are foretold by the trees that did not see them.

    References
    ----------
    Geurts, Ernst & Wehenkel (2006), Extremely randomized trees, Machine Learning 63.
    """
    forest = ExtraTreesRegressor(
        n_estimators=n_trees,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        bootstrap=True,
        oob_score=True,
        random_state=seed,
    ).fit(space, targets if targets.shape[1] > 1 else targets[:, 0])
    unseen = np.reshape(forest.oob_prediction_, targets.shape)
    trees = Trees((tuple(forest.estimators_),), np.zeros(targets.shape[1]), 1 / n_trees)
    return Learned((trees,), unseen)


def learn_boosting(
    space: np.ndarray, targets: np.ndarray, *, n_trees: int, min_samples_leaf: int, max_features: float, seed: int
) -> Learned:
    """Stochastic gradient boosting, one chain of shallow trees per outcome; the training rows are cross-fitted.

    References
    ----------
    Friedman (2002), Stochastic gradient boosting, Computational Statistics & Data Analysis 38.
    """

    def fit(rows: np.ndarray, column: int) -> GradientBoostingRegressor:
        return GradientBoostingRegressor(
            n_estimators=n_trees,
            learning_rate=0.05,
            max_depth=3,
            subsample=0.63,
            min_samples_leaf=min_samples_leaf,
            max_features=max_features,
            random_state=seed,
        ).fit(space[rows], targets[rows, column])

    n_outcomes = targets.shape[1]
    unseen = np.empty_like(targets)
    for train, held_out in KFold(min(N_FOLDS, len(space)), shuffle=True, random_state=seed).split(space):
        for column in range(n_outcomes):
            unseen[held_out, column] = fit(train, column).predict(space[held_out])
    everyone = np.arange(len(space))
    chains = tuple(tuple(fit(everyone, column).estimators_[:, 0]) for column in range(n_outcomes))
    return Learned((Trees(chains, targets.mean(axis=0), 0.05),), unseen)


def blend(parts: Sequence[Learned]) -> Learned:
    """The mean of several learners: what is unsteady in one is evened out by the other."""
    forecasters = tuple(forecaster for part in parts for forecaster in part.forecasters)
    return Learned(forecasters, np.mean([part.unseen for part in parts], axis=0))


LEARNERS: Mapping[str, tuple[str, ...]] = {
    "blend": ("extra_trees", "ridge"),
    "extra_trees": ("extra_trees",),
    "ridge": ("ridge",),
    "boosting": ("boosting",),
}
"""Learner → the parts whose mean it is."""
