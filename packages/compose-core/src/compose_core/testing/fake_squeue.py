"""The fake `squeue`: the jobs that the controller remembers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from compose_core.testing.fake_job import FakeJob
from compose_core.testing.tool_text import (
    INVALID_ID,
    Call,
    Grammar,
    Said,
    Wrong,
    filled,
    is_meant,
    options_of,
    shown_limit,
    shown_time,
)

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster

_SQUEUE = Grammar(
    program="squeue",
    values=frozenset(["clusters", "format", "jobs", "name", "partition", "states", "sort", "user", "users"]),
    flags=frozenset(["all", "array", "me", "noheader", "steps", "long"]),
    short={
        "M": "clusters", "o": "format", "j": "jobs", "n": "name", "p": "partition", "t": "states", "u": "user",
        "a": "all", "r": "array", "h": "noheader", "s": "steps", "l": "long",
    },
)  # fmt: skip
_ACTIVE = frozenset(
    {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "REQUEUED", "REQUEUE_HOLD"}
)
_COMPACT = {
    "PENDING": "PD", "RUNNING": "R", "COMPLETING": "CG", "COMPLETED": "CD", "FAILED": "F", "CANCELLED": "CA",
    "TIMEOUT": "TO", "NODE_FAIL": "NF", "PREEMPTED": "PR", "OUT_OF_MEMORY": "OOM", "SUSPENDED": "S", "CONFIGURING": "CF",
}  # fmt: skip
_HEADERS = {
    "i": "JOBID", "A": "JOBID", "F": "ARRAY_JOB_ID", "K": "ARRAY_TASK_ID", "T": "STATE", "t": "ST", "r": "REASON",
    "R": "NODELIST(REASON)", "S": "START_TIME", "V": "SUBMIT_TIME", "e": "END_TIME", "l": "TIME_LIMIT", "D": "NODES",
    "N": "NODELIST", "u": "USER", "j": "NAME", "k": "COMMENT", "P": "PARTITION", "M": "TIME",
}  # fmt: skip
_DEFAULT_FORMAT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"


def squeue(cluster: FakeCluster, call: Call) -> Said:
    """The jobs that the controller remembers."""
    try:
        given, _ = options_of(_SQUEUE, call.argv[1:])
        jobs = _wanted(cluster, given)
    except Wrong as wrong:
        return wrong.said
    header = "" if "noheader" in given else None
    if "steps" in given:
        layout = given.get("format") or "%.15i %.8j %.9P %.8u %.9M %N"
        running = [job for job in jobs if job.state == "RUNNING"]
        lines = [_step_line(cluster, job, step, layout, call) for job in running for step in ("batch", "extern")]
    else:
        layout = given.get("format") or _DEFAULT_FORMAT
        lines = [filled(layout, _squeue_cells(cluster, job, call)) for job in jobs]
    if header is None:
        lines.insert(0, filled(layout, _HEADERS))
    return Said(stdout="".join(f"{line}\n" for line in lines))


def _wanted(cluster: FakeCluster, given: Mapping[str, str]) -> list[FakeJob]:
    jobs = cluster.known_to_controller()
    ids = [word for word in given.get("jobs", "").split(",") if word]
    for job_id in ids:
        if not re.fullmatch(r"\d+(_\d+|\+\d+)?", job_id):
            raise Wrong(1, f"squeue: error: Invalid job id: {job_id}\n")
    if len(ids) == 1 and not any(is_meant(job, ids[0]) for job in jobs):
        raise Wrong(1, f"slurm_load_jobs error: {INVALID_ID}\n")
    if ids:
        jobs = [_restricted(job, ids) for job in jobs if any(is_meant(job, job_id) for job_id in ids)]
    elif "jobs" in given:
        return []
    if "me" in given:
        jobs = [job for job in jobs if job.user == cluster.user]
    if "user" in given or "users" in given:
        users = (given.get("user") or given.get("users") or "").split(",")
        jobs = [job for job in jobs if job.user in users]
    states = given.get("states", "").upper()
    if states and states != "ALL":
        wanted = set(states.split(","))
        return [job for job in jobs if job.state in wanted or _COMPACT.get(job.state) in wanted]
    return jobs if states == "ALL" else [job for job in jobs if job.state in _ACTIVE]


def _restricted(job: FakeJob, ids: list[str]) -> FakeJob:
    """Of tasks that wait together only those that were asked for."""
    wanted = [task for task in job.waiting_tasks if f"{job.array_number}_{task}" in ids]
    if not wanted or str(job.array_number) in ids:
        return job
    return replace(job, waiting_tasks=wanted, throttle=None, was_split=True)


def _squeue_cells(cluster: FakeCluster, job: FakeJob, call: Call) -> dict[str, str]:
    waits = job.started_at is None
    start = job.eligible_at if waits and job.reason == "BeginTime" else job.started_at
    limit = job.time_limit_s
    end = job.ended_at if job.is_over else start + limit if start is not None and limit is not None else None
    return {
        "i": job.shown_id,
        "A": str(job.number),
        "F": str(job.array_number or job.number),
        "K": str(job.task) if job.task is not None else job.task_text or "N/A",
        "T": job.state,
        "t": _COMPACT.get(job.state, job.state[:2]),
        "r": job.reason,
        "R": f"({job.reason})" if waits else job.node_list,
        "S": shown_time(start, call, "N/A"),
        "V": shown_time(job.submitted_at, call, "N/A"),
        "e": shown_time(end, call, "N/A"),
        "l": shown_limit(limit),
        "D": str(job.nodes_wanted),
        "N": job.node_list,
        "u": job.user,
        "j": job.name,
        "k": job.comment or "(null)",
        "P": job.partition,
        "M": shown_limit(int(cluster.now() - job.started_at) if job.started_at is not None else 0),
    }


def _step_line(cluster: FakeCluster, job: FakeJob, step: str, layout: str, call: Call) -> str:
    cells = {**_squeue_cells(cluster, job, call), "i": f"{job.number}.{step}", "j": step}
    return filled(layout, cells)
