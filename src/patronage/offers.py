"""What an export tells of customers beside their segment: what to offer them next, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from patronage.features import FeatureTable
from patronage.journal import progress
from patronage.model import SegmentationModel
from patronage.profiles import Customers
from patronage.profiles.bought import category_column, read_bought
from patronage.profiles.categories import cross_sell_rules
from patronage.profiles.next_categories import next_best_categories
from patronage.profiles.ranking import customers_by_value
from patronage.tables import Tables


@dataclass(frozen=True)
class Offers:
    """What raw tables tell of customers.

    Attributes
    ----------
    next_categories : DataFrame of shape (n_customers, n), optional
        As `next_best_categories` gives it; None where nothing was asked for, or lines have no categories.
    by_value : DataFrame, optional
        As `customers_by_value` gives it; None where there is no money.
    value_name : str
        What a customer's value is in it: ``profit``, ``margin`` or ``revenue``; else ``none``.
    """

    next_categories: pd.DataFrame | None = None
    by_value: pd.DataFrame | None = None
    value_name: str = "none"

    @property
    def columns(self) -> list[str]:
        """Names of the columns of next categories."""
        return [] if self.next_categories is None else list(self.next_categories.columns)

    def beside(self, ids: pa.ChunkedArray) -> list[pa.Array]:
        """The next categories of some customers, a column each; empty for those who are not known."""
        if self.next_categories is None:
            return []
        some = self.next_categories.reindex(ids.to_pylist())
        return [pa.array(some[name], pa.string(), from_pandas=True) for name in some]


def offers_of(tables: Tables, customers: Customers, n: int) -> Offers:
    """Find the next best ``n`` categories of every customer, and put all of them in the order of their value."""
    offered = None
    if n and category_column(tables) is not None:
        with progress("finding next categories"):
            bought = read_bought(tables, customers)
            rules = cross_sell_rules(tables, customers, bought)
            offered = next_best_categories(tables, customers, rules, n, bought)
    ranked = None if customers.value_name == "none" else customers_by_value(customers)
    return Offers(offered, ranked, customers.value_name)


def inputs_of(model: SegmentationModel, customers: Customers) -> FeatureTable:
    """What the model reads of customers who are described already: then their features are built once."""
    names = [feature.name for feature in model.inputs if feature.name in customers.features]
    return FeatureTable(customers.features[names], customers.status)
