"""What a user says instead of leaving it to be found: ``transactions.ordered_at=Datum``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from patronage.errors import InvalidConfigError
from patronage.proposal.assembling import Wishes
from patronage.proposal.matching import PROFILE
from patronage.tables import CANONICAL

OPTIONS = ("where", "timezone", "null_key", "invalid_value", "duplicates")
"""Options of a table that may be given as they stand in a data configuration."""

WORDS = ("null", "true", "false", "nan", "inf", "yes", "no", "on", "off")
"""What is read as a value that is no text, here or on the command line."""


def require_name(name: str, taken: Collection[str]) -> None:
    """Check the name of a data configuration."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise InvalidConfigError(
            f"name={name}: expected small letters, digits and underscores, a letter first, such as name=my_shop."
        )
    if name in WORDS:
        raise InvalidConfigError(f"name={name}: stands for a value in configurations; choose another.")
    if name in taken:
        raise InvalidConfigError(f"name={name}: patronage ships a configuration of that name; choose another.")


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
