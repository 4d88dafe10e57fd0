"""Figures: every picture is drawn without a warning, whatever became of the candidates."""

from __future__ import annotations

import numpy as np
import pytest

from patronage.figures import choice_of_k, size_and_value
from patronage.segments import Segment
from patronage.selection import Gates, select
from tests.leaderboards import CHOICES, PNG, POLICY, baselines, drawn, row


def _marks(panel):
    """Where candidates stand, as lines of one point; the winner's ring is none."""
    return [
        line
        for line in panel.lines
        if line.get_linestyle() == "None" and len(line.get_xdata()) == 1 and line.get_markersize() < 14
    ]


def _joined(panel):
    """Lines that lead from candidate to candidate, as lists of points."""
    return [
        [(round(x), float(y)) for x, y in line.get_xydata()]
        for line in panel.lines
        if line.get_linestyle() == "-" and len(line.get_xdata()) > 1
    ]


@pytest.mark.parametrize("case", CHOICES)
def test_the_choice_of_k_isdrawn(case):
    """Candidates of every fate make a picture, without a warning."""
    rows, rivals = CHOICES[case]
    assert drawn(choice_of_k(select(rows, POLICY), rivals, Gates())).startswith(PNG)


def test_the_chosen_candidate_is_marked():
    """The winner has a ring in every panel; without a winner there is none."""
    rows, rivals = CHOICES["many"]
    for panel in choice_of_k(select(rows, POLICY), rivals, Gates()).axes:
        rings = [line for line in panel.lines if line.get_markersize() == 14]
        assert [ring.get_xdata()[0] for ring in rings] == [8]
    rows, rivals = CHOICES["no winner"]
    for panel in choice_of_k(select(rows, POLICY), rivals, Gates()).axes:
        assert all(line.get_markersize() != 14 for line in panel.lines)


def test_the_best_baseline_is_drawn_at_its_k():
    """The dashed line is the best baseline at each number of segments; shuffled labels are no rival."""
    rows, rivals = CHOICES["many"]
    panel = choice_of_k(select(rows, POLICY), rivals, Gates()).axes[0]
    (line,) = [line for line in panel.lines if line.get_label() == "best baseline at the same k"]
    assert list(line.get_xdata()) == [2, 3, 4, 5, 6, 7, 8]
    assert list(line.get_ydata()) == pytest.approx([0.6] * 7)


def test_only_numbers_that_were_asked_for_are_joined():
    """HDBSCAN finds its number of segments: its points are no series, even where each has another number."""
    rows, rivals = CHOICES["found by density"]
    for panel in choice_of_k(select(rows, POLICY), rivals, Gates()).axes:
        (line,) = _joined(panel)
        assert [k for k, _ in line] == [3, 4]
        assert sorted(round(mark.get_xdata()[0]) for mark in _marks(panel)) == [3, 3, 4, 5, 9]


def test_of_the_same_number_the_best_is_joined():
    """Of several parameters at one k the best is joined with its neighbours, the others are faint."""
    rows, rivals = CHOICES["three variants"]
    panel = choice_of_k(select(rows, POLICY), rivals, Gates()).axes[0]
    (line,) = _joined(panel)
    assert line == [(2, 0.7), (3, 0.7), (4, 0.7)]
    clear = [mark.get_ydata()[0] for mark in _marks(panel) if mark.get_alpha() == 1]
    assert clear == pytest.approx([0.7] * 3)
    assert len(_marks(panel)) == 9


def test_the_best_of_a_number_is_one_that_passes():
    """A candidate that cannot win does not stand for its number of segments where another can."""
    rows = [row(3, 0.9, name="gmm", variant="a", **{"stability/ari": 0.1}), row(3, 0.6, name="gmm", variant="b")]
    panel = choice_of_k(select(rows, POLICY), [], Gates()).axes[0]
    hollow = {mark.get_ydata()[0]: mark.get_markerfacecolor() == "#ffffff" for mark in _marks(panel)}
    assert hollow == {0.9: True, 0.6: False}
    assert [mark.get_ydata()[0] for mark in _marks(panel) if mark.get_alpha() == 1] == [0.6]


def test_what_is_far_below_does_not_press_the_rest_flat():
    """What density clusterers keep is told at the border where some keep almost nothing; none is lost from sight."""
    low = {"name": "hdbscan", "stability/ari": 0.3}
    rows = [*(row(k, 0.8 + k / 100) for k in range(2, 9)), row(4, 0.2, **low), row(4, 0.1, **low), row(6, 0.71, **low)]
    panel = choice_of_k(select(rows, POLICY), baselines(4, kept=0.8), Gates()).axes[0]
    assert panel.get_ylim()[0] > 0.72
    assert sorted(text.get_text() for text in panel.texts) == ["0.20", "0.71"]


