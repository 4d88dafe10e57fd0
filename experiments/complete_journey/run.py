"""Run the main job on Complete Journey and write down what it found.

    .venv/bin/python experiments/complete_journey/run.py

Writes leaderboard.md, segments.md, headline.md and two figures beside this file.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import mlflow
import pandas as pd

from patronage import config
from patronage.train import train

HERE = Path(__file__).parent
SHOWN = ["candidate", "status", "segments", "kept", "kept_low", "kept_high", "ari", "silhouette", "min_share"]


def table(frame: pd.DataFrame, digits: int = 3) -> str:
    """A Markdown table."""
    text = frame.map(
        lambda value: "–" if pd.isna(value) else f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    )
    lines = ["| " + " | ".join(map(str, text.columns)) + " |", "|" + "---|" * text.shape[1]]
    lines += ["| " + " | ".join(row) + " |" for row in text.to_numpy()]
    return "\n".join(lines) + "\n"


with tempfile.TemporaryDirectory() as scratch:
    store = f"sqlite:///{scratch}/mlflow.db"
    options = [f"tracking.uri={store}", f"output={scratch}/model"]
    trained = train(config.training(config.compose_config("train", options)))
    root = Path(mlflow.MlflowClient(store).get_run(trained.run_id).info.artifact_uri.removeprefix("file://"))
    for name in ("choice_of_k.png", "size_and_value.png"):
        if (root / "figures" / name).is_file():
            shutil.copy(root / "figures" / name, HERE / name)
    board = pd.read_csv(root / "leaderboard.csv")
    segments = pd.read_csv(root / "segments.csv") if (root / "segments.csv").is_file() else None

board["segments"] = board["segments"].astype("Int64")
winner_k = board.loc[board["status"] == "chosen", "segments"]
rivals = board[(board["status"] == "baseline") & board["segments"].isin(winner_k)]
(HERE / "leaderboard.md").write_text(
    table(pd.concat([board[board["status"] != "baseline"], rivals])[SHOWN]), encoding="utf-8"
)
if segments is not None:
    (HERE / "segments.md").write_text(table(segments), encoding="utf-8")
    confirm = pd.DataFrame({"figure": list(trained.confirm), "value": list(trained.confirm.values())})
    (HERE / "headline.md").write_text(table(confirm), encoding="utf-8")
print(f"{sum(trained.seconds.values()):.0f} s in stages: {trained.seconds}")
