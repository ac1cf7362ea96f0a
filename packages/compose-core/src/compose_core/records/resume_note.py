"""What the latest run left in the folder of its `x-slurm.resume`: who it was, and how it was configured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from compose_core.records.format import Format, JobIdText, TokenText
from compose_core.records.our_path import OurPath


class ResumeNote(Format):
    """`<resume folder>/_hpc-compose/latest.json`."""

    max_bytes: ClassVar[int] = 8 * 1024 * 1024

    job_id: JobIdText
    submission_token: TokenText | None = None
    """None: the script was submitted by hand, without a claim."""
    attempt: int = 0
    name: str = ""
    job_dir: str = ""
    """The attempt's folder."""
    updated_at: float | None = None
    config_sha256: str = ""
    """Digest of what the compose file meant, secrets included."""
    config: dict[str, Any] = Field(default_factory=dict)
    """What the compose file said, secret values as `***`."""


def resume_note_path(resume_dir: str) -> OurPath:
    """Where the note lies; links on the way to the resume folder are the user's business."""
    return OurPath(Path(resume_dir)) / "_hpc-compose" / "latest.json"
