"""What is known of a segment's typical customer, and how many customers are behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from patronage.naming import readable_label
from patronage.phrases import Phrases, known
from patronage.profiles import Profiles
from patronage.wording import Wording

FEWEST = 5
"""Customers that must be behind every statement."""

NOTABLE = 0.25
"""The least difference from all customers, in standard deviations of ranks, that is spoken of."""

TOLD = frozenset(
    {"orders_per_month", "spend_per_month", "order_value", "recency_days", "gap_days_median", "tenure_days"}
)
"""Features that sentences on visits and money speak of."""


_MONTH = 30.4375
_VISITS = (("orders_per_month", 1.0), ("visits_per_year", 1.0 / 12))
_SPEND = (("spend_per_month", 1.0), ("spend", 1.0 / 24))


@dataclass(frozen=True)
class Habit:
    """What a customer of a segment does, and how that stands to all customers.

    Attributes
    ----------
    amount : float
        Per month, or in days.
    of_all : float, optional
        The same of all customers.
    effect : float
        In standard deviations of ranks; of means log₃ of how they stand to the mean of the segment that the middle
        customer is in, as few customers who do much pull up the mean of all: three times as much is far above.
    is_mean : bool
        The segment's mean, as no feature tells what is typical.
    """

    amount: float
    of_all: float | None
    effect: float
    is_mean: bool


@dataclass(frozen=True)
class Mark:
    """A numeric feature in which a segment is notable.

    Attributes
    ----------
    feature, label, family, role : str
        The label in words, as a reader would write it.
    effect : float
        In standard deviations of ranks.
    shares : tuple of (float, float), optional
        Of an answer of two: how many of the segment, and of all customers, are as the label says.
    """

    feature: str
    label: str
    family: str
    role: str
    effect: float
    shares: tuple[float, float] | None


class Likeness:
    """One segment as its profiles describe it; nothing here rests on fewer than five customers.

    Sensitive traits are not there, unless the segments are formed on them.

    Attributes
    ----------
    notable : list of Mark
        Strongest first.
    behind : list of int
        Customers behind what was asked for so far.
    """

    def __init__(self, profiles: Profiles, line: pd.Series, wording: Wording) -> None:
        self.say = wording
        self.phrases = Phrases(wording, str(profiles.about.get("currency") or ""))
        self.line = line
        self.id = str(line["segment_id"])
        self.profiles = profiles
        marks = profiles.differentiators
        basis = set(marks.loc[marks["role"] == "basis", "feature"])
        hidden = set(profiles.sensitive["feature"]) - basis
        marks = marks[(marks["segment_id"] == self.id) & ~marks["feature"].isin(hidden) & (marks["n_known"] >= FEWEST)]
        # Levels are many and say little each; what is typical of texts stands in the typical customer.
        marks = marks[marks["level"].fillna("") == ""]
        self.marks = marks.set_index("feature")
        notable = marks[marks["notable"].astype(bool) & (marks["effect"].abs() >= NOTABLE)]
        self.notable = [
            _mark({str(key): one for key, one in line.items()}, wording) for line in notable.to_dict("records")
        ]
        typical = profiles.typical
        mine = (typical["segment_id"] == self.id) & ~typical["feature"].isin(hidden)
        self.customary = typical[mine & (typical["n_customers"] >= FEWEST)].set_index("feature")
        self.behind = [int(line["n_customers"])]

    @property
    def families(self) -> list[str]:
        """Families in which the segment is notable, the strongest first."""
        return list(dict.fromkeys(mark.family for mark in self.notable))

    def effect(self, *features: str) -> float:
        """Difference from all customers of the first feature that is there; 0 where it may be chance."""
        for feature in features:
            if feature in self.marks.index:
                line = self.marks.loc[feature]
                return float(line["effect"]) if bool(line["notable"]) and known(line["effect"]) else 0.0
        return 0.0

    def typical(self, *features: str) -> float | None:
        """What is typical of the first feature that is there."""
        for feature in features:
            if feature not in self.customary.index:
                continue
            value, n = self.customary.loc[feature, "typical"], self.customary.loc[feature, "n_customers"]
            if known(value) and known(n):
                self.behind.append(int(n))
                return float(value)
        return None

    def of_all(self, feature: str) -> float | None:
        """What is typical of all customers: the same statistic as `typical`."""
        value = self.customary.loc[feature, "typical_all"] if feature in self.customary.index else None
        return float(value) if known(value) else None

    def visits(self) -> Habit | None:
        """Visits or orders in a month: as is typical, else the mean of dated orders."""
        return self._per_month(_VISITS) or self._mean_habit("orders_per_customer", 1 / self.months)

    def spend(self) -> Habit | None:
        """Money spent in a month: as is typical, else the mean of dated orders."""
        return self._per_month(_SPEND) or self._mean_habit("revenue_per_customer", 1 / self.months)

    def last_visit(self) -> Habit | None:
        """Days since the last order: as is typical, else the segment's median; compared with the mean of medians."""
        days = self.typical("recency_days")
        if days is not None:
            return Habit(days, self.of_all("recency_days"), self.effect("recency_days"), is_mean=False)
        return self._mean_habit("recency_days_median", 1.0)

    def basket(self) -> float | None:
        """Money of an order: as is typical, else the mean."""
        typical = self.typical("order_value")
        revenue, orders = self.figure("revenue_per_customer"), self.figure("orders_per_customer")
        if typical is not None or revenue is None or not orders:
            return typical
        return revenue / orders

    @property
    def months(self) -> float:
        """Length of the lookback; NaN of a snapshot."""
        return float(self.profiles.about.get("lookback_days") or math.nan) / _MONTH

    def _per_month(self, features: Sequence[tuple[str, float]]) -> Habit | None:
        for feature, factor in features:
            value = self.typical(feature)
            if value is not None:
                of_all = self.of_all(feature)
                of_all = None if of_all is None else of_all * factor
                return Habit(value * factor, of_all, self.effect(feature), is_mean=False)
        return None

    def _mean_habit(self, column: str, factor: float) -> Habit | None:
        value, of_all = self.figure(column), self.typical_of_all(column)
        if value is None or of_all is None or not known(factor):
            return None
        middle = self._middle(column)
        effect = math.log(value / middle, 3) if value > 0 and middle > 0 else 0.0
        return Habit(value * factor, of_all * factor, effect, is_mean=True)

    def figure(self, column: str) -> float | None:
        """A figure of the segment; its customers are behind it."""
        value = self.line.get(column)
        return float(value) if known(value) else None

    def typical_of_all(self, column: str) -> float | None:
        """A segments' figure as all customers have it."""
        value = self.profiles.overall[column].iloc[0]
        return float(value) if known(value) else None

    def change_beside_all(self) -> tuple[float, float] | None:
        """Change of spend from the first half of the lookback to the second, here and of all customers."""
        change, of_all = self.figure("spend_change"), self.typical_of_all("spend_change")
        return None if change is None or of_all is None else (change, of_all)

    def _middle(self, column: str) -> float:
        """The figure of the segment that the middle one of all customers is in, segments being in order of it."""
        segments = self.profiles.segments
        here = segments[segments[column].notna() & ~segments["reserved"].astype(bool)].sort_values(column)
        up_to = here["n_customers"].cumsum()
        return float(here.loc[up_to >= here["n_customers"].sum() / 2, column].iloc[0])

    def labels(
        self, families: Sequence[str], most: int, *, role: str | None = None, skip: frozenset[str] = TOLD
    ) -> list[str]:
        """What is notable in some families of features, in words, strongest first."""
        found = [
            mark.label
            for mark in self.notable
            if mark.family in families and mark.feature not in skip and role in (None, mark.role)
        ]
        return list(dict.fromkeys(found))[:most]

    def strongest(self, family: str) -> float:
        """The largest difference from all customers in a family's features, without its sign."""
        return max((abs(mark.effect) for mark in self.notable if mark.family == family), default=0.0)

    def share_who_say(self, said: str) -> tuple[float, float] | None:
        """How many give an answer of two, here and among all; None of answers on a scale."""
        return next((mark.shares for mark in self.notable if mark.label == said), None)


def _mark(line: Mapping[str, Any], wording: Wording) -> Mark:
    here, of_all = line["typical"], line["typical_all"]
    shares = None
    if line.get("statistic") == "share" and known(here) and known(of_all):
        shares = (here, of_all) if line["direction"] == "high" else (1 - here, 1 - of_all)
    feature = str(line["feature"])
    label = readable_label(feature, str(line["label"]), wording)
    return Mark(feature, label, str(line["family"]), str(line["role"]), float(line["effect"]), shares)
