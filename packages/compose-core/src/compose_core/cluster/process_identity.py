"""Which process is meant, so that a reused pid is never taken for it: pid, start time, boot and host."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self


class Life(Enum):
    """What can be proven about a process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"
    """It belongs to another host: nothing can be said from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process of one boot of one host."""

    pid: int
    start_ticks: int
    """Field 22 of /proc/<pid>/stat: clock ticks since boot."""
    boot_id: str
    host: str

    @classmethod
    def of(cls, pid: int, *, host: str) -> Self | None:
        """The process that has this pid now; None when there is none."""
        ticks = start_ticks(pid)
        return None if ticks is None else cls(pid=pid, start_ticks=ticks, boot_id=boot_id(), host=host)

    @classmethod
    def from_json(cls, fields: Any) -> Self | None:
        """The identity that a record holds; None when it holds none."""
        if not isinstance(fields, dict):
            return None
        pid, ticks, boot, host = (fields.get(name) for name in ("pid", "start_ticks", "boot_id", "host"))
        if type(pid) is not int or type(ticks) is not int or not isinstance(boot, str) or not isinstance(host, str):
            return None
        return cls(pid=pid, start_ticks=ticks, boot_id=boot, host=host) if pid > 1 else None

    def as_json(self) -> dict[str, Any]:
        return {"pid": self.pid, "start_ticks": self.start_ticks, "boot_id": self.boot_id, "host": self.host}

    def life(self, *, host: str) -> Life:
        """Whether the process lives, seen from `host`; one that only waits to be reaped is dead."""
        if self.host != host:
            return Life.UNKNOWN
        if self.boot_id != boot_id():
            return Life.DEAD
        return Life.ALIVE if start_ticks(self.pid) == self.start_ticks else Life.DEAD

    def send(self, signal_number: signal.Signals, *, host: str) -> bool:
        """Send the signal to this very process; False when it is not provably alive or may not be signalled."""
        if self.life(host=host) is not Life.ALIVE:
            return False
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        except (OSError, AttributeError):
            return self._send_by_pid(signal_number)  # kernel before 5.3
        try:
            # The handle pins the process: looked at again, it is the right one until it is closed.
            if start_ticks(self.pid) != self.start_ticks:
                return False
            signal.pidfd_send_signal(handle, signal_number)
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(handle)
        return True

    def _send_by_pid(self, signal_number: signal.Signals) -> bool:
        try:
            os.kill(self.pid, signal_number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may itself hold any character.
    fields = text.rpartition(b")")[2].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19])


def boot_id() -> str:
    """Which boot of this machine it is; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
