"""`sinfo`: the partitions of the site and what their nodes have."""

from __future__ import annotations

from dataclasses import dataclass

from compose_core.cluster.slurm_text import FIELD_SEPARATOR, count, limit_s, word

_FIELDS = ("%P", "%a", "%l", "%D", "%T", "%c", "%m", "%G", "%f")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRow:
    """Nodes of one partition that are alike and in the same state."""

    partition: str
    is_default: bool
    is_up: bool
    time_limit_s: int | None
    """None: no limit."""
    node_count: int
    state: str
    """Slurm's word, such as `idle`, `mixed`, `down*`."""
    cpus_per_node: int | None
    memory_mib: int | None
    gres: str
    """As Slurm writes it: `gpu:a100:4`; empty when there is none."""
    features: str


def sinfo_argv(program: str = "sinfo") -> list[str]:
    """One line per partition, kind of node and state; without --exact, nodes of several sizes are told as the smallest."""
    return [program, "--noheader", "--exact", f"--format={FIELD_SEPARATOR.join(_FIELDS)}"]


def parse_sinfo(stdout: str) -> tuple[PartitionRow, ...]:
    """Read `sinfo_argv` output; lines of another shape are dropped."""
    rows = []
    for line in stdout.splitlines():
        cells = line.split(FIELD_SEPARATOR)
        if len(cells) != len(_FIELDS):
            continue
        name, up, limit, nodes, state, cpus, memory, gres, features = (cell.strip() for cell in cells)
        rows.append(
            PartitionRow(
                partition=name.removesuffix("*"),
                is_default=name.endswith("*"),
                is_up=up == "up",
                time_limit_s=limit_s(limit),
                node_count=count(nodes) or 0,
                state=state,
                cpus_per_node=count(cpus.removesuffix("+")),
                memory_mib=count(memory.removesuffix("+")),
                gres="" if gres == "(null)" else gres,
                features=word(features),
            )
        )
    return tuple(rows)
