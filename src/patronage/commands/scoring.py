"""`patronage score`, `export`: customers given their segments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from patronage.audiences import AudienceOptions, export, require_former_export
from patronage.config import data_source, day, positive, probability
from patronage.errors import InvalidConfigError
from patronage.journal import progress, warn
from patronage.model import SegmentationModel
from patronage.offers import inputs_of, offers_of
from patronage.profiles import describe_customers
from patronage.progress_bars import progress_bars
from patronage.scoring import DatabaseOutput, FileOutput, Input, from_database, from_file, from_tables, score
from patronage.tables import Tables, open_tables
from patronage.tables.database import is_url
from patronage.tracking import Tracking, load_model
from patronage.validation import check_tables


def run_score(config: dict[str, Any]) -> int:
    """Give every customer its segment."""
    _require_one(config)
    if config["input"] is None and config["data"] is None:
        raise InvalidConfigError("give either data=… (raw tables) or input=… (a feature table).")
    output, chunk_rows = config["output"], positive("chunk_rows", config["chunk_rows"])
    as_of = day("as_of", config["as_of"])
    target = DatabaseOutput(output, config["output_table"]) if is_url(output) else FileOutput(Path(output))
    target.check()  # before a model is fetched
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


def run_export(config: dict[str, Any]) -> int:
    """Write the package, and one file of customers per segment."""
    _require_one(config)
    output, chunk_rows = Path(config["output"]), positive("chunk_rows", config["chunk_rows"])
    as_of = day("as_of", config["as_of"])
    chosen = ("audience_format", "audience_min_confidence", "next_categories")
    options = AudienceOptions(**{name: config[name] for name in chosen})
    alone = config["input"] is None and config["data"] is None
    require_former_export(output, alone=alone)  # before a model is fetched
    model, found = load_model(Tracking(**config["tracking"]), config["model"])
    with progress_bars(quiet=config["quiet"]), ExitStack() as held:
        given, offers = None, None
        if config["data"] is not None:
            tables = held.enter_context(tables_of(config, model))
            with progress("building features"):
                customers = describe_customers(tables, model, as_of)
            offers = offers_of(tables, customers, options.next_categories)
            given = from_tables(tables, model, as_of, inputs_of(model, customers))
        elif not alone:
            given = held.enter_context(_customers(config, model, as_of))
        exported = export(model, output, given, options, offers=offers, found=found, chunk_rows=chunk_rows)
    print(f"{found} exported: {output}/model")
    if alone:
        return 0
    print(f"{exported.n_customers:,} customers in {len(exported.audiences)} audiences: {output}/audiences")
    for audience in exported.audiences:
        print(f"  {audience.customers:>8,}  {audience.share:6.1%}  {audience.file}")
    if exported.by_value is not None:
        print(f"customers in falling {offers.value_name if offers else 'value'}: {output}/{exported.by_value}")
    if exported.n_left_out:
        print(f"  {exported.n_left_out:>8,}          left out, confidence below {options.audience_min_confidence:g}")
    for reason, n in exported.rejected.items():
        print(f"  {n:>8,}          set aside: {reason}")
    return 0


def _require_one(config: dict[str, Any]) -> None:
    """Check that customers do not come from two places."""
    if config["input"] is not None and config["data"] is not None:
        raise InvalidConfigError("give data=… (raw tables) or input=… (a feature table), not both.")


@contextmanager
def _customers(config: dict[str, Any], model: SegmentationModel, as_of: date | None) -> Iterator[Input]:
    """What is to be scored: raw tables, which stay open meanwhile, or a feature table in a file or a database."""
    given = config["input"]
    if given is not None and is_url(given):
        yield from_database(given, config["input_table"], as_of)
        return
    if given is not None:
        yield from_file(Path(given), model, as_of)
        return
    with tables_of(config, model) as tables:
        yield from_tables(tables, model, as_of)


@contextmanager
def tables_of(config: dict[str, Any], model: SegmentationModel) -> Iterator[Tables]:
    """Raw tables, checked; tells where they are others than the model was trained on."""
    with open_tables(data_source(config["data"])) as tables:
        check_tables(tables)
        if model.about.get("data") not in (None, tables.source.name):
            warn(f"the model was trained on data={model.about['data']}, these tables are data={tables.source.name}")
        yield tables
