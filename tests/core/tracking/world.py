"""Jobs as their supervisors leave them on disk, and a scheduler that says what it is told to say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core.cluster.engine import (
    Answer,
    CallCounter,
    CancelAnswer,
    EngineName,
    EvidenceSource,
    JobRow,
    Rows,
    SubmitAnswer,
    SubmitRequest,
    Unavailable,
)
from compose_core.cluster.usage_rows import RunningSteps, UsageRows
from compose_core.job_state import JobId, JobState
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import JobPaths, ProjectPaths

NOW = 1_800_000_000.0
TOKEN = "01ARYZ6S41TSV4RRFFQ69G5FAV"
OTHER_TOKEN = "01ARYZ6S41TSV4RRFFQ69G5FAW"


class TestClock:
    """Time that passes when somebody sleeps."""

    __test__ = False

    def __init__(self, start: float = NOW) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def row(state: str, job_id: str = "7", source: EvidenceSource = "squeue", **fields: Any) -> JobRow:
    """A row of the scheduler about the job of these tests."""
    fields.setdefault("token", TOKEN)
    return JobRow(job_id=JobId(job_id), state=JobState(state), source=source, raw_state=state, **fields)


def sacct(state: str, **fields: Any) -> JobRow:
    """A row of the accounting."""
    return row(state, source="sacct", **fields)


@dataclass
class Scheduler:
    """An engine with fixed answers."""

    rows: list[JobRow] = field(default_factory=list)
    accounting_rows: list[JobRow] | None = None
    """None: the site keeps no accounting."""
    silent: bool = False
    accounting_silent: bool = False
    name: EngineName = "slurm"
    counter: CallCounter = field(default_factory=CallCounter)
    cancelled: list[tuple[str, str | None, bool]] = field(default_factory=list)
    asked: list[tuple[tuple[str, ...], float]] = field(default_factory=list)
    cancel_answer: CancelAnswer = field(default_factory=lambda: CancelAnswer(requested=True))
    malformed: int = 0
    shown: dict[str, dict[str, str]] = field(default_factory=dict)
    """What `scontrol show job` says, by id."""

    def submit(self, request: SubmitRequest) -> SubmitAnswer:
        raise NotImplementedError

    def queue(self, *, not_before: float | None = None) -> Answer:
        self.counter.count("squeue")
        if self.silent:
            return Unavailable(kind="unreachable", message="Unable to contact slurm controller", source="squeue")
        return Rows(rows=tuple(self.rows), source="squeue", malformed=self.malformed)

    def find_jobs(self, job_ids: Sequence[JobId]) -> Answer:
        return self.queue()

    def accounting(self, job_ids: Sequence[JobId], *, since_epoch_s: float, not_before: float | None = None) -> Answer:
        self.counter.count("sacct")
        self.asked.append((tuple(job_ids), since_epoch_s))
        if self.accounting_silent:
            return Unavailable(kind="unreachable", message="Connection refused", source="sacct")
        if self.accounting_rows is None:
            return Unavailable(kind="disabled", message="accounting storage is disabled", source="sacct")
        return Rows(rows=tuple(self.accounting_rows), source="sacct")

    def usage(self, job_ids: Sequence[JobId], *, since_epoch_s: float) -> UsageRows | Unavailable:
        return UsageRows(rows=(), source="sacct")

    def running_usage(self, job_ids: Sequence[JobId]) -> RunningSteps | Unavailable:
        return RunningSteps(steps=())

    def show_job(self, job_id: JobId) -> dict[str, str] | Unavailable:
        self.counter.count("scontrol")
        return self.shown.get(job_id, {})

    def find_token(self, token: str, *, since_epoch_s: float) -> tuple[Answer, Answer]:
        raise NotImplementedError

    def cancel(self, job_id: JobId, *, token: str | None = None, force: bool = False) -> CancelAnswer:
        self.counter.count("scancel")
        self.cancelled.append((job_id, token, force))
        return self.cancel_answer


@dataclass
class World:
    """A project with one job, submitted a while ago."""

    root: Path
    clock: TestClock = field(default_factory=TestClock)
    engine: Scheduler = field(default_factory=Scheduler)

    def __post_init__(self) -> None:
        (self.root / "project").mkdir()
        self.project = ProjectPaths(self.root / "project")
        self.record = self.add()

    def add(self, job_id: str = "7", token: str = TOKEN, **changes: Any) -> JobRecord:
        """One more recorded job."""
        job_dir = self.project.metadata_root.path / job_id
        fields: dict[str, Any] = {
            "backend": "slurm",
            "submission_token": token,
            "name": "hello",
            "compose_file": str(self.project.project_dir / "compose.yaml"),
            "submit_dir": str(self.project.project_dir),
            "script_path": "/s",
            "script_sha256": "0",
            "spec_sha256": "0",
            "cache_dir": "/c",
            "runtime_root": str(job_dir.parent),
            "batch_log": str(self.project.project_dir / f"slurm-{job_id}.out"),
            "services": ("web", "db"),
            "job_id": job_id,
            "submitted_at": NOW - 600,
            "job_dir": str(job_dir),
            **changes,
        }
        record = JobRecord(**fields)
        record.replace(self.project.job_record(job_id))
        self.project.submission(token).folder.path.mkdir(parents=True, exist_ok=True)
        if pointer := self.project.latest_of(record.kind):
            record.replace(pointer)
        return record

    @property
    def paths(self) -> JobPaths:
        return self.record.job_paths

    def write_state(self, status: str = "RUNNING", *, paths: JobPaths | None = None, **fields: Any) -> None:
        """state.json as a supervisor writes it."""
        running = status == "RUNNING"
        causes = {"COMPLETED": "completed", "CANCELLED": "cancelled", "TIMEOUT": "time_limit"}
        content = {
            "schema_version": 1,
            "job_id": "7",
            "submission_token": TOKEN,
            "job_status": status,
            "job_exit_code": None if running else (0 if status == "COMPLETED" else 17),
            "cause": None if running else causes.get(status, "service_failed"),
            "started_at": NOW - 500,
            "heartbeat_at": self.clock.now() - 5,
            "finished_at": None if running else self.clock.now() - 5,
            "services": [
                {"service_name": "web", "status": "ready" if running else "stopped", "launcher_pid": 40},
                {"service_name": "db", "status": "exited", "launcher_pid": 0, "last_exit_code": 0},
            ],
            **fields,
        }
        self.write((paths or self.paths).state.path, content)

    def write_end(self, cause: str, **fields: Any) -> None:
        """end.json as a supervisor writes it."""
        content = {
            "schema_version": 1,
            "submission_token": TOKEN,
            "job_id": "7",
            "cause": cause,
            "exit_code": 0 if cause == "completed" else 17,
            "at": self.clock.now() - 60,
            **fields,
        }
        self.write(self.paths.end.path, content)

    def write(self, path: Path, content: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
