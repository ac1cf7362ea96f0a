"""What the supervisor costs: from the script's start to the first service's exec, and idle with ten services.

The services are started without srun, so that only our own part is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STARTS = 15
IDLE_S = 30.0


def rendered(folder: Path, services: int, command: str) -> Path:
    """A job script with this many services."""
    spec = {
        "runtime": {"backend": "host"},
        "services": {f"s{number}": {"command": command} for number in range(services)},
    }
    (folder / "compose.yaml").write_text(json.dumps(spec))
    argv = [sys.executable, "-m", "compose_core", "render", "-o", "job.sbatch"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return folder / "job.sbatch"


def start(script: Path, job_id: int) -> subprocess.Popen[bytes]:
    """The script as the local engine runs it."""
    environment = {
        **os.environ,
        "HPC_COMPOSE_ENGINE": "local",
        "HPC_COMPOSE_PYTHON": str(Path(sys.executable).resolve()),  # not a version manager's wrapper script
        "SLURM_JOB_ID": str(job_id),
        "SLURM_CPUS_ON_NODE": "1",
    }
    return subprocess.Popen(
        ["bash", script], cwd=script.parent, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )


def start_latency_ms(folder: Path) -> float:
    """Median time from the start of the script to the first instruction of the first service."""
    script = rendered(folder, 1, 'date +%s.%N > "$HPC_COMPOSE_JOB_DIR/began"')
    values = []
    for number in range(1, STARTS + 1):
        begin = time.time()
        start(script, number).wait()
        values.append(float((folder / f".hpc-compose/{number}/began").read_text()) - begin)
    return statistics.median(values) * 1000


def idle_share(folder: Path) -> float:
    """CPU seconds per second of the supervisor while ten services sleep."""
    script = rendered(folder, 10, "exec sleep 1000")
    process = start(script, 1000)
    time.sleep(3)
    begin, used = time.monotonic(), cpu_s(process.pid)
    time.sleep(IDLE_S)
    share = (cpu_s(process.pid) - used) / (time.monotonic() - begin)
    process.terminate()
    process.wait()
    return share


def cpu_s(pid: int) -> float:
    """User and system time of a process.  Source: proc(5), /proc/pid/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print one line per figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"script start to first exec    median {start_latency_ms(folder):.0f} ms")
        print(f"idle with ten services        {idle_share(folder) * 100:.2f} % of one core over {IDLE_S:.0f} s")


if __name__ == "__main__":
    main()
