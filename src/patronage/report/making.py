"""From profiles to a report: portraits and actions are made, and all that is known is put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from patronage.actions import plan_actions
from patronage.personas import personas
from patronage.playbook import Playbook
from patronage.profiles import Profiles
from patronage.report.contents import Report
from patronage.wording import Wording


def make_report(
    profiles: Profiles,
    playbook: Playbook,
    wording: Wording,
    *,
    leaderboard: pd.DataFrame | None = None,
    diagnosis: pd.DataFrame | None = None,
    pictures: Mapping[str, bytes] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Report:
    """Put a report together; what its parts are, `Report` says."""
    return Report(
        profiles=profiles,
        personas=tuple(personas(profiles, wording)),
        actions=tuple(plan_actions(profiles, playbook, wording)),
        leaderboard=leaderboard,
        diagnosis=diagnosis,
        pictures=dict(pictures or {}),
        about=dict(about or {}),
    )


def remade(report: Report, playbook: Playbook, wording: Wording) -> Report:
    """The same report in other words, or with the actions of another playbook."""
    return make_report(
        report.profiles,
        playbook,
        wording,
        leaderboard=report.leaderboard,
        diagnosis=report.diagnosis,
        pictures=report.pictures,
        about=report.about,
    )
