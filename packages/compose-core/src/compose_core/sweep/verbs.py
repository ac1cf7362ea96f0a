"""What other programs ask of sweeps, with plain JSON both ways: the same answers in this process and through a login node.

A request names a sweep by `project_dir` and `sweep_id`, a submission by the `key` of whoever asks: the sweep is called
like its key, and `KEY-2` when the first one was stopped and is wanted again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compose_core.errors import HpccError
from compose_core.job_state import JobState
from compose_core.records.atomic import replace_file
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import read_sweep
from compose_core.records.sweep_manifest import SweepManifest
from compose_core.spec import load_spec
from compose_core.sweep.ensure import ensure_sweep
from compose_core.sweep.hold import find_sweep, sweep_paths
from compose_core.sweep.observe import sweep_results
from compose_core.sweep.ranked_jobs import ranked_jobs
from compose_core.sweep.state import SweepState, settled_sweep, sweep_state
from compose_core.sweep.stop import stop_sweep

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.sweep.results import SweepResults
    from compose_core.sweep.submit import SweepSubmission

Request = Mapping[str, Any]
Answer = dict[str, Any]

_MOST_RESTARTS = 50
_FAULTS_TOLD = 20
_STANDINGS_TOLD = 50
_STOP_WAIT_S = 30.0


def submit(site: Site, request: Request) -> Answer:
    """The sweep of `key`: submitted exactly once, attached to when it is there.

    `compose_file` may be relative to `project_dir`; `spec` is the text of one that belongs into that folder; `variables`,
    `max_trials`, `throttle` as for `plan_sweep`. The sweeps of `supersedes`, keys that count no more, are stopped first.

    Raises: HpccError: as `ensure_sweep`; SchedulerUnreachable: it is not known yet whether the scheduler has all trials.
    """
    project = _project(request)
    used = _with_variables(site, request.get("variables") or {})
    stopped = _stop_all(used, project, request.get("supersedes") or (), reason="superseded by a new submission")
    sweep_id = _next_id(project, str(request["key"]))
    file = _compose_file(project, sweep_id, request)
    known = read_sweep(sweep_paths(ProjectPaths(file.parent), sweep_id)) is not None
    result = ensure_sweep(
        used,
        file,
        sweep_id=sweep_id,
        max_trials=request.get("max_trials"),
        throttle=request.get("throttle"),
    )
    if result.trouble is not None:
        raise result.trouble
    return {**_handle(result), "key": str(request["key"]), "attached": known, "superseded": stopped}


def state(site: Site, request: Request) -> Answer:
    """How all trials are, by their place in the sweep; one question to the scheduler."""
    found = sweep_state(site, settled_sweep(site, _manifest(request)))
    return {
        "v": 1,
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
            for one in found.trials
            if one.status in ("failed", "submit_failed", "missing_tracking")
        ][:_FAULTS_TOLD],
    }


def results(site: Site, request: Request) -> Answer:
    """The ranking; with `dest` also as files in that folder (below the project where it is relative)."""
    manifest = _manifest(request)
    return _table(sweep_results(site, manifest), request, project=manifest.project_dir)


def rank(site: Site, request: Request) -> Answer:
    """The ranking of trials that are jobs of their own: `jobs` is trial id → job id.

    The trials are those of the compose file as `submit` takes it, under the `sweep_id` they were expanded with.
    """
    project = _project(request)
    used = _with_variables(site, request.get("variables") or {})
    text = request.get("spec")
    file = project / Path(request.get("compose_file") or "compose.yaml").name
    loaded = load_spec(file, variables=used.environment, text=text, project_dir=project if text is not None else None)
    records = {name: record for name, record in _records(request.get("jobs") or {}) if record is not None}
    found = ranked_jobs(used, loaded, records, sweep_id=str(request["sweep_id"]), max_trials=request.get("max_trials"))
    return _table(found, request, project=project)


def stop(site: Site, request: Request) -> Answer:
    """The end of the sweep, or of all that were submitted under `keys`; asking for what is over changes nothing."""
    reason = request.get("reason")
    if request.get("sweep_id"):
        return _stopped(site, _manifest(request), reason)
    return {"v": 1, "stopped": _stop_all(site, _project(request), request.get("keys") or (), reason=reason)}


SWEEP_VERBS: Mapping[str, Callable[[Site, Request], Answer]] = {
    "submit-sweep": submit,
    "sweep-state": state,
    "sweep-results": results,
    "rank-trials": rank,
    "stop-sweep": stop,
}


def _with_variables(site: Site, variables: Mapping[str, Any]) -> Site:
    texts = {str(name): str(value) for name, value in variables.items()}
    return replace(site, environment={**site.environment, **texts}) if texts else site


def _project(request: Request) -> Path:
    """The folder that the sweep belongs to: that of its compose file."""
    folder = Path(request["project_dir"]).absolute()
    return (folder / str(request["compose_file"])).parent if request.get("compose_file") else folder


def _manifest(request: Request) -> SweepManifest:
    return find_sweep(Path(request["project_dir"]).absolute(), str(request["sweep_id"]))


def _ids(key: str) -> Iterator[str]:
    yield key
    for number in range(2, _MOST_RESTARTS):
        yield f"{key}-{number}"


def _sweeps_of(project: Path, key: str) -> Iterator[SweepManifest]:
    """Those that were submitted under the key, the first one first."""
    for sweep_id in _ids(key):
        manifest = read_sweep(sweep_paths(ProjectPaths(project), sweep_id))
        if manifest is None:
            return
        yield manifest


def _next_id(project: Path, key: str) -> str:
    """The sweep that goes on under this key: one that nobody stopped, else a new one."""
    for sweep_id in _ids(key):
        manifest = read_sweep(sweep_paths(ProjectPaths(project), sweep_id))
        if manifest is None or manifest.stopped_at is None:
            return sweep_id
    raise HpccError(f"{_MOST_RESTARTS} sweeps of {key} were stopped", remedy="Submit under another key.")


def _compose_file(project: Path, sweep_id: str, request: Request) -> Path:
    """The file of the sweep; a program's own spec is written beside where its relative paths begin."""
    text = request.get("spec")
    if text is None:
        return project / Path(request["compose_file"]).name
    file = project / f"{sweep_id}.compose.yaml"
    replace_file(OurPath(project) / file.name, str(text).encode())
    return file


