"""Clusterers: what a configuration may name, the candidates of a grid, and how fits fail without a crash."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from patronage import clusterers
from patronage.clusterers import ESTIMATORS, Candidate, Clusterer, Failure, fit_clusterer
from patronage.embedding import Embedding
from patronage.errors import InvalidConfigError

GIANT = np.vstack([np.random.default_rng(0).normal(size=(150, 2)), [[1e12, 1e12]]])
TWO_POINTS = np.repeat([[0.0], [1.0]], 30, axis=0)
CHANCE = np.random.default_rng(0).normal(size=(90, 2))
KMEANS, GMM, HDBSCAN = "sklearn.cluster.KMeans", "sklearn.mixture.GaussianMixture", "hdbscan.HDBSCAN"
MINIBATCH, BISECTING = "sklearn.cluster.MiniBatchKMeans", "sklearn.cluster.BisectingKMeans"
WARD, GRID = "sklearn.cluster.AgglomerativeClustering", "patronage.rfm_grid.RFMGrid"


def _blobs(n=60, centres=((0, 0), (6, 0), (0, 6))):
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(centre, 0.5, (n, 2)) for centre in centres])


def _fit(target, space, seed=0, noise="keep", **parameters):
    with threadpool_limits(1):
        return fit_clusterer(Candidate(Clusterer("tried", target, parameters, noise=noise), {}), space, seed)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"target": "os.system"},
            r"clusterer\.tried: _target_ must be one of sklearn\.cluster\.KMeans.*got 'os\.system'",
        ),
        ({"noise": "drop"}, r"clusterer\.tried: noise must be one of keep, nearest; got 'drop'"),
        ({"parameters": {"n_cluster": 3}}, r"KMeans has no parameter 'n_cluster'; it has .*n_clusters"),
        ({"grid": {"k": [3]}}, r"KMeans has no parameter 'k'"),
        ({"target": HDBSCAN, "parameters": {"memory": "cache"}}, r"clusterer\.tried: memory cannot be set"),
        ({"target": WARD, "grid": {"memory": ["cache"]}}, r"clusterer\.tried: memory cannot be set"),
        ({"grid": {"n_clusters": []}}, r"clusterer\.tried\.grid\.n_clusters is empty"),
        ({"neighbour_tolerance": 0.5}, r"only hdbscan\.HDBSCAN without an embedding places customers by their neigh"),
        (
            {"target": HDBSCAN, "embedding": Embedding(), "neighbour_tolerance": 0.5},
            r"clusterer\.tried: neighbour_tolerance must be 0, got 0\.5: only",
        ),
        (
            {"target": HDBSCAN, "neighbour_tolerance": -0.5},
            r"clusterer\.tried: neighbour_tolerance must be from 0 \(exact\) to 10; got -0\.5",
        ),
    ],
)
def test_a_wrong_declaration_is_refused(given, message):
    """Only listed estimators and their own parameters can be named; the message says what is allowed."""
    with pytest.raises(InvalidConfigError, match=message):
        Clusterer("tried", **{"target": KMEANS} | given)


def test_every_combination_of_the_grid_is_a_candidate():
    """A grid of two parameters gives their product, in the order declared."""
    clusterer = Clusterer("h", HDBSCAN, grid={"min_cluster_size": [40, 80], "min_samples": [5, 15]})
    assert [candidate.name for candidate in clusterer.candidates()] == [
        "h min_cluster_size=40 min_samples=5",
        "h min_cluster_size=40 min_samples=15",
        "h min_cluster_size=80 min_samples=5",
        "h min_cluster_size=80 min_samples=15",
    ]


def test_without_a_grid_there_is_one_candidate():
    """Fixed parameters alone make one candidate, which bears the clusterer's name."""
    assert [candidate.name for candidate in Clusterer("kmeans", KMEANS).candidates()] == ["kmeans"]


@pytest.mark.parametrize(
    ("target", "given", "most"),
    [
        (KMEANS, {"grid": {"n_clusters": [2, 9, 4]}}, 9),
        (GMM, {"parameters": {"n_components": 5}}, 5),
        (HDBSCAN, {"grid": {"min_cluster_size": [40]}}, 0),
    ],
)
def test_the_most_segments_asked_for_are_known(target, given, most):
    """The largest number in parameters and grid counts; density clusterers are asked for none."""
    assert Clusterer("tried", target, **given).most_segments == most


