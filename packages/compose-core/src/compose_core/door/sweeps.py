"""What orchestrators ask of sweeps: one that is there once for a key, its state, its ranking, its end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compose_core.door.keys import WorkspaceKeys
from compose_core.errors import HpccError, UsageError
from compose_core.job_state import JobState
from compose_core.records.atomic import replace_file
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import read_sweep
from compose_core.records.sweep_manifest import SweepOverlay
from compose_core.sweep.ensure import ensure_sweep
from compose_core.sweep.hold import find_sweep, sweep_paths
from compose_core.sweep.observe import sweep_results
from compose_core.sweep.overlaid import load_overlaid
from compose_core.sweep.ranked_jobs import ranked_jobs
from compose_core.sweep.state import SweepState, settled_sweep, sweep_state
from compose_core.sweep.stop import stop_sweep

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.door.requests import Handle
    from compose_core.door.session import DoorSession
    from compose_core.door.sweep_requests import (
        RankArguments,
        ResultsArguments,
        StopSweepArguments,
        SubmitSweepArguments,
        SweepArguments,
        SweepsOfKeysArguments,
        SweepSource,
    )
    from compose_core.records.sweep_manifest import SweepManifest
    from compose_core.sweep.results import SweepResults

Answer = dict[str, Any]

_MOST_RESTARTS = 50
_FAULTS_TOLD = 20
_STOP_WAIT_S = 20.0


def submit_sweep(session: DoorSession, asked: SubmitSweepArguments) -> Answer:
    """The sweep of this key: submitted exactly once, attached to when it is there; those it supersedes are stopped first.

    Raises: HpccError: as `ensure_sweep`; SchedulerUnreachable: it is not known yet whether the scheduler has all trials.
    """
    if (asked.compose_file is None) == (asked.spec is None):
        raise UsageError("a compose file or a spec has to be given, and not both", code="door-arguments")
    site = _with_variables(session.site, asked.variables)
    keys = WorkspaceKeys(session.workspace, session.site.clock)
    wanted = _project(session, asked)
    stopped = _stop_all(site, keys, asked.supersedes, reason="superseded by a new submission")
    project = keys.claim(asked.key, wanted, {**asked.labels, "kind": "sweep"}, is_taken=_has_sweep)
    sweep_id = _next_id(project, asked.key)
    if project != wanted and _has_sweep(project, sweep_id):
        asked = asked.model_copy(update={"spec": None, "compose_file": _known_file(project, sweep_id)})
    known = read_sweep(sweep_paths(ProjectPaths(project), sweep_id)) is not None
    result = ensure_sweep(
        site,
        _file(project, asked, f"{sweep_id}.compose.yaml"),
        sweep_id=sweep_id,
        max_trials=asked.max_trials,
        throttle=asked.throttle,
        overlay=_overlay(asked),
        prepare=asked.prepare,
        preflight=asked.preflight,
    )
    if result.trouble is not None:
        raise result.trouble
    told = {**_handle(result.manifest, result.refused), "key": asked.key, "attached": known}
    return {"sweep": told, "superseded": stopped, "warnings": result.warnings}


def sweeps_of_keys(session: DoorSession, asked: SweepsOfKeysArguments) -> Answer:
    """The sweeps under these keys that are not over, with how they are; one question to the scheduler for each.

    Raises: RecordError: a sweep cannot be read.
    """
    keys = WorkspaceKeys(session.workspace, session.site.clock)
    live: dict[str, list[Answer]] = {}
    for key in asked.keys:
        for manifest in _manifests(keys, key):
            found = sweep_state(session.site, settled_sweep(session.site, manifest))
            if not found.is_over:
                told = {"sweep": {**_handle(manifest, {}), "key": key}, "state": _told(found)}
                live.setdefault(key, []).append(told)
    return {"sweeps": live}


def sweep_states(session: DoorSession, asked: SweepArguments) -> Answer:
    """How all trials are, by their place in the sweep; one question to the scheduler.

    Raises: HpccError: there is no such sweep.
    """
    return _told(sweep_state(session.site, settled_sweep(session.site, _manifest(session, asked))))


def _told(found: SweepState) -> Answer:
    faults = [one for one in found.trials if one.status in ("failed", "submit_failed", "missing_tracking")]
    return {
        "sweep_id": found.manifest.sweep_id,
        "total": len(found.trials),
        "is_over": found.is_over,
        "is_unreachable": _is_unreachable(found),
        "stopped_at": found.manifest.stopped_at,
        "stop_reason": found.manifest.stop_reason,
        "summary": dict(found.summary),
        "statuses": [one.status for one in found.trials],
        "faults": [
            {"trial_id": one.trial.trial_id, "index": one.trial.index, "status": one.status, "detail": one.detail}
            for one in faults[:_FAULTS_TOLD]
        ],
    }


def results(session: DoorSession, asked: ResultsArguments) -> Answer:
    """The ranking; with `dest` also as files.

    Raises: HpccError: there is no such sweep.  RecordError: a file cannot be written.
    """
    manifest = _manifest(session, asked)
    found = sweep_results(session.site, manifest)
    return _table(found, dest=_dest(manifest.project_dir, asked.dest), top=asked.top)


def rank_trials(session: DoorSession, asked: RankArguments) -> Answer:
    """The ranking of trials that are jobs of their own; one whose job is not tracked counts as not submitted.

    Raises: SpecError, UsageError: the file is wrong, or has no sweep.  RecordError: a file cannot be written.
    """
    project = _project(session, asked)
    site = _with_variables(session.site, asked.variables)
    loaded = load_overlaid(
        site, _file_name(project, asked, "spec"), _overlay(asked), text=asked.spec, project_dir=project
    )
    records = {name: record for name, record in _records(asked.jobs) if record is not None}
    found = ranked_jobs(site, loaded, records, sweep_id=asked.sweep_id, max_trials=asked.max_trials)
    return _table(found, dest=_dest(project, asked.dest), top=asked.top)


def end_sweep(session: DoorSession, asked: StopSweepArguments) -> Answer:
    """The end of the sweep, or of all that were submitted under the keys; what is over already stays as it is."""
    if asked.sweep_id is None:
        keys = WorkspaceKeys(session.workspace, session.site.clock)
        return {"stopped": _stop_all(session.site, keys, asked.keys, reason=asked.reason)}
    project = _folder(session, asked.project_dir, None)
    manifest = find_sweep(ProjectPaths(project), asked.sweep_id)
    return {"stopped": [manifest.sweep_id] if _stop(session.site, manifest, asked.reason) else []}


def _overlay(asked: SweepSource) -> SweepOverlay | None:
    """What is laid over and under the file; None: nothing."""
    overlay = SweepOverlay(overrides=asked.overrides, defaults=asked.defaults, environment=asked.environment)
    return overlay if overlay != SweepOverlay() else None


def _with_variables(site: Site, variables: Mapping[str, str]) -> Site:
    return replace(site, environment={**site.environment, **variables}) if variables else site


def _folder(session: DoorSession, project_dir: str | None, compose_file: str | None) -> Path:
    folder = session.workspace / (project_dir or "")
    return (folder / compose_file).parent if compose_file is not None else folder


def _project(session: DoorSession, asked: SweepSource) -> Path:
    """The folder that the sweep belongs to: that of its compose file."""
    return _folder(session, asked.project_dir, asked.compose_file)


def _file_name(project: Path, asked: SweepSource, own: str) -> Path:
    return project / (Path(asked.compose_file).name if asked.compose_file is not None else own)


def _file(project: Path, asked: SweepSource, own: str) -> Path:
    """The file of the sweep; a program's own spec is written beside where its relative paths begin, for those who go on with it."""
    file = _file_name(project, asked, own)
    if asked.spec is not None:
        replace_file(OurPath(project) / file.name, asked.spec.encode("utf-8", "surrogateescape"))
    return file


