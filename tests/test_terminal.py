"""What a person sees: as wide as the window, or as COLUMNS says, and whole in a file."""

from __future__ import annotations

import pytest

from patronage import terminal
from patronage.evaluation.row import Row
from patronage.selection import Policy
from patronage.sweep import Choice, JobEnd, Swept
from patronage.sweep.choice import Contender, choose

FIGURES = {
    "size/n_segments": 5.0,
    "size/min_share": 0.1,
    "value/kept": 0.881,
    "value/kept_low": 0.86,
    "value/kept_high": 0.9,
    "value/lift": 0.02,
    "stability/ari": 0.8,
    "separation/silhouette_common": 0.1,
}


def swept() -> Swept:
    """A sweep of two jobs, the second of which failed."""
    row = Row("kmeans n_clusters=5 · outcome_aware", metrics=FIGURES)
    one = Contender(1, row, Policy({"value/kept": 1.0}), {"spend": (0.44, 0.5)}, ("spend",), "q")
    ends = (
        JobEnd(1, ("features=[rfm,basket,affinity,demographic]", "seed=0"), 0, "", 61.2, "a", one),
        JobEnd(2, ("features=[rfm]", "seed=[1]"), 2, "table transactions: no file at /nowhere.csv", 3.0, "b"),
    )
    choice: Choice = choose([one])
    return Swept(ends, choice, None, "run", 70.0)


@pytest.mark.parametrize(("columns", "expected"), [("80", 80), ("", 160), ("120", 120), ("wide", 160)])
def test_a_file_gets_as_many_columns_as_the_environment_says(
    columns: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COLUMNS where it is set, else wide enough that no table breaks."""
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.console().width == expected


@pytest.mark.parametrize("columns", [80, 160])
def test_a_sweeps_table_fits(columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job has a line, the failed one its message below; markup in options is shown as it is."""
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal.sweep(swept())
    told = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in told.splitlines()) <= columns
    assert "0.880" in told  # common: .44 / .5
    assert ("0.881 (0.86–0.90)" in told) == (columns == 160)
    assert "job 2: table transactions: no file at /nowhere.csv" in told
    assert "seed=[1]" in told
    assert "job 1 wins" in told
