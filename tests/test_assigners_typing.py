"""The typing tool: customers get the segment of those most like them, noise included, and it knows how well it does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from patronage.assigners import UNASSIGNED
from patronage.assigners.typing_tool import N_NEIGHBOURS, TypingAssigner


def _tool(points, labels, noise="keep"):
    points = np.asarray(points, dtype=float)
    return TypingAssigner(
        points=points if points.ndim == 2 else points[:, None], labels=np.asarray(labels), noise=np.array(noise)
    )


def _groups(n=400, seed=0, spread=1.0):
    """Three groups in four dimensions that overlap a little, and which one each point is of."""
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 3, n)
    return np.array([[0, 0, 0, 0], [4, 0, 0, 0], [0, 4, 4, 0]])[own] + rng.normal(0, spread, (n, 4)), own


def test_neighbours_vote_by_their_distance():
    """Shares are worked out by hand: each weighs 1 − d/d_far, so 0 and 1 weigh 13/14 and 10/14 at 0.2."""
    placed = _tool([0.0, 1.0, 3.0], [0, 1, 1]).assign(np.array([[0.2]]))
    assert (placed.label[0], placed.runner_up[0]) == (0, 1)
    assert placed.margin[0] == pytest.approx((13 - 10) / (13 + 10), abs=1e-5)
    assert placed.distance[0] == pytest.approx(0.2)


def test_it_places_as_an_independent_implementation():
    """An exact search with the triangular kernel in scikit-learn places nearly everyone in the same segment."""
    points, own = _groups(2000)
    new, _ = _groups(1000, seed=1)

    def triangular(distances):
        # scikit-learn gives only the voters' distances: the next one's is left out, the farthest sets the scale.
        return np.maximum(1 - distances / distances[:, -1:], 1e-6)

    exact = KNeighborsClassifier(N_NEIGHBOURS + 1, weights=triangular).fit(points, own).predict(new)
    assert (_tool(points, own).assign(new).label == exact).mean() >= 0.98


def test_groups_are_recognised_among_new_customers():
    """Customers of planted groups who were not there in training are placed in their group."""
    points, own = _groups()
    new, truth = _groups(seed=1)
    assert (_tool(points, own).assign(new).label == truth).mean() >= 0.95


def test_noise_is_kept_or_goes_to_those_most_like_it():
    """Where noise wins, ``keep`` gives no segment and ``nearest`` that of others alike; both say it was noise."""
    rng = np.random.default_rng(0)
    points = np.vstack([rng.normal(0, 0.3, (40, 2)), rng.normal(6, 0.3, (40, 2)), rng.normal([20, 20], 0.3, (40, 2))])
    labels = np.repeat([0, 1, UNASSIGNED], 40)
    kept, nearest = (
        _tool(points, labels, rule).assign(np.array([[20.0, 20.0], [0.0, 0.0]])) for rule in ("keep", "nearest")
    )
    assert kept.label.tolist() == [UNASSIGNED, 0]
    assert nearest.label.tolist() == [1, 0]
    assert kept.found.tolist() == nearest.found.tolist() == [False, True]
    assert kept.runner_up.tolist() == [1, 1]
    assert nearest.runner_up.tolist() == [0, 1]


def test_where_no_neighbour_votes_for_another_the_nearest_centre_comes_second():
    """Deep inside a segment the margin is 1, and the runner-up is the segment that lies nearest."""
    points = np.concatenate([np.linspace(0, 1, 30), np.linspace(10, 11, 30), np.linspace(5, 6, 30)])
    placed = _tool(points, np.repeat([0, 1, 2], 30)).assign(np.array([[0.5]]))
    assert (placed.label[0], placed.runner_up[0], placed.margin[0]) == (0, 2, 1.0)


def test_a_single_segment_has_no_runner_up():
    """With one segment and no noise everyone is in it."""
    placed = _tool(np.arange(20.0), np.zeros(20, dtype=int)).assign(np.array([[3.0], [1e9]]))
    assert placed.label.tolist() == [0, 0]
    assert placed.runner_up.tolist() == [UNASSIGNED, UNASSIGNED]
    assert placed.margin.tolist() == [1.0, 1.0]


def test_identical_customers_are_placed_by_their_majority():
    """Where all neighbours are equally far, each has one vote."""
    points = np.concatenate([np.zeros(9), np.ones(5), np.zeros(4)])
    labels = np.concatenate([np.zeros(9, dtype=int), np.ones(9, dtype=int)])
    placed = _tool(points, labels).assign(np.array([[0.0], [1.0]]))
    assert placed.label.tolist() == [0, 1]
    assert 0 < placed.margin[0] < 0.6


def test_a_single_training_customer_places_everyone():
    """The smallest typing tool works."""
    assert _tool([2.0], [0]).assign(np.array([[5.0]])).label.tolist() == [0]


def test_points_far_from_everything_are_still_placed():
    """Distances whose squares no float holds do no harm."""
    placed = _tool([*np.arange(20.0), *np.arange(50.0, 70.0)], [0] * 20 + [1] * 20).assign(
        np.array([[1e300], [-1e300]])
    )
    assert placed.label.min() >= 0
    assert np.isfinite(placed.margin).all()


def test_agreement_is_high_where_segments_can_be_told_apart():
    """Well separated groups are placed as labelled, shuffled labels only as often as chance."""
    points, own = _groups(600, spread=0.4)
    shuffled = np.random.default_rng(1).permutation(own)
    assert _tool(points, own).agreement() >= 0.99
    assert _tool(points, shuffled).agreement() == pytest.approx(1 / 3, abs=0.1)


def test_agreement_is_measured_on_rows_that_did_not_vote():
    """A point's own label is no witness: labels that alternate along a line agree at best by chance."""
    tool = _tool(np.arange(200.0), np.arange(200) % 2)
    assert (tool.assign(tool.points).label == tool.labels).mean() > tool.agreement()
    assert tool.agreement() < 0.6


