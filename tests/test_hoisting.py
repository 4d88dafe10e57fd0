"""Conditions on products, asked of each product once: the features come out as if asked at every line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from patronage.catalogue import Catalogue, Feature
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.features import build_features, two_steps
from patronage.features.hoisting import WORD_BITS, hoist
from patronage.tables import DataSource, Tables, TableSource, open_tables
from patronage.windows import Window

WINDOW = Window(date(2023, 7, 1), lookback_days=90, outcome_days=30)
TEXTS = {"department", "brand", "category"}

LINES = pd.DataFrame(
    [
        ("a", 1, 10.0),
        ("a", 2, 20.0),
        ("a", 3, -5.0),
        ("a", 99, 7.0),  # a product that is not listed
        ("b", 2, 3.0),
        ("b", 4, 4.0),
        ("b", None, 5.0),
        ("c", 99, 6.0),
        ("d", 5, -8.0),
        ("e", 1, 1.0),
        ("e", 5, 2.0),
        ("e", 1, 3.0),
    ],
    columns=["customer_id", "product_id", "revenue"],
).assign(ordered_at=pd.Timestamp("2023-06-01 12:00"), product_id=lambda lines: lines["product_id"].astype("Int64"))

PRODUCTS = pd.DataFrame(
    [
        (1, "DELI", "Private", "ham"),
        (2, "MEAT", "National", "beef"),
        (3, "o'neill", None, "beef"),
        (4, None, "Private", None),
        (5, "DELI", None, "cheese"),
        (6, None, None, "7 not a number"),  # nobody bought it
    ],
    columns=["product_id", "department", "brand", "category"],
)

EXPRESSIONS = [
    "sum(revenue) FILTER (WHERE \"department\"::VARCHAR = 'DELI')",
    "sum(revenue) FILTER (WHERE Department IS NULL OR department NOT IN ('DELI', 'MEAT'))",
    "sum(revenue) FILTER (WHERE department = 'o''neill')",
    "sum(revenue) FILTER (WHERE NOT (department = 'DELI' AND brand IS NULL))",
    "sum(CASE WHEN brand IS DISTINCT FROM 'Private' THEN revenue ELSE 2 * revenue END)",
    "sum(CASE WHEN brand = 'Private' OR department IS NULL THEN 1 WHEN NOT (brand = 'Private') THEN 10 ELSE 100 END)",
    "count(*) FILTER (WHERE category BETWEEN 'beef' AND 'cheese' AND revenue > 3)",
    "count(*) FILTER (WHERE brand < department OR department >= 'MEAT')",
    "count(*) FILTER (WHERE category LIKE 'b%' OR category <> 'ham')",
    "bool_or((department = 'DELI') IS NULL)::int",
    "count(DISTINCT category)",
    "count(DISTINCT category) FILTER (WHERE revenue >= 0 AND brand = 'Private')",
    "count(DISTINCT category) + count(DISTINCT brand) / 2 + count(DISTINCT upper(category))",
    "len(list_filter(['DELI', 'MEAT', 'x'], lambda department: department = 'DELI'))",
    "sum(len(list_filter(['DELI', 'MEAT'], lambda given: given = department)))",
    "count(*) FILTER (WHERE department = 'DELI' AND len(list_filter(['a', 'b'], lambda brand: brand = 'b')) = 1)",
    "count(DISTINCT category) FILTER (WHERE len(list_filter([department], lambda brand: brand = 'DELI')) = 1)",
    "count(DISTINCT category) FILTER (WHERE ordered_at >= $as_of::timestamp - INTERVAL 90 DAY)",
]


@contextmanager
def opened(folder: Path, products: pd.DataFrame = PRODUCTS, lines: pd.DataFrame = LINES) -> Iterator[Tables]:
    """Lines, and products."""
    lines.to_parquet(folder / "lines.parquet")
    products.to_parquet(folder / "products.parquet")
    files = {name: TableSource(path=str(folder / f"{name}.parquet")) for name in ("lines", "products")}
    with open_tables(DataSource("test", {"transactions": files["lines"], "products": files["products"]})) as tables:
        yield tables


def computed(
    folder: Path, expressions: list[str], products: pd.DataFrame, lines: pd.DataFrame = LINES, days: int | None = None
) -> pd.DataFrame:
    """The expressions as features."""
    features = tuple(Feature(f"f{i:02}", "lines", sql, window_days=days) for i, sql in enumerate(expressions))
    with opened(folder, products, lines) as tables:
        return build_features(tables, Catalogue(features), WINDOW).frame


def asked_of_lines(expressions: list[str], products: pd.DataFrame, lines: pd.DataFrame = LINES) -> pd.DataFrame:
    """The expressions over lines joined with their products, with nothing taken out."""
    connection = duckdb.connect()
    connection.register("own", lines)
    connection.register("listed", products)
    columns = ", ".join(
        f"({sql})::DOUBLE AS f{i:02}".replace("$as_of", "'2023-07-01'") for i, sql in enumerate(expressions)
    )
    query = f"SELECT customer_id, {columns} FROM own LEFT JOIN listed USING (product_id) GROUP BY ALL ORDER BY 1"
    return connection.sql(query).df().set_index("customer_id")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_condition_on_products_holds_at_the_same_lines(expression: str, tmp_path: Path) -> None:
    """Empty texts, and lines whose product is not listed or not known, included."""
    found = computed(tmp_path, [expression], PRODUCTS)
    pd.testing.assert_frame_equal(
        found.loc[["a", "b", "c", "e"]],
        asked_of_lines([expression], PRODUCTS).loc[["a", "b", "c", "e"]],
        check_index_type=False,
    )


@pytest.mark.parametrize(
    "products",
    [PRODUCTS.iloc[:0], pd.concat([PRODUCTS, PRODUCTS.iloc[1:3]]), PRODUCTS.assign(category=None)],
    ids=["none is listed", "some are listed twice", "a text that is always empty"],
)
def test_all_conditions_hold_together(products: pd.DataFrame, tmp_path: Path) -> None:
    """In one statement, whatever the products."""
    texts = products.astype({"department": "str", "brand": "str", "category": "object"})
    texts["category"] = texts["category"].astype("string")
    found = computed(tmp_path, EXPRESSIONS, texts)
    expected = asked_of_lines(EXPRESSIONS, texts)
    pd.testing.assert_frame_equal(
        found.loc[["a", "b", "c", "e"]], expected.loc[["a", "b", "c", "e"]], check_index_type=False
    )


def test_what_may_fail_stays_where_it_is(tmp_path: Path) -> None:
    """A conversion, a number and a column of the line are not asked of products."""
    query = (
        "SELECT sum(revenue) FILTER (WHERE department::INT = 3 OR brand = 7 OR channel = 'shop' OR category LIKE 'a%') "
        "FROM lines"
    )
    with opened(tmp_path) as tables:
        assert hoist(tables, {"q": query}, TEXTS).queries == {"q": query}


def test_nothing_within_a_lambda_is_taken_out(tmp_path: Path) -> None:
    """A lambda's parameter that bears a column's name is no column; what stands beside the lambda is taken out."""
    alone = "SELECT len(list_filter(['A', 'Q'], lambda category: category = 'A')) FROM lines"
    beside = "SELECT count(*) FILTER (WHERE brand = 'x' AND len(list_filter(['A'], lambda brand: brand = 'A')) = 1)"
    with opened(tmp_path) as tables:
        assert hoist(tables, {"q": alone}, TEXTS).queries == {"q": alone}
        found = hoist(tables, {"q": beside + " FROM lines"}, TEXTS)
    assert list(found.conditions.values()) == ["(brand = 'x')"]
    assert "brand = 'A'" in found.queries["q"]


def test_a_condition_is_asked_once_however_often_it_stands(tmp_path: Path) -> None:
    """In several features, and in several statements."""
    query = "SELECT sum(a) FILTER (WHERE brand = 'x') / count(*) FILTER (WHERE brand = 'x') FROM lines"
    with opened(tmp_path) as tables:
        found = hoist(tables, {"q": query, "r": query + " WHERE a > 3"}, TEXTS)
    assert list(found.conditions.values()) == ["(brand = 'x')"]
    assert all("'x'" not in one for one in found.queries.values())


@pytest.mark.parametrize(("n_values", "bits"), [(4096, True), (4097, False)])
def test_many_values_are_counted_by_number(n_values: int, bits: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Bits for each customer would take more room than the numbers seen; the count is the same."""
    products = pd.DataFrame({"product_id": range(n_values), "category": [f"c{i}" for i in range(n_values)]})
    with opened(tmp_path, products) as tables:
        found = hoist(tables, {"q": "SELECT count(DISTINCT category) FROM lines"}, TEXTS)
    assert ("bitstring_agg" in found.queries["q"]) is bits
    frame = computed(tmp_path, ["count(DISTINCT category)"], products)
    assert frame["f00"].to_dict() == {"a": 4, "b": 2, "c": 1, "e": 2}


