"""Metrics of real jobs: rows from every node, coverage that is stated, and a job that does not care how its sampler fares."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.fake_gpus import put_nvidia_smi
from tests.jobs.project import Project, processes_with
from tests.slurm.bench import SlurmBench

NODES = {"local": 1, "slurm": 2}
SAMPLED = """
    name: sampled
    runtime: {{backend: host}}
    x-slurm:
      nodes: {nodes}
      metrics: {{interval_seconds: 1, collectors: [gpu, slurm, cpu]}}
      artifacts: {{export_dir: ./results, paths: [/hpc-compose/job/metrics/**]}}
    services:
      train:
        script: |
          echo $$ >> ../bin/pids."${{SLURMD_NODENAME:-local}}"
          {work}
        x-slurm: {{nodes: {nodes}}}
"""


@pytest.fixture
def gpus(project: Project) -> Path:
    """A folder with an nvidia-smi that every job of the project finds first on its PATH."""
    folder = put_nvidia_smi(project.folder.parent / "bin")
    project.environment["PATH"] = f"{folder}:{project.environment['PATH']}"
    return folder


def write(project: Project, work: str) -> None:
    """The job above, on as many nodes as the engine has."""
    project.write(SAMPLED.format(nodes=NODES[project.engine], work=work))


def rows(project: Project, job: str, name: str) -> list[dict[str, Any]]:
    """The lines of a file of metrics/; every one of them has to be whole."""
    path = project.job_dir(job) / "metrics" / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def meta(project: Project, job: str) -> dict[str, Any]:
    """The collectors of meta.json, by name."""
    path = project.job_dir(job) / "metrics/meta.json"
    return {item["name"]: item for item in json.loads(path.read_text())["collectors"]} if path.exists() else {}


def until_rows(name: str, wanted: int) -> str:
    """Shell text that waits until each node wrote so many lines."""
    path = f'"$HPC_COMPOSE_JOB_DIR/metrics/{name}"'
    return f"until [ $(cat {path} 2>/dev/null | wc -l) -ge {wanted} ]; do sleep 0.1; done"


def test_every_node_is_sampled_and_the_job_itself_sees_the_rows(project: Project, gpus: Path) -> None:
    """What a tool does not know is null; processes are known by their service."""
    count = NODES[project.engine]
    write(project, until_rows("gpu_processes.jsonl", 3 * count))
    job = project.up()["job_id"]
    nodes = (project.job_dir(job) / "allocation/nodes.txt").read_text().split()
    assert len(nodes) == count
    gpu = rows(project, job, "gpu.jsonl")
    assert {(row["node"], row["index"]) for row in gpu} == {(node, index) for node in nodes for index in (0, 1)}
    busy, idle = (next(row for row in gpu if row["index"] == index) for index in (0, 1))
    assert (busy["utilization_gpu"], busy["power_draw_w"], busy["throttle_reasons"]) == (97, 389.12, ["sw_power_cap"])
    unknown = ("utilization_gpu", "utilization_memory", "power_draw_w", "power_limit_w")
    assert [idle[key] for key in unknown] == [None] * 4
    processes = rows(project, job, "gpu_processes.jsonl")
    assert {(row["node"], row["service"]) for row in processes} == {(node, "train") for node in nodes}
    assert {row["node"] for row in rows(project, job, "cpu.jsonl")} == set(nodes)
    collectors = meta(project, job)
    for name in ("gpu", "cpu"):
        coverage = collectors[name]["coverage"]
        assert collectors[name]["available"] is True
        assert (coverage["expected_nodes"], coverage["observed_nodes"], coverage["degraded"]) == (count, count, False)
    for node in nodes:
        folder = project.job_dir(job) / "metrics/diagnostics/nodes" / node
        assert "Attached GPUs : 2" in (folder / "nvidia-smi-q.txt").read_text()
        assert "HPC_COMPOSE_SUBMISSION_TOKEN=***" in (folder / "env.txt").read_text()
    collected = project.job_dir(job) / "artifacts/payload/metrics"
    assert (collected / "gpu.jsonl").read_text() == (project.job_dir(job) / "metrics/gpu.jsonl").read_text()
    assert project.events(job, "metrics_degraded") == []
    _check_steps(project, job, collectors["slurm"])


def _check_steps(project: Project, job: str, collector: dict[str, Any]) -> None:
    steps = rows(project, job, "slurm.jsonl")
    if project.engine == "local":
        assert (collector["available"], collector["coverage"]["degraded"], steps) == (False, False, [])
        return
    assert collector["coverage"]["scope"] == "batch_node"
    named = {row["service"] for row in steps if not row["step_id"].endswith(".batch")}
    assert named == {"train"}, "the sampler's own step is left out, the service's is known"
    assert all(isinstance(row["max_rss_bytes"], int) and row["alloc_tres"] is None for row in steps)


def test_there_is_a_last_sample_after_the_services_have_ended(project: Project, gpus: Path) -> None:
    """With an interval that is longer than the job there are the first and the last one."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {metrics: {interval_seconds: 600, collectors: [cpu]}}
        services:
          work: {script: 'until [ -s "$HPC_COMPOSE_JOB_DIR/metrics/cpu.jsonl" ]; do sleep 0.1; done'}
    """)
    job = project.up()["job_id"]
    first, last = rows(project, job, "cpu.jsonl")
    assert (first["cpu_util_pct"], last["cpu_util_pct"] is None) == (None, False)
    (ended,) = project.events(job, "exited")
    assert first["sampled_at"] < ended["at"] <= last["sampled_at"]


def test_a_lost_gpu_is_told_once_with_evidence_and_the_job_completes(project: Project, gpus: Path) -> None:
    """Fewer than at the start; the other GPU goes on being sampled."""
    wait = 'until grep -q metrics_degraded "$HPC_COMPOSE_JOB_DIR/events.jsonl"; do sleep 0.1; done; sleep 2'
    write(project, until_rows("gpu.jsonl", 2) + f"; touch ../bin/lost; {wait}")
    job = project.up()["job_id"]
    (event,) = project.events(job, "metrics_degraded")
    assert event["collector"] == "gpu"
    assert "no answer about GPU 1 (NVIDIA A100-SXM4-80GB, GPU-1-" in event["message"]
    coverage = meta(project, job)["gpu"]["coverage"]
    assert (coverage["degraded"], coverage["observed_nodes"]) == (True, NODES[project.engine])
    evidence = list((project.job_dir(job) / "metrics/diagnostics/nodes").glob("*/gpu-problem.txt"))
    assert "GPU is lost" in evidence[0].read_text()
    assert rows(project, job, "gpu.jsonl")[-1]["index"] == 0


def test_a_tool_that_hangs_holds_up_nothing_and_is_not_piled_up(project: Project, gpus: Path) -> None:
    """CPUs go on being sampled, and the job ends in time."""
    (gpus / "hangs").touch()
    write(project, until_rows("cpu.jsonl", 8 * NODES[project.engine]))
    job = project.up()["job_id"]
    assert rows(project, job, "gpu.jsonl") == []
    seconds = [row["sampled_at"] for row in rows(project, job, "cpu.jsonl") if row["node"] == _first_node(project, job)]
    assert max(later - earlier for earlier, later in itertools.pairwise(seconds)) < 4
    asked = [line for path in gpus.glob("asked.*") for line in path.read_text().splitlines() if "query-gpu" in line]
    assert 1 <= len(asked) <= 4 * NODES[project.engine]
    token = project.state(job)["submission_token"]
    project.wait(lambda: not processes_with(f"HPC_COMPOSE_SUBMISSION_TOKEN={token}"), "nothing is left running", 20)


def _first_node(project: Project, job: str) -> str:
    return (project.job_dir(job) / "allocation/primary_node").read_text().strip()


def test_a_sampler_that_cannot_run_costs_samples_only(project: Project) -> None:
    """Here its interpreter fails: told once, the job completes."""
    broken = project.folder.parent / "bin/broken-python"
    broken.parent.mkdir()
    broken.write_text('#!/bin/bash\n[[ "$*" != *"hpc-compose sampler"* ]] || exit 7\nexec python3 "$@"\n')
    broken.chmod(0o755)
    project.environment["HPC_COMPOSE_PYTHON"] = str(broken)
    wait = 'until grep -q metrics_degraded "$HPC_COMPOSE_JOB_DIR/events.jsonl"; do sleep 0.1; done'
    write(project, wait)
    job = project.up()["job_id"]
    assert project.state(job)["job_status"] == "COMPLETED"
    events = project.events(job, "metrics_degraded")
    assert events
    assert "the sampler ended with 7" in events[0]["message"]
    assert len({event["collector"] for event in events}) == len(events)


def test_cancelling_ends_the_sampler_with_the_job(project: Project, gpus: Path) -> None:
    """Within KillWait, with the final state written."""
    write(project, "exec sleep 600")
    job = project.submit()
    project.wait(lambda: rows(project, job, "gpu.jsonl"), "it samples")
    token = project.state(job)["submission_token"]
    project.hpcc("cancel", "--job-id", job)
    project.wait(lambda: project.state(job).get("job_status") == "CANCELLED", "the final state is written")
    project.wait(lambda: not processes_with(f"HPC_COMPOSE_SUBMISSION_TOKEN={token}"), "nothing is left running", 20)


def test_the_command_line_turns_metrics_off_and_on(project: Project, gpus: Path) -> None:
    """Whatever the file says."""
    project.write("runtime: {backend: host}\nservices: {a: {command: 'true'}}\n", "none.yaml")
    write(project, "true")
    job = project.up("--no-metrics")["job_id"]
    assert not (project.job_dir(job) / "metrics").exists()
    assert "def run_sampler(" not in project.hpcc("render", "-f", "none.yaml").stdout
    job = project.up("-f", "none.yaml", "--metrics-interval", "7")["job_id"]
    report = json.loads((project.job_dir(job) / "metrics/meta.json").read_text())
    assert (report["interval_seconds"], [item["name"] for item in report["collectors"]]) == (7, ["gpu", "slurm"])
    project.hpcc("up", "--no-metrics", "--metrics-interval", "7", code=2)


@pytest.mark.slurm
@pytest.mark.parametrize(
    ("job_asks", "service_asks", "sees"),
    [
        ('gres: "gpu:2"', 'gres: "gpu:2"', ["0,1", "0,1"]),
        ("gpus: 4", "gpus: 4", ["0,1", "0,1"]),
        ("gpus_per_node: 2, cpus_per_gpu: 2, mem_per_gpu: 300M", "gpus_per_node: 2", ["0,1", "0,1"]),
        (
            "ntasks: 4, ntasks_per_node: 2, gpus_per_task: 1",
            "ntasks: 4, ntasks_per_node: 2, gpus_per_task: 1",
            ["0,1", "0,1"],
        ),
        ('submit_args: ["--gpus=3"]', "extra_srun_args: [--gpus=3]", None),  # 2 and 1
    ],
)
def test_the_sampler_sees_all_gpus_of_the_job_while_a_service_holds_them(
    slurm_bench: SlurmBench, shared_tmp: Path, job_asks: str, service_asks: str, sees: list[str] | None
) -> None:
    """However the job asked for them; Slurm tells each process on its node which they are.

    Where nodes have different numbers of GPUs, Slurm chooses what the step gets.
    """
    project = Project(shared_tmp / "project", "slurm", slurm_bench.environment)
    wait = until_rows("cpu.jsonl", 2)
    project.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{nodes: 2, {job_asks}, metrics: {{interval_seconds: 1, collectors: [cpu]}}}}
        services:
          hold: {{script: '{wait}', x-slurm: {{nodes: 2, {service_asks}}}}}
    """)
    job = project.up()["job_id"]
    files = sorted((project.job_dir(job) / "metrics/diagnostics/nodes").glob("*/env.txt"))
    seen = [
        line for path in files for line in path.read_text().splitlines() if line.startswith("CUDA_VISIBLE_DEVICES=")
    ]
    assert sees is None or seen == [f"CUDA_VISIBLE_DEVICES={gpus}" for gpus in sees]
    assert len(seen) == 2
    assert project.events(job, "metrics_degraded") == []


@pytest.mark.slurm
def test_a_node_that_cannot_sample_is_named_and_the_others_go_on(slurm_bench: SlurmBench, shared_tmp: Path) -> None:
    """Its interpreter fails; the step is not ended for that."""
    project = Project(shared_tmp / "project", "slurm", slurm_bench.environment)
    picky = project.folder.parent / "picky-python"
    picky.write_text('#!/bin/bash\n[[ $SLURM_NODEID != 1 ]] || exit 7\nexec python3 "$@"\n')
    picky.chmod(0o755)
    project.environment["HPC_COMPOSE_PYTHON"] = str(picky)
    project.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{nodes: 2, metrics: {{interval_seconds: 1, collectors: [cpu]}}}}
        services:
          work: {{script: '{until_rows("cpu.jsonl", 35)}'}}
    """)
    job = project.up()["job_id"]
    first, second = (project.job_dir(job) / "allocation/nodes.txt").read_text().split()
    assert {row["node"] for row in rows(project, job, "cpu.jsonl")} == {first}
    coverage = meta(project, job)["cpu"]["coverage"]
    assert (coverage["expected_nodes"], coverage["observed_nodes"], coverage["degraded"]) == (2, 1, True)
    (event,) = project.events(job, "metrics_degraded")
    assert event["message"] == "nothing came from 1 of 2 nodes"
    assert f"{second}: task 1: Exited with exit code 7" in (project.job_dir(job) / "metrics/sampler.log").read_text()


def test_each_attempt_of_a_resumed_job_has_samples_of_its_own(project: Project, gpus: Path) -> None:
    """Reached by the link of the newest one."""
    shared = project.folder.parent / "shared"
    shared.mkdir()
    project.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{resume: {{path: {shared}}}, metrics: {{interval_seconds: 1}}}}
        services:
          work: {{script: '{until_rows("gpu.jsonl", 2)}'}}
    """)
    job = project.up()["job_id"]
    assert (project.job_dir(job) / "metrics").is_symlink()
    assert (project.job_dir(job) / "attempts/0/metrics/diagnostics/nodes").is_dir()
    assert len(rows(project, job, "gpu.jsonl")) >= 2
