"""Sources → canonical tables: files mapped onto the columns the rest of patronage speaks of.

DuckDB reads the files in place. Each canonical table is a view: typed, renamed, filtered; nothing is copied, and
once the inputs' paths are allow-listed, no query can open any other file.
"""

from __future__ import annotations

import glob
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

import duckdb

from patronage.errors import InvalidConfigError, InvalidInputError

Kind = Literal["id", "time", "money", "number", "text", "flag"]

SQL_TYPES: Mapping[Kind, str] = {
    "id": "VARCHAR",
    "time": "TIMESTAMP",
    # Decimal sums do not depend on the order of the rows; double sums do.
    "money": "DECIMAL(18, 4)",
    "number": "DOUBLE",
    "text": "VARCHAR",
    "flag": "BOOLEAN",
}

CANONICAL: Mapping[str, Mapping[str, Kind]] = {
    "customers": {"customer_id": "id"},
    "transactions": {
        "customer_id": "id",
        "ordered_at": "time",
        "revenue": "money",
        "order_id": "id",
        "product_id": "id",
        "quantity": "number",
        "cost": "money",
        "margin": "money",
        "discount": "money",
        "coupon": "money",
        "channel": "text",
        "store_id": "id",
    },
    "products": {
        "product_id": "id",
        "category": "text",
        "department": "text",
        "brand": "text",
        "unit_cost": "money",
        "margin_rate": "number",
    },
    "events": {
        "customer_id": "id",
        "occurred_at": "time",
        "event_type": "text",
        "channel": "text",
        "device": "text",
        "referrer": "text",
        "value": "number",
    },
    "contacts": {
        "customer_id": "id",
        "occurred_at": "time",
        "effort": "number",
        "cost": "money",
        "reason": "text",
    },
    "campaigns": {
        "customer_id": "id",
        "campaign_id": "id",
        "sent_at": "time",
        "channel": "text",
        "is_control": "flag",
        "responded_at": "time",
        "revenue": "money",
    },
    "answers": {"customer_id": "id", "question": "text", "answer": "text", "answered_at": "time"},
}
"""The canonical tables: column → what it holds. Other columns pass through as they are."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_id",),
    "transactions": ("customer_id", "ordered_at", "revenue"),
    "products": ("product_id",),
    "events": ("customer_id", "occurred_at", "event_type"),
    "contacts": ("customer_id", "occurred_at"),
    "campaigns": ("customer_id", "campaign_id", "sent_at"),
    "answers": ("customer_id", "question", "answer"),
}
"""The columns without which a canonical table says nothing."""

READERS: Mapping[str, str] = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".txt": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}


@dataclass(frozen=True)
class TableSource:
    """Where one canonical table comes from.

    Attributes
    ----------
    path : str, optional
        A file, a glob, or ``package://name/path`` for a file inside an installed package.
    columns : mapping
        Canonical column → the source's column. Columns of the same name need no entry.
    derive : mapping
        New column → SQL over the source's columns.
    where : str, optional
        SQL condition over the source's columns; other rows are left out.
    query : str, optional
        SQL that builds the table from ``files`` instead of ``path``.
    files : mapping
        Name in ``query`` → path.
    null_key, invalid_value : {"error", "drop", "keep"}
        What happens to rows whose key column is empty, or whose value is not of the column's type. ``keep`` leaves
        the value empty; a key column cannot be kept empty.
    """

    path: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    derive: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    query: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    null_key: str = "error"
    invalid_value: str = "error"


@dataclass(frozen=True)
class DataSource:
    """A named set of sources, by canonical table."""

    name: str
    tables: Mapping[str, TableSource]


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
        row = self.connection.execute(query).fetchone()
        return int(row[0]) if row is not None and row[0] is not None else 0

    def span(self) -> tuple[date, date]:
        """First and last day with a transaction."""
        row = self.connection.execute(
            "SELECT min(ordered_at)::DATE, max(ordered_at)::DATE FROM transactions"
        ).fetchone()
        if row is None or row[0] is None:
            raise InvalidInputError(
                "table transactions: no row with a date, at least one is needed; check data.transactions."
            )
        return row[0], row[1]

    def digest(self) -> str:
        """Fingerprint of every row of every canonical table; the order of the rows does not matter."""
        parts = []
        for table in sorted(self.columns):
            row = self.connection.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} t").fetchone()
            parts.append(f"{table}:{row}")
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
        paths, faults = _resolve_all(source)
        if faults:
            raise InvalidInputError("\n".join(faults))
        _fence(connection, [file for matched in paths.values() for file in matched])
        columns: dict[str, dict[str, str]] = {}
        for name, table in source.tables.items():
            try:
                columns[name] = _create_views(connection, name, table, paths)
            except InvalidInputError as error:
                faults.append(str(error))
        if faults:
            raise InvalidInputError("\n".join(faults))
        yield Tables(source, connection, columns)
    finally:
        connection.close()


def _resolve_all(source: DataSource) -> tuple[dict[tuple[str, str], list[str]], list[str]]:
    """Find every file of every table: ``(table, name in query or "")`` → files, and what is missing."""
    found: dict[tuple[str, str], list[str]] = {}
    faults = []
    for name, table in source.tables.items():
        if (table.path is None) == (table.query is None):
            faults.append(f"table {name}: give either data.{name}.path or data.{name}.query with files.")
            continue
        named = table.files if table.path is None else {"": table.path}
        for key, path in named.items():
            matched = resolve(path)
            if not matched:
                option = f"data.{name}.files.{key}" if key else f"data.{name}.path"
                faults.append(f"table {name}: no file at {path}; set {option} to an existing file.")
            elif any(_reader(file) is None for file in matched):
                known = ", ".join(sorted(READERS))
                faults.append(f"table {name}: {path} is not of a known kind; expected {known} (or .csv.gz).")
            found[name, key] = matched
    return found, faults


def resolve(path: str) -> list[str]:
    """Files that a path, a glob or ``package://name/path`` stands for; empty when there are none."""
    if path.startswith("package://"):
        package, _, rest = path.removeprefix("package://").partition("/")
        spec = importlib.util.find_spec(package)
        roots = list(spec.submodule_search_locations or []) if spec is not None else []
        return [str(file) for root in roots if (file := Path(root) / rest).is_file()]
    if Path(path).is_file():
        return [str(Path(path).resolve())]
    return sorted(str(Path(file).resolve()) for file in glob.glob(path, recursive=True) if Path(file).is_file())