@pytest.mark.parametrize("target", ESTIMATORS)
def test_every_listed_estimator_becomes_its_assigner(target):
    """Each allowed estimator fits plain blobs and becomes the kind of assigner it is listed with."""
    number = {KMEANS: "n_clusters", GMM: "n_components"}.get(target, "n_clusters")
    parameters = {"min_cluster_size": 15} if target == HDBSCAN else {number: 3}
    assigner = _fit(target, _blobs(), **parameters)
    assert assigner.kind == ESTIMATORS[target]
    assert assigner.n_segments == 3


def test_the_chosen_values_are_what_is_fitted():
    """The grid's choice decides the number of segments, over a fixed parameter of the same name."""
    clusterer = Clusterer("kmeans", KMEANS, {"n_clusters": 5}, {"n_clusters": [2, 4]})
    fitted = [fit_clusterer(candidate, _blobs(), 0).n_segments for candidate in clusterer.candidates()]
    assert fitted == [2, 4]


@pytest.mark.parametrize("target", [KMEANS, GMM])
def test_the_seed_decides_the_fit(target):
    """The same seed gives the same arrays, bit for bit; another one need not."""
    space = np.random.default_rng(1).normal(size=(150, 3))
    number = "n_clusters" if target == KMEANS else "n_components"
    centres = "centres" if target == KMEANS else "means"
    first, again, other = (_fit(target, space, seed, **{number: 6}).arrays()[centres] for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_configured_random_state_is_kept():
    """A random_state that the configuration fixes is not overruled by the run's seed."""
    space = np.random.default_rng(1).normal(size=(150, 3))
    first, second = (_fit(KMEANS, space, seed, n_clusters=6, random_state=3, n_init=1) for seed in (1, 2))
    assert first.centres.tobytes() == second.centres.tobytes()


def test_noise_of_a_density_clusterer_can_join_the_nearest_segment():
    """With ``noise: nearest`` every customer gets a segment, with ``keep`` outliers get none."""
    space = np.vstack([_blobs(), [[40.0, 40.0]]])
    kept, nearest = (_fit(HDBSCAN, space, noise=noise, min_cluster_size=15) for noise in ("keep", "nearest"))
    assert kept.assign(space).label[-1] == -1
    assert nearest.assign(space).label[-1] >= 0


@pytest.mark.parametrize(
    ("target", "space", "parameters", "reason"),
    [
        (KMEANS, _blobs(2), {"n_clusters": 7}, "7 segments asked for, 6 customers given"),
        (GMM, _blobs(2), {"n_components": 7}, "7 segments asked for, 6 customers given"),
        (KMEANS, TWO_POINTS, {"n_clusters": 3}, "3 segments asked for, only 2 distinct points"),
        (GMM, CHANCE, {"n_components": 6, "max_iter": 2}, "did not converge within max_iter=2"),
        (GMM, TWO_POINTS, {"n_components": 4, "reg_covar": 0}, "ValueError: "),
        (GMM, TWO_POINTS, {"n_components": 3}, "3 segments asked for, only 2 distinct points"),
        (KMEANS, GIANT, {"n_clusters": 4}, "found fewer distinct segments than asked for"),
        (
            HDBSCAN,
            _blobs(),
            {"cluster_selection_method": "foo"},
            'ValueError: Invalid Cluster Selection Method. Should be one of: "eom", "leaf"',
        ),
        (KMEANS, _blobs(2), {}, "8 segments asked for, 6 customers given"),
        (KMEANS, _blobs(), {"n_clusters": "three"}, "InvalidParameterError: The 'n_clusters' parameter"),
        (KMEANS, _blobs(), {"n_clusters": -1}, "InvalidParameterError: The 'n_clusters' parameter"),
        (HDBSCAN, np.random.default_rng(0).uniform(size=(40, 2)), {"min_cluster_size": 25}, "found only noise"),
        (HDBSCAN, _blobs(), {"metric": "manhattan"}, "ValueError: DensityAssigner measures Euclidean distances"),
        (HDBSCAN, _blobs(), {"min_cluster_size": "many"}, "ValueError: "),
        (HDBSCAN, _blobs(2), {"min_cluster_size": 3, "min_samples": 50}, "ValueError: "),
        (MINIBATCH, TWO_POINTS, {"n_clusters": 3}, "3 segments asked for, only 2 distinct points"),
        (BISECTING, TWO_POINTS, {"n_clusters": 3}, "3 segments asked for, only 2 distinct points"),
        (WARD, TWO_POINTS, {"n_clusters": 3}, "3 segments asked for, only 2 distinct points"),
        (WARD, _blobs(2), {"n_clusters": 7}, "7 segments asked for, 6 customers given"),
        (WARD, _blobs(), {"linkage": "steel"}, "InvalidParameterError: The 'linkage' parameter"),
        (GRID, TWO_POINTS, {"n_clusters": 3}, "ValueError: 3 segments asked for, customers fall in 2 of the 3 cells"),
        (GRID, _blobs(), {"n_clusters": "three"}, "InvalidParameterError: The 'n_clusters' parameter"),
        (GRID, np.zeros((60, 30)), {}, "ValueError: 3 classes of each of 30 columns make more than 4,096 cells"),
    ],
)  # fmt: skip
def test_a_fit_that_finds_nothing_says_why(target, space, parameters, reason):
    """A candidate that cannot be fitted is a Failure with a true reason, without a warning on the way."""
    failure = _fit(target, space, **parameters)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith(reason)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AttributeError("no such thing"), "AttributeError: no such thing"),
        (KeyError("missing"), "KeyError: 'missing'"),
        (IndexError("out of range\nand more"), "IndexError: out of range"),
        (PermissionError(13, "Permission denied"), "PermissionError: [Errno 13] Permission denied"),
        (ValueError(), "ValueError: no reason given"),
    ],
)
def test_whatever_a_library_raises_is_told(error, reason, monkeypatch):
    """What an estimator trips over makes its candidate a Failure, and stops no other."""

    def trip(*_):
        raise error

    monkeypatch.setattr(KMeans, "fit", trip)
    assert _fit(KMEANS, _blobs(), n_clusters=3) == Failure(reason)


