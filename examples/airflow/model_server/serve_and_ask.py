"""A model server as one job, and clients that start when it answers.

Shows: a job that is submitted (setup) and ended (teardown) by the DAG, a sensor that waits until one of its services is ready
and gives the address, and tasks that use it.
Start from it when several tasks need one server. The teardown ends the server however the clients end; a kill at any
moment leaves no orphan.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider_hpccompose.operators.hpccompose import HpcComposeCancelOperator, HpcComposeSubmitOperator
from airflow_provider_hpccompose.sensors.hpccompose import HpcComposeServiceReadySensor

with DAG(
    "serve_and_ask",
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["hpccompose", "example"],
    doc_md=__doc__,
) as dag:
    server = HpcComposeSubmitOperator(task_id="server", compose_file="compose.yaml")
    ready = HpcComposeServiceReadySensor(
        task_id="ready",
        job_ref=server.output,
        service="model",
        timeout=timedelta(minutes=30).total_seconds(),
        poll_seconds=15,
    )
    stop = HpcComposeCancelOperator(task_id="stop", job=server.output)

    @task
    def ask(endpoint: dict, text: str) -> int:
        """One client."""
        import json
        from urllib.request import urlopen

        with urlopen(f"{endpoint['urls']['http']}/count?{text}", timeout=30) as answer:
            return json.load(answer)["letters"]

    @task
    def add(counts: list[int]) -> int:
        """What all clients got."""
        return sum(counts)

    answers = ask.partial(endpoint=ready.output).expand(text=["one", "three", "fifteen"])
    total = add(answers)
    server >> ready
    total >> stop.as_teardown(setups=server)
