"""How the trials of a sweep become arrays."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from compose_core.errors import HpccError, SpecError, UsageError
from compose_core.records.job_record import JobRecord
from compose_core.records.sweep_journal import note_stopped
from compose_core.records.sweep_manifest import SweepManifest
from compose_core.sweep.follow import follow_sweep
from compose_core.sweep.hold import held_sweep
from compose_core.sweep.stop import stop_sweep
from compose_core.testing import accept_then_timeout, timeout_no_accept
from compose_core.testing.fake_cluster import Settings
from compose_core.tracking.jobs import tracked_jobs
from compose_core.tracking.task_records import task_records
from tests.core.sweep.world import FOUR, Sweeps


@pytest.fixture
def sweeps(tmp_path: Path) -> Sweeps:
    """An empty project on a fresh cluster."""
    return Sweeps(tmp_path)


def test_trials_that_ask_for_the_same_are_one_array(sweeps: Sweeps) -> None:
    """One call of sbatch, and no other question to the scheduler."""
    result = sweeps.submit()
    assert sweeps.cluster.programs_run == ["sbatch"]
    assert sweeps.arrays() == ["0-3"]
    assert result.submitted == ["t000", "t001", "t002", "t003"]
    assert [trial.job_id for trial in result.manifest.trials] == ["41_0", "41_1", "41_2", "41_3"]


def test_every_script_has_the_digest_that_the_array_s_script_names(sweeps: Sweeps) -> None:
    """So a script that was changed after its submission is noticed on the node."""
    result = sweeps.submit()
    array = Path(sweeps.cluster.jobs[0].command.split(" ", maxsplit=1)[0]).read_text()
    for trial in result.manifest.trials:
        digest = hashlib.sha256(Path(str(trial.script_path)).read_bytes()).hexdigest()
        assert digest == trial.script_sha256
        assert f"  {trial.trial_id}.sbatch:{digest}\n" in array


def test_each_trial_has_a_record_and_none_is_the_latest_job(sweeps: Sweeps) -> None:
    """Ordinary commands go on to mean ordinary jobs."""
    result = sweeps.submit()
    trial = result.manifest.trials[2]
    record = JobRecord.read(sweeps.project.job_record("41_2"))
    assert record is not None
    assert (record.kind, record.array_job_id, record.array_task_id) == ("sweep_trial", "41", 2)
    assert record.sweep is not None
    assert (record.sweep.trial_id, record.sweep.variables) == ("t002", {"batch": "16", "lr": "1"})
    assert (record.script_path, record.script_sha256) == (trial.script_path, trial.script_sha256)
    assert str(sweeps.project.job_record("41_2")) == trial.record_path
    assert not sweeps.project.latest.path.exists()
    assert [job.job_id for job in tracked_jobs(sweeps.project).records] == ["41"]


def test_the_record_of_the_array_gives_those_of_its_trials(sweeps: Sweeps) -> None:
    """So that `hpcc status`, `artifacts` and `down` of the array see each trial as it is."""
    sweeps.submit()
    array = JobRecord.read(sweeps.project.job_record("41"))
    assert array is not None
    assert array.kind == "sweep"
    assert [task.sweep.trial_id for task in task_records(array) if task.sweep] == ["t000", "t001", "t002", "t003"]


def test_the_manifest_and_its_copy_say_the_same_as_the_journal(sweeps: Sweeps) -> None:
    """Programs read `sweep.json`; the journal is what counts."""
    sweeps.submit()
    paths = sweeps.project.sweep("s")
    assert SweepManifest.read(paths.manifest) == sweeps.manifest() == SweepManifest.read(sweeps.project.latest_sweep)


def test_trials_that_ask_for_different_things_are_several_arrays(sweeps: Sweeps) -> None:
    """One for each shape, however the trials are mixed."""
    text = FOUR.replace("services:", 'x-slurm: {mem: "${batch}G"}\n    services:').replace("16]", "12]")
    result = sweeps.submit(text)
    assert sweeps.arrays() == ["0-1", "0-1"]
    assert [group.trials for group in result.manifest.groups] == [("t000", "t001"), ("t002", "t003")]


def test_names_that_differ_make_no_array_of_their_own(sweeps: Sweeps) -> None:
    """A name asks the scheduler for nothing; the array has that of the sweep."""
    sweeps.submit(FOUR.replace("services:", 'x-slurm: {job_name: "lr-${lr}"}\n    services:'))
    assert [job.name for job in sweeps.cluster.jobs] == ["s"]
    records = [JobRecord.read(sweeps.project.job_record(f"41_{task}")) for task in (0, 1)]
    assert [record.name for record in records if record] == ["lr-1", "lr-2"]


def test_the_throttle_is_divided_among_the_arrays(sweeps: Sweeps) -> None:
    """So many trials run at once, not so many of each array."""
    shaped = FOUR.replace("services:", 'x-slurm: {mem: "${batch}G"}\n    services:').replace("16]", "12]")
    sweeps.submit(shaped.replace("sweep: {", "sweep: {throttle: 2, "))
    assert sweeps.arrays() == ["0-1%1", "0-1%1"]


def test_a_throttle_given_to_the_command_wins(sweeps: Sweeps) -> None:
    """Over that of the file."""
    result = sweeps.submit(FOUR.replace("sweep: {", "sweep: {throttle: 2, "), throttle=3)
    assert sweeps.arrays() == ["0-3%3"]
    assert result.manifest.throttle == 3


def test_an_array_that_is_refused_stops_no_other_one(sweeps: Sweeps) -> None:
    """Its trials say why they have no job."""
    result = sweeps.submit(FOUR.replace("services:", 'x-slurm: {mem: "${batch}G"}\n    services:'))
    assert result.submitted == ["t000", "t001"]
    assert list(result.refused) == ["t002", "t003"]
    errors = [trial.submit_error for trial in result.manifest.trials]
    assert errors[:2] == [None, None]
    assert all("node configuration is not available" in str(error) for error in errors[2:])
    assert sweeps.state().summary["submit_failed"] == 2


def many(count: int) -> str:
    return f"""
        name: many
        runtime: {{backend: host}}
        sweep: {{parameters: {{i: [{", ".join(map(str, range(count)))}]}}, max_trials: {count}}}
        services: {{work: {{command: [train, "${{i}}"]}}}}
    """


def test_a_limit_on_jobs_is_filled_up(tmp_path: Path) -> None:
    """The rest waits for a resume, and no trial is in two arrays."""
    sweeps = Sweeps(tmp_path, Settings(max_submit_jobs=21))
    result = sweeps.submit(many(50))
    assert len(result.submitted) == 21
    assert len(result.refused) == 29
    assert sweeps.sbatch_calls() <= 12
    assert set(sweeps.tasks_by_trial().values()) == {1}
    assert sweeps.state().summary["submit_failed"] == 29


def test_a_resume_submits_what_the_limit_left_over(tmp_path: Path) -> None:
    """Once there is room again; nothing runs twice."""
    sweeps = Sweeps(tmp_path, Settings(max_submit_jobs=21))
    sweeps.submit(many(50))
    for job in list(sweeps.cluster.jobs):
        sweeps.cluster.cancel(job)
    sweeps.cluster.settings = Settings()
    resumed = sweeps.resume()
    assert len(resumed.submitted) == 29
    assert sorted(sweeps.tasks_by_trial().values()) == [1] * 50


def test_a_site_that_takes_small_arrays_only_gets_several(tmp_path: Path) -> None:
    """It is asked for its size once, after it refused the first one."""
    sweeps = Sweeps(tmp_path, Settings(max_array_size=20))
    result = sweeps.submit(many(50))
    assert len(result.submitted) == 50
    assert sweeps.arrays() == ["0-19", "0-19", "0-9"]
    assert sweeps.cluster.programs_run.count("scontrol") == 1


def test_a_lost_answer_is_found_and_nothing_is_submitted_again(sweeps: Sweeps) -> None:
    """As with any job."""
    sweeps.cluster.fail_next("sbatch", accept_then_timeout())
    result = sweeps.submit()
    assert (sweeps.sbatch_calls(), len(result.submitted)) == (1, 4)


def test_a_scheduler_that_is_away_leaves_the_sweep_to_a_resume(sweeps: Sweeps) -> None:
    """It is not known whether it has the array; the resume finds out and submits it once."""
    sweeps.cluster.stop_controller()
    result = sweeps.submit()
    assert result.trouble is not None
    assert result.open == ["t000", "t001", "t002", "t003"]
    assert sweeps.state().summary["unknown"] == 4
    sweeps.cluster.start_controller()
    assert len(sweeps.resume().submitted) == 4
    assert set(sweeps.tasks_by_trial().values()) == {1}


def test_a_resume_after_all_is_submitted_does_nothing(sweeps: Sweeps) -> None:
    """However often it is called."""
    sweeps.submit()
    for choice in ("unsubmitted", "failed", "unfinished"):
        result = sweeps.resume(choice)
        assert (result.submitted, result.skipped) == ([], 4)
    assert len(sweeps.cluster.jobs) == 1


def test_failed_trials_run_again_under_their_name(sweeps: Sweeps) -> None:
    """The earlier job stays in the manifest."""
    sweeps.submit()
    sweeps.end("41", "COMPLETED", "FAILED", "COMPLETED", "FAILED")
    assert sweeps.state().summary["failed"] == 2
    result = sweeps.resume("failed")
    assert (result.submitted, result.resubmitted) == (["t001", "t003"], ["t001", "t003"])
    trial = sweeps.manifest().trial("t003")
    assert (trial.job_id, [one.job_id for one in trial.earlier]) == ("45_1", ["41_3"])
    assert sweeps.state().summary["completed"] == 2
    assert trial.script_path is not None
    assert trial.script_path.endswith("/t003.sbatch")


def test_a_changed_file_is_not_gone_on_with(sweeps: Sweeps) -> None:
    """Unless that is wanted: then the changed trials have scripts beside the old ones."""
    sweeps.submit()
    sweeps.end("41", *["FAILED"] * 4)
    sweeps.write(FOUR.replace("train,", "train, --more,"))
    with pytest.raises(HpccError, match="changed since sweep s was submitted"):
        sweeps.resume("failed")
    result = sweeps.resume("failed", allow_changes=True)
    assert [str(trial.script_path).rpartition("/")[2] for trial in result.manifest.trials][:2] == [
        "t000~2.sbatch",
        "t001~2.sbatch",
    ]
    assert "--more" not in (sweeps.project.sweep("s").folder.path / "t000.sbatch").read_text()


def test_a_trial_whose_array_was_removed_is_missing(sweeps: Sweeps) -> None:
    """And runs again with `--missing` alone."""
    sweeps.submit()
    sweeps.end("41", *["COMPLETED"] * 4)
    sweeps.project.job_record("41").path.unlink()
    assert sweeps.state().summary["missing_tracking"] == 4
    assert sweeps.resume().submitted == []
    assert len(sweeps.resume("missing").submitted) == 4


def test_one_question_answers_for_all_arrays(sweeps: Sweeps) -> None:
    """Whatever their number."""
    sweeps.submit(FOUR.replace("services:", 'x-slurm: {mem: "${lr}G"}\n    services:'))
    sweeps.cluster.programs_run.clear()
    assert sum(sweeps.state().summary[word] for word in ("pending", "running")) == 4
    assert sweeps.cluster.programs_run == ["squeue"]


def test_what_was_stopped_is_submitted_no_further(sweeps: Sweeps) -> None:
    """A stop counts between two arrays of a submission, too."""
    sweeps.write(FOUR.replace("services:", 'x-slurm: {mem: "${batch}G"}\n    services:').replace("16]", "12]"))
    plan = sweeps.plan()
    from compose_core.sweep import submit

    paths = sweeps.project.sweep("s")

    def stop_after_the_first(event: object) -> None:
        if getattr(event, "kind", "") == "accepted":
            note_stopped(paths, "enough", at=1.0)

    result = submit.submit_sweep(sweeps.site, plan, on_event=stop_after_the_first)
    assert (result.submitted, list(result.refused)) == (["t000", "t001"], ["t002", "t003"])
    assert sweeps.manifest().stop_reason == "enough"


def test_two_sweeps_never_have_one_id(sweeps: Sweeps) -> None:
    """The second command would mix their trials."""
    sweeps.submit()
    with pytest.raises(HpccError, match="already") as caught:
        sweeps.submit()
    assert caught.value.code == "sweep-exists"


def test_an_impossible_trial_is_named_before_anything_is_submitted(sweeps: Sweeps) -> None:
    """With its values."""
    with pytest.raises(SpecError) as caught:
        sweeps.submit(FOUR.replace("services:", 'x-slurm: {nodes: "${lr}"}\n    services:').replace("[1, 2]", "[1, x]"))
    assert "trial t001 (batch=8;lr=x)" in str(caught.value)
    assert sweeps.cluster.programs_run == []


def test_too_many_trials_are_refused(sweeps: Sweeps) -> None:
    """The error says how to allow them."""
    with pytest.raises(UsageError, match="101 trials; 100 are allowed"):
        sweeps.submit(many(101).replace(", max_trials: 101", ""))
    assert len(sweeps.submit(many(101).replace(", max_trials: 101", ""), max_trials=101).submitted) == 101


def test_a_shared_resume_folder_is_refused(sweeps: Sweeps) -> None:
    """The trials would go on from each other's checkpoints."""
    resume = 'x-slurm: {resume: {path: "/shared/%s"}}\n    services:'
    with pytest.raises(HpccError, match="same resume folder"):
        sweeps.submit(FOUR.replace("services:", resume % "x"))
    assert len(sweeps.submit(FOUR.replace("services:", resume % "${HPC_COMPOSE_SWEEP_TRIAL:-x}")).submitted) == 4


