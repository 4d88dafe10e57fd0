"""What was known of customers at a date, and what they did afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.catalogue import Catalogue, Feature
from patronage.clusterers import Clusterer
from patronage.diagnosis import Diagnosis, diagnose
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.evaluation.baselines import RFM
from patronage.evaluation.evidence import first_customers
from patronage.features import FeatureTable, build_features, build_outcomes, learn_catalogue
from patronage.journal import note
from patronage.periods import is_snapshot
from patronage.tables import Tables
from patronage.windows import Window

_SHOWN = 6
MIN_CUSTOMERS = 50
"""Fewer cannot be divided into five folds and a confirm part that say anything."""


@dataclass(frozen=True)
class Observed:
    """Active customers at a window's ``as_of``; the rows of the three tables are the same customers.

    Attributes
    ----------
    features : DataFrame of shape (n_customers, n_features)
    outcomes : DataFrame of shape (n_customers, n_outcomes)
        In the outcome period; a customer who stayed away has each outcome's ``empty``.
    rfm : DataFrame of shape (n_customers, 3)
        Recency, frequency and monetary value for the baselines, whatever features were chosen; no columns where there
        are no orders.
    """

    features: pd.DataFrame
    outcomes: pd.DataFrame
    rfm: pd.DataFrame

    def only(self, rows: np.ndarray) -> Observed:
        """Some of the customers; ``rows`` of shape (n_customers,), bool."""
        return Observed(self.features.loc[rows], self.outcomes.loc[rows], self.rfm.loc[rows])

    def with_features(self, names: Sequence[str]) -> Observed:
        """The same customers with some of the features."""
        return Observed(self.features[list(names)], self.outcomes, self.rfm)

    def thinned(self, most: int | None) -> Observed:
        """The customers that are fitted to, by `fitted_customers`; the object itself if that is all of them."""
        rows = fitted_customers(self.features.index, most)
        return self if rows.all() else self.only(rows)

    def halves(self) -> tuple[Observed, Observed]:
        """Two halves of the customers, by a hash of their id: of a snapshot one is learned from, the other judged."""
        first = np.array([hashlib.blake2b(f"half {one}".encode()).digest()[0] % 2 == 0 for one in self.features.index])
        return self.only(first), self.only(~first)


def fitted_customers(customer_ids: Sequence[str] | pd.Index, most: int | None) -> np.ndarray:
    """Tell which customers everything is fitted to: those with the smallest hash of their id.

    The hash is another than those of select and confirm, of who is heard, and of halves, so each of these is thinned
    alike; it depends on nobody else, so the same customers come first in every window and every run.

    Parameters
    ----------
    customer_ids : sequence of str
    most : int, optional
        Default: all of them.

    Returns
    -------
    ndarray of shape (n_customers,), bool
        All of them up to ``most``.
    """
    most = len(customer_ids) if most is None else most
    return first_customers(customer_ids, most, purpose="fitted")


def learn_catalogues(
    tables: Tables, features: Sequence[Feature], outcomes: Sequence[Feature], window: Window
) -> tuple[Catalogue, Catalogue]:
    """Make the catalogues of features and outcomes ready, and tell what is left out."""
    if not outcomes and not is_snapshot(tables):
        raise InvalidConfigError(
            "no outcomes are named, but these data have dates: segments are judged by what customers did later. "
            "Name some, such as outcomes=purchases."
        )
    catalogues = (
        learn_catalogue(tables, features, window),
        learn_catalogue(tables, outcomes, window, kind="outcome", may_be_empty=is_snapshot(tables)),
    )
    _require_dated(tables, catalogues[1])
    for kind, catalogue in zip(("feature", "outcome"), catalogues, strict=True):
        tell_skipped(kind, catalogue.skipped)
    if not catalogues[0].basis:
        raise InvalidConfigError(
            f"none of the {len(catalogues[0].features)} feature(s) has role=basis, so nothing forms segments. "
            "Choose other sets, or set features.<set>.<name>.role=basis."
        )
    if text := [outcome.name for outcome in catalogues[1].features if outcome.is_text]:
        raise InvalidConfigError(f"outcome {text[0]} is text (its scale is ordinal or one_hot); expected a number.")
    return catalogues


def _require_dated(tables: Tables, outcomes: Catalogue) -> None:
    """Check that outcomes can have happened in the outcome period, and not at any time."""
    for outcome in outcomes.features:
        if outcome.window_days is not None:
            raise InvalidConfigError(
                f"outcome {outcome.name}: window_days is for features; the period is outcome_days."
            )
        undated = outcome.relation == "customers" or (
            outcome.relation == "answers" and not tables.has("answers", "answered_at")
        )
        if undated and not is_snapshot(tables):
            raise InvalidConfigError(
                f"outcome {outcome.name}: {outcome.relation} has no dates, so it cannot be told from what was known "
                "before; choose outcomes of dated tables."
            )


def tell_skipped(kind: str, skipped: Mapping[str, str]) -> None:
    """Log which features or outcomes are left out, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        note(f"{kind}{'s' if len(names) > 1 else ''} left out, {reason}: {shown}")


