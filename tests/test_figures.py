"""Figures: every picture is drawn without a warning, whatever became of the candidates."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import pytest

from patronage.evaluation.judgement import Row
from patronage.figures import choice_of_k, size_and_value
from patronage.segments import Segment
from patronage.selection import Gates, Policy, select

PNG = b"\x89PNG"
POLICY = Policy({"value/kept": 1.0})


def _drawn(figure):
    """The picture's bytes: saving is what draws it."""
    canvas = BytesIO()
    figure.savefig(canvas, format="png")
    return canvas.getvalue()


def _row(k, kept=0.7, *, name="kmeans", representation="standard", **other):
    metrics = {
        "size/n_segments": float(k),
        "size/min_share": 0.1,
        "size/coverage": 1.0,
        "stability/ari": 0.9,
        "stability/jaccard_min": 0.8,
        "separation/silhouette": 0.3,
        "value/kept": kept,
        "value/kept_low": kept - 0.05,
        "value/kept_high": kept + 0.05,
    }
    return Row(f"{name} k={k}", name, representation, metrics | other)


def _baselines(*counts, kept=0.5):
    return [
        Row(f"{name} k={k}", metrics={"size/n_segments": float(k), "value/kept": kept + shift})
        for k in counts
        for name, shift in (("revenue_tiles", 0.0), ("outcome_tree", 0.1), ("shuffled", 0.3))
    ]


NAN = math.nan
NO_VALUE = {"value/kept_low": NAN, "value/kept_high": NAN, "separation/silhouette": NAN}
CHOICES = {
    "many": ([_row(k, 0.5 + k / 20) for k in range(2, 9)], _baselines(*range(2, 9))),
    "failures only": ([Row("a", "gmm", "standard", failure="found only noise")], []),
    "nothing": ([], []),
    "one candidate": ([_row(4)], _baselines(4)),
    "no winner": ([_row(4, **{"stability/ari": 0.2}), _row(5, **{"stability/ari": 0.1})], _baselines(4, 5)),
    "one failed": ([_row(4), Row("b", "gmm", "standard", failure="did not converge")], _baselines(4)),
    "no value": ([_row(3, NAN, **NO_VALUE), _row(4, NAN, **NO_VALUE)], _baselines(3, 4, kept=NAN)),
    "some without value": ([_row(3), _row(4, NAN, **NO_VALUE)], _baselines(3, 4)),
    "below zero": ([_row(3, -0.4), _row(20, -3.0)], _baselines(3, 20, kept=-1.0)),
    "same k twice": ([_row(3, 0.5, name="hdbscan"), _row(3, 0.6, name="hdbscan"), _row(3)], _baselines(3)),
    "no segments": ([_row(0, 0.0, **{"separation/silhouette": NAN}), _row(3)], _baselines(3)),
    "ten clusterers": ([_row(k, name=f"clusterer {n}") for n in range(10) for k in (2, 20)], _baselines(2, 20)),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_choice_of_k_is_drawn(case):
    """Candidates of every fate make a picture, without a warning."""
    rows, baselines = CHOICES[case]
    assert _drawn(choice_of_k(select(rows, POLICY), baselines, Gates())).startswith(PNG)


def test_the_chosen_candidate_is_marked():
    """The winner has a ring in every panel; without a winner there is none."""
    rows, baselines = CHOICES["many"]
    for panel in choice_of_k(select(rows, POLICY), baselines, Gates()).axes:
        rings = [line for line in panel.lines if line.get_markersize() == 14]
        assert [ring.get_xdata()[0] for ring in rings] == [8]
    rows, baselines = CHOICES["no winner"]
    for panel in choice_of_k(select(rows, POLICY), baselines, Gates()).axes:
        assert all(line.get_markersize() != 14 for line in panel.lines)


def test_the_best_baseline_is_drawn_at_its_k():
    """The dashed line is the best baseline at each number of segments; shuffled labels are no rival."""
    rows, baselines = CHOICES["many"]
    panel = choice_of_k(select(rows, POLICY), baselines, Gates()).axes[0]
    (line,) = [line for line in panel.lines if line.get_label() == "best baseline at the same k"]
    assert list(line.get_xdata()) == [2, 3, 4, 5, 6, 7, 8]
    assert list(line.get_ydata()) == pytest.approx([0.6] * 7)


def test_candidates_with_the_same_number_are_not_joined():
    """A line leads from k to k; points that share their k are points."""
    rows, baselines = CHOICES["same k twice"]
    panel = choice_of_k(select(rows, POLICY), baselines, Gates()).axes[0]
    styles = {line.get_label(): line.get_linestyle() for line in panel.lines}
    assert styles["hdbscan · standard"] == "None"
    assert styles["kmeans · standard"] == "-"


def test_numbers_of_segments_are_whole():
    """The axis counts segments: it has no halves, even around a single candidate."""
    rows, baselines = CHOICES["one candidate"]
    for panel in choice_of_k(select(rows, POLICY), baselines, Gates()).axes:
        assert all(tick == round(tick) for tick in panel.get_xticks())


def test_the_gate_is_drawn_where_it_is():
    """The limit on agreement is the configured one."""
    rows, baselines = CHOICES["many"]
    panel = choice_of_k(select(rows, POLICY), baselines, Gates(ari=0.55)).axes[1]
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
    assert _drawn(size_and_value(SEGMENTS[case], "revenue_later", "$")).startswith(PNG)


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
