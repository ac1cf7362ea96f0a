"""One export at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.cluster.process_identity import boot_id
from compose_core.errors import HpccError
from compose_core.records.our_path import OurPath
from compose_core.tracking.work_lock import work_lock
from tests.core.tracking.world import TestClock


@pytest.fixture
def lock(tmp_path: Path) -> OurPath:
    return OurPath(tmp_path) / ".hpc-compose-export.lock"


def hold(lock: OurPath, **changes: object) -> None:
    holder = {"pid": 2**22 - 1, "start_ticks": 1, "boot_id": boot_id(), "host": "login1", **changes}
    lock.path.write_text(json.dumps(holder))


def test_the_lock_is_held_and_given_back(lock: OurPath) -> None:
    """Also when the block fails."""

    def fail() -> None:
        with work_lock(lock, TestClock(), host="login1"):
            assert lock.path.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(lock.folder.path.iterdir()) == []


def test_a_second_holder_waits_and_gives_up(lock: OurPath) -> None:
    """The first one lives."""
    clock = TestClock()
    started = clock.now()
    with (
        work_lock(lock, clock, host="login1"),
        pytest.raises(HpccError, match="going on") as caught,
        work_lock(lock, clock, host="login1"),
    ):
        pass
    assert caught.value.code == "export-locked"
    assert clock.now() - started >= 30


@pytest.mark.parametrize("changes", [{}, {"boot_id": "an earlier boot"}])
def test_a_dead_holder_is_passed_over(lock: OurPath, changes: dict[str, object]) -> None:
    """Its process or its whole boot is gone."""
    hold(lock, **changes)
    with work_lock(lock, TestClock(), host="login1"):
        assert json.loads(lock.path.read_text())["pid"] != 2**22 - 1
    assert list(lock.folder.path.iterdir()) == []


@pytest.mark.parametrize("content", ['{"host": "login2", "pid": 5, "start_ticks": 1, "boot_id": "b"}', "{", "[]"])
def test_a_holder_that_is_not_provably_dead_is_respected(lock: OurPath, content: str) -> None:
    """It may work on another host."""
    lock.path.write_text(content)
    with pytest.raises(HpccError, match="going on"), work_lock(lock, TestClock(), host="login1"):
        pass
    assert lock.path.read_text() == content
