"""The experiments on real data: what their configurations say of the data holds, and snapshots can be trained on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patronage import config
from patronage.diagnosis import diagnose
from patronage.errors import InvalidConfigError
from patronage.features import build_features, build_outcomes, learn_catalogue
from patronage.features.expressions import columns_of
from patronage.periods import training_windows
from patronage.scoring import features_of
from patronage.selection import Gates
from patronage.tables import Tables, open_tables
from patronage.train import train
from patronage.training import Trained
from patronage.windows import Window
from tests.real_data import real_data

EXPERIMENTS = ("cdnow", "credit_card", "customer_personality", "mcdonalds", "online_retail", "wholesale")
SNAPSHOTS = ("credit_card", "customer_personality", "mcdonalds", "wholesale")

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module", autouse=True)
def patronage_data() -> Iterator[Path]:
    """The folder with the data sets."""
    with real_data() as folder:
        yield folder


@cache
def composed(data: str, *overrides: str) -> config.Training:
    """The experiment of a data set, as ``patronage train data=…`` finds it."""
    reports = f"report={str(data == 'mcdonalds').lower()}"  # a survey has neither money nor dates
    return config.training(config.compose_config("train", [f"data={data}", reports, *overrides]))


def features(data: str, *overrides: str) -> pd.DataFrame:
    """The experiment's features of all active customers at the newest day."""
    given = composed(data, *overrides)
    with open_tables(given.data) as tables:
        windows = training_windows(
            tables, lookback_days=given.lookback_days, outcome_days=given.outcome_days, as_of=given.as_of
        )
        catalogue = learn_catalogue(tables, given.features, windows.refit)
        return build_features(tables, catalogue, windows.refit).active


@pytest.mark.parametrize("data", EXPERIMENTS)
def test_the_experiment_named_like_the_data_goes_with_it(data: str) -> None:
    """Naming the data is enough: its features, and for a snapshot without outcomes the standard space, come with it."""
    given = composed(data)
    assert given.data.name == data
    own = config.config_folder() / "features" / f"{data}.yaml"
    sets = set(given.config["features"])
    assert (data in sets) == own.is_file()
    if data in SNAPSHOTS and data != "customer_personality":
        assert given.representation.kind == "standard"
        assert list(given.policy.weights) == ["separation/silhouette_common"]


@pytest.mark.parametrize("data", EXPERIMENTS)
def test_no_gate_is_lowered(data: str) -> None:
    """Every experiment keeps the shipped gates; whoever is chosen by later value alone must be steadier."""
    policy = composed(data).policy
    assert policy.gates == (replace(Gates(), ari=0.75) if list(policy.weights) == ["value/kept"] else Gates())


@pytest.mark.parametrize("data", EXPERIMENTS)
def test_an_experiment_tells_question_command_result_and_conclusion(data: str) -> None:
    """Its folder holds what a reader needs, and what the text refers to is there."""
    folder = Path(__file__).parents[1] / "experiments" / data
    text = (folder / "README.md").read_text(encoding="utf-8")
    for part in ("**Question.**", "**Command**", f"experiments/{data}/run.py", "**Result.**", "**Conclusion.**"):
        assert part in text
    for name in re.findall(r"\]\((\w+\.\w+)\)", text):
        assert (folder / name).is_file(), name


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_every_feature_of_a_data_set_says_what_it_is(name: str) -> None:
    """A reason in a sentence, a unit, and words for low and high values unless it is text."""
    for feature in config.features({name: composed(name).config["features"][name]}):
        assert feature.why.endswith("."), feature.name
        assert feature.unit, feature.name
        assert set(feature.labels) == (set() if feature.is_text else {"low", "high"}), feature.name


# Online Retail


def test_lines_of_the_nine_days_count_once(patronage_data: Path) -> None:
    """Every line of the first nine days of December 2010 is there as often as one of the two years has it."""
    given = pd.read_parquet(patronage_data / "online_retail_ii.parquet")
    days = given[given["InvoiceDate"].between("2010-12-01", "2010-12-09 23:59:59") & given["Customer ID"].notna()]
    with open_tables(composed("online_retail", "data.transactions.where=true").data) as tables:
        n, quantity = tables.row(
            "SELECT count(*), sum(quantity) FROM transactions WHERE ordered_at >= DATE '2010-12-01' "
            "AND ordered_at < DATE '2010-12-10'"
        )
        n_all = tables.count("transactions")
    assert (2 * n, 2 * quantity) == (len(days), days["Quantity"].sum())
    assert n_all == given["Customer ID"].notna().sum() - n


