"""What of the canonical tables may be seen at a date: nothing that lies after it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from patronage.tables import CANONICAL, Tables, quote

MOMENTS: Mapping[str, str] = {
    "lines": "ordered_at",
    "orders": "ordered_at",
    "ledger": "occurred_at",
    "events": "occurred_at",
    "contacts": "occurred_at",
    "campaigns": "sent_at",
    "answers": "answered_at",
}
"""Relation → the column that says when a row happened."""

_RESPONSE = re.compile("(?i)respon|accept|redeem|convert|click|open|bought|purchase|react")
"""Columns of campaigns that tell of the response, by their names."""


@dataclass(frozen=True)
class Cut:
    """How a statement cuts ``keyed_transactions`` to a period.

    Attributes
    ----------
    as_stored : bool
        Whether it binds ``$stored_start``, ``$stored_as_of`` and ``$stored_first``, which cut orders as they are
        stored: files skip rows by it, and no row's time needs to be told on another clock.
    """

    as_stored: bool

    def between(self, since: str, until: str) -> str:
        """SQL condition: ordered at the bound ``since`` (or "first": ever) or later, and before ``until``."""
        if self.as_stored:
            return f'"stored ordered_at" >= $stored_{since} AND "stored ordered_at" < $stored_{until}'
        # No zone's clock is off by two days; by what is stored files skip rows all the same.
        conditions = [f"ordered_at < ${until}", f'"stored ordered_at" < ${until} + INTERVAL 2 DAY']
        if since != "first":
            conditions += [f"ordered_at >= ${since}", f'"stored ordered_at" >= ${since} - INTERVAL 2 DAY']
        return " AND ".join(conditions)


def past(tables: Tables, table: str, alias: str = "", skip: Sequence[str] = ()) -> str:
    """Select list of a table in which nothing later than ``as_of`` can be read."""
    prefix = f"{alias}." if alias else ""
    known = CANONICAL[table]
    columns = []
    for column, sql_type in tables.columns[table].items():
        if column in skip:
            continue
        name = f"{prefix}{quote(column)}"
        if sql_type.startswith(("TIMESTAMP", "DATE")) and column != MOMENTS.get(_relation(table)):
            columns.append(f"CASE WHEN {name} < $as_of THEN {name} END AS {quote(column)}")
        elif table == "campaigns" and (column == "revenue" or (column not in known and _RESPONSE.search(column))):
            # What a response was and brought is known only once it is there; without its date it cannot be placed.
            if tables.has("campaigns", "responded_at"):
                columns.append(f"CASE WHEN {prefix}responded_at < $as_of THEN {name} END AS {quote(column)}")
        elif sql_type == "VARCHAR" and column not in known:
            # A date may be kept as text: then it is a date all the same.
            dated = f"regexp_matches({name}, '^\\d{{4}}-\\d{{2}}-\\d{{2}}') AND TRY_CAST({name} AS TIMESTAMP) >= $as_of"
            columns.append(f"CASE WHEN NOT coalesce({dated}, false) THEN {name} END AS {quote(column)}")
        else:
            columns.append(f"{name} AS {quote(column)}")
    return ", ".join(columns)


def _relation(table: str) -> str:
    return "lines" if table == "transactions" else table
