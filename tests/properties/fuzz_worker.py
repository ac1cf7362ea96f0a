"""`python -m tests.properties.fuzz_worker SEED COUNT FOLDER`: so many fuzzed compose files through `hpcc`, and the figures as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from compose_core.cli.main import run
from tests.properties.spec_maker import Maker

LIMIT_S = 2.0
COMMANDS = ("validate", "config", "plan", "inspect", "render")


_STREAMS = (io.StringIO(), io.StringIO())


class TooSlow(BaseException):
    """A case took longer than it may."""


def main(seed: int, count: int, folder: Path) -> dict[str, Any]:
    """The figures: cases by exit status, the slowest, the memory, and each fault with the file that shows it."""

    def stop(_number: int, _frame: Any) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, stop)
    maker = Maker(seed)
    codes: Counter[str] = Counter()
    faults: list[str] = []
    slowest = 0.0
    file = folder / "compose.yaml"
    for number in range(count):
        data = maker.spec()
        file.write_bytes(data)
        command = maker.random.choice(COMMANDS)
        words = [command, "-f", str(file), "--engine", maker.random.choice(("slurm", "local"))]
        words += maker.random.choice(([], ["--format", "json"]))
        began = time.process_time()
        fault = _run(words, codes)
        took = time.process_time() - began
        slowest = max(slowest, took)
        if fault or took > LIMIT_S:
            kept = folder / f"fault-{seed}-{number}.yaml"
            kept.write_bytes(data)
            faults.append(f"{' '.join(words)}: {took:.1f} s: {fault}\n{kept}")
    peak_mib = _peak_mib()
    return {
        "cases": count,
        "codes": dict(codes),
        "slowest_s": round(slowest, 2),
        "peak_mib": peak_mib,
        "faults": faults[:20],
    }


def _run(words: list[str], codes: Counter[str]) -> str:
    """What is wrong with the answer; empty when nothing is."""
    out, err = _STREAMS  # the same ones for all cases: click remembers every stream that it has written to
    for stream in _STREAMS:
        stream.seek(0)
        stream.truncate()
    signal.setitimer(signal.ITIMER_PROF, 5 * LIMIT_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
    except BaseException:  # noqa: BLE001 - whatever escapes is what is looked for
        return traceback.format_exc()[-1500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    codes[str(code)] += 1
    if code not in (0, 2):
        return f"exit {code}: {err.getvalue()[-600:]}"
    return "Traceback" if "Traceback" in err.getvalue() else ""


def _peak_mib() -> int:
    """Of this process alone: `ru_maxrss` also counts what the process was before it became this program."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
