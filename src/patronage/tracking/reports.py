"""Reports in MLflow: logged with their run, and fetched again."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from patronage.description import caveats_of, glance, run_description
from patronage.errors import InvalidInputError
from patronage.model import SegmentationModel
from patronage.report import Report, read_report, write_report
from patronage.selection import Selection
from patronage.tracking.runs import TrackedRun
from patronage.tracking.store import Tracking, TrackingError, pointed_at_existing, said_by_mlflow
from patronage.wording import Wording

FOLDER = "report"


def log_report(
    run: TrackedRun,
    report: Report,
    wording: Wording,
    *,
    model: SegmentationModel,
    selection: Selection,
    confirm: Mapping[str, float],
) -> None:
    """Log the report: the page, its figures, the tables it is made of, and what they say as the run's description."""
    mlflow = run.mlflow
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / FOLDER
        write_report(report, folder, wording)
        mlflow.log_artifact(str(folder / "report.html"))
        (folder / "report.html").unlink()
        for picture in sorted((folder / "figures").iterdir()):
            if picture.stem not in report.pictures:  # those the run has logged already
                mlflow.log_artifact(str(picture), "figures")
            picture.unlink()
        (folder / "figures").rmdir()
        mlflow.log_artifacts(str(folder), FOLDER)
    first = report.first_actions
    address = f"#/experiments/{mlflow.get_run(run.run_id).info.experiment_id}/runs/{run.run_id}/artifacts"
    mlflow.set_tag(
        "mlflow.note.content",
        run_description(
            selection,
            confirm,
            caveats=caveats_of(model, report.profiles.worth),
            glance=glance(model, first),
            links={
                "report": f"{address}/report.html",
                "leaderboard": f"{address}/leaderboard.html",
                "choice of k": f"{address}/figures/choice_of_k.png",
                "diagnosis": f"{address}/diagnosis.html",
            },
        ),
    )


def fetch_report(tracking: Tracking, run_id: str) -> Report:
    """Fetch the report of a training run.

    Raises
    ------
    TrackingError
        There is no such run, or it has no report.
    """
    with pointed_at_existing(tracking) as mlflow, tempfile.TemporaryDirectory() as scratch:
        run_id = run_id.removeprefix("runs:/").strip("/")
        try:
            found = {one.path for one in mlflow.MlflowClient().list_artifacts(run_id)}
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise TrackingError(f"run={run_id} in {tracking.shown_uri()}: {said_by_mlflow(error)}") from None
        if "sweep.csv" in found:
            winner = mlflow.MlflowClient().search_runs(
                [mlflow.get_run(run_id).info.experiment_id],
                f"tags.mlflow.parentRunId = '{run_id}' AND tags.`patronage.sweep_winner` = 'true'",
            )
            raise TrackingError(
                f"run={run_id} is a sweep; "
                + (
                    f"its winner's report is run={winner[0].info.run_id}"
                    if winner
                    else "it has no winner, and no report"
                )
            )
        if FOLDER not in found:
            raise TrackingError(
                f"run={run_id} has no report: it has no winner (or is a sweep's job that lost), was made with "
                "report=false, or by an older version. "
                "Give its model and the tables: patronage report model=… data=…"
            )
        parts = [FOLDER, *(["figures"] if "figures" in found else [])]
        for part in parts:
            mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=part, dst_path=scratch)
        try:
            return read_report(Path(scratch) / FOLDER, Path(scratch) / "figures")
        except InvalidInputError as error:
            raise TrackingError(f"run={run_id}: {error}") from None


def run_of(tracking: Tracking, address: str) -> str:
    """The run that a registered model was trained in: of ``models:/name/version`` or ``models:/name@alias``.

    Raises
    ------
    TrackingError
        There is no such version.
    """
    with pointed_at_existing(tracking) as mlflow:
        client = mlflow.MlflowClient()
        matched = re.fullmatch(r"models:/([^@/]+)(?:@(.+)|/(\d+))(?: \(as .*\))?", address)
        if matched is None:
            raise TrackingError(f"model={address}: expected models:/NAME/VERSION or models:/NAME@ALIAS.")
        name, alias, number = matched.groups()
        try:
            version = (
                client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
            )
        except mlflow.exceptions.MlflowException as error:
            hint = "; make one the champion by patronage promote, or name a run by run=…" if alias == "champion" else ""
            raise TrackingError(f"model={address} in {tracking.shown_uri()}: {said_by_mlflow(error)}{hint}") from None
        if not version.run_id:
            raise TrackingError(f"model={address} was registered without a run; describe its segments by data=….")
        return str(version.run_id)
