"""What marketing tools are handed: every customer in one file, and a folder that is whole or not there."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronage import config
from patronage.audiences import AudienceOptions, Exported, export, file_names
from patronage.cli import main
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.journal import logger
from patronage.model import SegmentationModel
from patronage.offers import Offers, inputs_of, offers_of
from patronage.profiles import Customers, describe_customers
from patronage.scoring import FileOutput, Input, from_file, from_tables, model_digest, score
from patronage.tables import DataSource, TableSource, open_tables
from tests.scored import N_CUSTOMERS, feature_table, small_model

COLUMNS = ["customer_id", "segment_id", "segment_name", "confidence"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a packaged model and a feature table."""
    monkeypatch.chdir(tmp_path)
    small_model().save(tmp_path / "m")
    feature_table().to_parquet(tmp_path / "f.parquet")
    return tmp_path


def customers(model: SegmentationModel) -> Input:
    """The feature table of the working directory."""
    return from_file(Path("f.parquet"), model)


def audiences(output: Path) -> dict[str, pd.DataFrame]:
    """Every audience by its file's name."""
    found = {}
    for path in (output / "audiences").iterdir():
        if path.suffix == ".parquet":
            found[path.name] = pd.read_parquet(path)
        elif path.name != "index.csv":
            found[path.name] = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS[:3], "str"))
    return found


@pytest.mark.parametrize("audience_format", ["csv", "parquet"])
@pytest.mark.parametrize("chunk_rows", [7, 50_000])
def test_every_customer_is_in_the_file_of_its_segment(audience_format: str, chunk_rows: int, folder: Path) -> None:
    """Put together, the audiences are what scoring gives, whatever the kind of file and the size of chunks."""
    model = small_model()
    score(model, customers(model), FileOutput(Path("s.parquet")))
    options = AudienceOptions(audience_format)
    exported = export(model, Path("ex"), customers(model), options, chunk_rows=chunk_rows)
    found = audiences(folder / "ex")
    expected = pd.read_parquet("s.parquet")[COLUMNS].sort_values("customer_id", ignore_index=True)
    together = pd.concat(found.values()).sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(together, expected, check_exact=True, check_dtype=False)
    for audience in exported.audiences:
        frame = found[audience.file]
        assert set(frame["segment_id"]) == {audience.segment_id}
        assert set(frame["segment_name"]) == {audience.name}
        assert len(frame) == audience.customers
    # Customers stay in the order they came in.
    assert all(frame["customer_id"].is_monotonic_increasing for frame in found.values())


