"""What `--help` says of every command, read on a terminal of 80 columns."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from compose_core.cli.examples import EXAMPLES
from compose_core.cli.main import COMMANDS, PLUMBING, every_command, run

GROUPS = sorted({name.partition(" ")[0] for name in every_command() if " " in name})
ALL = ["", *sorted(PLUMBING), *GROUPS, *every_command()]
_CALL = re.compile(r"\bhpcc [^)>|]*")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal as wide as a punched card."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", ALL)
def test_no_line_of_a_help_text_is_longer_than_a_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if re.search(r"\S-$|\.\.\.$", line) and not line.startswith("Usage:")] == []


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", every_command())
def test_a_command_says_what_each_option_does_and_shows_a_call(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = every_command()[name]
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert (option.help or "").endswith((".", "…")), option.name
    run([*name.split(), "--help"])
    shown = capsys.readouterr().out.partition("\n  Examples:\n")[2]
    assert EXAMPLES[name]
    for line, what in EXAMPLES[name]:
        assert f"    {line}\n        {what}\n" in shown


@pytest.mark.parametrize("name", every_command())
def test_the_calls_that_are_shown_are_calls_of_the_command(name: str) -> None:
    for line, _ in EXAMPLES[name]:
        match = _CALL.search(line)
        assert match is not None
        words = shlex.split(match[0].removeprefix("hpcc "))
        assert words[: len(name.split())] == name.split()
        every_command()[name].make_context(name, words[len(name.split()) :])


def test_no_example_is_of_a_command_that_is_gone() -> None:
    assert set(EXAMPLES) == set(every_command())


@pytest.mark.usefixtures("narrow")
def test_the_list_of_a_group_tells_each_command_in_a_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    run(["sweep", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "list List the sweeps of a folder, the newest first. observe" in text


def test_every_command_begins_its_help_with_a_sentence() -> None:
    assert all(line.endswith(".") for line in COMMANDS.values())
    assert [name for name, command in every_command().items() if not (command.help or "").split("\n")[0]] == []


def test_options_are_not_torn_apart(narrow: None, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Who copies `--skip-prepare` from the text gets it whole."""
    run(["up", "--help"])
    assert re.search(r"with\s+--skip-prepare,", capsys.readouterr().out)
