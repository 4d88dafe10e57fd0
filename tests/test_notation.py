"""How texts are read: what is written in any one notation comes back exactly, and what could be two is refused."""

# ruff: noqa: DTZ001, DTZ007 - the moments that are read have no zone

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.tables import DataSource, Kind, TableSource, open_tables
from patronage.tables.deciding import Decision, decide
from patronage.tables.notation import presented

POINT, COMMA = "1,234.50", "1.234,50"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database whose clock is UTC's."""
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def decided(
    connection: duckdb.DuckDBPyConnection, texts: list[str | None], kind: Kind | None, named: str | None = None
) -> Decision:
    """How a column of texts is read."""
    connection.execute("CREATE OR REPLACE TABLE t AS SELECT unnest(?::VARCHAR[]) AS v", [texts])
    return decide(connection, "t", {"v": kind}, {} if named is None else {"v": named})["v"]


def values(connection: duckdb.DuckDBPyConnection, decision: Decision) -> list[object]:
    """The values that are read."""
    assert decision.notation is not None
    query = f"SELECT {decision.notation.read('v')} FROM {presented('t', ['v'])}"
    return [row[0] for row in connection.execute(query).fetchall()]


# Numbers


def _grouped(group: str, point: str) -> Callable[[Decimal], str]:
    return lambda value: f"{value:,.2f}".translate(str.maketrans({",": group, ".": point}))


WRITTEN: dict[str, tuple[str, Callable[[Decimal], str]]] = {
    "plain": ("plain", "{:.2f}".format),
    "commas": (POINT, _grouped(",", ".")),
    "points": (COMMA, _grouped(".", ",")),
    "apostrophes": (POINT, _grouped("'", ".")),
    "blanks": (COMMA, _grouped("\u00a0", ",")),
    "narrow blanks": (COMMA, _grouped("\u202f", ",")),
    "decimal comma": (COMMA, lambda value: f"{value:.2f}".replace(".", ",")),
    "euro before": (COMMA, lambda value: "€ " + _grouped(".", ",")(value)),
    "euro behind": (COMMA, lambda value: _grouped(" ", ",")(value) + " €"),
    "dollar": (POINT, lambda value: "$" + _grouped(",", ".")(value)),
    "kroner": (COMMA, lambda value: "kr " + _grouped(".", ",")(value)),
    "minus behind": (COMMA, lambda value: _grouped(".", ",")(abs(value)) + ("-" if value < 0 else "")),
    "brackets": (POINT, lambda value: f"({abs(value):,.2f})" if value < 0 else f"{value:,.2f}"),
    "true minus": (POINT, lambda value: f"{value:,.2f}".replace("-", "−")),
}
MONEY = st.decimals(min_value=-(10**9), max_value=10**9, places=2, allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=80)
@given(amounts=st.lists(MONEY, min_size=1, max_size=8), written=st.sampled_from(sorted(WRITTEN)))
def test_amounts_written_in_any_notation_come_back(
    amounts: list[Decimal], written: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """With two decimals there is no doubt: whatever the signs, the amounts are those that were written."""
    decision = decided(connection, [WRITTEN[written][1](amount) for amount in amounts], "money")
    assert (decision.doubt, decision.complete) == ("", True)
    assert values(connection, decision) == amounts


WHOLE = st.integers(1000, 10**9)


@settings(deadline=None, max_examples=30)
@given(amounts=st.lists(WHOLE, min_size=1, max_size=8), sign=st.sampled_from([",", "."]))
def test_groups_of_thousands_alone_are_refused(
    amounts: list[int], sign: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """1.234 may be a little or a thousand; only a value with two groups tells."""
    texts = [f"{amount:,}".replace(",", sign) for amount in amounts]
    decision = decided(connection, texts, "money")
    if any(text.count(sign) > 1 for text in texts):
        assert decision.doubt == ""
        assert values(connection, decision) == amounts
    else:
        assert "its values can be read as 1,234.50 and as 1.234,50" in decision.doubt or (
            "its values can be read as 1.234,50 and as 1,234.50" in decision.doubt
        )


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.text("0123456789.,' -+€()", min_size=1, max_size=9), min_size=1, max_size=4))
def test_no_text_is_read_as_a_number_it_does_not_spell(texts: list[str], connection: duckdb.DuckDBPyConnection) -> None:
    """Whatever the signs: the digits of a number are the digits of its text, in their order."""
    decision = decided(connection, texts, "money")
    for text, value in zip(texts, values(connection, decision), strict=True):
        if value is not None:
            spelt = re.sub(r"\D", "", text).strip("0")
            assert re.sub(r"\D", "", f"{value:f}").strip("0") == spelt or len(spelt) > 8


