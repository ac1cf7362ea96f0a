"""What a person is told who sets up a connection: what the site can do, and for each trouble what helps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose_core.door.site_check import site_check
from compose_core.testing import FakeCluster


def test_a_site_in_order_names_its_partitions_and_has_a_private_workspace(tmp_path: Path) -> None:
    facts = site_check(FakeCluster().site(tmp_path), tmp_path / "workspace")
    assert facts["problems"] == []
    assert facts["partitions"]
    assert facts["scheduler"]["version"]
    assert (tmp_path / "workspace").stat().st_mode & 0o777 == 0o700


def test_a_workspace_that_cannot_be_made_is_told_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (problem,) = site_check(FakeCluster().site(tmp_path), tmp_path / "file" / "workspace")["problems"]
    assert "cannot be written: Not a directory. Name a folder that you can write" in problem


def test_a_workspace_of_somebody_else_is_no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there already, so making it is no proof."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (problem,) = site_check(FakeCluster().site(tmp_path), tmp_path)["problems"]
    assert f"{tmp_path / '.hpc-compose'} belongs to somebody else" in problem


def test_a_silent_scheduler_is_told_with_what_helps(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.stop_controller()
    (problem,) = site_check(cluster.site(tmp_path), tmp_path)["problems"]
    assert problem.startswith("the scheduler does not answer: ")
    assert "choose the engine `local`" in problem
