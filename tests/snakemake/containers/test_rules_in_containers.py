"""Rules with `container:`, run by Snakemake in images of a real registry: on this machine and on the private cluster."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.bench import LOGIN, PASSWORD, ContainerBench, missing_programs
from tests.slurm.bench import SlurmBench
from tests.slurm.conftest import skip_or_fail_without
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

PLACES = [
    pytest.param(("local", "enroot"), id="local-enroot"),
    pytest.param(("slurm", "enroot"), id="slurm-enroot", marks=pytest.mark.faults),
    pytest.param(("slurm", "pyxis"), id="slurm-pyxis"),
]
"""Enroot in a job of Slurm is the same as here but for the node: it runs with the long tests."""
BASH = '#!/bin/sh\nexec /bin/sh "$@"\n'
PYTHON = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
"""The host's, whose folders the test mounts: an image for tests has none."""
HOSTILE = 'it\'s "so" $(touch broken) `touch broken` \\ * ; &\nsecond line'


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


@pytest.fixture(scope="module")
def images(slurm_bench: SlurmBench) -> Iterator[Images]:
    """Nodes have a /tmp of their own."""
    skip_or_fail_without(missing_programs())
    images = Images(Path(tempfile.mkdtemp(prefix="containers-", dir=slurm_bench.shared_dir)))
    images.up()
    try:
        yield images
    finally:
        images.bench.down()


@pytest.fixture(params=PLACES)
def place(
    request: pytest.FixtureRequest, images: Images, slurm_bench: SlurmBench, shared_tmp: Path
) -> Iterator[tuple[Workflow, str]]:
    """An empty workflow on the engine, and the container runtime."""
    engine, runtime = request.param
    given = (
        dict(slurm_bench.environment) if engine == "slurm" else {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    )
    workflow = Workflow(shared_tmp / "work", engine, images.environment(given))
    yield workflow, runtime
    workflow.end()


def run(place: tuple[Workflow, str], *more: str, **environment: str) -> str:
    """Snakemake with containers, which must end well; what it said."""
    workflow, runtime = place
    arguments = ["--sdm", "apptainer", "--hpccompose-container-runtime", runtime, "-j", "10", "--show-failed-logs"]
    done = workflow.run(*arguments, *more, timeout=200, **environment)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_rules_run_in_their_images(place: tuple[Workflow, str], images: Images) -> None:
    """An image of a private registry, a file, threads, variables, the exit of a pipe; shadow and benchmark as without containers."""
    workflow, runtime = place
    file = workflow.folder / "tool.sqsh"
    workflow.write(
        f"""
        envvars: "HOSTILE"
        rule all:
            input: "pulled.txt", "file.txt", "shadow.txt", "script.txt", "host.txt"
        rule pulled:
            output: "pulled.txt"
            container: "docker://{images.tool}"
            threads: 2
            shell: 'ask > {{output}}; pwd >> {{output}}; echo "$OMP_NUM_THREADS" >> {{output}}; printf %s "$HOSTILE" > hostile.txt; '
                   'grep ^NAME /etc/os-release >> {{output}}'
        rule shadowed:
            output: "shadow.txt"
            container: "docker://{images.tool}"
            shadow: "minimal"
            benchmark: "shadow.bench"
            shell: "ask > {{output}}; echo junk > junk.txt; x=$(dd if=/dev/zero bs=1M count=120 2>/dev/null | tr '\\\\0' x); sleep 2"
        rule script:
            output: "script.txt"
            container: "docker://{images.tool}"
            params: text="it's $HOME"
            script: "write.py"
        rule from_file:
            output: "file.txt"
            container: "{file}"
            shell: "ask > {{output}}"
        rule on_host:
            output: "host.txt"
            shell: "! command -v ask && touch {{output}}"
        """
    )
    workflow.write(
        """
        import os, pathlib
        text = f"{snakemake.params.text} {os.getcwd()} {pathlib.Path('/etc/os-release').read_text().splitlines()[0]}"
        pathlib.Path(snakemake.output[0]).write_text(text)
        """,
        "write.py",
    )
    make_image(images, file)
    host = [folder for folder in ("/usr", "/lib", "/lib64", sys.base_prefix, sys.prefix) if Path(folder).exists()]
    run(place, "--hpccompose-container-mounts", *host, HOSTILE=HOSTILE)
    assert workflow.text("pulled.txt").splitlines() == ["asked image", str(workflow.folder), "2", 'NAME="team/tool"']
    assert workflow.text("hostile.txt") == HOSTILE
    assert not workflow.exists("broken")
    assert workflow.text("file.txt") == "asked image\n"
    assert workflow.text("shadow.txt") == "asked image\n"
    assert not workflow.exists("junk.txt")
    assert workflow.text("script.txt") == f'it\'s $HOME {workflow.folder} NAME="team/tool"'
    if runtime == "enroot":  # under srun it is that of srun
        row = workflow.text("shadow.bench").splitlines()[1].split("\t")
        assert float(row[2]) > 100, "max_rss in MB is that of the command in the container"


def make_image(images: Images, file: Path) -> None:
    """The image as a file, as a user has it from `enroot import`."""
    import subprocess

    environment = images.environment({"PATH": os.environ["PATH"], "HOME": str(images.bench.folder)})
    uri = f"docker://{images.tool.replace('/', '#', 1)}"
    subprocess.run(
        ["enroot", "import", "--output", str(file), "--", uri], env=environment, check=True, capture_output=True
    )


@pytest.mark.parametrize("place", PLACES[:1], indirect=True)
def test_a_rule_that_fails_in_its_image_fails(place: tuple[Workflow, str], images: Images) -> None:
    """The exit status of the command comes through."""
    workflow, runtime = place
    workflow.write(
        f"""
        rule all:
            output: "out.txt"
            container: "docker://{images.tool}"
            shell: "echo these are the last words >&2; exit 7"
        """
    )
    arguments = ["--sdm", "apptainer", "--hpccompose-container-runtime", runtime, "-j", "1", "--show-failed-logs"]
    done = workflow.run(*arguments)
    assert done.returncode == 1
    assert "these are the last words" in done.stdout
