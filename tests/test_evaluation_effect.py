"""Effects: worked examples, independent implementations, and what is defined where there is little to measure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway
from scipy.stats.contingency import association

from patronage.evaluation.effect import (
    cramers_v,
    is_binary,
    omega2,
    policy_profit,
    top20_capture,
    top_capture,
    value_gap,
)

NOTHING = np.empty(0)


def test_omega_squared_of_a_worked_analysis_of_variance():
    """Groups with means 2, 5 and 8: SS_between 54 and SS_within 6, so MS_within is 1 and ω² = (54 − 2) / (60 + 1)."""
    outcome = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9])
    assert omega2(outcome, np.repeat([0, 1, 2], 3)) == pytest.approx(52 / 61)


@given(seed=st.integers(0, 1000), k=st.integers(2, 5), apart=st.sampled_from([0.0, 0.5, 3.0]))
@settings(deadline=None, max_examples=40)
def test_omega_squared_follows_from_scipys_f(seed, k, apart):
    """With F from SciPy's analysis of variance, ω² = (k − 1)(F − 1) / ((k − 1)(F − 1) + n)."""
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(-1, k - 1, 60), np.arange(-1, k - 1))
    outcome = rng.normal(size=len(labels)) + apart * labels
    f = f_oneway(*(outcome[labels == label] for label in np.unique(labels))).statistic
    surplus = (k - 1) * (f - 1)
    assert omega2(outcome, labels) == pytest.approx(surplus / (surplus + len(labels)))


def test_omega_squared_by_chance_is_zero():
    """Groups made by chance explain nothing on average, however many they are; η² would rise with them."""
    rng = np.random.default_rng(0)
    found = [omega2(rng.normal(size=200), rng.integers(0, 20, 200)) for _ in range(200)]
    assert abs(np.mean(found)) < 0.01


def test_value_gap_by_hand():
    """One segment has a quarter of the customers and half of the value: a quarter would have to change hands."""
    outcome = np.array([6.0, 2.0, 2.0, 2.0])
    assert value_gap(outcome, np.array([0, 1, 1, 1])) == pytest.approx(0.25)
    assert value_gap(outcome, np.array([0, 0, 1, 1])) == pytest.approx(8 / 12 - 0.5)
    assert value_gap(np.array([5.0, 5, 5, 5]), np.array([0, 1, 1, -1])) == 0


def test_the_unassigned_are_a_group():
    """Noise holds a share of customers and of value like any segment."""
    outcome = np.array([6.0, 2.0, 2.0, 2.0])
    assert value_gap(outcome, np.array([-1, 1, 1, 1])) == value_gap(outcome, np.array([0, 1, 1, 1]))
    assert omega2(outcome, np.array([-1, -1, 1, 1])) == omega2(outcome, np.array([0, 0, 1, 1]))
    assert cramers_v(outcome, np.array([-1, 1, 1, 1])) == cramers_v(outcome, np.array([0, 1, 1, 1]))


def test_top_capture_takes_part_of_the_last_segment():
    """Of ten customers the top 20 % are the best segment's one customer and one of the four in the next."""
    outcome = np.array([10.0, 3, 3, 3, 3, 1, 1, 1, 1, 1])
    assert top_capture(outcome, np.array([0, 1, 1, 1, 1, 2, 2, 2, 2, 2])) == pytest.approx((10 + 3) / 27)
    # The order is what others said, even where these customers prove it wrong; a place may be empty.
    assert top_capture(outcome, np.array([3, 1, 1, 1, 1, 0, 0, 0, 0, 0])) == pytest.approx(2 / 27)


def test_the_order_is_of_the_other_folds():
    """A segment that is the best in one fold only is taken first in the others, where it is not."""
    labels, folds = np.array([0, 0, 1, 1] * 2), np.repeat([0, 1], 4)
    outcome = np.array([9.0, 9, 1, 1, 2, 2, 5, 5])
    # Fold 0 is ordered by fold 1, where segment 1 is best; fold 1 by fold 0, where 0 is: 1s and 2s come first.
    assert top20_capture(outcome, labels, folds) == pytest.approx(0.2 * 8 * (1 + 1 + 2 + 2) / 4 / outcome.sum())


