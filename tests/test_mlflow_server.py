"""Training, promotion and scoring by way of an MLflow server, one that fails at times, and one that is not there."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from patronage.cli import main
from patronage.tracking import Tracking, TrackingError, store
from tests.conftest import SMALL, Shop
from tests.mlflow_server import free_port, mlflow_server, run_patronage
from tests.scored import feature_table

NAME = "customer-segments"


@dataclass(frozen=True)
class Served:
    """A server, and the folder in which somebody has trained with it."""

    uri: str
    artifacts: Path
    work: Path

    @property
    def client(self) -> MlflowClient:
        """What asks the server."""
        return MlflowClient(self.uri, self.uri)


@pytest.fixture(scope="module")
def served(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that knows one training."""
    folder, work = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("work")
    with mlflow_server(folder) as uri:
        quick = [
            "representation=standard",
            "~representation.parameters.n_trees",
            "clusterer.kmeans.grid.n_clusters=[3]",
        ]
        options = [*SMALL, *quick, "output=model", "quiet=true"]
        done = run_patronage("train", "--config-dir", str(shop.folder), *options, f"tracking.uri={uri}", folder=work)
        assert done.returncode == 0, done.stderr
        yield Served(uri, folder / "artifacts", work)


def test_training_keeps_everything_on_the_server(served: Served) -> None:
    """Runs, artifacts and the registered model go through the server; beside the package nothing is left here."""
    version = served.client.get_model_version_by_alias(NAME, "challenger")
    run = served.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    kept = {path.name for path in served.artifacts.rglob("*")}
    assert {"leaderboard.html", "segments.csv", "MLmodel", "model.json"} <= kept
    assert {path.name for path in served.work.iterdir()} == {"model"}


def test_the_champion_is_fetched_through_the_server_and_scores(served: Served, shop: Shop, tmp_path: Path) -> None:
    """Promoted and scored with, it gives what the packaged folder gives; nothing else is left behind."""
    uri, data = f"tracking.uri={served.uri}", ["--config-dir", str(shop.folder), "data=shop"]
    assert main(["promote", uri]) == 0
    champion = ["score", *data, uri, f"model=models:/{NAME}@champion", "output=by server.parquet"]
    done = run_patronage(*champion, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"scored with models:/{NAME}/1 (as @champion)" in done.stdout
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"by server.parquet", "by server.parquet.manifest.json"}
    packaged = [f"model={served.work / 'model'}", f"output={tmp_path / 'by folder.parquet'}", "quiet=true"]
    assert main(["score", *data, *packaged]) == 0
    by_server, by_folder = (pd.read_parquet(tmp_path / f"by {way}.parquet") for way in ("server", "folder"))
    pd.testing.assert_frame_equal(by_server, by_folder, check_exact=True)


