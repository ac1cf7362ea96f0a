"""Logs that are rotated while they are read."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from compose_core.records.our_path import OurPath
from compose_core.supervisor.files import JobFolder
from compose_core.supervisor.rotation import RotatedLog
from compose_core.supervisor.service import Service
from compose_core.testing import FakeClock
from compose_core.tracking.log_source import LogSource
from compose_core.tracking.service_logs import follow_logs, read_logs


class Writer:
    """A service whose log is rotated."""

    def __init__(self, folder: Path, max_bytes: int = 100, keep: int = 3) -> None:
        description = {"name": "app", "token": "app", "step_name": "app"}
        self.service = Service(description, 0)
        self.log = RotatedLog(JobFolder(str(folder), os.open(folder, os.O_RDONLY)), self.service, max_bytes, keep)
        logs = OurPath(folder) / "logs"
        self.source = LogSource(name="app", path=logs / "app.log", index=logs / "app.idx.jsonl")

    def write(self, text: str) -> None:
        """Output of the service, copied at once."""
        os.write(self.log.writer, text.encode())
        self.log.pump()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


def numbered(first: int, last: int) -> str:
    """Lines of ten bytes."""
    return "".join(f"{number:09d}\n" for number in range(first, last))


def test_the_last_lines_are_found_over_files(writer: Writer) -> None:
    writer.write(numbered(0, 33))
    assert [int(line.text) for line in read_logs([writer.source], lines=15)] == list(range(18, 33))
    assert [int(line.text) for line in read_logs([writer.source], lines=None)] == list(range(33))
    writer.write(numbered(33, 63))
    assert [int(line.text) for line in read_logs([writer.source], lines=None)] == list(range(30, 63))
    assert [line.text for line in read_logs([writer.source], grep="0031$")] == ["000000031"]


def test_a_moment_is_found_over_files(writer: Writer) -> None:
    """Offsets of the time index count from the first byte the log ever got."""
    index = writer.source.index
    assert index is not None
    writer.write(numbered(0, 65))
    rows = [json.loads(line) for line in index.path.read_text().splitlines()]
    noted = [*({**row, "at": row["offset"] / 20} for row in rows)]
    noted += [{"at": 21.5, "offset": 430}, {"at": 30.5, "offset": 610}]
    index.path.write_text("".join(json.dumps(row) + "\n" for row in noted))
    assert [int(line.text) for line in read_logs([writer.source], lines=None, since=22)] == list(range(43, 65))
    assert [int(line.text) for line in read_logs([writer.source], since=22, until=28)] == list(range(43, 60))
    assert [int(line.text) for line in read_logs([writer.source], lines=None, since=35)] == list(range(61, 65))
    assert [int(line.text) for line in read_logs([writer.source], lines=None, since=0.2)] == list(range(30, 65))


def followed(writer: Writer, steps: list[Callable[[], None]], lines: int | None = None) -> list[str]:
    """What a follower shows while these things happen, one between two looks."""
    todo = list(steps)

    def is_over() -> bool:
        if todo:
            todo.pop(0)()
        return not todo

    return [line.text for line in follow_logs([writer.source], FakeClock(), is_over=is_over, lines=lines)]


def test_a_follower_misses_nothing_over_rotations(writer: Writer) -> None:
    """None, one or two between two looks, a line cut by the end of a look included."""
    writer.write(numbered(0, 25))
    steps = [
        lambda: writer.write(numbered(25, 28)),
        lambda: writer.write(numbered(28, 31) + "0000"),
        lambda: writer.write("00031\n" + numbered(32, 55)),
        lambda: None,
    ]
    assert [int(text) for text in followed(writer, steps)] == list(range(55))


def test_a_follower_says_when_it_was_too_slow(writer: Writer) -> None:
    writer.write(numbered(0, 5))
    shown = followed(writer, [lambda: writer.write(numbered(5, 100))])
    assert shown[:6] == [*numbered(0, 5).split(), "lines are missing here: the log was rotated faster than it was read"]
    assert [int(text) for text in shown[6:]] == list(range(60, 100))


@pytest.mark.parametrize("seed", range(20))
def test_any_pieces_at_any_time_come_out_in_order(tmp_path: Path, seed: int) -> None:
    """Never a byte twice, never one lost, as long as the reader keeps up."""
    dice = random.Random(seed)
    writer = Writer(tmp_path, max_bytes=dice.randrange(20, 200), keep=500)
    text = "".join("x" * dice.randrange(60) + "\n" for _ in range(200))
    steps: list[Callable[[], None]] = []
    position = 0
    while position < len(text):
        piece = text[position : position + dice.randrange(1, 400)]
        position += len(piece)
        steps.append(lambda piece=piece: writer.write(piece))  # type: ignore[misc]
    assert followed(writer, steps) == text.splitlines()
    assert [line.text for line in read_logs([writer.source], lines=None)] == text.splitlines()


def test_between_two_names_the_log_is_still_found(writer: Writer) -> None:
    """A rotation renames twice."""
    writer.write(numbered(0, 5))
    log = writer.source.path.path
    log.rename(log.with_name("app.log.1"))
    assert [int(line.text) for line in read_logs([writer.source], lines=None)] == list(range(5))
