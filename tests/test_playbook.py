"""Playbooks: which rules apply to which segment, and what a rule may not do."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
import yaml

from patronage.config import config_folder
from patronage.errors import InvalidConfigError
from patronage.playbook import LEVELS, Applied, Rule, apply_rules, not_excluded, read_playbook, segment_table
from tests import hand_made_profiles as by_hand

hand_made_profiles = cache(by_hand.hand_made_profiles)
SHIPPED = yaml.safe_load((config_folder() / "playbook" / "default.yaml").read_text(encoding="utf-8"))
LINE = pd.DataFrame({"segment_id": ["S01", "S02"], "value": [10.0, math.nan], "all_value": 7.0, "reserved": False})
RULE = {"when": "roi > 1", "kind": "retain"}

AVERAGE = {
    "segment_id": "S02", "reserved": False, "n_segments": 5, "rank_value": 3, "priority": 3,
    "value_per_customer": 130.0, "all_value_per_customer": 100.0, "value_high": 140.0, "n_prospects": 0,
    "value_per_order": 13.0, "all_value_per_order": 12.0,
    "service_cost_share": 0.1, "all_service_cost_share": 0.1, "single_order_share": 0.1, "all_single_order_share": 0.1,
    "new_share": 0.1, "all_new_share": 0.1, "overdue_share": 0.36, "all_overdue_share": 0.36,
    "recency_days_median": 20.0, "all_recency_days_median": 20.0, "spend_change": 0.0, "all_spend_change": 0.0,
    "orders_per_customer": 8.0, "all_orders_per_customer": 8.0, "cross_sell_lift": None, "cross_sell_open": None,
    "peak_month_lift": 1.1, "gap_days_median": 90.0, "response_rate": 0.05, "all_response_rate": 0.05,
    "effect_liking": 0.0, "effect_referrals_made": 0.0, "effect_visits_per_year": 0.3, "effect_recency_days": 0.0,
    "effect_value": 0.0, "effect_engagement": 0.0, "service_cost_per_customer": 10.0,
}  # fmt: skip
"""A segment that no rule is for, but those of the survey's visitors and the last resort."""

UNVALUED = {"value_per_customer": None, "all_value_per_customer": None, "response_rate": None}

PLANTED = {
    "let_go": {"value_per_customer": -20.0, "value_high": -5.0},
    "reduce_cost": {"service_cost_share": 0.3},
    "win_back_dormant": {"segment_id": "dormant", "reserved": True},
    "welcome": {"single_order_share": 0.6, "new_share": 0.8},
    "win_back": {"overdue_share": 0.7, "recency_days_median": 190.0},
    "retain": {"value_per_customer": 400.0, "rank_value": 1},
    "stop_decline": {"spend_change": -0.4},
    "reward": {"orders_per_customer": 20.0},
    "bring_in_more": {"orders_per_customer": 2.0, "value_per_customer": 40.0},
    "bigger_baskets": {"value_per_customer": 60.0, "value_per_order": 6.0},
    "cross_sell": {"cross_sell_lift": 2.0, "cross_sell_open": 50},
    "remind_season": {"peak_month_lift": 2.5},
    "remind_rhythm": {"gap_days_median": 14.0, "overdue_share": 0.1},
    "write_first": {"response_rate": 0.2},
    "write_less": {"response_rate": 0.0},
    "serve_first": {"priority": 1},
    "serve_lean": {"priority": 5},
    "ask_to_recommend": {"effect_liking": 0.6},
    "bring_friends": {"effect_referrals_made": 0.9},
    "listen": {"effect_liking": -0.9},
    "more_occasions": {"effect_visits_per_year": 0.0},
    "thank_visitors": {"effect_visits_per_year": 0.9},
    "settle_doubts": {"effect_visits_per_year": -0.9},
    "invite_prospects": {"n_prospects": 80},
    "keep_best": {**UNVALUED, "effect_value": 0.9, "rank_value": 1},
    "regain": {**UNVALUED, "recency_days_median": None, "effect_recency_days": 0.6},
    "grow_towards_best": {**UNVALUED, "effect_value": 0.1},
    "grow_small": {**UNVALUED, "effect_value": -0.6},
    "interest_shown": {**UNVALUED, "effect_engagement": 0.6},
    "serve_simply": {**UNVALUED, "effect_value": -0.6, "effect_engagement": -0.6},
    "interest_lost": {**UNVALUED, "effect_engagement": -0.6},
}


