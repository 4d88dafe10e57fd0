"""Features → space: each scale, missing values, levels, family blocks, and what customers' outcomes teach."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import PowerTransformer

from patronage.catalogue import Feature
from patronage.errors import InvalidInputError
from patronage.representation import (
    OutcomeAwareRepresentation,
    PrincipalRepresentation,
    StandardRepresentation,
    signed_log,
)


def _feature(name, scale="none", *, family="behaviour", levels=()):
    return Feature(name, "orders", "count(*)", family=family, scale=scale, levels=levels)


def _fit(values, scale="none", **parameters):
    """A representation of one feature ``x``, without clipping unless asked for."""
    levels = ("low", "middle", "high") if scale == "ordinal" else ()
    representation = StandardRepresentation([_feature("x", scale, levels=levels)], **{"clip_quantile": 0} | parameters)
    return representation.fit(pd.DataFrame({"x": values}))


def _points(representation, values):
    return representation.transform(pd.DataFrame({"x": values}))


def _standardised(values):
    values = np.asarray(values, dtype=float)
    return (values - values.mean()) / values.std()


MIXED = (
    _feature("money", "log", family="value"),
    _feature("margin", "yeo_johnson", family="value"),
    _feature("gap"),
    _feature("member", "binary", family="engagement"),
    _feature("age", "ordinal", family="demographic", levels=("young", "middle", "old")),
    _feature("town", "one_hot", family="geographic"),
)


def _mixed(n, seed=0):
    """Customers with every scale, gaps, outliers and rare levels."""
    rng = np.random.default_rng(seed)
    gap = rng.normal(30, 8, n)
    gap[rng.random(n) < 0.2] = np.nan
    money = rng.lognormal(4, 1, n) * np.where(rng.random(n) < 0.02, -1, 1)
    town = pd.Series(rng.choice(["north", "south", "east", None, "x", "y"], n, p=[0.4, 0.3, 0.2, 0.06, 0.02, 0.02]))
    return pd.DataFrame(
        {
            "money": money,
            "margin": rng.normal(0, 5, n) ** 3,
            "gap": gap,
            "member": (rng.random(n) < 0.3).astype(float),
            "age": pd.Series(rng.choice(["young", "middle", "old"], n), dtype="str"),
            "town": town.astype("str"),
        },
        index=[f"{number:05d}" for number in range(n)],
    )


def _outcomes(features, seed=0):
    rng = np.random.default_rng(seed)
    spend = np.abs(features["money"].to_numpy()) * rng.lognormal(0, 0.3, len(features))
    orders = rng.poisson(1 + 2 * np.log1p(spend))
    return pd.DataFrame({"revenue": spend, "orders": orders.astype(float)}, index=features.index)


@pytest.fixture(scope="module")
def fitted():
    """Both representations, fitted to the same customers."""
    customers = _mixed(300)
    standard = StandardRepresentation(MIXED).fit(customers)
    aware = OutcomeAwareRepresentation(MIXED, n_trees=30).fit(customers, _outcomes(customers))
    return {"standard": standard, "outcome_aware": aware}


def test_log_is_signed_and_standardised():
    """The scale ``log`` gives sign(x)·log1p|x|, with mean 0 and standard deviation 1."""
    money = np.array([-50.0, -1.0, 0.0, 3.0, 20.0, 900.0])
    expected = _standardised([-np.log(51), -np.log(2), 0, np.log(4), np.log(21), np.log(901)])
    np.testing.assert_allclose(_points(_fit(money, "log"), money)[:, 0], expected, atol=1e-12)


def test_yeo_johnson_is_scikit_learns():
    """The scale ``yeo_johnson`` gives what scikit-learn's PowerTransformer gives."""
    skewed = np.random.default_rng(0).lognormal(1, 0.8, 200) - 1
    expected = PowerTransformer("yeo-johnson").fit_transform(skewed[:, None])[:, 0]
    np.testing.assert_allclose(_points(_fit(skewed, "yeo_johnson"), skewed)[:, 0], expected, atol=1e-3)


def test_none_only_standardises():
    """The scale ``none`` leaves a number as it is but for mean and standard deviation."""
    days = [3.0, 4.0, 9.0, 20.0]
    np.testing.assert_allclose(_points(_fit(days), days)[:, 0], _standardised(days), atol=1e-12)


def test_ordinal_levels_are_equal_steps():
    """An ordinal level counts by its place in the declaration, not by the alphabet."""
    levels = ["low", "high", "middle", "low"]
    np.testing.assert_allclose(_points(_fit(levels, "ordinal"), levels)[:, 0], _standardised([0, 2, 1, 0]), atol=1e-12)


