"""What a reviewer reads in MLflow: the model's card and the run's description, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from patronage.confidence import Reliability
from patronage.distribution import number_in_words
from patronage.model import SegmentationModel


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
        lines.append(f"| {segment.id} | {cell(segment.name)} | {segment.share:.1%} | {value} | {segment.jaccard:.2f} |")
    lines += _succession_lines(model.about)
    lines += _gate_lines(model.about)
    lines += [*_confidence_lines(model.about), *_prospect_lines(model)]
    lines += [
        "",
        "`unassigned` and `dormant` (no order within the lookback) are reserved. "
        "Score with `patronage score model=models:/…@champion data=…` or `mlflow.pyfunc.load_model`.",
    ]
    return "\n".join(lines)


def lineage(events: Sequence[Mapping[str, Any]]) -> str:
    """What became of the champion's segments, in one line."""
    said = {
        "split": "{segment_id} is new, split off {former_id}",
        "birth": "{segment_id} is new",
        "merge": "{former_id} ended, merged into {segment_id}",
        "death": "{former_id} ended",
    }
    persisting = [event["segment_id"] for event in events if event["event"] == "persists"]
    told = [f"{', '.join(persisting)} persist{'s' if len(persisting) == 1 else ''}"] if persisting else []
    told += [said[event["event"]].format(**event) for event in events if event["event"] in said]
    return f"segments against the champion's: {'; '.join(told)}"


def challenged(figures: Mapping[str, float], version: str) -> str:
    """How a model compares with the champion's recipe, in one line."""
    told = []
    if "kept_difference" in figures:
        told.append(
            f"kept {figures['kept_difference']:+.3f} ({figures['kept_difference_low']:+.3f} to "
            f"{figures['kept_difference_high']:+.3f})"
        )
    if "ari_champion" in figures:
        told.append(f"ARI of refits {figures['ari']:.2f} against {figures['ari_champion']:.2f}")
    else:
        told.append("its recipe could not be judged here")
    told.append(f"{figures['n_segments']:.0f} segments against {figures['n_segments_champion']:.0f}")
    if "changed_share" in figures:
        told.append(f"{figures['changed_share']:.1%} of the customers change segment")
    return f"against the recipe of champion version {version}: {'; '.join(told)}"


def _succession_lines(about: Mapping[str, Any]) -> list[str]:
    """The card's section on the champion that a model follows; none where there is no champion."""
    lines = [f"- {lineage(about['continuity'])}"] if "continuity" in about else []
    if compared := about.get("champion"):
        lines.append(f"- {challenged(compared['figures'], compared['version'])}")
    return ["", "## Beside the champion", "", *lines] if lines else []


def _gate_lines(about: Mapping[str, Any]) -> list[str]:
    """The card's section on the gates that the winner has passed; none of a model that does not know them."""
    checked = about.get("gates", [])
    if not checked:
        return []
    shown = [f"| {one['gate']} | {short(one['figure'])} | {one['limit']} |" for one in checked]
    return [
        "",
        "## Gates passed",
        "",
        "In the backtest, and fitted again on all customers (final).",
        "",
        "| gate | figure | limit |",
        "|---|---|---|",
        *shown,
    ]


def _confidence_lines(about: Mapping[str, Any]) -> list[str]:
    """The card's section on whether confidence holds; none where it could not be judged."""
    told = about.get("confidence", {})
    if told.get("reliability") is None:
        return []
    judged = Reliability.from_dict(told["reliability"])
    lines = [
        "",
        "## Confidence",
        "",
        "`confidence` is the probability that a refit keeps a customer's segment. Here it was learned from one half of "
        "the refits and four fifths of the customers, and judged on the others, each customer twice: calibration error "
        f"{judged.calibration_error:.3f}.",
        "",
        "| confidence told | kept by refits | judgements |",
        "|---|---|---|",
        *(f"| {one.confidence:.2f} | {one.observed:.2f} | {one.n:,} |" for one in judged.bins),
    ]
    if told["min_confidence"] > 0:
        lines += [
            "",
            f"With less than {told['min_confidence']:g} a customer is `unassigned`; `runner_up_id` then names the "
            f"segment it would be in. At the newest day that is so of {told['withheld_share']:.1%} of the active ones.",
        ]
    return lines


def _prospect_lines(model: SegmentationModel) -> list[str]:
    """The card's section on customers who never bought."""
    told = model.about.get("prospects")
    if told is None:
        return []
    found = told["evaluation"]
    if told["why_not"]:
        lines = ["", "## Prospects", "", f"Customers who never bought are `unassigned`: {told['why_not']}."]
    else:
        lines = [
            "",
            "## Prospects",
            "",
            f"Customers who never bought are placed by their profile ({', '.join(told['features'])}) where "
            f"a segment is at least {told['min_confidence']:g} probable, else `unassigned`. Were the "
            f"{found['n_customers']:,} customers below prospects"
            + (f" ({found['n_unassigned']:,} of them are in no segment)" if found["n_unassigned"] else "")
            + f", {found['placed_share']:.0%} of them would be placed"
            + (
                ""
                if found["placed_accuracy"] is None
                else f", {found['placed_accuracy']:.0%} of these in the segment that they are in by what they do"
            )
            + ". Whether prospects become like customers of the same profile, no customer's data can say.",
        ]
    if found is None:
        return lines
    interval = f"{found['macro_recall_low']:.2f} to {found['macro_recall_high']:.2f}"
    ids = [segment.id for segment in model.segments]
    own = "segment, or none," if found["n_unassigned"] else "segment"
    return [
        *lines,
        "",
        "| on held-out customers | by profile | without it |",
        "|---|---|---|",
        f"| log loss | {found['log_loss']:.3f} | {found['log_loss_prior']:.3f} |",
        f"| better by | {found['skill']:.1%} ({found['skill_low']:.1%} to {found['skill_high']:.1%}) | |",
        f"| most probable {own} is their own | {found['accuracy']:.1%} | {found['majority']:.1%} |",
        f"| recall, mean of the segments | {found['macro_recall']:.2f} ({interval}) | {1 / len(ids):.2f} |",
        *(f"| recall of {one} | {recall:.2f} | |" for one, recall in sorted(zip(ids, found["recall"], strict=True))),
        f"| calibration error | {found['reliability']['calibration_error']:.3f} | |",
    ]


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


def short(value: float | None) -> str:
    """Three digits, or that the figure does not apply."""
    return "not applicable" if value is None or value != value else f"{value:.3g}"  # noqa: PLR0124 - NaN


def cell(text: str) -> str:
    """Text that Markdown shows as it is, in a table and elsewhere: a name may be made of what a category is called."""
    return re.sub(r"([\\|\[\]()!<>`*_#~])", r"\\\1", " ".join(text.split()))
