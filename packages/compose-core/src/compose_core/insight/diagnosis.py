"""What became of a job and why, as one report: from its snapshot, its logs' ends and what Slurm says of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compose_core.insight.causes import LikelyCause, Symptoms, likely_causes
from compose_core.insight.exit_codes import exit_code_meaning
from compose_core.insight.pending_reasons import is_hopeless, reason_in_words
from compose_core.job_state import JobState
from compose_core.units import counted, format_duration

if TYPE_CHECKING:
    from compose_core.records.state import ServiceState
    from compose_core.tracking.log_tails import LogTail
    from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot


_LOGS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCommand:
    """Something to type next."""

    command: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One job, looked at as somebody does who wants to know what is wrong."""

    snapshot: JobSnapshot
    """The job; of an array the task that says most."""
    headline: str
    facts: tuple[str, ...] = ()
    """One sentence each, the most telling one first."""
    service: ServiceSnapshot | None = None
    """The one that failed first."""
    causes: tuple[LikelyCause, ...] = ()
    logs: tuple[LogTail, ...] = ()
    commands: tuple[NextCommand, ...] = ()
    failed_tasks: tuple[str, ...] = field(default=())
    """Ids of all tasks of the array that ended badly."""

    def as_json(self, *, now: float, lines: int) -> dict[str, Any]:
        """The fields of a report, with the last lines of each log."""
        shot = self.snapshot
        return {
            "schema_version": 1,
            "job_id": shot.job_id,
            "name": shot.record.name,
            "state": str(shot.state),
            "last_known_state": str(shot.last_known_state) if shot.last_known_state else None,
            "source": shot.source,
            "terminal": shot.terminal,
            "failed": shot.failed,
            "exit_code": shot.exit_code,
            "exit_code_meaning": exit_code_meaning(shot.exit_code, shot.signal),
            "cause": shot.cause,
            "reason": shot.reason,
            "reason_in_words": reason_in_words(shot.reason),
            "detail": shot.detail,
            "attempt": shot.attempt,
            "observed_at": shot.observed_at,
            "headline": self.headline,
            "facts": list(self.facts),
            "failing_service": _service_json(self.service) if self.service else None,
            "likely_causes": [
                {"name": one.name, "title": one.title, "evidence": list(one.evidence), "advice": one.advice}
                for one in self.causes
            ],
            "logs": [
                {
                    "name": log.name,
                    "kind": log.kind,
                    **log.file.as_json(now),
                    "lines": list(log.lines[-lines:] if lines else ()),
                    "fault": log.fault,
                }
                for log in self.logs
            ],
            "next_commands": [{"command": one.command, "why": one.why} for one in self.commands],
            "failed_tasks": list(self.failed_tasks),
            "warnings": list(shot.warnings),
        }


def most_telling(snapshot: JobSnapshot) -> JobSnapshot:
    """The task of an array that is worth a look: the first that failed, else one that is not over; else the job itself."""
    for task in snapshot.tasks:
        if task.failed:
            return task
    return next(
        (task for task in snapshot.tasks if not task.terminal), snapshot.tasks[0] if snapshot.tasks else snapshot
    )


def failing_service(snapshot: JobSnapshot) -> ServiceSnapshot | None:
    """The service that failed first, main ones before sidecars; None when none has."""
    failed = [one for one in snapshot.services if one.status == "failed" or _waits_for_restart(one.state)]
    return min(failed, key=_order_of_failure, default=None)


def telling_services(snapshot: JobSnapshot) -> tuple[str, ...]:
    """Whose logs are worth a look: the one that failed first, else the first few that have been started."""
    failed = failing_service(snapshot)
    if failed is not None:
        return (failed.name,)
    started = [one.name for one in snapshot.services if one.state is not None and one.state.started_at is not None]
    return () if snapshot.succeeded else tuple(started[:_LOGS_SHOWN])


