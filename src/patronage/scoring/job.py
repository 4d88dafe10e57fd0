"""A scoring from its first row to its manifest: constant memory, whole or not at all, and able to go on when killed."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from patronage import __version__
from patronage.errors import InvalidConfigError, InvalidInputError, PatronageError
from patronage.features import FeatureTable
from patronage.journal import Progress, progress, warn
from patronage.model import BASES, SegmentationModel
from patronage.scoring.building import features_of, window_of
from patronage.scoring.databases import database_tables
from patronage.scoring.outputs import CODED_SCHEMA, FileOutput, Output
from patronage.scoring.parts import COPY, Parts, Tally, Unwritten, kept_parts
from patronage.scoring.provenance import model_digest, name_and_version
from patronage.scoring.rows import RowReader
from patronage.scoring.sources import Copy, Source, digest_of, file_source, frame_tables
from patronage.segments import RESERVED_NAMES
from patronage.tables import Tables
from patronage.tables.database import without_password
from patronage.tables.files import resolve_files
from patronage.writing import replacing

CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class Input:
    """What is to be scored.

    Attributes
    ----------
    about : mapping
        What it is, for the manifest; the same again when a run goes on.
    digest : callable
        Gives the fingerprint of its rows; None for a database, which is copied once and then stays what it was.
    open : callable
        Gives the rows, to be read in chunks; takes an empty `Copy` for what is no file.
    files : tuple of Path, default ()
        Files that its rows come from, however they are read.
    """

    about: Mapping[str, Any]
    digest: Callable[[], str | None]
    open: Callable[[Copy], Source]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Scored:
    """What a scoring did.

    Attributes
    ----------
    output : str
        Where the customers are, for people.
    n_customers : int
        Customers scored.
    counts : mapping
        Segment id → (name, customers), in the order of ids.
    rejected : mapping
        Why rows were set aside → rows, the most frequent first.
    rejected_file : Path, optional
        Their numbers and reasons; None if there are none.
    manifest : Path
    """

    output: str
    n_customers: int
    counts: Mapping[str, tuple[str, int]]
    rejected: Mapping[str, int] = field(default_factory=dict)
    rejected_file: Path | None = None
    manifest: Path = field(default_factory=Path)


def from_file(path: Path, model: SegmentationModel, as_of: date | None = None) -> Input:
    """A feature table in a file; ``as_of`` is only written down."""
    file_source(path, model)  # tells at once what cannot be read
    about = {"path": str(path), "as_of": None if as_of is None else as_of.isoformat()}
    return Input(about, lambda: digest_of(path), lambda _: file_source(path, model), (path,))


def from_database(url: str, table: str | None, as_of: date | None = None) -> Input:
    """A feature table in a database; read once, in one statement, to a copy on disk."""

    def copied(copy: Copy) -> Source:
        if not copy.is_whole:
            with progress("reading the database"):
                copy.fill(database_tables(url, table))
        return copy.source()

    about = {"path": without_password(url), "table": table, "as_of": None if as_of is None else as_of.isoformat()}
    return Input(about, lambda: None, copied)


def from_tables(
    tables: Tables, model: SegmentationModel, as_of: date | None = None, ready: FeatureTable | None = None
) -> Input:
    """Raw tables; the model's features are built from them unless ``ready``. ``as_of`` as in `scoring_window`."""

    def built(copy: Copy) -> Source:
        if not copy.is_whole:
            table = ready
            if table is None:
                with progress("building features"):
                    table = features_of(tables, model, as_of)
            frame = table.frame.assign(customer_status=table.status).reset_index()
            copy.fill(frame_tables(frame, CHUNK_ROWS))
        return copy.source()

    about = {"data": tables.source.name, "as_of": window_of(tables, model, as_of).as_of.isoformat()}
    found = [resolve_files(name, table) for name, table in tables.source.tables.items()]
    files = tuple(Path(file) for one in found for matched in one.values() for file in matched)
    return Input(about, tables.digest, built, files)


def score(
    model: SegmentationModel,
    given: Input,
    output: Output,
    *,
    found: str = "",
    chunk_rows: int = CHUNK_ROWS,
    resume: bool = False,
) -> Scored:
    """Score customers into ``output``, with a manifest and the rows set aside beside it.

    Every chunk becomes a finished part on disk before the next is read; when all are there, the parts become the
    output. The result does not depend on ``chunk_rows``, nor on how often the run was interrupted.

    Parameters
    ----------
    model : SegmentationModel
    given : Input
    output : Output
    found : str
        What the model was found as: ``models:/name/version``, or a folder.
    chunk_rows : int, default 50,000
        Rows at a time; raising it takes more memory and hardly less time.
    resume : bool, default False
        Go on where an earlier run of the same model and input was killed; and keep what is finished if this one fails.

    Raises
    ------
    InvalidInputError
        Columns are missing, there is no row that can be scored, the output cannot be written, or the model or the
        input changed since the run that is to be gone on with.
    InvalidConfigError
        The output, or a file beside it, would replace a file that the rows come from.
    """
    started = time.perf_counter()
    output.check()
    _require_other(given, output)
    names = RESERVED_NAMES | {segment.id: segment.name for segment in model.segments}
    beside = output.beside
    with _written(output), kept_parts(beside.with_name(f".{beside.name}.scoring"), resume=resume) as parts:
        digests = {"model": model_digest(model), "input": [dict(given.about), given.digest()]}
        parts.begin(digests)
        copy = Copy(parts.folder / COPY)
        source = given.open(copy)
        reader = RowReader(model, source.columns)
        if not reader.has_status:
            warn("the feature table has no column customer_status: everyone is scored as an active customer")
        for ids in parts.ids():
            reader.remember(ids)
        with progress("scoring customers", source.n_rows) as done:
            _score_chunks(model, source, reader, parts, chunk_rows, done)
        if not parts.tally.customers:
            raise InvalidInputError(_why_nobody(parts.tally))
        name, version = name_and_version(found)
        manifest = {
            "patronage_version": __version__,
            "model": found,
            "model_name": name,
            "model_version": version,
            "model_digest": digests["model"],
            # A part of the fingerprint that may be set for one scoring alone.
            "min_confidence": model.min_confidence,
            "input": {**given.about, "digest": digests["input"][1] or copy.digest(), "rows": parts.tally.rows},
            "as_of": given.about.get("as_of"),
            "output": output.shown,
            "customers": parts.tally.customers,
            "segments": {key: {"name": names[key], "customers": n} for key, n in sorted(parts.tally.segments.items())},
            "statuses": dict(sorted(parts.tally.statuses.items())) or None,
            "rejected": {"rows": parts.tally.reasons.total(), "reasons": dict(parts.tally.reasons.most_common())},
            "unknown_categories": dict(sorted(parts.tally.unknown.items())),
            "columns_not_used": len(source.columns) - len(reader.columns),
            "chunk_rows": chunk_rows,
            "resumed_customers": parts.n_taken_over,
            "seconds": round(time.perf_counter() - started, 3),
        }
        return _finish(parts, output, manifest)


