"""How many CPUs a job and its services kept busy: user and system time, never the time that was set aside."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from compose_core.insight.run_facts import LOWER_BELOW, RunFacts
from compose_core.insight.suggestion import Confidence, Suggestion, Untouched

if TYPE_CHECKING:
    from compose_core.insight.usage import StepFigures
    from compose_core.records.requests import RecordedRequests

_BUSY_ABOVE = 0.9
"""So much of its CPUs keeps nobody from using more of them."""


def cpu_advice(facts: RunFacts) -> Iterator[Suggestion | Untouched]:
    """For each service that asks for CPUs by itself, then for the job, which has to hold the largest of them."""
    held = 1
    for name, asked in facts.service_requests.items():
        if asked.cpus_per_task is None:
            continue
        advice = _service_cpus(facts, name, asked, asked.cpus_per_task)
        yield advice
        kept = int(advice.suggested) if isinstance(advice, Suggestion) else asked.cpus_per_task
        held = max(held, ceil(kept * _tasks_per_node(asked)))
    yield _job_cpus(facts, held)


def _service_cpus(facts: RunFacts, name: str, asked: RecordedRequests, per_task: int) -> Suggestion | Untouched:
    steps = [step for step in facts.usage.steps if step.service == name]
    busiest = max((busy for step in steps if (busy := _busy(step, asked, facts)) is not None), default=None)
    if busiest is None:
        return Untouched(resource="cpus", service=name, verdict="unknown", reason="its CPU time was not measured")
    path = ("services", name, "x-slurm", "cpus_per_task")
    told = f"its tasks kept {busiest:.2f} of {per_task} CPUs busy on average{facts.meanwhile}"
    return _judged(facts, path=path, per_task=per_task, busy=busiest, told=told, floor=1, service=name)


def _busy(step: StepFigures, asked: RecordedRequests, facts: RunFacts) -> float | None:
    """CPUs of one task that were at work."""
    elapsed = step.elapsed_s or facts.usage.wall_s
    if step.cpu.used_s is None or not elapsed:
        return None
    return step.cpu.used_s / elapsed / (step.ntasks or asked.ntasks or 1)


def _job_cpus(facts: RunFacts, held: int) -> Suggestion | Untouched:
    cpu, wall, asked = facts.usage.cpu, facts.usage.wall_s, facts.requests
    if cpu.used_s is None or not wall:
        return Untouched(resource="cpus", verdict="unknown", reason="its CPU time was not measured")
    busy = cpu.used_s / wall
    had = cpu.allocated or (asked.cpus if asked else None)
    told = f"{busy:.2f} CPUs were busy on average{facts.meanwhile}" + (f" of {had}" if had else "")
    if asked is not None and asked.cpus_per_task is not None:
        tasks = asked.ntasks or asked.nodes or 1
        per_node = tasks / (asked.nodes or 1)
        return _judged(
            facts,
            path=("x-slurm", "cpus_per_task"),
            per_task=asked.cpus_per_task,
            busy=busy / tasks,
            told=told if tasks == 1 else f"{told}, by {tasks} tasks",
            floor=ceil(held / per_node),
        )
    if asked is not None and asked.cpus and asked.gpus and asked.cpus > asked.gpus:
        return _judged(
            facts,
            path=("x-slurm", "cpus_per_gpu"),
            per_task=asked.cpus // asked.gpus,
            busy=busy / asked.gpus,
            told=told,
            floor=1,
        )
    return Untouched(resource="cpus", verdict="fits", reason=f"{told}; the file asks for none by itself")


def _judged(
    facts: RunFacts,
    *,
    path: tuple[str, ...],
    per_task: int,
    busy: float,
    told: str,
    floor: int,
    service: str | None = None,
) -> Suggestion | Untouched:
    wanted = max(1, floor, ceil(1.25 * busy - 1e-6))
    had = facts.canary.cpus_per_task(service) if facts.canary is not None else per_task
    if busy >= _BUSY_ABOVE * had:
        if had < per_task:
            reason = f"{told}, all that the canary had: it may use more, which --min-cpus or --keep-requests would show"
            return Untouched(resource="cpus", service=service, verdict="unknown", reason=reason)
        reason = f"{told}: with more CPUs it may be faster, if it can use them"
        return Untouched(resource="cpus", service=service, verdict="fits", reason=reason)
    if reason := facts.no_lowering:
        return Untouched(resource="cpus", service=service, verdict="unknown", reason=f"{told}, but {reason}")
    if wanted > LOWER_BELOW * per_task:
        return Untouched(resource="cpus", service=service, verdict="fits", reason=told)
    return Suggestion(
        resource="cpus",
        service=service,
        path=path,
        requested=per_task,
        observed=round(busy, 3),
        suggested=wanted,
        value=wanted,
        direction="less",
        confidence=_confidence(facts),
        evidence=told,
    )


def _confidence(facts: RunFacts) -> Confidence:
    """Samples count whole seconds, and miss the end."""
    return "medium" if facts.confidence == "high" and facts.usage.cpu.basis == "samples" else facts.confidence


def _tasks_per_node(asked: RecordedRequests) -> float:
    return (asked.ntasks or 1) / (asked.nodes or 1)
