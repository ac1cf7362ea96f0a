"""The Plan: what one compose file will become, as frozen data that explains itself."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from compose_core.errors import Location, Problem
from compose_core.frozen import Frozen
from compose_core.plan.requests import JobRequests

Backend = Literal["pyxis", "enroot", "apptainer", "host"]
Lifecycle = Literal["main", "sidecar"]
Launch = Literal["srun", "batch"]
Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]


class Literally(Frozen):
    """Text that reaches the program byte for byte."""

    text: str


class Variable(Frozen):
    """Text that is known when the step starts: the value of this environment variable."""

    name: str


Text = tuple[Literally | Variable, ...]
"""An argument or value: fixed parts and parts filled in on the node."""


def literal(text: str) -> Text:
    """`text` as a Text without variables."""
    return (Literally(text),)


def shown(text: Text) -> str:
    """The Text as a person reads it: variables as `${NAME}`."""
    return "".join(part.text if isinstance(part, Literally) else f"${{{part.name}}}" for part in text)


class Decision(Frozen, kw_only=True):
    """One thing that the plan settled, and why."""

    key: str
    """Where: `x-slurm.time`, `services.web.image`."""
    value: str
    reason: str


class Directive(Frozen, kw_only=True):
    """One `#SBATCH` line."""

    option: str
    """Long option without the value: `--time`."""
    value: str | None = None
    """None: a flag."""
    reason: str = ""
    raw: str | None = None
    """The whole argument as the user wrote it in `submit_args`; option and value are then only for reading."""


class Allocation(Frozen, kw_only=True):
    """What the job asks of the scheduler."""

    nodes: int = 1
    ntasks: int | None = None
    ntasks_per_node: int | None = None
    cpus_per_task: int | None = None
    memory_mib: int | None = None
    """Per node; None leaves the partition's default."""
    gpus: str | None = None
    """As asked for: a count or a gres list; None: none."""
    time_limit_s: int | None = None
    """None: the partition's default or no limit."""

    @property
    def cpus_per_node(self) -> int | None:
        """CPUs that a step on one node may use; None when the request leaves it to the site."""
        if self.cpus_per_task is None and self.ntasks is None and self.ntasks_per_node is None:
            return None
        tasks = self.ntasks_per_node or (-(-self.ntasks // self.nodes) if self.ntasks else 1)
        return (self.cpus_per_task or 1) * tasks


class Mount(Frozen, kw_only=True):
    """A host path that a container sees."""

    source: Text
    """Absolute."""
    target: str
    read_only: bool = False
    reason: str = ""


class CachedFile(Frozen):
    """A file of the image cache."""

    key: str
    """16 hexadecimal digits over everything that the content depends on."""
    path: str


class PlannedPrepare(Frozen, kw_only=True):
    """How an image is customised before the job."""

    commands: tuple[str, ...]
    """Shell text, one command after the other."""
    mounts: tuple[Mount, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    root: bool = True


class PlannedImage(Frozen, kw_only=True):
    """One image that services run in, and the files that it becomes before the job is submitted."""

    services: tuple[str, ...]
    """All that run in it, in the order of the file."""
    kind: Literal["remote", "local"]
    reference: str
    """`docker://redis:7`, or the absolute path of a local image."""
    source: str
    """The reference as the importing program wants it."""
    tool: Literal["enroot", "apptainer"]
    """The program that imports it and builds on it."""
    base: CachedFile | None = None
    """The imported image; None: a local image is its own base."""
    prepare: PlannedPrepare | None = None
    prepared: CachedFile | None = None
    """The customised image; None without `prepare`."""
    reason: str = ""

    @property
    def runtime_path(self) -> str:
        """The file that a step starts from."""
        file = self.prepared or self.base
        return file.path if file is not None else self.source

    @property
    def is_always_built(self) -> bool:
        """Host folders are mounted while it is prepared, and nobody can tell whether they changed."""
        return self.prepare is not None and bool(self.prepare.mounts)


class EnvironmentEntry(Frozen, kw_only=True):
    """One variable of a service."""

    name: str
    value: Text
    reason: str = ""
    secret: bool = False
    """Its value is never shown."""


class PlannedSecret(Frozen, kw_only=True):
    """Where the node finds a secret; its value is in no plan."""

    name: str
    file: str | None = None
    """Absolute; None: it is a variable."""
    env: str | None = None
    where: Location | None = None
    """Where the compose file says so."""


class PlannedDependency(Frozen, kw_only=True):
    """What a service waits for."""

    service: str
    condition: Condition


class PlannedReadiness(Frozen, kw_only=True):
    """How the supervisor tells that a service is ready."""

    kind: Literal["sleep", "tcp", "log", "http"]
    timeout_s: int = 60
    seconds: int = 0
    host: str = ""
    port: int | str = 0
    """A number, or `@{service.port.name}`."""
    pattern: str = ""
    url: str = ""
    status_code: int = 200

    def description(self) -> dict[str, object]:
        """The fields that the job description carries for this kind."""
        match self.kind:
            case "sleep":
                return {"type": "sleep", "seconds": self.seconds}
            case "tcp":
                return {"type": "tcp", "host": self.host, "port": self.port, "timeout_s": self.timeout_s}
            case "log":
                return {"type": "log", "pattern": self.pattern, "timeout_s": self.timeout_s}
            case "http":
                return {"type": "http", "url": self.url, "status_code": self.status_code, "timeout_s": self.timeout_s}


class PlannedPolicy(Frozen, kw_only=True):
    """What a failure of the service does."""

    mode: Literal["fail_job", "ignore", "restart_on_failure"] = "fail_job"
    max_restarts: int = 3
    backoff_s: int = 5
    window_s: int = 60
    max_restarts_in_window: int = 3


class PlannedAssertions(Frozen, kw_only=True):
    """What has to hold of the service when all services have ended."""

    exit_code: int | None = None
    artifacts_contain: tuple[str, ...] = ()
    """Globs relative to the job folder."""
    max_duration_s: int | None = None


class PlannedHook(Frozen, kw_only=True):
    """A script that runs on the batch host when something happens to the service."""

    on: Literal["restart", "window_exhausted", "gave_up", "ready", "exit"]
    script: str


class PlannedScript(Frozen, kw_only=True):
    """A `prologue` or `epilogue`."""

    script: str
    context: Literal["host", "container"]
    """On the batch host around each launch, or in the container around the command, where it is a part of `argv`."""


class PlannedStep(Frozen, kw_only=True):
    """One service of the job: one `srun` step, or one child of the batch step."""

    service: str
    token: str
    """File name of the service."""
    step_name: str
    backend: Backend
    lifecycle: Lifecycle
    launch: Launch
    placement: Literal["primary_node", "distributed"]
    nodes: int
    ntasks: int
    ntasks_per_node: int | None = None
    srun_options: tuple[Text, ...] = ()
    """Everything between `srun` and `--`; empty for launch batch."""
    argv: tuple[Text, ...] = ()
    """The program and its arguments, container start included where the backend needs one; with several tasks, what tells each its rank
    comes first."""
    unset: tuple[str, ...] = ()
    """Variables of the job that srun would take for requests of the service."""
    mpi: str | None = None
    """How srun wires up MPI tasks; None leaves it to the site."""
    command: tuple[Text, ...] = ()
    """The user's command alone, as the service runs it; empty: the image's own."""
    secrets: tuple[str, ...] = ()
    """Secrets that the supervisor adds to its environment."""
    environment: tuple[EnvironmentEntry, ...] = ()
    mounts: tuple[Mount, ...] = ()
    image: PlannedImage | None = None
    working_dir: Text | None = None
    depends_on: tuple[PlannedDependency, ...] = ()
    readiness: PlannedReadiness | None = None
    policy: PlannedPolicy = field(default_factory=PlannedPolicy)
    ports: tuple[str, ...] = ()
    asserts: PlannedAssertions | None = None
    hooks: tuple[PlannedHook, ...] = ()
    prologue: PlannedScript | None = None
    epilogue: PlannedScript | None = None
    time_limit_s: int | None = None
    """Of this service alone; None: as long as the job."""
    decisions: tuple[Decision, ...] = ()

    @property
    def is_surrounded(self) -> bool:
        """A script runs on the batch host before or after each launch."""
        return any(script is not None and script.context == "host" for script in (self.prologue, self.epilogue))

    @property
    def runs_on_host(self) -> bool:
        """Some script of it runs on the batch host, in the environment of the service."""
        return bool(self.hooks) or self.is_surrounded


class EarlySignal(Frozen, kw_only=True):
    """The warning that the main services get before the time limit."""

    name: str
    """Without SIG: `USR1`."""
    at_seconds: int
    """How long before the limit."""
    from_slurm: bool
    """Slurm sends it to the batch script; otherwise the supervisor goes by the clock."""


class ArtifactRules(Frozen, kw_only=True):
    """What teardown keeps."""

    collect: Literal["always", "on_success", "on_failure"]
    export_dir: str
    """As written; `${SLURM_JOB_ID}` is filled in at export."""
    bundles: tuple[tuple[str, tuple[str, ...]], ...]
    """Bundle name and its globs relative to the job folder."""


class ResumeRules(Frozen, kw_only=True):
    """The shared folder from which a later attempt goes on."""

    path: str
    """Absolute."""
    config_sha256: str
    """Digest of what the compose file means, secrets included."""
    config: str
    """The same as canonical JSON, secret values as `***`: kept in the folder, to tell a later run what changed."""


class MetricsRules(Frozen, kw_only=True):
    """What is sampled on every node while the job runs."""

    interval_s: int
    collectors: tuple[str, ...]


class LogRules(Frozen, kw_only=True):
    """Rotation of the services' logs."""

    max_bytes: int
    keep: int
    """Full files that are kept beside the one that grows."""


class Plan(Frozen, kw_only=True):
    """One job, settled: the same compose file, folder and variables always give an equal Plan."""

    name: str
    compose_file: str
    """Absolute path."""
    project_dir: str
    """The compose file's folder: where the job is submitted from."""
    spec_sha256: str
    backend: Backend
    directives: tuple[Directive, ...]
    allocation: Allocation
    setup: tuple[str, ...]
    """Shell lines of the user, verbatim."""
    modules: tuple[str, ...] = ()
    steps: tuple[PlannedStep, ...]
    """In launch order: a service comes after everything it depends on."""
    requests: JobRequests = field(default_factory=JobRequests)
    """What the allocation and the services ask for, in numbers."""
    config: str = ""
    """What the compose file means, as JSON, with secret values as `***`; empty: not known."""
    images: tuple[PlannedImage, ...] = ()
    """Every image once; to be made ready before the job is submitted."""
    artifacts: ArtifactRules | None
    resume: ResumeRules | None = None
    metrics: MetricsRules | None = None
    logs: LogRules | None = None
    """None: a service's log is one file that grows."""
    cache_dir: str
    runtime_root: str | None
    """Absolute; None: `.hpc-compose` in the folder the job is submitted from."""
    batch_log: str
    """Slurm's output pattern: `slurm-%j.out`, in an array `slurm-%A_%a.out`, unless set."""
    array: str | None = None
    """The tasks of a job array, as Slurm writes them: `0-15%4`; None: a single job."""
    dependency: str | None = None
    """What the job waits for, as Slurm writes it: `afterok:12`."""
    runtime_cache: Literal["always", "on_success", "never"] = "always"
    """When the folders that Enroot works in are removed at the end of the job."""
    stop_grace_s: int = 30
    early_signal: EarlySignal | None = None
    requeue: bool | None = None
    """Whether Slurm may put the job back into the queue; None leaves it to the site."""
    umask: str | None = None
    """Octal, for the services; None keeps 077."""
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[Problem, ...] = ()
    secrets: tuple[PlannedSecret, ...] = ()
    """Those that a service names."""
    secret_values: tuple[str, ...] = ()
    """Texts that no report shows, wherever in the plan they stand."""

    @property
    def uses_enroot(self) -> bool:
        """A service enters its container by `enroot` itself, so Enroot's folders are ours to choose."""
        return self.backend == "enroot" and any(step.image is not None for step in self.steps)

    def step(self, service: str) -> PlannedStep:
        """The step of this service.

        Raises: KeyError: the plan has no such service.
        """
        for step in self.steps:
            if step.service == service:
                return step
        raise KeyError(service)
