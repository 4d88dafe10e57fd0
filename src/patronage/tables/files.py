"""Files: found by path, glob or package, and read by DuckDB."""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import importlib.util
import io
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables.canonical import ALL_IDS, TableSource
from patronage.tables.database import is_url
from patronage.tables.sql import BLANKS, first_line, numbered, quote_text, renamed

READERS: Mapping[str, str] = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".txt": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
DELIMITERS = (",", ";", "\t", "|")
HEAD_BYTES, HEAD_RECORDS = 2**20, 20
GUESSED = ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "UUID")
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins like UTF-16's
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
DATA = re.compile(r"[-+(]?\d[\d.,:/ T+-]*")
"""A header's part that is a number or a date is no name."""


@dataclass(frozen=True)
class Scan:
    """A file's rows in SQL.

    Attributes
    ----------
    query : str
    is_text : bool
        Whether every column is text whose types are to be decided.
    notes : tuple of str
        What people should know about how it is read.
    """

    query: str
    is_text: bool = False
    notes: tuple[str, ...] = ()


def resolve_files(name: str, table: TableSource) -> dict[str, list[str]]:
    """Find a table's files, by their name in the query, or "" for the one path; a database or a frame has none."""
    found: dict[str, list[str]] = {}
    faults = []
    if table.frame is not None or (table.path is not None and is_url(table.path)):
        return found
    for key, path in (table.files if table.path is None else {"": table.path}).items():
        found[key] = resolve(path)
        option = f"data.{name}.files.{key}" if key else f"data.{name}.path"
        readers = {reader_of(file) for file in found[key]}
        if not readers and Path(path).is_dir():
            faults.append(f"table {name}: {path} is a folder; set {option} to its files, such as {path}/*.csv.")
        elif not readers:
            faults.append(f"table {name}: no file at {path}; set {option} to an existing file.")
        elif any(sign in file for file in found[key] for sign in "*?"):
            faults.append(f"table {name}: {path} finds a file with * or ? in its name; rename it.")
        elif None in readers:
            known = ", ".join(sorted(READERS))
            faults.append(f"table {name}: {path} is not of a known kind; {option} takes {known} (or .csv.gz).")
        elif len(readers) > 1:
            faults.append(f"table {name}: {path} finds files of several kinds; set {option} to files of one kind.")
    if faults:
        raise InvalidInputError("\n".join(faults))
    return found


