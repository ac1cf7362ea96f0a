"""A door on another machine: how long a verb may take, and what it means that there was no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from compose_core.cluster.runner import OUTPUT_CAP, RunOutcome, TimedOut
from compose_core.door.remote import DEFAULT_TIMEOUT_S, SUBMIT_TIMEOUT_S, RemoteDoor
from compose_core.door.session import VERBS
from compose_core.errors import SchedulerUnreachable, SubmissionUnresolved


class Silent:
    """A machine that takes every question and answers none."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        self.timeouts.append(timeout_s)
        return TimedOut(argv=tuple(argv), timeout_s=timeout_s, stdout="", stderr="")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_submissions_have_time_and_leave_it_open_what_became_of_them(verb: str) -> None:
    """Jobs and sweeps alike: images may have to be made first, and a lost answer is no refusal."""
    machine = Silent()
    is_submission = verb.startswith("submit")
    with pytest.raises(SubmissionUnresolved if is_submission else SchedulerUnreachable):
        RemoteDoor(machine, name="login").call(verb, {})
    assert machine.timeouts == [SUBMIT_TIMEOUT_S if is_submission else DEFAULT_TIMEOUT_S]
