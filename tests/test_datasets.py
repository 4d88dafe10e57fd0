"""Planted personas: what is planted can be found in the tables, and is what the truth says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from patronage.datasets import EFFECT_DAYS, NAMES, OFFERS, PERSONAS, PROSPECT, PlantedPersonas, planted_personas
from patronage.datasets.campaigns import plan_mailings
from patronage.datasets.people import Period, draw_people
from patronage.datasets.products import product_range
from patronage.datasets.purchases import draw_lines, draw_orders, expected_order
from patronage.errors import InvalidConfigError
from patronage.features import build_features, learn_catalogue
from patronage.tables import open_tables
from patronage.validation import validate
from patronage.windows import Window
from tests.conftest import declared

LAST_DAY = date(2024, 12, 31)
MOMENTS = {
    "transactions": ["ordered_at"],
    "events": ["occurred_at"],
    "contacts": ["occurred_at"],
    "campaigns": ["sent_at", "responded_at"],
    "answers": ["answered_at"],
}
MONEY = {
    "transactions": ["revenue", "cost", "discount", "coupon"],
    "products": ["list_price", "unit_cost"],
    "contacts": ["cost"],
    "campaigns": ["cost", "revenue"],
}


@pytest.fixture(scope="module")
def planted() -> PlantedPersonas:
    """Customers with the usual noise."""
    return planted_personas(5_000, seed=1)


@pytest.fixture(scope="module")
def buyers(planted: PlantedPersonas) -> pd.DataFrame:
    """What every buyer did, with the persona."""
    return behaviour(planted)


def behaviour(planted: PlantedPersonas) -> pd.DataFrame:
    """One row per buyer: figures over the whole period, and the persona."""
    transactions, contacts, events = (planted.tables[name] for name in ("transactions", "contacts", "events"))
    transactions = transactions.assign(
        has_coupon=transactions["coupon"] > 0,
        is_offline=transactions["channel"].isin(["store", "phone"]),
        is_refund=transactions["revenue"] < 0,
    )
    visits = events[events["event_type"] == "visit"]
    by_customer = transactions.groupby("customer_id", observed=False)
    sold = transactions[~transactions["is_refund"]].groupby("customer_id", observed=False)
    served = contacts.groupby("customer_id", observed=False)["cost"]
    end = pd.Timestamp(LAST_DAY + timedelta(days=1))
    found = pd.DataFrame(
        {
            "recency_days": (end - sold["ordered_at"].max()).dt.days,
            "orders": sold["order_id"].nunique(),
            "lines_per_order": sold.size() / sold["order_id"].nunique(),
            "revenue": by_customer["revenue"].sum(),
            "net_margin": by_customer["revenue"].sum() - by_customer["cost"].sum() - served.sum(),
            "coupon_share": sold["has_coupon"].mean(),
            "discount_rate": sold["discount"].sum() / (sold["revenue"].sum() + sold["discount"].sum()),
            "offline_share": sold["is_offline"].mean(),
            "refunds": by_customer["is_refund"].sum(),
            "contacts": served.size(),
            "effort": contacts.groupby("customer_id", observed=False)["effort"].mean().fillna(0),
            "visits": visits.groupby("customer_id", observed=False).size(),
            "mobile_share": (visits["device"] == "mobile").groupby(visits["customer_id"], observed=False).mean(),
            "social_share": (visits["referrer"] == "social").groupby(visits["customer_id"], observed=False).mean(),
            "reviews": (events["event_type"] == "review").groupby(events["customer_id"], observed=False).sum(),
        }
    )
    found["persona"] = planted.persona
    return found[found["persona"] != PROSPECT].assign(persona=lambda frame: frame["persona"].astype(str))


def persona_of(planted: PlantedPersonas, table: str) -> np.ndarray:
    """Persona of each row's customer."""
    return planted.persona.reindex(planted.tables[table]["customer_id"].astype(str)).astype(str).to_numpy()


# The parameters


def test_the_shares_sum_to_one() -> None:
    """The personas are all the buyers there are."""
    assert sum(persona.share for persona in PERSONAS) == pytest.approx(1)


