"""The verbs of the door, at one site and for one workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from compose_core import operations
from compose_core.door import files, requests, sweep_requests
from compose_core.door.artifacts import bundle_reports
from compose_core.door.keys import WorkspaceKeys
from compose_core.door.log_chunks import log_chunk
from compose_core.door.reports import job_report, request_end, unknown_job
from compose_core.door.site_check import site_check
from compose_core.door.submitting import plan_of
from compose_core.errors import HpccError, NoSuchJob, UsageError
from compose_core.readiness import make_ready
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import ProjectPaths
from compose_core.tracking.moved_project import where_it_is_now
from compose_core.tracking.observe import Watch

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.submission.context import SubmissionEvent
    from compose_core.submission.submit import Submission

Answer = dict[str, Any]


class DoorSession:
    """What can be asked about the jobs of a workspace; it remembers between questions what one look teaches the next."""

    def __init__(self, site: Site, workspace: Path) -> None:
        self.site = site
        self.workspace = workspace
        self._keys = WorkspaceKeys(workspace, site.clock)
        self._watch = Watch()
        self._records: dict[str, JobRecord] = {}
        self._events: list[str] = []

    def call(self, verb: str, arguments: Mapping[str, Any]) -> Answer:
        """The answer to one question.

        Raises: UsageError: there is no such verb, or it is told something else than it asks for.  HpccError: as the verb says.
        """
        if verb not in VERBS:
            raise UsageError(
                f"the door has no verb {verb!r}", remedy="Use the same release of hpc-compose on both sides."
            )
        model, perform = VERBS[verb]
        try:
            parsed = model.model_validate(dict(arguments))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"{verb}: {place}: {first['msg']}", code="door-arguments") from None
        return perform(self, parsed)

    def submit(self, asked: requests.SubmitArguments) -> Answer:
        """The one job of this key: submitted, or found.

        Raises: SpecError, EnvironmentProblem, PrepareFailed, SchedulerRefused: there is none, and why.
        SchedulerUnreachable, SubmissionUnresolved: it is not known; the next call finds out.
        """
        self._events = []
        folder = self._keys.folder_of(asked.key)
        known = operations.find_submission(self.site, folder, asked.key) if folder is not None else None
        if known is not None:
            return {"job": self._handle(known, asked.key), "warnings": self._events}
        plan = plan_of(self.site, self.workspace, asked)
        claimed = self._keys.claim(asked.key, Path(plan.project_dir), asked.labels, is_taken=self._is_taken)
        known = operations.find_submission(self.site, claimed, asked.key)
        if known is None:
            self._events += [str(warning) for warning in plan.warnings]
            self._events += make_ready(self.site, plan, prepare=asked.prepare, preflight=asked.preflight)
            known = operations.submit(self.site, plan, run_key=asked.key, on_event=self._note)
        return {"job": self._handle(known, asked.key), "warnings": self._events}

    def find(self, asked: requests.FindArguments) -> Answer:
        """The jobs of those keys that have one.

        Raises: SchedulerUnreachable, SubmissionUnresolved: one of them may have one.
        """
        found: dict[str, Answer] = {}
        for key in asked.keys:
            folder = self._keys.folder_of(key)
            known = operations.find_submission(self.site, folder, key) if folder is not None else None
            if known is not None:
                found[key] = self._handle(known, key)
        return {"jobs": found}

    def keys(self, asked: requests.KeysArguments) -> Answer:
        """All keys of the workspace that begin like this, with their labels; no scheduler is asked."""
        entries = self._keys.entries(prefix=asked.prefix, since=asked.since)
        return {
            "keys": [
                {
                    "key": entry.key,
                    "labels": entry.labels,
                    "created_at": entry.created_at,
                    "project_dir": entry.project_dir,
                }
                for entry in entries
            ]
        }

    def observe(self, asked: requests.JobsArguments) -> Answer:
        """How these jobs are, in their order: at most one queue and one accounting call for all."""
        records = [self._record_or_none(job) for job in asked.jobs]
        known = [record for record in records if record is not None]
        reports = {
            snapshot.record.submission_token: job_report(snapshot)
            for snapshot in operations.observe(self.site, known, watch=self._watch)
        }
        for token, report in reports.items():
            if report["is_over"]:
                self._records.pop(token, None)  # a triggerer runs for months; whoever asks again reads the file again
        gone = "no record of the job is left in its project folder"
        return {
            "reports": [reports.get(job.token) or unknown_job(job.job_id, job.token, gone) for job in asked.jobs],
        }

    def cancel(self, asked: requests.CancelArguments) -> Answer:
        """The job of this token is asked to end, and only that one.

        Raises: SchedulerUnreachable: it did not answer.  NoSuchJob: there is no record of it.
        """
        record = self._record(asked.job)
        request_end(record)
        result = operations.cancel(self.site, record, wait_s=asked.wait_s)
        return {
            "requested": result.requested,
            "confirmed": result.confirmed,
            "message": result.message,
            "report": job_report(result.snapshot),
        }

    def logs(self, asked: requests.LogsArguments) -> Answer:
        """What was written since those offsets.

        Raises: NoSuchJob: there is no record of the job.  UsageError: it has no such service.
        """
        record = self._record(asked.job)
        return log_chunk(record, asked.services, asked.offsets, asked.budget, is_last=asked.is_last)

    def logs_of(self, asked: requests.LogsOfArguments) -> Answer:
        """The same of several jobs in one answer; what is wrong with one log is told in its place and keeps no other back."""
        return {"chunks": [self._chunk_or_error(one) for one in asked.requests]}

    def export(self, asked: requests.ExportArguments) -> Answer:
        """The job's artifacts at their place, by bundle.

        Raises: HpccError: it collected nothing, or there is no such bundle.
        """
        record = self._record(asked.job)
        dest = self.workspace / asked.dest if asked.dest else None
        report = operations.export_artifacts(self.site, record, bundles=asked.bundles, export_dir=dest)
        return {
            "bundles": bundle_reports(report, checksum=asked.checksum),
            "export_dir": report.export_dir,
            "complete": report.is_complete,
            "warnings": list(report.warnings),
        }

    def script(self, asked: requests.ScriptArguments) -> Answer:
        """The readable part of the job's script as it was submitted.

        Raises: NoSuchJob: there is no record of the job.  RecordError: the script cannot be read.
        """
        return files.script_text(self._record(asked.job))

    def check(self, _asked: requests.CheckArguments) -> Answer:
        """What this site can do."""
        return site_check(self.site, self.workspace)

    def missing(self, asked: files.MissingArguments) -> Answer:
        """Which of these files the workspace lacks."""
        return files.missing(self.workspace, asked)

    def put(self, asked: files.PutArguments) -> Answer:
        """Files, written into the workspace."""
        return files.put(self.workspace, asked)

    def get(self, asked: files.GetArguments) -> Answer:
        """A part of a file."""
        return files.get(asked)

    def get_parts(self, asked: files.PartsArguments) -> Answer:
        """Parts of several files."""
        return files.get_parts(asked)

    def _chunk_or_error(self, asked: requests.LogsArguments) -> Answer:
        try:
            return self.logs(asked)
        except HpccError as error:
            return {"lines": [], "offsets": dict(asked.offsets), "skipped": {}, "error": error.message}

    def _note(self, event: SubmissionEvent) -> None:
        if event.kind in ("doubt", "waiting", "adopted", "absent", "warning"):
            self._events.append(event.message)

    def _is_taken(self, folder: Path, key: str) -> bool:
        return operations.find_submission(self.site, folder, key) is not None

    def _handle(self, submission: Submission, key: str) -> Answer:
        record = submission.record
        self._records[record.submission_token] = record
        return {
            "job_id": record.job_id,
            "token": record.submission_token,
            "key": key,
            "name": record.name,
            "engine": record.backend,
            "cluster": record.cluster,
            "project_dir": record.submit_dir,
            "job_dir": record.job_dir,
            "batch_log": record.batch_log,
            "compose_file": record.compose_file,
            "submitted_at": record.submitted_at,
            "attached": submission.attached,
        }

    def _record(self, job: requests.Handle) -> JobRecord:
        record = self._record_or_none(job)
        if record is None:
            raise NoSuchJob(
                f"there is no record of job {job.job_id} ({job.token}) in {job.project_dir}",
                remedy="It was removed (`hpcc clean`, `hpcc down`), or the folder is not the one it was submitted from.",
            )
        return record

    def _record_or_none(self, job: requests.Handle) -> JobRecord | None:
        """The record with this very token, also when the scheduler has given the job's id again."""
        if job.token in self._records:
            return self._records[job.token]
        try:
            project = ProjectPaths(Path(job.project_dir))
            candidates = (project.job_record(job.job_id), project.earlier_job_record(job.job_id, job.token))
        except ValueError as error:
            raise UsageError(str(error), code="door-arguments") from error
        for path in candidates:
            record = JobRecord.read(path)
            if record is not None and record.submission_token == job.token:
                self._records[job.token] = where_it_is_now(record, project)
                return self._records[job.token]
        return None


