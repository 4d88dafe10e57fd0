"""Relations: what features are expressed over, derived from the canonical tables, none of them seeing the future.

Each relation is the SQL of one common table expression. Bound values are ``$start`` and ``$as_of``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from patronage.features.hoisting import Hoisted, bits_of
from patronage.tables import CANONICAL, Tables, quote

MOMENTS: Mapping[str, str] = {
    "lines": "ordered_at",
    "orders": "ordered_at",
    "ledger": "occurred_at",
    "events": "occurred_at",
    "contacts": "occurred_at",
    "campaigns": "sent_at",
    "answers": "answered_at",
}
"""Relation → the column that says when a row happened."""

MADE_OF: Mapping[tuple[str, str], str] = {
    ("orders", "n_products"): "transactions.product_id",
    ("campaigns", "revenue"): "campaigns.responded_at, or it could not be dated",
}
"""Relation and column → what it needs of the tables, for messages."""

_RESPONSE = re.compile("(?i)respon|accept|redeem|convert|click|open|bought|purchase|react")
"""Columns of campaigns that tell of the response, by their names."""

YES = ("yes", "y", "true", "ja", "да", "oui", "sí", "si")
NO = ("no", "n", "false", "nee", "nej", "nein", "нет", "non")
FIRST = datetime(1900, 1, 1)  # noqa: DTZ001 - the data's own clock, as all moments
"""No order is older: what is, stands for an unknown date."""

_IN_ORDER = "list_sort({0}, 'ASC', 'NULLS LAST')"
_N_DISTINCT = "len({0}) - len(list_filter({0}, lambda one, place: one IS NOT DISTINCT FROM {0}[place + 1]))"
"""Values other than NULL in a list in order: all but those that equal the next one. Orders are short: ``list_unique``
takes twice as long for numbers (not for texts), ``count(DISTINCT)`` three times."""

_AGREEMENT = (
    ("strongly disagree", "completely disagree", "totally disagree"),
    ("disagree", "somewhat disagree"),
    ("neutral", "neither agree nor disagree", "neither", "undecided"),
    ("agree", "somewhat agree"),
    ("strongly agree", "completely agree", "totally agree"),
)


@dataclass(frozen=True)
class Cut:
    """How a statement cuts ``keyed_transactions`` to a period.

    Attributes
    ----------
    as_stored : bool
        Whether it binds ``$stored_start``, ``$stored_as_of`` and ``$stored_first``, which cut orders as they are
        stored: files skip rows by it, and no row's time needs to be told on another clock.
    """

    as_stored: bool

    def between(self, since: str, until: str) -> str:
        """SQL condition: ordered at the bound ``since`` (or "first": ever) or later, and before ``until``."""
        if self.as_stored:
            return f'"stored ordered_at" >= $stored_{since} AND "stored ordered_at" < $stored_{until}'
        # No zone's clock is off by two days; by what is stored files skip rows all the same.
        conditions = [f"ordered_at < ${until}", f'"stored ordered_at" < ${until} + INTERVAL 2 DAY']
        if since != "first":
            conditions += [f"ordered_at >= ${since}", f'"stored ordered_at" >= ${since} - INTERVAL 2 DAY']
        return " AND ".join(conditions)


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
    if _joined(tables):
        relations["products"] = _products(tables, hoisted)
    if tables.has("transactions"):
        relations["lines"] = _lines(tables, hoisted, cut)
        relations["orders"] = _orders(tables, used)
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


def product_texts(tables: Tables) -> set[str]:
    """Columns of lines, in lower case, that are texts of the product."""
    if not _joined(tables):
        return set()
    own = {column.lower() for column in tables.columns["transactions"]}
    texts = {column.lower() for column, sql_type in tables.columns["products"].items() if sql_type == "VARCHAR"}
    return texts - own


def listed_once(tables: Tables) -> bool:
    """Whether no product is listed twice."""
    key = '"key of product_id"'
    return tables.scalar(f"SELECT count({key}) - count(DISTINCT {key}) FROM keyed_products") == 0


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


def past(tables: Tables, table: str, alias: str = "", skip: Sequence[str] = ()) -> str:
    """Select list of a table in which nothing later than ``as_of`` can be read."""
    prefix = f"{alias}." if alias else ""
    known = CANONICAL[table]
    columns = []
    for column, sql_type in tables.columns[table].items():
        if column in skip:
            continue
        name = f"{prefix}{quote(column)}"
        if sql_type.startswith(("TIMESTAMP", "DATE")) and column != MOMENTS.get(_relation(table)):
            columns.append(f"CASE WHEN {name} < $as_of THEN {name} END AS {quote(column)}")
        elif table == "campaigns" and (column == "revenue" or (column not in known and _RESPONSE.search(column))):
            # What a response was and brought is known only once it is there; without its date it cannot be placed.
            if tables.has("campaigns", "responded_at"):
                columns.append(f"CASE WHEN {prefix}responded_at < $as_of THEN {name} END AS {quote(column)}")
        elif sql_type == "VARCHAR" and column not in known:
            # A date may be kept as text: then it is a date all the same.
            dated = f"regexp_matches({name}, '^\\d{{4}}-\\d{{2}}-\\d{{2}}') AND TRY_CAST({name} AS TIMESTAMP) >= $as_of"
            columns.append(f"CASE WHEN NOT coalesce({dated}, false) THEN {name} END AS {quote(column)}")
        else:
            columns.append(f"{name} AS {quote(column)}")
    return ", ".join(columns)


def _relation(table: str) -> str:
    return "lines" if table == "transactions" else table


def _joined(tables: Tables) -> bool:
    return tables.has("products") and tables.has("transactions", "product_id")


def _lines(tables: Tables, hoisted: Hoisted, cut: Cut) -> str:
    has = tables.columns["transactions"]
    joined = _joined(tables)
    columns = past(tables, "transactions", "t")
    products = [column for column in tables.columns["products"] if column not in has] if joined else []
    columns += "".join(f", p.{quote(column)}" for column in products)
    if "margin" not in has and "margin" not in products:
        if "cost" in has:
            columns += ", t.revenue - t.cost AS margin"
        elif "margin_rate" in products:
            columns += ", t.revenue * p.margin_rate AS margin"
        elif "unit_cost" in products and "quantity" in has:
            columns += ", t.revenue - t.quantity * p.unit_cost AS margin"
    columns += "".join(f', t."key of {column}"' for column in ("order_id", "product_id") if column in has)
    source = "keyed_transactions t"
    if joined:
        source += ' LEFT JOIN products p ON t."key of product_id" = p."key of product_id"'
        columns += _answers_of_lines(tables, hoisted)
        columns += "".join(f", p.{quote(name)}" for name in hoisted.numbered)
    return f"SELECT {columns} FROM {source} WHERE t.customer_id IS NOT NULL AND {cut.between('start', 'as_of')}"


def _answers_of_lines(tables: Tables, hoisted: Hoisted) -> str:
    """Conditions on the line's product, as columns; a product that is not listed has empty texts."""
    if not hoisted.conditions:
        return ""
    texts = ", ".join(f"NULL::VARCHAR AS {quote(text)}" for text in sorted(product_texts(tables)))
    unlisted = tables.row(f"SELECT {', '.join(hoisted.conditions.values())} FROM (SELECT {texts})")
    columns = ""
    answers = dict(zip(hoisted.conditions, unlisted, strict=True))
    for name, answer in answers.items():
        column = f"p.{quote(name)}"
        if answer is not None:  # a CASE for every condition would take what hoisting saves
            column = f'CASE WHEN p."key of product_id" IS NULL THEN {answer} ELSE {column} END AS {quote(name)}'
        columns += f", {column}"
    for word, held in hoisted.words.items():
        unset = sum(1 << bit for bit, name in enumerate(held) if answers[name])
        columns += f", coalesce(p.{quote(word)}, {unset}) AS {quote(word)}"
    return columns


