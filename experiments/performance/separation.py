"""How fast K-means candidates are told apart by separation, beside PyCaret's sweep of `create_model`.

    .venv/bin/python experiments/performance/separation.py
    .venv/bin/python experiments/performance/separation.py --python python3.10 --environment ~/pycaret

10,000 points of 10 dimensions: five blobs and a tenth of noise. K-means with k = 2 … 12, every k with all separation
metrics. PyCaret 3.3 needs Python 3.9 to 3.11 and an environment of its own: it is made once, where ``--environment``
says, by the first such Python found or the one that ``--python`` names. Each side runs in processes of its own, in
turns; seconds are medians. Writes separation.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
COUNTS = range(2, 13)
N_POINTS, N_DIMENSIONS, NOISE_SHARE = 10_000, 10, 0.1
N_REFITS = 20
PYCARET = ("pycaret==3.3.*", "six")  # scikit-plot needs six and does not say so
PYTHONS = ("3.11", "3.10", "3.9")


def points() -> np.ndarray:
    """Blobs with noise, of shape (10,000, 10)."""
    rng = np.random.default_rng(0)
    n_noise = int(N_POINTS * NOISE_SHARE)
    centres = rng.uniform(-10, 10, (5, N_DIMENSIONS))
    blobs = centres[rng.integers(0, 5, N_POINTS - n_noise)] + rng.normal(0, 2, (N_POINTS - n_noise, N_DIMENSIONS))
    return rng.permutation(np.vstack([blobs, rng.uniform(-15, 15, (n_noise, N_DIMENSIONS))]))


def timed(seconds: dict[str, float], name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Do the work, and note how long it took."""
    started = time.perf_counter()
    found = work()
    seconds[name] = time.perf_counter() - started
    return found


def with_pycaret(space: np.ndarray) -> dict[str, Any]:
    """The sweep as PyCaret's tutorial writes it."""
    import pandas as pd
    from pycaret.clustering import ClusteringExperiment

    seconds: dict[str, float] = {}
    frame = pd.DataFrame(space, columns=[f"x{n}" for n in range(space.shape[1])])
    experiment = ClusteringExperiment()
    timed(seconds, "setup", lambda: experiment.setup(frame, session_id=0, verbose=False, html=False))
    started, silhouettes = time.perf_counter(), []
    for k in COUNTS:
        experiment.create_model("kmeans", num_clusters=k, verbose=False)
        silhouettes.append(float(experiment.pull()["Silhouette"].iloc[0]))
    seconds["sweep"] = time.perf_counter() - started
    versions = {name: importlib.metadata.version(name) for name in ("pycaret", "scikit-learn", "numpy")}
    return {
        "seconds": seconds,
        "silhouettes": silhouettes,
        "versions": {"python": platform.python_version(), **versions},
    }


def with_patronage(space: np.ndarray, *, added: bool) -> dict[str, Any]:
    """The same fits through patronage's own code; ``added``: with stability and value, too."""
    from threadpoolctl import threadpool_limits

    from patronage.clusterers import Clusterer, fit_clusterer
    from patronage.evaluation.density import dbcv
    from patronage.evaluation.sample import draw_sample
    from patronage.evaluation.separation import distance_matrix, separation

    seconds: dict[str, float] = {}

    def fits(n_init: int) -> list[np.ndarray]:
        tried = Clusterer("kmeans", "sklearn.cluster.KMeans", {"n_init": n_init}, {"n_clusters": list(COUNTS)})
        with threadpool_limits(1):
            return [fit_clusterer(one, space, 0).assign(space).label for one in tried.candidates()]

    labels = timed(seconds, "fits", lambda: fits(1))
    timed(seconds, "fits, ten starts each", lambda: fits(10))

    def on_all() -> list[Any]:
        distances = distance_matrix(space)
        return [separation(space, one, distances) for one in labels]

    found = timed(seconds, "separation of all points", on_all)
    sample = timed(seconds, "draw the sample", lambda: draw_sample(space))
    few, own = space[sample.rows], [one[sample.rows] for one in labels]
    distances = timed(seconds, "distances in the sample", lambda: distance_matrix(few))
    timed(seconds, "separation in the sample", lambda: [separation(few, one, distances, sample) for one in own])
    timed(seconds, "DBCV in the sample", lambda: [dbcv(distances, one, N_DIMENSIONS, sample.weights) for one in own])
    if added:
        add_stability_and_value(space, labels, seconds)
    versions = {name: importlib.metadata.version(name) for name in ("patronage", "scikit-learn", "numpy")}
    return {
        "seconds": seconds,
        "silhouettes": [one.silhouette for one in found],
        "versions": {"python": platform.python_version(), **versions},
    }


