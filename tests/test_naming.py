"""Names of segments: unique, readable, of traits that differ, and the same whatever the order."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.catalogue import Expand, Feature, expand_feature
from patronage.errors import InvalidConfigError
from patronage.naming import LONGEST_NAME, check_names, name_segments, readable_label, readable_value
from patronage.segments import describe_segments
from patronage.wording import read_wording

WORDING = read_wording()


def _feature(name, low, high, family="behaviour"):
    return Feature(name, "orders", "1", family=family, labels={"low": low, "high": high})


SPEND = _feature("spend", "low spend", "high spend", "value")
VISITS = _feature("visits", "few visits", "many visits")
RANGE = _feature("range", "narrow range", "wide range", "affinity")
RECENCY = _feature("recency", "bought lately", "long away")
FEATURES = (SPEND, VISITS, RANGE, RECENCY)


def _named(effects, features=FEATURES, correlation=None, ids=None, **other):
    effects = np.array(effects, float).reshape(-1, len(features))
    ids = ids or [f"S{number:02d}" for number in range(1, len(effects) + 1)]
    correlation = np.eye(len(features)) if correlation is None else np.array(correlation)
    return name_segments(ids, effects, features, correlation, WORDING, **other)


def test_a_name_is_the_two_strongest_traits():
    """Strongest first, in the catalogue's words, with a capital."""
    assert _named([[0.9, 0.3, 0, -0.6], [0, -0.4, 0.8, 0]]) == [
        "High spend, bought lately",
        "Wide range, few visits",
    ]


def test_traits_that_say_the_same_stand_together_in_no_name():
    """Features that go together by .7 or more are one trait, and of them all names use the same one."""
    together = np.eye(4)
    together[0, 1] = together[1, 0] = 0.9
    assert _named([[0.9, 0.85, 0.3, 0], [0.75, 0.78, -0.3, 0]], correlation=together) == [
        "High spend, wide range",
        "High spend, narrow range",
    ]


def test_a_value_and_its_beginning_are_no_two_traits():
    """Shares of "meat" and of "meat-pckgd" say the same, however little they go together."""
    values = expand_feature(
        Feature(
            "share", "lines", "{match}", expand=Expand("department", 3), labels={"high": "much {value}", "low": ""}
        ),
        ["MEAT", "MEAT-PCKGD", "DELI"],
    )
    assert _named([[0.5, 0.6, 0.2, 0]], values) == ["Much packaged meat, much deli"]


def test_another_family_goes_before_a_little_more_of_the_same():
    """A name tells of two sides of a customer where it can."""
    assert _named([[0, 0.9, 0.45, 0.5]]) == ["Many visits, wide range"]


def test_neighbours_are_told_apart_by_what_differs():
    """Those who share the first trait go on with what sets them apart, not with what both have."""
    assert _named([[1.2, 0.7, 0.4, 0], [1.2, 0.7, -0.4, 0], [-0.8, -0.6, 0, 0]])[:2] == [
        "High spend, wide range",
        "High spend, narrow range",
    ]


def test_the_further_of_two_is_called_very():
    """One label on two segments is graded; alone it needs no grade."""
    assert [name.split(",")[0] for name in _named([[1.4, 0, 0, 0], [0.7, 0, 0, 0], [-1.2, 0, 0, 0]])] == [
        "Very high spend",
        "High spend",
        "Low spend",
    ]


def test_words_that_have_no_degrees_are_not_graded():
    """Nobody has "very bought lately"; the further trait decides."""
    names = _named([[0, 0, 0.2, -1.4], [0, 0, -0.2, -0.7], [0, 0, 0, 1.2]])
    assert names == ["Bought lately, wide range", "Bought lately, narrow range", "Long away"]


def test_between_the_others_is_average():
    """A segment that stands in the middle of the others is called so, rather than by a trifle."""
    names = _named([[1.0, 0, 0, 0], [0.05, 0, 0.15, 0], [-1.0, 0, 0, 0]])
    assert names[1] == "Average spend, wide range"


def test_nothing_notable_is_average_too():
    """Segments that differ in nothing are told apart by their ids."""
    assert _named(np.zeros((2, 4))) == ["Like the average customer (S01)", "Like the average customer (S02)"]
    assert _named(np.full((1, 4), np.nan)) == ["Like the average customer"]


def test_shared_first_words_are_said_once():
    """What several labels begin with stands once, which also keeps names short."""
    asked = [
        _feature(name, f"finds it not {name}", f"finds it {name}", family)
        for name, family in (("tasty", "psychographic"), ("cheap", "value"))
    ]
    assert _named([[1, 0.9], [-0.9, -1]], asked) == ["Finds it tasty, cheap", "Finds it not cheap, tasty"]


def test_a_value_is_readable():
    """No capitals throughout, no underscores, no shop's abbreviations, nothing that breaks a line."""
    assert readable_value("MEAT-PCKGD", WORDING) == "packaged meat"
    assert readable_value("FRZN MEAT/MEAT DINNERS", WORDING) == "frozen meat/meat dinners"
    assert readable_value("home_and_garden", WORDING) == "home and garden"
    assert readable_value("T-shirts", WORDING) == "T-shirts"
    assert readable_value("Ma\nny\u202e lines", WORDING) == "Ma ny lines"
    assert readable_value("<b>Käse & Wurst</b>", WORDING) == "<b>Käse & Wurst</b>"
    assert readable_value("日用品・雑貨", WORDING) == "日用品・雑貨"
    assert len(readable_value("word " * 40, WORDING)) <= 28
    assert readable_value("___", WORDING) == "___"


