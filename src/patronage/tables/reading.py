"""How a column of ``raw_<table>`` is read as what its canonical column holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import duckdb

from patronage.tables.canonical import CANONICAL, HAPPENED
from patronage.tables.clock import Clock, clock_of, converted
from patronage.tables.deciding import Decision
from patronage.tables.notation import NO_ID, present
from patronage.tables.sql import Reading, cast, quote, quote_text

TEXTS = ("VARCHAR", "JSON")


@dataclass(frozen=True)
class Reader:
    """Reads the columns of one table.

    Attributes
    ----------
    connection : DuckDBPyConnection
        Has the view ``raw_<table>``.
    name : str
        The table.
    stored_in : str, optional
        Zone of its moments without an offset; None: the data's own.
    timezone : str
        The data's zone.
    clocks : dict
        Column → how its moments are told on the data's own clock, of those read so far for which it is known.
    """

    connection: duckdb.DuckDBPyConnection
    name: str
    stored_in: str | None
    timezone: str
    clocks: dict[str, Clock] = field(default_factory=dict)

    def read(self, column: str, source: str, sql_type: str, decision: Decision, *, clean: bool) -> Reading:
        """How a column is read.

        Parameters
        ----------
        column : str
            Canonical or extra.
        source, sql_type : str
            Its column in ``raw_<table>``, and the type there.
        decision : Decision
            How its texts are read.
        clean : bool
            Whether its identifiers are trimmed already, and null where there is none.
        """
        kind = CANONICAL[self.name].get(column)
        value = given = quote(source)
        hint = ""
        if kind == "id":
            value, given = _identifier(source, sql_type, decision, clean=clean)
        elif kind == "text":
            value = given = f"{as_text(source, sql_type)}::VARCHAR"
        elif decision.notation is not None:
            given = present(as_text(source, sql_type))
            value = decision.notation.read(given)
            if kind == "time" and not decision.complete:
                hint = self._hint(column, source, given)
            sql_type = decision.notation.sql_type
        elif kind == "time" and sql_type.partition("(")[0] in ("FLOAT", "DOUBLE", "DECIMAL"):
            value, hint = "NULL", self._hint(column, source, given)
        if kind == "time" or sql_type == "TIMESTAMP WITH TIME ZONE":
            value = self._local(column, value, sql_type)
            sql_type = "TIMESTAMP"
        future = "false"
        if kind is not None and kind not in ("text", "id"):
            latest = {}
            if column in HAPPENED:
                # A day's grace: the data may come from where it is tomorrow already.
                latest = {"latest": str(datetime.now(UTC).date() + timedelta(days=2))}
                future = f"TRY_CAST({value} AS TIMESTAMP) > TIMESTAMP {quote_text(latest['latest'])}"
            value = cast(value, kind, sql_type, **latest)
        return Reading(source, kind, value, given, future, hint)

    def _hint(self, column: str, source: str, given: str) -> str:
        """What numbers in place of dates look like, and how to read them."""
        number = f"TRY_CAST({given} AS DOUBLE)"
        query = f"SELECT count({given}), count({number}), min({number}), max({number}) FROM raw_{self.name}"
        n, n_numbers, lowest, highest = self.connection.execute(query).fetchall()[0]
        if not n or n_numbers < n:
            return ""
        name = f"try_cast({quote(source)} AS DOUBLE)"
        known = {
            "seconds since 1970": (1e8, 5e9, f"to_timestamp({name})"),
            "milliseconds since 1970": (1e11, 5e12, f"to_timestamp({name} / 1000)"),
            "microseconds since 1970": (1e14, 5e15, f"to_timestamp({name} / 1000000)"),
            "a spreadsheet's days since 1900": (2e4, 8e4, f"TIMESTAMP '1899-12-30' + to_seconds({name} * 86400)"),
        }
        for words, (low, high, sql) in known.items():
            if low <= lowest <= highest <= high:
                return f"they look like {words}: set data.{self.name}.derive.{column}={sql}"
        return ""

    def _are_days(self, moment: str) -> bool:
        """Whether moments are days without a clock: a day is the same day in every zone."""
        # The first one with a clock ends the search.
        query = f"SELECT NOT EXISTS (FROM raw_{self.name} WHERE {moment} != date_trunc('day', {moment}))"
        return bool(self.connection.execute(query).fetchall()[0][0])

    def _local(self, column: str, moment: str, sql_type: str) -> str:
        """SQL of a moment on the data's own clock."""
        if sql_type == "TIMESTAMP WITH TIME ZONE":
            stored_in, moment = "UTC", f"({moment} AT TIME ZONE 'UTC')"
        elif self.stored_in is None or not sql_type.startswith("TIMESTAMP") or self._are_days(moment):
            stored_in = self.timezone
        else:
            stored_in = self.stored_in
        clock = clock_of(self.connection, f"raw_{self.name}", moment, stored_in, self.timezone)
        if clock is not None:
            self.clocks[column] = clock
        return converted(clock, moment, stored_in, self.timezone)


def _identifier(source: str, sql_type: str, decision: Decision, *, clean: bool) -> tuple[str, str]:
    """SQL of an identifier, and of what is there before it is read."""
    if sql_type in TEXTS:
        given = quote(source) if clean else present(as_text(source, sql_type), NO_ID)
        if decision.notation is not None and decision.n_values and decision.complete:
            given = decision.notation.read(given)
        return given, given
    column = quote(source)
    if sql_type in ("FLOAT", "DOUBLE"):
        return cast(column, "id", sql_type), f"CASE WHEN NOT isnan({column}) THEN {column} END"
    text = f"{column}::VARCHAR"
    if sql_type.startswith("DECIMAL"):
        text = f"regexp_replace({text}, '\\.0+$', '')"
    return text, text


def as_text(source: str, sql_type: str) -> str:
    """SQL of a column as text."""
    column = quote(source)
    if sql_type == "VARCHAR":
        return column
    return f"({column} ->> '$')" if sql_type == "JSON" else f"{column}::VARCHAR"
