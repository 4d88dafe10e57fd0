"""Features and outcomes by one engine: declared SQL over relations, one statement, one pass in DuckDB.

Nothing sees the future: relations hold rows of ``[as_of − lookback, as_of)`` only, and every date column later than
``as_of`` is emptied, with what depends on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time

import duckdb
import pandas as pd
import pyarrow as pa

from patronage.catalogue import Catalogue, Feature, expand_feature
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables import Tables, first_line, quote
from patronage.windows import Window

ACTIVE, DORMANT, PROSPECT = "active", "dormant", "prospect"

# Sums of doubles depend on the order DuckDB's threads finish in; nine decimals hide that last bit.
DECIMALS = 9

_MADE_OF = {"n_products": " (made of transactions.product_id)"}

_DATED = {"events": "occurred_at", "contacts": "occurred_at", "campaigns": "sent_at", "answers": "answered_at"}
_RESERVED = ("customer_id", "customer_status")


@dataclass(frozen=True)
class FeatureTable:
    """Features of customers at one date.

    Attributes
    ----------
    frame : DataFrame of shape (n_customers, n_features)
        Indexed by ``customer_id`` (text, sorted); numbers as float64, categories as text.
    status : Series of shape (n_customers,)
        ``active`` (ordered within the lookback), ``dormant`` (ordered before it) or ``prospect`` (never ordered).
    """

    frame: pd.DataFrame
    status: pd.Series

    @property
    def active(self) -> pd.DataFrame:
        """Rows of the customers that segments are formed on."""
        return self.frame.loc[self.status == ACTIVE]


def learn_catalogue(tables: Tables, declared: Sequence[Feature], window: Window) -> Catalogue:
    """Carry out expansions with the values seen in the window, and set aside what the tables do not allow.

    Parameters
    ----------
    tables : Tables
        Open tables.
    declared : sequence of Feature
        Declarations; names must differ.
    window : Window
        The window whose lookback the vocabularies are learned in.

    Raises
    ------
    InvalidConfigError
        A name is declared twice, an expression is no valid SQL, or a required feature cannot be computed.
    """
    _require_distinct([(feature.name, feature.name) for feature in declared])
    relations = _relations(tables)
    bound = _bounds(window.features_from, window.as_of)
    ready: list[tuple[str, Feature]] = []
    skipped: dict[str, str] = {}
    vocabularies: dict[str, tuple[str, ...]] = {}
    for feature in declared:
        reason = _why_not(tables, relations, feature, bound)
        if reason is None and feature.expand is not None:
            vocabularies[feature.name] = _vocabulary(tables, relations, feature, bound)
            if not vocabularies[feature.name]:
                reason = f"column {feature.expand.by} has no value in the lookback"
        if reason is None:
            ready += [(feature.name, one) for one in expand_feature(feature, vocabularies.get(feature.name, ()))]
        elif feature.required:
            raise InvalidConfigError(f"feature {feature.name} is required but cannot be computed: {reason}")
        else:
            skipped[feature.name] = reason
    if not ready:
        raise InvalidConfigError(
            f"none of the {len(declared)} declared feature(s) can be computed from these tables: "
            + "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        )
    _require_distinct([(one.name, origin) for origin, one in ready])
    return Catalogue(tuple(sorted((one for _, one in ready), key=lambda one: one.name)), skipped, vocabularies)


def build_features(tables: Tables, catalogue: Catalogue, window: Window) -> FeatureTable:
    """Compute the catalogue for every customer known at ``window.as_of``."""
    bound = _bounds(window.features_from, window.as_of)
    frame = _compute(tables, catalogue.features, bound, with_status=True)
    status = frame.pop("customer_status").astype("str")
    return FeatureTable(frame, status)


def build_outcomes(tables: Tables, outcomes: Catalogue, window: Window) -> pd.DataFrame:
    """Compute outcomes in ``[as_of, as_of + outcome_days)``; customers without rows get each outcome's ``empty``."""
    return _compute(tables, outcomes.features, _bounds(window.as_of, window.outcomes_until), with_status=False)


