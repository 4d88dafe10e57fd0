"""Grids: points go by the cell they fall in, and the RFM grid's cells go by K-means on their means."""

from __future__ import annotations

import numpy as np
import pytest

from patronage.assigners import UNASSIGNED
from patronage.assigners.grid import GridAssigner
from patronage.rfm_grid import RFMGrid

EDGES = np.array([[0.0, 10.0], [0.0, 10.0]])
CELLS = np.array([0, 0, 1, 0, 0, 1, 2, 2, 2])  # left and middle below, right below, all above
CENTRES = np.array([[0.0, 0.0], [20.0, 0.0], [5.0, 20.0]])
GRID = GridAssigner(edges=EDGES, segment_of_cell=CELLS, centres=CENTRES)


def _as_assigner(fitted):
    return GridAssigner(edges=fitted.edges_, segment_of_cell=fitted.segment_of_cell_, centres=fitted.cluster_centers_)


def test_points_go_by_their_cell():
    """Label, runner-up, margin and distance of a hand-made grid: 4 to the right begins another segment, 8 above one."""
    placed = GRID.assign(np.array([[6.0, 2.0]]))
    assert (placed.label[0], placed.runner_up[0]) == (0, 1)
    assert placed.margin[0] == pytest.approx(4 / 5)
    assert placed.distance[0] == pytest.approx(np.hypot(6, 2))


def test_a_point_on_a_border_is_in_the_upper_tile_without_margin():
    """On the border the neighbouring segment is as near as the own one."""
    placed = GRID.assign(np.array([[10.0, 2.0]]))
    assert (placed.label[0], placed.runner_up[0], placed.margin[0]) == (1, 0, 0.0)


def test_equal_edges_make_a_tile_that_nobody_falls_in():
    """A tile of no width neither holds a point nor is a point's runner-up."""
    grid = GridAssigner(
        edges=np.array([[1.0, 1.0]]), segment_of_cell=np.array([0, 1, 2]), centres=np.array([[0.0], [1.0], [2.0]])
    )
    placed = grid.assign(np.array([[0.5], [1.0], [1.5]]))
    assert placed.label.tolist() == [0, 2, 2]
    assert placed.runner_up.tolist() == [2, 0, 0]


def test_a_single_segment_has_no_runner_up():
    """Where all cells belong together nothing comes second."""
    placed = GridAssigner(edges=EDGES, segment_of_cell=np.zeros(9, dtype=int), centres=CENTRES[:1]).assign(CENTRES)
    assert placed.runner_up.tolist() == [UNASSIGNED] * 3
    assert placed.margin.tolist() == [1.0] * 3


def test_points_far_from_everything_are_still_placed():
    """Distances whose squares no float holds do no harm."""
    assert GRID.assign(np.array([[1e300, -1e300]])).label.tolist() == [1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"edges": EDGES[0]}, "do not fit together"),
        ({"edges": EDGES[:, :1]}, "do not fit together"),
        ({"segment_of_cell": CELLS[:8]}, "do not fit together"),
        ({"centres": CENTRES[:, :1]}, "do not fit together"),
        ({"centres": np.empty((0, 2))}, "do not fit together"),
        ({"edges": EDGES[:, ::-1]}, "ascending edges"),
        ({"edges": np.array([[0.0, np.nan]] * 2)}, "finite"),
        ({"centres": np.full((3, 2), np.nan)}, "finite"),
        ({"segment_of_cell": CELLS + 1}, "one of the 3 segments"),
        ({"segment_of_cell": CELLS - 1}, "one of the 3 segments"),
        ({"segment_of_cell": CELLS.astype(float)}, "one of the 3 segments"),
    ],
)
def test_wrong_grids_are_refused(wrong, message):
    """Arrays that do not fit together, or point outside each other, are an error before anything is placed."""
    with pytest.raises(ValueError, match=message):
        GridAssigner(**{"edges": EDGES, "segment_of_cell": CELLS, "centres": CENTRES} | wrong)


def test_the_rfm_grid_cuts_at_quantiles():
    """Terciles of every column are the edges, and a third of the customers falls in each class."""
    X = np.random.default_rng(0).normal(size=(900, 3))
    fitted = RFMGrid(n_clusters=5, random_state=0).fit(X)
    np.testing.assert_allclose(fitted.edges_, np.quantile(X, [1 / 3, 2 / 3], axis=0).T)
    for edges, column in zip(fitted.edges_, X.T, strict=True):
        assert np.bincount(np.searchsorted(edges, column)).tolist() == [300, 300, 300]


def test_the_grid_places_training_customers_as_labelled():
    """The assigner places training customers as the clusterer labelled them; a segment's centre is its mean."""
    X = np.random.default_rng(0).normal(size=(500, 3))
    fitted = RFMGrid(n_clusters=6, n_tiles=4, random_state=0).fit(X)
    placed = _as_assigner(fitted).assign(X)
    np.testing.assert_array_equal(placed.label, fitted.labels_)
    assert set(placed.label) == set(range(6))
    np.testing.assert_allclose(fitted.cluster_centers_[2], X[fitted.labels_ == 2].mean(axis=0))


def test_planted_groups_in_corners_of_the_grid_are_found():
    """Groups that differ in every column are told apart by their cells."""
    rng = np.random.default_rng(0)
    own = np.repeat([0, 1, 2], 100)
    X = np.array([[0, 0, 9], [5, 9, 0], [9, 4, 5]], dtype=float)[own] + rng.normal(0, 0.5, (300, 3))
    labels = RFMGrid(n_clusters=3, random_state=0).fit(X).labels_
    assert all(len(set(labels[own == group])) == 1 for group in range(3))
    assert len(set(labels)) == 3


def test_an_empty_cell_goes_with_the_nearest_occupied_one():
    """A customer of a combination that nobody had is placed like the most similar combination."""
    X = np.repeat([[0.0, 0.0], [1.0, 0.1], [10.0, 10.0]], 30, axis=0)
    X += np.random.default_rng(0).normal(0, 0.01, X.shape)
    placed = _as_assigner(RFMGrid(n_clusters=2, n_tiles=3, random_state=0).fit(X)).assign(
        np.array([[0.0, 0.0], [10.0, 10.0], [10.0, 5.0], [-5.0, -5.0]])
    )
    assert placed.label[0] != placed.label[1]
    assert placed.label[3] == placed.label[0]


@pytest.mark.parametrize(
    ("X", "parameters", "message"),
    [
        (np.zeros((50, 3)), {"n_clusters": 2}, "2 segments asked for, customers fall in 1 of the 27 cells"),
        (np.random.default_rng(0).normal(size=(50, 9)), {}, "of 9 columns make more than 4,096 cells"),
        (np.random.default_rng(0).normal(size=(50, 2)), {"n_tiles": 1}, "n_tiles must be a whole number from 2 on"),
    ],
)
def test_a_grid_that_cannot_be_made_says_why(X, parameters, message):
    """Too few occupied cells, too many cells and a grid without classes are told apart."""
    with pytest.raises(ValueError, match=message):
        RFMGrid(**parameters).fit(X)