def test_more_conditions_than_a_word_has_bits_hold_at_the_same_lines(tmp_path: Path) -> None:
    """Every one of 80 departments has its own share of a customer's money, and what is not listed has none."""
    n_products = 80
    products = pd.DataFrame({"product_id": range(n_products), "department": [f"d{i}" for i in range(n_products)]})
    expressions = [f"sum(revenue) FILTER (WHERE department = 'd{i}')" for i in range(n_products)]
    expressions.append("sum(revenue) FILTER (WHERE department IS NULL OR department != 'd2')")
    found = computed(tmp_path, expressions, products)
    assert found.loc["a"].dropna().to_dict() == {"f01": 10, "f02": 20, "f03": -5, "f80": 12}
    assert found.loc["e", ["f01", "f05"]].tolist() == [4, 2]
    with opened(tmp_path, products) as tables:
        words = hoist(tables, {"q": f"SELECT {', '.join(expressions)} FROM lines"}, {"department"}).words
    assert [len(held) for held in words.values()] == [WORD_BITS, WORD_BITS, n_products + 1 - 2 * WORD_BITS]


# Lines added up by customer and answer first

MANY = pd.concat(
    [
        LINES.assign(
            customer_id=LINES["customer_id"].map({name: number for number, name in enumerate("abcde", 3)}),
            revenue=LINES["revenue"] * number + number % 7,
            ordered_at=LINES["ordered_at"] + pd.to_timedelta(number % 25, "D"),
        )
        for number in range(100)
    ]
)
"""The lines a hundred times, of customers 3 to 7, with revenues and days that differ."""

