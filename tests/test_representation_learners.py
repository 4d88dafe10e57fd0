"""What foretells outcomes, and the principal space: leaving out is honest, batches and packages change nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from patronage.catalogue import Feature
from patronage.errors import InvalidConfigError
from patronage.recipe import RepresentationChoice
from patronage.representation import (
    LEARNERS,
    OutcomeAwareRepresentation,
    PrincipalRepresentation,
    StandardRepresentation,
)
from patronage.representation.learners import forecast, learn_boosting, learn_extra_trees, learn_ridge

FEATURES = tuple(Feature(name, "orders", "count(*)") for name in "abcdef")


def _customers(n=300, seed=0):
    """Features, and outcomes of which ``spend`` and ``orders`` can be foretold and ``luck`` cannot."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(rng.normal(size=(n, 6)), columns=list("abcdef"))
    spend = np.exp(features["a"] + 0.5 * features["b"] * (features["b"] > 0) + 0.3 * rng.normal(size=n))
    orders = np.exp(0.7 * features["a"] - features["c"] + 0.5 * rng.normal(size=n))
    outcomes = pd.DataFrame({"spend": spend, "orders": orders, "luck": np.exp(rng.normal(size=n))})
    return features, outcomes


def _aware(learner, **parameters):
    return OutcomeAwareRepresentation(FEATURES, learner=learner, **{"n_trees": 40, "min_samples_leaf": 5} | parameters)


def _space(n=120, seed=3):
    rng = np.random.default_rng(seed)
    space = rng.normal(size=(n, 4)) * [1, 2, 0.1, 1]
    space[:, 3] = 7.0  # says nothing
    return space, np.column_stack([space[:, 0] + rng.normal(size=n), rng.normal(size=n)])


def test_ridge_is_scikit_learns_with_a_penalty_per_customer():
    """The forecast equals Ridge(alpha = penalty * n) on standardised columns."""
    space, targets = _space()
    learned = learn_ridge(space, targets, penalty=0.3)
    scaler = StandardScaler().fit(space)
    reference = Ridge(alpha=0.3 * len(space)).fit(scaler.transform(space), targets)
    np.testing.assert_allclose(
        forecast(learned.forecasters, space), reference.predict(scaler.transform(space)), rtol=1e-9, atol=1e-9
    )


