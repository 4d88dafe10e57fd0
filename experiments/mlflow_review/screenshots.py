"""What a reviewer sees in MLflow, as pictures: runs, a run, its report and tables, two runs compared, a version's card.

    .venv/bin/python experiments/mlflow_review/screenshots.py --uri sqlite:///mlflow.db --output /tmp/review

A real MLflow server on the store, and Chromium without a window. Takes the newest trainings; prints, per page, what
the browser's console called an error, and ends with 1 if there was any. Without trainings it says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the tests' own browser and server

from tests.browser import Page, browser, chromium  # noqa: E402
from tests.mlflow_server import free_port, served  # noqa: E402

# Of MLflow itself, whatever is shown.
OF_MLFLOW = ("users/current", "ResizeObserver")
ARTIFACTS = {
    "report.html": "How to read this report",
    "leaderboard.json": "kmeans",
    "segments.json": "S01",
    "figures/choice_of_k.png": "choice_of_k.png",
    "diagnosis.html": "Features before clustering",
}


def pages(uri: str) -> dict[str, tuple[str, str]]:
    """Name → address within the server and words that the page must show; of the newest trainings and version."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = [
        run
        for run in client.search_runs(experiments, "tags.`patronage.data` != ''", order_by=["start_time DESC"])
        if "mlflow.parentRunId" not in run.data.tags and run.info.status == "FINISHED"
    ]
    if not runs:
        sys.exit(f"{uri} holds no finished training; make one by patronage train")
    run = runs[0]
    at = f"#/experiments/{run.info.experiment_id}/runs"
    found = {
        "runs": (at, "Run Name"),
        "charts": (f"{at}?compareRunsMode=CHART", "confirm/kept"),
        "run": (f"{at}/{run.info.run_id}", "Description"),
        "metrics": (f"{at}/{run.info.run_id}/model-metrics", "separation"),
    }
    for path, words in ARTIFACTS.items():
        found[Path(path).stem] = f"{at}/{run.info.run_id}/artifacts/{path}", words
    if len(runs) > 1:
        two = [one.info.run_id for one in runs[:2]]
        of = sorted({one.info.experiment_id for one in runs[:2]})
        asked = urllib.parse.urlencode({"runs": json.dumps(two), "experiments": json.dumps(of)})
        found["compared"] = f"#/compare-runs?{asked}", "Comparing 2 Runs"
    versions = client.search_model_versions(order_by=["creation_timestamp DESC"], max_results=1)
    if versions:
        found["version"] = f"#/models/{versions[0].name}/versions/{versions[0].version}", "customer segments"
        found["model"] = f"#/models/{versions[0].name}", "customer segments"
    return found


def taken(page: Page, server: str, found: Mapping[str, tuple[str, str]], output: Path, width: int) -> int:
    """Take all pictures; gives the number of pages that miss what they should show, or complain."""
    faults = 0
    for name, (address, words) in found.items():
        page.open(f"{server}/{address}", width=width)
        shown = page.wait_for(words)
        time.sleep(2)  # for what is drawn last
        page.picture(output / f"{name}.png")
        _fewer_colours(output / f"{name}.png")
        wrong = [line for line in page.errors if not any(known in line for known in OF_MLFLOW)]
        wrong += [] if words in shown else [f"{words!r} is not shown"]
        print(f"{name:<14} {'ok' if not wrong else 'FAULTS'}  {output / name}.png")
        for line in wrong:
            print(f"    {line[:300]}")
        faults += bool(wrong)
    return faults


def _fewer_colours(path: Path) -> None:
    """Pictures of pages need few colours, and are kept in a repository."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128).save(path, optimize=True)


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default=f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    parser.add_argument("--output", type=Path, default=Path("review"))
    parser.add_argument("--width", type=int, default=1600)
    given = parser.parse_args()
    command = chromium()
    if command is None:
        sys.exit("no Chromium on the path")
    given.output.mkdir(parents=True, exist_ok=True)
    found, port = pages(given.uri), free_port()
    address = f"http://127.0.0.1:{port}"
    ui = [sys.executable, "-m", "patronage.cli", "ui", f"tracking.uri={given.uri}", f"port={port}"]
    with served(ui, given.output, f"{address}/health"), browser(command) as page:
        return int(taken(page, address, found, given.output, given.width) > 0)


if __name__ == "__main__":
    sys.exit(main())
