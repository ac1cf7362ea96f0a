"""Trials that were submitted as jobs of their own, compared as those of a sweep are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from compose_core import operations
from compose_core.sweep.objective import ObjectiveReader, Reading
from compose_core.sweep.planning import expand_sweep, new_manifest
from compose_core.sweep.results import SweepResults, objective_of, result_row
from compose_core.sweep.state import TrialState, status_of

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.records.job_record import JobRecord
    from compose_core.records.sweep_manifest import SweepTrial
    from compose_core.spec import LoadedSpec
    from compose_core.tracking.snapshot import JobSnapshot

_NO_JOB = "it has no job"
_NO_OBJECTIVE = "the sweep has no `objective`"


def ranked_jobs(
    site: Site, loaded: LoadedSpec, jobs: Mapping[str, JobRecord], *, sweep_id: str, max_trials: int | None = None
) -> SweepResults:
    """The file's trials with the figures that these jobs left, by trial id; a trial without a job counts as not submitted.

    Raises: UsageError: the file has no sweep, or too many trials.
    """
    found = expand_sweep(loaded, sweep_id=sweep_id, max_trials=max_trials)
    manifest = new_manifest(site, loaded, found, sweep_id=sweep_id, digests={})  # it may be no file, and is not kept
    objective = objective_of(manifest)
    reader = ObjectiveReader(objective) if objective else None
    snapshots = dict(zip(jobs, operations.observe(site, list(jobs.values())))) if jobs else {}
    states = [_state(trial, snapshots.get(trial.trial_id)) for trial in manifest.trials]
    return SweepResults(manifest=manifest, rows=tuple(result_row(one, _reading(reader, one)) for one in states))


def _state(trial: SweepTrial, snapshot: JobSnapshot | None) -> TrialState:
    if snapshot is None:
        return TrialState(trial=trial, status="submit_failed", detail=_NO_JOB)
    record = snapshot.record
    placed = trial.model_copy(update={"job_id": record.job_id, "submitted_at": record.submitted_at})
    return TrialState(trial=placed, status=status_of(snapshot), detail=snapshot.detail, snapshot=snapshot)


def _reading(reader: ObjectiveReader | None, state: TrialState) -> Reading:
    if reader is None:
        return Reading(error=_NO_OBJECTIVE)
    if state.snapshot is None:
        return Reading(error=_NO_JOB)
    return reader.read(state.snapshot.record)
