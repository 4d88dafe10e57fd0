"""What sets segments apart: features and levels in which their customers differ from all, with effect and p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.catalogue import OTHER, Feature
from patronage.profiles.columns import DIFFERENTIATORS, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.members import MIN_CUSTOMERS, Members
from patronage.profiles.significance import holm, rank_effects, shares_differ
from patronage.special import is_told
from patronage.wording import Wording, read_wording

NOTABLE_EFFECT = 0.1
"""In standard deviations, as of traits in names; among many customers even less is significant, and tells nothing."""
SIGNIFICANT = 0.05
MOST_LEVELS = 20
"""Of one feature; rarer ones are told together."""


@dataclass(frozen=True)
class Levels:
    """A text feature of customers, rare levels told together.

    Attributes
    ----------
    names : tuple of str
        Most frequent first, ties by name; `OTHER` last where rare ones were put together.
    code : ndarray of shape (n_customers,), int
        Position in ``names``; −1 where it is not known.
    """

    names: tuple[str, ...]
    code: np.ndarray

    @classmethod
    def of(cls, values: pd.Series) -> Levels:
        """Count levels; those held by fewer than five customers, and all after the twentieth, are one."""
        counts = values.value_counts()
        counts = counts.iloc[np.lexsort((counts.index.astype("str"), -counts.to_numpy()))]
        told = [str(level) for level in counts.index[counts >= MIN_CUSTOMERS]]
        told = [level for level in told if level != OTHER][:MOST_LEVELS]
        code = pd.Index(told, dtype="str").get_indexer(pd.Index(values.astype("str")))
        rest = (code < 0) & values.notna().to_numpy()
        # So few of the rest may not be told either.
        if rest.sum() >= MIN_CUSTOMERS:
            code, told = np.where(rest, len(told), code), [*told, OTHER]
        return cls(tuple(told), code)

    def counts(self, group: np.ndarray, n_groups: int) -> np.ndarray:
        """Customers by group and level, of shape (n_groups, n_levels)."""
        both = (group >= 0) & (self.code >= 0)
        width = max(len(self.names), 1)
        flat = np.bincount(group[both] * width + self.code[both], minlength=n_groups * width)
        return flat.reshape(n_groups, width)[:, : len(self.names)]


def find_differentiators(customers: Customers, members: Members, words: Wording | None = None) -> pd.DataFrame:
    """Compare each segment with all customers in every feature (`Profiles.differentiators`).

    Numbers: difference of mean ranks in standard deviations of ranks against all (`rank_effects`, as in the names of
    segments), p by Mann and Whitney's test against all others, allowing for skewed ranks. Levels: Cohen's
    h = 2 arcsin √p₁ − 2 arcsin √p₂ of the shares in the segment and among all, p of the hypergeometric count against
    all others (`shares_differ`), as of numbers that are 0 or 1. Both effects are differences in standard deviations, so
    they compare. p-values are corrected over all lines by Holm's method.

    What fewer than five customers of a segment have told gives no line, nor does a level that fewer than five of its
    customers hold more often than others do, nor a number where fewer than five have another value than more than half
    of all customers have, and yet more of them than elsewhere.

    Parameters
    ----------
    customers : Customers
    members : Members
    words : Wording, optional
        For labels of features whose catalogue has none; default English.

    References
    ----------
    Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapter 6.
    """
    words = words if words is not None else read_wording()
    frame = customers.features.loc[members.formed]
    group, n_groups = members.group, len(members.own)
    parts = [
        _of_levels(feature, frame[feature.name], group, n_groups, words)
        if feature.is_text
        else _of_numbers(feature, frame[feature.name].to_numpy(dtype=float), group, n_groups, words)
        for feature in customers.catalogue.features
        if is_told(feature)
    ]
    if not (lines := [line for part in parts for line in part]):
        return empty(DIFFERENTIATORS)
    table = pd.DataFrame(lines)
    table["p_holm"] = holm(table["p"].to_numpy())
    table["notable"] = (table["p_holm"] < SIGNIFICANT) & (table["effect"].abs() >= NOTABLE_EFFECT)
    order = np.lexsort((table["level"], table["feature"], -table["effect"].abs(), table["segment_id"]))
    table = table.iloc[order]
    table["segment_id"] = np.array(members.ids, dtype=object)[members.own][table["segment_id"]]
    return shaped(table, DIFFERENTIATORS)


def _of_numbers(
    feature: Feature, values: np.ndarray, group: np.ndarray, n_groups: int, words: Wording
) -> list[dict[str, object]]:
    effect, p, n = rank_effects(values, group, n_groups)
    off = _off_the_usual(values)
    held = np.bincount(group[(group >= 0) & off], minlength=n_groups)
    n_all, off_all = int((~np.isnan(values)).sum()), int(off.sum())
    if np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
        ones = np.bincount(group[(group >= 0) & (values == 1)], minlength=n_groups)
        p = shares_differ(n, ones, n_all - n, (values == 1).sum() - ones)
    # Fewer than five who are not like most: that they are more than elsewhere is told of them alone.
    few = (held < MIN_CUSTOMERS) & (held * n_all > off_all * n)
    return [
        _line(feature, "", one, effect[one], p[one], n[one], words)
        | dict(zip(("statistic", "typical", "typical_all"), typical_values(values, group == one), strict=True))
        for one in np.flatnonzero((n >= MIN_CUSTOMERS) & ~few)
    ]


def _off_the_usual(values: np.ndarray) -> np.ndarray:
    """Customers whose value is not the one that more than half of all have; nobody where there is no such value."""
    known = ~np.isnan(values)
    middle = np.median(values[known]) if known.any() else np.nan  # a value of more than half is the median
    off = known & (values != middle)
    return off if 2 * off.sum() < known.sum() else np.zeros(len(values), dtype=bool)


def typical_values(values: np.ndarray, inside: np.ndarray) -> tuple[str, float, float]:
    """What is typical of a group, and of all, of the same kind in every group of a feature.

    Medians; shares of a yes-or-no; means where more than half of all customers have one value, as the median would.
    """
    values, inside = values[~np.isnan(values)], inside[~np.isnan(values)]
    own = values[inside]
    if not len(own):
        return "median", np.nan, np.nan
    if np.isin(values, (0.0, 1.0)).all():
        return "share", float(own.mean()), float(values.mean())
    if np.unique(values, return_counts=True)[1].max() > len(values) / 2:
        return "mean", float(own.mean()), float(values.mean())
    return "median", float(np.median(own)), float(np.median(values))


def cohens_h(share: np.ndarray | float, share_all: np.ndarray | float) -> np.ndarray:
    """Difference of two shares on the scale on which equal differences are equally easy to see."""
    return np.asarray(2 * np.arcsin(np.sqrt(share)) - 2 * np.arcsin(np.sqrt(share_all)))


def _of_levels(
    feature: Feature, values: pd.Series, group: np.ndarray, n_groups: int, words: Wording
) -> list[dict[str, object]]:
    levels = Levels.of(values)
    held = levels.counts(group, n_groups)
    held_all = np.bincount(levels.code[levels.code >= 0], minlength=len(levels.names))
    n, n_all = held.sum(axis=1), held_all.sum()
    lines = []
    for one in np.flatnonzero(n >= MIN_CUSTOMERS):
        share, share_all = held[one] / n[one], held_all / n_all
        effect = cohens_h(share, share_all)
        n_rest, rest = n_all - n[one], held_all - held[one]
        p = shares_differ(n[one], held[one], n_rest, rest)
        for place, level in enumerate(levels.names):
            if effect[place] > 0 and held[one, place] < MIN_CUSTOMERS:
                continue
            lines.append(
                _line(feature, level, one, effect[place], p[place], n[one], words)
                | {"statistic": "share", "typical": float(share[place]), "typical_all": float(share_all[place])}
            )
    return lines


def _line(
    feature: Feature, level: str, one: np.int64, effect: float, p: float, n_known: int, words: Wording
) -> dict[str, object]:
    direction = "high" if effect > 0 else "low"
    readable = feature.name.replace("_", " ")
    if level:
        label = words(f"profiles.level.{direction}", feature=readable, level=level)
    elif direction in feature.labels:
        label = feature.labels[direction]
    else:
        label = words(f"profiles.number.{direction}", feature=readable)
    return {
        "segment_id": int(one),
        "feature": feature.name,
        "level": level,
        "label": label,
        "family": feature.family,
        "role": feature.role,
        "unit": feature.unit,
        "direction": direction,
        "effect": float(effect),
        "p": float(p),
        "n_known": int(n_known),
    }


def told_features(features: Sequence[Feature]) -> list[Feature]:
    """Features that may describe segments."""
    return [feature for feature in features if is_told(feature)]