def _products(tables: Tables, hoisted: Hoisted) -> str:
    """One row per product, with what is asked of it."""
    key = '"key of product_id"'
    asked = {name: f"({condition})" for name, condition in hoisted.conditions.items()}
    asked |= bits_of(hoisted.conditions, hoisted.words)
    for number, text in hoisted.numbered.items():
        rank = f"dense_rank() OVER (ORDER BY {quote(text)})"
        asked[number] = f"(CASE WHEN {quote(text)} IS NOT NULL THEN {rank} END)::INTEGER"
    answers = "".join(f", {sql} AS {quote(name)}" for name, sql in asked.items())
    products = f"SELECT *{answers} FROM (SELECT {past(tables, 'products')}, {key} FROM keyed_products)"
    if not listed_once(tables):
        return products
    # Grouped, DuckDB knows that each stands once, and leaves out the join where nothing is read of products.
    columns = "".join(f", any_value({quote(name)}) AS {quote(name)}" for name in (*tables.columns["products"], *asked))
    return f"SELECT {key}{columns} FROM ({products}) GROUP BY {key}"


def _has_margin(tables: Tables) -> bool:
    has = tables.columns["transactions"]
    products = tables.columns["products"] if tables.has("products") and "product_id" in has else {}
    return bool({"margin", "cost"} & set(has)) or bool(
        {"margin", "margin_rate"} & set(products) or ("unit_cost" in products and "quantity" in has)
    )


