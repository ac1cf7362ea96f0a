"""Logs as they were at an earlier moment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from compose_core.records.our_path import OurPath
from compose_core.supervisor.files import JobFolder
from compose_core.supervisor.rotation import RotatedLog
from compose_core.supervisor.service import Service
from compose_core.tracking.log_history import LogHistory, merged
from compose_core.tracking.log_source import LogSource


class Log:
    """A log that grows, with its index."""

    def __init__(self, folder: Path, name: str) -> None:
        logs = OurPath(folder) / "logs"
        logs.path.mkdir(exist_ok=True)
        self.source = LogSource(name=name, path=logs / f"{name}.log", index=logs / f"{name}.idx.jsonl")

    def write(self, at: float, text: str) -> None:
        """Output that the index counts at this time."""
        with self.source.path.path.open("a") as stream:
            stream.write(text)
        assert self.source.index is not None
        with self.source.index.path.open("a") as stream:
            stream.write(json.dumps({"at": at, "offset": self.source.path.path.stat().st_size}) + "\n")


@pytest.fixture
def web(tmp_path: Path) -> Log:
    log = Log(tmp_path, "web")
    log.write(10, "one\n")
    log.write(20, "two\nthr")
    log.write(30, "ee\nfour\n")
    return log


def texts(history: LogHistory, at: float, *, is_end: bool = False) -> list[str]:
    return [line.text for _, line in history.at(at, 100, is_end=is_end)]


def test_nothing_of_the_future_is_shown(web: Log) -> None:
    """What was there at a moment is known to the interval of the index; a line that had no end had none."""
    history = LogHistory(web.source)
    assert [texts(history, at) for at in (9, 10, 19.9, 20, 99)] == [
        [],
        ["one"],
        ["one"],
        ["one", "two", "thr"],
        ["one", "two", "three", "four"],
    ]
    assert [line.text for _, line in history.at(20, 2)] == ["two", "thr"]
    assert (history.place(19), history.place(20), history.place(25)) == (1, 2, 2)


def test_the_end_of_the_run_shows_what_no_row_counts(web: Log) -> None:
    """A supervisor that was killed wrote no last row."""
    with web.source.path.path.open("a") as stream:
        stream.write("last\n")
    assert texts(LogHistory(web.source), 99)[-1] == "four"
    assert texts(LogHistory(web.source), 99, is_end=True)[-1] == "last"


def test_without_an_index_the_end_of_the_log_is_shown_with_a_note(web: Log) -> None:
    """It is of no known time."""
    assert web.source.index is not None
    web.source.index.path.unlink()
    history = LogHistory(web.source)
    assert not history.is_timed
    found = history.at(5, 2)
    assert [(line.text, line.is_note) for _, line in found][1:] == [("three", False), ("four", False)]
    assert found[0][1].is_note


def test_several_logs_are_shown_in_the_order_of_their_times(web: Log, tmp_path: Path) -> None:
    """As far as the indexes tell."""
    db = Log(tmp_path, "db")
    db.write(5, "a\n")
    db.write(15, "b\n")
    db.write(35, "c\n")
    logs = [LogHistory(web.source), LogHistory(db.source)]
    assert [line.text for line in merged(logs, 99, 100)] == ["a", "one", "b", "two", "three", "four", "c"]
    assert [line.text for line in merged(logs, 15, 2)] == ["one", "b"]


def test_a_rotated_log_is_looked_at_as_one(tmp_path: Path) -> None:
    """Offsets count all bytes that it ever got, those included that are gone."""
    service = Service({"name": "app", "token": "app", "step_name": "app"}, 0)
    log = RotatedLog(JobFolder(str(tmp_path), os.open(tmp_path, 0)), service, 100, 2)
    logs = OurPath(tmp_path) / "logs"
    source = LogSource(name="app", path=logs / "app.log", index=logs / "app.idx.jsonl")
    for number in range(50):
        os.write(log.writer, f"{number:09d}\n".encode())
        log.pump()
        assert source.index is not None
        with source.index.path.open("a") as stream:
            stream.write(json.dumps({"at": 4e9 + number, "offset": 10 * (number + 1)}) + "\n")
    history = LogHistory(source)
    assert [int(text) for text in texts(history, 4e9 + 35)] == list(range(20, 36))
    assert [int(text) for text in texts(history, 4e9 + 99)] == list(range(20, 50))
    assert texts(history, 4e9 + 5) == []


def test_a_planted_log_or_index_is_told_and_not_read(web: Log, tmp_path: Path) -> None:
    """It would show what the reader can read elsewhere."""
    (tmp_path / "secret").write_text("secret\n")
    web.source.path.path.unlink()
    web.source.path.path.symlink_to(tmp_path / "secret")
    (line,) = [line for _, line in LogHistory(web.source).at(99, 10)]
    assert line.is_note
    assert web.source.index is not None
    web.source.index.path.unlink()
    web.source.index.path.symlink_to(tmp_path / "secret")
    (line,) = [line for _, line in LogHistory(web.source).at(99, 10)]
    assert line.is_note
