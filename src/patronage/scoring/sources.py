"""Where feature rows come from: Parquet, CSV, TSV, JSON lines, read in chunks; or a copy of rows that were no file."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from patronage.errors import InvalidInputError
from patronage.model import SegmentationModel
from patronage.scoring.rows import CUSTOMER, STATUS, Chunk
from patronage.tables.files import opened
from patronage.tables.sql import first_line
from patronage.writing import replacing, write_text

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson", ".json")
KINDS = (".parquet", *SEPARATORS, *JSON_LINES)
HEAD_LINES = 1000
BLOCK_BYTES = 4 * 2**20
NO_JSON = "the line is no JSON object"


class Source(Protocol):
    """Feature rows that can be read more than once, in the same order."""

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        ...

    @property
    def n_rows(self) -> int | None:
        """Number of rows, where it is known without reading them."""
        ...

    def chunks(self, columns: Sequence[str], chunk_rows: int, skip_rows: int) -> Iterator[Chunk]:
        """Read these columns in chunks of about ``chunk_rows`` rows, the first ``skip_rows`` left out."""
        ...


@dataclass(frozen=True)
class Piece:
    """Rows as a reader gives them; see `Chunk`."""

    table: pa.Table
    faults: dict[int, str]


def kind_of(path: Path) -> str:
    """Ending of a file's name, that of packing left out."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return "" if path.name.endswith(".gz") and suffix == ".parquet" else suffix


def file_source(path: Path, model: SegmentationModel) -> Source:
    """Open a feature table.

    Raises
    ------
    InvalidInputError
        The file is not there, of no known kind, or not what its ending says.
    """
    if not path.is_file():
        raise InvalidInputError(f"no feature table at {path}; set input=… to an existing file ({', '.join(KINDS)}).")
    kind = kind_of(path)
    if kind == ".parquet":
        return ParquetSource([path])
    if kind in SEPARATORS:
        return TextSource(path)
    if kind in JSON_LINES:
        return JsonSource(path, model)
    raise InvalidInputError(f"input={path}: expected a file ending in {', '.join(KINDS)} (text also with .gz).")


def digest_of(path: Path) -> str:
    """Fingerprint of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


class ParquetSource:
    """One Parquet file, or several that follow each other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        with _readable(paths[0]):
            heads = [pyarrow.parquet.read_metadata(path) for path in paths]
            schema = pyarrow.parquet.read_schema(paths[0])
        self.columns = list(schema.names)
        # A few words in so many rows: as numbers they are read at no cost. Other types stay, but Arrow fails on lists.
        is_plain = self.columns.count(STATUS) == 1 and not pa.types.is_nested(schema.field(STATUS).type)
        self._coded = [STATUS] if is_plain else []
        self._rows = [head.num_rows for head in heads]

    @property
    def n_rows(self) -> int:
        """Number of rows of all files."""
        return sum(self._rows)

    def chunks(self, columns: Sequence[str], chunk_rows: int, skip_rows: int) -> Iterator[Chunk]:
        """See `Source`."""
        return _in_chunks(self._pieces(columns, chunk_rows, skip_rows), chunk_rows, skip_rows)

    def _pieces(self, columns: Sequence[str], chunk_rows: int, skip_rows: int) -> Iterator[Piece | int]:
        for path, n_rows in zip(self._paths, self._rows, strict=True):
            if skip_rows >= n_rows:
                skip_rows -= n_rows
                yield n_rows
                continue
            with _readable(path), self._opened(path) as file:
                groups = range(file.num_row_groups)
                first = 0
                while skip_rows >= (n_in_group := file.metadata.row_group(first).num_rows):
                    skip_rows -= n_in_group
                    first += 1
                    yield n_in_group
                for batch in file.iter_batches(chunk_rows, row_groups=groups[first:], columns=list(columns)):
                    yield Piece(pa.Table.from_batches([batch]), {})
            skip_rows = 0

    def _opened(self, path: Path) -> pyarrow.parquet.ParquetFile:
        return pyarrow.parquet.ParquetFile(path, read_dictionary=self._coded, buffer_size=2**20, pre_buffer=False)


