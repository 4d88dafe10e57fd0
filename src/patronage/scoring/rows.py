"""Rows as they come, read as the model's features: what cannot be used is set aside by its reason, never its value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from patronage.errors import InvalidInputError
from patronage.features import ACTIVE, DORMANT, PROSPECT
from patronage.journal import warn
from patronage.model import STATUSES, SegmentationModel
from patronage.scoring.repetitions import KnownCustomers, hashed

CUSTOMER, STATUS = "customer_id", "customer_status"
NO_ID = "customer_id: missing"
REPEATED = "customer_id: repeats an earlier row"
NO_STATUS = f"customer_status: none of {ACTIVE}, {DORMANT}, {PROSPECT}"
NO_VALUES = "all features are empty"
NO_NUMBER = "{column}: not a number"
NOT_FINITE = "{column}: not finite"

_SHOWN = 12
_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_NAN = r"(?i)^[+-]?nan$"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of the input.

    Attributes
    ----------
    first_row : int
        Number of the first row, counted from 1, a header not counted.
    table : Arrow table of shape (n_rows, …)
        The columns that scoring reads, of whatever type they come in.
    faults : mapping
        Position in ``table`` → why the row could not be read at all.
    """

    first_row: int
    table: pa.Table
    faults: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """A chunk read as the model's features.

    Attributes
    ----------
    ids : Arrow array of length n_usable, text
    features : DataFrame of shape (n_usable, n_features), with ``customer_status`` where the input has it
    refused : list of (row number, reason)
        The other rows, in their order.
    unknown : Counter
        Feature → usable rows whose category the model has no column for.
    statuses : Counter
        Customer status → usable rows; empty where the input does not say.
    """

    ids: pa.Array
    features: pd.DataFrame
    refused: list[tuple[int, str]]
    unknown: Counter[str]
    statuses: Counter[str]


