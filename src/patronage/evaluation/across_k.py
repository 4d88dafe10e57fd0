"""Where a segment's members come from as the number of segments grows: stability across solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.evaluation.row import Row

_N_SWEEPS = 12
"""Orders are improved forth and back this often; the best is kept, so that more sweeps never make it worse."""


@dataclass(frozen=True)
class AcrossK:
    """Solutions with more and more segments, and the flows between neighbours.

    Groups are the segments with at least one customer, from the top to the bottom of a picture, and below them the
    unassigned, where there are any.

    Attributes
    ----------
    counts : tuple of int
        Number of segments asked for in each solution, ascending.
    groups : tuple of ndarray of shape (n_groups,), int
        Per solution, the labels of its groups; ``UNASSIGNED`` is the last.
    sizes : tuple of ndarray of shape (n_groups,), int
        Per solution, the customers in each group.
    flows : tuple of ndarray of shape (n_former_groups, n_groups), int
        Per solution but the first, customers by the group of the solution before and the group they are in.
    stability : tuple of ndarray of shape (n_groups,)
        Per solution, `origin_stability` of each group; NaN in the first.
    """

    counts: tuple[int, ...]
    groups: tuple[np.ndarray, ...]
    sizes: tuple[np.ndarray, ...]
    flows: tuple[np.ndarray, ...]
    stability: tuple[np.ndarray, ...]

    def names(self, solution: int) -> list[str]:
        """Names of a solution's groups: the segments' positions from the top, ``"1"`` …, and ``"unassigned"``."""
        return [
            "unassigned" if label == UNASSIGNED else str(position + 1)
            for position, label in enumerate(self.groups[solution])
        ]

    def origins(self, solution: int) -> np.ndarray:
        """Share of each group's members by the group that they were in before.

        Parameters
        ----------
        solution : int
            Position of a solution, from 1 on.

        Returns
        -------
        ndarray of shape (n_former_groups, n_groups)
            Each column sums to 1.
        """
        return self.flows[solution - 1] / self.sizes[solution]

    def table(self) -> pd.DataFrame:
        """One line per group.

        Returns
        -------
        DataFrame
            Columns k, segment, n_customers, share (of all customers), main_origin (the former group that most members
            come from; the first, where two give as many), share_from_main_origin and stability; the last three are
            empty for the first solution.
        """
        lines = []
        for solution, k in enumerate(self.counts):
            names, total = self.names(solution), self.sizes[solution].sum()
            for group, name in enumerate(names):
                line = {
                    "k": k,
                    "segment": name,
                    "n_customers": int(self.sizes[solution][group]),
                    "share": float(self.sizes[solution][group] / total),
                    "main_origin": None,
                    "share_from_main_origin": float("nan"),
                    "stability": float(self.stability[solution][group]),
                }
                if solution:
                    shares = self.origins(solution)[:, group]
                    line["main_origin"] = self.names(solution - 1)[int(shares.argmax())]
                    line["share_from_main_origin"] = float(shares.max())
                lines.append(line)
        return pd.DataFrame(lines)


def across_k(solutions: Mapping[int, np.ndarray], worth: np.ndarray | None = None) -> AcrossK:
    """Follow customers through solutions with more and more segments.

    Parameters
    ----------
    solutions : mapping of int to ndarray of shape (n_customers,)
        Number of segments asked for → labels of the same customers; ``UNASSIGNED`` is a group of its own.
    worth : ndarray of shape (n_customers,), optional
        What each customer is worth: of two orders that cross equally little, the one with the more valuable segments
        on top is taken.

    Returns
    -------
    AcrossK
        Groups stand so that flows cross little (barycentre sweeps); how they were labelled does not matter.

    Raises
    ------
    ValueError
        There is no solution, no customer, or the solutions label different numbers of customers.

    References
    ----------
    Dolnicar & Leisch (2017), Using segment level stability to select target segments in data-driven market
    segmentation studies, Marketing Letters 28.
    Sugiyama, Tagawa & Toda (1981), Methods for visual understanding of hierarchical system structures, IEEE
    Transactions on Systems, Man, and Cybernetics 11.
    """
    counts = tuple(sorted(solutions))
    n_customers = {len(labels) for labels in solutions.values()}
    if len(n_customers) != 1 or 0 in n_customers:
        raise ValueError(f"solutions must label the same customers, at least one; got {sorted(n_customers)} labels")
    labels = [np.asarray(solutions[k]) for k in counts]
    groups, own = zip(*(_groups(given, worth) for given in labels), strict=True)
    flows = [
        np.bincount(before * len(groups[n + 1]) + after, minlength=len(groups[n]) * len(groups[n + 1])).reshape(
            len(groups[n]), len(groups[n + 1])
        )
        for n, (before, after) in enumerate(pairwise(own))
    ]
    sizes = [np.bincount(positions, minlength=len(found)) for positions, found in zip(own, groups, strict=True)]
    orders = _uncrossed(groups, sizes, flows)
    if worth is not None:
        orders = _valuable_first(orders, groups, own, worth)
    flows = [flow[np.ix_(before, after)] for flow, (before, after) in zip(flows, pairwise(orders), strict=True)]
    return AcrossK(
        counts,
        tuple(found[order] for found, order in zip(groups, orders, strict=True)),
        tuple(size[order] for size, order in zip(sizes, orders, strict=True)),
        tuple(flows),
        (np.full(len(orders[0]), np.nan), *(origin_stability(flow) for flow in flows)),
    )


def origin_stability(flow: np.ndarray) -> np.ndarray:
    """Stability of each group against the solution before, from where its members come (SLSA).

    1 + Σ pⱼ ln pⱼ / ln m over the shares pⱼ of members from each of the m former groups: 1 where all come from one
    former group, 0 where all former groups gave as many. 1 where there was one group only; NaN for a group without
    members.

    Parameters
    ----------
    flow : ndarray of shape (n_former_groups, n_groups)
        Customers by former group and group.

    References
    ----------
    Dolnicar & Leisch (2017), as in `across_k`; here with noise as a former group like the others. The scale grows with
    the number of former groups: compare segments of one solution, not solutions.
    """
    flow = np.asarray(flow, dtype=float)
    members = flow.sum(axis=0)
    shares = np.divide(flow, members, out=np.zeros_like(flow), where=members > 0)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logarithms).sum(axis=0)
    scale = np.log(len(flow)) if len(flow) > 1 else 1.0
    return np.where(members > 0, np.clip(1 - entropy / scale, 0.0, 1.0), np.nan)


def crossings(flow: np.ndarray) -> float:
    """How much the ribbons between two solutions cross: Σ fᵢⱼ fᵢ′ⱼ′ over i < i′, j > j′, in pairs of customers.

    Parameters
    ----------
    flow : ndarray of shape (n_former_groups, n_groups)
        Customers by former group and group, both from top to bottom.
    """
    flow = np.asarray(flow, dtype=float)
    below = flow[::-1].cumsum(axis=0)[::-1] - flow  # from lower former groups
    above = below.cumsum(axis=1) - below  # … to higher groups
    return float((flow * above).sum())


def solutions_of(
    rows: Sequence[Row], labels: Sequence[np.ndarray], leaders: Sequence[Row]
) -> tuple[Row | None, dict[int, np.ndarray]]:
    """Labels by one clusterer at every number of segments that it was asked for.

    Parameters
    ----------
    rows : sequence of Row
        All candidates.
    labels : sequence of ndarray of shape (n_customers,)
        By each of them.
    leaders : sequence of Row
        The first that has at least two solutions is followed: its clusterer, representation and other parameters.

    Returns
    -------
    leader : Row or None
    solutions : dict of int to ndarray
        Number asked for → labels; empty where no leader has two solutions.
    """
    for leader in leaders:
        found = {
            row.asked: given
            for row, given in zip(rows, labels, strict=True)
            if row.asked and not row.failure and row.series == leader.series
        }
        if leader.asked and not leader.failure and len(found) > 1:
            return leader, found
    return None, {}


def _groups(labels: np.ndarray, worth: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the groups from the most valuable, or else the largest, down; and each customer's position in them."""
    found, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = sizes if worth is None else np.bincount(own, weights=worth) / sizes
    order = np.lexsort((-sizes, -rank, found == UNASSIGNED))
    return found[order], np.argsort(order)[own]


