"""Registry life on a real store: retraining carries ids over, gates guard the champion, a rollback undoes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

from patronage import config
from patronage.challenge import ChallengeGates
from patronage.cli import main
from patronage.errors import InvalidConfigError
from patronage.journal import logger
from patronage.model import SegmentationModel
from patronage.scoring.building import features_of
from patronage.tables import open_tables
from patronage.tracking import (
    PromotionRefusedError,
    Tracking,
    TrackingError,
    find_champion,
    load_model,
    promote,
    rollback,
    why_refused,
)
from patronage.train import train
from patronage.training import Trained
from tests.conftest import SMALL, Shop

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")

NAME = "customer-segments"
SURE = 0.9
"""A confidence from which on an assignment counts as confident."""


class Registry:
    """A store of its own, trained into as a user does."""

    def __init__(self, shop: Shop, place: Path) -> None:
        self.shop, self.place = shop, place
        self.tracking = Tracking(f"sqlite:///{place}/mlflow.db", "patronage", NAME)
        self.client = mlflow.MlflowClient(self.tracking.uri, self.tracking.uri)

    def train(self, *overrides: str, folder: Path | None = None, k: str = "[3]") -> Trained:
        """Train with exactly so many segments."""
        options = [
            *SMALL,
            f"clusterer.kmeans.grid.n_clusters={k}",
            f"output={self.place}/model",
            f"tracking.uri={self.tracking.uri}",
            # Two outcomes tell as much here, and take half of the time.
            "~outcomes.coupon_orders",
            "~outcomes.private_label_spend",
            "selection.gates.jaccard=0",
            "selection.gates.ari=0",
            "selection.gates.ari_backtest=0",
            *overrides,
        ]
        return train(config.training(config.compose_config("train", options, str(folder or self.shop.folder))))

    def alone(self) -> SegmentationModel:
        """The package of the first version."""
        return load_model(self.tracking, f"models:/{NAME}/1")[0]

    def version(self, number: str) -> mlflow.entities.model_registry.ModelVersion:
        """A registered version."""
        return self.client.get_model_version(NAME, number)

    def aliases(self) -> dict[str, str]:
        """Alias → version."""
        return {alias: str(version) for alias, version in self.client.get_registered_model(NAME).aliases.items()}


Base = Callable[[str], Path]


@pytest.fixture(scope="module")
def bases(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Stores to copy, each made once: what was trained is read, and never changed."""
    made: dict[str, Path] = {}

    def base(name: str) -> Path:
        if name not in made:
            place = tmp_path_factory.mktemp(name.replace(" ", "_"))
            if name == "one in charge":
                kept = Registry(shop, place)
                kept.train()
                promote(kept.tracking)
            else:
                shutil.copy(base("one in charge") / "mlflow.db", place)
                kept = Registry(shop, place)
                options, k = {
                    "challenged": (("seed=5",), "[3]"),
                    "challenged by less": (("features=[rfm]",), "[2]"),
                    "challenged by more": ((), "[4]"),
                }[name]
                kept.train(*options, k=k)
            made[name] = place
        return made[name]

    return base


def opened(shop: Shop, base: Path, place: Path) -> Registry:
    """A copy of a store; what is trained into it lies beside what was trained before."""
    shutil.copy(base / "mlflow.db", place)
    return Registry(shop, place)


@pytest.fixture
def registry(shop: Shop, bases: Base, tmp_path: Path) -> Registry:
    """A store in which a model with three segments is in charge."""
    return opened(shop, bases("one in charge"), tmp_path)


@pytest.fixture
def challenged(shop: Shop, bases: Base, tmp_path: Path) -> Registry:
    """The same after another training, with another seed."""
    return opened(shop, bases("challenged"), tmp_path)


@pytest.fixture
def challenged_by_less(shop: Shop, bases: Base, tmp_path: Path) -> Registry:
    """The same after a training with two segments on fewer features."""
    return opened(shop, bases("challenged by less"), tmp_path)


@pytest.fixture
def challenged_by_more(shop: Shop, bases: Base, tmp_path: Path) -> Registry:
    """The same after a training with four segments."""
    return opened(shop, bases("challenged by more"), tmp_path)


@pytest.fixture(scope="module")
def place(shop: Shop) -> Callable[[SegmentationModel], pd.DataFrame]:
    """Places all customers of the shop at the newest day."""
    source = config.data_source(config.compose_config("score", ["data=shop"], str(shop.folder))["data"])

    def placed(model: SegmentationModel) -> pd.DataFrame:
        with open_tables(source) as tables:
            table = features_of(tables, model, None)
        return model.predict(table.frame.assign(customer_status=table.status))

    return placed


