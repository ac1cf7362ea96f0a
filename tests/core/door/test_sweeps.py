"""What other programs ask of sweeps, in plain JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compose_core.door.session import DoorSession
from compose_core.errors import HpccError, SchedulerUnreachable
from compose_core.preflight.checks import PreflightFailed
from compose_core.records.job_record import JobRecord
from compose_core.testing.fake_cluster import Settings
from compose_core.tracking.job_files import attempt_paths
from tests.core.sweep.world import FOUR, Sweeps

WITH_FIGURE = FOUR.replace("sweep: {", "sweep: {objective: {direction: minimize, metric: loss}, ")


@pytest.fixture
def sweeps(tmp_path: Path) -> Sweeps:
    """A project with the file on a fresh cluster."""
    made = Sweeps(tmp_path)
    made.write(WITH_FIGURE)
    return made


def ask(sweeps: Sweeps, verb: str, **request: Any) -> dict[str, Any]:
    """The answer, as it comes out of a pipe; the fake cluster's programs are none that preflight could find."""
    if verb == "submit-sweep":
        request = {"preflight": "off", **request}
    answer = DoorSession(sweeps.site, sweeps.folder).call(verb, json.loads(json.dumps(request)))
    loaded: dict[str, Any] = json.loads(json.dumps(answer))
    return loaded


def submit(sweeps: Sweeps, key: str = "af-1", **request: Any) -> dict[str, Any]:
    answer = ask(sweeps, "submit-sweep", key=key, **({"compose_file": "compose.yaml"} | request))
    sweep: dict[str, Any] = answer["sweep"]
    return sweep


def tell(sweeps: Sweeps, *values: float) -> None:
    for task, value in enumerate(values):
        record = JobRecord.read(sweeps.project.job_record(f"41_{task}"))
        assert record is not None
        file = attempt_paths(record, None).trial_metrics.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": "loss", "value": value}) + "\n")


def test_a_key_is_one_sweep(sweeps: Sweeps) -> None:
    """The second request says that it found it."""
    first, second = submit(sweeps), submit(sweeps)
    assert (first["sweep_id"], first["trials"], first["jobs"]) == ("af-1", 4, ["41"])
    assert (first["attached"], second["attached"]) == (False, True)
    assert second["jobs"] == ["41"]
    assert sweeps.sbatch_calls() == 1


def test_a_sweep_that_was_stopped_is_followed_by_a_new_one_under_the_same_key(sweeps: Sweeps) -> None:
    """Whoever asks again after a stop wants it to run."""
    submit(sweeps)
    assert ask(sweeps, "stop-sweep", sweep_id="af-1")["stopped"] == ["af-1"]
    assert submit(sweeps)["sweep_id"] == "af-1-2"
    assert submit(sweeps)["attached"]
    assert sweeps.sbatch_calls() == 2


def test_superseded_sweeps_are_stopped_before_the_new_one_is_submitted(sweeps: Sweeps) -> None:
    """What a person cleared runs beside nothing."""
    submit(sweeps, "af-1")
    answer = ask(sweeps, "submit-sweep", key="af-2", compose_file="compose.yaml", supersedes=["af-0", "af-1"])
    assert answer["superseded"] == ["af-1"]
    assert sweeps.cluster.programs_run.index("scancel") < len(sweeps.cluster.programs_run) - 1
    assert ask(sweeps, "sweep-state", project_dir="", sweep_id="af-1")["is_over"]


def test_a_program_s_own_spec_becomes_a_file_of_the_project(sweeps: Sweeps) -> None:
    """Its relative paths begin there, and a later command can go on with it."""
    spec = {
        "runtime": {"backend": "host"},
        "sweep": {"parameters": {"lr": [1, 2]}},
        "services": {"work": {"command": ["train", "${lr}"]}},
    }
    answer = submit(sweeps, spec=json.dumps(spec), compose_file=None)
    assert answer["compose_file"] == str(sweeps.folder / "af-1.compose.yaml")
    assert (answer["trials"], answer["objective"]) == (2, None)


