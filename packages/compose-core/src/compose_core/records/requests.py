"""The part of a job record that says what was asked for, and where it came from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RecordedRequests(BaseModel):
    """Numbers that Slurm was asked for; None leaves it to the site, or to the job where a service says nothing."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    time_s: int | None = None
    nodes: int | None = None
    ntasks: int | None = None
    cpus_per_task: int | None = None
    cpus: int | None = None
    """In total, on all nodes."""
    mem_bytes: int | None = None
    """Per node; 0 is all memory of a node."""
    mem_bytes_per_gpu: int | None = None
    gpus: int | None = None
    """In total, on all nodes."""


class RecordedJobRequests(RecordedRequests):
    """The job's, and what its services ask for by themselves."""

    services: dict[str, RecordedRequests] = Field(default_factory=dict)


class GitState(BaseModel):
    """Where the repository of the compose file stood."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    sha: str | None = None
    branch: str | None = None
    """None: no branch was checked out."""
    dirty: bool | None = None
    """None: not looked at, because only `git` itself can tell."""


class Provenance(BaseModel):
    """What the job was made from."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    tool_version: str = ""
    git: GitState | None = None
    """None: the compose file is in no repository."""
    image_refs: tuple[str, ...] = ()
    source_content_hash: str = ""
    """SHA-256 of what the compose file means, variables filled in."""
