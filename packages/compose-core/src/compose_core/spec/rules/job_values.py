"""Values of the top-level `x-slurm` that need a second look, and `version`."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.nodes import shortened
from compose_core.spec.rules.look import Look
from compose_core.units import parse_slurm_time_s

_NO_WARNING = {
    "KILL": "it ends the services at once",
    "STOP": "it stops the services, and they cannot catch it",
    "CONT": "Slurm sends it with every other signal",
}


def version_means_nothing(look: Look) -> Iterator[Problem]:
    """A Compose version promises keys that do not exist here."""
    if look.spec.version not in (None, "1", "1.0"):
        message = f"`version: {look.spec.version}` is accepted and has no meaning"
        yield look.warning("version", message, ("version",), "Remove it.")


def array_ranges_go_up(look: Look) -> Iterator[Problem]:
    """`9-1` holds no task."""
    for item in (look.spec.x_slurm.array or "").split("%")[0].split(","):
        first, dash, last = item.split(":")[0].partition("-")
        if dash and int(last) < int(first):
            message = f"the range {item} of `array` goes down"
            yield look.error("array-range", message, ("x-slurm", "array"), f"Write {last}-{first}.")


def sweeps_are_arrays_themselves(look: Look) -> Iterator[Problem]:
    """A sweep is submitted as an array, so the file cannot ask for another one."""
    if look.spec.sweep is not None and look.spec.x_slurm.array is not None:
        message = "`sweep` and `x-slurm.array` exclude each other: a sweep is submitted as an array of its own"
        yield look.error("sweep-and-array", message, ("x-slurm", "array"), "Make the index a sweep parameter.")


def array_mail_needs_an_array(look: Look) -> Iterator[Problem]:
    """One mail for each task makes sense only with tasks."""
    notify = look.spec.x_slurm.notify
    if notify is not None and notify.array_tasks and look.spec.x_slurm.array is None:
        message = "`array_tasks` needs `x-slurm.array`"
        yield look.error("notify-array", message, ("x-slurm", "notify", "array_tasks"), "Remove it, or add `array`.")


def dependencies_stand_in_one_place(look: Look) -> Iterator[Problem]:
    """Slurm keeps the last `--dependency` only."""
    slurm = look.spec.x_slurm
    if slurm.after_job and slurm.dependency is not None:
        message = "`after_job` and `dependency` both become sbatch --dependency; Slurm keeps one"
        yield look.error(
            "dependency-twice", message, ("x-slurm", "dependency"), "Write all conditions into one of them."
        )


def early_signals_can_be_caught(look: Look) -> Iterator[Problem]:
    """A warning that nobody can heed is none."""
    wanted = look.spec.x_slurm.signal
    if wanted is not None and wanted.name in _NO_WARNING:
        message = f"{wanted.name} is no early warning: {_NO_WARNING[wanted.name]}"
        yield look.error(
            "signal-uncatchable", message, ("x-slurm", "signal"), "Use USR1, and handle it in the service."
        )


def early_signals_come_after_the_start(look: Look) -> Iterator[Problem]:
    """A job that is shorter than its warning is warned at once."""
    slurm = look.spec.x_slurm
    if slurm.signal is None or slurm.time is None or not look.is_sound("x-slurm", "time"):
        return
    limit_s = parse_slurm_time_s(slurm.time)
    if limit_s is not None and slurm.signal.at_seconds >= limit_s:
        message = (
            f"`at_seconds` is {slurm.signal.at_seconds}, and the time limit {limit_s} s: the warning comes at the start"
        )
        yield look.warning(
            "signal-at-start", message, ("x-slurm", "signal"), "Make `time` longer or `at_seconds` smaller."
        )


def assertions_stay_in_the_job_folder(look: Look) -> Iterator[Problem]:
    """Globs of `assert.artifacts_contain` lie below the job folder."""
    for name, service in look.spec.services.items():
        globs = service.asserts.artifacts_contain if service.asserts else ()
        for position, glob in enumerate(globs):
            outside = glob.startswith("/") and not glob.startswith("/hpc-compose/job/")
            if outside or ".." in glob.split("/"):
                message = f"the glob must lie below /hpc-compose/job, without `..`; {shortened(glob)} was found"
                path = ("services", name, "assert", "artifacts_contain", position)
                yield look.error(
                    "assert-path", message, path, "Write it relative to the job folder, such as checkpoints/*.pt."
                )


def kept_logs_have_a_size(look: Look) -> Iterator[Problem]:
    """Without `max_size` no log is ever rotated."""
    logs = look.spec.x_slurm.logs
    if logs is not None and logs.max_size is None and look.is_sound("x-slurm", "logs", "max_size"):
        message = "`logs` without `max_size` rotates nothing"
        yield look.warning("logs-size", message, ("x-slurm", "logs"), "Add `max_size`, such as 100M.")


RULES = (
    version_means_nothing,
    array_ranges_go_up,
    sweeps_are_arrays_themselves,
    array_mail_needs_an_array,
    dependencies_stand_in_one_place,
    early_signals_can_be_caught,
    early_signals_come_after_the_start,
    assertions_stay_in_the_job_folder,
    kept_logs_have_a_size,
)
