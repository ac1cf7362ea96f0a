"""Usage of a job from what sacct, sstat and the sampler told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.cluster.sacct_usage import parse_sacct_usage
from compose_core.cluster.sstat import parse_sstat
from compose_core.cluster.usage_rows import StepUsage, UsageRow
from compose_core.insight.nodelist import node_names
from compose_core.insight.samples import MetricRows, sum_up
from compose_core.insight.usage import is_settled, job_usage
from compose_core.insight.usage_sum import sum_of
from compose_core.job_state import JobId, JobState
from compose_core.records.requests import RecordedJobRequests

MIB = 1024 * 1024
_FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "slurm-22.05"


def recorded(name: str) -> str:
    return str(json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))["stdout"])


def row(step: str = "", **fields: object) -> UsageRow:
    defaults = {"job_id": JobId("41"), "state": JobState.COMPLETED, "start": 100.0, "end": 200.0, "elapsed_s": 100.0}
    return UsageRow(**{**defaults, "step": step, **fields})  # type: ignore[arg-type]


def test_cpu_efficiency_is_the_time_used_by_the_time_set_aside() -> None:
    """Not CPUTimeRAW, which is allocated by definition."""
    rows = parse_sacct_usage(recorded("usage_completed")).rows
    usage = job_usage("4001", rows=rows)
    assert usage.cpu.basis == "accounting"
    assert usage.cpu.efficiency is not None
    assert usage.cpu.efficiency == sum(row.total_cpu_s or 0 for row in rows if not row.step) / (
        usage.cpu.allocated_s or 0
    )
    assert 0 < usage.cpu.efficiency < 0.7
    assert usage.cpu.allocated == 4
    assert {step.step for step in usage.steps} == {"batch", "0", "1"}
    assert (usage.gpus_allocated, usage.nodes, usage.time_limit_s) == (2, 2, 300)
    assert usage.memory_byte_seconds == pytest.approx(1000 * MIB * (usage.wall_s or 0))
    assert is_settled(rows)


def test_memory_is_that_of_the_node_that_needed_most() -> None:
    """Two steps ran at the same time, one on node1 alone, one with two tasks on each node."""
    usage = job_usage("4001", rows=parse_sacct_usage(recorded("usage_completed")).rows)
    memory = usage.memory
    assert memory.allocated_bytes == 500 * MIB
    assert memory.peak_node == "node1"
    assert memory.peak_bytes is not None
    assert memory.largest_task_bytes is not None
    assert memory.largest_task_bytes < memory.peak_bytes < 250 * MIB
    assert memory.peak_bytes > 50 * MIB + 2 * 30 * MIB
    assert "evenly" in memory.basis


def test_steps_after_each_other_do_not_add_up() -> None:
    """A service that was restarted."""
    rows = [
        row(alloc_cpus=2, nnodes=1),
        row("0", start=100.0, end=150.0, max_rss_bytes=60.0, nodelist="node1"),
        row("1", start=150.0, end=200.0, max_rss_bytes=70.0, nodelist="node1"),
    ]
    assert job_usage("41", rows=rows).memory.peak_bytes == 70
    together = [rows[0], rows[1], row("1", max_rss_bytes=70.0, nodelist="node[1-2]")]
    assert job_usage("41", rows=together).memory.peak_bytes == 130


def test_a_site_that_gathers_nothing_has_unknown_usage_not_zero() -> None:
    rows = [row(alloc_cpus=2, cpu_time_s=200.0, total_cpu_s=0.0), row("batch", total_cpu_s=0.0)]
    usage = job_usage("41", rows=rows)
    assert (usage.cpu.used_s, usage.cpu.efficiency, usage.cpu.basis) == (None, None, "")
    assert usage.memory.peak_bytes is None


def test_a_running_job_is_known_from_what_its_steps_use_now() -> None:
    """The accounting counts steps once they have ended; until then its zeros mean nothing."""
    rows = [
        row(state=JobState.RUNNING, end=None, alloc_cpus=4, cpu_time_s=400.0, total_cpu_s=0.0, nnodes=1),
        row("0", state=JobState.COMPLETED, total_cpu_s=30.0, max_rss_bytes=10.0, nodelist="node1", end=150.0),
        row("1", state=JobState.RUNNING, start=150.0, end=None, total_cpu_s=0.0, nodelist="node1", ntasks=2),
    ]
    live = [
        StepUsage(
            job_id="41",
            step="1",
            ntasks=2,
            ave_cpu_s=20,
            max_rss_bytes=50.0,
            tres_usage_in_tot={"cpu": 41.0, "mem": 90.0},
        )
    ]
    usage = job_usage("41", rows=rows, live=live, wall_s=100.0)
    assert (usage.cpu.used_s, usage.cpu.basis, usage.busy_cpus) == (71.0, "sstat", 0.71)
    assert (usage.memory.peak_bytes, usage.memory.largest_task_bytes) == (90, 50)
    assert not is_settled(rows)


def test_without_accounting_requests_and_sstat_speak() -> None:
    requests = RecordedJobRequests(cpus=8, mem_bytes=4096 * MIB, time_s=600, nodes=2, gpus=4)
    live = parse_sstat(recorded("sstat_running")).steps
    usage = job_usage("41", live=live, requests=requests, wall_s=50.0, state="RUNNING")
    assert (usage.cpu.allocated, usage.cpu.allocated_s, usage.cpu.basis) == (8, 400.0, "sstat")
    assert (usage.memory.requested_bytes, usage.memory.allocated_bytes) == (4096 * MIB, None)
    assert (usage.gpus_requested, usage.gpus_allocated, usage.has_accounting) == (4, None, False)
    assert usage.memory.peak_bytes == pytest.approx(
        sum(step.tres_usage_in_tot["mem"] for step in live if step.step != "extern") / 2
    )


def test_on_this_machine_nothing_is_set_aside() -> None:
    """The local engine knows CPU time and the largest process; there is no share of anything."""
    usage = job_usage("1", rows=[row(total_cpu_s=50.0, max_rss_bytes=7.0)], requests=RecordedJobRequests(cpus=8))
    assert (usage.cpu.used_s, usage.cpu.efficiency, usage.cpu.basis, usage.busy_cpus) == (50, None, "process", 0.5)
    assert usage.cpu_share == pytest.approx(50 / 800), "of the CPUs that were asked for, in score and monitor alike"
    assert (usage.memory.peak_bytes, usage.memory.basis) == (7, "the largest process alone: a lower bound")


def test_tasks_add_up_and_their_efficiency_is_that_of_the_sum() -> None:
    first = job_usage("7_0", rows=[row(alloc_cpus=2, cpu_time_s=200.0, total_cpu_s=150.0), row("0", max_rss_bytes=5.0)])
    second = job_usage("7_1", rows=[row(alloc_cpus=2, cpu_time_s=100.0, total_cpu_s=10.0), row("0", max_rss_bytes=9.0)])
    waiting = job_usage("7_2")
    both = sum_of([first, second, waiting], job_id="7", state="RUNNING")
    assert (both.cpu.used_s, both.cpu.allocated_s, both.tasks) == (160, 300, 2)
    assert both.memory.peak_bytes == 9


def gpu(at: float, index: int = 0, **fields: object) -> dict[str, object]:
    return {"sampled_at": at, "node": "node1", "index": index, "uuid": f"GPU-{index}", "name": "H200", **fields}


def test_each_gpu_has_figures_of_its_own() -> None:
    """One busy and one idle GPU are not two that are half busy; means are weighted by time."""
    rows = [
        gpu(0, utilization_gpu=100, memory_used_mib=10, power_draw_w=700),
        gpu(0, 1, utilization_gpu=0, power_draw_w=100),
    ]
    rows += [
        gpu(10, utilization_gpu=100, memory_used_mib=30, power_draw_w=700),
        gpu(10, 1, utilization_gpu=0, power_draw_w=100),
    ]
    rows += [gpu(12, utilization_gpu=50, memory_used_mib=20, power_draw_w=300)]
    samples = sum_up(None, MetricRows(gpu=rows))
    busy, idle = samples.gpus
    assert busy.utilization_mean == pytest.approx((100 * 10 + 75 * 2) / 12)
    assert (busy.utilization_max, busy.memory_peak_mib, busy.power_max_w, busy.samples) == (100, 30, 700, 3)
    assert (idle.utilization_mean, idle.utilization_max) == (0, 0)
    assert busy.energy_j == pytest.approx(700 * 10 + 500 * 2)
    usage = job_usage("41", samples=samples, wall_s=48.0)
    assert usage.gpu_energy_kwh == pytest.approx((8000 + 1000) / 3.6e6)
    assert usage.gpu_energy_coverage == pytest.approx(11 / 48)
    assert any("cover 23%" in note for note in usage.notes)


def test_a_gap_is_no_measurement() -> None:
    """A sampler that was away for an hour did not see 700 W for an hour."""
    rows = [gpu(at, power_draw_w=700) for at in (0, 5, 10, 3610, 3615)]
    (device,) = sum_up(None, MetricRows(gpu=rows)).gpus
    assert device.energy_j == 700 * 15
    assert device.power_covered_s == 15


def test_hostile_rows_cost_nothing() -> None:
    """Texts for figures, infinities, times of another planet, thousands of devices."""
    rows = [gpu(1e300, utilization_gpu=1), gpu(5, utilization_gpu="97", power_draw_w=float("inf"), uuid=["x"])]
    rows += [gpu(6, uuid=f"GPU-{number}") for number in range(5000)]
    samples = sum_up(None, MetricRows(gpu=rows, slurm=[{"sampled_at": 5, "ntasks": 1e99}], cpu=[{"sampled_at": 5}]))
    assert len(samples.gpus) == 2048
    assert samples.gpus[0].utilization_mean is None
    assert any("left out" in note for note in samples.notes)


def test_cpus_and_memory_of_steps_over_time() -> None:
    """From cumulative means in whole seconds to busy CPUs; all steps of one answer together."""
    rows = []
    for at in range(0, 60, 5):
        rows.append(
            {
                "sampled_at": at,
                "step_id": "41.0",
                "ntasks": 4,
                "ave_cpu_s": at // 2,
                "ave_rss_bytes": 10,
                "max_rss_bytes": 12,
            }
        )
        rows.append(
            {
                "sampled_at": at,
                "step_id": "41.batch",
                "ntasks": 1,
                "ave_cpu_s": 0,
                "ave_rss_bytes": 5,
                "max_rss_bytes": 5,
            }
        )
    samples = sum_up(None, MetricRows(slurm=rows))
    assert samples.step_memory_peak == 45
    assert {step.step_id: step.cpu_s for step in samples.steps} == {"41.batch": 0, "41.0": 4 * 27}
    mean = sum(point.mean for point in samples.step_cpu) / len(samples.step_cpu)
    assert mean == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node1", ("node1",)),
        ("node[1-3,07],login", ("node1", "node2", "node3", "node07", "login")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("", ()),
        ("node[1-999999999]", ()),
        ("node[x]", ()),
        ("node[3-1]", ()),
    ],
)
def test_node_names(text: str, names: tuple[str, ...]) -> None:
    assert node_names(text) == names
