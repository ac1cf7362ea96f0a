"""An engine whose answers are shared by the processes of one user on one host: ten that watch cost one query.

An answer is used again only by who says that it may be so old; everything that submits, signals or removes asks the
scheduler itself. The age of an answer stands in it, so nobody takes an old absence for a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast, get_args

from compose_core.clock import Clock
from compose_core.cluster.answer_file import Head, only_asker, read_answer, read_head, write_answer
from compose_core.cluster.engine import (
    Answer,
    CallCounter,
    CancelAnswer,
    Engine,
    EngineName,
    EvidenceSource,
    JobRow,
    Rows,
    SubmitAnswer,
    SubmitRequest,
    Unavailable,
)
from compose_core.cluster.process_identity import boot_id
from compose_core.cluster.usage_rows import RunningSteps, UsageRows
from compose_core.errors import RecordError
from compose_core.job_state import JobId, JobState, parse_job_id
from compose_core.records.our_path import OurPath

PATIENCE_S = 35.0
"""How long a query of another process is waited for: longer than any takes."""
_STUCK_PATIENCE_S = 1.0
"""The same after one that came to nothing: its process is stopped, not at work."""
_POLL_S = 0.1
FAULT_S = 5.0
"""So long a scheduler that did not answer is left alone by everybody."""
NO_ACCOUNTING_S = 300.0
"""So long it is believed that a site keeps no accounting."""
_ACCOUNTED_S = 300.0
"""What is older is left out when the accounting's answers are written."""
_HOUR_S = 3600.0
_CLOCKS_DIFFER_S = 30.0
_LARGEST = 1e15
_WRONG = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What reading a text that is no answer of ours raises."""

_NUMBER, _TEXT, _OPTIONAL_TEXT = (int, float, type(None)), (str,), (str, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    "job_id": _TEXT, "state": _TEXT, "source": _TEXT, "raw_state": _TEXT, "exit_code": _NUMBER, "signal": _NUMBER,
    "reason": _TEXT, "submitted_at": _NUMBER, "started_at": _NUMBER, "ended_at": _NUMBER, "time_limit_s": _NUMBER,
    "node_count": _NUMBER, "nodelist": _TEXT, "user": _TEXT, "name": _TEXT, "token": _OPTIONAL_TEXT,
    "array_job_id": _OPTIONAL_TEXT, "array_task": _OPTIONAL_TEXT,
}  # fmt: skip
"""What a cell of a stored row may be, by field."""
_FIELDS = tuple(one.name for one in fields(JobRow))
_PROGRAMS = {"queue": "squeue", "accounting": "sacct"}
_FAULTS = frozenset({"unreachable", "disabled", "missing", "error"})


@dataclass(slots=True)
class SharedAnswers:
    """An engine with its answers on disk; whatever changes something goes straight to the engine behind it."""

    engine: Engine
    folder: OurPath
    clock: Clock
    boot: str = field(default_factory=boot_id)
    name: EngineName = field(init=False)
    counter: CallCounter = field(init=False)
    _patience_s: float = field(default=PATIENCE_S, init=False)
    _seen: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict, init=False)
    """The answers that were read last, by file: the same text is not read twice."""

    def __post_init__(self) -> None:
        self.name, self.counter = self.engine.name, self.engine.counter

    def submit(self, request: SubmitRequest) -> SubmitAnswer:
        """Never shared."""
        return self.engine.submit(request)

    def find_jobs(self, job_ids: Sequence[JobId]) -> Answer:
        """Never shared."""
        return self.engine.find_jobs(job_ids)

    def usage(self, job_ids: Sequence[JobId], *, since_epoch_s: float) -> UsageRows | Unavailable:
        """Never shared."""
        return self.engine.usage(job_ids, since_epoch_s=since_epoch_s)

    def running_usage(self, job_ids: Sequence[JobId]) -> RunningSteps | Unavailable:
        """Never shared."""
        return self.engine.running_usage(job_ids)

    def show_job(self, job_id: JobId) -> dict[str, str] | Unavailable:
        """Never shared."""
        return self.engine.show_job(job_id)

    def find_token(self, token: str, *, since_epoch_s: float) -> tuple[Answer, Answer]:
        """Never shared."""
        return self.engine.find_token(token, since_epoch_s=since_epoch_s)

    def cancel(self, job_id: JobId, *, token: str | None = None, force: bool = False) -> CancelAnswer:
        """Never shared."""
        return self.engine.cancel(job_id, token=token, force=force)

    def queue(self, *, not_before: float | None = None) -> Answer:
        """The newest answer of any process, if it was asked for since `not_before`; else a new one."""
        earliest = self._monotonic(not_before)
        return self._shared("queue", lambda: self._stored_queue(earliest), self._ask_queue)

    def accounting(self, job_ids: Sequence[JobId], *, since_epoch_s: float, not_before: float | None = None) -> Answer:
        """What any process heard of these jobs since `not_before`; the others are asked after, in one call.

        Raises: ValueError: no id given.
        """
        if not job_ids:
            raise ValueError("the accounting is asked for given jobs only")
        earliest = self._monotonic(not_before)
        since = since_epoch_s // _HOUR_S * _HOUR_S  # the same for all that ask within the hour
        return self._shared(
            "accounting",
            lambda: self._stored_accounting(job_ids, since, earliest),
            lambda: self._ask_accounting(job_ids, since, earliest),
        )

    def _shared(self, what: str, stored: Callable[[], Answer | None], ask: Callable[[], Answer]) -> Answer:
        deadline = self.clock.monotonic() + self._patience_s
        while True:
            if answer := stored():
                return self._counted(what, answer)
            with only_asker(self.folder / f"{what}.lock") as is_mine:
                if is_mine:
                    self._patience_s = PATIENCE_S
                    answer = stored()  # another one may have answered between the look and the lock
                    return self._counted(what, answer) if answer else ask()
            if self.clock.monotonic() >= deadline:
                self._patience_s = _STUCK_PATIENCE_S
                return ask()
            self.clock.sleep(_POLL_S)

    def _counted(self, what: str, answer: Answer) -> Answer:
        self.counter.count_shared(_PROGRAMS[what])
        return answer

    # -- the queue

    def _stored_queue(self, earliest: float) -> Answer | None:
        head = self._head("queue.json")
        if head is None or head.ended_at < min(earliest, self.clock.monotonic() - FAULT_S):
            return None  # too old for anybody, so it need not be read
        found = self._read("queue.json", head)
        if found is None:
            return None
        head, body = found
        try:
            if "unavailable" in body:
                fault = _fault_of(body["unavailable"], at=self._epoch(head.ended_at))
                return fault if self._holds(fault, head.ended_at, earliest) else None
            if head.asked_at < earliest:
                return None
            return _rows_of(body, at=self._epoch(head.asked_at))
        except _WRONG:
            return None

    def _ask_queue(self) -> Answer:
        asked_at = self.clock.monotonic()
        answer = self.engine.queue()
        body = _as_body(answer)
        self._write("queue.json", asked_at, body)
        at = self.clock.monotonic() if isinstance(answer, Unavailable) else asked_at
        return replace(answer, asked_at=self._epoch(at))

    # -- the accounting

    def _stored_accounting(self, job_ids: Sequence[JobId], since: float, earliest: float) -> Answer | None:
        head = self._head("accounting.json")
        found = None if head is None else self._read("accounting.json", head)
        if found is None:
            return None
        head, body = found
        try:
            if "unavailable" in body:
                fault = _fault_of(body["unavailable"], at=self._epoch(head.ended_at))
                if self._holds(fault, head.ended_at, earliest):
                    return fault
            asked = _asked_of(body)
            if not all(_is_heard(asked.get(job_id), since, earliest) for job_id in job_ids):
                return None
            oldest = min(asked[job_id][0] for job_id in job_ids)
            return _only(_rows_of(body, at=self._epoch(oldest)), job_ids)
        except _WRONG:
            return None

    def _ask_accounting(self, job_ids: Sequence[JobId], since: float, earliest: float) -> Answer:
        head = self._head("accounting.json")
        known = None if head is None else self._read("accounting.json", head)
        asked, rows = _accounted(known[1]) if known else ({}, ())
        wanted = [job_id for job_id in job_ids if not _is_heard(asked.get(job_id), since, earliest)] or list(job_ids)
        asked_at = self.clock.monotonic()
        answer = self.engine.accounting(wanted, since_epoch_s=since)
        if isinstance(answer, Unavailable):
            self._write("accounting.json", asked_at, {**(known[1] if known else {}), **_as_body(answer)})
            return replace(answer, asked_at=self._epoch(self.clock.monotonic()))
        asked = {job_id: told for job_id, told in asked.items() if told[0] >= asked_at - _ACCOUNTED_S}
        asked |= {str(job_id): (asked_at, since) for job_id in wanted}
        kept = [row for row in rows if (row.array_job_id or row.job_id) in asked and not _speaks_of(row, wanted)]
        merged = replace(answer, rows=(*kept, *answer.rows))
        if not answer.malformed:  # behind such a line another process's job may hide
            self._write("accounting.json", asked_at, {**_as_body(merged), "asked": asked})
        oldest = min(asked.get(job_id, (asked_at, since))[0] for job_id in job_ids)
        return replace(_only(merged, job_ids), asked_at=self._epoch(oldest))

    # -- files and times

    def _head(self, name: str) -> Head | None:
        """When the file's answer was asked for, as far as the clocks agree on how long ago that was."""
        head = read_head(self.folder / name, boot_id=self.boot)
        age_s = 0.0 if head is None else self.clock.monotonic() - head.ended_at
        if head is None or age_s < 0 or abs(self.clock.now() - head.epoch_s - age_s) > _CLOCKS_DIFFER_S:
            return None
        return head

    def _read(self, name: str, head: Head) -> tuple[Head, dict[str, Any]] | None:
        """The content of the file, from memory while it is the same."""
        if name in self._seen and self._seen[name][0] == head.sha256:
            return head, self._seen[name][1]
        found = read_answer(self.folder / name, boot_id=self.boot)
        if found is not None:
            self._seen[name] = found[0].sha256, found[1]
        return found

    def _write(self, name: str, asked_at: float, body: Mapping[str, Any]) -> None:
        """Best effort: without the file everybody asks for himself."""
        try:
            write_answer(
                self.folder / name,
                boot_id=self.boot,
                asked_at=asked_at,
                ended_at=self.clock.monotonic(),
                epoch_s=self.clock.now(),
                body=body,
            )
        except RecordError:
            return

    def _holds(self, fault: Unavailable, at: float, earliest: float) -> bool:
        now = self.clock.monotonic()
        if fault.kind in {"disabled", "missing"}:
            return at >= now - NO_ACCOUNTING_S
        return at >= min(earliest, now - FAULT_S)

    def _monotonic(self, epoch_s: float | None) -> float:
        """The moment on the clock that all processes of the host share, and nobody sets."""
        now = self.clock.monotonic()
        return now if epoch_s is None else now - max(0.0, self.clock.now() - epoch_s)

    def _epoch(self, monotonic_s: float) -> float:
        return self.clock.now() - (self.clock.monotonic() - monotonic_s)