def _bounds(start: date, as_of: date) -> dict[str, datetime]:
    return {"start": datetime.combine(start, time()), "as_of": datetime.combine(as_of, time())}


def _compute(
    tables: Tables, features: Sequence[Feature], bound: dict[str, datetime], *, with_status: bool
) -> pd.DataFrame:
    for feature in features:
        _require_own_rows(tables, feature)
    relations = _relations(tables)
    used = sorted({feature.relation for feature in features})
    parts = [
        f"{quote('of ' + name)} AS ({_select(name, [f for f in features if f.relation == name])})" for name in used
    ]
    columns = ", ".join(_outer(feature) for feature in features)
    status = (
        f", CASE WHEN recent THEN '{ACTIVE}' WHEN ordered THEN '{DORMANT}' ELSE '{PROSPECT}' END AS customer_status"
    )
    joins = " ".join(f"LEFT JOIN {quote('of ' + name)} USING (customer_id)" for name in used)
    statement = (
        f"WITH {_ctes(relations)}, known AS ({_known(tables)}), {', '.join(parts)} "
        f"SELECT known.customer_id, {columns}{status if with_status else ''} FROM known {joins} "
        "ORDER BY known.customer_id"
    )
    try:
        return _run(tables, statement, bound).to_pandas().set_index("customer_id")
    except InvalidInputError:
        lacking = {
            feature.name: reason
            for feature in features
            if (reason := _why_not(tables, relations, feature, bound)) is not None
        }
        told = "; ".join(f"{name} ({reason})" for name, reason in lacking.items())
        raise InvalidInputError(
            f"data={tables.source.name} lacks what {len(lacking)} feature(s) need: {told}. "
            "Map or add these columns, or use the data that the model was trained on."
        ) from None


def _run(tables: Tables, statement: str, bound: dict[str, datetime]) -> pa.Table:
    try:
        return tables.connection.sql(statement, params=bound).to_arrow_table()
    except duckdb.BinderException as error:
        raise InvalidInputError(f"the tables lack what a feature needs: {first_line(error)}") from None
    except duckdb.Error as error:
        # DuckDB's message may quote a customer's value.
        raise InvalidConfigError(
            f"a feature cannot be computed ({type(error).__name__}); use try_cast where a value may not convert."
        ) from None


def _outer(feature: Feature) -> str:
    column = f"{quote('of ' + feature.relation)}.{quote(_inner(feature))}"
    if feature.empty is None:
        return f"{column} AS {quote(feature.name)}"
    missing = f"{quote('of ' + feature.relation)}.customer_id IS NULL"
    empty = f"'{feature.empty}'" if feature.is_text else f"{float(feature.empty)!r}::DOUBLE"
    return f"CASE WHEN {missing} THEN {empty} ELSE {column} END AS {quote(feature.name)}"


def _select(relation: str, features: Sequence[Feature]) -> str:
    columns = ", ".join(_expression(feature) for feature in features)
    grouped = "" if relation == "customers" else " GROUP BY customer_id"
    return f"SELECT customer_id, {columns} FROM {relation}{grouped}"


def _inner(feature: Feature) -> str:
    """Name within the statement; a name of its own, or SQL would take it for a column that the tables lack."""
    return f"of {feature.name}"


def _expression(feature: Feature) -> str:
    if feature.is_text:
        return f"({feature.sql}\n)::VARCHAR AS {quote(_inner(feature))}"
    value = f"({feature.sql}\n)::DOUBLE"
    return f"CASE WHEN isfinite({value}) THEN round({value}, {DECIMALS}) END AS {quote(_inner(feature))}"


def _ctes(relations: dict[str, str]) -> str:
    return ", ".join(f"{name} AS ({query})" for name, query in relations.items())


