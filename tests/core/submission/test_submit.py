"""One plan becomes one job, and what is on disk says so."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from compose_core.cluster.engine import SubmitAnswer, SubmitRequest
from compose_core.errors import (
    EnvironmentProblem,
    RecordError,
    SchedulerRefused,
    SchedulerUnreachable,
    SubmissionUnresolved,
    UsageError,
)
from compose_core.records.cancel_mark import request_cancel
from compose_core.records.intent import Intent
from compose_core.records.job_record import JobRecord
from compose_core.records.journal import read_journal
from compose_core.submission.submit import submit_plan
from tests.core.submission.world import SCRIPT, World


def test_an_accepted_job_is_recorded_and_settled(world: World) -> None:
    """Record, latest, outcome and intent agree on the job and its token; nothing is left open."""
    submission = world.up()
    assert (submission.job_id, submission.attached) == ("1", False)
    record = JobRecord.read(world.project.job_record("1"))
    assert record == submission.record == JobRecord.read(world.project.latest)
    outcome = world.outcome(submission.token)
    assert outcome is not None
    assert (outcome.outcome, outcome.job_id, outcome.how) == ("submitted", "1", "answer")
    assert world.open_marks() == []


def test_the_record_says_what_a_later_command_needs(world: World) -> None:
    """Paths are absolute and hold the job's id."""
    record = world.up().record
    root = world.project.project_dir / ".hpc-compose"
    assert record.job_dir == str(root / "1")
    assert record.batch_log == str(world.project.project_dir / "slurm-1.out")
    assert record.requested_walltime is not None
    assert (record.requested_walltime.original, record.requested_walltime.seconds) == ("00:10:00", 600)
    assert (record.backend, record.kind, record.tool_version) == ("slurm", "main", "1.2.3")


def test_a_canary_does_not_become_the_latest_job(world: World) -> None:
    """It has a pointer of its own."""
    main = world.up()
    canary = submit_plan(world.context(), world.plan(), SCRIPT, kind="canary")
    assert JobRecord.read(world.project.latest) == main.record
    pointer = world.project.latest_of("canary")
    assert pointer is not None
    assert JobRecord.read(pointer) == canary.record


def test_a_record_of_an_older_release_is_read(world: World) -> None:
    """It lacks what nobody kept then."""
    record = world.up().record
    fields = record.as_json()
    for name in ("requests", "config_snapshot_yaml", "config_snapshot_note", "provenance"):
        del fields[name]
    old = JobRecord.parse(json.dumps(fields).encode(), world.project.latest)
    assert (old.requests, old.config_snapshot_yaml, old.provenance) == (None, None, None)


def test_the_script_is_kept_as_submitted(world: World) -> None:
    """Every submission has a script of its own, so a later one does not overwrite it."""
    first, second = world.up(), world.up(script=SCRIPT + "false\n")
    assert Path(first.record.script_path).read_text() == SCRIPT
    assert Path(second.record.script_path).read_text() == SCRIPT + "false\n"
    assert world.engine.requests[0].script == Path(first.record.script_path)


def test_the_intent_is_on_disk_before_the_scheduler_hears_of_it(world: World) -> None:
    """The hand-over mark and the intent are there when the submit command runs."""
    seen: list[str] = []
    world.engine.script = ["refuse"]
    original = world.engine.submit

    def submit(request: SubmitRequest) -> SubmitAnswer:
        seen.extend(path.name for path in request.script.parent.iterdir())
        return original(request)

    world.engine.submit = submit  # type: ignore[method-assign]
    with pytest.raises(SchedulerRefused):
        world.up()
    assert {"intent.json", "job.sbatch", "submitting.1"} <= set(seen)


def test_everything_is_private(world: World) -> None:
    """Files are 0600 and folders 0700, whatever the umask."""
    world.up(run_key="k")
    for path in world.project.metadata_root.path.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_journal_finds_the_project_again(world: World) -> None:
    """One line per submission in the user's state folder."""
    submission = world.up(run_key="k")
    (entry,) = read_journal(world.state.journal)
    assert (entry.token, entry.run_key, entry.project_dir) == (
        submission.token,
        "k",
        str(world.project.project_dir),
    )


def test_a_journal_that_cannot_be_written_is_a_warning(world: World) -> None:
    """A full home folder does not stop the job."""
    world.state.folder.path.parent.mkdir()
    world.state.folder.path.write_text("in the way")
    assert world.up().job_id == "1"
    assert "journal" in world.told("warning")[0]


