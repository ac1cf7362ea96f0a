"""A monitor that is killed at any step and started again tells every change once."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from compose_core.monitor.hook import Hook
from compose_core.records.job_record import JobRecord
from compose_core.records.monitor_rows import StateChange
from compose_core.records.monitor_state import MonitorState
from tests.core.monitor.world import GPU, MonitorWorld, Script

LOOKS = [
    ["PENDING", "PENDING"],
    ["RUNNING", "PENDING"],
    ["FAILED", "COMPLETED"],
]
_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.remove", "os.truncate", "time.sleep"}
_MOST_POINTS = 400


class Calls(Hook):
    """A command that notes for which change it was called."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(["true"], None, {})  # type: ignore[arg-type]
        self._descriptor = descriptor

    def call(self, change: StateChange) -> str:
        os.write(self._descriptor, f"{change.number}\n".encode())
        return ""


def killed_at(point: int, action: Callable[[], object]) -> bool:
    """The action in a process that is killed before its n-th change on disk; False: it had fewer."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_WRONLY)
            if event in _CHANGES or opens:
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            sys.addaudithook(hook)
            action()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}
    return status != 0


def run(world: MonitorWorld, looks: mmap.mmap, calls: int) -> None:
    """A monitor over jobs that move on whoever looks at them."""

    def count() -> int:
        number: int = struct.unpack("q", looks[:8])[0]
        looks[:8] = struct.pack("q", number + 1)
        return number

    found = [JobRecord.read(world.project.job_record(job_id)) for job_id in ("100", "101")]
    world.run(Script([record for record in found if record], LOOKS, count=count), hook=Calls(calls))


def test_killed_anywhere_nothing_is_lost_and_nothing_told_twice(tmp_path: Path) -> None:
    """Log, JSONL file and state file agree after the next monitor; each change reaches the command."""
    for point in range(1, _MOST_POINTS):
        folder = tmp_path / str(point)
        folder.mkdir()
        world = MonitorWorld(folder)
        world.add(2)
        world.usage["100"] = GPU
        looks = mmap.mmap(-1, 8)
        calls = os.open(folder / "calls", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        was_killed = killed_at(point, lambda: run(world, looks, calls))  # noqa: B023 - called at once
        if was_killed and not is_closed(world):
            run(world, looks, calls)
        check(world, point)
        called = {int(line) for line in (folder / "calls").read_text().splitlines()}
        assert called == {row["number"] for row in world.rows("STATE_CHANGE")}, point
        os.close(calls)
        if not was_killed:
            assert point > 30
            return
    raise AssertionError("the monitor has more steps than expected")


def is_closed(world: MonitorWorld) -> bool:
    """The killed monitor had nothing left to do but to end."""
    state = MonitorState.read(world.file)
    return state is not None and state.closed_at is not None


def check(world: MonitorWorld, point: int) -> None:
    """The records are whole, in order, and the same in both files."""
    rows = world.rows()
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1)), point
    for job_id in ("100", "101"):
        chain = [
            (row["previous"], row["current"])
            for row in rows
            if row["event"] == "STATE_CHANGE" and row["job_id"] == job_id
        ]
        assert [now for _, now in chain[:-1]] == [before for before, _ in chain[1:]], point
        assert (chain[0][0], chain[-1][1]) == ("PENDING", "FAILED" if job_id == "100" else "COMPLETED"), point
    assert sorted(row["job_id"] for row in rows if row["event"] == "COMPUTE_METRICS") == ["100", "101"], point
    assert len([row for row in rows if row["event"] == "ALL_COMPLETE"]) == 1, point
    heads = [line for line in world.log.read_text().splitlines() if line.startswith("[")]
    assert [line.split("] ")[1].split(":")[0] for line in heads] == [row["event"] for row in rows], point
