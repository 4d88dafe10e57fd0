"""Rows that cannot be used: all told at once, by place and number, never by a customer's value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patronage.errors import InvalidInputError
from patronage.tables import DataSource, TableSource, open_tables
from patronage.validation import Fault, validate

PLANTED = "zq-planted-7731"
"""Stands for a customer's value; no message may hold it."""

SALES = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d", "e"],
        "ordered_at": ["2023-01-01", "2023-01-02", "2023-01-03", "2023-01-04", "2023-01-05"],
        "revenue": ["1", "2", "3", "4", "5"],
    }
)


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., list[str]]:
    """Validate frames written as CSV files and give what was tolerated, as text."""

    def checker(options: dict[str, dict[str, Any]] | None = None, **frames: pd.DataFrame) -> list[str]:
        with open_tables(written(tmp_path, options or {}, frames)) as tables:
            return [str(fault) for fault in validate(tables)]

    return checker


def written(folder: Path, options: dict[str, dict[str, Any]], frames: dict[str, pd.DataFrame]) -> DataSource:
    """Write frames as CSV files."""
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    tables = {name: TableSource(path=str(folder / f"{name}.csv"), **options.get(name, {})) for name in frames}
    return DataSource("test", tables)


def with_values(column: str, values: dict[int, Any]) -> pd.DataFrame:
    """Sales in which one column has other values in some rows, counted from 1."""
    frame = SALES.copy()
    frame[column] = frame[column].astype(object)
    for row, value in values.items():
        frame.loc[row - 1, column] = value
    return frame


def test_sound_tables_have_no_fault(check: Callable[..., list[str]]) -> None:
    """Nothing is told where nothing is wrong."""
    assert check(transactions=SALES, customers=SALES[["customer_id"]]) == []


def test_the_shipped_data_is_sound(complete_journey: DataSource) -> None:
    """Complete Journey passes without a fault."""
    with open_tables(complete_journey) as tables:
        assert not [found for found in validate(tables) if isinstance(found, Fault)]


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("revenue", PLANTED, "that cannot be read as a number such as 1234.50, below 10^14"),
        ("revenue", "12;5", "that cannot be read as a number such as 1234.50, below 10^14"),
        (
            "ordered_at",
            PLANTED,
            "that cannot be read as a date or time from 1900 on, best as 2017-10-31 or 2017-10-31 18:05:00",
        ),
        (
            "ordered_at",
            "2023-02-30",
            "that cannot be read as a date or time from 1900 on, best as 2017-10-31 or 2017-10-31 18:05:00",
        ),
        ("customer_id", None, "without a value"),
        ("customer_id", "  ", "without a value"),
        ("ordered_at", None, "without a value"),
        ("revenue", None, "without a value"),
    ],
)
def test_a_fault_is_told_by_place_and_number(
    column: str, value: str | None, problem: str, check: Callable[..., list[str]]
) -> None:
    """A message has the table, the column, how many rows, which ones first, what was expected and what helps."""
    with pytest.raises(InvalidInputError) as caught:
        check(transactions=with_values(column, {2: value, 4: value}))
    option = "null_key" if problem == "without a value" else "invalid_value"
    assert str(caught.value) == (
        f"table transactions, column {column}: 2 row(s) {problem} (rows 2, 4); "
        f"mend them or set data.transactions.{option}=drop."
    )


def test_only_the_first_rows_are_listed(check: Callable[..., list[str]]) -> None:
    """Of many rows the first three are listed, and that there are more."""
    with pytest.raises(InvalidInputError, match=r"column revenue: 5 row\(s\) .* \(rows 1, 2, 3, …\);"):
        check(transactions=with_values("revenue", dict.fromkeys(range(1, 6), PLANTED)))


