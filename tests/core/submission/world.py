"""A project, a client, and a scheduler that lives on disk: it outlasts the clients that a test kills."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compose_core.cluster.engine import (
    Accepted,
    Ambiguous,
    Answer,
    CallCounter,
    CancelAnswer,
    EngineName,
    JobRow,
    Refused,
    Rows,
    SubmitAnswer,
    SubmitRequest,
    Unavailable,
)
from compose_core.cluster.process_identity import ProcessIdentity, boot_id
from compose_core.cluster.usage_rows import RunningSteps, UsageRows
from compose_core.errors import EnvironmentProblem
from compose_core.job_state import JobId, JobState
from compose_core.plan.model import Allocation, Plan
from compose_core.records.atomic import TEMPORARY_PREFIX
from compose_core.records.claim import Claim
from compose_core.records.job_record import JobRecord
from compose_core.records.outcome import Outcome
from compose_core.records.paths import ProjectPaths, StatePaths
from compose_core.submission.context import Client, Patience, SubmissionEvent, SubmitContext
from compose_core.submission.resolve import Resolution, resolve_pending
from compose_core.submission.submit import Submission, submit_plan
from compose_core.tracking.jobs import tracked_jobs

SCRIPT = "#!/bin/bash\ntrue\n"


class TestClock:
    """Time that passes when somebody sleeps."""

    __test__ = False

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class QuickClock:
    """Real time that runs thirty times as fast, the same for all processes."""

    def now(self) -> float:
        return 1_800_000_000.0 + self.monotonic()

    def monotonic(self) -> float:
        return time.monotonic() * 30

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 30)


@dataclass
class DiskScheduler:
    """An engine whose jobs are files; `script` says what its next submits do, then it accepts.

    accept, lose (accepted, and the answer is lost), drop (not accepted, and the answer is lost), refuse, limit,
    unreachable, unreachable_but_accepted, missing.
    """

    folder: Path
    script: list[str] = field(default_factory=list)
    name: EngineName = "slurm"
    counter: CallCounter = field(default_factory=CallCounter)
    is_silent: bool = False
    silent_looks: int = 0
    """So many queue calls go unanswered first."""
    accounting_is: str = "disabled"
    requests: list[SubmitRequest] = field(default_factory=list)
    slow_s: float = 0.0
    malformed: int = 0

    def __post_init__(self) -> None:
        (self.folder / "jobs").mkdir(parents=True, exist_ok=True)

    def submit(self, request: SubmitRequest) -> SubmitAnswer:
        self.counter.count("sbatch")
        self.requests.append(request)
        what = self.script.pop(0) if self.script else "accept"
        if self.slow_s:
            time.sleep(self.slow_s)
        if what == "missing":
            raise EnvironmentProblem("there is no sbatch")
        if what == "refuse":
            return Refused(kind="permanent", message="Invalid partition", remedy="Name another.")
        if what == "limit":
            return Refused(kind="limit", message="QOSMaxSubmitJobPerUserLimit")
        if what == "unreachable":
            return Refused(kind="unreachable", message="Unable to contact slurm controller")
        if what == "unconfigured":
            return Refused(
                kind="unconfigured", message="Could not establish a configuration source", remedy="SLURM_CONF"
            )
        if what == "drop":
            return Ambiguous(message="Socket timed out on send/recv operation")
        job_id = self.take(request.token)
        if what == "lose":
            return Ambiguous(message="Socket timed out on send/recv operation")
        if what == "unreachable_but_accepted":
            return Refused(kind="unreachable", message="Unable to contact slurm controller")
        return Accepted(job_id=job_id)

    def take(self, token: str, *, job_id: str | None = None) -> JobId:
        """A job with this token, accepted now."""
        number = int(job_id) if job_id else 1
        while True:
            try:
                with (self.folder / "jobs" / str(number)).open("x") as stream:
                    json.dump({"token": token, "state": "PENDING"}, stream)
                return JobId(str(number))
            except FileExistsError:
                number += 1

    def jobs(self) -> dict[str, dict[str, Any]]:
        return {
            path.name: json.loads(text)
            for path in sorted((self.folder / "jobs").iterdir(), key=lambda path: int(path.name))
            if (text := path.read_text())
        }

    def set_state(self, job_id: str, state: str) -> None:
        path = self.folder / "jobs" / job_id
        path.write_text(json.dumps({**json.loads(path.read_text()), "state": state}))

    def forget(self, job_id: str) -> None:
        (self.folder / "jobs" / job_id).unlink()

    def queue(self, *, not_before: float | None = None) -> Answer:
        self.counter.count("squeue")
        if self.is_silent or self.silent_looks > 0:
            self.silent_looks -= 1
            return Unavailable(kind="unreachable", message="Unable to contact slurm controller", source="squeue")
        rows = [
            JobRow(job_id=JobId(job_id), state=JobState(job["state"]), source="squeue", token=job["token"])
            for job_id, job in self.jobs().items()
        ]
        return Rows(rows=tuple(rows), source="squeue", malformed=self.malformed)

    def find_jobs(self, job_ids: Sequence[JobId]) -> Answer:
        return self.queue()

    def accounting(self, job_ids: Sequence[JobId], *, since_epoch_s: float, not_before: float | None = None) -> Answer:
        self.counter.count("sacct")
        if self.accounting_is == "empty":
            return Rows(rows=(), source="sacct")
        kind = "disabled" if self.accounting_is == "disabled" else "unreachable"
        return Unavailable(kind=kind, message=f"accounting {kind}", source="sacct")  # type: ignore[arg-type]

    def usage(self, job_ids: Sequence[JobId], *, since_epoch_s: float) -> UsageRows | Unavailable:
        return UsageRows(rows=(), source="sacct")

    def running_usage(self, job_ids: Sequence[JobId]) -> RunningSteps | Unavailable:
        return RunningSteps(steps=())

    def show_job(self, job_id: JobId) -> dict[str, str] | Unavailable:
        return {}

    def find_token(self, token: str, *, since_epoch_s: float) -> tuple[Answer, Answer]:
        queue = self.queue()
        if isinstance(queue, Rows):
            queue = replace(queue, rows=tuple(row for row in queue.rows if row.token == token))
        return queue, self.accounting([JobId("1")], since_epoch_s=since_epoch_s)

    def cancel(self, job_id: JobId, *, token: str | None = None, force: bool = False) -> CancelAnswer:
        self.counter.count("scancel")
        job = self.jobs().get(job_id)
        if job and (token is None or job["token"] == token):
            self.set_state(job_id, "CANCELLED")
            return CancelAnswer(requested=True)
        return CancelAnswer(requested=False, message="no such job")

    def run_jobs(self, project: ProjectPaths) -> list[str]:
        """Let every waiting job run as the job script does: claim first, then look whether it was cancelled.

        The ids of those that started their services.
        """
        executed = []
        for job_id, job in self.jobs().items():
            if job["state"] != "PENDING":
                continue
            paths = project.submission(job["token"])
            Claim(token=job["token"], job_id=job_id).create(paths.claim)
            owner = Claim.read(paths.claim)
            if owner and owner.job_id == job_id and not paths.cancel_requested.path.exists():
                executed.append(job_id)
            self.set_state(job_id, "COMPLETED")
        return executed


DEAD = ProcessIdentity(pid=2**22 - 1, start_ticks=1, boot_id=boot_id(), host="login1")


@dataclass
class World:
    """One project and its scheduler."""

    root: Path
    clock: Any = field(default_factory=TestClock)
    events: list[SubmissionEvent] = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        (self.root / "project").mkdir(parents=True, exist_ok=True)
        self.engine = DiskScheduler(self.root / "scheduler")
        self.project = ProjectPaths(self.root / "project")
        self.state = StatePaths(self.root / "state" / "hpc-compose")

    def context(self, *, dead: bool = False) -> SubmitContext:
        """A client's context; a dead client's identity is that of no process."""
        client = Client(process=DEAD, user="ada") if dead else Client.this_process(host="login1", user="ada")
        return SubmitContext(
            engine=self.engine,
            clock=self.clock,
            project=self.project,
            state=self.state,
            client=client,
            on_event=self.events.append,
            patience=self.patience,
            tool_version="1.2.3",
        )

    def plan(self, **changes: Any) -> Plan:
        plan = Plan(
            name="hello",
            compose_file=str(self.project.project_dir / "compose.yaml"),
            project_dir=str(self.project.project_dir),
            spec_sha256="0" * 64,
            backend="host",
            directives=(),
            allocation=Allocation(time_limit_s=600),
            setup=(),
            steps=(),
            artifacts=None,
            cache_dir="/cache",
            runtime_root=None,
            batch_log="slurm-%j.out",
        )
        return replace(plan, **changes)

    def up(self, *, run_key: str | None = None, dead: bool = False, script: str = SCRIPT) -> Submission:
        return submit_plan(self.context(dead=dead), self.plan(), script, run_key=run_key)

    def resolve(self) -> tuple[Resolution, ...]:
        """What the next command does first."""
        return resolve_pending(self.context())

    def settle(self) -> None:
        """Let commands run and time pass until nothing is left in the air, or what is left waits for a run key."""
        for _ in range(4):
            self.resolve()
            self.clock.sleep(400)

    def tokens(self) -> list[str]:
        folder = self.project.submissions.path
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def outcome(self, token: str) -> Outcome | None:
        return Outcome.read(self.project.submission(token).outcome)

    def records(self) -> tuple[JobRecord, ...]:
        return tracked_jobs(self.project).records

    def told(self, kind: str) -> list[str]:
        return [event.message for event in self.events if event.kind == kind]

    def open_marks(self) -> list[str]:
        folder = self.project.unresolved.path
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return sorted(name for name in names if not name.startswith(TEMPORARY_PREFIX))
