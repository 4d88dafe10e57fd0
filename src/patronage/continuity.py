"""Segment ids that survive: matching the segments of two models by the customers they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from patronage.assigners import UNASSIGNED
from patronage.evaluation.stability import jaccard_matrix

ACCEPT = 0.5
"""Two segments are the same one if at least half of the customers in either are in both (Jaccard)."""

ORIGIN = 0.5
"""A new segment comes from the former one that at least this share of its customers were in: it was split off, if that
one goes on or other segments come from it too. A former one was merged into the segment that at least this share of its
customers are in now."""

EVENTS = ("persists", "split", "birth", "merge", "death")


@dataclass(frozen=True)
class Former:
    """Where the model before places the customers that a new model is formed by.

    Attributes
    ----------
    labels : ndarray of shape (n_customers,)
        At the same date as the new model's; ``UNASSIGNED`` where it found no segment.
    known : ndarray of shape (n_customers,), bool
        Whom it can place: those who are active by its own lookback too.
    ids, names : tuple of str
        Of its segments, in the order of its labels.
    """

    labels: np.ndarray
    known: np.ndarray
    ids: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """What became of a segment, or where one comes from.

    Attributes
    ----------
    event : {"persists", "split", "birth", "merge", "death"}
        ``split`` is a birth out of one former segment, ``merge`` a death into one that goes on.
    segment_id : str
        Now; empty for a death.
    former_id : str
        Before; empty for a birth.
    n_customers : int
        In both; of a birth or death, all that the segment has.
    share_of_former, share_of_segment : float
        The share that these are of the former segment, and of the present one; NaN where there is none.
    jaccard : float
        Customers in both ÷ customers in either; 0 where one of the two is missing.
    """

    event: str
    segment_id: str
    former_id: str
    n_customers: int
    share_of_former: float
    share_of_segment: float
    jaccard: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; None where a share does not apply."""
        plain = {name: round(value, 6) if isinstance(value, float) else value for name, value in vars(self).items()}
        return {name: None if value != value else value for name, value in plain.items()}  # noqa: PLR0124 - NaN


@dataclass(frozen=True)
class Continuity:
    """How the segments of a model follow those of the one before it.

    Attributes
    ----------
    ids : tuple of str
        Of the present segments, in the order of their labels.
    events : tuple of Event
        The present segments by id, then the former ones that ended.
    last_number : int
        The highest number that an id was ever given.
    n_customers : int
        Whom both models were asked about.
    changed_share : float
        Share of them whose segment is another now, the unassigned counted as a segment of their own.
    """

    ids: tuple[str, ...]
    events: tuple[Event, ...]
    last_number: int
    n_customers: int
    changed_share: float


def follow(
    former: np.ndarray,
    former_ids: Sequence[str],
    current: np.ndarray,
    n_current: int,
    *,
    last_number: int = 0,
    worth: np.ndarray | None = None,
) -> Continuity:
    """Carry ids from one model's segments to the next one's, and tell what became of each.

    Parameters
    ----------
    former, current : ndarray of shape (n_customers,)
        Labels of the same customers at the same date by both models.
    former_ids : sequence of str
        Ids of the former segments, in the order of their labels.
    n_current : int
        Number of current segments.
    last_number, worth
        As in `carry_ids`.
    """
    ids = carry_ids(former, former_ids, current, n_current, last_number=last_number, worth=worth)
    shared: Any = _shared(former, len(former_ids), current, n_current)
    of_former = np.bincount(former[former != UNASSIGNED], minlength=len(former_ids))
    of_current = np.bincount(current[current != UNASSIGNED], minlength=n_current)

    def event(kind: str, label: int | None, before: int | None) -> Event:
        if label is None or before is None:
            both, union = int(of_former[before] if label is None else of_current[label]), 0
        else:
            both = int(shared[before, label])
            union = int(of_former[before] + of_current[label]) - both
        return Event(
            kind,
            "" if label is None else ids[label],
            "" if before is None else former_ids[before],
            both,
            float("nan") if before is None or label is None else _ratio(both, of_former[before]),
            float("nan") if before is None or label is None else _ratio(both, of_current[label]),
            _ratio(both, union),
        )

    events = []
    position = {known: before for before, known in enumerate(former_ids)}
    new = [label for label in range(n_current) if ids[label] not in position]
    origin = {
        label: most
        for label in new
        if former_ids and _ratio(shared[most := int(shared[:, label].argmax()), label], of_current[label]) >= ORIGIN
    }
    for label in sorted(range(n_current), key=lambda one: _number(ids[one])):
        if ids[label] in position:
            events.append(event("persists", label, position[ids[label]]))
            continue
        parent = origin.get(label)
        goes_on = parent is not None and former_ids[parent] in ids
        if goes_on or (parent is not None and list(origin.values()).count(parent) > 1):
            events.append(event("split", label, parent))
        else:
            events.append(event("birth", label, None))
    for before in sorted(range(len(former_ids)), key=lambda one: _number(former_ids[one])):
        if former_ids[before] in ids:
            continue
        most = int(shared[before].argmax()) if n_current else 0
        goes_into_one = n_current > 0 and _ratio(shared[before, most], of_former[before]) >= ORIGIN
        events.append(event("merge", most, before) if goes_into_one else event("death", None, before))
    now = np.array([*ids, ""])[current]
    then = np.array([*former_ids, ""])[former]
    return Continuity(
        tuple(ids),
        tuple(events),
        max([last_number, *map(_number, [*ids, *former_ids])]),
        len(current),
        float(np.mean(now != then)) if len(current) else float("nan"),
    )


