"""A short run of the same file that only measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.plan.canary import CanarySize, canary_of, without_sweep
from compose_core.spec import load_spec

SIZE = CanarySize(time_limit_s=360)


def canary(folder: Path, slurm: dict[str, Any], size: CanarySize = SIZE, service: dict[str, Any] | None = None) -> Plan:
    """The canary of a job on the host."""
    spec = {
        "name": "train",
        "runtime": {"backend": "host"},
        "x-slurm": slurm,
        "services": {"one": {"command": ["true"], **(service or {})}},
    }
    (folder / "compose.yaml").write_text(json.dumps(spec))
    loaded = load_spec(folder / "compose.yaml", variables={})
    return build_plan(canary_of(loaded, size), PlanContext(engine="slurm", home="/h"))


def options(plan: Plan) -> dict[str, str | None]:
    return {directive.option: directive.value for directive in plan.directives}


def test_a_canary_asks_for_little_and_is_called_so(tmp_path: Path) -> None:
    """What the file asks for is the most."""
    slurm = {"time": "10:00:00", "cpus_per_task": 8, "mem": "64G", "gres": "gpu:h200:4"}
    plan = canary(tmp_path, slurm)
    asked = options(plan)
    assert (plan.name, asked["--time"]) == ("train-canary", "00:06:00")
    assert (asked["--cpus-per-task"], asked["--mem"], asked["--gres"]) == ("1", "1024M", "gpu:h200:1")
    small = options(canary(tmp_path, {"time": "00:01:00", "cpus_per_task": 1, "mem": "100M"}))
    assert (small["--time"], small["--cpus-per-task"], small["--mem"]) == ("00:01:00", "1", "100M")


def test_what_the_file_leaves_to_the_site_stays_there(tmp_path: Path) -> None:
    """No request is made up."""
    asked = options(canary(tmp_path, {}))
    assert not {"--cpus-per-task", "--mem", "--gpus", "--gres"} & asked.keys()


def test_requests_can_be_kept(tmp_path: Path) -> None:
    """Only the time is short then."""
    slurm = {"time": "10:00:00", "cpus_per_task": 8, "mem": "64G", "gpus": 4}
    asked = options(canary(tmp_path, slurm, CanarySize(time_limit_s=360, keep_requests=True)))
    assert (asked["--time"], asked["--cpus-per-task"], asked["--mem"], asked["--gpus"]) == ("00:06:00", "8", "64G", "4")


def test_services_shrink_with_the_job(tmp_path: Path) -> None:
    """Or their steps would not fit into it."""
    plan = canary(
        tmp_path,
        {"nodes": 2, "gpus": 8, "cpus_per_task": 8, "mem": "64G"},
        service={"x-slurm": {"nodes": 2, "gpus": 8, "cpus_per_task": 8, "mem": "32G", "time_limit": "05:00:00"}},
    )
    service = plan.requests.services["one"]
    assert (service.gpus, service.cpus_per_task, service.mem_bytes, service.time_s) == (2, 1, 1024**3, None)
    assert (plan.requests.gpus, plan.requests.nodes) == (2, 2), "each node has to have one"


def test_what_means_something_for_a_whole_run_only_is_left_out(tmp_path: Path) -> None:
    """A canary is cut short on purpose, and must not disturb the real runs."""
    plan = canary(
        tmp_path,
        {
            "time": "10:00:00",
            "array": "3-9%2",
            "artifacts": {"export_dir": "out", "paths": ["/hpc-compose/job/*"]},
            "resume": {"path": "/shared/me/run/"},
            "notify": {"email": "me@example.org"},
            "signal": "B:USR1@600",
            "requeue": True,
        },
        service={"assert": {"exit_code": 0}},
    )
    assert (plan.array, plan.artifacts, plan.early_signal, plan.requeue) == ("3", None, None, False)
    assert plan.resume is not None
    assert plan.resume.path == "/shared/me/run/hpc-compose-canary"
    assert plan.step("one").asserts is None
    assert "--mail-user" not in options(plan)


@pytest.mark.parametrize("metrics", [None, {"interval_seconds": 60, "collectors": ["cpu"]}, {"enabled": False}])
def test_metrics_are_sampled_every_five_seconds(tmp_path: Path, metrics: dict[str, Any] | None) -> None:
    """Whatever the file says."""
    plan = canary(tmp_path, {"metrics": metrics} if metrics else {})
    assert plan.metrics is not None
    assert plan.metrics.interval_s == 5
    assert {"gpu", "slurm"} <= set(plan.metrics.collectors)


def test_of_a_sweep_the_first_trial_is_run(tmp_path: Path) -> None:
    """Its values fill in the variables."""
    (tmp_path / "compose.yaml").write_text(
        "runtime: {backend: host}\nsweep: {parameters: {n: [7, 8]}}\nservices: {one: {command: [echo, '${n}']}}\n"
    )
    loaded = without_sweep(load_spec(tmp_path / "compose.yaml", variables={}))
    assert loaded.spec.sweep is None
    assert loaded.effective()["services"]["one"]["command"] == ["echo", "7"]
