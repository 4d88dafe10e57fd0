"""Profiles as a whole: planted personas are recognised, real figures recomputed, and no input is too poor."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patronage.catalogue import Feature
from patronage.config import compose_config, data_source
from patronage.datasets import NAMES, PERSONAS, planted_personas
from patronage.features import query_relations
from patronage.profiles import Profiles, describe_customers, profile_segments
from patronage.profiles.members import members_of
from patronage.profiles.profile import tabulate_segments
from patronage.tables import DataSource, TableSource, open_tables
from tests.conftest import declared
from tests.grouped import GROUP, grouped_model, profile_frames
from tests.real_data import real_data

FURTHER = declared("rfm", "demographic")
FURTHER = tuple(one for one in FURTHER if one.role != "basis") + tuple(
    Feature(one.name, one.relation, one.sql, one.family, "descriptor", labels=one.labels, unit=one.unit)
    for one in FURTHER
    if one.role == "basis"
)


@pytest.fixture(scope="module")
def planted() -> tuple[Profiles, pd.DataFrame]:
    """Profiles of segments that are the planted personas, and the personas' own parameters by segment."""
    made = planted_personas(1_000, seed=3, last_day=date(2024, 12, 31))
    frames = {name: frame.copy() for name, frame in made.tables.items()}
    number = made.persona.astype(str).map({name: n for n, name in enumerate(NAMES, 1)})
    frames["customers"]["group_number"] = number.reindex(frames["customers"]["customer_id"]).to_numpy()
    profiles, _ = profile_frames(frames, grouped_model(len(NAMES), FURTHER, lookback_days=182))
    parameters = pd.DataFrame([vars(persona) for persona in PERSONAS])
    return profiles, parameters.set_index(pd.Index([f"S{n:02d}" for n in range(1, len(NAMES) + 1)]))


def test_planted_habits_come_back(planted):
    """Who was planted to buy most often, cheapest, hardest to help or with consent has the figures for it."""
    profiles, truth = planted
    segments = profiles.segments.set_index("segment_id").loc[truth.index]
    buying = segments[~truth["stops"]]
    for column, parameter in (
        ("orders_per_customer", "orders_per_month"),
        ("effort_mean", "contact_effort"),
        ("contacts_per_customer", "contacts_per_month"),
    ):
        agreement = buying[column].corr(truth.loc[buying.index, parameter], method="spearman")
        assert agreement > 0.7, (column, agreement)
        assert buying[column].idxmax() == truth.loc[buying.index, parameter].idxmax(), column
    assert buying["discount_share"].idxmax() == truth["promotion_share"].idxmax()
    # They stopped before the lookback, so none of them is left in their segment.
    assert (segments["n_customers"] == 0).tolist() == truth["stops"].tolist()
    assert (buying["reachable_by"] == "consent").all()
    assert (buying["reachable_share"] - truth.loc[buying.index, "opt_in_share"]).abs().max() < 0.25


def test_planted_occasions_come_back(planted):
    """Occasion buyers order most at Christmas, far above the others; half a year tells no season."""
    profiles, truth = planted
    months = profiles.timing[profiles.timing["clock"] == "month"].pivot_table("share", "segment_id", "unit")
    line = months.loc[truth["gift_season_factor"].idxmax()]
    assert line.idxmax() == 12
    assert line[12] / months.loc["all", 12] > 1.5
    assert profiles.segments[["peak_month", "peak_month_lift"]].isna().all(axis=None)


def test_planted_ages_are_flagged(planted):
    """Personas differ in age, and the audit says so."""
    profiles, _ = planted
    audit = profiles.sensitive.set_index("feature")
    assert audit.loc["age_years", "flagged"]
    assert audit.loc["age_years", "association"] > 0.5


