"""The packaged model: the same answer alone, together, reloaded, and through MLflow in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage import config
from patronage.card import model_card
from patronage.errors import InvalidInputError
from patronage.journal import Journal
from patronage.model import SegmentationModel
from patronage.numbering import number_segments
from patronage.packaging import package
from patronage.recipe import FittedRecipe, Recipe, RepresentationChoice, fit_recipes
from patronage.refit import Refit, refit_shortlist
from patronage.scoring import features_of
from patronage.tables import open_tables
from patronage.tracking import register, tracked_run
from patronage.train import prepare
from patronage.training import Prepared, Training
from tests.conftest import SMALL, Shop

CLUSTERERS = [
    "clusterer=[kmeans,gmm,hdbscan,agglomerative,rfm_grid]",
    "clusterer.kmeans.grid.n_clusters=[3]",
    "clusterer.gmm.grid.n_components=[3]",
    "clusterer.hdbscan.grid={min_cluster_size: [30], min_samples: [5]}",
    "clusterer.agglomerative.grid.n_clusters=[3]",
    "clusterer.rfm_grid.grid.n_clusters=[3]",
]
KINDS = ("centroid", "mixture", "density", "typing", "grid")
"""Kinds of assigners, in the order of the clusterers that they come of."""


@pytest.fixture(scope="module")
def prepared(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, Prepared]:
    """What training on the shop reads and builds, for a clusterer of every kind."""
    place = tmp_path_factory.mktemp("models")
    given = [option for option in SMALL if not option.startswith("clusterer")]
    given += [*CLUSTERERS, f"output={place}/model", f"tracking.uri=sqlite:///{place}/mlflow.db"]
    training = config.training(config.compose_config("train", given, str(shop.folder)))
    return training, prepare(training, Journal())


@pytest.fixture(scope="module")
def models(prepared: tuple[Training, Prepared]) -> dict[str, SegmentationModel]:
    """A model of each kind of assigner, and one of the standard representation, made as training makes the winner's."""
    training, read = prepared
    assert read.headline is not None
    candidates = [clusterer.candidates()[0] for clusterer in training.clusterers]
    recipes = [Recipe(read.catalogue.basis, training.representation, candidate) for candidate in candidates]
    recipes.append(Recipe(read.catalogue.basis, RepresentationChoice("standard"), candidates[0]))
    fitted = fit_recipes(recipes, read.learn.features, read.learn.outcomes, seed=0)
    made = {}
    for name, former, again in zip(
        (*KINDS, "standard"),
        fitted,
        refit_shortlist(fitted, read.last, read.newest, n_refits=3, seed=0, workers=1),
        strict=True,
    ):
        assert isinstance(former, FittedRecipe)
        assert isinstance(again, Refit)
        labels = former.assign(read.judged.features).label
        numbered = number_segments(again, labels, read.judged.outcomes[read.headline.name])
        about = {"candidate": former.recipe.name, "why": "", "data": "shop", "metrics": {}, "confirm": {}}
        made[name] = package(again, read.newest, read.catalogue, numbered, read.windows.refit, about)
    return made


@pytest.fixture(scope="module")
def customers(models: dict[str, SegmentationModel], shop: Shop) -> pd.DataFrame:
    """All customers of the shop at the newest day, as a feature table; all models have the same features."""
    source = config.data_source(config.compose_config("score", ["data=shop"], str(shop.folder))["data"])
    with open_tables(source) as tables:
        table = features_of(tables, models["centroid"], None)
    return table.frame.assign(customer_status=table.status)


SCRIPT = """
import sys, mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
for name in sys.argv[3:]:
    model = mlflow.pyfunc.load_model(f"models:/{name}@challenger")
    model.predict(pd.read_parquet(f"{sys.argv[2]}/f.parquet")).to_parquet(f"{sys.argv[2]}/{name}.parquet")
"""


