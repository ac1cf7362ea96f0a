"""`hpcc init`: what is copied, what is refused, what a person is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.cli.main import run
from tests.jobs.project import check_report


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_example_is_copied_with_its_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", "--template", "app-redis-worker", "--name", "mine", "--cache-dir", "/shared/cache"]
    assert run([*words, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    check_report("init", report)
    assert report["files"] == ["compose.yaml", "app/fill.py", "app/work.py"]
    text = (folder / "compose.yaml").read_text()
    assert "\nname: mine\n" in text
    assert '\nx-slurm:\n  cache_dir: "/shared/cache"\n' in text
    assert run(["validate"]) == 0


def test_nothing_is_replaced_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "train.py").write_text("mine")
    assert run(["init", "--template", "training-sweep"]) == 2
    assert "train.py" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["train.py"]
    assert run(["init", "--template", "training-sweep", "--force", "-o", "new/x.yaml"]) == 0
    assert (folder / "new" / "train.py").is_file()
    assert (folder / "train.py").read_text() == "mine"


def test_all_are_listed_and_described(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--list", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    check_report("init", report)
    assert len(report["templates"]) >= 24
    assert run(["init", "--describe", "secrets"]) == 0
    assert "Start from it when" in capsys.readouterr().out
    assert not list(folder.iterdir())


@pytest.mark.parametrize("words", [[], ["--template", "minimal-bach"], ["--describe", "nothing-like-it"]])
def test_without_a_known_example_it_says_what_to_do(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", *words]) == 2
    assert ("--list" if words != ["--template", "minimal-bach"] else "minimal-batch?") in capsys.readouterr().err
