"""A door to a cluster that exists only in memory: jobs end when a test says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_hpccompose.doors import (
    ArtifactReport,
    JobHandle,
    JobReport,
    KeyEntry,
    LogChunk,
    LogRequest,
    SubmitRequest,
)
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport
from compose_core import SchedulerUnreachable

_VERDICTS = {
    "COMPLETED": "ok",
    "FAILED": "app_failed",
    "CANCELLED": "cancelled",
    "TIMEOUT": "timelimit",
    "OUT_OF_MEMORY": "oom",
    "NODE_FAIL": "infra",
    "PREEMPTED": "preempted",
    "LOST": "unknown",
}


class FakeDoor:
    """The verbs of `Door`; `submissions` counts the jobs that ever ran, by key, and `calls` lists the verbs."""

    def __init__(self, *, conn_id: str = "hpccompose_default") -> None:
        self.conn_id = conn_id
        self.jobs: dict[str, JobHandle] = {}
        self.requests: dict[str, SubmitRequest] = {}
        self.reports: dict[str, JobReport] = {}
        self.submissions: Counter[str] = Counter()
        self.cancelled: list[str] = []
        self.calls: list[str] = []
        self.log_lines: dict[str, list[str]] = {}
        self.is_reachable = True
        self.errors: dict[str, Exception] = {}
        """What a verb raises, once each."""
        self.dies_after_submit = False
        """The job runs, and the caller never hears of it."""
        self.sweeps: dict[str, tuple[SweepHandle, SweepReport, dict[str, str]]] = {}
        """Sweeps that run, by key, with the key's labels."""

    def submit(self, request: SubmitRequest) -> JobHandle:
        self._enter("submit")
        if request.key in self.jobs:
            return replace(self.jobs[request.key], attached=True)
        number = len(self.jobs) + 1
        handle = JobHandle(
            conn_id=self.conn_id,
            cluster="fake",
            engine="slurm",
            job_id=str(40 + number),
            token=f"01ARZ3NDEKTSV4RRFFQ69G{number:04d}",
            key=request.key,
            n=request.n,
            name=request.spec_name,
            project_dir="/shared/project",
            job_dir=f"/shared/project/.hpc-compose/{40 + number}",
            batch_log=f"/shared/project/slurm-{40 + number}.out",
            submitted_at=1000.0 + number,
        )
        self.jobs[request.key] = handle
        self.requests[request.key] = request
        self.submissions[request.key] += 1
        self.set_state(handle, "PENDING")
        if self.dies_after_submit:
            self.dies_after_submit = False
            raise SystemExit("killed between submit and record")
        return handle

    def find(self, keys: Sequence[str]) -> dict[str, JobHandle]:
        self._enter("find")
        return {key: replace(self.jobs[key], attached=True) for key in keys if key in self.jobs}

    def keys(self, prefix: str, since: float = 0.0) -> list[KeyEntry]:
        self._enter("keys")
        return [
            KeyEntry(key=key, labels=self.requests[key].labels, created_at=handle.submitted_at)
            for key, handle in self.jobs.items()
            if key.startswith(prefix) and handle.submitted_at >= since
        ] + [
            KeyEntry(key=key, labels=labels, created_at=handle.submitted_at)
            for key, (handle, _, labels) in self.sweeps.items()
            if key.startswith(prefix)
        ]

    def live_sweeps(self, keys: Sequence[str]) -> dict[str, list[tuple[SweepHandle, SweepReport]]]:
        self._enter("live_sweeps")
        return {
            key: [(handle, report)]
            for key, (handle, report, _) in self.sweeps.items()
            if key in keys and not report.is_over
        }

    def stop_sweep(self, handle: SweepHandle, *, reason: str | None = None) -> bool:
        self._enter("stop_sweep")
        self.cancelled.append(handle.sweep_id)
        return True

    def observe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        self.calls.append("observe")
        if not self.is_reachable:
            return [self._unreachable(handle) for handle in handles]
        self._raise("observe")
        return [self.reports.get(handle.token) or self._nothing_known(handle) for handle in handles]

    def cancel(self, handle: JobHandle, *, wait_s: float = 20.0) -> JobReport:
        self._enter("cancel")
        self.cancelled.append(handle.job_id)
        if not self.reports[handle.token].is_over:
            self.set_state(handle, "CANCELLED")
        return self.reports[handle.token]

    def logs(
        self,
        handle: JobHandle,
        offsets: Mapping[str, int],
        budget: int,
        *,
        services: Sequence[str] | None = None,
        is_last: bool = False,
    ) -> LogChunk:
        self._enter("logs")
        wanted = [name for name in self.log_lines if services is None or name in services]
        lines = [
            {"service": name, "text": text} for name in wanted for text in self.log_lines[name][offsets.get(name, 0) :]
        ]
        return LogChunk(lines=lines, offsets={name: len(self.log_lines[name]) for name in wanted})

    def logs_of(self, requests: Sequence[LogRequest]) -> list[LogChunk]:
        return [
            self.logs(one.handle, one.offsets, one.budget, services=one.services, is_last=one.is_last)
            for one in requests
        ]

    def export_artifacts(
        self, handle: JobHandle, *, bundles: Sequence[str] = (), dest: str | None = None, checksum: bool = True
    ) -> ArtifactReport:
        self._enter("export_artifacts")
        found = {
            name: {"uri": f"/shared/results/{name}", "manifest": "m.json", "sha256": "00", "bytes": 1, "files": 1}
            for name in bundles or ("default",)
        }
        return ArtifactReport(bundles=found, export_dir=dest or "/shared/results")

    def fetch_artifacts(self, report: ArtifactReport, dest: str, *, most_bytes: int) -> ArtifactReport:
        self._enter("fetch_artifacts")
        fetched = {name: {**bundle, "fetched": {"uri": f"{dest}/{name}"}} for name, bundle in report.bundles.items()}
        return replace(report, bundles=fetched)

    def script(self, handle: JobHandle) -> str:
        self._enter("script")
        return "#!/bin/bash\n"

    def check(self) -> tuple[bool, str]:
        return self.is_reachable, "a fake cluster"

    # -- the levers of a test -------------------------------------------------------------------------------------

    def set_state(self, handle: JobHandle, state: str, **fields: Any) -> JobReport:
        """The job is like this from now on."""
        is_over = state in _VERDICTS
        said: dict[str, Any] = {
            "job_id": handle.job_id,
            "token": handle.token,
            "state": state,
            "raw_state": state,
            "verdict": _VERDICTS.get(state, "active"),
            "is_active": not is_over,
            "is_running": state == "RUNNING",
            "is_over": is_over,
            "exit_code": {"COMPLETED": 0, "FAILED": 1}.get(state),
            "times": {"submitted": handle.submitted_at},
        }
        self.reports[handle.token] = JobReport(**{**said, **fields})
        return self.reports[handle.token]

    def _enter(self, verb: str) -> None:
        self.calls.append(verb)
        self._raise(verb)
        if not self.is_reachable:
            raise SchedulerUnreachable("the scheduler does not answer")

    def _raise(self, verb: str) -> None:
        error = self.errors.pop(verb, None)
        if error is not None:
            raise error

    def _unreachable(self, handle: JobHandle) -> JobReport:
        known = self.reports[handle.token]
        return replace(known, state="UNREACHABLE", verdict="unreachable", is_active=True, is_over=False)

    def _nothing_known(self, handle: JobHandle) -> JobReport:
        return JobReport(
            job_id=handle.job_id,
            token=handle.token,
            state="UNKNOWN",
            verdict="unknown",
            is_active=False,
            is_over=False,
        )