@pytest.fixture(scope="module")
def elsewhere(
    models: dict[str, SegmentationModel],
    customers: pd.DataFrame,
    prepared: tuple[Training, Prepared],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, pd.DataFrame]:
    """What plain MLflow says of all customers by each registered model, in a process without this one's state."""
    training, read = prepared
    folder = tmp_path_factory.mktemp("elsewhere")
    customers.reset_index().to_parquet(folder / "f.parquet")
    for name, model in models.items():
        with tracked_run(replace(training.tracking, registered_model=name), training.config) as run:
            register(run, model, read.newest)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, training.tracking.resolved_uri(), str(folder), *models],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return {name: pd.read_parquet(folder / f"{name}.parquet").set_index("customer_id") for name in models}


@pytest.fixture(params=[*KINDS, "standard"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of model in turn."""
    name: str = request.param
    return name


@pytest.fixture
def made(models: dict[str, SegmentationModel], kind: str) -> SegmentationModel:
    """A model of this kind."""
    return models[kind]


def test_every_kind_of_assigner_is_among_the_models(models: dict[str, SegmentationModel]) -> None:
    """Each clusterer's model holds the assigner it is called after, and both representations are there."""
    assert {name: model.assigner.kind for name, model in models.items()} == {
        **{kind: kind for kind in KINDS},
        "standard": "centroid",
    }
    assert {model.representation.kind for model in models.values()} == {"outcome_aware", "standard"}


def test_scoring_one_by_one_equals_scoring_together(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """Bit for bit, whatever the batch."""
    together = made.predict(customers)
    alone = pd.concat([made.predict(customers.iloc[[row]]) for row in range(0, len(customers), 7)])
    pd.testing.assert_frame_equal(together.loc[alone.index], alone, check_exact=True)


def test_any_batch_gives_the_same_answer(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """Shuffled and cut anywhere, every customer gets what it gets among all."""
    together = made.predict(customers)

    @settings(max_examples=15, deadline=None)
    @given(st.permutations(list(range(0, len(customers), 5))), st.integers(1, 59))
    def holds(order: list[int], cut: int) -> None:
        batches = [customers.iloc[order[:cut]], customers.iloc[order[cut:]]]
        scored = pd.concat([made.predict(batch) for batch in batches if len(batch)])
        pd.testing.assert_frame_equal(together.loc[scored.index], scored, check_exact=True)

    holds()


def test_a_reloaded_model_equals_the_original(made: SegmentationModel, customers: pd.DataFrame, tmp_path: Path) -> None:
    """Saved and loaded, it gives the same bits and knows the same about itself."""
    made.save(tmp_path / "m")
    again = SegmentationModel.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.predict(customers), made.predict(customers), check_exact=True)
    assert again.segments == made.segments
    assert again.catalogue == made.catalogue


def test_the_registered_model_equals_the_packaged_one_in_another_process(
    kind: str, made: SegmentationModel, elsewhere: dict[str, pd.DataFrame], customers: pd.DataFrame
) -> None:
    """Plain `mlflow.pyfunc.load_model`, without this process's state, gives the same answer."""
    pd.testing.assert_frame_equal(elsewhere[kind], made.predict(customers), check_exact=True)


def test_every_customer_gets_one_complete_line(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """Known segments, confidence and atypicality within 0 and 1, another segment as runner-up."""
    scored = made.predict(customers)
    ids = {segment.id for segment in made.segments}
    placed = scored[scored["segment_id"].isin(ids)]
    assert len(scored) == len(customers)
    assert set(scored["segment_id"]) <= ids | {"unassigned", "dormant"}
    assert placed["confidence"].between(0, 1).all()
    assert placed["atypicality"].between(0, 1).all()
    assert (placed["runner_up_id"] != placed["segment_id"]).all()
    assert set(placed["basis"]) == {"behaviour"}


def test_prospects_and_dormant_customers_get_reserved_segments(
    made: SegmentationModel, customers: pd.DataFrame
) -> None:
    """Who never bought is unassigned without a basis; who has stopped is dormant."""
    changed = customers.iloc[:3].assign(customer_status=["prospect", "dormant", "active"])
    scored = made.predict(changed)
    assert scored["segment_id"].to_list()[:2] == ["unassigned", "dormant"]
    assert scored["basis"].to_list()[:2] == ["none", "behaviour"]
    assert scored["confidence"].isna().to_list()[:2] == [True, True]


def test_scoring_leaves_its_input_alone(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """The feature table is not changed in place."""
    before = customers.copy(deep=True)
    made.predict(customers)
    pd.testing.assert_frame_equal(customers, before)


def test_a_table_of_other_features_is_refused(made: SegmentationModel) -> None:
    """The message names columns that are missing and how to make them."""
    with pytest.raises(InvalidInputError, match=r"lacks \d+ of the model's \d+ columns: .*patronage features"):
        made.predict(pd.DataFrame({"shoe_size": [43.0]}))


def test_a_value_that_is_no_number_is_counted_not_shown(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """Column and count are told; the value is not."""
    name = made.input_columns[-1]
    bad = customers.iloc[:2].astype({name: object})
    bad.iloc[0, bad.columns.get_loc(name)] = "Sekret"
    with pytest.raises(InvalidInputError, match=rf"column {name}: 1 value\(s\) are no finite numbers") as caught:
        made.predict(bad)
    assert "Sekret" not in str(caught.value)


def tampered(change: Callable[[dict], None]) -> Callable[[Path], None]:
    """Rewrite model.json with a change."""

    def rewrite(folder: Path) -> None:
        document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        change(document)
        (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")

    return rewrite


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "model.json").unlink(), "holds no patronage model"),
        (lambda folder: (folder / "model.json").write_text("{", encoding="utf-8"), "holds no patronage model"),
        (tampered(lambda document: document.update(format_version=99)), "format version 99"),
        (tampered(lambda document: document.update(assigner="pickle")), "damaged or was tampered with"),
        (tampered(lambda document: document.pop("segments")), "damaged or was tampered with"),
        (lambda folder: (folder / "arrays.npz").write_bytes(b"PK"), "damaged or was tampered with"),
        (lambda folder: (folder / "arrays.npz").unlink(), "damaged or was tampered with"),
    ],
)
def test_a_damaged_package_does_not_load(
    damage: Callable[[Path], None], says: str, made: SegmentationModel, tmp_path: Path
) -> None:
    """A clear message instead of a wrong model."""
    made.save(tmp_path / "m")
    damage(tmp_path / "m")
    with pytest.raises(InvalidInputError, match=says):
        SegmentationModel.load(tmp_path / "m")


WRONG = {
    "centroid": {"centres": lambda centres: centres * np.nan},
    "mixture": {"means": lambda means: means[:, :-1], "weights": lambda weights: -weights},
    "density": {"cluster_parent": lambda parent: parent + 10**6, "point_cluster": lambda cluster: cluster + 10**6},
    "typing": {
        "points": lambda points: points * np.inf,
        "labels": lambda labels: labels * 10**9,
        "noise": lambda _: np.array("x"),
    },
    "grid": {
        "segment_of_cell": lambda cells: cells + 10**6,
        "edges": lambda edges: edges[:, ::-1],
        "centres": lambda centres: centres[:, :-1],
    },
}


def test_tampered_arrays_do_not_load(made: SegmentationModel, tmp_path: Path) -> None:
    """Indices that point elsewhere, numbers that are none and wrong shapes are found before anyone is scored."""
    for name, change in WRONG[made.assigner.kind].items():
        made.save(tmp_path / "m")
        with np.load(tmp_path / "m" / "arrays.npz") as stored:
            arrays = dict(stored)
        arrays[f"assigner/{name}"] = change(arrays[f"assigner/{name}"])
        np.savez(tmp_path / "m" / "arrays.npz", **arrays)
        with pytest.raises(InvalidInputError, match="damaged or was tampered with"):
            SegmentationModel.load(tmp_path / "m")


def test_who_is_in_no_segment_is_as_atypical_as_can_be(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """An active customer without a segment has no confidence and an atypicality of 1, whatever places customers."""
    scored = made.predict(customers[customers["customer_status"] == "active"])
    outside = scored[scored["segment_id"] == "unassigned"]
    assert (outside["atypicality"] == 1).all()
    assert outside["confidence"].isna().all()


def test_saving_replaces_the_folder_as_a_whole(made: SegmentationModel, tmp_path: Path) -> None:
    """Nothing of the former package stays behind, and no temporary folder either."""
    made.save(tmp_path / "m")
    (tmp_path / "m" / "trees.skops").write_text("of a former model", encoding="utf-8")
    made.save(tmp_path / "m")
    assert {path.name for path in tmp_path.iterdir()} == {"m"}
    forest = tmp_path / "m" / "trees.skops"
    assert not forest.exists() or forest.read_bytes() != b"of a former model"


def test_confidence_rises_with_the_margin(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """Within a segment, the calibration never makes a clearer assignment less certain."""
    model = made
    active = customers[customers["customer_status"] == "active"]
    placed = model.assigner.assign(model.representation.transform(active))
    assigned = placed.label >= 0
    confidence = model.predict(active)["confidence"].to_numpy()[assigned]
    order = np.lexsort((placed.margin[assigned], placed.label[assigned]))
    same = np.diff(placed.label[assigned][order]) == 0
    assert (np.diff(confidence[order])[same] >= -1e-12).all()


def test_who_is_too_uncertain_is_in_no_segment(made: SegmentationModel, customers: pd.DataFrame) -> None:
    """Below `min_confidence` a customer is unassigned, and the runner-up is the segment it would have been in."""
    free = made.predict(customers)
    least = float(free["confidence"].median())
    strict = replace(made, min_confidence=np.nextafter(least, 2)).predict(customers)
    withheld = (free["confidence"] <= least).to_numpy()
    assert 0 < withheld.sum() < len(customers)
    assert set(strict["segment_id"][withheld]) == {"unassigned"}
    assert set(strict["segment_name"][withheld]) == {"Unassigned"}
    assert strict["runner_up_id"][withheld].to_list() == free["segment_id"][withheld].to_list()
    assert strict["confidence"][withheld].isna().all()
    assert strict["atypicality"].equals(free["atypicality"])
    assert strict["basis"].equals(free["basis"])
    pd.testing.assert_frame_equal(strict[~withheld], free[~withheld], check_exact=True)


def test_the_least_confidence_is_packaged(made: SegmentationModel, customers: pd.DataFrame, tmp_path: Path) -> None:
    """Saved and loaded, a model withholds as many customers as before."""
    strict = replace(made, min_confidence=0.99)
    strict.save(tmp_path / "m")
    again = SegmentationModel.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.predict(customers), strict.predict(customers), check_exact=True)


def test_a_model_tells_whether_its_confidence_holds(made: SegmentationModel) -> None:
    """What was told, what refits kept and how often stand in the model, and in its card, for every kind."""
    told = made.about["confidence"]
    assert 0 <= told["reliability"]["calibration_error"] <= 1
    assert sum(one["n"] for one in told["reliability"]["bins"]) <= 2 * sum(one.n_customers for one in made.segments)
    card = model_card(made)
    assert "## Confidence" in card
    assert all(f"| {one['n']:,} |" in card for one in told["reliability"]["bins"])


def test_a_shop_without_profiles_says_so(made: SegmentationModel) -> None:
    """Without profile features nobody can be placed before the first order, and the card says why."""
    assert made.profiles is None
    assert "never bought are `unassigned`: there are no profile features" in model_card(made)


def test_a_notebook_shows_the_segments_and_no_markup_of_the_data(models: dict[str, SegmentationModel]) -> None:
    """A name is made of categories, which may hold anything."""
    model = models["centroid"]
    named = replace(model, segments=tuple(replace(one, name="<script>x</script>") for one in model.segments))
    shown = named._repr_html_()
    assert model.segments[0].id in shown
    assert "<script>" not in shown
    assert model.table["segment_id"].to_list() == sorted(one.id for one in model.segments)
