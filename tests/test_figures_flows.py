"""The picture of stability across k: boxes are segments, ribbons are customers."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch, Rectangle

from patronage.evaluation import across_k as follow
from patronage.figures import across_k
from patronage.figures.canvas import INK, PAPER, ink_on
from tests.leaderboards import PNG, drawn

RNG = np.random.default_rng(0)
MANY = {k: np.minimum(RNG.integers(0, k, 400), np.arange(400) * k // 400) for k in range(2, 11)}
SOLUTIONS = {
    "two": {2: np.array([0] * 6 + [1] * 6), 3: np.array([0] * 5 + [1] * 4 + [2] * 3)},
    "ten values of k": MANY | {11: MANY[10]},
    "noise": {2: np.array([0, 0, 1, 1, -1]), 3: np.array([0, -1, 1, 2, -1])},
    "noise only": {2: np.full(5, -1), 3: np.full(5, -1)},
    "one solution": {3: np.array([0, 1, 2])},
    "one customer": {2: np.array([0]), 3: np.array([1])},
    "far apart": {2: np.arange(400) % 2, 20: np.arange(400) % 20},
    "a speck": {2: np.arange(4000) // 3999, 3: np.arange(4000) // 3998},
}


def _boxes(axes):
    # The band behind the chosen solution is as wide as no box.
    return [one for one in axes.patches if isinstance(one, Rectangle) and one.get_width() == pytest.approx(0.46)]


@pytest.mark.parametrize("case", SOLUTIONS)
def test_origins_across_k_are_drawn(case):
    """Solutions of any number and kind make a picture, without a warning."""
    figure = across_k(follow.across_k(SOLUTIONS[case]), "kmeans · standard", 3)
    assert drawn(figure).startswith(PNG)


@pytest.mark.parametrize("case", SOLUTIONS)
def test_boxes_and_ribbons_are_customers(case):
    """There is a box per group, as high as its share, and a ribbon per flow; none is forgotten."""
    flows = follow.across_k(SOLUTIONS[case])
    axes = across_k(flows, "kmeans").axes[0]
    heights = [box.get_height() for box in _boxes(axes)]
    assert heights == pytest.approx(np.concatenate([sizes / sizes.sum() for sizes in flows.sizes]).tolist())
    ribbons = [one for one in axes.patches if isinstance(one, PathPatch)]
    assert len(ribbons) == sum(int((flow > 0).sum()) for flow in flows.flows)


def test_boxes_of_a_solution_do_not_overlap():
    """From top to bottom, each box lies below the one before it, within the panel."""
    axes = across_k(follow.across_k(SOLUTIONS["ten values of k"]), "kmeans").axes[0]
    low, high = axes.get_ylim()
    for x in {box.get_x() for box in _boxes(axes)}:
        column = [box for box in _boxes(axes) if box.get_x() == x]
        edges = [edge for box in column for edge in (box.get_y() + box.get_height(), box.get_y())]
        assert edges == sorted(edges, reverse=True)
        assert low < edges[-1] < edges[0] < high


def test_ribbons_fill_the_boxes_that_they_join():
    """What leaves a box, and what arrives in it, covers its side from top to bottom, without gap or overlap."""
    axes = across_k(follow.across_k(SOLUTIONS["two"]), "kmeans").axes[0]
    corners = [one.get_path().vertices for one in axes.patches if isinstance(one, PathPatch)]
    for number, box in enumerate(_boxes(axes)):
        low, high = box.get_y(), box.get_y() + box.get_height()
        top, bottom = (0, 7) if number < 2 else (3, 4)  # corners on the left, and on the right
        sides = sorted((v[bottom, 1], v[top, 1]) for v in corners)
        sides = [(a, b) for a, b in sides if low - 1e-9 < (a + b) / 2 < high + 1e-9]
        assert [a for a, _ in sides] == pytest.approx([low, *(b for _, b in sides[:-1])])
        assert sides[-1][1] == pytest.approx(high)


def test_only_the_chosen_number_is_marked():
    """The chosen solution says so; where none was chosen, none does."""
    flows = follow.across_k(SOLUTIONS["two"])
    texts = [text.get_text() for text in across_k(flows, "kmeans", 3).axes[0].texts]
    assert "k = 2" in texts
    assert "k = 3, chosen" in texts
    assert not any("chosen" in text.get_text() for text in across_k(flows, "kmeans").axes[0].texts)


def test_what_is_stable_is_darker():
    """A segment from one origin is darker than one from two, for any colour vision."""
    axes = across_k(follow.across_k(SOLUTIONS["two"]), "kmeans").axes[0]

    def light(box):
        return sum(int(to_hex(box.get_facecolor())[n : n + 2], 16) for n in (1, 3, 5))

    whole, mixed, other = (light(box) for box in _boxes(axes)[2:])
    assert whole == other < mixed


@pytest.mark.parametrize(
    ("colour", "ink"), [("#ffffff", INK), ("#000000", PAPER), ("#0072B2", PAPER), ("#F0E442", INK)]
)
def test_text_stands_out_from_its_ground(colour, ink):
    """Black on light, white on dark."""
    assert ink_on(colour) == ink
