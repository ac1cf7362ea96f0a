"""What the live view costs beside a service that writes 10 MB of lines in each second, on a real terminal (tmux).

The figures are of one run: how old the newest line on the screen is, how much memory `hpcc watch` gains while the log grows by
hundreds of megabytes, and how much of one CPU it takes, beside what it takes at a quiet log.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 25
MB_PER_S = 10
HPCC = [sys.executable, "-m", "compose_core"]
TICKS = os.sysconf("SC_CLK_TCK")
COMPOSE = """\
name: torrent
runtime: {backend: host}
x-slurm: {time: "00:10:00"}
services:
  quiet: {script: "echo quiet; sleep 600"}
  loud: {command: [PYTHON, writer.py]}
"""
WRITER = """\
import os, time
rate, line, begin, written = RATE, 0, time.monotonic(), 0
while True:
    block = bytearray()
    now = f"{time.time():.3f}"
    for _ in range(1000):
        line += 1
        block += f"at {now} line {line:012d} {'x' * 64}\\n".encode()
    os.write(1, block)
    written += len(block)
    time.sleep(max(0.0, begin + written / rate - time.monotonic()))
"""


class Screen:
    """`hpcc watch` in a terminal of 120 columns and 40 rows."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._tmux = ["tmux", "-L", f"hpcc-bench-{os.getpid()}", "-f", "/dev/null"]
        self._environment = environment
        watch = [*HPCC, "watch", "--engine", "local"]
        self._call("new-session", "-d", "-x", "120", "-y", "40", "-c", str(folder), *watch)
        self.pid = int(self._call("display-message", "-p", "#{pane_pid}"))

    def _call(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, text=True, env=self._environment
        )
        return done.stdout

    def press(self, key: str) -> None:
        """One key."""
        self._call("send-keys", key)

    def text(self) -> str:
        """What a person sees."""
        return self._call("capture-pane", "-p")

    def newest(self) -> float | None:
        """When the newest line on the screen was written."""
        found = re.findall(r"at (\d+\.\d+) line", self.text())
        return max(map(float, found), default=None)

    def close(self) -> None:
        """The terminal, and what runs in it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, env=self._environment)


def memory_mib(pid: int) -> float:
    """What the process holds in memory."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


def cpu_s(pid: int) -> float:
    """What it has used so far."""
    cells = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / TICKS


def wait(reached: object, what: str) -> None:
    """Until it is true."""
    deadline = time.monotonic() + 60
    while not reached():  # type: ignore[operator]
        if time.monotonic() > deadline:
            sys.exit(f"not within 60 s: {what}")
        time.sleep(0.1)


def share_of_a_cpu(pid: int, seconds: float) -> float:
    """Used while this time passes."""
    before, begin = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - begin)


def main() -> int:
    """Print one line per figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=SECONDS)
    options.add_argument("--mb-per-s", type=float, default=MB_PER_S)
    chosen = options.parse_args()
    if shutil.which("tmux") is None:
        print("watch: skipped, tmux is not installed")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm-256color"}
        environment.pop("CI", None)
        (folder / "compose.yaml").write_text(COMPOSE.replace("PYTHON", sys.executable))
        (folder / "writer.py").write_text(WRITER.replace("RATE", str(chosen.mb_per_s * 1e6)))
        subprocess.run([*HPCC, "submit", "--engine", "local", "--quiet"], cwd=folder, check=True, env=environment)
        try:
            measure(folder, environment, chosen.seconds)
        finally:
            subprocess.run([*HPCC, "down", "--engine", "local", "--quiet"], cwd=folder, check=False, env=environment)
    return 0


def measure(folder: Path, environment: dict[str, str], seconds: float) -> None:
    """Look at the quiet service, then at the loud one."""
    screen = Screen(folder, environment)
    try:
        wait(lambda: "quiet · following" in screen.text(), "the view")
        time.sleep(2)
        quiet = share_of_a_cpu(screen.pid, 5)
        screen.press("j")
        wait(lambda: screen.newest() is not None, "output")
        time.sleep(5)  # the pane has as many lines as it keeps
        log = folder / ".hpc-compose/1/logs/loud.log"
        size, memory, used, begin = log.stat().st_size, memory_mib(screen.pid), cpu_s(screen.pid), time.monotonic()
        lags, peak = list[float](), memory
        while time.monotonic() - begin < seconds:
            newest = screen.newest()
            if newest is not None:
                lags.append(time.time() - newest)
            peak = max(peak, memory_mib(screen.pid))
            time.sleep(0.25)
        took = time.monotonic() - begin
        written = (log.stat().st_size - size) / 1e6
        print(f"the log grew by {written:.0f} MB in {took:.0f} s, {written / took:.1f} MB/s")
        print(f"lag of the newest line: median {statistics.median(lags):.2f} s, worst {max(lags):.2f} s")
        print(f"memory: {memory:.0f} MiB, at most {peak - memory:+.1f} MiB in that time")
        print(f"CPU: {(cpu_s(screen.pid) - used) / took:.0%} of one, at a quiet log {quiet:.0%}")
        title = next((line for line in screen.text().splitlines() if "left out" in line), "nothing left out")
        print(f"on the screen: {title.strip('─┬ ')}")
    finally:
        screen.close()


if __name__ == "__main__":
    sys.exit(main())
