"""From files to canonical tables: columns are found, typed and fenced in, and every fault is told."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables import CANONICAL, DataSource, Tables, TableSource, mapping, open_tables, resolve
from patronage.tables.files import readable
from tests import test_invalid_tables as invalid_tables

PLANTED = "zq-planted-7731"
"""Stands for what belongs to a customer, or to nobody: no message and no result may hold it."""


@pytest.fixture
def sales() -> pd.DataFrame:
    """Three order lines; the ids are text that a careless reader takes for numbers."""
    return pd.DataFrame(
        {
            "customer_id": ["007", "1e5", "1.50"],
            "ordered_at": ["2023-01-02 10:00:00", "2023-01-03 23:59:59", "2023-01-04 00:00:00"],
            "revenue": [1.25, 2.5, 3.0],
        }
    )


def a_source(path: Path | str, **options: Any) -> DataSource:
    """One transactions table."""
    return DataSource("test", {"transactions": TableSource(path=str(path), **options)})


def rows(tables: Tables, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return tables.connection.execute(query).fetchall()


def read(source: DataSource, query: str) -> list[tuple[Any, ...]]:
    """Open a source and run one query."""
    with open_tables(source) as tables:
        return rows(tables, query)


def fault_of(source: DataSource, kind: type[Exception] = InvalidInputError) -> str:
    """Message of the error that opening a source ends in."""
    with pytest.raises(kind) as caught, open_tables(source):
        pass
    return str(caught.value)


def _as_csv_gz(frame: pd.DataFrame, path: Path) -> None:
    path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "sales.csv": lambda frame, path: frame.to_csv(path, index=False),
    "sales.CSV": lambda frame, path: frame.to_csv(path, index=False),
    "semicolons.csv": lambda frame, path: frame.to_csv(path, index=False, sep=";"),
    "sales.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "sales.txt": lambda frame, path: frame.to_csv(path, index=False, sep="|"),
    "sales.csv.gz": _as_csv_gz,
    "sales.parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "sales.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "Umsätze d'été 2023 (1).csv": lambda frame, path: frame.to_csv(path, index=False),
    "sales [2023].csv": lambda frame, path: frame.to_csv(path, index=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_table(name: str, sales: pd.DataFrame, tmp_path: Path) -> None:
    """Whatever the file's kind, delimiter or name: ids keep their zeros, money is exact, times are times."""
    WRITERS[name](sales, tmp_path / name)
    found = read(
        a_source(tmp_path / name), "SELECT customer_id, ordered_at::VARCHAR, revenue FROM transactions ORDER BY 2"
    )
    assert found == [
        ("007", "2023-01-02 10:00:00", Decimal("1.25")),
        ("1e5", "2023-01-03 23:59:59", Decimal("2.5")),
        ("1.50", "2023-01-04 00:00:00", Decimal(3)),
    ]


def test_ids_of_numbers_alone_keep_their_form(sales: pd.DataFrame, tmp_path: Path) -> None:
    """A column of ids that all look like numbers is text nevertheless."""
    sales.assign(customer_id=["1e5", "1.50", "2.0"]).to_csv(tmp_path / "sales.csv", index=False)
    found = read(a_source(tmp_path / "sales.csv"), "SELECT customer_id FROM transactions ORDER BY 1")
    assert found == [("1.50",), ("1e5",), ("2.0",)]


def test_ids_that_are_mapped_keep_their_form(sales: pd.DataFrame, tmp_path: Path) -> None:
    """The user's own name of an id column, in any case, is recognised before types are guessed."""
    frame = sales.assign(customer_id=["1e5", "1.50", "2.0"]).rename(columns={"customer_id": "Customer ID"})
    frame.to_csv(tmp_path / "sales.csv", index=False)
    source = a_source(tmp_path / "sales.csv", columns={"customer_id": "customer id"})
    assert read(source, "SELECT customer_id FROM transactions ORDER BY 1") == [("1.50",), ("1e5",), ("2.0",)]


