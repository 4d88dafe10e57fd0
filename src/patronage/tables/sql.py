"""Pieces of SQL: quoted names and texts, and values read as canonical kinds."""

from __future__ import annotations

from dataclasses import dataclass

from patronage.tables.canonical import EARLIEST, LATEST, SQL_TYPES, Kind

BLANKS = " \t\r\n\v\f\u00a0\u2007\u200b\u202f\ufeff"
"""What may surround a value without belonging to it; spreadsheets and web pages leave more than spaces."""

EXACT_IN_FLOATS = {"DOUBLE": 2**53, "FLOAT": 2**24}
"""Whole numbers from here on are not told apart by the floating point type."""


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
    future : str
        SQL condition: it is a moment later than the column can hold.
    hint : str
        What the values look like where they cannot be read, with the remedy; "" where nothing is known.
    """

    source: str
    kind: Kind | None
    value: str
    given: str
    future: str = "false"
    hint: str = ""

    @property
    def absent(self) -> str:
        """SQL condition: there is no value."""
        return f"{self.given} IS NULL"

    @property
    def invalid(self) -> str:
        """SQL condition: there is a value, but not of this kind."""
        if self.kind in ("text", None) or self.value == self.given:
            return "false"
        return f"{self.given} IS NOT NULL AND {self.value} IS NULL"

    @property
    def label(self) -> str:
        """Name of the column for people."""
        return self.source.removeprefix("derived ")


def cast(value: str, kind: Kind, sql_type: str, latest: str = str(LATEST)) -> str:
    """SQL that reads a typed value as the canonical kind; null where it cannot be read, or is later than ``latest``."""
    if kind == "id" and sql_type in EXACT_IN_FLOATS:
        # pandas turns whole numbers to floats where some are missing: 7.0 is the customer 7 of other tables.
        whole = f"TRY_CAST({value} AS BIGINT)"
        return (
            f"CASE WHEN abs({value}) >= {EXACT_IN_FLOATS[sql_type]} OR NOT isfinite({value}) THEN NULL "
            f"WHEN {whole} = {value} THEN {whole}::VARCHAR ELSE {value}::VARCHAR END"
        )
    if kind == "flag" and sql_type not in ("BOOLEAN", "VARCHAR"):  # DuckDB takes every number but 0 for true
        return f"CASE {value} WHEN 1 THEN true WHEN 0 THEN false END"
    read = f"TRY_CAST({value} AS {SQL_TYPES[kind]})"
    if kind == "time":  # 9999-12-31 and infinity are dates to DuckDB too
        return f"CASE WHEN {read} BETWEEN TIMESTAMP '{EARLIEST}' AND TIMESTAMP {quote_text(latest)} THEN {read} END"
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


def numbered(names: list[str]) -> list[str]:
    """Column names without blanks around them, numbered where two are alike or one is empty."""
    unique: list[str] = []
    taken: set[str] = set()
    for position, given in enumerate(names):
        name = given.strip(BLANKS) or f"column{position}"
        number = 1
        fresh = name
        while fresh.lower() in taken:
            fresh, number = f"{name}_{number}", number + 1
        unique.append(fresh)
        taken.add(fresh.lower())
    return unique


def renamed(table: str, given: list[str], unique: list[str]) -> tuple[str, ...]:
    """Notes on the columns that could not keep their name."""
    pairs = zip(given, unique, strict=True)
    return tuple(
        f"table {table}: there are several columns called {old.strip(BLANKS)}; one of them is read as {new}"
        for old, new in pairs
        if new != old.strip(BLANKS) and old.strip(BLANKS)
    )
