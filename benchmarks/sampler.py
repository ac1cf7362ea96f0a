"""What sampling costs: the sampler itself and the tools that it asks, in percent of one core, and its memory.

The tools are stand-ins that answer at once like a node with eight GPUs, so the figure is that of our own program with the
start of a shell for each question; a real nvidia-smi adds its own time, which `--real` measures where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compose_core import sampler

GPUS = 8
SETTINGS = {"job_id": "1", "is_slurm": False, "collectors": ["gpu", "cpu"], "metrics_folder": ""}
FAKE = """#!/bin/sh
case "$1" in
--query-gpu=*) cat "$0.gpu" ;;
--query-remapped*) cat "$0.remapped" ;;
--query-compute*) cat "$0.processes" ;;
esac
"""


def put_tools(folder: Path) -> None:
    """An nvidia-smi in the folder."""
    uuids = [f"GPU-00000000-0000-4000-8000-{index:012}" for index in range(GPUS)]
    figures = "97, 41, 76543, 81920, 389.12, 400.00, 64, 1410, 0x0000000000000004, 0, 0, Disabled"
    tool = folder / "nvidia-smi"
    tool.write_text(FAKE)
    tool.chmod(0o755)
    answers = {
        "gpu": [f"{index}, {uuid}, NVIDIA A100-SXM4-80GB, {figures}" for index, uuid in enumerate(uuids)],
        "remapped": [f"{uuid}, 0, 0, No, No" for uuid in uuids],
        "processes": [f"{uuid}, {os.getpid()}, python, 75420" for uuid in uuids],
    }
    for name, lines in answers.items():
        (folder / f"nvidia-smi.{name}").write_text("\n".join(lines) + "\n")


def program(interval_s: float) -> bytes:
    """What the sampler reads from standard input."""
    settings = json.dumps({**SETTINGS, "interval_s": interval_s})
    return f"{sampler.source()}\nimport json\nrun_sampler(json.loads({settings!r}))\n".encode()


def cpu_s(pid: int) -> tuple[float, float]:
    """CPU time of a process, and of its children that have ended.  Source: proc(5), /proc/pid/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15]]
    return ticks[0] + ticks[1], ticks[2] + ticks[3]


def measure(path: str, interval_s: float, for_s: float) -> None:
    """Print the figures of one interval."""
    text = program(interval_s)
    loader = "import sys; i = sys.stdin.buffer; exec(compile(i.read(int(i.readline())), 's', 'exec'))"
    process = subprocess.Popen(
        [str(Path(sys.executable).resolve()), "-I", "-S", "-c", loader],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": path},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{len(text)}\n".encode() + text)
    process.stdin.flush()
    os.set_blocking(process.stdout.fileno(), False)
    time.sleep(2)
    begin, before = time.monotonic(), cpu_s(process.pid)
    rows = 0
    while time.monotonic() - begin < for_s:
        time.sleep(0.5)
        rows += (process.stdout.read() or b"").count(b"\n")
    passed, after = time.monotonic() - begin, cpu_s(process.pid)
    memory = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    process.stdin.close()
    process.wait()
    own, tools = ((after[index] - before[index]) / passed * 100 for index in (0, 1))
    told = f"{rows / passed:5.1f} lines/s   {memory.split()[1]} kB"
    print(f"interval {interval_s:4.0f} s   sampler {own:5.2f} %   tools {tools:5.2f} %   {told}")


def main() -> None:
    """Print one line per interval."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--real", action="store_true", help="ask the tools of this machine")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        put_tools(Path(name))
        path = os.environ["PATH"] if chosen.real else f"{name}:{os.environ['PATH']}"
        for interval_s in (5, 1):
            measure(path, interval_s, chosen.seconds)


if __name__ == "__main__":
    main()
