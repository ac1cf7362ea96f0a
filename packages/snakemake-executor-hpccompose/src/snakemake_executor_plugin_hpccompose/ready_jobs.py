"""A job of the workflow on its way to the scheduler, and after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts

if TYPE_CHECKING:
    from compose_core import JobRecord
    from snakemake_executor_plugin_hpccompose.compose_job import ComposeJob
    from snakemake_executor_plugin_hpccompose.runner.direct import ShellCommand


@dataclass(eq=False, kw_only=True)
class ReadyJob:
    """Snakemake gave it to us, and waits for exactly one report on how it ended."""

    job: Any
    facts: RuleFacts
    argv: tuple[str, ...]
    """What its inner Snakemake is told, without what is the same for all jobs."""
    log: Path
    result: Path
    ready_at: float
    """On the monotonic clock."""
    not_before: float = 0.0
    """On the monotonic clock: it waits until then before it is tried again."""
    tries: int = 0
    shell: ShellCommand | None = None
    """It is this command and nothing else."""
    compose: ComposeJob | None = None
    """Set when it is known what it asks for."""
    is_held: bool = False
    """It waits for a service of the workflow."""


@dataclass(eq=False, kw_only=True)
class Placed:
    """A job that the scheduler has."""

    ready: ReadyJob
    record: JobRecord
    """Of its unit: an array has one."""
    task: int | None
    """None: the unit is no array."""
    result: Path
    log: Path
    attached: bool = False
    """An earlier run submitted it."""
    over_since: float | None = None
    """Since when Slurm says that it is over, without a result of its own; on the monotonic clock."""
    told: dict[str, str] = field(default_factory=dict)
    """What the user was told of it."""

    @property
    def place(self) -> tuple[str, int | None]:
        """What tells its task from all others."""
        return self.record.submission_token, self.task

    @property
    def external_id(self) -> str:
        """As Slurm names it."""
        return self.record.job_id if self.task is None else f"{self.record.job_id}_{self.task}"
