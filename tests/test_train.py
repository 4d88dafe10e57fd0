"""The main job, on a small shop whose customers' kinds are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from patronage import config
from patronage.errors import InvalidInputError
from patronage.evaluation.evidence import select_customers
from patronage.observation import fitted_customers
from patronage.scoring import features_of
from patronage.tables import open_tables
from patronage.train import train
from patronage.training import Trained
from patronage.windows import plan_windows
from tests.conftest import SMALL, Shop


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of an MLflow store."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def run(shop: Shop, store: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trained]:
    """Train on the shop with further overrides: each model in a folder of its own, all runs in one store."""

    def runner(*overrides: str, folder: Path | None = None) -> Trained:
        place = folder if folder is not None else tmp_path_factory.mktemp("run")
        given = [*SMALL, f"output={place}/model", f"tracking.uri={store}", *overrides]
        return train(config.training(config.compose_config("train", given, str(shop.folder))))

    return runner


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the ordinary training."""
    return tmp_path_factory.mktemp("unlimited")


@pytest.fixture(scope="module")
def trained(run: Callable[..., Trained], unlimited: Path) -> Trained:
    """One ordinary training, by one thread, of as many customers as there are."""
    with threadpool_limits(1):
        return run("fit_rows=null", folder=unlimited)


def figures(trained: Trained) -> pd.DataFrame:
    """All candidates' figures."""
    return pd.DataFrame([verdict.row.metrics for verdict in trained.selection.verdicts])


def test_planted_kinds_are_found(trained: Trained, shop: Shop) -> None:
    """The three planted kinds of customers come out as three segments."""
    assert trained.model is not None
    with open_tables(config.data_source(config.compose_config("score", ["data=shop"], str(shop.folder))["data"])) as t:
        table = features_of(t, trained.model, None)
    scored = trained.model.predict(table.active)
    assert adjusted_rand_score(shop.kinds[scored.index], scored["segment_id"]) >= 0.95


def test_ids_follow_later_value(trained: Trained) -> None:
    """The first ids are given in falling order of what a customer spent later."""
    assert trained.model is not None
    ordered = sorted(trained.model.segments, key=lambda segment: segment.id)
    worth = [segment.value_per_customer for segment in ordered]
    assert worth == sorted(worth, reverse=True)
    assert [segment.id for segment in ordered] == ["S01", "S02", "S03"]


def test_every_stage_is_timed(trained: Trained) -> None:
    """The run says how long each stage took."""
    assert len(trained.seconds) >= 8
    assert all(seconds >= 0 for seconds in trained.seconds.values())


SCRIPT = """
import json, sys
from patronage import config
from patronage.train import train

def main():
    given = config.training(config.compose_config("train", sys.argv[2:], sys.argv[1]))
    trained = train(given)
    segments = [[s.id, s.name, s.n_customers] for s in trained.model.segments]
    figures = {v.row.name: v.row.metrics for v in trained.selection.verdicts} | {"confirm": trained.confirm}
    labels = [one.labels.tolist() for one in trained.backtest]
    print(json.dumps({"segments": segments, "labels": labels, "figures": figures}))

if __name__ == "__main__":
    main()
"""


def test_neither_process_nor_threads_nor_workers_change_a_segment(
    shop: Shop, store: str, trained: Trained, tmp_path: Path
) -> None:
    """Two threads and two workers in a process of its own: the same labels and segments, figures that agree to 1e-9."""
    given = [*SMALL, "fit_rows=null", "workers=2", f"output={tmp_path}/model", f"tracking.uri={store}"]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(shop.folder), *given],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=True,
    )
    again = json.loads(done.stdout)
    assert trained.model is not None
    assert again["labels"] == [one.labels.tolist() for one in trained.backtest]
    assert again["segments"] == [[one.id, one.name, one.n_customers] for one in trained.model.segments]
    own = {one.row.name: one.row.metrics for one in trained.selection.verdicts} | {"confirm": trained.confirm}
    numbers = (pd.DataFrame(found).astype(float) for found in (again["figures"], own))
    pd.testing.assert_frame_equal(*numbers, check_exact=False, rtol=0, atol=1e-9)


def test_the_order_of_rows_and_columns_changes_no_segment(
    run: Callable[..., Trained], trained: Trained, shop: Shop, tmp_path: Path
) -> None:
    """Shuffled tables give exactly the same model."""
    shuffled = pd.read_csv(shop.folder / "transactions.csv", dtype=str).sample(frac=1, random_state=3)
    shuffled[shuffled.columns[::-1]].to_csv(tmp_path / "t.csv", index=False)
    again = run(f"data.transactions.path={tmp_path / 't.csv'}", "features=[affinity,basket,rfm]")
    assert again.model is not None
    assert trained.model is not None
    assert again.model.segments == trained.model.segments


