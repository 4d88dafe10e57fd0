"""One job of a sweep: a training that stops where the choice between the jobs begins, and is finished if it wins."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from patronage.errors import NoCandidatePassedError, PatronageError
from patronage.evaluation.evidence import select_customers
from patronage.journal import Journal, logger, shown_on
from patronage.observation import Observed
from patronage.selection import Selection, select
from patronage.sweep.choice import Contender
from patronage.tracking import tracked_run
from patronage.train import backtest, finish, log_setup, prepare, prove
from patronage.training import Backtest, Prepared, Trained, Training


@dataclass(frozen=True)
class Job:
    """One combination of a sweep's options.

    Attributes
    ----------
    number : int
        From 1.
    overrides : tuple of str
        What this job does differently from the others.
    training : Training, optional
        None where the options are none that can be trained with.
    fault : str
        Why not, then.
    """

    number: int
    overrides: tuple[str, ...]
    training: Training | None
    fault: str = ""

    @property
    def name(self) -> str:
        """Name of its run in MLflow."""
        return f"job {self.number}{': ' if self.overrides else ''}{' '.join(self.overrides)}"


@dataclass(frozen=True)
class Held:
    """A training that waits to be finished: nothing has been read of what its confirm customers did."""

    training: Training
    prepared: Prepared
    tested: Backtest
    run_id: str
    name: str
    seconds: dict[str, float]


@dataclass(frozen=True)
class Apart:
    """What a job's process is given: the job, the sweep's run, and where to leave what finishing it needs."""

    job: Job
    sweep_run_id: str
    place: Path


@dataclass(frozen=True)
class Logged:
    """A line of a job's journal."""

    level: int
    message: str


@dataclass(frozen=True)
class Shown:
    """How far a job's stage is; ``done`` is None when it is over."""

    key: str
    name: str = ""
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class Opened:
    """The job's run in MLflow has begun."""

    run_id: str


@dataclass(frozen=True)
class Said:
    """How a job ended: its exit status, why there is no candidate, or else the best one."""

    status: int
    message: str = ""
    contender: Contender | None = None


def work_apart(task: Apart, say: Callable[[Any], None]) -> None:
    """Work on a job in a process of its own; whatever happens is said, and nothing is raised."""
    logger.handlers, logger.propagate = [_Teller(say)], False
    logger.setLevel(logging.INFO)
    try:
        with shown_on(_Relay(say)):
            contender = hold(task, say)
        say(Said(0, contender=contender))
    except PatronageError as error:
        say(Said(error.exit_status, str(error)))
    except Exception as error:  # noqa: BLE001 - the other jobs go on, whatever it was
        logger.error(traceback.format_exc())
        # What an unforeseen error says may hold a customer's value, so the log keeps its kind alone.
        say(Said(1, f"{type(error).__name__}; the traceback stands in the log of the sweep"))


def hold(task: Apart, say: Callable[[Any], None]) -> Contender:
    """Train up to the point where a choice can be made, and leave what finishing needs.

    Raises
    ------
    PatronageError
        As `train.train`; `NoCandidatePassedError` with the near misses.
    """
    job, journal = task.job, Journal()
    assert job.training is not None  # noqa: S101 - others never begin
    training = job.training
    prepared = prepare(training, journal)
    with tracked_run(training.tracking, training.config, name=job.name, parent_run_id=task.sweep_run_id) as run:
        say(Opened(run.run_id))
        log_setup(training, prepared, run, journal)
        tested = backtest(training, prepared, journal)
        selection = select(tested.rows, training.policy)
        run.log_selection(selection, tested.baselines, training.policy, {})
        run.log_seconds(journal.seconds)
    if selection.winner is None:
        raise NoCandidatePassedError(near_misses(selection))
    held = Held(training, prepared, tested, run.run_id, job.name, journal.seconds)
    joblib.dump(held, task.place)
    return contender_of(job.number, held, selection)


def prove_held(place: Path, number: int) -> Contender | None:
    """Refit a job's best candidate on all customers; gives the best of those that have not failed this.

    Returns
    -------
    Contender, optional
        Proved if it is the one that was the best before; None where no candidate is left.
    """
    held: Held = joblib.load(place)
    selection = select(held.tested.rows, held.training.policy)
    if selection.winner is None:
        return None
    position = selection.verdicts.index(selection.winner)
    held.tested.rows[position] = prove(held.training, held.prepared, held.tested, Journal(held.seconds), position)
    joblib.dump(held, place)
    selection = select(held.tested.rows, held.training.policy)
    return None if selection.winner is None else contender_of(number, held, selection)


def finish_held(place: Path, failed_elsewhere: int) -> Trained:
    """Finish the job that has won: confirm, package and register its best candidate, in the job's own run."""
    held: Held = joblib.load(place)
    tracking, config, name = held.training.tracking, held.training.config, f"winner, {held.name}"
    with tracked_run(tracking, config, name=name, run_id=held.run_id) as run:
        journal = Journal(held.seconds)
        return finish(held.training, held.prepared, held.tested, run, journal, failed_elsewhere=failed_elsewhere)


def contender_of(number: int, held: Held, selection: Selection) -> Contender:
    """A job's best candidate, by what is known of the select customers."""
    assert selection.winner is not None  # noqa: S101 - the caller has looked
    position = selection.verdicts.index(selection.winner)
    evidence = held.tested.judge.evidence
    return Contender(
        number,
        selection.winner.row,
        held.training.policy,
        held.tested.judge.foreseen(held.tested.candidates[position].labels),
        tuple(name for name, counts in zip(evidence.outcomes, evidence.counted, strict=True) if counts),
        judged_by(held.prepared.judged),
    )


def judged_by(judged: Observed) -> str:
    """Digest of who was judged, and by what the select customers did; jobs that share it can be compared."""
    digest = hashlib.blake2b(digest_size=8)
    names = judged.features.index.to_list()
    digest.update("\n".join(names).encode())
    digest.update("\n".join(judged.outcomes.columns).encode())
    digest.update(np.ascontiguousarray(judged.outcomes.loc[select_customers(names)].to_numpy(float).round(6)).tobytes())
    return digest.hexdigest()


def near_misses(selection: Selection) -> str:
    """The candidates that came nearest to passing, in one line."""
    misses = [f"{verdict.row.name}: {verdict.reason}" for verdict in selection.near_misses(1)]
    return "; ".join(["no candidate passed", *misses])


class _Teller(logging.Handler):
    """Sends log lines to the process that started this one."""

    def __init__(self, say: Callable[[Any], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line."""
        self._say(Logged(record.levelno, record.getMessage()))


class _Relay:
    """Sends how far stages are to the process that started this one."""

    def __init__(self, say: Callable[[Any], None]) -> None:
        self._say = say

    def show(self, key: str, name: str, done: int, total: int | None) -> None:
        """Send how far a stage is."""
        self._say(Shown(key, name, done, total))

    def hide(self, key: str) -> None:
        """Send that a stage is over."""
        self._say(Shown(key))
