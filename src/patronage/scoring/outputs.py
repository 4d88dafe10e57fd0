"""Where scored customers go: Parquet, CSV, TSV or JSON lines, whole or not at all; or a table of a database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from patronage.errors import InvalidInputError
from patronage.scoring.sources import JSON_LINES, KINDS, SEPARATORS, kind_of
from patronage.writing import replacing, require_writable

OUTPUT_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("segment_id", pa.string()),
        ("segment_name", pa.string()),
        ("confidence", pa.float64()),
        ("runner_up_id", pa.string()),
        ("atypicality", pa.float64()),
        ("basis", pa.string()),
    ]
)

CODED = ("segment_id", "segment_name", "runner_up_id", "basis")
_CODES = pa.dictionary(pa.int32(), pa.string())
CODED_SCHEMA = pa.schema([(field.name, _CODES if field.name in CODED else field.type) for field in OUTPUT_SCHEMA])
"""The same with texts that stand in every row as numbers: what parts hold, and outputs are given."""

Write = Callable[[pa.Table], None]


class Output(Protocol):
    """Where scored customers go."""

    @property
    def shown(self) -> str:
        """Its name for people, without a password."""
        ...

    @property
    def beside(self) -> Path:
        """Where files that belong to it are put: this path with another ending."""
        ...

    def check(self) -> None:
        """Check that it can be written, before any work is done."""
        ...

    def replaced(self) -> Any:  # noqa: ANN401 - a context manager that gives Write
        """Give what writes tables; the former content is replaced if, and only if, the block ends well."""
        ...


class FileOutput:
    """A file, of the kind that its ending says."""

    def __init__(self, path: Path) -> None:
        self.path = self.beside = path
        self.shown = str(path)

    def check(self) -> None:
        """Check name and place.

        Raises
        ------
        InvalidInputError
            The ending is unknown, the name is a folder's, or nothing can be written there.
        """
        if kind_of(self.path) not in KINDS:
            raise InvalidInputError(
                f"output={self.path}: expected a file ending in {', '.join(KINDS)} (text also with .gz), or a "
                "database's URL."
            )
        if self.path.is_dir():
            raise InvalidInputError(f"output={self.path} is a folder; name a file in it.")
        require_writable("output", self.path)

    @contextmanager
    def replaced(self) -> Iterator[Write]:
        """Write beside it, and rename when all is there."""
        with replacing(self.path) as fresh, ExitStack() as open_files:
            yield self._writer(fresh, open_files)

    def _writer(self, fresh: Path, open_files: ExitStack) -> Write:
        kind = kind_of(self.path)
        if kind == ".parquet":
            # Without Arrow's own schema in the file, readers take coded texts for what they are: texts.
            # Ids and measures differ from row to row: a dictionary of them would be tried for long and given up.
            writer = pyarrow.parquet.ParquetWriter(fresh, CODED_SCHEMA, store_schema=False, use_dictionary=list(CODED))
            return open_files.enter_context(writer).write_table
        packing = "gzip" if self.path.name.endswith(".gz") else None
        stream = open_files.enter_context(pa.output_stream(str(fresh), compression=packing, buffer_size=2**20))
        if kind in SEPARATORS:
            options = pyarrow.csv.WriteOptions(delimiter=SEPARATORS[kind])
            lines = open_files.enter_context(pyarrow.csv.CSVWriter(stream, OUTPUT_SCHEMA, write_options=options))
            return lambda table: lines.write(table.cast(OUTPUT_SCHEMA))

        assert kind in JSON_LINES  # noqa: S101 - `check` has looked

        def write_lines(table: pa.Table) -> None:
            for batch in table.to_batches(max_chunksize=10_000):
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())
                stream.write("".join(lines).encode())

        return write_lines
