"""What are segments worth later? Clusterers, representations, learners and features, side by side with baselines.

    .venv/bin/python experiments/value_of_segments/run.py

Writes a table and a picture per data set beside this file; data sets that are not there are passed over, and named.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from patronage import config
from patronage.backtest import Judged, judge_candidates, kept_unseen, open_judge, stabilities
from patronage.errors import PatronageError
from patronage.evaluation.judgement import Judge
from patronage.evaluation.row import Row
from patronage.evaluation.value import interval, worth
from patronage.journal import Journal
from patronage.recipe import Recipe, RepresentationChoice, fit_recipes
from patronage.train import prepare

HERE = Path(__file__).parent
RFM = ("recency_days", "orders_per_month", "spend_per_month")
ASKED = "[2,3,4,5,6,7,8,9,10]"
CLUSTERERS = (
    "clusterer=[kmeans,bisecting_kmeans,gmm,hdbscan]",
    f"clusterer.kmeans.grid.n_clusters={ASKED}",
    f"clusterer.bisecting_kmeans.grid.n_clusters={ASKED}",
    "clusterer.gmm.grid.n_components=[3,5,8]",
    "clusterer.gmm.parameters.n_init=1",
    "clusterer.hdbscan.grid.min_cluster_size=[80]",
    "clusterer.hdbscan.grid.min_samples=[5]",
)
SPACES = {
    "standard": RepresentationChoice("standard"),
    "blend": RepresentationChoice("outcome_aware", {"learner": "blend"}),
    "extra_trees": RepresentationChoice("outcome_aware", {"learner": "extra_trees"}),
    "ridge": RepresentationChoice("outcome_aware", {"learner": "ridge"}),
}
"""The last three are outcome-aware, by learner."""

TRIED = (
    ("rfm", "standard"),
    ("rfm", "blend"),
    ("all", "standard"),
    ("all", "blend"),
    ("all", "extra_trees"),
    ("all", "ridge"),
)
ONLY_KMEANS = ("extra_trees", "ridge")
"""Learners that are there for comparison are tried with K-means and its halves only."""

FIGURES = {
    "value/kept": "kept",
    "value/kept_low": "kept_low",
    "value/kept_high": "kept_high",
    "value/kept_unseen": "kept_unseen",
    "value/kept_money": "kept_money",
    "stability/ari": "ari",
    "stability/ari_clusterer": "ari_clusterer",
    "separation/silhouette": "silhouette",
    "separation/silhouette_common": "silhouette_common",
    "size/min_share": "min_share",
    "value/lift_low": "lift_low",
    "value/lift_high": "lift_high",
    "above_rfm": "above_rfm",
    "above_rfm_low": "above_rfm_low",
    "above_rfm_high": "above_rfm_high",
}
"""Metric → column. ``lift`` compares with the best baseline, ``above_rfm`` with K-means on RFM, with as many segments
each, in pairs; 90 % intervals."""


def measured(data: str, n_refits: int, workers: int) -> pd.DataFrame:
    """Every candidate's and baseline's figures on one data set's *select* customers."""
    given = config.training(config.compose_config("train", [f"data={data}", *CLUSTERERS]))
    prepared = prepare(given, Journal())
    learn, judged, basis = prepared.learn, prepared.judged, prepared.catalogue.basis
    headline = None if prepared.headline is None else prepared.headline.name
    # One ceiling, from all features, for all of them: otherwise fewer features would look better.
    judge = open_judge(basis, learn, judged, seed=0, workers=workers, headline=headline)
    lines: list[dict[str, object]] = []
    for features, space in TRIED:
        known = basis if features == "all" else tuple(one for one in basis if one.name in RFM)
        recipes = [
            Recipe(known, SPACES[space], candidate)
            for clusterer in given.clusterers
            if space not in ONLY_KMEANS or "kmeans" in clusterer.name
            for candidate in clusterer.candidates()
        ]
        fitted = fit_recipes(recipes, learn.features, learn.outcomes, seed=0)
        stable = stabilities(fitted, learn, n_refits=n_refits, seed=0, workers=workers)
        judgements = judge_candidates(recipes, fitted, stable, judged, judge)
        rows = [one.row if one.row.failure else _beside_rfm(one, judge) for one in judgements]
        alive = [n for n, row in enumerate(rows) if not row.failure]
        unseen = kept_unseen([fitted[n] for n in alive], learn, judged, judge, seed=0, workers=workers)
        for n, kept in zip(alive, unseen, strict=True):
            # Segments formed without outcomes keep what they keep of outcomes unseen.
            told = kept if space != "standard" else rows[n].metrics["value/kept"]
            rows[n] = replace(rows[n], metrics={**rows[n].metrics, "value/kept_unseen": told})
        lines += [_line(row, features, space) for row in rows]
    counts = sorted({int(line["k"]) for line in lines if line["k"]})
    for row in judge.baseline_rows([k for k in counts if k > 1]):
        name, _, k = row.name.rpartition(" k=")
        lines.append(_line(replace(row, clusterer=name, asked=int(k)), "", "baseline"))
    table = pd.DataFrame(lines)
    return table.assign(data=data)


