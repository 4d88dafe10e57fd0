"""Portraits of typical customers: sensible, rounded, of at least five customers, and of whatever is known."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from patronage.personas import personas
from patronage.wording import read_wording
from tests import hand_made_profiles as by_hand

hand_made_profiles = cache(by_hand.hand_made_profiles)
WORDING = read_wording()
SHAPES = {
    "all": {},
    "one": {"n_segments": 1},
    "twenty": {"n_segments": 20},
    "no money": {"money": False},
    "survey": {"dates": False},
    "losses": {"losses": True},
    "hostile": {"categories": ("<script>alert(1)</script>", "日用品・雑貨", "A" * 300, "FRZN MEAT-PCKGD")},
}


def _all(profiles):
    return {one.segment_id: one for one in personas(profiles, WORDING)}


def _with(profiles, table, **columns):
    return replace(profiles, **{table: getattr(profiles, table).assign(**columns)})


def _typical(profiles, feature, value, n=9):
    table = profiles.typical
    rest = table[table["feature"] != feature]
    ids = profiles.segments.loc[~profiles.segments["reserved"].astype(bool), "segment_id"]
    new = pd.DataFrame({"segment_id": ids, "feature": feature, "level": "", "typical": value, "n_customers": n})
    return replace(profiles, typical=pd.concat([rest, new], ignore_index=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_segment_has_a_portrait(shape):
    """Whatever is known: one portrait per segment, in whole sentences, without holes."""
    profiles = hand_made_profiles(**SHAPES[shape])
    drawn = personas(profiles, WORDING)
    own = profiles.segments[~profiles.segments["reserved"].astype(bool)]
    assert [one.segment_id for one in drawn] == own["segment_id"].to_list()
    assert len({one.headline for one in drawn}) == len(drawn)
    for one in drawn:
        assert one.portrait[0].isupper()
        assert one.portrait.endswith(".")
        assert not re.search(r"\bnan\b|None|\{|\}|  |\.\.|\s[.,]", one.portrait)
        assert 1 <= len(one.facts) <= 6
        assert all(label and value and "nan" not in value for label, value in one.facts)


def test_portraits_differ_by_what_is_notable():
    """The best customers and the worst are not the same person."""
    profiles = hand_made_profiles()
    further = profiles.typical["segment_id"].str.removeprefix("S").astype(int)
    drawn = _all(_with(profiles, "typical", typical=profiles.typical["typical"] * (3 - further / 2)))
    assert len({one.portrait for one in drawn.values()}) == len(drawn)
    assert drawn["S01"].headline != drawn["S05"].headline


def test_the_same_profiles_give_the_same_portraits():
    """Nothing is drawn by lot."""
    assert personas(hand_made_profiles(), WORDING) == personas(hand_made_profiles(), WORDING)


def test_fewer_than_five_customers_are_behind_no_statement():
    """What is typical of four customers is not told, and the persona says how few are behind it."""
    profiles = _typical(hand_made_profiles(), "spend_per_month", 7777.0, n=4)
    assert "7,8" not in " ".join(one.portrait for one in personas(profiles, WORDING))
    profiles = _typical(hand_made_profiles(), "spend_per_month", 7777.0, n=5)
    assert "7,800" in _all(profiles)["S01"].portrait
    assert _all(profiles)["S01"].n_customers == 5


def test_few_buyers_make_no_favourite():
    """A category that four customers buy is not told."""
    profiles = hand_made_profiles()
    few = _with(profiles, "categories", n_buyers=4)
    assert "fruit & vegetables" in _all(profiles)["S01"].portrait.lower()
    assert "fruit & vegetables" not in _all(few)["S01"].portrait.lower()


def test_a_segment_of_four_has_no_portrait():
    """Of so few customers nothing is told but that they are few."""
    profiles = _with(hand_made_profiles(), "segments", n_customers=4)
    for one in personas(profiles, WORDING):
        assert (one.facts, one.n_customers) == ((), 0)
        assert "Too few customers" in one.portrait


def test_values_are_rounded():
    """A median of a few customers is never told to the cent."""
    profiles = _typical(_typical(hand_made_profiles(), "spend_per_month", 431.831), "order_value", 37.96)
    text = _all(profiles)["S01"].portrait + str(_all(profiles)["S01"].facts)
    assert "430" in text
    assert "38" in text
    assert "431" not in text
    assert "37.9" not in text


def test_sensitive_traits_are_left_out():
    """A feature that is sensitive is told only where the segments are formed on it."""
    profiles = hand_made_profiles()
    hidden = replace(profiles, sensitive=profiles.sensitive.assign(feature=["spend_per_month", "gender"]))
    descriptor = _with(hidden, "differentiators", role="descriptor")
    amount = "about 74 EUR a month"
    assert amount in _all(profiles)["S01"].portrait
    assert amount not in _all(descriptor)["S01"].portrait
    assert amount in _all(hidden)["S01"].portrait


def test_nothing_known_is_told_as_such():
    """Where every figure is unknown, the customer is one like most others."""
    profiles = hand_made_profiles()
    profiles = _with(profiles, "typical", typical=math.nan)
    profiles = _with(
        profiles, "differentiators", effect=math.nan, typical=math.nan, typical_all=math.nan, notable=False
    )
    numbers = profiles.segments.select_dtypes("number").columns.difference(["n_customers"])
    profiles = _with(profiles, "segments", **dict.fromkeys(numbers, np.nan))
    for name in ("categories", "timing"):
        profiles = replace(profiles, **{name: getattr(profiles, name).head(0)})
    for one in personas(profiles, WORDING):
        assert one.portrait == WORDING("personas.plain")


def _namesakes(*names):
    profiles = hand_made_profiles(n_segments=len(names), names=names)
    marks = profiles.differentiators.assign(effect=0.0, notable=False)
    profiles = _with(replace(profiles, differentiators=marks), "segments", single_order_share=0.0)
    return [one.headline for one in personas(profiles, WORDING)]


def test_namesakes_go_by_what_sets_them_apart():
    """One thing is added to a headline that two segments share: the first trait in which their names differ."""
    assert _namesakes("Many visits, often returns", "Many visits, high spend") == [
        "The steady middle: often returns",
        "The steady middle: high spend",
    ]
    assert _namesakes("Many visits, low spend", "High spend") == [
        "The steady middle: many visits",
        "The steady middle: high spend",
    ]
    assert _namesakes("Big", "Big, new", "Big, old") == [
        "The steady middle: big",
        "The steady middle: big, new",
        "The steady middle: big, old",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([0.8, 0.75], ("", "")),
        ([0.8, 0.0], ("grown more than that of others, by 80%", "has not kept up with that of others")),
        ([0.5, -0.5], ("grown more than that of others, by 50%", "shrunk, unlike that of others, by 50%")),
        ([-0.2, -0.6], ("has held up better than that of others", "shrunk more than that of others, by 60%")),
    ],
)
def test_a_trend_is_told_only_where_others_do_not_share_it(changes, words):
    """Before Christmas everybody spends more: what is told is what differs from all customers."""
    profiles = _with(
        hand_made_profiles(n_segments=2, dates=True), "segments",
        spend_change=[*changes, math.nan], revenue_per_customer=[200.0, 100.0, math.nan], n_customers=[300, 280, 75],
    )  # fmt: skip
    # Revenue of the second half over that of the first, less 1: the first half's is R / (2 + change).
    first = sum(n / (2 + change) for n, change in zip((60_000, 28_000), changes, strict=True))
    profiles = replace(profiles, overall=profiles.overall.assign(spend_change=88_000 / first - 2))
    for one, expected in zip(personas(profiles, WORDING), words, strict=True):
        assert expected in one.portrait
        assert expected or "Lately" not in one.portrait


def _without(profiles, *features):
    kept = {name: getattr(profiles, name) for name in ("differentiators", "typical", "distributions")}
    return replace(profiles, **{name: table[~table["feature"].isin(features)] for name, table in kept.items()})


def test_dated_orders_are_enough_for_a_portrait():
    """Without the usual features, orders, recency and revenue of the segment stand in for what is typical."""
    profiles = _with(hand_made_profiles(), "segments", spend_change=0.0)
    bare = _all(_without(profiles, "orders_per_month", "spend_per_month", "recency_days", "order_value"))
    best, last = bare["S01"], bare["S05"]
    assert best.portrait.startswith(
        "Picture someone who comes about three times a month and was last seen a few days ago. "
        "A month brings about 150 EUR, twice what the average customer of the shop spends, some 45 EUR at a time."
    )
    assert best.headline.startswith("The reliable regular")
    assert last.headline == "The occasional customer"
    facts = dict(best.facts)
    assert facts["Visits"] == "About three times a month"
    assert facts["Last visit"] == "A few days ago"
    assert facts["Spends a month"] == "150 EUR"
    assert facts["At a time"] == "45 EUR"
    assert best.headline != last.headline


def test_a_snapshot_has_no_behavioural_headline():
    """Without dated orders there is nothing to fall back on."""
    bare = _without(hand_made_profiles(), "orders_per_month", "spend_per_month", "recency_days", "order_value")
    undated = replace(bare, about={**bare.about, "lookback_days": 0})
    assert _all(bare)["S01"].headline.startswith("The ")
    assert _all(undated)["S01"].headline.startswith("Stands out: ")


def test_one_order_is_not_always_the_first():
    """Who had bought before the lookback is no first-time buyer."""
    once = _with(hand_made_profiles(n_segments=1), "segments", single_order_share=0.8, spend_change=0.0)
    assert _all(_with(once, "segments", new_share=0.9))["S01"].headline == "The first-time buyer"
    again = _all(_with(once, "segments", new_share=0.0))["S01"]
    assert again.headline == "The customer of a single order"
    assert "In the time looked at, a single order" in again.portrait


def test_seldom_is_seldom_among_their_like():
    """Once in two months is told with no "only" of those who come more often than others."""
    profiles = _typical(_typical(hand_made_profiles(), "orders_per_month", 0.5), "recency_days", 10.0)
    marks = profiles.differentiators
    for effect, words in ((0.9, "someone who comes about every two months"), (-0.9, "only about every two months")):
        often = marks.assign(effect=marks["effect"].where(marks["feature"] != "orders_per_month", effect), notable=True)
        assert words in _all(replace(profiles, differentiators=often))["S01"].portrait


def test_singular_and_plural():
    """One product is no products."""
    few = _typical(hand_made_profiles(), "products_per_order", 1.0)
    marks = few.differentiators
    line = marks[marks["feature"] == "orders_per_month"].assign(
        feature="products_per_order", effect=-2.0, notable=True, label="single items"
    )
    one = replace(few, differentiators=pd.concat([marks, line], ignore_index=True))
    assert "only one product at a time" in _all(one)["S01"].portrait
    assert "only three products at a time" in _all(_typical(one, "products_per_order", 3.0))["S01"].portrait


def test_a_survey_tells_what_is_said():
    """Without money and dates the answers make the portrait, with how many give them."""
    profiles = hand_made_profiles(dates=False)
    marks = profiles.differentiators.head(2).assign(
        segment_id="S01", feature=["tasty", "cheap"], level="", label=["tasty", "not cheap"], family="psychographic",
        role="basis", direction=["high", "low"], effect=[1.5, -0.9], typical=[0.97, 0.2], typical_all=[0.64, 0.6],
        notable=True, n_known=500, statistic="share",
    )  # fmt: skip
    profiles = replace(profiles, differentiators=marks, typical=profiles.typical.head(0))
    said = _all(profiles)["S01"]
    assert said.headline == "The one who says “tasty”"
    assert said.portrait == "Picture someone who says: tasty and not cheap."
    told = _all(_typical(profiles, "visits_per_year", 12.0))["S01"].portrait
    assert "comes about once a month" in told
    assert "97% of this group say “tasty”; of all customers, 64% do" in told
    assert "stand out: not cheap" in told


def test_category_names_are_readable_and_left_as_text():
    """Markup in a name is text here, abbreviations are words, and a very long name is cut."""
    profiles = hand_made_profiles(categories=SHAPES["hostile"]["categories"])
    portrait = _all(profiles)["S01"].portrait
    assert "<script>alert(1)</script>" in portrait
    assert "日用品・雑貨" in portrait
    assert "a" * 40 not in portrait.lower()


def test_no_customer_is_named():
    """A portrait is made of tables without customers; the ids of segments are not in it either."""
    for one in personas(hand_made_profiles(), WORDING):
        assert one.segment_id not in one.portrait + one.headline


def test_inputs_are_not_changed_in_place():
    """Drawing portraits leaves the tables as they were."""
    profiles = hand_made_profiles()
    personas(profiles, WORDING)
    for name, table in by_hand.hand_made_profiles().tables.items():
        pd.testing.assert_frame_equal(getattr(profiles, name), table)
