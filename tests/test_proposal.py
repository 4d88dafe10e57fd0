"""What is made of other people's files: names in six languages, texts, codes, keys, days; guesses are told as such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from patronage.config import config_folder
from patronage.datasets import planted_personas
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.observation import MIN_CUSTOMERS
from patronage.proposal import Known, Proposed, known_names, parse_wishes, propose
from patronage.proposal.checking import FEWEST_DAYS, windows
from patronage.proposal.facts import Column
from patronage.proposal.looking import look
from patronage.proposal.profiling import midpoints, ordered
from patronage.proposal.rendering import _scalar, draft
from patronage.proposal.vocabulary import COLUMNS, fit, words
from patronage.tables import CANONICAL, open_tables

DAYS = 400


def lines(n_customers: int = 60, days: int = DAYS, seed: int = 0) -> pd.DataFrame:
    """Order lines in order of time, in words that no test depends on."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, days, n_customers * 12))
    at[0], at[-1] = 0.1, days - 0.1
    who = rng.integers(0, n_customers, len(at))
    return pd.DataFrame(
        {
            "who": 1000 + who,
            "order": [f"B{number}" for number in range(len(at))],
            "at": pd.Timestamp("2023-01-01") + pd.to_timedelta(at, unit="D"),
            "what": rng.integers(100, 140, len(at)),
            "many": rng.integers(1, 5, len(at)),
            "price": np.round(rng.lognormal(2, 0.5, len(at)), 2),
        }
    )


def csv(frame: pd.DataFrame, path: Path, **options: object) -> str:
    """Write a text file; gives its path."""
    frame.to_csv(path, index=False, **options)
    return str(path)


def mapped(proposed: Proposed, table: str) -> dict[str, str]:
    """Canonical column → the user's, of one table."""
    one = proposed.checked.proposal.table(table)
    assert one is not None
    return {match.column: match.source for match in one.matches}


@pytest.mark.parametrize(
    ("name", "column"),
    [
        *[(name, "customer_id") for name in ("CustomerID", "Customer ID", "household_id", "klantnummer", "Klant nr.")],
        *[(name, "customer_id") for name in ("Kundenr.", "Kunden-Nr", "user_id", "Numéro client", "Номер клиента")],
        *[(name, "customer_id") for name in ("CUST_ID", "Клиент", "kod_klienta", "client")],
        *[(name, "ordered_at") for name in ("InvoiceDate", "orderdatum", "Datum", "Købsdato", "Bestelldatum", "Дата")],
        *[(name, "revenue") for name in ("sales_value", "amount", "bedrag", "Omsætning", "Umsatz (EUR)", "Сумма")],
        *[(name, "price") for name in ("UnitPrice", "Stukprijs", "stykpris", "Einzelpreis", "prix_unitaire", "Цена")],
        *[(name, "quantity") for name in ("Qty", "aantal", "Antal", "Menge", "Quantité", "Кол-во")],
        *[(name, "product_id") for name in ("SKU", "StockCode", "artikelnr", "Varenr", "Артикул", "Référence produit")],
        *[(name, "order_id") for name in ("basket_id", "InvoiceNo", "Bestelnr", "Rechnungsnummer", "Номер заказа")],
    ],
)
def test_names_of_six_languages_are_known(name: str, column: str) -> None:
    """A column's name fits the canonical column that it means, and none of the transactions' better."""
    scores = {one: fit(name, COLUMNS[one]) for one in ("price", *CANONICAL["transactions"])}
    assert max(scores, key=lambda one: scores[one]) == column


@pytest.mark.parametrize("name", ["customer_name", "description", "notes", "candidato", "weekday", "update_count"])
def test_other_names_are_not_taken_for_keys(name: str) -> None:
    """What only resembles a key's name is none."""
    assert not any(fit(name, COLUMNS[one]) for one in ("customer_id", "ordered_at", "revenue", "order_id"))


@given(st.text(alphabet="aBcД _-Æé1", max_size=12))
def test_words_are_plain(name: str) -> None:
    """Whatever a column is called, its words are lower-case letters and digits without accents."""
    for word in words(name):
        assert word.isascii()
        assert word == word.lower()


