"""Rules with `container:`, run by Snakemake in images of a real registry: on this machine and on the private cluster."""

from __future__ import annotations

import pytest

from tests.snakemake.containers.images import BASH, HOST, PLACES, Images, make_image, run
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

HOSTILE = 'it\'s "so" $(touch broken) `touch broken` \\ * ; &\nsecond line'


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
    run(place, "--hpccompose-container-mounts", *HOST, HOSTILE=HOSTILE)
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


CONDA = """#!/bin/sh
case "$1" in
  --version) echo "conda 25.1.0" ;;
  info) echo '{"conda_prefix": "/opt/conda", "platform": "linux-64"}' ;;
  env)
    while [ $# -gt 0 ]; do
      case "$1" in --file) file=$2 ;; --prefix) prefix=$2 ;; esac
      shift
    done
    mkdir -p "$prefix/bin"
    { echo '#!/bin/sh'; echo "echo made of $(grep -c tool "$file") line in $(head -1 /etc/os-release)"; } > "$prefix/bin/in-env"
    chmod +x "$prefix/bin/in-env" ;;
esac
"""
"""What Snakemake calls of conda: an environment is a folder with a program that tells where it was made."""
ACTIVATE = "CONDA_PREFIX=$1\nPATH=$1/bin:$PATH\nexport CONDA_PREFIX PATH\n"


@pytest.mark.parametrize("place", [PLACES[0], PLACES[2]], indirect=True)
def test_conda_in_a_container(place: tuple[Workflow, str], images: Images) -> None:
    """The environment is made by the image's conda before the jobs start, and activated in the image."""
    workflow, runtime = place
    name = f"team/conda-{runtime}"
    files = {"/bin/bash": BASH, "/opt/tool/conda": CONDA, "/opt/conda/bin/activate": ACTIVATE}
    image = images.bench.push(name, environment={"PATH": "/opt/tool:/usr/local/bin:/usr/bin:/bin"}, files=files)
    workflow.write("dependencies: [tool]\n", "env.yaml")
    own = workflow.write(CONDA, "bin/conda")  # Snakemake tidies up with the host's
    own.chmod(0o755)
    workflow.write(
        f"""
        rule all:
            output: "out.txt"
            conda: "env.yaml"
            container: "docker://{image}"
            shell: 'in-env > {{output}}; case "$CONDA_PREFIX" in "$PWD"/.snakemake/conda/*) echo active >> {{output}};; esac'
        """
    )
    arguments = ["--sdm", "apptainer", "conda", "--hpccompose-container-runtime", runtime, "-j", "2"]
    path = f"{own.parent}:{workflow.environment['PATH']}"
    done = workflow.run(*arguments, "--show-failed-logs", timeout=200, PATH=path)
    assert done.returncode == 0, done.stdout[-6000:]
    assert workflow.text("out.txt").splitlines() == [f"made of 1 line in NAME={name}", "active"]
