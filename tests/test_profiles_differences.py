"""What sets segments apart, how features are distributed, who is typical, and the audit of sensitive traits."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, f_oneway, hypergeom, mannwhitneyu

from patronage.catalogue import Catalogue, Feature
from patronage.profiles.customers import Customers
from patronage.profiles.differences import Levels, cohens_h, find_differentiators
from patronage.profiles.distributions import describe_levels, describe_numbers
from patronage.profiles.members import members_of
from patronage.profiles.positions import drawn, members_near, place_customers, principal_components
from patronage.profiles.sensitive import audit_sensitive
from patronage.segments import describe_segments
from patronage.windows import Window
from tests.grouped import GROUP, grouped_model

N = 400
DECLARED = (
    GROUP,
    Feature("spend", "orders", "1", labels={"low": "low spend", "high": "high spend"}, family="value", unit="money"),
    Feature("visits_made", "orders", "1", role="descriptor"),
    Feature("zone", "customers", "1", scale="one_hot", role="descriptor"),
    Feature("subscribed", "customers", "1", scale="binary", role="descriptor", labels={"high": "subscribers"}),
    Feature("few_told", "customers", "1", role="descriptor"),
    Feature("age_years", "customers", "1", role="sensitive"),
    Feature("gender", "customers", "1", role="sensitive", scale="one_hot"),
    Feature("shoe_size", "customers", "1", role="sensitive"),
)


def _customers(n=N, n_segments=3, declared=DECLARED):
    """Segments that differ in spend, zone and age, and in nothing else; segments 1 and 3 are the extremes."""
    rng = np.random.default_rng(11)
    ids = pd.Index([f"c{number:04d}" for number in range(n)], name="customer_id")
    group = np.arange(n) % n_segments
    frame = pd.DataFrame(
        {
            "group_number": group + 1.0,
            "spend": np.exp(group + rng.normal(0, 1, n)),
            "visits_made": rng.poisson(4, n).astype(float),
            "zone": np.where(rng.random(n) < 0.2 + 0.3 * group, "城東", "north"),
            "subscribed": (rng.random(n) < 0.1 + 0.3 * group).astype(float),
            "few_told": np.where(np.arange(n) < 8, 1.0, np.nan),
            "age_years": 40 + 6 * group + rng.normal(0, 6, n),
            "gender": np.where(rng.random(n) < 0.5, "female", "male"),
            "shoe_size": np.full(n, np.nan),
        },
        index=ids,
    )
    frame = frame.astype({"zone": "str", "gender": "str"})
    frame.iloc[:2, frame.columns.get_loc("zone")] = "a rare place"
    placed = pd.DataFrame(
        {"segment_id": [f"S{one + 1:02d}" for one in group], "confidence": 0.9, "basis": "behaviour"}, index=ids
    )
    placed.loc[ids[-3:], "segment_id"] = ["unassigned", "dormant", "dormant"]
    return Customers(
        window=Window(date(2024, 1, 1), 100, 30),
        catalogue=Catalogue(tuple(one for one in declared)),
        features=frame[[one.name for one in declared]],
        status=pd.Series(np.where(placed["segment_id"] == "dormant", "dormant", "active"), index=ids),
        placed=placed,
        money=pd.DataFrame(index=ids),
        value=pd.Series(np.nan, index=ids),
        value_name="none",
    )


CUSTOMERS = _customers()
MODEL = grouped_model(3)
MEMBERS = members_of(CUSTOMERS, MODEL)


@pytest.fixture(scope="module")
def found():
    """The differentiators of these customers."""
    return find_differentiators(CUSTOMERS, MEMBERS)


def _line(found, segment_id, feature, level=""):
    one = found[(found["segment_id"] == segment_id) & (found["feature"] == feature) & (found["level"] == level)]
    assert len(one) == 1
    return one.iloc[0]


def test_planted_differences_are_notable_and_no_others(found):
    """Spend, zone, subscription and the group itself differ; visits do not, whatever is tested beside them."""
    notable = set(found.loc[found["notable"], "feature"])
    assert notable == {"group_number", "spend", "zone", "subscribed"}
    assert (found.loc[found["notable"], "effect"].abs() >= 0.1).all()


def test_a_number_by_hand(found):
    """Effect in ranks against all, p against all others, medians, and the label of the side."""
    formed = CUSTOMERS.features.loc[MEMBERS.formed, "spend"]
    inside = (CUSTOMERS.placed["segment_id"] == "S03")[MEMBERS.formed]
    line = _line(found, "S03", "spend")
    ranks = formed.rank()
    assert line["effect"] == pytest.approx((ranks[inside].mean() - ranks.mean()) / ranks.std(ddof=0))
    expected = mannwhitneyu(formed[inside], formed[~inside], method="asymptotic", use_continuity=False)
    assert line["p"] == pytest.approx(expected.pvalue)
    assert (line["label"], line["direction"], line["role"], line["unit"]) == ("high spend", "high", "basis", "money")
    assert line[["typical", "typical_all"]].tolist() == pytest.approx([formed[inside].median(), formed.median()])
    assert line["n_known"] == inside.sum()


def test_effects_agree_with_the_traits_that_names_are_made_of(found):
    """A name and the profile under it never contradict each other."""
    frame = CUSTOMERS.features[MEMBERS.formed]
    ids = ["S01", "S02", "S03"]
    code = MEMBERS.group
    segments = describe_segments(ids, code, frame, DECLARED, value_per_id={}, jaccard=np.ones(3))
    traits = [(one.id, trait) for one in segments for trait in one.traits]
    assert traits
    for segment_id, trait in traits:
        assert _line(found, segment_id, trait.feature)["effect"] == pytest.approx(trait.effect)


def test_a_level_by_hand(found):
    """Cohen's h of the shares, p of the exact count, and rare levels told together or not at all."""
    formed = CUSTOMERS.features.loc[MEMBERS.formed, "zone"]
    inside = (CUSTOMERS.placed["segment_id"] == "S01")[MEMBERS.formed]
    line = _line(found, "S01", "zone", "城東")
    share, share_all = (formed[inside] == "城東").sum() / 132, (formed == "城東").sum() / 396
    assert line["n_known"] == 132  # of 133, one names a place that only two do
    assert line["typical"] == pytest.approx(share)
    assert line["typical_all"] == pytest.approx(share_all)
    assert line["effect"] == pytest.approx(cohens_h(share, share_all))
    assert line["effect"] < -0.2
    held, rest = (formed[inside] == "城東").sum(), (formed[~inside] == "城東").sum()
    assert line["p"] == pytest.approx(2 * hypergeom.cdf(held, 396, held + rest, 132))
    assert "a rare place" not in set(found["level"])


