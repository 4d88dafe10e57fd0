"""The outcome-aware space: what each customer's features say about each later outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from patronage.catalogue import Feature
from patronage.errors import InvalidInputError
from patronage.representation.learners import (
    LEARNERS,
    Learned,
    Lines,
    Trees,
    blend,
    forecast,
    learn_boosting,
    learn_extra_trees,
    learn_ridge,
)
from patronage.representation.scales import signed_log
from patronage.representation.standard import StandardRepresentation


class OutcomeAwareRepresentation(TransformerMixin, BaseEstimator):
    """What each customer's features say about each outcome: differences that change behaviour, and no others.

    A learner foretells the outcomes (as sign(y)·log1p|y|, standardised) from the basis features. The space has one
    dimension per outcome that can be foretold at all. Training rows are represented by what did not see their
    outcome, so the space does not remember it.

    Parameters
    ----------
    features : sequence of Feature
        The basis features.
    learner : {"blend", "extra_trees", "ridge", "boosting"}, default "blend"
        ``blend`` is the mean of extra-trees and ridge: it foretells as well as either and wobbles less.
    n_trees : int, default 300
        Trees of the forest, or of each chain of boosting. Raising it makes a forest steadier and slower; of boosting,
        half as many are more to the point.
    min_samples_leaf : int, default 20
        Raising it smooths the predictions.
    max_features : float in (0, 1], default .5
        Share of columns tried at each split.
    ridge_penalty : float > 0, default .2
        Penalty per customer; raising it makes ridge steadier and blunter.
    min_r2 : float in [0, 1), default .02
        An outcome of which less can be foretold, by this share of its variance in training, is left out, unless that
        is true of all. Standardised, its noise would weigh as much as what can be foretold of the others.
    seed : int, default 0

    Attributes
    ----------
    encoder_ : StandardRepresentation
    outcomes_ : tuple of str
        Outcomes that have a dimension.
    left_out_ : dict
        Outcome → why it has none.
    r2_ : dict
        Outcome → share of its variance in training that is foretold by what did not see it.
    forecasters_ : tuple of Lines or Trees
        The forecast is their mean.
    centre_, spread_ : ndarray of shape (n_dimensions,)
        Mean and standard deviation of the training rows' forecasts.
    training_space_ : ndarray of shape (n_customers, n_dimensions)
    """

    kind: ClassVar[str] = "outcome_aware"

    def __init__(
        self,
        features: Sequence[Feature],
        learner: str = "blend",
        n_trees: int = 300,
        min_samples_leaf: int = 20,
        max_features: float = 0.5,
        ridge_penalty: float = 0.2,
        min_r2: float = 0.02,
        seed: int = 0,
    ) -> None:
        self.features = features
        self.learner = learner
        self.n_trees = n_trees
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.ridge_penalty = ridge_penalty
        self.min_r2 = min_r2
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: pd.DataFrame) -> Self:
        """Learn what the features of ``X`` say about the outcomes ``y`` of the same customers.

        Raises
        ------
        InvalidInputError
            No feature or no outcome differs between the customers.
        """
        self.encoder_ = StandardRepresentation(self.features).fit(X)
        targets = signed_log(y.to_numpy(float))
        varied = targets.std(axis=0) > 1e-9  # noqa: PLR2004 - rounding of sums
        if not varied.any():
            raise InvalidInputError(
                f"none of the outcomes {', '.join(y.columns)} differs between the {len(y):,} customers; "
                "there is nothing to foresee. Choose other outcomes or a longer outcome_days."
            )
        names = np.array([str(name) for name in y.columns], dtype=object)
        self.left_out_ = dict.fromkeys(names[~varied], "the same for all customers")
        targets = targets[:, varied]
        targets = (targets - targets.mean(axis=0)) / targets.std(axis=0)
        learned = self._learn(self.encoder_.transform(X), targets)
        r2 = 1 - ((targets - learned.unseen) ** 2).mean(axis=0)
        self.r2_ = {name: float(value) for name, value in zip(names[varied], r2, strict=True)}
        kept = r2 >= self.min_r2
        if not kept.any():
            kept = np.ones_like(kept)
        self.left_out_ |= {
            name: f"only {max(value, 0):.3f} of its variance can be foretold"
            for name, value in zip(names[varied][~kept], r2[~kept], strict=True)
        }
        self.outcomes_ = tuple(names[varied][kept])
        self.kept_ = np.flatnonzero(kept)
        self.forecasters_ = learned.forecasters
        unseen = learned.unseen[:, self.kept_]
        self.centre_ = unseen.mean(axis=0)
        self.spread_ = np.maximum(unseen.std(axis=0), 1e-9)
        self.training_space_ = (unseen - self.centre_) / self.spread_
        return self

    def fit_transform(self, X: pd.DataFrame, y: pd.DataFrame) -> np.ndarray:
        """Fit, and represent the training rows by what did not see them."""
        return self.fit(X, y).training_space_

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Represent customers by all that was learned; ndarray of shape (n_customers, n_dimensions)."""
        foretold = forecast(self.forecasters_, self.encoder_.transform(X))[:, self.kept_]
        return np.ascontiguousarray((foretold - self.centre_) / self.spread_)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Names of the dimensions."""
        return np.array([f"expected {name}" for name in self.outcomes_], dtype=object)

    def state(self) -> dict[str, Any]:
        """What `transform` needs beside `arrays` and `trees`, as plain values."""
        return {
            "encoder": self.encoder_.state(),
            "outcomes": list(self.outcomes_),
            "forecasters": [
                {"kind": "trees", "weight": one.weight, "groups": [len(group) for group in one.groups]}
                if isinstance(one, Trees)
                else {"kind": "lines"}
                for one in self.forecasters_
            ],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of `transform`."""
        found = {"centre": self.centre_, "spread": self.spread_, "kept": self.kept_}
        for number, one in enumerate(self.forecasters_):
            if isinstance(one, Lines):
                found |= {f"{number}/coefficients": one.coefficients, f"{number}/intercepts": one.intercepts}
            else:
                found[f"{number}/start"] = one.start
        return found

    def trees(self) -> list[Any]:
        """All trees, in the order of `state`."""
        return [tree for one in self.forecasters_ if isinstance(one, Trees) for group in one.groups for tree in group]

    @classmethod
    def from_state(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], trees: Sequence[Any]) -> Self:
        """Rebuild a fitted representation.

        Raises
        ------
        ValueError
            Arrays or trees do not fit each other, or a tree points outside its arrays.
        """
        rebuilt = cls(features=())
        rebuilt.encoder_ = StandardRepresentation.from_state(state["encoder"])
        rebuilt.outcomes_ = tuple(state["outcomes"])
        rebuilt.centre_, rebuilt.spread_, rebuilt.kept_ = (arrays[name] for name in ("centre", "spread", "kept"))
        for name, array in arrays.items():
            if name != "kept" and not (np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
                raise ValueError(f"{name} holds what is no finite number")
        if not (rebuilt.spread_ > 0).all():
            raise ValueError("a spread that is not above 0")
        n_columns, remaining = len(rebuilt.encoder_.columns_), list(trees)
        made = []
        for number, one in enumerate(state["forecasters"]):
            own = {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{number}/")}
            made.append(_lines(own, n_columns) if one["kind"] == "lines" else _trees(one, own, remaining, n_columns))
        widths = {len(one.intercepts if isinstance(one, Lines) else one.start) for one in made}
        n_kept = len(rebuilt.outcomes_)
        positions = rebuilt.kept_
        if (
            remaining
            or len(widths) != 1
            or rebuilt.centre_.shape != (n_kept,)
            or rebuilt.spread_.shape != (n_kept,)
            or positions.shape != (n_kept,)
            or not np.issubdtype(positions.dtype, np.integer)
            or ((positions < 0) | (positions >= min(widths))).any()
        ):
            raise ValueError("not the forecasts this package describes")
        rebuilt.forecasters_ = tuple(made)
        return rebuilt

    def _learn(self, space: np.ndarray, targets: np.ndarray) -> Learned:
        trees: dict[str, Any] = {
            "n_trees": self.n_trees,
            "min_samples_leaf": self.min_samples_leaf,
            "max_features": self.max_features,
            "seed": self.seed,
        }
        made = {
            "extra_trees": lambda: learn_extra_trees(space, targets, **trees),
            "ridge": lambda: learn_ridge(space, targets, penalty=self.ridge_penalty),
            "boosting": lambda: learn_boosting(space, targets, **trees),
        }
        return blend([made[part]() for part in LEARNERS[self.learner]])


def _lines(arrays: Mapping[str, np.ndarray], n_columns: int) -> Lines:
    lines = Lines(arrays["coefficients"], arrays["intercepts"])
    if lines.intercepts.ndim != 1 or lines.coefficients.shape != (len(lines.intercepts), n_columns):
        raise ValueError("coefficients of another shape than the columns")
    return lines


def _trees(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], trees: list[Any], n_columns: int) -> Trees:
    """Take the forecast's trees from the front of ``trees``."""
    start, sizes, weight = arrays["start"], state["groups"], float(state["weight"])
    sound = start.ndim == 1 and np.isfinite(weight) and all(isinstance(size, int) and size >= 1 for size in sizes)
    if not sound or len(sizes) not in (1, len(start)) or sum(sizes) > len(trees):
        raise ValueError("not the trees this package describes")
    groups = []
    for size in sizes:
        groups.append(tuple(trees[:size]))
        del trees[:size]
    for tree in (tree for group in groups for tree in group):
        check_tree(tree, n_columns, len(start) if len(groups) == 1 else 1)
    return Trees(tuple(groups), start, weight)


def check_tree(tree: Any, n_columns: int, n_outcomes: int) -> None:  # noqa: ANN401 - scikit-learn is untyped
    """Check every index that scikit-learn follows unchecked: a tampered one would read foreign memory.

    Raises
    ------
    ValueError
        An index points outside the tree's arrays, or the tree is made for other columns or outcomes.
    """
    nodes = tree.tree_
    left, right = nodes.children_left, nodes.children_right
    leaf = left == -1
    own = np.arange(nodes.node_count)
    # Children come after their parent, so following them always ends.
    sound = (leaf & (right == -1)) | (
        (left > own) & (right > own) & (left < nodes.node_count) & (right < nodes.node_count)
    )
    features = nodes.feature[~leaf]
    if (
        not sound.all()
        or nodes.n_features != n_columns
        or (features < 0).any()
        or (features >= n_columns).any()
        or nodes.value.shape != (nodes.node_count, n_outcomes, 1)
    ):
        raise ValueError("a tree points outside its arrays")
