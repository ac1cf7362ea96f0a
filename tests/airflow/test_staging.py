"""Which files go to a login node, and under which name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_hpccompose.staging import send_inputs

pytestmark = pytest.mark.adapters


class Folders:
    """A login node's workspace, as far as it is asked what it lacks."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if verb == "missing":
            self.names.append(str(arguments["folder"]))
        return {"folder": f"/workspace/{arguments['folder']}", "missing": [one["path"] for one in arguments["files"]]}


def test_a_script_that_became_executable_is_sent_anew(tmp_path: Path) -> None:
    """Its content is the same, and what was sent before could not be run."""
    script, file = tmp_path / "run.sh", tmp_path / "compose.yaml"
    script.write_text("#!/bin/sh\n")
    file.write_text(
        "runtime: {backend: host}\nservices:\n  app:\n    command: ./run.sh\n    volumes: [./run.sh:/run.sh]\n"
    )
    node = Folders()
    send_inputs(node, file, folder="dag")
    send_inputs(node, file, folder="dag")
    script.chmod(0o755)
    send_inputs(node, file, folder="dag")
    first, again, executable = node.names
    assert first == again != executable
