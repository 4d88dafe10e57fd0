"""The backtest: candidates fitted in the learn window are judged on what customers did after the judge window began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from patronage.assigners import Assignment
from patronage.assigners.mixture import MixtureAssigner
from patronage.catalogue import Feature
from patronage.clusterers import Failure
from patronage.errors import InvalidInputError
from patronage.evaluation.baselines import fit_baselines
from patronage.evaluation.density import bic
from patronage.evaluation.evidence import FULL, QUICK, gather_evidence, hear, select_customers, winsorised
from patronage.evaluation.judgement import Judge
from patronage.evaluation.row import Row
from patronage.evaluation.stability import Stability, mean_ari, refit_clusterers, refit_labels, stability
from patronage.observation import Observed
from patronage.recipe import FittedRecipe, Recipe, fit_recipes
from patronage.representation import OutcomeAwareRepresentation, StandardRepresentation, signed_log


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

    def fitted_space(self, fitted: FittedRecipe) -> np.ndarray:
        """Points that the recipe's clusterer was fitted to, where these are the customers it was fitted to."""
        # What learned from outcomes represents its own training rows out of bag, not as it does others.
        points = getattr(fitted.representation, "training_space_", None)
        return points if points is not None and len(points) == len(self._features) else self.space(fitted)


def stabilities(
    fitted: Sequence[FittedRecipe | Failure],
    learn: Observed,
    *,
    n_refits: int,
    seed: int,
    workers: int,
    progress: Callable[[int], None] | None = None,
) -> list[Stability | None]:
    """Stability of every candidate in the learn window; None where the candidate failed.

    ``progress`` is called with the number of subsamples done.
    """
    alive = [one for one in fitted if isinstance(one, FittedRecipe)]
    refits = refit_labels(
        [one.recipe for one in alive],
        learn.features,
        learn.outcomes,
        n_refits=n_refits,
        seed=seed,
        workers=workers,
        progress=progress,
    )
    placer = Placer(learn.features)
    alone = refit_clusterers(
        [one.recipe.candidate for one in alive],
        [placer.fitted_space(one) for one in alive],
        [placer.space(one) for one in alive],
        [one.embedded for one in alive],
        # What wobbles is told by half as many; no gate looks at it.
        n_refits=(n_refits + 1) // 2,
        seed=seed,
        workers=workers,
    )
    found = (
        _stability(placer.assign(one).label, labels, clusterers, one.assigner.n_segments)
        for one, labels, clusterers in zip(alive, refits, alone, strict=True)
    )
    return [next(found) if isinstance(one, FittedRecipe) else None for one in fitted]


def _stability(
    reference: np.ndarray,
    refits: Sequence[np.ndarray | None],
    clusterers: Sequence[np.ndarray | None],
    n_segments: int,
) -> Stability:
    found = stability(reference, refits, n_segments=n_segments)
    return replace(found, ari_clusterer=mean_ari(reference, clusterers))


