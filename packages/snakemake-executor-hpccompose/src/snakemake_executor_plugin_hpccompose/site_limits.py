"""What the site's partitions can run, asked once per run: a job that none of them can is an error before anything of it is submitted.

Slurm itself may take such a job and let it wait for ever. Only what is certain counts: a partition that `sinfo` does not show, a quality
of service, a reservation or another cluster may allow what is not known here, so there Slurm's own answer counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from snakemake_executor_plugin_hpccompose.errors import RuleError

if TYPE_CHECKING:
    from compose_core import PartitionRow, Site

ASK_AGAIN_S = 60.0
_GPU = re.compile(r"(?:^|,)gpu(?::(?P<model>[^:(,]+))?:(?P<count>\d+)(?=[,(]|$)")
_ELSEWHERE = ("--clusters", "-M", "--partition", "-p", "--qos", "-q", "--reservation")
"""Options of sbatch that lead where nothing is known of."""


@dataclass
class SiteLimits:
    """The partitions of one site."""

    site: Site
    _rows: tuple[PartitionRow, ...] | None = None
    _not_before: float = float("-inf")
    _known: dict[str, str] = field(default_factory=dict)
    """Verdicts by shape: jobs of one shape are asked about once."""

    def check(self, rule: str, shape: str, slurm: Mapping[str, Any]) -> None:
        """Some partition can run a job with this section `x-slurm`, as far as that can be known.

        Raises: RuleError: none can; with the reason for each.
        """
        if shape not in self._known:
            if not _asks(slurm) or (rows := self.rows()) is None:
                return
            self._known[shape] = "\n".join(f"  {reason}" for reason in why_nowhere(slurm, rows))
        if self._known[shape]:
            raise RuleError(
                rule,
                "no partition of the cluster can run this job.",
                remedy="Ask for less, or name another partition with the resource slurm_partition.",
                details=self._known[shape],
            )

    def longest_min(self, slurm: Mapping[str, Any]) -> int | None:
        """The longest time that the job's partition allows, in minutes; None: there is no limit, or none is known."""
        if _is_elsewhere(slurm) or (rows := self.rows()) is None:
            return None
        limits = [row.time_limit_s for row in _candidates(slurm, rows, default_only=True)]
        known = [limit // 60 for limit in limits if limit is not None]
        return max(known) if known and len(known) == len(limits) else None

    def rows(self) -> tuple[PartitionRow, ...] | None:
        """The partitions; None: the site does not tell them now."""
        now = self.site.clock.monotonic()
        if self._rows is None and now >= self._not_before:
            from compose_core import partitions_of

            self._rows, self._not_before = partitions_of(self.site), now + ASK_AGAIN_S
        return self._rows


def why_nowhere(slurm: Mapping[str, Any], rows: Sequence[PartitionRow]) -> list[str]:
    """A reason for each partition that the job could go to; empty: one of them can run it, or they are not known."""
    if _is_elsewhere(slurm):
        return []
    reasons = []
    for name in dict.fromkeys(row.partition for row in _candidates(slurm, rows)):
        reason = _unfit(slurm, [row for row in rows if row.partition == name])
        if not reason:
            return []
        reasons.append(f"{name}: {reason}")
    return reasons


def _asks(slurm: Mapping[str, Any]) -> bool:
    """A single CPU, and nothing else, is there wherever there is a node."""
    return any(slurm.get(key) for key in ("time", "mem", "gpus", "gres", "nodes")) or slurm.get("cpus_per_task", 1) > 1


def _is_elsewhere(slurm: Mapping[str, Any]) -> bool:
    options = slurm.get("submit_args", ())
    return bool(slurm.get("qos") or slurm.get("reservation")) or any(str(one).startswith(_ELSEWHERE) for one in options)


def _candidates(
    slurm: Mapping[str, Any], rows: Sequence[PartitionRow], *, default_only: bool = False
) -> list[PartitionRow]:
    """Partitions by name; where none is named, all: the site may send the job to any. Empty: a named one is not shown."""
    named = [name.strip() for name in str(slurm.get("partition") or "").split(",") if name.strip()]
    if named:
        shown = {row.partition for row in rows}
        return [row for row in rows if row.partition in named] if shown.issuperset(named) else []
    return [row for row in rows if row.is_default or not default_only]


def _unfit(slurm: Mapping[str, Any], rows: Sequence[PartitionRow]) -> str:
    """Why the partition of these rows cannot run it; empty: it can."""
    from compose_core import format_slurm_time, parse_memory_mib, parse_slurm_time_s

    time = slurm.get("time")
    asked_s = parse_slurm_time_s(str(time)) if time else None
    limit_s = rows[0].time_limit_s
    if asked_s is not None and limit_s is not None and asked_s > limit_s:
        return f"time {time} is more than its limit {format_slurm_time(limit_s)}"
    cpus, memory = int(slurm.get("cpus_per_task") or 1), slurm.get("mem")
    mib = parse_memory_mib(str(memory)) if memory else 0
    fits = [[row for row in rows if (row.cpus_per_node or cpus) >= cpus]]
    fits.append([row for row in rows if _memory(row, mib) >= mib])
    if not fits[0]:
        return f"cpus_per_task {cpus} is more than any of its nodes has ({max(row.cpus_per_node or 0 for row in rows)})"
    if not fits[1]:
        return f"mem {memory} is more than any of its nodes has ({max(row.memory_mib or 0 for row in rows)}M)"
    if reason := _without_gpus(slurm, rows):
        return reason
    both = [row for row in fits[0] if row in fits[1]]
    if not both:
        return f"no node has both {cpus} CPUs and mem {memory}"
    nodes = int(slurm.get("nodes") or 1)
    there = sum(row.node_count for row in both)
    return f"{nodes} nodes of that size are more than it has ({there})" if nodes > there else ""


def _memory(row: PartitionRow, asked: int) -> int:
    """Of one of its nodes; a site that does not configure it (1 MB is Slurm's default) has what is asked for."""
    return row.memory_mib if row.memory_mib is not None and row.memory_mib > 1 else asked


def _without_gpus(slurm: Mapping[str, Any], rows: Sequence[PartitionRow]) -> str:
    """Why it has too few GPUs; empty: it has enough, or none are asked for."""
    match = _GPU.search(str(slurm.get("gres") or ""))
    if match is not None:
        asked, model = int(match["count"]), match["model"]
        most = max((_gpus(row, model) for row in rows), default=0)
        named = f"gpu:{model}:{asked}" if model else f"gpu:{asked}"
        return f"gres {named} is more than any of its nodes has ({most})" if asked > most else ""
    asked = int(slurm.get("gpus") or 0)
    there = sum(_gpus(row, None) * row.node_count for row in rows)
    return f"gpus {asked} is more than it has ({there})" if asked > there else ""


def _gpus(row: PartitionRow, model: str | None) -> int:
    found = _GPU.finditer(row.gres)
    return sum(int(match["count"]) for match in found if model is None or match["model"] in (None, model))
