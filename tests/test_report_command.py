"""The report as a training logs it, and as `patronage report` and a notebook get it again."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

import patronage
from patronage import config
from patronage.card import cell
from patronage.cli import main
from patronage.errors import InvalidInputError, PatronageError
from patronage.report import read_report, write_report
from patronage.train import train
from patronage.wording import read_wording
from tests.browser import Page, browser, chromium
from tests.conftest import SMALL, Shop
from tests.mlflow_server import free_port, served

# Deprecations inside MLflow's own store are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@dataclass(frozen=True)
class Reported:
    """A training on the shop that has made a report."""

    shop: Shop
    folder: Path
    client: MlflowClient
    run_id: str
    terminal: str

    @property
    def store(self) -> str:
        """The MLflow store, as an option."""
        return f"tracking.uri=sqlite:///{self.folder}/mlflow.db"

    def patronage(self, *arguments: str) -> int:
        """Run a command on the shop's configuration and this store."""
        return main([*arguments, self.store, "--config-dir", str(self.shop.folder)])


@pytest.fixture(scope="module")
def reported(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Trained as a user does, in a process of its own, with names of one's own."""
    folder = tmp_path_factory.mktemp("reported")
    store = f"tracking.uri=sqlite:///{folder}/mlflow.db"
    options = [one for one in SMALL if one != "report=false"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "patronage.cli", "train", *options, store, f"output={folder}/model"),
            *("names={S01: Big families}", "--config-dir", str(shop.folder)),
        ],
        cwd=folder,
        env={**os.environ, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs(["1"], "tags.`patronage.selected` LIKE '%kmeans%'", max_results=1)
    return Reported(shop, folder, client, run.info.run_id, done.stdout)


def artifacts(reported: Reported, path: str = "") -> set[str]:
    """Names of a run's artifacts."""
    return {one.path for one in reported.client.list_artifacts(reported.run_id, path)}


def test_a_training_logs_its_report(reported: Reported) -> None:
    """The page lies at the top of the artifacts, the figures beside those of the training, the tables in a folder."""
    assert {"report.html", "segments.json", "report", "figures"} <= artifacts(reported)
    assert {"report/contents.json", "report/tables"} <= artifacts(reported, "report")
    figures = {Path(one).stem for one in artifacts(reported, "figures")}
    assert {"choice_of_k", "frontier", "distributions"} < figures
    assert len(figures) >= 8


def test_the_description_of_the_run_tells_what_a_reviewer_asks(reported: Reported) -> None:
    """Question, winner and links come first, then segments with their actions, the next best, and caveats."""
    run = reported.client.get_run(reported.run_id)
    text = run.data.tags["mlflow.note.content"]
    assert text.index("**Which segmentation") < text.index("Open: [report](#/experiments/") < text.index("## Segments")
    assert f"/runs/{reported.run_id}/artifacts/report.html" in text
    assert "## Caveats" in text
    assert "customers who never bought stay unassigned" in text
    assert "| S01 | Big families |" in text


def test_runs_can_be_filtered_by_what_was_trained(reported: Reported) -> None:
    """Data, features, representation and clusterer are tags of the run and of its candidates."""
    for wanted in (
        "tags.`patronage.data` = 'shop'",
        "tags.`patronage.features` = 'rfm, basket, affinity'",
        "tags.`patronage.representation` = 'outcome_aware'",
        "tags.`patronage.clusterer` = 'kmeans'",
    ):
        assert len(reported.client.search_runs(["1"], wanted)) == 4, wanted


def test_the_version_tells_its_gates(reported: Reported) -> None:
    """Figure and limit of every gate stand on the registered version, and on its card."""
    (version,) = reported.client.search_model_versions("name = 'customer-segments'")
    assert re.fullmatch(r"[01][.\d]* \(≥ 0\.75\)", version.tags["gate.final.ari"])
    assert "## Gates passed" in version.description
    assert "| final/min_share |" in version.description


def test_the_terminal_shows_names_and_actions(reported: Reported) -> None:
    """Whoever has trained sees what the segments are called and what to do with each first."""
    assert "Big families" in reported.terminal
    assert "first action" in reported.terminal


@pytest.fixture(scope="module")
def rewritten(reported: Reported) -> Path:
    """The training's report, written again by its run."""
    output = reported.folder / "again"
    assert reported.patronage("report", f"run={reported.run_id}", f"output={output}", "quiet=true") == 0
    return output


def test_a_run_s_report_can_be_written_again(reported: Reported, rewritten: Path, tmp_path: Path) -> None:
    """It is the page that the training has logged, word for word."""
    logged = Path(reported.client.download_artifacts(reported.run_id, "report.html", str(tmp_path)))
    assert (rewritten / "report.html").read_text("utf-8") == logged.read_text("utf-8")
    assert {path.suffix for path in (rewritten / "figures").iterdir()} == {".png"}


def test_a_registered_model_leads_to_the_same_report(reported: Reported, rewritten: Path, tmp_path: Path) -> None:
    """A version knows the run it comes from."""
    output = tmp_path / "report"
    model = "model=models:/customer-segments@challenger"
    assert reported.patronage("report", model, f"output={output}", "quiet=true") == 0
    assert (output / "report.html").read_bytes() == (rewritten / "report.html").read_bytes()


def test_a_notebook_gets_the_tables(reported: Reported, rewritten: Path) -> None:
    """From a folder, a run or a model, as DataFrames; and shows the segments."""
    store = f"sqlite:///{reported.folder}/mlflow.db"
    reports = [
        patronage.load_report(rewritten),
        patronage.load_report(reported.run_id, store),
        patronage.load_report("models:/customer-segments@challenger", store),
    ]
    for report in reports:
        assert {"segments", "differentiators", "actions", "personas", "leaderboard"} <= set(report.tables)
        assert report.tables["segments"]["segment_name"].iloc[0] == "Big families"
        assert "Big families" in report._repr_html_()
    first, *others = (report.tables for report in reports)
    for other in others:
        for name, table in first.items():
            pd.testing.assert_frame_equal(table, other[name])


def test_other_tables_and_another_day_give_a_report_of_their_own(reported: Reported, tmp_path: Path) -> None:
    """A packaged folder and raw tables suffice, without a run."""
    output = tmp_path / "earlier"
    options = ("data=shop", "as_of=2023-09-01", f"output={output}", "quiet=true")
    assert reported.patronage("report", f"model={reported.folder}/model", *options) == 0
    assert read_report(output).profiles.about["as_of"] == "2023-09-01"


def test_another_playbook_and_other_words_change_the_report(reported: Reported, tmp_path: Path) -> None:
    """Rules can be changed one by one, and a language may be one's own folder."""
    words = tmp_path / "da"
    words.mkdir()
    (words / "report.yaml").write_text("untitled: Rapport\ntitle: Rapport om {data}\n", encoding="utf-8")
    output = tmp_path / "report"
    rule = "playbook.rules.everybody={when: 'true', kind: inform, level: high, title: Call them, what: x, reason: y}"
    asked = (f"run={reported.run_id}", rule, f"language={words}", f"output={output}", "quiet=true")
    assert reported.patronage("report", *asked) == 0
    report = read_report(output)
    called = {one.segment_id for one in report.actions if one.title == "Call them"}
    assert called == {one.segment_id for one in report.actions}
    assert '<html lang="da"' in (output / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run=0123456789abcdef0123456789abcdef",), "0123456789abcdef"),
        (("run=x", "data=shop"), "give run=… (the report as it was), or data=… with model=…"),
        (("model=models:/customer-segments/99",), "models:/customer-segments/99"),
        (("model=somewhere",), "name tables to describe its segments by: data=…"),
        (("language=xx",), "language=xx: expected one of en"),
        (("output=.",), "is the working directory"),
        (("as_of=2023-06-01",), "name their tables by data=…"),
        (("playbook.rules.mine={when: 'value_per_customer >', kind: inform}",), "playbook.rules.mine"),
        (("model=runs:/1/model",), "name the run by run=…"),
    ],
)
def test_what_cannot_be_reported_is_told_in_one_line(
    reported: Reported, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    """Exit status 2, and nothing is written."""
    output = () if any(one.startswith("output") for one in arguments) else (f"output={reported.folder}/nothing",)
    assert reported.patronage("report", *arguments, *output) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (reported.folder / "nothing").exists()


def test_a_folder_with_other_things_is_left_alone(reported: Reported, tmp_path: Path) -> None:
    """A mistyped output deletes nothing."""
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    assert reported.patronage("report", f"run={reported.run_id}", f"output={tmp_path}", "quiet=true") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_report_is_told(rewritten: Path, tmp_path: Path) -> None:
    """A part that is missing, or a document that was cut off."""
    with pytest.raises(InvalidInputError, match="holds no patronage report"):
        patronage.load_report(tmp_path)
    document = json.loads((rewritten / "contents.json").read_text("utf-8"))
    del document["actions"]
    (tmp_path / "contents.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PatronageError):
        patronage.load_report(tmp_path)


@pytest.fixture(scope="module")
def window(reported: Reported) -> Iterator[Callable[[str], Page]]:
    """Opens a page of MLflow's own server on the training's store, as `patronage ui` starts it."""
    command = chromium()
    if command is None:
        pytest.skip("no Chromium here to open MLflow with")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    ui = [sys.executable, "-m", "patronage.cli", "ui", reported.store, f"port={port}"]
    with served(ui, reported.folder, f"{address}/health"), browser(command) as page:

        def opened(path: str) -> Page:
            page.open(f"{address}/#/experiments/1/runs/{reported.run_id}{path}")
            return page

        yield opened


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/artifacts/report.html", "How to read this report"),
        ("/artifacts/leaderboard.json", "kmeans n_clusters="),
        ("/artifacts/segments.json", "Big families"),
        ("/artifacts/figures/separation.png", "separation.png"),
        ("/artifacts/diagnosis.html", "Features before clustering"),
        ("/model-metrics", "stability"),
        ("", "Which segmentation tells most"),
    ],
)
def test_mlflow_shows_what_was_logged(window: Callable[[str], Page], path: str, words: str) -> None:
    """Report, tables, figures, charts by section and description are shown, and the browser finds nothing wrong."""
    page = window(path)
    assert words in page.wait_for(words)
    # MLflow's pages ask who is using them, whatever is shown.
    assert not [line for line in page.errors if "users/current" not in line]


