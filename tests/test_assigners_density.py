"""Placing rows by density: HDBSCAN's out-of-sample prediction, from arrays."""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
import warnings

import hdbscan
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.neighbors import KDTree

from patronage.assigners import UNASSIGNED
from patronage.assigners.density import DensityAssigner
from tests.real_data import real_data

SETTINGS = [
    {"min_cluster_size": size, "min_samples": samples, "cluster_selection_method": method, "eps": eps}
    for (size, samples), method, eps in itertools.product([(15, None), (20, 4), (8, 12)], ["eom", "leaf"], [0.0, 0.8])
]


def _blobs_with_noise():
    rng = np.random.default_rng(0)
    centres = rng.uniform(-8, 8, (5, 4))
    return np.vstack([rng.normal(centre, 0.7, (80, 4)) for centre in centres] + [rng.uniform(-10, 10, (60, 4))])


def _uneven_densities():
    rng = np.random.default_rng(1)
    groups = [((0, 0), 0.1, 150), ((1, 1), 0.2, 60), ((5, 0), 1.0, 120), ((5, 7), 2.0, 90), ((4, 6), 0.1, 40)]
    return np.vstack([rng.normal(centre, scale, (size, 2)) for centre, scale, size in groups])


def _duplicates():
    """Draw counts, as customers have them: few distinct rows, many times each."""
    rng = np.random.default_rng(2)
    return np.vstack([rng.poisson(mean, (110, 3)) for mean in (1.0, 9.0, 30.0)]).astype(float)


DATA = {"blobs": _blobs_with_noise(), "uneven": _uneven_densities(), "duplicates": _duplicates()}


def _fit(points, *, eps=0.0, **settings):
    clusterer = hdbscan.HDBSCAN(prediction_data=True, core_dist_n_jobs=1, cluster_selection_epsilon=eps, **settings)
    return clusterer.fit(points)


def _queries(points, seed=3):
    """Training points, points near them, points in between and points far away."""
    rng = np.random.default_rng(seed)
    low, high = points.min(axis=0), points.max(axis=0)
    near = points[rng.integers(0, len(points), 300)] + rng.normal(0, 0.3, (300, points.shape[1]))
    between = rng.uniform(low - 2, high + 2, (300, points.shape[1]))
    return np.vstack([points, near, between, np.round(between), 100 * between[:20]])


def _in_ten_dimensions():
    """Five broad groups of 10 dimensions and a tenth of noise; two thirds of the rows are new."""
    rng = np.random.default_rng(11)
    groups = [rng.normal(centre, 2.0, (1080, 10)) for centre in rng.uniform(-10, 10, (5, 10))]
    points = rng.permutation(np.vstack([*groups, rng.uniform(-15, 15, (600, 10))]))
    return points[:2000], points[2000:]


def _card_holders():
    """Ten figures of credit card holders, on a log scale and standardised; a third of the rows are held out."""
    columns = ["BALANCE", "PURCHASES", "ONEOFF_PURCHASES", "INSTALLMENTS_PURCHASES", "CASH_ADVANCE"]
    columns += ["PURCHASES_FREQUENCY", "CASH_ADVANCE_TRX", "PURCHASES_TRX", "PAYMENTS", "PRC_FULL_PAYMENT"]
    with real_data() as folder:
        figures = np.log1p(pd.read_csv(folder / "credit_card.csv")[columns].to_numpy(dtype=float))
    points = np.random.default_rng(0).permutation((figures - figures.mean(axis=0)) / figures.std(axis=0))
    return points[:6000], points[6000:]


def _nearest_labelled(fitted, queries, excluded):
    """Runner-up by brute force: every distance to every training point that has a label."""
    distance = cdist(queries, fitted.prediction_data_.raw_data)
    by_segment = np.column_stack(
        [distance[:, fitted.labels_ == label].min(axis=1) for label in range(fitted.labels_.max() + 1)]
    )
    by_segment[excluded[:, np.newaxis] == np.arange(by_segment.shape[1])] = np.inf
    return np.where(np.isfinite(by_segment.min(axis=1)), by_segment.argmin(axis=1), UNASSIGNED)


