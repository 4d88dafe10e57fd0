"""What a person sees in the terminal when a run ends."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from patronage.card import challenged, lineage
from patronage.diagnosis import Diagnosis
from patronage.diagnosis_page import in_words
from patronage.distribution import BINS, number_in_words, one_decimal, percent
from patronage.evaluation.row import Row
from patronage.leaderboard import ordered
from patronage.proposal import Checked, Mapped, OwnFeature, Proposed, feature_sets
from patronage.report import Report
from patronage.segments import Segment
from patronage.selection import Selection, Verdict
from patronage.sweep import Swept, comparison_frame
from patronage.sweep.comparison import JobEnd, kept_in_words
from patronage.tracking import Promotion

SHOWN = 10
_PLAIN_WIDTH = 160
_ROOM_FOR_REASONS = 120
_ROOM_FOR_BINS = 140


def console() -> Console:
    """A console that keeps tables whole when the output goes to a file, unless COLUMNS says how wide it is."""
    known = Console().is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return Console() if known else Console(width=_PLAIN_WIDTH)


def leaderboard(selection: Selection, baselines: Sequence[Row]) -> None:
    """Print the first candidates and the baselines with as many segments as the winner."""
    table = Table(title="Leaderboard", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    wide = console().width >= _ROOM_FOR_REASONS
    judged = any(_kept(verdict.row) != "–" for verdict in selection.verdicts)
    # A narrow window has no room for two of the figures; a snapshot's candidates have none of what came later.
    hidden = (set() if wide else {"silhouette", "min share"}) | (set() if judged else {"kept (90 %)"})
    headings = ("candidate", "k", "kept (90 %)", "ARI", "silhouette", "min share", "verdict")
    for heading in headings:
        if heading in ("candidate", "verdict"):
            table.add_column(heading, overflow="fold", no_wrap=wide and heading == "candidate")
        elif heading not in hidden:
            table.add_column(heading, justify="right", no_wrap=True)

    def add(cells: Sequence[str], style: str | None) -> None:
        shown = [cell for heading, cell in zip(headings, cells, strict=True) if heading not in hidden]
        table.add_row(*map(Text, shown), style=style)

    verdicts = ordered(selection)
    for verdict in verdicts[:SHOWN]:
        add(_candidate(verdict, wide=wide), "bold green" if verdict is selection.winner else None)
    if len(verdicts) > SHOWN:
        table.add_row(Text(f"… {len(verdicts) - SHOWN} more in the leaderboard in MLflow", style="dim"))
    if selection.winner is not None:
        k = selection.winner.row.metrics["size/n_segments"]
        table.add_section()
        for row in sorted(baselines, key=lambda row: -row.metrics["value/kept"]):
            if row.metrics["size/n_segments"] == k:
                add((row.name, f"{k:.0f}", _kept(row), "", "", "", "baseline"), "dim")
    console().print(table)


def sweep(swept: Swept) -> None:
    """Print what became of every job of a sweep: its best candidate by the select customers' figures."""
    table = Table(title="Sweep", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    wide = console().width >= _ROOM_FOR_REASONS
    frame = comparison_frame(swept.ends, swept.choice)
    judged = bool(frame["kept"].notna().any())
    hidden = set() if wide else {"lift", "silhouette", "min share", "seconds", "kept (90 %)"}
    hidden |= set() if judged else {"kept (90 %)", "common", "lift"}
    for heading in _SWEEP_HEADINGS:
        if heading in ("options", "best candidate"):
            table.add_column(heading, overflow="fold", ratio=4 if heading == "options" else 3)
        elif heading not in hidden:
            table.add_column(heading, justify="right", no_wrap=True)
    for end, record in zip(swept.ends, frame.to_dict("records"), strict=True):
        cells = _sweep_cells(end, record)
        shown = [cell for heading, cell in zip(_SWEEP_HEADINGS, cells, strict=True) if heading not in hidden]
        winner = record["status"] == "winner"
        table.add_row(*map(Text, shown), style="bold green" if winner else None if record["candidate"] else "dim")
    console().print(table)
    failed = frame[frame["candidate"] == ""]
    _listed("", [f"job {job}: {message}" for job, message in zip(failed["job"], failed["message"], strict=True)])
    if swept.choice.winner is not None:
        console().print(f"job {swept.choice.winner} wins: {swept.choice.reason}", highlight=False, soft_wrap=True)


_SWEEP_HEADINGS = (
    *("job", "options", "best candidate", "k", "kept (90 %)", "common", "lift", "ARI", "silhouette", "min share"),
    "seconds",
)


def _sweep_cells(end: JobEnd, record: Mapping[Hashable, Any]) -> list[str]:
    ends = [str(end.number), "\n".join(end.overrides)]
    seconds = f"{end.seconds:.0f}"
    if not record["candidate"]:
        return [*ends, record["status"], *["–"] * 7, seconds]

    def number(name: str, form: str) -> str:
        return "–" if record[name] != record[name] else format(record[name], form)

    figures = [number("kept_common", ".3f"), number("lift", "+.3f"), number("ari", ".2f")]
    figures += [number("silhouette_common", ".2f"), number("min_share", ".1%")]
    return [*ends, record["candidate"], str(record["k"]), kept_in_words(record), *figures, seconds]


def segments(
    described: Sequence[Segment], confirm: Mapping[str, float], actions: Mapping[str, str] | None = None
) -> None:
    """Print the segments, what to do with each first where that is known, and the headline figures."""
    actions = actions or {}
    wide = console().width >= _ROOM_FOR_REASONS
    table = Table(title="Segments", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading, justify in (("id", "left"), ("name", "left"), ("share", "right"), ("customers", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type] # rich's literal
    valued = any(segment.value_per_customer is not None for segment in described)
    if valued:
        table.add_column("later value per customer", justify="right")
    table.add_column("Jaccard", justify="right")
    if actions and wide:
        table.add_column("first action", overflow="fold")
    for segment in sorted(described, key=lambda segment: segment.id):
        worth = "–" if segment.value_per_customer is None else number_in_words(segment.value_per_customer)
        cells = [segment.id, segment.name, f"{segment.share:.1%}", f"{segment.n_customers:,}"]
        cells += [worth] if valued else []
        cells.append(f"{segment.jaccard:.2f}")
        cells += [actions.get(segment.id, "")] if actions and wide else []
        table.add_row(*map(Text, cells))  # a name made of a category may hold what rich takes for markup
    console().print(table)
    if confirm.get("lift_high", 0.0) < 0:
        console().print(
            "CAUTION: on held-out customers the best baseline keeps more than these segments do.",
            style="bold",
            soft_wrap=True,
        )
    if "kept" in confirm:
        console().print(
            f"confirmed on {confirm['n_customers']:,.0f} held-out customers: kept {confirm['kept']:.3f} "
            f"({confirm['kept_low']:.3f} to {confirm['kept_high']:.3f}), best baseline {confirm['kept_baseline']:.3f}, "
            f"difference {confirm['lift']:+.3f} ({confirm['lift_low']:+.3f} to {confirm['lift_high']:+.3f})",
            highlight=False,
            soft_wrap=True,
        )


def report(made: Report) -> None:
    """Print the segments of a report: size, value, and what to do with each first."""
    lines, told = made.profiles.segments, made.profiles.about["value"]
    wide = console().width >= _ROOM_FOR_REASONS
    table = Table(title="Segments", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading, justify in (("id", "left"), ("name", "left"), ("customers", "right"), ("share", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type] # rich's literal
    valued = bool(lines["value_per_customer"].notna().any())
    if valued:
        table.add_column(f"{told['name']} per customer", justify="right")
        table.add_column("of the total", justify="right")
    if wide:
        table.add_column("first action", overflow="fold")
    first = made.first_actions
    for line in lines.to_dict("records"):
        cells = [line["segment_id"], line["segment_name"], f"{line['n_customers']:,}", percent(line["share"])]
        cells += [number_in_words(line["value_per_customer"]), percent(line["value_share"])] if valued else []
        cells += [first.get(line["segment_id"], "")] if wide else []
        table.add_row(*map(Text, cells), style="dim" if line["reserved"] else None)
    console().print(table)


def promotion(name: str, done: Promotion) -> None:
    """Print who is in charge now, and how the two compared."""
    changed = done.former is not None and done.former != done.version
    before = f"; version {done.former} is now previous" if changed else ""
    lines = [f"{name} version {done.version} is champion{before}"]
    if changed and done.figures:
        lines.append(challenged(done.figures, str(done.former)))
    if done.forced:
        lines.append(f"FORCED, although {'; '.join(done.forced)}")
    for line in lines:
        console().print(line, highlight=False, soft_wrap=True)


def succession(about: Mapping[str, Any]) -> None:
    """Print how a new model follows the champion, if there is one: what became of its segments, how recipes compare."""
    lines = [lineage(about["continuity"])] if "continuity" in about else []
    if compared := about.get("champion"):
        lines.append(challenged(compared["figures"], compared["version"]))
    for line in lines:
        console().print(line, highlight=False, soft_wrap=True)


def _candidate(verdict: Verdict, *, wide: bool) -> list[str]:
    metrics = verdict.row.metrics
    # In a narrow window the first word has to do; the reasons stand in the leaderboard in MLflow.
    short = verdict.reason.split(":")[0].split(";")[0] if verdict.passed else "fails"
    reason = verdict.reason if wide else short
    name = verdict.row.name if wide else verdict.row.name.removesuffix(f" · {verdict.row.representation}")
    if verdict.row.failure:
        return [name, "–", "–", "–", "–", "–", reason]
    return [
        name,
        f"{metrics['size/n_segments']:.0f}",
        _kept(verdict.row),
        f"{metrics['stability/ari']:.2f}",
        f"{metrics['separation/silhouette']:.2f}",
        f"{metrics['size/min_share']:.1%}",
        reason,
    ]


def _kept(row: Row) -> str:
    kept, low, high = (row.metrics.get(f"value/{name}", float("nan")) for name in ("kept", "kept_low", "kept_high"))
    if kept != kept:  # noqa: PLR0124 - NaN: nothing came later to judge by
        return "–"
    return f"{kept:.3f} ({low:.2f}–{high:.2f})"


def diagnosis(diagnosed: Diagnosis) -> None:
    """Print every feature's distribution and verdict, what needs attention first; fewer figures in a narrow window."""
    table = Table(title="Features", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    width = console().width
    wide = width >= _ROOM_FOR_REASONS
    n_blocks = BINS if width >= _ROOM_FOR_BINS else BINS // 2
    table.add_column("feature", overflow="fold", ratio=None if wide else 1)
    table.add_column("distribution", no_wrap=True)
    if wide:
        for heading in ("missing", "distinct", "zero", "skew"):
            table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", ratio=None if wide else 1)
    shown = ""
    for one in diagnosed.ordered:
        if shown not in ("", one.verdict):
            table.add_section()
        shown = one.verdict
        colour = {"drop": "red", "transform": "yellow", "keep": "green"}[one.verdict]
        figures = (
            percent(one.missing_share),
            f"{one.n_distinct:,}",
            percent(one.zero_share),
            one_decimal(one.skew_scaled),
        )
        table.add_row(
            Text(one.name),
            Text(one.sparkline(n_blocks), style="dim"),
            *(map(Text, figures) if wide else []),
            Text.assemble((one.verdict, colour), f" – {one.reason}"),
        )
    console().print(table)
    console().print(in_words(diagnosed), highlight=False, soft_wrap=True)


_CONFIDENCE = {"sure": "green", "likely": "yellow", "guess": "red"}


def proposal(proposed: Proposed) -> None:
    """Print what was found in a user's files: tables, columns with the reason, what is not used, what comes next."""
    checked = proposed.checked
    for one in checked.proposal.tables:
        labels = ", ".join(file.label for file in one.files)
        rows = sum(file.n_rows for file in one.files)
        console().print(Text.assemble((one.table, "bold"), f" ← {labels} ({rows:,} rows)"), soft_wrap=True)
        console().print(_columns_of(one))
        if one.comments:
            _listed("", [f"{option}: {comment}" for option, comment in one.comments.items()])
        if one.extra:
            _listed("", [f"for features of your own: {', '.join(one.extra)}"])
    if checked.proposal.features:
        console().print(_own_features(checked.proposal.features))
    left_out = [f"{column}: {reason}" for column, reason in checked.proposal.left_out.items()]
    _listed("Columns that become no feature", left_out)
    _listed("Not used", [f"{label}: {reason}" for label, reason in checked.proposal.unused.items()])
    _listed("What else was seen", [*_span(checked), *checked.proposal.remarks, *checked.facts])
    _listed("Written", [str(path) for path in proposed.draft.files])
    console().print(f"\nLook through them, then: {proposed.draft.next_command}", highlight=False, soft_wrap=True)
    _listed("", proposed.draft.advice)


def _columns_of(one: Mapped) -> Table:
    """One table's columns, and why each is taken for what it is."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("column", no_wrap=True)
    table.add_column("is yours", overflow="fold")
    table.add_column("", no_wrap=True)  # how sure
    table.add_column("because", overflow="fold", ratio=1)
    for match in one.matches:
        others = f"; or {', '.join(match.alternatives)}" if match.alternatives else ""
        table.add_row(
            Text(match.column),
            Text(match.source),
            Text(match.confidence, style=_CONFIDENCE[match.confidence]),
            Text(f"{match.reason}{others}"),
        )
    return table


def _own_features(features: Sequence[OwnFeature]) -> Table:
    """Features of customers' columns, by what they do."""
    table = Table(title="Features", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("these columns", no_wrap=True)
    table.add_column("", overflow="fold", ratio=1)
    told = {"basis": "form segments", "descriptor": "describe them", "sensitive": "describe them (sensitive)"}
    for role, does in told.items():
        given = [one for one in features if one.role == role]
        listed = [one.column + (f" ({one.scale})" if one.scale != "none" else "") for one in given]
        if listed:
            table.add_row(does, Text(", ".join(listed)))
    return table


def _span(checked: Checked) -> list[str]:
    told = [f"{checked.n_customers:,} customers"]
    if checked.span is None:
        told.append("nothing is dated: segments can be formed and described, but not judged by what customers do later")
    else:
        first, last = checked.span
        told.append(
            f"{first} to {last}, {(last - first).days + 1:,} days: lookback {checked.lookback_days} days, "
            f"outcomes {checked.outcome_days} days{'' if checked.usual_windows else ', less than usual'}"
        )
    return [*told, f"feature sets: {', '.join(feature_sets(checked))}"]


def _listed(heading: str, lines: Sequence[str]) -> None:
    """Print lines under a heading; nothing where there are none."""
    if heading and lines:
        console().print(Text(heading, style="bold"))
    for line in lines:
        console().print(Padding(Text(f"– {line}"), (0, 0, 0, 2), expand=False), highlight=False)