def unchanged(before: pd.DataFrame, after: pd.DataFrame) -> float:
    """Share of customers of a confident assignment whose segment id is the same."""
    sure = (before["confidence"] >= SURE) & (after["confidence"] >= SURE)
    assert sure.sum() > 100
    return float((before.loc[sure, "segment_id"] == after.loc[sure, "segment_id"]).mean())


def test_retraining_keeps_ids_and_names(registry: Registry, place: Callable[[SegmentationModel], pd.DataFrame]) -> None:
    """With another seed the segments keep ids and names, and 95 % of the confident customers their segment."""
    first = find_champion(registry.tracking).model
    second = registry.train("seed=11").model
    assert first is not None
    assert second is not None
    assert {one.id: one.name for one in first.segments} == {one.id: one.name for one in second.segments}
    assert unchanged(place(first), place(second)) >= 0.95
    assert [event["event"] for event in second.about["continuity"]] == ["persists"] * 3


def test_new_customers_change_no_id(
    registry: Registry, place: Callable[[SegmentationModel], pd.DataFrame], tmp_path: Path
) -> None:
    """With 5 % new customers the others keep their ids."""
    grown = tmp_path / "grown"
    shutil.copytree(registry.shop.folder, grown)
    lines = pd.read_csv(grown / "transactions.csv", dtype=str)
    names = lines["customer_id"].drop_duplicates().iloc[:15]
    more = lines[lines["customer_id"].isin(names)].copy()
    for column in ("customer_id", "order_id"):
        more[column] = "n" + more[column]
    pd.concat([lines, more]).to_csv(grown / "transactions.csv", index=False)
    tables = {name: {"path": str(grown / f"{name}.csv")} for name in ("transactions", "products", "customers")}
    (grown / "data" / "shop.yaml").write_text(yaml.safe_dump({"name": "shop", **tables}), encoding="utf-8")
    first, second = find_champion(registry.tracking).model, registry.train(folder=grown).model
    assert first is not None
    assert second is not None
    assert {one.id for one in first.segments} == {one.id for one in second.segments}
    assert unchanged(place(first), place(second)) >= 0.95


def test_one_segment_more_is_one_birth_and_its_id_is_never_reused(challenged_by_more: Registry) -> None:
    """A fourth segment gets S04; gone back to three and on to four again, the new fourth is S05.

    It is S05 also where the version that had S04 is deleted.
    """
    registry = challenged_by_more
    fourth, _ = load_model(registry.tracking, f"models:/{NAME}/2")
    events = [event["event"] for event in fourth.about["continuity"]]
    assert sorted(segment.id for segment in fourth.segments) == ["S01", "S02", "S03", "S04"]
    assert events.count("persists") == 3
    assert sum(event in ("birth", "split") for event in events) == 1
    promote(registry.tracking, force=True)
    rollback(registry.tracking)
    registry.client.delete_registered_model_alias(NAME, "previous")
    registry.client.delete_model_version(NAME, "2")
    assert find_champion(registry.tracking).last_number == 4
    fifth = registry.train("seed=3", k="[4]").model
    assert fifth is not None
    assert sorted(segment.id for segment in fifth.segments) == ["S01", "S02", "S03", "S05"]


def test_two_versions_that_gave_the_same_new_id_are_not_both_promoted(challenged_by_more: Registry) -> None:
    """Both were trained against the same champion, and both call a fourth segment S04: the second must train again."""
    registry = challenged_by_more
    registry.train("seed=3", k="[4]")
    promote(registry.tracking, "2", force=True)
    rollback(registry.tracking)
    with pytest.raises(PromotionRefusedError, match="may have given its new ids to others; train again"):
        promote(registry.tracking, "3", gates=ChallengeGates(1, 1, 1))


def test_ids_of_a_version_that_was_never_in_charge_may_be_given_again(shop: Shop, tmp_path: Path) -> None:
    """Trying things out uses up no ids: without a champion the first segment is S01 each time."""
    kept = Registry(shop, tmp_path)
    for _ in range(2):
        model = kept.train().model
        assert model is not None
        assert sorted(segment.id for segment in model.segments) == ["S01", "S02", "S03"]
        assert "continuity" not in model.about


