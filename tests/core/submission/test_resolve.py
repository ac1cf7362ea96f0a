"""What the next command makes of a submission whose end nobody wrote down."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from compose_core.errors import SubmissionUnresolved
from compose_core.records.atomic import create_file
from compose_core.records.claim import Claim
from compose_core.records.intent import Intent
from compose_core.submission.resolve import new_handover, resolve_pending
from compose_core.submission.submit import _write_intent, submit_plan
from tests.core.submission.world import SCRIPT, DiskScheduler, World


def left_behind(world: World, *, handed_over: bool, run_key: str | None = None) -> Intent:
    """The intent of a client that died."""
    context = world.context(dead=True)
    intent = _write_intent(context, world.plan(), SCRIPT, run_key=run_key, extra_args=())
    if handed_over:
        new_handover(context, intent.token, 1).create(world.project.submission(intent.token).handover(1))
    return intent


def test_an_accepted_job_of_a_dead_client_is_adopted(world: World) -> None:
    """The record is written from the intent."""
    intent = left_behind(world, handed_over=True)
    world.engine.take(intent.token)
    (resolution,) = world.resolve()
    assert (resolution.status, resolution.job_id) == ("settled", "1")
    (record,) = world.records()
    assert (record.submission_token, record.name, record.script_sha256) == (
        intent.token,
        "hello",
        intent.script_sha256,
    )
    assert world.resolve() == ()


def test_a_dead_client_that_never_handed_over_submitted_nothing(world: World) -> None:
    """The scheduler need not be asked."""
    left_behind(world, handed_over=False)
    (resolution,) = world.resolve()
    assert resolution.outcome is not None
    assert resolution.outcome.outcome == "abandoned"
    assert world.engine.counter.total == 0
    assert world.open_marks() == []


def test_a_client_that_was_only_asleep_cannot_hand_over_any_more(world: World) -> None:
    """Its submission was closed meanwhile; the mark it needs is taken."""
    intent = left_behind(world, handed_over=False)
    world.resolve()
    mark = new_handover(world.context(), intent.token, 1)
    assert not mark.create(world.project.submission(intent.token).handover(1))


def test_a_client_at_work_is_left_alone(world: World) -> None:
    """It lives, on this host."""
    intent = _write_intent(world.context(), world.plan(), SCRIPT, run_key=None, extra_args=())
    (resolution,) = world.resolve()
    assert (resolution.token, resolution.status) == (intent.token, "in_flight")


def test_a_client_of_another_host_is_left_alone_for_a_while(world: World) -> None:
    """Nothing can be proven from here, so time decides."""
    intent = left_behind(world, handed_over=True)
    path = world.project.submission(intent.token).handover(1).path
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "login2"}))
    assert world.resolve()[0].status == "in_flight"
    world.clock.sleep(301)
    assert world.resolve()[0].status != "in_flight"


def test_absence_needs_two_good_answers_apart(world: World) -> None:
    """They may come from two commands; then the submission is closed, and a late twin does not start."""
    intent = left_behind(world, handed_over=True)
    assert world.resolve()[0].status == "doubtful"
    world.clock.sleep(5)
    assert world.resolve()[0].status == "doubtful"
    world.clock.sleep(16)
    (resolution,) = world.resolve()
    assert resolution.outcome is not None
    assert resolution.outcome.outcome == "abandoned"
    world.engine.take(intent.token)
    assert world.engine.run_jobs(world.project) == []


def test_a_silent_queue_proves_nothing(world: World) -> None:
    """However long it is silent."""
    left_behind(world, handed_over=True)
    world.engine.is_silent = True
    for _ in range(5):
        assert world.resolve()[0].status == "unanswered"
        world.clock.sleep(100)


def test_an_answer_that_is_partly_unreadable_proves_nothing(world: World) -> None:
    """The job may hide behind the line that could not be read."""
    left_behind(world, handed_over=True)
    world.engine.malformed = 1
    for _ in range(3):
        assert world.resolve()[0].status == "unanswered"
        world.clock.sleep(100)


def test_a_silent_accounting_matters_once_the_queue_may_have_forgotten(world: World) -> None:
    """Long after the hand-over a job may have ended and left the queue."""
    left_behind(world, handed_over=True)
    world.engine.accounting_is = "unreachable"
    world.clock.sleep(3600)
    for _ in range(3):
        assert world.resolve()[0].status == "doubtful"
        world.clock.sleep(100)
    world.engine.accounting_is = "empty"
    world.settle()
    assert world.open_marks() == []


def test_the_claim_tells_without_the_scheduler(world: World) -> None:
    """The job itself said that it runs."""
    intent = left_behind(world, handed_over=True)
    Claim(token=intent.token, job_id="77").create(world.project.submission(intent.token).claim)
    world.engine.is_silent = True
    (resolution,) = world.resolve()
    assert resolution.outcome is not None
    assert (resolution.job_id, resolution.outcome.how) == ("77", "claim")


def test_a_run_key_keeps_an_absent_submission_open(world: World) -> None:
    """Only `up` with the key submits it; once absence is known the scheduler is not asked again."""
    left_behind(world, handed_over=True, run_key="k")
    world.settle()
    calls = world.engine.counter.total
    assert world.resolve()[0].status == "absent"
    assert world.engine.counter.total == calls


def test_a_late_job_of_an_absent_submission_is_adopted_by_its_claim(world: World) -> None:
    """The controller woke up after all."""
    intent = left_behind(world, handed_over=True, run_key="k")
    world.settle()
    job_id = world.engine.take(intent.token)
    assert world.engine.run_jobs(world.project) == [job_id]
    assert world.resolve()[0].job_id == job_id


def test_a_broken_intent_is_reported_and_stops_nothing(world: World) -> None:
    """Other submissions are resolved, and new ones are possible."""
    intent = left_behind(world, handed_over=True)
    world.project.submission(intent.token).intent.path.write_text("{")
    assert world.resolve()[0].status == "broken"
    assert world.up().job_id == "1"


def test_a_mark_without_an_intent_is_forgotten_after_a_while(world: World) -> None:
    """The client died before it wrote what it wanted."""
    from compose_core.records.token import new_token

    token = new_token(world.clock.now(), b"0123456789")
    create_file(world.project.unresolved_mark(token), b"")
    assert world.resolve()[0].status == "in_flight"
    world.clock.sleep(301)
    world.resolve()
    assert world.open_marks() == []


def test_strange_names_among_the_marks_are_ignored(world: World) -> None:
    """Somebody else's file is nobody's submission."""
    world.project.unresolved.path.mkdir(parents=True)
    (world.project.unresolved.path / "README").write_text("")
    assert world.resolve() == ()


def test_resolving_is_the_same_however_often(world: World) -> None:
    """Two commands at once, or one after a crash, come to the same end."""
    intent = left_behind(world, handed_over=True)
    world.engine.take(intent.token)
    world.resolve()
    create_file(world.project.unresolved_mark(intent.token), b"")
    world.project.job_record("1").path.unlink()
    world.project.latest.path.unlink()
    (resolution,) = world.resolve()
    assert resolution.job_id == "1"
    assert len(world.records()) == 1
    assert world.open_marks() == []


def test_an_older_job_does_not_become_the_latest(world: World) -> None:
    """It is found after a newer one was submitted."""
    world.engine.script, world.engine.is_silent = ["lose"], True
    with pytest.raises(SubmissionUnresolved):
        world.up()
    token = world.tokens()[0]
    world.engine.is_silent = False
    intent_path = world.project.unresolved_mark(token)
    intent_path.path.unlink()  # out of sight while the newer one is submitted
    newer = world.up()
    create_file(intent_path, b"")
    world.clock.time -= 3600
    world.resolve()
    assert newer.record.job_id == "2"
    latest = json.loads(world.project.latest.path.read_text())
    assert latest["job_id"] == "2"


def test_a_submission_to_another_engine_is_asked_for_there(world: World) -> None:
    """This machine's table knows nothing of a cluster's jobs, and its silence about them is no absence."""
    intent = left_behind(world, handed_over=True)
    world.engine.take(intent.token)
    here = DiskScheduler(world.root / "here", name="local")
    only_here = replace(world.context(), engine=here)
    for _ in range(3):
        (resolution,) = resolve_pending(only_here)
        assert (resolution.status, resolution.engine) == ("doubtful", "slurm")
        world.clock.sleep(100)
    both = replace(only_here, other_engine=lambda name: world.engine if name == "slurm" else None)
    assert resolve_pending(both)[0].job_id == "1"


def test_a_silent_cluster_does_not_keep_jobs_from_this_machine(world: World) -> None:
    """The earlier submission stays open; the new one goes to another engine."""
    left_behind(world, handed_over=True)
    world.engine.is_silent = True
    here = DiskScheduler(world.root / "here", name="local")
    context = replace(world.context(), engine=here, other_engine=lambda _name: world.engine)
    assert submit_plan(context, world.plan(), SCRIPT).record.backend == "local"
    assert "Unable to contact" in world.told("warning")[0]
    assert len(world.open_marks()) == 1
