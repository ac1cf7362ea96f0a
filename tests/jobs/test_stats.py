"""`hpcc stats` of real jobs: what they really used, and what is said where nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.fake_gpus import put_nvidia_smi
from tests.jobs.project import EngineName, Project, check_report
from tests.slurm.bench import SlurmBench

MIB = 1024 * 1024
BURN = """
import sys, time
memory = bytearray(int(sys.argv[2]) * 1024 * 1024)
for place in range(0, len(memory), 4096):
    memory[place] = 1
begin = time.process_time()
while time.process_time() - begin < float(sys.argv[1]):
    pass
time.sleep(float(sys.argv[3]))
"""
JOB = """
name: burn
runtime: {backend: host}
x-slurm: {cpus_per_task: 4, mem: 400M, time: "00:05:00", metrics: {interval_seconds: 1}}
services:
  train: {command: [python3, burn.py, "3", "100", "2"], x-slurm: {cpus_per_task: 2}}
"""


def write(project: Project, text: str = JOB) -> None:
    (project.folder / "burn.py").write_text(BURN)
    project.write(text)


def test_a_job_tells_what_it_used(project: Project) -> None:
    """3 s of CPU time and 100 MiB, of 4 CPUs and 400 MiB that were set aside; GPUs each by itself."""
    folder = put_nvidia_smi(project.folder.parent / "bin")
    project.environment["PATH"] = f"{folder}:{project.environment['PATH']}"
    write(project)
    job = project.up()["job_id"]
    report = project.json("stats", "--accounting")
    usage = report["usage"]
    assert usage["cpu"]["basis"] == {"slurm": "accounting", "local": "process"}[project.engine]
    assert 3 <= usage["cpu"]["used_s"] < 6
    assert usage["memory"]["largest_task_bytes"] > 100 * MIB
    busy, idle = usage["gpus"]["devices"]
    assert (busy["utilization_mean"], busy["power_mean_w"]) == (pytest.approx(97), pytest.approx(389.12))
    assert (idle["utilization_mean"], idle["energy_wh"]) == (None, None)
    assert usage["energy"]["gpu_kwh"] == pytest.approx(389.12 * busy["covered_s"] / 3.6e6, rel=0.01)
    if project.engine == "slurm":
        _check_accounting(report)
    else:
        assert (usage["cpu"]["efficiency"], report["accounting"]["available"]) == (None, False)
    shown = project.hpcc("stats").stdout
    assert "GPU 0" in shown
    assert "over time" in shown
    project.hpcc("stats", "--plot", "run.png", "--quiet")
    assert (project.folder / "run.png").read_bytes().startswith(b"\x89PNG")
    assert report["metrics_dir"] == str(project.job_dir(job) / "metrics")


def _check_accounting(report: dict[str, object]) -> None:
    usage, accounting = report["usage"], report["accounting"]
    assert isinstance(usage, dict)
    assert isinstance(accounting, dict)
    cpu, memory = usage["cpu"], usage["memory"]
    assert (cpu["allocated"], cpu["allocated_s"]) == (4, 4 * usage["wall_s"])
    assert cpu["efficiency"] == pytest.approx(cpu["used_s"] / (4 * usage["wall_s"]))
    assert memory["allocated_bytes_per_node"] == 400 * MIB
    assert 100 * MIB < memory["peak_bytes_per_node"] < 250 * MIB
    assert memory["peak_node"].startswith("node")
    assert accounting["total_cpu_hours"] < accounting["allocated_cpu_hours"]
    assert {row["step"] for row in accounting["rows"]} >= {None, "batch", "0"}
    (step,) = [step for step in usage["steps"] if step["service"] == "train"]
    assert (step["cpu"]["allocated"], step["state"]) == (2, "COMPLETED")
    assert step["cpu"]["used_s"] > 3


def test_each_task_of_an_array_tells_for_itself(project: Project) -> None:
    write(project, JOB.replace('mem: 400M, time: "00:05:00"', 'mem: 400M, time: "00:05:00", array: "0-1"'))
    job = project.up()["job_id"]
    report = project.json("stats", "--accounting")
    assert [task["job_id"] for task in report["array"]] == [f"{job}_0", f"{job}_1"]
    assert [task["usage"]["cpu"]["used_s"] >= 3 for task in report["array"]] == [True, True]
    assert report["usage"]["cpu"]["used_s"] == pytest.approx(
        sum(task["usage"]["cpu"]["used_s"] for task in report["array"])
    )
    project.hpcc("stats", "--plot", "run.png", code=2)


def test_it_is_watched_until_the_end(project: Project) -> None:
    """Without a terminal as JSON Lines; the running job without samples is known from its steps."""
    write(project, JOB.replace(", metrics: {interval_seconds: 1}", "").replace('"3", "100", "2"', '"1", "80", "8"'))
    job = project.submit()
    project.wait(lambda: project.service(job, "train").get("status") == "running", "the service to run")
    if project.engine == "slurm":
        project.wait(lambda: _asked(project, job)["steps"][1:], "its step to be measured", 30)
        (step,) = [step for step in _asked(project, job)["steps"] if step["service"] == "train"]
        assert step["max_rss"] > 60 * MIB
    lines = project.hpcc("stats", "--watch", "--interval", "1", "--job-id", job).stdout.splitlines()
    summaries = [row for row in map(json.loads, lines) if row["type"] == "summary"]
    assert len(summaries) > 2
    assert summaries[-1]["scheduler"]["state"] == "COMPLETED"
    if project.engine == "slurm":
        assert {row["source"] for row in summaries[:-1]} == {"sstat"}
    else:
        assert summaries[-1]["usage"]["cpu"]["used_s"] >= 1


def _asked(project: Project, job: str) -> dict[str, Any]:
    report = project.json("stats", "--job-id", job)
    assert report["source"] in ("sstat", None)
    return report


@pytest.fixture
def private_bench(slurm_programs: None, tmp_path: Path, engine: EngineName) -> Iterator[SlurmBench]:
    """A cluster whose database may be stopped."""
    with SlurmBench(nodes=1) as bench:
        yield bench


@pytest.mark.slurm
@pytest.mark.parametrize("engine", ["slurm"])
def test_a_database_that_does_not_answer_is_no_zero(private_bench: SlurmBench, engine: EngineName) -> None:
    """It is told, and the samples speak."""
    project = Project(private_bench.shared_dir / "project", "slurm", private_bench.environment)
    write(project)
    project.up()
    private_bench.stop_database()
    report = project.json("stats", "--accounting")
    accounting = report["accounting"]
    assert (accounting["available"], accounting["kind"], accounting["total_cpu_hours"]) == (False, "unreachable", None)
    assert report["usage"]["cpu"]["basis"] == "samples"
    assert any("unknown, not zero" in note for note in report["notes"])


@pytest.mark.slurm
@pytest.mark.parametrize("engine", ["slurm"])
def test_a_site_without_accounting_says_so(slurm_bench_without_accounting: SlurmBench, engine: EngineName) -> None:
    """And nothing waits for it."""
    bench = slurm_bench_without_accounting
    project = Project(bench.shared_dir / "stats-project", "slurm", bench.environment)
    write(project)
    project.up()
    report = project.json("stats", "--accounting")
    check_report("stats", report)
    assert (report["accounting"]["kind"], report["accounting"]["rows"]) == ("disabled", [])
    assert any("keeps no accounting" in note for note in report["notes"])
    assert report["usage"]["cpu"]["used_s"] >= 2
    assert report["usage"]["memory"]["peak_bytes_per_node"] > 100 * MIB
