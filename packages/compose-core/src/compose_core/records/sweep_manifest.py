"""A sweep on disk: its trials and groups (`sweep.json`), and the journal from which that file follows (`trials.jsonl`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from compose_core.records.format import Format, JobIdText, TokenText


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True, defer_build=True
    )


class SweepMatrix(_Part):
    """How the trials were drawn."""

    mode: Literal["full", "random", "list"]
    """`list`: they are written out in the file."""
    random: int | None = None
    """Combinations that were drawn."""
    replicates: int = 1


class SweepObjective(_Part):
    """Which figure of a trial says how good it is, as in the compose file."""

    direction: Literal["minimize", "maximize"]
    log_pattern: str | None = None
    group: int = 1
    service: str | None = None
    json_path: str | None = None
    json_field: str | None = None
    metric: str | None = None
    take: Literal["last", "best"] = "last"
    scaling_axis: str | None = None


class SweepPrune(_Part):
    """How hopeless trials are ended early, as in the compose file."""

    method: Literal["median", "asha"]
    metric: str | None = None
    min_steps: int = 1
    reduction_factor: int = 3


class SweepOverlay(_Part):
    """What a program laid over and under the compose file, so that whoever goes on with the sweep does the same."""

    overrides: dict[str, Any] = Field(default_factory=dict)
    """Parts of a spec, over what is written."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Parts of a spec, under what is written."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables that every service gets, over those of the file."""


class TrialAttempt(_Part):
    """An earlier submission of a trial that was submitted again since."""

    group: str
    job_id: JobIdText | None = None
    record_path: str | None = None
    submitted_at: float | None = None


class SweepTrial(_Part):
    """One trial."""

    trial_id: str
    """`t000`; with replicates `t000r0`."""
    index: int
    """Its place in the sweep, from 0."""
    variables: dict[str, str] = Field(default_factory=dict)
    config_key: str = ""
    """`batch=32;lr=0.1`: the same for all replicates."""
    replicate: int = 0
    seed: str | None = None
    """Only with replicates."""
    script_path: str | None = None
    script_sha256: str | None = None
    group: str | None = None
    """The latest group that it is a task of."""
    job_id: JobIdText | None = None
    """`<array>_<task>`."""
    record_path: str | None = None
    submitted_at: float | None = None
    submit_error: str | None = None
    """Why its latest submission came to nothing."""
    earlier: tuple[TrialAttempt, ...] = ()
    """Oldest first."""
    objective: float | None = None
    objective_error: str | None = None
    observed_at: float | None = None
    pruned: str | None = None
    """Why it was ended early, as one that is hopeless."""


class SweepGroup(_Part):
    """Trials that are submitted as one array: their `#SBATCH` lines are equal."""

    name: str
    """`g000`, counted over all submissions of the sweep."""
    run_key: str
    """What its submission is found by."""
    trials: tuple[str, ...]
    """Trial ids; the number of a task is the trial's place here."""
    throttle: int | None = None
    token: TokenText | None = None
    array_job_id: JobIdText | None = None
    submitted_at: float | None = None
    submit_error: str | None = None
    """Why its submission came to nothing; its trials may have gone to a later group."""

    @property
    def is_open(self) -> bool:
        """It is not known to have been taken or refused: its client died, or the scheduler did not answer."""
        return self.array_job_id is None and self.submit_error is None


class SweepManifest(Format):
    """`sweep.json`."""

    max_bytes: ClassVar[int] = 256 * 1024 * 1024

    sweep_id: str
    compose_file: str
    submitted_at: float
    engine: Literal["slurm", "local"]
    matrix: SweepMatrix
    compose_file_sha256: str
    """Of the compose file's bytes."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Every file that was read, to its SHA-256: also those it extends, `.env` and each `env_file`."""
    seed: str
    total_combinations: int
    """Before anything was excluded or drawn."""
    objective: SweepObjective | None = None
    prune: SweepPrune | None = None
    throttle: int | None = None
    overlay: SweepOverlay | None = None
    best_trial: str | None = None
    stopped_at: float | None = None
    stop_reason: str | None = None
    groups: tuple[SweepGroup, ...] = ()
    trials: tuple[SweepTrial, ...] = ()

    @property
    def project_dir(self) -> Path:
        """The compose file's folder."""
        return Path(self.compose_file).parent

    def trial(self, trial_id: str) -> SweepTrial:
        """The trial with this id.

        Raises: KeyError: the sweep has no such trial.
        """
        for trial in self.trials:
            if trial.trial_id == trial_id:
                return trial
        raise KeyError(trial_id)

    def group(self, name: str) -> SweepGroup:
        """The group with this name.

        Raises: KeyError: the sweep has no such group.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)


class GroupTask(_Part):
    """One task of a group's array, before it has an id."""

    trial_id: str
    facts: dict[str, Any]
    """The fields of its job record that are known by then, the token left out."""


class GroupTasks(Format):
    """`groups/<group>.json`: written before the group is submitted, so that the records can be made by any later client."""

    max_bytes: ClassVar[int] = 256 * 1024 * 1024

    sweep_id: str
    group: str
    tasks: tuple[GroupTask, ...]


def latest_attempt(trial: SweepTrial) -> TrialAttempt | None:
    """What the trial's entry says of its latest submission, in the shape of an earlier one; None when there was none."""
    if trial.group is None:
        return None
    return TrialAttempt(
        group=trial.group, job_id=trial.job_id, record_path=trial.record_path, submitted_at=trial.submitted_at
    )


def by_trial_id(trials: Sequence[SweepTrial]) -> dict[str, SweepTrial]:
    """The trials by their ids."""
    return {trial.trial_id: trial for trial in trials}
