"""Placing rows by centres and by mixtures: what scikit-learn predicts, in any batch, from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from patronage.assigners import UNASSIGNED
from patronage.assigners.centroid import CentroidAssigner
from patronage.assigners.grid import GridAssigner
from patronage.assigners.mixture import MixtureAssigner
from patronage.assigners.typing_tool import TypingAssigner
from patronage.rfm_grid import RFMGrid

COVARIANCES = ("full", "tied", "diag", "spherical")


def _points(n=400, seed=0):
    """Four overlapping groups in three dimensions, of different shape."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0, 0], [3, 0, 1], [0, 3, -1], [3, 3, 0]], dtype=float)
    own = rng.integers(0, 4, n)
    return centres[own] + rng.normal(size=(n, 3)) * np.array([0.5, 0.8, 1.2])[own % 3, None]


def _gmm(covariance_type="full", n_components=4):
    with threadpool_limits(1):
        return GaussianMixture(n_components, covariance_type=covariance_type, random_state=0).fit(_points())


def _mixture(means, weights=None):
    """Components of unit covariance."""
    means = np.array(means, dtype=float)
    k, d = means.shape
    weights = np.full(k, 1 / k) if weights is None else np.array(weights)
    return MixtureAssigner(weights=weights, means=means, precisions_cholesky=np.stack([np.eye(d)] * k))


def _grid():
    fitted = RFMGrid(n_clusters=5, random_state=0).fit(_points())
    return GridAssigner(edges=fitted.edges_, segment_of_cell=fitted.segment_of_cell_, centres=fitted.cluster_centers_)


def _typing(noise):
    """A typing tool that has learned five groups, one of them noise."""
    labels = KMeans(5, n_init=1, random_state=0).fit(_points()).labels_ - 1
    return TypingAssigner(points=_points(), labels=labels.astype(np.int64), noise=np.array(noise))


ASSIGNERS = {
    "grid": _grid(),
    "typing": _typing("keep"),
    "typing nearest": _typing("nearest"),
    "centroid": CentroidAssigner(centres=_points(5)),
    "mixture": MixtureAssigner.from_gmm(_gmm()),
}


def _bits(assignment, rows=slice(None)):
    return [getattr(assignment, name)[rows].tobytes() for name in ("label", "runner_up", "margin", "distance")]


def test_centres_place_as_k_means_predicts():
    """Labels equal KMeans.predict, for training points and for new ones."""
    fitted = KMeans(4, n_init=3, random_state=0).fit(_points())
    assigner = CentroidAssigner(centres=fitted.cluster_centers_)
    np.testing.assert_array_equal(assigner.assign(_points()).label, fitted.labels_)
    np.testing.assert_array_equal(assigner.assign(_points(seed=1)).label, fitted.predict(_points(seed=1)))


def test_centres_give_distance_runner_up_and_margin():
    """Distance is Euclidean, the runner-up is the second nearest centre, the margin (d₂ − d₁) / (d₂ + d₁)."""
    placed = CentroidAssigner(centres=np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 6.0]])).assign(np.array([[0.0, 2.0]]))
    assert (placed.label[0], placed.runner_up[0], placed.distance[0]) == (0, 2, 2.0)
    assert placed.margin[0] == pytest.approx((4 - 2) / (4 + 2))


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_the_two_nearest_centres_are_found_among_equals(n_segments, seed):
    """However many centres are equally near, the first is the segment and the next one the runner-up."""
    rng = np.random.default_rng(seed)
    centres, points = rng.integers(0, 3, (n_segments, 2)), rng.integers(0, 3, (40, 2))
    placed = CentroidAssigner(centres=centres).assign(points)
    order = np.argsort(cdist(points, centres), axis=1, kind="stable")
    np.testing.assert_array_equal(placed.label, order[:, 0])
    np.testing.assert_array_equal(placed.runner_up, order[:, 1])


def test_a_point_on_the_border_goes_to_the_first_segment_without_margin():
    """Of equally near centres the first wins, the second is runner-up, and the margin is 0."""
    placed = CentroidAssigner(centres=np.array([[5.0], [-1.0], [1.0]])).assign(np.array([[0.0]]))
    assert (placed.label[0], placed.runner_up[0], placed.margin[0]) == (1, 2, 0.0)


def test_a_point_on_two_equal_centres_has_no_margin():
    """Distances of 0 to two centres divide nothing by nothing: the margin is 0."""
    placed = CentroidAssigner(centres=np.zeros((2, 2))).assign(np.zeros((1, 2)))
    assert placed.margin.tolist() == [0.0]


