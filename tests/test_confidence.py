"""Confidence: learned from refits, and judged on customers and refits that it was not learned from."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from patronage.assigners import Assignment
from patronage.confidence import MIN_OWN, Bin, Calibration, Reliability, confidence_reliability, deal
from patronage.figures import reliability as draw_reliability
from tests.leaderboards import PNG, drawn

N_CUSTOMERS, N_REFITS = 3_000, 20


def placed(label: np.ndarray, margin: np.ndarray) -> Assignment:
    """An assignment of these labels and margins; distances grow with the margin."""
    return Assignment(label, np.zeros_like(label), margin, margin.copy())


def planted(seed: int = 0) -> tuple[Assignment, np.ndarray, np.ndarray]:
    """Customers of two segments whose segment a refit keeps with a known probability: that, and what refits kept."""
    rng = np.random.default_rng(seed)
    label, margin = rng.integers(0, 2, N_CUSTOMERS), rng.random(N_CUSTOMERS)
    truth = 0.5 + 0.5 * margin
    return placed(label, margin), truth, rng.random((N_CUSTOMERS, N_REFITS)) < truth[:, None]


IDS = [f"{number:05d}" for number in range(N_CUSTOMERS)]


def test_bins_and_error_of_a_case_worked_by_hand():
    """Forecasts of a bin are averaged, and so is what was observed; the error weighs bins by their size."""
    found = Reliability.measure(np.array([0.12, 0.18, 0.95, 1.0]), np.array([0.0, 1.0, 1.0, 0.5]))
    assert found.bins == (Bin(pytest.approx(0.15), 0.5, 2), Bin(pytest.approx(0.975), 0.75, 2))
    assert found.calibration_error == pytest.approx((2 * 0.35 + 2 * 0.225) / 4)


@given(seed=st.integers(0, 50))
@settings(deadline=None, max_examples=20)
def test_bins_agree_with_scikit_learn(seed):
    """Means of forecasts and outcomes per bin are those of an independent implementation."""
    rng = np.random.default_rng(seed)
    told = rng.random(200)
    came = (rng.random(200) < told).astype(int)
    found = Reliability.measure(told, came)
    observed, forecast = calibration_curve(came, told, n_bins=10)
    assert [one.confidence for one in found.bins] == pytest.approx(forecast.tolist())
    assert [one.observed for one in found.bins] == pytest.approx(observed.tolist())
    assert sum(one.n for one in found.bins) == 200


def test_reliability_survives_being_written_down():
    """As plain values and back, it is the same."""
    found = Reliability.measure(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    assert Reliability.from_dict(asdict(found)) == found


def test_the_planted_probability_is_found():
    """Confidence comes near the probability with which refits were made to keep a segment, and is judged to hold."""
    assignment, truth, kept = planted()
    told = Calibration.learn(assignment, kept.mean(axis=1), 2).confidence(assignment)
    assert np.abs(told - truth).mean() < 0.02
    assert confidence_reliability(assignment, kept, IDS).calibration_error < 0.02


def test_refits_that_disagree_are_not_averaged_away():
    """If half of the refits keep everyone and half nobody, confidence does not hold, though it fits their mean."""
    assignment, _, kept = planted()
    kept = np.tile(np.arange(N_REFITS) % 2 == 0, (N_CUSTOMERS, 1))
    assert Calibration.learn(assignment, kept.mean(axis=1), 2).confidence(assignment) == pytest.approx(0.5)
    assert confidence_reliability(assignment, kept, IDS).calibration_error == pytest.approx(1)


def test_nobody_is_judged_by_what_was_learned_from_themselves():
    """Where each customer is kept or lost by chance once and for all, the margin tells nothing, and errors are seen."""
    errors = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assignment = placed(np.zeros(200, dtype=int), rng.random(200))
        kept = np.repeat(rng.random((200, 1)) < 0.5, N_REFITS, axis=1)
        # The curve's steps are means of what they were learned from, so on these very customers there is no error.
        calibration = Calibration.learn(assignment, kept.mean(axis=1), 1)
        seen = Reliability.measure(calibration.confidence(assignment), kept.mean(axis=1))
        assert seen.calibration_error < 1e-9
        errors.append(confidence_reliability(assignment, kept, IDS[:200]).calibration_error)
    assert np.mean(errors) > 0.02


def test_a_segment_that_does_not_last_is_told_less():
    """At the same margin, customers of a segment that refits lose are less sure than those of one that they keep."""
    assignment, _, kept = planted()
    kept[assignment.label == 1] &= np.arange(N_REFITS) % 3 > 0
    calibration = Calibration.learn(assignment, kept.mean(axis=1), 2)
    same = placed(np.array([0, 1]), np.array([0.9, 0.9]))
    lasting, dissolving = calibration.confidence(same)
    assert lasting > dissolving + 0.1


def test_few_customers_make_no_curve_of_their_own():
    """A segment with fewer customers than a curve needs has that of all customers."""
    assignment, _, kept = planted()
    label = np.zeros(N_CUSTOMERS, dtype=int)
    label[: MIN_OWN - 1] = 1
    kept[label == 1] = False
    calibration = Calibration.learn(placed(label, assignment.margin), kept.mean(axis=1), 2)
    everyone = Calibration.learn(placed(np.zeros_like(label), assignment.margin), kept.mean(axis=1), 1)
    assert np.interp(0.5, calibration.margins, calibration.confidences[1]) == pytest.approx(
        np.interp(0.5, everyone.margins, everyone.confidences[0])
    )


def test_only_refitted_customers_are_learned_from():
    """Where refits labelled some customers, the others' margins change nothing; all have their distances counted."""
    assignment, _, kept = planted()
    refitted = np.arange(N_CUSTOMERS) % 3 == 0
    found = Calibration.learn(assignment, kept[refitted].mean(axis=1), 2, refitted)
    few = placed(assignment.label[refitted], assignment.margin[refitted])
    alone = Calibration.learn(few, kept[refitted].mean(axis=1), 2)
    assert found.margins.tolist() == alone.margins.tolist()
    assert found.confidences.tolist() == alone.confidences.tolist()
    assert found.distances[0, -1] == assignment.distance[assignment.label == 0].max()
    ids = np.array(IDS)
    assert confidence_reliability(assignment, kept[refitted], ids, refitted) == confidence_reliability(
        few, kept[refitted], ids[refitted]
    )


