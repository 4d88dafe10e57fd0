"""Which notation a column of texts has: decided on all rows, and refused where two readings are possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from patronage.tables.canonical import Kind
from patronage.tables.notation import COMMA, CURRENCIES, POINT, Notation, candidates, named, presented
from patronage.tables.sql import quote, quote_text

SAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class Decision:
    """How a column's texts are read.

    Attributes
    ----------
    notation : Notation, optional
        None: as text.
    n_values, n_read : int
        How many values there are, and how many of them can be read so; 0 where the user named the notation.
    doubt : str
        Why nothing tells which notation is meant; "" where it is settled.
    """

    notation: Notation | None = None
    n_values: int = 0
    n_read: int = 0
    doubt: str = ""

    @property
    def complete(self) -> bool:
        """Whether every value can be read so."""
        return self.n_read == self.n_values

    @property
    def told(self) -> str:
        """What people should know about it; "" for what goes without saying."""
        if self.doubt or self.notation is None or self.notation.name in ("plain", "whole", "flag", "ISO"):
            return ""
        if self.n_values == 0:
            return ""
        if self.complete:
            return f"is read as {self.notation.name}, decided on all {self.n_values:,} value(s)"
        return f"is read as {self.notation.name}, which {self.n_read:,} of {self.n_values:,} values are"


def decide(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    wanted: Mapping[str, Kind | None],
    given: Mapping[str, str],
) -> dict[str, Decision]:
    """Decide for text columns how they are read.

    The first rows tell which notations are likely, all rows which one it is.

    Parameters
    ----------
    connection : DuckDBPyConnection
    source : str
        A relation in SQL.
    wanted : mapping
        Text column → its kind; None where any kind is welcome that all its values can be read as.
    given : mapping
        Column → a notation that the user names: a strptime format, ``day/month/year``, ``1.234,50`` …
    """
    decisions = {
        column: Decision(named(column, given[column], kind)) for column, kind in wanted.items() if column in given
    }
    open_ = {column: candidates(kind) for column, kind in wanted.items() if column not in given and kind != "text"}
    if not open_:
        return decisions
    sampled = _counts(connection, presented(f"(SELECT * FROM {source} LIMIT {SAMPLE_ROWS})", open_), open_)
    likely: dict[str, list[Notation]] = {}
    for column, notations in open_.items():
        n, *read = sampled[column]
        likely[column] = [one for one, m in zip(notations, read, strict=True) if m == n]
        if any(one.name == "plain" for one in likely[column]):  # it reads them alike, and faster
            likely[column] = [one for one in likely[column] if one.name != POINT]
        if wanted[column] in (None, "id") and not likely[column]:  # then it is text, whatever the other rows are
            decisions[column] = Decision()
    likely = {column: notations for column, notations in likely.items() if column not in decisions}
    if not likely:
        return decisions
    texts = presented(source, likely)
    counted = _counts(connection, texts, likely)
    unsure = {column: open_[column] for column in likely if counted[column][0] not in counted[column][1:]}
    if unsure:
        counted |= _counts(connection, texts, unsure)
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
    for rival, m in zip(notations, read, strict=True):
        if rival is chosen or m == 0 or rival.sql_type != chosen.sql_type:
            continue
        if {chosen.name, rival.name} == {"plain", POINT}:  # what both read they read alike
            continue
        if doubt := _doubt(connection, source, column, chosen, rival):
            return Decision(chosen, n_values, read[best], doubt)
    if chosen.name in (POINT, COMMA) and kind == "money" and (doubt := _currencies(connection, source, column)):
        return Decision(chosen, n_values, read[best], doubt)
    return Decision(chosen, n_values, read[best])


def _doubt(connection: duckdb.DuckDBPyConnection, source: str, column: str, one: Notation, other: Notation) -> str:
    """Why nothing tells which of two notations is meant; "" where something does.

    A value that only one of them reads tells for it. Where there is none, or some for each, the values that both read,
    with different results, can be either.
    """
    value = quote(column)
    # Of numbers, only those with a point or a comma tell anything.
    telling = "" if one.sql_type == "TIMESTAMP" else f"WHERE contains({value}, '.') OR contains({value}, ',')"
    texts = presented(f"(SELECT * FROM {source} {telling})", [column])
    query = (
        "SELECT count(*) FILTER (one IS NOT NULL AND other IS NULL), "
        "count(*) FILTER (one IS NULL AND other IS NOT NULL), count(*) FILTER (one <> other) "
        f"FROM (SELECT {one.read(value)} AS one, {other.read(value)} AS other FROM {texts})"
    )
    only_one, only_other, either = connection.execute(query).fetchall()[0]
    if not either or (only_one and not only_other):
        return ""
    names = ["1,234.50" if notation.name == "plain" else notation.name for notation in (one, other)]
    if not only_other:
        return f"its values can be read as {names[0]} and as {names[1]}, with different results"
    return (
        f"{only_one:,} value(s) can only be read as {names[0]}, {only_other:,} only as {names[1]}, and {either:,} as "
        "either, with different results"
    )


def _currencies(connection: duckdb.DuckDBPyConnection, source: str, column: str) -> str:
    """Doubt whether amounts can be summed; "" where they are of one currency."""
    texts = presented(source, [column])
    sign = f"regexp_extract({quote(column)}, {quote_text(f'(?i){CURRENCIES}')})"
    same = f"CASE lower({sign}) WHEN '€' THEN 'eur' WHEN '£' THEN 'gbp' WHEN '$' THEN 'usd' ELSE lower({sign}) END"
    query = f"SELECT DISTINCT rtrim({same}, '.') AS sign FROM {texts} WHERE {sign} <> '' ORDER BY sign"
    found = [row[0] for row in connection.execute(query).fetchall()]
    return f"its amounts are of {len(found)} currencies ({', '.join(found)})" if len(found) > 1 else ""


def _counts(
    connection: duckdb.DuckDBPyConnection, source: str, tried: Mapping[str, Iterable[Notation]]
) -> dict[str, tuple[int, ...]]:
    """Per column the number of values, and how many of them each notation reads."""
    terms, lengths = [], {}
    for column, notations in tried.items():
        parts = [f"count({quote(column)})", *(f"count({one.read(quote(column))})" for one in notations)]
        lengths[column] = len(parts)
        terms += parts
    row = list(connection.execute(f"SELECT {', '.join(terms)} FROM {source}").fetchall()[0])
    counts: dict[str, tuple[int, ...]] = {}
    for column, length in lengths.items():
        counts[column], row = tuple(row[:length]), row[length:]
    return counts
