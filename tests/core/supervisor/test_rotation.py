"""Rotation of a service's log: nothing is lost, and the disk is bounded."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose_core.supervisor.files import JobFolder
from compose_core.supervisor.rotation import ServiceLogs
from compose_core.supervisor.service import Service
from tests.core.supervisor.world import World, service, until

LIMIT = 1000
NO_DESCRIPTOR = 10**6


class Logs:
    """The logs of one service in a folder, with what they hold."""

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder = folder
        self.service = Service(service("app"), 0)
        job = JobFolder(str(folder), os.open(folder, os.O_RDONLY))
        self.rotated = ServiceLogs(job, {"max_bytes": LIMIT, "keep": keep}, lambda: None)
        self.rotated.open([self.service])
        self.writer = self.rotated.writer(self.service)

    def write(self, data: bytes) -> None:
        """Output of the service."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.writer, view) :]

    def files(self) -> list[bytes]:
        """The contents, the oldest first."""
        names = sorted(
            (path.name for path in (self.folder / "logs").glob("app.log*")),
            key=lambda name: -int(name.rpartition(".log")[2].lstrip(".") or 0),
        )
        return [(self.folder / "logs" / name).read_bytes() for name in names]

    def index(self) -> list[dict[str, Any]]:
        """The rows of the time index."""
        path = self.folder / "logs" / "app.idx.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def open_descriptors() -> int:
    """How many this process holds."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    opened = Logs(tmp_path)
    yield opened
    opened.rotated.close()


def test_every_byte_of_the_kept_files_is_there_in_its_order(logs: Logs) -> None:
    written = b"".join(b"line %d\n" % number for number in range(400))
    for start in range(0, len(written), 333):
        logs.write(written[start : start + 333])
    logs.rotated.settle(logs.service)
    files = logs.files()
    assert b"".join(files) == written[-sum(map(len, files)) :]
    assert len(files) == 4
    assert all(len(content) <= LIMIT for content in files)
    assert logs.service.log_bytes == len(written)


def test_a_file_ends_with_a_line_where_it_can(logs: Logs) -> None:
    logs.write(b"0123456789\n" * 300)
    logs.rotated.settle(logs.service)
    assert [len(content) for content in logs.files()] == [990, 990, 990, 330]


def test_a_line_longer_than_a_file_is_cut(logs: Logs) -> None:
    logs.write(b"a\n" + b"x" * 2500 + b"\nend\n")
    logs.rotated.settle(logs.service)
    files = logs.files()
    assert [len(content) for content in files] == [2, 1000, 1000, 505]
    assert b"".join(files) == b"a\n" + b"x" * 2500 + b"\nend\n"


def test_the_index_tells_where_each_file_begins(logs: Logs) -> None:
    logs.write(b"0123456789\n" * 200)
    logs.rotated.settle(logs.service)
    begins = {row["file"]: row["offset"] for row in logs.index()}
    now = (logs.folder / "logs" / "app.log").stat()
    before = (logs.folder / "logs" / "app.log.1").stat()
    assert (begins[before.st_ino], begins[now.st_ino]) == (990, 1980)
    assert now.st_size == 220


def test_a_later_attempt_goes_on_counting(logs: Logs) -> None:
    logs.write(b"0123456789\n" * 200)
    logs.rotated.settle(logs.service)
    logs.rotated.close()
    again = Logs(logs.folder)
    again.write(b"more\n")
    again.rotated.settle(again.service)
    again.rotated.close()
    assert again.service.log_bytes == 2205


def test_a_readiness_check_sees_the_lines_of_every_file(logs: Logs) -> None:
    """However often the log was rotated between two looks."""
    logs.write(b"before\n")
    logs.rotated.settle(logs.service)
    tail = logs.rotated.follow(logs.service)
    logs.write(b"".join(b"%d\n" % number for number in range(2000)))
    logs.rotated.settle(logs.service)
    found: list[str] = []
    while tail.is_behind:
        found += tail.read_lines()
    assert found == [str(number) for number in range(2000)]
    descriptors = open_descriptors()
    tail.close()
    assert open_descriptors() < descriptors
    logs.write(b"x\n" * 2000)
    logs.rotated.settle(logs.service)
    assert open_descriptors() < descriptors


def test_a_full_disk_costs_lines_and_never_stops_the_service(logs: Logs, capfd: pytest.CaptureFixture[str]) -> None:
    """No new file can be made: the old one goes on."""
    (logs.folder / "logs" / ".app.log.new").mkdir()
    logs.write(b"0123456789\n" * 500)
    logs.rotated.settle(logs.service)
    assert b"".join(logs.files()) == b"0123456789\n" * 500
    assert "the log of app cannot be written, the file goes on" in capfd.readouterr().err


def test_a_log_that_a_file_server_has_lost_never_stops_the_service(
    logs: Logs, capfd: pytest.CaptureFixture[str]
) -> None:
    """The pipe is emptied all the same, for a service that nobody reads from would stand still."""
    log = logs.rotated._rotated["app"]
    os.close(log._file)
    log._file = NO_DESCRIPTOR  # from now on every call fails, as for a stale handle
    logs.write(b"x\n")
    logs.rotated.settle(logs.service)
    assert log.pending() == 0
    assert "the log of app cannot be written, output is lost" in capfd.readouterr().err


def test_a_file_that_reports_an_error_when_it_is_closed_is_left_behind(
    logs: Logs, capfd: pytest.CaptureFixture[str]
) -> None:
    """Some file servers tell of a full disk only then; the next output belongs into the new file."""
    log = logs.rotated._rotated["app"]
    logs.write(b"0123456789\n" * 90)
    logs.rotated.settle(logs.service)
    with log.lock:
        os.close(log._file)
        log._file = NO_DESCRIPTOR
        log._rotate()
    logs.write(b"after\n")
    logs.rotated.settle(logs.service)
    assert logs.files() == [b"0123456789\n" * 90, b"after\n"]
    assert "the log of app cannot be written" in capfd.readouterr().err


def test_what_is_in_the_pipe_at_the_end_is_written(tmp_path: Path) -> None:
    logs = Logs(tmp_path, keep=200)
    written = b"0123456789\n" * 10_000
    threading.Thread(target=logs.write, args=(written,)).start()
    until(lambda: (logs.service.log_bytes or 0) > 50_000)
    logs.rotated.settle(logs.service)
    logs.rotated.close()
    assert b"".join(logs.files()) == written


def test_a_job_rotates_its_logs_and_tells_of_it(world: World) -> None:
    """The service sees a pipe, its hooks write to the same log, and readiness is met by a line that came after a rotation."""
    body = "for i in {1..400}; do echo line $i; done; echo up; sleep 0.3; exit 3"
    code, job = world.run(
        service(
            "app", body, readiness={"type": "log", "pattern": "^up$", "timeout_s": 20},
            hooks=[{"on": "exit", "script": "echo hooked"}],
        ),
        logs={"max_bytes": LIMIT, "keep": 2},
    )  # fmt: skip
    assert code == 3
    assert job.log("app").endswith("line 400\nup\nhooked\n")
    assert job.events("ready")
    assert sorted(path.name for path in (job.folder / "logs").glob("*.log*")) == ["app.log", "app.log.1", "app.log.2"]
    rotated = job.events("log_rotated")
    assert [row["service"] for row in rotated] == ["app"] * 3
    assert all(0 < row["bytes"] <= LIMIT for row in rotated)


def test_ten_megabytes_a_second_are_no_trouble(world: World) -> None:
    """The last files hold the last lines; nothing in between is missing."""
    body = "head -c 20000000 /dev/zero | tr '\\0' x | fold -w 99 | awk '{print NR, $0}'; sleep 0.1"
    code, job = world.run(service("app", body), logs={"max_bytes": 1_000_000, "keep": 3})
    numbers: list[int] = []
    for name in ("app.log.3", "app.log.2", "app.log.1", "app.log"):
        content = (job.folder / "logs" / name).read_bytes()
        assert len(content) <= 1_000_000
        numbers += [int(line.split()[0]) for line in content.splitlines()]
    assert code == 0
    assert numbers == list(range(numbers[0], 202022))
    assert job.lines("logs/app.idx.jsonl")[-1]["offset"] > 21_000_000
