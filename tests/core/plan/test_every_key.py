"""No key is silently without effect: each changes the plan, or is refused as not executed yet."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from compose_core.errors import SpecError
from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.plan.requests import JobRequests
from compose_core.spec import load_spec
from compose_core.spec.models import JobSlurm, Service, ServiceSlurm

JOB: dict[str, Any] = {
    "job_name": "other",
    "partition": "gpu",
    "account": "lab",
    "qos": "high",
    "time": "01:00:00",
    "nodes": 2,
    "ntasks": 4,
    "ntasks_per_node": 4,
    "cpus_per_task": 4,
    "mem": "4G",
    "gres": "gpu:1",
    "gpus": 1,
    "gpus_per_node": 1,
    "gpus_per_task": 1,
    "cpus_per_gpu": 2,
    "mem_per_gpu": "8G",
    "constraint": "fast",
    "reservation": "course",
    "licenses": "matlab",
    "output": "out-%j.txt",
    "error": "err-%j.txt",
    "chdir": "/scratch",
    "umask": "0027",
    "export": "NONE",
    "requeue": True,
    "array": "0-3",
    "after_job": "123",
    "dependency": "singleton",
    "signal": "USR1@60",
    "notify": {"email": "me@example.org"},
    "cache_dir": "/shared/cache",
    "runtime_root": "/shared/runs",
    "metrics": {},
    "artifacts": {"export_dir": "out", "paths": ["/hpc-compose/job/x"]},
    "resume": {"path": "/shared/resume"},
    "cleanup": {"runtime_cache": "never"},
    "logs": {"max_size": "10M"},
    "stop_grace_seconds": 5,
    "modules": ["gcc"],
    "setup": ["true"],
    "submit_args": ["--nice=10"],
}
SERVICE_SLURM: dict[str, Any] = {
    "nodes": 1,
    "ntasks": 2,
    "ntasks_per_node": 2,
    "cpus_per_task": 3,
    "mem": "1G",
    "gres": "gpu:1",
    "gpus": 1,
    "gpus_per_node": 1,
    "gpus_per_task": 1,
    "cpus_per_gpu": 2,
    "mem_per_gpu": "8G",
    "time_limit": "00:05:00",
    "extra_srun_args": ["--label"],
    "failure_policy": {"mode": "ignore"},
    "hooks": [{"on": "restart", "script": "true"}],
    "lifecycle": "sidecar",
    "launch": "batch",
    "ports": ["http"],
    "prologue": "true",
    "epilogue": "true",
    "mpi": {"type": "pmix"},
}
SERVICE: dict[str, Any] = {
    "image": "alpine:3",
    "command": ["other"],
    "entrypoint": ["sh"],
    "script": "true",
    "environment": {"A": "b"},
    "env_file": "settings.env",
    "volumes": ["/data:/data"],
    "working_dir": "/work",
    "depends_on": ["second"],
    "readiness": {"type": "sleep", "seconds": 1},
    "x_slurm": {"lifecycle": "sidecar"},
    "prepare": {"commands": ["true"]},
    "asserts": {"exit_code": 0},
    "secrets": ["KEY"],
}
WITHOUT_EFFECT_HERE = {
    ("x-slurm", "nodes"): "a service of a job with one node has one node anyway",
}


def _outcome(folder: Path, spec: dict[str, Any]) -> Plan | str:
    """The plan of this spec, or the codes of what keeps it from being planned."""
    (folder / "settings.env").write_text("FROM_FILE=1\n")
    (folder / "compose.yaml").write_text(json.dumps(spec))
    context = PlanContext(engine="slurm", home="/home/me", container_backends=("pyxis",))
    try:
        return build_plan(load_spec(folder / "compose.yaml", variables={}), context)
    except SpecError as error:
        return " ".join(sorted({problem.code for problem in error.problems if problem.severity == "error"}))


def _spec(backend: str = "host") -> dict[str, Any]:
    first: dict[str, Any] = {"command": ["first"]}
    second: dict[str, Any] = {"command": ["second"]}
    if backend != "host":
        first["image"] = second["image"] = "redis:7"
    return {
        "name": "base",
        "runtime": {"backend": backend},
        "x-slurm": {},
        "services": {"first": first, "second": second},
    }


def _check(folder: Path, base: dict[str, Any], changed: dict[str, Any]) -> None:
    before, after = _outcome(folder, base), _outcome(folder, changed)
    assert isinstance(before, Plan), before
    if isinstance(after, str):
        assert after == "not-executed-yet"
    else:
        assert _effect(after) != _effect(before)


def _effect(plan: Plan) -> Plan:
    """Without what only tells of the file."""
    return replace(plan, spec_sha256="", config="", requests=JobRequests(), decisions=(), warnings=())


@pytest.mark.parametrize("key", [field.name for field in fields(JobSlurm)])
def test_every_key_of_the_job_matters(key: str, tmp_path: Path) -> None:
    """A key that is new has to be given a value in the table above."""
    base, changed = _spec(), _spec()
    changed["x-slurm"][key] = JOB[key]
    if key in ("cpus_per_gpu", "mem_per_gpu"):
        base["x-slurm"]["gpus"] = changed["x-slurm"]["gpus"] = 1
    if key == "nodes":
        base["services"]["first"]["x-slurm"] = changed["services"]["first"]["x-slurm"] = {}
    _check(tmp_path, base, changed)


@pytest.mark.parametrize("key", [field.name for field in fields(ServiceSlurm)])
def test_every_key_of_a_step_matters(key: str, tmp_path: Path) -> None:
    """As for the job."""
    if ("x-slurm", key) in WITHOUT_EFFECT_HERE:
        key, base, changed = "nodes", _spec(), _spec()
        base["x-slurm"]["nodes"] = changed["x-slurm"]["nodes"] = 2
        changed["services"]["first"]["x-slurm"] = {"nodes": 2}
    else:
        base, changed = _spec(), _spec()
        base["x-slurm"] = changed["x-slurm"] = {"ntasks": 4, "cpus_per_task": 4, "gres": "gpu:4"}
        if key == "cpus_per_gpu":
            del base["x-slurm"]["cpus_per_task"]
        changed["services"]["first"]["x-slurm"] = {key: SERVICE_SLURM[key]}
    _check(tmp_path, base, changed)


@pytest.mark.parametrize("key", [field.name for field in fields(Service)])
def test_every_key_of_a_service_matters(key: str, tmp_path: Path) -> None:
    """On a container backend, where all of them are allowed."""
    base, changed = _spec("pyxis"), _spec("pyxis")
    written = {"x_slurm": "x-slurm", "asserts": "assert"}.get(key, key)
    service = changed["services"]["first"]
    if key == "prepare":
        service["x-runtime"] = {"prepare": SERVICE[key]}
    else:
        service[written] = SERVICE[key]
    if key == "script":
        del service["command"]
    if key == "secrets":
        changed["secrets"] = {"KEY": {"env": "KEY"}}
    _check(tmp_path, base, changed)