def test_every_persona_has_its_share(planted: PlantedPersonas) -> None:
    """Shares are kept to one customer; prospects are as many as was asked for."""
    counts = planted.persona.value_counts()
    assert counts[PROSPECT] == 500
    for persona in PERSONAS:
        assert abs(counts[persona.name] - 4_500 * persona.share) <= 1


def test_campaigns_and_personas_speak_of_the_same_offers() -> None:
    """An uplift is for an offer that is made, and every offer has a persona that responds."""
    assert {offer for persona in PERSONAS for offer in persona.uplift_orders} == {offer for offer, _ in OFFERS}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("n_customers", 49, "a whole number from 50 to 9,999,999; got 49."),
        ("n_customers", 1e3, "a whole number from 50 to 9,999,999; got 1000.0."),
        ("seed", -1, "a whole number from 0 to 4,294,967,295; got -1."),
        ("seed", True, "a whole number from 0 to 4,294,967,295; got True."),
        ("days", 119, "a whole number from 120 to 3,650; got 119."),
        ("last_day", "2024-12-31", "a day (datetime.date) from 2000-01-01 to 2199-12-31; got '2024-12-31'."),
        ("last_day", date(1999, 12, 31), "a day (datetime.date) from 2000-01-01 to 2199-12-31; got datetime.date("),
        ("last_day", datetime(2024, 12, 31), "a day (datetime.date) from 2000-01-01 to"),  # noqa: DTZ001
        ("noise", float("nan"), "a number from 0 to 10; got nan."),
        ("noise", "high", "a number from 0 to 10; got 'high'."),
        ("prospect_share", 0.95, "a number from 0 to 0.9; got 0.95."),
        ("control_share", -0.1, "a number from 0 to 1; got -0.1."),
    ],
)
def test_a_parameter_out_of_range_is_refused(name: str, value: Any, expected: str) -> None:
    """The message is one line with the parameter, what is expected and what was given."""
    with pytest.raises(InvalidConfigError) as caught:
        planted_personas(**({"n_customers": 50} | {name: value}))
    assert str(caught.value).startswith(f"{name} must be {expected}")
    assert "\n" not in str(caught.value)


# Planted behaviour


def test_lapsed_customers_have_stopped(planted: PlantedPersonas, buyers: pd.DataFrame) -> None:
    """No order, event or contact of theirs is in the last 120 days, but they had ordered before."""
    lapsed = buyers[buyers["persona"] == "lapsed"]
    assert lapsed["recency_days"].min() > 120
    assert lapsed["orders"].min() >= 1
    cut = pd.Timestamp(LAST_DAY - timedelta(days=120))
    for table in ("events", "contacts"):
        rows = planted.tables[table][persona_of(planted, table) == "lapsed"]
        assert rows["occurred_at"].max() < cut


@pytest.mark.parametrize(
    ("figure", "persona", "factor"),
    [
        ("coupon_share", "bargain_hunter", 3.0),
        ("discount_rate", "bargain_hunter", 3.0),
        ("offline_share", "occasion_buyer", 1.3),
        ("orders", "young_digital", 1.3),
        ("visits", "young_digital", 1.5),
        ("lines_per_order", "big_basket_family", 2.0),
        ("revenue", "big_basket_family", 1.5),
        ("contacts", "costly_service", 5.0),
        ("effort", "costly_service", 1.5),
        ("mobile_share", "young_digital", 1.3),
        ("social_share", "young_digital", 2.0),
        ("reviews", "young_digital", 2.0),
        ("recency_days", "lapsed", 2.0),
    ],
)
def test_a_persona_stands_out_by_what_it_is_named_for(
    figure: str, persona: str, factor: float, buyers: pd.DataFrame
) -> None:
    """Its mean is that many times the next persona's."""
    means = buyers.groupby("persona")[figure].mean()
    assert means[persona] > factor * means.drop(persona).max()