SHARES = [f"sum(revenue) FILTER (WHERE department = '{one}')" for one in ("DELI", "MEAT", "o''neill", "x", "y")]
IN_STEPS = [
    *(one for one in EXPRESSIONS if "upper" not in one and not one.startswith("len")),
    "min(revenue) FILTER (WHERE brand = 'Private') + max(revenue) - day(min(ordered_at))",
    "max(product_id) FILTER (WHERE brand = 'Private' AND revenue > 20)",
    "count(product_id) + 1000 * count(*) FILTER (WHERE brand = 'Private' OR brand IS NULL)",
    "count(*) FILTER (WHERE brand = 'nobody has it')",
    "bool_and(revenue > 0) FILTER (WHERE department = 'DELI')::int + bool_or(revenue > 700)::int",
    "sum(CASE WHEN brand = 'Private' THEN revenue END) / sum(revenue)",
    "sum(revenue) FILTER (WHERE department = 'DELI' OR revenue > 300)",
    "sum(revenue + (department = 'DELI')::int) FILTER (WHERE NOT (department = 'DELI') OR revenue IS NULL)",
]
AT_ONCE = [
    *(one for one in EXPRESSIONS if one not in IN_STEPS),
    "avg(revenue)",
    "median(revenue)",
    "count(DISTINCT product_id)",
    "sum(DISTINCT revenue)",
    "list_sum(max(revenue, 2))",
    "len(string_agg(product_id, '' ORDER BY revenue))",
    "count_if(true)",
    "len(list(1))",
    "regr_count(1, 1)",
    "avg(#3)",
    "avg(COLUMNS('^revenue$'))",
    "count(DISTINCT COLUMNS('^product_id$'))",
]


def query_of(expressions: list[str]) -> str:
    """A statement over lines, as building makes it."""
    return f"SELECT customer_id, {', '.join(expressions)} FROM lines GROUP BY customer_id"


