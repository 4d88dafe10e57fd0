"""MLflow: the only module that speaks to it. Stages give plain values; here they become runs and versions."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import io
import json
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from patronage import __version__, figures
from patronage.card import model_card, run_description, short
from patronage.catalogue import Catalogue, Feature
from patronage.errors import InvalidConfigError, PatronageError
from patronage.evaluation.judgement import Row
from patronage.leaderboard import leaderboard_frame, leaderboard_html
from patronage.model import SegmentationModel
from patronage.segments import Segment
from patronage.selection import Policy, Selection
from patronage.tables import Tables
from patronage.windows import Windows

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"
REQUIREMENTS = (
    "duckdb",
    "hdbscan",
    "joblib",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "threadpoolctl",
)
"""What a registered model needs, pinned to the versions it was trained with."""


class TrackingError(PatronageError):
    """The MLflow store cannot be reached, or does not have what was asked for."""


@dataclass(frozen=True)
class Tracking:
    """Where runs and models are kept.

    Attributes
    ----------
    uri : str, optional
        MLflow store; default ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory.
    experiment : str
    registered_model : str
    """

    uri: str | None
    experiment: str
    registered_model: str

    def resolved_uri(self) -> str:
        """The store's address."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"

    def artifact_root(self) -> str | None:
        """Where a local store puts artifacts: beside the database, whatever the working directory; None for servers."""
        uri = self.resolved_uri()
        if not uri.startswith("sqlite:///"):
            return None
        return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlartifacts").as_uri()


