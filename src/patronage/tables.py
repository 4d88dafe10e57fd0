"""Sources → canonical tables: files mapped onto the columns the rest of patronage speaks of.

DuckDB reads the files in place. Each canonical table is a view: typed, renamed, filtered; nothing is copied, and
once the inputs' paths are allow-listed, no query can open any other file.
"""

from __future__ import annotations

import glob
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import duckdb

from patronage.errors import InvalidConfigError, InvalidInputError, PatronageError

Kind = Literal["id", "time", "money", "number", "text", "flag"]
POLICIES = ("error", "drop", "keep")

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

ALL_IDS = frozenset(column for kinds in CANONICAL.values() for column, kind in kinds.items() if kind == "id")

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
                files[name] = _resolve_files(name, table)
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


def _resolve_files(name: str, table: TableSource) -> dict[str, list[str]]:
    """Find a table's files, by their name in the query, or "" for the one path."""
    if name not in CANONICAL:
        raise InvalidConfigError(f"there is no table {name}; expected {', '.join(CANONICAL)}.")
    for option, policy in (("null_key", table.null_key), ("invalid_value", table.invalid_value)):
        if policy not in POLICIES:
            raise InvalidConfigError(f"data.{name}.{option} must be one of {', '.join(POLICIES)}; got {policy!r}.")
    if (table.path is None) == (table.query is None):
        raise InvalidConfigError(f"table {name}: give either data.{name}.path or data.{name}.query with files.")
    found = {}
    faults = []
    for key, path in (table.files if table.path is None else {"": table.path}).items():
        found[key] = resolve(path)
        option = f"data.{name}.files.{key}" if key else f"data.{name}.path"
        readers = {_reader(file) for file in found[key]}
        if not readers:
            faults.append(f"table {name}: no file at {path}; set {option} to an existing file.")
        elif None in readers:
            known = ", ".join(sorted(READERS))
            faults.append(f"table {name}: {path} is not of a known kind; {option} takes {known} (or .csv.gz).")
        elif len(readers) > 1:
            faults.append(f"table {name}: {path} finds files of several kinds; set {option} to files of one kind.")
    if faults:
        raise InvalidInputError("\n".join(faults))
    return found


def resolve(path: str) -> list[str]:
    """Files that a path, a glob or ``package://name/path`` stands for; empty when there are none."""
    if path.startswith("package://"):
        package, _, rest = path.removeprefix("package://").partition("/")
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):  # a dotted name whose parent is not there, or no name
            spec = None
        roots = list(spec.submodule_search_locations or []) if spec is not None else []
        return [str(file) for root in roots if (file := Path(root) / rest).is_file()]
    if Path(path).is_file():
        return [str(Path(path).resolve())]
    found = glob.glob(path, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    return sorted(str(Path(file).resolve()) for file in found if Path(file).is_file())


def _reader(file: str) -> str | None:
    suffix = Path(file.removesuffix(".gz")).suffix.lower()
    return READERS.get(suffix)


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
        source = f"SELECT * FROM {_scan(connection, f'data.{name}.path', files[''], ids)}"
    else:
        named = ", ".join(
            f"{quote(key)} AS (SELECT * FROM {_scan(connection, f'data.{name}.files.{key}', matched, ALL_IDS)})"
            for key, matched in files.items()
        )
        source = f"{f'WITH {named} ' if named else ''}SELECT * FROM ({table.query})"
    given = _describe(connection, f"data.{name}.{'query' if table.path is None else 'path'}", source)

    where = f"WHERE {table.where}" if table.where is not None else ""
    derived = "".join(f", ({sql}) AS {quote('derived ' + column)}" for column, sql in table.derive.items())
    raw = f"SELECT *{derived} FROM ({source}) {where}"
    types = _describe(connection, f"data.{name}.derive or data.{name}.where", raw)

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
        f"{cast(source_column, kinds.get(column), types[source_column])} AS {quote(column)}"
        for column, source_column in taken.items()
    )
    kept = _kept_rows(name, table, taken, types)
    connection.execute(f"CREATE VIEW {name} AS SELECT {picked} FROM raw_{name} {kept}")
    return _describe(connection, name, f"SELECT * FROM {name}")


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


