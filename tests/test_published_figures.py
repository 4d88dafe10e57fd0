"""Figures that others have published of the same data, found again from features that patronage has built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from patronage import config
from patronage.catalogue import Feature
from patronage.features import build_features, learn_catalogue
from patronage.tables import DataSource, Tables, open_tables
from patronage.windows import Window
from tests.real_data import real_data

pytestmark = pytest.mark.real_data

PUBLISHED_LINES = "Quantity > 0 AND InvoiceDate >= DATE '2010-12-01'"
"""The second year without cancellations; customers without a number are left out by the data configuration."""

RFM = (
    # Whole days between the last order and the last line of all, as published.
    Feature("recency_days", "lines", "date_sub('day', max(ordered_at), TIMESTAMP '2011-12-09 12:50:00')"),
    Feature("lines", "lines", "count(*)"),
    Feature("orders", "orders", "count(*)"),
    Feature("revenue", "lines", "sum(revenue)"),
)


@pytest.fixture(scope="module")
def patronage_data() -> Iterator[Path]:
    """The folder with the data sets."""
    with real_data() as folder:
        yield folder


def source(data: str, overrides: Sequence[str] = ()) -> DataSource:
    """A shipped data configuration."""
    return config.data_source(config.compose_config("score", [f"data={data}", *overrides])["data"])


def built(tables: Tables, features: Sequence[Feature], window: Window) -> pd.DataFrame:
    """Features of the active customers."""
    return build_features(tables, learn_catalogue(tables, features, window), window).active


# Online Retail


@pytest.fixture(scope="module")
def retail(patronage_data: Path) -> Mapping[str, pd.DataFrame | tuple[int, ...]]:
    """Counts of the published year, and RFM of its customers with and without lines at a price of 0."""
    found: dict[str, pd.DataFrame | tuple[int, ...]] = {}
    for name, condition in (("all", PUBLISHED_LINES), ("priced", f"{PUBLISHED_LINES} AND Price > 0")):
        with open_tables(source("online_retail", [f"data.transactions.where={condition}"])) as tables:
            found[f"{name} counts"] = tables.row("SELECT count(*), count(DISTINCT customer_id) FROM transactions")
            found[name] = built(tables, RFM, Window(date(2011, 12, 10), 374, 91))
    return found


def test_the_published_year_of_online_retail_has_as_many_lines(retail: Mapping[str, object]) -> None:
    """Each line of the nine days that are there twice counts once; 40 lines cost nothing."""
    assert retail["all counts"] == (397_924, 4_339)
    assert retail["priced counts"] == (397_884, 4_338)


def test_published_recency_lines_and_revenue_of_five_customers(retail: Mapping[str, pd.DataFrame]) -> None:
    """The first five customers of John et al. (2023), Analytics 2(4), 809–823."""
    five = retail["all"].loc[["12346", "12347", "12348", "12349", "12350"], ["recency_days", "lines", "revenue"]]
    expected = [[325, 1, 77183.60], [1, 182, 4310.00], [74, 31, 1797.24], [18, 73, 1757.55], [309, 17, 334.40]]
    np.testing.assert_allclose(five.to_numpy(), expected, rtol=0, atol=1e-9)


def test_a_high_silhouette_on_rfm_depends_on_the_scale_alone(retail: Mapping[str, pd.DataFrame]) -> None:
    """K-means with three segments: .65 on minima to maxima, .594 standardised, .34 on logarithms."""
    raw = retail["all"][["recency_days", "orders", "revenue"]]
    for scaled, silhouette, within, sizes in (
        ((raw - raw.min()) / (raw.max() - raw.min()), 0.65, 0.006, None),
        (standardised(raw), 0.594, 0.001, [26, 1_082, 3_231]),
        (standardised(np.log1p(raw)), 0.34, 0.006, None),
    ):
        labels = KMeans(3, n_init=5, random_state=0).fit_predict(scaled)
        assert silhouette_score(scaled, labels) == pytest.approx(silhouette, abs=within)
        assert sizes is None or sorted(np.bincount(labels)) == sizes


def standardised(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean 0 and variance 1."""
    return (frame - frame.mean()) / frame.std(ddof=0)


# CDNOW


