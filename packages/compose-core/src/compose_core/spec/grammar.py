"""The grammar as data: every section, its keys, what each may hold, and what it is for.

Reading values, refusing unknown keys and the JSON Schema all follow these tables.
"""

from __future__ import annotations

from typing import Any

from compose_core.spec import models
from compose_core.spec.completion import (
    finish_artifacts,
    finish_failure_policy,
    finish_log_readiness,
    finish_metrics,
    finish_objective,
    finish_range,
    finish_secret,
    finish_sweep,
    finish_volume,
)
from compose_core.spec.findings import Findings
from compose_core.spec.kinds import (
    HOLDS_VARIABLE,
    MEMORY,
    SLURM_TIME,
    Choice,
    Command,
    Either,
    Entry,
    Flag,
    Integer,
    JsonSchema,
    ListOf,
    MapOf,
    Number,
    Section,
    Text,
    Typed,
)
from compose_core.spec.nodes import KeyPath, Node, ScalarNode

ENV_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_ENV_RULE = "unsafe variable name; letters, digits and _ are allowed, and no digit first"
PORT_REFERENCE = r"@\{[A-Za-z0-9_.-]+\.port\.[A-Za-z0-9_-]+\}"
SIGNALS = (
    "HUP",
    "INT",
    "QUIT",
    "USR1",
    "USR2",
    "TERM",
    "CONT",
    "STOP",
    "TSTP",
    "TTIN",
    "TTOU",
    "URG",
    "WINCH",
    "XCPU",
    "ALRM",
    "ABRT",
    "KILL",
)
MAIL_EVENTS = (
    "begin",
    "end",
    "fail",
    "requeue",
    "time_limit",
    "time_limit_50",
    "time_limit_80",
    "time_limit_90",
    "all",
)

_COUNT = Integer(minimum=1)
_WORDS = Text(example="gpu-a100")
_PATH = Text("a path", example="./data")
_SHELL = Text("shell text", lines=True)
_ONE_TEXT: JsonSchema = {"type": "string", "pattern": r"\S"}


def _environment() -> MapOf:
    value = Text("a value", lines=True, may_be_empty=True)
    return MapOf(value, ENV_NAME, "a variable", _ENV_RULE, code="env-name")


