"""Scoring files: every kind in and out, each customer once, whole or not at all, bad rows told and never shown."""

from __future__ import annotations

import gzip
import json
import logging
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.model import SegmentationModel
from patronage.scoring import FileOutput, Scored, from_file, model_digest, score
from patronage.scoring.repetitions import KnownCustomers, hashed
from tests.scored import N_CUSTOMERS, feature_table, small_model


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    """Two segments on a number and a category."""
    return small_model()


@pytest.fixture(scope="module")
def expected(model: SegmentationModel) -> pd.DataFrame:
    """What the model itself says of the whole table."""
    table = feature_table()
    found = model.predict(table)
    found.insert(0, "customer_id", table["customer_id"])
    return found


def run(model: SegmentationModel, source: Path, output: Path, **options: object) -> Scored:
    """Score a file into a file."""
    return score(model, from_file(source, model), FileOutput(output), **options)


def manifest(output: Path) -> dict:
    """The manifest beside an output."""
    return json.loads(output.with_name(output.name + ".manifest.json").read_text(encoding="utf-8"))


def rejected(output: Path) -> list[tuple[int, str]]:
    """Rows set aside beside an output."""
    frame = pd.read_csv(output.with_name(output.name + ".rejected.csv"))
    return list(zip(frame["row"], frame["reason"], strict=True))


def written(folder: Path, text: str, name: str = "f.csv") -> Path:
    """A file with this text."""
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "f.parquet": lambda frame, path: frame.to_parquet(path, index=False, row_group_size=70),
    "f.csv": lambda frame, path: frame.to_csv(path, index=False),
    "f.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "f.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "f.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, double_precision=15),
    "f.ndjson.gz": lambda frame, path: frame.to_json(path, orient="records", lines=True, double_precision=15),
}

READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "s.parquet": pd.read_parquet,
    "s.csv": lambda path: pd.read_csv(path, dtype={"customer_id": "str"}),
    "s.csv.gz": lambda path: pd.read_csv(path, dtype={"customer_id": "str"}),
    "s.tsv": lambda path: pd.read_csv(path, sep="\t", dtype={"customer_id": "str"}),
    "s.jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text(encoding="utf-8").splitlines())),
    "s.jsonl.gz": lambda path: pd.DataFrame(map(json.loads, gzip.decompress(path.read_bytes()).splitlines())),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_input_gives_what_the_model_says(
    name: str, model: SegmentationModel, expected: pd.DataFrame, tmp_path: Path
) -> None:
    """A feature table is the same in Parquet, CSV, TSV and JSON lines, packed or not."""
    WRITERS[name](feature_table(), tmp_path / name)
    done = run(model, tmp_path / name, tmp_path / "s.parquet", chunk_rows=64)
    assert done.n_customers == N_CUSTOMERS
    # JSON of pandas has 15 digits, so the last bit may differ there.
    exact = "json" not in name and "nd" not in name
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), expected, check_exact=exact, rtol=1e-12)


@pytest.mark.parametrize("name", READERS)
def test_every_kind_of_output_holds_every_bit(
    name: str, model: SegmentationModel, expected: pd.DataFrame, tmp_path: Path
) -> None:
    """What was scored can be read again as it was, ids with their leading zeros."""
    feature_table().to_parquet(tmp_path / "f.parquet")
    run(model, tmp_path / "f.parquet", tmp_path / name, chunk_rows=64)
    found = READERS[name](tmp_path / name).astype({"runner_up_id": "str", "confidence": float, "atypicality": float})
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)
    assert {path.name for path in tmp_path.iterdir()} == {"f.parquet", name, f"{name}.manifest.json"}


