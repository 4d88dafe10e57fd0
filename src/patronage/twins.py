"""Twins: features that say the same, of which one is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class Twin:
    """A feature's nearest other.

    Attributes
    ----------
    name : str
        The other feature.
    correlation : float
        The weaker of Pearson's and Spearman's.
    stays : bool
        Whether the feature itself is the one that is used.
    """

    name: str
    correlation: float
    stays: bool


def find_twins(
    columns: Mapping[str, np.ndarray], missing: Mapping[str, float], max_correlation: float
) -> dict[str, Twin]:
    """Find features whose correlation exceeds the limit by Pearson's measure and by Spearman's.

    Pearson's, because then a distance counts the same thing twice; Spearman's, because Pearson's alone may be the
    work of a few large customers, while the others differ.

    From the feature with the fewest missing values on (ties: by name), each stays unless it is the twin of one that
    stays already. So of a pair one always stays, and in a chain a ~ b ~ c where a and c differ, those two.

    Parameters
    ----------
    columns : mapping
        Feature → its column of shape (n_customers,), without missing values, not constant.
    missing : mapping
        Feature → share of customers whose value was missing.
    max_correlation : float
        In (0, 1]; the sign does not matter.
    """
    names = sorted(columns, key=lambda name: (missing[name], name))
    if len(names) < 2:  # noqa: PLR2004 - a pair
        return {}
    space = np.column_stack([columns[name] for name in names])
    pearson, spearman = np.corrcoef(space.T), np.corrcoef(rankdata(space, axis=0).T)
    # The last bits depend on how a multiplication groups the columns.
    weaker = np.round(np.where(np.abs(pearson) < np.abs(spearman), pearson, spearman), 9)
    stay: list[int] = []
    twins: dict[str, Twin] = {}
    for number, name in enumerate(names):
        nearest = max(stay, key=lambda one: abs(weaker[number, one]), default=None)
        if nearest is None or abs(weaker[number, nearest]) <= max_correlation:
            stay.append(number)
            continue
        stays, correlation = names[nearest], float(weaker[number, nearest])
        twins[name] = Twin(stays, correlation, stays=False)
        if stays not in twins or abs(correlation) > abs(twins[stays].correlation):
            twins[stays] = Twin(name, correlation, stays=True)
    return twins
