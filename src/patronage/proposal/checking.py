"""A proposal held against the rows: faults that have one honest remedy become options, others are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from patronage.errors import InvalidInputError, PatronageError
from patronage.observation import MIN_CUSTOMERS
from patronage.proposal.assembling import Mapped, Proposal
from patronage.tables import KEYS, Tables, open_tables, quote
from patronage.tables.notation import present
from patronage.validation import Fault, validate

LOOKBACK_DAYS, OUTCOME_DAYS = 182, 91
"""What training uses by default (conf/train.yaml)."""

FEWEST_DAYS = 28
"""A shorter history tells nothing of what comes later."""

TOLERATED = 0.05
"""Share of unreadable values up to which a column is taken for what it seems to be."""

LEFT_OUT = 0.2
"""Share of rows up to which those whose values cannot be read are left out unasked."""

_CLOCKS = (("transactions", "ordered_at"), ("events", "occurred_at"))
_EARLY = 0.001  # a few rows of 1900 do not make a history long


@dataclass(frozen=True)
class Checked:
    """A proposal that opens, and what the rows told.

    Attributes
    ----------
    proposal : Proposal
        With options for the faults that have one remedy.
    n_customers : int
    span : tuple of date, optional
        First and last day; None where nothing is dated.
    lookback_days, outcome_days : int
        What fits the span.
    facts : tuple of str
        What is left out, and what people should know.
    """

    proposal: Proposal
    n_customers: int
    span: tuple[date, date] | None
    lookback_days: int
    outcome_days: int
    facts: tuple[str, ...] = field(default=())

    @property
    def usual_windows(self) -> bool:
        """Whether training's own numbers of days fit."""
        return (self.lookback_days, self.outcome_days) == (LOOKBACK_DAYS, OUTCOME_DAYS)


def check(proposal: Proposal) -> Checked:
    """Open the tables as the proposal says, mend what has one remedy, and leave out other tables that cannot be used.

    Raises
    ------
    InvalidInputError
        Customers or transactions have a fault that only their owner can mend, or a history that is too short.
    """
    try:
        return _checked(proposal)
    except PatronageError:
        if len(proposal.tables) == 1:
            raise
    usable, dropped = _without_faulty(proposal)
    checked = _checked(usable)
    known = checked.proposal
    return replace(checked, proposal=replace(known, unused={**known.unused, **dropped}))


def _checked(proposal: Proposal) -> Checked:
    """Options for empty keys and unreadable values, and then what the rows tell."""
    with open_tables(proposal.source) as opened:
        mended = replace(proposal, tables=tuple(_with_policies(opened, one) for one in proposal.tables))
        if mended.source == proposal.source:
            return _validated(opened, proposal)
    with open_tables(mended.source) as opened:
        return _validated(opened, mended)


def _with_policies(opened: Tables, one: Mapped) -> Mapped:
    readings = opened.readings[one.table]
    keys = [key for key in KEYS[one.table] if key in readings]
    terms = [f"count(*) FILTER (WHERE {reading.invalid})" for reading in readings.values()]
    terms += [f"count(*) FILTER (WHERE {readings[key].absent})" for key in keys]
    n_rows, *counts = opened.row(f"SELECT count(*), {', '.join(terms)} FROM raw_{one.table}")
    invalid = dict(zip(readings, counts, strict=False))
    absent = dict(zip(keys, counts[len(readings) :], strict=True))
    # A column that mostly cannot be read is not what its name says; without a key the table would be none.
    wrong = [name for name, n in invalid.items() if n > TOLERATED * n_rows and name not in keys]
    source, comments = one.source, dict(one.comments)
    lost_keys = {key: _require_readable(opened, one, key, n_rows) for key, n in absent.items() if n}
    if wrong:
        source = replace(source, columns={name: given for name, given in source.columns.items() if name not in wrong})
        source = replace(source, derive={name: sql for name, sql in source.derive.items() if name not in wrong})
    told = [
        f"{n:,} of {n_rows:,} lines without {key}"
        + (f" ({lost_keys[key]:,} because a number in them cannot be read)" if lost_keys[key] else "")
        for key, n in absent.items()
        if n
    ]
    if told and source.null_key == "error" and all(n < n_rows for n in absent.values()):
        source = replace(source, null_key="drop")
        comments["null_key"] = f"{', '.join(told)} are left out; error stops at them instead"
    unread = {name: n for name, n in invalid.items() if n and name not in wrong}
    if unread and source.invalid_value == "error":
        broken = [name for name in unread if name in keys]
        if all(unread[name] <= TOLERATED * n_rows for name in broken):
            source = replace(source, invalid_value="drop" if broken else "keep")
            listed = ", ".join(f"{n:,} of {name}" for name, n in unread.items())
            what = "these lines are left out" if broken else "these values are left empty"
            comments["invalid_value"] = f"values that cannot be read: {listed}; {what}"
    matches = tuple(match for match in one.matches if match.column not in wrong)
    lost = tuple(match.source for match in one.matches if match.column in wrong)
    return replace(one, source=source, comments=comments, matches=matches, extra=(*one.extra, *lost))


