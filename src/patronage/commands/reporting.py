"""`patronage report`: the report of a training, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from patronage import terminal
from patronage.config import data_source, day
from patronage.errors import InvalidConfigError
from patronage.playbook import read_playbook
from patronage.profiles import Profiles, describe_customers, profile_segments
from patronage.progress_bars import progress_bars
from patronage.report import Report, make_report, remade, require_former_report, write_report
from patronage.tables import open_tables
from patronage.tracking import Tracking, fetch_report, load_model, run_of
from patronage.validation import check_tables
from patronage.wording import read_wording


def run_report(config: dict[str, Any]) -> int:
    """Write the report of a training again, or of a model on other customers."""
    output, wording = Path(config["output"]), read_wording(config["language"])
    playbook = read_playbook(config["playbook"])
    require_former_report(output)  # before anything is fetched
    if config["run"] is not None and config["data"] is not None:
        raise InvalidConfigError("give run=… (the report as it was), or data=… with model=… (other customers).")
    with progress_bars(quiet=config["quiet"]):
        if config["data"] is None:
            report = remade(_of_training(config), playbook, wording)
        else:
            profiles, about = _of_customers(config)
            report = make_report(profiles, playbook, wording, about=about)
    write_report(report, output, wording)
    if not config["quiet"]:
        terminal.report(report)
    print(f"report: {output}/report.html")
    return 0


def _of_training(config: dict[str, Any]) -> Report:
    """The report that a training has logged."""
    tracking, run = Tracking(**config["tracking"]), config["run"]
    if run is None:
        address = config["model"]
        if not address.startswith("models:/"):
            raise InvalidConfigError(
                f"model={address} is a folder, which holds no report; name tables to describe its segments by: data=…"
            )
        run = run_of(tracking, address)
    return fetch_report(tracking, run)


def _of_customers(config: dict[str, Any]) -> tuple[Profiles, dict[str, Any]]:
    """Profiles of a model's segments by raw tables, and what is known of the model."""
    as_of = day("as_of", config["as_of"])
    model, found = load_model(Tracking(**config["tracking"]), config["model"])
    with open_tables(data_source(config["data"])) as tables:
        check_tables(tables)
        customers = describe_customers(tables, model, as_of)
        return profile_segments(tables, model, customers, found=found), {**model.about, "model": found}