def _beside_rfm(one: Judged, judge: Judge) -> Row:
    """A candidate's line with what it keeps more than K-means on RFM with as many segments."""
    own, rival = worth(one.labels, judge.evidence), judge.baselines(len(np.unique(one.labels)))["kmeans_rfm"]
    above = interval(own.kept.value - rival.kept.value, own.draws - rival.draws)
    told = {"above_rfm": above.value, "above_rfm_low": above.low, "above_rfm_high": above.high}
    return replace(one.row, metrics={**one.row.metrics, **told})


def _line(row: Row, features: str, space: str) -> dict[str, object]:
    k = int(row.metrics.get("size/n_segments", 0))
    figures = {name: row.metrics.get(metric, np.nan) for metric, name in FIGURES.items()}
    return {"features": features, "space": space, "clusterer": row.clusterer, "k": k, **figures, "failure": row.failure}


def to_markdown(table: pd.DataFrame, columns: list[str]) -> str:
    """A table for people: three decimals, a dash where a figure does not apply."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for record in table[columns].to_dict("records"):
        shown = [_shown(record[column]) for column in columns]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.3f}"
    return str(value) if value != "" else "–"


def draw(table: pd.DataFrame, data: str) -> None:
    """The frontier: what is kept against how steady it is, one line per way of segmenting, k beside the points."""
    colours = {"standard": "#6b7280", "blend": "#0072B2", "extra_trees": "#D55E00", "ridge": "#009E73"}
    figure = Figure(figsize=(8.2, 6.4), layout="constrained", dpi=130)
    axes = figure.add_subplot()
    named = table[table["clusterer"].isin(["kmeans", "bisecting_kmeans"]) & table["k"].gt(1)]
    for (features, space, clusterer), of in named.groupby(["features", "space", "clusterer"]):
        if features == "rfm" and (space, clusterer) != ("standard", "kmeans"):
            continue
        line = {"kmeans": "--", "bisecting_kmeans": "-"}[clusterer]
        own = of.sort_values("k")
        colour = "#CC79A7" if features == "rfm" else colours[space]
        label = f"{clusterer} · {'RFM' if features == 'rfm' else space}"
        axes.plot(own["ari"], own["kept"], f"o{line}", color=colour, label=label, markersize=4, linewidth=1.2)
        for k, x, y in own[["k", "ari", "kept"]].itertuples(index=False):
            axes.annotate(str(k), (x, y), (3, 3), textcoords="offset points", fontsize=7, color=colour)
    axes.axvline(0.75, color="#9ca3af", linestyle=":", linewidth=1)
    axes.set_xlabel("agreement of refits of the whole recipe (ARI)")
    axes.set_ylabel("kept of the foreseeable")
    axes.set_title(f"{data}: what is kept against how steady it is (numbers are k)", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    figure.savefig(HERE / f"{data}.png")


def main() -> None:
    """Measure every data set that is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="*", default=["complete_journey", "online_retail", "cdnow"])
    parser.add_argument("--refits", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    for data in given.data:
        try:
            table = measured(data, given.refits, given.workers)
        except PatronageError as error:
            print(f"{data} passed over: {error}")
            continue
        candidates = table[table["space"] != "baseline"].sort_values(["features", "space", "clusterer", "k"])
        baselines = table[table["space"] == "baseline"].pivot_table(index="k", columns="clusterer", values="kept")
        baselines = baselines.reset_index().rename_axis(columns=None)
        told = ["features", "space", "clusterer", "k", *FIGURES.values(), "failure"]
        parts = [
            "Baselines, kept:",
            to_markdown(baselines, list(baselines)),
            "Candidates:",
            to_markdown(candidates, told),
        ]
        text = "\n\n".join(part.strip() for part in parts) + "\n"
        (HERE / f"{data}.md").write_text(text, encoding="utf-8")
        draw(candidates, data)
        print(f"{data}: {len(candidates)} candidates")


if __name__ == "__main__":
    main()
