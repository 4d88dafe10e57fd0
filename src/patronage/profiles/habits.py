"""How the customers of each segment buy: rhythm, newcomers, trend, discounts, range, season, and need of service."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from patronage.features import query_relations
from patronage.profiles.columns import SERVICE, TIMING, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.members import Members
from patronage.profiles.money import ratio
from patronage.profiles.tables import ALL
from patronage.segments import DORMANT_ID
from patronage.tables import Tables

OVERDUE = 2.0
"""A customer who is silent for more than so many times the usual gap is overdue."""
HABIT_COLUMNS = (
    *("recency_days_median", "orders_per_customer", "single_order_share", "new_share", "gap_days_median"),
    *("overdue_share", "spend_change", "discount_share", "categories_per_customer", "category_share_top"),
)

_CLOCKS = {"weekday": "isodow(ordered_at)", "hour": "hour(ordered_at)", "month": "month(ordered_at)"}
_SEEN_BEFORE = 0.5


def habits_of_segments(tables: Tables, customers: Customers, members: Members) -> pd.DataFrame:
    """Habits by segment, of shape (n_segments, …), indexed by segment id; see `Profiles.segments`.

    Medians and shares are of customers with an order in the lookback; ``…_per_customer`` of all in the segment.
    ``discount_share`` = discounts / (revenue before refunds + discounts) and ``spend_change`` = revenue of the second
    half / revenue of the first − 1 are of the segment's sums. A usual gap of less than a day counts as a day.
    """
    n = members.count()
    table = pd.DataFrame(np.nan, index=list(members.ids), columns=list(HABIT_COLUMNS))
    habits = customers.habits
    if "n_orders" in habits:
        orders = habits["n_orders"].to_numpy()
        buying = orders > 0
        recency, gap = habits["recency_days"], habits["gap_days_median"]
        table["recency_days_median"] = _medians(recency.where(buying), members)
        table["gap_days_median"] = _medians(gap, members)
        table["orders_per_customer"] = ratio(_sums(orders, members), n)
        table["single_order_share"] = ratio(_sums(orders == 1, members), _sums(buying, members))
        rhythm = (orders > 1) & gap.notna().to_numpy()
        silent = recency.to_numpy() > OVERDUE * np.maximum(gap.to_numpy(), 1.0)
        table["overdue_share"] = ratio(_sums(rhythm & silent, members), _sums(rhythm, members))
        table["new_share"] = _new_share(tables, customers, members, _sums(buying, members))
        halves = [_sums(habits[f"revenue_{half}_half"].to_numpy(), members) for half in ("first", "second")]
        table["spend_change"] = ratio(halves[1], halves[0]) - 1
    if "discount" in habits:
        discount = _sums(habits["discount"].to_numpy(), members)
        table["discount_share"] = ratio(discount, _sums(habits["bought_for"].to_numpy(), members) + discount)
    if tables.has("transactions") and (
        tables.has("transactions", "category")
        or (tables.has("products", "category") and tables.has("transactions", "product_id"))
    ):
        held = members.by_segment(_categories(tables, customers))
        table["categories_per_customer"] = ratio(held["n"].fillna(0.0), n)
        table["category_share_top"] = held["top"]
    return table


def _sums(values: np.ndarray, members: Members) -> np.ndarray:
    inside = members.code >= 0
    return np.bincount(members.code[inside], weights=values[inside].astype(float), minlength=members.n)


def _medians(values: pd.Series, members: Members) -> np.ndarray:
    inside = members.code >= 0
    return values[inside].groupby(members.code[inside]).median().reindex(range(members.n)).to_numpy()


def placed_by_behaviour(customers: Customers) -> pd.Series:
    """Segment by customer, for `query_relations`, of those by whom segments are described."""
    return customers.placed.loc[customers.described, "segment_id"]


def _new_share(tables: Tables, customers: Customers, members: Members, n_buying: np.ndarray) -> np.ndarray:
    """Share of buyers without an order before the lookback.

    NaN where transactions do not reach back at least half a lookback before it: regulars would pass for new.
    """
    window = customers.window
    first, _ = tables.span()
    if window.features_from - first < timedelta(days=_SEEN_BEFORE * window.lookback_days):
        return np.full(members.n, np.nan)
    query = (
        "SELECT segment_id, count(DISTINCT customer_id) AS n FROM keyed_transactions JOIN placed USING (customer_id) "
        f"WHERE ordered_at < $start AND revenue >= 0 AND segment_id <> '{DORMANT_ID}' GROUP BY segment_id"
    )
    found = query_relations(tables, window, query, placed_by_behaviour(customers)).set_index("segment_id")["n"]
    return 1 - ratio(members.by_segment(found).fillna(0.0), n_buying)


def _categories(tables: Tables, customers: Customers) -> pd.DataFrame:
    """Categories bought, summed over customers, and the mean share of spend in each customer's own favourite."""
    query = """
        SELECT segment_id, sum(n) AS n, avg(top / nullif(total, 0)) AS top FROM (
            SELECT customer_id, count(*)::DOUBLE AS n, max(spend) AS top, sum(spend) AS total FROM (
                SELECT customer_id, category, sum(revenue)::DOUBLE AS spend FROM lines
                WHERE category IS NOT NULL AND revenue >= 0 GROUP BY customer_id, category
            ) GROUP BY customer_id
        ) JOIN placed USING (customer_id) GROUP BY segment_id
    """
    return query_relations(tables, customers.window, query, placed_by_behaviour(customers)).set_index("segment_id")