def test_the_top_of_chance_holds_a_fifth():
    """Segments made by chance are not called the best by the customers who made them so: they hold 20 %, not more."""
    rng = np.random.default_rng(0)
    found = [
        top20_capture(rng.exponential(size=300) ** 2, rng.integers(0, 30, 300), rng.integers(0, 5, 300))
        for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(0.2, abs=0.01)


def test_the_top_holds_what_was_planted():
    """Where a fifth of the customers makes 80 % of the total, segments that know them hold it."""
    rng = np.random.default_rng(0)
    best = np.arange(4000) % 5 == 0
    outcome = np.where(best, 16.0, 1.0) * rng.exponential(size=4000)
    held = outcome[best].sum() / outcome.sum()
    assert top20_capture(outcome, best.astype(int), rng.integers(0, 5, 4000)) == pytest.approx(held)


def test_cramers_v_by_hand():
    """The table 8 2 / 2 8 has φ² = .36; corrected (.36 − 1/19) / (1 − 1/19) under the root."""
    outcome = np.repeat([1.0, 0, 1, 0], [8, 2, 2, 8])
    labels = np.repeat([0, 0, 1, 1], [8, 2, 2, 8])
    assert cramers_v(outcome, labels) == pytest.approx(np.sqrt((0.36 - 1 / 19) / (1 - 1 / 19)))


@given(seed=st.integers(0, 1000), k=st.integers(2, 6))
@settings(deadline=None, max_examples=30)
def test_cramers_v_is_scipys_with_the_correction(seed, k):
    """Bergsma's correction of SciPy's uncorrected value gives the same."""
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(0, k, 200), np.arange(k))
    outcome = np.append(rng.random(200) < 0.2 + 0.6 * labels[:200] / k, np.arange(k) % 2).astype(float)
    table = np.array([[np.sum((labels == row) & (outcome == column)) for column in (0, 1)] for row in range(k)])
    n = len(labels)
    phi2 = association(table, method="cramer") ** 2
    corrected = max(0, phi2 - (k - 1) / (n - 1)) / (min(k - (k - 1) ** 2 / (n - 1), 2 - 1 / (n - 1)) - 1)
    assert cramers_v(outcome, labels) == pytest.approx(np.sqrt(corrected))


def test_cramers_v_is_one_for_segments_that_are_the_response():
    """A response that is known from the segment is fully associated, and chance is not at all on average."""
    labels = np.arange(50) % 2
    assert cramers_v(labels.astype(float), labels) == pytest.approx(1)
    rng = np.random.default_rng(0)
    assert np.mean([cramers_v(rng.integers(0, 2, 200), rng.integers(0, 9, 200)) for _ in range(100)]) < 0.06


def test_a_response_has_two_values():
    """Yes or no is a response, also where it is not known of some; amounts and constants are none."""
    assert is_binary(np.array([0.0, 1, 1, np.nan]))
    assert not is_binary(np.array([0.0, 1, 2]))
    assert not is_binary(np.array([1.0, 1, np.nan]))
    assert not is_binary(NOTHING)


def _folds(n):
    return np.arange(n) % 5


def test_one_group_differs_from_nobody():
    """One segment, or noise only, explains nothing, and its top 20 % holds 20 %."""
    outcome = np.random.default_rng(0).exponential(size=100)
    for label in (0, -1):
        labels = np.full(100, label)
        assert (omega2(outcome, labels), cramers_v(outcome, labels)) == (0, 0)
        assert value_gap(outcome, labels) == pytest.approx(0, abs=1e-12)
        assert top20_capture(outcome, labels, _folds(100)) == pytest.approx(0.2)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e12])
def test_a_constant_outcome_is_explained_by_nothing(value):
    """An outcome that does not vary has no effect, whatever its value, and no rounding is taken for one."""
    outcome, labels = np.full(90, value), np.arange(90) % 3
    assert (omega2(outcome, labels), cramers_v(outcome, labels)) == (0, 0)
    gap, capture = value_gap(outcome, labels), top20_capture(outcome, labels, _folds(90))
    if value == 0:
        assert np.isnan([gap, capture]).all()
    else:
        assert (gap, capture) == (pytest.approx(0, abs=1e-12), pytest.approx(0.2))


def test_nobody_has_no_effect():
    """Without customers, and without outcomes of any, every figure is NaN."""
    nobody, unknown = np.empty(0, int), np.full(9, np.nan)
    for outcome, labels in ((NOTHING, nobody), (unknown, np.arange(9) % 3)):
        found = (omega2(outcome, labels), value_gap(outcome, labels), cramers_v(outcome, labels))
        assert np.isnan([*found, top20_capture(outcome, labels, _folds(len(labels)))]).all()


def test_each_customer_a_segment_says_nothing():
    """With as many groups as customers there is no variance within to compare with."""
    assert np.isnan(omega2(np.arange(9.0), np.arange(9)))


def test_losses_leave_no_shares():
    """Where the total is not above 0 nobody has a share of it."""
    outcome, labels = np.array([1.0, -2, 0.5, -3]), np.array([0, 0, 1, 1])
    assert np.isnan([value_gap(outcome, labels), top20_capture(outcome, labels, np.arange(4) % 2)]).all()


