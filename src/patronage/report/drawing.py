"""Figures for a page: drawings whose colours follow the reader's light or dark, and pictures within the text."""

from __future__ import annotations

import re
from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup

from patronage.figures.canvas import BLUE, CHOSEN, GREEN, GREY, INK, ORANGE, PALE, PAPER, PURPLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VARIABLES = {
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PURPLE: "purple",
    "#56B4E9": "sky",
    "#E69F00": "amber",
    GREY: "soft",
    INK: "ink",
    "#000000": "ink",
    PAPER: "ground",
    PALE: "line",
    CHOSEN: "chosen",
}
"""Colours of figures, and the variable of the page's style that stands for each."""

_COLOUR = re.compile("|".join(VARIABLES), re.IGNORECASE)
_LOWER = {colour.lower(): f"var(--{name})" for colour, name in VARIABLES.items()}
_FONTS = re.compile(r"font-family:[^;]*(;\s*|$)")
_DIGITS = re.compile(r"(\.\d\d)\d+")
_UNTURNED = re.compile(r"^rotate\(-?0(\.0*)? [^)]*\)$")
_DROPPED = ("metadata", "style")
_PAINT = ("fill", "stroke")


def inline_svg(figure: Figure, name: str, label: str) -> Markup:
    """The figure as SVG to stand within a page.

    Parameters
    ----------
    figure : Figure
    name : str
        Unique on the page: every id in the drawing begins with it.
    label : str
        What the drawing shows, for those who do not see it.
    """
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and only figures need it

    canvas = BytesIO()
    # Text stays text, and the same figure gives the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(canvas, format="svg", metadata={"Date": None}, transparent=True)
    root = ET.fromstring(canvas.getvalue())  # noqa: S314 - our own drawing
    for parent in root.iter():
        for child in list(parent):
            if child.tag.rpartition("}")[2] in _DROPPED:
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            _carry_over(element, key, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"role": "img", "aria-label": label, "focusable": "false"})
    # What is written into text and attributes is escaped here.
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704


def inline_png(picture: bytes) -> str:
    """The address of a picture that holds the picture."""
    return f"data:image/png;base64,{b64encode(picture).decode('ascii')}"


def _carry_over(element: ET.Element, key: str, name: str) -> None:
    """Make one attribute fit for a page on which there are other drawings, in light and dark."""
    value = element.attrib.pop(key)
    plain = key.rpartition("}")[2]
    if plain == "id":
        # Nothing refers to the groups of a drawing.
        if element.tag != "g":
            element.set("id", f"{name}-{value}")
    elif plain == "href":
        element.set("href", f"#{name}-{value.removeprefix('#')}")
    elif plain == "style":
        said = _FONTS.sub("", _coloured(value))
        element.set("style", said.replace("url(#", f"url(#{name}-"))
    elif plain == "clip-path":
        element.set("clip-path", value.replace("url(#", f"url(#{name}-"))
    elif plain == "transform" and _UNTURNED.match(value):
        return
    elif plain in _PAINT:  # a variable has a meaning in a style only
        element.set("style", f"{plain}: {_coloured(value)}; {element.get('style', '')}")
    else:
        element.set(plain, _DIGITS.sub(r"\1", value))


def _coloured(value: str) -> str:
    """A style with the page's variables in place of colours."""
    return _COLOUR.sub(lambda found: _LOWER[found[0].lower()], value)