def open_judge(
    features: tuple[Feature, ...],
    learn: Observed,
    judged: Observed,
    *,
    seed: int,
    workers: int,
    headline: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Judge:
    """Gather what all candidates are judged against: ceilings, the common space, the baselines.

    ``headline`` is the outcome that shares are measured in (``value_gap``, ``top20_capture``); default: the first.
    Of more than `evidence.MAX_HEARD` customers a sample is asked what they did. ``progress`` is called with the number
    of forecasts done, of `evidence.n_forecasts`.
    """
    names = judged.features.index.to_list()
    heard = hear(names)
    asked = judged.only(heard)
    common = StandardRepresentation(features).fit(learn.features).transform(asked.features)
    outcomes = asked.outcomes.to_numpy(float)
    ids = asked.features.index.to_list()
    evidence, money = gather_evidence(
        common,
        [(signed_log(outcomes), FULL), (winsorised(outcomes, select_customers(ids)), QUICK)],
        list(asked.outcomes.columns),
        ids,
        seed=seed,
        workers=workers,
        progress=progress,
    )
    baselines = None
    if not learn.outcomes.empty:
        baselines = fit_baselines(
            features, learn.features, asked.features, learn.outcomes, learn.rfm, asked.rfm, seed=seed
        )
    return Judge(
        evidence,
        common,
        baselines,
        money=money,
        outcomes=outcomes,
        headline=headline,
        heard=heard,
        select=select_customers(names),
    )


def judge_candidates(
    recipes: Sequence[Recipe],
    fitted: Sequence[FittedRecipe | Failure],
    stable: Sequence[Stability | None],
    judged: Observed,
    judge: Judge,
    progress: Callable[[int], None] | None = None,
    learn: Observed | None = None,
) -> list[Judged]:
    """Judge every candidate; one that failed gets a line that says why.

    ``progress`` is called with the number of candidates judged. ``learn`` is what the candidates were fitted to;
    without it their likelihood (BIC) is not known.
    """
    placer = Placer(judged.features)
    former = None if learn is None else Placer(learn.features)
    results = []
    for recipe, one, steadiness in zip(recipes, fitted, stable, strict=True):
        made_of = (recipe.name, recipe.candidate.clusterer.name, recipe.representation.kind)
        if isinstance(one, Failure) or steadiness is None:
            reason = one.reason if isinstance(one, Failure) else "no refit"
            failed = Row(*made_of, failure=reason, asked=recipe.candidate.asked, variant=recipe.candidate.variant)
            results.append(Judged(failed, np.empty(0, dtype=int)))
        else:
            assignment = placer.assign(one)
            row = judge.judge(*made_of, placer.space(one), assignment, steadiness)
            if one.typing_agreement is not None:
                row = replace(row, metrics={**row.metrics, "typing/agreement": one.typing_agreement})
            if former is not None:
                row = replace(row, metrics={**row.metrics, "separation/bic": _bic(one, former.fitted_space(one))})
            row = replace(row, asked=recipe.candidate.asked, variant=recipe.candidate.variant)
            results.append(Judged(row, assignment.label))
        if progress is not None:
            progress(len(results))
    return results


def kept_unseen(
    passing: Sequence[FittedRecipe | Failure],
    learn: Observed,
    judged: Observed,
    judge: Judge,
    *,
    seed: int,
    workers: int,
) -> list[float]:
    """What segmentations keep of outcomes that they were not formed by: a foresight that is no rehearsed answer.

    Every counted outcome is left out of training once, and judged by the segments formed without it. Where segments
    are formed without any outcome nothing is left out, and NaN says so; so it does where there is only one.

    Parameters
    ----------
    passing : sequence of FittedRecipe
        Candidates worth the time: each is fitted again per outcome.
    """
    recipes = [one.recipe for one in passing if isinstance(one, FittedRecipe)]
    aware = [n for n, recipe in enumerate(recipes) if recipe.representation.kind == OutcomeAwareRepresentation.kind]
    found = [float("nan")] * len(recipes)
    if not aware or learn.outcomes.shape[1] < 2:  # noqa: PLR2004 - of one outcome nothing would be left
        return found
    outcomes = judge.counted
    labels = Parallel(n_jobs=workers)(
        delayed(_labels_without)([recipes[n] for n in aware], learn, judged.features, outcome, seed)
        for outcome in outcomes
    )
    for position, n in enumerate(aware):
        given = {outcome: of[position] for outcome, of in zip(outcomes, labels, strict=True)}
        known = {outcome: one for outcome, one in given.items() if one is not None}
        if len(known) == len(given):
            found[n] = judge.kept_unseen(known)
    return found


def _labels_without(
    recipes: Sequence[Recipe], learn: Observed, features: pd.DataFrame, outcome: str, seed: int
) -> list[np.ndarray | None]:
    """Labels by recipes fitted without an outcome; None where that cannot be done."""
    try:
        fitted = fit_recipes(recipes, learn.features, learn.outcomes.drop(columns=outcome), seed=seed)
    except InvalidInputError:  # the other outcomes happen to be the same for all
        return [None] * len(recipes)
    placer = Placer(features)
    return [placer.assign(one).label if isinstance(one, FittedRecipe) else None for one in fitted]


def _bic(fitted: FittedRecipe, points: np.ndarray) -> float:
    """BIC of a mixture on the points it was fitted to; NaN for what is no mixture."""
    if not isinstance(fitted.assigner, MixtureAssigner):
        return float("nan")
    candidate = fitted.recipe.candidate
    given = {**candidate.clusterer.parameters, **candidate.chosen}
    return bic(points, fitted.assigner, given.get("covariance_type", "full"))