@pytest.mark.parametrize("assigner", [CentroidAssigner(centres=np.ones((1, 2))), _mixture([[1.0, 1.0]])])
def test_a_single_segment_has_no_runner_up(assigner):
    """With one segment everyone is in it, clearly, and nothing comes second."""
    placed = assigner.assign(np.array([[1.0, 1.0], [4.0, 5.0]]))
    assert placed.label.tolist() == [0, 0]
    assert placed.runner_up.tolist() == [UNASSIGNED, UNASSIGNED]
    assert placed.margin.tolist() == [1.0, 1.0]
    assert placed.distance.tolist() == [0.0, 5.0]


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_mixtures_place_as_scikit_learn_predicts(covariance_type):
    """Labels equal GaussianMixture.predict for every covariance type."""
    fitted = _gmm(covariance_type)
    new = _points(1000, seed=1)
    np.testing.assert_array_equal(MixtureAssigner.from_gmm(fitted).assign(new).label, fitted.predict(new))


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_a_mixtures_margin_is_the_difference_of_posteriors(covariance_type):
    """The margin is the largest posterior minus the second, the runner-up has the second."""
    fitted = _gmm(covariance_type)
    new = _points(1000, seed=1)
    placed = MixtureAssigner.from_gmm(fitted).assign(new)
    posterior = fitted.predict_proba(new)
    ordered = np.sort(posterior, axis=1)
    np.testing.assert_allclose(placed.margin, ordered[:, -1] - ordered[:, -2], atol=1e-9)
    np.testing.assert_array_equal(placed.runner_up, posterior.argsort(axis=1)[:, -2])


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_a_mixtures_distance_is_mahalanobis(covariance_type):
    """The distance is Mahalanobis' to the own component, computed here from the covariances."""
    fitted = _gmm(covariance_type)
    new = _points(200, seed=1)
    placed = MixtureAssigner.from_gmm(fitted).assign(new)
    covariances = {
        "full": lambda: fitted.covariances_,
        "tied": lambda: [fitted.covariances_] * 4,
        "diag": lambda: [np.diag(row) for row in fitted.covariances_],
        "spherical": lambda: [np.eye(3) * value for value in fitted.covariances_],
    }[covariance_type]()
    by_component = [
        cdist(new, fitted.means_[[k]], "mahalanobis", VI=np.linalg.inv(covariances[k]))[:, 0] for k in range(4)
    ]
    np.testing.assert_allclose(placed.distance, np.column_stack(by_component)[np.arange(200), placed.label], rtol=1e-9)


def test_a_bigger_component_wins_half_way():
    """Between two equal components the one with more weight is the more probable."""
    placed = _mixture([[0.0], [2.0]], weights=[0.1, 0.9]).assign(np.array([[1.0]]))
    assert placed.label.tolist() == [1]
    assert placed.margin[0] == pytest.approx(0.8)


def test_equal_posteriors_go_to_the_first_component():
    """A tie between components goes to the first one, with no margin."""
    placed = _mixture([[9.0], [-1.0], [1.0]]).assign(np.array([[0.0]]))
    assert (placed.label[0], placed.runner_up[0], placed.margin[0]) == (1, 2, 0.0)


def test_the_runner_up_is_right_where_posteriors_underflow():
    """Far from all but one component every other posterior is 0 in floating point; the nearest is still second."""
    placed = _mixture([[0.0, 0.0], [1000.0, 0.0], [400.0, 0.0]]).assign(np.array([[999.0, 0.0]]))
    assert (placed.label[0], placed.runner_up[0], placed.margin[0]) == (1, 2, 1.0)


def test_points_far_from_everything_are_still_placed():
    """Where every density underflows, the most probable component is still found, with a finite distance."""
    placed = _mixture([[0.0], [2.0]]).assign(np.array([[1e6]]))
    assert placed.label.tolist() == [1]
    assert placed.margin.tolist() == [1.0]
    assert placed.distance[0] == pytest.approx(1e6 - 2)


@pytest.mark.parametrize("kind", ASSIGNERS)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_any_batch_gives_the_same_bits(kind, data):
    """A point gets the same label, runner-up, margin and distance bit for bit, whichever points come along."""
    points = _points(90, seed=4)
    together = ASSIGNERS[kind].assign(points)
    rows = data.draw(st.lists(st.integers(0, 89), min_size=1, max_size=90))
    assert _bits(ASSIGNERS[kind].assign(points[rows])) == _bits(together, rows)


