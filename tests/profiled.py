"""Customers with profiles whose segment is known, for the tests of prospects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from patronage.catalogue import Catalogue, Feature
from patronage.datasets import planted_personas
from patronage.features import FeatureTable, build_features, learn_catalogue
from patronage.periods import scoring_window
from patronage.tables import DataSource, open_tables
from tests.conftest import declared

PROFILE_SETS = ("demographic", "geographic", "influence", "psychographic", "engagement", "stage")


@dataclass(frozen=True)
class Planted:
    """Customers of known personas, as features."""

    source: DataSource
    catalogue: Catalogue
    table: FeatureTable
    labels: np.ndarray
    would_be: np.ndarray

    @property
    def prospects(self) -> pd.DataFrame:
        """Who never bought."""
        return self.table.frame[self.table.status == "prospect"]


def planted_profiles(folder: Path) -> Planted:
    """Customers whose profiles follow their persona, most of whom buy; labels are personas."""
    made = planted_personas(1_500, seed=1, prospect_share=0.2)
    source = made.write(folder)
    with open_tables(source) as tables:
        window = scoring_window(tables, None, 182, 0)
        catalogue = learn_catalogue(tables, declared(*PROFILE_SETS), window)
        table = build_features(tables, catalogue, window)
    active, prospect = table.status == "active", table.status == "prospect"
    kinds = sorted(set(made.persona.astype(str).reindex(table.frame.index)[active]))
    code = {kind: number for number, kind in enumerate(kinds)}
    would_be = made.would_be.astype(str).reindex(table.frame.index).map(lambda kind: code.get(kind, -1)).to_numpy()
    return Planted(source, catalogue, table, would_be[active], would_be[prospect])


def simple(n: int = 400, *, noise: float = 0.0) -> tuple[tuple[Feature, ...], pd.DataFrame, np.ndarray]:
    """A profile of a number and a category that tell two segments apart, but for some noise."""
    rng = np.random.default_rng(2)
    label = np.arange(n) % 2
    seen = np.where(rng.random(n) < noise, 1 - label, label)
    features = (Feature("income", "customers", "income"), Feature("town", "customers", "town", scale="one_hot"))
    frame = pd.DataFrame(
        {
            "income": seen * 100.0 + rng.normal(0, 10, n),
            "town": pd.array(np.where(seen == 1, "east", "west"), dtype="str"),
        },
        index=pd.Index([f"c{number}" for number in range(n)], name="customer_id"),
    )
    return features, frame, label
