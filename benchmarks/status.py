"""How long `hpcc status` of a Slurm job takes that nobody has asked after lately, beside what it consists of.

Timed in turns within one run, the ratio of the medians counts: `squeue` as `hpcc` calls it; the same command for a job that
is known to be over, for which nobody is asked; and importing two of the libraries that `hpcc` needs. Needs the programs
of the private Slurm cluster that the tests use, and is skipped without them.
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
START = "status of a job that is over"
IMPORTS = "import click, pydantic"


def seconds(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Wall time of one command."""
    begin = time.perf_counter()
    done = subprocess.run(argv, cwd=folder, env=environment, check=False, capture_output=True)
    assert done.returncode in (0, 1), done.stderr  # 1: the job that is over was cancelled
    return time.perf_counter() - begin


def submitted(folder: Path, environment: Mapping[str, str]) -> str:
    """One more job; its id."""
    submit = [*HPCC, "submit", "--no-preflight"]
    done = subprocess.run(submit, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.split()[0]


def measure(folder: Path, environment: Mapping[str, str], *, over: str, waits: str) -> dict[str, float]:
    """The median of each command."""
    from compose_core.cluster.squeue import squeue_argv

    state = folder / "state"
    status = [*HPCC, "status", "--job-id"]
    commands = {
        "squeue": squeue_argv(),
        IMPORTS: [sys.executable, "-c", IMPORTS],
        START: [*status, over],
        "status of a waiting job": [*status, waits],
    }
    times: dict[str, list[float]] = {label: [] for label in commands}
    times["the same, answer shared"] = []
    for _ in range(ROUNDS):
        for label, argv in commands.items():
            subprocess.run(["rm", "-rf", state / "hpc-compose" / "scheduler"], check=True)
            times[label].append(seconds(argv, folder, environment))
        times["the same, answer shared"].append(seconds([*status, waits], folder, environment))
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
        over, waits = (submitted(folder, environment) for _ in range(2))
        subprocess.run(
            [*HPCC, "cancel", "--job-id", over], cwd=folder, env=environment, check=True, capture_output=True
        )
        medians = measure(folder, environment, over=over, waits=waits)
        bench.cancel_all_jobs()
    for label, median in medians.items():
        print(f"{label:30} median {median * 1000:6.0f} ms")
    for start in (START, IMPORTS):
        allowed = 2 * medians["squeue"] + medians[start]
        print(f"waiting / (2 squeue + {start})  {medians['status of a waiting job'] / allowed:4.2f} x")


if __name__ == "__main__":
    main()
