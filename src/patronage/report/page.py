"""The report as one page that needs nothing else: no network, no script, no font."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from patronage.report.background import choice_of, features_of, provenance_of, traits_of
from patronage.report.charts import capture_chart, heat_of, map_chart, size_chart, unit_of
from patronage.report.contents import Report
from patronage.report.numbers import Numbers
from patronage.report.overview import has_value, head_of, lines_of, value_name
from patronage.report.segment_cards import cards_of
from patronage.wording import Wording

if TYPE_CHECKING:
    from jinja2 import Environment

_GLOSSARY = (
    *("segment", "value", "roi", "priority", "effect", "notable", "forms", "lift", "capture", "kept", "ari", "jaccard"),
    *("confidence", "silhouette"),
)
_OF_MONEY = ("value", "roi", "capture")


def report_html(report: Report, wording: Wording) -> str:
    """The report as a page of its own.

    Parameters
    ----------
    report : Report
    wording : Wording
        Every word of the page.

    Returns
    -------
    str
        HTML that fetches nothing and runs no script; its own policy forbids both. What comes from data is escaped.
    """
    numbers = Numbers(wording, unit_of(report))
    valued = has_value(report)
    about = report.profiles.about
    data = str(about.get("data") or report.about.get("data") or "")
    charts = [one for one in (size_chart(report, numbers), capture_chart(report, numbers)) if one is not None]
    found = {
        "title": wording("report.title", data=data) if data else wording("report.untitled"),
        "kicker": _kicker(data, report, numbers),
        "head": head_of(report, numbers),
        "valued": valued,
        "value": value_name(report, numbers),
        "basis": _basis(report),
        "lines": lines_of(report, numbers),
        "cards": cards_of(report, numbers),
        "charts": charts,
        "heat": heat_of(report, numbers),
        "map": map_chart(report, numbers),
        "choice": choice_of(report, numbers),
        "traits": traits_of(report, numbers),
        "features": features_of(report, numbers),
        "glossary": [
            (wording(f"report.glossary.{one}.term"), wording(f"report.glossary.{one}.text"))
            for one in _GLOSSARY
            if valued or one not in _OF_MONEY
        ],
        "provenance": provenance_of(report, numbers),
    }
    present = {"value": bool(charts), "heat": found["heat"], "map": found["map"], "features": found["features"]}
    sections = [
        one
        for one in (
            "glance",
            "segments",
            "value",
            "heat",
            "map",
            "choice",
            "sensitive",
            "features",
            "reading",
            "provenance",
        )
        if present.get(one, True)
    ]
    return _environment().get_template("page.html.jinja").render(w=wording, sections=sections, **found)


def _kicker(data: str, report: Report, numbers: Numbers) -> str:
    about, say = report.profiles.about, numbers.wording
    told = [data]
    if about.get("as_of"):
        n = numbers.count(about["lookback_days"]) if about.get("lookback_days") else ""
        told.append(say("report.over_days", n=n, date=about["as_of"]) if n else str(about["as_of"]))
    version = f"{report.about.get('model') or ''} {report.about.get('version') or ''}".strip()
    return " · ".join(one for one in (*told, version) if one)


def _basis(report: Report) -> str:
    """What segments are sorted by, as key of a message."""
    segments = report.profiles.segments
    if segments["priority"].isna().all():
        return "by_id"
    return "by_roi" if segments["roi"].notna().any() else "by_value"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only pages need it

    return Environment(
        loader=PackageLoader("patronage.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
