"""What `hpcc logs` prints."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compose_core.cli.main import run
from compose_core.cli.moment import epoch_s, moment
from compose_core.clock import iso
from compose_core.errors import UsageError
from compose_core.watch.colours import service_colours
from tests.core.tracking.world import NOW, World
from tests.jobs.project import check_report

HOSTILE = b"ok \x1b]0;owned\x07\x1b[31mred\x1b[0m \xff\x9b2J\x07\n"
Hpcc = Callable[..., str]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A job with two services that have written something."""
    world = World(tmp_path)
    world.paths.logs.path.mkdir(parents=True)
    world.paths.log("web").path.write_bytes(b"one\ntwo\nthree\n")
    world.paths.log("db").path.write_bytes(b"eins\nzwei\n")
    Path(world.record.batch_log).write_text("the batch script\n")
    return world


@pytest.fixture
def hpcc(world: World, capsysbinary: pytest.CaptureFixture[bytes]) -> Hpcc:
    """`hpcc …` for that job; gives what it prints on standard output."""

    def call(*words: str, code: int = 0) -> str:
        assert run([words[0], "-f", world.record.compose_file, "--engine", "local", *words[1:]]) == code
        return capsysbinary.readouterr().out.decode("latin-1")

    return call


def test_each_line_says_whose_it_is(hpcc: Hpcc) -> None:
    """Unless there is one service alone; the last lines are those of each."""
    assert hpcc("logs", "-n", "2") == "web | two\nweb | three\ndb  | eins\ndb  | zwei\n"
    assert hpcc("logs", "--service", "db") == "eins\nzwei\n"
    assert hpcc("logs", "--grep", "e$|zwei") == "web | one\nweb | three\ndb  | zwei\n"


def test_the_batch_log_can_be_asked_for(hpcc: Hpcc) -> None:
    """It is no service's."""
    assert hpcc("logs", "--batch") == "the batch script\n"
    hpcc("logs", "--batch", "--service", "web", code=2)


def test_what_a_program_prints_does_nothing_to_the_terminal(hpcc: Hpcc, world: World) -> None:
    """Only with --raw is it passed on, byte by byte."""
    world.paths.log("web").path.write_bytes(HOSTILE)
    shown = hpcc("logs", "--service", "web", "--color", "always")
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert shown.startswith("ok red ")
    assert hpcc("logs", "--service", "web", "--raw").encode("latin-1") == HOSTILE
    assert hpcc("logs", "--raw", "--lines", "1").encode("latin-1") == b"web | " + HOSTILE + b"db  | zwei\n"


def test_services_have_colours_of_their_own(hpcc: Hpcc) -> None:
    """The same ones every time, also when one of them is shown alone with others left out."""
    services = ("ab", "ba", "web", "db", "bd")
    colours = service_colours(services)
    assert len(set(colours.values())) == len(services)
    assert colours == service_colours(services)
    assert len(service_colours([str(number) for number in range(50)])) == 50
    assert hpcc("logs", "--color", "always").count("\x1b[0m | ") == 5
    assert "\x1b[" in hpcc("logs", "--color", "always", "--raw")


def test_the_report_has_every_line(hpcc: Hpcc, world: World) -> None:
    """It is written piece by piece, and is one object all the same."""
    world.paths.log("db").path.write_bytes(HOSTILE + b"x" * 20_000)
    report = json.loads(hpcc("logs", "--format", "json"))
    check_report("logs", report)
    assert [line["text"] for line in report["lines"]][:3] == ["one", "two", "three"]
    assert [line["cut"] for line in report["lines"]] == [False, False, False, False, True]
    empty = json.loads(hpcc("logs", "--format", "json", "--lines", "0"))
    check_report("logs", empty)
    assert empty["lines"] == []
    (note, *_) = json.loads(hpcc("logs", "--format", "json", "--since", "1d"))["lines"]
    assert note["note"]


def test_a_moment_is_a_duration_or_a_date(hpcc: Hpcc, world: World) -> None:
    """A date without an offset is this machine's time, as all our output has it."""
    assert moment("--since", "1h30m", NOW) == NOW - 5400
    assert moment("--since", iso(NOW), 0) == NOW
    assert moment("--since", iso(NOW)[:19], 0) == NOW
    assert moment("--since", "1970-01-01T00:00:10Z", 0) == 10
    assert moment("--since", None, 0) is None
    assert epoch_s("0001-01-01") is None
    with pytest.raises(UsageError, match="--until: 'yesterday' is not a duration"):
        moment("--until", "yesterday", 0)
    world.paths.log_index("web").path.write_text(
        '{"at": 1000, "offset": 4}\n{"at": 1004, "offset": 8}\n{"at": 2000, "offset": 14}\n'
    )
    assert hpcc("logs", "--service", "web", "--since", "1970-01-01T00:16:42Z") == "two\nthree\n"
    assert hpcc("logs", "--service", "web", "--until", "1970-01-01T00:20:00Z") == "one\ntwo\n"
    hpcc("logs", "--since", "soon", code=2)
    hpcc("logs", "--since", "2m", "--until", "5m", code=2)
    hpcc("logs", "--follow", "--until", "5m", code=2)


def test_a_reader_that_leaves_ends_it_quietly(world: World) -> None:
    """`hpcc logs --all | head -1`, with more output than a pipe holds."""
    world.paths.log("web").path.write_bytes(b"line\n" * 200_000)
    argv = [sys.executable, "-m", "compose_core", "logs", "-f", world.record.compose_file, "--engine", "local", "--all"]
    for option in ((), ("--raw",), ("--format", "json")):
        reading = subprocess.Popen([*argv, *option], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdout.readline()
        reading.stdout.close()
        assert (reading.stderr.read(), reading.wait(30)) == (b"", 0)
        reading.stderr.close()


def test_following_and_looking_for_something_go_together(world: World) -> None:
    """Also what is written later is looked through, and shown at once."""
    world.write_state()
    argv = [sys.executable, "-m", "compose_core", "logs", "-f", world.record.compose_file, "--engine", "local"]
    argv += ["--follow", "--grep", "o$|new", "--service", "web"]
    reading = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert reading.stdout is not None
        assert reading.stdout.readline() == "two\n"
        with world.paths.log("web").path.open("a") as stream:
            stream.write("old\nnew\n")
        deadline = time.monotonic() + 20
        assert reading.stdout.readline() == "new\n"
        assert time.monotonic() < deadline
    finally:
        reading.kill()
        reading.communicate()
