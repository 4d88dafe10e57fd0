"""A model whose segments are given by a column of the customers, for the tests of profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from patronage.assigners.centroid import CentroidAssigner
from patronage.catalogue import Catalogue, Feature
from patronage.confidence import Calibration
from patronage.model import SegmentationModel
from patronage.profiles import Customers, Profiles, describe_customers, profile_segments
from patronage.representation import StandardRepresentation
from patronage.segments import Segment
from patronage.tables import DataSource, TableSource, open_tables

GROUP = Feature("group_number", "customers", "try_cast(group_number AS DOUBLE)")
"""Segment S01 is group 1, S02 group 2, and so on."""


def grouped_model(
    n_segments: int, further: Sequence[Feature] = (), *, lookback_days: int = 100, basis: Feature = GROUP
) -> SegmentationModel:
    """A model that places customers by their group number alone; further features describe."""
    numbers = pd.DataFrame({basis.name: np.arange(1.0, max(n_segments, 2) + 1)})
    representation = StandardRepresentation((basis,), clip_quantile=0.0).fit(numbers)
    return SegmentationModel(
        Catalogue(tuple(sorted((basis, *further), key=lambda one: one.name))),
        representation,
        CentroidAssigner(centres=representation.transform(numbers)[:n_segments]),
        tuple(
            Segment(f"S{n:02d}", f"Group {n}", 1 / n_segments, 10, 10.0 * n, 0.9, ()) for n in range(1, n_segments + 1)
        ),
        Calibration(
            np.array([0.0, 1.0]),
            np.tile([0.5, 1.0], (n_segments, 1)),
            np.tile(np.linspace(0, 3, 101), (n_segments, 1)),
        ),
        lookback_days,
        30,
        date(2024, 1, 1),
    )


def profile_frames(
    frames: Mapping[str, pd.DataFrame], model: SegmentationModel, as_of: date | None = None
) -> tuple[Profiles, Customers]:
    """Profiles of a model on tables held in memory."""
    source = DataSource("frames", {name: TableSource(frame=frame) for name, frame in frames.items()})
    with open_tables(source) as tables:
        customers = describe_customers(tables, model, as_of)
        return profile_segments(tables, model, customers, found="test"), customers
