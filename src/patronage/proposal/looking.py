"""Looking at files and databases: how they are read, and what their columns hold. Values stay in here and in facts."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.journal import note
from patronage.proposal.facts import MOST_LEVELS, Column, File, Holds
from patronage.proposal.probing import READABLE, increasing, probe
from patronage.tables import DataSource, Tables, TableSource, open_tables, quote, resolve
from patronage.tables.database import is_url, without_password
from patronage.tables.files import DELIMITERS, READERS, opened, reader_of, told

LOOKED_ROWS = 200_000
"""Rows of a database table that are looked at, and of a file for how its values are spread; counts are of all rows."""

MOST_KEYS = 500_000
"""A column of more different values is not compared with other files' columns."""

_HEAD_BYTES = 65_536
_PART_BYTES = 1 << 20
_LARGE_BYTES = 50 * 2**20
_EXACT_ROWS = 5_000_000  # of more rows, different values are counted by their hashes
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_NOTHING = "'', 'na', 'n/a', '#n/a', 'null', 'none', 'nan', '-'"
_SHOWN = 60
_FIRST_DAY, _LAST_DAY = 19_000_101, 21_001_231


def require_files(paths: Sequence[str]) -> None:
    """Check that the files are there, before anything takes time; databases are asked when they are looked at.

    Raises
    ------
    InvalidInputError
        A file is missing or of no known kind.
    """
    for path in paths:
        if not is_url(path):
            _files(path)


def look(paths: Sequence[str]) -> list[File]:
    """Look at every file, every file of a folder, and every table of a database.

    Raises
    ------
    InvalidInputError
        A file is missing or cannot be read.
    InvalidConfigError
        A database's address cannot be used.
    """
    found: list[File] = []
    for path in paths:
        for source, label, name, remarks in _sources(path):
            # Of a folder each file is a path of its own.
            found.append(_looked_at(source, path if is_url(path) else label, label, name, remarks))
    return found


def look_at(source: TableSource, parts: Sequence[File]) -> File:
    """Look at what a query makes of files that have been looked at already."""
    label = " with ".join(part.label for part in parts)
    return _looked_at(source, parts[0].path, label, parts[0].name, tuple(one for part in parts for one in part.remarks))


def _sources(path: str) -> Iterator[tuple[TableSource, str, str, tuple[str, ...]]]:
    """How each table behind a path is read, with its label, bare name and remarks."""
    if is_url(path):
        yield from _database(path)
        return
    for file, matched in _files(path):
        if sum(Path(one).stat().st_size for one in matched) > _LARGE_BYTES:
            note(f"looking at {file}")
        name = Path(file.removesuffix(".gz")).stem
        source = TableSource(path=file)
        remarks: tuple[str, ...] = ()
        if reader_of(matched[0]) == "read_csv":
            source, remarks = _text_source(file, matched[0])
        yield source, file, name, remarks


def _files(path: str) -> list[tuple[str, list[str]]]:
    """Each path that a path stands for, of a folder its files', with the files that it finds."""
    folder = Path(path)
    try:
        files = sorted(str(one) for one in folder.iterdir() if reader_of(one.name)) if folder.is_dir() else [path]
        found = [(file, resolve(file)) for file in files]
    except (OSError, ValueError) as error:  # longer than any path, or with a sign that none has
        shown = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
        raise InvalidInputError(f"{shown}: cannot be looked for ({type(error).__name__}); give paths.") from None
    if not files:
        raise InvalidInputError(f"{path}: the folder has no file of a known kind: {', '.join(sorted(READERS))}.")
    for file, matched in found:
        if not matched:
            raise InvalidInputError(f"{file}: no such file; give paths of files, a folder or a database's URL.")
        if reader_of(matched[0]) is None:
            known = ", ".join(sorted(READERS))
            raise InvalidInputError(f"{file}: not of a known kind; expected {known} (or .csv.gz).")
    return found


