"""How long `hpcc jobs` takes in a folder with 10,000 tracked jobs, against the bare start of `hpcc`.

All commands are timed in turns within one run, so that a noisy machine slows all of them; the ratio of the medians
counts. The jobs have ended, but for the last ones with --running.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
TOKEN = "01M7YV88EKH4TXT86FST{:06d}"


def make_job(project: Path, number: int, *, now: float) -> None:
    """The files of one job that has ended, as its client and its supervisor write them."""
    job_id, token = str(100_000 + number), TOKEN.format(number)
    metadata = project / ".hpc-compose"
    job_dir, submitted_at = metadata / job_id, now - 60.0 * (20_000 - number)
    record = {
        "schema_version": 1,
        "backend": "slurm",
        "kind": "main",
        "submission_token": token,
        "name": f"train-{number % 50}",
        "compose_file": str(project / "compose.yaml"),
        "submit_dir": str(project),
        "script_path": str(metadata / "submissions" / token / "job.sbatch"),
        "script_sha256": "0" * 64,
        "spec_sha256": "0" * 64,
        "cache_dir": "/scratch/cache",
        "runtime_root": str(metadata),
        "batch_log": str(project / f"slurm-{job_id}.out"),
        "services": ["data", "train"],
        "job_id": job_id,
        "submitted_at": submitted_at,
        "job_dir": str(job_dir),
        "service_logs": {name: str(job_dir / "logs" / f"{name}.log") for name in ("data", "train")},
    }
    failed = number % 10 == 0
    services = [
        {
            "service_name": name,
            "status": "failed" if failed else "exited",
            "last_exit_code": int(failed),
            "nodelist": "n1",
        }
        for name in ("data", "train")
    ]
    state = {
        "schema_version": 1,
        "backend": "slurm",
        "job_id": job_id,
        "submission_token": token,
        "job_status": "FAILED" if failed else "COMPLETED",
        "job_exit_code": int(failed),
        "cause": "service_failed" if failed else "completed",
        "started_at": submitted_at + 5,
        "finished_at": submitted_at + 50,
        "heartbeat_at": submitted_at + 50,
        "services": services,
    }
    for path, content in ((metadata / "jobs" / f"{job_id}.json", record), (job_dir / "state.json", state)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content) + "\n")
    (metadata / "submissions" / token).mkdir(parents=True)


def seconds(argv: list[str], folder: Path) -> float:
    """Wall time of one command."""
    begin = time.perf_counter()
    subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - begin


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Print one line per figure."""
    import compose_core

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    count = parser.parse_args().jobs
    compileall.compile_dir(Path(compose_core.__file__).parent, quiet=2)
    hpcc = [sys.executable, "-m", "compose_core"]
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        ENVIRONMENT["XDG_STATE_HOME"] = str(Path(name) / "state")
        now = time.time()
        for number in range(count):
            make_job(project, number, now=now)
        listing = [*hpcc, "jobs", "--engine", "local"]
        print(f"{'hpcc jobs, no index yet':34} once   {seconds(listing, project) * 1000:6.0f} ms")
        commands = {
            "hpcc --version": [*hpcc, "--version"],
            "hpcc jobs": listing,
            "hpcc jobs --all": [*listing, "--all"],
            "hpcc jobs --state failed": [*listing, "--state", "failed"],
            "hpcc jobs --all --format json": [*listing, "--all", "--format", "json"],
        }
        times: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(ROUNDS):
            for label, argv in commands.items():
                times[label].append(seconds(argv, project))
        baseline = statistics.median(times["hpcc --version"])
        for label, values in times.items():
            median = statistics.median(values)
            print(f"{label:34} median {median * 1000:6.0f} ms   {median / baseline:5.2f} x")


if __name__ == "__main__":
    main()
