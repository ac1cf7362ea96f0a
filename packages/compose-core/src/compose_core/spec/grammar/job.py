"""The top-level `x-slurm`: the allocation, and what all services share."""

from __future__ import annotations

from compose_core.spec import models
from compose_core.spec.completion import finish_artifacts, finish_metrics
from compose_core.spec.grammar.values import COUNT, ONE_TEXT, PATH, SHELL, WORDS
from compose_core.spec.kinds import MEMORY, SLURM_TIME, Choice, Entry, Flag, Integer, ListOf, MapOf, Section, Text

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

METRICS = Section(
    "metrics",
    models.Metrics,
    {
        "enabled": Entry(Flag(), "Sample metrics.", default=True),
        "interval_seconds": Entry(COUNT, "Time between samples.", default=5),
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
            PATH, "Where `hpcc artifacts` puts them; ${SLURM_JOB_ID} is filled in then.", required=True
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
        "keep": Entry(COUNT, "Rotated logs that are kept.", default=3),
    },
)

_ARRAY_ITEM = r"[0-9]{1,9}(?:-[0-9]{1,9}(?::[1-9][0-9]{0,8})?)?"
_DEPENDENCY_ITEM = r"(?:after|afterany|afterburstbuffer|aftercorr|afternotok|afterok)(?::[0-9]+(?:_(?:[0-9]+|\*))?(?:\+[0-9]+)?)+|singleton"

JOB_SLURM = Section(
    "job-slurm",
    models.JobSlurm,
    {
        "job_name": Entry(WORDS, "Name of the job; the file's name unless given."),
        "partition": Entry(WORDS, "Partition."),
        "account": Entry(WORDS, "Account."),
        "qos": Entry(WORDS, "Quality of service."),
        "time": Entry(SLURM_TIME, "Time limit.", example="01:00:00"),
        "nodes": Entry(COUNT, "Nodes of the allocation.", default=1),
        "ntasks": Entry(COUNT, "Tasks of the allocation."),
        "ntasks_per_node": Entry(COUNT, "Tasks on each node."),
        "cpus_per_task": Entry(COUNT, "CPUs of each task."),
        "mem": Entry(MEMORY, "Memory on each node.", example="16G"),
        "gres": Entry(WORDS, "Generic resources; wins over gpus.", example="gpu:2"),
        "gpus": Entry(COUNT, "GPUs of the job."),
        "gpus_per_node": Entry(COUNT, "GPUs on each node."),
        "gpus_per_task": Entry(COUNT, "GPUs of each task."),
        "cpus_per_gpu": Entry(COUNT, "CPUs for each GPU."),
        "mem_per_gpu": Entry(MEMORY, "Memory for each GPU.", example="32G"),
        "constraint": Entry(WORDS, "Features that the nodes must have."),
        "reservation": Entry(WORDS, "Reservation to run in."),
        "licenses": Entry(WORDS, "Licenses.", example="matlab:1"),
        "output": Entry(PATH, "Slurm's output file, with %j and the like.", example="logs/%j.out"),
        "error": Entry(PATH, "Slurm's error file."),
        "chdir": Entry(PATH, "Folder in which the batch script starts."),
        "umask": Entry(Text("an octal mask", "0?[0-7]{3}", example="0077"), "Mask of new files."),
        "export": Entry(WORDS, "As sbatch --export."),
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
        "notify": Entry(NOTIFY, "Mail from Slurm.", shorthand=(ONE_TEXT,)),
        "cache_dir": Entry(PATH, "Shared folder for images.", default="$HOME/.cache/hpc-compose"),
        "runtime_root": Entry(PATH, "Folder in which the job folders are made.", default=".hpc-compose"),
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
        "setup": Entry(ListOf(SHELL), "Shell lines before the services, verbatim.", shorthand=(ONE_TEXT,)),
        "submit_args": Entry(ListOf(WORDS), "Raw arguments of sbatch.", example=["--mail-type=END"]),
    },
)
