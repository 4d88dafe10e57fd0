"""Which segments there are, and who is in which, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from patronage.model import SegmentationModel
from patronage.profiles.customers import Customers
from patronage.profiles.tables import ALL
from patronage.segments import DORMANT_ID, RESERVED_NAMES, UNASSIGNED_ID

MIN_CUSTOMERS = 5
"""Nothing is told of fewer customers than these, but their number and their money."""


T = TypeVar("T", pd.DataFrame, pd.Series)


@dataclass(frozen=True)
class Members:
    """The segments of a model on one date, and where each customer belongs.

    Attributes
    ----------
    ids, names : tuple of str
        The segments in the order of their ids, then the reserved ones that have customers.
    reserved : ndarray of shape (n_segments,), bool
    code : ndarray of shape (n_customers,), int
        Position in ``ids``; −1 of customers by whom segments are not described: prospects.
    formed : ndarray of shape (n_customers,), bool
        Customers that segments are formed on, with those who were placed nowhere; "all customers" in comparisons.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    reserved: np.ndarray
    code: np.ndarray
    formed: np.ndarray

    @property
    def n(self) -> int:
        """Number of segments, with the reserved ones."""
        return len(self.ids)

    @property
    def own(self) -> np.ndarray:
        """Segments that a model has found, as positions."""
        return np.flatnonzero(~self.reserved)

    @property
    def group(self) -> np.ndarray:
        """Of the customers in ``formed``: position among those of ``own``, −1 where placed nowhere."""
        code = self.code[self.formed]
        return np.where(code < len(self.own), code, -1)

    def count(self) -> np.ndarray:
        """Customers per segment, of shape (n_segments,)."""
        return np.bincount(self.code[self.code >= 0], minlength=self.n)

    @property
    def lines(self) -> list[str]:
        """What figures are told of: ``ids``, and last `ALL`, the customers in ``formed``."""
        return [*self.ids, ALL]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of a value per customer by line, of shape (n_segments + 1,)."""
        values, inside = values.astype(float), self.code >= 0
        return np.append(
            np.bincount(self.code[inside], weights=values[inside], minlength=self.n), values[self.formed].sum()
        )

    def sizes(self) -> np.ndarray:
        """Customers by line, of shape (n_segments + 1,)."""
        return np.append(self.count(), self.formed.sum())

    def medians(self, values: pd.Series) -> np.ndarray:
        """Medians of a value per customer by line, of shape (n_segments + 1,); the unknown is left out."""
        inside = self.code >= 0
        each = values[inside].groupby(self.code[inside]).median().reindex(range(self.n)).to_numpy(dtype=float)
        return np.append(each, values[self.formed].median())

    def by_segment(self, found: T) -> T:
        """Lines by segment id put in the order of ``ids``; NaN where there are none."""
        return found.reindex(list(self.ids))

    def by_line(self, found: T) -> T:
        """Lines by segment id put in the order of ``lines``; NaN where there are none."""
        return found.reindex(self.lines)


def told(figure: np.ndarray | pd.Series, n_behind: np.ndarray | pd.Series) -> np.ndarray:
    """A figure where enough customers are behind it, NaN elsewhere."""
    return np.where(np.asarray(n_behind, dtype=float) >= MIN_CUSTOMERS, np.asarray(figure, dtype=float), np.nan)


def members_of(customers: Customers, model: SegmentationModel) -> Members:
    """Tell the segments of a model apart among customers of one date."""
    described = customers.described
    named = {segment.id: segment.name for segment in sorted(model.segments, key=lambda one: _number(one.id))}
    placed = customers.placed["segment_id"]
    there = set(placed[described].unique())
    for one in (UNASSIGNED_ID, DORMANT_ID):
        if one in there:
            named[one] = RESERVED_NAMES[one]
    ids = tuple(named)
    code = np.where(described, pd.Index(ids).get_indexer(pd.Index(placed)), -1)
    formed = described & (placed != DORMANT_ID).to_numpy()
    return Members(ids, tuple(named.values()), np.array([one in RESERVED_NAMES for one in ids]), code, formed)


def _number(segment_id: str) -> tuple[int, str]:
    """S100 comes after S99."""
    return len(segment_id), segment_id
