"""The live view as a person uses it: on a real terminal, with a real job of the local engine."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
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
        terminal.wait(lambda screen: "─ trainer · following" in screen and "│step" in screen)
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


@needs_tmux
@pytest.mark.faults
def test_a_terminal_that_is_closed_ends_the_view_and_not_the_job(project: Project) -> None:
    """SIGHUP comes, and nothing can be written any more."""
    project.write(TALKATIVE)
    project.submit()
    with Terminal(project) as terminal:
        terminal.hpcc("watch")
        terminal.wait("db listens")
        pid = terminal.program()
    project.wait(lambda: not Path(f"/proc/{pid}").exists(), "the end of the view", timeout=15)
    assert project.state("1")["job_status"] == "RUNNING"
    project.hpcc("cancel")


@needs_tmux
@pytest.mark.faults
def test_the_view_comes_back_whole_after_it_was_suspended_or_resized(project: Project) -> None:
    project.write(TALKATIVE)
    project.submit()
    with Terminal(project) as terminal:
        settings = terminal.settings()
        terminal.hpcc("watch")
        before = terminal.wait("db listens").splitlines()
        terminal.press("C-z")
        terminal.wait("Stopped")
        assert not terminal.is_alternate()
        terminal.type("fg")
        terminal.wait(lambda screen: screen.splitlines()[1] == before[1] and screen.splitlines()[-1] == before[-1])
        terminal.resize(60, 11)
        terminal.wait(lambda screen: "SERVICE" not in screen and "db listens" in screen)
        terminal.resize(130, 35)
        terminal.wait(lambda screen: "SERVICE" in screen and "db listens" in screen)
        terminal.press("C-c")
        terminal.wait("hpcc cancel --job-id 1")
        terminal.resize(120, 40)
        assert terminal.settings().split(";")[4:] == settings.split(";")[4:]
    project.hpcc("cancel")


BROKEN = """
import sys
from compose_core.watch.app import show
from compose_core.watch.model import JobView, Model
from compose_core.watch.update import JobSeen, Key, update
class Feed:
    looks = 0
    def start(self): pass
    def stop(self): pass
    def heed(self, model): pass
    def events(self):
        self.looks += 1
        if sys.argv[1] == "feed" and self.looks == 8:
            raise ValueError("a broken feed")
        return [JobSeen(JobView(job_id="1", state="RUNNING"))]
def broken_update(model, event):
    if event == Key("x"):
        raise ValueError("a broken update")
    return update(model, event)
show(Model(job=JobView(job_id="1")), Feed(), update=broken_update)
"""


@needs_tmux
@pytest.mark.faults
@pytest.mark.parametrize("what", ["feed", "update"])
def test_an_error_of_ours_is_shown_on_a_terminal_that_is_as_it_was(project: Project, what: str) -> None:
    program = project.write(BROKEN, "broken.py")
    with Terminal(project) as terminal:
        settings, modes = terminal.settings(), terminal.modes
        terminal.type(f"clear; {sys.executable} {program} {what}; echo status=$?")
        if what == "update":
            terminal.wait("RUNNING")
            terminal.press("x")
        terminal.wait(lambda screen: f"ValueError: a broken {what}" in screen and "status=1" in screen)
        assert not terminal.is_alternate()
        assert (terminal.settings(), terminal.modes) == (settings, modes)


@needs_tmux
@pytest.mark.faults
def test_ten_megabytes_a_second_are_followed_without_growing(repository: Path) -> None:
    """The figures are those of benchmarks/watch.py; the limits here only tell a leak and a backlog from noise."""
    script = str(repository / "benchmarks/watch.py")
    told = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, timeout=200).stdout
    print(told)
    figures = {key: float(value) for key, value in re.findall(r"(worst|at most) \+?(-?[0-9.]+)", told)}
    assert figures["worst"] < 5
    assert figures["at most"] < 30


def test_line_mode_writes_no_control_codes_on_a_terminal(project: Project) -> None:
    """Not even for a job that prints some."""
    project.write("""
        name: demo
        runtime: {backend: host}
        x-slurm: {time: "00:00:20"}
        services:
          app: {script: "printf '\\\\033[31mred\\\\033[0m\\\\tbell\\\\007\\\\n'; sleep 6; exit 3"}
    """)
    status, written = on_a_terminal(project, "up", "--no-tui", "--color", "always")
    text = written.replace(b"\r\n", b"\n")
    assert sorted({byte for byte in text if byte < 0x20 or byte == 0x7F}) == [0x09, 0x0A], text
    assert status == 1
    for line in (
        b"scheduler state: RUNNING",
        b"[app] red\tbell\\x07",
        b"scheduler state: FAILED (exit 3",
    ):
        assert line in text, text
    assert re.search(rb"^walltime: [1-9][0-9]%$", text, re.MULTILINE), text


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
