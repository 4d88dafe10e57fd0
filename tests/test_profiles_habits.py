"""Habits, channels, seasons and service by segment, on small tables computed by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from patronage.profiles import describe_customers
from patronage.profiles.habits import habits_of_segments, peaks, when_they_buy
from patronage.profiles.members import members_of
from patronage.profiles.reach import channels_of_segments, reachability
from patronage.tables import DataSource, TableSource, open_tables
from tests.grouped import grouped_model, profile_frames

AS_OF = date(2024, 4, 10)
"""With a lookback of 100 days, which begins on New Year's Day; its second half begins on 20 February."""


CLONES = 5
"""Of every customer, as nothing is told of fewer; medians, means and shares are those of one of each."""


def _cloned(frame):
    """Every line of customer x once for each of x1 to x5."""
    several = [frame.assign(customer_id=frame["customer_id"] + str(n)) for n in range(1, CLONES + 1)]
    return pd.concat(several).sort_index(kind="stable").reset_index(drop=True)


def _frames(**more):
    """Three customers of one segment, one of another, and one who bought last before the lookback; each five times."""
    bought = [
        ("a", "2023-06-05 10:00", "o1", 10, 0, "wine", "store"),  # known before
        ("a", "2024-01-01 10:00", "o2", 10, 0, "wine", "store"),
        ("a", "2024-01-11 11:00", "o3", 30, 10, "bread", "app"),
        ("a", "2024-04-09 11:00", "o4", 40, 0, "wine", "app"),
        ("b", "2024-03-02 12:00", "o5", 20, 5, "bread", "app"),
        ("c", "2024-01-06 10:00", "o6", 5, 0, "bread", "store"),
        ("c", "2024-01-07 10:00", "o7", 5, 0, "bread", "store"),
        ("d", "2024-02-20 00:30", "o8", 100, 0, "wine", "store"),
        ("d", "2024-02-25 10:00", "o10", -20, 0, "bread", "store"),  # sent back, whenever it was bought
        ("e", "2023-07-01 10:00", "o9", 70, 0, "wine", "store"),
    ]
    columns = ["customer_id", "ordered_at", "order_id", "revenue", "discount", "category", "channel"]
    transactions = pd.DataFrame(bought, columns=columns)
    transactions["ordered_at"] = pd.to_datetime(transactions["ordered_at"])
    customers = pd.DataFrame({"customer_id": list("abcdef"), "group_number": [1, 1, 1, 2, 2, 2]})
    transactions = _cloned(transactions)
    transactions["order_id"] += transactions["customer_id"]
    return {"transactions": transactions, "customers": _cloned(customers), **more}


def _parts(frames, *functions):
    """What some of the functions that profiles are made of say of these tables."""
    source = DataSource("frames", {name: TableSource(frame=frame) for name, frame in frames.items()})
    model = grouped_model(2)
    with open_tables(source) as tables:
        customers = describe_customers(tables, model, AS_OF)
        members = members_of(customers, model)
        return [function(tables, customers, members) for function in functions]


@pytest.fixture(scope="module")
def made():
    """Profiles of all these tables."""
    return profile_frames(_frames(contacts=_contacts(), campaigns=_campaigns()), grouped_model(2), AS_OF)[0]


def test_habits_by_hand(made):
    """Every habit of the first segment follows from its three customers' orders."""
    first = made.segments.set_index("segment_id").loc["S01"]
    expected = {
        "n_customers": 3 * CLONES,
        "share": 3 / 4,  # the dormant one is in none
        "recency_days_median": 39,  # 1, 39 and 94 days
        "orders_per_customer": 2,
        "single_order_share": 1 / 3,
        "new_share": 2 / 3,  # a bought in June
        "gap_days_median": (49.5 + 1) / 2,  # of a: 10 and 89 days; of c: a day
        "overdue_share": 1 / 2,  # c, who is silent for more than twice a day
        "spend_change": 60 / 50 - 1,
        "discount_share": 15 / (110 + 15),
        "categories_per_customer": 4 / 3,
        "category_share_top": (50 / 80 + 1 + 1) / 3,
    }
    for column, figure in expected.items():
        assert first[column] == pytest.approx(figure), column
    assert first["main_channel"] == "app"  # three orders each; of equals the first by name