@pytest.mark.parametrize("expression", [*IN_STEPS, *AT_ONCE])
def test_sums_of_sums_are_sums_of_lines(expression: str, tmp_path: Path) -> None:
    """Beside other conditions, whether or not an aggregate can be made of its values for parts of the lines."""
    expressions = [*SHARES, expression]
    found = computed(tmp_path, expressions, PRODUCTS, MANY)
    expected = asked_of_lines(expressions, PRODUCTS, MANY)
    pd.testing.assert_frame_equal(found, expected.set_axis(found.index), check_exact=False, rtol=1e-12)
    with opened(tmp_path, PRODUCTS, MANY) as tables:
        sql = hoist(tables, {"q": query_of(expressions)}, TEXTS).queries["q"]
    assert ('GROUP BY customer_id, "answers 1"' in sql) == (expression in IN_STEPS)


def test_sums_of_the_last_days_are_of_these_days(tmp_path: Path) -> None:
    """What a feature's own window leaves out is left out before anything is added up."""
    found = computed(tmp_path, SHARES, PRODUCTS, MANY, days=10)
    recent = MANY[MANY["ordered_at"] >= pd.Timestamp("2023-06-21")]
    expected = asked_of_lines(SHARES, PRODUCTS, recent)
    pd.testing.assert_frame_equal(found, expected.set_axis(found.index))


@pytest.mark.parametrize(
    ("expressions", "lines", "products"),
    [
        (SHARES[:4], MANY, PRODUCTS),
        (SHARES, LINES, PRODUCTS),
        (SHARES, MANY.assign(customer_id="c" + MANY["customer_id"].astype("str")), PRODUCTS),
        (SHARES, MANY.assign(customer_id=MANY["customer_id"] * 1000), PRODUCTS),
        ([*SHARES, *(f"sum(revenue + {number})" for number in range(5))], MANY, PRODUCTS),
    ],
    ids=["few conditions", "few lines", "who knows how many customers", "too many customers", "many sums"],
)
def test_lines_are_added_up_at_once_where_two_steps_do_not_pay(
    expressions: list[str], lines: pd.DataFrame, products: pd.DataFrame, tmp_path: Path
) -> None:
    """The first step would take longer than it saves, or more room."""
    with opened(tmp_path, products.assign(department="DELI"), lines) as tables:
        sql = hoist(tables, {"q": query_of(expressions)}, TEXTS).queries["q"]
    assert '"answers 1"' in sql
    assert sql.count("GROUP BY") == 1


@pytest.mark.parametrize(("most_bytes", "n_steps"), [(25 * (24 + 24 + 48), 2), (25 * (24 + 24 + 48) - 1, 1)])
def test_sums_that_take_too_much_room_are_not_made(
    most_bytes: int, n_steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five customers times five answers: of each a sum, and a set of categories."""
    monkeypatch.setattr(two_steps, "MOST_BYTES", most_bytes)
    with opened(tmp_path, PRODUCTS, MANY) as tables:
        found = hoist(tables, {"q": query_of([*SHARES, "sum(revenue)", "count(DISTINCT category)"])}, TEXTS)
    assert found.queries["q"].count("GROUP BY") == n_steps


def test_columns_of_the_users_own_keep_their_names(tmp_path: Path) -> None:
    """A column that is called as one of those that lines get for products is read for itself, in any case."""
    lines = MANY.assign(**{"Answers 1": 5.0, "condition 1": False, "number of category": "x"})
    own = ['max("answers 1")', 'bool_or("Condition 1")::int', 'count(DISTINCT "number of category")']
    expressions = [*SHARES, "sum(CASE WHEN brand = 'Private' THEN 1 END)", "count(DISTINCT category)", *own]
    found = computed(tmp_path, expressions, PRODUCTS, lines)
    expected = asked_of_lines(expressions, PRODUCTS, lines)
    pd.testing.assert_frame_equal(found, expected.set_axis(found.index), check_exact=False, rtol=1e-12)


@pytest.mark.parametrize("bound", ["-100.0", "1e0", "true", "NULL"])
def test_bounds_of_bits_that_are_no_numbers_are_told(bound: str, tmp_path: Path) -> None:
    """As DuckDB refuses them, by the feature's name."""
    with pytest.raises((InvalidConfigError, InvalidInputError), match="feature"):
        computed(tmp_path, [*SHARES, f"bit_count(bitstring_agg(product_id, {bound}, 100))"], PRODUCTS, MANY)
