"""Sweeps for `dag.test()`: each DAG is one case."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, AssetAlias

from airflow_provider_hpccompose.task_groups import HpcComposeSweepTaskGroup, hpc_compose_job

IN_WORKER = {"deferrable": False}
"""A deferral lasts ten seconds at least, which one of the cases is enough for."""


def spec(*rates: object, throttle: int = 2) -> dict[str, Any]:
    """A sweep over these rates, each its own figure; the rate `x` fails."""
    return {
        "name": "tiny",
        "runtime": {"backend": "host"},
        "sweep": {
            "parameters": {"lr": list(rates)},
            "objective": {"direction": "minimize", "metric": "loss"},
            "throttle": throttle,
        },
        "services": {
            "train": {
                "environment": {"LR": "${lr}"},
                "script": '[ "$LR" != x ] || exit 7\n'
                'printf \'{"name": "loss", "value": %s}\\n\' "$LR" >> "$HPC_COMPOSE_JOB_DIR/trial.jsonl"\n',
            }
        },
    }


def one(dag_id: str, **group: Any) -> DAG:
    """A DAG with one sweep."""
    with DAG(dag_id, schedule=None) as made:
        HpcComposeSweepTaskGroup("s", **group)
    return made


with DAG("job_fails", schedule=None) as job_fails:
    broken = {"runtime": {"backend": "host"}, "services": {"a": {"command": ["sh", "-c", "exit 3"]}}}
    hpc_compose_job("j", spec=broken)

dag = {
    "array": one("array", spec=spec(3, 1, 2), dest="tables", outlets=[AssetAlias("rankings")], watch=IN_WORKER),
    "mapped": one("mapped", mode="mapped", spec=spec(3, "x", 2), min_completed=2, throttle=2),
    "chunked": one(
        "chunked", mode="chunked", chunk=2, spec=spec(3, 1, 2), watch={"deferrable": True, "min_defer_seconds": 0.0}
    ),
    "short": one("short", spec=spec(3, "x"), outlets=[AssetAlias("never")], watch=IN_WORKER),
    "invalid": one("invalid", spec={**spec(1), "servces": {}}),
    "job_fails": job_fails,
}
