"""What to do with each segment: at least one thing, with the figures that call for it."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import yaml

from patronage.actions import actions_frame, plan_actions
from patronage.config import config_folder
from patronage.playbook import read_playbook, segment_table
from patronage.wording import read_wording
from tests import hand_made_profiles as by_hand
from tests.test_personas import SHAPES

hand_made_profiles = cache(by_hand.hand_made_profiles)
WORDING = read_wording()
SHIPPED = yaml.safe_load((config_folder() / "playbook" / "default.yaml").read_text(encoding="utf-8"))
PLAYBOOK = read_playbook(SHIPPED)


def _plan(profiles, **rules):
    playbook = read_playbook({"rules": rules}) if rules else PLAYBOOK
    return plan_actions(profiles, playbook, WORDING)


def _with(profiles, table, **columns):
    return replace(profiles, **{table: getattr(profiles, table).assign(**columns)})


@pytest.mark.parametrize("shape", SHAPES)
def test_every_segment_gets_one_to_four_actions(shape):
    """Whatever is known: something to do for everyone, of each kind one, in plain words without holes."""
    profiles = hand_made_profiles(**SHAPES[shape])
    planned = _plan(profiles)
    assert list(dict.fromkeys(one.segment_id for one in planned)) == profiles.segments["segment_id"].to_list()
    for _, own in actions_frame(planned).groupby("segment_id"):
        assert 1 <= len(own) <= 4
        assert own["rank"].to_list() == list(range(1, len(own) + 1))
        assert own["kind"].is_unique
    for one in planned:
        for text in (one.title, one.what, one.reason, one.cadence, one.channel_basis, one.angle, one.service_level):
            assert text
            assert not re.search(r"\bnan\b|None|\{|\}|unknown", text)


def test_different_segments_get_different_plans():
    """The best and the worst segment share no first action."""
    planned = {one.segment_id: one for one in reversed(_plan(hand_made_profiles()))}
    assert planned["S01"].rule != planned["S05"].rule


def test_every_shipped_rule_has_its_words():
    """No action is told by the id of its rule, and none of the words is for a rule that is not there."""
    for rule in PLAYBOOK.rules:
        for part in ("title", "what", "reason"):
            assert WORDING.has(f"playbook.action.{rule.id}.{part}")
    told = {key.split(".")[2] for key in WORDING.messages if key.startswith("playbook.action.")}
    assert told == {rule.id for rule in PLAYBOOK.rules}


def test_figures_shown_are_those_of_the_table():
    """What triggered an action is the segment's figure and that of all customers, and the reason shows both."""
    profiles = hand_made_profiles()
    first = _plan(profiles, rich={"when": "value_per_customer > all_value_per_customer", "kind": "retain"})[0]
    line = segment_table(profiles).iloc[0]
    assert first.triggered_by == {"value_per_customer": (line["value_per_customer"], line["all_value_per_customer"])}
    assert f"value per customer {line['value_per_customer']:,.0f} EUR" in first.reason
    shares = _plan(profiles, late={"when": "overdue_share >= 0", "kind": "win_back"})[0]
    assert "silent for long 5%, of all" in shares.reason


def test_texts_of_ones_own_take_figures():
    """A rule's own words hold figures by their column; other braces stay as they are, and nothing else is read."""
    words = "{response_rate} answer, {all_response_rate} of all, {segment_name.__class__} {x"
    first = _plan(hand_made_profiles(), mine={"when": "true", "kind": "x", "title": words, "reason": "Because."})[0]
    assert first.title.startswith("11% answer, ")
    assert first.title.endswith("{segment_name.__class__} {x")
    assert first.reason == "Because."


def test_a_rule_without_words_is_told_by_its_id():
    """A rule of one's own may leave its words out."""
    assert _plan(hand_made_profiles(), send_flowers={"when": "true", "kind": "x"})[0].title == "Send flowers"


