"""A segment's signature: the same features as spokes in every picture, out where it has more, in where it has less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patronage.figures.canvas import BLUE, GREY, INK, ORANGE, PALE, PAPER, plain, sheet
from patronage.figures.lettering import letter, letter_ticks, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPOKES = 16
"""Most features that a signature shows: those in which segments differ most."""
_FACTS = 8
_RING, _REACH = 1.0, 0.72
"""Radius that stands for all customers, and length of the longest spoke."""


@dataclass(frozen=True)
class Spoke:
    """One feature of a signature.

    Attributes
    ----------
    label : str
        In words, such as "high spend".
    length : float
        From −1 to 1: the effect over the largest one that is shown in any segment.
    forms : bool
        Whether segments are formed on the feature; else it only describes them.
    """

    label: str
    length: float
    forms: bool


def signatures(differentiators: pd.DataFrame) -> dict[str, tuple[Spoke, ...]]:
    """Spokes of every segment, each at the same place: neighbours are of one family.

    Parameters
    ----------
    differentiators : DataFrame
        As of `Profiles.differentiators`.
    """
    if not len(differentiators):
        return {}
    key = ["feature", "level"]
    effects = differentiators.assign(level=differentiators["level"].fillna(""), size=differentiators["effect"].abs())
    strongest = effects.groupby(key, sort=True).agg(size=("size", "max"), family=("family", "first")).reset_index()
    shown = strongest.nlargest(SPOKES, "size", keep="first").sort_values(["family", *key])
    most = max(float(shown["size"].max()), 1e-9)
    found = {}
    for segment_id, own in effects.groupby("segment_id", sort=False):
        lines = own.set_index(key)
        spokes = []
        for feature, level in zip(shown["feature"], shown["level"], strict=True):
            if (feature, level) in lines.index:
                line = lines.loc[(feature, level)]
                spokes.append(Spoke(str(line["label"]), float(line["effect"]) / most, line["role"] == "basis"))
            else:
                spokes.append(Spoke(feature, 0.0, forms=False))
        found[str(segment_id)] = tuple(spokes)
    return found


def signature(spokes: Sequence[Spoke]) -> Figure:
    """Draw a signature alone, without a word."""
    figure = _free((2.0, 2.0))
    _draw(figure.add_axes((0, 0, 1, 1)), spokes)
    return figure


def persona_card(
    title: str, size: str, headline: str, portrait: str, facts: Sequence[tuple[str, str]], spokes: Sequence[Spoke]
) -> Figure:
    """Draw a persona as a card: signature, name, portrait and facts.

    Parameters
    ----------
    title, size, headline, portrait : str
        The segment, its customers, what it is in short, and at length.
    facts : sequence of (str, str)
        What of, and how much.
    spokes : sequence of Spoke
    """
    figure = _free((8.0, 4.3))
    figure.patch.set_edgecolor(PALE)
    figure.patch.set_linewidth(2)
    _draw(figure.add_axes((0.03, 0.48, 0.26, 0.46)), spokes)
    page = figure.add_axes((0, 0, 1, 1), zorder=-1)
    page.axis("off")

    def say(x: float, y: float, text: str, *, size: float, colour: str = INK, bold: bool = False) -> None:
        weight = "bold" if bold else "normal"
        letter(page.text(x, y, text, fontsize=size, color=colour, weight=weight, va="top", linespacing=1.45))

    say(0.32, 0.93, wrapped(title, 52, 1), size=9.5, colour=GREY)
    say(0.32, 0.875, wrapped(headline, 40, 2), size=14, bold=True)
    say(0.32, 0.73, wrapped(portrait, 72, 11), size=9.5)
    say(0.04, 0.44, wrapped(size, 30, 2), size=9.5, bold=True)
    for number, (label, text) in enumerate(facts[:_FACTS]):
        x, y = 0.04 + 0.245 * (number % 4), 0.32 - 0.145 * (number // 4)
        say(x, y, wrapped(label, 26, 1), size=8, colour=GREY)
        say(x, y - 0.042, wrapped(text, 24, 2), size=9.5, bold=True)
    return figure


def effects_by_segment(differentiators: pd.DataFrame, names: Mapping[str, str], titles: tuple[str, str, str]) -> Figure:
    """Draw what sets each segment apart: its strongest differences from all customers, a panel per segment.

    Parameters
    ----------
    differentiators : DataFrame
        As of `Profiles.differentiators`; lines that are notable are drawn, six of a segment at most.
    names : mapping
        Segments to be drawn, and their names.
    titles : (str, str, str)
        What the bars are, and the legend: formed on, and only describes.
    """
    columns = min(3, max(1, len(names)))
    rows = -(-len(names) // columns)
    figure = sheet((4.6 * columns, 2.1 * rows + 0.6))
    notable = differentiators[differentiators["notable"].astype(bool)]
    most = max(float(notable["effect"].abs().max()) if len(notable) else 0.0, 1e-9)
    for number, (segment_id, name) in enumerate(names.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        own = notable[notable["segment_id"] == segment_id].head(6).iloc[::-1]
        colours = [BLUE if effect > 0 else ORANGE for effect in own["effect"]]
        bars = axes.barh(range(len(own)), own["effect"], color=colours, height=0.62)
        for bar, role, colour in zip(bars, own["role"], colours, strict=True):
            if role != "basis":
                bar.set(facecolor=PAPER, edgecolor=colour, hatch="////", linewidth=1)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlim(-1.15 * most, 1.15 * most)
        axes.set_ylim(-0.6, 5.6)
        letter_ticks(axes, [wrapped(str(label), 28, 1) for label in own["label"]], 8.5)
        axes.tick_params(length=0, labelsize=8.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        letter(axes.set_title(wrapped(f"{segment_id}  {name}", 44, 1), fontsize=10, loc="left"))
    title, forms, describes = titles
    figure.suptitle(plain(title), x=0.01, ha="left", fontsize=12)
    handles = [
        figure.axes[0].barh([0], [0], color=BLUE)[0],
        figure.axes[0].barh([0], [0], facecolor=PAPER, edgecolor=BLUE, hatch="////")[0],
    ] if names else []  # fmt: skip
    figure.legend(handles, [forms, describes], loc="outside lower left", ncols=2, fontsize=9, frameon=False)
    return figure


def _free(size: tuple[float, float]) -> Figure:
    """A sheet on which everything has its place already."""
    figure = sheet(size)
    figure.set_layout_engine("none")
    return figure


def _draw(axes: Axes, spokes: Sequence[Spoke]) -> None:
    from matplotlib.patches import Circle, Wedge  # noqa: PLC0415 - heavy, and only pictures need it

    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_xlim(-1.8, 1.8)
    axes.set_ylim(-1.8, 1.8)
    outer = _RING + _REACH
    axes.add_patch(Circle((0, 0), outer, facecolor="none", edgecolor=PALE, linewidth=0.8))
    axes.add_patch(Circle((0, 0), _RING - _REACH, facecolor="none", edgecolor=PALE, linewidth=0.8))
    width = 360 / max(len(spokes), 1)
    for number, spoke in enumerate(spokes):
        length = float(np.clip(spoke.length, -1, 1)) * _REACH
        if not length:
            continue
        middle = 90 - (number + 0.5) * width
        colour = BLUE if length > 0 else ORANGE
        axes.add_patch(
            Wedge(
                (0, 0), max(_RING, _RING + length), middle - 0.38 * width, middle + 0.38 * width, width=abs(length),
                facecolor=colour if spoke.forms else PAPER, edgecolor=colour, linewidth=0.9,
            )
        )  # fmt: skip
    axes.add_patch(Circle((0, 0), _RING, facecolor="none", edgecolor=INK, linewidth=1.1))
