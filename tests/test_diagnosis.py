"""Diagnosis: planted faults are found and named, useful features stay, and the order of things does not matter."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from patronage.catalogue import Feature
from patronage.diagnosis import Diagnosis, FeatureDiagnosis, Limits, diagnose
from patronage.distribution import one_decimal, percent
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.features import build_features, learn_catalogue
from patronage.tables import open_tables
from patronage.windows import plan_windows
from tests.conftest import declared

N = 400
LIMITS = Limits()
GRADES = ("low", "middle", "high")


def _feature(name="x", scale="none", *, role="basis", family="behaviour", levels=GRADES):
    return Feature(
        name, "orders", "count(*)", family=family, role=role, scale=scale, levels=levels if scale == "ordinal" else ()
    )


def _one(values, scale="none", *, role="basis", limits=LIMITS):
    """The diagnosis of a single feature ``x``."""
    (found,) = diagnose(pd.DataFrame({"x": values}), [_feature("x", scale, role=role)], limits=limits).features
    return found


def _normal(n=N, seed=0):
    return np.random.default_rng(seed).normal(10, 2, n)


def _plain(found):
    """Every figure, comparable although NaN is no number."""
    return [
        tuple("NaN" if isinstance(value, float) and math.isnan(value) else value for value in vars(one).values())
        for one in found.features
    ]


def _numbers(**columns):
    """Customers by names, and a basis feature for each column."""
    frame = pd.DataFrame(columns)
    frame.index = pd.Index([f"{number:05d}" for number in range(len(frame))], name="customer_id")
    return frame, [_feature(name) for name in columns]


def test_figures_of_a_small_feature_are_as_counted_by_hand():
    """Missing, distinct, zero and dominant shares, quantiles and bins of eight customers."""
    found = _one([0.0, 0.0, 0.0, 1.0, 2.0, 5.0, np.nan, np.nan])
    assert found.missing_share == 0.25
    assert found.n_distinct == 4
    assert found.zero_share == 0.5
    assert found.dominant_value_share == 0.5
    assert found.median == 0.5
    assert found.sketch == (4, 1, 0, 1)
    assert (found.twin, found.levels) == ("", ())
    assert math.isnan(found.twin_correlation)


@pytest.mark.parametrize("seed", range(3))
def test_raw_skew_is_that_of_an_independent_implementation(seed):
    """The raw skew equals SciPy's, missing values left out."""
    values = np.random.default_rng(seed).lognormal(0, 1, N)
    values[::7] = np.nan
    assert _one(values).skew == pytest.approx(stats.skew(values, nan_policy="omit"), rel=1e-9)


@pytest.mark.parametrize("factor", [-1.0, 1e-3, 1e12, 1e304])
def test_raw_skew_does_not_depend_on_the_unit(factor):
    """Money in any currency is equally skewed; a change of sign mirrors it; no sum overflows."""
    values = np.random.default_rng(0).lognormal(4, 0.8, N)
    assert _one(values * factor, "log").skew == pytest.approx(np.sign(factor) * _one(values, "log").skew, rel=1e-9)


def test_scaled_skew_is_that_of_the_clipped_logarithms():
    """What the clusterer sees is judged: on the declared scale, cut off at the half percent."""
    values = np.random.default_rng(0).lognormal(3, 1, N)
    logs = np.log1p(values)
    clipped = np.clip(logs, *np.quantile(logs, [0.005, 0.995]))
    assert _one(values, "log").skew_scaled == pytest.approx(stats.skew(clipped), rel=1e-9)


