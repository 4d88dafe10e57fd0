"""Candidates of every fate, for the pictures that are drawn of them."""

from __future__ import annotations

import math
from io import BytesIO

from patronage.evaluation.row import Row
from patronage.selection import Policy

PNG = b"\x89PNG"
POLICY = Policy({"value/kept": 1.0})


def drawn(figure):
    """The picture's bytes: saving is what draws it."""
    canvas = BytesIO()
    figure.savefig(canvas, format="png")
    return canvas.getvalue()


def row(k, kept=0.7, *, name="kmeans", representation="standard", variant="", **other):
    """A candidate; HDBSCAN finds its number of segments, all others were asked for theirs."""
    metrics = {
        "size/n_segments": float(k),
        "size/min_share": 0.1,
        "size/coverage": 1.0,
        "stability/ari": 0.9,
        "stability/jaccard_min": 0.8,
        "separation/silhouette": 0.3,
        "separation/silhouette_common": 0.2,
        "value/kept": kept,
        "value/kept_low": kept - 0.05,
        "value/kept_high": kept + 0.05,
    }
    asked = 0 if name == "hdbscan" else k
    made = f"{name} k={k} {variant}".strip()
    return Row(made, name, representation, metrics | other, asked=asked, variant=variant)


def baselines(*counts, kept=0.5):
    """Two rivals at each number of segments, and shuffled labels that would be the best of all."""
    return [
        Row(f"{name} k={k}", metrics={"size/n_segments": float(k), "value/kept": kept + shift})
        for k in counts
        for name, shift in (("revenue_tiles", 0.0), ("outcome_tree", 0.1), ("shuffled", 0.3))
    ]


NAN = math.nan
NO_VALUE = {"value/kept_low": NAN, "value/kept_high": NAN, "separation/silhouette": NAN}
CHOICES = {
    "many": ([row(k, 0.5 + k / 20) for k in range(2, 9)], baselines(*range(2, 9))),
    "failures only": ([Row("a", "gmm", "standard", failure="found only noise")], []),
    "nothing": ([], []),
    "one candidate": ([row(4)], baselines(4)),
    "no winner": ([row(4, **{"stability/ari": 0.2}), row(5, **{"stability/ari": 0.1})], baselines(4, 5)),
    "one failed": ([row(4), Row("b", "gmm", "standard", failure="did not converge")], baselines(4)),
    "no value": ([row(3, NAN, **NO_VALUE), row(4, NAN, **NO_VALUE)], baselines(3, 4, kept=NAN)),
    "some without value": ([row(3), row(4, NAN, **NO_VALUE)], baselines(3, 4)),
    "below zero": ([row(3, -0.4), row(20, -3.0)], baselines(3, 20, kept=-1.0)),
    "same k twice": ([row(3, 0.5, name="hdbscan"), row(3, 0.6, name="hdbscan"), row(3)], baselines(3)),
    "no segments": ([row(0, 0.0, **{"separation/silhouette": NAN}), row(3)], baselines(3)),
    "found by density": ([*(row(k, 0.1 + k / 90, name="hdbscan") for k in (3, 5, 9)), row(3), row(4)], baselines(3, 4)),
    "no number asked for": ([row(k, 0.5 + k / 20, name="hdbscan") for k in (2, 5)], baselines(2, 5)),
    "three variants": (
        [row(k, 0.5 + n / 10, name="gmm", variant=f"v={n}") for n in range(3) for k in (2, 3, 4)],
        baselines(2, 3, 4),
    ),
    "forty": (
        [
            row(k, 0.4 + k / 20 + n / 90, name=f"clusterer {n}", **{"stability/ari": 1 - k / 20 - n / 60})
            for n in range(4)
            for k in range(2, 12)
        ],
        baselines(*range(2, 12)),
    ),
    "ten clusterers": ([row(k, name=f"clusterer {n}") for n in range(10) for k in (2, 20)], baselines(2, 20)),
}
