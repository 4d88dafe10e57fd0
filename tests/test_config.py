"""Configuration: every shipped option composes, every wrong key fails with one line that says what would do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from patronage import config
from patronage.clusterers import fit_clusterer
from patronage.errors import InvalidConfigError

CONF = config.config_folder()


def options(group: str) -> list[str]:
    """Names of the files of a config group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def composed(*overrides: str) -> dict:
    """The train configuration with overrides."""
    return config.compose_config("train", overrides)


@pytest.mark.parametrize(
    ("group", "option"),
    [
        (group, option)
        for group in ("data", "features", "outcomes", "representation", "clusterer", "selection", "experiment")
        for option in options(group)
    ],
)
def test_every_shipped_option_composes_into_values(group: str, option: str) -> None:
    """Each file of each group gives values that the stages accept."""
    listed = f"[{option}]" if group in ("features", "clusterer") else option
    config.training(composed(f"{group}={listed}"))


@pytest.mark.parametrize("command", sorted(config.SCHEMAS))
def test_every_command_composes_without_overrides(command: str) -> None:
    """The defaults of every command are complete."""
    assert config.compose_config(command, [])


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_every_shipped_file_says_what_it_is_for(path: Path) -> None:
    """A reader of any configuration file finds a comment."""
    text = path.read_text(encoding="utf-8")
    assert any(part.strip().startswith("# ") or " # " in part for part in text.splitlines())
    assert yaml.safe_load(text)


def test_a_misspelt_option_names_the_nearest_known_one() -> None:
    """One line, with the remedy."""
    with pytest.raises(InvalidConfigError, match=r"^lokback_days=100: .*'lokback_days'; did you mean lookback_days\?$"):
        composed("lokback_days=100")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("features.rfm.recency_days.sclae=log", "sclae"),
        ("data.transactions.pth=x", "pth"),
        ("selection.gates.arri=0.5", "arri"),
        ("clusterer.kmeans.gird=1", "gird"),
        ("tracking.url=x", "url"),
        ("clusterer=[kmeens]", "kmeens"),
        ("data=complete_journy", "complete_journy"),
        ("lookback_days=many", "lookback_days"),
        ("nonsense", "nonsense"),
        ("+nothing=1", "nothing"),
        ("+data.transactions.nothing=1", "nothing"),
        ("features=rfm,basket", "features=[rfm,basket]"),
        ("experiment=rfm_standrd", "rfm_standrd"),
        ("~features.rfm.nothing", "features.rfm.nothing"),
        ("data=null", "data=null: training needs one; name it, such as cdnow"),
        ("representation=null", "representation=null: training needs one"),
        ("seed=0,1", "to train with each in turn, add -m"),
    ],
)
def test_a_wrong_key_or_value_fails_in_one_line(override: str, says: str) -> None:
    """The line holds the word that is wrong."""
    with pytest.raises(InvalidConfigError) as caught:
        composed(override)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seed=-1", "seed must be from 0"),
        ("selection.tolerance=-1", "selection.tolerance must be 0 or more"),
        ("selection.tolerance=inf", "selection.tolerance must be 0 or more, and finite; got inf"),
        ("tracking.registered_model=shop/segments", "tracking.registered_model must be a name"),
        ("as_of=tomorrow", "as_of must be a day such as 2017-10-01; got 'tomorrow'"),
        ("fit_rows=49", "fit_rows must be at least 50"),
        ("lookback_days=0", "lookback_days must be from 1 to 100,000; got 0"),
        ("selection.weights={value/kpt: 1}", "value/kpt"),
        ("representation.kind=umpa", "umpa"),
        ("representation.parameters.n_tree=5", "n_tree"),
        ("representation.parameters.n_trees=5", "n_trees must be a whole number of at least 30"),
        ("clusterer.kmeans.parameters.n_inti=5", "n_inti"),
        ("clusterer.kmeans._target_=os.system", "os.system"),
        ("clusterer.kmeans.noise=drop", "noise"),
        ("clusterer.kmeans.embedding.n_neighbours=5", "clusterer.kmeans.embedding has no parameter 'n_neighbours'"),
        ("clusterer.kmeans.embedding.n_neighbors=1", "n_neighbors must be a whole number from 2 on; got 1"),
        ("clusterer.kmeans.grid.n_clusters=[]", "n_clusters"),
        ("clusterer.kmeans.neighbour_tolerance=11", "neighbour_tolerance must be from 0 (exact) to 10; got 11.0"),
        ("clusterer.kmeans.neighbour_tolerance=nan", "neighbour_tolerance must be from 0"),
        ("clusterer.kmeans.neighbour_tolerance=0.5", "only hdbscan.HDBSCAN without an embedding places customers by"),
        ("min_confidence=-0.1", "min_confidence must be from 0 to 1; got -0.1"),
        ("min_confidence=nan", "min_confidence must be from 0 to 1; got nan"),
        ("min_prospect_confidence=1.5", "min_prospect_confidence must be from 0 to 1; got 1.5"),
        ("data.transactions.null_key=ignore", "null_key"),
        ("features.rfm.recency_days.family=behavior", "family"),
    ],
)
def test_a_value_that_is_not_allowed_says_what_is(override: str, says: str) -> None:
    """Values are checked before any data is read."""
    key = override.partition("=")[0]
    plus = "+" if key.rpartition(".")[2] in ("n_tree", "n_inti") else ""
    with pytest.raises(InvalidConfigError) as caught:
        config.training(composed("features=[rfm]", "clusterer=[kmeans]", plus + override))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "/data/my shop/orders.csv",
        "/data/orders (1).csv",
        "/données/ventes d'été.csv",
        "postgresql://u:p@h:5432/db?a=b,c",
    ],
)
def test_a_path_needs_no_quotes_of_hydras_grammar(path: str) -> None:
    """Spaces, brackets, accents, apostrophes and URLs arrive as they are."""
    assert composed(f"data.transactions.path={path}")["data"]["transactions"]["path"] == path


