"""A Slurm cluster that exists only on a fake clock: state machine, scheduler, accounting, and the levers of a test.

It is a `CommandRunner`: argv in, the real tools' text out. Nothing runs; a job "executes" when its script would have
started its first service, and `executions` counts that per token.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from compose_core.cluster.runner import OUTPUT_CAP, Finished, NotFound, RunOutcome, TimedOut
from compose_core.cluster.site import Site
from compose_core.cluster.slurm import Slurm
from compose_core.records.claim import Claim
from compose_core.records.our_path import OurPath
from compose_core.records.paths import ProjectPaths
from compose_core.testing.fake_clock import FakeClock
from compose_core.testing.fake_job import Ending, FakeJob
from compose_core.testing.fake_tools import TOOLS, unanswered
from compose_core.testing.faults import Fault
from compose_core.testing.tool_text import Call, Said

Program = Literal["sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sstat"]
Health = Literal["up", "down", "frozen"]

_EXIT_OF_STATE = {
    "COMPLETED": (0, 0),
    "FAILED": (1, 0),
    "TIMEOUT": (0, 0),
    "CANCELLED": (0, 0),
    "OUT_OF_MEMORY": (0, 125),
    "NODE_FAIL": (0, 0),
    "PREEMPTED": (0, 0),
    "BOOT_FAIL": (0, 0),
    "DEADLINE": (0, 0),
}
_REASON_OF_STATE = {"FAILED": "NonZeroExitCode", "TIMEOUT": "TimeLimit", "NODE_FAIL": "NodeDown"}
_BACKLOG_S = 3.0
"""How long after its return the accounting shows what happened meanwhile; measured with 22.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the site is configured."""

    cluster_name: str = "fake"
    min_job_age_s: float = 300.0
    """How long squeue knows an ended job."""
    accounting_lag_s: float = 1.4
    allocation_lag_s: float = 4.0
    """How long a running job's row still says PENDING and `allocation`."""
    start_delay_s: float = 1.0
    """About how long a job waits for its start; the seed decides how long exactly."""
    requeue_delay_s: float = 121.0
    message_timeout_s: float = 10.0
    kill_wait_s: int = 30
    max_array_size: int = 1001
    max_submit_jobs: int | None = None
    """Per user, pending and running; None: no limit."""
    partitions: Mapping[str, int | None] = field(default_factory=lambda: {"debug": 86400, "gpu": 86400})
    """Name to time limit in seconds; the first one is the default."""
    accounts: frozenset[str] | None = None
    """None: every account name is accepted, as at a site without accounting."""
    nodes: int = 4
    cpus_per_node: int = 8
    memory_mib_per_node: int = 16000
    call_s: float = 0.01
    """What one call of a tool takes."""


