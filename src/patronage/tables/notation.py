"""How numbers and dates are written in text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patronage.errors import InvalidConfigError
from patronage.tables.canonical import SQL_TYPES, Kind
from patronage.tables.sql import BLANKS, quote, quote_text

MISSING_WORDS = ("", "na", "n/a", "#n/a", "null", "none", "nan", "nat", "-")
"""What stands for "no value" in columns of numbers and dates, whatever its case."""

NO_ID = ("", "#n/a", "null", "none", "nan", "<na>")
"""What stands for "no identifier", whatever its case; NA may be Namibia's shop."""

POINT, COMMA = "1,234.50", "1.234,50"
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f"),
    *(" %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p"),
)
_DATES: Mapping[str, tuple[str, ...]] = {
    "day/month/year": ("%d/%m/%Y", "%d/%m/%y"),
    "month/day/year": ("%m/%d/%Y", "%m/%d/%y"),
    "year/month/day": ("%Y/%m/%d",),
    "yearmonthday": ("%Y%m%d",),
    "day month-name year": ("%d/%b/%Y", "%d/%B/%Y", "%d/%b/%y"),
    "month-name day year": ("%b/%d/%Y", "%B/%d/%Y", "%b/%d/%y"),
}
_SHORT = "%y-%m-%d"
"""Two digits for the year, first: written with dashes, it cannot be told from a day by its form."""

# Days, months and years may be joined by any of these; a time zone's hour must keep its own sign.
_JOIN = r"[-./\s,]+"
_ISO_DAY = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_ISO_CLOCK = f"[T ]{_CLOCK}"
_ORDERS = {"day/month/year": r"\3-\2-\1 \4", "month/day/year": r"\3-\1-\2 \4"}
_OFFSET = r"\s?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)"

CURRENCIES = r"R\$|[A-Z]{0,3}\$|[€£¥₽₴₹₺₩]|kr\.?|zł|Kč|eur|usd|gbp|dkk|sek|nok|chf|pln|czk|rub|руб\.?"
"""Currencies as they stand before or behind an amount."""

_SPACES = " \u00a0\u2007\u2009\u202f"


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

    def read(self, value: str) -> str:
        """SQL that reads a trimmed text so."""
        return self.template.replace("{v}", value)


def present(value: str, words: tuple[str, ...] = MISSING_WORDS) -> str:
    """SQL of a trimmed text; null for what stands for no value."""
    blanks = f"[{BLANKS}]*"
    nothing = quote_text(f"(?i){blanks}({'|'.join(words)}){blanks}")
    # Most values begin and end with a digit; then there is nothing to trim, and none of the words.
    return (
        f"CASE WHEN regexp_full_match({value}, '[0-9](.*[0-9])?') THEN {value} "
        f"WHEN regexp_full_match({value}, {nothing}) THEN NULL ELSE trim({value}, {quote_text(BLANKS)}) END"
    )


def presented(source: str, columns: Iterable[str]) -> str:
    """A relation with some text columns trimmed, and null where there is no value.

    A step of its own, for a notation names its text many times, and DuckDB would trim it as often.
    """
    replaced = ", ".join(f"{present(quote(column))} AS {quote(column)}" for column in columns)
    return f"(SELECT * REPLACE ({replaced}) FROM {source})" if replaced else source


