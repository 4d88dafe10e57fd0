"""What segments like, what complements what, and what to offer next: planted complements are found, chance is not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from patronage.periods import scoring_window
from patronage.profiles import Customers
from patronage.profiles.bought import MAX_CATEGORIES, read_bought, unpacked
from patronage.profiles.categories import FAVOURITES, MIN_LIFT, RULES, cross_sell_rules, favourite_categories
from patronage.profiles.next_categories import next_best_categories
from patronage.profiles.pairs import pairs_of
from patronage.profiles.significance import chance_of_more
from patronage.tables import DataSource, Tables, TableSource, open_tables
from tests.grouped import grouped_model, profile_frames
from tests.shoppers import by_taste, ids_of, lines_of, opened, shoppers

ODD = [
    "<script>alert(1)</script>",
    'o\'clock "x"; DROP TABLE placed',
    "=1+1",
    "Молоко и сыр",
    "日本茶",
    "x" * 3_000,
    " spaced ",
    "100 % {pure}",
]


def planted(n: int = 500, n_categories: int = 12, seed: int = 0) -> np.ndarray:
    """Customers who buy by taste, but half of those who buy the first category buy the second because of it."""
    matrix = by_taste(n, n_categories, seed, popularity=(-0.5, -2.0))
    matrix[:, 1] |= matrix[:, 0] & (np.random.default_rng(seed).random(n) < 0.5)
    return matrix


def names_of(n: int) -> list[str]:
    """Categories by number."""
    return [f"category {number:03d}" for number in range(n)]


def told(rules: pd.DataFrame) -> set[tuple[str, ...]]:
    """Rules without their order."""
    return set(rules[["segment_id", "bought", "offered"]].itertuples(index=False, name=None))


def test_a_planted_complement_is_found_in_its_segment_alone() -> None:
    """Both ways round, and nothing else; the other segment buys the same categories by taste alone."""
    matrix = np.vstack([planted(), by_taste(500, 12, 1)])
    customers = shoppers(["S01"] * 500 + ["S02"] * 500)
    with opened(lines_of(matrix, names_of(12))) as tables:
        rules = cross_sell_rules(tables, customers)
    first, second = "category 000", "category 001"
    assert told(rules) == {("S01", first, second), ("S01", second, first)}
    rule = rules[rules["bought"] == first].iloc[0]
    inside = matrix[:500]
    both = int((inside[:, 0] & inside[:, 1]).sum())
    assert rule["n_both"] == both
    assert rule["support"] == pytest.approx(both / 500)
    assert rule["confidence"] == pytest.approx(both / inside[:, 0].sum())
    assert rule["n_open"] == inside[:, 0].sum() - both
    assert MIN_LIFT <= rule["lift_low"] < rule["lift"] < both * 500 / inside[:, 0].sum() / inside[:, 1].sum() * 1.1


@pytest.mark.parametrize("n_categories", [6, 20])
def test_whoever_buys_much_makes_no_complement(n_categories: int) -> None:
    """Customers who differ in breadth alone buy nearly all pairs together more often; over six seeds none is a rule."""
    for seed in range(6):
        matrix = by_taste(700, n_categories, seed)
        share = matrix.mean(axis=0)
        lift = (matrix.T @ matrix.astype(float)) / len(matrix) / np.outer(share, share)
        assert np.median(lift[np.triu_indices(n_categories, 1)]) > 1.1
        with opened(lines_of(matrix, names_of(n_categories))) as tables:
            assert cross_sell_rules(tables, shoppers(["S01"] * 500 + ["S02"] * 200)).empty


def test_purchases_drawn_anew_make_no_rule() -> None:
    """The planted complement is gone once who buys each category is drawn by lot."""
    for seed in range(6):
        matrix = np.random.default_rng(seed).permuted(planted(seed=seed), axis=0)
        with opened(lines_of(matrix, names_of(12))) as tables:
            assert cross_sell_rules(tables, shoppers(["S01"] * 500)).empty


def test_a_small_segment_does_not_win_by_chance() -> None:
    """Fifteen customers with the same shares as five hundred make no rule; fewer than five behind it never do."""
    matrix = np.vstack([planted(), planted(seed=3)[:15]])
    with opened(lines_of(matrix, names_of(12))) as tables:
        rules = cross_sell_rules(tables, shoppers(["S01"] * 500 + ["S02"] * 15))
    assert set(rules["segment_id"]) == {"S01"}
    few = np.zeros((400, 8), dtype=bool)
    few[:4, :2] = True  # four customers who buy both, and nobody else either
    few[:, 2:] = by_taste(400, 6, 0)
    with opened(lines_of(few, names_of(8))) as tables:
        assert cross_sell_rules(tables, shoppers(["S01"] * 400)).empty
        assert not favourite_categories(tables, shoppers(["S01"] * 400))["category"].isin(names_of(2)).any()


def test_expected_pairs_are_those_of_all_ways_to_buy_as_many() -> None:
    """Against every selection there is: weights of a fit to the buyers, breadths as they are; z is standard normal."""
    matrix = by_taste(4_000, 5, 2)
    with opened(lines_of(matrix, names_of(5))) as tables:
        bought = read_bought(tables, shoppers(["S01"] * 4_000))
    assert bought is not None
    pairs = pairs_of(bought, np.arange(4_000))
    order = [names_of(5).index(name) for name in np.array(bought.categories)[pairs.categories]]
    matrix = matrix[:, order]
    np.testing.assert_array_equal(pairs.both, matrix.T @ matrix.astype(float))
    selections = np.array(list(itertools.product([0, 1], repeat=5)))
    breadth, n_of = selections.sum(axis=1), np.bincount(matrix.sum(axis=1), minlength=6)
    beta = np.zeros(5)
    for _ in range(300):
        weight = np.exp(selections @ beta)
        chance = weight / np.bincount(breadth, weights=weight)[breadth] * n_of[breadth]
        beta += np.log(pairs.buyers / (chance @ selections))
    expected = (selections * chance[:, None]).T @ selections
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(pairs.expected[off], expected[off], rtol=2e-3)


def test_the_statistic_of_pairs_is_standard_normal_under_chance() -> None:
    """Mean 0 and deviation 1 over all pairs of several shops, so that p means what it says."""
    z = []
    for seed in range(6):
        matrix = by_taste(600, 20, seed)
        with opened(lines_of(matrix, names_of(20))) as tables:
            bought = read_bought(tables, shoppers(["S01"] * 600))
        assert bought is not None
        pairs = pairs_of(bought, np.arange(600))
        upper = np.triu_indices(len(pairs.buyers), 1)
        z.append((pairs.both - pairs.expected)[upper] / np.sqrt(pairs.variance[upper]))
    assert abs(np.concatenate(z).mean()) < 0.1
    assert 0.9 < np.concatenate(z).std() < 1.1


def test_the_chance_of_a_count_is_at_least_the_exact_one() -> None:
    """Against the hypergeometric tail, from rare to frequent, and near it where events are rare."""
    for n, a, b in itertools.product((30, 200, 2000), (5, 10, 20), (5, 15, 25)):
        expected, count = a * b / n, np.arange(1.0, min(a, b) + 1)
        variance = expected * (n - a) * (n - b) / (n * (n - 1))
        exact = stats.hypergeom.sf(count - 1, n, a, b)
        ours = chance_of_more(count, np.full(len(count), expected), np.full(len(count), variance))
        assert (ours >= 0.95 * exact)[exact < 0.05].all()
        assert (ours <= 4 * exact)[(exact > 1e-6) & (n == 2000)].all()


def test_favourites_are_counted_by_hand() -> None:
    """Ten customers of one segment against ten others: buyers, shares, lift and spend; fewer than five are not told."""
    matrix = np.zeros((20, 3), dtype=bool)
    matrix[:8, 0] = matrix[10:14, 0] = True  # 8 of 10 against 4 of 10
    matrix[:5, 1] = True  # nobody else
    matrix[:4, 2] = matrix[10:, 2] = True
    with opened(lines_of(matrix, ["tea", "jam", "oil"], price=2.5)) as tables:
        table = favourite_categories(tables, shoppers(["S01"] * 10 + ["S02"] * 10))
    assert dict(table.dtypes.astype(str)) == FAVOURITES
    found = table.set_index(["segment_id", "category"])
    assert set(found.index) == {("S01", "tea"), ("S01", "jam"), ("S02", "oil")}
    tea, jam = found.loc[("S01", "tea")], found.loc[("S01", "jam")]
    assert (tea["n_buyers"], tea["buyers_share"], tea["buyers_share_all"]) == (8, 0.8, 0.4)
    assert tea["lift"] == pytest.approx(2.0)
    assert tea["spend_share"] == pytest.approx(8 / 17)
    assert tea["spend_share_all"] == pytest.approx(4 / 14)
    assert np.isnan(jam["lift"])
    assert jam["buyers_share_all"] == 0
    exact = stats.fisher_exact([[5, 5], [0, 10]]).pvalue
    assert jam["p_holm"] == pytest.approx(2 * exact)  # of three comparisons, oil's being surer


def test_favourites_of_a_segment_stand_before_what_few_bought() -> None:
    """By the lower end of the interval: 200 of 400 against a quarter goes before 6 of 400 against 1 of 400."""
    matrix = np.zeros((800, 2), dtype=bool)
    matrix[:200, 0] = matrix[400:500, 0] = True
    matrix[:6, 1] = matrix[400, 1] = True
    with opened(lines_of(matrix, ["often", "rare"])) as tables:
        table = favourite_categories(tables, shoppers(["S01"] * 400 + ["S02"] * 400))
    own = table[table["segment_id"] == "S01"]
    assert list(own["category"]) == ["often", "rare"]
    assert own["lift"].is_monotonic_increasing
    assert (own["p_holm"] < 0.05).tolist() == [True, False]


def test_one_segment_has_nobody_to_differ_from() -> None:
    """Shares of others and lifts are missing, and nothing fails; complements are found all the same."""
    with opened(lines_of(planted(), names_of(12))) as tables:
        customers = shoppers(["S01"] * 500)
        table, rules = favourite_categories(tables, customers), cross_sell_rules(tables, customers)
    assert table[["buyers_share_all", "lift", "spend_share_all"]].isna().all(axis=None)
    assert (table["p_holm"] == 1).all()
    assert len(rules) == 2


@pytest.mark.parametrize("missing", ["category", "transactions"])
def test_without_categories_there_are_no_lines_but_all_columns(missing: str) -> None:
    """Typed, so that they are saved like any others; nobody gets an offer."""
    customers = shoppers(["S01"] * 500)
    lines = lines_of(planted(), names_of(12)).drop(columns="category")
    people = pd.DataFrame({"customer_id": ids_of(500), "town": "x"})
    given = {"transactions": lines} if missing == "category" else {"customers": people}
    source = DataSource("shop", tables={name: TableSource(frame=frame) for name, frame in given.items()})
    with open_tables(source) as tables:
        rules = cross_sell_rules(tables, customers)
        assert dict(favourite_categories(tables, customers).dtypes.astype(str)) == FAVOURITES
        offers = next_best_categories(tables, customers, rules)
    assert rules.empty
    assert dict(rules.dtypes.astype(str)) == RULES
    assert offers.shape == (500, 3)
    assert offers.isna().all(axis=None)


def test_departments_stand_in_for_categories_and_refunds_are_no_purchases() -> None:
    """A line below 0 and a line after the window count for nothing; one that cost nothing is a purchase."""
    lines = lines_of(planted(), names_of(12))
    later = lines.assign(ordered_at=pd.Timestamp("2024-02-01"), category="later")
    back = lines.assign(revenue=-1.0, category="back")
    free = lines[:9].assign(revenue=0.0, category="free")
    blank = lines.assign(category=" ")
    every = pd.concat([lines, later, back, free, blank]).rename(columns={"category": "department"})
    with opened(every) as tables:
        bought = read_bought(tables, shoppers(["S01"] * 500))
    assert bought is not None
    assert set(bought.categories) == {*names_of(12), "free"}
    # The nine lines may be of fewer customers.
    assert 1 <= bought.buyers("S01")[bought.categories.index("free")] <= 9


def test_names_of_categories_come_through_as_they_are() -> None:
    """Markup, quotes, formulas, other scripts and thousands of letters are neither changed nor run."""
    matrix = planted(n_categories=len(ODD))
    with opened(lines_of(matrix, ODD)) as tables:
        customers = shoppers(["S01"] * 300 + ["S02"] * 200)
        rules = cross_sell_rules(tables, customers)
        offers = next_best_categories(tables, customers, rules)
        assert set(favourite_categories(tables, customers)["category"]) == set(ODD)
    assert ("S01", ODD[0], ODD[1]) in told(rules)
    assert set(offers.melt()["value"].dropna()) <= set(ODD)


def test_only_the_categories_with_most_revenue_are_looked_at() -> None:
    """Of more than there is room for, those with least revenue are left out; bits beyond a word are kept apart."""
    n = MAX_CATEGORIES + 10
    matrix = np.random.default_rng(0).random((60, n)) < 0.5
    lines = lines_of(matrix, names_of(n))
    lines["revenue"] = lines["category"].map({name: n - place for place, name in enumerate(names_of(n))})
    sold = lines.groupby("category")["revenue"].sum().sort_values(ascending=False, kind="stable")
    with opened(lines) as tables:
        bought = read_bought(tables, shoppers(["S01"] * 60))
    assert bought is not None
    assert set(bought.categories) == set(sold.index[:MAX_CATEGORIES])
    columns = [names_of(n).index(name) for name in bought.categories]
    np.testing.assert_array_equal(bought.matrix(np.arange(60)), matrix[:, columns])
    assert bought.spend_total["S01"] == lines["revenue"].sum()
    assert not unpacked(np.zeros((2, 2), dtype=np.uint64), 3).any()


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neither_order_nor_names_matter(seed: int) -> None:
    """Lines and customers in another order, and categories under other names, tell the same."""
    rng = np.random.default_rng(seed)
    matrix, customers = planted(300, 8, seed % 1000), shoppers(list(rng.choice(["S01", "S02"], 300)))
    lines = lines_of(matrix, names_of(8)).assign(revenue=rng.random(matrix.sum()).round(2))
    other = dict(zip(names_of(8), rng.permutation(ODD), strict=True))
    order = rng.permutation(300)
    turned = replace(customers, placed=customers.placed.iloc[order], status=customers.status.iloc[order])
    shuffled = lines.assign(category=lines["category"].map(other)).sample(frac=1, random_state=seed)
    with opened(lines) as tables:
        before = [ask(tables, customers) for ask in (cross_sell_rules, favourite_categories)]
        offers = next_best_categories(tables, customers, before[0])
    with opened(shuffled) as tables:
        after = [ask(tables, turned) for ask in (cross_sell_rules, favourite_categories)]
        again = next_best_categories(tables, turned, after[0])
    for one, two in zip(before, after, strict=True):
        renamed = one.assign(
            **{name: one[name].map(other) for name in ("category", "bought", "offered") if name in one}
        )
        keys = [name for name in ("segment_id", "category", "bought", "offered") if name in one]
        pd.testing.assert_frame_equal(
            *(table.sort_values(keys, ignore_index=True) for table in (renamed.astype(one.dtypes), two)), rtol=1e-9
        )
    if not lines.groupby("category")["revenue"].sum().round(2).duplicated().any():
        mapped = offers.apply(lambda column: column.map(other)).astype("str")
        pd.testing.assert_frame_equal(mapped, again.loc[offers.index])


def test_what_a_customer_buys_is_never_offered_to_it() -> None:
    """Nor twice; a complement of what it buys goes before what its segment buys as often."""
    matrix = planted()
    customers = shoppers(["S01"] * 500)
    with opened(lines_of(matrix, names_of(12))) as tables:
        rules = cross_sell_rules(tables, customers)
        offers = next_best_categories(tables, customers, rules, n=12)
        assert list(next_best_categories(tables, customers, rules, n=0).columns) == []
    owned = [{names_of(12)[place] for place in np.flatnonzero(row)} for row in matrix]
    for own, row in zip(owned, offers.to_numpy(), strict=True):
        offered = [one for one in row if isinstance(one, str)]
        assert not own & set(offered)
        assert len(offered) == len(set(offered)) == 12 - len(own)
        assert all(isinstance(one, str) for one in row[: len(offered)])
    share = dict(zip(names_of(12), matrix.mean(axis=0), strict=True))
    lift = rules.set_index(["bought", "offered"])["lift"]
    for own, row in zip(owned, offers.to_numpy(), strict=True):
        left = [one for one in row if isinstance(one, str)]
        score = [share[one] * max([1.0, *(lift.get((have, one), 1.0) for have in own)]) for one in left]
        assert score == sorted(score, reverse=True)


def test_who_buys_nothing_yet_is_offered_what_its_segment_likes() -> None:
    """Prospects of a segment get its favourites; dormant customers, and prospects of no segment, nothing."""
    matrix = np.vstack([planted(), np.zeros((3, 12), dtype=bool)])
    basis = np.array(["behaviour"] * 500 + ["profile", "none", "behaviour"], dtype=object)
    status = ["active"] * 500 + ["prospect", "prospect", "dormant"]
    customers = shoppers(["S01"] * 501 + ["unassigned", "dormant"], basis=list(basis), status=status)
    with opened(lines_of(matrix, names_of(12))) as tables:
        offers = next_best_categories(tables, customers, cross_sell_rules(tables, customers))
    most = np.argsort(-matrix.sum(axis=0), kind="stable")[:3]
    assert list(offers.iloc[500]) == [names_of(12)[place] for place in most]
    assert offers.iloc[501:].isna().all(axis=None)


def test_what_fewer_than_five_members_buy_is_offered_to_nobody() -> None:
    """A segment of four gets no offers, and no error."""
    matrix = planted()
    with opened(lines_of(matrix, names_of(12))) as tables:
        customers = shoppers(["S01"] * 496 + ["S02"] * 3 + ["S03"])
        offers = next_best_categories(tables, customers, cross_sell_rules(tables, customers))
    assert offers.iloc[496:].isna().all(axis=None)
    assert offers.iloc[:400, 0].notna().any()


@pytest.fixture(scope="module")
def groceries(complete_journey: DataSource) -> Iterator[tuple[Tables, Customers, pd.DataFrame]]:
    """Half a year of real households, in three segments by what they spend, and their rules."""
    with open_tables(complete_journey) as tables:
        window = scoring_window(tables, None, 182, 0)
        spend = tables.connection.sql(
            "SELECT customer_id::VARCHAR AS customer_id, sum(revenue)::DOUBLE AS spend FROM transactions "
            f"WHERE ordered_at >= '{window.features_from}' AND revenue >= 0 GROUP BY ALL ORDER BY 1"
        ).df()
        made = shoppers([f"S0{3 - third}" for third in pd.qcut(spend["spend"], 3, labels=False)])
        index = pd.Index(spend["customer_id"], name="customer_id", dtype="str")
        frames = {"placed": made.placed.set_axis(index), "status": made.status.set_axis(index)}
        customers = replace(made, window=window, **frames)
        yield tables, customers, cross_sell_rules(tables, customers)


def test_complements_of_real_households_make_sense(groceries: tuple[Tables, Customers, pd.DataFrame]) -> None:
    """Baby food goes with formula, foreign wine with domestic, dry pasta with its sauce; milk is no complement."""
    _, _, rules = groceries
    pairs = set(rules[["bought", "offered"]].itertuples(index=False, name=None))
    assert {
        ("INFANT FORMULA", "BABY FOODS"),
        ("DOMESTIC WINE", "IMPORTED WINE"),
        ("PASTA SAUCE", "DRY NOODLES/PASTA"),
        ("DELI MEATS", "CHEESES"),
    } <= pairs
    # Nine in ten households buy milk and soft drinks, with everything.
    assert not {"FLUID MILK PRODUCTS", "SOFT DRINKS"} & set(rules["offered"])
    assert rules["n_both"].min() >= 5
    assert rules["n_open"].min() >= 5
    for _, own in rules.groupby("segment_id"):
        assert own["lift_low"].is_monotonic_decreasing


def test_real_households_are_offered_only_what_they_do_not_buy(
    groceries: tuple[Tables, Customers, pd.DataFrame],
) -> None:
    """Everyone who ordered gets three offers, none of which its lines hold; offers differ between customers."""
    tables, customers, rules = groceries
    offers = next_best_categories(tables, customers, rules)
    bought = tables.connection.sql(
        "SELECT DISTINCT customer_id::VARCHAR AS customer_id, category FROM transactions JOIN products USING "
        f"(product_id) WHERE ordered_at >= '{customers.window.features_from}' AND revenue >= 0"
    ).df()
    long = offers.rename_axis("customer_id").reset_index().melt("customer_id", value_name="category").dropna()
    assert offers.notna().mean(axis=None) > 0.99
    assert long.merge(bought, on=["customer_id", "category"]).empty
    assert long["category"].nunique() > 50


def test_categories_of_special_personal_data_are_left_out():
    """Nothing is said or offered of what tells of health, and the others keep their figures and their places."""
    rng = np.random.default_rng(6)
    matrix = by_taste(400, 4, seed=6)
    matrix[:, 1] = matrix[:, 0] ^ (rng.random(400) < 0.05)
    names = ["Bread", "Pregnancy tests", "Jam", "It's medical"]
    customers = shoppers(["S01", "S02"] * 200)
    with opened(lines_of(matrix, names)) as tables:
        bought = read_bought(tables, customers)
        found = favourite_categories(tables, customers, bought)
        rules = cross_sell_rules(tables, customers, bought)
        offered = next_best_categories(tables, customers, rules, bought=bought)
    assert set(bought.left_out) == {"Pregnancy tests", "It's medical"}
    assert set(found["category"]) == {"Bread", "Jam"}
    assert not {*rules["bought"], *rules["offered"], *offered.to_numpy().ravel()} & set(bought.left_out)
    jam = found[(found["segment_id"] == "S01") & (found["category"] == "Jam")].iloc[0]
    assert jam["n_buyers"] == matrix[::2, 2].sum()
    assert jam["spend_share"] == pytest.approx(matrix[::2, 2].sum() / matrix[::2].sum())


def test_what_was_left_out_is_noted(caplog):
    """The profiles tell which categories they are silent of, and a warning how many."""
    bought = lines_of(by_taste(60, 3, seed=2), ["Bread", "Medical supplies", "Jam"])
    bought["ordered_at"] = pd.Timestamp("2024-03-01")
    bought.loc[0, "ordered_at"] = pd.Timestamp("2023-06-01")
    customers = pd.DataFrame({"customer_id": ids_of(60), "group_number": np.arange(60) % 2 + 1})
    made, _ = profile_frames({"transactions": bought, "customers": customers}, grouped_model(2))
    assert made.about["categories_left_out"] == ["Medical supplies"]
    assert not made.categories["category"].eq("Medical supplies").any()
    assert "1 category left out" in caplog.text
