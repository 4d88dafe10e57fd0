"""What segments are worth: intervals that hold, shares, return, priority and the curve, by hand and by simulation."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.catalogue import Catalogue
from patronage.profiles.customers import Customers
from patronage.profiles.members import members_of
from patronage.profiles.money import capture_curve, mean_intervals, money_of_segments
from patronage.profiles.tables import ALL
from patronage.windows import Window
from tests.grouped import grouped_model, profile_frames


def _customers(segment_ids, *, value=None, value_name="profit", **money):
    """Customers of given segments and money."""
    ids = pd.Index([f"c{number}" for number in range(len(segment_ids))], name="customer_id")
    frame = pd.DataFrame(money, index=ids, dtype=float)
    if value is None:
        value = frame.get("margin", frame.iloc[:, 0]) - frame.filter(like="_cost").sum(axis=1)
    placed = pd.DataFrame({"segment_id": segment_ids, "confidence": 0.9, "basis": "behaviour"}, index=ids)
    return Customers(
        window=Window(date(2024, 1, 1), 100, 30),
        catalogue=Catalogue(()),
        features=pd.DataFrame(index=ids),
        status=pd.Series(np.where(placed["segment_id"] == "dormant", "dormant", "active"), index=ids),
        placed=placed,
        money=frame,
        value=pd.Series(np.asarray(value, dtype=float), index=ids),
        value_name=value_name,
    )


def _money(customers, n_segments):
    return _lines(customers, n_segments).drop(index=ALL)


def _lines(customers, n_segments):
    """The segments' figures, and those of all."""
    model = grouped_model(n_segments)
    return money_of_segments(customers, members_of(customers, model), model)


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda rng, shape: rng.lognormal(0, 1, shape), np.exp(0.5)),
        (lambda rng, shape: rng.gamma(0.5, 1, shape) - 1, -0.5),
        (lambda rng, shape: rng.lognormal(0, 1, shape) * (rng.random(shape) < 0.3), 0.3 * np.exp(0.5)),
        (lambda rng, shape: rng.normal(5, 1, shape), 5.0),
    ],
    ids=["log-normal", "gamma with losses", "mostly nothing", "normal"],
)
@pytest.mark.parametrize("n", [30, 200])
def test_the_interval_holds_the_mean_of_skewed_money(draw, mean, n):
    """Of 2,000 segments, about nine in ten intervals hold the planted mean, and misses lie on both sides."""
    rng = np.random.default_rng(5)
    values = draw(rng, (2_000, n))
    _, low, high = mean_intervals(values.ravel(), np.repeat(np.arange(2_000), n), 2_000)
    assert 0.85 < np.mean((low <= mean) & (mean <= high)) < 0.93
    assert np.mean(mean < low) > 0.015
    assert np.mean(mean > high) < 0.12


def test_the_interval_covers_better_than_students():
    """Of 30 log-normal values Student's interval misses a mean that lies above it in a seventh of samples."""
    rng = np.random.default_rng(6)
    values = rng.lognormal(0, 1, (2_000, 30))
    mean, _, high = mean_intervals(values.ravel(), np.repeat(np.arange(2_000), 30), 2_000)
    students = mean + 1.699 * values.std(axis=1, ddof=1) / np.sqrt(30)
    truth = np.exp(0.5)
    assert np.mean(truth > high) < 0.75 * np.mean(truth > students)


def test_few_equal_and_no_customers_have_intervals_of_their_own():
    """Equal values have no width, one customer has no interval, and nobody not even a mean."""
    mean, low, high = mean_intervals(np.array([2.0, 2.0, 7.0]), np.array([0, 0, 1]), 3)
    np.testing.assert_array_equal(mean, [2, 7, np.nan])
    np.testing.assert_array_equal(low, [2, np.nan, np.nan])
    np.testing.assert_array_equal(high, [2, np.nan, np.nan])


