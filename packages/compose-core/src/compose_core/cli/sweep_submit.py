"""`hpcc sweep submit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.preflight import check_before_submit, tell_secret_problems
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.plan import Plan
    from compose_core.sweep.planning import SweepPlan
    from compose_core.sweep.submit import SweepSubmission

_REFUSALS_SHOWN = 5


@click.command(
    help="Submit the trials of the file's `sweep`: one job array for all that ask the scheduler for the same. The sweep's "
    "id is printed.\n\nExit status 1 when trials were refused: `hpcc sweep resume` submits them later. With the --sweep-id "
    "of a sweep that is there, it goes on with that one and submits nothing twice."
)
@options.compose_file
@options.strict_env
@click.option("--sweep-id", metavar="ID", help="Name of the new sweep; without it sweep-TIME-PID.")
@click.option(
    "--max-trials", metavar="N", type=click.IntRange(min=1), help="Allow so many trials, whatever the file says."
)
@click.option(
    "--throttle", metavar="N", type=click.IntRange(min=1), help="Run so many trials at once, whatever the file says."
)
@click.option("--dry-run", is_flag=True, help="Show the trials and what would be submitted; nothing is written.")
@click.option("--no-preflight", is_flag=True, help="Leave the checks of `hpcc preflight` out.")
@click.option("--skip-prepare", is_flag=True, help="Make no image; those that are there are checked and used.")
@options.common
@options.programs
def submit(
    tools: Tools,
    file: Path,
    strict_env: bool,
    sweep_id: str | None,
    max_trials: int | None,
    throttle: int | None,
    dry_run: bool,
    no_preflight: bool,
    skip_prepare: bool,
) -> int:
    """Expand → plan → check → submit."""
    from compose_core.records.paths import ProjectPaths
    from compose_core.records.sweep_journal import read_sweep
    from compose_core.sweep.hold import sweep_paths
    from compose_core.sweep.resume import resume_sweep
    from compose_core.sweep.submit import new_sweep_id, submit_sweep

    name = sweep_id or new_sweep_id(tools.site)
    known = read_sweep(sweep_paths(ProjectPaths(tools.project_dir(file)), name))
    if known is not None and not dry_run:
        tools.output.talk(f"sweep {name} is there already: going on with it")
        return report_submission(tools, resume_sweep(tools.site, known, on_event=tools.tell_event))
    plan = _planned(tools, file, name, max_trials=max_trials, throttle=throttle, strict_env=strict_env)
    check_plan(tools, plan, preflight=not no_preflight, skip_prepare=skip_prepare, dry_run=dry_run)
    if dry_run:
        _report_dry_run(tools, plan)
        return 0
    return report_submission(tools, submit_sweep(tools.site, plan, on_event=tools.tell_event))


def _planned(
    tools: Tools, file: Path, sweep_id: str, *, max_trials: int | None, throttle: int | None, strict_env: bool
) -> SweepPlan:
    from compose_core.sweep.planning import plan_sweep

    plan = plan_sweep(
        tools.site, file, sweep_id=sweep_id, max_trials=max_trials, throttle=throttle, strict_env=strict_env
    )
    tools.output.warn(plan.warnings)
    return plan


def check_plan(tools: Tools, plan: SweepPlan, *, preflight: bool, skip_prepare: bool, dry_run: bool = False) -> None:
    """What `up` does before it submits, once for all trials.

    Raises: PreflightFailed, PrepareFailed, SpecError: the trials could not run.
    """
    from compose_core import images
    from compose_core.cli.prepare import make_images_ready

    if not plan.trials:
        return
    whole: Plan = plan.plan_to_check
    tell_secret_problems(tools, whole)
    if preflight:
        check_before_submit(tools, whole)
    if whole.images and skip_prepare:
        images.verify_images(whole)
    elif whole.images and not dry_run:
        make_images_ready(tools, whole, force=False, keep_failed=False)


def report_submission(tools: Tools, result: SweepSubmission) -> int:
    """What became of the trials; 0 when all that were to be submitted have a job, 1 when some were refused, 4 when nobody knows."""
    if tools.output.is_json:
        tools.output.json(submission_report(result))
    else:
        _tell(tools, result)
        tools.output.data(result.manifest.sweep_id)
    if result.trouble is not None:
        return int(result.trouble.exit_code)
    return int(ExitCode.FAILED if result.refused else ExitCode.OK)


def submission_report(result: SweepSubmission, *, dry_run: bool = False) -> dict[str, Any]:
    """The fields of the report of `sweep submit` and `sweep resume`."""
    from compose_core.records.paths import ProjectPaths

    manifest = result.manifest
    path = ProjectPaths(manifest.project_dir).sweep(manifest.sweep_id).manifest
    return {
        "schema_version": 1,
        "dry_run": dry_run,
        "resumed": result.resumed,
        "submitted": len(result.submitted),
        "resubmitted": len(result.resubmitted),
        "skipped_already_submitted": result.skipped,
        "refused": dict(result.refused),
        "open": list(result.open),
        "trouble": result.trouble.message if result.trouble else None,
        "manifest_path": str(path),
        "manifest": manifest.as_json(),
    }


def _tell(tools: Tools, result: SweepSubmission) -> None:
    output, manifest = tools.output, result.manifest
    fresh = [group for group in manifest.groups if group.name in result.groups]
    for group in fresh:
        limit = f", {group.throttle} at once" if group.throttle and group.throttle < len(group.trials) else ""
        output.talk(f"job {group.array_job_id}: {counted(len(group.trials), 'trial')}{limit}")
    for message in list(dict.fromkeys(result.refused.values()))[:_REFUSALS_SHOWN]:
        ids = [trial for trial, said in result.refused.items() if said == message]
        shown = f"{', '.join(ids[:3])}{' …' if len(ids) > 3 else ''}"
        output.talk(f"{counted(len(ids), 'trial')} not submitted ({shown}): {message}")
    if result.trouble is not None:
        output.talk(f"error: {result.trouble.message}")
        output.talk(
            f"  {counted(len(result.open), 'trial')} may have been taken; `hpcc sweep resume` finds out and goes on"
        )
    if not fresh and not result.refused and result.trouble is None:
        output.talk("there is nothing to submit")
    if len(fresh) > 1:
        output.talk("several arrays, because the trials ask the scheduler for different things, or a limit was met")
    output.talk(f"sweep {manifest.sweep_id}: `hpcc sweep status`, `hpcc sweep watch`, `hpcc sweep stop`")


def _report_dry_run(tools: Tools, plan: SweepPlan) -> None:
    from compose_core.sweep.submit import SweepSubmission

    if tools.output.is_json:
        tools.output.json(submission_report(SweepSubmission(manifest=plan.manifest), dry_run=True))
        return
    names = sorted({name for one in plan.trials for name in one.trial.variables})
    rows = [
        [one.trial.trial_id, str(number), *(one.trial.variables.get(name, "") for name in names)]
        for number, shape in enumerate(plan.shapes.values())
        for one in shape
    ]
    tools.output.table(["TRIAL", "ARRAY", *names], sorted(rows))
    arrays = counted(len(plan.shapes), "array")
    tools.output.talk(f"{counted(len(rows), 'trial')} in {arrays} would be submitted")