def test_a_yes_or_no_is_told_in_shares(found):
    """The median of a yes-or-no would be 0 or 1."""
    line = _line(found, "S03", "subscribed")
    assert line["statistic"] == "share"
    assert line["typical"] == pytest.approx(0.7, abs=0.1)


def test_features_without_labels_are_labelled_by_their_name(found):
    """A label is always there, in words."""
    assert set(found.loc[found["feature"] == "visits_made", "label"]) <= {"high visits made", "low visits made"}
    assert _line(found, "S03", "zone", "城東")["label"] == "zone more often 城東"


def test_what_few_have_told_and_what_is_sensitive_is_not_told(found):
    """Fewer than five customers of a segment give no line; sensitive features have a table of their own."""
    told = set(found["feature"])
    assert "few_told" not in told
    assert not told & {"age_years", "gender", "shoe_size"}
    for table in (describe_numbers(CUSTOMERS, MEMBERS), describe_levels(CUSTOMERS, MEMBERS)):
        assert not set(table["feature"]) & {"age_years", "gender", "shoe_size"}


def test_a_sensitive_feature_that_forms_segments_is_told_and_audited():
    """Who makes age a basis sees it among the differentiators, and in the audit as well."""
    declared = tuple(replace(one, role="basis") if one.name == "age_years" else one for one in DECLARED)
    customers = _customers(declared=declared)
    assert "age_years" in set(find_differentiators(customers, MEMBERS)["feature"])
    assert "age_years" in set(audit_sensitive(customers, MEMBERS)["feature"])


def test_one_segment_differs_from_nobody():
    """Every effect is 0, every p is 1, and nothing is notable."""
    customers = _customers(n_segments=1)
    found = find_differentiators(customers, members_of(customers, grouped_model(1)))
    assert not found["notable"].any()
    assert found["effect"].abs().max() < 0.02  # one of 398 is unassigned, and counts among all


