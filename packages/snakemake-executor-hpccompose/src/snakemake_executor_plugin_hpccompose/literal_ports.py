"""Ports that a service beside a rule names by number, although jobs share the nodes that they run on.

Two services with one port on one node are worse than a service that does not start: the second job finds the port open and talks to the
store of the first. So two of one job, and two jobs that may be on one node at the same time, are errors before anything is submitted. A
single job with such a port is only warned of: jobs of other users may have it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from compose_core import LoadedSpec, Location
from snakemake_executor_plugin_hpccompose.errors import RuleError

if TYPE_CHECKING:
    from snakemake_executor_plugin_hpccompose.ready_jobs import ReadyJob

_REMEDY = "Name it in x-slurm.ports and write @{service.port.name}: each job then gets a free one."
_SHOWN = 4


@dataclass(frozen=True)
class LiteralPort:
    """One port of the node that a service is probed at."""

    port: int
    service: str
    where: Location

    @property
    def warning(self) -> str:
        return f"{self.where}: two jobs on one node clash at the port {self.port} of the service {self.service!r}. {_REMEDY}"


def literal_ports(rule: str, loaded: LoadedSpec) -> tuple[LiteralPort, ...]:
    """The fixed ports at which services of the job are probed.

    Raises: RuleError: two services of the job have the same one.
    """
    found: dict[int, LiteralPort] = {}
    for name in loaded.spec.services:
        port = _probed(loaded, name)
        if port is None:
            continue
        where = loaded.locate(f"services.{name}.readiness")
        if port in found:
            what = f"the services {found[port].service!r} and {name!r} both have the port {port}, on one node."
            raise RuleError(rule, what, where=where, remedy=_REMEDY)
        found[port] = LiteralPort(port, name, where)
    return tuple(found.values())


def has_nodes_alone(slurm: Mapping[str, Any]) -> bool:
    """Nobody else is on the nodes of such a job; `--exclusive=user` keeps only others away."""
    return "--exclusive" in slurm.get("submit_args", ())


@dataclass
class PortsInUse:
    """Which jobs of this run have which port."""

    is_open: Callable[[ReadyJob], bool]
    """The job has not ended."""
    _owners: dict[int, list[ReadyJob]] = field(default_factory=dict)

    def clashes(self, tasks: Sequence[tuple[ReadyJob, ...]]) -> dict[ReadyJob, RuleError]:
        """The members of tasks that may not be submitted beside each other and beside what runs; the others have their ports now.

        Members of one task share its services.
        """
        wanted: dict[int, list[tuple[ReadyJob, ...]]] = {}
        for task in tasks:
            for one in _shared_ports(task[0]):
                wanted.setdefault(one.port, []).append(task)
        refused: dict[ReadyJob, RuleError] = {}
        for port, those in wanted.items():
            running = [job for job in self._owners.get(port, ()) if self.is_open(job)]
            if len(those) + bool(running) > 1:
                titles = [job.facts.title for job in (*running, *(task[0] for task in those))]
                refused |= {job: _clash(job, port, titles) for task in those for job in task}
        for port, those in wanted.items():
            kept = [job for task in those for job in task if job not in refused]
            self._owners[port] = [*(job for job in self._owners.get(port, ()) if self.is_open(job)), *kept]
        return refused


def _shared_ports(job: ReadyJob) -> tuple[LiteralPort, ...]:
    return job.compose.ports if job.compose is not None else ()


def _clash(job: ReadyJob, port: int, titles: Sequence[str]) -> RuleError:
    [one] = [found for found in _shared_ports(job) if found.port == port]
    more = f" and {len(titles) - _SHOWN} more" if len(titles) > _SHOWN else ""
    what = (
        f"jobs that may be on one node at the same time would share the port {port} of the service {one.service!r}: "
        f"{', '.join(titles[:_SHOWN])}{more}."
    )
    remedy = f"{_REMEDY} Or let none share a node (slurm_extra='--exclusive'), or run one at a time (--jobs 1)."
    return RuleError(job.facts.title, what, where=one.where, remedy=remedy)


def _probed(loaded: LoadedSpec, name: str) -> int | None:
    """The port of the service's readiness, where it stands there as a number and is one of the node."""
    readiness = loaded.spec.services[name].readiness
    host, port = getattr(readiness, "host", ""), getattr(readiness, "port", None)
    if (url := getattr(readiness, "url", None)) and "@{" not in url:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    is_here = host in ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104 - recognised, not listened at
    return int(port) if is_here and port is not None and str(port).isdecimal() else None
