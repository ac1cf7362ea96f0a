"""What was asked for, in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose_core.plan import PlanContext, build_plan
from compose_core.plan.requests import JobRequests, gpus_in
from compose_core.spec import load_spec


def requests_of(folder: Path, slurm: dict[str, Any], **services: dict[str, Any]) -> JobRequests:
    """Of a job on the host with these `x-slurm`."""
    spec = {
        "runtime": {"backend": "host"},
        "x-slurm": slurm,
        "services": {
            name: {"command": ["true"], "x-slurm": value} for name, value in (services or {"one": {}}).items()
        },
    }
    (folder / "compose.yaml").write_text(json.dumps(spec))
    return build_plan(load_spec(folder / "compose.yaml", variables={}), PlanContext(engine="slurm", home="/h")).requests


def test_the_job_asks_in_seconds_bytes_and_totals(tmp_path: Path) -> None:
    """Memory is per node, CPUs and GPUs are counted over all nodes."""
    slurm = {"time": "01:00:00", "nodes": 2, "ntasks_per_node": 4, "cpus_per_task": 3, "mem": "8G", "gpus_per_node": 2}
    asked = requests_of(tmp_path, slurm)
    assert (asked.time_s, asked.nodes, asked.ntasks, asked.cpus) == (3600, 2, 8, 24)
    assert (asked.mem_bytes, asked.gpus) == (8 * 1024**3, 4)


def test_what_is_not_written_is_left_to_the_site(tmp_path: Path) -> None:
    """None is not one."""
    asked = requests_of(tmp_path, {})
    assert (asked.time_s, asked.cpus, asked.mem_bytes, asked.gpus, asked.nodes) == (None, None, None, None, 1)


def test_a_service_asks_for_itself(tmp_path: Path) -> None:
    """Its share of the job is no request."""
    slurm = {"ntasks": 4, "cpus_per_task": 4, "gres": "gpu:4"}
    own = {"ntasks": 2, "cpus_per_task": 3, "mem": "1G", "gpus": 1, "time_limit": "00:05:00"}
    asked = requests_of(tmp_path, slurm, train=own, helper={}).services
    train, helper = asked["train"], asked["helper"]
    assert (train.cpus, train.mem_bytes, train.gpus, train.time_s) == (6, 1024**3, 1, 300)
    assert (helper.cpus, helper.mem_bytes, helper.gpus, helper.ntasks) == (None, None, None, 1)


def test_cpus_may_follow_the_gpus(tmp_path: Path) -> None:
    """`cpus_per_gpu` counts for each."""
    assert requests_of(tmp_path, {"gpus": 4, "cpus_per_gpu": 8}).cpus == 32


@pytest.mark.parametrize(
    ("gres", "count"),
    [
        ("gpu:2", 2),
        ("gpu", 1),
        ("gpu:a100:2,shard:4", 2),
        ("gpu:a100:2(S:0-1)", 2),
        ("gres/gpu:3", 3),
        ("gpu:a100", 1),
        ("gpu:1g.10gb:2,gpu:a100:1", 3),
        ("shard:4", None),
    ],
)
def test_gpus_are_found_in_a_gres_list(gres: str, count: int | None) -> None:
    """Whatever their type."""
    assert gpus_in(gres) == count