def test_those_whose_outcome_is_not_known_are_left_out():
    """Figures are those of the other customers alone."""
    rng = np.random.default_rng(0)
    outcome, labels, folds = rng.integers(0, 2, 200).astype(float), rng.integers(-1, 4, 200), rng.integers(0, 5, 200)
    unknown = rng.random(200) < 0.3
    missing = np.where(unknown, np.nan, outcome)
    rest = ~unknown
    assert omega2(missing, labels) == omega2(outcome[rest], labels[rest])
    assert value_gap(missing, labels) == value_gap(outcome[rest], labels[rest])
    assert cramers_v(missing, labels) == cramers_v(outcome[rest], labels[rest])
    assert top20_capture(missing, labels, folds) == top20_capture(outcome[rest], labels[rest], folds[rest])
    profits = [
        policy_profit(y, given_, t, f, propensity=0.5, margin=1, cost=0.1)
        for y, given_, t, f in (
            (missing, labels, folds > 2, folds),
            (outcome[rest], labels[rest], folds[rest] > 2, folds[rest]),
        )
    ]
    assert profits[0] == profits[1]


@given(factor=st.sampled_from([1e-6, 3.0, 1e12]), names=st.permutations([-1, 0, 1, 2]))
@settings(deadline=None, max_examples=15)
def test_money_in_another_currency_and_other_numbers_change_nothing(factor, names):
    """Rescaling the outcome and renaming the segments leaves every figure as it is."""
    rng = np.random.default_rng(0)
    outcome, labels, folds = rng.exponential(size=120), rng.integers(0, 4, 120), rng.integers(0, 5, 120)
    renamed = np.array(names)[labels]
    assert omega2(factor * outcome, renamed) == pytest.approx(omega2(outcome, labels))
    assert value_gap(factor * outcome, renamed) == pytest.approx(value_gap(outcome, labels))
    assert top20_capture(factor * outcome, renamed, folds) == pytest.approx(top20_capture(outcome, labels, folds))


def _campaign(n, seed):
    """A campaign that gains 3 per customer of segment 0, nothing in 1, and loses 2 in 2; one in five is control."""
    rng = np.random.default_rng(seed)
    labels, treated = rng.integers(0, 3, n), rng.random(n) < 0.8
    outcome = 5 + np.array([3.0, 0.0, -2.0])[labels] * treated + rng.normal(0, 1, n)
    return outcome, labels, treated


def test_policy_profit_is_what_was_planted():
    """Treating segment 0 only earns a third of (3 − .5); treating everybody earns (3 + 0 − 2) / 3 − .5."""
    found = []
    for seed in range(30):
        outcome, labels, treated = _campaign(2000, seed)
        profit = policy_profit(outcome, labels, treated, _folds(2000), propensity=0.8, margin=1, cost=0.5)
        found.append((profit.profit, profit.treat_all, profit.treated))
    assert np.mean(found, axis=0).tolist() == pytest.approx([2.5 / 3, 1 / 3 - 0.5, 1 / 3], abs=0.1)


def test_policy_profit_of_chance_is_not_paid_for_its_luck():
    """Where no segment gains from the treatment, choosing among thirty of them earns nothing on average."""
    rng = np.random.default_rng(0)
    found = [
        policy_profit(
            rng.normal(size=600), rng.integers(0, 30, 600), rng.random(600) < 0.5, _folds(600),
            propensity=0.5, margin=1, cost=0,
        ).profit
        for _ in range(200)
    ]  # fmt: skip
    assert abs(np.mean(found)) < 0.02


def test_policy_profit_by_hand():
    """Two folds of two: the transformed outcomes of one decide for the other."""
    outcome, treated = np.array([4.0, 1.0, 6.0, 2.0]), np.array([True, False, True, False])
    # u = 8, −2, 12, −4: each fold's mean is above the cost of 1, so both are treated and earn 14 / 4 − 1.
    profit = policy_profit(outcome, np.zeros(4, int), treated, np.array([0, 0, 1, 1]), propensity=0.5, margin=1, cost=1)
    assert (profit.profit, profit.treat_all, profit.treated) == (2.5, 2.5, 1)


@pytest.mark.parametrize("propensity", [0.0, 1.0, 1.2])
def test_policy_profit_needs_both_groups(propensity):
    """Where a customer could only be treated, or never, no profit can be told."""
    outcome, labels, treated = _campaign(50, 0)
    with pytest.raises(ValueError, match="propensity must lie strictly between 0 and 1"):
        policy_profit(outcome, labels, treated, _folds(50), propensity=propensity, margin=1, cost=0)


def test_policy_profit_of_nobody_is_not_known():
    """Without customers, or with nobody to choose by, there is no profit."""
    nobody = np.empty(0, int)
    found = policy_profit(NOTHING, nobody, nobody, nobody, propensity=0.5, margin=1, cost=0)
    assert np.isnan([found.profit, found.treat_all, found.treated]).all()
    outcome, labels, treated = _campaign(50, 0)
    alone = policy_profit(outcome, labels, treated, np.zeros(50), propensity=0.8, margin=1, cost=0)
    assert np.isnan(alone.profit)
