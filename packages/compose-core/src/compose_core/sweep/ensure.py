"""A sweep that is there once, however often it is asked for: what programs that may die and come again submit with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.errors import HpccError
from compose_core.readiness import PreflightMode, make_ready
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import read_sweep
from compose_core.submission.context import keep_quiet
from compose_core.sweep.hold import sweep_paths
from compose_core.sweep.planning import plan_sweep
from compose_core.sweep.resume import resume_sweep
from compose_core.sweep.state import settled_sweep
from compose_core.sweep.submit import EXISTS, Listener, SweepSubmission, submit_sweep

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.records.sweep_manifest import SweepManifest, SweepOverlay


def ensure_sweep(
    site: Site,
    file: Path,
    *,
    sweep_id: str,
    max_trials: int | None = None,
    throttle: int | None = None,
    overlay: SweepOverlay | None = None,
    prepare: bool = True,
    preflight: PreflightMode = "off",
    on_event: Listener = keep_quiet,
) -> SweepSubmission:
    """The sweep with this id: a new one of the file, its images made ready, or the one that is there, gone on with.

    `overlay` is what a program adds to the file; without `prepare` the images have to be there; `preflight` says which findings
    keep a new sweep from being submitted.

    Trials that have a job are never submitted again. A sweep of which every trial has one is given as it is, whatever
    became of its file since; one that was stopped stays so.

    Raises: SpecError: the file or some trial is wrong.  UsageError: it has no sweep, or too many trials.  HpccError:
    trials are missing and the file is not what was submitted, or another command is at work with the sweep.
    PreflightFailed: the trials could not run.  PrepareFailed: an image could not be made, or is not there.
    """
    known = read_sweep(sweep_paths(ProjectPaths(file.absolute().parent), sweep_id))
    if known is not None:
        return _gone_on_with(site, known, on_event)
    plan = plan_sweep(site, file, sweep_id=sweep_id, max_trials=max_trials, throttle=throttle, overlay=overlay)
    warnings = [str(warning) for warning in plan.warnings]
    warnings += make_ready(site, plan.plan_to_check, prepare=prepare, preflight=preflight)
    try:
        result = submit_sweep(site, plan, on_event=on_event)
        result.warnings = warnings
        return result
    except HpccError as error:
        if error.code != EXISTS:
            raise
    known = read_sweep(sweep_paths(ProjectPaths(plan.manifest.project_dir), sweep_id))
    assert known is not None, "submit_sweep has just seen it"
    return _gone_on_with(site, known, on_event)


def _gone_on_with(site: Site, known: SweepManifest, on_event: Listener) -> SweepSubmission:
    manifest = settled_sweep(site, known)
    has_all = all(trial.job_id is not None for trial in manifest.trials)
    if has_all or manifest.stopped_at is not None:
        return SweepSubmission(manifest=manifest, skipped=len(manifest.trials), resumed=True)
    return resume_sweep(site, manifest, on_event=on_event)
