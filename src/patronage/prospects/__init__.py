"""Customers who never bought, placed by their profile: a calibrated classifier, or the word that profiles cannot tell.

It is learned from customers whose segment is known by what they do. So its probabilities are those of a customer with
the same profile; whether prospects turn out like customers of their profile, no data of customers can say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.catalogue import Feature
from patronage.confidence import deal
from patronage.errors import InvalidInputError
from patronage.evaluation.evidence import first_customers
from patronage.prospects.classifier import MIN_CONFIDENCE, Placement, ProfileClassifier
from patronage.prospects.judging import ProfileEvaluation, evaluate_profiles
from patronage.prospects.learning import fit_classifier

PROFILE_RELATIONS = ("customers", "answers")
MIN_PER_SEGMENT = 10
"""Customers with a profile that a segment needs, and the lack of one: two in each of the folds."""

MOST_LEARNED = 10_000
"""Customers that profiles are learned from at most: with some ten columns and segments more tell nothing new."""


@dataclass(frozen=True)
class Prospects:
    """What is to become of customers who never bought.

    Attributes
    ----------
    classifier : ProfileClassifier, optional
        None where profiles cannot tell segments apart.
    evaluation : ProfileEvaluation, optional
        None where there was nothing to evaluate.
    why_not : str
        Why there is no classifier.
    """

    classifier: ProfileClassifier | None
    evaluation: ProfileEvaluation | None
    why_not: str = ""


def profile_features(features: Sequence[Feature]) -> tuple[Feature, ...]:
    """Features that a person can have before the first purchase, and that may decide about it.

    Those of the relations `PROFILE_RELATIONS`. Events, contacts and campaigns are no profile: around purchases
    customers have others than before the first. Sensitive features decide nothing, unless their role was set to basis.
    What is counted up to ``$as_of`` (days since signing up) is left out too: it tells how long someone has stayed a
    customer. So are features that say what no rows mean (``empty``): they tell how much was said, not what, and would
    pass for a profile of those who said nothing.
    """
    return tuple(
        one
        for one in features
        if one.relation in PROFILE_RELATIONS
        and one.role != "sensitive"
        and one.empty is None
        and "$as_of" not in one.sql
    )


def learn_prospects(
    features: Sequence[Feature],
    profiles: pd.DataFrame,
    labels: np.ndarray,
    n_segments: int,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    seed: int = 0,
) -> Prospects:
    """Learn to tell a customer's segment from the profile, and judge whether profiles can.

    Penalty and temperature are chosen by log loss out of fold; both choices are made again, without them, for the
    customers of each fold that the evaluation holds out. Being in no segment is learned like a segment, so that
    probabilities are those of all customers with such a profile; with fewer than `MIN_PER_SEGMENT` in none these are
    left out.

    Parameters
    ----------
    features : sequence of Feature
        Any; those of `profile_features` are used.
    profiles : DataFrame of shape (n_customers, …)
        Their values of active customers, by customer id.
    labels : ndarray of shape (n_customers,)
        The segments that these customers are in by what they do, or ``UNASSIGNED``.
    n_segments : int
    min_confidence : float, default 0.5
        See `ProfileClassifier`; raising it places fewer prospects, and those more surely.
    seed : int, default 0
        Of the bootstrap.
    """
    usable = profile_features(features)
    if not usable:
        return Prospects(None, None, "there are no profile features (of the customers table, or answers)")
    if n_segments < 2:  # noqa: PLR2004 - nothing to tell apart
        return Prospects(None, None, "there is a single segment")
    told = profiles[[one.name for one in usable]].notna().any(axis=1).to_numpy(copy=True)
    told[told] = first_customers(profiles.index[told], MOST_LEARNED, purpose="profiles")
    outside = told & (labels == UNASSIGNED)
    if outside.sum() < MIN_PER_SEGMENT:
        told &= ~outside
    frame, label = profiles.loc[told], labels[told].astype(int)
    sizes = np.bincount(label[label != UNASSIGNED], minlength=n_segments)
    if sizes.min() < MIN_PER_SEGMENT:
        return Prospects(
            None,
            None,
            f"too few customers have a profile to learn from: {sizes.min()} in one of the segments, at least "
            f"{MIN_PER_SEGMENT} are needed",
        )
    folds = deal(frame.index, label, purpose="profile")
    try:
        evaluation = evaluate_profiles(usable, frame, label, folds, min_confidence, seed)
        if why_not := evaluation.why_not:
            return Prospects(None, evaluation, why_not)
        return Prospects(fit_classifier(usable, frame, label, folds, min_confidence), evaluation)
    except InvalidInputError:
        return Prospects(None, None, "profiles hardly differ between customers")


__all__ = [
    "MIN_CONFIDENCE",
    "Placement",
    "ProfileClassifier",
    "ProfileEvaluation",
    "Prospects",
    "learn_prospects",
    "profile_features",
]
