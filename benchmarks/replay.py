"""What loading a run of 24 hours costs: 17,280 samples each of GPUs, steps and CPUs, and a service that is restarted all day.

Seconds until any moment can be shown, seconds for one look at a random moment, peak memory; and the whole command, beside
`hpcc --version`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from compose_core.records.job_record import JobRecord
from compose_core.watch.run_history import RunHistory

BEGIN = 1_790_000_000.0
TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def write_run(folder: Path, *, hours: float, gpus: int, restarts: int) -> JobRecord:
    """The files of a run."""
    job_dir = folder / ".hpc-compose" / "7"
    for name in ("jobs", "7/metrics", "7/logs"):
        (job_dir.parent / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    duration = hours * 3600
    times = [BEGIN + 5 * number + 0.25 for number in range(int(duration / 5))]
    with (job_dir / "metrics/gpu.jsonl").open("w") as stream:
        for at in times:
            for index in range(gpus):
                stream.write(
                    f'{{"sampled_at":{at},"node":"n1","index":{index},"uuid":"GPU-{index}","name":"NVIDIA A100-SXM4-80GB",'
                    '"utilization_gpu":97,"utilization_memory":41,"memory_used_mib":76543,"memory_total_mib":81920,'
                    '"temperature_c":64,"power_draw_w":389.12,"power_limit_w":400.0,"collector":"nvidia-smi"}\n'
                )
    with (job_dir / "metrics/slurm.jsonl").open("w") as stream:
        for at in times:
            stream.write(f'{{"sampled_at":{at},"node":"n1","step_id":"7.0","ntasks":1,"max_rss_bytes":123456789}}\n')
    with (job_dir / "metrics/cpu.jsonl").open("w") as stream:
        for at in times:
            stream.write(f'{{"sampled_at":{at},"node":"n1","cpu_util_pct":34.5,"core_count":64,"loadavg_1m":12.5}}\n')
    write_events(job_dir, duration, restarts)
    record = JobRecord.model_validate(
        {
            "backend": "local",
            "submission_token": TOKEN,
            "name": "day",
            "compose_file": str(folder / "compose.yaml"),
            "submit_dir": str(folder),
            "script_path": "/s",
            "script_sha256": "",
            "spec_sha256": "",
            "cache_dir": "",
            "runtime_root": str(job_dir.parent),
            "batch_log": str(folder / "slurm-7.out"),
            "services": ["web", "db"],
            "job_id": "7",
            "submitted_at": BEGIN,
            "job_dir": str(job_dir),
        }
    )
    (job_dir.parent / "jobs/7.json").write_text(json.dumps(record.as_json()))
    return record


def write_events(job_dir: Path, duration: float, restarts: int) -> None:
    """`events.jsonl` and `state.json`."""
    rows: list[dict[str, object]] = [{"at": BEGIN, "event": "job_started", "attempt": 0, "host": "n1"}]
    rows += [{"at": BEGIN + 1, "event": "started", "service": name, "pid": 11} for name in ("web", "db")]
    for number in range(1, restarts + 1):
        at = BEGIN + 2 + number * (duration - 10) / (restarts + 1)
        rows.append({"at": at, "event": "exited", "service": "web", "exit_code": 1, "signal": None, "attempt": 0})
        rows.append({"at": at, "event": "backoff", "service": "web", "seconds": 1, "restart_count": number})
        rows.append({"at": at + 1, "event": "restarted", "service": "web", "restart_count": number, "pid": number})
    rows.append({"at": BEGIN + duration, "event": "finished", "cause": "cancelled", "job_status": "CANCELLED"})
    (job_dir / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    state = {
        "schema_version": 1,
        "job_id": "7",
        "submission_token": TOKEN,
        "job_status": "CANCELLED",
        "started_at": BEGIN,
        "finished_at": BEGIN + duration,
        "services": [{"service_name": name, "status": "stopped"} for name in ("web", "db")],
    }
    (job_dir / "state.json").write_text(json.dumps(state))


def command_s(folder: Path, *words: str) -> float:
    """Seconds of an `hpcc`, the best of three."""
    argv = [sys.executable, "-m", "compose_core", *words]
    best = float("inf")
    for _ in range(3):
        begin = time.monotonic()
        subprocess.run(argv, cwd=folder, stdout=subprocess.DEVNULL, check=True, env={**os.environ, "TERM": "dumb"})
        best = min(best, time.monotonic() - begin)
    return best


def measure(folder: Path, hours: float, gpus: int, restarts: int) -> None:
    """One line."""
    folder.mkdir()
    record = write_run(folder, hours=hours, gpus=gpus, restarts=restarts)
    RunHistory(record)  # modules are imported, files are in the page cache
    begin = time.monotonic()
    history = RunHistory(record)
    load_s = time.monotonic() - begin
    dice = random.Random(7)
    moments = [BEGIN + dice.random() * hours * 3600 for _ in range(300)]
    begin = time.monotonic()
    for at in moments:
        history.timeline.at(at)
        history.metrics_line(at)
    look_ms = (time.monotonic() - begin) / len(moments) * 1000
    tracemalloc.start()
    history = RunHistory(record)
    memory = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    whole, start = command_s(folder, "replay", "--format", "json"), command_s(folder, "--version")
    told = (
        f"{hours:4.0f} h  {history.metrics[0].count:7,} samples  {len(history.timeline.events):7,} events  {gpus} GPUs"
    )
    print(f"{told}   load {load_s:5.2f} s   a look {look_ms:5.2f} ms   {memory:5.1f} MiB   ", end="")
    print(f"replay --format json {whole:5.2f} s, --version {start:4.2f} s", flush=True)


def main() -> None:
    """Print one line per run."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name) / "day", 24, 1, 100)
        measure(Path(name) / "gpus", 24, 8, 100)
        measure(Path(name) / "restarts", 24, 1, 20_000)
        measure(Path(name) / "week", 24 * 7, 1, 100)


if __name__ == "__main__":
    main()
