"""Opening the canonical tables: views over the files, behind a fence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from patronage.errors import InvalidConfigError, InvalidInputError, PatronageError
from patronage.tables.canonical import ALL_IDS, CANONICAL, HAPPENED, KEYS, POLICIES, DataSource, Kind, TableSource
from patronage.tables.clock import converted, require_zone
from patronage.tables.database import database_chunks, is_url
from patronage.tables.files import describe, in_utf8, resolve_files, scan, told
from patronage.tables.notation import MISSING_WORDS, Decision, decide, present, present_in
from patronage.tables.sql import Reading, cast, quote, quote_text

TYPED_IN_MEMORY_BYTES = 2 * 2**30
"""Text files up to this size are read once and kept as typed rows; larger ones are read anew by each query."""


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
    readings : mapping
        Table → (column → how it is read from ``raw_<table>``), for the canonical columns that are there.
    notes : tuple of str
        How texts were read where more than one way was thinkable.
    """

    source: DataSource
    connection: duckdb.DuckDBPyConnection
    columns: Mapping[str, Mapping[str, str]]
    readings: Mapping[str, Mapping[str, Reading]]
    notes: tuple[str, ...] = ()

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
                    key: in_utf8(_option(name, table, key), matched, table.encoding, Path(scratch))
                    for key, matched in found.items()
                }
            except PatronageError as error:
                faults.append(error)
        _fence(connection, scratch, [file for matched in files.values() for one in matched.values() for file in one])
        opened: dict[str, _Opened] = {}
        for name, matched in files.items():
            try:
                opened[name] = _Opening(connection, source, name, matched).open()
            except PatronageError as error:
                faults.append(error)
        if faults:
            config_too = any(isinstance(fault, InvalidConfigError) for fault in faults)
            raise (InvalidConfigError if config_too else InvalidInputError)("\n".join(str(fault) for fault in faults))
        yield Tables(
            source,
            connection,
            {name: one.columns for name, one in opened.items()},
            {name: one.readings for name, one in opened.items()},
            tuple(note for one in opened.values() for note in one.notes),
        )


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


def _option(name: str, table: TableSource, key: str) -> str:
    return f"data.{name}.files.{key}" if table.query is not None else f"data.{name}.path"


@dataclass(frozen=True)
class _Opened:
    columns: Mapping[str, str]
    readings: Mapping[str, Reading]
    notes: tuple[str, ...]