def diagnose(
    snapshot: JobSnapshot,
    logs: Sequence[LogTail],
    *,
    details: Mapping[str, str] | None = None,
    compose_file: str = "",
    failed_tasks: Sequence[str] = (),
) -> Diagnosis:
    """The report; `details` is what `scontrol show job` says, `compose_file` what -f has to name (empty: nothing)."""
    service = failing_service(snapshot)
    texts: list[tuple[str, Sequence[str]]] = [(log.name, log.lines) for log in logs]
    if service and service.state and service.state.failure_reason:
        texts.insert(0, ("state.json", [service.state.failure_reason]))
    is_wrong = snapshot.failed or service is not None
    symptoms = Symptoms(
        state=str(snapshot.state),
        cause=snapshot.cause,
        reason=snapshot.reason,
        exit_code=_failing_code(snapshot, service),
        texts=texts if is_wrong else (),
    )
    return Diagnosis(
        snapshot=snapshot,
        headline=_headline(snapshot, service),
        facts=tuple(_facts(snapshot, service, details or {})),
        service=service,
        causes=likely_causes(symptoms),
        logs=tuple(logs),
        commands=tuple(_commands(snapshot, service, compose_file)),
        failed_tasks=tuple(failed_tasks),
    )


def _headline(snapshot: JobSnapshot, service: ServiceSnapshot | None) -> str:
    """`job 12 (train) FAILED after 3m05s: service 'app' ended with exit code 127`."""
    took = ""
    if snapshot.started_at is not None:
        end = snapshot.ended_at if snapshot.ended_at is not None else snapshot.observed_at
        verb = "after" if snapshot.terminal else "for"
        took = f" {verb} {format_duration(max(0.0, end - snapshot.started_at))}"
    known = f" (last known: {snapshot.last_known_state})" if snapshot.last_known_state else ""
    head = f"job {snapshot.job_id} ({snapshot.record.name}) {snapshot.state}{known}{took}"
    why = _why(snapshot, service)
    return f"{head}: {why}" if why else head


def _why(snapshot: JobSnapshot, service: ServiceSnapshot | None) -> str:
    if service is not None and service.state is not None and (snapshot.failed or not snapshot.terminal):
        state = service.state
        if snapshot.cause == "readiness_failed" and state.failure_reason:
            return f"service '{service.name}': {state.failure_reason}"
        ended = f"exit code {state.last_exit_code}" if state.last_exit_code is not None else "a failure"
        return f"service '{service.name}' ended with {ended}"
    if snapshot.state.is_waiting:
        return reason_in_words(snapshot.reason) or snapshot.reason
    return snapshot.detail


def _facts(snapshot: JobSnapshot, service: ServiceSnapshot | None, details: Mapping[str, str]) -> Iterable[str]:
    if service is not None and service.state is not None:
        yield from _service_facts(service.name, service.state)
    if snapshot.failed and (snapshot.exit_code or snapshot.signal):
        yield f"the job's exit status is {_status_in_words(snapshot)}"
    if snapshot.cause and snapshot.cause != "completed":
        yield f"the supervisor ended it for this cause: {snapshot.cause}"
    if snapshot.reason:
        words = "" if snapshot.state.is_waiting else reason_in_words(snapshot.reason)  # the headline has them
        whose = "Slurm's reason is" if snapshot.record.backend == "slurm" else "the reason:"
        yield f"{whose} {snapshot.reason}{f': {words}' if words else ''}"
    if snapshot.detail:
        yield snapshot.detail
    yield from _waiting_facts(snapshot, details)
    if snapshot.time_limit_s and snapshot.started_at is not None:
        end = snapshot.ended_at if snapshot.ended_at is not None else snapshot.observed_at
        used = max(0.0, end - snapshot.started_at)
        yield f"it used {format_duration(used)} of its {format_duration(snapshot.time_limit_s)}"
    if snapshot.nodelist:
        yield f"its nodes: {snapshot.nodelist}"
    if snapshot.attempt:
        yield f"it is attempt {snapshot.attempt}, so it was started {snapshot.attempt + 1} times"
    for other in snapshot.services:
        asserts = other.state.assertions if other.state else None
        if asserts is not None and asserts.failures:
            yield f"assert of service '{other.name}': {'; '.join(asserts.failures)}"
    yield from snapshot.warnings


def _status_in_words(snapshot: JobSnapshot) -> str:
    """No program of the job chose a status of 1 that goes with another cause than a service's failure."""
    if snapshot.exit_code == 1 and not snapshot.signal and snapshot.cause not in (None, "", "service_failed"):
        return "1: the supervisor's word for a failure"
    return exit_code_meaning(snapshot.exit_code, snapshot.signal)


