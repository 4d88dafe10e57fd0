"""The customers that segments are described by: their features, where the model places them, and their money."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pandas as pd

from patronage.catalogue import Catalogue, Feature
from patronage.features import build_features, learn_catalogue
from patronage.model import SegmentationModel
from patronage.scoring.building import window_of
from patronage.tables import Tables
from patronage.windows import Window

_PREFIX = "of profile "  # no catalogue's name has a blank, so none is taken

MONEY = (
    Feature("revenue", "ledger", "sum(revenue)", empty=0),
    Feature("margin", "ledger", "sum(margin)", empty=0),
    Feature("service_cost", "ledger", "sum(service_cost)", empty=0),
    Feature("campaign_cost", "ledger", "sum(campaign_cost)", empty=0),
)
"""What a customer brought in and cost within the lookback; what the tables do not tell is left out."""

KNOWN_MARGIN = ("margin_known", "revenue_of_margin")
"""Margin of the lines that have one, and the revenue of these lines."""

MOST_UNKNOWN = 0.5
"""Of more revenue than this share without a margin, no margin is told: it would be mostly made up."""

_OF_MARGIN = Feature("revenue_of_margin", "ledger", "sum(revenue) FILTER (WHERE margin IS NOT NULL)", empty=0)

_HALF = "$start::timestamp + ($as_of::timestamp - $start::timestamp) / 2"

HABITS = (
    Feature("n_orders", "orders", "count(*)", empty=0),
    Feature("recency_days", "orders", "date_diff('day', max(ordered_at)::date, $as_of::date)"),
    Feature("gap_days_median", "orders", "median(gap_days)"),
    Feature("revenue_first_half", "lines", f"coalesce(sum(revenue) FILTER (WHERE ordered_at < {_HALF}), 0)", empty=0),
    Feature("revenue_second_half", "lines", f"coalesce(sum(revenue) FILTER (WHERE ordered_at >= {_HALF}), 0)", empty=0),
    Feature("bought_for", "lines", "sum(greatest(revenue, 0))", empty=0),
    Feature("discount", "lines", "coalesce(sum(greatest(discount, 0)), 0)", empty=0),
)
"""How a customer buys within the lookback, whatever the features of a model are; ``bought_for`` is before refunds."""


@dataclass(frozen=True)
class Customers:
    """Customers of one date; the rows of the tables are the same customers, in the order of their ids.

    Attributes
    ----------
    window : Window
    catalogue : Catalogue
        The model's features that these tables allow, descriptors included.
    features : DataFrame of shape (n_customers, n_features)
    status : Series of shape (n_customers,)
        ``active``, ``dormant`` or ``prospect``.
    placed : DataFrame of shape (n_customers, 6)
        As `SegmentationModel.predict` gives it.
    money : DataFrame of shape (n_customers, …)
        Those of ``revenue, margin, service_cost, campaign_cost`` that are known, within the lookback. Where some lines
        have no margin, ``margin`` is filled up with the shop's own rate of the lines that have one, and `KNOWN_MARGIN`
        are there too; where more than `MOST_UNKNOWN` of the revenue has none, there is no margin.
    value : Series of shape (n_customers,)
        Profit (margin less costs) where a margin and a cost are known, else margin, else revenue; NaN where there is no
        money at all.
    value_name : str
        ``profit``, ``margin``, ``revenue`` or ``none``.
    habits : DataFrame of shape (n_customers, …)
        Those of `HABITS` that the tables allow.
    margin_unknown : float, default 0.0
        Share of the revenue whose lines have no margin.
    """

    window: Window
    catalogue: Catalogue
    features: pd.DataFrame
    status: pd.Series
    placed: pd.DataFrame
    money: pd.DataFrame
    value: pd.Series
    value_name: str
    habits: pd.DataFrame = field(default_factory=pd.DataFrame)
    margin_unknown: float = 0.0

    @property
    def described(self) -> np.ndarray:
        """Customers that segments are described by, of shape (n_customers,), bool: those placed by what they do."""
        return (self.placed["basis"] == "behaviour").to_numpy()


def describe_customers(tables: Tables, model: SegmentationModel, as_of: date | None = None) -> Customers:
    """Build features, money and habits of every customer, and place them; ``as_of`` as in `scoring_window`."""
    window = window_of(tables, model, as_of)
    known = learn_catalogue(tables, model.catalogue.features, window, may_be_empty=True)
    further = learn_catalogue(tables, (*MONEY, _OF_MARGIN, *HABITS), window, may_be_empty=True)
    renamed = tuple(replace(one, name=_PREFIX + one.name) for one in further.features)
    # One statement reads the lines once for all of it.
    table = build_features(tables, Catalogue((*known.features, *renamed)), window)
    placed = model.predict(table.frame.assign(customer_status=table.status))
    money, habits = (_named(table.frame, declared, further) for declared in ((*MONEY, _OF_MARGIN), HABITS))
    money, margin_unknown = _filled_up(money)
    value, value_name = _value(money)
    return Customers(
        window=window,
        catalogue=known,
        features=table.frame[known.names],
        status=table.status,
        placed=placed,
        money=money,
        value=value,
        value_name=value_name,
        habits=habits,
        margin_unknown=margin_unknown,
    )


def _named(frame: pd.DataFrame, declared: tuple[Feature, ...], known: Catalogue) -> pd.DataFrame:
    """Those of the declared columns that are known, under their own names."""
    names = [one.name for one in declared if one.name in known.names]
    return frame[[_PREFIX + name for name in names]].set_axis(names, axis=1)


def _filled_up(money: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Money in which no unknown margin counts as none, and the share of revenue without a margin.

    A line without a margin is given that of the same revenue among the lines that have one, as a ratio estimate does
    (Cochran, 1977, Sampling Techniques, chapter 6).
    """
    if "margin" not in money or "revenue_of_margin" not in money:
        return money.drop(columns="revenue_of_margin", errors="ignore"), 0.0
    revenue, known = money["revenue"].fillna(0.0), money["revenue_of_margin"].fillna(0.0)
    missing = (revenue - known).where(lambda left: left.abs() > 1e-9 * revenue.abs(), 0.0)
    if not missing.any():
        return money.drop(columns="revenue_of_margin"), 0.0
    share = float(missing.abs().sum() / (missing.abs().sum() + known.abs().sum()))
    if share > MOST_UNKNOWN or not known.sum() > 0:
        return money.drop(columns=["margin", "revenue_of_margin"]), share
    margin = money["margin"].fillna(0.0)
    return money.assign(margin=margin + margin.sum() / known.sum() * missing, margin_known=margin), share


def _value(money: pd.DataFrame) -> tuple[pd.Series, str]:
    """What a customer is worth, by the best measure that is known."""
    costs = [name for name in ("service_cost", "campaign_cost") if name in money]
    if "margin" in money:
        return money["margin"].fillna(0.0) - money[costs].fillna(0.0).sum(axis=1), "profit" if costs else "margin"
    if "revenue" in money:
        return money["revenue"].fillna(0.0), "revenue"
    return pd.Series(np.nan, index=money.index), "none"
