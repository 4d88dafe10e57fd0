"""All features of all segments in one picture: where each has more or less than all customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patronage.distribution import one_decimal
from patronage.figures.canvas import BLUE, GREY, ORANGE, PAPER, ink_on, plain, sheet
from patronage.figures.lettering import letter_ticks, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 40
"""Features that a picture can hold; those in which segments differ most."""
LIMIT = 1.5
"""Effects from here on have the full colour."""


def effect_matrix(differentiators: pd.DataFrame) -> pd.DataFrame:
    """Effects of features (lines; of texts: levels) by segment, the largest difference first.

    Parameters
    ----------
    differentiators : DataFrame
        As of `Profiles.differentiators`.

    Returns
    -------
    DataFrame of shape (n_features, n_segments)
        Indexed by feature and level; NaN where a segment has no figure.
    """
    lines = differentiators.assign(level=differentiators["level"].fillna(""))
    matrix = lines.pivot_table(index=["feature", "level"], columns="segment_id", values="effect", observed=True)
    largest = matrix.abs().max(axis=1)
    return matrix.loc[largest.sort_values(ascending=False, kind="stable").index]


def heat_map(matrix: pd.DataFrame, features: Mapping[tuple[str, str], str], title: str) -> Figure:
    """Draw effects as coloured cells that say their number.

    Parameters
    ----------
    matrix : DataFrame of shape (n_features, n_segments)
        As `effect_matrix` gives it; the first 40 lines are drawn.
    features : mapping
        What each (feature, level) is called.
    title : str
    """
    from matplotlib.colors import LinearSegmentedColormap, to_hex  # noqa: PLC0415 - heavy, and only pictures need it

    shown = matrix.head(MOST)
    figure = sheet((3.4 + 0.55 * max(len(shown.columns), 3), 1.2 + 0.27 * max(len(shown), 1)))
    axes = figure.add_subplot()
    colours = LinearSegmentedColormap.from_list("effect", [ORANGE, PAPER, BLUE])
    values = shown.to_numpy(float)
    axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    for line, column in np.ndindex(values.shape):
        effect = values[line, column]
        if np.isfinite(effect):
            ground = to_hex(colours((np.clip(effect, -LIMIT, LIMIT) + LIMIT) / (2 * LIMIT)))
            axes.annotate(one_decimal(float(effect)), (column, line), ha="center", va="center", fontsize=7.5,
                          color=ink_on(ground))  # fmt: skip
    axes.set_xticks(range(len(shown.columns)), [plain(str(one)) for one in shown.columns], fontsize=9)
    letter_ticks(axes, [wrapped(features[key], 40, 1) for key in shown.index], 8.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(shown.columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(shown) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=PAPER, linewidth=1.2)
    axes.tick_params(which="minor", length=0)
    figure.suptitle(plain(title), fontsize=11, color=GREY, x=0.01, ha="left")
    return figure
