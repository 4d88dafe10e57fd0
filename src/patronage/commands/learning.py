"""`patronage train`, `promote`, `rollback`: models made, and put in charge."""

from __future__ import annotations

import sys
from typing import Any

from patronage import terminal
from patronage.challenge import ChallengeGates
from patronage.config import SweepPlan, training
from patronage.errors import NoCandidatePassedError
from patronage.journal import log_to_terminal
from patronage.progress_bars import progress_bars
from patronage.sweep import sweep
from patronage.tracking import Tracking, TrackingError, promote, rollback, why_refused
from patronage.train import train


def run_train(config: dict[str, Any]) -> int:
    """Train, and show what came of it."""
    with progress_bars(quiet=config["quiet"]):
        trained = train(training(config))
    terminal.leaderboard(trained.selection, trained.baselines)
    if trained.selection.winner is None or trained.model is None:
        misses = [f"  {verdict.row.name}: {verdict.reason}" for verdict in trained.selection.near_misses()]
        advice = (
            "Look at which gate fails. What often helps: fewer or steadier features ('features=[rfm,basket]'), a "
            f"longer look back (lookback_days, now {config['lookback_days']}) where the data go back far enough, "
            "another representation (representation=standard), more customers."
        )
        lines = ["no candidate passed; nothing is registered.", *misses, advice]
        raise NoCandidatePassedError("\n".join(lines))
    terminal.segments(
        trained.model.segments, trained.confirm, None if trained.report is None else trained.report.first_actions
    )
    terminal.succession(trained.model.about)
    _tell_registered(Tracking(**config["tracking"]), trained.version)
    return 0


def run_sweep(plan: SweepPlan, asked: str, *, show: bool) -> int:
    """Train every combination of a sweep, and show what came of each."""
    if show:
        print(
            "\n".join(
                f"{job.number}: {' '.join(job.overrides)}{job.fault and f'  →  {job.fault}'}" for job in plan.jobs
            ),
        )
        return 0
    log_to_terminal(quiet=plan.quiet)
    with progress_bars(quiet=plan.quiet):
        swept = sweep(plan.jobs, n_parallel=plan.n_parallel, name=plan.name, asked=asked)
    terminal.sweep(swept)
    if swept.trained is None or swept.trained.model is None:
        print(f"patronage train: no winner, nothing is registered: {swept.choice.reason}.", file=sys.stderr)
    else:
        report = swept.trained.report
        terminal.segments(
            swept.trained.model.segments, swept.trained.confirm, None if report is None else report.first_actions
        )
        terminal.succession(swept.trained.model.about)
        (winner,) = (job.training for job in plan.jobs if job.training and job.number == swept.choice.winner)
        _tell_registered(winner.tracking, swept.trained.version)
    return swept.exit_status


def _tell_registered(tracking: Tracking, version: str | None) -> None:
    """Say what a training registered, and what can be done with it."""
    try:
        refused = why_refused(tracking, version)
    except TrackingError:  # a server that fails only now takes nothing away
        refused = ()
    follows = f"patronage promote will refuse it: {'; '.join(refused)}" if refused else "next: patronage promote"
    print(f"registered version {version}, alias challenger; {follows}")


def run_promote(config: dict[str, Any]) -> int:
    """Put a version in charge."""
    tracking, gates = Tracking(**config["tracking"]), ChallengeGates(**config["gates"])
    terminal.promotion(
        tracking.registered_model,
        promote(tracking, config["version"], gates=gates, force=config["force"]),
    )
    return 0


def run_rollback(config: dict[str, Any]) -> int:
    """Put the previous champion back in charge."""
    tracking = Tracking(**config["tracking"])
    terminal.promotion(tracking.registered_model, rollback(tracking))
    return 0