def test_variables_fill_the_file_in(sweeps: Sweeps) -> None:
    """They win over the environment of the process."""
    sweeps.write(WITH_FIGURE.replace('"${batch}"', '"${batch}", "${DATA}"'))
    assert submit(sweeps, variables={"DATA": "7"})["trials"] == 4
    assert any('"7"' in path.read_text() or " 7" in path.read_text() for path in sweeps.folder.rglob("t000.sbatch"))


def test_a_scheduler_that_is_away_is_an_error_to_come_again_after(sweeps: Sweeps) -> None:
    """The next request attaches to what there is."""
    sweeps.cluster.stop_controller()
    with pytest.raises(SchedulerUnreachable):
        submit(sweeps)
    sweeps.cluster.start_controller()
    assert submit(sweeps)["jobs"] == ["41"]


def test_state_tells_every_trial_by_its_place(sweeps: Sweeps) -> None:
    """A part of the sweep can be watched by numbers alone."""
    submit(sweeps)
    sweeps.end("41", "COMPLETED", "FAILED", "COMPLETED")
    told = ask(sweeps, "sweep-state", project_dir="", sweep_id="af-1")
    assert told["statuses"] == ["completed", "failed", "completed", "pending"]
    assert (told["is_over"], told["is_unreachable"]) == (False, False)
    assert [(one["trial_id"], one["index"]) for one in told["faults"]] == [("t001", 1)]


def test_an_unreachable_scheduler_ends_no_sweep(sweeps: Sweeps) -> None:
    """Nothing is known, so nothing is over."""
    submit(sweeps)
    sweeps.cluster.stop_controller()
    told = ask(sweeps, "sweep-state", project_dir="", sweep_id="af-1")
    assert (told["is_over"], told["is_unreachable"]) == (False, True)


def test_results_rank_and_are_written_with_their_digests(sweeps: Sweeps) -> None:
    """Who passes a file on can say what it held."""
    submit(sweeps)
    tell(sweeps, 3.0, 1.0, 2.0, 4.0)
    sweeps.end("41", *["COMPLETED"] * 4)
    told = ask(sweeps, "sweep-results", project_dir="", sweep_id="af-1", dest="out", top=2)
    assert (told["best"]["trial_id"], told["best"]["objective"]) == ("t001", 1.0)
    assert [(one["rank"], one["mean"]) for one in told["ranking"]] == [(1, 1.0), (2, 2.0)]
    assert told["configurations"] == 4
    assert [Path(one["path"]).name for one in told["files"]] == ["ranking.json", "trials.csv"]
    for one in told["files"]:
        assert hashlib.sha256(Path(one["path"]).read_bytes()).hexdigest() == one["sha256"]


def test_jobs_of_their_own_are_ranked_by_the_same_verb_s_sister(sweeps: Sweeps) -> None:
    """A job that is not tracked, or is another one's, counts as not submitted."""
    submit(sweeps)
    tell(sweeps, 3.0, 1.0, 2.0, 4.0)
    sweeps.end("41", *["COMPLETED"] * 4)
    records = [JobRecord.read(sweeps.project.job_record(f"41_{task}")) for task in range(3)]
    jobs = {
        f"t00{task}": {"project_dir": str(sweeps.folder), "job_id": record.job_id, "token": record.submission_token}
        for task, record in enumerate(records)
        if record is not None
    }
    jobs["t002"] |= {"token": "0" * 26}
    jobs["t003"] = {**jobs["t002"], "job_id": "99"}
    told = ask(sweeps, "rank-trials", sweep_id="mapped", compose_file="compose.yaml", jobs=jobs)
    assert told["best"]["trial_id"] == "t001"
    assert (told["summary"]["completed"], told["summary"]["submit_failed"]) == (2, 2)


def test_stopping_by_key_ends_whatever_was_submitted_under_it(sweeps: Sweeps) -> None:
    """Also when nobody knows whether anything was."""
    submit(sweeps)
    assert ask(sweeps, "stop-sweep", keys=["af-0", "af-1"], reason="killed")["stopped"] == ["af-1"]
    assert ask(sweeps, "stop-sweep", keys=["af-0", "af-1"])["stopped"] == []
    assert sweeps.manifest().stop_reason == "killed"


