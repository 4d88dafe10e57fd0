"""A small model and a feature table of known content, for the tests of scoring."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from patronage.assigners.centroid import CentroidAssigner
from patronage.catalogue import Catalogue, Feature
from patronage.confidence import Calibration
from patronage.model import SegmentationModel
from patronage.recipe import Representation
from patronage.representation import OutcomeAwareRepresentation, StandardRepresentation
from patronage.segments import Segment

N_CUSTOMERS = 300


def small_model(shift: float = 0.0, *, with_trees: bool = False) -> SegmentationModel:
    """Two segments, on the number ``spend`` and the category ``zone`` (x or y), or on what trees foretell from them."""
    features = (
        Feature("spend", "orders", "sum(revenue)"),
        Feature("zone", "customers", "zone", scale="one_hot"),
    )
    training = pd.DataFrame({"spend": [0.0, 1.0, 9.0, 10.0], "zone": ["x", "y", "x", "y"]})
    representation: Representation = StandardRepresentation(features).fit(training)
    if with_trees:
        many = pd.concat([training] * 10, ignore_index=True)
        outcomes = pd.DataFrame({"revenue": many["spend"] ** 2})
        representation = OutcomeAwareRepresentation(features, n_trees=30, min_samples_leaf=2).fit(many, outcomes)
    width = representation.transform(training).shape[1]
    segments = tuple(Segment(f"S0{n}", f"Group {n}", 0.5, 2, None, 1.0, ()) for n in (1, 2))
    calibration = Calibration(
        np.array([0.0, 1.0]), np.tile([0.5, 1.0], (2, 1)), np.tile(np.linspace(0, 3, 101), (2, 1))
    )
    assigner = CentroidAssigner(centres=np.array([[-1.0 + shift] * width, [1.0] * width]))
    return SegmentationModel(
        Catalogue(features), representation, assigner, segments, calibration, 10, 10, date(2024, 1, 1)
    )


def feature_table(n_customers: int = N_CUSTOMERS) -> pd.DataFrame:
    """Customers with leading zeros in their ids, missing values, and every status."""
    rng = np.random.default_rng(3)
    spend = rng.normal(5, 3, n_customers).round(3)
    spend[::17] = np.nan
    zone = pd.Series(np.where(rng.random(n_customers) < 0.5, "x", "y"), dtype="str")
    zone[1::23] = None
    status = np.where(np.arange(n_customers) % 11 == 0, "dormant", "active").astype(object)
    status[5::29] = "prospect"
    ids = [f"{number:06d}" for number in range(n_customers)]
    return pd.DataFrame({"customer_id": ids, "spend": spend, "zone": zone, "customer_status": status})
