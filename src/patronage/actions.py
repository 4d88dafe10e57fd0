"""What to do with each segment: the actions a playbook plans, with the figures that call for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from patronage.journal import note
from patronage.likeness import NOTABLE, Likeness
from patronage.naming import readable_value
from patronage.phrases import Phrases, known, usual_days
from patronage.playbook import LEVELS, SERVICE, Applied, Playbook, Rule, apply_rules, not_excluded, segment_table
from patronage.profiles import Profiles
from patronage.wording import Wording

_PRICE = (
    (("discount_share", "discounted_spend_share", "discounted_line_share"), "offers"),
    (("coupon_order_share", "coupon_share"), "coupons"),
)
_MONEY = re.compile(
    r"(value|later_value|revenue|margin|service_cost|campaign_cost|profit)_(per_customer|per_order|low|high|total)"
)
_ANGLES = 2
_FAR = 0.8
_NEAR = 0.1


@dataclass(frozen=True)
class Action:
    """One thing to do with a segment.

    Attributes
    ----------
    segment_id : str
    rank : int
        1 is the most important of the segment's.
    rule : str
        Of the playbook.
    kind : str
    title, what, reason : str
        What to do, how, and why; the reason lists the figures.
    triggered_by : mapping
        Column of the segment table that the rule read → (the segment's figure, that of all customers); None where there
        is none.
    cadence_days : float, optional
        How often to write; None where there is no rhythm.
    cadence : str
        In words.
    channel : str
        Empty where none is known.
    channel_basis : str
        Why this channel.
    angle : str
        What to say.
    service_level : str
    """

    segment_id: str
    rank: int
    rule: str
    kind: str
    title: str
    what: str
    reason: str
    triggered_by: Mapping[str, tuple[object, object]]
    cadence_days: float | None
    cadence: str
    channel: str
    channel_basis: str
    angle: str
    service_level: str


def plan_actions(profiles: Profiles, playbook: Playbook, wording: Wording) -> tuple[Action, ...]:
    """Plan what to do with every segment: the rules that fit, those of a high level first, of each kind one.

    Rules that read figures which the profiles do not have are left out, and the log says which.

    Raises
    ------
    InvalidConfigError
        A condition cannot be computed.
    """
    table = segment_table(profiles)
    ordered = sorted(playbook.rules, key=lambda rule: LEVELS.index(rule.level))
    applied = apply_rules(ordered, table)
    if left_out := [one.rule.id for one in applied if one.missing]:
        lacking = ", ".join(sorted({column for one in applied for column in one.missing}))
        note(f"rules of the playbook left out, for these data lack {lacking}: {', '.join(left_out)}")
    planned: list[Action] = []
    for row, line in table.iterrows():
        position = int(str(row))
        chosen: dict[str, Applied] = {}
        fitting = not_excluded(applied, position)
        for one in fitting:
            if one.rule.level != "fallback" or not chosen:
                chosen.setdefault(one.rule.kind, one)
        first = list(chosen.values())[: playbook.most_actions]
        # Also where a playbook's own rules fit nowhere, everybody is kept informed.
        first = first or [Applied(Rule("inform", "true", "inform"), (), ())]
        plan = _Plan(profiles, line, playbook, wording, [one.rule for one in first], [one.rule for one in fitting])
        planned += [plan.action(one, rank) for rank, one in enumerate(first, start=1)]
    return tuple(planned)


def actions_frame(actions: tuple[Action, ...]) -> pd.DataFrame:
    """Actions as a table, one line each, in their order; the figures in one text."""
    columns = [one for one in Action.__dataclass_fields__ if one != "triggered_by"]
    table = pd.DataFrame([[getattr(one, column) for column in columns] for one in actions], columns=columns)
    told = [
        "; ".join(
            f"{column}={value:g}" if known(value) else f"{column}={value}"
            for column, (value, _) in one.triggered_by.items()
        )
        for one in actions
    ]
    return table.assign(triggered_by=pd.Series(told, dtype="str"))


class _Plan:
    """What all actions of a segment share, and how its figures are said."""

    def __init__(
        self,
        profiles: Profiles,
        line: pd.Series,
        playbook: Playbook,
        wording: Wording,
        planned: Sequence[Rule],
        fitting: Sequence[Rule],
    ) -> None:
        self.line = line
        self.playbook = playbook
        self.say = wording
        self.planned = planned
        # Also by a rule that is no longer among the first few: who does not answer is not written to for want of room.
        self.slowest = max((rule.cadence_days or 0.0 for rule in fitting if rule.slows), default=0.0)
        self.phrases = Phrases(wording, str(profiles.about.get("currency") or ""))
        self.angle = self._angle(profiles)
        self.channel, self.channel_basis = self._channel()
        self.service_level = self._service_level()

    def action(self, applied: Applied, rank: int) -> Action:
        """One action, in words."""
        rule = applied.rule
        columns = [
            one for one in applied.columns if not one.startswith("all_") and one not in ("reserved", "segment_id")
        ]
        figures = {one: (self._value(one), self._value(f"all_{one}")) for one in columns if one != "n_segments"}
        days = self._cadence_days(rule)
        cadence = self.say("playbook.cadence.none")
        if days is not None:
            cadence = self.say("playbook.cadence.rhythm", every=self.phrases.every(days))
            cadence = cadence[:1].upper() + cadence[1:]
        return Action(
            segment_id=str(self.line["segment_id"]),
            rank=rank,
            rule=rule.id,
            kind=rule.kind,
            title=self._text(rule.title, rule.id, "title"),
            what=self._text(rule.what, rule.id, "what"),
            reason=self._reason(rule, figures),
            triggered_by=figures,
            cadence_days=days,
            cadence=cadence,
            channel=self.channel,
            channel_basis=self.channel_basis,
            angle=self.angle,
            service_level=self.service_level,
        )

    def _text(self, given: str, rule: str, part: str) -> str:
        """A message, or a text of the user's own, with the figures it asks for."""
        key = given or f"playbook.action.{rule}.{part}"
        if not self.say.has(key) and not given:
            return rule.replace("_", " ").capitalize() if part == "title" else ""
        text = self.say.messages[key] if self.say.has(key) else given
        asked = {name: self._said(name) for name in re.findall(r"\{(\w+)\}", text)}
        if not all(asked.values()) and self.say.has(f"{key}_plain"):
            text = self.say.messages[f"{key}_plain"]
        # Not `str.format`: a text of a user's own may hold other braces.
        return re.sub(r"\{(\w+)\}", lambda found: asked[found[1]] or self.say("playbook.value.unknown"), text)

    def _reason(self, rule: Rule, figures: Mapping[str, tuple[object, object]]) -> str:
        reason = self._text(rule.reason, rule.id, "reason")
        told = []
        for column in figures:
            value, of_all = self._said(column), self._said(f"all_{column}")
            if not value:
                continue
            label = self.say(f"playbook.column.{column}") if self.say.has(f"playbook.column.{column}") else column
            key = "playbook.figure" if of_all else "playbook.figure_alone"
            told.append(self.say(key, label=label, value=value, of_all=of_all))
        if not told:
            return self.say("playbook.reason_plain", reason=reason)
        return (
            self.say("playbook.reason", reason=reason.rstrip("."), figures=self.say("playbook.between").join(told))
            + "."
        )

    def _value(self, column: str) -> object:
        value = self.line.get(column)
        if isinstance(value, str):
            return value or None
        return float(value) if known(value) else None

    def _said(self, column: str) -> str:
        """A figure of the segment table as people write it; empty where it is unknown."""
        value = self._value(column)
        if value is None or isinstance(value, str):
            return "" if value is None else readable_value(value, self.say)
        name, number, phrases = column.removeprefix("all_"), float(str(value)), self.phrases
        said: tuple[tuple[bool, Callable[[], str]], ...] = (
            (name.startswith("effect_"), lambda: self._difference(number)),
            (name == "spend_change", lambda: ("−" if number < 0 else "+") + phrases.share(abs(number))),
            (name == "share" or name.endswith(("_share", "_rate", "_top")), lambda: phrases.share(number)),
            (name.endswith("_days_median"), lambda: self.say.counted("playbook.value.days", round(number))),
            (name == "peak_month", lambda: phrases.month(int(number))),
            (name.endswith("_lift"), lambda: self.say("playbook.value.times", n=phrases.number(number))),
            (name in {"rank_value", "priority"}, lambda: self.say("playbook.value.rank", n=f"{number:.0f}")),
            (_MONEY.fullmatch(name) is not None, lambda: phrases.money(number)),
            (name.startswith("n_") or name == "cross_sell_open", lambda: f"{number:,.0f}"),
            (True, lambda: phrases.number(number)),
        )
        return next(say for fits, say in said if fits)()

    def _difference(self, effect: float) -> str:
        size = "far_" if abs(effect) >= _FAR else ""
        key = "near" if abs(effect) < _NEAR else size + ("above" if effect > 0 else "below")
        return self.say(f"playbook.value.{key}", n=f"{abs(effect):.1f}")

    def _cadence_days(self, rule: Rule) -> float | None:
        days = rule.cadence_days
        if days is None:
            rhythm = self.line.get("gap_days_median")
            if not known(rhythm):
                return float(usual_days(self.slowest)) if self.slowest else None
            days = min(max(float(rhythm), self.playbook.shortest_cadence_days), self.playbook.longest_cadence_days)
        return float(usual_days(max(days, self.slowest)))

    def _channel(self) -> tuple[str, str]:
        best, rate, main = (self.line.get(name) for name in ("best_channel", "best_channel_rate", "main_channel"))
        if isinstance(best, str) and best and known(rate):
            return best, self.say("playbook.channel.best", rate=self.phrases.share(rate))
        if isinstance(main, str) and main:
            return main, self.say("playbook.channel.used")
        return "", self.say("playbook.channel.unknown")

    def _service_level(self) -> str:
        priority, n = self.line.get("priority"), self.line.get("n_segments")
        key = "standard"
        if known(priority) and known(n) and n >= 2:  # noqa: PLR2004
            key = "first" if priority <= max(1, n / 3) else "lean" if priority > 2 * n / 3 else key
        # Actions that promise service keep it whatever the priority; those that save on it do where none promises any.
        named = {rule.service for rule in self.planned} - {""}
        if named:
            key = min(named if "lean" in named else named | {key}, key=SERVICE.index)
        return self.say(f"playbook.service.{key}")

    def _angle(self, profiles: Profiles) -> str:
        """What the segment responds to, the strongest first: two things at most."""
        of = Likeness(profiles, self.line, self.say)
        found: list[tuple[float, str]] = []
        for family in ("benefit", "psychographic"):
            labels = of.labels((family,), 3)
            if labels:
                text = self.say(f"playbook.angle.{family}", labels=self.phrases.listed(labels))
                found.append((of.strongest(family), text))
        # Who leaves coupons alone may well buy at a discount: the stronger of the two is told, by its own name.
        prices = [(of.effect(one), key) for features, key in _PRICE for one in features]
        price, key = max(prices, key=lambda one: abs(one[0]))
        # Nothing is offered to those on whom nothing more is to be spent.
        if abs(price) >= NOTABLE and not (price > 0 and any(rule.kind == "let_go" for rule in self.planned)):
            found.append((abs(price), self.say(f"playbook.angle.{key if price > 0 else 'no_' + key}")))
        table = profiles.categories
        own = table[(table["segment_id"] == of.id) & (table["lift"] >= 1.15) & (table["buyers_share"] >= 0.2)]  # noqa: PLR2004
        if len(own):
            names = [readable_value(str(one), self.say) for one in own["category"].head(2)]
            text = self.say("playbook.angle.favourites", categories=self.phrases.listed(names))
            found.append((0.5 * float(own["lift"].iloc[0]), text))
        breadth = of.effect("category_breadth")
        if abs(breadth) >= NOTABLE:
            key = "breadth_wide" if breadth > 0 else "breadth_narrow"
            found.append((0.6 * abs(breadth), self.say(f"playbook.angle.{key}")))
        if of.effect("weekend_share") >= NOTABLE:
            found.append((of.effect("weekend_share"), self.say("playbook.angle.weekend")))
        if not found:
            labels = of.labels(of.families, 2)
            if not labels:
                return self.say("playbook.angle.plain")
            return self.say("playbook.angle.trait", labels=self.phrases.listed(labels))
        return " ".join(text for _, text in sorted(found, key=lambda one: -one[0])[:_ANGLES])