def test_a_density_clusterer_can_place_by_approximate_neighbours() -> None:
    """The tolerance reaches the assigner that is fitted, and with it all that labels customers; exact otherwise."""
    points = np.vstack([np.random.default_rng(0).normal(centre, 0.5, (60, 2)) for centre in (0, 6, 12)])
    placed = []
    for asked in ([], ["clusterer.hdbscan.neighbour_tolerance=0.75"]):
        tried = config.training(composed("features=[rfm]", "clusterer=[hdbscan]", *asked)).clusterers[0]
        placed.append(fit_clusterer(tried.candidates()[0], points, seed=0).arrays()["neighbour_tolerance"])
    assert placed == [0.0, 0.75]


def test_no_outcomes_can_be_asked_for() -> None:
    """outcomes=null measures nothing later, whatever the default is."""
    assert composed("outcomes=null")["outcomes"] == {}


def test_an_option_that_a_feature_leaves_out_can_be_set() -> None:
    """Every option of a feature is there to be overridden, whether its file names it or not."""
    given = composed("features.demographic.age_years.role=basis", "features.rfm.recency_days.empty=5")
    assert given["features"]["demographic"]["age_years"]["role"] == "basis"
    assert given["features"]["rfm"]["recency_days"]["empty"] == 5


def test_a_feature_can_be_left_out_and_added() -> None:
    """Hydra's ~ and + work inside a feature set."""
    given = composed(
        "~features.rfm.tenure_days", "+features.rfm.largest={relation: orders, sql: 'max(revenue)', scale: log}"
    )
    assert "tenure_days" not in given["features"]["rfm"]
    assert [f.name for f in config.features(given["features"])].count("largest") == 1


def test_a_column_can_be_mapped_that_the_data_file_does_not_map() -> None:
    """What an error about a missing column advises works as it is written."""
    given = composed("data.transactions.columns.store_id=shop", "data.transactions.derive.quantity=1")
    assert given["data"]["transactions"]["columns"]["store_id"] == "shop"
    assert given["data"]["transactions"]["derive"]["quantity"] == "1"


