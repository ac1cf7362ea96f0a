"""`hpcc up`, and the way to a submitted job that it shares with `hpcc submit`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.following import Following, following
from compose_core.cli.output import write_private
from compose_core.cli.preflight import check_before_submit, tell_secret_problems
from compose_core.cli.queue_watch import QueueWatching, queue_watching, refuse_without_following
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError

if TYPE_CHECKING:
    from compose_core.plan import Plan
    from compose_core.records.job_record import JobRecord
    from compose_core.submission.submit import Submission
    from compose_core.tracking.snapshot import JobSnapshot


@click.command(
    help="Submit the job and follow it until it ends; the exit status is 0 when it completed, 1 when it failed.\n\n"
    "On an interactive terminal it is followed in the live view. Leaving that with q, or Ctrl-C elsewhere, leaves the job"
    " running: `hpcc watch`, `hpcc status` and `hpcc cancel` go on from there."
)
@options.compose_file
@options.strict_env
@options.submission
@click.option(
    "--watch/--detach", default=True, help="Follow the job, or return once it is submitted.", show_default=True
)
@queue_watching
@following
@options.common
@options.programs
def up(tools: Tools, **choices: Any) -> int:
    """Render → submit → record → follow."""
    return submit_and_follow(tools, **choices)


def submit_and_follow(
    tools: Tools,
    file: Path,
    *,
    strict_env: bool,
    dry_run: bool,
    script_out: Path | None,
    run_key: str | None,
    resume_diff_only: bool,
    allow_resume_changes: bool,
    metrics_interval: int | None,
    no_metrics: bool,
    no_preflight: bool,
    skip_prepare: bool,
    force_rebuild: bool,
    keep_failed_prep: bool,
    watch: bool,
    queue: QueueWatching | None,
    following: Following,
) -> int:
    """The exit status of `up` and `submit`."""
    from compose_core.cli.resume_diff import show_resume_diff
    from compose_core.plan.metrics import with_metrics
    from compose_core.render import render_script
    from compose_core.submission.resume_drift import refuse_drift

    refuse_without_following(queue, follows=watch)
    if run_key is not None and not run_key:
        raise UsageError("--run-key is empty", remedy="Name the task whose retries must not submit again.")
    plan = with_metrics(tools.plan(file, strict_env=strict_env), interval_s=metrics_interval, off=no_metrics)
    tools.output.warn(plan.warnings)
    if resume_diff_only:
        show_resume_diff(tools.output, plan)
        return 0
    if not no_preflight:
        check_before_submit(tools, plan)
    if plan.images and not (dry_run and skip_prepare):
        _make_images_ready(tools, plan, skip=skip_prepare, force=force_rebuild, keep_failed=keep_failed_prep)
    script = render_script(plan)
    if script_out is not None:
        write_private(script_out, script)
    if dry_run:
        tell_secret_problems(tools, plan)
        if not allow_resume_changes:
            refuse_drift(plan)
        _report_dry_run(tools, plan, script_out)
        return 0
    submission = _submit(tools, plan, script, run_key=run_key, allow_resume_changes=allow_resume_changes)
    if not watch:
        _report_submission(tools, plan, submission)
        return 0
    return _follow(tools, submission, queue, following)


def _follow(tools: Tools, submission: Submission, queue: QueueWatching | None, following: Following) -> int:
    """Until the job has ended or is left; gives the exit status."""
    from compose_core.cli.follow import follow_job, left_running
    from compose_core.cli.queue_watch import wait_in_queue

    record = submission.record
    _tell_submission(tools, submission)
    try:
        if queue is not None:
            wait_in_queue(tools, record, queue, cancel=command_for(record, "cancel"))
    except KeyboardInterrupt:
        return left_running(tools, record)
    return follow_job(tools, record, following, report=lambda snapshot: _end_report(snapshot, submission.attached))


def _make_images_ready(tools: Tools, plan: Plan, *, skip: bool, force: bool, keep_failed: bool) -> None:
    from compose_core import images
    from compose_core.cli.prepare import make_images_ready

    if skip and (force or keep_failed):
        raise UsageError(
            "--skip-prepare makes no image, so --force-rebuild and --keep-failed-prep mean nothing with it"
        )
    if skip:
        images.verify_images(plan)
    else:
        make_images_ready(tools, plan, force=force, keep_failed=keep_failed)


def submission_report(plan: Plan, submission: Submission) -> dict[str, Any]:
    """What `--format json` says of a submitted job."""
    record = submission.record
    return {
        "schema_version": 1,
        "submitted": True,
        "dry_run": False,
        "attached": submission.attached,
        "job_id": record.job_id,
        "cluster": record.cluster,
        "submission_token": submission.token,
        "engine": record.backend,
        "backend": plan.backend,
        "name": record.name,
        "compose_file": record.compose_file,
        "script_path": record.script_path,
        "job_dir": record.job_dir,
        "batch_log": record.batch_log,
        "cache_dir": record.cache_dir,
        "service_logs": record.service_logs,
        "next_commands": next_commands(record),
    }


def _end_report(snapshot: JobSnapshot, attached: bool) -> dict[str, Any]:
    """The same of a job that was followed to its end."""
    record = snapshot.record
    return {
        **snapshot.as_json(),
        "submitted": True,
        "attached": attached,
        "dry_run": False,
        "engine": record.backend,
        "compose_file": record.compose_file,
        "script_path": record.script_path,
        "job_dir": record.job_dir,
        "batch_log": record.batch_log,
        "service_logs": record.service_logs,
    }


def next_commands(record: JobRecord) -> list[str]:
    """What a person may want to type next."""
    return [command_for(record, command) for command in ("status", "logs --follow", "cancel")]


def command_for(record: JobRecord, command: str) -> str:
    """The command line that means this job, typed in the working folder; `-f` only where the folder is another one."""
    here, file = Path.cwd(), Path(record.compose_file)
    if Path(record.submit_dir) == here:
        return f"hpcc {command} --job-id {record.job_id}"
    shown = file.relative_to(here) if file.is_relative_to(here) else file
    return f"hpcc {command} -f {shlex.quote(str(shown))} --job-id {record.job_id}"


def _submit(tools: Tools, plan: Plan, script: str, *, run_key: str | None, allow_resume_changes: bool) -> Submission:
    from compose_core import operations

    submission = operations.submit(
        tools.site,
        plan,
        script=script,
        run_key=run_key,
        allow_resume_changes=allow_resume_changes,
        on_event=tools.tell_event,
    )
    if submission.notice:
        tools.output.talk(submission.notice)
    return submission


def _tell_submission(tools: Tools, submission: Submission) -> None:
    record = submission.record
    verb = "is followed again" if submission.attached else "submitted"
    tools.output.talk(f"job {record.job_id} ({record.name}) {verb} on the {record.backend} engine")
    tools.output.talk(f"batch log {record.batch_log}")


def _report_submission(tools: Tools, plan: Plan, submission: Submission) -> None:
    if tools.output.is_json:
        tools.output.json(submission_report(plan, submission))
        return
    _tell_submission(tools, submission)
    for command in next_commands(submission.record):
        tools.output.talk(f"  {command}")
    tools.output.data(submission.job_id)


def _report_dry_run(tools: Tools, plan: Plan, script_out: Path | None) -> None:
    if tools.output.is_json:
        tools.output.json(
            {
                "schema_version": 1,
                "submitted": False,
                "dry_run": True,
                "attached": False,
                "job_id": None,
                "engine": tools.site.engine_name,
                "backend": plan.backend,
                "name": plan.name,
                "compose_file": plan.compose_file,
                "script_path": str(script_out.absolute()) if script_out else None,
            }
        )
    elif script_out is not None:
        tools.output.talk(f"wrote {script_out}; nothing was submitted")
    else:
        tools.output.talk(
            f"{plan.name} would be submitted; --script-out FILE keeps the script, `hpcc render` prints it"
        )
