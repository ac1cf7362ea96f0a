"""Jobs that wait for long: why, said once for each job or array and reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from snakemake_executor_plugin_hpccompose.ready_jobs import Placed

if TYPE_CHECKING:
    from compose_core import JobSnapshot

LONG_S = 600.0


@dataclass
class PendingJobs:
    """Tells the user of waiting; `now` is the wall clock."""

    now: Callable[[], float]
    say: Callable[[str], None]
    _told: set[tuple[str, str]] = field(default_factory=set)

    def look(self, placed: Placed, snapshot: JobSnapshot | None) -> None:
        """This is how the job is now."""
        if snapshot is None or not snapshot.state.is_waiting or not snapshot.reason:
            return
        key = placed.record.submission_token, snapshot.reason
        if key in self._told:
            return
        from compose_core import is_hopeless, reason_in_words

        hopeless, waited_s = is_hopeless(snapshot.reason), self.now() - placed.record.submitted_at
        if waited_s < LONG_S and not hopeless:
            return
        self._told.add(key)
        words = reason_in_words(snapshot.reason)
        why = f"{snapshot.reason}, which means that {words}" if words else snapshot.reason
        name = f"Job {placed.record.job_id} ({placed.ready.facts.name})"
        if hopeless:
            self.say(f"{name} will not start by itself: {why}. Change it with scontrol, or end it with scancel.")
        else:
            self.say(f"{name} has been waiting for {waited_s / 60:.0f} minutes: {why}.")
