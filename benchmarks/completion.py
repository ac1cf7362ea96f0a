"""How long a person waits after Tab, in a folder with ten thousand tracked jobs, against a bare start of the interpreter.

Commands are timed in turns within one run, so that a noisy machine slows all of them.
"""

from __future__ import annotations

import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
JOBS = 10_000
COMPOSE = "services:\n" + "".join(f"  worker-{number}: {{image: x}}\n" for number in range(50))
ASKED = {"hpcc …": ["hpcc", ""], "status --job-id …": ["hpcc", "status", "--job-id", ""]} | {
    "logs --service …": ["hpcc", "logs", "--service", ""],
    "up --…": ["hpcc", "up", "--"],
}


def seconds(argv: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Wall time of one command."""
    begin = time.perf_counter()
    subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begin


def make_jobs(folder: Path) -> None:
    """Records as a project has them after a long time."""
    jobs = folder / ".hpc-compose" / "jobs"
    jobs.mkdir(parents=True)
    for number in range(1, JOBS + 1):
        token = f"01ARYZ6S41TSV4RRFFQ6{number:06d}"
        job_dir = folder / ".hpc-compose" / str(number)
        record = {"name": "train", "submission_token": token, "job_dir": str(job_dir), "services": ["web"]}
        (jobs / f"{number}.json").write_text(json.dumps(record))
        if number > JOBS - 100:
            job_dir.mkdir()
            (job_dir / "state.json").write_text(json.dumps({"job_status": "COMPLETED"}))


def main() -> None:
    """Print one line per figure."""
    import compose_core

    compileall.compile_dir(Path(compose_core.__file__).parent, quiet=2)
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "compose.yaml").write_text(COMPOSE)
        make_jobs(folder)
        times: dict[str, list[float]] = {label: [] for label in ("python -c pass", *ASKED)}
        for _ in range(ROUNDS):
            times["python -c pass"].append(seconds([sys.executable, "-c", "pass"], folder, usual))
            for label, words in ASKED.items():
                asked = {"_HPCC_COMPLETE": "zsh_complete", "COMP_WORDS": " ".join(words)}
                environment = {**usual, **asked, "COMP_CWORD": str(len(words) - 1)}
                times[label].append(seconds([sys.executable, "-m", "compose_core"], folder, environment))
    baseline = statistics.median(times["python -c pass"])
    for label, values in times.items():
        median = statistics.median(values)
        print(f"{label:20} median {median * 1000:6.0f} ms   {median / baseline:4.1f} x")


if __name__ == "__main__":
    main()
