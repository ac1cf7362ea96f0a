"""One compose job as one task.

Shows: `HpcComposeOperator` with a compose file beside the DAG, Airflow's values as variables of the file, the job's artifacts
exported once it ended well, and an asset event that tells where they are.
Start from it when a step of your DAG is one batch job. The task waits deferred, so it holds no worker while the job
waits and runs. `retries` are needed: a retry finds the job of the try before and submits nothing twice.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, AssetAlias, task

from airflow_provider_hpccompose.operators.hpccompose import HpcComposeOperator

with DAG(
    "train_one_model",
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={"epochs": 5},
    tags=["hpccompose", "example"],
    doc_md=__doc__,
) as dag:
    train = HpcComposeOperator(
        task_id="train",
        compose_file="compose.yaml",  # beside this file
        variables={"EPOCHS": "{{ params.epochs }}", "RUN": "{{ run_id }}"},
        artifact_assets={"model": AssetAlias("hpc-models")},
        run_timeout=timedelta(hours=2),
    )

    @task
    def report(result: dict) -> str:
        """What a following task sees: plain JSON."""
        model = result["artifacts"]["model"]
        print(
            f"job {result['job_id']} on {result['nodes']} took {result['elapsed_s']} s: {model['files']} files in {model['uri']}"
        )
        return model["sha256"]

    report(train.output)
