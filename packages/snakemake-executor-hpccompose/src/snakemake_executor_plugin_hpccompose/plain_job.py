"""What a rule without services asks of the scheduler: a compose job of one service, the runner in the batch step."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts
from snakemake_executor_plugin_hpccompose.unit_paths import MAIN_SERVICE


@dataclass(frozen=True, kw_only=True)
class ComposeJob:
    """A complete compose file but for the command of its main service, and what it asks for."""

    spec: dict[str, Any]
    shape_key: str
    sidecars: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    pack: int = 1
    cpus: int | None = None
    mem_mb: int | None = None
    runtime_min: int | None = None
    source: str = ""


def compose_job(facts: RuleFacts) -> ComposeJob:
    """The compose job of this rule."""
    asked = facts.resources
    mem_mb, runtime = asked.get("mem_mb"), asked.get("runtime")
    slurm: dict[str, Any] = {"cpus_per_task": facts.threads}
    if isinstance(mem_mb, int):
        slurm["mem"] = f"{mem_mb}M"
    if isinstance(runtime, int):
        slurm["time"] = f"{runtime // 60:02d}:{runtime % 60:02d}:00"
    for name, key in (("slurm_partition", "partition"), ("slurm_account", "account"), ("qos", "qos")):
        if asked.get(name):
            slurm[key] = str(asked[name])
    spec = {
        "runtime": {"backend": "host"},
        "x-slurm": slurm,
        "services": {MAIN_SERVICE: {"command": [], "x-slurm": {"launch": "batch"}}},
    }
    return ComposeJob(
        spec=spec,
        shape_key=hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest(),
        cpus=facts.threads,
        mem_mb=mem_mb if isinstance(mem_mb, int) else None,
        runtime_min=runtime if isinstance(runtime, int) else None,
    )