def test_who_is_in_no_segment_has_no_confidence_and_is_not_judged():
    """Noise has neither a probability nor a part in the curve."""
    assignment, _, kept = planted()
    label = np.where(np.arange(N_CUSTOMERS) % 4 == 0, -1, assignment.label)
    with_noise = placed(label, assignment.margin)
    calibration = Calibration.learn(with_noise, kept.mean(axis=1), 2)
    assert np.isnan(calibration.confidence(with_noise)).tolist() == (label == -1).tolist()
    assert (calibration.atypicality(with_noise)[label == -1] == 1).all()
    judged = confidence_reliability(with_noise, kept, IDS)
    assert sum(one.n for one in judged.bins) == 2 * int((label >= 0).sum())


@pytest.mark.parametrize("n_refits", [0, 1])
def test_a_single_refit_cannot_be_judged_by_another(n_refits):
    """With fewer than two refits there is nothing to judge confidence by."""
    assignment, _, kept = planted()
    assert confidence_reliability(assignment, kept[:, :n_refits], IDS) is None


@given(order=st.permutations(range(60)), n_groups=st.integers(1, 4))
@settings(deadline=None, max_examples=20)
def test_folds_are_dealt_evenly_whatever_the_order(order, n_groups):
    """Every group is spread over the folds evenly, and a customer's fold does not depend on the order of customers."""
    ids, groups = np.array(IDS[:60]), np.arange(60) % n_groups
    folds = deal(ids, groups, purpose="test")
    for group in range(n_groups):
        counts = np.bincount(folds[groups == group], minlength=5)
        assert counts.max() - counts.min() <= 1
    shuffled = np.array(order)
    assert deal(ids[shuffled], groups[shuffled], purpose="test").tolist() == folds[shuffled].tolist()


def test_folds_for_another_purpose_are_others():
    """The purpose goes into the hash."""
    groups = np.zeros(60, dtype=int)
    assert deal(IDS[:60], groups, purpose="one").tolist() != deal(IDS[:60], groups, purpose="another").tolist()


@pytest.mark.parametrize("n_bins", [1, 10])
def test_reliability_is_drawn(n_bins):
    """A picture shows a point per bin, however few there are."""
    told = (np.arange(n_bins) + 0.5) / 10
    figure = draw_reliability(Reliability.measure(told, told), "Confidence")
    assert drawn(figure).startswith(PNG)
    assert len(figure.axes[0].collections[0].get_offsets()) == n_bins