VALUED = ("keep_best", "regain", "grow_towards_best", "grow_small", "interest_shown", "serve_simply")

RULES = read_playbook(SHIPPED).rules


def _fitting(table, rules=RULES):
    applied = apply_rules(rules, table)
    return [{one.rule.id for one in applied if one.fits[row]} for row in range(len(table))]


@pytest.fixture(scope="module")
def fitting():
    """Rules that fit each planted line, the same line of a reserved segment, the average one and an unknown one."""
    lines = {rule: {**AVERAGE, **planted} for rule, planted in PLANTED.items()}
    lines |= {f"reserved {rule}": {**line, "reserved": True} for rule, line in lines.items()}
    lines |= {f"valued {rule}": {**lines[rule], "value_per_customer": 130.0} for rule in VALUED}
    lines |= {
        "average": AVERAGE,
        "seldom, as ever": {**AVERAGE, "overdue_share": 0.7, "recency_days_median": 90.0},
        "dear to serve": {**AVERAGE, **PLANTED["let_go"], "service_cost_per_customer": 50.0},
        "bought before": {**AVERAGE, "single_order_share": 0.8, "new_share": 0.0},
        "bought before or not": {**AVERAGE, "single_order_share": 0.8, "new_share": None},
        "seldom": {**AVERAGE, "effect_visits_per_year": -0.3},
        "unknown": {**dict.fromkeys(AVERAGE, math.nan), "segment_id": "S01", "reserved": False},
    }
    return dict(zip(lines, _fitting(pd.DataFrame(lines.values())), strict=True))


def test_every_shipped_rule_has_a_planted_line():
    """No rule is shipped that is not tried here."""
    assert sorted([*PLANTED, "inform"]) == sorted(rule.id for rule in RULES)


def test_the_average_segment_calls_for_nothing(fitting):
    """Where no figure stands out, only the last resort is left (and a survey's thanks to those who come often)."""
    assert fitting["average"] == {"thank_visitors", "inform"}


@pytest.mark.parametrize("rule", PLANTED)
def test_each_shipped_rule_fits_its_planted_line_and_not_the_complement(fitting, rule):
    """A segment with the figures that a rule is for gets it; the same segment without them does not."""
    assert rule in fitting[rule]
    assert rule not in fitting["seldom" if rule == "thank_visitors" else "average"]


@pytest.mark.parametrize("rule", VALUED)
def test_features_tell_of_value_only_where_nothing_better_does(fitting, rule):
    """Rules on the mean effects of features keep out where the value per customer is known."""
    assert rule in fitting[rule]
    assert rule not in fitting[f"valued {rule}"]


def test_who_loses_money_by_service_alone_is_not_let_go(fitting):
    """If they would bring something at no service cost, cheaper service is the answer."""
    assert "let_go" not in fitting["dear to serve"]


def test_who_keeps_a_slow_rhythm_is_not_won_back(fitting):
    """A last order longer ago than others' is no loss as long as it lies within twice the segment's own gap."""
    assert "win_back" not in fitting["seldom, as ever"]


def test_a_single_order_of_old_customers_is_no_first_one(fitting):
    """Who had bought before the lookback is not welcomed, however few orders lie in it."""
    assert "welcome" not in fitting["bought before"]
    assert "welcome" in fitting["bought before or not"]


def _together(*rules, shipped=True):
    """Ids of the rules that stay where all of these fit."""
    chosen = [one for one in RULES if one.id in rules] if shipped else list(rules)
    chosen = sorted(chosen, key=lambda one: LEVELS.index(one.level))
    return [one.rule.id for one in not_excluded([Applied(one, (), (True,)) for one in chosen], 0)]


