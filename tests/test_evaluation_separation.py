"""Separation: scikit-learn's figures, with one matrix of distances for all candidates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    calinski_harabasz_score,
    davies_bouldin_score,
    pairwise_distances,
    silhouette_samples,
    silhouette_score,
)

from patronage.evaluation.density import dbcv
from patronage.evaluation.sample import Sample
from patronage.evaluation.separation import distance_matrix, separation, silhouette_error, silhouette_widths


def _space(n=80, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3))


def _judged(space, labels):
    return separation(space, labels, distance_matrix(space))


def test_distances_are_euclidean():
    """The matrix of distances is symmetric, 0 on the diagonal and Euclidean."""
    np.testing.assert_allclose(distance_matrix(_space()), pairwise_distances(_space()), atol=1e-7)
    assert distance_matrix(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [[0, 5], [5, 0]]


@given(labels=st.lists(st.integers(0, 4), min_size=30, max_size=30).filter(lambda given: 2 <= len(set(given)) < 30))
@settings(deadline=None, max_examples=40)
def test_widths_are_scikit_learns(labels):
    """Silhouette widths equal scikit-learn's for any labels, also of points alone in their segment."""
    distances = distance_matrix(_space(30))
    expected = silhouette_samples(distances, labels, metric="precomputed")
    np.testing.assert_allclose(silhouette_widths(distances, np.array(labels)), expected, atol=1e-12)


def test_a_point_alone_in_its_segment_has_width_zero():
    """A singleton is neither well nor badly placed."""
    labels = np.array([0] * 40 + [1] * 39 + [7])
    widths = silhouette_widths(distance_matrix(_space()), labels)
    assert widths[-1] == 0
    np.testing.assert_allclose(widths, silhouette_samples(_space(), labels), atol=1e-7)


def test_widths_of_equal_points_are_zero():
    """Where all points coincide no segment is nearer than another."""
    assert silhouette_widths(np.zeros((4, 4)), np.array([0, 0, 1, 1])).tolist() == [0, 0, 0, 0]


def test_figures_are_scikit_learns():
    """Silhouette, Davies-Bouldin and Calinski-Harabasz equal scikit-learn's."""
    space, labels = _space(), np.arange(80) % 3
    space[:, 0] += 4 * labels
    judged = _judged(space, labels)
    assert judged.silhouette == pytest.approx(silhouette_score(space, labels))
    assert judged.davies_bouldin == pytest.approx(davies_bouldin_score(space, labels))
    assert judged.calinski_harabasz == pytest.approx(calinski_harabasz_score(space, labels))


def test_the_macro_silhouette_counts_segments_alike():
    """A small segment weighs as much as a big one in the macro mean."""
    space, labels = _space(), np.array([0] * 75 + [1] * 5)
    widths = silhouette_samples(space, labels)
    judged = _judged(space, labels)
    assert judged.silhouette_macro == pytest.approx((widths[:75].mean() + widths[75:].mean()) / 2)
    assert judged.silhouette_macro != pytest.approx(judged.silhouette)


def test_the_unassigned_are_left_out():
    """Noise is no segment: the figures are those of the other points alone."""
    space, labels = _space(), np.arange(80) % 4 - 1
    rest = labels >= 0
    judged = _judged(space, labels)
    assert judged.silhouette == pytest.approx(silhouette_score(space[rest], labels[rest]))
    assert judged.davies_bouldin == pytest.approx(davies_bouldin_score(space[rest], labels[rest]))
    assert judged.calinski_harabasz == pytest.approx(calinski_harabasz_score(space[rest], labels[rest]))


@pytest.mark.parametrize(
    "labels",
    [np.zeros(80, int), np.full(80, -1), np.where(np.arange(80) < 50, -1, 2), np.arange(80), np.array([3] + [-1] * 79)],
    ids=["one segment", "all noise", "one segment and noise", "each alone", "one point"],
)
def test_without_two_segments_nothing_applies(labels):
    """Separation is undefined for fewer than two segments, and for as many as points: every figure is NaN."""
    assert np.isnan(list(vars(_judged(_space(), labels)).values())).all()


def test_widths_need_two_segments():
    """Widths within a single segment are NaN."""
    assert np.isnan(silhouette_widths(distance_matrix(_space(5)), np.zeros(5, int))).all()


