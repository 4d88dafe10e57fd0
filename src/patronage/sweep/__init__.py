"""A sweep: a training per combination of options, compared in one table; the best is confirmed once and registered.

Every job stops before its confirm customers are looked at. The sweep chooses among the jobs' best candidates by what
the select customers did, and only the winner goes on: refit on all customers, confirmed, packaged, registered.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from patronage.errors import InvalidConfigError
from patronage.journal import current_display, logger, note, progress
from patronage.package_folder import require_replaceable
from patronage.processes import Began, Ended, in_processes
from patronage.sweep.choice import Choice, Contender, choose
from patronage.sweep.comparison import (
    CRASHED,
    NONE_PASSED,
    SEVERITY,
    JobEnd,
    comparison_frame,
    comparison_html,
    sweep_description,
    worst,
)
from patronage.sweep.jobs import Apart, Job, Logged, Opened, Said, Shown, finish_held, prove_held, work_apart
from patronage.tracking import TrackedSweep, Tracking, tracked_sweep
from patronage.training import Trained

__all__ = ["Choice", "Job", "JobEnd", "Swept", "comparison_frame", "sweep"]


@dataclass(frozen=True)
class Swept:
    """The outcome of a sweep.

    Attributes
    ----------
    ends : tuple of JobEnd
        In the order of the jobs.
    choice : Choice
    trained : Trained, optional
        The winner's training, finished; None where there is no winner.
    run_id : str
        The sweep's run in MLflow.
    seconds : float
    """

    ends: tuple[JobEnd, ...]
    choice: Choice
    trained: Trained | None
    run_id: str
    seconds: float

    @property
    def exit_status(self) -> int:
        """The worst of the jobs' (0 < 3 < 2 < 1); at least 3 where there is no winner."""
        statuses = [worst(self.ends), *([] if self.trained is not None else [NONE_PASSED])]
        return max(statuses, key=SEVERITY.index)


def sweep(jobs: Sequence[Job], *, n_parallel: int, name: str, asked: str) -> Swept:
    """Train with every combination of options, and register the best.

    Every job is worked on to its end, whatever becomes of the others.

    Parameters
    ----------
    jobs : sequence of Job
    n_parallel : int
        Jobs at a time, each in a process of its own.
    name : str
        Name of the sweep's run.
    asked : str
        The sweep's overrides, for the log.

    Raises
    ------
    InvalidConfigError
        No job can begin, or the jobs' stores differ.
    """
    started = time.perf_counter()
    tracking = _common_store(jobs)
    with tracked_sweep(tracking, name) as run, tempfile.TemporaryDirectory(prefix="patronage-sweep-") as scratch:
        run.log_jobs(asked, [" ".join(job.overrides) for job in jobs])
        ends = _work(jobs, run, Path(scratch), n_parallel)
        choice = choose(_contenders(ends))
        # What is known by now is logged before the winner goes on: whatever happens then, it is not lost.
        _log(run, ends, choice, {})
        ends, choice, trained = _finish_best(ends, Path(scratch))
        confirm = {} if trained is None else trained.confirm
        _log(run, ends, choice, confirm)
        seconds = time.perf_counter() - started
        won = next((one for one in _contenders(ends) if one.job == choice.winner), None)
        run.log_winner(
            "" if won is None else won.row.name,
            "" if trained is None else trained.run_id,
            {} if won is None else won.row.metrics,
            confirm,
            seconds,
        )
        return Swept(tuple(ends), choice, trained, run.run_id, seconds)


def _common_store(jobs: Sequence[Job]) -> Tracking:
    """The store that all jobs log to; checks that the winner, whichever it will be, can be packaged."""
    able = [job.training for job in jobs if job.training is not None]
    if not able:
        raise InvalidConfigError(jobs[0].fault if jobs else "the sweep has no jobs.")
    if len({(one.tracking.uri, one.tracking.experiment) for one in able}) > 1:
        raise InvalidConfigError(
            "the jobs of a sweep log to one store: tracking.uri and tracking.experiment must agree."
        )
    for output in {one.output for one in able}:
        require_replaceable(output)
    able[0].tracking.require_place()
    return able[0].tracking


