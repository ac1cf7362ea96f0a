"""SIGKILL of the client at every step of a command; the next command makes it good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clients import LONG, QUICK, Bed, at_step, killed
from tests.faults.conftest import KILL_POINTS
from tests.faults.profile import chosen
from tests.faults.table import Tell, measured


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A project on the local engine."""
    bed = Bed(tmp_path)
    yield bed
    bed.end_jobs()


def each_kill(bed: Bed, words: tuple[str, ...], *, short: int) -> Iterator[str]:
    """Each step at which the command was killed; the world is as it left it."""
    points = range(1, bed.steps_of(*words) + 1)
    for point in chosen(points, short=short):
        bed.put_back()
        if bed.hpcc(*words, before=lambda point=point: at_step(point, killed)).was_killed:  # type: ignore[misc]
            yield f"step {point} of {len(points)}"  # threads and the clock may make one more or less


def each_kill_of_a_running_job(bed: Bed, command: str, *, short: int) -> Iterator[tuple[str, str]]:
    """The same for a command that ends the job, which is a new one each time; with the job's id."""
    bed.write(LONG)
    bed.keep()
    bed.hpcc("submit", code=0)
    bed.wait_until_running()
    points = range(1, bed.steps_of(command) + 1)
    for point in chosen(points, short=short):
        bed.put_back()
        bed.hpcc("submit", code=0)
        job = bed.wait_until_running()
        if bed.hpcc(command, before=lambda point=point: at_step(point, killed)).was_killed:  # type: ignore[misc]
            yield f"step {point} of {len(points)}", job


@pytest.mark.parametrize("run_key", [True, False], ids=["run key", "no key"])
def test_a_killed_up_loses_no_job_and_runs_none_twice(bed: Bed, tell: Tell, *, run_key: bool) -> None:
    """With the key the next `submit` comes to exactly one run, without it the next command knows what there is."""
    bed.write(QUICK)
    bed.keep()
    words = ("submit", *(("--run-key", "k") if run_key else ()))
    with measured(tell, f"{KILL_POINTS} in up: lost + run twice + corrupt") as figure:
        for step in each_kill(bed, words, short=5):
            with figure.trial(step):
                if run_key:
                    bed.hpcc(*words, code=0)
                states = bed.wait_until_over()
                assert set(states.values()) <= {"COMPLETED"}, states
                assert bed.ran() == list(states), (bed.ran(), states)
                assert len(states) == 1 or not run_key
                bed.check_whole()


def test_a_killed_cancel_is_made_good_by_the_next(bed: Bed, tell: Tell) -> None:
    """The job ends, and its evidence stays."""
    with measured(tell, f"{KILL_POINTS} in cancel: lost + run twice + corrupt") as figure:
        for step, job in each_kill_of_a_running_job(bed, "cancel", short=2):
            with figure.trial(step):
                bed.hpcc("cancel", code=0)
                assert bed.wait_until_over() == {job: "CANCELLED"}
                assert bed.ran() == [job]
                assert (bed.project / ".hpc-compose" / job / "state.json").exists()
                bed.check_whole()


def test_a_killed_export_is_made_good_by_the_next(bed: Bed, tell: Tell) -> None:
    """All files are there, and what a person put beside them."""
    bed.with_jobs(1)
    bed.hpcc("artifacts", code=0)
    (bed.project / "out" / "mine").write_text("mine")
    (bed.project / "out" / "made" / "one").write_text("an earlier one")
    bed.keep()
    with measured(tell, f"{KILL_POINTS} in artifacts: lost + corrupt") as figure:
        for step in each_kill(bed, ("artifacts", "--tarball"), short=4):
            with figure.trial(step):
                bed.hpcc("artifacts", "--tarball", code=0)
                found = {path.name: path.read_text() for path in bed.project.glob("out/**/*[eo]") if path.is_file()}
                assert found == {"mine": "mine", "one": "one\n", "two": "two\n"}, found
                assert not list(bed.project.glob("out/.hpc-compose-*"))
                bed.check_whole()


def test_a_killed_clean_is_finished_by_the_next(bed: Bed, tell: Tell) -> None:
    """No command in between meets half a job; what stays is whole, and no job runs again."""
    ids = bed.with_jobs(3)
    bed.keep()
    with measured(tell, f"{KILL_POINTS} in clean: lost + run twice + corrupt") as figure:
        for step in each_kill(bed, ("clean", "--keep", "1"), short=5):
            with figure.trial(step):
                shown = bed.jobs()
                assert set(shown) <= set(ids), shown
                assert set(shown.values()) == {"COMPLETED"}, shown
                assert bed.hpcc("status", code=0).stdout
                bed.check_whole()
                bed.hpcc("clean", "--keep", "1", code=0)
                assert bed.jobs() == {ids[-1]: "COMPLETED"}
                left = {
                    path.name for path in (bed.project / ".hpc-compose").iterdir() if not path.name.startswith(".tmp")
                }
                assert left - {"attempts"} <= {
                    ids[-1],
                    "jobs",
                    "jobs-index.json",
                    "latest.json",
                    "run-keys",
                    "submissions",
                    "unresolved",
                    "removals",
                }
                assert len(list((bed.project / ".hpc-compose/submissions").iterdir())) == 1
                assert not bed.removals()
                assert json.loads(bed.hpcc("submit", "--run-key", "k", "--format", "json", code=0).stdout)["attached"]
                assert bed.ran() == ids


def test_a_killed_down_is_finished_by_the_next(bed: Bed, tell: Tell) -> None:
    """It touches no other job, and nothing of the job is left."""
    first, second = bed.with_jobs(2)
    bed.keep()
    with measured(tell, f"{KILL_POINTS} in down: lost + run twice + corrupt") as figure:
        for step in each_kill(bed, ("down",), short=4):
            with figure.trial(step):
                shown = bed.jobs()
                assert set(shown) in ({first, second}, {first}), shown
                if second in shown or bed.removals():
                    bed.hpcc("down", code=0)
                assert bed.jobs() == {first: "COMPLETED"}
                names = [second, f"jobs/{second}.json", f".removed-*-{second}"]
                assert not [name for name in names if list(bed.project.glob(f".hpc-compose/{name}"))]
                assert not (bed.project / f"slurm-{second}.out").exists()
                assert len(list((bed.project / ".hpc-compose/submissions").iterdir())) == 1
                bed.check_whole()


def test_a_down_killed_while_the_job_runs_is_made_good(bed: Bed, tell: Tell) -> None:
    """The next one ends the job, too."""
    with measured(tell, f"{KILL_POINTS} in down: lost + run twice + corrupt") as figure:
        for step, job in each_kill_of_a_running_job(bed, "down", short=2):
            with figure.trial(step):
                bed.hpcc("down", code=0 if bed.jobs() or bed.removals() else 1)
                assert bed.jobs() == {}
                assert bed.ran() == [job]
                assert not list(bed.project.glob(".hpc-compose/submissions/*"))
