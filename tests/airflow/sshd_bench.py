"""A private login node: sshd on loopback with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.bench_end import BenchError
from tests.slurm.bench_host import Ports, which
from tests.slurm.bench_processes import descendants, kill_all


@dataclass(frozen=True)
class LoginNode:
    """How to log in."""

    port: int
    user: str
    key: Path
    known_hosts: Path
    other_key: Path
    """One that the login node does not accept."""
    log: Path


def missing_programs() -> list[str]:
    """What this host lacks for a login node."""
    return [program for program in ("sshd", "ssh", "ssh-keygen") if which(program) is None]


@contextmanager
def login_node(folder: Path, environment: Mapping[str, str]) -> Iterator[LoginNode]:
    """A running sshd whose sessions have `environment` and this Python's programs.

    Raises: BenchError: it did not come up.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("host_key", "user_key", "other_key"):
        _keygen(folder / name)
    ports = Ports()
    (port,) = ports.take(1)
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "sshd_config").write_text(_configuration(folder, port, environment))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it; a service manager would make it
    node = LoginNode(
        port=port,
        user=getpass.getuser(),
        key=folder / "user_key",
        known_hosts=folder / "known_hosts",
        other_key=folder / "other_key",
        log=folder / "log",
    )
    daemon = subprocess.Popen(
        [str(which("sshd")), "-D", "-f", str(folder / "sshd_config"), "-E", str(node.log)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    try:
        _wait_until_it_answers(node, daemon)
        yield node
    finally:
        kill_all([daemon.pid, *descendants(daemon.pid)])
        daemon.wait()
        ports.release()


def _keygen(path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, stdin=subprocess.DEVNULL
    )


def _configuration(folder: Path, port: int, environment: Mapping[str, str]) -> str:
    """Every login gets the environment; the last PATH begins with this Python's programs."""
    path = f"{Path(sys.executable).parent}:{environment.get('PATH', os.environ['PATH'])}"
    given = " ".join(f'"{name}={value}"' for name, value in {**environment, "PATH": path}.items())
    return "\n".join(
        [
            f"Port {port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {folder}/host_key",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            "PidFile none",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "StrictModes no",
            "UsePAM no",
            "Subsystem sftp internal-sftp",
            f"SetEnv {given}",
            "",
        ]
    )


def _wait_until_it_answers(node: LoginNode, daemon: subprocess.Popen[bytes]) -> None:
    argv = [
        str(shutil.which("ssh")),
        "-p",
        str(node.port),
        "-i",
        str(node.key),
        "-o",
        f"UserKnownHostsFile={node.known_hosts}",
        "-o",
        "BatchMode=yes",
        "-F",
        "none",
        f"{node.user}@127.0.0.1",
        "true",
    ]
    deadline = time.monotonic() + 20
    while True:
        tried = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if tried.returncode == 0:
            return
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"the login node does not answer: {tried.stderr} {node.log.read_text()}")
        time.sleep(0.1)
