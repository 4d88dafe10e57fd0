"""Scorings that are killed and go on: nobody twice, nobody lost, and never with another model or other rows."""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from patronage.errors import InvalidInputError
from patronage.model import SegmentationModel
from patronage.scoring import FileOutput, Scored, from_file, score
from tests.scored import feature_table, small_model

N_ROWS, CHUNK_ROWS = 3_000, 100


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    """Two segments on a number and a category."""
    return small_model()


@pytest.fixture(scope="module")
def killed_once(model: SegmentationModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a feature table, after a scoring of f.csv was killed in the middle by kill -9."""
    folder = tmp_path_factory.mktemp("killed")
    model.save(folder / "model")
    table = feature_table(N_ROWS).astype({"customer_id": object})
    table.loc[table.index[50::100], "customer_id"] = None
    table.loc[N_ROWS - 1, "customer_id"] = table.loc[3, "customer_id"]  # met again long after the kill
    table.to_csv(folder / "f.csv", index=False)
    script = (
        "import sys; from pathlib import Path; from patronage.model import SegmentationModel; "
        "from patronage.scoring import *; m = SegmentationModel.load(Path('model')); "
        f"score(m, from_file(Path('f.csv'), m), FileOutput(Path('s.parquet')), chunk_rows={CHUNK_ROWS})"
    )
    journal = folder / ".s.parquet.scoring" / "journal.jsonl"
    with subprocess.Popen([sys.executable, "-c", script], cwd=folder) as running:
        until = time.monotonic() + 60
        while n_lines(journal) < 5 and time.monotonic() < until:
            time.sleep(0.005)
        running.kill()
        assert running.wait() == -signal.SIGKILL
    assert 5 <= n_lines(journal) <= N_ROWS // CHUNK_ROWS
    assert not (folder / "s.parquet").exists()
    return folder


@pytest.fixture
def killed(killed_once: Path, tmp_path: Path) -> Path:
    """The same folder, for one test to go on from."""
    return shutil.copytree(killed_once, tmp_path / "killed")


def n_lines(path: Path) -> int:
    """Number of lines of a file that may not be there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def run(folder: Path, model: SegmentationModel, *, resume: bool, chunk_rows: int = CHUNK_ROWS) -> Scored:
    """Score f.csv into s.parquet."""
    source = from_file(folder / "f.csv", model)
    # The killed run has named its files from its own folder.
    source = type(source)({**source.about, "path": "f.csv"}, source.digest, source.open)
    return score(model, source, FileOutput(folder / "s.parquet"), resume=resume, chunk_rows=chunk_rows)


@pytest.mark.parametrize("chunk_rows", [CHUNK_ROWS, 77])
def test_a_killed_run_goes_on(chunk_rows: int, killed: Path, model: SegmentationModel) -> None:
    """It takes over what was finished, and gives the same files as a run that nobody stopped, whatever the chunks."""
    with (killed / ".s.parquet.scoring" / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write('{"rows": 100, "segm')  # as if it was killed while it wrote
    run(killed, model, resume=True, chunk_rows=chunk_rows)
    found, refused = (
        pd.read_parquet(killed / "s.parquet"),
        (killed / "s.parquet.rejected.csv").read_text(encoding="utf-8"),
    )
    said = json.loads((killed / "s.parquet.manifest.json").read_text(encoding="utf-8"))
    assert said["resumed_customers"] >= 4 * (CHUNK_ROWS - 2)  # the journal's first line is no part
    assert not (killed / ".s.parquet.scoring").exists()

    run(killed, model, resume=False)
    pd.testing.assert_frame_equal(pd.read_parquet(killed / "s.parquet"), found, check_exact=True)
    assert (killed / "s.parquet.rejected.csv").read_text(encoding="utf-8") == refused
    assert found["customer_id"].is_unique
    assert len(found) + refused.count("\n") - 1 == N_ROWS
    again = json.loads((killed / "s.parquet.manifest.json").read_text(encoding="utf-8"))
    for told in ("customers", "segments", "statuses", "rejected", "unknown_categories", "input", "model_digest"):
        assert again[told] == said[told]


def test_a_changed_model_or_input_does_not_go_on(killed: Path, model: SegmentationModel) -> None:
    """Half of the customers by one model and half by another would be worse than none; what is finished stays."""
    with pytest.raises(InvalidInputError, match="resume=true: the model changed since the unfinished run"):
        run(killed, small_model(shift=0.1), resume=True)
    with (killed / "f.csv").open("a", encoding="utf-8") as table:
        table.write("late,1,x,active\n")
    with pytest.raises(InvalidInputError, match="resume=true: the input changed since the unfinished run"):
        run(killed, model, resume=True)
    assert n_lines(killed / ".s.parquet.scoring" / "journal.jsonl") >= 5


def test_without_resume_a_run_begins_anew(
    killed: Path, model: SegmentationModel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed run left is discarded, and the log says so."""
    monkeypatch.setattr(logging.getLogger("patronage"), "propagate", True)
    caplog.set_level("INFO", logger="patronage")
    run(killed, model, resume=False)
    assert "an unfinished run of this output is discarded; resume=true would have continued it" in caplog.text
    said = json.loads((killed / "s.parquet.manifest.json").read_text(encoding="utf-8"))
    assert said["resumed_customers"] == 0


def test_two_runs_do_not_write_one_output(model: SegmentationModel, tmp_path: Path) -> None:
    """The second is told that it must wait, and takes nothing away from the first."""
    feature_table().to_csv(tmp_path / "f.csv", index=False)
    folder = tmp_path / ".s.parquet.scoring"
    folder.mkdir()
    (folder / "journal.jsonl").write_text("{}\n", encoding="utf-8")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InvalidInputError, match="another run is writing this output"):
            run(tmp_path, model, resume=False)
    assert (folder / "journal.jsonl").exists()


def test_resuming_where_nothing_was_begun_begins(model: SegmentationModel, tmp_path: Path) -> None:
    """A scheduler may always say resume=true."""
    feature_table().to_csv(tmp_path / "f.csv", index=False)
    done = run(tmp_path, model, resume=True)
    assert done.n_customers == 300
    assert not (tmp_path / ".s.parquet.scoring").exists()
