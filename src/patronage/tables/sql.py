"""Pieces of SQL: quoted names and texts, and values read as canonical kinds."""

from __future__ import annotations

from dataclasses import dataclass

from patronage.tables.canonical import SQL_TYPES, Kind


@dataclass(frozen=True)
class Reading:
    """How one canonical column is read from ``raw_<table>``.

    Attributes
    ----------
    source : str
        Its column there.
    kind : str, optional
        What it holds; None for a column that passes through.
    value : str
        SQL of the value, null where there is none or it cannot be read.
    given : str
        SQL of what is there before it is read; null where nothing is.
    """

    source: str
    kind: Kind | None
    value: str
    given: str

    @property
    def absent(self) -> str:
        """SQL condition: there is no value; an identifier of blanks is none."""
        return f"coalesce(trim({self.value}), '') = ''" if self.kind == "id" else f"{self.given} IS NULL"

    @property
    def invalid(self) -> str:
        """SQL condition: there is a value, but not of this kind."""
        return "false" if self.kind in ("id", "text", None) else f"{self.given} IS NOT NULL AND {self.value} IS NULL"

    @property
    def label(self) -> str:
        """Name of the column for people."""
        return self.source.removeprefix("derived ")


def cast(value: str, kind: Kind, sql_type: str, latest: str = "2199-12-31") -> str:
    """SQL that reads a typed value as the canonical kind; null where it cannot be read, or is later than ``latest``."""
    if kind == "id" and sql_type in ("DOUBLE", "FLOAT"):
        # pandas turns whole numbers to floats where some are missing: 7.0 is the customer 7 of other tables.
        whole = f"TRY_CAST({value} AS BIGINT)"
        return f"CASE WHEN {whole} = {value} THEN {whole}::VARCHAR WHEN NOT isnan({value}) THEN {value}::VARCHAR END"
    read = f"TRY_CAST({value} AS {SQL_TYPES[kind]})"
    if kind == "time":  # 9999-12-31 and infinity stand for "never"; no customer ordered then
        return f"CASE WHEN {read} BETWEEN TIMESTAMP '1900-01-01' AND TIMESTAMP {quote_text(latest)} THEN {read} END"
    return f"CASE WHEN isfinite({read}) THEN {read} END" if kind == "number" else read


def first_line(error: Exception) -> str:
    """First line of a DuckDB message; the rest quotes the generated statement."""
    return str(error).splitlines()[0]


def quote(identifier: str) -> str:
    """SQL identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