def test_the_report_in_mlflow_has_its_drawings(window: Callable[[str], Page]) -> None:
    """The page stands in a frame that may run no script, whole."""
    page = window("/artifacts/report.html")
    assert "How to read this report" in page.wait_for("How to read this report")
    drawings = [page.evaluate("document.querySelectorAll('main svg').length", frame) for frame in page.frames]
    assert max(drawings) >= 5


def test_a_figure_in_mlflow_is_a_picture(window: Callable[[str], Page]) -> None:
    """It has been drawn, and not only named."""
    page = window("/artifacts/figures/separation.png")
    page.wait_for("separation.png")
    wide = "Math.max(0, ...[...document.images].map(one => one.naturalWidth))"
    deadline = time.monotonic() + 20
    while not (page.evaluate(wide) or 0) > 600 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert page.evaluate(wide) > 600


def test_a_file_beside_the_report_is_not_deleted(rewritten: Path, reported: Reported) -> None:
    """Whoever keeps notes beside the page keeps them."""
    (rewritten / "notes.txt").write_text("ask the shop", encoding="utf-8")
    assert reported.patronage("report", f"run={reported.run_id}", f"output={rewritten}", "quiet=true") == 2
    (rewritten / "notes.txt").unlink()
    assert reported.patronage("report", f"run={reported.run_id}", f"output={rewritten}", "quiet=true") == 0