@contextmanager
def _mlflow(tracking: Tracking) -> Iterator[Any]:
    """MLflow pointed at the store, quiet; what it sets for the whole process is undone afterwards."""
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    with warnings.catch_warnings():
        # Deprecations inside MLflow are not the user's to mend.
        warnings.simplefilter("ignore")
        import mlflow  # noqa: PLC0415 - takes over a second

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        uri = tracking.resolved_uri()
        try:
            with _initialised(uri):
                mlflow.set_tracking_uri(uri)
                mlflow.set_registry_uri(uri)
                mlflow.MlflowClient().search_experiments(max_results=1)
            yield mlflow
        except mlflow.exceptions.MlflowException as error:
            raise TrackingError(f"MLflow at {uri}: {str(error).splitlines()[0]}") from error
        finally:
            mlflow.set_tracking_uri(before["MLFLOW_TRACKING_URI"] or "")
            mlflow.set_registry_uri(before["MLFLOW_REGISTRY_URI"] or "")
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def _initialised(uri: str) -> Iterator[None]:
    """Let one process at a time make first contact: concurrent migrations corrupt a fresh SQLite store."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    database = Path(uri.removeprefix("sqlite:///"))
    if not database.parent.is_dir():
        raise InvalidConfigError(f"tracking.uri={uri}: the folder {database.parent} does not exist; make it first.")
    with database.with_name(database.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class TrackedRun:
    """The parent run of one training."""

    def __init__(self, mlflow: Any, tracking: Tracking, config: Mapping[str, Any], run_id: str) -> None:  # noqa: ANN401
        self._mlflow = mlflow
        self._client = mlflow.MlflowClient()
        self._tracking = tracking
        self._config = config
        self.run_id = run_id

    def log_setup(self, tables: Tables, catalogue: Catalogue, windows: Windows, seed: int) -> None:
        """Log configuration, catalogue and data before the work begins."""
        mlflow = self._mlflow
        mlflow.log_params(_parameters(self._config))
        mlflow.log_dict(dict(self._config), "config.yaml")
        mlflow.log_dict(_plain(catalogue.to_dict()), "catalogue.json")
        mlflow.log_params(
            {
                "windows.learn": str(windows.learn.as_of),
                "windows.judge": str(windows.judge.as_of),
                "windows.refit": str(windows.refit.as_of),
            }
        )
        mlflow.set_tags(
            {"patronage.version": __version__, "patronage.data": tables.source.name, "patronage.seed": seed}
        )
        counts = {name: tables.count(name) for name in tables.columns}
        profile = pd.DataFrame({"table": list(counts), "rows": list(counts.values())})
        dataset = mlflow.data.from_pandas(profile, name=tables.source.name, digest=tables.digest())
        mlflow.log_input(dataset, context="training")
        mlflow.log_table(profile, "tables.json")

    def log_selection(
        self, selection: Selection, baselines: Sequence[Row], policy: Policy, confirm: Mapping[str, float]
    ) -> None:
        """Log a child run per candidate, the leaderboard, the winner's figures and the choice of k."""
        mlflow, client = self._mlflow, self._client
        experiment = mlflow.get_run(self.run_id).info.experiment_id
        for verdict in selection.verdicts:
            chosen = selection.winner is not None and verdict is selection.winner
            child = client.create_run(
                experiment,
                run_name=verdict.row.name,
                tags={
                    "mlflow.parentRunId": self.run_id,
                    "patronage.clusterer": verdict.row.clusterer,
                    "patronage.representation": verdict.row.representation,
                    "patronage.selected": str(chosen).lower(),
                    "patronage.passed": str(verdict.passed).lower(),
                    "patronage.reason": verdict.reason,
                },
            )
            figures_ = {**verdict.row.metrics, "objective": verdict.objective}
            entities = mlflow.entities
            client.log_batch(
                child.info.run_id,
                metrics=[
                    entities.Metric(name, value, child.info.start_time, 0)
                    for name, value in figures_.items()
                    if value == value  # noqa: PLR0124 - NaN does not chart
                ],
                params=[
                    entities.Param("clusterer", verdict.row.clusterer),
                    entities.Param("representation", verdict.row.representation),
                    entities.Param("candidate", verdict.row.name),
                ],
            )
            client.set_terminated(child.info.run_id, "FAILED" if verdict.row.failure else "FINISHED")
        board = leaderboard_frame(selection, baselines)
        mlflow.log_text(board.to_csv(index=False), "leaderboard.csv")
        mlflow.log_text(leaderboard_html(board), "leaderboard.html")
        mlflow.log_table(board.astype(object).where(board.notna(), None), "leaderboard.json")
        figure = figures.choice_of_k(selection, baselines, policy.gates)
        mlflow.log_figure(figure, "figures/choice_of_k.png")
        mlflow.set_tag("mlflow.note.content", run_description(selection, confirm))
        mlflow.set_tag("patronage.selected", "none" if selection.winner is None else selection.winner.row.name)
        if selection.winner is not None:
            name = mlflow.get_run(self.run_id).info.run_name
            mlflow.set_tag("mlflow.runName", f"{name}: {selection.winner.row.name}")
            mlflow.log_metrics({k: v for k, v in selection.winner.row.metrics.items() if v == v})  # noqa: PLR0124
            mlflow.log_metrics({f"confirm/{k}": v for k, v in confirm.items() if v == v})  # noqa: PLR0124

    def log_segments(self, segments: Sequence[Segment], outcome: Feature) -> None:
        """Log the segment table, and size against value."""
        mlflow = self._mlflow
        table = pd.DataFrame(
            {
                "segment_id": [segment.id for segment in segments],
                "segment_name": [segment.name for segment in segments],
                "customers": [segment.n_customers for segment in segments],
                "share": [round(segment.share, 4) for segment in segments],
                f"{outcome.name}_per_customer": [segment.value_per_customer for segment in segments],
                "jaccard": [round(segment.jaccard, 4) for segment in segments],
            }
        ).sort_values("segment_id")
        mlflow.log_text(table.to_csv(index=False), "segments.csv")
        mlflow.log_table(table, "segments.json")
        figure = figures.size_and_value(segments, outcome.name, outcome.unit)
        mlflow.log_figure(figure, "figures/size_and_value.png")

    def log_seconds(self, seconds: Mapping[str, float]) -> None:
        """Log how long each stage took."""
        self._mlflow.log_metrics({f"seconds/{_key(name)}": value for name, value in seconds.items()})

    def register(self, model: SegmentationModel, folder: Path, features: pd.DataFrame) -> str:
        """Log the packaged model, register it, and call it the challenger; returns the version."""
        mlflow, client, name = self._mlflow, self._client, self._tracking.registered_model
        with contextlib.redirect_stderr(io.StringIO()):  # MLflow prints what the caller tells better
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("pyfunc.py")),
                artifacts={"segmentation": str(folder)},
                code_paths=[str(Path(__file__).parent)],
                pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in REQUIREMENTS],
                signature=_signature(mlflow, model),
                input_example=_example(model, features),
                registered_model_name=name,
            )
        version = str(info.registered_model_version)
        card = model_card(model)
        client.update_registered_model(name, "Customer segments: see the card of each version.")
        client.update_model_version(name, version, card)
        tags = {
            "kept": model.about["confirm"].get("kept"),
            "ari": model.about["metrics"].get("refit/ari"),
            "n_segments": len(model.segments),
            "min_share": model.about["metrics"].get("refit/min_share"),
            "gates": "passed",
            "candidate": model.about["candidate"],
            "data": self._config.get("data", {}).get("name", ""),
        }
        for key, value in tags.items():
            client.set_model_version_tag(name, version, key, value if isinstance(value, str) else short(value))
        client.set_registered_model_alias(name, CHALLENGER, version)
        return version


