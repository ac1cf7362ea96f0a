"""What to ask for the next time."""

from __future__ import annotations

from typing import Any

import pytest

from compose_core.insight.rightsize import RightSize, rightsize
from compose_core.insight.rightsize_tasks import of_tasks
from compose_core.insight.run_facts import Canary
from compose_core.insight.suggestion import Suggestion, memory_step, memory_text, time_step
from compose_core.insight.usage import JobUsage
from compose_core.job_state import JobState
from compose_core.plan.requests import with_gpu_count
from compose_core.records.requests import RecordedJobRequests
from compose_core.records.state import ServiceState
from tests.core.insight.runs import record
from tests.core.insight.usages import GIB, HOUR, cpu, gpu, memory, samples, step, usage


def advice(found: JobUsage, state: JobState = JobState.COMPLETED, **changes: Any) -> RightSize:
    """For a job with this usage."""
    config = changes.pop("config", "x-slurm: {mem: 8G}\n")
    job = record(requests=found.requests.model_dump() if found.requests else None, config_snapshot_yaml=config)
    return rightsize(job, found, state=state, **changes)


def by_key(found: RightSize) -> dict[str, Suggestion]:
    return {suggestion.key: suggestion for suggestion in found.suggestions}


def verdicts(found: RightSize) -> dict[tuple[str, str | None], str]:
    return {(item.resource, item.service): item.verdict for item in found.untouched}


def test_a_job_that_fits_is_left_alone() -> None:
    """With the reason for each resource."""
    found = advice(usage())
    assert found.suggestions == ()
    assert verdicts(found) == {("memory", None): "fits", ("cpus", None): "fits", ("time", None): "fits"}
    assert found.yaml_patch == ""


def test_a_job_that_asked_for_too_much_is_told_so() -> None:
    """Each with a quarter of room, or more, above what was used."""
    found = advice(usage(memory=memory(1.5), cpu=cpu(used_s=1.1 * HOUR), wall_s=HOUR, time_limit_s=10 * HOUR))
    suggested = by_key(found)
    assert {key: item.direction for key, item in suggested.items()} == dict.fromkeys(
        ("x-slurm.mem", "x-slurm.cpus_per_task", "x-slurm.time"), "less"
    )
    assert found.yaml_patch == "x-slurm:\n  mem: 4G\n  cpus_per_task: 2\n  time: 01:15:00\n"
    assert suggested["x-slurm.mem"].confidence == "high"
    assert "1.5 GiB of 8 GiB" in suggested["x-slurm.mem"].evidence


def test_cpus_are_judged_by_the_time_that_they_worked() -> None:
    """CPUs that were set aside for the whole hour and idle count as idle."""
    suggested = by_key(advice(usage(cpu=cpu(used_s=60.0))))
    assert suggested["x-slurm.cpus_per_task"].suggested == 1
    assert suggested["x-slurm.cpus_per_task"].observed == pytest.approx(0.017)


def test_busy_cpus_are_no_waste() -> None:
    """More of them is a question of the program."""
    found = advice(usage(cpu=cpu(used_s=3.99 * HOUR)))
    assert [item.reason for item in found.untouched if item.resource == "cpus"] == [
        "3.99 CPUs were busy on average of 4: with more CPUs it may be faster, if it can use them"
    ]


@pytest.mark.parametrize(("peak", "suggested"), [(7.9, 12), (3.0, 16), (None, 16)])
def test_a_job_that_ran_out_of_memory_needs_more(peak: float | None, suggested: int) -> None:
    """Half as much again when the peak was seen near the limit, else twice as much."""
    found = advice(usage(memory=memory(peak)), JobState.OUT_OF_MEMORY)
    asked = by_key(found)["x-slurm.mem"]
    assert (asked.direction, asked.suggested) == ("more", memory_step(suggested * GIB))
    assert "ran out of its 8 GiB (OUT_OF_MEMORY)" in asked.evidence
    assert set(by_key(found)) == {"x-slurm.mem"}, "a run that broke off says nothing of what would be too much"
    assert verdicts(found)["time", None] == "unknown"