def _manifest(session: DoorSession, asked: SweepArguments) -> SweepManifest:
    return find_sweep(ProjectPaths(_folder(session, asked.project_dir, None)), asked.sweep_id or None)


def _dest(project: Path, dest: str | None) -> Path | None:
    return project / dest if dest else None


def _ids(key: str) -> Iterator[str]:
    yield key
    for number in range(2, _MOST_RESTARTS):
        yield f"{key}-{number}"


def _next_id(project: Path, key: str) -> str:
    """The sweep that goes on under this key: one that nobody stopped, else a new one."""
    for sweep_id in _ids(key):
        manifest = read_sweep(sweep_paths(ProjectPaths(project), sweep_id))
        if manifest is None or manifest.stopped_at is None:
            return sweep_id
    raise HpccError(f"{_MOST_RESTARTS} sweeps of {key} were stopped", remedy="Submit under another key.")


def _handle(manifest: SweepManifest, refused: Mapping[str, str]) -> Answer:
    return {
        "v": 1,
        "sweep_id": manifest.sweep_id,
        "engine": manifest.engine,
        "project_dir": str(manifest.project_dir),
        "compose_file": manifest.compose_file,
        "manifest": str(ProjectPaths(manifest.project_dir).sweep(manifest.sweep_id).manifest),
        "submitted_at": manifest.submitted_at,
        "trials": len(manifest.trials),
        "jobs": [group.array_job_id for group in manifest.groups if group.array_job_id is not None],
        "refused": len(refused),
        "refusals": list(dict.fromkeys(refused.values()))[:_FAULTS_TOLD],
        "objective": manifest.objective.model_dump(mode="json", exclude_none=True) if manifest.objective else None,
    }


