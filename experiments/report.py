"""Train one experiment and write down, beside its question, what it found.

Writes leaderboard.md, segments.md, portraits.md and actions.md, with outcomes headline.md, with descriptors
descriptors.md, the figures, and, where there is a Chromium, the beginning of the report as a picture.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mlflow
import pandas as pd

from patronage import config
from patronage.errors import PatronageError
from patronage.features import build_features, learn_catalogue
from patronage.periods import scoring_window
from patronage.scoring import features_of
from patronage.tables import open_tables
from patronage.train import train
from patronage.training import Trained

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' own browser

from tests.browser import browser, chromium

FIGURES = ("choice_of_k.png", "frontier.png", "across_k.png", "size_and_value.png", "distributions.png")
SHOWN = {
    "candidate": "candidate",
    "status": "status",
    "segments": "segments",
    "kept": "kept",
    "kept_low": "kept_low",
    "kept_high": "kept_high",
    "ari": "ari",
    "silhouette": "silhouette",
    "min_share": "min_share",
    "reason": "what the gates say",
}
"""Column of the leaderboard → heading; columns without any figure are left out."""


def report(folder: Path, options: Sequence[str] = (), descriptors: Sequence[str] = ()) -> None:
    """Train with options as the command line takes them, and write the results into a folder.

    Parameters
    ----------
    folder : Path
        The experiment's; results of an earlier run are replaced.
    options : sequence of str
        Such as ``data=cdnow``.
    descriptors : sequence of str
        Features such as ``region``, whose mean, or whose words' shares, are written down for each segment.
    """
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        store = f"sqlite:///{scratch}/mlflow.db"
        try:
            given = config.training(
                config.compose_config("train", [*options, f"tracking.uri={store}", f"output={scratch}/model"])
            )
            trained = train(given)
        except PatronageError as error:
            sys.exit(str(error))
        root = Path(mlflow.MlflowClient(store).get_run(trained.run_id).info.artifact_uri.removeprefix("file://"))
        for name in FIGURES:
            (folder / name).unlink(missing_ok=True)
            if (root / "figures" / name).is_file():
                shutil.copy(root / "figures" / name, folder / name)
        picture(root / "report.html", folder / "report.png")
        board = pd.read_csv(root / "leaderboard.csv")
        segments = pd.read_csv(root / "segments.csv") if trained.model is not None else pd.DataFrame()
    confirm = pd.DataFrame({"figure": list(trained.confirm), "value": list(trained.confirm.values())})
    write(folder / "leaderboard.md", leaderboard(board))
    write(folder / "segments.md", segments.dropna(axis="columns", how="all"))
    write(folder / "headline.md", confirm)
    if trained.report is not None:
        tables = trained.report.tables
        write(folder / "portraits.md", tables["personas"][["segment_id", "headline", "portrait"]])
        write(folder / "actions.md", tables["actions"][["segment_id", "title", "what", "reason", "cadence", "angle"]])
    write(folder / "descriptors.md", described(trained, given, descriptors))
    print(f"{sum(trained.seconds.values()):.0f} s in stages: {trained.seconds}")


def picture(page: Path, path: Path) -> None:
    """Take a picture of the beginning of a report, if there is one, and a browser."""
    command = chromium()
    if command is None or not page.is_file():
        return
    with browser(command) as window:
        window.open(page.as_uri(), width=1280, height=1250)
        window.wait_for("How to read this report")
        window.picture(path)


def leaderboard(board: pd.DataFrame) -> pd.DataFrame:
    """Candidates, and the baselines with as many segments as the winner."""
    board = board.astype({"segments": "Int64"})
    winner_k = board.loc[board["status"] == "chosen", "segments"]
    rivals = board[(board["status"] == "baseline") & board["segments"].isin(winner_k)]
    shown = pd.concat([board[board["status"] != "baseline"], rivals])[list(SHOWN)]
    return shown.dropna(axis="columns", how="all").rename(columns=SHOWN)


def described(trained: Trained, given: config.Training, descriptors: Sequence[str]) -> pd.DataFrame:
    """Of each segment's customers the mean of each number, and the share of each word."""
    if trained.model is None or not descriptors:
        return pd.DataFrame()
    with open_tables(given.data) as tables:
        segment = trained.model.predict(features_of(tables, trained.model, given.as_of).active)["segment_id"]
        # The model computes what it needs to score, and descriptors are no part of that.
        window = scoring_window(tables, given.as_of, given.lookback_days, given.outcome_days)
        active = build_features(tables, learn_catalogue(tables, given.features, window), window).active
    parts = []
    for name in descriptors:
        values = active[name]
        if pd.api.types.is_numeric_dtype(values):
            parts.append(values.groupby(segment).mean().rename(f"{name}, mean"))
        else:
            shares = pd.crosstab(segment, values.fillna("not told"), normalize="index")
            parts.append(shares.rename(columns=f"{name}: {{}}".format))
    return pd.concat(parts, axis="columns").reset_index()


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write a Markdown table; where there is nothing to tell, no file is left."""
    if frame.empty:
        path.unlink(missing_ok=True)
        return
    path.write_text(markdown(frame), encoding="utf-8")


def markdown(frame: pd.DataFrame, digits: int = 3) -> str:
    """A Markdown table."""
    text = frame.map(
        lambda value: "–" if pd.isna(value) else f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    )
    lines = ["| " + " | ".join(map(str, text.columns)) + " |", "|" + "---|" * text.shape[1]]
    lines += ["| " + " | ".join(row) + " |" for row in text.to_numpy()]
    return "\n".join(lines) + "\n"
