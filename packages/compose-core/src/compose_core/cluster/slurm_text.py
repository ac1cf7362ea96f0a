"""The text that all Slurm tools share: rows of fields, epoch times, exit codes, array tasks, error messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

from compose_core.units import parse_slurm_time_s

FIELD_SEPARATOR = "\x1f"
"""No job name, comment or path that a person writes holds it, unlike `|` or a space."""

_NO_VALUE = frozenset({"", "N/A", "NONE", "UNKNOWN", "(NULL)", "NOT_SET", "INVALID"})
_UNREACHABLE = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Connection refused|Connection timed out|Connection reset"
    r"|Zero Bytes were transmitted|Slurm backup controller in standby|slurmdbd.*not (?:responding|running)"
    r"|Problem talking to the database|Unable to connect to database|Could not establish a configuration source"
    r"|[Pp]rotocol authentication error|Invalid authentication credential|[Mm]unge.*(?:failed|error|connect)"
    r"|Transport endpoint is not connected|No route to host|Network is unreachable",
)


def epoch_s(text: str) -> float | None:
    """The time of a cell asked for with `SLURM_TIME_FORMAT=%s`; None while Slurm knows none.

    Where the tool ignored the format, a time without a zone is UTC: the tools run with TZ=UTC.
    """
    text = text.strip()
    if text.upper() in _NO_VALUE:
        return None
    if text.isascii() and text.isdigit():
        seconds = int(text) if len(text) < 14 else 0
        return float(seconds) if seconds > 0 else None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def start_time_text(epoch: float) -> str:
    """A time for `sacct -S`, which reads no epoch seconds; in UTC, as the tools run with TZ=UTC."""
    return datetime.fromtimestamp(max(0.0, epoch), UTC).strftime("%Y-%m-%dT%H:%M:%S")


def limit_s(text: str) -> int | None:
    """Seconds of a time limit cell; None when there is no limit or none is known (`Partition_Limit`)."""
    try:
        return parse_slurm_time_s(text)
    except ValueError:
        return None


def word(text: str) -> str:
    """The cell's text; empty for Slurm's many ways of saying nothing."""
    text = text.strip()
    return "" if text.upper() in _NO_VALUE else text


def count(text: str) -> int | None:
    """The number in the cell; None when it holds none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def exit_status(text: str) -> tuple[int | None, int | None]:
    """Exit code and signal of `17:0` or `0:9`; the signal is None when there was none."""
    code, _, number = text.strip().partition(":")
    signal_number = count(number)
    return count(code), signal_number or None


def array_job_id(base: str, tasks: str) -> str:
    """The id of one task; the array's own id for tasks that still wait together (`2-5%2`)."""
    return f"{base}_{tasks}" if tasks.isascii() and tasks.isdigit() else base


def fault_kind(text: str) -> Literal["unreachable", "disabled", "error"]:
    """What a failed query means: nobody answered, there is nothing to answer, or something else."""
    if "accounting storage is disabled" in text:
        return "disabled"
    return "unreachable" if _UNREACHABLE.search(text) else "error"