def test_ids_in_a_query_keep_their_form(sales: pd.DataFrame, tmp_path: Path) -> None:
    """Files of a query keep the text of columns with a canonical id's name."""
    sales.assign(customer_id=["1e5", "1.50", "2.0"]).to_csv(tmp_path / "sales.csv", index=False)
    table = TableSource(query="SELECT * FROM given", files={"given": str(tmp_path / "sales.csv")})
    found = read(DataSource("test", {"transactions": table}), "SELECT customer_id FROM transactions ORDER BY 1")
    assert found == [("1.50",), ("1e5",), ("2.0",)]


def test_whole_ids_that_pandas_made_floats_match_other_tables(sales: pd.DataFrame, tmp_path: Path) -> None:
    """An id column that is float only because some ids are missing reads as whole numbers."""
    sales.assign(customer_id=[7.0, np.nan, 12.5]).to_parquet(tmp_path / "sales.parquet")
    found = read(a_source(tmp_path / "sales.parquet"), "SELECT customer_id FROM transactions ORDER BY ordered_at")
    assert found == [("7",), (None,), ("12.5",)]


def test_mixed_json_values_lose_their_quotes(tmp_path: Path) -> None:
    """Ids that are numbers in some JSON lines and text in others come out as bare text."""
    lines = ['{"customer_id": 7, "ordered_at": "2023-01-02", "revenue": 1}'] * 21_000
    lines.append('{"customer_id": "A-1", "ordered_at": "2023-01-02", "revenue": 1}')
    (tmp_path / "sales.jsonl").write_text("\n".join(lines))
    found = read(a_source(tmp_path / "sales.jsonl"), "SELECT DISTINCT customer_id FROM transactions ORDER BY 1")
    assert found == [("7",), ("A-1",)]


def test_a_column_that_turns_to_text_late_is_read(tmp_path: Path, sales: pd.DataFrame) -> None:
    """One odd value after thousands of numbers neither stops the scan nor drops out of sight."""
    many = pd.concat([sales] * 8000, ignore_index=True)
    many["revenue"] = many["revenue"].astype(object)
    many.loc[len(many) - 1, "revenue"] = "n/a"
    many.to_csv(tmp_path / "sales.csv", index=False)
    found = read(a_source(tmp_path / "sales.csv"), "SELECT count(*), count(revenue) FROM transactions")
    assert found == [(24_000, 23_999)]


