"""Recipes: planted segments are found, shared fits are shared, and the newest features can be segmented."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from patronage.catalogue import Feature
from patronage.clusterers import Clusterer, Failure
from patronage.embedding import Embedding
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.evaluation.stability import refit_labels
from patronage.recipe import FittedRecipe, Recipe, RepresentationChoice, fit_recipes

KMEANS, GMM, HDBSCAN = "sklearn.cluster.KMeans", "sklearn.mixture.GaussianMixture", "hdbscan.HDBSCAN"
MINIBATCH, WARD = "sklearn.cluster.MiniBatchKMeans", "sklearn.cluster.AgglomerativeClustering"
GRID = "patronage.rfm_grid.RFMGrid"
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


@pytest.mark.parametrize(
    "recipe",
    [
        _recipe(KMEANS, n_clusters=3),
        _recipe(MINIBATCH, n_clusters=3, n_init=3),
        _recipe(GMM, n_components=3),
        _recipe(WARD, n_clusters=3),
        _recipe(HDBSCAN, min_cluster_size=30),
    ],
    ids=lambda recipe: recipe.candidate.name,
)
def test_planted_segments_are_recovered(recipe):
    """Every kind of clusterer finds well separated kinds of customers, also among customers it has not seen."""
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


RFM = ("recency_days", "n_orders", "revenue")


def _grid(features=FEATURES, named=RFM, representation=AWARE, **parameters):
    clusterer = Clusterer("rfm_grid", GRID, {"n_clusters": 3} | parameters, features=named)
    return Recipe(features, representation, clusterer.candidates()[0])


def test_a_clusterer_that_names_its_features_is_fitted_to_these_alone():
    """The RFM grid sees recency, frequency and monetary value in the standard space, whatever the others see."""
    frame, later, kind = _planted()
    recipe = _grid()
    assert recipe.name == "rfm_grid · standard"
    (fitted,) = fit_recipes([recipe], frame, later, seed=0)
    assert [column.feature for column in fitted.representation.columns_] == list(RFM)
    assert adjusted_rand_score(kind, _label(fitted, frame)) >= 0.95
    edges = fitted.assigner.edges[0] / fitted.representation.columns_[0].weight
    thirds = np.quantile(np.log1p(frame["recency_days"]), [1 / 3, 2 / 3])
    column = fitted.representation.columns_[0]
    np.testing.assert_allclose(edges * column.spread + column.centre, thirds)


def test_a_feature_that_a_clusterer_names_may_be_absent_or_constant():
    """Its candidate fails and says what it lacks; the others are fitted."""
    frame, later, _ = _planted(90)
    same = frame.assign(**dict.fromkeys(RFM, 1.0))
    recipes = [_grid(features=FEATURES[1:], representation=STANDARD), _recipe(features=FEATURES[1:], n_clusters=2)]
    absent, fitted = fit_recipes(recipes, frame, later, seed=0)
    assert absent.reason.startswith("needs the feature(s) recency_days, which are not among")
    assert isinstance(fitted, FittedRecipe)
    constant, fitted = fit_recipes([_grid(representation=STANDARD), _recipe(n_clusters=2)], same, later, seed=0)
    assert "have the same features (3 looked at)" in constant.reason
    assert isinstance(fitted, FittedRecipe)


def test_a_map_that_cannot_be_made_fails_its_candidates_only():
    """Too few customers for the map's neighbours are a Failure of what is found on it; others are fitted."""
    frame, later, _ = _planted(40)
    choice = RepresentationChoice("umap", {"n_neighbors": 60})
    own_map = Clusterer("u", HDBSCAN, embedding=Embedding(n_neighbors=50)).candidates()[0]
    recipes = [_recipe(representation=choice, n_clusters=2), Recipe(FEATURES, STANDARD, own_map), _recipe(n_clusters=2)]
    on_map, own, fitted = fit_recipes(recipes, frame, later, seed=0)
    assert on_map == Failure("an embedding with these options needs 61 customers, 40 given")
    assert own == Failure("an embedding with these options needs 51 customers, 40 given")
    assert isinstance(fitted, FittedRecipe)


