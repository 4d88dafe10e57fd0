"""What segments like to buy, and which categories complement what their members buy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patronage.profiles.bought import Bought, read_bought
from patronage.profiles.customers import Customers
from patronage.profiles.members import MIN_CUSTOMERS
from patronage.profiles.pairs import pairs_of
from patronage.profiles.significance import chance_of_more, holm, shares_differ
from patronage.tables import Tables

MIN_SUPPORT = 0.01
"""Share of the segment that buys both."""
MIN_CONFIDENCE = 0.1
"""Share of those who buy the first who buy the second; of fewer, an offer reaches too few who want it."""
MIN_LIFT = 1.1
"""The lower end of the lift's interval: of millions of customers every trifle is certain, and not worth an offer."""
MAX_P = 0.05
"""Chance that any of all rules is due to chance (Holm)."""

_Z90 = 1.6449  # of a two-sided 90 % interval

FAVOURITES = {
    **dict.fromkeys(("segment_id", "category"), "str"),
    "n_buyers": "int64",
    **dict.fromkeys(("buyers_share", "buyers_share_all", "lift", "spend_share", "spend_share_all"), "float64"),
    "p_holm": "float64",
}
RULES = {
    **dict.fromkeys(("segment_id", "bought", "offered"), "str"),
    "n_both": "int64",
    **dict.fromkeys(("support", "confidence", "lift", "lift_low"), "float64"),
    "n_open": "int64",
}


def favourite_categories(tables: Tables, customers: Customers, bought: Bought | None = None) -> pd.DataFrame:
    """What the members of each segment buy more often, or less, than all other active customers.

    Parameters
    ----------
    tables : Tables
        Open tables; categories are ``category`` of lines, else ``department``.
    customers : Customers
    bought : Bought, optional
        What `read_bought` gives for these, so that several questions read the lines once.

    Returns
    -------
    DataFrame
        `Profiles.categories`, of categories with at least `MIN_CUSTOMERS` buyers in the segment. A segment's favourites
        come first: by the lower end of the 90 % interval of the lift (Katz et al., 1978), so that few customers do not
        win by chance. ``lift`` is missing where nobody else buys the category, or there is nobody else. ``p_holm`` is
        two-sided, of the hypergeometric count of buyers (`shares_differ`), corrected over all lines. Without
        categories there are no lines.
    """
    bought = bought or read_bought(tables, customers)
    if bought is None:
        return pd.DataFrame(columns=list(FAVOURITES)).astype(FAVOURITES)
    names = bought.segment_ids
    buyers = pd.DataFrame({name: bought.buyers(name) for name in names}, index=bought.categories).T
    size = bought.segments.value_counts().reindex(names)
    lines = []
    for name in names:
        n, n_rest = int(size[name]), int(size.sum() - size[name])
        inside, outside = buyers.loc[name].to_numpy(), (buyers.sum() - buyers.loc[name]).to_numpy()
        spend, total = bought.spend.reindex(names, fill_value=0.0), bought.spend_total.reindex(names, fill_value=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share, share_rest = inside / n, np.divide(outside, n_rest)
            lift = np.where(outside > 0, share / share_rest, np.nan)
            # Half a buyer among the others where there is none: the ratio then has a lower end all the same.
            told = np.maximum(outside, 0.5)
            width = np.sqrt(np.maximum(1 / inside - 1 / n + 1 / told - 1 / max(n_rest, 1), 0))
            low = np.where(n_rest > 0, share / (told / max(n_rest, 1)) * np.exp(-_Z90 * width), share)
            rest = spend.sum() - spend.loc[name]
            one = {
                "segment_id": name,
                "category": bought.categories,
                "n_buyers": inside,
                "buyers_share": share,
                "buyers_share_all": share_rest,
                "lift": lift,
                "spend_share": spend.loc[name].to_numpy() / total[name],
                "spend_share_all": rest.to_numpy() / (total.sum() - total[name]),
                "p_holm": shares_differ(n, inside, n_rest, outside),
                "low": low,
            }
        lines.append(pd.DataFrame(one).query(f"n_buyers >= {MIN_CUSTOMERS}"))
    table = pd.concat(lines, ignore_index=True)
    table["p_holm"] = holm(table["p_holm"].to_numpy())
    # Equally strong ones stay in the order of revenue.
    table = table.sort_values(["segment_id", "low"], ascending=[True, False], kind="stable", ignore_index=True)
    return table[list(FAVOURITES)].astype(FAVOURITES)


def cross_sell_rules(tables: Tables, customers: Customers, bought: Bought | None = None) -> pd.DataFrame:
    """Which categories complement what the members of each segment buy.

    Whoever buys much buys much of everything, so within a segment almost any two categories are bought together more
    often than their shares alone would have it. A rule says more: its lift is over what is to be expected of members
    who buy *as many categories* (`pairs_of`), the lift's 90 % interval lies above `MIN_LIFT`, and it is no chance find
    among all the pairs of all segments (Holm, one-sided, `MAX_P`): neither small segments nor many categories make
    rules. Its interval is that of two shares and their product, by the delta method.

    Parameters
    ----------
    tables : Tables
        Open tables; categories are ``category`` of lines, else ``department``.
    customers : Customers
    bought : Bought, optional
        What `read_bought` gives for these, so that several questions read the lines once.

    Returns
    -------
    DataFrame
        `Profiles.cross_sell`; with at least `MIN_CUSTOMERS`, `MIN_SUPPORT` and `MIN_CONFIDENCE`. Best first within a
        segment: by ``lift_low``, then by those who buy both. Without categories there are no lines.
    """
    bought = bought or read_bought(tables, customers)
    found = [] if bought is None else [_tested(bought, name) for name in bought.segment_ids]
    if not found:
        return pd.DataFrame(columns=list(RULES)).astype(RULES)
    tested = pd.concat(found, ignore_index=True)
    sure = (holm(tested["p"].to_numpy()) < MAX_P) & (tested["lift_low"] >= MIN_LIFT)
    turned = {"bought": "offered", "offered": "bought", "n_first": "n_second", "n_second": "n_first"}
    rules = pd.concat([tested[sure], tested[sure].rename(columns=turned)], ignore_index=True)
    rules["support"] = rules["n_both"] / rules["n_members"]
    rules["confidence"] = rules["n_both"] / rules["n_first"]
    rules["n_open"] = rules["n_first"] - rules["n_both"]
    enough = (rules[["n_both", "n_open"]] >= MIN_CUSTOMERS).all(axis=1)
    enough &= (rules["support"] >= MIN_SUPPORT) & (rules["confidence"] >= MIN_CONFIDENCE)
    order = ["segment_id", "lift_low", "n_both", "confidence", "bought", "offered"]
    rules = rules[enough].sort_values(order, ascending=[True, False, False, False, True, True], ignore_index=True)
    return rules[list(RULES)].astype(RULES)


def _tested(bought: Bought, segment: str) -> pd.DataFrame:
    """The pairs of categories that enough members of a segment buy, with lift and chance."""
    members = bought.members(segment)
    pairs = pairs_of(bought, members)
    first, second = np.triu_indices(len(pairs.categories), 1)
    n_first, n_second = pairs.buyers[first], pairs.buyers[second]
    both, expected, variance = (table[first, second] for table in (pairs.both, pairs.expected, pairs.variance))
    names, n = np.array(bought.categories, dtype=object)[pairs.categories], len(members)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = both / expected
        # Delta method, of the logarithm of both / (first × second) among n customers.
        share, apart = both / n, 1 / (n_first / n) + 1 / (n_second / n)
        width = np.sqrt(np.maximum(1 / share - apart + 2 * share * n * n / (n_first * n_second) - 1, 0) / n)
        low = lift * np.exp(-_Z90 * width)
    table = {
        "segment_id": segment,
        "bought": names[first],
        "offered": names[second],
        "n_members": n,
        "n_first": n_first.astype(np.int64),
        "n_second": n_second.astype(np.int64),
        "n_both": both.astype(np.int64),
        "lift": lift,
        "lift_low": np.where(both > 0, low, 0.0),
        "p": chance_of_more(both, expected, variance),
    }
    return pd.DataFrame(table)
