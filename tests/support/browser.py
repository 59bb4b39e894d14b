"""A headless Chromium, driven over the W3C WebDriver protocol: JSON over HTTP to chromedriver, and nothing between."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from tools.kafka.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",  # root, as CI is, may not have one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The name under which the protocol hands over an element."""
START_S = 30
MISSING = "there is no {name}: `make e2e` installs chromium and chromium-driver (Debian's names) where it may"


class Browser:
    """One window; a context manager."""

    def __init__(self, folder: Path, *, width: int = 1280, height: int = 900) -> None:
        """`folder`: for the profile and the driver's log."""
        self._folder = folder
        self._size = f"--window-size={width},{height}"

    def __enter__(self) -> Self:
        """Start driver and browser; fails with what to install where one is missing."""
        driver, chromium = (shutil.which(name) for name in ("chromedriver", "chromium"))
        assert driver, MISSING.format(name="chromedriver")
        assert chromium, MISSING.format(name="chromium")
        (port,) = free_ports(1)
        self._address = f"http://127.0.0.1:{port}"
        self._log = (self._folder / "chromedriver.log").open("wb")
        self._process = subprocess.Popen([driver, f"--port={port}"], stdout=self._log, stderr=self._log)
        self._until_driver_answers()
        options = {"binary": chromium, "args": [*FLAGS, self._size, f"--user-data-dir={self._folder / 'profile'}"]}
        wanted = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        self._session = "/session/" + self._ask("POST", "/session", {"capabilities": wanted})["sessionId"]
        return self

    def __exit__(self, *_: object) -> None:
        """Close the window and end the driver."""
        try:
            self._ask("DELETE", self._session)
        finally:
            self._process.terminate()
            self._process.wait(START_S)
            self._log.close()

    def open(self, address: str) -> None:
        """Go to a page."""
        self._post("/url", url=address)

    @property
    def address(self) -> str:
        """Where the window is."""
        return str(self._ask("GET", f"{self._session}/url"))

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON value
        """Run the body of a function in the page and return what it returns."""
        return self._post("/execute/sync", script=script, args=list(arguments))

    def text(self, selector: str) -> str:
        """Return the text of the first element as it is seen."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as a keyboard does."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def send_keys(self, selector: str, text: str) -> None:
        """Type into an element."""
        element = self._post("/element", using="css selector", value=selector)[ELEMENT]
        self._post(f"/element/{element}/value", text=text)

    def dev_tools(self, command: str, **parameters: object) -> Any:  # noqa: ANN401 - any JSON value
        """Send one command of Chromium's own protocol."""
        return self._post("/goog/cdp/execute", cmd=command, params=parameters)

    def scheme(self, name: str) -> None:
        """Prefer light or dark."""
        self.dev_tools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, file: Path, *, whole: bool = True) -> None:
        """Save what is seen as PNG, the whole page of it."""
        shot = self.dev_tools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Return what the browser wrote to its console since it was asked last: errors and violations of a policy."""
        entries = self._post("/se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]

    def until(self, reached: Callable[[], object], *, timeout_s: float = 60.0) -> None:
        """Poll until something is true."""
        end = time.monotonic() + timeout_s
        while not reached():
            assert time.monotonic() < end, self.run("return document.body.innerText")
            time.sleep(0.1)

    def _until_driver_answers(self) -> None:
        end = time.monotonic() + START_S
        while True:
            try:
                if self._ask("GET", "/status")["ready"]:
                    return
            except OSError:
                assert self._process.poll() is None, (self._folder / "chromedriver.log").read_text()
            assert time.monotonic() < end, "chromedriver does not answer"
            time.sleep(0.05)

    def _post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - any JSON value
        return self._ask("POST", self._session + path, body)

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON value
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - a port of this machine
            self._address + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=START_S) as answer:  # noqa: S310 - as above
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode()
        raise AssertionError(f"{method} {path}: {said[:500]}")
