"""The command lines of Enroot and of Pyxis."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from .surroundings import all_mounts, container_environment, handed_over
from .words import Call, Mount, Refusal

ENTER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "enter.sh")
"""The container's command script."""
_FSTAB = {"\\": "\\134", " ": "\\040", "\t": "\\011", "\n": "\\012"}


def enroot_argv(
    call: Call, environment: Mapping[str, str], *, image: str, writable: bool
) -> tuple[list[str], dict[str, str]]:
    """The program to become and its environment; only names of variables stand in the argument list."""
    inside, written = handed_over(container_environment(call, environment))
    argv = ["enroot", "start", "--rc", ENTER]
    argv += ["--rw"] if writable else []
    for mount in all_mounts(call, environment):
        argv += ["--mount", _enroot_mount(mount)]
    for name in inside:
        argv += ["--env", name]
    argv += ["--", image, call.folder, call.home, " ".join(written), *call.command]
    return argv, {**environment, **inside}


def _enroot_mount(mount: Mount) -> str:
    """A line of an fstab with colons between its fields; a third field that is an option would replace the default ones."""
    for path in (mount.source, mount.target):
        if ":" in path:
            raise Refusal(f"enroot cannot mount {path!r}: its name holds a colon; use another folder")
    source, target = ("".join(_FSTAB.get(letter, letter) for letter in path) for path in mount[:2])
    return f"{source}:{target}" + (":none:x-create=auto,rbind,ro" if mount.read_only else "")


def pyxis_argv(call: Call, environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The step that runs the command in the container, and the environment of its srun."""
    inside, written = handed_over(container_environment(call, environment))
    argv = ["srun", "--overlap", "--export=ALL", "--nodes=1", "--ntasks=1"]
    cpus = environment.get("SRUN_CPUS_PER_TASK") or environment.get("SLURM_CPUS_PER_TASK") or _cpus_here(environment)
    argv += [f"--cpus-per-task={cpus}"] if cpus else []
    argv += json.loads(environment.get("HPCC_STEP_ARGS") or "[]")
    mounts = ",".join(_pyxis_mount(mount) for mount in all_mounts(call, environment))
    argv += [f"--container-image={call.image}", "--container-writable", f"--container-mounts={mounts}"]
    argv += [f"--container-workdir={call.folder}", "--container-env=" + ",".join(sorted(inside))]
    with open(ENTER, encoding="ascii") as script:
        enter = script.read()
    argv += ["--", "/bin/sh", "-c", enter, "sh", call.folder, call.home, " ".join(written), *call.command]
    return argv, {**environment, **inside}


def _cpus_here(environment: Mapping[str, str]) -> str:
    """All of the allocation's CPUs on this node: a step gets a single one unless it asks."""
    match = re.match(r"\d+", environment.get("SLURM_JOB_CPUS_PER_NODE", ""))
    return match[0] if match else ""


def _pyxis_mount(mount: Mount) -> str:
    for path in (mount.source, mount.target):
        if "," in path or ":" in path:
            raise Refusal(
                f"Pyxis cannot mount {path!r}: its name holds a comma or a colon; use another folder, or "
                "`--hpccompose-container-runtime enroot`"
            )
    return f"{mount.source}:{mount.target}" + (":ro" if mount.read_only else "")
