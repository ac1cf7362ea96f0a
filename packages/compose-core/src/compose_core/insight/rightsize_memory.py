"""How much memory to ask for: of the job on each node, and of the services that ask by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compose_core.insight.run_facts import LOWER_BELOW, TIGHT_ABOVE, RunFacts
from compose_core.insight.suggestion import (
    MIB,
    Confidence,
    Suggestion,
    Untouched,
    Verdict,
    memory_step,
    memory_text,
    quantity,
)

_SEEN_ABOVE = 0.8
"""A peak so near to the limit is the one that broke it; a lower one came before."""

_HEADROOM, _LEAST_HEADROOM = 2048 * MIB, 64 * MIB
"""Room above a peak: a quarter of it, at least as much as the peak itself up to 2 GiB, never less than 64 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One request for memory, and what was needed of it."""

    path: tuple[str, ...]
    limit: float
    """Bytes per node."""
    peak: float | None
    basis: str
    ran_out: bool
    share: int = 1
    """How many times a node's limit holds what the key asks for: GPUs of a node for `mem_per_gpu`."""
    where: str = ""
    service: str | None = None


def memory_advice(facts: RunFacts) -> Iterator[Suggestion | Untouched]:
    """For the job, which has to hold the largest of its services, then for each service that asks for memory by itself."""
    asked = {name: float(own.mem_bytes) for name, own in facts.service_requests.items() if own.mem_bytes}
    advice = {name: _judged(facts, _of_service(facts, name, limit)) for name, limit in asked.items()}
    held = max((_kept(advice[name], limit) for name, limit in asked.items()), default=0.0)
    only_services = bool(facts.greedy) and facts.greedy <= asked.keys()
    measured = _of_job(facts, ran_out=facts.out_of_memory and not only_services)
    if measured is None:
        yield Untouched(resource="memory", verdict="unknown", reason="nothing is known of how much memory it had")
    else:
        yield _judged(facts, measured, held=held)
    yield from advice.values()


def _kept(advice: Suggestion | Untouched, limit: float) -> float:
    """What the service will ask for."""
    return advice.suggested if isinstance(advice, Suggestion) else limit


def _of_job(facts: RunFacts, *, ran_out: bool) -> _Measured | None:
    usage, asked, gpus = facts.usage.memory, facts.requests, facts.gpus_per_node
    per_gpu = asked.mem_bytes_per_gpu if asked is not None and asked.mem_bytes is None else None
    share = gpus if per_gpu and gpus else 1
    limit = usage.allocated_bytes or usage.requested_bytes or (per_gpu or 0) * share
    if not limit:
        return None
    return _Measured(
        path=("x-slurm", "mem_per_gpu" if per_gpu else "mem"),
        limit=limit,
        peak=usage.peak_bytes,
        basis=usage.basis,
        ran_out=ran_out,
        share=share,
        where=" a node" if (facts.usage.nodes or 1) > 1 else "",
    )


def _of_service(facts: RunFacts, name: str, limit: float) -> _Measured:
    """Its largest step, on each of its nodes as far as its tasks are spread evenly."""
    steps = [step for step in facts.usage.steps if step.service == name]
    needed = [
        max(step.largest_task_bytes or 0.0, (step.tasks_total_bytes or 0.0) / (step.nnodes or 1))
        for step in steps
        if step.largest_task_bytes is not None or step.tasks_total_bytes is not None
    ]
    return _Measured(
        path=("services", name, "x-slurm", "mem"),
        limit=limit,
        peak=max(needed, default=None),
        basis="the steps of the service",
        ran_out=name in facts.greedy,
        service=name,
    )


def _judged(facts: RunFacts, measured: _Measured, *, held: float = 0.0) -> Suggestion | Untouched:
    """`held` is what the services ask for, the largest of them."""
    if measured.ran_out:
        return _after_running_out(facts, measured)
    if held > measured.limit:
        told = (
            f"a service will ask for {quantity('memory', held)}, and the job has {quantity('memory', measured.limit)}"
        )
        return _suggestion(measured, memory_step(held), facts.confidence, told)
    if measured.peak is None:
        return _untouched(measured, "unknown", "nobody measured how much it needed")
    is_lower_bound = "lower bound" in measured.basis
    bound = "at least" if is_lower_bound else "at most"
    told = (
        f"{bound} {quantity('memory', measured.peak)} of {quantity('memory', measured.limit)}{measured.where} "
        f"were in use{facts.meanwhile} ({measured.basis})"
    )
    if measured.peak > TIGHT_ABOVE * measured.limit:
        wanted = memory_step(max(1.25 * measured.peak, measured.limit + 1))
        return _suggestion(measured, wanted, facts.confidence, f"{told}: the next run may need more")
    if reason := facts.no_lowering or ("all processes together may have needed more" if is_lower_bound else ""):
        return _untouched(measured, "unknown", f"{told}, but {reason}")
    headroom = max(0.25 * measured.peak, min(_HEADROOM, measured.peak), _LEAST_HEADROOM)
    wanted = memory_step(max(measured.peak + headroom, held))
    if wanted > LOWER_BELOW * measured.limit:
        return _untouched(measured, "fits", told)
    return _suggestion(measured, wanted, facts.confidence, told)


def _after_running_out(facts: RunFacts, measured: _Measured) -> Suggestion | Untouched:
    """Half as much again when the peak was seen near the limit, twice as much when it came between two looks."""
    had = facts.canary.memory_bytes if facts.canary is not None else None
    if had is not None and had < measured.limit:
        reason = f"the canary ran out of its {quantity('memory', had)}: give it more with --min-mem, or --keep-requests"
        return _untouched(measured, "unknown", reason)
    seen = measured.peak is not None and measured.peak >= _SEEN_ABOVE * measured.limit
    wanted = memory_step(max((1.5 if seen else 2.0) * measured.limit, 1.25 * (measured.peak or 0.0)))
    which = f"service {measured.service}" if measured.service else "the job"
    if measured.peak is None:
        known = "its peak was not measured"
    elif seen:
        known = f"{quantity('memory', measured.peak)} were measured"
    else:
        known = f"{quantity('memory', measured.peak)} were measured, before the peak came"
    evidence = f"{which} ran out of its {quantity('memory', measured.limit)}{measured.where} (OUT_OF_MEMORY); {known}"
    return _suggestion(measured, wanted, "high" if seen else "medium", evidence)


def _suggestion(measured: _Measured, wanted: float, confidence: Confidence, evidence: str) -> Suggestion:
    share = measured.share
    return Suggestion(
        resource="memory",
        service=measured.service,
        path=measured.path,
        requested=measured.limit / share,
        observed=None if measured.peak is None else measured.peak / share,
        suggested=wanted / share,
        value=memory_text(wanted / share),
        direction="more" if wanted > measured.limit else "less",
        confidence=confidence,
        evidence=evidence,
    )


def _untouched(measured: _Measured, verdict: Verdict, reason: str) -> Untouched:
    return Untouched(resource="memory", service=measured.service, verdict=verdict, reason=reason)