def test_money_is_exact(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Sums of money do not carry binary rounding."""
    sales.assign(revenue=[0.1, 0.2, 0.3]).to_csv(tmp_path / "sales.csv", index=False)
    assert read(a_source(tmp_path / "sales.csv"), "SELECT sum(revenue) FROM transactions") == [(Decimal("0.6"),)]


def test_moments_with_an_offset_are_utc_on_every_machine(tmp_path: Path, sales: pd.DataFrame) -> None:
    """The zone of the machine does not move an order to another day."""
    moments = pd.to_datetime(sales["ordered_at"]).dt.tz_localize("UTC")
    sales.assign(ordered_at=moments).to_parquet(tmp_path / "sales.parquet")
    script = (
        "from patronage.tables import DataSource, TableSource, open_tables\n"
        f"source = DataSource('test', {{'transactions': TableSource(path={str(tmp_path / 'sales.parquet')!r})}})\n"
        "with open_tables(source) as tables:\n"
        "    print(tables.row('SELECT max(ordered_at)::VARCHAR FROM transactions')[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "2023-01-04 00:00:00"


def test_columns_are_mapped_whatever_their_case(tmp_path: Path, sales: pd.DataFrame) -> None:
    """A canonical column takes its values from the user's column, upper or lower case."""
    frame = sales.set_axis(["Customer ID", "Ordered At", "REVENUE"], axis="columns")
    frame.to_csv(tmp_path / "sales.csv", index=False)
    source = a_source(tmp_path / "sales.csv", columns={"customer_id": "Customer ID", "ordered_at": "ordered at"})
    assert read(source, "SELECT customer_id, revenue FROM transactions ORDER BY 2")[0] == ("007", Decimal("1.25"))


def test_extra_columns_pass_through(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Columns that patronage does not know keep their name, however odd, and their values."""
    odd = 'salesman\'s "region"'
    sales.assign(**{odd: ["n", "s", "w"]}).to_csv(tmp_path / "sales.csv", index=False)
    with open_tables(a_source(tmp_path / "sales.csv")) as tables:
        assert list(tables.columns["transactions"]) == ["customer_id", "ordered_at", "revenue", odd]
        assert rows(tables, f"SELECT {duckdb_name(odd)} FROM transactions ORDER BY ordered_at") == [
            ("n",),
            ("s",),
            ("w",),
        ]


def duckdb_name(name: str) -> str:
    """Quoted as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def test_derived_columns_come_from_the_source_columns(tmp_path: Path, sales: pd.DataFrame) -> None:
    """A derived canonical column is typed, a derived extra one passes through."""
    sales.assign(gross=[2.0, 3.0, 4.0]).to_csv(tmp_path / "sales.csv", index=False)
    source = a_source(tmp_path / "sales.csv", derive={"discount": "gross - revenue", "big": "gross > 2.5"})
    found = read(source, "SELECT discount, big FROM transactions ORDER BY ordered_at")
    assert found == [(Decimal("0.75"), False), (Decimal("0.5"), True), (Decimal(1), True)]


def test_where_leaves_rows_out(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Rows that the condition does not hold for are in no table."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    with open_tables(a_source(tmp_path / "sales.csv", where="revenue > 2 AND customer_id <> '1e5'")) as tables:
        assert rows(tables, "SELECT customer_id FROM transactions") == [("1.50",)]
        assert tables.count("transactions") == 1


def test_a_query_builds_a_table_from_several_files(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Files of different kinds, each under its name, make one canonical table; its columns can be mapped as well."""
    sales.to_parquet(tmp_path / "sales.parquet")
    pd.DataFrame({"customer_id": ["007"], "club": [True]}).to_csv(tmp_path / "club.csv", index=False)
    table = TableSource(
        query="SELECT s.customer_id AS buyer, s.ordered_at, s.revenue, c.club FROM s JOIN c USING (customer_id)",
        files={"s": str(tmp_path / "sales.parquet"), "c": str(tmp_path / "club.csv")},
        columns={"customer_id": "buyer"},
    )
    found = read(DataSource("test", {"transactions": table}), "SELECT customer_id, club FROM transactions")
    assert found == [("007", True)]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_glob_reads_several_files_as_one_table(ending: str, tmp_path: Path, sales: pd.DataFrame) -> None:
    """Files of one glob go together by column name: another order of columns, or a late one, does no harm."""
    parts = [sales.iloc[:1], sales.iloc[1:][["revenue", "ordered_at", "customer_id"]].assign(channel="web")]
    for number, part in enumerate(parts):
        WRITERS[f"sales.{ending}"](part, tmp_path / f"part{number}.{ending}")
    query = "SELECT customer_id, revenue, channel FROM transactions ORDER BY ordered_at"
    found = read(a_source(tmp_path / f"part*.{ending}"), query)
    assert found == [("007", Decimal("1.25"), None), ("1e5", Decimal("2.5"), "web"), ("1.50", Decimal(3), "web")]


def test_package_paths_find_files_inside_an_installed_package() -> None:
    """package://name/path names a file wherever the package is installed."""
    (found,) = resolve("package://pandas/core/frame.py")
    assert Path(found) == Path(pd.__file__).parent / "core" / "frame.py"


@pytest.mark.parametrize(
    "path", ["package://no_such_package/x.csv", "package://no_such.part/x.csv", "package:///x.csv"]
)
def test_package_paths_of_absent_packages_find_nothing(path: str) -> None:
    """A package that is not installed is a missing file, told with its path."""
    assert f"no file at {path}" in fault_of(a_source(path))


def test_the_shipped_data_opens(complete_journey: DataSource) -> None:
    """Complete Journey's four tables open, one of them from three files by a query."""
    with open_tables(complete_journey) as tables:
        assert {name: tables.count(name) for name in tables.columns} == {
            "transactions": 1_469_307,
            "products": 92_331,
            "customers": 801,
            "campaigns": 6_589,
        }


def test_the_span_is_the_first_and_last_day(tmp_path: Path, sales: pd.DataFrame) -> None:
    """First and last day are those of the transactions, times cut off."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    with open_tables(a_source(tmp_path / "sales.csv")) as tables:
        assert [day.isoformat() for day in tables.span()] == ["2023-01-02", "2023-01-04"]


def test_a_span_of_no_dates_is_an_error(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Transactions without any date cannot be laid on a calendar."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    with (
        open_tables(a_source(tmp_path / "sales.csv", where="false")) as tables,
        pytest.raises(InvalidInputError, match="table transactions: no row with a date, at least one is needed"),
    ):
        tables.span()


def test_inputs_are_left_as_they_are(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Reading changes neither the file nor its time."""
    path = tmp_path / "sales.csv"
    sales.to_csv(path, index=False)
    before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir()))
    read(a_source(path), "SELECT * FROM transactions")
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


# Faults


def test_all_missing_files_and_columns_of_all_tables_are_told_at_once(tmp_path: Path, sales: pd.DataFrame) -> None:
    """One message lists each table's fault, with the option to set and what was found instead."""
    sales.drop(columns=["revenue", "ordered_at"]).assign(total=1).to_csv(tmp_path / "sales.csv", index=False)
    sales.rename(columns={"customer_id": "client"}).to_csv(tmp_path / "people.csv", index=False)
    source = DataSource(
        "test",
        {
            "customers": TableSource(path=str(tmp_path / "people.csv")),
            "products": TableSource(path=f"{tmp_path}/absent.csv"),
            "transactions": TableSource(path=str(tmp_path / "sales.csv"), columns={"store_id": "Shop"}),
            "events": TableSource(query="SELECT * FROM visits", files={"visits": f"{tmp_path}/absent*.parquet"}),
        },
    )
    assert set(fault_of(source).splitlines()) == {
        "table customers: 1 column(s) missing: customer_id; found: client, ordered_at, revenue. "
        "Map them with data.customers.columns.<canonical>=<your column>.",
        f"table products: no file at {tmp_path}/absent.csv; set data.products.path to an existing file.",
        "table transactions: 3 column(s) missing: ordered_at, revenue, Shop; found: customer_id, total. "
        "Map them with data.transactions.columns.<canonical>=<your column>.",
        f"table events: no file at {tmp_path}/absent*.parquet; set data.events.files.visits to an existing file.",
    }


def test_data_without_customers_and_transactions_is_an_error() -> None:
    """At least one of the two must be there; the message names the option."""
    message = fault_of(DataSource("test", {"products": TableSource(path="x.csv")}))
    assert message == (
        "data=test has neither a customers nor a transactions table; at least one is needed. "
        "Name a file: data.transactions.path=…"
    )


@pytest.mark.parametrize("options", [{}, {"path": "x.csv", "query": "SELECT 1"}], ids=["neither", "both"])
def test_a_table_has_one_origin(options: dict[str, str]) -> None:
    """A table comes from a path or from a query; the message names both options."""
    message = fault_of(DataSource("test", {"transactions": TableSource(**options)}), InvalidConfigError)
    assert message == "table transactions: give either data.transactions.path or data.transactions.query with files."


def test_a_table_that_is_not_canonical_is_an_error(tmp_path: Path, sales: pd.DataFrame) -> None:
    """A misspelt table is told with the names there are."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    tables = {name: TableSource(path=str(tmp_path / "sales.csv")) for name in ("transactions", "orderz")}
    message = fault_of(DataSource("test", tables), InvalidConfigError)
    assert message == f"there is no table orderz; expected {', '.join(CANONICAL)}."


@pytest.mark.parametrize("option", ["null_key", "invalid_value"])
def test_a_misspelt_policy_is_an_error(option: str, tmp_path: Path, sales: pd.DataFrame) -> None:
    """A policy that does not exist never silently means another one."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    message = fault_of(a_source(tmp_path / "sales.csv", **{option: "dorp"}), InvalidConfigError)
    assert message == f"data.transactions.{option} must be one of error, drop, keep; got 'dorp'."


def test_a_column_is_not_both_mapped_and_derived(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Two origins of one column are told."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    options = {"columns": {"discount": "revenue"}, "derive": {"discount": "revenue / 10"}}
    message = fault_of(a_source(tmp_path / "sales.csv", **options))
    assert message == "table transactions: column discount is both mapped and derived; keep one."


def test_files_of_an_unknown_kind_are_told(tmp_path: Path) -> None:
    """The message lists the kinds that can be read."""
    (tmp_path / "sales.xlsx").write_bytes(b"PK")
    message = fault_of(a_source(tmp_path / "sales.xlsx"))
    assert f"{tmp_path}/sales.xlsx is not of a known kind; data.transactions.path takes" in message
    assert ".csv" in message
    assert ".parquet" in message


def test_a_glob_of_several_kinds_is_told(tmp_path: Path, sales: pd.DataFrame) -> None:
    """One table is read from files of one kind."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    sales.to_parquet(tmp_path / "sales.parquet")
    message = fault_of(a_source(tmp_path / "sales.*"))
    assert message.endswith("finds files of several kinds; set data.transactions.path to files of one kind.")


@pytest.mark.parametrize("ending", ["parquet", "csv.gz", "jsonl"])
def test_a_broken_file_is_told_without_its_content(ending: str, tmp_path: Path) -> None:
    """A file that is not what its ending says ends in one message that quotes nothing of it."""
    (tmp_path / f"sales.{ending}").write_text(f'{{"customer_id": {PLANTED}, {PLANTED}\n{PLANTED}"')
    message = fault_of(a_source(tmp_path / f"sales.{ending}"))
    assert message.startswith("data.transactions.path: the ")
    assert "\n" not in message
    assert PLANTED not in message


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"where": "revenu > 0"}, "data.transactions.derive or data.transactions.where"),
        ({"derive": {"discount": "revenue -* 2"}}, "data.transactions.derive or data.transactions.where"),
    ],
)
def test_sql_that_does_not_fit_the_table_is_a_config_error(
    options: dict[str, Any], named: str, tmp_path: Path, sales: pd.DataFrame
) -> None:
    """A wrong column or sign in where or derive is told with the option it stands in."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    message = fault_of(a_source(tmp_path / "sales.csv", **options), InvalidConfigError)
    assert message.startswith(f"{named}: ")
    assert "\n" not in message


def _outside(folder: Path) -> Path:
    path = folder / "other.csv"
    path.write_text(f"customer_id,ordered_at,revenue\n{PLANTED},2023-01-01,1\n")
    return path


@pytest.mark.parametrize(
    "options",
    [
        {"where": "customer_id IN (SELECT customer_id FROM read_csv('{other}'))"},
        {"where": "customer_id IN (SELECT customer_id FROM '{other}')"},
        {"derive": {"channel": "(SELECT min(customer_id) FROM read_csv('{other}'))"}},
        {"derive": {"channel": "(SELECT content FROM read_text('{other}'))"}},
    ],
)
def test_sql_of_a_table_reads_no_other_file(options: dict[str, Any], tmp_path: Path, sales: pd.DataFrame) -> None:
    """Neither where nor derive can open a file that the config does not name as input."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    other = str(_outside(tmp_path))
    given_options = {
        key: value.format(other=other)
        if isinstance(value, str)
        else {k: v.format(other=other) for k, v in value.items()}
        for key, value in options.items()
    }
    message = fault_of(a_source(tmp_path / "sales.csv", **given_options), InvalidConfigError)
    assert message == (
        "data.transactions.derive or data.transactions.where: SQL may read no file but those that data.<table> names."
    )


def test_a_query_reads_only_its_files(tmp_path: Path) -> None:
    """A query cannot open a file by its path."""
    table = TableSource(query=f"SELECT * FROM read_csv('{_outside(tmp_path)}')")
    message = fault_of(DataSource("test", {"transactions": table}), InvalidConfigError)
    assert message == "data.transactions.query: SQL may read no file but those that data.<table> names."


def test_a_query_sees_no_frame_of_the_calling_code(tmp_path: Path, sales: pd.DataFrame) -> None:
    """DuckDB's habit of finding pandas frames by their variable's name is off."""
    table = TableSource(query="SELECT * FROM sales")
    message = fault_of(DataSource("test", {"transactions": table}), InvalidConfigError)
    assert "sales does not exist" in message
    assert len(sales) == 3


def test_the_fence_cannot_be_opened_from_inside(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Once tables are open, no statement writes a file, attaches a database or changes a setting."""
    path = tmp_path / "sales.csv"
    sales.to_csv(path, index=False)
    with open_tables(a_source(path)) as tables:
        for statement in (
            f"COPY (SELECT 1) TO '{tmp_path}/written.csv'",
            f"ATTACH '{tmp_path}/written.db'",
            "SET enable_external_access = true",
            "SET allowed_paths = ['/']",
            "SET TimeZone = 'Asia/Tokyo'",
        ):
            with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
                tables.connection.execute(statement)
    assert list(tmp_path.iterdir()) == [path]


# Digest


CELLS = st.sampled_from(["", "0", "1", "a", "A", "é", None])


@pytest.fixture(scope="module")
def digesting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[tuple[Any, ...]]], str]]:
    """Digest of rows (customer_id, ordered_at, revenue, t, channel); the column t has the shortest of names."""
    folder = tmp_path_factory.mktemp("digest")

    def digest(given_rows: list[tuple[Any, ...]]) -> str:
        frame = pd.DataFrame(given_rows, columns=["customer_id", "ordered_at", "revenue", "t", "channel"])
        frame["customer_id"] = "c" + frame["customer_id"].fillna("none")  # blanks are no id, whatever their number
        typed = frame.astype({"customer_id": "str", "t": "str", "channel": "str", "revenue": "float64"})
        typed.assign(ordered_at=pd.Timestamp("2023-01-01")).to_parquet(folder / "digest.parquet", index=False)
        with open_tables(a_source(folder / "digest.parquet")) as tables:
            return tables.digest()

    return digest


