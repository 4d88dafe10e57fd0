"""Scoring files: whole or not at all, each customer once, bad rows told and never shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patronage.assigners.centroid import CentroidAssigner
from patronage.catalogue import Catalogue, Feature
from patronage.errors import InvalidInputError
from patronage.model import Calibration, SegmentationModel
from patronage.representation import StandardRepresentation
from patronage.scoring import feature_chunks, score
from patronage.segments import Segment


@pytest.fixture
def model() -> SegmentationModel:
    """Two segments on one feature."""
    features = (Feature("spend", "orders", "sum(revenue)"),)
    representation = StandardRepresentation(features).fit(pd.DataFrame({"spend": [0.0, 1.0, 9.0, 10.0]}))
    segments = tuple(Segment(f"S0{n}", f"Group {n}", 0.5, 2, None, 1.0, ()) for n in (1, 2))
    calibration = Calibration(np.array([0.0, 1.0]), np.array([0.5, 1.0]), np.tile(np.linspace(0, 1, 101), (2, 1)))
    assigner = CentroidAssigner(centres=np.array([[-1.0], [1.0]]))
    return SegmentationModel(
        Catalogue(features), representation, assigner, segments, calibration, 10, 10, date(2024, 1, 1)
    )


def chunks(*ids: list[str | None]) -> Iterator[pd.DataFrame]:
    """Feature tables with these customers."""
    return iter([pd.DataFrame({"customer_id": given, "spend": np.arange(len(given), dtype=float)}) for given in ids])


def test_all_chunks_end_in_one_file(model: SegmentationModel, tmp_path: Path) -> None:
    """Every customer of every chunk is there once, in order."""
    done = score(model, chunks(["a", "b"], ["c"]), tmp_path / "s.parquet", about={})
    assert pd.read_parquet(tmp_path / "s.parquet")["customer_id"].to_list() == ["a", "b", "c"]
    assert sum(n for _, n in done.counts.values()) == done.n_customers == 3


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([["a", "b"], ["a"]], r"column customer_id: 1 row\(s\) repeat a customer"),
        ([["a", None]], r"column customer_id: 1 row\(s\) without a value"),
        ([[]], r"0 rows; at least one customer"),
    ],
)
def test_a_bad_table_leaves_no_file(
    ids: list[list[str | None]], says: str, model: SegmentationModel, tmp_path: Path
) -> None:
    """One clear message; neither output nor manifest nor a temporary file is left."""
    with pytest.raises(InvalidInputError, match=says):
        score(model, chunks(*ids), tmp_path / "s.parquet", about={})
    assert not list(tmp_path.iterdir())


def test_a_former_output_survives_a_failing_run(model: SegmentationModel, tmp_path: Path) -> None:
    """What was there stays until the new file is complete."""
    score(model, chunks(["a"]), tmp_path / "s.csv", about={})
    before = (tmp_path / "s.csv").read_bytes()
    with pytest.raises(InvalidInputError):
        score(model, chunks(["a", "a"]), tmp_path / "s.csv", about={})
    assert (tmp_path / "s.csv").read_bytes() == before


def test_ids_keep_their_leading_zeros(model: SegmentationModel, tmp_path: Path) -> None:
    """A customer id is text: 007 is not 7."""
    (tmp_path / "f.csv").write_text("customer_id,spend\n007,1\n7,2.5\nNA,\n", encoding="utf-8")
    score(model, feature_chunks(tmp_path / "f.csv", model), tmp_path / "s.parquet", about={})
    assert pd.read_parquet(tmp_path / "s.parquet")["customer_id"].to_list() == ["007", "7", "NA"]


@pytest.mark.parametrize("name", ["missing.parquet", "table.xlsx", "broken.parquet"])
def test_an_input_that_cannot_be_read_says_so(name: str, model: SegmentationModel, tmp_path: Path) -> None:
    """The file is named, not its content."""
    if not name.startswith("missing"):
        (tmp_path / name).write_text("Sekret", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=name) as caught:
        list(feature_chunks(tmp_path / name, model))
    assert "Sekret" not in str(caught.value)


def test_an_unknown_output_format_is_refused_before_work(model: SegmentationModel, tmp_path: Path) -> None:
    """The message names what would do."""
    with pytest.raises(InvalidInputError, match=r"expected a file ending in \.parquet or \.csv"):
        score(model, chunks(["a"]), tmp_path / "s.xls", about={})


def test_levels_in_a_csv_are_text_whatever_they_look_like(model: SegmentationModel, tmp_path: Path) -> None:
    """A level 1 stays 1 beside an empty value, and true stays true: types are the model's, never guessed."""
    zone = Feature("zone", "customers", "zone", scale="one_hot")
    with_zone = replace(model, catalogue=Catalogue((*model.catalogue.features, zone)))
    (tmp_path / "f.csv").write_text("customer_id,spend,zone\na,1,1\nb,2,\nc,3,true\n", encoding="utf-8")
    (chunk,) = feature_chunks(tmp_path / "f.csv", with_zone)
    assert chunk["zone"].to_list()[::2] == ["1", "true"]
    assert chunk["zone"].isna().to_list() == [False, True, False]


def test_a_column_that_is_there_twice_is_told(model: SegmentationModel, tmp_path: Path) -> None:
    """Which of two columns is meant cannot be guessed."""
    twice = pd.DataFrame([["a", 1.0, 2.0]], columns=["customer_id", "spend", "spend"])
    with pytest.raises(InvalidInputError, match="column spend more than once"):
        score(model, iter([twice]), tmp_path / "s.csv", about={})
