"""A sweep that is asked for again and again is there once."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.errors import HpccError
from compose_core.records.sweep_journal import note_stopped
from compose_core.sweep.ensure import ensure_sweep
from compose_core.sweep.submit import SweepSubmission
from compose_core.testing import accept_then_timeout
from compose_core.testing.fake_cluster import Settings
from tests.core.sweep.world import FOUR, Sweeps


@pytest.fixture
def sweeps(tmp_path: Path) -> Sweeps:
    """A project with the file on a fresh cluster."""
    made = Sweeps(tmp_path)
    made.write()
    return made


def ensure(sweeps: Sweeps, sweep_id: str = "af-1") -> SweepSubmission:
    return ensure_sweep(sweeps.site, sweeps.file, sweep_id=sweep_id)


def test_the_second_request_attaches_to_the_sweep_of_the_first(sweeps: Sweeps) -> None:
    """One array, and the answer says that nothing was submitted."""
    first, second = ensure(sweeps), ensure(sweeps)
    assert (len(first.submitted), first.resumed) == (4, False)
    assert (second.submitted, second.skipped, second.resumed) == ([], 4, True)
    assert sweeps.sbatch_calls() == 1


def test_a_sweep_whose_trials_all_have_jobs_is_found_after_its_file_changed(sweeps: Sweeps) -> None:
    """There is nothing to submit, so nothing to compare with."""
    ensure(sweeps)
    sweeps.write(FOUR.replace("[1, 2]", "[3, 4]"))
    assert ensure(sweeps).manifest.trials[0].variables["lr"] == "1"


def test_an_answer_that_got_lost_is_no_second_array(sweeps: Sweeps) -> None:
    """The scheduler had taken it: the next request finds out."""
    sweeps.cluster.fail_next("sbatch", accept_then_timeout())
    ensure(sweeps)
    again = ensure(sweeps)
    assert all(trial.job_id is not None for trial in again.manifest.trials)
    assert sweeps.sbatch_calls() == 1


def test_what_a_limit_left_over_is_submitted_by_the_next_request(tmp_path: Path) -> None:
    """As `hpcc sweep resume` does."""
    sweeps = Sweeps(tmp_path, Settings(max_submit_jobs=2))
    sweeps.write()
    assert len(ensure(sweeps).refused) == 2
    sweeps.end(str(sweeps.cluster.jobs[0].number), "COMPLETED", "COMPLETED")
    assert len(ensure(sweeps).submitted) == 2
    assert all(trial.job_id and not trial.earlier for trial in sweeps.manifest().trials)


def test_a_sweep_that_was_stopped_is_not_taken_up_again(sweeps: Sweeps) -> None:
    """Whoever stopped it meant that; a new one has another id."""
    ensure(sweeps)
    note_stopped(sweeps.project.sweep("af-1"), "enough", at=1.0)
    assert ensure(sweeps).manifest.stop_reason == "enough"
    assert sweeps.sbatch_calls() == 1
    assert len(ensure(sweeps, "af-2").submitted) == 4


def test_an_id_that_is_none_is_refused(sweeps: Sweeps) -> None:
    """It becomes the name of a folder."""
    with pytest.raises(HpccError, match="no sweep id"):
        ensure(sweeps, "../x")
