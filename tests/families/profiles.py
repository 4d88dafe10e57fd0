"""Profiles and surveys by hand: who customers are, where they live, what they think and seek."""

from __future__ import annotations

import math

from tests.families.hand_made import Family, customers, table

REST = ("e", "f", "g", "h", "silent")

DEMOGRAPHIC = Family(
    "demographic",
    {
        "customers": table(
            "customer_id age birth_date gender education occupation income household_size children marital_status "
            "household_comp home_ownership",
            ("a", "34", None, " F", " Master ", "Nurse ", "52000", "2", "0", " Married", "2 Adults ", "Owner "),
            ("b", None, "1960-01-02", "M ", "", None, "25-34K", "0", "2", None, "", None),  # 63 until tomorrow
            ("c", "121", None, "Other ", None, None, "-1", None, "0", None, None, None),
            ("d", "35", None, None, None, None, "0", "1", "0", None, None, None),
            ("e", "60", None, None, None, None, None, None, "0", None, None, None),
            ("f", "60", None, None, None, None, None, None, None, None, None, None),
            ("g", "120", None, None, None, None, None, None, "0", None, None, None),
            ("h", "0", None, None, None, None, None, None, "1", None, None, None),
            ("silent", None, None, None, None, None, None, None, None, None, None, None),
        )
    },
    {
        "age_years": {"a": 34, "b": 63, "c": None, "d": 35, "e": 60, "f": 60, "g": 120, "h": 0, "silent": None},
        "gender": {"a": "female", "b": "male", "c": "other"} | dict.fromkeys(["d", *REST]),
        "education": {"a": "master"} | dict.fromkeys(["b", "c", "d", *REST]),
        "occupation": {"a": "nurse"} | dict.fromkeys(["b", "c", "d", *REST]),
        "income_per_year": {"a": 52000, "b": None, "c": None, "d": 0} | dict.fromkeys(REST),
        "household_size": {"a": 2, "b": None, "c": None, "d": 1} | dict.fromkeys(REST),
        "children": {"a": 0, "b": 2, "c": 0, "d": 0, "e": 0, "f": None, "g": 0, "h": 1, "silent": None},
        "marital_status": {"a": "married"} | dict.fromkeys(["b", "c", "d", *REST]),
        "household_type": {"a": "2 Adults"} | dict.fromkeys(["b", "c", "d", *REST]),
        "home_ownership": {"a": "Owner"} | dict.fromkeys(["b", "c", "d", *REST]),
        "life_stage": {
            "a": "young without children",
            "b": "family",
            "c": None,
            "d": "middle-aged without children",
            "e": "older without children",
            "f": None,
            "g": "older without children",
            "h": "family",
            "silent": None,
        },
    },
)

GEOGRAPHIC = Family(
    "geographic",
    {
        "customers": table(
            "customer_id country region postcode",
            ("a", "NL ", " North ", "10 12"),
            ("b", "DK", "", "2000"),
            ("c", None, "South", "300"),
            ("d", "NL", None, "desert"),
            ("e", None, None, "elsewhere"),
            ("silent", None, None, None),
        ),
        "places": table(
            "place density climate",
            ("10 12", 1500.0, "Maritime"),
            ("2000", 299.9, "maritime "),
            ("300", 300.0, None),
            ("desert", 0.0, "dry"),
        ),
    },
    {
        "country": {"a": "NL", "b": "DK", "c": None, "d": "NL", "e": None, "silent": None},
        "region": {"a": "North", "b": None, "c": "South", "d": None, "e": None, "silent": None},
        "neighbourhood": {"a": "101", "b": "200", "c": "300", "d": "DES", "e": "ELS", "silent": None},
        "density_per_km2": {"a": 1500, "b": 299.9, "c": 300, "d": 0, "e": None, "silent": None},
        "urbanity": {"a": "city", "b": "rural", "c": "town", "d": "rural", "e": None, "silent": None},
        "climate": {"a": "maritime", "b": "maritime", "c": None, "d": "dry", "e": None, "silent": None},
    },
)

PSYCHOGRAPHIC = Family(
    "psychographic",
    {
        "customers": customers("a", "b"),
        "answers": table(
            "customer_id question answer topic answered_at",
            ("a", "likes sport", "yes", "lifestyle", "2023-01-01"),
            ("a", "likes sport", "No", "lifestyle", "2023-06-01"),  # changed her mind
            ("a", "is careful", "strongly agree", "values", "2023-01-01"),
            ("a", "class", "Middle class", "social class", "2023-01-01"),
            ("a", "class", "lower class", "social class", "2023-02-01"),
            ("a", "comfort", "7 - very", "Benefit", "2023-01-01"),
            ("b", "likes sport", "no", "lifestyle", "2023-01-01"),
            ("b", "is careful", "2", "values", "2023-01-01"),
            ("b", "class", "upper class ", "social class", "2023-01-01"),
            ("b", "reads", "4", None, "2023-01-01"),
        ),
    },
    {
        "item_score_likes_sport": {"a": 0.5, "b": 0, "silent": None},
        "item_score_is_careful": {"a": 5, "b": 2, "silent": None},
        "item_score_reads": {"a": None, "b": 4, "silent": None},
        "topic_score_lifestyle": {"a": 0.5, "b": 0, "silent": None},
        "topic_score_values": {"a": 5, "b": 2, "silent": None},
        "item_answer_class": {"a": "middle class", "b": "upper class", "silent": None},
        "items_answered": {"a": 4, "b": 4, "silent": 0},
        # 1, 0 and 5 deviate from their mean 2 by −1, −2 and 3; 0, 2 and 4 by −2, 0 and 2.
        "answer_spread": {"a": math.sqrt((1 + 4 + 9) / 2), "b": math.sqrt((4 + 4) / 2), "silent": None},
    },
)

BENEFIT = Family(
    "benefit",
    {
        "customers": customers("a", "b", "c"),
        "answers": table(
            "customer_id question answer topic",
            ("a", "comfort", "7 - very", "Benefit"),
            ("a", "comfort", "5", "benefit"),
            ("a", "price", "no", "benefit"),
            ("a", "likes sport", "yes", "lifestyle"),
            ("b", "comfort", "3", "benefit"),
        ),
        "products": table("product_id benefit", ("p", "comfort"), ("q", "price"), ("r", None)),
        "transactions": table(
            "customer_id ordered_at product_id revenue",
            ("a", "2023-03-01 12:00", "p", 20.0),
            ("a", "2023-03-01 12:00", "p", 10.0),
            ("a", "2023-03-01 12:00", "q", 10.0),
            ("a", "2023-03-05 12:00", "p", -30.0),
            ("b", "2023-03-01 12:00", "r", 5.0),
            ("c", "2023-03-01 12:00", "p", 0.0),
            ("c", "2023-03-01 12:00", "q", -1.0),
        ),
    },
    {
        "benefit_score_comfort": {"a": 6, "b": 3, "c": None, "silent": None},
        "benefit_score_price": {"a": 0, "b": None, "c": None, "silent": None},
        "benefit_bought_share_comfort": {"a": 30 / 40, "b": 0, "c": None, "silent": None},
        "benefit_bought_share_price": {"a": 10 / 40, "b": 0, "c": None, "silent": None},
        "benefit_bought_share_other": {"a": 0, "b": 1, "c": None, "silent": None},
        "benefits_sought": {"a": 2, "b": 0, "c": 1, "silent": None},
    },
)

PROFILES = (DEMOGRAPHIC, GEOGRAPHIC, PSYCHOGRAPHIC, BENEFIT)