class TextSource:
    """A CSV or TSV file, packed by gzip or not."""

    n_rows = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._separator = SEPARATORS[kind_of(path)]
        with _readable(path), opened(str(path)) as stream:
            head = stream.read(1)
        if not head:
            raise InvalidInputError(f"feature table {path} is empty; expected a header and at least one customer.")
        with _readable(path), self._reader(None, []) as reader:
            self.columns = list(reader.schema.names)

    def chunks(self, columns: Sequence[str], chunk_rows: int, skip_rows: int) -> Iterator[Chunk]:
        """See `Source`."""
        return _in_chunks(self._pieces(columns), chunk_rows, skip_rows)

    def _reader(self, columns: Sequence[str] | None, broken: list[tuple[int, str]]) -> Any:  # noqa: ANN401 - untyped
        def set_aside(row: Any) -> str:  # noqa: ANN401 - untyped
            broken.append((row.number - 1, f"{row.actual_columns} values, expected {row.expected_columns}"))
            return "skip"

        # Everything is read as text: an id 007 is not 7, a level 1 is not 1.0, and a word among numbers ends nothing.
        types = {name: pa.string() for name in columns or []}
        return pyarrow.csv.open_csv(
            pa.input_stream(str(self._path), compression="gzip" if self._path.name.endswith(".gz") else None),
            # One thread: only then rows have numbers.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self._separator, newlines_in_values=True, invalid_row_handler=set_aside
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=list(types) or None,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    def _pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        broken: list[tuple[int, str]] = []
        last = 0
        with _readable(self._path), self._reader(columns, broken) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch])
                known = dict(broken)
                numbers = np.arange(last + 1, last + batch.num_rows + len(known) + 1)
                # The reader runs ahead of what it gives, so it may know of rows further down.
                end = numbers[~np.isin(numbers, list(known))][batch.num_rows - 1] if batch.num_rows else last
                faults = {row - last - 1: reason for row, reason in broken if row <= end}
                broken[:] = [(row, reason) for row, reason in broken if row > end]
                yield Piece(_with_gaps(table, faults), faults)
                last = int(end)
            if broken:  # the file's last rows
                faults = {position: reason for position, (_, reason) in enumerate(broken)}
                nothing = pa.table({name: pa.array([], pa.string()) for name in columns})
                yield Piece(_with_gaps(nothing, faults), faults)


class JsonSource:
    """JSON objects, one a line; a key that a line lacks is an empty value."""

    n_rows = None

    def __init__(self, path: Path, model: SegmentationModel) -> None:
        self._path = path
        with _readable(path), opened(str(path)) as stream:
            lines = [_object(line) for line in islice(_filled(stream), HEAD_LINES)]
        self.columns = list(dict.fromkeys(name for line in lines if line is not None for name in line))
        if not self.columns:
            raise InvalidInputError(
                f"feature table {path} holds no JSON objects in its first lines; expected one a line."
            )
        texts = {CUSTOMER, STATUS, *(feature.name for feature in model.inputs if feature.is_text)}
        self._type_of: Callable[[str], pa.DataType] = lambda name: pa.string() if name in texts else pa.float64()

    def chunks(self, columns: Sequence[str], chunk_rows: int, skip_rows: int) -> Iterator[Chunk]:
        """See `Source`."""
        return _in_chunks(self._pieces(columns, chunk_rows, skip_rows), chunk_rows, skip_rows)

    def _pieces(self, columns: Sequence[str], chunk_rows: int, skip_rows: int) -> Iterator[Piece | int]:
        schema = pa.schema([(name, self._type_of(name)) for name in columns])
        numbered = schema.set(schema.get_field_index(CUSTOMER), pa.field(CUSTOMER, pa.int64()))
        with _readable(self._path), opened(str(self._path)) as stream:
            lines = _filled(stream)
            yield sum(1 for _ in islice(lines, skip_rows))
            while some := list(islice(lines, chunk_rows)):
                yield _quickly(some, schema) or _quickly(some, numbered) or _one_by_one(some, schema.names)


def _quickly(lines: Sequence[bytes], schema: pa.Schema) -> Piece | None:
    """Lines whose values are all of the expected types, or None."""
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(b"".join(lines)),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=max(map(len, lines)) + BLOCK_BYTES),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        return None
    return Piece(table.select(schema.names), {}) if table.num_rows == len(lines) else None


def _one_by_one(lines: Sequence[bytes], names: Sequence[str]) -> Piece:
    """Lines of any content, as text."""
    found = [_object(line) for line in lines]
    faults = {position: NO_JSON for position, one in enumerate(found) if one is None}
    columns = {name: pa.array([_text((one or {}).get(name)) for one in found], pa.string()) for name in names}
    return Piece(pa.table(columns), faults)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():  # as in columns of numbers: the customer 7.0 is 7
        value = int(value)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _filled(stream: IO[bytes]) -> Iterator[bytes]:
    return (line if line.endswith(b"\n") else line + b"\n" for line in stream if line.strip())


