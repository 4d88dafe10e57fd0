"""The frontier in a picture: what candidates keep against how stable they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from patronage.evaluation.row import Row
from patronage.figures.canvas import GREY, INK, PALE, PAPER, bare, ink_on, plain, sheet, styles
from patronage.figures.choice import ARI, KEPT, K, best_baselines
from patronage.selection import Gates, Selection, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMMON = "separation/silhouette_common"
_MARGIN = 0.06
"""Room around the points, as a share of the panel."""
_N_ROUNDS = 200
_MARK = 13.5
"""Size of a mark with a number in it, in points."""
_PANEL = np.array([430.0, 320.0])
"""Size of the panel in points, nearly: what is left of the sheet beside labels and legend."""
_MOST_INSIDE = 0.6
"""Where fewer would be seen within the borders, all are."""


def efficient(points: np.ndarray) -> np.ndarray:
    """Tell which points no other point beats: none is as good in both figures and better in one.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
        More is better in both. A point with NaN is never efficient.

    Returns
    -------
    ndarray of shape (n_points,), bool
    """
    first, second = points[:, 0], points[:, 1]
    as_good = (first[:, None] >= first) & (second[:, None] >= second)
    better = (first[:, None] > first) | (second[:, None] > second)
    return ~(as_good & better).any(axis=0) & np.isfinite(points).all(axis=1)


def apart(values: Sequence[float], gap: float, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Move values to be at least ``gap`` apart: as little as needed, in the same order, within limits if there is room.

    Neighbours that are too close share their room evenly around their mean (pool adjacent violators).
    """
    order = np.argsort(values, kind="stable")
    blocks: list[tuple[float, int]] = []  # sum of wanted starts, number of values
    for rank, value in enumerate(np.asarray(values, dtype=float)[order]):
        blocks.append((value - rank * gap, 1))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, n = blocks.pop()
            blocks[-1] = (blocks[-1][0] + total, blocks[-1][1] + n)
    starts = np.array([total / n for total, n in blocks for _ in range(n)])
    # A start is a place without the gaps below it, so that limits apply to all starts alike.
    starts = np.maximum(np.minimum(starts, high - gap * (len(starts) - 1)), low)
    placed = np.empty(len(starts))
    placed[order] = starts + gap * np.arange(len(starts))
    return placed


def repelled(points: np.ndarray, gap: float) -> np.ndarray:
    """Move points until they are at least ``gap`` apart; those that are, stay where they are.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
    gap : float
        Pairs that are closer are pushed apart, each by half of what is missing, for a limited number of rounds.
    """
    moved = points.astype(float).copy()
    for _ in range(_N_ROUNDS):
        apart_by = moved[:, None] - moved
        distance = np.hypot(*apart_by.T).T
        first, second = np.nonzero(np.triu(distance < gap * (1 - 1e-9), 1))
        if not len(first):
            break
        for a, b in zip(first, second, strict=True):
            between = moved[a] - moved[b]
            length = float(np.hypot(*between))
            # Points at one place part sideways.
            step = between / length if length > 0 else np.array([1.0, 0.0])
            push = max(gap - length, 0.0) / 2
            moved[a] += push * step
            moved[b] -= push * step
    return moved