def candidates(kind: Kind | None) -> list[Notation]:
    """Notations to try, in order of preference."""
    if kind == "time":
        return [*_iso(), *(_dates(name) for name in _DATES), _format(_SHORT, r"\d{2}-\d{1,2}-\d{1,2}")]
    if kind in ("money", "number"):
        return [_plain(SQL_TYPES[kind]), *(_number(name, SQL_TYPES[kind]) for name in (POINT, COMMA))]
    if kind == "flag":
        return [Notation("flag", "BOOLEAN", "TRY_CAST({v} AS BOOLEAN)")]
    if kind == "id":
        # Where some ids are missing, pandas writes 7 as 7.0.
        return [Notation("whole numbers written as 7.0", "VARCHAR", _when(r"-?\d+\.0+", "split_part({v}, '.', 1)"))]
    whole = _when(r"[+-]?(0|[1-9]\d{0,17})", "TRY_CAST({v} AS BIGINT)")
    dates = [_dates(name) for name in _DATES if name != "yearmonthday"]
    finite = "CASE WHEN isfinite(TRY_CAST({v} AS DOUBLE)) THEN TRY_CAST({v} AS DOUBLE) END"
    return [
        Notation("whole", "BIGINT", whole),
        Notation("plain", "DOUBLE", _when(r"[+-]?(0|[1-9]\d*|)(\.\d*)?([eE][+-]?\d+)?", finite)),
        Notation("flag", "BOOLEAN", _when("(?i)true|false", "TRY_CAST({v} AS BOOLEAN)")),
        *_iso(),
        *dates,
        _format(_SHORT, r"\d{2}-\d{1,2}-\d{1,2}"),
        *(_number(name, "DOUBLE", whole="0|[1-9]\\d*") for name in (POINT, COMMA)),  # 007 is no number
    ]


def named(column: str, name: str, kind: Kind | None) -> Notation:
    """The notation that a user names."""
    if kind in ("money", "number", None) and name in (POINT, COMMA):
        return _number(name, SQL_TYPES[kind] if kind is not None else "DOUBLE")
    if kind in ("time", None) and name in _DATES:
        return _dates(name)
    if kind in ("time", None) and "%" in name:
        return _format(name)
    expected = {
        "time": f"a strptime format such as %d.%m.%Y, or {', '.join(_DATES)}",
        "money": f"{POINT} or {COMMA}",
        "number": f"{POINT} or {COMMA}",
    }.get(str(kind), "columns of numbers and dates alone")
    raise InvalidConfigError(f"column {column}: there is no notation {name!r}; data.<table>.formats takes {expected}.")


def _plain(sql_type: str) -> Notation:
    # DuckDB reads 1_000 as Python does; no shop writes so.
    finite = "isfinite(TRY_CAST({v} AS DOUBLE)) AND NOT contains({v}, '_')"
    return Notation("plain", sql_type, f"CASE WHEN {finite} THEN TRY_CAST({{v}} AS {sql_type}) END")


def _when(pattern: str, read: str) -> str:
    return f"CASE WHEN regexp_full_match({{v}}, {quote_text(pattern)}) THEN {read} END"


def _number(name: str, sql_type: str, whole: str = r"\d+") -> Notation:
    """Digits in groups of three, with a currency's sign, accounting brackets or a minus behind."""
    group, point = (",", ".") if name == POINT else (".", ",")
    grouped = "|".join(rf"({sign}\d{{3}})+" for sign in (f"\\{group}", "['’]", f"[{_SPACES}]"))
    shape = rf"({whole}|[1-9]\d{{0,2}}({grouped}))(\{point}\d+)?"
    sign, blank = "[-+−–]?", f"[{_SPACES}]?"
    dressed = (
        rf"(?i){sign}{blank}\(?{blank}({CURRENCIES})?{blank}{sign}{shape}{blank}({CURRENCIES})?{blank}\)?{blank}{sign}"
    )
    bare = f"translate({{v}}, '−–{_SPACES}', '--{' ' * len(_SPACES)}')"
    for pattern, kept in (
        (rf"(?i)^([-+]?\s?\(?)\s?(?:{CURRENCIES})\s*", r"\1"),
        (rf"(?i)\s*(?:{CURRENCIES})\s?(\)?-?)$", r"\1"),
        (r"^\((\d.*)\)$|^(\d.*)-$|^-\s+(\d.*)$", r"-\1\2\3"),
    ):
        bare = f"regexp_replace({bare}, {quote_text(pattern)}, {quote_text(kept)})"
    others = quote_text(f"{group}'’{_SPACES}")

    def digits(text: str) -> str:
        return f"TRY_CAST(replace(translate({text}, {others}, ''), '{point}', '.') AS {sql_type})"

    # Most have no sign to take off. No piece of SQL stands here twice: DuckDB would compute it for every row.
    template = (
        f"CASE WHEN regexp_full_match({{v}}, {quote_text(f'-?{shape}')}) THEN {digits('{v}')} "
        f"WHEN regexp_full_match({{v}}, {quote_text(dressed)}) THEN {digits(bare)} END"
    )
    return Notation(name, sql_type, template)


