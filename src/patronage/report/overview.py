"""The head of the page: question, answer, how sure, what to mind; and all segments at a glance."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from patronage.figures.valued import by_value
from patronage.report.contents import Report
from patronage.report.numbers import Numbers

_SHAKY = 0.6
"""Jaccard below which a segment is flagged (`evaluation.stability`)."""
_BEST = 0.2


@dataclass(frozen=True)
class Head:
    """The first screen.

    Attributes
    ----------
    question, answer : str
    sure : tuple of str
        Sentences on how sure the answer is.
    figures : tuple of (str, str)
        Numbers, and what they count.
    cautions : tuple of str
    """

    question: str
    answer: str
    sure: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One segment at a glance; positions are percent of a track that is the same for all.

    Attributes
    ----------
    id, name, customers, share, value, interval, value_share, priority, action : str
        In words; ``share`` is empty of dormant customers, who are in none.
    share_width, value_share_width : float
        Of bars.
    low, high, mean, zero : float or None
        Places of the interval's ends, of the mean and of zero; None where there is no value.
    reserved : bool
    """

    id: str
    name: str
    customers: str
    share: str
    value: str
    interval: str
    value_share: str
    priority: str
    action: str
    share_width: float
    value_share_width: float
    low: float | None
    high: float | None
    mean: float | None
    zero: float | None
    reserved: bool


def own_segments(report: Report) -> pd.DataFrame:
    """The segments that are none of the reserved ones."""
    segments = report.profiles.segments
    return segments[~segments["reserved"].astype(bool)].reset_index(drop=True)


def value_name(report: Report, numbers: Numbers) -> str:
    """What value is, in words."""
    key = f"report.value.{_value(report).get('name', 'none')}"
    return numbers.wording(key if numbers.wording.has(key) else "report.value.none")


def has_value(report: Report) -> bool:
    """Whether any segment's value is known."""
    return bool(own_segments(report)["value_per_customer"].notna().any())


def has_dates(report: Report) -> bool:
    """Whether orders with dates are known."""
    return bool(own_segments(report)["orders_per_customer"].notna().any())


def has_shares(report: Report) -> bool:
    """Whether the value of all customers together is above 0, so that a part of it is a share."""
    return bool(own_segments(report)["value_total"].sum() > 0)


def named(line: Mapping[Hashable, Any]) -> str:
    """A segment's id and name."""
    return f"{line['segment_id']} {line['segment_name']}"


def head_of(report: Report, numbers: Numbers) -> Head:
    """Question, answer, certainty, figures and cautions."""
    say = numbers.wording
    known = has_value(report)
    return Head(
        say("report.headline.question" if known else "report.headline.question_no_value"),
        _answer(report, numbers),
        _sure(report, numbers),
        _figures(report, numbers),
        _cautions(report, numbers),
    )


def lines_of(report: Report, numbers: Numbers) -> list[Line]:
    """All segments at a glance, by priority; reserved ones last."""
    segments = report.profiles.segments
    if not has_shares(report):
        segments = segments.assign(value_share=np.nan)
    order = segments.assign(
        rank=segments["priority"].astype(float).fillna(np.inf), last=segments["reserved"].astype(bool)
    ).sort_values(["last", "rank", "segment_id"], kind="stable")
    values = order[["value_low", "value_high", "value_per_customer"]].to_numpy(float)
    ends = values[np.isfinite(values)]
    bottom, top = (min(0.0, ends.min()), max(0.0, ends.max())) if len(ends) else (0.0, 1.0)
    widest = float(order["share"].max()) if len(order) else 1.0
    part = order["value_share"].astype(float).clip(lower=0)
    most = float(part.max()) if part.notna().any() and part.max() > 0 else 1.0
    first = report.first_actions

    def place(value: float) -> float | None:
        return None if pd.isna(value) else 100 * (float(value) - bottom) / ((top - bottom) or 1.0)

    found = []
    for line in order.to_dict("records"):
        low, high = line["value_low"], line["value_high"]
        found.append(
            Line(
                id=str(line["segment_id"]),
                name=str(line["segment_name"]),
                customers=numbers.count(line["n_customers"]),
                share="" if pd.isna(line["share"]) else numbers.share(line["share"]),
                value=numbers.plain(line["value_per_customer"]),
                interval="" if pd.isna(low) or low == high else numbers.span(numbers.plain(low), numbers.plain(high)),
                value_share=numbers.share(line["value_share"]),
                priority=numbers.count(line["priority"]),
                action=first.get(line["segment_id"], numbers.dash),
                share_width=100 * line["share"] / widest if line["share"] > 0 else 0.0,
                value_share_width=0.0 if pd.isna(line["value_share"]) else 100 * max(line["value_share"], 0) / most,
                low=place(low),
                high=place(high),
                mean=place(line["value_per_customer"]),
                zero=place(0.0),
                reserved=bool(line["reserved"]),
            )
        )
    return found


def confirmed(report: Report) -> Mapping[str, Any]:
    """Figures on held-out customers; empty where there are none."""
    return report.about.get("confirm") or {}


def agreement(report: Report) -> float:
    """ARI of refits, the latest that is known; NaN where none is."""
    metrics = report.about.get("metrics") or {}
    return float(
        next((metrics[name] for name in ("final/ari", "refit/ari", "stability/ari") if name in metrics), np.nan)
    )


def _value(report: Report) -> Mapping[str, Any]:
    return report.profiles.about.get("value") or {}