def _orders(tables: Tables, used: Collection[str] | None) -> str:
    """One row per order; without an order id, an order is a customer's day; a refund alone is no order."""
    has = tables.columns["transactions"]
    key, day, order_id = '"key of order_id"', "ordered_at::DATE", "min(order_id)"
    # Numbers come before texts, and in their own order, whether they are stored as numbers or as texts.
    grouping, tie = key, f", TRY_CAST({key} AS BIGINT), {key}"
    if "order_id" in has and not tables.is_complete("transactions", "order_id"):
        grouping += f", CASE WHEN {key} IS NULL THEN {day} END"  # lines without an order id are one order a day
    elif "order_id" not in has:
        key, grouping, tie, order_id = f"{day} AS {key}", day, "", f"min({day})::VARCHAR"
    columns = {"n_lines": "count(*)", "order_id": order_id}
    columns |= {name: f"sum({name})" for name in ("cost", "discount", "coupon", "quantity") if name in has}
    if _has_margin(tables):
        columns["margin"] = "sum(margin)"
    columns |= {name: f"min({name})" for name in ("channel", "store_id") if name in has}
    if "product_id" in has:
        kept = _IN_ORDER if "product_id" in tables.whole else "list_unique({0})"
        columns["n_products"] = kept.format('list("key of product_id")')
    in_order = {
        "gap_days": "date_diff('day', lag(ordered_at) OVER earlier, ordered_at)",
        "order_number": "row_number() OVER earlier",
    }
    if used is not None:
        columns = {name: sql for name, sql in columns.items() if name in used}
        in_order = {name: sql for name, sql in in_order.items() if name in used}
    listed = "".join(f", {sql} AS {name}" for name, sql in columns.items())
    grouped = (
        f"SELECT customer_id, {key}, min(ordered_at) AS ordered_at, sum(revenue) AS revenue{listed} FROM lines "
        f"GROUP BY customer_id, {grouping} HAVING max(revenue) >= 0"
    )
    if "n_products" in columns and "product_id" in tables.whole:
        grouped = f"SELECT * REPLACE ({_N_DISTINCT.format('n_products')} AS n_products) FROM ({grouped})"
    if not in_order:
        return grouped
    following = "".join(f", {sql} AS {name}" for name, sql in in_order.items())
    return f"SELECT *{following} FROM ({grouped}) WINDOW earlier AS (PARTITION BY customer_id ORDER BY ordered_at{tie})"


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
        margin = ", margin" if _has_margin(tables) else ""
        parts.append(f"SELECT customer_id, ordered_at AS occurred_at, revenue{margin} FROM lines")
    if tables.has("contacts", "cost"):
        parts.append("SELECT customer_id, occurred_at, cost AS service_cost FROM contacts")
    if tables.has("campaigns", "cost"):
        cost = "TRY_CAST(cost AS DECIMAL(18, 4))"
        parts.append(f"SELECT customer_id, sent_at AS occurred_at, {cost} AS campaign_cost FROM campaigns")
    return " UNION ALL BY NAME ".join(parts)
