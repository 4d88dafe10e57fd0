"""What a run tells while it works: each stage with its time, through Python's logging, and how far it is.

A display shows how far a stage is, where somebody looks on; without one nothing is shown, and nothing else differs.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TextIO

logger = logging.getLogger("patronage")

Progress = Callable[[int], None]
"""Told how many parts of a stage are done."""


class Display(Protocol):
    """Shows how far the work is: any number of lines, each of its own key."""

    def show(self, key: str, name: str, done: int, total: int | None) -> None:
        """Show or renew a line; ``total`` is None where nobody knows how much there is to do."""

    def hide(self, key: str) -> None:
        """Take a line away."""


class _Nobody:
    """The display where nobody looks on."""

    def show(self, key: str, name: str, done: int, total: int | None) -> None:
        """Show nothing."""

    def hide(self, key: str) -> None:
        """There is nothing to take away."""


_display: Display = _Nobody()


@contextmanager
def shown_on(display: Display) -> Iterator[None]:
    """Show how far stages are on this display, for a while."""
    global _display  # noqa: PLW0603 - one process has one terminal
    before, _display = _display, display
    try:
        yield
    finally:
        _display = before


def current_display() -> Display:
    """The display in use."""
    return _display


@contextmanager
def progress(name: str, total: int | None = None, key: str = "") -> Iterator[Progress]:
    """Show how far something is while it lasts; the callable given is told how many of ``total`` parts are done."""
    display = _display
    display.show(key or name, name, 0, total)
    try:
        yield lambda done: display.show(key or name, name, done, total)
    finally:
        display.hide(key or name)


@dataclass
class Journal:
    """Stages of a run and the seconds each took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Progress]:
        """Time a stage, show how far it is, and log it when it ends well; times of one name add up."""
        started = time.perf_counter()
        with progress(name, total) as done:
            yield done
        seconds = time.perf_counter() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        logger.info("%-34s %6.1f s", name, seconds)


def note(message: str) -> None:
    """Log a fact that people should know about the run."""
    logger.info("  %s", message)


def warn(message: str) -> None:
    """Log something that may surprise."""
    logger.warning(message)


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that time: while bars are drawn, lines go above them."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: object) -> None:
        """It is never another one."""


def log_to_terminal(*, quiet: bool) -> None:
    """Show what is noted on standard error; quiet: warnings only."""
    handler = _ToStderr()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("patronage")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
