"""The local engine's job table: one folder per job, one file per token, one mark per job that is not long over.

<state>/local/<id>/job.json                the request; made first
<state>/local/<id>/started.json            the script runs, and as which process (by the monitor)
<state>/local/<id>/cancel_requested.json   somebody asked for its end
<state>/local/<id>/end.json                how the script ended (by the monitor)
<state>/local/<id>/array.json              the tasks of an array, and how many may run at once
<state>/local/<id>/tasks/<n>/…             started, cancel_requested and end of one task
<state>/local/tokens/<token>               the id of the one job of this token
<state>/local/active/<id>                  not known to be over for long
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compose_core.array_tasks import holds_task
from compose_core.cluster.process_identity import ProcessIdentity
from compose_core.errors import EnvironmentProblem, RecordError
from compose_core.job_state import JobId
from compose_core.records.atomic import (
    create_file,
    file_exists,
    make_folder,
    make_new_folder,
    names_in,
    read_file,
    remove_file,
)
from compose_core.records.attempts import of_newest_attempt
from compose_core.records.json_text import json_bytes, parse_object
from compose_core.records.paths import JobPaths, ProjectPaths, StatePaths
from compose_core.records.token import parse_token

_MAX_BYTES = 256 * 1024
_ATTEMPTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalJob:
    """What the table holds of one job."""

    job_id: JobId
    token: str
    name: str
    user: str
    host: str
    project_dir: Path
    job_dir: Path
    script: str
    batch_log: str
    submitted_at: float
    client: ProcessIdentity | None
    """Who submitted it; until the script runs, the job lives no longer than this process."""
    started: Mapping[str, Any] | None = None
    ended: Mapping[str, Any] | None = None
    cancel: Mapping[str, Any] | None = None
    array: str | None = None
    """The tasks of an array, `0-9`; `started` and `ended` then speak of the process that runs them."""
    task: int | None = None
    """Set for one task of an array."""

    @property
    def process(self) -> ProcessIdentity | None:
        """The script, which becomes the supervisor; None before it started."""
        return ProcessIdentity.from_json(self.started)

    @property
    def monitor(self) -> ProcessIdentity | None:
        """The process that waits for the script; None before it started."""
        if self.started is None:
            return None
        fields = {"pid": self.started.get("monitor_pid"), "start_ticks": self.started.get("monitor_start_ticks")}
        return ProcessIdentity.from_json({**self.started, **fields})


class LocalTable:
    """The table of one user; safe with many clients at once, whichever of them dies."""

    def __init__(self, state_dir: Path) -> None:
        self._root = StatePaths(state_dir).folder / "local"

    @property
    def folder(self) -> Path:
        """Where the table lies."""
        return self._root.path

    def reserve(self, project_dir: Path, job_dirs: Path) -> JobId:
        """A new id: greater than all in the table, and unknown to the project.

        Raises: EnvironmentProblem, RecordError: the table cannot be written.
        """
        make_folder(self._root)
        number = max((int(name) for name in self._ids()), default=0)
        for _ in range(_ATTEMPTS):
            number += 1
            job_id = JobId(str(number))
            if _is_taken(job_id, project_dir, job_dirs):
                continue
            if make_new_folder(self._root / job_id):
                return job_id
        raise EnvironmentProblem(
            f"no free job id was found in {self._root}", remedy="Remove old entries of that folder."
        )

    def write_array(self, job_id: JobId, array: Mapping[str, Any]) -> None:
        """Write down the tasks of an array, before the job is entered.

        Raises: RecordError: it cannot be written.
        """
        create_file(self._root / job_id / "array.json", json_bytes(array))

    def enter(self, job: LocalJob) -> JobId:
        """Write the request down and bind the token to it; the id of the job that the token already had, if any.

        Raises: RecordError: the table cannot be written.
        """
        record = {
            "schema_version": 1,
            "job_id": job.job_id,
            "token": job.token,
            "name": job.name,
            "user": job.user,
            "host": job.host,
            "project_dir": str(job.project_dir),
            "job_dir": str(job.job_dir),
            "script": job.script,
            "batch_log": job.batch_log,
            "submitted_at": job.submitted_at,
            "client": job.client.as_json() if job.client else None,
            "array": job.array,
        }
        folder = self._root / job.job_id
        create_file(folder / "job.json", json_bytes(record))
        create_file(self._root / "active" / job.job_id, b"")
        if create_file(self._root / "tokens" / parse_token(job.token), f"{job.job_id}\n".encode()):
            return job.job_id
        earlier = self.job_of_token(job.token)
        self.forget(job.job_id)
        if earlier is None:
            raise RecordError(
                f"{self._root / 'tokens' / job.token} does not hold a job id", remedy="Remove it and submit again."
            )
        return earlier

    def job_of_token(self, token: str) -> JobId | None:
        """The id of the token's job; None when it has none."""
        data = read_file(self._root / "tokens" / parse_token(token), max_bytes=64)
        text = (data or b"").decode("ascii", "replace").strip()
        return JobId(text) if text.isdigit() else None

    def active(self) -> list[JobId]:
        """The ids of all jobs that are not long over, in order."""
        return [JobId(name) for name in sorted((entry.name for entry in names_in(self._root / "active")), key=_number)]

    def retire(self, job_id: JobId) -> None:
        """The job is long over: it is found by id or token from now on."""
        remove_file(self._root / "active" / job_id)

    def read(self, job_id: JobId) -> LocalJob | None:
        """What the table holds of the job, or of a task `<id>_<n>` of an array; None when it holds nothing.

        Raises: RecordError: one of its files cannot be read, or does not hold what it should.
        """
        base, _, task = job_id.partition("_")
        if task:
            array = self.read(JobId(base)) if task.isdigit() else None
            return self._task(array, int(task)) if array and holds_task(array.array or "", int(task)) else None
        if not str(job_id).isdigit():
            return None
        fields = self._object(job_id, "job.json")
        if fields is None:
            return None
        submitted_at = _seconds(fields.get("submitted_at"))
        started = self._object(job_id, "started.json")
        ended = self._object(job_id, "end.json")
        if not _is_token(fields.get("token")) or submitted_at is None:
            raise self._spoilt(job_id, "job.json")
        if started is not None and ProcessIdentity.from_json(started) is None:
            raise self._spoilt(job_id, "started.json")
        if ended is not None and not _is_end(ended):
            raise self._spoilt(job_id, "end.json")
        return LocalJob(
            job_id=job_id,
            token=str(fields["token"]),
            name=str(fields.get("name", "")),
            user=str(fields.get("user", "")),
            host=str(fields.get("host", "")),
            project_dir=Path(str(fields.get("project_dir", "/"))),
            job_dir=Path(str(fields.get("job_dir", "/"))),
            script=str(fields.get("script", "")),
            batch_log=str(fields.get("batch_log", "")),
            submitted_at=submitted_at,
            client=ProcessIdentity.from_json(fields.get("client")),
            started=started,
            ended=ended,
            cancel=self._object(job_id, "cancel_requested.json"),
            array=str(fields["array"]) if fields.get("array") else None,
        )

    def read_task(self, array: LocalJob, task: int) -> LocalJob:
        """One task of an array that was read already.

        Raises: RecordError: one of its files cannot be read, or does not hold what it should.
        """
        return self._task(array, task)

    def tasks_begun(self, job_id: JobId) -> set[int]:
        """The tasks of which the table holds something."""
        return {int(entry.name) for entry in names_in(self._root / job_id / "tasks") if entry.name.isdigit()}

    def _task(self, array: LocalJob, task: int) -> LocalJob:
        place = JobId(f"{array.job_id}/tasks/{task}")
        started, ended = self._object(place, "started.json"), self._object(place, "end.json")
        if started is not None and ProcessIdentity.from_json(started) is None:
            raise self._spoilt(place, "started.json")
        if ended is not None and not _is_end(ended):
            raise self._spoilt(place, "end.json")
        job_id = JobId(f"{array.job_id}_{task}")
        return replace(
            array,
            job_id=job_id,
            job_dir=array.job_dir.with_name(job_id),
            started=started,
            ended=ended,
            cancel=self._object(place, "cancel_requested.json") or array.cancel,
            array=None,
            task=task,
        )

    def request_cancel(self, job_id: JobId, *, at: float, force: bool) -> None:
        """Write down that the job's end was asked for; the first request counts.

        Raises: RecordError: it cannot be written.
        """
        record = {"schema_version": 1, "at": at, "force": force}
        base, _, task = job_id.partition("_")
        folder = self._root / base / "tasks" / task if task else self._root / base
        create_file(folder / "cancel_requested.json", json_bytes(record))

    def prune(self, keep: int) -> None:
        """At most `keep` jobs stay; the oldest that are over go first."""
        ids = sorted(self._ids(), key=int)
        if len(ids) <= keep:
            return
        active = set(self.active())
        for name in ids[: len(ids) - keep]:
            if name not in active:
                self.forget(JobId(name))

    def forget(self, job_id: JobId) -> None:
        """Remove the job's entry and, where it is the token's job, the token."""
        try:
            job = self.read(job_id)
        except RecordError:
            job = None
        remove_file(self._root / "active" / job_id)
        if job is not None and job.token and self.job_of_token(job.token) == job_id:
            remove_file(self._root / "tokens" / job.token)
        shutil.rmtree((self._root / job_id).path, ignore_errors=True)

    def _ids(self) -> list[str]:
        return [entry.name for entry in names_in(self._root) if entry.kind == "folder" and entry.name.isdigit()]

    def _spoilt(self, job_id: JobId, name: str) -> RecordError:
        return RecordError(
            f"{self._root / job_id / name} does not hold what it should",
            remedy="Move that folder away once you know how the job ended.",
        )

    def _object(self, job_id: JobId, name: str) -> dict[str, Any] | None:
        path = self._root
        for part in (*job_id.split("/"), name):
            path = path / part
        data = read_file(path, max_bytes=_MAX_BYTES)
        return None if data is None else parse_object(data, path)


def job_end_cause(job: LocalJob) -> tuple[str, int | None] | None:
    """Cause and exit code of the job's own end marker; None when there is none that carries this job's token."""
    try:
        data = read_file(of_newest_attempt(JobPaths(job.job_dir)).end, max_bytes=_MAX_BYTES)
        fields = json.loads(data) if data else None
    except (RecordError, ValueError, RecursionError):
        # Not absolute, not ours, not JSON: then it says nothing.
        return None
    if not isinstance(fields, dict) or fields.get("submission_token") != job.token:
        return None
    code = fields.get("exit_code")
    return str(fields.get("cause", "")), code if type(code) is int else None


def _is_taken(job_id: JobId, project_dir: Path, job_dirs: Path) -> bool:
    project = ProjectPaths(project_dir)
    return file_exists(JobPaths(job_dirs / job_id).folder) or file_exists(project.job_record(job_id))


def _is_token(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_token(value))
    except ValueError:
        return False


def _is_end(fields: Mapping[str, Any]) -> bool:
    """An end without a status is none: it must never read as success."""
    has_status = any(type(fields.get(name)) is int for name in ("rc", "signal"))
    return has_status and _seconds(fields.get("ended_at")) is not None


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
