"""Selection: gates with figures and limits in words, an objective, and few segments among near equals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.errors import InvalidConfigError
from patronage.evaluation.row import Row
from patronage.selection import OBJECTIVES, Gates, Policy, check_gates, elect, failed_gates, select

GOOD = {
    "size/n_segments": 4.0,
    "size/min_share": 0.1,
    "size/coverage": 1.0,
    "stability/ari": 0.9,
    "stability/jaccard_min": 0.8,
    "value/kept": 0.7,
    "value/kept_baseline": 0.6,
    "value/lift": 0.1,
    "value/lift_low": 0.05,
    "value/lift_high": 0.15,
}
REFIT = {
    "refit/n_segments": 4.0,
    "refit/min_share": 0.1,
    "refit/coverage": 1.0,
    "refit/ari": 0.9,
    "refit/jaccard_min": 0.8,
    "refit/ari_backtest": 0.9,
}
KEPT = Policy({"value/kept": 1.0})


def _row(name, kept=0.7, k=4, **other):
    given = {"value/kept": kept, "size/n_segments": float(k)} | other
    return Row(name, "kmeans", "standard", GOOD | given)


def test_good_figures_fail_no_gate():
    """A candidate that reaches every limit fails nothing, before and after its refit."""
    assert failed_gates(GOOD, Gates()) == ()
    assert failed_gates(GOOD | REFIT, Gates()) == ()


def test_limits_themselves_pass():
    """A figure equal to its limit is good enough."""
    at_limit = {
        "typing/agreement": 0.9,
        "size/n_segments": 2.0, "size/min_share": 0.03, "size/coverage": 0.8, "stability/ari": 0.7,
        "stability/jaccard_min": 0.5, "value/lift_high": 0.0,
    }  # fmt: skip
    assert failed_gates(GOOD | at_limit, Gates()) == ()


def test_what_needs_no_typing_tool_fails_no_gate_of_it():
    """An agreement that is NaN fails nothing, in the backtest and in the refit."""
    without = {"typing/agreement": np.nan, "refit/typing_agreement": np.nan}
    assert failed_gates(GOOD | REFIT | without, Gates()) == ()


@pytest.mark.parametrize(
    ("metric", "figure", "words"),
    [
        ("size/n_segments", 1.0, "1 segments, allowed 2 to 20"),
        ("size/n_segments", 21.0, "21 segments, allowed 2 to 20"),
        ("size/min_share", 0.02, "smallest segment 0.02 < 0.03"),
        ("size/coverage", 0.5, "coverage 0.5 < 0.8"),
        ("stability/ari", 0.65, "ARI of refits 0.65 < 0.7"),
        ("stability/ari", np.nan, "ARI of refits nan < 0.7"),
        ("stability/jaccard_min", 0.4, "least stable segment's Jaccard 0.4 < 0.5"),
        ("typing/agreement", 0.85, "typing tool agrees on 0.85 < 0.9 of held-out customers"),
        ("refit/typing_agreement", 0.85, "refit: typing tool agrees on 0.85 < 0.9 of held-out customers"),
        ("value/lift_high", -0.01, "kept 0.700 is below the best baseline's 0.600 (difference at most -0.010)"),
        ("refit/n_segments", 1.0, "refit: 1 segments, allowed 2 to 20"),
        ("refit/min_share", 0.02, "refit: smallest segment 0.02 < 0.03"),
        ("refit/coverage", 0.5, "refit: coverage 0.5 < 0.8"),
        ("refit/ari", 0.65, "refit: ARI of refits 0.65 < 0.7"),
        ("refit/jaccard_min", 0.4, "refit: least stable segment's Jaccard 0.4 < 0.5"),
        ("refit/ari_backtest", 0.6, "refit: ARI with the backtested model 0.6 < 0.7"),
        ("refit/ari_backtest", np.nan, "refit: ARI with the backtested model nan < 0.7"),
    ],
)
def test_each_gate_fails_alone_with_figure_and_limit(metric, figure, words):
    """One bad figure fails one gate, and the words say which, with the figure and its limit."""
    assert failed_gates(GOOD | REFIT | {metric: figure}, Gates()) == (words,)


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        (Gates(min_segments=5), "4 segments, allowed 5 to 20"),
        (Gates(max_segments=3), "4 segments, allowed 2 to 3"),
        (Gates(min_share=0.2), "smallest segment 0.1 < 0.2"),
        (Gates(ari=0.95), "ARI of refits 0.9 < 0.95"),
        (Gates(jaccard=0.85), "least stable segment's Jaccard 0.8 < 0.85"),
    ],
)
def test_limits_can_be_configured(gates, words):
    """A gate's own limit decides, not the default."""
    assert failed_gates(GOOD, gates) == (words,)