def test_only_bargain_hunters_send_goods_back(planted: PlantedPersonas) -> None:
    """A refund is a line with its signs turned, under an order id that no other line has."""
    lines = planted.tables["transactions"]
    refunds = lines["revenue"] < 0
    assert set(persona_of(planted, "transactions")[refunds]) == {"bargain_hunter"}
    assert (lines["quantity"] < 0).equals(refunds)
    assert (lines.loc[refunds, ["cost", "revenue"]] < 0).all(axis=None)
    assert (lines.loc[~refunds, ["quantity", "cost", "revenue"]] > 0).all(axis=None)
    assert not lines.duplicated(["order_id", "line_number"]).any()
    assert not lines["order_id"].isin(lines.loc[refunds, "order_id"])[~refunds].any()
    assert lines.loc[refunds, "order_id"].is_unique


def test_refunds_return_what_was_sold(planted: PlantedPersonas) -> None:
    """Every refund has a line of the same customer, product, quantity and price, up to three weeks before."""
    lines = planted.tables["transactions"][["customer_id", "ordered_at", "product_id", "quantity", "revenue"]]
    refunds = lines[lines["revenue"] < 0].reset_index()
    turned = refunds.assign(quantity=-refunds["quantity"], revenue=-refunds["revenue"])
    pairs = turned.merge(lines, on=["customer_id", "product_id", "quantity", "revenue"], suffixes=("", "_sold"))
    after = pairs["ordered_at"] - pairs["ordered_at_sold"]
    matched = pairs[(after >= pd.Timedelta(days=2)) & (after < pd.Timedelta(days=21))]
    assert set(matched["index"]) == set(refunds["index"])


def test_service_eats_the_margin_of_one_persona_alone(buyers: pd.DataFrame) -> None:
    """Heavy users of service lose money, as a group and most of them one by one; the others bring some."""
    net = buyers.groupby("persona")["net_margin"].mean()
    assert net["costly_service"] < -100
    assert net.drop("costly_service").min() > 50
    assert (buyers.loc[buyers["persona"] == "costly_service", "net_margin"] < 0).mean() > 0.7


def test_occasion_buyers_order_before_feasts_and_pay_for_service(planted: PlantedPersonas) -> None:
    """Their share of lines in the gift seasons, and of paid services, is several times the others'."""
    lines = planted.tables["transactions"].merge(planted.tables["products"], on="product_id", how="left")
    calendar = lines["ordered_at"].dt.month * 100 + lines["ordered_at"].dt.day
    in_season = calendar.between(1120, 1224) | calendar.between(207, 214) | calendar.between(501, 514)
    occasion = persona_of(planted, "transactions") == "occasion_buyer"
    service = lines["department"] == "Services"
    assert in_season[occasion].mean() > 2.5 * in_season[~occasion].mean()
    assert service[occasion].mean() > 5 * service[~occasion].mean()


def test_loyal_regulars_keep_to_one_brand_and_an_even_rhythm(planted: PlantedPersonas) -> None:
    """Most of their lines are of their own main category and brand, and their gaps vary least."""
    lines = planted.tables["transactions"].merge(planted.tables["products"], on="product_id", how="left")
    lines["persona"] = persona_of(planted, "transactions")
    lines = lines[lines["revenue"] > 0].astype({"customer_id": "str"})
    counts = lines.groupby(["persona", "customer_id", "category", "brand"]).size()
    by_customer = counts.groupby(["persona", "customer_id"])
    main = (by_customer.max() / by_customer.sum())[by_customer.sum() >= 10].groupby("persona").mean()
    assert main["loyal_regular"] > 0.7 > 1.5 * main.drop("loyal_regular").max()
    orders = lines.drop_duplicates("order_id").sort_values(["customer_id", "ordered_at"])
    gaps = orders.groupby(["persona", "customer_id"])["ordered_at"].diff().dt.total_seconds()
    by_customer = gaps.groupby([orders["persona"], orders["customer_id"]])
    variation = (by_customer.std() / by_customer.mean())[by_customer.count() >= 5].groupby("persona").mean()
    assert variation.drop("loyal_regular").min() > 1.3 * variation["loyal_regular"]


