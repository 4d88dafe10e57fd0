"""MLflow: the only place that speaks to it. Stages give plain values; here they become runs and versions."""

from patronage.tracking.promotion import Promotion, PromotionRefusedError, find_champion, promote, rollback, why_refused
from patronage.tracking.registry import load_model, register
from patronage.tracking.reports import fetch_report, log_report, run_of
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
    "fetch_report",
    "find_champion",
    "load_model",
    "log_report",
    "promote",
    "register",
    "rollback",
    "run_of",
    "tracked_run",
    "tracked_sweep",
    "ui_command",
    "why_refused",
]
