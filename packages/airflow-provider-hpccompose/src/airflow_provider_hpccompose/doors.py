"""The way to the jobs: every blocking thing that the provider does with a cluster goes through a `Door`.

All arguments and answers are plain frozen values that go to JSON and back, because a door may stand on another machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_provider_hpccompose.dashboards import PLACES, Dashboard
from airflow_provider_hpccompose.plain import Plain
from airflow_provider_hpccompose.sweep_doors import SweepCalls, in_questions, tell_warnings

if TYPE_CHECKING:
    from compose_core import DoorSession, Site

Verdict = Literal[
    "active", "ok", "app_failed", "infra", "oom", "timelimit", "preempted", "cancelled", "unknown", "unreachable"
]
"""What came of a job. `active`: it may still change. `unknown`: nobody can say, or no trace is left (then it is over, too).
`unreachable`: the scheduler did not answer, which is never an end."""

_NOT_FOR_JOBS = ("AIRFLOW", "_AIRFLOW")
"""Variables of Airflow's own processes, which hold its passwords."""


@dataclass(frozen=True, kw_only=True)
class SubmitRequest(Plain):
    """A compose file or the text of one, and the key of the submission."""

    key: str
    n: int = 1
    """Which submission of its task this is."""
    compose_file: str | None = None
    spec: str | None = None
    """The text of a spec that is no file."""
    spec_name: str = "spec"
    """What errors call it."""
    project_dir: str | None = None
    """Folder of relative paths and of `.hpc-compose/`; relative to the workspace."""
    stage: bool = True
    """The compose file lies here: a door to another machine takes it there."""
    variables: dict[str, str] = field(default_factory=dict)
    trial: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    """Parts of a spec, over what is written."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Parts of a spec, under what is written."""
    labels: dict[str, str] = field(default_factory=dict)
    """Kept beside the key: which task of which run it is."""
    prepare: bool = True
    preflight: Literal["off", "warn", "strict"] = "warn"


@dataclass(frozen=True, kw_only=True)
class JobHandle(Plain):
    """A job, for XCom: small, plain, and enough to find it again from anywhere."""

    v: int = 1
    conn_id: str = ""
    cluster: str | None = None
    engine: str = ""
    job_id: str
    token: str
    """Unique for ever; ids are given again."""
    key: str
    n: int = 1
    name: str = ""
    project_dir: str
    job_dir: str = ""
    batch_log: str = ""
    compose_file: str = ""
    submitted_at: float = 0.0
    attached: bool = False
    """True: the key stood for this job already; nothing was submitted."""
    dashboard_url: str = ""
    batch_log_url: str = ""
    script_url: str = ""


@dataclass(frozen=True, kw_only=True)
class JobReport(Plain):
    """How a job is."""

    job_id: str
    token: str
    state: str
    """A Slurm word, or UNKNOWN, UNREACHABLE, LOST."""
    raw_state: str = ""
    """The last word that a scheduler or supervisor said."""
    verdict: Verdict
    is_active: bool
    """It waits or runs, as far as anybody knows."""
    is_running: bool = False
    is_over: bool
    """It will not change any more."""
    reason: str = ""
    """Why it waits or ended, in Slurm's words."""
    cause: str | None = None
    """Why it ended, in the supervisor's words."""
    detail: str = ""
    exit_code: int | None = None
    signal: int | None = None
    source: str = ""
    nodes: str = ""
    attempt: int | None = None
    times: dict[str, float | None] = field(default_factory=dict)
    """`submitted`, `started`, `ended`, `expected_start`, `observed`: epoch seconds or None."""
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: state, alive, ready, exit_code, restarts, lifecycle, why, host, ports, log."""
    tasks: dict[str, int] = field(default_factory=dict)
    """Of an array: how many of its tasks are in which state."""
    resumes: bool = False
    """The spec has `x-slurm.resume`: the same again goes on where it ended."""
    end_is_requested: bool = False
    """A try that was killed asked for its end, which has not come yet."""


@dataclass(frozen=True, kw_only=True)
class LogChunk(Plain):
    """What services said since the last look."""

    lines: list[dict[str, str]] = field(default_factory=list)
    """`service` and `text`; the batch script is the service `batch`."""
    offsets: dict[str, int] = field(default_factory=dict)
    """Where each log was read up to, for the next look."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Bytes that the budget left out, by service."""
    error: str = ""
    """Why nothing could be read; empty: it could."""


