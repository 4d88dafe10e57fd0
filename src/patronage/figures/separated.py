"""Where segments lie in a picture: customers on the first two principal components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patronage.figures.canvas import COLOURS, GREY, INK, MARKERS, PAPER, plain, sheet
from patronage.segments import RESERVED_NAMES
from patronage.wording import Wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (6.4, 4.8)
_ACROSS, _STEP = 0.075, 0.065
"""A name's width and height, as shares of the picture's: so far apart are the middles of two names at least."""


def separation(positions: pd.DataFrame, explained: Sequence[float], wording: Wording) -> Figure:
    """Draw customers as points, each segment in a colour and with a marker of its own, its name in its midst.

    Parameters
    ----------
    positions : DataFrame
        As of `Profiles.positions`.
    explained : sequence of float
        Share of variance along x and y; empty where it is not known.
    wording : Wording
    """
    figure = sheet(SIZE)
    axes = figure.add_subplot()
    axes.spines[:].set_color(GREY)
    axes.spines[:].set_linewidth(0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    ids = [one for one in sorted(positions["segment_id"].unique()) if one not in RESERVED_NAMES]
    other = positions[positions["segment_id"].isin(list(RESERVED_NAMES))]
    axes.scatter(other["x"], other["y"], s=7, color=GREY, alpha=0.35, linewidth=0, marker="x")
    middles = {}
    for number, one in enumerate(ids):
        own = positions[positions["segment_id"] == one]
        axes.scatter(
            own["x"], own["y"], s=11, color=COLOURS[number % len(COLOURS)], linewidth=0, alpha=0.6,
            marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
        )  # fmt: skip
        middles[one] = (float(own["x"].median()), float(own["y"].median()))
    _crop(axes, positions)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for one, (x, y) in _apart(middles, _ACROSS * (right - left), _STEP * (top - bottom)).items():
        axes.annotate(
            plain(one), (x, y), ha="center", va="center", fontsize=9, color=INK, weight="bold",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": PAPER, "edgecolor": GREY, "linewidth": 0.5, "alpha": 0.9},
        )  # fmt: skip
    for number, (axis, key) in enumerate(((axes.xaxis, "first"), (axes.yaxis, "second"))):
        said = wording(f"report.figure.component.{key}")
        if number < len(explained):
            said = wording("report.figure.component.explains", component=said, share=explained[number])
        axis.set_label_text(plain(said), fontsize=9, color=INK)
    return figure


def _crop(axes: Axes, positions: pd.DataFrame) -> None:
    """Show all but the farthest few: one customer far out would press the others together."""
    for name, setting in (("x", axes.set_xlim), ("y", axes.set_ylim)):
        low, high = np.quantile(positions[name], [0.002, 0.998]) if len(positions) else (0.0, 1.0)
        room = 0.06 * (high - low) or 1.0
        setting(low - room, high + room)


def _apart(middles: dict[str, tuple[float, float]], width: float, step: float) -> dict[str, tuple[float, float]]:
    """Names moved up or down until none covers another, as little as that needs."""
    placed: dict[str, tuple[float, float]] = {}
    for one, (x, y) in sorted(middles.items(), key=lambda entry: entry[1][1]):
        taken = [at for across, at in placed.values() if abs(across - x) < width]
        free = y
        while any(abs(free - at) < step * 0.999 for at in taken):
            free = min(at for at in taken if abs(free - at) < step * 0.999) + step
        placed[one] = (x, free)
    return placed
