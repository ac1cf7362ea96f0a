"""What a job left behind of its attempts, read from its folder alone: no scheduler is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from compose_core.errors import RecordError, UsageError
from compose_core.records.attempts import attempts_of
from compose_core.records.events import Event, event_rows
from compose_core.records.exits import ServiceExit, service_exits
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath
from compose_core.records.paths import JobPaths
from compose_core.tracking.job_files import JobFiles, attempt_paths, job_files, read_job_files

EVENTS_BYTES = 256 * 1024 * 1024
"""Of a longer events.jsonl its end is read."""
Row = TypeVar("Row")


def run_folders(record: JobRecord, attempt: int | None = None) -> tuple[JobPaths, ...]:
    """The folders of the job's attempts, the first one first; of this attempt alone when it is named.

    Raises: UsageError: the job is an array, or has no such attempt.
    """
    if record.array is not None:
        raise UsageError(
            f"job {record.job_id} is an array of {len(record.array.tasks)} tasks",
            remedy=f"Name one of them: --job-id {record.job_id}_{record.array.tasks[0]}.",
            code="array",
        )
    if attempt is not None:
        return (attempt_paths(record, attempt),)
    paths = read_job_files(record).paths
    known = attempts_of(paths)
    return tuple(replace(paths, attempt=number) for number in known) or (paths,)


class RunFiles:
    """One attempt's files; what cannot be read is told in `faults` and left out."""

    def __init__(self, record: JobRecord, paths: JobPaths) -> None:
        self._record = record
        self.paths = paths
        self.files: JobFiles = job_files(record, paths)
        self.faults = list(self.files.faults)
        if self.files.is_foreign:
            self.faults.append(f"{paths.folder} holds what another job left behind, which is not read")

    def events(self) -> Iterator[Event]:
        """What `events.jsonl` tells; nothing when the folder is another job's."""
        if self.files.is_foreign:
            return
        for event in self._safely(lambda: event_rows(self.paths.events, last_bytes=EVENTS_BYTES)):
            token = event.fields.get("token")
            if event.event == "claimed" and token != self._record.submission_token:
                self.faults.append(f"{self.paths.events} is another job's")
                return
            yield event

    def exits(self) -> dict[str, list[ServiceExit]]:
        """The exits of each service."""
        if self.files.is_foreign:
            return {}
        names = [state.service_name for state in self.files.state.services] if self.files.state else []
        found = {}
        for name in dict.fromkeys((*self._record.services, *names)):
            found[name] = [*self._safely(lambda name=name: service_exits(self.paths.exits(name)))]  # type: ignore[misc]
        return {name: exits for name, exits in found.items() if exits}

    def known_files(self, paths: Iterable[OurPath]) -> list[OurPath]:
        """Those that are there."""
        return [path for path in paths if path.path.exists()]

    def _safely(self, read: Callable[[], Iterable[Row]]) -> Iterator[Row]:
        try:
            yield from read()
        except RecordError as error:
            self.faults.append(error.message)
