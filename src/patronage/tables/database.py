"""Tables of a database: any that SQLAlchemy speaks with, read in chunks to Arrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from patronage.errors import InvalidConfigError, InvalidInputError

CHUNK_ROWS = 100_000


def is_url(path: str) -> bool:
    """Whether a path is a database's address, such as ``postgresql+psycopg://host/shop``."""
    return bool(re.match(r"[a-z][a-z0-9+]*://", path)) and not path.startswith(("package://", "file://"))


def without_password(url: str) -> str:
    """The address as it may be shown."""
    return re.sub(r"://[^/@]+@", "://…@", url)


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
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise InvalidConfigError(
            f"{option}.path={shown}: no database address that can be used ({type(error).__name__}); expected one such "
            "as sqlite:///shop.db or postgresql+psycopg://host/shop, with its driver installed."
        ) from None
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            if table is None:
                known = ", ".join(sqlalchemy.inspect(connection).get_table_names())
                raise InvalidConfigError(
                    f"{option}.path={shown}: name one table with {option}.table=…; it has {known}."
                )
            result = connection.execute(_statement(sqlalchemy, table))
            names = list(result.keys())
            empty = True
            for rows in result.partitions(CHUNK_ROWS):
                empty = False
                yield pa.table({name: _column([row[i] for row in rows]) for i, name in enumerate(names)})
            if empty:
                yield pa.table({name: pa.array([], pa.string()) for name in names})
    except SQLAlchemyError as error:
        raise InvalidInputError(
            f"{option}.path={shown}, {option}.table={table}: it cannot be read ({type(error).__name__}); "
            "check address, table and rights."
        ) from None
    finally:
        engine.dispose()


def _statement(sqlalchemy: Any, table: str) -> Any:  # noqa: ANN401 - imported late
    if re.match(r"\s*(select|with)\b", table, re.IGNORECASE):
        return sqlalchemy.text(table)
    schema, _, name = table.rpartition(".")
    return sqlalchemy.select(sqlalchemy.text("*")).select_from(sqlalchemy.table(name, schema=schema or None))


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        # SQLite keeps what it is given: numbers and words in one column.
        return pa.array([None if value is None else str(value) for value in values], pa.string())