def _reader(file: str) -> str | None:
    suffix = Path(file.removesuffix(".gz")).suffix.lower()
    return READERS.get(suffix)


def _fence(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    """Let queries read the inputs and nothing else: feature SQL comes from configuration files."""
    connection.execute(f"SET allowed_paths = [{', '.join(quote_text(file) for file in files)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _create_views(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    table: TableSource,
    paths: Mapping[tuple[str, str], list[str]],
) -> dict[str, str]:
    kinds = CANONICAL[name]
    if unknown := [column for column in table.columns if column in table.derive]:
        raise InvalidInputError(f"table {name}: column {unknown[0]} is both mapped and derived; keep one.")
    if table.path is not None:
        ids = [table.columns.get(c, c) for c, kind in kinds.items() if kind == "id" and c not in table.derive]
        source = f"SELECT * FROM {_scan(connection, name, paths[name, ''], ids)}"
    else:
        files = (
            f"{quote(key)} AS (SELECT * FROM {_scan(connection, name, paths[name, key], [])})" for key in table.files
        )
        source = f"WITH {', '.join(files)} SELECT * FROM ({table.query})" if table.files else str(table.query)
    given = _describe(connection, f"data.{name}.query", source)

    where = f"WHERE {table.where}" if table.where is not None else ""
    derived = "".join(f", ({sql}) AS {quote('derived ' + column)}" for column, sql in table.derive.items())
    raw = f"SELECT *{derived} FROM ({source}) {where}"
    _describe(connection, f"data.{name}.derive or data.{name}.where", raw)

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
        raise InvalidInputError(
            f"table {name}: {len(missing)} column(s) missing: {', '.join(missing)}; found: {', '.join(given)}. "
            f"Map them with data.{name}.columns.<canonical>=<your column>."
        )
    for column in given:  # extra columns pass through
        if column not in taken.values() and column.lower() not in {c.lower() for c in taken}:
            taken[column] = column

    connection.execute(f"CREATE VIEW raw_{name} AS {raw}")
    picked = ", ".join(
        f"{cast(column, source_column, kinds.get(column))} AS {quote(column)}"
        for column, source_column in taken.items()
    )
    kept = _kept_rows(name, table, taken)
    connection.execute(f"CREATE VIEW {name} AS SELECT {picked} FROM raw_{name} {kept}")
    return _describe(connection, name, f"SELECT * FROM {name}")


def _kept_rows(name: str, table: TableSource, taken: Mapping[str, str]) -> str:
    """SQL that leaves out the rows whose faults the data config says to drop."""
    kinds = CANONICAL[name]
    conditions = []
    if table.null_key == "drop":
        conditions += [f"{quote(taken[key])} IS NOT NULL" for key in KEYS[name]]
    if table.invalid_value == "drop":
        conditions += [f"NOT ({invalid(taken[column], kind)})" for column, kind in kinds.items() if column in taken]
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def cast(column: str, source_column: str, kind: Kind | None) -> str:
    """SQL that reads a source column as the canonical kind; null where it cannot be read."""
    if kind is None:
        return quote(source_column)
    return f"TRY_CAST({quote(source_column)} AS {SQL_TYPES[kind]})"


def invalid(source_column: str, kind: Kind) -> str:
    """SQL condition: there is a value, but not of this kind."""
    return f"{quote(source_column)} IS NOT NULL AND {cast('', source_column, kind)} IS NULL"


def source_columns(table: TableSource, name: str, raw_columns: Mapping[str, str]) -> dict[str, tuple[str, Kind]]:
    """Canonical column → (column of ``raw_<table>``, kind), for the canonical columns that are there."""
    lower = {column.lower(): column for column in raw_columns}
    pairs = {}
    for column, kind in CANONICAL[name].items():
        wanted = f"derived {column}" if column in table.derive else table.columns.get(column, column)
        if wanted.lower() in lower:
            pairs[column] = (lower[wanted.lower()], kind)
    return pairs


def _scan(connection: duckdb.DuckDBPyConnection, name: str, files: list[str], ids: list[str]) -> str:
    """SQL table function over files; id columns of text files stay text, so that 007 is not 7."""
    reader = _reader(files[0])
    listed = f"[{', '.join(quote_text(file) for file in files)}]"
    if reader == "read_parquet":
        return f"read_parquet({listed})"
    if reader == "read_json":
        return f"read_json({listed})"
    # Types are guessed from all rows: a column that turns to text late must not stop the scan half-way.
    plain = f"read_csv({listed}, sample_size = -1)"
    found = _describe(connection, f"data.{name}.path", f"SELECT * FROM {plain}")
    wanted = {column.lower() for column in ids}
    types = ", ".join(f"{quote_text(column)}: 'VARCHAR'" for column in found if column.lower() in wanted)
    return f"read_csv({listed}, sample_size = -1, types = {{{types}}})" if types else plain


def _describe(connection: duckdb.DuckDBPyConnection, option: str, query: str) -> dict[str, str]:
    """Columns and types of a query, without running it."""
    try:
        rows = connection.execute(f"DESCRIBE {query}").fetchall()
    except duckdb.IOException as error:
        raise InvalidInputError(f"{option}: the file cannot be read: {first_line(error)}") from None
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
        raise InvalidConfigError(f"{option}: {first_line(error)}") from None
    except duckdb.Error as error:
        # A conversion message may quote a customer's value, so only its kind is told.
        raise InvalidInputError(f"{option}: the file cannot be read ({type(error).__name__}).") from None
    return {row[0]: row[1] for row in rows}


def first_line(error: Exception) -> str:
    """First line of a DuckDB message; the rest quotes the generated statement."""
    return str(error).splitlines()[0]


def quote(identifier: str) -> str:
    """SQL identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