def test_personas_differ_in_what_they_do_later(planted: PlantedPersonas) -> None:
    """Persona alone explains much of the spend in the last quarter, where every persona but the lapsed one buys."""
    lines = planted.tables["transactions"]
    late = lines[lines["ordered_at"] >= pd.Timestamp(LAST_DAY - timedelta(days=90))]
    spend = late.groupby("customer_id", observed=False)["revenue"].sum()[planted.persona != PROSPECT]
    spend = np.sign(spend) * np.log1p(spend.abs())
    means = spend.groupby(planted.persona[spend.index], observed=True).transform("mean")
    assert np.var(means) / np.var(spend) > 0.3
    assert (means > 1).equals(planted.persona[spend.index] != "lapsed")


def test_noise_blurs_what_is_crisp_without_it() -> None:
    """A small tree tells personas apart without noise, and the less the more noise there is."""
    scores = []
    for noise in (0.0, 1.0, 4.0):
        found = behaviour(planted_personas(2_500, seed=2, noise=noise))
        tree = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)
        scores.append(cross_val_score(tree, found.drop(columns="persona"), found["persona"], cv=3).mean())
    assert scores[0] > 0.98
    assert scores[0] > scores[1] + 0.05 > scores[2] + 0.15


def test_every_online_order_has_its_checkout(planted: PlantedPersonas) -> None:
    """Checkouts are events at the moment and in the channel of an order, one each."""
    keys = ["customer_id", "moment", "channel"]
    lines, events = planted.tables["transactions"], planted.tables["events"]
    orders = lines[lines["channel"].isin(["web", "app"]) & (lines["revenue"] > 0)].drop_duplicates("order_id")
    checkouts = events[events["event_type"] == "checkout"]
    pairs = [
        frame.rename(columns={moment: "moment"})[keys].astype({"channel": "str"}).sort_values(keys, ignore_index=True)
        for frame, moment in ((orders, "ordered_at"), (checkouts, "occurred_at"))
    ]
    pd.testing.assert_frame_equal(*pairs)


# Profiles and prospects


def test_prospects_have_everything_but_purchases(planted: PlantedPersonas) -> None:
    """No transaction, campaign, checkout, review or referral; but a profile, events, contacts and answers."""
    tables, prospects = planted.tables, set(planted.persona.index[planted.persona == PROSPECT])
    shown = {
        name: prospects & set(table["customer_id"]) for name, table in tables.items() if "customer_id" in table.columns
    }
    assert shown["transactions"] == shown["campaigns"] == set()
    assert shown["customers"] == prospects
    assert min(len(shown[name]) for name in ("events", "contacts", "answers")) > 100
    done = tables["events"].loc[tables["events"]["customer_id"].isin(prospects), "event_type"]
    assert not {"checkout", "review", "referral"} & set(done)


def test_everyone_else_is_what_they_would_be(planted: PlantedPersonas) -> None:
    """A buyer's persona stands in both truths; a prospect would be any persona but one that has stopped buying."""
    bought = planted.persona != PROSPECT
    assert (planted.persona[bought].astype(str) == planted.would_be[bought].astype(str)).all()
    assert set(planted.would_be[~bought]) == set(NAMES) - {"lapsed"}


def test_profiles_tell_what_a_prospect_would_be_but_not_surely(planted: PlantedPersonas) -> None:
    """A classifier learned on buyers' profiles is right about far more prospects than chance, and not about all."""
    customers = planted.tables["customers"].set_index("customer_id")
    profile = pd.DataFrame(
        {
            "born": customers["birth_date"].dt.year,
            "income": customers["income"],
            "people": customers["household_size"],
            "followers": np.log1p(customers["followers"]),
            "opt_in": customers["email_opt_in"],
        }
    )
    profile = profile.join(pd.get_dummies(customers[["acquisition_channel", "browser", "region"]]))
    bought = planted.persona != PROSPECT
    forest = RandomForestClassifier(100, min_samples_leaf=10, random_state=0)
    forest.fit(profile[bought], planted.would_be[bought].astype(str))
    right = (forest.predict(profile[~bought]) == planted.would_be[~bought].astype(str)).mean()
    assert 0.4 < right < 0.9


