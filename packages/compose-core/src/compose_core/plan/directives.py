"""The `#SBATCH` lines of a job, in a fixed order.

Source: sbatch(1) of Slurm 22.05.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from compose_core.plan.model import Directive, EarlySignal
from compose_core.spec.models import ComposeSpec, JobSlurm, Notify


def dependency_of(slurm: JobSlurm) -> str | None:
    """What `--dependency` is given; every condition of `after_job` has to be met."""
    if slurm.dependency is not None:
        return slurm.dependency
    return ",".join(f"{after.condition}:{after.job}" for after in slurm.after_job) or None


class _Option(NamedTuple):
    option: str
    value: Callable[[JobSlurm], object]
    """None leaves the line out, True makes it a flag."""


_OPTIONS = (
    _Option("--partition", lambda slurm: slurm.partition),
    _Option("--account", lambda slurm: slurm.account),
    _Option("--qos", lambda slurm: slurm.qos),
    _Option("--reservation", lambda slurm: slurm.reservation),
    _Option("--licenses", lambda slurm: slurm.licenses),
    _Option("--time", lambda slurm: slurm.time),
    _Option("--nodes", lambda slurm: slurm.nodes or 1),
    _Option("--ntasks", lambda slurm: slurm.ntasks),
    _Option("--ntasks-per-node", lambda slurm: slurm.ntasks_per_node),
    _Option("--cpus-per-task", lambda slurm: slurm.cpus_per_task),
    _Option("--mem", lambda slurm: slurm.mem),
    _Option("--gres", lambda slurm: slurm.gres),
    _Option("--gpus", lambda slurm: slurm.gpus if slurm.gres is None else None),
    _Option("--gpus-per-node", lambda slurm: slurm.gpus_per_node),
    _Option("--gpus-per-task", lambda slurm: slurm.gpus_per_task),
    _Option("--cpus-per-gpu", lambda slurm: slurm.cpus_per_gpu),
    _Option("--mem-per-gpu", lambda slurm: slurm.mem_per_gpu),
    _Option("--constraint", lambda slurm: slurm.constraint),
    _Option("--output", lambda slurm: slurm.output),
    _Option("--error", lambda slurm: slurm.error),
    _Option("--chdir", lambda slurm: slurm.chdir),
    _Option("--export", lambda slurm: slurm.export),
    _Option("--array", lambda slurm: slurm.array),
    _Option("--dependency", dependency_of),
    _Option("--kill-on-invalid-dep", lambda slurm: "yes" if dependency_of(slurm) else None),
    _Option("--mail-user", lambda slurm: slurm.notify.email if slurm.notify else None),
    _Option("--mail-type", lambda slurm: _mail_types(slurm.notify) if slurm.notify else None),
)
_REASONS = {
    "--kill-on-invalid-dep": "a dependency that cannot be met any more ends the job, which would wait for ever",
    "--dependency": "after_job, dependency",
    "--mail-user": "notify",
    "--mail-type": "notify",
}
_NODE_DEFAULT = "one node unless x-slurm.nodes says otherwise"


def job_name(spec: ComposeSpec, project_dir: str) -> tuple[str, str]:
    """The job's name and why it is that."""
    if spec.x_slurm.job_name is not None:
        return spec.x_slurm.job_name, "x-slurm.job_name"
    if spec.name is not None:
        return spec.name, "the file's name:"
    folder = project_dir.rstrip("/").rsplit("/", 1)[-1]
    return _printable(folder) or "hpc-compose", "the folder of the compose file"


def job_directives(
    spec: ComposeSpec, *, name: str, name_reason: str, exported: Sequence[str] = ()
) -> tuple[Directive, ...]:
    """All directives; the user's `submit_args` come last, word for word. `exported` are variables that the job needs."""
    slurm = spec.x_slurm
    lines = [Directive(option="--job-name", value=name, reason=name_reason)]
    for option in _OPTIONS:
        value = option.value(slurm)
        if value is None or value is False:
            continue
        if option.option == "--export":
            value = _export(str(value), exported)
        reason = _REASONS.get(option.option, "as written")
        if option.option == "--nodes" and slurm.nodes is None:
            reason = _NODE_DEFAULT
        lines.append(Directive(option=option.option, value=None if value is True else str(value), reason=reason))
    lines.extend(_requeue(slurm))
    lines.extend(_signal(early_signal(spec)))
    lines.extend(
        Directive(option=argument.split("=", 1)[0].split(" ", 1)[0], raw=argument, reason="submit_args")
        for argument in slurm.submit_args
    )
    return tuple(lines)


def _mail_types(notify: Notify) -> str:
    types = [event.upper() for event in notify.on]
    return ",".join([*types, *(["ARRAY_TASKS"] if notify.array_tasks else [])])


def _export(value: str, names: Sequence[str]) -> str:
    """What `x-slurm.export` says, and these names.  Source: sbatch(1), --export."""
    listed = [] if value.upper() == "NONE" else value.split(",")
    given = {item.partition("=")[0] for item in listed}
    if not names or "ALL" in {item.upper() for item in given}:
        return value
    return ",".join([*listed, *(name for name in names if name not in given)])


def _requeue(slurm: JobSlurm) -> list[Directive]:
    if slurm.requeue is None:
        return []
    return [Directive(option="--requeue" if slurm.requeue else "--no-requeue", reason="as written")]


def early_signal(spec: ComposeSpec) -> EarlySignal | None:
    """The early warning; TERM and INT from Slurm would look like a cancel, so the supervisor sends those by the clock."""
    wanted = spec.x_slurm.signal
    if wanted is None:
        return None
    return EarlySignal(name=wanted.name, at_seconds=wanted.at_seconds, from_slurm=wanted.name not in {"TERM", "INT"})


def _signal(early: EarlySignal | None) -> list[Directive]:
    """To the batch script alone: the supervisor hands it on, so that each service's process gets it once."""
    if early is None or not early.from_slurm:
        return []
    value = f"B:{early.name}@{early.at_seconds}"
    return [Directive(option="--signal", value=value, reason="the supervisor hands it on to the services")]


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "_" for character in name)
