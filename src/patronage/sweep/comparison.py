"""A sweep's jobs side by side: what became of each, as a table, a page and a description."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from patronage.card import short
from patronage.sweep.choice import Choice, Contender

PASSED, INVALID, NONE_PASSED, CRASHED = 0, 2, 3, 1
SEVERITY = (PASSED, NONE_PASSED, INVALID, CRASHED)
"""Exit statuses from the best to the worst: that no candidate passed is a result, bad input none, a crash a fault."""

WORDS = {PASSED: "passed", NONE_PASSED: "none passed", INVALID: "bad input", CRASHED: "crashed"}


@dataclass(frozen=True)
class JobEnd:
    """What became of a job.

    Attributes
    ----------
    number : int
        From 1.
    overrides : tuple of str
        What this job does differently from the others.
    status : int
        Exit status that the training would have ended with alone: 0, 2 or 3; 1 if it crashed or was killed.
    message : str
        Why there is no candidate; empty where there is one.
    seconds : float
    run_id : str
        The job's run in MLflow.
    contender : Contender, optional
        Its best candidate.
    """

    number: int
    overrides: tuple[str, ...]
    status: int
    message: str
    seconds: float
    run_id: str = ""
    contender: Contender | None = None


def worst(ends: Sequence[JobEnd]) -> int:
    """The worst exit status of the jobs: 0 < 3 < 2 < 1."""
    return max((end.status for end in ends), key=SEVERITY.index, default=PASSED)


def comparison_frame(ends: Sequence[JobEnd], choice: Choice) -> pd.DataFrame:
    """One line per job, in the order of the jobs: its best candidate with figures of the *select* customers."""
    lines = []
    for end in ends:
        row = None if end.contender is None else end.contender.row
        metrics: Mapping[str, float] = {} if row is None else row.metrics

        def figure(name: str, known: Mapping[str, float] = metrics) -> float:
            return known.get(name, float("nan"))

        lines.append(
            {
                "job": end.number,
                "overrides": " ".join(end.overrides),
                "status": "winner" if end.number == choice.winner else WORDS[end.status],
                "candidate": "" if row is None else row.name,
                "k": None if row is None else int(row.metrics["size/n_segments"]),
                "kept": figure("value/kept"),
                "kept_low": figure("value/kept_low"),
                "kept_high": figure("value/kept_high"),
                "kept_common": choice.kept_common.get(end.number, float("nan")),
                "lift": figure("value/lift"),
                "lift_low": figure("value/lift_low"),
                "lift_high": figure("value/lift_high"),
                "ari": figure("stability/ari"),
                "silhouette_common": figure("separation/silhouette_common"),
                "min_share": figure("size/min_share"),
                "objective": choice.objective.get(end.number, float("nan")),
                "exit_status": end.status,
                "seconds": round(end.seconds, 1),
                "message": end.message,
                "run_id": end.run_id,
            }
        )
    return pd.DataFrame(lines).astype({"k": "Int64"})


def comparison_html(table: pd.DataFrame, heading: str) -> str:
    """The table as a page of its own."""
    style = (
        "<style>body{font:14px system-ui,sans-serif;margin:1.5rem;color:#1f2937}"
        "table{border-collapse:collapse}th,td{padding:.35rem .7rem;text-align:right;border-bottom:1px solid #e5e7eb}"
        "th:nth-child(-n+4),td:nth-child(-n+4),td:nth-last-child(1),th:nth-last-child(1){text-align:left}"
        "tr.winner{font-weight:600;background:#ecfdf5}tr.lost td{color:#6b7280}"
        "thead th{position:sticky;top:0;background:#fff}</style>"
    )
    shown = [name for name in table.columns if name not in ("exit_status", "run_id", "objective")]
    head = "".join(f"<th>{escape(name)}</th>" for name in shown)
    lines = []
    for record in table.to_dict("records"):
        kind = "winner" if record["status"] == "winner" else "" if record["candidate"] else "lost"
        cells = "".join(f"<td>{escape(_cell(record[name]))}</td>" for name in shown)
        lines.append(f'<tr class="{kind}">{cells}</tr>')
    return (
        f"<!doctype html><meta charset=utf-8><title>Sweep</title>{style}<h1>Sweep</h1><p>{escape(heading)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _cell(value: object) -> str:
    if value is pd.NA or value != value:  # noqa: PLR0124 - NaN
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def sweep_description(table: pd.DataFrame, choice: Choice, confirm: Mapping[str, float]) -> str:
    """Markdown that tells a reviewer which job won, why, and how the others did."""
    won = table[table["status"] == "winner"]
    lines = ["**Which options give the best segments?**", ""]
    if len(won):
        (line,) = won.to_dict("records")
        lines.append(f"**Job {line['job']}: {line['candidate']}** ({line['overrides']}) — {choice.reason}.")
    else:
        lines.append(f"**No winner; nothing is registered:** {choice.reason}.")
    if confirm:
        lines += [
            "",
            f"Only the winner was confirmed: on customers held out for it, it keeps **{short(confirm.get('kept'))}** "
            f"of what was foreseeable ({short(confirm.get('kept_low'))} to {short(confirm.get('kept_high'))}); the "
            f"best simple baseline with as many segments keeps {short(confirm.get('kept_baseline'))}.",
        ]
    lines += [
        "",
        "| job | options | best candidate | k | kept (90 %) | common | lift | ARI | silhouette | min share | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for record in table.to_dict("records"):
        number = f"**{record['job']}**" if record["status"] == "winner" else str(record["job"])
        if not record["candidate"]:
            message = record["message"].replace("|", "/").replace("\n", " ")
            failed = f"*{record['status']}*: {message}"
            lines.append(f"| {number} | {record['overrides']} | {failed} | | | | | | | | {record['seconds']:.0f} |")
            continue
        cells = [number, record["overrides"], record["candidate"], str(record["k"]), kept_in_words(record)]
        cells += [_two(record[name]) for name in ("kept_common", "lift", "ari", "silhouette_common")]
        cells += [f"{record['min_share']:.1%}", f"{record['seconds']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "*kept* is a share of what the job's own features could foresee; *common* is the same share of the most that "
        "any job's features could foresee, and compares jobs of different features. Both rise with k.",
    ]
    return "\n".join(lines)


def kept_in_words(record: Mapping[Hashable, object]) -> str:
    """Kept and its interval, or a dash where nothing came later to judge by."""
    if record["kept"] != record["kept"]:
        return "–"
    return f"{record['kept']:.3f} ({record['kept_low']:.2f}–{record['kept_high']:.2f})"


def _two(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"  # noqa: PLR0124 - NaN
