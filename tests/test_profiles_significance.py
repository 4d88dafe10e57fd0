"""Effects in ranks, tests of shares, and their correction, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency, mannwhitneyu, rankdata

from patronage.profiles.significance import holm, rank_effects, two_proportions, two_sided, wilson_interval

VALUES = st.lists(st.integers(-4, 9), min_size=6, max_size=60)


@given(VALUES, st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_rank_effects_are_the_test_of_mann_and_whitney(values, seed):
    """With ties, p is SciPy's for the group against all others, and the effect the distance of mean ranks."""
    values = np.array(values, dtype=float)
    group = np.random.default_rng(seed).integers(0, 2, len(values))
    group[:2] = 0, 1
    effect, z, n = rank_effects(values, group, 2)
    if len(np.unique(values)) == 1:
        np.testing.assert_array_equal(effect, [0, 0])
        return
    ranks = rankdata(values)
    assert effect[0] == pytest.approx((ranks[group == 0].mean() - ranks.mean()) / ranks.std())
    expected = mannwhitneyu(values[group == 0], values[group == 1], method="asymptotic", use_continuity=False)
    assert two_sided(z)[0] == pytest.approx(expected.pvalue)
    assert n.tolist() == [np.sum(group == 0), np.sum(group == 1)]


def test_who_is_in_no_group_counts_among_all_and_the_unknown_nowhere():
    """A group is held against everybody whose value is known."""
    values = np.array([1.0, 2, 3, 4, np.nan, np.nan])
    effect, _, n = rank_effects(values, np.array([0, 0, -1, -1, 0, 1]), 2)
    assert effect[0] == pytest.approx((1.5 - 2.5) / np.std([1, 2, 3, 4]))
    assert n.tolist() == [2, 0]
    assert np.isnan(effect[1])


def test_a_group_of_everybody_differs_from_nobody():
    """Without others there is no effect, and no significance."""
    effect, z, _ = rank_effects(np.arange(5.0), np.zeros(5, dtype=int), 1)
    assert (effect[0], two_sided(z)[0]) == (0.0, 1.0)


def test_two_proportions_is_the_chi_square_test():
    """The square of its statistic is χ² of the table of two groups."""
    p = two_proportions(np.array([40]), np.array([12]), np.array([160]), np.array([20]))
    expected = chi2_contingency([[12, 28], [20, 140]], correction=False).pvalue
    assert p[0] == pytest.approx(expected)


def test_shares_of_none_all_or_nobody():
    """Where nobody or everybody has a trait the shares are the same; an empty group tells nothing."""
    p = two_proportions(np.array([5, 5, 0]), np.array([0, 5, 0]), np.array([9, 9, 9]), np.array([0, 9, 3]))
    np.testing.assert_array_equal(p, [1, 1, np.nan])


def test_holm_by_hand():
    """Of four values the smallest counts four times, the next three times, and none less than one before it."""
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03, 0.005])), [0.06, 0.03, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested():
    """A missing value stays missing, and is not counted."""
    np.testing.assert_allclose(holm(np.array([0.02, np.nan, 0.9])), [0.04, np.nan, 0.9])


def test_wilson_is_scipys():
    """The interval of a share is SciPy's, and nobody asked gives none."""
    low, high = wilson_interval(np.array([60, 0]), np.array([3, 0]))
    expected = binomtest(3, 60).proportion_ci(0.9, "wilson")
    assert (low[0], high[0]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert np.isnan([low[1], high[1]]).all()
