"""How long `hpcc up --detach` takes when all images lie in the cache, against `sbatch` of the same script.

On the private Slurm cluster of the tests. Both are timed in turns within one run, so that a noisy machine slows both; the
ratio of the medians counts. The jobs are held, so that none of them runs meanwhile.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.slurm.bench import SlurmBench, missing_requirements

ROUNDS = 11
COMPOSE = """\
name: warm
runtime: {backend: enroot}
x-slurm: {time: "00:01:00", submit_args: [--hold]}
services:
  app: {image: "registry.example.org/team/app:1", command: [/bin/true]}
  other: {image: "registry.example.org/team/other:1", command: [/bin/true]}
"""
ENROOT = r"""#!/bin/sh
# `enroot import --output FILE -- URI`: the least that looks like an image of 64 MiB
{ printf hsqs; head -c 36 /dev/zero; printf '\000\000\000\004\000\000\000\000'; head -c 67108816 /dev/zero; } > "$3"
"""


def seconds(argv: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Wall time of one command."""
    begin = time.perf_counter()
    subprocess.run(argv, cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def measure(bench: SlurmBench) -> None:
    """Print one line per figure."""
    folder = Path(tempfile.mkdtemp(dir=bench.shared_dir))
    environment = {**os.environ, **bench.environment, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "enroot").write_text(ENROOT)
    (folder / "enroot").chmod(0o755)
    hpcc = [sys.executable, "-m", "compose_core"]
    programs = ["--enroot-bin", str(folder / "enroot")]
    subprocess.run([*hpcc, "prepare", *programs], cwd=folder, env=environment, check=True, capture_output=True)
    subprocess.run([*hpcc, "render", "-o", "job.sbatch"], cwd=folder, env=environment, check=True, capture_output=True)
    commands = {
        "sbatch": ["sbatch", "--hold", "job.sbatch"],
        "hpcc up --detach": [*hpcc, "up", "--detach", "--no-preflight", *programs],
        "hpcc render": [*hpcc, "render"],
        "hpcc up --skip-prepare": [*hpcc, "up", "--detach", "--no-preflight", "--skip-prepare"],
    }
    times: dict[str, list[float]] = {label: [] for label in commands}
    for _ in range(ROUNDS):
        for label, argv in commands.items():
            times[label].append(seconds(argv, folder, environment))
    baseline = statistics.median(times["sbatch"])
    for label, values in times.items():
        median = statistics.median(values)
        print(f"{label:28} median {median * 1000:6.0f} ms   {median / baseline:4.2f} x")


def main() -> None:
    """With a cluster, or a word why there is none."""
    missing = missing_requirements()
    if missing:
        print(f"up against sbatch: not measured, a private Slurm cluster needs {', '.join(missing)}")
        return
    with SlurmBench(nodes=1, accounting=False) as bench:
        measure(bench)


if __name__ == "__main__":
    main()
