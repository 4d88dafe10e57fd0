"""`patronage features`, `ui`: what there is, to be looked at."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from patronage import terminal
from patronage.catalogue import Catalogue
from patronage.config import data_source, day, features, positive
from patronage.diagnosis import Diagnosis, diagnose
from patronage.diagnosis_page import diagnosis_html
from patronage.errors import InvalidConfigError
from patronage.figures import distributions
from patronage.scoring import declared_features, features_of, require_feature_file, write_features
from patronage.tables import open_tables
from patronage.tracking import Tracking, load_model, ui_command
from patronage.validation import check_tables
from patronage.writing import replacing, write_text

_LARGEST_PORT = 65_535


def run_features(config: dict[str, Any]) -> int:
    """Write a feature table, and tell what each feature is like."""
    output = Path(config["output"])
    require_feature_file(output)
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
    page, picture = table.with_suffix(".diagnosis.html"), table.with_suffix(".diagnosis.png")
    write_text(page, diagnosis_html(diagnosis))
    with replacing(picture) as fresh:
        distributions(diagnosis).savefig(fresh, format="png")
    return [str(page), str(picture)]


def run_ui(config: dict[str, Any]) -> int:
    """Become MLflow's server."""
    if not 1 <= config["port"] <= _LARGEST_PORT:
        raise InvalidConfigError(f"port must be from 1 to {_LARGEST_PORT}; got {config['port']}.")
    command = ui_command(Tracking(**config["tracking"]), config["host"], config["port"])
    address = f"http://{config['host']}:{config['port']}"
    print(f"MLflow starts at {address} (models: {address}/#/models); stop it with Ctrl-C", flush=True)
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore", **os.environ}
    # MLflow takes this process's place, so that whatever stops it stops the server.
    os.execve(sys.executable, [sys.executable, *command], environment)  # noqa: S606 - no shell, our own words
