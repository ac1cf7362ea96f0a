"""What a container gets of the host: variables and mounts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from .words import IDENTIFIER, Call, Mount, mounts_of

WRITTEN = "HPCC_SET_"
"""Prefix of variables that `enter.sh` turns into those they are for."""
_OF_THE_IMAGE = frozenset(("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "HOME", "PWD", "OLDPWD", "SHLVL", "_"))
"""Variables that speak of the host's file system or of another shell."""
_NEEDS_WRITING = re.compile(r"[\n\r\\\"'$`]")
"""Enroot hands variables over as lines of a file and strips quotes; such values are written with \\\\ and \\n instead."""


def container_environment(call: Call, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the container gets, as with apptainer: the host's, but for those that speak of the host."""
    found = (
        {}
        if call.clean
        else {
            name: value
            for name, value in environment.items()
            if name not in _OF_THE_IMAGE
            and IDENTIFIER.fullmatch(name)
            and not name.startswith(("ENROOT_", "APPTAINERENV_", "SINGULARITYENV_", "HPCC_CONTAINER_"))
        }
    )
    found.pop("HPCC_PYTHON", None)
    if call.gpus:
        found.setdefault("NVIDIA_VISIBLE_DEVICES", "all")
        found.setdefault("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")
    return {**found, **call.variables}


def all_mounts(call: Call, environment: Mapping[str, str]) -> list[Mount]:
    """What the container sees of the host, each target once: the latest one wins, as with apptainer."""
    temporary = [] if call.contained else ["/tmp", "/var/tmp", environment.get("TMPDIR", "")]
    configured = [
        mount for text in json.loads(environment.get("HPCC_CONTAINER_MOUNTS") or "[]") for mount in mounts_of(text)
    ]
    wanted = [Mount(path, path) for path in temporary if path and os.path.isdir(path)]
    wanted += [*configured, *call.mounts]
    cwd = os.getcwd()
    wanted.append(Mount(cwd, cwd))
    if os.path.isdir(call.folder):
        wanted.append(Mount(call.folder, call.folder))
    by_target = {os.path.normpath(mount.target): mount for mount in wanted}
    # Outer folders first, or a mount would hide what was mounted below it.
    return [by_target[target] for target in sorted(by_target, key=lambda path: path.count("/") if path != "/" else 0)]


def handed_over(inside: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables as they are given to the runtime, and the names of those that `enter.sh` has to set.

    Those are what would change the runtime's own programs, and values that Enroot cannot hand over.
    """
    plain: dict[str, str] = {}
    written: list[str] = []
    for name, value in inside.items():
        if name in _OF_THE_IMAGE or name.startswith("ENROOT_") or _NEEDS_WRITING.search(value):
            written.append(name)
            plain[WRITTEN + name] = value.replace("\\", "\\\\").replace("\n", "\\n")
        else:
            plain[name] = value
    return plain, written
