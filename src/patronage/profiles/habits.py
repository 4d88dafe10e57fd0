"""How the customers of each segment buy: rhythm, newcomers, trend, discounts, range, season, and need of service."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from patronage.features import query_relations
from patronage.profiles.columns import SERVICE, TIMING, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.members import MIN_CUSTOMERS, Members, told
from patronage.profiles.money import ratio
from patronage.profiles.tables import ALL
from patronage.profiles.tallies import ask, in_order, placed_by_behaviour, tally
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
YEAR_DAYS = 364
"""Of at least so many days' lookback a month can be told to be a segment's season."""


def habits_of_segments(tables: Tables, customers: Customers, members: Members) -> pd.DataFrame:
    """Habits by line of `Members.lines`, of shape (n_segments + 1, …); see `Profiles.segments`.

    Medians and shares are of customers with an order in the lookback; ``…_per_customer`` of all in the segment.
    ``discount_share`` = discounts / (revenue before refunds + discounts) and ``spend_change`` = revenue of the second
    half / revenue of the first − 1 are of the segment's sums. A usual gap of less than a day counts as a day. A figure
    that fewer than five customers are behind, by what it is divided by or a median of, is NaN.
    """
    table = pd.DataFrame(np.nan, index=members.lines, columns=list(HABIT_COLUMNS))
    habits = customers.habits
    if "n_orders" in habits:
        orders = habits["n_orders"].to_numpy()
        buying = members.sums(orders > 0)
        recency, gap = habits["recency_days"], habits["gap_days_median"]
        table["recency_days_median"] = told(members.medians(recency.where(orders > 0)), buying)
        table["gap_days_median"] = told(members.medians(gap), members.sums(gap.notna().to_numpy()))
        table["orders_per_customer"] = per_customer(members.sums(orders), buying, members)
        table["single_order_share"] = told(ratio(members.sums(orders == 1), buying), buying)
        rhythm = (orders > 1) & gap.notna().to_numpy()
        silent = recency.to_numpy() > OVERDUE * np.maximum(gap.to_numpy(), 1.0)
        n_rhythm = members.sums(rhythm)
        table["overdue_share"] = told(ratio(members.sums(rhythm & silent), n_rhythm), n_rhythm)
        table["new_share"] = told(_new_share(tables, customers, members, buying), buying)
        first, second = (habits[f"revenue_{half}_half"].to_numpy() for half in ("first", "second"))
        change = ratio(members.sums(second), members.sums(first)) - 1
        table["spend_change"] = told(change, members.sums(first != 0))
    if "discount" in habits:
        discount, paid = habits["discount"].to_numpy(), habits["bought_for"].fillna(0.0).to_numpy()
        share = ratio(members.sums(discount), members.sums(paid + discount))
        table["discount_share"] = told(share, members.sums(paid + discount > 0))
    if tables.has("transactions") and (
        tables.has("transactions", "category")
        or (tables.has("products", "category") and tables.has("transactions", "product_id"))
    ):
        held = members.by_line(_categories(tables, customers))
        n_held = held["n_customers"].fillna(0.0)
        table["categories_per_customer"] = per_customer(held["n"].fillna(0.0), n_held, members)
        table["category_share_top"] = told(held["top"], held["n_top"].fillna(0.0))
    return table


def per_customer(sums: np.ndarray | pd.Series, n_behind: np.ndarray | pd.Series, members: Members) -> np.ndarray:
    """Sums over all customers of a line; NaN where it has fewer than five, or the sum is of one to four of them."""
    n = members.sizes()
    return told(ratio(sums, n), np.where(np.asarray(n_behind) > 0, n_behind, n))


def _new_share(tables: Tables, customers: Customers, members: Members, n_buying: np.ndarray) -> np.ndarray:
    """Share of buyers without an order before the lookback.

    NaN where transactions do not reach back at least half a lookback before it: regulars would pass for new.
    """
    window = customers.window
    first, _ = tables.span()
    if window.features_from - first < timedelta(days=_SEEN_BEFORE * window.lookback_days):
        return np.full(len(n_buying), np.nan)
    query = (
        "SELECT segment_id, count(DISTINCT customer_id) AS n FROM keyed_transactions JOIN placed USING (customer_id) "
        f"WHERE ordered_at < $start AND revenue >= 0 AND segment_id <> '{DORMANT_ID}' GROUP BY segment_id"
    )
    found = query_relations(tables, window, query, placed_by_behaviour(customers)).set_index("segment_id")["n"]
    found[ALL] = found.sum()
    return 1 - ratio(members.by_line(found).fillna(0.0), n_buying)


def _categories(tables: Tables, customers: Customers) -> pd.DataFrame:
    """Categories bought, summed over customers, and the mean share of spend in each customer's own favourite."""
    query = """
        SELECT segment_id, sum(n) AS n, count(*) AS n_customers, avg(top / nullif(total, 0)) AS top,
            count(*) FILTER (WHERE total <> 0) AS n_top
        FROM (
            SELECT customer_id, count(*)::DOUBLE AS n, max(spend) AS top, sum(spend) AS total FROM (
                SELECT customer_id, category, sum(revenue)::DOUBLE AS spend FROM lines
                WHERE category IS NOT NULL AND revenue >= 0 GROUP BY customer_id, category
            ) GROUP BY customer_id
        ) JOIN line USING (customer_id) GROUP BY segment_id
    """
    return ask(tables, customers, query).set_index("segment_id")


