"""The newest output of a log, look by look: nothing twice, nothing lost unsaid, and never much in memory."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.records.our_path import OurPath
from compose_core.tracking import newest_lines
from compose_core.tracking.log_lines import LINE_BYTES
from compose_core.tracking.log_source import LogSource, service_logs
from compose_core.tracking.newest_lines import NewestLines
from tests.core.tracking.test_attempts import begin, log, tell
from tests.core.tracking.test_rotated_log import Writer, numbered
from tests.core.tracking.world import World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "app.log"


def source(path: Path) -> LogSource:
    """The log alone, without a time index."""
    return LogSource(name="app", path=OurPath(path.parent) / path.name)


def append(path: Path, data: bytes) -> None:
    """More output."""
    with path.open("ab") as stream:
        stream.write(data)


def texts(log: NewestLines) -> list[str]:
    """The lines of one look."""
    return [line.text for line in log.look().lines]


def test_each_look_gives_what_is_new(path: Path) -> None:
    newest = NewestLines(source(path), most_lines=100)
    assert texts(newest) == []
    append(path, b"one\ntwo\n")
    assert texts(newest) == ["one", "two"]
    assert texts(newest) == []
    append(path, b"three\n")
    assert texts(newest) == ["three"]


def test_the_first_look_gives_the_last_lines_of_what_is_there(path: Path) -> None:
    append(path, b"".join(b"line %d\n" % number for number in range(200_000)))
    output = NewestLines(source(path), most_lines=50).look()
    assert [line.text for line in output.lines] == [f"line {number}" for number in range(199_950, 200_000)]
    assert output.skipped == 0, "nobody missed what was there before"


def test_lines_that_come_too_fast_are_counted(path: Path) -> None:
    """Each line is shown or counted, once."""
    newest = NewestLines(source(path), most_lines=100, kept_bytes=4096)
    newest.look()
    shown = skipped = number = 0
    for count in (3, 50_000, 1, 2_000, 90):
        append(path, b"".join(b"line %08d\n" % (number + step) for step in range(count)))
        number += count
        output = newest.look()
        shown, skipped = shown + len(output.lines), skipped + output.skipped
        assert output.lines[-1].text == f"line {number - 1:08d}"
        assert shown + skipped == number


def test_more_than_can_be_counted_is_left_out_by_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_lines, "COUNTED_BYTES", 10_000)
    newest = NewestLines(source(path), most_lines=100, kept_bytes=1000)
    newest.look()
    append(path, b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * 500)
    output = newest.look()
    assert [(line.text, line.is_note) for line in output.lines[:1]] == [("47.9 KiB left out", True)]
    assert {line.text for line in output.lines[1:]} == {"y" * 99}


def test_a_look_holds_little_of_a_large_log_in_memory(path: Path) -> None:
    newest = NewestLines(source(path), most_lines=100)
    newest.look()
    with path.open("wb") as stream:
        for _ in range(40):
            stream.write((b"z" * 99 + b"\n") * 10_000)
    tracemalloc.start()
    newest.look()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


def test_the_beginning_of_a_line_is_known_before_its_end(path: Path) -> None:
    """A prompt, or a progress bar that writes over itself."""
    newest = NewestLines(source(path), most_lines=100)
    append(path, b"done\n10%\r20%\r30%")
    output = newest.look()
    assert ([line.text for line in output.lines], output.open_line) == (["done"], "30%")
    append(path, b"\r40%\n")
    output = newest.look()
    assert ([line.text for line in output.lines], output.open_line) == (["40%"], "")


def test_an_endless_line_is_cut(path: Path) -> None:
    newest = NewestLines(source(path), most_lines=100)
    for _ in range(30):
        append(path, b"a" * 100_000)
        assert len(newest.look().open_line) <= LINE_BYTES
    append(path, b"\nshort\n")
    first, second = newest.look().lines
    assert (first.is_cut, second.text) == (True, "short")


def test_a_truncated_log_is_read_from_its_beginning(path: Path) -> None:
    newest = NewestLines(source(path), most_lines=100)
    append(path, b"before\n" * 5)
    newest.look()
    path.write_bytes(b"after\n")
    output = newest.look()
    assert [(line.text, line.is_note) for line in output.lines][1:] == [("after", False)]
    assert output.lines[0].is_note


def test_a_rotated_log_is_read_on_in_the_files_it_was_rotated_to(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    newest = NewestLines(writer.source, most_lines=100)
    newest.look()
    writer.write(numbered(0, 7))
    assert [int(text) for text in texts(newest)] == list(range(7))
    writer.write(numbered(7, 25))
    assert [int(text) for text in texts(newest)] == list(range(7, 25))


def test_a_new_attempt_goes_on_in_the_same_pane(world: World) -> None:
    begin(world, 0)
    tell(world, 0, "RUNNING")
    newest = NewestLines(service_logs(world.record)[0], most_lines=100)
    log(world, 0, "first\n")
    assert texts(newest) == ["first"]
    log(world, 0, "last words\nunfinished")
    begin(world, 1)
    tell(world, 1, "RUNNING")
    log(world, 1, "again\n")
    assert texts(newest) == ["last words", "unfinished", "attempt 1", "again"]
    assert texts(newest) == []


def test_what_cannot_be_read_is_said_once(path: Path, tmp_path: Path) -> None:
    """The service replaced its log by a link to somewhere else."""
    (tmp_path / "secret").write_text("secret\n")
    path.symlink_to(tmp_path / "secret")
    newest = NewestLines(source(path), most_lines=100)
    (note,) = newest.look().lines
    assert note.is_note
    assert "secret\n" not in note.text
    assert newest.look().lines == ()


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(1, 40))
def test_any_bytes_in_any_pieces_are_lines(pieces: list[bytes], kept_bytes: int) -> None:
    """What is shown and what is counted is what was written, however it was cut."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.log"
        path.touch()
        newest = NewestLines(source(path), most_lines=1000, kept_bytes=kept_bytes)
        newest.look()
        seen = 0
        for piece in pieces:
            append(path, piece)
            output = newest.look()
            seen += len(output.lines) + output.skipped
        assert seen == b"".join(pieces).count(b"\n")
