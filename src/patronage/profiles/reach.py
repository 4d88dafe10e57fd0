"""Where segments buy, what they answer to, and whether they can be reached at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.catalogue import OTHER
from patronage.features.relations import NO, YES
from patronage.profiles.columns import CHANNELS, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.members import Members, told
from patronage.profiles.money import ratio
from patronage.profiles.significance import wilson_interval
from patronage.profiles.tallies import ask, in_order, tally
from patronage.tables import Tables, quote

MIN_SENT = 50
"""A channel's response rate is compared only from so many campaigns sent on: its 90 % interval is then at most ± 12
percentage points wide."""

_CONSENT = re.compile(r"(?i)opt_?in$|consent|permission")
_WITHDRAWN = re.compile(
    r"(?i)opt(ed)?_?out|withdr[ae]w|revoke|refus|declin|unsubscri|object(ed|ion)|do_?not|(^|_)(no|not|without)_"
)
_YES = (*YES, "1", "t", "1.0")
_NO = (*NO, "0", "f", "0.0")
_DETAILS = re.compile(r"(?i)^(e_?mail|phone|telephone|mobile|address|street|postcode)(_?(address|number))?$")
_ONLINE = ("online", "web", "website", "app", "mobile", "internet", "ecommerce", "e-commerce", "email", "e-mail")


def channels_of_segments(tables: Tables, customers: Customers, members: Members) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Channels of orders and campaigns (`Profiles.channels`), and what follows of them by segment.

    Of campaigns, those of control groups are left out, as nothing was sent; a response is a ``responded_at`` before
    the end of the lookback. Intervals are Wilson's, 90 %. The best channel is that of the highest response rate among
    those by which at least `MIN_SENT` campaigns were sent to the segment, if anybody responded. Channels that fewer
    than five customers of a segment use are told together (`tally`), and then are neither its main nor its best one.

    Returns
    -------
    channels : DataFrame
    reach : DataFrame of shape (n_segments + 1, 4)
        ``response_rate, main_channel, best_channel, best_channel_rate`` by line of `Members.lines`.
    """
    reach = pd.DataFrame({"response_rate": np.nan, "main_channel": ""}, index=members.lines)
    reach["best_channel"], reach["best_channel_rate"] = "", np.nan
    parts = [empty(CHANNELS)]
    if tables.has("transactions", "channel"):
        each = "SELECT customer_id, channel::VARCHAR AS name, count(*) AS n FROM orders WHERE channel IS NOT NULL "
        bought, _ = tally(tables, customers, each + "GROUP BY ALL", ("n",))
        bought = in_order(bought, members.lines).rename(columns={"name": "channel"})
        parts.append(shaped(bought.assign(kind="orders"), CHANNELS))
        most = bought.drop_duplicates("segment_id").set_index("segment_id")["channel"]
        reach["main_channel"] = members.by_line(most.replace(OTHER, "")).fillna("")
    if tables.has("campaigns"):
        sent, totals = tally(tables, customers, _sent(tables), ("n", "answered"))
        if not tables.has("campaigns", "responded_at"):
            sent["answered"] = totals["answered"] = np.nan
        totals = members.by_line(totals)
        n_asked = totals["n_customers"].fillna(0.0)
        reach["response_rate"] = told(ratio(totals["answered"], totals["n"].fillna(0.0)), n_asked)
        sent = in_order(sent, members.lines).rename(columns={"name": "channel"})
        sent["response_rate"] = ratio(sent["answered"], sent["n"])
        low, high = wilson_interval(sent["n"].to_numpy(), sent["answered"].to_numpy())
        sent["response_low"], sent["response_high"] = low, high
        parts.append(shaped(sent.assign(kind="campaigns"), CHANNELS))
        judged = sent[(sent["n"] >= MIN_SENT) & (sent["response_rate"] > 0) & (sent["channel"] != OTHER)]
        best = judged.sort_values("response_rate", ascending=False, kind="stable").drop_duplicates("segment_id")
        best = members.by_line(best.set_index("segment_id"))
        reach["best_channel"] = best["channel"].fillna("")
        reach["best_channel_rate"] = best["response_rate"].astype(float)
    return pd.concat(parts, ignore_index=True), reach


def _sent(tables: Tables) -> str:
    """Campaigns sent, and answered, by customer and channel."""
    channel = "channel::VARCHAR" if tables.has("campaigns", "channel") else "NULL::VARCHAR"
    answered = "count(responded_at)" if tables.has("campaigns", "responded_at") else "0"
    return (
        f"SELECT customer_id, {channel} AS name, count(*) AS n, {answered} AS answered "
        f"FROM campaigns{_really_sent(tables)} GROUP BY ALL"
    )


def _really_sent(tables: Tables) -> str:
    return " WHERE NOT coalesce(is_control, false)" if tables.has("campaigns", "is_control") else ""


