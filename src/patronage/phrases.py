"""Figures in words: money, shares, times and lists, as portraits and plans say them; always rounded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeGuard

from patronage.wording import Wording

_WEEK = 7.0
_MONTH = 30.4375
_YEAR = 365.25


@dataclass(frozen=True)
class Phrases:
    """Says figures in a language.

    Attributes
    ----------
    wording : Wording
    currency : str, default ""
        Said behind amounts of money, where it is known.
    """

    wording: Wording
    currency: str = ""

    def number(self, value: float) -> str:
        """To two significant digits, with thousands apart: 1,234 is 1,200; below 10 at most one decimal."""
        rounded = round_off(value)
        return f"{rounded:,.0f}" if abs(rounded) >= 10 or rounded == int(rounded) else f"{rounded:,.1f}"  # noqa: PLR2004

    def word(self, n: int) -> str:
        """A whole number up to twelve as a word."""
        words = self.wording("phrases.numbers").split()
        return words[n - 1] if 1 <= n <= len(words) else f"{n:,}"

    def money(self, value: float) -> str:
        """An amount."""
        amount = self.number(round(value) if abs(value) >= 1 else value)
        if not self.currency:
            return self.wording("phrases.money", amount=amount)
        return self.wording("phrases.money_in", amount=amount, currency=self.currency)

    def share(self, value: float) -> str:
        """A share in whole per cent."""
        if 0 < value < 0.005:  # noqa: PLR2004
            return self.wording("phrases.share_little")
        return self.wording("phrases.share", percent=f"{100 * value:.0f}")

    def listed(self, items: Sequence[str]) -> str:
        """Items as a sentence lists them: a, b and c."""
        *first, last = items
        comma, final = self.wording("phrases.list_comma"), self.wording("phrases.list_and")
        return final.join([comma.join(first), last]) if first else last

    def often(self, per_month: float) -> str:
        """How often something happens."""
        per_week = per_month * _WEEK / _MONTH
        for least, key, n in (
            (5.0, "daily", 0.0),
            (2.5, "week", per_week),
            (1.6, "twice_week", 0.0),
            (0.8, "once_week", 0.0),
            (2.5 * _WEEK / _MONTH, "month", per_month),
            (1.6 * _WEEK / _MONTH, "twice_month", 0.0),
            (0.62 * _WEEK / _MONTH, "once_month", 0.0),
        ):
            if per_week >= least:
                return self._said(f"often.{key}", n)
        if per_month * 12 < 1:
            return self.wording("phrases.often.rarely")
        return self.wording("phrases.often.every", every=self.every(_MONTH / per_month))

    def every(self, days: float) -> str:
        """A rhythm, in the unit in which people think of it; see `usual_days`."""
        days = usual_days(days)
        if days < _WEEK:
            return self._said("every.day" if days == 1 else "every.days", days)
        if days < 4 * _WEEK:
            return self._said("every.week" if days == _WEEK else "every.weeks", days / _WEEK)
        months = round(days / _MONTH)
        if days >= round(_YEAR):
            return self.wording("phrases.every.year")
        return self._said("every.month" if months == 1 else "every.months", months)

    def ago(self, days: float) -> str:
        """How long ago something was."""
        for limit, key, n in (
            (2.5, "now", 0.0),
            (5.5, "days", 0.0),
            (10.5, "week", 0.0),
            (24.5, "weeks", days / _WEEK),
            (1.5 * _MONTH, "month", 0.0),
        ):
            if days < limit:
                return self._said(f"ago.{key}", n)
        return self._said("ago.months", days / _MONTH)

    def ratio(self, value: float, of_all: float) -> str:
        """How a figure stands to that of all customers; empty where that is no comparison."""
        if not (value >= 0 and of_all > 0):
            return ""
        ratio = value / of_all
        for least, key in (
            (3.5, "many"),
            (2.5, "three"),
            (1.75, "twice"),
            (1.3, "more"),
            (0.8, "same"),
            (0.6, "less"),
            (0.4, "half"),
            (0.25, "third"),
        ):
            if ratio >= least:
                return self._said(f"ratio.{key}", ratio)
        return self.wording("phrases.ratio.fraction")

    def of_many(self, share: float, things: str) -> str:
        """A share of things as people say it: one in four orders, about half of the orders, most orders."""
        for least, key in ((0.95, "all"), (0.6, "most"), (0.385, "half")):
            if share >= least:
                return self.wording(f"phrases.of.{key}", things=things)
        if share <= 0:
            return self.wording("phrases.of.none", things=things)
        return self.wording("phrases.of.one_in", n=self.word(max(2, round(1 / share))), things=things)

    def month(self, number: int) -> str:
        """A month's name, from 1."""
        return self.wording("phrases.months").split()[number - 1]

    def _said(self, key: str, n: float) -> str:
        return self.wording(f"phrases.{key}", n=self.word(max(1, round(n))))


def round_off(value: float) -> float:
    """Two significant digits; none behind the decimal point but one below 10.

    Examples
    --------
    >>> round_off(1253), round_off(62.6), round_off(3.14), round_off(0.04)
    (1300, 63, 3.1, 0.0)
    """
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, min(1, 1 - math.floor(math.log10(abs(value)))))


def usual_days(days: float) -> int:
    """A rhythm that people keep: some days below a week, then whole weeks, from four on months, at most a year."""
    if days < 6:  # noqa: PLR2004
        return max(1, round(days))
    if days < 3.6 * _WEEK:
        return int(_WEEK) * max(1, round(days / _WEEK))
    return round(min(max(1, round(days / _MONTH)) * _MONTH, _YEAR))


def known(value: object) -> TypeGuard[float]:
    """Whether a figure of a table is there."""
    return isinstance(value, Real) and math.isfinite(value)