def test_what_is_sent_back_is_no_order_and_no_category(made):
    """A refund lowers the revenue, and nothing else."""
    second = made.segments.set_index("segment_id").loc["S02"]
    told = second[["revenue_per_customer", "orders_per_customer", "categories_per_customer", "category_share_top"]]
    assert told.tolist() == [80, 1, 1, 1]


def test_dormant_customers_have_a_line_and_no_habits(made):
    """Who last bought before the lookback is counted, and nothing is said of how that customer buys."""
    dormant = made.segments.set_index("segment_id").loc["dormant"]
    assert (dormant["n_customers"], bool(dormant["reserved"]), dormant["orders_per_customer"]) == (CLONES, True, 0)
    assert dormant[["recency_days_median", "new_share", "overdue_share", "spend_change"]].isna().all()
    assert "dormant" not in set(made.differentiators["segment_id"]) | set(made.timing["segment_id"])


def test_a_segment_that_nobody_is_in_keeps_its_line():
    """It has no customers, no figures, and nothing raises."""
    made, _ = profile_frames(_frames(), grouped_model(3), AS_OF)
    line = made.segments.set_index("segment_id").loc["S03"]
    assert (line["n_customers"], line["share"]) == (0, 0)
    assert line[["value_per_customer", "recency_days_median", "orders_per_customer", "confidence"]].isna().all()


def test_timing_by_hand(made):
    """Shares of orders by weekday, hour and month, for all units that anybody orders in."""
    timing = made.timing.set_index(["segment_id", "clock", "unit"]).sort_index()
    assert timing.loc[("S01", "month"), "n"].to_dict() == {1: 20, 2: 0, 3: 5, 4: 5}
    assert timing.loc[("S02", "hour"), "share"].to_dict() == {0: 1, 10: 0, 11: 0, 12: 0}
    assert timing.loc[("all", "weekday"), "n"].to_dict() == {1: 5, 2: 10, 4: 5, 6: 10, 7: 5}


def test_days_alone_have_no_hours():
    """Where every order is of midnight, nothing is said of hours."""
    frames = _frames()
    frames["transactions"]["ordered_at"] = frames["transactions"]["ordered_at"].dt.normalize()
    (timing,) = _parts(frames, when_they_buy)
    assert set(timing["clock"]) == {"weekday", "month"}


def test_newcomers_need_a_history():
    """Where transactions begin with the lookback, regulars would pass for new: nothing is said."""
    frames = _frames()
    frames["transactions"] = frames["transactions"][frames["transactions"]["ordered_at"] >= "2023-12-20"]
    (habits,) = _parts(frames, habits_of_segments)
    assert habits["new_share"].isna().all()
    assert habits.loc["S01", "orders_per_customer"] == 2


def _contacts():
    contacts = pd.DataFrame(
        [
            ("a", "2024-01-05", 4.0, 2.0, "delivery"),
            ("a", "2024-01-06", 99.0, 4.0, "delivery"),  # an effort that is no answer
            ("b", "2024-01-06", 8.0, 6.0, "complaint"),
            ("d", "2024-01-06", 2.0, 1.0, None),
            ("d", "2024-04-10", 2.0, 100.0, "delivery"),  # later than the lookback
        ],
        columns=["customer_id", "occurred_at", "effort", "cost", "reason"],
    ).assign(occurred_at=lambda frame: pd.to_datetime(frame["occurred_at"]))
    return _cloned(contacts)


def test_service_by_hand(made):
    """Contacts within the lookback, by reason, with cost and the efforts that can be."""
    segments = made.segments.set_index("segment_id")
    assert segments["contacts_per_customer"].tolist() == [1, 1, 0]
    assert segments.loc["S01", "effort_mean"] == 6
    assert segments.loc["S01", "service_cost_share"] == pytest.approx(12 / 110)
    assert segments.loc["S01", "service_cost_per_customer"] == 4
    service = made.service.set_index(["segment_id", "reason"])
    assert service.loc[("S01", "delivery")].tolist() == pytest.approx([10, 2 / 3, 3, 4])
    assert service.loc[("all", "complaint")].tolist() == pytest.approx([5, 1 / 3, 6, 8])
    assert "S02" not in service.index.get_level_values("segment_id")  # its reason is not known


