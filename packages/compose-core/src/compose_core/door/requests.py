"""What the verbs of the door are told."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from compose_core.readiness import PreflightMode
from compose_core.records.format import JobIdText, TokenText

KEY_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Handle(BaseModel):
    """A job, by what never changes of it; further fields of a handle are somebody else's."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    project_dir: str
    job_id: JobIdText
    token: TokenText
    key: str | None = None


class SubmitArguments(_Arguments):
    """A compose file, or the text of one, and the key that it is submitted under."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    """One job per key, however often it is submitted."""
    compose_file: str | None = None
    """Absolute, or relative to the workspace."""
    spec: str | None = None
    """The text of a spec that is no file."""
    spec_name: str = "spec"
    """What errors call it."""
    project_dir: str | None = None
    """Absolute, or relative to the workspace; the folder of the compose file unless it is said."""
    variables: dict[str, str] = Field(default_factory=dict)
    """For `${NAME}` in the file; they win over the environment of the process."""
    trial: dict[str, str] = Field(default_factory=dict)
    """The parameters of a sweep's trial: variables, which every service gets, too."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables that every service gets, over those of the file."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    defaults: dict[str, Any] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    """Kept beside the key, for whoever asks which keys there are."""
    prepare: bool = True
    """Make the images ready first; else they have to be."""
    preflight: PreflightMode = "warn"


class FindArguments(_Arguments):
    """Which keys are looked for."""

    keys: list[str] = Field(max_length=1000)


class KeysArguments(_Arguments):
    """Which keys are listed."""

    prefix: str = ""
    since: float = 0.0


class JobsArguments(_Arguments):
    """Which jobs are looked at."""

    jobs: list[Handle]


class CancelArguments(_Arguments):
    """Which job is to end, and how long that is waited for."""

    job: Handle
    wait_s: float = Field(default=20.0, ge=0, le=300)


class LogsArguments(_Arguments):
    """From where on whose output is read, and how much of it at most."""

    job: Handle
    services: list[str] | None = None
    """None: all of them and the batch log, whose name is `batch`."""
    offsets: dict[str, int] = Field(default_factory=dict)
    budget: int = Field(default=65536, ge=1, le=8 * 1024 * 1024)
    """Bytes of all logs together."""
    is_last: bool = False
    """The job is over: what has no end of line counts, too."""


class LogsOfArguments(_Arguments):
    """The same of several jobs."""

    requests: list[LogsArguments] = Field(min_length=1, max_length=1000)


class ExportArguments(_Arguments):
    """Which artifacts are exported where."""

    job: Handle
    bundles: list[str] = Field(default_factory=list)
    dest: str | None = None
    checksum: bool = True


class ScriptArguments(_Arguments):
    """The job whose script is read."""

    job: Handle


class CheckArguments(_Arguments):
    """Nothing has to be said."""