def test_only_the_value_in_a_label_is_changed():
    """Words that people chose stay as they are; those of a column's value become readable."""
    assert readable_label("department_share_meat_pckgd", "much meat-pckgd", WORDING) == "much packaged meat"
    assert readable_label("tenure_days", "long-standing VIP", WORDING) == "long-standing VIP"


def test_names_are_kept_and_given_to_nobody_else():
    """A known name stays; another segment with the same traits gets a name of its own."""
    effects = [[0.9, 0.3, 0, 0], [0.9, 0.3, 0, 0.2]]
    names = _named(effects, known={"S01": "High spend, many visits"})
    assert names[0] == "High spend, many visits"
    assert names[1] not in {"High spend, many visits", ""}


def test_reserved_names_are_given_to_nobody():
    """A label that reads like a reserved segment does not become a name."""
    dormant = [_feature("x", "awake", "dormant")]
    assert _named([[1.0]], dormant, taken=["Dormant"]) == ["Dormant (S01)"]


_effects = st.lists(
    st.lists(st.sampled_from([np.nan, -1.4, -0.6, -0.2, 0.0, 0.2, 0.6, 1.4]), min_size=4, max_size=4),
    min_size=1,
    max_size=20,
)


@given(effects=_effects, rho=st.sampled_from([0.0, 0.5, 0.8]), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_names_are_unique_short_and_independent_of_order(effects, rho, seed):
    """Whatever the traits: all names differ, and segments in another order have the same names."""
    correlation = np.full((4, 4), rho) + (1 - rho) * np.eye(4)
    names = _named(effects, correlation=correlation)
    assert len({name.casefold() for name in names}) == len(names)
    assert all(name.strip() == name and name for name in names)
    order = np.random.default_rng(seed).permutation(len(effects))
    ids = [f"S{number + 1:02d}" for number in order]
    turned = _named(np.array(effects)[order], correlation=correlation, ids=ids)
    assert turned == [names[position] for position in order]


@given(effects=_effects, seed=st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_the_order_of_features_does_not_matter(effects, seed):
    """A catalogue in another order gives the same names."""
    order = np.random.default_rng(seed).permutation(4)
    assert _named(np.array(effects)[:, order], [FEATURES[one] for one in order]) == _named(effects)


@given(values=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=6, unique=True), k=st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_any_category_names_give_unique_names_on_one_line(values, k):
    """Values of any script, with any signs and of any length, give names that differ and stand on one line."""
    shares = expand_feature(
        Feature("share", "lines", "{match}", expand=Expand("c", 6), labels={"low": "", "high": "much {value}"}), values
    )
    effects = np.random.default_rng(k).normal(0.3, 1, (k, len(shares)))
    names = _named(effects, shares)
    assert len({name.casefold() for name in names}) == k
    assert all(name.isprintable() or "\u3000" in name for name in names)


def test_two_traits_fit_the_length():
    """Where the second trait would make the name too long, a shorter one is taken."""
    long = _feature("long", "x", "buys mostly in the week before Christmas", "occasion")
    names = _named([[0.9, 0, 0.3, 0.8]], (*FEATURES[:3], long))
    assert names == ["High spend, wide range"]
    assert all(len(name) <= LONGEST_NAME for name in names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"1": "Big families"}, "expected the ids of segments"),
        ({"S01": " "}, "S01 must have a name"),
        ({"S01": "a" * 61}, "S01 must have a name"),
        ({"S01": "two\nlines"}, "on one line"),
        ({"S01": 7}, "S01 must have a name"),
        ({"S01": "Twins", "S02": "twins"}, "for S01 is"),
        ({"S01": "dormant"}, "for a segment of its own is"),
    ],
)
def test_names_given_are_checked(names, message):
    """What cannot be a name is told with the id it was meant for."""
    with pytest.raises(InvalidConfigError, match=message):
        check_names(names, ["Dormant"])


def _described(**other):
    labels = np.repeat([0, 1], 50)
    features = pd.DataFrame({"spend": labels + np.linspace(0, 0.5, 100)})
    return [
        segment.name
        for segment in describe_segments(
            ["S01", "S02"], labels, features, [SPEND], value_per_id={}, jaccard=np.ones(2), **other
        )
    ]


def test_a_name_given_to_nobody_is_told(caplog):
    """An id that no segment has is a slip to be told, not a reason to lose the training."""
    with caplog.at_level(logging.INFO, logger="patronage"):
        _described(given={"S07": "Nobody"})
    assert "there is no segment S07; there are: S01, S02" in caplog.text


def test_a_name_given_goes_before_all_others():
    """The user's word counts more than a name that persisted, and more than the traits; other ids are left aside."""
    assert _described() == ["Low spend", "High spend"]
    assert _described(names={"S01": "Old name"}) == ["Old name", "High spend"]
    assert _described(names={"S01": "Old name"}, given={"S01": "Big families", "S07": "Nobody"}) == [
        "Big families",
        "High spend",
    ]


def test_a_name_that_moves_leaves_its_old_place():
    """A name given to one segment is lost to the other that had it: no two share a name."""
    assert _described(names={"S01": "Families", "S02": "Others"}, given={"S02": "families"}) == [
        "Low spend",
        "families",
    ]
