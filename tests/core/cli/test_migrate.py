"""`hpcc migrate`: where the file and the account go, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.cli.main import run
from tests.jobs.project import check_report

FILE = "services:\n  db: {image: 'redis:7', volumes: ['data:/data'], user: '1'}\nvolumes: {data: {}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a docker-compose.yml in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docker-compose.yml").write_text(FILE)
    return tmp_path


def test_the_file_is_found_and_goes_to_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate"]) == 0
    out, err = capsys.readouterr()
    assert "image: redis:7" in out
    assert "docker-compose.yml:2: services.db.user: left out" in err
    assert sorted(path.name for path in folder.iterdir()) == ["docker-compose.yml"]


def test_the_file_is_written_with_the_folders_it_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "docker-compose.yml", "-o", "compose.yaml"]) == 0
    assert (folder / "volumes" / "data").is_dir()
    assert run(["validate", "-f", "compose.yaml"]) == 0
    capsys.readouterr()
    assert run(["migrate", "-o", "compose.yaml"]) == 2
    assert "--force" in capsys.readouterr().err
    assert run(["migrate", "docker-compose.yml", "-o", "compose.yaml", "--force"]) == 0


def test_with_json_the_account_is_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    check_report("migrate", report)
    assert report["valid"] is True
    assert report["folders"] == ["./volumes/data"]
    assert {"kind": "manual", "line": 2}.items() <= next(
        note for note in report["notes"] if note["key_path"] == "services.db.user"
    ).items()


def test_a_result_that_is_not_valid_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "docker-compose.yml").write_text("services: {a: {image: 'x', command: ['${MUST_BE_SET:?say it}']}}")
    assert run(["migrate"]) == 2
    out, err = capsys.readouterr()
    assert "${MUST_BE_SET:?say it}" in out
    assert "MUST_BE_SET" in err


def test_nothing_to_convert_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["migrate"]) == 2
    assert run(["migrate", "absent.yaml"]) == 2
    assert "absent.yaml" in capsys.readouterr().err
