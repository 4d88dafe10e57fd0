"""How fast customers are scored, and in how much memory.

    .venv/bin/python experiments/performance/scoring.py              # 1 million rows, beside bare scikit-learn
    .venv/bin/python experiments/performance/scoring.py --growth 10  # memory with 10 million rows, too

K-means on ten skewed numbers. Bare scikit-learn reads the same Parquet file as a whole, scales, predicts and writes
ids and labels; patronage also checks every row, looks for repeated customers, adds confidence, runner-up and
atypicality, and leaves parts that a killed run could go on from. Every run has a process of its own, in turns; seconds
are medians, memory is the peak of the process less what it held before it read a row. Writes scoring.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
N_FEATURES, N_SEGMENTS = 10, 5
NAMES = [f"feature_{number}" for number in range(N_FEATURES)]


def made(path: Path, n_rows: int) -> Path:
    """A feature table, written some rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    schema = pa.schema(
        [("customer_id", pa.string()), ("customer_status", pa.string()), *((name, pa.float64()) for name in NAMES)]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, 100_000):
            n = min(100_000, n_rows - start)
            columns: dict[str, Any] = {
                "customer_id": [f"C{number:09d}" for number in range(start, start + n)],
                "customer_status": ["active"] * n,
            }
            columns |= {name: rng.lognormal(size=n) for name in NAMES}
            writer.write_table(pa.table(columns, schema=schema))
    return path


def training() -> pd.DataFrame:
    """What both are fitted to."""
    rng = np.random.default_rng(1)
    return pd.DataFrame({name: rng.lognormal(size=5_000) for name in NAMES})


def with_patronage(source: Path, output: Path) -> tuple[float, float]:
    """`patronage score` without the command line's own start."""
    from sklearn.cluster import KMeans

    from patronage.assigners.centroid import CentroidAssigner
    from patronage.catalogue import Catalogue, Feature
    from patronage.confidence import Calibration
    from patronage.model import SegmentationModel
    from patronage.representation import StandardRepresentation
    from patronage.scoring import FileOutput, from_file, score
    from patronage.segments import Segment

    features = tuple(Feature(name, "orders", "sum(revenue)", scale="log") for name in NAMES)
    representation = StandardRepresentation(features).fit(training())
    centres = KMeans(N_SEGMENTS, n_init=1, random_state=0).fit(representation.transform(training())).cluster_centers_
    model = SegmentationModel(
        Catalogue(features),
        representation,
        CentroidAssigner(centres=centres),
        tuple(Segment(f"S{n:02d}", f"Group {n}", 0.2, 1, None, 1.0, ()) for n in range(1, N_SEGMENTS + 1)),
        Calibration(
            np.array([0.0, 1.0]),
            np.tile([0.5, 1.0], (N_SEGMENTS, 1)),
            np.tile(np.linspace(0, 9, 101), (N_SEGMENTS, 1)),
        ),
        182,
        91,
        date(2024, 1, 1),
    )
    before, processor = peak_mb(), time.process_time()
    score(model, from_file(source, model), FileOutput(output))
    return before, time.process_time() - processor


def with_scikit_learn(source: Path, output: Path) -> tuple[float, float]:
    """The shortest way with pandas and scikit-learn."""
    from sklearn.cluster import KMeans
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    pipeline = make_pipeline(
        FunctionTransformer(np.log1p), StandardScaler(), KMeans(N_SEGMENTS, n_init=1, random_state=0)
    ).fit(training())
    before, processor = peak_mb(), time.process_time()
    table = pd.read_parquet(source)
    labels = pipeline.predict(table[NAMES])
    pd.DataFrame({"customer_id": table["customer_id"], "segment": labels}).to_parquet(output)
    return before, time.process_time() - processor


ENGINES = {"patronage score": with_patronage, "bare scikit-learn": with_scikit_learn}


def peak_mb() -> float:
    """Peak memory of this process until now."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def measured(engine: str, source: Path, output: Path) -> dict[str, float]:
    """Seconds and memory of one run in a process of its own."""
    command = [sys.executable, __file__, "--engine", engine, str(source), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def one_run(engine: str, source: Path, output: Path) -> None:
    """Run an engine and print its figures."""
    began = time.perf_counter()
    before, processor = ENGINES[engine](source, output)
    print(json.dumps({"seconds": time.perf_counter() - began, "processor": processor, "memory": peak_mb() - before}))


def main() -> None:
    """Measure and write the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--growth", type=int, default=1)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--engine", nargs=3)
    given = options.parse_args()
    if given.engine is not None:
        one_run(given.engine[0], Path(given.engine[1]), Path(given.engine[2]))
        return
    lines = ["| rows | | processor seconds | memory, MB |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as scratch:
        source, output = made(Path(scratch) / "features.parquet", given.rows), Path(scratch) / "segments.parquet"
        runs: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
        for _ in range(given.repeats):
            for engine, found in runs.items():
                found.append(measured(engine, source, output))
        seconds = {engine: statistics.median(one["processor"] for one in found) for engine, found in runs.items()}
        for engine, found in runs.items():
            memory = statistics.median(one["memory"] for one in found)
            lines.append(f"| {given.rows:,} | {engine} | {seconds[engine]:.1f} | {memory:,.0f} |")
        if given.growth > 1:
            n_rows = given.rows * given.growth
            one = measured("patronage score", made(source, n_rows), output)
            lines.append(f"| {n_rows:,} | patronage score | {one['processor']:.1f} | {one['memory']:,.0f} |")
    ratio = seconds["patronage score"] / seconds["bare scikit-learn"]
    lines += ["", f"patronage takes {ratio:.1f} times the processor time of bare scikit-learn."]
    (HERE / "scoring.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
