"""What is seen of a user's files, without a judgement: columns, their types, ranges and how often values repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from patronage.tables import TableSource

Holds = Literal["number", "time", "flag", "text", "other"]


@dataclass(frozen=True)
class Column:
    """One column of a file.

    Attributes
    ----------
    name : str
    holds : {"number", "time", "flag", "text", "other"}
        What its values are or, of texts, can nearly all be read as.
    is_text : bool
        Whether it is stored as text that patronage has not turned into anything else.
    n_rows, n_values, n_distinct : int
        Rows, rows with a value, and different values.
    whole : bool
        Whether all numbers are whole.
    low, high : float, optional
        Least and greatest number.
    skew : float
        Of numbers; 0 for others.
    first, last : datetime, optional
        Of moments.
    as_number : bool
        Whether moments are days written as whole numbers: 20171031.
    rivals : tuple of str
        Two ways to read all its texts that give something else; empty where there is one.
    doubt : str
        Why nothing tells which way to read its texts is meant; empty where something does.
    notation : str
        How numbers are written that are stored as text, ``1,234.50`` or ``1.234,50``; empty where plainly, or unknown.
    levels : tuple of str
        Its values as text, where there are at most `MOST_LEVELS`; never printed.
    keys : frozenset of str
        Its values in one form, to compare with other files', where they may be keys; never printed.
    joint : str
        Of texts with rivals: the sign that stands between a day and a month; empty where there are several.
    increasing : mapping
        Notation → share of neighbouring rows whose moments do not go back, where two readings are possible.
    """

    name: str
    holds: Holds
    is_text: bool
    n_rows: int
    n_values: int
    n_distinct: int
    whole: bool = False
    low: float | None = None
    high: float | None = None
    skew: float = 0.0
    first: datetime | None = None
    last: datetime | None = None
    as_number: bool = False
    rivals: tuple[str, ...] = ()
    doubt: str = ""
    notation: str = ""
    levels: tuple[str, ...] = field(default=(), repr=False)
    keys: frozenset[str] = field(default=frozenset(), repr=False)
    joint: str = ""
    increasing: Mapping[str, float] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return self.n_rows - self.n_values

    @property
    def is_unique(self) -> bool:
        """Whether no value is there twice, and hardly any is missing."""
        return self.n_values > 1 and self.n_distinct == self.n_values and self.missing <= 0.01 * self.n_rows

    @property
    def is_key(self) -> bool:
        """Whether its values may be identifiers."""
        return self.n_distinct > 1 and (self.holds == "text" or (self.holds == "number" and self.whole))

    @property
    def is_row_number(self) -> bool:
        """Whether it counts the rows."""
        return self.is_unique and self.whole and self.low in (0, 1) and self.high == self.low + self.n_rows - 1


@dataclass(frozen=True)
class File:
    """One file or database table.

    Attributes
    ----------
    path : str
        As the user gave it.
    label : str
        For people; of a database without its password.
    name : str
        Its bare name, which may tell what it holds.
    source : TableSource
        How it is read: path, delimiter, encoding, header, or the query that divides its lines.
    columns : tuple of Column
    n_rows : int
    delimiter : str
        Of a text file; empty for others.
    remarks : tuple of str
        What people should know about how it is read.
    """

    path: str
    label: str
    name: str
    source: TableSource
    columns: tuple[Column, ...]
    n_rows: int
    delimiter: str = ""
    remarks: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name, in whatever case."""
        return next((one for one in self.columns if one.name.lower() == name.lower()), None)

    @property
    def shape(self) -> tuple[str, ...]:
        """Names of its columns in lower case, sorted: files of the same shape may be parts of one table."""
        return tuple(sorted(column.name.lower() for column in self.columns))


MOST_LEVELS = 30
