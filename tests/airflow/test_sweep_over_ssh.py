"""A sweep on a login node: its file travels there, its state and its ranking come back."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk import Connection

from airflow_provider_hpccompose.hooks.hpccompose import door_of
from airflow_provider_hpccompose.settings import ConnectionSettings
from airflow_provider_hpccompose.ssh_door import SshDoor
from airflow_provider_hpccompose.sweep_doors import SweepRequest
from compose_core import SystemClock
from tests.airflow.sshd_bench import LoginNode, login_node, missing_programs

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {', '.join(missing_programs())}"),
]
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginNode]:
    folder = tmp_path_factory.mktemp("login")
    with login_node(folder, {"XDG_STATE_HOME": str(folder / "state")}) as node:
        yield node


def test_a_sweep_goes_there_and_its_ranking_comes_back(node: LoginNode, tmp_path: Path) -> None:
    """Once for its key, also when the file here has changed since."""
    extra = {
        "transport": "ssh",
        "engine": "local",
        "key_file": str(node.key),
        "known_hosts_file": str(node.known_hosts),
        "command": shlex.join([sys.executable, "-m", "compose_core"]),
        "workspace": str(tmp_path / "workspace"),
    }
    connection = Connection(
        conn_id="cluster",
        conn_type="hpccompose",
        host="127.0.0.1",
        login=node.user,
        port=node.port,
        extra=json.dumps(extra),
    )
    door = door_of(ConnectionSettings.of(connection))
    assert isinstance(door, SshDoor)
    file = tmp_path / "sweep.yaml"
    script = 'printf \'{"name": "loss", "value": %s}\\n\' "$N" >> "$HPC_COMPOSE_JOB_DIR/trial.jsonl"\n'
    spec = {
        "runtime": {"backend": "host"},
        "sweep": {"parameters": {"n": [2, 1]}, "objective": {"direction": "minimize", "metric": "loss"}},
        "services": {"work": {"environment": {"N": "${n}"}, "script": script}},
    }
    file.write_text(json.dumps(spec))
    request = SweepRequest(key="af-ssh-g1", compose_file=str(file), labels={"dag_id": "d"})
    handle = door.submit_sweep(request)
    file.write_text(json.dumps({**spec, "name": "changed"}))
    again = door.submit_sweep(request)
    assert (again.attached, again.jobs, again.project_dir) == (True, handle.jobs, handle.project_dir)
    deadline = CLOCK.monotonic() + 90
    while not door.sweep_state(handle).is_over:
        assert CLOCK.monotonic() < deadline
        CLOCK.sleep(0.5)
    table = door.sweep_results(handle)
    assert table.best is not None
    assert (table.best["variables"], table.summary["completed"]) == ({"n": "1"}, 2)
    assert door.stop_sweeps_of(["af-ssh-g1"]) == []
