"""The job record: what a client has to know to follow a job later."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from compose_core.array_tasks import array_tasks
from compose_core.records.format import Format, JobIdText, TokenText
from compose_core.records.paths import JobPaths, ProjectPaths
from compose_core.records.requests import Provenance, RecordedJobRequests


class RequestedWalltime(BaseModel):
    """The time limit that was asked for."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    original: str
    """As Slurm is told: `00:10:00`."""
    seconds: int


class Note(BaseModel):
    """A remark that somebody left on a job."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    text: str
    created_at: float


class JobArray(BaseModel):
    """The tasks that one job record stands for."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    spec: str
    """As Slurm was told: `0-15%4`."""
    log_pattern: str = ""
    """The batch log of a task; of Slurm's patterns those are left that differ between the tasks: `slurm-12_%a.out`."""

    @property
    def tasks(self) -> tuple[int, ...]:
        """The numbers of the tasks, in order."""
        return tuple(sorted(set(array_tasks(self.spec))))


class SweepPlace(BaseModel):
    """Which trial of which sweep a job is."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    sweep_id: str
    trial_id: str | None = None
    """None in the record of a group, which stands for several."""
    trial_index: int | None = None
    variables: dict[str, str] = Field(default_factory=dict)


class JobFacts(Format):
    """What is known of a job before the scheduler gave it an id."""

    backend: Literal["slurm", "local"]
    """The engine."""
    kind: str = "main"
    """`main`; `canary`: a short run that only measures; `sweep`: an array of trials; `sweep_trial`: one of them."""
    submission_token: TokenText
    run_key: str | None = None
    name: str
    compose_file: str
    submit_dir: str
    """The compose file's folder."""
    script_path: str
    script_sha256: str
    spec_sha256: str
    cache_dir: str
    runtime_root: str
    """Absolute; the job folder lies in it."""
    batch_log: str
    """Where Slurm's own output goes; before the id is known, and for an array as a whole, it may hold Slurm's `%` patterns."""
    batch_log_folder: str = ""
    """Where a relative `batch_log` starts from; empty: the folder of the compose file."""
    array: JobArray | None = None
    """Set when the job is an array: everything else then is what its tasks have in common."""
    services: tuple[str, ...] = ()
    """In launch order."""
    images: tuple[str, ...] = ()
    """The image files that its steps start from."""
    artifact_export_dir: str | None = None
    """As written; `${SLURM_JOB_ID}` is filled in at export."""
    resume_dir: str | None = None
    """The shared folder of x-slurm.resume."""
    requested_walltime: RequestedWalltime | None = None
    sweep: SweepPlace | None = None
    requests: RecordedJobRequests | None = None
    """None: written by a release that did not keep it."""
    config_snapshot_yaml: str | None = None
    """What the compose file meant, as YAML, with secret values as `***`; None: not kept."""
    config_snapshot_note: str = ""
    """Why there is no snapshot."""
    provenance: Provenance | None = None
    tool_version: str = ""
    tags: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


class JobRecord(JobFacts):
    """`jobs/<job-id>.json`."""

    job_id: JobIdText
    cluster: str | None = None
    submitted_at: float
    job_dir: str
    service_logs: dict[str, str] = Field(default_factory=dict)
    """Service name to the absolute path of its log; empty for an array as a whole."""
    array_job_id: JobIdText | None = None
    """Set in the record of one task, which is made of the array's and, but for the trials of a sweep, never written."""
    array_task_id: int | None = None

    @property
    def job_paths(self) -> JobPaths:
        """What the job writes."""
        return JobPaths(Path(self.job_dir))

    @property
    def project(self) -> ProjectPaths:
        """What lies beside the compose file."""
        return ProjectPaths(Path(self.submit_dir))
