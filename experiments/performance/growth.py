"""How time and memory of a training grow with the number of customers.

    .venv/bin/python experiments/performance/growth.py                     # 10 k, 100 k, 1 M customers
    .venv/bin/python experiments/performance/growth.py --customers 10000 100000

Planted personas are drawn and written to Parquet first, in a process of their own that is not timed. Then the main job
with K-means alone trains on them, once, in a process of its own. Seconds are those that the run itself reports;
processor time and the peak of memory are of the process and its workers together, shared pages counted once. Writes
growth.md after every size.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LAST_DAY = date(2024, 10, 31)  # gift seasons stay out of the last windows, so segments last and one is registered
TABLES = ("customers", "transactions", "products")


def draw(n_customers: int, folder: Path) -> None:
    """Write the tables of planted personas."""
    from patronage.datasets import planted_personas

    planted = planted_personas(n_customers, last_day=LAST_DAY)
    planted.write(folder)
    print(json.dumps({"lines": len(planted.tables["transactions"])}))


def train_on(folder: Path) -> None:
    """Train once, and print what the run reports."""
    import mlflow
    import yaml

    from patronage import config
    from patronage.train import train

    logging.basicConfig(level=logging.WARNING)
    (folder / "data").mkdir()
    tables = {name: {"path": str(folder / f"{name}.parquet")} for name in TABLES}
    (folder / "data" / "planted.yaml").write_text(yaml.safe_dump({"name": "planted", **tables}), encoding="utf-8")
    store = f"sqlite:///{folder}/mlflow.db"
    given = ["data=planted", "clusterer=[kmeans]", f"tracking.uri={store}", f"output={folder}/model"]
    started = time.perf_counter()
    trained = train(config.training(config.compose_config("train", given, str(folder))))
    seconds = time.perf_counter() - started
    mlflow.set_tracking_uri(store)
    figures = mlflow.MlflowClient().get_run(trained.run_id).data.metrics
    counts = {name: int(figures[f"customers/{name}"]) for name in ("newest", "fitted")}
    winner = trained.selection.winner
    print(
        json.dumps(
            {
                "seconds": trained.seconds | {"in all": seconds},
                "winner": "none" if winner is None else winner.row.name,
                "kept": trained.confirm.get("kept"),
                **counts,
            }
        )
    )


def tree_of(process: int) -> list[int]:
    """A process and all that descend from it."""
    found = [process]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text(encoding="utf-8").split()]
    return found


def megabytes_of(process: int) -> float:
    """Memory of a process and its descendants; a page that several of them share counts once."""
    total = 0
    try:
        for one in tree_of(process):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8")
            total += int(rollup.partition("\nPss:")[2].split()[0])
    except (OSError, IndexError):  # one of them has just ended
        return 0.0
    return total / 1024


def processor_seconds(process: int) -> float:
    """Processor time of a process so far, the kernel's for it included."""
    # The name, in brackets, may hold spaces.
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(*options: str) -> tuple[dict[str, Any], float, float]:
    """What this script prints when called with these options, its peak of memory in MB, and its processor seconds.

    Both are of all its processes, as last seen.
    """
    with subprocess.Popen([sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True) as process:
        peak, worked, done = [0.0], dict[int, float](), threading.Event()

        def watch() -> None:
            while not done.wait(0.5):
                peak[0] = max(peak[0], megabytes_of(process.pid))
                with contextlib.suppress(OSError, IndexError):  # one of them has just ended
                    worked.update({one: processor_seconds(one) for one in tree_of(process.pid)})

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert process.stdout is not None  # noqa: S101
        printed = process.stdout.read()
        done.set()
        watcher.join()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(printed.splitlines()[-1]), peak[0], sum(worked.values())


def report(runs: dict[int, dict[str, Any]]) -> str:
    """The table: a column per number of customers."""
    rows = {
        "lines of transactions": lambda run: f"{run['lines']:,}",
        "active customers at the newest day": lambda run: f"{run['newest']:,}",
        "of these fitted to (`fit_rows`)": lambda run: f"{run['fitted']:,}",
        "winner": lambda run: run["winner"],
        "kept on the confirm customers": lambda run: "" if run["kept"] is None else f"{run['kept']:.3f}",
        "processor time of all processes, s": lambda run: f"{run['worked']:,.0f}",
        "peak memory, MB": lambda run: f"{run['megabytes']:,.0f}",
    }
    stages = list(dict.fromkeys(stage for run in runs.values() for stage in run["seconds"]))
    lines = [
        "Planted personas, 540 days; the main job with K-means (k = 2 … 8), one run per size, two workers. Seconds per "
        "stage are those that the run reports, on the clock: longer where other programs run beside it.",
        "",
        "| " + " | ".join(["", *(f"{n:,} customers" for n in runs)]) + " |",
        "|" + "---|" * (len(runs) + 1),
        *("| " + " | ".join([name, *(show(run) for run in runs.values())]) + " |" for name, show in rows.items()),
    ]
    for stage in stages:
        shown = [f"{run['seconds'][stage]:,.1f}" if stage in run["seconds"] else "" for run in runs.values()]
        lines.append("| " + " | ".join([f"{stage}, s", *shown]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train on ever more customers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--draw", type=int)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.folder is not None:
        if given.draw is not None:
            draw(given.draw, given.folder)
        else:
            train_on(given.folder)
        return
    runs: dict[int, dict[str, Any]] = {}
    for n_customers in given.customers:
        with tempfile.TemporaryDirectory() as scratch:
            drawn, _, _ = measured("--draw", str(n_customers), "--folder", scratch)
            found, megabytes, worked = measured("--folder", scratch)
        runs[n_customers] = {**drawn, **found, "megabytes": megabytes, "worked": worked}
        text = report(dict(sorted(runs.items())))
        (HERE / "growth.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