class FakeCluster:
    """One cluster and its one ordinary user.

    `programs_run` and `calls` list what was called; `executions` counts, per token (`<token>_<task>` in an array), how
    often work really began, requeues left out;
    `twins` are the jobs that found their token claimed.
    """

    def __init__(
        self,
        clock: FakeClock | None = None,
        *,
        seed: int = 0,
        user: str = "ada",
        uid: int = 2001,
        first_job_id: int = 41,
        accounting: Literal["up", "disabled"] = "up",
        auto_start: bool = True,
        ending: Ending | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.settings = settings or Settings()
        self.user = user
        self.uid = uid
        self.auto_start = auto_start
        """Waiting jobs start by themselves; otherwise only by `start`."""
        self.ending = ending or Ending()
        """How the scripts of new jobs behave."""
        self.next_job_id = first_job_id
        """Set it back to make ids come twice."""
        self.jobs: list[FakeJob] = []
        """Every job there ever was, in the order of submission."""
        self.programs_run: list[str] = []
        self.calls: list[tuple[str, ...]] = []
        self.missing_programs: set[str] = set()
        self.executions: Counter[str] = Counter()
        self.twins: list[str] = []
        self.on_start: Callable[[FakeJob], None] | None = None
        """Called when a job begins to execute, to write what its supervisor would."""
        self.on_end: Callable[[FakeJob], None] | None = None
        self._accounting: Literal["up", "down", "disabled"] = accounting
        self._health: Health = "up"
        self._healthy_again_at: float | None = None
        self._deferred: list[Callable[[], object]] = []
        self._backlog: list[FakeJob] = []
        self._faults: dict[str, list[Fault]] = {}
        self._claims: dict[str, str] = {}
        self._seed = seed
        self._epoch_offset_s = self.clock.now() - self.clock.monotonic()
        self._lock = threading.RLock()

    # -- the tools ------------------------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        """What the real tool would have printed."""
        command = tuple(argv)
        program = Path(command[0]).name
        with self._lock:
            self.calls.append(command)
            self.programs_run.append(program)
            if program in self.missing_programs or program not in TOOLS:
                return NotFound(argv=command, message=f"{command[0]} was not found or may not be executed")
            fault = self._next_fault(program)
            call = Call(argv=command, env=dict(env or {}), cwd=cwd or Path("/"), stdin=stdin or b"")
            said = self._answer(program, call, fault, timeout_s)
        if said is None:
            self.clock.sleep(timeout_s)
            return TimedOut(argv=command, timeout_s=timeout_s)
        if said.takes_s > timeout_s:
            self.clock.sleep(timeout_s)
            return TimedOut(argv=command, timeout_s=timeout_s)
        self.clock.sleep(said.takes_s)
        return Finished(argv=command, rc=said.rc, stdout=said.stdout, stderr=said.stderr)

    def fail_next(self, program: Program, *faults: Fault) -> None:
        """The next calls of the program go wrong like this, one after the other."""
        self._faults.setdefault(program, []).extend(faults)

    def slurm(self, environment: Mapping[str, str] | None = None) -> Slurm:
        """The real engine over these tools."""
        return Slurm(self, environment=environment or {"PATH": "/usr/bin"}, user=self.user)

    def site(self, folder: Path, environment: Mapping[str, str] | None = None) -> Site:
        """A site with this cluster, its clock, and home and state below `folder`."""
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **(environment or {})}
        return Site(
            environment=variables,
            home=folder,
            user=self.user,
            host="login1",
            state_dir=folder / "state" / "hpc-compose",
            engine_choice="slurm",
            clock=self.clock,
            runner=self,
        )

    # -- what a test does to jobs ---------------------------------------------------------------------------------

    def now(self) -> float:
        """The controller's time, which knows nothing of a client's clock that jumps."""
        return self.clock.monotonic() + self._epoch_offset_s

    def job(self, job_id: str) -> FakeJob:
        """The newest job with this id (`41`, `3043_1`).

        Raises: KeyError: there is none.
        """
        self.advance()
        found = self.find(job_id)
        if found is None:
            raise KeyError(job_id)
        return found

    def add_job(
        self, *, name: str = "job", token: str | None = None, user: str | None = None, **fields: object
    ) -> FakeJob:
        """A job that nobody submitted through the tools, such as another user's; pending."""
        claim = f" claim:{token}" if token else ""
        job = FakeJob(
            number=self.next_job_id,
            name=name,
            user=user or self.user,
            uid=self.uid if user is None else self.uid + 1,
            comment=f"hpcc:v1:{token}" if token else "",
            submit_line=f"sbatch --parsable job.sbatch{claim}",
            ending=self.ending,
        )
        for field_name, value in fields.items():
            setattr(job, field_name, value)
        self.accept(job)
        return job

    def start(self, job_id: str) -> None:
        """The job starts now."""
        job = self.job(job_id)
        self._start(self._split(job) if job.waiting_tasks else job, self.now())

    def finish(
        self,
        job_id: str,
        *,
        state: str = "COMPLETED",
        exit_code: int | None = None,
        signal: int | None = None,
        forgotten_by_squeue: bool = False,
    ) -> None:
        """The job ends now, started or not; one that was never submitted is made up."""
        self.advance()
        job = self.find(job_id) or self._invented(job_id)
        if job.started_at is None and state != "CANCELLED":
            self._start(job, self.now())
        code, number = _EXIT_OF_STATE.get(state, (0, 0))
        self._end(
            job, state, self.now(), code if exit_code is None else exit_code, number if signal is None else signal
        )
        job.forgotten = job.forgotten or forgotten_by_squeue

    def forget(self, job_id: str) -> None:
        """squeue and scontrol do not know the job any more, ended or not."""
        self.job(job_id).forgotten = True

    def requeue(self, job_id: str, reason: str = "BeginTime") -> None:
        """The job goes back into the queue under its id; its submit time changes, as Slurm does it."""
        job = self.job(job_id)
        now = self.now()
        job.state, job.reason = "PENDING", reason
        job.submitted_at, job.eligible_at = now, now + self.settings.requeue_delay_s
        job.started_at = job.ended_at = None
        job.exit_code = job.signal = 0
        job.node_list = ""
        job.restarts += 1
        self._tell(job)

    def preempt(self, job_id: str) -> None:
        """Somebody more important takes the nodes: requeued where the job allows it, else ended."""
        self._requeue_or_end(job_id, "PREEMPTED")

    def fail_node(self, job_id: str) -> None:
        """The job's node dies: requeued where the job allows it, else ended."""
        self._requeue_or_end(job_id, "NODE_FAIL")

    def show_as(self, job_id: str, state: str, reason: str = "None") -> None:
        """Slurm shows this word for the job from now on, such as COMPLETING or one of a later release."""
        job = self.job(job_id)
        job.state, job.reason = state, reason
        self._tell(job)

    # -- what a test does to daemons ------------------------------------------------------------------------------

    def stop_controller(self, for_s: float | None = None) -> None:
        """slurmctld is gone: connections are refused. None: until `start_controller`."""
        self._set_health("down", for_s)

    def freeze_controller(self, for_s: float | None = None) -> None:
        """slurmctld hears everything and answers nothing; it does what it heard once it wakes."""
        self._set_health("frozen", for_s)

    def start_controller(self) -> None:
        """slurmctld answers again, and does what it heard while it was frozen."""
        self._health, self._healthy_again_at = "up", None
        deferred, self._deferred = self._deferred, []
        for work in deferred:
            work()

    def crash_controller(self, lose_last: int = 0) -> None:
        """slurmctld dies and comes back: it has lost the last jobs it acknowledged, and gives their ids again."""
        lost = self.jobs[len(self.jobs) - lose_last :] if lose_last else []
        for job in lost:
            self.jobs.remove(job)
        if lost:
            self.next_job_id = min(job.number for job in lost)
        self.start_controller()

    def stop_accounting(self) -> None:
        """slurmdbd is gone; the controller keeps its messages."""
        self._accounting = "down"

    def start_accounting(self) -> None:
        """slurmdbd is back and shows a little later what happened meanwhile."""
        self._accounting = "up"
        for job in self._backlog:
            job.tell(self.now() + _BACKLOG_S - self.settings.accounting_lag_s)
        self._backlog.clear()

    @property
    def accounting(self) -> Literal["up", "down", "disabled"]:
        """How the accounting is."""
        return self._accounting

    @contextmanager
    def controller_frozen(self) -> Iterator[None]:
        """The controller is frozen within the block."""
        self.freeze_controller()
        yield
        self.start_controller()

    # -- what the tools do ----------------------------------------------------------------------------------------

    def accept(self, job: FakeJob) -> FakeJob:
        """Take the job into the queue under the next id."""
        now = self.now()
        job.number = self.next_job_id
        self.next_job_id += 1
        if job.waiting_tasks:
            job.array_number = job.number
        job.submitted_at = now
        job.eligible_at = max(job.eligible_at, now)
        if job.held:
            job.reason = "JobHeldUser"
        self.jobs.append(job)
        self._tell(job)
        return job

    def find(self, job_id: str) -> FakeJob | None:
        """The newest job with this id; a waiting array task gives the row that it shares."""
        base, _, task = job_id.partition("_")
        for job in reversed(self.jobs):
            if job.shown_id == job_id or (
                not task and str(job.number) == base and job.array_number in (None, job.number)
            ):
                return job
            if task.isdigit() and str(job.array_number) == base and int(task) in job.waiting_tasks:
                return job
        return None

    def known_to_controller(self) -> list[FakeJob]:
        """The jobs that squeue can show, the newest of each id."""
        age_s = self.settings.min_job_age_s
        now = self.now()
        newest = {job.shown_id: job for job in self.jobs}
        return [
            job
            for job in newest.values()
            if not job.forgotten and (job.ended_at is None or now - job.ended_at <= age_s)
        ]

    def refuse(self, job: FakeJob, reason: str) -> None:
        """A request that no node can meet: sbatch fails, and yet an id is used up and a failed job is left behind."""
        self.accept(job)
        job.reason = reason
        self._end(job, "FAILED", self.now(), 1, 0)
        job.started_at, job.reason = job.ended_at, reason

    def cancel(self, job: FakeJob, *, task: int | None = None) -> None:
        """scancel: a running job ends with TERM, a waiting one never starts; `task` means one of those that wait together."""
        if job.is_over:
            return
        if task is not None and len(job.waiting_tasks) > 1:
            job = self._split_off(job, task)
            job.forgotten = True  # squeue never shows it; measured with 22.05
        waited = job.started_at is None
        reason = job.reason
        self._end(job, "CANCELLED", self.now(), 0, 0)
        job.reason = reason if waited else "None"

    def advance(self) -> None:
        """Let everything happen that is due by now, in order."""
        with self._lock:
            now = self.now()
            if self._healthy_again_at is not None and self._healthy_again_at <= now:
                self.start_controller()
            while True:
                due = [
                    (at, position) for position, job in enumerate(self.jobs) if (at := self._due_at(job)) is not None
                ]
                if not due or min(due)[0] > now:
                    return
                at, position = min(due)
                self._happen(self.jobs[position], at)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _answer(self, program: str, call: Call, fault: Fault | None, timeout_s: float) -> Said | None:
        """What the caller gets; None when the tool hangs."""
        self.advance()
        needs_controller = program not in {"sacct", "sstat"}
        if needs_controller and self._health != "up":
            waits_s = (self._healthy_again_at or float("inf")) - self.now()
            patience_s = min(self.settings.message_timeout_s, timeout_s)
            if self._health == "down" or waits_s > patience_s:
                return self._unanswered(program, call)
            self.clock.sleep(waits_s)
            self.advance()
        if fault is None:
            return TOOLS[program](self, call)
        said = TOOLS[program](self, call) if fault.does_the_work else Said()
        return None if fault.hangs else _spoilt(said, fault)

    def _unanswered(self, program: str, call: Call) -> Said:
        frozen = self._health == "frozen"
        if frozen and program in {"sbatch", "scancel"}:
            self._deferred.append(lambda: TOOLS[program](self, call))
        return unanswered(program, call, frozen=frozen, message_timeout_s=self.settings.message_timeout_s)

    def _next_fault(self, program: str) -> Fault | None:
        waiting = self._faults.get(program)
        return waiting.pop(0) if waiting else None

    def _set_health(self, health: Health, for_s: float | None) -> None:
        self.advance()
        self._health = health
        self._healthy_again_at = None if for_s is None else self.now() + for_s

    def _due_at(self, job: FakeJob) -> float | None:
        if job.is_over or self._health != "up":
            return None
        if job.started_at is None:
            if not self.auto_start or job.held or job.state != "PENDING" or not self._may_start(job):
                return None
            return max(job.eligible_at, job.submitted_at + self._start_delay_s(job))
        if job.state != "RUNNING":
            return None
        limit = job.time_limit_s if job.time_limit_s is not None else float("inf")
        lasts = job.ending.after_s if job.ending.after_s is not None else float("inf")
        lasts = min(lasts, limit)
        return job.started_at + lasts if lasts < float("inf") else None

    def _may_start(self, job: FakeJob) -> bool:
        if not job.waiting_tasks or job.throttle is None:
            return True
        running = sum(1 for other in self.jobs if other.array_number == job.array_number and other.state == "RUNNING")
        may = running < job.throttle
        job.reason = "None" if may else "JobArrayTaskLimit"
        return may

    def _start_delay_s(self, job: FakeJob) -> float:
        # Drawn from what the job is, so it does not depend on how often anybody looked.
        spread = random.Random(f"{self._seed}/{job.number}/{job.restarts}").random()  # noqa: S311 - a schedule
        return self.settings.start_delay_s * (0.5 + spread)

    def _happen(self, job: FakeJob, at: float) -> None:
        if job.started_at is None:
            self._start(self._split(job) if job.waiting_tasks else job, at)
            return
        if job.ending.after_s is not None and job.started_at + job.ending.after_s <= at:
            state = "FAILED" if job.ending.exit_code or job.ending.signal else "COMPLETED"
            self._end(job, state, at, job.ending.exit_code, job.ending.signal)
        else:
            self._end(job, "TIMEOUT", at, *_EXIT_OF_STATE["TIMEOUT"])

    def _split(self, array: FakeJob) -> FakeJob:
        """The next task leaves the waiting ones; the last one keeps the array's own number."""
        return self._split_off(array, array.waiting_tasks[0])

    def _split_off(self, array: FakeJob, task: int) -> FakeJob:
        array.waiting_tasks.remove(task)
        array.was_split = True
        if not array.waiting_tasks:
            array.task = task
            return array
        single = replace(array, number=self.next_job_id, task=task, waiting_tasks=[], heard=[])
        self.next_job_id += 1
        self.jobs.append(single)
        return single

    def _start(self, job: FakeJob, at: float) -> None:
        job.state, job.reason, job.started_at = "RUNNING", "None", at
        job.node_list = "node1" if job.nodes_wanted == 1 else f"node[1-{job.nodes_wanted}]"
        self._tell(job, at)
        if job.token is not None and _cancel_requested(job):
            self._end(job, "FAILED", at, 143, 0)
            return
        if not self._claims_its_token(job):
            self.twins.append(job.shown_id)
            self._end(job, "COMPLETED", at, 0, 0)
            return
        if job.restarts == 0:
            self.executions[_ledger_name(job)] += 1
        if self.on_start is not None:
            self.on_start(job)

    def _claims_its_token(self, job: FakeJob) -> bool:
        """The script's first act: of all jobs with one token a single one goes on; the tasks of an array are one job."""
        if job.token is None:
            return True
        owner = self._claims.setdefault(job.token, _claim_holder(job))
        return _claimed_on_disk(job, self.now()) if owner == _claim_holder(job) else False

    def _end(self, job: FakeJob, state: str, at: float, exit_code: int, signal: int) -> None:
        job.state, job.ended_at, job.exit_code, job.signal = state, at, exit_code, signal
        job.reason = _REASON_OF_STATE.get(state, job.reason)
        self._tell(job, at)
        if self.on_end is not None:
            self.on_end(job)

    def _tell(self, job: FakeJob, at: float | None = None) -> None:
        if self._accounting == "up":
            job.tell(self.now() if at is None else at)
        elif self._accounting == "down" and job not in self._backlog:
            self._backlog.append(job)

    def _requeue_or_end(self, job_id: str, state: str) -> None:
        if self.job(job_id).may_requeue:
            self.requeue(job_id)
        else:
            self.finish(job_id, state=state)

    def _invented(self, job_id: str) -> FakeJob:
        following, self.next_job_id = self.next_job_id, int(job_id)
        job = self.add_job()
        self.next_job_id = max(following, self.next_job_id)
        return job


