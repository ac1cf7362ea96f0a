"""The memory of a job on one node: what it asked for, got, and needed at its peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compose_core.insight.nodelist import node_names

if TYPE_CHECKING:
    from compose_core.cluster.usage_rows import StepUsage, UsageRow
    from compose_core.insight.samples import Samples
    from compose_core.records.requests import RecordedJobRequests


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUsage:
    """Bytes, per node, because that is what `--mem` is."""

    requested_bytes: float | None = None
    """0: all memory of a node."""
    allocated_bytes: float | None = None
    peak_bytes: float | None = None
    """On the node that needed most."""
    peak_node: str = ""
    """Empty when it is not known which."""
    largest_task_bytes: float | None = None
    """MaxRSS: a lower bound of the peak."""
    basis: str = ""
    """What `peak_bytes` rests on, in words."""

    @property
    def efficiency(self) -> float | None:
        """Peak by allocated."""
        given = self.allocated_bytes or self.requested_bytes
        return self.peak_bytes / given if self.peak_bytes is not None and given else None


@dataclass(frozen=True, slots=True)
class _Span:
    """What a step needs on one node, from a time to a time."""

    node: str
    begin: float
    end: float
    needed: float


def memory_usage(
    rows: Sequence[UsageRow],
    live: Sequence[StepUsage],
    samples: Samples | None,
    requests: RecordedJobRequests | None,
    *,
    nodes: int | None,
) -> MemoryUsage:
    """From the accounting where it has figures of steps, else from `sstat` now, else from the samples."""
    job = next((row for row in rows if not row.step), None)
    allocated = _per_node(job, nodes)
    peak, node, basis = _peak(rows, live, samples, nodes)
    return MemoryUsage(
        requested_bytes=requests.mem_bytes if requests else None,
        allocated_bytes=allocated,
        peak_bytes=peak,
        peak_node=node,
        largest_task_bytes=_largest(rows, live, samples),
        basis=basis,
    )


def _per_node(job: UsageRow | None, nodes: int | None) -> float | None:
    count = (job.nnodes if job else None) or nodes
    total = (job.alloc_tres.get("mem") or job.req_tres.get("mem")) if job else None
    return total / count if total and count else None


def _peak(
    rows: Sequence[UsageRow], live: Sequence[StepUsage], samples: Samples | None, nodes: int | None
) -> tuple[float | None, str, str]:
    steps = [row for row in rows if row.step and row.step != "extern"]
    running = {step.step: step for step in live}
    if any(row.max_rss_bytes is not None for row in steps) or (steps and running):
        spans = [span for row in steps for span in _spans(row, running.get(row.step))]
        if spans:
            node, peak = _highest_at_once(spans)
            is_spread = any((row.ntasks or 1) > 1 for row in steps)
            basis = "peaks of the steps that ran at the same time, added up"
            return peak, node, basis + (", tasks taken to be spread evenly over their nodes" if is_spread else "")
    job = next((row for row in rows if not row.step), None)
    if job is not None and job.max_rss_bytes is not None and not steps:
        return job.max_rss_bytes, "", "the largest process alone: a lower bound"
    if live:
        total = sum(_tasks_total(step) or 0.0 for step in live if step.step != "extern")
        return total / (nodes or 1) or None, "", "what the steps use now" + _spread(nodes)
    if samples is not None and samples.step_memory_peak:
        return samples.step_memory_peak / (nodes or 1), "", "samples of all steps, added up" + _spread(nodes)
    return None, "", ""


def _spread(nodes: int | None) -> str:
    return f", spread evenly over {nodes} nodes" if nodes and nodes > 1 else ""


def _spans(row: UsageRow, running: StepUsage | None) -> list[_Span]:
    """What the step needs on each of its nodes; a step that goes on is known from `sstat`."""
    largest, total = row.max_rss_bytes, row.tres_usage_in_tot.get("mem")
    if largest is None and running is not None:
        largest, total = running.max_rss_bytes, _tasks_total(running)
    if largest is None:
        return []
    names = node_names(row.nodelist) or ("",)
    count = len(names) if names != ("",) else row.nnodes or 1
    needed = max(largest, (total or 0.0) / count)
    begin = row.start or 0.0
    end = row.end if row.end is not None else float("inf")
    return [_Span(name, begin, max(end, begin + 0.5), needed) for name in names]


def _highest_at_once(spans: Sequence[_Span]) -> tuple[str, float]:
    """The node and the most that the steps on it needed together at one time."""
    changes: dict[str, list[tuple[float, float]]] = {}
    for span in spans:
        of_node = changes.setdefault(span.node, [])
        of_node += [(span.begin, span.needed), (span.end, -span.needed)]
    best = ("", 0.0)
    for node, of_node in changes.items():
        needed = 0.0
        for _, change in sorted(of_node):
            needed += change
            if needed > best[1]:
                best = (node, needed)
    return best


def _tasks_total(step: StepUsage) -> float | None:
    total = step.tres_usage_in_tot.get("mem")
    if total is None and step.ave_rss_bytes is not None:
        return step.ave_rss_bytes * (step.ntasks or 1)
    return total


def _largest(rows: Sequence[UsageRow], live: Sequence[StepUsage], samples: Samples | None) -> float | None:
    figures = [
        *(row.max_rss_bytes for row in rows if row.step != "extern"),
        *(step.max_rss_bytes for step in live if step.step != "extern"),
        *(step.max_rss_bytes for step in (samples.steps if samples else ())),
    ]
    return max((figure for figure in figures if figure is not None), default=None)
