"""Ids of a new model's segments: carried over from the model before, or given by what customers were worth later."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.continuity import Continuity, Former, first_ids, follow, matched
from patronage.refit import Refit


@dataclass(frozen=True)
class Numbering:
    """Ids of a model's segments, and where they come from.

    Attributes
    ----------
    ids : list of str
        In the order of the labels.
    worth : dict
        Id → mean later value per customer in the backtest.
    last_number : int
        The highest number that an id was ever given.
    names : dict
        Id → name, of segments that go on from a former model.
    continuity : Continuity, optional
        None where there is no former model.
    """

    ids: list[str]
    worth: dict[str, float]
    last_number: int
    names: dict[str, str] = field(default_factory=dict)
    continuity: Continuity | None = None


def number_segments(
    again: Refit,
    judged_labels: np.ndarray,
    outcome: pd.Series | None,
    *,
    former: Former | None = None,
    last_number: int = 0,
) -> Numbering:
    """Number segments: those of a former model keep their ids, others follow by what they were worth in the backtest.

    Where there is no outcome the largest comes first.

    Parameters
    ----------
    again : Refit
    judged_labels : ndarray of shape (n_customers,)
        Labels of the judge window's customers by the backtested model.
    outcome : Series of shape (n_customers,), optional
        What these customers were worth later.
    former : Former, optional
        The newest day's customers by the model before.
    last_number : int, default 0
        The highest number that was given to a segment people may know.
    """
    labels, n_segments = again.assignment.label, again.fitted.assigner.n_segments
    order = np.bincount(labels[labels != UNASSIGNED], minlength=n_segments).astype(float)
    worth = np.full(n_segments, np.nan)
    if outcome is not None:
        later = outcome.groupby(judged_labels).mean()
        for label, before in matched(again.backtest_labels, labels, n_segments).items():
            worth[label] = later.get(before, np.nan)
        order = worth
    continuity, names = None, {}
    if former is None:
        ids = first_ids(order, last_number)
        last_number += n_segments
    else:
        known = former.known
        continuity = follow(
            former.labels[known], former.ids, labels[known], n_segments, last_number=last_number, worth=order
        )
        ids, last_number = list(continuity.ids), continuity.last_number
        names = dict(zip(former.ids, former.names, strict=True))
    return Numbering(
        ids,
        {one: float(value) for one, value in zip(ids, worth, strict=True) if np.isfinite(value)},
        last_number,
        {one: name for one, name in names.items() if one in ids},
        continuity,
    )
