"""Records and snapshots of jobs, as they would come from disk."""

from __future__ import annotations

from typing import Any

from compose_core.job_state import JobState
from compose_core.records.job_record import JobRecord
from compose_core.records.state import ServiceState
from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot

TOKEN = "01ARYZ6S41TSV4RRFFQ69G5FAV"


def record(job_id: str = "7", **changes: Any) -> JobRecord:
    """A job record of this release."""
    fields: dict[str, Any] = {
        "backend": "slurm",
        "submission_token": TOKEN,
        "name": "hello",
        "compose_file": "/p/compose.yaml",
        "submit_dir": "/p",
        "script_path": "/p/s",
        "script_sha256": "0" * 64,
        "spec_sha256": "0" * 64,
        "cache_dir": "/c",
        "runtime_root": "/p/.hpc-compose",
        "batch_log": "slurm-%j.out",
        "job_id": job_id,
        "submitted_at": 100.0,
        "job_dir": f"/p/.hpc-compose/{job_id}",
        "config_snapshot_yaml": "name: hello\n",
        "requests": {},
        **changes,
    }
    return JobRecord.model_validate(fields)


def snapshot(job: JobRecord, state: JobState = JobState.COMPLETED, **changes: Any) -> JobSnapshot:
    """How that job ended."""
    fields: dict[str, Any] = {
        "source": "state",
        "terminal": state.is_terminal,
        "observed_at": 500.0,
        "submitted_at": job.submitted_at,
        "started_at": 110.0,
        "ended_at": 120.0,
        "exit_code": 0,
        **changes,
    }
    return JobSnapshot(record=job, state=state, **fields)


def service(name: str, status: str = "exited", **state: Any) -> ServiceSnapshot:
    """One service of a snapshot."""
    return ServiceSnapshot(
        name=name, status=status, state=ServiceState.model_validate({"service_name": name, "status": status, **state})
    )
