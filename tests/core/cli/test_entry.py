"""The first moments of `hpcc`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SLOW_CLICK = "import os, time\nos.write(1, b'importing')\ntime.sleep(30)\n"


@pytest.mark.parametrize("module", ["compose_core", "compose_core.cli.entry"])
def test_an_interrupt_while_the_code_is_imported_ends_hpcc_without_a_word(module: str, tmp_path: Path) -> None:
    """130, as later on, and no traceback."""
    (tmp_path / "click.py").write_text(SLOW_CLICK)
    program = "from compose_core.cli.entry import main; main()"
    argv = ["-m", module] if module == "compose_core" else ["-c", program]
    process = subprocess.Popen(
        [sys.executable, *argv, "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert process.stdout is not None
    assert process.stdout.read(9) == b"importing"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, b"")


def test_the_command_is_run_by_its_entry(tmp_path: Path) -> None:
    """As installed."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "hpcc"), "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.startswith("hpcc ")
