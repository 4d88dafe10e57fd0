"""Scoring raw tables: the same answer as by a feature table, and a killed run goes on with the same features."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.scoring import FileOutput, Scored, features_of, from_file, from_tables, job, score, write_features
from patronage.tables import DataSource, TableSource, open_tables
from tests.scored import small_model

AS_OF = date(2024, 1, 11)


def source(**changed: object) -> DataSource:
    """Orders of two hundred customers, one of them before the lookback, and one prospect."""
    rng = np.random.default_rng(5)
    ids = [f"{number:04d}" for number in range(200)]
    transactions = pd.DataFrame({"customer_id": ids, "ordered_at": "2024-01-10", "revenue": rng.uniform(0, 10, 200)})
    transactions.loc[0, "ordered_at"] = "2023-12-01"
    customers = pd.DataFrame({"customer_id": [*ids, "9999"], "zone": ["x", "y", "z"] * 67})
    frames = {"transactions": transactions.assign(**changed), "customers": customers}
    return DataSource("small", {name: TableSource(frame=frame) for name, frame in frames.items()})


def run(folder: Path, *, resume: bool = False, as_of: date = AS_OF, **changed: object) -> Scored:
    """Score the tables into s.parquet."""
    with open_tables(source(**changed)) as tables:
        model = small_model()
        return score(model, from_tables(tables, model, as_of), FileOutput(folder / "s.parquet"), resume=resume)


def test_tables_and_their_features_are_scored_alike(tmp_path: Path) -> None:
    """Features that are built on the way give what a feature table gives; the manifest tells data and day."""
    model = small_model()
    done = run(tmp_path)
    with open_tables(source()) as tables:
        write_features(features_of(tables, model, AS_OF), tmp_path / "f.csv")
    score(model, from_file(tmp_path / "f.csv", model), FileOutput(tmp_path / "again.parquet"))
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "s.parquet"), pd.read_parquet(tmp_path / "again.parquet"), check_exact=True
    )
    said = json.loads((tmp_path / "s.parquet.manifest.json").read_text(encoding="utf-8"))
    assert (said["as_of"], said["input"]["data"]) == ("2024-01-11", "small")
    assert said["statuses"] == {"active": 199, "dormant": 1, "prospect": 1}
    assert said["unknown_categories"] == {"zone": 67}
    assert done.n_customers == 201


def test_a_run_over_tables_goes_on_with_the_same_tables_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed orders or another day are told; unchanged ones need no second building of features."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(job, "_finish", stop)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    for changed in ({"revenue": 1.0}, {"as_of": date(2024, 1, 10)}):
        with pytest.raises(InvalidInputError, match="the input changed since the unfinished run"):
            run(tmp_path, resume=True, **changed)
    monkeypatch.setattr(job, "features_of", stop)
    assert run(tmp_path, resume=True).n_customers == 201


def test_a_raw_table_is_not_replaced(tmp_path: Path) -> None:
    """An output that is one of the files that the tables are read from is refused, and the file stays as it was."""
    tables_of = source().tables
    tables_of["transactions"].frame.to_csv(tmp_path / "1.csv", index=False)
    before = (tmp_path / "1.csv").read_bytes()
    from_files = DataSource("small", {**tables_of, "transactions": TableSource(path=str(tmp_path / "[0-9].csv"))})
    model = small_model()
    with open_tables(from_files) as tables:
        given = from_tables(tables, model, AS_OF)
        with pytest.raises(InvalidConfigError, match="output would replace the input; name another output"):
            score(model, given, FileOutput(tmp_path / "1.csv"))
        score(model, given, FileOutput(tmp_path / "2.csv"))
    assert (tmp_path / "1.csv").read_bytes() == before
