"""DAGs by `dag.test()` in a process of its own: one Airflow home with its database, the embedded engine, no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MARK = "@@result "
_PROGRAM = """
import json, runpy, sys

from airflow.sdk import DAG
from airflow_provider_hpccompose.triggers.hpccompose import HpcComposeTrigger
from airflow_provider_hpccompose.triggers.sweeps import HpcComposeSweepTrigger

def resume_at_once(trigger):
    "Deferrals last some seconds because of Airflow's scheduler, and there is none here."
    begin = trigger.__init__
    def begin_without_wait(self, *arguments, **options):
        begin(self, *arguments, **options)
        self.min_defer_seconds = 0.0
    trigger.__init__ = begin_without_wait

resume_at_once(HpcComposeTrigger)
resume_at_once(HpcComposeSweepTrigger)
for path, dag_id, conf in json.loads(sys.argv[1]):
    named = runpy.run_path(path)
    known = [one for value in named.values() for one in (value.values() if isinstance(value, dict) else [value])]
    dag = next(one for one in known if isinstance(one, DAG) and one.dag_id == dag_id)
    run = dag.test(run_conf=conf or None)
    tasks = {}
    for one in run.get_task_instances():
        tasks.setdefault(one.task_id, {})[one.map_index] = {
            "state": str(one.state), "name": one.rendered_map_index, "tries": one.try_number}
    xcoms = {}
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select
    with create_session() as session:
        for row in session.scalars(select(XComModel).where(XComModel.run_id == run.run_id, XComModel.dag_id == dag_id)):
            value = XComModel.deserialize_value(row)
            xcoms.setdefault(row.task_id, {}).setdefault(row.key, {})[row.map_index] = value
        from airflow.models.asset import AssetEvent
        events = [{"uri": one.asset.uri, "extra": one.extra}
                  for one in session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id))]
    print("@@result " + json.dumps({"dag_id": dag_id, "state": str(run.state), "tasks": tasks, "xcoms": xcoms,
                                    "events": events}), flush=True)
"""


@dataclass(frozen=True)
class DagResult:
    """What came of one run."""

    state: str
    tasks: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """Task id → map index → state, name, tries."""
    xcoms: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """Task id → key → map index → value."""
    events: Sequence[Mapping[str, Any]]
    """Asset events: uri, extra."""
    log: str

    def states(self) -> dict[str, list[str]]:
        """Task id to the states of its instances."""
        return {name: [one["state"] for one in instances.values()] for name, instances in self.tasks.items()}

    def returned(self, task_id: str, index: int = -1) -> Any:
        """What a task returned."""
        return self.xcoms[task_id]["return_value"][str(index)]


class DagTests:
    """A home for runs."""

    def __init__(self, home: Path, *, engine: str = "local", environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.workspace = home / "work"
        connection = {
            "conn_type": "hpccompose",
            "extra": {"transport": "local", "engine": engine, "workspace": str(self.workspace), "poll_seconds": 1},
        }
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "False",
            **(environment or {}),
        }
        self.dags = home / "dags"
        """DAG files have to lie below it."""
        self.dags.mkdir(parents=True)
        self.call([sys.executable, "-m", "airflow", "db", "migrate"])
        self._connection = json.dumps(connection)
        self.connect()

    def connect(self) -> None:
        """The connection is in the database, where users keep it: a variable would be found by ways that do not ask Airflow."""
        self.call(
            [
                sys.executable,
                "-m",
                "airflow",
                "connections",
                "add",
                "hpccompose_default",
                "--conn-json",
                self._connection,
            ]
        )

    def run(self, *dags: tuple[Path, str]) -> dict[str, DagResult]:
        """These DAGs, each a file and an id, one after the other."""
        asked = json.dumps([[str(path), dag_id, None] for path, dag_id in dags])
        log = self.call([sys.executable, "-c", _PROGRAM, asked])
        found = {}
        for line in log.splitlines():
            if line.startswith(_MARK):
                said = json.loads(line.removeprefix(_MARK))
                dag_id = said.pop("dag_id")
                found[dag_id] = DagResult(**said, log=log)
        assert len(found) == len(dags), log[-6000:]
        return found

    def call(self, argv: Sequence[str]) -> str:
        """What a program of this home says; it has to end well."""
        done = subprocess.run(
            argv,
            check=False,
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout
