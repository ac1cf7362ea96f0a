"""How the trials of a sweep are now: one look for all of them, however many arrays they are tasks of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compose_core import operations
from compose_core.errors import RecordError
from compose_core.job_state import JobState
from compose_core.records.outcome import Outcome
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import note_refused, note_submitted, read_sweep
from compose_core.records.sweep_manifest import SweepGroup, SweepManifest, SweepTrial
from compose_core.submission.run_keys import token_of_key
from compose_core.sweep.hold import sweep_if_free
from compose_core.sweep.objective import Reading
from compose_core.sweep.ranking import STATUSES, Standing, TrialStatus, standings
from compose_core.sweep.records import array_records, has_last_record, write_records
from compose_core.sweep.results import objective_of, result_row
from compose_core.tracking.observe import Watch

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.records.job_record import JobRecord
    from compose_core.submission.context import SubmitContext
    from compose_core.tracking.snapshot import JobSnapshot

_NOT_SUBMITTED = "it has not been submitted: `hpcc sweep resume` goes on"
_OPEN = "it is not known yet whether the scheduler has it"
_NO_RECORD = "the job record of its array is gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialState:
    """How one trial is."""

    trial: SweepTrial
    status: TrialStatus
    detail: str = ""
    snapshot: JobSnapshot | None = None
    """None where it has no job, or nobody tracks it."""

    @property
    def is_live(self) -> bool:
        """The scheduler has it, or may have it."""
        return self.status in ("running", "pending", "unknown")

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        trial, snapshot = self.trial, self.snapshot
        return {
            "trial_id": trial.trial_id,
            "index": trial.index,
            "variables": dict(trial.variables),
            "config_key": trial.config_key,
            "replicate": trial.replicate,
            "job_id": trial.job_id,
            "status": self.status,
            "scheduler_state": str(snapshot.state) if snapshot else None,
            "exit_code": snapshot.exit_code if snapshot else None,
            "record_path": trial.record_path,
            "submit_error": trial.submit_error,
            "attempts": len(trial.earlier) + (trial.job_id is not None),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """How a sweep is."""

    manifest: SweepManifest
    trials: tuple[TrialState, ...]
    """In the order of the sweep."""

    @property
    def summary(self) -> dict[TrialStatus, int]:
        """How many trials there are of each status."""
        counts = Counter(state.status for state in self.trials)
        return {status: counts[status] for status in STATUSES}

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Configurations by the figures that an observer wrote down, the best first."""
        rows = [
            result_row(one, Reading(value=one.trial.objective, error=one.trial.objective_error)) for one in self.trials
        ]
        return standings(rows, objective_of(self.manifest))

    @property
    def is_over(self) -> bool:
        """Nothing runs or waits any more."""
        return not any(state.is_live for state in self.trials)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        manifest = self.manifest
        return {
            "schema_version": 1,
            "sweep_id": manifest.sweep_id,
            "compose_file": manifest.compose_file,
            "submitted_at": manifest.submitted_at,
            "engine": manifest.engine,
            "stopped_at": manifest.stopped_at,
            "stop_reason": manifest.stop_reason,
            "best_trial": manifest.best_trial,
            "summary": dict(self.summary),
            "groups": [one.as_json() for one in self.standings],
            "trials": [state.as_json() for state in self.trials],
        }


def sweep_state(site: Site, manifest: SweepManifest, *, watch: Watch | None = None) -> SweepState:
    """How all trials are now: at most one call to the queue and one to the accounting, none when all are over.

    `watch` keeps what one look teaches the next, for callers that look repeatedly.
    """
    arrays = array_records(ProjectPaths(manifest.project_dir), manifest)
    wanted = list(arrays.values())
    snapshots = operations.observe(site, wanted, watch=watch) if wanted else []
    return SweepState(manifest=manifest, trials=trial_states(manifest, arrays, snapshots))