def _require_distinct(named: Sequence[tuple[str, str]]) -> None:
    """Check names, each with the declaration it comes from; SQL takes Spend and spend for the same column."""
    seen: dict[str, str] = {}
    for name, origin in named:
        if name.lower() in _RESERVED:
            raise InvalidConfigError(f"feature {name}: the name is taken by patronage itself; choose another.")
        if name.lower() in seen:
            origins = " and ".join(sorted({seen[name.lower()], origin}))
            raise InvalidConfigError(f"feature {name} is declared twice (by {origins}); names must differ.")
        seen[name.lower()] = origin


def _require_own_rows(tables: Tables, feature: Feature) -> None:
    """Check that an expression is one value over the rows it is given, and can reach no other row or statement."""
    parse = "SELECT json_serialize_sql($query)"
    trees = [
        json.loads(tables.connection.execute(parse, {"query": f"SELECT ({sql}\n)"}).fetchall()[0][0])
        for sql in (feature.sql, "1")
    ]
    if trees[0]["error"]:
        raise InvalidConfigError(f"feature {feature.name}: sql is no expression: {trees[0]['error_message']}")
    found, plain = (tree["statements"][0]["node"] for tree in trees)
    chosen = found.pop("select_list", [])
    plain.pop("select_list")
    if len(trees[0]["statements"]) != 1 or len(chosen) != 1 or found != plain:
        raise InvalidConfigError(f"feature {feature.name}: sql must be a single expression.")
    if re.search(r'"class": "(SUBQUERY|WINDOW)"', json.dumps(chosen)):
        raise InvalidConfigError(
            f"feature {feature.name}: a subquery or a window would see other customers' rows, or later ones; "
            "sql must be an aggregate over one customer's rows."
        )


def _why_not(tables: Tables, relations: dict[str, str], feature: Feature, bound: dict[str, datetime]) -> str | None:
    """Tell why a feature cannot be computed, or None."""
    if feature.expand is not None:
        match = f"{quote(feature.expand.by)} IS NOT NULL"
        feature = replace(feature, sql=feature.sql.replace("{match}", match), expand=None)
    _require_own_rows(tables, feature)
    if feature.relation not in relations:
        return f"there is no table for the relation {feature.relation}"
    statement = f"WITH {_ctes(relations)} {_select(feature.relation, [feature])} LIMIT 0"
    try:
        tables.connection.execute(statement, bound)
    except duckdb.BinderException as error:
        message = first_line(error)
        absent = re.search(r'column "([^"]+)" not found', message)
        if absent is not None:
            source = _MADE_OF.get(absent.group(1), "")
            return f"there is no column {absent.group(1)} in {feature.relation}{source}"
        if "not found" in message:
            return message.removeprefix("Binder Error: ")
        raise InvalidConfigError(f"feature {feature.name}: {message}") from None
    except duckdb.Error as error:
        raise InvalidConfigError(f"feature {feature.name}: {first_line(error)}") from None
    return None


def _vocabulary(
    tables: Tables, relations: dict[str, str], feature: Feature, bound: dict[str, datetime]
) -> tuple[str, ...]:
    """Values of the column that a feature is expanded by: most revenue first, ties by name."""
    assert feature.expand is not None  # noqa: S101 - the caller has looked
    by = quote(feature.expand.by)
    weight = "sum(revenue)" if feature.relation in ("lines", "orders") else "count(*)"
    statement = (
        f"WITH {_ctes(relations)} SELECT {by}::VARCHAR AS value FROM {feature.relation} WHERE {by} IS NOT NULL "
        f"GROUP BY 1 ORDER BY {weight} DESC, 1 LIMIT {feature.expand.top}"
    )
    return tuple(_run(tables, statement, bound).column("value").to_pylist())


def _known(tables: Tables) -> str:
    """Customers known at ``as_of``, and whether they ordered before it and within the lookback."""
    ordered = (
        "SELECT customer_id, true AS ordered, bool_or(ordered_at >= $start) AS recent "
        "FROM transactions WHERE ordered_at < $as_of AND customer_id IS NOT NULL GROUP BY customer_id"
    )
    never = "SELECT customer_id, false AS ordered, false AS recent FROM customers WHERE customer_id IS NOT NULL"
    if not tables.has("transactions"):
        return never
    if not tables.has("customers"):
        return ordered
    return (
        f"SELECT customer_id, bool_or(ordered) AS ordered, bool_or(recent) AS recent "
        f"FROM ({ordered} UNION ALL {never}) GROUP BY customer_id"
    )