@dataclass(frozen=True)
class Question:
    """One way to judge whether customers can be reached.

    Attributes
    ----------
    by : str
        As in ``reachable_by``.
    asked : str
        SQL that gives a row where the tables tell anything of it, whatever they tell.
    yes : str
        SQL that gives the ``customer_id`` of who can be reached.
    """

    by: str
    asked: str
    yes: str


def reachability(tables: Tables, customers: Customers, members: Members) -> pd.DataFrame:
    """Share of customers with a usable channel by line, judged by the first of these that the tables tell of.

    - ``consent``: a column of customers whose name ends in ``opt_in``, or speaks of consent or permission, holds
      answers, at least one yes or no: who has not said yes cannot be written to, whatever else is known of them. A date
      is no answer: it may be that of being asked;
    - ``contact_details``: an e-mail address, a telephone number, or a postcode or street to send post to is on file;
    - ``campaigns``: a campaign was sent within the lookback, control groups left out;
    - ``online``: an order or an event within the lookback was online, of those whose channel is known.

    The first decides even if nobody can be reached by it. Whoever has withdrawn (a column whose name speaks of opting
    out, withdrawing or the like, and says yes or holds a date) cannot be reached, whatever decides.

    Returns
    -------
    DataFrame of shape (n_segments + 1, 2)
        ``reachable_share`` (NaN where nothing tells, and of fewer than five customers), ``reachable_by``, by line.
    """
    table = pd.DataFrame({"reachable_share": np.nan, "reachable_by": ""}, index=members.lines)
    sizes = members.sizes()
    for question in _questions(tables):
        query = f"SELECT count(*) AS n FROM (SELECT 1 FROM ({question.asked}) LIMIT 1)"
        if not ask(tables, customers, query)["n"].item():
            continue
        kept = f" WHERE customer_id NOT IN ({withdrawn})" if (withdrawn := _withdrawn(tables)) else ""
        found = ask(
            tables,
            customers,
            f"SELECT segment_id, count(*) AS n FROM (SELECT DISTINCT customer_id FROM ({question.yes}){kept}) "
            "JOIN line USING (customer_id) GROUP BY ALL",
        )
        n = members.by_line(found.set_index("segment_id")["n"]).fillna(0.0)
        table["reachable_share"] = told(ratio(n, sizes), sizes)
        table["reachable_by"] = np.where(table["reachable_share"].notna(), question.by, "")
        break
    return table


def _says(column: str, words: Sequence[str]) -> str:
    listed = ", ".join(f"'{word}'" for word in words)
    return f"coalesce(lower(trim({quote(column)}::VARCHAR)) IN ({listed}), false)"


def _withdrawn(tables: Tables) -> str:
    """Who does not want to be written to any more, as SQL; empty where nothing tells."""
    columns = [one for one in tables.columns.get("customers", ()) if _WITHDRAWN.search(one)]
    told = [f"{_says(one, _YES)} OR try_cast({quote(one)}::VARCHAR AS TIMESTAMP) IS NOT NULL" for one in columns]
    # A customer without an id would make NOT IN unknown of everybody.
    return f"SELECT customer_id FROM customers WHERE customer_id IS NOT NULL AND ({' OR '.join(told)})" if told else ""


def _questions(tables: Tables) -> list[Question]:
    """Who can be reached, in the order in which it is asked."""
    questions = []
    columns = [one for one in tables.columns.get("customers", ()) if not _WITHDRAWN.search(one)]
    if consent := [one for one in columns if _CONSENT.search(one)]:
        asked, yes = (" OR ".join(_says(one, words) for one in consent) for words in ((*_YES, *_NO), _YES))
        given = "SELECT customer_id FROM customers WHERE "
        questions.append(Question("consent", f"{given}{asked}", f"{given}{yes}"))
    if details := [one for one in columns if _DETAILS.search(one)]:
        filled = " OR ".join(f"nullif(trim({quote(one)}::VARCHAR), '') IS NOT NULL" for one in details)
        on_file = f"SELECT customer_id FROM customers WHERE {filled}"
        questions.append(Question("contact_details", on_file, on_file))
    if tables.has("campaigns"):
        sent = f"SELECT customer_id FROM campaigns{_really_sent(tables)}"
        questions.append(Question("campaigns", sent, sent))
    seen = [
        f"SELECT customer_id, channel FROM {relation}"
        for relation, table in (("orders", "transactions"), ("events", "events"))
        if tables.has(table, "channel")
    ]
    if seen:
        channels = " UNION ALL ".join(seen)
        online = f"lower(trim(channel)) IN ({', '.join(map(repr, _ONLINE))})"
        asked = f"SELECT customer_id FROM ({channels}) WHERE trim(channel) <> ''"
        questions.append(Question("online", asked, f"SELECT customer_id FROM ({channels}) WHERE {online}"))
    return questions