def _predict_in_selected_clusters(fitted, queries):
    """Call approximate_predict with the clusters that were selected, which 0.8.44 only guesses.

    They are the topmost clusters of the condensed tree that have points of one label, and no noise, below.
    """
    tree = fitted.condensed_tree_.to_numpy()
    below, clusters = {}, sorted(set(tree["parent"]), reverse=True)
    for cluster in clusters:
        children = tree["child"][tree["parent"] == cluster]
        below[cluster] = set().union(
            *(below[child] if child in below else {fitted.labels_[child]} for child in children)
        )
    parent = dict(zip(tree["child"], tree["parent"], strict=True))
    prediction = fitted.prediction_data_
    prediction.cluster_map, prediction.max_lambdas = {}, {}
    for cluster in clusters:
        if len(below[cluster]) == 1 and UNASSIGNED not in below[cluster]:
            top = cluster
            while top in parent and below[parent[top]] == below[cluster]:
                top = parent[top]
            if top in parent and (below[parent[top]] | {UNASSIGNED}) == {0, UNASSIGNED}:
                top = parent[top]  # allow_single_cluster: the root is selected, with noise of its own
            prediction.cluster_map[cluster] = next(iter(below[cluster]))
            prediction.max_lambdas[cluster] = tree["lambda_val"][tree["parent"] == top].max()
    return hdbscan.approximate_predict(fitted, queries)


def _runner_up(fitted, queries, label):
    """By brute force: from where the training point lies that a row in a segment joined, else from the row itself."""
    _, _, joined = hdbscan.approximate_predict(fitted, queries, return_connecting_points=True)
    seen_from = np.where((label == UNASSIGNED)[:, np.newaxis], queries, fitted.prediction_data_.raw_data[joined])
    return _nearest_labelled(fitted, seen_from, label)


def _bits(assignment):
    return {name: getattr(assignment, name).tobytes() for name in ("label", "runner_up", "margin", "distance")}


@pytest.fixture(scope="module", params=DATA)
def fitted(request):
    """Fit each planted data set, with other min_samples than min_cluster_size."""
    return _fit(DATA[request.param], min_cluster_size=20, min_samples=4)