def _campaigns(n=60):
    """Sixty mails to a, of which fifteen are answered in time; ten to c by text, all answered; a control group."""
    sent = pd.Timestamp("2024-02-01")
    answered = [pd.Timestamp("2024-02-03")] * 15 + [pd.Timestamp("2024-05-01")] * 5 + [pd.NaT] * (n - 20)
    mails = pd.DataFrame({"customer_id": "a", "channel": "email", "responded_at": answered, "is_control": False})
    texts = pd.DataFrame({"customer_id": "c", "channel": "sms", "responded_at": [sent] * 10, "is_control": False})
    held = pd.DataFrame({"customer_id": "b", "channel": "email", "responded_at": [sent] * 30, "is_control": True})
    frame = pd.concat([mails, texts, held], ignore_index=True)
    frame["customer_id"] += (np.arange(len(frame)) % CLONES + 1).astype(str)
    return frame.assign(campaign_id=[f"m{n}" for n in range(len(frame))], sent_at=sent)


def test_campaigns_by_hand(made):
    """Control groups and answers after the lookback do not count; ten messages are too few to be the best channel."""
    first = made.segments.set_index("segment_id").loc["S01"]
    assert first["response_rate"] == pytest.approx(25 / 70)
    assert (first["best_channel"], first["best_channel_rate"]) == ("email", pytest.approx(15 / 60))
    lines = made.channels[made.channels["kind"] == "campaigns"].set_index(["segment_id", "channel"])
    assert lines.loc[("S01", "sms"), ["n", "response_rate"]].tolist() == [10, 1]
    assert lines.loc[("S01", "email"), "response_low"] < 15 / 60 < lines.loc[("S01", "email"), "response_high"]
    assert lines.loc[("all", "email"), "share"] == pytest.approx(60 / 70)


def test_nobody_has_a_best_channel_by_few_messages():
    """With fewer than fifty sent there is none, whatever the rate."""
    ((_, reach),) = _parts(_frames(campaigns=_campaigns(n=49)), channels_of_segments)
    assert reach.loc["S01", "best_channel"] == ""
    assert np.isnan(reach.loc["S01", "best_channel_rate"])


@pytest.mark.parametrize(
    ("columns", "campaigns", "by", "share"),
    [
        ({"email_opt_in": ["yes", "no", None, "true", "1", "0"], "phone": ["1"] * 6}, True, "consent", 1 / 3),
        ({"email": ["a@b.c", "", None, " ", "x@y.z", None]}, True, "contact_details", 1 / 3),
        ({}, True, "campaigns", 2 / 3),
        ({}, False, "online", 2 / 3),
    ],
    ids=["consent", "details", "campaigns", "online"],
)
def test_reach_is_judged_by_the_surest_of_what_is_known(columns, campaigns, by, share):
    """Consent before contact details, these before campaigns that were sent, and these before buying online."""
    frames = _frames(**({"campaigns": _campaigns()} if campaigns else {}))
    columns = {name: np.repeat(np.array(told, dtype=object), CLONES) for name, told in columns.items()}
    frames["customers"] = frames["customers"].assign(**columns)
    (reach,) = _parts(frames, reachability)
    first = reach.loc["S01"]
    assert (first["reachable_by"], first["reachable_share"]) == (by, pytest.approx(share))


