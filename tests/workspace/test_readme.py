"""The README's promises that a program can check."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest


def fenced_blocks(readme: str, heading: str) -> list[str]:
    """The contents of the fenced blocks between `heading` and the next heading of its level."""
    _, _, rest = f"\n{readme}".partition(f"\n{heading}\n")
    section = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```[a-z]*\n(.*?)\n```$", section, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("heading", ["## Run it", "## Test it"])
def test_each_of_the_two_commands_is_one_fenced_line(readme: str, heading: str) -> None:
    """A newcomer copies one line and is done, so there is never a second block or a second line."""
    blocks = fenced_blocks(readme, heading)
    assert len(blocks) == 1
    assert blocks[0].strip()
    assert "\n" not in blocks[0]


def test_the_run_line_creates_the_environment_and_runs_a_file_that_exists(readme: str, repository: Path) -> None:
    """The main job must work from a fresh clone with nothing but Python and git."""
    line = fenced_blocks(readme, "## Run it")[0]
    assert line.startswith("python3 -m venv .venv && ")
    compose_file = re.search(r"hpcc up .*-f (\S+)", line)
    assert compose_file is not None
    assert (repository / compose_file[1]).is_file()


def test_continuous_integration_runs_exactly_the_readmes_test_line(readme: str, repository: Path) -> None:
    """What the README tells people is what guards the project, so it cannot rot."""
    shown = subprocess.run(
        [repository / ".ci/run", "--show"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
    ).stdout
    assert shown == fenced_blocks(readme, "## Test it")[0] + "\n"


def test_continuous_integration_refuses_a_readme_with_two_test_lines(tmp_path: Path, repository: Path) -> None:
    """A second line would be the one that nobody runs."""
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci/run"
    script.write_text((repository / ".ci/run").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "README.md").write_text("## Test it\n\n```bash\nfirst\nsecond\n```\n", encoding="utf-8")
    run = subprocess.run(["bash", script], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert run.returncode == 2
    assert "exactly one line" in run.stderr


def test_every_relative_link_of_the_top_level_pages_leads_somewhere(repository: Path) -> None:
    """A page that points to a missing file sends its reader away."""
    broken = [
        f"{page.name}: {target}"
        for page in sorted(repository.glob("*.md"))
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (repository / target).exists()
    ]
    assert not broken
