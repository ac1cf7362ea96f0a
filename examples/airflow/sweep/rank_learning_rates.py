"""A sweep as one job array, its ranking, and a last run with the best values.

Shows: `HpcComposeSweepTaskGroup`, whose `collect` ranks the trials by the objective of the compose file, writes the tables and
tells of them with an asset event; and a task that takes the best parameters from it.
Start from it when a program is to be run with many values. `mode="array"` costs three tasks however many trials there are;
`mode="chunked"` shows progress in the grid; `mode="mapped"` makes a task of each trial, which can be retried alone.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, AssetAlias

from airflow_provider_hpccompose.operators.hpccompose import HpcComposeOperator
from airflow_provider_hpccompose.task_groups import HpcComposeSweepTaskGroup

with DAG(
    "rank_learning_rates",
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["hpccompose", "example"],
    render_template_as_native_obj=True,  # `trial` below is a mapping, not its text
    doc_md=__doc__,
) as dag:
    sweep = HpcComposeSweepTaskGroup(
        "sweep",
        mode="chunked",
        chunk=4,
        compose_file="compose.yaml",
        min_completed=0.9,  # a trial may fail
        dest="ranking",  # below the folder of the compose file, on the cluster
        outlets=[AssetAlias("hpc-rankings")],
    )
    final = HpcComposeOperator(
        task_id="final",
        compose_file="compose.yaml",
        trial="{{ ti.xcom_pull(task_ids='sweep.collect')['best']['variables'] }}",
        job_name="final",
    )
    sweep >> final