@pytest.mark.parametrize("lift_high", [0.001, np.nan])
def test_value_fails_only_when_surely_below_the_baseline(lift_high):
    """A candidate that may be as good as the best baseline passes, and one without a value too."""
    below = {"value/lift": -0.05, "value/lift_low": -0.1, "value/lift_high": lift_high}
    assert failed_gates(GOOD | below, Gates()) == ()


def test_the_best_objective_wins():
    """Without near equals the largest objective is chosen, and every row gets a reason."""
    selection = select([_row("a", 0.5, 2), _row("b", 0.9, 6), _row("c", 0.7, 3)], KEPT)
    assert selection.winner.row.name == "b"
    assert [verdict.row.name for verdict in selection.verdicts] == ["a", "b", "c"]
    assert [verdict.reason for verdict in selection.verdicts] == [
        "passes; objective 0.500 against the winner's 0.900",
        "chosen: best objective 0.900 of those that pass all gates",
        "passes; objective 0.700 against the winner's 0.900",
    ]


def test_among_near_equals_the_fewest_segments_win():
    """Within the tolerance of the best the smallest number of segments is chosen, and the reason says so."""
    selection = select([_row("many", 0.715, 8), _row("few", 0.70, 4), _row("fewer", 0.69, 2)], KEPT)
    assert selection.winner.row.name == "few"
    many, few, fewer = (verdict.reason for verdict in selection.verdicts)
    assert many == "passes; objective 0.715 is within 0.02 of the winner's, but 8 segments, not 4"
    assert few == "chosen: objective 0.700 is within 0.02 of the best (0.715), with the fewest segments"
    assert fewer == "passes; objective 0.690 against the winner's 0.700"


def test_without_tolerance_the_best_wins():
    """A tolerance of 0 leaves no near equals."""
    selection = select([_row("many", 0.715, 8), _row("few", 0.70, 4)], Policy({"value/kept": 1.0}, tolerance=0))
    assert selection.winner.row.name == "many"


def test_a_failed_gate_cannot_win():
    """The best objective is worth nothing if a gate fails; its reason is the gate."""
    selection = select([_row("best", 0.99, **{"stability/ari": 0.3}), _row("good", 0.5)], KEPT)
    assert selection.winner.row.name == "good"
    assert selection.verdicts[0].reason == "ARI of refits 0.3 < 0.7"
    assert not selection.verdicts[0].passed


def test_a_failed_candidate_does_not_set_the_tolerance():
    """Near equals are near the best that passes, not near one that fails."""
    selection = select([_row("best", 0.99, **{"size/min_share": 0.0}), _row("b", 0.9, 6), _row("c", 0.5, 2)], KEPT)
    assert selection.winner.row.name == "b"


def test_the_objective_is_the_weighted_sum():
    """Weights multiply metrics; a negative one counts against."""
    policy = Policy({"value/kept": 0.5, "stability/ari": 0.3, "size/n_segments": -0.01})
    (verdict,) = select([_row("a", 0.8, 4)], policy).verdicts
    assert verdict.objective == pytest.approx(0.5 * 0.8 + 0.3 * 0.9 - 0.04)


def test_an_objective_that_does_not_apply_fails():
    """A candidate that lacks a metric of the objective cannot be compared, and the reason names the metric."""
    policy = Policy({"value/kept": 1.0, "separation/silhouette": 1.0})
    selection = select([_row("a", np.nan)], policy)
    assert selection.winner is None
    assert np.isnan(selection.verdicts[0].objective)
    assert selection.verdicts[0].reason == (
        "value/kept, separation/silhouette not applicable, but the objective needs it"
    )


def test_a_candidate_without_segments_keeps_its_reason():
    """A row that failed has no objective; its failure is the verdict."""
    selection = select([Row("broken", failure="found only noise"), _row("a")], KEPT)
    assert selection.verdicts[0].failed == ("found only noise",)
    assert selection.verdicts[0].reason == "found only noise"
    assert selection.winner.row.name == "a"


def test_ties_go_to_the_name():
    """Equal in everything, the first name in the alphabet wins, wherever it stands."""
    assert select([_row("b"), _row("a")], KEPT).winner.row.name == "a"