def when_they_buy(tables: Tables, customers: Customers, members: Members) -> pd.DataFrame:
    """Orders by weekday, hour and month (`Profiles.timing`), for every unit in which anybody orders.

    Hours are left out where all orders are of midnight: then only days are known.
    """
    if not tables.has("transactions"):
        return empty(TIMING)
    units = ", ".join(f"{sql} AS {clock}" for clock, sql in _CLOCKS.items())
    query = f"SELECT segment_id, {units}, count(*) AS n FROM orders JOIN placed USING (customer_id) GROUP BY ALL"
    found = query_relations(tables, customers.window, query, placed_by_behaviour(customers))
    parts = []
    for clock in _CLOCKS:
        counts = found.pivot_table(index="segment_id", columns=clock, values="n", aggfunc="sum", fill_value=0)
        if clock == "hour" and (found["hour"] == 0).all():
            continue
        counts = _with_all(counts, members).rename_axis("segment_id")
        # Unit by unit for each segment, also where it has no order.
        part = counts.reset_index().melt("segment_id", var_name="unit", value_name="n")
        part = part.sort_values("segment_id", key=lambda ids: ids.map(list(counts.index).index), kind="stable")
        part["share"] = ratio(part["n"], part.groupby("segment_id")["n"].transform("sum"))
        parts.append(part.assign(clock=clock))
    return shaped(pd.concat(parts), TIMING)


def _with_all(counts: pd.DataFrame, members: Members) -> pd.DataFrame:
    """Sums by segment id, in the order of segments, and of all customers that segments are formed on."""
    counts = counts.reindex([one for one in members.ids if one in counts.index])
    formed = counts.drop(index=DORMANT_ID, errors="ignore")
    return pd.concat([counts, formed.sum().rename(ALL).to_frame().T])


def peaks(timing: pd.DataFrame, members: Members) -> pd.DataFrame:
    """The month of most orders by segment, and its share of orders over that among all; the first of equals."""
    months = timing[timing["clock"] == "month"].pivot_table(index="segment_id", columns="unit", values="share")
    table = pd.DataFrame(np.nan, index=list(members.ids), columns=["peak_month", "peak_month_lift"])
    for one in months.index.intersection(table.index):
        table.loc[one, "peak_month"] = float(months.columns[months.loc[one].to_numpy().argmax()])
        table.loc[one, "peak_month_lift"] = ratio(months.loc[one].max(), months.loc[ALL, table.loc[one, "peak_month"]])
    return table


def service_load(tables: Tables, customers: Customers, members: Members) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contacts by reason (`Profiles.service`), and by segment ``contacts_per_customer`` and ``effort_mean``.

    Efforts outside 1 to 10 are no answers. Shares are of contacts whose reason is known.
    """
    load = pd.DataFrame(np.nan, index=list(members.ids), columns=["contacts_per_customer", "effort_mean"])
    if not tables.has("contacts"):
        return empty(SERVICE), load
    reason = "reason" if tables.has("contacts", "reason") else "NULL::VARCHAR"
    cost = "cost" if tables.has("contacts", "cost") else "NULL"
    effort = "effort" if tables.has("contacts", "effort") else "NULL::DOUBLE"
    query = (
        f"SELECT segment_id, {reason} AS reason, count(*) AS n, sum({cost})::DOUBLE AS cost, "
        f"count({cost}) AS n_cost, sum({effort}) FILTER (WHERE {effort} BETWEEN 1 AND 10) AS effort, "
        f"count({effort}) FILTER (WHERE {effort} BETWEEN 1 AND 10) AS n_effort "
        "FROM contacts JOIN placed USING (customer_id) GROUP BY ALL"
    )
    found = query_relations(tables, customers.window, query, placed_by_behaviour(customers))
    sums = ["n", "cost", "n_cost", "effort", "n_effort"]
    found[sums] = found[sums].astype(float).fillna(0.0)
    totals = members.by_segment(found.groupby("segment_id")[sums].sum()).fillna(0.0)
    load["contacts_per_customer"] = ratio(totals["n"], members.count())
    load["effort_mean"] = ratio(totals["effort"], totals["n_effort"])
    known = found.dropna(subset="reason")
    if known.empty:
        return empty(SERVICE), load
    formed = known[known["segment_id"] != DORMANT_ID].assign(segment_id=ALL)
    table = pd.concat([known, formed]).groupby(["segment_id", "reason"], as_index=False)[sums].sum()
    place = {one: number for number, one in enumerate((*members.ids, ALL))}
    order = np.lexsort((table["reason"], -table["n"], table["segment_id"].map(place)))
    table = table.iloc[order]
    table["share"] = ratio(table["n"], table.groupby("segment_id")["n"].transform("sum"))
    table["cost_per_contact"] = ratio(table["cost"], table["n_cost"])
    table["effort_mean"] = ratio(table["effort"], table["n_effort"])
    return shaped(table, SERVICE), load