def test_answers_follow_the_persona_of_prospects_too(planted: PlantedPersonas) -> None:
    """Bargain hunters, buyers or to be, value a low price more than occasion buyers do."""
    answers = planted.tables["answers"]
    price = answers[answers["question"] == "A low price matters most to me"].astype({"customer_id": "str"})
    for prospect in (False, True):
        of_kind = price[(planted.persona[price["customer_id"]] == PROSPECT).to_numpy() == prospect]
        would_be = planted.would_be[of_kind["customer_id"]].astype(str).to_numpy()
        means = of_kind["answer"].astype("str").astype(int).groupby(would_be).mean()
        assert means["bargain_hunter"] > means["occasion_buyer"] + 0.8


def test_answers_are_likert_or_yes_or_no(planted: PlantedPersonas) -> None:
    """A question has answers of one scale and one of the three topics, and each customer gives one at most."""
    answers = planted.tables["answers"]
    scales = answers.groupby("question", observed=True)["answer"].agg(frozenset)
    assert set(scales) == {frozenset("12345"), frozenset({"yes", "no"})}
    assert len(answers[["question", "topic"]].drop_duplicates()) == len(scales)
    assert set(answers["topic"]) == {"benefit", "lifestyle", "values"}
    assert not answers.duplicated(["customer_id", "question"]).any()


def test_the_favourite_colour_tells_nothing(planted: PlantedPersonas) -> None:
    """The misleading column is independent of the persona, where the acquisition channel is not."""
    customers = planted.tables["customers"]
    would_be = planted.would_be.to_numpy()
    p = {
        column: chi2_contingency(pd.crosstab(customers[column], would_be)).pvalue
        for column in ("favourite_colour", "acquisition_channel")
    }
    assert p["favourite_colour"] > 0.01
    assert p["acquisition_channel"] < 1e-9


# Campaigns


def effect_found(planted: PlantedPersonas, persona: str, offer: str, value: str) -> tuple[float, float, float]:
    """Later value of treated minus control, its standard error, and the truth, over all campaigns of an offer."""
    transactions, campaigns = planted.tables["transactions"], planted.tables["campaigns"]
    transactions = transactions.assign(margin=transactions["revenue"] - transactions["cost"])
    truth = planted.campaign_effect if value == "revenue" else planted.campaign_margin
    differences, variances, truths = [], [], []
    for campaign_id in campaigns.loc[campaigns["offer"] == offer, "campaign_id"].unique():
        chosen = campaigns[(campaigns["campaign_id"] == campaign_id) & (persona_of(planted, "campaigns") == persona)]
        sent = chosen["sent_at"].iloc[0].normalize()
        days = (transactions["ordered_at"] - sent).dt.days
        within = transactions[(days >= 0) & (days < EFFECT_DAYS)]
        spend = within.groupby("customer_id", observed=False)[value].sum()
        spend = spend.reindex(chosen["customer_id"].astype(str)).to_numpy()
        treated, control = spend[~chosen["is_control"]], spend[chosen["is_control"]]
        differences.append(treated.mean() - control.mean())
        variances.append(treated.var() / len(treated) + control.var() / len(control))
        truths.append(truth.loc[campaign_id, persona])
    return float(np.mean(differences)), float(np.sqrt(np.sum(variances)) / len(variances)), float(np.mean(truths))


@pytest.fixture(scope="module")
def many() -> PlantedPersonas:
    """Enough customers, half of them controls, for the effects of campaigns to stand out."""
    return planted_personas(40_000, seed=4, control_share=0.5)


@pytest.mark.parametrize(
    ("persona", "offer"),
    [(persona.name, offer) for persona in PERSONAS for offer in persona.uplift_orders],
)
@pytest.mark.parametrize("value", ["revenue", "margin"])
def test_treated_minus_control_is_the_true_effect(persona: str, offer: str, value: str, many: PlantedPersonas) -> None:
    """For a responsive persona the difference in later revenue and margin is what the truth says, and not nothing."""
    found, error, truth = effect_found(many, persona, offer, value)
    assert abs(found - truth) < 3 * error
    assert truth > 4 * error


