"""What advice has to know of a run before it looks at any resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compose_core.insight.suggestion import Confidence
from compose_core.job_state import JobState
from compose_core.units import format_duration

if TYPE_CHECKING:
    from compose_core.insight.usage import JobUsage
    from compose_core.records.requests import RecordedJobRequests, RecordedRequests
    from compose_core.records.state import ServiceState

LOWER_BELOW = 0.8
"""A smaller request is suggested only when it is at most this part of the present one: small savings are not worth a risk."""
TIGHT_ABOVE = 0.95
"""So close to a limit the next run may break it."""
OUT_OF_MEMORY_REASON = "it ran out of memory"
"""How the supervisor begins the reason of such a failure."""
SHORT_RUN_S = 60.0
"""Accounting and samples look every few seconds: of a shorter run they may have missed the peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """What a canary had itself, which is less than the whole job would get."""

    requests: RecordedJobRequests
    memory_bytes: float | None
    """Per node."""
    gpus: int

    def cpus_per_task(self, service: str | None) -> int:
        """Those of one task of the service, or of the job."""
        asked = self.requests.services.get(service) if service is not None else None
        return (asked.cpus_per_task if asked else None) or self.requests.cpus_per_task or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run, and how far it can be trusted."""

    usage: JobUsage
    """Of a canary: what it used, of what the whole job would ask for."""
    state: JobState
    canary: Canary | None
    out_of_memory: bool
    """Anything of it ran out of memory."""
    greedy: frozenset[str]
    """The services that ran out of memory, as far as they are known."""
    timed_out: bool
    confidence: Confidence
    no_lowering: str
    """Why nothing smaller can be suggested; empty when it can."""
    notes: tuple[str, ...]

    @property
    def has_run(self) -> bool:
        """It got as far as using anything."""
        return bool(self.usage.wall_s)

    @property
    def meanwhile(self) -> str:
        """Said of figures that are those of a canary."""
        return f" in the canary's {format_duration(self.usage.wall_s or 0.0)}" if self.canary is not None else ""

    @property
    def requests(self) -> RecordedJobRequests | None:
        """What the job asked for; None in records of older releases."""
        return self.usage.requests

    @property
    def service_requests(self) -> Mapping[str, RecordedRequests]:
        """What each service asked for by itself."""
        return self.usage.requests.services if self.usage.requests is not None else {}

    @property
    def gpus_per_node(self) -> int | None:
        """None when it is not known, or when there are none."""
        gpus = self.usage.gpus_allocated or self.usage.gpus_requested
        return max(1, gpus // (self.usage.nodes or 1)) if gpus else None


def run_facts(
    usage: JobUsage,
    *,
    state: JobState,
    canary: Canary | None,
    asked: RecordedJobRequests | None,
    greedy: Iterable[str] = (),
) -> RunFacts:
    """The facts of a run that has ended; `asked` is what the whole job asks for, `greedy` as `greedy_services` tells."""
    if canary is not None:
        usage = _as_of_the_whole(usage, asked)
    killed = [step for step in usage.steps if step.state == JobState.OUT_OF_MEMORY]
    greedy = frozenset((*greedy, *(step.service for step in killed if step.service)))
    out_of_memory = state is JobState.OUT_OF_MEMORY or bool(killed or greedy)
    timed_out = state in (JobState.TIMEOUT, JobState.DEADLINE)
    notes = []
    if (usage.wall_s or 0.0) < SHORT_RUN_S:
        notes.append("the run was shorter than a minute: peaks may have been missed")
    if not usage.has_accounting:
        notes.append("there is no word of the accounting: figures are those of the sampler alone")
    return RunFacts(
        usage=usage,
        state=state,
        canary=canary,
        out_of_memory=out_of_memory,
        greedy=greedy,
        timed_out=timed_out,
        confidence=_confidence(usage, canary=canary is not None),
        no_lowering=_no_lowering(state, out_of_memory=out_of_memory, canary=canary is not None),
        notes=tuple(notes),
    )


def greedy_services(services: Iterable[ServiceState]) -> frozenset[str]:
    """Those whose supervisor saw that they ran out of memory; Slurm itself calls their job FAILED."""
    return frozenset(
        service.service_name for service in services if (service.failure_reason or "").startswith(OUT_OF_MEMORY_REASON)
    )


def _as_of_the_whole(usage: JobUsage, asked: RecordedJobRequests | None) -> JobUsage:
    """What the canary used, of what the whole job would get."""
    if asked is None:
        return usage
    memory, cpu = usage.memory, usage.cpu
    return replace(
        usage,
        requests=asked,
        time_limit_s=asked.time_s,
        memory=replace(
            memory,
            requested_bytes=asked.mem_bytes,
            allocated_bytes=None if asked.mem_bytes or asked.mem_bytes_per_gpu else memory.allocated_bytes,
        ),
        cpu=replace(cpu, allocated=asked.cpus or cpu.allocated),
        gpus_requested=asked.gpus,
        gpus_allocated=asked.gpus,
    )


def _confidence(usage: JobUsage, *, canary: bool) -> Confidence:
    if (usage.wall_s or 0.0) < SHORT_RUN_S:
        return "low"
    if canary or not usage.has_accounting:
        return "medium"
    return "high"


def _no_lowering(state: JobState, *, out_of_memory: bool, canary: bool) -> str:
    """A run that broke off says only how much it needed at least."""
    whole = {JobState.COMPLETED, JobState.TIMEOUT, JobState.DEADLINE, *({JobState.CANCELLED} if canary else ())}
    if state in whole and not out_of_memory:
        return ""
    return f"it did not come to its end ({state}), and might have needed more"