def when_they_buy(tables: Tables, customers: Customers, members: Members) -> pd.DataFrame:
    """Orders by weekday, hour and month (`Profiles.timing`), for every unit in which anybody orders.

    Hours are left out where all orders are of midnight: then only days are known. Segments in which fewer than five
    customers order have no lines.
    """
    if not tables.has("transactions"):
        return empty(TIMING)
    n_buying = members.sums(customers.habits["n_orders"].to_numpy() > 0)
    enough = [one for one, n in zip(members.lines, n_buying, strict=True) if n >= MIN_CUSTOMERS]
    units = ", ".join(f"{sql} AS {clock}" for clock, sql in _CLOCKS.items())
    query = f"SELECT segment_id, {units}, count(*) AS n FROM orders JOIN placed USING (customer_id) GROUP BY ALL"
    found = query_relations(tables, customers.window, query, placed_by_behaviour(customers))
    parts = []
    for clock in _CLOCKS:
        counts = found.pivot_table(index="segment_id", columns=clock, values="n", aggfunc="sum", fill_value=0)
        if clock == "hour" and (found["hour"] == 0).all():
            continue
        counts = _with_all(counts, members).rename_axis("segment_id")
        counts = counts[counts.index.isin(enough)]
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


def peaks(timing: pd.DataFrame, members: Members, lookback_days: int) -> pd.DataFrame:
    """The month of most orders by line, and its share of orders over that among all; the first of equals.

    NaN where the lookback is shorter than a year: the busiest of a few months is no season.
    """
    table = pd.DataFrame(np.nan, index=members.lines, columns=["peak_month", "peak_month_lift"])
    if timing.empty or lookback_days < YEAR_DAYS:
        return table
    months = timing[timing["clock"] == "month"].pivot_table(index="segment_id", columns="unit", values="share")
    for one in months.index.intersection(table.index):
        table.loc[one, "peak_month"] = float(months.columns[months.loc[one].to_numpy().argmax()])
        table.loc[one, "peak_month_lift"] = ratio(months.loc[one].max(), months.loc[ALL, table.loc[one, "peak_month"]])
    return table


def service_load(tables: Tables, customers: Customers, members: Members) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contacts by reason (`Profiles.service`), and by line ``contacts_per_customer`` and ``effort_mean``.

    Efforts outside 1 to 10 are no answers. Shares are of contacts whose reason is known and told: as reasons may be
    anybody's own words, those of fewer than five customers of a segment are told together (`tally`).
    """
    load = pd.DataFrame(np.nan, index=members.lines, columns=["contacts_per_customer", "effort_mean"])
    if not tables.has("contacts"):
        return empty(SERVICE), load
    reason = "reason::VARCHAR" if tables.has("contacts", "reason") else "NULL::VARCHAR"
    cost = "cost" if tables.has("contacts", "cost") else "NULL"
    effort = "effort" if tables.has("contacts", "effort") else "NULL::DOUBLE"
    each = (
        f"SELECT customer_id, {reason} AS name, count(*) AS n, sum({cost}) AS cost, count({cost}) AS n_cost, "
        f"sum({effort}) FILTER (WHERE {effort} BETWEEN 1 AND 10) AS effort, "
        f"count({effort}) FILTER (WHERE {effort} BETWEEN 1 AND 10) AS n_effort FROM contacts GROUP BY ALL"
    )
    named, totals = tally(tables, customers, each, ("n", "cost", "n_cost", "effort", "n_effort"))
    totals = members.by_line(totals).fillna(0.0)
    load["contacts_per_customer"] = per_customer(totals["n"], totals["n_customers"], members)
    load["effort_mean"] = told(ratio(totals["effort"], totals["n_effort"]), totals["n_effort_behind"])
    if named.empty:
        return empty(SERVICE), load
    table = in_order(named, members.lines).rename(columns={"name": "reason"})
    table["cost_per_contact"] = told(ratio(table["cost"], table["n_cost"]), table["n_cost_behind"])
    table["effort_mean"] = told(ratio(table["effort"], table["n_effort"]), table["n_effort_behind"])
    return shaped(table, SERVICE), load
