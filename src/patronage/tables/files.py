"""Files: found by path, glob or package, and read by DuckDB."""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import importlib.util
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables.canonical import TableSource
from patronage.tables.database import is_url
from patronage.tables.sql import first_line, quote_text

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
        if not readers:
            faults.append(f"table {name}: no file at {path}; set {option} to an existing file.")
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
    return sorted(str(Path(file).resolve()) for file in found if Path(file).is_file())


def reader_of(file: str) -> str | None:
    """Name the DuckDB function that reads such a file, by its ending; None for an unknown kind."""
    suffix = Path(file.removesuffix(".gz")).suffix.lower()
    return READERS.get(suffix)


def scan(option: str, files: list[str], table: TableSource) -> Scan:
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
    # Types are guessed from all rows: a column that turns to text late must not stop the scan half-way.
    sampled = "" if reader == "read_parquet" else ", sample_size = -1"
    return Scan(f"{reader}([{listed}], {options}{sampled})")


def _text_file(option: str, file: str, table: TableSource) -> tuple[str, tuple[str, ...]]:
    """One text file as a table of texts; its first line says how it is divided."""
    try:
        with _opened(file) as stream:
            head = stream.readline().decode("utf-8-sig", errors="replace")
    except (OSError, EOFError) as error:
        raise InvalidInputError(
            f"{option}: the data cannot be read ({type(error).__name__}); check that the file is whole and of the kind "
            "that its ending says."
        ) from None
    delimiter = table.delimiter if table.delimiter is not None else _delimiter(head)
    names = next(csv.reader([head.rstrip("\r\n")], delimiter=delimiter), [])
    if not table.header:
        names = [f"column{number}" for number in range(len(names))]
    if not any(name.strip() for name in names):
        raise InvalidInputError(f"{option}: the first line names no columns; expected a header, or header: false.")
    unique = _unique(names)
    columns = ", ".join(f"{quote_text(name)}: 'VARCHAR'" for name in unique)
    notes = [f"{option}: column {new} is the second called {old}" for old, new in zip(names, unique, strict=True)
             if new != old.strip() and old.strip()]  # fmt: skip
    return (
        f"read_csv({quote_text(file)}, auto_detect = false, header = {table.header}, delim = {quote_text(delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{columns}}}, "
        "hive_partitioning = false)",
        tuple(notes),
    )


def in_utf8(option: str, files: list[str], encoding: str, scratch: Path) -> list[str]:
    """Text files of another encoding as copies in UTF-8; a mark at the beginning tells UTF-16."""
    copies = []
    for number, file in enumerate(files):
        if reader_of(file) != "read_csv":
            copies.append(file)
            continue
        try:
            with _opened(file) as stream:
                marked = stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            given = "utf-16" if marked else encoding
            if codecs.lookup(given).name == "utf-8":
                copies.append(file)
                continue
            copy = scratch / f"{option}.{number}.csv"
            with _opened(file) as stream, copy.open("w", encoding="utf-8", newline="") as text:
                shutil.copyfileobj(codecs.getreader(given)(stream), text)
        except LookupError:
            raise InvalidConfigError(
                f"{option}: there is no encoding {encoding!r}; expected one such as utf-8, latin-1 or windows-1252."
            ) from None
        except UnicodeError:
            raise InvalidInputError(f"{option}: the file is not written in {given}; name its encoding.") from None
        except (OSError, EOFError) as error:
            raise InvalidInputError(
                f"{option}: the data cannot be read ({type(error).__name__}); check that the file is whole and of the "
                "kind that its ending says."
            ) from None
        copies.append(str(copy))
    return copies


def _opened(file: str) -> IO[bytes]:
    return gzip.open(file, "rb") if file.endswith(".gz") else Path(file).open("rb")  # type: ignore[return-value]


def _delimiter(head: str) -> str:
    """Whichever sign divides the first line into most parts."""
    return max(DELIMITERS, key=lambda sign: len(next(csv.reader([head], delimiter=sign), [])))


def _unique(names: list[str]) -> list[str]:
    """Column names without blanks around them, numbered where two are alike or one is empty."""
    unique: list[str] = []
    taken: set[str] = set()
    for position, given in enumerate(names):
        name = given.strip() or f"column{position}"
        number = 1
        fresh = name
        while fresh.lower() in taken:
            fresh, number = f"{name}_{number}", number + 1
        unique.append(fresh)
        taken.add(fresh.lower())
    return unique


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
        if isinstance(error, (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)):
            raise InvalidConfigError(f"{option}: {first_line(error)}") from None
        if isinstance(error, duckdb.ConversionException):
            raise InvalidInputError(
                f"{option}: the rows cannot be read (ConversionException); use try_cast in where, derive or query where "
                "a value may not convert."
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
        return f"{parts.group(2)} columns, expected {parts.group(1)} as in the first line; mend the line."
    if "unicode" in text.lower() or "utf" in text.lower():
        return "not written in UTF-8; name the file's encoding, such as encoding: latin-1 or windows-1252."
    if "unterminated quote" in text.lower() or "quote" in text.lower():
        return "a quotation mark that is not closed; mend the line."
    return "it does not fit the columns of the first line; mend it."
