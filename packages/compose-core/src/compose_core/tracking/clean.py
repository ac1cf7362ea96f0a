"""Which jobs' files may go, and their going: by age or by count, never those of a job that may still run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from compose_core.clock import Clock
from compose_core.cluster.engine import Engine, Rows
from compose_core.errors import RecordError
from compose_core.job_state import JobState
from compose_core.records.atomic import file_exists, names_in
from compose_core.records.intent import Intent
from compose_core.records.journal import append_removal
from compose_core.records.our_path import OurPath
from compose_core.records.outcome import Outcome
from compose_core.records.paths import ProjectPaths
from compose_core.records.removal import Removal
from compose_core.records.token import parse_token, token_time
from compose_core.tracking.jobs import tracked_jobs
from compose_core.tracking.observe import engine_key, observe
from compose_core.tracking.removal import (
    Removed,
    measure,
    pointer_of,
    removal_lock,
    removal_of,
    remove,
    unfinished_removals,
)
from compose_core.tracking.snapshot import JobSnapshot

Why = Literal["not over", "not known", "in the queue", "wanted", "failed"]
"""`not known`: the scheduler did not answer; `wanted`: the rule keeps it; `failed`: its files could not be removed."""
_BEGUN_S = 3600.0
"""A submission whose client wrote nothing down for so long never will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRule:
    """Which of the finished jobs go; exactly one of both figures is set."""

    older_than_s: float | None = None
    """Those that ended longer ago than this."""
    keep: int | None = None
    """All but this many of the newest jobs, running ones counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptJob:
    """A job that stays."""

    job_id: str
    token: str
    state: JobState
    why: Why
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "job_id": self.job_id,
            "submission_token": self.token,
            "state": str(self.state),
            "why": self.why,
            "message": self.message,
        }


@dataclass(slots=True)
class CleanReport:
    """What a clean did, or would do."""

    dry_run: bool
    removed: list[Removed] = field(default_factory=list)
    finished: list[Removed] = field(default_factory=list)
    """Removals of earlier commands that had died."""
    kept: list[KeptJob] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def bytes_freed(self) -> int:
        """On disk, of all removals."""
        return sum(one.bytes_freed for one in [*self.removed, *self.finished])

    @property
    def is_undecided(self) -> bool:
        """The scheduler did not answer, and a job's state hangs on it."""
        return any(job.why == "not known" for job in self.kept)

    @property
    def has_failed(self) -> bool:
        """Something could not be removed."""
        return any(job.why == "failed" for job in self.kept)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "dry_run": self.dry_run,
            "removed": [one.as_json() for one in self.removed],
            "finished": [one.as_json() for one in self.finished],
            "kept": [job.as_json() for job in self.kept],
            "bytes_freed": self.bytes_freed,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Cleaner:
    """The files of one project, and the engines that know its jobs."""

    project: ProjectPaths
    engines: Mapping[str, Engine]
    clock: Clock
    journal: OurPath

    def clean(self, rule: CleanRule, *, dry_run: bool = False) -> CleanReport:
        """Remove what the rule does not keep; what an earlier removal left half done is finished first.

        Raises: HpccError: another command removes files here.  RecordError: the folder of records cannot be read.
        """
        report = CleanReport(dry_run=dry_run)
        if dry_run:
            self._clean(rule, report)
            return report
        with removal_lock(self.project, self.clock):
            report.finished += self._finish()
            self._clean(rule, report)
        return report

    def finish(self) -> tuple[Removed, ...]:
        """Removals that died, finished.

        Raises: HpccError: another command removes files here.  RecordError: something cannot be removed.
        """
        if not names_in(self.project.removals):
            return ()
        with removal_lock(self.project, self.clock):
            return tuple(self._finish())

    def remove_job(self, snapshot: JobSnapshot) -> Removed:
        """Remove the files of a job that is over.

        Raises: HpccError: another command removes files here.  RecordError: something cannot be removed.
        """
        with removal_lock(self.project, self.clock):
            self._finish()
            return self._remove(removal_of(self.project, snapshot.record, at=self.clock.now()))

    def _finish(self) -> list[Removed]:
        return [self._remove(removal) for removal in unfinished_removals(self.project)]

    def _clean(self, rule: CleanRule, report: CleanReport) -> None:
        tracked = tracked_jobs(self.project)
        report.warnings += tracked.warnings
        snapshots = observe(tracked.records, self.engines, self.clock)
        live, silent = self._queues()
        chosen = _chosen(snapshots, rule, self.clock.now())
        for snapshot in snapshots:
            kept = _kept(snapshot, live, silent, is_chosen=snapshot.record.submission_token in chosen)
            if kept is None:
                kept = self._take(snapshot, report)
            if kept is not None:
                report.kept.append(kept)
        if not silent:
            self._clean_submissions(rule, snapshots, live, report)

    def _queues(self) -> tuple[set[str], set[str]]:
        """Tokens of jobs that a queue still holds, and the engines that did not answer."""
        live: set[str] = set()
        silent: set[str] = set()
        for name, engine in self.engines.items():
            answer = engine.queue()
            if isinstance(answer, Rows) and not answer.malformed:
                live |= {row.token for row in answer.rows if row.token and not row.state.is_terminal}
            else:
                silent.add(name)
        return live, silent

    def _take(self, snapshot: JobSnapshot, report: CleanReport) -> KeptJob | None:
        removal = removal_of(self.project, snapshot.record, at=self.clock.now())
        try:
            report.removed.append(measure(self.project, removal) if report.dry_run else self._remove(removal))
        except RecordError as error:
            return _keep(snapshot, "failed", error.message)
        return None

    def _remove(self, removal: Removal) -> Removed:
        removed = remove(self.project, removal)
        try:
            append_removal(self.journal, removal.token, at=self.clock.now())
        except RecordError as error:
            return replace(removed, left=(*removed.left, f"the journal still names it: {error.message}"))
        return removed

    def _clean_submissions(
        self, rule: CleanRule, snapshots: Sequence[JobSnapshot], live: set[str], report: CleanReport
    ) -> None:
        """Submissions that ended without a job, the newest first: run keys lead from one to the next."""
        taken = {one.token for one in report.removed}
        with_job = {snapshot.record.submission_token for snapshot in snapshots}
        kept = [snapshot.submitted_at for snapshot in snapshots if snapshot.record.submission_token not in taken]
        before = min(kept, default=self.clock.now())
        if rule.older_than_s is not None:
            before = self.clock.now() - rule.older_than_s
        for name in reversed(names_in(self.project.submissions)):
            if name.kind != "folder" or name.name in with_job | live:
                continue
            try:
                removal = self._without_job(name.name, before)
                if removal is not None:
                    report.removed.append(measure(self.project, removal) if report.dry_run else self._remove(removal))
            except RecordError as error:
                report.warnings.append(error.message)

    def _without_job(self, name: str, before: float) -> Removal | None:
        """What to remove of a submission that came to nothing before that time; None when it stays."""
        try:
            token = parse_token(name)
        except ValueError:
            return None
        paths = self.project.submission(token)
        if file_exists(self.project.unresolved_mark(token)):
            return None
        outcome, intent = Outcome.read(paths.outcome), Intent.read(paths.intent)
        if outcome is None and intent is None and token_time(token) < min(before, self.clock.now() - _BEGUN_S):
            return Removal(token=token, at=self.clock.now())
        if outcome is None or outcome.outcome == "submitted" or outcome.at >= before:
            return None
        removal = Removal(token=token, run_key=intent.run_key if intent else None, at=self.clock.now())
        try:
            pointer_of(self.project, removal)
        except RecordError:
            return None  # a later submission with the same run key is found through this one
        return removal


