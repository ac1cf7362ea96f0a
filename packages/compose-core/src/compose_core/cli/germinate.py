"""`hpcc germinate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.advice_text import print_advice
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError
from compose_core.job_state import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from compose_core.insight.rightsize import RightSize
    from compose_core.plan import Plan
    from compose_core.plan.canary import CanarySize
    from compose_core.records.job_record import JobFacts, JobRecord

START_UP_S = 300
"""What a canary gets for the starts of its containers, besides the time in which it is measured."""

_MEANT = (JobState.CANCELLED, JobState.TIMEOUT, JobState.DEADLINE)
"""Ends that are no failure of a canary."""


@click.command(
    help="Run the file for a minute with little, look at what it uses, and say what to ask for.\n\n"
    "The canary is a job of its own, with `-canary` behind its name: it never becomes the newest job, writes no artifacts "
    "and goes on from no checkpoint. The minute counts from when its services are at work. Ctrl-C cancels it."
)
@options.compose_file
@options.strict_env
@click.option(
    "--min-cpus", metavar="N", type=click.IntRange(min=1), default=1, show_default=True, help="CPUs of each task."
)
@click.option("--min-mem", metavar="SIZE", default="1G", show_default=True, help="Memory of each node.")
@click.option("--min-gpus", metavar="N", type=click.IntRange(min=0), default=1, show_default=True, help="GPUs.")
@click.option("--keep-requests", is_flag=True, help="Ask for all that the file asks for; only the time is short.")
@click.option(
    "--time", "measure", metavar="DURATION", default="1m", show_default=True, help="How long it is measured: 90s, 5m."
)
@click.option(
    "--timeout",
    metavar="DURATION",
    default="30m",
    show_default=True,
    help="Cancel it when it has not ended by then, waiting in the queue included.",
)
@click.option("--dry-run", is_flag=True, help="Say what the canary would ask for, and submit nothing.")
@options.common
@options.programs
def germinate(
    tools: Tools,
    file: Path,
    strict_env: bool,
    min_cpus: int,
    min_mem: str,
    min_gpus: int,
    keep_requests: bool,
    measure: str,
    timeout: str,
    dry_run: bool,
) -> int:
    """Canary → submit → follow → advice."""
    from compose_core.operations import facts_of
    from compose_core.plan.canary import CanarySize, canary_of, without_sweep
    from compose_core.units import parse_duration_s, parse_memory_mib

    measure_s = _read(parse_duration_s, measure, "--time")
    timeout_s = _read(parse_duration_s, timeout, "--timeout")
    loaded = without_sweep(tools.load(file, strict_env=strict_env))
    whole_plan = tools.plan_of(loaded)
    tools.output.warn(whole_plan.warnings)
    size = CanarySize(
        time_limit_s=measure_s + START_UP_S + _longest_wait_s(whole_plan),
        cpus=min_cpus,
        memory_mib=_read(parse_memory_mib, min_mem, "--min-mem"),
        gpus=min_gpus,
        keep_requests=keep_requests,
    )
    plan = tools.plan_of(canary_of(loaded, size))
    if dry_run:
        _report_dry_run(tools, plan, whole_plan, size)
        return int(ExitCode.OK)
    return _run(tools, plan, facts_of(tools.site, whole_plan), measure_s=measure_s, timeout_s=timeout_s)


def _run(tools: Tools, plan: Plan, whole: JobFacts, *, measure_s: float, timeout_s: float) -> int:
    from compose_core import operations
    from compose_core.cli.canary_run import CanaryRun
    from compose_core.cli.preflight import check_before_submit
    from compose_core.cli.prepare import make_images_ready
    from compose_core.job_advice import canary_rightsize

    check_before_submit(tools, plan)
    if plan.images:
        make_images_ready(tools, plan)
    submission = operations.submit(
        tools.site, plan, kind="canary", allow_resume_changes=True, on_event=tools.tell_event
    )
    record = submission.record
    tools.output.talk(f"canary {record.job_id} ({record.name}) submitted on the {record.backend} engine")
    run = CanaryRun(tools, record, measure_s=measure_s, timeout_s=timeout_s)
    try:
        ended = run.to_the_end()
    except KeyboardInterrupt:
        return run.leave()
    except SystemExit:  # told to end: the exit status says so
        run.leave()
        raise
    advice = canary_rightsize(tools.site, record, whole, say=tools.output.talk)
    _report(tools, plan, record, advice)
    if ended.failed and ended.state not in _MEANT:
        tools.output.talk(f"the canary itself ended {ended.state}: hpcc debug --job-id {record.job_id}")
        return int(ExitCode.FAILED)
    return int(ExitCode.OK)


def _report(tools: Tools, plan: Plan, record: JobRecord, advice: RightSize) -> None:
    if not tools.output.is_json:
        print_advice(tools.output, advice)
        return
    pointer = record.project.latest_of("canary")
    tools.output.json(
        {
            **_head(plan, dry_run=False),
            "script_path": record.script_path,
            "job_id": record.job_id,
            "tracked_metadata_path": str(pointer) if pointer is not None else None,
            "yaml_patch": advice.yaml_patch,
            "report": advice.as_json(),
        }
    )


def _report_dry_run(tools: Tools, plan: Plan, whole: Plan, size: CanarySize) -> None:
    if tools.output.is_json:
        nothing: dict[str, Any] = {"script_path": None, "job_id": None, "tracked_metadata_path": None, "report": None}
        tools.output.json({**_head(plan, dry_run=True), **nothing, "yaml_patch": ""})
        return
    before, after = whole.requests, plan.requests
    rows = [
        [name.removesuffix("_s").removesuffix("_bytes"), *(_shown(name, getattr(one, name)) for one in (before, after))]
        for name in ("time_s", "nodes", "ntasks", "cpus", "mem_bytes", "gpus")
    ]
    tools.output.talk(f"{plan.name} would be submitted" + (", with all that the file asks for" * size.keep_requests))
    tools.output.table(["REQUEST", "FILE", "CANARY"], rows)


def _head(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "compose_file": plan.compose_file,
        "cache_dir": plan.cache_dir,
        "dry_run": dry_run,
    }


def _longest_wait_s(plan: Plan) -> int:
    """Services may wait for each other, one after the other."""
    return sum(step.readiness.timeout_s + step.readiness.seconds for step in plan.steps if step.readiness is not None)


def _shown(name: str, value: int | None) -> str:
    """In the units of a compose file."""
    from compose_core.units import format_bytes, format_slurm_time

    if value is None:
        return "-"
    match name:
        case "time_s":
            return format_slurm_time(value)
        case "mem_bytes":
            return format_bytes(value)
        case _:
            return str(value)


def _read(parse: Callable[[str], int], text: str, option: str) -> int:
    try:
        found = parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if found < 1:
        raise UsageError(f"{option} {text} is nothing", remedy="Give a value above 0.")
    return found
