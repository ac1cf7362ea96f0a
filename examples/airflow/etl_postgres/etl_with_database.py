"""An ETL job with a Postgres of its own.

Shows: a job of several services (a database as sidecar, a loader that waits until it answers, a report that waits for the
loader) as one task, its result in XCom, and the exported report read by a following task.
Start from it when a step needs a database only for as long as it runs. Nothing is installed on the node but what the compose
file names; with containers, put `image: postgres:17` there.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider_hpccompose.operators.hpccompose import HpcComposeOperator

with DAG(
    "etl_with_database",
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["hpccompose", "example"],
    doc_md=__doc__,
) as dag:
    etl = HpcComposeOperator(
        task_id="etl",
        compose_file="compose.yaml",
        environment={"DAY": "{{ ds | default('2026-01-01', true) }}"},
        artifacts=["report"],
        log_services=["load", "report"],  # the database's own log is not interesting here
    )

    @task
    def totals(result: dict) -> dict[str, float]:
        """The report, where Airflow sees the same file system as the job."""
        import csv
        from pathlib import Path

        report = next(Path(result["artifacts"]["report"]["uri"]).rglob("totals.csv"))
        return {row["shop"]: float(row["total"]) for row in csv.DictReader(report.read_text().splitlines())}

    totals(etl.output)
