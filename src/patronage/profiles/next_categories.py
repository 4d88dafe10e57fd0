"""The categories that each customer may want next: complements of what it buys, which it does not buy yet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patronage.profiles.bought import CHUNK, Bought, read_bought
from patronage.profiles.customers import Customers
from patronage.profiles.members import MIN_CUSTOMERS
from patronage.tables import Tables


def next_best_categories(
    tables: Tables, customers: Customers, rules: pd.DataFrame, n: int = 3, bought: Bought | None = None
) -> pd.DataFrame:
    """The next best categories of every customer, of those that it did not buy within the lookback.

    A category's score is the share of the segment's members who buy it, times the highest lift of the segment's rules
    that lead to it from what the customer buys, 1 where there is none: about how many members like this one buy it. So
    complements come forward, and where no rule speaks the segment's favourites fill the places. Ties go to the category
    with more revenue. Categories with fewer than `MIN_CUSTOMERS` buyers in the segment are not offered.

    Parameters
    ----------
    tables : Tables
        Open tables, those that ``customers`` and ``rules`` were made from.
    customers : Customers
    rules : DataFrame
        As `cross_sell_rules` gives them.
    n : int, default 3
        Categories per customer.
    bought : Bought, optional
        What `read_bought` gives for these, so that several questions read the lines once.

    Returns
    -------
    DataFrame of shape (n_customers, n)
        ``next_category_1`` … by customer id, missing where there is none. Customers placed by their profile, who bought
        nothing, get the favourites of their segment; dormant ones and those without a segment like theirs get none.
    """
    columns = [f"next_category_{rank}" for rank in range(1, n + 1)]
    index = customers.placed.index
    found = np.full((len(index), n), -1)
    bought = bought or read_bought(tables, customers)
    if bought is None or not n:
        return pd.DataFrame(index=index, columns=columns, dtype="str")
    row_of = bought.segments.index.get_indexer(index)  # −1: placed by their profile, and bought nothing
    wanting, placed = customers.placed["segment_id"].to_numpy(), (customers.placed["basis"] != "none").to_numpy()
    for segment in bought.segment_ids:
        buyers = bought.buyers(segment)
        lift = _lifts(rules[rules["segment_id"] == segment], bought)
        offered = np.where(buyers >= MIN_CUSTOMERS, buyers / (bought.segments == segment).sum(), 0.0)
        inside = np.flatnonzero((wanting == segment) & placed)
        for start in range(0, len(inside), CHUNK):
            some = inside[start : start + CHUNK]
            rows = row_of[some]
            owned = bought.matrix(rows) & (rows >= 0)[:, None]
            found[some] = _best(owned, offered, lift, n)
    names = pd.array([*bought.categories, None], dtype="str")
    return pd.DataFrame({name: names.take(found[:, rank]) for rank, name in enumerate(columns)}, index=index)


def _lifts(rules: pd.DataFrame, bought: Bought) -> np.ndarray:
    """Lift from each category to each other, of shape (n_categories, n_categories); 1 without a rule."""
    place = pd.Index(bought.categories)
    first, second = (place.get_indexer(pd.Index(rules[name])) for name in ("bought", "offered"))
    known = (first >= 0) & (second >= 0)
    lift = np.ones((len(place), len(place)))
    lift[first[known], second[known]] = rules["lift"].to_numpy()[known]
    return lift


def _best(owned: np.ndarray, offered: np.ndarray, lift: np.ndarray, n: int) -> np.ndarray:
    """Positions of the best categories that are not owned, of shape (n_customers, n); −1 where there is none."""
    highest = np.ones(owned.shape)
    for category in np.flatnonzero((lift > 1).any(axis=1)):
        led_to = np.flatnonzero(lift[category] > 1)
        cells = np.ix_(np.flatnonzero(owned[:, category]), led_to)
        highest[cells] = np.maximum(highest[cells], lift[category, led_to])
    score = np.where(owned, 0.0, offered * highest)
    order = np.argsort(-score, axis=1, kind="stable")[:, :n]
    best = np.where(np.take_along_axis(score, order, axis=1) > 0, order, -1)
    return np.pad(best, ((0, 0), (0, n - best.shape[1])), constant_values=-1)
