"""`patronage score` as a scheduler runs it: one line for what is wrong, exit status 2, memory that stays."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from patronage.cli import main
from tests.scored import N_CUSTOMERS, feature_table, small_model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a packaged model and a feature table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    small_model().save(tmp_path / "m")
    feature_table().to_parquet(tmp_path / "f.parquet")
    return tmp_path


def test_a_scoring_says_what_it_did(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Segments with their shares, rows set aside by reason, and where they are listed; status 0."""
    table = feature_table().assign(
        spend=feature_table()["spend"].replace(feature_table()["spend"].iloc[1], float("inf"))
    )
    table.to_csv(folder / "f.csv", index=False)
    assert main(["score", "model=m", "input=f.csv", "output=s.jsonl.gz", "quiet=true"]) == 0
    said = capsys.readouterr().out
    assert f"{N_CUSTOMERS - 1} customers scored with m: s.jsonl.gz" in said
    assert "spend: not finite" in said
    assert "s.jsonl.gz.rejected.csv" in said
    assert json.loads((folder / "s.jsonl.gz.manifest.json").read_text(encoding="utf-8"))["customers"] == N_CUSTOMERS - 1


@pytest.mark.parametrize("output", ["f.parquet", "./f.parquet", "link.parquet"])
def test_the_input_is_not_replaced(folder: Path, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An output that is the input, under whatever name, is refused, and the input stays as it was."""
    (folder / "link.parquet").symlink_to(folder / "f.parquet")
    before = (folder / "f.parquet").read_bytes()
    assert main(["score", "model=m", "input=f.parquet", f"output={output}", "quiet=true"]) == 2
    assert "output would replace the input" in capsys.readouterr().err
    assert (folder / "f.parquet").read_bytes() == before


def test_databases_are_named_by_url_and_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What SQLAlchemy takes, `patronage score` takes, on both sides."""
    connection = sqlite3.connect(folder / "shop.db")
    feature_table().to_sql("features", connection, index=False)
    connection.close()
    options = ["model=m", "input=sqlite:///shop.db", "input_table=features", "output=sqlite:///out.db"]
    assert main(["score", *options, "output_table=scored", "chunk_rows=50", "quiet=true"]) == 0
    connection = sqlite3.connect(folder / "out.db")
    assert connection.execute("SELECT count(*) FROM scored").fetchall() == [(N_CUSTOMERS,)]
    connection.close()
    assert (folder / "scored.manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "give either data=… (raw tables) or input=… (a feature table)"),
        (
            ["input=f.parquet", "data=complete_journey"],
            "give data=… (raw tables) or input=… (a feature table), not both",
        ),
        (["input=f.parquet", "output=s.xls"], "output=s.xls: expected a file ending in"),
        (["input=f.parquet", "chunk_rows=0"], "chunk_rows must be from 1 to"),
        (["input=none.csv"], "no feature table at none.csv"),
        (["input=other.csv"], "lacks 2 of the model's 2 columns: spend, zone"),
        (["input=empty.csv"], "the feature table has 0 rows"),
        (["input=f.parquet", "output=sqlite:///none/s.db"], "the folder none does not exist"),
    ],
)
def test_what_is_wrong_is_one_line_and_status_2(
    options: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and nothing is written."""
    (folder / "other.csv").write_text("customer_id,shoe_size\na,43\n", encoding="utf-8")
    (folder / "empty.csv").write_text("customer_id,spend,zone\n", encoding="utf-8")
    before = {path.name for path in folder.iterdir()}
    assert main(["score", "model=m", "quiet=true", *options]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("patronage score:")]
    assert len(said) == 1
    assert says in said[0]
    assert {path.name for path in folder.iterdir()} == before


def test_a_server_that_does_not_answer_is_told_in_one_line(folder: Path) -> None:
    """Some tries later the message names the server; nothing is written, and it does not take minutes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-m", "patronage.cli", "score", "input=f.parquet", f"tracking.uri=http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"},
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"MLflow at http://127.0.0.1:{port}" in line
    assert {path.name for path in folder.iterdir()} == {"m", "f.parquet"}


def peak_mb(folder: Path, n_rows: int) -> float:
    """Peak memory of a process that scores so many rows."""
    path, chunk = folder / f"{n_rows}.parquet", feature_table(100_000).drop(columns="customer_id").fillna({"zone": "x"})
    with pq.ParquetWriter(path, pa.Table.from_pandas(feature_table(1), preserve_index=False).schema) as writer:
        for start in range(0, n_rows, len(chunk)):
            # Ids that do not pack well: a reader that keeps what it has read shows.
            ids = [sha256(str(number).encode()).hexdigest() for number in range(start, start + len(chunk))]
            table = pa.Table.from_pandas(chunk.assign(customer_id=ids), preserve_index=False)
            writer.write_table(table.select(writer.schema.names))
    script = (
        "import sys; from patronage.cli import main; "
        f"status = main(['score', 'model=m', 'input={path.name}', 'output=s.parquet', 'quiet=true']); "
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]; "
        "print(peak, file=sys.stderr); "
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{n_rows:,} customers scored" in done.stdout
    return int(done.stderr.split()[-1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_rows(folder: Path) -> None:
    """A million rows take hardly more memory than a fifth of them."""
    assert peak_mb(folder, 1_000_000) - peak_mb(folder, 200_000) < 100


def test_scored_parts_are_gone_when_all_is_done(folder: Path) -> None:
    """Beside the output there is its manifest, and nothing else."""
    before = {path.name for path in folder.iterdir()}
    assert main(["score", "model=m", "input=f.parquet", "output=s.parquet", "quiet=true"]) == 0
    assert {path.name for path in folder.iterdir()} - before == {"s.parquet", "s.parquet.manifest.json"}
    assert len(pd.read_parquet(folder / "s.parquet")) == N_CUSTOMERS
