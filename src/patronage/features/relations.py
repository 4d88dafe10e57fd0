"""Relations: what features are expressed over, derived from the canonical tables, none of them seeing the future.

Each relation is the SQL of one common table expression. Bound values are ``$start`` and ``$as_of``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from patronage.features.hoisting import Hoisted
from patronage.features.past import MOMENTS, Cut, past
from patronage.features.purchases import has_margin, lines_of, orders_of, products_of
from patronage.tables import Tables

MADE_OF: Mapping[tuple[str, str], str] = {
    ("orders", "n_products"): "transactions.product_id",
    ("campaigns", "revenue"): "campaigns.responded_at, or it could not be dated",
}
"""Relation and column → what it needs of the tables, for messages."""

YES = ("yes", "y", "true", "ja", "да", "oui", "sí", "si")
NO = ("no", "n", "false", "nee", "nej", "nein", "нет", "non")

_AGREEMENT = (
    ("strongly disagree", "completely disagree", "totally disagree"),
    ("disagree", "somewhat disagree"),
    ("neutral", "neither agree nor disagree", "neither", "undecided"),
    ("agree", "somewhat agree"),
    ("strongly agree", "completely agree", "totally agree"),
)


def relations_of(
    tables: Tables, used: Collection[str] | None, hoisted: Hoisted, cut: Cut, *, later: bool = False
) -> dict[str, str]:
    """SQL of each relation that the tables allow, in an order in which later ones may use earlier ones.

    Parameters
    ----------
    tables : Tables
    used : collection of str, or None
        Columns, in lower case, that anything will be read of; orders leave out others. DuckDB would carry every one of
        them, distinct counts included, through the sorting that gaps need.
    hoisted : Hoisted
        What is asked of each product; its answers become columns of lines.
    cut : Cut
    later : bool, default False
        Whether the period is that of outcomes: answers of before it are none of them then.
    """
    relations: dict[str, str] = {}
    if products := products_of(tables, hoisted):
        relations["products"] = products
    if tables.has("transactions"):
        relations["lines"] = lines_of(tables, hoisted, cut)
        relations["orders"] = orders_of(tables, used)
    for table in ("events", "contacts", "campaigns"):
        if tables.has(table):
            moment = MOMENTS[table]
            within = f"{moment} >= $start AND {moment} < $as_of"
            relations[table] = f"SELECT {past(tables, table)} FROM keyed_{table} WHERE {within}"
    if tables.has("answers"):
        relations["answers"] = _answers(tables, later=later)
    if ledger := _ledger(tables):
        relations["ledger"] = ledger
    if tables.has("customers"):
        relations["customers"] = _customers(tables)
    return relations


def known_customers(tables: Tables, cut: Cut, ordering: str | None = None) -> str:
    """SQL of the customers known at ``as_of``, and whether they ordered before it and within the lookback.

    Without a transactions table nobody can have ordered: then all known customers count as active.

    Parameters
    ----------
    tables : Tables
    cut : Cut
    ordering : str, optional
        A part of the statement with one row for every customer in ``orders``, where there is one: then only what is
        older than the lookback needs to be read once more.
    """
    parts = []
    if tables.has("transactions"):
        until = "start" if ordering is not None else "as_of"
        recent = "false" if ordering is not None else "bool_or(ordered_at >= $start)"
        parts.append(
            f"SELECT customer_id, true AS ordered, {recent} AS recent FROM keyed_transactions "
            f"WHERE {cut.between('first', until)} AND customer_id IS NOT NULL AND revenue >= 0 "
            "GROUP BY customer_id"
        )
        if ordering is not None:
            parts.append(f"SELECT customer_id, true AS ordered, true AS recent FROM {ordering}")
    if tables.has("customers"):
        dated = tables.has("customers", "signed_up_at")
        there = " AND (signed_up_at IS NULL OR signed_up_at < $as_of)" if dated else ""
        flag = "false" if tables.has("transactions") else "true"
        parts.append(
            f"SELECT customer_id, {flag} AS ordered, {flag} AS recent FROM keyed_customers "
            f"WHERE customer_id IS NOT NULL{there}"
        )
    if len(parts) == 1:
        return parts[0]
    return (
        "SELECT customer_id, bool_or(ordered) AS ordered, bool_or(recent) AS recent "
        f"FROM ({' UNION ALL '.join(parts)}) GROUP BY customer_id"
    )


def _answers(tables: Tables, *, later: bool) -> str:
    """Answers with a score; to features a survey stays true, so answers from before the lookback count too."""
    word = "lower(trim(answer))"
    listed = [(YES, 1), (NO, 0), *((words, score) for score, words in enumerate(_AGREEMENT, 1))]
    cases = " ".join(
        f"WHEN {word} IN ({', '.join(repr(one) for one in words)}) THEN {score}" for words, score in listed
    )
    # One number in a text is the score ("I hate it!-5", "7 - very"); of two, as in "25-34", neither is.
    number = (
        r"CASE WHEN len(regexp_extract_all(answer, '\d+(?:\.\d+)?')) = 1 "
        r"THEN TRY_CAST(regexp_extract(answer, '[+-]?\d+(?:\.\d+)?') AS DOUBLE) END"
    )
    score = f"CASE {cases} ELSE coalesce(TRY_CAST(answer AS DOUBLE), {number}) END::DOUBLE AS score"
    topic = "" if tables.has("answers", "topic") else ", NULL::VARCHAR AS topic"
    cut = " WHERE answered_at < $as_of" if tables.has("answers", "answered_at") else ""
    cut += " AND answered_at >= $start" if cut and later else ""
    return f"SELECT {past(tables, 'answers', skip=('score',))}, {score}{topic} FROM keyed_answers{cut}"


def _customers(tables: Tables) -> str:
    has = {column.lower() for column in tables.columns["customers"]}
    age = []
    if "age" in has:
        age.append("TRY_CAST(c.age AS DOUBLE)")
    if "birth_date" in has:
        # Whole years lived: the difference of years, less one before this year's birthday.
        age.append("date_sub('year', TRY_CAST(c.birth_date AS TIMESTAMP), $as_of)")
    columns = past(
        tables,
        "customers",
        "c",
        skip=[one for one in tables.columns["customers"] if age and one.lower() == "age_years"],
    )
    if age:
        columns += f", coalesce({', '.join(age)})::DOUBLE AS age_years"
    if not tables.has("places") or "postcode" not in has:
        return f"SELECT {columns} FROM keyed_customers c"
    if place := past(tables, "places", "p", skip=list(tables.columns["customers"])):
        columns += f", {place}"
    return f"SELECT {columns} FROM keyed_customers c LEFT JOIN keyed_places p ON p.place = c.postcode"


def _ledger(tables: Tables) -> str:
    """Money of all dated tables in one place: what customers brought in and what they cost."""
    parts = []
    if tables.has("transactions"):
        margin = ", margin" if has_margin(tables) else ""
        parts.append(f"SELECT customer_id, ordered_at AS occurred_at, revenue{margin} FROM lines")
    if tables.has("contacts", "cost"):
        parts.append("SELECT customer_id, occurred_at, cost AS service_cost FROM contacts")
    if tables.has("campaigns", "cost"):
        cost = "TRY_CAST(cost AS DECIMAL(18, 4))"
        parts.append(f"SELECT customer_id, sent_at AS occurred_at, {cost} AS campaign_cost FROM campaigns")
    return " UNION ALL BY NAME ".join(parts)