ROWS = st.lists(st.tuples(CELLS, st.just(0), st.integers(-2, 2), CELLS, CELLS), min_size=1, max_size=6)


@settings(deadline=None, max_examples=10)
@given(given_rows=ROWS, data=st.data())
def test_the_digest_ignores_the_order_of_rows(
    given_rows: list[tuple[Any, ...]], data: st.DataObject, digesting: Callable[[list[tuple[Any, ...]]], str]
) -> None:
    """The same rows in another order are the same data."""
    assert digesting(data.draw(st.permutations(given_rows))) == digesting(given_rows)


@settings(deadline=None, max_examples=15)
@given(given_rows=ROWS, changed=ROWS)
def test_the_digest_tells_other_rows(
    given_rows: list[tuple[Any, ...]],
    changed: list[tuple[Any, ...]],
    digesting: Callable[[list[tuple[Any, ...]]], str],
) -> None:
    """Any other rows, or other numbers of the same rows, have another digest."""
    same = sorted(map(repr, given_rows)) == sorted(map(repr, changed))
    assert (digesting(changed) == digesting(given_rows)) is same


@settings(deadline=None, max_examples=15)
@given(given_rows=ROWS, data=st.data())
def test_the_digest_tells_a_single_changed_value(
    given_rows: list[tuple[Any, ...]], data: st.DataObject, digesting: Callable[[list[tuple[Any, ...]]], str]
) -> None:
    """One value changed in any one place changes the digest."""
    row, column = data.draw(st.integers(0, len(given_rows) - 1)), data.draw(st.sampled_from([0, 2, 3, 4]))
    old = given_rows[row][column]
    new = data.draw((st.integers(-9, 9) if column == 2 else CELLS).filter(lambda value: value != old))
    changed = [list(values) for values in given_rows]
    changed[row][column] = new
    assert digesting([tuple(values) for values in changed]) != digesting(given_rows)


