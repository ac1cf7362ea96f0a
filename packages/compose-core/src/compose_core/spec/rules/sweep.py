"""`sweep`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.kinds import did_you_mean
from compose_core.spec.models import ParameterRange, RandomMatrix, Sweep
from compose_core.spec.rules.look import Look
from compose_core.spec.shell_variables import SET_BY_BASH

DEFAULT_MAX_TRIALS = 100
_MEANS_SOMETHING = re.compile(
    r"(?:SLURM|SBATCH|SRUN|HPC_COMPOSE|ENROOT|PYXIS|LD|BASH|PYTHON)_.*|PATH|HOME|USER|SHELL|PWD|TMPDIR|IFS|ENV|CDPATH|HOSTNAME"
)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")


def parameters_are_used(look: Look) -> Iterator[Problem]:
    """A parameter that occurs nowhere makes all trials equal."""
    sweep = look.spec.sweep
    if sweep is None:
        return
    for name in _parameter_names(sweep):
        if name not in look.references and look.is_sound("sweep", "parameters", name):
            path = ("sweep", "parameters", name) if name in sweep.parameters else ("sweep", "trials")
            message = f"the sweep parameter '{name}' occurs nowhere, so all its trials would be the same"
            yield look.error(
                "unused-parameter",
                message,
                path,
                f"Use ${{{name}}} in a value, or ${name} in the command, or remove it.",
            )


def parameters_are_harmless(look: Look) -> Iterator[Problem]:
    """Every parameter is exported on the node, where some names mean something to bash or to Slurm."""
    sweep = look.spec.sweep
    for name in _parameter_names(sweep) if sweep is not None else ():
        if not look.is_sound("sweep", "parameters", name):
            continue
        if name in SET_BY_BASH or _MEANS_SOMETHING.fullmatch(name):
            path = ("sweep", "parameters", name) if sweep and name in sweep.parameters else ("sweep", "trials")
            message = (
                f"the sweep parameter '{name}' would be exported on the node, where that name has a meaning already"
            )
            yield look.error("sweep-parameter", message, path, "Choose another name.")


def combinations(sweep: Sweep) -> int:
    """How many different trials the matrix or the list holds."""
    if sweep.trials:
        return len(sweep.trials)
    sizes = (
        values.samples if isinstance(values, ParameterRange) else len(values) for values in sweep.parameters.values()
    )
    return math.prod(sizes)


def samples_exist(look: Look) -> Iterator[Problem]:
    """A random matrix draws without replacement."""
    sweep = look.spec.sweep
    if sweep is None or not isinstance(sweep.matrix, RandomMatrix) or not look.is_sound("sweep", "parameters"):
        return
    total = combinations(sweep)
    if sweep.matrix.count > total:
        message = f"random: {sweep.matrix.count} asks for more than there is: only {total} combinations exist"
        yield look.error(
            "sweep-random", message, ("sweep", "matrix", "random"), f"Write {total} or less, or `matrix: full`."
        )


def trials_are_not_too_many(look: Look) -> Iterator[Problem]:
    """More trials than allowed are refused when they are submitted."""
    sweep = look.spec.sweep
    if sweep is None or not look.is_sound("sweep"):
        return
    chosen = sweep.matrix.count if isinstance(sweep.matrix, RandomMatrix) else combinations(sweep)
    total, limit = chosen * sweep.replicates, sweep.max_trials or DEFAULT_MAX_TRIALS
    if total > limit:
        message = f"the sweep has {total} trials; {limit} are submitted at most"
        yield look.warning(
            "sweep-too-large", message, ("sweep",), f"Raise the limit: `max_trials: {total}`, or --max-trials {total}."
        )


def the_scaling_axis_is_a_number(look: Look) -> Iterator[Problem]:
    """Scaling is reported along a numeric, positive parameter."""
    sweep = look.spec.sweep
    axis = sweep.objective.scaling_axis if sweep and sweep.objective else None
    if sweep is None or axis is None or not look.is_sound("sweep", "parameters"):
        return
    path = ("sweep", "objective", "scaling_axis")
    names = _parameter_names(sweep)
    if axis not in names:
        yield look.error(
            "scaling-axis",
            f"`scaling_axis` names '{axis}', which is no parameter",
            path,
            did_you_mean(axis, names) or "Name a parameter.",
        )
        return
    for value in _values(sweep, axis):
        if not _NUMBER.fullmatch(value) or float(value) <= 0:
            message = (
                f"the parameter '{axis}' of `scaling_axis` has the value {value!r}; numbers greater than 0 are needed"
            )
            yield look.error("scaling-axis", message, path, "Name a numeric parameter, or correct its values.")
            return


def the_objective_names_a_service(look: Look) -> Iterator[Problem]:
    """A log that no service writes holds no figure."""
    sweep = look.spec.sweep
    service = sweep.objective.service if sweep and sweep.objective else None
    if service is not None and service not in look.spec.services and look.is_sound("services"):
        yield look.error(
            "unknown-service",
            f"the objective names '{service}', which is no service",
            ("sweep", "objective", "service"),
            did_you_mean(service, tuple(look.spec.services)) or f"Services: {', '.join(look.spec.services)}.",
        )


def the_objective_stays_in_the_job_folder(look: Look) -> Iterator[Problem]:
    """Its file is the trial's own."""
    sweep = look.spec.sweep
    path = sweep.objective.json_path if sweep and sweep.objective else None
    if path is None or not look.is_sound("sweep", "objective"):
        return
    inside = path.removeprefix("/hpc-compose/job/")
    if inside.startswith("/") or ".." in inside.split("/"):
        yield look.error(
            "objective-path",
            f"`json_path` is a path below the job folder; found {path!r}",
            ("sweep", "objective", "json_path"),
            "Write it relative to /hpc-compose/job: metrics.json.",
        )


