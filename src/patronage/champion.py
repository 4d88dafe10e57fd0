"""The champion, the model in charge, on a challenger's data: where it places customers, and what its recipe sees."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from patronage.assigners import UNASSIGNED
from patronage.catalogue import Catalogue
from patronage.continuity import Former
from patronage.errors import PatronageError
from patronage.journal import note, warn
from patronage.model import SegmentationModel
from patronage.observation import Observed, observe
from patronage.periods import scoring_window
from patronage.recipe import Recipe
from patronage.scoring.building import features_of
from patronage.tables import Tables
from patronage.windows import Windows


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
class Contest:
    """What the champion's recipe is judged by.

    Attributes
    ----------
    recipe : Recipe
    learn, judged : Observed
        The challenger's windows, seen through the champion's features.
    """

    recipe: Recipe
    learn: Observed
    judged: Observed


@dataclass(frozen=True)
class Incumbent:
    """The champion on the challenger's data.

    Attributes
    ----------
    version : str
    segment_ids, segment_names : tuple of str
        Of its segments, in the order of its labels.
    placed : Series of shape (n_customers,)
        Its label of every customer that it can place at the newest day, by customer id.
    contest : Contest, optional
        None where its recipe cannot be judged in the challenger's windows.
    """

    version: str
    segment_ids: tuple[str, ...]
    segment_names: tuple[str, ...]
    placed: pd.Series
    contest: Contest | None

    def former(self, customers: pd.Index) -> Former:
        """Where the champion places these customers of the newest day."""
        labels = self.placed.reindex(customers)
        return Former(
            labels.fillna(UNASSIGNED).to_numpy(int), labels.notna().to_numpy(), self.segment_ids, self.segment_names
        )


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
        None where there is no champion, or none that can place these customers; the journal says why.
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
    except PatronageError as error:
        warn(f"champion version {champion.version} cannot place these customers, so nothing is carried over: {error}")
        return None
    try:
        contest = _contest(tables, model, windows, catalogue, outcomes, observed)
    except PatronageError as error:
        warn(f"the recipe of champion version {champion.version} cannot be judged here: {error}")
        contest = None
    return Incumbent(
        champion.version,
        tuple(segment.id for segment in model.segments),
        tuple(segment.name for segment in model.segments),
        pd.Series(placed, index=newest.index),
        contest,
    )


def _contest(
    tables: Tables,
    model: SegmentationModel,
    windows: Windows,
    catalogue: Catalogue,
    outcomes: Catalogue,
    observed: tuple[Observed, Observed],
) -> Contest:
    basis = model.catalogue.basis
    recipe = Recipe.from_dict(model.recipe, basis)
    days = model.lookback_days
    if days == windows.learn.lookback_days and all(feature in catalogue.features for feature in basis):
        learn, judged = (one.with_features([feature.name for feature in basis]) for one in observed)
        return Contest(recipe, learn, judged)
    seen = []
    for window, asked in zip((windows.learn, windows.judge), observed, strict=True):
        # A longer lookback may not be covered by the data before the learn window, and is refused then.
        own = scoring_window(tables, window.as_of, days, window.outcome_days)
        through = observe(tables, Catalogue(basis), outcomes, own)
        seen.append(through.only(through.features.index.isin(asked.features.index)))
    return Contest(recipe, *seen)
