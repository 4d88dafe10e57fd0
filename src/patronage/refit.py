"""The refit: recipes that passed the backtest, fitted again at the newest day, must be as steady there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from patronage.assigners import Assignment
from patronage.backtest import Placer
from patronage.clusterers import Failure
from patronage.errors import InvalidInputError
from patronage.evaluation.row import Row
from patronage.evaluation.size import size
from patronage.evaluation.stability import Stability, refit_labels, stability
from patronage.observation import Observed
from patronage.recipe import FittedRecipe, fit_recipes


@dataclass(frozen=True)
class Refit:
    """A recipe fitted again at the newest day.

    Attributes
    ----------
    fitted : FittedRecipe
    assignment : Assignment
        Of the newest day's active customers.
    backtest_labels : ndarray of shape (n_customers,)
        Labels of the same customers by the backtested model.
    stable : Stability
        Of the refit, under subsamples at the newest day.
    fitted_to : ndarray of shape (n_customers,), bool
        Which of these customers it was fitted to; ``stable.stayed`` is of them.
    """

    fitted: FittedRecipe
    assignment: Assignment
    backtest_labels: np.ndarray
    stable: Stability
    fitted_to: np.ndarray

    def add_to(self, row: Row, stage: str = "refit") -> Row:
        """The leaderboard's line with the refit's figures; ``stage`` is ``refit``, or ``final`` on all customers."""
        sizes = size(self.assignment.label, self.assignment.found)
        figures = {
            f"{stage}/n_segments": float(sizes.n_segments),
            f"{stage}/min_share": sizes.min_share,
            f"{stage}/coverage": sizes.coverage,
            f"{stage}/ari": self.stable.ari,
            f"{stage}/jaccard_min": float(self.stable.jaccard.min(initial=1.0)),
            f"{stage}/ari_backtest": float(adjusted_rand_score(self.backtest_labels, self.assignment.label)),
        }
        if self.fitted.typing_agreement is not None:
            figures[f"{stage}/typing_agreement"] = self.fitted.typing_agreement
        return replace(row, metrics={**row.metrics, **figures})


@dataclass(frozen=True)
class FailedRefit:
    """A recipe that finds no segments at the newest day."""

    reason: str

    def add_to(self, row: Row, stage: str = "refit") -> Row:  # noqa: ARG002 - as `Refit.add_to`
        """The leaderboard's line with the failure."""
        return replace(row, failure=f"at the newest day: {self.reason}")


def refit_shortlist(
    shortlist: Sequence[FittedRecipe | Failure],
    last: Observed,
    newest: pd.DataFrame,
    *,
    n_refits: int,
    seed: int,
    workers: int,
    fitted_to: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Refit | FailedRefit]:
    """Fit recipes again: outcomes are learned in the last complete window, segments are formed at the newest day.

    Parameters
    ----------
    shortlist : sequence of FittedRecipe
        Backtested recipes that passed all gates.
    last : Observed
        The latest window whose outcomes are complete.
    newest : DataFrame of shape (n_customers, n_features)
        Features of active customers at the newest day; all of them are placed.
    fitted_to : ndarray of shape (n_customers,), bool, optional
        Which of them segments are formed from, and labelled by the refits on subsamples; default: all.
    progress : callable, optional
        Called with the number of subsamples done.
    """
    backtested = [one for one in shortlist if isinstance(one, FittedRecipe)]
    recipes = [one.recipe for one in backtested]
    rows = np.ones(len(newest), dtype=bool) if fitted_to is None else fitted_to
    current = newest if rows.all() else newest.loc[rows]
    try:
        fitted = fit_recipes(recipes, last.features, last.outcomes, seed=seed, current=current)
    except InvalidInputError as error:
        # What differed between customers in the backtest no longer does.
        return [FailedRefit(str(error)) for _ in recipes]
    refits = refit_labels(
        recipes,
        last.features,
        last.outcomes,
        n_refits=n_refits,
        seed=seed,
        workers=workers,
        current=current,
        progress=progress,
    )
    placer = Placer(newest)
    results: list[Refit | FailedRefit] = []
    for former, again, labels in zip(backtested, fitted, refits, strict=True):
        if isinstance(again, Failure):
            results.append(FailedRefit(again.reason))
            continue
        own, before = placer.assign(again), placer.assign(former)
        steadiness = stability(own.label[rows], labels, n_segments=again.assigner.n_segments, each=True)
        results.append(Refit(again, own, before.label, steadiness, rows))
    return results