def test_what_a_challenger_is_compared_by_stands_everywhere(challenged: Registry) -> None:
    """Version tags, the run's metrics and artifacts, and the card tell how the recipes compare."""
    model, _ = load_model(challenged.tracking, f"models:/{NAME}/2")
    figures = model.about["champion"]["figures"]
    assert model.about["champion"]["version"] == "1"
    assert figures["kept_difference_low"] <= figures["kept_difference"] <= figures["kept_difference_high"]
    assert figures["n_segments_champion"] == 3
    assert figures["changed_share"] <= 0.05
    tags = challenged.version("2").tags
    assert tags["champion.version"] == "1"
    assert float(tags["champion.kept_difference"]) == pytest.approx(figures["kept_difference"], rel=1e-4)
    run = challenged.client.get_run(challenged.version("2").run_id)
    assert run.data.metrics["champion/ari_champion"] == pytest.approx(figures["ari_champion"])
    table = pd.read_csv(f"{run.info.artifact_uri.removeprefix('file://')}/continuity.csv")
    assert list(table["segment_id"]) == ["S01", "S02", "S03"]
    assert (table["share_of_former"] > 0.9).all()
    assert "Beside the champion" in challenged.version("2").description


def test_the_same_recipe_on_the_same_data_is_no_better_and_no_worse(registry: Registry) -> None:
    """Against its own recipe with the same seed a challenger differs by nothing."""
    model = registry.train().model
    assert model is not None
    figures = model.about["champion"]["figures"]
    assert figures["kept_difference"] == figures["kept_difference_low"] == figures["kept_difference_high"] == 0
    assert figures["ari"] == figures["ari_champion"]
    assert figures["changed_share"] == 0


def test_a_champion_of_other_features_is_compared_all_the_same(registry: Registry) -> None:
    """The champion's recipe sees its own features and its own lookback, whatever the challenger's are."""
    model = registry.train("features=[rfm,basket]", "lookback_days=100").model
    assert model is not None
    figures = model.about["champion"]["figures"]
    assert figures["n_segments_champion"] == 3
    # The same recipe in the same learn window, trained by itself, keeps as much of what its own features foretell.
    alone = pd.Series(registry.alone().about["confirm"])
    ours = pd.Series(model.about["confirm"])
    outcomes = [name.removeprefix("r2_segments_") for name in alone.index if name.startswith("r2_segments_")]
    expected = sum(alone[f"r2_segments_{one}"] for one in outcomes) / sum(ours[f"r2_ceiling_{one}"] for one in outcomes)
    assert figures["kept_champion"] == pytest.approx(expected, abs=1e-4)


def test_promotion_keeps_the_former_champion_as_previous(challenged: Registry) -> None:
    """The champion gives way to the challenger; figures and versions are told, and the moment is marked."""
    done = promote(challenged.tracking)
    assert (done.version, done.former, done.forced) == ("2", "1", ())
    assert done.figures["changed_share"] <= 0.05
    assert challenged.aliases() == {"champion": "2", "previous": "1", "challenger": "2"}
    assert "promoted_at" in challenged.version("2").tags


def test_promoting_the_champion_changes_nothing(registry: Registry) -> None:
    """Whoever is in charge stays so, and there is no previous one."""
    assert promote(registry.tracking).former == "1"
    assert "previous" not in registry.aliases()