@pytest.mark.parametrize(
    "text",
    ["12%", "0x1F", "1_000", "1.2.3", "12 50", "1,23,456.50", "--5", "5e", "(5", "٣", "1'23", "€", "5 €€", "inf"],
)
def test_what_is_no_amount_is_not_read(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    """It is counted as a value that cannot be read."""
    decision = decided(connection, [text, "1.50"], "money")
    assert (decision.n_values, decision.n_read) == (2, 1)


@pytest.mark.parametrize("kind", ["money", "time", None, "flag"])
def test_a_column_without_a_value_is_in_no_doubt(kind: Kind | None, connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing to read is nothing to mistake."""
    decision = decided(connection, [None, "", " ", "NA", "n/a", "NULL", "NaN", "-"], kind)
    assert (decision.doubt, decision.n_values, decision.told) == ("", 0, "")


# Dates

DAY_FIRST = ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%Y %H:%M", "%d.%m.%Y, %H:%M:%S", "%d/%m/%Y %I:%M:%S %p"]
MONTH_FIRST = [text.replace("%d", "%x").replace("%m", "%d").replace("%x", "%m") for text in DAY_FIRST]
CERTAIN = [
    *("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%Y.%m.%d %H:%M", "%Y%m%d"),
    *("%Y-%m-%d %I:%M %p", "%d %b %Y", "%d-%b-%Y %H:%M", "%d %B %Y", "%b %d, %Y", "%B %d, %Y %I:%M %p", "%a, %d %b %Y"),
]
MOMENTS = st.datetimes(datetime(1901, 1, 1), datetime(2023, 12, 31))


@settings(deadline=None, max_examples=80)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=6), form=st.sampled_from(CERTAIN))
def test_dates_written_in_any_certain_form_come_back(
    moments: list[datetime], form: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """Where the form tells the order, the moments are those that were written, as far as they were."""
    decision = decided(connection, [moment.strftime(form) for moment in moments], "time")
    assert (decision.doubt, decision.complete) == ("", True)
    assert values(connection, decision) == [datetime.strptime(moment.strftime(form), form) for moment in moments]


@settings(deadline=None, max_examples=80)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=6), form=st.sampled_from(DAY_FIRST + MONTH_FIRST))
def test_days_and_months_come_back_or_are_refused(
    moments: list[datetime], form: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """One day after the 12th tells the order; without, only dates that are the same either way are read."""
    decision = decided(connection, [moment.strftime(form) for moment in moments], "time")
    told = any(moment.day > 12 for moment in moments) or all(moment.day == moment.month for moment in moments)
    assert (decision.doubt == "") is told
    if told:
        assert values(connection, decision) == [datetime.strptime(moment.strftime(form), form) for moment in moments]


@settings(deadline=None, max_examples=30)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=4), form=st.sampled_from(DAY_FIRST))
def test_named_notations_are_not_decided(
    moments: list[datetime], form: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """What the user names holds, whatever the values."""
    decision = decided(connection, [moment.strftime(form) for moment in moments], "time", named="day/month/year")
    assert values(connection, decision) == [datetime.strptime(moment.strftime(form), form) for moment in moments]


@pytest.mark.parametrize(
    "text",
    ["2023-02-30", "31/02/2023", "32.01.2023", "2023013", "5 Januar 2023", "2023-01-31 18:05:00 Europe/Paris", "noon",
     "2023-01-31 25:00", "2023-01-31 +02:00", "infinity", "epoch", "today", "1/2", "2023-W05-2", "13/13/2023"],
)  # fmt: skip
def test_what_is_no_date_is_not_read(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    """It is counted as a value that cannot be read; nothing of it is dropped in silence."""
    decision = decided(connection, [text, "2023-01-31", "2023-02-01"], "time")
    assert (decision.n_values, decision.n_read) == (3, 2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("dd.mm.yyyy", "time"), ("1.234,50", "time"), ("day/month/year", "money"), ("%d.%m.%Y", "money"), ("x", "id")],
)
def test_a_notation_that_does_not_exist_is_told(name: str, kind: Kind, connection: duckdb.DuckDBPyConnection) -> None:
    """With those that do, for the column's kind."""
    with pytest.raises(InvalidConfigError, match=rf"^column v: there is no notation {re.escape(repr(name))}; "):
        decided(connection, ["1"], kind, named=name)


# Extra columns


@pytest.mark.parametrize(
    ("texts", "sql_type"),
    [
        (["1", "-20"], "BIGINT"),
        (["1.5", "2"], "DOUBLE"),
        (["true", "False"], "BOOLEAN"),
        (["2023-01-31", "2023-02-01 10:00"], "TIMESTAMP"),
        (["31/01/2023"], "TIMESTAMP"),
        (["1,50", "2"], "DOUBLE"),
        (["007", "8"], None),
        (["1", "x"], None),
        (["20230131.", "x"], None),
        (["01/02/2023"], None),
        (["12345678901234567890"], "DOUBLE"),
    ],
)
def test_columns_of_no_known_kind_get_the_type_that_all_values_fit(
    texts: list[str], sql_type: str | None, connection: duckdb.DuckDBPyConnection
) -> None:
    """Zeros in front make an id, not a number; and doubt makes text."""
    decision = decided(connection, texts, None)
    found = None if decision.notation is None or decision.doubt else decision.notation.sql_type
    assert found == sql_type


# Files as a whole

IDS = st.text(st.characters(codec="latin-1", categories=("L", "N", "P", "S")), min_size=1, max_size=6)
NO_IDS = {"null", "none", "nan", "#n/a", "<na>"}


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.tuples(IDS, MOMENTS, MONEY), min_size=1, max_size=6),
    form=st.sampled_from([*CERTAIN, *DAY_FIRST]),
    written=st.sampled_from(sorted(WRITTEN)),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1252"]),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_written_anyhow_comes_back_exactly_or_is_refused(
    rows: list[tuple[str, datetime, Decimal]],
    form: str,
    written: str,
    delimiter: str,
    encoding: str,
    newline: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Ids, moments and money in any delimiter, encoding and notation: the same rows, or a named doubt."""
    texts = [(customer, moment.strftime(form), WRITTEN[written][1](money)) for customer, moment, money in rows]
    encoded = "windows-1252" if encoding == "windows-1252" else "utf-8"
    try:
        "".join(part for row in texts for part in row).encode(encoding)
    except UnicodeError:
        return
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([("customer_id", "ordered_at", "revenue"), *texts])
    path: Path = tmp_path_factory.mktemp("written") / "sales.csv"
    path.write_bytes(stream.getvalue().encode(encoding))
    source = DataSource("test", {"transactions": TableSource(path=str(path), encoding=encoded)})
    clear = form in CERTAIN or any(at.day > 12 for _, at, _ in rows) or all(at.day == at.month for _, at, _ in rows)
    if not clear:
        with pytest.raises(InvalidInputError, match="say which is meant"), open_tables(source):
            pass
        return
    with open_tables(source) as tables:
        found = tables.connection.execute("SELECT customer_id, ordered_at, revenue FROM transactions").fetchall()
    whole = all(re.fullmatch(r"-?\d+\.0+", customer) for customer, _, _ in rows)
    ids = [customer.partition(".")[0] if whole else customer.strip("\u00a0") for customer, _, _ in rows]
    expected = [
        (None if customer.lower() in NO_IDS else customer, datetime.strptime(moment.strftime(form), form), money)
        for customer, (_, moment, money) in zip(ids, rows, strict=True)
    ]
    assert found == expected
