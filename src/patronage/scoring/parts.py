"""Finished parts of a scoring on disk, and the journal that says which they are: what a killed run leaves to the next.

The folder ``.<output>.scoring`` holds ``journal.jsonl`` (what is scored by which model, then one line per finished
part), the parts themselves, and, where the input is no file, a copy of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from patronage.errors import InvalidInputError
from patronage.journal import note
from patronage.writing import replacing

JOURNAL, COPY, LOCK = "journal.jsonl", "input", "lock"


@dataclass
class Tally:
    """What was counted, over any number of rows.

    Attributes
    ----------
    rows : int
        Of the input, those set aside included.
    segments : Counter
        Segment id → customers.
    statuses : Counter
        Customer status → customers; empty where the input does not say.
    reasons : Counter
        Why rows were set aside → rows.
    unknown : Counter
        Feature → rows with a category that the model has no column for.
    """

    rows: int = 0
    segments: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def customers(self) -> int:
        """Number of customers scored."""
        return self.segments.total()

    def add(self, other: Tally) -> None:
        """Count the other's rows too."""
        self.rows += other.rows
        for name in ("segments", "statuses", "reasons", "unknown"):
            getattr(self, name).update(getattr(other, name))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Tally:
        """Rebuild from its `vars`."""
        return cls(plain["rows"], *(Counter(plain[name]) for name in ("segments", "statuses", "reasons", "unknown")))


class Parts:
    """The finished parts of one scoring.

    Attributes
    ----------
    folder : Path
    tally : Tally
        Over all finished parts.
    n_taken_over : int
        Customers that an earlier run had scored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tally = Tally()
        self.n_taken_over = 0
        self._n_parts = 0

    def begin(self, about: Mapping[str, Any]) -> None:
        """Begin a journal, or go on with the one that is there.

        Parameters
        ----------
        about : mapping
            What decides the result: the digests of model and input, in words that a message can use as names.

        Raises
        ------
        InvalidInputError
            The parts that are there were made from something else.
        """
        lines = self._lines()
        if not lines:
            with replacing(self.folder / JOURNAL) as fresh:
                fresh.write_text(json.dumps(dict(about)) + "\n", encoding="utf-8")
            return
        if changed := [name for name, value in about.items() if lines[0].get(name) != value]:
            raise InvalidInputError(
                f"resume=true: the {' and the '.join(changed)} changed since the unfinished run; "
                f"start again without resume, or delete {self.folder}."
            )
        for line in lines[1:]:
            self.tally.add(Tally.from_dict(line))
        self._n_parts, self.n_taken_over = len(lines) - 1, self.tally.customers
        # A torn last line would swallow the next one.
        with replacing(self.folder / JOURNAL) as fresh:
            fresh.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        note(f"resumed: {self.n_taken_over:,} customers were scored by an earlier run")

    def add(self, scored: pa.Table, refused: Sequence[tuple[int, str]], tally: Tally) -> None:
        """Keep a finished part; it counts from the moment its line is in the journal."""
        with (
            replacing(self._part(self._n_parts)) as fresh,
            # Not packed: these files live as long as the scoring, and packing took longer than all else about them.
            pa.ipc.new_file(str(fresh), scored.schema) as writer,
        ):
            writer.write_table(scored)
        self._refused(self._n_parts).unlink(missing_ok=True)  # of a run that was killed before its part counted
        if refused:
            with replacing(self._refused(self._n_parts)) as fresh:
                # Quoted like pandas would: a column's name may hold a comma.
                lines = [f'{row},"{reason.replace(chr(34), chr(34) * 2)}"\n' for row, reason in refused]
                fresh.write_text("".join(lines), encoding="utf-8")
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(vars(tally)) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
        self._n_parts += 1
        self.tally.add(tally)

    def scored(self) -> Iterator[pa.Table]:
        """Scored customers, part by part."""
        for number in range(self._n_parts):
            with pa.ipc.open_file(str(self._part(number))) as reader:
                yield reader.read_all()

    def ids(self) -> Iterator[pa.ChunkedArray]:
        """Ids of the scored customers, part by part."""
        for table in self.scored():
            yield table["customer_id"]

    def refused(self) -> Iterator[str]:
        """Lines of the rows set aside, part by part."""
        for number in range(self._n_parts):
            if self._refused(number).exists():
                yield self._refused(number).read_text(encoding="utf-8")

    def _lines(self) -> list[dict[str, Any]]:
        """Whole lines of the journal; the last one may be torn."""
        found: list[dict[str, Any]] = []
        path = self.folder / JOURNAL
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found

    def _part(self, number: int) -> Path:
        return self.folder / f"{number:06d}.arrow"

    def _refused(self, number: int) -> Path:
        return self.folder / f"{number:06d}.rejected.csv"


@contextmanager
def kept_parts(folder: Path, *, resume: bool) -> Iterator[Parts]:
    """Open the folder of unfinished parts for one run; it goes when the block ends well.

    After an error it goes too, unless ``resume`` is set, so that a full disk is free again; a run that is killed or
    stopped leaves it.

    Raises
    ------
    InvalidInputError
        Another run is writing the same output.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInputError(f"another run is writing this output ({folder} is in use); wait for it.") from None
        if not resume and (folder / JOURNAL).exists():
            note("an unfinished run of this output is discarded; resume=true would have continued it")
        for path in folder.iterdir():
            # Unfinished files of a killed run begin with a dot.
            if path.name != LOCK and (not resume or path.name.startswith(".")):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            yield Parts(folder)
        except Unwritten:
            raise
        except Exception:
            if not resume:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


class Unwritten(InvalidInputError):  # noqa: N818 - it is what the parts are, and they stay
    """All is scored, but the place it should go to cannot take it now."""
