"""The diagnosis as a table, and as one page that needs nothing else."""

from __future__ import annotations

from html import escape

import pandas as pd

from patronage.diagnosis import VERDICTS, Diagnosis, FeatureDiagnosis, Verdict
from patronage.distribution import number_in_words, one_decimal, percent

HEADINGS: dict[Verdict, str] = {
    "drop": "To drop: not clustered on",
    "transform": "To transform: declare them differently",
    "keep": "To keep",
}

_COLUMNS = (
    "verdict",
    "name",
    "family",
    "role",
    "scale",
    "unit",
    "missing_share",
    "n_distinct",
    "skew",
    "skew_scaled",
    "zero_share",
    "dominant_value_share",
    "low",
    "median",
    "high",
    "twin",
    "twin_correlation",
)

# Okabe & Ito's colours, darkened or lightened until their words can be read on either ground.
_STYLE = """
:root{color-scheme:light dark;--ink:#1f2937;--soft:#5b6472;--line:#e5e7eb;--ground:#fff;
--drop:#b34700;--transform:#8a6100;--keep:#00669c}
@media (prefers-color-scheme:dark){:root{--ink:#e5e7eb;--soft:#9aa3af;--line:#30363f;--ground:#14171c;
--drop:#ff9d66;--transform:#e6b94d;--keep:#6bb8e6}}
*{box-sizing:border-box}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:1.5rem;color:var(--ink);
background:var(--ground)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 0}p{margin:.4rem 0;color:var(--soft);max-width:60rem}
.drop{--accent:var(--drop)}.transform{--accent:var(--transform)}.keep{--accent:var(--keep)}
h2::before{content:"";display:inline-block;width:.7rem;height:.7rem;margin-right:.5rem;background:var(--accent)}
article{display:grid;grid-template-columns:minmax(0,1fr) 11rem 33rem;gap:.2rem 1.75rem;padding:.8rem 0;
border-bottom:1px solid var(--line);align-items:start}
h3{font-size:1rem;margin:0;overflow-wrap:anywhere}
.reason{color:var(--accent);overflow-wrap:anywhere}
.about,.range,.side{color:var(--soft);font-size:.85rem}
svg{display:block;width:100%;height:3rem}rect{fill:var(--accent)}line{stroke:var(--line);stroke-width:1}
.range{display:flex;justify-content:space-between;gap:.5rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(7,minmax(0,1fr));gap:.3rem .6rem;margin:0}
dt{color:var(--soft);font-size:.8rem}dd{margin:0;font-size:.93rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
@media (max-width:70rem){article{grid-template-columns:minmax(0,1fr) 11rem}dl{grid-column:1/-1}}
@media (max-width:40rem){body{padding:1rem}article{grid-template-columns:minmax(0,1fr);gap:.5rem}
dl{grid-template-columns:repeat(4,minmax(0,1fr))}}
"""


def diagnosis_frame(diagnosis: Diagnosis) -> pd.DataFrame:
    """All features as one table, what needs attention first; shares from 0 to 1, NaN where a figure has no meaning."""
    lines = [
        {column: getattr(one, column) for column in _COLUMNS} | {"distribution": one.sparkline(), "reason": one.reason}
        for one in diagnosis.ordered
    ]
    return pd.DataFrame(lines, columns=[*_COLUMNS, "distribution", "reason"]).rename(columns={"name": "feature"})


def diagnosis_html(diagnosis: Diagnosis) -> str:
    """Every feature's distribution, figures and verdict as a page of its own."""
    parts = []
    for verdict in VERDICTS:
        found = [one for one in diagnosis.ordered if one.verdict == verdict]
        if found:
            parts.append(f'<section class="{verdict}"><h2>{HEADINGS[verdict]} ({len(found)})</h2>')
            parts += [*map(_article, found), "</section>"]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1"><title>Features before clustering</title>'
        f"<style>{_STYLE}</style><h1>Features before clustering</h1>"
        f"<p>{in_words(diagnosis)}. Bars count customers: numbers on the declared scale, from the lowest "
        "to the highest half percent; levels of a text in declared order, or the most frequent first. "
        "Dominant is the share of the most frequent value; zero and dominant are shares of those who have a value. "
        "Skew is that of the declared scale.</p>" + "".join(parts) + "</html>"
    )


def in_words(diagnosis: Diagnosis) -> str:
    """How many features there are of each verdict."""
    counts = diagnosis.counts
    return (
        f"{len(diagnosis.features)} features of {diagnosis.n_customers:,} customers: {counts['drop']} to drop, "
        f"{counts['transform']} to transform, {counts['keep']} to keep"
    )


def _article(one: FeatureDiagnosis) -> str:
    about = " · ".join(part for part in (one.family, one.role, f"scale {one.scale}", one.unit) if part)
    return (
        f"<article><div><h3>{escape(one.name)}</h3><div class=reason>{escape(one.reason)}</div>"
        f"<div class=about>{escape(about)}</div></div><div>{_drawing(one)}</div><dl>{_figures(one)}</dl></article>"
    )


def _drawing(one: FeatureDiagnosis) -> str:
    """Bars, and below them what the first and the last stand for."""
    if not one.sketch:
        return "<div class=side>not shown</div>" if one.n_distinct else "<div class=side>no values</div>"
    top, width = max(one.sketch), 100 / max(len(one.sketch), 4)
    bars = []
    for number, count in enumerate(one.sketch):
        height = max(45 * count / top, 1) if count else 0
        hint = f"{one.levels[number]}: {count:,}" if one.levels else f"{count:,} customers"
        bars.append(
            f'<rect x="{width * number + 0.4:.2f}" y="{46 - height:.2f}" width="{width - 0.8:.2f}" '
            f'height="{height:.2f}"><title>{escape(hint)}</title></rect>'
        )
    if one.scale == "ordinal":
        ends = [one.levels[0], one.levels[-1]]
    elif one.levels:
        ends = [f"first: {one.levels[0]}"]
    else:
        ends = [number_in_words(one.low), number_in_words(one.high)]
    label = escape(f"Distribution of {one.name}", quote=True)
    return (
        f'<svg viewBox="0 0 100 48" preserveAspectRatio="none" role=img aria-label="{label}">{"".join(bars)}'
        '<line x1="0" x2="100" y1="46.5" y2="46.5"/></svg>'
        f"<div class=range>{''.join(f'<span>{escape(end)}</span>' for end in ends)}</div>"
    )


def _figures(one: FeatureDiagnosis) -> str:
    figures = [
        ("missing", percent(one.missing_share)),
        ("distinct", f"{one.n_distinct:,}"),
        ("dominant", percent(one.dominant_value_share)),
    ]
    if one.scale not in ("ordinal", "one_hot"):
        figures.append(("zero", percent(one.zero_share)))
        figures.append(("median", number_in_words(one.median)))
        figures.append(("raw skew", one_decimal(one.skew)))
        figures.append(("skew", one_decimal(one.skew_scaled)))
    return "".join(f"<div><dt>{term}</dt><dd>{escape(text)}</dd></div>" for term, text in figures)