@pytest.mark.parametrize("name", ["f.parquet", "f.csv", "f.jsonl"])
def test_chunks_of_any_size_give_the_same_file(name: str, model: SegmentationModel, tmp_path: Path) -> None:
    """Bad rows included, the output and the rows set aside do not depend on how many rows are read at a time."""
    table = feature_table().astype({"customer_id": object, "spend": object})
    table.loc[[3, 170], "spend"] = "Sekret"
    table.loc[100, "customer_id"] = table.loc[7, "customer_id"]
    table.loc[250, "customer_id"] = None
    table = table.astype({"customer_id": "str", "spend": "str"})
    WRITERS[name](table, tmp_path / name)
    found = set()
    for chunk_rows in (11, 64, 10_000):
        run(model, tmp_path / name, tmp_path / "s.csv", chunk_rows=chunk_rows)
        found.add((tmp_path / "s.csv").read_bytes() + (tmp_path / "s.csv.rejected.csv").read_bytes())
    assert len(found) == 1
    assert rejected(tmp_path / "s.csv") == [
        (4, "spend: not a number"),
        (101, "customer_id: repeats an earlier row"),
        (171, "spend: not a number"),
        (251, "customer_id: missing"),
    ]


def test_the_manifest_says_what_was_done(model: SegmentationModel, tmp_path: Path) -> None:
    """Model, input, counts by segment and status, categories the model does not know, rows set aside by reason."""
    table = feature_table()
    table.loc[:4, "zone"] = "never seen"
    table.loc[9, "customer_status"] = "asleep"
    table.assign(shoe_size=43).to_parquet(tmp_path / "f.parquet")
    done = run(model, tmp_path / "f.parquet", tmp_path / "s.parquet", found="models:/shop/7 (as @champion)")
    said = manifest(tmp_path / "s.parquet")
    assert (said["model_name"], said["model_version"], said["model_digest"]) == ("shop", "7", model_digest(model))
    assert said["input"]["rows"] == N_CUSTOMERS
    assert len(said["input"]["digest"]) == 32
    assert said["customers"] == done.n_customers == N_CUSTOMERS - 1
    assert sum(entry["customers"] for entry in said["segments"].values()) == done.n_customers
    assert said["statuses"] == table["customer_status"].drop(9).value_counts().to_dict()
    assert said["segments"]["dormant"] == {"name": "Dormant", "customers": said["statuses"]["dormant"]}
    assert said["unknown_categories"] == {"zone": 5}
    assert said["rejected"] == {"rows": 1, "reasons": {"customer_status: none of active, dormant, prospect": 1}}
    assert said["columns_not_used"] == 1
    assert said["seconds"] > 0


def test_the_manifest_says_how_sure_customers_had_to_be(model: SegmentationModel, tmp_path: Path) -> None:
    """Another least confidence than the model was trained with changes its fingerprint, and is told beside it."""
    feature_table().to_parquet(tmp_path / "f.parquet")
    run(replace(model, min_confidence=0.8), tmp_path / "f.parquet", tmp_path / "s.parquet")
    said = manifest(tmp_path / "s.parquet")
    assert said["min_confidence"] == 0.8
    assert said["model_digest"] == model_digest(replace(model, min_confidence=said["min_confidence"]))
    assert said["model_digest"] != model_digest(model)