def test_relabelled_segments_permute_lines(found):
    """What a segment is called changes none of its figures, nor does the order of customers."""
    swapped = CUSTOMERS.placed.replace({"segment_id": {"S01": "S03", "S03": "S01"}})
    order = np.random.default_rng(3).permutation(N)
    customers = replace(
        CUSTOMERS,
        placed=swapped.iloc[order],
        features=CUSTOMERS.features.iloc[order],
        status=CUSTOMERS.status.iloc[order],
    )
    again = find_differentiators(customers, members_of(customers, MODEL))
    again["segment_id"] = again["segment_id"].map({"S01": "S03", "S02": "S02", "S03": "S01"})
    keys = ["segment_id", "feature", "level"]
    pd.testing.assert_frame_equal(
        again.sort_values(keys, ignore_index=True), found.sort_values(keys, ignore_index=True), rtol=1e-9
    )


def test_money_in_another_currency_has_the_same_effects(found):
    """Ranks know no unit."""
    scaled = replace(CUSTOMERS, features=CUSTOMERS.features.assign(spend=CUSTOMERS.features["spend"] * 117.3))
    again = find_differentiators(scaled, MEMBERS)
    columns = ["segment_id", "feature", "effect", "p_holm", "notable"]
    pd.testing.assert_frame_equal(again[columns], found[columns])


def test_distributions_are_pandas_own():
    """Means and quantiles by segment and of all; unassigned customers have a line and count among all."""
    table = describe_numbers(CUSTOMERS, MEMBERS).set_index(["feature", "segment_id"]).sort_index()
    formed = CUSTOMERS.features.loc[MEMBERS.formed, "spend"]
    inside = formed[(CUSTOMERS.placed["segment_id"] == "S02")[MEMBERS.formed]]
    for segment_id, values in (("S02", inside), ("all", formed)):
        line = table.loc[("spend", segment_id)]
        assert line["mean"] == pytest.approx(values.mean())
        expected = values.quantile([0.1, 0.25, 0.5, 0.75, 0.9])
        np.testing.assert_allclose(line[["p10", "p25", "p50", "p75", "p90"]].astype(float), expected)
    assert np.isnan(table.loc[("spend", "unassigned"), "mean"])  # one customer
    assert table.loc[("few_told", "S01"), ["n_known", "missing_share"]].tolist() == [3, pytest.approx(130 / 133)]
    assert "dormant" not in table.index.get_level_values("segment_id")


def test_what_is_typical_stands_beside_the_same_of_all():
    """The median of a segment's most typical beside the median of all customers, a share beside a share."""
    _, _, typical = place_customers(CUSTOMERS, MEMBERS, MODEL)
    formed = CUSTOMERS.features[MEMBERS.formed]
    numbers = typical[typical["feature"] == "spend"]
    assert set(numbers["statistic"]) == {"median"}
    assert numbers["typical_all"].to_numpy() == pytest.approx(formed["spend"].median(), rel=0.005)
    levels = typical[typical["feature"] == "zone"]
    assert set(levels["statistic"]) == {"share"}
    for level, share in zip(levels["level"], levels["typical_all"], strict=True):
        assert share == pytest.approx((formed["zone"] == level).mean(), rel=0.005)


def test_levels_of_few_in_a_segment_are_told_together():
    """Three of a place are not told of, nor two of another; together they are five, and told as the others."""
    zone = CUSTOMERS.features["zone"].to_numpy(dtype=object).copy()
    zone[:] = "north"
    third = np.flatnonzero((CUSTOMERS.placed["segment_id"] == "S03").to_numpy())
    first = np.flatnonzero((CUSTOMERS.placed["segment_id"] == "S01").to_numpy())
    second = np.flatnonzero((CUSTOMERS.placed["segment_id"] == "S02").to_numpy())
    zone[first[:3]], zone[first[3:5]], zone[second[:9]], zone[third[:2]] = "east", "west", "east", "west"
    zone[second[9:20]] = "west"
    customers = replace(CUSTOMERS, features=CUSTOMERS.features.assign(zone=pd.array(zone, dtype="str")))
    table = describe_levels(customers, MEMBERS)
    told = table[table["feature"] == "zone"].groupby("segment_id")["level"].agg(set)
    assert told["S01"] == {"north", "other"}
    assert told["S02"] == {"north", "east", "west"}
    assert told["S03"] == {"north", "east"}  # nobody is from the east, and two are not told of
    shares = table[table["feature"] == "zone"].set_index(["segment_id", "level"])["share"]
    assert shares["S01", "other"] == pytest.approx(5 / len(first))
    assert shares["S03", "east"] == 0