class _Opening:
    """One table on its way from its origin to a canonical view."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: DataSource,
        name: str,
        files: Mapping[str, list[str]],
    ) -> None:
        self.connection = connection
        self.timezone = source.timezone
        self.name = name
        self.table = source.tables[name]
        self.files = files
        self.kinds = CANONICAL[name]
        self.notes: list[str] = []

    def open(self) -> _Opened:
        """Make the views ``raw_<table>`` and ``<table>``."""
        origin = self._origin()
        what = "query" if self.table.query is not None else "path"
        given = describe(self.connection, f"data.{self.name}.{what}", f"SELECT * FROM {origin}")
        where = f"WHERE {self.table.where}" if self.table.where is not None else ""
        derived = "".join(f", ({sql}) AS {quote('derived ' + name)}" for name, sql in self.table.derive.items())
        raw = f"SELECT *{derived} FROM {origin} {where}"
        option = f"data.{self.name}.derive or data.{self.name}.where"
        types = describe(self.connection, option, raw)
        self.connection.execute(f"CREATE VIEW raw_{self.name} AS {raw}")

        taken = self._taken(given)
        with told(option):
            decisions = self._decide(
                {column: source for column, source in taken.items() if column in self.kinds}, types
            )
            readings = {column: self._reading(column, source, types, decisions) for column, source in taken.items()}
        self._require_unambiguous(readings, decisions)
        picked = ", ".join(f"{reading.value} AS {quote(column)}" for column, reading in readings.items())
        canonical = {column: reading for column, reading in readings.items() if column in self.kinds}
        distinct = "DISTINCT " if self.table.duplicates == "drop" else ""
        kept = self._kept_rows(canonical)
        self.connection.execute(f"CREATE VIEW {self.name} AS SELECT {distinct}{picked} FROM raw_{self.name} {kept}")
        columns = describe(self.connection, self.name, f"SELECT * FROM {self.name}")
        return _Opened(columns, canonical, tuple(self.notes))

    def _origin(self) -> str:
        """The table's rows as they are given, as a relation in SQL."""
        table = self.table
        if table.frame is not None:
            frame = table.frame
            try:
                rows = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
            except (pa.ArrowInvalid, pa.ArrowTypeError, AttributeError, TypeError) as error:
                raise InvalidInputError(
                    f"table {self.name}: its frame cannot be read ({type(error).__name__}); expected a DataFrame or an "
                    "Arrow table whose columns hold one type each."
                ) from None
            self.connection.register(f"given_{self.name}", rows)
            return f"given_{self.name}"
        if table.path is not None and is_url(table.path):
            chunks = database_chunks(f"data.{self.name}", table.path, table.table)
            self.connection.register("chunk", pa.concat_tables(chunks, promote_options="permissive"))
            self.connection.execute(f"CREATE TABLE given_{self.name} AS SELECT * FROM chunk")
            self.connection.unregister("chunk")
            return f"given_{self.name}"
        if table.path is not None:
            return self._scanned("", self.files[""])
        named = ", ".join(
            f"{quote(key)} AS (SELECT * FROM {self._scanned(key, matched)})" for key, matched in self.files.items()
        )
        return f"({f'WITH {named} ' if named else ''}SELECT * FROM ({table.query}))"

    def _scanned(self, key: str, files: list[str]) -> str:
        """Files as a relation in SQL; columns of text files get types that all their rows fit."""
        option = _option(self.name, self.table, key)
        found = scan(option, files, self.table)
        self.notes += found.notes
        if not found.is_text:
            return found.query
        types = describe(self.connection, option, f"SELECT * FROM {found.query}")
        mapped = {} if key else {self.table.columns.get(one, one).lower(): one for one in self.kinds}
        ids = {self.table.columns.get(one, one).lower() for one in ALL_IDS}
        wanted: dict[str, Kind | None] = {}
        for column in types:
            canonical = mapped.get(column.lower())
            kind = self.kinds[canonical] if canonical is not None and canonical not in self.table.derive else None
            if column.lower() not in ids and kind not in ("id", "text") and canonical not in self.table.formats:
                wanted[column] = kind
        with told(option):
            decisions = decide(self.connection, found.query, wanted, {})
            replaced = []
            for column, decision in decisions.items():
                if decision.notation is not None and decision.complete and not decision.rival:
                    replaced.append(f"{decision.notation.read(column)} AS {quote(column)}")
                    self._tell(column, decision)
                elif decision.rival and wanted[column] is None:
                    self.notes.append(
                        f"table {self.name}: column {column} can be read as {decision.notation.name} "  # type: ignore[union-attr]
                        f"and as {decision.rival}; it stays text"
                    )
            typed = f" REPLACE ({', '.join(replaced)})" if replaced else ""
            select = f"SELECT *{typed} FROM {found.query}"
            if sum(Path(file).stat().st_size for file in files) > TYPED_IN_MEMORY_BYTES:
                return f"({select})"
            relation = quote(f"rows of {self.name} {key}")
            self.connection.execute(f"CREATE TABLE {relation} AS {select}")
        return relation

    def _taken(self, given: Mapping[str, str]) -> dict[str, str]:
        """Canonical and extra columns → columns of the raw view."""
        taken: dict[str, str] = {column: f"derived {column}" for column in self.table.derive}
        lower = {column.lower(): column for column in given}
        missing = []
        for column in {**dict.fromkeys(self.kinds), **self.table.columns}:
            if column in taken:
                continue
            wanted = self.table.columns.get(column, column)
            if wanted.lower() in lower:
                taken[column] = lower[wanted.lower()]
            elif column in self.table.columns or column in KEYS[self.name]:
                missing.append(wanted)
        if missing:
            missing = list(dict.fromkeys(missing))
            raise InvalidInputError(
                f"table {self.name}: {len(missing)} column(s) missing: {', '.join(missing)}; "
                f"found: {', '.join(given)}. "
                f"Map them with data.{self.name}.columns.<canonical>=<your column>."
            )
        for column in given:  # extra columns pass through
            if column not in taken.values() and column.lower() not in {c.lower() for c in taken}:
                taken[column] = column
        return taken

    def _decide(self, taken: Mapping[str, str], types: Mapping[str, str]) -> dict[str, Decision]:
        """How canonical columns are read that are still text."""
        wanted: dict[str, Kind | None] = {
            source: self.kinds[column]
            for column, source in taken.items()
            if types[source] in ("VARCHAR", "JSON") and self.kinds[column] != "text"
        }
        formats = {taken[column]: form for column, form in self.table.formats.items() if column in taken}
        relation = f"raw_{self.name}"
        if json := [column for column in wanted if types[column] == "JSON"]:
            # A JSON column is one that is not of one type throughout.
            plain = ", ".join(f"({quote(column)} ->> '$') AS {quote(column)}" for column in json)
            relation = f"(SELECT * REPLACE ({plain}) FROM {relation})"
        decisions = decide(self.connection, relation, wanted, formats)
        for column, decision in decisions.items():
            if not decision.rival:
                self._tell(column, decision)
        return decisions

    def _tell(self, column: str, decision: Decision) -> None:
        if (
            decision.complete
            and decision.notation is not None
            and decision.notation.name not in ("plain", "whole", "flag", "ISO")
        ):
            self.notes.append(
                f"table {self.name}: column {column.removeprefix('derived ')} is read as {decision.notation.name}"
            )

    def _reading(
        self, column: str, source: str, types: Mapping[str, str], decisions: Mapping[str, Decision]
    ) -> Reading:
        kind, sql_type = self.kinds.get(column), types[source]
        value = given = quote(source)
        if sql_type == "JSON" and kind is not None:
            value = given = f"({value} ->> '$')"
        if kind == "text":
            value = f"{value}::VARCHAR"
        decision = decisions.get(source, Decision())
        if kind == "id" and sql_type in ("VARCHAR", "JSON"):
            words = ", ".join(quote_text(word) for word in MISSING_WORDS if word not in ("na", "n/a"))
            value = f"CASE WHEN lower(trim({given})) NOT IN ({words}) THEN trim({given}) END"
            if decision.notation is not None and decision.complete:
                value = decision.notation.template.replace("{v}", value)
        elif decision.notation is not None:
            given = present(source) if sql_type == "VARCHAR" else present_in(given)
            value = decision.notation.template.replace("{v}", given)
            sql_type = decision.notation.sql_type
        if kind == "time" or sql_type == "TIMESTAMP WITH TIME ZONE":
            value = self._local(value, sql_type)
            sql_type = "TIMESTAMP"
        if kind is not None and kind != "text":
            # A day's grace: the data may come from where it is tomorrow already.
            latest = {"latest": str(datetime.now(UTC).date() + timedelta(days=2))} if column in HAPPENED else {}
            value = cast(value, kind, sql_type, **latest)
        return Reading(source, kind, value, given)

    def _local(self, moment: str, sql_type: str) -> str:
        """SQL of a moment on the data's own clock."""
        if sql_type == "TIMESTAMP WITH TIME ZONE":
            stored_in, moment = "UTC", f"({moment} AT TIME ZONE 'UTC')"
        elif self.table.timezone is None or not sql_type.startswith("TIMESTAMP"):
            return moment
        else:
            stored_in = self.table.timezone
        return converted(self.connection, f"raw_{self.name}", moment, stored_in, self.timezone)

    def _require_unambiguous(self, readings: Mapping[str, Reading], decisions: Mapping[str, Decision]) -> None:
        faults = []
        for column, reading in readings.items():
            decision = decisions.get(reading.source)
            if decision is not None and decision.rival and decision.notation is not None:
                names = [decision.notation.name, decision.rival]
                shown = " and as ".join("1,234.50" if name == "plain" else name for name in names)
                faults.append(
                    f"table {self.name}, column {reading.label}: every value can be read as {shown}, with different "
                    f"results; say which is meant with data.{self.name}.formats.{column}=…"
                )
        if faults:
            raise InvalidInputError("\n".join(faults))

    def _kept_rows(self, readings: Mapping[str, Reading]) -> str:
        """SQL that leaves out the rows whose faults the data config says to drop."""
        conditions = []
        if self.table.null_key == "drop":
            conditions += [f"NOT ({readings[key].absent})" for key in KEYS[self.name]]
        if self.table.invalid_value == "drop":
            conditions += [f"NOT ({reading.invalid})" for reading in readings.values()]
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""
