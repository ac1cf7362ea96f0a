"""The report at the end of a run: one question to the accounting, then the files and the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_executor_plugin_hpccompose.end_report import (
    FinishedMember,
    TaskUsage,
    csv_of,
    json_of,
    rule_figures,
    table_of,
)
from snakemake_executor_plugin_hpccompose.rightsize import profile_of, suggestion_of
from snakemake_executor_plugin_hpccompose.runner.whole_file import replace_file

if TYPE_CHECKING:
    from compose_core import JobRecord, Site, UsageReading

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What of the report is wanted."""

    table: bool = False
    """Shown to the user, and kept as `report.csv` and `report.json`."""
    rightsize: bool = False
    """`rightsize.yaml` is written."""


def report_at_end(
    finished: Sequence[FinishedMember],
    *,
    site: Site,
    records: Sequence[JobRecord],
    run_folder: Path,
    state_folder: Path,
    options: ReportOptions,
    say: Say,
) -> None:
    """Figures of the run go to `run_folder`, the fragment for profiles to `state_folder`; a report that fails is said, never raised."""
    from compose_core import HpccError

    if not finished or not (options.table or options.rightsize):
        return
    usage: dict[str, TaskUsage] = {}
    notes: list[str] = []
    try:
        usage, notes = task_usage(site, records)
    except HpccError as error:
        notes.append(f"No figures of the accounting: {error}")
    try:
        _write(finished, usage, notes, run_folder, state_folder, options, say)
    except OSError as error:
        say(f"The report of this run could not be written: {error}")


def task_usage(site: Site, records: Sequence[JobRecord]) -> tuple[dict[str, TaskUsage], list[str]]:
    """What accounting and samples know of each task, by the scheduler's id, and why they know nothing.

    Raises: HpccError: a record cannot be looked at.
    """
    from compose_core import UsageQuestion, read_usage

    readings = read_usage(site, records, UsageQuestion(steps=False)) if records else []
    single = [task for reading in readings for task in reading.tasks or (reading,)]
    faults = [one.accounting_fault for one in single if one.accounting_fault is not None]
    notes = [f"No figures of the accounting: {faults[0].message}"] if faults and faults[0].kind != "disabled" else []
    return {str(one.snapshot.job_id): _usage(one) for one in single}, notes


def _usage(reading: UsageReading) -> TaskUsage:
    usage = reading.usage
    gpus = reading.usage.samples.gpus if reading.usage.samples is not None else ()
    shares = [gpu.utilization_mean for gpu in gpus if gpu.utilization_mean is not None]
    return TaskUsage(
        wall_s=usage.wall_s,
        cpu_s=usage.cpu.used_s,
        memory_peak_bytes=usage.memory.peak_bytes,
        gpu_percent=sum(shares) / len(shares) if shares else None,
    )


def _write(
    finished: Sequence[FinishedMember],
    usage: dict[str, TaskUsage],
    notes: Sequence[str],
    run_folder: Path,
    state_folder: Path,
    options: ReportOptions,
    say: Say,
) -> None:
    figures = rule_figures(finished, usage)
    if options.table:
        replace_file(run_folder / "report.csv", csv_of(figures).encode())
        replace_file(run_folder / "report.json", json.dumps(json_of(figures, notes), indent=1).encode())
        say("\n".join(["What the rules used:", table_of(figures), *notes, f"In full: {run_folder / 'report.csv'}"]))
    if options.rightsize:
        fragment = profile_of([suggestion_of(one) for one in figures])
        if fragment:
            path = state_folder / "rightsize.yaml"
            replace_file(path, fragment.encode())
            say(f"Rules asked for more or less than they needed: {path} has better values for a profile.")
