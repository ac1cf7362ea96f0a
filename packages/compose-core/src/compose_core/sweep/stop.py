"""The end of a sweep on request: what runs or waits is cancelled, what was not submitted stays so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compose_core import operations
from compose_core.job_state import JobId
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import note_refused, note_stopped, publish, read_sweep
from compose_core.records.sweep_manifest import SweepManifest
from compose_core.submission.run_keys import token_of_key
from compose_core.sweep.hold import held_sweep
from compose_core.sweep.records import array_records
from compose_core.sweep.state import SweepState, settled_sweep, sweep_state
from compose_core.tracking.observe import Watch

if TYPE_CHECKING:
    from compose_core.cluster.site import Site

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0
_NEVER_SUBMITTED = "the sweep was stopped before this trial was submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStop:
    """What became of the request."""

    state: SweepState
    """How the sweep is after it."""
    cancelled: tuple[str, ...]
    """Ids of the arrays that were asked to end."""
    troubles: tuple[str, ...] = ()
    """Arrays that the request could not be passed on to, and why."""

    @property
    def confirmed(self) -> bool:
        """No trial runs or waits any more."""
        return self.state.is_over

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            **self.state.as_json(),
            "cancelled_jobs": list(self.cancelled),
            "confirmed": self.confirmed,
            "troubles": list(self.troubles),
        }


def stop_sweep(site: Site, manifest: SweepManifest, *, reason: str | None = None, wait_s: float = 60.0) -> SweepStop:
    """Ask for the end of everything that runs or waits, one request for each array, and wait for it at most `wait_s`.

    Raises: HpccError: another command submits trials and does not end.  RecordError: the journal cannot be written.
    """
    project = ProjectPaths(manifest.project_dir)
    paths = project.sweep(manifest.sweep_id)
    note_stopped(
        paths, reason, at=site.clock.now()
    )  # first: a command that submits trials now sees it between two groups
    with held_sweep(site, paths):
        manifest = settled_sweep(site, read_sweep(paths) or manifest)
        manifest = _without_open(site, manifest)
        watch = Watch()
        before = sweep_state(site, manifest, watch=watch)
        cancelled, troubles = _cancel_live(site, before)
        after = _wait(site, manifest, watch, wait_s=wait_s) if cancelled else before
        publish(project, manifest)
    return SweepStop(state=after, cancelled=cancelled, troubles=troubles)


def cancel_trials(site: Site, manifest: SweepManifest, trial_ids: Sequence[str]) -> tuple[str, ...]:
    """Ask for the end of single trials; the ids of those whose task got the request."""
    project = ProjectPaths(manifest.project_dir)
    arrays = array_records(project, manifest)
    asked = []
    for trial_id in trial_ids:
        trial = manifest.trial(trial_id)
        record = arrays.get(trial.group or "")
        if record is None or trial.job_id is None:
            continue
        answer = operations.engine_of(site, record).cancel(JobId(trial.job_id), token=record.submission_token)
        if answer.requested:
            asked.append(trial_id)
    return tuple(asked)


def _without_open(site: Site, manifest: SweepManifest) -> SweepManifest:
    """Submissions that are not settled end before a service starts, should the scheduler have them; others never begin.

    The caller holds the sweep, so nobody is about to submit what is noted as never submitted here.
    """
    still_open = [group for group in manifest.groups if group.is_open]
    if not still_open:
        return manifest
    context = operations.submit_context(site, manifest.project_dir)
    paths = ProjectPaths(manifest.project_dir).sweep(manifest.sweep_id)
    for group in still_open:
        token = token_of_key(context, group.run_key)[0]
        if token is not None:
            operations.cancel_submission(site, manifest.project_dir, token)
    for group in still_open:
        if token_of_key(context, group.run_key)[0] is None:
            note_refused(paths, group.name, _NEVER_SUBMITTED, at=site.clock.now())
    return settled_sweep(site, read_sweep(paths) or manifest)


def _cancel_live(site: Site, state: SweepState) -> tuple[tuple[str, ...], tuple[str, ...]]:
    manifest = state.manifest
    arrays = array_records(ProjectPaths(manifest.project_dir), manifest)
    live = {one.trial.group for one in state.trials if one.is_live}
    cancelled, troubles = [], []
    for name, record in arrays.items():
        if name not in live:
            continue
        answer = operations.engine_of(site, record).cancel(JobId(record.job_id), token=record.submission_token)
        if answer.requested:
            cancelled.append(str(record.job_id))
        else:
            troubles.append(f"{record.job_id}: {answer.message}")
    return tuple(cancelled), tuple(troubles)


def _wait(site: Site, manifest: SweepManifest, watch: Watch, *, wait_s: float) -> SweepState:
    deadline = site.clock.monotonic() + wait_s
    pause_s = _FIRST_WAIT_S
    while True:
        state = sweep_state(site, manifest, watch=watch)
        left_s = deadline - site.clock.monotonic()
        if state.is_over or left_s <= 0:
            return state
        site.clock.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.6, _LONGEST_WAIT_S)
