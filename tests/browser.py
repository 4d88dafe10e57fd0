"""A real browser without a window, spoken to by its own protocol: what a page shows, and what its console says."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Frames that may do little share the page's process, where they can be looked into.
    "--disable-features=IsolateSandboxedIframes",
)
PHONE = 500
"""Pages narrower than this are shown as on a phone."""


def chromium() -> str | None:
    """The browser's command, where there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """The one page of a browser.

    Attributes
    ----------
    errors : list of str
        What the console called an error since the page was opened, and exceptions nobody caught.
    """

    def __init__(self, port: int) -> None:
        self.errors: list[str] = []
        self._frames: list[str] = []
        self._calls = 0
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._connect(port))

    def open(self, address: str, *, width: int = 1280, height: int = 1400) -> None:
        """Go to an address, in a window of this size; afresh, even if it differs behind the # alone."""
        self._call("Page.navigate", url="about:blank")
        self.errors.clear()
        phone = width < PHONE
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Page.navigate", url=address)

    def evaluate(self, expression: str, frame: str | None = None) -> Any:
        """The value of an expression, in the page or in one of its frames."""
        where = {} if frame is None else {"uniqueContextId": frame}
        told = self._call("Runtime.evaluate", expression=expression, returnByValue=True, **where)
        return told.get("result", {}).get("value")

    def text(self) -> str:
        """All that can be read, in the page and in its frames."""
        read = "document.body ? document.body.innerText : ''"
        return "\n".join(str(self.evaluate(read, frame) or "") for frame in self.frames)

    @property
    def frames(self) -> list[str]:
        """The page itself and what is framed in it, for `evaluate`."""
        # Enabled again, it tells all there are; kept track of, those of a former process would be mixed in.
        self._call("Runtime.disable")
        self._frames.clear()
        self._call("Runtime.enable")
        return list(self._frames)

    def wait_for(self, words: str, *, seconds: float = 20.0) -> str:
        """What can be read as soon as these words are there; what there is if they never come."""
        deadline = time.monotonic() + seconds
        while words not in (shown := self.text()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return shown

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what the window shows, or the whole page, as PNG."""
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """Hang up."""
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    async def _connect(self, port: int) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json") as answer:
            tabs = await answer.json()
        address = next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"]
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        for domain in ("Page", "Runtime", "Log"):
            await self._send(f"{domain}.enable", {})

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._loop.run_until_complete(self._send(method, parameters))

    async def _send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": parameters})
        while True:
            told = json.loads((await self._socket.receive()).data)
            if told.get("id") == self._calls:
                return told.get("result", {})
            self._hear(told.get("method", ""), told.get("params", {}))

    def _hear(self, event: str, told: dict[str, Any]) -> None:
        if event == "Runtime.executionContextCreated":
            self._frames.append(told["context"]["uniqueId"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
        elif event == "Runtime.consoleAPICalled" and told["type"] == "error":
            self.errors.append(" ".join(str(one.get("value", one.get("description", ""))) for one in told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")


@contextlib.contextmanager
def browser(command: str) -> Iterator[Page]:
    """A browser with one empty page, and a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [command, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stderr=subprocess.DEVNULL,
        )
        try:
            page = Page(_port(Path(profile) / "DevToolsActivePort"))
            try:
                yield page
            finally:
                page.close()
        finally:
            process.terminate()
            process.wait(timeout=20)


def _port(told: Path) -> int:
    """The port that the browser listens on, as it tells it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if told.is_file() and (lines := told.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("the browser did not start")