def _service_facts(name: str, state: ServiceState) -> Iterable[str]:
    meaning = exit_code_meaning(state.last_exit_code, state.last_signal)
    if state.failure_reason and state.failure_reason != f"exited with {state.last_exit_code}":
        yield f"service '{name}' failed: {state.failure_reason}"
    if meaning:
        yield f"service '{name}' ended with {meaning}"
    if state.first_failure_exit_code is not None and (state.restart_count or state.first_failure_rank is not None):
        where = f" on {state.first_failure_node}" if state.first_failure_node else ""
        rank = f", task {state.first_failure_rank}" if state.first_failure_rank is not None else ""
        yield f"its first failure: exit code {state.first_failure_exit_code}{where}{rank}"
    if state.restart_count:
        most = f" of at most {state.max_restarts}" if state.max_restarts is not None else ""
        yield f"it was started again {counted(state.restart_count, 'time')}{most}"


def _waiting_facts(snapshot: JobSnapshot, details: Mapping[str, str]) -> Iterable[str]:
    """What is worth knowing of a job that has not begun."""
    if not snapshot.state.is_waiting:
        return
    if is_hopeless(snapshot.reason):
        yield "it will not start by itself"
    elif snapshot.expected_start_at is not None:
        wait_s = snapshot.expected_start_at - snapshot.observed_at
        yield f"Slurm expects it to start in {format_duration(max(0.0, wait_s))}"
    yield f"it has waited for {format_duration(max(0.0, snapshot.observed_at - snapshot.submitted_at))}"
    for key, label in (("Dependency", "it waits for"), ("Partition", "its partition"), ("TRES", "it asks for")):
        value = details.get(key, "")
        if value and value != "(null)":
            yield f"{label}: {value}"


def _commands(snapshot: JobSnapshot, service: ServiceSnapshot | None, compose_file: str) -> Iterable[NextCommand]:
    job_id = snapshot.job_id
    job = f"{f' -f {shlex.quote(compose_file)}' if compose_file else ''} --job-id {job_id}"
    if snapshot.state is JobState.UNREACHABLE:
        yield NextCommand(command="scontrol ping", why="is the controller there?")
        yield NextCommand(command=f"hpcc status{job}", why="once it answers")
        return
    if snapshot.state.is_waiting:
        if "Held" in snapshot.reason or "held" in snapshot.reason:
            yield NextCommand(command=f"scontrol release {job_id}", why="let a held job go on")
        if snapshot.record.backend == "slurm":
            yield NextCommand(command=f"scontrol show job {job_id}", why="all that Slurm knows of it")
            yield NextCommand(command="sinfo", why="which nodes are free, down or drained")
        yield NextCommand(command=f"hpcc cancel{job}", why="if it can never start")
        return
    if service is not None:
        name = shlex.quote(service.name)
        yield NextCommand(command=f"hpcc logs{job} --service {name} --all", why="its whole log")
    yield NextCommand(command=f"hpcc logs{job} --batch", why="what the batch script wrote")
    yield NextCommand(command=f"hpcc status{job}", why="every service, its restarts and its places")
    if not snapshot.terminal:
        yield NextCommand(command=f"hpcc logs{job} --follow", why="what it does now")
        yield NextCommand(command=f"hpcc cancel{job}", why="end it")


def _failing_code(snapshot: JobSnapshot, service: ServiceSnapshot | None) -> int | None:
    if service is not None and service.state is not None and service.state.last_exit_code is not None:
        return service.state.last_exit_code
    if snapshot.failed and snapshot.signal:
        return 128 + snapshot.signal  # as a shell tells it
    return snapshot.exit_code if snapshot.failed else None


def _service_json(service: ServiceSnapshot) -> dict[str, Any]:
    state = service.state
    return {
        "service_name": service.name,
        "status": service.status,
        "last_exit_code": state.last_exit_code if state else None,
        "last_signal": state.last_signal if state else None,
        "exit_code_meaning": exit_code_meaning(state.last_exit_code, state.last_signal) if state else "",
        "failure_reason": state.failure_reason if state else None,
        "first_failure_at": state.first_failure_at if state else None,
        "first_failure_exit_code": state.first_failure_exit_code if state else None,
        "first_failure_node": state.first_failure_node if state else None,
        "first_failure_rank": state.first_failure_rank if state else None,
        "restart_count": state.restart_count if state else 0,
        "log_path": service.log_path,
    }


def _waits_for_restart(state: ServiceState | None) -> bool:
    """It waits between two failures."""
    return state is not None and state.status == "backoff"


def _order_of_failure(service: ServiceSnapshot) -> tuple[bool, float, int]:
    state = service.state
    if state is None:
        return True, float("inf"), 0
    at = state.first_failure_at if state.first_failure_at is not None else state.finished_at
    return state.lifecycle == "sidecar", float("inf") if at is None else at, state.launch_index
