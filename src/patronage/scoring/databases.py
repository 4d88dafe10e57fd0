"""Databases on either side of scoring: any that SQLAlchemy speaks with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from patronage.errors import InvalidConfigError, InvalidInputError, PatronageError
from patronage.journal import warn
from patronage.scoring.outputs import OUTPUT_SCHEMA, Write
from patronage.scoring.parts import Unwritten
from patronage.tables.database import database_chunks, without_password

WAITS_SECONDS = (1.0, 2.0, 4.0)
INSERT_ROWS = 10_000

T = TypeVar("T")


def database_tables(url: str, table: str | None) -> Iterator[pa.Table]:
    """Rows of a table, or of what a SELECT statement gives.

    Raises
    ------
    InvalidConfigError
        The address is none, its driver is not installed, or no table is named.
    InvalidInputError
        The database cannot be reached after some tries, or does not have the table.
    """
    if not _is_sqlite(url):  # of a SQLite file that is not there the reader says more
        engine = _engine("input", url)
        try:
            _reached(lambda: engine.connect().close(), f"input={without_password(url)}")
        finally:
            engine.dispose()
    try:
        yield from database_chunks("input", url, table)
    except PatronageError as error:
        # Data configurations have path and table; here the options are input and input_table.
        said = str(error).replace("input.path=", "input=").replace("input.table", "input_table")
        raise type(error)(said) from None


class DatabaseOutput:
    """A table of a database; its rows are replaced in one transaction, its rights and indexes stay.

    Parameters
    ----------
    url : str
        SQLAlchemy URL.
    table : str
        Name, with the schema before a dot where it needs one; made if it is not there.
    """

    def __init__(self, url: str, table: str) -> None:
        import sqlalchemy as sa  # noqa: PLC0415 - only databases need it

        schema, _, name = table.rpartition(".")
        if not name:
            raise InvalidConfigError(f"output_table={table!r}: expected a table's name.")
        self._url, self._name, self._schema = url, name, schema or None
        self.shown = f"{without_password(url)}, table {table}"
        self.beside = Path(re.sub(r"\W+", "_", table))
        columns = [
            sa.Column(field.name, sa.Double() if field.type == pa.float64() else sa.Text()) for field in OUTPUT_SCHEMA
        ]
        self._table = sa.Table(name, sa.MetaData(), *columns, schema=self._schema)

    def check(self) -> None:
        """Check that the database answers, and that the table is not something else.

        Raises
        ------
        InvalidConfigError
            The address is none, or its driver is not installed.
        InvalidInputError
            The database cannot be reached, or a table of that name has other columns.
        """
        import sqlalchemy as sa  # noqa: PLC0415

        engine = _engine("output", self._url)
        file = _sqlite_file(engine)
        if file is not None and not file.parent.is_dir():
            raise InvalidInputError(f"output={self.shown}: the folder {file.parent} does not exist; make it first.")
        if file is not None and not file.exists():
            return  # SQLite makes it, when there is something to write
        try:
            inspector = _reached(lambda: sa.inspect(engine), f"output={without_password(self._url)}")
            with _told(f"output={self.shown}"):
                if not inspector.has_table(self._name, self._schema):
                    return
                columns = {str(column["name"]) for column in inspector.get_columns(self._name, self._schema)}
        finally:
            engine.dispose()
        if columns != set(OUTPUT_SCHEMA.names):
            raise InvalidInputError(
                f"output={self.shown}: a table of that name is there with other columns than scored customers have; "
                "name another with output_table=…"
            )

    @contextmanager
    def replaced(self) -> Iterator[Write]:
        """Delete and insert in one transaction.

        Raises
        ------
        Unwritten
            The database cannot be reached, or stops in the middle; it is then as before.
        """
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        engine = _engine("output", self._url)
        file = _sqlite_file(engine)
        is_new = file is not None and not file.exists()
        done = False
        try:
            connection = _reached(engine.connect, f"output={without_password(self._url)}")
            with connection, connection.begin():
                self._table.create(connection, checkfirst=True)
                connection.execute(self._table.delete())

                def insert(table: pa.Table) -> None:
                    for batch in table.to_batches(max_chunksize=INSERT_ROWS):
                        connection.execute(self._table.insert(), batch.to_pylist())

                yield insert
            done = True
        except SQLAlchemyError as error:
            raise Unwritten(_failed(f"output={self.shown}", error) + _STAYS) from None
        except InvalidInputError as error:
            raise Unwritten(str(error) + _STAYS) from None
        finally:
            engine.dispose()
            if is_new and not done and file is not None:
                file.unlink(missing_ok=True)


_STAYS = " Nothing was written; resume=true tries again with the customers that are scored."


def _is_sqlite(url: str) -> bool:
    return url.lower().startswith("sqlite")


def _sqlite_file(engine: Any) -> Path | None:  # noqa: ANN401 - imported late
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name not in (None, "", ":memory:") else None


def _engine(option: str, url: str) -> Any:  # noqa: ANN401 - imported late
    import sqlalchemy as sa  # noqa: PLC0415

    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as error:
        raise InvalidConfigError(
            f"{option}={without_password(url)}: no database address that can be used ({type(error).__name__}); "
            "expected one such as sqlite:///shop.db or postgresql+psycopg://host/shop, with its driver installed."
        ) from None
    if engine.dialect.name == "sqlite":
        # Python's driver opens no transaction before CREATE TABLE, so a failure would leave an empty table.
        @sa.event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:  # noqa: ANN401
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reached(call: Callable[[], T], shown: str) -> T:
    """What a call gives that needs the database to answer; it is tried again after 1, 2 and 4 seconds."""
    from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError  # noqa: PLC0415

    for wait in (*WAITS_SECONDS, None):
        try:
            return call()
        except (OperationalError, InterfaceError) as error:
            if wait is None:
                raise InvalidInputError(
                    f"{shown}: the database cannot be reached after {len(WAITS_SECONDS) + 1} tries; check address, "
                    "rights and that it runs."
                ) from None
            warn(f"{shown}: no answer ({type(error).__name__}); trying again in {wait:g} s")
            time.sleep(wait)
        except SQLAlchemyError as error:
            raise InvalidInputError(_failed(shown, error)) from None
    raise AssertionError  # the last try has returned or raised


@contextmanager
def _told(shown: str) -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        yield
    except SQLAlchemyError as error:
        raise InvalidInputError(_failed(shown, error)) from None


def _failed(shown: str, error: Exception) -> str:
    # SQLAlchemy's message quotes the rows.
    return f"{shown}: the database refuses ({type(error).__name__}); check rights, space and the table."
