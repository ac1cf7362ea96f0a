"""The latest figures of a job, read from the ends of its metrics files."""

from __future__ import annotations

from typing import Any

from compose_core.errors import RecordError
from compose_core.insight.metrics_line import metrics_line
from compose_core.records.job_record import JobRecord
from compose_core.records.metrics import MetricsFile, metric_rows, metrics_file
from compose_core.tracking.job_files import read_job_files

_LOOKED_AT_BYTES = 32 * 1024


def latest_metrics(record: JobRecord, now: float) -> str:
    """One line; empty when nothing was sampled, or it cannot be read."""
    folder = read_job_files(record).paths.metrics

    def rows(name: MetricsFile) -> list[dict[str, Any]]:
        try:
            return list(metric_rows(metrics_file(folder, name), last_bytes=_LOOKED_AT_BYTES))
        except RecordError:
            return []  # the file of one collector is damaged: the others still say something

    return metrics_line(gpu=rows("gpu"), cpu=rows("cpu"), slurm=rows("slurm"), now=now)