def _is_unreachable(found: SweepState) -> bool:
    return any(one.snapshot is not None and one.snapshot.state is JobState.UNREACHABLE for one in found.trials)


def _has_sweep(project: Path, sweep_id: str) -> bool:
    return read_sweep(sweep_paths(ProjectPaths(project), sweep_id)) is not None


def _known_file(project: Path, sweep_id: str) -> str:
    """What the sweep was submitted from, which is not asked for anew."""
    return find_sweep(ProjectPaths(project), sweep_id).compose_file


def _stop_all(site: Site, known: WorkspaceKeys, keys: Sequence[str], *, reason: str | None) -> list[str]:
    """The ids of the sweeps under these keys that were asked to end."""
    return [
        manifest.sweep_id
        for key in keys
        for manifest in _manifests(known, key)
        if manifest.stopped_at is None and _stop(site, manifest, reason)
    ]


def _manifests(known: WorkspaceKeys, key: str) -> Iterator[SweepManifest]:
    """All sweeps that were ever submitted under the key, the oldest first."""
    project = known.folder_of(key)
    for sweep_id in _ids(key) if project is not None else ():
        assert project is not None
        manifest = read_sweep(sweep_paths(ProjectPaths(project), sweep_id))
        if manifest is None:
            return
        yield manifest


def _stop(site: Site, manifest: SweepManifest, reason: str | None) -> bool:
    """False: it is over, nothing was to be done; a good end is not called a stop afterwards."""
    if sweep_state(site, settled_sweep(site, manifest)).is_over:
        return False
    done = stop_sweep(site, manifest, reason=reason, wait_s=_STOP_WAIT_S)
    if done.troubles:
        raise HpccError(f"sweep {manifest.sweep_id} was not ended: {'; '.join(done.troubles)}", code="not-stopped")
    return True


def _records(jobs: Mapping[str, Handle]) -> Iterator[tuple[str, JobRecord | None]]:
    """By trial id; a job that is not tracked any more has none."""
    for trial_id, job in jobs.items():
        record = JobRecord.read(ProjectPaths(Path(job.project_dir)).job_record(job.job_id))
        yield trial_id, record if record is not None and record.submission_token == job.token else None


def _table(found: SweepResults, *, dest: Path | None, top: int) -> Answer:
    """What a person wants to see of the ranking; the whole of it goes to files."""
    told = found.as_json()
    return {
        "sweep_id": told["sweep_id"],
        "objective": told["objective"],
        "summary": told["summary"],
        "is_over": found.is_over,
        "best": found.best.as_json() if found.best else None,
        "ranking": [{name: value for name, value in one.items() if name != "trials"} for one in told["groups"][:top]],
        "configurations": len(told["groups"]),
        "files": _write_tables(found, dest) if dest is not None else [],
    }


def _write_tables(found: SweepResults, folder: Path) -> list[Answer]:
    """`ranking.json` and `trials.csv`."""
    contents = {"ranking.json": json.dumps(found.as_json(), indent=2) + "\n", "trials.csv": found.as_csv()}
    written = []
    for name, text in contents.items():
        data = text.encode("utf-8", "replace")
        replace_file(OurPath(folder) / name, data)
        sha256 = hashlib.sha256(data).hexdigest()
        written.append({"path": str(folder / name), "sha256": sha256, "bytes": len(data)})
    return written
