"""What a job's teardown collected."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from compose_core.records.format import Format, JobIdText, TokenText


class MissingArtifact(BaseModel):
    """Something that was declared and is not there."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    path: str
    reason: str = ""


class ManifestBundle(BaseModel):
    """One bundle in `manifest.json`."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    declared_source_patterns: tuple[str, ...] = ()
    matched_source_paths: tuple[str, ...] = ()
    copied_relative_paths: tuple[str, ...] = ()
    """Below `payload/`."""
    warnings: tuple[str, ...] = ()


class Manifest(Format):
    """`artifacts/manifest.json`."""

    max_bytes: ClassVar[int] = 64 * 1024 * 1024

    job_id: JobIdText
    submission_token: TokenText | None = None
    collect_policy: str = ""
    collected_at: float | None = None
    job_outcome: str = ""
    attempt: int | None = None
    is_resume: bool | None = None
    resume_dir: str | None = None
    complete: bool = True
    """False: the deadline came first; `missing` says what is not there."""
    declared_source_patterns: tuple[str, ...] = ()
    matched_source_paths: tuple[str, ...] = ()
    copied_relative_paths: tuple[str, ...] = ()
    missing: tuple[MissingArtifact, ...] = ()
    warnings: tuple[str, ...] = ()
    bundles: dict[str, ManifestBundle] = Field(default_factory=dict)
