"""What a thousand deferred Airflow tasks cost the scheduler and the triggerer's event loop.

A thousand triggers run in one event loop and watch jobs of an imitated cluster through the embedded door, with threads,
records on disk and the real readers of the scheduler's text. Counted are the scheduler's programs per interval; measured
is how late the loop serves a timer. Needs Airflow beside the provider, and is skipped without it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COMPOSE = "runtime: {backend: host}\nx-slurm: {time: 01:00:00}\nservices: {work: {command: sleep 3600}}\n"
POLL_S = 5.0
TIMER_S = 0.01


@dataclass
class Counts:
    """What was seen."""

    looks: list[int] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    """Programs of the scheduler that ran, look by look."""
    seconds: list[float] = field(default_factory=list)
    lag_s: list[float] = field(default_factory=list)
    busy_s: list[float] = field(default_factory=list)
    """CPU time of the loop's thread between two timers: what of the lag is ours, also on a machine that others use."""


def submit_jobs(folder: Path, count: int) -> tuple[Any, list[dict[str, Any]]]:
    """A cluster that runs so many jobs, and their handles as JSON."""
    from airflow_provider_hpccompose.doors import JobHandle
    from compose_core import build_plan, load_spec, plan_context, render_script, submit
    from compose_core.testing import FakeCluster

    cluster = FakeCluster()
    site = cluster.site(folder)
    (folder / "compose.yaml").write_text(COMPOSE)
    plan = build_plan(load_spec(folder / "compose.yaml", variables={}), plan_context(site))
    script, handles = render_script(plan), []
    for number in range(count):
        record = submit(site, plan, script=script, run_key=f"bench-{number}").record
        handles.append(
            JobHandle(
                conn_id="bench",
                engine="slurm",
                job_id=record.job_id,
                token=record.submission_token,
                key=f"bench-{number}",
                project_dir=str(folder),
            ).as_json()
        )
        cluster.start(record.job_id)
    return cluster, handles


def counting_door(cluster: Any, folder: Path, counts: Counts) -> Any:
    """The embedded door of the cluster, which counts what a look costs."""
    from airflow_provider_hpccompose.doors import JobHandle, JobReport, LocalDoor

    class Counting(LocalDoor):
        def observe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
            cluster.clock.advance(POLL_S)  # its time passes as ours does, so that no answer is an old one
            before, began = len(cluster.programs_run), time.perf_counter()
            reports = super().observe(handles)
            counts.looks.append(len(handles))
            counts.commands.append(len(cluster.programs_run) - before)
            counts.seconds.append(time.perf_counter() - began)
            return reports

    return Counting(folder, site=cluster.site(folder), conn_id="bench")


async def watch(door: Any, handles: list[dict[str, Any]], counts: Counts, seconds: float, logs: bool) -> None:
    """All triggers at once for so long, and a timer beside them."""
    from airflow_provider_hpccompose.triggers._hub import PollHub, install
    from airflow_provider_hpccompose.triggers.hpccompose import HpcComposeTrigger

    async def opened(_conn_id: str) -> Any:
        return door

    async def run(trigger: HpcComposeTrigger) -> None:
        async for _event in trigger.run():
            raise AssertionError("no job of the benchmark ends")

    install(PollHub("bench", opener=opened))
    triggers = [
        HpcComposeTrigger(
            hpccompose_conn_id="bench", job_ref=handle, poll_seconds=POLL_S, log_services=None if logs else []
        )
        for handle in handles
    ]
    tasks = [asyncio.create_task(run(trigger)) for trigger in triggers]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began, busy = time.perf_counter(), time.thread_time()
        await asyncio.sleep(TIMER_S)
        counts.busy_s.append(time.thread_time() - busy)
        counts.lag_s.append(time.perf_counter() - began - TIMER_S)
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def measure(cluster: Any, folder: Path, handles: list[dict[str, Any]], *, seconds: float, logs: bool) -> None:
    """Print the figures of one run."""
    gc.collect()
    gc.freeze()  # the imitated cluster lives in this process; the collector would walk it, and no triggerer has one
    counts, cpu = Counts(), time.process_time()
    asyncio.run(watch(counting_door(cluster, folder, counts), handles, counts, seconds, logs))
    cpu = time.process_time() - cpu
    lags = sorted(counts.lag_s)
    print(
        f"{len(handles)} triggers, {'with' if logs else 'without'} logs, {len(counts.looks)} looks in {seconds:.0f} s: "
        f"at most {max(counts.commands)} scheduler commands per look, {max(counts.seconds):.2f} s per look; "
        f"loop lag p50 {lags[len(lags) // 2] * 1000:.0f} ms, p99 {lags[int(len(lags) * 0.99)] * 1000:.0f} ms, "
        f"max {lags[-1] * 1000:.0f} ms, "
        f"of which at most {max(counts.busy_s) * 1000:.0f} ms are its own work; CPU {cpu:.1f} s"
    )


def main() -> None:
    """Run without logs and with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    if find_spec("airflow") is None or find_spec("airflow_provider_hpccompose") is None:
        print("skipped: there is no Airflow beside the provider")
        return
    with tempfile.TemporaryDirectory() as name:
        cluster, handles = submit_jobs(Path(name), arguments.jobs)
        for logs in (False, True):
            measure(cluster, Path(name), handles, seconds=arguments.seconds, logs=logs)


if __name__ == "__main__":
    main()