@given(st.integers(1, 2_000))
def test_windows_fit_the_history(days: int) -> None:
    """Lookback and two outcome periods never need more days than there are, and a lookback is at least an outcome."""
    lookback_days, outcome_days = windows(days)
    assert lookback_days + 2 * outcome_days <= max(days, 0)
    assert (lookback_days > 0) == (days >= FEWEST_DAYS)
    assert lookback_days >= outcome_days


def test_bands_have_an_order_and_a_middle() -> None:
    """Open bands lie at their ends; amounts in thousands are multiplied out."""
    bands = ("250K+", "15-24K", "Under 15K", "100-124K")
    assert ordered(bands) == ("Under 15K", "15-24K", "100-124K", "250K+")
    column = Column("income", "text", is_text=True, n_rows=4, n_values=4, n_distinct=4, levels=bands)
    assert "WHEN '15-24K' THEN 19500" in midpoints(column)
    assert "WHEN 'Under 15K' THEN 7500" in midpoints(column)
    assert ordered(("red", "green", "blue")) == ()
    assert midpoints(replace(column, levels=("red", "green"))) == ""


def test_order_of_answers_is_known_by_their_words() -> None:
    """How often people come is ordered from never to more than once a week."""
    told = ("Once a week", "Never", "Every three months", "More than once a week", "Once a year", "Once a month")
    expected = ("Never", "Once a year", "Every three months", "Once a month", "Once a week", "More than once a week")
    assert ordered(told) == expected


@pytest.mark.parametrize(
    ("encoding", "name"), [("windows-1251", "Клиент"), ("windows-1252", "Kundenr. ærø"), ("utf-8", "Клиент")]
)
def test_encodings_are_found(encoding: str, name: str, tmp_path: Path) -> None:
    """Column names come out as they were written, whatever the letters."""
    path = tmp_path / "orders.csv"
    path.write_bytes(f"{name};Сумма\n1;2\n".encode(encoding) if "К" in name else f"{name};x\n1;2\n".encode(encoding))
    (file,) = look([str(path)])
    assert file.columns[0].name == name
    assert file.source.encoding == encoding
    assert bool(file.remarks) == (encoding != "utf-8")


def test_facts_of_columns(tmp_path: Path) -> None:
    """Unique values, row numbers, days as numbers and shares of missing values are seen."""
    frame = pd.DataFrame(
        {
            "n": range(1, 41),
            "id": [f"c{7 * number}" for number in range(40)],
            "day": [20230101 + number % 28 for number in range(40)],
            "half": ["", "1.5"] * 20,
            "comma": ["1,5", "1.234,75"] * 20,
        }
    )
    (file,) = look([csv(frame, tmp_path / "x.csv")])
    found = {column.name: column for column in file.columns}
    assert found["n"].is_row_number
    assert (found["id"].is_unique, found["id"].is_row_number) == (True, False)
    assert (found["day"].holds, str(found["day"].last)) == ("time", "2023-01-28 00:00:00")
    assert found["half"].missing == 20
    assert (found["comma"].holds, found["comma"].high) == ("number", 1234.75)


def test_price_times_quantity_is_revenue_where_nothing_else_is(tmp_path: Path) -> None:
    """With a discount that is a share, revenue is what is left of the price."""
    frame = lines().drop(columns="order").assign(discount=0.1)
    frame = frame.rename(columns={"who": "user_id", "many": "qty", "at": "day"})
    frame.loc[0, "discount"] = 0.25
    proposed = propose([csv(frame, tmp_path / "sales.csv")])
    source = proposed.checked.proposal.source.tables["transactions"]
    assert source.derive == {
        "revenue": '"qty" * "price" * (1 - coalesce("discount", 0))',
        "discount": '"qty" * "price" * coalesce("discount", 0)',
    }


@pytest.mark.parametrize(("column", "high"), [("margin", 1), ("margin_pct", 60), ("Discount %", 60)])
def test_shares_are_no_money(column: str, high: float, tmp_path: Path) -> None:
    """Neither shares nor percentages are summed as money off or margin."""
    frame = lines().rename(columns={"who": "user_id", "price": "amount"})
    frame[column] = np.linspace(0, high, len(frame))
    proposed = propose([csv(frame, tmp_path / "sales.csv")])
    with open_tables(proposed.checked.proposal.source) as tables:
        for name in ("discount", "margin"):
            if name in tables.columns["transactions"]:
                assert tables.scalar(f"SELECT count({name}) FROM transactions") == 0


