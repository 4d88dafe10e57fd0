"""Catalogues made ready for the tables at hand, and computed for every customer in one statement."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import pandas as pd

from patronage.catalogue import Catalogue, Feature, expand_feature
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.features.expressions import columns_of
from patronage.features.hoisting import hoist
from patronage.features.past import MOMENTS
from patronage.features.purchases import listed_once, product_texts
from patronage.features.relations import MADE_OF, known_customers
from patronage.features.statement import Statement, start_of
from patronage.special import special_category
from patronage.tables import Tables, first_line, quote
from patronage.windows import Window

ACTIVE, DORMANT, PROSPECT = "active", "dormant", "prospect"

# Sums of doubles depend on the order DuckDB's threads finish in; nine decimals hide that last bit.
DECIMALS = 9

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


def learn_catalogue(
    tables: Tables, declared: Sequence[Feature], window: Window, *, kind: str = "feature", may_be_empty: bool = False
) -> Catalogue:
    """Carry out expansions with the values seen in the window, and set aside what the tables do not allow.

    Parameters
    ----------
    tables : Tables
        Open tables.
    declared : sequence of Feature
        Declarations; names must differ.
    window : Window
        The window whose lookback the vocabularies are learned in.
    kind : str, default "feature"
        What the declarations are called in messages.
    may_be_empty : bool, default False
        Whether it is no error when none of the declarations can be computed.

    Raises
    ------
    InvalidConfigError
        A name is declared twice, an expression is no valid SQL, or a required feature cannot be computed.
    """
    _require_distinct([(feature.name, feature.name) for feature in declared])
    _require_within(declared, window)
    read = {feature.name: columns_of(tables, feature) for feature in declared}
    statement = Statement(tables, declared, window.features_from, window.as_of)
    lacking = _reasons(statement, declared)
    ready: list[tuple[str, Feature]] = []
    skipped: dict[str, str] = {}
    vocabularies: dict[str, tuple[str, ...]] = {}
    for feature in declared:
        reason = _why_special(tables, feature, read[feature.name]) or lacking.get(feature.name)
        if reason is None and feature.expand is not None:
            vocabularies[feature.name] = _vocabulary(statement, feature)
            if not vocabularies[feature.name]:
                reason = f"column {feature.expand.by} has no value" + (
                    " that it counts" if feature.expand.where else " in the lookback"
                )
        if reason is not None and feature.required:
            raise InvalidConfigError(f"feature {feature.name} is required but cannot be computed: {reason}")
        if reason is not None:
            skipped[feature.name] = reason
            continue
        for one in expand_feature(feature, vocabularies.get(feature.name, ())):
            # A survey's question may ask for what no feature's name tells; a product's category tells of no customer.
            asked = feature.expand is not None and feature.relation == "answers"
            if asked and (reason := _why_special(tables, one, read[feature.name])):
                skipped[one.name] = reason
            else:
                ready.append((feature.name, one))
    if not ready and not may_be_empty:
        raise InvalidConfigError(
            f"none of the {len(declared)} declared {kind}(s) can be computed from these tables: "
            + "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        )
    _require_distinct([(one.name, origin) for origin, one in ready])
    return Catalogue(tuple(sorted((one for _, one in ready), key=lambda one: one.name)), skipped, vocabularies)


def build_features(tables: Tables, catalogue: Catalogue, window: Window) -> FeatureTable:
    """Compute the catalogue for every customer known at ``window.as_of``."""
    frame = _compute(tables, catalogue.features, window.features_from, window.as_of, with_status=True)
    status = frame.pop("customer_status").astype("str")
    return FeatureTable(frame, status)


def build_outcomes(tables: Tables, outcomes: Catalogue, window: Window) -> pd.DataFrame:
    """Compute outcomes in ``[as_of, as_of + outcome_days)``; customers without rows get each outcome's ``empty``."""
    features = outcomes.features
    return _compute(tables, features, window.as_of, window.outcomes_until, with_status=False, later=True)


