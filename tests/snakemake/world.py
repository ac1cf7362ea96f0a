"""The executor's jobs on a fake cluster and a fake clock, between stand-ins for Snakemake's scheduler and workflow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from compose_core.testing import FakeCluster
from snakemake_executor_plugin_hpccompose import ExecutorSettings
from snakemake_executor_plugin_hpccompose.executor import Jobs
from snakemake_executor_plugin_hpccompose.ready_jobs import Placed
from snakemake_executor_plugin_hpccompose.runner.results import Result, write_result
from tests.snakemake.fake_job import FakeGroup, FakeJob

AnyJob = FakeJob | FakeGroup


class World:
    """One run of a workflow in `folder`, which has to be the working directory."""

    def __init__(self, cluster: FakeCluster, folder: Path, *, latency_wait: float = 5.0, **settings: Any) -> None:
        self.cluster = cluster
        self.said: list[str] = []
        self.succeeded: list[AnyJob] = []
        self.failed: list[AnyJob] = []
        self.submitted: list[SubmittedJobInfo] = []
        self.active_jobs: list[SubmittedJobInfo] = []
        self.lock = threading.Lock()
        self.wait = True
        self.common_settings = None
        workflow = SimpleNamespace(
            executor_settings=ExecutorSettings(engine="slurm", **settings),
            scheduler=SimpleNamespace(error_callback=self.failed.append),
            storage_settings=SimpleNamespace(shared_fs_usage=SharedFSUsage.all()),
            execution_settings=SimpleNamespace(latency_wait=latency_wait),
            deployment_settings=SimpleNamespace(deployment_method=frozenset()),
            spawned_job_args_factory=SimpleNamespace(general_args=lambda **_: "--force --retries 0", envvars=dict),
        )
        logger = SimpleNamespace(info=self.said.append, error=self.said.append, warning=self.said.append)
        self.jobs = Jobs(self, workflow, logger, site=cluster.site(folder), threads=False)

    # -- what the jobs call on the executor ---------------------------------------------------------------------------

    def run_job_pre(self, job: AnyJob) -> None:
        job.log_info()

    def get_job_args(self, job: AnyJob) -> str:
        return f"--cores {job.threads} {self.jobs.wait_arguments(job)}"

    def get_snakefile(self) -> str:
        return "Snakefile"

    def get_exec_mode(self) -> Any:
        return SimpleNamespace(item_to_choice=lambda: "remote")

    def report_job_submission(self, info: SubmittedJobInfo) -> None:
        self.submitted.append(info)
        self.active_jobs.append(info)

    def report_job_success(self, info: SubmittedJobInfo) -> None:
        self.succeeded.append(info.job)

    def print_job_error(self, info: SubmittedJobInfo, msg: str | None = None, **more: Any) -> None:
        info.job.log_error(msg, **more)

    # -- what a test does ---------------------------------------------------------------------------------------------

    def submit(self, *jobs: AnyJob) -> list[Placed]:
        """Hand these over and let them be submitted; the ones that were."""
        before = len(self.submitted)
        self.jobs.run(jobs)
        self.step()
        return [info.aux["placed"] for info in self.submitted[before:] if info.aux]

    def step(self, *, after_s: float = 0.0) -> None:
        """Let the submissions go on, so many seconds later."""
        self.cluster.clock.advance(after_s)
        self.jobs.submissions.step()

    def look(self, *, after_s: float = 0.0, asking: bool = True) -> None:
        """One look as Snakemake makes it, so many seconds later; Slurm is asked if it is time for that."""
        self.cluster.clock.advance(after_s)
        if asking:
            self.jobs.watcher.look()
        active, self.active_jobs[:] = list(self.active_jobs), []
        self.active_jobs.extend(asyncio.run(self.jobs.check(active)))

    def finish(
        self,
        placed: Placed,
        *,
        ok: bool = True,
        exit_code: int | None = None,
        message: str = "",
        took_s: float = 60.0,
    ) -> None:
        """The job's runner writes how it ended."""
        write_result(
            placed.result,
            Result(
                key=placed.ready.facts.key,
                attempt=placed.ready.facts.attempt,
                run=self.jobs.paths.run,
                unit="u00001",
                task=placed.task or 0,
                ok=ok,
                exit_code=(0 if ok else 1) if exit_code is None else exit_code,
                started_at=self.cluster.clock.now(),
                ended_at=self.cluster.clock.now() + took_s,
                max_rss_bytes=150 * 1024 * 1024,
                host="node3",
                message=message,
            ),
        )

    def calls_of(self, program: str) -> int:
        """How often the program was called."""
        return self.cluster.programs_run.count(program)


def fan(count: int, **fields: Any) -> list[FakeJob]:
    """So many jobs of one rule."""
    jobs: Sequence[int] = range(count)
    return [FakeJob(name="fan", wildcards={"i": str(i)}, output=[f"f{i}.txt"], jobid=i, **fields) for i in jobs]
