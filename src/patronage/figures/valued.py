"""What segments are worth in pictures: size against value, and how much of the value few customers hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patronage.distribution import number_in_words
from patronage.figures.canvas import BLUE, GREY, INK, ORANGE, PALE, PAPER, bare, plain, sheet
from patronage.wording import Wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (5.2, 3.7)
"""Inches: letters of 9 points can still be read where the picture is as wide as a phone."""
_LETTERS = 9
_WIDE, _HIGH = 0.07, 0.06
"""Room that a name takes, as shares of the picture's width and height."""
_TOP = 0.2


def size_by_value(segments: pd.DataFrame, unit: str, wording: Wording) -> Figure:
    """Draw each segment as a block: as wide as its share of customers, as high as one of them is worth.

    Its area is what the segment is worth altogether; the thin line is the 90 % interval of the mean.

    Parameters
    ----------
    segments : DataFrame
        As of `Profiles.segments`; reserved segments and those without a value are left out.
    unit : str
        Of the value; empty where it has none.
    wording : Wording
    """
    own = by_value(segments)
    n, value = own["n_customers"].to_numpy(float), own["value_per_customer"].to_numpy(float)
    share = n / n.sum()
    ends = share.cumsum()
    figure = sheet(SIZE)
    axes = bare(figure.add_subplot())
    colours = [BLUE if one >= 0 else ORANGE for one in value]
    bars = axes.bar(ends - share, value, width=share, align="edge", color=colours, edgecolor=PAPER, linewidth=1.2)
    for bar, one in zip(bars, value, strict=True):
        if one < 0:
            bar.set_hatch("///")
    middle = ends - share / 2
    low, high = (own[name].fillna(own["value_per_customer"]).to_numpy(float) for name in ("value_low", "value_high"))
    axes.vlines(middle, low, high, color=INK, linewidth=1.2)
    _name_blocks(axes, [str(one) for one in own["segment_id"]], middle, np.maximum(np.maximum(high, value), 0.0))
    mean = float(np.average(value, weights=n))
    axes.axhline(mean, color=GREY, linewidth=1, linestyle="--", zorder=0)
    axes.annotate(
        plain(wording("report.figure.mean", value=number_in_words(mean))), (1.0, mean), xytext=(2, 2),
        textcoords="offset points", ha="right", va="bottom", fontsize=8, color=GREY,
    )  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlim(0, 1)
    axes.margins(y=0.14)
    _shares(axes, "x")
    axes.set_xlabel(wording("report.figure.share_customers"), fontsize=_LETTERS)
    label = wording("report.figure.value_per_customer_unit" if unit else "report.figure.value_per_customer", unit=unit)
    axes.set_ylabel(plain(label), fontsize=_LETTERS)
    _numbers(axes)
    return figure


def capture(curve: pd.DataFrame, segments: pd.DataFrame, wording: Wording) -> Figure:
    """Draw how much of all value the best customers hold, and how much the best segments do.

    Parameters
    ----------
    curve : DataFrame
        As of `Profiles.capture`.
    segments : DataFrame
        As of `Profiles.segments`: where one segment ends and the next begins is marked.
    wording : Wording
    """
    figure = sheet(SIZE)
    axes = bare(figure.add_subplot())
    x = curve["share_customers"].to_numpy(float)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    axes.plot(x, curve["share_value"], color=BLUE, linewidth=2, label=wording("report.figure.by_customer"))
    axes.plot(
        x, curve["segment_share_value"], color=ORANGE, linewidth=2, linestyle=(0, (5, 1.5)),
        label=wording("report.figure.by_segment"),
    )  # fmt: skip
    own = by_value(segments)
    ends = own["n_customers"].cumsum() / own["n_customers"].sum()
    at = np.interp(ends, x, curve["segment_share_value"])
    axes.plot(ends[:-1], at[:-1], "s", color=ORANGE, markersize=5)
    if len(own) <= 10:  # noqa: PLR2004 - more names would cover each other; the table has them
        for one, end, height in zip(own["segment_id"][:-1], ends[:-1], at[:-1], strict=True):
            axes.annotate(plain(str(one)), (end, height), xytext=(6, -3), textcoords="offset points", va="top",
                          fontsize=8, color=INK)  # fmt: skip
    top = float(np.interp(_TOP, x, curve["share_value"]))
    axes.plot([_TOP, _TOP], [0, top], color=GREY, linewidth=0.8, linestyle=":")
    axes.plot([_TOP], [top], "o", color=BLUE, markersize=6)
    beside = (0.015, top + 0.13) if top < 0.8 else (0.26, top - 0.12)  # noqa: PLR2004 - where the curve leaves room
    axes.annotate(
        plain(wording("report.figure.top", share=_TOP, held=top)), (_TOP, top), xytext=beside,
        ha="left", va="center", fontsize=_LETTERS, color=INK,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkB": 4},
    )  # fmt: skip
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(min(0.0, float(curve["segment_share_value"].min())) - 0.01, None)
    _shares(axes, "x")
    _shares(axes, "y")
    axes.set_xlabel(wording("report.figure.share_best"), fontsize=_LETTERS)
    axes.set_ylabel(wording("report.figure.share_value"), fontsize=_LETTERS)
    axes.legend(loc="lower right", fontsize=_LETTERS, frameon=False)
    return figure


def _name_blocks(axes: Axes, names: Sequence[str], middle: np.ndarray, tops: np.ndarray) -> None:
    """Name the blocks, the most valuable first: what would cover another name is left to the table."""
    bottom, top = axes.get_ylim()
    taken: list[tuple[float, float]] = []
    for name, x, y in zip(names, middle, tops, strict=True):
        if all(abs(x - across) > _WIDE or abs(y - at) > _HIGH * (top - bottom) for across, at in taken):
            taken.append((x, y))
            axes.annotate(plain(name), (x, y), xytext=(0, 3), textcoords="offset points", ha="center", va="bottom",
                          fontsize=_LETTERS, color=INK)  # fmt: skip


def by_value(segments: pd.DataFrame) -> pd.DataFrame:
    """Segments with a value and customers, the most valuable first; no reserved ones."""
    known = segments["value_per_customer"].notna() & (segments["n_customers"] > 0) & ~segments["reserved"].astype(bool)
    return segments[known].sort_values("value_per_customer", ascending=False, kind="stable").reset_index(drop=True)


def _shares(axes: Axes, which: str) -> None:
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415 - heavy, and only pictures need it

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(axis="x" if which == "x" else "y", labelsize=_LETTERS)
    if which == "y":
        axes.grid(axis="y", color=PALE, linewidth=0.7)
        axes.set_axisbelow(True)


def _numbers(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: number_in_words(value))
    axes.tick_params(axis="y", labelsize=_LETTERS)
    axes.grid(axis="y", color=PALE, linewidth=0.7)
    axes.set_axisbelow(True)
