"""Stability across k in a picture: where a segment's members come from as the number of segments grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from patronage.assigners import UNASSIGNED
from patronage.evaluation.across_k import AcrossK
from patronage.figures.canvas import CHOSEN, GREY, INK, PALE, PAPER, RIBBON, THREAD, ink_on, plain, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_WIDTH = 0.46
"""Of a box, where the solutions stand 1 apart."""
_GAP = 0.022
"""Between boxes, where all customers together are 1 high."""
_THIN = 0.006
"""Width of a ribbon that is drawn as a thread above the others, or it would be lost among their edges."""
_ROOM = 0.035
"""Height of a box with room for a full-sized number."""


def across_k(flows: AcrossK, name: str, chosen: int = 0) -> Figure:
    """Draw customers flowing from solution to solution: a box per segment, as high as its share of customers.

    Parameters
    ----------
    flows : AcrossK
    name : str
        What was clustered how, such as ``kmeans · standard``.
    chosen : int
        The number of segments that was chosen; 0 where none was.
    """
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415 - heavy, and only pictures need it
    from matplotlib.colors import LinearSegmentedColormap, Normalize  # noqa: PLC0415

    figure = sheet((max(7.2, 1.12 * len(flows.counts) + 0.4), 6.6))
    axes = figure.add_subplot()
    axes.axis("off")
    figure.suptitle(plain(f"Where segments come from as k grows: {name}"), fontsize=12, x=0.012, ha="left")
    noise = any(UNASSIGNED in groups for groups in flows.groups)
    axes.set_title(
        "A box is a segment, numbered from the top, with its share of customers; ribbons show where they were before"
        + ("; hatched: unassigned." if noise else "."), fontsize=9 if not noise else 8, color=GREY, loc="left", pad=24,
    )  # fmt: skip
    # From Okabe & Ito's orange to their blue; light to dark as well, for print and any colour vision.
    colours = LinearSegmentedColormap.from_list("stability", ["#fdf0d5", "#F0B95B", "#56B4E9", "#0072B2", "#004a75"])
    tops = [_tops(sizes) for sizes in flows.sizes]
    for solution in range(1, len(flows.counts)):
        _draw_ribbons(axes, flows, solution, tops)
    for solution, k in enumerate(flows.counts):
        _draw_boxes(axes, flows, solution, tops[solution], colours)
        if k == chosen:
            axes.axvspan(solution - 0.34, solution + 0.34, color=CHOSEN, linewidth=0, zorder=0)
        axes.annotate(
            f"k = {k}" + (", chosen" if k == chosen else ""), (solution, 1.0), xycoords=("data", "axes fraction"),
            xytext=(0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=10.5, color=INK,
            weight="bold" if k == chosen else "normal",
        )  # fmt: skip
    axes.set_xlim(-0.5, len(flows.counts) - 0.5)
    extent = max(top[0] for top in tops) + 0.01
    axes.set_ylim(-extent, extent)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), colours), ax=axes, orientation="horizontal", shrink=0.45, aspect=32, pad=0.02,
        anchor=(0.0, 0.0), ticks=[0, 0.25, 0.5, 0.75, 1],
    )  # fmt: skip
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=9)
    bar.set_label("stability: 1 where all members come from one former segment", fontsize=9.5, loc="left")
    return figure


def _tops(sizes: np.ndarray) -> np.ndarray:
    """Upper edges of a solution's boxes, from the top down, around 0."""
    shares = sizes / sizes.sum()
    before = np.concatenate([[0.0], (shares + _GAP)[:-1].cumsum()])
    height = shares.sum() + _GAP * (len(sizes) - 1)
    return height / 2 - before


def _draw_boxes(axes: Axes, flows: AcrossK, solution: int, tops: np.ndarray, colours: Colormap) -> None:
    from matplotlib.colors import to_hex  # noqa: PLC0415 - heavy, and only pictures need it
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    sizes, names = flows.sizes[solution], flows.names(solution)
    total = sizes.sum()
    for group, top in enumerate(tops):
        share, stability = sizes[group] / total, flows.stability[solution][group]
        noise = flows.groups[solution][group] == UNASSIGNED
        colour = PALE if np.isnan(stability) or noise else to_hex(colours(stability))
        axes.add_patch(
            Rectangle(
                (solution - _WIDTH / 2, top - share),
                _WIDTH,
                share,
                facecolor=colour,
                edgecolor=PAPER,
                linewidth=0.8,
                hatch="////" if noise else None,
                zorder=3,
            )
        )
        middle, ink = top - share / 2, ink_on(colour)
        size = 9 if share > _ROOM else 7
        axes.annotate(
            f"{100 * share:.0f} %", (solution + 0.05, middle), ha="center", va="center_baseline", fontsize=size,
            color=ink, zorder=4,
        )  # fmt: skip
        axes.annotate(
            "–" if noise else names[group], (solution - _WIDTH / 2 + 0.025, middle), ha="left",
            va="center_baseline", fontsize=7, color=ink, alpha=0.8, zorder=4,
        )  # fmt: skip


def _draw_ribbons(axes: Axes, flows: AcrossK, solution: int, tops: list[np.ndarray]) -> None:
    from matplotlib.patches import PathPatch  # noqa: PLC0415 - heavy, and only pictures need it
    from matplotlib.path import Path  # noqa: PLC0415

    flow = flows.flows[solution - 1] / flows.sizes[0].sum()
    leave, arrive = tops[solution - 1].copy(), tops[solution].copy()
    left, right = solution - 1 + _WIDTH / 2, solution - _WIDTH / 2
    middle = (left + right) / 2
    for before in range(flow.shape[0]):
        for after in range(flow.shape[1]):
            width, main = flow[before, after], flow[before, after] == flow[:, after].max()
            if not width:
                continue
            wide = width > _THIN
            a, b = leave[before], arrive[after]
            corners = [
                (left, a), (middle, a), (middle, b), (right, b),
                (right, b - width), (middle, b - width), (middle, a - width), (left, a - width), (left, a),
            ]  # fmt: skip
            codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
            axes.add_patch(
                PathPatch(
                    Path(corners, codes),
                    facecolor=RIBBON if main else PALE if wide else THREAD,
                    edgecolor=PAPER,
                    linewidth=0.7 * wide,
                    zorder=1 + (not wide),
                )
            )
            leave[before] -= width
            arrive[after] -= width