def test_a_discount_in_percent_lowers_revenue(tmp_path: Path) -> None:
    """Revenue is what is left of quantity times price."""
    frame = lines().rename(columns={"who": "user_id", "many": "qty"}).assign(discount_pct=20)
    with open_tables(propose([csv(frame, tmp_path / "sales.csv")]).checked.proposal.source) as tables:
        total = float(tables.scalar("SELECT sum(revenue) FROM transactions"))
    assert total == pytest.approx(0.8 * (frame.qty * frame.price).sum(), abs=0.005 * len(frame))  # lines are in cents


def test_the_cost_of_one_piece_is_multiplied(tmp_path: Path) -> None:
    """The cost of a line is that of all its pieces."""
    frame = lines().rename(columns={"who": "user_id", "many": "qty"}).assign(unit_cost=1.25)
    with open_tables(propose([csv(frame, tmp_path / "sales.csv")]).checked.proposal.source) as tables:
        assert float(tables.scalar("SELECT sum(cost) FROM transactions")) == pytest.approx(1.25 * frame.qty.sum())


def test_negative_discounts_are_turned(tmp_path: Path) -> None:
    """Money off is positive in patronage."""
    frame = lines().rename(columns={"who": "user_id", "price": "amount"}).assign(discount=-1.5)
    proposed = propose([csv(frame, tmp_path / "sales.csv")])
    assert proposed.checked.proposal.source.tables["transactions"].derive["discount"] == '-"discount"'


def test_of_two_dates_the_other_is_named(tmp_path: Path) -> None:
    """Where two columns would do, one is taken as a guess, and the file says which else."""
    frame = lines().rename(columns={"who": "user_id", "price": "amount", "at": "first_seen"})
    frame["last_seen"] = frame.first_seen + pd.Timedelta(days=1)
    proposed = propose([csv(frame, tmp_path / "sales.csv")])
    text = proposed.draft.files[Path("conf/data/mine.yaml")]
    assert "ordered_at: first_seen # guess: one of several columns with dates; or last_seen" in text


def test_what_the_user_names_is_taken(tmp_path: Path) -> None:
    """A named column beats any other, whatever it is called."""
    frame = lines().rename(columns={"who": "user_id", "price": "amount", "at": "first_seen"})
    frame["last_seen"] = frame.first_seen + pd.Timedelta(days=1)
    proposed = propose([csv(frame, tmp_path / "sales.csv")], wishes=["transactions.ordered_at=last_seen"])
    assert mapped(proposed, "transactions")["ordered_at"] == "last_seen"


def ambiguous(folder: Path, *, in_order: bool, separator: str = ",", joint: str = "/") -> str:
    """Days of 2023 that can be read day first or month first throughout."""
    days = [pd.Timestamp(2023, month, day) for month in range(1, 13) for day in range(1, 13)] * 5
    days = sorted(days) if in_order else days[::-1][::7] + days
    frame = pd.DataFrame({"user_id": [n % 40 for n in range(len(days))], "amount": 2.5})
    frame["date"] = [day.strftime(f"%d{joint}%m{joint}%Y") for day in days]
    return csv(frame, folder / "sales.csv", sep=separator)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ({"in_order": True}, "the rows are in order of time"),
        ({"in_order": False, "separator": ";"}, "semicolons"),
        ({"in_order": False, "joint": "."}, "dots"),
    ],
)
def test_ambiguous_days_are_read_as_something_speaks_for(shape: dict[str, object], why: str, tmp_path: Path) -> None:
    """The order of rows, semicolons or dots decide, and the file says so."""
    proposed = propose([ambiguous(tmp_path, **shape)])  # type: ignore[arg-type]
    text = proposed.draft.files[Path("conf/data/mine.yaml")]
    assert "ordered_at: day/month/year #" in text
    assert why in text


def test_ambiguous_days_that_nothing_decides_are_asked_for(tmp_path: Path) -> None:
    """The message says how to name the notation, and naming it does."""
    path = ambiguous(tmp_path, in_order=False)
    with pytest.raises(InvalidInputError, match=r"transactions\.formats\.ordered_at=day/month/year"):
        propose([path])
    proposed = propose([path], wishes=["transactions.formats.ordered_at=month/day/year"])
    assert proposed.checked.proposal.source.tables["transactions"].formats == {"ordered_at": "month/day/year"}


