"""What this host lets a bench do: programs, root, namespaces, the freezer cgroup, devices and free ports."""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

from tests.slurm.bench_config import GPUS_PER_NODE

SYSTEM_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
FREEZER = Path("/sys/fs/cgroup/freezer")
MOUNT_FREEZER = f"umount {FREEZER} && mount -t cgroup -o freezer cgroup {FREEZER}"
"""In a cgroup namespace: the node's own cgroup becomes the root of all that it sees."""
NAMESPACES = ("--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo", "bash")
_ACCOUNTING_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacct", "sacctmgr")


def missing_requirements(*, accounting: bool = True) -> list[str]:
    """What this host lacks to run a bench, in words; empty when it can."""
    programs = (*_PROGRAMS, *(_ACCOUNTING_PROGRAMS if accounting else ()))
    missing = [program for program in programs if which(program) is None]
    if os.geteuid() != 0:
        missing.append("root (slurmd starts the processes of other users)")
    return missing


def namespaces_work() -> bool:
    """Whether this host lets us give every node namespaces of its own."""
    if which("unshare") is None:
        return False
    probe = 'hostname node1 && mount -t tmpfs tmpfs /dev/shm && test "$$" = 1'
    argv = ["unshare", *NAMESPACES, "bash", "-c", probe]
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0


def freezer_works() -> bool:
    """Whether a node can have a freezer cgroup (v1) of its own, by which slurmd finds all processes of a job."""
    folder = FREEZER / f"hpccb-probe-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        return False
    probe = f"{MOUNT_FREEZER} && mkdir {FREEZER}/step && rmdir {FREEZER}/step"
    try:
        argv = in_cgroup(folder, ["unshare", "--cgroup", *NAMESPACES, "bash", "-c", probe])
        return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
    finally:
        remove_cgroups(folder)


def in_cgroup(cgroup: Path, argv: list[str]) -> list[str]:
    """The command, started in that cgroup; its pid is the command's."""
    return ["bash", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(cgroup), *argv]


def thaw(cgroup: Path) -> None:
    """A frozen process does not even die."""
    for state in cgroup.rglob("freezer.state"):
        state.write_text("THAWED")


def remove_cgroups(cgroup: Path) -> None:
    """Remove a cgroup and those below it; the kernel takes a moment after the last process ended."""
    deadline = time.monotonic() + 5
    while cgroup.exists():
        try:
            for folder, _, _ in os.walk(cgroup, topdown=False):
                Path(folder).rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def make_gpu_files(folder: Path) -> bool:
    """Character devices that stand in for GPUs (they are `/dev/null`); False where making devices is not permitted."""
    try:
        for number in range(GPUS_PER_NODE):
            os.mknod(folder / f"nvidia{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        return False
    return True


class Ports:
    """Free TCP ports below the kernel's ephemeral range, reserved against other benches of this host.

    The reservation is an abstract Unix socket a port: it leaves no file, and ends with the process that holds it.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, count: int) -> list[int]:
        ports: list[int] = []
        while len(ports) < count:
            port = random.randrange(10240, 30000)
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                lock.bind(f"\0hpccompose-bench-port-{port}")
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                    probe.bind(("0.0.0.0", port))
            except OSError:
                lock.close()
                continue
            self._held.append(lock)
            ports.append(port)
        return ports

    def release(self) -> None:
        while self._held:
            self._held.pop().close()


def outer_environment() -> dict[str, str]:
    """This process's environment without what an outer Slurm job or its user set for Slurm."""
    outer = ("SLURM", "SBATCH_", "SRUN_", "SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SALLOC_")
    return {name: value for name, value in os.environ.items() if not name.startswith(outer)}


def which(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_PATH]))
