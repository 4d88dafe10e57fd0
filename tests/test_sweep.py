"""A sweep as a whole, on a small shop and a fresh store: every job ends, one wins, and only that one is registered."""

from __future__ import annotations

import logging
import multiprocessing
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree

import joblib
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from patronage import config
from patronage.cli import main
from patronage.evaluation.evidence import select_customers
from patronage.journal import logger
from patronage.model import SegmentationModel
from patronage.refit import FailedRefit
from patronage.sweep import JobEnd, Swept, _finish_best, _killed, sweep
from patronage.sweep.choice import choose
from patronage.sweep.jobs import Apart, hold
from patronage.tracking import Tracking, tracked_sweep
from patronage.windows import plan_windows
from tests.conftest import SMALL, Shop

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")

EXPERIMENTS = {
    "poor": "defaults: [override /features: [rfm]]",
    "rich": "defaults: [override /features: [rfm, basket]]",
    "lost": "data: {transactions: {path: /nowhere/t.csv}}",
    "strict": "selection: {gates: {min_share: 0.6}}",
    "killed": "defaults: [override /features: [rfm, affinity]]",
}
"""One option with these values is a sweep of very different jobs; the last is killed while it works."""
POOR, RICH, LOST, STRICT, KILLED = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Logged:
    """A sweep and where it was logged."""

    swept: Swept
    jobs: tuple[config.Job, ...]
    uri: str
    place: Path
    client: mlflow.MlflowClient

    @property
    def run(self) -> Run:
        """The sweep's run."""
        return self.client.get_run(self.swept.run_id)

    def children(self, run_id: str) -> list[Run]:
        """Runs right below a run."""
        return self.client.search_runs([self.run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")

    def end(self, job: int) -> JobEnd:
        """What became of a job."""
        return self.swept.ends[job - 1]

    def text(self, name: str) -> str:
        """Content of one of the sweep's artifacts."""
        return (Path(self.run.info.artifact_uri.removeprefix("file://")) / name).read_text(encoding="utf-8")


class Killer(logging.Handler):
    """Kills a job's process as soon as it has told that its features are built."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look for the line."""
        if record.getMessage().startswith(f"[{KILLED}] log data"):
            (process,) = [p for p in multiprocessing.active_children() if p.name == f"task {KILLED - 1}"]
            process.kill()


@pytest.fixture(scope="module")
def conf(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's configuration with the experiments."""
    folder = tmp_path_factory.mktemp("conf")
    copytree(shop.folder / "data", folder / "data")
    (folder / "outcomes").mkdir()
    outcome = "# @package outcomes\nspend: {relation: lines, sql: sum(revenue), empty: 0}\n"
    (folder / "outcomes" / "spend.yaml").write_text(outcome, encoding="utf-8")
    (folder / "experiment").mkdir()
    for name, text in EXPERIMENTS.items():
        (folder / "experiment" / f"{name}.yaml").write_text(f"# @package _global_\n{text}\n", encoding="utf-8")
    return folder


def options(place: Path, *further: str) -> list[str]:
    """Options of a small sweep in a folder of its own; the experiments say which features."""
    small = [option for option in SMALL if not option.startswith(("features=", "clusterer.kmeans.grid"))]
    grid = "clusterer.kmeans.grid.n_clusters=[2,3]"
    return [
        *small,
        grid,
        "outcomes=spend",
        "representation=standard",
        "~representation.parameters.n_trees",
        "stability_refits=2",
        *further,
        f"output={place}/model",
    ]


@pytest.fixture(scope="module")
def logged(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Five jobs, two at a time, on a store that did not exist before."""
    place = tmp_path_factory.mktemp("sweep")
    uri = f"sqlite:///{place}/mlflow.db"
    asked = [*options(place, f"experiment={','.join(EXPERIMENTS)}"), f"tracking.uri={uri}"]
    plan = config.sweep_plan(asked, str(conf))
    killer, level = Killer(), logger.level
    logger.addHandler(killer)
    logger.setLevel(logging.INFO)
    try:
        swept = sweep(plan.jobs, n_parallel=2, name=plan.name, asked=" ".join(asked))
    finally:
        logger.removeHandler(killer)
        logger.setLevel(level)
    return Logged(swept, plan.jobs, uri, place, mlflow.MlflowClient(uri, uri))


def test_every_job_ends_whatever_becomes_of_the_others(logged: Logged) -> None:
    """Two find segments, one has bad input, one passes no gate, one is killed: each has its line and its status."""
    assert [end.status for end in logged.swept.ends] == [0, 0, 2, 3, 1]
    assert "no file at /nowhere/t.csv" in logged.end(LOST).message
    assert "smallest segment" in logged.end(STRICT).message
    assert "SIGKILL" in logged.end(KILLED).message


def test_the_worst_status_is_returned(logged: Logged) -> None:
    """A crash is worse than bad input, that than no candidate passing, that than success."""
    assert logged.swept.exit_status == 1


def test_runs_form_a_tree(logged: Logged) -> None:
    """One sweep, a run per job below it, a run per candidate below each job that came so far, none twice."""
    jobs = logged.children(logged.swept.run_id)
    assert sorted(run.info.run_id for run in jobs) == sorted(end.run_id for end in logged.swept.ends)
    candidates = [len(logged.children(end.run_id)) for end in logged.swept.ends]
    assert candidates == [2, 2, 0, 2, 0]
    assert logged.run.info.status == "FINISHED"


def test_lost_jobs_are_failed_runs_with_their_message(logged: Logged) -> None:
    """A job without data has a run too, and one that is killed is not left running."""
    for job in (LOST, KILLED):
        run = logged.client.get_run(logged.end(job).run_id)
        assert run.info.status == "FAILED"
        assert run.data.tags["mlflow.note.content"] == logged.end(job).message
    finished = [logged.client.get_run(logged.end(job).run_id).info.status for job in (POOR, RICH, STRICT)]
    assert finished == ["FINISHED"] * 3


def test_only_the_winner_is_confirmed_and_registered(logged: Logged) -> None:
    """One version, made by the winning job's run; no other job has figures of the confirm customers."""
    (version,) = logged.client.search_model_versions("name='customer-segments'")
    winner = logged.end(logged.swept.choice.winner or 0)
    assert version.run_id == winner.run_id
    assert (
        version.aliases == ["challenger"]
        or logged.client.get_model_version_by_alias("customer-segments", "challenger").version == version.version
    )
    confirmed = [
        end.number
        for end in logged.swept.ends
        if any(name.startswith("confirm/") for name in logged.client.get_run(end.run_id).data.metrics)
    ]
    assert confirmed == [winner.number]
    assert logged.run.data.metrics["confirm/kept"] == logged.swept.trained.confirm["kept"]  # type: ignore[union-attr]


def test_the_winner_is_packaged_and_no_other(logged: Logged) -> None:
    """The output folder holds the winner's model, and nothing lies beside it."""
    model = SegmentationModel.load(logged.place / "model")
    winner = logged.end(logged.swept.choice.winner or 0)
    assert winner.contender is not None
    assert model.about["candidate"] == winner.contender.row.name
    assert {path.name for path in logged.place.iterdir()} <= {"model", "mlartifacts", "mlflow.db", "mlflow.db.lock"}


def test_finishing_a_job_later_gives_what_training_alone_gives(logged: Logged, tmp_path: Path) -> None:
    """The winner's figures and segments are those of an ordinary training with its options."""
    from patronage.train import train  # noqa: PLC0415

    training = logged.jobs[(logged.swept.choice.winner or 0) - 1].training
    assert training is not None
    alone = replace(
        training, output=tmp_path / "model", tracking=replace(training.tracking, uri=f"sqlite:///{tmp_path}/m.db")
    )
    trained, again = logged.swept.trained, train(alone)
    assert trained is not None
    assert trained.model is not None
    assert again.model is not None
    assert again.model.segments == trained.model.segments
    assert again.confirm == trained.confirm
    own, later = (pd.DataFrame([v.row.metrics for v in one.selection.verdicts]) for one in (again, trained))
    pd.testing.assert_frame_equal(own, later, check_exact=True)


def test_one_table_compares_the_jobs(logged: Logged) -> None:
    """As file, page and the run's description: a line per job, the winner marked."""
    table = pd.read_csv(pd.io.common.StringIO(logged.text("sweep.csv")))
    assert list(table["job"]) == [1, 2, 3, 4, 5]
    assert list(table["status"]).count("winner") == 1
    assert list(table["overrides"]) == [f"experiment={name}" for name in EXPERIMENTS]
    assert {"kept", "kept_low", "kept_high", "kept_common", "lift", "ari", "silhouette_common", "min_share"} <= set(
        table
    )
    note = logged.run.data.tags["mlflow.note.content"]
    page = logged.text("sweep.html")
    for name in EXPERIMENTS:
        assert f"experiment={name}" in note
        assert f"experiment={name}" in page
    assert "smallest segment" in note
    assert logged.client.list_artifacts(logged.swept.run_id, "sweep.json") is not None


@dataclass(frozen=True)
class HeldApart:
    """Jobs that stopped where the choice begins, and where each left what finishing it needs."""

    ends: tuple[JobEnd, ...]
    place: Path


@pytest.fixture(scope="module")
def held(logged: Logged, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> HeldApart:
    """Two jobs anew, in another store, where the customers held out for confirmation did something else later."""
    folder = tmp_path_factory.mktemp("held")
    as_of = plan_windows(shop.first_day, shop.last_day, lookback_days=120, outcome_days=60).judge.as_of
    lines = pd.read_csv(shop.folder / "transactions.csv", dtype={"customer_id": str})
    ids = np.array(sorted(shop.kinds.index))
    changed = pd.to_datetime(lines["ordered_at"]) >= pd.Timestamp(as_of)
    changed &= lines["customer_id"].isin(ids[~select_customers(list(ids))])
    lines.loc[changed, "revenue"] = np.random.default_rng(0).permutation(lines.loc[changed, "revenue"].to_numpy()) * 7
    lines.to_csv(folder / "t.csv", index=False)
    tracking = Tracking(f"sqlite:///{folder}/m.db", "patronage", "m")
    with tracked_sweep(tracking, "sweep") as run:
        parent = run.run_id
    ends = []
    for number in (POOR, RICH):
        job = logged.jobs[number - 1]
        assert job.training is not None
        tables = dict(job.training.data.tables)
        tables["transactions"] = replace(tables["transactions"], path=str(folder / "t.csv"))
        data = replace(job.training.data, tables=tables)
        own = replace(job, training=replace(job.training, data=data, tracking=tracking, output=folder / "model"))
        contender = hold(Apart(own, parent, folder / f"{number}.joblib"), lambda _: None)
        ends.append(JobEnd(number, own.overrides, 0, "", 1.0, "", contender))
    return HeldApart(tuple(ends), folder)


def test_what_confirm_customers_did_later_chooses_no_job(logged: Logged, held: HeldApart) -> None:
    """Other outcomes of the customers held out for confirmation change nothing that jobs are compared by."""
    for end in held.ends:
        before, after = logged.end(end.number).contender, end.contender
        assert before is not None
        assert after is not None
        metrics, others = (pd.Series(one.row.metrics) for one in (before, after))
        # The winner was put to the proof since, on all customers: that comes after the choice.
        metrics = metrics.drop([name for name in metrics.index if name.startswith("final/")])
        pd.testing.assert_series_equal(metrics, others, check_exact=True)
        assert (before.foreseen, before.counted, before.judged_by) == (after.foreseen, after.counted, after.judged_by)


def test_a_candidate_that_fails_its_last_refit_gives_way_to_the_next_best_of_any_job(held: HeldApart) -> None:
    """The best job's best fails on all customers; the other job's is better than what is left of it, and wins."""
    best = choose([end.contender for end in held.ends if end.contender is not None]).winner
    place = held.place / f"{best}.joblib"
    waiting = joblib.load(place)
    names = [row.name for row in waiting.tested.rows]
    position = names.index("kmeans n_clusters=3 · standard")
    waiting.tested.finals[position] = FailedRefit("planned")
    joblib.dump(waiting, place)

    after, choice, trained = _finish_best(held.ends, held.place)
    assert {best, choice.winner} == {POOR, RICH}
    assert trained is not None
    assert trained.version == "1"
    assert trained.confirm["after_fallbacks"] == 1.0
    (beaten,) = [end for end in after if end.number == best]
    assert (beaten.status, beaten.contender) == (3, None)  # with two segments it does not pass
    assert "fails its refit on all customers" in beaten.message


def test_a_sweep_in_which_no_job_finds_its_data_ends_with_their_status(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both jobs are told; exit status 2, nothing registered, nothing packaged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    given = ["features=[rfm]", "data.transactions.path=/nowhere.csv", "seed=0,1", "sweep_jobs=2", "quiet=true"]
    assert main(["train", "-m", "--config-dir", str(conf), *options(tmp_path, *given)]) == 2
    told = capsys.readouterr()
    assert told.out.count("no file at /nowhere.csv") == 2
    assert "no winner, nothing is registered" in told.err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "-m", "seeed=0,1"], "did you mean seed?"),
        (["train", "-m", "output=a,b"], "output is one for the whole sweep"),
        (["train", "-m", "seed=interval(0,1)"], "does not support sweep type"),
        (["train", "seed=0,1"], "to train with each in turn, add -m"),
        (["train", "features=[rfm],[basket]"], "to train with each in turn, add -m"),
        (["score", "-m", "as_of=2020-01-01"], "score has no -m"),
        (["train", "-m", "sweep_jobs=0"], "sweep_jobs must be from 1"),
    ],
)
def test_a_wrong_sweep_is_told_before_any_work(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2, one line, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert says in told
    assert len(told.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("exit_code", "says"),
    [
        (-9, "its process was ended by SIGKILL; often memory has run out"),
        (-15, "its process was ended by SIGTERM"),
        (-35, "its process was ended by signal 35"),
        (7, "its process ended with status 7 without a word"),
    ],
)
def test_a_job_that_ends_without_a_word_is_told(exit_code: int, says: str) -> None:
    """By the name of the signal, or its number where it has no name; memory is thought of where the system kills."""
    assert _killed(exit_code) == says


def test_show_config_lists_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    """What will be trained can be read before anything runs; a job that cannot be says why."""
    assert main(["train", "-m", "features=[rfm],[rfmm]", "seed=0,1", "--show-config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1: features=[rfm] seed=0"
    assert len(lines) == 4
    assert "there is no features 'rfmm'" in lines[2]
