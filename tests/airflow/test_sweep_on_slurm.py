"""A sweep of two hundred trials on the real Slurm, through the operators and the door that their tasks use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_hpccompose.doors import LocalDoor
from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook
from airflow_provider_hpccompose.operators.sweep import HpcComposeSweepSubmitOperator, HpcComposeSweepWatchOperator
from airflow_provider_hpccompose.operators.sweep_collect import HpcComposeSweepCollectOperator
from airflow_provider_hpccompose.sweep_doors import SweepHandle
from compose_core import SystemClock
from tests.slurm.bench import SlurmBench

pytestmark = [pytest.mark.adapters, pytest.mark.faults]
CLOCK = SystemClock()
TRIALS = 200

SWEEP = f"""\
name: many
runtime: {{backend: host}}
sweep:
  parameters: {{n: [{", ".join(str(number) for number in range(TRIALS))}]}}
  max_trials: {TRIALS}
  objective: {{direction: maximize, metric: value}}
services:
  work:
    environment: {{N: "${{n}}", RAN: "${{RAN}}"}}
    script: |
      printf '{{"name": "value", "value": %s}}\\n' "$N" >> "$HPC_COMPOSE_JOB_DIR/trial.jsonl"
      echo "$HPC_COMPOSE_SWEEP_TRIAL" >> "$RAN"
    x-slurm: {{cpus_per_task: 1}}
"""


class Attempt:
    """What an operator finds of Airflow: a task instance that keeps what is pushed."""

    def __init__(self, *, try_number: int = 1, max_tries: int = 0) -> None:
        self.pushed: dict[str, Any] = {}
        self.fields = SimpleNamespace(
            dag_id="d",
            run_id="r",
            task_id="submit",
            map_index=-1,
            try_number=try_number,
            max_tries=max_tries,
            start_date=datetime.now(UTC),
            xcom_push=self.push,
        )

    def push(self, key: str, value: Any) -> None:
        """As a task instance does."""
        self.pushed[key] = value

    @property
    def context(self) -> Any:
        """For `execute`."""
        return {"ti": self.fields, "outlet_events": {}}


def through(door: LocalDoor, operator: Any) -> Any:
    """The operator, its connection replaced by this door."""
    operator.__dict__["hook"] = HpcComposeHook(door=door)
    return operator


def test_an_array_of_two_hundred_is_one_submission_and_each_trial_runs_once(
    slurm_bench: SlurmBench,
) -> None:
    """Submitted twice under one key as by a retry; watched in two parts; ranked; nothing runs twice."""
    folder = slurm_bench.shared_dir / "sweep-of-200"
    folder.mkdir()
    (folder / "compose.yaml").write_text(SWEEP)
    environment = {**slurm_bench.environment, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    door = LocalDoor(folder, engine="slurm", environment={**environment, "RAN": str(folder / "ran")}, conn_id="bench")
    source: dict[str, Any] = {"compose_file": str(folder / "compose.yaml"), "variables": {}}

    first, second = Attempt(), Attempt()
    handle = through(door, HpcComposeSweepSubmitOperator(task_id="submit", **source)).execute(first.context)
    assert (handle["trials"], len(handle["jobs"]), handle["attached"]) == (TRIALS, 1, False)
    parts = through(door, HpcComposeSweepSubmitOperator(task_id="submit", chunk=100, **source)).execute(second.context)
    assert [(part["first"], part["count"]) for part in parts] == [(0, 100), (100, 100)]
    again = SweepHandle.from_json(second.pushed["sweep"])
    assert (again.jobs, again.attached) == (handle["jobs"], True)

    for part in parts:
        watch = HpcComposeSweepWatchOperator(
            task_id="watch", sweep=handle, deferrable=False, poll_seconds=2, first=part["first"], count=part["count"]
        )
        told = through(door, watch).execute(Attempt().context)
        assert (told["total"], told["completed"], told["failed"]) == (100, 100, 0)

    collect = HpcComposeSweepCollectOperator(task_id="collect", sweep=handle, dest="tables", top=3)
    ranking = through(door, collect).execute(Attempt().context)
    assert (ranking["completed"], ranking["configurations"]) == (TRIALS, TRIALS)
    assert [one["mean"] for one in ranking["ranking"]] == [199.0, 198.0, 197.0]
    ran = (folder / "ran").read_text().split()
    assert (len(ran), len(set(ran))) == (TRIALS, TRIALS)
    assert Path(ranking["files"][1]["path"]).read_text().count("\n") == TRIALS + 1