def _require_readable(opened: Tables, one: Mapped, key: str, n_rows: int) -> int:
    """Rows whose derived key is empty though all that it is made of is there; too many of them are not left out.

    Raises
    ------
    InvalidInputError
        They are more than `LEFT_OUT` of all rows.
    """
    sql = one.source.derive.get(key, "")
    parts = [column.name for column in one.files[0].columns if quote(column.name) in sql]
    if not parts:
        return 0
    there = " AND ".join(present(f"{quote(part)}::VARCHAR") + " IS NOT NULL" for part in parts)
    absent = opened.readings[one.table][key].absent
    n_lost = int(opened.scalar(f"SELECT count(*) FILTER (WHERE ({absent}) AND {there}) FROM raw_{one.table}"))
    if n_lost > LEFT_OUT * n_rows:
        raise InvalidInputError(
            f"{one.files[0].label}: {n_lost:,} of {n_rows:,} lines have values in {', '.join(parts)}, but no {key} can "
            f"be computed of them: they are written in several ways. Write them as plain numbers, such as 1234.50, "
            f"or name a column that has it: {one.table}.{key}=…"
        )
    return n_lost


def _validated(opened: Tables, proposal: Proposal) -> Checked:
    """Validate the tables as they will be used, and lay out the days."""
    told = validate(opened)
    facts = tuple(str(one) for one in told if not (isinstance(one, Fault) and one.policy in ("drop", "keep")))
    main = "transactions" if opened.has("transactions") else "customers"
    n_customers = opened.scalar(f"SELECT count(DISTINCT customer_id) FROM {main}")
    if n_customers < MIN_CUSTOMERS:
        facts = (f"too few customers to segment: {n_customers:,}, and training needs at least {MIN_CUSTOMERS}", *facts)
    span = _span(opened)
    if span is None:
        return Checked(proposal, n_customers, None, LOOKBACK_DAYS, OUTCOME_DAYS, facts)
    lookback_days, outcome_days = windows((span[1] - span[0]).days + 1)
    if not lookback_days:
        raise InvalidInputError(
            f"the data run from {span[0]} to {span[1]}; at least {FEWEST_DAYS} days are needed: a lookback, and two "
            "periods in which later outcomes are seen. Use more data."
        )
    return Checked(proposal, n_customers, span, lookback_days, outcome_days, facts)


def windows(days: int) -> tuple[int, int]:
    """Lookback and outcome days for so many days of history: half of it and a quarter, in whole weeks; 0 if too short.

    >>> windows(365), windows(200), windows(30), windows(20)
    ((182, 91), (98, 49), (14, 7), (0, 0))
    """
    if days >= LOOKBACK_DAYS + 2 * OUTCOME_DAYS:
        return LOOKBACK_DAYS, OUTCOME_DAYS
    if days < FEWEST_DAYS:
        return 0, 0
    outcome_days = days // 4 // 7 * 7
    return 2 * outcome_days, outcome_days


def _span(opened: Tables) -> tuple[date, date] | None:
    """First and last day of what bounds the windows."""
    for table, moment in _CLOCKS:
        if opened.has(table):
            first, last = opened.row(
                f"SELECT quantile_disc({moment}, {_EARLY})::DATE, max({moment})::DATE FROM {table}"
            )
            return (first, last) if first is not None else None
    return None


def _without_faulty(proposal: Proposal) -> tuple[Proposal, Mapping[str, str]]:
    """The proposal without tables that have faults, each with what is wrong; the main one must do."""
    main = "transactions" if proposal.table("transactions") is not None else "customers"
    alone = tuple(one for one in proposal.tables if one.table == main)
    _checked(replace(proposal, tables=alone))
    kept, dropped = list(alone), dict[str, str]()
    for one in proposal.tables:
        if one.table == main:
            continue
        try:
            _checked(replace(proposal, tables=(*alone, one)))
            kept.append(one)
        except PatronageError as error:
            dropped[", ".join(file.label for file in one.files)] = str(error).splitlines()[0].removesuffix(".")
    kept.sort(key=proposal.tables.index)
    if any(one.table == "customers" for one in kept):
        return replace(proposal, tables=tuple(kept)), dropped
    return replace(proposal, tables=tuple(kept), features=(), left_out={}), dropped
