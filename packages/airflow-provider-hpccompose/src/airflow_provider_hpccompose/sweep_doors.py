"""What the provider asks of sweeps through a door: one verb each, plain frozen values both ways."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_hpccompose.plain import Plain

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import JobHandle

_MOST_KEYS = 1000
"""The far side takes so many in one question."""
log = logging.getLogger(__name__)
LIVE = frozenset({"running", "pending", "unknown"})
"""A trial of such a status waits or runs, as far as anybody knows."""


@dataclass(frozen=True, kw_only=True)
class SweepRequest(Plain):
    """A compose file with a `sweep`, or the text of one, and the key of the submission."""

    key: str
    compose_file: str | None = None
    spec: str | None = None
    project_dir: str | None = None
    """Folder of relative paths and of `.hpc-compose/`; relative to the workspace."""
    stage: bool = True
    """The compose file lies here: a door to another machine takes it there."""
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    """Parts of a spec, over what is written."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """Parts of a spec, under what is written."""
    max_trials: int | None = None
    throttle: int | None = None
    supersedes: list[str] = field(default_factory=list)
    """Keys that count no more: their sweeps are stopped first."""
    labels: dict[str, str] = field(default_factory=dict)
    """Kept beside the key: which task of which run it is."""
    prepare: bool = True
    preflight: Literal["off", "warn", "strict"] = "warn"


@dataclass(frozen=True, kw_only=True)
class SweepHandle(Plain):
    """A sweep, for XCom: small, plain, and enough to find it again from anywhere."""

    v: int = 1
    conn_id: str = ""
    engine: str = ""
    sweep_id: str
    key: str = ""
    project_dir: str
    compose_file: str = ""
    manifest: str = ""
    submitted_at: float = 0.0
    attached: bool = False
    """True: the key stood for this sweep already."""
    trials: int = 0
    jobs: list[str] = field(default_factory=list)
    """Ids of its job arrays."""
    refused: int = 0
    """So many trials have no job."""
    refusals: list[str] = field(default_factory=list)
    objective: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class SweepReport(Plain):
    """How the trials of a sweep are, or those of a part of it."""

    sweep_id: str
    total: int
    is_over: bool
    """No trial waits or runs any more."""
    is_unreachable: bool = False
    """The scheduler did not answer, which is never an end."""
    stopped_at: float | None = None
    stop_reason: str | None = None
    summary: dict[str, int] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)
    """One for each trial, in the order of the sweep."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """The first trials that failed: trial_id, index, status, detail."""

    def part(self, first: int, count: int | None) -> SweepReport:
        """The same of so many trials from that place on."""
        last = self.total if count is None else min(self.total, first + count)
        statuses = self.statuses[first:last]
        return replace(
            self,
            total=len(statuses),
            is_over=not any(status in LIVE for status in statuses),
            summary=dict(Counter(statuses)),
            statuses=statuses,
            faults=[fault for fault in self.faults if first <= int(fault["index"]) < last],
        )

    @property
    def completed(self) -> int:
        """How many trials ended well."""
        return self.summary.get("completed", 0)

    @property
    def failed(self) -> int:
        """How many did not, or cannot any more."""
        return sum(count for status, count in self.summary.items() if status != "completed" and status not in LIVE)

    def text(self) -> str:
        """`3 completed, 1 running of 4`."""
        counts = [f"{count} {status.replace('_', ' ')}" for status, count in self.summary.items() if count]
        return f"{', '.join(counts) or 'no trials'} of {self.total}"


@dataclass(frozen=True, kw_only=True)
class SweepTable(Plain):
    """The ranking of a sweep."""

    sweep_id: str
    objective: dict[str, Any] | None = None
    summary: dict[str, int] = field(default_factory=dict)
    is_over: bool = True
    best: dict[str, Any] | None = None
    """The best trial: trial_id, variables, objective, job_id …"""
    ranking: list[dict[str, Any]] = field(default_factory=list)
    """The best configurations: rank, variables, mean, std, n, best_trial …"""
    configurations: int = 0
    """How many there are in all."""
    files: list[dict[str, Any]] = field(default_factory=list)
    """The tables that were written: path, sha256, bytes."""


class SweepCalls:
    """The verbs of a door that are about sweeps."""

    conn_id: str = ""

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question."""
        raise NotImplementedError

    def submit_sweep(self, request: SweepRequest) -> SweepHandle:
        """The one sweep of the request's key: submitted, gone on with, or found."""
        asked = {name: value for name, value in request.as_json().items() if name != "stage"}
        answer = self.call("submit-sweep", asked)
        tell_warnings(answer)
        return replace(SweepHandle.from_json(answer["sweep"]), conn_id=self.conn_id)

    def sweep_state(self, handle: SweepHandle) -> SweepReport:
        """How its trials are; one question to the scheduler."""
        return SweepReport.from_json(self.call("sweep-state", _place(handle)))

    def sweep_results(self, handle: SweepHandle, *, dest: str | None = None, top: int = 50) -> SweepTable:
        """Its ranking; the tables are written into the folder `dest`, relative to the project."""
        return SweepTable.from_json(self.call("sweep-results", {**_place(handle), "dest": dest, "top": top}))

    def rank_trials(
        self,
        request: SweepRequest,
        jobs: Mapping[str, JobHandle],
        *,
        sweep_id: str,
        dest: str | None = None,
        top: int = 50,
    ) -> SweepTable:
        """The ranking of trials that are jobs of their own, by trial id."""
        named = (
            "compose_file", "spec", "project_dir", "variables", "environment", "overrides", "defaults", "max_trials",
        )  # fmt: skip
        asked = {name: value for name, value in request.as_json().items() if name in named}
        told = {
            trial_id: {"project_dir": job.project_dir, "job_id": job.job_id, "token": job.token, "key": job.key}
            for trial_id, job in jobs.items()
        }
        answer = self.call("rank-trials", {**asked, "sweep_id": sweep_id, "jobs": told, "dest": dest, "top": top})
        return SweepTable.from_json(answer)

    def live_sweeps(self, keys: Sequence[str]) -> dict[str, list[tuple[SweepHandle, SweepReport]]]:
        """The sweeps under these keys that still wait or run, with how they are."""
        found: dict[str, Any] = {}
        for part in in_questions(keys):
            found |= self.call("sweeps-of-keys", {"keys": part})["sweeps"]
        return {
            key: [
                (
                    replace(SweepHandle.from_json(one["sweep"]), conn_id=self.conn_id),
                    SweepReport.from_json(one["state"]),
                )
                for one in sweeps
            ]
            for key, sweeps in found.items()
        }

    def stop_sweep(self, handle: SweepHandle, *, reason: str | None = None) -> bool:
        """Its trials are asked to end; False: it was over."""
        return bool(self.call("stop-sweep", {**_place(handle), "reason": reason})["stopped"])

    def stop_sweeps_of(self, keys: list[str], *, reason: str | None = None) -> list[str]:
        """Whatever was submitted under these keys is asked to end; the ids of what was not over."""
        return list(self.call("stop-sweep", {"keys": keys, "reason": reason})["stopped"])


def in_questions(keys: Sequence[str]) -> list[list[str]]:
    """The keys in parts that one question each may name."""
    return [list(keys[start : start + _MOST_KEYS]) for start in range(0, len(keys), _MOST_KEYS)]


def tell_warnings(answer: Mapping[str, Any]) -> None:
    """What is worth telling of something that was submitted, in the log of the task that submits."""
    for warning in answer.get("warnings") or ():
        log.warning("%s", warning)


def _place(handle: SweepHandle) -> dict[str, str]:
    return {"project_dir": handle.project_dir, "sweep_id": handle.sweep_id}