def test_counts_of_many_rows_are_readable(tmp_path: Path) -> None:
    """Thousands are set apart."""
    many = pd.concat([with_values("revenue", {3: PLANTED})] * 1500)
    with (
        open_tables(written(tmp_path, {}, {"transactions": many})) as tables,
        pytest.raises(InvalidInputError, match=r"1,500 row\(s\).*\(rows 3, 8, 13, …\)"),
    ):
        validate(tables)


def test_rows_are_numbered_after_where(check: Callable[..., list[str]]) -> None:
    """Rows that where leaves out are not counted."""
    with pytest.raises(InvalidInputError, match=r"1 row\(s\) .*\(rows 3\)"):
        check({"transactions": {"where": "customer_id <> 'a'"}}, transactions=with_values("revenue", {4: PLANTED}))


def test_a_mapped_column_is_told_by_the_users_name(check: Callable[..., list[str]]) -> None:
    """A fault names the column as it stands in the user's file."""
    frame = with_values("revenue", {4: PLANTED}).rename(columns={"revenue": "Total Paid"})
    with pytest.raises(InvalidInputError, match=r"^table transactions, column Total Paid: 1 row"):
        check({"transactions": {"columns": {"revenue": "Total Paid"}}}, transactions=frame)


def test_a_derived_column_is_told_by_its_own_name(check: Callable[..., list[str]]) -> None:
    """A fault of a derived column names what the config calls it."""
    options = {"transactions": {"derive": {"discount": f"CASE WHEN customer_id = 'c' THEN '{PLANTED}' ELSE '0' END"}}}
    with pytest.raises(InvalidInputError, match=r"^table transactions, column discount: 1 row\(s\) .*\(rows 3\)"):
        check(options, transactions=SALES)


@pytest.mark.parametrize(("name", "key"), [("customers", "customer_id"), ("products", "product_id")])
def test_a_key_that_is_there_twice_is_told(name: str, key: str, check: Callable[..., list[str]]) -> None:
    """Two rows of one customer, or of one product, would count twice."""
    frame = pd.DataFrame({key: ["x", PLANTED, "y", PLANTED]})
    with pytest.raises(InvalidInputError) as caught:
        check(transactions=SALES, **{name: frame})
    assert str(caught.value) == (
        f"table {name}, column {key}: 2 row(s) whose {key} is there more than once, expected one row each "
        f"(rows 2, 4); leave the others out with data.{name}.where or data.{name}.query."
    )


def test_customers_without_an_id_are_not_each_others_duplicates(check: Callable[..., list[str]]) -> None:
    """Several rows without an id are one fault, not two."""
    frame = pd.DataFrame({"customer_id": ["x", None, None], "town": ["n", "s", "s"]})
    with pytest.raises(InvalidInputError) as caught:
        check(transactions=SALES, customers=frame)
    assert str(caught.value).splitlines() == [
        "table customers, column customer_id: 2 row(s) without a value (rows 2, 3); "
        "mend them or set data.customers.null_key=drop."
    ]


def test_a_table_without_rows_is_told(check: Callable[..., list[str]]) -> None:
    """An empty table is a fault with the options to look at."""
    with pytest.raises(InvalidInputError) as caught:
        check(transactions=SALES.head(0))
    assert str(caught.value) == (
        "table transactions: 0 rows, at least one is needed; check data.transactions.path and data.transactions.where."
    )


