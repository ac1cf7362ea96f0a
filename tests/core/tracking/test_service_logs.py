"""Lines of logs, however large and however odd."""

from __future__ import annotations

import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.errors import RecordError, UsageError
from compose_core.records.our_path import OurPath
from compose_core.tracking.log_lines import LINE_BYTES, LogLine
from compose_core.tracking.log_source import LogSource, batch_log, service_logs
from compose_core.tracking.service_logs import follow_logs, prefix_width, read_logs
from tests.core.tracking.world import NOW, OTHER_TOKEN, World


@pytest.fixture
def source(tmp_path: Path) -> LogSource:
    (tmp_path / "logs").mkdir()
    folder = OurPath(tmp_path) / "logs"
    return LogSource(name="web", path=folder / "web.log", index=folder / "web.idx.jsonl")


def texts(source: LogSource, **options: object) -> list[str]:
    return [line.text for line in read_logs([source], **options)]  # type: ignore[arg-type]


def test_the_last_lines_are_shown(source: LogSource) -> None:
    """With or without an end of the last one."""
    source.path.path.write_bytes(b"".join(b"%d\n" % number for number in range(1000)))
    assert texts(source, lines=3) == ["997", "998", "999"]
    with source.path.path.open("ab") as stream:
        stream.write(b"open")
    assert texts(source, lines=2) == ["999", "open"]
    assert len(texts(source, lines=None)) == 1001
    assert len(texts(source)) == 100
    assert texts(source, lines=0) == []


@given(content=st.binary(max_size=400) | st.text("a\n", max_size=60).map(str.encode), lines=st.integers(0, 12))
def test_the_tail_is_the_end_of_all_lines(tmp_path_factory: pytest.TempPathFactory, content: bytes, lines: int) -> None:
    """Whatever the bytes are."""
    path = tmp_path_factory.mktemp("logs") / "a.log"
    path.write_bytes(content)
    source = LogSource(name="a", path=OurPath(path.parent) / path.name)
    every = texts(source, lines=None)
    assert len(every) == content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
    assert texts(source, lines=lines) == (every[-lines:] if lines else [])


def test_a_log_that_is_not_there_has_no_lines(source: LogSource) -> None:
    """The service has not started."""
    assert texts(source) == []


