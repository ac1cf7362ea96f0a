"""A sweep looked at again and again."""

from __future__ import annotations

import json
from pathlib import Path

from compose_core.records.job_record import JobRecord
from compose_core.sweep.observe import SweepObserver
from compose_core.tracking.job_files import attempt_paths
from tests.core.sweep.world import FOUR, Sweeps

WITH_FIGURE = FOUR.replace("sweep: {", "sweep: {objective: {direction: minimize, metric: loss}, ")


def tell(sweeps: Sweeps, job_id: str, value: float) -> None:
    record = JobRecord.read(sweeps.project.job_record(job_id))
    assert record is not None
    file = attempt_paths(record, None).trial_metrics.path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(json.dumps({"name": "loss", "value": value}) + "\n")


def written(sweeps: Sweeps, job_id: str) -> float | None:
    return next(trial.objective for trial in sweeps.manifest().trials if trial.job_id == job_id)


def look(observer: SweepObserver) -> list[float | None]:
    results = observer.look()
    observer.write_down(results)
    return [row.objective for row in results.rows]


def test_the_figure_of_a_trial_that_runs_is_seen_at_once_and_written_down_seldom(tmp_path: Path) -> None:
    """The journal keeps every line for ever; a figure changes with every line of a log."""
    sweeps = Sweeps(tmp_path)
    sweeps.submit(WITH_FIGURE)
    sweeps.cluster.start("41_0")
    observer = SweepObserver(sweeps.site, sweeps.manifest())
    for value in (9.0, 8.0, 7.0):
        sweeps.site.clock.sleep(30)
        tell(sweeps, "41_0", value)
        assert look(observer)[0] == value
        assert written(sweeps, "41_0") == 9.0
    sweeps.site.clock.sleep(600)
    look(observer)
    assert written(sweeps, "41_0") == 7.0


def test_the_figure_of_a_trial_that_is_over_is_written_down_at_once(tmp_path: Path) -> None:
    """It outlasts the trial's folder; however many trials end between two looks, the journal is written once."""
    sweeps = Sweeps(tmp_path)
    sweeps.submit(WITH_FIGURE)
    observer = SweepObserver(sweeps.site, sweeps.manifest())
    for task in range(4):
        sweeps.cluster.start(f"41_{task}")
        tell(sweeps, f"41_{task}", 9.0)
    sweeps.site.clock.sleep(60)
    look(observer)
    for task in range(4):
        tell(sweeps, f"41_{task}", float(task))
        sweeps.cluster.finish(f"41_{task}", state="COMPLETED")
    sweeps.site.clock.sleep(60)
    look(observer)
    assert [written(sweeps, f"41_{task}") for task in range(4)] == [0.0, 1.0, 2.0, 3.0]
    assert sweeps.manifest().best_trial == "t000"


def test_the_files_of_many_trials_are_not_looked_at_twice_a_second(tmp_path: Path) -> None:
    """An array is one job to the scheduler, and hundreds of folders to the file system; those of ended trials are not read."""
    sweeps = Sweeps(tmp_path)
    sweeps.submit(
        """
        name: many
        runtime: {backend: host}
        sweep: {parameters: {i: {from: 0, to: 1, samples: 300}}, max_trials: 300}
        services: {work: {command: [train, "${i}"]}}
        """
    )
    observer = SweepObserver(sweeps.site, sweeps.manifest())
    for _ in range(5):  # the scheduler is asked more and more seldom meanwhile
        observer.look()
        sweeps.site.clock.sleep(30)
    observer.look()
    assert 2.5 <= observer.pause_s() <= 3.0
