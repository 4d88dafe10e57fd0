"""Scoring prospects: by files, raw tables, training and MLflow they are placed as the classifier says."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patronage import config
from patronage.card import model_card
from patronage.catalogue import Catalogue
from patronage.cli import main
from patronage.errors import InvalidInputError
from patronage.journal import Journal
from patronage.model import SegmentationModel
from patronage.numbering import Numbering, number_segments
from patronage.packaging import package
from patronage.periods import scoring_window
from patronage.prospects import Prospects, learn_prospects
from patronage.recipe import FittedRecipe, Recipe, fit_recipes
from patronage.refit import Refit, refit_shortlist
from patronage.scoring import FileOutput, features_of, from_file, model_digest, score
from patronage.tables import open_tables
from patronage.tracking import register, tracked_run
from patronage.train import prepare
from patronage.training import Training
from patronage.windows import Window
from tests.conftest import declared
from tests.profiled import Planted, planted_profiles, simple
from tests.scored import feature_table, small_model


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Customers of known personas, most of whom buy."""
    return planted_profiles(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def learned(planted: Planted) -> Prospects:
    """What is learned from the buyers."""
    return learn_prospects(planted.catalogue.features, planted.table.active, planted.labels, 6)


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    """A small model with profiles of a number and a category, which no segments are formed by."""
    features, frame, label = simple(noise=0.05)
    profile = tuple(replace(feature, role="descriptor") for feature in features)
    classifier = learn_prospects(profile, frame, label, 2).classifier
    one = small_model()
    return replace(one, catalogue=Catalogue((*one.catalogue.features, *profile)), profiles=classifier)


def profiled() -> pd.DataFrame:
    """Customers of every status with a profile; those of even number are in the east, and some tell nothing."""
    table = feature_table()
    even = np.arange(len(table)) % 2 == 0
    table["income"] = np.where(even, 100.0, 0.0)
    table["town"] = pd.Series(np.where(even, "east", "west"), dtype="str")
    table.loc[::7, ["income", "town"]] = None
    return table


def test_prospects_are_placed_by_profile_and_others_by_behaviour(model: SegmentationModel) -> None:
    """The basis tells which; who told nothing is unassigned; behaviour's figures are what they are without profiles."""
    table = profiled()
    scored = model.predict(table)
    prospect = (table["customer_status"] == "prospect").to_numpy()
    told = table["town"].notna().to_numpy()
    placed = scored[prospect & told]
    assert set(placed["basis"]) == {"profile"}
    assert (placed["segment_id"] == np.where(table["town"][prospect & told] == "east", "S02", "S01")).all()
    assert placed["confidence"].between(0.8, 1).all()
    assert (placed["runner_up_id"] != placed["segment_id"]).all()
    assert placed["atypicality"].isna().all()
    nowhere = scored[prospect & ~told]
    assert set(nowhere["segment_id"]) == {"unassigned"}
    assert set(nowhere["basis"]) == {"none"}
    assert nowhere[["confidence", "runner_up_id"]].isna().all(axis=None)
    without = replace(model, profiles=None).predict(table)
    pd.testing.assert_frame_equal(scored[~prospect], without[~prospect], check_exact=True)
    assert set(without["basis"][prospect]) == {"none"}


def test_a_packaged_model_places_prospects_as_before(model: SegmentationModel, tmp_path: Path) -> None:
    """Saved and loaded, it gives the same bits; no pickle and no further file is needed."""
    model.save(tmp_path / "m")
    again = SegmentationModel.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.predict(profiled()), model.predict(profiled()), check_exact=True)
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"model.json", "arrays.npz"}
    assert model_digest(again) == model_digest(model)