def test_the_supervisor_knows_which_service_ran_out_of_memory() -> None:
    """Slurm calls such a job FAILED; the service that asks by itself gets more, and the job has to hold it."""
    greedy = ServiceState(
        service_name="train", status="failed", failure_reason="it ran out of memory (exited with 137)"
    )
    found = advice(
        usage(
            asked={"services": {"train": {"mem_bytes": 7 * GIB}}}, steps=(step("train", largest_task_bytes=6.9 * GIB),)
        ),
        JobState.FAILED,
        services=[greedy],
    )
    suggested = by_key(found)
    assert suggested["services.train.x-slurm.mem"].suggested == 16 * GIB
    assert suggested["x-slurm.mem"].suggested == 16 * GIB
    assert found.out_of_memory


def test_a_job_without_a_request_of_its_service_gets_more_as_a_whole() -> None:
    """The job's own request is the limit then."""
    greedy = ServiceState(service_name="train", status="failed", failure_reason="it ran out of memory (killed)")
    assert by_key(advice(usage(), JobState.FAILED, services=[greedy]))["x-slurm.mem"].direction == "more"


def test_memory_that_almost_ran_out_is_a_risk() -> None:
    """All of it used is no ideal."""
    suggested = by_key(advice(usage(memory=memory(7.9))))["x-slurm.mem"]
    assert (suggested.direction, suggested.suggested) == ("more", 16 * GIB)


def test_a_lower_bound_of_memory_lowers_nothing() -> None:
    """The largest process alone does not tell what all of them needed together; near the limit it says enough."""
    known = "the largest process alone: a lower bound"
    found = advice(usage(memory=memory(0.1, basis=known)))
    assert found.suggestions == ()
    [reason] = [item.reason for item in found.untouched if item.resource == "memory"]
    assert reason.startswith("at least 102 MiB of 8 GiB were in use")
    assert reason.endswith("but all processes together may have needed more")
    assert by_key(advice(usage(memory=memory(7.9, basis=known))))["x-slurm.mem"].direction == "more"


def test_a_job_that_its_time_limit_ended_needs_half_as_much_again() -> None:
    """In steps of five minutes; everything else was used for as long as possible, so it may be judged."""
    found = advice(usage(wall_s=5430.0, memory=memory(1.0)), JobState.TIMEOUT)
    suggested = by_key(found)
    assert (suggested["x-slurm.time"].direction, suggested["x-slurm.time"].value) == ("more", "02:15:00")
    assert suggested["x-slurm.mem"].direction == "less"


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.NODE_FAIL, JobState.RUNNING])
def test_a_run_that_broke_off_never_lowers_anything(state: JobState) -> None:
    """It says only how much was needed at least."""
    found = advice(usage(memory=memory(0.1), cpu=cpu(used_s=1.0), time_limit_s=99 * HOUR), state)
    assert found.suggestions == ()
    assert set(verdicts(found).values()) == {"unknown"}


def test_figures_that_nobody_measured_are_no_zeros() -> None:
    """Not enough evidence instead of advice."""
    found = advice(usage(memory=memory(None), cpu=cpu(used_s=None)))
    assert {key: item for key, item in verdicts(found).items() if item == "unknown"} == {
        ("memory", None): "unknown",
        ("cpus", None): "unknown",
    }


def test_a_job_that_never_ran_gets_no_advice() -> None:
    """Cancelled while it waited."""
    found = advice(usage(wall_s=None), JobState.CANCELLED)
    assert set(verdicts(found).values()) == {"unknown"}
    assert found.suggestions == ()


def test_memory_of_several_nodes_is_that_of_the_node_that_needs_most() -> None:
    """`mem` is per node, and so are the figures."""
    found = advice(usage(nodes=4, memory=memory(0.5)))
    assert "8 GiB a node" in by_key(found)["x-slurm.mem"].evidence
    assert by_key(found)["x-slurm.mem"].suggested == 1 * GIB


def test_gpus_are_counted_device_by_device() -> None:
    """One at full load and three idle are not four at a quarter."""
    devices = samples(gpu(0, 99.0), gpu(1, 0.0), gpu(2, 0.0), gpu(3, 0.0))
    found = advice(usage(asked={"gpus": 4}, gpus_allocated=4, samples=devices), config="x-slurm: {gpus: 4}\n")
    suggested = by_key(found)["x-slurm.gpus"]
    assert (suggested.observed, suggested.suggested, suggested.value) == (1, 1, 1)
    assert "idle: n1 GPU 1, n1 GPU 2, n1 GPU 3" in suggested.evidence


