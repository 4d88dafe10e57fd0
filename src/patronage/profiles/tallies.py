"""Questions to the relations by segment and of all customers at once, in which nobody's own words come out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from patronage.catalogue import OTHER
from patronage.features import query_relations
from patronage.profiles.customers import Customers
from patronage.profiles.members import MIN_CUSTOMERS
from patronage.profiles.tables import ALL
from patronage.segments import DORMANT_ID
from patronage.tables import Tables

# Everybody but the dormant stands in it twice: in a segment, and among all.
_LINE = (
    ", line AS MATERIALIZED (SELECT customer_id, segment_id FROM placed UNION ALL "
    f"SELECT customer_id, '{ALL}' FROM placed WHERE segment_id <> '{DORMANT_ID}') "
)
_TALLY = """
    , each AS MATERIALIZED ({each}),
    ours AS MATERIALIZED (SELECT * FROM each JOIN line USING (customer_id)),
    often AS (
        SELECT segment_id, name, true AS is_often FROM ours WHERE name IS NOT NULL
        GROUP BY segment_id, name HAVING count(*) >= {fewest}
    ),
    named AS (
        SELECT ours.* EXCLUDE (name),
            CASE WHEN is_often OR name IS NULL THEN name ELSE '{other}' END AS name
        FROM ours LEFT JOIN often USING (segment_id, name)
    )
    SELECT segment_id, name, grouping(name) = 1 AS of_all_names, count(DISTINCT customer_id) AS n_customers, {sums}
    FROM named GROUP BY GROUPING SETS ((segment_id, name), (segment_id))
"""


def placed_by_behaviour(customers: Customers) -> pd.Series:
    """Segment by customer, for `query_relations`, of those by whom segments are described."""
    return customers.placed.loc[customers.described, "segment_id"]


def ask(tables: Tables, customers: Customers, query: str) -> pd.DataFrame:
    """Ask the relations with ``line (customer_id, segment_id)``: every customer's segment, and `ALL` if not dormant."""
    return query_relations(tables, customers.window, _LINE + query, placed_by_behaviour(customers))


def tally(tables: Tables, customers: Customers, each: str, sums: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sums by segment and name, such as a channel or a reason, and by segment alone.

    Names that fewer than five customers of a segment have are ``other`` there: what one customer has may name it. Where
    fewer than five have the others together, they are left out.

    Parameters
    ----------
    tables : Tables
    customers : Customers
    each : str
        SQL that gives ``customer_id, name`` and the sums, one line per customer and name.
    sums : sequence of str
        Columns that are added.

    Returns
    -------
    named : DataFrame
        ``segment_id`` (and `ALL`), ``name, n_customers``, the sums, and how many customers have more than 0 of each:
        ``<sum>_behind``.
    totals : DataFrame
        The same without names, those of no name too, indexed by segment id.
    """
    added = ", ".join(
        f"coalesce(sum({one}), 0)::DOUBLE AS {one}, "
        f"count(DISTINCT customer_id) FILTER (WHERE {one} > 0) AS {one}_behind"
        for one in sums
    )
    found = ask(tables, customers, _TALLY.format(each=each, sums=added, fewest=MIN_CUSTOMERS, other=OTHER))
    of_all = found.pop("of_all_names").astype(bool)
    named = found[~of_all & found["name"].notna() & (found["n_customers"] >= MIN_CUSTOMERS)]
    return named.reset_index(drop=True), found[of_all].drop(columns="name").set_index("segment_id")


def in_order(table: pd.DataFrame, lines: Sequence[str]) -> pd.DataFrame:
    """The largest ``n`` first within each line, ties by name, with its ``share`` of those that are told."""
    place = {one: number for number, one in enumerate(lines)}
    table = table.assign(place=table["segment_id"].map(place))
    table = table.sort_values(["place", "n", "name"], ascending=[True, False, True], ignore_index=True)
    whole = table.groupby("segment_id")["n"].transform("sum")
    return table.drop(columns="place").assign(share=(table["n"] / whole).where(whole > 0))
