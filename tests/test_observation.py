"""Who is fitted to."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from patronage.evaluation.evidence import hear, select_customers
from patronage.observation import Observed, fitted_customers

NAMES = [f"C{number:05d}" for number in range(6_000)]


@given(most=st.integers(1, 60), order=st.permutations(range(50)))
def test_the_order_of_customers_does_not_decide_who_is_fitted_to(most: int, order: list[int]) -> None:
    """At most so many are fitted to, whatever order they stand in."""
    fitted = fitted_customers(NAMES[:50], most)
    assert fitted.sum() == min(most, 50)
    np.testing.assert_array_equal(fitted_customers([NAMES[row] for row in order], most), fitted[order])


@given(most=st.integers(1, 100), there=st.sets(st.integers(0, 199), min_size=1))
def test_who_is_fitted_to_among_many_is_among_few(most: int, there: set[int]) -> None:
    """A customer who is fitted to among many stays so when some of the others are gone."""
    rows = sorted(there)
    among_many = fitted_customers(NAMES[:200], most)[rows]
    assert fitted_customers([NAMES[row] for row in rows], most)[among_many].all()


def test_without_a_limit_all_are_fitted_to() -> None:
    """No limit, and one that nobody exceeds, leave the customers as they are."""
    table = pd.DataFrame({"a": range(5)}, NAMES[:5])
    observed = Observed(table, table, table)
    assert observed.thinned(None) is observed
    assert observed.thinned(5) is observed
    assert len(observed.thinned(4).outcomes) == 4
    assert observed.thinned(4).features.index.equals(observed.thinned(4).rfm.index)


def test_who_is_fitted_to_says_nothing_of_the_other_divisions() -> None:
    """Select and confirm, who is heard, and the halves of a snapshot are thinned alike: each keeps its share."""
    table = pd.DataFrame(index=NAMES)
    first = np.isin(NAMES, Observed(table, table, table).halves()[0].features.index)
    fitted = fitted_customers(NAMES, 2_000)
    for division in (select_customers(NAMES), hear(NAMES, most=3_000), first):
        # Three standard errors of a share of 2,000.
        assert abs(division[fitted].mean() - division.mean()) < 0.034