@dataclass(frozen=True)
class _View:
    """What the panel shows; ``places`` of candidates beyond it are at its border."""

    low: np.ndarray
    high: np.ndarray
    places: np.ndarray
    beyond: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, ends: np.ndarray, focus: np.ndarray, gate: float, rivals: Sequence[float]) -> _View:
        """Show the focus well: what lies far from it would press it into a corner.

        Parameters
        ----------
        points : ndarray of shape (n_points, 2)
        ends : ndarray of shape (n_points, 2)
            The interval of each point's second figure.
        focus : ndarray of shape (n_points,), bool
            At least one.
        gate : float
            Shown as well, on the first axis.
        rivals : sequence of float
            Shown as well, on the second axis, where they are not far off either.
        """
        low, high = points[focus].min(axis=0), points[focus].max(axis=0)
        low[0], high[0] = min(low[0], gate), max(high[0], gate)
        reach = np.maximum((high - low) / 5, 0.05)
        inside = ((points >= low - reach) & (points <= high + reach)).all(axis=1)
        if inside.mean() < _MOST_INSIDE:
            inside[:] = True
        low = np.minimum(points[inside].min(axis=0), (gate, ends[inside].min()))
        high = np.maximum(points[inside].max(axis=0), (gate, ends[inside].max()))
        near = [rival for rival in rivals if low[1] - 2 * reach[1] <= rival <= high[1] + 2 * reach[1]]
        low[1], high[1] = min([low[1], *near]), max([high[1], *near])
        room = np.maximum(high - low, 0.05) * _MARGIN
        low, high = low - room, high + room
        places = points.clip(low, high)
        below = ~inside & (points[:, 1] < low[1])
        if (~inside).any():
            low = low - room  # the border has a row of its own
            places[~inside] = points[~inside].clip(low + room, high - room)
            step = 3.2 * _MARGIN / 4 * (high - low)
            places[below, 0] = apart(places[below, 0], step[0], low[0] + room[0], high[0] - room[0])
            aside = ~inside & ~below
            places[aside, 1] = apart(places[aside, 1], step[1], low[1] + 3 * room[1], high[1] - room[1])
        return cls(low, high, places, ~inside)


def frontier(selection: Selection, baselines: Sequence[Row], gates: Gates) -> Figure:
    """Draw what candidates keep (or, without outcomes, how separated they are) against the agreement of their refits.

    The number in a mark is its number of segments: what is kept rises with it, so that a comparison is fair at an
    equal number only. Candidates that nobody beats in both figures are joined. Far-off ones stand at the border.
    """
    alive = [verdict for verdict in selection.verdicts if not verdict.row.failure]
    judged = not alive or any(np.isfinite(verdict.row.metrics.get(KEPT, np.nan)) for verdict in alive)
    metric = KEPT if judged else COMMON
    alive = [v for v in alive if np.isfinite([v.row.metrics.get(ARI, np.nan), v.row.metrics.get(metric, np.nan)]).all()]
    figure = sheet((7.2, 6.4))
    axes = bare(figure.add_subplot())
    title = "Kept of the foreseeable against stability" if judged else "Separation against stability"
    figure.suptitle(title, fontsize=12, x=0.012, ha="left")
    advice = ": compare what is kept at an equal number." if judged else "."
    axes.set_title(f"The number in a mark is its number of segments{advice}", loc="left", fontsize=9, color=GREY)
    axes.set_xlabel("agreement of refits (ARI)", fontsize=10.5)
    axes.set_ylabel("kept (90 % interval)" if judged else "silhouette in the standard space", fontsize=10.5)
    rivals = best_baselines(baselines) if judged else {}
    if alive:
        _draw_candidates(axes, alive, selection.winner, metric, gates, list(rivals.values()))
    _draw_limits(axes, gates)
    _draw_rug(axes, rivals)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, fontsize=9.5, frameon=False)
    return figure


