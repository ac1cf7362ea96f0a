"""Jobs that an earlier run of the workflow left in Slurm: taken on, ended, or found to be over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_executor_plugin_hpccompose.ledger import Ledger, Place, Unit
from snakemake_executor_plugin_hpccompose.ready_jobs import Placed, ReadyJob
from snakemake_executor_plugin_hpccompose.runner.results import read_result

if TYPE_CHECKING:
    from compose_core import JobRecord, JobSnapshot, Site

_OPEN = frozenset({"in_flight", "unanswered", "doubtful"})


@dataclass(kw_only=True)
class Verdict:
    """What becomes of jobs that are ready."""

    new: list[ReadyJob] = field(default_factory=list)
    attached: list[Placed] = field(default_factory=list)
    finished: list[ReadyJob] = field(default_factory=list)
    wait: list[ReadyJob] = field(default_factory=list)
    """It is not known yet: nothing may be submitted that could write the same files."""


class Earlier:
    """The jobs of earlier runs, as the ledger names them."""

    def __init__(
        self, site: Site, workdir: Path, ledger: Ledger, *, take_on: bool = True, say: Callable[[str], None]
    ) -> None:
        self._site, self._workdir, self._ledger = site, workdir, ledger
        self._take_on, self._say = take_on, say
        self._places: dict[str, Place] = {}
        self._records: dict[str, JobRecord] = {}
        """By run key."""

    def read(self) -> None:
        """Once, when the run begins."""
        self._ledger.read()
        self._ledger.shrink()
        self._places = self._ledger.places()

    def look(self, ready: Sequence[ReadyJob]) -> Verdict:
        """What becomes of these jobs; each that an earlier run submitted is asked for until it is known."""
        verdict = Verdict()
        known = [(job, self._places[job.facts.key]) for job in ready if job.facts.key in self._places]
        verdict.new = [job for job in ready if job.facts.key not in self._places]
        open_ones = []
        for job, place in known:
            if self._by_result(job, place, verdict):
                self._places.pop(job.facts.key, None)
            else:
                open_ones.append((job, place))
        if open_ones:
            self._by_slurm(open_ones, verdict)
        return verdict

    def _by_result(self, job: ReadyJob, place: Place, verdict: Verdict) -> bool:
        """It left a result: done if that is what the job would do now, else there is nothing to wait for."""
        result = read_result(Path(place.entry.result))
        if result is None or result.was_stopped:
            return False
        if result.ok and place.entry.fingerprint == job.facts.fingerprint and _is_current(job, result.started_at):
            verdict.finished.append(job)
        else:
            verdict.new.append(job)
        return True

    def _by_slurm(self, jobs: list[tuple[ReadyJob, Place]], verdict: Verdict) -> None:
        from compose_core import observe

        units = {place.unit.run_key: place.unit for _, place in jobs}
        unsettled = self._find_records(list(units.values()))
        records = {key: self._records[key] for key in units if key in self._records}
        snapshots = dict(zip(records, observe(self._site, list(records.values())), strict=True))
        for job, place in jobs:
            run_key = place.unit.run_key
            if run_key in unsettled:
                verdict.wait.append(job)
            elif run_key not in snapshots:
                self._forget(job, verdict)
            else:
                self._judge(job, place, _task_of(snapshots[run_key], place), verdict)

    def _judge(self, job: ReadyJob, place: Place, snapshot: JobSnapshot, verdict: Verdict) -> None:
        if snapshot.terminal:
            if not self._by_result(job, place, verdict):  # it may have ended between the two looks
                self._forget(job, verdict)
            else:
                self._places.pop(job.facts.key, None)
        elif str(snapshot.state) in ("UNREACHABLE", "UNKNOWN"):
            verdict.wait.append(job)
        elif self._is_the_same(job, place):
            self._places.pop(job.facts.key, None)
            verdict.attached.append(self._attached(job, place))
            self._say(f"{job.facts.title} runs as job {verdict.attached[-1].external_id} of an earlier run: taken on.")
        else:
            self._end(job, snapshot)
            verdict.wait.append(job)

    def _forget(self, job: ReadyJob, verdict: Verdict) -> None:
        self._places.pop(job.facts.key, None)
        verdict.new.append(job)

    def _is_the_same(self, job: ReadyJob, place: Place) -> bool:
        """A later attempt may have other resources, which the first one of a new run cannot know."""
        entry = place.entry
        same_request = entry.attempt > 1 or entry.request == job.facts.request
        return self._take_on and entry.fingerprint == job.facts.fingerprint and same_request

    def _attached(self, job: ReadyJob, place: Place) -> Placed:
        return Placed(
            ready=job,
            record=self._records[place.unit.run_key],
            task=place.entry.task if place.unit.array else None,
            result=Path(place.entry.result),
            log=Path(place.entry.log),
            attached=True,
        )

    def _end(self, job: ReadyJob, snapshot: JobSnapshot) -> None:
        """Two jobs must not write the same files: the old one goes first."""
        from compose_core import cancel

        if job.tries == 0:
            why = "has changed" if self._take_on else "is not taken on"
            self._say(f"{job.facts.title} {why}: job {snapshot.job_id} of an earlier run is ended first.")
        cancel(self._site, snapshot.record, wait_s=0.0)

    def _find_records(self, units: Sequence[Unit]) -> set[str]:
        """The records of these units' jobs; the run keys of those that nobody knows the fate of yet."""
        from compose_core import cancel_submission, resolve_submissions, tracked_jobs

        missing = {unit.run_key for unit in units if unit.run_key not in self._records}
        if not missing:
            return set()
        unsettled = set()
        for resolution in resolve_submissions(self._site, self._workdir):
            if resolution.run_key in missing and resolution.status in _OPEN:
                unsettled.add(resolution.run_key)
            elif resolution.run_key in missing and resolution.status == "absent":
                cancel_submission(self._site, self._workdir, resolution.token)
        for record in tracked_jobs(self._workdir).records:
            if record.run_key in missing and record.run_key not in self._records:
                self._records[record.run_key] = record
        return {key for key in unsettled if key not in self._records}


def _task_of(snapshot: JobSnapshot, place: Place) -> JobSnapshot:
    if not place.unit.array:
        return snapshot
    found = [task for task in snapshot.tasks if task.record.array_task_id == place.entry.task]
    return found[0] if found else replace(snapshot, tasks=())


def _is_current(job: ReadyJob, started_at: float | None) -> bool:
    """All output is there, and no input is newer than the job that made it."""
    try:
        times = [Path(path).stat().st_mtime for path in job.facts.input]
        return (
            started_at is not None
            and all(Path(path).exists() for path in job.facts.output)
            and all(time <= started_at for time in times)
        )
    except OSError:
        return False
