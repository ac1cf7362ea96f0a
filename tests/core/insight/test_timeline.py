"""Events of a run folded to how everything was at each moment."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.insight import run_records
from compose_core.insight.run_records import AttemptRecords
from compose_core.insight.timeline import Timeline
from compose_core.records.end_marker import EndMarker
from compose_core.records.events import Event
from compose_core.records.exits import ServiceExit
from compose_core.records.state import StateFile

T = 1_800_000_000.0


def event(at: float, kind: str, service: str | None = None, **fields: Any) -> Event:
    return Event(T + at, kind, service, {"at": T + at, "event": kind, "service": service, **fields})


def state(status: str = "COMPLETED", *services: dict[str, Any], **fields: Any) -> StateFile:
    return StateFile.model_validate({"job_id": "7", "job_status": status, "services": list(services), **fields})


def timeline(*events: Event, services: tuple[str, ...] = ("web", "db"), **fields: Any) -> Timeline:
    return Timeline([AttemptRecords(events=events, **fields)], services)


def statuses(line: Timeline, at: float) -> dict[str, str]:
    return {service.name: service.status for service in line.at(T + at).services}


RESTARTS = (
    event(0, "job_started", attempt=0),
    event(1, "started", "web", pid=40),
    event(3, "ready", "web"),
    event(10, "exited", "web", exit_code=2, signal=None, attempt=0),
    event(10, "backoff", "web", seconds=5, restart_count=1),
    event(15, "restarted", "web", pid=41, restart_count=1),
    event(20, "exited", "web", exit_code=0, signal=None, attempt=0),
    event(21, "finished", cause="completed", exit_code=0, job_status="COMPLETED"),
)
WEB = {"service_name": "web", "status": "exited", "readiness_configured": True, "restart_count": 1, "last_exit_code": 0}
DB = {"service_name": "db", "status": "skipped"}


def test_every_moment_of_a_restart_is_known() -> None:
    """Between two events everything is as after the first of them."""
    line = timeline(*RESTARTS, state=state("COMPLETED", WEB, DB, finished_at=T + 21))
    assert line.fidelity == "exact"
    assert statuses(line, -1) == statuses(line, 0.5) == {"web": "waiting", "db": "waiting"}
    assert statuses(line, 1)["web"] == "starting"
    assert statuses(line, 9.999)["web"] == "ready"
    assert statuses(line, 12)["web"] == "backoff"
    assert statuses(line, 16)["web"] == "starting"
    assert statuses(line, 20.5)["web"] == "exited"
    assert statuses(line, 99) == {"web": "exited", "db": "skipped"}
    web = line.at(T + 16).services[0]
    assert (web.restart_count, web.last_exit_code, web.pid, web.started_at) == (1, 2, 41, T + 15)
    assert (line.at(T - 1).job.state, line.at(T + 5).job.state, line.at(T + 30).job.state) == (
        "PENDING",
        "RUNNING",
        "COMPLETED",
    )


def test_the_end_marker_tells_why_the_job_ends_before_it_has_ended() -> None:
    """From that moment on."""
    end = EndMarker(job_id="7", cause="service_failed", service="web", exit_code=2, at=T + 10, message="exited with 2")
    line = timeline(
        event(0, "job_started", attempt=0),
        event(1, "started", "web"),
        event(10, "exited", "web", exit_code=2),
        event(12, "finished", exit_code=2, job_status="FAILED"),
        end=end,
    )
    assert [one.kind for one in line.events] == ["job_started", "started", "exited", "ends", "finished"]
    assert line.at(T + 9).job.why == ""
    assert line.at(T + 11).job.why == "service_failed: exited with 2"
    assert line.at(T + 12).job.exit_code == 2


@pytest.mark.parametrize(
    ("before", "code", "setting", "expected"),
    [
        ((), 0, {}, "exited"),
        ((), 3, {}, "failed"),
        ((), 3, {"failure_policy_mode": "ignore"}, "exited"),
        ((), 3, {"assertions": {"expected_exit_code": 3}}, "exited"),
        (("stopping",), 143, {}, "stopped"),
        (("readiness_failed", "stopping"), 143, {}, "failed"),
    ],
)
def test_an_exit_is_judged_as_the_supervisor_does(
    before: tuple[str, ...], code: int, setting: dict[str, Any], expected: str
) -> None:
    """While the run still goes on, and no record tells the result."""
    line = timeline(
        event(0, "job_started"),
        event(1, "started", "web"),
        *(event(2, kind, "web") for kind in before),
        event(3, "exited", "web", exit_code=code),
        state=state("RUNNING", {**WEB, "status": "running", "launcher_pid": 4, **setting}),
    )
    assert statuses(line, 3)["web"] == expected


def test_the_last_state_decides_how_the_last_exit_is_read() -> None:
    """A failure while the job was cancelled is no failure of the service."""
    line = timeline(*RESTARTS[:4], state=state("CANCELLED", {**WEB, "status": "stopped"}))
    assert statuses(line, 10)["web"] == "stopped"


def test_each_attempt_begins_anew() -> None:
    """Also one that writes into the same folder; times stay in order when the next host's clock is behind."""
    again = [event(-50, "job_started", attempt=1), event(-49, "started", "web")]
    line = Timeline([AttemptRecords(number=0, events=RESTARTS), AttemptRecords(number=1, events=again)], ("web", "db"))
    assert [one.at for one in line.events] == sorted(one.at for one in line.events)
    last = line.at(line.end)
    assert (last.job.attempt, last.services[0].status, last.services[0].restart_count) == (1, "running", 0)
    assert line.fidelity == "best-effort"
    same_folder = timeline(*RESTARTS[:6], event(30, "job_started", attempt=1), event(31, "started", "db"))
    assert statuses(same_folder, 30) == {"web": "waiting", "db": "waiting"}
    assert same_folder.at(T + 31).job.attempt == 1


