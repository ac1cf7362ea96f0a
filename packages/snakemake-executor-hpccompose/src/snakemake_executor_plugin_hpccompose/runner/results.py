"""What became of one member: the file that the runner writes and the executor reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_hpccompose.runner.whole_file import replace_file

SCHEMA_VERSION = 1
STOPPED_EXIT_CODE = 143
"""The exit code of what the end of the job stopped: 128 + SIGTERM."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How one attempt of a member ended."""

    key: str
    attempt: int
    run: str
    unit: str
    task: int
    ok: bool
    exit_code: int
    signal: int | None = None
    """The signal that ended its inner Snakemake, if one did."""
    started_at: float | None = None
    """Seconds since the epoch; None: it never started."""
    ended_at: float
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    """Of its largest process, not of all together."""
    memory_peak_bytes: int | None = None
    """Of the batch step with its file cache, where it had one member only and the node's kernel keeps count."""
    host: str = ""
    slurm_job_id: str = ""
    restart_count: int = 0
    """How often Slurm had put the job back into the queue before."""
    message: str = ""
    """Why it is not `ok`, for people."""

    @property
    def was_stopped(self) -> bool:
        """The end of the job stopped it (cancel, time limit, preemption): final only if Slurm does not run the job again."""
        return not self.ok and self.exit_code == STOPPED_EXIT_CODE

    def as_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def result_name(key: str, attempt: int) -> str:
    """The file's name in the folder of results."""
    return f"{key}.{attempt}.json"


def write_result(path: Path, result: Result) -> None:
    """The file, whole and on disk.

    Raises: OSError: it cannot be written.
    """
    replace_file(path, json.dumps(result.as_json()).encode())


def read_result(path: Path) -> Result | None:
    """How it ended; None: there is no result, or none that this release can read."""
    try:
        return _from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _from_json(found: Any) -> Result:
    if found["schema_version"] != SCHEMA_VERSION:
        raise ValueError("a result of another release")
    started = found["started_at"]
    peak = found.get("memory_peak_bytes")
    return Result(
        key=str(found["key"]),
        attempt=int(found["attempt"]),
        run=str(found["run"]),
        unit=str(found["unit"]),
        task=int(found["task"]),
        ok=bool(found["ok"]),
        exit_code=int(found["exit_code"]),
        signal=None if found["signal"] is None else int(found["signal"]),
        started_at=None if started is None else float(started),
        ended_at=float(found["ended_at"]),
        cpu_s=float(found["cpu_s"]),
        max_rss_bytes=int(found["max_rss_bytes"]),
        memory_peak_bytes=None if peak is None else int(peak),
        host=str(found["host"]),
        slurm_job_id=str(found["slurm_job_id"]),
        restart_count=int(found["restart_count"]),
        message=str(found["message"]),
    )
