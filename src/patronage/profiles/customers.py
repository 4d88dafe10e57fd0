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
        Those of ``revenue, margin, service_cost, campaign_cost`` that are known, within the lookback.
    value : Series of shape (n_customers,)
        Profit where a margin and a cost are known, else margin, else revenue, less the costs that are known; NaN where
        there is no money at all.
    value_name : str
        ``profit``, ``margin``, ``revenue`` or ``none``.
    habits : DataFrame of shape (n_customers, …)
        Those of `HABITS` that the tables allow.
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

    @property
    def described(self) -> np.ndarray:
        """Customers that segments are described by, of shape (n_customers,), bool: those placed by what they do."""
        return (self.placed["basis"] == "behaviour").to_numpy()


def describe_customers(tables: Tables, model: SegmentationModel, as_of: date | None = None) -> Customers:
    """Build features, money and habits of every customer, and place them; ``as_of`` as in `scoring_window`."""
    window = window_of(tables, model, as_of)
    known = learn_catalogue(tables, model.catalogue.features, window, may_be_empty=True)
    further = learn_catalogue(tables, (*MONEY, *HABITS), window, may_be_empty=True)
    renamed = tuple(replace(one, name=_PREFIX + one.name) for one in further.features)
    # One statement reads the lines once for all of it.
    table = build_features(tables, Catalogue((*known.features, *renamed)), window)
    placed = model.predict(table.frame.assign(customer_status=table.status))
    money, habits = (_named(table.frame, declared, further) for declared in (MONEY, HABITS))
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
    )


def _named(frame: pd.DataFrame, declared: tuple[Feature, ...], known: Catalogue) -> pd.DataFrame:
    """Those of the declared columns that are known, under their own names."""
    names = [one.name for one in declared if one.name in known.names]
    return frame[[_PREFIX + name for name in names]].set_axis(names, axis=1)


def _value(money: pd.DataFrame) -> tuple[pd.Series, str]:
    """What a customer is worth, by the best measure that is known."""
    costs = [name for name in ("service_cost", "campaign_cost") if name in money]
    for name in ("margin", "revenue"):
        if name in money:
            value = money[name].fillna(0.0) - money[costs].fillna(0.0).sum(axis=1)
            return value, "profit" if costs and name == "margin" else name
    return pd.Series(np.nan, index=money.index), "none"
