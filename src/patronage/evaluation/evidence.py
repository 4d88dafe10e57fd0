"""What segmentations are judged against: customers in folds, and how well their later outcomes could be foreseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from patronage.errors import InvalidInputError
from patronage.evaluation.bootstrap import LEVEL, Bootstrap, r_squared, r_squared_draws

SELECT_SHARE = 0.7
N_FOLDS = 5
MIN_CEILING = 0.05
"""An outcome counts only if the lower bound of what is foreseeable about it reaches this R²."""

WINSORISED = 0.99
"""Quantile of an outcome's size at which it is cut off on the scale of money."""

MAX_HEARD = 20_000
"""Of more customers a sample is asked what they did later: an R² is then known to ±.01, and learners take a minute."""

CONFIRM = -1


@dataclass(frozen=True)
class Effort:
    """How much work the learners put into a forecast.

    Attributes
    ----------
    n_rounds : int
        Of boosting; fewer need a larger ``learning_rate``.
    learning_rate : float
    n_trees : int
        Of the forest.
    """

    n_rounds: int
    learning_rate: float
    n_trees: int


FULL = Effort(150, 0.05, 300)
QUICK = Effort(60, 0.1, 100)
"""A third of the work; R² on Complete Journey differs by less than .005 from that of ``FULL``."""


@dataclass(frozen=True)
class Evidence:
    """What segmentations are judged against on one scale, computed once and shared by all of them.

    Attributes
    ----------
    outcomes : tuple of str
    targets : ndarray of shape (n_customers, n_outcomes)
        Outcomes after ``as_of`` on the scale they are judged on.
    folds : ndarray of shape (n_customers,)
        Fold 0 … 4 of a *select* customer, ``CONFIRM`` for a *confirm* customer.
    ceiling_errors : ndarray of shape (n_customers, n_outcomes)
        Squared errors of the best learner per outcome.
    learners : tuple of str
        That learner, per outcome.
    counted : ndarray of shape (n_outcomes,), bool
        Outcomes whose ceiling's lower bound on *select* is at least ``MIN_CEILING``.
    draws : mapping
        `Bootstrap` per part: the same for all segmentations, so that they are compared in pairs.
    """

    outcomes: tuple[str, ...]
    targets: np.ndarray
    folds: np.ndarray
    ceiling_errors: np.ndarray
    learners: tuple[str, ...]
    counted: np.ndarray
    draws: Mapping[str, Bootstrap]

    def rows(self, part: str) -> np.ndarray:
        """Which customers belong to ``select`` or ``confirm``."""
        return self.folds != CONFIRM if part == "select" else self.folds == CONFIRM


def fold_customers(customer_ids: Sequence[str]) -> np.ndarray:
    """Divide customers by a hash of their id: 30 % confirm, the rest in five folds.

    A hash keeps every customer on its side of the split in every run, whoever else is in the data.
    """
    folds = np.empty(len(customer_ids), dtype=int)
    for row, customer in enumerate(customer_ids):
        digest = hashlib.blake2b(f"patronage {customer}".encode(), digest_size=8).digest()
        point = int.from_bytes(digest[:4], "big") / 2**32
        folds[row] = digest[4] * 256 + digest[5] if point < SELECT_SHARE else CONFIRM
    return np.where(folds == CONFIRM, CONFIRM, folds % N_FOLDS)


def select_customers(customer_ids: Sequence[str]) -> np.ndarray:
    """Tell which customers choices may be made on; ndarray of shape (n_customers,), bool."""
    return fold_customers(customer_ids) != CONFIRM


def hear(customer_ids: Sequence[str], most: int = MAX_HEARD) -> np.ndarray:
    """Tell which customers are asked what they did later: those with the smallest hash of their id.

    Returns
    -------
    ndarray of shape (n_customers,), bool
        All of them up to ``most``; who is asked does not depend on the order of the customers.
    """
    return first_customers(customer_ids, most, purpose="heard")


