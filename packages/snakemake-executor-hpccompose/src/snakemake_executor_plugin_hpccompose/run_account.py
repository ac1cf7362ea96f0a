"""The books of a run: what ended how, and the report on it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snakemake_executor_plugin_hpccompose.end_of_run import ReportOptions, report_at_end
from snakemake_executor_plugin_hpccompose.end_report import FinishedMember
from snakemake_executor_plugin_hpccompose.ready_jobs import Placed
from snakemake_executor_plugin_hpccompose.runner.results import Result
from snakemake_executor_plugin_hpccompose.unit_paths import RunPaths

if TYPE_CHECKING:
    from compose_core import JobRecord, JobSnapshot, Site

_OUT_OF_MEMORY = "OUT_OF_MEMORY"
_SAMPLED_S = 30.0
"""Of jobs shorter than this the accounting knows less than the runner: Slurm's own interval between two samples of a job's memory.
Source: slurm.conf(5), JobAcctGatherFrequency."""


class RunAccount:
    """Told of every job that ended, it reports once."""

    def __init__(self, site: Site, paths: RunPaths, options: ReportOptions, say: Callable[[str], None]) -> None:
        self._site, self._paths, self._options, self._say = site, paths, options, say
        self._lock = threading.Lock()
        self._finished: list[FinishedMember] = []
        self._records: dict[str, JobRecord] = {}

    def add(self, placed: Placed, result: Result | None, snapshot: JobSnapshot | None) -> None:
        """This attempt has ended."""
        facts, compose = placed.ready.facts, placed.ready.compose
        gpus = facts.resources.get("gpu", 0)
        member = FinishedMember(
            rule=facts.name if facts.is_group else facts.rules[0],
            key=facts.key,
            attempt=facts.attempt,
            job_id=placed.record.job_id,
            task=placed.task,
            submitted_at=placed.record.submitted_at,
            cpus=(compose.cpus if compose is not None else None) or facts.threads,
            mem_mb=compose.mem_mb if compose is not None else None,
            runtime_min=compose.runtime_min if compose is not None else None,
            gpus=gpus if isinstance(gpus, int) else 0,
            result=result,
            out_of_memory=snapshot is not None and str(snapshot.state) == _OUT_OF_MEMORY,
        )
        with self._lock:
            self._finished.append(member)
            if self._options.table or _is_sampled(result):
                self._records[placed.record.submission_token] = placed.record

    def report(self) -> None:
        """What the run used; nothing ended, nothing said."""
        with self._lock:
            finished, records = self._finished, list(self._records.values())
            self._finished, self._records = [], {}
        members = Counter(one.scheduler_id for one in finished)
        report_at_end(
            [replace(one, shared_with=members[one.scheduler_id] - 1) for one in finished],
            site=self._site,
            records=records,
            run_folder=self._paths.folder,
            state_folder=self._paths.state,
            options=self._options,
            say=self._say,
        )


def _is_sampled(result: Result | None) -> bool:
    """The accounting can know more of it than its result says."""
    return result is None or result.started_at is None or result.ended_at - result.started_at >= _SAMPLED_S


def report_options(settings: Any) -> ReportOptions:
    """From the executor's settings."""
    return ReportOptions(table=bool(settings.efficiency_report), rightsize=settings.rightsize == "report")