@dataclass
class Package:
    """What a package holds."""

    document: dict
    arrays: dict[str, np.ndarray]

    def change(self, name: str, by: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change one of the classifier's arrays."""
        self.arrays[f"profiles/{name}"] = by(self.arrays[f"profiles/{name}"])

    def widen(self) -> None:
        """Let the classifier have twice as many segments as the model."""
        for name in ("coefficients", "intercepts"):
            self.change(name, lambda array: np.repeat(array, 2, axis=-1))

    @property
    def column(self) -> dict:
        """The first column of the profile's space."""
        return self.document["profiles"]["representation"]["columns"][0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda held: held.arrays.pop("profiles/coefficients"),
        lambda held: held.change("intercepts", lambda array: array[:1]),
        lambda held: held.change("coefficients", lambda array: array + np.nan),
        lambda held: held.document["profiles"].update(temperature="warm"),
        lambda held: held.column.update(feature="shoe_size"),
        lambda held: held.document.update(min_confidence=7),
        lambda held: held.document.pop("profiles"),
        Package.widen,
    ],
)
def test_tampered_profiles_do_not_load(
    damage: Callable[[Package], object], model: SegmentationModel, tmp_path: Path
) -> None:
    """A clear message instead of a wrong model."""
    model.save(tmp_path / "m")
    with np.load(tmp_path / "m" / "arrays.npz") as stored:
        held = Package(json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8")), dict(stored))
    damage(held)
    (tmp_path / "m" / "model.json").write_text(json.dumps(held.document), encoding="utf-8")
    np.savez(tmp_path / "m" / "arrays.npz", **held.arrays)
    with pytest.raises(InvalidInputError, match="damaged or was tampered with"):
        SegmentationModel.load(tmp_path / "m")


def test_what_decides_about_prospects_is_part_of_the_fingerprint(model: SegmentationModel) -> None:
    """Another classifier or least confidence makes another model."""
    assert model.profiles is not None
    others = [
        replace(model, profiles=None),
        replace(model, min_confidence=0.5),
        replace(model, profiles=replace(model.profiles, min_confidence=0.6)),
        replace(model, profiles=replace(model.profiles, intercepts=model.profiles.intercepts + 1e-9)),
    ]
    assert len({model_digest(one) for one in [model, *others]}) == 5


@pytest.mark.parametrize("name", ["f.parquet", "f.csv", "f.jsonl"])
def test_a_file_is_scored_as_the_model_says(name: str, model: SegmentationModel, tmp_path: Path) -> None:
    """Profile columns are read from files of every kind."""
    table = profiled()
    writers = {".parquet": table.to_parquet, ".csv": table.to_csv}
    if name == "f.jsonl":
        table.to_json(tmp_path / name, orient="records", lines=True)
    else:
        writers[Path(name).suffix](tmp_path / name, index=False)
    score(model, from_file(tmp_path / name, model), FileOutput(tmp_path / "s.parquet"), chunk_rows=70)
    found = pd.read_parquet(tmp_path / "s.parquet").drop(columns="customer_id")
    pd.testing.assert_frame_equal(found, model.predict(table), check_exact=True)


def test_without_profile_columns_prospects_stay_unassigned_and_it_is_said_once(
    model: SegmentationModel, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part of a profile is none: the line names the columns, and all others are scored as ever."""
    # Whatever a test before this one made of the journal, it is heard once.
    monkeypatch.setattr(logging.getLogger("patronage"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("patronage"), "handlers", [])
    table = profiled()
    caplog.set_level(logging.WARNING, "patronage")
    table.drop(columns="town").to_parquet(tmp_path / "f.parquet")
    score(model, from_file(tmp_path / "f.parquet", model), FileOutput(tmp_path / "s.parquet"), chunk_rows=50)
    told = [record.getMessage() for record in caplog.records if "profile" in record.getMessage()]
    assert told == [
        "the feature table lacks 1 column(s) of the profile: town; customers who never bought stay unassigned"
    ]
    found = pd.read_parquet(tmp_path / "s.parquet").drop(columns="customer_id")
    pd.testing.assert_frame_equal(found, replace(model, profiles=None).predict(table), check_exact=True)


def test_a_bad_profile_sets_aside_prospects_alone(model: SegmentationModel, tmp_path: Path) -> None:
    """A word where a profile's number belongs stops a prospect, and nobody who is placed by behaviour."""
    table = profiled().astype({"income": object})
    first, other = table.index[table["customer_status"] == "prospect"][:2]
    active = table.index[table["customer_status"] == "active"][0]
    table.loc[[first, active], "income"] = "Sekret"
    table.loc[other, "income"] = "inf"
    table.to_csv(tmp_path / "f.csv", index=False)
    done = score(model, from_file(tmp_path / "f.csv", model), FileOutput(tmp_path / "s.parquet"))
    assert dict(done.rejected) == {"income: not a number": 1, "income: not finite": 1}
    assert done.n_customers == len(table) - 2
    scored = pd.read_parquet(tmp_path / "s.parquet").set_index("customer_id")
    assert table.loc[active, "customer_id"] in scored.index


def test_raw_tables_are_given_their_profiles(planted: Planted, learned: Prospects) -> None:
    """Profile features are built beside the model's own; what tables lack is left out, and is no error."""
    own = next(one for one in declared("rfm") if one.name == "recency_days")
    model = replace(small_model(), catalogue=Catalogue((own, *planted.catalogue.features)), profiles=learned.classifier)
    basis = {feature.name for feature in model.catalogue.basis}
    with open_tables(planted.source) as tables:
        table = features_of(tables, model, None)
    assert set(table.frame.columns) == basis | {feature.name for feature in model.profile_inputs}
    assert "income_per_year" in table.frame.columns
    assert not {"age_years", "gender"} & set(table.frame.columns)
    customers = planted.source.tables["customers"]
    fewer = replace(customers, query="SELECT * EXCLUDE (income) FROM files", files={"files": customers.path}, path=None)
    lacking = replace(planted.source, tables={**planted.source.tables, "customers": fewer})
    with open_tables(lacking) as tables:
        table = features_of(tables, model, None)
    assert model.lacking_profile(table.frame.columns) == ["income_per_year"]


@dataclass(frozen=True)
class Made:
    """A model as training makes it, and what it was made of."""

    model: SegmentationModel
    newest: pd.DataFrame
    customers: pd.DataFrame
    training: Training
    refit: Refit


@pytest.fixture(scope="module")
def made(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Four segments of the planted buyers, refitted and packaged; prospects stand among the customers."""
    place = tmp_path_factory.mktemp("made")
    options = ["features=[rfm,basket,demographic,psychographic,influence]", "representation=standard"]
    options += ["clusterer=[kmeans]", "clusterer.kmeans.grid.n_clusters=[4]", f"output={place}/model", "workers=1"]
    options += [f"tracking.uri=sqlite:///{place}/mlflow.db"]
    training = replace(config.training(config.compose_config("train", options)), data=planted.source)
    read = prepare(training, Journal())
    recipe = Recipe(read.catalogue.basis, training.representation, training.clusterers[0].candidates()[0])
    former = fit_recipes([recipe], read.learn.features, read.learn.outcomes, seed=0)
    (again,) = refit_shortlist(former, read.last, read.newest, n_refits=6, seed=0, workers=1)
    assert isinstance(former[0], FittedRecipe)
    assert isinstance(again, Refit)
    assert read.headline is not None
    labels = former[0].assign(read.judged.features).label
    numbered = number_segments(again, labels, read.judged.outcomes[read.headline.name])
    about = {"candidate": recipe.name, "why": "", "data": "planted", "metrics": {}, "confirm": {}}
    model = package(
        again, read.newest, read.catalogue, numbered, read.windows.refit, about,
        min_confidence=0.7, min_prospect_confidence=0.4,
    )  # fmt: skip
    with open_tables(planted.source) as tables:
        table = features_of(tables, model, None)
    customers = table.frame.assign(customer_status=table.status)
    return Made(model, read.newest, customers, training, again)


def test_training_packages_what_it_found_about_prospects(made: Made) -> None:
    """The card tells the recall of every segment; the thresholds that were asked for are the model's."""
    assert made.model.profiles is not None
    assert made.model.profiles.min_confidence == 0.4
    told = made.model.about["prospects"]
    assert told["why_not"] == ""
    card = model_card(made.model)
    for segment, recall in zip(made.model.segments, told["evaluation"]["recall"], strict=True):
        assert f"| recall of {segment.id} | {recall:.2f} |" in card
    scored = made.model.predict(made.customers)
    assert (scored["basis"] == "profile").any()


def test_the_share_that_loses_its_segment_is_told(made: Made) -> None:
    """The card's share of customers below the least confidence is the share that scoring withholds."""
    share = made.model.about["confidence"]["withheld_share"]
    scored = made.model.predict(made.newest)
    assert share > 0
    assert (scored["segment_id"] == "unassigned").mean() == pytest.approx(share)
    assert f"At the newest day that is so of {share:.1%} of the active ones" in model_card(made.model)


def test_without_orders_nobody_is_a_prospect(made: Made, planted: Planted) -> None:
    """Where customers cannot be told from those who never bought, there is no classifier, and the reason is told."""
    numbered = Numbering([segment.id for segment in made.model.segments], {}, 4)
    window = scoring_window_of(planted)
    found = package(
        made.refit, made.newest, made.model.catalogue, numbered, window, dict(made.model.about), prospects_exist=False
    )
    assert found.profiles is None
    assert "without orders" in found.about["prospects"]["why_not"]


def scoring_window_of(planted: Planted) -> Window:
    """The newest window of the planted tables."""
    with open_tables(planted.source) as tables:
        return scoring_window(tables, None, 182, 91)


SCRIPT = """
import sys, mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/customer-segments@challenger")
given = pd.read_parquet(f"{sys.argv[2]}/f.parquet")
model.predict(given).to_parquet(f"{sys.argv[2]}/whole.parquet")
model.predict(given.drop(columns=sys.argv[3:])).to_parquet(f"{sys.argv[2]}/part.parquet")
"""


def test_mlflow_serves_prospects_with_and_without_their_profile(made: Made, tmp_path: Path) -> None:
    """Profile columns are optional in the signature: without them prospects are unassigned, the others as ever."""
    made.customers.reset_index().to_parquet(tmp_path / "f.parquet")
    with tracked_run(made.training.tracking, {}) as run:
        register(run, made.model, made.newest)
        run.log_confidence(made.model.about)
        figures = {file.path for file in run.client.list_artifacts(run.run_id, "figures")}
        metrics = run.client.get_run(run.run_id).data.metrics
    assert figures == {"figures/reliability.png"}
    assert metrics["prospects/skill"] == pytest.approx(made.model.about["prospects"]["evaluation"]["skill"])
    optional = [feature.name for feature in made.model.profile_inputs]
    assert optional
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, made.training.tracking.resolved_uri(), str(tmp_path), *optional],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    whole, part = (pd.read_parquet(tmp_path / f"{name}.parquet").set_index("customer_id") for name in ("whole", "part"))
    pd.testing.assert_frame_equal(whole, made.model.predict(made.customers), check_exact=True)
    pd.testing.assert_frame_equal(part, replace(made.model, profiles=None).predict(made.customers), check_exact=True)


def test_the_least_confidence_may_be_set_when_scoring(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`patronage score min_confidence=0` gives everyone a segment; a number that is no probability is refused."""
    made.model.save(tmp_path / "m")
    made.customers.reset_index().to_parquet(tmp_path / "f.parquet")
    scoring = ["score", f"model={tmp_path}/m", f"input={tmp_path}/f.parquet", f"output={tmp_path}/s.parquet"]
    assert main([*scoring, "min_confidence=0", "quiet=true"]) == 0
    found = pd.read_parquet(tmp_path / "s.parquet").set_index("customer_id")
    pd.testing.assert_frame_equal(
        found, replace(made.model, min_confidence=0.0).predict(made.customers), check_exact=True
    )
    assert main([*scoring, "min_confidence=7"]) == 2
    assert "min_confidence must be from 0 to 1; got 7" in capsys.readouterr().err