def first_customers(customer_ids: Sequence[str] | pd.Index, most: int, *, purpose: str) -> np.ndarray:
    """Choose at most so many customers: those with the smallest hash of their id.

    The hash depends on nobody else, so the same customers come first in every window and every run.

    Parameters
    ----------
    customer_ids : sequence of str
    most : int
    purpose : str
        Goes into the hash, so that choices for different purposes have nothing to do with each other.

    Returns
    -------
    ndarray of shape (n_customers,), bool
    """
    chosen = np.ones(len(customer_ids), dtype=bool)
    if len(customer_ids) > most:
        digests = [hashlib.blake2b(f"{purpose} {one}".encode(), digest_size=8).digest() for one in customer_ids]
        chosen[np.argsort(np.array([int.from_bytes(one) for one in digests], dtype=np.uint64))[most:]] = False
    return chosen


def winsorised(outcomes: np.ndarray, select: np.ndarray) -> np.ndarray:
    """Outcomes on the scale of money: cut off at ±(99 % quantile of their size), and divided by their spread.

    Both are learned from the *select* customers. An outcome that is the same for 99 % of them is cut off to that, and
    foresees nothing. Dividing changes no R²; it lets a learner of several outcomes weigh them alike.

    Parameters
    ----------
    outcomes : ndarray of shape (n_customers, n_outcomes)
    select : ndarray of shape (n_customers,), bool

    References
    ----------
    Dixon & Tukey (1968), Approximate behavior of the distribution of Winsorized t, Technometrics 10.
    """
    if not select.any():
        return outcomes
    bound = np.quantile(np.abs(outcomes[select]), WINSORISED, axis=0)
    cut = np.clip(outcomes, -bound, bound)
    spread = cut[select].std(axis=0)
    return np.asarray(cut / np.where(spread > 0, spread, 1.0))


def n_forecasts(n_outcomes: int) -> int:
    """How many forecasts a run makes: those of `gather_evidence` on both scales, logarithm and money."""
    return 2 * len(_jobs(n_outcomes))


def gather_evidence(
    space: np.ndarray,
    scales: Sequence[tuple[np.ndarray, Effort]],
    outcomes: Sequence[str],
    customer_ids: Sequence[str],
    *,
    seed: int,
    workers: int,
    progress: Callable[[int], None] | None = None,
) -> list[Evidence]:
    """Find out how well each outcome could be foreseen from all basis features: the common ceiling.

    Boosting, extra-trees and ridge forecast every *select* customer out of fold, and every *confirm* customer from
    all *select* customers; per outcome the learner with the best R² on *select* is the ceiling. On every scale they
    learn anew: the best forecast of the logarithm is not the logarithm of the best forecast.

    Parameters
    ----------
    space : ndarray of shape (n_customers, n_columns)
        All basis features at ``as_of``, standardised.
    scales : sequence of (ndarray of shape (n_customers, n_outcomes), Effort)
        Outcomes after ``as_of`` on each scale they are judged on, and the work that is put into foreseeing them.
    outcomes : sequence of str
        Their names.
    customer_ids : sequence of str
    seed : int
    workers : int
        Processes that share the forecasts.
    progress : callable, optional
        Called with the number of forecasts done.

    Returns
    -------
    list of Evidence
        One per scale, with the same folds and draws.

    Raises
    ------
    InvalidInputError
        An outcome is not known for every customer. One who stayed away has an outcome, such as 0.
    """
    for targets, _ in scales:
        unknown = ~np.isfinite(targets)
        if unknown.any():
            first = int(unknown.any(axis=0).argmax())
            raise InvalidInputError(
                f"outcome {outcomes[first]} is not a finite number for {int(unknown[:, first].sum()):,} of "
                f"{len(targets):,} customers; give those who did nothing its `empty` value, and leave out the others."
            )
    folds = fold_customers(customer_ids)
    select = folds != CONFIRM
    jobs = [(scale, *job) for scale, (targets, _) in enumerate(scales) for job in _jobs(targets.shape[1])]
    tasks = (
        delayed(_forecast)(name, space, *scales[scale], folds, fold, column, seed) for scale, name, fold, column in jobs
    )
    forecasts = [{name: np.zeros_like(targets) for name in LEARNERS} for targets, _ in scales]
    made = Parallel(n_jobs=workers, return_as="generator")(tasks)
    for done, ((scale, name, fold, column), forecast) in enumerate(zip(jobs, made, strict=True)):
        columns = slice(None) if column is None else slice(column, column + 1)
        forecasts[scale][name][folds == fold, columns] = forecast
        if progress is not None:
            progress(done + 1)
    rng = np.random.default_rng(seed)
    draws = {part: Bootstrap.draw(int(rows.sum()), rng) for part, rows in (("select", select), ("confirm", ~select))}
    return [
        _evidence(tuple(outcomes), targets, folds, forecast, draws)
        for (targets, _), forecast in zip(scales, forecasts, strict=True)
    ]