def test_a_map_belongs_to_the_representation_or_to_the_clusterer():
    """The clusterer's own map goes before the representation's; without either there is none."""
    on_umap = RepresentationChoice("umap", {"n_neighbors": 60, "clip_quantile": 0.1})
    own = Clusterer("u", HDBSCAN, embedding=Embedding(n_neighbors=50)).candidates()[0]
    assert Recipe(FEATURES, on_umap, own).embedding.n_neighbors == 50
    assert _recipe(representation=on_umap).embedding.n_neighbors == 60
    assert _recipe().embedding is None
    served = on_umap.build(FEATURES, 0)
    assert (served.kind, served.clip_quantile) == ("standard", 0.1)


EVERY_KIND = [
    _recipe(KMEANS, n_clusters=4, n_init=2),
    _recipe(MINIBATCH, n_clusters=4, n_init=2),
    _recipe(GMM, n_components=3, reg_covar=1e-2),
    _recipe(WARD, n_clusters=4),
    _recipe(HDBSCAN, min_cluster_size=10),
    _grid(n_clusters=4),
    Recipe(
        FEATURES,
        STANDARD,
        Clusterer(
            "umap_hdbscan",
            HDBSCAN,
            {"min_cluster_size": 10},
            embedding=Embedding(n_neighbors=10, n_components=2, n_epochs=30),
        ).candidates()[0],
    ),
]


def _found(recipes, n_refits, workers, threads):
    """Labels of fits and of refits, by so many processes with so many native threads each."""
    frame, later, _ = _planted(120)
    with threadpool_limits(threads):
        fitted = fit_recipes(recipes, frame, later, seed=3)
        refits = refit_labels(recipes, frame, later, n_refits=n_refits, seed=3, workers=workers)
    return [[_label(one, frame), *labels] for one, labels in zip(fitted, refits, strict=True)]


def test_neither_threads_nor_workers_change_a_segment():
    """Every kind of clusterer gives the same labels with one thread or two, alone or shared by two processes."""
    recipes = EVERY_KIND[:-1]
    for recipe, alone, shared in zip(recipes, _found(recipes, 2, 1, 1), _found(recipes, 2, 2, 2), strict=True):
        np.testing.assert_array_equal(alone, shared, err_msg=recipe.name)


def test_threads_do_not_change_a_map():
    """Groups found on a UMAP map are the same with one thread or two, in the fit and in a refit."""
    # Not shared by processes: each would first spend ten seconds on compiling UMAP.
    np.testing.assert_array_equal(_found(EVERY_KIND[-1:], 1, 1, 1), _found(EVERY_KIND[-1:], 1, 1, 2))


BAD = {
    "all the same": lambda frame: frame.assign(**frame.iloc[0].to_dict()),
    "two customers over and over": lambda frame: frame.iloc[np.arange(len(frame)) % 2].set_axis(frame.index),
    "one giant": lambda frame: frame.assign(revenue=frame["revenue"].mask(frame.index == "00000", 1e15)),
    "huge numbers": lambda frame: frame.assign(recency_days=frame["recency_days"] * 1e12, n_orders=1e12),
    "an empty column": lambda frame: frame.assign(revenue=np.nan),
}


@pytest.mark.parametrize("case", ["two customers over and over", "one giant", "huge numbers", "an empty column"])
def test_bad_features_give_segments_or_a_reason(case):
    """Duplicates, an outlier, huge numbers and empty columns end in segments or a Failure for every clusterer."""
    frame, later, _ = _planted(120)
    for recipe, one in zip(EVERY_KIND[:-1], fit_recipes(EVERY_KIND[:-1], BAD[case](frame), later, seed=0), strict=True):
        if isinstance(one, Failure):
            assert case == "two customers over and over", (recipe.name, one.reason)
            assert "distinct" in one.reason or "cells" in one.reason or "noise" in one.reason, recipe.name
        else:
            placed = one.assign(BAD[case](frame))
            assert set(placed.label) <= set(range(-1, one.assigner.n_segments)), recipe.name
            assert np.isfinite(placed.margin).all(), recipe.name


