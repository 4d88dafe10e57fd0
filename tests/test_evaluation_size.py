"""Size: shares and numbers of segments, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.evaluation.size import Size, size


def test_shares_are_of_all_customers():
    """With noise, the smallest share and coverage are of everyone, diversity is of the assigned."""
    judged = size(np.array([0] * 4 + [2] * 2 + [5] * 2 + [-1] * 2))
    assert judged.n_segments == 3
    assert judged.min_share == pytest.approx(0.2)
    assert judged.coverage == pytest.approx(0.8)
    # Shares ½, ¼, ¼: the entropy is 1.5 bits.
    assert judged.effective_segments == pytest.approx(2**1.5)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_equal_segments_count_fully(k):
    """Segments of equal size are as many effective segments."""
    judged = size(np.arange(k * 6) % k)
    assert judged.effective_segments == pytest.approx(k)
    assert judged.min_share == pytest.approx(1 / k)
    assert judged.coverage == 1


def test_a_giant_among_dwarfs_is_hardly_more_than_one():
    """One segment with nearly everyone counts as little more than one effective segment."""
    assert 1 < size(np.array([0] * 980 + [1] * 10 + [2] * 10)).effective_segments < 1.2


def test_nobody_in_a_segment():
    """Only noise is no segment at all, without a division by nothing."""
    assert size(np.full(5, -1)) == Size(0, 0.0, 0.0, 0.0)


@given(labels=st.lists(st.integers(-1, 5), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_figures_keep_their_bounds(labels):
    """Effective segments lie between 1 and their number, the smallest share below an equal one."""
    judged = size(np.array(labels))
    assert judged.n_segments == len(set(labels) - {-1})
    if judged.n_segments:
        assert 1 - 1e-9 <= judged.effective_segments <= judged.n_segments + 1e-9
        assert 0 < judged.min_share <= judged.coverage / judged.n_segments + 1e-9


def test_coverage_is_measured_before_noise_is_placed():
    """A policy that gives every customer a segment does not make a clusterer that found few look good."""
    found = np.array([True] * 3 + [False] * 7)
    assert size(np.array([0, 0, 1, 1, 1, 0, 0, 1, 1, 1]), found).coverage == pytest.approx(0.3)