def resolve(path: str) -> list[str]:
    """Files that a path, a glob or ``package://name/path`` stands for; empty when there are none."""
    if path.startswith("package://"):
        package, _, rest = path.removeprefix("package://").partition("/")
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):  # a dotted name whose parent is not there, or no name
            spec = None
        roots = list(spec.submodule_search_locations or []) if spec is not None else []
        return [str(file) for root in roots if (file := Path(root) / rest).is_file()]
    if Path(path).is_file():
        return [str(Path(path).resolve())]
    found = glob.glob(path, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found and "[" in path:  # as often part of a folder's name as of a pattern
        found = glob.glob(path.replace("[", "[[]"), recursive=True)  # noqa: PTH207
    return sorted(str(Path(file).resolve()) for file in found if Path(file).is_file())


def reader_of(file: str) -> str | None:
    """Name the DuckDB function that reads such a file, by its ending; None for an unknown kind."""
    suffix = Path(file.removesuffix(".gz")).suffix.lower()
    return READERS.get(suffix)


def scan(connection: duckdb.DuckDBPyConnection, option: str, files: list[str], table: TableSource) -> Scan:
    """Read files as one table; columns go by name, for one of several files may have them in another order."""
    reader = reader_of(files[0])
    if reader == "read_csv":
        scans = [_text_file(option, file, table) for file in files]
        query = " UNION ALL BY NAME ".join(f"SELECT * FROM {one}" for one, _ in scans)
        notes = tuple(dict.fromkeys(note for _, found in scans for note in found))
        return Scan(f"({query})", is_text=True, notes=notes)
    listed = ", ".join(quote_text(file) for file in files)
    # A folder called revenue=1 must not overwrite the column revenue.
    options = f"union_by_name = {len(files) > 1}, hive_partitioning = false"
    if reader == "read_parquet":
        return Scan(f"read_parquet([{listed}], {options})")
    # Types are guessed from all rows: a column that turns to text late must not stop the scan half-way.
    types = describe(connection, option, f"SELECT * FROM read_json([{listed}], {options}, sample_size = -1)")
    if list(types) == ["json"]:
        raise InvalidInputError(f"{option}: the file holds no JSON objects; expected one a line, or an array of them.")
    ids = {table.columns.get(one, one).lower() for one in ALL_IDS}
    # DuckDB takes 01-02-2023 for a date of its own choice, 10:00 for a time, and an id's capitals for small letters.
    columns = ", ".join(
        f"{quote_text(name)}: {quote_text('VARCHAR' if guessed in GUESSED or name.lower() in ids else guessed)}"
        for name, guessed in types.items()
    )
    return Scan(f"read_json([{listed}], {options}, columns = {{{columns}}})")


def _text_file(option: str, file: str, table: TableSource) -> tuple[str, tuple[str, ...]]:
    """One text file as a table of texts; its first line says how it is divided."""
    with readable(option), opened(file) as stream:
        head = stream.read(HEAD_BYTES)
    if b"\0" in head:
        raise InvalidInputError(
            f"{option}: the file holds NUL bytes; if it is UTF-16, name its encoding (utf-16-le or utf-16-be)."
        )
    text = head.decode("utf-8-sig", errors="replace")
    delimiter = table.delimiter if table.delimiter is not None else _delimiter(text)
    names = _records(text, delimiter)[0]
    if not table.header:
        names = [f"column{number}" for number in range(len(names))]
    if not any(name.strip(BLANKS) for name in names):
        raise InvalidInputError(f"{option}: the first line names no columns; expected a header, or header: false.")
    if table.header and (data := sum(bool(DATA.fullmatch(name.strip(BLANKS))) for name in names)):
        # The message about missing columns would list them, and they are a customer's.
        raise InvalidInputError(
            f"{option}: {data} of the {len(names)} parts of the first line are numbers or dates, expected names of "
            "columns; if the file has no header, set header: false (they are then column0, column1, …)."
        )
    unique = numbered(names)
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in unique)
    return (
        f"read_csv({quote_text(file)}, auto_detect = false, header = {table.header}, delim = {quote_text(delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{columns}}}, "
        "hive_partitioning = false)",
        renamed(option.split(".")[1], names, unique) if table.header else (),
    )


def in_utf8(option: str, files: list[str], encoding: str, scratch: Path) -> list[str]:
    """Text files of another encoding as copies in UTF-8; a mark at the beginning tells UTF-16 and UTF-32."""
    copies = []
    for number, file in enumerate(files):
        reader = reader_of(file)
        if reader == "read_parquet":
            copies.append(file)
            continue
        given = encoding
        try:
            with readable(option), opened(file) as stream:
                start = stream.read(4)
            given = next((name for mark, name in MARKS.items() if start.startswith(mark)), encoding)
            if codecs.lookup(given).name == "utf-8":
                copies.append(file)
                continue
            copy = scratch / f"{len(list(scratch.iterdir()))}.{number}.{'csv' if reader == 'read_csv' else 'json'}"
            with (
                readable(option),
                opened(file) as stream,
                copy.open("w", encoding="utf-8", newline="") as text,
            ):
                shutil.copyfileobj(codecs.getreader(given)(stream), text)
        except LookupError:
            raise InvalidConfigError(
                f"{option}: there is no encoding {encoding!r}; expected one such as utf-8, latin-1 or windows-1252."
            ) from None
        except UnicodeError:
            raise InvalidInputError(f"{option}: the file is not written in {given}; name its encoding.") from None
        copies.append(str(copy))
    return copies


def opened(file: str) -> IO[bytes]:
    """A file's bytes, unpacked."""
    return gzip.open(file, "rb") if file.endswith(".gz") else Path(file).open("rb")  # type: ignore[return-value]