def _relations(tables: Tables) -> dict[str, str]:
    """SQL of each relation that the tables allow, in an order in which later ones may use earlier ones."""
    relations: dict[str, str] = {}
    if tables.has("transactions"):
        relations["lines"] = _lines(tables)
        relations["orders"] = _orders(tables)
    for table, moment in _DATED.items():
        if tables.has(table):
            cut = f" WHERE {moment} >= $start AND {moment} < $as_of" if tables.has(table, moment) else ""
            relations[table] = f"SELECT {_past(tables, table)} FROM {table}{cut}"
    if tables.has("customers"):
        relations["customers"] = f"SELECT {_past(tables, 'customers')} FROM customers"
    # DuckDB wants every bound value used; $start is not otherwise needed without transactions.
    relations["patronage_dates"] = "SELECT $start AS start_at, $as_of AS as_of"
    return relations


def _past(tables: Tables, table: str, alias: str = "", skip: Sequence[str] = ()) -> str:
    """Select list of a table in which nothing later than ``as_of`` can be read."""
    prefix = f"{alias}." if alias else ""
    columns = []
    for column, sql_type in tables.columns[table].items():
        if column in skip:
            continue
        name = f"{prefix}{quote(column)}"
        if sql_type.startswith(("TIMESTAMP", "DATE")):
            columns.append(f"CASE WHEN {name} < $as_of THEN {name} END AS {quote(column)}")
        elif table == "campaigns" and column == "revenue" and "responded_at" in tables.columns[table]:
            # What a response brought is known only once the response is.
            columns.append(f"CASE WHEN {prefix}responded_at < $as_of THEN {name} END AS {quote(column)}")
        else:
            columns.append(f"{name} AS {quote(column)}")
    return ", ".join(columns)


def _lines(tables: Tables) -> str:
    cut = "WHERE t.ordered_at >= $start AND t.ordered_at < $as_of AND t.customer_id IS NOT NULL"
    own = _past(tables, "transactions", "t")
    if not tables.has("products") or not tables.has("transactions", "product_id"):
        return f"SELECT {own} FROM transactions t {cut}"
    product = _past(tables, "products", "p", skip=list(tables.columns["transactions"]))
    columns = f"{own}, {product}" if product else own
    return f"SELECT {columns} FROM transactions t LEFT JOIN products p USING (product_id) {cut}"


def _orders(tables: Tables) -> str:
    """One row per order; without an order id, an order is a customer's day."""
    has = tables.columns["transactions"]
    day = "ordered_at::DATE::VARCHAR"
    key = f"coalesce(nullif(order_id, ''), {day})" if "order_id" in has else day
    columns = ["min(ordered_at) AS ordered_at", "sum(revenue) AS revenue", "count(*) AS n_lines"]
    columns += [f"sum({name}) AS {name}" for name in ("margin", "discount", "coupon", "quantity") if name in has]
    if "margin" not in has and "cost" in has:
        columns.append("sum(revenue - cost) AS margin")
    columns += [f"min({name}) AS {name}" for name in ("channel", "store_id") if name in has]
    if "product_id" in has:
        columns.append("count(DISTINCT product_id) AS n_products")
    grouped = f"SELECT customer_id, {key} AS order_id, {', '.join(columns)} FROM lines GROUP BY customer_id, {key}"
    return (
        "SELECT *, date_diff('day', lag(ordered_at) OVER earlier, ordered_at) AS gap_days, "
        f"row_number() OVER earlier AS order_number FROM ({grouped}) "
        "WINDOW earlier AS (PARTITION BY customer_id ORDER BY ordered_at, order_id)"
    )
