"""A card per segment: who it is, what sets it apart, what to do, and whether it is worth a campaign."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from patronage.actions import Action
from patronage.figures.signature import Spoke, signature, signatures
from patronage.personas import Persona
from patronage.report.buying import Buying, buying_of
from patronage.report.contents import Report
from patronage.report.drawing import inline_svg
from patronage.report.numbers import Numbers
from patronage.report.overview import named, own_segments
from patronage.report.tables import Table, feature_name, table_of, text

_SCALE = re.compile(r"[−-]?\d")
"""Units such as "1 to 10" tell a scale, not what is counted."""
_SHOWN = 8
"""Differences that a card shows; the table behind it has all."""
_IN_WORDS = 4
_WORTH = (
    *("revenue_per_customer", "margin_per_customer", "service_cost_per_customer", "campaign_cost_per_customer"),
    *("profit_per_customer", "margin_rate", "roi", "loss_share", "later_value_per_customer"),
)
_SURE = ("jaccard", "confidence")
_HABITS = (
    *("recency_days_median", "orders_per_customer", "gap_days_median", "overdue_share", "single_order_share"),
    *("new_share", "spend_change", "discount_share", "categories_per_customer", "category_share_top"),
    *("response_rate", "main_channel", "best_channel", "best_channel_rate", "reachable_share"),
)
_SERVICE = ("contacts_per_customer", "effort_mean", "service_cost_share")


@dataclass(frozen=True)
class Effect:
    """One difference from all customers, as a bar.

    Attributes
    ----------
    label, own, all, size : str
        In words; ``size`` is the effect.
    low, width : float
        Where the bar begins, and how wide it is, in percent of a track whose middle stands for all customers.
    more, forms : bool
    """

    label: str
    own: str
    all: str
    size: str
    low: float
    width: float
    more: bool
    forms: bool


@dataclass(frozen=True)
class Suggestion:
    """One action in words."""

    title: str
    what: str
    reason: str
    particulars: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Criterion:
    """One criterion: ``passed`` is None where it cannot be told."""

    name: str
    passed: bool | None
    verdict: str
    reason: str


@dataclass(frozen=True)
class Card:
    """All that is told of one segment.

    ``standing`` is how its ``verdict`` is coloured: ``good``, ``partly`` where a criterion is not known, ``bad``.
    """

    id: str
    name: str
    about: str
    drawing: Markup | None
    persona: Persona | None
    value: str
    value_about: str
    worth: tuple[tuple[str, str], ...]
    effects: tuple[Effect, ...]
    differences: Table | None
    habits: tuple[tuple[str, str], ...]
    buying: Buying
    load: tuple[tuple[str, str], ...]
    actions: tuple[Suggestion, ...]
    approach: tuple[tuple[str, str], ...]
    criteria: tuple[Criterion, ...]
    verdict: str
    standing: str
    warning: str
    merge: str


def cards_of(report: Report, numbers: Numbers) -> list[Card]:
    """A card for every segment but the reserved ones, in the order of ids."""
    shapes = signatures(report.profiles.differentiators)
    notable = report.profiles.differentiators["notable"].astype(bool)
    largest = report.profiles.differentiators.loc[notable, "effect"].abs().max()
    value = (report.profiles.about.get("value") or {}).get("name", "")
    personas = {persona.segment_id: persona for persona in report.personas}
    found = []
    for line in own_segments(report).to_dict("records"):
        segment_id = str(line["segment_id"])
        own = report.profiles.differentiators[report.profiles.differentiators["segment_id"] == segment_id]
        spokes = shapes.get(segment_id, ())
        known = pd.notna(line["value_per_customer"])
        # The value itself stands above, and where nobody loses money that need not be said.
        told = [one for one in _WORTH if one != f"{value}_per_customer" and (one != "loss_share" or line[one])]
        approach, actions = _plan([one for one in report.actions if one.segment_id == segment_id], numbers)
        criteria = _criteria(report, numbers, segment_id)
        worth_it, warning, merge = _worth(report, numbers, segment_id)
        verdict, standing = _verdict(criteria, numbers, worth_it=worth_it)
        found.append(
            Card(
                id=segment_id,
                name=str(line["segment_name"]),
                about=_about(line, numbers),
                drawing=_drawing(segment_id, named(line), spokes, numbers) if spokes else None,
                persona=personas.get(segment_id),
                value=numbers.money(line["value_per_customer"]) if known else "",
                value_about=_interval(line, numbers) if known else "",
                worth=_facts(line, (*told, *_SURE) if known else _SURE, numbers),
                effects=tuple(_effect(one, largest, numbers) for one in _notable(own).head(_SHOWN).to_dict("records")),
                differences=_differences(own, named(line), numbers) if len(own) else None,
                habits=_facts(line, _HABITS, numbers),
                buying=buying_of(report.profiles, segment_id, named(line), numbers),
                load=_facts(line, _SERVICE, numbers),
                actions=actions,
                approach=approach,
                criteria=criteria,
                verdict=verdict,
                standing=standing,
                warning=warning,
                merge=merge,
            )
        )
    return found


def _about(line: Mapping[Hashable, Any], numbers: Numbers) -> str:
    n, say = int(line["n_customers"]), numbers.wording
    told = say("report.card.about", customers=say.counted("report.customers", n), share=numbers.share(line["share"]))
    prospects = line.get("n_prospects")
    if prospects is not None and not pd.isna(prospects) and int(prospects):
        told += f", {say.counted('report.card.prospects', int(prospects))}"
    return told


def _interval(line: Mapping[Hashable, Any], numbers: Numbers) -> str:
    low, high = line["value_low"], line["value_high"]
    return "" if pd.isna(low) else numbers.span(numbers.plain(low), numbers.plain(high))


def _facts(line: Mapping[Hashable, Any], columns: Sequence[str], numbers: Numbers) -> tuple[tuple[str, str], ...]:
    told = ((numbers.column(name), numbers.of_column(name, line.get(name))) for name in columns)
    return tuple(fact for fact in told if fact[1] != numbers.dash)


def _notable(own: pd.DataFrame) -> pd.DataFrame:
    return own[own["notable"].astype(bool)]


def _effect(line: Mapping[Hashable, Any], largest: float, numbers: Numbers) -> Effect:
    effect, unit, level = float(line["effect"]), text(line["unit"]), text(line["level"])
    share = bool(level) or line.get("statistic") == "share"
    half = 50 * min(1.0, abs(effect) / largest)
    own, everybody = (
        numbers.of_feature(line[name], unit, "share" if share else "") for name in ("typical", "typical_all")
    )
    if unit and not share and not unit.startswith("share"):
        key = "report.on_scale" if _SCALE.match(unit) else "report.with_unit"
        own = numbers.wording(key, number=own, unit=unit)
    return Effect(
        label=numbers.label(text(line["feature"]), text(line["label"])),
        own=own,
        all=everybody,
        size=numbers.signed(effect, 2),
        low=50.0 if effect > 0 else 50.0 - half,
        width=half,
        more=effect > 0,
        forms=line["role"] == "basis",
    )


def _differences(own: pd.DataFrame, name: str, numbers: Numbers) -> Table:
    say = numbers.wording

    def typical(column: str) -> list[str]:
        shares = own["level"].fillna("").astype(bool) | (own.get("statistic", pd.Series("", own.index)) == "share")
        return [
            numbers.of_feature(value, str(unit), "share" if share else "")
            for value, unit, share in zip(own[column], own["unit"], shares, strict=True)
        ]

    frame = own.assign(
        typical=typical("typical"),
        typical_all=typical("typical_all"),
        feature=[feature_name(one, text(level)) for one, level in zip(own["feature"], own["level"], strict=True)],
        role=[say("report.card.forms" if role == "basis" else "report.card.describes") for role in own["role"]],
    )
    return table_of(
        frame,
        say("report.card.table_apart", name=name),
        [
            ("feature", say("report.heat.feature"), text),
            ("effect", say("report.differences.effect"), lambda value: numbers.signed(value, 2)),
            ("typical", say("report.differences.typical"), text),
            ("typical_all", say("report.all_customers"), text),
            ("unit", say("report.heat.unit"), text),
            ("p_holm", say("report.sensitive.p"), numbers.p),
            ("n_known", say("report.sensitive.known"), numbers.count),
            ("role", say("report.differences.role"), text),
        ],
        words=("unit", "role"),
    )


def _particulars(actions: Sequence[Action], numbers: Numbers) -> list[dict[str, str]]:
    """How often, through what, with which words and service, of each action; what is not known is left out."""
    say, found = numbers.wording, []
    for action in actions:
        channel = action.channel or action.channel_basis
        if action.channel and action.channel_basis:
            channel = say("report.action.channel_by", channel=action.channel, basis=action.channel_basis)
        told = {
            "cadence": action.cadence,
            "channel": channel,
            "angle": action.angle,
            "service_level": action.service_level,
        }
        found.append({say(f"report.action.{key}"): said for key, said in told.items() if said})
    return found


def _plan(actions: Sequence[Action], numbers: Numbers) -> tuple[tuple[tuple[str, str], ...], tuple[Suggestion, ...]]:
    """What holds for all actions of a segment, told once; and the actions by rank, with what holds for them alone."""
    ordered = sorted(actions, key=lambda one: one.rank)
    particulars = _particulars(ordered, numbers)
    common = [
        fact
        for fact in (particulars[0].items() if particulars else ())
        if all(fact in one.items() for one in particulars)
    ]
    return tuple(common), tuple(
        Suggestion(action.title, action.what, action.reason, tuple(fact for fact in own.items() if fact not in common))
        for action, own in zip(ordered, particulars, strict=True)
    )


def _criteria(report: Report, numbers: Numbers, segment_id: str) -> tuple[Criterion, ...]:
    say, table = numbers.wording, report.profiles.criteria
    found = []
    for line in table[table["segment_id"] == segment_id].to_dict("records"):
        passed = None if line["passed"] is None or pd.isna(line["passed"]) else bool(line["passed"])
        verdict = "unknown" if passed is None else "passed" if passed else "failed"
        name = f"report.criterion.{line['criterion']}"
        found.append(
            Criterion(
                say(name) if say.has(name) else str(line["criterion"]), passed, say(f"report.card.{verdict}"),
                text(line["reason"]),
            )
        )  # fmt: skip
    return tuple(found)


def _worth(report: Report, numbers: Numbers, segment_id: str) -> tuple[bool | None, str, str]:
    """Whether it is worth a campaign, the warning if it is not, and the merge that would lose least."""
    say, table = numbers.wording, report.profiles.worth
    lines = table[table["segment_id"] == segment_id].to_dict("records")
    if not lines:
        return None, "", ""
    line = lines[0]
    if bool(line["worth_it"]):
        return True, "", ""
    failed = [one.strip() for one in text(line["failed"]).split(",") if one.strip()]
    words = [say(f"report.criterion.{one}").lower() if say.has(f"report.criterion.{one}") else one for one in failed]
    warning = say("report.card.not_worth", failed=", ".join(words))
    into = text(line["merge_into"])
    if not into:
        return False, warning, say("report.card.no_merge")
    names = {str(one["segment_id"]): named(one) for one in report.profiles.segments.to_dict("records")}
    told = {"name": names.get(into, into), "loses": numbers.share(line["merge_loses"])}
    if pd.isna(line["merge_loses"]):
        return False, warning, say("report.card.merge_near", name=told["name"])
    if pd.isna(line["merge_loses_per_customer"]):
        return False, warning, say("report.card.merge", **told)
    return False, warning, say("report.card.merge_money", **told, each=numbers.money(line["merge_loses_per_customer"]))


def _verdict(criteria: Sequence[Criterion], numbers: Numbers, *, worth_it: bool | None) -> tuple[str, str]:
    """The verdict in words, and its standing: never better than what is known."""
    say = numbers.wording
    if worth_it is None:
        return "", ""
    if not worth_it:
        return say("report.card.not_worth_it"), "bad"
    unknown = [one.name.lower() for one in criteria if one.passed is None]
    if not unknown:
        return say("report.card.worth_it"), "good"
    return say("report.card.worth_it_partly", unknown=", ".join(unknown)), "partly"


def _drawing(segment_id: str, name: str, spokes: Sequence[Spoke], numbers: Numbers) -> Markup:
    say = numbers.wording
    strongest = sorted((one for one in spokes if one.length), key=lambda one: -abs(one.length))[: 2 * _IN_WORDS]
    words = []
    for key, labels in (
        ("more", [one.label for one in strongest if one.length > 0][:_IN_WORDS]),
        ("less", [one.label for one in strongest if one.length < 0][:_IN_WORDS]),
    ):
        if labels:
            words.append(say(f"report.card.signature_{key}", labels=", ".join(labels)))
    label = say("report.card.signature", name=name, n=len(spokes), words=" ".join(words))
    return inline_svg(signature(spokes), f"signature-{segment_id}", label)