def settled_sweep(site: Site, manifest: SweepManifest) -> SweepManifest:
    """The sweep with what earlier clients could not write down any more; asks the scheduler only about open submissions.

    Raises: RecordError: it cannot be read or written.
    """
    project = ProjectPaths(manifest.project_dir)
    if any(group.is_open for group in manifest.groups):
        operations.resolve_submissions(site, manifest.project_dir)
        context = operations.submit_context(site, manifest.project_dir)
        for group in manifest.groups:
            if group.is_open:
                _settle(context, project, manifest, group)
        _close_what_came_to_nothing(site, context, project, manifest)
        manifest = read_sweep(project.sweep(manifest.sweep_id)) or manifest
    for group in manifest.groups:
        if group.array_job_id is not None and not has_last_record(project, group):
            write_records(project, manifest, group)
    return manifest


def trial_states(
    manifest: SweepManifest, arrays: Mapping[str, JobRecord], snapshots: Sequence[JobSnapshot]
) -> tuple[TrialState, ...]:
    """How each trial is, by the snapshots of the groups' arrays; both in the same order."""
    by_job = {task.job_id: task for snapshot in snapshots for task in snapshot.tasks}
    groups = {group.name: group for group in manifest.groups}
    return tuple(_trial_state(trial, groups, arrays, by_job) for trial in manifest.trials)


def _trial_state(
    trial: SweepTrial,
    groups: Mapping[str, SweepGroup],
    arrays: Mapping[str, JobRecord],
    by_job: Mapping[str, JobSnapshot],
) -> TrialState:
    group = groups.get(trial.group or "")
    if group is None:
        return TrialState(trial=trial, status="submit_failed", detail=trial.submit_error or _NOT_SUBMITTED)
    if trial.job_id is None:
        if group.is_open:
            return TrialState(trial=trial, status="unknown", detail=_OPEN)
        return TrialState(trial=trial, status="submit_failed", detail=trial.submit_error or _NOT_SUBMITTED)
    snapshot = by_job.get(trial.job_id) if group.name in arrays else None
    if snapshot is None:
        return TrialState(trial=trial, status="missing_tracking", detail=_NO_RECORD)
    return TrialState(
        trial=trial, status=status_of(snapshot), detail=snapshot.detail or _reason(snapshot), snapshot=snapshot
    )


def status_of(snapshot: JobSnapshot) -> TrialStatus:
    """The status of a trial's job; one in which a service failed or an assertion did not hold is `failed`."""
    if snapshot.terminal:
        return "completed" if snapshot.succeeded else "failed"
    if snapshot.state in (JobState.UNKNOWN, JobState.UNREACHABLE, JobState.LOST):
        return "unknown"
    return "pending" if snapshot.state.is_waiting else "running"


def _reason(snapshot: JobSnapshot) -> str:
    return snapshot.reason if snapshot.reason not in ("", "None") and not snapshot.succeeded else ""


def _settle(context: SubmitContext, project: ProjectPaths, manifest: SweepManifest, group: SweepGroup) -> None:
    """Note the array that the group became, if that is written down somewhere."""
    paths = project.sweep(manifest.sweep_id)
    with suppress(RecordError):
        token, _ = token_of_key(context, group.run_key)
        outcome = _outcome(context, token)
        if token is not None and outcome is not None and outcome.job_id is not None:
            note_submitted(paths, group.name, token=token, array_job_id=outcome.job_id, at=outcome.at)


def _close_what_came_to_nothing(
    site: Site, context: SubmitContext, project: ProjectPaths, manifest: SweepManifest
) -> None:
    """Note the groups whose submission ended without an array, unless a command is at work that may submit them anew."""
    paths = project.sweep(manifest.sweep_id)
    still_open = [group for group in manifest.groups if group.is_open]
    with suppress(RecordError):
        if all(_nothing(context, group) is None for group in still_open):
            return
        with sweep_if_free(site, paths) as is_free:
            for group in still_open if is_free else ():
                outcome = _nothing(context, group)
                if outcome is not None:
                    note_refused(paths, group.name, outcome.message or str(outcome.outcome), at=outcome.at)


def _nothing(context: SubmitContext, group: SweepGroup) -> Outcome | None:
    """How the group's last submission came to nothing; None when it did not."""
    token, last = token_of_key(context, group.run_key)
    return _outcome(context, last) if token is None else None


def _outcome(context: SubmitContext, token: str | None) -> Outcome | None:
    return Outcome.read(context.project.submission(token).outcome) if token is not None else None
