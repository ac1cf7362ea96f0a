"""The partition that fits a job best, in the format that profiles for Slurm have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compose_core import SpecError
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.partitions import Partitions, read_partitions
from snakemake_executor_plugin_hpccompose.resources import request_of
from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts

pytestmark = pytest.mark.adapters

SITE = """\
partitions:
  small: {max_runtime: 2h, max_mem_mb: 8000, max_threads: 4, max_nodes: 1}
  long: {max_runtime: 7-00:00:00, max_mem_mb: 8000, max_threads: 4, supports_mpi: false}
  big: {max_runtime: 1d, max_mem_mb: 1000000, max_threads: 128, max_mem_mb_per_cpu: 8000, available_constraints: [intel, avx2]}
  gpu: {max_runtime: 1d, max_gpu: 4, available_gpu_models: [a100, v100], max_cpus_per_gpu: 16, max_threads: 64}
  far: {cluster: other, max_runtime: 2h}
"""


def partitions(folder: Path, text: str = SITE) -> Partitions:
    path = folder / "partitions.yaml"
    path.write_text(text)
    return read_partitions(path)


def best(known: Partitions, threads: int = 1, **resources: Any) -> str:
    facts = RuleFacts(name="align", rules=("align",), threads=threads, resources=resources)
    return known.best(request_of(facts), "align")


@pytest.mark.parametrize(
    ("threads", "resources", "name"),
    [
        (1, {"runtime": 60, "mem_mb": 1000}, "small"),
        (4, {"runtime": 120, "mem_mb": 8000}, "small"),
        (4, {"runtime": "3d"}, "long"),
        (5, {"runtime": 60}, "gpu"),
        (100, {"runtime": 60}, "big"),
        (1, {"mem_mb": 9000, "runtime": 60}, "big"),
        (1, {"mem_mb_per_cpu": 8000, "runtime": 200}, "big"),
        (1, {"gpu": 1}, "gpu"),
        (1, {"gpu": 4, "gpu_model": "v100"}, "gpu"),
        (1, {"gres": "gpu:a100:2"}, "gpu"),
        (1, {"gpu": 1, "cpus_per_gpu": 16}, "gpu"),
        (1, {"nodes": 2, "tasks": 2, "mpi": "srun", "runtime": 60, "mem_mb": 1000}, "gpu"),
        (1, {"constraint": "intel,avx2", "mem_mb": 900000}, "big"),
        (1, {"clusters": "other", "runtime": 10}, "far"),
        (1, {"slurm_cluster": "other"}, "far"),
    ],
)
def test_the_partition_whose_limits_are_used_most_is_chosen(
    tmp_path: Path, threads: int, resources: dict[str, Any], name: str
) -> None:
    assert best(partitions(tmp_path), threads, **resources) == name


@pytest.mark.parametrize(
    ("limit", "resources", "says"),
    [
        ("max_runtime: 1h", {"runtime": 61}, "runtime=61 is more than its max_runtime 60"),
        ("max_mem_mb: 100", {"mem_mb": 101}, "mem_mb=101"),
        ("max_mem_mb_per_cpu: 100", {"mem_mb_per_cpu": 101}, "max_mem_mb_per_cpu 100"),
        ("max_cpus_per_task: 2", {"cpus_per_task": 3}, "cpus_per_task=3"),
        ("max_threads: 2", {"threads": 3}, "threads=3"),
        ("max_threads: 2", {"cpus_per_task": 3}, "threads=3"),
        ("max_nodes: 1", {"nodes": 2}, "nodes=2"),
        ("max_tasks: 4", {"tasks": 5}, "tasks=5"),
        ("max_tasks_per_node: 4", {"tasks_per_node": 5}, "tasks_per_node=5"),
        ("max_nodes: 9", {"gpu": 1}, "gpu=1 is more than its max_gpu 0"),
        ("max_gpu: 2", {"gpu": 3}, "max_gpu 2"),
        ("max_gpu: 2, available_gpu_models: [a100]", {"gpu": 1, "gpu_model": "h100"}, "available_gpu_models: a100"),
        ("max_gpu: 2, max_cpus_per_gpu: 4", {"gpu": 1, "cpus_per_gpu": 5}, "max_cpus_per_gpu 4"),
        ("supports_mpi: false", {"mpi": "srun", "tasks": 2}, "supports_mpi: false"),
        ("max_mpi_tasks: 4", {"mpi": "srun", "tasks": 5}, "max_mpi_tasks 4"),
        ("available_constraints: [amd]", {"constraint": "amd,intel"}, "no intel"),
        ("cluster: a", {"clusters": "b"}, "cluster a, not to b"),
        ("cluster: a", {}, "cluster a, not to (none named)"),
        ("max_nodes: 1", {"clusters": "b"}, "(none named), not to b"),
    ],
)
def test_where_a_job_fits_nowhere_each_reason_is_told_with_its_line(
    tmp_path: Path, limit: str, resources: dict[str, Any], says: str
) -> None:
    known = partitions(tmp_path, f"partitions:\n  only: {{{limit}}}\n")
    with pytest.raises(RuleError) as caught:
        best(known, **resources)
    text = str(caught.value)
    assert text.startswith(f"rule align: {tmp_path}/partitions.yaml:1:1 partitions")
    assert f"{tmp_path}/partitions.yaml:2:3 partitions.only: " in text
    assert says in text


@pytest.mark.parametrize(
    ("limit", "resources"),
    [
        ("max_runtime: UNLIMITED", {"runtime": 10**6}),
        ("max_mem_mb: 100", {"mem_mb": 100}),
        ("max_tasks: 4", {}),
        ("max_mpi_tasks: 4", {"tasks": 5}),
        ("available_gpu_models: [a100], max_gpu: 1", {"gpu": 1}),
        ("available_constraints: [amd]", {}),
        ("max_gpu: 1", {"constraint": "anything"}),
    ],
)
def test_a_limit_that_is_kept_is_none(tmp_path: Path, limit: str, resources: dict[str, Any]) -> None:
    assert best(partitions(tmp_path, f"partitions:\n  only: {{{limit}}}\n"), **resources) == "only"


def test_of_equals_the_first_is_chosen(tmp_path: Path) -> None:
    assert best(partitions(tmp_path, "partitions:\n  b: {max_nodes: 3}\n  a: {max_nodes: 3}\n")) == "b"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("partitions: {}", "at least one"),
        ("partition: {a: {}}", "partitions.yaml:1:1"),
        ("partitions:\n  a: {max_mem: 3}", "partitions.yaml:2:7 partitions.a.max_mem"),
        ("partitions:\n  a: {max_mem_mb: lots}", "partitions.yaml:2:19"),
        ("partitions:\n  a: {max_runtime: soon!}", "Write it as in 2h"),
        ("partitions:\n  a: {max_gpu: 1.5}", "integer"),
        ("partitions:\n  a b: {}", "partitions.yaml:2:3"),
        ("partitions: [a]", "a mapping"),
        ("partitions:\n  a: {supports_mpi: maybe}", "true or false"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        partitions(tmp_path, text)
    assert says in str(caught.value)
