"""Profiles of a model's segments, on the customers of one date: every table from one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from patronage.journal import warn
from patronage.model import SegmentationModel
from patronage.periods import is_snapshot
from patronage.profiles.bought import read_bought
from patronage.profiles.categories import cross_sell_rules, favourite_categories
from patronage.profiles.columns import OVERALL, SEGMENTS, shaped
from patronage.profiles.criteria import judge_criteria, judge_worth
from patronage.profiles.customers import Customers
from patronage.profiles.differences import find_differentiators
from patronage.profiles.distributions import describe_levels, describe_numbers
from patronage.profiles.habits import habits_of_segments, peaks, service_load, when_they_buy
from patronage.profiles.members import Members, members_of
from patronage.profiles.money import capture_curve, money_of_segments, ratio
from patronage.profiles.positions import place_customers
from patronage.profiles.reach import channels_of_segments, reachability
from patronage.profiles.sensitive import audit_sensitive
from patronage.profiles.tables import ALL, Profiles
from patronage.segments import DORMANT_ID
from patronage.tables import Tables


def profile_segments(tables: Tables, model: SegmentationModel, customers: Customers, *, found: str = "") -> Profiles:
    """Describe the segments of a model: what their customers are like, worth, and reached by.

    Parameters
    ----------
    tables : Tables
        Open tables, those that ``customers`` were described from.
    model : SegmentationModel
    customers : Customers
        As `describe_customers` gives them.
    found : str, default ""
        What the model was found as, such as ``models:/customer-segments@champion``.

    Returns
    -------
    Profiles
        The columns of each table, and how they are computed, stand there and in the functions called here.
    """
    members = members_of(customers, model)
    _warn_of_margins(customers)
    segments, overall, beside = tabulate_segments(tables, model, customers, members)
    differentiators = find_differentiators(customers, members)
    positions, shares, typical = place_customers(customers, members, model)
    criteria = judge_criteria(segments, differentiators, customers)
    bought = read_bought(tables, customers)
    if bought is not None and bought.left_out:
        n = len(bought.left_out)
        several = f"{n} category" if n == 1 else f"{n} categories"
        warn(f"{several} left out of the report: the name tells of special personal data, such as health")
    return Profiles(
        segments=segments,
        overall=overall,
        differentiators=differentiators,
        distributions=describe_numbers(customers, members),
        levels=describe_levels(customers, members),
        **beside,
        categories=favourite_categories(tables, customers, bought),
        cross_sell=cross_sell_rules(tables, customers, bought),
        sensitive=audit_sensitive(customers, members),
        capture=capture_curve(customers, members),
        criteria=criteria,
        worth=judge_worth(segments, criteria, customers),
        positions=positions,
        typical=typical,
        about=_about(tables, model, customers, members, found)
        | {"positions": shares, "categories_left_out": [] if bought is None else list(bought.left_out)},
    )


def _warn_of_margins(customers: Customers) -> None:
    """Say what is done where a margin is not known of every line."""
    if customers.margin_unknown > 0:
        done = "are given the others' rate" if "margin" in customers.money else "are too many, so no margin is told"
        warn(f"lines with {customers.margin_unknown:.1%} of the revenue have no margin: they {done}")


def tabulate_segments(
    tables: Tables, model: SegmentationModel, customers: Customers, members: Members
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """The line of each segment (`Profiles.segments`), that of all, and by name the tables that some figures come from.

    Every function computes the figures of segments and of all customers in the same way, and at once.
    """
    timing = when_they_buy(tables, customers, members)
    service, load = service_load(tables, customers, members)
    channels, reach = channels_of_segments(tables, customers, members)
    parts = [
        _sizes(customers, members),
        money_of_segments(customers, members, model),
        habits_of_segments(tables, customers, members),
        load,
        reach,
        peaks(timing, members, customers.window.lookback_days),
        reachability(tables, customers, members),
    ]
    beside = {"channels": channels, "timing": timing, "service": service}
    table = pd.concat(parts, axis=1).reindex(members.lines)
    return shaped(table.drop(index=ALL), SEGMENTS), shaped(table.loc[[ALL]], OVERALL), beside


def _sizes(customers: Customers, members: Members) -> pd.DataFrame:
    """Who the segments are and how large, by line of `Members.lines`."""
    n = members.sizes()
    placed = customers.placed
    by_profile = placed.loc[placed["basis"] == "profile", "segment_id"].value_counts()
    sure = placed["confidence"].to_numpy(dtype=float)
    told = ~np.isnan(sure)
    return pd.DataFrame(
        {
            "segment_id": pd.array(members.lines, dtype="str"),
            "segment_name": pd.array([*members.names, ALL], dtype="str"),
            "reserved": np.append(members.reserved, False),
            "n_customers": n,
            "share": np.where(np.array(members.lines) == DORMANT_ID, np.nan, n / max(n[-1], 1)),
            "n_prospects": members.by_line(by_profile).fillna(0).astype("int64").to_numpy(),
            "confidence": ratio(members.sums(np.where(told, sure, 0.0)), members.sums(told)),
        },
        index=members.lines,
    )


def _about(
    tables: Tables, model: SegmentationModel, customers: Customers, members: Members, found: str
) -> dict[str, Any]:
    dated = not is_snapshot(tables)
    statuses = customers.status.value_counts()
    return {
        "data": tables.source.name,
        "as_of": customers.window.as_of.isoformat() if dated else None,
        "lookback_days": customers.window.lookback_days if dated else 0,
        "outcome_days": model.outcome_days if dated else 0,
        "model": found,
        "value": {"name": customers.value_name, "unit": "" if customers.value_name == "none" else "money"},
        "currency": "",
        "revenue_without_margin": customers.margin_unknown,
        "n_customers": int(np.sum(members.code >= 0)),
        "n_active": int(statuses.get("active", 0)),
        "n_dormant": int(statuses.get("dormant", 0)),
        "n_prospects": int(statuses.get("prospect", 0)),
        "n_segments": len(members.own),
        "n_features": len(customers.catalogue.features),
    }