def test_one_giant_forms_no_segment_of_its_own():
    """A customer with a billion times the revenue of the others does not move the segments of the rest."""
    frame, later, kind = _planted()
    with_giant = BAD["one giant"](frame)
    for recipe in (_recipe(n_clusters=3), _recipe(WARD, n_clusters=3)):
        (fitted,) = fit_recipes([recipe], with_giant, later, seed=0)
        assert adjusted_rand_score(kind[1:], _label(fitted, with_giant)[1:]) >= 0.95


def test_customers_that_are_all_the_same_are_nothing_to_segment():
    """Where no feature differs no candidate can be fitted: that is an error for the whole run."""
    frame, later, _ = _planted(60)
    with pytest.raises(InvalidInputError, match="have the same features"):
        fit_recipes([_recipe(n_clusters=2)], BAD["all the same"](frame), later, seed=0)


def test_a_recipe_is_named_by_candidate_and_representation():
    """The leaderboard's name says what was fitted in which space."""
    candidate = Clusterer("kmeans", KMEANS, grid={"n_clusters": [4]}).candidates()[0]
    assert Recipe(FEATURES, AWARE, candidate).name == "kmeans n_clusters=4 · outcome_aware"


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("umap3", {}, r"representation\.kind must be one of standard, .*; got 'umap3'"),
        ("umap", {"n_neighbours": 3}, r"representation umap has no parameter 'n_neighbours'; it has .*n_neighbors"),
        ("umap", {"n_neighbors": 1}, "n_neighbors must be a whole number from 2 on; got 1"),
        ("standard", {"n_trees": 3}, r"representation standard has no parameter 'n_trees'; it has clip_quantile"),
        ("outcome_aware", {"seed": 3}, r"representation outcome_aware has no parameter 'seed'; it has learner"),
    ],
)
def test_a_wrong_representation_is_refused(kind, parameters, message):
    """Only known kinds and their parameters can be configured; the run gives features and seed."""
    with pytest.raises(InvalidConfigError, match=message):
        RepresentationChoice(kind, parameters)


@pytest.mark.parametrize(
    "recipe",
    [
        _recipe(n_clusters=3),
        _recipe(HDBSCAN, AWARE, min_cluster_size=20),
        Recipe(FEATURES, STANDARD, Clusterer("maps", HDBSCAN, embedding=Embedding(n_neighbors=9)).candidates()[0]),
        Recipe(FEATURES, STANDARD, Clusterer("grid", KMEANS, grid={"n_clusters": [2, 4]}).candidates()[1]),
    ],
)
def test_a_recipe_is_rebuilt_from_plain_values(recipe):
    """What a package keeps of a recipe, through JSON, fits the same again."""
    rebuilt = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())), recipe.features)
    assert rebuilt.name == recipe.name
    assert rebuilt.representation == recipe.representation
    assert rebuilt.candidate.chosen == recipe.candidate.chosen
    assert rebuilt.candidate.clusterer == replace(recipe.candidate.clusterer, grid={})


@pytest.mark.parametrize(
    "change",
    [
        {"chosen": {"memory": "anywhere"}},
        {"chosen": {"no_such_parameter": 1}},
        {"clusterer": {"target": "os.system"}},
        {"clusterer": {"no_such_field": 1}},
        {"representation": {"kind": "pickle"}},
        {"representation": None},
    ],
)
def test_a_recipe_that_was_tampered_with_is_refused(change):
    """What a configuration may not say, a package may not either."""
    plain = _recipe(n_clusters=3).to_dict()
    changed = {
        key: value if key == "chosen" or value is None else {**plain[key], **value} for key, value in change.items()
    }
    with pytest.raises((InvalidConfigError, InvalidInputError)):
        Recipe.from_dict({**plain, **changed}, FEATURES)
