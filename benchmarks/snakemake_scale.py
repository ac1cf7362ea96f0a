"""5,000 jobs of a workflow on a fake cluster: how often Slurm is called, and how much memory the executor takes.

Needs Snakemake's executor interface and the executor beside compose-core; without them nothing is measured.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake_executor_plugin_hpccompose.ready_jobs import Placed
    from tests.snakemake.world import World

JOBS = 5000
ROUND = 100
"""Jobs that Snakemake's scheduler selects at a time, and the seconds between two such rounds."""
ROUND_S = 1.0
LOOK_S = 5.0
ENDED = 50
"""Jobs that end between two looks."""
MOST_SBATCH, LEAST_QUERY_GAP_S, MOST_MIB = 60, 30.0, 400


def main() -> int:
    """Nonzero when one of the bounds is not kept."""
    if not find_spec("snakemake_interface_executor_plugins") or not find_spec("snakemake_executor_plugin_hpccompose"):
        print("snakemake_scale: skipped, the executor is not installed here")
        return 0
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return _measure(Path(folder))
        finally:
            os.chdir("/")


def _measure(folder: Path) -> int:
    from compose_core.testing import FakeCluster
    from tests.snakemake.world import World, fan

    began = time.perf_counter()
    cluster = FakeCluster(auto_start=False)  # what Slurm says does not matter here, only how often it is asked
    world = World(cluster, folder)
    start_s = cluster.clock.monotonic()
    jobs, looks = fan(JOBS), Looks(world)
    for first in range(0, JOBS, ROUND):
        world.submit(*jobs[first : first + ROUND])
        looks.after(ROUND_S)
    print(f"submitted after {time.perf_counter() - began:.1f} s", flush=True)
    submitted_s = time.perf_counter() - began
    while world.active_jobs:
        for info in world.active_jobs[:ENDED]:
            assert info.aux
            write_quickly(info.aux["placed"])
        looks.after(LOOK_S)
    simulated_s = cluster.clock.monotonic() - start_s
    sbatch = world.calls_of("sbatch")
    queries = world.calls_of("squeue") + world.calls_of("sacct")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(world.succeeded)} jobs done, {len(world.failed)} failed, in {simulated_s:.0f} s of the cluster's time")
    print(f"sbatch {sbatch} times (at most {MOST_SBATCH})")
    print(f"queries {queries}, one in {simulated_s / max(1, queries):.0f} s (at least {LEAST_QUERY_GAP_S:.0f})")
    print(f"largest memory {peak_mib:.0f} MiB (at most {MOST_MIB}), the fake cluster's own included")
    print(f"took {time.perf_counter() - began:.1f} s, of them {submitted_s:.1f} s until all were submitted")
    kept = sbatch <= MOST_SBATCH and queries * LEAST_QUERY_GAP_S <= simulated_s + LEAST_QUERY_GAP_S
    return 0 if kept and peak_mib <= MOST_MIB and len(world.succeeded) == JOBS else 1


class Looks:
    """Looks of Snakemake's; Slurm and the jobs' files are looked at as often as the watcher's thread does it in a run."""

    def __init__(self, world: World) -> None:
        self._world, self._due_s = world, 0.0

    def after(self, seconds: float) -> None:
        """One of them, so much later."""
        clock = self._world.cluster.clock
        is_due = clock.monotonic() + seconds >= self._due_s
        self._world.look(after_s=seconds, asking=is_due)
        if is_due:
            self._due_s = clock.monotonic() + self._world.jobs.watcher.pause_s()


def write_quickly(placed: Placed) -> None:
    """The result of a job that ended well, as a node far away would have written it: its time is not the executor's."""
    from snakemake_executor_plugin_hpccompose.runner.results import Result

    facts = placed.ready.facts
    result = Result(
        key=facts.key,
        attempt=facts.attempt,
        run="run",
        unit="u00001",
        task=placed.task or 0,
        ok=True,
        exit_code=0,
        ended_at=0.0,
    )
    placed.result.write_text(json.dumps(result.as_json()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
