"""One service, and what stands in it."""

from __future__ import annotations

from compose_core.spec import models
from compose_core.spec.completion import finish_failure_policy, finish_volume
from compose_core.spec.grammar.readiness import HEALTHCHECK, READINESS
from compose_core.spec.grammar.values import COUNT, ENV_NAME, ONE_TEXT, PAIRS, PATH, SHELL, WORDS, environment
from compose_core.spec.kinds import (
    MEMORY,
    SLURM_TIME,
    Choice,
    Command,
    Entry,
    Flag,
    Integer,
    JsonSchema,
    ListOf,
    MapOf,
    Section,
    Text,
)

_NAMES: JsonSchema = {"type": "array", "items": {"type": "string"}}
_VOLUME_TEXT: JsonSchema = {"type": "string", "pattern": r"^[^:,]+:/[^:,]*(:(ro|rw))?$|\$"}

VOLUME = Section(
    "volume",
    models.Volume,
    {
        "source": Entry(PATH, "Host path; relative to the compose file's folder.", required=True),
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

FAILURE_POLICY = Section(
    "failure-policy",
    models.FailurePolicy,
    {
        "mode": Entry(
            Choice(("fail_job", "ignore", "restart_on_failure")), "What a non-zero exit does.", default="fail_job"
        ),
        "max_restarts": Entry(COUNT, "Restarts over the whole run.", default=3),
        "backoff_seconds": Entry(COUNT, "Wait before each restart.", default=5),
        "window_seconds": Entry(COUNT, "Length of the rolling window.", default=60),
        "max_restarts_in_window": Entry(COUNT, "Restarts within the window; as max_restarts unless given."),
    },
    finish=finish_failure_policy,
)

HOOK = Section(
    "hook",
    models.Hook,
    {
        "on": Entry(Choice(("restart", "window_exhausted", "gave_up", "ready", "exit")), "The event.", required=True),
        "script": Entry(SHELL, "Shell script, run on the batch host.", required=True),
        "context": Entry(Choice(("host",)), "Where it runs.", default="host"),
    },
)

STEP_SCRIPT = Section(
    "step-script",
    models.StepScript,
    {
        "script": Entry(SHELL, "Shell script.", required=True),
        "context": Entry(Choice(("host", "container")), "Where it runs.", default="host"),
    },
)

MPI = Section(
    "mpi",
    models.Mpi,
    {
        "type": Entry(Text("an MPI plugin", "[A-Za-z0-9_.-]+", example="pmix"), "As `srun --mpi`.", required=True),
        "expected_ranks": Entry(COUNT, "Checked against the number of tasks."),
    },
)

SERVICE_SLURM = Section(
    "service-slurm",
    models.ServiceSlurm,
    {
        "nodes": Entry(COUNT, "1, or all nodes of the allocation for the one distributed service."),
        "ntasks": Entry(COUNT, "Tasks of the step."),
        "ntasks_per_node": Entry(COUNT, "Tasks on each node."),
        "cpus_per_task": Entry(COUNT, "CPUs of each task."),
        "mem": Entry(MEMORY, "Memory of the step on each node.", example="4G"),
        "gres": Entry(WORDS, "Generic resources; wins over gpus.", example="gpu:a100:1"),
        "gpus": Entry(COUNT, "GPUs of the step."),
        "gpus_per_node": Entry(COUNT, "GPUs on each node."),
        "gpus_per_task": Entry(COUNT, "GPUs of each task."),
        "cpus_per_gpu": Entry(COUNT, "CPUs for each GPU."),
        "mem_per_gpu": Entry(MEMORY, "Memory for each GPU.", example="32G"),
        "time_limit": Entry(SLURM_TIME, "Time limit of the step.", example="00:30:00"),
        "extra_srun_args": Entry(ListOf(WORDS), "Raw arguments of srun.", default=[]),
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
        "prologue": Entry(STEP_SCRIPT, "Runs before the service.", shorthand=(ONE_TEXT,)),
        "epilogue": Entry(STEP_SCRIPT, "Runs after the service.", shorthand=(ONE_TEXT,)),
        "mpi": Entry(MPI, "How MPI tasks find each other."),
    },
)

PREPARE = Section(
    "prepare",
    models.Prepare,
    {
        "commands": Entry(ListOf(SHELL, at_least=1), "Shell commands that customise the image.", required=True),
        "mounts": Entry(
            _VOLUMES, "Host paths visible to the commands.", shorthand=({"type": "array", "items": _VOLUME_TEXT},)
        ),
        "env": Entry(environment(), "Variables of the commands.", shorthand=(PAIRS,)),
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
        "max_duration_seconds": Entry(COUNT, "How long the service may take."),
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
        "script": Entry(SHELL, "A shell script instead of command and entrypoint."),
        "environment": Entry(
            environment(), "Variables of the service.", shorthand=(PAIRS,), example={"LOG_LEVEL": "info"}
        ),
        "env_file": Entry(ListOf(PATH), "Files of KEY=VALUE lines, below environment.", shorthand=(ONE_TEXT,)),
        "volumes": Entry(
            _VOLUMES,
            "Host paths that the container sees.",
            shorthand=({"type": "array", "items": {"anyOf": [_VOLUME_TEXT, VOLUME.schema()]}},),
        ),
        "working_dir": Entry(PATH, "Folder in which the command starts."),
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