def test_an_undeclared_ordinal_level_counts_as_missing():
    """A level that the declaration does not list is imputed by the mean like a missing value."""
    representation = _fit(["low", "high", "middle", "low"], "ordinal")
    assert _points(representation, ["huge", None]).tolist() == [[0.0], [0.0]]


def test_binary_is_two_points():
    """A binary feature becomes two standardised values."""
    flags = [0.0, 1.0, 0.0, 0.0]
    np.testing.assert_allclose(_points(_fit(flags, "binary"), flags)[:, 0], _standardised(flags), atol=1e-12)


def test_one_hot_gives_every_frequent_level_a_flag():
    """Each frequent level has one standardised flag, and the block weighs as one column would."""
    towns = ["north"] * 5 + ["south"] * 3 + ["east"] * 2
    representation = _fit(towns, "one_hot")
    assert list(representation.get_feature_names_out()) == ["x is east", "x is north", "x is south"]
    flags = [_standardised([town == level for town in towns]) / np.sqrt(3) for level in ("east", "north", "south")]
    np.testing.assert_allclose(_points(representation, towns), np.column_stack(flags), atol=1e-12)


def test_rare_levels_share_one_flag():
    """Levels below the smallest share raise the same flag, and only that."""
    representation = _fit(["north"] * 90 + list("abcdefghij"), "one_hot")
    assert list(representation.get_feature_names_out()) == ["x is north", "x is other levels"]
    first, other, frequent = _points(representation, ["a", "j", "north"])
    assert first.tolist() == other.tolist()
    assert first[1] > 0 > frequent[1]


def test_a_level_never_seen_raises_no_flag():
    """A new level is neither a frequent one nor one of the rare ones: all its flags are down."""
    representation = _fit(["north"] * 60 + ["south"] * 30 + list("abcdefghij"), "one_hot")
    north, south, new = _points(representation, ["north", "south", "never seen"])
    down = [south[0], north[1], north[2]]
    assert new.tolist() == down


def test_a_missing_level_raises_no_flag():
    """A customer without a level raises no level's flag, not even that of the rare ones."""
    representation = _fit(["north"] * 60 + ["south"] * 30 + list("abcdefghij"), "one_hot")
    assert _points(representation, [None]).tolist() == _points(representation, ["never seen"]).tolist()


def test_few_rare_levels_get_no_flag():
    """Rare levels that are rare even together have no flag of their own."""
    representation = _fit(["north"] * 60 + ["south"] * 39 + ["a"], "one_hot")
    assert list(representation.get_feature_names_out()) == ["x is north", "x is south"]


def test_a_level_may_be_called_other_levels():
    """A real level that bears the name of the rare levels' flag is a level like any other."""
    representation = _fit(["north"] * 5 + ["other levels"] * 5, "one_hot")
    north, other = _points(representation, ["north", "other levels"])
    assert north.tolist() == (-other).tolist()


def test_outliers_are_clipped_at_training_quantiles():
    """Beyond the training quantiles it does not matter how far out a value is."""
    values = np.append(np.arange(1000.0), 1e9)
    representation = _fit(values, clip_quantile=0.01)
    at_bound, far = _points(representation, [np.quantile(values, 0.99), 1e300])
    assert at_bound == far
    assert _points(representation, values).max() == far[0]
    assert far[0] < 2


def test_clipping_is_half_open_at_zero():
    """A clip quantile of 0 leaves the largest training value where it is."""
    values = np.append(np.arange(100.0), 1000.0)
    points = _points(_fit(values), values)[:, 0]
    np.testing.assert_allclose(points, _standardised(values), atol=1e-12)


def test_enough_missing_values_get_a_flag_and_the_mean():
    """A feature that is missing often gets a flag for it; the value itself is imputed by the mean."""
    values = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    representation = _fit(values)
    assert list(representation.get_feature_names_out()) == ["x", "x is missing"]
    points = _points(representation, values)
    assert points[4, 0] == 0
    np.testing.assert_allclose(points[:, 1], _standardised([0, 0, 0, 0, 1]) / np.sqrt(2), atol=1e-12)


def test_few_missing_values_get_no_flag():
    """A feature that is hardly ever missing has no flag for it."""
    values = np.append(np.arange(99.0), np.nan)
    assert list(_fit(values).get_feature_names_out()) == ["x"]


