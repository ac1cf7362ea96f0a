"""Which jobs a monitor watches, and where it keeps what it has seen of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.cli.tools import Tools
from compose_core.errors import NoSuchJob, UsageError
from compose_core.records.paths import ProjectPaths, StatePaths
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.records.job_record import JobRecord
    from compose_core.records.our_path import OurPath


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is watched."""

    name: str
    """`all`, `jobs-41-42`, `sweep-<id>`: the same for the same command."""
    records: Sequence[JobRecord]
    folder: OurPath
    """Where the state of such monitors is kept."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the options say."""

    file: Path
    jobs: tuple[str, ...] = ()
    sweep_id: str | None = None
    all_jobs: bool = False
    everywhere: bool = False

    def check(self) -> None:
        """Raises: UsageError: they contradict each other."""
        if sum([bool(self.jobs), self.sweep_id is not None, self.all_jobs or self.everywhere]) > 1:
            raise UsageError("--job, --sweep and --all (or --global) say different things", remedy="Give one of them.")


def selected(tools: Tools, choice: Choice) -> Selection:
    """The jobs, after submissions that were left open have been settled.

    Raises: UsageError, NoSuchJob: there is no such job or sweep.
    """
    project = ProjectPaths(tools.project_dir(choice.file))
    if choice.jobs:
        return _named(tools, project, choice.jobs)
    if choice.sweep_id is not None:
        return _trials(tools, project, choice)
    if choice.everywhere:
        from compose_core.tracking.job_listing import known_projects

        state = StatePaths(tools.site.state_dir)
        projects, _ = known_projects(state)
        return Selection(name="all", records=_unfinished(tools, projects), folder=state.monitors)
    return Selection(name="all", records=_unfinished(tools, [project]), folder=project.monitors)


def _named(tools: Tools, project: ProjectPaths, jobs: tuple[str, ...]) -> Selection:
    from compose_core.operations import find_job

    tools.settle(project.project_dir)
    records = {job_id: find_job(project.project_dir, job_id) for job_id in jobs}
    return Selection(name=f"jobs-{'-'.join(sorted(records))}", records=list(records.values()), folder=project.monitors)


def _trials(tools: Tools, project: ProjectPaths, choice: Choice) -> Selection:
    """The trials that have a job, each with its latest one."""
    from compose_core.cli.sweep_options import find_sweep
    from compose_core.sweep.records import array_records
    from compose_core.tracking.task_records import task_record

    manifest = find_sweep(tools, choice.file, choice.sweep_id)
    arrays = array_records(project, manifest)
    placed = [
        (arrays[trial.group], trial.job_id) for trial in manifest.trials if trial.group in arrays and trial.job_id
    ]
    records = [task_record(array, int(job_id.rpartition("_")[2])) for array, job_id in placed]
    if not records:
        raise NoSuchJob(f"no trial of sweep {manifest.sweep_id} has a job", remedy="`hpcc sweep status` says why.")
    if len(records) < len(manifest.trials):
        tools.output.talk(f"{counted(len(manifest.trials) - len(records), 'trial')} without a job: not watched")
    return Selection(name=f"sweep-{manifest.sweep_id}", records=records, folder=project.monitors)


def _unfinished(tools: Tools, projects: Sequence[ProjectPaths]) -> list[JobRecord]:
    """Of the tracked jobs those that have not ended; ended ones are known by the list of jobs and not looked at again."""
    from compose_core.operations import observe
    from compose_core.tracking.job_list import read_project_jobs

    for project in projects:
        tools.settle(project.project_dir)
    listed = [read_project_jobs(project, now=tools.site.clock.now()) for project in projects]
    for warning in (warning for jobs in listed for warning in jobs.warnings):
        tools.output.talk(f"warning: {warning}")
    asked = [(jobs, name, record) for jobs in listed for name, record in jobs.open.items()]
    snapshots = observe(tools.site, [record for _, _, record in asked]) if asked else []
    for (jobs, name, _), snapshot in zip(asked, snapshots, strict=True):
        jobs.take(name, snapshot)
    for jobs in listed:
        jobs.remember()
    return [snapshot.record for snapshot in snapshots if not snapshot.terminal]
