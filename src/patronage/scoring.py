"""Scoring customers: raw tables or a feature table in, one line per customer out, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from patronage.catalogue import Catalogue, Feature
from patronage.errors import InvalidInputError
from patronage.features import FeatureTable, build_features, learn_catalogue
from patronage.journal import warn
from patronage.model import SegmentationModel
from patronage.observation import tell_skipped
from patronage.periods import scoring_window
from patronage.tables import Tables
from patronage.writing import replacing, write_text

CHUNK_ROWS = 50_000
OUTPUT_KINDS = (".parquet", ".csv")


@dataclass(frozen=True)
class Scored:
    """What a scoring run did.

    Attributes
    ----------
    output : Path
    n_customers : int
    counts : dict
        Segment id → (name, customers), in the order of ids.
    """

    output: Path
    n_customers: int
    counts: dict[str, tuple[str, int]]


def features_of(tables: Tables, model: SegmentationModel, as_of: date | None) -> FeatureTable:
    """Build exactly the model's features from raw tables; ``as_of`` as in `scoring_window`."""
    window = scoring_window(tables, as_of, model.lookback_days, model.outcome_days)
    # Descriptors tell about segments; placing a customer needs the basis alone.
    return build_features(tables, Catalogue(model.catalogue.basis), window)


def feature_chunks(source: Path, model: SegmentationModel) -> Iterator[pd.DataFrame]:
    """Read a feature table (Parquet or CSV) in chunks, with the types that the model's features have."""
    if not source.is_file():
        raise InvalidInputError(f"no feature table at {source}; set input=… to an existing .parquet or .csv file.")
    try:
        if source.suffix == ".parquet":
            for batch in pyarrow.parquet.ParquetFile(source).iter_batches(CHUNK_ROWS):
                yield batch.to_pandas()
        elif source.suffix == ".csv":
            # Types are the model's, never guessed: an id 007 is not 7, and a level 1 is not 1.0.
            types = {"customer_id": pa.string(), "customer_status": pa.string()}
            for feature in model.catalogue.basis:
                types[feature.name] = pa.string() if feature.is_text else pa.float64()
            text = pyarrow.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
            with pyarrow.csv.open_csv(source, convert_options=text) as reader:
                for batch in reader:
                    yield batch.to_pandas()
        else:
            raise InvalidInputError(f"input={source}: expected a .parquet or .csv file.")
    except pa.ArrowInvalid:
        # Arrow's message may quote a line of the file.
        raise InvalidInputError(
            f"feature table {source} cannot be read as {source.suffix[1:]}; write it again."
        ) from None


def score(model: SegmentationModel, chunks: Iterator[pd.DataFrame], output: Path, *, about: dict[str, str]) -> Scored:
    """Score chunks of customers into ``output``, with a manifest beside it.

    Parameters
    ----------
    chunks : iterator of DataFrame
        Each with ``customer_id`` and the model's features.
    output : Path
        A .parquet or .csv file; it appears only when all customers are in it.
    about : dict
        Said in the manifest: which model and input this was.

    Raises
    ------
    InvalidInputError
        A customer id is missing or there more than once, or there is no customer.
    """
    require_output(output)
    seen: set[str] = set()
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    n_customers = n_again = 0
    with _table_writer(output) as write:
        for chunk in chunks:
            if twice := sorted(set(chunk.columns[chunk.columns.duplicated()])):
                raise InvalidInputError(f"the feature table has the column {twice[0]} more than once; keep one.")
            if "customer_id" not in chunk.columns:
                raise InvalidInputError("the feature table has no column customer_id; name it so.")
            ids = chunk["customer_id"]
            if n_null := int(ids.isna().sum()):
                raise InvalidInputError(
                    f"feature table, column customer_id: {n_null:,} row(s) without a value; leave them out."
                )
            ids = ids.astype("str")
            before = len(seen)
            seen.update(ids)
            n_again += len(ids) - (len(seen) - before)
            if "customer_status" not in chunk.columns and not n_customers:
                warn("the feature table has no column customer_status: everyone is scored as an active customer")
            scored = model.predict(chunk)
            scored.insert(0, "customer_id", ids)
            write(pa.Table.from_pandas(scored, schema=OUTPUT_SCHEMA, preserve_index=False))
            n_customers += len(scored)
            for segment, n in scored["segment_id"].value_counts().items():
                counts[str(segment)] = counts.get(str(segment), 0) + int(n)
            names |= dict(zip(scored["segment_id"], scored["segment_name"], strict=True))
        if not n_customers:
            raise InvalidInputError("the feature table has 0 rows; at least one customer is needed.")
        if n_again:
            raise InvalidInputError(
                f"feature table, column customer_id: {n_again:,} row(s) repeat a customer; expected one row each."
            )
    result = Scored(output, n_customers, {key: (names[key], counts[key]) for key in sorted(counts)})
    manifest = about | {
        "customers": result.n_customers,
        "segments": {key: {"name": name, "customers": n} for key, (name, n) in result.counts.items()},
    }
    write_text(output.with_name(output.name + ".manifest.json"), json.dumps(manifest, indent=1, ensure_ascii=False))
    return result


OUTPUT_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("segment_id", pa.string()),
        ("segment_name", pa.string()),
        ("confidence", pa.float64()),
        ("runner_up_id", pa.string()),
        ("atypicality", pa.float64()),
        ("basis", pa.string()),
    ]
)


def declared_features(
    tables: Tables, declared: Sequence[Feature], *, lookback_days: int, as_of: date | None
) -> tuple[FeatureTable, Catalogue]:
    """Build declared features of all customers, vocabularies learned in the lookback; tells what is left out."""
    window = scoring_window(tables, as_of, lookback_days, 0)
    catalogue = learn_catalogue(tables, declared, window)
    tell_skipped("feature", catalogue.skipped)
    return build_features(tables, catalogue, window), catalogue


def require_output(output: Path) -> None:
    """Check that a table can be written under this name, before any work is done."""
    if output.suffix not in OUTPUT_KINDS:
        raise InvalidInputError(f"output={output}: expected a file ending in {' or '.join(OUTPUT_KINDS)}.")


def write_features(table: FeatureTable, output: Path) -> None:
    """Write a feature table, as `feature_chunks` reads it."""
    require_output(output)
    frame = table.frame.assign(customer_status=table.status).reset_index()
    with replacing(output) as fresh:
        if output.suffix == ".parquet":
            frame.to_parquet(fresh, index=False)
        else:
            frame.to_csv(fresh, index=False)


@contextmanager
def _table_writer(output: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202 - pyarrow is untyped
    with replacing(output) as fresh:
        writer = (
            pyarrow.parquet.ParquetWriter(fresh, OUTPUT_SCHEMA)
            if output.suffix == ".parquet"
            else pyarrow.csv.CSVWriter(fresh, OUTPUT_SCHEMA)
        )
        with writer:
            yield writer.write_table
