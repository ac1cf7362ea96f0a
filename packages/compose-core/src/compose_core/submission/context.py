"""What every step of a submission works with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from compose_core.clock import Clock
from compose_core.cluster.engine import Engine, EngineName
from compose_core.cluster.process_identity import Life, ProcessIdentity
from compose_core.records.handover import Handover
from compose_core.records.intent import Intent
from compose_core.records.paths import ProjectPaths, StatePaths

_SKEW_S = 60.0
"""Clocks of two hosts may differ by so much."""

EventKind = Literal["intent", "submitting", "accepted", "doubt", "waiting", "adopted", "absent", "attached", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionEvent:
    """Something worth telling while a submission goes on."""

    kind: EventKind
    message: str
    token: str = ""
    job_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "kind": self.kind,
            "message": self.message,
            "token": self.token or None,
            "job_id": self.job_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a submission waits for what."""

    absence_gap_s: float = 20.0
    """Two good answers without the job, this far apart, mean that the scheduler did not take it (twice its own timeout)."""
    deadline_s: float = 120.0
    """How long a doubt is pursued before the command ends and leaves it to the next one."""
    poll_s: float = 2.0
    in_flight_s: float = 300.0
    """A client that is not provably dead is left alone this long."""
    purge_s: float = 240.0
    """Within this time after the hand-over the queue alone proves absence: it forgets ended jobs only later."""
    handovers: int = 3
    """How often one call may hand over a script that the scheduler did not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The process that submits, and its user."""

    process: ProcessIdentity
    user: str

    @classmethod
    def this_process(cls, *, host: str, user: str) -> Client:
        """The running process."""
        process = ProcessIdentity.of(os.getpid(), host=host)
        fallback = ProcessIdentity(pid=os.getpid(), start_ticks=0, boot_id="", host=host)
        return cls(process=process or fallback, user=user)


def keep_quiet(_event: SubmissionEvent) -> None:
    """The listener of a caller who does not want to know."""


def no_other_engine(_name: EngineName) -> Engine | None:
    """For a client that knows a single engine."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitContext:
    """An engine, a project and a client; every function of this package takes one."""

    engine: Engine
    clock: Clock
    project: ProjectPaths
    state: StatePaths
    client: Client
    on_event: Callable[[SubmissionEvent], None] = keep_quiet
    patience: Patience = field(default_factory=Patience)
    other_engine: Callable[[EngineName], Engine | None] = no_other_engine
    """Earlier submissions of the project may have gone to another engine than new ones do."""
    random_bytes: Callable[[int], bytes] = os.urandom
    tool_version: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The user's variables, which a job's secrets may come from; not shown."""

    def engine_named(self, name: EngineName) -> Engine | None:
        """The engine that an earlier submission went to; None when this client has only its own."""
        return self.engine if self.engine.name == name else self.other_engine(name)

    def absence_gap_s(self, engine: EngineName) -> float:
        """The local engine's table is the truth itself, so one look is enough there."""
        return 0.0 if engine == "local" else self.patience.absence_gap_s

    def tell(self, kind: EventKind, message: str, *, token: str = "", job_id: str | None = None) -> None:
        """Pass an event on."""
        self.on_event(SubmissionEvent(kind=kind, message=message, token=token, job_id=job_id))

    def is_in_flight(self, owner: Intent | Handover) -> bool:
        """The client that wrote this may still be at work."""
        at = owner.created_at if isinstance(owner, Intent) else owner.at
        given_up = isinstance(owner, Handover) and owner.given_up
        age_s = self.clock.now() - at
        if given_up or not -_SKEW_S <= age_s < self.patience.in_flight_s:
            return False
        process = ProcessIdentity(pid=owner.pid, start_ticks=owner.start_ticks, boot_id=owner.boot_id, host=owner.host)
        return process.life(host=self.client.process.host) is not Life.DEAD
