"""Whether profiles tell segments apart, on customers that nothing was fitted to or tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.catalogue import Feature
from patronage.confidence import N_FOLDS, Reliability
from patronage.evaluation.bootstrap import LEVEL, Bootstrap
from patronage.prospects.classifier import Leading
from patronage.prospects.learning import fit_classifier


@dataclass(frozen=True)
class ProfileEvaluation:
    """How well profiles tell segments apart, on customers that nothing was fitted to or tuned on.

    Attributes
    ----------
    n_customers : int
        Customers of whose profile something is known.
    n_unassigned : int
        Those of them who are in no segment; 0 where these are too few to learn from, and left out.
    n_features : int
        Profile features looked at.
    log_loss, log_loss_prior : float
        Mean −log p of the customer's segment, or of being in none: of the classifier, and of their shares alone.
    skill, skill_low, skill_high : float
        1 − log_loss / log_loss_prior, with its 90 % bootstrap interval; both are of the same customers in every draw.
    accuracy, majority : float
        Share for whom that is most probable which is so: their segment, or none; share of the largest segment, or of
        those in none if they are more.
    recall : tuple of float
        Per segment, the share of its customers whose most probable segment it is.
    macro_recall, macro_recall_low, macro_recall_high : float
        Their mean, 1/k by guessing, with its 90 % bootstrap interval.
    placed_share : float
        Share whose most probable segment reaches the least confidence.
    placed_accuracy : float, optional
        Share of these whose segment it is, of which those in no segment are none; None if nobody is placed.
    reliability : Reliability
        Of the most probable segment's probability, for those in no segment too: it is never theirs.
    """

    n_customers: int
    n_unassigned: int
    n_features: int
    log_loss: float
    log_loss_prior: float
    skill: float
    skill_low: float
    skill_high: float
    accuracy: float
    majority: float
    recall: tuple[float, ...]
    macro_recall: float
    macro_recall_low: float
    macro_recall_high: float
    placed_share: float
    placed_accuracy: float | None
    reliability: Reliability

    @property
    def why_not(self) -> str:
        """Why prospects cannot be placed by their profile; empty where they can.

        Profiles tell segments apart if, with 95 % confidence each, they foretell the segment better than the segments'
        shares do (skill above 0), and tell more than one segment from the rest (macro recall above 1/k).
        """
        if self.skill_low <= 0:
            return (
                "profiles tell no more of a customer's segment than the segments' sizes do (log loss better by "
                f"{self.skill:.1%}, {self.skill_low:.1%} to {self.skill_high:.1%})"
            )
        if self.macro_recall_low <= 1 / len(self.recall):
            return (
                f"by profile one finds {self.macro_recall:.0%} of a segment's customers ({self.macro_recall_low:.0%} "
                f"to {self.macro_recall_high:.0%}), no more than the {1 / len(self.recall):.0%} of a guess"
            )
        return ""


def evaluate_profiles(
    features: Sequence[Feature],
    frame: pd.DataFrame,
    label: np.ndarray,
    folds: np.ndarray,
    min_confidence: float,
    seed: int,
) -> ProfileEvaluation:
    """Hold out one fold after the other; nothing is fitted to its customers or tuned on them.

    Parameters
    ----------
    features, frame, label, folds, min_confidence
        As in `learning.fit_classifier`.
    seed : int
        Of the bootstrap.
    """
    n, n_segments = len(label), int(label.max()) + 1
    rows, outside = np.arange(n), label == UNASSIGNED
    truth = np.where(outside, n_segments, label)
    n_classes = n_segments + int(outside.any())
    probability, prior = np.empty((n, n_classes)), np.empty((n, n_classes))
    for fold in range(N_FOLDS):
        held_out = folds == fold
        rest = ~held_out
        prior[held_out] = np.bincount(truth[rest], minlength=n_classes) / rest.sum()
        classifier = fit_classifier(features, frame.loc[rest], label[rest], folds[rest], min_confidence)
        given = classifier.probabilities(frame.loc[held_out])
        probability[held_out] = np.where(np.isnan(given), prior[held_out], given)
    told = np.column_stack([probability[rows, truth], prior[rows, truth]])
    losses = -np.log(np.maximum(told, np.finfo(float).tiny))
    found = Leading.of(probability, n_segments, min_confidence)
    hit = found.best == label
    member = (label[:, np.newaxis] == np.arange(n_segments)).astype(float)
    draws = Bootstrap.draw(n, np.random.default_rng(seed)).sums(
        np.hstack([losses, member, member * hit[:, np.newaxis]])
    )
    skills = 1 - draws[:, 0] / draws[:, 1]
    sizes, hits = draws[:, 2 : 2 + n_segments], draws[:, 2 + n_segments :]
    # A draw may hold nobody of a small segment; its recall then says nothing.
    recalls = np.nanmean(np.divide(hits, sizes, out=np.full_like(hits, np.nan), where=sizes > 0), axis=1)
    recall = hit @ member / member.sum(axis=0)
    log_loss, log_loss_prior = losses.mean(axis=0).tolist()
    return ProfileEvaluation(
        n_customers=n,
        n_unassigned=int(outside.sum()),
        n_features=len(features),
        log_loss=log_loss,
        log_loss_prior=log_loss_prior,
        skill=1 - log_loss / log_loss_prior,
        skill_low=_low(skills),
        skill_high=_high(skills),
        accuracy=float((probability.argmax(axis=1) == truth).mean()),
        majority=float(np.bincount(truth).max() / n),
        recall=tuple(recall.tolist()),
        macro_recall=float(recall.mean()),
        macro_recall_low=_low(recalls),
        macro_recall_high=_high(recalls),
        placed_share=float(found.placed.mean()),
        placed_accuracy=float(hit[found.placed].mean()) if found.placed.any() else None,
        reliability=Reliability.measure(found.highest, hit.astype(float)),
    )


def _low(draws: np.ndarray) -> float:
    return float(np.quantile(draws, (1 - LEVEL) / 2))


def _high(draws: np.ndarray) -> float:
    return float(np.quantile(draws, (1 + LEVEL) / 2))
