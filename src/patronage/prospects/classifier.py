"""The classifier of profiles, as it is packaged: plain arrays, and the same answer in any batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.representation import StandardRepresentation

MIN_CONFIDENCE = 0.5
"""Default of the least probability at which a prospect is placed: its segment is likelier than all else together."""

COOLEST, HOTTEST = 0.2, 20.0
"""Bounds of the temperature."""


@dataclass(frozen=True)
class Placement:
    """Where profiles were placed; see `ProfileClassifier.place`.

    Attributes
    ----------
    label : ndarray of shape (n_rows,), int
        Index of the segment, or ``UNASSIGNED``.
    runner_up : ndarray of shape (n_rows,), int
        The next most probable segment; of who is not placed, the most probable one. ``UNASSIGNED`` where nothing is
        known of the profile.
    confidence : ndarray of shape (n_rows,)
        Probability of ``label``; NaN for who is not placed.
    """

    label: np.ndarray
    runner_up: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class Leading:
    """What is most probable by profile.

    Attributes
    ----------
    best, second : ndarray of shape (n_rows,), int
        The most probable segment, and the next one.
    highest : ndarray of shape (n_rows,)
        Probability of ``best``.
    placed : ndarray of shape (n_rows,), bool
        Whether that is enough: at least the least probability, and no less than that of being in no segment.
    """

    best: np.ndarray
    second: np.ndarray
    highest: np.ndarray
    placed: np.ndarray

    @classmethod
    def of(cls, probability: np.ndarray, n_segments: int, min_confidence: float) -> Leading:
        """Read them off probabilities of shape (n_rows, n_classes); a class after the segments' is that of none."""
        rows = np.arange(len(probability))
        segments, nobody = probability[:, :n_segments].copy(), probability[:, n_segments:].sum(axis=1)
        best = segments.argmax(axis=1)
        highest = segments[rows, best]
        segments[rows, best] = -1.0
        placed = (highest >= min_confidence) & (highest >= nobody)
        return cls(best, segments.argmax(axis=1), highest, placed)


@dataclass(frozen=True)
class ProfileClassifier:
    """Multinomial logistic regression on the profile, softened or sharpened by a temperature.

    The probability of segment s is softmax((x·B + b) / T) over the classes: the segments and, if customers in no
    segment were learned from, being in none. Without that class a probability would be one among those who are in a
    segment, and too high for everyone else. What a profile does not tell, or a level that was never seen, counts as the
    average: why customers left something out need not be why prospects did. No arithmetic crosses rows, so a row gets
    the same bits whichever rows come along.

    Attributes
    ----------
    representation : StandardRepresentation
        Of the profile features that differ between customers.
    coefficients : ndarray of shape (n_columns, n_classes)
    intercepts : ndarray of shape (n_classes,)
        With the shift of each class that calibration found.
    temperature : float
        Above 1 softens.
    min_confidence : float in [0, 1]
        A prospect whose most probable segment is less probable is placed nowhere.
    knows_unassigned : bool, default False
        Whether the last class is that of customers in no segment. For whom it is the most probable is placed nowhere.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, ICML (temperature).
    """

    representation: StandardRepresentation
    coefficients: np.ndarray
    intercepts: np.ndarray
    temperature: float
    min_confidence: float = MIN_CONFIDENCE
    knows_unassigned: bool = False

    def __post_init__(self) -> None:
        """Check that the parts belong together; a package may have been changed by anyone."""
        shape = (len(self.representation.columns_), len(self.intercepts))
        sound = (
            self.coefficients.shape == shape
            and self.coefficients.dtype == self.intercepts.dtype == np.float64
            and np.isfinite(self.coefficients).all()
            and np.isfinite(self.intercepts).all()
            and COOLEST <= self.temperature <= HOTTEST
            and 0 <= self.min_confidence <= 1
            and isinstance(self.knows_unassigned, bool)
            and self.n_segments > 0
        )
        if not sound:
            raise ValueError("the classifier of profiles is not one that was ever fitted")

    @property
    def names(self) -> list[str]:
        """Features that are read, in the order of their columns."""
        return list(dict.fromkeys(column.feature for column in self.representation.columns_))

    @property
    def n_segments(self) -> int:
        """Number of segments; one less than the classes where the last one is that of no segment."""
        return len(self.intercepts) - self.knows_unassigned

    def place(self, profiles: pd.DataFrame) -> Placement:
        """Place customers by their profile.

        Parameters
        ----------
        profiles : DataFrame of shape (n_rows, …)
            Columns of `names`. Of whom none has a known value is placed nowhere.
        """
        probability = self.probabilities(profiles)
        told = ~np.isnan(probability[:, 0])
        probability[~told] = 0.0
        found = Leading.of(probability, self.n_segments, self.min_confidence)
        placed = told & found.placed
        return Placement(
            np.where(placed, found.best, UNASSIGNED),
            np.where(placed, found.second, np.where(told, found.best, UNASSIGNED)),
            np.where(placed, found.highest, np.nan),
        )

    def probabilities(self, profiles: pd.DataFrame) -> np.ndarray:
        """Probability of every class, of shape (n_rows, n_classes); NaN where nothing is known of the profile."""
        space, told = profile_space(self.representation, profiles)
        scores = np.tile(self.intercepts, (len(space), 1))
        # Column by column: a matrix product would round differently for other batch sizes.
        for column, weights in zip(space.T, self.coefficients, strict=True):
            scores += column[:, np.newaxis] * weights
        scores /= self.temperature
        weight = np.exp(scores - scores.max(axis=1, keepdims=True))
        total = np.zeros(len(weight))
        for one in weight.T:
            total += one
        probability: np.ndarray = weight / total[:, np.newaxis]
        probability[~told] = np.nan
        return probability

    def state(self) -> dict[str, Any]:
        """What is no array, as plain values."""
        return {
            "representation": self.representation.state(),
            "temperature": self.temperature,
            "min_confidence": self.min_confidence,
            "knows_unassigned": self.knows_unassigned,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Coefficients and intercepts."""
        return {"coefficients": self.coefficients, "intercepts": self.intercepts}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ProfileClassifier:
        """Rebuild from `state` and `arrays`."""
        representation = StandardRepresentation.from_state(state["representation"])
        return cls(
            representation,
            arrays["coefficients"],
            arrays["intercepts"],
            state["temperature"],
            state["min_confidence"],
            state["knows_unassigned"],
        )


def profile_space(representation: StandardRepresentation, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Represent profiles: average in what is not told.

    Returns
    -------
    tuple
        Points of shape (n_rows, n_columns), and of shape (n_rows,) whether anything known was told.
    """
    space = representation.transform(frame)
    levels: dict[str, set[str]] = {}
    for column in representation.columns_:
        levels.setdefault(column.feature, set()).update(column.levels)
    known = {
        name: (frame[name].astype("str").isin(seen) if seen else frame[name].notna()).to_numpy()
        for name, seen in levels.items()
    }
    for position, column in enumerate(representation.columns_):
        space[~known[column.feature], position] = 0.0
    told = np.zeros(len(frame), dtype=bool)
    for one in known.values():
        told |= one
    return space, told
