"""What stands behind the segments: how they were chosen, sensitive traits, features, provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from patronage.report.contents import Report
from patronage.report.drawing import inline_png
from patronage.report.numbers import Numbers
from patronage.report.overview import value_name
from patronage.report.tables import Table, feature_name, table_of, text

_CANDIDATES, _BASELINES = 6, 3
CHOICE_PICTURES = ("choice_of_k", "frontier", "across_k", "reliability")
_FEATURE_PICTURES = ("distributions",)
_SHARES = ("min_share", "coverage", "typing_agreement")
_MARKERS = ("chosen", "passes", "fails", "baseline")


@dataclass(frozen=True)
class Picture:
    """A picture of the training run."""

    title: str
    alt: str
    address: str


@dataclass(frozen=True)
class Choice:
    """How the segmentation was chosen."""

    candidate: str
    why: str
    gates: str
    leaderboard: Table | None
    whole: Table | None
    pictures: tuple[Picture, ...]
    succession: Table | None


@dataclass(frozen=True)
class Trait:
    """A sensitive trait, and how strongly segments differ in it."""

    name: str
    association: str
    width: float
    flagged: bool
    where: str
    p: str
    known: str


@dataclass(frozen=True)
class Features:
    """The diagnosis of the features."""

    about: str
    notable: Table | None
    whole: Table
    pictures: tuple[Picture, ...]


def choice_of(report: Report, numbers: Numbers) -> Choice:
    """How the segmentation was chosen, as far as that is known."""
    say, about = numbers.wording, report.about
    board = report.leaderboard
    gates = [
        say(f"report.gate.{name}", limit=_limit(name, limit, numbers))
        for name, limit in (about.get("limits") or {}).items()
        if say.has(f"report.gate.{name}")
    ]
    candidate, why = about.get("candidate") or report.profiles.about.get("recipe"), about.get("why")
    further = tuple(sorted(set(report.pictures) - {*CHOICE_PICTURES, *_FEATURE_PICTURES}))
    return Choice(
        candidate=say("report.choice.why", candidate=candidate) if candidate else "",
        why=say("report.choice.because", why=str(why).removeprefix("chosen: ")) if why else "",
        gates=say("report.choice.gates", gates="; ".join(gates)) if gates else "",
        leaderboard=None if board is None or not len(board) else _board(_best(board), numbers),
        whole=None if board is None or len(_best(board)) == len(board) else _board(board, numbers),
        pictures=_pictures(report, (*CHOICE_PICTURES, *further), numbers),
        succession=_succession(about.get("continuity") or (), numbers),
    )


def traits_of(report: Report, numbers: Numbers) -> list[Trait]:
    """The audit of sensitive traits, the strongest association first."""
    say = numbers.wording
    names = dict(zip(report.profiles.segments["segment_id"], report.profiles.segments["segment_name"], strict=True))
    found = []
    for line in report.profiles.sensitive.sort_values("association", ascending=False, kind="stable").to_dict("records"):
        segment, level = text(line["segment_id"]), text(line["level"])
        told = {
            "segment": f"{segment} {names.get(segment, '')}".strip(),
            "own": numbers.of_feature(line["typical"], "", level),
            "all": numbers.of_feature(line["typical_all"], "", level),
        }
        where = (
            say("report.sensitive.figures_level", **told, level=level)
            if level
            else say("report.sensitive.figures", **told)
        )
        found.append(
            Trait(
                name=feature_name(text(line["feature"])),
                association=numbers.fixed(line["association"]),
                width=0.0 if pd.isna(line["association"]) else 100 * min(1.0, line["association"]),
                flagged=bool(line["flagged"]),
                where=where if segment else "",
                p=numbers.p(line["p_holm"]),
                known=numbers.count(line["n_known"]),
            )
        )
    return found


def features_of(report: Report, numbers: Numbers) -> Features | None:
    """The diagnosis of the features; None where there is none."""
    frame, say = report.diagnosis, numbers.wording
    if frame is None or not len(frame):
        return None
    counts = frame["verdict"].value_counts()
    told = {verdict: numbers.count(counts.get(verdict, 0)) for verdict in ("drop", "transform", "keep")}
    notable = frame[frame["verdict"] != "keep"]
    return Features(
        say("report.features.about", n=numbers.count(len(frame)), **told),
        _diagnosis(notable, say("report.features.caption_notable"), numbers) if len(notable) else None,
        _diagnosis(frame, say("report.features.caption"), numbers),
        _pictures(report, _FEATURE_PICTURES, numbers),
    )


def provenance_of(report: Report, numbers: Numbers) -> list[tuple[str, str]]:
    """Where the report comes from, as terms and texts."""
    say, about, profiles = numbers.wording, report.about, report.profiles.about

    def days(number: object) -> str:
        return numbers.days(float(str(number))) if number else ""

    customers = numbers.count(profiles.get("n_customers", float("nan")))
    if profiles.get("n_dormant"):
        customers = say("report.provenance.with_dormant", n=customers, dormant=numbers.count(profiles["n_dormant"]))
    known = (
        ("model", about.get("model") or profiles.get("model")),
        ("version", about.get("version")),
        ("run_id", about.get("run_id")),
        ("candidate", about.get("candidate")),
        ("data", profiles.get("data") or about.get("data")),
        ("customers", customers),
        ("as_of", profiles.get("as_of")),
        ("lookback", days(profiles.get("lookback_days"))),
        ("outcome", days(profiles.get("outcome_days"))),
        ("value", value_name(report, numbers) if (profiles.get("value") or {}).get("name", "none") != "none" else ""),
        ("trained_as_of", about.get("trained_as_of")),
        ("patronage_version", about.get("patronage_version")),
        ("made_at", about.get("made_at")),
    )
    return [(say(f"report.provenance.{key}"), str(told)) for key, told in known if told]


def _limit(gate: str, limit: float, numbers: Numbers) -> str:
    if gate.endswith("segments"):
        return numbers.count(limit)
    return numbers.share(limit) if gate in _SHARES else numbers.fixed(limit)


def _best(board: pd.DataFrame) -> pd.DataFrame:
    """The best candidates, and the best baselines of as many segments as the first candidate has."""
    rivals = board[board["status"] == "baseline"]
    candidates = board[board["status"] != "baseline"]
    if len(candidates):
        rivals = rivals[(rivals["segments"] == candidates["segments"].iloc[0]).fillna(False).astype(bool)]
    return pd.concat(
        [candidates.head(_CANDIDATES), rivals.sort_values("kept", ascending=False, kind="stable").head(_BASELINES)]
    )


def _board(board: pd.DataFrame, numbers: Numbers) -> Table:
    say = numbers.wording
    ranges = [
        numbers.dash if pd.isna(kept) else
        numbers.fixed(kept, 3) if pd.isna(low) else
        f"{numbers.fixed(kept, 3)} ({numbers.span(numbers.fixed(low), numbers.fixed(high))})"
        for kept, low, high in board[["kept", "kept_low", "kept_high"]].to_numpy(float)
    ]  # fmt: skip
    frame = board.assign(kept_range=ranges)
    forms: Mapping[str, Callable[[Any], str]] = {
        "candidate": text,
        "status": lambda one: say(f"report.choice.status.{one}") if one in _MARKERS else text(one),
        "segments": numbers.count,
        "kept_range": text,
        "lift": lambda one: numbers.signed(one, 3),
        "ari": numbers.fixed,
        "jaccard_min": numbers.fixed,
        "min_share": numbers.share,
        "silhouette": numbers.fixed,
        "reason": text,
    }
    told = [name for name in forms if board["kept" if name == "kept_range" else name].notna().any()]
    columns = [(name, say(f"report.choice.column.{name}"), forms[name]) for name in told]
    return table_of(frame, say("report.choice.caption"), columns, wide=("reason",), words=("status",))


def _diagnosis(frame: pd.DataFrame, caption: str, numbers: Numbers) -> Table:
    say = numbers.wording
    forms: Mapping[str, Callable[[Any], str]] = {
        "feature": feature_name,
        "verdict": lambda one: say(f"report.features.verdict.{one}"),
        "family": text,
        "role": text,
        "missing_share": numbers.share,
        "n_distinct": numbers.count,
        "median": numbers.plain,
        "skew": lambda one: numbers.fixed(one, 1),
        "reason": text,
    }
    columns = [(name, say(f"report.features.column.{name}"), form) for name, form in forms.items()]
    return table_of(frame, caption, columns, wide=("reason",), words=("verdict", "family", "role"))


def _pictures(report: Report, names: tuple[str, ...], numbers: Numbers) -> tuple[Picture, ...]:
    say, found = numbers.wording, []
    for name in names:
        if name in report.pictures:
            title = feature_name(name)
            if say.has(f"report.picture.{name}"):
                title = say(f"report.picture.{name}")
            alt = f"report.picture.{name}_alt"
            said = say(alt) if say.has(alt) else say("report.picture.other_alt", name=title)
            found.append(Picture(title, said, inline_png(report.pictures[name])))
    return tuple(found)


def _succession(events: Any, numbers: Numbers) -> Table | None:  # noqa: ANN401 - plain values of a JSON file
    say = numbers.wording
    if not events:
        return None
    titles = tuple(
        say(f"report.choice.succession_columns.{one}") for one in ("segment_id", "event", "former_id", "n_customers")
    )
    rows = tuple(
        (
            text(event.get("segment_id")) or numbers.dash,
            say(f"report.choice.event.{event['event']}"),
            text(event.get("former_id")) or numbers.dash,
            numbers.count(event.get("n_customers", float("nan"))),
        )
        for event in events
    )
    return Table(say("report.choice.succession"), titles, rows, words=frozenset({1, 2}))