@pytest.mark.parametrize(
    ("persona", "offer"), [("loyal_regular", "coupon"), ("lapsed", "coupon"), ("young_digital", "gift catalogue")]
)
def test_an_offer_without_uplift_changes_nothing(persona: str, offer: str, many: PlantedPersonas) -> None:
    """For an unresponsive persona the difference is nothing but chance, however many respond."""
    found, error, truth = effect_found(many, persona, offer, "revenue")
    assert truth == 0
    assert abs(found) < 3 * error


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_the_expected_value_of_an_order_is_what_orders_bring(noise: float) -> None:
    """The truth's second factor: net revenue and margin of a persona's orders are the sum of their expectations."""
    rng, period = np.random.default_rng(9), Period(LAST_DAY, 540)
    people, products = draw_people(rng, 60_000, 540, noise, 0.1), product_range()
    list_price, unit_cost = (np.rint(products[column].to_numpy() * 100) for column in ("list_price", "unit_cost"))
    orders = draw_orders(rng, people, period, (np.empty(0, dtype=int), np.empty(0, dtype=int)))
    lines = draw_lines(rng, people, orders, list_price, noise)
    revenue = np.where(lines.is_returned, 0, lines.list_price - lines.discount) / 100
    cost = np.where(lines.is_returned, 0, unit_cost[lines.product] * lines.quantity) / 100
    of_line = people.persona[orders.customer[lines.order]]
    for found, expected in zip(
        (revenue, revenue - cost), expected_order(people, list_price, unit_cost, noise), strict=True
    ):
        sums = np.bincount(people.persona[orders.customer], weights=expected[orders.customer])
        np.testing.assert_allclose(np.bincount(of_line, weights=found), sums, rtol=0.015)


def test_nobody_is_brought_back_by_a_campaign() -> None:
    """The truth's first factor: extra orders are expected of responsive personas who are still there, and only then."""
    rng = np.random.default_rng(10)
    people = draw_people(rng, 5_000, 540, 1.0, 0.1)
    mailings = plan_mailings(rng, people, 540, 0.2)
    gone = people.end_day[mailings.customer] <= mailings.day[mailings.campaign]
    assert gone.mean() > 0.1
    assert mailings.expected_orders[gone].max() == 0
    offer = np.array([offer for offer, _ in OFFERS])[mailings.campaign % len(OFFERS)]
    family = people.persona[mailings.customer] == NAMES.index("big_basket_family")
    responsive = mailings.expected_orders[~gone & family & (offer == "family weekend")]
    assert responsive.min() > 0
    assert responsive.mean() == pytest.approx(PERSONAS[-1].uplift_orders["family weekend"], rel=0.1)


def test_campaigns_add_orders_to_responsive_personas_only() -> None:
    """Were everyone a control, all orders but the extra ones would be there all the same."""
    treated, held_out = (planted_personas(3_000, seed=5, control_share=share) for share in (0.0, 1.0))
    orders = [
        one.tables["transactions"].query("revenue > 0").groupby("customer_id", observed=False)["order_id"].nunique()
        for one in (treated, held_out)
    ]
    extra = orders[0] - orders[1]
    responsive = {persona.name for persona in PERSONAS if persona.uplift_orders}
    assert extra.min() == 0
    assert set(treated.persona[extra > 0]) == responsive
    assert held_out.tables["campaigns"]["responded_at"].isna().all()


def test_controls_are_chosen_at_random_and_never_respond(planted: PlantedPersonas) -> None:
    """A fifth of every persona is held out by default; only treated customers respond, and only some."""
    campaigns = planted.tables["campaigns"].assign(persona=persona_of(planted, "campaigns"))
    shares = campaigns.groupby("persona")["is_control"].mean()
    assert shares.between(0.15, 0.25).all()
    responded = campaigns["responded_at"].notna()
    assert not (responded & campaigns["is_control"]).any()
    assert 0.05 < responded.mean() < 0.5
    assert (campaigns["responded_at"] > campaigns["sent_at"]).equals(responded)
    assert campaigns["revenue"].notna().equals(responded)
    assert (campaigns["cost"] > 0).equals(~campaigns["is_control"])