class Copy:
    """Rows that were no file, kept as Parquet, so that a run that goes on sees the same ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_whole(self) -> bool:
        """Whether all rows are there."""
        return (self.folder / "whole").exists()

    def fill(self, tables: Iterable[pa.Table]) -> None:
        """Copy all rows; what an earlier run had begun is written over."""
        self.folder.mkdir(exist_ok=True)
        number = 0
        for table in tables:
            with replacing(self.folder / f"{number:06d}.parquet") as fresh:
                pyarrow.parquet.write_table(table, fresh, compression="lz4")
            number += 1
        write_text(self.folder / "whole", f"{number}\n")

    def source(self) -> Source:
        """The rows, to be read."""
        return ParquetSource(self._files())

    def digest(self) -> str:
        """Fingerprint of the rows."""
        return hashlib.sha256("".join(map(digest_of, self._files())).encode()).hexdigest()[:32]

    def _files(self) -> list[Path]:
        n_files = int((self.folder / "whole").read_text(encoding="utf-8"))
        return [self.folder / f"{number:06d}.parquet" for number in range(n_files)]


def frame_tables(frame: pd.DataFrame, chunk_rows: int) -> Iterator[pa.Table]:
    """A DataFrame as Arrow tables, some rows at a time."""
    for start in range(0, max(len(frame), 1), chunk_rows):
        yield pa.Table.from_pandas(frame.iloc[start : start + chunk_rows], preserve_index=False)


def _with_gaps(table: pa.Table, faults: dict[int, str]) -> pa.Table:
    """The rows with an empty one wherever one could not be read."""
    if not faults:
        return table
    n_rows = table.num_rows + len(faults)
    gaps = np.isin(np.arange(n_rows), list(faults))
    places = np.cumsum(~gaps) - 1
    return table.take(pa.array(places, mask=gaps))


def _in_chunks(pieces: Iterator[Piece | int] | Iterator[Piece], chunk_rows: int, skip_rows: int) -> Iterator[Chunk]:
    """Pieces put together to chunks; a number stands for so many rows that were passed over."""
    done, held, faults, n_held = 0, list[pa.Table](), dict[int, str](), 0

    def chunk() -> Chunk:
        return Chunk(done - n_held + 1, pa.concat_tables(held), dict(faults))

    for piece in pieces:
        if isinstance(piece, int):
            done += piece
            continue
        left_out = min(max(skip_rows - done, 0), piece.table.num_rows)
        done += left_out
        position = left_out
        while position < piece.table.num_rows:
            # Databases and JSON may change a column's type on the way.
            if held and held[-1].schema != piece.table.schema:
                yield chunk()
                held, faults, n_held = [], {}, 0
            part = piece.table.slice(position, chunk_rows - n_held)
            faults |= {
                row - position + n_held: reason
                for row, reason in piece.faults.items()
                if position <= row < position + part.num_rows
            }
            held.append(part)
            n_held += part.num_rows
            done += part.num_rows
            position += part.num_rows
            if n_held == chunk_rows:
                yield chunk()
                held, faults, n_held = [], {}, 0
    if held:
        yield chunk()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What goes wrong with reading, told without what stands in the file: Arrow's message may quote a line."""
    kind = kind_of(path)[1:]
    try:
        yield
    except UnicodeError:
        raise InvalidInputError(f"feature table {path} is not written in UTF-8; write it again.") from None
    except pa.ArrowInvalid as error:
        said = first_line(error)
        if "UTF8" in said:
            raise InvalidInputError(f"feature table {path} is not written in UTF-8; write it again.") from None
        if "straddling" in said or "too large" in said:
            raise InvalidInputError(
                f"feature table {path}: a line is longer than {BLOCK_BYTES // 2**20} MB; a quotation mark may not be "
                "closed."
            ) from None
        raise InvalidInputError(f"feature table {path} cannot be read as {kind}; write it again.") from None
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, PermissionError):
            raise InvalidInputError(f"there is no permission to read the feature table {path}.") from None
        raise InvalidInputError(
            f"feature table {path} cannot be read ({type(error).__name__}); check that it is whole."
        ) from None