def test_a_promotion_is_undone_on_the_server(served: Served, quick: None) -> None:
    """Aliases move there and back."""
    assert main(["promote", f"tracking.uri={served.uri}", "version=1"]) == 0
    served.client.copy_model_version(f"models:/{NAME}/1", NAME)
    assert main(["promote", f"tracking.uri={served.uri}", "version=2", "--force"]) == 0
    aliases = served.client.get_registered_model(NAME).aliases
    assert (str(aliases["champion"]), str(aliases["previous"])) == ("2", "1")
    assert main(["rollback", f"tracking.uri={served.uri}"]) == 0
    assert str(served.client.get_registered_model(NAME).aliases["champion"]) == "1"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder to work in, and little patience with servers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_alias_that_nobody_has_is_told_in_one_line(
    served: Served, quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2; model and alias are named, and no output is begun."""
    feature_table().to_parquet("f.parquet")
    asked = f"models:/{NAME}@nobody"
    assert main(["score", "input=f.parquet", f"model={asked}", f"tracking.uri={served.uri}"]) == 2
    line = only_line(capsys)
    assert asked in line
    assert "nobody not found" in line
    assert main(["promote", "version=nobody", f"tracking.uri={served.uri}"]) == 2
    assert "no version 'nobody'" in only_line(capsys)
    assert {path.name for path in tmp_path.iterdir()} == {"f.parquet"}


@pytest.mark.parametrize("command", ["train", "promote", "rollback", "score", "export"])
def test_a_server_that_is_not_there_stops_every_command(
    command: str, shop: Shop, quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 and one line with the address but not the password; no output is begun, no training either."""
    feature_table().to_parquet("f.parquet")
    options = {
        "train": ["--config-dir", str(shop.folder), *SMALL, "output=model"],
        "score": ["input=f.parquet", "output=s.parquet"],
        "export": ["input=f.parquet", "output=ex"],
    }
    port = free_port()
    assert main([command, *options.get(command, []), f"tracking.uri=http://me:s3cret@127.0.0.1:{port}"]) == 2
    line = only_line(capsys)
    assert f"MLflow at http://…@127.0.0.1:{port}: no answer after some tries; check tracking.uri" in line
    assert "s3cret" not in line
    assert {path.name for path in tmp_path.iterdir()} == {"f.parquet"}


def test_a_server_that_is_not_there_is_tried_for_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries come ever more slowly, and end after some seconds, where MLflow by itself would go on for minutes."""
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    assert main(["promote", f"tracking.uri=http://127.0.0.1:{free_port()}"]) == 2
    assert 6 <= time.monotonic() - began < 30


@contextmanager
def failing(uri: str, n_failures: int) -> Iterator[tuple[str, list[str]]]:
    """Stand before a server and fail the first requests; gives the address, and the requests as they come."""
    host = uri.removeprefix("http://")
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        """Answers 500, or passes on."""

        def do_POST(self) -> None:
            """Answer one request."""
            asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if len(asked) <= n_failures:
                self.answer(500, b"{}")
                return
            behind = http.client.HTTPConnection(host, timeout=60)
            behind.request(self.command, self.path, body, {"Content-Type": "application/json"})
            given = behind.getresponse()
            self.answer(given.status, given.read())
            behind.close()

        do_GET = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the names http.server asks for

        def answer(self, status: int, body: bytes) -> None:
            """Send an answer."""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_fails_at_first_is_tried_again(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two errors are nothing that the user hears of."""
    monkeypatch.chdir(tmp_path)
    with failing(served.uri, 2) as (uri, asked):
        assert main(["promote", f"tracking.uri={uri}", "version=1"]) == 0
    assert asked[0] == asked[1] == asked[2]
    assert len(asked) > 3
    assert not capsys.readouterr().err


def test_a_server_that_goes_on_failing_is_told_of(
    served: Served, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers, but with errors: that is another thing to look at than an address."""
    with failing(served.uri, 1000) as (uri, asked):
        assert main(["promote", f"tracking.uri={uri}"]) == 2
    assert f"MLflow at {uri}: the server answers with errors, also when tried again" in only_line(capsys)
    assert len(asked) == 2


def test_a_database_that_does_not_answer_is_tried_for_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store in a database is waited for as one behind a server is, and then told of."""
    waited: list[float] = []
    monkeypatch.setattr(store.time, "sleep", waited.append)
    (tmp_path / "shut.db").mkdir()  # opens as little as a database that is down
    tracking = Tracking(f"sqlite+pysqlite:///{tmp_path}/shut.db", "patronage", NAME)
    with (
        pytest.raises(TrackingError, match=r"shut\.db cannot be opened \(OperationalError\); check tracking\.uri"),
        store.pointed_at(tracking),
    ):
        pass
    assert waited == [1, 2, 4]


def test_patience_with_a_server_is_not_left_behind(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has answered, MLflow's own patience holds; and what the environment says always does."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    with store.pointed_at(Tracking(served.uri, "patronage", NAME)) as mlflow:
        settings = mlflow.environment_variables
        assert settings.MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() > int(
            store.FIRST_CONTACT["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]
        )
        assert settings.MLFLOW_HTTP_REQUEST_TIMEOUT.get() == 77
