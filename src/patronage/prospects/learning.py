"""Learning a segment from the profile: ridge-penalised multinomial regression, calibrated out of fold."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from patronage.assigners import UNASSIGNED
from patronage.catalogue import Feature
from patronage.prospects.classifier import COOLEST, HOTTEST, ProfileClassifier, profile_space
from patronage.representation import StandardRepresentation

PENALTIES = tuple(np.logspace(-3, 1, 5).tolist())
"""Inverse strengths of the ridge penalty that are tried (``C`` of scikit-learn), the strongest penalty first."""


def fit_classifier(
    features: Sequence[Feature], frame: pd.DataFrame, label: np.ndarray, folds: np.ndarray, min_confidence: float
) -> ProfileClassifier:
    """Fit to all rows, with the penalty, the temperature and the shift of each class that do best out of fold.

    Parameters
    ----------
    features : sequence of Feature
        The profile.
    frame : DataFrame of shape (n_customers, …)
        Their values.
    label : ndarray of shape (n_customers,), int
        Segment 0 … k − 1, or ``UNASSIGNED``; every one of them outside each fold too. Who is in no segment is a class
        of its own, the last one.
    folds : ndarray of shape (n_customers,), int
    min_confidence : float
        As the classifier's.
    """
    # Without flags for what is missing, see `ProfileClassifier`.
    representation = StandardRepresentation(features, min_missing_share=1.0).fit(frame)
    space, _ = profile_space(representation, frame)
    n_segments, outside = int(label.max()) + 1, label == UNASSIGNED
    label = np.where(outside, n_segments, label)
    parts = [(held_out, _regression()) for held_out in (folds == fold for fold in np.unique(folds))]
    scores, loss, penalty = np.zeros((len(label), int(label.max()) + 1)), np.inf, PENALTIES[0]
    with threadpool_limits(1):
        for tried in PENALTIES:
            found = np.empty_like(scores)
            for held_out, model in parts:
                coefficients, intercepts = _fitted(model, tried, space[~held_out], label[~held_out])
                found[held_out] = space[held_out] @ coefficients + intercepts
            if (reached := _log_loss(found, label)) >= loss:
                break  # a weaker penalty would only fit chance still better
            scores, loss, penalty = found, reached, tried
        coefficients, intercepts = _fitted(_regression(), penalty, space, label)
    temperature, shift = _calibration(scores, label)
    return ProfileClassifier(
        representation,
        coefficients,
        intercepts + temperature * shift,
        temperature,
        min_confidence,
        knows_unassigned=bool(outside.any()),
    )


def _regression() -> LogisticRegression:
    return LogisticRegression(warm_start=True, max_iter=500)


def _fitted(
    model: LogisticRegression, penalty: float, space: np.ndarray, label: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and intercepts under a penalty, searched from where the model came to before."""
    with warnings.catch_warnings():
        # Where profiles part segments completely there is no end; after so many steps it makes no difference.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_params(C=penalty).fit(space, label)
    coefficients, intercepts = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:  # noqa: PLR2004 - then scikit-learn gives the second class's alone
        coefficients = np.hstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.append(0.0, intercepts)
    return np.ascontiguousarray(coefficients, dtype=float), np.array(intercepts, dtype=float)


def _calibration(scores: np.ndarray, label: np.ndarray) -> tuple[float, np.ndarray]:
    """Temperature T, and shift of shape (n_classes,), with which softmax(scores / T + shift) has the least log loss.

    By a temperature alone a large class that profiles hardly tell, such as being in no segment, would grow as the
    differences between the others are sharpened.

    References
    ----------
    Alexandari, Kundaje & Shrikumar (2020), Maximum likelihood with bias-corrected calibration is hard-to-beat at label
    shift adaptation, ICML.
    """
    n, n_classes = scores.shape
    member = np.eye(n_classes)[label]

    def loss(given: np.ndarray) -> tuple[float, np.ndarray]:
        tried = scores * given[0] + given[1:]
        over = (softmax(tried, axis=1) - member) / n
        return _log_loss(tried, label), np.append((over * scores).sum(), over.sum(axis=0))

    start = np.append(1.0, np.zeros(n_classes))
    # The loss is convex in 1 / T and the shift.
    bounds = [(1 / HOTTEST, 1 / COOLEST), *[(None, None)] * n_classes]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(np.clip(1 / found[0], COOLEST, HOTTEST)), found[1:]


def _log_loss(scores: np.ndarray, label: np.ndarray) -> float:
    return float(-log_softmax(scores, axis=1)[np.arange(len(label)), label].mean())