def test_all_faults_of_all_tables_are_told_at_once(tmp_path: Path) -> None:
    """One message, one line per fault, whatever the number of tables and kinds of fault."""
    transactions = with_values("revenue", {1: PLANTED, 2: None})
    transactions.loc[3, "ordered_at"] = PLANTED
    transactions["customer_id"] = ["a", None, "c", "d", "e"]
    frames = {
        "transactions": transactions,
        "customers": pd.DataFrame({"customer_id": [PLANTED, PLANTED, None]}),
        "products": pd.DataFrame({"product_id": ["p"], "unit_cost": [PLANTED]}),
        "events": pd.DataFrame(columns=["customer_id", "occurred_at", "event_type"]),
        "campaigns": pd.DataFrame(
            {"customer_id": ["a"], "campaign_id": ["1"], "sent_at": ["2023-01-01"], "is_control": [PLANTED]}
        ),
    }
    with open_tables(written(tmp_path, {}, frames)) as tables, pytest.raises(InvalidInputError) as caught:
        validate(tables)
    told = [line.partition(" row")[0] for line in str(caught.value).splitlines()]
    assert sorted(told) == [
        "table campaigns, column is_control: 1",
        "table customers, column customer_id: 1",
        "table customers, column customer_id: 2",
        "table events: 0",
        "table products, column unit_cost: 1",
        "table transactions, column customer_id: 1",
        "table transactions, column ordered_at: 1",
        "table transactions, column revenue: 1",
        "table transactions, column revenue: 1",
    ]
    assert PLANTED not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"where": "revenue::DECIMAL > 2"},
        {"derive": {"discount": "revenue::DECIMAL * 2"}},
        {"derive": {"score": "revenue::DECIMAL * 2"}},
    ],
    ids=["where", "derive", "derive_extra"],
)
def test_sql_that_fails_on_a_value_is_told_without_the_value(
    options: dict[str, Any], check: Callable[..., list[str]]
) -> None:
    """DuckDB would quote the value it cannot convert; the message tells what to do instead."""
    with pytest.raises(InvalidInputError) as caught:
        check({"transactions": options}, transactions=with_values("revenue", {2: PLANTED}))
    assert "the rows cannot be read (ConversionException)" in str(caught.value)
    assert "use try_cast in" in str(caught.value)
    assert PLANTED not in str(caught.value)


def test_a_query_that_fails_on_a_value_is_told_without_the_value(tmp_path: Path) -> None:
    """A conversion inside a query, even of a column nobody checks, fails here and not in the middle of a run."""
    with_values("revenue", {2: PLANTED}).to_csv(tmp_path / "sales.csv", index=False)
    table = TableSource(
        query="SELECT customer_id, ordered_at, 1 AS revenue, revenue::DECIMAL AS extra FROM sales",
        files={"sales": str(tmp_path / "sales.csv")},
    )
    with (
        open_tables(DataSource("test", {"transactions": table})) as tables,
        pytest.raises(InvalidInputError, match="table transactions: the rows cannot be read") as caught,
    ):
        validate(tables)
    assert PLANTED not in str(caught.value)


# Policies


