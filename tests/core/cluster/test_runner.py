from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from compose_core.cluster.runner import Finished, HostRunner, NotFound, NotStarted, TimedOut, TooMuchOutput


@pytest.fixture
def runner() -> HostRunner:
    return HostRunner({"PATH": os.environ["PATH"], "GREETING": "hello"})


def test_status_and_both_streams_come_back(runner: HostRunner) -> None:
    """The program's own words and status are the answer."""
    outcome = runner.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert (outcome.rc, outcome.stdout, outcome.stderr) == (3, "out\n", "err\n")
    assert outcome.first_error_line == "err"


def test_without_an_environment_the_runners_own_is_used_in_the_c_locale(runner: HostRunner) -> None:
    outcome = runner.run(["sh", "-c", "echo $GREETING $LC_ALL"], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert outcome.stdout == "hello C\n"


def test_a_given_environment_is_the_whole_environment(runner: HostRunner) -> None:
    outcome = runner.run(["env"], timeout_s=10, env={"PATH": os.environ["PATH"], "ONLY": "this"})
    assert isinstance(outcome, Finished)
    assert sorted(line for line in outcome.stdout.splitlines() if not line.startswith("PATH=")) == ["ONLY=this"]


def test_the_program_runs_in_the_given_folder(runner: HostRunner, tmp_path: Path) -> None:
    outcome = runner.run(["pwd"], timeout_s=10, cwd=tmp_path)
    assert isinstance(outcome, Finished)
    assert outcome.stdout == f"{tmp_path}\n"


def test_stdin_is_empty_unless_given(runner: HostRunner) -> None:
    """A program that asks a question gets no answer instead of the user's terminal."""
    outcome = runner.run(["cat"], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert outcome.stdout == ""


def test_large_input_and_output_pass_at_the_same_time(runner: HostRunner) -> None:
    data = b"0123456789abcdef" * 65536
    outcome = runner.run(["cat"], timeout_s=20, stdin=data)
    assert isinstance(outcome, Finished)
    assert outcome.stdout.encode() == data


def test_a_program_that_does_not_read_its_input_is_no_fault(runner: HostRunner) -> None:
    outcome = runner.run(["true"], timeout_s=10, stdin=b"x" * 1_000_000)
    assert isinstance(outcome, Finished)
    assert outcome.rc == 0


def test_arguments_never_meet_a_shell(runner: HostRunner) -> None:
    outcome = runner.run(["printf", "%s|", "$(id)", "a b", "`x`", "'"], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert outcome.stdout == "$(id)|a b|`x`|'|"


def test_bytes_that_are_no_utf8_survive(runner: HostRunner) -> None:
    outcome = runner.run(["printf", r"\377\n"], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert outcome.stdout.encode("utf-8", "surrogateescape") == b"\xff\n"


def test_a_missing_program_is_not_found(runner: HostRunner) -> None:
    assert isinstance(runner.run(["no-such-program-here"], timeout_s=10), NotFound)


def test_a_program_that_may_not_be_executed_is_not_found(runner: HostRunner, tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    assert isinstance(runner.run([str(program)], timeout_s=10), NotFound)


def test_a_missing_folder_is_not_taken_for_a_missing_program(runner: HostRunner, tmp_path: Path) -> None:
    outcome = runner.run(["true"], timeout_s=10, cwd=tmp_path / "gone")
    assert isinstance(outcome, NotStarted)
    assert "gone" in outcome.message


def test_a_command_line_that_is_too_long_is_not_started(runner: HostRunner) -> None:
    assert isinstance(runner.run(["true", "x" * 300_000], timeout_s=10), NotStarted)


def test_an_argument_with_a_nul_byte_is_not_started(runner: HostRunner) -> None:
    assert isinstance(runner.run(["true", "a\0b"], timeout_s=10), NotStarted)


def test_after_the_timeout_the_whole_group_is_dead(runner: HostRunner, tmp_path: Path) -> None:
    """A wrapper's child must not go on submitting after its client has given up."""
    note = tmp_path / "pid"
    script = f"sleep 300 & echo $! > {note}.new; mv {note}.new {note}; echo begun; wait"
    began = time.monotonic()
    outcome = runner.run(["sh", "-c", script], timeout_s=1)
    assert isinstance(outcome, TimedOut)
    assert outcome.stdout == "begun\n"
    assert time.monotonic() - began < 10
    assert _dies(int(note.read_text(encoding="ascii")))


def test_a_program_that_ignores_term_is_killed_too(runner: HostRunner) -> None:
    outcome = runner.run(["sh", "-c", "trap '' TERM INT; while :; do sleep 1; done"], timeout_s=0.5)
    assert isinstance(outcome, TimedOut)


def test_a_program_killed_by_a_signal_has_a_negative_status(runner: HostRunner) -> None:
    outcome = runner.run(["sh", "-c", "kill -TERM $$"], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert outcome.rc == -signal.SIGTERM


def test_a_background_child_that_keeps_the_pipe_does_not_hold_the_answer(runner: HostRunner) -> None:
    """A wrapper may leave something running; the answer is there when the program itself has ended."""
    began = time.monotonic()
    outcome = runner.run(["sh", "-c", "echo 1234; sleep 20 & exit 0"], timeout_s=15)
    assert isinstance(outcome, Finished)
    assert outcome.stdout == "1234\n"
    assert time.monotonic() - began < 10


def test_more_output_than_the_cap_is_no_answer(runner: HostRunner) -> None:
    """An answer cut short would read as jobs that are gone."""
    outcome = runner.run(["sh", "-c", "yes"], timeout_s=20, output_cap=100_000)
    assert isinstance(outcome, TooMuchOutput)


def test_no_file_descriptors_are_left_open(runner: HostRunner) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        runner.run(["true"], timeout_s=10)
        runner.run(["no-such-program-here"], timeout_s=10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_interrupted_client_takes_the_program_with_it(tmp_path: Path) -> None:
    """Ctrl-C reaches only the client, because the program has a session of its own."""
    note = tmp_path / "pid"
    code = (
        "import sys, os, signal\n"
        "from compose_core.cluster.runner import HostRunner\n"
        "signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))\n"
        "signal.setitimer(signal.ITIMER_REAL, 1.0)\n"
        f"HostRunner().run(['sh', '-c', 'echo $$ > {note}; exec sleep 300'], timeout_s=60)\n"
    )
    outcome = HostRunner().run([sys.executable, "-c", code], timeout_s=30)
    assert isinstance(outcome, Finished)
    assert "KeyboardInterrupt" in outcome.stderr
    assert _dies(int(note.read_text(encoding="ascii")))


def _dies(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False
