"""Customers of whom it is known what they bought and where they were placed, for the tests of categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import numpy as np
import pandas as pd

from patronage.catalogue import Catalogue
from patronage.profiles import Customers
from patronage.segments import RESERVED_NAMES
from patronage.tables import DataSource, Tables, TableSource, open_tables
from patronage.windows import Window

WINDOW = Window(date(2024, 1, 1), 100, 0)


def ids_of(n: int) -> list[str]:
    """Ids that need their leading zeros."""
    return [f"{number:05d}" for number in range(n)]


def shoppers(segments: Sequence[str], value: Sequence[float] | None = None, **columns: Sequence[str]) -> Customers:
    """Customers placed in these segments; all of them active and placed by what they do, unless columns say more."""
    index = pd.Index(ids_of(len(segments)), name="customer_id", dtype="str")
    placed = pd.DataFrame(
        {
            "segment_id": pd.array(list(segments), dtype="str"),
            "segment_name": [RESERVED_NAMES.get(one, f"Group {one}") for one in segments],
            "confidence": 0.9,
            "runner_up_id": columns.get("runner_up_id", ""),
            "basis": columns.get("basis", "behaviour"),
        },
        index=index,
    )
    status = pd.Series(columns.get("status", "active"), index=index, dtype="str")
    worth = pd.Series(np.nan if value is None else np.asarray(value, dtype=float), index=index)
    nothing = pd.DataFrame(index=index)
    name = "none" if value is None else "profit"
    return Customers(WINDOW, Catalogue(()), nothing, status, placed, nothing, worth, name)


def lines_of(matrix: np.ndarray, categories: Sequence[str], price: float = 1.0) -> pd.DataFrame:
    """A line for every category that a customer bought."""
    who, what = np.nonzero(matrix)
    return pd.DataFrame(
        {
            "customer_id": np.array(ids_of(len(matrix)))[who],
            "ordered_at": pd.Timestamp("2023-12-01"),
            "revenue": price,
            "category": np.array(categories, dtype=object)[what],
        }
    )


@contextmanager
def opened(lines: pd.DataFrame) -> Iterator[Tables]:
    """The lines as tables."""
    with open_tables(DataSource("shop", tables={"transactions": TableSource(frame=lines)})) as tables:
        yield tables


def by_taste(n: int, n_categories: int, seed: int, popularity: Sequence[float] = ()) -> np.ndarray:
    """Customers who differ only in how much they buy, and categories only in how popular they are (Rasch's model)."""
    rng = np.random.default_rng(seed)
    breadth, drawn = rng.normal(-0.5, 1.3, (n, 1)), rng.normal(0, 1.2, n_categories)
    drawn[: len(popularity)] = popularity
    return rng.random((n, n_categories)) < 1 / (1 + np.exp(-breadth - drawn))