def test_a_table_of_other_customers_is_left_out(tmp_path: Path) -> None:
    """Customers none of whom ever bought are another shop's."""
    orders = csv(lines().rename(columns={"who": "customer_id", "price": "amount"}), tmp_path / "orders.csv")
    others = csv(pd.DataFrame({"customer_id": range(9000, 9050), "town": "x"}), tmp_path / "customers.csv")
    proposed = propose([orders, others])
    assert proposed.checked.proposal.table("customers") is None
    assert "none of its values of customer_id" in proposed.checked.proposal.unused[others]


def test_keys_without_a_telling_name_are_found_by_the_other_file(tmp_path: Path) -> None:
    """A column whose values are the customers' keys is the customer."""
    orders = csv(lines().rename(columns={"who": "ref", "price": "amount"}), tmp_path / "orders.csv")
    known = csv(pd.DataFrame({"customer_id": range(1000, 1060), "town": ["a", "b"] * 30}), tmp_path / "customers.csv")
    assert mapped(propose([orders, known]), "transactions")["customer_id"] == "ref"


def test_customers_listed_twice_are_left_out(tmp_path: Path) -> None:
    """A fault of a table that is not needed does not keep the others from being used."""
    orders = csv(lines().rename(columns={"who": "customer_id", "price": "amount"}), tmp_path / "orders.csv")
    twice = pd.DataFrame({"customer_id": [*range(1000, 1060), 1000], "town": [f"t{n % 3}" for n in range(61)]})
    known = csv(twice, tmp_path / "customers.csv")
    proposed = propose([orders, known])
    assert "more than once" in proposed.checked.proposal.unused[known]
    assert not proposed.checked.proposal.features


def test_faults_become_options(tmp_path: Path) -> None:
    """Lines without a customer and with unreadable days are left out, and counted in a comment."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount"}).astype({"customer_id": object})
    frame.loc[3:7, "customer_id"] = None
    frame["at"] = frame["at"].astype(str)
    frame.loc[10:12, "at"] = "unknown"
    text = propose([csv(frame, tmp_path / "orders.csv")]).draft.files[Path("conf/data/mine.yaml")]
    assert "null_key: drop # 5 of 720 lines without customer_id" in text
    assert "invalid_value: drop # values that cannot be read: 3 of ordered_at" in text


def test_parts_of_one_table_go_together(tmp_path: Path) -> None:
    """Files of the same columns are found by one pattern, or united where none finds only them."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount"})
    first, second = csv(frame[:300], tmp_path / "orders_1.csv"), csv(frame[300:], tmp_path / "orders_2.csv")
    source = propose([first, second]).checked.proposal.source.tables["transactions"]
    assert source.path == str(tmp_path / "orders_*.csv")
    csv(frame[:5].assign(other=1), tmp_path / "orders_3.csv")
    proposed = propose([first, second])
    source = proposed.checked.proposal.source.tables["transactions"]
    assert source.path is None
    assert list(source.files.values()) == [first, second]
    assert proposed.checked.n_customers == frame.customer_id.nunique()


def test_orders_and_their_lines_are_joined(tmp_path: Path) -> None:
    """Who bought and when stands in one file, what and for how much in another."""
    frame = lines()
    frame["order"] = [f"B{number // 3}" for number in range(len(frame))]
    heads = frame.groupby("order", as_index=False).first()[["order", "who", "at"]]
    heads.columns = pd.Index(["id", "customer_id", "created_at"])
    parts = frame[["order", "what", "many", "price"]].set_axis(["order_id", "sku", "qty", "unit_price"], axis=1)
    proposed = propose([csv(heads, tmp_path / "orders.csv"), csv(parts, tmp_path / "order_items.csv")])
    found = mapped(proposed, "transactions")
    assert {name: found[name] for name in ("customer_id", "ordered_at", "order_id", "product_id")} == {
        "customer_id": "customer_id",
        "ordered_at": "created_at",
        "order_id": "order_id",
        "product_id": "sku",
    }
    assert proposed.checked.proposal.source.tables["transactions"].derive == {"revenue": '"qty" * "unit_price"'}
    assert not proposed.checked.proposal.unused
    with open_tables(proposed.checked.proposal.source) as tables:
        assert tables.count("transactions") == len(frame)
        assert float(tables.row("SELECT sum(revenue) FROM transactions")[0]) == pytest.approx(
            (frame.many * frame.price).sum()
        )


