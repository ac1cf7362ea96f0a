"""A replay in the view of a live job: the same model, update and screen, with the moment taken from the timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compose_core.clock import iso
from compose_core.insight.timeline import Frame, ServiceMoment, Timeline
from compose_core.records.job_record import JobRecord
from compose_core.watch.model import JobView, Model, Replay, ServiceView
from compose_core.watch.playback import moved, pressed
from compose_core.watch.update import Event, JobSeen, Key, Ticked
from compose_core.watch.update import update as live_update

_FAILED = frozenset({"FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "CANCELLED"})


def first_model(
    record: JobRecord, timeline: Timeline, *, speed: float = 1.0, at: float | None = None, only: tuple[str, ...] = ()
) -> Model:
    """The view at its opening: at the beginning and playing, or held at the moment that was asked for."""
    replay = Replay(at=timeline.begin, begin=timeline.begin, end=timeline.end, speed=speed, is_playing=at is None)
    model = Model(job=JobView(job_id=record.job_id), mode="replay", only=only, replay=replay)
    return ReplayUpdate(record, timeline).shown(model, replay if at is None else moved(replay, at))


class ReplayUpdate:
    """The model after an event, by the timeline and the model alone."""

    def __init__(self, record: JobRecord, timeline: Timeline) -> None:
        self._record = record
        self._timeline = timeline
        self._times = [event.at for event in timeline.events]

    def __call__(self, model: Model, event: Event) -> Model:
        """`Ticked` says which moment of the run it is; keys of a replay come before those of a live view."""
        replay = model.replay
        assert replay is not None
        if isinstance(event, Ticked):
            return self.shown(model, moved(replay, event.now))
        if isinstance(event, Key) and model.typing is None:
            after = pressed(replay, event.name, self._times)
            if after is not None:
                return self.shown(model, after)
        updated = live_update(model, event)
        if updated.log.is_paused and not updated.log.back:  # scrolled down to the newest line again
            updated = replace(updated, log=replace(updated.log, is_paused=False))
        return updated

    def shown(self, model: Model, replay: Replay) -> Model:
        """The model at this moment."""
        frame = self._timeline.at(replay.at)
        event = frame.event
        about = " ".join(filter(None, (event.service, event.kind, event.detail))) if event else ""
        replay = replace(
            replay,
            event=about,
            position=frame.index + 1,
            events=len(self._timeline.events),
            fidelity="" if frame.fidelity == "exact" else frame.note,
        )
        job = job_view(frame, self._record)
        return live_update(replace(model, now=replay.at, replay=replay), JobSeen(job))


def job_view(frame: Frame, record: JobRecord) -> JobView:
    """What the view shows of the job at this moment."""
    job = frame.job
    code = f" (exit {job.exit_code})" if job.exit_code else ""
    is_over = job.state not in ("PENDING", "RUNNING")
    return JobView(
        job_id=record.job_id,
        name=record.name,
        engine=record.backend,
        state=f"{job.state}{code}",
        source=f"its own files, {frame.fidelity}",
        terminal=is_over,
        failed=job.state in _FAILED,
        attempt=job.attempt or None,
        started_at=job.started_at,
        ended_at=frame.at if is_over else None,
        limit_s=record.requested_walltime.seconds if record.requested_walltime else None,
        notes=tuple(_notes(frame)),
        services=tuple(_service(service) for service in frame.services),
    )


def _notes(frame: Frame) -> Iterator[str]:
    if frame.job.why:
        yield frame.job.why
    if frame.fidelity != "exact":
        yield f"best effort: {frame.note}"


def _service(service: ServiceMoment) -> ServiceView:
    return ServiceView(
        name=service.name,
        status=f"{service.status} (stopping)" if service.is_stopping else service.status,
        pid=service.pid,
        ready=True if service.ready_at is not None else (False if service.status == "starting" else None),
        restarts=service.restart_count,
        exit_code=service.last_exit_code,
        details=tuple(_details(service)),
    )


def _details(service: ServiceMoment) -> Iterator[str]:
    told = (("started", service.started_at), ("ready", service.ready_at), ("ended", service.finished_at))
    times = [f"{word} {iso(at)[11:19]}" for word, at in told if at is not None]
    if times:
        yield ", ".join(times)
    if service.last_signal is not None:
        yield f"ended by signal {service.last_signal}"
    if service.is_inferred:
        yield "some of this is inferred"
