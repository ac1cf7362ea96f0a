"""The bench itself: a real Airflow that does what its REST driver asks, and leaves nothing behind however its test ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.airflow.airflow_bench import AirflowBench
from tests.slurm.bench_processes import processes_of

pytestmark = pytest.mark.adapters

_HANGS_IN_ITS_START = """
import sys, time
from tests.airflow.airflow_bench import AirflowBench

class Hanging(AirflowBench):
    def airflow(self, *arguments, **options):  # the first thing that is asked for when the database is up
        print(self.root, flush=True)
        time.sleep(600)

Hanging().start()
"""


def test_a_mapped_task_runs_and_is_cleared_alone(airflow_bench: AirflowBench) -> None:
    """Trigger, wait, states, XCom, log and clear are what every scenario is made of."""
    client = airflow_bench.client
    airflow_bench.wait_for_dags("bench_probe")
    run = client.trigger("bench_probe")
    assert client.wait_for_run("bench_probe", run) == "success"
    assert client.states("bench_probe", run) == {f"double[{index}]": "success" for index in range(3)}
    assert client.xcom("bench_probe", run, "double", map_index=2) == 6
    assert "Returned value was: 6" in client.log("bench_probe", run, "double", map_index=2)
    client.clear("bench_probe", run, [["double", 1]])
    again = client.wait_for_task("bench_probe", run, "double", {"success"}, map_index=1, try_number=2)
    assert again["try_number"] == 2
    assert client.task("bench_probe", run, "double", 0)["try_number"] == 1


@pytest.mark.usefixtures("airflow_programs")
def test_a_bench_whose_test_is_killed_is_stopped_by_its_guard(repository: Path) -> None:
    """A killed pytest ends no fixture; the database and the folder would stay."""
    starter = subprocess.Popen(
        [sys.executable, "-c", _HANGS_IN_ITS_START],
        cwd=repository,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        root = Path(starter.stdout.readline().strip())
        assert any("postgres" in (Path("/proc") / str(pid) / "cmdline").read_text() for pid in processes_of(root))
        starter.kill()
    deadline = time.monotonic() + 30
    while root.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not root.exists()
    assert processes_of(root) == []