@pytest.mark.parametrize(
    ("pair", "stays"),
    [
        (("let_go", "win_back"), "let_go"),
        (("let_go", "thank_visitors"), "let_go"),
        (("retain", "serve_lean"), "retain"),
        (("retain", "reduce_cost"), "retain"),
        (("reward", "serve_lean"), "reward"),
        (("reduce_cost", "serve_first"), "reduce_cost"),
        (("win_back", "welcome"), "win_back"),
        (("win_back", "bring_in_more"), "win_back"),
        (("win_back", "reward"), "win_back"),
        (("welcome", "serve_lean"), "welcome"),
        (("welcome", "write_less"), "welcome"),
        (("write_less", "remind_rhythm"), "write_less"),
        (("regain", "grow_small"), "regain"),
        (("keep_best", "grow_towards_best"), "keep_best"),
    ],
)
def test_actions_that_contradict_each_other_are_not_planned_together(pair, stays):
    """Of two shipped rules that say opposite things one stays, whatever their order in the file."""
    assert _together(*pair) == [stays]


def test_an_excluded_rule_excludes_nothing():
    """What the first takes out takes out nobody; of two that exclude each other the first stays."""
    one, two, three = (Rule(name, "true", name) for name in ("one", "two", "three"))
    chain = (replace(one, excludes=("two",)), replace(two, excludes=("three",)), three)
    assert _together(*chain, shipped=False) == ["one", "three"]
    assert _together(replace(one, excludes=("two",)), replace(two, excludes=("one",)), shipped=False) == ["one"]
    assert _together(one, replace(two, excludes=("one",)), shipped=False) == ["two"]


def test_a_rule_that_fits_nowhere_excludes_nothing():
    """A condition that does not hold leaves the others alone."""
    rules = [Rule("one", "value > 99", "x", excludes=("two",)), Rule("two", "true", "y")]
    assert [one.rule.id for one in not_excluded(apply_rules(rules, LINE), 0)] == ["two"]


def test_no_shipped_rule_fits_what_is_unknown(fitting):
    """Where every figure is unknown, no rule fits but the last resort."""
    assert fitting["unknown"] == {"inform"}


@pytest.mark.parametrize("rule", sorted(set(PLANTED) - {"win_back_dormant"}))
def test_reserved_segments_are_for_their_own_rules_alone(fitting, rule):
    """Who is in no segment gets no segment's action, whatever the figures."""
    assert fitting[f"reserved {rule}"] == {"inform"}


def test_an_unknown_figure_is_no_large_one():
    """A NaN is more than any number to DuckDB; here it is unknown, and meets no condition."""
    rules = [Rule("more", "value > 1", "x"), Rule("less", "value <= 1", "x"), Rule("none", "value IS NULL", "x")]
    assert _fitting(LINE, rules) == [{"more"}, {"none"}]


def test_a_rule_reads_what_its_condition_names():
    """Columns are those of the condition's text, in any case, not words in quotes or functions."""
    applied = apply_rules([Rule("one", "greatest(VALUE, 1) > all_value AND segment_id <> 'value_x'", "x")], LINE)
    assert applied[0].columns == ("value", "all_value", "segment_id")


def test_a_rule_on_what_is_not_there_is_left_out():
    """A column that the table lacks is told, and the rule fits nowhere; others go on."""
    applied = apply_rules([Rule("one", "effect_liking > 0 OR value > 1", "x"), Rule("two", "value > 1", "x")], LINE)
    assert [(one.missing, one.fits) for one in applied] == [(("effect_liking",), (False, False)), ((), (True, False))]


