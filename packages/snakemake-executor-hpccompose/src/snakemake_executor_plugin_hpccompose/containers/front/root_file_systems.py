"""Images unpacked for a job on its node, where Enroot cannot start from the image file itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from .words import Refusal


def starts_images(environment: Mapping[str, str]) -> bool:
    """Enroot can start from the file itself, which takes squashfuse where the user is not root.  Source: enroot start(1)."""
    if environment.get("HPCC_CONTAINER_UNPACK"):
        return False
    folders = (environment.get("PATH") or os.defpath).split(os.pathsep)
    return os.geteuid() == 0 or any(os.access(os.path.join(folder, "squashfuse"), os.X_OK) for folder in folders)


def unpacked(image: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Name and data folder of the image's root file system, unpacked once per job: by whoever comes first."""
    import fcntl
    import hashlib
    import subprocess

    data = rootfs_folder(environment)
    os.makedirs(data, mode=0o700, exist_ok=True)
    status = os.lstat(data)
    if status.st_uid != os.geteuid() or not os.path.isdir(data) or os.path.islink(data):
        raise Refusal(f"{data} is not ours; remove it, or set TMPDIR")
    seen = os.stat(image)
    name = hashlib.sha256(
        f"{image}\0{seen.st_mtime_ns}\0{seen.st_size}".encode("utf-8", "surrogateescape")
    ).hexdigest()[:16]
    done = os.path.join(data, f"{name}.done")
    lock = os.open(os.path.join(data, f"{name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(done):
            result = subprocess.run(
                ["enroot", "create", "--force", "--name", name, "--", image],
                env={**environment, "ENROOT_DATA_PATH": data},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
            )
            if result.returncode:
                raise Refusal(f"enroot cannot unpack {image} (status {result.returncode}); its words stand above")
            os.close(os.open(done, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.close(lock)
    return name, data


def rootfs_folder(environment: Mapping[str, str]) -> str:
    """Where this job's unpacked images lie on this node; the runner removes it when it ends."""
    job = environment.get("HPC_COMPOSE_JOB_ID") or environment.get("SLURM_JOB_ID") or f"user-{os.geteuid()}"
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", job)
    folder = environment.get("HPCC_CONTAINER_TMP") or environment.get("TMPDIR") or "/tmp"
    return os.path.join(folder, f"hpcc-rootfs-{os.geteuid()}-{safe}")