def test_ridge_leaves_every_customer_out_exactly():
    """What ridge would say of a customer unseen equals fitting it again without that customer, scaling held fixed."""
    space, targets = _space(40)
    learned = learn_ridge(space, targets, penalty=0.3)
    scaled = StandardScaler().fit_transform(space)
    for row in range(0, 40, 7):
        others = np.arange(40) != row
        again = Ridge(alpha=0.3 * 40).fit(scaled[others], targets[others])
        np.testing.assert_allclose(learned.unseen[row], again.predict(scaled[[row]])[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("learn", [learn_extra_trees, learn_boosting])
def test_trees_foretell_as_scikit_learn_does(learn):
    """The packaged sum of trees equals the estimator's own prediction."""
    space, targets = _space()
    parameters = {"min_samples_leaf": 3, "max_features": 0.5}
    learned = learn(space, targets, n_trees=30, seed=1, **parameters)
    if learn is learn_extra_trees:
        forest = ExtraTreesRegressor(30, bootstrap=True, random_state=1, **parameters).fit(space, targets)
        expected = forest.predict(space)
    else:
        expected = np.column_stack(
            [
                GradientBoostingRegressor(
                    n_estimators=30, learning_rate=0.05, max_depth=3, subsample=0.63, random_state=1, **parameters
                )
                .fit(space, target)
                .predict(space)
                for target in targets.T
            ]
        )
    np.testing.assert_allclose(forecast(learned.forecasters, space), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("learner", LEARNERS)
def test_chance_is_not_remembered(learner):
    """Training rows are represented by what has not seen them: chance outcomes do not show there."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(500, 6)), columns=list("abcdef"))
    chance = pd.DataFrame({"spend": np.exp(rng.normal(size=500))})
    aware = _aware(learner).fit(features, chance)
    assert np.corrcoef(aware.training_space_[:, 0], np.log1p(chance["spend"]))[0, 1] < 0.12
    assert aware.r2_["spend"] < 0.02
    assert aware.outcomes_ == ("spend",)  # when nothing can be foretold, something must make a space


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_outcome_that_cannot_be_foretold_has_no_dimension(learner):
    """Luck is left out with its reason; the other outcomes are foretold for customers never seen."""
    features, outcomes = _customers(600)
    aware = _aware(learner, min_r2=0.05).fit(features, outcomes)
    assert aware.outcomes_ == ("spend", "orders")
    assert set(aware.left_out_) == {"luck"}
    assert "foretold" in aware.left_out_["luck"]
    assert list(aware.get_feature_names_out()) == ["expected spend", "expected orders"]
    unseen, later = _customers(400, seed=9)
    foretold = aware.transform(unseen)
    assert foretold.shape == (400, 2)
    assert np.corrcoef(foretold[:, 0], np.log1p(later["spend"]))[0, 1] > 0.75
    assert np.corrcoef(foretold[:, 1], np.log1p(later["orders"]))[0, 1] > 0.75


@pytest.mark.parametrize("learner", LEARNERS)
def test_batches_do_not_matter_to_any_learner(learner):
    """One by one, shuffled and together: the same bits."""
    features, outcomes = _customers(200)
    aware = _aware(learner).fit(features, outcomes)
    together = aware.transform(features)
    order = np.random.default_rng(1).permutation(200)
    assert np.array_equal(aware.transform(features.iloc[order]), together[order])
    assert np.array_equal(aware.transform(features.iloc[[7]]), together[[7]])


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_rebuilt_space_is_the_same(learner):
    """State, arrays and trees are all that is needed; with anything missing or foreign it is refused."""
    features, outcomes = _customers(200)
    aware = _aware(learner, min_r2=0.05).fit(features, outcomes)
    state, arrays, trees = aware.state(), aware.arrays(), aware.trees()
    rebuilt = OutcomeAwareRepresentation.from_state(state, arrays, trees)
    assert np.array_equal(rebuilt.transform(features), aware.transform(features))
    for damaged in (
        {**arrays, "kept": np.array([0, 9])},
        {**arrays, "kept": np.array([0, -1])},
        {**arrays, "kept": np.array([0.0, 1.0])},
        {**arrays, "centre": np.zeros(5)},
    ):
        with pytest.raises(ValueError, match="package describes"):
            OutcomeAwareRepresentation.from_state(state, damaged, trees)
    for name in set(arrays) - {"kept"}:
        for bad in (arrays[name] * np.nan, arrays[name].astype(complex), arrays[name].astype("U8")):
            with pytest.raises(ValueError, match="no finite number"):
                OutcomeAwareRepresentation.from_state(state, {**arrays, name: bad}, trees)
    with pytest.raises(ValueError, match="not above 0"):
        OutcomeAwareRepresentation.from_state(state, {**arrays, "spread": np.zeros(2)}, trees)
    if trees:
        with pytest.raises(ValueError, match="describes"):
            OutcomeAwareRepresentation.from_state(state, arrays, trees[:-1])
        with pytest.raises(ValueError, match="describes"):
            OutcomeAwareRepresentation.from_state(state, arrays, [*trees, trees[0]])
        trees[0].tree_.children_left[0] = 10_000
        with pytest.raises(ValueError, match="points outside"):
            OutcomeAwareRepresentation.from_state(state, arrays, trees)


def test_a_blend_wobbles_less_than_its_parts():
    """Refitted on other customers, the mean of forest and ridge moves less than either."""
    unseen, _ = _customers(300, seed=99)

    def wobble(learner):
        spaces = [
            _aware(learner, min_samples_leaf=20).fit(*_customers(250, seed=seed)).transform(unseen)[:, 0]
            for seed in range(6)
        ]
        return np.mean(np.std(spaces, axis=0))

    blend, parts = wobble("blend"), [wobble("extra_trees"), wobble("ridge")]
    assert blend < max(parts)


def test_principal_components_are_scikit_learns():
    """Variances and directions equal PCA's, and as many are kept as the share of variance asks for."""
    features, _ = _customers(400)
    features["b"] = features["a"] + 0.1 * features["b"]
    principal = PrincipalRepresentation(FEATURES, variance=0.7).fit(features)
    space = StandardRepresentation(FEATURES).fit_transform(features)
    reference = PCA().fit(space)
    n_components = int(np.searchsorted(np.cumsum(reference.explained_variance_ratio_), 0.7)) + 1
    assert principal.components_.shape == (n_components, 6)
    expected = reference.transform(space)[:, :n_components]
    np.testing.assert_allclose(np.abs(principal.transform(features)), np.abs(expected), atol=1e-9)


def test_whitened_components_count_the_same():
    """With ``whiten`` every component has variance 1."""
    features, _ = _customers(400)
    space = PrincipalRepresentation(FEATURES, variance=1.0, whiten=True).fit_transform(features)
    np.testing.assert_allclose(space.var(axis=0), 1, atol=1e-9)


def test_a_component_without_variance_is_none():
    """A column that is the double of another adds no component."""
    features, _ = _customers(100)
    features["f"] = features["e"]
    principal = PrincipalRepresentation(FEATURES, variance=1.0).fit(features)
    assert len(principal.components_) == 5
    assert len(principal.get_feature_names_out()) == 5


def test_a_rebuilt_principal_space_is_the_same_for_any_batch():
    """State and arrays are all that is needed, and rows are represented by themselves."""
    features, _ = _customers(150)
    principal = PrincipalRepresentation(FEATURES).fit(features)
    rebuilt = PrincipalRepresentation.from_state(principal.state(), principal.arrays())
    together = principal.transform(features)
    assert np.array_equal(rebuilt.transform(features.iloc[[3, 1]]), together[[3, 1]])
    with pytest.raises(ValueError, match="package describes"):
        PrincipalRepresentation.from_state(principal.state(), {**principal.arrays(), "centre": np.zeros(2)})


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("outcome_aware", {"learner": "magic"}, r"learner must be one of blend, .*; got 'magic'"),
        ("outcome_aware", {"ridge_penalty": 0}, r"ridge_penalty must be above 0; got 0"),
        ("outcome_aware", {"min_r2": 1}, r"min_r2 must be in \[0, 1\); got 1"),
        ("outcome_aware", {"max_features": 1.5}, r"max_features must be in \(0, 1\]; got 1.5"),
        ("outcome_aware", {"min_samples_leaf": 0}, r"min_samples_leaf must be a whole number of at least 1; got 0"),
        ("pca", {"variance": 0}, r"variance must be in \(0, 1\]; got 0"),
        ("pca", {"variance": "most"}, r"variance must be in \(0, 1\]; got 'most'"),
        ("pca", {"n_trees": 50}, r"pca has no parameter 'n_trees'"),
    ],
)
def test_a_wrong_parameter_is_refused_at_the_door(kind, parameters, message):
    """Wrong values name the parameter, the rule and what was given."""
    with pytest.raises(InvalidConfigError, match=message):
        RepresentationChoice(kind, parameters)
