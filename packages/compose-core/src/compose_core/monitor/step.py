"""From what a monitor knew and what it sees to what it knows then, with the records that tell the difference.

Pure functions: each gives a new state, whose `untold` has grown by the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compose_core.job_state import JobState
from compose_core.monitor.looks import Efficiency, Look
from compose_core.records.job_record import JobRecord
from compose_core.records.monitor_rows import (
    Alert,
    AllComplete,
    ComputeMetrics,
    FailedJob,
    HookFailed,
    NotTracked,
    QueryError,
    Recovered,
    ResourceStatus,
    Row,
    StateChange,
    StatusCheck,
)
from compose_core.records.monitor_state import MonitorState, WatchedJob, key_of
from compose_core.tracking.snapshot import JobSnapshot

RESOURCES_EVERY = 5
"""Polls between two looks at the GPUs."""
ALERT_AFTER = 3
ACCOUNTING_LAG_S = 30.0
SAMPLE_AGE_S = 600.0
"""An older sample of the GPUs says nothing about now."""

_NO_CHANGE = frozenset({JobState.UNKNOWN, JobState.UNREACHABLE})


def names_of(records: Sequence[JobRecord], taken: Iterable[str] = ()) -> dict[str, str]:
    """What each job is called, by key: `sweep/trial`, `name/task`, `name`; with its id where two would be called alike."""
    plain = {key_of(record): _plain_name(record) for record in records}
    used = Counter([*plain.values(), *taken])
    return {
        key_of(record): name if used[name] == 1 else f"{name}/{record.job_id}"
        for record in records
        for name in (plain[key_of(record)],)
    }


def with_jobs(state: MonitorState, records: Sequence[JobRecord]) -> MonitorState:
    """The state with those of the jobs (or tasks) that were not watched yet, as they were submitted."""
    known = {job.key for job in state.jobs}
    new = [record for record in records if key_of(record) not in known]
    names = names_of(new, [job.name for job in state.jobs])
    added = [
        WatchedJob(
            job_id=record.job_id,
            submission_token=record.submission_token,
            array_task_id=record.array_task_id,
            submit_dir=record.submit_dir,
            backend=record.backend,
            name=names[key_of(record)],
        )
        for record in new
    ]
    return state.model_copy(update={"jobs": (*state.jobs, *added)})


def without_jobs(state: MonitorState, gone: Iterable[str], *, at: float) -> MonitorState:
    """The state without the jobs whose records are not there any more; of unfinished ones it is told."""
    keys = set(gone)
    rows = [
        NotTracked(number=0, logged_at=at, name=job.name, job_id=job.job_id, state=job.state)
        for job in state.jobs
        if job.key in keys and not job.terminal
    ]
    return _told(state.model_copy(update={"jobs": tuple(job for job in state.jobs if job.key not in keys)}), rows)


def wants_samples(state: MonitorState) -> bool:
    """The next look is one that tells what the GPUs do."""
    return (state.polls + 1) % RESOURCES_EVERY == 0


def after_look(state: MonitorState, look: Look, *, alert_after: int = ALERT_AFTER, hooks: bool = False) -> MonitorState:
    """The state after a look; with `hooks`, every state change waits for its command."""
    pairs = [_seen(job, look.snapshots.get(job.key), look) for job in state.jobs]
    jobs = tuple(job for job, _ in pairs)
    rows: list[Row] = [_status_check(state, jobs, look.at)]
    update, trouble = _answers(state, look, alert_after)
    rows += trouble
    rows += [row for _, row in pairs if row is not None]
    rows += [_resource_status(job, look) for job in jobs if _has_sample(job, look)]
    told = _told(state.model_copy(update={"jobs": jobs, "polls": state.polls + 1, **update}), rows)
    if hooks:
        changes = [row for row in told.untold[len(state.untold) :] if isinstance(row, StateChange)]
        told = told.model_copy(update={"hooks": (*told.hooks, *changes)})
    return _finished(told, look.at)


def due_metrics(state: MonitorState, now: float) -> list[WatchedJob]:
    """The ended jobs whose use is to be asked for now."""
    return [job for job in state.jobs if job.metrics_at is not None and job.metrics_at <= now]


def next_metrics_at(state: MonitorState) -> float | None:
    """When the next of them is due; None: none is."""
    return min((job.metrics_at for job in state.jobs if job.metrics_at is not None), default=None)


def after_usage(
    state: MonitorState, asked: Iterable[str], found: Mapping[str, Efficiency], *, at: float
) -> MonitorState:
    """The state after the accounting was asked about these jobs; one it knows nothing of yet is asked about once more."""
    keys, rows, jobs = set(asked), [], []
    for job in state.jobs:
        if job.key in keys and job.metrics in ("due", "again"):
            if job.metrics == "due" and (job.key not in found or not found[job.key].is_final):
                job = job.model_copy(update={"metrics": "again", "metrics_at": at + ACCOUNTING_LAG_S})
            else:
                rows.append(_compute_metrics(job, found.get(job.key), at))
                job = job.model_copy(update={"metrics": "told", "metrics_at": None})
        jobs.append(job)
    return _finished(_told(state.model_copy(update={"jobs": tuple(jobs)}), rows), at)


def after_hook(state: MonitorState, change: StateChange, failure: str, *, at: float) -> MonitorState:
    """The state after the command for this change ended; `failure` says what went wrong, empty: nothing."""
    left = tuple(row for row in state.hooks if row.number != change.number)
    rows = [
        HookFailed(
            number=0,
            logged_at=at,
            name=change.name,
            job_id=change.job_id,
            of_number=change.number,
            message=failure,
        )
    ]
    return _told(state.model_copy(update={"hooks": left}), rows if failure else [])


def all_told(state: MonitorState) -> MonitorState:
    """The state once every record has reached the logs."""
    return state.model_copy(update={"untold": (), "log_size": None, "jsonl_size": None})


def _plain_name(record: JobRecord) -> str:
    if record.sweep is not None:
        return f"{record.sweep.sweep_id}/{record.sweep.trial_id}"
    return record.name if record.array_task_id is None else f"{record.name}/{record.array_task_id}"


def _told(state: MonitorState, rows: Sequence[Row]) -> MonitorState:
    """The state with the rows at the end, numbered on."""
    numbered = tuple(
        row.model_copy(update={"number": number}) for number, row in enumerate(rows, start=state.next_number)
    )
    return state.model_copy(
        update={"untold": (*state.untold, *numbered), "next_number": state.next_number + len(numbered)}
    )


def _seen(job: WatchedJob, snapshot: JobSnapshot | None, look: Look) -> tuple[WatchedJob, StateChange | None]:
    """The job as it is now, and the record of its change if there is one.

    A scheduler that is silent changes nothing, and an end that Slurm may take back is not one yet.
    """
    if snapshot is None:
        return job, None
    if snapshot.state in _NO_CHANGE or (snapshot.state.is_terminal and not snapshot.terminal):
        shown = snapshot.state if snapshot.state in _NO_CHANGE else job.state
        return job.model_copy(update={"shown": shown}), None
    if snapshot.state is job.state:
        return job.model_copy(update={"shown": job.state}), None
    ends = snapshot.terminal and snapshot.started_at is not None
    seen = job.model_copy(
        update={
            "state": snapshot.state,
            "shown": snapshot.state,
            "terminal": snapshot.terminal,
            "exit_code": snapshot.exit_code,
            "started_at": snapshot.started_at,
            "ended_at": snapshot.ended_at,
            "time_limit_s": snapshot.time_limit_s,
            "metrics": "due" if ends else "no",
            "metrics_at": look.at if ends else None,
        }
    )
    return seen, _state_change(job, snapshot, look)


def _state_change(job: WatchedJob, snapshot: JobSnapshot, look: Look) -> StateChange:
    record = snapshot.record
    return StateChange(
        number=0,
        logged_at=look.at,
        name=job.name,
        job_id=job.job_id,
        previous=job.state,
        current=snapshot.state,
        terminal=snapshot.terminal,
        exit_code=snapshot.exit_code,
        reason=_reason(snapshot),
        started_at=snapshot.started_at,
        ended_at=snapshot.ended_at,
        elapsed_s=_elapsed(snapshot.started_at, snapshot.ended_at),
        job_dir=record.job_dir,
        compose_file=record.compose_file,
        result_log=_shown_path(f"{record.job_dir}/logs", look.folder),
    )


def _reason(snapshot: JobSnapshot) -> str:
    said = snapshot.reason if snapshot.reason not in ("", "None") else ""
    return said or (snapshot.cause or "" if snapshot.terminal else "")


def _shown_path(path: str, folder: Path) -> str:
    below = Path(path)
    return f"{below.relative_to(folder) if below.is_relative_to(folder) else below}/"


def _elapsed(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def _status_check(state: MonitorState, jobs: Sequence[WatchedJob], at: float) -> StatusCheck:
    counts = _counts((job.shown for job in jobs), (JobState.PENDING, JobState.RUNNING, JobState.COMPLETED))
    engines = tuple(sorted({job.backend for job in jobs}, reverse=True))
    return StatusCheck(number=0, logged_at=at, poll=state.polls + 1, engines=engines, jobs=len(jobs), counts=counts)


def _counts(states: Iterable[JobState], always: Sequence[JobState]) -> dict[str, int]:
    """State to number: those first that are always told, then the others that there are, in the order of the manuals."""
    found = Counter(states)
    return {str(state): found[state] for state in (*always, *(s for s in JobState if s not in always and found[s]))}


def _answers(state: MonitorState, look: Look, alert_after: int) -> tuple[dict[str, Any], list[Row]]:
    """What changes by an answer or its absence, and the records that tell of it."""
    if not look.asked:
        return {}, []
    if not look.trouble:
        heard = {"failures": 0, "alerted": False, "answered_at": look.at}
        back = Recovered(number=0, logged_at=look.at, failures=state.failures, answered_at=state.answered_at)
        return heard, [back] if state.alerted else []
    failures = state.failures + 1
    rows: list[Row] = [QueryError(number=0, logged_at=look.at, failures=failures, message=look.trouble)]
    alerts = failures >= alert_after and not state.alerted
    if alerts:
        rows.append(
            Alert(
                number=0,
                logged_at=look.at,
                failures=failures,
                message=look.trouble,
                answered_at=state.answered_at,
            )
        )
    return {"failures": failures, "alerted": state.alerted or alerts}, rows


def _has_sample(job: WatchedJob, look: Look) -> bool:
    sample = look.samples.get(job.key)
    return sample is not None and job.state is JobState.RUNNING and look.at - sample.sampled_at <= SAMPLE_AGE_S


def _resource_status(job: WatchedJob, look: Look) -> ResourceStatus:
    sample = look.samples[job.key]
    return ResourceStatus(
        number=0,
        logged_at=look.at,
        name=job.name,
        job_id=job.job_id,
        sampled_at=sample.sampled_at,
        gpus=sample.gpus,
    )


def _compute_metrics(job: WatchedJob, efficiency: Efficiency | None, at: float) -> ComputeMetrics:
    wall = _elapsed(job.started_at, job.ended_at)
    used = efficiency or Efficiency()
    return ComputeMetrics(
        number=0,
        logged_at=at,
        name=job.name,
        job_id=job.job_id,
        state=job.state,
        exceeded=job.state is JobState.TIMEOUT,
        wall_s=wall,
        time_limit_s=job.time_limit_s,
        time_percent=100 * wall / job.time_limit_s if wall is not None and job.time_limit_s else None,
        gpus=used.gpus,
        memory_used_bytes=used.memory_used_bytes,
        memory_requested_bytes=used.memory_requested_bytes,
        cpu_percent=used.cpu_percent,
        measured=used.is_known,
    )


def _finished(state: MonitorState, at: float) -> MonitorState:
    """With the closing record once every job has ended and has been counted."""
    over = all(job.terminal and job.metrics in ("no", "told") for job in state.jobs)
    if not over or state.finished_at is not None:
        return state
    failed = [job for job in state.jobs if job.state is not JobState.COMPLETED]
    row = AllComplete(
        number=0,
        logged_at=at,
        jobs=len(state.jobs),
        counts=_counts((job.state for job in state.jobs), (JobState.COMPLETED, JobState.FAILED)),
        failed=tuple(
            FailedJob(name=job.name, job_id=job.job_id, state=job.state, exit_code=job.exit_code) for job in failed
        ),
        total_s=max(0.0, at - state.started_at),
    )
    return _told(state.model_copy(update={"finished_at": at}), [row])