def _is_heard(told: tuple[float, float] | None, since: float, earliest: float) -> bool:
    return told is not None and told[0] >= earliest and told[1] <= since


def _speaks_of(row: JobRow, job_ids: Container[object]) -> bool:
    return row.job_id in job_ids or row.array_job_id in job_ids


def _only(rows: Rows, job_ids: Iterable[str]) -> Rows:
    wanted = frozenset(job_ids)
    return replace(rows, rows=tuple(row for row in rows.rows if _speaks_of(row, wanted)))


def _as_body(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Unavailable):
        return {"unavailable": {"kind": answer.kind, "message": answer.message, "source": answer.source}}
    rows = [[getattr(row, name) for name in _FIELDS] for row in answer.rows]
    return {"source": answer.source, "malformed": answer.malformed, "fields": _FIELDS, "rows": rows}


def _fault_of(told: Any, *, at: float) -> Unavailable:
    """Raises: one of `_WRONG`: it is none."""
    kind, message = told["kind"], told["message"]
    if kind not in _FAULTS or not isinstance(message, str):
        raise ValueError(f"{kind!r} is no fault")
    return Unavailable(kind=kind, message=message, source=_source(told["source"]), asked_at=at)


def _rows_of(body: Mapping[str, Any], *, at: float) -> Rows:
    """Raises: one of `_WRONG`: they are none."""
    if tuple(body["fields"]) != _FIELDS or not isinstance(body["malformed"], int):
        raise ValueError("rows of another release")
    rows = tuple(_row_of(cells) for cells in body["rows"])
    return Rows(rows=rows, source=_source(body["source"]), malformed=body["malformed"], asked_at=at)


def _row_of(cells: Sequence[Any]) -> JobRow:
    told = dict(zip(_FIELDS, cells, strict=True))
    for name, cell in told.items():
        if not isinstance(cell, _KINDS[name]) or isinstance(cell, bool):
            raise TypeError(f"{name} is {cell!r}")
        if isinstance(cell, int | float) and abs(cell) > _LARGEST:
            raise ValueError(f"{name} is {cell!r}")
    parse_job_id(told["job_id"])
    return JobRow(**{**told, "state": JobState(told["state"]), "source": _source(told["source"])})


def _source(text: Any) -> EvidenceSource:
    if text not in get_args(EvidenceSource):
        raise ValueError(f"{text!r} is no source")
    return cast("EvidenceSource", text)


def _asked_of(body: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """When each job was asked after, and since when."""
    return {str(job_id): (float(at), float(since)) for job_id, (at, since) in body["asked"].items()}


def _accounted(body: Mapping[str, Any]) -> tuple[dict[str, tuple[float, float]], tuple[JobRow, ...]]:
    try:
        return _asked_of(body), _rows_of(body, at=0.0).rows
    except _WRONG:
        return {}, ()
