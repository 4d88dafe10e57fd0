"""How numbers and dates are written in text, decided on all rows, and refused where two readings are possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from patronage.errors import InvalidConfigError
from patronage.tables.canonical import SQL_TYPES, Kind
from patronage.tables.sql import quote, quote_text

SAMPLE_ROWS = 20_000
MISSING_WORDS = ("", "na", "n/a", "#n/a", "null", "none", "nan")
"""What stands for "no value" in columns of numbers and dates, whatever its case."""

_POINT, _COMMA = "1,234.50", "1.234,50"
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_DATES: Mapping[str, tuple[str, ...]] = {
    "day/month/year": ("%d/%m/%Y", "%d/%m/%y"),
    "month/day/year": ("%m/%d/%Y", "%m/%d/%y"),
    "year/month/day": ("%Y/%m/%d",),
    "yearmonthday": ("%Y%m%d",),
    "day month-name year": ("%d/%b/%Y", "%d/%B/%Y", "%d/%b/%y", "%a %d/%b/%Y"),
    "month-name day year": ("%b/%d/%Y", "%B/%d/%Y"),
}
# Days, months and years may be joined by any of these; a time zone's hour must keep its own sign.
_JOINTS = r"^([\w]+)[-./\s,]+([\w]+)[-./\s,]+([\w]+)"
_OFFSET = r"\d{2}:\d{2}\S*\s?(Z|[+-]\d{2}(:?\d{2})?)$"
_GROUPED_BY_POINTS = r"[+-]?[1-9]\d{0,2}(\.\d{3})+"


@dataclass(frozen=True)
class Notation:
    """One way to read a text.

    Attributes
    ----------
    name : str
        For people, and for ``formats`` in a data configuration.
    sql_type : str
        Type of what is read.
    template : str
        SQL over ``{v}``, the trimmed text; null where it cannot be read so.
    """

    name: str
    sql_type: str
    template: str

    def read(self, column: str) -> str:
        """SQL that reads a text column so."""
        return self.template.replace("{v}", f"({present(column)})")


@dataclass(frozen=True)
class Decision:
    """How a column's texts are read.

    Attributes
    ----------
    notation : Notation, optional
        None: as text.
    complete : bool
        Whether every value can be read so.
    rival : str
        Another notation that reads every value too, with another result: nothing tells which is meant.
    """

    notation: Notation | None = None
    complete: bool = True
    rival: str = ""


def present(column: str) -> str:
    """SQL of a column's trimmed text; null for what stands for no value."""
    return present_in(quote(column))


def present_in(value: str) -> str:
    """SQL of a trimmed text; null for what stands for no value."""
    words = ", ".join(quote_text(word) for word in MISSING_WORDS)
    return f"CASE WHEN lower(trim({value})) NOT IN ({words}) THEN trim({value}) END"


def decide(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    wanted: Mapping[str, Kind | None],
    given: Mapping[str, str],
) -> dict[str, Decision]:
    """Decide for text columns how they are read.

    Parameters
    ----------
    connection : DuckDBPyConnection
    source : str
        A relation in SQL; read twice at most, once in part.
    wanted : mapping
        Text column → its kind; None where any kind is welcome that all its values can be read as.
    given : mapping
        Column → a notation that the user names: a strptime format, ``day/month/year``, ``1.234,50`` …
    """
    decisions = {
        column: Decision(_named(column, given[column], kind)) for column, kind in wanted.items() if column in given
    }
    open_ = {column: _candidates(kind) for column, kind in wanted.items() if column not in given and kind != "text"}
    open_ = {column: candidates for column, candidates in open_.items() if candidates}
    if not open_:
        return decisions
    sampled = _counts(connection, f"(SELECT * FROM {source} LIMIT {SAMPLE_ROWS})", open_)
    likely: dict[str, list[Notation]] = {}
    for column, candidates in open_.items():
        n, *read = sampled[column]
        likely[column] = [one for one, m in zip(candidates, read, strict=True) if m == n]
    counted = _counts(connection, source, likely)
    unsure = {
        column: open_[column]
        for column, notations in likely.items()
        if counted[column][0] not in counted[column][1:] and (wanted[column] is not None or notations)
    }
    if unsure:
        counted |= _counts(connection, source, unsure)
    for column, notations in likely.items():
        decisions[column] = _decision(
            connection, source, column, wanted[column], unsure.get(column, notations), counted[column]
        )
    return decisions


