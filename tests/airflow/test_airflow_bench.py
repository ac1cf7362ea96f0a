"""The bench itself leaves nothing behind however its test ends; that it does what it is asked for is seen in the scenarios."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.airflow.airflow_bench import tear_down
from tests.slurm.bench_end import STATE_FILE
from tests.slurm.bench_processes import processes_of, start_time

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
    while (root.exists() or processes_of(root)) and time.monotonic() < deadline:  # the guard itself ends last
        time.sleep(0.1)
    assert not root.exists()
    assert processes_of(root) == []


def test_a_process_that_lost_its_parent_and_hides_its_environment_ends_with_the_bench(tmp_path: Path) -> None:
    """As the log server of a scheduler that is killed while it starts."""
    (tmp_path / "home").mkdir()
    (tmp_path / STATE_FILE).write_text('{"pids": {}}')
    started = subprocess.run(
        ["sh", "-c", "cd home && (env -i sleep 600 >/dev/null 2>&1 & echo $!)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    pid = int(started.stdout)
    assert pid not in processes_of(tmp_path)
    tear_down(tmp_path)
    assert start_time(pid) is None
