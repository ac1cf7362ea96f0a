"""Paths of a compose file made absolute, for a job that runs in another folder than the file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def make_paths_absolute(spec: dict[str, Any], slurm: dict[str, Any], folder: Path) -> None:
    """Relative paths were meant from the compose file on; in the file of a job they are absolute.

    `spec` is what `LoadedSpec.reloadable` gives, `slurm` its section `x-slurm`; both are changed.
    """
    for service in spec["services"].values():
        for volume in service.get("volumes", ()):
            volume["source"] = _from(folder, volume["source"])
        if (image := service.get("image")) and "://" not in image and image.endswith((".sqsh", ".squashfs", ".sif")):
            service["image"] = _from(folder, image)
        if (working_dir := service.get("working_dir")) and spec.get("runtime", {}).get("backend") == "host":
            service["working_dir"] = _from(folder, working_dir)
    for secret in spec.get("secrets", {}).values():
        if "file" in secret:
            secret["file"] = _from(folder, secret["file"])
    for key in ("cache_dir", "runtime_root"):
        if key in slurm:
            slurm[key] = _from(folder, slurm[key])


def _from(folder: Path, path: str) -> str:
    return path if path.startswith(("/", "~", "@", "$")) else str(folder).replace("$", "$$") + "/" + path
