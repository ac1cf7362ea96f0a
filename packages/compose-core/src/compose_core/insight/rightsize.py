"""What a job should ask for the next time, in both directions: from what it asked for and what it used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compose_core.insight.config_changes import Leaves, snapshot_leaves
from compose_core.insight.rightsize_cpus import cpu_advice
from compose_core.insight.rightsize_gpus import gpu_advice
from compose_core.insight.rightsize_memory import memory_advice
from compose_core.insight.run_facts import LOWER_BELOW, TIGHT_ABOVE, Canary, RunFacts, greedy_services, run_facts
from compose_core.insight.suggestion import (
    RESOURCES,
    Confidence,
    Suggestion,
    Untouched,
    quantity,
    time_step,
    yaml_patch,
)
from compose_core.job_state import JobState
from compose_core.units import format_slurm_time

if TYPE_CHECKING:
    from compose_core.insight.usage import JobUsage
    from compose_core.records.job_record import JobFacts
    from compose_core.records.state import ServiceState

Advice = Suggestion | Untouched


@dataclass(frozen=True, slots=True, kw_only=True)
class RightSize:
    """What to ask for the next time."""

    job_id: str
    state: str
    out_of_memory: bool = False
    """Something of the job ran out of memory."""
    suggestions: tuple[Suggestion, ...] = ()
    untouched: tuple[Untouched, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def yaml_patch(self) -> str:
        """The suggestions as a piece of a compose file; empty when there are none."""
        return yaml_patch(self.suggestions)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "job_id": self.job_id,
            "state": self.state,
            "out_of_memory": self.out_of_memory,
            "suggestions": [suggestion.as_json() for suggestion in self.suggestions],
            "untouched": [item.as_json() for item in self.untouched],
            "yaml_patch": self.yaml_patch,
            "notes": list(self.notes),
        }


def rightsize(
    record: JobFacts,
    usage: JobUsage,
    *,
    state: JobState,
    services: Iterable[ServiceState] = (),
    canary: Canary | None = None,
) -> RightSize:
    """The advice for one job, or one task of an array, that has ended; `services` are how its supervisor saw them.

    With `canary`, `record` is of the whole job that the canary stood for: the canary's length says nothing, its end is
    no failure, and what it used is held against what the whole job would ask for.
    """
    facts = run_facts(usage, state=state, canary=canary, asked=record.requests, greedy=greedy_services(services))
    written = snapshot_leaves(record.config_snapshot_yaml) if record.config_snapshot_yaml else None
    advice = [*_advice(facts, written or {})]
    notes = list(dict.fromkeys((*facts.notes, *usage.notes)))
    if record.requests is None:
        notes.append("the record is of an older release: what was asked for is known from the scheduler alone")
    return RightSize(
        job_id=usage.job_id,
        state=str(state),
        out_of_memory=facts.out_of_memory,
        suggestions=tuple(item for item in advice if isinstance(item, Suggestion)),
        untouched=tuple(item for item in advice if isinstance(item, Untouched)),
        notes=tuple(notes),
    )


def _advice(facts: RunFacts, written: Leaves) -> Iterator[Advice]:
    if not facts.has_run:
        for resource in RESOURCES:
            yield Untouched(resource=resource, verdict="unknown", reason="the job did not run")
        return
    yield from memory_advice(facts)
    yield from cpu_advice(facts)
    yield from gpu_advice(facts, written)
    if facts.canary is None:
        yield _time(facts)


def _time(facts: RunFacts) -> Advice:
    limit, wall = facts.usage.time_limit_s, facts.usage.wall_s
    if not limit:
        return Untouched(resource="time", verdict="unknown", reason="the job had no time limit that is known")
    if facts.timed_out:
        evidence = f"the job was ended by its time limit of {format_slurm_time(int(limit))} (TIMEOUT)"
        return _time_suggestion(limit, wall, time_step(1.5 * limit), "medium", evidence)
    if wall is None:
        return Untouched(resource="time", verdict="unknown", reason="nobody knows how long it ran")
    told = f"it ran {quantity('time', wall)} of {format_slurm_time(int(limit))}"
    if wall / limit > TIGHT_ABOVE:
        return _time_suggestion(limit, wall, time_step(1.25 * wall), "medium", f"{told}: the next run may take longer")
    if reason := facts.no_lowering:
        return Untouched(resource="time", verdict="unknown", reason=f"{told}, but {reason}")
    wanted = time_step(1.25 * wall)
    if wanted > LOWER_BELOW * limit:
        return Untouched(resource="time", verdict="fits", reason=told)
    return _time_suggestion(limit, wall, wanted, "low" if facts.confidence == "low" else "medium", told)


def _time_suggestion(
    limit: float, wall: float | None, wanted: int, confidence: Confidence, evidence: str
) -> Suggestion:
    return Suggestion(
        resource="time",
        path=("x-slurm", "time"),
        requested=limit,
        observed=wall,
        suggested=wanted,
        value=format_slurm_time(wanted),
        direction="more" if wanted > limit else "less",
        confidence=confidence,
        evidence=evidence,
    )
