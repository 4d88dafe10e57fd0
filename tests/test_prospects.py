"""Prospects: placed by their profile where profiles tell segments apart, and nowhere where they do not."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from patronage import config
from patronage.card import model_card
from patronage.catalogue import Catalogue, Feature
from patronage.cli import main
from patronage.datasets import planted_personas
from patronage.errors import InvalidInputError
from patronage.features import FeatureTable, build_features, learn_catalogue
from patronage.journal import Journal
from patronage.model import SegmentationModel
from patronage.numbering import Numbering, number_segments
from patronage.packaging import package
from patronage.periods import scoring_window
from patronage.prospects import ProfileClassifier, Prospects, learn_prospects, profile_features
from patronage.prospects.classifier import COOLEST
from patronage.prospects.judging import evaluate_profiles
from patronage.recipe import FittedRecipe, Recipe, fit_recipes
from patronage.refit import Refit, refit_shortlist
from patronage.scoring import FileOutput, features_of, from_file, model_digest, score
from patronage.tables import DataSource, open_tables
from patronage.tracking import register, tracked_run
from patronage.train import prepare
from patronage.training import Training
from patronage.windows import Window
from tests.conftest import declared
from tests.scored import feature_table, small_model

PROFILE_SETS = ("demographic", "geographic", "influence", "psychographic", "engagement", "stage")


@dataclass(frozen=True)
class Planted:
    """Customers of known personas, as features."""

    source: DataSource
    catalogue: Catalogue
    table: FeatureTable
    labels: np.ndarray
    would_be: np.ndarray

    @property
    def prospects(self) -> pd.DataFrame:
        """Who never bought."""
        return self.table.frame[self.table.status == "prospect"]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Customers whose profiles follow their persona, most of whom buy; labels are personas."""
    made = planted_personas(1_500, seed=1, prospect_share=0.2)
    source = made.write(tmp_path_factory.mktemp("planted"))
    with open_tables(source) as tables:
        window = scoring_window(tables, None, 182, 0)
        catalogue = learn_catalogue(tables, declared(*PROFILE_SETS), window)
        table = build_features(tables, catalogue, window)
    active, prospect = table.status == "active", table.status == "prospect"
    kinds = sorted(set(made.persona.astype(str).reindex(table.frame.index)[active]))
    code = {kind: number for number, kind in enumerate(kinds)}
    would_be = made.would_be.astype(str).reindex(table.frame.index).map(lambda kind: code.get(kind, -1)).to_numpy()
    return Planted(source, catalogue, table, would_be[active], would_be[prospect])


@pytest.fixture(scope="module")
def learned(planted: Planted) -> Prospects:
    """What is learned from the buyers."""
    return learn_prospects(planted.catalogue.features, planted.table.active, planted.labels, 6)


def test_profiles_that_follow_the_segment_place_prospects(planted: Planted, learned: Prospects) -> None:
    """Most prospects are placed, and most of these where they would be; better than the largest segment's share."""
    assert learned.why_not == ""
    assert learned.classifier is not None
    assert learned.evaluation is not None
    placed = learned.classifier.place(planted.prospects)
    somewhere = placed.label >= 0
    right = (placed.label == planted.would_be)[somewhere].mean()
    assert somewhere.mean() > 0.4
    assert right > 0.65
    assert learned.evaluation.majority < 0.3


def test_what_was_measured_on_customers_holds_for_prospects(planted: Planted, learned: Prospects) -> None:
    """Prospects whose profiles come about as customers' do are placed as often, and as well, as the evaluation says."""
    assert learned.classifier is not None
    assert learned.evaluation is not None
    probability = learned.classifier.probabilities(planted.prospects)
    best = probability.argmax(axis=1)
    assert (best == planted.would_be).mean() == pytest.approx(learned.evaluation.accuracy, abs=0.08)
    assert (probability.max(axis=1) >= 0.5).mean() == pytest.approx(learned.evaluation.placed_share, abs=0.08)
    # A probability of .6 comes true in 6 of 10.
    assert probability.max(axis=1).mean() == pytest.approx((best == planted.would_be).mean(), abs=0.08)
    assert learned.evaluation.reliability.calibration_error < 0.06


