"""The index of the jobs that ended: what a list of them needs, so that thousands of records are not parsed for one table.

It is a memory, never a witness: an entry counts only while the files that it was made of are still the same, and an
index that cannot be read is made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from compose_core.job_state import JobState
from compose_core.records.atomic import read_file, replace_file
from compose_core.records.json_text import json_bytes, json_object
from compose_core.records.our_path import OurPath

SCHEMA_VERSION = 1
_MOST_BYTES = 256 * 1024 * 1024


class ListedService(NamedTuple):
    """One service of a job in a list."""

    name: str
    status: str
    exit_code: int | None


class ListedJob(NamedTuple):
    """One job in a list: what a table shows of it. Times are epoch seconds."""

    job_id: str
    name: str
    submission_token: str
    kind: str
    backend: str
    project_dir: str
    compose_file: str
    job_dir: str
    batch_log: str
    submitted_at: float
    state: str
    last_known_state: str | None
    source: str
    terminal: bool
    failed: bool
    exit_code: int | None
    signal: int | None
    cause: str | None
    reason: str
    detail: str
    observed_at: float
    """When it was looked at; for a job that had ended, the look that found it so."""
    stale: bool
    started_at: float | None
    ended_at: float | None
    expected_start_at: float | None
    heartbeat_at: float | None
    attempt: int | None
    is_resume: bool | None
    time_limit_s: int | None
    nodelist: str
    services: tuple[ListedService, ...]
    warnings: tuple[str, ...]
    array: Mapping[str, Any] | None
    """`spec`, `task_count`, `counts` and `failed_tasks` of an array."""

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            **self._asdict(),
            "services": [
                {"service_name": one.name, "status": one.status, "alive": False, "last_exit_code": one.exit_code}
                for one in self.services
            ],
            "warnings": list(self.warnings),
            "array_job_id": None,
            "array_task_id": None,
        }


class IndexEntry(NamedTuple):
    """A job that ended, and what its files were then."""

    record_stamp: str
    """Of the job record."""
    state_stamp: str
    """Of the job's own state."""
    job: ListedJob


_NONE = type(None)
_KINDS: dict[tuple[type, ...], str] = {
    (str,): "file record_stamp state_stamp job_id name submission_token kind backend project_dir compose_file job_dir"
    " batch_log state source reason detail nodelist",
    (str, _NONE): "last_known_state cause",
    (int, float): "submitted_at observed_at",
    (int, float, _NONE): "started_at ended_at expected_start_at heartbeat_at",
    (bool,): "terminal failed stale",
    (bool, _NONE): "is_resume",
    (int, _NONE): "exit_code signal attempt time_limit_s",
    (list,): "services warnings",
    (dict, _NONE): "array",
}
_TYPES = {name: kinds for kinds, names in _KINDS.items() for name in names.split()}
"""What each column may hold."""
_COLUMNS = ["file", "record_stamp", "state_stamp", *ListedJob._fields]


def read_job_index(path: OurPath) -> dict[str, IndexEntry]:
    """The entries by the name of their record's file; none when there is no index, or none that this release wrote.

    Raises: RecordError: it cannot be opened, or is not a regular file of ours.
    """
    data = read_file(path, max_bytes=_MOST_BYTES)
    if data is None:
        return {}
    try:
        return _entries(json_object(data))
    except (ValueError, TypeError, KeyError):
        return {}


def write_job_index(path: OurPath, entries: Mapping[str, IndexEntry]) -> None:
    """The index holds these entries afterwards.

    Raises: RecordError: it cannot be written.
    """
    rows = [[name, entry.record_stamp, entry.state_stamp, *entry.job] for name, entry in entries.items()]
    replace_file(path, json_bytes({"schema_version": SCHEMA_VERSION, "columns": _COLUMNS, "jobs": rows}))


def _entries(content: Mapping[str, Any]) -> dict[str, IndexEntry]:
    """What the file says, once every column is known to hold what it should.

    Raises: ValueError, TypeError, KeyError: it is of another shape.
    """
    rows = content["jobs"]
    if content["schema_version"] != SCHEMA_VERSION or content["columns"] != _COLUMNS:
        raise ValueError("of another release")
    if not rows:
        return {}
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    for name, cells in columns.items():
        if not set(map(type, cells)) <= set(_TYPES[name]):
            raise ValueError(f"{name} holds something else")
    if not set(columns["state"]) <= set(JobState):
        raise ValueError("an unknown state")
    services = [_services(cell) for cell in columns["services"]]
    warnings = [_texts(cell) for cell in columns["warnings"]]
    columns["services"], columns["warnings"] = tuple(services), tuple(warnings)
    if not all(array is None or _is_array(array) for array in columns["array"]):
        raise ValueError("no array")
    jobs = map(ListedJob, *(columns[name] for name in ListedJob._fields))
    stamps = zip(columns["file"], columns["record_stamp"], columns["state_stamp"])
    return {name: IndexEntry(record, state, job) for (name, record, state), job in zip(stamps, jobs)}


def _services(cell: Iterable[Any]) -> tuple[ListedService, ...]:
    services = tuple((name, status, code) for name, status, code in cell)
    if not all(type(name) is type(status) is str and type(code) in (int, _NONE) for name, status, code in services):
        raise ValueError("no service")
    return tuple(map(ListedService._make, services))


def _texts(cell: Iterable[Any]) -> tuple[str, ...]:
    if not all(isinstance(text, str) for text in cell):
        raise ValueError("a warning that is no text")
    return tuple(cell)


def _is_array(cell: Mapping[str, Any]) -> bool:
    shape = {"spec": str, "task_count": int, "counts": dict, "failed_tasks": list}
    return all(type(cell.get(name)) is kind for name, kind in shape.items())