USELESS = {
    "empty": (np.full(N, np.nan), "none", "always empty"),
    "empty objects": ([None] * N, "none", "always empty"),
    "only infinite": (np.full(N, np.inf), "none", "always empty"),
    "constant": (np.full(N, 3.0), "none", "the same for all customers"),
    "constant but for rounding": (0.1 + 0.2 + np.arange(N) % 2 * 4e-17 * 4, "none", "the same for all customers"),
    "large, constant but for rounding": (1e9 * (1 + np.arange(N) % 3 * 2.3e-16), "none", "the same for all customers"),
    "all zero": (np.zeros(N), "log", "the same for all customers"),
    "all true": ([True] * N, "binary", "the same for all customers"),
    "constant where known": ([5.0] * 300 + [np.nan] * 100, "none", "the same for all who have it; the other 25%"),
    "nearly constant": ([0.0] * 397 + [1.0, 2.0, 3.0], "none", "nearly constant: 99.2% are zero"),
    "nearly constant, not at zero": ([7.0] * 397 + [1.0, 2.0, 3.0], "none", "nearly constant: 99.2% are the same"),
    "missing": (np.where(np.arange(N) < 16, _normal(), np.nan), "none", "96.0% missing"),
    "row numbers": (np.random.default_rng(0).permutation(N) + 1.0, "none", "a running number"),
    "no difference to be seen": (1e12 + np.arange(N) % 5, "none", "differences vanish beside its size"),
    "nothing but gaps to be seen": (
        np.where(np.arange(N) % 5 > 0, 1e12 + np.arange(N) % 7, np.nan),
        "none",
        "differences vanish beside its size",
    ),
    "one level": (["yes"] * N, "one_hot", "the same for all customers"),
    "no level": ([None] * N, "one_hot", "always empty"),
    "nearly one level": (["yes"] * 397 + ["no", "maybe", "never"], "one_hot", "nearly constant: 99.2% are the same"),
    "an identifier": ([f"name {number}" for number in range(N)], "one_hot", "an identifier: 400 levels"),
    "no declared level": (["warm", "cold"] * 200, "ordinal", "none of its values is a declared level"),
}


@pytest.mark.parametrize("role", ["basis", "descriptor"])
@pytest.mark.parametrize("case", USELESS)
def test_a_useless_feature_is_dropped_with_its_reason(case, role):
    """Whatever has no useful distribution is dropped, even as a descriptor, and the reason says why."""
    values, scale, reason = USELESS[case]
    found = _one(values, scale, role=role)
    assert found.verdict == "drop"
    assert reason in found.reason
    assert "\n" not in found.reason


USEFUL = {
    "normal": (_normal(), "none"),
    "zeros for 95 %": (np.where(np.arange(N) < 20, np.arange(N) % 4 + 1.0, 0.0), "none"),
    "binary for 2 %": (np.arange(N) < 8, "binary"),
    "missing for 90 %": (np.where(np.arange(N) < 40, _normal(), np.nan), "none"),
    "two numbers": (np.arange(N) % 2 + 0.0, "none"),
    "a trillion": (_normal() * 1e12, "none"),
    "nullable": (pd.array([1, 2, None, 4] * 100, dtype="Int64"), "none"),
    "nullable truth": (pd.array([True, None, False, True] * 100, dtype="boolean"), "binary"),
    "objects": (pd.Series([True, None, False, True] * 100, dtype=object), "binary"),
    "negative": (-np.random.default_rng(0).lognormal(0, 1, N), "log"),
    "levels": (["a", "b", "c", None] * 100, "one_hot"),
    "categories": (pd.Categorical(["a", "b", "c", "d"] * 100), "one_hot"),
    "grades": (pd.Categorical([*GRADES, None] * 100), "ordinal"),
    "many levels, some frequent": (["a"] * 200 + [f"level {number % 40}" for number in range(200)], "one_hot"),
}


@pytest.mark.parametrize("case", USEFUL)
def test_a_useful_feature_is_kept(case):
    """Sparse, partly missing, huge or oddly typed features that tell customers apart stay."""
    found = _one(*USEFUL[case])
    assert found.verdict == "keep", found.reason
    assert sum(found.sketch) == round(N * (1 - found.missing_share))
    assert 1 <= len(found.sketch) <= 20


def test_a_feature_that_no_scale_evens_says_so():
    """Nothing is advised that would not help: 95 % zeros stay skewed on every scale."""
    found = _one(USEFUL["zeros for 95 %"][0])
    assert found.skew_scaled > 3
    assert "no scale helps" in found.reason
    assert "95% are zero" in found.reason or "95.0% are zero" in found.reason


