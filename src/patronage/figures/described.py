"""Segments in pictures: how many customers each holds, what one was worth, and whether confidence holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from patronage.confidence import Reliability
from patronage.distribution import number_in_words
from patronage.figures.canvas import BLUE, GREY, ORANGE, PALE, panels, plain
from patronage.segments import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def size_and_value(segments: Sequence[Segment], outcome: str, unit: str) -> Figure:
    """Draw how many customers each segment holds, and, where known, what one was worth in the judge window."""
    known = outcome != ""
    height = 1.6 + 0.62 * max(len(segments), 2)
    figure, (shares, *rest) = panels(2 if known else 1, (11.5 if known else 7.0, height))
    ordered = sorted(segments, key=lambda segment: segment.id, reverse=True)
    labels = [plain(f"{segment.id}  {segment.name}") for segment in ordered]
    share = [100 * segment.share for segment in ordered]
    shares.barh(labels, share, color=BLUE, height=0.62)
    for y, segment in enumerate(ordered):
        shares.annotate(f" {share[y]:.0f} %  ({segment.n_customers:,})", (share[y], y), va="center", fontsize=9)
    shares.set_title("Share of customers", fontsize=11, loc="left")
    shares.set_xlim(0, 1.35 * max(*share, 1e-9))
    for values in rest:
        _later_values(values, ordered)
        unit = f" ({unit})" if unit else ""
        values.set_title(plain(f"Later {outcome.replace('_', ' ')} per customer{unit}"), fontsize=11, loc="left")
    for axes in (shares, *rest):
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    return figure


def reliability(judged: Reliability, title: str) -> Figure:
    """Draw how often what was told with so much confidence came true, and how often so much was told."""
    figure, (shares, counts) = panels(2, (9.5, 4.2))
    forecast, came, n = (
        np.array([getattr(one, name) for one in judged.bins]) for name in ("confidence", "observed", "n")
    )
    shares.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    shares.plot(forecast, came, color=BLUE, linewidth=1)
    # What was seldom told may be far off by chance.
    shares.scatter(forecast, came, s=8 + 120 * n / n.max(), color=BLUE)
    shares.set_title("How often it came true", fontsize=11, loc="left")
    shares.set_ylabel("share")
    counts.bar(forecast, n / n.sum(), width=0.07, color=ORANGE)
    counts.set_title("How often it was told", fontsize=11, loc="left")
    counts.set_ylabel("share")
    figure.suptitle(plain(f"{title}: calibration error {judged.calibration_error:.3f}"), x=0.01, ha="left", fontsize=12)
    for axes in (shares, counts):
        axes.set_xlim(-0.04, 1.04)
        axes.set_ylim(0, 1.04)
        axes.set_xlabel("confidence")
        axes.grid(color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
    return figure


def _later_values(values: Axes, ordered: Sequence[Segment]) -> None:
    worth = [np.nan if segment.value_per_customer is None else segment.value_per_customer for segment in ordered]
    totals = np.nan_to_num(np.array(worth)) * np.array([segment.n_customers for segment in ordered])
    total = totals.sum()
    values.barh([segment.id for segment in ordered], worth, color=ORANGE, height=0.62)
    for y, value in enumerate(worth):
        # Of gains and losses together no part is a share.
        part = f"  (about {100 * totals[y] / total:.0f} % of the total)" if total > 0 and totals.min() >= 0 else ""
        if not np.isnan(value):
            values.annotate(f" {number_in_words(value)}{part}", (max(value, 0.0), y), va="center", fontsize=9)
    values.set_yticks([])
    known = [0.0, *(one for one in worth if not np.isnan(one))]
    width = max(max(known) - min(known), 1e-9)
    values.set_xlim(min(known), max(known) + 0.55 * width)