def carry_ids(
    former: np.ndarray,
    former_ids: Sequence[str],
    current: np.ndarray,
    n_current: int,
    *,
    last_number: int = 0,
    worth: np.ndarray | None = None,
) -> list[str]:
    """Give the current segments ids: the former ones where they match, else ids never used before.

    Parameters
    ----------
    former, current : ndarray of shape (n_customers,)
        Labels of the same customers at the same date by both models.
    former_ids : sequence of str
        Ids of the former segments, in the order of their labels.
    n_current : int
        Number of current segments.
    last_number : int, default 0
        The highest number that an id was given before, of segments that ended too.
    worth : ndarray of shape (n_current,), optional
        What a customer of each current segment is worth: new ids are given in falling order of it. Default: in the
        order of the labels.

    Returns
    -------
    list of str of length n_current
        A segment that is `matched` keeps its id.
    """
    ids = {label: former_ids[before] for label, before in matched(former, current, n_current).items()}
    number = max([last_number, *map(_number, former_ids)])
    for label in range(n_current) if worth is None else _by_worth(worth):
        if label not in ids:
            number += 1
            ids[label] = segment_id(number)
    return [ids[label] for label in range(n_current)]


def matched(former: np.ndarray, current: np.ndarray, n_current: int) -> dict[int, int]:
    """Pair current segments with the former ones that they go on from.

    Returns
    -------
    dict
        Current label → former label, for pairs of a Jaccard similarity of at least `ACCEPT`: those of the one-to-one
        assignment with the largest sum of similarities (Hungarian method).
    """
    similarity = jaccard_matrix(current, former, n_current)
    # What is no match counts nothing: else two near misses could outweigh a match.
    matches = np.where(similarity >= ACCEPT, similarity, 0.0)
    pairs = zip(*linear_sum_assignment(-matches), strict=True)
    return {int(row): int(column) for row, column in pairs if matches[row, column] > 0}


def first_ids(worth_per_label: np.ndarray, last_number: int = 0) -> list[str]:
    """First ids of segments, in falling order of what a customer is worth; ids mean nothing else."""
    ids = [""] * len(worth_per_label)
    for number, label in enumerate(_by_worth(worth_per_label), start=last_number + 1):
        ids[label] = segment_id(number)
    return ids


def segment_id(number: int) -> str:
    """Opaque id: S01, S02 and so on."""
    return f"S{number:02d}"


def _number(known: str) -> int:
    return int(known.removeprefix("S"))


def _by_worth(worth: np.ndarray) -> list[int]:
    """Labels in falling order of worth; those of unknown worth come last."""
    return [int(label) for label in np.argsort(-np.nan_to_num(worth, nan=-np.inf), kind="stable")]


def _shared(former: np.ndarray, n_former: int, current: np.ndarray, n_current: int) -> np.ndarray:
    """Customers in every pair of a former and a current segment, of shape (n_former, n_current)."""
    both = (former != UNASSIGNED) & (current != UNASSIGNED)
    cells = np.zeros((n_former, n_current), dtype=int)
    np.add.at(cells, (former[both], current[both]), 1)
    return cells


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
