"""Which job belongs to a try of a task: exactly one, whatever was killed, cleared or lost in between.

A task instance has a base key that never changes. Its *generation* is the number of the first try after the last clear: it stays the
same over retries and changes with every clear, because a clear sets `max_tries` to `try_number + retries`. A submission is the n-th of its
generation. Its key, `af-<base>-g<generation>-<n>`, is known to the cluster's side before any job exists, so what became of a submission
is asked there and needs no record of Airflow's.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_hpccompose.doors import Door, JobHandle, JobReport
from airflow_provider_hpccompose.exceptions import HpcComposeStateUnknown, HpcComposeUnreachable

OnClear = Literal["cancel", "keep", "adopt"]
How = Literal["submitted", "adopted"]

_KEY = re.compile(r"(?P<job>af-[0-9a-f]{16}-g(?P<generation>[0-9]+))-(?P<n>[0-9]+)")
log = logging.getLogger(__name__)


def generation_of(max_tries: int, retries: int) -> int:
    """The first try of the current generation."""
    return max_tries - retries + 1


@dataclass(frozen=True, kw_only=True)
class TaskIdentity:
    """A try of a task instance of one Airflow."""

    instance_id: str
    """Which Airflow it is: two of them may use one cluster."""
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1
    generation: int = 1

    @classmethod
    def of(cls, task_instance: Any, retries: int, instance_id: str) -> TaskIdentity:
        """The identity of the try that runs."""
        index = task_instance.map_index
        return cls(
            instance_id=instance_id,
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
            task_id=task_instance.task_id,
            map_index=-1 if index is None else index,
            try_number=task_instance.try_number,
            generation=generation_of(task_instance.max_tries, retries),
        )

    @property
    def base_key(self) -> str:
        """The same for all tries."""
        parts = (self.instance_id, self.dag_id, self.run_id, self.task_id, str(self.map_index))
        return "af-" + hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def job_key(self) -> str:
        """The same for all tries of a generation."""
        return job_key(self.base_key, self.generation)

    @property
    def labels(self) -> dict[str, str]:
        """What is kept beside the key for people and for whoever looks for orphans."""
        return {
            "instance": self.instance_id,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": str(self.map_index),
            "generation": str(self.generation),
        }

    def trusted_generation(self, known: Iterable[int]) -> int:
        """The generation, also when the DAG's `retries` was changed between two tries, which moves the figure without a clear.

        A clear makes it larger than any known one and no larger than the try's number; another figure means the newest known one.
        """
        newest = max(known, default=0)
        if 1 <= self.generation <= self.try_number and self.generation >= newest:
            return self.generation
        return newest or 1


def job_key(base_key: str, generation: int) -> str:
    """The key of a generation's job."""
    return f"{base_key}-g{generation}"


def parse_key(key: str) -> tuple[str, int, int] | None:
    """Job key, generation and number of a submission's key; None: it is none of ours."""
    match = _KEY.fullmatch(key)
    return (match["job"], int(match["generation"]), int(match["n"])) if match else None


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The job of the try."""

    handle: JobHandle
    how: How
    report: JobReport | None = None
    """How it is, as far as that was looked at."""


class Resolver:
    """Finds the job of a try, or submits it."""

    def __init__(
        self, door: Door, identity: TaskIdentity, *, on_clear: OnClear = "cancel", durable: bool = True
    ) -> None:
        self._door = door
        self._identity = identity
        self._on_clear = on_clear
        self._durable = durable

    def resolve(self, submit: Callable[[str, int], JobHandle]) -> Resolved:
        """The job of this try; `submit(key, n)` is called when there is none, and only then.

        Raises: HpcComposeUnreachable, HpcComposeStateUnknown: there may be one, so nothing was submitted.
        HpccError: what the door says.
        """
        jobs = self.known_jobs()
        generation = self._identity.trusted_generation(generation for generation, _ in jobs)
        for (other, _), handle in sorted(jobs.items()):
            if other != generation and self._on_clear == "cancel":
                self._supersede(handle)
        current = {n: handle for (other, n), handle in jobs.items() if other == generation}
        if not current and self._on_clear == "adopt" and jobs:
            (generation, number), handle = max(jobs.items(), key=lambda item: item[0])
            current = {number: handle}
        if current and self._durable:
            adopted = self._adopted(current[max(current)])
            if adopted is not None:
                return adopted
        n = max(current, default=0) + 1
        handle = submit(f"{job_key(self._identity.base_key, generation)}-{n}", n)
        return Resolved(handle=handle, how="adopted" if handle.attached else "submitted")

    def known_jobs(self) -> dict[tuple[int, int], JobHandle]:
        """All jobs that the task instance ever had, by generation and number."""
        entries = self._door.keys(f"{self._identity.base_key}-g")
        numbers = {entry.key: parsed for entry in entries if (parsed := parse_key(entry.key))}
        found = self._door.find(sorted(numbers)) if numbers else {}
        return {numbers[key][1:]: handle for key, handle in found.items()}

    def _supersede(self, handle: JobHandle) -> None:
        """The job of an earlier generation ends: somebody cleared the task and wants it run again."""
        report = self._look(handle)
        if report.is_over:
            return
        log.info("The task was cleared: its earlier job %s is cancelled.", handle.job_id)
        self._door.cancel(handle)

    def _adopted(self, handle: JobHandle) -> Resolved | None:
        """The job of an earlier try, unless it is over and has failed, or is about to end because that try was killed."""
        report = self._look(handle)
        if report.verdict == "unknown" and not report.is_over:
            raise HpcComposeStateUnknown(
                f"Nothing is known of job {handle.job_id}, which an earlier try submitted ({report.detail}); "
                "nothing was submitted, the next try looks again."
            )
        if report.is_over and report.verdict != "ok":
            log.info("Job %s of an earlier try ended %s: a new one is submitted.", handle.job_id, report.state)
            return None
        if report.end_is_requested:  # a task that is cleared while it runs keeps its generation
            log.info("Job %s of an earlier try is about to end: a new one is submitted.", handle.job_id)
            self._door.cancel(handle)
            return None
        log.info("Job %s of an earlier try is %s: it is the job of this try, too.", handle.job_id, report.state)
        return Resolved(handle=handle, how="adopted", report=report)

    def _look(self, handle: JobHandle) -> JobReport:
        report = self._door.observe([handle])[0]
        if report.verdict == "unreachable":
            raise HpcComposeUnreachable(
                f"The scheduler does not answer, so nobody knows how job {handle.job_id} is; nothing was submitted."
            )
        return report
