"""The journal of a sweep, and what follows from it: whatever a client was doing when it died, the manifest is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from compose_core.errors import RecordError
from compose_core.records.atomic import append_line, names_in, read_file, replace_file
from compose_core.records.json_text import JsonObject, json_bytes, json_object, read_json_lines
from compose_core.records.paths import ProjectPaths, SweepPaths
from compose_core.records.sweep_manifest import SweepGroup, SweepManifest, SweepTrial, latest_attempt

_MOST_BYTES = 256 * 1024 * 1024
_MOST_SUMMARIES = 10_000


def create_sweep(paths: SweepPaths, manifest: SweepManifest) -> None:
    """The sweep exists afterwards, with nothing submitted.

    Raises: RecordError: it cannot be written.
    """
    _append(paths, {"event": "created", "at": manifest.submitted_at, "manifest": manifest.as_json()})


def note_group(paths: SweepPaths, group: SweepGroup, scripts: Sequence[tuple[str, str]], *, at: float) -> None:
    """The trials are about to be submitted as this group; `scripts` are path and SHA-256 of each.

    Raises: RecordError: it cannot be written, so nothing may be submitted.
    """
    row = {"event": "group", "at": at, "group": group.name, "run_key": group.run_key, "trials": list(group.trials)}
    _append(paths, {**row, "throttle": group.throttle, "scripts": [list(script) for script in scripts]})


def note_submitted(paths: SweepPaths, group: str, *, token: str, array_job_id: str, at: float) -> None:
    """The scheduler has the group as this array."""
    _append(paths, {"event": "submitted", "at": at, "group": group, "token": token, "array_job_id": array_job_id})


def note_refused(paths: SweepPaths, group: str, message: str, *, at: float) -> None:
    """The group came to nothing, and why."""
    _append(paths, {"event": "refused", "at": at, "group": group, "message": message})


def note_stopped(paths: SweepPaths, reason: str | None, *, at: float) -> None:
    """Somebody ended the sweep."""
    _append(paths, {"event": "stopped", "at": at, "reason": reason})


def note_resumed(paths: SweepPaths, *, at: float) -> None:
    """Somebody goes on with it."""
    _append(paths, {"event": "resumed", "at": at})


def note_observed(paths: SweepPaths, figures: Sequence[tuple[str, float | None, str | None]], *, at: float) -> None:
    """The figures of trials were looked for: id, figure, why there is none; one write for all of them."""
    rows = (
        {"event": "observed", "at": at, "trial_id": trial_id, "objective": figure, "objective_error": error}
        for trial_id, figure, error in figures
    )
    _append(paths, *rows)


def note_best(paths: SweepPaths, trial_id: str | None, *, at: float) -> None:
    """The best trial so far."""
    _append(paths, {"event": "best", "at": at, "trial_id": trial_id})


def note_pruned(paths: SweepPaths, trial_id: str, *, why: str, at: float) -> None:
    """The trial is hopeless, and its end is about to be asked for."""
    _append(paths, {"event": "pruned", "at": at, "trial_id": trial_id, "why": why})


def _append(paths: SweepPaths, *rows: JsonObject) -> None:
    append_line(paths.journal, b"".join(json_bytes({"schema_version": 1, **row}) for row in rows))


def read_sweep(paths: SweepPaths) -> SweepManifest | None:
    """The sweep as its journal tells it; None when there is none, or its client died before it was written down.

    Raises: RecordError: the journal cannot be read, or does not begin with a sweep.
    """
    rows = read_json_lines(paths.journal, max_bytes=_MOST_BYTES).rows
    if not rows:
        return None
    first = rows[0]
    if first.get("event") != "created" or not isinstance(first.get("manifest"), dict):
        raise RecordError(f"{paths.journal} does not begin with a sweep", remedy="Look at it and move it away.")
    return with_events(SweepManifest.parse(json_bytes(first["manifest"]), paths.journal), rows[1:])


def with_events(manifest: SweepManifest, rows: Iterable[JsonObject]) -> SweepManifest:
    """The manifest after what the rows tell; rows of another shape are passed over."""
    folding = _Folding(manifest)
    for row in rows:
        folding.take(row)
    return folding.manifest()


def publish(project: ProjectPaths, manifest: SweepManifest) -> None:
    """`sweep.json` holds this, and `latest.json` too unless a newer sweep is there.

    Raises: RecordError: it cannot be written.
    """
    data = manifest.as_bytes()
    replace_file(project.sweep(manifest.sweep_id).manifest, data)
    latest = latest_summary(project)
    at = latest.get("submitted_at") if latest else None
    is_newer = isinstance(at, int | float) and at > manifest.submitted_at
    if not is_newer or (latest or {}).get("sweep_id") == manifest.sweep_id:
        replace_file(project.latest_sweep, data)


def latest_summary(project: ProjectPaths) -> JsonObject | None:
    """What `latest.json` holds, unchecked; None when there is none that can be read."""
    with suppress(RecordError, ValueError):
        data = read_file(project.latest_sweep, max_bytes=_MOST_BYTES)
        return json_object(data) if data is not None else None
    return None


def sweep_ids(project: ProjectPaths) -> tuple[str, ...]:
    """The sweeps of the project, by name; those whose client died before they were written down included."""
    names = [name.name for name in names_in(project.sweeps) if name.kind == "folder"]
    return tuple(names[:_MOST_SUMMARIES])


class _Folding:
    """A manifest that grows row by row."""

    def __init__(self, manifest: SweepManifest) -> None:
        self._manifest = manifest
        self._trials = {trial.trial_id: trial for trial in manifest.trials}
        self._groups = {group.name: group for group in manifest.groups}
        self._fields: dict[str, Any] = {}
        self._takers: dict[str, Callable[[JsonObject], None]] = {
            "group": self._group,
            "submitted": self._submitted,
            "refused": self._refused,
            "stopped": self._stopped,
            "resumed": self._resumed,
            "observed": self._observed,
            "best": self._best,
            "pruned": self._pruned,
        }

    def take(self, row: JsonObject) -> None:
        taker = self._takers.get(str(row.get("event")))
        if taker is not None:
            with suppress(KeyError, TypeError, ValueError, ValidationError):  # torn or foreign: never fatal
                taker(row)

    def manifest(self) -> SweepManifest:
        groups, trials = tuple(self._groups.values()), tuple(self._trials.values())
        return self._manifest.model_copy(update={**self._fields, "groups": groups, "trials": trials})

    def _group(self, row: JsonObject) -> None:
        group = SweepGroup.model_validate({**row, "name": row["group"]})
        if group.name in self._groups:
            return
        for trial_id, (path, sha256) in zip(group.trials, row["scripts"], strict=True):
            trial = self._trials[trial_id]
            latest = latest_attempt(trial) if trial.job_id is not None else None
            fresh = {
                "group": group.name,
                "script_path": str(path),
                "script_sha256": str(sha256),
                "job_id": None,
                "record_path": None,
                "submitted_at": None,
                "submit_error": None,
                "objective": None,
                "objective_error": None,
                "observed_at": None,
                "pruned": None,
            }
            earlier = (*trial.earlier, latest) if latest else trial.earlier
            self._trials[trial_id] = trial.model_copy(update={**fresh, "earlier": earlier})
        self._groups[group.name] = group

    def _submitted(self, row: JsonObject) -> None:
        old = self._groups[row["group"]]
        told = {"token": row["token"], "array_job_id": row["array_job_id"], "submitted_at": row["at"]}
        group = SweepGroup.model_validate({**old.model_dump(), **told, "submit_error": None})
        self._groups[group.name] = group
        jobs = ProjectPaths(self._manifest.project_dir)
        for task, trial_id in enumerate(group.trials):
            job_id = f"{group.array_job_id}_{task}"
            self._update(
                trial_id,
                of_group=group.name,
                job_id=job_id,
                record_path=str(jobs.job_record(job_id)),
                submitted_at=group.submitted_at,
                submit_error=None,
            )

    def _refused(self, row: JsonObject) -> None:
        group = self._groups[row["group"]]
        if group.array_job_id is not None:
            return
        message = str(row["message"])
        self._groups[group.name] = group.model_copy(update={"submit_error": message})
        for trial_id in group.trials:
            self._update(trial_id, of_group=group.name, submit_error=message)

    def _stopped(self, row: JsonObject) -> None:
        reason = row.get("reason")
        self._fields |= {"stopped_at": float(row["at"]), "stop_reason": None if reason is None else str(reason)}

    def _resumed(self, _row: JsonObject) -> None:
        self._fields |= {"stopped_at": None, "stop_reason": None}

    def _observed(self, row: JsonObject) -> None:
        error, objective = row.get("objective_error"), row.get("objective")
        self._update(
            row["trial_id"],
            objective=None if objective is None else float(objective),
            objective_error=None if error is None else str(error),
            observed_at=float(row["at"]),
        )

    def _best(self, row: JsonObject) -> None:
        trial_id = row.get("trial_id")
        self._fields["best_trial"] = self._trials[trial_id].trial_id if trial_id is not None else None

    def _pruned(self, row: JsonObject) -> None:
        self._update(row["trial_id"], pruned=str(row["why"]))

    def _update(self, trial_id: str, *, of_group: str | None = None, **fields: Any) -> None:
        trial: SweepTrial = self._trials[trial_id]
        if of_group is None or trial.group == of_group:
            self._trials[trial_id] = trial.model_copy(update=fields)
