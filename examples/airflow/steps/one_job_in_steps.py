"""One job as steps of its own: submit, watch, artifacts, and a teardown that leaves no orphan.

Shows: `hpc_compose_job`, the group of these steps; a task that runs beside the wait because the job's handle is there at once.
Start from it when something has to happen while the job runs, or when a kill must never leave a job behind: the teardown
runs however the steps end, also where the task was killed before its wait had begun.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider_hpccompose.task_groups import hpc_compose_job

SPEC = {
    "name": "in-steps",
    "runtime": {"backend": "host"},
    "x-slurm": {
        "time": "00:05:00",
        "artifacts": {"export_dir": "./results/${SLURM_JOB_ID}", "paths": ["/hpc-compose/job/out/**"]},
    },
    "services": {
        # a command as text belongs to the shell: ${…} in it is no variable of the compose file
        "work": {"command": 'mkdir "$HPC_COMPOSE_JOB_DIR/out" && date > "$HPC_COMPOSE_JOB_DIR/out/when.txt"'}
    },
}

with DAG(
    "one_job_in_steps",
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["hpccompose", "example"],
    doc_md=__doc__,
) as dag:
    job = hpc_compose_job("job", spec=SPEC, artifacts=True, watch={"run_timeout": timedelta(hours=1)})

    @task
    def tell(handle: dict) -> str:
        """Runs as soon as the job is submitted."""
        return f"job {handle['job_id']}: its batch log is {handle['batch_log']}"

    tell(dag.get_task("job.submit").output)
