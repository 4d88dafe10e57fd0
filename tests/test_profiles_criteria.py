"""Whether segments are worth a campaign of their own, and the merge that loses least: by hand, and at the edges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.catalogue import Catalogue, Feature
from patronage.profiles import Customers
from patronage.profiles.criteria import CRITERIA, judge_criteria, judge_worth
from patronage.wording import Wording, read_wording
from tests.shoppers import shoppers

COLUMNS = ["segment_id", "feature", "effect", "notable"]
NOBODY = pd.DataFrame(columns=COLUMNS)
GOOD = {
    "reserved": False,
    "n_customers": 100,
    "share": 0.2,
    "value_per_customer": 50.0,
    "value_low": 45.0,
    "value_high": 55.0,
    "value_share": 0.2,
    "jaccard": 0.9,
    "confidence": 0.9,
    "reachable_share": 0.8,
    "reachable_by": "consent",
}


def table(*segments: dict[str, Any]) -> pd.DataFrame:
    """Segments S01, S02 …, good in every way but for what is said; worth 50, 150, 250 … per customer."""
    lines = []
    for number, own in enumerate(segments):
        value = 50.0 + 100 * number
        line = {**GOOD, "segment_id": f"S0{number + 1}", "value_per_customer": value}
        lines.append(line | {"value_low": value - 5, "value_high": value + 5} | own)
    return pd.DataFrame(lines)


def members(segments: pd.DataFrame) -> Customers:
    """Customers worth what their segment's are."""
    ids = np.repeat(segments["segment_id"].to_numpy(), segments["n_customers"].astype(int))
    value = np.repeat(segments["value_per_customer"].to_numpy(), segments["n_customers"].astype(int))
    return shoppers(list(ids), None if np.isnan(value).any() else list(value))


def judged(segments: pd.DataFrame, told: pd.DataFrame = NOBODY, customers: Customers | None = None) -> pd.DataFrame:
    """Verdicts by segment and criterion."""
    return judge_criteria(segments, told, customers or members(segments)).set_index(["segment_id", "criterion"])