def test_tables_fit_together(planted):
    """Shares sum to 1, totals are customers times means, parts of profit add up, and positions name nobody."""
    profiles, _ = planted
    segments = profiles.segments
    assert segments["share"].sum() == pytest.approx(1)
    assert segments["value_share"].sum() == pytest.approx(1)
    told = segments[segments["n_customers"] > 0]
    assert (told["n_customers"] * told["value_per_customer"]).to_numpy() == pytest.approx(
        told["value_total"].to_numpy()
    )
    costs = told["service_cost_per_customer"] + told["campaign_cost_per_customer"]
    assert (told["margin_per_customer"] - costs).to_numpy() == pytest.approx(told["profit_per_customer"].to_numpy())
    assert (
        (told["value_low"] <= told["value_per_customer"]) & (told["value_per_customer"] <= told["value_high"])
    ).all()
    for table in (profiles.timing, profiles.channels, profiles.service):
        by = ["segment_id", *({"clock", "kind"} & set(table.columns))]
        assert table.groupby(by)["share"].sum().to_numpy() == pytest.approx(1)
    assert profiles.capture.iloc[-1].tolist() == pytest.approx([1, 1, 1])
    assert profiles.about["n_customers"] == segments["n_customers"].sum()
    assert profiles.about["value"] == {"name": "profit", "unit": "money"}
    ids = set(planted_personas(1_000, seed=3).tables["customers"]["customer_id"])
    for name, table in profiles.tables.items():
        texts = table.select_dtypes("str")
        assert not any(ids & set(texts[column]) for column in texts), name


def test_profiles_are_read_as_they_were_written(planted, tmp_path: Path):
    """Parquet and JSON keep every table, its types and what it is about."""
    profiles, _ = planted
    profiles.save(tmp_path / "profiles")
    again = Profiles.load(tmp_path / "profiles")
    assert again.about == profiles.about
    for name, table in profiles.tables.items():
        # Parquet knows no column of objects: a verdict that is always there comes back as a truth value.
        pd.testing.assert_frame_equal(again.tables[name], table, obj=name, check_dtype=name != "criteria")


def _spend_model():
    """Four segments of Complete Journey's households by what they spend."""
    spend = Feature("spend_level", "orders", "least(greatest(round(ln(sum(revenue)) / 2), 1), 4)", empty=1)
    return grouped_model(4, lookback_days=182, basis=spend)


