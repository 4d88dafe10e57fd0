"""Segments: size, worth, what sets them apart, and names made of that."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from patronage.catalogue import Feature
from patronage.segments import describe_segments


def _feature(name, low="", high="", **other):
    labels = {side: text for side, text in (("low", low), ("high", high)) if text}
    return Feature(name, "orders", "1", labels=labels, **other)


DECLARED = (
    _feature("recency_days", "recently active", "lapsed"),
    _feature("revenue", "low spend", "high spend"),
    _feature("n_orders", "few orders", "many orders"),
    _feature("age", "younger", "older", role="sensitive"),
    _feature("town", "north", "south", scale="one_hot", role="descriptor"),
    _feature("unnamed"),
)
LABELS = np.repeat([0, 1, 2, -1], [50, 30, 15, 5])


def _customers():
    """Big spenders, lapsed ones and a few others; age differs most of all, and is sensitive."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "recency_days": np.array([10.0, 90, 5, 30])[LABELS] + rng.random(100),
            "revenue": np.array([900.0, 200, 100, 100])[LABELS] + 300 * rng.random(100),
            "n_orders": rng.poisson(9, 100).astype(float),
            "age": LABELS * 10.0,
            "town": pd.Series(["north", "south"] * 50, dtype="str"),
            "unnamed": LABELS * 10.0,
        }
    )


def _describe(customers=None, labels=LABELS, ids=("S02", "S01", "S03"), declared=DECLARED):
    return describe_segments(
        list(ids),
        labels,
        _customers() if customers is None else customers,
        declared,
        value_per_id={"S01": 70.0, "S02": 20.0},
        jaccard=np.linspace(0.9, 0.7, len(ids)),
    )


def test_sizes_are_of_all_customers():
    """Shares count the unassigned in their denominator; segments come in the order of their labels."""
    segments = _describe()
    assert [(segment.id, segment.share, segment.n_customers) for segment in segments] == [
        ("S02", 0.5, 50),
        ("S01", 0.3, 30),
        ("S03", 0.15, 15),
    ]


def test_worth_and_stability_go_with_the_segment():
    """Worth is found by id, stability by label; a segment that the backtest does not know has no worth."""
    segments = _describe()
    assert [segment.value_per_customer for segment in segments] == [20.0, 70.0, None]
    assert [segment.jaccard for segment in segments] == pytest.approx([0.9, 0.8, 0.7])


def test_names_say_what_sets_segments_apart():
    """The strongest notable traits make the name, in words, strongest first."""
    first, second, _ = _describe()
    assert first.name == "High spend, recently active"
    assert second.name == "Lapsed, low spend"


def test_effects_are_differences_of_mean_ranks():
    """A trait's effect is the difference of mean ranks from all customers, in standard deviations of ranks."""
    customers = _customers()
    ranks = rankdata(customers["revenue"])
    expected = (ranks[LABELS == 0].mean() - ranks.mean()) / ranks.std()
    found = {trait.feature: trait for trait in _describe()[0].traits}
    assert found["revenue"].effect == pytest.approx(expected)
    assert found["revenue"].label == "high spend"
    effects = [abs(trait.effect) for trait in _describe()[0].traits]
    assert effects == sorted(effects, reverse=True)


@given(power=st.sampled_from([0.5, 1.0, 3.0]), factor=st.sampled_from([0.01, 1.0, 100.0]))
@settings(deadline=None, max_examples=9)
def test_units_do_not_matter(power, factor):
    """Traits come from ranks: money in another unit, or on another scale, gives the same description."""
    customers = _customers()
    other = customers.assign(revenue=factor * customers["revenue"] ** power)
    assert _describe(other) == _describe(customers)


def test_missing_values_are_left_out():
    """A trait is about those whose value is known, and a segment without any has none of it."""
    customers = _customers()
    customers.loc[LABELS == 2, "revenue"] = np.nan
    assert "revenue" not in {trait.feature for trait in _describe(customers)[2].traits}
    ranks = rankdata(customers["revenue"].dropna())
    known = LABELS[LABELS != 2]
    found = {trait.feature: trait.effect for trait in _describe(customers)[0].traits}
    assert found["revenue"] == pytest.approx((ranks[known == 0].mean() - ranks.mean()) / ranks.std())


def test_sensitive_features_are_never_named():
    """However strongly a sensitive feature differs, neither name nor traits speak of it."""
    for segment in _describe():
        assert "age" not in {trait.feature for trait in segment.traits}
        assert not {"younger", "older"} & set(segment.name.lower().split(", "))


def test_only_a_sensitive_difference_leaves_customers_average():
    """Where segments differ in nothing that may be said, the name says nothing of it, but tells them apart."""
    names = [segment.name for segment in _describe(declared=DECLARED[3:4])]
    assert names == [f"Like the average customer ({name})" for name in ("S02", "S01", "S03")]


def test_features_without_words_are_not_named():
    """Text features and those without labels describe no segment."""
    named = {trait.feature for segment in _describe() for trait in segment.traits}
    assert named <= {"recency_days", "revenue", "n_orders"}


def test_a_side_without_a_label_is_no_trait():
    """A feature that has words for its high side only says nothing of a segment on the low side."""
    first, second, _ = _describe(declared=[_feature("revenue", high="high spend")])
    assert [trait.label for trait in first.traits] == ["high spend"]
    assert second.traits == ()