def _draw_candidates(
    axes: Axes,
    alive: Sequence[Verdict],
    winner: Verdict | None,
    metric: str,
    gates: Gates,
    rivals: Sequence[float],
) -> None:
    points = np.array([(verdict.row.metrics[ARI], verdict.row.metrics[metric]) for verdict in alive])
    passed, front = np.array([verdict.passed for verdict in alive]), efficient(points)
    asked = np.array([verdict.row.asked > 0 for verdict in alive])
    ends = np.array([[v.row.metrics.get(f"{metric}_{end}", np.nan) for end in ("low", "high")] for v in alive])
    ends = np.where(np.isfinite(ends), ends, points[:, 1:])
    view = _View.of(points, ends, passed | front | asked, gates.ari, rivals)
    axes.set_xlim(view.low[0], view.high[0])
    axes.set_ylim(view.low[1], view.high[1])
    line = points[front][np.argsort(points[front][:, 0])]
    axes.plot(*line.T, color=INK, linewidth=1.2, zorder=1.5, label="best trade-offs: beaten by none in both")
    style = styles(verdict.row for verdict in alive)
    scale = _PANEL / (view.high - view.low)
    places = np.where(view.beyond[:, None], view.places, repelled(view.places * scale, _MARK) / scale)
    # The best is drawn last, so that nothing covers it.
    for n in sorted(range(len(alive)), key=lambda n: (alive[n] is winner, front[n], passed[n])):
        row = alive[n].row
        colour, marker = style[row.clusterer, row.representation]
        if view.beyond[n]:
            direction = np.where(points[n] < view.low, -1, np.where(points[n] > view.high, 1, 0))
            _point_out(axes, places[n], direction, colour)
        else:
            axes.vlines(points[n, 0], *ends[n], color=colour, alpha=0.3, linewidth=2.5, zorder=2)
            axes.plot(*zip(points[n], places[n], strict=True), color=colour, linewidth=1, zorder=2.5)
            axes.plot(*points[n], ".", color=colour, markersize=4, zorder=2.5)
        _draw_candidate(axes, places[n], row, colour, marker, hollow=not passed[n])
        if alive[n] is winner:
            ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 1.8}
            axes.plot(*places[n], "o", markersize=20, zorder=5, **ring)
            axes.plot([], [], "o", markersize=11, label=f"chosen: k = {row.metrics[K]:.0f}", **ring)
    if view.beyond.any():
        axes.plot([], [], "<", color=GREY, markersize=6, label="arrow: lies beyond the border")
    if not passed.all():
        axes.plot([], [], "o", markersize=9, markerfacecolor=PAPER, markeredgecolor=GREY, label="hollow: fails a gate")
    for group, (colour, marker) in style.items():
        axes.plot([], [], marker, color=colour, markersize=9, label=plain(" · ".join(group)))


def _draw_candidate(axes: Axes, place: np.ndarray, row: Row, colour: str, marker: str, *, hollow: bool) -> None:
    axes.plot(
        *place, marker, markersize=_MARK, markerfacecolor=PAPER if hollow else colour,
        markeredgecolor=colour if hollow else PAPER, markeredgewidth=1.4 if hollow else 0.8, zorder=3,
    )  # fmt: skip
    axes.annotate(
        f"{row.metrics[K]:.0f}", tuple(place), ha="center", va="center_baseline", fontsize=8.5, weight="bold",
        color=colour if hollow else ink_on(colour), zorder=3,
    )  # fmt: skip


def _point_out(axes: Axes, place: np.ndarray, direction: np.ndarray, colour: str) -> None:
    axes.annotate(
        "", tuple(place), xytext=tuple(19 * direction), textcoords="offset points",
        arrowprops={"arrowstyle": "<-", "color": colour, "shrinkA": 0, "shrinkB": 9, "linewidth": 1.4},
        annotation_clip=False,
    )  # fmt: skip


def _draw_limits(axes: Axes, gates: Gates) -> None:
    low, high = axes.get_xlim()
    axes.axvspan(min(low, gates.ari), gates.ari, color=PALE, alpha=0.5, linewidth=0, zorder=0)
    axes.axvline(gates.ari, color=GREY, linestyle=":", linewidth=1.5, zorder=1)
    axes.annotate(
        f"gate {gates.ari:g}", (gates.ari, 0.0), xycoords=("data", "axes fraction"), xytext=(3, 4),
        textcoords="offset points", rotation=90, ha="left", va="bottom", color=GREY, fontsize=9,
    )  # fmt: skip
    axes.set_xlim(low, high)


def _draw_rug(axes: Axes, best: dict[int, float]) -> None:
    """Baselines have no agreement of refits: they stand at the right border, at what they keep."""
    low, high = axes.get_ylim()
    inside = {k: kept for k, kept in best.items() if low <= kept <= high}
    if not inside:
        return
    heights = apart(list(inside.values()), 0.032 * (high - low), low, high - 0.02 * (high - low))
    for (k, kept), height in zip(inside.items(), heights, strict=True):
        axes.annotate(
            str(k), (1.0, kept), xycoords=("axes fraction", "data"), xytext=(1.05, height),
            textcoords=("axes fraction", "data"), fontsize=8.5, color=GREY, va="center", ha="left",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=False,
        )  # fmt: skip
        axes.plot(
            [0.985, 1.0], [kept, kept], transform=axes.get_yaxis_transform(), color=GREY, linewidth=2, clip_on=False
        )
    axes.annotate(
        "best\nbaseline", (1.01, 1.0), xycoords="axes fraction", fontsize=8.5, color=GREY, va="bottom", ha="left"
    )