def test_a_torn_journal_is_read_as_far_as_it_goes(sweeps: Sweeps) -> None:
    """What its last line would have said is found out anew."""
    sweeps.submit()
    journal = sweeps.project.sweep("s").journal.path
    text = journal.read_text()
    journal.write_text(text[: text.rindex('"event":"submitted"') + 5])
    assert sweeps.manifest().groups[0].array_job_id is None
    assert [trial.job_id for trial in sweeps.state().manifest.trials] == ["41_0", "41_1", "41_2", "41_3"]
    assert len(sweeps.cluster.jobs) == 1


def test_hostile_lines_of_the_journal_change_nothing(sweeps: Sweeps) -> None:
    """Neither do unknown ones."""
    sweeps.submit()
    before = sweeps.manifest()
    with sweeps.project.sweep("s").journal.path.open("a") as stream:
        for row in (
            '{"event":"submitted"}',
            '{"event":"group","group":"../x","trials":5}',
            '{"event":"new"}',
            "[]",
            "{",
        ):
            stream.write(row + "\n")
    assert sweeps.manifest() == before


def test_a_script_that_was_not_handed_over_is_tried_again(sweeps: Sweeps) -> None:
    """sbatch said that it got no answer, and the scheduler has nothing."""
    sweeps.cluster.fail_next("sbatch", timeout_no_accept())
    result = sweeps.submit()
    assert (sweeps.sbatch_calls(), len(result.submitted)) == (2, 4)


