"""The shop's range: departments of categories, each with four brands in a plain and a premium variant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from patronage.datasets.personas import DEPARTMENTS

_CATEGORIES: Mapping[str, Mapping[str, float]] = {
    "Grocery": {"fruit": 3.0, "dairy": 2.5, "bakery": 2.8, "drinks": 4.0},
    "Household": {"cleaning": 5.0, "paper": 4.5, "kitchen": 14.0, "laundry": 7.0},
    "Children": {"nappies": 11.0, "toys": 16.0, "school": 8.0, "children's clothing": 14.0},
    "Fashion": {"shirts": 20.0, "shoes": 48.0, "accessories": 13.0, "sportswear": 30.0},
    "Electronics": {"phone accessories": 14.0, "audio": 38.0, "lighting": 24.0, "photo": 45.0},
    "Beauty": {"skin care": 13.0, "hair care": 8.0, "make-up": 10.0, "fragrance": 30.0},
    "Gifts": {"jewellery": 55.0, "wine": 18.0, "chocolate": 12.0, "decoration": 22.0},
    "Services": {"gift wrapping": 5.0, "home delivery": 9.0, "assembly": 28.0, "warranty": 20.0},
}
"""Department → category → price of its plain national brands."""

_BENEFITS = ("freshness", "ease", "care", "style", "performance", "well-being", "delight", "ease")
"""What national brands of each department promise; the own label promises a low price."""

_MARGINS = (0.24, 0.28, 0.32, 0.42, 0.28, 0.42, 0.46, 0.6)
"""Margin rate of national brands, by department."""

_NATIONAL_BRANDS = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Larch", "Maple", "Rowan", "Willow")

CATEGORIES_PER_DEPARTMENT = 4
N_CATEGORIES = CATEGORIES_PER_DEPARTMENT * len(DEPARTMENTS)
N_BRANDS = 4
"""Brands of a category: the own label, number 0, and three national ones."""
N_VARIANTS = 2
N_PRODUCTS = N_CATEGORIES * N_BRANDS * N_VARIANTS


def product_number(category: np.ndarray, brand: np.ndarray, variant: np.ndarray) -> np.ndarray:
    """Position in the range of a category's brand in a variant (0 plain, 1 premium)."""
    return (category * N_BRANDS + brand) * N_VARIANTS + variant


def product_range() -> pd.DataFrame:
    """The products table, of shape (n_products, 8): prices and costs in money with two decimals.

    The range is the same for every seed. ``margin_rate`` is what is left of the list price after ``unit_cost``.
    """
    category, brand, variant = np.unravel_index(np.arange(N_PRODUCTS), (N_CATEGORIES, N_BRANDS, N_VARIANTS))
    department = category // CATEGORIES_PER_DEPARTMENT
    names = [name for department in DEPARTMENTS for name in _CATEGORIES[department]]
    plain = np.array([price for department in DEPARTMENTS for price in _CATEGORIES[department].values()])
    own_label = brand == 0
    national = np.array(_NATIONAL_BRANDS)[(department + 2 * brand) % len(_NATIONAL_BRANDS)]
    price = np.round(plain[category] * np.where(own_label, 0.75, 0.85 + 0.1 * brand) * np.where(variant, 1.5, 0.9), 2)
    margin = np.array(_MARGINS)[department] + np.where(own_label, 0.08, 0.0)
    unit_cost = np.round(price * (1 - margin), 2)
    return pd.DataFrame(
        {
            "product_id": [f"P{number:04d}" for number in range(1, N_PRODUCTS + 1)],
            "category": np.array(names)[category],
            "department": np.array(DEPARTMENTS)[department],
            "brand": np.where(own_label, "Private", national),
            "list_price": price,
            "benefit": np.where(own_label, "price", np.array(_BENEFITS)[department]),
            "unit_cost": unit_cost,
            "margin_rate": np.round(1 - unit_cost / price, 4),
        }
    )