class RowReader:
    """Reads chunks as one model's features.

    Parameters
    ----------
    model : SegmentationModel
    columns : sequence of str
        Columns of the input.

    Raises
    ------
    InvalidInputError
        A column of the model is not there, or one that scoring reads is there twice.
    """

    def __init__(self, model: SegmentationModel, columns: Sequence[str]) -> None:
        self._basis = model.catalogue.basis
        self._levels = known_levels(model)
        wanted = [CUSTOMER, STATUS, *(feature.name for feature in model.inputs)]
        if twice := [name for name in wanted if list(columns).count(name) > 1]:
            raise InvalidInputError(f"the feature table has the column {twice[0]} more than once; keep one.")
        if CUSTOMER not in columns:
            raise InvalidInputError("the feature table has no column customer_id; name it so.")
        model.require_columns(columns)
        self.has_status = STATUS in columns
        # Without a status nobody is a prospect, and part of a profile is none.
        lacking = model.lacking_profile(columns)
        self._profile = model.profile_inputs if self.has_status and not lacking else ()
        if self.has_status and lacking:
            warn(
                f"the feature table lacks {len(lacking)} column(s) of the profile: {', '.join(lacking[:_SHOWN])}"
                f"{', …' if len(lacking) > _SHOWN else ''}; customers who never bought stay unassigned"
            )
        read = {CUSTOMER, STATUS, *(feature.name for feature in (*self._basis, *self._profile))}
        self.columns = [name for name in wanted if name in columns and name in read]
        self._known = KnownCustomers()

    def remember(self, ids: pa.ChunkedArray) -> None:
        """Take customers for met that an earlier run has scored."""
        self._known.repeated(hashed(_plain(ids)))

    def read(self, chunk: Chunk) -> Checked:
        """Read one chunk; of several faults of a row the first is told.

        Raises
        ------
        InvalidInputError
            A whole column is of a type that cannot be what the model needs.
        """
        table = chunk.table
        refusals = _Refusals(table.num_rows)
        for reason in dict.fromkeys(chunk.faults.values()):
            torn = np.zeros(table.num_rows, dtype=bool)
            torn[[position for position, one in chunk.faults.items() if one == reason]] = True
            refusals.add(torn, reason)
        ids = as_text(CUSTOMER, table[CUSTOMER])
        refusals.add(_blank(ids), NO_ID)
        status = np.full(table.num_rows, STATUSES.index(ACTIVE))
        if self.has_status:
            status = status_codes(table[STATUS])
            refusals.add(status < 0, NO_STATUS)
        columns = self._values(table, status, refusals)
        # Last, so that only a row that is scored stands in the way of a later one.
        hashes, usable = hashed(ids), refusals.usable
        again = np.zeros(table.num_rows, dtype=bool)
        again[usable] = self._known.repeated(hashes[usable])
        refusals.add(again, REPEATED)
        if not refusals.usable.all():
            usable = refusals.usable
            rows = pa.array(usable)
            ids, status = ids.filter(rows), status[usable]
            columns = {
                name: one[usable] if isinstance(one, np.ndarray) else one.filter(rows) for name, one in columns.items()
            }
        unknown = Counter({name: n for name, levels in self._levels.items() if (n := _outside(columns[name], levels))})
        # pandas takes numbers as they are, without a copy.
        features: dict[str, Any] = {
            name: one if isinstance(one, np.ndarray) else pd.Series(pd.array(one, dtype="str"), copy=False)
            for name, one in columns.items()
        }
        statuses = Counter[str]()
        if self.has_status:
            features[STATUS] = pd.Categorical.from_codes(status, pd.Index(STATUSES))
            statuses.update({STATUSES[code]: int(n) for code, n in enumerate(np.bincount(status)) if n})
        frame = pd.DataFrame(features, index=pd.RangeIndex(len(ids)), copy=False)
        return Checked(ids, frame, refusals.listed(chunk.first_row), unknown, statuses)

    def _values(self, table: pa.Table, status: np.ndarray, refusals: _Refusals) -> dict[str, np.ndarray | pa.Array]:
        """Features as numbers and texts; refuses rows whose values cannot be used."""
        columns: dict[str, np.ndarray | pa.Array] = {}
        empty, prospect = status == STATUSES.index(ACTIVE), status == STATUSES.index(PROSPECT)
        for feature in (*self._basis, *self._profile):
            # A fault in the profile of someone who is not placed by it is none.
            is_basis = feature.role == "basis"
            concerned = True if is_basis else prospect
            if feature.is_text:
                text = as_text(feature.name, table[feature.name])
                columns[feature.name], nothing = text, np.asarray(pc.is_null(text))
            else:
                numbers, no_number = as_numbers(feature.name, table[feature.name])
                if no_number is not None:
                    refusals.add(no_number & concerned, NO_NUMBER.format(column=feature.name))
                columns[feature.name], nothing = numbers, ~np.isfinite(numbers)
                if nothing.any():
                    refusals.add(np.isinf(numbers) & concerned, NOT_FINITE.format(column=feature.name))
                    nothing = np.isnan(numbers)
            if is_basis:
                empty &= nothing
        refusals.add(empty, NO_VALUES)
        return columns


class _Refusals:
    """Which rows of a chunk are set aside, and why; of several faults of a row the first one added counts."""

    def __init__(self, n_rows: int) -> None:
        self._reasons: list[str] = []
        self._reason_of = np.full(n_rows, -1)

    @property
    def usable(self) -> np.ndarray:
        """The other rows, of shape (n_rows,), bool."""
        return self._reason_of < 0

    def add(self, rows: np.ndarray, reason: str) -> None:
        """Set these rows aside."""
        if rows.any():
            self._reason_of[rows & self.usable] = len(self._reasons)
            self._reasons.append(reason)

    def listed(self, first_row: int) -> list[tuple[int, str]]:
        """Row numbers and reasons, where the first row of the chunk has this number."""
        return [(first_row + int(row), self._reasons[self._reason_of[row]]) for row in np.flatnonzero(~self.usable)]


