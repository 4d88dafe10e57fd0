"""Density clusters: HDBSCAN's out-of-sample prediction, from plain arrays."""

from patronage.assigners.density.assigner import MAX_TOLERANCE, DensityAssigner

__all__ = ["MAX_TOLERANCE", "DensityAssigner"]