def _decision(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    column: str,
    kind: Kind | None,
    notations: list[Notation],
    counted: tuple[int, ...],
) -> Decision:
    n_values, *read = counted
    if not notations or (kind is None and (n_values == 0 or max(read) < n_values)):
        return Decision()
    best = read.index(max(read))
    chosen = notations[best]
    for rival, m in zip(notations[best + 1 :], read[best + 1 :], strict=True):
        if m == read[best] and rival.sql_type == chosen.sql_type and _differ(connection, source, column, chosen, rival):
            return Decision(chosen, read[best] == n_values, rival.name)
    if chosen.name == "plain" and kind in ("money", "number") and _all_grouped(connection, source, column):
        return Decision(chosen, complete=True, rival=_COMMA)
    return Decision(chosen, read[best] == n_values)


def _counts(
    connection: duckdb.DuckDBPyConnection, source: str, candidates: Mapping[str, Iterable[Notation]]
) -> dict[str, tuple[int, ...]]:
    """Per column the number of values, and how many of them each notation reads."""
    terms, lengths = [], {}
    for column, notations in candidates.items():
        parts = [f"count({present(column)})", *(f"count({one.read(column)})" for one in notations)]
        lengths[column] = len(parts)
        terms += parts
    row = list(connection.execute(f"SELECT {', '.join(terms)} FROM {source}").fetchall()[0])
    counts: dict[str, tuple[int, ...]] = {}
    for column, length in lengths.items():
        counts[column], row = tuple(row[:length]), row[length:]
    return counts


def _differ(connection: duckdb.DuckDBPyConnection, source: str, column: str, one: Notation, other: Notation) -> bool:
    query = f"SELECT bool_or({one.read(column)} <> {other.read(column)}) FROM {source}"
    return bool(connection.execute(query).fetchall()[0][0])


def _all_grouped(connection: duckdb.DuckDBPyConnection, source: str, column: str) -> bool:
    """Whether every number with a point has three digits after it, as thousands are grouped in many countries."""
    value = present(column)
    query = (
        f"SELECT count(*) FILTER (WHERE contains({value}, '.')), "
        f"count(*) FILTER (WHERE regexp_full_match({value}, {quote_text(_GROUPED_BY_POINTS)})) FROM {source}"
    )
    dotted, grouped = connection.execute(query).fetchall()[0]
    return bool(dotted == grouped > 0)


def _candidates(kind: Kind | None) -> list[Notation]:
    """Notations to try, in order of preference."""
    if kind == "time":
        return [*_iso(), *(_dates(name) for name in _DATES)]
    if kind in ("money", "number"):
        return [_plain(SQL_TYPES[kind]), *(_number(name, SQL_TYPES[kind]) for name in (_POINT, _COMMA))]
    if kind == "flag":
        return [Notation("flag", "BOOLEAN", "TRY_CAST({v} AS BOOLEAN)")]
    if kind == "id":
        # Where some ids are missing, pandas writes 7 as 7.0.
        return [Notation("whole numbers written as 7.0", "VARCHAR", _when(r"-?\d+\.0+", "split_part({v}, '.', 1)"))]
    whole = _when(r"[+-]?(0|[1-9]\d{0,17})", "TRY_CAST({v} AS BIGINT)")
    dates = [_dates(name) for name in _DATES if name != "yearmonthday"]
    return [
        Notation("whole", "BIGINT", whole),
        Notation("plain", "DOUBLE", _when(r"[+-]?(0|[1-9]\d*|)(\.\d*)?([eE][+-]?\d+)?", _finite("DOUBLE"))),
        Notation("flag", "BOOLEAN", _when("(?i)true|false", "TRY_CAST({v} AS BOOLEAN)")),
        *_iso(),
        *dates,
        *(_number(name, "DOUBLE") for name in (_POINT, _COMMA)),
    ]


