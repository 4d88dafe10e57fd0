"""The backtest: candidates fitted in the learn window are judged on what customers did after the judge window began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.assigners import Assignment
from patronage.catalogue import Feature
from patronage.clusterers import Failure
from patronage.evaluation.baselines import fit_baselines
from patronage.evaluation.judgement import Judge, Row
from patronage.evaluation.stability import Stability, refit_labels, stability
from patronage.evaluation.value import gather_evidence
from patronage.observation import Observed
from patronage.recipe import FittedRecipe, Recipe
from patronage.representation import StandardRepresentation, signed_log


@dataclass(frozen=True)
class Judged:
    """One candidate's line of the leaderboard, and its labels of the judge window's customers (none if it failed)."""

    row: Row
    labels: np.ndarray


class Placer:
    """Labels the same customers by many fitted recipes; those that share a representation share its points."""

    def __init__(self, features: pd.DataFrame) -> None:
        self._features = features
        self._spaces: dict[int, tuple[object, np.ndarray]] = {}

    def space(self, fitted: FittedRecipe) -> np.ndarray:
        """Points of the customers in the recipe's space."""
        key = id(fitted.representation)
        if key not in self._spaces:
            # The representation is kept beside its points, so that its id stays its own.
            self._spaces[key] = (fitted.representation, fitted.representation.transform(self._features))
        return self._spaces[key][1]

    def assign(self, fitted: FittedRecipe) -> Assignment:
        """Place the customers by the recipe's assigner."""
        return fitted.assigner.assign(self.space(fitted))


def stabilities(
    fitted: Sequence[FittedRecipe | Failure], learn: Observed, *, n_refits: int, seed: int, workers: int
) -> list[Stability | None]:
    """Stability of every candidate in the learn window; None where the candidate failed."""
    alive = [one for one in fitted if isinstance(one, FittedRecipe)]
    refits = refit_labels(
        [one.recipe for one in alive],
        learn.features,
        learn.outcomes,
        n_refits=n_refits,
        seed=seed,
        workers=workers,
    )
    placer = Placer(learn.features)
    found = (
        stability(placer.assign(one).label, labels, n_segments=one.assigner.n_segments)
        for one, labels in zip(alive, refits, strict=True)
    )
    return [next(found) if isinstance(one, FittedRecipe) else None for one in fitted]


def open_judge(features: tuple[Feature, ...], learn: Observed, judged: Observed, *, seed: int, workers: int) -> Judge:
    """Gather what all candidates are judged against: ceilings, the common space, the baselines."""
    common = StandardRepresentation(features).fit(learn.features).transform(judged.features)
    evidence = gather_evidence(
        common,
        signed_log(judged.outcomes.to_numpy(float)),
        list(judged.outcomes.columns),
        list(judged.features.index),
        seed=seed,
        workers=workers,
    )
    baselines = None
    if not learn.outcomes.empty:
        baselines = fit_baselines(
            features, learn.features, judged.features, learn.outcomes, learn.rfm, judged.rfm, seed=seed
        )
    return Judge(evidence, common, baselines)


def judge_candidates(
    recipes: Sequence[Recipe],
    fitted: Sequence[FittedRecipe | Failure],
    stable: Sequence[Stability | None],
    judged: Observed,
    judge: Judge,
) -> list[Judged]:
    """Judge every candidate; one that failed gets a line that says why."""
    placer = Placer(judged.features)
    results = []
    for recipe, one, steadiness in zip(recipes, fitted, stable, strict=True):
        made_of = (recipe.name, recipe.candidate.clusterer.name, recipe.representation.kind)
        if isinstance(one, Failure) or steadiness is None:
            reason = one.reason if isinstance(one, Failure) else "no refit"
            results.append(Judged(Row(*made_of, failure=reason), np.empty(0, dtype=int)))
            continue
        assignment = placer.assign(one)
        row = judge.judge(*made_of, placer.space(one), assignment, steadiness)
        results.append(Judged(row, assignment.label))
    return results