def test_high_goes_before_normal_and_fallback_comes_alone():
    """Levels order the actions, whatever the order of the file; a last resort is for those without any other."""
    rules = {
        "last": {"when": "true", "kind": "a", "level": "fallback"},
        "second": {"when": "segment_id <> 'S02'", "kind": "b"},
        "first": {"when": "segment_id = 'S01'", "kind": "c", "level": "high"},
        "twin": {"when": "true", "kind": "b"},
    }
    table = actions_frame(_plan(hand_made_profiles(n_segments=2, dates=False), **rules))
    assert table.groupby("segment_id")["rule"].agg(list).to_dict() == {"S01": ["first", "second"], "S02": ["twin"]}
    alone = actions_frame(_plan(hand_made_profiles(n_segments=1, dates=False), last=rules["last"]))
    assert alone["rule"].to_list() == ["last"]


def test_a_playbook_that_fits_nobody_still_informs():
    """Every segment gets an action, even where no rule of the user's fits."""
    assert {one.kind for one in _plan(hand_made_profiles(), never={"when": "false", "kind": "x"})} == {"inform"}


def test_rules_on_what_the_data_lack_are_left_out_and_told(caplog):
    """The log names the rules and the columns; planning goes on."""
    with caplog.at_level(logging.INFO, logger="patronage"):
        _plan(hand_made_profiles())
    assert "left out" in caplog.text
    assert "effect_liking" in caplog.text


@pytest.mark.parametrize(
    ("gap", "days", "words"), [(2.0, 7.0, "Every week"), (16, 14, "Every two weeks"), (500, 91, "Every three months")]
)
def test_the_cadence_follows_the_purchases_within_bounds(gap, days, words):
    """Nobody is written to more often than weekly or more seldom than quarterly."""
    first = _plan(_with(hand_made_profiles(), "segments", gap_days_median=gap), any={"when": "true", "kind": "x"})[0]
    assert (first.cadence_days, first.cadence) == (days, words)


def test_without_a_rhythm_there_is_no_cadence():
    """A survey has no rhythm; a rule may set one."""
    survey = hand_made_profiles(dates=False)
    assert _plan(survey, any={"when": "true", "kind": "x"})[0].cadence_days is None
    assert _plan(survey, any={"when": "true", "kind": "x", "cadence_days": 30})[0].cadence == "Every month"


def test_the_channel_says_on_what_it_rests():
    """By response where answers are known, else the most used and called so, else none."""
    profiles = hand_made_profiles()
    answered = _plan(profiles)[0]
    assert (answered.channel, "12%" in answered.channel_basis) == ("e-mail", True)
    used = _plan(_with(profiles, "segments", best_channel="", best_channel_rate=np.nan))[0]
    assert (used.channel, "most used" in used.channel_basis) == ("store", True)
    neither = _plan(hand_made_profiles(dates=False))[0]
    assert (neither.channel, neither.channel_basis) == ("", "no channel is known")


def test_service_is_first_for_the_first_priority():
    """Priority decides who is served first; where there is none, everybody is served alike."""
    planned = {one.segment_id: one.service_level for one in _plan(hand_made_profiles())}
    assert (planned["S01"], planned["S03"], planned["S05"]) == ("first in line", "as everybody", "self-service first")
    none = _with(hand_made_profiles(), "segments", priority=math.nan)
    assert {one.service_level for one in _plan(none, any={"when": "true", "kind": "x"})} == {"as everybody"}


@pytest.mark.parametrize(
    ("services", "level"),
    [
        (["first", "lean"], "first in line"),
        (["standard", "lean"], "as everybody"),
        (["lean"], "self-service first"),
        (["standard"], "first in line"),
    ],
)
def test_service_is_what_the_plan_promises(services, level):
    """Who is promised service gets it; it is saved where no action promises any, whatever the priority."""
    rules = {f"r{n}": {"when": "true", "kind": f"k{n}", "service": one} for n, one in enumerate(services)}
    assert {one.service_level for one in _plan(hand_made_profiles(), **rules) if one.segment_id == "S01"} == {level}


