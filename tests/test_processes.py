"""Work in processes of its own: all of it ends, and what is killed is told."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from patronage.processes import Began, Ended, in_processes


def obey(task: str, say: Callable[[Any], None]) -> None:
    """Do what the task says, in the process that was made for it."""
    say(f"{task} begins")
    if task == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "leaves":
        os._exit(7)
    if task == "speaks much":
        say("x" * 5_000_000)
    if task.startswith("waits"):
        time.sleep(1.0)
    say(os.getpid())


def test_every_task_ends_and_none_takes_another_with_it() -> None:
    """A process that is killed or leaves at once has its exit code; the others say all they have to say."""
    tasks = ["dies", "speaks much", "leaves", "works"]
    heard: dict[int, list[Any]] = {number: [] for number in range(4)}
    for number, said in in_processes(obey, tasks, n_parallel=2):
        heard[number].append(said)
    codes = [messages[-1].exit_code for messages in heard.values()]
    assert codes == [-signal.SIGKILL, 0, 7, 0]
    assert all(isinstance(messages[0], Began) for messages in heard.values())
    assert [messages[1] for messages in heard.values()] == [f"{task} begins" for task in tasks]
    assert len(heard[1][2]) == 5_000_000
    assert heard[3][2] != os.getpid()


def test_no_more_than_so_many_work_at_a_time() -> None:
    """Three tasks, two at a time: the third begins when one of the others has ended."""
    order = [
        type(said)
        for _, said in in_processes(obey, ["waits 1", "waits 2", "waits 3"], n_parallel=2)
        if isinstance(said, Began | Ended)
    ]
    assert order[:2] == [Began, Began]
    assert order[2] is Ended
    assert order.count(Ended) == 3


def test_who_stops_listening_leaves_no_process_behind() -> None:
    """An interrupted sweep ends its jobs."""
    before = set(multiprocessing.active_children())  # of other tests in the same process
    messages = in_processes(obey, ["waits 1"], n_parallel=1)
    next(messages)
    (process,) = set(multiprocessing.active_children()) - before
    messages.close()  # type: ignore[attr-defined] # a generator
    process.join(10)
    assert not process.is_alive()
