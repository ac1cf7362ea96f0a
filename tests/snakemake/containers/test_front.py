"""The program that stands in for apptainer: what it understands, and what it becomes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path

import pytest

from snakemake_executor_plugin_hpccompose.containers import (
    FRONT,
    front_environment,
    lead_the_path,
    stand_in,
    step_aside,
)
from snakemake_executor_plugin_hpccompose.containers.front.runtimes import enroot_argv, pyxis_argv
from snakemake_executor_plugin_hpccompose.containers.front.surroundings import all_mounts
from snakemake_executor_plugin_hpccompose.containers.front.words import Mount, Refusal, mounts_of, parse_exec
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

HOSTILE = 'it\'s $(touch x) `y` "z" ; & | \\ * ü'


def apptainer(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The program itself."""
    return subprocess.run(
        [FRONT / "apptainer", *words],
        env={"PATH": os.environ["PATH"], **(environment or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_its_version_is_one_that_snakemake_takes() -> None:
    """Snakemake wants apptainer 1.0.0 or newer, in these words."""
    assert apptainer("--version").stdout == "apptainer version 1.3.0\n"


def test_what_snakemake_says_is_understood() -> None:
    """The line of `snakemake.deployment.singularity.shellcmd`, as the program gets it."""
    words = [
        "--home",
        "/work",
        "--nv",
        "--bind",
        "/data:/in",
        "--bind",
        "/ref",
        "--pwd",
        "/work/shadow",
        "img.simg",
        "bash",
        "-c",
    ]
    call = parse_exec([*words, HOSTILE], {}, cwd="/work")
    assert call.image == "/work/img.simg"
    assert call.command == ("bash", "-c", HOSTILE)
    assert (call.home, call.folder, call.gpus) == ("/work", "/work/shadow", True)
    assert call.mounts == (Mount("/work", "/work"), Mount("/data", "/in"), Mount("/ref", "/ref"))


def test_options_behind_the_image_are_the_commands() -> None:
    """A command's own --bind is no mount."""
    assert parse_exec(["i.sqsh", "tool", "--bind", "x"], {}, cwd="/w").command == ("tool", "--bind", "x")


@pytest.mark.parametrize("option", ["--overlay=x", "--mount", "--unheard-of"])
def test_an_option_that_cannot_be_honoured_is_refused(option: str) -> None:
    """Silence would run the command without what it needs."""
    with pytest.raises(Refusal, match=option.partition("=")[0]):
        parse_exec([option, "i.sqsh", "true"], {}, cwd="/w")


@pytest.mark.parametrize(
    ("text", "mounts"),
    [
        ("/a", [Mount("/a", "/a")]),
        ("/a:/b:ro,/c", [Mount("/a", "/b", read_only=True), Mount("/c", "/c")]),
        ("/a\\,b:/b", [Mount("/a,b", "/b")]),
        ("/a b:/c d", [Mount("/a b", "/c d")]),
    ],
)
def test_binds_are_read_as_apptainer_reads_them(text: str, mounts: list[Mount]) -> None:
    """Source, target, `ro`; several with commas."""
    assert mounts_of(text) == mounts


def test_a_path_with_a_comma_that_exists_is_one_mount(tmp_path: Path) -> None:
    """Snakemake writes no backslashes before commas."""
    folder = tmp_path / "a,b:c"
    folder.mkdir()
    assert mounts_of(str(folder)) == [Mount(str(folder), str(folder))]


def test_outer_folders_are_mounted_before_inner_ones() -> None:
    """Else the outer mount would hide the inner one."""
    call = parse_exec(["--bind", "/tmp/a/b:/x/y,/tmp:/x", "i.sqsh", "true"], {}, cwd="/w")
    targets = [mount.target for mount in all_mounts(call, {})]
    assert targets.index("/x") < targets.index("/x/y")


def test_values_stand_in_no_argument_list() -> None:
    """Arguments of a process are seen by all users of a node."""
    call = parse_exec(["i.sqsh", "true"], {}, cwd="/w")
    argv, environment = enroot_argv(call, {"TOKEN": "s3cret", "PATH": "/bin"}, image="i.sqsh", writable=True)
    assert "s3cret" not in " ".join(argv)
    assert environment["TOKEN"] == "s3cret"
    assert argv[argv.index("TOKEN") - 1] == "--env"


def test_the_host_keeps_its_path_whatever_the_container_gets() -> None:
    """Enroot's own programs are found by the PATH of its environment."""
    call = parse_exec(["--env", "PATH=/opt/bin", "i.sqsh", "true"], {}, cwd="/w")
    argv, environment = enroot_argv(call, {"PATH": "/usr/bin"}, image="i.sqsh", writable=True)
    assert environment["PATH"] == "/usr/bin"
    assert environment["HPCC_SET_PATH"] == "/opt/bin"
    assert ("--env", "PATH") not in itertools.pairwise(argv)


def test_variables_for_the_container_alone_are_understood() -> None:
    """SINGULARITYENV_X is how Snakemake gives conda in a container its folders."""
    call = parse_exec(["i.sqsh", "true"], {"SINGULARITYENV_A": "1", "APPTAINERENV_A": "2"}, cwd="/w")
    assert call.variables == {"A": "2"}


def test_a_step_of_pyxis_gets_all_cpus_of_the_job() -> None:
    """srun gives a step one CPU unless it asks."""
    call = parse_exec(["i.sqsh", "true"], {}, cwd="/w")
    argv, _ = pyxis_argv(call, {"SLURM_JOB_CPUS_PER_NODE": "4(x2),3"})
    assert "--cpus-per-task=4" in argv
    assert argv[argv.index("--") + 1 :][-1:] == ["true"]


def test_what_pyxis_cannot_mount_is_said() -> None:
    """Its mounts are one text with commas."""
    call = parse_exec(["--bind", "/a\\,b", "i.sqsh", "true"], {}, cwd="/w")
    with pytest.raises(Refusal, match="comma"):
        pyxis_argv(call, {})


@pytest.mark.parametrize("verb", ["run", "build"])
def test_other_verbs_are_refused_with_the_way_out(verb: str) -> None:
    """A user who calls apptainer in a rule learns how to get the real one."""
    done = apptainer(verb, "x")
    assert done.returncode == 255
    assert "--hpccompose-container-runtime apptainer" in done.stderr


def test_a_sif_file_is_refused(tmp_path: Path) -> None:
    """It is an image of apptainer alone."""
    (tmp_path / "a.sif").write_bytes(b"#!/usr/bin/env run-singularity\n")
    done = apptainer("exec", str(tmp_path / "a.sif"), "true", environment={"HPCC_CONTAINER_RUNTIME": "enroot"})
    assert done.returncode == 255
    assert "no squashfs image" in done.stderr


def test_the_stand_in_goes_first_on_path_once() -> None:
    """Settings are read more than once in a process."""
    environment = {"PATH": "/usr/bin:/bin"}
    for _ in range(2):
        stand_in("enroot", ["data:/in"], environment)
    assert environment["PATH"] == f"{FRONT}:/usr/bin:/bin"
    assert json.loads(environment["HPCC_CONTAINER_MOUNTS"])[1] == f"{Path.cwd()}/data:/in"
    step_aside(environment)
    assert environment == {"PATH": "/usr/bin:/bin"}


def test_the_real_apptainer_is_left_alone() -> None:
    """With `container_runtime: apptainer` nothing is put in front of it."""
    environment = {"PATH": f"{FRONT}:/bin", **front_environment("apptainer", [], Path("/w"))}
    lead_the_path(environment)
    assert environment["PATH"] == "/bin"
    stand_in("apptainer", [], environment)
    assert environment == {"PATH": "/bin"}


REAL = """\
#!/bin/sh
echo "$@" >> "{calls}"
case $1 in
  --version) echo "apptainer version 1.3.6" ;;
  pull) touch "$3" ;;
  exec) while [ "$1" != bash ]; do shift; done; exec "$@" ;;
esac
"""


def test_a_real_apptainer_is_used_where_the_settings_say_so(local_workflow: Workflow) -> None:
    """By the submitting process for the image, and by the job for its command."""
    workflow = local_workflow
    calls = workflow.folder / "calls.txt"
    program = workflow.write(REAL.replace("{calls}", str(calls)), "bin/apptainer")
    program.chmod(0o755)
    workflow.environment["PATH"] = f"{program.parent}:{workflow.environment['PATH']}"
    workflow.write(
        'rule a:\n    output: "a.txt"\n    container: "oras://somewhere/tool:1"\n    shell: "echo in it > {output}"\n'
    )
    done = workflow.run("--sdm", "apptainer", "--hpccompose-container-runtime", "apptainer", "-j", "1")
    assert done.returncode == 0, done.stdout[-3000:]
    assert workflow.text("a.txt") == "in it\n"
    said = [line.split()[0] for line in calls.read_text().splitlines()]
    assert said.count("pull") == 1
    assert said.count("exec") == 1
