"""Ready jobs of the same shape together: what becomes one array, and how its compose file reads."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from snakemake_executor_plugin_hpccompose.packs import ask_for_pack, pack_of_tasks, pack_request
from snakemake_executor_plugin_hpccompose.ready_jobs import ReadyJob
from snakemake_executor_plugin_hpccompose.runner.unit import Member, Unit, Way
from snakemake_executor_plugin_hpccompose.unit_paths import MAIN_SERVICE, RUNNER_COMMAND, RunPaths

if TYPE_CHECKING:
    from compose_core import Plan

_LONGEST_NAME = 60


@dataclass(eq=False, kw_only=True)
class Batch:
    """What is submitted at once: one task for each inner tuple."""

    unit: str
    tasks: tuple[tuple[ReadyJob, ...], ...]
    tries: int = 0
    not_before: float = 0.0
    in_doubt: bool = False
    """It was handed over, and nobody knows what became of it: the same unit must be asked for again."""
    plan: Plan | None = None
    """Made once: what was handed over does not change."""

    @property
    def jobs(self) -> tuple[ReadyJob, ...]:
        """All members of all tasks."""
        return tuple(job for task in self.tasks for job in task)

    @property
    def first(self) -> ReadyJob:
        """Its compose job is that of the whole batch."""
        return self.tasks[0][0]

    @property
    def is_array(self) -> bool:
        """A single task is a plain job."""
        return len(self.tasks) > 1


def by_shape(ready: Sequence[ReadyJob]) -> list[list[ReadyJob]]:
    """Jobs that ask the scheduler for the same, in the order in which their first one became ready."""
    found: dict[str, list[ReadyJob]] = {}
    for job in ready:
        assert job.compose is not None
        found.setdefault(job.compose.shape_key, []).append(job)
    return list(found.values())


def chunks(tasks: Sequence[tuple[ReadyJob, ...]], size: int) -> list[Sequence[tuple[ReadyJob, ...]]]:
    """Parts of nearly the same length, none longer than `size`: 1,001 tasks are no array of 1,000 and a lonely job."""
    count = -(-len(tasks) // max(1, size))
    bounds = [len(tasks) * part // count for part in range(count + 1)]
    return [tasks[start:end] for start, end in pairwise(bounds)]


@dataclass(frozen=True, kw_only=True)
class ForAll:
    """What the compose files of all units have in common beside what their rules ask for."""

    prefix: str = ""
    """Of job names."""
    throttle: int = 0
    """The most tasks of an array that run at a time; 0: no limit."""
    excluded: tuple[str, ...] = ()
    """Nodes, as Slurm lists them, that no job shall run on."""
    variables: tuple[str, ...] = ()
    """Names of variables that the workflow declares with `envvars:`; their values may be secrets."""


def compose_text(batch: Batch, paths: RunPaths, for_all: ForAll) -> str:
    """The compose file of the unit, as JSON."""
    assert batch.first.compose is not None
    spec: dict[str, Any] = copy.deepcopy(batch.first.compose.spec)
    slurm = spec.setdefault("x-slurm", {})
    ask_for_pack(slurm, pack_request(batch.first, setting=1), pack_of_tasks(batch.tasks))
    slurm["job_name"] = _plain(job_name(batch, paths.run, for_all.prefix))
    slurm["output"] = _plain(str(paths.batch_log(batch.unit, array=batch.is_array)))
    if batch.is_array:
        slurm["array"] = f"0-{len(batch.tasks) - 1}" + (f"%{for_all.throttle}" if for_all.throttle > 0 else "")
    if for_all.excluded:
        slurm["submit_args"] = [*slurm.get("submit_args", ()), f"--exclude={','.join(for_all.excluded)}"]
    command = [*RUNNER_COMMAND, str(paths.unit(batch.unit).folder)]
    main = spec["services"][MAIN_SERVICE]
    main["command"] = [_plain(word) for word in command]
    if for_all.variables:
        spec["secrets"] = {**spec.get("secrets", {}), **{name: {"env": name} for name in for_all.variables}}
        main["secrets"] = list(dict.fromkeys([*main.get("secrets", ()), *for_all.variables]))
    return json.dumps(spec, indent=1)


def job_name(batch: Batch, run: str, prefix: str) -> str:
    """For people in `squeue`: `smk-1a2b3c4d-align`."""
    names = list(dict.fromkeys(job.facts.name for job in batch.jobs))
    said = names[0] if len(names) == 1 else f"{names[0]}+{len(names) - 1}"
    said = re.sub(r"[^A-Za-z0-9_.+-]", "_", said)
    return "-".join(part for part in (prefix, "smk", run[:8], said) if part)[:_LONGEST_NAME]


def manifests(
    batch: Batch, paths: RunPaths, general_args: Sequence[str], runner: Way, umask: int | None = None
) -> list[Unit]:
    """What each task has to run; `umask` counts where no file says one."""
    assert batch.first.compose is not None
    has_own = "umask" in batch.first.compose.spec.get("x-slurm", {})
    return [
        Unit(
            run=paths.run,
            unit=batch.unit,
            task=number,
            cwd=str(paths.workdir),
            parallel=pack_of_tasks([task]).parallel,
            general_args=tuple(general_args),
            runner=runner,
            umask=None if has_own else umask,
            members=tuple(_member(job) for job in task),
        )
        for number, task in enumerate(batch.tasks)
    ]


def _member(job: ReadyJob) -> Member:
    return Member(
        key=job.facts.key,
        attempt=job.facts.attempt,
        rule=job.facts.title,
        argv=job.argv,
        log=str(job.log),
        result=str(job.result),
        cpus=job.facts.threads,
        shell=job.shell,
    )


def _plain(text: str) -> str:
    """In a compose file a `$` begins a variable, and `$$` is the sign itself."""
    return text.replace("$", "$$")
