"""How sure an assignment is: margins turned into the probability that a refit keeps it, and whether that holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from patronage.assigners import UNASSIGNED, Assignment

N_FOLDS = 5
N_BINS = 10
OWN_WEIGHT = 0.5
"""Of a segment's own curve beside that of all customers. Segments differ in how well they last, but what few refits say
of each of them varies: half and half forecasts other refits best (Brier score, on Complete Journey)."""

MIN_OWN = 30
"""Customers that a segment needs for a curve of its own."""

QUANTILES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Bin:
    """Forecasts of about the same probability.

    Attributes
    ----------
    confidence : float
        Mean of the probabilities that were forecast.
    observed : float
        Share in which it came about.
    n : int
        Number of forecasts.
    """

    confidence: float
    observed: float
    n: int


@dataclass(frozen=True)
class Reliability:
    """Whether probabilities hold, on what they were not learned from.

    Attributes
    ----------
    bins : tuple of Bin
        `N_BINS` of equal width over 0 to 1, the lowest first; empty ones are left out.
    calibration_error : float
        Expected calibration error: Σ n_b |confidence_b − observed_b| / Σ n_b.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, ICML.
    """

    bins: tuple[Bin, ...]
    calibration_error: float

    @classmethod
    def measure(cls, confidence: np.ndarray, observed: np.ndarray) -> Reliability:
        """Compare probabilities of shape (n,) with what was observed: 0 and 1, or shares of several trials."""
        place = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
        n = np.bincount(place, minlength=N_BINS)
        filled = np.flatnonzero(n)
        forecast = np.bincount(place, confidence, N_BINS)[filled] / n[filled]
        came = np.bincount(place, observed, N_BINS)[filled] / n[filled]
        error = float(np.sum(n[filled] * np.abs(forecast - came)) / n.sum()) if len(filled) else float("nan")
        bins = zip(forecast.tolist(), came.tolist(), n[filled].tolist(), strict=True)
        return cls(tuple(Bin(*one) for one in bins), error)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Reliability:
        """Rebuild from plain values, as `dataclasses.asdict` gives them."""
        return cls(tuple(Bin(**one) for one in plain["bins"]), plain["calibration_error"])


@dataclass(frozen=True)
class Calibration:
    """What turns margins into confidence, and distances into atypicality.

    Attributes
    ----------
    margins : ndarray of shape (n_knots,)
    confidences : ndarray of shape (n_segments, n_knots)
        Per segment, the probability that a refit keeps an assignment of this margin: the mean of the isotonic curves
        of the segment's and of all customers.
    distances : ndarray of shape (n_segments, 101)
        Percentiles of the training distances, per segment.
    """

    margins: np.ndarray
    confidences: np.ndarray
    distances: np.ndarray

    @classmethod
    def learn(
        cls, assignment: Assignment, stayed: np.ndarray, n_segments: int, refitted: np.ndarray | None = None
    ) -> Calibration:
        """Learn from training customers and the share of refits that kept each one's segment.

        Parameters
        ----------
        assignment : Assignment
            Of all training customers.
        stayed : ndarray of shape (n_refitted,)
            Of those that refits have labelled.
        n_segments : int
        refitted : ndarray of shape (n_customers,), bool, optional
            Which these are; default: all.
        """
        rows = np.ones(len(assignment.label), dtype=bool) if refitted is None else refitted
        assigned = assignment.label[rows] != UNASSIGNED
        margins, confidences = _curves(
            assignment.margin[rows][assigned], assignment.label[rows][assigned], stayed[assigned], n_segments
        )
        distances = np.zeros((n_segments, len(QUANTILES)))
        for segment in range(n_segments):
            inside = assignment.distance[assignment.label == segment]
            if len(inside):
                distances[segment] = np.quantile(inside, QUANTILES)
        return cls(margins, confidences, distances)

    def confidence(self, assignment: Assignment) -> np.ndarray:
        """Probability that a refit keeps each assignment, of shape (n_rows,); NaN for who is in no segment."""
        return _read(self.margins, self.confidences, assignment.margin, assignment.label)

    def atypicality(self, assignment: Assignment) -> np.ndarray:
        """Distances as quantiles of the segment's training distances; who is in no segment is as far out as can be."""
        curves = [(known, QUANTILES) for known in self.distances]
        return _by_segment(assignment.distance, assignment.label, curves, otherwise=1.0)

    def require_sound(self, n_segments: int) -> None:
        """Check that these are curves of so many segments that were once learned.

        Raises
        ------
        ValueError
            They are not.
        """
        arrays = (self.margins, self.confidences, self.distances)
        sound = (
            self.distances.shape == (n_segments, len(QUANTILES))
            and self.margins.ndim == 1
            and self.confidences.shape == (n_segments, len(self.margins))
            and len(self.margins) > 0
            and all(np.issubdtype(array.dtype, np.floating) for array in arrays)
            and all(np.isfinite(array).all() for array in arrays)
            and (np.diff(self.margins) >= 0).all()
            and ((self.confidences >= 0) & (self.confidences <= 1)).all()
        )
        if not sound:
            raise ValueError("segments, assigner and calibration do not belong together")


