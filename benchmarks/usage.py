"""What `hpcc stats` needs for the samples of a long run, beside reading the same file with json alone.

    python benchmarks/usage.py [--hours 24] [--gpus 8]

Time and peak memory in one run; the ratio says what summing up costs.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from pathlib import Path

from compose_core.insight.samples import MetricRows, sum_up
from compose_core.records.metrics import metric_rows, metrics_file
from compose_core.records.our_path import OurPath

EVERY_S = 5


def write_rows(path: Path, hours: float, gpus: int) -> int:
    """A file of samples; how many rows it has."""
    count = int(hours * 3600 / EVERY_S)
    with path.open("w") as stream:
        for number in range(count):
            for index in range(gpus):
                busy = round(50 + 45 * math.sin(number / 300 + index))
                row = {
                    "sampled_at": 1_800_000_000 + EVERY_S * number, "node": "node1", "index": index,
                    "uuid": f"GPU-{index}-1a2b3c4d-0000-1111-2222-333344445555", "name": "NVIDIA H200",
                    "utilization_gpu": busy, "utilization_memory": busy // 2, "memory_used_mib": 1000 + number,
                    "memory_total_mib": 143771, "temperature_c": 40, "power_draw_w": 100 + 6.0 * busy,
                    "power_limit_w": 700.0, "sm_clock_mhz": 1980, "throttle_reasons": [], "ecc_corrected": 0,
                    "mig": False, "mig_device": None, "collector": "nvidia-smi",
                }  # fmt: skip
                stream.write(json.dumps(row, separators=(",", ":")) + "\n")
    return count * gpus


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hours", type=float, default=24)
    options.add_argument("--gpus", type=int, default=8)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "gpu.jsonl"
        rows = write_rows(path, chosen.hours, chosen.gpus)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.monotonic()
        with path.open("rb") as stream:
            for line in stream:
                json.loads(line)
        plain_s = time.monotonic() - began
        began = time.monotonic()
        samples = sum_up(None, MetricRows(gpu=metric_rows(metrics_file(OurPath(Path(name)), "gpu"))))
        whole_s = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = f"{rows:,} rows of {len(samples.gpus)} GPUs"
    print(f"{size}   json alone {plain_s:.2f} s   summed up {whole_s:.2f} s   ratio {whole_s / plain_s:.2f}")
    print(f"peak memory {peak / 1024:.0f} MiB, {(peak - before) / 1024:.0f} MiB of it for the rows")


if __name__ == "__main__":
    main()
