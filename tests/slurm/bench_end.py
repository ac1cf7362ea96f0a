"""The end of a bench: from the process that started it, from its guard, or from the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.slurm.bench_host import FREEZER, remove_cgroups, thaw
from tests.slurm.bench_processes import kill_all, processes_of, start_time

STATE_FILE = "bench.json"
"""In the bench's folder: its daemons' pids and start times."""


class BenchError(Exception):
    """The bench could not be started or stopped, or did not do what was waited for."""


def tear_down(root: Path, pids: Iterable[int]) -> None:
    """Kill what belongs to the bench until nothing does, then remove its folder."""
    thaw(FREEZER / root.name)
    kill_all(pids)
    for _ in range(20):
        stray = processes_of(root)
        if not stray:
            break
        kill_all(stray)
    remove_cgroups(FREEZER / root.name)
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]
    if mounted:
        raise BenchError(f"{root} is left in place: something is mounted there: {', '.join(mounted)}")
    shutil.rmtree(root)


def stop_recorded(root: Path) -> None:
    """Stop a bench by what it wrote down, from another process than the one that started it."""
    try:
        record = json.loads((root / STATE_FILE).read_text())
    except FileNotFoundError:
        return
    pids = [
        int(pid) for pid, started in record["pids"].items() if started is not None and start_time(int(pid)) == started
    ]
    tear_down(Path(record["root"]), pids)
