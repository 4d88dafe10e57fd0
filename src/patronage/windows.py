"""The dates: what may be learned from, what it is judged on, and what the final model is refitted at.

Every stage takes its dates from one frozen `Windows`, so nothing can quietly look past ``as_of``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from patronage.errors import InvalidConfigError, InvalidInputError


@dataclass(frozen=True)
class Window:
    """One moment of looking back on behaviour, and forward to outcomes.

    Attributes
    ----------
    as_of : date
        Features use days before this one; outcomes this one and later.
    lookback_days : int
        Features see ``[as_of − lookback_days, as_of)``.
    outcome_days : int
        Outcomes are measured in ``[as_of, as_of + outcome_days)``.
    """

    as_of: date
    lookback_days: int
    outcome_days: int

    @property
    def features_from(self) -> date:
        """First day that features see."""
        return self.as_of - timedelta(days=self.lookback_days)

    @property
    def outcomes_until(self) -> date:
        """First day after the outcome period."""
        return self.as_of + timedelta(days=self.outcome_days)

    @property
    def previous(self) -> Window:
        """The latest window whose outcomes were complete at this window's ``as_of``."""
        return replace(self, as_of=self.as_of - timedelta(days=self.outcome_days))


@dataclass(frozen=True)
class Windows:
    """The three windows of a training run.

    Attributes
    ----------
    learn : Window
        Everything is fitted here: scaling, vocabularies, outcome models, clusterers.
    judge : Window
        Labels from the packaged assigner at ``as_of``, worth from the outcomes after it.
    refit : Window
        The newest day: the chosen recipe is fitted again here; outcomes are learned in ``refit.previous``.
    """

    learn: Window
    judge: Window
    refit: Window


def plan_windows(
    first_day: date,
    last_day: date,
    *,
    lookback_days: int,
    outcome_days: int,
    as_of: date | None = None,
) -> Windows:
    """Lay the learn, judge and refit windows over the days the transactions cover.

    Parameters
    ----------
    first_day, last_day : date
        First and last day with a transaction.
    lookback_days : int
        Days of behaviour that features see; the same in every window.
    outcome_days : int
        Days over which outcomes are measured.
    as_of : date, optional
        Where the judge window divides past and future. Default: ``last_day + 1 − outcome_days``.

    Raises
    ------
    InvalidConfigError
        A number of days is below 1.
    InvalidInputError
        A window is not fully covered by data; the message says which dates would do.
    """
    for option, value in (("lookback_days", lookback_days), ("outcome_days", outcome_days)):
        if value < 1:
            raise InvalidConfigError(f"{option} must be at least 1; got {value}.")
    newest = last_day + timedelta(days=1)
    days = (newest - first_day).days
    needed = lookback_days + 2 * outcome_days
    if days < needed:
        remedies = {"lookback_days": days - 2 * outcome_days, "outcome_days": (days - lookback_days) // 2}
        choices = [f"{option} ≤ {most}" for option, most in remedies.items() if most >= 1]
        raise InvalidInputError(
            f"lookback_days={lookback_days} and outcome_days={outcome_days} need {needed} days of transactions "
            f"(lookback + 2 × outcome); the data has {days} ({first_day} to {last_day}). "
            f"Choose {' or '.join(choices) if choices else 'smaller values for both'}, or use more data."
        )
    earliest = first_day + timedelta(days=lookback_days + outcome_days)
    latest = newest - timedelta(days=outcome_days)
    as_of = as_of if as_of is not None else latest
    if not earliest <= as_of <= latest:
        raise InvalidInputError(
            f"as_of={as_of} leaves a window without data: with lookback_days={lookback_days} and "
            f"outcome_days={outcome_days} on transactions of {first_day} to {last_day}, "
            f"as_of must lie from {earliest} to {latest}."
        )
    judge = Window(as_of, lookback_days, outcome_days)
    return Windows(judge.previous, judge, Window(newest, lookback_days, outcome_days))
