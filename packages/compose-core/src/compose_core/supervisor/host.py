"""Processes, ports and times of this host."""

import os
import re
import socket
from typing import Dict, Iterable, List, Optional, Set

from compose_core.supervisor.files import READ_LIMIT

KILL_WAIT_S = 30.0
KILL_WAIT_LINE = re.compile(rb"(?im)^[ \t]*KillWait[ \t]*=[ \t]*([0-9]+)")
SLURM_CONFIGURATIONS = ("/run/slurm/conf/slurm.conf", "/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf")
"""Where a node keeps its configuration: the first is that of sites whose nodes get it from the controller."""


def start_ticks(pid: str = "self") -> Optional[int]:
    """When this process started, in clock ticks since boot; None where there is no /proc, or no such process.

    bash became this process by exec, so it is the start of the script too.  Source: proc(5), /proc/PID/stat.
    """
    try:
        with open("/proc/{}/stat".format(pid), "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def seconds_since_start(ticks: Optional[int]) -> float:
    """The age of this process; 0 where it cannot be told."""
    try:
        with open("/proc/uptime", "rb") as stream:
            uptime = float(stream.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, uptime - ticks / float(os.sysconf("SC_CLK_TCK"))) if ticks else 0.0


def adopt_orphans() -> None:
    """Processes whose parent dies become children of this one, so that none is missed at the end (best effort)."""
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, prctl(2)
    except (ImportError, OSError, AttributeError):
        pass  # their process groups are killed all the same


def descendants(ancestor: int) -> List[int]:
    """Every process below `ancestor`, from /proc."""
    children: Dict[int, List[int]] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        try:
            with open("/proc/{}/stat".format(name), "rb") as stream:
                fields = stream.read().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                children.setdefault(int(fields[1]), []).append(int(name))
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
    found: List[int] = []
    todo = [ancestor]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def reserve_port(taken: Set[int]) -> socket.socket:
    """A socket that holds a port which is free now and not yet promised in this job."""
    while True:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.bind(("", 0))
        port = holder.getsockname()[1]
        if port not in taken:
            taken.add(port)
            return holder
        holder.close()


def variable_name(text: str) -> str:
    """`text` as part of a variable's name: upper case, all but letters and digits as `_`."""
    return re.sub(r"[^A-Z0-9]", "_", text.upper())


def send(pid: int, signum: int) -> None:
    """Signal the process group that `pid` leads."""
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        pass  # it has gone already


def group_exists(pid: int) -> bool:
    """A process of the group that `pid` led is still there."""
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def restart_count(environment: Dict[str, str]) -> int:
    """How often Slurm has put this job back into the queue."""
    text = environment.get("SLURM_RESTART_COUNT", "0")
    return int(text) if text.isdigit() else 0


def kill_wait_s(environment: Dict[str, str], configurations: Iterable[str] = SLURM_CONFIGURATIONS) -> float:
    """Seconds between Slurm's TERM and its KILL: HPC_COMPOSE_KILL_WAIT_S, else the site's KillWait as this node knows it.

    Read from the file, because the controller is not to be asked by every job.  Source: slurm.conf(5), KillWait.
    """
    try:
        return float(environment["HPC_COMPOSE_KILL_WAIT_S"])
    except (KeyError, ValueError):
        pass
    for path in (environment.get("SLURM_CONF", ""),) + tuple(configurations):
        try:
            with open(path, "rb") as file:
                found = KILL_WAIT_LINE.search(file.read(READ_LIMIT))
        except (OSError, ValueError):
            continue
        return float(found.group(1)) if found else KILL_WAIT_S
    return KILL_WAIT_S