@pytest.mark.parametrize(
    ("columns", "by", "share"),
    [
        ({"email_opt_in": ["no"] * 6, "email": ["a@b.c"] * 6}, "consent", 0),
        ({"consent_withdrawn": ["yes", "no", "no"] * 2, "email": ["a@b.c"] * 6}, "contact_details", 2 / 3),
        ({"email_opt_out": ["no"] * 6, "email": ["a@b.c"] * 6}, "contact_details", 1),
        ({"email_opt_in": ["yes"] * 6, "opted_out_at": ["2024-01-01", None, None] * 2}, "consent", 2 / 3),
        ({"consent_date": ["2023-01-01"] * 6, "email": ["a@b.c", None, None] * 2}, "contact_details", 1 / 3),
        ({"consent_date": pd.Timestamp("2023-01-01"), "email": ["a@b.c"] * 6}, "contact_details", 1),
        ({"email_opt_in": [None] * 6, "email": ["a@b.c"] * 6}, "contact_details", 1),
    ],
    ids=["nobody says yes", "withdrawn", "no opt-out", "agreed, then withdrawn", "date", "real date", "never asked"],
)
def test_consent_is_a_yes_and_nothing_else(columns, by, share):
    """A no is an answer, a withdrawal or a date is no yes, and whoever has withdrawn is not reached by anything."""
    frames = _frames()
    columns = {
        name: told if isinstance(told, pd.Timestamp) else np.repeat(np.array(told, dtype=object), CLONES)
        for name, told in columns.items()
    }
    frames["customers"] = frames["customers"].assign(**columns)
    (reach,) = _parts(frames, reachability)
    assert (reach.loc["S01", "reachable_by"], reach.loc["S01", "reachable_share"]) == (by, pytest.approx(share))


def test_all_customers_are_one_line_by_the_same_functions(made):
    """Medians, ratios and rates of all who are not dormant: none of them is a mean of the segments' figures."""
    overall = made.overall.iloc[0]
    assert len(made.overall) == 1
    expected = {
        "n_customers": 20,
        "revenue_per_customer": (80 + 20 + 10 + 80) / 4,
        "recency_days_median": (39 + 45) / 2,  # 1, 39, 94 days; of d 50 less the day of the refund
        "orders_per_customer": 7 / 4,
        "single_order_share": 2 / 4,
        "new_share": 3 / 4,
        "gap_days_median": (49.5 + 1) / 2,
        "spend_change": (60 + 80) / 50 - 1,
        "discount_share": 15 / (210 + 15),
        "categories_per_customer": 5 / 4,
        "contacts_per_customer": 1,
        "effort_mean": 20 / 4,
        "response_rate": 25 / 70,
        "reachable_share": 2 / 4,
    }
    expected["effort_mean"] = (4 + 8 + 2) / 3
    expected["recency_days_median"] = (39 + 50) / 2
    for column, figure in expected.items():
        assert overall[column] == pytest.approx(figure), column
    assert "dormant" not in set(made.overall.columns)
    assert set(made.overall) < set(made.segments)