def cast(source_column: str, kind: Kind | None, sql_type: str) -> str:
    """SQL that reads a source column as the canonical kind; null where it cannot be read."""
    value = quote(source_column)
    if kind is None:
        return value
    if sql_type == "JSON":  # a column that is not of one type throughout
        value = f"({value} ->> '$')"
    elif kind == "id" and sql_type in ("DOUBLE", "FLOAT"):
        # pandas turns whole numbers to floats where some are missing: 7.0 is the customer 7 of other tables.
        whole = f"TRY_CAST({value} AS BIGINT)"
        value = f"CASE WHEN {whole} = {value} THEN {whole}::VARCHAR WHEN NOT isnan({value}) THEN {value}::VARCHAR END"
    return f"TRY_CAST({value} AS {SQL_TYPES[kind]})"


def absent(source_column: str, kind: Kind, sql_type: str) -> str:
    """SQL condition: there is no value; an identifier of blanks is none."""
    if kind == "id":
        return f"coalesce(trim({cast(source_column, kind, sql_type)}), '') = ''"
    return f"{quote(source_column)} IS NULL"


def invalid(source_column: str, kind: Kind, sql_type: str) -> str:
    """SQL condition: there is a value, but not of this kind."""
    if kind in ("id", "text"):
        return "false"
    return f"{quote(source_column)} IS NOT NULL AND {cast(source_column, kind, sql_type)} IS NULL"


def source_columns(table: TableSource, name: str, raw_columns: Mapping[str, str]) -> dict[str, tuple[str, Kind, str]]:
    """Canonical column → (column of ``raw_<table>``, kind, its SQL type), for the canonical columns that are there."""
    lower = {column.lower(): column for column in raw_columns}
    found = {}
    for column, kind in CANONICAL[name].items():
        wanted = f"derived {column}" if column in table.derive else table.columns.get(column, column)
        if wanted.lower() in lower:
            source = lower[wanted.lower()]
            found[column] = (source, kind, raw_columns[source])
    return found


def _scan(connection: duckdb.DuckDBPyConnection, option: str, files: list[str], ids: Iterable[str]) -> str:
    """SQL table function over files; id columns of text files stay text, so that 007 is not 7, nor 1e5 a number."""
    reader = _reader(files[0])
    # Columns go by name: one of several files may have them in another order, or lack a late one.
    listed = f"[{', '.join(quote_text(file) for file in files)}], union_by_name = {len(files) > 1}"
    if reader == "read_parquet":
        return f"read_parquet({listed})"
    # Types are guessed from all rows: a column that turns to text late must not stop the scan half-way.
    plain = f"{reader}({listed}, sample_size = -1)"
    if reader == "read_json":
        return plain
    found = _describe(connection, option, f"SELECT * FROM {plain}")
    wanted = {column.lower() for column in ids}
    types = ", ".join(f"{quote_text(column)}: 'VARCHAR'" for column in found if column.lower() in wanted)
    return f"read_csv({listed}, sample_size = -1, types = {{{types}}})" if types else plain


def _describe(connection: duckdb.DuckDBPyConnection, option: str, query: str) -> dict[str, str]:
    """Columns and types of a query, without running it."""
    try:
        rows = connection.execute(f"DESCRIBE {query}").fetchall()
    except duckdb.PermissionException:
        raise InvalidConfigError(f"{option}: SQL may read no file but those that data.<table> names.") from None
    except duckdb.IOException as error:
        raise InvalidInputError(f"{option}: the file cannot be read: {first_line(error)}") from None
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
        raise InvalidConfigError(f"{option}: {first_line(error)}") from None
    except duckdb.Error as error:
        # A conversion message may quote a customer's value, so only its kind is told.
        raise InvalidInputError(
            f"{option}: the data cannot be read ({type(error).__name__}); "
            "check that the file is whole and of the kind that its ending says."
        ) from None
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