def order_files(folder: Path, frame: pd.DataFrame, **changed: object) -> list[str]:
    """Orders with their totals, and their lines with prices."""
    frame = frame.assign(order=[f"B{number // 3}" for number in range(len(frame))])
    frame["total_amount"] = (frame.many * frame.price).groupby(frame.order).transform("sum").round(2)
    frame["quantity"] = frame.many.groupby(frame.order).transform("sum")
    heads = frame.groupby("order", as_index=False).first()[["order", "who", "at", "total_amount", "quantity"]]
    heads = heads.set_axis(["id", "customer_id", "created_at", "total_amount", "quantity"], axis=1)
    heads = heads.assign(discount=2.5, shipping_cost=4.95, **changed)
    parts = frame[["order", "what", "many", "price"]].set_axis(["order_id", "sku", "qty", "unit_price"], axis=1)
    return [csv(heads, folder / "orders.csv"), csv(parts, folder / "order_items.csv")]


def read_total(proposed: Proposed) -> float:
    """Revenue of all that is read."""
    with open_tables(proposed.checked.proposal.source) as tables:
        return float(tables.scalar("SELECT sum(revenue) FROM transactions"))


def test_an_orders_amounts_are_not_counted_once_a_line(tmp_path: Path) -> None:
    """What the lines cost sums to what the orders did; nothing of a whole order stands on its lines."""
    frame = lines()
    order_files(tmp_path, frame)
    proposed = propose([str(tmp_path)])
    (table,) = proposed.checked.proposal.tables
    assert read_total(proposed) == pytest.approx((frame.many * frame.price).sum())
    assert not {"discount", "cost", "total_amount"} & {*table.source.columns, *table.source.derive, *table.extra}
    assert table.source.files == {"lines": str(tmp_path / "order_items.csv"), "orders": str(tmp_path / "orders.csv")}


def test_lines_without_money_are_not_joined(tmp_path: Path) -> None:
    """Orders tell who, when and how much by themselves."""
    frame = lines()
    orders, items = order_files(tmp_path, frame)
    pd.read_csv(items).drop(columns="unit_price").to_csv(items, index=False)
    proposed = propose([orders, items])
    assert proposed.checked.proposal.source.tables["transactions"].path == orders
    assert read_total(proposed) == pytest.approx((frame.many * frame.price).sum())


def test_rows_that_a_join_leaves_out_are_counted(tmp_path: Path) -> None:
    """Lines without an order and orders without lines are told; of too many lines none are left out."""
    orders, items = order_files(tmp_path, lines())
    heads, parts = pd.read_csv(orders), pd.read_csv(items)
    csv(heads[4:], Path(orders))
    csv(parts[:-6], Path(items))
    proposed = propose([orders, items])
    for said in ("12 of 714 lines of", "2 of 236 orders of"):
        assert any(one.startswith(said) for one in proposed.checked.proposal.remarks)
        assert f"# {said}" in proposed.draft.files[Path("conf/data/mine.yaml")]
    csv(heads[40:], Path(orders))
    proposed = propose([orders, items])
    assert proposed.checked.proposal.source.tables["transactions"].path == orders
    assert any("is not joined with" in one for one in proposed.checked.proposal.remarks)


@pytest.mark.parametrize(
    ("thousands", "point", "money"), [(",", ".", ""), (".", ",", ""), (",", ".", "$"), (" ", ",", "€ ")]
)
def test_prices_as_text_are_computed_with(thousands: str, point: str, money: str, tmp_path: Path) -> None:
    """Whatever separates thousands, revenue is quantity times price, of every line."""
    frame = lines().rename(columns={"who": "user_id", "many": "qty"})
    frame["price"] = (frame.price * 500).round(2)
    written = [f"{price:,.2f}".translate({44: thousands, 46: point}) for price in frame.price]
    frame.assign(price=[f"{money}{one}" for one in written]).to_parquet(tmp_path / "sales.parquet")
    proposed = propose([str(tmp_path / "sales.parquet")])
    assert proposed.checked.proposal.source.tables["transactions"].null_key == "error"
    assert read_total(proposed) == pytest.approx((frame.qty * frame.price).sum())


