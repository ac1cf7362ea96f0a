"""A login node on loopback: an sshd of its own, with its own port and keys, ended by its pid."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_PROGRAMS = ("sshd", "ssh", "ssh-keygen")


def missing_programs() -> list[str]:
    """What is not installed here."""
    return [program for program in _PROGRAMS if not shutil.which(program, path=_PATH)]


@dataclass(frozen=True, kw_only=True)
class LoginNode:
    """A running sshd and the keys for it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def key(self) -> Path:
        """A key that it accepts."""
        return self.folder / "user_key"

    @property
    def other_key(self) -> Path:
        """A key that it does not know."""
        return self.folder / "other_key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def host_key(self) -> str:
        """As it is published: type and key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")

    def extra(self, **more: object) -> dict[str, object]:
        """The extra field of a connection of type `hpccompose`."""
        return {
            "transport": "ssh",
            "engine": "local",
            "key_file": str(self.key),
            "known_hosts_file": str(self.known_hosts),
            "command": shlex.join([sys.executable, "-m", "compose_core"]),
            "workspace": str(self.folder / "workspace"),
            **more,
        }


@contextlib.contextmanager
def login_node(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[LoginNode]:
    """A login node whose sessions get this environment beside what a login gives them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("host_key", "user_key", "other_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    port = _free_port()
    public = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    state = {"XDG_STATE_HOME": str(folder / "state"), **(environment or {})}
    (folder / "sshd_config").write_text(
        "\n".join(
            [
                f"ListenAddress 127.0.0.1:{port}",
                f"HostKey {folder / 'host_key'}",
                f"AuthorizedKeysFile {folder / 'authorized_keys'}",
                "PidFile none",
                "StrictModes no",
                "UsePAM no",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "PermitRootLogin prohibit-password",
                "LogLevel VERBOSE",
                "SetEnv " + " ".join(f'{name}="{value}"' for name, value in state.items()),
                "",
            ]
        )
    )
    process = _started(folder)
    try:
        _wait_for(port, process, folder)
        yield LoginNode(folder=folder, port=port, process=process)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _started(folder: Path) -> subprocess.Popen[bytes]:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd keeps apart what has no rights
    program = shutil.which("sshd", path=_PATH)
    assert program
    with (folder / "sshd.log").open("wb") as log:
        return subprocess.Popen(
            [program, "-D", "-e", "-f", str(folder / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 15
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"sshd did not start: {(folder / 'sshd.log').read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