def test_cdnow_is_read_whole(patronage_data: Path) -> None:
    """69,659 purchases of 23,570 customers, all of whom began in the first quarter; 80 brought nothing."""
    with open_tables(source("cdnow")) as tables:
        assert tables.row(
            "SELECT count(*), count(DISTINCT customer_id), count(*) FILTER (WHERE revenue = 0), "
            "min(ordered_at)::DATE, max(ordered_at)::DATE, sum(revenue) FROM transactions"
        )[:5] == (69_659, 23_570, 80, date(1997, 1, 1), date(1998, 6, 30))
        assert tables.row("SELECT max(first) FROM (SELECT min(ordered_at)::DATE AS first FROM transactions "
                          "GROUP BY customer_id)") == (date(1997, 3, 25),)  # fmt: skip


def test_the_published_sample_of_cdnow_is_read_whole(patronage_data: Path) -> None:
    """6,919 purchases of 2,357 customers; the columns stand five signs further right, after a number of their own."""
    options = [
        f"data.transactions.path={patronage_data / 'cdnow_sample.txt'}",
        "data.transactions.derive.ordered_at=substr(column0, 13, 8)",
        "data.transactions.derive.quantity=substr(column0, 21, 3)",
        "data.transactions.derive.revenue=substr(column0, 24)",
    ]
    with open_tables(source("cdnow", options)) as tables:
        counts = tables.row("SELECT count(*), count(DISTINCT customer_id), min(quantity) > 0 FROM transactions")
    assert counts == (6_919, 2_357, True)


# McDonald's


ITEMS = (
    "yummy",
    "convenient",
    "spicy",
    "fattening",
    "greasy",
    "fast",
    "cheap",
    "tasty",
    "expensive",
    "healthy",
    "disgusting",
)
PROFILES = (
    (0.02, 0.68, 0.07, 0.92, 0.71, 0.74, 0.07, 0.08, 0.90, 0.06, 0.73),
    (0.87, 0.96, 0.14, 0.91, 0.61, 0.86, 0.11, 0.93, 0.92, 0.21, 0.11),
    (0.02, 0.91, 0.08, 0.93, 0.60, 0.96, 0.90, 0.29, 0.01, 0.07, 0.33),
    (0.97, 0.98, 0.08, 0.78, 0.35, 0.96, 0.92, 0.97, 0.02, 0.34, 0.05),
)
"""Shares of Yes in the four published segments, from which K-means starts: hundreds of partitions lie as close."""


@pytest.fixture(scope="module")
def items(patronage_data: Path) -> np.ndarray:
    """Answers to the eleven items, 1 for Yes; ndarray of shape (1453, 11)."""
    given = config.compose_config("train", ["data=mcdonalds"])
    with open_tables(config.data_source(given["data"])) as tables:
        declared = config.features({"psychographic": given["features"]["psychographic"]})
        frame = built(tables, declared, Window(date(2018, 1, 1), 1, 1))
    return frame[[f"item_score_{item}" for item in ITEMS]].to_numpy(float)


def test_published_segments_of_mcdonalds(items: np.ndarray) -> None:
    """K-means with four segments on the eleven items: inertia 1603.0, sizes 533, 364, 316 and 240, silhouette .257."""
    assert items.shape == (1453, 11)
    fitted = KMeans(4, init=np.array(PROFILES), n_init=1).fit(items)
    assert fitted.inertia_ == pytest.approx(1603.0, abs=0.05)
    assert sorted(np.bincount(fitted.labels_), reverse=True) == [533, 364, 316, 240]
    assert silhouette_score(items, fitted.labels_) == pytest.approx(0.257, abs=0.0005)


def test_published_likelihood_of_a_binary_mixture(items: np.ndarray) -> None:
    """Four latent classes of independent answers reach a log-likelihood of −7111.1 (Dolnicar et al., 2018)."""
    assert max(binary_mixture(items, 4, seed) for seed in range(10)) == pytest.approx(-7111.1, abs=0.1)


def binary_mixture(answers: np.ndarray, n_classes: int, seed: int) -> float:
    """Log-likelihood of a latent class model, by expectation and maximisation from a random start."""
    rng = np.random.default_rng(seed)
    share, yes = np.full(n_classes, 1 / n_classes), rng.uniform(0.2, 0.8, (n_classes, answers.shape[1]))
    reached = -np.inf
    for _ in range(2_000):
        joint = np.log(share) + answers @ np.log(yes).T + (1 - answers) @ np.log1p(-yes).T
        each = np.logaddexp.reduce(joint, axis=1)
        if each.sum() - reached < 1e-6:
            break
        reached = float(each.sum())
        belongs = np.exp(joint - each[:, None])
        share = belongs.mean(axis=0)
        yes = np.clip(belongs.T @ answers / belongs.sum(axis=0)[:, None], 1e-9, 1 - 1e-9)
    return reached