@given(st.lists(st.floats(-50, 500), min_size=3, max_size=40), st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_intervals_follow_the_scale_and_not_the_order(values, seed):
    """Money in cents has the interval in cents; shuffled customers have the same; the mean lies within."""
    values = np.round(np.array(values), 2)
    code = np.zeros(len(values), dtype=int)
    mean, low, high = (one[0] for one in mean_intervals(values, code, 1))
    assert low <= mean + 1e-9
    assert mean <= high + 1e-9
    shuffled = np.random.default_rng(seed).permutation(values)
    np.testing.assert_allclose(np.ravel(mean_intervals(100 * shuffled, code, 1)) / 100, [mean, low, high], atol=1e-7)


def test_every_figure_by_hand():
    """Two segments of two customers, with margins and both costs."""
    table = _money(
        _customers(
            ["S01", "S01", "S02", "S02"],
            revenue=[100, 300, 50, 50],
            margin=[40, 100, 10, 20],
            service_cost=[5, 5, 20, 10],
            campaign_cost=[0, 10, 0, 10],
        ),
        2,
    )
    expected = {
        "value_per_customer": [60, -5],
        "value_total": [120, -10],
        "value_share": [120 / 110, -10 / 110],
        "revenue_per_customer": [200, 50],
        "margin_per_customer": [70, 15],
        "service_cost_per_customer": [5, 15],
        "campaign_cost_per_customer": [5, 5],
        "profit_per_customer": [60, -5],
        "margin_rate": [0.35, 0.3],
        "roi": [6, -0.25],
        "service_cost_share": [10 / 140, 1],
        "loss_share": [np.nan, np.nan],
        "later_value_per_customer": [10, 20],
        "priority": [1, 2],
    }
    for column, figures in expected.items():
        np.testing.assert_allclose(table[column], figures, err_msg=column)


def test_return_ranks_before_value():
    """The segment that returns most per cost comes first, though another is worth more."""
    customers = _customers(["S01", "S02"], margin=[1_000, 90], service_cost=[500, 10])
    assert _money(customers, 2)["priority"].tolist() == [2, 1]


def test_value_ranks_where_a_return_is_not_known_of_all():
    """A segment that cost nothing has no return, so all are ranked by their value."""
    table = _money(_customers(["S01", "S02"], margin=[100, 90], service_cost=[50, 0]), 2)
    assert table["roi"].isna().tolist() == [False, True]
    assert table["priority"].tolist() == [2, 1]


def test_a_loss_is_not_ranked_by_its_return():
    """Of two losses the smaller comes first, though the larger has the higher return: more was spent on it."""
    table = _money(_customers(["S01", "S02"], margin=[-45, -45], service_cost=[1_000, 10]), 2)
    assert table["roi"].tolist() == pytest.approx([-1.045, -5.5])
    assert table["priority"].tolist() == [2, 1]


def test_service_has_a_share_where_there_is_no_margin():
    """Of a margin below 0 there are no shares: in all segments alike it is then of the revenue."""
    table = _lines(
        _customers(["S01", "S02", "dormant"], revenue=[200, 100, 0], margin=[-50, 40, 0], service_cost=[20, 5, 1]), 2
    )
    assert table["service_cost_share"].tolist() == pytest.approx([0.1, 0.05, np.nan, 25 / 300], nan_ok=True)
    table = _lines(_customers(["S01", "S02"], revenue=[200, 100], margin=[50, 40], service_cost=[20, 5]), 2)
    assert table["service_cost_share"].tolist() == pytest.approx([0.4, 0.125, 25 / 90])


def test_money_of_all_is_of_their_sums():
    """Return, rate and mean over everybody but the dormant, those placed nowhere among them."""
    customers = _customers(
        ["S01", "S01", "S02", "unassigned", "dormant"],
        revenue=[100, 200, 50, 50, 10],
        margin=[40, 60, 10, 10, 5],
        service_cost=[2, 2, 20, 6, 50],
    )
    line = _lines(customers, 2).loc[ALL]
    assert line["value_per_customer"] == pytest.approx((120 - 30) / 4)
    assert line["roi"] == pytest.approx(90 / 30)
    assert line["margin_rate"] == pytest.approx(120 / 400)
    assert line["value_total"] == 90
    _, low, high = mean_intervals(np.array([38.0, 58, -10, 4]), np.zeros(4, dtype=int), 1)
    assert line[["value_low", "value_high"]].tolist() == pytest.approx([low[0], high[0]])


def _described(**lines):
    """Ten customers of two segments with four lines each, as the tables tell them."""
    ids = [f"c{number}" for number in range(10)] * 4
    bought = pd.DataFrame({"customer_id": ids, "ordered_at": pd.Timestamp("2024-03-01"), "revenue": 20.0})
    bought = pd.concat([bought.assign(**lines), bought.head(1).assign(ordered_at=pd.Timestamp("2023-01-01"))])
    customers = pd.DataFrame({"customer_id": ids[:10], "group_number": [1.0, 2.0] * 5})
    contacts = pd.DataFrame({"customer_id": ids[:10], "occurred_at": pd.Timestamp("2024-03-01"), "cost": 30.0})
    frames = {"transactions": bought, "customers": customers, "contacts": contacts}
    return profile_frames(frames, grouped_model(2))


def test_revenue_is_revenue():
    """Without a margin costs are not taken off: revenue less costs is no revenue, and 30 of 80 no loss."""
    made, customers = _described()
    assert made.about["value"]["name"] == customers.value_name == "revenue"
    assert made.segments["value_per_customer"].tolist() == [80, 80]
    assert made.segments["service_cost_per_customer"].tolist() == [30, 30]
    assert made.segments[["profit_per_customer", "roi"]].isna().all(axis=None)


def test_an_unknown_margin_is_not_none(caplog):
    """Where a quarter of the revenue has no margin it has the others' rate, which is told of."""
    known = np.repeat([True, True, True, False], 10)
    made, _ = _described(margin=np.where(known, 8.0, np.nan))
    assert made.about["revenue_without_margin"] == pytest.approx(0.25)
    assert made.about["value"]["name"] == "profit"
    assert made.segments["margin_rate"].tolist() == pytest.approx([0.4, 0.4])
    assert made.segments["margin_per_customer"].tolist() == pytest.approx([32, 32])
    assert made.segments["value_per_customer"].tolist() == pytest.approx([2, 2])
    assert "25.0% of the revenue have no margin" in caplog.text


def test_a_rate_is_of_the_lines_that_have_a_margin():
    """Segments keep their own rates, whichever of their lines have a margin."""
    group, line = np.arange(40) % 2, np.arange(40) // 10
    margin = np.where(group == 0, 10.0, 2.0)
    made, _ = _described(margin=np.where((line == 0) & (group == 1), np.nan, margin))
    assert made.segments["margin_rate"].tolist() == pytest.approx([0.5, 0.1])
    assert made.overall["margin_rate"].item() == pytest.approx((20 * 10 + 15 * 2) / (35 * 20))


def test_of_a_margin_of_few_lines_nothing_is_made_up(caplog):
    """Where more than half of the revenue has none, value is revenue."""
    made, _ = _described(margin=np.where(np.arange(40) < 10, 8.0, np.nan))
    assert made.about["value"]["name"] == "revenue"
    assert made.about["revenue_without_margin"] == pytest.approx(0.75)
    assert made.segments[["margin_per_customer", "margin_rate"]].isna().all(axis=None)
    assert "no margin is told" in caplog.text


def test_reserved_segments_have_money_and_no_priority():
    """Dormant customers cost something, and are not in the order of segments."""
    table = _money(_customers(["S01", "dormant"], margin=[100, 0], service_cost=[10, 5]), 1)
    assert table.loc["dormant", "value_total"] == -5
    assert table.loc["S01", "value_share"] == pytest.approx(90 / 85)
    assert table["priority"].tolist() == pytest.approx([1, np.nan], nan_ok=True)


def test_a_segment_without_customers_has_no_figures():
    """Nothing is known of it, and the others are ranked without it."""
    table = _money(_customers(["S01", "S03"], revenue=[10, 30], value_name="revenue"), 3)
    assert table.loc["S02"].drop(["later_value_per_customer", "jaccard"]).isna().all()
    assert table["priority"].tolist() == pytest.approx([2, np.nan, 1], nan_ok=True)


@pytest.mark.parametrize("revenue", [[0, 0, 0], [-10, -20, 5]])
def test_shares_of_nothing_are_not_defined(revenue):
    """A total of 0, or of losses, has no shares and no curve; nothing raises."""
    customers = _customers(["S01", "S01", "S02"], revenue=revenue, value_name="revenue")
    table = _money(customers, 2)
    assert table["value_share"].isna().all()
    curve = capture_curve(customers, members_of(customers, grouped_model(2)))
    assert list(curve.columns) == ["share_customers", "share_value", "segment_share_value"]
    assert curve.empty


def test_the_curve_by_hand():
    """The best half of four customers holds 90 of 100; the best segment, of two, 60."""
    customers = _customers(["S01", "S02", "S01", "S02"], revenue=[60, 30, 0, 10], value_name="revenue")
    curve = capture_curve(customers, members_of(customers, grouped_model(2))).set_index("share_customers")
    assert curve.loc[0.5].tolist() == pytest.approx([0.9, 0.6])
    assert curve.loc[0.25].tolist() == pytest.approx([0.6, 0.3])
    assert curve.loc[[0.0, 1.0]].to_numpy().ravel().tolist() == pytest.approx([0, 0, 1, 1])


def test_dormant_customers_are_not_on_the_curve():
    """Nobody of them is among the best half, and what they cost lowers no total: shares are of the active customers."""
    ids, revenue = ["S01", "S02", "S01", "S02"], [60, 30, 0, 10]
    curves = []
    for dormant in (0, 4):
        customers = _customers(
            [*ids, *["dormant"] * dormant], revenue=[*revenue, *[-5] * dormant], value_name="revenue"
        )
        curves.append(capture_curve(customers, members_of(customers, grouped_model(2))))
    pd.testing.assert_frame_equal(*curves)


@given(st.lists(st.integers(-20, 400), min_size=4, max_size=30), st.integers(1, 1_000), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_money_of_another_currency_leaves_shares_and_returns(values, factor, seed):
    """Rescaled money leaves shares, rates, returns and ranks; shuffled customers leave all; shares sum to 1."""
    margin = np.array(values, dtype=float)
    cost = 1.0 + np.arange(len(margin)) % 3
    ids = np.array(["S01", "S02"])[np.arange(len(margin)) % 2]
    order = np.random.default_rng(seed).permutation(len(margin))
    first = _money(_customers(ids, margin=margin, service_cost=cost), 2)
    second = _money(_customers(ids[order], margin=margin[order] * factor, service_cost=cost[order] * factor), 2)
    same = ["value_share", "roi", "loss_share", "service_cost_share", "priority"]
    pd.testing.assert_frame_equal(first[same], second[same])
    if first["value_share"].notna().all():
        assert first["value_share"].sum() == pytest.approx(1)
