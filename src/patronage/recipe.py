"""Representation + clusterer + assigner: the one thing that is fitted, refitted for stability and packaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from patronage.assigners import Assigner, Assignment
from patronage.catalogue import FAMILIES, Feature
from patronage.clusterers import Candidate, Failure, fit_clusterer
from patronage.errors import InvalidConfigError
from patronage.representation import OutcomeAwareRepresentation, StandardRepresentation

Representation = StandardRepresentation | OutcomeAwareRepresentation

REPRESENTATIONS = {
    "standard": StandardRepresentation,
    "outcome_aware": OutcomeAwareRepresentation,
}


MIN_TREES = 30
"""With fewer, some customer would be in every tree's sample and have no prediction out of bag."""


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
        if unknown := sorted(set(self.parameters) - known):
            raise InvalidConfigError(
                f"representation {self.kind} has no parameter {unknown[0]!r}; it has {', '.join(sorted(known))}."
            )
        weights = self.parameters.get("family_weights") or {}
        if unknown := sorted(set(weights) - set(FAMILIES)):
            raise InvalidConfigError(
                f"representation.parameters.family_weights: there is no family {unknown[0]!r}; "
                f"families: {', '.join(FAMILIES)}."
            )
        clip = self.parameters.get("clip_quantile", 0.0)
        if not 0 <= clip < 0.5:  # noqa: PLR2004 - from either end
            raise InvalidConfigError(f"representation.parameters.clip_quantile must be in [0, 0.5); got {clip}.")
        n_trees = self.parameters.get("n_trees", MIN_TREES)
        if n_trees < MIN_TREES:
            raise InvalidConfigError(
                f"representation.parameters.n_trees must be at least {MIN_TREES}, so that every customer is "
                f"represented by trees that have not seen it; got {n_trees}."
            )

    def build(self, features: Sequence[Feature], seed: int) -> Representation:
        """Make the unfitted representation."""
        seeded = {"seed": seed} if self.kind == "outcome_aware" else {}
        return REPRESENTATIONS[self.kind](features=features, **self.parameters, **seeded)


@dataclass(frozen=True)
class Recipe:
    """What is fitted: a representation of the basis features, and one candidate in its space."""

    features: tuple[Feature, ...]
    representation: RepresentationChoice
    candidate: Candidate

    @property
    def name(self) -> str:
        """Name in the leaderboard."""
        return f"{self.candidate.name} · {self.representation.kind}"


@dataclass(frozen=True)
class FittedRecipe:
    """A fitted representation and the assigner that places its points."""

    recipe: Recipe
    representation: Representation
    assigner: Assigner

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
) -> list[FittedRecipe | Failure]:
    """Fit recipes from nothing; those that share a representation share one fit of it.

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
    """
    with threadpool_limits(1):
        spaces: dict[str, tuple[Representation, np.ndarray]] = {}
        results: list[FittedRecipe | Failure] = []
        for recipe in recipes:
            key = repr((recipe.features, recipe.representation))
            if key not in spaces:
                spaces[key] = _fit_representation(recipe, learned, outcomes, current, seed)
            representation, space = spaces[key]
            assigner = fit_clusterer(recipe.candidate, space, seed)
            results.append(
                assigner if isinstance(assigner, Failure) else FittedRecipe(recipe, representation, assigner)
            )
        return results


def _fit_representation(
    recipe: Recipe, learned: pd.DataFrame, outcomes: pd.DataFrame, current: pd.DataFrame | None, seed: int
) -> tuple[Representation, np.ndarray]:
    representation = recipe.representation.build(recipe.features, seed)
    if isinstance(representation, OutcomeAwareRepresentation):
        space = representation.fit_transform(learned, outcomes)
        return representation, space if current is None else representation.transform(current)
    fitted_to = learned if current is None else current
    return representation, representation.fit(fitted_to).transform(fitted_to)
