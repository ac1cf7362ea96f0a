"""The guard of tests/conftest.py catches what a test leaves behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LEAKS = {
    "environment": "import os\ndef test_leak(): os.environ['LEFT_BEHIND'] = '1'\n",
    "folder": "import os\ndef test_leak(tmp_path): os.chdir(tmp_path)\n",
}


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """A run of pytest over `folder` alone, without the settings of this repository."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--rootdir={folder}",
            "-c",
            "none.ini",
            folder,
        ],
        cwd=folder,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(("leak", "complaint"), [("environment", "LEFT_BEHIND"), ("folder", "the working folder")])
def test_a_test_that_changes_the_world_fails_and_the_next_one_does_not(
    tmp_path: Path, repository: Path, leak: str, complaint: str
) -> None:
    """The culprit is named, and what follows runs in the world that it expects."""
    shutil.copy(repository / "tests/conftest.py", tmp_path)
    (tmp_path / "none.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_leak.py").write_text(f"{LEAKS[leak]}def test_next(): pass\n", encoding="utf-8")
    run = pytest_in(tmp_path)
    assert run.returncode == 1
    assert complaint in run.stdout
    assert "2 passed, 1 error" in run.stdout
    assert "ERROR test_leak.py::test_leak" in run.stdout
