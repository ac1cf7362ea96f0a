"""What the tasks of an array collected, exported one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose_core.clock import Clock
from compose_core.errors import HpccError
from compose_core.records.job_record import JobRecord
from compose_core.tracking.artifacts import ExportReport, export_artifacts
from compose_core.tracking.task_records import task_records


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayExportReport:
    """What became of the export of an array."""

    record: JobRecord
    tasks: tuple[ExportReport, ...]
    """Of those tasks that collected something, in order."""
    without: tuple[str, ...]
    """Ids of the tasks that have collected nothing (yet)."""

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "record": self.record.as_json(),
            "tasks": [report.as_json() for report in self.tasks],
            "tasks_without_artifacts": list(self.without),
            "exported_paths": [path for report in self.tasks for path in report.as_json()["exported_paths"]],
        }


def export_array(
    record: JobRecord,
    clock: Clock,
    *,
    bundles: Sequence[str] = (),
    tarball: bool = False,
    export_dir: Path | None = None,
) -> ArrayExportReport:
    """The artifacts of every task that has some, each at a place of its own.

    Raises: HpccError: no task has collected anything; else as for one job.
    """
    reports, without = [], []
    for task in task_records(record):
        try:
            reports.append(export_artifacts(task, clock, bundles=bundles, tarball=tarball, export_dir=export_dir))
        except HpccError as error:
            if error.code != "no-artifacts":
                raise
            without.append(task.job_id)
    if not reports:
        raise HpccError(
            f"no task of array {record.job_id} has collected artifacts",
            remedy="They are collected when a task ends, if the compose file declares x-slurm.artifacts.",
            code="no-artifacts",
        )
    return ArrayExportReport(record=record, tasks=tuple(reports), without=tuple(without))
