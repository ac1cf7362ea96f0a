"""A DAG without the provider: what the bench itself is tested with."""

from __future__ import annotations

from airflow.sdk import DAG, task

with DAG("bench_probe", schedule=None, catchup=False) as dag:

    @task
    def double(number: int) -> int:
        return 2 * number

    double.partial().expand(number=[1, 2, 3])
