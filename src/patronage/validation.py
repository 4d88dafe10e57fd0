"""Checks the rows of the canonical tables and tells all faults at once: table, column, count, rows, remedy.

A message never carries a customer's value: it may end in a log that others read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from patronage.errors import InvalidInputError
from patronage.tables import KEYS, Kind, Tables, TableSource, absent, cast, invalid, quote, source_columns

SHOWN_ROWS = 3

UNIQUE: Mapping[str, str] = {"customers": "customer_id", "products": "product_id", "places": "place"}
"""Tables whose key may be there once only: a product listed twice would count its sales twice."""

EXPECTED: Mapping[Kind, str] = {
    "id": "an identifier",
    "time": "a date or time, best as 2017-10-31 or 2017-10-31 18:05:00",
    "money": "a number such as 1234.50",
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
        ``error``, ``drop`` or ``keep``.
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
        ended = {"error": self.remedy, "drop": "dropped", "keep": "kept, left empty"}
        told = f"{self.n_rows:,} row(s) {self.problem}{where}; {ended[self.policy]}."
        return f"table {self.table}, column {self.column}: {told}"


@dataclass(frozen=True)
class _Check:
    """A fault to look for: the SQL condition of rows that have it."""

    column: str
    problem: str
    condition: str
    policy: str
    remedy: str


def validate(tables: Tables) -> list[Fault]:
    """Check every table's rows against the canonical kinds.

    Returns
    -------
    list of Fault
        Faults whose policy lets the run go on, to be logged.

    Raises
    ------
    InvalidInputError
        At least one table is empty or one fault's policy is ``error``; the message lists all of them.
    """
    fatal: list[str] = []
    tolerated: list[Fault] = []
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
    if fatal:
        raise InvalidInputError("\n".join(fatal))
    return tolerated


def _faults(tables: Tables, name: str, table: TableSource) -> list[Fault] | None:
    """Faults of one table, or None when it has no rows."""
    raw_columns = {row[0]: row[1] for row in tables.connection.execute(f"DESCRIBE raw_{name}").fetchall()}
    checks = _checks(name, table, raw_columns)
    # What SQL makes is read too: a value it cannot convert must be told here, not in the middle of a run.
    made = raw_columns if table.query is not None else [f"derived {column}" for column in table.derive]
    counts = ["count(*)"]
    counts += [f"count(*) FILTER (WHERE {check.condition})" for check in checks]
    counts += [f"count({quote(column)})" for column in made]
    n_rows, *found = tables.row(f"SELECT {', '.join(counts)} FROM {_rows(name, table, raw_columns, f'raw_{name}')}")
    if n_rows == 0:
        return None
    numbered = _rows(name, table, raw_columns, f"(SELECT *, row_number() OVER () AS patronage_row FROM raw_{name})")
    return [
        Fault(name, check.column, check.problem, n, _first_rows(tables, numbered, check), check.policy, check.remedy)
        for check, n in zip(checks, found[: len(checks)], strict=True)
        if n
    ]


def _checks(name: str, table: TableSource, raw_columns: Mapping[str, str]) -> list[_Check]:
    checks = []
    for column, (source, kind, sql_type) in source_columns(table, name, raw_columns).items():
        label = source.removeprefix("derived ")
        # Without its key a row says nothing, so it cannot be kept.
        stricter = {"keep": "error"} if column in KEYS[name] else {}
        if column in KEYS[name]:
            policy = stricter.get(table.null_key, table.null_key)
            remedy = f"mend them or set data.{name}.null_key=drop"
            checks.append(_Check(label, "without a value", absent(source, kind, sql_type), policy, remedy))
        policy = stricter.get(table.invalid_value, table.invalid_value)
        problem = f"that cannot be read as {EXPECTED[kind]}"
        remedy = f"mend them or set data.{name}.invalid_value=drop"
        checks.append(_Check(label, problem, invalid(source, kind, sql_type), policy, remedy))
    if name in UNIQUE:
        problem = f"whose {UNIQUE[name]} is there more than once, expected one row each"
        condition = f"patronage_copies > 1 AND trim({_key(name, table, raw_columns)}) <> ''"
        source = source_columns(table, name, raw_columns)[UNIQUE[name]][0]
        remedy = f"leave the others out with data.{name}.where or data.{name}.query"
        checks.append(_Check(source.removeprefix("derived "), problem, condition, "error", remedy))
    return checks


def _rows(name: str, table: TableSource, raw_columns: Mapping[str, str], source: str) -> str:
    """Rows to check, each with the number of rows of its key where that may be one only."""
    if name not in UNIQUE:
        return source
    return (
        f"(SELECT *, count(*) OVER (PARTITION BY {_key(name, table, raw_columns)}) AS patronage_copies FROM {source})"
    )


def _key(name: str, table: TableSource, raw_columns: Mapping[str, str]) -> str:
    return cast(*source_columns(table, name, raw_columns)[UNIQUE[name]])


def _first_rows(tables: Tables, numbered: str, check: _Check) -> tuple[int, ...]:
    query = f"SELECT patronage_row FROM {numbered} WHERE {check.condition} ORDER BY 1 LIMIT {SHOWN_ROWS}"
    return tuple(int(row[0]) for row in tables.connection.execute(query).fetchall())
