"""What can be done with jobs at a site: the verbs that `hpcc` and the adapters share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from compose_core.records.paths import ProjectPaths, StatePaths
from compose_core.version import __version__

if TYPE_CHECKING:
    from compose_core.cluster.engine import Engine, EngineName
    from compose_core.cluster.sinfo import PartitionRow
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan
    from compose_core.records.job_record import JobFacts, JobRecord
    from compose_core.submission.context import SubmissionEvent, SubmitContext
    from compose_core.submission.resolve import Resolution
    from compose_core.submission.submit import Submission
    from compose_core.tracking.array_artifacts import ArrayExportReport
    from compose_core.tracking.artifacts import ExportReport
    from compose_core.tracking.cancel import CancelResult
    from compose_core.tracking.clean import Cleaner, CleanReport, CleanRule
    from compose_core.tracking.down import DownResult
    from compose_core.tracking.jobs import TrackedJobs
    from compose_core.tracking.observe import Watch
    from compose_core.tracking.poller import Pace, Poller
    from compose_core.tracking.removal import Removed
    from compose_core.tracking.snapshot import JobSnapshot

JUST_NOW_S = 1.0
"""So old may be what a scheduler told another process, when a person asks how a job is."""

Listener = Callable[["SubmissionEvent"], None]


def submit(
    site: Site,
    plan: Plan,
    *,
    script: str | None = None,
    run_key: str | None = None,
    kind: str = "main",
    allow_resume_changes: bool = False,
    on_event: Listener | None = None,
) -> Submission:
    """The one job of this plan, submitted exactly once; with a run key that is in use, the job it stands for.

    Raises: HpccError: its resume folder holds the checkpoint of another configuration.  SchedulerRefused: there is no
    job, and why.  SchedulerUnreachable, SubmissionUnresolved: it is not known yet and will be found out by the next call.
    """
    from compose_core.render import render_script
    from compose_core.submission.submit import submit_plan

    context = submit_context(site, Path(plan.project_dir), on_event=on_event)
    text = script if script is not None else render_script(plan)
    return submit_plan(context, plan, text, run_key=run_key, kind=kind, allow_resume_changes=allow_resume_changes)


def find_submission(site: Site, project_dir: Path, run_key: str) -> Submission | None:
    """The job of this key; None when there is none and none is on its way, so that submitting the key would start one.

    Raises: SchedulerUnreachable, SubmissionUnresolved: there may be one.  RecordError: its files cannot be read.
    """
    from compose_core.submission.find_key import find_by_key

    return find_by_key(submit_context(site, project_dir), run_key)


def resolve_submissions(site: Site, project_dir: Path, *, on_event: Listener | None = None) -> tuple[Resolution, ...]:
    """One look at every submission from this folder that an earlier client left open; those still open are given."""
    from compose_core.submission.resolve import resolve_pending

    looked = resolve_pending(submit_context(site, project_dir, on_event=on_event))
    return tuple(resolution for resolution in looked if resolution.status != "settled")


def current_job(
    site: Site, project_dir: Path, job_id: str | None = None, *, on_event: Listener | None = None
) -> tuple[JobRecord, tuple[Resolution, ...]]:
    """The job that is asked for, else the newest one, and the submissions that are still open after a look at them.

    Raises: NoSuchJob, UsageError: there is none.  SubmissionUnresolved: the newest submission is not settled yet.
    """
    from compose_core.submission import current_job as _current

    record, looked = _current.current_job(submit_context(site, project_dir, on_event=on_event), job_id)
    return record, tuple(resolution for resolution in looked if resolution.status != "settled")


def cancel_submission(site: Site, project_dir: Path, token: str, *, on_event: Listener | None = None) -> Resolution:
    """Ask that a submission which the scheduler has not confirmed never runs; what is known of it after that.

    Raises: NoSuchJob: the folder has no such submission.
    """
    from compose_core.submission.cancel_pending import cancel_pending

    return cancel_pending(submit_context(site, project_dir, on_event=on_event), token)


def find_job(project_dir: Path, job_id: str | None = None) -> JobRecord:
    """The record of this job, else of the newest one from the folder.

    Raises: NoSuchJob: there is none.  UsageError: the id is no job id.
    """
    from compose_core.tracking import find_job as _find

    return _find.find_job(ProjectPaths(project_dir), job_id)


def partitions_of(site: Site) -> tuple[PartitionRow, ...] | None:
    """The partitions of the cluster and what their nodes have; None: there is no cluster, or it does not answer."""
    from compose_core.cluster.engine import Unavailable
    from compose_core.cluster.slurm import Slurm

    engine = site.engine
    found = engine.partitions() if isinstance(engine, Slurm) else None
    return None if isinstance(found, Unavailable) else found


def tracked_jobs(project_dir: Path) -> TrackedJobs:
    """All jobs that were submitted from the folder, the newest first."""
    from compose_core.tracking import jobs as _jobs

    return _jobs.tracked_jobs(ProjectPaths(project_dir))


def observe(site: Site, records: Sequence[JobRecord], *, watch: Watch | None = None) -> list[JobSnapshot]:
    """How these jobs are now, in their order: at most one queue and one accounting call per engine.

    What a scheduler told another process of the user in the last second is not asked again. `watch` keeps what one
    look teaches the next; `poller` is for callers that look repeatedly.
    """
    from compose_core.tracking.observe import observe as _observe

    return _observe(records, _Engines(site), site.clock, watch=watch, max_age_s=JUST_NOW_S)


def poller(site: Site, records: Sequence[JobRecord] = (), *, pace: Pace | None = None) -> Poller:
    """Something that looks at these jobs again and again, as for a person at a terminal unless `pace` says otherwise."""
    from compose_core.tracking.poller import ATTENDED, Poller

    made = Poller(_Engines(site), site.clock, pace=pace or ATTENDED)
    made.follow(records)
    return made


def cancel(site: Site, record: JobRecord, *, wait_s: float = 60.0, force: bool = False) -> CancelResult:
    """Ask for the job's end and wait until it is confirmed; evidence stays.

    Raises: SchedulerUnreachable: the scheduler did not answer.
    """
    from compose_core.tracking.cancel import cancel_job

    return cancel_job(record, engine_of(site, record), site.clock, wait_s=wait_s, force=force)


def request_ends(site: Site, records: Sequence[JobRecord]) -> tuple[str, ...]:
    """Ask for the end of all these jobs, with few calls and without waiting for it; what could not be passed on, and why."""
    from compose_core.tracking.request_ends import request_ends as _request

    return _request(records, engines_of(site, records))


def down(
    site: Site, record: JobRecord, *, project_dir: Path | None = None, wait_s: float = 60.0, force: bool = False
) -> DownResult:
    """End the job, wait until it is really over, and remove its files; a job that does not end in time keeps them.

    Raises: SchedulerUnreachable: the scheduler did not answer, and the job is not known to be over; nothing is removed.
    HpccError: another command removes files of the project.
    """
    from compose_core.tracking.down import down_job

    cleaner = _cleaner(site, project_dir or Path(record.submit_dir))
    return down_job(cleaner, record, engine_of(site, record), wait_s=wait_s, force=force)


def finish_removals(site: Site, project_dir: Path) -> tuple[Removed, ...]:
    """What commands that died had begun to remove, removed.

    Raises: HpccError: another command removes files of the project.
    """
    return _cleaner(site, project_dir).finish()


def clean(site: Site, project_dir: Path, rule: CleanRule, *, dry_run: bool = False) -> CleanReport:
    """Remove the files of the finished jobs that the rule does not keep; with `dry_run` say only what that would be.

    Raises: HpccError: another command removes files of the project.
    """
    return _cleaner(site, project_dir).clean(rule, dry_run=dry_run)


def _cleaner(site: Site, project_dir: Path) -> Cleaner:
    from compose_core.tracking.clean import Cleaner

    project = ProjectPaths(project_dir)
    records = tracked_jobs(project_dir).records
    engines = engines_of(site, records)
    engines.setdefault(site.engine_name, site.engine)
    return Cleaner(project=project, engines=engines, clock=site.clock, journal=StatePaths(site.state_dir).journal)


def export_artifacts(
    site: Site,
    record: JobRecord,
    *,
    bundles: Sequence[str] = (),
    tarball: bool = False,
    export_dir: Path | None = None,
    attempt: int | None = None,
) -> ExportReport:
    """Copy what the job's newest attempt (or this one) collected to its export folder, with provenance; no array.

    Raises: HpccError: the job has collected nothing, or there is no such bundle or attempt.
    """
    from compose_core.tracking import artifacts

    return artifacts.export_artifacts(
        record, site.clock, bundles=bundles, tarball=tarball, export_dir=export_dir, attempt=attempt
    )


def export_array(
    site: Site,
    record: JobRecord,
    *,
    bundles: Sequence[str] = (),
    tarball: bool = False,
    export_dir: Path | None = None,
) -> ArrayExportReport:
    """The same for every task of an array.

    Raises: HpccError: no task has collected anything, or there is no such bundle.
    """
    from compose_core.tracking import array_artifacts

    return array_artifacts.export_array(record, site.clock, bundles=bundles, tarball=tarball, export_dir=export_dir)


class _Engines(Mapping[str, "Engine"]):
    """The engines of a site by `engine_key`, for those who watch; each is made when it is first asked for."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._made: dict[str, Engine] = {}

    def __getitem__(self, key: str) -> Engine:
        if key not in self._made:
            name, _, cluster = key.partition("@")
            if name not in ("slurm", "local"):
                raise KeyError(key)
            self._made[key] = self._site.of_jobs(cast("EngineName", name), cluster).watched_engine
        return self._made[key]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.partition("@")[0] in ("slurm", "local")

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def engines_of(site: Site, records: Iterable[JobRecord]) -> dict[str, Engine]:
    """The engines that run these jobs, by `engine_key`; their answers are nobody else's."""
    from compose_core.tracking.observe import engine_key

    found = {engine_key(record): record for record in records}
    return {key: engine_of(site, record) for key, record in found.items()}


def facts_of(site: Site, plan: Plan) -> JobFacts:
    """What the record of this plan's job would say if it were submitted now."""
    from compose_core.records.token import RANDOM_BYTES, new_token
    from compose_core.render import render_script
    from compose_core.submission.facts import job_facts

    context = submit_context(site, Path(plan.project_dir))
    token = new_token(context.clock.now(), bytes(RANDOM_BYTES))
    return job_facts(context, plan, render_script(plan), token=token, run_key=None)


def engine_of(site: Site, record: JobRecord) -> Engine:
    """The engine that runs this job, whichever new jobs would go to."""
    return site.of_jobs(record.backend, record.cluster).engine


def submit_context(site: Site, project_dir: Path, *, on_event: Listener | None = None) -> SubmitContext:
    """What every step of a submission from this folder works with."""
    from compose_core.submission.context import Client, SubmitContext, keep_quiet

    return SubmitContext(
        engine=site.engine,
        clock=site.clock,
        project=ProjectPaths(project_dir),
        state=StatePaths(site.state_dir),
        client=Client.this_process(host=site.host, user=site.user),
        on_event=on_event or keep_quiet,
        other_engine=lambda name: site.with_engine(name).engine,
        tool_version=__version__,
        environment=site.environment,
    )