@pytest.fixture(scope="module")
def small():
    """Fit a small assigner, whose tree is three levels deep, to tamper with."""
    rng = np.random.default_rng(5)
    groups = [rng.normal(centre, 0.3, (12, 2)) for centre in ((0, 0), (3, 0), (3, 3), (12, 12))]
    return DensityAssigner.from_hdbscan(_fit(np.vstack(groups), min_cluster_size=5, min_samples=3), noise="keep")


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_places_rows_as_approximate_predict_does(name, settings):
    """Labels equal approximate_predict's, strengths to 1e-12, for eom, leaf, epsilon and any min_samples."""
    fitted = _fit(DATA[name], **settings)
    queries = _queries(DATA[name])
    labels, strengths = hdbscan.approximate_predict(fitted, queries)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(queries)
    assert labels.max() > 0
    np.testing.assert_array_equal(placed.label, labels)
    np.testing.assert_allclose(placed.margin, strengths, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(placed.distance, 1.0 - placed.margin)


def _by_hand(column, core_distances, labels, *, min_samples, **changes):
    """Build an assigner of points on a line, with one cluster per segment right below the root."""
    labels = np.array(labels)
    n_clusters = labels.max() + 2
    arrays = {
        "points": np.array(column, dtype=float)[:, np.newaxis],
        "core_distances": np.array(core_distances, dtype=float),
        "labels": labels,
        "point_cluster": labels + 1,
        "point_lambda": np.full(len(labels), 0.01),
        "cluster_parent": np.minimum(np.arange(n_clusters) - 1, 0),
        "cluster_lambda": np.full(n_clusters, 0.01),
        "cluster_label": np.arange(n_clusters) - 1,
        "cluster_max_lambda": np.full(n_clusters, 10.0),
        "min_samples": np.array(min_samples),
        "noise": np.array("keep"),
    }
    return DensityAssigner(**{**arrays, **changes})


def test_a_farther_point_in_a_denser_place_is_joined():
    """Of 2 · min_samples neighbours the one with the smallest reach decides, even if it is the farthest."""
    assigner = _by_hand([1.0, -1.1, 1.2, -1.3, -1.7], [5.0, 5.0, 5.0, 0.5, 0.5], [0, 0, 0, 1, 1], min_samples=2)
    placed = assigner.assign(np.zeros((1, 1)))
    assert placed.label.tolist() == [1]
    assert placed.margin == pytest.approx(1 / 1.3 / 10)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_of_equally_near_points_the_first_of_the_search_tree_is_joined(order):
    """Two points tie for the last place among min_samples + 1 neighbours: the tree's order decides."""
    column, core, labels = (
        np.array([1.0, 1.1, 1.2, -1.2]),
        np.array([5.0, 5.0, 0.5, 0.5]),
        np.array([0, 0, 0, 1]),
    )
    order = list(order)
    neighbours = KDTree(column[order, np.newaxis]).query(np.zeros((1, 1)), k=4)[1][0]
    expected = next(labels[order][point] for point in neighbours if core[order][point] == 0.5)
    placed = _by_hand(column[order], core[order], labels[order], min_samples=2).assign(np.zeros((1, 1)))
    assert placed.label.tolist() == [expected]


def _first_found(column, order, min_samples):
    """Point, numbered as in the column, that scikit-learn's tree of the points in another order finds first from 0."""
    return order[KDTree(column[order, np.newaxis]).query(np.zeros((1, 1)), k=2 * min_samples)[1][0, 0]]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_of_equally_near_points_of_a_cluster_the_first_decides_where_one_left_at_its_birth(order):
    """A row at the density of the birth stays where the point that it joins left there and then, else it climbs."""
    column, order = np.array([1.0, -1.0, 1.5, 3.0]), list(order)
    left = np.array([1 / 1.5, 9.0, 9.0, 9.0])[order]
    born = np.array([0.0, 1 / 1.5])
    assigner = _by_hand(column[order], [0.5] * 4, [0] * 4, min_samples=2, point_lambda=left, cluster_lambda=born)
    expected = 0 if _first_found(column, order, 2) == 0 else UNASSIGNED
    assert assigner.assign(np.zeros((1, 1))).label.tolist() == [expected]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_of_equally_near_points_of_a_cluster_the_first_says_who_is_runner_up(order):
    """Two points in one segment are equally near the row, and another segment is nearest to each of them."""
    column, order = np.array([1.0, -1.0, 1.5, 8.0, -8.0]), list(order)
    labels = np.array([0, 0, 0, 1, 2])[order]
    placed = _by_hand(column[order], [0.5] * 5, labels, min_samples=2).assign(np.zeros((1, 1)))
    assert placed.label.tolist() == [0]
    assert placed.runner_up.tolist() == [1 if _first_found(column, order, 2) == 0 else 2]


@pytest.mark.parametrize("seed", range(20))
def test_points_equally_near_but_for_rounding_come_as_scikit_learn_measures_them(seed):
    """Squares added in another order differ in the last bit, and the point that is nearer by that bit is joined."""
    rng = np.random.default_rng(seed)
    away = rng.normal(size=10)
    points = np.vstack([[rng.permutation(away) for _ in range(4)], [2 * away, 3 * away]])
    query = np.zeros((1, 10))
    nearest = KDTree(points).query(query, k=6)[1][0, 0]
    placed = _by_hand([0.0] * 6, [0.0] * 6, [0, 1, 2, 3, 0, 0], min_samples=4, points=points).assign(query)
    assert placed.label.tolist() == [nearest]


@pytest.mark.parametrize("n_columns", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("scale", ["counts", "log", "standard"])
def test_places_tied_counts_as_approximate_predict_does(n_columns, scale):
    """New customers described by counts, raw or scaled: labels, strengths and runners-up are those of hdbscan."""
    rng = np.random.default_rng(n_columns)
    means = np.array([[1, 5, 15, 3, 8], [15, 1, 5, 8, 3], [5, 15, 1, 5, 5]])[:, :n_columns]
    counts = rng.poisson(means[rng.integers(0, 3, 1800)]).astype(float)
    points = counts if scale == "counts" else np.log1p(counts)
    if scale == "standard":
        points = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    fitted = _fit(points[:600], min_cluster_size=10, min_samples=6, cluster_selection_method="leaf")
    labels, strengths = _predict_in_selected_clusters(fitted, points)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(points)
    assert labels.max() > 0
    np.testing.assert_array_equal(placed.label, labels)
    np.testing.assert_allclose(placed.margin, strengths, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(placed.runner_up, _runner_up(fitted, points, placed.label))


def _around(row):
    """Thirty points of ten dimensions, and of the three nearest to the row: which, and how far scikit-learn says."""
    rng = np.random.default_rng(row)
    points = rng.normal(size=(30, 10))
    query = rng.normal(size=(1, 10))
    distance, neighbour = KDTree(points).query(query, k=3)
    return points, query, distance[0], neighbour[0]


@pytest.mark.parametrize("row", range(40))
def test_a_cluster_born_at_the_rows_own_density_is_left(row):
    """Density and birth are compared to the last bit, with distances rounded as scikit-learn rounds them."""
    points, query, distance, _ = _around(row)
    changes = {"points": points, "point_lambda": np.full(30, np.inf)}
    for birth, label in ((1 / distance[2], UNASSIGNED), (np.nextafter(1 / distance[2], 0.0), 0)):
        born = np.array([0.0, birth])
        placed = _by_hand([0.0] * 30, [0.0] * 30, [0] * 30, min_samples=2, cluster_lambda=born, **changes)
        assert placed.assign(query).label.tolist() == [label]


@pytest.mark.parametrize("row", range(40))
def test_core_distances_are_compared_to_the_last_bit(row):
    """A neighbour whose core distance is above the row's own by one bit is not joined if the next one's is below."""
    points, query, distance, neighbour = _around(row)
    core_distances, labels = np.full(30, 9.0), np.zeros(30, dtype=int)
    core_distances[neighbour[:2]] = np.nextafter(distance[2], np.inf), 0.0
    labels[neighbour[1]] = 1
    placed = _by_hand([0.0] * 30, core_distances, labels, min_samples=2, points=points).assign(query)
    assert placed.label.tolist() == [1]


def test_the_lowest_number_is_runner_up_where_segments_are_equally_near():
    """Noise halfway between two segments, inside the box of the second, has the first as runner-up."""
    assigner = _by_hand([1.0, 2.0, -1.0, 3.0, 0.0], [1.0] * 5, [0, 0, 1, 1, -1], min_samples=1)
    placed = assigner.assign(np.array([[0.0]]))
    assert (placed.label.tolist(), placed.runner_up.tolist()) == ([UNASSIGNED], [0])


def test_what_the_root_was_born_at_does_not_matter():
    """Climbing ends at the root, whatever its λ says."""
    line = {"column": [0, 1, 9, 10], "core_distances": [1] * 4, "labels": [0, 0, 1, 1], "min_samples": 1}
    changes = {"point_lambda": np.ones(4), "cluster_lambda": np.array([np.inf, 0.5, 0.5])}
    placed = _by_hand(**line, **changes).assign(np.array([[0.0], [4.0], [500.0]]))
    assert placed.label.tolist() == [0, UNASSIGNED, UNASSIGNED]


@pytest.mark.parametrize("seed", range(12))
def test_places_rows_as_approximate_predict_does_on_any_lattice(seed):
    """Labels equal approximate_predict's where most distances are tied with others."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 30, (4, 2))
    points = np.vstack([rng.integers(-3, 4, (60, 2)) + centre for centre in centres]).astype(float)
    fitted = _fit(points, min_cluster_size=10, min_samples=int(rng.integers(2, 9)))
    queries = np.stack(np.meshgrid(np.arange(-6, 37), np.arange(-6, 37)), axis=-1).reshape(-1, 2)
    labels, strengths = _predict_in_selected_clusters(fitted, queries)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(queries)
    np.testing.assert_array_equal(placed.label, labels)
    np.testing.assert_allclose(placed.margin, strengths, rtol=0, atol=1e-12)


def test_runner_up_is_the_other_segment_with_the_nearest_training_point(fitted):
    """The runner-up is found by brute force too: of noise from the row, else from the training point it joined."""
    queries = _queries(fitted.prediction_data_.raw_data)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(queries)
    assert (placed.label == UNASSIGNED).any()
    np.testing.assert_array_equal(placed.runner_up, _runner_up(fitted, queries, placed.label))


def test_noise_goes_to_the_nearest_segment_on_request(fitted):
    """Under "nearest" a noise row gets the nearest segment, keeps strength 0, and no other row changes."""
    queries = _queries(fitted.prediction_data_.raw_data)
    kept = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(queries)
    moved = DensityAssigner.from_hdbscan(fitted, noise="nearest").assign(queries)
    noise = kept.label == UNASSIGNED
    np.testing.assert_array_equal(moved.label[noise], kept.runner_up[noise])
    np.testing.assert_array_equal(moved.label[~noise], kept.label[~noise])
    np.testing.assert_array_equal(moved.margin, kept.margin)
    assert not moved.margin[noise].any()
    np.testing.assert_array_equal(moved.runner_up[~noise], kept.runner_up[~noise])
    np.testing.assert_array_equal(moved.runner_up[noise], _nearest_labelled(fitted, queries, moved.label)[noise])


@pytest.mark.parametrize("tolerance", [0.0, 0.75])
@pytest.mark.parametrize("noise", ["keep", "nearest"])
def test_a_row_gets_the_same_bits_whichever_rows_come_along(fitted, noise, tolerance, monkeypatch):
    """One at a time, shuffled, in slices or all together: every output is equal bit for bit."""
    assigner = DensityAssigner.from_hdbscan(fitted, noise=noise, neighbour_tolerance=tolerance)
    queries = _queries(fitted.prediction_data_.raw_data)
    together = assigner.assign(queries)
    order = np.random.default_rng(7).permutation(len(queries))
    shuffled = assigner.assign(queries[order])
    alone = [assigner.assign(queries[[row]]) for row in range(len(queries))]
    monkeypatch.setattr("patronage.assigners.density.segments._ROWS_AT_ONCE", 37)
    assert _bits(assigner.assign(queries)) == _bits(together)
    for name in ("label", "runner_up", "margin", "distance"):
        expected = getattr(together, name)
        assert getattr(shuffled, name).tobytes() == expected[order].tobytes()
        assert np.concatenate([getattr(one, name) for one in alone]).tobytes() == expected.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(0, 1249), min_size=1, max_size=60),
    tolerance=st.sampled_from([0.0, 0.3, 1.0]),
    noise=st.sampled_from(["keep", "nearest"]),
    name=st.sampled_from(sorted(DATA)),
)
def test_any_rows_in_any_order_get_the_bits_they_get_among_all(rows, tolerance, noise, name):
    """Whichever rows are drawn, some of them twice: each gets what it got among all of them."""
    assigner, queries, together = _among_all(name, tolerance, noise)
    drawn = assigner.assign(queries[rows])
    for output, bits in _bits(drawn).items():
        assert bits == getattr(together, output)[rows].tobytes()


@functools.cache
def _among_all(name, tolerance, noise):
    fitted = _fit(DATA[name], min_cluster_size=20, min_samples=4)
    assigner = DensityAssigner.from_hdbscan(fitted, noise=noise, neighbour_tolerance=tolerance)
    queries = _queries(DATA[name])
    return assigner, queries, assigner.assign(queries)


@pytest.mark.parametrize("min_samples", [5, 15])
def test_a_tolerance_keeps_labels_in_ten_dimensions(min_samples):
    """With neighbours up to 75 % farther away 99 % of the labels are equal, while some strengths are not."""
    points, new = _in_ten_dimensions()
    fitted = _fit(points, min_cluster_size=80, min_samples=min_samples, cluster_selection_method="leaf")
    labels, strengths = hdbscan.approximate_predict(fitted, new)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep", neighbour_tolerance=0.75).assign(new)
    assert labels.max() == 4
    assert np.mean(placed.label == labels) >= 0.99
    assert np.mean(placed.runner_up == _runner_up(fitted, new, placed.label)) >= 0.9
    assert np.mean(placed.margin < strengths - 1e-9) > 0.01


@pytest.mark.real_data
@pytest.mark.parametrize(
    "selection",
    [
        {"cluster_selection_method": "eom"},
        {"cluster_selection_method": "leaf"},
        {"cluster_selection_method": "eom", "eps": 0.5},
        {"cluster_selection_method": "leaf", "eps": 0.5},
        {"cluster_selection_method": "leaf", "allow_single_cluster": True},
    ],
    ids=lambda selection: "-".join(map(str, selection.values())),
)
def test_places_held_out_card_holders_as_approximate_predict_does(selection):
    """Ten figures of real people: labels equal, strengths to 1e-12; with a tolerance 99 % of the labels."""
    points, new = _card_holders()
    fitted = _fit(points, min_cluster_size=40, min_samples=5, **selection)
    labels, strengths = hdbscan.approximate_predict(fitted, new)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(new)
    assert labels.max() > 0
    np.testing.assert_array_equal(placed.label, labels)
    np.testing.assert_allclose(placed.margin, strengths, rtol=0, atol=1e-12)
    about = DensityAssigner.from_hdbscan(fitted, noise="keep", neighbour_tolerance=0.5).assign(new)
    assert np.mean(about.label == labels) >= 0.99
    assert (about.margin != placed.margin).any()


def test_a_row_that_joins_noise_is_not_its_own_runner_up():
    """A row can be in a segment while the training point that it joined is in none: the other segment is next."""
    noise_between = _by_hand([0.0, 1.0, 6.0, 9.0, 10.0], [1.0] * 5, [0, 0, -1, 1, 1], min_samples=1)
    arrays = noise_between.arrays() | {"point_cluster": np.array([1, 1, 1, 2, 2])}
    placed = DensityAssigner(**arrays).assign(np.array([[6.1]]))
    assert (placed.label.tolist(), placed.runner_up.tolist()) == ([0], [1])


def test_arrays_without_a_tolerance_place_exactly(small):
    """A package from before there was a tolerance loads, and is exact."""
    arrays = small.arrays()
    assert arrays.pop("neighbour_tolerance") == 0
    assert DensityAssigner(**arrays) == small


@pytest.mark.parametrize("tolerance", [0.0, 0.75])
def test_a_row_too_far_away_to_measure_is_noise(small, tolerance):
    """Where squared distances overflow, a row has no neighbours and no segment, and the rows beside it keep theirs."""
    assigner = DensityAssigner(**small.arrays() | {"neighbour_tolerance": np.array(tolerance)})
    near = small.arrays()["points"][:1]
    placed = assigner.assign(np.vstack([near, [[1e200, -1e200]], near]))
    assert placed.label[0] == placed.label[2] == assigner.assign(near).label[0] != UNASSIGNED
    assert placed.label[1] == UNASSIGNED
    assert placed.margin[1] == 0


@pytest.mark.parametrize(("noise", "tolerance"), [("keep", 0.0), ("nearest", 0.75)])
def test_arrays_build_an_equal_assigner(fitted, noise, tolerance, tmp_path):
    """What arrays() returns survives np.savez without pickle and builds an assigner that places alike."""
    assigner = DensityAssigner.from_hdbscan(fitted, noise=noise, neighbour_tolerance=tolerance)
    np.savez(tmp_path / "density.npz", allow_pickle=False, **assigner.arrays())
    with np.load(tmp_path / "density.npz", allow_pickle=False) as stored:
        again = DensityAssigner(**stored)
    queries = _queries(fitted.prediction_data_.raw_data)
    assert again == assigner
    assert DensityAssigner(**assigner.arrays()) == assigner
    assert _bits(again.assign(queries)) == _bits(assigner.assign(queries))


def test_assigners_with_other_arrays_are_not_equal(small):
    """Equality looks at the values, and nothing else is equal to an assigner."""
    assert DensityAssigner(**{**small.arrays(), "noise": np.array("nearest")}) != small
    assert DensityAssigner(**{**small.arrays(), "neighbour_tolerance": np.array(0.5)}) != small
    assert small != "density"


def test_a_clustering_of_noise_alone_assigns_nobody():
    """Without segments every row is unassigned with margin 0 and distance 1, whatever becomes of noise."""
    points = np.random.default_rng(0).uniform(0, 1, (40, 3))
    fitted = _fit(points, min_cluster_size=25, min_samples=5)
    assert (fitted.labels_ == UNASSIGNED).all()
    for noise in ("keep", "nearest"):
        assigner = DensityAssigner.from_hdbscan(fitted, noise=noise)
        placed = assigner.assign(points)
        assert assigner.n_segments == 0
        assert (placed.label == UNASSIGNED).all()
        assert (placed.runner_up == UNASSIGNED).all()
        assert not placed.margin.any()
        assert (placed.distance == 1.0).all()


def test_a_single_segment_has_no_runner_up():
    """Where the root is the only cluster, its own noise stays noise and its members have no runner-up."""
    points = np.random.default_rng(4).normal(size=(150, 2))
    fitted = _fit(points, min_cluster_size=5, min_samples=5, allow_single_cluster=True)
    assert set(fitted.labels_) == {UNASSIGNED, 0}
    queries = _queries(points)
    assigner = DensityAssigner.from_hdbscan(fitted, noise="keep")
    placed = assigner.assign(queries)
    labels, strengths = _predict_in_selected_clusters(fitted, queries)
    assert assigner.n_segments == 1
    np.testing.assert_array_equal(placed.label, labels)
    np.testing.assert_allclose(placed.margin, strengths, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(placed.runner_up, np.where(labels == 0, UNASSIGNED, 0))


def test_a_tree_that_never_splits_places_nobody():
    """A root without children holds nobody, as in approximate_predict; its segment is the nearest one."""
    points = np.random.default_rng(4).normal(size=(60, 2))
    fitted = _fit(points, min_cluster_size=30, min_samples=5, allow_single_cluster=True)
    assert fitted.labels_.max() == 0
    with pytest.warns(UserWarning, match="does not have any defined clusters"):
        labels, _ = hdbscan.approximate_predict(fitted, points)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(points)
    np.testing.assert_array_equal(placed.label, labels)
    assert (placed.runner_up == 0).all()
    assert not DensityAssigner.from_hdbscan(fitted, noise="nearest").assign(points).label.any()


CHAIN = np.arange(5) * 0.8
SPLIT_FIRST = np.concatenate([CHAIN, CHAIN + 4.2])
POINT_FIRST = np.concatenate([[-0.97], CHAIN, CHAIN + 4.15]) + 50.0
NESTED = np.concatenate([np.arange(5) / 2 + start for start in (0.0, 4.0, 7.0, 50.0)])


@pytest.mark.parametrize(
    ("column", "n_segments", "selection"),
    [
        (np.concatenate([SPLIT_FIRST, POINT_FIRST]), 2, {}),
        (NESTED, 3, {"cluster_selection_method": "leaf", "eps": 2.0}),
    ],
    ids=["split-first", "nested"],
)
def test_segments_are_numbered_as_the_training_labels(column, n_segments, selection):
    """A cluster that split before a point left it, or lies in another one, keeps its label.

    approximate_predict of hdbscan 0.8.44 loses half of the first, all of the second, and permutes the rest.
    """
    points = column[:, np.newaxis]
    fitted = _fit(points, min_cluster_size=5, min_samples=1, **selection)
    assert set(fitted.labels_) == set(range(n_segments))
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(points)
    np.testing.assert_array_equal(placed.label, fitted.labels_)


def test_a_point_on_top_of_duplicates_is_placed():
    """Where enough rows coincide, reach is 0 and λ_max infinite; labels and strengths stay hdbscan's."""
    rng = np.random.default_rng(8)
    spread = np.vstack([rng.normal(centre, 0.2, (30, 2)) for centre in (0.0, 6.0)])
    points = np.vstack([spread, np.zeros((20, 2)), np.full((20, 2), 6.0)])
    with warnings.catch_warnings():
        # hdbscan divides by the zero distances between duplicates.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="hdbscan")
        fitted = _fit(points, min_cluster_size=10, min_samples=5)
    queries = _queries(points)
    labels, strengths = hdbscan.approximate_predict(fitted, queries)
    placed = DensityAssigner.from_hdbscan(fitted, noise="keep").assign(queries)
    np.testing.assert_array_equal(placed.label, labels)
    np.testing.assert_allclose(placed.margin, strengths, rtol=0, atol=1e-12)


def test_fewer_training_points_than_neighbours_are_enough():
    """With fewer than 2 · min_samples training points, where hdbscan fails, all of them are neighbours."""
    points = np.vstack([np.linspace(0, 1, 8), np.linspace(5, 6, 8)]).reshape(-1, 1)
    fitted = _fit(points, min_cluster_size=4, min_samples=9)
    placed = DensityAssigner.from_hdbscan(fitted, noise="nearest").assign(points)
    assert placed.label.shape == (16,)


def test_points_are_not_changed_and_no_rows_give_no_rows(small):
    """Arrays that come in stay writeable and as they were; an empty batch gives an empty assignment."""
    given_arrays = {name: array.copy() for name, array in small.arrays().items()}
    assigner = DensityAssigner(**given_arrays)
    queries = _queries(given_arrays["points"])
    before = queries.copy()
    assigner.assign(queries)
    np.testing.assert_array_equal(queries, before)
    assert given_arrays["points"].flags.writeable
    assert not assigner.arrays()["points"].flags.writeable
    assert assigner.assign(np.empty((0, 2))).label.shape == (0,)


def test_points_in_any_layout_and_type_are_placed_alike(small):
    """Column order and float32 or integer coordinates of the same value change nothing."""
    queries = np.round(_queries(small.arrays()["points"]))
    expected = _bits(small.assign(queries))
    assert _bits(small.assign(np.asfortranarray(queries))) == expected
    assert _bits(small.assign(queries.astype(np.float32))) == expected
    assert _bits(small.assign(queries.astype(np.int64))) == expected


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((3, 5)), r"points of shape \(n_rows, 2\), got shape \(3, 5\)"),
        (np.zeros(2), r"got shape \(2,\)"),
        (np.array([[0.0, np.nan]]), "finite points only"),
        (np.array([[np.inf, 0.0]]), "finite points only"),
    ],
)
def test_points_of_another_space_are_refused(small, points, message):
    """Wrong dimensions and values that are not finite are named in the error."""
    with pytest.raises(ValueError, match=message):
        small.assign(points)


