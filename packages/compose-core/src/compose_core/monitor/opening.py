"""A monitor's state file: taken up where an earlier monitor left it, by one monitor at a time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compose_core.clock import Clock
from compose_core.cluster.lease import lease
from compose_core.cluster.process_identity import ProcessIdentity
from compose_core.errors import HpccError
from compose_core.monitor.step import with_jobs, without_jobs
from compose_core.records.job_record import JobRecord
from compose_core.records.monitor_state import MonitorState, key_of
from compose_core.records.our_path import OurPath
from compose_core.records.paths import ProjectPaths
from compose_core.tracking.jobs import tracked_jobs
from compose_core.tracking.task_records import task_record, task_records

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_+.-]{1,80}")


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a monitor begins with."""

    file: OurPath
    state: MonitorState
    records: tuple[JobRecord, ...]
    """One for each job or task that the state watches."""
    resumed: bool = False
    """An earlier monitor left it before all was told."""


def state_file(folder: OurPath, selection: str) -> OurPath:
    """The file for what is watched: `all.json`, `sweep-<id>.json`, `jobs-41-42.json`."""
    if _PLAIN_NAME.fullmatch(selection):
        return folder / f"{selection}.json"
    return folder / f"{selection.partition('-')[0]}-{hashlib.sha256(selection.encode()).hexdigest()[:16]}.json"


def user_file(path: Path) -> OurPath:
    """The file that the user named."""
    absolute = path.absolute()
    return OurPath(absolute.parent) / absolute.name


@contextmanager
def opened(file: OurPath, selection: str, records: Sequence[JobRecord], *, clock: Clock, host: str) -> Iterator[Opened]:
    """The state with these jobs and those that an unfinished monitor of the same file watched; nobody else has it meanwhile.

    Raises: HpccError: another monitor works with the file.  RecordError: the file cannot be read.
    """
    holders: list[ProcessIdentity | None] = []

    def give_up(holder: ProcessIdentity | None) -> bool:
        holders.append(holder)
        return False

    with lease(file.folder / f"{file.name}.lock", clock, host=host, go_on=give_up) as held:
        if held is None:
            raise _taken(file, holders[0] if holders else None)
        yield _taken_up(file, selection, records, clock.now())


def _taken(file: OurPath, holder: ProcessIdentity | None) -> HpccError:
    who = f" (process {holder.pid} on {holder.host})" if holder is not None else ""
    return HpccError(
        f"another monitor works with {file}{who}",
        remedy="End it, or give this one another --state-file. One that was killed on another host is passed over after 10 minutes.",
        code="monitor-locked",
    )


def _taken_up(file: OurPath, selection: str, records: Sequence[JobRecord], now: float) -> Opened:
    earlier = MonitorState.read(file)
    tasks = list({key_of(task): task for record in records for task in task_records(record)}.values())
    if earlier is None or earlier.closed_at is not None:
        state = with_jobs(MonitorState(selection=selection, started_at=now), tasks)
        return Opened(file=file, state=state, records=tuple(tasks))
    known = {key_of(task): task for task in tasks} | _recorded(earlier)
    state = without_jobs(earlier, {job.key for job in earlier.jobs} - known.keys(), at=now)
    if state.finished_at is None:
        state = with_jobs(state, tasks)
    watched = {job.key for job in state.jobs}
    return Opened(file=file, state=state, records=tuple(known[key] for key in known if key in watched), resumed=True)


def _recorded(state: MonitorState) -> dict[str, JobRecord]:
    """The records of the jobs that are watched already, by key, as far as they are still there."""
    found: dict[str, JobRecord] = {}
    for folder in dict.fromkeys(job.submit_dir for job in state.jobs):
        by_token = {record.submission_token: record for record in tracked_jobs(ProjectPaths(Path(folder))).records}
        for job in (job for job in state.jobs if job.submit_dir == folder):
            record = by_token.get(job.submission_token)
            if record is not None:
                found[job.key] = record if job.array_task_id is None else task_record(record, job.array_task_id)
    return found
