"""The manual pages are those of the commands as they are, and readers of manual pages have nothing against them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import click
import pytest

from compose_core.cli.main import every_command
from docs.generate_man_pages import FOLDER, pages

PAGES = sorted(FOLDER.glob("*.1"))


def test_the_pages_are_current() -> None:
    """`python -m docs.generate_man_pages` brings them up to date."""
    assert {path.name: path.read_text("utf-8") for path in PAGES} == pages()


def test_every_option_stands_on_the_page_of_its_command() -> None:
    for name, command in every_command().items():
        page = (FOLDER / f"hpcc-{name.replace(' ', '-')}.1").read_text("utf-8").replace("\\-", "-")
        options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
        assert [one.name for one in options if any(f"\\fB{text}\\fR" not in page for text in one.opts)] == []


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_a_strict_reader_has_nothing_against_them() -> None:
    """A page belongs to a version and not to a day."""
    said = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", *PAGES], check=False, capture_output=True, text=True
    ).stdout.splitlines()
    assert [line for line in said if not line.endswith('missing date, using "": TH')] == []


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_shows_a_page_in_80_columns() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", str(FOLDER / "hpcc-logs.1")],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "MANWIDTH": "80", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"},
    )
    text = re.sub(".\b", "", done.stdout)
    assert done.stderr == ""
    assert max(map(len, text.splitlines())) <= 80
    assert "hpcc logs --service model --since 5m --grep error" in text
    assert re.search(r"^ +-n, --lines N$", text, re.MULTILINE)