def test_a_good_segment_passes_all_four() -> None:
    """In the order of the criteria, with figure, threshold and a reason that names both."""
    verdicts = judge_criteria(segments := table({}, {}), NOBODY, members(segments))
    assert list(verdicts["criterion"]) == [*CRITERIA, *CRITERIA]
    assert list(verdicts["segment_id"]) == ["S01"] * 4 + ["S02"] * 4
    assert all(one is True for one in verdicts["passed"])
    assert verdicts["reason"].str.len().min() > 20
    first = verdicts.iloc[0]
    assert (first["figure"], first["threshold"]) == (0.9, 0.6)
    assert "0.90" in first["reason"]
    assert "0.60" in first["reason"]
    worth = judge_worth(segments, verdicts, members(segments))
    assert worth["worth_it"].all()
    assert (worth[["failed", "merge_into"]] == "").all(axis=None)
    assert worth[["merge_loses", "merge_loses_per_customer"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("own", "criterion", "figure"),
    [
        ({"jaccard": 0.59}, "measurable", 0.59),
        ({"confidence": 0.5}, "measurable", 0.5),
        ({"value_low": -150.0, "value_high": 250.0}, "measurable", 2.0),
        ({"n_customers": 29}, "substantial", 29),
        ({"share": 0.04, "value_share": 0.04}, "substantial", 0.04),
        ({"reachable_share": 0.49}, "reachable", 0.49),
        ({"value_per_customer": 149.0, "value_low": 148.0, "value_high": 150.0}, "actionable", 1 / 149.5),
        ({"value_per_customer": 120.0, "value_low": 80.0, "value_high": 160.0}, "actionable", 30 / 135),
    ],
)
def test_what_fails_is_told_by_the_question_that_decided(own: dict, criterion: str, figure: float) -> None:
    """Its figure and threshold stand in the line, and the segment is not worth a campaign of its own."""
    segments = table(own, {})
    verdicts = judged(segments)
    verdict = verdicts.loc[("S01", criterion)]
    assert verdict["passed"] is False
    assert verdict["figure"] == pytest.approx(figure)
    worth = judge_worth(segments, verdicts.reset_index(), members(segments)).set_index("segment_id")
    assert not worth.loc["S01", "worth_it"]
    assert criterion in worth.loc["S01", "failed"].split(", ")
    assert worth.loc["S01", "merge_into"] == "S02"


def test_value_makes_a_small_segment_substantial() -> None:
    """One in a hundred customers with a third of the value is big enough."""
    verdict = judged(table({"share": 0.01, "value_share": 0.33}, {})).loc[("S01", "substantial")]
    assert verdict["passed"] is True
    assert verdict["figure"] == 0.33


def test_a_segment_in_the_middle_differs_from_its_neighbours() -> None:
    """Worth what the others are on average, and yet no other is worth that: it is actionable."""
    assert judged(table({}, {}, {})).loc[("S02", "actionable"), "passed"] is True


def test_answers_to_campaigns_make_a_segment_actionable() -> None:
    """Equal in value, but it answers more: what counts is a notable difference in a feature made of responses."""
    segments = table({}, {"value_per_customer": 50.0, "value_low": 45.0, "value_high": 55.0})
    features = (
        Feature("answers", "campaigns", "count(responded_at) / count(*)"),
        Feature("addressed", "campaigns", "count(*)"),
    )
    customers = replace(members(segments), catalogue=Catalogue(features))
    told = pd.DataFrame([("S01", "answers", -0.4, True), ("S02", "addressed", 0.9, True)], columns=COLUMNS)
    verdicts = judged(segments, told, customers)
    assert verdicts.loc[("S01", "actionable"), "passed"] is True
    assert verdicts.loc[("S01", "actionable"), "figure"] == pytest.approx(0.4)
    assert verdicts.loc[("S02", "actionable"), "passed"] is False
    faint = judged(segments, told.assign(notable=False), customers)
    assert faint.loc[("S01", "actionable"), "passed"] is False


def test_what_cannot_be_told_is_no_failure() -> None:
    """A survey without money, dates and channels: two criteria are open, and what is known decides."""
    nothing = dict.fromkeys(("value_per_customer", "value_low", "value_high", "value_share", "reachable_share"), np.nan)
    segments = table(nothing, nothing)
    verdicts = judged(segments)
    for criterion in ("reachable", "actionable"):
        verdict = verdicts.loc[("S01", criterion)]
        assert verdict["passed"] is None
        assert np.isnan(verdict["figure"])
        assert verdict["reason"]
    assert verdicts.loc[("S01", "measurable"), "passed"] is True
    assert judge_worth(segments, verdicts.reset_index(), members(segments))["worth_it"].all()
    unknown = judged(table(nothing | {"jaccard": np.nan, "confidence": np.nan}, nothing))
    assert unknown.loc[("S01", "measurable"), "passed"] is None


def test_the_merge_that_loses_least_is_counted_by_hand() -> None:
    """Ward's loss over all partners: 30 customers worth 12 more lose less than 300 worth 10 less, as there are few."""
    segments = table(
        {"n_customers": 20, "value_per_customer": 100.0},
        {"n_customers": 300, "value_per_customer": 90.0},
        {"n_customers": 30, "value_per_customer": 112.0},
        {"n_customers": 50, "value_per_customer": 300.0},
    )
    verdicts = judged(segments).reset_index()
    worth = judge_worth(segments, verdicts, members(segments)).set_index("segment_id").loc["S01"]
    losses = {"S02": 20 * 300 / 320 * 10**2, "S03": 20 * 30 / 50 * 12**2, "S04": 20 * 50 / 70 * 200**2}
    assert worth["merge_into"] == min(losses, key=losses.__getitem__) == "S03"
    n, value = np.array([20, 300, 30, 50]), np.array([100.0, 90, 112, 300])
    mean = (n * value).sum() / n.sum()
    between = (n * (value - mean) ** 2).sum()
    assert worth["merge_loses"] == pytest.approx(losses["S03"] / between)
    # Before and after: what the segments' means leave of the sum of squares, computed customer by customer.
    joined = np.repeat(np.where(np.isin(np.arange(4), [0, 2]), (20 * 100 + 30 * 112) / 50, value), n)
    assert worth["merge_loses"] == pytest.approx(1 - ((joined - mean) ** 2).sum() / between)
    missed = np.abs(joined - np.repeat(value, n))[np.repeat(np.isin(np.arange(4), [0, 2]), n)]
    assert worth["merge_loses_per_customer"] == pytest.approx(missed.mean())


def test_one_segment_has_nothing_to_merge_with() -> None:
    """It is judged, may fail, and no partner is named; reserved segments are neither judged nor partners."""
    dormant = {"segment_id": "dormant", "reserved": True, "value_per_customer": 0.0}
    segments = table({"n_customers": 10}, dormant)
    verdicts = judged(segments)
    assert set(verdicts.index.get_level_values(0)) == {"S01"}
    assert verdicts.loc[("S01", "actionable"), "passed"] is None
    worth = judge_worth(segments, verdicts.reset_index(), members(segments))
    assert list(worth["segment_id"]) == ["S01"]
    assert worth.loc[0, "failed"] == "substantial"
    assert worth.loc[0, "merge_into"] == ""
    assert np.isnan(worth.loc[0, "merge_loses"])


def test_without_money_the_partner_is_the_segment_most_members_are_next_to() -> None:
    """By the runner-up of its members; what is lost cannot be told."""
    nothing = dict.fromkeys(("value_per_customer", "value_low", "value_high", "value_share"), np.nan)
    segments = table(nothing | {"n_customers": 10}, nothing, nothing)
    runner_up = ["S03"] * 6 + ["S02"] * 4 + ["S01"] * 200
    customers = shoppers(["S01"] * 10 + ["S02"] * 100 + ["S03"] * 100, runner_up_id=runner_up)
    worth = judge_worth(segments, judged(segments, customers=customers).reset_index(), customers)
    assert worth.loc[0, "merge_into"] == "S03"
    assert worth[["merge_loses", "merge_loses_per_customer"]].isna().all(axis=None)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, 1e5, np.nan])),
        min_size=1,
        max_size=20,
    )
)
def test_any_segments_are_judged(drawn: list[tuple[int, float, float]]) -> None:
    """Losses, zeros, single customers, intervals that are unknown: four verdicts each, and losses are shares."""
    segments = table(
        *(
            {"n_customers": n, "value_per_customer": value, "value_low": value - half, "value_high": value + half}
            for n, value, half in drawn
        )
    )
    segments["segment_id"] = [f"S{number:02d}" for number in range(len(segments))]
    there = segments[segments["n_customers"] > 0]
    verdicts = judge_criteria(segments, NOBODY, members(segments))
    assert len(verdicts) == 4 * len(there)
    assert verdicts["passed"].map(type).isin([bool, type(None)]).all()
    assert (verdicts["figure"].isna() == verdicts["passed"].isna()).all()
    worth = judge_worth(segments, verdicts, members(segments))
    assert list(worth["segment_id"]) == list(there["segment_id"])
    assert (worth["worth_it"] == (worth["failed"] == "")).all()
    assert worth["merge_loses"].dropna().between(0, 1 + 1e-9).all()
    assert not (worth["merge_into"] == worth["segment_id"]).any()
    if len(there) > 1:
        assert (worth["worth_it"] == (worth["merge_into"] == "")).all()


