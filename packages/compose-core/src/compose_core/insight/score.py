"""How well a job used what it had, from 0 to 100."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compose_core.insight.energy import Energy, PowerAssumptions, energy_of
from compose_core.insight.rightsize_gpus import is_active
from compose_core.job_state import JobState
from compose_core.units import format_bytes, format_duration

if TYPE_CHECKING:
    from compose_core.insight.rightsize import RightSize
    from compose_core.insight.usage import JobUsage

WEIGHTS = {"gpu": 0.35, "memory": 0.25, "time": 0.25, "cpu": 0.25, "energy": 0.15}
"""Brought to a sum of 1 over the components that are known."""
CPU_WEIGHT_BESIDE_GPUS = 0.1
"""The CPUs of a job with GPUs are there to feed them."""
GRADES = ((85.0, "A"), (70.0, "B"), (55.0, "C"), (40.0, "D"), (0.0, "F"))
WELL_USED = 0.8
TIGHT = 0.95
"""Between these two a limit fits best: below it is waste, above it the next run may break it."""
BUSY_CPUS = 0.05
_LABELS = {
    "gpu": "GPU utilization",
    "memory": "memory",
    "time": "walltime",
    "cpu": "CPU",
    "energy": "energy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of the score."""

    name: str
    utilization: float | None = None
    """Used by given; None: not known."""
    score: float | None = None
    """0 to 100."""
    observed: str = ""
    requested: str = ""
    source: str = ""
    confidence: str = "none"
    note: str = ""

    def as_json(self, weight: float) -> dict[str, Any]:
        """The fields of a report; `weight` is the component's share of the score."""
        return {
            "name": self.name,
            "label": _LABELS[self.name],
            "available": self.score is not None,
            "weight": round(weight, 4),
            "score": None if self.score is None else round(self.score, 1),
            "utilization": None if self.utilization is None else round(self.utilization, 4),
            "observed": self.observed,
            "requested": self.requested,
            "source": self.source,
            "confidence": self.confidence,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The score of one job."""

    job_id: str
    state: str
    state_source: str
    has_gpus: bool
    complete: bool
    """The job has ended and every component is known."""
    components: tuple[Component, ...]
    energy: Energy
    telemetry: dict[str, Any]
    tips: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> float | None:
        """0 to 100; None when nothing is known."""
        known = [(self.share(part), part.score) for part in self.components if part.score is not None]
        return sum(share * score for share, score in known) if known else None

    @property
    def grade(self) -> str | None:
        """A to F."""
        score = self.score
        return None if score is None else next(grade for least, grade in GRADES if round(score, 1) >= least)

    @property
    def confidence(self) -> str:
        """That of the least certain component that counts."""
        order = ("high", "medium", "low")
        known = [part.confidence for part in self.components if part.score is not None]
        return max(known, key=order.index) if known else "none"

    def share(self, part: Component) -> float:
        """How much of the score a component makes up, 0 to 1."""
        total = sum(self._weight(other) for other in self.components if other.score is not None)
        return self._weight(part) / total if part.score is not None else 0.0

    def _weight(self, part: Component) -> float:
        return CPU_WEIGHT_BESIDE_GPUS if part.name == "cpu" and self.has_gpus else WEIGHTS[part.name]

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        score = self.score
        unknown = [f"{_LABELS[part.name]}: {part.note}" for part in self.components if part.score is None]
        uncertain = [f"{_LABELS[part.name]}: {part.source}" for part in self.components if part.confidence == "low"]
        return {
            "schema_version": 1,
            "job_id": self.job_id,
            "scheduler_state": self.state,
            "scheduler_source": self.state_source,
            "complete": self.complete,
            "score": None if score is None else round(score, 1),
            "grade": self.grade,
            "components": [part.as_json(self.share(part)) for part in self.components],
            "energy_kwh": None if self.energy.kwh is None else round(self.energy.kwh, 6),
            "energy_basis": self.energy.basis,
            "confidence": self.confidence,
            "confidence_notes": [*unknown, *uncertain],
            "telemetry_coverage": self.telemetry,
            "tips": list(self.tips),
            "sources": sorted({part.source for part in self.components if part.source}),
            "notes": list(self.notes),
        }


def score_of(
    usage: JobUsage,
    advice: RightSize | None,
    *,
    state: JobState,
    state_source: str,
    assumed: PowerAssumptions | None = None,
) -> Score:
    """The score of a job, and what would raise it."""
    energy = energy_of(usage, assumed or PowerAssumptions())
    components = (
        _gpu(usage),
        _memory(usage, ran_out=bool(advice and advice.out_of_memory)),
        _time(usage, state),
        _cpu(usage),
        _energy(energy),
    )
    has_gpus = bool(usage.gpus_allocated or usage.gpus_requested)
    wanted = [part for part in components if part.name != "energy" and (part.name != "gpu" or has_gpus)]
    notes = [*usage.notes, *energy.notes, *_of_the_end(state)]
    return Score(
        job_id=usage.job_id,
        state=str(state),
        state_source=state_source,
        has_gpus=has_gpus,
        complete=state.is_terminal and all(part.score is not None for part in wanted),
        components=components,
        energy=energy,
        telemetry=_telemetry(usage),
        tips=tuple(_tips(usage, advice)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _gpu(usage: JobUsage) -> Component:
    """The mean over devices of how busy each was over time."""
    count = usage.gpus_allocated or usage.gpus_requested or 0
    if not count:
        return Component(name="gpu", note="the job had no GPU")
    devices = [gpu for gpu in usage.samples.gpus if gpu.mig_device is None] if usage.samples is not None else []
    known = [gpu.utilization_mean for gpu in devices if gpu.utilization_mean is not None]
    if not known:
        return Component(name="gpu", requested=f"{count} GPUs", note="no utilization was sampled")
    mean = sum(known) / max(len(known), count) / 100
    idle = [gpu.label for gpu in devices if not is_active(gpu)]
    covered = min(gpu.covered_s for gpu in devices) / usage.wall_s if usage.wall_s else 0.0
    return Component(
        name="gpu",
        utilization=mean,
        score=100 * min(1.0, mean),
        observed=f"{', '.join(f'{share:.0f}%' for share in known[:8])}{', …' if len(known) > 8 else ''}",
        requested=f"{count} GPUs",
        source="sampler",
        confidence="high" if covered >= 0.8 and len(known) >= count else "medium" if covered >= 0.3 else "low",
        note=f"idle: {', '.join(idle[:8])}" if idle else "",
    )


def _memory(usage: JobUsage, *, ran_out: bool) -> Component:
    memory = usage.memory
    given = memory.allocated_bytes or memory.requested_bytes
    if not given:
        return Component(name="memory", note="nothing is known of how much it had")
    where = " a node" if (usage.nodes or 1) > 1 else ""
    if ran_out:
        return _tight("memory", 1.0, "all of it", format_bytes(given) + where, "the job ran out of it")
    if memory.peak_bytes is None:
        return Component(name="memory", requested=format_bytes(given) + where, note="its peak was not measured")
    return Component(
        name="memory",
        utilization=memory.peak_bytes / given,
        score=fit(memory.peak_bytes / given),
        observed=format_bytes(memory.peak_bytes) + where,
        requested=format_bytes(given) + where,
        source=memory.basis,
        confidence="low" if "lower bound" in memory.basis else "high" if usage.has_accounting else "medium",
        note=_of_memory(memory.peak_bytes / given, memory.basis),
    )


def _of_memory(used: float, basis: str) -> str:
    if used > TIGHT:
        return "close to the limit: the next run may break it"
    return basis if "lower bound" in basis else ""


def _tight(name: str, used: float, observed: str, requested: str, note: str) -> Component:
    return Component(
        name=name,
        utilization=used,
        score=0.0,
        observed=observed,
        requested=requested,
        source="state of the job",
        confidence="high",
        note=note,
    )


def _time(usage: JobUsage, state: JobState) -> Component:
    """Time in which anything was at work, by the time that was asked for."""
    limit, wall = (usage.time_limit_s or 0) * usage.tasks, usage.wall_s
    if not limit or wall is None:
        return Component(name="time", note="the job had no time limit that is known" if wall else "it did not run")
    asked = format_duration(limit)
    if state in (JobState.TIMEOUT, JobState.DEADLINE):
        return _tight("time", 1.0, format_duration(wall), asked, "the limit ended the job")
    share, source = _active_share(usage)
    active = wall * share
    return Component(
        name="time",
        utilization=active / limit,
        score=fit(active / limit),
        observed=f"{format_duration(active)} at work" if share < 1 else format_duration(wall),
        requested=asked,
        source=source,
        confidence="high" if source == "samples" else "medium",
        note="close to the limit: the next run may break it" if active / limit > TIGHT else "",
    )


def _active_share(usage: JobUsage) -> tuple[float, str]:
    """The part of the sampled stretches in which a CPU or a GPU was at work; all of it where nothing was sampled."""
    if usage.samples is None:
        return 1.0, "state of the job"
    busy: dict[int, bool] = {}
    for limit, points in (
        (BUSY_CPUS, usage.samples.step_cpu),
        *((5.0, gpu.utilization) for gpu in usage.samples.gpus),
    ):
        for point in points:
            stretch = int(point.at // max(usage.samples.interval_s, 1.0))
            busy[stretch] = busy.get(stretch, False) or point.highest > limit
    return (sum(busy.values()) / len(busy), "samples") if busy else (1.0, "state of the job")


def _cpu(usage: JobUsage) -> Component:
    """User and system time by what was set aside: TotalCPU, never CPUTime, which is the same as what was set aside."""
    cpu, asked = usage.cpu, usage.requests.cpus if usage.requests is not None else None
    given_s, share = usage.cpu_given_s, usage.cpu_share
    if cpu.used_s is None or share is None or not given_s:
        return Component(name="cpu", note="its CPU time was not measured" if given_s else "it asked for no CPUs")
    return Component(
        name="cpu",
        utilization=share,
        score=100 * min(1.0, share),
        observed=f"{format_duration(cpu.used_s)} of CPU time",
        requested=f"{format_duration(given_s)} on {cpu.allocated or asked} CPUs",
        source={"accounting": "sacct TotalCPU", "process": "the job's own processes"}.get(cpu.basis, cpu.basis),
        confidence="high" if cpu.basis in ("accounting", "process") else "medium",
    )


def _energy(energy: Energy) -> Component:
    """Only where power was measured: an assumed figure by an assumed budget says nothing."""
    if energy.kwh is None or not energy.budget_kwh:
        return Component(name="energy", note="nothing is known of it")
    if not energy.is_measured:
        return Component(
            name="energy",
            observed=f"{energy.kwh:.3g} kWh",
            source=energy.basis,
            note="an estimate without a measurement does not count",
        )
    used = energy.kwh / energy.budget_kwh
    return Component(
        name="energy",
        utilization=used,
        score=100 * min(1.0, used),
        observed=f"{energy.kwh:.3g} kWh",
        requested=f"{energy.budget_kwh:.3g} kWh that the devices could have drawn meanwhile",
        source=energy.basis,
        confidence=energy.confidence,
    )


def fit(used: float) -> float:
    """How well a limit fits, 0 to 100: best between 80 and 95 %, down to 50 at the limit itself."""
    if used <= WELL_USED:
        return 100 * max(0.0, used) / WELL_USED
    if used <= TIGHT:
        return 100.0
    return max(50.0, 100 - 50 * (used - TIGHT) / (1 - TIGHT))


def _of_the_end(state: JobState) -> Iterator[str]:
    if not state.is_terminal:
        yield "the job has not ended yet: this is its score so far"
    elif state is not JobState.COMPLETED:
        yield f"the job ended {state}: what it used may have been for nothing"


def _tips(usage: JobUsage, advice: RightSize | None) -> Iterator[str]:
    for suggestion in advice.suggestions if advice is not None else ():
        asked = "without it" if suggestion.value is None else f"{suggestion.value}"
        yield (
            f"{suggestion.key}: {asked} would do; {suggestion.evidence}"
            if suggestion.direction == "less"
            else (f"{suggestion.key}: ask for {asked}; {suggestion.evidence}")
        )
    if usage.samples is None:
        yield "x-slurm.metrics samples GPUs and steps while the job runs, which makes the score more certain"


def _telemetry(usage: JobUsage) -> dict[str, Any]:
    """How much of the run each collector saw."""
    samples = usage.samples
    found: dict[str, Any] = {
        item.name: {
            "available": item.available,
            **item.coverage.model_dump(mode="json"),
        }
        for item in (samples.collectors if samples is not None else ())
        if item.enabled
    }
    if samples is not None and samples.gpus and usage.wall_s:
        found.setdefault("gpu", {})["share_of_run"] = round(
            min(gpu.covered_s for gpu in samples.gpus) / usage.wall_s, 3
        )
    return found
