"""The main job on real customers, run as a user runs it, with the figures that the README quotes within reach."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patronage.tables import DataSource


@pytest.fixture(scope="module")
def run(complete_journey: DataSource, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """`patronage train` with fewer refits, in an empty folder: the folder, standard output and standard error."""
    assert complete_journey.tables
    folder = tmp_path_factory.mktemp("complete journey")
    done = patronage(folder, "train", "stability_refits=10")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, done.stderr


def patronage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return subprocess.run(
        [sys.executable, "-m", "patronage.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_main_job_ends_with_a_registered_segmentation(run: tuple[Path, str, str]) -> None:
    """Leaderboard, segments, headline on held-out customers, version and alias."""
    _, out, err = run
    for part in ("Leaderboard", "chosen:", "kmeans_rfm", "shuffled", "Segments", "held-out customers", "challenger"):
        assert part in out
    assert "refit the winner on all customers" in err
    assert "Traceback" not in err


def test_an_unclustered_density_is_a_line_of_the_leaderboard(run: tuple[Path, str, str]) -> None:
    """HDBSCAN that finds only noise says so."""
    folder, _, _ = run
    (board,) = folder.glob("mlartifacts/**/leaderboard.csv")
    assert pd.read_csv(board)["reason"].str.contains("found only noise").any()


def test_outcome_aware_segments_beat_kmeans_on_rfm(run: tuple[Path, str, str]) -> None:
    """What the project promises holds on real data: more of the future is kept, at the same number of segments."""
    folder, _, _ = run
    (path,) = folder.glob("mlartifacts/**/leaderboard.csv")
    board = pd.read_csv(path).set_index("candidate")
    winner = board[board["status"] == "chosen"].iloc[0]
    rfm = board.loc[f"kmeans_rfm k={int(winner['segments'])}"]
    assert winner["kept_low"] > rfm["kept_high"]
    assert winner["ari"] >= 0.7
    assert winner["min_share"] >= 0.03


def test_all_households_are_scored_from_raw_tables(run: tuple[Path, str, str]) -> None:
    """Promote, then score: each of the 2,469 households exactly once, the stopped ones dormant."""
    folder, _, _ = run
    assert patronage(folder, "promote").returncode == 0
    done = patronage(folder, "score", "data=complete_journey")
    assert done.returncode == 0, done.stderr
    scored = pd.read_parquet(folder / "segments.parquet")
    assert (len(scored), scored["customer_id"].nunique()) == (2469, 2469)
    assert (scored["segment_id"] == "dormant").sum() == 56
    assert np.isfinite(scored.loc[scored["segment_id"] != "dormant", ["confidence", "atypicality"]]).all(axis=None)
    spend = scored.groupby("segment_id").size()
    assert spend.min() >= 0.02 * len(scored)
