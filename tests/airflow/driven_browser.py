"""A headless browser that is told what to press: pages whose content appears only then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.airflow.browser import browser_program
from tests.slurm.bench_end import BenchError

_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1500,3000",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
_START_S = 60.0


class Page:
    """One page, by the browser's debugging protocol."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._asked = 0

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; None also where it has none that could be told."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer.get("result", {}).get("value")

    def type(self, text: str) -> None:
        """As if it were typed into what has the focus."""
        self._ask("Input.insertText", text=text)

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=180))
            if answer.get("id") == self._asked:
                result: dict[str, Any] = answer.get("result", {})
                return result

    def wait_for(self, expression: str, timeout: float = 240.0) -> Any:
        """The first value that is not false.

        Raises: BenchError: there was none in that time; with what the page shows.
        """
        deadline = time.monotonic() + timeout
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise BenchError(f"waited in vain for {expression}; the page shows: {self.text()[:3000]}")
            time.sleep(0.5)
        return value

    def press(self, words: str) -> None:
        """Press the button (or option) that says this, as soon as it is there."""
        found = (
            "[...document.querySelectorAll('button,[role=option],[role=button],[role=combobox]')]"
            f".find(e => (e.innerText || e.ariaLabel || '').trim().includes({json.dumps(words)}))"
        )
        self.wait_for(f"(() => {{ const e = {found}; if (e) e.click(); return Boolean(e); }})()")

    def text(self) -> str:
        """What the page shows."""
        return str(self.evaluate("document.body.innerText"))


@contextmanager
def page_of(url: str, profile: Path) -> Iterator[Page]:
    """The page at this address, until the end of the block.

    Raises: BenchError: the browser did not start.
    """
    from websockets.sync.client import connect  # Airflow's API server brings it

    program = browser_program()
    if program is None:
        raise BenchError("there is no browser")
    browser = subprocess.Popen(
        [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = _port(profile, browser)
        request = Request(f"http://127.0.0.1:{port}/json/new?{url}", method="PUT")
        with urlopen(request, timeout=60) as answer:
            target = json.load(answer)["webSocketDebuggerUrl"]
        with connect(target, max_size=None, open_timeout=60) as socket:
            yield Page(socket)
    finally:
        if browser.poll() is None:
            os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()


def _port(profile: Path, browser: subprocess.Popen[bytes]) -> int:
    """The port that the browser chose and wrote into its profile."""
    file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + _START_S
    while not (file.exists() and file.read_text().strip()):
        if browser.poll() is not None or time.monotonic() > deadline:
            raise BenchError("the browser did not start")
        time.sleep(0.1)
    return int(file.read_text().split()[0])
