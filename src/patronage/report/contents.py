"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import pandas as pd

from patronage.actions import Action
from patronage.distribution import number_in_words
from patronage.personas import Persona
from patronage.profiles import Profiles


@dataclass(frozen=True)
class Report:
    """All that the page shows; what is absent is left out of it.

    Attributes
    ----------
    profiles : Profiles
    personas : sequence of Persona
        One of each segment that has one.
    actions : sequence of Action
        Of all segments; those of one are told in the order of their ranks.
    leaderboard : DataFrame, optional
        As `leaderboard_frame` gives it.
    diagnosis : DataFrame, optional
        As `diagnosis_frame` gives it.
    pictures : mapping
        PNGs of the training run by name: ``choice_of_k, frontier, across_k, reliability, distributions``; others are
        shown last.
    about : mapping
        Of the model, all optional: ``candidate, why, data, confirm, metrics, continuity`` as in
        `SegmentationModel.about`; ``trained_as_of, patronage_version``; ``model`` (registered name), ``version,
        run_id, made_at``; ``limits`` (gate → limit, as `Gates`).
    """

    profiles: Profiles
    personas: Sequence[Persona] = ()
    actions: Sequence[Action] = ()
    leaderboard: pd.DataFrame | None = None
    diagnosis: pd.DataFrame | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name: those of `Profiles`, and personas, actions, leaderboard, diagnosis where they are."""
        found = self.profiles.tables
        found["personas"] = pd.DataFrame([asdict(one) for one in self.personas])
        found["actions"] = pd.DataFrame([asdict(one) for one in self.actions])
        boards = {"leaderboard": self.leaderboard, "diagnosis": self.diagnosis}
        return found | {name: board for name, board in boards.items() if board is not None}

    @property
    def first_actions(self) -> dict[str, str]:
        """Segment → the most important thing to do with it."""
        return {one.segment_id: one.title for one in sorted(self.actions, key=lambda one: -one.rank)}

    def _repr_html_(self) -> str:
        """What a notebook shows: the segments, what they are worth, and what to do with each first."""
        columns = ["segment_id", "segment_name", "n_customers", "share", "value_per_customer", "value_share"]
        shown = self.profiles.segments[columns].dropna(axis=1, how="all")
        shown = shown.assign(first_action=shown["segment_id"].map(self.first_actions).fillna(""))
        table = shown.to_html(index=False, border=0, na_rep="–", float_format=number_in_words)
        names = escape(", ".join(self.tables))
        return f"{table}<p>report.tables: {names}</p>"