def with_other_outcomes(shop: Shop, path: Path, customers: np.ndarray | None = None, since: str = "judge") -> str:
    """The shop's lines with other revenues from a window's ``as_of`` on, for all customers or some."""
    windows = plan_windows(shop.first_day, shop.last_day, lookback_days=120, outcome_days=60)
    as_of = {"learn": windows.learn, "judge": windows.judge}[since].as_of
    lines = pd.read_csv(shop.folder / "transactions.csv", dtype={"customer_id": str})
    later = pd.to_datetime(lines["ordered_at"]) >= pd.Timestamp(as_of)
    if customers is not None:
        later &= lines["customer_id"].isin(customers)
    rng = np.random.default_rng(0)
    lines.loc[later, "revenue"] = rng.permutation(lines.loc[later, "revenue"].to_numpy()) * 7
    lines.to_csv(path, index=False)
    return f"data.transactions.path={path}"


def test_what_happens_after_as_of_does_not_reach_the_backtested_models(
    run: Callable[..., Trained], trained: Trained, shop: Shop, tmp_path: Path
) -> None:
    """With other outcomes in the judge window every candidate labels its customers as before, and is judged anew."""
    again = run(with_other_outcomes(shop, tmp_path / "t.csv"))
    for before, after in zip(trained.backtest, again.backtest, strict=True):
        np.testing.assert_array_equal(before.labels, after.labels)
        assert before.row.metrics["value/kept"] != after.row.metrics["value/kept"]
        assert before.row.metrics["stability/ari"] == after.row.metrics["stability/ari"]


def test_what_confirm_customers_did_later_elects_nobody(
    run: Callable[..., Trained], trained: Trained, shop: Shop, tmp_path: Path
) -> None:
    """Other outcomes of the customers held out for confirmation change no figure that a choice is made by."""
    ids = np.array(sorted(shop.kinds.index))
    again = run(with_other_outcomes(shop, tmp_path / "t.csv", ids[~select_customers(list(ids))]))
    before, after = (figures(one).filter(regex="^(?!final/)") for one in (trained, again))
    pd.testing.assert_frame_equal(after, before, check_exact=True)
    assert again.confirm["kept"] != trained.confirm["kept"]


def test_a_folder_that_holds_something_else_is_not_replaced(run: Callable[..., Trained], tmp_path: Path) -> None:
    """Training never deletes what is no packaged model, and says so before any work."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"holds 1 file\(s\) that are no part of a packaged model"):
        run(folder=tmp_path)
    assert (tmp_path / "model" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


@pytest.mark.parametrize("folder", [".", "..", ""])
def test_the_working_directory_is_not_replaced(
    folder: str, run: Callable[..., Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the output option costs nothing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match="is the working directory or one above it"):
        run(f"output={folder}")


def test_what_cannot_be_fitted_or_placed_is_a_line_with_its_reason(run: Callable[..., Trained]) -> None:
    """Only noise, absent features, a map of too few customers and too little agreement stop no other candidate."""
    trained = run(
        "features=[basket,affinity]",
        "clusterer=[kmeans,hdbscan,agglomerative,rfm_grid,umap_hdbscan]",
        "clusterer.kmeans.grid.n_clusters=[3]",
        "clusterer.agglomerative.grid.n_clusters=[12]",
        "clusterer.rfm_grid.grid.n_clusters=[3]",
        "clusterer.hdbscan.grid={min_cluster_size: [290], min_samples: [5]}",
        "clusterer.umap_hdbscan.grid={min_cluster_size: [40], cluster_selection_method: [eom]}",
        "clusterer.umap_hdbscan.embedding.n_neighbors=400",
        "selection.gates.typing_agreement=1",
        "selection.gates.ari=0.3",
    )
    verdicts = {verdict.row.clusterer: verdict for verdict in trained.selection.verdicts}
    kmeans, density, agglomerative, grid, on_map = (
        verdicts[name] for name in ("kmeans", "hdbscan", "agglomerative", "rfm_grid", "umap_hdbscan")
    )
    assert trained.selection.winner is kmeans
    assert trained.model is not None
    assert "only noise" in density.reason
    assert "typing tool agrees on" in agglomerative.reason
    assert agglomerative.row.metrics["typing/agreement"] > 0.5
    assert grid.reason.startswith("needs the feature(s) recency_days, orders_per_month, spend_per_month")
    assert on_map.reason == "an embedding with these options needs 401 customers, 300 given"
    assert "typing/agreement" not in kmeans.row.metrics


def test_groups_of_a_map_are_packaged_with_a_typing_tool(run: Callable[..., Trained]) -> None:
    """K-means on a UMAP map finds the planted kinds, is as steady and as well placed as the gates ask, and wins."""
    trained = run(
        "representation=umap",
        "~representation.parameters.n_trees",
        "representation.parameters={n_neighbors: 15, n_components: 2, n_epochs: 50}",
        "clusterer.kmeans.grid.n_clusters=[3]",
        "stability_refits=2",
        "selection.gates.ari=0.5",
    )
    assert trained.model is not None, [verdict.reason for verdict in trained.selection.verdicts]
    assert (trained.model.assigner.kind, trained.model.representation.kind) == ("typing", "standard")
    assert trained.selection.verdicts[0].row.name == "kmeans n_clusters=3 · umap"
    assert trained.selection.verdicts[0].row.metrics["final/typing_agreement"] >= 0.9


def model_files(folder: Path) -> dict[str, bytes]:
    """What a packaged model holds; trees are saved with ids of objects in memory, which differ in every run."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "trees.skops"}


