"""What pictures share: the sheet they are drawn on, colours, and text. Plotting is imported only when one is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from patronage.evaluation.row import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette stays readable with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6b7280"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "D", "p", "h", "8")  # each has room for a number
INK, PAPER, PALE, CHOSEN = "#111827", "#ffffff", "#e5e7eb", "#fef3c7"
RIBBON, THREAD = "#c3c8d0", "#9ca3af"

_LINEAR = 0.03928
"""Up to here a colour's part is proportional to light."""
_MIDDLE = 0.179
"""The luminance L that contrasts as much with black as with white: (L + .05)² = .05 · 1.05."""


def sheet(size: tuple[float, float]) -> Figure:
    """An empty figure, sized in inches."""
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - heavy, and only pictures need it

    # A bare Figure needs no display and no global state.
    return Canvas(figsize=size, layout="constrained", dpi=130)


def panels(n_panels: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side."""
    figure = sheet(size)
    return figure, [bare(figure.add_subplot(1, n_panels, number + 1)) for number in range(n_panels)]


def bare(axes: Axes) -> Axes:
    """Take away the lines that tell nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)
    return axes


def plain(text: str) -> str:
    """Text in which dollars are dollars, not the marks of a formula."""
    return text.replace("$", r"\$")


def ink_on(colour: str) -> str:
    """Black or white, whichever has the higher contrast to a colour such as ``#0072B2`` (luminance as of WCAG 2)."""
    luminance = 0.0
    for position, weight in enumerate((0.2126, 0.7152, 0.0722)):
        part = int(colour[1 + 2 * position : 3 + 2 * position], 16) / 255
        luminance += weight * (part / 12.92 if part <= _LINEAR else ((part + 0.055) / 1.055) ** 2.4)
    return INK if luminance > _MIDDLE else PAPER


def shortened(text: str, most: int) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def styles(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[str, str]]:
    """Colour and marker of every (clusterer, representation), so that colour is never needed to tell them apart."""
    groups = sorted({(row.clusterer, row.representation) for row in rows})
    return {
        group: (
            COLOURS[position % len(COLOURS)],
            MARKERS[(position + position // len(COLOURS)) % len(MARKERS)],
        )
        for position, group in enumerate(groups)
    }