def test_a_run_that_was_killed_ends_with_its_last_word() -> None:
    """What it said of itself last is how the last moment shows it."""
    web = {**WEB, "status": "ready", "launcher_pid": 41}
    line = timeline(*RESTARTS[:6], state=state("RUNNING", web, heartbeat_at=T + 100, updated_at=T + 100))
    assert (line.events[-1].kind, line.end) == ("last_seen", T + 100)
    assert statuses(line, 50)["web"] == "starting"
    assert statuses(line, 100)["web"] == "ready"
    assert line.at(line.end).job.state == "RUNNING"


def test_a_run_without_events_is_inferred() -> None:
    """From state.json and service-exits; what is inferred says so, event by event and moment by moment."""
    exits = {"web": [ServiceExit(T + 10, 2), ServiceExit(T + 12, 2), ServiceExit(T + 30, 0)]}
    web = {**WEB, "started_at": T + 15, "ready_at": T + 17, "finished_at": T + 30, "restart_count": 2}
    db = {"service_name": "db", "status": "stopped", "started_at": T + 2, "finished_at": T + 31, "last_exit_code": 143}
    known = state("COMPLETED", web, db, started_at=T, finished_at=T + 32, cause="completed", job_exit_code=0)
    line = Timeline([AttemptRecords(exits=exits, state=known)], ("web", "db"))
    assert [(one.at - T, one.kind, one.service, one.is_inferred) for one in line.events] == [
        (0, "job_started", None, False),
        (0, "started", "web", True),
        (2, "started", "db", False),
        (10, "exited", "web", False),
        (10, "restarted", "web", True),
        (12, "exited", "web", False),
        (15, "restarted", "web", False),
        (17, "ready", "web", False),
        (30, "exited", "web", False),
        (31, "exited", "db", True),
        (32, "finished", None, False),
    ]
    assert line.fidelity == "best-effort"
    assert "inferred" in line.notes[0]
    assert line.at(T + 5).note == "inferred: web"
    assert line.at(T + 11).services[0].is_inferred
    assert line.at(T + 20).services[0] == line.at(T + 20).services[0]._replace(
        status="ready", restart_count=2, is_inferred=False
    )
    assert line.at(T + 40).job.state == "COMPLETED"


