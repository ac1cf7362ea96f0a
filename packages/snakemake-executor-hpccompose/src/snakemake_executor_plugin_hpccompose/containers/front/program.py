"""The program: it answers, or becomes what does the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .root_file_systems import starts_images, unpacked
from .runtimes import enroot_argv, pyxis_argv
from .words import Call, Refusal, parse_exec

VERSION = "apptainer version 1.3.0"
"""Snakemake wants at least 1.0.0."""
_PULL = "snakemake_executor_plugin_hpccompose.containers.pull"


def main(argv: Sequence[str]) -> int:
    try:
        return _run(list(argv), dict(os.environ))
    except Refusal as refusal:
        print(f"hpccompose: {refusal}", file=sys.stderr)
        return 255


def _run(argv: list[str], environment: dict[str, str]) -> int:
    while argv and argv[0] in ("--quiet", "-q", "--silent", "-s", "--debug", "-d", "--verbose", "-v", "--nocolor"):
        argv.pop(0)
    if argv == ["--version"] or argv == ["version"]:
        print(VERSION)
        return 0
    if argv[:1] == ["pull"]:
        _pull(argv[1:], environment)
    if argv[:1] == ["exec"]:
        _enter(parse_exec(argv[1:], environment, cwd=os.getcwd()), environment)
    raise Refusal(
        f"`apptainer {' '.join(argv[:1])}` is more than Snakemake's containers need; for the real apptainer "
        "set `--hpccompose-container-runtime apptainer`"
    )


def _enter(call: Call, environment: dict[str, str]) -> NoReturn:
    """Become the container's command, so that signals, exit status and `benchmark:` see that and nothing else."""
    _refuse_foreign_images(call.image)
    in_job = bool(environment.get("SLURM_JOB_ID")) and environment.get("HPC_COMPOSE_ENGINE") != "local"
    if environment.get("HPCC_CONTAINER_RUNTIME") == "pyxis" and in_job:
        argv, variables = pyxis_argv(call, environment)
    elif starts_images(environment):
        argv, variables = enroot_argv(call, environment, image=call.image, writable=True)
    else:
        name, data = unpacked(call.image, environment)
        argv, variables = enroot_argv(call, environment, image=name, writable=False)
        variables["ENROOT_DATA_PATH"] = data
    try:
        os.execvpe(argv[0], argv, variables)
    except FileNotFoundError:
        raise Refusal(
            f"{argv[0]} is not installed here ({os.uname().nodename}); install it on the nodes, or choose another "
            "`--hpccompose-container-runtime` (enroot, pyxis or apptainer)"
        ) from None


def _refuse_foreign_images(image: str) -> None:
    """Only squashfs files are images for Enroot and Pyxis.  Source: squashfs' magic number."""
    try:
        with open(image, "rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise Refusal(f"the image {image} cannot be read: {error.strerror}") from None
    if start != b"hsqs":
        raise Refusal(
            f"{image} is no squashfs image, which Enroot and Pyxis want; name it as docker://…, convert it with "
            "`enroot import`, or set `--hpccompose-container-runtime apptainer`"
        )


def _pull(words: list[str], environment: dict[str, str]) -> NoReturn:
    """Hand over to the program that knows the image cache."""
    python = environment.get("HPCC_PYTHON") or sys.executable
    argv = [python, "-m", _PULL, *words]
    os.execve(python, argv, environment)