def test_a_response_is_an_order(planted: PlantedPersonas) -> None:
    """At ``responded_at`` the customer ordered, for the revenue attributed, so that nothing is known too early."""
    responses = planted.tables["campaigns"].dropna(subset="responded_at")
    lines = planted.tables["transactions"].query("revenue > 0")
    orders = lines.groupby(["customer_id", "ordered_at", "order_id"], observed=True)["revenue"].sum().round(2)
    found = responses.merge(
        orders.reset_index(),
        left_on=["customer_id", "responded_at", "revenue"],
        right_on=["customer_id", "ordered_at", "revenue"],
    )
    assert len(found) == len(responses)


def test_responses_flatter_campaigns(planted: PlantedPersonas) -> None:
    """Those who would have bought anyway respond most: the response rate is no measure of the effect."""
    campaigns = planted.tables["campaigns"].assign(persona=persona_of(planted, "campaigns"))
    coupon = campaigns[(campaigns["offer"] == "coupon") & ~campaigns["is_control"]]
    rates = coupon["responded_at"].notna().groupby(coupon["persona"]).mean()
    assert rates["loyal_regular"] > rates["bargain_hunter"] > 2 * rates["lapsed"]


# Tables as a whole


def test_the_same_seed_gives_the_same_tables() -> None:
    """Tables and truth are equal for equal arguments, and differ for another seed."""
    one, same, other = (planted_personas(200, seed=seed) for seed in (7, 7, 8))
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, same.tables[name])
        assert name == "products" or not table.equals(other.tables[name])
    pd.testing.assert_series_equal(one.persona, same.persona)
    pd.testing.assert_series_equal(one.would_be, same.would_be)
    pd.testing.assert_frame_equal(one.campaign_effect, same.campaign_effect)
    pd.testing.assert_frame_equal(one.campaign_margin, same.campaign_margin)
    assert not one.persona.equals(other.persona)


def test_the_global_random_state_is_left_alone() -> None:
    """Drawing neither uses nor moves NumPy's global generator."""
    np.random.seed(3)  # noqa: NPY002
    before = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    planted_personas(50)
    assert np.random.random() == before  # noqa: NPY002


@settings(max_examples=30, deadline=None)
@given(
    n_customers=st.integers(50, 300),
    seed=st.integers(0, 2**32 - 1),
    days=st.integers(120, 800),
    last_day=st.dates(date(2000, 1, 1), date(2199, 12, 31)),
    noise=st.floats(0, 10),
    prospect_share=st.floats(0, 0.9),
    control_share=st.floats(0, 1),
)
def test_the_tables_are_sound_for_all_parameters(
    last_day: date, days: int, n_customers: int, **parameters: Any
) -> None:
    """Ids are known, dates lie in the period and after sign-up, money is finite with two decimals at most."""
    planted = planted_personas(n_customers, days=days, last_day=last_day, **parameters)
    tables = planted.tables
    customers = tables["customers"].set_index("customer_id")
    start, end = pd.Timestamp(last_day - timedelta(days=days - 1)), pd.Timestamp(last_day + timedelta(days=1))
    assert len(customers) == n_customers
    assert customers.index.is_unique
    assert customers.index.str.fullmatch(r"C\d{7}").all()
    assert list(planted.persona.index) == list(planted.would_be.index) == list(customers.index)
    assert set(tables["transactions"]["customer_id"]) == set(customers.index[planted.persona != PROSPECT])
    assert set(tables["transactions"]["product_id"]) <= set(tables["products"]["product_id"])
    for name, columns in MOMENTS.items():
        table = tables[name]
        assert len(table) > 0
        signed_up = customers["signed_up_at"].reindex(table["customer_id"].astype(str)).to_numpy()
        for moment in (table[column] for column in columns):
            present = moment.notna().to_numpy()
            assert moment[present].between(start, end, inclusive="left").all()
            assert (moment.to_numpy()[present] >= signed_up[present]).all()
    for name, columns in MONEY.items():
        money = tables[name][columns].to_numpy()
        money = money[~np.isnan(money)] if name == "campaigns" else money
        assert np.isfinite(money).all()
        assert np.array_equal(money, np.round(money, 2))
    lines = tables["transactions"]
    assert (lines["coupon"].abs() <= lines["discount"].abs()).all()
    assert (lines["store_id"].notna() == (lines["channel"] == "store")).all()
    assert (customers["birth_date"].dropna() < start).all()
    assert np.isfinite(planted.campaign_effect.to_numpy()).all()
    assert (planted.campaign_margin.to_numpy() <= planted.campaign_effect.to_numpy()).all()


