"""Tables of the page: titles, and cells in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from patronage.profiles import Profiles
from patronage.report.numbers import Numbers


@dataclass(frozen=True)
class Table:
    """A table in words.

    Attributes
    ----------
    caption : str
    titles : tuple of str
    rows : tuple of tuple of str
        The first cell of a row is its heading.
    wide, words : frozenset of int
        Columns that hold sentences, and those that hold words; all others but the first hold numbers.
    """

    caption: str
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: frozenset[int] = frozenset()
    words: frozenset[int] = frozenset()


def table_of(
    frame: pd.DataFrame,
    caption: str,
    columns: Sequence[tuple[str, str, Callable[[Any], str]]],
    wide: Sequence[str] = (),
    words: Sequence[str] = (),
) -> Table:
    """A table of some columns of a frame.

    Parameters
    ----------
    frame : DataFrame
    caption : str
    columns : sequence of (str, str, callable)
        Column of the frame, its title, and what puts one of its values in words.
    wide, words : sequence of str
        Columns that hold sentences, and those that hold words.
    """
    cells = [[in_words(value) for value in frame[name]] for name, _, in_words in columns]
    titles = tuple(title for _, title, _ in columns)
    sentences, short = (
        frozenset(number for number, (name, _, _) in enumerate(columns) if number and name in these)
        for these in (wide, words)
    )
    return Table(caption, titles, tuple(zip(*cells, strict=True)), sentences, short)


def typical_values(profiles: Profiles, numbers: Numbers, caption: str, everybody: str, all_id: str) -> Table | None:
    """Medians of all features, and shares of all levels, by segment and of all customers."""
    units = dict(zip(profiles.differentiators["feature"], profiles.differentiators["unit"], strict=True))
    medians = profiles.distributions.assign(level="", typical=profiles.distributions["p50"])
    shares = profiles.levels.rename(columns={"share": "typical"})
    lines = pd.concat(
        [one[["feature", "level", "segment_id", "typical"]] for one in (medians, shares) if len(one)]
        or [pd.DataFrame()]
    )
    if not len(lines):
        return None
    matrix = lines.pivot_table(
        index=["feature", "level"], columns="segment_id", values="typical", sort=True, observed=True
    )
    ids = [one for one in profiles.segments["segment_id"] if one in matrix] + ([all_id] if all_id in matrix else [])
    rows = [
        (
            feature_name(feature, level),
            str(units.get(feature, "")) if not level else "",
            *(numbers.of_feature(one, str(units.get(feature, "")), level) for one in line),
        )
        for (feature, level), line in zip(matrix.index, matrix[ids].to_numpy(float), strict=True)
    ]
    wording = numbers.wording
    titles = (
        wording("report.heat.feature"),
        wording("report.heat.unit"),
        *(everybody if one == all_id else one for one in ids),
    )
    return Table(caption, titles, tuple(rows), words=frozenset({1}))


def feature_name(feature: str, level: str = "") -> str:
    """A feature as people read it."""
    return f"{feature.replace('_', ' ')}: {level}" if level else feature.replace("_", " ")


def text(value: Any) -> str:  # noqa: ANN401 - a cell
    """A cell that is text already; empty where there is none."""
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN
