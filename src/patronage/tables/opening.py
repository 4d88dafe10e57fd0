"""Opening the canonical tables: views over the files, behind a fence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from patronage.errors import InvalidConfigError, InvalidInputError, PatronageError
from patronage.tables.canonical import CANONICAL, POLICIES, DataSource, TableSource
from patronage.tables.clock import Clock, require_zone
from patronage.tables.files import in_utf8, resolve_files
from patronage.tables.mapping import KEYED, SHARED_KEYS, Extent, Mapped, map_table, option_of
from patronage.tables.sql import Reading, quote_text


@dataclass(frozen=True)
class Tables:
    """Open canonical tables.

    Attributes
    ----------
    source : DataSource
        Where they come from.
    connection : duckdb.DuckDBPyConnection
        Holds, per table, the views ``raw_<table>`` (source columns and derived ones), ``<table>`` (canonical) and
        ``keyed_<table>`` (canonical, for features: keys that are whole numbers everywhere stay numbers).
    columns : mapping
        Table → (column → SQL type) of the canonical views.
    readings : mapping
        Table → (column → how it is read from ``raw_<table>``), for the canonical columns that are there.
    notes : tuple of str
        How texts were read where more than one way was thinkable.
    clock : Clock, optional
        How ``"stored ordered_at"`` of ``keyed_transactions`` is told on the data's own clock, where that is known.
    extents : mapping
        Table → (key that is whole numbers there → what is known of it).
    whole : mapping
        Key → SQL type in the ``keyed_<table>`` views, of the keys that are whole numbers in every table.
    """

    source: DataSource
    connection: duckdb.DuckDBPyConnection
    columns: Mapping[str, Mapping[str, str]]
    readings: Mapping[str, Mapping[str, Reading]]
    notes: tuple[str, ...] = ()
    clock: Clock | None = None
    extents: Mapping[str, Mapping[str, Extent]] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)

    def has(self, table: str, *columns: str) -> bool:
        """Tell whether the table is there, with all these columns."""
        return table in self.columns and all(column in self.columns[table] for column in columns)

    def is_complete(self, table: str, key: str) -> bool:
        """Tell whether every row is known to have the key."""
        extent = self.extents.get(table, {}).get(key)
        return extent is not None and extent.n_empty == 0

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

    def span(self, table: str = "transactions", moment: str = "ordered_at") -> tuple[date, date]:
        """First and last day of a table."""
        first, last = self.row(f"SELECT min({moment})::DATE, max({moment})::DATE FROM {table}")
        if first is None:
            raise InvalidInputError(f"table {table}: no row with a date, at least one is needed; check data.{table}.")
        return first, last

    def stored(self, moment: datetime) -> datetime | None:
        """The moment as orders are stored from which on the data's own clock shows ``moment`` or later.

        To compare what is stored spares telling the time of every row. None where that would not cut the same rows.
        """
        # What lies in the future is no order; it is empty on the data's own clock.
        if self.clock is None or moment.date() > datetime.now(UTC).date():
            return None
        return self.clock.stored(moment)

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
    """Open the canonical tables of a data source; of text files it also decides how numbers and dates are written.

    Raises
    ------
    InvalidInputError
        A file is missing or unreadable, columns are missing, or a text can be read in two ways: every such fault of
        every table in one message.
    InvalidConfigError
        A ``where``, ``derive`` or ``query`` is no valid SQL over the source's columns.
    """
    if not {"customers", "transactions"} & set(source.tables):
        raise InvalidInputError(
            f"data={source.name} has neither a customers nor a transactions table; at least one is needed. "
            "Name a file: data.transactions.path=…"
        )
    require_zone("data.timezone", source.timezone)
    faults: list[PatronageError] = []
    files: dict[str, dict[str, list[str]]] = {}
    with tempfile.TemporaryDirectory(prefix="patronage-") as scratch, duckdb.connect() as connection:
        for name, table in source.tables.items():
            try:
                check_options(name, table)
                found = resolve_files(name, table)
                files[name] = {
                    key: in_utf8(option_of(name, table, key), matched, table.encoding, Path(scratch))
                    for key, matched in found.items()
                }
            except PatronageError as error:
                faults.append(error)
        _fence(connection, scratch, [file for matched in files.values() for one in matched.values() for file in one])
        opened: dict[str, Mapped] = {}
        for name, matched in files.items():
            try:
                opened[name] = map_table(connection, source, name, matched)
            except PatronageError as error:
                faults.append(error)
        if faults:
            config_too = any(isinstance(fault, InvalidConfigError) for fault in faults)
            raise (InvalidConfigError if config_too else InvalidInputError)("\n".join(str(fault) for fault in faults))
        whole = _whole_keys(opened)
        for name, mapped in opened.items():
            connection.execute(f"CREATE VIEW keyed_{name} AS {mapped.selection(whole)}")
        yield Tables(
            source,
            connection,
            {name: one.columns for name, one in opened.items()},
            {name: one.readings for name, one in opened.items()},
            tuple(note for one in opened.values() for note in one.notes),
            opened["transactions"].clocks.get("ordered_at") if "transactions" in opened else None,
            {name: one.extents for name, one in opened.items()},
            whole,
        )


def _whole_keys(opened: Mapping[str, Mapped]) -> dict[str, str]:
    """Keys that every table has as whole numbers, with their SQL type.

    Features group millions of rows by these keys, and numbers take a fraction of the time and memory of their texts;
    to tell products of an order apart takes a third less by four bytes than by eight.
    """
    whole: dict[str, str] = {}
    for key in SHARED_KEYS:
        extents = [one.extents.get(key) for one in opened.values() if key in one.readings]
        types = {extent.sql_type for extent in extents if extent is not None}
        if extents and None not in extents:
            # What an expression reads itself stays as wide as it may be calculated with.
            whole[key] = "INTEGER" if key in KEYED and "BIGINT" not in types else "BIGINT"
    return whole


def _fence(connection: duckdb.DuckDBPyConnection, scratch: str, files: list[str]) -> None:
    """Let queries read the inputs and nothing else: feature SQL comes from configuration files."""
    connection.execute(f"SET temp_directory = {quote_text(scratch)}")
    connection.execute(f"SET allowed_paths = [{', '.join(quote_text(file) for file in files)}]")
    connection.execute("SET enable_external_access = false")
    # Moments with an offset must not fall on other days on another machine.
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")


def check_options(name: str, table: TableSource) -> None:
    """Check what a table's entry says before anything is read."""
    if name not in CANONICAL:
        raise InvalidConfigError(f"there is no table {name}; expected {', '.join(CANONICAL)}.")
    for option in ("null_key", "invalid_value", "duplicates"):
        if (policy := getattr(table, option)) not in POLICIES:
            raise InvalidConfigError(f"data.{name}.{option} must be one of {', '.join(POLICIES)}; got {policy!r}.")
    if sum(origin is not None for origin in (table.path, table.query, table.frame)) != 1:
        raise InvalidConfigError(f"table {name}: give either data.{name}.path or data.{name}.query with files.")
    if unknown := [column for column in table.columns if column in table.derive]:
        raise InvalidInputError(f"table {name}: column {unknown[0]} is both mapped and derived; keep one.")
    if table.timezone is not None:
        require_zone(f"data.{name}.timezone", table.timezone)
    if table.delimiter is not None and len(table.delimiter) != 1:
        raise InvalidConfigError(f"data.{name}.delimiter must be one sign; got {table.delimiter!r}.")
