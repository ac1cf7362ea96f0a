from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace

import pytest

from compose_core.cluster.process_identity import Life, ProcessIdentity, start_ticks

HOST = "here"


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "300"])


def _identity(pid: int) -> ProcessIdentity:
    found = ProcessIdentity.of(pid, host=HOST)
    assert found is not None
    return found


def test_a_running_process_is_alive_and_dead_once_killed_even_before_it_is_reaped() -> None:
    child = _sleeper()
    identity = _identity(child.pid)
    assert identity.life(host=HOST) is Life.ALIVE
    assert identity.send(signal.SIGKILL, host=HOST)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identity.life(host=HOST) is Life.DEAD
    child.wait()
    assert identity.life(host=HOST) is Life.DEAD


def test_another_process_with_the_same_pid_is_not_taken_for_it() -> None:
    me = _identity(os.getpid())
    earlier = replace(me, start_ticks=me.start_ticks - 1)
    assert earlier.life(host=HOST) is Life.DEAD
    assert not earlier.send(signal.SIGKILL, host=HOST)


def test_a_process_of_an_earlier_boot_is_dead() -> None:
    assert replace(_identity(os.getpid()), boot_id="earlier").life(host=HOST) is Life.DEAD


def test_of_another_hosts_process_nothing_is_claimed() -> None:
    identity = _identity(os.getpid())
    assert identity.life(host="elsewhere") is Life.UNKNOWN
    assert not identity.send(signal.SIGKILL, host="elsewhere")


def test_a_process_that_is_not_there_has_no_identity() -> None:
    child = _sleeper()
    child.kill()
    child.wait()
    assert ProcessIdentity.of(child.pid, host=HOST) is None
    assert start_ticks(child.pid) is None


def test_it_reads_back_what_it_wrote() -> None:
    identity = _identity(os.getpid())
    assert ProcessIdentity.from_json(identity.as_json()) == identity


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {},
        {"pid": "1", "start_ticks": 1, "boot_id": "b", "host": "h"},
        {"pid": True, "start_ticks": 1, "boot_id": "b", "host": "h"},
        {"pid": 1, "start_ticks": 1, "boot_id": "b", "host": "h"},
        {"pid": -1, "start_ticks": 1, "boot_id": "b", "host": "h"},
    ],
)
def test_a_record_that_names_no_process_gives_none(fields: object) -> None:
    """Pid 1 and the negative ones above all: a signal to them would hit everything."""
    assert ProcessIdentity.from_json(fields) is None