@pytest.mark.parametrize("kind", ASSIGNERS)
def test_one_by_one_is_all_together(kind):
    """Every point placed alone gets the bits it gets among all, also from an array in column order."""
    points = _points(90, seed=4)
    together = ASSIGNERS[kind].assign(points)
    for row in range(len(points)):
        assert _bits(ASSIGNERS[kind].assign(points[[row]])) == _bits(together, [row])
    assert _bits(ASSIGNERS[kind].assign(np.asfortranarray(points))) == _bits(together)


@pytest.mark.parametrize("kind", ASSIGNERS)
def test_no_points_are_no_error(kind):
    """An empty batch gives an empty assignment."""
    assert len(ASSIGNERS[kind].assign(np.empty((0, 3))).label) == 0


@pytest.mark.parametrize("kind", ASSIGNERS)
@pytest.mark.parametrize("shape", [(4, 1), (4, 2), (4, 4), (3,), (2, 2, 3)])
def test_points_of_another_dimension_are_refused(kind, shape):
    """Points must be a matrix with the training's number of dimensions; nothing is broadcast."""
    with pytest.raises(ValueError, match=r"places points of shape \(n_rows, 3\), got shape \(" + str(shape[0])):
        ASSIGNERS[kind].assign(np.ones(shape))


@pytest.mark.parametrize("kind", ASSIGNERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(kind, value):
    """A missing or infinite coordinate is an error, not a place in the first segment."""
    with pytest.raises(ValueError, match="places finite points only"):
        ASSIGNERS[kind].assign(np.array([[0.0, 1.0, value]]))


def test_points_with_too_many_dimensions_for_one_are_refused():
    """A mixture over one dimension does not read the first of several."""
    with pytest.raises(ValueError, match=r"\(n_rows, 1\)"):
        _mixture([[0.0], [1.0]]).assign(np.ones((3, 2)))


@pytest.mark.parametrize("kind", ASSIGNERS)
def test_arrays_rebuild_the_assigner(kind):
    """An assigner built from its arrays has as many segments and gives the same bits."""
    rebuilt = type(ASSIGNERS[kind])(**ASSIGNERS[kind].arrays())
    assert rebuilt.n_segments == ASSIGNERS[kind].n_segments
    assert _bits(rebuilt.assign(_points())) == _bits(ASSIGNERS[kind].assign(_points()))


@pytest.mark.parametrize("kind", ASSIGNERS)
def test_the_points_are_not_changed(kind):
    """Placing points leaves the caller's array as it was."""
    points = _points(20)
    ASSIGNERS[kind].assign(points)
    assert points.tobytes() == _points(20).tobytes()


@pytest.mark.parametrize(
    "centres", [np.zeros(3), np.empty((0, 3)), np.zeros((2, 2, 2)), np.array([[0.0, np.nan]]), np.array([[np.inf]])]
)
def test_wrong_centres_are_refused(centres):
    """Centres that are no finite matrix with a row are an error that names the shape wanted."""
    with pytest.raises(ValueError, match=r"centres must be a finite \(n_segments, n_dimensions\) array"):
        CentroidAssigner(centres=centres)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": np.ones(3)}, "do not fit together"),
        ({"means": np.zeros(2)}, "do not fit together"),
        ({"means": np.empty((0, 2)), "weights": np.empty(0)}, "do not fit together"),
        ({"precisions_cholesky": np.stack([np.eye(3)] * 2)}, "do not fit together"),
        ({"precisions_cholesky": np.eye(2)}, "do not fit together"),
        ({"means": np.array([[0.0, np.nan], [1.0, 1.0]])}, "finite"),
        ({"precisions_cholesky": np.stack([np.diag([np.inf, 1.0])] * 2)}, "finite"),
        ({"weights": np.array([0.0, 1.0])}, "weights above 0"),
        ({"weights": np.array([np.nan, 1.0])}, "weights above 0"),
        ({"weights": np.array([np.inf, 1.0])}, "finite"),
        ({"precisions_cholesky": np.stack([np.diag([1.0, -1.0])] * 2)}, "positive diagonal"),
    ],
)
def test_wrong_mixtures_are_refused(wrong, message):
    """Arrays that do not fit together, or are not finite, are an error before anything is placed."""
    right = {"weights": np.ones(2) / 2, "means": np.zeros((2, 2)), "precisions_cholesky": np.stack([np.eye(2)] * 2)}
    with pytest.raises(ValueError, match=message):
        MixtureAssigner(**right | wrong)