@contextmanager
def tracked_run(tracking: Tracking, config: Mapping[str, Any]) -> Iterator[TrackedRun]:
    """Open the parent run of a training; an error ends it as failed."""
    with _mlflow(tracking) as mlflow:
        client = mlflow.MlflowClient()
        found = client.get_experiment_by_name(tracking.experiment)
        if found is not None and found.lifecycle_stage != "active":
            raise InvalidConfigError(
                f"tracking.experiment={tracking.experiment} was deleted in MLflow; restore it or choose another name."
            )
        experiment = (
            found.experiment_id
            if found is not None
            else client.create_experiment(
                tracking.experiment,
                artifact_location=tracking.artifact_root(),
                # Without it the UI takes the runs for those of a language model.
                tags={"mlflow.experimentKind": "custom_model_development"},
            )
        )
        name = config.get("data", {}).get("name", "training")
        with mlflow.start_run(experiment_id=experiment, run_name=name) as run:
            yield TrackedRun(mlflow, tracking, config, run.info.run_id)


def promote(tracking: Tracking, alias_or_version: str = CHALLENGER) -> tuple[str, str | None]:
    """Make a version the champion; the former champion stays reachable as ``previous``.

    Returns
    -------
    tuple
        The champion's version and the former champion's, None if there was none.
    """
    name = tracking.registered_model
    with _mlflow(tracking) as mlflow:
        client = mlflow.MlflowClient()
        try:
            if alias_or_version.isdigit():
                version = client.get_model_version(name, alias_or_version)
            else:
                version = client.get_model_version_by_alias(name, alias_or_version)
        except mlflow.exceptions.MlflowException:
            raise TrackingError(
                f"registered model {name} has no version {alias_or_version!r} in {tracking.resolved_uri()}; "
                "train one first, or name another with version=…"
            ) from None
        former = client.get_registered_model(name).aliases.get(CHAMPION)
        if former is not None and str(former) != str(version.version):
            client.set_registered_model_alias(name, PREVIOUS, former)
        client.set_registered_model_alias(name, CHAMPION, version.version)
        return str(version.version), None if former is None else str(former)