def test_values_that_cannot_be_read_are_not_left_out_by_the_half(tmp_path: Path) -> None:
    """Accounting brackets are read, but not in a sum: the message says so, and nothing is proposed."""
    frame = lines().rename(columns={"who": "user_id", "many": "qty"})
    frame["price"] = [f"({price})" if n % 2 else str(price) for n, price in enumerate(frame.price)]
    frame.to_parquet(tmp_path / "sales.parquet")
    with pytest.raises(InvalidInputError, match="360 of 720 lines have values in qty, price"):
        propose([str(tmp_path / "sales.parquet")])


@pytest.mark.parametrize("other", ["orders_returns", "order_refunds", "orders copy", "orders.bak", "retour-orders"])
def test_returns_and_copies_are_no_further_sales(other: str, tmp_path: Path) -> None:
    """A file of the same columns is not united with orders where its name says that it holds no orders."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount"})
    orders, second = csv(frame, tmp_path / "orders.csv"), csv(frame, tmp_path / f"{other}.csv")
    proposed = propose([orders, second])
    assert proposed.checked.proposal.source.tables["transactions"].path == orders
    assert "taken back, or a copy" in proposed.checked.proposal.unused[second]


def test_no_pattern_begins_with_anything(tmp_path: Path) -> None:
    """Parts whose names begin differently are united by name."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount"})
    parts = [csv(frame[:300], tmp_path / "may_sales.csv"), csv(frame[300:], tmp_path / "june_sales.csv")]
    source = propose(parts).checked.proposal.source.tables["transactions"]
    assert source.path is None
    assert sorted(source.files.values()) == sorted(parts)


def test_days_as_broken_numbers_are_read(tmp_path: Path) -> None:
    """Whole numbers become broken ones where one is missing: 20231031.0 is that day all the same."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount", "at": "order_date"})
    frame["order_date"] = frame.order_date.dt.strftime("%Y%m%d").astype(float)
    frame.loc[5, "order_date"] = np.nan
    frame.to_parquet(tmp_path / "sales.parquet")
    with open_tables(propose([str(tmp_path / "sales.parquet")]).checked.proposal.source) as tables:
        assert tables.count("transactions") == len(frame) - 1


def test_own_features_have_names_that_no_shipped_one_has(tmp_path: Path) -> None:
    """Two features of one name would be refused by training."""
    orders = csv(lines().rename(columns={"who": "customer_id", "price": "amount"}), tmp_path / "orders.csv")
    known = pd.DataFrame({"customer_id": range(1000, 1060), "tenure_days": [n % 7 for n in range(60)]})
    proposed = propose(
        [orders, csv(known, tmp_path / "customers.csv")], known=Known(features=frozenset({"tenure_days"}))
    )
    assert [one.name for one in proposed.checked.proposal.features] == ["tenure_days_2"]


def test_a_list_of_customers_is_no_list_of_orders(tmp_path: Path) -> None:
    """Each customer once, with the last order and the total: a snapshot whose numbers form segments."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"customer_id": range(100), "total_spend": rng.lognormal(3, 1, 100), "visits": range(100, 200)}
    )
    frame["last_order"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, 100), unit="D")
    proposed = propose([csv(frame, tmp_path / "crm.csv")])
    assert [one.table for one in proposed.checked.proposal.tables] == ["customers"]
    assert [one.name for one in proposed.checked.proposal.features] == ["total_spend", "visits"]
    assert proposed.checked.proposal.left_out == {"last_order": "a date"}


def once_each(n_customers: int) -> pd.DataFrame:
    """Danish customers, each once with a day and an amount."""
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n_customers) % 90, unit="D")
    return pd.DataFrame({"kunde": range(7, 7 + n_customers), "dato": days, "belob": np.arange(n_customers) * 1.5})


def test_what_a_list_of_single_orders_is_taken_for_is_told(tmp_path: Path) -> None:
    """Customers with one day and one amount each may be orders: the decision is told, and the wish to type works."""
    path = csv(once_each(80), tmp_path / "liste 1.csv")
    proposed = propose([path], name="nord")
    assert [one.table for one in proposed.checked.proposal.tables] == ["customers"]
    (told,) = proposed.checked.proposal.remarks
    assert "taken for a list of customers, not of orders, for each kunde is there once" in told
    command = told.partition("say so: ")[2]
    assert command == f'patronage init "{path}" name=nord force=true transactions.revenue=belob'
    assert f"# {told}" in proposed.draft.files[Path("conf/data/nord.yaml")]
    again = propose([path], name="nord", wishes=["transactions.revenue=belob"])
    assert mapped(again, "transactions") == {"customer_id": "kunde", "ordered_at": "dato", "revenue": "belob"}
    assert again.checked.proposal.remarks == ()


