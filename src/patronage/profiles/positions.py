"""Where customers lie in the space that segments are formed in: a map of some, and who is typical of each segment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from patronage.model import SegmentationModel
from patronage.profiles.columns import POSITIONS, TYPICAL, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.differences import told_features
from patronage.profiles.members import MIN_CUSTOMERS, Members

MOST_POSITIONS = 2_000
MOST_PER_SEGMENT = 500
"""Among so many of a segment its medoid is sought: all distances between them are looked at."""
N_TYPICAL = 20
"""The medoid and its nearest: few enough to be alike, enough that a level's share of them tells something."""
DIGITS = 3
"""Significant ones of what is typical: an uneven number of customers has one of them as the median."""

_SEED = "patronage places"  # sixteen signs, as the hash asks for


def drawn(customer_ids: pd.Index) -> np.ndarray:
    """A number per customer to draw by, of shape (n_customers,); it depends on the id alone."""
    return pd.util.hash_array(np.asarray(customer_ids, dtype=object), hash_key=_SEED, categorize=False)


def place_customers(
    customers: Customers, members: Members, model: SegmentationModel
) -> tuple[pd.DataFrame, list[float], pd.DataFrame]:
    """Lay out customers by the first two principal components, and describe the most typical ones of each segment.

    Customers are drawn by a hash of their id: at most 2,000 for the map, and 500 per segment among which the medoid is
    found, the one whose distances to the others sum to least. It and its 19 nearest are the segment's typical ones.

    Returns
    -------
    positions, typical : DataFrame
        As in `Profiles`.
    shares : list of two floats
        Share of the drawn customers' variance that each component holds; empty without customers.

    References
    ----------
    Jolliffe (2002), Principal Component Analysis. Kaufman & Rousseeuw (1990), Finding Groups in Data, chapter 2.
    """
    formed = np.flatnonzero(members.formed)
    formed = formed[np.argsort(drawn(customers.features.index[formed]), kind="stable")]
    code = members.code[formed]
    shown = np.arange(len(formed)) < MOST_POSITIONS
    near = np.zeros(len(formed), dtype=bool)
    for one in members.own:
        near[np.flatnonzero(code == one)[:MOST_PER_SEGMENT]] = True
    kept = np.flatnonzero(shown | near)
    rows, code, shown, near = formed[kept], code[kept], shown[kept], near[kept]
    if not len(rows):
        return empty(POSITIONS), [], empty(TYPICAL)
    table = customers.features.iloc[rows]
    with threadpool_limits(1):
        space = np.asarray(model.representation.transform(table), dtype=float)
        flat, shares = principal_components(space[shown])
        groups = {one: np.flatnonzero(near & (code == one)) for one in members.own}
        around = {one: members_near(space[rows]) for one, rows in groups.items() if len(rows) >= MIN_CUSTOMERS}
    positions = pd.DataFrame({"x": flat[:, 0], "y": flat[:, 1]})
    positions["segment_id"] = np.array(members.ids, dtype=object)[code[shown]]
    told = [feature.name for feature in told_features(customers.catalogue.features)]
    lines = [
        line
        for one, chosen in around.items()
        for line in _typical(members.ids[one], table[told].iloc[groups[one][chosen]])
    ]
    typical = shaped(pd.DataFrame(lines, columns=list(TYPICAL)), TYPICAL)
    typical["typical_all"] = _of_all(typical, customers.features.loc[members.formed, told])
    return shaped(positions, POSITIONS), shares, typical


def principal_components(space: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """First two principal components of points, of shape (n, 2), and the share of variance of each.

    The largest part of a direction is positive. A space of one dimension has a second component of 0.
    """
    centred = space - space.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(space))
    variances, directions = variances[::-1][:2].clip(min=0.0), directions[:, ::-1][:, :2]
    directions = directions * np.where(
        directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])] < 0, -1.0, 1.0
    )
    total = float((centred**2).sum() / len(space))
    flat, shares = centred @ directions, variances / total if total > 0 else np.zeros(len(variances))
    missing = 2 - flat.shape[1]
    return np.pad(flat, ((0, 0), (0, missing))), [*map(float, shares), *[0.0] * missing]


def members_near(space: np.ndarray) -> np.ndarray:
    """Positions of the medoid of some points and of its nearest, `N_TYPICAL` in all, nearest first."""
    squares = (space**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * space @ space.T, 0.0))
    return np.argsort(distances[distances.sum(axis=1).argmin()], kind="stable")[:N_TYPICAL]


def _of_all(typical: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """The same statistic of all customers, line by line, as exactly: medians of numbers, shares of levels."""
    found = {}
    for name, level in dict.fromkeys(zip(typical["feature"], typical["level"], strict=True)):
        known = table[name].dropna()
        one = known.median() if pd.api.types.is_numeric_dtype(known) else (known.astype("str") == level).mean()
        found[name, level] = rounded(float(one))
    pairs = zip(typical["feature"], typical["level"], strict=True)
    return np.array([found[pair] for pair in pairs], dtype=float)


def _typical(segment_id: str, table: pd.DataFrame) -> list[dict[str, object]]:
    """What these customers have in common, of what at least five of them have told."""
    lines: list[dict[str, object]] = []
    for name in table:
        known = table[name].dropna()
        if len(known) < MIN_CUSTOMERS:
            continue
        if pd.api.types.is_numeric_dtype(known):
            told = {"statistic": "median", "typical": rounded(float(known.median())), "n_customers": len(known)}
            lines.append({"segment_id": segment_id, "feature": str(name), "level": ""} | told)
            continue
        counts = known.value_counts()
        level = min(counts.index[counts == counts.max()])
        if counts[level] >= MIN_CUSTOMERS:
            n = int(counts[level])
            told = {"statistic": "share", "typical": float(n / len(known)), "n_customers": n}
            lines.append({"segment_id": segment_id, "feature": str(name), "level": str(level)} | told)
    return lines


def rounded(value: float, digits: int = DIGITS) -> float:
    """A number with so many significant digits."""
    return float(f"{value:.{digits}g}")