def test_an_exit_that_no_event_tells_of_is_added() -> None:
    """The disk was full for one of the two lines."""
    exits = {"web": [ServiceExit(T + 10.3, 2), ServiceExit(T + 20, 0)], "db": [ServiceExit(T + 18, 9)]}
    line = timeline(*RESTARTS, exits=exits)
    assert [one.service for one in line.events if one.kind == "exited"] == ["web", "db", "web"]
    assert line.notes == ["1 exits stand in service-exits alone"]
    assert timeline(*RESTARTS, exits={"web": exits["web"]}).notes == []


def test_a_clock_that_is_set_back_does_not_change_the_order() -> None:
    """What is written later happened later."""
    line = timeline(RESTARTS[0], RESTARTS[1], event(-100, "ready", "web"), RESTARTS[3])
    assert [one.kind for one in line.events] == ["job_started", "started", "ready", "exited"]
    assert [one.at - T for one in line.events] == [0, 1, 1, 10]
    assert line.events[2].is_inferred


def test_of_too_many_events_the_last_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is said."""
    monkeypatch.setattr(run_records, "EVENTS_KEPT", 100)
    many = [event(number, "hook", "web", on="ready", exit_code=0) for number in range(250)]
    line = timeline(RESTARTS[0], *many)
    assert (len(line.events), line.begin) == (100, T + 150)
    assert line.notes == ["the first 151 events are left out"]


def long_run(count: int) -> Timeline:
    dice = random.Random(7)
    events, at = [event(0, "job_started", attempt=0)], 0.0
    for number in range(count):
        at += dice.choice((0.0, 0.5, 3.0))
        kind = dice.choice(("started", "ready", "exited", "backoff", "restarted", "stopping", "job_started"))
        kind = kind if kind != "job_started" or dice.random() < 0.1 else "hook"
        events.append(event(at, kind, dice.choice(("web", "db")), exit_code=number % 3, restart_count=number))
    return timeline(*events)


def test_a_look_at_any_moment_gives_what_playing_up_to_it_gives() -> None:
    """However far apart the moments are whose states are kept."""
    line = long_run(1500)
    frames = list(line.frames(len(line.events)))
    assert [frame.index for frame in frames] == list(range(len(line.events)))
    for index in (0, 1, 254, 255, 256, 257, 511, 512, 513, 1000, 1500):
        assert line.frame(index) == frames[index]
    for frame in frames[::37]:
        last_of_moment = line.at(frame.at)
        assert last_of_moment == frames[last_of_moment.index]
        assert last_of_moment.index >= frame.index


@pytest.mark.parametrize("most", [0, 1, 2, 7, 100, 1501, 5000])
def test_frames_can_be_fewer_than_events(most: int) -> None:
    """The first and the last are among them."""
    line = long_run(1500)
    indexes = [frame.index for frame in line.frames(most)]
    assert len(indexes) == min(most, 1501)
    assert indexes == sorted(set(indexes))
    if most > 1:
        assert (indexes[0], indexes[-1]) == (0, 1500)


ANY = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@given(
    rows=st.lists(
        st.tuples(
            st.floats(allow_nan=True),
            st.sampled_from(["started", "exited", "finished", "backoff", "job_started", "ready", "x" * 1000]),
            st.none() | st.sampled_from(["web", "\x1b[2J", ""]),
            st.dictionaries(
                st.sampled_from(["exit_code", "pid", "restart_count", "job_status", "attempt", "seconds"]), ANY
            ),
        ),
        max_size=12,
    ),
    exits=st.lists(st.floats(), max_size=3),
)
def test_whatever_stands_in_the_files_there_is_a_timeline(rows: list[Any], exits: list[float]) -> None:
    """A container may write there; nothing raises, and time does not run backwards."""
    events = [Event(at, kind, service, fields) for at, kind, service, fields in rows]
    line = timeline(*events, exits={"web": [ServiceExit(at) for at in exits]}, state=state("RUNNING", WEB))
    times = [one.at for one in line.events]
    assert times == sorted(times)
    for frame in line.frames(100):
        assert line.at(frame.at).at == frame.at
