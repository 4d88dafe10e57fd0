"""Feature tables from raw tables: a model's features, or declared ones, for every customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from patronage.catalogue import Catalogue, Feature
from patronage.errors import InvalidInputError
from patronage.features import FeatureTable, build_features, learn_catalogue
from patronage.model import SegmentationModel
from patronage.observation import tell_skipped
from patronage.periods import scoring_window
from patronage.tables import Tables
from patronage.windows import Window
from patronage.writing import replacing, require_writable

TABLE_KINDS = (".parquet", ".csv")


def window_of(tables: Tables, model: SegmentationModel, as_of: date | None) -> Window:
    """The days that the model's features see; ``as_of`` as in `scoring_window`."""
    return scoring_window(tables, as_of, model.lookback_days, model.outcome_days)


def features_of(tables: Tables, model: SegmentationModel, as_of: date | None) -> FeatureTable:
    """Build exactly the model's features from raw tables; ``as_of`` as in `scoring_window`."""
    # Other descriptors only tell about segments.
    window = window_of(tables, model, as_of)
    further: tuple[Feature, ...] = ()
    if model.profile_inputs:
        # These tables may lack a column that only prospects are placed by.
        further = learn_catalogue(tables, model.profile_inputs, window, may_be_empty=True).features
    return build_features(tables, Catalogue((*model.catalogue.basis, *further)), window)


def declared_features(
    tables: Tables, declared: Sequence[Feature], *, lookback_days: int, as_of: date | None
) -> tuple[FeatureTable, Catalogue]:
    """Build declared features of all customers, vocabularies learned in the lookback; tells what is left out."""
    window = scoring_window(tables, as_of, lookback_days, 0)
    catalogue = learn_catalogue(tables, declared, window)
    tell_skipped("feature", catalogue.skipped)
    return build_features(tables, catalogue, window), catalogue


def require_feature_file(output: Path) -> None:
    """Check that a feature table can be written there, before any work is done."""
    if output.suffix not in TABLE_KINDS:
        raise InvalidInputError(f"output={output}: expected a file ending in {' or '.join(TABLE_KINDS)}.")
    require_writable("output", output)


def write_features(table: FeatureTable, output: Path) -> None:
    """Write a feature table, as scoring reads it."""
    require_feature_file(output)
    frame = table.frame.assign(customer_status=table.status).reset_index()
    with replacing(output) as fresh:
        if output.suffix == ".parquet":
            frame.to_parquet(fresh, index=False)
        else:
            frame.to_csv(fresh, index=False)
