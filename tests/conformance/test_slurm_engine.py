"""The engine `slurm` finds in the fake what it finds in the real cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cluster.engine import Accepted, Ambiguous, JobRow, Refused, Rows, SubmitRequest, Unavailable
from compose_core.cluster.job_rows import find_row
from compose_core.cluster.slurm import Slurm
from compose_core.job_state import JobId, JobState
from compose_core.records.token import new_token
from tests.conformance.worlds import World

DEADLINE_S = 30.0
_tokens = iter(new_token(1_800_000_000 + number, b"conformant") for number in range(1000))


class Engine:
    """The engine, with what a test asks of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.slurm = Slurm(world, environment={"PATH": "/usr/local/bin:/usr/bin:/bin"}, user=world.user)

    def request(self, text: str, *extra_args: str) -> SubmitRequest:
        token = next(_tokens)
        script = self.world.folder / f"{token}.sbatch"
        script.write_text(f"#!/bin/bash\n#SBATCH --output=/dev/null\n{text}\n", encoding="utf-8")
        return SubmitRequest(
            token=token, script=script, project_dir=self.world.folder, job_name="x", extra_args=extra_args
        )

    def submit(self, text: str, *extra_args: str) -> tuple[JobId, str]:
        request = self.request(text, *extra_args)
        answer = self.slurm.submit(request)
        assert isinstance(answer, Accepted), answer
        return answer.job_id, request.token

    def row(self, job_id: JobId) -> JobRow | None:
        answer = self.slurm.queue()
        assert isinstance(answer, Rows), answer
        assert answer.malformed == 0
        return find_row(answer.rows, job_id)

    def wait_for(self, job_id: JobId, state: JobState) -> JobRow:
        waited_s = 0.0
        while (row := self.row(job_id)) is None or row.state is not state:
            assert waited_s < DEADLINE_S, f"{job_id} is not {state}: {row}"
            self.world.pass_time(0.1)
            waited_s += 0.1
        return row


@pytest.fixture
def engine(world: World) -> Engine:
    return Engine(world)


def test_a_jobs_way_from_submit_to_its_end(engine: Engine) -> None:
    job_id, token = engine.submit("exit 17", "--job-name=train")
    row = engine.wait_for(job_id, JobState.FAILED)
    assert (row.token, row.name, row.user, row.reason) == (token, "train", engine.world.user, "NonZeroExitCode")
    assert row.submitted_at is not None
    waited_s = 0.0
    while True:
        answer = engine.slurm.accounting([job_id], since_epoch_s=row.submitted_at)
        assert isinstance(answer, Rows)
        found = find_row(answer.rows, job_id)
        if found is not None and found.exit_code is not None:
            break
        assert waited_s < DEADLINE_S
        engine.world.pass_time(0.1)
        waited_s += 0.1
    assert (found.state, found.exit_code, found.signal) == (JobState.FAILED, 17, None)


def test_the_token_finds_the_job_in_the_queue_at_once(engine: Engine) -> None:
    job_id, token = engine.submit("sleep 600", "--comment=two words | and a bar")
    row = engine.row(job_id)
    assert row is not None
    assert row.submitted_at is not None
    queued, _ = engine.slurm.find_token(token, since_epoch_s=row.submitted_at)
    assert isinstance(queued, Rows)
    assert [row.job_id for row in queued.rows] == [job_id]


def test_an_array_is_seen_as_tasks(engine: Engine) -> None:
    job_id, token = engine.submit("sleep 600", "--array=2-5%2")
    engine.wait_for(JobId(f"{job_id}_3"), JobState.RUNNING)
    waiting = engine.row(JobId(f"{job_id}_5"))
    assert waiting is not None
    assert (waiting.job_id, waiting.state, waiting.array_task, waiting.token) == (
        job_id,
        JobState.PENDING,
        "4-5%2",
        token,
    )


@pytest.mark.parametrize("force", [False, True])
def test_a_cancelled_job_ends_as_cancelled(engine: Engine, force: bool) -> None:
    job_id, token = engine.submit("sleep 600")
    engine.wait_for(job_id, JobState.RUNNING)
    assert not engine.slurm.cancel(job_id, token=next(_tokens), force=force).requested
    assert engine.slurm.cancel(job_id, token=token, force=force).requested
    engine.wait_for(job_id, JobState.CANCELLED)
    again = engine.slurm.cancel(job_id, token=token)
    assert (again.requested, again.reachable) == (False, True)


@pytest.mark.parametrize("option", ["--partition=nowhere", "--frobnicate", "--mem=999G", "--array=1-99999"])
def test_a_refusal_is_permanent(engine: Engine, option: str) -> None:
    answer = engine.slurm.submit(engine.request("true", option))
    assert isinstance(answer, Refused)
    assert (answer.kind, answer.remedy != "") == ("permanent", True)


def test_what_the_controller_tells_of_itself_and_a_job(engine: Engine) -> None:
    job_id, token = engine.submit("sleep 600", "--hold")
    shown = engine.slurm.show_job(job_id)
    assert isinstance(shown, dict)
    assert shown["Comment"] == f"hpcc:v1:{token}"
    assert Path(shown["WorkDir"]) == engine.world.folder
    assert engine.slurm.show_job(JobId("999999")) == {}
    assert engine.slurm.is_up()
    assert (engine.slurm.kill_wait_s() or 0) > 0
    partitions = engine.slurm.partitions()
    assert not isinstance(partitions, Unavailable)
    assert [row.partition for row in partitions if row.is_default][:1] == ["debug"]


def test_without_accounting_it_is_disabled(bare_world: World) -> None:
    answer = Engine(bare_world).slurm.accounting([JobId("1")], since_epoch_s=0)
    assert isinstance(answer, Unavailable)
    assert answer.kind == "disabled"


def test_a_submission_into_a_frozen_controller_is_found_by_its_token(frail_world: World) -> None:
    engine = Engine(frail_world)
    request = engine.request("sleep 600")
    frail_world.freeze_controller()
    assert isinstance(engine.slurm.submit(request), Ambiguous)
    queued = engine.slurm.queue()
    assert isinstance(queued, Unavailable)
    assert queued.kind == "unreachable"
    frail_world.start_controller()
    waited_s = 0.0
    while True:
        found, _ = engine.slurm.find_token(request.token, since_epoch_s=1_700_000_000)
        assert isinstance(found, Rows)
        if found.rows:
            break
        assert waited_s < DEADLINE_S
        frail_world.pass_time(0.1)
        waited_s += 0.1
    assert len(found.rows) == 1


def test_a_controller_that_is_down_is_unreachable(frail_world: World) -> None:
    engine = Engine(frail_world)
    frail_world.stop_controller()
    answer = engine.slurm.submit(engine.request("true"))
    assert isinstance(answer, Refused)
    assert answer.kind == "unreachable"
    cancelled = engine.slurm.cancel(JobId("1"))
    assert (cancelled.requested, cancelled.reachable) == (False, False)
    assert not engine.slurm.is_up()
    frail_world.start_controller()
    assert engine.slurm.is_up()