def _iso() -> list[Notation]:
    zulu = r"regexp_replace({v}, '\s?(UTC|GMT)$', 'Z')"
    spaced = rf"regexp_replace({zulu}, '\s([Z+-][\d:]*)$', '\1')"
    return [
        Notation("ISO", "TIMESTAMP", _when(f"{_ISO_DAY}({_ISO_CLOCK})?", "TRY_CAST({v} AS TIMESTAMP)")),
        Notation(
            "ISO with offset",
            "TIMESTAMP WITH TIME ZONE",
            _when(f"{_ISO_DAY}{_ISO_CLOCK}{_OFFSET}", f"TRY_CAST({spaced} AS TIMESTAMPTZ)"),
        ),
    ]


def _format(name: str, shape: str = r".*\d.*") -> Notation:
    """Dates of one strptime format; DuckDB takes such words as "infinity" for a date of any."""
    return Notation(name, "TIMESTAMP", _when(shape, f"try_strptime({{v}}, {quote_text(name)})"))


def _dates(name: str) -> Notation:
    if name == "yearmonthday":
        formats = ", ".join(quote_text(f"%Y%m%d{clock}") for clock in _CLOCKS)
        return Notation(name, "TIMESTAMP", _when(r"[12]\d{7}( .*)?", f"try_strptime({{v}}, [{formats}])"))
    # A day, a month and a year, joined by whatever; what follows is the clock.
    day = _JOIN.join([r"(\w+)\.?"] * 3)
    pattern = quote_text(rf"^{day}(?:,?[T ]\s*|$)")
    joined = rf"regexp_replace({{v}}, {pattern}, '\1/\2/\3 ')"
    if name == "year/month/day":
        shape = r"\d{4}([.\s].*|.*[AaPp][Mm])"  # the others are ISO
    elif name == "day month-name year":
        joined = joined.replace("{v}", r"regexp_replace({v}, '^[A-Za-z]+[.,]*\s+(\d)', '\1')")  # Mon, 2 Jan 2023
        shape = r".*\d.*[A-Za-z]{3}.*\d.*"
    elif name == "month-name day year":
        shape = r"[A-Za-z]{3}.*\d.*"
    else:
        shape = rf"\d{{1,2}}{_JOIN}\d{{1,2}}{_JOIN}(\d{{2}}|\d{{4}})(\D.*)?"
    # Two digits of a year are tried first: %Y would read 23 as the year 23.
    days = sorted(_DATES[name], key=lambda one: "%Y" in one)
    formats = ", ".join(quote_text(f"{one}{clock}") for one in days for clock in _CLOCKS)
    slow = f"try_strptime(trim({joined}), [{formats}])"
    if name not in _ORDERS:
        return Notation(name, "TIMESTAMP", _when(shape, slow))
    # The usual forms are written as ISO, which is read ten times faster than a list of formats is tried.
    plain = quote_text(rf"(\d{{1,2}})[-./](\d{{1,2}})[-./](\d{{4}})(?:,?[T ]\s*({_CLOCK}))?")
    fast = f"TRY_CAST(trim(regexp_replace({{v}}, {plain}, {quote_text(_ORDERS[name])})) AS TIMESTAMP)"
    return Notation(
        name,
        "TIMESTAMP",
        f"CASE WHEN regexp_full_match({{v}}, {plain}) THEN {fast} "
        f"WHEN regexp_full_match({{v}}, {quote_text(shape)}) THEN {slow} END",
    )
