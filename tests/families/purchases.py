"""When and how customers buy, by hand: from recency to channels."""

from __future__ import annotations

import math

from tests.families.hand_made import MONTH_DAYS, MONTHS, Family, customers, table

RFM = Family(
    "rfm",
    {
        "customers": customers("a", "b"),
        "transactions": table(
            "customer_id ordered_at order_id revenue",
            ("a", "2023-01-01 10:00", "1", 30.0),
            ("a", "2023-01-01 10:00", "1", 10.0),
            ("a", "2023-12-22 09:00", "2", 60.0),
            ("a", "2023-12-30 09:00", "refund", -20.0),  # no order, but money back
            ("b", "2022-09-01 00:00", "3", 0.0),
        ),
    },
    {
        "recency_days": {"a": 10, "b": 487, "silent": None},
        "orders_per_month": {"a": 2 / MONTHS, "b": 1 / MONTHS, "silent": 0},
        "spend_per_month": {"a": (100 - 20) / MONTHS, "b": 0, "silent": 0},
        "tenure_days": {"a": 365, "b": 487, "silent": None},
    },
)

BASKET = Family(
    "basket",
    {
        "customers": customers("a", "b", "c"),
        "transactions": table(
            "customer_id ordered_at order_id product_id revenue discount coupon",
            ("a", "2023-03-04 12:00", "1", "p", 6.0, 2.0, 1.0),  # a Saturday
            ("a", "2023-03-04 12:00", "1", "q", 4.0, 0.0, 0.0),
            ("a", "2023-05-02 12:00", "2", "p", 30.0, 0.0, 0.0),  # 59 days later, first moment of the second half
            ("a", "2023-06-07 12:00", "3", "p", 20.0, 2.0, 0.0),  # 36 days later
            ("a", "2023-06-17 12:00", "4", "p", 20.0, 0.0, 0.0),  # 10 days later, a Saturday
            ("b", "2022-10-05 12:00", "5", "p", 0.0, 0.0, 0.0),  # a gift
            ("c", "2023-03-06 12:00", "6", "p", 8.0, 2.0, 0.0),  # a Monday
            ("c", "2023-11-04 12:00", "7", "p", -5.0, -1.0, 0.0),  # an exchange, on a Saturday, 243 days later
            ("c", "2023-11-04 12:00", "7", "q", 3.0, 0.0, 0.0),
            ("c", "2023-11-06 12:00", "8", "p", 2.0, 0.0, 0.0),
        ),
    },
    {
        "order_value": {"a": 80 / 4, "b": 0, "c": (8 - 2 + 2) / 3, "silent": None},
        # 10, 30, 20 and 20 deviate from 20 by −10, 10, 0 and 0; 8, −2 and 2 from 8/3 by 16/3, −14/3 and −2/3.
        "order_value_variation": {
            "a": math.sqrt(200 / 3) / 20,
            "b": None,
            "c": math.sqrt((256 + 196 + 4) / 9 / 2) / (8 / 3),
            "silent": None,
        },
        "products_per_order": {"a": 5 / 4, "b": 1, "c": 4 / 3, "silent": None},
        "gap_days_median": {"a": 36, "b": None, "c": 122.5, "silent": None},
        # 59, 36 and 10 deviate from their mean 35 by 24, 1 and −25.
        "gap_days_variation": {
            "a": math.sqrt((576 + 1 + 625) / 2) / 35,
            "b": None,
            "c": 241 / math.sqrt(2) / 122.5,
            "silent": None,
        },
        "spend_trend": {"a": 2 * 70 / 80 - 1, "b": None, "c": 2 * 2 / 10 - 1, "silent": 0},
        "weekend_share": {"a": 2 / 4, "b": 0, "c": 1 / 3, "silent": None},
        "discount_share": {"a": 4 / 84, "b": None, "c": 2 / 12, "silent": None},
        "coupon_order_share": {"a": 1 / 4, "b": 0, "c": 0, "silent": None},
    },
)

