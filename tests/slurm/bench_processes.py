"""Which processes belong to a bench, and their end: read from `/proc`, never by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROC = Path("/proc")


def start_time(pid: int) -> str | None:
    """The kernel's start tick of a process; with its pid it names one process for ever. None: it is gone or a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def processes_of(root: Path, *, mark: str = "") -> list[int]:
    """Every live process that belongs to the bench in `root`: by its command line, environment or mounts.

    With `mark` only those that have this text there.
    """
    spared = set(_self_and_ancestors())
    needle = os.fsencode(mark or root)
    return [pid for pid in _pids() if pid not in spared and start_time(pid) is not None and _names(pid, needle)]


def processes_touching(root: Path) -> list[int]:
    """`processes_of`, and those with an open file or their working folder there: a person's shell may be among them."""
    spared = set(_self_and_ancestors())
    needle = os.fsencode(root)
    touching = [pid for pid in _pids() if any(needle in os.fsencode(target) for target in _links(_PROC / str(pid)))]
    return sorted({*processes_of(root), *touching} - spared)


def orphans_in(root: Path) -> list[int]:
    """Live processes that work below `root` and whose parent has died: one that gave itself a title has no environment to know it by."""
    needle = os.fsencode(root)
    return [
        pid
        for pid in _pids()
        if _parent(pid) == 1 and start_time(pid) is not None and needle in os.fsencode(_link(_PROC / str(pid) / "cwd"))
    ]


def kill_all(pids: Iterable[int], *, within_s: float = 10.0) -> list[int]:
    """Send KILL and wait; what is left after that time (nothing, unless a process hangs in the kernel)."""
    born = {pid: start_time(pid) for pid in pids}
    alive = [pid for pid, started in born.items() if started is not None]
    for pid in alive:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + within_s
    while alive and time.monotonic() < deadline:
        alive = [pid for pid in alive if start_time(pid) == born[pid]]
        if alive:
            time.sleep(0.01)
    return alive


def command_line(pid: int) -> str:
    """The command line, or an empty text when the process is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def descendants(ancestor: int) -> list[int]:
    """All live processes below `ancestor`, nearest first."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        parent = _parent(pid)
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = [ancestor]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += below
    return [pid for pid in found if start_time(pid) is not None]


def inner_pid(pid: int) -> int | None:
    """The pid that a process has in its own pid namespace."""
    try:
        status = (_PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return None


def _names(pid: int, needle: bytes) -> bool:
    folder = _PROC / str(pid)
    for name in ("cmdline", "environ", "mountinfo"):
        try:
            if needle in (folder / name).read_bytes():
                return True
        except OSError:
            continue
    return False


def _links(folder: Path) -> Iterator[str]:
    places = [folder / "cwd", folder / "exe"]
    try:
        places += list((folder / "fd").iterdir())
    except OSError:
        pass  # the process ended in between
    yield from filter(None, map(_link, places))


def _link(place: Path) -> str:
    try:
        return str(place.readlink())
    except OSError:
        return ""  # the process has ended, or is another user's


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def _self_and_ancestors() -> Iterator[int]:
    pid: int | None = os.getpid()
    while pid:
        yield pid
        pid = _parent(pid)