@pytest.mark.parametrize(
    ("values", "scale", "advice"),
    [
        (np.random.default_rng(0).lognormal(3, 2, N), "none", "declare scale: log"),
        (-np.random.default_rng(0).lognormal(3, 2, N), "none", "declare scale: log"),
        (100 - np.random.default_rng(0).lognormal(0, 1.5, N), "none", "declare scale: yeo_johnson"),
        (np.random.default_rng(0).lognormal(0, 1.5, N) * 1e-3, "log", "declare scale: yeo_johnson"),
        (np.abs(np.random.default_rng(0).normal(100, 20, N) * (np.arange(N) % 40 > 0)), "log", "declare scale: none"),
        (np.random.default_rng(0).normal(0, 1, N) * 1e200, "none", "not to be seen on scale none: declare scale: log"),
        (
            np.random.default_rng(0).normal(0, 1, N) * 1e200,
            "yeo_johnson",
            "not to be seen on scale yeo_johnson: declare scale: log",
        ),
        (np.arange(N) % 7, "binary", "7 distinct values are not binary"),
        (np.where(np.arange(N) < 4, np.inf, _normal()), "none", "4 infinite"),
        (["yes", "no"] * 200, "one_hot", "declare scale: binary"),
        ([f"level {number % 50}" for number in range(N)], "one_hot", "none of its 50 levels reaches 3%"),
        ([*GRADES, "unheard of"] * 100, "ordinal", "25% have a level that is not declared"),
    ],
)
def test_a_badly_declared_feature_is_to_be_transformed(values, scale, advice):
    """The reason names what to declare instead."""
    found = _one(values, scale)
    assert found.verdict == "transform"
    assert advice in found.reason


def test_advice_holds_what_it_promises():
    """Declared as advised, the feature is kept, and its skew is the one foretold."""
    values = 100 - np.random.default_rng(0).lognormal(0, 1.5, N)
    advised = _one(values).reason.split("declare scale: ")[1].split(" ")[0]
    found = _one(values, advised)
    assert found.verdict == "keep"
    assert f"(then {one_decimal(found.skew_scaled)})" in _one(values).reason


def test_a_descriptor_needs_no_other_scale():
    """Only what is clustered on has to be even: profiles do not scale."""
    assert _one(np.random.default_rng(0).lognormal(3, 2, N), role="descriptor").verdict == "keep"
    assert _one(["yes", "no"] * 200, "one_hot", role="descriptor").verdict == "keep"


def test_unknown_levels_count_as_missing():
    """A value that is no declared level is no value."""
    found = _one([*GRADES, "unheard of"] * 100, "ordinal")
    assert found.missing_share == 0.25
    assert found.n_distinct == 3
    assert found.sketch == (100, 100, 100)


def test_ordinal_levels_keep_their_order():
    """The sketch follows the declared order, with a level that nobody has at zero."""
    found = _one(["high"] * 300 + ["low"] * 100, "ordinal")
    assert dict(zip(found.levels, found.sketch, strict=True)) == {"low": 100, "middle": 0, "high": 300}


def test_levels_of_few_customers_are_not_named():
    """A level held by four customers might say who they are; identifiers show nothing at all."""
    found = _one(["a"] * 200 + ["b"] * 192 + ["Ann Lee"] * 4 + ["Bo Li"] * 4, "one_hot")
    assert dict(zip(found.levels, found.sketch, strict=True)) == {"a": 200, "b": 192, "other levels": 8}
    identifier = _one([f"name {number}" for number in range(N)], "one_hot")
    assert (identifier.sketch, identifier.levels, identifier.sparkline()) == ((), (), "")


def test_of_twins_the_one_with_fewer_missing_values_stays():
    """A copy with gaps gives way, whatever its name; a third, different feature is not concerned."""
    x = _normal()
    gaps = np.where(np.arange(N) < 4, np.nan, x)
    frame, features = _numbers(a=gaps, b=2 * x + 1, c=_normal(seed=1))
    found = {one.name: one for one in diagnose(frame, features).features}
    assert {name: one.verdict for name, one in found.items()} == {"a": "drop", "b": "keep", "c": "keep"}
    assert (found["a"].twin, found["b"].twin, found["c"].twin) == ("b", "a", "")
    assert found["a"].twin_correlation == found["b"].twin_correlation > 0.98
    assert "twin of b" in found["a"].reason
    assert "stands for its twin a" in found["b"].reason


