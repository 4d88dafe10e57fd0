"""One table on its way from its origin to a canonical view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables.canonical import ALL_IDS, CANONICAL, KEYS, DataSource, Kind, TableSource
from patronage.tables.clock import Clock
from patronage.tables.database import database_chunks, is_url, unified
from patronage.tables.deciding import Decision, decide
from patronage.tables.files import describe, scan, told
from patronage.tables.frames import as_arrow
from patronage.tables.notation import NO_ID, present, presented
from patronage.tables.reading import TEXTS, Reader, as_text
from patronage.tables.sql import Reading, quote

TYPED_IN_MEMORY_BYTES = 2 * 2**30
"""Text files up to this size are read once and kept as typed rows; larger ones are read anew by each query."""

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_WHOLE = (*_NUMBERS[:5], "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_READABLE: Mapping[Kind, tuple[str, ...]] = {
    "id": (*_NUMBERS, *_WHOLE, "UUID"),
    "time": (*_NUMBERS, *_WHOLE, *_MOMENTS),
    "money": (*_NUMBERS, *_WHOLE),
    "number": (*_NUMBERS, *_WHOLE, "BOOLEAN"),
    "text": (*_NUMBERS, *_WHOLE, *_MOMENTS, "BOOLEAN", "UUID"),
    "flag": (*_NUMBERS, *_WHOLE, "BOOLEAN"),
}
"""Types that may hold a canonical kind, beside text and nothing at all."""

_NOUNS: Mapping[Kind, str] = {
    "id": "text or whole numbers",
    "time": "dates",
    "money": "numbers",
    "number": "numbers",
    "text": "text",
    "flag": "true or false",
}


SHARED_KEYS = ("customer_id", "order_id", "product_id")
"""Keys that features group and join by."""

KEYED = ("order_id", "product_id")
"""Of these the number stands in a column of its own, ``key of …``: an expression may read the key itself, and must find
the same text however it is stored."""

CUT_BY = ("ordered_at",)
"""Moments by which millions of rows are cut to a period."""

_FITS_BIGINT = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


@dataclass(frozen=True)
class Extent:
    """What is known of a key that is whole numbers in the source; of Parquet without reading a row.

    Attributes
    ----------
    least, greatest : int, optional
        None where there is no number.
    n_rows : int
        With and without a number.
    n_empty : int
        Without one.
    """

    least: int | None
    greatest: int | None
    n_rows: int
    n_empty: int

    @property
    def sql_type(self) -> str:
        """INTEGER, or BIGINT where four bytes do not hold all."""
        if self.least is None or self.greatest is None or -(2**31) <= self.least <= self.greatest < 2**31:
            return "INTEGER"
        return "BIGINT"


@dataclass(frozen=True)
class Mapped:
    """One open table; see `opening.Tables`.

    Attributes
    ----------
    columns, readings, notes
    extents : mapping
        Keys that are whole numbers in the source → what is known of them.
    stored : mapping
        Columns of moments by which rows are cut → SQL of the moment as it is stored, on whatever clock.
    clocks : mapping
        Columns of these → how they are told on the data's own clock, where that is known.
    picked : mapping
        Column → SQL of its value.
    rows : str
        SQL of the rows they are picked from, from FROM on.
    distinct : bool
        Whether rows that equal another are left out.
    """

    columns: Mapping[str, str]
    readings: Mapping[str, Reading]
    notes: tuple[str, ...]
    extents: Mapping[str, Extent]
    stored: Mapping[str, str]
    clocks: Mapping[str, Clock]
    picked: Mapping[str, str]
    rows: str
    distinct: bool

    def selection(self, whole: Mapping[str, str]) -> str:
        """SQL of the canonical rows, and of columns to group and join by; keys in ``whole`` are numbers there."""
        numbers = {
            column: f"{quote(self.readings[column].source)}::{sql_type}"
            for column, sql_type in whole.items()
            if column in self.extents
        }
        columns = {column: sql if column in KEYED else numbers.get(column, sql) for column, sql in self.picked.items()}
        columns |= {
            f"key of {column}": numbers.get(column, self.picked[column]) for column in KEYED if column in columns
        }
        columns |= {f"stored {column}": sql for column, sql in self.stored.items()}
        listed = ", ".join(f"{sql} AS {quote(column)}" for column, sql in columns.items())
        return f"SELECT {'DISTINCT ' if self.distinct else ''}{listed} {self.rows}"


def map_table(
    connection: duckdb.DuckDBPyConnection, source: DataSource, name: str, files: Mapping[str, list[str]]
) -> Mapped:
    """Make the views ``raw_<table>`` (source columns and derived ones) and ``<table>`` (canonical).

    Parameters
    ----------
    connection : DuckDBPyConnection
    source : DataSource
    name : str
        The table.
    files : mapping
        Its files, by their name in the query, or "" for the one path.
    """
    return _Mapping(connection, source, name, files).map()


def option_of(name: str, table: TableSource, key: str) -> str:
    """The option of a data configuration that names a file."""
    return f"data.{name}.files.{key}" if table.query is not None else f"data.{name}.path"


class _Mapping:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: DataSource, name: str, files: Mapping[str, list[str]]
    ) -> None:
        self.connection = connection
        self.timezone = source.timezone
        self.name = name
        self.table = source.tables[name]
        self.files = files
        self.kinds = CANONICAL[name]
        self.notes: list[str] = []
        # Columns of identifiers that are trimmed already, and empty where there is none.
        self.clean: set[str] = set()

    def map(self) -> Mapped:
        origin = self._origin()
        what = "query" if self.table.query is not None else "path"
        given = describe(self.connection, f"data.{self.name}.{what}", f"SELECT * FROM {origin}")
        where = f"WHERE {self.table.where}" if self.table.where is not None else ""
        derived = "".join(f", ({sql}) AS {quote('derived ' + name)}" for name, sql in self.table.derive.items())
        raw = f"SELECT *{derived} FROM {origin} {where}"
        option = f"data.{self.name}.derive or data.{self.name}.where"
        self._require_one_query(option, raw)
        types = describe(self.connection, option, raw)
        self.connection.execute(f"CREATE VIEW raw_{self.name} AS {raw}")

        taken = self._taken(given)
        self._require_formats(taken)
        self._require_types(taken, types)
        with told(option):
            decisions = self._decide(taken, types)
            self._require_settled(taken, decisions)
            reader = Reader(self.connection, self.name, self.table.timezone, self.timezone)
            readings = {
                column: reader.read(
                    column,
                    source,
                    types[source],
                    decisions.get(source, Decision()),
                    clean=self.table.path is not None and source in self.clean,
                )
                for column, source in taken.items()
            }
        picked = {column: _called(column, reading) for column, reading in readings.items()}
        with told(option):
            extents = {
                column: self._extent(taken[column])
                for column in SHARED_KEYS
                if column in self.kinds and column in taken and types[taken[column]] in _FITS_BIGINT
            }
        distinct = self.table.duplicates == "drop"
        # Rows that equal another by the data's clock may differ by the clock they are stored in.
        stored, clocks = {}, {}
        for column in [one for one in CUT_BY if one in self.kinds]:
            as_stored = types[taken[column]] in _MOMENTS and not distinct
            stored[column] = quote(taken[column]) if as_stored else picked[column]
            if clock := reader.clocks.get(column) if as_stored else Clock():
                clocks[column] = clock
        canonical = {column: reading for column, reading in readings.items() if column in self.kinds}
        rows = f"FROM raw_{self.name} {self._kept_rows(canonical)}"
        listed = ", ".join(f"{sql} AS {quote(column)}" for column, sql in picked.items())
        self.connection.execute(f"CREATE VIEW every_{self.name} AS SELECT {listed} {rows}")
        self.connection.execute(f"CREATE VIEW {self.name} AS SELECT {'DISTINCT ' * distinct}* FROM every_{self.name}")
        columns = describe(self.connection, self.name, f"SELECT * FROM {self.name}")
        return Mapped(columns, canonical, tuple(self.notes), extents, stored, clocks, picked, rows, distinct)

    def _extent(self, source: str) -> Extent:
        column = quote(source)
        asked = f"SELECT min({column}), max({column}), count(*), count(*) - count({column}) FROM raw_{self.name}"
        return Extent(*self.connection.execute(asked).fetchall()[0])

    def _require_one_query(self, option: str, sql: str) -> None:
        """Check that what the configuration adds makes no further statement: one could write files."""
        with told(option):
            statements = self.connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InvalidConfigError(f"{option}: expected one expression or SELECT; got {len(statements)} statements.")

    def _origin(self) -> str:
        """The table's rows as they are given, as a relation in SQL."""
        table = self.table
        given = f"given_{self.name}"
        if table.frame is not None:
            rows, notes = as_arrow(self.name, table.frame)
            self.notes += notes
            self.connection.register(given, rows)
            return given
        if table.path is not None and is_url(table.path):
            self._store(given, table.path)
            return given
        if table.path is not None:
            return self._scanned("", self.files[""])
        named = ", ".join(
            f"{quote(key)} AS (SELECT * FROM {self._scanned(key, matched)})" for key, matched in self.files.items()
        )
        return f"({f'WITH {named} ' if named else ''}SELECT * FROM ({table.query}))"

    def _store(self, given: str, url: str) -> None:
        """Keep a database's rows; a column's type widens where a later chunk needs it."""
        stored: dict[str, pa.DataType] = {}
        for chunk in database_chunks(f"data.{self.name}", url, self.table.table):
            self.connection.register("chunk", chunk)
            types = {name: chunk.schema.field(name).type for name in chunk.column_names}
            wider = {name: unified(stored.get(name, kind), kind) for name, kind in types.items()}
            shape = pa.schema([(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in wider.items()])
            if not stored:
                self.connection.register("shape", shape.empty_table())
                self.connection.execute(f"CREATE TABLE {given} AS SELECT * FROM shape")
            elif wider != stored:
                self.connection.register("shape", shape.empty_table())
                needed = describe(self.connection, f"data.{self.name}", "SELECT * FROM shape")
                for name, kind in wider.items():
                    if kind != stored[name]:
                        value = "NULL" if pa.types.is_null(stored[name]) else quote(name)
                        self.connection.execute(
                            f"ALTER TABLE {given} ALTER {quote(name)} TYPE {needed[name]} USING {value}::{needed[name]}"
                        )
            stored = wider
            self.connection.execute(f"INSERT INTO {given} SELECT * FROM chunk")
            self.connection.unregister("chunk")

    def _scanned(self, key: str, files: list[str]) -> str:
        """Files as a relation in SQL; columns of text files get types that all their rows fit."""
        option = option_of(self.name, self.table, key)
        found = scan(self.connection, option, files, self.table)
        self.notes += found.notes
        if not found.is_text:
            return found.query
        columns = list(describe(self.connection, option, f"SELECT * FROM {found.query}"))
        with told(option):
            if sum(Path(file).stat().st_size for file in files) > TYPED_IN_MEMORY_BYTES:
                return f"({self._typed(found.query, columns, key)})"
            texts, typed = quote(f"texts of {self.name} {key}"), quote(f"rows of {self.name} {key}")
            self.connection.execute(f"CREATE TEMP TABLE {texts} AS SELECT * FROM {found.query}")
            self.connection.execute(f"CREATE TABLE {typed} AS {self._typed(texts, columns, key)}")
            self.connection.execute(f"DROP TABLE {texts}")
        return typed

    def _typed(self, rows: str, columns: list[str], key: str) -> str:
        """SQL of a text file's rows with a type for each column that all its values fit."""
        mapped = {} if key else {self.table.columns.get(one, one).lower(): one for one in self.kinds}
        ids = {self.table.columns.get(one, one).lower() for one in ALL_IDS}
        formatted = {self.table.columns.get(one, one).lower() for one in self.table.formats}
        wanted: dict[str, Kind | None] = {}
        for column in columns:
            canonical = mapped.get(column.lower())
            kind = self.kinds[canonical] if canonical is not None and canonical not in self.table.derive else None
            if column.lower() not in ids | formatted and kind not in ("id", "text"):
                wanted[column] = kind
        self.clean |= {column for column in columns if column.lower() in ids}
        replaced = [
            f"{present(quote(column), NO_ID)} AS {quote(column)}" for column in columns if column.lower() in ids
        ]
        read = []
        for column, decision in decide(self.connection, rows, wanted, {}).items():
            if decision.notation is not None and decision.complete and not decision.doubt:
                replaced.append(f"{decision.notation.read(quote(column))} AS {quote(column)}")
                read.append(column)
                self._tell(column, decision)
            elif decision.doubt and wanted[column] is None:
                self.notes.append(f"table {self.name}: column {column}: {decision.doubt}; it stays text")
        typed = f" REPLACE ({', '.join(replaced)})" if replaced else ""
        return f"SELECT *{typed} FROM {presented(rows, read)}"

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

    def _require_formats(self, taken: Mapping[str, str]) -> None:
        if unknown := [column for column in self.table.formats if column not in taken]:
            raise InvalidConfigError(
                f"data.{self.name}.formats names {unknown[0]}, which is no column of the table; it has "
                f"{', '.join(taken)}."
            )

    def _require_types(self, taken: Mapping[str, str], types: Mapping[str, str]) -> None:
        """Refuse lists, bytes, durations and the like where a canonical column wants a plain value."""
        faults = []
        for column, source in taken.items():
            kind, held = self.kinds.get(column), types[source]
            plain = held.partition("(")[0]  # what follows may list values, as of an ENUM
            if kind is None or (plain in (*TEXTS, '"NULL"', "ENUM", *_READABLE[kind]) and not held.endswith("]")):
                continue
            faults.append(
                f"table {self.name}, column {source.removeprefix('derived ')}: holds "
                f"{'LIST' if held.endswith(']') else plain}, expected {_NOUNS[kind]}; make it so with "
                f"data.{self.name}.derive.{column}=…"
            )
        if faults:
            raise InvalidInputError("\n".join(faults))

    def _decide(self, taken: Mapping[str, str], types: Mapping[str, str]) -> dict[str, Decision]:
        """How canonical columns are read that are still text, or dates written as whole numbers such as 20171031."""
        wanted: dict[str, Kind | None] = {
            source: self.kinds.get(column)
            for column, source in taken.items()
            if self._is_text(column, types[source]) and (column in self.kinds or column in self.table.formats)
        }
        wanted = {source: kind for source, kind in wanted.items() if kind != "text"}
        formats = {taken[column]: form for column, form in self.table.formats.items() if taken[column] in wanted}
        relation = f"raw_{self.name}"
        # A JSON column is one that is not of one type throughout.
        plain = [
            f"{as_text(source, types[source])} AS {quote(source)}" for source in wanted if types[source] != "VARCHAR"
        ]
        if plain:
            relation = f"(SELECT * REPLACE ({', '.join(plain)}) FROM {relation})"
        decisions = decide(self.connection, relation, wanted, formats)
        for column, decision in decisions.items():
            if wanted[column] != "id" or decision.complete:
                self._tell(column, decision)
        return decisions

    def _is_text(self, column: str, sql_type: str) -> bool:
        return sql_type in TEXTS or (self.kinds.get(column) == "time" and sql_type in _WHOLE)

    def _tell(self, column: str, decision: Decision) -> None:
        if decision.told:
            self.notes.append(f"table {self.name}: column {column.removeprefix('derived ')} {decision.told}")

    def _require_settled(self, taken: Mapping[str, str], decisions: Mapping[str, Decision]) -> None:
        columns = {source: column for column, source in taken.items()}
        faults = [
            f"table {self.name}, column {source.removeprefix('derived ')}: {decision.doubt}; "
            + (
                f"make them one with data.{self.name}.derive.{columns[source]}=…"
                if "currencies" in decision.doubt
                else f"say which is meant with data.{self.name}.formats.{columns[source]}=…"
            )
            for source, decision in decisions.items()
            if decision.doubt
        ]
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


def _called(column: str, reading: Reading) -> str:
    """SQL of a value; DuckDB gives a bare column its old name where the new one differs by capitals alone."""
    only_capitals = reading.source != column and reading.source.lower() == column.lower()
    return f"CASE WHEN true THEN {reading.value} END" if only_capitals else reading.value