def _few():
    """Of two hundred customers who bought once, one has a rhythm, one complains under a name, one was written to."""
    regular = [(f"a{n:03d}", day, 20.0, "store") for n in range(40) for day in range(n % 10, 100, 10)]
    seldom = [(f"b{n:03d}", 40 + n % 50, 20.0, "store" if n else "visit of Mr Jansen") for n in range(200)]
    rows = [*regular, *seldom, ("b000", 2, 20.0, "store"), *((f"c{n}", 5, 20.0, "store") for n in range(3))]
    bought = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "revenue", "channel"])
    bought["ordered_at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(bought["ordered_at"], "D")
    ids = sorted(set(bought["customer_id"]))
    customers = pd.DataFrame({"customer_id": ids, "group_number": ["abc".index(one[0]) + 1 for one in ids]})
    on = pd.Timestamp("2024-02-01")
    reasons = ["divorce of Mrs Jansen"] * 30 + ["delivery"] * 20
    contacts = pd.DataFrame({"customer_id": ["b007"] * 30 + ids[:20], "reason": reasons, "effort": 9.0, "cost": 4.0})
    written = pd.DataFrame({"customer_id": ["b003"] * 60, "channel": "email", "responded_at": on})
    written["campaign_id"] = [f"m{n}" for n in range(60)]
    return {
        "transactions": bought,
        "customers": customers,
        "contacts": contacts.assign(occurred_at=on),
        "campaigns": written.assign(sent_at=on),
    }


def test_nothing_is_told_of_fewer_than_five_customers():
    """Neither of a segment of three nor of the one of two hundred who has a rhythm, a complaint or a letter."""
    made, _ = profile_frames(_few(), grouped_model(3), AS_OF)
    segments = made.segments.set_index("segment_id")
    alone = ["gap_days_median", "overdue_share", "effort_mean", "contacts_per_customer", "response_rate"]
    assert segments.loc["S02", alone].isna().all()
    assert segments.loc["S02", ["orders_per_customer", "single_order_share"]].notna().all()
    assert segments.loc["S02", "best_channel"] == ""
    assert segments.loc["S01", ["gap_days_median", "effort_mean"]].notna().all()
    tiny = segments.loc["S03"]
    assert tiny[["n_customers", "value_per_customer"]].tolist() == [3, 20 - 0.0]
    habits = segments.loc[:, "recency_days_median":"effort_mean"].columns
    assert tiny[[*habits, "response_rate", "loss_share", "reachable_share", "peak_month"]].isna().all()
    assert tiny[["main_channel", "best_channel", "reachable_by"]].tolist() == ["", "", ""]
    for table in (made.timing, made.channels, made.service, made.levels):
        assert "S03" not in set(table["segment_id"])
    for name, table in made.tables.items():
        for column in table.select_dtypes("str"):
            assert not table[column].str.contains("Jansen").any(), name


def test_what_few_have_in_common_is_other_where_they_are_enough_together():
    """Six customers with a reason of their own each are told as one line, and shares are of what is told."""
    frames = _frames(contacts=_contacts())
    own = (
        frames["contacts"]
        .iloc[:6]
        .assign(customer_id=[f"{one}{n}" for one in "ab" for n in (1, 2, 3)], reason=[f"my case {n}" for n in range(6)])
    )
    frames["contacts"] = pd.concat([frames["contacts"], own], ignore_index=True)
    made, _ = profile_frames(frames, grouped_model(2), AS_OF)
    first = made.service[made.service["segment_id"] == "S01"].set_index("reason")
    assert first["n"].to_dict() == {"delivery": 10, "other": 6, "complaint": 5}
    assert first["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize(("days", "told"), [(363, False), (364, True)])
def test_a_season_needs_a_year(days, told):
    """The busiest of a few months is no season."""
    frames = _frames()
    first = frames["transactions"]["ordered_at"].dt.year < 2024
    frames["transactions"].loc[first, "ordered_at"] = pd.Timestamp("2022-06-05")
    source = DataSource("frames", {name: TableSource(frame=frame) for name, frame in frames.items()})
    model = grouped_model(2, lookback_days=days)
    with open_tables(source) as tables:
        customers = describe_customers(tables, model, AS_OF)
        members = members_of(customers, model)
        found = peaks(when_they_buy(tables, customers, members), members, days)
    assert found.loc["S01"].notna().all() == told
    if told:
        assert found.loc["S01"].tolist() == pytest.approx([1, (4 / 6) / (4 / 7)])


def test_reach_is_not_known_without_any_sign():
    """Tables that tell of no channel at all leave it open."""
    frames = _frames()
    frames["transactions"] = frames["transactions"].drop(columns="channel")
    reach, (channels, _) = _parts(frames, reachability, channels_of_segments)
    assert reach["reachable_share"].isna().all()
    assert set(reach["reachable_by"]) == {""}
    assert channels.empty


def test_nothing_after_the_day_matters(made):
    """Rows of later days change no figure of any table."""
    frames = _frames(contacts=_contacts(), campaigns=_campaigns())
    later = frames["transactions"].assign(ordered_at=lambda frame: frame["ordered_at"] + pd.Timedelta(days=400))
    frames["transactions"] = pd.concat([frames["transactions"], later], ignore_index=True)
    moved = frames["campaigns"].assign(sent_at=pd.Timestamp("2024-06-01"), responded_at=pd.Timestamp("2024-06-02"))
    frames["campaigns"] = pd.concat([frames["campaigns"], moved], ignore_index=True)
    with_later, _ = profile_frames(frames, grouped_model(2), AS_OF)
    for name, table in with_later.tables.items():
        pd.testing.assert_frame_equal(table, made.tables[name], obj=name)