def test_equal_twins_are_decided_by_name():
    """Between two complete copies, even mirrored ones, the first name stays."""
    frame, features = _numbers(b=-_normal(), a=_normal())
    assert list(diagnose(frame, features).dropped) == ["b"]
    assert diagnose(frame, features).features[0].twin_correlation == -1


def test_in_a_chain_the_ends_that_differ_both_stay():
    """Where a ~ b and b ~ c but a and c differ, only b goes: nothing is dropped for the sake of what is dropped."""
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 4000))
    angle = 0.16
    frame, features = _numbers(
        a=u, b=math.cos(angle) * u + math.sin(angle) * v, c=math.cos(2 * angle) * u + math.sin(2 * angle) * v
    )
    rho = np.corrcoef(frame.to_numpy().T)
    assert rho[0, 1] > 0.985
    assert rho[1, 2] > 0.985
    assert rho[0, 2] < 0.975
    assert list(diagnose(frame, features).dropped) == ["b"]


def test_a_few_large_customers_make_no_twins():
    """Pearson's correlation of .99 by three customers is not enough: the ranks of the others disagree."""
    x, y = _normal(), _normal(seed=1)
    big = np.where(np.arange(N) < 12, 1000.0 + 50 * np.arange(N), 0.0)
    frame, features = _numbers(a=x + big, b=y + big)
    assert np.corrcoef(frame.a, frame.b)[0, 1] > 0.98
    assert not any(one.twin for one in diagnose(frame, features).features)


def test_a_curve_makes_no_twins():
    """The same order is not enough either: on another scale, distances between customers differ."""
    x = np.random.default_rng(0).lognormal(0, 1, N)
    frame, features = _numbers(a=x, b=np.log(x))
    assert not diagnose(frame, features).dropped


def test_descriptors_are_no_twins():
    """What is not clustered on may say the same as what is."""
    frame, (a, b) = _numbers(a=_normal(), b=_normal())
    for others in ([a, dataclasses.replace(b, role="descriptor")], [dataclasses.replace(a, role="sensitive"), b]):
        assert not diagnose(frame, others).dropped


def test_a_useless_feature_is_no_ones_twin():
    """A copy of a nearly constant feature does not make the other one stay."""
    values = [0.0] * 397 + [1.0, 2.0, 3.0]
    frame, features = _numbers(a=values, b=values)
    found = diagnose(frame, features)
    assert list(found.dropped) == ["a", "b"]
    assert not any(one.twin for one in found.features)


def test_an_ordinal_can_be_a_number_s_twin():
    """The clusterer sees grades as numbers, so their number beside them counts twice."""
    grades = np.random.default_rng(0).integers(0, 3, N)
    frame = pd.DataFrame({"grade": [GRADES[grade] for grade in grades], "number": grades + 0.0})
    assert list(diagnose(frame, [_feature("grade", "ordinal"), _feature("number")]).dropped) == ["number"]


def _mixed(rng, n):
    x = rng.normal(10, 3, n)
    frame, features = _numbers(
        a=x,
        b=np.where(rng.random(n) < 0.1, np.nan, 3 * x),
        c=rng.lognormal(2, 2, n),
        d=np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(0, 1, n)),
        e=np.round(rng.normal(0, 1, n), 1) * 0.1,
    )
    frame["f"] = rng.choice([*GRADES, None], n)
    frame["g"] = rng.choice(["north", "south", "east", "west"], n)
    return frame, [*features, _feature("f", "ordinal"), _feature("g", "one_hot")]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 60))
def test_neither_the_order_of_customers_nor_of_features_matters(seed, n):
    """Shuffled rows and columns give the same figures to the last bit, and the same verdicts."""
    rng = np.random.default_rng(seed)
    frame, features = _mixed(rng, n)
    shuffled = frame.iloc[rng.permutation(n)][list(rng.permutation(frame.columns))]
    expected = diagnose(frame, features)
    assert _plain(diagnose(shuffled, features)) == _plain(expected)
    again = diagnose(frame, [features[number] for number in rng.permutation(len(features))])
    assert sorted(_plain(again)) == sorted(_plain(expected))


