"""Project folders whose jobs write down that they ran, and what Airflow and the cluster say about them."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.airflow.airflow_bench import AirflowBench
from tests.airflow.airflow_client import AirflowClient
from tests.slurm.bench import SlurmBench
from tests.slurm.bench_end import BenchError
from tests.slurm.bench_processes import processes_of

_SPEC = """\
name: {name}
runtime: {{backend: host}}
x-slurm:
  time: "{time}"
  mem: 100M
  stop_grace_seconds: 2
{job}
{sweep}
services:
  app:
    environment: {{NUMBER: "${{NUMBER:-none}}"}}
    script: |
      echo "$HPC_COMPOSE_SUBMISSION_TOKEN $HPC_COMPOSE_JOB_ID" >> {ran}
      echo "app of $HPC_COMPOSE_JOB_ID speaks"
{script}
"""


@dataclass(frozen=True)
class Ran:
    """A job that really started its service."""

    token: str
    job_id: str


@dataclass(frozen=True)
class Run:
    """One DAG run with the project folder that it works on."""

    world: World
    dag_id: str
    run_id: str
    folder: Path

    @property
    def client(self) -> AirflowClient:
        return self.world.client

    # -- Airflow ----------------------------------------------------------------------------------------------------

    def end(self, timeout: float = 400.0) -> str:
        """The state of the run when it has ended."""
        return self.client.wait_for_run(self.dag_id, self.run_id, timeout)

    def task(self, task_id: str = "job", map_index: int = -1) -> dict[str, Any]:
        return self.client.task(self.dag_id, self.run_id, task_id, map_index)

    def wait_for_task(
        self, *states: str, task_id: str = "job", timeout: float = 200.0, try_number: int = 0
    ) -> dict[str, Any]:
        return self.client.wait_for_task(self.dag_id, self.run_id, task_id, states, timeout, try_number=try_number)

    def wait_until_watched(self) -> None:
        """Wait until the trigger runs, which the job's lines in the task's log show: before that, nobody can be told of a kill."""
        self.client.wait(
            lambda: True if " speaks" in self.log_of_try() else None,
            200,
            what=lambda: f"the job's lines in the log: {self.log_of_try()}",
        )

    def log_of_try(self) -> str:
        """The log of the newest try, which is not the first one where Airflow itself could not start that."""
        return self.log(try_number=self.task()["try_number"])

    def mark(self, state: str, task_id: str = "job") -> None:
        self.client.mark(self.dag_id, self.run_id, task_id, state)

    def clear(self, task_id: str = "job") -> None:
        self.client.clear(self.dag_id, self.run_id, [task_id])

    def xcom(self, key: str = "return_value", task_id: str = "job", map_index: int = -1) -> Any:
        return self.client.xcom(self.dag_id, self.run_id, task_id, key, map_index)

    def log(self, task_id: str = "job", try_number: int = 1) -> str:
        return self.client.log(self.dag_id, self.run_id, task_id, try_number)

    def evidence(self) -> str:
        """States, jobs and the ends of the tasks' logs, for a failed test."""
        lines = [f"=== {self.dag_id} {self.run_id} in {self.folder}: ran {self.ran()}, submitted {self.submitted()}"]
        for task in self.client.tasks(self.dag_id, self.run_id):
            index, tries = task["map_index"], task["try_number"]
            lines.append(f"--- {task['task_id']}[{index}] {task['state']}, try {tries} of {task['max_tries'] + 1}")
            for number in range(1, tries + 1):
                try:
                    log = self.client.log(self.dag_id, self.run_id, task["task_id"], number, index)
                except BenchError as error:
                    log = str(error)
                lines.append(f"try {number}: {log[-3000:]}")
        return "\n".join(lines)

    # -- the cluster ------------------------------------------------------------------------------------------------

    def ran(self) -> list[Ran]:
        """The jobs that started, in their order; one that started twice stands there twice."""
        marks = self.folder / "ran"
        return [Ran(*line.split()) for line in marks.read_text().splitlines()] if marks.exists() else []

    def submitted(self) -> list[str]:
        """The ids of all jobs that were ever submitted from the folder, started or not."""
        return sorted(
            path.stem for path in (self.folder / ".hpc-compose" / "jobs").glob("*.json") if "_" not in path.stem
        )

    def alive(self) -> list[str]:
        """The ids of the folder's jobs whose processes or queue entries still exist."""
        return [job for job in self.submitted() if self.world.is_alive(self.folder, job)]

    def wait_for_ran(self, count: int = 1, timeout: float = 200.0) -> list[Ran]:
        """Wait until that many jobs started.

        Raises: BenchError: they did not, in that time.
        """

        def look() -> list[Ran] | None:
            ran = self.ran()
            return ran if len(ran) >= count else None

        return self.client.wait(look, timeout, what=lambda: f"{count} jobs, seen {self.ran()}", pause=0.2)

    def wait_until_dead(self, job_id: str, timeout: float = 90.0) -> None:
        """Wait until that job is over."""
        self.client.wait(
            lambda: None if self.world.is_alive(self.folder, job_id) else True,
            timeout,
            what=lambda: f"the end of job {job_id}",
            pause=0.2,
        )


class World:
    """One engine, its connection in Airflow, and a folder for projects."""

    def __init__(self, bench: AirflowBench, connection: str, folder: Path, slurm: SlurmBench | None = None) -> None:
        self.bench = bench
        self.client = bench.client
        self.connection = connection
        self.folder = folder
        self.slurm = slurm
        self.runs: list[Run] = []

    def for_one(self) -> World:
        """The same world with runs of its own."""
        return World(self.bench, self.connection, self.folder, self.slurm)

    def evidence(self) -> str:
        """What is to be seen of its runs."""
        return "\n".join(run.evidence() for run in self.runs)

    def project(
        self, name: str, script: str = "true", *, job: str = "", time_limit: str = "10", trials: int = 0
    ) -> Path:
        """A new folder with a compose file whose service notes that it ran and then does `script`.

        `trials`: it is a sweep over so many values of NUMBER.
        """
        folder = self.folder / f"{name}-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        text = _SPEC.format(
            name=name,
            time=time_limit,
            job=textwrap.indent(textwrap.dedent(job), "  "),
            sweep=f"sweep: {{max_trials: {trials}, parameters: {{NUMBER: {list(range(trials))}}}}}" if trials else "",
            ran=folder / "ran",
            script=textwrap.indent(textwrap.dedent(script), "      "),
        )
        (folder / "compose.yaml").write_text(text)
        return folder

    def start(self, dag_id: str, folder: Path, conf: Mapping[str, Any] | None = None) -> Run:
        """Trigger the DAG on the project."""
        given = {"conn": self.connection, "compose_file": str(folder / "compose.yaml"), **(conf or {})}
        run = Run(self, dag_id, self.client.trigger(dag_id, given), folder)
        self.runs.append(run)
        return run

    def is_alive(self, folder: Path, job_id: str) -> bool:
        """Whether a job waits or runs: by the queue, or by the local supervisor's processes."""
        if self.slurm is not None:
            shown = self.slurm.job(job_id).get("JobState", "")
            return shown in {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED"}
        return bool(_supervised(folder / ".hpc-compose" / job_id))


def _supervised(job_dir: Path) -> list[int]:
    """The live processes that name a job folder in their environment or command line."""
    return processes_of(job_dir)
