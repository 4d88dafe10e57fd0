"""Which job wins: compared on one scale, by what the select customers did, and never across different questions."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronage.evaluation.row import Row
from patronage.selection import Policy
from patronage.sweep.choice import Contender, choose, kept_common
from patronage.sweep.comparison import JobEnd, comparison_frame, comparison_html, sweep_description, worst

VALUE, BALANCED = Policy({"value/kept": 1.0}), Policy({"value/kept": 0.5, "stability/ari": 0.5})


def contender(
    job: int, segments: float, ceiling: float, *, k: int = 4, ari: float = 0.8, policy: Policy = VALUE
) -> Contender:
    """A candidate whose segments reach R² ``segments`` of the one outcome, where ``ceiling`` was foreseeable."""
    metrics = {
        "value/kept": segments / ceiling,
        "size/n_segments": float(k),
        "stability/ari": ari,
        "size/min_share": 0.1,
    }
    return Contender(
        job, Row(f"kmeans {job}", metrics=metrics), policy, {"spend": (segments, ceiling)}, ("spend",), "q"
    )


def test_a_low_ceiling_makes_no_winner() -> None:
    """A poor feature set keeps much of the little it foresees; on the common scale the better forecast wins."""
    poor, rich = contender(1, 0.28, 0.30), contender(2, 0.45, 0.50)
    assert poor.row.metrics["value/kept"] > rich.row.metrics["value/kept"]
    assert kept_common([poor, rich]) == pytest.approx({1: 0.56, 2: 0.9})
    assert choose([poor, rich]).winner == 2


def test_an_outcome_that_counts_in_one_job_counts_in_all() -> None:
    """What only the better features foresee is not left out of the comparison: by hand, (.3 + .1) / (.4 + .2)."""
    blind = replace(contender(1, 0.3, 0.4), foreseen={"spend": (0.3, 0.4), "visits": (0.0, 0.01)})
    seeing = replace(
        contender(2, 0.3, 0.4), foreseen={"spend": (0.3, 0.4), "visits": (0.1, 0.2)}, counted=("spend", "visits")
    )
    assert kept_common([blind, seeing]) == pytest.approx({1: 0.3 / 0.6, 2: 0.4 / 0.6})


def test_near_equals_go_to_the_fewest_segments() -> None:
    """Kept rises with the number of segments, so within the tolerance fewer are better."""
    choice = choose([contender(1, 0.450, 0.5, k=7), contender(2, 0.445, 0.5, k=4), contender(3, 0.43, 0.5, k=3)])
    assert choice.winner == 2
    assert "within 0.02 of the best" in choice.reason


def test_the_jobs_own_objective_is_the_sweeps_where_they_share_it() -> None:
    """With half its weight on stability the steadier job wins that keeps a little less."""
    pair = [contender(1, 0.45, 0.5, ari=0.7), contender(2, 0.42, 0.5, ari=0.95)]
    assert choose(pair).winner == 1
    assert choose([replace(one, policy=BALANCED) for one in pair]).winner == 2


def test_where_objectives_differ_kept_decides() -> None:
    """A sweep over the selection itself is judged by what is kept of the common ceiling, and says so."""
    choice = choose([contender(1, 0.45, 0.5), contender(2, 0.40, 0.5, ari=1.0, policy=BALANCED)])
    assert choice.winner == 1
    assert "the jobs' own objectives differ" in choice.reason


def test_where_nothing_came_later_and_objectives_differ_stability_decides() -> None:
    """A snapshot's jobs have no kept to compare by."""

    def without_outcomes(job: int, ari: float, policy: Policy) -> Contender:
        row = Row("kmeans", metrics={"stability/ari": ari, "size/n_segments": 4.0, "separation/silhouette_common": 0.3})
        return Contender(job, row, policy, {}, (), "q")

    apart = Policy({"separation/silhouette_common": 1.0})
    steady = Policy({"stability/ari": 1.0})
    assert choose([without_outcomes(1, 0.8, apart), without_outcomes(2, 0.9, steady)]).winner == 2


def test_jobs_that_judged_different_customers_have_no_winner() -> None:
    """Other data, windows or outcomes make figures that do not compare; nothing is chosen then."""
    choice = choose([contender(1, 0.4, 0.5), replace(contender(2, 0.1, 0.5), judged_by="other")])
    assert choice.winner is None
    assert "do not compare" in choice.reason
    assert all(math.isnan(value) for value in choice.kept_common.values())


def test_no_contender_is_no_winner() -> None:
    """A sweep in which nothing passes says so."""
    assert choose([]).winner is None


ENTRIES = st.lists(
    st.tuples(st.floats(-0.2, 0.5), st.floats(0.05, 0.6), st.integers(2, 8), st.floats(0.5, 1.0)),
    min_size=1,
    max_size=6,
)


@given(ENTRIES, st.randoms(use_true_random=False))
def test_the_order_of_jobs_changes_no_winner(entries: list[tuple[float, float, int, float]], chance: object) -> None:
    """Which job ends first, or stands first, is no reason to win."""
    jobs = [contender(n, seg, top, k=k, ari=ari, policy=BALANCED) for n, (seg, top, k, ari) in enumerate(entries, 1)]
    mixed = list(jobs)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert choose(mixed).winner == choose(jobs).winner


@given(ENTRIES)
def test_the_winner_is_within_the_tolerance_of_the_best_and_nothing_smaller_is(
    entries: list[tuple[float, float, int, float]],
) -> None:
    """The rule that holds among candidates holds among jobs."""
    jobs = [contender(n, seg, top, k=k) for n, (seg, top, k, _) in enumerate(entries, 1)]
    choice = choose(jobs)
    best = max(choice.objective.values())
    near = [job for job in jobs if choice.objective[job.job] >= best - 0.02]
    assert choice.winner in [job.job for job in near]
    won = next(job for job in jobs if job.job == choice.winner)
    assert won.row.metrics["size/n_segments"] == min(job.row.metrics["size/n_segments"] for job in near)


@pytest.mark.parametrize(("statuses", "expected"), [([0, 0], 0), ([0, 3], 3), ([3, 2, 0], 2), ([2, 1, 3], 1), ([], 0)])
def test_the_worst_status_of_the_jobs(statuses: list[int], expected: int) -> None:
    """0 < 3 < 2 < 1: no candidate is a result, bad input none, a crash a fault."""
    assert worst([JobEnd(n, (), status, "", 0.0) for n, status in enumerate(statuses)]) == expected


def test_what_a_table_holds_cannot_break_page_or_description() -> None:
    """Messages with markup, pipes and line ends are shown as they are, in one line."""
    ends = [
        JobEnd(1, ("seed=0",), 0, "", 1.0, "a", contender(1, 0.4, 0.5)),
        JobEnd(2, ("seed=1",), 2, "<b>a | b</b>\nsecond line", 1.0),
    ]
    choice = choose([ends[0].contender])  # type: ignore[list-item]
    table = comparison_frame(ends, choice)
    assert list(table["status"]) == ["winner", "bad input"]
    assert "<b>" not in comparison_html(table, choice.reason)
    (line,) = [line for line in sweep_description(table, choice, {}).splitlines() if "seed=1" in line]
    assert line.count("|") == sweep_description(table, choice, {}).splitlines()[4].count("|")
