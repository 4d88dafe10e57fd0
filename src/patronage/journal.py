"""What a run tells while it works: each stage with its time, through Python's logging."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

logger = logging.getLogger("patronage")


@dataclass
class Journal:
    """Stages of a run and the seconds each took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and log it when it ends well."""
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
        logger.info("%-34s %6.1f s", name, self.seconds[name])


def note(message: str) -> None:
    """Log a fact that people should know about the run."""
    logger.info("  %s", message)


def warn(message: str) -> None:
    """Log something that may surprise."""
    logger.warning(message)
