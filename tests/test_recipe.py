"""Recipes: planted segments are found, shared fits are shared, and the newest features can be segmented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from patronage.catalogue import Feature
from patronage.clusterers import Clusterer, Failure
from patronage.errors import InvalidConfigError
from patronage.recipe import FittedRecipe, Recipe, RepresentationChoice, fit_recipes

KMEANS, GMM, HDBSCAN = "sklearn.cluster.KMeans", "sklearn.mixture.GaussianMixture", "hdbscan.HDBSCAN"
STANDARD = RepresentationChoice("standard")
AWARE = RepresentationChoice("outcome_aware", {"n_trees": 60})

FEATURES = (
    Feature("recency_days", "orders", "1", scale="log"),
    Feature("n_orders", "orders", "1", scale="log"),
    Feature("revenue", "orders", "1", scale="yeo_johnson", family="value"),
    Feature("town", "customers", "1", scale="one_hot", family="geographic"),
    Feature("income", "customers", "1", scale="ordinal", family="demographic", levels=("low", "middle", "high")),
)


def _recipe(target=KMEANS, representation=STANDARD, features=FEATURES, **parameters):
    name = target.rpartition(".")[2].lower()
    return Recipe(features, representation, Clusterer(name, target, parameters).candidates()[0])


def _planted(n=240, seed=0):
    """Three well separated kinds of customers, their kinds, and what they spend later."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "recency_days": np.array([3, 20, 90])[kind] * rng.lognormal(0, 0.2, n),
            "n_orders": np.array([40, 10, 2])[kind] * rng.lognormal(0, 0.2, n),
            "revenue": np.array([300, 2000, 50])[kind] * rng.lognormal(0, 0.2, n),
            "town": np.array(["north", "south", "east"])[kind],
            "income": np.array(["low", "high", "middle"])[kind],
        },
        index=[f"{number:05d}" for number in range(n)],
    ).astype({"town": "str", "income": "str"})
    later = pd.DataFrame({"revenue_later": np.array([60.0, 400, 5])[kind] * rng.lognormal(0, 0.3, n)}, frame.index)
    return frame, later, kind


def _nuisance(n=600, seed=0):
    """Two kinds that will spend differently, hidden beneath a far bigger split that says nothing of spending."""
    rng = np.random.default_rng(seed)
    kind, irrelevant = rng.integers(0, 2, n), rng.integers(0, 2, n)
    columns = {f"n_{number}": 20.0 * irrelevant + rng.normal(0, 1, n) for number in range(4)}
    frame = pd.DataFrame({"orders": 5.0 * kind + rng.normal(0, 1, n), **columns})
    later = pd.DataFrame({"spend": np.exp(2 + 2 * kind + rng.normal(0, 0.5, n))})
    features = tuple(Feature(name, "orders", "1") for name in frame.columns)
    return features, frame, later, kind, irrelevant


def _label(fitted, frame):
    return fitted.assign(frame).label


@pytest.mark.parametrize("recipe", [_recipe(KMEANS, n_clusters=3), _recipe(GMM, n_components=3)], ids=["kmeans", "gmm"])
def test_planted_segments_are_recovered(recipe):
    """K-means and a mixture find well separated kinds of customers, also among customers they have not seen."""
    frame, later, kind = _planted()
    (fitted,) = fit_recipes([recipe], frame, later, seed=0)
    assert adjusted_rand_score(kind, _label(fitted, frame)) >= 0.95
    unseen, _, unseen_kind = _planted(seed=1)
    assert adjusted_rand_score(unseen_kind, _label(fitted, unseen)) >= 0.95


def test_outcome_aware_segments_ignore_differences_without_consequence():
    """A strong split that says nothing about later spending does not form segments; the weaker one that does, does."""
    features, frame, later, kind, irrelevant = _nuisance()
    (fitted,) = fit_recipes([_recipe(representation=AWARE, features=features, n_clusters=2)], frame, later, seed=0)
    labels = _label(fitted, frame)
    assert adjusted_rand_score(kind, labels) >= 0.9
    assert adjusted_rand_score(irrelevant, labels) < 0.05


def test_standard_segments_follow_the_strongest_difference():
    """The standard representation sees only distances: the bigger split wins, whatever it is worth."""
    features, frame, later, kind, irrelevant = _nuisance()
    (fitted,) = fit_recipes([_recipe(features=features, n_clusters=2)], frame, later, seed=0)
    labels = _label(fitted, frame)
    assert adjusted_rand_score(irrelevant, labels) >= 0.9
    assert adjusted_rand_score(kind, labels) < 0.05


def test_recipes_with_one_representation_share_its_fit():
    """Candidates in the same space use the same fitted representation; another choice has its own."""
    frame, later, _ = _planted(120)
    recipes = [
        _recipe(n_clusters=2),
        _recipe(GMM, n_components=2),
        _recipe(representation=RepresentationChoice("standard", {"clip_quantile": 0.1}), n_clusters=2),
    ]
    first, second, other = fit_recipes(recipes, frame, later, seed=0)
    assert first.representation is second.representation
    assert first.representation is not other.representation


