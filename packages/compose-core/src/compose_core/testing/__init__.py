"""Shipped fakes: a Slurm that speaks the real tools' text on a clock that tests move.

cluster = FakeCluster()
site = cluster.site(tmp_path)          # site.engine is the real Slurm engine over the fake tools
cluster.fail_next("sbatch", accept_then_timeout())
"""

from __future__ import annotations

from compose_core.testing.fake_clock import FakeClock
from compose_core.testing.fake_cluster import FakeCluster
from compose_core.testing.fake_job import Ending, FakeJob
from compose_core.testing.faults import (
    Fault,
    accept_then_timeout,
    garbage,
    hang,
    partial_output,
    rc,
    stderr_notice,
    timeout_no_accept,
)

__all__ = [
    "Ending",
    "FakeClock",
    "FakeCluster",
    "FakeJob",
    "Fault",
    "accept_then_timeout",
    "garbage",
    "hang",
    "partial_output",
    "rc",
    "stderr_notice",
    "timeout_no_accept",
]
