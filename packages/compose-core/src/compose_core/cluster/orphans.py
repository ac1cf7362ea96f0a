"""Programs that outlived the process that started them: found by the log that they write to."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from compose_core.clock import Clock
from compose_core.cluster.process_identity import ProcessIdentity

_POLL_S = 0.05
_ROUNDS = 100
"""Programs may start others while they are being ended, and need a moment to go."""


def end_writers(log: Path, clock: Clock, *, host: str) -> bool:
    """No process of this machine has the file as its output afterwards; False: one cannot be ended.

    A reader of the file, such as `tail -f`, has it open under another number and stays.
    """
    try:
        found = log.stat()
    except OSError:
        return True
    for _ in range(_ROUNDS):
        writers = [process for pid in _pids() if _writes_to(pid, found) and (process := _identity(pid, host))]
        if not writers:
            return True
        for process in writers:
            process.send(signal.SIGKILL, host=host)
        clock.sleep(_POLL_S)
    return False


def _pids() -> list[int]:
    names = (path.name for path in Path("/proc").iterdir())
    return [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]


def _writes_to(pid: int, log: os.stat_result) -> bool:
    for number in (1, 2):
        try:
            if os.path.samestat(Path(f"/proc/{pid}/fd/{number}").stat(), log):
                return True
        except OSError:
            continue  # gone, or somebody else's
    return False


def _identity(pid: int, host: str) -> ProcessIdentity | None:
    return ProcessIdentity.of(pid, host=host)
