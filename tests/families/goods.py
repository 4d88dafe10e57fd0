"""What customers buy, at which price, and what it is worth, by hand."""

from __future__ import annotations

import math

from tests.families.hand_made import MONTHS, Family, customers, table

RETURNS = Family(
    "returns",
    {
        "customers": customers("a", "b", "c"),
        "transactions": table(
            "customer_id ordered_at revenue",
            ("a", "2023-03-01 12:00", 50.0),
            ("a", "2023-03-02 12:00", -10.0),
            ("a", "2023-03-02 18:00", -5.0),
            ("a", "2023-03-09 12:00", -5.0),
            ("a", "2023-04-01 12:00", 30.0),
            ("b", "2023-06-01 12:00", -4.0),
            ("c", "2023-06-01 12:00", 0.0),
        ),
    },
    {
        "returned_share": {"a": 20 / 80, "b": None, "c": None, "silent": None},
        "return_line_share": {"a": 3 / 5, "b": 1, "c": 0, "silent": None},
        "return_days_per_month": {"a": 2 / MONTHS, "b": 1 / MONTHS, "c": 0, "silent": 0},
    },
)

PRICE = Family(
    "price",
    {
        "customers": customers("a", "b"),
        "transactions": table(
            "customer_id ordered_at revenue quantity discount coupon",
            ("a", "2023-03-01 12:00", 12.0, 3.0, 0.0, 0.0),
            ("a", "2023-03-02 12:00", 20.0, 2.0, 5.0, 2.0),
            ("a", "2023-03-03 12:00", 0.0, 1.0, 4.0, 4.0),
            ("a", "2023-03-04 12:00", -6.0, -1.0, 9.0, 9.0),
            ("a", "2023-03-05 12:00", 9.0, 1.0, 0.0, 0.0),
            ("a", "2023-03-06 12:00", 4.0, 0.0, 0.0, 0.0),
            ("b", "2023-03-01 12:00", 5.0, 0.0, 0.0, 0.0),
        ),
    },
    {
        "unit_price": {"a": (12 + 20 + 9) / (3 + 2 + 1), "b": None, "silent": None},
        "unit_price_median": {"a": 9, "b": None, "silent": None},
        "discounted_line_share": {"a": 2 / 5, "b": 0, "silent": None},
        "discounted_spend_share": {"a": 20 / 45, "b": 0, "silent": None},
        "coupon_share": {"a": 6 / (45 + 9), "b": 0, "silent": None},
        "coupon_discount_share": {"a": 6 / 9, "b": None, "silent": None},
    },
)

PRODUCTS = table(
    "product_id category department brand",
    ("p", "wine", "cellar", "Private"),
    ("q", "bread", "bakery", "Best"),
    ("r", "beer", "cellar", "Private"),
)

AFFINITY = Family(
    "affinity",
    {
        "customers": customers("a", "b", "c"),
        "products": PRODUCTS,
        "transactions": table(
            "customer_id ordered_at product_id revenue",
            ("a", "2023-03-01 12:00", "p", 20.0),
            ("a", "2023-03-02 12:00", "p", 10.0),
            ("a", "2023-03-01 12:00", "q", 10.0),
            ("a", "2023-03-05 12:00", "p", -15.0),
            ("b", "2023-03-01 12:00", "unlisted", 5.0),
            ("c", "2023-03-01 12:00", "p", 0.0),
            ("c", "2023-03-01 12:00", "q", -1.0),
        ),
    },
    {
        "department_share_cellar": {"a": 30 / 40, "b": 0, "c": None, "silent": None},
        "department_share_bakery": {"a": 10 / 40, "b": 0, "c": None, "silent": None},
        "department_share_other": {"a": 0, "b": 1, "c": None, "silent": None},
        "private_label_share": {"a": 30 / 40, "b": 0, "c": None, "silent": None},
        "category_breadth": {"a": 2, "b": 0, "c": 1, "silent": None},
    },
)

