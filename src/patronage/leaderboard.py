"""The leaderboard as a table: winner first, then by objective, failures last, baselines below."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from patronage.distribution import number_in_words, percent
from patronage.evaluation.row import Row
from patronage.selection import Selection, Verdict

COLUMNS = {
    "value/kept": "kept",
    "value/kept_low": "kept_low",
    "value/kept_high": "kept_high",
    "value/kept_baseline": "best_baseline_kept",
    "value/lift": "lift",
    "value/lift_low": "lift_low",
    "value/lift_high": "lift_high",
    "stability/ari": "ari",
    "stability/jaccard_min": "jaccard_min",
    "typing/agreement": "typing_agreement",
    "size/min_share": "min_share",
    "size/coverage": "coverage",
    "separation/silhouette": "silhouette",
    "separation/silhouette_common": "silhouette_common",
    "value/kept_unseen": "kept_unseen",
    "value/kept_money": "kept_money",
    "value/top20_capture": "top20_capture",
    "value/value_gap": "value_gap",
    "value/omega2": "omega2",
    "value/cramers_v": "cramers_v",
    "stability/ari_clusterer": "ari_clusterer",
    "separation/silhouette_macro": "silhouette_macro",
    "separation/silhouette_error": "silhouette_error",
    "separation/dbcv": "dbcv",
    "separation/bic": "bic",
    "refit/ari": "refit_ari",
    "refit/jaccard_min": "refit_jaccard_min",
    "refit/ari_backtest": "refit_ari_backtest",
    "refit/min_share": "refit_min_share",
}
"""Metric → column, the most useful first: what gates and the usual objective look at, then further views of value,
stability and separation, then the refit. `row.METRICS` says what each one is."""

_DECIDING = (
    ("k", ("segments",)),
    ("kept (90 %)", ("kept", "kept_low", "kept_high")),
    ("best rule keeps", ("best_baseline_kept",)),
    ("difference (90 %)", ("lift", "lift_low", "lift_high")),
    ("ARI of refits", ("ari",)),
    ("least Jaccard", ("jaccard_min",)),
    ("typing agrees", ("typing_agreement",)),
    ("smallest segment", ("min_share",)),
    ("in a segment", ("coverage",)),
    ("silhouette", ("silhouette",)),
)
"""What the page shows first: words, and the columns that stand in one cell."""

_FURTHER = {
    "silhouette_common": "silhouette in the standard space",
    "kept_unseen": "kept of outcomes not learned from",
    "kept_money": "kept of money",
    "top20_capture": "value in the best 20 %",
    "value_gap": "value gap",
    "omega2": "ω²",
    "cramers_v": "Cramér’s V",
    "ari_clusterer": "ARI, clusterer alone",
    "silhouette_macro": "silhouette, mean of segments",
    "silhouette_error": "silhouette’s error",
    "dbcv": "DBCV",
    "bic": "BIC",
    "refit_ari": "refit: ARI",
    "refit_jaccard_min": "refit: least Jaccard",
    "refit_ari_backtest": "refit: ARI with the backtest",
    "refit_min_share": "refit: smallest segment",
}
_SHARES = {"min_share", "coverage", "typing_agreement", "refit_min_share"}
_TO_THREE = {"kept", "best_baseline_kept", "lift", "kept_unseen", "kept_money", "silhouette_error"}

# Okabe & Ito's colours, darkened or lightened until their words can be read on either ground.
_STYLE = """
:root{color-scheme:light dark;--ink:#1f2937;--soft:#5b6472;--line:#e5e7eb;--ground:#fff;--panel:#eef6fb;
--chosen:#00669c;--passes:#00704f;--fails:#b34700}
@media (prefers-color-scheme:dark){:root{--ink:#e5e7eb;--soft:#9aa3af;--line:#30363f;--ground:#14171c;--panel:#1b2630;
--chosen:#6bb8e6;--passes:#5fd0a8;--fails:#ff9d66}}
*{box-sizing:border-box}
body{font:14px/1.4 system-ui,sans-serif;margin:0 auto;max-width:92rem;padding:1.5rem;color:var(--ink);
background:var(--ground)}
h1{font-size:1.5rem;margin:0}p{margin:.4rem 0 1rem;color:var(--soft);max-width:60rem}
.box{overflow-x:auto}
table{border-collapse:collapse;font-size:.8125rem;width:100%}.deciding{min-width:64rem}
th,td{padding:.35rem .4rem;text-align:right;vertical-align:baseline;border-bottom:1px solid var(--line);
font-variant-numeric:tabular-nums}
th:first-child,.words{text-align:left}th:first-child{padding-left:.5rem}
thead th{color:var(--soft);font-weight:500;vertical-align:bottom;line-height:1.25}
tbody th{font-weight:500;min-width:11.5rem;max-width:13rem;overflow-wrap:anywhere}
td{white-space:nowrap}td.words{white-space:normal;min-width:14rem}
small{font-size:.75rem;color:var(--soft)}
.chosen{background:var(--panel)}.chosen th{font-weight:650}.chosen b{color:var(--chosen)}
.passes b{color:var(--passes)}.fails b{color:var(--fails)}.baseline,.baseline b{color:var(--soft);font-weight:400}
details{margin:1.25rem 0}summary{cursor:pointer;color:var(--soft);margin-bottom:.5rem}
@media (max-width:40rem){body{padding:1rem}}
"""


def ordered(selection: Selection) -> list[Verdict]:
    """Verdicts from the winner down."""

    def rank(verdict: Verdict) -> tuple[bool, bool, bool, float, str]:
        objective = verdict.objective if verdict.objective == verdict.objective else float("-inf")
        return (
            verdict is not selection.winner,
            not verdict.passed,
            bool(verdict.row.failure),
            -objective,
            verdict.row.name,
        )

    return sorted(selection.verdicts, key=rank)


def leaderboard_frame(selection: Selection, baselines: Sequence[Row]) -> pd.DataFrame:
    """All candidates and baselines as one table."""
    lines = []
    for verdict in ordered(selection):
        chosen = "chosen" if verdict is selection.winner else "passes" if verdict.passed else "fails"
        lines.append(_line(verdict.row, chosen, verdict.reason))
    lines += [_line(row, "baseline", "") for row in baselines]
    return pd.DataFrame(lines).astype({"segments": "Int64"})


def leaderboard_html(board: pd.DataFrame) -> str:
    """The table as a page of its own: what decides with its reason, and further figures below, folded.

    Heads are words, with the columns of `leaderboard_frame` as their hints. Figures that no line has are left out.
    """
    further = [(words, (name,)) for name, words in _FURTHER.items()]
    n_further = sum(_known(board, names) for _, names in further)
    folded = (
        f"<details><summary>{n_further} further figures</summary>{_table(board, further, reasons=False)}</details>"
        if n_further
        else ""
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1"><title>Leaderboard</title>'
        f"<style>{_STYLE}</style><h1>Leaderboard</h1>"
        "<p>Candidates from the chosen one down, then the simple rules that they are measured against. Intervals hold "
        "90 %. The name of a column in <code>leaderboard.csv</code> shows when its head is pointed at.</p>"
        f"{_table(board, _DECIDING, reasons=True)}{folded}</html>"
    )


def _table(board: pd.DataFrame, columns: Sequence[tuple[str, tuple[str, ...]]], *, reasons: bool) -> str:
    """A table in a box that scrolls by itself where the window is narrow."""
    told = [(words, names) for words, names in columns if _known(board, names)]
    heads = ['<th scope=col class=words title="candidate">candidate']
    if reasons:
        heads.append('<th scope=col class=words title="status, reason">verdict, and why')
    heads += [f'<th scope=col title="{", ".join(names)}">{words}' for words, names in told]
    lines = []
    for line in board.to_dict("records"):
        cells = [f"<th scope=row>{escape(str(line['candidate']))}"]
        if reasons:
            why = str(line["reason"] or "").removeprefix(line["status"]).lstrip(":; ")
            cells.append(f"<td class=words><b>{escape(line['status'])}</b> {escape(why)}")
        cells += [f"<td>{_cell(line, names)}" for _, names in told]
        lines.append(f'<tr class="{escape(line["status"])}">{"".join(cells)}')
    width = " class=deciding" if reasons else ""
    return (
        f"<div class=box role=region aria-label=figures tabindex=0><table{width}><thead><tr>{''.join(heads)}</thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _known(board: pd.DataFrame, names: Sequence[str]) -> bool:
    """Whether any line has the first of these figures."""
    return bool(board[names[0]].notna().any())


def _cell(line: Mapping[Hashable, Any], names: Sequence[str]) -> str:
    """A figure in few digits; with the ends of its interval, where there are three names."""
    name, value, signed = names[0], line[names[0]], names[0] == "lift"
    if pd.isna(value):
        return "–"
    if name == "segments":
        return f"{value:d}"
    if name in _SHARES:
        return escape(percent(value))
    said = number_in_words(value) if name == "bic" else _fixed(value, 3 if name in _TO_THREE else 2, signed=signed)
    if len(names) > 1 and not pd.isna(line[names[1]]):
        low, high = (_fixed(line[one], 2, signed=signed) for one in names[1:])
        said += f" <small>({low} to {high})</small>"
    return said


def _fixed(value: float, decimals: int, *, signed: bool) -> str:
    rounded = round(float(value), decimals) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{decimals}f}".replace("-", "−")


def _line(row: Row, status: str, reason: str) -> dict[str, object]:
    line: dict[str, object] = {"candidate": row.name, "status": status}
    line["segments"] = int(row.metrics["size/n_segments"]) if "size/n_segments" in row.metrics else None
    for metric, name in COLUMNS.items():
        line[name] = row.metrics.get(metric, float("nan"))
    return line | {"reason": reason}