@dataclass(frozen=True, kw_only=True)
class LogRequest:
    """Whose output is read from where on, and how much of it at most."""

    handle: JobHandle
    offsets: Mapping[str, int] = field(default_factory=dict)
    budget: int = 65536
    services: Sequence[str] | None = None
    """None: all."""
    is_last: bool = False

    def as_arguments(self) -> dict[str, Any]:
        """As the far side takes it."""
        return {
            "job": _job(self.handle),
            "services": list(self.services) if self.services is not None else None,
            "offsets": dict(self.offsets),
            "budget": self.budget,
            "is_last": self.is_last,
        }


@dataclass(frozen=True, kw_only=True)
class ArtifactReport(Plain):
    """What was exported."""

    bundles: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: uri (a folder), manifest, sha256, bytes, files, complete; and `fetched` when it was brought here."""
    export_dir: str = ""
    complete: bool = True
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class KeyEntry(Plain):
    """A key of the workspace."""

    key: str
    labels: dict[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    project_dir: str = ""


class Door(Protocol):
    """The verbs. Errors are those of `compose_core`; `SchedulerUnreachable` never means that something is not there."""

    def submit(self, request: SubmitRequest) -> JobHandle:
        """The one job of the request's key: submitted, or found."""
        ...

    def find(self, keys: Sequence[str]) -> dict[str, JobHandle]:
        """The jobs of those keys that have one, whatever became of the answer to their submission."""
        ...

    def keys(self, prefix: str, since: float = 0.0) -> list[KeyEntry]:
        """The keys of the workspace that begin like this."""
        ...

    def observe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        """How these jobs are, in their order: one queue query and at most one accounting query for all."""
        ...

    def cancel(self, handle: JobHandle, *, wait_s: float = 20.0) -> JobReport:
        """The job of that token is asked to end, and only that one; how it is after at most so long."""
        ...

    def logs(
        self,
        handle: JobHandle,
        offsets: Mapping[str, int],
        budget: int,
        *,
        services: Sequence[str] | None = None,
        is_last: bool = False,
    ) -> LogChunk:
        """What was written since those offsets, at most so many bytes; of a job that is over also lines without an end."""
        ...

    def logs_of(self, requests: Sequence[LogRequest]) -> list[LogChunk]:
        """The same of several jobs, in their order, by one question; what is wrong with one is told in its chunk."""
        ...

    def export_artifacts(
        self, handle: JobHandle, *, bundles: Sequence[str] = (), dest: str | None = None, checksum: bool = True
    ) -> ArtifactReport:
        """The job's artifacts at their place."""
        ...

    def fetch_artifacts(self, report: ArtifactReport, dest: str, *, most_bytes: int) -> ArtifactReport:
        """What was exported, brought to a folder of this machine, each file whole and as its checksum says."""
        ...

    def script(self, handle: JobHandle) -> str:
        """The script as it was submitted."""
        ...

    def check(self) -> tuple[bool, str]:
        """Can jobs run there, and what is there: one line for people."""
        ...


