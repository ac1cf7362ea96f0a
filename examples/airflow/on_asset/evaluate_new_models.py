"""A DAG that starts whenever there is a new model.

Shows: `schedule` on the asset alias that `train_one_model` tells of, the event's facts (where the model is, what it held then,
which job made it), and a job that gets them as variables.
Start from it when one DAG's results are another one's work. The event comes only after the export was verified, and a failed
task tells of nothing.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, AssetAlias, task

from airflow_provider_hpccompose.operators.hpccompose import HpcComposeOperator

MODELS = AssetAlias("hpc-models")

with DAG(
    "evaluate_new_models",
    schedule=[MODELS],
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["hpccompose", "example"],
    doc_md=__doc__,
) as dag:

    @task(inlets=[MODELS])
    def newest(*, inlet_events: dict) -> dict[str, str]:
        """The newest model and its digest."""
        from urllib.parse import unquote, urlsplit

        event = inlet_events[MODELS][-1]
        print(f"{event.asset.uri}: made by job {event.extra['job_id']}, {event.extra['files']} files")
        return {"MODEL": unquote(urlsplit(event.asset.uri).path), "SHA256": event.extra["sha256"]}

    HpcComposeOperator(task_id="evaluate", compose_file="compose.yaml", variables=newest())