def _named(column: str, name: str, kind: Kind | None) -> Notation:
    """The notation that a user names."""
    number = SQL_TYPES.get(kind, "DOUBLE") if kind in ("money", "number") else "DOUBLE"
    if name in (_POINT, _COMMA):
        return _number(name, number)
    if name in _DATES:
        return _dates(name)
    if "%" in name:
        return Notation(name, "TIMESTAMP", _dated(f"try_strptime({{v}}, {quote_text(name)})"))
    known = ", ".join([_POINT, _COMMA, *_DATES])
    raise InvalidConfigError(f"formats of {column}: expected a format such as %d.%m.%Y, or {known}; got {name!r}.")


def _plain(sql_type: str) -> Notation:
    return Notation("plain", sql_type, _finite(sql_type))


def _finite(sql_type: str) -> str:
    read = f"TRY_CAST({{v}} AS {sql_type})"
    return f"CASE WHEN isfinite(TRY_CAST({{v}} AS DOUBLE)) THEN {read} END"


def _when(pattern: str, read: str) -> str:
    return f"CASE WHEN regexp_full_match({{v}}, {quote_text(pattern)}) THEN {read} END"


def _dated(read: str) -> str:
    """Of texts with a digit alone: DuckDB takes such words as "infinity" for a date of any format."""
    return rf"CASE WHEN regexp_matches({{v}}, '\d') THEN {read} END"


def _number(name: str, sql_type: str) -> Notation:
    """Digits in groups, with a currency's sign, accounting brackets or a minus behind."""
    group, point = (",", ".") if name == _POINT else (".", ",")
    bare = r"regexp_replace({v}, '(?i)[\s\x{00A0}\x{202F}''’€$£¥₽₴]|kr\.?|eur|usd|gbp|dkk|sek|nok|chf|rub|руб\.?', '', 'g')"
    bare = f"replace({bare}, '−', '-')"
    bare = f"regexp_replace({bare}, '^\\((.*)\\)$|^(.*)-$', '-\\1\\2')"
    shape = rf"[+-]?(\d+|\d{{1,3}}(\{group}\d{{3}})+)(\{point}\d+)?"
    digits = f"replace(replace({bare}, '{group}', ''), '{point}', '.')"
    read = f"TRY_CAST({digits} AS {sql_type})"
    return Notation(name, sql_type, f"CASE WHEN regexp_full_match({bare}, {quote_text(shape)}) THEN {read} END")


def _iso() -> list[Notation]:
    spaced = r"regexp_replace({v}, '\s?([+-]\d{2}):?(\d{2})$', '\1:\2')"
    offset = quote_text(_OFFSET)
    shape = r"\d{4}-\d{1,2}-\d{1,2}.*"
    return [
        Notation(
            "ISO",
            "TIMESTAMP",
            f"CASE WHEN NOT regexp_matches({{v}}, {offset}) AND regexp_full_match({{v}}, {quote_text(shape)}) "
            "THEN TRY_CAST({v} AS TIMESTAMP) END",
        ),
        Notation(
            "ISO with offset",
            "TIMESTAMP WITH TIME ZONE",
            f"CASE WHEN regexp_matches({{v}}, {offset}) THEN TRY_CAST({spaced} AS TIMESTAMPTZ) END",
        ),
    ]


def _dates(name: str) -> Notation:
    joined = "{v}" if name == "yearmonthday" else f"regexp_replace({{v}}, {quote_text(_JOINTS)}, '\\1/\\2/\\3')"
    formats = ", ".join(quote_text(f"{day}{clock}") for day in _DATES[name] for clock in _CLOCKS)
    read = f"try_strptime({joined}, [{formats}])"
    # %Y reads 23 as the year 23, and %y comes later in the list.
    short = ", ".join(quote_text(f"{day}{clock}") for day in _DATES[name] if "%y" in day for clock in _CLOCKS)
    again = f"try_strptime({joined}, [{short}])" if short else "NULL"
    return Notation(name, "TIMESTAMP", _dated(f"CASE WHEN year({read}) >= 1000 THEN {read} ELSE {again} END"))
