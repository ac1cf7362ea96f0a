"""One image made in a folder of its own: imported, or unpacked, customised and packed again."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compose_core.cluster import apptainer, enroot
from compose_core.cluster.container_tools import ContainerTools
from compose_core.cluster.long_program import LongRun, run_long
from compose_core.errors import HpccError
from compose_core.plan.model import PlannedImage, PlannedPrepare, shown
from compose_core.plan.mounts import enroot_mount, mount_flags
from compose_core.records.our_path import refuse

LOG = "log.txt"
"""In the folder of a build: the output of its programs."""
_ROOTFS = "rootfs"


class Stopped(Exception):
    """The making was broken off because somebody asked for it."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """The folder of one build and what the programs in it get."""

    folder: Path
    programs: ContainerTools
    environment: Mapping[str, str] = field(repr=False)
    stop: threading.Event
    tell: Callable[[str], None]
    """Told each step before it is taken."""

    def make(self, image: PlannedImage, *, prepared: bool) -> Path:
        """The finished image file, in this folder.

        Raises: HpccError: a program failed; its last lines are in the details.  Stopped: `stop` was set.
        """
        output = self.folder / f"image{Path(image.runtime_path).suffix}"
        prepare = image.prepare if prepared else None
        build = self._build_with_enroot if image.tool == "enroot" else self._build_with_apptainer
        try:
            if prepare is None:
                self._import(image, output)
            else:
                build(image.base.path if image.base is not None else image.source, prepare, output)
        except OSError as error:
            refuse(self.folder, error)
        return output

    def _import(self, image: PlannedImage, output: Path) -> None:
        self.tell(f"importing {image.reference}")
        if image.tool == "enroot":
            argv = enroot.import_argv(self.programs.enroot, image.source, str(output))
        else:
            argv = apptainer.pull_argv(self.programs.apptainer, image.source, str(output))
        self._run(argv, f"{image.reference} cannot be imported")

    def _build_with_enroot(self, base: str, prepare: PlannedPrepare, output: Path) -> None:
        program = self.programs.enroot
        rc = self.folder / "rc"
        rc.write_text(enroot.RC_TEXT, encoding="ascii")
        self.tell("unpacking the base image")
        self._run(enroot.create_argv(program, _ROOTFS, base), f"{base} cannot be unpacked")
        for position, command in enumerate(prepare.commands, 1):
            argv = enroot.start_argv(
                program,
                _ROOTFS,
                command,
                rc=str(rc),
                root=prepare.root,
                mounts=[shown(enroot_mount(mount)) for mount in prepare.mounts],
                variables=[name for name, _ in prepare.environment],
            )
            self._command(argv, position, prepare)
        self.tell("packing the image")
        self._run(enroot.export_argv(program, _ROOTFS, str(output)), "the customised image cannot be packed")

    def _build_with_apptainer(self, base: str, prepare: PlannedPrepare, output: Path) -> None:
        program, rootfs = self.programs.apptainer, str(self.folder / _ROOTFS)
        self.tell("unpacking the base image")
        self._run(apptainer.unpack_argv(program, rootfs, base), f"{base} cannot be unpacked")
        for position, command in enumerate(prepare.commands, 1):
            mounts = [shown(mount_flags(mount)) for mount in prepare.mounts]
            argv = apptainer.exec_argv(program, rootfs, command, root=prepare.root, mounts=mounts)
            self._command(argv, position, prepare)
        self.tell("packing the image")
        self._run(apptainer.pack_argv(program, str(output), rootfs), "the customised image cannot be packed")

    def _command(self, argv: list[str], position: int, prepare: PlannedPrepare) -> None:
        text = prepare.commands[position - 1].strip().splitlines()
        shortened = text[0][:100] if text else ""
        self.tell(f"command {position} of {len(prepare.commands)}: {shortened}")
        self._run(argv, f"the prepare command `{shortened}` failed", variables=dict(prepare.environment))

    def _run(self, argv: list[str], what: str, *, variables: Mapping[str, str] | None = None) -> None:
        environment = enroot.build_environment(self.environment, data_path=str(self.folder / "data"))
        for name, value in (variables or {}).items():
            environment |= {name: value, f"APPTAINERENV_{name}": value}
        descriptor = os.open(self.folder / LOG, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            run = run_long(argv, log_fd=descriptor, env=environment, stop=self.stop)
            if not run.is_well and not run.stopped and _is_stale(run):
                run = run_long(argv, log_fd=descriptor, env=environment, stop=self.stop)
        finally:
            os.close(descriptor)
        if run.stopped:
            raise Stopped
        if not run.is_well:
            raise HpccError(
                f"{what}: {argv[0]} {run.how}",
                remedy=remedy_for(run),
                details="\n".join(run.last_lines),
                code="prepare-failed",
            )


def remedy_for(run: LongRun) -> str:
    """What the program's last words suggest."""
    said = "\n".join(run.last_lines).lower()
    for words, remedy in _REMEDIES.items():
        # As words of their own: `registry:40167` and `app-403` are no answers of a registry.
        if re.search(rf"(?<![\w./@-])(?:{'|'.join(words)})(?![\w/@-])", said):
            return remedy
    if run.rc is None:
        return f"Install {run.argv[0]} here, or name it with --enroot-bin."
    return "Look at the lines below; they are the last that it said."


_REMEDIES = {
    ("no space left", "disk quota exceeded"): "Free space in the cache (`hpcc cache prune`), or set x-slurm.cache_dir "
    "to a larger file system.",
    ("401", "403", "unauthorized", "denied", "authentication"): "Put your credentials for that registry into "
    "`.credentials` in ~/.config/enroot, or where ENROOT_CONFIG_PATH points (mode 0600).",
    ("404", "not found", "manifest unknown"): "Check the image's name and tag.",
    ("could not resolve", "connection refused", "timed out", "unreachable", "failed to connect"): "Check the "
    "registry's name and that this machine reaches it, then try again.",
}


def _is_stale(run: LongRun) -> bool:
    """A file server replaced something meanwhile; a second try usually goes well."""
    return any("stale file handle" in line.lower() for line in run.last_lines)
