"""Services with workflow scope: one model server, one database for all jobs of a run that need it.

Each is a compose job of its own, started when the first job asks for it. All that can block (images, the scheduler) is done by one
thread; `ready` and `tick` only look at what it found. A run that was killed leaves its services running: the next one finds them by
their run keys and takes them on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_executor_plugin_hpccompose.service_endpoint import Endpoint, endpoint_of, is_ready
from snakemake_executor_plugin_hpccompose.service_jobs import ServiceJobs, Turn
from snakemake_executor_plugin_hpccompose.tails import tail

if TYPE_CHECKING:
    from compose_core import JobSnapshot, Site

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 120.0
LOOK_S = 1.0
MOST_FAILURES = 3
"""So often in a row may a service fail before the run gives it up."""
LEAST_MARGIN_S, MOST_MARGIN_S = 30.0, 1800.0
"""Bounds of the time before a service's time limit in which its successor is started."""
_STARTUP_FACTOR = 1.5
_NOT_ITS_FAULT = frozenset({"TIMEOUT", "DEADLINE", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"})
"""A service that was ready and ends like this would do its work again."""


@dataclass(frozen=True, kw_only=True)
class WorkflowService:
    """One service of the workflow, as the mapping file names it."""

    name: str
    compose: Path
    """Its compose file."""
    service: str = ""
    """Which of the file's services jobs talk to; empty: the one of this name, else the first that has a port."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """For the compose file, beside the environment."""


@dataclass(frozen=True)
class Ready:
    """All services are there."""

    env: Mapping[str, str]
    """HPCC_<NAME>_HOST, _PORT and _URL of each."""


@dataclass(frozen=True)
class Waiting:
    """Not yet."""

    why: str


@dataclass(frozen=True)
class Failed:
    """A service is not there and will not be for those who asked before it failed."""

    reason: str
    log_tail: str = ""

    @property
    def text(self) -> str:
        """Both, for an error."""
        return f"{self.reason}\n{self.log_tail}\n" if self.log_tail else f"{self.reason}."


Answer = Ready | Waiting | Failed


@dataclass(kw_only=True)
class _Service:
    """What is known of one service, by turns: the one that jobs use, and its successor."""

    asked: WorkflowService
    wanted_since: float | None = None
    """When a job asked for the first time that no failure has answered; None: nobody wants it."""
    needed_s: float = 0.0
    current: Turn | None = None
    successor: Turn | None = None
    retired: list[Turn] = field(default_factory=list)
    endpoint: Endpoint | None = None
    ends_at: float | None = None
    """By the wall clock: the current job's time limit."""
    startup_s: float = 0.0
    failure: Failed | None = None
    failed_at: float = float("-inf")
    failures: int = 0
    tries: int = 0
    not_before: float = float("-inf")
    news: str = "it has not been started yet"


class WorkflowServices:
    """The services of one run."""

    def __init__(
        self,
        site: Site,
        workdir: Path,
        state_file: Path,
        services: Mapping[str, WorkflowService],
        *,
        run: str,
        timeout_s: float = 1800.0,
        take_on: bool = True,
        say: Callable[[str], None],
    ) -> None:
        self._site, self._timeout_s, self._say = site, timeout_s, say
        self._jobs = ServiceJobs(site, workdir, state_file, run=run, take_on=take_on)
        self._services = {name: _Service(asked=service) for name, service in services.items()}
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._has_work = False

    @property
    def names(self) -> tuple[str, ...]:
        """What `needs` may name."""
        return tuple(self._services)

    def ready(self, names: Sequence[str], *, since: float | None = None, needed_s: float = 0.0) -> Answer:
        """Whether a job that needs these services may start; asking for a service starts it.

        `since` is when the job first asked, by the site's monotonic clock: a failure before that does not count against it.
        `needed_s` is how long the job runs: a service that ends before that is replaced first, if a fresh one lasts longer.
        """
        unknown = [name for name in names if name not in self._services]
        if unknown:
            known = ", ".join(self._services) or "none"
            return Failed(f"there is no service of the workflow {', '.join(unknown)}; the mapping file has {known}")
        with self._condition:
            answers = [self._answer(self._services[name], since, needed_s) for name in names]
            if any(isinstance(answer, Waiting) for answer in answers):
                self._wake()
        for kind in (Failed, Waiting):
            for answer in answers:
                if isinstance(answer, kind):
                    return answer
        env: dict[str, str] = {}
        for answer in answers:
            env |= answer.env if isinstance(answer, Ready) else {}
        return Ready(env)

    def tick(self) -> None:
        """The thread runs as long as there is something to look after; called with every look of the executor."""
        with self._condition:
            if self._has_work:
                self._wake()

    def stop_all(self, *, keep: bool = False, wait_s: float = 60.0) -> None:
        """No job needs them any more: their jobs are cancelled, or left to the next run with `keep`; the first call counts."""
        with self._condition:
            if self._stopped:
                return
            self._stopped = True
            self._condition.notify()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(wait_s)
        turns = [turn for service in self._services.values() for turn in _turns(service)]
        if not keep:
            for problem in [*self._jobs.cancel(turns), *self._jobs.end_left_overs()]:
                self._say(problem)
        elif turns:
            ids = ", ".join(f"{turn.name} ({turn.record.job_id})" for turn in turns if turn.record is not None)
            self._say(f"Services of the workflow go on for the next run: {ids}.")

    # -- answers, by whoever asks -----------------------------------------------------------------------------------------

    def _answer(self, service: _Service, since: float | None, needed_s: float) -> Answer:
        now = self._site.clock.monotonic()
        asked_at = now if since is None else since
        if service.failure is not None and (service.failed_at >= asked_at or service.failures >= MOST_FAILURES):
            return service.failure
        if service.wanted_since is None:
            service.wanted_since = asked_at
        name = service.asked.name
        if service.current is None or service.endpoint is None:
            return Waiting(f"{name}: {service.news}")
        if self._ends_too_early(service, needed_s):
            service.needed_s = max(service.needed_s, needed_s)
            return Waiting(f"{name}: it ends before the job would, so a fresh one is started")
        return Ready(service.endpoint.variables(name))

    def _ends_too_early(self, service: _Service, needed_s: float) -> bool:
        """A fresh one has to be better: a service with a time limit below the job's run time is used as it is."""
        turn = service.current
        if service.ends_at is None or turn is None or turn.limit_s is None:
            return False
        left_s = service.ends_at - self._site.clock.now()
        return left_s < needed_s <= turn.limit_s - self._margin_s(service)

    def _margin_s(self, service: _Service) -> float:
        """So long before the end a successor is started: it needs its time to get ready."""
        limit_s = service.current.limit_s if service.current is not None else None
        most = min(MOST_MARGIN_S, limit_s / 3) if limit_s else MOST_MARGIN_S
        return min(most, max(LEAST_MARGIN_S, service.startup_s * _STARTUP_FACTOR))

    def _wake(self) -> None:
        self._has_work = True
        if not self._stopped and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="hpccompose-services", daemon=True)
            self._thread.start()
        self._condition.notify()

    # -- the thread -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        trouble = ""
        while not self._stopped:
            try:
                self.step()
                trouble = ""
            except Exception as error:  # noqa: BLE001  (a thread that dies would hold its jobs for ever)
                told, trouble = trouble, f"{type(error).__name__}: {error}"
                if trouble != told:
                    self._say(f"The services of the workflow could not be looked at ({trouble}); trying again.")
            with self._condition:
                if not self._stopped:
                    self._condition.wait(LOOK_S)

    def step(self) -> None:
        """Look at all services once, and start what is wanted."""
        for service in self._services.values():
            if self._stopped:
                return
            if service.current is None and self._is_wanted(service):
                self._start(service, "current")
        snapshots = self._jobs.look()
        for service in self._services.values():
            for role in ("current", "successor"):
                turn: Turn | None = getattr(service, role)
                if turn is not None and (snapshot := snapshots.get(turn.run_key)) is not None:
                    self._judge(service, role, turn, snapshot)
            self._replace_in_time(service)

    def _is_wanted(self, service: _Service) -> bool:
        wanted, now = service.wanted_since, self._site.clock.monotonic()
        return wanted is not None and now >= service.not_before and service.failures < MOST_FAILURES

    def _start(self, service: _Service, role: str) -> None:
        """Its job is handed over to the scheduler, or taken on from an earlier run."""
        from compose_core import HpccError

        try:
            turn = self._jobs.start(service.asked, fresh=role == "successor", stopped=lambda: self._stopped)
        except HpccError as error:
            self._not_started(service, role, error)
            return
        except Exception as error:  # noqa: BLE001  (its jobs would wait for ever)
            self._not_started(service, role, HpccError(f"{type(error).__name__}: {error}"))
            return
        if turn is None:
            return
        how = "taken on" if turn.attached else "started"
        job = turn.record.job_id if turn.record is not None else "?"
        self._say(f"Service {service.asked.name} of the workflow: job {job} {how}.")
        with self._condition:
            setattr(service, role, turn)
            service.tries = 0
            service.news = f"job {job} waits in the queue"

    def _not_started(self, service: _Service, role: str, error: Exception) -> None:
        now = self._site.clock.monotonic()
        if (
            getattr(error, "code", "") in {"scheduler-unreachable", "submission-unresolved", "refused-limit"}
            or role == "successor"
        ):
            if service.tries == 0:
                self._say(f"Service {service.asked.name} of the workflow is started later: {error}")
            with self._condition:
                service.not_before = now + min(FIRST_PAUSE_S * 2**service.tries, LONGEST_PAUSE_S)
                service.tries += 1
                service.news = f"it could not be started yet: {error}"
            return
        self._fail(service, Failed(f"service {service.asked.name} of the workflow could not be started: {error}"))

    def _judge(self, service: _Service, role: str, turn: Turn, snapshot: JobSnapshot) -> None:
        name = service.asked.name
        if snapshot.terminal:
            self._ended(service, role, turn, snapshot)
            return
        turn.limit_s = float(snapshot.time_limit_s) if snapshot.time_limit_s else None
        started = snapshot.started_at
        if not is_ready(snapshot):
            if role == "current":
                with self._condition:
                    service.endpoint = None
                    where = f"runs on {snapshot.nodelist or 'its node'} and is not ready yet"
                    service.news = f"job {snapshot.job_id} " + (where if started else "waits in the queue")
            if started is not None and self._is_late(turn):
                self._ended(service, role, turn, snapshot, why=f"was not ready within {self._timeout_s:.0f} s")
            return
        turn.unready_since = None
        endpoint = endpoint_of(snapshot, service.asked.service or name, turn.fallback_ports)
        if endpoint is None:
            self._ended(service, role, turn, snapshot, why="has no service with a port that jobs could use")
            return
        with self._condition:
            self._ready_now(service, role, turn, snapshot, endpoint)

    def _is_late(self, turn: Turn) -> bool:
        now = self._site.clock.monotonic()
        if turn.unready_since is None:
            turn.unready_since = now
        return now - turn.unready_since > self._timeout_s

    def _ready_now(self, service: _Service, role: str, turn: Turn, snapshot: JobSnapshot, endpoint: Endpoint) -> None:
        started, now = snapshot.started_at, self._site.clock.now()
        if not turn.was_ready:
            turn.was_ready = True
            service.startup_s = max(0.0, now - started) if started is not None else 0.0
            self._say(f"Service {service.asked.name} of the workflow is ready: {endpoint.text}.")
        if role == "successor":
            if service.current is not None:
                service.retired.append(service.current)
            service.current, service.successor, service.needed_s = turn, None, 0.0
        service.endpoint = endpoint
        service.ends_at = started + turn.limit_s if started is not None and turn.limit_s else None
        service.failures, service.failure = 0, None

    def _replace_in_time(self, service: _Service) -> None:
        """A successor, while there is time: jobs that run go on with the old one to its time limit."""
        turn = service.current
        if (
            turn is None
            or service.successor is not None
            or service.ends_at is None
            or not turn.was_ready
            or self._stopped
        ):
            return
        left_s = service.ends_at - self._site.clock.now()
        is_due = left_s < self._margin_s(service) or left_s < service.needed_s
        if is_due and self._site.clock.monotonic() >= service.not_before:
            self._start(service, "successor")

    def _ended(self, service: _Service, role: str, turn: Turn, snapshot: JobSnapshot, *, why: str = "") -> None:
        """Its job is over, or has to be."""
        name = service.asked.name
        if why:
            self._jobs.cancel([turn])
        self._jobs.forget(turn)
        what = why or f"ended: {_ending(snapshot)}"
        with self._condition:
            if role == "successor":
                service.successor = None
                service.not_before = self._site.clock.monotonic() + FIRST_PAUSE_S
                self._say(
                    f"The successor of service {name} of the workflow (job {snapshot.job_id}) {what}; trying again."
                )
                return
            service.current = service.endpoint = service.ends_at = None
            if service.successor is not None:
                service.current, service.successor = service.successor, None
                return
            if turn.attached and not turn.was_seen_alive and not why:
                return  # it had ended before this run: a fresh one is started
            if turn.was_ready and str(snapshot.state) in _NOT_ITS_FAULT:
                self._say(f"Service {name} of the workflow (job {snapshot.job_id}) {what}; a fresh one is started.")
                return
        reason = f"service {name} of the workflow (job {snapshot.job_id}) {what}"
        self._fail(service, Failed(reason, _log_tails(snapshot)))

    def _fail(self, service: _Service, failure: Failed) -> None:
        with self._condition:
            service.failure, service.failed_at = failure, self._site.clock.monotonic()
            service.failures += 1
            service.wanted_since = None
            service.news = "it has failed, and is started again when a job asks for it"
        self._say(f"{failure.reason[0].upper()}{failure.reason[1:]}.")


def _turns(service: _Service) -> list[Turn]:
    return [turn for turn in (service.current, service.successor, *service.retired) if turn is not None]


def _ending(snapshot: JobSnapshot) -> str:
    """The state, and what the services themselves say."""
    said = [
        f"{one.name}: {one.state.failure_reason}"
        for one in snapshot.services
        if one.state is not None and one.state.failure_reason
    ]
    code = f" with exit code {snapshot.exit_code}" if snapshot.exit_code else ""
    return "; ".join([f"{snapshot.state}{code}", *said])


def _log_tails(snapshot: JobSnapshot) -> str:
    """Of the services that did not end well, or of all; then of the job itself."""
    bad = [one for one in snapshot.services if one.state is not None and one.state.failure_reason]
    paths = [Path(one.log_path) for one in bad or snapshot.services if one.log_path]
    paths += [Path(snapshot.record.batch_log)] if snapshot.record.batch_log else []
    return "\n".join(text for path in paths if (text := tail(path)))
