"""What differs between two runs, or between a run and the compose file as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compose_core.insight.config_changes import Change, Leaves, changes, hides_something, snapshot_leaves
from compose_core.spec.leaves import leaves

if TYPE_CHECKING:
    from compose_core.records.job_record import JobFacts, JobRecord
    from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot

_NO_CONFIG = "config comparison unavailable: {} has no configuration on record"
_NO_REQUESTS = "resource comparison unavailable: {} has no requests on record"
_HIDDEN = "values shown as *** were not compared"
_HIDDEN_CHANGE = "the configurations differ in a value that is not shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDiff:
    """Two sides and what is different on the right."""

    left: dict[str, Any]
    right: dict[str, Any]
    outcome_changes: tuple[Change, ...] = ()
    resource_changes: tuple[Change, ...] = ()
    config_changes: tuple[Change, ...] = ()
    provenance_changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def asks_for_something_else(self) -> bool:
        """The right side is configured differently, also where only a hidden value tells."""
        return bool(self.resource_changes or self.config_changes or _HIDDEN_CHANGE in self.notes)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "left": self.left,
            "right": self.right,
            "outcome_changes": [change.as_json() for change in self.outcome_changes],
            "resource_changes": [change.as_json() for change in self.resource_changes],
            "config_changes": [change.as_json() for change in self.config_changes],
            "provenance_changes": [change.as_json() for change in self.provenance_changes],
            "notes": list(self.notes),
        }


def diff_runs(left: JobSnapshot, right: JobSnapshot) -> RunDiff:
    """Two runs: how they ended, what they asked for, what their files meant, what they were made from."""
    resources, config, notes = _asked(left.record, right.record, _job(left.record), _job(right.record))
    return RunDiff(
        left=_run(left),
        right=_run(right),
        outcome_changes=changes(_outcome(left), _outcome(right)),
        resource_changes=resources,
        config_changes=config,
        provenance_changes=_provenance_changes(left.record, right.record),
        notes=(*_unfinished(left, right), *notes),
    )


def diff_against_spec(left: JobSnapshot, facts: JobFacts) -> RunDiff:
    """A run, and what the compose file would submit now."""
    resources, config, notes = _asked(left.record, facts, _job(left.record), "the compose file")
    return RunDiff(
        left=_run(left),
        right={"compose_file": facts.compose_file, "backend": facts.backend, **_provenance_block(facts)},
        resource_changes=resources,
        config_changes=config,
        provenance_changes=_provenance_changes(left.record, facts),
        notes=notes,
    )


def _asked(
    left: JobFacts, right: JobFacts, left_name: str, right_name: str
) -> tuple[tuple[Change, ...], tuple[Change, ...], tuple[str, ...]]:
    """Changes of requests and of configuration, and what could not be compared."""
    resources: tuple[Change, ...] = ()
    config: tuple[Change, ...] = ()
    notes = []
    sides = ((left, left_name), (right, right_name))
    asked = [_requests(facts) for facts, _ in sides]
    if asked[0] is not None and asked[1] is not None:
        resources = changes(asked[0], asked[1])
    else:
        notes += [_NO_REQUESTS.format(name) for (_, name), known in zip(sides, asked, strict=True) if known is None]
    meant = [_config(facts) for facts, _ in sides]
    if meant[0] is not None and meant[1] is not None:
        config = changes(meant[0], meant[1])
        notes += _hidden_notes(meant[0], meant[1], same_file=left.spec_sha256 == right.spec_sha256, found=bool(config))
    else:
        notes += [
            _NO_CONFIG.format(name) + (f" ({facts.config_snapshot_note})" if facts.config_snapshot_note else "")
            for (facts, name), known in zip(sides, meant, strict=True)
            if known is None
        ]
    return resources, config, tuple(notes)


def _hidden_notes(left: Leaves, right: Leaves, *, same_file: bool, found: bool) -> list[str]:
    if same_file or not (hides_something(left) or hides_something(right)):
        return []
    return [_HIDDEN] if found else [_HIDDEN_CHANGE]


def _requests(facts: JobFacts) -> Leaves | None:
    return None if facts.requests is None else leaves(facts.requests.model_dump(mode="json", exclude_none=True))


def _config(facts: JobFacts) -> Leaves | None:
    return None if facts.config_snapshot_yaml is None else snapshot_leaves(facts.config_snapshot_yaml)


def _job(record: JobRecord) -> str:
    return f"job {record.job_id}"


def _run(snapshot: JobSnapshot) -> dict[str, Any]:
    record = snapshot.record
    return {
        "job_id": snapshot.job_id,
        "name": record.name,
        "submitted_at": record.submitted_at,
        "compose_file": record.compose_file,
        "backend": record.backend,
        "kind": record.kind,
        "scheduler_state": str(snapshot.state),
        "scheduler_failed": snapshot.failed,
        "terminal": snapshot.terminal,
        "exit_code": snapshot.exit_code,
        "cause": snapshot.cause,
        "started_at": snapshot.started_at,
        "ended_at": snapshot.ended_at,
        "duration_s": _duration(snapshot),
        "attempt": snapshot.attempt,
        "first_failure": _first_failure(snapshot),
        "services": [_service(service) for service in snapshot.services],
        **_provenance_block(record),
    }


def _service(service: ServiceSnapshot) -> dict[str, Any]:
    state = service.state
    return {
        "service_name": service.name,
        "status": service.status,
        "last_exit_code": state.last_exit_code if state else None,
        "restart_count": state.restart_count if state else 0,
    }


def _first_failure(snapshot: JobSnapshot) -> dict[str, Any] | None:
    """The service that failed first."""
    failed = [
        (service.state.first_failure_at, service.name, service.state)
        for service in snapshot.services
        if service.state is not None and service.state.first_failure_at is not None
    ]
    if not failed:
        return None
    at, name, state = min(failed, key=lambda item: item[:2])
    return {
        "service": name,
        "exit_code": state.first_failure_exit_code,
        "at_unix": at,
        "node": state.first_failure_node,
        "rank": state.first_failure_rank,
    }


def _duration(snapshot: JobSnapshot) -> int | None:
    if snapshot.started_at is None or snapshot.ended_at is None:
        return None
    return round(max(0.0, snapshot.ended_at - snapshot.started_at))


def _outcome(snapshot: JobSnapshot) -> Leaves:
    """What is compared of how a run ended."""
    failure = _first_failure(snapshot) or {}
    return leaves(
        {
            "scheduler_state": str(snapshot.state),
            "exit_code": snapshot.exit_code,
            "cause": snapshot.cause,
            "reason": snapshot.reason or None,
            "duration_s": _duration(snapshot),
            "attempt": snapshot.attempt,
            "first_failure": {key: failure.get(key) for key in ("service", "exit_code", "rank")},
            "tasks": snapshot.task_counts,
            "services": {
                service["service_name"]: {key: value for key, value in service.items() if key != "service_name"}
                for service in map(_service, snapshot.services)
            },
        }
    )


def _provenance_block(facts: JobFacts) -> dict[str, Any]:
    known = facts.provenance
    return {
        "spec_sha256": facts.spec_sha256,
        "provenance": None if known is None else known.model_dump(mode="json"),
    }


def _provenance_changes(left: JobFacts, right: JobFacts) -> tuple[Change, ...]:
    return changes(_provenance(left), _provenance(right))


def _provenance(facts: JobFacts) -> Leaves:
    """Old records know the release and the digest only."""
    known = facts.provenance.model_dump(mode="json") if facts.provenance is not None else {}
    return leaves({**known, "tool_version": facts.tool_version, "source_content_hash": facts.spec_sha256})


def _unfinished(*snapshots: JobSnapshot) -> list[str]:
    return [f"job {snapshot.job_id} has not ended yet" for snapshot in snapshots if not snapshot.terminal]
