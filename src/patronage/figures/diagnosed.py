"""Features in pictures: how each is distributed before clustering."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from patronage.diagnosis import Diagnosis, FeatureDiagnosis
from patronage.distribution import number_in_words, percent
from patronage.figures.canvas import BLUE, GREY, ORANGE, PURPLE, plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def distributions(diagnosis: Diagnosis, *, most: int = 24) -> Figure:
    """Draw each feature's distribution, what needs attention first; of more than ``most``, the rest is left out."""
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - heavy, and only pictures need it
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    shown = diagnosis.ordered[:most]
    n_columns = min(4, max(len(shown), 1))
    n_rows = max(-(-len(shown) // n_columns), 1)
    figure = Canvas(figsize=(max(3.1 * n_columns, 6.2), 2.0 * n_rows + 0.7), dpi=130)
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    left_out = Counter(one.verdict for one in diagnosis.ordered[most:])
    rest = f"; not shown: {', '.join(f'{n} to {verdict}' for verdict, n in left_out.items())}" if left_out else ""
    title = f"{len(diagnosis.features)} features of {diagnosis.n_customers:,} customers before clustering{rest}"
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    for number, one in enumerate(shown):
        axes = figure.add_subplot(n_rows, n_columns, number + 1)
        _draw_distribution(axes, one)
    return figure


def _draw_distribution(axes: Axes, one: FeatureDiagnosis) -> None:
    colour = {"drop": ORANGE, "transform": PURPLE, "keep": BLUE}[one.verdict]
    axes.bar(range(len(one.sketch)), one.sketch, width=0.9, color=colour)
    axes.set_xlim(-0.6, max(len(one.sketch), 4) - 0.4)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(plain(shortened(one.name, 40)), fontsize=9.5, loc="left", color=colour, weight="bold", pad=29)
    reason = textwrap.wrap(f"{one.verdict}: {one.reason}", 50, max_lines=2, placeholder=" …")
    axes.annotate(
        plain("\n".join(reason)), (0, 1), (0, 25), xycoords="axes fraction", textcoords="offset points", va="top",
        fontsize=7.5, color=GREY, in_layout=False,  # or the panels would shrink until the longest line fits
    )  # fmt: skip
    notes = []
    if not one.sketch:
        notes.append((0.5, 0.4, "bottom", "not shown" if one.n_distinct else "no values"))
    elif one.levels:
        most_frequent = f"{one.n_distinct:,} levels, the most frequent {percent(one.dominant_value_share)}"
        notes.append((0.0, -0.04, "top", most_frequent))
    else:
        ends = (number_in_words(one.low), shortened(one.unit, 30), number_in_words(one.high))
        notes += [(place, -0.04, "top", text) for place, text in zip((0.0, 0.5, 1.0), ends, strict=True)]
    for x, y, side, text in notes:
        anchor = {0.0: "left", 0.5: "center", 1.0: "right"}[x]
        axes.text(
            x, y, plain(text), transform=axes.transAxes, ha=anchor, va=side, fontsize=7.5, color=GREY,
            in_layout=False,
        )  # fmt: skip
    axes.set_xlabel(" ", fontsize=7.5)  # keeps the room below
