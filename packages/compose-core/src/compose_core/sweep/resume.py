"""Going on with a sweep: exactly the trials that are missing, or those that failed, by choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from compose_core.errors import HpccError, UsageError
from compose_core.operations import submit_context
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import note_refused, note_resumed, read_sweep
from compose_core.records.sweep_manifest import SweepGroup, SweepManifest, SweepTrial
from compose_core.submission.context import keep_quiet
from compose_core.submission.run_keys import token_of_key
from compose_core.sweep.hold import held_sweep
from compose_core.sweep.overlaid import load_overlaid
from compose_core.sweep.planning import SweepPlan, plan_trials, source_digests
from compose_core.sweep.state import TrialState, settled_sweep, sweep_state
from compose_core.sweep.submit import Listener, Submitter, SweepSubmission

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.spec import LoadedSpec
    from compose_core.sweep.planning import TrialPlan

Choice = Literal["unsubmitted", "failed", "missing", "unfinished"]
"""`unsubmitted`: trials without a job. `failed`, `missing`: those whose job failed, or is not tracked any more, as well.
`unfinished`: both."""

_GIVEN_UP = "the compose file was changed before this trial was submitted"


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """What a resume would do."""

    plan: SweepPlan
    open_groups: tuple[SweepGroup, ...]
    """Groups whose client died: they go on as they were written down."""
    given_up: tuple[SweepGroup, ...] = ()
    """Groups that were written down, never submitted, and are no more what the file says: their trials get new ones."""
    again: tuple[str, ...]
    """Trials that get a new job."""
    skipped: int
    """Trials that are left alone."""


def resumption(
    site: Site,
    manifest: SweepManifest,
    choice: Choice = "unsubmitted",
    *,
    allow_changes: bool = False,
    strict_env: bool = False,
) -> Resumption:
    """What is to be submitted now.

    Raises: HpccError: the compose file is not what was submitted.  SpecError: it is wrong.  RecordError: something cannot be read.
    """
    file = Path(manifest.compose_file)
    loaded = load_overlaid(site, file, manifest.overlay, strict_env=strict_env)
    changed = _changed(manifest, loaded)
    if changed and not allow_changes:
        raise HpccError(
            f"{', '.join(changed)} changed since sweep {manifest.sweep_id} was submitted, so its trials would not be comparable",
            remedy="Submit a new sweep, or go on all the same with --allow-changes.",
            code="sweep-changed",
        )
    if manifest.engine != site.engine_name:
        raise UsageError(
            f"sweep {manifest.sweep_id} runs on the {manifest.engine} engine",
            remedy=f"Run the command with --engine {manifest.engine}.",
        )
    manifest = settled_sweep(site, manifest)
    state = sweep_state(site, manifest)
    still_open = [group for group in manifest.groups if group.is_open]
    begun = [group for group in still_open if not changed or _has_token(site, manifest, group)]
    reopened = () if changed else tuple(begun)
    in_begun = {name for group in begun for name in group.trials}
    free = {name for group in still_open for name in group.trials} - in_begun
    again = [
        one.trial
        for one in state.trials
        if one.trial.trial_id in free or (one.trial.trial_id not in in_begun and _is_wanted(one, choice))
    ]
    in_reopened = {name for group in reopened for name in group.trials}
    going_on = [trial for trial in manifest.trials if trial.trial_id in in_reopened]
    planned = plan_trials(site, file, manifest, sorted([*again, *going_on], key=_index), strict_env=strict_env)
    return Resumption(
        plan=SweepPlan(manifest=manifest, loaded=loaded, trials=planned),
        open_groups=reopened,
        given_up=tuple(group for group in still_open if group not in begun),
        again=tuple(trial.trial_id for trial in again),
        skipped=len(manifest.trials) - len(again) - len(going_on),
    )


def resume_sweep(
    site: Site,
    manifest: SweepManifest,
    choice: Choice = "unsubmitted",
    *,
    allow_changes: bool = False,
    strict_env: bool = False,
    on_event: Listener = keep_quiet,
) -> SweepSubmission:
    """Submit what is to be submitted now, and nothing twice: groups that were begun first, then new ones.

    Raises: as `resumption`; HpccError: another command submits or ends trials of the sweep.
    """
    project = ProjectPaths(manifest.project_dir)
    paths = project.sweep(manifest.sweep_id)
    with held_sweep(site, paths) as held:
        manifest = read_sweep(paths) or manifest
        todo = resumption(site, manifest, choice, allow_changes=allow_changes, strict_env=strict_env)
        manifest = todo.plan.manifest
        if manifest.stopped_at is not None and todo.plan.trials:
            note_resumed(paths, at=site.clock.now())
        for group in todo.given_up:  # else it would be gone on with once the file is what it was
            note_refused(paths, group.name, _GIVEN_UP, at=site.clock.now())
        known = {one.trial.trial_id: one for one in todo.plan.trials}
        submitter = Submitter(site, manifest, held, of=max(1, len(todo.again)), on_event=on_event)
        for group in todo.open_groups:
            if submitter.result.trouble is None:
                submitter.submit_open(group, [known[name] for name in group.trials])
        again = set(todo.again)
        for shape in todo.plan.shapes.values():
            _submit_some(submitter, [one for one in shape if one.trial.trial_id in again])
        result = submitter.finish()
    result.resumed = True
    result.skipped = todo.skipped
    return result


def _submit_some(submitter: Submitter, trials: Sequence[TrialPlan]) -> None:
    if trials and submitter.result.trouble is None:
        submitter.submit(trials)


def _has_token(site: Site, manifest: SweepManifest, group: SweepGroup) -> bool:
    """Its submission was begun, so the scheduler may have it: it is never submitted as another one."""
    return token_of_key(submit_context(site, manifest.project_dir), group.run_key)[0] is not None


def _changed(manifest: SweepManifest, loaded: LoadedSpec) -> list[str]:
    """The files that are not what they were."""
    now, then = source_digests(loaded), manifest.sources
    return sorted(path for path in {*now, *then} if now.get(path) != then.get(path))


def _is_wanted(state: TrialState, choice: Choice) -> bool:
    wanted = {"submit_failed"}
    if choice in ("failed", "unfinished"):
        wanted.add("failed")
    if choice in ("missing", "unfinished"):
        wanted.add("missing_tracking")
    return state.status in wanted and state.trial.pruned is None  # a hopeless trial was ended on purpose


def _index(trial: SweepTrial) -> int:
    return trial.index
