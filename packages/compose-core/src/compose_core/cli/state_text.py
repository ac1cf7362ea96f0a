"""A job's state in one word or a few."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compose_core.tracking.snapshot import JobSnapshot


def state_text(snapshot: JobSnapshot) -> str:
    """The state with what belongs to it: the exit code of a failure, the last known state of an unknown one."""
    if snapshot.last_known_state is not None:
        return f"{snapshot.state} (last known: {snapshot.last_known_state})"
    if snapshot.failed and snapshot.exit_code:
        cause = f", {snapshot.cause}" if snapshot.cause else ""
        return f"{snapshot.state} (exit {snapshot.exit_code}{cause})"
    return str(snapshot.state)
