"""A private registry with images for tests, and workflows whose rules and services run in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.bench import LOGIN, PASSWORD, ContainerBench
from tests.snakemake.workflow import Workflow

PLACES = [
    pytest.param(("local", "enroot"), id="local-enroot"),
    pytest.param(("slurm", "enroot"), id="slurm-enroot", marks=pytest.mark.faults),
    pytest.param(("slurm", "pyxis"), id="slurm-pyxis"),
]
"""Enroot in a job of Slurm is the same as here but for the node: it runs with the long tests."""
BASH = '#!/bin/sh\nexec /bin/sh "$@"\n'
PYTHON = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
"""The host's, whose folders the test mounts: an image for tests has none."""
HOST = [folder for folder in ("/usr", "/lib", "/lib64", sys.base_prefix, sys.prefix) if Path(folder).exists()]
"""What such a Python needs to be mounted."""


class Images:
    """A private registry below the folder that all nodes share, with one image, also as a file."""

    def __init__(self, folder: Path) -> None:
        self.bench = ContainerBench(folder, wants_login=True)

    def up(self) -> None:
        self.bench.up()
        self.tool = self.bench.push(
            "team/tool",
            environment={"ROLE": "image", "PATH": "/opt/tool:/usr/local/bin:/usr/bin:/bin"},
            entrypoint=["/bin/echo", "the entrypoint"],
            working_dir="/srv",
            files={"/bin/bash": BASH, "/opt/tool/ask": '#!/bin/sh\necho "asked $ROLE"\n', "/opt/tool/python": PYTHON},
        )
        (self.bench.folder / "enroot").mkdir()
        credentials = f"machine {self.bench.registry} login {LOGIN} password {PASSWORD}\n"
        (self.bench.folder / "enroot" / ".credentials").write_text(credentials)

    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**self.bench.environment(environment), "ENROOT_CONFIG_PATH": str(self.bench.folder / "enroot")}


def run(place: tuple[Workflow, str], *more: str, **environment: str) -> str:
    """Snakemake with containers, which must end well; what it said."""
    workflow, runtime = place
    arguments = ["--sdm", "apptainer", "--hpccompose-container-runtime", runtime, "-j", "10", "--show-failed-logs"]
    done = workflow.run(*arguments, *more, timeout=200, **environment)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def make_image(images: Images, file: Path) -> None:
    """The image as a file, as a user has it from `enroot import`."""
    environment = images.environment({"PATH": os.environ["PATH"], "HOME": str(images.bench.folder)})
    uri = f"docker://{images.tool.replace('/', '#', 1)}"
    subprocess.run(
        ["enroot", "import", "--output", str(file), "--", uri], env=environment, check=True, capture_output=True
    )
