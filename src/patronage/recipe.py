"""Representation + clusterer + assigner: the one thing that is fitted, refitted for stability and packaged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from patronage.assigners import Assigner, Assignment
from patronage.assigners.typing_tool import TypingAssigner
from patronage.catalogue import FAMILIES, Feature
from patronage.clusterers import Candidate, Clusterer, Failure, fit_clusterer
from patronage.embedding import Embedding
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.representation import (
    LEARNERS,
    OutcomeAwareRepresentation,
    PrincipalRepresentation,
    StandardRepresentation,
)

Representation = StandardRepresentation | PrincipalRepresentation | OutcomeAwareRepresentation

REPRESENTATIONS = {
    "standard": StandardRepresentation,
    "pca": PrincipalRepresentation,
    "outcome_aware": OutcomeAwareRepresentation,
    # A map of the standard space, for finding groups on; customers are placed in the standard space.
    "umap": StandardRepresentation,
}

_STANDARD = set(StandardRepresentation(features=()).get_params()) - {"features"}
_EMBEDDING = {option.name for option in fields(Embedding)}

MIN_TREES = 30
"""With fewer, some customer would be in every tree's sample and have no prediction out of bag."""


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "family_weights": (
        "numbers from 0 on by family, one of them above 0",
        lambda value: (
            isinstance(value, Mapping)
            and all(_number(one) and one >= 0 for one in value.values())
            and (len(set(value)) < len(FAMILIES) or any(value.values()))
        ),
    ),
    "clip_quantile": ("in [0, 0.5)", lambda value: _number(value) and 0 <= value < 0.5),  # noqa: PLR2004 - from either end
    "min_level_share": ("in [0, 1)", lambda value: _number(value) and 0 <= value < 1),
    "min_missing_share": ("in [0, 1]", lambda value: _number(value) and 0 <= value <= 1),
    "variance": ("in (0, 1]", lambda value: _number(value) and 0 < value <= 1),
    "whiten": ("true or false", lambda value: isinstance(value, bool)),
    "learner": (f"one of {', '.join(LEARNERS)}", lambda value: isinstance(value, str) and value in LEARNERS),
    "n_trees": (
        f"a whole number of at least {MIN_TREES}, so that every customer is represented by trees that have not seen it",
        lambda value: _whole(value) and value >= MIN_TREES,
    ),
    "min_samples_leaf": ("a whole number of at least 1", lambda value: _whole(value) and value >= 1),
    "max_features": ("in (0, 1]", lambda value: _number(value) and 0 < value <= 1),
    "ridge_penalty": ("above 0", lambda value: _number(value) and value > 0),
    "min_r2": ("in [0, 1)", lambda value: _number(value) and 0 <= value < 1),
}
"""What every parameter of a representation must be; those of a map are checked with it."""


