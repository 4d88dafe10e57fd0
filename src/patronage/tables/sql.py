"""Pieces of SQL: quoted names and texts, and values read as canonical kinds."""

from __future__ import annotations

from collections.abc import Mapping

from patronage.tables.canonical import CANONICAL, SQL_TYPES, Kind, TableSource


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
    read = f"TRY_CAST({value} AS {SQL_TYPES[kind]})"
    if kind == "time":  # 9999-12-31 and infinity stand for "never"; no customer ordered then
        return f"CASE WHEN {read} BETWEEN TIMESTAMP '1900-01-01' AND TIMESTAMP '2199-12-31' THEN {read} END"
    return read


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


def first_line(error: Exception) -> str:
    """First line of a DuckDB message; the rest quotes the generated statement."""
    return str(error).splitlines()[0]


def quote(identifier: str) -> str:
    """SQL identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
