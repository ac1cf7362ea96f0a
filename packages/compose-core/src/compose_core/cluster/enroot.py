"""Enroot's commands for importing an image and building on it.  Source: enroot(1) of 3.4 and 4.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RC_TEXT = 'exec "$@"\n'
"""The command script in place of the image's own, which would hand every command to the image's entrypoint."""


def import_argv(program: str, source: str, output: str) -> list[str]:
    """Import `docker://…`, `dockerd://…` or `podman://…` into a file that must not exist."""
    return [program, "import", "--output", output, "--", source]


def create_argv(program: str, name: str, image: str) -> list[str]:
    """Unpack an image into the root file system `name` below ENROOT_DATA_PATH."""
    return [program, "create", "--name", name, "--", image]


def start_argv(
    program: str, name: str, command: str, *, rc: str, root: bool, mounts: Sequence[str], variables: Sequence[str]
) -> list[str]:
    """Run one shell command in the root file system, which keeps what it changes; variables by name only."""
    options = ["--rw", "--rc", rc]
    options += ["--root"] if root else []
    for mount in mounts:
        options += ["--mount", mount]
    for variable in variables:
        options += ["--env", variable]
    return [program, "start", *options, "--", name, "/bin/sh", "-c", command]


def export_argv(program: str, name: str, output: str) -> list[str]:
    """Pack the root file system into an image file that must not exist."""
    return [program, "export", "--output", output, "--", name]


def build_environment(environment: Mapping[str, str], *, data_path: str) -> dict[str, str]:
    """The user's environment for building: root file systems in a folder of the build, the image's PATH, no GPU hook."""
    return {
        **environment,
        "ENROOT_DATA_PATH": data_path,
        "ENROOT_LOGIN_SHELL": "n",
        "NVIDIA_VISIBLE_DEVICES": "void",
    }