def _score_chunks(
    model: SegmentationModel, source: Source, reader: RowReader, parts: Parts, chunk_rows: int, done: Progress
) -> None:
    ids, names = model.texts
    done(parts.tally.rows)
    for chunk in source.chunks(reader.columns, chunk_rows, parts.tally.rows):
        checked = reader.read(chunk)
        placed = model.place(checked.features)
        tally = Tally(
            rows=chunk.table.num_rows,
            segments=Counter({ids[code]: int(n) for code, n in enumerate(np.bincount(placed.code)) if n}),
            statuses=checked.statuses,
            reasons=Counter(reason for _, reason in checked.refused),
            unknown=checked.unknown,
        )
        segments = _numbers(placed.code)
        columns = [
            checked.ids,
            _coded(segments, ids),
            _coded(segments, names),
            pa.array(placed.confidence, from_pandas=True),
            _coded(_numbers(placed.runner_up), ids),
            pa.array(placed.atypicality, from_pandas=True),
            _coded(_numbers(placed.basis), BASES),
        ]
        table = pa.table(columns, schema=CODED_SCHEMA)
        parts.add(table, checked.refused, tally)
        done(parts.tally.rows)


def _numbers(codes: np.ndarray) -> pa.Array:
    """Positions as Arrow has them; below 0 there is none."""
    nothing = codes < 0
    return pa.array(codes.astype(np.int32), mask=nothing if nothing.any() else None)


def _coded(numbers: pa.Array, texts: Sequence[str]) -> pa.DictionaryArray:
    """Texts by their position."""
    return pa.DictionaryArray.from_arrays(numbers, pa.array(texts, pa.string()), safe=False)


def _finish(parts: Parts, output: Output, manifest: Mapping[str, Any]) -> Scored:
    """Turn the parts into output, rows set aside and manifest; the manifest appears last."""
    counts, (path, rejected) = manifest["segments"], _files_beside(output)
    is_any = bool(parts.tally.reasons)
    with replacing(path) as fresh_manifest:
        fresh_manifest.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
        with replacing(rejected) as fresh_rejected:
            with fresh_rejected.open("w", encoding="utf-8") as lines:
                lines.write("row,reason\n")
                lines.writelines(parts.refused())
            with progress("writing the output"), output.replaced() as write:
                for table in parts.scored():
                    write(table)
    if not is_any:  # one of a former output would mislead
        rejected.unlink()
    return Scored(
        output.shown,
        parts.tally.customers,
        {key: (entry["name"], entry["customers"]) for key, entry in counts.items()},
        dict(parts.tally.reasons.most_common()),
        rejected if is_any else None,
        path,
    )


def _files_beside(output: Output) -> tuple[Path, Path]:
    """Manifest, and rows set aside."""
    name = output.beside.name
    return output.beside.with_name(f"{name}.manifest.json"), output.beside.with_name(f"{name}.rejected.csv")


def _require_other(given: Input, output: Output) -> None:
    # A database's table is safe: whatever has other columns than scored customers have is never replaced.
    written = [*_files_beside(output), *([output.path] if isinstance(output, FileOutput) else [])]
    there = [path for path in written if path.exists()]
    if any(file.exists() and path.samefile(file) for path in there for file in given.files):
        raise InvalidConfigError("output would replace the input; name another output.")


def _why_nobody(tally: Tally) -> str:
    if not tally.rows:
        return "the feature table has 0 rows; at least one customer is needed."
    told = "; ".join(f"{n:,} × {reason}" for reason, n in tally.reasons.most_common(5))
    return f"none of the {tally.rows:,} rows of the feature table can be scored: {told}."


@contextmanager
def _written(output: Output) -> Iterator[None]:
    """What the system says while parts and output are written, in one line."""
    try:
        yield
    except PatronageError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno is not None else type(error).__name__
        raise InvalidInputError(
            f"output={output.shown} cannot be written ({reason}); nothing was written. Make room, or name another."
        ) from None


__all__ = ["CHUNK_ROWS", "Input", "Scored", "Unwritten", "from_database", "from_file", "from_tables", "score"]
