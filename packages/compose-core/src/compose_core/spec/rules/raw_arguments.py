"""`submit_args` and `extra_srun_args` next to the typed keys.

A raw argument that says the same as a typed key is an error, because one of both would be lost; where only the raw argument is there,
a warning tells the key that planning can see. Every way to write an option is looked through; `--time-min` is not `--time`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compose_core.errors import Problem
from compose_core.spec.nodes import shortened
from compose_core.spec.raw_options import sbatch_options, srun_options
from compose_core.spec.rules.look import Look

_JOB_KEYS: Mapping[str, str] = {
    "--job-name": "job_name", "-J": "job_name",
    "--partition": "partition", "-p": "partition",
    "--account": "account", "-A": "account",
    "--qos": "qos", "-q": "qos",
    "--time": "time", "-t": "time",
    "--nodes": "nodes", "-N": "nodes",
    "--ntasks": "ntasks", "-n": "ntasks",
    "--ntasks-per-node": "ntasks_per_node",
    "--cpus-per-task": "cpus_per_task", "-c": "cpus_per_task",
    "--mem": "mem", "--mem-per-cpu": "mem",
    "--gres": "gres",
    "--gpus": "gpus", "-G": "gpus",
    "--gpus-per-node": "gpus_per_node",
    "--gpus-per-task": "gpus_per_task",
    "--cpus-per-gpu": "cpus_per_gpu",
    "--mem-per-gpu": "mem_per_gpu",
    "--constraint": "constraint", "-C": "constraint",
    "--reservation": "reservation",
    "--licenses": "licenses", "-L": "licenses",
    "--output": "output", "-o": "output",
    "--error": "error", "-e": "error",
    "--chdir": "chdir", "-D": "chdir",
    "--export": "export",
    "--requeue": "requeue", "--no-requeue": "requeue",
    "--dependency": "dependency", "-d": "dependency", "--kill-on-invalid-dep": "dependency",
    "--signal": "signal",
    "--mail-type": "notify", "--mail-user": "notify",
}  # fmt: skip
_JOB_RESERVED: Mapping[str, str] = {
    "--comment": "it carries the token by which a submission is recognised",
    "--wait": "sbatch would not return", "-W": "sbatch would not return",
    "--array": "x-slurm.array asks for a job array", "-a": "x-slurm.array asks for a job array",
    "--wrap": "the script is ours",
    "--parsable": "submission decides how sbatch answers",
    "--test-only": "nothing would be submitted",
    "--batch": "the script runs on the first node, where its services are",
    "--quiet": "submission decides how sbatch answers", "-Q": "submission decides how sbatch answers",
    "--open-mode": "a job that is put back into the queue goes on in its log",
    "--help": "no job would come of it", "-h": "no job would come of it",
    "--usage": "no job would come of it",
    "--version": "no job would come of it", "-V": "no job would come of it",
}  # fmt: skip
_EXCLUDES = {
    "dependency": ("dependency", "after_job"),
    "mem": ("mem", "mem_per_gpu"),
    "mem_per_gpu": ("mem_per_gpu", "mem"),
}
"""Keys that an option about the first one cannot stand beside."""

_STEP_KEYS: Mapping[str, str] = {
    "--nodes": "nodes", "-N": "nodes",
    "--ntasks": "ntasks", "-n": "ntasks",
    "--ntasks-per-node": "ntasks_per_node",
    "--cpus-per-task": "cpus_per_task", "-c": "cpus_per_task",
    "--mem": "mem", "--mem-per-cpu": "mem",
    "--gres": "gres",
    "--gpus": "gpus", "-G": "gpus",
    "--gpus-per-node": "gpus_per_node",
    "--gpus-per-task": "gpus_per_task",
    "--cpus-per-gpu": "cpus_per_gpu",
    "--mem-per-gpu": "mem_per_gpu",
    "--time": "time_limit", "-t": "time_limit",
    "--mpi": "mpi",
}  # fmt: skip
_ALWAYS_GIVEN = frozenset({"nodes", "ntasks"})
_STEP_RESERVED: Mapping[str, str] = {
    "--job-name": "the step is found by its name", "-J": "the step is found by its name",
    "--output": "logs are kept per service", "-o": "logs are kept per service",
    "--error": "logs are kept per service", "-e": "logs are kept per service",
    "--input": "a service reads from /dev/null", "-i": "a service reads from /dev/null",
    "--jobid": "the step belongs to this job",
    "--nodelist": "`nodes` says where the service runs", "-w": "`nodes` says where the service runs",
    "--exclude": "`nodes` says where the service runs", "-x": "`nodes` says where the service runs",
    "--nodefile": "`nodes` says where the service runs", "-F": "`nodes` says where the service runs",
    "--relative": "`nodes` says where the service runs", "-r": "`nodes` says where the service runs",
    "--export": "the environment is passed by the job",
    "--container-image": "`image` gives it",
    "--container-mounts": "`volumes` gives it",
    "--container-workdir": "`working_dir` gives it",
    "--container-env": "`environment` gives it",
    "--pty": "a job has no terminal", "--interactive": "a job has no terminal",
    "--multi-prog": "the service's own command is what runs",
    "--chdir": "`working_dir` gives it", "-D": "`working_dir` gives it",
    "--het-group": "the step belongs to this job",
    "--no-allocate": "the step belongs to this job", "-Z": "the step belongs to this job",
    "--test-only": "no step would come of it",
    "--help": "no step would come of it", "-h": "no step would come of it",
    "--usage": "no step would come of it",
    "--version": "no step would come of it", "-V": "no step would come of it",
}  # fmt: skip


def submit_args_do_not_contradict(look: Look) -> Iterator[Problem]:
    """Raw sbatch arguments against the top-level keys."""
    slurm = look.spec.x_slurm
    for position, option, text in sbatch_options(slurm.submit_args):
        path = ("x-slurm", "submit_args", position)
        if option is None:
            yield _no_option(look, text, path)
        elif option in _JOB_RESERVED:
            yield _reserved(look, option, _JOB_RESERVED[option], path)
        elif (key := _JOB_KEYS.get(option)) is not None:
            given = next((same for same in _EXCLUDES.get(key, (key,)) if look.has("x-slurm", same)), None)
            yield _overlap(look, option, f"x-slurm.{given or key}", path, is_error=given is not None)


def srun_args_do_not_contradict(look: Look) -> Iterator[Problem]:
    """Raw srun arguments against the service's keys."""
    for name, service in look.spec.services.items():
        slurm = ("services", name, "x-slurm")
        for position, option, text in srun_options(service.x_slurm.extra_srun_args):
            path = (*slurm, "extra_srun_args", position)
            if option is None:
                yield _no_option(look, text, path)
            elif option in _STEP_RESERVED:
                yield _reserved(look, option, _STEP_RESERVED[option], path)
            elif (key := _STEP_KEYS.get(option)) is not None:
                given = next((same for same in _EXCLUDES.get(key, (key,)) if look.has(*slurm, same)), None)
                is_error = key in _ALWAYS_GIVEN or given is not None
                yield _overlap(look, option, f"the service's x-slurm.{given or key}", path, is_error=is_error)


def _no_option(look: Look, argument: str, path: tuple[str | int, ...]) -> Problem:
    message = f"an option such as --exclusive is expected; {shortened(argument)} was found, which belongs to none"
    return look.error("raw-argument", message, path, "Write one option with its value in each item: --option=value.")


def _reserved(look: Look, option: str, reason: str, path: tuple[str | int, ...]) -> Problem:
    return look.error("raw-argument", f"{option} cannot be given here: {reason}", path, "Remove it.")


def _overlap(look: Look, option: str, key: str, path: tuple[str | int, ...], *, is_error: bool) -> Problem:
    if is_error:
        return look.error(
            "raw-conflict",
            f"{key} cannot be combined with raw {option}",
            path,
            f"Keep `{key.rsplit('.', 1)[1]}`, and remove {option}.",
        )
    return look.warning(
        "raw-argument", f"{option} is passed on unseen: planning does not know it", path, f"Use {key} instead."
    )


RULES = (submit_args_do_not_contradict, srun_args_do_not_contradict)
