"""`hpcc sweep resume`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options, sweep_options
from compose_core.cli.sweep_submit import check_plan, report_submission, submission_report
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.sweep.resume import Choice, Resumption


@click.command(
    help="Submit the trials of a sweep that have no job, whatever happened to the command that submitted the others; by "
    "choice also those that failed. Nothing is submitted twice.\n\nA compose file that changed is refused, because the "
    "trials would not be comparable."
)
@options.compose_file
@options.strict_env
@sweep_options.sweep_id
@click.option("--failed", is_flag=True, help="Run the trials again that failed.")
@click.option("--missing", is_flag=True, help="Run the trials again whose job is not tracked any more.")
@click.option("--all-unfinished", is_flag=True, help="Both: all that have not completed and do not run or wait.")
@click.option("--allow-changes", is_flag=True, help="Go on although the compose file changed.")
@click.option("--dry-run", is_flag=True, help="Only say which trials would be submitted.")
@click.option("--no-preflight", is_flag=True, help="Leave the checks of `hpcc preflight` out.")
@click.option("--skip-prepare", is_flag=True, help="Make no image; those that are there are checked and used.")
@options.common
@options.programs
def resume(
    tools: Tools,
    file: Path,
    strict_env: bool,
    sweep_id: str | None,
    failed: bool,
    missing: bool,
    all_unfinished: bool,
    allow_changes: bool,
    dry_run: bool,
    no_preflight: bool,
    skip_prepare: bool,
) -> int:
    """Look → choose → plan → submit."""
    from compose_core.sweep.resume import resume_sweep, resumption

    manifest = sweep_options.find_sweep(tools, file, sweep_id)
    if file.absolute() != Path(manifest.compose_file):
        raise UsageError(
            f"sweep {manifest.sweep_id} is of {manifest.compose_file}", remedy=f"Name it: -f {manifest.compose_file}."
        )
    choice = _choice(failed=failed, missing=missing, both=all_unfinished)
    todo = resumption(tools.site, manifest, choice, allow_changes=allow_changes, strict_env=strict_env)
    tools.output.warn(todo.plan.warnings)
    check_plan(tools, todo.plan, preflight=not no_preflight, skip_prepare=skip_prepare, dry_run=dry_run)
    if dry_run:
        _report_dry_run(tools, todo)
        return 0
    result = resume_sweep(
        tools.site,
        manifest,
        choice,
        allow_changes=allow_changes,
        strict_env=strict_env,
        on_event=tools.tell_event,
    )
    return report_submission(tools, result)


def _choice(*, failed: bool, missing: bool, both: bool) -> Choice:
    if both or (failed and missing):
        return "unfinished"
    if failed:
        return "failed"
    return "missing" if missing else "unsubmitted"


def _report_dry_run(tools: Tools, todo: Resumption) -> None:
    from compose_core.sweep.submit import SweepSubmission

    if tools.output.is_json:
        result = SweepSubmission(manifest=todo.plan.manifest, skipped=todo.skipped, resumed=True)
        tools.output.json(submission_report(result, dry_run=True))
        return
    for one in todo.plan.trials:
        tools.output.data(f"{one.trial.trial_id}  {one.trial.config_key}")
    tools.output.talk(f"{counted(len(todo.plan.trials), 'trial')} would be submitted; {todo.skipped} are left alone")
