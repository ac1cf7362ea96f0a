"""What happened in a job."""

from __future__ import annotations

from pathlib import Path

from compose_core.records.atomic import replace_file
from compose_core.records.events import read_events
from compose_core.records.our_path import OurPath


def test_events_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    """With all their fields; lines that are no events are counted."""
    path = OurPath(tmp_path) / "events.jsonl"
    replace_file(
        path,
        b'{"at":1.5,"event":"started","service":"web"}\n'
        b'{"at":"soon","event":"ready"}\n'
        b"garbage\n"
        b'{"at":2,"event":"exited","service":"web","exit_code":17}\n'
        b'{"at":3,"event":"fin',
    )
    events = read_events(path)
    assert [(event.at, event.event, event.service) for event in events.events] == [
        (1.5, "started", "web"),
        (2.0, "exited", "web"),
    ]
    assert events.events[1].fields["exit_code"] == 17
    assert events.bad_lines == 2


def test_a_job_that_wrote_none_has_none(tmp_path: Path) -> None:
    """It waits."""
    assert read_events(OurPath(tmp_path) / "events.jsonl").events == ()