def pruning_has_a_metric(look: Look) -> Iterator[Problem]:
    """Trials are compared while they run by what they write into `trial.jsonl`, in the objective's direction."""
    sweep = look.spec.sweep
    if sweep is None or sweep.prune is None or not look.is_sound("sweep", "objective"):
        return
    if sweep.objective is None:
        message = "`prune` compares trials by an objective, and there is none"
        yield look.error(
            "sweep-prune", message, ("sweep", "prune"), "Add `objective:` with a direction and a `metric`."
        )
    elif sweep.objective.metric is None and sweep.prune.metric is None:
        message = "`prune` needs a metric of `trial.jsonl`, and the objective names none"
        yield look.error("sweep-prune", message, ("sweep", "prune"), "Add `metric: NAME`.")


def exclusions_name_parameters(look: Look) -> Iterator[Problem]:
    """An exclusion of an unknown parameter or value excludes nothing."""
    sweep = look.spec.sweep
    if sweep is None or not look.is_sound("sweep", "parameters"):
        return
    names = _parameter_names(sweep)
    for position, assignment in enumerate(sweep.exclude):
        for name, value in assignment.items():
            path = ("sweep", "exclude", position, name)
            if name not in names:
                remedy = did_you_mean(name, names) or f"Parameters: {', '.join(names)}."
                yield look.error("sweep-exclude", f"`exclude` names '{name}', which is no parameter", path, remedy)
            elif value not in _values(sweep, name) and not isinstance(sweep.parameters.get(name), ParameterRange):
                message = f"`exclude` names the value {value!r}, which '{name}' does not take"
                yield look.error("sweep-exclude", message, path, f"Values: {', '.join(_values(sweep, name))[:200]}.")


def trials_have_the_same_parameters(look: Look) -> Iterator[Problem]:
    """Each trial of the list assigns every parameter, and none twice the same."""
    sweep = look.spec.sweep
    if sweep is None:
        return
    seen: dict[frozenset[tuple[str, str]], int] = {}
    for position, trial in enumerate(sweep.trials):
        first = seen.setdefault(frozenset(trial.items()), position)
        if set(trial) != set(sweep.trials[0]):
            message = f"trial {position} assigns {', '.join(sorted(trial))}; the first assigns {', '.join(sorted(sweep.trials[0]))}"
            yield look.error(
                "sweep-trials", message, ("sweep", "trials", position), "Give every trial the same parameters."
            )
        elif first != position:
            message = f"trial {position} is the same as trial {first}"
            yield look.error("sweep-trials", message, ("sweep", "trials", position), "Remove it, or use `replicates`.")


def _parameter_names(sweep: Sweep) -> tuple[str, ...]:
    return tuple(sweep.parameters) or tuple(sweep.trials[0] if sweep.trials else ())


def _values(sweep: Sweep, name: str) -> tuple[str, ...]:
    values = sweep.parameters.get(name)
    if isinstance(values, ParameterRange):
        return (str(values.start), str(values.stop))
    return values if values is not None else tuple(trial[name] for trial in sweep.trials if name in trial)


RULES = (
    parameters_are_used,
    parameters_are_harmless,
    samples_exist,
    trials_are_not_too_many,
    the_scaling_axis_is_a_number,
    the_objective_names_a_service,
    the_objective_stays_in_the_job_folder,
    pruning_has_a_metric,
    exclusions_name_parameters,
    trials_have_the_same_parameters,
)
