"""What a user says instead of leaving it to be found: ``transactions.ordered_at=Datum``."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from patronage.errors import InvalidConfigError
from patronage.proposal.assembling import Wishes
from patronage.proposal.matching import PROFILE
from patronage.tables import CANONICAL

OPTIONS = ("where", "timezone", "null_key", "invalid_value", "duplicates")
"""Options of a table that may be given as they stand in a data configuration."""


def parse_wishes(given: Sequence[str]) -> Wishes:
    """Read ``TABLE.COLUMN=Your column``, ``TABLE.formats.COLUMN=…`` and ``TABLE.OPTION=…``.

    Raises
    ------
    InvalidConfigError
        There is no such table, column or option.
    """
    columns: dict[str, dict[str, str]] = {}
    formats: dict[str, dict[str, str]] = {}
    options: dict[str, dict[str, str]] = {}
    for wish in given:
        key, _, value = wish.partition("=")
        table, dot, rest = key.partition(".")
        if not dot:
            known_options = ("name", "folder", "force", "quiet")
            raise InvalidConfigError(f"{wish}: there is no option {key!r}; {_nearest(key, known_options)}")
        if table not in CANONICAL:
            raise InvalidConfigError(f"{wish}: there is no table {table!r}; {_nearest(table, tuple(CANONICAL))}")
        if not value.strip():
            raise InvalidConfigError(f'{wish}: name the column, such as {key}="Your column".')
        known = {*CANONICAL[table], *(PROFILE if table == "customers" else ())}
        first, _, column = rest.partition(".")
        if rest in OPTIONS:
            options.setdefault(table, {})[rest] = value
        elif first in ("formats", "columns") and column in known:
            (formats if first == "formats" else columns).setdefault(table, {})[column] = value
        elif rest in known:
            columns.setdefault(table, {})[rest] = value
        else:
            raise InvalidConfigError(f"{wish}: table {table} has no column {rest!r}; {_nearest(rest, tuple(known))}")
    return Wishes(columns, options, formats)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}."
