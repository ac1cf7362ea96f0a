"""What the verbs of the door are told about sweeps."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from compose_core.door.requests import Handle
from compose_core.readiness import PreflightMode

SWEEP_KEY_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,75}"
"""A sweep is called like its key, and `KEY-2` when the first one was stopped and is wanted again."""


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class SweepSource(_Arguments):
    """The compose file of a sweep, or the text of one."""

    compose_file: str | None = None
    """Absolute, or relative to `project_dir`."""
    spec: str | None = None
    """The text of one that belongs into `project_dir`."""
    project_dir: str | None = None
    """Absolute, or relative to the workspace, which it is unless it is said."""
    variables: dict[str, str] = Field(default_factory=dict)
    """For `${NAME}` in the file; they win over the environment of the process."""
    max_trials: int | None = Field(default=None, ge=1)
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Parts of a spec, over what is written."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Parts of a spec, under what is written."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables that every service gets, over those of the file."""


class SubmitSweepArguments(SweepSource):
    """A sweep, and the key that it is submitted under."""

    key: str = Field(pattern=f"^{SWEEP_KEY_PATTERN}$")
    throttle: int | None = Field(default=None, ge=1)
    supersedes: list[str] = Field(default_factory=list, max_length=1000)
    """Keys that count no more: what was submitted under them is stopped first."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Kept beside the key, for whoever asks which keys there are."""
    prepare: bool = True
    """Make the images ready first; else they have to be."""
    preflight: PreflightMode = "warn"


class SweepArguments(_Arguments):
    """Which sweep is meant."""

    project_dir: str
    sweep_id: str
    """Empty: the folder's newest."""


class ResultsArguments(SweepArguments):
    """Where its tables go, and how many configurations are told."""

    dest: str | None = None
    """A folder for the tables, below the project where it is relative; None: none is written."""
    top: int = Field(default=50, ge=1, le=1000)


class RankArguments(SweepSource):
    """Trials that are jobs of their own."""

    sweep_id: str
    """What the trials were expanded with."""
    jobs: dict[str, Handle]
    """By trial id."""
    dest: str | None = None
    top: int = Field(default=50, ge=1, le=1000)


class SweepsOfKeysArguments(_Arguments):
    """Which keys' sweeps are looked for."""

    keys: list[str] = Field(max_length=1000)


class StopSweepArguments(_Arguments):
    """A sweep, or all that were submitted under some keys."""

    project_dir: str | None = None
    """The sweep's; keys are those of the workspace."""
    sweep_id: str | None = None
    keys: list[str] = Field(default_factory=list, max_length=1000)
    reason: str | None = None
