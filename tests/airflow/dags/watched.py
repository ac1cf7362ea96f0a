"""A DAG that starts when a job of another one has ended: an asset with a watcher, in the triggerer from the start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_hpccompose.operators.hpccompose import HpcComposeSubmitOperator
from airflow_provider_hpccompose.triggers.watchers import HpcComposeJobWatcher

CONN_ID = "hpcc_local"

with DAG("watched_job", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=1)}):
    HpcComposeSubmitOperator(
        task_id="job", hpccompose_conn_id=CONN_ID, compose_file="{{ dag_run.conf['compose_file'] }}"
    )

ENDED = Asset(
    "ended-jobs",
    watchers=[
        AssetWatcher(
            name="jobs",
            trigger=HpcComposeJobWatcher(
                hpccompose_conn_id=CONN_ID, labels={"dag_id": "watched_job"}, verdicts=("ok",), poll_seconds=5.0
            ),
        )
    ],
)

with DAG("after_a_job", schedule=[ENDED], is_paused_upon_creation=False):

    @task(inlets=[ENDED])
    def told(*, inlet_events: Any) -> dict[str, Any]:
        """What the newest event says."""
        payload = inlet_events[ENDED][-1].extra["payload"]
        return {"job_id": payload["job_ref"]["job_id"], "verdict": payload["snapshot"]["verdict"], **payload["labels"]}

    told()