@pytest.mark.real_data
def test_every_figure_of_complete_journey_is_recomputed(complete_journey):
    """Plain pandas over the raw lines and the scored customers gives the segments' figures again."""
    with open_tables(complete_journey) as tables:
        model = _spend_model()
        customers = describe_customers(tables, model)
        members = members_of(customers, model)
        segments, overall, _ = tabulate_segments(tables, model, customers, members)
        segments = pd.concat([segments, overall.assign(segment_id="all")]).set_index("segment_id")
        # Whole numbers, which are looked up faster than texts.
        lines = tables.connection.sql(
            "SELECT customer_id::INT AS customer_id, ordered_at, order_id::BIGINT AS order_id, "
            "revenue::DOUBLE AS revenue, discount::DOUBLE AS discount, category "
            "FROM transactions LEFT JOIN products USING (product_id) "
            "WHERE ordered_at >= $start AND ordered_at < $as_of",
            params={"start": customers.window.features_from, "as_of": customers.window.as_of},
        ).df()
        earlier = tables.connection.sql(
            "SELECT DISTINCT customer_id::INT AS customer_id FROM transactions WHERE ordered_at < $start",
            params={"start": customers.window.features_from},
        ).df()["customer_id"]
        campaigns = tables.connection.sql(
            "SELECT customer_id::INT AS customer_id, sent_at, responded_at FROM campaigns"
        ).df()
    scored = customers.placed.set_index(customers.placed.index.astype(int))
    as_of, start = pd.Timestamp(customers.window.as_of), pd.Timestamp(customers.window.features_from)
    placed = scored["segment_id"]
    counts = placed.value_counts()
    lines["segment"] = placed.loc[lines["customer_id"]].to_numpy()
    orders = lines.groupby(["customer_id", "order_id"])["ordered_at"].min().reset_index().sort_values("ordered_at")
    days = orders["ordered_at"].dt.normalize()
    orders["gap"] = (days - days.groupby(orders["customer_id"]).shift()).dt.days
    each = pd.DataFrame({"segment": placed})
    each["value"] = lines.groupby("customer_id")["revenue"].sum()
    each["n"] = orders.groupby("customer_id").size()
    each["recency"] = (as_of - orders.groupby("customer_id")["ordered_at"].max().dt.normalize()).dt.days
    each["gap"] = orders.groupby("customer_id")["gap"].median()
    each = each.fillna({"value": 0.0, "n": 0})
    bought = lines[lines["category"].notna()].groupby(["segment", "customer_id", "category"])["revenue"].sum()
    top = bought.groupby(["segment", "customer_id"]).max() / bought.groupby(["segment", "customer_id"]).sum()
    half = start + (as_of - start) / 2
    sent = campaigns[(campaigns["sent_at"] >= start) & (campaigns["sent_at"] < as_of)]
    sent = sent.assign(segment=placed.loc[sent["customer_id"]].to_numpy(), yes=sent["responded_at"] < as_of)
    orders["segment"] = placed.loc[orders["customer_id"]].to_numpy()
    assert set(segments.index) >= {"S01", "S02", "S03", "S04", "dormant"}
    formed = each["segment"] != "dormant"
    counts["all"] = formed.sum()
    for one in [*sorted(set(each["segment"])), "all"]:
        inside = formed if one == "all" else each["segment"] == one
        own, line, there = each[inside], segments.loc[one], lines[lines["customer_id"].isin(each.index[inside])]
        asked = sent[sent["customer_id"].isin(own.index)]
        bought_by = own[own["n"] > 0]
        expected = {
            "n_customers": counts[one],
            "share": np.nan if one == "dormant" else counts[one] / counts["all"],
            "value_per_customer": own["value"].mean(),
            "revenue_per_customer": own["value"].mean(),
            "value_total": own["value"].sum(),
            "value_share": own["value"].sum() / each["value"].sum(),
            "loss_share": (own["value"] < 0).mean(),
            "orders_per_customer": own["n"].mean(),
            "confidence": scored.loc[own.index, "confidence"].mean(),
            "response_rate": asked["yes"].mean() if asked["customer_id"].nunique() >= 5 else np.nan,
            "reachable_share": asked["customer_id"].nunique() / counts[one],
        }
        if one == "all":
            del expected["share"], expected["value_share"]
        if one != "dormant":
            repeat = bought_by[bought_by["n"] > 1]
            first, second = (there.loc[side, "revenue"].sum() for side in _sides(there["ordered_at"], half))
            expected |= {
                "recency_days_median": bought_by["recency"].median(),
                "gap_days_median": bought_by["gap"].median(),
                "single_order_share": (bought_by["n"] == 1).mean(),
                "new_share": 1 - bought_by.index.isin(earlier).mean(),
                "overdue_share": (repeat["recency"] > 2 * repeat["gap"].clip(lower=1)).mean(),
                "spend_change": second / first - 1,
                "discount_share": there["discount"].clip(lower=0).sum()
                / (there["revenue"].sum() + there["discount"].clip(lower=0).sum()),
                "categories_per_customer": bought[bought.index.isin(own.index, level=1)].size / counts[one],
                "category_share_top": top[top.index.isin(own.index, level=1)].mean(),
            }
        for column, figure in expected.items():
            assert line[column] == pytest.approx(figure, rel=1e-6, abs=1e-9, nan_ok=True), (one, column)


def _sides(moments, half):
    return moments < half, moments >= half


@pytest.mark.real_data
def test_a_survey_has_neither_money_nor_dates():
    """Of McDonald's survey the segments, their differences and the audit are told, and nothing else is made up."""
    with real_data():
        source = data_source(compose_config("score", ["data=mcdonalds", "model=x", "output=y.parquet"], None)["data"])
        band = Feature("band", "customers", "least(greatest(round(age_years / 15), 1), 4)")
        model = grouped_model(4, declared("demographic"), basis=band)
        with open_tables(source) as tables:
            profiles = profile_segments(tables, model, describe_customers(tables, model))
    segments = profiles.segments
    assert segments["n_customers"].sum() == 1_453
    money = [column for column in segments if column.startswith(("value_", "revenue_", "margin_")) or column == "roi"]
    habits = ["recency_days_median", "orders_per_customer", "new_share", "contacts_per_customer", "response_rate"]
    assert segments[[*money, *habits, "peak_month", "reachable_share", "priority"]].isna().all(axis=None)
    for name in ("channels", "timing", "service", "categories", "cross_sell", "capture"):
        assert profiles.tables[name].empty, name
    assert profiles.about["as_of"] is None
    audit = profiles.sensitive.set_index("feature")
    assert audit["flagged"].to_dict() == {"age_years": True, "gender": False}


