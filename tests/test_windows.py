"""The dates of a run: past and future never overlap, and data covers every window."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.windows import Window, Windows, plan_windows

DAY = timedelta(days=1)
FIRST = date(2023, 1, 1)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Windows, date, date]:
    """Windows that can be laid, with the first and last day of the data they were laid over."""
    lookback, outcome = draw(st.integers(1, 400)), draw(st.integers(1, 200))
    spare = draw(st.integers(0, 50))
    first = draw(st.dates(date(2000, 1, 1), date(2030, 1, 1)))
    last = first + (lookback + 2 * outcome + spare - 1) * DAY
    chosen = draw(st.none() | st.integers(0, spare))
    as_of = None if chosen is None else first + (lookback + outcome + chosen) * DAY
    return plan_windows(first, last, lookback_days=lookback, outcome_days=outcome, as_of=as_of), first, last


@settings(deadline=None, max_examples=150)
@given(plans())
def test_learning_ends_where_judging_begins(plan: tuple[Windows, date, date]) -> None:
    """The outcomes that are learned from end on the day that the judge window's features stop at."""
    windows, _, _ = plan
    assert windows.learn.outcomes_until == windows.judge.as_of


@settings(deadline=None, max_examples=150)
@given(plans())
def test_the_refit_learns_outcomes_that_are_complete_at_the_newest_day(plan: tuple[Windows, date, date]) -> None:
    """The refit's previous window ends its outcomes on the day after the last transaction."""
    windows, _, last = plan
    assert windows.refit.previous.outcomes_until == windows.refit.as_of == last + DAY


@settings(deadline=None, max_examples=150)
@given(plans())
def test_all_windows_look_back_equally_far(plan: tuple[Windows, date, date]) -> None:
    """A feature means the same in every window, because its lookback is as long."""
    windows, _, _ = plan
    lengths = {(window.as_of - window.features_from).days for window in (windows.learn, windows.judge, windows.refit)}
    assert lengths == {windows.learn.lookback_days}


@settings(deadline=None, max_examples=150)
@given(plans())
def test_data_covers_every_window(plan: tuple[Windows, date, date]) -> None:
    """No window looks back before the first transaction, none has outcomes after the last."""
    windows, first, last = plan
    assert min(windows.learn.features_from, windows.judge.features_from, windows.refit.previous.features_from) >= first
    assert max(windows.learn.outcomes_until, windows.judge.outcomes_until) <= last + DAY


def test_judging_stops_as_late_as_its_outcomes_allow() -> None:
    """Without an as_of, outcomes end with the last transaction's day."""
    windows = plan_windows(date(2017, 1, 1), date(2017, 12, 31), lookback_days=182, outcome_days=91)
    assert windows == Windows(
        learn=Window(date(2017, 7, 3), 182, 91),
        judge=Window(date(2017, 10, 2), 182, 91),
        refit=Window(date(2018, 1, 1), 182, 91),
    )


def test_a_chosen_date_divides_past_and_future() -> None:
    """An as_of moves the learn and judge windows; the refit stays at the newest day."""
    windows = plan_windows(FIRST, FIRST + 99 * DAY, lookback_days=30, outcome_days=20, as_of=FIRST + 60 * DAY)
    assert windows.judge.as_of == FIRST + 60 * DAY
    assert windows.learn.as_of == FIRST + 40 * DAY
    assert windows.refit.as_of == FIRST + 100 * DAY


def test_data_that_just_suffices_is_taken() -> None:
    """Lookback plus twice the outcome days is enough."""
    windows = plan_windows(FIRST, FIRST + 69 * DAY, lookback_days=30, outcome_days=20)
    assert windows.learn.features_from == FIRST


def test_one_day_short_is_an_error_that_names_what_would_do() -> None:
    """Too little data is told with both numbers of days that would fit."""
    with pytest.raises(InvalidInputError) as caught:
        plan_windows(FIRST, FIRST + 68 * DAY, lookback_days=30, outcome_days=20)
    assert str(caught.value) == (
        "lookback_days=30 and outcome_days=20 need 70 days of transactions (lookback + 2 × outcome); the data has 69 "
        "(2023-01-01 to 2023-03-10). Choose lookback_days ≤ 29 or outcome_days ≤ 19, or use more data."
    )


@settings(deadline=None, max_examples=100)
@given(days=st.integers(1, 300), lookback=st.integers(1, 400), outcome=st.integers(1, 200))
def test_the_remedy_of_too_little_data_works(days: int, lookback: int, outcome: int) -> None:
    """Each value that the message offers lets the windows be laid."""
    last = FIRST + (days - 1) * DAY
    given_days = {"lookback_days": lookback, "outcome_days": outcome}
    try:
        plan_windows(FIRST, last, **given_days)
    except InvalidInputError as error:
        remedy = str(error).rpartition("Choose ")[2]
        offers = [part.split(" ≤ ") for part in remedy.partition(", or")[0].split(" or ") if " ≤ " in part]
        assert offers or remedy.startswith("smaller values for both")
        for option, most in offers:
            plan_windows(FIRST, last, **given_days | {option: int(most)})
    else:
        assert days >= lookback + 2 * outcome


@pytest.mark.parametrize("days", [49, 81])
def test_a_date_outside_the_data_is_an_error_that_names_the_dates_that_would_do(days: int) -> None:
    """An as_of with too little data before or after it is told with the earliest and latest possible."""
    as_of = FIRST + days * DAY
    with pytest.raises(InvalidInputError) as caught:
        plan_windows(FIRST, FIRST + 99 * DAY, lookback_days=30, outcome_days=20, as_of=as_of)
    assert f"as_of={as_of} leaves a window without data" in str(caught.value)
    assert f"as_of must lie from {FIRST + 50 * DAY} to {FIRST + 80 * DAY}." in str(caught.value)


@pytest.mark.parametrize("days", [50, 80])
def test_the_dates_that_the_error_names_do(days: int) -> None:
    """The earliest and the latest date of the message above are taken."""
    as_of = FIRST + days * DAY
    windows = plan_windows(FIRST, FIRST + 99 * DAY, lookback_days=30, outcome_days=20, as_of=as_of)
    assert windows.judge.as_of == as_of


@pytest.mark.parametrize("option", ["lookback_days", "outcome_days"])
@pytest.mark.parametrize("value", [0, -7])
def test_windows_of_no_days_are_an_error(option: str, value: int) -> None:
    """A window must have a day; the message names the option and what came."""
    with pytest.raises(InvalidConfigError, match=rf"^{option} must be at least 1; got {value}\.$"):
        plan_windows(FIRST, FIRST + 99 * DAY, **{"lookback_days": 30, "outcome_days": 20} | {option: value})
