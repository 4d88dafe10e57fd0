"""Effects in ranks, tests of shares, and their correction, against SciPy and by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, mannwhitneyu, norm, pearson3, rankdata

from patronage.profiles.significance import holm, pearson_two_sided, rank_effects, shares_differ, wilson_interval

VALUES = st.lists(st.integers(-4, 9), min_size=6, max_size=60)


@given(VALUES, st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_rank_effects_are_the_test_of_mann_and_whitney(values, seed):
    """The effect is the distance of mean ranks, and the p that of SciPy's statistic, with ties, under a skewed law."""
    values = np.array(values, dtype=float)
    group = np.random.default_rng(seed).integers(0, 2, len(values))
    group[:2] = 0, 1
    effect, p, n = rank_effects(values, group, 2)
    if len(np.unique(values)) == 1:
        np.testing.assert_array_equal(effect, [0, 0])
        return
    ranks = rankdata(values)
    assert effect[0] == pytest.approx((ranks[group == 0].mean() - ranks.mean()) / ranks.std())
    expected = mannwhitneyu(values[group == 0], values[group == 1], method="asymptotic", use_continuity=False)
    assert n.tolist() == [np.sum(group == 0), np.sum(group == 1)]
    z = norm.isf(expected.pvalue / 2) * np.sign(effect[0])
    drawn, size = n[0], len(values)
    skew = np.mean(((ranks - ranks.mean()) / ranks.std()) ** 3)
    skew *= (size - 2 * drawn) * np.sqrt(size - 1) / (np.sqrt(drawn * (size - drawn)) * (size - 2))
    assert p[0] == pytest.approx(min(1, 2 * min(pearson3.sf(z, skew), pearson3.cdf(z, skew))), rel=1e-4, abs=1e-9)


def test_the_skew_is_that_of_all_drawings():
    """Mean ranks of every three of nine customers, most of whom have nothing, have the moments that p is made of."""
    ranks = rankdata([0, 0, 0, 0, 0, 0, 1, 4, 9])
    means = np.array([np.mean(one) for one in combinations(ranks, 3)])
    z = (means - means.mean()) / means.std()
    _, p, _ = rank_effects(np.array([0, 0, 0, 0, 0, 0, 1.0, 4, 9]), np.array([1] * 6 + [0] * 3), 2)
    assert p[0] == pytest.approx(pearson_two_sided(z.max(), np.mean(z**3)), rel=1e-9)


def test_rare_values_are_not_significant_by_chance():
    """Of 1,000 drawings of 60 from 4,000 customers, of whom one in a hundred has a value, p is rarely small."""
    rng = np.random.default_rng(8)
    values = np.where(np.arange(4_000) < 40, 1.0 + np.arange(4_000), 0.0)
    group = np.repeat([0, -1], [60, 3_940])
    p = np.array([rank_effects(values, rng.permutation(group), 1)[1][0] for _ in range(1_000)])
    assert np.mean(p < 0.01) < 0.02
    assert np.mean(p < 0.0005) < 0.003


def test_who_is_in_no_group_counts_among_all_and_the_unknown_nowhere():
    """A group is held against everybody whose value is known."""
    values = np.array([1.0, 2, 3, 4, np.nan, np.nan])
    effect, _, n = rank_effects(values, np.array([0, 0, -1, -1, 0, 1]), 2)
    assert effect[0] == pytest.approx((1.5 - 2.5) / np.std([1, 2, 3, 4]))
    assert n.tolist() == [2, 0]
    assert np.isnan(effect[1])


def test_a_group_of_everybody_differs_from_nobody():
    """Without others there is no effect, and no significance."""
    effect, p, _ = rank_effects(np.arange(5.0), np.zeros(5, dtype=int), 1)
    assert (effect[0], p[0]) == (0.0, 1.0)


def test_shares_are_compared_by_the_hypergeometric_law():
    """Twice the smaller tail of all ways to draw 4 of 9 customers of whom 3 have the trait, counted one by one."""
    drawn = np.array([sum(one < 3 for one in some) for some in combinations(range(9), 4)])
    inside = np.arange(4)
    expected = [min(1, 2 * min(np.mean(drawn >= one), np.mean(drawn <= one))) for one in inside]
    np.testing.assert_allclose(shares_differ(4, inside, 5, 3 - inside), expected)


def test_rare_traits_are_not_significant_by_chance():
    """Twelve of 60 against twenty of 4,000 is a difference; one of 60 against three is not."""
    assert shares_differ(60, np.array([12]), 4_000, np.array([20]))[0] < 1e-12
    assert shares_differ(60, np.array([1]), 4_000, np.array([3]))[0] > 0.1


def test_shares_of_none_all_or_nobody():
    """Where nobody or everybody has a trait, or nobody is asked, nothing differs."""
    p = shares_differ(np.array([5, 5, 0]), np.array([0, 5, 0]), np.array([9, 9, 9]), np.array([0, 9, 3]))
    np.testing.assert_array_equal(p, [1, 1, 1])


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