def add_stability_and_value(space: np.ndarray, labels: list[np.ndarray], seconds: dict[str, float]) -> None:
    """Time what no separation tells: refits of the whole recipe, and what segments keep of later outcomes."""
    import pandas as pd

    from patronage.backtest import open_judge, stabilities
    from patronage.catalogue import Feature
    from patronage.clusterers import Clusterer
    from patronage.evaluation.value import worth
    from patronage.observation import Observed
    from patronage.recipe import Recipe, RepresentationChoice, fit_recipes

    rng = np.random.default_rng(1)
    names = [f"x{n}" for n in range(N_DIMENSIONS)]
    features = tuple(Feature(name, "orders", "count(*)", scale="none") for name in names)
    frame = pd.DataFrame(space, [f"{n:05d}" for n in range(N_POINTS)], names)
    spend = np.exp((space[:, 0] + space[:, 1]) / 10 + rng.normal(0, 0.5, N_POINTS))
    outcomes = pd.DataFrame({"spend": spend, "orders": rng.poisson(spend).astype(float)}, frame.index)
    seen = Observed(frame, outcomes, frame[names[:3]])
    tried = Clusterer("kmeans", "sklearn.cluster.KMeans", {"n_init": 1}, {"n_clusters": list(COUNTS)})
    recipes = [Recipe(features, RepresentationChoice("standard"), one) for one in tried.candidates()]
    fitted = fit_recipes(recipes, frame, outcomes, seed=0)
    timed(seconds, "stability", lambda: stabilities(fitted, seen, n_refits=N_REFITS, seed=0, workers=2))
    judge = timed(seconds, "what was foreseeable", lambda: open_judge(features, seen, seen, seed=0, workers=2))
    timed(seconds, "kept", lambda: [worth(one, judge.evidence) for one in labels])
    timed(seconds, "baselines", lambda: judge.baseline_rows(list(COUNTS)))


def python_for_pycaret() -> str:
    """A Python that PyCaret 3.3 can be installed for."""
    for version in PYTHONS:
        if found := shutil.which(f"python{version}"):
            return found
        if found := next(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), None):
            return str(found)
    raise SystemExit(f"PyCaret 3.3 needs Python {', '.join(PYTHONS)}; none was found: name one with --python.")


def made(environment: Path, python: str | None) -> Path:
    """The Python of PyCaret's environment, which is made if it is not there."""
    inside = environment / "bin" / "python"
    if not inside.exists():
        subprocess.run([python or python_for_pycaret(), "-m", "venv", environment], check=True)
    # Quick where it is installed already.
    subprocess.run([inside, "-m", "pip", "install", "--quiet", *PYCARET], check=True)
    return inside


def measured(python: Path | str, side: str, data: Path, *options: str) -> dict[str, Any]:
    """What one side prints, run in a process of its own in a folder of its own."""
    done = subprocess.run(
        [python, Path(__file__).resolve(), "--side", side, "--data", data, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=data.parent,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def report(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    """The tables."""

    def median(runs: list[dict[str, Any]], *names: str) -> float:
        return statistics.median(
            sum(run["seconds"][name] for name in names) for run in runs if names[0] in run["seconds"]
        )

    sampled = ("draw the sample", "distances in the sample", "separation in the sample")
    sweep = median(theirs, "sweep")
    rows = {
        "PyCaret: `create_model('kmeans', num_clusters=k)`, k = 2 … 12": sweep,
        "PyCaret: `setup`, not in the sweep": median(theirs, "setup"),
        "patronage: the same fits, separation of all 10,000 points": median(ours, "fits", "separation of all points"),
        "patronage: the same fits, separation of the evaluation sample of 3,000": median(ours, "fits", *sampled),
        "— the fits alone, one start each as PyCaret's": median(ours, "fits"),
        "— the fits with ten starts each, as shipped": median(ours, "fits, ten starts each"),
        "— separation of all points": median(ours, "separation of all points"),
        "— separation of the sample": median(ours, *sampled),
        "added: DBCV of the sample": median(ours, "DBCV in the sample"),
        f"added: stability, {N_REFITS} refits of every recipe and {N_REFITS // 2} of its clusterer": median(
            ours, "stability"
        ),
        "added: value, what was foreseeable (once for all candidates)": median(ours, "what was foreseeable"),
        "added: value, kept of 11 candidates and of the baselines": median(ours, "kept", "baselines"),
    }
    difference = max(abs(a - b) for a, b in zip(theirs[0]["silhouettes"], ours[0]["silhouettes"], strict=True))
    versions = ["; ".join(" ".join(pair) for pair in side[0]["versions"].items()) for side in (theirs, ours)]
    return "\n".join(
        [
            f"{N_POINTS:,} × {N_DIMENSIONS} points, five blobs and a tenth of noise; "
            f"{f'medians of {len(theirs)} runs' if len(theirs) > 1 else 'one run'} each, in turns; stability and value "
            "once.",
            f"PyCaret: {versions[0]}. Here: {versions[1]}.",
            "",
            "| | seconds | relative to PyCaret's sweep |",
            "|---|---|---|",
            *(f"| {name} | {seconds:.2f} | {seconds / sweep:.2f} |" for name, seconds in rows.items()),
            "",
            f"Silhouettes of all points differ from PyCaret's by at most {difference:.4f} (K-means may end elsewhere).",
            "",
        ]
    )


def main() -> None:
    """Compare the two."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--python")
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "pycaret_3.3")
    parser.add_argument("--side", choices=("pycaret", "patronage"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--added", action="store_true")
    given = parser.parse_args()
    if given.side is not None:
        space = np.load(given.data)
        found = with_pycaret(space) if given.side == "pycaret" else with_patronage(space, added=given.added)
        print(json.dumps(found))
        return
    python = made(given.environment.expanduser().resolve(), given.python)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "points.npy"
        np.save(data, points())
        theirs, ours = [], []
        for turn in range(given.repeats):
            theirs.append(measured(python, "pycaret", data))
            ours.append(measured(sys.executable, "patronage", data, *(["--added"] if turn == 0 else [])))
    text = report(theirs, ours)
    (HERE / "separation.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
