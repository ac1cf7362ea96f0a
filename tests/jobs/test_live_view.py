"""The live view as a person uses it: on a real terminal, with a real job of the local engine."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.jobs.project import HPCC, Project
from tests.jobs.terminal import TMUX, WHY_NOT, Terminal

needs_tmux = pytest.mark.skipif(TMUX is None, reason=WHY_NOT)

TALKATIVE = """
    name: demo
    runtime: {backend: host}
    x-slurm: {time: "00:10:00"}
    services:
      db:
        script: |
          echo "db listens"; sleep 600
      trainer:
        script: |
          seq -f "step %g" 300; n=300; while true; do n=$((n+1)); echo "step $n"; sleep 0.05; done
"""
FAILING = """
    name: demo
    runtime: {backend: host}
    x-slurm: {time: "00:10:00"}
    services:
      good: {script: "echo fine; sleep 1"}
      bad: {script: "echo 'ERROR: no such data'; sleep 1; exit 3"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """On the local engine."""
    return Project(tmp_path / "project", "local")


@needs_tmux
def test_every_key_of_the_view_does_what_its_table_says(project: Project) -> None:
    """From `up` to leaving it, and the job goes on."""
    project.write(TALKATIVE)
    with Terminal(project) as terminal:
        settings, modes = terminal.settings(), terminal.modes
        terminal.hpcc("up")
        terminal.wait(lambda screen: "2 services: 2 running" in screen and "db listens" in screen)
        assert terminal.is_alternate()
        terminal.press("j")
        terminal.wait(lambda screen: "─ trainer · following" in screen and "step" in screen)
        terminal.press("Up")
        terminal.wait("─ db · following")
        terminal.press("G")
        terminal.wait("─ trainer · following")
        terminal.press("Space")
        terminal.wait("trainer · PAUSED")
        terminal.press("PPage")
        terminal.wait("lines back")
        terminal.press("NPage")
        terminal.wait(lambda screen: "PAUSED" in screen and "lines back" not in screen)
        terminal.press("End")
        terminal.wait("─ trainer · following")
        terminal.press("a")
        terminal.wait(lambda screen: "─ all services · following" in screen and "[trainer] step" in screen)
        terminal.press("a", "/", "d", "x", "BSpace", "b", "Enter")
        terminal.wait(lambda screen: "services (1 of 2) /db" in screen and "─ db · following" in screen)
        terminal.press("?")
        terminal.wait("leave; the job goes on")
        terminal.press("?")
        terminal.wait("─ db · following")
        terminal.press("q")
        screen = terminal.wait("status=0")
        assert not terminal.is_alternate()
        assert "hpcc watch --job-id 1" in screen
        assert "hpcc cancel --job-id 1" in screen
        assert (terminal.settings(), terminal.modes) == (settings, modes)
    assert project.state("1")["job_status"] == "RUNNING"
    project.hpcc("cancel")


@needs_tmux
def test_a_failure_holds_the_last_screen_and_d_l_s_print_the_next_command(project: Project) -> None:
    project.write(FAILING)
    with Terminal(project, width=60, height=15) as terminal:
        terminal.hpcc("up")
        terminal.wait(lambda screen: "the job is over" in screen and "FAILED (exit 3" in screen)
        terminal.wait("ERROR: no such data")  # the output of the service that failed
        terminal.press("l")
        screen = terminal.wait("status=1")
        assert "hpcc logs --service bad --job-id 1" in screen
        assert not terminal.is_alternate()
        for key, command in (("d", "debug"), ("s", "stats")):
            terminal.hpcc("watch")
            terminal.wait("the job is over")
            terminal.press(key)
            assert f"hpcc {command} --job-id 1" in terminal.wait("status=1")
        terminal.hpcc("watch", "--hold-on-exit", "never")
        assert "failed service 'bad'" in terminal.wait("status=1")


@needs_tmux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(project: Project, number: signal.Signals) -> None:
    project.write(TALKATIVE)
    project.submit()
    with Terminal(project) as terminal:
        settings, modes = terminal.settings(), terminal.modes
        terminal.hpcc("watch")
        terminal.wait("db listens")
        os.kill(terminal.program(), number)
        terminal.wait("status=143" if number is signal.SIGTERM else "status=0")
        assert not terminal.is_alternate()
        assert (terminal.settings(), terminal.modes) == (settings, modes)
    project.hpcc("cancel")


def test_line_mode_writes_no_control_codes_on_a_terminal(project: Project) -> None:
    """Not even for a job that prints some."""
    project.write("""
        name: demo
        runtime: {backend: host}
        x-slurm: {time: "00:00:20"}
        services:
          app: {script: "printf '\\\\033[31mred\\\\033[0m\\\\tbell\\\\007\\\\n'; sleep 3; exit 3"}
    """)
    status, written = on_a_terminal(project, "up", "--no-tui", "--color", "always")
    text = written.replace(b"\r\n", b"\n")
    assert sorted({byte for byte in text if byte < 0x20 or byte == 0x7F}) == [0x09, 0x0A], text
    assert status == 1
    for line in (
        b"scheduler state: RUNNING",
        b"walltime: 10%",
        b"[app] red\tbell\\x07",
        b"scheduler state: FAILED (exit 3",
    ):
        assert line in text, text


def on_a_terminal(project: Project, *arguments: str) -> tuple[int, bytes]:
    """Exit status and everything that `hpcc …` writes to its terminal."""
    leader, follower = pty.openpty()
    environment = {**project.environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [*HPCC, *arguments, "--engine", "local"],
        cwd=project.folder,
        env=environment,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    written, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.5)[0]:
            try:
                written += os.read(leader, 65536)
            except OSError:  # nobody holds the other side any more
                break
    os.close(leader)
    return process.wait(timeout=20), written
