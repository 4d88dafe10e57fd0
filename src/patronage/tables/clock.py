"""Moments of other zones told in the data's own: by offsets that hold between two changes of the clock.

A handful of comparisons does for millions of rows what asking a calendar library row by row takes minutes for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb

from patronage.errors import InvalidConfigError
from patronage.tables.canonical import EARLIEST, LATEST
from patronage.tables.sql import quote_text

_BEGINNING, _END = datetime(1, 1, 1), datetime(9999, 12, 31)  # noqa: DTZ001 - of moments without a zone


def require_zone(option: str, name: str) -> None:
    """Check the name of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidConfigError(
            f"{option}: there is no time zone {name!r}; expected one such as Europe/Amsterdam."
        ) from None


@dataclass(frozen=True)
class Clock:
    """How moments as they are stored are told on the data's own clock.

    Attributes
    ----------
    offsets : tuple of (datetime, int)
        Stored moments from which on so many seconds are added, in order; the first one holds from the beginning.
    """

    offsets: tuple[tuple[datetime, int], ...] = ((_BEGINNING, 0),)

    def told(self, moment: str) -> str:
        """SQL of a stored moment on the data's own clock."""
        begins, *changes = self.offsets
        # The latest change comes first, so that each moment meets the offset that holds for it.
        cases = "".join(
            f"WHEN {moment} >= TIMESTAMP '{at:%Y-%m-%d %H:%M:%S}' THEN {seconds} " for at, seconds in changes[::-1]
        )
        seconds = f"CASE {cases}ELSE {begins[1]} END" if cases else str(begins[1])
        # Whole numbers of microseconds: adding an INTERVAL takes DuckDB four times as long.
        return f"make_timestamp(epoch_us({moment}) + 1000000 * ({seconds})::BIGINT)"

    def stored(self, moment: datetime) -> datetime | None:
        """The stored moment from which on it is ``moment`` or later; None where the clock goes back behind it again."""
        ends = [*(at for at, _ in self.offsets[1:]), _END]
        found = None
        for number, ((at, seconds), end) in enumerate(zip(self.offsets, ends, strict=True)):
            reached = moment - timedelta(seconds=seconds)
            if found is not None and reached > at:
                return None
            if found is None and reached < end:
                found = max(reached, at) if number else reached
        return found


def clock_of(
    connection: duckdb.DuckDBPyConnection, source: str, moment: str, stored_in: str, timezone: str
) -> Clock | None:
    """How naive moments of one zone are told in another, where a handful of offsets says it.

    Parameters
    ----------
    source : str
        Relation in SQL; its first and last moment are looked up.
    moment : str
        SQL of the moment.
    stored_in, timezone : str
        From and to.
    """
    if stored_in == timezone:
        return Clock()
    if stored_in != "UTC":
        return None
    first, last = connection.execute(f"SELECT min({moment})::DATE, max({moment})::DATE FROM {source}").fetchall()[0]
    if first is None or not EARLIEST <= first <= last <= LATEST:
        return None
    return Clock(tuple((at.replace(tzinfo=None), seconds) for at, seconds in _offsets(ZoneInfo(timezone), first, last)))


def converted(clock: Clock | None, moment: str, stored_in: str, timezone: str) -> str:
    """SQL that tells a naive moment of one zone in another; ``clock`` as `clock_of` gives it."""
    if clock is None:
        return f"(({moment}) AT TIME ZONE {quote_text(stored_in)}) AT TIME ZONE {quote_text(timezone)}"
    return moment if clock == Clock() else clock.told(moment)


def _offsets(zone: ZoneInfo, first: date, last: date) -> Iterator[tuple[datetime, int]]:
    """Moments (UTC) from which an offset in seconds holds; the first one holds from the beginning."""

    def offset(moment: datetime) -> int:
        found = moment.astimezone(zone).utcoffset()
        return int(found.total_seconds()) if found is not None else 0

    moment = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=2)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=2)
    yield moment, offset(moment)
    while moment < end:
        following = moment + timedelta(days=1)
        if offset(following) != offset(moment):
            low, high = moment, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if offset(middle) == offset(moment) else (low, middle)
            yield high, offset(following)
        moment = following