@pytest.mark.parametrize(
    ("override", "keys", "value"),
    [
        ("clusterer.kmeans.embedding={n_neighbors: 10}", ("clusterer", "kmeans", "embedding"), {"n_neighbors": 10}),
        (
            "clusterer.kmeans.grid={init: [random]}",
            ("clusterer", "kmeans", "grid"),
            {"n_clusters": [2, 3, 4, 5, 6, 7, 8], "init": ["random"]},
        ),
        ("clusterer.kmeans.parameters={tol: 0.1}", ("clusterer", "kmeans", "parameters"), {"n_init": 10, "tol": 0.1}),
        (
            "data.transactions.derive={quantity: '1'}",
            ("data", "transactions", "derive"),
            {"quantity": "1"},
        ),
    ],
)
def test_several_of_the_users_own_names_can_be_given_at_once(override: str, keys: tuple[str, ...], value: dict) -> None:
    """A mapping of names that no schema knows is merged into what is there."""
    given: dict = composed("clusterer=[kmeans]", override)
    for key in keys:
        given = given[key]
    assert value.items() <= given.items()


def test_a_weight_for_an_unknown_family_is_refused() -> None:
    """A misspelt family would weigh nothing without a word."""
    given = composed("representation=standard", "+representation.parameters.family_weights.behavior=2")
    with pytest.raises(InvalidConfigError, match=r"there is no family 'behavior'; families: .*behaviour"):
        config.training(given)


def test_two_files_with_the_same_feature_do_not_merge(tmp_path: Path) -> None:
    """A name declared twice reaches the engine twice, which refuses it, instead of one hiding the other."""
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "mine.yaml").write_text(
        "# @package features.mine\nrecency_days: {relation: orders, sql: count(*)}\n", encoding="utf-8"
    )
    given = config.compose_config("train", ["features=[rfm,mine]"], str(tmp_path))
    assert [f.name for f in config.features(given["features"])].count("recency_days") == 2


def test_the_users_folder_adds_options(tmp_path: Path) -> None:
    """--config-dir finds a data configuration of the user's own, in a folder with spaces."""
    folder = tmp_path / "my conf"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "mine.yaml").write_text("name: mine\ntransactions: {path: x.csv}\n", encoding="utf-8")
    assert config.compose_config("train", ["data=mine"], str(folder))["data"]["name"] == "mine"


@pytest.fixture
def own_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a folder conf that has data and an experiment of one name."""
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "experiment").mkdir()
    (tmp_path / "conf" / "data" / "mine.yaml").write_text("name: mine\ntransactions: {path: orders.csv}\n")
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text("# @package _global_\nlookback_days: 33\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "conf"


@pytest.mark.parametrize("command", ["train", "features"])
def test_an_experiment_named_like_the_data_goes_with_it(command: str, own_conf: Path) -> None:
    """Its options hold unless another experiment, or the option itself, is given."""
    assert config.compose_config(command, ["data=mine"])["lookback_days"] == 33
    assert config.compose_config(command, ["data=mine", "lookback_days=44"])["lookback_days"] == 44
    assert config.compose_config(command, ["data=mine", "experiment=null"])["lookback_days"] == 182
    assert config.compose_config(command, ["data=mine", "experiment=rfm_standard"])["lookback_days"] == 182


def test_a_folder_conf_of_the_working_directory_is_searched(own_conf: Path, tmp_path: Path) -> None:
    """Unless another folder is named."""
    assert config.compose_config("score", ["data=mine"])["data"]["transactions"]["path"] == "orders.csv"
    (tmp_path / "other").mkdir()
    with pytest.raises(InvalidConfigError, match="there is no data 'mine'"):
        config.compose_config("score", ["data=mine"], str(tmp_path / "other"))


def test_features_takes_every_option_of_training() -> None:
    """What an experiment says about features holds for the feature table too."""
    given = config.compose_config("features", ["experiment=rfm_standard", "clusterer=[kmeans]"])
    assert list(given["features"]) == ["rfm"]
    assert given["output"] == "features.parquet"