def test_extra_arguments_reach_the_scheduler(world: World) -> None:
    """Further options of the user are passed on and written down."""
    from compose_core.submission.submit import submit_plan

    submission = submit_plan(world.context(), world.plan(), SCRIPT, extra_args=["--hold"])
    assert world.engine.requests[0].extra_args == ("--hold",)
    intent = Intent.read(world.project.submission(submission.token).intent)
    assert intent is not None
    assert intent.submit_argv == ("--hold", submission.record.script_path, f"claim:{submission.token}")


@pytest.mark.parametrize(("answer", "code"), [("refuse", "refused-permanent"), ("limit", "refused-limit")])
def test_a_refusal_is_settled_and_raised(world: World, answer: str, code: str) -> None:
    """No job, no record, and the next command finds nothing to resolve."""
    world.engine.script = [answer]
    with pytest.raises(SchedulerRefused) as caught:
        world.up()
    assert caught.value.code == code
    assert world.open_marks() == []
    assert world.records() == ()
    outcome = world.outcome(world.tokens()[0])
    assert outcome is not None
    assert outcome.outcome == "refused"


def test_a_missing_submit_command_leaves_nothing_open(world: World) -> None:
    """It cannot have been accepted."""
    world.engine.script = ["missing"]
    with pytest.raises(EnvironmentProblem):
        world.up()
    assert world.open_marks() == []


def test_a_lost_answer_is_found_by_its_token(world: World) -> None:
    """The scheduler took it, the answer was lost: it is adopted, not submitted again."""
    world.engine.script = ["lose"]
    submission = world.up()
    assert (submission.job_id, submission.how) == ("1", "queue")
    assert len(world.engine.requests) == 1
    assert world.engine.run_jobs(world.project) == ["1"]


def test_a_frozen_controller_is_waited_for(world: World) -> None:
    """No answer is no knowledge: the search goes on until the queue answers."""
    world.engine.script = ["lose"]
    world.engine.silent_looks = 5
    assert world.up().job_id == "1"
    assert len(world.engine.requests) == 1


def test_a_dropped_submission_is_handed_over_again_with_the_same_token(world: World) -> None:
    """Two good answers without it, 20 s apart, are absence."""
    started = world.clock.now()
    world.engine.script = ["drop"]
    submission = world.up()
    assert [request.token for request in world.engine.requests] == [submission.token] * 2
    assert world.clock.now() - started >= 20
    assert world.engine.run_jobs(world.project) == [submission.job_id]


def test_a_twin_that_turns_up_late_does_not_run(world: World) -> None:
    """The scheduler wakes up with the first hand-over after the second was accepted: the claim is taken."""
    world.engine.script = ["drop"]
    submission = world.up()
    twin = world.engine.take(submission.token)
    assert world.engine.run_jobs(world.project) == [submission.job_id]
    assert twin != submission.job_id


def test_of_two_jobs_with_one_token_the_lowest_stays(world: World) -> None:
    """Nobody has the claim yet: it is made for the one that stays, the other is cancelled."""
    world.engine.script = ["lose"]
    world.engine.silent_looks = 2
    sleep = world.clock.sleep

    def sleep_and_wake_twin(seconds: float) -> None:
        sleep(seconds)
        if len(world.engine.jobs()) == 1:
            world.engine.take(world.engine.requests[0].token)

    world.clock.sleep = sleep_and_wake_twin
    submission = world.up()
    assert submission.job_id == "1"
    assert world.engine.jobs()["2"]["state"] == "CANCELLED"
    assert "twin" in world.told("warning")[0]
    assert world.engine.run_jobs(world.project) == ["1"]


def test_the_job_that_has_the_claim_stays(world: World) -> None:
    """It runs already; the lower id goes."""
    world.engine.script = ["lose"]
    world.engine.silent_looks = 2
    sleep = world.clock.sleep

    def let_the_twin_claim(seconds: float) -> None:
        sleep(seconds)
        if len(world.engine.jobs()) == 1:
            twin = world.engine.take(world.engine.requests[0].token)
            world.engine.set_state("1", "SUSPENDED")
            assert world.engine.run_jobs(world.project) == [twin]

    world.clock.sleep = let_the_twin_claim
    assert world.up().job_id == "2"


def test_a_controller_that_is_down_is_unreachable_and_the_intent_is_kept(world: World) -> None:
    """Exit code 4, and the next command finds out."""
    world.engine.script, world.engine.is_silent = ["unreachable"], True
    with pytest.raises(SchedulerUnreachable) as caught:
        world.up()
    assert caught.value.exit_code == 4
    assert world.tokens()[0] in caught.value.remedy
    assert world.open_marks() == world.tokens()


