"""How long a person waits for `hpcc validate` and `hpcc render`, against importing yaml and pydantic in the same interpreter.

Commands are timed in turns within one run, so that a noisy machine slows all of them; the ratio of the medians counts.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROUNDS = 15
MINIMAL = """\
name: hello
runtime: {backend: host}
x-slurm: {time: "00:10:00", mem: 4G}
services:
  app: {command: echo hello}
"""
BASELINE = [sys.executable, "-c", "import yaml, pydantic"]


def many_services(count: int) -> str:
    """A compose file in which each service waits for the one before it."""
    lines = ["name: many", "runtime: {backend: host}", "services:"]
    for number in range(count):
        lines += [
            f"  worker-{number}:",
            f"    command: [python3, work.py, --shard, '{number}']",
            f"    environment: {{SHARD: '{number}', MODE: fast}}",
            f"    readiness: {{type: tcp, port: {9000 + number}, timeout_seconds: 30}}",
            "    x-slurm: {failure_policy: {mode: restart_on_failure, max_restarts: 2}}",
        ]
        if number:
            lines.append(f"    depends_on: {{worker-{number - 1}: {{condition: service_healthy}}}}")
    return "\n".join(lines) + "\n"


def seconds(argv: list[str], folder: Path) -> float:
    """Wall time of one command."""
    begin = time.perf_counter()
    subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - begin


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Print one line per figure."""
    import compose_core

    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2)
    compileall.compile_dir(Path(compose_core.__file__).parent, quiet=2)
    hpcc = [sys.executable, "-m", "compose_core"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "compose.yaml").write_text(MINIMAL)
        (folder / "many.yaml").write_text(many_services(50))
        commands = {
            "import yaml, pydantic": BASELINE,
            "hpcc validate (1 service)": [*hpcc, "validate"],
            "hpcc render (50 services)": [*hpcc, "render", "-f", "many.yaml"],
            "hpcc --help": [*hpcc, "--help"],
        }
        times: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(ROUNDS):
            for label, argv in commands.items():
                times[label].append(seconds(argv, folder))
        baseline = statistics.median(times["import yaml, pydantic"])
        for label, values in times.items():
            median = statistics.median(values)
            print(f"{label:28} median {median * 1000:6.0f} ms   {median / baseline:4.2f} x")
        script = subprocess.run([*hpcc, "render", "--readable"], cwd=folder, check=True, capture_output=True, text=True)
        print(f"{'lines of the minimal script':28} {len(script.stdout.splitlines())}")


if __name__ == "__main__":
    main()
