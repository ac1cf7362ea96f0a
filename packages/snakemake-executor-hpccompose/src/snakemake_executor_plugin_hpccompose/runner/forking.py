"""A member's process off this one: a fork that has left everything of its parent behind but memory."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn


def fork_member(log: int, become: Callable[[], NoReturn]) -> int:
    """The pid of a child that leads its own process group, reads nothing, writes to this descriptor, and does what `become` does."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _run(log, become)
    try:
        os.setpgid(pid, pid)  # in parent and child: whoever comes first, a signal to the group finds it
    except OSError:
        pass  # it has ended already
    return pid


def _run(log: int, become: Callable[[], NoReturn]) -> NoReturn:
    try:
        os.setpgid(0, 0)
        signal.alarm(0)
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(one, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, max(null, log) + 1)
        become()
    finally:
        os._exit(1)