@pytest.mark.parametrize(
    "when",
    [
        "EXISTS (SELECT * FROM read_text('/etc/passwd'))",
        "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
        "(SELECT count(*) FROM line) > 1",
        "true) FROM line UNION SELECT (true",
        "true) FROM read_text('/etc/passwd'); SELECT (true",
        "true); COPY (SELECT 1) TO '/tmp/x'; SELECT (true",
        "rank() OVER (ORDER BY value) = 1",
        "COLUMNS(*) > 1",
        "value > $1",
        "value > ?",
    ],
)
def test_a_condition_sees_nothing_but_its_line(when):
    """Queries, further statements, windows, stars and parameters are refused when the playbook is read."""
    with pytest.raises(InvalidConfigError, match=r"playbook\.rules\.mine: when"):
        read_playbook({"rules": {"mine": {**RULE, "when": when}}})


def test_a_comment_ends_with_its_line():
    """A comment in a condition does not swallow what follows it."""
    assert _fitting(LINE, [Rule("one", "value > 1 -- the best", "x")])[0] == {"one"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "expected rules by their ids"),
        ({"rules": []}, "expected rules by their ids; got list"),
        ({"rules": {}}, "expected at least one rule"),
        ({"rules": {"one": None}}, "expected at least one rule"),
        ({"rules": {"one": RULE}, "colour": 1}, "there is no option 'colour'"),
        ({"rules": {"one": {**RULE, "then": "x"}}}, r"rules\.one: there is no option 'then'"),
        ({"rules": {"one": RULE, "ONE": RULE}}, "ONE is there twice, also as one"),
        ({"rules": {"one": "value > 1"}}, r"rules\.one: expected when"),
        ({"rules": {"o ne": RULE}}, "an id is made of letters"),
        ({"rules": {"one": {"kind": "retain"}}}, r"rules\.one: when is missing"),
        ({"rules": {"one": {"when": "true"}}}, r"rules\.one: kind is missing"),
        ({"rules": {"one": {**RULE, "when": "value >"}}}, r"rules\.one: when is no SQL condition"),
        ({"rules": {"one": {**RULE, "when": "max(roi) > 1"}}}, r"rules\.one: when must be about one line"),
        ({"rules": {"one": {**RULE, "when": "unnest([true, false])"}}}, r"rules\.one: when must be about one line"),
        ({"rules": {"one": {**RULE, "when": "rio > 1"}}}, r"rules\.one: there is no column 'rio'.*did you mean roi"),
        ({"rules": {"one": {**RULE, "level": "urgent"}}}, "level must be one of high, normal, fallback; got 'urgent'"),
        ({"rules": {"one": {**RULE, "service": "slow"}}}, "service must be one of first, standard, lean; got 'slow'"),
        ({"rules": {"one": {**RULE, "slows": True}}}, r"slows must be true or false, and needs cadence_days; got True"),
        ({"rules": {"one": {**RULE, "slows": "x", "cadence_days": 9}}}, "slows must be true or false"),
        ({"rules": {"one": {**RULE, "excludes": "two"}}}, "excludes must be a list of rules; got 'two'"),
        ({"rules": {"one": {**RULE, "excludes": ["two"]}}}, r"rules\.one: excludes 'two', which is no rule"),
        ({"rules": {"one": {**RULE, "cadence_days": 0}}}, r"cadence_days must be a number from 1 to 366; got 0"),
        ({"rules": {"one": RULE}, "most_actions": 2.5}, "most_actions must be a whole number"),
        ({"rules": {"one": RULE}, "most_actions": True}, "most_actions must be a number"),
        ({"rules": {"one": RULE}, "shortest_cadence_days": 100}, "shortest_cadence_days must be at most"),
    ],
)
def test_wrong_playbooks_are_told_plainly(config, message):
    """One line names the rule or option, what was expected and what came."""
    with pytest.raises(InvalidConfigError, match=message):
        read_playbook(config)


@pytest.mark.parametrize("when", ["segment_id > 5", "value", "nothing(value)", "segment_id + 1 = 2"])
def test_a_condition_that_cannot_be_computed_names_its_rule(when):
    """A wrong type or an unknown function is the rule's fault, and said so; a number counts as true."""
    if when == "value":
        assert _fitting(LINE, [Rule("mine", when, "x")])[0] == {"mine"}
        return
    with pytest.raises(InvalidConfigError, match=r"playbook\.rules\.mine: when cannot be computed"):
        apply_rules([Rule("mine", when, "x")], LINE)


