"""How long the expansion of 100,000 trials takes, and how much memory it needs: a full matrix, and a draw from 10^12 combinations.

Each is expanded in a process of its own, so that the peak is that of one.
"""

from __future__ import annotations

import subprocess
import sys

MEASURE = """
import resource, time
from compose_core.spec.models import RandomMatrix, Sweep
from compose_core.sweep.expansion import trials
digits = tuple(map(str, range(10)))
sweep = {
    "full": Sweep(parameters={name: digits for name in "abcde"}),
    "random": Sweep(parameters={f"p{n}": digits for n in range(12)}, matrix=RandomMatrix(count=100_000, seed="x")),
}[KIND]
began = time.perf_counter()
found = list(trials(sweep, sweep_id="bench"))
took = time.perf_counter() - began
assert len(found) == len({trial.config_key for trial in found}) == 100_000
print(f"{took:.2f} s, peak of the whole process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
"""


def main() -> None:
    """Print both figures, three times."""
    for kind in ("full", "random"):
        for _ in range(3):
            code = MEASURE.replace("KIND", repr(kind))
            done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            print(f"100,000 trials, {kind}: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
