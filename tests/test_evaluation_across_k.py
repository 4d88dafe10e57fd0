"""Stability across k: hand-computed flows, a planted hierarchy, and what must hold for any labels."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.clusterers import Clusterer
from patronage.evaluation.across_k import across_k, crossings, origin_stability, solutions_of
from patronage.evaluation.row import Row

# Twelve customers: the second of two segments splits, and one customer changes sides.
TWO = np.array([0] * 6 + [1] * 6)
THREE = np.array([0] * 5 + [1] * 4 + [2] * 3)


def test_flows_are_counted_by_hand():
    """Each customer is counted once, by the segment it was in before and the one it is in."""
    flows = across_k({3: THREE, 2: TWO})
    assert flows.counts == (2, 3)
    assert [flow.tolist() for flow in flows.flows] == [[[5, 1, 0], [0, 3, 3]]]
    assert flows.origins(1).tolist() == [[1.0, 0.25, 0.0], [0.0, 0.75, 1.0]]


def test_the_table_is_worked_out_by_hand():
    """Shares are of all customers, the main origin gives the most members, and stability is 1 − entropy in bits."""
    table = across_k({2: TWO, 3: THREE}).table()
    assert list(table.columns) == [
        "k",
        "segment",
        "n_customers",
        "share",
        "main_origin",
        "share_from_main_origin",
        "stability",
    ]
    assert table["k"].to_list() == [2, 2, 3, 3, 3]
    assert table["segment"].to_list() == ["1", "2", "1", "2", "3"]
    assert table["n_customers"].to_list() == [6, 6, 5, 4, 3]
    assert table["share"].to_list() == pytest.approx([0.5, 0.5, 5 / 12, 4 / 12, 3 / 12])
    assert table["main_origin"].isna().to_list() == [True, True, False, False, False]
    assert table["main_origin"].to_list()[2:] == ["1", "2", "2"]
    assert table["share_from_main_origin"].to_list()[2:] == pytest.approx([1.0, 0.75, 1.0])
    bits = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert table["stability"].to_list()[2:] == pytest.approx([1.0, 1 - bits, 1.0])
    assert table["stability"].isna().to_list() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        ([[5, 2], [0, 2]], [1.0, 0.0]),
        ([[1], [1], [1]], [0.0]),
        ([[2], [2], [0], [0]], [0.5]),  # one of two bits
        ([[4, 3]], [1.0, 1.0]),  # there was one group only
        ([[4, 0], [0, 0]], [1.0, math.nan]),  # nobody is in the second
    ],
)
def test_stability_is_one_minus_the_normalised_entropy(flow, expected):
    """All from one group is 1, equal parts of all groups are 0, and nobody has no origin."""
    assert origin_stability(np.array(flow)) == pytest.approx(expected, nan_ok=True)


def test_noise_is_a_group_of_its_own():
    """The unassigned stand below the segments, count as an origin, and as a destination."""
    before, after = np.array([0, 0, 0, 0, -1, -1]), np.array([-1, 0, 0, 0, 1, 1])
    flows = across_k({1: before, 2: after})
    assert flows.names(0) == ["1", "unassigned"]
    assert flows.names(1) == ["1", "2", "unassigned"]
    assert flows.flows[0].tolist() == [[3, 0, 1], [0, 2, 0]]
    assert flows.table()["main_origin"].to_list()[2:] == ["1", "unassigned", "1"]


def _hierarchy(seed):
    """Segments of 2, 4 and 8: each splits in two; their labels are dealt out at random."""
    rng = np.random.default_rng(seed)
    leaf = rng.permutation(np.repeat(np.arange(8), [30, 5, 12, 25, 8, 40, 17, 23]))
    return leaf, {k: rng.permutation(k)[leaf * k // 8] for k in (2, 4, 8)}


@pytest.mark.parametrize("seed", range(6))
def test_a_planted_hierarchy_is_found_whole(seed):
    """Where every segment is a part of one former segment, all are fully stable, and no flows cross."""
    leaf, solutions = _hierarchy(seed)
    flows = across_k(solutions)
    for stability in flows.stability[1:]:
        assert stability == pytest.approx(1.0)
    assert [crossings(flow) for flow in flows.flows] == [0, 0]
    # The planted order, or its mirror image.
    order = [int(leaf[solutions[8] == label][0]) for label in flows.groups[2]]
    halves = [number // 4 for number in order]
    assert halves == sorted(halves) or halves == sorted(halves, reverse=True)


def test_a_mixed_segment_is_told_from_a_stable_one():
    """Of a hierarchy in which two halves were stirred together, exactly those lose their stability."""
    _, solutions = _hierarchy(0)
    first, second = np.unique(solutions[8])[:2]
    stirred = np.isin(solutions[8], [first, second])
    solutions[8][stirred] = np.where(np.arange(stirred.sum()) % 2, first, second)
    origins = {label: len(set(solutions[4][solutions[8] == label])) for label in range(8)}
    flows = across_k(solutions)
    for label, stability in zip(flows.groups[2], flows.stability[2], strict=True):
        assert (stability > 0.999) == (origins[label] == 1)


def test_the_valuable_stand_on_top():
    """Of two mirror images that cross equally little, the one with the more valuable segments on top is taken."""
    leaf, solutions = _hierarchy(3)
    for worth in (leaf.astype(float), -leaf.astype(float)):
        flows = across_k(solutions, worth)
        assert [crossings(flow) for flow in flows.flows] == [0, 0]
        for labels, groups in zip((solutions[k] for k in flows.counts), flows.groups, strict=True):
            means = [worth[labels == label].mean() for label in groups]
            assert means[0] == max(means)


def test_crossings_are_counted_in_pairs():
    """Two ribbons cross when one starts above and ends below the other; each pair of customers counts."""
    assert crossings(np.array([[2, 0], [0, 3]])) == 0
    assert crossings(np.array([[0, 2], [3, 0]])) == 6
    assert crossings(np.array([[1, 1, 1], [1, 1, 1]])) == 3


@given(data=st.data(), n=st.integers(1, 40), n_solutions=st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_any_labels_keep_the_bounds(data, n, n_solutions):
    """No customer is lost, every stability is from 0 to 1, and renaming labels changes no figure."""
    drawn = [data.draw(st.lists(st.integers(-1, k), min_size=n, max_size=n)) for k in range(1, n_solutions + 1)]
    solutions = {k + 2: np.array(labels) for k, labels in enumerate(drawn)}
    flows = across_k(solutions)
    for (before, after), flow in zip(pairwise(flows.sizes), flows.flows, strict=True):
        assert flow.sum() == n
        assert flow.sum(axis=1).tolist() == before.tolist()
        assert flow.sum(axis=0).tolist() == after.tolist()
    for stability in flows.stability[1:]:
        assert ((stability >= 0) & (stability <= 1)).all()
    renamed = across_k({k: np.where(labels < 0, labels, 90 - labels) for k, labels in solutions.items()})
    for solution in range(n_solutions):
        assert sorted(flows.sizes[solution]) == sorted(renamed.sizes[solution])
        if solution:
            assert sorted(flows.stability[solution]) == pytest.approx(sorted(renamed.stability[solution]))


@pytest.mark.parametrize("solutions", [{}, {2: np.array([])}, {2: np.zeros(3), 3: np.zeros(4)}])
def test_solutions_of_different_customers_are_refused(solutions):
    """What does not label the same customers cannot be followed."""
    with pytest.raises(ValueError, match="must label the same customers, at least one"):
        across_k(solutions)


def _row(name, asked, variant="", failure=""):
    return Row(f"{name} {variant} {asked}", name, "standard", failure=failure, asked=asked, variant=variant)


def test_one_clusterer_is_followed_with_its_other_parameters():
    """Only what differs from the leader in its number alone is followed; failures are left out."""
    rows = [
        _row("gmm", 2, "full"),
        _row("gmm", 3, "full"),
        _row("gmm", 4, "full", failure="did not converge"),
        _row("gmm", 3, "diag"),
        _row("kmeans", 3),
    ]
    labels = [np.full(4, number) for number in range(len(rows))]
    leader, found = solutions_of(rows, labels, [rows[1]])
    assert leader is rows[1]
    assert {k: int(given[0]) for k, given in found.items()} == {2: 0, 3: 1}


def test_a_candidate_tells_what_it_was_asked_for():
    """The number of segments may stand in the grid or be fixed; what else the grid chose makes the variant."""
    gmm = Clusterer(
        "gmm", "sklearn.mixture.GaussianMixture", grid={"n_components": [2, 3], "covariance_type": ["diag", "full"]}
    )
    told = [(one.asked, one.variant) for one in gmm.candidates()]
    assert told == [(k, f"covariance_type={kind}") for k in (2, 3) for kind in ("diag", "full")]
    (fixed,) = Clusterer("four", "sklearn.cluster.KMeans", {"n_clusters": 4}).candidates()
    assert (fixed.asked, fixed.variant) == (4, "")
    density = Clusterer("hdbscan", "hdbscan.HDBSCAN", grid={"min_samples": [5]}).candidates()
    assert [(one.asked, one.variant) for one in density] == [(0, "min_samples=5")]


def test_without_two_numbers_nothing_is_followed():
    """A clusterer that finds its number, or was asked for one only, leaves the place to the next; or to none."""
    rows = [_row("hdbscan", 0), _row("hdbscan", 0, "b"), _row("gmm", 3), _row("kmeans", 2), _row("kmeans", 3)]
    labels = [np.zeros(4, dtype=int)] * len(rows)
    leader, found = solutions_of(rows, labels, rows)
    assert leader is rows[3]
    assert sorted(found) == [2, 3]
    assert solutions_of(rows, labels, rows[:3]) == (None, {})
