"""What an array of a density assigner must be: told by name where it is not."""

from __future__ import annotations

import numpy as np


def frozen(name: str, value: np.ndarray, dtype: type[np.generic], shape: tuple[int | None, ...]) -> np.ndarray:
    """Read-only copy of an array of this type and shape; None stands for any length but 0.

    Raises
    ------
    ValueError
        It has another type or shape.
    """
    value = np.asarray(value)
    same_shape = value.ndim == len(shape) and all(
        has > 0 if needed is None else has == needed for has, needed in zip(value.shape, shape, strict=True)
    )
    # NumPy counts numbers as safely cast to strings.
    same_kind = (value.dtype.kind == "U") == (dtype is np.str_)
    if not same_shape or not same_kind or not np.can_cast(value.dtype, dtype, "safe"):
        needed_shape = tuple("≥1" if needed is None else needed for needed in shape)
        raise ValueError(
            f"DensityAssigner: {name} must be {dtype.__name__} of shape {needed_shape}, "
            f"got {value.dtype} of shape {value.shape}"
        )
    copy: np.ndarray = np.array(value, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def require_in(name: str, values: np.ndarray, low: int, end: int) -> None:
    """Every value lies in [low, end).

    Raises
    ------
    ValueError
        One does not.
    """
    require(name, values, (values >= low) & (values < end), f"be in [{low}, {end})")


def require(name: str, values: np.ndarray, holds: np.ndarray, rule: str) -> None:
    """The rule holds for every value.

    Raises
    ------
    ValueError
        It does not; the message shows the first value that it does not hold for.
    """
    if not np.all(holds):
        raise ValueError(f"DensityAssigner: {name} must {rule}, got {np.extract(~holds, values)[0]}")