@given(order=st.permutations(range(40)), names=st.permutations(range(4)))
@settings(deadline=None, max_examples=15)
def test_order_and_numbering_do_not_matter(order, names):
    """Rows in another order and segments with other numbers are as separated."""
    space, labels = _space(40), np.arange(40) % 4
    space[:, 1] += labels
    turned = _judged(space[list(order)], np.array(names)[labels][list(order)])
    plain = _judged(space, labels)
    assert vars(turned) == pytest.approx(vars(plain))


def test_weights_count_like_copies():
    """A point of weight 3 is as three points in the same place to all others."""
    space, labels = _space(30), np.arange(30) % 3
    space[:, 0] += 2 * labels
    weights = np.where(np.arange(30) % 2 == 0, 3.0, 1.0)
    rows = np.repeat(np.arange(30), weights.astype(int))
    found = separation(space, labels, distance_matrix(space), Sample(np.arange(30), weights, np.zeros(30, int)))
    copies = _judged(space[rows], labels[rows])
    assert found.davies_bouldin == pytest.approx(copies.davies_bouldin)
    assert found.calinski_harabasz == pytest.approx(copies.calinski_harabasz)
    # Copies have each other as neighbours at distance 0; a weighted point has not. Nearest others are the same.
    widths = silhouette_widths(distance_matrix(space), labels, weights)
    singles = weights == 1
    expected = silhouette_samples(space[rows], labels[rows])[np.searchsorted(rows, np.arange(30))]
    np.testing.assert_allclose(widths[singles], expected[singles], atol=1e-7)


def test_equal_weights_change_nothing():
    """Everybody standing for as many others gives the silhouettes of the sample itself."""
    labels = np.arange(80) % 3 - 1
    space = _space() + labels[:, None]
    sample = Sample(np.arange(80), np.full(80, 5.0), np.zeros(80, int))
    plain, found = _judged(space, labels), separation(space, labels, distance_matrix(space), sample)
    assert (found.silhouette, found.silhouette_macro) == pytest.approx((plain.silhouette, plain.silhouette_macro))
    assert found.silhouette_error > plain.silhouette_error == 0


BAD = {
    "constant": (np.zeros((40, 3)), np.arange(40) % 2),
    "duplicates": (np.repeat(np.random.default_rng(0).normal(size=(4, 3)), 10, axis=0), np.arange(40) // 10),
    "an outlier": (np.append(np.random.default_rng(0).normal(size=(39, 3)), [[1e12] * 3], axis=0), np.arange(40) // 39),
    "a huge scale": (1e12 * np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 4),
    "a far origin": (1e12 + np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 4),
    "hardly fewer segments than points": (np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 39),
}


@pytest.mark.parametrize(("space", "labels"), BAD.values(), ids=BAD)
def test_awkward_points_have_finite_figures(space, labels):
    """Constant features, duplicates, an outlier and huge numbers give finite figures, silhouettes within −1 and 1."""
    judged = _judged(space, labels)
    assert np.isfinite(list(vars(judged).values())).all()
    assert -1 <= judged.silhouette <= 1
    assert np.isfinite(dbcv(distance_matrix(space), labels, 3))


def test_the_standard_error_is_by_what_each_weight_does():
    """The error is the formula's, with the influence of each point's weight found by changing it a little."""
    rng = np.random.default_rng(0)
    labels, strata = np.arange(40) % 4 - 1, np.arange(40) // 10
    distances = distance_matrix(_space(40) + labels[:, None])
    weights = np.array([2.0, 3.0, 5.0, 1.5])[strata]
    kept = labels >= 0

    def mean(weights):
        inside = distances[np.ix_(kept, kept)]
        return weights[kept] @ silhouette_widths(inside, labels[kept], weights[kept]) / weights[kept].sum()

    influence = np.array([(mean(weights + step) - mean(weights - step)) / 2e-5 for step in 1e-5 * np.eye(40)])
    variance = sum(
        (1 - 10 / weights[strata == h].sum()) * 10 * (weights * influence)[strata == h].var(ddof=1) for h in range(4)
    )
    order = rng.permutation(40)
    sample = Sample(np.arange(40), weights[order], strata[order])
    found = silhouette_error(distances[np.ix_(order, order)], labels[order], sample)
    assert found == pytest.approx(np.sqrt(variance), rel=1e-5)