def test_a_slurm_without_configuration_was_asked_for_nothing(world: World) -> None:
    """The same key can be submitted elsewhere at once: nothing is in doubt, and nothing waits for a look."""
    world.engine.script, world.engine.is_silent = ["unconfigured"], True
    with pytest.raises(SchedulerUnreachable) as caught:
        world.up(run_key="k")
    assert caught.value.exit_code == 4
    assert world.open_marks() == []
    world.engine.is_silent = False
    assert world.up(run_key="k").job_id == "1"


def test_an_unreachable_controller_may_have_accepted(world: World) -> None:
    """It died after accepting: the token is searched before anything is said."""
    world.engine.script = ["unreachable_but_accepted"]
    assert world.up().job_id == "1"
    assert len(world.engine.requests) == 1


def test_a_doubt_that_stays_is_left_to_the_next_command(world: World) -> None:
    """At the deadline the command ends with exit code 4; the job is found later and runs once."""
    world.engine.script, world.engine.is_silent = ["lose"], True
    with pytest.raises(SubmissionUnresolved) as caught:
        world.up()
    assert caught.value.exit_code == 4
    world.engine.is_silent = False
    (resolution,) = world.resolve()
    assert resolution.job_id == "1"
    assert world.records()[0].submission_token == resolution.token
    assert world.open_marks() == []


def test_an_interrupted_search_need_not_be_waited_for(world: World) -> None:
    """Ctrl-C in the search: the very same process may resolve it at once."""
    world.engine.script, world.engine.is_silent = ["lose"], True

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    world.clock.sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        world.up()
    world.engine.is_silent = False
    (resolution,) = world.resolve()
    assert resolution.job_id == "1"


def test_nothing_is_submitted_while_the_queue_is_silent_about_an_earlier_one(world: World) -> None:
    """The earlier submission comes first; a scheduler that does not answer would not take a new one either."""
    world.engine.script, world.engine.is_silent = ["lose"], True
    with pytest.raises(SubmissionUnresolved):
        world.up()
    with pytest.raises(SubmissionUnresolved, match="nothing was submitted now"):
        world.up()
    assert len(world.tokens()) == 1


def test_a_record_that_cannot_be_written_is_a_warning_and_written_later(world: World) -> None:
    """The scheduler has the job: the command succeeds, the next one writes the record."""
    jobs = world.project.jobs.path
    jobs.parent.mkdir()
    jobs.write_text("in the way")
    submission = world.up()
    assert submission.job_id == "1"
    assert "next command" in world.told("warning")[0]
    jobs.unlink()
    world.resolve()
    assert world.records()[0].job_id == "1"
    assert world.open_marks() == []


def test_nothing_is_submitted_when_the_intent_cannot_be_written(world: World) -> None:
    """Without a journal there is no submission."""
    world.project.metadata_root.path.write_text("in the way")
    with pytest.raises(RecordError):
        world.up()
    assert world.engine.requests == []


@pytest.mark.parametrize("run_key", ["\udcff", "half \ud800"])
def test_a_run_key_that_is_no_text_is_refused(world: World, run_key: str) -> None:
    """Nothing is written."""
    with pytest.raises(UsageError, match="not UTF-8"):
        world.up(run_key=run_key)
    assert world.tokens() == []


def test_a_reused_id_keeps_the_earlier_record(world: World) -> None:
    """The scheduler starts counting anew: both jobs stay known."""
    first = world.up()
    world.engine.forget("1")
    second = world.up()
    assert first.job_id == second.job_id == "1"
    assert {record.submission_token for record in world.records()} == {first.token, second.token}
    kept = world.project.earlier_job_record("1", first.token)
    assert JobRecord.read(kept) == first.record
    assert kept.name == f"1~{first.token[:8]}.json"


def test_a_cancel_that_came_meanwhile_reaches_the_job(world: World) -> None:
    """Somebody asked for the end between the hand-over and the answer."""
    submit = world.engine.submit

    def submit_and_cancel(request: SubmitRequest) -> SubmitAnswer:
        answer = submit(request)
        request_cancel(world.context().project.submission(world.engine.requests[0].token))
        return answer

    world.engine.submit = submit_and_cancel  # type: ignore[method-assign]
    submission = world.up()
    assert submission.cancelled
    assert world.engine.jobs()["1"]["state"] == "CANCELLED"
    assert world.engine.run_jobs(world.project) == []


def test_the_report_carries_the_record(world: World) -> None:
    """Its JSON can be written and has a schema version."""
    report = json.loads(json.dumps(world.up().as_json()))
    assert (report["schema_version"], report["job_id"], report["record"]["job_id"]) == (1, "1", "1")


def test_the_local_engine_is_not_asked_twice(world: World) -> None:
    """Its table is the truth: absence needs no second look."""
    world.engine.name = "local"
    world.engine.script = ["drop"]
    started = world.clock.now()
    assert world.up().record.backend == "local"
    assert world.clock.now() - started < 20
