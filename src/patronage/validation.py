"""Checks the rows of the canonical tables and tells all faults at once: table, column, count, rows, remedy.

A message never carries a customer's value: it may end in a log that others read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from patronage.errors import InvalidInputError
from patronage.journal import note
from patronage.tables import KEYS, Kind, Tables, TableSource, quote
from patronage.tables.sql import quote_text

SHOWN_ROWS = 3

UNIQUE: Mapping[str, str] = {"customers": "customer_id", "products": "product_id", "places": "place"}
"""Tables whose key may be there once only: a product listed twice would count its sales twice."""

PRICES: Mapping[str, tuple[str, ...]] = {"transactions": ("cost",), "products": ("unit_cost",), "contacts": ("cost",)}
"""Columns of money that is seldom below zero."""

SPREADSHEET_ID = r"\d\.\d+[eE]\+\d+"

EXPECTED: Mapping[Kind, str] = {
    "id": "an identifier, for floating point numbers do not tell such large ones apart",
    "time": "a date or time from 1900 on, best as 2017-10-31 or 2017-10-31 18:05:00",
    "money": "a number such as 1234.50, below 10^14",
    "number": "a number",
    "text": "text",
    "flag": "true or false",
}


@dataclass(frozen=True)
class Fault:
    """Rows of one column that share a fault.

    Attributes
    ----------
    table, column : str
        Where it is.
    problem : str
        What is wrong and what was expected.
    n_rows : int
        How many rows.
    rows : tuple of int
        The first few row numbers of the source after its ``where``; the first row is 1.
    policy : str
        ``error``, ``drop``, ``keep`` (the value is left empty) or ``count`` (the rows stay as they are).
    remedy : str
        What to do about it where the policy is ``error``.
    """

    table: str
    column: str
    problem: str
    n_rows: int
    rows: tuple[int, ...]
    policy: str
    remedy: str

    def __str__(self) -> str:
        """One line, ready for a person."""
        shown = ", ".join(str(row) for row in self.rows)
        where = f" (rows {shown}{', …' if self.n_rows > len(self.rows) else ''})" if self.rows else ""
        ended = {"error": self.remedy, "drop": "dropped", "keep": "kept, left empty", "count": "kept, all count"}
        told = f"{self.n_rows:,} row(s) {self.problem}{where}; {ended[self.policy]}."
        return f"table {self.table}, column {self.column}: {told}"


@dataclass(frozen=True)
class Fact:
    """Something about a table's rows that is no fault, but that people should know.

    Attributes
    ----------
    table : str
    told : str
    """

    table: str
    told: str

    def __str__(self) -> str:
        """One line, ready for a person."""
        return f"table {self.table}: {self.told}"


@dataclass(frozen=True)
class _Check:
    """A fault to look for: the SQL condition of rows that have it."""

    column: str
    problem: str
    condition: str
    policy: str
    remedy: str


def check_tables(tables: Tables) -> None:
    """Validate the tables, and log how they are read and what is tolerated."""
    for told in (*tables.notes, *validate(tables)):
        note(str(told))


def validate(tables: Tables) -> list[Fault | Fact]:
    """Check every table's rows against the canonical kinds, and tables against each other.

    Returns
    -------
    list of Fault and Fact
        Faults whose policy lets the run go on, and facts such as the number of refunds, to be logged.

    Raises
    ------
    InvalidInputError
        At least one table is empty or one fault's policy is ``error``; the message lists all of them.
    """
    fatal: list[str] = []
    tolerated: list[Fault | Fact] = []
    for name, table in tables.source.tables.items():
        try:
            faults = _faults(tables, name, table)
        except duckdb.Error as error:
            # DuckDB's message may quote a customer's value.
            fatal.append(
                f"table {name}: the rows cannot be read ({type(error).__name__}); check that its files are whole, and "
                f"use try_cast in data.{name}.where, derive or query where a value may not convert."
            )
            continue
        if faults is None:
            fatal.append(f"table {name}: 0 rows, at least one is needed; check data.{name}.path and data.{name}.where.")
            continue
        fatal += [str(fault) for fault in faults if fault.policy == "error"]
        tolerated += [fault for fault in faults if fault.policy != "error"]
    if not fatal:
        facts = [*_oddities(tables), *_strays(tables)]
        fatal += [fact for fact in facts if isinstance(fact, str)]
        tolerated += [fact for fact in facts if isinstance(fact, Fact)]
    if fatal:
        raise InvalidInputError("\n".join(fatal))
    return tolerated


def _faults(tables: Tables, name: str, table: TableSource) -> list[Fault] | None:
    """Faults of one table, or None when it has no rows."""
    raw_columns = [row[0] for row in tables.connection.execute(f"DESCRIBE raw_{name}").fetchall()]
    checks = _checks(tables, name, table)
    # What SQL makes is read too: a value it cannot convert must be told here, not in the middle of a run.
    made = raw_columns if table.query is not None else [f"derived {column}" for column in table.derive]
    counts = ["count(*)"]
    counts += [f"count(*) FILTER (WHERE {check.condition})" for check in checks]
    counts += [f"count({quote(column)})" for column in made]
    n_rows, *found = tables.row(f"SELECT {', '.join(counts)} FROM {_rows(tables, name, f'raw_{name}')}")
    if n_rows == 0:
        return None
    numbered = _rows(tables, name, f"(SELECT *, row_number() OVER () AS patronage_row FROM raw_{name})")
    return [
        Fault(name, check.column, check.problem, n, _first_rows(tables, numbered, check), check.policy, check.remedy)
        for check, n in zip(checks, found[: len(checks)], strict=True)
        if n
    ] + _duplicates(tables, name, table)


def _checks(tables: Tables, name: str, table: TableSource) -> list[_Check]:
    checks = []
    for column, reading in tables.readings[name].items():
        assert reading.kind is not None  # noqa: S101 - canonical columns have a kind
        # Without its key a row says nothing, so it cannot be kept.
        stricter = {"keep": "error"} if column in KEYS[name] else {}
        if column in KEYS[name]:
            policy = stricter.get(table.null_key, table.null_key)
            remedy = f"mend them or set data.{name}.null_key=drop"
            checks.append(_Check(reading.label, "without a value", reading.absent, policy, remedy))
        policy = stricter.get(table.invalid_value, table.invalid_value)
        remedy = f"mend them or set data.{name}.invalid_value=drop"
        if reading.future != "false":
            checks.append(_Check(reading.label, "in the future", reading.future, policy, remedy))
        problem = f"that cannot be read as {EXPECTED[reading.kind]}"
        unreadable = reading.invalid
        if reading.future != "false":
            unreadable = f"{reading.invalid} AND NOT coalesce({reading.future}, false)"
        checks.append(_Check(reading.label, problem, unreadable, policy, reading.hint or remedy))
    if name in UNIQUE:
        problem = f"whose {UNIQUE[name]} is there more than once, expected one row each"
        reading = tables.readings[name][UNIQUE[name]]
        condition = f"patronage_copies > 1 AND trim({reading.value}) <> ''"
        remedy = f"leave the others out with data.{name}.where or data.{name}.query"
        checks.append(_Check(reading.label, problem, condition, "error", remedy))
    return checks


def _rows(tables: Tables, name: str, source: str) -> str:
    """Rows to check, each with the number of different rows of its key where that may be one only."""
    if name not in UNIQUE:
        return source
    key = tables.readings[name][UNIQUE[name]].value
    if tables.source.tables[name].duplicates != "drop":
        return f"(SELECT *, count(*) OVER (PARTITION BY {key}) AS patronage_copies FROM {source})"
    # Rows that equal another in every column are left out anyway.
    return (
        f"(SELECT *, (SELECT count(*) FROM {name} WHERE {quote(UNIQUE[name])} = patronage_key) AS patronage_copies "
        f"FROM (SELECT *, {key} AS patronage_key FROM {source}))"
    )


def _duplicates(tables: Tables, name: str, table: TableSource) -> list[Fault]:
    """Rows that equal another one in every column; in tables whose key is unique they are told by the key."""
    if table.duplicates == "keep" and (name in UNIQUE or name != "transactions"):
        return []
    if table.duplicates == "drop":
        n = tables.count(f"every_{name}") - tables.count(name)
    else:
        n = tables.scalar(f"SELECT count(*) - count(DISTINCT hash(patronage_row)) FROM {name} patronage_row")
    problem = "that equal another row in every column"
    remedy = f"leave them out with data.{name}.duplicates=drop, or keep"
    if not n:
        return []
    return [Fault(name, "(all)", problem, n, (), "count" if table.duplicates == "keep" else table.duplicates, remedy)]


def _oddities(tables: Tables) -> list[Fact]:
    """What may be right, but changes results where it is not: it is counted, and stays as it is."""
    counted = [
        (name, f"{column} < 0", f"with negative {column}, kept")
        for name, columns in PRICES.items()
        for column in columns
        if tables.has(name, column)
    ] + [
        (
            name,
            f"regexp_full_match({column}, {quote_text(SPREADSHEET_ID)})",
            f"whose {column} is written as 1.23E+12: a spreadsheet has cut its digits, and different ones may have "
            "become one",
        )
        for name, readings in tables.readings.items()
        for column, reading in readings.items()
        if reading.kind == "id"
    ]
    told = []
    for name, condition, words in counted:
        if n := tables.scalar(f"SELECT count(*) FROM {name} WHERE {condition}"):
            told.append(Fact(name, f"{n:,} row(s) {words}"))
    return [*told, *_refunds(tables)]


def _refunds(tables: Tables) -> list[Fact]:
    """How many lines take money back; they count in sums, and an order of nothing else is no order."""
    if not tables.has("transactions"):
        return []
    bought = "quantity > 0" if tables.has("transactions", "quantity") else "false"
    n, n_bought = tables.row(f"SELECT count(*), count(*) FILTER (WHERE {bought}) FROM transactions WHERE revenue < 0")
    with_quantity = f", {n_bought:,} of them with a positive quantity" if n_bought else ""
    return [Fact("transactions", f"{n:,} line(s) with negative revenue count as refunds{with_quantity}")] if n else []


def _strays(tables: Tables) -> list[Fact | str]:
    """Keys that refer to no row of the table they should; all of them is a fault, some are a fact."""
    told: list[Fact | str] = []
    main = "customers" if tables.has("customers") else "transactions"
    pairs = [(name, "customer_id", main) for name in tables.columns if name not in (main, "products", "places")]
    if tables.has("transactions", "product_id") and tables.has("products"):
        pairs.append(("transactions", "product_id", "products"))
    for name, key, parent in pairs:
        keys = f"SELECT DISTINCT {key} FROM {name} WHERE {key} IS NOT NULL"
        n, found, alike = tables.row(
            f"SELECT count(*), count(*) FILTER (WHERE {key} IN (SELECT {key} FROM {parent})), "
            f"count(*) FILTER (WHERE {_bare(key)} IN (SELECT {_bare(key)} FROM {parent})) FROM ({keys})"
        )
        if n and not found:
            hint = (
                f" {alike:,} of them match without leading zeros, blanks and capitals: write both alike, for example "
                f"by lpad(…, 8, '0') or lower(…) under data.{name}.derive.{key}."
                if alike
                else f" Check which column data.{name}.columns.{key} and data.{parent}.columns.{key} name."
            )
            told.append(f"table {name}, column {key}: none of its {n:,} values is in table {parent}.{hint}")
        elif found < n:
            more = (
                f"; {alike - found:,} of them would be without leading zeros, blanks and capitals"
                if alike > found
                else ""
            )
            told.append(Fact(name, f"{n - found:,} of {n:,} values of {key} are not in table {parent}{more}"))
    return told


def _bare(key: str) -> str:
    return f"ltrim(lower(regexp_replace({key}, '\\s|\\.0+$', '', 'g')), '0')"


def _first_rows(tables: Tables, numbered: str, check: _Check) -> tuple[int, ...]:
    query = f"SELECT patronage_row FROM {numbered} WHERE {check.condition} ORDER BY 1 LIMIT {SHOWN_ROWS}"
    return tuple(int(row[0]) for row in tables.connection.execute(query).fetchall())
