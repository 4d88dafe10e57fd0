"""Tables as people's real files are: each ends in the named error, or in rows and counts that are written down here.

Every file in ``tests/invalid_tables`` is one case: how the files are made byte by byte, what the data configuration
says of them, and either the whole message or every row and everything that is told.
"""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from patronage import cli
from patronage.errors import PatronageError
from patronage.tables import DataSource, TableSource, open_tables
from patronage.validation import validate

PLANTED = "zq-planted-7731"
"""Stands for a customer's value; no message and nothing that is told may hold it."""

FOLDER = Path(__file__).parent / "invalid_tables"
CASES = {str(path.relative_to(FOLDER).with_suffix("")): path for path in sorted(FOLDER.rglob("*.yaml"))}
ORDER = "ALL"


def load(name: str) -> dict[str, Any]:
    """One case."""
    return yaml.safe_load(CASES[name].read_text(encoding="utf-8"))


def make(case: dict[str, Any], folder: Path) -> DataSource:
    """Write a case's files, and give the data configuration that names them."""
    for name, recipe in case.get("files", {}).items():
        _write(folder / name, recipe)
    tables = {name: TableSource(**_placed(options, folder)) for name, options in case["tables"].items()}
    return DataSource("test", tables, **case.get("data", {}))


def _placed(options: dict[str, Any], folder: Path) -> dict[str, Any]:
    placed = dict(options)
    if "path" in placed:
        placed["path"] = placed["path"].replace("{folder}", str(folder))
    if "files" in placed:
        placed["files"] = {key: path.replace("{folder}", str(folder)) for key, path in placed["files"].items()}
    return placed


def _write(path: Path, recipe: dict[str, Any] | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    given = {"text": recipe} if isinstance(recipe, str) else recipe
    if "parquet" in given:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY ({given['parquet']}) TO '{path}' (FORMAT parquet)")
        content = path.read_bytes()
    elif "sqlite" in given:
        connection = sqlite3.connect(path)
        connection.executescript(given["sqlite"])
        connection.close()
        content = path.read_bytes()
    else:
        content = _text(given).replace("\n", given.get("newline", "\n")).encode(given.get("encoding", "utf-8"))
    if given.get("gzip", False):
        content = gzip.compress(content)
    path.write_bytes(content[: given.get("keep_bytes", len(content))])
    path.chmod(given.get("mode", 0o644))


def _text(given: dict[str, Any]) -> str:
    """The text as it stands, or with one line many times over: {number} counts from 0."""
    if "repeat" not in given:
        return str(given["text"])
    lines = (given["repeat"].replace("{number}", str(number)) for number in range(given["times"]))
    return given["text"] + "".join(f"{line}\n" for line in lines) + given.get("last", "")


def outcome(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The message of the error, or every row of every table and everything that is told."""
    try:
        with open_tables(make(case, folder)) as tables:
            told = [*tables.notes, *(str(found) for found in validate(tables))]
            rows = {}
            for name, columns in tables.columns.items():
                texts = ", ".join(f'"{column}"::VARCHAR' for column in columns)
                query = f"SELECT {texts} FROM {name} ORDER BY {ORDER}" if case.get("query") is None else case["query"]
                found = tables.connection.execute(query).fetchall()
                rows[name] = [list(columns) if case.get("query") is None else ["query"], *map(list, found)]
    except PatronageError as error:
        return {"error": str(error).replace(str(folder), "{folder}").splitlines()}
    return {"rows": rows, "told": told}


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_table_ends_as_its_case_says(name: str, tmp_path: Path) -> None:
    """The message, line by line; or all rows of all tables, and all notes, facts and tolerated faults."""
    case = load(name)
    found = outcome(case, tmp_path)
    assert found == case["expected"]
    assert PLANTED not in "\n".join(found.get("error", found.get("told", [])))


ON_THE_COMMAND_LINE = [name for name in CASES if load(name).get("command_line", False)]


@pytest.mark.parametrize("name", ON_THE_COMMAND_LINE)
def test_the_command_line_ends_with_status_2_and_the_message(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user sees the same message on standard error, no traceback, and no file is written."""
    monkeypatch.chdir(tmp_path)
    case = load(name)
    make(case, tmp_path)
    options = {table: _placed(given, tmp_path) for table, given in case["tables"].items()}
    (tmp_path / "conf" / "data").mkdir(parents=True)
    text = yaml.safe_dump({"name": "test", **case.get("data", {}), **options}, allow_unicode=True)
    (tmp_path / "conf" / "data" / "given.yaml").write_text(text, encoding="utf-8")
    status = cli.main(["features", "--config-dir", str(tmp_path / "conf"), "data=given", "features=[rfm]"])
    told = capsys.readouterr()
    assert status == 2
    message = "\n".join(case["expected"]["error"]).replace("{folder}", str(tmp_path))
    assert f"patronage features: {message}\n" in told.err
    assert "Traceback" not in told.err + told.out
    assert PLANTED not in told.err + told.out
    assert not list(tmp_path.glob("features*"))


def test_there_are_cases_of_every_kind() -> None:
    """Cases are found, each says in a line what it shows, and a dozen go through the command line."""
    assert len(CASES) >= 60
    assert all(load(name)["shows"].endswith(".") for name in CASES)
    assert len(ON_THE_COMMAND_LINE) >= 12