def test_the_digest_tells_pairs_of_equal_rows_apart(digesting: Callable[[list[tuple[Any, ...]]], str]) -> None:
    """Equal rows do not cancel each other out."""
    first, second = ("a", 0, 1, "x", "y"), ("b", 0, 2, "x", "y")
    assert digesting([first, first]) != digesting([second, second])


def test_the_digest_covers_every_table(tmp_path: Path, sales: pd.DataFrame) -> None:
    """A change in a small side table changes the digest as well."""
    sales.to_csv(tmp_path / "sales.csv", index=False)
    digests = set()
    for brand in ("own", "other"):
        pd.DataFrame({"product_id": ["p"], "brand": [brand]}).to_csv(tmp_path / "products.csv", index=False)
        tables = {name: TableSource(path=str(tmp_path / f"{name}.csv")) for name in ("products",)}
        tables["transactions"] = TableSource(path=str(tmp_path / "sales.csv"))
        with open_tables(DataSource("test", tables)) as opened:
            digests.add(opened.digest())
    assert len(digests) == 2


def test_a_folder_named_like_a_column_does_not_overwrite_it(tmp_path: Path, sales: pd.DataFrame) -> None:
    """A path such as revenue=1/t.csv is a path, not data."""
    (tmp_path / "revenue=1").mkdir()
    path = tmp_path / "revenue=1" / "t.csv"
    sales.to_csv(path, index=False)
    plain = tmp_path / "t.csv"
    sales.to_csv(plain, index=False)
    query = "SELECT sum(revenue) FROM transactions"
    assert read(a_source(path), query) == read(a_source(plain), query)