def test_a_limit_that_nobody_exceeds_changes_nothing(
    run: Callable[..., Trained], trained: Trained, unlimited: Path, tmp_path: Path
) -> None:
    """With as many customers as ``fit_rows``, figures and model are bit for bit those of a training without a limit."""
    limited = run("fit_rows=300", folder=tmp_path)
    pd.testing.assert_frame_equal(figures(limited), figures(trained), check_exact=True)
    first, second = (model_files(folder / "model") for folder in (unlimited, tmp_path))
    assert first == second
    assert "arrays.npz" in first


@pytest.fixture(scope="module")
def thinned(run: Callable[..., Trained]) -> Trained:
    """A training fitted to 200 of the 300 customers."""
    return run("fit_rows=200")


def test_everyone_is_placed_by_what_was_fitted_to_some(thinned: Trained, shop: Shop) -> None:
    """Fitted to 200 of 300 customers, the model finds the planted kinds of all, with a confidence for each."""
    model = thinned.model
    assert model is not None
    assert sum(segment.n_customers for segment in model.segments) == 300
    with open_tables(config.data_source(config.compose_config("score", ["data=shop"], str(shop.folder))["data"])) as t:
        scored = model.predict(features_of(t, model, None).active)
    assert len(scored) == 300
    assert adjusted_rand_score(shop.kinds[scored.index], scored["segment_id"]) >= 0.95
    assert scored["confidence"].between(0, 1).all()


def test_all_customers_are_judged_by_what_was_fitted_to_some(thinned: Trained) -> None:
    """Sizes are of all customers: their shares are those of 300, and every one of them has a label."""
    assert all(len(judged.labels) == 300 for judged in thinned.backtest)
    n_smallest = figures(thinned)["final/min_share"].dropna() * 300
    assert len(n_smallest)
    np.testing.assert_allclose(n_smallest, n_smallest.round(), atol=1e-9)


def test_the_run_tells_how_many_were_fitted_to(thinned: Trained, store: str) -> None:
    """The run's figures hold how many customers there were in each window, and how many of them were fitted to."""
    found = mlflow.MlflowClient(store).get_run(thinned.run_id).data
    counts = {name: found.metrics[f"customers/{name}"] for name in ("learn", "judge", "newest", "fitted")}
    assert counts == {"learn": 200, "judge": 300, "newest": 300, "fitted": 200}
    assert found.params["fit_rows"] == "200"


def test_nothing_is_learned_from_those_who_are_not_fitted_to(
    run: Callable[..., Trained], shop: Shop, thinned: Trained, tmp_path: Path
) -> None:
    """What the other customers did in the period that outcomes are learned from places nobody fitted to elsewhere."""
    fitted = fitted_customers(shop.kinds.index, 200)
    others = shop.kinds.index[~fitted].to_numpy()
    changed = run(with_other_outcomes(shop, tmp_path / "t.csv", others, "learn"), "fit_rows=200")
    for before, after in zip(thinned.backtest, changed.backtest, strict=True):
        np.testing.assert_array_equal(before.labels[fitted], after.labels[fitted])
        assert before.row.metrics["stability/ari"] == after.row.metrics["stability/ari"]
