"""How often the scheduler is asked while one monitor watches 300 jobs and five people watch one of them each.

Every call of `squeue` and `sacct` is counted by a script that stands before the real program. Needs the programs of the
private Slurm cluster that the tests use, and is skipped without them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.slurm.bench import SlurmBench, missing_requirements

WATCHERS = 5
COMPOSE = "runtime: {backend: host}\nx-slurm: {nodes: 1, cpus_per_task: 8}\nservices: {work: {command: sleep 3600}}\n"
COUNTING = """#!/bin/sh
date "+%s $0" >> "$CALLS"
exec {program} "$@"
"""


def counted_programs(folder: Path, path: str) -> Path:
    """A folder with scripts that count and then run the real programs."""
    folder.mkdir()
    for name in ("squeue", "sacct", "scontrol", "sbatch", "scancel"):
        program = shutil.which(name, path=path)
        script = folder / name
        script.write_text(COUNTING.format(program=program))
        script.chmod(0o755)
    return folder


def submit_all(folder: Path, jobs: int, environment: Mapping[str, str]) -> list[str]:
    """That many jobs of the same file, submitted by one process; their ids."""
    program = (
        "import os, sys; from compose_core import Site, build_plan, load_spec, plan_context, submit\n"
        "site = Site.detect('slurm', os.environ)\n"
        "plan = build_plan(load_spec('compose.yaml', variables=os.environ), plan_context(site))\n"
        f"for _ in range({jobs}): print(submit(site, plan).record.job_id)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.split()


@contextmanager
def watching(folder: Path, ids: list[str], environment: Mapping[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The monitor and the followers, until the block ends."""
    hpcc = [sys.executable, "-m", "compose_core"]
    commands = [[*hpcc, "monitor", "--all"]]
    commands += [[*hpcc, "watch", "--no-tui", "--job-id", job] for job in ids[:WATCHERS]]
    log = (folder / "watchers.log").open("wb")
    processes = [
        subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        log.close()


def calls_by_minute(log: Path, begin: float) -> dict[int, Counter[str]]:
    """How often each program was called, by minute since the beginning."""
    found: dict[int, Counter[str]] = {}
    for line in log.read_text().splitlines() if log.exists() else []:
        at, program = line.split()
        found.setdefault(int((int(at) - begin) // 60), Counter())[Path(program).name] += 1
    return found


def measure(bench: SlurmBench, jobs: int, minutes: int) -> None:
    """Print the calls of each minute."""
    folder = Path(tempfile.mkdtemp(dir=bench.shared_dir))
    (folder / "compose.yaml").write_text(COMPOSE)
    environment = {**os.environ, **bench.environment, "XDG_STATE_HOME": str(folder / "state")}
    programs = counted_programs(folder / "programs", environment["PATH"])
    environment |= {"PATH": f"{programs}:{environment['PATH']}", "CALLS": str(folder / "calls")}
    ids = submit_all(folder, jobs, environment)
    print(f"{len(ids)} jobs submitted")
    (folder / "calls").unlink()
    begin = time.time()
    with watching(folder, ids[-WATCHERS - 2 :], environment) as processes:
        time.sleep(60 * minutes)
        alive = sum(process.poll() is None for process in processes)
    print(f"{alive} processes watched for {minutes} minutes")
    for minute, calls in sorted(calls_by_minute(folder / "calls", begin).items()):
        told = ", ".join(f"{program} {count}" for program, count in sorted(calls.items()))
        print(f"minute {minute + 1:2}: {sum(calls.values()):3} calls ({told})")


def main() -> None:
    """Run the bench around the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--minutes", type=int, default=4)
    options, _ = parser.parse_known_args()
    missing = missing_requirements()
    if missing:
        print(f"skipped: a private Slurm cluster needs {', '.join(missing)}")
        return
    with SlurmBench() as bench:
        measure(bench, options.jobs, options.minutes)
        bench.cancel_all_jobs()


if __name__ == "__main__":
    main()
