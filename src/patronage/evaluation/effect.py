"""How much segments differ in one outcome: effect sizes and shares, and what acting on them would earn.

All are pure functions of labels and numbers. The unassigned are a group like the others, as in ``kept``. A customer
whose outcome is not known (NaN) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOP_SHARE = 0.2


def omega2(outcome: np.ndarray, labels: np.ndarray) -> float:
    """ω², the share of an outcome's variance that lies between groups, without the part that chance puts there.

    ω² = (SS_between − (k − 1) MS_within) / (SS_total + MS_within), from a one-way analysis of variance of n customers
    in k groups, with MS_within = SS_within / (n − k). It is 0 on average for groups made by chance, where it may be
    below 0.

    Parameters
    ----------
    outcome : ndarray of shape (n_customers,)
    labels : ndarray of shape (n_customers,)

    Returns
    -------
    float
        0 for a single group or an outcome that does not vary; NaN without customers, or with no more of them than
        groups.

    References
    ----------
    Hays (1963), Statistics for Psychologists. Olejnik & Algina (2003), Psychological Methods 8.
    """
    outcome, labels = _known(outcome, labels)
    groups, own = np.unique(labels, return_inverse=True)
    n, k = len(outcome), len(groups)
    if not n:
        return float("nan")
    centred = outcome - outcome.mean()
    total = float(centred @ centred)
    if total <= 1e-12 * float(outcome @ outcome) or k == 1:  # what is left is rounding
        return 0.0
    if n <= k:
        return float("nan")
    sizes = np.bincount(own)
    means = np.bincount(own, weights=centred) / sizes
    between = float(sizes @ means**2)
    mean_square_within = max(total - between, 0.0) / (n - k)
    return (between - (k - 1) * mean_square_within) / (total + mean_square_within)


def value_gap(outcome: np.ndarray, labels: np.ndarray) -> float:
    """Half the sum of |v_s − p_s|: v_s is a segment's share of the outcome's total, p_s its share of customers.

    0 where every segment holds what its size would let expect. Without losses it is the share of the total that would
    have to change hands for that (the Pietra or Hoover index of inequality between segments), and below 1.

    Returns
    -------
    float
        NaN where the outcome's total is not above 0, as there is nothing to have shares of.

    References
    ----------
    Hoover (1936), The measurement of industrial localization, Review of Economics and Statistics 18.
    """
    outcome, labels = _known(outcome, labels)
    total = float(outcome.sum())
    if not total > 0:
        return float("nan")
    own = np.unique(labels, return_inverse=True)[1]
    values = np.bincount(own, weights=outcome) / total
    return 0.5 * float(np.abs(values - np.bincount(own) / len(own)).sum())


def top_capture(outcome: np.ndarray, place: np.ndarray, share: float = TOP_SHARE) -> float:
    """Share of an outcome's total that is held by the best segments which make up the top 20 % of customers.

    Segments are taken from place 0 on, until ``share`` of the customers are taken; of the last one only the part that
    still fits, with as large a part of its outcome.

    Parameters
    ----------
    outcome : ndarray of shape (n_customers,)
    place : ndarray of shape (n_customers,), int
        Place of each customer's segment in an order that was made by others; 0 is the best.
    share : float
        Of the customers.

    Returns
    -------
    float
        NaN where the outcome's total is not above 0.
    """
    total = float(outcome.sum())
    if not total > 0:
        return float("nan")
    sizes, sums = np.bincount(place), np.bincount(place, weights=outcome)
    before = np.cumsum(sizes) - sizes
    taken = np.clip(share * len(outcome) - before, 0, sizes)
    return float(sums @ np.divide(taken, sizes, out=np.zeros(len(sizes)), where=sizes > 0)) / total


def top20_capture(outcome: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> float:
    """`top_capture` of the segments in the order of their mean outcomes in the *other* folds, best first.

    A lucky segment is thus not called the best by the very customers who made it so: .2 is chance, 1 would be all.
    A segment that the other folds do not know has their overall mean.

    Parameters
    ----------
    outcome, labels, folds : ndarray of shape (n_customers,)

    Returns
    -------
    float
        NaN where the outcome's total is not above 0, or there is only one fold.
    """
    known = ~np.isnan(outcome)
    outcome, folds = outcome[known], folds[known]
    if len(np.unique(folds)) < 2:  # noqa: PLR2004 - one to order by, one to judge by
        return float("nan")
    groups, own = np.unique(labels[known], return_inverse=True)
    place = np.empty(len(own), dtype=int)
    for fold in np.unique(folds):
        judged = folds == fold
        sizes = np.bincount(own[~judged], minlength=len(groups))
        sums = np.bincount(own[~judged], weights=outcome[~judged], minlength=len(groups))
        means = np.where(sizes > 0, sums / np.maximum(sizes, 1), outcome[~judged].mean())
        place_of = np.empty(len(groups), dtype=int)
        place_of[np.argsort(-means, kind="stable")] = np.arange(len(groups))
        place[judged] = place_of[own[judged]]
    return top_capture(outcome, place)


def cramers_v(outcome: np.ndarray, labels: np.ndarray) -> float:
    """Cramér's V between segments and a response of few levels, corrected for what chance puts there.

    With φ² = χ² / n of the r × c table: φ̃² = max(0, φ² − (r − 1)(c − 1) / (n − 1)), r̃ = r − (r − 1)² / (n − 1),
    c̃ likewise, and V = √(φ̃² / (min(r̃, c̃) − 1)).

    Returns
    -------
    float in [0, 1]
        0 where all are in one segment or all respond alike; NaN for fewer than two customers.

    References
    ----------
    Bergsma (2013), A bias-correction for Cramér's V and Tschuprow's T, Journal of the Korean Statistical Society 42.
    """
    outcome, labels = _known(outcome, labels)
    n = len(outcome)
    if n < 2:  # noqa: PLR2004 - the correction divides by n − 1
        return float("nan")
    levels, column = np.unique(outcome, return_inverse=True)
    groups, row = np.unique(labels, return_inverse=True)
    r, c = len(groups), len(levels)
    if min(r, c) == 1:
        return 0.0
    table = np.bincount(row * c + column, minlength=r * c).reshape(r, c)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = float(((table - expected) ** 2 / expected).sum()) / n
    corrected = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    smaller = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(corrected / smaller, 1.0))) if smaller > 0 else 0.0


def is_binary(outcome: np.ndarray) -> bool:
    """Whether an outcome is a response: two different values among the customers for whom it is known."""
    return len(np.unique(outcome[~np.isnan(outcome)])) == 2  # noqa: PLR2004 - yes and no


@dataclass(frozen=True)
class PolicyProfit:
    """What it would earn to treat some segments and not others, per customer, against treating nobody.

    Attributes
    ----------
    profit : float
        Of treating the segments where the others' experience says it pays.
    treat_all : float
        Of treating everybody.
    treated : float
        Share of customers in segments that would be treated.
    """

    profit: float
    treat_all: float
    treated: float


def policy_profit(
    outcome: np.ndarray,
    labels: np.ndarray,
    treated: np.ndarray,
    folds: np.ndarray,
    *,
    propensity: np.ndarray | float,
    margin: float,
    cost: float,
) -> PolicyProfit:
    """Estimate what a targeting by segments earns, from a campaign that left a random control group out.

    A customer's outcome gives the transformed outcome u = T y / e − (1 − T) y / (1 − e), with T whether it was treated
    and e how probable that was; its mean is the uplift E[y | treated] − E[y | not treated]. A segment is treated where
    margin · ū − cost > 0 among the customers of the other folds, and earns what the customers of its own fold say:
    profit = mean of π(s) (margin · u − cost). Out of fold, a policy is not paid for the luck it was chosen by.

    Parameters
    ----------
    outcome : ndarray of shape (n_customers,)
        What was earned from each; a customer whose outcome is not known is left out.
    labels : ndarray of shape (n_customers,)
    treated : ndarray of shape (n_customers,), bool
    folds : ndarray of shape (n_customers,)
    propensity : ndarray of shape (n_customers,), or float
        Probability of being treated, strictly between 0 and 1.
    margin : float
        Profit per unit of outcome.
    cost : float
        Of treating one customer.

    Returns
    -------
    PolicyProfit
        A segment that the other folds know nothing about is treated where treating everybody pays. NaN without
        customers, or with a single fold.

    Raises
    ------
    ValueError
        A propensity is 0 or 1: of customers who could only be treated, or never, nothing can be told.

    References
    ----------
    Horvitz & Thompson (1952), Journal of the American Statistical Association 47. Athey & Imbens (2016), Recursive
    partitioning for heterogeneous causal effects, PNAS 113.
    """
    known = ~np.isnan(outcome)
    chance = np.broadcast_to(np.asarray(propensity, dtype=float), outcome.shape)[known]
    if not ((chance > 0) & (chance < 1)).all():
        raise ValueError("propensity must lie strictly between 0 and 1 for every customer.")
    outcome, labels, treated, folds = outcome[known], labels[known], treated[known].astype(bool), folds[known]
    if len(np.unique(folds)) < 2:  # noqa: PLR2004 - one to choose by, one to judge by
        return PolicyProfit(float("nan"), float("nan"), float("nan"))
    gain = margin * np.where(treated, outcome / chance, -outcome / (1 - chance)) - cost
    groups, own = np.unique(labels, return_inverse=True)
    chosen = np.zeros(len(gain), dtype=bool)
    for fold in np.unique(folds):
        judged = folds == fold
        counts = np.bincount(own[~judged], minlength=len(groups))
        sums = np.bincount(own[~judged], weights=gain[~judged], minlength=len(groups))
        pays = np.where(counts > 0, sums, gain[~judged].mean()) > 0
        chosen[judged] = pays[own[judged]]
    return PolicyProfit(float((gain * chosen).mean()), float(gain.mean()), float(chosen.mean()))


def _known(outcome: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(outcome)
    return np.asarray(outcome, dtype=float)[known], labels[known]
