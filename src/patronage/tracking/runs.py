"""Runs: a parent per training with a child per candidate, and what reviewers open."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patronage import __version__, figures
from patronage.catalogue import Catalogue, Feature
from patronage.challenge import Challenge
from patronage.confidence import Reliability
from patronage.continuity import Continuity
from patronage.description import run_description
from patronage.diagnosis import Diagnosis
from patronage.diagnosis_page import diagnosis_frame, diagnosis_html
from patronage.errors import InvalidConfigError
from patronage.evaluation.across_k import across_k, solutions_of
from patronage.evaluation.row import Row
from patronage.leaderboard import leaderboard_frame, leaderboard_html, ordered
from patronage.segments import Segment
from patronage.selection import Policy, Selection
from patronage.tables import without_passwords
from patronage.tracking.store import Tracking, pointed_at
from patronage.windows import Windows


class TrackedRun:
    """The parent run of one training."""

    def __init__(self, mlflow: Any, tracking: Tracking, config: Mapping[str, Any], run_id: str, name: str) -> None:  # noqa: ANN401
        self.mlflow = mlflow
        self.client = mlflow.MlflowClient()
        self.tracking = tracking
        self.config = config
        self.run_id = run_id
        self.name = name
        self.pictures: dict[str, bytes] = {}

    def _log_picture(self, name: str, figure: Any) -> None:  # noqa: ANN401
        """Log a figure, and keep it for the report."""
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
        self.pictures[name] = drawn.getvalue()
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / f"{name}.png"
            path.write_bytes(self.pictures[name])
            self.mlflow.log_artifact(str(path), "figures")

    def log_data(self, name: str, counts: Mapping[str, int], digest: str) -> None:
        """Log which data are trained on: rows of every table, and a digest of all of them."""
        mlflow = self.mlflow
        profile = pd.DataFrame({"table": list(counts), "rows": list(counts.values())})
        mlflow.log_input(mlflow.data.from_pandas(profile, name=name, digest=digest), context="training")
        mlflow.log_table(profile, "tables.json")
        mlflow.set_tag("patronage.data", name)

    def log_setup(self, catalogue: Catalogue, windows: Windows, seed: int) -> None:
        """Log configuration and catalogue before the work begins."""
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
        mlflow.set_tags({"patronage.version": __version__, "patronage.seed": seed, **self._told_by})

    @property
    def _told_by(self) -> dict[str, str]:
        """What runs of all trainings can be filtered by, on the run and on its candidates'."""
        config = self.config
        tags = {"patronage.data": str(config.get("data", {}).get("name", ""))}
        tags["patronage.features"] = ", ".join(config.get("features", {}))
        tags["patronage.representation"] = str(config.get("representation", {}).get("kind", ""))
        return {name: text[:5000] for name, text in tags.items() if text}

    def log_customers(self, counts: Mapping[str, int]) -> None:
        """Log how many customers there are in each window, and how many of the newest are fitted to."""
        self.mlflow.log_metrics({f"customers/{name}": float(n) for name, n in counts.items()})

    def log_diagnosis(self, diagnosis: Diagnosis) -> None:
        """Log what each feature is like: table, page and figure."""
        table = diagnosis_frame(diagnosis)
        self.mlflow.log_text(table.to_csv(index=False), "diagnosis.csv")
        self.mlflow.log_text(diagnosis_html(diagnosis), "diagnosis.html")
        self._log_picture("distributions", figures.distributions(diagnosis))
        self.mlflow.log_metrics({f"features/{verdict}": float(n) for verdict, n in diagnosis.counts.items()})

    def log_distance_shares(self, shares: Mapping[str, float]) -> None:
        """Log how much each family of features decides in the distance between customers."""
        self.mlflow.log_metrics({f"distance/{_key(family)}": share for family, share in shares.items()})

    def log_selection(
        self,
        selection: Selection,
        baselines: Sequence[Row],
        policy: Policy,
        confirm: Mapping[str, float],
        *,
        labels: Sequence[np.ndarray] = (),
        worth: np.ndarray | None = None,
    ) -> None:
        """Log a child run per candidate, the leaderboard, the winner's figures and the pictures of the choice.

        ``labels`` are those of the judged customers by every candidate, ``worth`` is what each turned out to be worth.
        """
        mlflow, client = self.mlflow, self.client
        experiment = mlflow.get_run(self.run_id).info.experiment_id
        known = self._candidates(experiment)
        for verdict in selection.verdicts:
            chosen = selection.winner is not None and verdict is selection.winner
            tags = {
                **self._told_by,
                "mlflow.parentRunId": self.run_id,
                "patronage.clusterer": verdict.row.clusterer,
                "patronage.representation": verdict.row.representation,
                "patronage.selected": str(chosen).lower(),
                "patronage.passed": str(verdict.passed).lower(),
                "patronage.reason": verdict.reason,
            }
            child = known.get(verdict.row.name)
            if child is None:
                child = client.create_run(experiment, run_name=verdict.row.name, tags=tags)
            else:
                for key, value in tags.items():
                    client.set_tag(child.info.run_id, key, value)
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
        shown = board.round(4)
        mlflow.log_table(shown.astype(object).where(shown.notna(), None), "leaderboard.json")
        self._log_picture("choice_of_k", figures.choice_of_k(selection, baselines, policy.gates))
        self._log_picture("frontier", figures.frontier(selection, baselines, policy.gates))
        self._log_across_k(selection, labels, worth)
        mlflow.set_tag("mlflow.note.content", run_description(selection, confirm))
        mlflow.set_tag("patronage.selected", "none" if selection.winner is None else selection.winner.row.name)
        won = "no candidate passed" if selection.winner is None else selection.winner.row.name
        mlflow.set_tag("mlflow.runName", f"{self.name}: {won}")
        if selection.winner is not None:
            mlflow.set_tag("patronage.clusterer", selection.winner.row.clusterer)
            mlflow.log_metrics({k: v for k, v in selection.winner.row.metrics.items() if v == v})  # noqa: PLR0124
            mlflow.log_metrics({f"confirm/{k}": v for k, v in confirm.items() if v == v})  # noqa: PLR0124

    def _candidates(self, experiment: str) -> dict[str, Any]:
        """Candidates' runs that are there already: those of a sweep's job that is finished later."""
        found = self.client.search_runs([experiment], f"tags.mlflow.parentRunId = '{self.run_id}'")
        return {child.info.run_name: child for child in found}

    def _log_across_k(self, selection: Selection, labels: Sequence[np.ndarray], worth: np.ndarray | None) -> None:
        """Log where the winner's segments come from as k grows; without a winner, those of the best that has a k."""
        leaders = (
            [verdict.row for verdict in ordered(selection)] if selection.winner is None else [selection.winner.row]
        )
        rows = [verdict.row for verdict in selection.verdicts]
        leader, solutions = solutions_of(rows, labels, leaders) if labels else (None, {})
        if leader is None:
            return
        flows = across_k(solutions, worth)
        self.mlflow.log_text(flows.table().to_csv(index=False), "across_k.csv")
        chosen = 0 if selection.winner is None else leader.asked
        self._log_picture("across_k", figures.across_k(flows, " · ".join(filter(None, leader.series)), chosen))

    def log_segments(
        self, segments: Sequence[Segment], outcome: Feature | None, first_actions: Mapping[str, str] | None = None
    ) -> None:
        """Log the segment table, with what to do first where that is known, and size against value."""
        mlflow = self.mlflow
        table = pd.DataFrame(
            {
                "segment_id": [segment.id for segment in segments],
                "segment_name": [segment.name for segment in segments],
                **(
                    {"first_action": [first_actions.get(segment.id, "") for segment in segments]}
                    if first_actions
                    else {}
                ),
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
        self._log_picture("size_and_value", figures.size_and_value(segments, *told))

    def log_champion(self, compared: Challenge | None, continuity: Continuity | None) -> None:
        """Log how the model follows the champion: what became of each segment, and how the two recipes compare."""
        if continuity is not None:
            table = pd.DataFrame([event.to_dict() for event in continuity.events])
            self.mlflow.log_text(table.to_csv(index=False), "continuity.csv")
            self.mlflow.log_table(table, "continuity.json")
        if compared is not None:
            self.mlflow.set_tag("patronage.champion", compared.version)
            self.mlflow.log_metrics({f"champion/{figure}": value for figure, value in compared.figures.items()})

    def log_confidence(self, about: Mapping[str, Any]) -> None:
        """Log whether confidence holds, and what profiles tell of prospects."""
        told, prospects = about["confidence"], about["prospects"]
        metrics = {"confidence/withheld_share": told["withheld_share"]}
        if told["reliability"] is not None:
            judged = Reliability.from_dict(told["reliability"])
            metrics["confidence/calibration_error"] = judged.calibration_error
            picture = figures.reliability(judged, "Confidence that a refit keeps the segment")
            self._log_picture("reliability", picture)
        for name, value in (prospects["evaluation"] or {}).items():
            if isinstance(value, float):
                metrics[f"prospects/{name}"] = value
        self.mlflow.log_metrics(metrics)
        self.mlflow.set_tag("patronage.prospects", prospects["why_not"] or "placed by profile")

    def log_seconds(self, seconds: Mapping[str, float]) -> None:
        """Log how long each stage took."""
        self.mlflow.log_metrics({f"seconds/{_key(name)}": value for name, value in seconds.items()})


@contextmanager
def tracked_run(
    tracking: Tracking,
    config: Mapping[str, Any],
    *,
    name: str = "",
    parent_run_id: str | None = None,
    run_id: str | None = None,
) -> Iterator[TrackedRun]:
    """Open the run of a training; an error ends it as failed.

    Parameters
    ----------
    tracking : Tracking
    config : mapping
        The resolved configuration, for the log.
    name : str
        Default: that of the data.
    parent_run_id : str, optional
        The sweep's run that this one belongs to.
    run_id : str, optional
        A run that ended before, to go on with.
    """
    name = name or config.get("data", {}).get("name", "training")
    with pointed_at(tracking) as mlflow:
        # An active run here is the sweep's, whose best job is being finished.
        nested = mlflow.active_run() is not None
        with mlflow.start_run(
            run_id=run_id,
            experiment_id=None if run_id is not None else experiment_id(mlflow, tracking),
            run_name=None if run_id is not None else name,
            parent_run_id=parent_run_id,
            nested=nested,
        ) as run:
            yield TrackedRun(mlflow, tracking, without_passwords(config), run.info.run_id, name)


def experiment_id(mlflow: Any, tracking: Tracking) -> str:  # noqa: ANN401
    """The experiment that runs are logged to; made where there is none."""
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(tracking.experiment)
    if found is None:
        made: str = client.create_experiment(
            tracking.experiment,
            artifact_location=tracking.artifact_root(),
            # Without it the UI takes the runs for those of a language model.
            tags={"mlflow.experimentKind": "custom_model_development"},
        )
        return made
    if found.lifecycle_stage != "active":
        raise InvalidConfigError(
            f"tracking.experiment={tracking.experiment} was deleted in MLflow; restore it or choose another name."
        )
    return str(found.experiment_id)


def _parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten a configuration into MLflow parameters; the catalogue of features is an artifact, not parameters."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        key = f"{prefix}{name}"
        if key == "playbook":  # rules are long; the configuration is an artifact
            continue
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
