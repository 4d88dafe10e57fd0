"""The pictures of a training run. Plotting is imported only when a picture is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from patronage.evaluation.judgement import Row
from patronage.segments import Segment
from patronage.selection import Gates, Selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette stays readable with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6b7280"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#56B4E9", "#E69F00")


def choice_of_k(selection: Selection, baselines: Sequence[Row], gates: Gates) -> Figure:
    """Draw what every candidate keeps, how stable and how separated it is, against its number of segments."""
    figure, (kept, ari, silhouette) = _figure(3, (11.0, 4.2))
    rows = [verdict.row for verdict in selection.verdicts if not verdict.row.failure]
    panels = (
        (kept, "value/kept", "Kept of the foreseeable (90 % interval)"),
        (ari, "stability/ari", "Agreement of refits (ARI)"),
        (silhouette, "separation/silhouette", "Silhouette"),
    )
    groups = sorted({(row.clusterer, row.representation) for row in rows})
    for axes, metric, title in panels:
        for colour, group in zip(_cycle(len(groups)), groups, strict=True):
            members = sorted(
                (row for row in rows if (row.clusterer, row.representation) == group),
                key=lambda row: row.metrics["size/n_segments"],
            )
            k = [row.metrics["size/n_segments"] for row in members]
            values = np.array([row.metrics.get(metric, np.nan) for row in members])
            one_each = len(set(k)) == len(k)
            axes.plot(k, values, "o-" if one_each else "o", color=colour, label=" · ".join(group), markersize=5)
            if metric == "value/kept":
                low = np.array([row.metrics["value/kept_low"] for row in members])
                high = np.array([row.metrics["value/kept_high"] for row in members])
                axes.vlines(k, low, high, color=colour, alpha=0.35, linewidth=3)
        axes.set_title(title, fontsize=11, loc="left")
        axes.set_xlabel("number of segments")
        axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    best: dict[float, float] = {}
    for row in baselines:
        if not row.name.startswith("shuffled"):
            k_of = row.metrics["size/n_segments"]
            best[k_of] = max(best.get(k_of, -np.inf), row.metrics["value/kept"])
    counts = sorted(best)
    kept.plot(counts, [best[k] for k in counts], "--", color=GREY, label="best baseline at the same k")
    ari.axhline(gates.ari, color=GREY, linestyle=":")
    ari.annotate("gate", (0.01, gates.ari), xycoords=("axes fraction", "data"), va="bottom", color=GREY, fontsize=9)
    if selection.winner is not None:
        row = selection.winner.row
        for axes, metric, _ in panels:
            axes.plot(
                row.metrics["size/n_segments"], row.metrics[metric], "o", markersize=14, markerfacecolor="none",
                markeredgecolor="black", markeredgewidth=1.6, label="chosen" if axes is kept else None,
            )  # fmt: skip
    kept.legend(fontsize=8.5, frameon=False)
    return figure


def size_and_value(segments: Sequence[Segment], outcome: str, unit: str) -> Figure:
    """Draw how many customers each segment holds, and what a customer of it was worth in the judge window."""
    figure, (shares, values) = _figure(2, (11.5, 1.6 + 0.62 * max(len(segments), 2)))
    ordered = sorted(segments, key=lambda segment: segment.id, reverse=True)
    labels = [_plain(f"{segment.id}  {segment.name}") for segment in ordered]
    share = [100 * segment.share for segment in ordered]
    worth = [np.nan if segment.value_per_customer is None else segment.value_per_customer for segment in ordered]
    totals = np.nan_to_num(np.array(worth)) * np.array([segment.n_customers for segment in ordered])
    total = totals.sum()
    shares.barh(labels, share, color=BLUE, height=0.62)
    values.barh(labels, worth, color=ORANGE, height=0.62)
    for y, segment in enumerate(ordered):
        shares.annotate(f" {share[y]:.0f} %  ({segment.n_customers:,})", (share[y], y), va="center", fontsize=9)
        # Of gains and losses together no part is a share.
        part = f"  (about {100 * totals[y] / total:.0f} % of the total)" if total > 0 and totals.min() >= 0 else ""
        if not np.isnan(worth[y]):
            values.annotate(f" {worth[y]:,.0f}{part}", (max(worth[y], 0.0), y), va="center", fontsize=9)
    shares.set_title("Share of customers", fontsize=11, loc="left")
    unit = f" ({unit})" if unit else ""
    values.set_title(_plain(f"Later {outcome.replace('_', ' ')} per customer{unit}"), fontsize=11, loc="left")
    values.set_yticks([])
    known = [0.0, *(one for one in worth if not np.isnan(one))]
    width = max(max(known) - min(known), 1e-9)
    shares.set_xlim(0, 1.35 * max(*share, 1e-9))
    values.set_xlim(min(known), max(known) + 0.55 * width)
    for axes in (shares, values):
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    return figure


def _figure(n_panels: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - heavy, and only pictures need it

    # A bare Figure needs no display and no global state.
    figure = Canvas(figsize=size, layout="constrained", dpi=130)
    panels = [figure.add_subplot(1, n_panels, number + 1) for number in range(n_panels)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
    return figure, panels


def _plain(text: str) -> str:
    """Text in which dollars are dollars, not the marks of a formula."""
    return text.replace("$", r"\$")


def _cycle(n: int) -> list[str]:
    return [COLOURS[position % len(COLOURS)] for position in range(n)]
