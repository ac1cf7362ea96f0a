"""Apptainer's commands for importing an image and building on it.  Source: apptainer(1) of 1.2."""

from __future__ import annotations

from collections.abc import Sequence


def pull_argv(program: str, source: str, output: str) -> list[str]:
    """Import an image into a `.sif` file that must not exist."""
    return [program, "pull", output, source]


def unpack_argv(program: str, folder: str, image: str) -> list[str]:
    """Unpack an image into a writable folder."""
    return [program, "build", "--sandbox", folder, image]


def exec_argv(program: str, folder: str, command: str, *, root: bool, mounts: Sequence[str]) -> list[str]:
    """Run one shell command in the folder, which keeps what it changes; variables come as APPTAINERENV_NAME."""
    options = ["--writable", "--no-home"]
    options += ["--fakeroot"] if root else []
    for mount in mounts:
        options += ["--bind", mount]
    return [program, "exec", *options, folder, "/bin/sh", "-c", command]


def pack_argv(program: str, output: str, folder: str) -> list[str]:
    """Pack the folder into a `.sif` file that must not exist."""
    return [program, "build", output, folder]