def test_who_does_not_answer_is_not_written_to_weekly():
    """Where campaigns are wasted the whole plan keeps the long intervals, and holds no reminder at every order."""
    profiles = hand_made_profiles()
    rates = [0.0 if one == "S03" else 0.2 for one in profiles.segments["segment_id"]]
    quiet = _with(profiles, "segments", response_rate=rates, gap_days_median=7.0, new_share=0.1, single_order_share=0.0)
    planned = _plan(quiet)
    own = [one for one in planned if one.segment_id == "S03"]
    assert len(own) > 1
    assert "write_less" in {one.rule for one in own}
    assert {one.cadence for one in own} == {"Every three months"}
    assert "remind_rhythm" not in {one.rule for one in own}
    assert "Every week" in {one.cadence for one in planned if one.segment_id == "S02"}


def test_a_slow_rule_slows_even_where_there_is_no_room_for_it():
    """The rhythm holds where the action itself is no longer among the first few."""
    rules = {
        "call": {"when": "true", "kind": "a", "level": "high", "cadence_days": 7},
        "rest": {"when": "true", "kind": "b", "cadence_days": 91, "slows": True},
    }
    playbook = read_playbook({"rules": rules, "most_actions": 1})
    planned = plan_actions(hand_made_profiles(), playbook, WORDING)
    assert {(one.rule, one.cadence_days) for one in planned} == {("call", 91.0)}


def test_nothing_is_offered_to_whom_one_lets_go():
    """On whom nothing more is spent gets no coupons by the words of the same plan."""
    profiles = hand_made_profiles()
    marks = profiles.differentiators[profiles.differentiators["feature"] == "discount_share"]
    keen = replace(
        profiles, differentiators=marks.assign(effect=1.0, notable=True), categories=profiles.categories.head(0)
    )
    assert "offers" in _plan(keen, keep={"when": "true", "kind": "retain"})[0].angle
    assert "offers" not in _plan(keen, off={"when": "true", "kind": "let_go"})[0].angle


def test_a_snapshot_with_money_in_features_gets_plans_that_differ():
    """Without value per customer the features of value and engagement decide, and the reasons say their figures."""
    profiles = hand_made_profiles(n_segments=3, dates=False)
    profiles = _with(profiles, "segments", priority=math.nan)
    marks = profiles.differentiators
    ours = marks[(marks["feature"].isin(["category_breadth", "opens_per_month"])) & (marks["level"] == "")].copy()
    place = ours["segment_id"].map({"S01": 1.2, "S02": 0.0, "S03": -0.9})
    ours["family"] = ours["feature"].map({"category_breadth": "value", "opens_per_month": "engagement"})
    planned = _plan(replace(profiles, differentiators=ours.assign(effect=place, notable=True)))
    rules = {one: [each.rule for each in planned if each.segment_id == one] for one in ("S01", "S02", "S03")}
    assert rules == {
        "S01": ["keep_best", "interest_shown"],
        "S02": ["grow_towards_best"],
        "S03": ["serve_simply", "interest_lost"],
    }
    assert "what they bring far above average (+1.2)" in planned[0].reason
    assert "None" not in planned[0].reason


def test_what_to_say_is_what_they_respond_to():
    """Bargain hunters are told of offers, and those who pay full price are not."""
    profiles = hand_made_profiles()
    marks = profiles.differentiators[profiles.differentiators["feature"] == "discount_share"]
    for feature, effect, words in (
        ("discount_share", 1.0, "Lead with offers; they move them."),
        ("discount_share", -1.0, "Leave discounts out; they buy without them."),
        ("coupon_order_share", -1.0, "Leave coupons out; they do not use them."),
    ):
        told = marks.assign(feature=feature, effect=effect, notable=True)
        one = replace(profiles, differentiators=told, categories=profiles.categories.head(0))
        assert _plan(one)[0].angle == words


def test_the_frame_has_a_line_per_action():
    """Actions as a table, ready for a file: texts and numbers alone."""
    planned = _plan(hand_made_profiles())
    table = actions_frame(planned)
    assert len(table) == len(planned)
    assert table["triggered_by"].map(type).eq(str).all()
    assert len(actions_frame(())) == 0


def test_inputs_are_not_changed_in_place():
    """Planning leaves the tables as they were."""
    profiles = hand_made_profiles()
    _plan(profiles)
    for name, table in by_hand.hand_made_profiles().tables.items():
        pd.testing.assert_frame_equal(getattr(profiles, name), table)
