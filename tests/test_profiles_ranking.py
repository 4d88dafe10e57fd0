"""The customer list in falling value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.profiles.ranking import customers_by_value, ranked_columns
from tests.shoppers import shoppers


def test_shares_are_counted_by_hand() -> None:
    """50, 30, 30 and a loss of 10 make 100; equal customers stand by their ids, and the list goes above all value."""
    listed = customers_by_value(shoppers(["S02", "S01", "S01", "dormant"], [30, 50, -10, 30]))
    assert dict(listed.dtypes.astype(str)) == ranked_columns("profit")
    assert list(listed["customer_id"]) == ["00001", "00000", "00003", "00002"]
    assert list(listed["segment_name"]) == ["Group S01", "Group S02", "Dormant", "Group S01"]
    assert list(listed["profit"]) == [50, 30, 30, -10]
    assert list(listed["cumulative_profit_share"]) == pytest.approx([0.5, 0.8, 1.1, 1.0])
    assert list(listed["cumulative_customer_share"]) == [0.25, 0.5, 0.75, 1.0]
    assert list(listed["rank"]) == [1, 2, 3, 4]


@pytest.mark.parametrize("value", [[0, 0, 0], [5, -5, 0], [-1, -2, -3]])
def test_without_a_gain_there_is_nothing_to_have_shares_of(value: list[float]) -> None:
    """Totals of 0 and losses: the order stands, shares of value are missing."""
    listed = customers_by_value(shoppers(["S01"] * 3, value))
    assert listed["cumulative_profit_share"].isna().all()
    assert listed["profit"].is_monotonic_decreasing
    assert listed["cumulative_customer_share"].iloc[-1] == 1


def test_without_money_there_is_no_list() -> None:
    """All columns, no lines."""
    listed = customers_by_value(shoppers(["S01"] * 3))
    assert listed.empty
    assert list(listed.columns) == list(ranked_columns("value"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 999))
def test_the_order_of_customers_does_not_matter(value: list[float], seed: int) -> None:
    """Everyone stands once, and the list is the same, bit for bit, from customers in any order."""
    customers = shoppers(["S01"] * len(value), value)
    order = np.random.default_rng(seed).permutation(len(value))
    turned = replace(customers, placed=customers.placed.iloc[order], value=customers.value.iloc[order])
    pd.testing.assert_frame_equal(customers_by_value(customers), customers_by_value(turned), check_exact=True)
    assert sorted(customers_by_value(customers)["customer_id"]) == list(customers.placed.index)
