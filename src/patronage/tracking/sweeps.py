"""Sweeps: a run above the runs of its jobs, with one table that compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from patronage import __version__
from patronage.tracking.runs import experiment_id
from patronage.tracking.store import Tracking, pointed_at


class TrackedSweep:
    """The run of one sweep."""

    def __init__(self, mlflow: Any, run_id: str, name: str) -> None:  # noqa: ANN401
        self.mlflow = mlflow
        self.client = mlflow.MlflowClient()
        self.run_id = run_id
        self.name = name

    def log_jobs(self, command: str, overrides: Sequence[str]) -> None:
        """Log what was asked for: the sweep's overrides, and those of every job."""
        self.mlflow.log_params({"sweep": command[:6000], "jobs": len(overrides)})
        self.mlflow.log_dict(dict(enumerate(overrides, 1)), "jobs.yaml")
        self.mlflow.set_tag("patronage.version", __version__)

    def log_lost_job(self, name: str, run_id: str, reason: str) -> str:
        """End the run of a job that did not end it itself, or give one to a job that had none; returns its id."""
        if not run_id:
            experiment = self.mlflow.get_run(self.run_id).info.experiment_id
            tags = {"mlflow.parentRunId": self.run_id}
            run_id = self.client.create_run(experiment, run_name=name, tags=tags).info.run_id
        self.client.set_tag(run_id, "mlflow.runName", f"{name}: failed")
        self.client.set_tag(run_id, "mlflow.note.content", reason)
        self.client.set_terminated(run_id, "FAILED")
        return run_id

    def log_comparison(self, table: pd.DataFrame, page: str, description: str) -> None:
        """Log the table that compares the jobs, as file, page and the run's description."""
        mlflow = self.mlflow
        mlflow.log_text(table.to_csv(index=False), "sweep.csv")
        mlflow.log_text(page, "sweep.html")
        mlflow.log_text(table.to_json(orient="table", index=False), "sweep.json")
        mlflow.set_tag("mlflow.note.content", description)

    def log_winner(
        self, winner: str, run_id: str, metrics: Mapping[str, float], confirm: Mapping[str, float], seconds: float
    ) -> None:
        """Mark the job that won, and carry its figures on the sweep's run; ``winner`` is empty where there is none."""
        mlflow = self.mlflow
        mlflow.set_tag("mlflow.runName", f"{self.name}: {winner or 'no winner'}")
        mlflow.set_tag("patronage.selected", winner or "none")
        if run_id:
            self.client.set_tag(run_id, "patronage.sweep_winner", "true")
        figures = {**metrics, **{f"confirm/{name}": value for name, value in confirm.items()}, "seconds/sweep": seconds}
        mlflow.log_metrics({name: float(value) for name, value in figures.items() if value == value})  # noqa: PLR0124


@contextmanager
def tracked_sweep(tracking: Tracking, name: str) -> Iterator[TrackedSweep]:
    """Open the run of a sweep; an error ends it as failed."""
    with pointed_at(tracking) as mlflow:
        experiment = experiment_id(mlflow, tracking)
        with mlflow.start_run(experiment_id=experiment, run_name=name) as run:
            yield TrackedSweep(mlflow, run.info.run_id, name)
