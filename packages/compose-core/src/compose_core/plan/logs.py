"""What `x-slurm.logs` asks for, in bytes."""

from __future__ import annotations

from compose_core.plan.model import LogRules
from compose_core.spec.models import Logs
from compose_core.units import parse_memory_mib


def log_rules(logs: Logs | None) -> LogRules | None:
    """When logs are rotated; None for never, which is also what a `max_size` of 0 says."""
    size_mib = parse_memory_mib(logs.max_size) if logs is not None and logs.max_size is not None else 0
    return LogRules(max_bytes=size_mib * 2**20, keep=logs.keep) if logs is not None and size_mib else None