def test_gpus_that_held_data_were_at_work() -> None:
    """Utilization is sampled every few seconds and misses short bursts."""
    devices = samples(gpu(0, 50.0), gpu(1, 0.0, memory_peak_mib=4000.0))
    found = advice(usage(asked={"gpus": 2}, gpus_allocated=2, samples=devices))
    assert verdicts(found)["gpus", None] == "fits"


def test_no_gpu_at_work_means_none_is_needed() -> None:
    """The key goes."""
    found = advice(
        usage(asked={"gpus": 1}, gpus_allocated=1, samples=samples(gpu(0, 0.0))), config="x-slurm: {gpus: 1}"
    )
    assert by_key(found)["x-slurm.gpus"].value is None


def test_every_node_keeps_as_many_gpus_as_the_busiest_needs() -> None:
    """GPUs are asked for by the node there."""
    devices = samples(
        gpu(0, 90.0), gpu(1, 90.0), gpu(2, 0.0), gpu(0, 90.0, node="n2"), *(gpu(i, 0.0, node="n2") for i in (1, 2))
    )
    found = advice(
        usage(asked={"gpus": 6}, gpus_allocated=6, nodes=2, samples=devices), config="x-slurm: {gres: 'gpu:h200:3'}"
    )
    suggested = by_key(found)["x-slurm.gres"]
    assert (suggested.suggested, suggested.value) == (4, "gpu:h200:2")


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        (samples(), "no GPU was sampled"),
        (samples(gpu(0, 0.0)), "only 1 of 2 GPUs were sampled"),
        (samples(gpu(0, 0.0, covered_s=60.0), gpu(1, 0.0)), "the samples cover 60 s of 3600 s"),
        (samples(gpu(0, 0.0, mig_device=1), gpu(0, 0.0)), "parts of GPUs"),
    ],
)
def test_gpus_that_were_not_seen_well_are_not_called_idle(devices: Any, reason: str) -> None:
    """Not enough evidence."""
    found = advice(usage(asked={"gpus": 2}, gpus_allocated=2, samples=devices))
    assert reason in next(item.reason for item in found.untouched if item.resource == "gpus")


def test_a_service_is_judged_by_its_own_steps_and_the_job_has_to_hold_it() -> None:
    """The largest service decides how many CPUs the job keeps."""
    found = advice(
        usage(
            asked={"services": {"a": {"cpus_per_task": 4, "ntasks": 1}, "b": {"cpus_per_task": 2, "ntasks": 1}}},
            cpu=cpu(used_s=0.5 * HOUR),
            steps=(
                step("a", cpu=cpu(used_s=0.2 * HOUR)),
                step("b", cpu=cpu(used_s=1.9 * HOUR)),
            ),
        )
    )
    suggested = by_key(found)
    assert suggested["services.a.x-slurm.cpus_per_task"].suggested == 1
    assert "services.b.x-slurm.cpus_per_task" not in suggested
    assert suggested["x-slurm.cpus_per_task"].suggested == 2


def test_a_short_run_is_weak_evidence() -> None:
    """Peaks may have been missed, and it is said."""
    found = advice(usage(wall_s=12.0, memory=memory(0.1), cpu=cpu(used_s=1.0, wall_s=12.0)))
    assert {item.confidence for item in found.suggestions} == {"low"}
    assert "shorter than a minute" in found.notes[0]


WHOLE = RecordedJobRequests(time_s=36000, nodes=1, ntasks=1, cpus_per_task=8, cpus=8, mem_bytes=64 * GIB, gpus=4)


def canary_advice(found: JobUsage, state: JobState = JobState.CANCELLED, *, kept: bool = False) -> RightSize:
    """What a canary with 1 CPU, 1 GiB and 1 GPU says of the whole job."""
    had = RecordedJobRequests(cpus_per_task=8 if kept else 1, mem_bytes=64 * GIB if kept else GIB)
    canary = Canary(requests=had, memory_bytes=64.0 * GIB if kept else 1.0 * GIB, gpus=4 if kept else 1)
    return rightsize(record(requests=WHOLE.model_dump()), found, state=state, canary=canary)


