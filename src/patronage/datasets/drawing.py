"""Random draws for many customers at once, and names for what was drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logit

DAY_SECONDS = 86_400
OPENS, CLOSES = 8 * 3_600, 22 * 3_600
"""Seconds of the day between which everything happens."""
NO_SPREAD = 1e-6
"""Less is none: the square, and its inverse, are no longer sound numbers."""


def pick(rng: np.random.Generator, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Draw one option per row.

    Parameters
    ----------
    weights : ndarray of shape (n_kinds, n_options)
        Not negative; each kind has a positive one.
    rows : ndarray of shape (n_rows,), int
        The kind of each row.

    Returns
    -------
    ndarray of shape (n_rows,), int
    """
    edges = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    edges[:, -1] = 1.0
    # Every kind has its own stretch [kind, kind + 1), so one search serves all rows.
    stretches = (edges + np.arange(len(weights))[:, None]).ravel()
    found = np.searchsorted(stretches, rows + rng.random(len(rows)), side="right")
    # kind + 0.99…9 may be rounded to the next kind's stretch.
    return np.clip(found - rows.astype(np.int64) * weights.shape[1], 0, weights.shape[1] - 1)


def varied_rate(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    """Gamma factors of mean 1 and standard deviation ``spread``: with Poisson counts, the NBD of buying behaviour.

    Source: A. S. C. Ehrenberg, "The pattern of consumer purchases", Applied Statistics 8 (1959).
    """
    return np.ones(n) if spread < NO_SPREAD else rng.gamma(1 / spread**2, spread**2, n)


def varied_size(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    """Lognormal factors of mean 1; ``spread`` is the standard deviation of their logarithm."""
    return np.exp(spread * rng.standard_normal(n) - spread**2 / 2)


def varied_share(rng: np.random.Generator, share: np.ndarray, spread: float) -> np.ndarray:
    """Shares moved by normal noise of standard deviation ``spread`` on the logit scale; 0 and 1 stay as they are."""
    return np.asarray(expit(logit(share) + spread * rng.standard_normal(len(share))))


def moments_within(rng: np.random.Generator, first_day: np.ndarray, end_day: np.ndarray) -> np.ndarray:
    """Seconds since the period's first midnight, on a day of ``[first_day, end_day)``."""
    day = first_day + np.floor((end_day - first_day) * rng.random(len(first_day))).astype(np.int64)
    return day * DAY_SECONDS + rng.integers(OPENS, CLOSES, len(day))


def labels(codes: np.ndarray, names: Sequence[str] | pd.Index) -> pd.Categorical:
    """Text of few different values, kept as numbers: ``names[code]`` of each code, none where it is −1.

    Names may be there twice, as the country of two cities.
    """
    index = pd.Index(names)
    if not index.is_unique:
        known = index.unique()
        codes, index = known.get_indexer(index)[codes], known
    return pd.Categorical.from_codes(codes, categories=index)
