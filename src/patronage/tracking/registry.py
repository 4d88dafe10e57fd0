"""The model registry: versions with card and tags, aliases, and opening a registered model."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

import patronage
from patronage.card import model_card, short
from patronage.model import SegmentationModel
from patronage.tracking.runs import TrackedRun
from patronage.tracking.store import Tracking, TrackingError, pointed_at_existing, said_by_mlflow

CHALLENGER = "challenger"
ARTIFACT = "segmentation"
REQUIREMENTS = (
    "duckdb",
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


def register(run: TrackedRun, model: SegmentationModel, features: pd.DataFrame, *, ids_from: int = 0) -> str:
    """Log the packaged model, register it, and call it the challenger; returns the version.

    ``ids_from`` is the number after which its new segments were numbered.
    """
    mlflow, client, name = run.mlflow, run.client, run.tracking.registered_model
    package = Path(patronage.__file__).parent
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(io.StringIO()):
        # MLflow keeps an artifact under its folder's name; what it prints the caller tells better.
        model.save(Path(scratch) / ARTIFACT)
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(package / "pyfunc.py"),
            artifacts={ARTIFACT: str(Path(scratch) / ARTIFACT)},
            code_paths=[str(package)],
            pip_requirements=[f"{needed}=={importlib.metadata.version(needed)}" for needed in REQUIREMENTS],
            signature=_signature(mlflow, model),
            input_example=_example(model, features),
            registered_model_name=name,
        )
    version = str(info.registered_model_version)
    card = model_card(model)
    client.update_registered_model(name, f"*The newest version, {version}:*\n\n{card}")
    client.update_model_version(name, version, card)
    tags = {
        "kept": model.about["confirm"].get("kept"),
        "ari": model.about["metrics"].get("final/ari"),
        "n_segments": len(model.segments),
        "min_share": model.about["metrics"].get("final/min_share"),
        "gates": "passed",
        "candidate": model.about["candidate"],
        "data": run.config.get("data", {}).get("name", ""),
        "last_number": str(model.last_number),
        "ids_from": str(ids_from),
    }
    tags |= {
        f"gate.{one['gate'].replace('/', '.')}": f"{short(one['figure'])} ({one['limit']})"
        for one in model.about.get("gates", [])
    }
    if compared := model.about.get("champion"):
        tags["champion.version"] = compared["version"]
        tags |= {f"champion.{figure}": f"{value:.6g}" for figure, value in compared["figures"].items()}
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value if isinstance(value, str) else short(value))
    client.set_registered_model_alias(name, CHALLENGER, version)
    return version


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
    with pointed_at_existing(tracking) as mlflow, tempfile.TemporaryDirectory() as scratch:
        try:
            local = Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=scratch))
        except (mlflow.exceptions.MlflowException, OSError) as error:
            hint = "; make one the champion by patronage promote, or name a version" if "@champion" in address else ""
            raise TrackingError(
                f"model={address} cannot be fetched from {tracking.shown_uri()}: {said_by_mlflow(error)}{hint}"
            ) from None
        found = address
        if "@" in address:
            name, _, alias = address.removeprefix("models:/").partition("@")
            version = mlflow.MlflowClient().get_model_version_by_alias(name, alias).version
            found = f"models:/{name}/{version} (as @{alias})"
        folder = local / "artifacts" / ARTIFACT
        if not folder.is_dir():
            raise TrackingError(f"model={address} is no patronage model; name a version that `patronage train` made.")
        return SegmentationModel.load(folder), found


def _signature(mlflow: Any, model: SegmentationModel) -> Any:  # noqa: ANN401
    types = mlflow.types
    inputs = [
        # Ids may be text or whole numbers.
        types.ColSpec(types.schema.AnyType(), "customer_id", required=False),
        types.ColSpec("string", "customer_status", required=False),
    ]
    for feature in model.inputs:
        kind = "string" if feature.is_text else "double"
        # Without a profile prospects stay unassigned.
        inputs.append(types.ColSpec(kind, feature.name, required=feature.role == "basis"))
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
    for feature in model.inputs:
        known = features[feature.name].dropna()
        if feature.is_text:
            columns[feature.name] = [str(known.mode().iloc[0]) if len(known) else ""] * 3
        else:
            columns[feature.name] = known.quantile([0.25, 0.5, 0.75]).to_list() if len(known) else [0.0] * 3
    return pd.DataFrame(columns)
