"""What a person sees: pages as a headless browser shows them, after their programs have run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from html import unescape
from pathlib import Path

from tests.slurm.bench_end import BenchError

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1500,1600",
    "--virtual-time-budget=25000",
    "--dump-dom",
)
_PATIENCE_S = 120.0


def browser_program() -> str | None:
    """The browser of this host; None: there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def page(url: str, profile: Path) -> str:
    """The page's HTML after its programs have run.

    Raises: BenchError: there is no browser, or it showed nothing in time.
    """
    program = browser_program()
    if program is None:
        raise BenchError("there is no browser")
    browser = subprocess.Popen(
        [program, *_OPTIONS, f"--user-data-dir={profile}", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        shown, _ = browser.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{url} was not shown within {_PATIENCE_S:g} s") from None
    finally:
        if browser.poll() is None:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
    return shown


def words(html: str) -> str:
    """The text of a page in one line."""
    text = re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def links(html: str) -> list[str]:
    """The addresses that the page links to."""
    return [unescape(found) for found in re.findall(r'<a\b[^>]*\bhref="([^"]*)"', html)]
