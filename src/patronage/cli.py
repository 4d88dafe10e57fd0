"""The command line. Heavy imports wait until a command needs them, so that help is instant."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from patronage import __version__
from patronage.errors import InvalidConfigError, PatronageError
from patronage.usage import COMMON, HELP, USAGE

if TYPE_CHECKING:
    from patronage.config import SweepPlan
    from patronage.diagnosis import Diagnosis
    from patronage.model import SegmentationModel
    from patronage.scoring import Input


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if given[0] == "--version":
        print(f"patronage {__version__}")
        return 0
    command = given[0]
    try:
        return _run(command, given[1:])
    except PatronageError as error:
        return _told(f"patronage {command}: {error}", error.exit_status)
    except OSError as error:
        return _told(f"patronage {command}: {error.filename or 'a file'}: {error.strerror or error}", 2)
    except KeyboardInterrupt:
        return _told("patronage: stopped", 130)


def _told(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _run(command: str, rest: list[str]) -> int:
    if command not in HELP:
        raise InvalidConfigError(f"there is no command {command!r}; commands: {', '.join(HELP)}.")
    if {"-h", "--help"} & set(rest):
        print(HELP[command] + ("" if command == "init" else COMMON), end="")
        return 0
    if command == "init":  # it makes a configuration, and so needs none
        return _init(rest)
    config_dir, show, multirun, overrides = _flags(rest)
    if multirun and command != "train":
        raise InvalidConfigError(f"only training can try combinations of options; {command} has no -m.")
    from patronage import config as configuration  # noqa: PLC0415 - Hydra takes half a second

    if multirun:
        return _sweep(configuration.sweep_plan(overrides, config_dir), " ".join(overrides), show=show)

    config = configuration.compose_config(command, overrides, config_dir)
    if show:
        from omegaconf import OmegaConf  # noqa: PLC0415

        from patronage.tables import without_passwords  # noqa: PLC0415

        print(OmegaConf.to_yaml(without_passwords(config)), end="")
        return 0
    _log_to_terminal(quiet=config["quiet"])
    commands: dict[str, Callable[[dict[str, Any]], int]] = {
        "train": _train,
        "promote": _promote,
        "rollback": _rollback,
        "score": _score,
        "export": _export,
        "features": _features,
        "ui": _ui,
    }
    return commands[command](config)


def _flags(rest: list[str]) -> tuple[str | None, bool, bool, list[str]]:
    config_dir, show, multirun, overrides = None, False, False, []
    waiting = iter(rest)
    for argument in waiting:
        if argument == "--show-config":
            show = True
        elif argument in ("-m", "--multirun"):
            multirun = True
        elif argument == "--force":
            overrides.append("force=true")
        elif argument == "--config-dir":
            config_dir = next(waiting, None)
            if config_dir is None:
                raise InvalidConfigError("--config-dir needs a folder.")
        elif argument.startswith("--config-dir="):
            config_dir = argument.partition("=")[2]
        elif argument.startswith("-"):
            raise InvalidConfigError(f"there is no flag {argument}; see --help.")
        else:
            overrides.append(argument)
    return config_dir, show, multirun, overrides


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that time: while bars are drawn, lines go above them."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: object) -> None:
        """It is never another one."""


def _log_to_terminal(*, quiet: bool) -> None:
    handler = _ToStderr()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("patronage")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.WARNING if quiet else logging.INFO)


def _init(arguments: list[str]) -> int:
    from patronage import terminal  # noqa: PLC0415
    from patronage.config import config_folder  # noqa: PLC0415
    from patronage.proposal import propose  # noqa: PLC0415

    options = {"name": "mine", "folder": "conf", "force": "false", "quiet": "false"}
    paths, wishes = [], []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument.startswith("-"):
            raise InvalidConfigError(f"there is no flag {argument}; see --help.")
        # os.path tells that a text longer than any path is none, where pathlib stops.
        if not equals or "://" in key or os.path.exists(argument):  # noqa: PTH110
            paths.append(argument)
        elif key in options:
            options[key] = value
        else:
            wishes.append(argument)
    for option in ("force", "quiet"):
        if options[option] not in ("true", "false"):
            raise InvalidConfigError(f"{option} must be true or false; got {options[option]!r}.")
    quiet, force = options["quiet"] == "true", options["force"] == "true"
    _log_to_terminal(quiet=quiet)
    groups = [config_folder() / group for group in ("data", "features", "outcomes", "experiment")]
    taken = {path.stem for group in groups for path in group.glob("*.yaml")}
    shipped = "".join(path.read_text(encoding="utf-8") for path in (config_folder() / "features").glob("*.yaml"))
    proposed = propose(
        paths,
        name=options["name"],
        folder=Path(options["folder"]),
        wishes=wishes,
        taken=taken,
        taken_features=re.findall(r"^(\w+):", shipped, re.MULTILINE),
    )
    proposed.draft.write(force=force)
    if quiet:
        print("\n".join(str(path) for path in proposed.draft.files))
    else:
        terminal.proposal(proposed)
    return 0


def _train(config: dict[str, Any]) -> int:
    from patronage import terminal  # noqa: PLC0415
    from patronage.config import training  # noqa: PLC0415
    from patronage.errors import NoCandidatePassedError  # noqa: PLC0415
    from patronage.progress_bars import progress_bars  # noqa: PLC0415
    from patronage.train import train  # noqa: PLC0415

    with progress_bars(quiet=config["quiet"]):
        trained = train(training(config))
    terminal.leaderboard(trained.selection, trained.baselines)
    if trained.selection.winner is None or trained.model is None:
        misses = [f"  {verdict.row.name}: {verdict.reason}" for verdict in trained.selection.near_misses()]
        advice = (
            "Look at which gate fails. What often helps: fewer or steadier features ('features=[rfm,basket]'), a "
            "longer look back (lookback_days=365), another representation (representation=standard), more customers."
        )
        lines = ["no candidate passed; nothing is registered.", *misses, advice]
        raise NoCandidatePassedError("\n".join(lines))
    terminal.segments(trained.model.segments, trained.confirm)
    terminal.succession(trained.model.about)
    print(f"registered version {trained.version}, alias challenger; next: patronage promote")
    return 0


def _sweep(plan: SweepPlan, asked: str, *, show: bool) -> int:
    from patronage import terminal  # noqa: PLC0415
    from patronage.progress_bars import progress_bars  # noqa: PLC0415
    from patronage.sweep import sweep  # noqa: PLC0415

    if show:
        print(
            "\n".join(
                f"{job.number}: {' '.join(job.overrides)}{job.fault and f'  →  {job.fault}'}" for job in plan.jobs
            )
        )
        return 0
    _log_to_terminal(quiet=plan.quiet)
    with progress_bars(quiet=plan.quiet):
        swept = sweep(plan.jobs, n_parallel=plan.n_parallel, name=plan.name, asked=asked)
    terminal.sweep(swept)
    if swept.trained is None or swept.trained.model is None:
        _told(f"patronage train: no winner, nothing is registered: {swept.choice.reason}.", 3)
    else:
        terminal.segments(swept.trained.model.segments, swept.trained.confirm)
        terminal.succession(swept.trained.model.about)
        print(f"registered version {swept.trained.version}, alias challenger; next: patronage promote")
    return swept.exit_status


def _promote(config: dict[str, Any]) -> int:
    from patronage import terminal  # noqa: PLC0415
    from patronage.challenge import ChallengeGates  # noqa: PLC0415
    from patronage.tracking import Tracking, promote  # noqa: PLC0415

    tracking, gates = Tracking(**config["tracking"]), ChallengeGates(**config["gates"])
    terminal.promotion(
        tracking.registered_model, promote(tracking, config["version"], gates=gates, force=config["force"])
    )
    return 0


def _rollback(config: dict[str, Any]) -> int:
    from patronage import terminal  # noqa: PLC0415
    from patronage.tracking import Tracking, rollback  # noqa: PLC0415

    tracking = Tracking(**config["tracking"])
    terminal.promotion(tracking.registered_model, rollback(tracking))
    return 0


def _score(config: dict[str, Any]) -> int:
    from patronage.config import day, positive, probability  # noqa: PLC0415
    from patronage.progress_bars import progress_bars  # noqa: PLC0415
    from patronage.scoring import DatabaseOutput, FileOutput, score  # noqa: PLC0415
    from patronage.tables.database import is_url  # noqa: PLC0415
    from patronage.tracking import Tracking, load_model  # noqa: PLC0415

    if (config["input"] is None) == (config["data"] is None):
        raise InvalidConfigError("give either data=… (raw tables) or input=… (a feature table).")
    output, chunk_rows = config["output"], positive("chunk_rows", config["chunk_rows"])
    as_of = day("as_of", config["as_of"])
    target = DatabaseOutput(output, config["output_table"]) if is_url(output) else FileOutput(Path(output))
    target.check()  # before a model is fetched
    if config["input"] is not None:
        _require_other(config)
    least = config["min_confidence"]
    if least is not None:
        probability("min_confidence", least)
    model, found = load_model(Tracking(**config["tracking"]), config["model"])
    if least is not None:
        model = replace(model, min_confidence=least)
    with progress_bars(quiet=config["quiet"]), _customers(config, model, as_of) as given:
        scored = score(model, given, target, found=found, chunk_rows=chunk_rows, resume=config["resume"])
    print(f"{scored.n_customers:,} customers scored with {found}: {scored.output}")
    for segment, (name, n) in scored.counts.items():
        print(f"  {segment:<11} {n:>8,}  {n / scored.n_customers:6.1%}  {name}")
    for reason, n in scored.rejected.items():
        print(f"  set aside   {n:>8,}          {reason}")
    if scored.rejected_file is not None:
        print(f"rows set aside: {scored.rejected_file}")
    return 0


def _require_other(config: dict[str, Any]) -> None:
    """Check that the output does not replace the input."""
    given, output = config["input"], config["output"]
    # os.path tells that a text longer than any path is none, where pathlib stops.
    same = given == output or (os.path.exists(given) and os.path.exists(output) and os.path.samefile(given, output))  # noqa: PTH110, PTH121
    tables = config["input_table"], config["output_table"]
    if same and (tables[0] is None or tables[0] == tables[1]):
        raise InvalidConfigError("output would replace the input; name another output.")


@contextmanager
def _customers(config: dict[str, Any], model: SegmentationModel, as_of: date | None) -> Iterator[Input]:
    """What is to be scored: raw tables, which stay open meanwhile, or a feature table in a file or a database."""
    from patronage.config import data_source  # noqa: PLC0415
    from patronage.journal import warn  # noqa: PLC0415
    from patronage.scoring import from_database, from_file, from_tables  # noqa: PLC0415
    from patronage.tables import open_tables  # noqa: PLC0415
    from patronage.tables.database import is_url  # noqa: PLC0415
    from patronage.validation import check_tables  # noqa: PLC0415

    given = config["input"]
    if given is not None and is_url(given):
        yield from_database(given, config["input_table"], as_of)
        return
    if given is not None:
        yield from_file(Path(given), model, as_of)
        return
    with open_tables(data_source(config["data"])) as tables:
        check_tables(tables)
        if model.about.get("data") not in (None, tables.source.name):
            warn(f"the model was trained on data={model.about['data']}, these tables are data={tables.source.name}")
        yield from_tables(tables, model, as_of)


def _export(config: dict[str, Any]) -> int:
    from patronage.audiences import AudienceOptions, export, require_former_export  # noqa: PLC0415
    from patronage.config import day, positive  # noqa: PLC0415
    from patronage.progress_bars import progress_bars  # noqa: PLC0415
    from patronage.tracking import Tracking, load_model  # noqa: PLC0415

    if config["input"] is not None and config["data"] is not None:
        raise InvalidConfigError("give data=… (raw tables) or input=… (a feature table), not both.")
    output, chunk_rows = Path(config["output"]), positive("chunk_rows", config["chunk_rows"])
    as_of = day("as_of", config["as_of"])
    options = AudienceOptions(config["audience_format"], config["audience_min_confidence"])
    require_former_export(output)  # before a model is fetched
    model, found = load_model(Tracking(**config["tracking"]), config["model"])
    alone = config["input"] is None and config["data"] is None
    with progress_bars(quiet=config["quiet"]), nullcontext() if alone else _customers(config, model, as_of) as given:
        exported = export(model, output, given, options, found=found, chunk_rows=chunk_rows)
    print(f"{found} exported: {output}/model")
    if alone:
        return 0
    print(f"{exported.n_customers:,} customers in {len(exported.audiences)} audiences: {output}/audiences")
    for audience in exported.audiences:
        print(f"  {audience.customers:>8,}  {audience.share:6.1%}  {audience.file}")
    if exported.n_left_out:
        print(f"  {exported.n_left_out:>8,}          left out, confidence below {options.audience_min_confidence:g}")
    for reason, n in exported.rejected.items():
        print(f"  {n:>8,}          set aside: {reason}")
    return 0


def _features(config: dict[str, Any]) -> int:
    from patronage import terminal  # noqa: PLC0415
    from patronage.catalogue import Catalogue  # noqa: PLC0415
    from patronage.config import data_source, day, features, positive  # noqa: PLC0415
    from patronage.diagnosis import diagnose  # noqa: PLC0415
    from patronage.scoring import declared_features, features_of, require_table_name, write_features  # noqa: PLC0415
    from patronage.tables import open_tables  # noqa: PLC0415
    from patronage.tracking import Tracking, load_model  # noqa: PLC0415
    from patronage.validation import check_tables  # noqa: PLC0415

    output = Path(config["output"])
    require_table_name(output)
    model = None
    if config["model"] is not None:
        model, _ = load_model(Tracking(**config["tracking"]), config["model"])
    as_of = day("as_of", config["as_of"])
    with open_tables(data_source(config["data"])) as tables:
        check_tables(tables)
        if model is not None:
            table = features_of(tables, model, as_of)
            catalogue = Catalogue(tuple(feature for feature in model.inputs if feature.name in table.frame.columns))
        else:
            lookback_days = positive("lookback_days", config["lookback_days"])
            declared = features(config["features"])
            table, catalogue = declared_features(tables, declared, lookback_days=lookback_days, as_of=as_of)
    write_features(table, output)
    told = ""
    if len(table.active):
        diagnosis = diagnose(table.active, catalogue.features)
        terminal.diagnosis(diagnosis)
        told = f"; diagnosis: {', '.join(_write_diagnosis(diagnosis, output))}"
    print(f"{len(catalogue.features)} features of {len(table.frame):,} customers: {output}{told}")
    return 0


def _write_diagnosis(diagnosis: Diagnosis, table: Path) -> list[str]:
    """Write page and figure beside a feature table; gives their names."""
    from patronage.diagnosis_page import diagnosis_html  # noqa: PLC0415
    from patronage.figures import distributions  # noqa: PLC0415
    from patronage.writing import replacing, write_text  # noqa: PLC0415

    page, picture = table.with_suffix(".diagnosis.html"), table.with_suffix(".diagnosis.png")
    write_text(page, diagnosis_html(diagnosis))
    with replacing(picture) as fresh:
        distributions(diagnosis).savefig(fresh, format="png")
    return [str(page), str(picture)]


def _ui(config: dict[str, Any]) -> int:
    from patronage.tracking import Tracking, ui_command  # noqa: PLC0415

    command = ui_command(Tracking(**config["tracking"]), config["host"], config["port"])
    address = f"http://{config['host']}:{config['port']}"
    print(f"MLflow starts at {address} (models: {address}/#/models); stop it with Ctrl-C", flush=True)
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore", **os.environ}
    # MLflow takes this process's place, so that whatever stops it stops the server.
    os.execve(sys.executable, [sys.executable, *command], environment)  # noqa: S606 - no shell, our own words


if __name__ == "__main__":
    sys.exit(main())
