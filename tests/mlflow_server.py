"""A real MLflow server on localhost, and `patronage` run as a process beside it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 120
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(command: list[str], folder: Path, address: str) -> Iterator[None]:
    """Run a server until the block ends; it is up when ``address`` answers."""
    with (folder / "server.log").open("w") as log:
        # In a session of its own, so that the processes it starts can be ended with it.
        # MLflow looks for uvicorn on the path, where an environment that is not activated does not stand.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, **QUIET, "PATH": path},
            start_new_session=True,
        )
        try:
            _wait_for(address, process, folder / "server.log")
            yield
        finally:
            _end(process)


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Give the address of a server with a SQLite store that takes and gives the artifacts itself."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--host", "127.0.0.1", "--port", str(port)]
    artifacts = ["--serve-artifacts", "--artifacts-destination", (folder / "artifacts").as_uri()]
    command = [sys.executable, "-m", "mlflow", "server", *options, *artifacts, "--workers", "1"]
    with served(command, folder, f"{address}/health"):
        yield address


def run_patronage(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return subprocess.run(
        [sys.executable, "-m", "patronage.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, wanted)
            process.wait(timeout=10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return