def test_no_candidates_have_no_winner():
    """An empty list is no error."""
    selection = select([], KEPT)
    assert selection.winner is None
    assert selection.near_misses() == []


def test_near_misses_failed_fewest_gates_then_have_the_best_objective():
    """Of candidates that all fail, the nearest come first; those without segments are none."""
    one, two = {"stability/ari": 0.6}, {"stability/ari": 0.6, "size/coverage": 0.5}
    rows = [
        _row("two", 0.9, **two),
        Row("broken", failure="found only noise"),
        _row("one", 0.5, **one),
        _row("one, better", 0.8, **one),
        _row("one, worst", 0.1, **one),
    ]
    selection = select(rows, KEPT)
    assert selection.winner is None
    assert [verdict.row.name for verdict in selection.near_misses()] == ["one, better", "one", "one, worst"]
    assert [verdict.row.name for verdict in selection.near_misses(9)][3:] == ["two"]


def test_near_misses_without_an_objective_come_last():
    """An objective that does not apply is no better than a negative one."""
    policy = Policy({"separation/davies_bouldin": -1.0})
    rows = [
        _row("unknown", **{"stability/ari": 0.6}),
        _row("known", **{"stability/ari": 0.6, "separation/davies_bouldin": 1.5}),
    ]
    assert [verdict.row.name for verdict in select(rows, policy).near_misses()] == ["known", "unknown"]


def test_a_winner_is_no_near_miss():
    """Candidates that pass are not listed as near misses."""
    selection = select([_row("a"), _row("b", **{"stability/ari": 0.6})], KEPT)
    assert [verdict.row.name for verdict in selection.near_misses()] == ["b"]


@given(
    figures=st.lists(
        st.tuples(
            st.sampled_from([0.5, 0.51, 0.515, 0.52, 0.53, np.nan]), st.integers(1, 5), st.sampled_from([0.6, 0.9])
        ),
        min_size=1,
        max_size=8,
    ),
    data=st.data(),
)
@settings(deadline=None, max_examples=80)
def test_the_order_of_candidates_does_not_matter(figures, data):
    """The same candidates in another order have the same winner, and each the same reason."""
    rows = [
        _row(f"candidate {number}", kept, k, **{"stability/ari": ari}) for number, (kept, k, ari) in enumerate(figures)
    ]
    turned = data.draw(st.permutations(rows))
    first, second = select(rows, KEPT), select(turned, KEPT)
    assert (first.winner and first.winner.row.name) == (second.winner and second.winner.row.name)
    assert {v.row.name: v.reason for v in first.verdicts} == {v.row.name: v.reason for v in second.verdicts}


@given(
    figures=st.lists(st.tuples(st.floats(0, 1), st.integers(2, 8)), min_size=1, max_size=8),
    tolerance=st.sampled_from([0.0, 0.02, 0.1]),
)
@settings(deadline=None, max_examples=60)
def test_the_winner_is_near_the_best_and_none_near_is_smaller(figures, tolerance):
    """Whatever the figures, the winner lies within the tolerance and no near equal has fewer segments."""
    rows = [_row(f"{number}", kept, k) for number, (kept, k) in enumerate(figures)]
    winner = select(rows, Policy({"value/kept": 1.0}, tolerance)).winner
    best = max(kept for kept, _ in figures)
    near = [(k, kept) for kept, k in figures if kept >= best - tolerance]
    assert winner.objective >= best - tolerance
    assert winner.row.metrics["size/n_segments"] == min(k for k, _ in near)


@pytest.mark.parametrize(
    ("weights", "named"),
    [({"value/keptt": 1.0, "value/kept": 1.0}, "names value/keptt; known metrics: "), ({}, "names no metric; known")],
)
def test_an_unknown_metric_is_refused(weights, named):
    """The objective may name known metrics only; the message lists them."""
    with pytest.raises(InvalidConfigError, match=named) as error:
        Policy(weights)
    assert all(metric in str(error.value) for metric in OBJECTIVES)


def proved(name: str, kept: float, k: float = 4.0) -> Row:
    """A candidate that has passed the backtest and the rehearsal of its refit."""
    return Row(name, "kmeans", "standard", GOOD | REFIT | {"value/kept": kept, "size/n_segments": k})


