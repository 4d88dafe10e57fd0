"""The MLflow store: where it is, first contact made once, and MLflow pointed at it for a while."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patronage.errors import InvalidConfigError, PatronageError
from patronage.writing import require_writable

FIRST_CONTACT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Patience with a server that has not answered yet: tries at once, after 2 and after 4 s more.

Once it has answered there is work to lose, and MLflow's own patience holds: some minutes.
"""

DATABASE_WAITS_SECONDS = (1.0, 2.0, 4.0)
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?!:memory:|file:)([^?]+)(?:\?.*)?")
"""The address of a SQLite file, with a driver or options or without."""
_LONGEST = 300


class TrackingError(PatronageError):
    """The MLflow store cannot be reached, or does not have what was asked for."""


@dataclass(frozen=True)
class Tracking:
    """Where runs and models are kept.

    Attributes
    ----------
    uri : str, optional
        MLflow store; default ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory.
    experiment : str
    registered_model : str
    """

    uri: str | None
    experiment: str
    registered_model: str

    def __post_init__(self) -> None:
        """Check the names before any work is done."""
        for option, name in (("experiment", self.experiment), ("registered_model", self.registered_model)):
            if not name.strip() or set(name) & set("/:\\'\"`"):
                raise InvalidConfigError(f"tracking.{option} must be a name without / : \\ and quotes; got {name!r}.")

    def shown_uri(self) -> str:
        """The store's address without a password, for logs."""
        return _without_password(self.resolved_uri())

    def resolved_uri(self) -> str:
        """The store's address."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"

    def database(self) -> Path | None:
        """The file of a SQLite store, None for any other."""
        address = _SQLITE.fullmatch(self.resolved_uri())
        return None if address is None else Path(address.group(1))

    def is_new(self) -> bool:
        """Whether the store is a SQLite file that is yet to be made.

        Raises
        ------
        InvalidConfigError
            The folder that it would be made in does not exist.
        """
        database = self.database()
        if database is None:
            return False
        if not database.parent.is_dir():
            uri = self.shown_uri()
            raise InvalidConfigError(f"tracking.uri={uri}: the folder {database.parent} does not exist; make it first.")
        return not database.exists()

    def require_place(self) -> None:
        """Check that a store that is yet to be made can be made.

        Raises
        ------
        PatronageError
            Its folder does not exist, or nothing can be written there.
        """
        if self.is_new():
            require_writable("tracking.uri", self.database() or Path())

    def artifact_root(self) -> str | None:
        """Where a local store puts artifacts: beside the database, whatever the working directory; None for servers."""
        database = self.database()
        return None if database is None else (database.resolve().parent / "mlartifacts").as_uri()


@contextmanager
def pointed_at(tracking: Tracking) -> Iterator[Any]:
    """MLflow pointed at the store, quiet; what it sets for the whole process is undone afterwards."""
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    with warnings.catch_warnings():
        # Deprecations inside MLflow are not the user's to mend.
        warnings.simplefilter("ignore")
        import mlflow  # noqa: PLC0415 - takes over a second
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        uri = tracking.resolved_uri()
        try:
            with _initialised(tracking):
                mlflow.set_tracking_uri(uri)
                mlflow.set_registry_uri(uri)
                try:
                    with _brief_patience():
                        _reach_database(uri)
                        mlflow.MlflowClient().search_experiments(max_results=1)
                except (ImportError, SQLAlchemyError) as error:
                    raise TrackingError(
                        f"the MLflow store {tracking.shown_uri()} cannot be opened ({_why_unopened(error)}); "
                        "check tracking.uri."
                    ) from error
            yield mlflow
        except mlflow.exceptions.MlflowException as error:
            raise TrackingError(f"MLflow at {tracking.shown_uri()}: {said_by_mlflow(error)}") from error
        finally:
            mlflow.set_tracking_uri(before["MLFLOW_TRACKING_URI"] or "")
            mlflow.set_registry_uri(before["MLFLOW_REGISTRY_URI"] or "")
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def pointed_at_existing(tracking: Tracking) -> Iterator[Any]:
    """MLflow pointed at a store that is there already: who only looks something up makes none.

    Raises
    ------
    TrackingError
        The store is a SQLite file that is yet to be made.
    """
    if tracking.is_new():
        raise TrackingError(
            f"there is no MLflow store {tracking.shown_uri()}: nothing was trained there; run `patronage train` first, "
            "or name another store by tracking.uri=… or another working directory."
        )
    with pointed_at(tracking) as mlflow:
        yield mlflow


def _why_unopened(error: Exception) -> str:
    """The kind of an error, for its text may hold a password; of a driver that is not installed its name too."""
    missing = error.name if isinstance(error, ImportError) else None
    return f"{type(error).__name__}: {missing} is not installed" if missing else type(error).__name__


def said_by_mlflow(error: Exception) -> str:
    """What MLflow says, in one line without a password; of a server that does not answer, what to do."""
    said = _without_password((str(error).splitlines() or [type(error).__name__])[0])
    if "too many 5" in said:
        return "the server answers with errors, also when tried again; look at its log."
    if re.search(r"failed with (timeout )?exception", said):
        return "no answer after some tries; check tracking.uri and that the server runs."
    if "Response body: '<" in said:
        return "what answers there is no MLflow server; check tracking.uri."
    return said[:_LONGEST]


def _without_password(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://…@", text)


@contextmanager
def _brief_patience() -> Iterator[None]:
    """MLflow's retries cut short for a while; what the environment says counts more."""
    brief = {name: value for name, value in FIRST_CONTACT.items() if name not in os.environ}
    os.environ.update(brief)
    try:
        yield
    finally:
        for name in brief:
            os.environ.pop(name, None)


def _reach_database(uri: str) -> None:
    """Connect to a database some times, ever more slowly: MLflow itself would try for minutes without a word."""
    if uri.startswith(("http://", "https://", "file:", "sqlite:///")) or "://" not in uri:
        return
    import sqlalchemy as sa  # noqa: PLC0415

    try:
        engine = sa.create_engine(uri)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError):
        return  # not a database's address: MLflow knows more of them
    for wait in (*DATABASE_WAITS_SECONDS, None):
        try:
            engine.connect().close()
            break
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            if wait is None:
                raise
            time.sleep(wait)
    engine.dispose()


@contextmanager
def _initialised(tracking: Tracking) -> Iterator[None]:
    """Let one process at a time make first contact: concurrent migrations corrupt a fresh SQLite store."""
    database = tracking.database()
    if database is None:
        yield
        return
    tracking.is_new()  # says so where its folder is missing
    with database.with_name(database.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ui_command(tracking: Tracking, host: str, port: int) -> list[str]:
    """Command line of the MLflow server on the right store.

    Raises
    ------
    TrackingError
        The store is a server itself, there is none yet, or the port is taken.
    """
    uri = tracking.resolved_uri()
    if uri.startswith(("http://", "https://")):
        raise TrackingError(f"the MLflow store is a server already; open {tracking.shown_uri()} in a browser.")
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise TrackingError(f"port={port} of {host} is in use; name another one with port=…")
    with pointed_at_existing(tracking):
        pass  # migrates an older one, or says why not
    root = tracking.artifact_root()
    destination = ["--default-artifact-root", root] if root is not None else []
    return [
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        *destination,
        "--host",
        host,
        "--port",
        str(port),
        # One person looks at it: more processes only make the start slow.
        "--workers",
        "1",
        "--uvicorn-opts",
        "--log-level warning",
    ]
