"""Which partition a job fits best, by a YAML file in the format of snakemake-executor-plugin-slurm.

    partitions:
      short: {max_runtime: 2h, max_mem_mb: 64000, max_threads: 16}
      gpu: {max_runtime: 2d, max_gpu: 4, available_gpu_models: [a100]}

A job fits where it exceeds no limit. Of several partitions the one counts whose limits it uses most, so that small jobs stay away from
large machines; of equals the first one in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from compose_core import (
    Entry,
    Flag,
    Integer,
    ListOf,
    Location,
    MapOf,
    Number,
    Section,
    Text,
    read_document,
)
from snakemake_executor_plugin_hpccompose.durations import minutes_of
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.resources import Request

__all__ = ["Partition", "Partitions", "read_partitions"]

_LIMIT = Number()
_TIME = r"\s*(?:\d+(?:\.\d+)?|(?:\d+-)?\d+(?::\d+){0,2}|(?:\d+(?:\.\d+)?\s*[A-Za-z]+\s*)+)\s*|UNLIMITED|INFINITE"


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition; a limit of None is none."""

    max_runtime: str | None = None
    max_mem_mb: float | None = None
    max_mem_mb_per_cpu: float | None = None
    max_cpus_per_task: float | None = None
    max_threads: float | None = None
    max_nodes: float | None = None
    max_tasks: float | None = None
    max_tasks_per_node: float | None = None
    max_gpu: int = 0
    available_gpu_models: tuple[str, ...] | None = None
    max_cpus_per_gpu: float | None = None
    supports_mpi: bool = True
    max_mpi_tasks: float | None = None
    available_constraints: tuple[str, ...] | None = None
    cluster: str | None = None
    clusters: str | None = None
    slurm_cluster: str | None = None

    @property
    def of_cluster(self) -> str | None:
        """The cluster that it belongs to; three names mean the same."""
        return self.slurm_cluster or self.cluster or self.clusters

    def unfit(self, request: Request) -> str | None:
        """Why the job cannot run there; None: it can."""
        for resource, asked, limit, name in self._figures(request):
            if limit is not None and asked > limit:
                return f"{resource}={_figure(asked)} is more than its {name} {_figure(limit)}"
        return next(self._mismatches(request), None)

    def score(self, request: Request) -> float:
        """How much of its limits the job uses, in sum."""
        shares = [asked / limit for _, asked, limit, _ in self._figures(request) if limit]
        return sum(shares)

    def _figures(self, request: Request) -> Iterator[tuple[str, float, float | None, str]]:
        """Resource, what is asked for, the limit, and its name."""
        threads = max(request.threads, request.cpus_per_task or 0)
        runtime = _minutes(self.max_runtime)
        rows: tuple[tuple[str, float | None, float | None, str], ...] = (
            ("runtime", request.runtime_min, runtime, "max_runtime"),
            ("mem_mb", None if request.mem_mb_per_cpu else request.mem_mb, self.max_mem_mb, "max_mem_mb"),
            ("mem_mb_per_cpu", request.mem_mb_per_cpu, self.max_mem_mb_per_cpu, "max_mem_mb_per_cpu"),
            ("cpus_per_task", request.cpus_per_task, self.max_cpus_per_task, "max_cpus_per_task"),
            ("threads", threads, self.max_threads, "max_threads"),
            ("nodes", request.nodes, self.max_nodes, "max_nodes"),
            ("tasks", request.tasks, self.max_tasks, "max_tasks"),
            ("tasks_per_node", request.tasks_per_node, self.max_tasks_per_node, "max_tasks_per_node"),
            ("gpu", request.gpu_count or None, float(self.max_gpu), "max_gpu"),
            ("cpus_per_gpu", request.cpus_per_gpu, self.max_cpus_per_gpu, "max_cpus_per_gpu"),
            ("tasks of MPI", request.tasks if request.mpi else None, self.max_mpi_tasks, "max_mpi_tasks"),
        )
        return ((resource, asked, limit, name) for resource, asked, limit, name in rows if asked)

    def _mismatches(self, request: Request) -> Iterator[str]:
        if request.clusters != self.of_cluster:
            yield f"it belongs to the cluster {self.of_cluster or '(none named)'}, not to {request.clusters or '(none named)'}"
        if request.mpi and not self.supports_mpi:
            yield "it has supports_mpi: false"
        model, models = request.gpu_kind, self.available_gpu_models
        if model and models and model not in models:
            yield f"it has no GPUs of the model {model}; available_gpu_models: {', '.join(models)}"
        missing = [word for word in _constraints(request) if word not in (self.available_constraints or (word,))]
        if missing:
            yield f"its nodes have no {', '.join(missing)}; available_constraints: {', '.join(self.available_constraints or ())}"


@dataclass(frozen=True)
class Partitions:
    """Those of a file."""

    by_name: Mapping[str, Partition]
    places: Mapping[str, Location]
    where: Location

    def best(self, request: Request, rule: str) -> str:
        """The name of the partition for this job.

        Raises: RuleError: it fits nowhere; with the reason for each partition.
        """
        fitting = {name: one.score(request) for name, one in self.by_name.items() if one.unfit(request) is None}
        if fitting:
            return max(fitting, key=lambda name: fitting[name])
        reasons = [f"  {self.places[name]}: {one.unfit(request)}" for name, one in self.by_name.items()]
        raise RuleError(
            rule,
            "no partition of the file can run this job.",
            where=self.where,
            remedy="Ask for less, correct the limits, or name a partition with the resource slurm_partition.",
            details="\n".join(reasons),
        )


def read_partitions(path: Path) -> Partitions:
    """The partitions of a file.

    Raises: SpecError: with every problem of the file.
    """
    document = read_document(path, _FILE)
    partitions: dict[str, Partition] = document.value["partitions"]
    places = {name: document.locate(("partitions", name)) for name in partitions}
    return Partitions(partitions, places, document.locate(("partitions",)))


def _minutes(time: str | None) -> float | None:
    return None if time is None or time.strip().upper() in ("UNLIMITED", "INFINITE") else minutes_of(time)


def _constraints(request: Request) -> list[str]:
    """The features that all nodes must have; of other expressions nothing is known."""
    words = (request.constraint or "").split(",")
    return [word.strip() for word in words if word.strip()]


def _figure(value: float) -> str:
    return f"{value:g}" if value < 1e6 else str(int(value))


_FEATURES = ListOf(Text("a name"))
_KINDS: Mapping[str, tuple[Any, str]] = {
    "max_runtime": (Text("a time", _TIME, example="2h"), "Longest time: minutes, 2h, 1-12:00:00, UNLIMITED."),
    "max_gpu": (Integer(0), "GPUs of a job; without it the partition has none."),
    "available_gpu_models": (_FEATURES, "Models of GPUs that there are."),
    "supports_mpi": (Flag(), "Whether MPI jobs may run there."),
    "available_constraints": (_FEATURES, "Features that its nodes have."),
    "cluster": (Text("a cluster"), "The cluster that it belongs to."),
    "clusters": (Text("a cluster"), "As cluster."),
    "slurm_cluster": (Text("a cluster"), "As cluster."),
}
_PARTITION = Section(
    "partition",
    Partition,
    {
        item.name: Entry(*_KINDS.get(item.name, (_LIMIT, "The most that a job may ask for.")))
        for item in fields(Partition)
    },
)
_FILE = Section(
    "partitions",
    dict,
    {
        "partitions": Entry(
            MapOf(_PARTITION, r"[A-Za-z0-9_.-]+", "a partition", "letters, digits, _, . and - are allowed", at_least=1),
            "Limits by partition.",
            required=True,
        )
    },
)