def _database(url: str) -> Iterator[tuple[TableSource, str, str, tuple[str, ...]]]:
    import sqlalchemy  # noqa: PLC0415 - only databases need it
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    shown = without_password(url)
    try:
        engine = sqlalchemy.create_engine(url)
        file = engine.url.database
        if engine.dialect.name == "sqlite" and file not in (None, "", ":memory:") and not Path(str(file)).is_file():
            # SQLite would make an empty database of that name.
            raise InvalidInputError(f"{shown}: there is no such file; expected a SQLite database.")
        inspector = sqlalchemy.inspect(engine)
        names = [*inspector.get_table_names(), *inspector.get_view_names()]
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise InvalidConfigError(
            f"{shown}: the database cannot be reached ({type(error).__name__}); expected an address such as "
            "sqlite:///shop.db or postgresql+psycopg://host/shop, with its driver installed."
        ) from None
    if not names:
        engine.dispose()
        raise InvalidInputError(f"{shown}: the database has no tables.")
    for name in names:
        rows = sqlalchemy.select(sqlalchemy.text("*")).select_from(sqlalchemy.table(name)).limit(LOOKED_ROWS)
        statement = str(rows.compile(engine, compile_kwargs={"literal_binds": True}))
        # An empty database table has no types, but it has names.
        yield TableSource(path=url, table=statement), f"{shown} {name}", name, ()
    engine.dispose()


def _text_source(path: str, file: str) -> tuple[TableSource, tuple[str, ...]]:
    """How a text file is read where the usual way does not do: its encoding, header, or columns parted by blanks."""
    try:
        encoding = _encoding(file)
        with opened(file) as stream:
            head = stream.read(_HEAD_BYTES)
    except (OSError, EOFError) as error:
        raise InvalidInputError(
            f"{path}: the file cannot be read ({type(error).__name__}); check that it is whole."
        ) from None
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return TableSource(path=path), ()
    text = head.decode(encoding if encoding is not None else "utf-8-sig", errors="replace")
    lines = text.splitlines()[:20]
    if not lines:
        raise InvalidInputError(f"{path}: the file is empty.")
    if not lines[0].strip():
        raise InvalidInputError(
            f"{path}: its first line is empty; take it out, so that the first line names the columns."
        )
    remarks = [] if encoding is None else [f"not written in UTF-8; read as {encoding}, a guess from its letters"]
    names = max((next(csv.reader([lines[0]], delimiter=sign)) for sign in DELIMITERS), key=len)
    parts = {len(line.split()) for line in lines if line.strip()}
    blanks = len(names) == 1 and len(parts) == 1 and max(parts) > 2  # noqa: PLR2004 - two words may be a sentence
    if blanks:
        names = lines[0].split()
    header = not _is_data(names)
    if not header:
        remarks.append("its first line names no columns: they are called column0, column1 …")
    plain = TableSource(path=path, header=header, encoding=encoding if encoding is not None else "utf-8")
    if not blanks:
        return plain, tuple(remarks)
    remarks.append("its columns are parted by blanks")
    line = lines[0].strip() if header else "column0"
    if header is False:
        names = [f"column{number}" for number in range(len(names))]
    listed = ",\n  ".join(f"parts[{number}] AS {quote(name)}" for number, name in enumerate(names, 1))
    query = f"SELECT {listed}\nFROM (SELECT regexp_split_to_array(trim({quote(line)}), '\\s+') AS parts FROM lines)"
    return replace(plain, path=None, query=query, files={"lines": path}), tuple(remarks)


def _is_data(names: Sequence[str]) -> bool:
    """Whether the first line holds values: a third of it or more are numbers or dates; years may name columns."""
    values = [
        name for name in names if re.fullmatch(r"[-+]?\d[\d.,:/ T-]*", name.strip()) and not _is_year(name.strip())
    ]
    return len(values) * 3 >= len(names)


def _is_year(name: str) -> bool:
    return bool(re.fullmatch(r"(19|20)\d\d", name))