def _chosen(snapshots: Sequence[JobSnapshot], rule: CleanRule, now: float) -> set[str]:
    """Tokens of the jobs that the rule does not keep; the snapshots come newest first."""
    if rule.keep is not None:
        return {snapshot.record.submission_token for snapshot in snapshots[rule.keep :]}
    age = rule.older_than_s or 0.0
    return {one.record.submission_token for one in snapshots if now - _ended_at(one) >= age}


def _ended_at(snapshot: JobSnapshot) -> float:
    """When it ended, else when it was last heard of."""
    known = (snapshot.ended_at, snapshot.heartbeat_at, snapshot.started_at)
    return next((at for at in known if at is not None), snapshot.submitted_at)


def _kept(snapshot: JobSnapshot, live: set[str], silent: set[str], *, is_chosen: bool) -> KeptJob | None:
    if not snapshot.terminal:
        if engine_key(snapshot.record) in silent and snapshot.stale:
            return _keep(snapshot, "not known", snapshot.detail or "the scheduler did not answer")
        return _keep(snapshot, "not over", snapshot.detail)
    if not is_chosen:
        return _keep(snapshot, "wanted")
    if snapshot.record.submission_token in live:
        return _keep(snapshot, "in the queue", "the scheduler still has a job of this submission")
    return None


def _keep(snapshot: JobSnapshot, why: Why, message: str = "") -> KeptJob:
    record = snapshot.record
    return KeptJob(job_id=record.job_id, token=record.submission_token, state=snapshot.state, why=why, message=message)