def canonical(folder: Path, frame: pd.DataFrame, **options: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """What is tolerated, and the rows of the canonical view."""
    with open_tables(written(folder, {"transactions": options}, {"transactions": frame})) as tables:
        told = [str(fault) for fault in validate(tables)]
        query = "SELECT customer_id, revenue::DOUBLE FROM transactions ORDER BY ordered_at"
        return told, tables.connection.execute(query).fetchall()


def test_rows_without_a_key_can_be_dropped(tmp_path: Path) -> None:
    """With null_key=drop the rows are told, and gone from the table."""
    told, kept = canonical(tmp_path, with_values("customer_id", {2: None, 3: " "}), null_key="drop")
    assert told == ["table transactions, column customer_id: 2 row(s) without a value (rows 2, 3); dropped."]
    assert kept == [("a", 1.0), ("d", 4.0), ("e", 5.0)]


@pytest.mark.parametrize("column", ["revenue", "ordered_at"])
def test_rows_with_an_unreadable_value_can_be_dropped(column: str, tmp_path: Path) -> None:
    """With invalid_value=drop the rows are told, and gone from the table."""
    told, kept = canonical(tmp_path, with_values(column, {5: PLANTED}), invalid_value="drop")
    assert len(told) == 1
    assert told[0].startswith(f"table transactions, column {column}: 1 row(s) that cannot be read as ")
    assert told[0].endswith("(rows 5); dropped.")
    assert kept == [("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)]


def test_an_empty_value_that_is_no_key_is_no_fault(tmp_path: Path) -> None:
    """Columns that are not keys may be empty, and dropping faults does not drop such rows."""
    told, kept = canonical(tmp_path, SALES.assign(discount=[1, None, 1, 1, 1]), invalid_value="drop", null_key="drop")
    assert told == []
    assert len(kept) == 5


def test_an_unreadable_value_can_be_kept_as_empty(tmp_path: Path) -> None:
    """With invalid_value=keep the row stays and the value is empty."""
    frame = SALES.assign(discount=["1", PLANTED, "2", "3", "4"])
    source = written(tmp_path, {"transactions": {"invalid_value": "keep"}}, {"transactions": frame})
    with open_tables(source) as tables:
        told = [str(fault) for fault in validate(tables)]
        found = tables.connection.execute("SELECT discount::DOUBLE FROM transactions ORDER BY ordered_at").fetchall()
    assert told == [
        "table transactions, column discount: 1 row(s) that cannot be read as a number such as 1234.50, below 10^14 "
        "(rows 2); kept, left empty."
    ]
    assert found == [(1.0,), (None,), (2.0,), (3.0,), (4.0,)]


@pytest.mark.parametrize(
    ("options", "value", "remedy"),
    [({"null_key": "keep"}, None, "null_key=drop"), ({"invalid_value": "keep"}, PLANTED, "invalid_value=drop")],
)
def test_a_key_cannot_be_kept_empty(
    options: dict[str, str], value: str | None, remedy: str, check: Callable[..., list[str]]
) -> None:
    """A row without its key says nothing, so keep means error for key columns."""
    with pytest.raises(InvalidInputError) as caught:
        check({"transactions": options}, transactions=with_values("revenue", {2: value}))
    assert str(caught.value).endswith(f"mend them or set data.transactions.{remedy}.")
    assert PLANTED not in str(caught.value)


def test_a_tolerated_fault_does_not_hide_a_fatal_one(check: Callable[..., list[str]]) -> None:
    """Dropping rows without a key leaves unreadable values an error."""
    frame = with_values("customer_id", {2: None}).assign(revenue=["1", "2", PLANTED, "4", "5"])
    with pytest.raises(InvalidInputError) as caught:
        check({"transactions": {"null_key": "drop"}}, transactions=frame)
    assert [line.partition(" row")[0] for line in str(caught.value).splitlines()] == [
        "table transactions, column revenue: 1"
    ]


def test_numbers_that_are_none_are_told_in_parquet_too(tmp_path: Path) -> None:
    """An infinite or undefined amount of money is no amount."""
    frame = SALES.assign(revenue=[1.0, np.inf, 3.0, -np.inf, 5.0])
    frame.to_parquet(tmp_path / "sales.parquet")
    source = DataSource("test", {"transactions": TableSource(path=str(tmp_path / "sales.parquet"))})
    with open_tables(source) as tables, pytest.raises(InvalidInputError, match=r"2 row\(s\) .*\(rows 2, 4\)"):
        validate(tables)


def test_days_without_a_time_are_dates(check: Callable[..., list[str]], tmp_path: Path) -> None:
    """A date column is read as midnight."""
    with open_tables(written(tmp_path, {}, {"transactions": SALES})) as tables:
        assert validate(tables) == []
        assert str(tables.row("SELECT max(ordered_at) FROM transactions")[0]) == "2023-01-05 00:00:00"


@pytest.mark.parametrize("never", ["9999-12-31", "infinity", "0001-01-01", "20171-01-01"])
def test_a_date_that_stands_for_never_is_a_fault(never: str, check: Callable[..., list[str]]) -> None:
    """No customer orders in such a year; it is counted like a date that cannot be read."""
    with pytest.raises(
        InvalidInputError, match=r"column ordered_at: 1 row\(s\) (that cannot be read|in the)"
    ) as caught:
        check(transactions=with_values("ordered_at", {3: never}))
    assert never not in str(caught.value)
