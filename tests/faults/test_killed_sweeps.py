"""SIGKILL of the client at every step of the submission of a sweep; `sweep resume` makes it good, and no trial runs twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clients import Bed, Ended, at_step, killed
from tests.faults.conftest import KILL_POINTS
from tests.faults.profile import chosen
from tests.faults.table import Tell, measured
from tests.faults.test_on_slurm import killed_at, project_on, ran, settled
from tests.slurm.bench import SlurmBench

TWO_ARRAYS = """
    name: killed
    runtime: {backend: host}
    sweep: {parameters: {i: [0, 1], mem: [100M, 200M]}}
    x-slurm: {mem: "${mem}"}
    services: {work: {command: 'echo "$i-$mem" >> ran'}}
"""
TRIALS = ["0-100M", "0-200M", "1-100M", "1-200M"]
SUBMIT = ("sweep", "submit", "--sweep-id", "s")
RESUME = ("sweep", "resume", "--sweep-id", "s")


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A project on the local engine."""
    bed = Bed(tmp_path)
    yield bed
    bed.end_jobs()


def go_on(bed: Bed) -> Ended:
    """What a person does who finds that the command died: before the sweep was written down there is nothing to go on with."""
    resumed = bed.hpcc(*RESUME, "--format", "json")
    if resumed.json().get("error", {}).get("code") == "no-such-sweep":
        assert bed.ran() == []
        return bed.hpcc(*SUBMIT, "--format", "json", code=0)
    assert resumed.code == 0, resumed
    return resumed


def test_a_killed_submission_of_a_sweep_runs_each_trial_once(bed: Bed, tell: Tell) -> None:
    """Wherever the client died, also between the arrays."""
    bed.write(TWO_ARRAYS)
    bed.keep()
    points = range(1, bed.steps_of(*SUBMIT) + 1)
    with measured(tell, f"{KILL_POINTS} in sweep submit: trials lost + run twice") as figure:
        for point in chosen(points, short=4):
            bed.put_back()
            if not bed.hpcc(*SUBMIT, before=lambda point=point: at_step(point, killed)).was_killed:  # type: ignore[misc]
                continue
            with figure.trial(f"step {point} of {len(points)}"):
                go_on(bed)
                bed.wait_until_over()
                assert sorted(bed.ran()) == TRIALS
                report = bed.hpcc("sweep", "status", "--format", "json", code=0).json()
                assert report["summary"]["completed"] == len(TRIALS), report
                again = bed.hpcc(*RESUME, "--all-unfinished", "--format", "json", code=0).json()
                assert (again["submitted"], again["skipped_already_submitted"]) == (0, len(TRIALS))
                bed.check_whole()


def test_a_killed_resume_runs_failed_trials_once_more(bed: Bed, tell: Tell) -> None:
    """The second client dies, too; a third one goes on."""
    bed.write(TWO_ARRAYS.replace("echo", 'test "$i" = 0 || test -e well || exit 1; echo'))
    bed.hpcc(*SUBMIT, code=0)
    bed.wait_until_over()
    assert sorted(bed.ran()) == TRIALS[:2]
    (bed.project / "well").touch()
    bed.keep()
    words = (*RESUME, "--failed")
    points = range(1, bed.steps_of(*words) + 1)
    with measured(tell, f"{KILL_POINTS} in sweep resume: trials lost + run twice") as figure:
        for point in chosen(points, short=3):
            bed.put_back()
            if not bed.hpcc(*words, before=lambda point=point: at_step(point, killed)).was_killed:  # type: ignore[misc]
                continue
            with figure.trial(f"step {point} of {len(points)}"):
                bed.hpcc(*words, code=0)
                bed.wait_until_over()
                assert sorted(bed.ran()) == TRIALS
                report = bed.hpcc("sweep", "status", "--format", "json", code=0).json()
                assert report["summary"]["completed"] == len(TRIALS), report
                bed.check_whole()


@pytest.mark.slurm
def test_a_killed_submission_on_a_real_slurm_runs_each_trial_once(
    slurm_bench: SlurmBench, shared_tmp: Path, tell: Tell
) -> None:
    """The same with a scheduler that keeps what it took."""
    points = chosen(range(20, 340, 16), short=2)
    with measured(tell, f"{KILL_POINTS} in sweep submit on Slurm: trials lost + run twice") as figure:
        for point in points:
            with figure.trial(f"step {point}"), project_on(slurm_bench, shared_tmp / str(point)) as project:
                project.write(TWO_ARRAYS)
                if not killed_at(project, point, *SUBMIT):
                    continue
                resumed = project.hpcc(*RESUME, code=None)
                if "no-such-sweep" in resumed.stderr:
                    assert ran(project) == []
                    project.hpcc(*SUBMIT)
                settled(project)
                assert sorted(ran(project)) == TRIALS
                report = project.json("sweep", "status")
                assert report["summary"]["completed"] == len(TRIALS), report