def test_numbers_of_segments_are_whole():
    """The axis counts segments: it has no halves, even around a single candidate."""
    rows, rivals = CHOICES["one candidate"]
    for panel in choice_of_k(select(rows, POLICY), rivals, Gates()).axes:
        assert all(tick == round(tick) for tick in panel.get_xticks())


def test_the_gate_is_drawn_where_it_is():
    """The limit on agreement is the configured one."""
    rows, rivals = CHOICES["many"]
    panel = choice_of_k(select(rows, POLICY), rivals, Gates(ari=0.55)).axes[1]
    assert any(set(line.get_ydata()) == {0.55} for line in panel.lines)


def _segment(number, share=0.1, value=10.0, name="High spend, many orders"):
    return Segment(f"S{number:02d}", f"{name} {number}", share, round(1000 * share), value, 0.8, ())


SEGMENTS = {
    "three": [_segment(1, 0.5, 90.0), _segment(2, 0.3, 40.0), _segment(3, 0.2, 5.0)],
    "one": [_segment(1, 1.0, 12.0)],
    "twenty": [_segment(number, 0.05, 100.0 / number) for number in range(1, 21)],
    "no value": [_segment(1, 0.6, None), _segment(2, 0.4, None)],
    "some without value": [_segment(1, 0.6, None), _segment(2, 0.4, 7.0)],
    "worth nothing": [_segment(1, 0.6, 0.0), _segment(2, 0.4, 0.0)],
    "below zero": [_segment(1, 0.6, -80.0), _segment(2, 0.4, -5.0)],
    "above and below zero": [_segment(1, 0.6, 50.0), _segment(2, 0.4, -70.0)],
    "empty segment": [_segment(1, 1.0, 50.0), _segment(2, 0.0, None)],
    "nobody assigned": [_segment(1, 0.0, None), _segment(2, 0.0, None)],
    "giant": [_segment(1, 0.6, 1e12), _segment(2, 0.4, 1e-9)],
    "dollars": [_segment(1, 0.6, 50.0, r"From $\frac to $10_000"), _segment(2, 0.4, 7.0)],
}


@pytest.mark.parametrize("case", SEGMENTS)
def test_size_and_value_are_drawn(case):
    """Segments of any size and worth, known or not, make a picture without a warning."""
    assert drawn(size_and_value(SEGMENTS[case], "revenue_later", "$")).startswith(PNG)


def test_segments_stand_in_the_order_of_their_ids():
    """The first segment is on top, whatever the order of labels, and the bars are its figures."""
    figure = size_and_value(SEGMENTS["three"][::-1], "revenue", "EUR")
    shares, values = figure.axes
    assert [bar.get_width() for bar in shares.patches] == pytest.approx([20, 30, 50])
    assert [bar.get_width() for bar in values.patches] == pytest.approx([5, 40, 90])
    assert values.get_title(loc="left") == "Later revenue per customer (EUR)"


@pytest.mark.parametrize("case", ["three", "below zero", "above and below zero", "giant"])
def test_every_bar_lies_within_its_panel(case):
    """No bar is cut off, neither a loss nor a gain."""
    for panel in size_and_value(SEGMENTS[case], "revenue", "").axes:
        low, high = panel.get_xlim()
        ends = [end for bar in panel.patches for end in (bar.get_x(), bar.get_x() + bar.get_width())]
        assert low <= min(ends)
        assert max(ends) < high


def test_parts_of_the_total_are_told():
    """Each segment's part of all customers' worth stands beside its bar, where there is a total to be part of."""
    values = size_and_value(SEGMENTS["three"], "revenue", "").axes[1]
    total = 500 * 90 + 300 * 40 + 200 * 5
    texts = [" ".join(text.get_text().split()) for text in values.texts]
    assert texts[-1] == f"90 (about {100 * 500 * 90 / total:.0f} % of the total)"


@pytest.mark.parametrize("case", ["below zero", "above and below zero", "worth nothing"])
def test_losses_leave_no_parts(case):
    """Where some segments lose money, or none makes any, there is no total to have a part of."""
    values = size_and_value(SEGMENTS[case], "revenue", "").axes[1]
    assert not any("of the total" in text.get_text() for text in values.texts)


def test_a_loss_is_labelled_beside_its_bar():
    """The figure of a loss stands right of zero, where no bar hides it."""
    values = size_and_value(SEGMENTS["below zero"], "revenue", "").axes[1]
    assert [text.xy[0] for text in values.texts] == [0, 0]


def test_figures_need_no_display():
    """Pictures are drawn without pyplot, so nothing is left open and no display is asked for."""
    figure = size_and_value(SEGMENTS["three"], "revenue", "")
    assert figure.canvas.manager is None
    assert np.isfinite(figure.get_size_inches()).all()
