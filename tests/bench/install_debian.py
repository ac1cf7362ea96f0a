"""Installs the programs of the Slurm test bench from Debian's or Ubuntu's packages, where that is possible.

Only what is missing is installed, only as root, and no daemon is started. Elsewhere this says what is missing and ends well: the tests that
need the programs are then skipped by name. On a continuous integration machine (CI=true) a failed installation is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurmdbd": "slurmdbd",
    "sbatch": "slurm-client",
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "mpicc": "openmpi-bin",
    "cc": "gcc",
    "docker-registry": "docker-registry",
    "skopeo": "skopeo",
    "umoci": "umoci",
    "mksquashfs": "squashfs-tools",
    "busybox": "busybox-static",
    "zsh": "zsh",
    "fish": "fish",
    "tmux": "tmux",
    "mandoc": "mandoc",
    "man": "man-db",
}
"""Program to the package that brings it, by the names of Debian 12 and Ubuntu 24.04."""

AIRFLOW_PACKAGES = {"sshd": "openssh-server", "chromium": "chromium"}
"""For the tests beside a real Airflow (`install_debian.py airflow`): a login node on loopback, and a browser for its pages."""

LIBRARIES = ("libpmix-dev", "libopenmpi-dev", "libc6-dev")
"""Packages without a program: Slurm's PMIx plugin opens `libpmix.so`, the name without a version; an MPI program is compiled."""

AIRFLOW_LIBRARIES = ("postgresql",)
"""Its server's programs lie below /usr/lib/postgresql and not on PATH."""

SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Temporary: no service starts while the test bench is installed.\nexit 101\n"


def main(arguments: Sequence[str]) -> int:
    """`arguments` name the hosts whose adapters are to be tested too."""
    with_airflow = "airflow" in arguments
    wanted = {**PACKAGES, **(AIRFLOW_PACKAGES if with_airflow else {})}
    libraries = (*LIBRARIES, *(AIRFLOW_LIBRARIES if with_airflow else ()))
    programs = [program for program in wanted if not shutil.which(program, path=SYSTEM_PATH)]
    if not programs and not _can_install():
        return 0
    if not _can_install():
        print(f"The Slurm test bench lacks {', '.join(programs)}; installing needs root on Debian or Ubuntu.")
        return 0
    packages = sorted({wanted[program] for program in programs} | {name for name in libraries if not _installed(name)})
    if not packages:
        return 0
    print(f"Installing for the Slurm test bench: {' '.join(packages)}", flush=True)
    try:
        with _services_held_back():
            _apt_get("update", check=False)  # one unreachable third-party source must not stop what Debian itself has
            _apt_get("install", "--yes", "--no-install-recommends", *filter(_offered, packages))
    except subprocess.CalledProcessError as error:
        print(f"apt-get ended with {error.returncode}:\n{error.stdout[-4000:]}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    return 0


def _can_install() -> bool:
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def _installed(package: str) -> bool:
    query = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return query.stdout == "installed"


def _offered(package: str) -> bool:
    """Ubuntu has no package of that name for the browser; one unknown name must not keep the others out."""
    shown = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", package],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return shown.returncode == 0


def _apt_get(*arguments: str, check: bool = True) -> None:
    """Raises: CalledProcessError: with everything that apt-get said in `stdout`, unless `check` is off."""
    subprocess.run(
        ["apt-get", "--quiet=2", "--option", "DPkg::Lock::Timeout=300", *arguments],
        check=check,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def _services_held_back() -> Iterator[None]:
    """Debian starts a daemon as soon as it is installed, unless this script says 101; one that already exists is left alone."""
    try:
        descriptor = os.open(POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:
        yield
        return
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(POLICY_TEXT)
        yield
    finally:
        POLICY.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