def test_the_order_of_many_customers_does_not_matter():
    """Beyond 20,000 customers the sample goes by their ids, so it is the same in any order."""
    rng = np.random.default_rng(0)
    frame, features = _mixed(rng, 30_000)
    expected = diagnose(frame, features)
    assert _plain(diagnose(frame.iloc[rng.permutation(len(frame))], features)) == _plain(expected)
    assert sum(expected.features[0].sketch) == 20_000
    assert expected.features[0].n_distinct == 30_000


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 1.0, 1e12, -1e300, 5e-324])), min_size=1, max_size=30
    ),
    st.sampled_from(["none", "log", "yeo_johnson", "binary"]),
)
def test_any_numbers_have_a_diagnosis(values, scale):
    """Whatever a column holds, there is a verdict in one line, shares are shares, and nothing warns."""
    found = _one(pd.Series(values, dtype=float), scale)
    assert found.verdict in ("keep", "transform", "drop")
    assert found.reason
    assert "nan" not in found.reason
    assert "\n" not in found.reason
    assert 0 <= found.missing_share <= 1
    for share in (found.zero_share, found.dominant_value_share):
        assert math.isnan(share) or 0 <= share <= 1
    assert len(found.sparkline()) == len(found.sketch) <= 20
    if not found.n_distinct:
        assert found.missing_share == 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_twins_never_vanish_together(seed, n_features):
    """Every dropped twin names a feature that is used, and no two used features are twins."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=200)
    noise = rng.choice([0.0, 0.1, 0.2, 1.0], n_features)
    frame, features = _numbers(**{f"f{k}": common + noise[k] * rng.normal(size=200) for k in range(n_features)})
    found = {one.name: one for one in diagnose(frame, features).features}
    used = [name for name, one in found.items() if one.verdict != "drop"]
    assert used
    assert all(one.twin in used for one in found.values() if one.verdict == "drop")
    clipped = frame[used].clip(frame[used].quantile(0.005), frame[used].quantile(0.995), axis=1)
    weaker = np.minimum(clipped.corr().abs(), clipped.corr("spearman").abs()).to_numpy()
    assert (weaker[~np.eye(len(used), dtype=bool)] <= 0.98 + 1e-6).all()


def test_the_table_is_not_changed():
    """Infinite values and unknown levels are set aside in copies only."""
    frame, features = _mixed(np.random.default_rng(0), 100)
    frame.iloc[0, 0] = np.inf
    before = frame.copy(deep=True)
    diagnose(frame, features)
    pd.testing.assert_frame_equal(frame, before)


def test_one_customer_is_like_all_customers():
    """With a single customer every feature is the same for all."""
    frame, features = _mixed(np.random.default_rng(0), 1)
    found = diagnose(frame, features)
    assert {one.verdict for one in found.features} == {"drop"}
    assert found.n_customers == 1


def test_no_customers_are_an_error():
    """An empty table is told as such."""
    with pytest.raises(InvalidInputError, match="no customers"):
        diagnose(pd.DataFrame({"x": []}), [_feature()])


def test_absent_and_doubled_columns_are_listed_together():
    """One message names every feature whose column is not there once."""
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["x", "y", "y"])
    with pytest.raises(InvalidInputError, match="absent or there twice: y, z"):
        diagnose(frame, [_feature("x"), _feature("y"), _feature("z")])


@pytest.mark.parametrize(
    "values",
    [
        ["Ann Lee"] * 3,
        pd.to_datetime(["2024-01-01"] * 3),
        pd.to_timedelta([1, 2, 3], "D"),
        [1 + 2j] * 3,
        [[1], [2], []],
    ],
)
def test_a_number_s_column_without_numbers_is_an_error(values):
    """Text and moments are no numbers; the message names the feature and no customer's value."""
    with pytest.raises(InvalidInputError, match="feature x: scale=log is for numbers") as raised:
        _one(pd.Series(values), "log")
    assert "Ann" not in str(raised.value)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("max_missing_share", 1.1),
        ("min_distinct", 1),
        ("max_dominant_share", 0.0),
        ("max_correlation", 1.01),
        ("max_skew", 0.0),
        ("max_identifier_share", 0.0),
        ("min_identifier_levels", 0),
        ("max_skew", math.nan),
    ],
)
def test_limits_that_make_no_sense_are_refused(limit, value):
    """The message names the limit, the rule and the value."""
    with pytest.raises(InvalidConfigError, match=f"{limit} must be .*; got {value}"):
        Limits(**{limit: value})