@contextmanager
def readable(option: str) -> Iterator[None]:
    """What the system says of a file, told with what helps."""
    try:
        yield
    except PermissionError:
        raise InvalidInputError(f"{option}: there is no permission to read the file.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(
            f"{option}: the data cannot be read ({type(error).__name__}); check that the file is whole and of the kind "
            "that its ending says."
        ) from None


def _delimiter(text: str) -> str:
    """Whichever sign divides the first lines into equally many parts, the more the better."""

    def fit(sign: str) -> tuple[bool, int]:
        records = _records(text, sign)
        return len(records) > 1 and len({len(parts) for parts in records}) == 1 and len(records[0]) > 1, len(records[0])

    return max(DELIMITERS, key=fit)


def _records(text: str, delimiter: str) -> list[list[str]]:
    """Parts of the first lines that are not blank; a quoted value may hold a new line."""
    records: list[list[str]] = []
    try:
        for parts in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            records += [parts] if parts else []
            if len(records) == HEAD_RECORDS:
                break
    except csv.Error:  # a part of more than 128 kB, for one
        pass
    return records or [[]]


def describe(connection: duckdb.DuckDBPyConnection, option: str, query: str) -> dict[str, str]:
    """Columns and types of a query, without running it."""
    with told(option):
        rows = connection.execute(f"DESCRIBE {query}").fetchall()
    return {row[0]: row[1] for row in rows}


class told:  # noqa: N801 - reads as the statement it is: with told(option)
    """What DuckDB says of files and SQL, told without a customer's value."""

    def __init__(self, option: str) -> None:
        self._option = option

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Raise what a person can mend in place of what DuckDB raised."""
        if not isinstance(error, duckdb.Error):
            return
        option, text = self._option, str(error)
        if isinstance(error, duckdb.PermissionException):
            raise InvalidConfigError(f"{option}: SQL may read no file but those that data.<table> names.") from None
        if isinstance(error, duckdb.IOException):
            raise InvalidInputError(f"{option}: the file cannot be read: {first_line(error)}") from None
        place = re.search(r"Malformed JSON in file .* in (?:line|record/value) (\d+)", text)
        if place is not None:
            raise InvalidInputError(
                f"{option}: the file is no valid JSON in UTF-8, seen at record {place.group(1)}; mend it, or name its "
                "encoding."
            ) from None
        if "state machine" in text:
            raise InvalidInputError(
                f"{option}: its lines end in different ways (CR LF and LF, say), or a quotation mark stands where none "
                "can; write the file anew."
            ) from None
        if isinstance(error, (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)):
            raise InvalidConfigError(f"{option}: {first_line(error)}") from None
        if isinstance(error, duckdb.ConversionException):
            raise InvalidInputError(
                f"{option}: the rows cannot be read (ConversionException); use try_cast in where, derive or query "
                "where a value may not convert."
            ) from None
        line = re.search(r"CSV Error on Line: (\d+)", text)
        if line is not None:
            raise InvalidInputError(f"{option}, line {line.group(1)}: {_csv_fault(text)}") from None
        # A conversion message may quote a customer's value, so only its kind is told.
        raise InvalidInputError(
            f"{option}: the data cannot be read ({type(error).__name__}); "
            "check that the file is whole and of the kind that its ending says."
        ) from None


def _csv_fault(text: str) -> str:
    """What is wrong with a line of a text file, without the line."""
    parts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if parts is not None:
        n, expected = parts.group(2), parts.group(1)
        title = " If a title stands above the header, take it out." if int(expected) < int(n) else ""
        return f"{n} column(s), expected {expected} as in the first line; mend the line, or name the delimiter.{title}"
    if "unicode" in text.lower() or "utf" in text.lower():
        return "not written in UTF-8; name the file's encoding, such as encoding: latin-1 or windows-1252."
    if "unterminated quote" in text.lower() or "quote" in text.lower():
        return "a quotation mark that is not closed; mend the line."
    return "it does not fit the columns of the first line; mend it."
