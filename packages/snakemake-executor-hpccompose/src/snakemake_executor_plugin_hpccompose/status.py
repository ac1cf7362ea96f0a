"""How the jobs are: result files for the end of each, one poller for what Slurm says of all of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_executor_plugin_hpccompose.runner.results import Result, read_result

if TYPE_CHECKING:
    from compose_core import JobRecord, JobSnapshot, Poller, Site

Place = tuple[str, int | None]
"""Token of the submission, and the number of the task in an array."""
_LOCAL_POLL_S = 2.0
_QUIET_GROWTH = 4.0
_FILES_S = 5.0


@dataclass
class ResultFiles:
    """The results of members, found by listing their folders: one call a look for any number of jobs."""

    _names: dict[str, frozenset[str]] = field(default_factory=dict)
    _folders: dict[str, int] = field(default_factory=dict)

    def follow(self, path: Path) -> None:
        """Look into the folder of this file, too."""
        self._folders.setdefault(str(path.parent), 0)

    def list(self) -> None:
        """Look again."""
        for folder in tuple(self._folders):  # submissions add to them meanwhile
            try:
                self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208  (names alone, the cheapest call)
            except FileNotFoundError:
                self._names[folder] = frozenset()

    def has_changed(self) -> bool:
        """A folder has another modification time than in the last call of this."""
        changed = False
        for folder, before in tuple(self._folders.items()):
            try:
                now = Path(folder).stat().st_mtime_ns
            except OSError:
                continue
            changed |= now != before
            self._folders[folder] = now
        return changed

    def find(self, path: Path) -> Result | None:
        """The result as of the last listing; None when it is not there or cannot be read."""
        return read_result(path) if path.name in self._names.get(str(path.parent), ()) else None


class Watcher:
    """What Slurm and the jobs' own records say, asked by a thread of its own so that nobody waits for an answer.

    The scheduler is asked about all jobs at once, at most every `poll_s`, and not while every one of them has told in its
    own files that it runs; jobs that were submitted since then are asked for in the next question.
    """

    def __init__(self, site: Site, *, poll_s: float, warn: Callable[[str], None], threads: bool = True) -> None:
        self._site = site
        self._poll_s = poll_s if site.engine_name == "slurm" else min(poll_s, _LOCAL_POLL_S)
        self._warn = warn
        self._threads = threads
        """False: somebody calls `look`."""
        self._condition = threading.Condition()
        self._wanted: dict[str, JobRecord] = {}
        self._wanted_at = 0.0
        """When the first of them was to be followed, on the monotonic clock."""
        self._unwanted: list[JobRecord] = []
        self._found: dict[Place, JobSnapshot] = {}
        self._poller: Poller | None = None
        self._hurry = False
        self._stopped = False
        self._was_silent = False
        self._thread: threading.Thread | None = None
        self.looks = 0
        """How often it has looked."""

    def follow(self, records: Iterable[JobRecord]) -> None:
        """Look at these, too; Slurm has taken them a moment ago, or told how they are."""
        with self._condition:
            if not self._wanted:
                self._wanted_at = self._site.clock.monotonic()
            self._wanted |= {record.submission_token: record for record in records}
            self._condition.notify()
        self.keep_going()

    def keep_going(self) -> None:
        """The thread runs; called with every look, because a login node may refuse a thread for now."""
        with self._condition:
            if self._threads and self._thread is None and self._wanted and not self._stopped:
                thread = threading.Thread(target=self._run, name="hpccompose-status", daemon=True)
                thread.start()
                self._thread = thread

    def forget(self, record: JobRecord) -> None:
        """Nobody asks for it any more."""
        with self._condition:
            self._wanted.pop(record.submission_token, None)
            self._unwanted.append(record)

    def of(self, place: Place) -> JobSnapshot | None:
        """What is known of this job or task; None: nobody has looked yet."""
        return self._found.get(place)

    def hurry(self) -> None:
        """Look at the files of the jobs now."""
        with self._condition:
            self._hurry = True
            self._condition.notify()

    def stop(self) -> None:
        """Look no more; a question that is under way is not waited for."""
        with self._condition:
            self._stopped = True
            self._condition.notify()

    def look(self) -> None:
        """One look at all jobs."""
        poller = self._made_poller()
        with self._condition:
            wanted, self._wanted, wanted_at = self._wanted, {}, self._wanted_at
            unwanted, self._unwanted = self._unwanted, []
            self._hurry = False
        poller.forget(unwanted)
        try:
            poller.follow(wanted.values(), heard_at=wanted_at)
        except Exception:
            with self._condition:  # or nobody would ever ask for them again
                self._wanted, self._wanted_at = wanted | self._wanted, wanted_at
            raise
        snapshots = poller.look()
        self._found = _by_place(snapshots)
        self.looks += 1
        self._tell_silence(poller)

    def pause_s(self) -> float:
        """Until the next look can show anything new."""
        pause_s = min(self._poll_s, _FILES_S) if self._poller is None else self._poller.pause_s()
        return max(0.2, pause_s)

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._stopped:
                    return
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  (the watcher lives as long as the workflow, whatever one look meets)
                self._warn(f"The jobs could not be looked at ({type(error).__name__}: {error}); trying again.")
            with self._condition:
                if not self._hurry and not self._stopped:
                    self._condition.wait(self.pause_s())

    def _made_poller(self) -> Poller:
        if self._poller is None:
            from compose_core import Pace, poller

            pace = Pace(
                first_s=self._poll_s,
                longest_s=self._poll_s * _QUIET_GROWTH if self._poll_s >= _FILES_S else self._poll_s,
                longest_silent_s=max(self._poll_s, 120.0),
                files_s=min(self._poll_s, _FILES_S),
                trusts_files=True,
            )
            self._poller = poller(self._site, pace=pace)
        return self._poller

    def _tell_silence(self, poller: Poller) -> None:
        """Once when the scheduler falls silent, and once when it speaks again."""
        if poller.failures and not self._was_silent:
            self._was_silent = True
            self._warn(f"The scheduler does not answer ({poller.trouble}). Jobs go on; their results are seen anyway.")
        elif self._was_silent and not poller.failures:
            self._was_silent = False
            self._warn("The scheduler answers again.")


def _by_place(snapshots: Sequence[JobSnapshot]) -> dict[Place, JobSnapshot]:
    found: dict[Place, JobSnapshot] = {}
    for snapshot in snapshots:
        token = snapshot.record.submission_token
        if snapshot.record.array is None:
            found[token, None] = snapshot
        found |= {(token, task.record.array_task_id): task for task in snapshot.tasks}
    return found
