"""How busy the CPUs of this node are, and its memory, from /proc. The whole node: other jobs on it count too.

Source: proc(5), /proc/stat, /proc/loadavg, /proc/meminfo.
"""

from typing import Dict, Optional, Tuple

from compose_core.sampler.collector import Collector, Conversation
from compose_core.sampler.values import number
from compose_core.supervisor.files import Json

CpuTimes = Tuple[float, float]
"""Busy and all ticks since boot."""


def cpu_times(stat: str) -> Optional[CpuTimes]:
    """From the first line of /proc/stat; time of guests is in user time already, waiting for disks is idle."""
    cells = stat.split("\n", 1)[0].split()
    ticks = [number(cell) for cell in cells[1:9]]
    if cells[:1] != ["cpu"] or len(ticks) < 5 or any(tick is None for tick in ticks):
        return None
    total = float(sum(ticks))
    return total - ticks[3] - ticks[4], total


def busy_percent(before: Optional[CpuTimes], after: Optional[CpuTimes]) -> Optional[float]:
    """Of all CPUs between two looks; None before there are two."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return round(100 * max(0.0, after[0] - before[0]) / (after[1] - before[1]), 1)


def core_count(stat: str) -> Optional[int]:
    """The CPUs that are online."""
    return sum(line[:3] == "cpu" and line[3:4].isdigit() for line in stat.splitlines()) or None


def memory_bytes(meminfo: str) -> Dict[str, Optional[int]]:
    """`{memory_total_bytes, memory_available_bytes}`."""
    lines = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    found = {}
    for key, name in (("memory_total_bytes", "MemTotal"), ("memory_available_bytes", "MemAvailable")):
        kibibytes = number(lines.get(name, ""))
        found[key] = None if kibibytes is None else int(kibibytes * 1024)
    return found


class CpuCollector(Collector):
    """Rows of cpu.jsonl."""

    name = "cpu"
    _before: Optional[CpuTimes] = None

    def sample(self, at: float) -> Conversation:
        """No program has to be asked."""
        try:
            stat, load, meminfo = [proc_text(name) for name in ("stat", "loadavg", "meminfo")]
        except OSError as error:
            self.state, self.note = "unavailable", str(error)
            return
        after = cpu_times(stat)
        row: Json = {"cpu_util_pct": busy_percent(self._before, after), "core_count": core_count(stat)}
        row["loadavg_1m"] = number(load.split(" ")[0])
        row.update(memory_bytes(meminfo))
        self._before = after
        self.state, self.note = "ok", "/proc"
        self.reporter.row("cpu.jsonl", at, row)
        yield from ()


def proc_text(name: str) -> str:
    """A file of /proc.

    Raises: OSError: it is not there.
    """
    with open("/proc/" + name, encoding="ascii", errors="replace") as stream:
        return stream.read()