def test_a_day_of_signing_up_is_no_order(tmp_path: Path) -> None:
    """Customers with an income and the day they joined are nothing else, and nothing is said."""
    frame = once_each(80).rename(columns={"dato": "signup_date", "belob": "amount"})
    assert propose([csv(frame, tmp_path / "crm.csv")]).checked.proposal.remarks == ()


def test_too_few_customers_are_told(tmp_path: Path) -> None:
    """What training would refuse is said before, and nothing of it where there are enough."""
    told = "too few customers to segment: 49, and training needs at least 50"
    few = csv(once_each(MIN_CUSTOMERS - 1), tmp_path / "few.csv")
    enough = csv(once_each(MIN_CUSTOMERS), tmp_path / "enough.csv")
    assert propose([few]).checked.facts == (told,)
    assert propose([enough]).checked.facts == ()


def test_features_that_name_segments_are_named_where_to_call_them_otherwise(tmp_path: Path) -> None:
    """Where columns became features, the closing words and the file's head say where their plain names go."""
    proposed = propose([csv(once_each(80), tmp_path / "crm.csv")]).draft
    own = Path("conf/features/mine.yaml")
    assert any(f"labels in {own}" in one for one in proposed.advice)
    assert "labels: what low and high values are called" in proposed.files[own]
    orders = lines().rename(columns={"who": "customer_id", "price": "amount"})
    assert not any("labels" in one for one in propose([csv(orders, tmp_path / "orders.csv")]).draft.advice)


LIKED = ("sun", "sea", "art", "food", "sport")


def survey(n: int = 200, seed: int = 1) -> pd.DataFrame:
    """Questions with yes and no, and who answered."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"likes_{word}": rng.choice(["Yes", "No"], n) for word in LIKED})
    frame = frame.assign(Age=rng.integers(18, 80, n), Religion=rng.choice(["a", "b"], n))
    return frame.assign(Plan=rng.integers(1, 4, n), Score=rng.normal(size=n))


def test_a_battery_of_questions_forms_segments_and_the_rest_describes_them(tmp_path: Path) -> None:
    """Age is sensitive, codes are no amounts, religion is left out, and customers that nothing names are numbered."""
    proposed = propose([csv(survey(), tmp_path / "survey.csv")])
    roles = {one.name: (one.role, one.scale) for one in proposed.checked.proposal.features}
    assert {name: role for name, role in roles.items() if name.startswith("likes")} == {
        f"likes_{word}": ("basis", "binary") for word in LIKED
    }
    assert roles["age"] == ("sensitive", "none")
    assert roles["plan"] == ("descriptor", "one_hot")
    assert roles["score"][0] == "descriptor"
    assert proposed.checked.proposal.left_out == {"Religion": "tells of religion or belief, special personal data"}
    assert proposed.checked.proposal.source.tables["customers"].derive == {"customer_id": "row_number() OVER ()"}


def test_planted_tables_are_all_recognised(tmp_path: Path) -> None:
    """Tables in patronage's own words map onto themselves, surely."""
    planted = planted_personas(80, days=400)
    planted.write(tmp_path, kind="csv")
    proposed = propose([str(tmp_path)])
    assert {one.table for one in proposed.checked.proposal.tables} == set(planted.tables)
    for one in proposed.checked.proposal.tables:
        for match in one.matches:
            assert (match.column, match.confidence) == (match.source, "sure")
    assert not proposed.checked.proposal.unused


def test_a_proposal_tells_no_values(tmp_path: Path) -> None:
    """What customers are called, or answered in words of their own, is in no file and in no representation."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount"})
    frame["customer_id"] = "secretary" + frame["customer_id"].astype(str)
    frame["note"] = [f"secret {number}" for number in range(len(frame))]
    proposed = propose([csv(frame, tmp_path / "orders.csv")])
    assert "secret" not in "".join(proposed.draft.files.values())
    assert "secret" not in repr(proposed)


def test_a_password_stays_out_of_the_files(tmp_path: Path) -> None:
    """An address with a password is read from the environment."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount"})
    checked = propose([csv(frame, tmp_path / "orders.csv")]).checked
    (table,) = checked.proposal.tables
    source = replace(table.source, path="postgresql://me:hunter2@host/shop", table="orders")
    secret = replace(checked, proposal=replace(checked.proposal, tables=(replace(table, source=source),)))
    written = draft(secret, Path("conf"), "patronage init")
    assert "hunter2" not in "".join(written.files.values())
    assert written.next_command == "DATABASE_URL=… patronage train data=mine tracking.registered_model=mine-segments"


