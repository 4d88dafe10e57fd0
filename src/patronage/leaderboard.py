"""The leaderboard as a table: winner first, then by objective, failures last, baselines below."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

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
    """The table as a page of its own."""
    style = (
        "<style>body{font:14px system-ui,sans-serif;margin:1.5rem;color:#1f2937}"
        "table{border-collapse:collapse}th,td{padding:.35rem .7rem;text-align:right;border-bottom:1px solid #e5e7eb}"
        "th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}"
        "td:last-child{min-width:28rem}"
        "thead th{position:sticky;top:0;background:#fff}tbody tr:first-child{font-weight:600}</style>"
    )
    table = board.to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.3f}")
    return f"<!doctype html><meta charset=utf-8><title>Leaderboard</title>{style}<h1>Leaderboard</h1>{table}"


def _line(row: Row, status: str, reason: str) -> dict[str, object]:
    line: dict[str, object] = {"candidate": row.name, "status": status}
    line["segments"] = int(row.metrics["size/n_segments"]) if "size/n_segments" in row.metrics else None
    for metric, name in COLUMNS.items():
        line[name] = row.metrics.get(metric, float("nan"))
    return line | {"reason": reason}
