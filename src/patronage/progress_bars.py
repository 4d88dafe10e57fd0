"""How far the work is, as bars at the foot of a terminal; they are gone when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from patronage.journal import shown_on

_NAME = 42
"""Room for a stage's name; with bar, count and time a line fits into 80 columns."""


class Bars:
    """A `journal.Display` that draws a bar per line."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, key: str, name: str, done: int, total: int | None) -> None:
        """Draw or renew a bar; without a total it shows that something goes on, and for how long."""
        counted = "" if total is None else f"{done}/{total}"
        short = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(short, total=total, counted=counted)
        self._progress.update(self._tasks[key], completed=done, total=total, counted=counted)

    def hide(self, key: str) -> None:
        """Take a bar away."""
        if key in self._tasks:
            self._progress.remove_task(self._tasks.pop(key))


@contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[None]:
    """Draw bars on stderr while the work lasts, if it is a terminal and nobody wants quiet."""
    console = Console(stderr=True)
    if quiet or not sys.stderr.isatty() or not console.is_terminal:
        yield
        return
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
    )
    # What is logged meanwhile goes through rich too, and so stands above the bars.
    with (
        Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress,
        shown_on(Bars(progress)),
    ):
        yield