def load_model(tracking: Tracking, address: str) -> tuple[SegmentationModel, str]:
    """Open a model: ``models:/name@alias``, ``models:/name/version``, ``runs:/…`` or a package's folder.

    Returns
    -------
    tuple
        The model and what it is, for the manifest.
    """
    if not re.match(r"^(models|runs):/", address):
        folder = Path(address)
        if not folder.is_dir():
            raise TrackingError(
                f"model={address}: no such folder; name one that holds a packaged model, or models:/name@alias."
            )
        return SegmentationModel.load(folder), str(folder)
    with _mlflow(tracking) as mlflow, tempfile.TemporaryDirectory() as scratch:
        try:
            local = Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=scratch))
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise TrackingError(
                f"model={address} cannot be fetched from {tracking.resolved_uri()}: {str(error).splitlines()[0]}"
            ) from None
        found = address
        if "@" in address:
            name, _, alias = address.removeprefix("models:/").partition("@")
            version = mlflow.MlflowClient().get_model_version_by_alias(name, alias).version
            found = f"models:/{name}/{version} (as @{alias})"
        # MLflow keeps an artifact under the name its folder had.
        folders = [file.parent for file in local.glob("artifacts/*/model.json")]
        if not folders:
            raise TrackingError(f"model={address} is no patronage model; name a version that `patronage train` made.")
        return SegmentationModel.load(folders[0]), found


def ui_command(tracking: Tracking, host: str, port: int) -> list[str]:
    """Command line of the MLflow server on the right store."""
    uri = tracking.resolved_uri()
    if uri.startswith(("http://", "https://")):
        raise TrackingError(f"the MLflow store is a server already; open {uri} in a browser.")
    with _mlflow(tracking):
        pass  # makes a fresh store, or says why not
    root = tracking.artifact_root()
    destination = ["--default-artifact-root", root] if root is not None else []
    return [
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        *destination,
        "--host",
        host,
        "--port",
        str(port),
    ]


def _signature(mlflow: Any, model: SegmentationModel) -> Any:  # noqa: ANN401
    types = mlflow.types
    inputs = [
        types.ColSpec("string", "customer_id", required=False),
        types.ColSpec("string", "customer_status", required=False),
    ]
    for feature in model.catalogue.basis:
        kind = "string" if feature.is_text else "double"
        inputs.append(types.ColSpec(kind, feature.name, required=feature.required))
    outputs = [types.ColSpec("string", "customer_id", required=False)]
    outputs += [types.ColSpec("string", column) for column in ("segment_id", "segment_name")]
    outputs.append(types.ColSpec("double", "confidence", required=False))
    outputs.append(types.ColSpec("string", "runner_up_id", required=False))
    outputs.append(types.ColSpec("double", "atypicality", required=False))
    outputs.append(types.ColSpec("string", "basis"))
    return mlflow.models.ModelSignature(inputs=types.Schema(inputs), outputs=types.Schema(outputs))


def _example(model: SegmentationModel, features: pd.DataFrame) -> pd.DataFrame:
    """Three made-up customers at the quartiles of every feature: an example must not carry a real one."""
    columns: dict[str, Any] = {"customer_id": ["a", "b", "c"], "customer_status": ["active"] * 3}
    for feature in model.catalogue.basis:
        known = features[feature.name].dropna()
        if feature.is_text:
            columns[feature.name] = [str(known.mode().iloc[0]) if len(known) else ""] * 3
        else:
            columns[feature.name] = known.quantile([0.25, 0.5, 0.75]).to_list() if len(known) else [0.0] * 3
    return pd.DataFrame(columns)


def _parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten a configuration into MLflow parameters; the catalogue of features is an artifact, not parameters."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        key = f"{prefix}{name}"
        if key in ("features", "outcomes", "data"):
            shown = value.get("name") if key == "data" else ", ".join(value)
            flat[key] = str(shown)
        elif isinstance(value, Mapping):
            flat |= _parameters(value, f"{key}.")
        else:
            flat[_key(key)] = str(value)[:6000]
    return flat


def _key(name: str) -> str:
    """MLflow allows letters, digits and a few signs in names."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(value))
