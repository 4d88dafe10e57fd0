"""How far groups differ in ranks and shares, whether by chance, and how many such questions were asked."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.special import gammainc, gammaincc, ndtr, ndtri

LEVEL = 0.90
"""Of every interval in profiles."""


def rank_effects(values: np.ndarray, group: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far the values of each group lie above those of all, in ranks, and how far from chance that is.

    effect = (mean rank of the group − mean rank of all) / σ, with σ the standard deviation of all ranks, ties sharing
    their mean rank. It depends neither on a value's scale nor on a few giants. The mean rank of n out of N drawn by
    chance has a variance of σ²/n · (N − n)/(N − 1), so z = effect · √(n (N − 1) / (N − n)): the statistic of Mann and
    Whitney's test of the group against all others, corrected for ties.

    Its law is skewed where ranks are, as those of values of which most are 0: by γ = skewness of the ranks ·
    (N − 2n) √(N − 1) / (√(n (N − n)) (N − 2)), the exact third moment of drawing without replacement. So p comes of
    Pearson's type III, a gamma law with that skewness, which is the normal law where there is none; of rare values the
    normal law would find ten times as many differences by chance as there may be.

    Parameters
    ----------
    values : ndarray of shape (n_customers,)
        NaN is left out.
    group : ndarray of shape (n_customers,), int
        Group of each, from 0 on; below 0 a customer is among all, and in no group.
    n_groups : int

    Returns
    -------
    effect, p : ndarray of shape (n_groups,)
        p is two-sided. 0 and 1 where all values are the same; NaN for a group of whom nothing is known.
    n : ndarray of shape (n_groups,), int
        Customers of each group of whom the value is known.

    References
    ----------
    Mann & Whitney (1947), Annals of Mathematical Statistics 18. Kruskal & Wallis (1952), Journal of the American
    Statistical Association 47, on ties. Mielke & Berry (2007), Permutation Methods, chapter 2, on Pearson's type III.
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
    rank = rank.astype(float)
    spread = np.sqrt(np.mean(rank**2))
    sums = np.bincount(group[inside], weights=rank[inside], minlength=n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        effect = sums / n / spread if spread > 0 else np.where(n > 0, 0.0, np.nan)
        z = np.where(n < total, effect * np.sqrt(n * (total - 1) / (total - n)), 0.0)
        skew = np.mean(rank**3) / spread**3 if spread > 0 else 0.0
        drawn = (total - 2 * n) * np.sqrt(total - 1) / (np.sqrt(n * (total - n)) * (total - 2))
        skews = np.where((n > 0) & (n < total) & (total > 2), skew * drawn, 0.0)  # noqa: PLR2004 - of two there is none
    return effect, np.where(n > 0, pearson_two_sided(z, skews), np.nan), n


def pearson_two_sided(z: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """Two-sided p of standardised statistics whose law is Pearson's type III with this skewness.

    G = a + z √a sgn γ, with a = 4/γ², follows the gamma law of shape a. Twice the smaller tail, and 1 at most.
    """
    z, skew = np.broadcast_arrays(np.asarray(z, dtype=float), np.asarray(skew, dtype=float))
    normal = np.abs(skew) < 1e-6  # noqa: PLR2004 - below it, both laws are the same to all digits
    shape = 4 / np.where(normal, 1.0, skew) ** 2
    point = np.maximum(shape + np.sign(skew) * np.where(np.isnan(z), 0.0, z) * np.sqrt(shape), 0.0)
    smaller = np.where(normal, ndtr(-np.abs(z)), np.minimum(gammainc(shape, point), gammaincc(shape, point)))
    return np.asarray(np.where(np.isnan(z), np.nan, np.minimum(2 * smaller, 1.0)))


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


def chance_of_more(count: np.ndarray, expected: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Chance of a count as high, or higher, where nothing but chance is at work.

    The count is a sum of indicators, as that of a (stratified) hypergeometric table, whose law is near a Poisson law
    moved by a whole number so that mean and variance fit: ``floor(expected − variance)`` (Röllin, 2007). Exact tails of
    rare events, and rather too high than too low for frequent ones.

    Parameters
    ----------
    count, expected, variance : ndarray of the same shape
        With a variance of 0 nothing could have been otherwise: the chance is 1.

    References
    ----------
    Röllin, A. (2007). Translated Poisson approximation using exchangeable pair couplings. Annals of Applied Probability
    17(5/6).
    """
    moved = np.floor(expected - variance + 1e-9)  # what is whole stays whole in spite of rounding
    return np.where(variance > 0, stats.poisson.sf(count - moved - 1, expected - moved), 1.0)


def shares_differ(
    n_first: np.ndarray | int, first: np.ndarray, n_second: np.ndarray | int, second: np.ndarray
) -> np.ndarray:
    """Two-sided p that two shares are the same, given how many have the trait in both groups together.

    Fisher's exact test: twice the smaller tail of the hypergeometric count, and 1 at most. A rare trait, or a small
    group, makes no difference out of chance.

    Parameters
    ----------
    n_first, n_second : ndarray or int
        Customers in either group.
    first, second : ndarray
        How many of them have the trait.

    Returns
    -------
    ndarray
        1 where all or none have it, or a group is empty.

    References
    ----------
    Fisher (1935), The logic of inductive inference, Journal of the Royal Statistical Society 98.
    """
    counts = (np.asarray(one, dtype=float) for one in (n_first, first, n_second, second))
    n, inside, n_rest, outside = np.broadcast_arrays(*counts)
    held, total = inside + outside, n + n_rest
    more, fewer = stats.hypergeom.sf(inside - 1, total, held, n), stats.hypergeom.cdf(inside, total, held, n)
    return np.minimum(2 * np.minimum(more, fewer), 1.0)


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
