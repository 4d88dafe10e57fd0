"""How the report says numbers: in few letters, with their unit, and a dash where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from patronage.distribution import number_in_words, percent
from patronage.naming import readable_label, readable_value
from patronage.wording import Wording

_MILLION, _BILLION = 1e7, 1e10
"""From here on numbers are told in millions, and in thousands of millions."""

_SHARES = {
    *("share", "value_share", "loss_share", "margin_rate", "single_order_share", "new_share", "overdue_share"),
    *("discount_share", "category_share_top", "service_cost_share", "response_rate", "reachable_share", "confidence"),
    "best_channel_rate",
}
_MONEY = {
    *("value_per_customer", "value_low", "value_high", "value_total", "revenue_per_customer", "margin_per_customer"),
    *("service_cost_per_customer", "campaign_cost_per_customer", "profit_per_customer", "later_value_per_customer"),
}


def _absent(value: Any) -> bool:  # noqa: ANN401 - whatever stands in a table
    return bool(pd.isna(value))


@dataclass(frozen=True)
class Numbers:
    """Numbers in the words of a language.

    Attributes
    ----------
    wording : Wording
    unit : str
        Of money; empty where it is not known.
    """

    wording: Wording
    unit: str = ""

    @property
    def dash(self) -> str:
        """What stands where there is no number."""
        return self.wording("report.dash")

    def count(self, number: float) -> str:
        """A number of customers or things."""
        return self.dash if _absent(number) else f"{number:,.0f}".replace("-", "−")

    def share(self, number: float) -> str:
        """A share, in percent."""
        return self.dash if _absent(number) else percent(float(number)).replace("-", "−")

    def plain(self, number: float) -> str:
        """Any number; large ones in millions."""
        if _absent(number):
            return self.dash
        for size, divisor, key in ((_BILLION, 1e9, "billion"), (_MILLION, 1e6, "million")):
            if size <= abs(number) < 1e15:  # noqa: PLR2004 - beyond it digits say no more than the power does
                return self.wording(f"report.{key}", number=number_in_words(number / divisor))
        return number_in_words(float(number))

    def money(self, number: float) -> str:
        """An amount, with its unit where that is known."""
        return self.measured(number, self.unit)

    def measured(self, number: float, unit: str) -> str:
        """A number of a unit; a share of something in percent."""
        if unit.startswith("share"):
            return self.share(number)
        said = self.plain(number)
        return said if _absent(number) or not unit else self.wording("report.with_unit", number=said, unit=unit)

    def of_feature(self, number: float, unit: str, level: str = "") -> str:
        """A typical value of a feature: levels have shares, numbers their digits; the unit is told elsewhere."""
        return self.share(number) if level or unit.startswith("share") else self.plain(number)

    def signed(self, number: float, decimals: int = 1) -> str:
        """A difference with its sign, minus as minus; none before zero."""
        if _absent(number):
            return self.dash
        rounded = round(float(number), decimals) + 0.0
        return f"{rounded:+.{decimals}f}".replace("-", "−") if rounded else f"{rounded:.{decimals}f}"

    def fixed(self, number: float, decimals: int = 2) -> str:
        """A figure between −1 and 1, to so many decimals."""
        return (
            self.dash if _absent(number) else f"{round(float(number), decimals) + 0.0:.{decimals}f}".replace("-", "−")
        )

    def p(self, number: float) -> str:
        """A p-value."""
        if _absent(number):
            return self.dash
        return "<0.001" if number < 0.001 else f"{number:.3f}"  # noqa: PLR2004 - the usual last step

    def span(self, low: str, high: str) -> str:
        """From one to the other."""
        return self.wording("report.range", low=low, high=high)

    def days(self, number: float) -> str:
        """So many days, to one decimal."""
        rounded = round(float(number), 1)
        return self.wording.counted("report.days", int(rounded) if rounded == int(rounded) else rounded)  # type: ignore[arg-type] # it only compares with 1

    def of_column(self, column: str, value: Any) -> str:  # noqa: ANN401 - a text, a number, or nothing
        """The value of a column of `Profiles.segments`."""
        if _absent(value) or value == "":
            return self.dash
        if isinstance(value, str):
            return value
        number = float(value)
        if column in _MONEY:
            return self.money(number)
        if column in _SHARES or column.endswith("_share"):
            return self.share(number)
        return self._of_other_column(column, number)

    def _of_other_column(self, column: str, number: float) -> str:
        forms: Mapping[str, Callable[[float], str]] = {
            "recency_days_median": lambda days: self.wording("report.ago", days=self.days(days)),
            "gap_days_median": self.days,
            "spend_change": lambda change: f"{self.signed(100 * change)}%",
            "roi": lambda roi: self.wording("report.roi", number=self.plain(roi)),
            "jaccard": self.fixed,
        }
        other = self.count if column.startswith("n_") else self.plain
        return forms.get(column, other)(number)

    def category(self, value: str) -> str:
        """A category or another value of a column, as a reader would write it; the first letter is a capital."""
        said = readable_value(value, self.wording)
        return said[:1].upper() + said[1:]

    def label(self, feature: str, label: str) -> str:
        """A feature's label, with the value of a column in it as a reader would write it."""
        return readable_label(feature, label, self.wording)

    def column(self, column: str) -> str:
        """What a column of `Profiles.segments` is called."""
        key = f"report.column.{column}"
        return self.wording(key) if self.wording.has(key) else column.replace("_", " ")
