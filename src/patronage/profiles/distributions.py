"""How features are distributed in each segment and among all customers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patronage.catalogue import OTHER
from patronage.profiles.columns import DISTRIBUTIONS, LEVELS, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.differences import Levels, told_features
from patronage.profiles.members import MIN_CUSTOMERS, Members
from patronage.profiles.tables import ALL

QUANTILES = {"p10": 0.10, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p90": 0.90}


def describe_numbers(customers: Customers, members: Members) -> pd.DataFrame:
    """Means and quantiles of every number by segment and of all (`Profiles.distributions`).

    Quantiles are interpolated between customers. What fewer than five customers have told is NaN.
    """
    names = [feature.name for feature in told_features(customers.catalogue.features) if not feature.is_text]
    if not names:
        return empty(DISTRIBUTIONS)
    frame = customers.features.loc[members.formed, names].astype(float)
    code = members.code[members.formed]
    parts = [_describe(frame.iloc[np.flatnonzero(code == place)], one) for place, one in _segments(members)]
    table = pd.concat([*parts, _describe(frame, ALL)], ignore_index=True)
    # By feature, in the catalogue's order, and within it by segment.
    by_feature = np.arange(len(table)).reshape(-1, len(names)).T.ravel()
    return shaped(table.iloc[by_feature], DISTRIBUTIONS)


def _segments(members: Members) -> list[tuple[int, str]]:
    """Segments of the customers that all are made of: dormant ones did nothing that could be described."""
    code = members.code[members.formed]
    there = set(np.unique(code)) | set(members.own)
    return [(place, one) for place, one in enumerate(members.ids) if place in there]


def _describe(frame: pd.DataFrame, segment_id: str) -> pd.DataFrame:
    known = frame.notna().sum().to_numpy()
    told = known >= MIN_CUSTOMERS
    figures = {"mean": frame.mean().to_numpy()}
    quantiles = frame.quantile(list(QUANTILES.values())).to_numpy()
    figures |= dict(zip(QUANTILES, quantiles, strict=True))
    missing = 1 - known / len(frame) if len(frame) >= MIN_CUSTOMERS else np.full(len(known), np.nan)
    return pd.DataFrame(
        {"feature": frame.columns, "segment_id": segment_id, "n_known": known, "missing_share": missing}
        | {name: np.where(told, one, np.nan) for name, one in figures.items()}
    )


def describe_levels(customers: Customers, members: Members) -> pd.DataFrame:
    """Shares of every level of texts by segment and of all (`Profiles.levels`); they sum to 1 per segment.

    Levels are grouped as in `Levels`; those that one to four customers of a segment hold are `OTHER` there too, and
    left out where they are fewer than five together. A segment of which fewer than five are known has no lines.
    """
    code = members.code[members.formed]
    lines: list[tuple[str, str, str, float]] = []
    for feature in told_features(customers.catalogue.features):
        if not feature.is_text:
            continue
        levels = Levels.of(customers.features.loc[members.formed, feature.name])
        held = levels.counts(code, members.n)
        counted = [(one, held[place]) for place, one in _segments(members)] + [(ALL, held.sum(axis=0))]
        for segment_id, counts in counted:
            held_by = _pooled(dict(zip(levels.names, counts.tolist(), strict=True)))
            n = sum(held_by.values())
            lines += [(feature.name, segment_id, level, count / n) for level, count in held_by.items() if n]
    return shaped(pd.DataFrame(lines, columns=list(LEVELS)), LEVELS)


def _pooled(counts: dict[str, int]) -> dict[str, int]:
    """Customers by level, where one to four are told with the others if at all; levels that nobody holds stay."""
    told = {level: n for level, n in counts.items() if (n == 0 or n >= MIN_CUSTOMERS) and level != OTHER}
    rest = sum(counts.values()) - sum(told.values())
    if rest >= MIN_CUSTOMERS:
        told[OTHER] = rest
    return told
