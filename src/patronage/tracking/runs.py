"""Runs: a parent per training with a child per candidate, and what reviewers open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from patronage import __version__, figures
from patronage.card import run_description
from patronage.catalogue import Catalogue, Feature
from patronage.diagnosis import Diagnosis
from patronage.diagnosis_page import diagnosis_frame, diagnosis_html
from patronage.errors import InvalidConfigError
from patronage.evaluation.judgement import Row
from patronage.leaderboard import leaderboard_frame, leaderboard_html
from patronage.segments import Segment
from patronage.selection import Policy, Selection
from patronage.tables import Tables, without_passwords
from patronage.tracking.store import Tracking, pointed_at
from patronage.windows import Windows


class TrackedRun:
    """The parent run of one training."""

    def __init__(self, mlflow: Any, tracking: Tracking, config: Mapping[str, Any], run_id: str) -> None:  # noqa: ANN401
        self.mlflow = mlflow
        self.client = mlflow.MlflowClient()
        self.tracking = tracking
        self.config = config
        self.run_id = run_id

    def log_setup(self, tables: Tables, catalogue: Catalogue, windows: Windows, seed: int) -> None:
        """Log configuration, catalogue and data before the work begins."""
        mlflow = self.mlflow
        mlflow.log_params(_parameters(self.config))
        mlflow.log_dict(dict(self.config), "config.yaml")
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

    def log_diagnosis(self, diagnosis: Diagnosis) -> None:
        """Log what each feature is like: table, page and figure."""
        table = diagnosis_frame(diagnosis)
        self.mlflow.log_text(table.to_csv(index=False), "diagnosis.csv")
        self.mlflow.log_text(diagnosis_html(diagnosis), "diagnosis.html")
        self.mlflow.log_figure(figures.distributions(diagnosis), "figures/distributions.png")
        self.mlflow.log_metrics({f"features/{verdict}": float(n) for verdict, n in diagnosis.counts.items()})

    def log_selection(
        self, selection: Selection, baselines: Sequence[Row], policy: Policy, confirm: Mapping[str, float]
    ) -> None:
        """Log a child run per candidate, the leaderboard, the winner's figures and the choice of k."""
        mlflow, client = self.mlflow, self.client
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
            client.set_terminated(child.info.run_id)
        board = leaderboard_frame(selection, baselines)
        mlflow.log_text(board.to_csv(index=False), "leaderboard.csv")
        mlflow.log_text(leaderboard_html(board), "leaderboard.html")
        mlflow.log_table(board.astype(object).where(board.notna(), None), "leaderboard.json")
        figure = figures.choice_of_k(selection, baselines, policy.gates)
        mlflow.log_figure(figure, "figures/choice_of_k.png")
        mlflow.set_tag("mlflow.note.content", run_description(selection, confirm))
        mlflow.set_tag("patronage.selected", "none" if selection.winner is None else selection.winner.row.name)
        name = mlflow.get_run(self.run_id).info.run_name
        won = "no candidate passed" if selection.winner is None else selection.winner.row.name
        mlflow.set_tag("mlflow.runName", f"{name}: {won}")
        if selection.winner is not None:
            mlflow.log_metrics({k: v for k, v in selection.winner.row.metrics.items() if v == v})  # noqa: PLR0124
            mlflow.log_metrics({f"confirm/{k}": v for k, v in confirm.items() if v == v})  # noqa: PLR0124

    def log_segments(self, segments: Sequence[Segment], outcome: Feature | None) -> None:
        """Log the segment table, and size against value where there is an outcome."""
        mlflow = self.mlflow
        table = pd.DataFrame(
            {
                "segment_id": [segment.id for segment in segments],
                "segment_name": [segment.name for segment in segments],
                "customers": [segment.n_customers for segment in segments],
                "share": [round(segment.share, 4) for segment in segments],
                **(
                    {f"{outcome.name}_per_customer": [segment.value_per_customer for segment in segments]}
                    if outcome is not None
                    else {}
                ),
                "jaccard": [round(segment.jaccard, 4) for segment in segments],
            }
        ).sort_values("segment_id")
        mlflow.log_text(table.to_csv(index=False), "segments.csv")
        mlflow.log_table(table, "segments.json")
        told = (outcome.name, outcome.unit) if outcome is not None else ("", "")
        figure = figures.size_and_value(segments, *told)
        mlflow.log_figure(figure, "figures/size_and_value.png")

    def log_seconds(self, seconds: Mapping[str, float]) -> None:
        """Log how long each stage took."""
        self.mlflow.log_metrics({f"seconds/{_key(name)}": value for name, value in seconds.items()})


@contextmanager
def tracked_run(tracking: Tracking, config: Mapping[str, Any]) -> Iterator[TrackedRun]:
    """Open the parent run of a training; an error ends it as failed."""
    with pointed_at(tracking) as mlflow:
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
            yield TrackedRun(mlflow, tracking, without_passwords(config), run.info.run_id)


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
