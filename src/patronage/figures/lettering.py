"""Names in pictures: in any script that a font is there for, and short enough for their place."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from patronage.figures.canvas import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

_FIRST = "DejaVu Sans"
_NO_LETTERS = ("Last Resort High-Efficiency",)
"""A font that has a box with a number for every letter there is."""
_UNKNOWN = "□"
"""Stands for a letter that no font of this computer has; DejaVu, which comes with the plotting library, has it."""


def letter(text: Text) -> Text:
    """Give a text of a picture the fonts that its letters need; what none has becomes an empty box.

    Without this, drawing a name in a script that the first font lacks warns, letter by letter.
    """
    said, families = legible(text.get_text())
    if len(families) > 1:
        text.set_fontfamily(list(families))
    text.set_text(said)
    return text


def letter_ticks(axes: Axes, labels: Sequence[str], size: float) -> None:
    """Name the places 0, 1, 2 … of the vertical axis, in whatever script."""
    told = [legible(label) for label in labels]
    axes.set_yticks(range(len(told)), [said for said, _ in told], fontsize=size)
    for tick, (_, families) in zip(axes.get_yticklabels(), told, strict=True):
        tick.set_fontfamily(list(families))


def legible(said: str) -> tuple[str, tuple[str, ...]]:
    """A text that can be drawn, and the font families that it needs, the first one first."""
    missing = frozenset(ord(sign) for sign in said if not sign.isspace()) - _letters_of(_FIRST)
    families = [_FIRST]
    for family in _families() if missing else ():
        if missing & (found := _letters_of(family)):
            families.append(family)
            missing -= found
        if not missing:
            break
    return "".join(_UNKNOWN if ord(sign) in missing else sign for sign in said), tuple(families)


def wrapped(text: str, width: int, lines: int) -> str:
    """Text in so many lines of so many letters at most; what does not fit ends in an ellipsis."""
    return plain("\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …")))


@cache
def _families() -> dict[str, str]:
    """Regular faces of this computer, by family."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415 - heavy, and only pictures need it

    regular = {
        entry.name: str(entry.fname)
        for entry in fontManager.ttflist
        if entry.style == "normal" and entry.weight in (400, "normal", "regular") and entry.name not in _NO_LETTERS
    }
    return dict(sorted(regular.items(), key=lambda one: (one[0] != _FIRST, one[0])))


@cache
def _letters_of(family: str) -> frozenset[int]:
    """Code points that a family's regular face has."""
    from matplotlib.font_manager import get_font  # noqa: PLC0415 - heavy, and only pictures need it

    return frozenset(get_font(_families()[family]).get_charmap())