def _handle(result: SweepSubmission) -> Answer:
    manifest = result.manifest
    return {
        "v": 1,
        "sweep_id": manifest.sweep_id,
        "engine": manifest.engine,
        "project_dir": str(manifest.project_dir),
        "compose_file": manifest.compose_file,
        "submitted_at": manifest.submitted_at,
        "trials": len(manifest.trials),
        "jobs": [group.array_job_id for group in manifest.groups if group.array_job_id is not None],
        "refused": dict(list(result.refused.items())[:_FAULTS_TOLD]),
        "refused_count": len(result.refused),
        "objective": manifest.objective.model_dump(mode="json", exclude_none=True) if manifest.objective else None,
        "manifest": str(ProjectPaths(manifest.project_dir).sweep(manifest.sweep_id).manifest),
    }


def _is_unreachable(found: SweepState) -> bool:
    return any(one.snapshot is not None and one.snapshot.state is JobState.UNREACHABLE for one in found.trials)


def _stop_all(site: Site, project: Path, keys: Sequence[str], *, reason: str | None) -> list[str]:
    """The ids of the sweeps under these keys that were not stopped before and are not over."""
    stopped = []
    for key in keys:
        for manifest in _sweeps_of(project, key):
            if manifest.stopped_at is None:
                _stopped(site, manifest, reason)
                stopped.append(manifest.sweep_id)
    return stopped


def _stopped(site: Site, manifest: SweepManifest, reason: str | None) -> Answer:
    if manifest.stopped_at is None and sweep_state(site, settled_sweep(site, manifest)).is_over:
        return {"v": 1, "sweep_id": manifest.sweep_id, "cancelled": [], "confirmed": True, "troubles": []}
    done = stop_sweep(site, manifest, reason=reason, wait_s=_STOP_WAIT_S)
    return {
        "v": 1,
        "sweep_id": manifest.sweep_id,
        "cancelled": list(done.cancelled),
        "confirmed": done.confirmed,
        "troubles": list(done.troubles),
    }


def _records(jobs: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, JobRecord | None]]:
    """By trial id; a job that is not tracked any more has none."""
    for trial_id, job in jobs.items():
        record = JobRecord.read(ProjectPaths(Path(job["project_dir"])).job_record(job["job_id"]))
        is_it = record is not None and job.get("token") in (None, record.submission_token)
        yield trial_id, record if is_it else None


def _table(found: SweepResults, request: Request, *, project: Path) -> Answer:
    """What a person wants to see of the ranking; the whole of it goes to files."""
    told = found.as_json()
    standings = told["groups"][: int(request.get("top") or _STANDINGS_TOLD)]
    return {
        "v": 1,
        "sweep_id": told["sweep_id"],
        "objective": told["objective"],
        "summary": told["summary"],
        "is_over": found.is_over,
        "best": found.best.as_json() if found.best else None,
        "ranking": [{name: value for name, value in one.items() if name != "trials"} for one in standings],
        "configurations": len(told["groups"]),
        "files": _write_tables(found, project / request["dest"]) if request.get("dest") else [],
    }


def _write_tables(found: SweepResults, folder: Path) -> list[Answer]:
    """`ranking.json` and `trials.csv`."""
    place = OurPath(folder)
    contents = {"ranking.json": json.dumps(found.as_json(), indent=2) + "\n", "trials.csv": found.as_csv()}
    written = []
    for name, text in contents.items():
        data = text.encode("utf-8", "replace")
        replace_file(place / name, data)
        sha256 = hashlib.sha256(data).hexdigest()
        written.append({"path": str(folder / name), "sha256": sha256, "bytes": len(data)})
    return written