RHYTHM = Family(
    "rhythm",
    {
        "customers": customers("a", "b", "c", "d", "e", "f", "g"),
        "transactions": table(
            "customer_id ordered_at order_id revenue",
            # Thirds of the lookback begin on 10 February 2023 at 8 and on 22 July at 16 o'clock.
            ("a", "2022-10-03 20:00", "1", 10.0),  # a Monday
            ("a", "2023-03-06 09:00", "2", 40.0),  # a Monday, 154 days later
            ("a", "2023-11-06 18:00", "3", 20.0),  # a Monday, 245 days later
            ("a", "2023-12-20 10:00", "4", 10.0),  # a Wednesday, 44 days later
            ("b", "2023-05-01 08:00", "5", 5.0),
            ("b", "2023-05-01 09:00", "6", 0.0),
            ("c", "2023-12-31 23:00", "7", 0.0),
            ("d", "2023-12-25 12:00", "8", 1.0),  # first and last day of the last seven days, a Monday and a Sunday
            ("d", "2023-12-31 12:00", "9", 1.0),
            ("e", "2023-12-24 12:00", "10", 1.0),  # in neighbouring weeks
            ("e", "2023-12-25 12:00", "11", 1.0),
            ("g", "2023-02-10 07:59", "16", 1.0),
            ("f", "2023-02-10 08:00", "12", 1.0),  # a Friday
            ("f", "2023-04-01 12:00", "13", 1.0),  # an exchange, on a Saturday, 50 days later
            ("f", "2023-04-01 12:00", "13", -3.0),
            ("f", "2023-05-02 12:00", "14", 2.0),  # a Tuesday, 31 days later
            ("f", "2023-07-22 16:00", "15", 1.0),  # a Saturday, 81 days later
        ),
    },
    {
        "overdue_ratio": {
            "a": 12 / 154,
            "b": 245,
            "c": None,
            "d": 1 / 6,
            "e": 7,
            "f": 163 / 50,
            "g": None,
            "silent": None,
        },
        "gap_days_longest": {"a": 245, "b": 0, "c": None, "d": 6, "e": 1, "f": 81, "g": None, "silent": None},
        "active_weeks_share": {
            "a": 4 / 70,
            "b": 1 / 70,
            "c": 1 / 70,
            "d": 1 / 70,
            "e": 2 / 70,
            "f": 4 / 70,
            "g": 1 / 70,
            "silent": 0,
        },
        "main_weekday_share": {"a": 3 / 4, "b": 1, "c": 1, "d": 1 / 2, "e": 1 / 2, "f": 2 / 4, "g": 1, "silent": None},
        "evening_share": {"a": 2 / 4, "b": 0, "c": 1, "d": 0, "e": 0, "f": 0, "g": 0, "silent": None},
        "orders_trend": {"a": 0, "b": -1, "c": 1, "d": 1, "e": 1, "f": 0, "g": -1, "silent": 0},
        # a spent 10, 40 and 30 in the three thirds, b 0, 5 and 0, d and e 0, 0 and 2, f 0, 3 and 1.
        "spend_acceleration": {
            "a": ((30 - 40) - (40 - 10)) / 80,
            "b": ((0 - 5) - (5 - 0)) / 5,
            "c": None,
            "d": 1,
            "e": 1,
            "f": ((1 - 3) - (3 - 0)) / 4,
            "g": ((0 - 0) - (0 - 1)) / 1,
            "silent": 0,
        },
        "orders_per_month_last_90_days": {
            "a": 2 * MONTH_DAYS / 90,
            "b": 0,
            "c": 1 * MONTH_DAYS / 90,
            "d": 2 * MONTH_DAYS / 90,
            "e": 2 * MONTH_DAYS / 90,
            "f": 0,
            "g": 0,
            "silent": 0,
        },
        "spend_per_month_last_90_days": {
            "a": 30 * MONTH_DAYS / 90,
            "b": 0,
            "c": 0,
            "d": 2 * MONTH_DAYS / 90,
            "e": 2 * MONTH_DAYS / 90,
            "f": 0,
            "g": 0,
            "silent": 0,
        },
    },
)

STAGE = Family(
    "stage",
    {
        "customers": table(
            "customer_id signed_up_at",
            ("a", "2023-01-01"),
            ("b", None),
            ("c", "2024-02-01"),  # not yet
            ("d", "2023-12-31 23:59"),
            ("silent", "2022-01-01"),
        ),
        "transactions": table(
            "customer_id ordered_at order_id revenue",
            ("a", "2023-01-05 12:00", "1", 5.0),
            ("a", "2023-12-01 12:00", "2", 5.0),
            ("a", "2023-12-20 12:00", "3", 5.0),
            ("b", "2023-12-15 12:00", "4", 5.0),
            ("c", "2023-10-02 12:00", "5", 5.0),  # 91 days ago
            ("d", "2023-10-03 12:00", "6", 5.0),  # 90 days ago
            ("d", "2023-10-04 12:00", "refund", -5.0),
        ),
    },
    {
        "purchase_stage": {"a": "repeat", "b": "first-time", "c": "lapsed", "d": "first-time", "silent": None},
        "bought_once": {"a": 0, "b": 1, "c": 1, "d": 1, "silent": None},
        "days_to_second_order": {"a": 330, "b": None, "c": None, "d": None, "silent": None},
        "signed_up_days": {"a": 365, "b": None, "c": None, "d": 1, "silent": 730},
    },
)