# Files


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_written_tables_open_without_a_fault(kind: Any, tmp_path: Path) -> None:
    """What is read from the files has the same rows, money, ids with their zeros, and flags as what was written."""
    planted = planted_personas(300, seed=6)
    source = planted.write(tmp_path / "new" / "folder", kind)
    lines, customers, campaigns = (planted.tables[name] for name in ("transactions", "customers", "campaigns"))
    with open_tables(source) as tables:
        # Refunds, and the cost they take back, are told: business facts, and no fault.
        assert [str(told) for told in validate(tables) if not {"refunds", "negative"} & set(str(told).split())] == []
        assert {name: tables.count(name) for name in tables.columns} == {
            name: len(table) for name, table in planted.tables.items()
        }
        (revenue,) = tables.row("SELECT sum(revenue)::DOUBLE FROM transactions")
        assert revenue == pytest.approx(lines["revenue"].sum())
        read = tables.connection.sql("SELECT customer_id, postcode, signed_up_at FROM customers ORDER BY 1").fetchall()
        assert read == list(customers[["customer_id", "postcode", "signed_up_at"]].itertuples(index=False, name=None))
        assert tables.scalar("SELECT count(*) FROM campaigns WHERE is_control") == campaigns["is_control"].sum()
        assert tables.span() == (lines["ordered_at"].min().date(), lines["ordered_at"].max().date())


def test_writing_again_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    """A folder holds one file per table, of the newest writing."""
    for seed in (1, 2):
        planted = planted_personas(60, seed=seed)
        planted.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.parquet" for name in planted.tables)
    assert len(pd.read_parquet(tmp_path / "transactions.parquet")) == len(planted.tables["transactions"])


def test_a_table_is_written_whole_or_not_at_all(planted: PlantedPersonas, tmp_path: Path) -> None:
    """Where writing fails half-way, the former file stays as it was, and nothing is left beside it."""

    class Unwritable:
        def __str__(self) -> str:
            raise RuntimeError

    former = {"customers": planted.tables["customers"]}
    replace(planted, tables=former).write(tmp_path, "csv")
    written = (tmp_path / "customers.csv").read_bytes()
    half = pd.DataFrame({"customer_id": [*former["customers"]["customer_id"], Unwritable()]}, dtype=object)
    with pytest.raises(RuntimeError):
        replace(planted, tables={"customers": half}).write(tmp_path, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["customers.csv"]
    assert (tmp_path / "customers.csv").read_bytes() == written


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    """The message tells the kinds there are, and nothing is written."""
    with pytest.raises(InvalidConfigError, match=r"^kind must be one of parquet, csv; got 'xlsx'\.$"):
        planted_personas(50).write(tmp_path, "xlsx")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_features_can_be_built(planted: PlantedPersonas, tmp_path: Path) -> None:
    """No feature of rfm, basket and affinity is left out, and the planted prospects are those found."""
    window = Window(LAST_DAY + timedelta(days=1), lookback_days=182, outcome_days=91)
    with open_tables(planted.write(tmp_path)) as tables:
        catalogue = learn_catalogue(tables, declared("rfm", "basket", "affinity"), window)
        built = build_features(tables, catalogue, window)
    assert not catalogue.skipped
    assert (built.status == "prospect").equals((planted.persona == PROSPECT).rename("customer_status"))
    assert set(planted.persona[built.active.index]) == set(NAMES) - {"lapsed"}
    assert built.active["orders_per_month"].gt(0).all()
