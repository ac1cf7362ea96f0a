"""What happened in a job, one line per transition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from compose_core.records.json_text import JsonObject, read_json_lines
from compose_core.records.line_stream import json_rows
from compose_core.records.our_path import OurPath


@dataclass(frozen=True, slots=True)
class Event:
    """One line of `events.jsonl`."""

    at: float
    event: str
    service: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    """All fields of the line, those above included."""


@dataclass(frozen=True, slots=True)
class Events:
    """What could be read of `events.jsonl`, in the order of the file."""

    events: tuple[Event, ...]
    bad_lines: int = 0


def read_events(path: OurPath) -> Events:
    """The events of a job; none when it wrote none.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    lines = read_json_lines(path)
    found = [_event(row) for row in lines.rows]
    good = tuple(event for event in found if event)
    return Events(good, bad_lines=lines.bad_lines + len(found) - len(good))


def event_rows(path: OurPath, *, last_bytes: int | None = None) -> Iterator[Event]:
    """The same one at a time, for files of any size; lines that are no events are left out.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    for row in json_rows(path, last_bytes=last_bytes):
        event = _event(row)
        if event is not None:
            yield event


def _event(row: JsonObject) -> Event | None:
    at, name, service = row.get("at"), row.get("event"), row.get("service")
    if not isinstance(at, int | float) or not isinstance(name, str):
        return None
    return Event(float(at), name, service if isinstance(service, str) else None, row)
