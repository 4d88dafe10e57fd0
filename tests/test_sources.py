"""Rows that come from frames and databases: the same table whatever holds them, and nothing is changed there."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables import DataSource, TableSource, open_tables
from patronage.tables import database as database_module
from patronage.tables.database import is_url, unified, without_password
from patronage.validation import validate

PLANTED = "zq-planted-7731"
"""Stands for a customer's value or a password; no message may hold it."""

ROWS = [("007", "2023-01-31 10:00:00", Decimal("1.25")), ("8", "2023-02-01 00:00:00", Decimal("2.5"))]


@pytest.fixture
def sales() -> pd.DataFrame:
    """Two order lines."""
    return pd.DataFrame(
        {
            "customer_id": ["007", "8"],
            "ordered_at": pd.to_datetime(["2023-01-31 10:00:00", "2023-02-01 00:00:00"]),
            "revenue": [1.25, 2.5],
        }
    )


def read(
    source: TableSource, query: str = "SELECT customer_id, ordered_at::VARCHAR, revenue FROM transactions"
) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Rows of a query, and everything that is told."""
    with open_tables(DataSource("test", {"transactions": source})) as tables:
        told = [*tables.notes, *(str(found) for found in validate(tables))]
        return tables.connection.execute(f"{query} ORDER BY ALL").fetchall(), told


def fault_of(source: TableSource, kind: type[Exception] = InvalidInputError) -> str:
    """Message of the error that opening and validating ends in."""
    with pytest.raises(kind) as caught:
        read(source)
    return str(caught.value)


# Frames


def _in_arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame)


class _Exporting:
    """What polars and other libraries hand over: an Arrow stream and no more."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._table = pa.Table.from_pandas(frame, preserve_index=False)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


FRAMES = {
    "pandas": lambda frame: frame,
    "arrow": _in_arrow,
    "record_batches": lambda frame: _in_arrow(frame).to_reader(),
    "arrow_stream": _Exporting,
    "categories": lambda frame: frame.astype({"customer_id": "category"}),
    "text": lambda frame: frame.astype({"ordered_at": "str", "revenue": "str"}),
    "categories_of_dates": lambda frame: frame.assign(ordered_at=frame["ordered_at"].astype(str).astype("category")),
    "objects": lambda frame: frame.astype(object),
    "decimals": lambda frame: frame.assign(revenue=[Decimal("1.25"), Decimal("2.5")]),
    "zoned": lambda frame: frame.assign(ordered_at=frame["ordered_at"].dt.tz_localize("UTC")),
    "zoned_elsewhere": lambda frame: frame.assign(
        ordered_at=frame["ordered_at"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    ),
    "id_as_index": lambda frame: frame.set_index("customer_id"),
    "several_indexes": lambda frame: frame.set_index(["customer_id", "ordered_at"]),
    "any_index": lambda frame: frame.set_axis([5, 5], axis="index"),
    "chunks": lambda frame: pa.concat_tables([_in_arrow(frame.iloc[:1]), _in_arrow(frame.iloc[1:])]),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame_gives_the_same_table(kind: str, sales: pd.DataFrame) -> None:
    """Whatever library holds the rows, and in whatever types: the table is the same."""
    found, _ = read(TableSource(frame=FRAMES[kind](sales)))
    assert found == ROWS


@pytest.mark.parametrize(
    "kind", [kind for kind in FRAMES if kind not in ("arrow", "record_batches", "arrow_stream", "chunks")]
)
def test_the_callers_frame_is_not_changed(kind: str, sales: pd.DataFrame) -> None:
    """Columns, types, index and values of the frame are what they were."""
    frame = FRAMES[kind](sales)
    before = frame.copy(deep=True)
    read(TableSource(frame=frame))
    pd.testing.assert_frame_equal(frame, before)


def test_columns_of_several_types_are_read_as_text(sales: pd.DataFrame) -> None:
    """As Excel hands them over: ids that are numbers or text; the types are told, not the values."""
    frame = sales.assign(customer_id=pd.Series([7, "A7"], dtype=object))
    found, told = read(TableSource(frame=frame), "SELECT customer_id FROM transactions")
    assert found == [("7",), ("A7",)]
    assert told == ["table transactions: column customer_id holds values of several types (int, str), read as text"]


def test_unreadable_values_among_several_types_are_counted(sales: pd.DataFrame) -> None:
    """What is no amount among amounts is a fault by place and number."""
    message = fault_of(TableSource(frame=sales.assign(revenue=pd.Series([1.25, PLANTED], dtype=object))))
    assert message.startswith("table transactions, column revenue: 1 row(s) that cannot be read as a number")
    assert PLANTED not in message


def test_columns_of_the_same_name_are_numbered(sales: pd.DataFrame) -> None:
    """The first keeps the name; the second is numbered, and told."""
    frame = pd.concat([sales, sales[["revenue"]] * 2], axis="columns")
    found, told = read(TableSource(frame=frame), "SELECT revenue, revenue_1 FROM transactions")
    assert found == [(Decimal("1.25"), 2.5), (Decimal("2.5"), 5.0)]
    assert told == ["table transactions: there are several columns called revenue; one of them is read as revenue_1"]


def test_names_that_are_no_text_are_mapped(sales: pd.DataFrame) -> None:
    """Numbered columns go by their number."""
    source = TableSource(
        frame=sales.set_axis([0, 1, 2], axis="columns"),
        columns={"customer_id": "0", "ordered_at": "1", "revenue": "2"},
    )
    assert read(source)[0] == ROWS


def test_an_empty_frame_is_an_empty_table(sales: pd.DataFrame) -> None:
    """No rows are a fault, as in a file."""
    assert fault_of(TableSource(frame=sales.head(0))).startswith("table transactions: 0 rows, at least one is needed")


def test_a_frame_without_columns_is_told() -> None:
    """It is told as such."""
    assert fault_of(TableSource(frame=pd.DataFrame())) == "table transactions: its frame has no columns."


@pytest.mark.parametrize("frame", [[1, 2], "sales.csv", {"a": [1]}, 7])
def test_what_is_no_frame_is_told(frame: object) -> None:
    """A list or a path is no frame."""
    message = fault_of(TableSource(frame=frame))
    assert message == (
        f"table transactions: its frame is a {type(frame).__name__}; expected a DataFrame or an Arrow table."
    )


def test_values_that_arrow_does_not_know_are_told(sales: pd.DataFrame) -> None:
    """Complex numbers, say, are named by their column and type."""
    message = fault_of(TableSource(frame=sales.assign(revenue=[1j, 2j])))
    assert message.startswith("table transactions, column revenue: it cannot be read (")
    assert "complex128" in message


# Databases


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A SQLite file with one table."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sales (customer_id TEXT, ordered_at TEXT, revenue NUMERIC)")
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?)", [(a, b, float(c)) for a, b, c in ROWS])
    connection.close()
    return path