def test_ids_are_what_the_manifest_says(sweeps: Sweeps) -> None:
    """The run keys of the arrays are named after sweep and group."""
    manifest = sweeps.submit().manifest
    assert [group.name for group in manifest.groups] == ["g000"]
    assert all(re.fullmatch(r"sweep s g\d{3}", group.run_key) for group in manifest.groups)


def die_before_handing_over(sweeps: Sweeps) -> None:
    """The client of a new sweep is killed when its array is written down and nothing of it has reached the scheduler."""
    from compose_core.sweep import submit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submit, "submit_plan", _die)
        with pytest.raises(SystemExit):
            sweeps.submit()


def _die(*_given: object, **_named: object) -> None:
    raise SystemExit(137)


def test_an_array_given_up_for_a_changed_file_never_comes_back(sweeps: Sweeps) -> None:
    """Not even when the file is what it was: its trials have run in another array since."""
    die_before_handing_over(sweeps)
    sweeps.write(FOUR.replace("train,", "train, --more,"))
    assert len(sweeps.resume(allow_changes=True).submitted) == 4
    sweeps.write(FOUR)
    assert sweeps.resume().submitted == []
    assert set(sweeps.tasks_by_trial().values()) == {1}
    assert len(sweeps.cluster.jobs) == 1


def test_a_stop_settles_what_was_written_down_and_not_submitted(sweeps: Sweeps) -> None:
    """Else those who watch the sweep would wait for it for ever; a resume submits it once."""
    die_before_handing_over(sweeps)
    stopped = stop_sweep(sweeps.site, sweeps.manifest(), wait_s=1.0)
    assert stopped.confirmed
    assert sweeps.state().summary["submit_failed"] == 4
    assert len(sweeps.resume().submitted) == 4
    assert set(sweeps.tasks_by_trial().values()) == {1}