@dataclass(frozen=True)
class RepresentationChoice:
    """Which representation, with which parameters."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the declaration."""
        if self.kind not in REPRESENTATIONS:
            raise InvalidConfigError(
                f"representation.kind must be one of {', '.join(REPRESENTATIONS)}; got {self.kind!r}."
            )
        known = set(REPRESENTATIONS[self.kind](features=()).get_params()) - {"features", "seed"}
        if self.embedding is not None:
            known |= _EMBEDDING
        if unknown := sorted(set(self.parameters) - known):
            raise InvalidConfigError(
                f"representation {self.kind} has no parameter {unknown[0]!r}; it has {', '.join(sorted(known))}."
            )
        weights = self.parameters.get("family_weights")
        if isinstance(weights, Mapping) and (unknown := sorted(set(map(str, weights)) - set(FAMILIES))):
            raise InvalidConfigError(
                f"representation.parameters.family_weights: there is no family {unknown[0]!r}; "
                f"families: {', '.join(FAMILIES)}."
            )
        for parameter, value in self.parameters.items():
            rule, holds = _RULES.get(parameter, ("", lambda _: True))
            if not holds(value):
                raise InvalidConfigError(f"representation.parameters.{parameter} must be {rule}; got {value!r}.")

    @property
    def embedding(self) -> Embedding | None:
        """The map of its space that groups are found on, if it has one."""
        if self.kind != "umap":
            return None
        return Embedding(**{name: value for name, value in self.parameters.items() if name in _EMBEDDING})

    def build(self, features: Sequence[Feature], seed: int) -> Representation:
        """Make the unfitted representation."""
        seeded = {"seed": seed} if self.kind == "outcome_aware" else {}
        own = {name: value for name, value in self.parameters.items() if self.kind != "umap" or name not in _EMBEDDING}
        return REPRESENTATIONS[self.kind](features=features, **own, **seeded)

    def distance_shares(self, features: Sequence[Feature], learned: pd.DataFrame) -> dict[str, float]:
        """Share of each family in the mean squared distance between customers; empty where outcomes decide instead.

        Parameters
        ----------
        features : sequence of Feature
            The basis features.
        learned : DataFrame of shape (n_customers, n_features)
        """
        if self.kind == OutcomeAwareRepresentation.kind:
            return {}
        given = {name: self.parameters[name] for name in _STANDARD if name in self.parameters}
        space = StandardRepresentation(features, **given).fit(learned)
        return space.distance_shares(space.transform(learned))


@dataclass(frozen=True)
class Recipe:
    """What is fitted: a representation of the basis features, and one candidate in its space.

    A clusterer that names its features is fitted to these alone, in the ``standard`` space.
    """

    features: tuple[Feature, ...]
    representation: RepresentationChoice
    candidate: Candidate

    def __post_init__(self) -> None:
        """Keep to the features that the clusterer names."""
        if named := self.candidate.clusterer.features:
            object.__setattr__(self, "features", tuple(one for one in self.features if one.name in named))
            if self.representation.kind != "standard":
                object.__setattr__(self, "representation", RepresentationChoice("standard"))

    @property
    def absent(self) -> list[str]:
        """Features that the clusterer names and the run does not have."""
        there = {feature.name for feature in self.features}
        return [name for name in self.candidate.clusterer.features if name not in there]

    @property
    def embedding(self) -> Embedding | None:
        """The map that groups are found on: the clusterer's own, or else the representation's."""
        own = self.candidate.clusterer.embedding
        return own if own is not None else self.representation.embedding

    @property
    def name(self) -> str:
        """Name in the leaderboard."""
        return f"{self.candidate.name} · {self.representation.kind}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, without the features; the grid is left out, for a choice was made."""
        return {
            "representation": asdict(self.representation),
            "clusterer": asdict(replace(self.candidate.clusterer, grid={})),
            "chosen": dict(self.candidate.chosen),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], features: tuple[Feature, ...]) -> Recipe:
        """Rebuild from `to_dict`, checked as a configuration is.

        Raises
        ------
        InvalidInputError
            It is none that `to_dict` gives.
        """
        try:
            given, chosen = dict(plain["clusterer"]), dict(plain["chosen"])
            embedding = given.pop("embedding")
            clusterer = Clusterer(
                **{
                    **given,
                    "features": tuple(given["features"]),
                    # What was chosen is checked as a grid of single values.
                    "grid": {name: [value] for name, value in chosen.items()},
                },
                embedding=None if embedding is None else Embedding(**embedding),
            )
            choice = RepresentationChoice(**plain["representation"])
            return cls(features, choice, Candidate(replace(clusterer, grid={}), chosen))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInputError(f"the recipe cannot be read ({type(error).__name__}).") from None


