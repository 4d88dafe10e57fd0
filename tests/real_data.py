"""Where the small real data sets lie, for the tests that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def real_data() -> Iterator[Path]:
    """The folder with the data sets, to which the shipped data configurations point meanwhile; skips without one."""
    given = os.environ.get("PATRONAGE_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is no folder; PATRONAGE_DATA names another one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATRONAGE_DATA", str(folder.resolve()))
        yield folder.resolve()