OCCASION = Family(
    "occasion",
    {
        "customers": customers("a", "b", "c", "d"),
        "transactions": table(
            "customer_id ordered_at order_id revenue",
            ("a", "2023-02-07 00:00", "first 1", 5.0),
            ("a", "2023-02-14 23:59", "1", 10.0),
            ("a", "2023-05-01 00:00", "2", 20.0),
            ("a", "2023-05-14 23:59", "last 2", 5.0),
            ("a", "2023-11-20 00:00", "3", 30.0),
            ("a", "2023-11-30 23:59", "last 3", 5.0),
            ("a", "2023-12-01 00:00", "first 4", 5.0),
            ("a", "2023-12-24 23:59", "4", 40.0),  # a Sunday
            ("a", "2023-12-25 00:00", "5", 60.0),  # a Monday: another week
            ("a", "2023-12-31 12:00", "6", 40.0),  # the Sunday of that week
            ("b", "2022-12-01 12:00", "7", -3.0),
            ("b", "2022-12-01 12:00", "7", 1.0),
            # Just outside each season
            ("c", "2023-02-06 23:59", "8", 1.0),
            ("c", "2023-02-15 00:00", "9", 1.0),
            ("c", "2023-05-15 00:00", "10", 1.0),
            ("c", "2023-11-19 23:59", "11", 1.0),
            ("c", "2023-12-25 00:00", "12", 1.0),
            # Exchanges in each season
            *[
                ("d", f"2023-{day} 12:00", f"exchange on {day}", revenue)
                for day in ("02-10", "05-05", "11-25", "12-05")
                for revenue in (-3.0, 1.0)
            ],
            ("d", "2023-08-01 12:00", "13", 8.0),
            ("d", "2023-08-02 12:00", "14", -3.0),
            ("d", "2023-08-02 12:00", "14", 1.0),
        ),
    },
    {
        "valentine_share": {"a": 15 / 220, "b": None, "c": 0, "d": 0, "silent": None},
        "mothers_day_share": {"a": 25 / 220, "b": None, "c": 0, "d": 0, "silent": None},
        "black_friday_share": {"a": 35 / 220, "b": None, "c": 0, "d": 0, "silent": None},
        "christmas_share": {"a": 45 / 220, "b": None, "c": 0, "d": 0, "silent": None},
        "occasion_share": {"a": 120 / 220, "b": None, "c": 0, "d": 0, "silent": None},
        "largest_week_share": {"a": 100 / 220, "b": None, "c": 1 / 5, "d": 1, "silent": None},
    },
)

CHANNEL = Family(
    "channel",
    {
        "customers": customers("a", "b", "c"),
        "transactions": table(
            "customer_id ordered_at order_id revenue channel store_id",
            ("a", "2023-03-01 12:00", "1", 1.0, "Web", None),
            ("a", "2023-03-02 12:00", "2", 1.0, "Online", None),
            ("a", "2023-03-03 12:00", "3", 1.0, "Store", "s1"),
            ("a", "2023-03-04 12:00", "4", 1.0, "Phone", None),
            ("b", "2023-03-01 12:00", "5", 1.0, "store", "s1"),
            ("b", "2023-03-02 12:00", "6", 1.0, "STORE", "s2"),
            ("b", "2023-03-03 12:00", "7", 1.0, "phone", "s2"),
            ("b", "2023-03-04 12:00", "8", 1.0, None, None),
            ("c", "2023-03-04 12:00", "9", 1.0, None, None),
        ),
    },
    {
        "online_share": {"a": 2 / 4, "b": 0, "c": None, "silent": None},
        "store_share": {"a": 1 / 4, "b": 2 / 3, "c": None, "silent": None},
        "phone_share": {"a": 1 / 4, "b": 1 / 3, "c": None, "silent": None},
        "channels_used": {"a": 4, "b": 2, "c": 0, "silent": None},
        "main_channel": {"a": "online", "b": "store", "c": None, "silent": None},
        "stores_used": {"a": 1, "b": 2, "c": 0, "silent": None},
        "main_store_share": {"a": 1, "b": 2 / 3, "c": None, "silent": None},
    },
)

PURCHASES = (RFM, BASKET, RHYTHM, STAGE, OCCASION, CHANNEL)