def test_a_sweep_that_is_over_is_not_called_stopped(sweeps: Sweeps) -> None:
    """A teardown after a good end changes nothing."""
    submit(sweeps)
    sweeps.end("41", *["COMPLETED"] * 4)
    assert ask(sweeps, "stop-sweep", sweep_id="af-1")["stopped"] == []
    assert sweeps.manifest().stopped_at is None


def test_an_unknown_sweep_is_an_error(sweeps: Sweeps) -> None:
    """Not an empty answer."""
    with pytest.raises(HpccError, match="no sweep af-9"):
        ask(sweeps, "sweep-state", project_dir="", sweep_id="af-9")


def test_a_key_is_found_in_the_folder_that_it_was_submitted_from(sweeps: Sweeps) -> None:
    """A file that changed may have been sent to another folder: the key stands for what there is."""
    submit(sweeps)
    other = sweeps.folder / "other"
    other.mkdir()
    (other / "compose.yaml").write_text(sweeps.file.read_text())
    answer = submit(sweeps, project_dir="other")
    assert (answer["attached"], answer["project_dir"]) == (True, str(sweeps.folder))
    assert sweeps.sbatch_calls() == 1
    again = ask(
        sweeps, "submit-sweep", key="af-2", project_dir="other", compose_file="compose.yaml", supersedes=["af-1"]
    )
    assert again["superseded"] == ["af-1"]
    assert again["sweep"]["project_dir"] == str(other)


def test_what_is_laid_over_the_file_reaches_every_trial(sweeps: Sweeps) -> None:
    """Defaults under what is written, overrides over it, variables for every service."""
    submit(
        sweeps,
        defaults={"x-slurm": {"partition": "gpu", "time": "10"}},
        overrides={"x-slurm": {"time": "20"}, "services": {"work": {"x-slurm": {"cpus_per_task": 3}}}},
        environment={"SEED": "${not a variable}"},
    )
    script = next(sweeps.folder.rglob("t000.sbatch")).read_text()
    array = sweeps.cluster.jobs[0]
    assert array.partition == "gpu"
    assert "--cpus-per-task=3" in script
    assert "SEED='${not a variable}'" in script
    (script_file,) = [Path(job.command.split(" ", maxsplit=1)[0]) for job in sweeps.cluster.jobs]
    assert "#SBATCH --time=20" in script_file.read_text()


def test_a_sweep_that_goes_on_keeps_what_was_laid_over_its_file(tmp_path: Path) -> None:
    """`hpcc sweep resume` knows nothing of the program that submitted, and must not submit other trials."""
    sweeps = Sweeps(tmp_path, Settings(max_submit_jobs=2))
    sweeps.write(WITH_FIGURE)
    submit(sweeps, defaults={"x-slurm": {"partition": "gpu"}}, environment={"SEED": "7"})
    sweeps.end("41", "COMPLETED", "COMPLETED")
    assert len(sweeps.resume().submitted) == 2
    assert [job.partition for job in sweeps.cluster.jobs] == ["gpu"] * 3  # the first array as its two tasks
    assert all("SEED=7" in path.read_text() for path in sweeps.folder.rglob("t00?.sbatch"))


def test_preflight_keeps_trials_that_could_not_run_from_being_submitted(sweeps: Sweeps) -> None:
    """Unless it is left out."""
    sweeps.site = replace(sweeps.site, environment={**sweeps.site.environment, "PATH": "/nowhere"})
    with pytest.raises(PreflightFailed):
        submit(sweeps, preflight="warn")
    assert sweeps.sbatch_calls() == 0
    assert submit(sweeps, preflight="off")["trials"] == 4


def test_the_sweeps_of_keys_are_those_that_still_run(sweeps: Sweeps) -> None:
    """Whoever looks for orphans asks by the keys alone; what is over is nobody's."""
    submit(sweeps, "af-1")
    ask(sweeps, "stop-sweep", sweep_id="af-1")
    submit(sweeps, "af-1")
    found = ask(sweeps, "sweeps-of-keys", keys=["af-1", "af-none"])["sweeps"]
    (one,) = found["af-1"]
    assert (one["sweep"]["sweep_id"], one["state"]["is_over"], one["state"]["total"]) == ("af-1-2", False, 4)
    assert list(found) == ["af-1"]