def test_a_stop_withdraws_a_submission_that_nobody_knows_of(sweeps: Sweeps) -> None:
    """Once the scheduler has said for long enough that it has no such job, the sweep is over for everybody."""
    sweeps.cluster.stop_controller()
    sweeps.submit()
    sweeps.cluster.start_controller()
    assert not stop_sweep(sweeps.site, sweeps.manifest(), wait_s=1.0).confirmed
    for _ in range(3):
        sweeps.site.clock.sleep(300)
        sweeps.state()
    assert sweeps.state().is_over
    assert sweeps.state().summary["submit_failed"] == 4
    assert len(sweeps.resume().submitted) == 4
    assert set(sweeps.tasks_by_trial().values()) == {1}


def test_a_refusal_that_was_not_noted_any_more_is_found(sweeps: Sweeps) -> None:
    """The client was killed between the scheduler's word and the sweep's journal; another one may be submitting now."""
    from compose_core.sweep import submit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submit, "note_refused", _die)
        with pytest.raises(SystemExit):
            sweeps.submit(FOUR.replace("services:", "x-slurm: {mem: 16G}\n    services:"))
    with held_sweep(sweeps.site, sweeps.project.sweep("s")):
        assert sweeps.state().summary["unknown"] == 4
    assert sweeps.state().summary["submit_failed"] == 4


def test_a_watch_sees_the_arrays_that_come_later(sweeps: Sweeps) -> None:
    """A sweep is not over while another command still submits it, only because the first array is."""
    sweeps.submit()
    looks = follow_sweep(sweeps.site, sweeps.manifest())
    next(looks)
    sweeps.end("41", "FAILED", *["COMPLETED"] * 3)
    sweeps.site.clock.sleep(60)  # what the first look heard is old by then
    assert sweeps.resume("failed").submitted == ["t000"]
    seen = next(looks)
    assert not seen.is_over
    assert seen.trials[0].trial.job_id == "45_0"
