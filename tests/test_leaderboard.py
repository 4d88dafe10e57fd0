"""The leaderboard: every line of the selection, with the columns that are looked at first."""

from __future__ import annotations

import numpy as np

from patronage.evaluation.row import METRICS, Row
from patronage.leaderboard import COLUMNS, leaderboard_frame, leaderboard_html
from patronage.selection import Policy, select

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
    """A figure is shown under its name, and one that does not apply is empty."""
    best = _board().iloc[0]
    assert (best["kept_money"], best["top20_capture"], best["dbcv"]) == (0.7, 0.5, -0.2)
    assert np.isnan(best["bic"])
    assert "0.700" in leaderboard_html(_board())
