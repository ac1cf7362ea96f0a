"""What becomes of jobs when people and machines interfere with a real Airflow: duplicates, orphans, false successes, and how fast it is.

    python benchmarks/airflow_faults.py [--events 20] [--minutes 60] [--seed 1] [--undisturbed 20] [--instant 60]

A private Airflow and a private Slurm; four tasks are kept busy while random events happen: tasks are marked failed or cleared, workers
die right after sbatch, triggerer and scheduler are killed and started again, jobs are cancelled by hand, the controller stops for a while.
At the end every task's jobs are counted by their keys and by what they noted themselves. Then some jobs that nobody interferes with,
for how soon their tasks know of their ends, and many jobs that end at once.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if find_spec("airflow") is None:
    print("skipped: there is no Airflow beside this Python")
    sys.exit(0)

from airflow_provider_hpccompose.doors import JobReport, LocalDoor
from airflow_provider_hpccompose.identity import TaskIdentity, parse_key
from tests.airflow.airflow_bench import AirflowBench, BenchError, missing_requirements
from tests.airflow.connections import LOCAL, SLURM, connection
from tests.airflow.world import Run, World
from tests.slurm.bench import SlurmBench
from tests.slurm.bench import missing_requirements as missing_for_slurm

DAGS = Path(__file__).resolve().parents[1] / "tests" / "airflow" / "dags"
BUSY = 4
POLL_S = 5.0
"""As the DAGs have it."""
ENDED = {"success", "failed"}


class Storm:
    """Runs that are interfered with."""

    def __init__(self, world: World, slurm: SlurmBench, seed: int, codes: Sequence[int] = (0, 0, 0, 7)) -> None:
        self.world, self.slurm, self.codes = world, slurm, codes
        self.random = random.Random(seed)
        self.runs: list[Run] = []
        self.happened: Counter[str] = Counter()

    def keep_busy(self, deaths: float = 0.25) -> None:
        """Start new runs until enough of them go on."""
        while sum(self.state(run) not in ENDED for run in self.runs) < BUSY:
            seconds, code = self.random.randint(3, 25), self.random.choice(self.codes)
            folder = self.world.project(
                f"storm{len(self.runs)}",
                f'sleep {seconds}; echo "$HPC_COMPOSE_SUBMISSION_TOKEN {code} $(date +%s.%N)" >> ended; exit {code}',
            )
            if self.random.random() < deaths:
                (folder / "die").touch()
                self.happened["worker dies after sbatch"] += 1
            self.runs.append(self.world.start("one_job", folder))

    def state(self, run: Run) -> str:
        return run.client.wait(
            lambda: run.client.run_state(run.dag_id, run.run_id), 60, what=lambda: f"the state of {run.run_id}"
        )

    def event(self) -> None:
        """One thing that goes wrong; what finds nothing to act on is none."""
        events: list[tuple[int, Callable[[], str | None]]] = [
            (4, self.mark_failed),
            (5, self.clear),
            (2, self.restart_triggerer),
            (1, self.restart_scheduler),
            (2, self.cancel_by_hand),
            (1, self.stop_controller),
        ]
        happened = None
        while happened is None:
            (act,) = self.random.choices([act for _, act in events], [weight for weight, _ in events])
            happened = act()
        self.happened[happened] += 1

    def some_run(self) -> Run:
        return self.random.choice(self.runs[-2 * BUSY :])

    def mark_failed(self) -> str | None:
        run = self.some_run()
        if self.state(run) in ENDED:
            return None
        run.mark("failed")
        return "marked failed"

    def clear(self) -> str:
        self.some_run().clear()
        return "cleared"

    def restart_triggerer(self) -> str:
        self.world.bench.kill_component("triggerer")
        time.sleep(self.random.uniform(0, 15))
        self.world.bench.start_component("triggerer")
        return "triggerer killed"

    def restart_scheduler(self) -> str:
        self.world.bench.kill_component("scheduler")
        time.sleep(self.random.uniform(0, 10))
        self.world.bench.start_component("scheduler")
        return "scheduler and workers killed"

    def cancel_by_hand(self) -> str | None:
        run = self.some_run()
        alive = run.alive()
        for job in alive:
            self.slurm.run(["scancel", job])
        return "scancel" if alive else None

    def stop_controller(self) -> str:
        self.slurm.stop_controller()
        time.sleep(self.random.uniform(5, 30))
        self.slurm.start_controller()
        return "slurmctld stopped"

    def finish(self, timeout: float = 900.0) -> list[Run]:
        """Wait for all runs; those that did not end."""
        deadline = time.monotonic() + timeout
        stuck = list(self.runs)
        while stuck and time.monotonic() < deadline:
            time.sleep(2)
            stuck = [run for run in stuck if self.state(run) not in ENDED]
        return stuck


def reports_by_key(door: LocalDoor, run: Run) -> dict[tuple[int, int], tuple[str, JobReport]]:
    """Generation and number to token and report of every job that the run's task has a key for."""
    identity = TaskIdentity(instance_id=INSTANCE, dag_id=run.dag_id, run_id=run.run_id, task_id="job")
    keys = [entry.key for entry in door.keys(f"{identity.base_key}-g")]
    found = door.find(keys) if keys else {}
    reports = door.observe(list(found.values()))
    pairs = zip(found, found.values(), reports, strict=True)
    return {parsed[1:]: (handle.token, report) for key, handle, report in pairs if (parsed := parse_key(key))}