def _compute(
    tables: Tables, features: Sequence[Feature], start: date, as_of: date, *, with_status: bool, later: bool = False
) -> pd.DataFrame:
    used = {name.lower() for feature in features for name in columns_of(tables, feature)}
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        groups.setdefault(_group(feature), []).append(feature)
    selected = {group: _select(members) for group, members in groups.items()}
    over_lines = {group: selected[group] for group, members in groups.items() if members[0].relation == "lines"}
    hoisted = hoist(tables, over_lines, product_texts(tables))
    statement = Statement(tables, features, start, as_of, used, hoisted, later=later)
    ordering = next((group for group, members in groups.items() if _has_every_order(members)), None)
    known = known_customers(tables, statement.cut, quote(ordering) if ordering else None)
    parts = {**selected, **hoisted.queries, "known": known}
    # Two parts may read one of them: it is computed once.
    listed = ", ".join(f"{quote(part)} AS MATERIALIZED ({query})" for part, query in parts.items())
    columns = ", ".join(_outer(feature) for feature in features)
    status = (
        f", CASE WHEN recent THEN '{ACTIVE}' WHEN ordered THEN '{DORMANT}' ELSE '{PROSPECT}' END AS customer_status"
    )
    joins = " ".join(f"LEFT JOIN {quote(group)} USING (customer_id)" for group in groups)
    query = (
        f", {listed} "
        f"SELECT known.customer_id::VARCHAR AS customer_id, {columns}{status if with_status else ''} "
        f"FROM known {joins} "
        "ORDER BY known.customer_id::VARCHAR"
    )
    try:
        return statement.run(query).to_pandas().set_index("customer_id")
    except InvalidInputError as error:
        lacking = _reasons(Statement(tables, features, start, as_of), features)
        if not lacking:
            raise InvalidInputError(str(error)) from None
        told = "; ".join(f"{name} ({reason})" for name, reason in lacking.items())
        raise InvalidInputError(
            f"data={tables.source.name} lacks what {len(lacking)} feature(s) need: {told}. "
            "Map or add these columns, or use the data that the model was trained on."
        ) from None


def _group(feature: Feature) -> str:
    """Name of the part of the statement that computes all features of the same rows."""
    days = "" if feature.window_days is None else f" in {feature.window_days} days"
    return f"of {feature.relation}{days}"


def _has_every_order(members: Sequence[Feature]) -> bool:
    """Whether features of the same rows are of every customer's orders in the lookback."""
    return members[0].relation == "orders" and members[0].window_days is None


def _select(features: Sequence[Feature]) -> str:
    """Features of the same rows."""
    relation, days = features[0].relation, features[0].window_days
    columns = ", ".join(_expression(feature) for feature in features)
    cut = "" if days is None else f" WHERE {MOMENTS[relation]} >= ${start_of(days)}"
    grouped = "" if relation == "customers" else " GROUP BY customer_id"
    return f"SELECT customer_id, {columns} FROM {relation}{cut}{grouped}"


def _inner(feature: Feature) -> str:
    """Name within the statement; a name of its own, or SQL would take it for a column that the tables lack."""
    return f"of {feature.name}"


def _expression(feature: Feature) -> str:
    sql = feature.sql
    if feature.window_days is not None:
        sql = re.sub(r"\$start\b", f"${start_of(feature.window_days)}", sql)
    if feature.is_text:
        return f"({sql}\n)::VARCHAR AS {quote(_inner(feature))}"
    return f"({sql}\n)::DOUBLE AS {quote(_inner(feature))}"


def _outer(feature: Feature) -> str:
    group = quote(_group(feature))
    column = f"{group}.{quote(_inner(feature))}"
    if not feature.is_text:
        column = f"CASE WHEN isfinite({column}) THEN round({column}, {DECIMALS}) END"
    if feature.empty is None:
        return f"{column} AS {quote(feature.name)}"
    empty = f"'{feature.empty:g}'" if feature.is_text else f"{float(feature.empty)!r}::DOUBLE"
    return f"CASE WHEN {group}.customer_id IS NULL THEN {empty} ELSE {column} END AS {quote(feature.name)}"


def _require_within(features: Sequence[Feature], window: Window) -> None:
    """Check that no feature wants to see more days than the lookback has."""
    for feature in features:
        if feature.window_days is not None and feature.window_days > window.lookback_days:
            raise InvalidConfigError(
                f"feature {feature.name}: window_days={feature.window_days} is longer than "
                f"lookback_days={window.lookback_days}; shorten it, or look back further."
            )


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


