"""One example for each key of a compose file: what its kind allows, or what a reader would write."""

from __future__ import annotations

import json
from typing import Any

import yaml

from compose_core.spec.kinds import Choice, Either, Entry, Flag, Integer, Kind, ListOf, MapOf, Number, Section, Text

WRITTEN: dict[tuple[str, str], Any] = {
    ("compose", "name"): "train",
    ("compose", "version"): "3.9",
    ("compose", "extends"): "base.yaml",
    ("compose", "services"): {"app": {"image": "python:3.12", "command": "python train.py"}},
    ("compose", "steps"): {"app": {"image": "python:3.12", "command": "python train.py"}},
    ("compose", "x-slurm"): {"time": "01:00:00", "mem": "4G"},
    ("compose", "runtime"): {"backend": "host"},
    ("compose", "sweep"): {"parameters": {"lr": [0.1, 0.01]}},
    ("compose", "secrets"): {"HF_TOKEN": {"file": "~/.config/token"}},
    ("service", "healthcheck"): {"test": "nc -z 127.0.0.1 6379"},
    ("service", "x-slurm"): {"cpus_per_task": 4},
    ("service", "x-runtime"): {"prepare": {"commands": ["pip install numpy"]}},
    ("service", "x-enroot"): {"prepare": {"commands": ["pip install numpy"]}},
    ("service", "assert"): {"exit_code": 0},
    ("image-options", "prepare"): {"commands": ["pip install numpy"]},
    ("service-slurm", "failure_policy"): {"mode": "restart_on_failure", "max_restarts": 5},
    ("service-slurm", "mpi"): {"type": "pmix"},
    ("job-slurm", "notify"): {"email": "me@example.org", "on": ["fail"]},
    ("job-slurm", "metrics"): {"interval_seconds": 10},
    ("job-slurm", "artifacts"): {"export_dir": "./results", "paths": ["/hpc-compose/job/out/**"]},
    ("job-slurm", "resume"): {"path": "/shared/me/runs/1"},
    ("job-slurm", "cleanup"): {"runtime_cache": "on_success"},
    ("job-slurm", "logs"): {"max_size": "100M", "keep": 3},
    ("sweep", "objective"): {"direction": "minimize", "metric": "loss"},
    ("sweep", "prune"): {"method": "asha", "min_steps": 10},
    ("secret", "file"): "~/.config/token",
    ("service", "command"): ["python3", "train.py"],
    ("service", "entrypoint"): ["python3", "-u"],
    ("service", "script"): "python3 train.py",
    ("service", "env_file"): ["train.env"],
    ("service", "volumes"): ["./src:/src", "/shared/data:/data:ro"],
    ("service", "working_dir"): "/src",
    ("service", "depends_on"): {"db": {"condition": "service_healthy"}},
    ("service", "readiness"): {"type": "tcp", "port": 6379},
    ("service", "environment"): {"LOG_LEVEL": "info"},
    ("volume", "source"): "./src",
    ("prepare", "commands"): ["pip install numpy"],
    ("prepare", "mounts"): ["./requirements.txt:/tmp/requirements.txt"],
    ("prepare", "env"): {"PIP_NO_CACHE_DIR": "1"},
    ("assert", "exit_code"): 0,
    ("assert", "max_duration_seconds"): 3600,
    ("service-slurm", "extra_srun_args"): ["--exclusive"],
    ("service-slurm", "hooks"): [{"on": "ready", "script": "echo ready"}],
    ("service-slurm", "prologue"): "mkdir -p /tmp/scratch",
    ("service-slurm", "epilogue"): "rm -rf /tmp/scratch",
    ("service-slurm", "lifecycle"): "sidecar",
    ("service-slurm", "launch"): "batch",
    ("failure-policy", "mode"): "restart_on_failure",
    ("hook", "script"): "echo ready",
    ("step-script", "script"): "mkdir -p /tmp/scratch",
    ("step-script", "context"): "container",
    ("readiness-log", "pattern"): "Server started",
    ("readiness-http", "url"): "http://127.0.0.1:8080/health",
    ("healthcheck", "test"): ["CMD", "nc", "-z", "127.0.0.1", "6379"],
    ("job-slurm", "job_name"): "train",
    ("job-slurm", "partition"): "gpu",
    ("job-slurm", "account"): "my-project",
    ("job-slurm", "qos"): "normal",
    ("job-slurm", "constraint"): "a100",
    ("job-slurm", "reservation"): "course",
    ("job-slurm", "output"): "logs/%j.out",
    ("job-slurm", "error"): "logs/%j.err",
    ("job-slurm", "chdir"): "/shared/me/run",
    ("job-slurm", "export"): "NONE",
    ("job-slurm", "after_job"): [{"job": "12345", "condition": "afterany"}],
    ("job-slurm", "cache_dir"): "/shared/me/images",
    ("job-slurm", "runtime_root"): "/scratch/me/jobs",
    ("job-slurm", "setup"): ["source /shared/env.sh"],
    ("artifacts", "export_dir"): "./results/${SLURM_JOB_ID}",
    ("artifacts", "paths"): ["/hpc-compose/job/out/**"],
    ("artifacts", "bundles"): {"logs": {"paths": ["/hpc-compose/job/logs/*.log"]}},
    ("bundle", "paths"): ["/hpc-compose/job/checkpoints/*.pt"],
    ("metrics", "collectors"): ["gpu", "cpu"],
    ("metrics", "interval_seconds"): 10,
    ("notify", "on"): ["end", "fail"],
    ("signal", "name"): "USR1",
    ("signal", "at_seconds"): 120,
    ("sweep", "parameters"): {"lr": [0.1, 0.01]},
    ("sweep", "matrix"): {"random": 20},
    ("sweep", "seed"): "2026",
    ("sweep", "exclude"): [{"lr": 0.1, "batch": 64}],
    ("sweep", "trials"): [{"lr": 0.1, "batch": 32}],
    ("sweep-range", "from"): 1e-05,
    ("sweep-range", "to"): 0.1,
    ("sweep-random", "seed"): "2026",
    ("sweep-objective", "service"): "train",
    ("sweep-objective", "json_path"): "metrics.json",
    ("sweep-objective", "scaling_axis"): "nodes",
    ("sweep-prune", "metric"): "loss",
    ("sweep-prune", "method"): "asha",
}
"""Section and key to a value that says more than any that its kind allows."""
NUMBERS = {
    "nodes": 2,
    "ntasks": 8,
    "ntasks_per_node": 4,
    "cpus_per_task": 8,
    "cpus_per_gpu": 8,
    "samples": 8,
    "random": 20,
}
"""Numbers that read as in a real file."""


