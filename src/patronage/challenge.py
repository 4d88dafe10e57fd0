"""The challenge: a new model beside the champion, the model in charge, as recipes and on the same customers.

The champion itself has seen the days that the new one is judged on. So its recipe is fitted again where the challenger
was, in the learn window, and both are judged on what the same customers did in the judge window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.backtest import stabilities
from patronage.champion import Contest, Incumbent
from patronage.clusterers import Failure
from patronage.errors import InvalidConfigError, PatronageError
from patronage.evaluation.judgement import Judge
from patronage.journal import warn
from patronage.recipe import fit_recipes


@dataclass(frozen=True)
class Challenge:
    """A challenger beside the champion's recipe, in the challenger's windows.

    Figures that do not apply are NaN: without outcomes, or where the champion's recipe cannot be judged here.

    Attributes
    ----------
    version : str
        The champion's.
    n_segments, n_segments_champion : int
    kept_champion : float
        Of the champion's recipe, on the confirm customers.
    kept_difference, kept_difference_low, kept_difference_high : float
        The challenger's *kept* less the champion's, compared in pairs, with its 90 % interval.
    ari, ari_champion : float
        Agreement of refits in the learn window.
    changed_share : float
        Share of customers that both place at the newest day whose segment id changes; before any are withheld by
        ``min_confidence``.
    """

    version: str
    n_segments: int
    n_segments_champion: int
    kept_champion: float
    kept_difference: float
    kept_difference_low: float
    kept_difference_high: float
    ari: float
    ari_champion: float
    changed_share: float

    @property
    def figures(self) -> dict[str, float]:
        """All figures that apply, by name."""
        named = {name: float(value) for name, value in vars(self).items() if name != "version"}
        return {name: round(value, 6) for name, value in named.items() if math.isfinite(value)}


@dataclass(frozen=True)
class ChallengeGates:
    """What a challenger must not fall short of the champion by; a figure that does not apply fails no gate.

    Attributes
    ----------
    max_kept_loss : float, default 0
        Fails where the whole interval of the difference in *kept* lies below minus this. Fewer segments keep less by
        nature: raise it to let a model with fewer segments follow one with more.
    max_ari_loss : float, default 0.1
        By how much the agreement of refits may be lower.
    max_changed_share : float from 0 to 1, default 0.5
        Share of customers that may change segment.
    """

    max_kept_loss: float = 0.0
    max_ari_loss: float = 0.1
    max_changed_share: float = 0.5

    def __post_init__(self) -> None:
        """Check the limits."""
        for gate, limit in vars(self).items():
            if not limit >= 0:
                raise InvalidConfigError(f"gates.{gate} must be 0 or more; got {limit}.")
        if self.max_changed_share > 1:
            raise InvalidConfigError(f"gates.max_changed_share must be from 0 to 1; got {self.max_changed_share}.")


def failed_challenge(figures: Mapping[str, float], gates: ChallengeGates) -> tuple[str, ...]:
    """Gates that a challenger fails, each in words.

    Parameters
    ----------
    figures : mapping
        As `Challenge.figures` gives them.
    gates : ChallengeGates
    """
    failed = []
    absent = float("nan")
    if figures.get("kept_difference_high", absent) < -gates.max_kept_loss:
        allowed = f" (allowed: {gates.max_kept_loss:g} less)" if gates.max_kept_loss else ""
        failed.append(
            f"keeps less than the champion's recipe: difference {figures['kept_difference']:+.3f}, at most "
            f"{figures['kept_difference_high']:+.3f}{allowed}"
        )
    loss = figures.get("ari_champion", absent) - figures.get("ari", absent)
    if loss > gates.max_ari_loss:
        failed.append(
            f"less steady than the champion's recipe: ARI of refits {figures['ari']:.2f}, not "
            f"{figures['ari_champion']:.2f} (allowed: {gates.max_ari_loss:g} less)"
        )
    if figures.get("changed_share", absent) > gates.max_changed_share:
        failed.append(
            f"{figures['changed_share']:.1%} of the customers change segment (allowed: {gates.max_changed_share:.0%})"
        )
    return tuple(failed)


def challenge(
    incumbent: Incumbent,
    judge: Judge,
    judged: pd.Index,
    labels: np.ndarray,
    *,
    ari: float,
    changed_share: float,
    n_refits: int,
    seed: int,
    workers: int,
) -> Challenge:
    """Compare a challenger with the champion's recipe.

    Parameters
    ----------
    incumbent : Incumbent
    judge : Judge
        The challenger's: same customers, outcomes and ceiling.
    judged : Index of length n_customers
        The judge window's customers.
    labels : ndarray of shape (n_customers,)
        The challenger's labels of them, by the model fitted in the learn window.
    ari, changed_share : float
        The challenger's; see `Challenge`.
    n_refits, seed, workers
        As those of the challenger's own stability.
    """
    figures = (
        {}
        if incumbent.contest is None
        else _judge_recipe(
            incumbent, incumbent.contest, judge, judged, labels, n_refits=n_refits, seed=seed, workers=workers
        )
    )
    absent = float("nan")
    return Challenge(
        version=incumbent.version,
        n_segments=len(np.unique(labels[labels != UNASSIGNED])),
        n_segments_champion=len(incumbent.segment_ids),
        kept_champion=figures.get("kept_rival", absent),
        kept_difference=figures.get("difference", absent),
        kept_difference_low=figures.get("difference_low", absent),
        kept_difference_high=figures.get("difference_high", absent),
        ari=ari,
        ari_champion=figures.get("ari", absent),
        changed_share=changed_share,
    )


def _judge_recipe(
    incumbent: Incumbent,
    contest: Contest,
    judge: Judge,
    judged: pd.Index,
    labels: np.ndarray,
    *,
    n_refits: int,
    seed: int,
    workers: int,
) -> dict[str, float]:
    """What the champion's recipe keeps, and how steady it is; empty where it finds no segments, as the journal says."""
    learn, nothing = contest.learn, f"the recipe of champion version {incumbent.version} finds no segments here"
    try:
        (fitted,) = fit_recipes([contest.recipe], learn.features, learn.outcomes, seed=seed)
        (steadiness,) = stabilities([fitted], learn, n_refits=n_refits, seed=seed, workers=workers)
    except PatronageError as error:
        warn(f"{nothing}: {error}")
        return {}
    if isinstance(fitted, Failure) or steadiness is None:
        warn(f"{nothing}: {fitted.reason if isinstance(fitted, Failure) else 'no refit'}")
        return {}
    own = pd.Series(fitted.assign(contest.judged.features).label, index=contest.judged.features.index)
    # Whom the champion does not look at is to it a customer without a segment.
    rival = own.reindex(judged, fill_value=UNASSIGNED).to_numpy(int)
    return {**judge.compare(labels, rival), "ari": steadiness.ari}
