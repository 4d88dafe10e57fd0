"""A registered model where nobody has installed patronage: in an environment of its own, and behind an endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hdbscan
import mlflow
import numpy as np
import pandas as pd
import pytest

from patronage.assigners.density import DensityAssigner
from patronage.cli import main
from patronage.model import SegmentationModel
from tests.conftest import SMALL, Shop
from tests.mlflow_server import QUIET, free_port, run_patronage, served
from tests.scored import feature_table, small_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")

MODEL = "models:/customer-segments@challenger"
PIP = ["-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "20"]


@dataclass(frozen=True)
class Registered:
    """A registered model, its files as MLflow keeps them, and customers."""

    uri: str
    files: Path
    customers: pd.DataFrame

    @property
    def package(self) -> SegmentationModel:
        """The model without MLflow."""
        return SegmentationModel.load(self.files / "artifacts" / "segmentation")


@pytest.fixture(scope="module")
def registered(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """A model of the shop, trained as a user does."""
    folder = tmp_path_factory.mktemp("registered")
    uri, data = f"sqlite:///{folder}/mlflow.db", ["--config-dir", str(shop.folder), "quiet=true"]
    options = [*SMALL, "clusterer.kmeans.grid.n_clusters=[3]", "output=model", f"tracking.uri={uri}"]
    done = run_patronage("train", *data, *options, folder=folder)
    assert done.returncode == 0, done.stderr
    table = folder / "f.parquet"
    assert main(["features", *data, "data=shop", f"model={folder / 'model'}", f"output={table}"]) == 0
    mlflow.set_tracking_uri(uri)
    try:
        files = Path(mlflow.artifacts.download_artifacts(MODEL, dst_path=str(folder / "registered")))
    finally:
        mlflow.set_tracking_uri(None)
    return Registered(uri, files, pd.read_parquet(table))


@pytest.fixture(scope="module")
def clean(registered: Registered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new virtual environment that holds what the model says it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    requirements = registered.files / "requirements.txt"
    # A small package of the list tells whether there is an index; after that the list itself must be right.
    one = next(line for line in requirements.read_text(encoding="utf-8").split() if line.startswith("threadpoolctl"))
    probe = alone(python, *PIP, "download", "--no-deps", "--quiet", "--dest", str(folder / "probe"), one)
    if probe.returncode != 0:
        said = (probe.stderr.strip().splitlines() or ["no word"])[-1]
        pytest.skip(f"no package index can be reached to make an environment from: {said}")
    done = alone(python, *PIP, "install", "--quiet", "--requirement", str(requirements))
    assert done.returncode == 0, done.stderr
    return python


def alone(python: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a Python that sees nothing of the environment of the tests."""
    leaks = ("PYTHON", "VIRTUAL_ENV", "MLFLOW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(leaks)}
    return subprocess.run(
        [str(python), *arguments],
        env={**environment, **QUIET, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", **extra},
        cwd=python.parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_the_environment_holds_what_scoring_needs_and_no_more(clean: Path) -> None:
    """Patronage comes with the model, and what only training needs is not there."""
    script = "import importlib.util as u, sys; print([name for name in sys.argv[1:] if u.find_spec(name)])"
    names = ["patronage", "hydra", "hdbscan", "umap", "sklearn", "pyarrow"]
    assert alone(clean, "-c", script, *names).stdout.strip() == "['sklearn', 'pyarrow']"
    done = alone(clean, *PIP, "check")
    assert done.returncode == 0, done.stdout


def test_a_clean_environment_scores_bit_for_bit_alike(registered: Registered, clean: Path) -> None:
    """`mlflow models predict` there gives what the package gives here, for every customer, to the last digit."""
    folder = clean.parents[2]
    # Everyone is asked for as JSON would carry them: numbers to the last digit, an empty value as null.
    rows = json.loads(registered.customers.to_json(orient="split", index=False, double_precision=15))
    rows["data"] = [
        [None if pd.isna(value) else value for value in row]
        for row in registered.customers.astype(object).itertuples(index=False, name=None)
    ]
    (folder / "customers.json").write_text(json.dumps({"dataframe_split": rows}), encoding="utf-8")
    asked = ["--model-uri", MODEL, "--env-manager", "local", "--content-type", "json"]
    files = ["--input-path", str(folder / "customers.json"), "--output-path", str(folder / "segments.json")]
    done = alone(clean, "-m", "mlflow", "models", "predict", *asked, *files, MLFLOW_TRACKING_URI=registered.uri)
    assert done.returncode == 0, done.stderr
    answer = json.loads((folder / "segments.json").read_text(encoding="utf-8"))
    there = pd.DataFrame(answer["predictions"])
    here = registered.package.predict(registered.customers)
    here.insert(0, "customer_id", registered.customers["customer_id"])
    assert len(there) == len(registered.customers) == 301
    pd.testing.assert_frame_equal(there, here, check_exact=True, check_dtype=False)


def test_a_model_by_density_needs_no_hdbscan_to_score(registered: Registered, clean: Path) -> None:
    """Its prediction is rebuilt from arrays: where HDBSCAN is not installed the result is the same."""
    folder, model, table = clean.parents[2], small_model(), feature_table()
    points = model.representation.transform(table[["spend", "zone"]])
    fitted = hdbscan.HDBSCAN(min_cluster_size=20, prediction_data=True).fit(points)
    assigner = DensityAssigner.from_hdbscan(fitted, noise="keep")
    assert assigner.n_segments > 1
    segments = tuple(replace(model.segments[0], id=f"S{n:02d}") for n in range(1, assigner.n_segments + 1))
    distances = np.tile(model.calibration.distances[:1], (assigner.n_segments, 1))
    model = replace(
        model,
        assigner=assigner,
        segments=segments,
        calibration=replace(model.calibration, distances=distances),
    )
    model.save(folder / "density")
    table.to_parquet(folder / "f.parquet")
    script = (
        "import pandas as pd; from pathlib import Path; from patronage.model import SegmentationModel; "
        "model = SegmentationModel.load(Path('density')); "
        "model.predict(pd.read_parquet('f.parquet')).to_parquet('by density.parquet')"
    )
    done = alone(clean, "-c", script, PYTHONPATH=str(registered.files / "code"))
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "by density.parquet"), model.predict(table), check_exact=True
    )


@dataclass(frozen=True)
class Endpoint:
    """`mlflow models serve`, and what it writes to its log."""

    address: str
    log: Path

    def ask(self, body: object) -> tuple[int, str]:
        """Send a request; gives status and answer."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.address}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def placed(self, body: object) -> list[dict[str, Any]]:
        """Customers with their segments, read as strictly as JSON is meant."""
        status, said = self.ask(body)
        assert status == 200, said
        return json.loads(said, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["predictions"]


@pytest.fixture(scope="module")
def endpoint(registered: Registered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The registered model behind an address."""
    folder, port = tmp_path_factory.mktemp("endpoint"), free_port()
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(registered.files), *options]
    address = f"http://127.0.0.1:{port}"
    with served(command, folder, f"{address}/ping"):
        yield Endpoint(address, folder / "server.log")


