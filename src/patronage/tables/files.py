"""Files: found by path, glob or package, and read in place by DuckDB."""

from __future__ import annotations

import glob
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables.canonical import CANONICAL, POLICIES, TableSource
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


def resolve_files(name: str, table: TableSource) -> dict[str, list[str]]:
    """Find a table's files, by their name in the query, or "" for the one path."""
    if name not in CANONICAL:
        raise InvalidConfigError(f"there is no table {name}; expected {', '.join(CANONICAL)}.")
    for option, policy in (("null_key", table.null_key), ("invalid_value", table.invalid_value)):
        if policy not in POLICIES:
            raise InvalidConfigError(f"data.{name}.{option} must be one of {', '.join(POLICIES)}; got {policy!r}.")
    if (table.path is None) == (table.query is None):
        raise InvalidConfigError(f"table {name}: give either data.{name}.path or data.{name}.query with files.")
    found = {}
    faults = []
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


def scan(connection: duckdb.DuckDBPyConnection, option: str, files: list[str], ids: Iterable[str]) -> str:
    """SQL table function over files; id columns of text files stay text, so that 007 is not 7, nor 1e5 a number."""
    reader = reader_of(files[0])
    # Columns go by name: one of several files may have them in another order, or lack a late one.
    listed = f"[{', '.join(quote_text(file) for file in files)}], union_by_name = {len(files) > 1}"
    # A folder called revenue=1 must not overwrite the column revenue.
    listed += ", hive_partitioning = false"
    if reader == "read_parquet":
        return f"read_parquet({listed})"
    # Types are guessed from all rows: a column that turns to text late must not stop the scan half-way.
    plain = f"{reader}({listed}, sample_size = -1)"
    if reader == "read_json":
        return plain
    found = describe(connection, option, f"SELECT * FROM {plain}")
    wanted = {column.lower() for column in ids}
    types = ", ".join(f"{quote_text(column)}: 'VARCHAR'" for column in found if column.lower() in wanted)
    return f"read_csv({listed}, sample_size = -1, types = {{{types}}})" if types else plain


def describe(connection: duckdb.DuckDBPyConnection, option: str, query: str) -> dict[str, str]:
    """Columns and types of a query, without running it."""
    try:
        rows = connection.execute(f"DESCRIBE {query}").fetchall()
    except duckdb.PermissionException:
        raise InvalidConfigError(f"{option}: SQL may read no file but those that data.<table> names.") from None
    except duckdb.IOException as error:
        raise InvalidInputError(f"{option}: the file cannot be read: {first_line(error)}") from None
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
        raise InvalidConfigError(f"{option}: {first_line(error)}") from None
    except duckdb.Error as error:
        # A conversion message may quote a customer's value, so only its kind is told.
        raise InvalidInputError(
            f"{option}: the data cannot be read ({type(error).__name__}); "
            "check that the file is whole and of the kind that its ending says."
        ) from None
    return {row[0]: row[1] for row in rows}
