"""Jobs with `x-slurm.resume`: what is shown is the newest attempt, and nothing of an earlier one passes for its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compose_core.errors import UsageError
from compose_core.tracking.job_files import attempt_paths, read_job_files
from compose_core.tracking.log_source import service_logs
from compose_core.tracking.observe import observe_one
from compose_core.tracking.service_logs import follow_logs, read_logs
from tests.core.tracking.world import NOW, TOKEN, World, row


def begin(world: World, attempt: int) -> None:
    """The attempt's folder, and the links to it."""
    job_dir = world.paths.job_dir
    (job_dir / "attempts" / str(attempt) / "logs").mkdir(parents=True)
    for name in ("state.json", "end.json", "logs", "artifacts"):
        link = job_dir / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"attempts/{attempt}/{name}")


def tell(world: World, attempt: int, status: str, **fields: Any) -> None:
    """The state.json of an attempt."""
    world.write_state(status, paths=replace(world.paths, attempt=attempt), attempt=attempt, **fields)


def log(world: World, attempt: int, text: str) -> None:
    """More output of one service."""
    path = replace(world.paths, attempt=attempt).log("web").path
    with path.open("a") as stream:
        stream.write(text)


def once_each(happenings: list[Callable[[], None]]) -> Callable[[], bool]:
    """Let one of them happen each time it is asked whether all is over, until they have."""

    def is_over() -> bool:
        if happenings:
            happenings.pop(0)()
            return False
        return True

    return is_over


@pytest.fixture
def preempted(world: World) -> World:
    """The first attempt wrote that it was cancelled."""
    begin(world, 0)
    tell(world, 0, "CANCELLED")
    end = {"submission_token": TOKEN, "job_id": "7", "cause": "cancelled", "exit_code": 143, "at": NOW - 6}
    world.write(replace(world.paths, attempt=0).end.path, {"schema_version": 1, **end})
    return world


def test_while_it_waits_again_it_is_pending(preempted: World) -> None:
    """However long: the queue says so, and the end of the first attempt is nobody's."""
    for hours in (0, 1, 30):
        preempted.clock.time = NOW + hours * 3600
        preempted.engine.rows = [row("PENDING", reason="BeginTime")]
        snapshot = observe_one(preempted.record, preempted.engine, preempted.clock)
        assert (snapshot.state, snapshot.terminal, snapshot.attempt) == ("PENDING", False, 0)
        assert (snapshot.cause, snapshot.exit_code, snapshot.signal, snapshot.ended_at) == (None, None, None, None)


def test_an_attempt_that_has_only_begun_is_not_what_the_earlier_one_was(preempted: World) -> None:
    """Its folder is there, its state is not yet."""
    begin(preempted, 1)
    preempted.engine.rows = [row("RUNNING", started_at=NOW - 1)]
    snapshot = observe_one(preempted.record, preempted.engine, preempted.clock)
    assert (snapshot.state, snapshot.terminal, snapshot.attempt) == ("RUNNING", False, None)
    preempted.engine.silent = True
    snapshot = observe_one(preempted.record, preempted.engine, preempted.clock)
    assert (snapshot.terminal, snapshot.exit_code) == (False, None)


def test_the_newest_attempt_is_the_job(preempted: World) -> None:
    """Its state, its end."""
    begin(preempted, 1)
    tell(preempted, 1, "COMPLETED", is_resume=True)
    snapshot = observe_one(preempted.record, preempted.engine, preempted.clock)
    assert (snapshot.state, snapshot.terminal, snapshot.attempt, snapshot.is_resume) == ("COMPLETED", True, 1, True)
    assert preempted.engine.counter.calls == {}


def test_an_earlier_attempt_is_shown_on_request(preempted: World) -> None:
    """One that is not there is a mistake of the caller."""
    log(preempted, 0, "first\n")
    begin(preempted, 1)
    log(preempted, 1, "second\n")
    sources = {number: service_logs(preempted.record, ["web"], attempt=number) for number in (None, 0, 1)}
    shown = {number: [line.text for line in read_logs(logs)] for number, logs in sources.items()}
    assert shown == {None: ["second"], 0: ["first"], 1: ["second"]}
    with pytest.raises(UsageError, match="no attempt 2"):
        attempt_paths(preempted.record, 2)


def test_without_attempts_there_is_none_to_choose(world: World) -> None:
    """The remedy names the key."""
    world.write_state()
    with pytest.raises(UsageError) as caught:
        attempt_paths(world.record, 0)
    assert "x-slurm.resume" in caught.value.remedy


def test_who_follows_a_log_goes_on_with_the_next_attempt(preempted: World) -> None:
    """After the last lines of the one before."""
    log(preempted, 0, "first\n")

    def switch() -> None:
        log(preempted, 0, "still unread\n")
        begin(preempted, 1)
        log(preempted, 1, "second\n")

    happenings = [
        lambda: log(preempted, 0, "last of the first\n"),
        switch,
        lambda: log(preempted, 1, "last\n"),
    ]
    is_over = once_each(happenings)
    found = follow_logs(service_logs(preempted.record, ["web"]), preempted.clock, is_over=is_over)
    told = [(line.text, line.is_note) for line in found]
    texts = ["first", "last of the first", "still unread", "attempt 1", "second", "last"]
    assert told == [(text, text == "attempt 1") for text in texts]


def test_who_follows_a_job_that_waits_sees_its_first_attempt(world: World) -> None:
    """There was no folder when the following began."""

    def start() -> None:
        begin(world, 0)
        log(world, 0, "first\n")

    is_over = once_each([start])
    found = follow_logs(service_logs(world.record, ["web"]), world.clock, is_over=is_over)
    assert [line.text for line in found] == ["first"]


def test_a_link_that_leads_elsewhere_is_a_fault_and_no_state(world: World, tmp_path: Path) -> None:
    """It is told, and the scheduler decides."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    world.paths.job_dir.mkdir(parents=True)
    world.write_state("COMPLETED")
    world.paths.state.path.rename(elsewhere / "state.json")
    world.paths.state.path.symlink_to(elsewhere / "state.json")
    files = read_job_files(world.record)
    assert files.state is None
    assert "state.json" in files.faults[0]


def test_a_link_in_place_of_an_attempt_is_a_fault_and_no_state(preempted: World, tmp_path: Path) -> None:
    """The folder behind it is not the job's."""
    attempt = preempted.paths.job_dir / "attempts/0"
    attempt.rename(tmp_path / "elsewhere")
    attempt.symlink_to(tmp_path / "elsewhere")
    files = read_job_files(preempted.record)
    assert (files.state, files.end) == (None, None)
    assert files.faults
