"""When a wait for a job is over, and as what: a pure function of what is known and of the time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import JobReport

Status = Literal["done", "timeout", "queue_timeout", "fatal_pending", "lost", "outage"]
"""How a wait ends. `done`: what was waited for is there, or the job is over and it never will be."""

LOST_AFTER_S = 600.0
"""So long nobody may know anything of a job, its record included, before it counts as lost: a folder that is mounted late comes back."""
_PENDING = "PENDING"
_SERVICE = "service:"
_STATES = "states:"


@dataclass(slots=True)
class Ignorance:
    """How long the answers have been that nothing is known of a job."""

    since: float | None = None

    def after(self, report: JobReport | None, at: float) -> float:
        """Seconds, with this newest answer and the time that it came; 0 when something is known."""
        if report is None or report.verdict != "unknown":
            self.since = None
            return 0.0
        self.since = at if self.since is None else self.since
        return at - self.since


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is waited for, and for how long."""

    wait_for: str = "terminal"
    """`terminal`, `running`, `states:RUNNING,COMPLETED` or `service:<name>:ready`."""
    deadline: float | None = None
    """Epoch seconds; the job is not to run beyond it."""
    queue_deadline: float | None = None
    """Epoch seconds; the job is to have started by then."""
    fatal_reasons: Collection[str] = ()
    """Reasons of a waiting job that say that it never starts."""
    outage_s: float = 3600.0
    """So long the cluster may stay silent."""

    def __post_init__(self) -> None:
        """Raises: ValueError: `wait_for` is none of its forms."""
        if self.wait_for not in ("terminal", "running") and not self.wait_for.startswith(_STATES):
            service_of(self.wait_for)

    def is_reached(self, report: JobReport) -> bool:
        """What is waited for is there."""
        if self.wait_for == "terminal":
            return report.is_over
        if self.wait_for == "running":
            return report.is_running or report.is_over
        if self.wait_for.startswith(_STATES):
            wanted = states_of(self.wait_for)
            has_run = report.times.get("started") is not None  # a short job may have run between two looks
            return report.state in wanted or (has_run and "RUNNING" in wanted)
        return bool(report.services.get(service_of(self.wait_for), {}).get("ready"))


def states_of(wait_for: str) -> frozenset[str]:
    """The states of `states:A,B`."""
    return frozenset(state.strip().upper() for state in wait_for.removeprefix(_STATES).split(","))


def service_of(wait_for: str) -> str:
    """The service of `service:<name>:ready`.

    Raises: ValueError: it has another form.
    """
    if not (wait_for.startswith(_SERVICE) and wait_for.endswith(":ready") and wait_for.count(":") >= 2):
        raise ValueError(
            f"wait_for={wait_for!r} is none of `terminal`, `running`, `states:A,B` and `service:<name>:ready`."
        )
    return wait_for.removeprefix(_SERVICE).removesuffix(":ready")


def outcome(
    terms: Terms,
    report: JobReport | None,
    *,
    now: float,
    silent_s: float = 0.0,
    is_silent: bool = False,
    unknown_s: float = 0.0,
) -> Status | None:
    """How the wait ends now; None: it goes on.

    `silent_s` is how long ago the cluster last answered, `unknown_s` how long it has answered that it knows nothing of the job. While
    it is silent nothing but that silence ends the wait: a job that a deadline would cancel may have ended well in the meantime.
    """
    if report is not None and report.is_over:
        return "lost" if report.verdict == "unknown" else "done"
    if is_silent or report is None:
        return "outage" if is_silent and silent_s >= terms.outage_s else None
    if unknown_s >= LOST_AFTER_S:
        return "lost"
    if terms.is_reached(report):
        return "done"
    return _limits(terms, report, now)


def _limits(terms: Terms, report: JobReport, now: float) -> Status | None:
    """The limits of the wait, for a job that goes on."""
    if terms.deadline is not None and now >= terms.deadline:
        return "timeout"
    if report.state != _PENDING:
        return None
    if report.reason in terms.fatal_reasons:
        return "fatal_pending"
    has_run = report.times.get("started") is not None  # it was put back into the queue
    if terms.queue_deadline is not None and now >= terms.queue_deadline and not has_run:
        return "queue_timeout"
    return None
