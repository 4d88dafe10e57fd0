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
from patronage.catalogue import Catalogue
from patronage.clusterers import Failure
from patronage.continuity import Former
from patronage.errors import InvalidConfigError, PatronageError
from patronage.evaluation.judgement import Judge
from patronage.journal import note, warn
from patronage.model import SegmentationModel
from patronage.observation import Observed, observe
from patronage.recipe import Recipe, fit_recipes
from patronage.scoring.building import features_of
from patronage.tables import Tables
from patronage.windows import Window, Windows


@dataclass(frozen=True)
class Champion:
    """The model in charge.

    Attributes
    ----------
    version : str
        Its registered version; empty where there is none.
    model : SegmentationModel, optional
    last_number : int
        The highest number of a segment's id in any version that is or was in charge: people may know it.
    """

    version: str = ""
    model: SegmentationModel | None = None
    last_number: int = 0


@dataclass(frozen=True)
class Incumbent:
    """The champion on the challenger's data.

    Attributes
    ----------
    version : str
    segment_ids, segment_names : tuple of str
        Of its segments, in the order of its labels.
    recipe : Recipe
    placed : Series of shape (n_customers,)
        Its label of every customer that it can place at the newest day, by customer id.
    learn, judged : Observed
        The challenger's windows, seen through the champion's features.
    """

    version: str
    segment_ids: tuple[str, ...]
    segment_names: tuple[str, ...]
    recipe: Recipe
    placed: pd.Series
    learn: Observed
    judged: Observed

    def former(self, customers: pd.Index) -> Former:
        """Where the champion places these customers of the newest day."""
        labels = self.placed.reindex(customers)
        return Former(
            labels.fillna(UNASSIGNED).to_numpy(int), labels.notna().to_numpy(), self.segment_ids, self.segment_names
        )


@dataclass(frozen=True)
class Challenge:
    """A challenger beside the champion's recipe, in the challenger's windows; NaN where a figure does not apply.

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
        Share of customers that both place at the newest day whose segment id changes.
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
    max_changed_share : float, default 0.5
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


def observe_champion(
    tables: Tables,
    champion: Champion,
    windows: Windows,
    catalogue: Catalogue,
    outcomes: Catalogue,
    observed: tuple[Observed, Observed],
) -> Incumbent | None:
    """See the challenger's data through the champion's features.

    Parameters
    ----------
    tables : Tables
    champion : Champion
    windows : Windows
        The challenger's.
    catalogue, outcomes : Catalogue
        The challenger's.
    observed : tuple of Observed
        The challenger's learn and judge windows, which serve the champion too where its features are among them.

    Returns
    -------
    Incumbent, optional
        None where there is no champion, or none that these tables can be compared by; the journal says why.
    """
    model = champion.model
    if model is None:
        return None
    if model.about.get("data") != tables.source.name:
        note(
            f"champion version {champion.version} was trained on data={model.about.get('data')}: its segments are "
            "not carried over, and it is not compared with"
        )
        return None
    try:
        newest = features_of(tables, model, windows.refit.as_of).active
        placed = model.assigner.assign(model.representation.transform(newest[model.input_columns])).label
        basis = model.catalogue.basis
        if model.lookback_days == windows.learn.lookback_days and all(
            feature in catalogue.features for feature in basis
        ):
            learn, judged = (one.with_features([feature.name for feature in basis]) for one in observed)
        else:
            learn, judged = (
                _through(observe(tables, Catalogue(basis), outcomes, _looking_back(window, model.lookback_days)), one)
                for window, one in zip((windows.learn, windows.judge), observed, strict=True)
            )
        return Incumbent(
            champion.version,
            tuple(segment.id for segment in model.segments),
            tuple(segment.name for segment in model.segments),
            Recipe.from_dict(model.recipe, basis),
            pd.Series(placed, index=newest.index),
            learn,
            judged,
        )
    except PatronageError as error:
        warn(f"champion version {champion.version} cannot be compared with on these tables: {error}")
        return None


def _looking_back(window: Window, lookback_days: int) -> Window:
    return Window(window.as_of, lookback_days, window.outcome_days)


def _through(own: Observed, asked: Observed) -> Observed:
    """Those customers of a window whom the challenger looks at too."""
    return own.only(own.features.index.isin(asked.features.index))


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
) -> Challenge | None:
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

    Returns
    -------
    Challenge, optional
        None where the champion's recipe finds no segments here; the journal says why.
    """
    learn, nothing = incumbent.learn, f"the recipe of champion version {incumbent.version} finds no segments here"
    try:
        (fitted,) = fit_recipes([incumbent.recipe], learn.features, learn.outcomes, seed=seed)
        (steadiness,) = stabilities([fitted], learn, n_refits=n_refits, seed=seed, workers=workers)
    except PatronageError as error:
        warn(f"{nothing}: {error}")
        return None
    if isinstance(fitted, Failure) or steadiness is None:
        warn(f"{nothing}: {fitted.reason if isinstance(fitted, Failure) else 'no refit'}")
        return None
    own = pd.Series(fitted.assign(incumbent.judged.features).label, index=incumbent.judged.features.index)
    # Whom the champion does not look at is to it a customer without a segment.
    rival = own.reindex(judged, fill_value=UNASSIGNED).to_numpy(int)
    compared = judge.compare(labels, rival)
    absent = float("nan")
    return Challenge(
        version=incumbent.version,
        n_segments=len(np.unique(labels[labels != UNASSIGNED])),
        n_segments_champion=fitted.assigner.n_segments,
        kept_champion=compared.get("kept_rival", absent),
        kept_difference=compared.get("difference", absent),
        kept_difference_low=compared.get("difference_low", absent),
        kept_difference_high=compared.get("difference_high", absent),
        ari=ari,
        ari_champion=steadiness.ari,
        changed_share=changed_share,
    )