def diagnose_features(catalogue: Catalogue, active: pd.DataFrame) -> tuple[Diagnosis, Catalogue]:
    """Look at every feature before anything is clustered, and leave out those with no useful distribution.

    Parameters
    ----------
    catalogue : Catalogue
    active : DataFrame of shape (n_customers, n_features)
        Active customers in the learn window; outcomes are not looked at.

    Raises
    ------
    InvalidInputError
        No feature that could form segments is left.
    """
    diagnosed = diagnose(active, catalogue.features)
    useful = catalogue.without(diagnosed.dropped)
    counts = ", ".join(f"{n} to {verdict}" for verdict, n in diagnosed.counts.items() if n)
    note(f"diagnosis of {len(catalogue.features)} features: {counts}")
    tell_skipped("feature", diagnosed.dropped)
    for one in diagnosed.ordered:
        if one.verdict == "transform":
            note(f"feature {one.name}: {one.reason}")
    if not useful.basis:
        raise InvalidInputError(
            f"none of the {len(catalogue.basis)} features differs usefully between the {len(active):,} customers; "
            "there is nothing to segment. `patronage features` shows each. Add features, or check the data's columns."
        )
    note(f"{len(useful.basis)} of {len(useful.features)} features form segments")
    return diagnosed, useful


def observe(tables: Tables, catalogue: Catalogue, outcomes: Catalogue, window: Window) -> Observed:
    """Look back from ``window.as_of`` for features, and forward for outcomes."""
    rfm = RFM if tables.has("transactions") else ()
    # One statement reads the lines once for both.
    active = build_features(tables, Catalogue((*catalogue.features, *rfm)), window).active
    later = pd.DataFrame(index=active.index)
    if outcomes.features:
        later = build_outcomes(tables, outcomes, window).reindex(active.index)
    for name, n_empty in later.isna().sum().items():
        if n_empty:
            raise InvalidConfigError(
                f"outcome {name} is empty for {n_empty:,} of {len(later):,} customers; say what it means, such as "
                f"outcomes.{name}.empty=0, and let its SQL give a number for everyone with rows."
            )
    return Observed(active[catalogue.names], later, active[[feature.name for feature in rfm]])


def require_judgeable(outcomes: Catalogue, representation: str, weights: Mapping[str, float]) -> None:
    """Check that nothing is asked for that needs outcomes where there are none.

    Raises
    ------
    InvalidConfigError
        The representation learns from outcomes, or the objective is measured by them.
    """
    if outcomes.features:
        return
    needed = [f"representation={representation}"] if representation == "outcome_aware" else []
    needed += [f"the objective {metric}" for metric in weights if metric.startswith("value/")]
    if needed:
        raise InvalidConfigError(
            f"{' and '.join(needed)} need later outcomes, and these data have none (no dated orders); "
            "choose representation=standard selection=separation, or name outcomes."
        )


def require_customers(newest: FeatureTable, observed: Sequence[Observed], clusterers: Sequence[Clusterer]) -> None:
    """Check that there are enough customers to form and judge segments.

    Raises
    ------
    InvalidInputError
        Fewer active customers than `MIN_CUSTOMERS`, or than the most segments asked for.
    """
    counts = {status: int(n) for status, n in newest.status.value_counts().items()}
    note("customers at the newest day: " + ", ".join(f"{n:,} {status}" for status, n in counts.items()))
    fewest = min(len(newest.active), *(len(one.features) for one in observed))
    most_segments = max(clusterer.most_segments for clusterer in clusterers)
    needed = max(MIN_CUSTOMERS, most_segments)
    if fewest < needed:
        raise InvalidInputError(
            f"{fewest:,} customer(s) to form or judge segments (of table transactions, those with an order in the "
            f"lookback), at least {needed} are needed (up to {most_segments} segments are asked for). "
            "Use more data, a longer lookback_days, or fewer segments."
        )