@pytest.mark.parametrize(
    "name", ["numbers/grouped_by_points", "dates/german", "text/spaces_around_values", "ids/missing"]
)
def test_files_too_large_for_memory_give_the_same_table(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text file that is read anew by each query has the same rows, notes and faults as one that is kept."""
    case = invalid_tables.load(name)
    monkeypatch.setattr(mapping, "TYPED_IN_MEMORY_BYTES", 0)
    assert invalid_tables.outcome(case, tmp_path) == case["expected"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("name", ["sales.csv", "sales.parquet"])
def test_a_file_that_may_not_be_read_is_told(name: str, sales: pd.DataFrame, tmp_path: Path) -> None:
    """One message names the option, without a traceback."""
    WRITERS[name](sales, tmp_path / name)
    (tmp_path / name).chmod(0)
    assert fault_of(a_source(tmp_path / name)).startswith("data.transactions.path: the")


def test_what_the_system_refuses_is_told_with_the_option() -> None:
    """A file without the right to read it is told apart from a broken one."""
    with pytest.raises(InvalidInputError) as caught, readable("data.transactions.path"):
        raise PermissionError
    assert str(caught.value) == "data.transactions.path: there is no permission to read the file."


@pytest.mark.parametrize(
    "options",
    [
        {"where": "true; COPY (SELECT 1) TO '{}'"},
        {"derive": {"x": "1) FROM (SELECT 1); COPY (SELECT 1) TO '{}'; SELECT (1"}},
    ],
)
def test_a_second_statement_is_refused_and_writes_nothing(
    options: dict[str, Any], tmp_path: Path, sales: pd.DataFrame
) -> None:
    """What a configuration adds is an expression; a statement after it could overwrite the very file that is read."""
    path = tmp_path / "sales.csv"
    sales.to_csv(path, index=False)
    before = path.read_bytes()
    filled = {
        name: value.format(path) if isinstance(value, str) else {key: sql.format(path) for key, sql in value.items()}
        for name, value in options.items()
    }
    assert "data.transactions" in fault_of(a_source(path, **filled), InvalidConfigError)
    assert path.read_bytes() == before


def test_days_without_a_clock_are_the_same_day_in_every_zone(tmp_path: Path, sales: pd.DataFrame) -> None:
    """Only moments are converted; a column of days is not."""
    days = sales.assign(ordered_at=["2023-01-02", "2023-01-03", "2023-01-04"])
    days.to_csv(tmp_path / "days.csv", index=False)
    table = TableSource(path=str(tmp_path / "days.csv"), timezone="Asia/Tokyo")
    source = DataSource("test", {"transactions": table}, timezone="Europe/Amsterdam")
    assert [str(day) for (day,) in read(source, "SELECT ordered_at::DATE FROM transactions ORDER BY 1")] == [
        "2023-01-02",
        "2023-01-03",
        "2023-01-04",
    ]
