"""Every shipped feature is what a calculation by hand finds, and sees neither the future nor the order of rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from patronage.catalogue import Feature
from patronage.config import config_folder
from patronage.windows import Window
from tests.conftest import declared
from tests.families.dealings import DEALINGS
from tests.families.goods import GOODS
from tests.families.hand_made import MOMENTS, WINDOW, Family, compute, require_expected, table, told
from tests.families.profiles import PROFILES
from tests.families.purchases import PURCHASES

FAMILIES = (*PURCHASES, *GOODS, *PROFILES, *DEALINGS)
# A catalogue named like a data configuration reads that data's own columns; test_experiments.py looks at those.
OWN = {path.stem for path in (config_folder() / "data").glob("*.yaml")}
SHIPPED = sorted({path.stem for path in (config_folder() / "features").glob("*.yaml")} - OWN)
FEATURES = declared(*SHIPPED)

each_family = pytest.mark.parametrize("family", FAMILIES, ids=[family.catalogue for family in FAMILIES])


@each_family
def test_features_are_what_a_calculation_by_hand_finds(family: Family) -> None:
    """Each feature of the catalogue, and no other, for each customer, one without rows (`empty`) included."""
    require_expected(family)


def test_every_catalogue_is_checked_by_hand() -> None:
    """No shipped catalogue is without a case; that a case has all of its features is checked with the numbers."""
    assert sorted(family.catalogue for family in FAMILIES) == SHIPPED


@each_family
@pytest.mark.parametrize("days", [0, 1, 400], ids="{} days after".format)
def test_rows_after_as_of_change_nothing(family: Family, days: int) -> None:
    """The same rows once more at or after as_of, whatever they say, leave every feature as it was."""
    planted = _planted(family.tables, pd.Timestamp(WINDOW.as_of) + timedelta(days=days))
    _require_same(family, planted)


@each_family
def test_rows_before_the_lookback_change_nothing(family: Family) -> None:
    """The same rows once more just before the lookback change nothing; answers stay true, so theirs are left out."""
    before = pd.Timestamp(WINDOW.features_from) - timedelta(microseconds=1)
    answers = {name: frame for name, frame in family.tables.items() if name == "answers"}
    _require_same(family, {**_planted(family.tables, before), **answers})


def _planted(tables: Mapping[str, pd.DataFrame], moment: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """Tables with a copy of each dated row, moved to a moment."""
    planted = dict(tables)
    for name, frame in tables.items():
        at = MOMENTS.get(name)
        if at in frame:
            copies = frame.assign(**{at: moment}).astype(frame.dtypes.to_dict())
            planted[name] = pd.concat([copies, frame], ignore_index=True)
    return planted


def _require_same(family: Family, tables: Mapping[str, pd.DataFrame]) -> None:
    features = declared(family.catalogue)
    catalogue, frame = compute(family.tables, features)
    other_catalogue, other = compute(tables, features)
    assert other_catalogue == catalogue
    pd.testing.assert_frame_equal(other, frame, check_exact=True)


# All catalogues together


TOLD = (
    "gender",
    "education",
    "occupation",
    "marital_status",
    "household_comp",
    "home_ownership",
    "country",
    "region",
    "acquisition_channel",
)


def everything(seed: int, n: int = 300) -> dict[str, pd.DataFrame]:
    """Tables with every column that a shipped feature reads, random and full of ties."""
    rng = np.random.default_rng(seed)
    who = [f"c{number}" for number in range(40)]

    def moments() -> pd.Series:
        seconds = rng.integers(-40 * 86_400, 520 * 86_400, n)
        return pd.Series(pd.Timestamp(WINDOW.as_of) - pd.to_timedelta(seconds, unit="s")).astype("datetime64[us]")

    def words(*values: str | None) -> np.ndarray:
        return rng.choice(np.array(values, dtype=object), n)

    def cents(low: int, high: int) -> np.ndarray:
        return rng.integers(low, high, n) / 100

    rows = {"customer_id": rng.choice(who, n)}
    sent = moments()
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": who,
                "email_opt_in": words("yes", "no", None)[:40],
                "age": rng.integers(18, 90, 40),
                "signed_up_at": moments()[:40],
                "postcode": words("1012", "2000", None)[:40],
                **{
                    name: words("x", "y", None)[:40]
                    for name in TOLD
                },
                **{name: rng.integers(0, 5, 40) for name in ("income", "household_size", "children", "followers")},
            }
        ),
        "places": table("place density climate", ("1012", 4000.0, "wet"), ("2000", 20.0, "dry")),
        "transactions": pd.DataFrame(
            rows
            | {
                "ordered_at": moments(),
                "order_id": rng.integers(0, n // 2, n).astype(str),
                "product_id": words("p", "q", "r", "s", None),
                "revenue": cents(-300, 2_000),
                "quantity": rng.integers(-1, 4, n).astype(float),
                "margin": cents(-200, 600),
                "discount": cents(0, 300),
                "coupon": cents(0, 100),
                "channel": words("online", "store", "phone", None),
                "store_id": words("s1", "s2", "s3"),
            }
        ),
        "products": table(
            "product_id category department brand benefit",
            ("p", "wine", "cellar", "Private", "taste"),
            ("q", "beer", "cellar", "Best", "price"),
            ("r", "bread", "bakery", "Best", "price"),
        ),
        "events": pd.DataFrame(
            rows
            | {
                "occurred_at": moments(),
                "event_type": words(
                    "visit", "cart_add", "abandonment", "checkout", "open", "click", "webinar", "trial", "newsletter",
                    "account", "referral", "review",
                ),
                "device": words("mobile", "desktop", None),
                "referrer": words("google", "friend", None),
                "value": rng.integers(1, 6, n).astype(float),
            }
        ),
        "contacts": pd.DataFrame(
            rows
            | {
                "occurred_at": moments(),
                "effort": rng.integers(1, 11, n).astype(float),
                "cost": cents(0, 900),
                "reason": words("complaint", "question"),
            }
        ),
        "campaigns": pd.DataFrame(
            rows
            | {
                "campaign_id": [str(number) for number in range(n)],
                "sent_at": sent,
                "channel": words("email", "sms"),
                "is_control": rng.random(n) < 0.2,
                "responded_at": (sent + pd.to_timedelta(rng.integers(0, 20, n), unit="D")).where(rng.random(n) < 0.4),
                "revenue": cents(0, 900),
                "cost": cents(1, 99),
            }
        ),
        "answers": pd.DataFrame(
            rows
            | {
                "question": words("likes sport", "is careful", "comfort", "class"),
                "answer": words("yes", "no", "3", "upper", "middle"),
                "topic": words("lifestyle", "benefit"),
                "answered_at": moments(),
            }
        ),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_rows_does_not_matter_to_any_feature(seed: int) -> None:
    """All shipped features at once: shuffled tables give the same numbers and, in ties, the same favourites."""
    tables = everything(seed)
    rng = np.random.default_rng(seed)
    shuffled = {name: frame.sample(frac=1, random_state=rng) for name, frame in tables.items()}
    catalogue, frame = compute(tables, FEATURES)
    assert catalogue.skipped == {}
    other_catalogue, other = compute(shuffled, FEATURES)
    assert other_catalogue == catalogue
    pd.testing.assert_frame_equal(other, frame, check_exact=False, rtol=0, atol=2e-9)


def test_every_feature_tells_customers_apart_somewhere() -> None:
    """On tables that have all columns, no shipped feature is empty or the same for everyone, but for `other` values."""
    _, frame = compute(everything(0), FEATURES)
    alike = [name for name, column in frame.items() if len(column.dropna().unique()) < 2]
    assert [name for name in alike if not name.endswith("_other")] == []


def test_shares_lie_between_nought_and_one() -> None:
    """With refunds, gifts and exchanges about, a share stays a share."""
    _, frame = compute(everything(1), FEATURES)
    shares = frame[[name for name in frame if "_share" in name and name not in _UNBOUNDED]]
    assert len(shares.columns) > 30
    assert shares.min().min() >= 0
    assert shares.max().max() <= 1


_UNBOUNDED = (
    "returned_share",  # what was bought before the lookback can be returned in it
    "cost_to_serve_share",  # service can cost more than it brings
    "coupon_discount_share",  # the random coupons are no part of the random discounts
)


@pytest.mark.parametrize("lookback", [90, 182])
def test_every_catalogue_serves_any_data(lookback: int) -> None:
    """On bare order lines, what cannot be computed is skipped with its reason, and nothing fails."""
    bare = table("customer_id ordered_at revenue", ("a", "2023-12-01 12:00", 1.0), ("a", "2023-12-05 12:00", 2.0))
    window = Window(WINDOW.as_of, lookback, 30)
    catalogue, frame = compute({"transactions": bare}, FEATURES, window)
    assert catalogue.names == list(frame.columns)
    assert len(catalogue.names) + len(catalogue.skipped) == len(FEATURES)
    assert all(reason.startswith("there is no ") for reason in catalogue.skipped.values())
    assert {"recency_days", "purchase_stage", "largest_week_share", "orders_trend"} < set(catalogue.names)


# What the catalogues say of themselves


@pytest.mark.parametrize("feature", FEATURES, ids=[feature.name for feature in FEATURES])
def test_every_feature_says_what_it_is(feature: Feature) -> None:
    """Each has a reason in a sentence, a unit, and words for low and high values unless it is text."""
    assert feature.why.endswith(".")
    assert len(feature.why.split()) >= 3
    assert feature.unit
    assert set(feature.labels) == (set() if feature.is_text else {"low", "high"})


def test_age_and_gender_are_sensitive_and_profiles_describe() -> None:
    """Nothing personal forms segments unless the user says so."""
    roles = {feature.name: feature.role for feature in declared("demographic", "geographic")}
    assert {name for name, role in roles.items() if role == "sensitive"} == {"age_years", "gender", "life_stage"}
    assert set(roles.values()) == {"sensitive", "descriptor"}


def test_densities_may_be_words() -> None:
    """Where the place is told in words instead of a number, the kind of place is that word."""
    tables = {"customers": table("customer_id density", ("a", "Suburban "), ("b", "4000"), ("c", None))}
    _, frame = compute(tables, declared("geographic"))
    assert told(frame) == {
        "density_per_km2": {"a": None, "b": 4000, "c": None},
        "urbanity": {"a": "suburban", "b": "city", "c": None},
    }