@pytest.mark.parametrize(
    ("values", "scale", "limits", "verdicts"),
    [
        ([0.0] * 360 + [5.0] * 40, "none", {"max_dominant_share": 0.89}, ("keep", "drop")),
        (np.where(np.arange(N) < 100, _normal(), np.nan), "none", {"max_missing_share": 0.7}, ("keep", "drop")),
        (np.arange(N) % 3, "none", {"min_distinct": 4}, ("keep", "drop")),
        (np.random.default_rng(0).lognormal(0, 0.6, N), "none", {"max_skew": 1}, ("keep", "transform")),
        ([f"{number % 95}" for number in range(100)], "one_hot", {"min_identifier_levels": 95}, ("drop", "transform")),
    ],
)
def test_limits_decide(values, scale, limits, verdicts):
    """Another limit, another verdict."""
    assert (_one(values, scale).verdict, _one(values, scale, limits=Limits(**limits)).verdict) == verdicts


def test_a_lower_correlation_makes_twins():
    """The limit on correlation is the given one."""
    x = _normal()
    frame, features = _numbers(a=x, b=x + _normal(seed=1))
    assert not diagnose(frame, features).dropped
    assert list(diagnose(frame, features, limits=Limits(max_correlation=0.5)).dropped) == ["b"]


def test_the_order_puts_what_needs_attention_first():
    """Drop, transform, keep; then by family and name; the given order is kept beside."""
    made = [
        FeatureDiagnosis(name, family, "basis", "none", "", 0.0, 2, 0.5, verdict=verdict, reason=name)
        for name, family, verdict in [
            ("d", "value", "keep"),
            ("c", "affinity", "keep"),
            ("b", "value", "drop"),
            ("e", "behaviour", "transform"),
            ("a", "value", "keep"),
        ]
    ]
    found = Diagnosis(tuple(made), 10)
    assert [one.name for one in found.ordered] == ["b", "e", "c", "a", "d"]
    assert found.dropped == {"b": "b"}
    assert found.counts == {"drop": 1, "transform": 1, "keep": 3}


def test_a_sparkline_has_the_sketch_s_shape():
    """The highest bin is a full block, an empty one the lowest; neighbours are put together on demand."""
    found = dataclasses.replace(_one(_normal()), sketch=(0, 7, 14, 0))
    assert found.sparkline() == "▁▅█▁"
    assert found.sparkline(2) == "▅█"


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0%"), (1, "100%"), (0.00001, "<0.1%"), (0.99999, ">99.9%"), (0.953, "95.3%"), (0.427, "43%")],
)
def test_shares_are_never_rounded_to_none_or_all(share, words):
    """A reason that says 100% means everybody."""
    assert percent(share) == words


@pytest.mark.real_data
def test_complete_journey_s_features_have_no_twins_and_no_dead_weight(complete_journey):
    """The shipped features of real households are all of use; rare departments are skewed, and told so."""
    with open_tables(complete_journey) as tables:
        window = plan_windows(*tables.span(), lookback_days=182, outcome_days=91).learn
        catalogue = learn_catalogue(tables, declared("rfm", "basket", "affinity", "demographic"), window)
        active = build_features(tables, catalogue, window).active
    found = diagnose(active, catalogue.features)
    assert found.n_customers == len(active)
    assert not found.dropped
    by_name = {one.name: one for one in found.features}
    assert by_name["spend_per_month"].verdict == "keep"
    assert by_name["spend_per_month"].skew > 1 > abs(by_name["spend_per_month"].skew_scaled)