BAD = {
    "id missing": (
        "customer_id,spend,zone\na,1,x\n,2,x\n  ,2,x\n",
        {2: "customer_id: missing", 3: "customer_id: missing"},
    ),
    "id again": ("customer_id,spend,zone\na,1,x\nb,2,x\na,3,x\n", {3: "customer_id: repeats an earlier row"}),
    "no number": ("customer_id,spend,zone\na,1,x\nb,Sekret,x\n", {2: "spend: not a number"}),
    "decimal comma": ('customer_id,spend,zone\na,1,x\nb,"1,5",x\n', {2: "spend: not a number"}),
    "infinite": (
        "customer_id,spend,zone\na,1,x\nb,-inf,x\nc,1e999,x\n",
        {2: "spend: not finite", 3: "spend: not finite"},
    ),
    "all empty": ("customer_id,spend,zone\na,1,x\nb,,\n", {2: "all features are empty"}),
    "line too short": (
        "customer_id,spend,zone\na,1,x\nSekret\nb,2,x\nb,2,x\nSekret,1,2,3\n",
        {2: "1 values, expected 3", 4: "customer_id: repeats an earlier row", 5: "4 values, expected 3"},
    ),
    "status": (
        "customer_id,spend,zone,customer_status\na,1,x,active\nb,1,x,Sekret\nc,1,x,\n",
        dict.fromkeys((2, 3), "customer_status: none of active, dormant, prospect"),
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("chunk_rows", [1, 1000])
def test_a_bad_row_is_set_aside_with_its_number_and_reason(
    case: str,
    chunk_rows: int,
    model: SegmentationModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others are scored; what stood in the row is said nowhere."""
    monkeypatch.setattr(logging.getLogger("patronage"), "propagate", True)
    text, reasons = BAD[case]
    done = run(model, written(tmp_path, text), tmp_path / "s.parquet", chunk_rows=chunk_rows)
    assert dict(rejected(tmp_path / "s.parquet")) == reasons
    assert done.n_customers == len(text.splitlines()) - 1 - len(reasons)
    beside = [path for path in tmp_path.iterdir() if path.name.startswith("s.parquet.")]
    assert not any("Sekret" in path.read_text(encoding="utf-8") for path in beside)
    assert "Sekret" not in caplog.text


def test_a_line_that_is_no_json_is_set_aside(model: SegmentationModel, tmp_path: Path) -> None:
    """Torn lines, lists and objects in objects are told by their number; blank lines are no rows."""
    lines = [
        '{"customer_id": "a", "spend": 1, "zone": "x"}',
        '{"customer_id": "Sekret", "spe',
        "",
        "[1, 2]",
        '{"customer_id": 7, "spend": "2.5", "zone": null}',
        '{"customer_id": "c", "spend": {"Sekret": 1}}',
    ]
    source = written(tmp_path, "\n".join(lines), "f.jsonl")
    run(model, source, tmp_path / "s.csv", chunk_rows=2)
    assert rejected(tmp_path / "s.csv") == [
        (2, "the line is no JSON object"),
        (3, "the line is no JSON object"),
        (5, "spend: not a number"),
    ]
    assert pd.read_csv(tmp_path / "s.csv", dtype=str)["customer_id"].to_list() == ["a", "7"]


def test_who_is_not_active_needs_no_values(model: SegmentationModel, tmp_path: Path) -> None:
    """A prospect of whom nothing is known is unassigned, a dormant customer dormant; neither is a bad row."""
    source = written(tmp_path, "customer_id,spend,zone,customer_status\na,,,prospect\nb,,,dormant\nc,1,x,active\n")
    done = run(model, source, tmp_path / "s.csv")
    assert {key: n for key, (_, n) in done.counts.items()} == {"S01": 1, "dormant": 1, "unassigned": 1}


def test_former_rejections_do_not_stay(model: SegmentationModel, tmp_path: Path) -> None:
    """When all rows are good, the file of rows set aside of a former output goes."""
    run(model, written(tmp_path, "customer_id,spend,zone\na,1,x\nb,z,x\n"), tmp_path / "s.csv")
    assert rejected(tmp_path / "s.csv") == [(2, "spend: not a number")]
    run(model, written(tmp_path, "customer_id,spend,zone\na,1,x\nb,2,x\n"), tmp_path / "s.csv")
    assert not (tmp_path / "s.csv.rejected.csv").exists()


NOBODY = {
    "lacks a feature": ("customer_id,zone\na,x\n", r"lacks 1 of the model's 2 columns: spend\."),
    "another catalogue": ("customer_id,shoe_size\na,43\n", r"lacks 2 of the model's 2 columns: spend, zone"),
    "no customers": ("spend,zone\n1,x\n", "no column customer_id"),
    "a column twice": ("customer_id,spend,spend,zone\na,1,2,x\n", "column spend more than once"),
    "header only": ("customer_id,spend,zone\n", "0 rows; at least one customer"),
    "nothing at all": ("", "is empty; expected a header"),
    "only bad rows": (
        "customer_id,spend,zone\n,1,x\nb,Sekret,x\nc,Sekret,x\n",
        "none of the 3 rows .* can be scored: 2 × spend: not a number; 1 × customer_id: missing",
    ),
}


@pytest.mark.parametrize("case", NOBODY)
def test_a_table_without_a_row_to_score_leaves_nothing(case: str, model: SegmentationModel, tmp_path: Path) -> None:
    """One clear message; the former output stays, and no temporary file is left."""
    text, says = NOBODY[case]
    source = written(tmp_path, text)
    (tmp_path / "s.csv").write_text("former", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=says) as caught:
        run(model, source, tmp_path / "s.csv")
    assert "Sekret" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"f.csv", "s.csv"}
    assert (tmp_path / "s.csv").read_text(encoding="utf-8") == "former"


@pytest.mark.parametrize(
    "name", ["missing.parquet", "table.xlsx", "broken.parquet", "broken.csv.gz", "broken.jsonl", "torn.parquet"]
)
def test_an_input_that_cannot_be_read_says_so(name: str, model: SegmentationModel, tmp_path: Path) -> None:
    """The file is named, not its content."""
    if name.startswith("torn"):
        feature_table().to_parquet(tmp_path / "whole.parquet")
        whole = (tmp_path / "whole.parquet").read_bytes()
        (tmp_path / name).write_bytes(whole[:200] + b"Sekret" * 100 + whole[800:])
    elif not name.startswith("missing"):
        (tmp_path / name).write_text("Sekret\nSekret", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=name) as caught:
        run(model, tmp_path / name, tmp_path / "s.csv")
    assert "Sekret" not in str(caught.value)
    assert not (tmp_path / "s.csv").exists()


def test_a_gz_that_ends_early_leaves_nothing(model: SegmentationModel, tmp_path: Path) -> None:
    """A copy that was cut off is told, and the customers before the cut are not taken for all."""
    packed = gzip.compress(feature_table().to_csv(index=False).encode())
    (tmp_path / "f.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InvalidInputError, match=r"f\.csv\.gz cannot be read"):
        run(model, tmp_path / "f.csv.gz", tmp_path / "s.csv", chunk_rows=50)
    assert {path.name for path in tmp_path.iterdir()} == {"f.csv.gz"}


def test_a_csv_that_is_not_utf_8_is_told(model: SegmentationModel, tmp_path: Path) -> None:
    """The message names the encoding that is expected."""
    (tmp_path / "f.csv").write_bytes("customer_id,spend,zone\nJosé,1,x\n".encode("latin-1"))
    with pytest.raises(InvalidInputError, match="not written in UTF-8"):
        run(model, tmp_path / "f.csv", tmp_path / "s.csv")


@pytest.mark.parametrize("name", ["s.xls", "s.parquet.gz", "s"])
def test_an_unknown_output_format_is_refused_before_work(name: str, model: SegmentationModel, tmp_path: Path) -> None:
    """The message names what would do."""
    source = written(tmp_path, "customer_id,spend,zone\na,1,x\n")
    with pytest.raises(InvalidInputError, match=r"expected a file ending in \.parquet, \.csv"):
        run(model, source, tmp_path / name)


def test_whole_numbers_turned_to_floats_keep_their_ids_and_levels(model: SegmentationModel, tmp_path: Path) -> None:
    """Where pandas makes 7.0 of 7 because a value is missing, the customer is 7 all the same, and the level 1."""
    zone = pa.array([1.0, None, 2.5])
    pq.write_table(
        pa.table({"customer_id": [7.0, 8.5, None], "spend": [1, 2, 3], "zone": zone}), tmp_path / "f.parquet"
    )
    run(model, tmp_path / "f.parquet", tmp_path / "s.csv")
    assert pd.read_csv(tmp_path / "s.csv", dtype=str)["customer_id"].to_list() == ["7", "8.5"]
    assert rejected(tmp_path / "s.csv") == [(3, "customer_id: missing")]


@pytest.mark.parametrize(
    ("spend", "means"),
    [
        (pa.array([1, 9], pa.int8()), [1.0, 9.0]),
        (pa.array([True, False]), [1.0, 0.0]),
        (pa.array(["1", " 9.0 "]), [1.0, 9.0]),
        (pa.array(["+1", "NaN"]), [1.0, np.nan]),
        (pa.array(["1", "9"]).dictionary_encode(), [1.0, 9.0]),
        (pa.array([1, 9], pa.decimal128(9, 2)), [1.0, 9.0]),
        (pa.nulls(2), [np.nan, np.nan]),
    ],
)
def test_numbers_of_any_type_are_numbers(
    spend: pa.Array, means: list[float], model: SegmentationModel, tmp_path: Path
) -> None:
    """Whole numbers, decimals, yes and no, texts and categories are read as what they stand for."""
    pq.write_table(pa.table({"customer_id": ["a", "b"], "spend": spend, "zone": ["x", "y"]}), tmp_path / "f.parquet")
    run(model, tmp_path / "f.parquet", tmp_path / "s.parquet")
    same = model.predict(pd.DataFrame({"spend": means, "zone": ["x", "y"]}))
    found = pd.read_parquet(tmp_path / "s.parquet").drop(columns="customer_id")
    pd.testing.assert_frame_equal(found, same, check_exact=True)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
@pytest.mark.parametrize("coded", [True, False])
def test_a_status_of_any_type_is_read(
    kind: pa.DataType,
    coded: bool,  # noqa: FBT001
    model: SegmentationModel,
    tmp_path: Path,
) -> None:
    """Whatever Parquet makes of a few words, and where they come in several groups of rows with other words in each."""
    status = ["active", "dormant", None, "asleep", "prospect", "active", "active", "dormant"]
    table = pa.table({"customer_id": list("abcdefgh"), "spend": [1.0] * 8, "zone": ["x"] * 8})
    table = table.append_column("customer_status", pa.array(status, pa.string()).cast(kind))
    pq.write_table(table, tmp_path / "f.parquet", row_group_size=3, use_dictionary=coded)
    run(model, tmp_path / "f.parquet", tmp_path / "s.parquet", chunk_rows=4)
    assert manifest(tmp_path / "s.parquet")["statuses"] == {"active": 3, "dormant": 2, "prospect": 1}
    wrong = "customer_status: none of active, dormant, prospect"
    assert rejected(tmp_path / "s.parquet") == [(3, wrong), (4, wrong)]
    expected = model.predict(table.to_pandas().drop(index=[2, 3])).reset_index(drop=True)
    found = pd.read_parquet(tmp_path / "s.parquet").drop(columns="customer_id")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_category_of_statuses_is_read_as_its_words(model: SegmentationModel) -> None:
    """A model places by them as by texts, and says how many are none; categories may stand in any order."""
    table = feature_table()
    coded = table.astype({"customer_status": pd.CategoricalDtype(["prospect", "never seen", "active", "dormant"])})
    pd.testing.assert_frame_equal(model.predict(coded), model.predict(table), check_exact=True)
    coded.loc[[3, 4], "customer_status"] = [None, "never seen"]
    with pytest.raises(InvalidInputError, match=r"column customer_status: 2 value\(s\) are none of active, dormant"):
        model.predict(coded)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("spend", pa.array([0, 1], pa.timestamp("us"))),
        ("spend", pa.array([[1], [2]])),
        ("zone", pa.array([[1], [2]])),
        ("customer_status", pa.array([["active"], ["active"]])),
        ("customer_status", pa.array([b"active", b"active"])),
    ],
)
def test_a_column_of_another_kind_is_told(
    column: str, values: pa.Array, model: SegmentationModel, tmp_path: Path
) -> None:
    """Moments and lists are no numbers: the whole column is at fault, not each row."""
    plain = {"customer_id": ["a", "b"], "spend": [1, 2], "zone": ["x", "y"]}
    pq.write_table(pa.table(plain | {column: values}), tmp_path / "f.parquet")
    with pytest.raises(InvalidInputError, match=f"column {column}: holds"):
        run(model, tmp_path / "f.parquet", tmp_path / "s.parquet")


@pytest.mark.parametrize("limit_bytes", [60, 1_500, 20_000])
def test_a_full_disk_is_told_and_leaves_nothing(limit_bytes: int, model: SegmentationModel, tmp_path: Path) -> None:
    """No half of an output, no manifest, no parts, and the former output as it was, whatever was being written."""
    feature_table(5_000).to_parquet(tmp_path / "f.parquet")
    (tmp_path / "s.csv").write_text("former", encoding="utf-8")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        with pytest.raises(
            InvalidInputError, match=r"s\.csv cannot be written \(File too large\); nothing was written"
        ) as caught:
            run(model, tmp_path / "f.parquet", tmp_path / "s.csv", chunk_rows=200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"f.parquet", "s.csv"}
    assert (tmp_path / "s.csv").read_text(encoding="utf-8") == "former"


@pytest.mark.parametrize("name", ["f.csv", "link.csv", "s.csv.rejected.csv"])
def test_the_input_is_not_replaced(name: str, model: SegmentationModel, tmp_path: Path) -> None:
    """Neither the output nor a file beside it may be what the rows come from, under whatever name."""
    source = written(
        tmp_path, "customer_id,spend,zone\na,1,x\n", "s.csv.rejected.csv" if "rejected" in name else "f.csv"
    )
    (tmp_path / "link.csv").symlink_to(source)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InvalidConfigError, match="output would replace the input; name another output"):
        run(model, source, tmp_path / ("s.csv" if "rejected" in name else name))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_levels_in_a_csv_are_text_whatever_they_look_like(model: SegmentationModel, tmp_path: Path) -> None:
    """Types are the model's, never guessed: NA is a customer's id, and a level may be called true."""
    source = written(tmp_path, "customer_id,spend,zone\n007,1,true\n7,2.5,\nNA,,x\n")
    run(model, source, tmp_path / "s.parquet")
    assert pd.read_parquet(tmp_path / "s.parquet")["customer_id"].to_list() == ["007", "7", "NA"]
    assert manifest(tmp_path / "s.parquet")["unknown_categories"] == {"zone": 1}


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12))
@settings(deadline=None)
def test_a_customer_is_met_once(batches: list[list[int]]) -> None:
    """Exactly the first of each id is new, however the ids come in batches."""
    known, met = KnownCustomers(), set[int]()
    for batch in batches:
        again = known.repeated(hashed(pa.array([str(one) for one in batch], pa.string())))
        for one, is_again in zip(batch, again, strict=True):
            assert is_again == (one in met)
            met.add(one)


TEXTS = st.one_of(
    st.none(), st.text(max_size=12), st.sampled_from(["a", "a\0", "a\0\0"]), st.integers(50, 80).map("x".__mul__)
)


@given(st.lists(TEXTS, max_size=20), st.integers(0, 20))
@settings(deadline=None)
def test_equal_ids_and_only_those_share_a_hash(texts: list[str | None], first: int) -> None:
    """Ids of any length and alphabet are told apart, and each has one hash, wherever it stands among others."""
    ids = pa.array(texts, pa.string())
    hashes = hashed(ids)
    assert hashed(ids[first:]).tolist() == hashes[first:].tolist()
    there = [text for text in texts if text is not None]
    found = {text: hashed(pa.array([text]))[0] for text in there}
    assert hashes[[text is not None for text in texts]].tolist() == [found[text] for text in there]
    assert len(set(found.values())) == len(set(there))


def test_ids_that_differ_by_little_share_no_hash() -> None:
    """Numbers in sequence, with and without zeros before them, and ids that are the same but for their ends."""
    numbers = range(50_000)
    for form in ("{}", "{:012d}", "C-{:07d}-DE", "customer-number-{}@shop.example"):
        assert len(np.unique(hashed(pa.array([form.format(number) for number in numbers])))) == len(numbers)


@pytest.mark.parametrize("with_trees", [False, True])
def test_the_fingerprint_of_a_model_is_its_content(with_trees: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Saved and loaded it is the same; another centre makes another, and so do other trees."""
    one = small_model(with_trees=with_trees)
    one.save(tmp_path / "m")
    assert model_digest(SegmentationModel.load(tmp_path / "m")) == model_digest(one)
    assert model_digest(small_model(shift=1e-9, with_trees=with_trees)) != model_digest(one)
    assert model_digest(small_model(with_trees=not with_trees)) != model_digest(one)
