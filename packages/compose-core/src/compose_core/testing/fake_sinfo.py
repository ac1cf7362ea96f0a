"""The fake `sinfo` and `sstat`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.testing.tool_text import Call, Grammar, Said, Wrong, filled, options_of
from compose_core.units import format_slurm_time

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster

_SINFO = Grammar(
    program="sinfo",
    values=frozenset({"format", "partition"}),
    flags=frozenset({"noheader", "summarize", "exact"}),
    short={"o": "format", "p": "partition", "h": "noheader", "s": "summarize", "e": "exact"},
)
_SINFO_HEADERS = {
    "P": "PARTITION", "a": "AVAIL", "l": "TIMELIMIT", "D": "NODES", "T": "STATE", "t": "STATE", "c": "CPUS", "m": "MEMORY",
    "G": "GRES", "f": "AVAIL_FEATURES", "N": "NODELIST",
}  # fmt: skip


def sinfo(cluster: FakeCluster, call: Call) -> Said:
    """The partitions."""
    try:
        given, _ = options_of(_SINFO, call.argv[1:])
    except Wrong as wrong:
        return wrong.said
    settings = cluster.settings
    layout = given.get("format") or "%9P %.5a %.10l %.6D %.6t %N"
    lines = [] if "noheader" in given else [filled(layout, _SINFO_HEADERS)]
    for position, (name, limit) in enumerate(settings.partitions.items()):
        cells = {
            "P": f"{name}*" if position == 0 else name,
            "a": "up",
            "l": "infinite" if limit is None else format_slurm_time(limit),
            "D": str(settings.nodes),
            "T": "idle",
            "t": "idle",
            "c": str(settings.cpus_per_node),
            "m": str(settings.memory_mib_per_node),
            "G": "(null)",
            "f": "(null)",
            "N": f"node[1-{settings.nodes}]",
        }
        lines.append(filled(layout, cells))
    return Said(stdout="".join(f"{line}\n" for line in lines))


def sstat(_: FakeCluster, call: Call) -> Said:
    """Nothing is measured here: every job looks as if no step of it ran."""
    ids = [word.partition("=")[2] for word in call.argv if word.startswith("--jobs=")] or list(call.argv[-1:])
    return Said(stderr=f"sstat: error: No steps running for job {ids[0]}\n")