def test_only_a_euclidean_clusterer_with_prediction_data_is_taken_over():
    """Another metric, missing prediction data and an unknown rule for noise are refused with the remedy."""
    points = DATA["uneven"][:80]
    with pytest.raises(ValueError, match="metric='manhattan'"):
        DensityAssigner.from_hdbscan(_fit(points, metric="manhattan"), noise="keep")
    with pytest.raises(ValueError, match="prediction_data=True"):
        DensityAssigner.from_hdbscan(hdbscan.HDBSCAN(core_dist_n_jobs=1).fit(points), noise="keep")
    with pytest.raises(ValueError, match=r"noise must be one of .*got drop"):
        DensityAssigner.from_hdbscan(_fit(points), noise="drop")


def _last(array, value):
    changed = array.copy()
    changed[-1] = value
    return changed


@pytest.mark.parametrize(
    ("name", "tamper", "message"),
    [
        ("points", lambda a: a[:, 0], r"points must be float64 of shape \('≥1', '≥1'\), got"),
        ("points", lambda a: a[:0], "points must be"),
        ("points", lambda a: a.astype(str), "points must be float64"),
        ("points", lambda a: _last(a, np.nan), "points must be finite"),
        ("core_distances", lambda a: a[:-1], "core_distances must be float64 of shape"),
        ("core_distances", lambda a: _last(a, -1.0), "core_distances must be ≥ 0, got -1.0"),
        ("core_distances", lambda a: _last(a, np.inf), "core_distances must be finite"),
        ("labels", lambda a: a.astype(float), "labels must be int64"),
        ("labels", lambda a: _last(a, -2), "labels must be −1 or number the segments from 0 on"),
        ("labels", lambda a: _last(a, 2**62), "labels must be −1 or number"),
        ("point_cluster", lambda a: _last(a, 10**6), r"point_cluster must be in \[0, \d+\), got 1000000"),
        ("point_cluster", lambda a: _last(a, -1), "point_cluster must be in"),
        ("point_lambda", lambda a: _last(a, np.nan), "point_lambda must be ≥ 0, got nan"),
        ("cluster_parent", lambda a: _last(a, len(a) - 1), "cluster_parent must be an earlier cluster"),
        ("cluster_parent", lambda a: _last(a, -1), "cluster_parent must be an earlier cluster"),
        ("cluster_parent", lambda a: np.roll(a, 1), "cluster_parent of the root"),
        ("cluster_parent", lambda a: a[:0], "cluster_parent must be int64 of shape"),
        ("cluster_lambda", lambda a: _last(a, -1.0), "cluster_lambda must be ≥ 0"),
        ("cluster_lambda", lambda a: a[:-1], "cluster_lambda must be float64 of shape"),
        ("cluster_label", lambda a: _last(a, 99), r"cluster_label must be in \[-1, \d+\), got 99"),
        ("cluster_max_lambda", lambda a: _last(a, np.nan), "cluster_max_lambda must be ≥ 0"),
        ("min_samples", lambda a: a * 0, r"min_samples must be in \[1, 48\), got 0"),
        ("min_samples", lambda a: a * 0 + 48, "min_samples must be in"),
        ("min_samples", lambda a: a[np.newaxis], "min_samples must be int64 of shape"),
        ("noise", lambda _: np.array("drop"), "noise must be one of"),
        ("noise", lambda _: np.array(1.0), "noise must be str_ of shape"),
        ("noise", lambda _: np.array(None), "noise must be str_ of shape"),
        ("neighbour_tolerance", lambda _: np.array(-0.1), "neighbour_tolerance must be from 0 to 10, got -0.1"),
        ("neighbour_tolerance", lambda _: np.array(10.1), "neighbour_tolerance must be from 0 to 10"),
        ("neighbour_tolerance", lambda _: np.array(np.nan), "neighbour_tolerance must be from 0 to 10, got nan"),
        ("neighbour_tolerance", lambda _: np.zeros(2), "neighbour_tolerance must be float64 of shape"),
        ("neighbour_tolerance", lambda _: np.array("x"), "neighbour_tolerance must be float64 of shape"),
    ],
)
def test_tampered_arrays_are_refused(small, name, tamper, message):
    """Each array is checked for type, shape, values and indices, and the error names it."""
    arrays = small.arrays()
    with pytest.raises(ValueError, match=message):
        DensityAssigner(**{**arrays, name: tamper(arrays[name])})


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["labels", "point_cluster", "cluster_parent", "cluster_label"]),
    where=st.integers(0, 2**16),
    value=st.integers(-3, 10) | st.integers(-(2**63), 2**63 - 1),
)
def test_no_index_escapes(small, name, where, value):
    """Whatever an index is replaced by, either the assigner refuses it or every row gets a valid label."""
    arrays = small.arrays()
    changed = arrays[name].copy()
    changed[where % len(changed)] = value
    try:
        assigner = DensityAssigner(**{**arrays, name: changed})
    except ValueError:
        return
    placed = assigner.assign(_queries(arrays["points"]))
    for segment in (placed.label, placed.runner_up):
        assert set(segment) <= set(range(UNASSIGNED, assigner.n_segments))
    assert ((placed.margin >= 0) & (placed.margin <= 1)).all()


def test_scoring_does_not_need_hdbscan():
    """The module that places rows does not import the clusterer."""
    code = "import sys, patronage.assigners.density; sys.exit('hdbscan' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_noise_that_joins_the_nearest_segment_was_not_found() -> None:
    """What coverage counts is the same under both rules for noise."""
    rng = np.random.default_rng(0)
    points = np.vstack([rng.normal(0, 0.2, (60, 2)), rng.normal(5, 0.2, (60, 2)), rng.uniform(-3, 8, (30, 2))])
    fitted = hdbscan.HDBSCAN(min_cluster_size=15, prediction_data=True).fit(points)
    kept, nearest = (DensityAssigner.from_hdbscan(fitted, noise=rule).assign(points) for rule in ("keep", "nearest"))
    assert not kept.found.all()
    assert (nearest.label >= 0).all()
    np.testing.assert_array_equal(kept.found, nearest.found)