def _of_sweeps(name: str) -> Callable[[DoorSession, Any], Answer]:
    """The function of `door.sweeps`, which is imported by those who ask about sweeps."""

    def perform(session: DoorSession, asked: BaseModel) -> Answer:
        from compose_core.door import sweeps

        answer: Answer = getattr(sweeps, name)(session, asked)
        return answer

    return perform


VERBS: dict[str, tuple[type[BaseModel], Callable[[DoorSession, Any], Answer]]] = {
    "submit": (requests.SubmitArguments, DoorSession.submit),
    "find": (requests.FindArguments, DoorSession.find),
    "keys": (requests.KeysArguments, DoorSession.keys),
    "observe": (requests.JobsArguments, DoorSession.observe),
    "cancel": (requests.CancelArguments, DoorSession.cancel),
    "logs": (requests.LogsArguments, DoorSession.logs),
    "logs-of": (requests.LogsOfArguments, DoorSession.logs_of),
    "export": (requests.ExportArguments, DoorSession.export),
    "script": (requests.ScriptArguments, DoorSession.script),
    "check": (requests.CheckArguments, DoorSession.check),
    "missing": (files.MissingArguments, DoorSession.missing),
    "put": (files.PutArguments, DoorSession.put),
    "get": (files.GetArguments, DoorSession.get),
    "get-parts": (files.PartsArguments, DoorSession.get_parts),
    "submit-sweep": (sweep_requests.SubmitSweepArguments, _of_sweeps("submit_sweep")),
    "sweep-state": (sweep_requests.SweepArguments, _of_sweeps("sweep_states")),
    "sweep-results": (sweep_requests.ResultsArguments, _of_sweeps("results")),
    "rank-trials": (sweep_requests.RankArguments, _of_sweeps("rank_trials")),
    "sweeps-of-keys": (sweep_requests.SweepsOfKeysArguments, _of_sweeps("sweeps_of_keys")),
    "stop-sweep": (sweep_requests.StopSweepArguments, _of_sweeps("end_sweep")),
}
"""Each verb, what it is told, and what it does; a new one is a row here."""
