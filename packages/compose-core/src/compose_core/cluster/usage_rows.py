"""What jobs and their steps used, as figures: the rows that `sacct`, `sstat` and the local engine's job table give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from compose_core.job_state import JobId, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One job as a whole, or one of its steps, once the source has heard of it; what it does not know is None."""

    job_id: JobId
    """The job's id as a person knows it, of an array's task `<array>_<task>`; the same in the rows of its steps."""
    step: str = ""
    """Empty: the job as a whole; `batch`, `extern`, `0`."""
    name: str = ""
    state: JobState = JobState.UNKNOWN
    exit_code: int | None = None
    signal: int | None = None
    elapsed_s: float | None = None
    time_limit_s: float | None = None
    start: float | None = None
    end: float | None = None
    alloc_cpus: int | None = None
    cpu_time_s: float | None = None
    """What was set aside, CPUs × elapsed time: no measure of what was used."""
    total_cpu_s: float | None = None
    """User and system time of all processes: what was used. Of a job it is the sum of its steps that have ended."""
    alloc_tres: Mapping[str, float] = field(default_factory=dict)
    req_tres: Mapping[str, float] = field(default_factory=dict)
    """Trackable resources: numbers, `mem` in bytes; of the whole job, not of a node."""
    max_rss_bytes: float | None = None
    """The largest task, over the whole time."""
    ave_rss_bytes: float | None = None
    """The mean of the tasks' peaks."""
    ntasks: int | None = None
    tres_usage_in_tot: Mapping[str, float] = field(default_factory=dict)
    """Summed over the tasks: `mem` in bytes is the sum of their peaks, `cpu` seconds."""
    nnodes: int | None = None
    nodelist: str = ""
    account: str = ""
    qos: str = ""
    partition: str = ""
    energy_j: float | None = None
    """Measured by the site's energy plugin; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRows:
    """The source answered."""

    rows: tuple[UsageRow, ...]
    source: Literal["sacct", "local"]
    malformed: int = 0
    """Lines of another shape that were dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUsage:
    """One step that runs now."""

    job_id: str
    """As `sstat` says it: of an array's task its own number, not `<array>_<task>`."""
    step: str
    """`batch`, `extern`, `0`."""
    name: str = ""
    """Of a numbered step, where one job was asked about."""
    ntasks: int | None = None
    ave_cpu_s: float | None = None
    """The mean of the tasks' CPU time, in whole seconds."""
    ave_rss_bytes: float | None = None
    max_rss_bytes: float | None = None
    """The largest task so far."""
    tres_usage_in_ave: str = ""
    """In Slurm's own words."""
    tres_usage_in_tot: Mapping[str, float] = field(default_factory=dict)
    """Summed over the tasks: `mem` in bytes, `cpu` seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSteps:
    """The source answered; a job without a step is not running, or runs none of ours yet."""

    steps: tuple[StepUsage, ...]
    malformed: int = 0
