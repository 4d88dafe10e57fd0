"""Progress bars: there while a terminal looks on, gone afterwards, and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from patronage import journal
from patronage.journal import Journal
from patronage.progress_bars import progress_bars

SCRIPT = """
import sys, time
from patronage.journal import log_to_terminal
from patronage.journal import Journal, current_display, note
from patronage.progress_bars import progress_bars
quiet = sys.argv[1] == "quiet"
log_to_terminal(quiet=quiet)
with progress_bars(quiet=quiet):
    with Journal().stage("refit them on 20 subsamples", 20) as done:
        for n in range(1, 21):
            if n == 10:
                note("half of them are done")
            done(n)
            time.sleep(0.02)
    current_display().show("a", "[12] a stage whose name is longer than anybody has room for", 3, None)
    time.sleep(0.2)
"""


def in_a_terminal(*arguments: str) -> str:
    """What a terminal of 80 columns is sent by the script's stderr."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
    with subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stderr=theirs, env=environment):
        os.close(theirs)
        sent = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how a closed terminal ends on Linux
                break
            if not part:
                break
            sent += part
    os.close(ours)
    return sent.decode()


def test_a_terminal_shows_how_far_a_stage_is() -> None:
    """Name, bar and count in one line of 80 columns; the journal's lines stand above and stay."""
    sent = in_a_terminal("aloud")
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent))]
    bars = [line for line in lines if "━" in line]
    assert any("refit them on 20 subsamples" in line and "/20" in line for line in bars)
    assert max(len(line) for line in lines) <= 80
    assert "  half of them are done" in lines
    assert any(re.fullmatch(r"refit them on 20 subsamples +\d+\.\d s", line) for line in lines)
    assert any("[12] a stage whose name is longer than an…" in line for line in lines)


def test_quiet_shows_nothing() -> None:
    """A scheduler that has a terminal is left in peace."""
    assert not in_a_terminal("quiet")


def test_what_is_piped_holds_lines_alone() -> None:
    """No bar, no colour, no cursor movement in a log file."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, "aloud"], capture_output=True, text=True, check=True)
    told = done.stderr.splitlines()
    assert told[0] == "  half of them are done"
    assert re.fullmatch(r"refit them on 20 subsamples +\d+\.\d s", told[1])
    assert len(told) == 2


class Seen:
    """A display that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int | None]] = []

    def show(self, key: str, name: str, done: int, total: int | None) -> None:  # noqa: ARG002 - as any display
        """Remember how far."""
        self.lines.append((key, done))

    def hide(self, key: str) -> None:
        """Remember the end."""
        self.lines.append((key, None))


def test_a_display_hears_of_every_part_and_of_the_end() -> None:
    """Also where the stage fails; afterwards it hears nothing."""
    seen = Seen()
    with journal.shown_on(seen):
        with Journal().stage("one", 2) as done:
            done(1)
            done(2)
        with pytest.raises(ValueError, match="planned"), Journal().stage("two"):
            raise ValueError("planned")
    with Journal().stage("three") as done:
        done(1)
    assert seen.lines == [("one", 0), ("one", 1), ("one", 2), ("one", None), ("two", 0), ("two", None)]


def test_times_of_one_stage_add_up_and_a_failed_stage_has_none() -> None:
    """A stage that comes twice is logged as one sum."""
    kept = Journal({"one": 5.0})
    with kept.stage("one"):
        pass
    with pytest.raises(ValueError, match="planned"), kept.stage("two"):
        raise ValueError("planned")
    assert kept.seconds["one"] >= 5.0
    assert "two" not in kept.seconds


def test_without_a_terminal_there_is_no_display(capsys: pytest.CaptureFixture[str]) -> None:
    """The bars' context changes nothing then."""
    before = journal.current_display()
    with progress_bars():
        assert journal.current_display() is before
    assert not capsys.readouterr().err
