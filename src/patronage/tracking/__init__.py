"""MLflow: the only place that speaks to it. Stages give plain values; here they become runs and versions."""

from patronage.tracking.promotion import Promotion, PromotionRefusedError, find_champion, promote, rollback
from patronage.tracking.registry import load_model, register
from patronage.tracking.runs import TrackedRun, tracked_run
from patronage.tracking.store import Tracking, TrackingError, ui_command
from patronage.tracking.sweeps import TrackedSweep, tracked_sweep

__all__ = [
    "Promotion",
    "PromotionRefusedError",
    "TrackedRun",
    "TrackedSweep",
    "Tracking",
    "TrackingError",
    "find_champion",
    "load_model",
    "promote",
    "register",
    "rollback",
    "tracked_run",
    "tracked_sweep",
    "ui_command",
]
