"""How well a job used what it had."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compose_core.insight.energy import PowerAssumptions, energy_of
from compose_core.insight.rightsize import RightSize
from compose_core.insight.score import Component, Score, fit, score_of
from compose_core.insight.series import Point
from compose_core.insight.usage import JobUsage
from compose_core.job_state import JobState
from tests.core.insight.usages import HOUR, cpu, gpu, memory, samples, usage


def score(found: JobUsage, state: JobState = JobState.COMPLETED, advice: RightSize | None = None) -> Score:
    """Of a job with this usage."""
    return score_of(found, advice, state=state, state_source="state")


def parts(found: Score) -> dict[str, Component]:
    return {part.name: part for part in found.components}


def test_a_job_that_used_what_it_had_gets_an_a() -> None:
    """The walltime fits less than the rest: an hour of an hour and a half."""
    found = score(usage())
    assert {name: part.score for name, part in parts(found).items()} == {
        "gpu": None,
        "memory": pytest.approx(100),
        "time": pytest.approx(83.3, abs=0.1),
        "cpu": pytest.approx(95),
        "energy": None,
    }
    assert found.grade == "A"
    assert found.complete


def test_weights_are_shared_among_what_is_known() -> None:
    """They always make one."""
    found = score(usage(memory=memory(None)))
    assert sum(found.share(part) for part in found.components) == pytest.approx(1)
    assert found.share(parts(found)["time"]) == pytest.approx(0.5)
    assert not found.complete


def test_idle_gpus_weigh_most() -> None:
    """One of four devices at work is a quarter, and the idle ones are named; CPUs weigh less beside GPUs."""
    devices = samples(gpu(0, 100.0), gpu(1, 0.0), gpu(2, 0.0), gpu(3, 0.0))
    found = score(usage(asked={"gpus": 4}, gpus_allocated=4, samples=devices))
    part = parts(found)["gpu"]
    assert (part.score, part.note) == (25.0, "idle: n1 GPU 1, n1 GPU 2, n1 GPU 3")
    assert found.share(part) == pytest.approx(0.35 / 0.95)
    assert found.share(parts(found)["cpu"]) == pytest.approx(0.1 / 0.95)


def test_a_gpu_that_was_not_seen_counts_as_idle() -> None:
    """A sampler that misses half of the devices makes no good score."""
    found = score(usage(asked={"gpus": 2}, gpus_allocated=2, samples=samples(gpu(0, 100.0))))
    assert parts(found)["gpu"].score == 50.0


def test_a_full_limit_is_a_risk() -> None:
    """Best between 80 and 95 %."""
    assert [round(fit(used)) for used in (0.0, 0.4, 0.8, 0.95, 1.0, 2.0)] == [0, 50, 100, 100, 50, 50]


def test_a_job_that_broke_a_limit_gets_nothing_for_it() -> None:
    """Out of memory, and out of time."""
    greedy = RightSize(job_id="7", state="FAILED", out_of_memory=True)
    assert parts(score(usage(), JobState.FAILED, greedy))["memory"].score == 0
    late = score(usage(wall_s=5400.0), JobState.TIMEOUT)
    assert parts(late)["time"].score == 0
    assert "the job ended TIMEOUT" in late.notes[-1]


def test_time_without_work_is_not_used() -> None:
    """Half of the samples show nothing at work."""
    points = tuple(Point(at=5.0 * n, mean=float(n % 2), highest=float(n % 2)) for n in range(720))
    found = score(usage(samples=replace(samples(), step_cpu=points)))
    assert parts(found)["time"].utilization == pytest.approx(0.5 * HOUR / 5400)


def test_a_job_of_which_nothing_is_known_has_no_score() -> None:
    """Neither 0 nor F."""
    found = score(usage(wall_s=None, memory=memory(None), cpu=cpu(used_s=None)), JobState.CANCELLED)
    assert (found.score, found.grade, found.confidence) == (None, None, "none")


def test_energy_is_what_was_measured() -> None:
    """GPUs by their power samples, CPUs by their share of work, times the site's overhead."""
    found = usage(
        asked={"gpus": 1},
        gpus_allocated=1,
        samples=samples(gpu(0, 50.0, watts=350.0)),
        gpu_energy_kwh=0.35,
        gpu_energy_coverage=1.0,
        cpu=cpu(used_s=2 * HOUR),
    )
    energy = energy_of(found, PowerAssumptions(cpu_watts_per_core=10, pue=1.5))
    assert energy.kwh == pytest.approx((0.35 + 0.02) * 1.5)
    assert energy.budget_kwh == pytest.approx((0.7 + 0.04) * 1.5)
    assert (energy.basis, energy.confidence) == ("sampler_power_draw+pue", "high")
    assert parts(score(found))["energy"].score == pytest.approx(100 * (0.35 + 0.016) / (0.7 + 0.032))


def test_gpus_that_do_not_tell_their_power_make_it_less_certain() -> None:
    """What they drew is missing."""
    devices = samples(gpu(0, 50.0, watts=350.0), gpu(1, 50.0))
    found = usage(gpus_allocated=2, samples=devices, gpu_energy_kwh=0.35, gpu_energy_coverage=1.0)
    assert energy_of(found, PowerAssumptions()).confidence == "medium"


def test_a_run_that_was_sampled_in_part_is_taken_as_if_the_rest_were_like_it() -> None:
    """And it is said."""
    found = usage(
        gpus_allocated=1, samples=samples(gpu(0, 1.0, watts=100.0)), gpu_energy_kwh=0.05, gpu_energy_coverage=0.5
    )
    energy = energy_of(found, PowerAssumptions(cpu_watts_per_core=0, pue=1))
    assert energy.kwh == pytest.approx(0.1)
    assert "50%" in energy.notes[0]


@pytest.mark.parametrize(
    ("devices", "basis", "kwh"),
    [
        (samples(), "configured_tdp+pue", 0.3),
        (samples(gpu(0, 1.0, power_limit_w=500.0)), "power_limit+pue", 0.5),
    ],
)
def test_what_is_only_assumed_is_told_and_does_not_count(devices: object, basis: str, kwh: float) -> None:
    """Assumed by assumed would always be everything."""
    found = usage(gpus_allocated=1, samples=devices)
    energy = energy_of(found, PowerAssumptions(cpu_watts_per_core=0, pue=1))
    assert energy.basis == basis
    assert energy.kwh == pytest.approx(kwh)
    assert parts(score(found))["energy"].score is None


def test_a_site_with_meters_knows_best() -> None:
    """Its figure is that of whole nodes."""
    energy = energy_of(usage(node_energy_kwh=2.0), PowerAssumptions(pue=1.1))
    assert energy.basis == "node_energy+pue"
    assert energy.kwh == pytest.approx(2.2)


def test_a_job_without_samples_is_told_how_to_get_them() -> None:
    """As one of the tips."""
    assert "x-slurm.metrics" in score(usage()).tips[-1]
