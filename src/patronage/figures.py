"""The pictures of a training run. Plotting is imported only when a picture is drawn."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from patronage.diagnosis import Diagnosis, FeatureDiagnosis
from patronage.diagnosis_page import number_in_words
from patronage.distribution import percent
from patronage.evaluation.judgement import Row
from patronage.segments import Segment
from patronage.selection import Gates, Selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette stays readable with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6b7280"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#56B4E9", "#E69F00")


def choice_of_k(selection: Selection, baselines: Sequence[Row], gates: Gates) -> Figure:
    """Draw what every candidate keeps, how stable and how separated it is, against its number of segments."""
    rows = [verdict.row for verdict in selection.verdicts if not verdict.row.failure]
    judged = not rows or any(np.isfinite(row.metrics.get("value/kept", np.nan)) for row in rows)
    figure, axes_of = _figure(3 if judged else 2, (11.0 if judged else 7.6, 4.2))
    titles = (
        ("value/kept", "Kept of the foreseeable (90 % interval)"),
        ("stability/ari", "Agreement of refits (ARI)"),
        ("separation/silhouette", "Silhouette"),
    )
    panels = [(axes, *told) for axes, told in zip(axes_of, titles if judged else titles[1:], strict=True)]
    first, ari = axes_of[0], axes_of[1 if judged else 0]
    groups = sorted({(row.clusterer, row.representation) for row in rows})
    for axes, metric, title in panels:
        for colour, group in zip(_cycle(len(groups)), groups, strict=True):
            members = sorted(
                (row for row in rows if (row.clusterer, row.representation) == group),
                key=lambda row: row.metrics["size/n_segments"],
            )
            k = [row.metrics["size/n_segments"] for row in members]
            values = np.array([row.metrics.get(metric, np.nan) for row in members])
            one_each = len(set(k)) == len(k)
            axes.plot(k, values, "o-" if one_each else "o", color=colour, label=" · ".join(group), markersize=5)
            if metric == "value/kept":
                low = np.array([row.metrics["value/kept_low"] for row in members])
                high = np.array([row.metrics["value/kept_high"] for row in members])
                axes.vlines(k, low, high, color=colour, alpha=0.35, linewidth=3)
        axes.set_title(title, fontsize=11, loc="left")
        axes.set_xlabel("number of segments")
        axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    best: dict[float, float] = {}
    for row in baselines:
        if not row.name.startswith("shuffled"):
            k_of = row.metrics["size/n_segments"]
            best[k_of] = max(best.get(k_of, -np.inf), row.metrics["value/kept"])
    counts = sorted(best)
    if judged:
        first.plot(counts, [best[k] for k in counts], "--", color=GREY, label="best baseline at the same k")
    ari.axhline(gates.ari, color=GREY, linestyle=":")
    ari.annotate("gate", (0.01, gates.ari), xycoords=("axes fraction", "data"), va="bottom", color=GREY, fontsize=9)
    if selection.winner is not None:
        row = selection.winner.row
        for axes, metric, _ in panels:
            axes.plot(
                row.metrics["size/n_segments"], row.metrics[metric], "o", markersize=14, markerfacecolor="none",
                markeredgecolor="black", markeredgewidth=1.6, label="chosen" if axes is first else None,
            )  # fmt: skip
    handles, labels = first.get_legend_handles_labels()
    # Below the panels it covers no point, however many there are.
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8.5, frameon=False)
    return figure


def size_and_value(segments: Sequence[Segment], outcome: str, unit: str) -> Figure:
    """Draw how many customers each segment holds, and, where known, what one was worth in the judge window."""
    known = outcome != ""
    height = 1.6 + 0.62 * max(len(segments), 2)
    figure, (shares, *rest) = _figure(2 if known else 1, (11.5 if known else 7.0, height))
    ordered = sorted(segments, key=lambda segment: segment.id, reverse=True)
    labels = [_plain(f"{segment.id}  {segment.name}") for segment in ordered]
    share = [100 * segment.share for segment in ordered]
    shares.barh(labels, share, color=BLUE, height=0.62)
    for y, segment in enumerate(ordered):
        shares.annotate(f" {share[y]:.0f} %  ({segment.n_customers:,})", (share[y], y), va="center", fontsize=9)
    shares.set_title("Share of customers", fontsize=11, loc="left")
    shares.set_xlim(0, 1.35 * max(*share, 1e-9))
    for values in rest:
        _later_values(values, ordered)
        unit = f" ({unit})" if unit else ""
        values.set_title(_plain(f"Later {outcome.replace('_', ' ')} per customer{unit}"), fontsize=11, loc="left")
    for axes in (shares, *rest):
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    return figure


def _later_values(values: Axes, ordered: Sequence[Segment]) -> None:
    worth = [np.nan if segment.value_per_customer is None else segment.value_per_customer for segment in ordered]
    totals = np.nan_to_num(np.array(worth)) * np.array([segment.n_customers for segment in ordered])
    total = totals.sum()
    values.barh([segment.id for segment in ordered], worth, color=ORANGE, height=0.62)
    for y, value in enumerate(worth):
        # Of gains and losses together no part is a share.
        part = f"  (about {100 * totals[y] / total:.0f} % of the total)" if total > 0 and totals.min() >= 0 else ""
        if not np.isnan(value):
            values.annotate(f" {number_in_words(value)}{part}", (max(value, 0.0), y), va="center", fontsize=9)
    values.set_yticks([])
    known = [0.0, *(one for one in worth if not np.isnan(one))]
    width = max(max(known) - min(known), 1e-9)
    values.set_xlim(min(known), max(known) + 0.55 * width)


def _figure(n_panels: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - heavy, and only pictures need it

    # A bare Figure needs no display and no global state.
    figure = Canvas(figsize=size, layout="constrained", dpi=130)
    panels = [figure.add_subplot(1, n_panels, number + 1) for number in range(n_panels)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
    return figure, panels


def _plain(text: str) -> str:
    """Text in which dollars are dollars, not the marks of a formula."""
    return text.replace("$", r"\$")


def _cycle(n: int) -> list[str]:
    return [COLOURS[position % len(COLOURS)] for position in range(n)]


def distributions(diagnosis: Diagnosis, *, most: int = 24) -> Figure:
    """Draw each feature's distribution, what needs attention first; of more than ``most``, the rest is left out."""
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - heavy, and only pictures need it
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    shown = diagnosis.ordered[:most]
    n_columns = min(4, max(len(shown), 1))
    n_rows = max(-(-len(shown) // n_columns), 1)
    figure = Canvas(figsize=(max(3.1 * n_columns, 6.2), 2.0 * n_rows + 0.7), dpi=130)
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    left_out = Counter(one.verdict for one in diagnosis.ordered[most:])
    rest = f"; not shown: {', '.join(f'{n} to {verdict}' for verdict, n in left_out.items())}" if left_out else ""
    title = f"{len(diagnosis.features)} features of {diagnosis.n_customers:,} customers before clustering{rest}"
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    for number, one in enumerate(shown):
        axes = figure.add_subplot(n_rows, n_columns, number + 1)
        _draw_distribution(axes, one)
    return figure


def _draw_distribution(axes: Axes, one: FeatureDiagnosis) -> None:
    colour = {"drop": ORANGE, "transform": PURPLE, "keep": BLUE}[one.verdict]
    axes.bar(range(len(one.sketch)), one.sketch, width=0.9, color=colour)
    axes.set_xlim(-0.6, max(len(one.sketch), 4) - 0.4)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(_plain(_shortened(one.name, 40)), fontsize=9.5, loc="left", color=colour, weight="bold", pad=29)
    reason = textwrap.wrap(f"{one.verdict}: {one.reason}", 50, max_lines=2, placeholder=" …")
    axes.annotate(
        _plain("\n".join(reason)), (0, 1), (0, 25), xycoords="axes fraction", textcoords="offset points", va="top",
        fontsize=7.5, color=GREY, in_layout=False,  # or the panels would shrink until the longest line fits
    )  # fmt: skip
    notes = []
    if not one.sketch:
        notes.append((0.5, 0.4, "bottom", "not shown" if one.n_distinct else "no values"))
    elif one.levels:
        most_frequent = f"{one.n_distinct:,} levels, the most frequent {percent(one.dominant_value_share)}"
        notes.append((0.0, -0.04, "top", most_frequent))
    else:
        ends = (number_in_words(one.low), _shortened(one.unit, 30), number_in_words(one.high))
        notes += [(place, -0.04, "top", text) for place, text in zip((0.0, 0.5, 1.0), ends, strict=True)]
    for x, y, side, text in notes:
        anchor = {0.0: "left", 0.5: "center", 1.0: "right"}[x]
        axes.text(
            x, y, _plain(text), transform=axes.transAxes, ha=anchor, va=side, fontsize=7.5, color=GREY,
            in_layout=False,
        )  # fmt: skip
    axes.set_xlabel(" ", fontsize=7.5)  # keeps the room below


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