@given(
    st.lists(st.sampled_from(["\\", "${", "}", "a", " ", "\n", "#", "'", '"', "1e5"])).map("".join)
    | st.text(max_size=8)
)
@example("\\${a}")
def test_any_text_survives_the_file(text: str) -> None:
    """A text is read from a configuration as it was written, as a key's value and as a key."""
    read = OmegaConf.to_container(OmegaConf.create(f"one: {_scalar(text)}\n"), resolve=True)
    assert read == {"one": text}


@pytest.mark.parametrize("name", ["on", "yes", "null", "1e5", "nan", "true", "2023-01-01"])
def test_words_that_stand_for_values_are_quoted(name: str) -> None:
    """A key called as a value is a text all the same."""
    assert OmegaConf.to_container(OmegaConf.create(f"{_scalar(name)}: 1\n")) == {name: 1}


@pytest.mark.parametrize(
    "address", ["postgresql://me:p@ss@host/shop", "mysql://host/shop?password=p@ss", "x://me:p/@h"]
)
def test_passwords_of_any_form_stay_out(address: str, tmp_path: Path) -> None:
    """Whatever may hold a password is read from the environment."""
    frame = lines().rename(columns={"who": "customer_id", "price": "amount"})
    checked = propose([csv(frame, tmp_path / "orders.csv")]).checked
    (table,) = checked.proposal.tables
    source = replace(table.source, path=address, table="orders")
    secret = replace(checked, proposal=replace(checked.proposal, tables=(replace(table, source=source),)))
    text = draft(secret, Path("conf"), "patronage init").files[Path("conf/data/mine.yaml")]
    assert address not in text
    assert "path: ${oc.env:DATABASE_URL} #" in text


@pytest.mark.parametrize("name", ["null", "true", "nan", "inf", "yes", "no", "on", "off"])
def test_names_that_stand_for_values_are_refused(name: str, tmp_path: Path) -> None:
    """`data=null` would mean no data."""
    with pytest.raises(InvalidConfigError, match="stands for a value"):
        propose([csv(lines(), tmp_path / "orders.csv")], name=name)


def test_what_was_proposed_is_not_taken_for_shipped(tmp_path: Path) -> None:
    """A proposal is known by its own line, wherever in a file; its owner's files of its name are none that ship."""
    texts = {
        "data/mine": "# mended\n# Proposed by: patronage init orders.csv\nname: mine\n",
        "features/mine": "# Proposed by: patronage init\nage:\n  relation: customers\n",
        "outcomes/mine": "# my own\n",
        "data/shop": "name: shop\n",
        "experiment/shop": "# Proposed by: patronage init\n",
        "features/rfm": "# @package features.rfm\nrecency_days:\n  relation: orders\n",
    }
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / f"{path}.yaml").write_text(text, encoding="utf-8")
    known = known_names(tmp_path)
    assert known.proposed == {"mine": tmp_path / "data" / "mine.yaml"}
    assert known.shipped == {"shop": tmp_path / "data" / "shop.yaml", "rfm": tmp_path / "features" / "rfm.yaml"}
    assert known.features == {"recency_days"}


def test_shipped_files_are_no_proposals() -> None:
    """Every configuration that ships is known as such."""
    known = known_names(config_folder())
    assert {path.stem for path in (config_folder() / "data").glob("*.yaml")} - set(known.proposed) <= set(known.shipped)
    assert {"complete_journey", "rfm", "purchases", "rfm_standard"} <= set(known.shipped)
    assert {"recency_days", "spend_per_month"} <= known.features


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ("transaction.revenue=x", "did you mean transactions?"),
        ("transactions.revenu=x", "did you mean revenue?"),
        ("transactions.revenue=", "name the column"),
        ("nam=x", "did you mean name?"),
    ],
)
def test_a_wish_that_cannot_be_is_told(wish: str, says: str) -> None:
    """The nearest known word is offered."""
    with pytest.raises(InvalidConfigError, match=r"\w") as caught:
        parse_wishes([wish])
    assert says in str(caught.value)