def confidence_reliability(
    assignment: Assignment,
    kept: np.ndarray,
    customer_ids: Sequence[str] | pd.Index,
    refitted: np.ndarray | None = None,
) -> Reliability | None:
    """Judge confidence on customers and refits that it was not learned from.

    The refits are divided into two halves, the customers into five folds by a hash of their id. What a fold's
    customers are told is learned from the other folds in one half of the refits, and judged on what became of the
    fold's customers in the other half; then the halves change places. Every customer is thus judged twice.

    Parameters
    ----------
    assignment : Assignment
        Of all training customers.
    kept : ndarray of shape (n_refitted, n_refits), bool
        Whether a refit kept the segment, of those customers that refits have labelled.
    customer_ids : sequence of str
        Of all training customers.
    refitted : ndarray of shape (n_customers,), bool, optional
        Which of them refits have labelled; default: all.

    Returns
    -------
    Reliability, optional
        None with fewer than two refits, or fewer customers in segments than folds.
    """
    rows = np.ones(len(assignment.label), dtype=bool) if refitted is None else refitted
    assigned = rows & (assignment.label != UNASSIGNED)
    n_refits = kept.shape[1]
    if n_refits < 2 or assigned.sum() < N_FOLDS:  # noqa: PLR2004 - one half to learn from, one to judge by
        return None
    margin, label = assignment.margin[assigned], assignment.label[assigned]
    folds = deal(np.asarray(customer_ids)[assigned], label, purpose="confidence")
    halves = [kept[assigned[rows]][:, start::2].mean(axis=1) for start in (0, 1)]
    told, came = [], []
    for learned, judged in (halves, halves[::-1]):
        confidence = np.empty(len(margin))
        for fold in range(N_FOLDS):
            held_out = folds == fold
            rest = ~held_out
            curves = _curves(margin[rest], label[rest], learned[rest], int(label.max()) + 1)
            confidence[held_out] = _read(*curves, margin[held_out], label[held_out])
        told.append(confidence)
        came.append(judged)
    return Reliability.measure(np.concatenate(told), np.concatenate(came))


def deal(
    customer_ids: Sequence[str] | np.ndarray | pd.Index, groups: np.ndarray, *, purpose: str, n_folds: int = N_FOLDS
) -> np.ndarray:
    """Deal customers out into folds by a hash of their id, so that every group is spread evenly over them.

    Parameters
    ----------
    customer_ids : sequence of str
    groups : ndarray of shape (n_customers,), int
    purpose : str
        Goes into the hash, so that divisions for different purposes have nothing to do with each other.
    n_folds : int, default 5

    Returns
    -------
    ndarray of shape (n_customers,), int
        Fold 0 … ``n_folds`` − 1; it does not depend on the order of the customers.
    """
    digests = [hashlib.blake2b(f"{purpose} {one}".encode(), digest_size=8).digest() for one in customer_ids]
    hashes = np.array([int.from_bytes(digest) for digest in digests], dtype=np.uint64)
    folds = np.empty(len(hashes), dtype=int)
    folds[np.lexsort((hashes, groups))] = np.arange(len(hashes)) % n_folds
    return folds


def _curves(
    margin: np.ndarray, label: np.ndarray, stayed: np.ndarray, n_segments: int
) -> tuple[np.ndarray, np.ndarray]:
    """Knots, and per segment the share kept there."""
    shared = _isotonic(margin, stayed)
    own = {
        segment: _isotonic(margin[label == segment], stayed[label == segment])
        for segment in range(n_segments)
        if np.sum(label == segment) >= MIN_OWN
    }
    # Between all curves' knots each of them is a straight line, and so is their mean.
    knots = np.unique(np.concatenate([shared[0], *(curve[0] for curve in own.values())]))
    confidences = np.tile(np.interp(knots, *shared), (n_segments, 1))
    for segment, curve in own.items():
        confidences[segment] += OWN_WEIGHT * (np.interp(knots, *curve) - confidences[segment])
    return knots, confidences


def _isotonic(margin: np.ndarray, stayed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(margin, stayed)
    return np.asarray(curve.X_thresholds_), np.asarray(curve.y_thresholds_)


def _read(knots: np.ndarray, confidences: np.ndarray, margin: np.ndarray, label: np.ndarray) -> np.ndarray:
    return _by_segment(margin, label, [(knots, curve) for curve in confidences], otherwise=np.nan)


def _by_segment(
    values: np.ndarray, label: np.ndarray, curves: Sequence[tuple[np.ndarray, np.ndarray]], *, otherwise: float
) -> np.ndarray:
    """Each value read off its segment's curve, given as knots and what it is there."""
    # Side by side, a segment's values are found once, not searched for among all others.
    small = label.astype(np.int16 if len(curves) <= np.iinfo(np.int16).max else int)  # small numbers sort much faster
    order = np.argsort(small, kind="stable")
    ordered = values[order]
    bounds = np.searchsorted(label[order], np.arange(len(curves) + 1))
    read = np.full(len(values), otherwise)
    for (knots, heights), start, end in zip(curves, bounds[:-1], bounds[1:], strict=True):
        read[start:end] = np.interp(ordered[start:end], knots, heights)
    found = np.empty(len(values))
    found[order] = read
    return found