def test_a_huge_log_is_read_in_little_memory(source: LogSource) -> None:
    """Ten gigabytes of nothing, and one line of a gigabyte."""
    with source.path.path.open("wb") as stream:
        stream.truncate(10 * 2**30)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\nlast\n")
    tracemalloc.start()
    try:
        assert texts(source, lines=1) == ["last"]
        (cut, last) = list(read_logs([source], lines=2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (cut.is_cut, len(cut.text), last.text) == (True, LINE_BYTES, "last")
    assert peak < 8 * 2**20


def test_bytes_that_are_no_text_are_replaced(source: LogSource) -> None:
    """Never an error; carriage returns leave what a terminal would have left."""
    source.path.path.write_bytes(b"caf\xc3\xa9 \xff\n10%\r50%\r100%\r\n\x00\n")
    assert texts(source) == ["café \ufffd", "100%", "\0"]


def test_grep_keeps_the_last_matching_lines(source: LogSource) -> None:
    """It looks at the whole log."""
    source.path.path.write_bytes(b"".join(b"%d\n" % number for number in range(1000)))
    assert texts(source, grep="^99?$") == ["9", "99"]
    assert texts(source, grep="7", lines=2) == ["987", "997"]
    with pytest.raises(UsageError, match="regular expression"):
        texts(source, grep="(")


def test_a_moment_is_found_by_the_time_index(source: LogSource) -> None:
    """Exact to its interval; the line that was being written belongs to it."""
    source.path.path.write_bytes(b"one\ntwo\nthree\nfour\n")
    assert source.index is not None
    source.index.path.write_text(
        '{"at": 10, "offset": 4}\n{"at": 20, "offset": 10}\n{"at": 30, "offset": 19}\nnonsense\n{"at": 40}\n'
        '{"at": "x", "offset": 1}\n{"at": 5, "offset": -7}\n'
    )
    assert texts(source, since=10) == ["two", "three", "four"]
    assert texts(source, since=25) == ["three", "four"]
    assert texts(source, since=5) == ["one", "two", "three", "four"]
    assert texts(source, until=10) == ["one"]
    assert texts(source, since=10, until=20) == ["two", "th"]
    assert texts(source, since=99) == []


def test_an_index_that_lies_does_no_harm(source: LogSource) -> None:
    """A container may write there."""
    source.path.path.write_bytes(b"one\n")
    assert source.index is not None
    source.index.path.write_text('{"at": 1, "offset": 4611686018427387903}\n{"at": 2, "offset": 1e300}\n')
    assert texts(source, since=10) == []


def test_without_an_index_nothing_is_left_out_and_that_is_said(source: LogSource) -> None:
    """Unless the file itself is older than what is asked for."""
    source.path.path.write_bytes(b"one\n")
    found = list(read_logs([source], since=10))
    assert [(line.text, line.is_note) for line in found] == [
        ("nothing tells when these lines were written, so none is left out", True),
        ("one", False),
    ]
    os.utime(source.path.path, (5, 5))
    assert texts(source, since=10) == []
    assert len(texts(source, until=1)) == 2


def test_what_was_written_after_a_silence_is_no_part_of_it(source: LogSource) -> None:
    """A row of the index tells of the seconds right before it."""
    source.path.path.write_bytes(b"one\ntwo\n")
    assert source.index is not None
    source.index.path.write_text('{"at": 100, "offset": 4}\n{"at": 900, "offset": 8}\n')
    assert texts(source, until=500) == ["one"]
    assert texts(source, until=897) == ["one", "two"]
    assert texts(source, since=500) == ["two"]


def test_a_long_index_is_read_in_little_memory(source: LogSource) -> None:
    """A month of a log that never rests."""
    source.path.path.write_bytes(b"one\n")
    assert source.index is not None
    with source.index.path.open("wb") as stream:
        for at in range(0, 100_000, 5):
            stream.write(b'{"at":%d.125,"offset":%d}\n' % (at, at))
    tracemalloc.start()
    try:
        assert texts(source, since=99_999) == []
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_many_lines_are_all_found(source: LogSource) -> None:
    """However far back the first of them lies."""
    with source.path.path.open("wb") as stream:
        stream.write(b"first\n")
        stream.writelines(b"x" * 15_000 + b"\n" for _ in range(6000))
    assert next(iter(read_logs([source], lines=6001))).text == "first"


@pytest.mark.parametrize(
    "grep", ["b", "a|b", "^a", "a$", "(?i)B", "a.b", "[ab]c?", r"\bb", "^$", "", "[^b]a", r"\sb", "(?=b)", "é"]
)
@given(content=st.text("ab\nc\r \u00e9B", max_size=80).map(str.encode) | st.binary(max_size=60))
def test_grep_finds_what_each_line_alone_would_give(
    tmp_path_factory: pytest.TempPathFactory, grep: str, content: bytes
) -> None:
    """However it goes about it."""
    path = tmp_path_factory.mktemp("logs") / "a.log"
    path.write_bytes(content)
    source = LogSource(name="a", path=OurPath(path.parent) / path.name)
    expected = [line for line in texts(source, lines=None) if re.search(grep, line)]
    assert texts(source, lines=None, grep=grep) == expected


@pytest.mark.parametrize("plant", ["link", "pipe"])
def test_a_planted_log_is_refused(source: LogSource, tmp_path: Path, plant: str) -> None:
    """It would show what the job's user can read elsewhere, or wait for ever."""
    (tmp_path / "secret").write_text("secret\n")
    if plant == "link":
        source.path.path.symlink_to(tmp_path / "secret")
    else:
        os.mkfifo(source.path.path)
    with pytest.raises(RecordError):
        texts(source)


class Feed:
    """A clock whose every sleep lets the next thing happen."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.time = NOW

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.steps:
            self.steps.pop(0)()

    def is_over(self) -> bool:
        return not self.steps


def append(source: LogSource, data: bytes) -> Callable[[], object]:
    def write() -> None:
        with source.path.path.open("ab") as stream:
            stream.write(data)

    return write


def followed(sources: list[LogSource], feed: Feed, **options: object) -> list[LogLine]:
    return list(follow_logs(sources, feed, is_over=feed.is_over, **options))  # type: ignore[arg-type]


def test_following_shows_the_last_lines_and_then_all_new_ones(source: LogSource) -> None:
    """A line that comes in pieces is one line, also when a character is torn."""
    source.path.path.write_bytes(b"old\nlast\n")
    feed = Feed(append(source, b"ne"), append(source, b"w caf\xc3"), append(source, b"\xa9\nopen"))
    assert [line.text for line in followed([source], feed, lines=1)] == ["last", "new café", "open"]


def test_following_waits_for_a_log_that_is_not_there_yet(source: LogSource) -> None:
    """The service starts later."""
    feed = Feed(lambda: None, append(source, b"first\n"))
    assert [line.text for line in followed([source], feed)] == ["first"]


def test_following_interleaves_services(source: LogSource) -> None:
    """Each line tells whose it is."""
    other = LogSource(name="db", path=source.path.folder / "db.log")
    feed = Feed(append(source, b"a\n"), append(other, b"b\n"), append(source, b"c\n"))
    lines = followed([source, other], feed)
    assert [(line.service, line.text) for line in lines] == [("web", "a"), ("db", "b"), ("web", "c")]
    assert (prefix_width([source, other]), prefix_width([source])) == (3, 0)


@pytest.mark.parametrize("how", ["truncated", "replaced"])
def test_a_log_that_starts_anew_is_read_from_its_beginning(source: LogSource, how: str) -> None:
    """And that is said."""
    source.path.path.write_bytes(b"a long first line\n")

    def restart() -> None:
        if how == "replaced":
            source.path.path.rename(source.path.path.with_suffix(".old"))
        source.path.path.write_bytes(b"new\n")

    lines = followed([source], Feed(restart))
    assert [line.text for line in lines if not line.is_note] == ["a long first line", "new"]
    assert [line.is_note for line in lines] == [False, True, False]


def test_a_prompt_without_an_end_is_shown_after_a_while(source: LogSource) -> None:
    """It may wait for long."""
    shown: list[str] = []
    feed = Feed(append(source, b"ready> "), *[lambda: None] * 8, append(source, b"x\n"))
    for line in follow_logs([source], feed, is_over=feed.is_over):
        shown.append(line.text)
        if line.text == "ready> ":
            assert feed.steps
    assert shown == ["ready> ", "x"]


def test_all_is_shown_before_following_ends(source: LogSource) -> None:
    """Also more than one look's worth."""
    feed = Feed(append(source, b"x" * 79 + b"\n" + b"line\n" * 500_000))
    assert len(followed([source], feed)) == 500_001


def test_a_line_longer_than_one_look_does_not_end_the_following(source: LogSource) -> None:
    """A round may read much and yet end no line; that the job is over is no reason to leave the rest."""
    feed = Feed(append(source, b"x" * (5 * 1024 * 1024) + b"\nlast\n"))
    assert [line.text for line in followed([source], feed)] == ["x" * LINE_BYTES, "last"]


def test_following_filters(source: LogSource) -> None:
    """By the same expression."""
    feed = Feed(append(source, b"good\nbad\ngood again\n"))
    assert [line.text for line in followed([source], feed, grep="good")] == ["good", "good again"]


def test_a_log_replaced_by_a_link_is_told_once(source: LogSource, tmp_path: Path) -> None:
    """Following goes on for the others."""

    def plant() -> None:
        source.path.path.symlink_to(tmp_path / "secret")

    lines = followed([source], Feed(plant, lambda: None, lambda: None))
    assert [line.is_note for line in lines] == [True]


def test_services_have_their_logs_in_the_job_folder(world: World) -> None:
    """An unknown one is refused with those that there are."""
    assert [source.name for source in service_logs(world.record)] == ["web", "db"]
    (source,) = service_logs(world.record, ["db"])
    assert str(source.path) == str(world.paths.log("db"))
    with pytest.raises(UsageError) as caught:
        service_logs(world.record, ["cache"])
    assert "web, db" in caught.value.remedy
    assert str(batch_log(world.record).path) == world.record.batch_log


def test_logs_of_an_earlier_job_with_the_same_id_are_found(world: World) -> None:
    """The later job's supervisor moved its folder."""
    from compose_core.records.paths import JobPaths, earlier_name

    world.write_state("COMPLETED", submission_token=OTHER_TOKEN)
    kept = JobPaths(world.paths.job_dir.parent / earlier_name("7", world.record.submission_token))
    world.write_state("FAILED", paths=kept)
    assert service_logs(world.record)[0].path == kept.log("web")
