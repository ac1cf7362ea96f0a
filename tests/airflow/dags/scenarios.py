"""DAGs whose jobs the scenarios describe: each run's configuration names the connection and the compose file."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, ExceptionRetryPolicy, task

from airflow_provider_hpccompose import doors
from airflow_provider_hpccompose.operators.hpccompose import HpcComposeOperator
from airflow_provider_hpccompose.task_groups import HpcComposeSweepTaskGroup, hpc_compose_job

POLL_S = 5.0
CONF: dict[str, Any] = {
    "hpccompose_conn_id": "{{ dag_run.conf['conn'] }}",
    "compose_file": "{{ dag_run.conf['compose_file'] }}",
    "poll_seconds": POLL_S,
}
RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=1)}

with DAG("one_job", schedule=None, default_args=RETRIES):
    HpcComposeOperator(task_id="job", **CONF)

with DAG("one_job_in_the_worker", schedule=None, default_args=RETRIES):
    HpcComposeOperator(task_id="job", deferrable=False, **CONF)

with DAG("one_job_with_a_run_timeout", schedule=None, default_args=RETRIES):
    HpcComposeOperator(task_id="job", run_timeout=timedelta(seconds=12), **CONF)

with DAG("one_job_with_a_queue_timeout", schedule=None, default_args={"retries": 0}):
    HpcComposeOperator(task_id="job", queue_timeout=timedelta(seconds=12), **CONF)

with DAG("one_impatient_job", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=15)}):
    HpcComposeOperator(
        task_id="job", submit_patience=timedelta(seconds=45), retry_policy=ExceptionRetryPolicy(rules=[]), **CONF
    )

for mode in ("array", "chunked"):
    with DAG(f"{mode}_sweep", schedule=None, default_args=RETRIES):
        HpcComposeSweepTaskGroup(
            "sweep",
            mode=mode,
            compose_file=CONF["compose_file"],
            hpccompose_conn_id=CONF["hpccompose_conn_id"],
            watch={"poll_seconds": POLL_S},
        )

with DAG("grouped_job", schedule=None, default_args=RETRIES):
    hpc_compose_job(
        "job",
        compose_file=CONF["compose_file"],
        hpccompose_conn_id=CONF["hpccompose_conn_id"],
        watch={"poll_seconds": POLL_S},
    )

with DAG("named_rows", schedule=None, default_args=RETRIES, max_active_tasks=16):

    @task
    def rows(**context: Any) -> list[dict[str, Any]]:
        """Names and variables, as many as the run's configuration asks for."""
        return [
            {"variables": {"NUMBER": str(number)}, "trial_name": f"trial-{number:02}"}
            for number in range(int(context["dag_run"].conf["rows"]))
        ]

    HpcComposeOperator.partial(task_id="job", map_index_template="{{ task.trial_name }}", **CONF).expand_kwargs(rows())


def dies_after_submitting(door: doors.CallingDoor, request: doors.SubmitRequest) -> doors.JobHandle:
    """The worker is killed when the job exists and nobody was told; once, as often as the project has `die` files."""
    handle = submit(door, request)
    folder = Path(str(request.compose_file)).parent
    for manner, pids in (("die", [os.getpid()]), ("die-with-supervisor", [os.getppid(), os.getpid()])):
        if (folder / manner).exists():
            (folder / manner).unlink()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
    return handle


submit = doors.LocalDoor.submit
doors.LocalDoor.submit = dies_after_submitting  # type: ignore[method-assign, assignment]  # in this task's process alone
