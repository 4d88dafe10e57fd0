"""How often two categories are bought by the same customer, and how often that is to be expected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from patronage.profiles.bought import Bought
from patronage.profiles.members import MIN_CUSTOMERS

_MOST_STEPS = 30
_CLOSE = 0.01  # of the standard deviation of a category's buyers: what is left of it moves no verdict


@dataclass(frozen=True)
class Pairs:
    """How often categories are bought by the same customer.

    Attributes
    ----------
    categories : ndarray of shape (n_categories,), int
        Positions of the categories that at least `MIN_CUSTOMERS` of the customers buy, and not all of them.
    buyers : ndarray of shape (n_categories,)
        Customers who buy a category.
    both, expected, variance : ndarray of shape (n_categories, n_categories)
        Customers who buy the two; how many are to be expected where the two have nothing to do with each other; and
        how far chance moves the one about the other. The diagonal says nothing.
    """

    categories: np.ndarray
    buyers: np.ndarray
    both: np.ndarray
    expected: np.ndarray
    variance: np.ndarray


def pairs_of(bought: Bought, members: np.ndarray) -> Pairs:
    """Count pairs, and what is to be expected of them if customers differ only in how many categories they buy.

    Then (Rasch's model) a customer buys category c with odds ``exp(θ + β_c)``, and given how many it buys, its breadth,
    which ones does not depend on θ. So what is expected is the sum over breadths of ``n_m P(both | m)``, with β such
    that every category is expected to have the buyers it has (conditional maximum likelihood): the breadths of
    customers and the buyers of categories are as they are, and whoever buys much makes no complement. Stratifying by
    the number of *other* categories does not do: of few categories, it tells too little of θ. The variance is that of
    the sum, less what is explained by the two categories' buyers, which are given (the efficient score's).

    Parameters
    ----------
    bought : Bought
    members : ndarray of shape (n_members,)
        Positions of the customers who are counted.

    References
    ----------
    Andersen, E. B. (1972). The numerical solution of a set of conditional estimation equations. Journal of the Royal
    Statistical Society B 34(1).
    """
    n_categories = len(bought.categories)
    both, breadth = np.zeros((n_categories, n_categories)), np.zeros(len(members), dtype=np.int64)
    for _, matrix in bought.chunks(members):
        counted = matrix.astype(np.float32)  # exact: a chunk's counts are below 2²⁴
        both += counted.T @ counted
    buyers = np.diag(both)
    kept = np.flatnonzero((buyers >= MIN_CUSTOMERS) & (buyers < len(members)))
    for start, matrix in bought.chunks(members):
        breadth[start : start + len(matrix)] = matrix[:, kept].sum(axis=1)
    n_customers = np.bincount(breadth, minlength=len(kept) + 1).astype(float)
    with threadpool_limits(1):  # the products are small: threads would only wait for each other
        expected, variance = _expected(buyers[kept], n_customers)
    return Pairs(kept, buyers[kept], both[np.ix_(kept, kept)], expected, variance)


def _expected(buyers: np.ndarray, n_customers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected pairs and their variance, from the buyers of each category and the customers of each breadth."""
    n_categories = len(buyers)
    whole = np.full((n_categories, n_categories), n_customers[-1])  # whoever buys everything buys any two
    # Whoever buys nothing, or everything, leaves nothing to chance.
    widths = np.arange(1, n_categories)[n_customers[1:-1] > 0]
    if not len(widths):
        return whole, np.zeros_like(whole)
    n, target = n_customers[widths], buyers - n_customers[-1]
    tendency = logit((target + 0.5) / (n.sum() + 1))
    for _ in range(_MOST_STEPS):
        law = _given_breadths(widths, tendency)
        spread = n @ (law.shares * (1 - law.shares))
        missing = target - n @ law.shares
        if (np.abs(missing) <= _CLOSE * np.sqrt(spread)).all():
            break
        # Newton's step but for what categories take from each other, which a shift of all of them makes up for.
        tendency = tendency + np.clip(missing / spread, -2, 2)
    pairs = law.pairs()
    expected = np.tensordot(n, pairs, axes=1)
    with_first = expected - np.einsum("m,mab,ma->ab", n, pairs, law.shares, optimize=True)
    together = expected - (law.shares * n[:, None]).T @ law.shares
    raw = expected - np.einsum("m,mab->ab", n, pairs**2)
    # What is known once the buyers of both categories are given cannot vary.
    explained = with_first**2 * spread - 2 * with_first * with_first.T * together + with_first.T**2 * spread[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = raw - explained / (np.outer(spread, spread) - together**2)
    return whole + expected, np.nan_to_num(np.maximum(variance, 0.0), posinf=0.0)


@dataclass(frozen=True)
class _Law:
    """Which categories customers buy, given how many: by breadth.

    Attributes
    ----------
    shares : ndarray of shape (n_breadths, n_categories)
        Chance that a customer of a breadth buys a category.
    weights : ndarray of shape (n_breadths, n_points), complex
    terms : ndarray of shape (n_breadths, n_categories, n_points), complex
        The chance of buying some categories is the sum of the weights times the terms of all of these.
    """

    shares: np.ndarray
    weights: np.ndarray
    terms: np.ndarray

    def pairs(self) -> np.ndarray:
        """Chance of buying both of two categories, of shape (n_breadths, n_categories, n_categories)."""
        weighted = self.terms * self.weights[:, None, :]
        # The real part alone: complex batches do not reach the fast routines.
        left = np.concatenate([weighted.real, -weighted.imag], axis=2)
        right = np.concatenate([self.terms.real, self.terms.imag], axis=2)
        return np.asarray(left @ right.swapaxes(1, 2))


def _given_breadths(widths: np.ndarray, tendency: np.ndarray) -> _Law:
    """Chances given breadths, by the discrete Fourier transform of the number bought.

    With independent purchases of chance p, the chance of m in all is the mean of ``z^-m Π (q_c + p_c z)`` over the
    roots of unity z, and that of m with category a among them has ``p_a z`` in place of its factor. What is given m is
    the ratio, and the same for any θ; one that makes m the mean keeps the numbers far from the machine's least.

    References
    ----------
    Fernández, M., and Williams, S. (2010). Closed-form expression for the Poisson-binomial probability density
    function. IEEE Transactions on Aerospace and Electronic Systems 46(2).
    """
    n_categories = len(tendency)
    level = logit(widths / n_categories) - tendency.mean()
    for _ in range(10):
        chance = expit(level[:, None] + tendency)
        step = (widths - chance.sum(axis=1)) / (chance * (1 - chance)).sum(axis=1)
        level = level + np.clip(step, -2, 2)
    chance = expit(level[:, None] + tendency)[:, :, None]
    n_points = n_categories + 1 + n_categories % 2  # odd: −1, where a factor may vanish, is then no root
    half = np.arange(n_points // 2 + 1)  # the other half is its mirror image
    turn = 2j * np.pi / n_points
    root = np.exp(turn * half)
    factors = 1 - chance + chance * root
    weights = factors.prod(axis=1) * np.exp(-turn * (widths[:, None] * half % n_points)) * np.where(half > 0, 2, 1)
    weights = weights / weights.real.sum(axis=1, keepdims=True)
    terms = chance * root / factors
    return _Law((terms * weights[:, None, :]).real.sum(axis=2), weights, terms)