def test_a_table_of_a_database_is_read(shop: Path) -> None:
    """The rows are those of the table, and the file stays as it is."""
    before = (shop.read_bytes(), sorted(shop.parent.iterdir()))
    assert read(TableSource(path=f"sqlite:///{shop}", table="sales"))[0] == ROWS
    assert (shop.read_bytes(), sorted(shop.parent.iterdir())) == before


def test_many_rows_come_in_chunks_and_types_widen(tmp_path: Path) -> None:
    """Of 250,000 rows the second chunk turns an empty column to numbers, and the third one to text: none is lost."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sales (customer_id, ordered_at, revenue, late, odd, note)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 249999) "
            "INSERT INTO sales SELECT i % 1000, '2023-01-31', CASE WHEN i < 150000 THEN i % 7 ELSE i % 7 + 0.5 END, "
            "CASE WHEN i >= 120000 THEN i END, CASE WHEN i < 200000 THEN i ELSE 'x' || i END, NULL FROM n"
        )
    connection.close()
    source = DataSource("test", {"transactions": TableSource(path=f"sqlite:///{path}", table="sales")})
    with open_tables(source) as tables:
        validate(tables)
        found = tables.row(
            "SELECT count(*), count(DISTINCT customer_id), sum(revenue), count(late), min(late), count(odd), "
            "max(odd), count(note) FROM transactions"
        )
        expected = sum(i % 7 + (0.5 if i >= 150_000 else 0) for i in range(250_000))
        assert found == (250_000, 1000, Decimal(expected), 130_000, 120_000, 250_000, "x249999", 0)
        assert tables.columns["transactions"]["late"] == "BIGINT"


def test_chunks_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk has no more rows than it may have, and all of them together are the table."""
    monkeypatch.setattr(database_module, "CHUNK_ROWS", 3)
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (i)")
        connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(8)])
    connection.close()
    chunks = list(database_module.database_chunks("data.x", f"sqlite:///{path}", "t"))
    assert [chunk.num_rows for chunk in chunks] == [3, 3, 2]
    assert pa.concat_tables(chunks)["i"].to_pylist() == list(range(8))


def test_typed_columns_of_a_database_keep_their_types(tmp_path: Path) -> None:
    """Dates, flags and decimals that a driver gives as such arrive as such."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/shop.db")
    frame = pd.DataFrame({"customer_id": [9007199254740993], "ordered_at": ["2023-01-31"], "revenue": [0.1]})
    frame.to_sql("sales", engine, index=False)
    engine.dispose()
    found, _ = read(TableSource(path=f"sqlite:///{tmp_path}/shop.db", table="sales"))
    assert found == [("9007199254740993", "2023-01-31 00:00:00", Decimal("0.1"))]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://anna:{PLANTED}@host/shop",
        f"postgresql://anna:{PLANTED}/@b@host:5432/shop",
        f"PostgreSQL+psycopg://anna:{PLANTED}:x@host/shop?sslmode=x",
        f"mysql://host/shop?password={PLANTED}",
    ],
)
def test_a_password_is_not_shown(url: str) -> None:
    """Whatever signs it holds, and wherever in the address it stands."""
    assert is_url(url)
    assert PLANTED not in without_password(url)
    assert PLANTED not in fault_of(TableSource(path=url, table="sales"), InvalidConfigError)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int64(), pa.int64(), pa.int64()),
        (pa.null(), pa.timestamp("us"), pa.timestamp("us")),
        (pa.timestamp("us"), pa.null(), pa.timestamp("us")),
        (pa.decimal128(5, 2), pa.decimal128(6, 4), pa.decimal128(7, 4)),
        (pa.decimal128(38, 0), pa.decimal128(38, 10), pa.string()),
        (pa.int64(), pa.float64(), pa.string()),
        (pa.int64(), pa.string(), pa.string()),
        (pa.bool_(), pa.int64(), pa.string()),
    ],
)
def test_the_type_of_two_chunks_holds_both_exactly(one: pa.DataType, other: pa.DataType, both: pa.DataType) -> None:
    """Nothing is rounded: where no type holds both, the column is text."""
    assert unified(one, other) == both


def test_a_large_parquet_file_is_read_in_place(tmp_path: Path, sales: pd.DataFrame) -> None:
    """A Parquet file stays a view: opening it keeps no rows."""
    sales.to_parquet(tmp_path / "sales.parquet")
    with open_tables(DataSource("test", {"transactions": TableSource(path=f"{tmp_path}/sales.parquet")})) as tables:
        assert tables.connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == []
