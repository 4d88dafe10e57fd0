"""Where segments buy, what they answer to, and whether they can be reached at all."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from patronage.features import query_relations
from patronage.features.relations import YES
from patronage.profiles.columns import CHANNELS, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.habits import placed_by_behaviour
from patronage.profiles.members import Members
from patronage.profiles.money import ratio
from patronage.profiles.significance import wilson_interval
from patronage.profiles.tables import ALL
from patronage.segments import DORMANT_ID
from patronage.tables import Tables, quote

MIN_SENT = 50
"""A channel's response rate is compared only from so many campaigns sent on: its 90 % interval is then at most ± 12
percentage points wide."""

_CONSENT = re.compile(r"(?i)opt_?in$|consent|permission")
_DETAILS = re.compile(r"(?i)^(e_?mail|phone|telephone|mobile|address|street|postcode)(_?(address|number))?$")
_ONLINE = ("online", "web", "website", "app", "mobile", "internet", "ecommerce", "e-commerce", "email", "e-mail")


def channels_of_segments(tables: Tables, customers: Customers, members: Members) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Channels of orders and campaigns (`Profiles.channels`), and what follows of them by segment.

    Of campaigns, those of control groups are left out, as nothing was sent; a response is a ``responded_at`` before
    the end of the lookback. Intervals are Wilson's, 90 %. The best channel is that of the highest response rate among
    those by which at least `MIN_SENT` campaigns were sent to the segment, if anybody responded.

    Returns
    -------
    channels : DataFrame
    reach : DataFrame of shape (n_segments, 4)
        ``response_rate, main_channel, best_channel, best_channel_rate``, indexed by segment id.
    """
    reach = pd.DataFrame({"response_rate": np.nan, "main_channel": ""}, index=list(members.ids))
    reach["best_channel"], reach["best_channel_rate"] = "", np.nan
    parts = [empty(CHANNELS)]
    if tables.has("transactions", "channel"):
        query = (
            "SELECT segment_id, channel, count(*) AS n FROM orders JOIN placed USING (customer_id) "
            "WHERE channel IS NOT NULL GROUP BY ALL"
        )
        found = query_relations(tables, customers.window, query, placed_by_behaviour(customers))
        bought = _by_channel(found, members).assign(kind="orders")
        parts.append(shaped(bought, CHANNELS))
        most = bought.drop_duplicates("segment_id").set_index("segment_id")["channel"]
        reach["main_channel"] = members.by_segment(most).fillna("")
    if tables.has("campaigns"):
        found = _sent(tables, customers)
        totals = members.by_segment(found.groupby("segment_id")[["n", "answered"]].sum(min_count=1))
        reach["response_rate"] = ratio(totals["answered"], totals["n"].fillna(0.0))
        sent = _by_channel(found.dropna(subset="channel"), members).assign(kind="campaigns")
        sent["response_rate"] = ratio(sent["answered"], sent["n"])
        low, high = wilson_interval(sent["n"].to_numpy(), sent["answered"].to_numpy())
        sent["response_low"], sent["response_high"] = low, high
        parts.append(shaped(sent, CHANNELS))
        judged = sent[(sent["n"] >= MIN_SENT) & (sent["response_rate"] > 0)]
        best = judged.sort_values("response_rate", ascending=False, kind="stable").drop_duplicates("segment_id")
        best = members.by_segment(best.set_index("segment_id"))
        reach["best_channel"] = best["channel"].fillna("")
        reach["best_channel_rate"] = best["response_rate"].astype(float)
    return pd.concat(parts, ignore_index=True), reach


def _sent(tables: Tables, customers: Customers) -> pd.DataFrame:
    """Campaigns sent, and answered, by segment and channel; NaN where answers are not known."""
    channel = "channel" if tables.has("campaigns", "channel") else "NULL::VARCHAR"
    answered = "count(responded_at)" if tables.has("campaigns", "responded_at") else "NULL"
    query = (
        f"SELECT segment_id, {channel} AS channel, count(*) AS n, {answered}::DOUBLE AS answered "
        f"FROM campaigns JOIN placed USING (customer_id){_really_sent(tables)} GROUP BY ALL"
    )
    return query_relations(tables, customers.window, query, placed_by_behaviour(customers))


