"""The frontier: who is efficient, where marks stand, and that the picture tells it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from patronage.figures import frontier
from patronage.figures.trade_off import apart, efficient, repelled
from patronage.selection import Gates, select
from tests.leaderboards import CHOICES, PNG, POLICY, baselines, drawn, row


def _frontier(rows, rivals=(), gates=None):
    return frontier(select(rows, POLICY), rivals, gates or Gates())


def _numbers(axes):
    """Numbers in the marks."""
    return sorted(int(text.get_text()) for text in axes.texts if text.get_weight() == "bold")


@pytest.mark.parametrize("case", CHOICES)
def test_the_frontier_is_drawn(case):
    """Candidates of every fate make a picture, without a warning, each with its number of segments."""
    rows, rivals = CHOICES[case]
    figure = _frontier(rows, rivals)
    assert drawn(figure).startswith(PNG)
    judged = any(math.isfinite(one.metrics.get("value/kept", math.nan)) for one in rows)
    metric = "value/kept" if judged else "separation/silhouette_common"
    shown = [one.metrics["size/n_segments"] for one in rows if math.isfinite(one.metrics.get(metric, math.nan))]
    assert _numbers(figure.axes[0]) == sorted(shown)


def test_efficient_points_are_beaten_by_none():
    """By hand: a staircase is efficient, what lies below it is not, twins are both, and NaN never is."""
    points = [(0.9, 0.5), (0.8, 0.7), (0.8, 0.6), (0.6, 0.9), (0.6, 0.9), (0.5, 0.8), (math.nan, 1.0)]
    assert efficient(np.array(points)).tolist() == [True, True, False, True, True, False, False]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_efficiency_agrees_with_its_definition(points):
    """A point is efficient exactly where no other is as good in both figures and better in one."""
    beaten = [any(b[0] >= a[0] and b[1] >= a[1] and b != a for b in points) for a in points]
    assert efficient(np.array(points, dtype=float)).tolist() == [not one for one in beaten]


def test_crowded_values_share_their_room():
    """By hand: neighbours that are too close move evenly apart, others stay."""
    assert apart([1.0, 5.0, 5.0, 9.0], 1.0) == pytest.approx([1.0, 4.5, 5.5, 9.0])
    assert apart([3.0, 2.9], 1.0) == pytest.approx([3.45, 2.45])
    assert apart([9.0, 9.0], 1.0, 0.0, 9.5) == pytest.approx([8.5, 9.5])
    assert apart([], 1.0).tolist() == []


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(0.01, 1))
@settings(deadline=None, max_examples=60)
def test_values_come_apart_in_their_order(values, gap):
    """No two are closer than the gap, and their order is kept."""
    placed = apart(values, gap)
    order = np.argsort(values, kind="stable")
    assert (np.diff(placed[order]) >= gap - 1e-9).all()


def test_marks_that_cover_each_other_part():
    """Two marks at one place end a gap apart around it; one that stands alone stays."""
    moved = repelled(np.array([[0.0, 0.0], [0.0, 0.0], [50.0, 0.0]]), 10.0)
    assert np.hypot(*(moved[0] - moved[1])) == pytest.approx(10.0)
    assert (moved[0] + moved[1]).tolist() == [0.0, 0.0]
    assert moved[2].tolist() == [50.0, 0.0]


@pytest.mark.parametrize("case", ["many", "forty"])
def test_no_number_hides_another(case):
    """In the picture as it is drawn, no two numbers overlap."""
    rows, rivals = CHOICES[case]
    figure = _frontier(rows, rivals)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert len(boxes) == len(rows)
    assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[:n])


def test_the_efficient_are_joined():
    """The line runs through the efficient candidates only, from the least to the most stable."""
    ari = {2: 0.95, 3: 0.9, 4: 0.85, 5: 0.8, 6: 0.84}
    kept = {2: 0.5, 3: 0.6, 4: 0.8, 5: 0.79, 6: 0.9}
    axes = _frontier([row(k, kept[k], **{"stability/ari": ari[k]}) for k in ari]).axes[0]
    (line,) = [one for one in axes.lines if one.get_label().startswith("best trade-offs")]
    assert line.get_xydata().tolist() == [[0.84, 0.9], [0.85, 0.8], [0.9, 0.6], [0.95, 0.5]]


def test_the_chosen_has_a_ring_and_the_failing_are_hollow():
    """Who won, and who could not, is seen without reading."""
    axes = _frontier([row(3, 0.8), row(4, 0.9, **{"stability/ari": 0.65})]).axes[0]
    (ring,) = [line for line in axes.lines if line.get_markersize() == 20]
    assert ring.get_xydata().tolist() == [[0.9, 0.8]]
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_markersize() == 13.5]
    assert [face == "#ffffff" for face in faces] == [True, False]


def test_the_frontiers_gate_is_the_configured_one():
    """The limit on agreement is drawn where it is."""
    axes = _frontier(*CHOICES["many"], Gates(ari=0.55)).axes[0]
    assert any(set(line.get_xdata()) == {0.55} for line in axes.lines)
    assert "gate 0.55" in [text.get_text() for text in axes.texts]


def test_baselines_stand_at_the_border():
    """Each number of segments has the best baseline's mark at what it keeps; shuffled labels are no rival."""
    axes = _frontier([row(k, 0.6) for k in (3, 4)], baselines(3, 4, kept=0.5)).axes[0]
    drawn(axes.figure)
    rug = [text for text in axes.texts if text.get_text() in {"3", "4"} and text.get_weight() != "bold"]
    assert [text.xy for text in rug] == [(1.0, 0.6), (1.0, 0.6)]


def test_far_off_candidates_stand_at_the_border():
    """One of another world does not press the rest into a corner; it is pointed at."""
    far = row(5, 0.1, name="hdbscan", **{"stability/ari": 0.1})
    axes = _frontier([*(row(k, 0.7 + k / 50) for k in range(2, 9)), far]).axes[0]
    assert axes.get_xlim()[0] > 0.5
    assert axes.get_ylim()[0] > 0.5
    assert _numbers(axes) == [2, 3, 4, 5, 5, 6, 7, 8]
    assert any("beyond" in str(line.get_label()) for line in axes.lines)


def test_without_outcomes_separation_takes_the_place_of_value():
    """A snapshot without outcomes is drawn by the silhouette in the space that all share."""
    axes = _frontier(*CHOICES["no value"]).axes[0]
    assert axes.get_ylabel() == "silhouette in the standard space"
    marks = [line for line in axes.lines if line.get_marker() == "."]
    assert [line.get_ydata()[0] for line in marks] == [0.2, 0.2]