def test_cancellations_take_money_back_and_codes_are_no_products() -> None:
    """Refunds stay as negative revenue; postage, corrections and gifts are left out."""
    with open_tables(composed("online_retail").data) as tables:
        refunds, others, codes, gifts = tables.row(
            "SELECT count(*) FILTER (WHERE revenue < 0 AND order_id LIKE 'C%'), "
            "count(*) FILTER (WHERE revenue < 0 AND order_id NOT LIKE 'C%'), "
            "count(*) FILTER (WHERE NOT regexp_matches(product_id, '^[0-9]{5}|^PADS$|^SP1002$')), "
            'count(*) FILTER (WHERE "Price" <= 0) FROM transactions'
        )
        counts = tables.row("SELECT count(*), count(DISTINCT customer_id) FROM transactions")
    assert refunds == 17_642
    assert (others, codes, gifts) == (0, 0, 0)
    assert counts == (805_848, 5_875)


# CDNOW


def test_no_window_of_cdnow_reaches_into_the_quarter_of_first_purchases() -> None:
    """The whole cohort began by 25 March 1997; whoever is active in a window came back later."""
    given = composed("cdnow")
    with open_tables(given.data) as tables:
        (last_start,) = tables.row(
            "SELECT max(first) FROM (SELECT min(ordered_at)::DATE AS first FROM transactions GROUP BY customer_id)"
        )
        windows = training_windows(
            tables, lookback_days=given.lookback_days, outcome_days=given.outcome_days, as_of=given.as_of
        )
    assert windows.learn.features_from > last_start


# Customer personality


@pytest.fixture(scope="module")
def households(patronage_data: Path) -> Iterator[tuple[Tables, config.Training]]:
    """The open tables of the customers, and the experiment."""
    assert patronage_data.is_dir()
    given = composed("customer_personality")
    with open_tables(given.data) as tables:
        yield tables, given


def test_the_response_is_an_outcome_and_no_feature(households: tuple[Tables, config.Training]) -> None:
    """No feature reads the response or the constants; the five earlier campaigns are read."""
    tables, given = households
    read = {name.lower() for feature in given.features for name in columns_of(tables, feature)}
    assert not {"response", "z_costcontact", "z_revenue"} & read
    assert {f"acceptedcmp{number}" for number in range(1, 6)} < read
    assert [outcome.name for outcome in given.outcomes] == ["response"]
    window = Window(date(2014, 6, 30), 182, 91)
    later = build_outcomes(tables, learn_catalogue(tables, given.outcomes, window), window)["response"]
    assert set(later) == {0, 1}
    assert later.sum() == tables.scalar('SELECT sum("Response") FROM customers')


def test_oddities_of_customer_personality_are_no_values(households: tuple[Tables, config.Training]) -> None:
    """Copies, a placeholder income, births before 1920 and jokes are left out; days are read day first."""
    tables, _ = households
    assert tables.row(
        "SELECT count(*), count(DISTINCT customer_id), max(income), min(year(birth_date)), "
        "min(signed_up_at)::DATE::VARCHAR, max(signed_up_at)::DATE::VARCHAR FROM customers"
    ) == (2_058, 2_058, 162_397, 1_940, "2012-07-30", "2014-06-29")
    status = tables.connection.execute("SELECT DISTINCT marital_status FROM customers").fetchall()
    assert {row[0] for row in status} == {"Married", "Together", "Single", "Divorced", "Widow", None}


def test_features_of_customer_personality_are_what_pandas_finds(
    households: tuple[Tables, config.Training], patronage_data: Path
) -> None:
    """Spend, shares and campaigns taken, calculated anew from the file."""
    raw = pd.read_csv(patronage_data / "customer_personality.csv", sep=";").set_index("ID")
    tables, given = households
    window = training_windows(tables, lookback_days=182, outcome_days=91, as_of=None).refit
    found = build_features(tables, learn_catalogue(tables, given.features, window), window).active
    raw = raw.loc[found.index.astype(int)]
    spend = raw[[name for name in raw if name.startswith("Mnt")]].sum(axis="columns")
    orders = raw["NumWebPurchases"] + raw["NumCatalogPurchases"] + raw["NumStorePurchases"]
    expected = {
        "spend": spend,
        "wine_share": raw["MntWines"] / spend.where(spend > 0),
        "web_share": raw["NumWebPurchases"] / orders.where(orders > 0),
        "earlier_campaigns_taken": raw[[f"AcceptedCmp{n}" for n in range(1, 6)]].sum(axis="columns"),
        "children": raw["Kidhome"] + raw["Teenhome"],
        "enrolled_days": (pd.Timestamp("2014-06-30") - pd.to_datetime(raw["Dt_Customer"], dayfirst=True)).dt.days,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-9, err_msg=name)
    shares = found[[name for name in found if name.endswith("_share")]]
    assert shares.min().min() >= 0
    assert shares.max().max() <= 1


