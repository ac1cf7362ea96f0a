"""What reading a large log costs, beside `tail` and `grep` on the same file in the same run: seconds and peak memory.

The first log is five gigabytes of lines that really are on the disk; the second one is a file of which only the end is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
LINE = b"2026-03-01 10:00:00,123 INFO trainer epoch=%06d step=%08d loss=0.123456 lr=0.000100 throughput=1234.5 it/s\n"


def job(folder: Path) -> Path:
    """A finished job with one service; gives its log."""
    job_dir = folder / ".hpc-compose" / "7"
    (job_dir / "logs").mkdir(parents=True, mode=0o700)
    record = {
        "backend": "local",
        "submission_token": TOKEN,
        "name": "large",
        "compose_file": str(folder / "compose.yaml"),
        "submit_dir": str(folder),
        "script_path": str(folder / "job.sbatch"),
        "script_sha256": "",
        "spec_sha256": "",
        "cache_dir": "",
        "runtime_root": str(job_dir.parent),
        "batch_log": str(folder / "slurm-7.out"),
        "services": ["web"],
        "job_id": "7",
        "submitted_at": time.time(),
        "job_dir": str(job_dir),
    }
    (job_dir.parent / "jobs").mkdir(mode=0o700)
    (job_dir.parent / "jobs" / "7.json").write_text(json.dumps(record))
    return job_dir / "logs" / "web.log"


def fill(log: Path, size: int) -> None:
    """That many bytes of lines, of which one in a million is about an error."""
    block = b"".join(LINE % (number // 1000, number) for number in range(10_000))
    with log.open("wb") as stream:
        while stream.tell() < size:
            stream.write(block)
        stream.write(b"2026-03-01 10:00:00,123 ERROR trainer out of memory\nlast line\n")


def measured(argv: list[str], folder: Path) -> tuple[float, int]:
    """Seconds and peak memory in MiB of a program that ends well."""
    begin = time.monotonic()
    process = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, argv
    return time.monotonic() - begin, usage.ru_maxrss // 1024


def compare(what: str, ours: list[str], theirs: list[str], folder: Path) -> None:
    """One line: our figures, those of the other program, and their ratio."""
    argv = [sys.executable, "-m", "compose_core", "logs", "--engine", "local", "--job-id", "7", *ours]
    other_s, other_mib = measured(theirs, folder)
    own_s, own_mib = measured(argv, folder)
    told = f"{own_s:7.2f} s {own_mib:4} MiB   {theirs[0]} {other_s:7.2f} s {other_mib:4} MiB"
    print(f"{what:<28} {told}   ratio {own_s / other_s:6.1f}", flush=True)


def main() -> None:
    """Print one line per figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gigabytes", type=float, default=5)
    options.add_argument("--folder", help="where there is room for the log")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        log = job(folder)
        size = int(chosen.gigabytes * 2**30)
        if shutil.disk_usage(folder).free < size * 1.2:
            sys.exit(f"{folder} has no room for {chosen.gigabytes:g} GiB: name another --folder or fewer --gigabytes")
        fill(log, size)
        compare("the last 100 lines", [], ["tail", "-n", "100", str(log)], folder)
        compare("the last 1,000,000 lines", ["-n", "1000000"], ["tail", "-n", "1000000", str(log)], folder)
        compare("--grep, a word", ["--grep", "out of memory"], ["grep", "out of memory", str(log)], folder)
        compare("--grep, either of two", ["--grep", "ERROR|oom"], ["grep", "-E", "ERROR|oom", str(log)], folder)
        looked_for = "loss=9[.][0-9]+ lr"
        compare(
            "--grep, an expression",
            ["--grep", looked_for],
            ["grep", "-c", "-E", f"{looked_for}|last", str(log)],
            folder,
        )
        log.unlink()
        with log.open("wb") as stream:
            stream.truncate(size)
            stream.seek(0, os.SEEK_END)
            stream.write(b"\nlast\n")
        compare("no line for gigabytes, tail", ["-n", "1"], ["tail", "-n", "1", str(log)], folder)
        compare(
            "no line for gigabytes, grep", ["--grep", "last"], ["wc", "-l", str(log)], folder
        )  # grep holds a line whole


if __name__ == "__main__":
    main()
