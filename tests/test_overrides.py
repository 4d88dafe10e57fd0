"""Options as they are typed: Hydra's sweep grammar, taken apart into jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from patronage.config import config_folder
from patronage.errors import InvalidConfigError
from patronage.overrides import combinations, parsed, set_weights, swept_keys


def jobs(*overrides: str, folders: tuple[Path, ...] = ()) -> list[tuple[str, ...]]:
    """What tells the jobs of a sweep from each other."""
    return [one.shown for one in combinations(overrides, [config_folder(), *folders])]


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("seed=0,1,2", ["0", "1", "2"]),
        ("seed=range(0,3)", ["0", "1", "2"]),
        ("seed=choice(3,5)", ["3", "5"]),
        ("representation=glob(st*)", ["standard"]),
        ("selection=glob(*,exclude=b*)", ["separation", "value"]),
        ("features=[rfm],[rfm,basket]", ["[rfm]", "[rfm,basket]"]),
        ("clusterer.kmeans.grid.n_clusters=[2,3],[4,5]", ["[2,3]", "[4,5]"]),
        ("data.transactions.path='a b','c d'", ["'a b'", "'c d'"]),
        ("data.transactions.path=/a/x.csv,/b/x.csv", ["/a/x.csv", "/b/x.csv"]),
    ],
)
def test_hydras_sweeps_mean_what_they_mean_to_hydra(override: str, values: list[str]) -> None:
    """Comma lists, range, choice and glob; lists are values of their own."""
    key = override.partition("=")[0]
    assert [given.partition("=")[2] for (given,) in jobs(override)] == values
    assert swept_keys([override]) == [key]


def test_options_are_combined() -> None:
    """Every value with every other, the last option varying fastest; single values go to all jobs."""
    found = combinations(["seed=0,1", "lookback_days=90", "selection=value,balanced"], [config_folder()])
    assert [one.shown for one in found] == [
        ("seed=0", "selection=value"),
        ("seed=0", "selection=balanced"),
        ("seed=1", "selection=value"),
        ("seed=1", "selection=balanced"),
    ]
    assert all("lookback_days=90" in one.overrides for one in found)


def test_without_several_values_there_is_one_job() -> None:
    """A sweep of one is a sweep."""
    assert jobs("seed=4", "~features.rfm.tenure_days") == [()]


def test_glob_finds_the_users_own_files(tmp_path: Path) -> None:
    """A folder of the user's own is searched as well."""
    (tmp_path / "selection").mkdir()
    (tmp_path / "selection" / "zeal.yaml").write_text("weights: {}\n", encoding="utf-8")
    assert [given for (given,) in jobs("selection=glob(z*)", folders=(tmp_path,))] == ["selection=zeal"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("output=a,b", "output is one for the whole sweep"),
        ("tracking.uri=a,b", "tracking.uri is one for the whole sweep"),
        ("tracking=mlflow,other", "tracking is one for the whole sweep"),
        ("sweep_jobs=1,2", "sweep_jobs is one for the whole sweep"),
        ("seed=interval(0,1)", "cannot be taken apart"),
        ("selection=glob(nothing*)", "no value fits"),
        ("nonsense", "is no option"),
    ],
)
def test_what_cannot_be_swept_is_told(override: str, says: str) -> None:
    """In one line, with the option."""
    with pytest.raises(InvalidConfigError, match=says):
        jobs(override)


def test_a_path_with_a_comma_is_a_path_without_a_sweep() -> None:
    """Only -m makes several values of it."""
    assert parsed("data.transactions.path=/a/x,y.csv").value() == "/a/x,y.csv"
    assert len(jobs("data.transactions.path=/a/x,y.csv")) == 2
    assert jobs("data.transactions.path='/a/x,y.csv'") == [()]


def test_weights_of_the_objective_are_set_taken_away_and_replaced():
    """A metric's name has a slash, which Hydra's keys have not; weights can be overridden all the same."""
    shipped = {"value/kept": 1.0}
    assert set_weights(shipped, ["selection.weights.stability/ari=.5"]) == {"value/kept": 1.0, "stability/ari": 0.5}
    assert set_weights(shipped, ["selection.weights={stability/ari: 1}"]) == {"stability/ari": 1}
    assert set_weights(shipped, ["+selection.weights.stability/ari=1", "~selection.weights.value/kept"]) == {
        "stability/ari": 1.0
    }
    assert shipped == {"value/kept": 1.0}
    for wrong in ("selection.weights.value/kept=much", "~selection.weights.value/nope", "selection.weights=3"):
        with pytest.raises(InvalidConfigError, match="weights are given as"):
            set_weights(shipped, [wrong])
