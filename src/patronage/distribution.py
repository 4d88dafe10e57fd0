"""The shape of one feature: its numbers or levels counted, and the column that clusterers see of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pandas as pd

from patronage.catalogue import Feature
from patronage.errors import InvalidInputError
from patronage.representation import StandardRepresentation

BINS = 20
NAMED_FROM = 5
"""Levels that fewer customers hold are not named: they may say who the customer is."""

CLIP_QUANTILE, MIN_LEVEL_SHARE, MIN_MISSING_SHARE = (
    StandardRepresentation(()).get_params()[name] for name in ("clip_quantile", "min_level_share", "min_missing_share")
)
SAME = 0.5e-9
"""Numbers that differ by less are the same: the feature engine rounds to nine decimals."""

_SAME_RELATIVE = 1e-13  # what is left of large numbers' differences when their sums are rounded


def as_numbers(feature: Feature, values: pd.Series) -> np.ndarray:
    """Numbers of a column, float64; NaN where there is none.

    Raises
    ------
    InvalidInputError
        The column holds something else.
    """
    numbers = None
    if values.dtype.kind not in "mMc":  # pandas would take a moment for its number of nanoseconds
        # The error's message may quote a customer's value.
        with suppress(TypeError, ValueError):
            numbers = np.asarray(values.to_numpy(float, na_value=np.nan))
    if numbers is None:
        raise InvalidInputError(
            f"feature {feature.name}: scale={feature.scale} is for numbers; its column ({values.dtype}) holds others. "
            "Let its SQL give a number, or declare scale: one_hot."
        )
    return numbers


def seen_by_clusterers(feature: Feature, values: np.ndarray | pd.Series) -> np.ndarray | None:
    """The first column that a clusterer sees of a feature, missing values at the mean; None if it sees nothing."""
    frame = pd.DataFrame({feature.name: values})
    try:
        # Numbers beyond 1e150 overflow when squared; they are then not to be seen on this scale.
        with np.errstate(over="ignore", invalid="ignore"):
            representation = StandardRepresentation([feature]).fit(frame)
            first = representation.transform(frame)[:, 0]
    except (InvalidInputError, ValueError):  # no column differs; or no λ can be found for extreme numbers
        return None
    flag = representation.columns_[0].kind == "missing"
    return None if flag or not np.isfinite(first).all() or np.ptp(first) == 0 else first


def counts_of_same(known: np.ndarray) -> np.ndarray:
    """How many of the sorted numbers share each value, up to rounding."""
    if not len(known):
        return np.zeros(0, dtype=int)
    with np.errstate(over="ignore"):
        new = np.diff(known) > np.maximum(SAME, _SAME_RELATIVE * np.abs(known[:-1]))
    return np.diff(np.concatenate([[0], np.flatnonzero(new) + 1, [len(known)]]))


def skewness(ordered: np.ndarray) -> float:
    """Fisher's skewness g₁ = m₃ / m₂^1.5, of sorted numbers; NaN where they do not differ."""
    if not len(ordered) or ordered[0] == ordered[-1]:
        return float("nan")
    moderate = ordered / np.abs(ordered).max()  # so that no power overflows
    deviation = moderate - moderate.mean()
    deviation /= np.abs(deviation).max()
    return float(np.mean(deviation**3) / np.mean(deviation**2) ** 1.5)


def histogram(visible: np.ndarray, n_distinct: int) -> tuple[int, ...]:
    """Customers in each of at most 20 equal bins; no more bins than distinct numbers."""
    counts, _ = np.histogram(visible, bins=min(BINS, n_distinct))
    return tuple(int(count) for count in counts)


def in_declared_order(counts: pd.Series, levels: Sequence[str]) -> dict[str, int]:
    """Customers in each declared level, neighbours together where there are more than 20."""
    found = {}
    for part in np.array_split(np.arange(len(levels)), min(BINS, len(levels))):
        ends = sorted({int(part[0]), int(part[-1])})
        found[" – ".join(levels[end] for end in ends)] = sum(int(counts.get(levels[number], 0)) for number in part)
    return found


def most_frequent(counts: pd.Series) -> dict[str, int]:
    """Customers in the most frequent levels, and in all others together."""
    named = counts[counts >= NAMED_FROM]
    named = named.iloc[: BINS if len(named) == len(counts) <= BINS else BINS - 1]
    rest = int(counts.sum() - named.sum())
    found = {str(level): int(count) for level, count in named.items()}
    return found | ({"other levels": rest + found.get("other levels", 0)} if rest else {})


def percent(share: float) -> str:
    """A share in few letters: never rounded to none or all; a dash for NaN."""
    if np.isnan(share):
        return "–"
    if 0 < share < 0.001:  # noqa: PLR2004
        return "<0.1%"
    if 0.999 < share < 1:  # noqa: PLR2004
        return ">99.9%"
    whole = share in (0, 1) or 0.1 <= share <= 0.9  # noqa: PLR2004
    return f"{100 * share:.{0 if whole else 1}f}%"


def one_decimal(value: float) -> str:
    """A number to one decimal; a dash for NaN, and no minus before zero."""
    return "–" if np.isnan(value) else f"{round(value, 1) + 0.0:.1f}".replace("-", "−")


def number_in_words(value: float) -> str:
    """A number of any size in few letters; a dash where there is none."""
    if value != value:  # noqa: PLR0124 - NaN
        return "–"
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"  # noqa: PLR2004
    return text.replace("e+", "e").replace("-", "−")