def _encoding(file: str) -> str | None:
    """Encoding of a text file that is not UTF-8: Cyrillic letters stand side by side, accents between others."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened(file) as stream:
        part = stream.read(_PART_BYTES)
        if part[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return None
        while part:
            try:
                decoder.decode(part)
            except UnicodeDecodeError:
                runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", part)]
                return "windows-1251" if sum(runs) > 2 * len(runs) else "windows-1252"
            part = stream.read(_PART_BYTES)
    return None


def _looked_at(source: TableSource, path: str, label: str, name: str, remarks: tuple[str, ...]) -> File:
    """Open one source under a name that no canonical column can disturb, and look at its columns."""
    if is_url(path):
        bare = replace(source, derive={"customer_id": "1"})
        given = 'SELECT * EXCLUDE ("derived customer_id") FROM raw_customers'
    else:
        inner = source.query if source.query is not None else "SELECT * FROM given"
        # As one struct, a file's own column customer_id or birth_date is not yet taken for patronage's.
        query = f"SELECT patronage_row, 1 AS customer_id FROM ({inner}) patronage_row"
        files = source.files if source.query is not None else {"given": source.path or ""}
        bare = replace(source, path=None, query=query, files=files)
        given = "SELECT patronage_row.* FROM raw_customers"
    # Faults are told of the file; the table's name is patronage's own affair here.
    try:
        with open_tables(DataSource("init", {"customers": bare})) as tables, told(label):
            tables.connection.execute(f"CREATE VIEW looked AS {given}")
            columns, n_rows = _columns(tables)
    except InvalidInputError as error:
        text = re.sub(r"data\.customers\.(path|files\.\w+|query)", label, str(error)).replace("table customers", label)
        raise InvalidInputError(text) from None
    if is_url(path) and n_rows == LOOKED_ROWS:
        remarks = (*remarks, f"looked at its first {LOOKED_ROWS:,} rows")
    matched = [] if is_url(path) else resolve(path)
    delimiter = _delimiter(matched[0]) if matched and reader_of(matched[0]) == "read_csv" else ""
    return File(path, label, name, source, columns, n_rows, delimiter, remarks)


def _delimiter(file: str) -> str:
    """Whichever sign divides the first line into most parts."""
    with opened(file) as stream:
        head = stream.readline().decode("utf-8", errors="replace")
    return max(DELIMITERS, key=head.count)


def _columns(tables: Tables) -> tuple[tuple[Column, ...], int]:
    connection = tables.connection
    types = {row[0]: str(row[1]) for row in connection.execute("DESCRIBE looked").fetchall()}
    n_rows = tables.count("looked")
    if not n_rows:
        return tuple(Column(name, "other", is_text=False, n_rows=0, n_values=0, n_distinct=0) for name in types), 0
    terms = [term for name, sql_type in types.items() for term in _terms(name, sql_type, n_rows)]
    row = connection.execute(f"SELECT {', '.join(terms)} FROM looked").fetchall()[0]
    columns = [
        _column(tables, name, sql_type, n_rows, row[6 * position : 6 * position + 6])
        for position, (name, sql_type) in enumerate(types.items())
    ]
    return tuple(columns), n_rows


def _holds(sql_type: str) -> Holds:
    """What values of a type are."""
    if sql_type.startswith(_NUMERIC):
        return "number"
    if sql_type.startswith(("TIMESTAMP", "DATE")):
        return "time"
    if sql_type == "BOOLEAN":
        return "flag"
    return "text" if sql_type == "VARCHAR" else "other"


def _given(name: str, sql_type: str) -> str:
    """SQL of what is there; null for what stands for nothing."""
    if sql_type != "VARCHAR":
        return quote(name)
    text = f"trim({quote(name)})"
    return f"CASE WHEN lower({text}) NOT IN ({_NOTHING}) THEN {text} END"


def _terms(name: str, sql_type: str, n_rows: int) -> list[str]:
    """Six facts of a column: values, different ones, least, greatest, whether whole, skew."""
    given = _given(name, sql_type)
    distinct = f"count(DISTINCT {given})" if n_rows <= _EXACT_ROWS else f"approx_count_distinct({given})"
    spread = ["NULL", "NULL", "NULL", "NULL"]
    holds = _holds(sql_type)
    if holds in ("number", "time"):
        value = f"{quote(name)}::{'DOUBLE' if holds == 'number' else 'TIMESTAMP'}"
        finite = f"FILTER (WHERE isfinite({value}))"
        spread[:2] = [f"min({value}) {finite}", f"max({value}) {finite}"]
        if holds == "number":
            spread[2:] = [f"bool_and({value} = trunc({value})) {finite}", f"skewness(least({value}, 1e15)) {finite}"]
    return [f"count({given})", distinct, *spread]


def _column(tables: Tables, name: str, sql_type: str, n_rows: int, facts: Sequence[Any]) -> Column:
    n_values, n_distinct, low, high, whole, skew = facts
    holds = _holds(sql_type)
    column = Column(name, holds, is_text=sql_type == "VARCHAR", n_rows=n_rows, n_values=n_values, n_distinct=n_distinct)
    if holds == "number" and low is not None:
        column = replace(column, low=low, high=high, whole=bool(whole), skew=float(skew) if skew is not None else 0.0)
        if whole and _FIRST_DAY <= low <= high <= _LAST_DAY and _all_days(tables, name):
            day = f"strptime({quote(name)}::BIGINT::VARCHAR, '%Y%m%d')"
            first, last = tables.row(f"SELECT min({day}), max({day}) FROM looked")
            return replace(column, holds="time", first=first, last=last, as_number=True)
    elif holds == "time" and isinstance(low, datetime):
        column = replace(column, first=low, last=high)
    elif holds == "text":
        column = _read(tables, column)
    value = _given(name, sql_type) if sql_type == "VARCHAR" else f"{quote(name)}::VARCHAR"
    if 0 < n_distinct <= MOST_LEVELS and holds != "other":
        query = f"SELECT {value} AS level FROM looked WHERE level IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
        column = replace(column, levels=tuple(row[0] for row in tables.connection.execute(query).fetchall()))
    if column.is_key and n_distinct <= MOST_KEYS:
        query = f"SELECT DISTINCT regexp_replace({value}, '\\.0+$', '') AS key FROM looked WHERE {value} IS NOT NULL"
        column = replace(column, keys=frozenset(row[0] for row in tables.connection.execute(query).fetchall()))
    return column


def _read(tables: Tables, column: Column) -> Column:
    """A column of texts with what they can be read as."""
    given = _given(column.name, "VARCHAR")
    query = f"SELECT DISTINCT {given} AS given FROM looked WHERE given IS NOT NULL LIMIT {LOOKED_ROWS}"
    values = tables.connection.sql(query).to_arrow_table().column("given").combine_chunks()
    found = probe(values)
    if found is None:
        return column
    column = replace(column, holds=found.holds, rivals=found.rivals, doubt=found.doubt, notation=found.notation)
    if found.holds == "number":
        column = replace(column, low=found.low, high=found.high, whole=found.whole, skew=found.skew)
    elif found.low is not None:
        column = replace(column, first=found.low, last=found.high)
    if not found.rivals:
        return column
    ordered = f"SELECT {given} AS given FROM looked LIMIT {LOOKED_ROWS}"
    texts = tables.connection.sql(ordered).to_arrow_table().column("given").combine_chunks()
    shares = {notation: increasing(texts, found.holds, notation) for notation in found.rivals}
    joint = ""
    for sign in "./-":
        (without,) = tables.row(f"SELECT count(*) FILTER (NOT contains({given}, '{sign}')) FROM looked")
        joint = sign if without == 0 else joint
    return replace(column, joint=joint, increasing=shares)


def _all_days(tables: Tables, name: str) -> bool:
    """Whether whole numbers are days written as 20171031."""
    day = f"try_strptime({quote(name)}::BIGINT::VARCHAR, '%Y%m%d')"
    n, read = tables.row(f"SELECT count({quote(name)}), count({day}) FROM looked")
    return bool(read >= READABLE * n)
