"""Which categories each customer bought in the lookback: as bits, so that millions of customers stay small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.features import ACTIVE, query_relations
from patronage.profiles.customers import Customers
from patronage.segments import RESERVED_NAMES
from patronage.special import special_category
from patronage.tables import Tables

MAX_CATEGORIES = 120
"""Categories with most revenue that are looked at; pairs, and so the time they take, grow with its square."""

CHUNK = 50_000
_BITS = 60  # of a word of 64: none of them is a sign
_WORDS = -(-MAX_CATEGORIES // _BITS)
_COLUMNS = ("category", "department")

# A line that was not paid for was had all the same; a refund is no purchase. Grouped once, so that lines are read once.
_BOUGHT = (
    ", bought AS MATERIALIZED (SELECT {of} AS owner, {column}::VARCHAR AS category, sum(revenue) AS revenue FROM lines "
    "JOIN placed USING (customer_id) WHERE revenue >= 0 AND trim({column}::VARCHAR) <> ''{but} GROUP BY ALL), "
    "ranked AS (SELECT category, row_number() OVER (ORDER BY sum(revenue) DESC, category) - 1 AS place FROM bought "
    "GROUP BY category) "
)
_SPEND = (
    "SELECT owner AS segment_id, place, category, revenue::DOUBLE AS spend FROM bought JOIN ranked USING (category) "
    "ORDER BY place, segment_id"
)
_WORD = "coalesce(bit_or(1::UBIGINT << (place % {bits})) FILTER (WHERE place // {bits} = {word}), 0)"
_MASKS = "SELECT owner::VARCHAR AS customer_id, {words} FROM bought JOIN ranked USING (category) GROUP BY owner"


@dataclass(frozen=True)
class Bought:
    """Categories bought within the lookback, by the active customers who are described by what they do.

    Counted by customer, not by order: what complements what shows over weeks (bread today, butter on Friday), orders of
    one customer are not independent of each other, and whoever orders often would count for many.

    Attributes
    ----------
    categories : list of str
        With most revenue first, ties by name; at most `MAX_CATEGORIES`.
    segments : Series of shape (n_customers,)
        Segment by customer id; those who bought nothing of these categories are there too.
    words : ndarray of shape (n_customers, n_words), uint64
        Bit ``b`` of word ``w`` is set where the customer bought category ``60 w + b``.
    spend : DataFrame of shape (n_segments, n_categories)
        Revenue by segment id.
    spend_total : Series of shape (n_segments,)
        Revenue of all categories, those with less revenue and those left out too.
    left_out : tuple of str
        Categories whose names tell of a special category of personal data (`special_category`), such as health: what a
        customer buys of them is not looked at. They are left out of everything, whatever features are declared.
    """

    categories: list[str]
    segments: pd.Series
    words: np.ndarray
    spend: pd.DataFrame
    spend_total: pd.Series
    left_out: tuple[str, ...] = ()

    @property
    def segment_ids(self) -> list[str]:
        """Segments with customers: S99 before S100, and the reserved ones last."""
        return sorted(set(self.segments), key=lambda one: (one in RESERVED_NAMES, len(one), one))

    def members(self, segment: str) -> np.ndarray:
        """Positions of the segment's customers, of shape (n_members,)."""
        return np.flatnonzero((self.segments == segment).to_numpy())

    def matrix(self, positions: np.ndarray) -> np.ndarray:
        """Whether customers bought each category, of shape (n_positions, n_categories), bool."""
        return unpacked(self.words[positions], len(self.categories))

    def chunks(self, positions: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """The `matrix` of some positions at a time, and where they begin."""
        for start in range(0, len(positions), CHUNK):
            yield start, self.matrix(positions[start : start + CHUNK])

    def buyers(self, segment: str) -> np.ndarray:
        """Members of the segment who bought each category, of shape (n_categories,)."""
        counts = np.zeros(len(self.categories), dtype=np.int64)
        for _, matrix in self.chunks(self.members(segment)):
            counts += matrix.sum(axis=0)
        return counts


def unpacked(words: np.ndarray, n_categories: int) -> np.ndarray:
    """Words of bits as a table of shape (n_customers, n_categories), bool."""
    bits = np.unpackbits(words.astype("<u8").view(np.uint8).reshape(len(words), -1), axis=1, bitorder="little")
    places = np.arange(n_categories)
    return bits[:, places // _BITS * 64 + places % _BITS].astype(bool)


def category_column(tables: Tables) -> str | None:
    """What categories of lines are read from: ``category``, else ``department``; None where lines have neither."""
    for column in _COLUMNS:
        of_product = tables.has("products", column) and tables.has("transactions", "product_id")
        if tables.has("transactions", "customer_id", column) or (tables.has("transactions") and of_product):
            return column
    return None


def read_bought(tables: Tables, customers: Customers) -> Bought | None:
    """Read what categories customers bought; None where lines have no categories, or nobody bought anything."""
    column = category_column(tables)
    if column is None:
        return None
    counted = customers.described & (customers.status == ACTIVE).to_numpy()
    segments = customers.placed["segment_id"][counted]
    by_segment = _BOUGHT.format(column=column, of="segment_id", but="")
    spend = query_relations(tables, customers.window, by_segment + _SPEND, segments)
    if spend.empty:
        return None
    total = spend.groupby("segment_id")["spend"].sum()
    names = spend.drop_duplicates("place")["category"]
    left_out = tuple(names[[special_category(name) is not None for name in names]])
    # The places of those that are left move up.
    spend = spend[~spend["category"].isin(left_out)]
    spend = spend.assign(place=spend["place"].rank(method="dense").astype("int64") - 1)
    spend = spend[spend["place"] < MAX_CATEGORIES]
    categories = spend.drop_duplicates("place")["category"].tolist()
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in left_out)
    but = f" AND {column}::VARCHAR NOT IN ({listed})" if listed else ""
    words = ", ".join(_WORD.format(bits=_BITS, word=word) + f" AS word_{word}" for word in range(_WORDS))
    by_customer = _BOUGHT.format(column=column, of="customer_id", but=but)
    masks = query_relations(tables, customers.window, by_customer + _MASKS.format(words=words), segments)
    masks = masks.set_index("customer_id").reindex(segments.index, fill_value=0)
    by_place = spend.pivot_table(index="segment_id", columns="place", values="spend", fill_value=0.0, aggfunc="sum")
    by_place.columns = pd.Index(categories)
    return Bought(categories, segments, masks.to_numpy().astype(np.uint64), by_place, total, left_out)
