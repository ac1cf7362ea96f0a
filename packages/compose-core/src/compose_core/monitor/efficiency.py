"""What ended jobs used of what they had asked for, as the accounting and their own samples tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from compose_core.insight.usage import JobUsage, is_settled
from compose_core.job_usage import UsageQuestion, UsageReading, usage_of
from compose_core.monitor.looks import Efficiency
from compose_core.records.monitor_state import key_of
from compose_core.tracking.snapshot import JobSnapshot

if TYPE_CHECKING:
    from compose_core.cluster.site import Site


class AccountedEfficiency:
    """One accounting call for all the jobs that are asked about at once."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(self, snapshots: Sequence[JobSnapshot]) -> Mapping[str, Efficiency]:
        """By `key_of` the record."""
        readings = usage_of(self._site, snapshots, UsageQuestion(steps=False))
        return {key_of(reading.snapshot.record): _efficiency(reading) for reading in readings}


def _efficiency(reading: UsageReading) -> Efficiency:
    usage, memory = reading.usage, reading.usage.memory
    efficiency = usage.cpu_share
    requested = memory.requested_bytes or memory.allocated_bytes
    return Efficiency(
        is_final=_is_final(reading),
        gpus=_gpus(usage),
        memory_used_bytes=None if memory.peak_bytes is None else round(memory.peak_bytes),
        memory_requested_bytes=None if requested is None else round(requested),
        cpu_percent=None if efficiency is None else 100 * efficiency,
    )


def _is_final(reading: UsageReading) -> bool:
    """The accounting has heard of the end, or there is none to wait for."""
    fault = reading.accounting_fault
    is_absent = fault is not None and fault.kind in ("disabled", "missing")
    return is_absent or reading.snapshot.record.backend == "local" or is_settled(reading.rows)


def _gpus(usage: JobUsage) -> int | None:
    if usage.gpus_allocated is not None:
        return usage.gpus_allocated
    return usage.gpus_requested or (0 if usage.requests is not None else None)
