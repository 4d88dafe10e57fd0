"""Tables of a database: any that SQLAlchemy speaks with, read in chunks to Arrow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables.sql import numbered

CHUNK_ROWS = 100_000


def is_url(path: str) -> bool:
    """Whether a path is a database's address, such as ``postgresql+psycopg://host/shop``."""
    lower = path.lower()
    return bool(re.match(r"[a-z][a-z0-9+]*://", lower)) and not lower.startswith(("package://", "file://"))


def without_password(url: str) -> str:
    """The address as it may be shown; a password may hold any sign, and may stand among the options at the end."""
    return re.sub(r"\?.*$", "?…", re.sub(r"://.*@", "://…@", url, flags=re.DOTALL), flags=re.DOTALL)


def without_passwords(config: Any) -> Any:  # noqa: ANN401 - plain values, nested
    """A configuration as it may be shown: every address in it without its password."""
    if isinstance(config, Mapping):
        return {key: without_passwords(value) for key, value in config.items()}
    if isinstance(config, list):
        return [without_passwords(value) for value in config]
    return without_password(config) if isinstance(config, str) and is_url(config) else config


def database_chunks(option: str, url: str, table: str | None) -> Iterator[pa.Table]:
    """Read a table, or what a SELECT statement gives, in chunks.

    Raises
    ------
    InvalidConfigError
        The address is none, its driver is not installed, or no table is named.
    InvalidInputError
        The database cannot be reached, or does not have the table.
    """
    import sqlalchemy  # noqa: PLC0415 - only databases need it
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError  # noqa: PLC0415

    shown = without_password(url)
    try:
        engine = sqlalchemy.create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise InvalidConfigError(
            f"{option}.path={shown}: no database address that can be used ({type(error).__name__}); expected one such "
            "as sqlite:///shop.db or postgresql+psycopg://host/shop, with its driver installed."
        ) from None
    file = engine.url.database
    if engine.dialect.name == "sqlite" and file not in (None, "", ":memory:") and not Path(str(file)).is_file():
        # SQLite would make an empty database of that name.
        raise InvalidInputError(f"{option}.path={shown}: there is no such file; expected a SQLite database.")
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            inspector = sqlalchemy.inspect(connection)
            if table is None or not _is_statement(table):
                _require_table(option, shown, inspector, table)
            result = connection.execute(_statement(sqlalchemy, str(table)))
            names = numbered(list(result.keys()))
            empty = True
            for rows in result.partitions(CHUNK_ROWS):
                empty = False
                yield pa.table({name: _column([row[i] for row in rows]) for i, name in enumerate(names)})
            if empty:
                yield pa.table({name: pa.array([], pa.string()) for name in names})
    except SQLAlchemyError as error:
        raise InvalidInputError(
            f"{option}.path={shown}: what {option}.table names cannot be read ({type(error).__name__}); check address, "
            "table or SELECT, and rights."
        ) from None
    finally:
        engine.dispose()


def unified(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Type that holds the values of both exactly; text where there is no other."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        scale = max(one.scale, other.scale)
        whole = max(one.precision - one.scale, other.precision - other.scale)
        return pa.decimal128(whole + scale, scale) if whole + scale <= 38 else pa.string()  # noqa: PLR2004
    return pa.string()


def _is_statement(table: str) -> bool:
    return bool(re.match(r"\s*(--[^\n]*\n\s*|/\*.*?\*/\s*)*(select|with)\b", table, re.IGNORECASE | re.DOTALL))


def _require_table(option: str, shown: str, inspector: Any, table: str | None) -> None:  # noqa: ANN401 - imported late
    schema, _, name = (table or "").rpartition(".")
    known = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
    listed = ", ".join(known) if known else "none"
    if table is None:
        raise InvalidConfigError(f"{option}.path={shown}: name one table with {option}.table=…; it has {listed}.")
    if name.lower() not in {one.lower() for one in known}:
        raise InvalidInputError(f"{option}.table={table}: {shown} has no such table; it has {listed}.")


def _statement(sqlalchemy: Any, table: str) -> Any:  # noqa: ANN401 - imported late
    if _is_statement(table):
        # A colon within a text, such as '12:30' or ':x', is no parameter.
        return sqlalchemy.text(re.sub(r"(?<![:\\]):(?=\w)", r"\:", table))
    schema, _, name = table.rpartition(".")
    return sqlalchemy.select(sqlalchemy.text("*")).select_from(sqlalchemy.table(name, schema=schema or None))


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        # SQLite keeps what it is given: numbers and words in one column.
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: object) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
