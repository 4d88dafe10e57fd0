"""Which days the tables cover: the windows of a training, the window of a scoring, or a snapshot without a history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from patronage.errors import InvalidInputError
from patronage.journal import note
from patronage.tables import Tables, quote
from patronage.windows import Window, Windows, plan_windows

CLOCKS = (("transactions", "ordered_at"), ("events", "occurred_at"))
"""Tables whose first and last day bound what is known; the first one that is there counts."""

_KNOWN_WHEN = ("signed_up_at", "answered_at", "occurred_at", "sent_at", "responded_at")


def is_snapshot(tables: Tables) -> bool:
    """Whether nothing that customers do is dated, as in a survey: then nothing can be judged on what came later."""
    return not any(tables.has(table) for table, _ in CLOCKS)


def training_windows(tables: Tables, *, lookback_days: int, outcome_days: int, as_of: date | None) -> Windows:
    """Lay the windows of a training over the days that the tables cover, and tell them.

    Of a snapshot all three windows are the same day; see `snapshot_day`.

    Raises
    ------
    InvalidInputError
        A window is not fully covered by data.
    """
    if is_snapshot(tables):
        window = Window(snapshot_day(tables, as_of), lookback_days, outcome_days)
        note(f"no dated orders or events: a snapshot as of {window.as_of}, which the future cannot judge")
        return Windows(window, window, window)
    first, last = _span(tables)
    windows = plan_windows(first, last, lookback_days=lookback_days, outcome_days=outcome_days, as_of=as_of)
    note(
        f"learn at {windows.learn.as_of}, judge at {windows.judge.as_of}, refit at {windows.refit.as_of}; "
        f"lookback {lookback_days} days, outcomes {outcome_days} days"
    )
    for table in ("customers", "products"):
        if tables.has(table):
            note(f"table {table} has no dates: it is taken as it is today")
    return windows


def scoring_window(tables: Tables, as_of: date | None, lookback_days: int, outcome_days: int) -> Window:
    """The window customers are scored in.

    Parameters
    ----------
    as_of : date, optional
        Default: the day after the last transaction; of a snapshot see `snapshot_day`.

    Raises
    ------
    InvalidInputError
        ``as_of`` is outside the data, or the lookback is not covered by it.
    """
    if is_snapshot(tables):
        return Window(snapshot_day(tables, as_of), lookback_days, outcome_days)
    first, last = _span(tables)
    as_of = as_of if as_of is not None else last + timedelta(days=1)
    earliest, latest = first + timedelta(days=lookback_days), last + timedelta(days=1)
    if earliest > latest:
        raise InvalidInputError(
            f"lookback_days={lookback_days} is longer than the data, which run from {first} to {last} "
            f"({(latest - first).days} days)."
        )
    if not earliest <= as_of <= latest:
        raise InvalidInputError(
            f"as_of={as_of} is outside the data: with lookback_days={lookback_days} and days from {first} to "
            f"{last}, it must lie from {earliest} to {latest}."
        )
    return Window(as_of, lookback_days, outcome_days)


def snapshot_day(tables: Tables, as_of: date | None) -> date:
    """The day a snapshot is taken at: as given, or after the newest signing up, answer …, or today without any."""
    if as_of is not None:
        return as_of
    today = datetime.now(UTC).date()
    newest = [
        found
        for table, columns in tables.columns.items()
        for column in columns
        if column in _KNOWN_WHEN
        for found in tables.row(f"SELECT max({quote(column)})::DATE FROM {table}")
        if found is not None and found <= today
    ]
    return max(newest) + timedelta(days=1) if newest else today


def _span(tables: Tables) -> tuple[date, date]:
    """First and last day of the table that bounds what is known."""
    return tables.span(*next((table, moment) for table, moment in CLOCKS if tables.has(table)))