def known_levels(model: SegmentationModel) -> dict[str, pa.Array]:
    """Categories that the model has a column for, per feature that it uses."""
    found: dict[str, set[str]] = {}

    def walk(state: object) -> None:
        if isinstance(state, Mapping):
            if "feature" in state and state.get("levels"):
                found.setdefault(str(state["feature"]), set()).update(state["levels"])
            for value in state.values():
                walk(value)
        elif isinstance(state, (list, tuple)):
            for value in state:
                walk(value)

    # A representation keeps the standard space's columns somewhere in its state, whatever it makes of them.
    walk(model.representation.state())
    texts = {feature.name for feature in model.catalogue.basis if feature.is_text}
    return {name: pa.array(sorted(levels)) for name, levels in sorted(found.items()) if name in texts}


def as_text(name: str, column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as text: 7 and 7.0 are both "7", for whole numbers turn to floats where some are missing."""
    values = _plain(column)
    kind = values.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise _wrong_type(name, kind, "text")
    if pa.types.is_nested(kind):
        raise _wrong_type(name, kind, "text")
    if pa.types.is_floating(kind):
        values = pc.cast(values, pa.float64())
        nothing = pc.fill_null(pc.is_nan(values), False)
        values = pc.if_else(nothing, pa.scalar(None, pa.float64()), values)
        whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2.0**53))
        integers = pc.cast(pc.if_else(whole, values, pa.scalar(None, pa.float64())), pa.int64())
        return pc.coalesce(pc.cast(integers, pa.string()), pc.cast(values, pa.string()))
    return pc.cast(values, pa.string())


def status_codes(column: pa.ChunkedArray) -> np.ndarray:
    """Position of each status in `STATUSES`, of shape (n_rows,); −1 for what is none."""
    known = pa.array(STATUSES)
    if not pa.types.is_dictionary(column.type):
        return np.asarray(pc.fill_null(pc.index_in(as_text(STATUS, column), known), -1))
    found = [np.empty(0, np.int32)]
    for coded in column.chunks:
        # One look at each different text; the last place is that of rows without any.
        code = pc.fill_null(pc.index_in(as_text(STATUS, coded.dictionary), known), -1)
        found.append(np.append(code, -1)[np.asarray(pc.fill_null(pc.cast(coded.indices, pa.int64()), -1))])
    return np.concatenate(found)


def as_numbers(name: str, column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray | None]:
    """A column as numbers, NaN where there is none, and which values are there but none; None for no such value."""
    values = _plain(column)
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _numbers_from_text(values)
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        raise _wrong_type(name, kind, "numbers")
    if pa.types.is_boolean(kind):
        values = pc.cast(values, pa.uint8())
    return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), None


def _numbers_from_text(values: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    trimmed = pc.utf8_trim_whitespace(values)
    nothing = pa.scalar(None, trimmed.type)
    trimmed = pc.if_else(pc.equal(trimmed, ""), nothing, trimmed)
    try:
        return pc.cast(trimmed, pa.float64()).to_numpy(zero_copy_only=False), None
    except pa.ArrowInvalid:
        pass  # at least one is no number: find which, and read the others as above
    readable = pc.or_(
        pc.match_substring_regex(trimmed, _NUMBER),
        pc.or_(pc.match_substring_regex(trimmed, _NAN), pc.match_substring_regex(trimmed, _INFINITE)),
    )
    bad = np.asarray(pc.fill_null(pc.invert(readable), False))
    return pc.cast(pc.if_else(readable, trimmed, nothing), pa.float64()).to_numpy(zero_copy_only=False), bad


def _blank(texts: pa.Array) -> np.ndarray:
    nothing = pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))
    return np.asarray(pc.fill_null(nothing, True))


def _plain(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    values = column
    if isinstance(column, pa.ChunkedArray):
        # Arrow would copy a chunk that is alone.
        values = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # so much text that one array cannot hold it, or no chunk at all
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _wrong_type(name: str, kind: pa.DataType, expected: str) -> InvalidInputError:
    return InvalidInputError(f"feature table, column {name}: holds {kind}, expected {expected}.")


def _outside(column: pa.Array, levels: pa.Array) -> int:
    known = pc.or_(pc.is_in(column, levels), pc.is_null(column))
    return int(len(column) - (pc.sum(known).as_py() or 0))