def test_a_canary_is_held_against_the_whole_job() -> None:
    """Its end is no failure, and its length says nothing of the time limit."""
    found = canary_advice(
        usage(wall_s=65.0, memory=memory(0.5, had_gib=1), cpu=cpu(used_s=20.0, allocated=1, wall_s=65.0))
    )
    suggested = by_key(found)
    assert (suggested["x-slurm.mem"].requested, suggested["x-slurm.mem"].value) == (64 * GIB, "1G")
    assert (suggested["x-slurm.cpus_per_task"].requested, suggested["x-slurm.cpus_per_task"].value) == (8, 1)
    assert "time" not in {item.resource for item in found.suggestions} | {item.resource for item in found.untouched}
    assert "in the canary's 1m05s" in suggested["x-slurm.mem"].evidence
    assert suggested["x-slurm.mem"].confidence == "medium"


def test_a_canary_that_used_all_it_had_says_so() -> None:
    """Its own allocation caps what it can show."""
    found = canary_advice(
        usage(wall_s=65.0, memory=memory(0.9, had_gib=1), cpu=cpu(used_s=64.0, allocated=1, wall_s=65.0))
    )
    reasons = {item.resource: item.reason for item in found.untouched}
    assert "all that the canary had" in reasons["cpus"]
    assert "the canary had 1 of 4 GPUs" in reasons["gpus"]


def test_a_canary_that_ran_out_of_its_little_memory_is_no_reason_for_more() -> None:
    """The whole job asks for 64 times as much; with that it would be one."""
    found = canary_advice(usage(wall_s=65.0, memory=memory(0.9, had_gib=1)), JobState.OUT_OF_MEMORY)
    assert "ran out of its 1 GiB" in next(item.reason for item in found.untouched if item.resource == "memory")
    kept = canary_advice(usage(wall_s=65.0, memory=memory(63.0, had_gib=64)), JobState.OUT_OF_MEMORY, kept=True)
    assert by_key(kept)["x-slurm.mem"].direction == "more"


def test_of_an_array_the_task_that_needs_most_decides() -> None:
    """Less only when all tasks would do with less; more when any needs more."""
    small, large, full = (advice(usage(job_id=f"7_{n}", memory=memory(peak))) for n, peak in enumerate((0.2, 1.5, 7.0)))
    less = of_tasks([small, large], job_id="7", state="COMPLETED")
    assert by_key(less)["x-slurm.mem"].value == "4G"
    assert "all 2 tasks would do with less; task 7_1 needs most" in by_key(less)["x-slurm.mem"].evidence
    assert "x-slurm.mem" not in by_key(of_tasks([small, full], job_id="7", state="COMPLETED"))
    late = advice(usage(job_id="7_3", wall_s=5400.0), JobState.TIMEOUT)
    assert by_key(of_tasks([small, late], job_id="7", state="FAILED"))["x-slurm.time"].direction == "more"


@pytest.mark.parametrize(
    ("mib", "text"),
    [(3, "16M"), (65, "128M"), (512, "512M"), (513, "1G"), (5000, "8G"), (17000, "24G"), (1100000, "1280G")],
)
def test_memory_is_rounded_up_to_what_a_person_would_ask_for(mib: int, text: str) -> None:
    """Powers of two, later wider steps."""
    assert memory_text(memory_step(mib * 1024**2)) == text


def test_times_are_rounded_up_to_five_minutes() -> None:
    """A shorter limit saves nothing."""
    assert [time_step(seconds) for seconds in (1, 300, 301, 4500)] == [300, 300, 600, 4500]


@pytest.mark.parametrize(
    ("gres", "count", "text"),
    [
        ("gpu:4", 2, "gpu:2"),
        ("gpu:h200:4,shard:8", 1, "gpu:h200:1,shard:8"),
        ("gpu:h200:4(S:0-1)", 2, "gpu:h200:2"),
        ("gpu:4", 0, None),
        ("gpu:a:1,gpu:b:1", 1, None),
    ],
)
def test_the_count_in_a_gres_list_is_replaced(gres: str, count: int, text: str | None) -> None:
    """The kind stays; a list with several kinds is nobody's guess."""
    assert with_gpu_count(gres, count) == text