def _really_sent(tables: Tables) -> str:
    return " WHERE NOT coalesce(is_control, false)" if tables.has("campaigns", "is_control") else ""


def _by_channel(found: pd.DataFrame, members: Members) -> pd.DataFrame:
    """Counts by segment and channel, of all too, most first; ties by name."""
    if "answered" not in found:
        found = found.assign(answered=np.nan)
    formed = found[found["segment_id"] != DORMANT_ID].assign(segment_id=ALL)
    summed = pd.concat([found, formed]).groupby(["segment_id", "channel"], as_index=False)
    table = summed[["n", "answered"]].sum(min_count=1)
    place = {one: number for number, one in enumerate((*members.ids, ALL))}
    order = np.lexsort((table["channel"], -table["n"], table["segment_id"].map(place)))
    table = table.iloc[order]
    table["share"] = ratio(table["n"], table.groupby("segment_id")["n"].transform("sum"))
    return table


def reachability(tables: Tables, customers: Customers, members: Members) -> pd.DataFrame:
    """Share of customers with a usable channel, by segment, judged by the first of these that the tables tell.

    - ``consent``: a column of customers that ends in ``opt_in``, or speaks of consent or permission, says yes: who
      has not agreed cannot be written to, whatever else is known of them;
    - ``contact_details``: an e-mail address, a telephone number, or a postcode or street to send post to is on file;
    - ``campaigns``: a campaign was sent within the lookback, control groups left out;
    - ``online``: an order or an event within the lookback was online.

    Returns
    -------
    DataFrame of shape (n_segments, 2)
        ``reachable_share`` (NaN where nothing tells), ``reachable_by``, indexed by segment id.
    """
    table = pd.DataFrame({"reachable_share": np.nan, "reachable_by": ""}, index=list(members.ids))
    placed = placed_by_behaviour(customers)
    for by, query in _questions(tables):
        found = query_relations(
            tables,
            customers.window,
            f"SELECT segment_id, count(*) AS n FROM (SELECT DISTINCT customer_id FROM ({query})) "
            "JOIN placed USING (customer_id) GROUP BY ALL",
            placed,
        )
        if len(found):
            n = members.by_segment(found.set_index("segment_id")["n"]).fillna(0.0)
            table["reachable_share"] = ratio(n, members.count())
            table["reachable_by"] = by
            break
    return table


def _questions(tables: Tables) -> list[tuple[str, str]]:
    """Who can be reached, as SQL that gives customers, in the order in which it is asked."""
    questions = []
    columns = list(tables.columns.get("customers", ()))
    if consent := [one for one in columns if _CONSENT.search(one)]:
        yes = ", ".join(f"'{word}'" for word in (*YES, "1", "t", "1.0"))
        told = " OR ".join(f"lower(trim({quote(one)}::VARCHAR)) IN ({yes})" for one in consent)
        questions.append(("consent", f"SELECT customer_id FROM customers WHERE {told}"))
    if details := [one for one in columns if _DETAILS.search(one)]:
        told = " OR ".join(f"nullif(trim({quote(one)}::VARCHAR), '') IS NOT NULL" for one in details)
        questions.append(("contact_details", f"SELECT customer_id FROM customers WHERE {told}"))
    if tables.has("campaigns"):
        questions.append(("campaigns", f"SELECT customer_id FROM campaigns{_really_sent(tables)}"))
    online = [
        f"SELECT customer_id FROM {relation} WHERE lower(trim(channel)) IN ({', '.join(map(repr, _ONLINE))})"
        for relation, table in (("orders", "transactions"), ("events", "events"))
        if tables.has(table, "channel")
    ]
    if online:
        questions.append(("online", " UNION ALL ".join(online)))
    return questions
