"""What a reviewer reads in MLflow: the model's card and the run's description, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping

from patronage.diagnosis_page import number_in_words
from patronage.model import SegmentationModel
from patronage.selection import Selection


def model_card(model: SegmentationModel) -> str:
    """Markdown that tells a reviewer what a version is, what it is worth, and how to use it."""
    confirm, metrics = model.about["confirm"], model.about["metrics"]
    lines = [
        f"# {len(model.segments)} customer segments",
        "",
        f"**{model.about['candidate']}** — {model.about['why']}.",
        "",
        "| figure | value | measured on |",
        "|---|---|---|",
        *_kept_lines(confirm),
        f"| agreement of refits (ARI) | {short(metrics.get('final/ari'))} | subsamples at the newest day |",
        f"| agreement with the backtested model (ARI) | {short(metrics.get('final/ari_backtest'))} | "
        "customers at the newest day |",
        f"| smallest segment | {short(metrics.get('final/min_share'))} | share of customers |",
        "",
        *(
            ["**Caution: on held-out customers the best baseline keeps more than these segments do.**", ""]
            if confirm.get("lift_high", 0.0) < 0
            else []
        ),
        *(
            [
                "Kept is a share of what *this run's* features could foresee of *its* outcomes: compare it between "
                "runs of the same features and outcomes only, at an equal number of segments.",
                "",
            ]
            if confirm
            else []
        ),
        f"Trained on {model.about['data']} as of {model.trained_as_of}; "
        + (
            f"features look back {model.lookback_days} days; judged on the {model.outcome_days} days after."
            if confirm
            else "there was no later outcome to judge by, only separation and stability."
        ),
        "",
        "| segment | name | share | later value per customer | stability (Jaccard) |",
        "|---|---|---|---|---|",
    ]
    for segment in sorted(model.segments, key=lambda segment: segment.id):
        value = "" if segment.value_per_customer is None else number_in_words(segment.value_per_customer)
        lines.append(f"| {segment.id} | {segment.name} | {segment.share:.1%} | {value} | {segment.jaccard:.2f} |")
    lines += [
        "",
        "`unassigned` and `dormant` (no order within the lookback) are reserved. "
        "Score with `patronage score model=models:/…@champion data=…` or `mlflow.pyfunc.load_model`.",
    ]
    return "\n".join(lines)


def _kept_lines(confirm: Mapping[str, float]) -> list[str]:
    """Lines of the card's table on what came later; none of a snapshot."""
    if not confirm:
        return []
    interval = f"{short(confirm.get('kept_low'))} to {short(confirm.get('kept_high'))}"
    lines = [
        f"| kept of the foreseeable | {short(confirm.get('kept'))} ({interval}) | customers held out to confirm |",
        f"| best simple baseline | {short(confirm.get('kept_baseline'))} | the same, with as many segments |",
    ]
    if n := int(confirm.get("after_fallbacks", 0)):
        lines.append(f"| better candidates that failed their refit | {n} | all customers, held-out ones included |")
    return lines


def run_description(selection: Selection, confirm: Mapping[str, float]) -> str:
    """Markdown that tells a reviewer what a training run asked, what won and why, and what came next."""
    if selection.winner is None:
        misses = "\n".join(f"- {verdict.row.name}: {verdict.reason}" for verdict in selection.near_misses())
        return f"**No candidate passed; nothing is registered.**\n\nNear misses:\n\n{misses}"
    row = selection.winner.row
    judged = math.isfinite(row.metrics.get("value/kept", math.nan))
    others = sorted(
        (verdict for verdict in selection.verdicts if verdict.passed and verdict is not selection.winner),
        key=lambda verdict: -verdict.objective,
    )[:3]
    lines = [
        "**Which segmentation tells most about what customers do next, and stays the same when the data wobbles?**"
        if judged
        else "**Which segments do the customers fall into, and do they stay the same when the data wobble?**",
        "",
        f"**{row.name}** — {selection.winner.reason}.",
    ]
    if confirm:
        lines += [
            "",
            f"On customers held out for confirmation it keeps **{short(confirm.get('kept'))}** of what was foreseeable "
            f"({short(confirm.get('kept_low'))} to {short(confirm.get('kept_high'))}); the best simple baseline with "
            f"as many segments keeps {short(confirm.get('kept_baseline'))}.",
        ]
    elif judged:
        lines += ["", "Not confirmed: this is a job of a sweep, and only the sweep's winner is."]
    if others:
        lines += ["", "Next best:", "", *(f"- {verdict.row.name}: {verdict.reason}" for verdict in others)]
    return "\n".join(lines)


def short(value: float | None) -> str:
    """Three digits, or that the figure does not apply."""
    return "not applicable" if value is None or value != value else f"{value:.3g}"  # noqa: PLR0124 - NaN
