"""The Pythons of this machine that the distributions are installed into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ALL = ("3.11", "3.12", "3.13")
"""What the metadata promises."""


def wanted() -> tuple[str, ...]:
    """The versions of this run: `HPCC_PYTHONS`, or the one that runs the tests."""
    chosen = os.environ.get("HPCC_PYTHONS", "").split()
    return tuple(chosen) or (f"{sys.version_info.major}.{sys.version_info.minor}",)


@cache
def found(version: str) -> str | None:
    """A program of that version that runs; uv may bring one. None where there is none to be had."""
    return next((program for program in _candidates(version) if _is(program, version)), None)


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if program := shutil.which(f"python{version}", path=folder):
            yield program
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from (str(folder / "bin/python") for folder in sorted(pyenv.glob(f"{version}.*")))
    if _said("uv", "python", "install", "--quiet", version) is not None:
        yield _said("uv", "python", "find", "--managed-python", version) or ""


def _is(program: str, version: str) -> bool:
    return _said(program, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])") == version


def _said(*argv: str) -> str | None:
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
