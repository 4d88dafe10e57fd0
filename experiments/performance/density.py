"""How fast new customers are placed in density clusters: exactly and about, beside `hdbscan.approximate_predict`.

    PATRONAGE_DATA=<folder> .venv/bin/python experiments/performance/density.py

HDBSCAN (leaf clusters of 80 or more) finds groups among 10,000 planted points of 2, 3, 5 and 10 dimensions, five blobs
and a tenth of noise, and among counts of 3 and 5 columns, where distances are tied; 20,000 new rows are placed.
Likewise with 70 % and 30 % of the customers in two real data sets (clusters of 40), in ten columns of the standard
space. Each way in turns, in one process with one native thread; medians of processor time. A neighbour may be farther
by ``neighbour_tolerance`` in the approximate way. Data that are not there are left out. Writes density.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
DIMENSIONS, COLUMNS_OF_COUNTS = (2, 3, 5, 10), (3, 5)
N_FITTED, N_PLACED = 10_000, 20_000
NOISE_SHARE, HELD_OUT = 0.1, 0.3
TOLERANCES = (0.0, 0.5, 0.75, 1.0)
REAL = {
    # Ten columns of the standard space each: features that may be missing would bring columns of their own.
    "online_retail": ("[rfm,basket]", ("gap_days_median", "gap_days_variation")),
    "credit_card": ("[credit_card]", ("instalment_share",)),
}


@dataclass(frozen=True)
class Space:
    """Points that groups are found among, and new ones to place."""

    name: str
    old: np.ndarray
    new: np.ndarray
    min_cluster_size: int


@dataclass(frozen=True)
class Speed:
    """Milliseconds of processor time of placing, by tolerance, and how alike the labels are."""

    space: Space
    min_samples: int
    n_segments: int
    noise: float
    predict_ms: float
    prepare_ms: dict[float, float]
    assign_ms: dict[float, float]
    same: dict[float, float]


def planted(n_dimensions: int) -> Space:
    """Five blobs with noise."""
    rng = np.random.default_rng(0)
    n_points = N_FITTED + N_PLACED
    n_noise = int(n_points * NOISE_SHARE)
    centres = rng.uniform(-10, 10, (5, n_dimensions))
    blobs = centres[rng.integers(0, 5, n_points - n_noise)] + rng.normal(0, 2, (n_points - n_noise, n_dimensions))
    points = rng.permutation(np.vstack([blobs, rng.uniform(-15, 15, (n_noise, n_dimensions))]))
    return Space(f"planted, {n_dimensions} dimensions", points[:N_FITTED], points[N_FITTED:], 80)


def counts(n_columns: int) -> Space:
    """What customers have often: few different values, so that most distances are tied."""
    rng = np.random.default_rng(0)
    means = np.array([[2.0, 10.0, 30.0], [30.0, 2.0, 10.0], [10.0, 30.0, 2.0]])
    means = means[:, np.arange(n_columns) % 3]
    points = rng.poisson(means[rng.integers(0, 3, N_FITTED + N_PLACED)]).astype(float)
    return Space(f"counts, {n_columns} columns", points[:N_FITTED], points[N_FITTED:], 80)


def real(data: str) -> Space:
    """Ten standard columns of a real data set's customers at the newest day."""
    from patronage import config
    from patronage.features import build_features, learn_catalogue
    from patronage.periods import training_windows
    from patronage.representation import StandardRepresentation
    from patronage.tables import open_tables

    features, left_out = REAL[data]
    given = config.training(config.compose_config("train", [f"data={data}", f"features={features}"]))
    with open_tables(given.data) as tables:
        windows = training_windows(
            tables, lookback_days=given.lookback_days, outcome_days=given.outcome_days, as_of=given.as_of
        )
        catalogue = learn_catalogue(tables, given.features, windows.refit)
        active = build_features(tables, catalogue, windows.refit).active
    basis = [feature for feature in catalogue.basis if feature.name not in left_out]
    points = StandardRepresentation(tuple(basis)).fit(active).transform(active)
    points = np.random.default_rng(0).permutation(points)
    n_new = int(len(points) * HELD_OUT)
    return Space(f"{data}, {points.shape[1]} columns", points[n_new:], points[:n_new], 40)


