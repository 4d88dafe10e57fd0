"""Profiles made by hand, in every shape they can have, for the tests of what is made of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from patronage.profiles import Profiles
from patronage.profiles.columns import OVERALL, shaped
from patronage.profiles.tables import ALL

NAMES = ("High spend, wide range", "Many visits, fresh food", "Gifts at the season", "Online bargains", "Long away")
CATEGORIES = ("Fruit & vegetables", "Wine", "Baby care", "Frozen pizza", "Flowers", "Coffee")
FEATURES = (
    # name, family, role, unit, low, high, typical of all
    ("spend_per_month", "value", "basis", "money per month", "low spend", "high spend", 74.0),
    ("orders_per_month", "behaviour", "basis", "orders per month", "few visits", "many visits", 2.4),
    ("category_breadth", "affinity", "basis", "categories bought", "narrow range", "wide range", 21.0),
    ("discount_share", "behaviour", "basis", "share of spend", "pays full price", "buys at a discount", 0.14),
    ("recency_days", "behaviour", "basis", "days", "bought lately", "long away", 11.0),
    ("weekend_share", "occasion", "descriptor", "share of orders", "weekday shoppers", "weekend shoppers", 0.31),
    ("opens_per_month", "engagement", "descriptor", "opens per month", "seldom opens mail", "opens much mail", 1.5),
    ("effort_mean", "service", "descriptor", "1 to 10", "easy to serve", "hard to serve", 3.1),
)
HABITS = (
    *("recency_days_median", "orders_per_customer", "single_order_share", "new_share", "gap_days_median"),
    *("overdue_share", "spend_change", "discount_share", "categories_per_customer", "category_share_top"),
    *("contacts_per_customer", "effort_mean", "service_cost_share", "response_rate", "peak_month", "peak_month_lift"),
)
NONE = math.nan


def hand_made_profiles(
    n_segments: int = 5,
    *,
    names: tuple[str, ...] = NAMES,
    categories: tuple[str, ...] = CATEGORIES,
    money: bool = True,
    dates: bool = True,
    profit: bool = True,
    losses: bool = False,
    n_features: int = len(FEATURES),
    n_positions: int = 300,
) -> Profiles:
    """Profiles of so many segments: without money, without dates (as of a survey), with losses, with hostile names.

    Figures fit together: shares sum to 1, totals are customers times value per customer, and the same call gives the
    same tables.
    """
    rng = np.random.default_rng(n_segments)
    money = money and dates
    ids = [f"S{number:02d}" for number in range(1, n_segments + 1)]
    segments = _segments(ids, names, money=money, dates=dates, profit=profit, losses=losses)
    declared = [*FEATURES[:n_features]]
    declared += [
        (f"habit_{n}", "behaviour", "descriptor", "times", "seldom habit", "often habit", 5.0)
        for n in range(len(declared), n_features)
    ]
    if not dates:
        declared = [one for one in declared if one[1] in ("affinity", "behaviour", "engagement")]
    everywhere = [*ids, ALL]
    return Profiles(
        segments=segments,
        overall=_overall(segments),
        differentiators=_differentiators(ids, declared, rng),
        distributions=pd.DataFrame(
            [
                (name, one, 900, 0.05, typical, typical * 0.2, typical * 0.6, typical, typical * 1.5, typical * 2.2)
                for name, *_, typical in declared
                for one in everywhere
            ],
            columns=["feature", "segment_id", "n_known", "missing_share", "mean", "p10", "p25", "p50", "p75", "p90"],
        ),
        levels=pd.DataFrame(
            [
                ("town", one, level, share)
                for one in everywhere
                for level, share in (("city", 0.5), ("suburb", 0.3), ("village", 0.2))
            ],
            columns=["feature", "segment_id", "level", "share"],
        ),
        channels=_channels(everywhere if dates else []),
        timing=_timing(everywhere if dates else [], rng),
        service=pd.DataFrame(
            [
                (one, reason, n, n / 100, cost if money else NONE, effort)
                for one in (everywhere if dates else [])
                for reason, n, cost, effort in (
                    ("delivery", 60, 4.2, 3.0),
                    ("complaint", 30, 9.5, 6.5),
                    ("how", 10, 2, 2),
                )
            ],
            columns=["segment_id", "reason", "n", "share", "cost_per_contact", "effort_mean"],
        ),
        categories=_categories(ids if dates else [], categories),
        cross_sell=_cross_sell(ids if dates else [], categories),
        sensitive=pd.DataFrame(
            [
                ("age_years", 0.34, 1e-9, 2_900, True, ids[0], "", 61.0, 44.0),
                ("gender", 0.04, 0.41, 2_800, False, ids[-1], "female", 0.56, 0.52),
            ],
            columns=[
                *("feature", "association", "p_holm", "n_known", "flagged", "segment_id", "level"),
                *("typical", "typical_all"),
            ],
        ),
        capture=_capture(segments) if money else _empty("share_customers", "share_value", "segment_share_value"),
        criteria=_criteria(ids, money=money, dates=dates),
        worth=_worth(ids, money=money),
        positions=_positions(ids, n_positions, rng),
        typical=pd.DataFrame(
            [(one, name, "", "median", typical, typical, 9) for one in ids for name, *_, typical in declared],
            columns=["segment_id", "feature", "level", "statistic", "typical", "typical_all", "n_customers"],
        ),
        about={
            "data": "the corner shop",
            "as_of": "2025-06-01" if dates else None,
            "lookback_days": 182 if dates else 0,
            "outcome_days": 91 if dates else 0,
            "model": "kmeans n_clusters=5 · outcome_aware",
            "value": {"name": _value_name(money=money, profit=profit), "unit": "EUR" if money else ""},
            "currency": "EUR" if money else "",
            "n_customers": int(segments["n_customers"].sum()),
            "n_active": int(segments.loc[~segments["reserved"], "n_customers"].sum()),
            "n_prospects": 40 if dates else 0,
            "positions": [0.42, 0.17],
        },
    )


def _value_name(*, money: bool, profit: bool) -> str:
    if not money:
        return "none"
    return "profit" if profit else "revenue"


def _empty(*columns: str) -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series(dtype=float) for column in columns})


def _segments(ids, names, *, money, dates, profit, losses) -> pd.DataFrame:
    k = len(ids)
    lines = []
    for rank, one in enumerate(ids):
        n = 120 + 90 * rank
        revenue = round(900.0 * 0.72**rank, 2)
        margin, service, campaign = round(0.3 * revenue, 2), round(6.0 + 2 * rank, 2), 4.0
        if losses and rank >= k / 2:
            margin = round(0.2 * service, 2)
        value = margin - service - campaign if profit else revenue
        name = names[rank % len(names)] + ("" if rank < len(names) else f" {rank // len(names) + 1}")
        line = {
            "segment_id": one, "segment_name": name, "reserved": False, "n_customers": n,
            "n_prospects": 8 if dates else 0,
            "value_per_customer": value, "value_low": value - 0.06 * abs(value) - 1,
            "value_high": value + 0.06 * abs(value) + 1, "revenue_per_customer": revenue,
            "margin_per_customer": margin, "service_cost_per_customer": service, "campaign_cost_per_customer": campaign,
            "profit_per_customer": margin - service - campaign, "margin_rate": margin / revenue,
            "roi": (margin - service - campaign) / (service + campaign), "loss_share": 0.01 + 0.02 * rank,
            "later_value_per_customer": revenue / 2, "jaccard": 0.9 - 0.3 * rank / k,
            "confidence": 0.95 - 0.2 * rank / k,
            "priority": rank + 1, "recency_days_median": 5.0 + 6 * rank, "orders_per_customer": 20.0 / (rank + 1),
            "single_order_share": 0.03 * rank, "new_share": 0.04 + 0.02 * rank, "gap_days_median": 7.0 + 5 * rank,
            "overdue_share": 0.05 + 0.03 * rank, "spend_change": 0.12 - 0.08 * rank,
            "discount_share": 0.08 + 0.02 * rank,
            "categories_per_customer": 30.0 - rank, "category_share_top": 0.2 + 0.02 * rank,
            "contacts_per_customer": 0.3 + 0.1 * rank, "effort_mean": 3.0 + 0.2 * rank, "service_cost_share": 0.02,
            "response_rate": 0.11 - 0.01 * (rank % 10), "peak_month": 12.0 if rank % 2 else 6.0, "peak_month_lift": 1.4,
            "main_channel": "store", "best_channel": "e-mail", "best_channel_rate": 0.12, "reachable_share": 0.8,
            "reachable_by": "consent to e-mail",
        }  # fmt: skip
        lines.append(line)
    if dates:
        lines.append({"segment_id": "dormant", "segment_name": "Dormant", "reserved": True, "n_customers": 75})
    table = pd.DataFrame(lines)
    formed = table["segment_id"] != "dormant"
    table["share"] = (table["n_customers"] / table["n_customers"][formed].sum()).where(formed)
    table["value_total"] = table["value_per_customer"] * table["n_customers"]
    table["value_share"] = table["value_total"] / table["value_total"].sum()
    if not money:
        costs = [column for column in table if column.startswith(("value_", "revenue_", "margin_", "profit_"))]
        table[[*costs, "service_cost_per_customer", "campaign_cost_per_customer", "roi", "loss_share"]] = NONE
        table["service_cost_share"] = NONE
    elif not profit:
        table[["margin_per_customer", "margin_rate", "profit_per_customer", "roi", "service_cost_per_customer"]] = NONE
        table["campaign_cost_per_customer"] = NONE
    if not dates:
        table[[*HABITS, "later_value_per_customer", "priority"]] = NONE
        table[["main_channel", "best_channel", "reachable_by"]] = ""
        table[["best_channel_rate", "reachable_share"]] = NONE
        table["priority"] = [float(rank + 1) for rank in range(k)]
    return table


def _overall(segments) -> pd.DataFrame:
    """One line of all that are not dormant; the segments are alike enough that their mean stands for a median too."""
    own = segments[~segments["reserved"]]
    line: dict[str, object] = {}
    for column, kind in OVERALL.items():
        if kind == "str":
            line[column] = own[column].iloc[0]
        elif column in ("n_customers", "value_total"):
            line[column] = own[column].sum(min_count=1)
        else:
            line[column] = (own[column] * own["n_customers"]).sum(min_count=1) / own["n_customers"].sum()
    costs = line["service_cost_per_customer"] + line["campaign_cost_per_customer"]
    line["margin_rate"] = line["margin_per_customer"] / line["revenue_per_customer"]
    line["roi"] = line["profit_per_customer"] / costs
    return shaped(pd.DataFrame([line]), OVERALL)


def _differentiators(ids, declared, rng) -> pd.DataFrame:
    lines = []
    for rank, one in enumerate(ids):
        place = 1 - 2 * rank / max(len(ids) - 1, 1)
        for number, (name, family, role, unit, low, high, typical) in enumerate(declared):
            effect = round(place * math.cos(number) * 1.6 + rng.normal(0, 0.1), 3)
            p = math.exp(-40 * abs(effect))
            lines.append((one, name, "", high if effect > 0 else low, family, role, unit,
                          "high" if effect > 0 else "low", effect, "median", typical * math.exp(effect / 2), typical, p,
                          min(1.0, 40 * p), 40 * p < 0.05 and abs(effect) >= 0.1, 900))  # fmt: skip
        effect = round(0.5 * place, 3)
        lines.append((one, "town", "city", "lives in: city", "geographic", "descriptor", "share",
                      "high" if effect > 0 else "low", effect, "share", 0.5 + effect / 4, 0.5, 0.001, 0.04,
                      abs(effect) >= 0.1, 880))  # fmt: skip
    table = pd.DataFrame(
        lines,
        columns=[
            *("segment_id", "feature", "level", "label", "family", "role", "unit", "direction", "effect", "statistic"),
            *("typical", "typical_all", "p", "p_holm", "notable", "n_known"),
        ],
    )
    order = table["effect"].abs()
    return table.assign(order=order).sort_values(["segment_id", "order"], ascending=[True, False], kind="stable").drop(
        columns="order"
    ).reset_index(drop=True)  # fmt: skip


def _channels(where) -> pd.DataFrame:
    lines = []
    for one in where:
        lines += [(one, "orders", channel, n, n / 100, NONE, NONE, NONE)
                  for channel, n in (("store", 64), ("web", 30), ("phone", 6))]  # fmt: skip
        lines += [(one, "campaigns", channel, n, n / 300, rate, rate - 0.03, rate + 0.03)
                  for channel, n, rate in (("e-mail", 200, 0.12), ("letter", 100, 0.07))]  # fmt: skip
    columns = ["segment_id", "kind", "channel", "n", "share", "response_rate", "response_low", "response_high"]
    return pd.DataFrame(lines, columns=columns)


def _timing(where, rng) -> pd.DataFrame:
    lines = []
    for one in where:
        for clock, units in (("weekday", range(1, 8)), ("hour", range(24)), ("month", range(1, 13))):
            counts = rng.integers(20, 100, len(units))
            lines += [(one, clock, unit, count / counts.sum(), int(count))
                      for unit, count in zip(units, counts, strict=True)]  # fmt: skip
    return pd.DataFrame(lines, columns=["segment_id", "clock", "unit", "share", "n"])


def _categories(ids, categories) -> pd.DataFrame:
    lines = [
        (one, name, 60 - 5 * rank, 0.5 - 0.06 * rank, (0.5 - 0.06 * rank) / (2.6 - 0.3 * rank), 2.6 - 0.3 * rank,
         0.2 - 0.02 * rank, 0.1, 0.001)
        for one in ids
        for rank, name in enumerate(categories)
    ]  # fmt: skip
    return pd.DataFrame(
        lines,
        columns=[
            *("segment_id", "category", "n_buyers", "buyers_share", "buyers_share_all", "lift", "spend_share"),
            *("spend_share_all", "p_holm"),
        ],
    )


def _cross_sell(ids, categories) -> pd.DataFrame:
    pairs = list(itertools.pairwise(categories))
    lines = [
        (one, bought, offered, 40 - 4 * rank, 0.2 - 0.02 * rank, 0.45 - 0.03 * rank, 2.1 - 0.2 * rank,
         1.6 - 0.15 * rank, 33 + rank)
        for one in ids
        for rank, (bought, offered) in enumerate(pairs)
    ]  # fmt: skip
    return pd.DataFrame(
        lines,
        columns=[
            *("segment_id", "bought", "offered", "n_both", "support", "confidence", "lift", "lift_low", "n_open"),
        ],
    )


def _capture(segments) -> pd.DataFrame:
    own = segments[~segments["reserved"]].sort_values("value_per_customer", ascending=False)
    share = np.linspace(0, 1, 101)
    customers = np.concatenate([[0], own["n_customers"].cumsum() / own["n_customers"].sum()])
    value = np.concatenate([[0], own["value_total"].cumsum() / own["value_total"].sum()])
    by_segment = np.interp(share, customers, value)
    return pd.DataFrame(
        {"share_customers": share, "share_value": by_segment**0.7 if value.min() >= 0 else by_segment,
         "segment_share_value": by_segment}
    )  # fmt: skip


def _criteria(ids, *, money, dates) -> pd.DataFrame:
    lines = []
    for one in ids:
        small = one == ids[-1] and len(ids) > 1
        lines += [
            (one, "measurable", True, 0.82, 0.6, "82 % of refits find it again"),
            (one, "substantial", not small, 0.02 if small else 0.2, 0.03,
             "2 % of the customers, at least 3 % are needed" if small else "20 % of the customers"),
            (one, "reachable", True if dates else None, 0.8 if dates else NONE, 0.5,
             "80 % have a usable channel" if dates else "the tables tell no channel"),
            (one, "actionable", True, 0.4, 0.1, "it spends otherwise than all" if money else "it answers otherwise"),
        ]  # fmt: skip
    table = pd.DataFrame(lines, columns=["segment_id", "criterion", "passed", "figure", "threshold", "reason"])
    return table.astype({"passed": object})


def _worth(ids, *, money) -> pd.DataFrame:
    lines = []
    for one in ids:
        small = one == ids[-1] and len(ids) > 1
        loses, each = (0.03, 1.7) if small and money else (NONE, NONE)
        lines.append((one, not small, "substantial" if small else "", ids[-2] if small else "", loses, each))
    columns = ["segment_id", "worth_it", "failed", "merge_into", "merge_loses", "merge_loses_per_customer"]
    return pd.DataFrame(lines, columns=columns)


def _positions(ids, n, rng) -> pd.DataFrame:
    which = rng.integers(0, len(ids), n)
    angle = 2 * np.pi * which / len(ids)
    return pd.DataFrame(
        {
            "x": 3 * np.cos(angle) + rng.normal(0, 0.8, n),
            "y": 2 * np.sin(angle) + rng.normal(0, 0.8, n),
            "segment_id": [ids[one] for one in which],
        }
    )