def _orders(n=60, *, revenue=10.0, category="wine", **more):
    """Customers with two orders each, of which nothing is remarkable."""
    ids = [f"{number:03d}" for number in range(n)] * 2
    at = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(2 * n) % 90, "D")
    frame = pd.DataFrame({"customer_id": ids, "ordered_at": at, "revenue": revenue, "category": category})
    frame.loc[0, "ordered_at"] = pd.Timestamp("2023-01-01")
    return frame.assign(order_id=[f"o{number}" for number in range(2 * n)], **more)


def _groups(n=60, k=3):
    return pd.DataFrame({"customer_id": [f"{number:03d}" for number in range(n)], "group_number": np.arange(n) % k + 1})


HOSTILE = "<script>alert('x')</script> " + "長" * 300


@pytest.mark.parametrize(
    ("frames", "k"),
    [
        ({"transactions": _orders(), "customers": _groups(k=1)}, 1),
        ({"transactions": _orders(), "customers": _groups(k=20)}, 20),
        ({"transactions": _orders(3), "customers": _groups(3)}, 3),
        ({"transactions": _orders(revenue=0.0, category=None, channel=None), "customers": _groups()}, 3),
        ({"transactions": _orders(margin=-4.0, category=HOSTILE, channel=HOSTILE), "customers": _groups()}, 3),
        ({"customers": _groups()}, 3),
    ],
    ids=["one", "twenty", "of one customer", "no value, no names", "losses, hostile names", "customers alone"],
)
def test_no_input_is_too_poor(frames, k):
    """Whatever the tables hold, every segment has a line, shares are sound or not there, and nothing raises."""
    further = (Feature("spend", "orders", "sum(revenue)", role="descriptor"),) if "transactions" in frames else ()
    profiles, customers = profile_frames(frames, grouped_model(k, further))
    segments = profiles.segments
    assert list(segments["segment_id"][:k]) == [f"S{n:02d}" for n in range(1, k + 1)]
    assert segments["n_customers"].sum() == customers.described.sum()
    shares = segments.filter(regex="share$").drop(columns="value_share")
    assert ((shares >= 0) & (shares <= 1) | shares.isna()).all(axis=None)
    value = segments["value_share"]
    assert value.isna().all() or value.sum() == pytest.approx(1)
    assert value.isna().all() == (not customers.value.sum() > 0)
    for name, table in profiles.tables.items():
        assert not any(np.isinf(table[column]).any() for column in table.select_dtypes("float")), name


def test_ids_of_whatever_kind_are_found_again():
    """Numbers, and texts with leading zeros, are joined to what their customers did."""
    for write in (lambda number: number + 1, lambda number: f"{number:04d}"):
        transactions = pd.DataFrame(
            {"customer_id": [write(n) for n in range(8)] * 2, "ordered_at": pd.Timestamp("2024-03-01"), "revenue": 5.0}
        )
        transactions.loc[0, "ordered_at"] = pd.Timestamp("2023-06-01")
        customers = pd.DataFrame({"customer_id": [write(n) for n in range(8)], "group_number": 1})
        source = DataSource(
            "ids", {"transactions": TableSource(frame=transactions), "customers": TableSource(frame=customers)}
        )
        with open_tables(source) as tables:
            described = describe_customers(tables, grouped_model(2))
            told = query_relations(
                tables,
                described.window,
                "SELECT segment_id, count(*) AS n, sum(revenue)::DOUBLE AS money FROM orders "
                "JOIN placed USING (customer_id) GROUP BY ALL",
                described.placed["segment_id"],
            )
        assert told.to_numpy().tolist() == [["S01", 8, 75.0]]


def test_a_group_column_alone_forms_segments():
    """The model of these tests places customers by their group number, and nobody else."""
    assert grouped_model(2).input_columns == [GROUP.name]
