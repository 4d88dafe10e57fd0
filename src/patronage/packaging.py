"""From the refit winner to what is registered: ids by later value, descriptions, and all that scoring needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from patronage.catalogue import Catalogue
from patronage.challenge import Challenge
from patronage.confidence import Calibration, confidence_reliability
from patronage.continuity import Continuity
from patronage.errors import InvalidConfigError
from patronage.journal import note
from patronage.model import SegmentationModel
from patronage.numbering import Numbering
from patronage.prospects import MIN_CONFIDENCE, Prospects, learn_prospects
from patronage.refit import Refit
from patronage.segments import describe_segments
from patronage.selection import Gates, Verdict, check_gates
from patronage.windows import Window
from patronage.wording import Wording


def package(
    again: Refit,
    features: pd.DataFrame,
    catalogue: Catalogue,
    numbered: Numbering,
    window: Window,
    about: dict[str, Any],
    *,
    min_confidence: float = 0.0,
    min_prospect_confidence: float = MIN_CONFIDENCE,
    prospects_exist: bool = True,
    names: Mapping[str, str] | None = None,
    wording: Wording | None = None,
) -> SegmentationModel:
    """Describe the refit's segments and put all that scoring needs in one model.

    What was found about confidence and prospects is told, and added to what the model knows of its making.

    Parameters
    ----------
    again : Refit
    features : DataFrame of shape (n_customers, n_features)
        Active customers at the newest day.
    catalogue : Catalogue
    numbered : Numbering
    window : Window
        The refit's.
    about : dict
        As `tell_about` gives it.
    min_confidence : float, default 0
        Active customers whose segment a refit is less likely to keep are placed nowhere.
    min_prospect_confidence : float, default 0.5
        Prospects whose segment is less probable by their profile are placed nowhere.
    prospects_exist : bool, default True
        Whether there can be customers who never bought: not so where there are no orders.
    names : mapping, optional
        Id → name, as the user wants it.
    wording : Wording, optional
        Words of names; default: the shipped English.
    """
    segments = describe_segments(
        numbered.ids,
        again.assignment.label,
        features,
        catalogue.features,
        value_per_id=numbered.worth,
        jaccard=again.stable.jaccard,
        names=numbered.names,
        given=names,
        wording=wording,
    )
    calibration = Calibration.learn(again.assignment, again.stable.stayed, len(segments), again.fitted_to)
    prospects = Prospects(None, None, "without orders nobody is known to be a prospect")
    if prospects_exist:
        prospects = learn_prospects(
            catalogue.features,
            features.loc[again.fitted_to],
            again.assignment.label[again.fitted_to],
            len(segments),
            min_confidence=min_prospect_confidence,
        )
    _tell_prospects(prospects)
    return SegmentationModel(
        catalogue=catalogue,
        representation=again.fitted.representation,
        assigner=again.fitted.assigner,
        segments=segments,
        calibration=calibration,
        lookback_days=window.lookback_days,
        outcome_days=window.outcome_days,
        trained_as_of=window.as_of,
        recipe=again.fitted.recipe.to_dict(),
        last_number=numbered.last_number,
        about={
            **about,
            "confidence": _about_confidence(again, calibration, features, min_confidence),
            "prospects": {
                "why_not": prospects.why_not,
                "min_confidence": min_prospect_confidence,
                "features": [] if prospects.classifier is None else prospects.classifier.names,
                "evaluation": None if prospects.evaluation is None else asdict(prospects.evaluation),
            },
        },
        min_confidence=min_confidence,
        profiles=prospects.classifier,
    )


def require_covered(model: SegmentationModel, coverage: float) -> None:
    """Check that so large a share of the customers keeps a segment once the uncertain are withheld.

    Raises
    ------
    InvalidConfigError
        It is smaller; nothing is registered then.
    """
    withheld = model.about["confidence"]["withheld_share"]
    placed = model.about["metrics"].get("final/coverage", 1.0) - withheld
    if model.min_confidence > 0 and placed < coverage:
        raise InvalidConfigError(
            f"min_confidence={model.min_confidence:g} leaves {placed:.1%} of the customers in a segment, the gate "
            f"coverage asks for {coverage:.0%}; nothing is registered. Lower it, or selection.gates.coverage."
        )


def _about_confidence(
    again: Refit, calibration: Calibration, features: pd.DataFrame, min_confidence: float
) -> dict[str, Any]:
    """Whether confidence holds, and how many customers are too uncertain to be in a segment."""
    reliability = confidence_reliability(again.assignment, again.stable.kept, features.index, again.fitted_to)
    withheld = float(np.mean(calibration.confidence(again.assignment) < min_confidence))
    if min_confidence > 0:
        note(
            f"min_confidence={min_confidence:g}: {withheld:.1%} of the customers are unassigned, for a refit would "
            "keep their segment with less probability"
        )
    return {
        "min_confidence": min_confidence,
        "withheld_share": withheld,
        "reliability": None if reliability is None else asdict(reliability),
    }


def _tell_prospects(prospects: Prospects) -> None:
    found = prospects.evaluation
    if prospects.classifier is None or found is None:
        note(f"customers who never bought stay unassigned: {prospects.why_not}")
        return
    note(
        f"customers who never bought are placed by {len(prospects.classifier.names)} profile features: of held-out "
        f"customers {found.placed_share:.0%} are placed"
        + ("" if found.placed_accuracy is None else f", {found.placed_accuracy:.0%} of them in their own segment")
    )


def tell_about(
    winner: Verdict,
    confirm: Mapping[str, float],
    data: str,
    continuity: Continuity | None = None,
    compared: Challenge | None = None,
    gates: Gates | None = None,
) -> dict[str, Any]:
    """What a model knows of its own making: candidate, reason, data, figures that apply, and what it follows."""

    def finite(figures: Mapping[str, float]) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in figures.items() if np.isfinite(value)}

    about: dict[str, Any] = {
        "candidate": winner.row.name,
        "why": winner.reason,
        "data": data,
        "metrics": finite(winner.row.metrics),
        "confirm": finite(confirm),
    }
    if gates is not None:
        about["gates"] = [
            {"gate": one.gate, "figure": round(float(one.figure), 6), "limit": one.limit}
            for one in check_gates(winner.row.metrics, gates)
            if np.isfinite(one.figure) and not one.gate.startswith("refit/")
        ]
    if continuity is not None:
        about["continuity"] = [event.to_dict() for event in continuity.events]
    if compared is not None:
        about["champion"] = {"version": compared.version, "figures": compared.figures}
    return about
