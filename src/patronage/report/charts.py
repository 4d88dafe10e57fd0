"""The charts of the page, each with its words and the table behind it; and the same as pictures of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from patronage.figures.heat import LIMIT, effect_matrix, heat_map
from patronage.figures.separated import separation
from patronage.figures.signature import effects_by_segment, persona_card, signatures
from patronage.figures.valued import by_value, capture, size_by_value
from patronage.profiles.tables import ALL
from patronage.report.contents import Report
from patronage.report.drawing import inline_svg
from patronage.report.numbers import Numbers
from patronage.report.overview import has_shares, named, own_segments, value_name
from patronage.report.tables import Table, feature_name, table_of, text, typical_values
from patronage.wording import Wording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 20
"""Features that the heat map shows at once."""
_STEPS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)


@dataclass(frozen=True)
class Chart:
    """A drawing with what it says, and the table behind it."""

    title: str
    about: str
    drawing: Markup
    table: Table


@dataclass(frozen=True)
class Cell:
    """One cell of the heat map: ``strength`` from 0 to 1, ``more`` is None where there is no figure."""

    told: str
    strength: float
    more: bool | None


@dataclass(frozen=True)
class HeatRow:
    """A feature in all segments, called by what having more of it is."""

    label: str
    feature: str
    forms: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Heat:
    """Differences of all segments in all features; the largest first."""

    segments: tuple[tuple[str, str], ...]
    rows: tuple[HeatRow, ...]
    further: tuple[HeatRow, ...]
    typical: Table | None


def unit_of(report: Report) -> str:
    """Of money: the currency, else what the value is told in; ``money`` alone is none."""
    about = report.profiles.about
    unit = about.get("currency") or (about.get("value") or {}).get("unit", "")
    return "" if unit == "money" else str(unit)


def size_chart(report: Report, numbers: Numbers) -> Chart | None:
    """Size × value; None where no value is known."""
    own = by_value(report.profiles.segments)
    if not len(own):
        return None
    say = numbers.wording
    words = [
        say(
            "report.size.alt_one",
            name=named(line),
            share=numbers.share(line["share"]),
            value=numbers.money(line["value_per_customer"]),
        )
        for line in own.to_dict("records")
    ]
    if not has_shares(report):
        own = own.assign(value_share=np.nan)
    columns = ["n_customers", "share", "value_per_customer", "value_low", "value_high", "value_total", "value_share"]
    table = table_of(
        own.assign(name=[named(line) for line in own.to_dict("records")]),
        say("report.size.title"),
        [
            ("name", say("report.glance.segment"), text),
            *((one, numbers.column(one), _column(numbers, one)) for one in columns),
        ],
    )
    about = say("report.size.about")
    if own["value_per_customer"].min() < 0:
        about = f"{about} {say('report.size.loss')}"
    figure = size_by_value(report.profiles.segments, numbers.unit, say)
    drawing = inline_svg(figure, "size", say("report.size.alt", n=len(own), words="; ".join(words)))
    return Chart(say("report.size.title"), about, drawing, table)


def capture_chart(report: Report, numbers: Numbers) -> Chart | None:
    """Who holds the value; None where no value is known, or there is none."""
    curve, say = report.profiles.capture, numbers.wording
    if not len(curve) or not np.isfinite(curve["share_value"].astype(float)).all() or not has_shares(report):
        return None

    def held(share: float, column: str = "share_value") -> str:
        return numbers.share(float(np.interp(share, curve["share_customers"], curve[column])))

    told = {"ten": 0.1, "twenty": 0.2, "fifty": 0.5}
    alone = {name: held(share) for name, share in told.items()}
    together = {f"{name}_segments": held(share, "segment_share_value") for name, share in told.items()}
    table = Table(
        say("report.capture.table"),
        (say("report.capture.best"), say("report.capture.by_customer"), say("report.capture.by_segment")),
        tuple((numbers.share(one), held(one), held(one, "segment_share_value")) for one in _STEPS),
    )
    drawing = inline_svg(
        capture(curve, report.profiles.segments, say), "capture", say("report.capture.alt", **alone, **together)
    )
    about = say("report.capture.about", share=numbers.share(0.2), held=held(0.2), value=value_name(report, numbers))
    return Chart(say("report.capture.title"), about, drawing, table)


def map_chart(report: Report, numbers: Numbers) -> Chart | None:
    """Where segments lie; None where no positions are known."""
    positions, say = report.profiles.positions, numbers.wording
    if not len(positions):
        return None
    explained = _explained(report)
    middles = positions.groupby("segment_id", sort=True).agg(n=("x", "size"), x=("x", "median"), y=("y", "median"))
    names = {str(line["segment_id"]): named(line) for line in report.profiles.segments.to_dict("records")}
    table = Table(
        say("report.map.table"),
        (say("report.glance.segment"), say("report.map.customers_drawn"), "x", "y"),
        tuple(
            (names.get(str(one), str(one)), numbers.count(n), numbers.signed(x, 2), numbers.signed(y, 2))
            for one, n, x, y in middles.reset_index().itertuples(index=False)
        ),
    )
    drawing = inline_svg(
        separation(positions, explained, say), "map", say("report.map.alt", n=numbers.count(len(positions)))
    )
    about = say("report.map.about")
    if explained:
        about = say("report.map.about_explained", share=numbers.share(min(1.0, sum(explained))))
    return Chart(say("report.section.map"), about, drawing, table)


def heat_of(report: Report, numbers: Numbers) -> Heat | None:
    """All differences; None where there are none."""
    lines = report.profiles.differentiators
    if not len(lines):
        return None
    matrix, say = effect_matrix(lines), numbers.wording
    own = own_segments(report)
    ids = [one for one in own["segment_id"] if one in matrix]
    high = lines[lines["direction"] == "high"].drop_duplicates(["feature", "level"])
    more = {
        (one["feature"], text(one["level"])): numbers.label(text(one["feature"]), text(one["label"]))
        for one in high.to_dict("records")
    }
    basis = set(lines.loc[lines["role"] == "basis", "feature"])
    rows = [
        HeatRow(
            more.get((feature, level), feature_name(feature, level)),
            feature_name(feature, level),
            feature in basis,
            tuple(_cell(one, numbers) for one in effects),
        )
        for (feature, level), effects in zip(matrix.index, matrix[ids].to_numpy(float), strict=True)
    ]
    names = dict(zip(own["segment_id"], own["segment_name"], strict=True))
    typical = typical_values(report.profiles, numbers, say("report.heat.typical"), say("report.all_customers"), ALL)
    return Heat(tuple((one, names[one]) for one in ids), tuple(rows[:_SHOWN]), tuple(rows[_SHOWN:]), typical)


def report_figures(report: Report, wording: Wording) -> dict[str, Figure]:
    """The figures of the report as pictures of their own, by name; those whose data are absent are left out.

    ``size_by_value, capture, separation, heat_map, differentiators``, and ``persona_…`` per segment.
    """
    numbers, profiles = Numbers(wording, unit_of(report)), report.profiles
    found: dict[str, Figure] = {}
    if len(by_value(profiles.segments)):
        found["size_by_value"] = size_by_value(profiles.segments, numbers.unit, wording)
    if capture_chart(report, numbers) is not None:
        found["capture"] = capture(profiles.capture, profiles.segments, wording)
    if len(profiles.positions):
        found["separation"] = separation(profiles.positions, _explained(report), wording)
    own = {str(line["segment_id"]): line for line in own_segments(report).to_dict("records")}
    if len(profiles.differentiators):
        matrix = effect_matrix(profiles.differentiators)
        called = {key: feature_name(*key) for key in matrix.index}
        found["heat_map"] = heat_map(matrix, called, wording("report.figure.heat_map"))
        found["differentiators"] = effects_by_segment(
            profiles.differentiators,
            {one: str(line["segment_name"]) for one, line in own.items()},
            (wording("report.figure.differentiators"), wording("report.card.forms"), wording("report.card.describes")),
        )
    shapes = signatures(profiles.differentiators)
    for persona in report.personas:
        if persona.segment_id in own:
            line = own[persona.segment_id]
            size = wording(
                "report.card.about",
                customers=wording.counted("report.customers", int(line["n_customers"])),
                share=numbers.share(line["share"]),
            )
            found[f"persona_{persona.segment_id}"] = persona_card(
                named(line), size, persona.headline, persona.portrait, persona.facts, shapes.get(persona.segment_id, ())
            )
    return found


def _explained(report: Report) -> tuple[float, ...]:
    told = report.profiles.about.get("positions") or ()
    return tuple(float(one) for one in told if pd.notna(one))


def _cell(effect: float, numbers: Numbers) -> Cell:
    if np.isnan(effect):
        return Cell(numbers.dash, 0.0, None)
    return Cell(numbers.signed(effect), min(1.0, abs(effect) / LIMIT), effect > 0)


def _column(numbers: Numbers, name: str) -> Any:  # noqa: ANN401 - puts a cell in words
    return lambda value: numbers.of_column(name, value)
