"""The backtest: outcomes left out of training show whether segments foretell what they were not formed by."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from patronage.backtest import judge_candidates, kept_unseen, open_judge
from patronage.catalogue import Feature
from patronage.clusterers import Candidate, Clusterer, Failure
from patronage.observation import Observed
from patronage.recipe import Recipe, RepresentationChoice, fit_recipes

FEATURES = tuple(Feature(name, "orders", "count(*)") for name in ("habit", "taste"))
KMEANS = Candidate(Clusterer("kmeans", "sklearn.cluster.KMeans", {"n_init": 3}), {"n_clusters": 6})


def _observed(seed, *, shared, n=1500):
    """Customers with a habit and a taste; spend follows the habit, visits the habit too if ``shared``, or the taste."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(
        rng.normal(size=(n, 2)), columns=["habit", "taste"], index=[f"c{seed}-{row}" for row in range(n)]
    )
    driver = features["habit"] if shared else features["taste"]
    outcomes = pd.DataFrame(
        {
            "spend": np.expm1(3 + features["habit"] + 0.4 * rng.normal(size=n)),
            "visits": np.expm1(2 + 0.5 * driver + 0.2 * rng.normal(size=n)),
        }
    )
    return Observed(features, outcomes, pd.DataFrame(index=features.index))


@cache
def _opened(*, shared):
    learn, judged = _observed(1, shared=shared), _observed(2, shared=shared)
    return learn, judged, open_judge(FEATURES, learn, judged, seed=0, workers=1)


def _unseen(kind, *, shared):
    learn, judged, judge = _opened(shared=shared)
    parameters = {"n_trees": 60} if kind == "outcome_aware" else {}
    recipe = Recipe(FEATURES, RepresentationChoice(kind, parameters), KMEANS)
    (fitted,) = fit_recipes([recipe], learn.features, learn.outcomes, seed=0)
    kept = judge.foreseen(fitted.assign(judged.features).label)
    (found,) = kept_unseen([fitted], learn, judged, judge, seed=0, workers=1)
    return found, sum(own for own, _ in kept.values()) / sum(best for _, best in kept.values())


def test_what_shares_its_cause_is_kept_unseen():
    """Where the same habit is behind both outcomes, segments formed by one foretell the other nearly as well."""
    unseen, kept = _unseen("outcome_aware", shared=True)
    assert kept > 0.85
    assert unseen == pytest.approx(kept, abs=0.08)


def test_what_has_another_cause_is_not_kept_unseen():
    """Where each outcome has a cause of its own, segments formed by one say nothing of the other."""
    unseen, kept = _unseen("outcome_aware", shared=False)
    assert kept > 0.6
    assert abs(unseen) < 0.05


def test_segments_formed_without_outcomes_have_nothing_left_out():
    """The standard space looks at no outcome, so there is none to leave out."""
    unseen, _ = _unseen("standard", shared=True)
    assert np.isnan(unseen)


def test_a_failed_candidate_is_no_reason_to_stop():
    """Failures are passed over: only what was fitted has a figure."""
    learn, judged, judge = _opened(shared=True)
    assert kept_unseen([Failure("nothing found")], learn, judged, judge, seed=0, workers=1) == []


def test_a_failed_candidate_counts_as_judged():
    """What is shown of the progress reaches its end, whichever candidates failed."""
    _, judged, judge = _opened(shared=True)
    recipes = [Recipe(FEATURES, RepresentationChoice("standard"), KMEANS)] * 2
    seen: list[int] = []
    found = judge_candidates(recipes, [Failure("nothing found")] * 2, [None] * 2, judged, judge, seen.append)
    assert [one.row.failure for one in found] == ["nothing found"] * 2
    assert seen == [1, 2]


def test_one_outcome_cannot_be_left_out():
    """With a single outcome nothing would be left to learn from: the figure does not apply."""
    learn, judged = (_observed(seed, shared=True, n=400) for seed in (1, 2))
    learn, judged = (Observed(one.features, one.outcomes[["spend"]], one.rfm) for one in (learn, judged))
    recipe = Recipe(FEATURES, RepresentationChoice("outcome_aware", {"n_trees": 40}), KMEANS)
    fitted = fit_recipes([recipe], learn.features, learn.outcomes, seed=0)
    judge = open_judge(FEATURES, learn, judged, seed=0, workers=1)
    assert np.isnan(kept_unseen(fitted, learn, judged, judge, seed=0, workers=1)).all()


def test_each_familys_share_of_distance_is_known_before_clustering():
    """Shares add up to 1, follow the families' weights, and there are none where outcomes weigh."""
    features = (
        Feature("habit", "orders", "count(*)", family="behaviour"),
        Feature("taste", "orders", "count(*)", family="affinity"),
    )
    learned = _observed(1, shared=True, n=300).features
    even = RepresentationChoice("standard").distance_shares(features, learned)
    assert even == pytest.approx({"behaviour": 0.5, "affinity": 0.5})
    heavy = RepresentationChoice("pca", {"family_weights": {"affinity": 2.0}}).distance_shares(features, learned)
    assert heavy == pytest.approx({"behaviour": 0.2, "affinity": 0.8})
    assert RepresentationChoice("outcome_aware").distance_shares(features, learned) == {}
