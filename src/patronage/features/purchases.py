"""What customers bought: order lines with their products, and orders, as relations."""

from __future__ import annotations

from collections.abc import Collection

from patronage.features.hoisting import Hoisted, bits_of
from patronage.features.past import Cut, past
from patronage.tables import Tables, quote

_IN_ORDER = "list_sort({0}, 'ASC', 'NULLS LAST')"
_N_DISTINCT = "(len({0}) - len(list_filter({0}, lambda one, place: one IS NOT DISTINCT FROM {0}[place + 1])))::BIGINT"
"""Values other than NULL in a list in order: all but those that equal the next one. Orders are short: ``list_unique``
takes twice as long for numbers (not for texts), ``count(DISTINCT)`` three times."""


def products_of(tables: Tables, hoisted: Hoisted) -> str:
    """SQL of the products that lines are joined with, with what is asked of each; empty without any."""
    if not _joined(tables):
        return ""
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


def listed_once(tables: Tables) -> bool:
    """Whether no product is listed twice."""
    key = '"key of product_id"'
    return tables.scalar(f"SELECT count({key}) - count(DISTINCT {key}) FROM keyed_products") == 0


def product_texts(tables: Tables) -> set[str]:
    """Columns of lines, in lower case, that are texts of the product."""
    if not _joined(tables):
        return set()
    own = {column.lower() for column in tables.columns["transactions"]}
    texts = {column.lower() for column, sql_type in tables.columns["products"].items() if sql_type == "VARCHAR"}
    return texts - own


def lines_of(tables: Tables, hoisted: Hoisted, cut: Cut) -> str:
    """SQL of the order lines, with their product's columns and what is asked of it."""
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


def orders_of(tables: Tables, used: Collection[str] | None) -> str:
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
    if has_margin(tables):
        columns["margin"] = "sum(margin)"
    columns |= {name: f"min({name})" for name in ("channel", "store_id") if name in has}
    if "product_id" in has:
        kept = _IN_ORDER if "product_id" in tables.whole else "list_unique({0})::BIGINT"
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


def has_margin(tables: Tables) -> bool:
    """Whether lines have a margin, given or made of costs or rates."""
    has = tables.columns["transactions"]
    products = tables.columns["products"] if tables.has("products") and "product_id" in has else {}
    return bool({"margin", "cost"} & set(has)) or bool(
        {"margin", "margin_rate"} & set(products) or ("unit_cost" in products and "quantity" in has)
    )


def _joined(tables: Tables) -> bool:
    return tables.has("products") and tables.has("transactions", "product_id")
