"""What segments are: size, worth, what sets them apart, and a name made of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.catalogue import Feature
from patronage.journal import note
from patronage.naming import check_names, name_segments
from patronage.special import may_name
from patronage.wording import Wording, read_wording

UNASSIGNED_ID = "unassigned"
DORMANT_ID = "dormant"
RESERVED_NAMES = {UNASSIGNED_ID: "Unassigned", DORMANT_ID: "Dormant"}
"""Segments that exist in every model: no segment found, and no order within the lookback."""

_KNOWN = 0.5
_CLEAR = 2.0
_TRAITS_KEPT = 8
_CORRELATED_ROWS = 20_000


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
    given: Mapping[str, str] | None = None,
    wording: Wording | None = None,
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
    given : mapping, optional
        Id → name, as the user wants it: before all others; ids that no segment has are left aside.
    wording : Wording, optional
        Default: the shipped English.

    Raises
    ------
    InvalidConfigError
        A name given is none, or given twice.
    """
    given = given or {}
    check_names(given, RESERVED_NAMES.values())
    if unknown := sorted(set(given) - set(ids)):
        note(f"names: there is no segment {', '.join(unknown)}; there are: {', '.join(sorted(ids))}")
    wanted = {name.strip().casefold() for name in given.values()}
    kept = {one: name for one, name in (names or {}).items() if name.strip().casefold() not in wanted}
    known = {**kept, **{one: given[one].strip() for one in ids if one in given}}
    told = [feature for feature in declared if may_name(feature) and not feature.is_text and feature.labels]
    effects, correlation = _differences(labels, len(ids), features, told)
    traits = [_traits(effects[label], told) for label in range(len(ids))]
    # What chance alone may bring about in a group of this size gives no name.
    sizes = np.array([[np.sum(labels == label)] for label in range(len(ids))]).reshape(-1, 1)
    clear = np.where(np.abs(effects) * np.sqrt(sizes) < _CLEAR, 0.0, effects)
    named = name_segments(
        ids, clear, told, correlation, wording or read_wording(), known=known, taken=RESERVED_NAMES.values()
    )
    return tuple(
        Segment(
            id=ids[label],
            name=named[label],
            share=float(np.mean(labels == label)),
            n_customers=int(np.sum(labels == label)),
            value_per_customer=value_per_id.get(ids[label]),
            jaccard=float(jaccard[label]),
            traits=tuple(traits[label][:_TRAITS_KEPT]),
        )
        for label in range(len(ids))
    )


def _differences(
    labels: np.ndarray, n_segments: int, features: pd.DataFrame, told: Sequence[Feature]
) -> tuple[np.ndarray, np.ndarray]:
    """How segments differ from all customers, and how features go together.

    Differences in mean rank do not depend on a feature's scale or on a few giants.

    Returns
    -------
    effects : ndarray of shape (n_segments, n_features)
        In standard deviations of ranks; NaN where too few are known: what few customers have told says nothing about a
        segment as a whole.
    correlation : ndarray of shape (n_features, n_features)
        Of ranks, on 20,000 customers at most; an unknown value counts as the middle.
    """
    inside = [labels == label for label in range(n_segments)]
    effects = np.full((n_segments, len(told)), np.nan)
    drawn = slice(None, None, max(1, -(-len(labels) // _CORRELATED_ROWS)))
    centred = np.zeros((len(labels[drawn]), len(told)))
    for column, feature in enumerate(told):
        values = features[feature.name]
        known = values.notna().to_numpy()
        if len(known) == 0 or known.mean() < _KNOWN:
            continue
        ranks = values.rank().to_numpy()
        mean, spread = ranks[known].mean(), np.std(ranks[known])
        for label, members in enumerate(inside):
            if known[members].any() and known[members].mean() >= _KNOWN:
                effects[label, column] = (ranks[known & members].mean() - mean) / spread if spread > 0 else 0.0
        centred[:, column] = np.nan_to_num((ranks - mean)[drawn])
    length = np.sqrt((centred**2).sum(axis=0))
    centred /= np.where(length > 0, length, 1)
    return effects, centred.T @ centred


def _traits(effects: np.ndarray, told: Sequence[Feature]) -> list[Trait]:
    """What sets one segment apart, as far as there are words for it, strongest first."""
    found = []
    for feature, effect in zip(told, effects, strict=True):
        side = "high" if effect > 0 else "low"
        if side in feature.labels and effect and not np.isnan(effect):
            found.append(Trait(feature.name, feature.labels[side], float(effect)))
    return sorted(found, key=lambda trait: (-abs(trait.effect), trait.feature))