@pytest.fixture
def example(registered: Registered) -> dict[str, Any]:
    """The input example that is logged with the model, as JSON."""
    return json.loads((registered.files / "input_example.json").read_text(encoding="utf-8"))


def expected(registered: Registered, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What the package says, as an endpoint writes it."""
    scored = registered.package.predict(frame)
    scored.insert(0, "customer_id", frame["customer_id"])
    return scored.astype(object).where(scored.notna(), None).to_dict("records")


def test_an_endpoint_answers_in_either_form(
    endpoint: Endpoint, registered: Registered, example: dict[str, Any]
) -> None:
    """Rows as lists or as objects: the segments are those of the package."""
    frame = pd.DataFrame(example["data"], columns=example["columns"])
    for body in ({"dataframe_split": example}, {"dataframe_records": frame.to_dict("records")}):
        assert endpoint.placed(body) == expected(registered, frame)


def test_an_endpoint_takes_whole_numbers_for_ids_and_empty_values(
    endpoint: Endpoint, registered: Registered, example: dict[str, Any]
) -> None:
    """Ids come back as text, 7 and 7.0 alike; a whole number is a number, and a value may be missing."""
    frame = pd.DataFrame(example["data"], columns=example["columns"])
    feature = registered.package.input_columns[0]
    rows = frame.to_dict("records")
    rows[0] |= {"customer_id": 7, feature: None}
    rows[1] |= {"customer_id": 7.0, feature: 3}
    rows[2] |= {"customer_id": None, "customer_status": "dormant"}
    frame[feature] = [np.nan, 3.0, frame[feature].iloc[2]]
    frame["customer_id"] = ["7", "7", None]
    frame["customer_status"] = ["active", "active", "dormant"]
    placed = endpoint.placed({"dataframe_records": rows})
    assert placed == expected(registered, frame)
    assert (placed[2]["customer_id"], placed[2]["segment_id"], placed[2]["confidence"]) == (None, "dormant", None)


def test_an_endpoint_names_a_missing_column_and_logs_no_value(
    endpoint: Endpoint, registered: Registered, example: dict[str, Any]
) -> None:
    """The request is refused by the name of the column. MLflow shows its sender what was sent, but nobody else."""
    frame = pd.DataFrame(example["data"], columns=example["columns"]).assign(customer_id="Sekret", surname="Sekret2")
    feature = registered.package.input_columns[0]
    status, said = endpoint.ask({"dataframe_records": frame.drop(columns=feature).to_dict("records")})
    assert status == 400
    assert f"Model is missing inputs ['{feature}']" in said
    assert "Sekret" not in endpoint.log.read_text(encoding="utf-8")
