"""What, when and through which channel a segment buys, and what it costs to serve: the lower half of its card."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from patronage.profiles import Profiles
from patronage.profiles.tables import ALL
from patronage.report.numbers import Numbers
from patronage.report.tables import Table, text

_CATEGORIES, _OFFERS, _CHANNELS, _REASONS = 6, 5, 6, 6
_CLEAR = 0.01
"""A share that is less above that of all customers is not worth a word."""
CLOCKS: Mapping[str, Sequence[int]] = {"weekday": range(1, 8), "hour": range(24), "month": range(1, 13)}


@dataclass(frozen=True)
class Bar:
    """A bar from 0 to 100 % of its track, with a mark for all customers where that is known."""

    label: str
    told: str
    width: float
    mark: float | None = None
    figure: str = ""


@dataclass(frozen=True)
class Strip:
    """Shares over a clock: heights in percent of the tallest, in the segment and of all customers.

    ``labels`` are of every bar, ``ticks`` what stands below it.
    """

    title: str
    peak: str
    heights: tuple[float, ...]
    marks: tuple[float | None, ...]
    labels: tuple[str, ...]
    ticks: tuple[str, ...]


@dataclass(frozen=True)
class Buying:
    """What a segment buys, when and how; empty where it is not known."""

    categories: tuple[Bar, ...]
    offers: tuple[tuple[str, str, str], ...]
    orders: tuple[Bar, ...]
    campaigns: tuple[Bar, ...]
    strips: tuple[Strip, ...]
    times: Table | None
    service: tuple[Bar, ...]


def buying_of(profiles: Profiles, segment_id: str, name: str, numbers: Numbers) -> Buying:
    """Describe what one segment buys, when and how."""
    channels = _of(profiles.channels, segment_id)
    strips, times = _timing(profiles, segment_id, name, numbers)
    return Buying(
        categories=_categories(_of(profiles.categories, segment_id), numbers),
        offers=_offers(_of(profiles.cross_sell, segment_id), numbers),
        orders=_shares(
            channels[channels["kind"] == "orders"],
            profiles.channels[profiles.channels["kind"] == "orders"],
            "channel",
            numbers,
        ),
        campaigns=_responses(channels[channels["kind"] == "campaigns"], numbers),
        strips=strips,
        times=times,
        service=_service(profiles, segment_id, numbers),
    )


def _of(table: pd.DataFrame, segment_id: str) -> pd.DataFrame:
    return table[table["segment_id"] == segment_id]


def _categories(own: pd.DataFrame, numbers: Numbers) -> tuple[Bar, ...]:
    say = numbers.wording
    return tuple(
        Bar(
            numbers.category(text(line["category"])),
            say(
                "report.card.category",
                share=numbers.share(line["buyers_share"]),
                all=numbers.share(line["buyers_share_all"]),
            ),
            100 * line["buyers_share"],
            None if pd.isna(line["buyers_share_all"]) else 100 * line["buyers_share_all"],
            "" if pd.isna(line["lift"]) else say("report.card.lift", lift=numbers.fixed(line["lift"], 1)),
        )
        for line in own.head(_CATEGORIES).to_dict("records")
    )


def _offers(own: pd.DataFrame, numbers: Numbers) -> tuple[tuple[str, str, str], ...]:
    say = numbers.wording
    # As the playbook picks its pair: by how many more would buy than chance would have it.
    gain = own["n_open"] * own["confidence"] * (1 - 1 / own["lift"].where(own["lift"] > 0))
    own = own.loc[gain.sort_values(ascending=False, kind="stable").index]
    # Of two categories that go together one direction is enough: the better one stands first.
    pair = [frozenset(one) for one in zip(own["bought"], own["offered"], strict=True)]
    once = own[~pd.Series(pair, index=own.index, dtype=object).duplicated()]
    return tuple(
        (
            numbers.category(text(line["bought"])),
            numbers.category(text(line["offered"])),
            say(
                "report.card.cross_sell_line",
                confidence=numbers.share(line["confidence"]),
                lift=numbers.fixed(line["lift"], 1),
                open=say.counted("report.customers", int(line["n_open"])),
            ),
        )
        for line in once.head(_OFFERS).to_dict("records")
    )


def _shares(own: pd.DataFrame, table: pd.DataFrame, by: str, numbers: Numbers) -> tuple[Bar, ...]:
    """Shares beside those of all customers, the largest first."""
    everybody: Mapping[Hashable, Any] = _of(table, ALL).set_index(by)["share"].to_dict()
    shown = own.sort_values("share", ascending=False, kind="stable").head(_CHANNELS)
    say, found = numbers.wording, []
    for line in shown.to_dict("records"):
        other = everybody.get(line[by], float("nan"))
        told = say("report.card.channel_share", share=numbers.share(line["share"]), all=numbers.share(other))
        found.append(Bar(text(line[by]), told, 100 * line["share"], None if pd.isna(other) else 100 * other))
    return tuple(found)


def _responses(own: pd.DataFrame, numbers: Numbers) -> tuple[Bar, ...]:
    say = numbers.wording
    shown = own[own["response_rate"].notna()].sort_values("response_rate", ascending=False, kind="stable")
    top = shown["response_rate"].max()
    return tuple(
        Bar(
            text(line["channel"]),
            say(
                "report.card.response",
                rate=numbers.share(line["response_rate"]),
                low=numbers.share(line["response_low"]),
                high=numbers.share(line["response_high"]),
            ),
            _width(line["response_rate"], top),
        )
        for line in shown.head(_CHANNELS).to_dict("records")
    )


def _service(profiles: Profiles, segment_id: str, numbers: Numbers) -> tuple[Bar, ...]:
    own = _of(profiles.service, segment_id).sort_values("share", ascending=False, kind="stable").head(_REASONS)
    bars = _shares(own, profiles.service, "reason", numbers)
    say, found = numbers.wording, []
    for bar, line in zip(bars, own.to_dict("records"), strict=True):
        told = [bar.told]
        if pd.notna(line["cost_per_contact"]):
            told.append(say("report.card.service_cost", cost=numbers.money(line["cost_per_contact"])))
        if pd.notna(line["effort_mean"]):
            told.append(say("report.card.service_effort", effort=numbers.fixed(line["effort_mean"], 1)))
        found.append(Bar(bar.label, " · ".join(told), bar.width, bar.mark))
    return tuple(found)


def _timing(profiles: Profiles, segment_id: str, name: str, numbers: Numbers) -> tuple[tuple[Strip, ...], Table | None]:
    own, everybody = _of(profiles.timing, segment_id), _of(profiles.timing, ALL)
    say, strips, rows = numbers.wording, [], []
    for clock, units in CLOCKS.items():
        shares = own[own["clock"] == clock].set_index("unit")["share"].to_dict()
        others = everybody[everybody["clock"] == clock].set_index("unit")["share"].to_dict()
        if not shares:
            continue
        if clock == "month":  # those that the lookback does not reach are no months without orders
            units = [unit for unit in units if unit in shares or unit in others]  # noqa: PLW2901
        labels = tuple(_unit(clock, unit, numbers) for unit in units)
        ticks = tuple(str(unit) if unit % 6 == 0 else "" for unit in units) if clock == "hour" else labels
        values = [float(shares.get(unit, 0.0)) for unit in units]
        marks = [float(others[unit]) if unit in others else None for unit in units]
        top = max([*values, *(mark for mark in marks if mark is not None)]) or 1.0
        # Where the segment stands out most, not where everybody is.
        beyond = [value - (mark or 0.0) for value, mark in zip(values, marks, strict=True)]
        at = beyond.index(max(beyond))
        told = {"when": labels[at], "share": numbers.share(values[at]), "all": numbers.share(marks[at] or 0.0)}
        peak = say(f"report.card.peak.{clock}", **told) if beyond[at] >= _CLEAR else say("report.card.peak.none")
        strips.append(
            Strip(
                say(f"report.clock.{clock}"),
                peak,
                tuple(100 * value / top for value in values),
                tuple(None if mark is None else 100 * mark / top for mark in marks),
                labels,
                ticks,
            )
        )
        rows += [
            (label, numbers.share(value), numbers.dash if mark is None else numbers.share(mark))
            for label, value, mark in zip(labels, values, marks, strict=True)
        ]
    if not strips:
        return (), None
    titles = (say("report.card.time"), name, say("report.all_customers"))
    return tuple(strips), Table(say("report.card.table_timing", name=name), titles, tuple(rows))


def _unit(clock: str, unit: int, numbers: Numbers) -> str:
    if clock == "hour":
        return numbers.wording("report.hour", hour=unit)
    return numbers.wording(f"report.{clock}.{unit}")


def _width(value: float, largest: float) -> float:
    return 100 * value / largest if pd.notna(value) and largest > 0 else 0.0