def example_of(section: Section, key: str) -> str:
    """`key: value` on one line; empty where the value is a section with a table of its own."""
    value = example_value(section, key)
    return "" if value is None else f"{key}: {_flow(value)}"


def example_value(section: Section, key: str) -> Any:
    """The value of the example; None where there is none."""
    entry = section.entries[key]
    value = WRITTEN.get((section.name, key), entry.example)
    if value is None and isinstance(entry.kind, Integer):
        value = NUMBERS.get(key)
    return _of_kind(entry.kind, entry) if value is None else value


def _of_kind(kind: Kind, entry: Entry) -> Any:
    match kind:
        case Text():
            return kind.example or None
        case Integer():
            return entry.default if isinstance(entry.default, int) else max(kind.minimum, 1)
        case Number():
            return 0.1
        case Flag():
            return not entry.default
        case Choice():
            return next((value for value in kind.values if value != entry.default), kind.values[0])
        case ListOf():
            item = _of_kind(kind.item, entry)
            return None if item is None else [item]
        case MapOf() | Section():
            return None
        case Either():
            return _of_kind(kind.plain, entry)
    return None


def _flow(value: Any) -> str:
    """YAML on one line, with quotes only where they are needed."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _is_plain(value) else json.dumps(value)


def _is_plain(text: str) -> bool:
    """Whether YAML reads the text as it stands, also between brackets, and as text."""
    return not set(text) & set("[]{}:,#&*!|>'\"%@`$") and isinstance(yaml.safe_load(text), str)