def test_what_is_missing_is_named_as_what_it_is() -> None:
    """A segment alone has nothing to differ from, whatever is known; among others, money or campaigns are missing."""
    alone = judged(table({})).loc[("S01", "actionable")]
    unknown = dict.fromkeys(("value_per_customer", "value_low", "value_high", "value_share"), np.nan)
    among = judged(table(unknown, unknown)).loc[("S01", "actionable")]
    assert alone["passed"] is among["passed"] is None
    assert alone["reason"] == "There is no other segment to compare it with."
    assert "neither transactions with revenue nor a table of campaigns" in among["reason"]


def test_everyone_worth_nothing_is_known_and_alike() -> None:
    """A total of 0: worth is measured, nothing differs, and a merge loses nothing."""
    zero = {"value_per_customer": 0.0, "value_low": 0.0, "value_high": 0.0, "value_share": np.nan}
    segments = table(zero, zero)
    verdicts = judged(segments)
    assert verdicts.loc[("S01", "measurable"), "passed"] is True
    assert verdicts.loc[("S01", "actionable"), "passed"] is False
    worth = judge_worth(segments, verdicts.reset_index(), members(segments))
    assert list(worth["merge_loses"]) == list(worth["merge_loses_per_customer"]) == [0, 0]


def test_gains_and_losses_are_measured_by_their_amount() -> None:
    """Worth 90 and −90, 0 on average: they are far apart, by twice the mean amount and not by infinity of the mean."""
    segments = table(
        {"value_per_customer": 90.0, "value_low": 88.0, "value_high": 92.0},
        {"value_per_customer": -90.0, "value_low": -92.0, "value_high": -88.0},
    )
    verdict = judged(segments).loc[("S01", "actionable")]
    assert verdict["passed"] is True
    assert verdict["figure"] == pytest.approx(2)
    assert "200%" in verdict["reason"]
    assert "inf" not in verdict["reason"]


def test_a_difference_without_a_scale_cannot_be_told() -> None:
    """Where no customer's value is known there is nothing to measure a difference by."""
    segments = table({}, {})
    unknown = shoppers(["S01"] * 100 + ["S02"] * 100, [np.nan] * 200)
    assert judged(segments, customers=unknown).loc[("S01", "actionable"), "passed"] is None


def test_reasons_come_from_the_message_file() -> None:
    """Every criterion's words can be another language's."""
    base = read_wording()
    other = Wording("xx", {key: f"xx {text}" for key, text in base.messages.items()})
    segments = table({"jaccard": 0.1, "reachable_share": np.nan}, {})
    told = judge_criteria(segments, NOBODY, members(segments), other)
    assert told["reason"].str.startswith("xx ").all()


@pytest.mark.parametrize(
    ("by", "passed"), [("consent", False), ("contact_details", False), ("campaigns", None), ("online", None)]
)
def test_who_was_not_written_to_yet_may_still_be_reachable(by: str, passed: bool | None) -> None:  # noqa: FBT001
    """Consent and addresses tell who cannot be reached; that nobody has tried does not."""
    found = judged(table({"reachable_share": 0.2, "reachable_by": by}, {}))
    assert found.loc[("S01", "reachable"), "passed"] is passed


def test_many_who_bring_next_to_nothing_are_not_substantial() -> None:
    """A segment has to be big and valuable enough: a large share of customers does not make up for no value."""
    found = judged(table({"share": 0.3, "value_share": 0.009}, {"share": 0.3, "value_share": 0.03}))
    assert found.loc[("S01", "substantial"), "passed"] is False
    assert found.loc[("S02", "substantial"), "passed"] is True