def _evidence(
    outcomes: tuple[str, ...],
    targets: np.ndarray,
    folds: np.ndarray,
    forecasts: Mapping[str, np.ndarray],
    draws: Mapping[str, Bootstrap],
) -> Evidence:
    """Choose the best learner per outcome, and the outcomes that count."""
    select = folds != CONFIRM
    errors = {name: (targets - forecast) ** 2 for name, forecast in forecasts.items()}
    r2 = {name: r_squared(error[select], targets[select]) for name, error in errors.items()}
    best = tuple(max(forecasts, key=lambda name: r2[name][column]) for column in range(targets.shape[1]))
    ceiling = np.empty_like(targets)
    for column, name in enumerate(best):
        ceiling[:, column] = errors[name][:, column]
    (drawn,) = r_squared_draws(targets[select], draws["select"], ceiling[select])
    lower = np.quantile(drawn, (1 - LEVEL) / 2, axis=0)
    return Evidence(outcomes, targets, folds, ceiling, best, lower >= MIN_CEILING, draws)


def _boosting(seed: int, effort: Effort) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    return HistGradientBoostingRegressor(
        max_iter=effort.n_rounds,
        learning_rate=effort.learning_rate,
        min_samples_leaf=20,
        early_stopping=False,
        random_state=seed,
    )


def _forest(seed: int, effort: Effort) -> Any:  # noqa: ANN401
    return ExtraTreesRegressor(n_estimators=effort.n_trees, min_samples_leaf=5, max_features=0.5, random_state=seed)


def _ridge(seed: int, effort: Effort) -> Any:  # noqa: ANN401, ARG001 - ridge has no chance in it
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))


LEARNERS = {"boosting": _boosting, "forest": _forest, "ridge": _ridge}


def _jobs(n_outcomes: int) -> list[tuple[str, int, int | None]]:
    """Learner, fold and, where a learner takes one outcome at a time, its column."""
    if not n_outcomes:  # a snapshot has nothing to foresee
        return []
    columns: dict[str, list[int | None]] = {"boosting": [*range(n_outcomes)]}
    return [
        (name, fold, column)
        for fold in [*range(N_FOLDS), CONFIRM]
        for name in LEARNERS
        for column in columns.get(name, [None])
    ]


def _forecast(
    name: str,
    space: np.ndarray,
    targets: np.ndarray,
    effort: Effort,
    folds: np.ndarray,
    fold: int,
    column: int | None,
    seed: int,
) -> np.ndarray:
    held_out = folds == fold
    train = ~held_out & (folds != CONFIRM)
    if not held_out.any():
        return np.empty((0, targets.shape[1] if column is None else 1))
    # scikit-learn wants a single outcome as a vector.
    wanted = targets[:, column or 0] if column is not None or targets.shape[1] == 1 else targets
    with threadpool_limits(1):
        learner = LEARNERS[name](seed, effort).fit(space[train], wanted[train])
        return np.asarray(learner.predict(space[held_out])).reshape(int(held_out.sum()), -1)
