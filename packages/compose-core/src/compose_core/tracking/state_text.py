"""A job's state in one word or a few."""

from __future__ import annotations

from typing import Protocol


class HasState(Protocol):
    """What is known of a job or task: a snapshot, or a job in a list."""

    @property
    def state(self) -> str:
        """A state's word."""

    @property
    def last_known_state(self) -> str | None:
        """Set when `state` is none of the scheduler's words."""

    @property
    def failed(self) -> bool:
        """It ended, and not well."""

    @property
    def exit_code(self) -> int | None:
        """None while unknown."""

    @property
    def cause(self) -> str | None:
        """Why it ends, in the supervisor's words."""


def state_text(snapshot: HasState) -> str:
    """The state with what belongs to it: the exit code of a failure, the last known state of an unknown one."""
    if snapshot.last_known_state is not None:
        return f"{snapshot.state} (last known: {snapshot.last_known_state})"
    if snapshot.failed and snapshot.exit_code:
        cause = f", {snapshot.cause}" if snapshot.cause else ""
        return f"{snapshot.state} (exit {snapshot.exit_code}{cause})"
    return str(snapshot.state)
