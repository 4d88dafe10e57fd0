"""`patronage report`: the report of a training, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from patronage import terminal
from patronage.commands.scoring import tables_of
from patronage.config import day, playbook
from patronage.errors import InvalidConfigError
from patronage.journal import warn
from patronage.profiles import Profiles, describe_customers, profile_segments
from patronage.progress_bars import progress_bars
from patronage.report import Report, make_report, remade, require_former_report, write_report
from patronage.tracking import Tracking, fetch_report, load_model, run_of
from patronage.wording import Wording, read_wording


def run_report(config: dict[str, Any]) -> int:
    """Write the report of a training again, or of a model on other customers."""
    output, given = Path(config["output"]), config["playbook"]
    wording = None if config["language"] is None else read_wording(config["language"])
    planned = playbook(given, None)  # a rule that is wrong is told before anything is fetched
    require_former_report(output)
    if config["run"] is not None and config["data"] is not None:
        raise InvalidConfigError("give run=… (the report as it was), or data=… with model=… (other customers).")
    if config["as_of"] is not None and config["data"] is None:
        raise InvalidConfigError("as_of is the day to describe other customers at; name their tables by data=….")
    with progress_bars(quiet=config["quiet"]):
        if config["data"] is None:
            report = _of_training(config)
            as_it_was = None if wording is not None else _words_of(report)
            wording = wording or as_it_was or read_wording()
            if given or as_it_was is None:
                report = remade(report, playbook(given, report.about.get("playbook")), wording)
        else:
            profiles, about = _of_customers(config)
            wording = wording or read_wording()
            report = make_report(profiles, planned, wording, about=about)
        write_report(report, output, wording)
    if not config["quiet"]:
        terminal.report(report)
    print(f"report: {output}/report.html")
    return 0


def _words_of(report: Report) -> Wording | None:
    """The words that a training has used, as long as they are there."""
    try:
        return read_wording(report.about.get("language") or "en")
    except InvalidConfigError:
        warn(f"the words of the training, language={report.about['language']}, are not here; English takes their place")
        return None


def _of_training(config: dict[str, Any]) -> Report:
    """The report that a training has logged."""
    tracking, run = Tracking(**config["tracking"]), config["run"]
    if run is None:
        address = config["model"]
        if address.startswith("runs:/"):
            raise InvalidConfigError(f"model={address}: name the run by run=…, for its report; or data=… for another.")
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
    with tables_of(config, model) as tables:
        customers = describe_customers(tables, model, as_of)
        return profile_segments(tables, model, customers, found=found), {**model.about, "model": found}