def test_a_small_difference_makes_no_name():
    """Differences that nobody would notice are left out of names."""
    customers = _customers()
    rng = np.random.default_rng(1)
    even = customers.assign(recency_days=rng.random(100), revenue=rng.random(100))
    labels = np.arange(100) % 2
    names = [segment.name for segment in _describe(even, labels, ("S01", "S02"))]
    assert names == ["Like the average customer (S01)", "Like the average customer (S02)"]


def test_namesakes_are_told_apart_by_what_differs():
    """Segments that share their two strongest traits are named by the one in which they differ."""
    labels = np.repeat([0, 1, 2], [40, 40, 120])
    customers = pd.DataFrame(
        {
            "recency_days": np.repeat([1.0, 1, 50], [40, 40, 120]),
            "revenue": np.repeat([90.0, 90, 5], [40, 40, 120]),
            "n_orders": np.repeat([7.0, 5, 3, 5], [20, 40, 20, 120]),
        }
    )
    names = [segment.name.lower() for segment in _describe(customers, labels, declared=DECLARED[:3])]
    assert "many orders" in names[0]
    assert "few orders" in names[1]
    assert "orders" not in names[2]


def test_what_chance_may_bring_about_makes_no_name():
    """Ten customers who differ by half a standard deviation of the mean's error are not called different."""
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], [10, 90])
    customers = pd.DataFrame({"recency_days": rng.random(100), "revenue": rng.random(100), "n_orders": 1.0})
    few = _describe(customers, labels, ("S01", "S02"), DECLARED[:3])[0]
    assert any(abs(trait.effect) >= 0.1 for trait in few.traits)
    assert few.name == "Like the average customer (S01)"


def test_a_segment_nobody_is_in_is_described():
    """A segment without customers has no share, no traits, and a name."""
    segments = _describe(labels=np.where(LABELS == 2, 0, LABELS))
    assert (segments[2].share, segments[2].n_customers, segments[2].traits) == (0.0, 0, ())
    assert segments[2].name


def test_features_that_do_not_differ_are_no_error():
    """A feature that is constant or never known sets nobody apart."""
    customers = _customers().assign(revenue=7.0, n_orders=np.nan)
    assert all({trait.feature for trait in segment.traits} <= {"recency_days"} for segment in _describe(customers))


@given(labels=st.lists(st.integers(-1, 7), min_size=100, max_size=100), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=30)
def test_names_are_unique_and_the_same_every_time(labels, seed):
    """Whatever the segments, no two share a name, and describing them again changes nothing."""
    rng = np.random.default_rng(seed)
    customers = _customers().assign(revenue=rng.integers(0, 3, 100).astype(float), recency_days=rng.random(100))
    ids = [f"S{number:02d}" for number in range(1, 9)]
    first = _describe(customers, np.array(labels), ids)
    assert len({segment.name for segment in first}) == 8
    assert _describe(customers, np.array(labels), ids) == first


@given(order=st.permutations(range(100)))
@settings(deadline=None, max_examples=8)
def test_the_order_of_customers_does_not_matter(order):
    """Customers in another order are described alike."""
    rows = list(order)
    turned = _describe(_customers().iloc[rows], LABELS[rows])
    assert [segment.name for segment in turned] == [segment.name for segment in _describe()]
    assert [len(segment.traits) for segment in turned] == [len(segment.traits) for segment in _describe()]


def test_inputs_are_not_changed_in_place():
    """Describing segments leaves the customers' table as it was."""
    customers = _customers()
    _describe(customers)
    pd.testing.assert_frame_equal(customers, _customers())


def test_the_same_traits_in_another_order_are_no_other_name():
    """Two segments that differ only in which of two traits is stronger get names that a reader can tell apart."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"spend": np.r_[rng.normal(9, 1, 50), rng.normal(8, 1, 50), rng.normal(0, 1, 100)]})
    features["visits"] = np.r_[rng.normal(8, 1, 50), rng.normal(9, 1, 50), rng.normal(0, 1, 100)]
    declared = [
        Feature(name, "orders", "1", labels={"high": f"high {name}", "low": f"low {name}"}) for name in features
    ]
    described = describe_segments(
        ["S01", "S02", "S03"],
        np.repeat([0, 1, 2], [50, 50, 100]),
        features,
        declared,
        value_per_id={},
        jaccard=np.ones(3),
    )
    words = {frozenset(segment.name.lower().replace(",", "").split()) for segment in described}
    assert len(words) == 3


def test_what_tells_of_health_or_age_names_no_segment():
    """By the feature's name too, whatever its role; unless the catalogue allows it."""
    features = pd.DataFrame({"age_years": np.arange(100.0), "share_of_pregnancy_tests": np.arange(100.0)})
    age = _feature("age_years", "younger", "older", role="descriptor")
    tests = _feature("share_of_pregnancy_tests", "few tests", "many tests")
    labels = np.repeat([0, 1], 50)

    def names(*declared):
        found = describe_segments(
            ["S01", "S02"], labels, features, declared, value_per_id={}, jaccard=np.ones(2), names={}
        )
        return " ".join(one.name for one in found).lower()

    assert not any(word in names(age, tests) for word in ("younger", "older", "tests"))
    assert "tests" in names(_feature("share_of_pregnancy_tests", "few tests", "many tests", special="allow"))
