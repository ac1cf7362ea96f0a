"""Submitting 200 trials: one `hpcc sweep submit` against a loop of `sbatch` calls and a loop of `hpcc up --detach`.

On the private Slurm cluster of the tests, within one run, so that a noisy machine slows all of them. Both loops are timed for
a few calls and multiplied, which the figures say; the jobs are held, so that none of them runs meanwhile. Scheduler calls are
counted by stand-ins that note each start of a Slurm program and run it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.slurm.bench import SlurmBench, missing_requirements

TRIALS = 200
FEW_BARE = 20
FEW_UP = 5
ROUNDS = 3
SWEEP = f"""\
name: bench
runtime: {{backend: host}}
sweep: {{parameters: {{i: {{from: 1, to: {TRIALS}, samples: {TRIALS}, integer: true}}}}, max_trials: {TRIALS}, throttle: 20}}
x-slurm: {{time: "00:01:00", submit_args: [--hold]}}
services: {{work: {{command: [/bin/echo, "${{i:-0}}"]}}}}
"""
COUNTING = """#!/bin/sh
echo {name} >> {log}
exec {program} "$@"
"""


def seconds(argv: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Wall time of one command."""
    begin = time.perf_counter()
    subprocess.run(argv, cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def counting_programs(folder: Path, path: str) -> Path:
    """Stand-ins for Slurm's programs that note each start in `calls`."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sbatch", "squeue", "sacct", "scontrol", "sinfo", "scancel"):
        found = subprocess.run(["which", name], env={"PATH": path}, capture_output=True, text=True, check=True)
        stand_in = programs / name
        stand_in.write_text(COUNTING.format(name=name, log=folder / "calls", program=found.stdout.strip()))
        stand_in.chmod(0o755)
    return programs


def measure(bench: SlurmBench) -> None:
    """Print one line per way, for each round."""
    folder = Path(tempfile.mkdtemp(dir=bench.shared_dir))
    environment = {**os.environ, **bench.environment, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    environment["PATH"] = f"{counting_programs(folder, environment['PATH'])}:{environment['PATH']}"
    (folder / "compose.yaml").write_text(SWEEP)
    hpcc = [sys.executable, "-m", "compose_core"]
    subprocess.run([*hpcc, "render", "-o", "job.sbatch"], cwd=folder, env=environment, check=True, capture_output=True)
    ways = {
        "hpcc sweep submit": ([*hpcc, "sweep", "submit", "--no-preflight"], 1, 1),
        "a loop of sbatch": (["sbatch", "--hold", "job.sbatch"], FEW_BARE, TRIALS),
        "a loop of hpcc up --detach": ([*hpcc, "up", "--detach", "--no-preflight"], FEW_UP, TRIALS),
    }
    for round_ in range(ROUNDS):
        ours = 0.0
        for label, (argv, few, wanted) in ways.items():
            (folder / "calls").write_text("")
            took = sum(seconds(argv, folder, environment) for _ in range(few)) * wanted / few
            calls = len((folder / "calls").read_text().split()) * wanted // few
            ours = ours or took
            how = f"{few} timed, times {wanted // few}" if wanted != few else "timed"
            print(
                f"{round_} {label:28} {took:7.2f} s  {took / ours:6.1f} x  {calls:4} calls of Slurm's programs  ({how})"
            )


def main() -> None:
    """With a cluster, or a word why there is none."""
    missing = missing_requirements()
    if missing:
        print(f"submitting a sweep: not measured, a private Slurm cluster needs {', '.join(missing)}")
        return
    with SlurmBench(nodes=1, accounting=False) as bench:
        measure(bench)


if __name__ == "__main__":
    main()
