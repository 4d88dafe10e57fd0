"""Density: DBCV as hdbscan computes it, BIC as scikit-learn does."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from patronage.assigners.mixture import MixtureAssigner
from patronage.evaluation.density import bic, dbcv
from patronage.evaluation.separation import distance_matrix

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)  # hdbscan's source has invalid escapes
    from hdbscan.validity import validity_index


@given(
    seed=st.integers(0, 10_000),
    labels=st.lists(st.integers(-1, 3), min_size=20, max_size=60),
    n_dimensions=st.integers(1, 6),
    apart=st.sampled_from([0.0, 1.0, 5.0]),
)
@settings(deadline=None, max_examples=60)
def test_dbcv_is_hdbscans(seed, labels, n_dimensions, apart):
    """For any labels, with or without noise and separation, the index is that of the reference implementation."""
    # Every segment has two points at least: the reference ends in an error for one.
    given_labels = np.array([*labels, 0, 0, 1, 1, *(label for label in set(labels) if label > 1)])
    space = np.random.default_rng(seed).normal(size=(len(given_labels), n_dimensions))
    space[:, 0] += apart * given_labels
    expected = validity_index(space, given_labels)
    assert dbcv(distance_matrix(space), given_labels, n_dimensions) == pytest.approx(expected, abs=1e-9)


def test_dbcv_tells_shapes_that_silhouettes_do_not():
    """Two rings, one inside the other, are well separated densities; cut through the middle they are not."""
    rng = np.random.default_rng(0)
    angle, ring = rng.uniform(0, 2 * np.pi, 400), np.arange(400) % 2
    radius = np.where(ring == 0, 1.0, 5.0) + rng.normal(0, 0.05, 400)
    space = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    distances = distance_matrix(space)
    assert dbcv(distances, ring, 2) > 0.5
    assert dbcv(distances, (space[:, 0] > 0).astype(int), 2) < 0


def test_dbcv_by_hand():
    """Two pairs of points on a line: sparseness 1 each, separation 9, so each is worth 8/9; noise counts in n."""
    distances = distance_matrix(np.array([[0.0], [1.0], [10.0], [11.0]]))
    # The first point of a pair stands for its tree's inner nodes: 0 and 10 are 10 apart, 1 and 10 are not looked at.
    assert dbcv(distances, np.array([0, 0, 1, 1]), 1) == pytest.approx(0.9)
    with_noise = distance_matrix(np.array([[0.0], [1.0], [10.0], [11.0], [5.0]]))
    assert dbcv(with_noise, np.array([0, 0, 1, 1, -1]), 1) == pytest.approx(0.9 * 4 / 5)


@pytest.mark.parametrize("n_dimensions", [50, 400])
def test_many_dimensions_are_no_overflow(n_dimensions):
    """A distance to the power of −400 is beyond the numbers there are; its logarithm is not."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    space = (rng.normal(size=(60, n_dimensions)) + 3 * labels[:, None]) * 1e-3
    found = dbcv(distance_matrix(space), labels, n_dimensions)
    assert 0 < found < 1
    assert dbcv(distance_matrix(1e15 * space), labels, n_dimensions) == pytest.approx(found)


@pytest.mark.parametrize(
    "labels", [np.zeros(30, int), np.full(30, -1), np.where(np.arange(30) < 9, -1, 2)], ids=["one", "noise", "both"]
)
def test_dbcv_needs_two_segments(labels):
    """Separation from nobody is not defined."""
    assert np.isnan(dbcv(distance_matrix(np.random.default_rng(0).normal(size=(30, 2))), labels, 2))


def test_points_on_top_of_each_other_are_no_error():
    """Duplicates everywhere, and segments of one point, give a finite index."""
    space = np.repeat([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]], 10, axis=0)
    labels = np.repeat([0, 1, 2], 10)
    # No segment has any width: it is as dense as can be.
    assert dbcv(distance_matrix(space), labels, 2) == 1
    assert dbcv(np.zeros((30, 30)), labels, 2) == 0
    labels[-1] = 3
    assert np.isfinite(dbcv(distance_matrix(space), labels, 2))


def test_a_weight_counts_like_so_many_points():
    """Weights stretch the shares of segments as more points there would."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    space = rng.normal(size=(120, 2)) * np.array([0.3, 1.0, 2.0])[labels][:, None] + 6 * labels[:, None]
    distances = distance_matrix(space)
    assert dbcv(distances, labels, 2, np.full(120, 7.0)) == pytest.approx(dbcv(distances, labels, 2))
    # The tight segment scores best, so the more of the customers are in it the better.
    assert dbcv(distances, labels, 2, np.array([5.0, 1.0, 1.0])[labels]) > dbcv(distances, labels, 2)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_bic_is_scikit_learns(covariance_type):
    """The criterion equals scikit-learn's for every type of covariance, on the fitted points and on others."""
    rng = np.random.default_rng(0)
    space = rng.normal(size=(300, 3)) + 3 * rng.integers(0, 2, (300, 1))
    fitted = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(space)
    assigner = MixtureAssigner.from_gmm(fitted)
    for points in (space, space[:50] + 1):
        assert bic(points, assigner, covariance_type) == pytest.approx(fitted.bic(points))
