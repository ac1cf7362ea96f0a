"""The fake `scancel`: ends jobs, silent about those that are unknown or over, unless a signal is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from compose_core.testing.tool_text import INVALID_ID, Call, Grammar, Said, Wrong, is_meant, options_of

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster

_SCANCEL = Grammar(
    program="scancel",
    values=frozenset(["signal", "user", "name", "state", "partition", "clusters"]),
    flags=frozenset(["full", "batch", "verbose", "quiet", "hurry"]),
    short={"s": "signal", "u": "user", "n": "name", "t": "state", "f": "full", "b": "batch", "v": "verbose", "Q": "quiet"},
)  # fmt: skip


def scancel(cluster: FakeCluster, call: Call) -> Said:
    """End jobs; silent about those that are unknown or over, unless a signal is named."""
    try:
        given, ids = options_of(_SCANCEL, call.argv[1:])
    except Wrong as wrong:
        return wrong.said
    if not ids and not given.keys() & {"user", "name", "state"}:
        return Said(rc=1, stderr="scancel: error: No job identification provided\n")
    for job_id in ids:
        if not re.fullmatch(r"\d+(_\d+)?", job_id):
            return Said(rc=1, stderr=f"scancel: error: Invalid job id {job_id}\n")
    said = [_cancelled(cluster, job_id, given) for job_id in ids]
    if not ids:
        for job in cluster.known_to_controller():
            if job.user == given.get("user", cluster.user):
                cluster.cancel(job)
    return Said(rc=max((one.rc for one in said), default=0), stderr="".join(one.stderr for one in said))


def _cancelled(cluster: FakeCluster, job_id: str, given: Mapping[str, str]) -> Said:
    known = [job for job in cluster.known_to_controller() if is_meant(job, job_id)]
    alive = [job for job in known if not job.is_over]
    number = given.get("signal", "KILL").removeprefix("SIG")
    verbose = f"scancel: Terminating job {job_id}\n" if "verbose" in given and "signal" not in given else ""
    prefix = f"scancel: error: Kill job error on job id {job_id}:"
    if not alive and "signal" in given:
        return Said(rc=1, stderr=f"{prefix} {INVALID_ID}\n")
    if not alive:
        text = "Job/step already completing or completed" if known else INVALID_ID
        return Said(stderr=f"{verbose}{prefix} {text}\n" if verbose else "")
    if number in {"KILL", "9"}:
        task = job_id.partition("_")[2]
        for job in alive:
            cluster.cancel(job, task=int(task) if task and job.task is None else None)
    return Said(stderr=verbose)
