"""The program that runs a job on its batch host, as text: it travels inside the job script and is never imported here."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources


@cache
def source() -> str:
    """The supervisor's source, the same in every job of a release."""
    return resources.files(__name__).joinpath("supervisor.py").read_text("utf-8")


@cache
def sha256() -> str:
    """The SHA-256 of `source()` in UTF-8, in hexadecimal."""
    return hashlib.sha256(source().encode()).hexdigest()
