"""Hand-made tables and what the features of one catalogue make of them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from patronage.catalogue import Catalogue, Feature
from patronage.features import build_features, learn_catalogue
from patronage.tables import DataSource, TableSource, open_tables
from patronage.windows import Window
from tests.conftest import declared

MONTHS = 16
MONTH_DAYS = 30.4375
WINDOW = Window(date(2024, 1, 1), lookback_days=487, outcome_days=30)
"""Sixteen months of 30.4375 days, from 1 September 2022 to 31 December 2023; the second half begins on 2 May 2023."""

MOMENTS = {
    "transactions": "ordered_at",
    "events": "occurred_at",
    "contacts": "occurred_at",
    "campaigns": "sent_at",
    "answers": "answered_at",
}


@dataclass(frozen=True)
class Family:
    """Tables, and the value of every feature of a catalogue for every customer of them.

    Attributes
    ----------
    catalogue : str
        Name of a file in ``conf/features``.
    tables : mapping
        Canonical table → rows; the customer ``silent`` stands in the table customers alone.
    expected : mapping
        Feature → customer → number, text or None.
    """

    catalogue: str
    tables: Mapping[str, pd.DataFrame]
    expected: Mapping[str, Mapping[str, float | str | None]]


def table(columns: str, *rows: tuple[Any, ...]) -> pd.DataFrame:
    """Rows as a frame; columns that end in _at or _date are moments."""
    frame = pd.DataFrame(rows, columns=columns.split())
    for column in frame.columns[frame.columns.str.endswith(("_at", "_date"))]:
        frame[column] = pd.to_datetime(frame[column], format="ISO8601").astype("datetime64[us]")
    return frame


def customers(*names: str) -> pd.DataFrame:
    """Customers of whom nothing is told."""
    return pd.DataFrame({"customer_id": [*names, "silent"]})


def compute(
    tables: Mapping[str, pd.DataFrame], features: tuple[Feature, ...], window: Window = WINDOW
) -> tuple[Catalogue, pd.DataFrame]:
    """Catalogue and features of frames, which are read as Parquet files."""
    with tempfile.TemporaryDirectory() as folder:
        sources = {}
        for name, frame in tables.items():
            path = Path(folder) / f"{name}.parquet"
            frame.to_parquet(path, index=False)
            sources[name] = TableSource(path=str(path))
        with open_tables(DataSource("hand-made", sources)) as opened:
            catalogue = learn_catalogue(opened, features, window)
            return catalogue, build_features(opened, catalogue, window).frame


def told(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """A feature table as feature → customer → value, None where there is none."""
    return {
        str(name): {str(who): None if pd.isna(value) else value for who, value in column.items()}
        for name, column in frame.items()
    }


def require_expected(family: Family) -> None:
    """Check that the catalogue gives exactly the expected features, customers and values."""
    catalogue, frame = compute(family.tables, declared(family.catalogue))
    assert catalogue.skipped == {}
    found = told(frame)
    assert found.keys() == family.expected.keys()
    wrong = {
        f"{feature} of {who}": f"{found[feature][who]} instead of {value}"
        for feature, values in family.expected.items()
        for who, value in values.items()
        if not _equal(found[feature][who], value)
    }
    assert wrong == {}
    assert all(found[feature].keys() == values.keys() for feature, values in family.expected.items())


def _equal(found: float | str | None, expected: float | str | None) -> bool:
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=1e-8, abs_tol=1e-9)  # features have nine decimals
    return found == expected
