"""How fast customers are placed in segments found on a UMAP map: a typing tool beside UMAP's and HDBSCAN's own way.

    PATRONAGE_DATA=<folder> .venv/bin/python experiments/performance/typing_tool.py

Features of Complete Journey and of Online Retail II at the newest day, in the standard space. UMAP and HDBSCAN find
segments among 70 % of the customers, with the options of ``conf/clusterer/umap_hdbscan.yaml``; the other 30 % are
placed by `TypingAssigner.assign`, and by `UMAP.transform` followed by `hdbscan.approximate_predict`. Both are warm:
UMAP's code is compiled before. Processor time of one process with one native thread, medians. Data that are not there
are left out. Writes typing_tool.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
DATA = ("complete_journey", "online_retail")
HELD_OUT = 0.3


@dataclass(frozen=True)
class Speed:
    """What placing customers took, in milliseconds of processor time, and how alike the places are."""

    data: str
    n_fitted: int
    n_placed: int
    n_columns: int
    n_segments: int
    typing_ms: float
    umap_ms: float
    same: float
    agreement: float


def space_of(data: str) -> np.ndarray:
    """The standard space of a data set's basis features at the newest day."""
    from patronage import config
    from patronage.features import build_features, learn_catalogue
    from patronage.periods import training_windows
    from patronage.representation import StandardRepresentation
    from patronage.tables import open_tables

    given = config.training(config.compose_config("train", [f"data={data}"]))
    with open_tables(given.data) as tables:
        windows = training_windows(
            tables, lookback_days=given.lookback_days, outcome_days=given.outcome_days, as_of=given.as_of
        )
        catalogue = learn_catalogue(tables, given.features, windows.refit)
        active = build_features(tables, catalogue, windows.refit).active
    return StandardRepresentation(catalogue.basis).fit(active).transform(active)


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    """Median processor time."""
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return 1000 * statistics.median(taken)


def compare(data: str, repeats: int) -> Speed:
    """Find segments among some customers, and place the others both ways."""
    import hdbscan
    import umap

    from patronage import config
    from patronage.assigners.typing_tool import TypingAssigner

    given = config.compose_config("train", ["clusterer=[umap_hdbscan]"])["clusterer"]["umap_hdbscan"]
    space = space_of(data)
    order = np.random.default_rng(0).permutation(len(space))
    n_placed = int(len(space) * HELD_OUT)
    new, old = space[order[:n_placed]], space[order[n_placed:]]
    layout = umap.UMAP(**given["embedding"], random_state=0, n_jobs=1)
    placed = np.asarray(layout.fit_transform(old), dtype=float)
    size = given["grid"]["min_cluster_size"][0]
    found = hdbscan.HDBSCAN(**given["parameters"], min_cluster_size=size, prediction_data=True).fit(placed)
    typed = TypingAssigner(points=old, labels=found.labels_.astype(np.int64), noise=np.array("keep"))

    def by_map() -> np.ndarray:
        return hdbscan.approximate_predict(found, np.asarray(layout.transform(new), dtype=float))[0]

    same = float(np.mean(by_map() == typed.assign(new).label))  # compiles, too
    return Speed(
        data,
        len(old),
        len(new),
        space.shape[1],
        typed.n_segments,
        milliseconds(lambda: typed.assign(new), 10 * repeats),
        milliseconds(by_map, repeats),
        same,
        typed.agreement(),
    )


def report(found: list[Speed]) -> str:
    """The table."""
    lines = [
        "Customers placed by a typing tool, and by `UMAP.transform` + `hdbscan.approximate_predict`; milliseconds of "
        "processor time, one thread.",
        "",
        "| data | fitted to | columns | segments | customers placed | typing, ms | UMAP + HDBSCAN, ms | times as fast "
        "| same label as UMAP + HDBSCAN | typing's agreement with the clusterer, held out |",
        "|" + "---|" * 10,
    ]
    lines += [
        f"| {one.data} | {one.n_fitted:,} | {one.n_columns} | {one.n_segments} | {one.n_placed:,} "
        f"| {one.typing_ms:.1f} | {one.umap_ms:,.0f} | {one.umap_ms / one.typing_ms:,.0f} "
        f"| {one.same:.1%} | {one.agreement:.1%} |"
        for one in found
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare on every data set that is there."""
    from threadpoolctl import threadpool_limits

    from patronage.errors import PatronageError

    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    found = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UMAP's of graphs in several pieces, and of seeds
        for data in DATA:
            try:
                found.append(compare(data, given.repeats))
                print(found[-1], flush=True)
            except PatronageError as error:
                print(f"{data} is left out: {error}")
    text = report(found)
    (HERE / "typing_tool.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