def test_too_many_customers_to_agglomerate_are_refused_before_memory_runs_out(monkeypatch):
    """The distances of all pairs of many customers are never asked for."""
    monkeypatch.setattr(clusterers, "MAX_AGGLOMERATED", 100)
    assert _fit(WARD, _blobs()) == Failure("agglomeration needs the distances of all pairs: at most 100 customers")


@pytest.mark.parametrize(("target", "number"), [(KMEANS, "n_clusters"), (GMM, "n_components"), (WARD, "n_clusters")])
def test_groups_found_on_a_map_are_placed_in_the_space(target, number):
    """With a map, the clusterer sees the map alone, and a typing tool learns to place points of the space."""
    space = np.random.default_rng(1).normal(size=(180, 3)) + np.repeat([[0, 0, 0], [9, 0, 0], [0, 9, 0]], 60, axis=0)
    on_the_map = np.repeat([[0.0], [50.0], [51.0]], 60, axis=0) + np.random.default_rng(0).normal(0, 0.1, (180, 1))
    with threadpool_limits(1):
        found = fit_clusterer(Candidate(Clusterer("tried", target, {number: 2}), {}), space, 0, on_the_map)
    labels = found.assign(space).label
    assert found.kind == "typing"
    assert labels[60:].min() == labels[60:].max() != labels[0]


def test_noise_on_a_map_is_noise_in_the_space():
    """What a density clusterer leaves out on the map has no segment, or with ``nearest`` that of those most like it."""
    space = np.vstack([_blobs(), np.random.default_rng(3).normal(40, 0.5, (20, 2))])
    alone = np.vstack([_blobs(), 1000.0 * np.arange(1, 21)[:, None] ** [1, 2]])  # the last twenty are far apart
    clusterer = {"min_cluster_size": 15, "min_samples": 5}
    with threadpool_limits(1):
        kept, nearest = (
            fit_clusterer(Candidate(Clusterer("tried", HDBSCAN, clusterer, noise=noise), {}), space, 0, alone)
            for noise in ("keep", "nearest")
        )
    assert (kept.assign(space).label[-20:] == -1).all()
    assert (nearest.assign(space).label >= 0).all()
    assert not nearest.assign(space).found[-20:].any()


def test_the_points_are_not_changed():
    """Fitting leaves the caller's space as it was."""
    space = _blobs()
    before = space.copy()
    for target in ESTIMATORS:
        _fit(target, space)
    assert space.tobytes() == before.tobytes()
