"""Programs on another machine, run over OpenSSH: the same calls as on this one.

The host key is checked and nothing is ever asked. One connection is kept and shared by all calls of the user for a while. Whether the
program ended, never started, or was lost with the connection is told apart by two lines that the far side writes around it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compose_core.cluster.runner import (
    OUTPUT_CAP,
    CommandRunner,
    Finished,
    HostRunner,
    NotFound,
    NotStarted,
    RunOutcome,
    TimedOut,
    TooMuchOutput,
)
from compose_core.errors import UsageError

CONNECT_TIMEOUT_S = 15
PERSIST_S = 120
"""So long the shared connection stays open after its last use."""
_LONGEST_SOCKET = 90
"""Bytes: a socket's path has at most 107, and OpenSSH adds 17 while it makes one.  Source: unix(7)."""
_BEGIN = "hpcc-ssh: begin"
_END = "hpcc-ssh: end "
_AROUND = f'echo \'{_BEGIN}\' >&2; "$@"; status=$?; echo "{_END}$status" >&2; exit $status'
_HOST = re.compile(r"[A-Za-z0-9_.:%\[\]][A-Za-z0-9_.:%\[\]-]*")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@\\$-]*")


@dataclass(frozen=True, kw_only=True)
class OpenSshTarget:
    """Which machine, as whom, and by which keys; what is not said is as the user's own configuration of OpenSSH says."""

    host: str
    user: str = ""
    port: int | None = None
    identity_file: Path | None = None
    known_hosts: tuple[Path, ...] = ()
    """Besides the user's own file."""
    jump: str = ""
    """A machine on the way, as `ssh -J` takes it."""

    def __post_init__(self) -> None:
        """Raises: UsageError: host or user could be taken for something else."""
        if not _HOST.fullmatch(self.host):
            raise UsageError(f"{self.host!r} is no host name", remedy="Name the login node.", code="ssh-host")
        if self.user and not _USER.fullmatch(self.user):
            raise UsageError(f"{self.user!r} is no user name", code="ssh-user")
        if self.jump.startswith("-"):
            raise UsageError(f"{self.jump!r} is no host to jump over", code="ssh-host")


@dataclass(frozen=True, kw_only=True)
class OpenSshRunner:
    """Runs programs on the target: arguments arrive as they are, whatever they hold."""

    target: OpenSshTarget
    runner: CommandRunner = field(default_factory=HostRunner)
    """Runs `ssh` here."""
    control_dir: Path | None = None
    """A folder of the user alone for the shared connection's socket; None: every call connects anew."""
    program: str = "ssh"
    connect_timeout_s: int = CONNECT_TIMEOUT_S

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        """What became of the program there; `env` is added to what the machine gives it.

        `NotStarted`: the machine was not reached. `TimedOut`: also when the connection broke, for then, too, nobody knows what the
        program did.
        """
        command = tuple(argv)
        words = ["env", *(f"{name}={value}" for name, value in env.items()), *command] if env else list(command)
        if cwd is not None:
            words = ["sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh", str(cwd), *words]
        outcome = self.runner.run(
            [*self.ssh_argv(), remote_command(words)], timeout_s=timeout_s, stdin=stdin or b"", output_cap=output_cap
        )
        return _of_program(outcome, command, timeout_s)

    def ssh_argv(self) -> list[str]:
        """The `ssh` call up to the host; what stands behind it is the remote command."""
        target = self.target
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"ConnectTimeout={self.connect_timeout_s}",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=3",
            "ForwardAgent=no",
            "ForwardX11=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "EscapeChar=none",
            "LogLevel=ERROR",
            *_known_hosts_option(target.known_hosts),
            *self._sharing(),
        ]
        if target.identity_file is not None:
            options += [f"IdentityFile={_quoted(target.identity_file)}", "IdentitiesOnly=yes"]
        argv = [self.program, "-T", *(word for option in options for word in ("-o", option))]
        argv += ["-l", target.user] if target.user else []
        argv += ["-p", str(target.port)] if target.port else []
        argv += ["-J", target.jump] if target.jump else []
        return [*argv, "--", target.host]

    def _sharing(self) -> list[str]:
        if self.control_dir is None:
            return ["ControlMaster=no", "ControlPath=none"]
        socket = self.control_dir / connection_name(self.target)
        return ["ControlMaster=auto", f"ControlPath={_quoted(socket)}", f"ControlPersist={PERSIST_S}"]