def _reasons(statement: Statement, features: Sequence[Feature]) -> dict[str, str]:
    """Tell of each feature that cannot be computed why not."""
    found: dict[str, str] = {}
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        if feature.relation not in statement.relations:
            found[feature.name] = f"there is no table for the relation {feature.relation}"
        else:
            groups.setdefault(_group(feature), []).append(_unexpanded(feature))
    for members in groups.values():
        try:
            statement.bind(_select(members))
        except duckdb.Error:  # at least one of them fails; one by one it shows which
            found |= {one.name: reason for one in members if (reason := _why_not(statement, one)) is not None}
    return found


def _unexpanded(feature: Feature) -> Feature:
    """An expanded feature as one expression, to see whether it can be computed."""
    if feature.expand is None:
        return feature
    match = f"({quote(feature.expand.by)} IS NOT NULL AND ({feature.expand.where or 'true'}\n))"
    return replace(feature, sql=feature.sql.replace("{match}", match), expand=None)


def _why_not(statement: Statement, feature: Feature) -> str | None:
    """Tell why a feature cannot be computed, or None."""
    try:
        statement.bind(_select([feature]))
    except duckdb.BinderException as error:
        message = first_line(error)
        absent = re.search(r'column "([^"]+)" not found', message)
        if absent is not None:
            needed = MADE_OF.get((feature.relation, absent.group(1)))
            source = f" (it needs {needed})" if needed is not None else ""
            return f"there is no column {absent.group(1)} in {feature.relation}{source}"
        if "not found" in message:
            return message.removeprefix("Binder Error: ")
        raise InvalidConfigError(f"feature {feature.name}: {message}") from None
    except duckdb.Error as error:
        raise InvalidConfigError(f"feature {feature.name}: {first_line(error)}") from None
    return None


def _why_special(tables: Tables, feature: Feature, read: Collection[str]) -> str | None:
    """Tell of which special category of personal data a feature is, unless it is allowed; or None."""
    if feature.special == "allow":
        return None
    names = {feature.name, *read}
    # A column may have been given another name, or be made of another one, in the data's configuration.
    sources = {
        table.columns.get(name, "") + " " + table.derive.get(name, "")
        for table in tables.source.tables.values()
        for name in names
    }
    where = feature.expand.where if feature.expand is not None else None
    for text in (*sorted(names), *sorted(sources), where or "", feature.sql):
        if category := special_category(text):
            told = text if text in names else f"{feature.name} (by what it is made of)"
            return f"{told} tells of {category}, special personal data; special=allow lets it in"
    return None


def _vocabulary(statement: Statement, feature: Feature) -> tuple[str, ...]:
    """Values of the column that a feature is expanded by: most revenue first, ties by name."""
    assert feature.expand is not None  # noqa: S101 - the caller has looked
    by, rows = quote(feature.expand.by), feature.relation
    weight = "sum(revenue)" if rows in ("lines", "orders") else "count(*)"
    conditions = [f"({feature.expand.where}\n)"] if feature.expand.where else []
    if feature.window_days is not None:
        conditions.append(f"{MOMENTS[rows]} >= ${start_of(feature.window_days)}")
    of_product = rows == "lines" and feature.expand.by.lower() in product_texts(statement.tables)
    if of_product and not conditions and listed_once(statement.tables):
        # Added up by product first, there is one text to look at for each product instead of for each line.
        key, weight = '"key of product_id"', 'sum("revenue of product")'
        sums = f'SELECT {key}, sum(revenue) AS "revenue of product" FROM lines GROUP BY {key}'
        rows = f"({sums}) JOIN products USING ({key})"
    query = (
        f"SELECT {by}::VARCHAR AS value FROM {rows} WHERE {' AND '.join([f'{by} IS NOT NULL', *conditions])} "
        f"GROUP BY 1 ORDER BY {weight} DESC, 1 LIMIT {feature.expand.top}"
    )
    return tuple(statement.run(query).column("value").to_pylist())