INSTANCE = "storm"


def duplicates(door: LocalDoor, run: Run) -> list[str]:
    """Jobs that should not be there: after one that went well in the same generation, without a key, or started twice."""
    jobs = reports_by_key(door, run)
    found = [
        f"{run.folder.name}: generation {generation} went on after a success"
        for (generation, n), (_, report) in jobs.items()
        if report.verdict == "ok" and (generation, n + 1) in jobs
    ]
    started = Counter(ran.token for ran in run.ran())
    found += [
        f"{run.folder.name}: token {token} started {count} times" for token, count in started.items() if count > 1
    ]
    known = {token for token, _ in jobs.values()}
    found += [f"{run.folder.name}: token {token} has no key" for token in started.keys() - known]
    if len(run.submitted()) != len(jobs):
        found.append(f"{run.folder.name}: {len(run.submitted())} submissions for {len(jobs)} keys")
    return found


def false_successes(storm: Storm) -> list[str]:
    """Tasks that Airflow shows as successful though their job did not say that it went well."""
    found = []
    for run in storm.runs:
        if run.task()["state"] == "success":
            notes = (run.folder / "ended").read_text().splitlines() if (run.folder / "ended").exists() else []
            well = {note.split()[0] for note in notes if note.split()[1] == "0"}
            if run.xcom("job")["token"] not in well:
                found.append(run.folder.name)
    return found


