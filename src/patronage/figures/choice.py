"""The choice of k in a picture: what is kept, how stable and how separated, against the number of segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from patronage.evaluation.baselines import SHUFFLED
from patronage.evaluation.row import Row
from patronage.figures.canvas import CHOSEN, GREY, INK, PALE, PAPER, bare, plain, sheet, styles
from patronage.selection import Gates, Selection, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEPT, ARI, SILHOUETTE, K = "value/kept", "stability/ari", "separation/silhouette", "size/n_segments"
TITLES = {
    KEPT: "Kept of the foreseeable, with its 90 % interval",
    ARI: "Agreement of refits (ARI)",
    SILHOUETTE: "Silhouette in the candidate's own space",
}
_DODGE = 0.2
"""Width over which clusterers with the same k stand side by side, so that their intervals can be told apart."""


def choice_of_k(selection: Selection, baselines: Sequence[Row], gates: Gates) -> Figure:
    """Draw what every candidate keeps, how stable and how separated it is, against its number of segments.

    Of candidates that are asked for the same number, the best (that passes, if any does) is joined with its
    neighbours, the others are faint. Where the number is found, not asked for, points are points.
    """
    alive = [verdict for verdict in selection.verdicts if not verdict.row.failure]
    judged = not alive or any(np.isfinite(verdict.row.metrics.get(KEPT, np.nan)) for verdict in alive)
    shown = [metric for metric in TITLES if judged or metric != KEPT]
    figure = sheet((7.2, 2.2 * len(shown) + 1.7))
    grid = figure.add_gridspec(len(shown), 1, height_ratios=[1.5 if metric == KEPT else 1.0 for metric in shown])
    first = bare(figure.add_subplot(grid[0]))
    panels = {shown[0]: first}
    for number, metric in enumerate(shown[1:]):
        panels[metric] = bare(figure.add_subplot(grid[number + 1], sharex=first))
    style = styles(verdict.row for verdict in alive)
    for metric, axes in panels.items():
        for position, (group, (colour, marker)) in enumerate(style.items()):
            members = [verdict for verdict in alive if (verdict.row.clusterer, verdict.row.representation) == group]
            shift = _DODGE * ((position + 0.5) / len(style) - 0.5)
            _draw_group(axes, metric, members, selection.winner, colour, marker, shift, " · ".join(group))
        axes.set_title(TITLES[metric], fontsize=11, loc="left")
        axes.grid(axis="y", color=PALE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.margins(y=0.1)
        axes.tick_params(labelbottom=metric == shown[-1], labelsize=10)
    if judged:
        _draw_baselines(first, baselines)
        _draw_beyond(first, alive, best_baselines(baselines), style)
    _draw_gates(panels[ARI], list(panels.values()), alive, gates)
    if selection.winner is not None:
        _mark(panels, selection.winner, style)
    bottom = panels[shown[-1]]
    bottom.set_xlabel("number of segments k", fontsize=10.5)
    _count(bottom, [verdict.row.metrics[K] for verdict in alive])
    failing = any(not verdict.passed for verdict in alive)
    if failing:
        first.plot([], [], "o", markersize=6, markerfacecolor=PAPER, markeredgecolor=GREY, label="hollow: fails a gate")
    handles, labels = first.get_legend_handles_labels()
    # Below the panels it covers no point, however many there are.
    figure.legend(handles, labels, loc="outside lower left", ncols=3, fontsize=9.5, frameon=False)
    return figure


def _draw_group(
    axes: Axes,
    metric: str,
    members: Sequence[Verdict],
    winner: Verdict | None,
    colour: str,
    marker: str,
    shift: float,
    name: str,
) -> None:
    """Draw one clusterer in one panel."""
    best: dict[int, Verdict] = {}
    for verdict in sorted(
        members, key=lambda one: (one is winner, one.passed, np.nan_to_num(one.objective, nan=-np.inf))
    ):
        if verdict.row.asked:
            best[verdict.row.asked] = verdict
    joined = [best[asked] for asked in sorted(best)]
    line = [(verdict.row.metrics[K] + shift, verdict.row.metrics.get(metric, np.nan)) for verdict in joined]
    if line:
        axes.plot(*zip(*line, strict=True), "-", color=colour, linewidth=1.8, zorder=2)
    axes.plot([], [], marker=marker, linestyle="-" if line else "None", color=colour, markersize=6, label=plain(name))
    for verdict in members:
        faint = bool(verdict.row.asked) and verdict is not best[verdict.row.asked]
        k, value = verdict.row.metrics[K] + shift, verdict.row.metrics.get(metric, np.nan)
        alpha = 0.35 if faint else 1.0
        if metric == KEPT and not faint:
            low, high = (verdict.row.metrics.get(f"{KEPT}_{end}", np.nan) for end in ("low", "high"))
            axes.vlines(k, low, high, color=colour, alpha=0.4, linewidth=3.5, zorder=1)
        axes.plot(
            k, value, marker=marker, markersize=4.5 if faint else 6.5, markeredgecolor=colour, markeredgewidth=1.5,
            markerfacecolor=colour if verdict.passed else PAPER, alpha=alpha, linestyle="None", zorder=3,
        )  # fmt: skip


def best_baselines(baselines: Sequence[Row]) -> dict[int, float]:
    """Best ``value/kept`` of the baselines at each number of segments, ascending; shuffled labels are no rival."""
    best: dict[int, float] = {}
    for row in baselines:
        kept = row.metrics.get(KEPT, np.nan)
        if not row.name.startswith(SHUFFLED) and np.isfinite(kept):
            k = int(row.metrics[K])
            best[k] = max(best.get(k, -np.inf), kept)
    return dict(sorted(best.items()))


def _draw_baselines(axes: Axes, baselines: Sequence[Row]) -> None:
    best = best_baselines(baselines)
    axes.plot(
        list(best), list(best.values()), "_--", color=GREY, linewidth=1.5, markersize=9, markeredgewidth=2, zorder=1.5,
        label="best baseline at the same k",
    )  # fmt: skip


def _draw_beyond(
    axes: Axes, alive: Sequence[Verdict], best: dict[int, float], style: dict[tuple[str, str], tuple[str, str]]
) -> None:
    """Keep the scale for what competes: what fails far below it, and was not asked for its k, is told at the border."""
    lows = [*best.values(), *(v.row.metrics.get(f"{KEPT}_low", np.nan) for v in alive if v.passed or v.row.asked)]
    highs = [*best.values(), *(v.row.metrics.get(f"{KEPT}_high", np.nan) for v in alive)]
    if not np.isfinite(lows).any() or not np.isfinite(highs).any():
        return
    low, high = np.nanmin(lows), np.nanmax(highs)
    room = 0.05 * max(high - low, 0.05)
    border = low - 3 * room
    if not any(verdict.row.metrics.get(KEPT, np.nan) < low - (high - low) / 2 for verdict in alive):
        return
    axes.set_ylim(border, high + room)
    below = [verdict for verdict in alive if verdict.row.metrics.get(KEPT, np.nan) < border]
    # Of those with the same k, the best is told.
    told = {(v.row.metrics[K], v.row.series[:2]): v for v in sorted(below, key=lambda v: v.row.metrics[KEPT])}
    for (k, group), verdict in told.items():
        shift = _DODGE * ((list(style).index(group) + 0.5) / len(style) - 0.5)
        axes.annotate(
            f"{verdict.row.metrics[KEPT]:.2f}", (k + shift, 0.0), xycoords=("data", "axes fraction"), xytext=(0, 15),
            textcoords="offset points", ha="center", va="bottom", fontsize=8.5, color=style[group][0],
            arrowprops={"arrowstyle": "->", "color": style[group][0], "shrinkA": 0, "shrinkB": 1, "linewidth": 1.3},
        )  # fmt: skip


def _draw_gates(ari: Axes, panels: Sequence[Axes], alive: Sequence[Verdict], gates: Gates) -> None:
    """Shade what a gate forbids."""
    ari.axhline(gates.ari, color=GREY, linestyle=":", linewidth=1.5)
    ari.annotate(
        f"gate {gates.ari:g}", (1.0, gates.ari), xycoords=("axes fraction", "data"), xytext=(-2, 2),
        textcoords="offset points", va="bottom", ha="right", color=GREY, fontsize=9,
    )  # fmt: skip
    low, high = ari.get_ylim()
    low = min(low, gates.ari - 0.05)
    ari.axhspan(low, gates.ari, color=PALE, alpha=0.5, linewidth=0, zorder=0)
    ari.set_ylim(low, max(high, gates.ari + 0.05))
    counts = [verdict.row.metrics[K] for verdict in alive]
    for axes in panels:
        if counts and min(counts) < gates.min_segments:
            axes.axvspan(min(counts) - 0.5, gates.min_segments - 0.5, color=PALE, alpha=0.5, linewidth=0, zorder=0)
        if counts and max(counts) > gates.max_segments:
            axes.axvspan(gates.max_segments + 0.5, max(counts) + 0.5, color=PALE, alpha=0.5, linewidth=0, zorder=0)


def _mark(panels: dict[str, Axes], winner: Verdict, style: dict[tuple[str, str], tuple[str, str]]) -> None:
    """Ring the winner in every panel, with its number of segments running through all of them."""
    k = winner.row.metrics[K]
    position = list(style).index((winner.row.clusterer, winner.row.representation))
    shift = _DODGE * ((position + 0.5) / len(style) - 0.5)
    for number, (metric, axes) in enumerate(panels.items()):
        axes.axvspan(k - 0.3, k + 0.3, color=CHOSEN, linewidth=0, zorder=0)
        axes.plot(
            k + shift, winner.row.metrics.get(metric, np.nan), "o", markersize=14, markerfacecolor="none",
            markeredgecolor=INK, markeredgewidth=1.8, zorder=4, label=None if number else f"chosen: k = {k:.0f}",
        )  # fmt: skip


def _count(axes: Axes, counts: Sequence[float]) -> None:
    """Whole numbers below the axis: each one where there is room."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - heavy, and only pictures need it

    low, high = (min(counts), max(counts)) if counts else (2, 2)
    axes.set_xlim(low - 0.5, high + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=14, integer=True, min_n_ticks=1))
