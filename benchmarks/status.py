"""How long `hpcc status` of a Slurm job takes that nobody has asked after lately, beside what it consists of.

`squeue` as `hpcc` calls it and the start of `hpcc` are timed in turns with it within one run; the ratio of the medians
counts. Needs the programs of the private Slurm cluster that the tests use, and is skipped without them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.slurm.bench import SlurmBench, missing_requirements

ROUNDS = 15
COMPOSE = "runtime: {backend: host}\nx-slurm: {submit_args: [--hold]}\nservices: {work: {command: 'true'}}\n"
HPCC = [sys.executable, "-m", "compose_core"]
START = [*HPCC, "status", "--help"]


def seconds(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Wall time of one command."""
    begin = time.perf_counter()
    subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def measure(folder: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """The median of each command."""
    from compose_core.cluster.squeue import squeue_argv

    state = folder / "state"
    commands = {"squeue": squeue_argv(), "hpcc status --help": START, "hpcc status": [*HPCC, "status"]}
    times: dict[str, list[float]] = {label: [] for label in commands}
    times["hpcc status, answer shared"] = []
    for _ in range(ROUNDS):
        for label, argv in commands.items():
            subprocess.run(["rm", "-rf", state / "hpc-compose" / "scheduler"], check=True)
            times[label].append(seconds(argv, folder, environment))
        times["hpcc status, answer shared"].append(seconds([*HPCC, "status"], folder, environment))
    return {label: statistics.median(values) for label, values in times.items()}


def main() -> None:
    """Print one line per figure."""
    missing = missing_requirements()
    if missing:
        print(f"skipped: a private Slurm cluster needs {', '.join(missing)}")
        return
    with SlurmBench() as bench, tempfile.TemporaryDirectory(dir=bench.shared_dir) as name:
        folder = Path(name)
        (folder / "compose.yaml").write_text(COMPOSE)
        environment = {**os.environ, **bench.environment, "XDG_STATE_HOME": str(folder / "state")}
        submit = [*HPCC, "submit", "--no-preflight"]
        subprocess.run(submit, cwd=folder, env=environment, check=True, capture_output=True)
        medians = measure(folder, environment)
        bench.cancel_all_jobs()
    for label, median in medians.items():
        print(f"{label:28} median {median * 1000:6.0f} ms")
    allowed = 2 * medians["squeue"] + medians["hpcc status --help"]
    print(f"{'status / (2 squeue + start)':28} {medians['hpcc status'] / allowed:4.2f} x")


if __name__ == "__main__":
    main()
