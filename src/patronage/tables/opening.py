"""Opening the canonical tables: views over the files, behind a fence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from patronage.errors import InvalidConfigError, InvalidInputError, PatronageError
from patronage.tables.canonical import ALL_IDS, CANONICAL, KEYS, DataSource, TableSource
from patronage.tables.files import describe, resolve_files, scan
from patronage.tables.sql import absent, cast, invalid, quote, quote_text


@dataclass(frozen=True)
class Tables:
    """Open canonical tables.

    Attributes
    ----------
    source : DataSource
        Where they come from.
    connection : duckdb.DuckDBPyConnection
        Holds, per table, the views ``raw_<table>`` (source columns and derived ones) and ``<table>`` (canonical).
    columns : mapping
        Table → (column → SQL type) of the canonical views.
    """

    source: DataSource
    connection: duckdb.DuckDBPyConnection
    columns: Mapping[str, Mapping[str, str]]

    def has(self, table: str, *columns: str) -> bool:
        """Tell whether the table is there, with all these columns."""
        return table in self.columns and all(column in self.columns[table] for column in columns)

    def count(self, table: str) -> int:
        """Number of rows of a canonical table."""
        return int(self.scalar(f"SELECT count(*) FROM {table}"))

    def scalar(self, query: str) -> int:
        """Run a query that gives one whole number."""
        (value,) = self.row(query)
        return int(value) if value is not None else 0

    def row(self, query: str) -> tuple[Any, ...]:
        """Run a query that gives one row."""
        # Fetched to the end: DuckDB keeps a connection busy until a result is exhausted.
        return tuple(self.connection.execute(query).fetchall()[0])

    def span(self) -> tuple[date, date]:
        """First and last day with a transaction."""
        first, last = self.row("SELECT min(ordered_at)::DATE, max(ordered_at)::DATE FROM transactions")
        if first is None:
            raise InvalidInputError(
                "table transactions: no row with a date, at least one is needed; check data.transactions."
            )
        return first, last

    def digest(self) -> str:
        """Fingerprint of every row of every canonical table; the order of the rows does not matter."""
        # The alias stands for whole rows, so no column may have its name.
        parts = [
            f"{table}:{self.row(f'SELECT count(*), sum(hash(patronage_row)::HUGEINT) FROM {table} patronage_row')}"
            for table in sorted(self.columns)
        ]
        import hashlib  # noqa: PLC0415 - only a run that logs its data needs it

        return hashlib.blake2b("|".join(parts).encode(), digest_size=8).hexdigest()


@contextmanager
def open_tables(source: DataSource) -> Iterator[Tables]:
    """Open the canonical tables of a data source; reads headers, not rows.

    Raises
    ------
    InvalidInputError
        A file is missing or unreadable, or columns are missing: every such fault of every table in one message.
    InvalidConfigError
        A ``where``, ``derive`` or ``query`` is no valid SQL over the source's columns.
    """
    if not {"customers", "transactions"} & set(source.tables):
        raise InvalidInputError(
            f"data={source.name} has neither a customers nor a transactions table; at least one is needed. "
            "Name a file: data.transactions.path=…"
        )
    connection = duckdb.connect()
    try:
        files: dict[str, dict[str, list[str]]] = {}
        columns: dict[str, dict[str, str]] = {}
        faults: list[PatronageError] = []
        for name, table in source.tables.items():
            try:
                files[name] = resolve_files(name, table)
            except PatronageError as error:
                faults.append(error)
        _fence(connection, [file for of_table in files.values() for matched in of_table.values() for file in matched])
        for name, of_table in files.items():
            try:
                columns[name] = _create_views(connection, name, source.tables[name], of_table)
            except PatronageError as error:
                faults.append(error)
        if faults:
            config_too = any(isinstance(fault, InvalidConfigError) for fault in faults)
            raise (InvalidConfigError if config_too else InvalidInputError)("\n".join(str(fault) for fault in faults))
        yield Tables(source, connection, columns)
    finally:
        connection.close()


def _fence(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    """Let queries read the inputs and nothing else: feature SQL comes from configuration files."""
    connection.execute(f"SET allowed_paths = [{', '.join(quote_text(file) for file in files)}]")
    connection.execute("SET enable_external_access = false")
    # Moments with an offset must not fall on other days on another machine.
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")


def _create_views(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    table: TableSource,
    files: Mapping[str, list[str]],
) -> dict[str, str]:
    kinds = CANONICAL[name]
    if unknown := [column for column in table.columns if column in table.derive]:
        raise InvalidInputError(f"table {name}: column {unknown[0]} is both mapped and derived; keep one.")
    if table.path is not None:
        ids = [table.columns.get(c, c) for c, kind in kinds.items() if kind == "id" and c not in table.derive]
        source = f"SELECT * FROM {scan(connection, f'data.{name}.path', files[''], ids)}"
    else:
        named = ", ".join(
            f"{quote(key)} AS (SELECT * FROM {scan(connection, f'data.{name}.files.{key}', matched, ALL_IDS)})"
            for key, matched in files.items()
        )
        source = f"{f'WITH {named} ' if named else ''}SELECT * FROM ({table.query})"
    given = describe(connection, f"data.{name}.{'query' if table.path is None else 'path'}", source)

    where = f"WHERE {table.where}" if table.where is not None else ""
    derived = "".join(f", ({sql}) AS {quote('derived ' + column)}" for column, sql in table.derive.items())
    raw = f"SELECT *{derived} FROM ({source}) {where}"
    types = describe(connection, f"data.{name}.derive or data.{name}.where", raw)

    taken: dict[str, str] = {column: f"derived {column}" for column in table.derive}
    lower = {column.lower(): column for column in given}
    missing = []
    for column in {**dict.fromkeys(kinds), **table.columns}:
        if column in taken:
            continue
        wanted = table.columns.get(column, column)
        if wanted.lower() in lower:
            taken[column] = lower[wanted.lower()]
        elif column in table.columns or column in KEYS[name]:
            missing.append(wanted)
    if missing:
        missing = list(dict.fromkeys(missing))
        raise InvalidInputError(
            f"table {name}: {len(missing)} column(s) missing: {', '.join(missing)}; found: {', '.join(given)}. "
            f"Map them with data.{name}.columns.<canonical>=<your column>."
        )
    for column in given:  # extra columns pass through
        if column not in taken.values() and column.lower() not in {c.lower() for c in taken}:
            taken[column] = column

    connection.execute(f"CREATE VIEW raw_{name} AS {raw}")
    picked = ", ".join(
        f"{cast(source_column, kinds.get(column), types[source_column])} AS {quote(column)}"
        for column, source_column in taken.items()
    )
    kept = _kept_rows(name, table, taken, types)
    connection.execute(f"CREATE VIEW {name} AS SELECT {picked} FROM raw_{name} {kept}")
    return describe(connection, name, f"SELECT * FROM {name}")


def _kept_rows(name: str, table: TableSource, taken: Mapping[str, str], types: Mapping[str, str]) -> str:
    """SQL that leaves out the rows whose faults the data config says to drop."""
    found = {
        column: (taken[column], kind, types[taken[column]])
        for column, kind in CANONICAL[name].items()
        if column in taken
    }
    conditions = []
    if table.null_key == "drop":
        conditions += [f"NOT ({absent(*found[key])})" for key in KEYS[name]]
    if table.invalid_value == "drop":
        conditions += [f"NOT ({invalid(*one)})" for one in found.values()]
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