def test_shuffled_profiles_cannot_tell(planted: Planted) -> None:
    """Where profiles belong to other customers, there is no classifier, and the reason has figures in it."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        found = learn_prospects(
            planted.catalogue.features, planted.table.active, planted.labels[rng.permutation(len(planted.labels))], 6
        )
        assert found.classifier is None
        assert "no more" in found.why_not
        assert found.evaluation is not None
        assert found.evaluation.skill_low <= 0 or found.evaluation.macro_recall_low <= 1 / 6


def simple(n: int = 400, *, noise: float = 0.0) -> tuple[tuple[Feature, ...], pd.DataFrame, np.ndarray]:
    """A profile of a number and a category that tell two segments apart, but for some noise."""
    rng = np.random.default_rng(2)
    label = np.arange(n) % 2
    seen = np.where(rng.random(n) < noise, 1 - label, label)
    features = (Feature("income", "customers", "income"), Feature("town", "customers", "town", scale="one_hot"))
    frame = pd.DataFrame(
        {
            "income": seen * 100.0 + rng.normal(0, 10, n),
            "town": pd.array(np.where(seen == 1, "east", "west"), dtype="str"),
        },
        index=pd.Index([f"c{number}" for number in range(n)], name="customer_id"),
    )
    return features, frame, label


def test_profiles_that_say_it_all_are_found_to() -> None:
    """Of two segments that a profile parts completely, every customer is found."""
    found = learn_prospects(*simple(), 2).evaluation
    assert found is not None
    assert found.recall == (1, 1)
    assert (found.accuracy, found.placed_share, found.placed_accuracy) == (1, 1, 1)
    assert found.log_loss_prior == pytest.approx(np.log(2), abs=1e-3)
    assert found.skill > 0.9


def test_doubt_is_told_as_it_is() -> None:
    """Where a fifth of the profiles mislead, the probability is four fifths."""
    features, frame, label = simple(4_000, noise=0.2)
    found = learn_prospects(features, frame, label, 2)
    assert found.classifier is not None
    assert found.classifier.probabilities(frame).max(axis=1).mean() == pytest.approx(0.8, abs=0.02)
    assert found.evaluation is not None
    assert found.evaluation.accuracy == pytest.approx(0.8, abs=0.02)
    assert found.evaluation.recall == pytest.approx((0.8, 0.8), abs=0.03)
    assert found.evaluation.macro_recall_low < 0.8 < found.evaluation.macro_recall_high


def test_the_evaluation_never_sees_the_held_out_customers() -> None:
    """Labels that profiles tell in all folds but one are not found in that one."""
    features, frame, label = simple(500)
    folds = np.arange(500) // 2 % 5
    reversed_there = np.where(folds == 3, 1 - label, label)
    found = evaluate_profiles(features, frame, reversed_there, folds, 0.5, 0)
    assert found.accuracy == pytest.approx(0.8)
    assert found.recall == pytest.approx(tuple(recall_score(reversed_there, label, average=None)))


def test_a_guess_of_the_largest_segment_is_not_telling_apart() -> None:
    """Where profiles only shade the odds, so that everyone is put into the largest segment, nobody is placed."""
    rng = np.random.default_rng(0)
    n = 6_000
    label = (rng.random(n) < 0.15).astype(int)
    features, frame = (Feature("income", "customers", "income"),), pd.DataFrame({"income": label + rng.normal(0, 4, n)})
    found = learn_prospects(features, frame.set_axis([f"c{i}" for i in range(n)]), label, 2)
    assert found.evaluation is not None
    assert found.evaluation.skill_low > 0
    assert found.classifier is None
    assert "no more than the 50% of a guess" in found.why_not


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda given: (tuple(replace(one, role="sensitive") for one in given[0]), *given[1:]), "no profile features"),
        (lambda given: (given[0], given[1], np.zeros(400, dtype=int)), "too few customers"),
        (lambda given: (given[0], given[1].assign(income=1.0, town="east"), given[2]), "hardly differ"),
        (lambda given: (given[0], given[1].assign(income=np.nan, town=None), given[2]), "too few customers"),
        (lambda given: (given[0], given[1].iloc[:18], given[2][:18]), "too few customers .* 9 in one"),
    ],
)
def test_where_nothing_can_be_learned_the_reason_is_told(change: Callable, says: str) -> None:
    """Without features, customers or differences there is no classifier, and no error."""
    found = learn_prospects(*change(simple()), 2)
    assert found.classifier is None
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(found.why_not)


def test_a_single_segment_needs_no_classifier() -> None:
    """There is nothing to tell apart."""
    features, frame, label = simple()
    assert learn_prospects(features, frame, 0 * label, 1).why_not == "there is a single segment"


def test_customers_without_a_segment_teach_nothing() -> None:
    """Noise is left out: what is learned is the same as without these customers."""
    features, frame, label = simple()
    noise = np.arange(400) % 3 == 0
    found = learn_prospects(features, frame, np.where(noise, -1, label), 2)
    alone = learn_prospects(features, frame[~noise], label[~noise], 2)
    assert found.evaluation == alone.evaluation
    assert found.classifier is not None
    assert alone.classifier is not None
    assert found.classifier.coefficients.tolist() == alone.classifier.coefficients.tolist()


def test_only_what_one_has_before_the_first_purchase_is_a_profile(planted: Planted) -> None:
    """Profiles are of customers and answers; sensitive features, tenure and counts of answers are left out."""
    names = {feature.name for feature in profile_features(planted.catalogue.features)}
    assert {"income_per_year", "region", "followers", "acquisition_channel"} <= names
    assert any(name.startswith("item_score_") for name in names)
    known = {feature.name for feature in planted.catalogue.features}
    for left_out in ("age_years", "gender", "life_stage", "signed_up_days", "items_answered", "visits"):
        assert left_out in known or left_out == "visits"
        assert left_out not in names
    relations = {feature.relation for feature in profile_features(planted.catalogue.features)}
    assert relations == {"customers", "answers"}


def test_a_sensitive_feature_decides_only_where_it_was_made_basis() -> None:
    """Gender is a part of the profile if its role was set to basis, and not otherwise."""
    gender = next(one for one in declared("demographic") if one.name == "gender")
    assert profile_features([gender]) == ()
    assert profile_features([replace(gender, role="basis")]) != ()


def test_what_is_not_told_counts_as_the_average() -> None:
    """A customer who told only one thing is placed by it; unknown levels are as good as untold."""
    features, frame, label = simple()
    classifier = learn_prospects(features, frame, label, 2).classifier
    assert classifier is not None
    unknown = pd.DataFrame(
        {"income": [100.0, 100.0, np.nan, np.nan], "town": pd.Series([None, "moon", None, "moon"], dtype="str")}
    )
    placed = classifier.place(unknown)
    assert placed.label.tolist() == [1, 1, -1, -1]
    assert placed.runner_up.tolist() == [0, 0, -1, -1]
    probability = classifier.probabilities(unknown)
    assert probability[0].tolist() == probability[1].tolist()
    assert np.isnan(probability[2:]).all()


def test_an_untold_level_moves_nobody() -> None:
    """Who does not tell the town is as probable in each segment as the column of the income alone says."""
    features, frame, label = simple(1_000, noise=0.1)
    uneven = (label == 1) | (np.arange(1_000) % 10 == 0)  # a sixth of the customers are in the west
    classifier = learn_prospects(features, frame[uneven], label[uneven], 2).classifier
    assert classifier is not None
    (at,) = [n for n, column in enumerate(classifier.representation.columns_) if column.feature == "income"]
    column = classifier.representation.columns_[at]
    scaled = (70.0 - column.centre) / column.spread * column.weight
    scores = (classifier.intercepts + scaled * classifier.coefficients[at]) / classifier.temperature
    expected = np.exp(scores) / np.exp(scores).sum()
    for town in (None, "moon"):
        asked = pd.DataFrame({"income": [70.0], "town": pd.Series([town], dtype="str")})
        assert classifier.probabilities(asked)[0] == pytest.approx(expected)


def test_who_is_too_uncertain_is_placed_nowhere(planted: Planted, learned: Prospects) -> None:
    """Raising the least confidence places fewer; the runner-up is then the segment it would have been."""
    assert learned.classifier is not None
    free, strict = (replace(learned.classifier, min_confidence=least).place(planted.prospects) for least in (0.0, 0.8))
    assert (free.label >= 0).all()
    left = strict.label == -1
    assert 0 < left.sum() < len(left)
    assert (free.confidence[left] < 0.8).all()
    assert (strict.confidence[~left] >= 0.8).all()
    assert np.isnan(strict.confidence[left]).all()
    assert strict.runner_up[left].tolist() == free.label[left].tolist()
    assert strict.label[~left].tolist() == free.label[~left].tolist()


def test_probabilities_are_shares_and_the_same_in_any_batch(planted: Planted, learned: Prospects) -> None:
    """They sum to 1 for everyone who told anything, and are bit for bit the same alone and in any company."""
    classifier = learned.classifier
    assert classifier is not None
    together = classifier.probabilities(planted.prospects)
    assert together.sum(axis=1) == pytest.approx(1)

    @settings(max_examples=25, deadline=None)
    @given(st.permutations(range(len(planted.prospects))), st.integers(1, 60))
    def holds(order: list[int], n_rows: int) -> None:
        rows = np.array(order[:n_rows])
        assert np.array_equal(classifier.probabilities(planted.prospects.iloc[rows]), together[rows])

    holds()


def test_learning_does_not_depend_on_the_order_of_customers() -> None:
    """Folds are dealt by a hash of the id, so the verdict is the same however the rows come."""
    features, frame, label = simple(noise=0.3)
    order = np.random.default_rng(0).permutation(len(frame))
    found, again = (learn_prospects(features, frame.iloc[rows], label[rows], 2) for rows in (np.arange(400), order))
    assert found.evaluation is not None
    assert again.evaluation is not None
    assert again.evaluation.log_loss == pytest.approx(found.evaluation.log_loss, rel=1e-3)
    assert again.evaluation.recall == pytest.approx(found.evaluation.recall, abs=0.02)


def test_a_reloaded_classifier_is_the_same(planted: Planted, learned: Prospects) -> None:
    """From plain values and arrays it gives the same bits."""
    one = learned.classifier
    assert one is not None
    again = ProfileClassifier.from_state(json.loads(json.dumps(one.state())), one.arrays())
    assert np.array_equal(again.probabilities(planted.prospects), one.probabilities(planted.prospects))
    assert again.names == one.names


WRONG: dict[str, Callable[[ProfileClassifier], dict[str, object]]] = {
    "a segment less": lambda one: {"coefficients": one.coefficients[:, :-1]},
    "no numbers": lambda one: {"coefficients": one.coefficients * np.nan},
    "whole numbers": lambda one: {"coefficients": one.coefficients.astype(int)},
    "an intercept less": lambda one: {"intercepts": one.intercepts[:-1]},
    "infinite": lambda one: {"intercepts": one.intercepts + np.inf},
    "too cool": lambda one: {"temperature": one.temperature * 0 + COOLEST / 2},
    "no temperature": lambda one: {"temperature": one.temperature * float("nan")},
    "no probability": lambda one: {"min_confidence": one.min_confidence + 1},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_classifier_that_was_tampered_with_is_refused(case: str, learned: Prospects) -> None:
    """Shapes, types and values that fitting never gives are found before anyone is placed."""
    assert learned.classifier is not None
    with pytest.raises(ValueError, match="not one that was ever fitted"):
        replace(learned.classifier, **WRONG[case](learned.classifier))


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
    monkeypatch.setattr(logging.getLogger("patronage"), "propagate", True)
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


@pytest.mark.parametrize(("feature", "tells"), [("spend_per_month", True), ("recency_days", False)])
def test_real_demographics_tell_of_spend_and_not_of_recency(
    feature: str,
    tells: bool,  # noqa: FBT001
    complete_journey: DataSource,
) -> None:
    """On Complete Journey, who spends more than the median is found better than by chance, who came last is not."""
    with open_tables(complete_journey) as tables:
        window = scoring_window(tables, None, 182, 0)
        catalogue = learn_catalogue(tables, declared("rfm", "demographic"), window)
        active = build_features(tables, catalogue, window).active
    told = active["home_ownership"].notna() | active["household_size"].notna()
    ranks = active[feature].where(told).rank(method="first")
    labels = np.where(told, ranks > ranks.max() / 2, -1).astype(int)
    found = learn_prospects(catalogue.features, active, labels, 2)
    assert found.evaluation is not None
    assert found.evaluation.n_customers == 801
    assert (found.classifier is not None) == tells
    assert found.evaluation.accuracy < 0.65
