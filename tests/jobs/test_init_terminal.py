"""`hpcc init` as a new user meets it: questions on a real terminal, and a file that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.project import Project
from tests.jobs.terminal import TMUX, WHY_NOT, Terminal

pytestmark = pytest.mark.skipif(TMUX is None, reason=WHY_NOT)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """On the local engine."""
    return Project(tmp_path / "project", "local")


def answer(terminal: Terminal, question: str, *keys: str) -> None:
    """Wait for the question, then type."""
    terminal.wait(lambda screen: last_line(screen).startswith(question))
    terminal.press(*keys, "Enter")


def last_line(screen: str) -> str:
    """Where the cursor is."""
    return next(iter(reversed(screen.rstrip().splitlines())), "")


def test_three_answers_begin_a_job_that_runs(project: Project) -> None:
    """A mistyped name is asked for again; what is not answered is what is offered."""
    with Terminal(project) as terminal:
        terminal.type("clear; hpcc init; echo status=$?")
        answer(terminal, "Begin from [minimal-batch]:", "nothing-like-it")
        terminal.wait("is not one of")
        answer(terminal, "Begin from [minimal-batch]:", "multi-stage-pipeline")
        answer(terminal, "Name of the job [project]:", "three-steps")
        answer(terminal, "Folder for images that the nodes share")
        screen = terminal.wait("status=0")
    assert "compose.yaml: begun from multi-stage-pipeline" in screen
    assert "next: hpcc plan -f compose.yaml, then hpcc up -f compose.yaml" in screen
    text = (project.folder / "compose.yaml").read_text()
    assert "\nname: three-steps\n" in text
    assert project.up()["state"] == "COMPLETED"


def test_the_list_is_on_the_screen_when_the_first_question_comes(project: Project) -> None:
    with Terminal(project) as terminal:
        terminal.type("clear; hpcc init; echo status=$?")
        screen = terminal.wait("Begin from [minimal-batch]:")
        assert "restart-policy" in screen
        terminal.press("C-c")
        terminal.wait("status=130")
    assert not list(project.folder.iterdir())


def test_a_file_that_is_there_is_told_before_any_question(project: Project) -> None:
    project.write("name: mine\n")
    with Terminal(project) as terminal:
        terminal.type("clear; hpcc init; echo status=$?")
        screen = terminal.wait("status=2")
    assert "compose.yaml: already there" in screen
    assert "Begin from" not in screen


def test_only_what_was_not_said_is_asked(project: Project) -> None:
    with Terminal(project) as terminal:
        terminal.type("clear; hpcc init --name mine --cache-dir /shared/images -o new/job.yaml; echo status=$?")
        answer(terminal, "Begin from [minimal-batch]:")
        screen = terminal.wait("status=0")
    assert "Name of the job" not in screen
    assert "\nname: mine\n" in (project.folder / "new/job.yaml").read_text()