def test_a_feature_only_ever_there_or_missing_is_its_flag():
    """A feature with one value that some customers lack is represented by the flag alone."""
    assert list(_fit([7.0, 7.0, np.nan, np.nan]).get_feature_names_out()) == ["x is missing"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("constant", "the same for all customers"),
        ("town", "the same for all customers"),
        ("empty", "always empty"),
        ("empty_town", "always empty"),
        ("once", "hardly differs between customers"),
        ("typo", "none of its values is a declared level"),
        ("code", "no level is frequent"),
    ],
)
def test_a_feature_that_says_nothing_is_dropped_with_the_reason(name, reason):
    """A feature without differences has no column, and the reason is the true one."""
    n = 1000
    frame = pd.DataFrame(
        {
            "differs": np.arange(float(n)),
            "constant": 0.1,
            "town": "north",
            "empty": np.nan,
            "empty_town": pd.Series([None] * n, dtype="str"),
            "once": [1.0] + [0.0] * (n - 1),
            "typo": ["Low", "High"] * (n // 2),
            "code": [f"code {number}" for number in range(n)],
        }
    )
    features = [
        _feature("differs"), _feature("constant"), _feature("town", "one_hot"), _feature("empty", "log"),
        _feature("empty_town", "one_hot"), _feature("once", "binary"), _feature("code", "one_hot"),
        _feature("typo", "ordinal", levels=("low", "high")),
    ]  # fmt: skip
    representation = StandardRepresentation(features).fit(frame)
    assert list(representation.get_feature_names_out()) == ["differs"]
    assert representation.dropped_[name] == reason


def test_customers_without_any_difference_are_an_error():
    """Where all customers are the same there is nothing to segment, and the message says what to do."""
    frame = pd.DataFrame({"gap": [3.0] * 1200, "town": ["north"] * 1200})
    with pytest.raises(
        InvalidInputError, match=r"all 1,200 customers have the same features \(2 looked at\).*Add feat"
    ):
        StandardRepresentation([_feature("gap"), _feature("town", "one_hot")]).fit(frame)


@pytest.mark.parametrize("kind", [StandardRepresentation, PrincipalRepresentation])
def test_a_space_in_which_nothing_weighs_is_an_error(kind):
    """Where every family that is there weighs 0 no customer differs from another, and the message says so."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    with pytest.raises(InvalidInputError, match=r"family_weights is 0 for every family there is \(behaviour\)"):
        kind([_feature("a"), _feature("b")], family_weights={"behaviour": 0.0, "value": 1.0}).fit(frame)


@pytest.mark.parametrize("n_columns", [1, 2, 9])
def test_a_familys_share_of_distance_does_not_grow_with_its_features(n_columns):
    """Two families share the distance equally, however many features one of them has."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, n_columns + 1)), columns=[f"f{i}" for i in range(n_columns + 1)])
    features = [_feature("f0", family="value"), *(_feature(f"f{i + 1}") for i in range(n_columns))]
    representation = StandardRepresentation(features)
    shares = representation.distance_shares(representation.fit_transform(frame))
    assert shares == pytest.approx({"value": 0.5, "behaviour": 0.5})


def test_a_familys_weight_counts_in_distance():
    """A family of weight 2 has twice the distance, so four times the share of squared distance."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    features = [_feature("a", family="value"), _feature("b"), _feature("c")]
    representation = StandardRepresentation(features, family_weights={"value": 2.0})
    shares = representation.distance_shares(representation.fit_transform(frame))
    assert shares == pytest.approx({"value": 0.8, "behaviour": 0.2})


@given(order=st.permutations(range(len(MIXED))))
@settings(deadline=None, max_examples=10)
def test_the_order_of_the_tables_columns_does_not_matter(order):
    """Columns are found by name: a table with its columns in another order gives the same bits."""
    customers = _mixed(120)
    turned = customers.iloc[:, list(order)]
    points = StandardRepresentation(MIXED).fit(customers).transform(customers)
    assert StandardRepresentation(MIXED).fit(turned).transform(turned).tobytes() == points.tobytes()


@given(order=st.permutations(range(60)))
@settings(deadline=None, max_examples=10)
def test_the_order_of_the_training_rows_does_not_matter(order):
    """Customers fitted in another order give the same space, up to the rounding of sums."""
    customers = _mixed(60)
    points = StandardRepresentation(MIXED).fit(customers).transform(customers)
    turned = StandardRepresentation(MIXED).fit(customers.iloc[list(order)]).transform(customers)
    # The maximum likelihood of Yeo-Johnson's λ is found to about 1e-8.
    np.testing.assert_allclose(turned, points, atol=1e-5)


@pytest.mark.parametrize("kind", ["standard", "outcome_aware"])
def test_inputs_are_not_changed_in_place(kind):
    """Fitting and transforming leave the caller's tables as they were."""
    customers = _mixed(100)
    outcomes = _outcomes(customers)
    before, outcomes_before = customers.copy(deep=True), outcomes.copy(deep=True)
    made = StandardRepresentation(MIXED) if kind == "standard" else OutcomeAwareRepresentation(MIXED, n_trees=30)
    made.fit(customers, outcomes).transform(customers)
    pd.testing.assert_frame_equal(customers, before)
    pd.testing.assert_frame_equal(outcomes, outcomes_before)


def test_state_survives_json(fitted):
    """A representation rebuilt from its state in JSON gives the same bits."""
    customers = _mixed(80, seed=1)
    rebuilt = StandardRepresentation.from_state(json.loads(json.dumps(fitted["standard"].state(), allow_nan=False)))
    assert rebuilt.columns_ == fitted["standard"].columns_
    assert rebuilt.transform(customers).tobytes() == fitted["standard"].transform(customers).tobytes()


@pytest.mark.parametrize("kind", ["standard", "outcome_aware"])
def test_one_by_one_is_all_together(fitted, kind):
    """A customer alone gets bit for bit what it gets among the others."""
    customers = _mixed(70, seed=2)
    customers.iloc[3] = None
    together = fitted[kind].transform(customers)
    alone = np.vstack([fitted[kind].transform(customers.iloc[[row]]) for row in range(len(customers))])
    assert alone.tobytes() == together.tobytes()


@pytest.mark.parametrize("kind", ["standard", "outcome_aware"])
@given(rows=st.lists(st.integers(0, 69), min_size=1, max_size=40))
@settings(deadline=None, max_examples=15)
def test_any_batch_gives_the_same_points(fitted, kind, rows):
    """A batch of any customers, in any order and number, gives each of them the same bits."""
    customers = _mixed(70, seed=2)
    together = fitted[kind].transform(customers)
    assert fitted[kind].transform(customers.iloc[rows]).tobytes() == together[rows].tobytes()


def test_more_customers_than_a_block_are_represented_alike(fitted):
    """Among thousands of others, the last ones get bit for bit what they get among themselves."""
    customers = pd.concat([_mixed(70, seed=2)] * 240, ignore_index=True)
    together = fitted["standard"].transform(customers)
    assert fitted["standard"].transform(customers.iloc[-70:]).tobytes() == together[-70:].tobytes()
    assert fitted["standard"].transform(customers.iloc[8150:8220]).tobytes() == together[8150:8220].tobytes()


def test_the_tables_memory_layout_does_not_matter(fitted):
    """A table made from one array by rows gives the same bits as one made column by column."""
    numbers = ["money", "margin", "gap", "member"]
    by_column = _mixed(97, seed=3)[numbers]
    by_row = pd.DataFrame(np.ascontiguousarray(by_column.to_numpy()), columns=numbers, index=by_column.index)
    features = [feature for feature in MIXED if feature.name in numbers]
    representation = StandardRepresentation(features).fit(by_column)
    assert representation.transform(by_row).tobytes() == representation.transform(by_column).tobytes()


@given(factor=st.sampled_from([0.01, 0.5, 7.0, 100.0, 1e6]))
@settings(deadline=None, max_examples=5)
def test_the_unit_of_an_unscaled_number_does_not_matter(factor):
    """Days or hours, euros or cents: a standardised number is the same point."""
    values = np.random.default_rng(0).gamma(2, 30, 200)
    points = _points(_fit(values, clip_quantile=0.01), values)
    np.testing.assert_allclose(_points(_fit(values * factor, clip_quantile=0.01), values * factor), points, atol=1e-9)


@pytest.mark.parametrize("scale", ["log", "yeo_johnson"])
@given(factor=st.sampled_from([0.01, 1.0, 100.0, 1e4]), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=12)
def test_who_spends_more_lies_higher_in_any_currency(scale, factor, seed):
    """Whatever unit money is in, its scales keep the customers' order."""
    money = np.sort(np.random.default_rng(seed).normal(20, 30, 150)) * factor
    points = _points(_fit(money, scale, clip_quantile=0.02), money)[:, 0]
    assert (np.diff(points) >= 0).all()
    assert len(np.unique(points)) > 100


@pytest.mark.parametrize("scale", ["none", "log", "yeo_johnson"])
@given(
    # Features come rounded, see `features.DECIMALS`.
    values=st.lists(
        st.one_of(
            st.floats(-1e7, 1e7).map(lambda value: round(value, 9)),
            st.integers(-5, 5).map(float),
            st.just(float("nan")),
        ),
        min_size=2,
        max_size=30,
    )
)
@settings(deadline=None, max_examples=40)
def test_points_are_always_finite(scale, values):
    """Whatever numbers customers have, their points are finite, or the error says that they do not differ."""
    try:
        representation = _fit(np.array(values), scale, clip_quantile=0.005)
    except InvalidInputError:
        return
    assert np.isfinite(_points(representation, np.array([*values, np.nan, -1e9, 1e9]))).all()


def test_signed_log_is_odd_and_keeps_zero():
    """Refunds are to losses what orders are to gains."""
    money = np.array([0.0, 1.0, 99.0])
    np.testing.assert_allclose(signed_log(money), [0, np.log(2), np.log(100)])
    np.testing.assert_array_equal(signed_log(-money), -signed_log(money))


def test_a_customers_own_outcome_is_not_remembered():
    """Chance outcomes show in the forest's own rows, but not in the space that training sees, which is out of bag."""
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(rng.normal(size=(500, 4)), columns=list("abcd"))
    chance = pd.DataFrame({"revenue": rng.normal(size=500)})
    aware = OutcomeAwareRepresentation(
        [_feature(name) for name in "abcd"], learner="extra_trees", n_trees=80, min_samples_leaf=5
    )
    seen = aware.fit_transform(customers, chance)[:, 0]
    assert np.corrcoef(seen, chance["revenue"])[0, 1] < 0.1
    assert np.corrcoef(aware.transform(customers)[:, 0], chance["revenue"])[0, 1] > 0.5


def test_the_space_is_standardised_in_training():
    """Every expected outcome has mean 0 and standard deviation 1 among the training customers."""
    customers = _mixed(300)
    space = OutcomeAwareRepresentation(MIXED, n_trees=30).fit_transform(customers, _outcomes(customers))
    assert space.shape == (300, 2)
    np.testing.assert_allclose(space.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(space.std(axis=0), 1, atol=1e-9)


def test_what_matters_for_the_outcome_orders_the_space():
    """Customers who will spend more, as far as their features tell, lie higher."""
    customers = _mixed(400)
    aware = OutcomeAwareRepresentation(MIXED, learner="extra_trees", n_trees=60).fit(customers, _outcomes(customers))
    unseen = _mixed(200, seed=9)
    expected = aware.transform(unseen)[:, 0]
    assert np.corrcoef(expected, np.log1p(np.abs(unseen["money"])))[0, 1] > 0.8


def test_a_constant_outcome_is_left_out():
    """An outcome that all customers share adds no dimension and changes no other."""
    customers = _mixed(200)
    outcomes = _outcomes(customers)
    with_constant = outcomes.assign(churn=1.0)
    aware = OutcomeAwareRepresentation(MIXED, n_trees=30)
    space = aware.fit_transform(customers, outcomes)
    again = aware.fit_transform(customers, with_constant)
    assert aware.outcomes_ == ("revenue", "orders")
    assert again.tobytes() == space.tobytes()


def test_outcomes_that_are_all_constant_are_an_error():
    """Without any outcome that differs there is nothing to learn, and the message names the outcomes."""
    customers = _mixed(60)
    outcomes = pd.DataFrame({"revenue": 0.0, "churn": 0.1}, index=customers.index)
    with pytest.raises(InvalidInputError, match=r"none of the outcomes revenue, churn differs.*Choose other outcomes"):
        OutcomeAwareRepresentation(MIXED).fit(customers, outcomes)


def test_one_outcome_is_enough():
    """A single outcome gives a space of one dimension, also for a single customer."""
    customers = _mixed(150)
    aware = OutcomeAwareRepresentation(MIXED, n_trees=30).fit(customers, _outcomes(customers)[["revenue"]])
    assert aware.training_space_.shape == (150, 1)
    assert aware.transform(customers.iloc[:1]).shape == (1, 1)
    assert list(aware.get_feature_names_out()) == ["expected revenue"]


def test_the_seed_decides_the_forest():
    """The same seed gives the same bits, another seed another space."""
    customers = _mixed(120)
    outcomes = _outcomes(customers)
    first, again, other = (
        OutcomeAwareRepresentation(MIXED, n_trees=30, seed=seed).fit_transform(customers, outcomes)
        for seed in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other)
