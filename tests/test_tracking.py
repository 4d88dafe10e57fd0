"""What reviewers find in MLflow, on a real SQLite store: runs, artifacts, versions, aliases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from patronage import config, terminal
from patronage.cli import main
from patronage.evaluation.row import METRICS
from patronage.segments import Segment
from patronage.tracking import Tracking, TrackingError, load_model, tracked_run
from patronage.train import train
from patronage.training import Trained
from tests.conftest import SMALL, Shop

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")


class Logged:
    """A training and the store it was logged to."""

    def __init__(self, shop: Shop, place: Path) -> None:
        self.uri = f"sqlite:///{place}/mlflow.db"
        self.tracking = Tracking(self.uri, "patronage", "customer-segments")
        grid = "clusterer.kmeans.grid.n_clusters=[2,3]"
        self.options = [*SMALL, grid, f"output={place}/model", f"tracking.uri={self.uri}"]
        self.shop = shop
        self.trained = self.train()
        self.client = mlflow.MlflowClient(self.uri, self.uri)
        self.parent = self.client.get_run(self.trained.run_id)

    def train(self) -> Trained:
        """Train again into the same store."""
        return train(config.training(config.compose_config("train", self.options, str(self.shop.folder))))

    def text(self, name: str) -> str:
        """Content of one of the parent's artifacts."""
        folder = Path(self.parent.info.artifact_uri.removeprefix("file://"))
        return (folder / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def logged(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """One training, logged."""
    return Logged(shop, tmp_path_factory.mktemp("tracking"))


def test_every_candidate_is_a_child_of_the_training(logged: Logged) -> None:
    """One parent, a child per candidate, the chosen one marked."""
    children = logged.client.search_runs(
        [logged.parent.info.experiment_id], f"tags.mlflow.parentRunId = '{logged.trained.run_id}'"
    )
    assert {child.info.run_name for child in children} == {v.row.name for v in logged.trained.selection.verdicts}
    assert [child.data.tags["patronage.selected"] for child in children].count("true") == 1


def test_metrics_are_grouped_and_are_the_leaderboards(logged: Logged) -> None:
    """The parent carries the winner's figures under their groups, and what was confirmed."""
    assert logged.trained.selection.winner is not None
    metrics = logged.parent.data.metrics
    own = {name: value for name, value in metrics.items() if name in METRICS or name.startswith("value/omega2_")}
    # A figure that does not apply is not logged: it would not chart.
    known = {name: value for name, value in logged.trained.selection.winner.row.metrics.items() if not np.isnan(value)}
    assert own == pytest.approx(known)
    assert metrics["confirm/kept"] == pytest.approx(logged.trained.confirm["kept"])
    assert all("/" in name for name in metrics)


def test_the_parent_holds_what_a_reviewer_opens(logged: Logged) -> None:
    """Configuration, catalogue, leaderboard, segments, origins across k and the figures."""
    names = {file.path for file in logged.client.list_artifacts(logged.trained.run_id)}
    assert names >= {"config.yaml", "catalogue.json", "leaderboard.csv", "leaderboard.html", "segments.csv", "figures"}
    figures = {file.path for file in logged.client.list_artifacts(logged.trained.run_id, "figures")}
    drawn = ("across_k", "choice_of_k", "distributions", "frontier", "reliability", "size_and_value")
    assert figures == {f"figures/{name}.png" for name in drawn}
    assert logged.text("across_k.csv").startswith("k,segment,n_customers,share,main_origin,")
    assert "kmeans n_clusters=3" in logged.text("leaderboard.html")
    assert json.loads(logged.text("catalogue.json"))["features"]


def test_the_description_says_what_won_and_why(logged: Logged) -> None:
    """A reviewer reads the answer before any table."""
    note = logged.parent.data.tags["mlflow.note.content"]
    assert logged.trained.selection.winner is not None
    assert logged.trained.selection.winner.row.name in note
    assert logged.trained.selection.winner.reason in note


def test_the_data_is_logged_with_a_digest_of_all_rows(logged: Logged) -> None:
    """The dataset input tells whether two runs saw the same data."""
    (dataset,) = logged.parent.inputs.dataset_inputs
    assert dataset.dataset.name == "shop"
    assert len(dataset.dataset.digest) == 16


def test_the_registered_version_carries_card_tags_and_alias(logged: Logged) -> None:
    """The model's description is its card; the newest version is the challenger."""
    version = logged.client.get_model_version_by_alias("customer-segments", "challenger")
    assert logged.trained.model is not None
    assert all(segment.name in version.description for segment in logged.trained.model.segments)
    assert version.tags["n_segments"] == str(len(logged.trained.model.segments))
    assert version.tags["gates"] == "passed"


def test_the_signature_is_explicit(logged: Logged) -> None:
    """The model's features are required numbers, which may be empty; ids may be text or whole numbers."""
    mlflow.set_tracking_uri(logged.uri)
    try:
        signature = mlflow.models.get_model_info("models:/customer-segments@challenger").signature
    finally:
        mlflow.set_tracking_uri(None)
    types = {column.name: (str(column.type), column.required) for column in signature.inputs}
    assert types["recency_days"] == ("DataType.double", True)
    assert not types["customer_id"][1]


def test_a_missing_alias_says_so(logged: Logged) -> None:
    """A model that is not there is one clear line."""
    with pytest.raises(TrackingError, match=r"models:/customer-segments@nobody cannot be fetched"):
        load_model(logged.tracking, "models:/customer-segments@nobody")


def test_a_failed_training_ends_its_run_as_failed(tmp_path: Path) -> None:
    """An error inside the run is visible in MLflow and reaches the caller."""
    tracking = Tracking(f"sqlite:///{tmp_path}/m.db", "patronage", "m")
    with pytest.raises(RuntimeError, match="planned"), tracked_run(tracking, {}) as run:
        raise RuntimeError("planned")
    assert mlflow.MlflowClient(tracking.uri).get_run(run.run_id).info.status == "FAILED"


def test_logging_leaves_the_environment_as_it_was(tmp_path: Path) -> None:
    """MLflow's settings do not leak into what the process starts later."""
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    with tracked_run(Tracking(f"sqlite:///{tmp_path}/m.db", "patronage", "m"), {}):
        pass
    assert {name: os.environ.get(name) for name in before} == before


def test_a_fresh_store_survives_processes_that_open_it_at_once(tmp_path: Path) -> None:
    """The first contact is made under a lock: concurrent migrations would corrupt the store."""
    script = (
        "import sys\nfrom patronage.tracking import Tracking, tracked_run\n"
        "with tracked_run(Tracking(sys.argv[1], 'patronage', 'm'), {}) as run:\n    print(run.run_id)"
    )
    uri = f"sqlite:///{tmp_path}/fresh.db"
    running = [
        subprocess.Popen([sys.executable, "-c", script, uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ended
    client = mlflow.MlflowClient(uri)
    assert {client.get_run(out.strip()).info.status for out, _ in ended} == {"FINISHED"}


def test_customers_are_scored_from_tables_and_from_features_alike(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`promote`, `features` and `score` as a user runs them, with the registry and with the folder."""
    monkeypatch.chdir(tmp_path)
    store, conf = f"tracking.uri={logged.uri}", ["--config-dir", str(logged.shop.folder)]
    folder = logged.options[-2].removeprefix("output=")
    assert main(["promote", store]) == 0
    assert main(["score", *conf, store, "data=shop", "output=by tables.parquet"]) == 0
    made = "model=models:/customer-segments@champion"
    assert main(["features", *conf, store, "data=shop", made, "output=f.csv"]) == 0
    assert main(["features", *conf, store, "data=shop", f"model={folder}", "output=f.parquet"]) == 0
    assert main(["score", store, "input=f.csv", "output=by features.csv"]) == 0
    assert main(["score", f"model={folder}", "input=f.parquet", "output=by folder.parquet"]) == 0
    by_tables = pd.read_parquet("by tables.parquet")
    by_csv = pd.read_csv("by features.csv", dtype={"customer_id": str, "segment_id": str, "runner_up_id": str})
    pd.testing.assert_frame_equal(by_tables, by_csv, check_dtype=False)
    pd.testing.assert_frame_equal(by_tables, pd.read_parquet("by folder.parquet"), check_exact=True)
    assert list(by_tables.columns) == [
        "customer_id",
        "segment_id",
        "segment_name",
        "confidence",
        "runner_up_id",
        "atypicality",
        "basis",
    ]
    assert by_tables["customer_id"].is_unique
    assert by_tables.set_index("customer_id").loc["99999", ["segment_id", "basis"]].to_list() == ["unassigned", "none"]
    manifest = json.loads(Path("by tables.parquet.manifest.json").read_text(encoding="utf-8"))
    assert manifest["customers"] == 301
    assert "@champion" in manifest["model"]
    assert "301 customers scored" in capsys.readouterr().out


def test_a_password_in_the_stores_address_is_not_logged() -> None:
    """What is shown of an address leaves user and password out."""
    tracking = Tracking("postgresql://me:secret@host/db", "patronage", "m")
    assert tracking.shown_uri() == "postgresql://…@host/db"


def test_names_with_markup_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A segment named after a category cannot break or colour the terminal."""
    terminal.segments([Segment("S01", "Much [/wine], [red]meat", 1.0, 5, None, 1.0, ())], {})
    assert "Much [/wine], [red]meat" in capsys.readouterr().out