def remote_command(words: Sequence[str]) -> str:
    """The line for the login shell there: every word quoted, two lines on stderr around what it does."""
    return f"exec sh -c {shlex.quote(_AROUND)} hpcc {shlex.join(words)}"


def connection_name(target: OpenSshTarget) -> str:
    """The same for calls that may share a connection: same machine and user, reached by the same keys."""
    digest = hashlib.sha256(repr((target.host, target.user, target.port, target.jump)).encode())
    for file in (target.identity_file, *target.known_hosts):
        digest.update(b"\0" + _content(file))
    return digest.hexdigest()[:24]


def _content(file: Path | None) -> bytes:
    if file is None:
        return b""
    try:
        return file.read_bytes()
    except OSError:
        return os.fsencode(file)  # ssh will say what is wrong with it


def private_control_dir(environment: Mapping[str, str]) -> Path:
    """A folder for sockets that only this user can enter; a new one where the usual place belongs to somebody else."""
    base = environment.get("XDG_RUNTIME_DIR", "")
    usual = (
        Path(base) / "hpcc-ssh" if base.startswith("/") else Path(tempfile.gettempdir()) / f"hpcc-ssh-{os.geteuid()}"
    )
    if len(os.fsencode(usual)) + 25 <= _LONGEST_SOCKET:  # the name of a connection
        try:
            usual.mkdir(mode=0o700, parents=False, exist_ok=True)
            found = usual.lstat()
        except OSError:
            found = None
        if found is not None and _is_private(found):
            return usual
    return Path(tempfile.mkdtemp(prefix="hpcc-ssh-", dir="/tmp"))


def _is_private(found: os.stat_result) -> bool:
    import stat

    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _known_hosts_option(files: Sequence[Path]) -> list[str]:
    if not files:
        return []
    names = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2", *(_quoted(file) for file in files)]
    return [f"UserKnownHostsFile={' '.join(names)}"]


def _quoted(path: Path) -> str:
    """A path as the value of an option.  Source: ssh_config(5): quotes around spaces, `%%` for a percent sign.

    Raises: UsageError: it cannot be one.
    """
    text = str(path)
    if any(character in text for character in '"\n\r\0'):
        raise UsageError(f"{text!r} cannot be named to ssh", remedy="Use a path without quotes and line ends.")
    escaped = text.replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped


def _of_program(outcome: RunOutcome, command: tuple[str, ...], timeout_s: float) -> RunOutcome:
    """What the outcome of `ssh` says of the program."""
    match outcome:
        case Finished():
            return _finished(outcome, command, timeout_s)
        case TimedOut():
            stderr, _, has_begun = _without_marks(outcome.stderr)
            if not has_begun:
                return NotStarted(argv=command, message=f"no connection within {timeout_s:g} s: {_last_line(stderr)}")
            return TimedOut(argv=command, timeout_s=timeout_s, stdout=outcome.stdout, stderr=stderr)
        case NotFound():
            return NotStarted(argv=command, message=f"OpenSSH is not installed here: {outcome.message}")
        case NotStarted():
            return NotStarted(argv=command, message=outcome.message)
        case TooMuchOutput():
            return TooMuchOutput(argv=command, cap=outcome.cap)


def _finished(outcome: Finished, command: tuple[str, ...], timeout_s: float) -> RunOutcome:
    stderr, status, has_begun = _without_marks(outcome.stderr)
    if status is not None:
        return Finished(argv=command, rc=status, stdout=outcome.stdout, stderr=stderr)
    if has_begun:
        return TimedOut(argv=command, timeout_s=timeout_s, stdout=outcome.stdout, stderr=stderr)
    what = stderr.strip() or f"ssh ended with status {outcome.rc} and said nothing"
    return NotStarted(argv=command, message=what)


def _without_marks(stderr: str) -> tuple[str, int | None, bool]:
    """What the program itself said, its status if it ended, and whether it began."""
    kept, status, has_begun = [], None, False
    for line in stderr.splitlines(keepends=True):
        word = line.strip()
        if word == _BEGIN and not has_begun:
            has_begun = True
        elif word.startswith(_END) and word.removeprefix(_END).isdecimal():
            status = int(word.removeprefix(_END))
        else:
            kept.append(line)
    return "".join(kept), status, has_begun


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "ssh said nothing"