def _answer(report: Report, numbers: Numbers) -> str:
    say, own = numbers.wording, own_segments(report)
    if not own["n_customers"].sum():
        return say("report.headline.none")
    if len(own) == 1:
        return say("report.headline.one", name=_quoted(own.iloc[0].to_dict(), numbers))
    several = say.counted("report.segments", len(own))
    valued = by_value(own)
    if not len(valued):
        top = own.sort_values("n_customers", ascending=False, kind="stable").iloc[0].to_dict()
        return say(
            "report.headline.largest", segments=several, name=_quoted(top, numbers), share=numbers.share(top["share"])
        )
    top = valued.iloc[0].to_dict()
    told = {"segments": several, "name": _quoted(top, numbers), "share": numbers.share(top["share"])}
    part = top["value_share"]
    # Of gains and losses together no part is a share.
    if pd.notna(part) and valued["value_total"].min() >= 0 and valued["value_total"].sum() > 0:
        return say("report.headline.best", **told, value_share=numbers.share(part), value=value_name(report, numbers))
    mean = np.average(valued["value_per_customer"], weights=valued["n_customers"])
    money = {"own": numbers.money(top["value_per_customer"]), "mean": numbers.money(mean)}
    return say("report.headline.best_alone", **told, **money)


def _quoted(line: Mapping[Hashable, Any], numbers: Numbers) -> str:
    return numbers.wording("report.headline.name", id=line["segment_id"], name=line["segment_name"])


def _sure(report: Report, numbers: Numbers) -> tuple[str, ...]:
    say, confirm = numbers.wording, confirmed(report)
    said = []
    if "kept" in confirm:
        said.append(
            say(
                "report.sure.confirmed",
                n=numbers.count(confirm.get("n_customers", np.nan)),
                days=numbers.count(report.profiles.about.get("outcome_days") or np.nan),
                kept=numbers.share(confirm["kept"]),
                low=numbers.share(confirm.get("kept_low", np.nan)),
                high=numbers.share(confirm.get("kept_high", np.nan)),
                baseline=numbers.share(confirm.get("kept_baseline", np.nan)),
            )
        )
    elif not has_dates(report):
        said.append(say("report.sure.not_judged"))
    steady = own_segments(report)["jaccard"].astype(float).dropna()
    if pd.notna(agreement(report)):
        said.append(say("report.sure.stable", ari=numbers.fixed(agreement(report))))
    if len(steady):
        mean, least = numbers.fixed(steady.mean()), numbers.fixed(steady.min())
        said.append(say("report.sure.steadiness", mean=mean, least=least))
    return tuple(said) if len(steady) or pd.notna(agreement(report)) else (*said, say("report.sure.unknown"))


def _figures(report: Report, numbers: Numbers) -> tuple[tuple[str, str], ...]:
    say, own, confirm = numbers.wording, own_segments(report), confirmed(report)
    found = [
        (numbers.count(len(own)), say("report.key.segments")),
        (numbers.count(report.profiles.overall["n_customers"].sum()), say("report.key.customers")),
    ]
    if has_value(report):
        days = numbers.count(report.profiles.about.get("lookback_days") or np.nan)
        total = numbers.money(own["value_total"].sum())
        found.append((total, say("report.key.total", value=value_name(report, numbers), days=days)))
    curve = report.profiles.capture
    if len(curve) and has_shares(report):
        held = np.interp(_BEST, curve["share_customers"], curve["share_value"])
        found.append((numbers.share(held), say("report.key.top")))
    if "kept" in confirm:
        found.append((numbers.share(confirm["kept"]), say("report.key.kept")))
    if pd.notna(agreement(report)):
        found.append((numbers.fixed(agreement(report)), say("report.key.ari")))
    if prospects := own["n_prospects"].sum():
        found.append((numbers.count(prospects), say("report.key.prospects")))
    return tuple(found)


def _cautions(report: Report, numbers: Numbers) -> tuple[str, ...]:
    say, own, confirm = numbers.wording, own_segments(report), confirmed(report)
    said = []
    if confirm.get("lift_high", 0.0) < 0:
        told = {name: numbers.share(confirm.get(name, np.nan)) for name in ("kept", "kept_baseline")}
        said.append(say("report.caution.baseline", kept=told["kept"], baseline=told["kept_baseline"]))
    elif confirm.get("lift_low", 0.0) < 0:
        lift, low, high = (numbers.signed(confirm.get(one, np.nan), 3) for one in ("lift", "lift_low", "lift_high"))
        said.append(say("report.caution.uncertain", lift=lift, low=low, high=high))
    worth = report.profiles.worth
    flagged = report.profiles.sensitive
    groups: Sequence[tuple[str, list[str]]] = (
        ("worth", worth.loc[~worth["worth_it"].astype(bool), "segment_id"].astype(str).tolist()),
        ("loss", own.loc[own["value_per_customer"] < 0, "segment_id"].astype(str).tolist()),
        ("unsteady", own.loc[own["jaccard"] < _SHAKY, "segment_id"].astype(str).tolist()),
        ("sensitive", [one.replace("_", " ") for one in flagged.loc[flagged["flagged"].astype(bool), "feature"]]),
    )
    said += [say.counted(f"report.caution.{key}", len(names), names=", ".join(names)) for key, names in groups if names]
    if not has_dates(report):
        said.append(say("report.caution.no_dates"))
    if not has_value(report):
        said.append(say("report.caution.no_money"))
    return tuple(said)