# McDonald's


def test_lines_of_the_survey_keep_their_numbers(patronage_data: Path) -> None:
    """Customer 0001 is the file's first line, in both tables; liking is read out of "I hate it!-5" and "+4"."""
    raw = pd.read_csv(patronage_data / "mcdonalds.csv")
    found = features("mcdonalds")
    assert list(found.index) == [f"{n:04d}" for n in range(1, len(raw) + 1)]
    for item in raw.columns[:11]:
        np.testing.assert_array_equal(found[f"item_score_{item}"], raw[item] == "Yes", err_msg=item)
    liking = raw["Like"].str.replace("I hate it!", "").str.replace("I love it!", "").astype(int)
    np.testing.assert_array_equal(found["liking"], liking)
    assert set(found["liking"]) == set(range(-5, 6))
    assert found["visits_per_year"].notna().all()


# Credit cards


def test_a_row_number_among_the_features_is_dropped_by_the_diagnosis() -> None:
    """Recnum, declared as a feature by mistake, is recognised; the shipped features of card holders are all of use."""
    given = composed(
        "credit_card", "+features.credit_card.record={relation: customers, sql: Recnum, unit: number, why: A mistake.}"
    )
    with open_tables(given.data) as tables:
        windows = training_windows(tables, lookback_days=182, outcome_days=91, as_of=None)
        catalogue = learn_catalogue(tables, given.features, windows.learn)
        active = build_features(tables, catalogue, windows.learn).active
    assert list(diagnose(active, catalogue.features).dropped) == ["record"]
    assert active["cash_advance_frequency"].max() == 1
    assert active["minimum_payments"].isna().sum() == 313


# Training on snapshots


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[config.Training, Trained]]:
    """Train an experiment with few candidates and refits; each once."""
    done: dict[str, tuple[config.Training, Trained]] = {}
    folder = tmp_path_factory.mktemp("snapshots")

    def once(data: str) -> tuple[config.Training, Trained]:
        if data not in done:
            given = composed(
                data, "clusterer=[kmeans]", "clusterer.kmeans.grid.n_clusters=[2,3]", "stability_refits=3", "workers=1",
                f"output={folder}/{data}", f"tracking.uri=sqlite:///{folder}/mlflow.db",
            )  # fmt: skip
            done[data] = given, train(given)
        return done[data]

    return once


@pytest.mark.parametrize("data", ["mcdonalds", "wholesale"])
def test_a_snapshot_is_segmented_and_scored(
    data: str, trained: Callable[[str], tuple[config.Training, Trained]]
) -> None:
    """Everybody gets a segment, the same again from the raw tables, and nothing pretends to know the future."""
    given, run = trained(data)
    assert run.model is not None
    assert run.confirm == {}
    assert run.baselines == []
    with open_tables(given.data) as tables:
        scored = run.model.predict(features_of(tables, run.model, None).active)
    counts: Mapping[str, int] = scored["segment_id"].value_counts().to_dict()
    assert counts == {segment.id: segment.n_customers for segment in run.model.segments}
    assert all(segment.value_per_customer is None for segment in run.model.segments)


def test_segments_of_wholesale_clients_find_hotels_and_shops(
    trained: Callable[[str], tuple[config.Training, Trained]],
) -> None:
    """The kind of client, which forms no segment, goes with the segments nevertheless."""
    _, run = trained("wholesale")
    assert run.model is not None
    found = features("wholesale")
    segment = run.model.predict(found)["segment_id"]
    shares = pd.crosstab(segment, found["client_kind"], normalize="index")["shop"]
    assert shares.min() < 0.15
    assert shares.max() > 0.6


def test_a_snapshot_without_outcomes_is_not_judged_on_the_future(tmp_path: Path) -> None:
    """Asked for what only later outcomes can tell, the run says so and what would do."""
    given = composed("wholesale", "representation=outcome_aware", f"output={tmp_path}/model")
    with pytest.raises(InvalidConfigError, match=r"representation=outcome_aware need .*representation=standard"):
        train(given)