def _work(jobs: Sequence[Job], run: TrackedSweep, scratch: Path, n_parallel: int) -> list[JobEnd]:
    """Work on all jobs, and tell what becomes of each."""
    ends = {job.number: JobEnd(job.number, job.overrides, 2, job.fault, 0.0) for job in jobs if job.training is None}
    able = [job for job in jobs if job.training is not None]
    tasks = [Apart(job, run.run_id, _place(scratch, job.number)) for job in able]
    said: dict[int, Said] = {}
    run_ids: dict[int, str] = {}
    began: dict[int, float] = {}
    with (
        progress(f"sweep of {len(jobs)} jobs", len(jobs)) as done,
        closing(in_processes(work_apart, tasks, n_parallel=n_parallel)) as messages,
    ):
        for position, message in messages:
            job = able[position]
            match message:
                case Began():
                    began[job.number] = time.perf_counter()
                case Logged():
                    logger.log(message.level, "[%d] %s", job.number, message.message)
                case Shown():
                    _show(job.number, message)
                case Opened():
                    run_ids[job.number] = message.run_id
                case Said():
                    said[job.number] = message
                case Ended():
                    seconds = time.perf_counter() - began[job.number]
                    last = said.get(job.number) or Said(CRASHED, _killed(message.exit_code))
                    run_id = run_ids.get(job.number, "")
                    end = JobEnd(job.number, job.overrides, last.status, last.message, seconds, run_id, last.contender)
                    ends[job.number] = end
                    done(len(ends))
                    _tell(end, len(jobs))
    for job in jobs:
        end = ends[job.number]
        if end.status not in (0, NONE_PASSED):
            ends[job.number] = replace(end, run_id=run.log_lost_job(job.name, end.run_id, end.message))
    return [ends[job.number] for job in jobs]


def _finish_best(ends: Sequence[JobEnd], scratch: Path) -> tuple[list[JobEnd], Choice, Trained | None]:
    """Finish the best job; a candidate that fails its refit on all customers gives way to the next best of any job."""
    left = {end.number: end for end in ends}
    failed: list[int] = []
    while True:
        choice = choose(_contenders(left.values()))
        if choice.winner is None:
            return list(left.values()), choice, None
        end = left[choice.winner]
        assert end.contender is not None  # noqa: S101 - others are not chosen from
        note(f"job {end.number} goes on with {end.contender.row.name}: {choice.reason}")
        proved = prove_held(_place(scratch, end.number), end.number)
        if proved is not None and proved.row.name == end.contender.row.name:
            left[end.number] = replace(end, contender=proved)
            failed_elsewhere = sum(number != end.number for number in failed)
            return list(left.values()), choice, finish_held(_place(scratch, end.number), failed_elsewhere)
        failed.append(end.number)
        note(f"{end.contender.row.name} fails its refit on all customers")
        gone = f"no candidate is left; {end.contender.row.name} fails its refit on all customers"
        left[end.number] = (
            replace(end, contender=proved)
            if proved is not None
            else replace(end, status=NONE_PASSED, message=gone, contender=None)
        )


def _contenders(ends: Iterable[JobEnd]) -> list[Contender]:
    return [end.contender for end in ends if end.contender is not None]


def _place(scratch: Path, number: int) -> Path:
    return scratch / f"{number}.joblib"


def _log(run: TrackedSweep, ends: Sequence[JobEnd], choice: Choice, confirm: Mapping[str, float]) -> None:
    table = comparison_frame(ends, choice)
    run.log_comparison(table, comparison_html(table, choice.reason), sweep_description(table, choice, confirm))


def _show(number: int, shown: Shown) -> None:
    key = f"{number} {shown.key}"
    if shown.done is None:
        current_display().hide(key)
    else:
        current_display().show(key, f"[{number}] {shown.name}", shown.done, shown.total)


def _tell(end: JobEnd, n_jobs: int) -> None:
    became = end.message if end.contender is None else end.contender.row.name
    logger.info("job %d of %d  %6.1f s  %s  →  %s", end.number, n_jobs, end.seconds, " ".join(end.overrides), became)


def _killed(exit_code: int) -> str:
    """Why a process ended without a word."""
    if exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:  # real-time signals have no names
            name = f"signal {-exit_code}"
        often = "; often memory has run out" if -exit_code == signal.SIGKILL else ""
        return f"its process was ended by {name}{often}"
    return f"its process ended with status {exit_code} without a word"
