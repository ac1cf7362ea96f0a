"""A record as the lines that people read; whatever comes from a job stays on its line."""

from __future__ import annotations

from collections.abc import Mapping

from compose_core.clock import local_time, with_readable_times
from compose_core.job_state import JobState
from compose_core.records.json_text import json_bytes
from compose_core.records.monitor_rows import (
    Alert,
    AllComplete,
    ComputeMetrics,
    GpuNow,
    HookFailed,
    NotTracked,
    QueryError,
    Recovered,
    ResourceStatus,
    Row,
    StateChange,
    StatusCheck,
)
from compose_core.terminal_text import terminal_text
from compose_core.units import counted, format_slurm_time

EXCEEDED_ADVICE = "⚠️ Time limit exceeded — consider increasing the time limit (x-slurm.time) before submitting it again"
_SMALL_BYTES = 100 * 1024**2
MEMORY_ADVICE = "⚠️ Out of memory — consider asking for more (x-slurm.mem) before submitting it again"


def text_of(row: Row) -> str:
    """The record as text, each line with its end; the first line tells when and what."""
    title, *lines = (terminal_text(line) for line in _lines(row))
    head = f"[{local_time(row.logged_at)}] {row.event}: {title}"
    return "".join(f"{line}\n" for line in (head, *lines))


def json_line_of(row: Row) -> bytes:
    """The record as one line of JSON; times as in every report."""
    return json_bytes(with_readable_times(row.model_dump(mode="json")))


def duration_text(seconds: float) -> str:
    """`4m 52s`, `1h 5m 12s`, `2d 3h 0m 1s`."""
    rest = max(0, round(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if rest >= size or parts:
            parts.append(f"{rest // size}{unit}")
        rest %= size
    return " ".join([*parts, f"{rest}s"])


def total_text(seconds: float) -> str:
    """`15 minutes`, `1 hour 5 minutes`, `40 seconds`."""
    if seconds < 60:
        return counted(round(seconds), "second")
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    words = [counted(hours, "hour")] if hours else []
    return " ".join([*words, counted(minutes, "minute")] if minutes or not words else words)


def _lines(row: Row) -> list[str]:
    """The title, then the lines below it."""
    match row:
        case StatusCheck():
            asked = " and ".join(engine.upper() for engine in row.engines)
            return [f"Polling {asked}", f"Result: {counted(row.jobs, 'job')} found - {_count_text(row.counts)}"]
        case StateChange():
            return [row.name, *_change_lines(row)]
        case ComputeMetrics():
            return [row.name, f"Job ID: {row.job_id}", *_metrics_lines(row)]
        case ResourceStatus():
            return [row.name, *(_gpu_line(gpu, alone=len(row.gpus) == 1) for gpu in row.gpus)]
        case AllComplete():
            return ["Monitoring finished", *_summary_lines(row)]
        case NotTracked():
            return [row.name, f"Previous: {row.state}", f"Job ID: {row.job_id}", "Its records were removed"]
        case HookFailed():
            return [row.name, f"Job ID: {row.job_id}", f"Error: {row.message}"]
    return _trouble_lines(row)


def _trouble_lines(row: QueryError | Alert | Recovered) -> list[str]:
    in_a_row = f"{counted(row.failures, 'failed poll')} in a row"
    match row:
        case QueryError():
            return [f"{row.message} ({row.failures} in a row)"]
        case Alert():
            at = row.answered_at
            last = "no answer so far" if at is None else f"last good answer {local_time(at)}"
            return [f"{in_a_row}; {last}", f"Error: {row.message}", "Every job keeps its last known state"]
    return [f"The scheduler answers again after {in_a_row}"]


def _count_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items())


def _change_lines(row: StateChange) -> list[str]:
    lines = [f"Previous: {row.previous}", f"Current: {row.current}"]
    if not row.terminal:
        return [*lines, f"Job ID: {row.job_id}", "Action: Updated run state"]
    if row.ended_at is not None:
        lines.append(f"Completed: {local_time(row.ended_at)}")
    if row.elapsed_s is not None:
        lines.append(f"Elapsed: {duration_text(row.elapsed_s)}")
    lines.append("Action: Updated run state")
    return [*lines, f"Result log: {row.result_log}"]


def _metrics_lines(row: ComputeMetrics) -> list[str]:
    label = "Wall Time" if row.gpus == 0 else "GPU Time"
    share = "**EXCEEDED**" if row.exceeded else _percent(row.time_percent, digits=0)
    times = f"{_time(row.wall_s)} / {_time(row.time_limit_s, unlimited=True)}"
    first = f"{label}: {times} ({share})"
    if row.exceeded:
        return [first, EXCEEDED_ADVICE]
    lines = [
        first,
        f"Memory: {_gigabytes(row.memory_used_bytes)} / {_gigabytes(row.memory_requested_bytes)}",
        f"CPU Efficiency: {_percent(row.cpu_percent, digits=1)}",
    ]
    return [*lines, MEMORY_ADVICE] if row.state is JobState.OUT_OF_MEMORY else lines


def _time(seconds: float | None, *, unlimited: bool = False) -> str:
    if seconds is None:
        return "UNLIMITED" if unlimited else "not available"
    return format_slurm_time(round(seconds))


def _percent(value: float | None, *, digits: int) -> str:
    return "not available" if value is None else f"{value:.{digits}f}%"


def _gigabytes(count: int | None) -> str:
    if count is None:
        return "not available"
    return f"{count / 1024**3:.1f} GB" if count >= _SMALL_BYTES else f"{count / 1024**2:.1f} MB"


def _gpu_line(gpu: GpuNow, *, alone: bool) -> str:
    whose = "" if alone else f"{gpu.node} GPU {gpu.index}: "
    memory = f"{_plain_gigabytes(gpu.memory_used_mib)}/{_plain_gigabytes(gpu.memory_total_mib)}"
    return f"{whose}GPU Utilization: {_percent(gpu.utilization_percent, digits=0)} | GPU Memory: {memory} GB"


def _plain_gigabytes(mib: float | None) -> str:
    return "?" if mib is None else f"{mib / 1024:.1f}"


def _summary_lines(row: AllComplete) -> list[str]:
    summary = f"Summary: {counted(row.jobs, 'job')} completed - {_count_text(row.counts)}"
    failed = [
        f"{job.state}: {job.name} (Job ID: {job.job_id}{'' if not job.exit_code else f', exit code {job.exit_code}'})"
        for job in row.failed
    ]
    return [summary, *failed, f"Total time: {total_text(row.total_s)}"]