@pytest.mark.parametrize("kind", ["rare numbers", "rare levels"])
def test_chance_is_seldom_notable(kind):
    """Of 60 populations without any difference, at most three have a notable one: values that few have included."""
    rng = np.random.default_rng(4)
    sizes = (700, 400, 60, 40)
    code = np.repeat(np.arange(4), sizes)
    model, found = grouped_model(4), 0
    ids = pd.Index([f"c{n:04d}" for n in range(len(code))])
    scale = "one_hot" if kind == "rare levels" else "none"
    declared = tuple(Feature(f"f{n}", "customers", "1", scale=scale) for n in range(6))
    placed = pd.DataFrame({"segment_id": [f"S0{n + 1}" for n in code], "confidence": 0.9, "basis": "behaviour"}, ids)
    for _ in range(60):
        shape = (len(code), 6)
        if kind == "rare levels":
            drawn = rng.choice([f"L{n}" for n in range(20)], shape, p=[0.81, *[0.01] * 19])
        else:
            drawn = np.where(rng.random(shape) < 0.02, rng.gamma(2, 10, shape), 0.0)
        frame = pd.DataFrame(drawn, index=ids, columns=[one.name for one in declared])
        frame = frame.astype("str") if kind == "rare levels" else frame
        customers = replace(CUSTOMERS, catalogue=Catalogue(declared), features=frame, placed=placed,
                            status=pd.Series("active", index=ids))  # fmt: skip
        found += find_differentiators(customers, members_of(customers, model))["notable"].any()
    assert found <= 3


def test_what_few_have_is_no_difference():
    """Four of a segment who have what nobody else has are not told of; five are."""
    for n, told in ((4, False), (5, True)):
        values = np.zeros(N)
        values[np.flatnonzero((CUSTOMERS.placed["segment_id"] == "S02").to_numpy())[:n]] = 9.0
        customers = replace(CUSTOMERS, features=CUSTOMERS.features.assign(visits_made=values))
        found = find_differentiators(customers, MEMBERS)
        lines = found[(found["feature"] == "visits_made") & (found["segment_id"] == "S02")]
        assert len(lines) == told


def test_levels_sum_to_one():
    """Shares of a segment's levels are all there are of it."""
    table = describe_levels(CUSTOMERS, MEMBERS)
    sums = table.groupby(["feature", "segment_id"])["share"].sum()
    assert sums.to_numpy() == pytest.approx(1)
    assert set(table["segment_id"]) == {"S01", "S02", "S03", "all"}


def test_many_levels_are_told_as_twenty_and_the_rest():
    """The most frequent stand by themselves, the others together."""
    values = pd.Series([f"place {n:02d}" for n in range(40) for _ in range(45 - n)] + [None, "once"], dtype="str")
    levels = Levels.of(values)
    assert levels.names == (*(f"place {n:02d}" for n in range(20)), "other")
    assert (levels.code == 20).sum() == sum(45 - n for n in range(20, 40)) + 1
    assert levels.code[-2] == -1


def test_the_audit_finds_what_segments_part_by():
    """Age goes with the planted segments and is flagged, gender does not; an empty feature tells nothing."""
    audit = audit_sensitive(CUSTOMERS, MEMBERS).set_index("feature")
    assert list(audit.index) == ["age_years", "gender", "shoe_size"]
    assert audit["flagged"].tolist() == [True, False, False]
    own = (~CUSTOMERS.placed["segment_id"].isin(["unassigned", "dormant"])).to_numpy()
    age, placed = CUSTOMERS.features["age_years"][own], CUSTOMERS.placed["segment_id"][own]
    between = sum(len(one) * (one.mean() - age.mean()) ** 2 for _, one in age.groupby(placed))
    assert audit.loc["age_years", "association"] == pytest.approx(np.sqrt(between / ((age - age.mean()) ** 2).sum()))
    p = f_oneway(*(one for _, one in age.groupby(placed))).pvalue
    gender = pd.crosstab(placed, CUSTOMERS.features["gender"][own])
    other = chi2_contingency(gender, correction=False).pvalue
    assert audit.loc["age_years", "p_holm"] == pytest.approx(2 * p, rel=1e-9, abs=0)
    assert audit.loc["gender", "p_holm"] == pytest.approx(max(other, 2 * p))
    assert audit.loc["age_years", "segment_id"] in {"S01", "S03"}
    assert audit.loc["shoe_size", ["association", "p_holm"]].isna().all()