def _spoilt(said: Said, fault: Fault) -> Said:
    stdout = said.stdout if fault.stdout is None else fault.stdout
    if fault.keep_bytes is not None:
        stdout = stdout.encode()[: fault.keep_bytes].decode("utf-8", "surrogateescape")
    rc = said.rc if fault.rc is None else fault.rc
    return Said(
        rc=-fault.signal if fault.signal else rc,
        stdout=stdout,
        stderr=said.stderr if fault.stderr is None else fault.stderr,
        takes_s=max(said.takes_s, fault.takes_s),
    )


def _ledger_name(job: FakeJob) -> str:
    if job.token is None:
        return f"job {job.shown_id}"
    return job.token if job.task is None else f"{job.token}_{job.task}"


def _submission_folder(job: FakeJob) -> tuple[OurPath, OurPath] | None:
    """Where the claim of the job goes, and where a cancel before its start is noted; None when it was no `up`."""
    if job.token is None or not job.submit_dir.is_absolute():
        return None
    try:
        paths = ProjectPaths(job.submit_dir).submission(job.token)
    except ValueError:
        return None
    return (paths.claim, paths.cancel_requested) if paths.folder.path.is_dir() else None


def _cancel_requested(job: FakeJob) -> bool:
    found = _submission_folder(job)
    return found is not None and found[1].path.exists()


def _claimed_on_disk(job: FakeJob, at: float) -> bool:
    found = _submission_folder(job)
    if found is None or job.token is None:
        return True
    claim = Claim(token=job.token, job_id=_claim_holder(job), host="node1", at=at, pid=4711)
    if claim.create(found[0]):
        return True
    owner = Claim.read(found[0])
    return owner is not None and owner.job_id == _claim_holder(job)


def _claim_holder(job: FakeJob) -> str:
    return str(job.array_number or job.number)