def test_a_report_reads_and_writes_no_file_of_elsewhere(rewritten: Path, tmp_path: Path) -> None:
    """A document that was tampered with may name pictures in other folders: they are not taken."""
    copy = tmp_path / "copy"
    shutil.copytree(rewritten, copy)
    (tmp_path / "secret.png").write_bytes(next((rewritten / "figures").iterdir()).read_bytes())
    document = json.loads((copy / "contents.json").read_text("utf-8"))
    document["pictures"] = ["../../secret", str(tmp_path / "secret"), *document["pictures"]]
    (copy / "contents.json").write_text(json.dumps(document), encoding="utf-8")
    report = read_report(copy)
    assert set(report.pictures) == set(document["pictures"][2:])
    with pytest.raises(InvalidInputError, match="expected letters"):
        write_report(replace(report, pictures={"../../secret": b""}), tmp_path / "out", read_wording())


def test_a_report_that_cannot_be_made_costs_no_model(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A rule may read a figure as what it is not; the model is registered all the same, and a warning says so."""
    options = [one for one in SMALL if one != "report=false"]
    rule = "playbook.rules.mine={when: \"peak_month = 'May'\", kind: remind}"
    store = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
    given = config.compose_config("train", [*options, rule, store, f"output={tmp_path}/model"], str(shop.folder))
    with caplog.at_level(logging.WARNING, logger="patronage"):
        trained = train(config.training(given))
    assert trained.version == "1"
    assert trained.report is None
    assert "its report cannot be made" in caplog.text


def test_names_are_shown_by_markdown_as_they_are() -> None:
    """A segment's name is made of what categories are called: no picture is fetched, no column is shifted."""
    assert cell("![x](//host/p)") == r"\!\[x\]\(//host/p\)"
    assert cell("A|B <b>x</b>") == r"A\|B \<b\>x\</b\>"
