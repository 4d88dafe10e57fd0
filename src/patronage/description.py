"""What a reviewer reads of a training run in MLflow, in Markdown: question, winner, why, what came next, caveats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from patronage.card import cell, short
from patronage.model import SegmentationModel
from patronage.selection import Selection, Verdict

N_OTHERS = 3
STEADY = 0.75
"""Jaccard from which a segment counts as stable (Hennig 2007, Cluster-wise assessment of cluster stability)."""


def run_description(
    selection: Selection,
    confirm: Mapping[str, float],
    *,
    caveats: Sequence[str] = (),
    glance: str = "",
    links: Mapping[str, str] | None = None,
) -> str:
    """Markdown that tells a reviewer what a training run asked, what won and why, and what came next.

    Parameters
    ----------
    selection : Selection
    confirm : mapping
        The winner's headline figures; empty where there are none.
    caveats : sequence of str
        What to know before the model is put in charge.
    glance : str
        The segments as a Markdown table.
    links : mapping, optional
        What to open → its address.
    """
    if selection.winner is None:
        misses = "\n".join(f"- {verdict.row.name}: {verdict.reason}" for verdict in selection.near_misses())
        return f"**No candidate passed; nothing is registered.**\n\nNear misses:\n\n{misses}"
    row = selection.winner.row
    judged = math.isfinite(row.metrics.get("value/kept", math.nan))
    lines = [
        "**Which segmentation tells most about what customers do next, and stays the same when the data wobbles?**"
        if judged
        else "**Which segments do the customers fall into, and do they stay the same when the data wobble?**",
        "",
        f"**{row.name}** — {selection.winner.reason}.",
    ]
    if links:  # MLflow shows the first lines only until asked for more
        lines += ["", "Open: " + " · ".join(f"[{what}]({address})" for what, address in links.items())]
    if confirm:
        lines += [
            "",
            f"On customers held out for confirmation it keeps **{short(confirm.get('kept'))}** of what was foreseeable "
            f"({short(confirm.get('kept_low'))} to {short(confirm.get('kept_high'))}); the best simple baseline with "
            f"as many segments keeps {short(confirm.get('kept_baseline'))}.",
        ]
    elif judged:
        lines += ["", "Not confirmed: this is a job of a sweep, and only the sweep's winner is."]
    if glance:
        lines += ["", "## Segments", "", glance]
    if others := next_best(selection):
        lines += ["", "## Next best", "", *(f"- {verdict.row.name}: {verdict.reason}" for verdict in others)]
    if caveats:
        lines += ["", "## Caveats", "", *(f"- {one}" for one in caveats)]
    return "\n".join(lines)


def next_best(selection: Selection) -> list[Verdict]:
    """The candidates that would have been chosen next, best objective first."""
    return sorted(
        (verdict for verdict in selection.verdicts if verdict.passed and verdict is not selection.winner),
        key=lambda verdict: -verdict.objective,
    )[:N_OTHERS]


def caveats_of(model: SegmentationModel, worth: pd.DataFrame | None = None) -> list[str]:
    """What a reviewer should know before a model is put in charge.

    Parameters
    ----------
    model : SegmentationModel
    worth : DataFrame, optional
        `Profiles.worth`.
    """
    about, confirm = model.about, model.about["confirm"]
    found = []
    if not confirm:
        found.append("nothing later was there to judge by: these segments are only apart and steady")
    elif confirm.get("lift_high", 0.0) < 0:
        found.append("on held-out customers the best simple baseline keeps more")
    elif confirm.get("lift_low", 0.0) < 0:
        found.append(
            f"the lead over the best simple baseline is uncertain: {confirm['lift']:+.3f} "
            f"({confirm['lift_low']:+.3f} to {confirm['lift_high']:+.3f})"
        )
    if n := int(confirm.get("after_fallbacks", 0)):
        found.append(f"{n} better candidate(s) failed when they were refitted on all customers")
    if unsteady := sorted(one.id for one in model.segments if one.jaccard < STEADY):
        found.append(f"refits find {', '.join(unsteady)} less well again (Jaccard below {STEADY:g})")
    if worth is not None and (poor := worth.loc[~worth["worth_it"].astype(bool), "segment_id"].to_list()):
        found.append(f"not worth a campaign of their own as they are: {', '.join(poor)} (see the report)")
    if why_not := about.get("prospects", {}).get("why_not"):
        found.append(f"customers who never bought stay unassigned: {why_not}")
    return found


def glance(model: SegmentationModel, actions: Mapping[str, str], *, most: int = 20) -> str:
    """The segments as a Markdown table; ``actions`` maps a segment to what to do with it first."""
    lines = ["| segment | name | share | first action |", "|---|---|---|---|"]
    for segment in sorted(model.segments, key=lambda segment: segment.id)[:most]:
        action = cell(actions.get(segment.id, ""))
        lines.append(f"| {segment.id} | {cell(segment.name)} | {segment.share:.0%} | {action} |")
    return "\n".join(lines)