def test_a_winner_that_fails_its_last_proof_gives_way_to_the_next_best() -> None:
    """Its figures of the proof stand in its line, with the gate; nobody is proved twice, and nobody needlessly."""
    rows = [proved("best", 0.9), proved("second", 0.8), proved("third", 0.7)]
    asked: list[int] = []

    def prove(position: int, row: Row) -> Row:
        asked.append(position)
        ari = 0.65 if row.name == "best" else 0.9
        final = {name.replace("refit/", "final/"): m for name, m in row.metrics.items() if name.startswith("refit/")}
        return replace(row, metrics={**row.metrics, **final, "final/ari": ari})

    selection = elect(rows, KEPT, prove)
    assert selection.winner is not None
    assert selection.winner.row.name == "second"
    assert selection.verdicts[0].failed == ("refit on all customers: ARI of refits 0.65 < 0.7",)
    assert asked == [0, 1]


def test_nobody_wins_when_all_fail_their_last_proof() -> None:
    """A refit that finds no segments at all is a failure like any other."""
    rows = [proved("best", 0.9), proved("second", 0.8)]
    selection = elect(rows, KEPT, lambda _, row: replace(row, failure="no segments"))
    assert selection.winner is None
    assert [verdict.failed for verdict in selection.verdicts] == [("no segments",), ("no segments",)]


def test_of_equally_many_segments_the_steadiest_wins():
    """Among near equals with the fewest segments it is steadiness that decides, and the reason says so."""
    rows = [
        _row("best", 0.90, 5, **{"stability/ari": 0.80}),
        _row("steady", 0.89, 5, **{"stability/ari": 0.92}),
        _row("finer", 0.90, 6, **{"stability/ari": 0.99}),
        _row("poor", 0.80, 2, **{"stability/ari": 0.99}),
    ]
    selection = select(rows, KEPT)
    assert selection.winner.row.name == "steady"
    assert selection.winner.reason.endswith("with the fewest segments and of these the steadiest")
    assert selection.verdicts[0].reason.endswith("but less steady: ARI 0.80, not 0.92")
    assert selection.verdicts[2].reason.endswith("but 6 segments, not 5")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"value/kept_unseen": 1.0}, "names value/kept_unseen"),
        ({"final/ari": 1.0}, "names final/ari"),
        ({"value/kept": float("nan")}, "value/kept must be a finite number"),
        ({"separation/davies_bouldin": 1.0}, "lower is better, so its weight must be negative"),
    ],
)
def test_an_objective_that_nobody_could_win_by_is_refused(weights, message):
    """Figures that only passing candidates have, and numbers that are none, make no objective."""
    with pytest.raises(InvalidConfigError, match=message):
        Policy(weights)


@pytest.mark.parametrize(
    ("gate", "limit", "rule"),
    [
        ("min_segments", 0, "1 or more; got 0"),
        ("max_segments", -3, "1 or more; got -3"),
        ("max_segments", 1, "min_segments must be at most max_segments, 1; got 2"),
        ("min_share", 3, "from 0 to 1; got 3"),
        ("coverage", -0.5, "from 0 to 1; got -0.5"),
        ("ari", 75, "from -1 to 1; got 75"),
        ("ari", float("nan"), "from -1 to 1; got nan"),
        ("jaccard", 1.01, "from 0 to 1; got 1.01"),
        ("ari_backtest", float("-inf"), "from -1 to 1; got -inf"),
        ("typing_agreement", 90, "from 0 to 1; got 90"),
    ],
)
def test_a_gate_that_everybody_or_nobody_could_pass_is_refused(gate, limit, rule):
    """A share is from 0 to 1, an ARI from −1 to 1, and between the numbers of segments there is one."""
    with pytest.raises(InvalidConfigError, match=r"^selection\.gates\.\w+ must be .*") as told:
        Gates(**{gate: limit})
    assert gate in str(told.value)
    assert rule in str(told.value)


@pytest.mark.parametrize("limit", [0, 1])
def test_a_gate_may_be_as_wide_or_as_narrow_as_can_be(limit):
    """The ends of the range belong to it."""
    shares = ("min_share", "coverage", "ari", "jaccard", "ari_backtest", "typing_agreement")
    assert Gates(1, 1, **dict.fromkeys(shares, limit)).coverage == limit


def test_every_gate_is_told_with_figure_and_limit():
    """What a winner has passed, and by how much, can be shown; what does not apply fails nothing."""
    checked = {one.gate: one for one in check_gates(_row("a").metrics, Gates(min_share=0.9))}
    assert checked["backtest/ari"].limit == "≥ 0.7"
    assert checked["backtest/n_segments"].figure == 4
    assert not checked["backtest/min_share"].passed
    assert checked["backtest/typing_agreement"].passed
    assert not any(gate.startswith("final/") for gate in checked)