def test_a_rule_is_switched_off_by_null():
    """Overriding a rule with null takes it out."""
    read = read_playbook({"rules": {"one": None, "two": {**RULE, "excludes": ["one"]}}})
    assert [rule.id for rule in read.rules] == ["two"]


def test_every_shipped_option_is_read():
    """The shipped playbook composes as documented."""
    playbook = read_playbook(SHIPPED)
    bounds = (playbook.most_actions, playbook.shortest_cadence_days, playbook.longest_cadence_days)
    assert bounds == (4, 7, 91)
    assert playbook.rules[-1].level == "fallback"


def test_figures_of_all_customers_are_weighted():
    """`all_` is the mean weighted by customers, those who are dormant left out; ratios are of the sums."""
    profiles = hand_made_profiles()
    filled = profiles.segments.assign(value_per_customer=profiles.segments["value_per_customer"].fillna(-99.0))
    own = filled[~filled["reserved"].astype(bool)]
    table = segment_table(replace(profiles, segments=filled))
    n = own["n_customers"]
    assert table["all_value_per_customer"].iloc[0] == pytest.approx((own["value_per_customer"] * n).sum() / n.sum())
    assert table["all_margin_rate"].iloc[0] == pytest.approx(
        (own["margin_per_customer"] * n).sum() / (own["revenue_per_customer"] * n).sum()
    )
    costs = own["service_cost_per_customer"] + own["campaign_cost_per_customer"]
    assert table["all_roi"].iloc[0] == pytest.approx((own["profit_per_customer"] * n).sum() / (costs * n).sum())
    assert len(set(table["all_value_per_customer"])) == 1


def test_ranks_and_effects_are_the_tables():
    """Ranks count down from the highest value, of the segments alone; effects are those of the differentiators."""
    profiles = hand_made_profiles()
    table = segment_table(profiles).set_index("segment_id")
    assert table["rank_value"].dropna().to_dict() == {f"S{rank:02d}": rank for rank in range(1, 6)}
    assert table["n_segments"].iloc[0] == 5
    marks = profiles.differentiators.query("feature == 'spend_per_month'").set_index("segment_id")["effect"]
    assert table.loc[marks.index, "effect_spend_per_month"].to_dict() == marks.to_dict()
    assert pd.isna(table.loc["dormant", "effect_spend_per_month"])


def test_means_of_effects_are_those_of_their_families():
    """`effect_value` is the mean effect of the features of the family value; a family that is not there is unknown."""
    profiles = hand_made_profiles(dates=False)
    marks = profiles.differentiators.assign(family="value")
    table = segment_table(replace(profiles, differentiators=marks)).set_index("segment_id")
    means = marks[marks["level"] == ""].groupby("segment_id")["effect"].mean()
    assert table["effect_value"].to_dict() == pytest.approx(means.to_dict())
    assert table["effect_engagement"].isna().all()
    assert table["rank_value"].to_list() == means.rank(ascending=False).to_list()
    assert table["n_segments"].iloc[0] == 5


def test_value_per_order_is_of_sums():
    """Of all customers it is all value over all orders, not a mean of segments' figures."""
    table = segment_table(hand_made_profiles())
    own = table[~table["reserved"].astype(bool)]
    n = own["n_customers"]
    assert own["value_per_order"].iloc[0] == own["value_per_customer"].iloc[0] / own["orders_per_customer"].iloc[0]
    value, orders = (own[f"{one}_per_customer"] * n for one in ("value", "orders"))
    assert table["all_value_per_order"].iloc[0] == pytest.approx(value.sum() / orders.sum())


def test_a_pair_to_sell_is_sure_and_open():
    """A pair whose lift may be chance is not offered."""
    profiles = hand_made_profiles()
    chance = replace(profiles, cross_sell=profiles.cross_sell.assign(lift_low=0.9))
    assert segment_table(profiles)["offered"].notna().sum() == 5
    assert segment_table(chance)["offered"].isna().all()
