"""Jobs that are as a test says, look for look, and a monitor that watches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core.job_state import JobState
from compose_core.monitor.hook import Hook
from compose_core.monitor.log_file import LogFile
from compose_core.monitor.looks import Efficiency
from compose_core.monitor.monitor import Ears, Monitor
from compose_core.monitor.opening import opened
from compose_core.records.job_record import JobRecord
from compose_core.records.json_text import JsonObject, read_json_lines
from compose_core.records.monitor_rows import Row
from compose_core.records.monitor_state import MonitorState, key_of
from compose_core.records.our_path import OurPath
from compose_core.testing import FakeClock
from compose_core.tracking.snapshot import JobSnapshot
from tests.core.tracking.world import World

START = 1_800_000_000.0
TOKENS = [f"01ARYZ6S41TSV4RRFFQ69G5F{number:02d}" for number in range(20)]
GPU = Efficiency(gpus=1, memory_used_bytes=12 * 1024**3, memory_requested_bytes=64 * 1024**3, cpu_percent=71.23)


def snapshot(record: JobRecord, state: str, **fields: Any) -> JobSnapshot:
    """The job in this state; ended, when that is an end."""
    found = JobState(state)
    began = found.is_active or found.is_terminal
    given: dict[str, Any] = {
        "source": "squeue",
        "terminal": found.is_terminal,
        "observed_at": START,
        "submitted_at": START - 60,
        "started_at": START if began else None,
        "ended_at": START + 292 if found.is_terminal else None,
        "time_limit_s": 1800,
        "exit_code": 0 if found is JobState.COMPLETED else 1 if found.is_terminal else None,
        **fields,
    }
    return JobSnapshot(record=record, state=found, **given)


@dataclass
class Script:
    """What the looks show: the states of all jobs in each, and whether the scheduler answered."""

    records: Sequence[JobRecord]
    looks: Sequence[Sequence[str]]
    silent: frozenset[int] = frozenset()
    interval_s: float = 60.0
    count: Callable[[], int] | None = None
    """How many looks there were before this one, over all processes; by default those of this object."""
    failures: int = 0
    trouble: str = ""
    looked: int = 0

    def pause_s(self) -> float:
        return self.interval_s

    def look(self) -> list[JobSnapshot]:
        number = self.count() if self.count is not None else self.looked
        self.looked += 1
        is_silent = number in self.silent
        self.failures = self.failures + 1 if is_silent else 0
        self.trouble = "Unable to contact slurm controller" if is_silent else ""
        states = self.looks[min(number, len(self.looks) - 1)]
        return [snapshot(record, state) for record, state in zip(self.records, states)]


@dataclass
class MonitorWorld:
    """A project with some jobs, and everything that a monitor of them writes."""

    root: Path
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    usage: dict[str, Efficiency] = field(default_factory=dict)
    usage_asked: list[tuple[float, list[str]]] = field(default_factory=list)
    usage_lag_s: float = 0.0

    def __post_init__(self) -> None:
        self.tracking = World(self.root)
        self.project = self.tracking.project
        self.log = self.root / "monitor.log"
        self.jsonl = self.root / "monitor.jsonl"
        self.file: OurPath = self.project.monitors / "all.json"

    def add(self, count: int, **changes: Any) -> list[JobRecord]:
        """So many recorded jobs: 100, 101, …"""
        return [self.tracking.add(str(100 + number), TOKENS[number], **changes) for number in range(count)]

    def efficiency(self, snapshots: Sequence[JobSnapshot]) -> Mapping[str, Efficiency]:
        records = [one.record for one in snapshots]
        now = self.clock.now()
        self.usage_asked.append((now, [record.job_id for record in records]))
        known = now >= self.clock.now() - self.clock.slept_s + self.usage_lag_s
        return {
            key_of(record): self.usage[record.job_id] for record in records if known and record.job_id in self.usage
        }

    def run(self, script: Script, *, hook: Hook | None = None, alert_after: int = 3) -> MonitorState:
        """A monitor of the script's jobs, to its end."""
        with opened(self.file, "all", script.records, clock=self.clock, host="login1") as begun:
            monitor = Monitor(
                begun.state,
                file=begun.file,
                looker=script,
                efficiency=self.efficiency,
                clock=self.clock,
                ears=Ears(
                    log=LogFile(self.log),
                    jsonl=LogFile(self.jsonl),
                    tell=self.told.append,
                    warn=self.warnings.append,
                ),
                hook=hook,
                alert_after=alert_after,
                folder=self.project.project_dir,
            )
            return monitor.run()

    def rows(self, event: str = "") -> list[JsonObject]:
        """What the JSONL file holds."""
        path = OurPath(self.root) / "monitor.jsonl"
        return [row for row in read_json_lines(path).rows if event in ("", row["event"])]
