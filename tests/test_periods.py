"""Which days the tables cover: dated by orders or events, or a snapshot."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from patronage.errors import InvalidInputError
from patronage.periods import is_snapshot, scoring_window, snapshot_day, training_windows
from patronage.tables import DataSource, Tables, TableSource, open_tables
from patronage.windows import Window, plan_windows

PEOPLE = pd.DataFrame({"customer_id": ["a", "b"]})
ORDERS = pd.DataFrame(
    {"customer_id": "a", "ordered_at": pd.to_datetime(["2023-01-01 00:00", "2023-12-31 23:59"]), "revenue": [1.0, 2.0]}
)
VISITS = pd.DataFrame(
    {"customer_id": "a", "occurred_at": pd.to_datetime(["2022-01-01", "2022-12-31"]), "event_type": "visit"}
)


def opened(**frames: pd.DataFrame):
    """Tables of frames."""
    return open_tables(DataSource("test", {name: TableSource(frame=frame) for name, frame in frames.items()}))


def planned(tables: Tables):
    """Windows of a training with a lookback of 100 days and outcomes of 50."""
    return training_windows(tables, lookback_days=100, outcome_days=50, as_of=None)


def test_orders_date_the_windows() -> None:
    """Orders come before events where both are there."""
    with opened(transactions=ORDERS, events=VISITS) as tables:
        assert not is_snapshot(tables)
        expected = plan_windows(date(2023, 1, 1), date(2023, 12, 31), lookback_days=100, outcome_days=50)
        assert planned(tables) == expected


def test_events_date_the_windows_of_customers_without_orders() -> None:
    """A service without orders has a past and a future too."""
    with opened(customers=PEOPLE, events=VISITS) as tables:
        expected = plan_windows(date(2022, 1, 1), date(2022, 12, 31), lookback_days=100, outcome_days=50)
        assert planned(tables) == expected


def test_profiles_alone_are_a_snapshot_of_one_day() -> None:
    """All three windows are the day after the newest signing up; birthdays and ends of contracts are not meant."""
    people = PEOPLE.assign(
        birth_date=pd.to_datetime(["1990-01-01", "2001-05-05"]),
        signed_up_at=pd.to_datetime(["2020-02-28", "2019-01-01"]),
        contract_ends=pd.to_datetime(["2031-01-01", "2021-01-01"]),
    )
    with opened(customers=people) as tables:
        assert is_snapshot(tables)
        window = Window(date(2020, 2, 29), 100, 50)
        windows = planned(tables)
        assert windows.learn == windows.judge == windows.refit == window
        assert scoring_window(tables, None, 100, 50) == window


def test_a_snapshot_without_dates_is_of_today_or_of_the_day_given() -> None:
    """Nothing else tells when a survey was held."""
    with opened(customers=PEOPLE) as tables:
        before = datetime.now(UTC).date()
        assert before <= snapshot_day(tables, None) <= datetime.now(UTC).date()
        assert snapshot_day(tables, date(2014, 1, 1)) == date(2014, 1, 1)


@pytest.mark.parametrize(
    ("as_of", "lookback_days", "says"),
    [
        (date(2024, 1, 2), 100, "as_of=2024-01-02 is outside the data"),
        (date(2023, 4, 10), 100, "must lie from 2023-04-11 to 2024-01-01"),
        (None, 366, "lookback_days=366 is longer than the data"),
    ],
)
def test_a_scoring_day_without_data_is_refused(as_of: date | None, lookback_days: int, says: str) -> None:
    """The message says which days would do."""
    with opened(transactions=ORDERS) as tables, pytest.raises(InvalidInputError, match=says):
        scoring_window(tables, as_of, lookback_days, 50)


def test_orders_are_scored_the_day_after_the_last_one() -> None:
    """The newest day is over when it is scored."""
    with opened(transactions=ORDERS) as tables:
        assert scoring_window(tables, None, 100, 50).as_of == date(2024, 1, 1)


def test_a_table_without_a_date_is_told(tmp_path: Path) -> None:
    """Orders that all lack their date date nothing."""
    orders = ORDERS.assign(ordered_at=pd.Series([None, None], dtype="datetime64[us]"))
    with opened(transactions=orders) as tables, pytest.raises(InvalidInputError, match="no row with a date"):
        planned(tables)
