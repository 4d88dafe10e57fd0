"""MLflow: the only place that speaks to it. Stages give plain values; here they become runs and versions."""

from patronage.tracking.registry import load_model, promote, register
from patronage.tracking.runs import TrackedRun, tracked_run
from patronage.tracking.store import Tracking, TrackingError, ui_command

__all__ = [
    "TrackedRun",
    "Tracking",
    "TrackingError",
    "load_model",
    "promote",
    "register",
    "tracked_run",
    "ui_command",
]