class CallingDoor(SweepCalls):
    """A door whose verbs are calls that take JSON and give JSON; where they go is the subclass's business."""

    conn_id: str = ""
    cluster: str = ""
    """What people call the cluster; for jobs that went to no cluster by name."""
    dashboard = Dashboard()
    described_by: tuple[Any, ...] = ()
    """What decides where it leads: the settings of its connections."""

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question."""
        raise NotImplementedError

    def submit(self, request: SubmitRequest) -> JobHandle:
        said = {name: value for name, value in request.as_json().items() if name not in ("n", "stage")}
        answer = self.call("submit", said)
        tell_warnings(answer)
        return self._handle(answer["job"], request.n)

    def find(self, keys: Sequence[str]) -> dict[str, JobHandle]:
        found = [self.call("find", {"keys": part})["jobs"] for part in in_questions(keys)]
        return {key: self._handle(job, _number_in(key)) for jobs in found for key, job in jobs.items()}

    def keys(self, prefix: str, since: float = 0.0) -> list[KeyEntry]:
        return [KeyEntry.from_json(entry) for entry in self.call("keys", {"prefix": prefix, "since": since})["keys"]]

    def observe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        if not handles:
            return []
        return [JobReport.from_json(said) for said in self.call("observe", {"jobs": _jobs(handles)})["reports"]]

    def cancel(self, handle: JobHandle, *, wait_s: float = 20.0) -> JobReport:
        answer = self.call("cancel", {"job": _job(handle), "wait_s": wait_s})
        return JobReport.from_json(answer["report"])

    def logs(
        self,
        handle: JobHandle,
        offsets: Mapping[str, int],
        budget: int,
        *,
        services: Sequence[str] | None = None,
        is_last: bool = False,
    ) -> LogChunk:
        asked = LogRequest(handle=handle, offsets=offsets, budget=budget, services=services, is_last=is_last)
        return LogChunk.from_json(self.call("logs", asked.as_arguments()))

    def logs_of(self, requests: Sequence[LogRequest]) -> list[LogChunk]:
        answer = self.call("logs-of", {"requests": [one.as_arguments() for one in requests]})
        return [LogChunk.from_json(chunk) for chunk in answer["chunks"]]

    def export_artifacts(
        self, handle: JobHandle, *, bundles: Sequence[str] = (), dest: str | None = None, checksum: bool = True
    ) -> ArtifactReport:
        asked = {"job": _job(handle), "bundles": list(bundles), "dest": dest, "checksum": checksum}
        return ArtifactReport.from_json(self.call("export", asked))

    def fetch_artifacts(self, report: ArtifactReport, dest: str, *, most_bytes: int) -> ArtifactReport:
        from airflow_provider_hpccompose.fetching import fetch_bundles

        return replace(report, bundles=fetch_bundles(self, report.bundles, dest, most_bytes=most_bytes))

    def script(self, handle: JobHandle) -> str:
        return str(self.call("script", {"job": _job(handle)})["text"])

    def check(self) -> tuple[bool, str]:
        from compose_core import HpccError

        try:
            facts = self.call("check", {})
        except HpccError as error:
            return False, str(error)
        return not facts["problems"], check_text(facts)

    def _handle(self, job: Mapping[str, Any], n: int) -> JobHandle:
        handle = replace(JobHandle.from_json(job), conn_id=self.conn_id, n=n)
        handle = replace(handle, cluster=handle.cluster or self.cluster or None)
        values = {name: str(getattr(handle, name) or "") for name in PLACES}
        shown = self.dashboard.addresses({**values, "cluster": handle.cluster or "default"})
        return replace(
            handle,
            dashboard_url=shown["dashboard_url"],
            batch_log_url=shown["batch_log_url"],
            script_url=shown["script_url"],
        )


class LocalDoor(CallingDoor):
    """Jobs of this machine: its own engine, or the Slurm whose programs are installed here."""

    def __init__(
        self,
        workspace: Path,
        *,
        engine: str = "auto",
        environment: Mapping[str, str] | None = None,
        site: Site | None = None,
        conn_id: str = "",
        cluster: str = "",
        dashboard: Dashboard | None = None,
    ) -> None:
        self.workspace = workspace
        self.conn_id = conn_id
        self.cluster = cluster
        self.dashboard = dashboard or Dashboard()
        self._engine = engine
        self._environment = environment
        self._site = site
        self._session: DoorSession | None = None

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Raises: HpccError: as the verb says."""
        return self.session().call(verb, arguments)

    def session(self) -> DoorSession:
        """The core's side of the door, made when it is first needed."""
        if self._session is None:
            from compose_core import DoorSession, Site

            site = self._site or Site.detect(self._engine, without_airflow(self._environment))
            self._session = DoorSession(site, site.home / _relative_to_home(self.workspace))
        return self._session


def without_airflow(environment: Mapping[str, str] | None) -> dict[str, str]:
    """The environment without what belongs to Airflow's processes alone; this process's unless one is given."""
    if environment is None:
        import os

        environment = os.environ  # noqa: TID251 - a worker is where a site's environment enters
    return {name: value for name, value in environment.items() if not name.startswith(_NOT_FOR_JOBS)}


def check_text(facts: Mapping[str, Any]) -> str:
    """What a cluster can do, in one line."""
    scheduler = facts.get("scheduler")
    if scheduler:
        accounting = "accounting on" if scheduler.get("accounting") else "accounting off"
        engine = f"Slurm {scheduler.get('version')} ({scheduler.get('cluster')}), {accounting}"
    else:
        engine = "the local engine" if facts.get("engine") == "local" else "Slurm"
    partitions = ", ".join(facts.get("partitions") or ())
    backends = ", ".join(facts.get("backends") or ()) or "none"
    parts = [
        f"hpc-compose {facts.get('version')} on {facts.get('host')} as {facts.get('user')}",
        engine,
        f"partitions {partitions}" if partitions else "",
        f"container programs on this machine: {backends}",
        f"workspace {facts.get('workspace')}",
        *(facts.get("problems") or ()),
    ]
    return "; ".join(part for part in parts if part)


def _relative_to_home(workspace: Path) -> Path:
    text = str(workspace)
    return Path(text[2:]) if text.startswith("~/") else workspace


def _job(handle: JobHandle) -> dict[str, str]:
    return {"project_dir": handle.project_dir, "job_id": handle.job_id, "token": handle.token, "key": handle.key}


def _jobs(handles: Sequence[JobHandle]) -> list[dict[str, str]]:
    return [_job(handle) for handle in handles]


def _number_in(key: str) -> int:
    """Submission keys end in the number of the submission."""
    tail = key.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 1