def test_special_categories_are_audited_by_their_names():
    """A feature that was let in, though its name tells of religion, is no description of a segment."""
    special = Feature("religion", "customers", "1", scale="one_hot", role="descriptor", special="allow")
    customers = replace(
        CUSTOMERS,
        catalogue=Catalogue((*DECLARED, special)),
        features=CUSTOMERS.features.assign(religion=CUSTOMERS.features["zone"]),
    )
    assert "religion" not in set(find_differentiators(customers, MEMBERS)["feature"])
    audit = audit_sensitive(customers, MEMBERS).set_index("feature").loc["religion"]
    assert audit["flagged"]
    assert audit["level"] in {"城東", "north"}


def test_positions_show_two_thousand_at_most_and_no_ids():
    """Customers are drawn by a hash of their id, so the same ones are shown whoever else is there."""
    many = _customers(n=2_500)
    model = grouped_model(3)
    positions, shares, _ = place_customers(many, members_of(many, model), model)
    assert list(positions.columns) == ["x", "y", "segment_id"]
    assert len(positions) == 2_000
    assert shares == pytest.approx([1, 0])  # the space of a group's number has one dimension
    ids = many.features.index
    np.testing.assert_array_equal(drawn(ids)[5:9], drawn(ids[5:9]))


def test_components_are_those_of_the_covariance():
    """Coordinates keep the distances of points that lie in a plane, and shares tell the plane's variance."""
    rng = np.random.default_rng(2)
    plane = rng.normal(size=(50, 2)) * [3, 1] @ np.linalg.qr(rng.normal(size=(4, 4)))[0][:2]
    flat, shares = principal_components(plane)
    apart = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(flat[:, None] - flat[None], axis=2), apart, atol=1e-9)
    assert sum(shares) == pytest.approx(1)
    assert shares[0] > shares[1] > 0
    assert flat.var(axis=0) / plane.var(axis=0).sum() == pytest.approx(shares)


def test_the_medoid_has_the_smallest_sum_of_distances():
    """It comes first, and its nearest follow."""
    points = np.array([[0.0], [1], [2], [3], [50]])
    assert members_near(points).tolist() == [2, 1, 3, 0, 4]


def test_typical_customers_are_at_least_five_and_rounded():
    """Medians of the medoid's surroundings with three digits; a level held by four of them is not told."""
    _, _, typical = place_customers(CUSTOMERS, MEMBERS, MODEL)
    assert (typical["n_customers"] >= 5).all()
    assert set(typical["segment_id"]) == {"S01", "S02", "S03"}
    assert not set(typical["feature"]) & {"age_years", "gender", "few_told"}
    for value in typical["typical"]:
        assert len(re.sub(r"[-.]|e.*$", "", f"{value:.12g}").lstrip("0")) <= 3 or value == round(value, -2)
    levels = typical[typical["feature"] == "zone"]
    assert (levels["n_customers"] / levels["typical"]).to_numpy() == pytest.approx(20, rel=0.05)


def test_segments_of_few_customers_tell_nothing_of_them():
    """Three customers have a size, and neither differentiators nor a portrait."""
    customers = _customers(n=12)
    model = grouped_model(3)
    members = members_of(customers, model)
    assert members.count()[:3].tolist() == [3, 3, 3]
    assert find_differentiators(customers, members).empty
    _, _, typical = place_customers(customers, members, model)
    assert typical.empty
    columns = ["segment_id", "feature", "level", "statistic", "typical", "typical_all", "n_customers"]
    assert list(typical.columns) == columns
    assert not set(describe_levels(customers, members)["segment_id"]) & {"S01", "S02", "S03"}
    numbers = describe_numbers(customers, members).set_index("segment_id")
    assert numbers.loc["S01", ["mean", "missing_share"]].isna().all(axis=None)