def orphans(storm: Storm, patience_s: float) -> list[str]:
    """Jobs that are still there though their runs have ended."""
    deadline = time.monotonic() + patience_s
    while True:
        left = [f"{run.folder.name}: job {job}" for run in storm.runs for job in run.alive()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(1)


def latencies(runs: Sequence[Run]) -> list[float]:
    """Seconds from each job's last words to its task's end."""
    return [
        datetime.fromisoformat(run.task()["end_date"]).timestamp()
        - float((run.folder / "ended").read_text().split()[2])
        for run in runs
    ]


def storm(world: World, slurm: SlurmBench, events: int, seed: int, minutes: float) -> bool:
    """The figures of one storm; whether all of them are as they should be."""
    storm = Storm(world, slurm, seed)
    until = time.monotonic() + minutes * 60
    for number in range(events):
        if time.monotonic() > until:
            print(f"{minutes:g} minutes have passed: {number} of {events} events happened")
            break
        storm.keep_busy()
        time.sleep(storm.random.uniform(1, 8))
        try:
            storm.event()
        except BenchError as error:
            storm.happened[f"refused: {str(error)[:80]}"] += 1
        print(f"event {number + 1} of {events}: {dict(storm.happened)}", file=sys.stderr)
    stuck = storm.finish()
    left = orphans(storm, 30)
    if left:
        world.bench.airflow("hpccompose", "reap", "--conn-id", SLURM, "--older-than", "0s", check=False)
    after = orphans(storm, 30) if left else []
    door = LocalDoor(slurm.shared_dir / "workspace", engine="slurm")
    twice = [line for run in storm.runs for line in duplicates(door, run)]
    false = false_successes(storm)
    print(f"events: {dict(storm.happened)}; runs: {len(storm.runs)}")
    for name, found in (
        ("duplicates", twice),
        ("orphans before reaping", left),
        ("orphans", after),
        ("false successes", false),
        ("runs without an end", [run.folder.name for run in stuck]),
    ):
        print(f"{name}: {len(found)} {found or ''}")
    return not (twice or after or false or stuck)


def undisturbed(world: World, slurm: SlurmBench, count: int, seed: int) -> bool:
    """How soon after its job's end a task succeeds, of so many jobs; whether each did within the time between two looks and 10 s."""
    storm = Storm(world, slurm, seed, codes=(0,))
    while len(storm.runs) < count:
        storm.keep_busy(deaths=0.0)
        time.sleep(1)
    stuck = storm.finish()
    if stuck:
        print(f"undisturbed runs without an end: {len(stuck)}")
        return False
    waits = latencies(storm.runs)
    print(
        f"end of job to end of task: median {statistics.median(waits):.1f} s, most {max(waits):.1f} s of {len(waits)},"
        f" with a look every {POLL_S:g} s"
    )
    return max(waits) <= POLL_S + 10


def instant(world: World, count: int) -> bool:
    """Jobs that end at once, in as many mapped tasks."""
    began = time.monotonic()
    run = world.start("named_rows", world.project("instant"), {"rows": count})
    end = run.end(timeout=60 + 20 * count)
    tasks = [task for task in run.client.tasks(run.dag_id, run.run_id) if task["task_id"] == "job"]
    spurious = [task["map_index"] for task in tasks if task["state"] != "success" or task["try_number"] > 1]
    print(f"{count} instant jobs: {end} in {time.monotonic() - began:.0f} s, spurious failures: {len(spurious)}")
    print(f"  jobs that ran: {len(run.ran())}, submitted: {len(run.submitted())}")
    return not spurious and len(run.ran()) == count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60.0, help="no new event happens after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--undisturbed", type=int, default=20, help="jobs that nobody interferes with; 0: none")
    parser.add_argument("--instant", type=int, default=60, help="jobs that end at once; 0: none")
    options = parser.parse_args()
    missing = [*missing_requirements(), *missing_for_slurm(accounting=False)]
    if missing:
        print(f"skipped: {', '.join(missing)}")
        return 0
    with tempfile.TemporaryDirectory() as local, SlurmBench(accounting=False) as slurm:
        os.environ.update(slurm.environment)  # this program asks the cluster, too
        environment = {
            **slurm.environment,
            "AIRFLOW__HPCCOMPOSE__INSTANCE_ID": INSTANCE,
            **connection(LOCAL, engine="local", workspace=f"{local}/workspace"),
            **connection(SLURM, engine="slurm", workspace=str(slurm.shared_dir / "workspace")),
        }
        with AirflowBench(environment=environment, dags=[DAGS / "scenarios.py"]) as bench:
            bench.wait_for_dags("one_job", "named_rows")
            good = not options.events or storm(
                World(bench, SLURM, slurm.shared_dir / "storm", slurm),
                slurm,
                options.events,
                options.seed,
                options.minutes,
            )
            calm = World(bench, SLURM, slurm.shared_dir / "calm", slurm)
            good &= not options.undisturbed or undisturbed(calm, slurm, options.undisturbed, options.seed)
            good &= not options.instant or instant(World(bench, LOCAL, Path(local) / "instant"), options.instant)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
