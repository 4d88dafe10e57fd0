"""The scale that money and counts are looked at on."""

from __future__ import annotations

import numpy as np


def signed_log(values: np.ndarray) -> np.ndarray:
    """sign(y)·log1p|y|: the scale on which money is neither ruled by a few nor cut off."""
    return np.copysign(np.log1p(np.abs(values)), values)