def test_recipes_with_different_features_do_not_share_a_fit():
    """The same kind of representation over other features is another representation."""
    frame, later, _ = _planted(120)
    recipes = [_recipe(n_clusters=2), _recipe(features=FEATURES[:2], n_clusters=2)]
    many, few = fit_recipes(recipes, frame, later, seed=0)
    assert many.assigner.centres.shape[1] > 2
    assert few.assigner.centres.shape[1] == 2


def test_a_recipe_fitted_alone_is_the_same_as_among_others():
    """What is fitted beside a recipe does not change it."""
    frame, later, _ = _planted(120)
    recipe = _recipe(representation=AWARE, n_clusters=3)
    (alone,) = fit_recipes([recipe], frame, later, seed=4)
    among = fit_recipes(
        [_recipe(n_clusters=5), _recipe(representation=AWARE, n_clusters=2), recipe], frame, later, seed=4
    )
    assert among[-1].assigner.centres.tobytes() == alone.assigner.centres.tobytes()


def test_the_seed_reaches_representation_and_clusterer():
    """The same seed gives the same recipe; another one grows other trees and starts the clusterer elsewhere."""
    frame, later, _ = _planted(120)
    recipe = _recipe(representation=AWARE, n_clusters=6, n_init=1)
    first, again, other = (fit_recipes([recipe], frame, later, seed=seed)[0] for seed in (1, 1, 2))
    assert first.assigner.centres.tobytes() == again.assigner.centres.tobytes()
    assert not np.array_equal(first.representation.transform(frame), other.representation.transform(frame))


def test_a_failure_stands_at_its_place():
    """A candidate without segments is a Failure in the list, and the others are fitted."""
    frame, later, _ = _planted(60)
    failed, fitted = fit_recipes([_recipe(n_clusters=61), _recipe(n_clusters=2)], frame, later, seed=0)
    assert failed == Failure("61 segments asked for, 60 customers given")
    assert isinstance(fitted, FittedRecipe)


def test_segments_are_formed_on_the_current_features():
    """With ``current`` the segments are those of the newest customers, though outcomes are known of earlier ones."""
    frame, later, _ = _planted()
    newest, _, newest_kind = _planted(seed=1)
    remaining = newest_kind != 2
    recipe = _recipe(representation=AWARE, n_clusters=2)
    (fitted,) = fit_recipes([recipe], frame, later, seed=0, current=newest[remaining])
    assert adjusted_rand_score(newest_kind[remaining], _label(fitted, newest[remaining])) >= 0.95
    (earlier,) = fit_recipes([recipe], frame, later, seed=0)
    assert adjusted_rand_score(newest_kind[remaining], _label(earlier, newest[remaining])) < 0.5


def test_scaling_is_learned_from_the_current_features():
    """With ``current`` the standard representation is that of the newest customers alone."""
    frame, later, _ = _planted()
    newest, newest_later, _ = _planted(seed=1)
    recipe = _recipe(n_clusters=3)
    (refitted,) = fit_recipes([recipe], frame, later, seed=0, current=newest)
    (fresh,) = fit_recipes([recipe], newest, newest_later, seed=0)
    assert refitted.assigner.centres.tobytes() == fresh.assigner.centres.tobytes()
    assert refitted.representation.columns_ == fresh.representation.columns_


def test_inputs_are_not_changed_in_place():
    """Fitting leaves the caller's tables as they were."""
    frame, later, _ = _planted(100)
    before, later_before = frame.copy(deep=True), later.copy(deep=True)
    fit_recipes([_recipe(n_clusters=2), _recipe(representation=AWARE, n_clusters=2)], frame, later, seed=0)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(later, later_before)


def test_a_customer_is_placed_alone_as_among_others():
    """The whole recipe, from features to segment, works row by row."""
    frame, later, _ = _planted(90)
    recipes = [_recipe(n_clusters=3), _recipe(GMM, representation=AWARE, n_components=2), _recipe(HDBSCAN)]
    for fitted in fit_recipes(recipes, frame, later, seed=0):
        together = fitted.assign(frame)
        alone = [fitted.assign(frame.iloc[[row]]) for row in range(len(frame))]
        for figure in ("label", "runner_up", "margin", "distance"):
            joined = np.concatenate([getattr(one, figure) for one in alone])
            assert joined.tobytes() == getattr(together, figure).tobytes()


def test_a_recipe_is_named_by_candidate_and_representation():
    """The leaderboard's name says what was fitted in which space."""
    candidate = Clusterer("kmeans", KMEANS, grid={"n_clusters": [4]}).candidates()[0]
    assert Recipe(FEATURES, AWARE, candidate).name == "kmeans n_clusters=4 · outcome_aware"


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("umap3", {}, r"representation\.kind must be one of standard, outcome_aware; got 'umap3'"),
        ("standard", {"n_trees": 3}, r"representation standard has no parameter 'n_trees'; it has clip_quantile"),
        ("outcome_aware", {"seed": 3}, r"representation outcome_aware has no parameter 'seed'; it has max_features"),
    ],
)
def test_a_wrong_representation_is_refused(kind, parameters, message):
    """Only known kinds and their parameters can be configured; the run gives features and seed."""
    with pytest.raises(InvalidConfigError, match=message):
        RepresentationChoice(kind, parameters)