def spaces() -> Iterator[Space]:
    """All that there are."""
    from patronage.errors import PatronageError

    yield from map(planted, DIMENSIONS)
    yield from map(counts, COLUMNS_OF_COUNTS)
    for data in REAL:
        try:
            yield real(data)
        except PatronageError as error:
            print(f"{data} is left out: {error}")


def processor_ms(work: Callable[[], Any]) -> float:
    """Milliseconds of processor time."""
    started = time.process_time()
    work()
    return 1000 * (time.process_time() - started)


def compare(space: Space, min_samples: int, repeats: int) -> Speed:
    """Find groups, and place new rows in all ways."""
    import hdbscan

    from patronage.assigners.density import DensityAssigner

    fitted = hdbscan.HDBSCAN(
        min_cluster_size=space.min_cluster_size,
        min_samples=min_samples,
        cluster_selection_method="leaf",
        prediction_data=True,
        core_dist_n_jobs=1,
    ).fit(space.old)
    assigners, prepare = {}, {}
    for tolerance in TOLERANCES:

        def made(tolerance: float = tolerance) -> None:
            assigners[tolerance] = DensityAssigner.from_hdbscan(fitted, noise="keep", neighbour_tolerance=tolerance)

        prepare[tolerance] = processor_ms(made)
    labels, _ = hdbscan.approximate_predict(fitted, space.new)
    same = {tolerance: float(np.mean(one.assign(space.new).label == labels)) for tolerance, one in assigners.items()}
    taken: dict[float | str, list[float]] = {}
    for _ in range(repeats):
        taken.setdefault("predict", []).append(processor_ms(lambda: hdbscan.approximate_predict(fitted, space.new)))
        for tolerance, one in assigners.items():
            taken.setdefault(tolerance, []).append(processor_ms(lambda one=one: one.assign(space.new)))
    median = {way: statistics.median(times) for way, times in taken.items()}
    n_segments, noise = int(fitted.labels_.max()) + 1, float(np.mean(labels < 0))
    assign = {tolerance: median[tolerance] for tolerance in TOLERANCES}
    return Speed(space, min_samples, n_segments, noise, median["predict"], prepare, assign, same)


def report(found: list[Speed], repeats: int) -> str:
    """The tables."""
    ways = ["exact" if tolerance == 0 else f"tolerance {tolerance:g}" for tolerance in TOLERANCES]
    lines = [
        f"Placing new rows: milliseconds of processor time, one thread, medians of {repeats}, in turns; how many times "
        "as fast as `hdbscan.approximate_predict`; rows with the label that it gives.",
        "",
        "| points | fitted to | placed | `min_samples` | segments | noise | `approximate_predict`, ms | "
        + " | ".join(f"{way}: ms, times as fast, same label" for way in ways)
        + " |",
        "|" + "---|" * (7 + len(ways)),
    ]
    for one in found:
        cells = [
            f"{one.assign_ms[tolerance]:.1f}, **{one.predict_ms / one.assign_ms[tolerance]:.1f}**, "
            f"{_share(one.same[tolerance])}"
            for tolerance in TOLERANCES
        ]
        lines.append(
            f"| {one.space.name} | {len(one.space.old):,} | {len(one.space.new):,} | {one.min_samples} "
            f"| {one.n_segments} | {one.noise:.0%} | {one.predict_ms:.1f} | {' | '.join(cells)} |"
        )
    lines += [
        "",
        "Getting an assigner ready, once per load of a model, milliseconds of processor time:",
        "",
        "| points | `min_samples` | " + " | ".join(ways) + " |",
        "|" + "---|" * (2 + len(ways)),
        *(
            f"| {one.space.name} | {one.min_samples} | "
            + " | ".join(f"{one.prepare_ms[tolerance]:.0f}" for tolerance in TOLERANCES)
            + " |"
            for one in found
        ),
    ]
    return "\n".join(lines) + "\n"


def _share(value: float) -> str:
    """A percentage that says 100 only where it is."""
    return "100%" if value == 1 else f"{min(value, 0.99995):.2%}"


def main() -> None:
    """Compare on all points."""
    from threadpoolctl import threadpool_limits

    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    found = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hdbscan divides by the zero distances between duplicates
        for space in spaces():
            for min_samples in (5, 15):
                found.append(compare(space, min_samples, given.repeats))
                print(space.name, min_samples, "done", flush=True)
    text = report(found, given.repeats)
    (HERE / "density.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
