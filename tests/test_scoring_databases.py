"""Scoring out of databases and into them: one transaction, nobody else's table, and a clear word when none answers."""

from __future__ import annotations

import logging
import resource
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.model import SegmentationModel
from patronage.scoring import DatabaseOutput, FileOutput, databases, from_database, from_file, job, score
from tests.scored import N_CUSTOMERS, feature_table, small_model


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    """Two segments on a number and a category."""
    return small_model()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a SQLite database whose table `features` holds the feature table."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        feature_table().to_sql("features", connection, index=False)
    connection.close()
    return tmp_path


def rows(path: Path, query: str) -> list[tuple]:
    """What a query gives."""
    connection = sqlite3.connect(path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def change(path: Path, *statements: str) -> None:
    """Run statements that change a database."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_table_goes_in_and_a_table_comes_out(model: SegmentationModel, shop: Path) -> None:
    """Every bit is what a file would hold; the manifest is in the working directory and shows no password."""
    feature_table().to_parquet(shop / "f.parquet")
    score(model, from_file(shop / "f.parquet", model), FileOutput(shop / "s.parquet"))
    output = DatabaseOutput(f"sqlite:///{shop}/shop.db", "segments")
    done = score(model, from_database("sqlite:///shop.db", "features"), output, chunk_rows=64)
    assert done.n_customers == N_CUSTOMERS
    expected = pd.read_parquet(shop / "s.parquet")
    found = pd.DataFrame(rows(shop / "shop.db", "SELECT * FROM segments"), columns=expected.columns)
    pd.testing.assert_frame_equal(found.astype({"runner_up_id": "str"}), expected, check_exact=True, check_dtype=False)
    assert (shop / "segments.manifest.json").exists()
    assert {path.name for path in shop.iterdir()} == {
        "shop.db", "f.parquet", "s.parquet", "s.parquet.manifest.json", "segments.manifest.json",
    }  # fmt: skip


def test_a_statement_gives_the_rows_too(model: SegmentationModel, shop: Path) -> None:
    """SELECT may choose and rename; a word among a column's numbers is set aside by row, not by column."""
    change(shop / "shop.db", "UPDATE features SET spend = 'Sekret' WHERE customer_id = '000002'")
    query = "SELECT customer_id, spend, zone FROM features WHERE customer_id < '000010' ORDER BY customer_id"
    done = score(model, from_database("sqlite:///shop.db", query), FileOutput(shop / "s.csv"))
    assert done.n_customers == 9
    assert done.rejected == {"spend: not a number": 1}
    assert (shop / "s.csv.rejected.csv").read_text(encoding="utf-8").splitlines()[1].startswith("3,")


def test_former_rows_are_replaced_and_the_table_stays(model: SegmentationModel, shop: Path) -> None:
    """An index on the table survives, and nobody is there twice."""
    output = DatabaseOutput("sqlite:///shop.db", "segments")
    score(model, from_database("sqlite:///shop.db", "features"), output)
    change(shop / "shop.db", "CREATE INDEX by_segment ON segments (segment_id)")
    score(model, from_database("sqlite:///shop.db", "features"), output)
    assert rows(shop / "shop.db", "SELECT count(*) FROM segments") == [(N_CUSTOMERS,)]
    assert rows(shop / "shop.db", "SELECT count(*) FROM sqlite_master WHERE name = 'by_segment'") == [(1,)]


def test_a_table_of_something_else_is_not_touched(model: SegmentationModel, shop: Path) -> None:
    """Scored customers replace scored customers only; it is told before any work."""
    output = DatabaseOutput("sqlite:///shop.db", "features")
    with pytest.raises(InvalidInputError, match=r"with other columns .* output_table=…"):
        score(model, from_database("sqlite:///shop.db", "features"), output)
    assert rows(shop / "shop.db", "SELECT count(*) FROM features") == [(N_CUSTOMERS,)]


def test_a_database_that_fails_half_way_is_as_before(model: SegmentationModel, shop: Path) -> None:
    """The transaction is rolled back; what is scored stays, and resume=true writes it."""
    source, output = from_database("sqlite:///shop.db", "features"), DatabaseOutput("sqlite:///shop.db", "segments")
    score(model, source, output)
    change(
        shop / "shop.db",
        "DELETE FROM segments WHERE customer_id > '000009'",
        "CREATE TRIGGER full BEFORE INSERT ON segments WHEN NEW.customer_id = '000200' "
        "BEGIN SELECT RAISE(ABORT, 'Sekret'); END",
    )
    with pytest.raises(InvalidInputError, match="Nothing was written; resume=true tries again") as caught:
        score(model, source, output, chunk_rows=64)
    assert "Sekret" not in str(caught.value)
    assert rows(shop / "shop.db", "SELECT count(*) FROM segments") == [(10,)]
    change(shop / "shop.db", "DROP TRIGGER full")
    score(model, source, output, resume=True)
    assert rows(shop / "shop.db", "SELECT count(*), count(DISTINCT customer_id) FROM segments") == [(N_CUSTOMERS,) * 2]
    assert not list(shop.glob(".*"))


def test_a_new_database_on_a_full_disk_is_not_left_behind(model: SegmentationModel, shop: Path) -> None:
    """Where there was no file, there is none: neither database, nor manifest, nor a journal of SQLite's."""
    feature_table().to_parquet(shop / "f.parquet")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, before[1]))
    try:
        with pytest.raises(InvalidInputError, match=r"new\.db, table segments: the database refuses") as caught:
            score(
                model,
                from_file(shop / "f.parquet", model),
                DatabaseOutput("sqlite:///new.db", "segments"),
                chunk_rows=64,
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert {path.name for path in shop.iterdir()} == {"shop.db", "f.parquet", ".segments.scoring"}


def test_a_database_that_does_not_answer_is_tried_again_then_told(
    model: SegmentationModel, shop: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each try waits longer; the message shows no password, and nothing is left."""
    monkeypatch.setattr(logging.getLogger("patronage"), "propagate", True)
    waited: list[float] = []
    monkeypatch.setattr(databases.time, "sleep", waited.append)
    before = {path.name for path in shop.iterdir()}
    # A database in a folder that may not be entered opens as little as a server that is down.
    (shop / "shut.db").mkdir()
    output = DatabaseOutput("sqlite:///shut.db", "segments")
    with pytest.raises(InvalidInputError, match=r"shut\.db: the database cannot be reached after 4 tries"):
        score(model, from_database("sqlite:///shop.db", "features"), output)
    assert waited == [1.0, 2.0, 4.0]
    assert len({message for message in caplog.messages if "trying again in" in message}) == 3
    assert {path.name for path in shop.iterdir()} == before | {"shut.db"}


@pytest.mark.parametrize(
    ("url", "table", "says"),
    [
        ("sqlite:///none.db", "features", r"input=sqlite:///none\.db: there is no such file"),
        ("sqlite:///shop.db", "none", r"input_table=none: sqlite:///shop\.db has no such table; it has features"),
        ("sqlite:///shop.db", None, r"name one table with input_table=…; it has features"),
        ("nosuch://user:Sekret@host/shop", "features", r"input=nosuch://…@host/shop: no database address"),
    ],
)
def test_a_wrong_input_database_is_told_by_its_options(
    url: str, table: str | None, says: str, model: SegmentationModel, shop: Path
) -> None:
    """The message speaks of input and input_table, and leaves nothing behind."""
    with pytest.raises((InvalidInputError, InvalidConfigError), match=says) as caught:
        score(model, from_database(url, table), FileOutput(shop / "s.csv"))
    assert "Sekret" not in str(caught.value)
    assert {path.name for path in shop.iterdir()} == {"shop.db"}


@pytest.mark.parametrize(
    ("url", "table", "says"),
    [
        ("sqlite:///none/s.db", "segments", "the folder none does not exist"),
        ("nosuch://user:Sekret@host/shop", "segments", "output=nosuch://…@host/shop: no database address"),
    ],
)
def test_a_wrong_output_database_is_told_before_work(
    url: str, table: str, says: str, model: SegmentationModel, shop: Path
) -> None:
    """It is found before a row is read."""
    with pytest.raises((InvalidInputError, InvalidConfigError), match=says) as caught:
        score(model, from_database("sqlite:///shop.db", "features"), DatabaseOutput(url, table))
    assert "Sekret" not in str(caught.value)
    assert {path.name for path in shop.iterdir()} == {"shop.db"}


def test_a_database_is_copied_once_for_a_run_that_goes_on(
    model: SegmentationModel, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that change in the meantime do not mix with those that were scored."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(job, "_finish", stop)
        with pytest.raises(KeyboardInterrupt):
            score(model, from_database("sqlite:///shop.db", "features"), FileOutput(shop / "s.csv"), chunk_rows=64)
    change(shop / "shop.db", "DELETE FROM features")
    done = score(model, from_database("sqlite:///shop.db", "features"), FileOutput(shop / "s.csv"), resume=True)
    assert done.n_customers == N_CUSTOMERS