@dataclass(frozen=True)
class FittedRecipe:
    """A fitted representation and the assigner that places its points.

    Attributes
    ----------
    recipe : Recipe
    representation : Representation
    assigner : Assigner
    embedded : ndarray of shape (n_customers, n_components), optional
        The map of the training rows that groups were found on, if there was one.
    """

    recipe: Recipe
    representation: Representation
    assigner: Assigner
    embedded: np.ndarray | None = None

    @cached_property
    def typing_agreement(self) -> float | None:
        """Agreement of a typing tool with the clusterer's labels on held-out rows; None where there is none."""
        return self.assigner.agreement() if isinstance(self.assigner, TypingAssigner) else None

    def assign(self, features: pd.DataFrame) -> Assignment:
        """Place customers by their features."""
        return self.assigner.assign(self.representation.transform(features))


def fit_recipes(
    recipes: Sequence[Recipe],
    learned: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    seed: int,
    current: pd.DataFrame | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[FittedRecipe | Failure]:
    """Fit recipes from nothing; those that share a representation or a map share one fit of it.

    Parameters
    ----------
    recipes : sequence of Recipe
    learned : DataFrame of shape (n_customers, n_features)
        Features whose outcomes are known.
    outcomes : DataFrame of shape (n_customers, n_outcomes)
        What these customers did afterwards.
    seed : int
        Seeds the representation and the clusterers.
    current : DataFrame, optional
        Features that scaling and segments are fitted to; default ``learned``. A refit gives the newest ones here,
        whose outcomes are not yet known.
    progress : callable, optional
        Called with the number of recipes fitted.
    """
    with threadpool_limits(1):
        spaces: dict[str, tuple[Representation, np.ndarray]] = {}
        layouts: dict[str, np.ndarray | Failure] = {}
        results: list[FittedRecipe | Failure] = []
        for recipe in recipes:
            results.append(_fit_recipe(recipe, learned, outcomes, current, seed, spaces, layouts))
            if progress is not None:
                progress(len(results))
        return results


def _fit_recipe(
    recipe: Recipe,
    learned: pd.DataFrame,
    outcomes: pd.DataFrame,
    current: pd.DataFrame | None,
    seed: int,
    spaces: dict[str, tuple[Representation, np.ndarray]],
    layouts: dict[str, np.ndarray | Failure],
) -> FittedRecipe | Failure:
    """Fit one recipe, with what ``spaces`` and ``layouts`` hold already; what is new is added to them."""
    if recipe.absent:
        return Failure(
            f"needs the feature(s) {', '.join(recipe.absent)}, which are not among those that form segments here"
        )
    key = repr((recipe.features, recipe.representation))
    if key not in spaces:
        try:
            spaces[key] = _fit_representation(recipe, learned, outcomes, current, seed)
        except InvalidInputError as error:
            if not recipe.candidate.clusterer.features:
                raise
            # The others may see more than these few features.
            return Failure(str(error))
    representation, space = spaces[key]
    embedded = None
    if recipe.embedding is not None:
        key = repr((key, recipe.embedding))
        if key not in layouts:
            layouts[key] = _lay_out(recipe.embedding, space, seed)
        layout = layouts[key]
        if isinstance(layout, Failure):
            return layout
        embedded = layout
    assigner = fit_clusterer(recipe.candidate, space, seed, embedded)
    if isinstance(assigner, Failure):
        return assigner
    return FittedRecipe(recipe, representation, assigner, embedded)


def _lay_out(embedding: Embedding, space: np.ndarray, seed: int) -> np.ndarray | Failure:
    try:
        return embedding.embed(space, seed)
    except (ValueError, ArithmeticError, TypeError) as error:
        # UMAP's own errors are of all these kinds.
        return Failure(str(error).splitlines()[0])


def _fit_representation(
    recipe: Recipe, learned: pd.DataFrame, outcomes: pd.DataFrame, current: pd.DataFrame | None, seed: int
) -> tuple[Representation, np.ndarray]:
    representation = recipe.representation.build(recipe.features, seed)
    if isinstance(representation, OutcomeAwareRepresentation):
        space = representation.fit_transform(learned, outcomes)
        return representation, space if current is None else representation.transform(current)
    fitted_to = learned if current is None else current
    return representation, representation.fit(fitted_to).transform(fitted_to)
