"""What a manifest says of where a result comes from: the fingerprint of a model, and its name and version."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np

from patronage.model import SegmentationModel


def model_digest(model: SegmentationModel) -> str:
    """Fingerprint of everything that decides what a model predicts; wherever it was loaded from.

    Figures and names of candidates in ``about`` do not count; names of segments do, for they are written.
    """
    total = hashlib.sha256()

    def plain(value: Any) -> None:  # noqa: ANN401 - whatever JSON takes
        total.update(json.dumps(value, sort_keys=True, ensure_ascii=False).encode() + b"\0")

    def array(name: str, values: np.ndarray) -> None:
        if values.dtype.names is not None:  # a tree's nodes: between their fields lies whatever was in memory
            for field in values.dtype.names:
                array(f"{name}.{field}", values[field])
            return
        plain([name, str(values.dtype), list(values.shape)])
        total.update(np.ascontiguousarray(values).tobytes())

    plain(model.catalogue.to_dict())
    plain([model.representation.kind, model.representation.state(), model.assigner.kind])
    plain([[segment.id, segment.name] for segment in model.segments])
    plain([model.lookback_days, model.outcome_days, model.min_confidence])
    profiles = model.profiles
    plain(None if profiles is None else profiles.state())
    parts = [model.representation.arrays(), model.assigner.arrays(), vars(model.calibration)]
    for part in [*parts, {} if profiles is None else profiles.arrays()]:
        for name in sorted(part):
            array(name, np.asarray(part[name]))
    for number, tree in enumerate(model.representation.trees()):
        state = tree.tree_.__getstate__()
        for name in ("nodes", "values"):
            array(f"tree {number} {name}", state[name])
    return total.hexdigest()[:32]


def name_and_version(found: str) -> tuple[str | None, str | None]:
    """Registered name and version of a model, of what `tracking.load_model` calls it; None for a folder."""
    parts = re.match(r"models:/([^/@]+)/(\d+)", found)
    return (parts.group(1), parts.group(2)) if parts else (None, None)
