"""What segments are: size, worth, what sets them apart, and a name made of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.catalogue import Feature

UNASSIGNED_ID = "unassigned"
DORMANT_ID = "dormant"
RESERVED_NAMES = {UNASSIGNED_ID: "Unassigned", DORMANT_ID: "Dormant"}
"""Segments that exist in every model: no segment found, and no order within the lookback."""

_TRAITS_IN_A_NAME = 2
_NOTABLE = 0.1
_KNOWN = 0.5


@dataclass(frozen=True)
class Trait:
    """A feature in which a segment differs from all customers.

    Attributes
    ----------
    feature : str
    label : str
        In words, such as "high spend".
    effect : float
        Difference of mean ranks in standard deviations of ranks; positive is higher.
    """

    feature: str
    label: str
    effect: float


@dataclass(frozen=True)
class Segment:
    """One segment of a model.

    Attributes
    ----------
    id, name : str
        The id is opaque and survives retraining; the name is for people.
    share : float
        Share of active customers when the model was trained.
    n_customers : int
    value_per_customer : float, optional
        Mean first outcome in the judge window, measured with the backtested model; None for a segment it does not
        know.
    jaccard : float
        Stability under refits.
    traits : tuple of Trait
        Strongest first.
    """

    id: str
    name: str
    share: float
    n_customers: int
    value_per_customer: float | None
    jaccard: float
    traits: tuple[Trait, ...]


def describe_segments(
    ids: Sequence[str],
    labels: np.ndarray,
    features: pd.DataFrame,
    declared: Sequence[Feature],
    *,
    value_per_id: dict[str, float],
    jaccard: np.ndarray,
    names: Mapping[str, str] | None = None,
) -> tuple[Segment, ...]:
    """Describe and name segments, in the order of their labels.

    Parameters
    ----------
    ids : sequence of str
        Id per label.
    labels : ndarray of shape (n_customers,)
    features : DataFrame of shape (n_customers, n_features)
    declared : sequence of Feature
        Features that may describe a segment; sensitive ones are left out of names.
    value_per_id : dict
        Judged value per customer, by id.
    jaccard : ndarray of shape (n_segments,)
    names : mapping, optional
        Id → name, of segments that have one already: they keep it.
    """
    traits = [_traits(labels == label, features, declared) for label in range(len(ids))]
    named = _unique_names(traits, ids, names or {})
    return tuple(
        Segment(
            id=ids[label],
            name=named[label],
            share=float(np.mean(labels == label)),
            n_customers=int(np.sum(labels == label)),
            value_per_customer=value_per_id.get(ids[label]),
            jaccard=float(jaccard[label]),
            traits=tuple(traits[label][:8]),
        )
        for label in range(len(ids))
    )


def _traits(inside: np.ndarray, features: pd.DataFrame, declared: Sequence[Feature]) -> list[Trait]:
    """Differences in mean rank: they do not depend on a feature's scale or on a few giants."""
    found = []
    for feature in declared:
        if feature.role == "sensitive" or feature.is_text or not feature.labels:
            continue
        values = features[feature.name]
        known = values.notna().to_numpy()
        # What few customers have told says nothing about a segment as a whole.
        if known.mean() < _KNOWN or not known[inside].any() or known[inside].mean() < _KNOWN:
            continue
        ranks = values.rank().to_numpy()
        spread = np.std(ranks[known])
        effect = (ranks[known & inside].mean() - ranks[known].mean()) / spread if spread > 0 else 0.0
        side = "high" if effect > 0 else "low"
        if side in feature.labels and effect:
            found.append(Trait(feature.name, feature.labels[side], float(effect)))
    return sorted(found, key=lambda trait: (-abs(trait.effect), trait.feature))


def _unique_names(traits: Sequence[list[Trait]], ids: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """The fewest strongest traits that tell the segments apart, in whatever order; the id decides where none do.

    A segment whose name is known keeps it, and no other gets it.
    """
    fresh = [label for label, one in enumerate(ids) if one not in known]
    words: dict[int, list[str]] = {label: [] for label in fresh}
    unclear, taken = set(fresh), set(known.values())
    for n_traits in range(_TRAITS_IN_A_NAME, 6):
        for label in unclear:
            notable = [trait.label for trait in traits[label] if abs(trait.effect) >= _NOTABLE][:n_traits]
            words[label] = list(dict.fromkeys(notable))
        sets = [frozenset(words[label]) for label in fresh]
        unclear = {
            label for label in fresh if sets.count(frozenset(words[label])) > 1 or _sentence(words[label]) in taken
        }
        if not unclear:
            break
    names = {label: _sentence(words[label]) or "Like the average customer" for label in fresh}
    unclear |= {label for label in fresh if names[label] in taken}
    return [
        known[one] if one in known else f"{names[label]} ({one})" if label in unclear else names[label]
        for label, one in enumerate(ids)
    ]


def _sentence(labels: Sequence[str]) -> str:
    text = ", ".join(labels)
    return text[:1].upper() + text[1:]
