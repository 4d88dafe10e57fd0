"""Customer segments that are judged by what they are worth later, survive retraining and can be scored anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from patronage.report import Report

__version__ = "0.1.0"
__all__ = ["__version__", "load_report"]


def load_report(place: str | Path, tracking_uri: str | None = None) -> Report:
    """Read a report: ``report.tables`` maps names to DataFrames, and a notebook shows the segments.

    Parameters
    ----------
    place : str or Path
        A folder that `patronage report` has written; the id of a training run; or a registered model, such as
        ``models:/customer-segments@champion``.
    tracking_uri : str, optional
        MLflow store of a run or model; default ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory.

    Raises
    ------
    PatronageError
        There is no report.

    Examples
    --------
    >>> report = patronage.load_report("report")  # doctest: +SKIP
    >>> report.tables["segments"]  # doctest: +SKIP
    """
    # What a notebook needs is imported when it asks for it: the command line's help does not wait for it.
    from patronage.report import read_report  # noqa: PLC0415

    if Path(place).is_dir():
        return read_report(Path(place))
    from patronage.tracking import Tracking, fetch_report, run_of  # noqa: PLC0415

    tracking, asked = Tracking(tracking_uri, "patronage", "customer-segments"), str(place)
    return fetch_report(tracking, run_of(tracking, asked) if asked.startswith("models:/") else asked)