def _uncrossed(
    groups: Sequence[np.ndarray], sizes: Sequence[np.ndarray], flows: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Order every solution's groups by the barycentres of where they come from and go to; noise stays below."""
    orders = [np.arange(len(found)) for found in groups]

    def crossed(tried: Sequence[np.ndarray]) -> float:
        return sum(crossings(flow[np.ix_(a, b)]) for flow, (a, b) in zip(flows, pairwise(tried), strict=True))

    def place(solution: int, neighbour: int, flow: np.ndarray) -> None:
        """``flow`` has shape (n_neighbour_groups, n_groups)."""
        order = orders[neighbour]
        height = np.empty(len(order))
        height[order] = sizes[neighbour][order].cumsum() - sizes[neighbour][order] / 2
        barycentre = height @ flow / sizes[solution]
        orders[solution] = np.lexsort((barycentre, groups[solution] == UNASSIGNED))

    best, fewest = list(orders), crossed(orders)
    for _ in range(_N_SWEEPS):
        for solution in range(1, len(orders)):
            place(solution, solution - 1, flows[solution - 1])
        if crossed(orders) < fewest:
            best, fewest = list(orders), crossed(orders)
        for solution in range(len(orders) - 2, -1, -1):
            place(solution, solution + 1, flows[solution].T)
        if crossed(orders) < fewest:
            best, fewest = list(orders), crossed(orders)
    return best


def _valuable_first(
    orders: Sequence[np.ndarray], groups: Sequence[np.ndarray], own: Sequence[np.ndarray], worth: np.ndarray
) -> list[np.ndarray]:
    """Turn all orders upside down where that brings the more valuable segments to the top; as many flows cross."""
    slope = 0.0
    for order, found, positions in zip(orders, groups, own, strict=True):
        assigned = found[positions] != UNASSIGNED
        if assigned.any():
            height = np.argsort(order)[positions[assigned]]
            slope += float(((height - height.mean()) * (worth[assigned] - worth[assigned].mean())).sum())
    if slope <= 0:
        return list(orders)
    return [
        np.concatenate([order[found[order] != UNASSIGNED][::-1], order[found[order] == UNASSIGNED]])
        for order, found in zip(orders, groups, strict=True)
    ]