def test_noise_counts_in_the_agreement():
    """Noise that lies among the segments lowers the agreement as misplaced customers do."""
    points, own = _groups(600, spread=0.4)
    noisy = np.where(np.random.default_rng(2).random(600) < 0.3, UNASSIGNED, own)
    assert 0.5 < _tool(points, noisy).agreement() < 0.8


def test_too_few_points_to_hold_any_out_agree():
    """The agreement of four customers is 1: nothing contradicts it."""
    assert _tool([0.0, 1.0, 5.0, 6.0], [0, 0, 1, 1]).agreement() == 1.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"points": np.zeros(4)}, "do not fit together"),
        ({"points": np.empty((0, 2)), "labels": np.empty(0, dtype=int)}, "do not fit together"),
        ({"points": np.zeros((3, 2))}, "do not fit together"),
        ({"points": np.array([[0.0, np.nan]] * 4)}, "finite points"),
        ({"points": np.array([[0.0, np.inf]] * 4)}, "finite points"),
        ({"points": np.zeros((4, 2), dtype=int)}, "points must be floats"),
        ({"labels": np.array([0.0, 0, 1, 1])}, "labels integers"),
        ({"labels": np.array([0, 0, 2, 2])}, "segment 1 has no training point"),
        ({"labels": np.array([0, 0, 1, 10**9])}, "labels must be -1 or count from 0"),
        ({"labels": np.array([0, 0, 1, -2])}, "labels must be -1 or count from 0"),
        ({"labels": np.full(4, UNASSIGNED)}, "labels must be -1 or count from 0"),
        ({"noise": np.array("drop")}, "noise must be one of keep, nearest"),
        ({"noise": np.array(["keep"])}, "noise must be one of"),
        ({"noise": np.array(1)}, "noise must be one of"),
    ],
)
def test_wrong_arrays_are_refused(wrong, message):
    """Arrays that do not fit together are an error before anything is placed."""
    right = {"points": np.arange(8.0).reshape(4, 2), "labels": np.array([0, 0, 1, 1]), "noise": np.array("keep")}
    with pytest.raises(ValueError, match=message):
        TypingAssigner(**right | wrong)
