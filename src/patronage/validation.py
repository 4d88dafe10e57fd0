"""Checks the rows of the canonical tables and tells all faults at once: table, column, count, rows, remedy.

A message never carries a customer's value: it may end in a log that others read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from patronage.errors import InvalidInputError
from patronage.tables import KEYS, Kind, Tables, TableSource, invalid, quote, source_columns

SHOWN_ROWS = 3

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
    option : str
        The option that sets the policy.
    """

    table: str
    column: str
    problem: str
    n_rows: int
    rows: tuple[int, ...]
    policy: str
    option: str

    def __str__(self) -> str:
        """One line, ready for a person."""
        shown = ", ".join(str(row) for row in self.rows)
        where = f" (rows {shown}{', …' if self.n_rows > len(self.rows) else ''})" if self.rows else ""
        ended = {
            "error": f"mend them or set {self.option}=drop",
            "drop": "dropped",
            "keep": "kept, left empty",
        }
        return f"table {self.table}, column {self.column}: {self.n_rows:,} row(s) {self.problem}{where}; {ended[self.policy]}."


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
        if tables.scalar(f"SELECT count(*) FROM raw_{name}") == 0:
            fatal.append(f"table {name}: 0 rows, at least one is needed; check data.{name}.path and data.{name}.where.")
            continue
        for fault in _faults(tables, name, table):
            if fault.policy == "error":
                fatal.append(str(fault))
            else:
                tolerated.append(fault)
    if fatal:
        raise InvalidInputError("\n".join(fatal))
    return tolerated


def _faults(tables: Tables, name: str, table: TableSource) -> list[Fault]:
    raw_columns = {row[0]: row[1] for row in tables.connection.execute(f"DESCRIBE raw_{name}").fetchall()}
    checks: list[tuple[str, str, str, str, str]] = []
    for column, (source, kind) in source_columns(table, name, raw_columns).items():
        label = source.removeprefix("derived ")
        if column in KEYS[name]:
            policy = table.null_key if table.null_key != "keep" else "error"
            checks.append((label, "without a value", f"{quote(source)} IS NULL", policy, "null_key"))
        if kind not in ("id", "text"):
            policy = table.invalid_value
            problem = f"that cannot be read as {EXPECTED[kind]}"
            checks.append((label, problem, invalid(source, kind), policy, "invalid_value"))
    if name == "customers":
        key, _ = source_columns(table, name, raw_columns)["customer_id"]
        again = f"count(*) OVER (PARTITION BY {quote(key)}) > 1 AND {quote(key)} IS NOT NULL"
        counted = tables.scalar(f"SELECT count(*) FROM (SELECT 1 FROM raw_{name} QUALIFY {again})")
        if counted:
            rows = _first_rows(tables, name, again, window=True)
            problem = "whose customer_id is there more than once, expected one row per customer"
            return [Fault(name, key, problem, counted, rows, "error", f"data.{name}.where")]
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, _, condition, _, _ in checks)
    try:
        row = tables.connection.execute(f"SELECT {counts} FROM raw_{name}").fetchone()
    except duckdb.Error as error:
        raise InvalidInputError(
            f"table {name}: the rows cannot be read ({type(error).__name__}); check that data.{name}.path is a sound file."
        ) from None
    return [
        Fault(name, label, problem, n, _first_rows(tables, name, condition), policy, f"data.{name}.{option}")
        for (label, problem, condition, policy, option), n in zip(checks, row or (), strict=True)
        if n
    ]


def _first_rows(tables: Tables, name: str, condition: str, *, window: bool = False) -> tuple[int, ...]:
    numbered = f"SELECT *, row_number() OVER () AS patronage_row FROM raw_{name}"
    clause = "QUALIFY" if window else "WHERE"
    query = f"SELECT patronage_row FROM ({numbered}) {clause} {condition} ORDER BY 1 LIMIT {SHOWN_ROWS}"
    return tuple(int(row[0]) for row in tables.connection.execute(query).fetchall())