_PAIRS: JsonSchema = {"type": "array", "items": {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*=|\$"}}
_NAMES: JsonSchema = {"type": "array", "items": {"type": "string"}}
_VOLUME_TEXT: JsonSchema = {"type": "string", "pattern": r"^[^:,]+:/[^:,]*(:(ro|rw))?$|\$"}

VOLUME = Section(
    "volume",
    models.Volume,
    {
        "source": Entry(_PATH, "Host path; relative to the compose file's folder.", required=True),
        "target": Entry(Text("an absolute path", example="/data"), "Absolute path in the container.", required=True),
        "read_only": Entry(Flag(), "Mount read-only.", default=False),
        "type": Entry(Choice(("bind",)), "Only bind mounts exist.", canonical=False),
    },
    finish=finish_volume,
)
_VOLUMES = ListOf(VOLUME)

DEPENDENCY = Section(
    "dependency",
    models.Dependency,
    {
        "condition": Entry(
            Choice(("service_started", "service_healthy", "service_completed_successfully")),
            "What the other service has to have reached.",
            default="service_started",
        )
    },
)

_TIMEOUT = Entry(_COUNT, "Seconds until the service counts as failed.", default=60)


class _Port:
    """A port number, or the name of a port that is picked at start."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        """A number, or the text of the reference."""
        if isinstance(node, ScalarNode) and node.text.startswith("@{"):
            return Text("a port number or @{service.port.name}", PORT_REFERENCE, example="@{web.port.http}").read(
                node, path, findings
            )
        return Integer(1, 65535).read(node, path, findings)

    def schema(self) -> JsonSchema:
        """Both forms."""
        return {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                HOLDS_VARIABLE,
                {"type": "string", "pattern": f"^{PORT_REFERENCE}$"},
            ]
        }


READINESS = Typed(
    {
        "sleep": Section(
            "readiness-sleep",
            models.SleepReadiness,
            {
                "type": Entry(Choice(("sleep",)), "A fixed wait.", required=True),
                "seconds": Entry(_COUNT, "How long to wait.", required=True),
            },
        ),
        "tcp": Section(
            "readiness-tcp",
            models.TcpReadiness,
            {
                "type": Entry(Choice(("tcp",)), "Ready when the port accepts a connection.", required=True),
                "host": Entry(
                    Text(
                        "a host",
                        r"[A-Za-z0-9_.:\[\]][A-Za-z0-9_.:\[\]-]*|@\{[A-Za-z0-9_.-]+\.host\}",
                        example="127.0.0.1",
                    ),
                    "Host to connect to.",
                    default="127.0.0.1",
                ),
                "port": Entry(_Port(), "Port to connect to.", required=True, example=6379),
                "timeout_seconds": _TIMEOUT,
            },
        ),
        "log": Section(
            "readiness-log",
            models.LogReadiness,
            {
                "type": Entry(Choice(("log",)), "Ready when a line of the log matches.", required=True),
                "pattern": Entry(
                    Text("a regular expression", example="Server started"),
                    "Regular expression, searched in each line.",
                    required=True,
                ),
                "timeout_seconds": _TIMEOUT,
            },
            finish=finish_log_readiness,
        ),
        "http": Section(
            "readiness-http",
            models.HttpReadiness,
            {
                "type": Entry(Choice(("http",)), "Ready when the URL answers.", required=True),
                "url": Entry(
                    Text("an http or https URL", r"https?://[^\s/?#][^\s]*", example="http://127.0.0.1:8080/health"),
                    "URL to ask.",
                    required=True,
                ),
                "status_code": Entry(Integer(100, 599), "The status that means ready.", default=200),
                "timeout_seconds": _TIMEOUT,
            },
        ),
    }
)

HEALTHCHECK = Section(
    "healthcheck",
    dict,
    {
        "test": Entry(
            Text(),
            "`nc -z`, `curl` or `wget --spider` probe.",
            shorthand=({"type": "array"},),
            example=["CMD", "nc", "-z", "127.0.0.1", "6379"],
        ),
        "timeout": Entry(
            Text(), "Seconds, or a duration such as 30s, until the service counts as failed.", example="30s"
        ),
        "disable": Entry(Flag(), "No readiness for this service."),
    },
)

FAILURE_POLICY = Section(
    "failure-policy",
    models.FailurePolicy,
    {
        "mode": Entry(
            Choice(("fail_job", "ignore", "restart_on_failure")), "What a non-zero exit does.", default="fail_job"
        ),
        "max_restarts": Entry(_COUNT, "Restarts over the whole run.", default=3),
        "backoff_seconds": Entry(_COUNT, "Wait before each restart.", default=5),
        "window_seconds": Entry(_COUNT, "Length of the rolling window.", default=60),
        "max_restarts_in_window": Entry(_COUNT, "Restarts within the window; as max_restarts unless given."),
    },
    finish=finish_failure_policy,
)

HOOK = Section(
    "hook",
    models.Hook,
    {
        "on": Entry(Choice(("restart", "window_exhausted", "gave_up", "ready", "exit")), "The event.", required=True),
        "script": Entry(_SHELL, "Shell script, run on the batch host.", required=True),
        "context": Entry(Choice(("host",)), "Where it runs.", default="host"),
    },
)

STEP_SCRIPT = Section(
    "step-script",
    models.StepScript,
    {
        "script": Entry(_SHELL, "Shell script.", required=True),
        "context": Entry(Choice(("host", "container")), "Where it runs.", default="host"),
    },
)

MPI = Section(
    "mpi",
    models.Mpi,
    {
        "type": Entry(Text("an MPI plugin", "[A-Za-z0-9_.-]+", example="pmix"), "As `srun --mpi`.", required=True),
        "expected_ranks": Entry(_COUNT, "Checked against the number of tasks."),
    },
)

SERVICE_SLURM = Section(
    "service-slurm",
    models.ServiceSlurm,
    {
        "nodes": Entry(_COUNT, "1, or all nodes of the allocation for the one distributed service."),
        "ntasks": Entry(_COUNT, "Tasks of the step."),
        "ntasks_per_node": Entry(_COUNT, "Tasks on each node."),
        "cpus_per_task": Entry(_COUNT, "CPUs of each task."),
        "mem": Entry(MEMORY, "Memory of the step on each node.", example="4G"),
        "gres": Entry(_WORDS, "Generic resources; wins over gpus.", example="gpu:a100:1"),
        "gpus": Entry(_COUNT, "GPUs of the step."),
        "gpus_per_node": Entry(_COUNT, "GPUs on each node."),
        "gpus_per_task": Entry(_COUNT, "GPUs of each task."),
        "cpus_per_gpu": Entry(_COUNT, "CPUs for each GPU."),
        "mem_per_gpu": Entry(MEMORY, "Memory for each GPU.", example="32G"),
        "time_limit": Entry(SLURM_TIME, "Time limit of the step.", example="00:30:00"),
        "extra_srun_args": Entry(ListOf(_WORDS), "Raw arguments of srun.", default=[]),
        "failure_policy": Entry(FAILURE_POLICY, "What a failure of the service does."),
        "hooks": Entry(ListOf(HOOK), "Scripts that run when something happens to the service."),
        "lifecycle": Entry(
            Choice(("main", "sidecar")),
            "The job ends when every main service has ended; sidecars are then stopped.",
            default="main",
        ),
        "launch": Entry(
            Choice(("srun", "batch")), "As a step, or on the node itself as a child of the batch step.", default="srun"
        ),
        "ports": Entry(
            ListOf(Text("a port name", "[A-Za-z][A-Za-z0-9_-]{0,31}", example="http"), unique=True),
            "Names of free ports to pick on the primary node before the job starts its services.",
            example=["http"],
        ),
        "prologue": Entry(STEP_SCRIPT, "Runs before the service.", shorthand=(_ONE_TEXT,)),
        "epilogue": Entry(STEP_SCRIPT, "Runs after the service.", shorthand=(_ONE_TEXT,)),
        "mpi": Entry(MPI, "How MPI tasks find each other."),
    },
)

PREPARE = Section(
    "prepare",
    models.Prepare,
    {
        "commands": Entry(ListOf(_SHELL, at_least=1), "Shell commands that customise the image.", required=True),
        "mounts": Entry(
            _VOLUMES, "Host paths visible to the commands.", shorthand=({"type": "array", "items": _VOLUME_TEXT},)
        ),
        "env": Entry(_environment(), "Variables of the commands.", shorthand=(_PAIRS,)),
        "root": Entry(Flag(), "Run the commands as root inside the container.", default=True),
    },
)
RUNTIME_OPTIONS = Section(
    "image-options", dict, {"prepare": Entry(PREPARE, "How the image is customised before the job.")}
)

ASSERT = Section(
    "assert",
    models.Assertions,
    {
        "exit_code": Entry(Integer(0, 255), "The exit code that the service has to end with."),
        "artifacts_contain": Entry(
            ListOf(Text("a glob", example="checkpoints/*.pt"), at_least=1),
            "Globs below /hpc-compose/job that must match.",
        ),
        "max_duration_seconds": Entry(_COUNT, "How long the service may take."),
    },
)

SERVICE = Section(
    "service",
    models.Service,
    {
        "image": Entry(
            Text("an image", r"[^\s-]\S*", example="python:3.11-slim"),
            "Image reference, or a local .sqsh or .sif file.",
            example="redis:7",
        ),
        "command": Entry(Command(), "What to run; a string is shell text and is never interpolated."),
        "entrypoint": Entry(Command(), "Put before the command; in the same form."),
        "script": Entry(_SHELL, "A shell script instead of command and entrypoint."),
        "environment": Entry(
            _environment(), "Variables of the service.", shorthand=(_PAIRS,), example={"LOG_LEVEL": "info"}
        ),
        "env_file": Entry(ListOf(_PATH), "Files of KEY=VALUE lines, below environment.", shorthand=(_ONE_TEXT,)),
        "volumes": Entry(
            _VOLUMES,
            "Host paths that the container sees.",
            shorthand=({"type": "array", "items": {"anyOf": [_VOLUME_TEXT, VOLUME.schema()]}},),
        ),
        "working_dir": Entry(_PATH, "Folder in which the command starts."),
        "depends_on": Entry(
            MapOf(DEPENDENCY, ".+", "a service", "the name is empty"),
            "Services that have to come first.",
            shorthand=(_NAMES,),
        ),
        "readiness": Entry(READINESS, "How to tell that the service is ready."),
        "healthcheck": Entry(HEALTHCHECK, "Docker's form of readiness, for nc, curl and wget probes.", canonical=False),
        "x-slurm": Entry(SERVICE_SLURM, "The step of this service."),
        "x-runtime": Entry(RUNTIME_OPTIONS, "Options of the container runtime.", canonical=False),
        "x-enroot": Entry(RUNTIME_OPTIONS, "The same as x-runtime.", canonical=False),
        "prepare": Entry(PREPARE, "From x-runtime or x-enroot.", written=False),
        "assert": Entry(ASSERT, "What has to hold when the service has ended.", attribute="asserts"),
        "secrets": Entry(
            ListOf(Text("a secret's name", ENV_NAME, example="HF_TOKEN"), unique=True),
            "Secrets that the service gets as variables.",
        ),
        "extends": Entry(
            Text("a service", example="other"),
            "A service to inherit from.",
            canonical=False,
            shorthand=(
                {
                    "type": "object",
                    "properties": {"file": {"type": "string"}, "service": {"type": "string"}},
                    "required": ["service"],
                    "additionalProperties": False,
                },
            ),
        ),
    },
    constraints=(
        {"not": {"required": ["script", "command"]}},
        {"not": {"required": ["script", "entrypoint"]}},
        {"not": {"required": ["readiness", "healthcheck"]}},
    ),
)

METRICS = Section(
    "metrics",
    models.Metrics,
    {
        "enabled": Entry(Flag(), "Sample metrics.", default=True),
        "interval_seconds": Entry(_COUNT, "Time between samples.", default=5),
        "collectors": Entry(
            ListOf(Choice(("gpu", "slurm", "cpu")), unique=True), "What is sampled.", default=["gpu", "slurm"]
        ),
    },
    finish=finish_metrics,
)

_ARTIFACT_PATHS = ListOf(Text("a path", example="/hpc-compose/job/metrics/**"), at_least=1)
BUNDLE = Section(
    "bundle", lambda paths: paths, {"paths": Entry(_ARTIFACT_PATHS, "Globs below /hpc-compose/job.", required=True)}
)
ARTIFACTS = Section(
    "artifacts",
    models.Artifacts,
    {
        "collect": Entry(Choice(("always", "on_success", "on_failure")), "When to collect.", default="always"),
        "export_dir": Entry(
            _PATH, "Where `hpcc artifacts` puts them; ${SLURM_JOB_ID} is filled in then.", required=True
        ),
        "paths": Entry(_ARTIFACT_PATHS, "The bundle `default`: globs below /hpc-compose/job."),
        "bundles": Entry(
            MapOf(
                BUNDLE,
                "[A-Za-z0-9_-]+",
                "a bundle",
                "letters, digits, _ and - are allowed",
                code="bundle-name",
                reserved={"default": "`default` is reserved for the top-level paths"},
            ),
            "Named bundles.",
        ),
    },
    finish=finish_artifacts,
    constraints=({"anyOf": [{"required": ["paths"]}, {"required": ["bundles"]}]},),
)

RESUME = Section(
    "resume",
    models.Resume,
    {
        "path": Entry(
            Text("an absolute host path", example="/shared/me/runs/1"),
            "Shared folder, mounted at /hpc-compose/resume.",
            required=True,
        )
    },
)

AFTER_JOB = Section(
    "after-job",
    models.AfterJob,
    {
        "job": Entry(
            Text("a job id", r"[1-9][0-9]{0,17}(?:_[0-9]{1,9})?", example="12345"), "The other job's id.", required=True
        ),
        "condition": Entry(
            Choice(("afterok", "afterany", "afternotok", "aftercorr")), "How it has to end.", default="afterok"
        ),
    },
)

SIGNAL = Section(
    "signal",
    models.Signal,
    {
        "name": Entry(Choice(SIGNALS), "The signal.", required=True),
        "at_seconds": Entry(Integer(1, 65535), "Seconds before the time limit.", required=True),
        "shell": Entry(
            Flag(), "As `B:` in the short form; the warning reaches the services either way.", default=False
        ),
    },
)

NOTIFY = Section(
    "notify",
    models.Notify,
    {
        "email": Entry(
            Text("a mail address", r"[^\s,@]+@[^\s,@]+", example="me@example.org"), "Who is written to.", required=True
        ),
        "on": Entry(ListOf(Choice(MAIL_EVENTS), at_least=1, unique=True), "When.", default=["end", "fail"]),
        "array_tasks": Entry(Flag(), "One mail for each task of an array.", default=False),
    },
)

CLEANUP = Section(
    "cleanup",
    models.Cleanup,
    {
        "runtime_cache": Entry(
            Choice(("always", "on_success", "never")), "When the job's own image cache is removed.", default="always"
        )
    },
)

LOGS = Section(
    "logs",
    models.Logs,
    {
        "max_size": Entry(MEMORY, "Rotate a service's log at this size.", example="100M"),
        "keep": Entry(_COUNT, "Rotated logs that are kept.", default=3),
    },
)

_ARRAY_ITEM = r"[0-9]{1,9}(?:-[0-9]{1,9}(?::[1-9][0-9]{0,8})?)?"
_DEPENDENCY_ITEM = r"(?:after|afterany|afterburstbuffer|aftercorr|afternotok|afterok)(?::[0-9]+(?:_(?:[0-9]+|\*))?(?:\+[0-9]+)?)+|singleton"

JOB_SLURM = Section(
    "job-slurm",
    models.JobSlurm,
    {
        "job_name": Entry(_WORDS, "Name of the job; the file's name unless given."),
        "partition": Entry(_WORDS, "Partition."),
        "account": Entry(_WORDS, "Account."),
        "qos": Entry(_WORDS, "Quality of service."),
        "time": Entry(SLURM_TIME, "Time limit.", example="01:00:00"),
        "nodes": Entry(_COUNT, "Nodes of the allocation.", default=1),
        "ntasks": Entry(_COUNT, "Tasks of the allocation."),
        "ntasks_per_node": Entry(_COUNT, "Tasks on each node."),
        "cpus_per_task": Entry(_COUNT, "CPUs of each task."),
        "mem": Entry(MEMORY, "Memory on each node.", example="16G"),
        "gres": Entry(_WORDS, "Generic resources; wins over gpus.", example="gpu:2"),
        "gpus": Entry(_COUNT, "GPUs of the job."),
        "gpus_per_node": Entry(_COUNT, "GPUs on each node."),
        "gpus_per_task": Entry(_COUNT, "GPUs of each task."),
        "cpus_per_gpu": Entry(_COUNT, "CPUs for each GPU."),
        "mem_per_gpu": Entry(MEMORY, "Memory for each GPU.", example="32G"),
        "constraint": Entry(_WORDS, "Features that the nodes must have."),
        "reservation": Entry(_WORDS, "Reservation to run in."),
        "licenses": Entry(_WORDS, "Licenses.", example="matlab:1"),
        "output": Entry(_PATH, "Slurm's output file, with %j and the like.", example="logs/%j.out"),
        "error": Entry(_PATH, "Slurm's error file."),
        "chdir": Entry(_PATH, "Folder in which the batch script starts."),
        "umask": Entry(Text("an octal mask", "0?[0-7]{3}", example="0077"), "Mask of new files."),
        "export": Entry(_WORDS, "As sbatch --export."),
        "requeue": Entry(Flag(), "Whether Slurm may run the job again."),
        "array": Entry(
            Text("an array", rf"{_ARRAY_ITEM}(?:,{_ARRAY_ITEM})*(?:%[1-9][0-9]{{0,8}})?", example="0-15%4"),
            "Indexes of a job array.",
            example="0-15%4",
        ),
        "after_job": Entry(
            ListOf(AFTER_JOB),
            "Jobs that have to be over first.",
            shorthand=(
                {"type": ["string", "integer"]},
                AFTER_JOB.schema(),
                {"type": "array", "items": {"type": ["string", "integer", "object"]}},
            ),
        ),
        "dependency": Entry(
            Text("a Slurm dependency", rf"(?:{_DEPENDENCY_ITEM})(?:[,?](?:{_DEPENDENCY_ITEM}))*", example="singleton"),
            "As sbatch --dependency.",
        ),
        "signal": Entry(
            SIGNAL,
            "An early warning to the main services before the time limit.",
            shorthand=({"type": "string", "pattern": r"^(B:)?[A-Z0-9]+@[0-9]+$|\$"},),
            example="USR1@120",
        ),
        "notify": Entry(NOTIFY, "Mail from Slurm.", shorthand=(_ONE_TEXT,)),
        "cache_dir": Entry(_PATH, "Shared folder for images.", default="$HOME/.cache/hpc-compose"),
        "runtime_root": Entry(_PATH, "Folder in which the job folders are made.", default=".hpc-compose"),
        "metrics": Entry(METRICS, "Sampling while the job runs."),
        "artifacts": Entry(ARTIFACTS, "Files that are kept."),
        "resume": Entry(RESUME, "A shared folder from which a later attempt goes on."),
        "cleanup": Entry(CLEANUP, "What is removed at the end."),
        "logs": Entry(LOGS, "Rotation of the services' logs."),
        "stop_grace_seconds": Entry(Integer(1, 86400), "Time between TERM and KILL.", default=30),
        "modules": Entry(
            ListOf(Text("a module", r"[^\s;&|`$<>\"'()\\-][^\s;&|`$<>\"'()\\]*", example="cuda/12.4")),
            "Environment modules to load.",
        ),
        "setup": Entry(ListOf(_SHELL), "Shell lines before the services, verbatim.", shorthand=(_ONE_TEXT,)),
        "submit_args": Entry(ListOf(_WORDS), "Raw arguments of sbatch.", example=["--mail-type=END"]),
    },
)

RUNTIME = Section(
    "runtime",
    models.Runtime,
    {"backend": Entry(Choice(("pyxis", "enroot", "apptainer", "host")), "What runs the services.")},
)

SECRET = Section(
    "secret",
    models.Secret,
    {
        "file": Entry(_PATH, "File that holds the value; read on the node."),
        "env": Entry(
            Text("a variable", ENV_NAME, example="HF_TOKEN"), "Variable that holds the value when the job is submitted."
        ),
    },
    finish=finish_secret,
    constraints=({"oneOf": [{"required": ["file"]}, {"required": ["env"]}]},),
)

_PARAMETER = "(?!HPC_COMPOSE_SWEEP_)[A-Za-z_][A-Za-z0-9_]*"
_PARAMETER_RULE = "letters, digits and _ are allowed, no digit first, and not the prefix HPC_COMPOSE_SWEEP_"
_PARAMETER_VALUE = Text("text, a number or true or false", lines=True, may_be_empty=True)

RANGE = Section(
    "sweep-range",
    models.ParameterRange,
    {
        "from": Entry(Number(), "Lower end.", attribute="start", required=True),
        "to": Entry(Number(), "Upper end.", attribute="stop", required=True),
        "samples": Entry(_COUNT, "How many values, one from each even slice of the range.", required=True),
        "log": Entry(Flag(), "Even slices of the logarithm.", default=False),
        "integer": Entry(Flag(), "Whole numbers only.", default=False),
    },
    finish=finish_range,
)

RANDOM_MATRIX = Section(
    "sweep-random",
    models.RandomMatrix,
    {
        "random": Entry(_COUNT, "How many combinations to draw.", attribute="count", required=True),
        "seed": Entry(Text("a seed"), "Makes the draw repeatable."),
    },
)

SERVICE_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"

OBJECTIVE = Section(
    "sweep-objective",
    models.Objective,
    {
        "direction": Entry(Choice(("minimize", "maximize")), "Which way is better.", required=True),
        "log_pattern": Entry(
            Text("a regular expression", example="loss=([0-9.]+)"), "Regular expression for the figure in the log."
        ),
        "group": Entry(_COUNT, "Group of the pattern that is the figure.", default=1),
        "service": Entry(Text("a service", SERVICE_NAME), "Whose log it is, when several match."),
        "json_path": Entry(_PATH, "JSON file below the job folder."),
        "json_field": Entry(Text("a field", example="eval.loss"), "Field of that file; a dot leads deeper."),
        "metric": Entry(Text("a name", example="loss"), "Name of the figure in `trial.jsonl`."),
        "take": Entry(Choice(("last", "best")), "Which of several figures counts.", default="last"),
        "scaling_axis": Entry(Text("a parameter", ENV_NAME), "Numeric parameter along which scaling is reported."),
    },
    finish=finish_objective,
    constraints=({"oneOf": [{"required": [source]} for source in ("log_pattern", "json_path", "metric")]},),
)

PRUNE = Section(
    "sweep-prune",
    models.Prune,
    {
        "method": Entry(Choice(("median", "asha")), "How trials are compared.", required=True),
        "metric": Entry(Text("a name"), "Name in `trial.jsonl` to compare by; that of the objective unless given."),
        "min_steps": Entry(_COUNT, "Steps before a trial may be ended.", default=1),
        "reduction_factor": Entry(Integer(2), "asha keeps one in this many.", default=3),
    },
)

_ASSIGNMENT = MapOf(
    _PARAMETER_VALUE, _PARAMETER, "a sweep parameter", _PARAMETER_RULE, code="sweep-parameter", at_least=1
)

SWEEP = Section(
    "sweep",
    models.Sweep,
    {
        "parameters": Entry(
            MapOf(
                Either(ListOf(_PARAMETER_VALUE, at_least=1), RANGE),
                _PARAMETER,
                "a sweep parameter",
                _PARAMETER_RULE,
                code="sweep-parameter",
            ),
            "Names with the values to try.",
            example={"lr": ["0.001", "0.01"]},
        ),
        "matrix": Entry(
            Either(Choice(("full",)), RANDOM_MATRIX), "All combinations, or a random sample.", default="full"
        ),
        "seed": Entry(Text("a seed"), "Makes the draw of ranges and of a random matrix repeatable."),
        "replicates": Entry(_COUNT, "Runs of each combination.", default=1),
        "objective": Entry(OBJECTIVE, "Which figure says how good a trial is."),
        "throttle": Entry(_COUNT, "Trials that run at once."),
        "max_trials": Entry(_COUNT, "Refuse more trials than this.", default=100),
        "exclude": Entry(ListOf(_ASSIGNMENT), "Partial assignments that are left out."),
        "trials": Entry(ListOf(_ASSIGNMENT, at_least=1), "Trials written out, instead of a matrix."),
        "prune": Entry(PRUNE, "How hopeless trials are ended early."),
    },
    finish=finish_sweep,
)

_SERVICES = MapOf(
    SERVICE,
    SERVICE_NAME,
    "a service name",
    "letters, digits, _, . and - are allowed, a letter or digit first, at most 63 characters",
    code="service-name",
    at_least=1,
)

COMPOSE = Section(
    "compose",
    models.ComposeSpec,
    {
        "name": Entry(_WORDS, "Name of the application, and of the job unless x-slurm.job_name is given."),
        "version": Entry(_WORDS, "Accepted for compatibility; without meaning."),
        "services": Entry(_SERVICES, "What runs in the allocation.", required=True),
        "x-slurm": Entry(JOB_SLURM, "The allocation, and what all services share."),
        "runtime": Entry(RUNTIME, "How services are run."),
        "sweep": Entry(SWEEP, "Many trials of this file."),
        "secrets": Entry(
            MapOf(SECRET, ENV_NAME, "a secret", _ENV_RULE, code="env-name"),
            "Values that are read on the node and never shown.",
        ),
        "extends": Entry(
            _PATH,
            "A file to inherit from.",
            canonical=False,
            shorthand=(
                {
                    "type": "object",
                    "properties": {"file": {"type": "string"}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
            ),
        ),
        "steps": Entry(_SERVICES, "Another word for services.", canonical=False),
    },
)
