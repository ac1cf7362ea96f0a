"""The bench itself leaves nothing behind however its test ends; that it does what it is asked for is seen in the scenarios."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

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
