"""The canonical tables: what they are called, what their columns hold, and where a user's come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Kind = Literal["id", "time", "money", "number", "text", "flag"]
POLICIES = ("error", "drop", "keep")

EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
"""First and last day of moments that are taken for one; other dates stand for "unknown" or "never"."""

SQL_TYPES: Mapping[Kind, str] = {
    "id": "VARCHAR",
    "time": "TIMESTAMP",
    # Decimal sums do not depend on the order of the rows; double sums do.
    "money": "DECIMAL(18, 4)",
    "number": "DOUBLE",
    "text": "VARCHAR",
    "flag": "BOOLEAN",
}

CANONICAL: Mapping[str, Mapping[str, Kind]] = {
    "customers": {"customer_id": "id", "birth_date": "time", "signed_up_at": "time", "postcode": "id"},
    "transactions": {
        "customer_id": "id",
        "ordered_at": "time",
        "revenue": "money",
        "order_id": "id",
        "product_id": "id",
        "quantity": "number",
        "cost": "money",
        "margin": "money",
        "discount": "money",
        "coupon": "money",
        "channel": "text",
        "store_id": "id",
    },
    "products": {
        "product_id": "id",
        "category": "text",
        "department": "text",
        "brand": "text",
        "unit_cost": "money",
        "margin_rate": "number",
    },
    "events": {
        "customer_id": "id",
        "occurred_at": "time",
        "event_type": "text",
        "channel": "text",
        "device": "text",
        "referrer": "text",
        "value": "number",
    },
    "contacts": {
        "customer_id": "id",
        "occurred_at": "time",
        "effort": "number",
        "cost": "money",
        "reason": "text",
    },
    "campaigns": {
        "customer_id": "id",
        "campaign_id": "id",
        "sent_at": "time",
        "channel": "text",
        "is_control": "flag",
        "responded_at": "time",
        "revenue": "money",
    },
    "answers": {
        "customer_id": "id",
        "question": "text",
        "answer": "text",
        "answered_at": "time",
        "topic": "text",
    },
    "places": {"place": "id", "density": "number", "climate": "text"},
}
"""The canonical tables: column → what it holds. Other columns pass through as they are."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_id",),
    "transactions": ("customer_id", "ordered_at", "revenue"),
    "products": ("product_id",),
    "events": ("customer_id", "occurred_at", "event_type"),
    "contacts": ("customer_id", "occurred_at"),
    "campaigns": ("customer_id", "campaign_id", "sent_at"),
    "answers": ("customer_id", "question", "answer"),
    "places": ("place",),
}
"""The columns without which a canonical table says nothing."""

HAPPENED = frozenset({"ordered_at", "occurred_at", "responded_at", "answered_at", "birth_date"})
"""Moments that cannot lie in the future: one that does is a fault of the data."""

ALL_IDS = frozenset(column for kinds in CANONICAL.values() for column, kind in kinds.items() if kind == "id")


@dataclass(frozen=True)
class TableSource:
    """Where one canonical table comes from.

    Attributes
    ----------
    path : str, optional
        A file, a glob, ``package://name/path`` for a file inside an installed package, or a database's URL.
    table : str, optional
        With a database's URL: the table, or a SELECT statement.
    frame : DataFrame or Arrow table, optional
        The rows themselves, instead of ``path``; through the Python API. A named index becomes a column.
    columns : mapping
        Canonical column → the source's column. Columns of the same name need no entry.
    derive : mapping
        New column → SQL over the source's columns.
    where : str, optional
        SQL condition over the source's columns; other rows are left out.
    query : str, optional
        SQL that builds the table from ``files`` instead of ``path``.
    files : mapping
        Name in ``query`` → path.
    formats : mapping
        Column → how its texts are written: a strptime format such as ``%d.%m.%Y``, ``day/month/year``,
        ``month/day/year``, ``1,234.50`` or ``1.234,50``. Default: decided on all rows, and refused where two
        notations are possible.
    timezone : str, optional
        Zone of moments that are stored without an offset, where it is not the data's.
    delimiter : str, optional
        Of text files. Default: whichever of comma, semicolon, tab and bar divides the first lines into equally many
        parts, the more the better.
    header : bool, default True
        Whether the first line of a text file names the columns; without, they are ``column0``, ``column1`` …
    encoding : str, default "utf-8"
        Of text and JSON files; a mark at their beginning goes before it.
    duplicates : {"keep", "error", "drop"}
        What happens to rows that equal another one in every column.
    null_key, invalid_value : {"error", "drop", "keep"}
        What happens to rows whose key column is empty, or whose value is not of the column's type. ``keep`` leaves
        the value empty; a key column cannot be kept empty.
    """

    path: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    derive: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    query: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    null_key: str = "error"
    invalid_value: str = "error"
    duplicates: str = "keep"
    table: str | None = None
    frame: Any = None
    formats: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    delimiter: str | None = None
    header: bool = True
    encoding: str = "utf-8"


@dataclass(frozen=True)
class DataSource:
    """A named set of sources, by canonical table.

    Attributes
    ----------
    name : str
    tables : mapping
    timezone : str
        Zone whose clock and calendar moments are told in; those with an offset are converted to it.
    """

    name: str
    tables: Mapping[str, TableSource]
    timezone: str = "UTC"
