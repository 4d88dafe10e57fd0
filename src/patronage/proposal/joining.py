"""Files that belong together: orders and their lines, which are joined, and parts of one table, which are united."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patronage.errors import InvalidInputError
from patronage.proposal.facts import Column, File
from patronage.proposal.matching import SHARED, overlap
from patronage.proposal.vocabulary import COLUMNS, FILES, PART, fit
from patronage.tables import TableSource, quote
from patronage.tables.database import is_url
from patronage.tables.files import reader_of

MATCHED = 0.95
"""Share of lines whose order must be there for both files to be joined."""

_AMOUNTS = ("revenue", "price", "quantity", "cost", "unit_cost", "margin", "discount", "coupon")


@dataclass(frozen=True)
class Join:
    """Two files that belong together.

    Attributes
    ----------
    orders, lines : File
        One line per order, with customer and date; one line per product, with its order.
    order_key, line_key : str
        The columns in which both name the order.
    """

    orders: File
    lines: File
    order_key: str
    line_key: str

    @property
    def source(self) -> TableSource:
        """The lines with what is known of their orders; a column that both have is the line's.

        Amounts of an order stay out: on each of its lines they would count as often as it has lines.
        """
        own = {column.name.lower() for column in self.lines.columns} | {name.lower() for name in self.amounts}
        further = [f"orders.{quote(column.name)}" for column in self.orders.columns if column.name.lower() not in own]
        line_key, order_key = _compared(f"lines.{quote(self.line_key)}"), _compared(f"orders.{quote(self.order_key)}")
        query = f"SELECT lines.*, {', '.join(further)}\nFROM lines\nJOIN orders\n  ON {line_key}\n  = {order_key}"
        given = self.lines.source
        files = {"lines": self.lines.path, "orders": self.orders.path}
        return TableSource(query=query, files=files, header=given.header, encoding=given.encoding)

    @property
    def amounts(self) -> tuple[str, ...]:
        """Columns of the orders that hold money or quantities of a whole order."""
        own = {column.name.lower() for column in self.lines.columns}
        return tuple(
            column.name
            for column in self.orders.columns
            if column.holds == "number"
            and column.name.lower() not in own
            and any(fit(column.name, COLUMNS[one]) for one in _AMOUNTS)
            and not any(fit(column.name, COLUMNS[one]) for one in ("customer_id", "order_id"))
        )

    @property
    def n_orders_without_lines(self) -> int:
        """Orders that none of the lines names."""
        order_key, line_key = self.orders.column(self.order_key), self.lines.column(self.line_key)
        return len(order_key.keys - line_key.keys) if order_key is not None and line_key is not None else 0

    def told(self, n_joined: int) -> tuple[str, ...]:
        """What joining leaves out.

        Parameters
        ----------
        n_joined : int
            Lines whose order is there.
        """
        told = []
        if n := self.lines.n_rows - n_joined:
            told.append(
                f"{n:,} of {self.lines.n_rows:,} lines of {self.lines.label} are left out: "
                f"their order is not in {self.orders.label}"
            )
        if n := self.n_orders_without_lines:
            told.append(
                f"{n:,} of {self.orders.n_rows:,} orders of {self.orders.label} are left out: "
                f"none of the lines in {self.lines.label} is theirs"
            )
        if self.amounts:
            told.append(
                f"not taken from {self.orders.label}, for they are of a whole order and would count once a line: "
                f"{', '.join(self.amounts)}"
            )
        return tuple(told)


def _compared(column: str) -> str:
    """SQL of a key as it is compared: 7.0 is the order 7."""
    return f"regexp_replace(trim({column}::VARCHAR), '\\.0+$', '')"


def find_join(files: Sequence[File]) -> Join | None:
    """The two files that orders are divided into, where there are such.

    Lines know their order and what was bought, but not by whom; orders are listed once each, with customer and date.
    """
    plain = [file for file in files if file.source.query is None and not is_url(file.path)]
    for lines in plain:
        # Lines that tell no money add nothing to what the orders tell.
        if _knows(lines, "customer_id") or not any(_counts(lines, one) for one in ("price", "revenue")):
            continue
        for orders in plain:
            alike = (orders.source.header, orders.source.encoding) == (lines.source.header, lines.source.encoding)
            dated = any(column.holds == "time" for column in orders.columns)
            if orders is lines or not alike or not dated or not _knows(orders, "customer_id"):
                continue
            for order_key in (
                column for column in orders.columns if column.is_unique and _names_orders(column, orders)
            ):
                for line_key in (column for column in lines.columns if _names_orders(column, lines)):
                    if not line_key.is_unique and overlap(line_key, order_key) >= SHARED:
                        return Join(orders, lines, order_key.name, line_key.name)
    return None


def _knows(file: File, column: str) -> bool:
    return any(fit(one.name, COLUMNS[column]) >= PART - 0.1 for one in file.columns)


def _counts(file: File, column: str) -> bool:
    return any(one.holds == "number" and fit(one.name, COLUMNS[column]) >= PART - 0.1 for one in file.columns)


def _names_orders(column: Column, file: File) -> bool:
    own = column.name.lower() == "id" and fit(file.name, FILES["transactions"]) > 0
    return own or fit(column.name, COLUMNS["order_id"]) >= PART - 0.1


def origin_of(files: Sequence[File]) -> TableSource:
    """Where a table's rows come from: one file, a pattern that finds exactly these, or their union.

    Raises
    ------
    InvalidInputError
        Tables of a database, or files that are divided by a query, have the same columns.
    """
    first = files[0]
    if is_url(first.path) and len(files) == 1:
        return TableSource(path=first.path, table=first.name)
    if len(files) == 1:
        return first.source
    if not any(is_url(file.path) or file.source.query is not None for file in files):
        pattern = _pattern([file.path for file in files])
        same = {(file.source.header, file.source.encoding) for file in files}
        if pattern and len(same) == 1:
            return replace(first.source, path=pattern)
        query = "\nUNION ALL BY NAME\n".join(f"SELECT * FROM part{number}" for number in range(1, len(files) + 1))
        named = {f"part{number}": file.path for number, file in enumerate(files, 1)}
        return TableSource(query=query, files=named, header=first.source.header, encoding=first.source.encoding)
    raise InvalidInputError(
        f"{', '.join(file.label for file in files)} have the same columns; give one of them, or a view of all."
    )


def _pattern(paths: Sequence[str]) -> str:
    """A pattern that finds these files and no others; empty where none does."""
    folders = {str(Path(path).parent) for path in paths}
    names = sorted(Path(path).name for path in paths)
    if len(folders) > 1 or any(sign in path for path in paths for sign in "*?["):
        return ""
    start = next((n for n, signs in enumerate(zip(*names, strict=False)) if len(set(signs)) > 1), 0)
    if not start:
        return ""  # what begins with anything would find later whatever is put there
    turned = [name[::-1] for name in names]
    end = next((n for n, signs in enumerate(zip(*turned, strict=False)) if len(set(signs)) > 1), 0)
    name = f"{names[0][:start]}*{names[0][len(names[0]) - end :]}"
    pattern = str(Path(paths[0]).parent / name) if Path(paths[0]).parent != Path() else name
    there = [one for one in glob.glob(pattern) if Path(one).is_file() and reader_of(one)]  # noqa: PTH207
    alike = sorted(Path(one).name for one in there) == names
    return pattern if alike and all(fnmatch.fnmatch(one, name) for one in names) else ""
