"""Work in processes of its own, several at a time: one that is killed takes no other with it, and is not lost."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

Work = Callable[[Any, Callable[[Any], None]], None]
"""Given a task and a way to say something to the caller while it is worked on."""


class Began:
    """The first thing heard of a task: its process has started."""


class Ended:
    """The last thing heard of a task: its process has ended with this exit code; below 0 a signal ended it."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code


def in_processes(work: Work, tasks: Sequence[Any], *, n_parallel: int) -> Generator[tuple[int, Any]]:
    """Work on tasks in new processes.

    Parameters
    ----------
    work : callable
        A function that a new process can import.
    tasks : sequence
        Each goes to a process of its own.
    n_parallel : int
        Processes at a time.

    Yields
    ------
    tuple
        Position of the task, and what is heard of it: `Began`, what its process says, in order, and `Ended`.
    """
    # A forked process would share MLflow's open database; a new one shares nothing.
    context = multiprocessing.get_context("spawn")
    waiting = list(enumerate(tasks))
    running: dict[int, tuple[SpawnProcess, Connection]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < n_parallel:
                position, task = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_begin, args=(work, task, theirs), name=f"task {position}")
                process.start()
                theirs.close()
                running[position] = (process, ours)
                yield position, Began()
            wait([thing for process, ours in running.values() for thing in (ours, process.sentinel)])
            for position, (process, ours) in list(running.items()):
                # Looked at first: what is said before the end is in the pipe by then.
                over = not process.is_alive()
                yield from ((position, said) for said in _heard(ours))
                if over:
                    del running[position]
                    ours.close()
                    process.join()
                    yield position, Ended(process.exitcode or 0)
    finally:
        for process, _ in running.values():
            process.terminate()


def _heard(pipe: Connection) -> Iterator[Any]:
    # A process that is killed while it speaks leaves half a message.
    with suppress(EOFError, OSError):
        while pipe.poll():
            yield pipe.recv()


def _begin(work: Work, task: Any, pipe: Connection) -> None:  # noqa: ANN401
    with suppress(KeyboardInterrupt):  # told by the caller
        work(task, pipe.send)
