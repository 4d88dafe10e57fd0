"""Frames: pandas, Arrow and whatever else speaks Arrow, as Arrow tables that DuckDB reads in place."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from patronage.errors import InvalidInputError
from patronage.tables.sql import numbered, renamed


def as_arrow(name: str, frame: Any) -> tuple[pa.Table, tuple[str, ...]]:  # noqa: ANN401 - any library's frame
    """Rows of a frame as an Arrow table, and what people should know about it; the frame itself is not changed.

    A named index becomes a column, for it often holds the ids. Columns of several types are read as text.

    Raises
    ------
    InvalidInputError
        It is no frame, or a column cannot be read.
    """
    if hasattr(frame, "iloc"):
        columns, arrays, notes = _of_pandas(name, frame)
    elif isinstance(frame, pa.Table) or hasattr(frame, "__arrow_c_stream__"):
        table = pa.table(frame)
        columns, arrays, notes = table.column_names, table.columns, ()
    else:
        raise InvalidInputError(
            f"table {name}: its frame is a {type(frame).__name__}; expected a DataFrame or an Arrow table."
        )
    if not columns:
        raise InvalidInputError(f"table {name}: its frame has no columns.")
    unique = numbered(columns)
    decoded = [_decoded(array) for array in arrays]
    return pa.Table.from_arrays(decoded, names=unique), (*notes, *renamed(name, columns, unique))


def _of_pandas(name: str, frame: Any) -> tuple[list[str], list[Any], tuple[str, ...]]:  # noqa: ANN401
    levels = [level for level in frame.index.names if level is not None and level not in list(frame.columns)]
    series = [frame.index.get_level_values(level).to_series() for level in levels]
    series += [frame.iloc[:, position] for position in range(frame.shape[1])]
    columns = [str(column) for column in (*levels, *frame.columns)]
    arrays, notes = [], []
    for column, values in zip(columns, series, strict=True):
        try:
            arrays.append(_of_series(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            kinds = sorted({type(value).__name__ for value in values[values.notna()]})
            notes.append(
                f"table {name}: column {column} holds values of several types ({', '.join(kinds)}), read as text"
            )
            texts = [None if absent else str(value) for value, absent in zip(values, values.isna(), strict=True)]
            arrays.append(pa.array(texts, pa.string()))
        except pa.ArrowException as error:
            raise InvalidInputError(
                f"table {name}, column {column}: it cannot be read ({type(error).__name__}, {values.dtype}); make it "
                "text, numbers or dates."
            ) from None
    return columns, arrays, tuple(notes)


def _of_series(values: Any) -> Any:  # noqa: ANN401
    zone = getattr(values.dtype, "tz", None)
    if zone is None:
        return pa.Array.from_pandas(values)
    # pyarrow asks for `values`, which pandas is to change for moments with a zone.
    moments = pa.Array.from_pandas(values.dt.tz_convert(None))
    return moments.cast(pa.timestamp(moments.type.unit, "UTC"))


def _decoded(array: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Values themselves in place of categories, whose type would list them."""
    if pa.types.is_dictionary(array.type):
        return array.cast(array.type.value_type)
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array