def test_sizes_and_shares_are_those_of_all_customers(folder: Path) -> None:
    """The index lists each file with its customers; together they are everyone, and the manifest says the same."""
    model = small_model()
    exported = export(model, Path("ex"), customers(model), found="models:/shop/7 (as @champion)")
    index = pd.read_csv(folder / "ex" / "audiences" / "index.csv")
    assert list(index.columns) == ["file", "segment_id", "name", "customers", "share"]
    assert list(index["segment_id"]) == ["S01", "S02", "unassigned", "dormant"]
    assert set(index["file"]) == set(audiences(folder / "ex"))
    assert index["customers"].sum() == exported.n_customers == N_CUSTOMERS
    assert index["share"].sum() == pytest.approx(1, abs=1e-5)
    manifest = json.loads((folder / "ex" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["audiences"] == index.to_dict("records")
    assert (manifest["model_name"], manifest["model_version"]) == ("shop", "7")
    assert manifest["input"]["rows"] == N_CUSTOMERS
    written = {str(path.relative_to(folder / "ex")) for path in (folder / "ex").rglob("*") if path.is_file()}
    assert set(manifest["files"]) == written


def test_the_exported_model_is_the_model(folder: Path) -> None:
    """Without customers the folder holds the package, which predicts what the model predicts, and the manifest."""
    model, table = small_model(), feature_table().assign(customer_status="active")
    assert export(model, Path("ex")) == Exported(Path("ex"))
    assert {path.name for path in (folder / "ex").iterdir()} == {"model", "manifest.json"}
    again = SegmentationModel.load(folder / "ex" / "model")
    pd.testing.assert_frame_equal(again.predict(table), model.predict(table), check_exact=True)
    manifest = json.loads((folder / "ex" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["model_digest"] == model_digest(model)


def test_a_segment_without_customers_has_an_empty_file_a_reserved_one_none(folder: Path) -> None:
    """A tool that fetches a segment's file each day finds it; nobody is dormant, so there is no such file."""
    nobody = feature_table(3).assign(customer_status="active", spend=9.0, zone="y")
    nobody.to_parquet("f.parquet")
    exported = export(small_model(), Path("ex"), customers(small_model()))
    found = {audience.segment_id: audience.customers for audience in exported.audiences}
    assert found == {"S01": 0, "S02": 3}
    assert list(audiences(folder / "ex")["S01-group-1.csv"].columns) == COLUMNS


def test_customers_placed_with_too_little_confidence_are_left_out(folder: Path) -> None:
    """Those at the limit stay, as do reserved segments, where nobody was placed; how many are left out is told."""
    model = small_model()
    score(model, customers(model), FileOutput(Path("s.parquet")))
    scored = pd.read_parquet("s.parquet")
    limit = float(np.sort(scored["confidence"].dropna())[100])
    exported = export(model, Path("ex"), customers(model), AudienceOptions(audience_min_confidence=limit))
    together = pd.concat(audiences(folder / "ex").values())
    expected = scored[~(scored["confidence"] < limit)]
    assert limit in set(scored["confidence"])
    assert sorted(together["customer_id"]) == sorted(expected["customer_id"])
    assert exported.n_left_out == len(scored) - len(expected) > 0
    manifest = json.loads((folder / "ex" / "manifest.json").read_text(encoding="utf-8"))
    assert sum(manifest["left_out"].values()) == exported.n_left_out
    shares = sum(audience.share for audience in exported.audiences)
    assert shares == pytest.approx(len(expected) / len(scored), abs=1e-5)


def test_rows_set_aside_are_listed_in_the_export(folder: Path) -> None:
    """By number and reason, in a file of the folder; the others have their audiences."""
    table = feature_table()
    table.loc[4, "spend"] = np.inf
    table.to_parquet("f.parquet")
    exported = export(small_model(), Path("ex"), customers(small_model()))
    assert (folder / "ex" / "rejected.csv").read_text(encoding="utf-8") == 'row,reason\n5,"spend: not finite"\n'
    assert exported.n_customers == N_CUSTOMERS - 1
    assert exported.rejected == {"spend: not finite": 1}


def test_a_former_export_is_replaced_as_a_whole(folder: Path) -> None:
    """Files of yesterday that today's export does not have are gone; beside it nothing is left."""
    model = small_model()
    export(model, Path("ex"), customers(model), AudienceOptions("parquet"))
    export(model, Path("ex"), customers(model))
    assert {path.suffix for path in (folder / "ex" / "audiences").iterdir()} == {".csv"}
    assert {path.name for path in folder.iterdir()} == {"m", "f.parquet", "ex"}


def test_a_model_alone_replaces_a_model_alone(folder: Path) -> None:
    """Today's model takes the place of yesterday's, and audiences may join it."""
    model = small_model()
    export(model, Path("ex"))
    export(model, Path("ex"))
    assert {path.name for path in (folder / "ex").iterdir()} == {"model", "manifest.json"}
    export(model, Path("ex"), customers(model))
    assert (folder / "ex" / "audiences" / "index.csv").is_file()


def test_a_model_alone_does_not_replace_audiences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who forgets to name the customers loses none: one line says which option is missing, and all is as it was."""
    model = small_model()
    export(model, Path("ex"), customers(model))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(["export", "model=m", "output=ex", "quiet=true"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    n_files = len(list((folder / "ex" / "audiences").iterdir()))
    assert f"output=ex holds an export with audiences, {n_files} file(s)" in said
    assert "give data=… or input=…" in said
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("own", ["notes.txt", "audiences/notes.txt", "model/notes.txt", "new/notes.txt"])
def test_a_folder_with_files_of_ones_own_is_left_alone(own: str, folder: Path) -> None:
    """Even beside a former export's files: the file is named, and everything is as it was."""
    model = small_model()
    export(model, Path("ex"), customers(model))
    (folder / "ex" / own).parent.mkdir(exist_ok=True)
    (folder / "ex" / own).write_text("mine", encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(InvalidInputError, match=rf"output=ex holds 1 file\(s\) that are no part of an export.*{own}"):
        export(model, Path("ex"))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(("output", "says"), [(".", "is the working directory"), ("f.parquet", "is a file")])
def test_a_place_that_cannot_be_an_export_is_refused(output: str, says: str, folder: Path) -> None:
    """Before any work is done."""
    with pytest.raises(InvalidInputError, match=says):
        export(small_model(), Path(output))


def test_an_export_that_fails_leaves_the_former_one(folder: Path) -> None:
    """Not a single row can be scored: yesterday's audiences stay, and no half-written folder beside them."""
    model = small_model()
    export(model, Path("ex"), customers(model))
    before = audiences(folder / "ex")
    feature_table().assign(spend=np.inf).to_parquet("f.parquet")
    with pytest.raises(InvalidInputError, match="none of the 300 rows"):
        export(model, Path("ex"), customers(model))
    assert audiences(folder / "ex").keys() == before.keys()
    assert {path.name for path in folder.iterdir()} == {"m", "f.parquet", "ex"}


def test_names_of_segments_become_file_names_that_every_system_takes() -> None:
    """Slashes, quotes, accents and other scripts; the id keeps them apart, and names alone never decide."""
    names = {
        "S01": "High spend, café/bar",
        "S02": '../../"etc"',
        "S03": "Крупные покупки",
        "S04": "=cmd|' /C calc'!A0",
        "S05": "x" * 300,
        "s05": "x" * 300,
        "dormant": "Dormant",
    }
    assert file_names(names, "csv") == {
        "S01": "S01-high-spend-cafe-bar.csv",
        "S02": "S02-etc.csv",
        "S03": "S03.csv",
        "S04": "S04-cmd-c-calc-a0.csv",
        "S05": f"S05-{'x' * 60}.csv",
        "s05": f"s05-{'x' * 60}-2.csv",
        "dormant": "dormant.csv",
    }


@given(st.dictionaries(st.text(max_size=400), st.text(max_size=400), max_size=8))
def test_file_names_are_plain_and_never_the_same(names: dict[str, str]) -> None:
    """Whatever the names and ids are."""
    files = file_names(names, "csv")
    assert list(files) == list(names)
    assert len({file.lower() for file in files.values()}) == len(names)
    assert all(file.isascii() and len(file) <= 140 for file in files.values())
    assert all(file.removesuffix(".csv").replace("-", "").isalnum() for file in files.values())


def test_odd_names_and_ids_come_through_as_they_are(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids with commas, quotes and formulas are not changed, for they are what tools find customers by; it is told."""
    model = small_model()
    odd = ["=cmd|' /C calc'!A0", 'a,"b"', "line\nbreak", "007", "+1", "-1", "@x", "é"]
    feature_table(len(odd)).assign(customer_id=odd, customer_status="active").to_parquet("f.parquet")
    model = replace(model, segments=tuple(replace(one, name=f'"{one.id}", =1+1/ю') for one in model.segments))
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.WARNING)
    exported = export(model, Path("ex"), customers(model))
    together = pd.concat(audiences(folder / "ex").values())
    assert sorted(together["customer_id"]) == sorted(odd)
    assert set(together["segment_name"]) <= {'"S01", =1+1/ю', '"S02", =1+1/ю'}
    assert [audience.name for audience in exported.audiences] == ['"S01", =1+1/ю', '"S02", =1+1/ю']
    (said,) = caplog.messages
    assert said.startswith("4 customer ids begin with = + - or @")
    assert "calc" not in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"audience_format": "xlsx"}, "audience_format must be one of csv, parquet; got 'xlsx'"),
        ({"audience_min_confidence": 1.5}, "audience_min_confidence must be from 0 to 1; got 1.5"),
        ({"audience_min_confidence": float("nan")}, "audience_min_confidence must be from 0 to 1; got nan"),
        ({"next_categories": -1}, "next_categories must be from 0 to 20; got -1"),
        ({"next_categories": 21}, "next_categories must be from 0 to 20; got 21"),
    ],
)
def test_options_say_what_is_allowed(options: dict, says: str) -> None:
    """One line with the value that came."""
    with pytest.raises(InvalidConfigError, match=says):
        AudienceOptions(**options)


def test_every_option_composes(folder: Path) -> None:
    """What the help lists is what the configuration takes."""
    given = ["input=f.csv", "as_of=2024-01-01", "output=x", "audience_format=parquet", "audience_min_confidence=0.5"]
    composed = config.compose_config(
        "export", [*given, "model=m", "chunk_rows=10", "input_table=t", "next_categories=2", "quiet=true"]
    )
    assert composed["next_categories"] == 2
    assert config.compose_config("export", [])["next_categories"] == 3
    assert composed["audience_min_confidence"] == 0.5
    assert composed["audience_format"] == "parquet"
    assert composed["data"] is None
    assert composed["output"] == "x"


def test_the_command_says_what_it_wrote(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files with customers and shares, whom it left out, and rows set aside; status 0."""
    table = feature_table()
    table.loc[4, "spend"] = np.inf
    table.to_parquet("f.parquet")
    options = ["input=f.parquet", "output=ex", "audience_min_confidence=0.6", "quiet=true"]
    assert main(["export", "model=m", *options]) == 0
    said = capsys.readouterr().out
    assert "299 customers in 4 audiences: ex/audiences" in said
    assert "S01-group-1.csv" in said
    assert "left out, confidence below 0.6" in said
    assert "set aside: spend: not finite" in said
    assert main(["export", "model=m", "output=alone", "quiet=true"]) == 0
    assert capsys.readouterr().out == "m exported: alone/model\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["input=f.parquet", "data=complete_journey"], "not both"),
        (["input=f.parquet", "output=m"], "that are no part of an export"),
        (["input=f.parquet", "audience_format=xlsx"], "audience_format must be one of"),
        (["input=none.parquet"], "no feature table at none.parquet"),
        (["model=none"], "model=none: no such folder"),
    ],
)
def test_what_is_wrong_is_one_line_and_status_2(
    options: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and nothing is written."""
    before = {path.name for path in folder.iterdir()}
    assert main(["export", "model=m", "quiet=true", *options]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("patronage export: ")
    assert says in said
    assert {path.name for path in folder.iterdir()} == before


CATEGORIES = ["=tea", "<b>jam</b>", "нефть", "salt", "soap"]


def shop(*, with_categories: bool = True) -> DataSource:
    """Eighty customers who bought some categories in ten days, for the small model; two never bought."""
    rng = np.random.default_rng(5)
    who, what = np.nonzero(rng.random((80, len(CATEGORIES))) < 0.5)
    lines = pd.DataFrame(
        {
            "customer_id": [f"{number:05d}" for number in who],
            "ordered_at": pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 10, len(who)), unit="D"),
            "revenue": rng.integers(-2, 9, len(who)).clip(0),
            "category": np.array(CATEGORIES, dtype=object)[what],
        }
    )
    if not with_categories:
        lines = lines.drop(columns="category")
    people = pd.DataFrame({"customer_id": [f"{number:05d}" for number in range(82)], "zone": ["x", "y"] * 41})
    frames = {"transactions": lines, "customers": people}
    return DataSource("shop", tables={name: TableSource(frame=frame) for name, frame in frames.items()})


def exported_shop(source: DataSource, options: AudienceOptions, chunk_rows: int = 50_000) -> tuple[Customers, Offers]:
    """Export a shop's customers to the folder ex, as the command does."""
    model = small_model()
    with open_tables(source) as tables:
        described = describe_customers(tables, model)
        offers = offers_of(tables, described, options.next_categories)
        given = from_tables(tables, model, None, inputs_of(model, described))
        export(model, Path("ex"), given, options, offers=offers, chunk_rows=chunk_rows)
        score(model, from_tables(tables, model), FileOutput(Path("s.parquet")))
    return described, offers


@pytest.mark.parametrize(("audience_format", "chunk_rows"), [("csv", 7), ("parquet", 50_000)])
def test_audiences_of_raw_tables_say_what_to_offer_next(audience_format: str, chunk_rows: int, folder: Path) -> None:
    """Each customer's next categories stand beside its segment, which is that of score; empty where there are none."""
    _, offers = exported_shop(shop(), AudienceOptions(audience_format, next_categories=2), chunk_rows)
    columns = ["next_category_1", "next_category_2"]
    together = pd.concat(audiences(folder / "ex").values()).sort_values("customer_id").set_index("customer_id")
    assert list(together.columns) == [*COLUMNS[1:], *columns]
    assert offers.next_categories is not None
    expected = offers.next_categories.loc[together.index]
    pd.testing.assert_frame_equal(together[columns].astype("str"), expected.astype("str"))
    assert expected["next_category_1"].notna().sum() > 60
    assert expected.isna().any(axis=None)
    assert set(expected["next_category_1"].dropna()) <= set(CATEGORIES)
    scored = pd.read_parquet("s.parquet").set_index("customer_id").sort_index()
    assert list(together["segment_id"]) == list(scored["segment_id"])
    assert json.loads((folder / "ex" / "manifest.json").read_text(encoding="utf-8"))["next_categories"] == 2


def test_categories_that_look_like_formulas_are_told(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of ids: written as they are, and counted; none of them is said."""
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    exported_shop(shop(), AudienceOptions())
    together = pd.concat(audiences(folder / "ex").values())
    n = int((together[["next_category_1", "next_category_2", "next_category_3"]] == "=tea").sum().sum())
    assert f"{n} next categories begin with = + - or @" in caplog.text
    assert "tea" not in caplog.text


@pytest.mark.parametrize("audience_format", ["csv", "parquet"])
def test_customers_by_value_are_a_file_of_the_export(audience_format: str, folder: Path) -> None:
    """Everyone in falling value, those in no audience too; listed in the manifest, and gone with its export."""
    options = AudienceOptions(audience_format, audience_min_confidence=0.9)
    described, offers = exported_shop(shop(), options)
    path = folder / "ex" / f"customers_by_value.{audience_format}"
    read = pd.read_parquet if audience_format == "parquet" else lambda one: pd.read_csv(one, dtype={"customer_id": str})
    listed = read(path)
    pd.testing.assert_frame_equal(listed, offers.by_value, check_dtype=False)
    assert len(listed) == len(described.placed) == 82
    assert "value" not in listed
    assert listed["revenue"].is_monotonic_decreasing
    assert listed["cumulative_revenue_share"].iloc[-1] == 1
    manifest = json.loads((folder / "ex" / "manifest.json").read_text(encoding="utf-8"))
    assert path.name in manifest["files"]
    assert manifest["value"] == "revenue"
    export(small_model(), Path("ex"), customers(small_model()))
    assert not path.exists()


def test_without_raw_tables_or_categories_there_are_no_offers(folder: Path) -> None:
    """A feature table, lines without categories, or next_categories=0: the columns are those they were."""
    export(small_model(), Path("ex"), customers(small_model()))
    assert not (folder / "ex" / "customers_by_value.csv").exists()
    for source, n in ((shop(with_categories=False), 3), (shop(), 0)):
        exported_shop(source, AudienceOptions(next_categories=n))
        assert all(list(frame.columns) == COLUMNS for frame in audiences(folder / "ex").values())
        assert (folder / "ex" / "customers_by_value.csv").exists()


def test_the_command_exports_raw_tables_with_offers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """data=…: audiences with the columns asked for, the list by value, and the same segments as score gives."""
    source = shop()
    for name, table in source.tables.items():
        table.frame.to_parquet(f"{name}.parquet")
    (folder / "conf" / "data").mkdir(parents=True)
    lines = ["name: shop", *(f"{name}: {{path: {name}.parquet}}" for name in source.tables)]
    (folder / "conf" / "data" / "shop.yaml").write_text("\n".join(lines), encoding="utf-8")
    options = ["data=shop", "output=ex", "next_categories=1", "quiet=true", "--config-dir", "conf"]
    assert main(["export", "model=m", *options]) == 0
    assert "customers in falling revenue: ex/customers_by_value.csv" in capsys.readouterr().out
    found = audiences(folder / "ex")
    assert all(list(frame.columns) == [*COLUMNS, "next_category_1"] for frame in found.values())
    assert sum(map(len, found.values())) == 82