PREFERENCE = Family(
    "preference",
    {
        "customers": customers("a", "b", "c"),
        "products": PRODUCTS,
        "transactions": table(
            "customer_id ordered_at product_id revenue",
            ("a", "2023-03-01 12:00", "p", 10.0),
            ("a", "2023-03-01 12:00", "q", 30.0),
            ("a", "2023-03-01 12:00", "r", 10.0),
            ("a", "2023-03-05 12:00", "q", -2.0),
            ("a", "2023-03-05 12:00", "q", -2.0),
            ("b", "2023-03-01 12:00", "unlisted", 5.0),
            ("c", "2023-03-01 12:00", "p", 0.0),
            ("c", "2023-03-02 12:00", "p", 0.0),
            ("c", "2023-03-03 12:00", "r", 0.0),
        ),
    },
    {
        "category_share_wine": {"a": 10 / 50, "b": 0, "c": None, "silent": None},
        "category_share_bread": {"a": 30 / 50, "b": 0, "c": None, "silent": None},
        "category_share_beer": {"a": 10 / 50, "b": 0, "c": None, "silent": None},
        "category_share_other": {"a": 0, "b": 1, "c": None, "silent": None},
        "brand_share_private": {"a": 20 / 50, "b": 0, "c": None, "silent": None},
        "brand_share_best": {"a": 30 / 50, "b": 0, "c": None, "silent": None},
        "brand_share_other": {"a": 0, "b": 1, "c": None, "silent": None},
        "favourite_department": {"a": "cellar", "b": None, "c": "cellar", "silent": None},
        "favourite_category": {"a": "beer", "b": None, "c": "wine", "silent": None},  # of equals the first by name
        "favourite_brand": {"a": "Private", "b": None, "c": "Private", "silent": None},
    },
)

LOYALTY = Family(
    "loyalty",
    {
        "customers": customers("a", "b", "c"),
        "products": PRODUCTS,
        "transactions": table(
            "customer_id ordered_at product_id revenue",
            ("a", "2023-03-01 12:00", "p", 1.0),
            ("a", "2023-03-02 12:00", "p", 1.0),
            ("a", "2023-03-02 18:00", "p", 1.0),
            ("a", "2023-03-02 12:00", "q", 0.0),
            ("a", "2023-03-05 12:00", "r", -1.0),
            ("a", "2023-03-06 12:00", "p", -1.0),
            ("b", "2023-03-01 12:00", "unlisted", 5.0),
            ("c", "2023-03-01 12:00", None, 5.0),
        ),
    },
    {
        "main_brand_share": {"a": 3 / 4, "b": None, "c": None, "silent": None},
        "brand_breadth": {"a": 2, "b": 0, "c": 0, "silent": None},
        "main_category_share": {"a": 3 / 4, "b": None, "c": None, "silent": None},
        "effective_categories": {
            "a": math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)),
            "b": None,
            "c": None,
            "silent": None,
        },
        "repeat_product_share": {"a": 1 - 2 / 3, "b": 0, "c": None, "silent": None},
    },
)

VALUE = Family(
    "value",
    {
        "customers": customers("a", "b", "c", "d"),
        "transactions": table(
            "customer_id ordered_at order_id revenue margin",
            ("a", "2023-03-01 12:00", "1", 100.0, 40.0),
            ("a", "2023-04-01 12:00", "2", 60.0, 24.0),
            ("a", "2023-04-01 12:00", "2", 0.0, -4.0),  # a gift
            ("a", "2023-05-01 12:00", "4", 40.0, None),  # of unknown cost
            ("a", "2023-04-05 12:00", "refund", -20.0, -8.0),
            ("c", "2023-03-01 12:00", "3", 0.0, 0.0),
        ),
        "contacts": table(
            "customer_id occurred_at cost",
            ("a", "2023-03-02", 6.0),
            ("a", "2023-03-03", 2.0),
            ("b", "2023-03-02", 16.0),
        ),
        "campaigns": table(
            "customer_id campaign_id sent_at cost", ("a", "1", "2023-02-01", 8.0), ("d", "1", "2023-02-01", 4.0)
        ),
    },
    {
        # a brought 40 + 24 − 4 − 8 = 52 and cost 6 + 2 in service and 8 in campaigns.
        "margin_per_month": {"a": 52 / MONTHS, "b": 0, "c": 0, "d": 0, "silent": 0},
        "margin_rate": {"a": 64 / 160, "b": None, "c": None, "d": None, "silent": None},
        "order_margin": {"a": (40 + 20) / 2, "b": None, "c": 0, "d": None, "silent": None},
        "cost_to_serve_per_month": {"a": 8 / MONTHS, "b": 16 / MONTHS, "c": 0, "d": 0, "silent": 0},
        "cost_to_serve_share": {"a": 8 / 200, "b": None, "c": None, "d": None, "silent": None},
        "campaign_cost_per_month": {"a": 8 / MONTHS, "b": 0, "c": 0, "d": 4 / MONTHS, "silent": 0},
        "margin_after_service_per_month": {"a": 44 / MONTHS, "b": -16 / MONTHS, "c": 0, "d": 0, "silent": 0},
        "net_margin_per_month": {"a": 36 / MONTHS, "b": -16 / MONTHS, "c": 0, "d": -4 / MONTHS, "silent": 0},
        "campaign_roi": {"a": (52 - 8) / 8, "b": None, "c": None, "d": -1, "silent": None},
        "roi": {"a": 36 / 16, "b": -1, "c": None, "d": -1, "silent": None},
    },
)

GOODS = (RETURNS, PRICE, AFFINITY, PREFERENCE, LOYALTY, VALUE)
