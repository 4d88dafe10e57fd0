"""How far groups differ in ranks and shares, whether by chance, and how many such questions were asked."""

from __future__ import annotations

import numpy as np
from scipy.special import erfc, ndtri

LEVEL = 0.90
"""Of every interval in profiles."""


def two_sided(z: np.ndarray) -> np.ndarray:
    """The p of a standard normal statistic, both sides; NaN stays NaN."""
    return np.asarray(erfc(np.abs(z) / np.sqrt(2)))


def rank_effects(values: np.ndarray, group: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far the values of each group lie above those of all, in ranks, and how far from chance that is.

    effect = (mean rank of the group − mean rank of all) / σ, with σ the standard deviation of all ranks, ties sharing
    their mean rank. It depends neither on a value's scale nor on a few giants. The mean rank of n out of N drawn by
    chance has a variance of σ²/n · (N − n)/(N − 1), so z = effect · √(n (N − 1) / (N − n)): the statistic of Mann and
    Whitney's test of the group against all others, corrected for ties.

    Parameters
    ----------
    values : ndarray of shape (n_customers,)
        NaN is left out.
    group : ndarray of shape (n_customers,), int
        Group of each, from 0 on; below 0 a customer is among all, and in no group.
    n_groups : int

    Returns
    -------
    effect, z : ndarray of shape (n_groups,)
        0 where all values are the same; NaN for a group of whom nothing is known.
    n : ndarray of shape (n_groups,), int
        Customers of each group of whom the value is known.

    References
    ----------
    Mann & Whitney (1947), Annals of Mathematical Statistics 18. Kruskal & Wallis (1952), Journal of the American
    Statistical Association 47, on ties.
    """
    known = ~np.isnan(values)
    values, group = values[known], group[known]
    inside = group >= 0
    n = np.bincount(group[inside], minlength=n_groups)
    total = len(values)
    if not total:
        return np.full(n_groups, np.nan), np.full(n_groups, np.nan), n
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    # Twice the rank, less that of the middle: whole numbers, so that sums do not depend on their order.
    rank = (2 * np.cumsum(ties) - ties - total)[place]
    spread = np.sqrt(np.mean(rank.astype(float) ** 2))
    sums = np.bincount(group[inside], weights=rank[inside], minlength=n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        effect = sums / n / spread if spread > 0 else np.where(n > 0, 0.0, np.nan)
        z = np.where(n < total, effect * np.sqrt(n * (total - 1) / (total - n)), 0.0)
    return effect, np.where(n > 0, z, np.nan), n


def holm(p: np.ndarray) -> np.ndarray:
    """p-values corrected for their number, by Holm's step-down method; NaN stays NaN and is not counted.

    Of m values in rising order the i-th becomes the largest of (m − j + 1) p_j over j ≤ i, and 1 at most. The chance
    that any true hypothesis falls below a level is then at most that level, whatever depends on what.

    Parameters
    ----------
    p : ndarray of shape (n_tests,)

    Returns
    -------
    ndarray of shape (n_tests,)

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p, dtype=float)
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    rising = known[np.argsort(p[known], kind="stable")]
    stepped = np.arange(len(rising), 0, -1) * p[rising]
    corrected[rising] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def two_proportions(n_first: np.ndarray, first: np.ndarray, n_second: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two-sided p that two shares are the same, by the pooled normal approximation.

    z = (p₁ − p₂) / √(p (1 − p) (1/n₁ + 1/n₂)), with p the share of both together.

    Parameters
    ----------
    n_first, n_second : ndarray
        Customers in either group.
    first, second : ndarray
        How many of them have the trait; all four of one shape.

    Returns
    -------
    ndarray
        1 where all or none have it; NaN where a group is empty.

    References
    ----------
    Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, chapter 3.
    """
    counts = (np.asarray(one, dtype=float) for one in (n_first, first, n_second, second))
    n_first, first, n_second, second = counts
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (first + second) / (n_first + n_second)
        spread = np.sqrt(pooled * (1 - pooled) * (1 / n_first + 1 / n_second))
        difference = first / n_first - second / n_second
        z = np.where((pooled > 0) & (pooled < 1), difference / spread, 0.0)
    return np.where((n_first > 0) & (n_second > 0), two_sided(z), np.nan)


def wilson_interval(n: np.ndarray, k: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a share of which ``k`` of ``n`` are known: Wilson's, which holds for few and for rare ones too.

    Returns
    -------
    low, high : ndarray
        Within [0, 1]; NaN where ``n`` is 0.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22. Brown, Cai & DasGupta (2001), Statistical
    Science 16.
    """
    n, k = np.asarray(n, dtype=float), np.asarray(k, dtype=float)
    z = float(ndtri((1 + level) / 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = k / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
