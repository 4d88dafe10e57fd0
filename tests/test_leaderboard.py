"""The leaderboard: every line of the selection, with the columns that are looked at first."""

from __future__ import annotations

import re

import numpy as np
import pytest

from patronage.evaluation.row import METRICS, Row
from patronage.leaderboard import COLUMNS, leaderboard_frame, leaderboard_html
from patronage.selection import Policy, select
from tests.browser import browser, chromium

GOOD = {
    "size/n_segments": 4.0,
    "size/min_share": 0.1,
    "size/coverage": 1.0,
    "stability/ari": 0.9,
    "stability/jaccard_min": 0.8,
    "value/kept": 0.8,
    "value/kept_money": 0.7,
    "value/top20_capture": 0.5,
    "separation/dbcv": -0.2,
}


def _board():
    rows = [
        Row("second", metrics=GOOD | {"value/kept": 0.7}),
        Row("best", metrics=GOOD),
        Row("broken", failure="did not converge"),
    ]
    return leaderboard_frame(select(rows, Policy({"value/kept": 1.0})), [Row("kmeans_rfm k=4", metrics=GOOD)])


def test_the_winner_is_first_and_baselines_are_last():
    """Candidates go from the winner to the failures; baselines stand below."""
    board = _board()
    assert board["candidate"].tolist() == ["best", "second", "broken", "kmeans_rfm k=4"]
    assert board["status"].tolist() == ["chosen", "passes", "fails", "baseline"]
    assert board["reason"].iloc[2] == "did not converge"


def test_every_column_is_a_metric():
    """What a column shows is measured, under a name of its own."""
    assert set(COLUMNS) <= set(METRICS)
    assert len(set(COLUMNS.values())) == len(COLUMNS)
    assert set(COLUMNS.values()) <= set(_board().columns)


def test_what_decides_comes_first():
    """Kept stands before every other figure; what gates and objectives look at before further views."""
    columns = _board().columns.tolist()
    assert columns[:4] == ["candidate", "status", "segments", "kept"]
    assert columns[-1] == "reason"
    assert max(map(columns.index, ("ari", "jaccard_min", "min_share", "silhouette"))) < columns.index("kept_money")


def test_figures_stand_in_their_columns():
    """A figure is told under its name, and one that does not apply is empty."""
    best = _board().iloc[0]
    assert (best["kept_money"], best["top20_capture"], best["dbcv"]) == (0.7, 0.5, -0.2)
    assert np.isnan(best["bic"])


def _everything():
    """A board on which every figure is known, under long names and for long reasons."""
    metrics = dict.fromkeys(COLUMNS, 0.95) | GOOD | {"separation/bic": 123_456.0, "refit/n_segments": 4.0}
    metrics |= {"refit/coverage": 1.0, "refit/typing_agreement": 0.95}
    metrics |= {"value/kept_low": 0.7, "value/kept_high": 0.9, "value/lift_low": -0.05}
    failing = metrics | {
        "stability/ari": 0.2,
        "stability/jaccard_min": 0.1,
        "size/coverage": 0.3,
        "size/min_share": 0.01,
    }
    name = "umap_hdbscan min_cluster_size=40 min_samples=5 · outcome_aware"
    rows = [Row(f"{name} {n}", metrics=one) for n, one in enumerate((metrics, failing, metrics))]
    board = leaderboard_frame(select(rows, Policy({"value/kept": 1.0})), [Row("kmeans_rfm k=4", metrics=GOOD)])
    assert board[list(COLUMNS.values())].iloc[0].notna().all()
    return board


def _cells(html, status):
    """What stands in the first line of a status, without tags."""
    line = html.split(f'<tr class="{status}">', 1)[1].split("<tr", 1)[0]
    return [re.sub("<[^>]*>", "", cell).strip() for cell in re.split("<t[hd][^>]*>", line)[1:]]


def test_the_page_tells_why_right_after_the_verdict():
    """The reason of a failure is the second cell; kept and its interval are one."""
    html = leaderboard_html(_board())
    assert _cells(html, "fails")[:2] == ["broken", "fails did not converge"]
    assert _cells(html, "chosen")[1].startswith("chosen best objective")
    assert _cells(leaderboard_html(_everything()), "chosen")[2:6] == [
        *("4", "0.800 (0.70 to 0.90)", "0.950", "+0.950 (−0.05 to +0.95)"),
    ]


def test_heads_of_the_page_are_words_and_every_column_is_their_hint():
    """No raw name is a head; what no line knows has no column, and all else can be found by its raw name."""
    board = _everything()
    html = leaderboard_html(board)
    heads = re.findall(r'<th scope=col[^>]*title="([^"]*)">([^<]*)', html)
    hinted = {name for hint, _ in heads for name in hint.split(", ")}
    assert hinted == set(board.columns)
    assert not [words for _, words in heads if "_" in words]
    known = re.findall(r'title="([^"]*)"', leaderboard_html(_board()))
    assert "kept_money" in known
    assert not {"bic", "lift, lift_low, lift_high", "typing_agreement", "refit_ari"} & set(known)


def test_names_and_reasons_are_escaped():
    """A candidate's name may hold anything."""
    board = _board().assign(candidate="<script>", reason="fails: 1 < 2 & <b>")
    html = leaderboard_html(board)
    assert "<script>" not in html
    assert "1 &lt; 2 &amp; &lt;b&gt;" in html


def test_a_board_without_lines_is_a_page():
    """No candidate, no baseline: heads alone."""
    assert "candidate" in leaderboard_html(_board().head(0))


def test_the_page_scrolls_sideways_on_no_screen(tmp_path):
    """At 1280 pixels everything fits, folded out too; on a phone the table scrolls within its own box."""
    command = chromium()
    if command is None:
        pytest.skip("no Chromium here to open the leaderboard with")
    (tmp_path / "page.html").write_text(leaderboard_html(_everything()), encoding="utf-8")
    box = "[...document.querySelectorAll('.box')].every(box => box.scrollWidth <= box.clientWidth)"
    with browser(command) as page:
        for width, fits in ((1280, True), (390, False)):
            page.open((tmp_path / "page.html").as_uri(), width=width)
            page.wait_for("Leaderboard")
            page.evaluate("document.querySelector('details').open = true")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(box) is fits
            assert not page.errors
