"""Moments of one zone told in another: by a handful of offsets, and equal to what a calendar library says."""

# ruff: noqa: DTZ001 - the moments that are read have no zone

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from patronage.errors import InvalidConfigError
from patronage.tables.clock import clock_of, converted, require_zone

ZONES = ("Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "UTC")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database whose clock is UTC's."""
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def told(
    connection: duckdb.DuckDBPyConnection, moments: list[datetime], stored_in: str, timezone: str
) -> list[datetime | None]:
    """Moments of one zone in another."""
    connection.execute("CREATE OR REPLACE TABLE t AS SELECT unnest(?::TIMESTAMP[]) AS moment", [moments])
    sql = converted(clock_of(connection, "t", "moment", stored_in, timezone), "moment", stored_in, timezone)
    return [row[0] for row in connection.execute(f"SELECT ({sql})::TIMESTAMP FROM t").fetchall()]


MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2037, 12, 31)).map(lambda at: at.replace(microsecond=0))

PAST = MOMENTS.filter(lambda moment: datetime(1975, 1, 1) < moment < datetime(2020, 1, 1))
"""Years of which every version of the zones' database says the same."""


@settings(deadline=None, max_examples=30)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=8), zone=st.sampled_from(ZONES))
def test_moments_of_utc_are_told_as_a_calendar_library_does(
    moments: list[datetime], zone: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """Whatever the zone, its changes of the clock and of the law."""
    expected = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in moments]
    assert told(connection, moments, "UTC", zone) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_every_half_hour_around_a_change_is_right(zone: str, connection: duckdb.DuckDBPyConnection) -> None:
    """The clock changes at its very second."""
    days = [datetime(2023, month, 1) for month in (3, 4, 10, 11)]
    moments = [day + timedelta(minutes=30 * n) for day in days for n in range(31 * 48)]
    expected = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in moments]
    assert told(connection, moments, "UTC", zone) == expected


@settings(deadline=None, max_examples=30)
@given(moment=PAST, stored_in=st.sampled_from(ZONES), zone=st.sampled_from(ZONES))
def test_a_moment_comes_back(
    moment: datetime, stored_in: str, zone: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """From UTC to a zone, on to another one and back: the hours that a clock shows twice aside, the same moment."""
    (local,) = told(connection, [moment], "UTC", stored_in)
    assert local is not None
    if (
        local.replace(tzinfo=ZoneInfo(stored_in)).utcoffset()
        != local.replace(tzinfo=ZoneInfo(stored_in), fold=1).utcoffset()
    ):
        return
    (there,) = told(connection, [local], stored_in, zone)
    expected = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert there == expected


def test_moments_of_no_calendar_do_not_stop_it(connection: duckdb.DuckDBPyConnection) -> None:
    """The years that stand for "never" are converted, or left, but never an error."""
    assert len(told(connection, [datetime(1, 1, 1), datetime(9999, 12, 31)], "UTC", "Asia/Tokyo")) == 2


def test_a_table_without_moments_is_converted(connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing to convert is no error."""
    assert told(connection, [], "UTC", "Asia/Tokyo") == []


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "CEST ", "utc+1"])
def test_a_zone_that_does_not_exist_is_told(name: str) -> None:
    """With the option, the name and an example."""
    with pytest.raises(InvalidConfigError) as caught:
        require_zone("data.timezone", name)
    assert str(caught.value) == (
        f"data.timezone: there is no time zone {name!r}; expected one such as Europe/Amsterdam."
    )


@settings(deadline=None, max_examples=60)
@given(
    first=st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    days=st.integers(1, 800),
    zone=st.sampled_from((*ZONES, "America/Havana", "Asia/Beirut", "Pacific/Apia")),
    midnight=st.integers(-3, 803),
)
@example(first=date(2019, 3, 1), days=60, zone="Asia/Beirut", midnight=30)  # there was no midnight
@example(first=date(2005, 10, 1), days=60, zone="America/St_Johns", midnight=29)  # at 0:01 it was 23:01 once more
def test_orders_are_cut_by_the_stored_moment_as_by_the_told_one(
    first: date, days: int, zone: str, midnight: int, connection: duckdb.DuckDBPyConnection
) -> None:
    """Every quarter of an hour on both sides of a midnight, changes of the clock at midnight included."""
    at = datetime.combine(first, time())
    moments = [at, at + timedelta(days=days)]
    connection.execute("CREATE OR REPLACE TABLE t AS SELECT unnest(?::TIMESTAMP[]) AS moment", [moments])
    clock = clock_of(connection, "t", "moment", "UTC", zone)
    assert clock is not None
    bound = at + timedelta(days=min(midnight, days + 3))
    stored = clock.stored(bound)
    around = [bound + timedelta(minutes=15 * n) for n in range(-150, 150)]
    reached = [row[0] for row in connection.execute(
        f"SELECT {clock.told('moment')} >= $bound FROM (SELECT unnest($around::TIMESTAMP[]) AS moment)",
        {"bound": bound, "around": around},
    ).fetchall()]  # fmt: skip
    if stored is None:  # the clock went back behind midnight
        assert reached != sorted(reached)
    else:
        assert reached == [moment >= stored for moment in around]
