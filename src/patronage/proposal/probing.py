"""What a column of texts can be read as: tried out on its different values, by the way all tables are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from patronage.errors import InvalidInputError
from patronage.tables import DataSource, TableSource, open_tables, quote

READABLE = 0.95
"""Share of a text column's values that can be read as moments or numbers, for it to hold such."""

FEW = 500
"""Values that tell whether it is worth trying all."""

RIVALS = {"time": ("day/month/year", "month/day/year"), "number": ("1,234.50", "1.234,50")}
"""Ways to write moments and numbers that can be taken for each other."""

Holds = Literal["time", "number"]


@dataclass(frozen=True)
class Probed:
    """Texts that can be read as moments or numbers.

    Attributes
    ----------
    holds : {"time", "number"}
    low, high : datetime or float, optional
        None where two ways to read them give different results.
    whole : bool
    skew : float
    rivals : tuple of str
        The ways to read all of them, where there are two.
    doubt : str
        Why nothing tells which one is meant.
    notation : str
        Of numbers: ``1,234.50`` or ``1.234,50``; empty where they are written plainly.
    """

    holds: Holds
    low: Any = None
    high: Any = None
    whole: bool = False
    skew: float = 0.0
    rivals: tuple[str, ...] = ()
    doubt: str = ""
    notation: str = ""


def probe(values: pa.Array) -> Probed | None:
    """Try to read different texts as moments, then as numbers; None where they are neither.

    Parameters
    ----------
    values : Arrow array of str
        None of them empty.
    """
    if not any(sign.isdigit() for text in values[:FEW].to_pylist() for sign in text):
        return None
    for holds in ("time", "number"):
        few = _read(values[:FEW], holds)
        if few is None:
            continue
        found = few if len(values) <= FEW else _read(values, holds)
        if found is not None:
            return replace(found, notation=_notation(values, found)) if holds == "number" else found
    return None


def number(column: str, notation: str) -> str:
    """SQL that reads a text column as numbers: without currencies and separators of thousands.

    Null where a text is written otherwise, so that no number becomes another.

    Parameters
    ----------
    column : str
    notation : str
        ``1,234.50``, ``1.234,50``, or "" for plain numbers.
    """
    if not notation:
        return f"try_cast({quote(column)} AS DOUBLE)"
    group, point = (",", ".") if notation == RIVALS["number"][0] else ("\\.", ",")
    without = f"regexp_replace({quote(column)}, '{_DRESS}|{group}(\\d{{3}})\\b', '\\1', 'gi')"
    pointed = without if point == "." else f"replace({without}, ',', '.')"
    return f"try_cast({pointed} AS DOUBLE)"


_DRESS = r"[\s\x{A0}\x{202F}$€£¥₽₴₹]|\b(?:eur|usd|gbp|kr|dkk|sek|nok|chf|pln|czk|rub)\b\.?"


def _notation(values: pa.Array, found: Probed) -> str:
    """The notation that reads the same numbers as were found; "" where they are plain, or nothing does."""
    with open_tables(DataSource("probe", {_TABLES["number"]: _source(values, "number", {})})) as tables:
        for notation in ("", *RIVALS["number"]):
            sql = number(_COLUMNS["number"], notation)
            n_read, low, high = tables.row(f"SELECT count({sql}), min({sql}), max({sql}) FROM raw_{_TABLES['number']}")
            if n_read >= READABLE * len(values) and (low, high) == (found.low, found.high):
                return notation
    return ""


def increasing(texts: pa.Array, holds: Holds, notation: str) -> float:
    """Share of neighbouring texts that are in order, read in one way."""
    given = DataSource("probe", {_TABLES[holds]: _source(texts, holds, {_COLUMNS[holds]: notation})})
    column, table = _COLUMNS[holds], _TABLES[holds]
    with open_tables(given) as tables:
        steps = f"SELECT {column} AS one, lag({column}) OVER (ORDER BY patronage_n) AS former FROM {table}"
        (share,) = tables.row(f"SELECT avg((one >= former)::INT) FROM ({steps})")
    return float(share) if share is not None else 0.0


_TABLES = {"time": "customers", "number": "transactions"}
_COLUMNS = {"time": "signed_up_at", "number": "revenue"}


def _source(values: pa.Array, holds: Holds, formats: dict[str, str]) -> TableSource:
    n = len(values)
    columns = {"customer_id": pa.array(["1"] * n), _COLUMNS[holds]: values, "patronage_n": pa.array(range(n))}
    if holds == "number":
        columns["ordered_at"] = pa.array([datetime(2000, 1, 1)] * n)  # noqa: DTZ001 - any day will do
    return TableSource(frame=pa.table(columns), formats=formats)


def _read(values: pa.Array, holds: Holds) -> Probed | None:
    try:
        return _facts(values, holds, {})
    except InvalidInputError as error:
        doubt = str(error).splitlines()[0]
    read = {}
    for notation in RIVALS[holds]:
        try:
            read[notation] = _facts(values, holds, {_COLUMNS[holds]: notation})
        except InvalidInputError:
            read[notation] = None
    good = tuple(notation for notation, found in read.items() if found is not None)
    # The reader's message says why; whose table and option it speaks of is not the user's.
    doubt = doubt.split(": ", 1)[-1].split("; say which")[0]
    return Probed(holds, rivals=good if len(good) > 1 else (), doubt=doubt)


def _facts(values: pa.Array, holds: Holds, formats: dict[str, str]) -> Probed | None:
    column, table = _COLUMNS[holds], _TABLES[holds]
    with open_tables(DataSource("probe", {table: _source(values, holds, formats)})) as tables:
        more = f", bool_and({column} = trunc({column})), skewness({column}::DOUBLE)" if holds == "number" else ""
        facts = f"count({column}), min({column}), max({column}){more}"
        n_read, low, high, *further = tables.row(f"SELECT {facts} FROM {table}")
    if n_read < READABLE * len(values):
        return None
    if holds == "time":
        return Probed("time", low, high)
    whole, skew = further
    return Probed("number", float(low), float(high), bool(whole), float(skew) if skew is not None else 0.0)