def test_a_challenger_that_falls_short_is_refused_unless_forced(
    challenged_by_less: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 3, the gate in words, nothing changed; with --force it is champion, and the gate is written on it."""
    store = f"tracking.uri={challenged_by_less.tracking.uri}"
    assert main(["promote", store]) == 3
    message = capsys.readouterr().err
    assert "does not become champion in place of version 1" in message
    assert "keeps less than the champion's recipe" in message
    assert challenged_by_less.aliases()["champion"] == "1"
    assert main(["promote", store, "--force"]) == 0
    assert "FORCED, although keeps less" in capsys.readouterr().out
    assert challenged_by_less.aliases()["champion"] == "2"
    assert "keeps less" in challenged_by_less.version("2").tags["promoted_by_force"]


def test_limits_are_options(challenged_by_less: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    """A reviewer who wants fewer segments raises the limits instead of forcing."""
    given = ["gates.max_kept_loss=1", "gates.max_ari_loss=1", "gates.max_changed_share=1"]
    assert main(["promote", f"tracking.uri={challenged_by_less.tracking.uri}", *given]) == 0
    assert "FORCED" not in capsys.readouterr().out


def test_a_version_that_was_never_compared_with_the_champion_is_refused(challenged: Registry) -> None:
    """Its ids were not matched with the champion's, so they could mean other segments."""
    challenged.train("seed=6")
    promote(challenged.tracking, "2")
    with pytest.raises(PromotionRefusedError, match=r"compared with version 1 .* not with version 2; train again"):
        promote(challenged.tracking, "3")
    assert challenged.aliases()["champion"] == "2"


def test_a_former_champion_may_return(challenged: Registry) -> None:
    """A version that was in charge before needs no comparison: what it gives is known."""
    promote(challenged.tracking)
    assert promote(challenged.tracking, "1").version == "1"


def test_rollback_undoes_a_promotion(challenged: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    """The previous champion is back, the other is previous and marked; a scheduled promote does not bring it back."""
    promote(challenged.tracking)
    store = f"tracking.uri={challenged.tracking.uri}"
    assert main(["rollback", store]) == 0
    assert capsys.readouterr().out == f"{NAME} version 1 is champion; version 2 is now previous\n"
    assert (challenged.aliases()["champion"], challenged.aliases()["previous"]) == ("1", "2")
    assert "rolled_back_at" in challenged.version("2").tags
    assert main(["rollback", store]) == 2
    assert "gave way by a rollback already" in capsys.readouterr().err
    assert main(["promote", store]) == 3
    assert "it was rolled back at" in capsys.readouterr().err
    assert main(["promote", store, "--force"]) == 0
    assert "rolled_back_at" not in challenged.version("2").tags
    assert "rolled back" in challenged.version("2").tags["promoted_by_force"]


def test_a_promotion_that_was_killed_halfway_is_nothing_to_go_back_to(challenged: Registry) -> None:
    """Where both aliases name the same version a rollback says so, instead of doing nothing."""
    challenged.client.set_registered_model_alias(NAME, "previous", "1")
    with pytest.raises(TrackingError, match="has no previous champion"):
        rollback(challenged.tracking)


def test_without_a_previous_champion_there_is_nothing_to_go_back_to(registry: Registry) -> None:
    """The message says so, and nothing changes."""
    with pytest.raises(TrackingError, match="has no previous champion"):
        rollback(registry.tracking)
    assert registry.aliases()["champion"] == "1"


def test_a_version_of_other_data_is_refused(challenged: Registry) -> None:
    """One registered name serves one data set: a champion of other data is replaced by force only."""
    challenged.client.set_model_version_tag(NAME, "1", "data", "another shop")
    with pytest.raises(PromotionRefusedError, match=r"on data=shop, the champion on data=another shop; .*registered"):
        promote(challenged.tracking)
    (reason,) = why_refused(challenged.tracking, "2")
    assert "the champion on data=another shop" in reason
    assert not why_refused(challenged.tracking, "1")


def test_a_lookback_that_data_do_not_cover_is_not_compared(registry: Registry) -> None:
    """Where the champion looks back further than the data before the learn window, ids are carried and no more."""
    model = registry.train("lookback_days=100", "outcome_days=125").model
    assert model is not None
    figures = model.about["champion"]["figures"]
    assert "changed_share" in figures
    assert "kept_difference" not in figures
    assert "ari_champion" not in figures
    assert promote(registry.tracking, gates=ChallengeGates(0, 0, 1)).version == "2"


def test_who_withholds_too_many_registers_nothing(registry: Registry) -> None:
    """A min_confidence that leaves most customers unassigned fails the gate on coverage, before anything is logged."""
    with pytest.raises(InvalidConfigError, match=r"min_confidence=1 leaves .* the gate coverage asks for"):
        registry.train("min_confidence=1", k="[4]")
    assert len(registry.client.search_model_versions(f"name='{NAME}'")) == 1


def test_a_champion_whose_package_is_damaged_stops_no_training(
    registry: Registry, bases: Base, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told of; nothing is carried over, but its ids are not given again."""
    model_id = registry.version("1").source.removeprefix("models:/")
    (stored,) = (bases("one in charge") / "mlartifacts" / "models" / model_id).rglob("model.json")
    whole = stored.read_bytes()
    stored.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    try:
        model = registry.train().model
    finally:
        stored.write_bytes(whole)
    assert model is not None
    assert any("version 1 cannot be read" in message for message in caplog.messages)
    assert sorted(segment.id for segment in model.segments) == ["S04", "S05", "S06"]


def test_promoting_what_does_not_exist_says_so(registry: Registry) -> None:
    """The message names model, version and remedy."""
    with pytest.raises(TrackingError, match=r"customer-segments has no version '99' .* train one first"):
        promote(registry.tracking, "99")


def test_a_store_without_the_model_has_no_champion(tmp_path: Path) -> None:
    """Before the first training there is nobody in charge, and no error."""
    found = find_champion(Tracking(f"sqlite:///{tmp_path}/m.db", "patronage", NAME))
    assert (found.version, found.model, found.last_number) == ("", None, 0)
