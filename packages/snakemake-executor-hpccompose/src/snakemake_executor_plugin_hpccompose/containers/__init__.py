"""Containers of rules over Enroot or Pyxis: a program `apptainer` that Snakemake finds first on PATH.

Snakemake runs `apptainer pull` before it makes an executor, and `apptainer exec` inside of every job. So the program is put on PATH as
soon as the settings are known (`stand_in`), and jobs find it by `PROGRAMS`, a variable that the runner puts in front of their PATH.
Light: it is imported with the settings.
"""

import json
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

PROGRAMS = "HPCC_PROGRAMS"
"""The folder that goes in front of a job's PATH."""
MAPPING = "HPCC_CONTAINER_MAPPING"
"""The mapping file, for the program that fetches images."""
PULLED = Path(".snakemake/hpccompose/images.json")
"""Which files Snakemake has of which images; below the folder of the workflow."""
FRONT = Path(__file__).parent / "bin"


def front_environment(runtime: str, mounts: Sequence[str], workdir: Path) -> dict[str, str]:
    """What a job's environment needs so that its containers run by this runtime."""
    if runtime == "apptainer":
        return {PROGRAMS: ""}
    return {
        PROGRAMS: str(FRONT),
        "HPCC_CONTAINER_RUNTIME": runtime,
        "HPCC_CONTAINER_MOUNTS": json.dumps([str(workdir), *(_absolute(mount, workdir) for mount in mounts)]),
        "HPCC_PYTHON": sys.executable,
    }


def stand_in(
    runtime: str,
    mounts: Sequence[str],
    environment: MutableMapping[str, str] = os.environ,
    *,
    config: str | None = None,
) -> None:
    """From now on this process finds our `apptainer`, or its own again when the runtime is apptainer.

    `config` is the mapping file, which may say how images are prepared.
    """
    step_aside(environment)
    if runtime == "apptainer":
        return
    environment.update(front_environment(runtime, mounts, Path.cwd()))
    if config:
        environment[MAPPING] = str(Path.cwd() / Path(config).expanduser())
    if (Path.cwd() / PULLED).exists():
        from snakemake_executor_plugin_hpccompose.containers.pull import remove_outdated

        remove_outdated(Path.cwd(), environment)
    lead_the_path(environment)


def step_aside(environment: MutableMapping[str, str] = os.environ) -> None:
    """Undo `stand_in`: for workflows that use no containers, whose rules may call an apptainer of their own."""
    for name in (PROGRAMS, MAPPING, "HPCC_CONTAINER_RUNTIME", "HPCC_CONTAINER_MOUNTS", "HPCC_PYTHON"):
        environment.pop(name, None)
    _set_front(environment, "")


def lead_the_path(environment: MutableMapping[str, str]) -> None:
    """Put the folder that `PROGRAMS` names first on PATH, once; take ours away where it names none."""
    if PROGRAMS in environment:
        _set_front(environment, environment[PROGRAMS])


def enter_job(environment: MutableMapping[str, str]) -> None:
    """Prepare a job's environment for its rules, whose TMPDIR may be another one than the job's."""
    lead_the_path(environment)
    if environment.get(PROGRAMS):
        environment["HPCC_CONTAINER_TMP"] = environment.get("TMPDIR") or "/tmp"


def remove_unpacked(environment: Mapping[str, str]) -> None:
    """Remove what the front unpacked for this job on this node; nearly always that is nothing."""
    if environment.get(PROGRAMS):
        from shutil import rmtree

        from snakemake_executor_plugin_hpccompose.containers.front.root_file_systems import rootfs_folder

        rmtree(rootfs_folder(environment), ignore_errors=True)  # what cannot be removed is litter, and the job is well


def _set_front(environment: MutableMapping[str, str], front: str) -> None:
    before = environment.get("PATH", os.defpath).split(os.pathsep)
    folders = [folder for folder in before if folder not in (front, str(FRONT))]
    after = [front, *folders] if front else folders
    if after != before:
        environment["PATH"] = os.pathsep.join(after)


def _absolute(mount: str, workdir: Path) -> str:
    """The same mount, its source seen from the workflow's folder; SOURCE[:TARGET[:ro]]."""
    source, colon, rest = mount.partition(":")
    return f"{workdir / Path(source).expanduser()}{colon}{rest}"
