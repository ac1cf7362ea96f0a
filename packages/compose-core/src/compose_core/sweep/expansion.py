"""Which trials a sweep has: a pure function of its `sweep` block and its id.

A matrix is never built: a combination is known by its number, in a system whose digits are the places of the values, so
a few are drawn from 10^12 as easily as from ten.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice, product

from compose_core.errors import HpccError
from compose_core.frozen import Frozen
from compose_core.spec.models import ParameterRange, RandomMatrix, Sweep
from compose_core.sweep.ranges import range_values

_DRAWS_AT_LEAST = 100_000
_DRAWS_PER_TRIAL = 200
"""So many draws are made in vain before the exclusions are taken to leave nothing."""


class Trial(Frozen, kw_only=True):
    """One assignment of all parameters, to be run once."""

    trial_id: str
    """`t000`; with replicates `t000r0`."""
    index: int
    """Its place among all trials, from 0."""
    variables: Mapping[str, str]
    config_key: str
    """`batch=32;lr=0.1`: the same for all replicates."""
    replicate: int = 0
    seed: str | None = None
    """Only with replicates: another one for each."""


def trials(sweep: Sweep, *, sweep_id: str) -> Iterator[Trial]:
    """Every trial in order, one after the other; equal inputs give equal trials.

    Raises: HpccError: the exclusions leave none, or fewer than are to be drawn.
    """
    replicated = sweep.replicates > 1
    index = 0
    for position, variables in enumerate(_assignments(sweep, seed_of(sweep, sweep_id))):
        key = ";".join([f"{name}={value}" for name, value in variables.items()])  # they come by name
        for replicate in range(sweep.replicates):
            yield Trial(
                trial_id=f"t{position:03d}r{replicate}" if replicated else f"t{position:03d}",
                index=index,
                variables=variables,
                config_key=key,
                replicate=replicate,
                seed=_sha256(f"{sweep_id}:{key}:{replicate}") if replicated else None,
            )
            index += 1
    if index == 0:
        raise HpccError("the sweep has no trial: `exclude` leaves none", remedy="Exclude less.", code="sweep-empty")


def seed_of(sweep: Sweep, sweep_id: str) -> str:
    """What makes the draw repeatable: as written, else the sweep's id."""
    written = sweep.matrix.seed if isinstance(sweep.matrix, RandomMatrix) else None
    return written or sweep.seed or sweep_id


def total_combinations(sweep: Sweep) -> int:
    """How many assignments there are before anything is excluded or drawn; of a written list, its length."""
    if sweep.trials:
        return len(sweep.trials)
    return math.prod(
        values.samples if isinstance(values, ParameterRange) else len(values) for values in sweep.parameters.values()
    )


def trial_count(sweep: Sweep, *, limit: int) -> int:
    """How many trials there are, replicates included; a number above `limit` when there are more than that.

    Raises: HpccError: as `trials`.
    """
    if not sweep.exclude:
        matrix = sweep.matrix
        drawn = matrix.count if isinstance(matrix, RandomMatrix) and not sweep.trials else total_combinations(sweep)
        return drawn * sweep.replicates
    return sum(1 for _ in islice(trials(sweep, sweep_id="count"), limit + 1))


def sweep_variables(trial: Trial, sweep_id: str) -> dict[str, str]:
    """What the compose file is filled in with, and every service finds in its environment."""
    ours = {
        "HPC_COMPOSE_SWEEP_ID": sweep_id,
        "HPC_COMPOSE_SWEEP_TRIAL": trial.trial_id,
        "HPC_COMPOSE_SWEEP_TRIAL_INDEX": str(trial.index),
        "HPC_COMPOSE_SWEEP_REPLICATE": str(trial.replicate),
    }
    if trial.seed is not None:
        ours["HPC_COMPOSE_SWEEP_SEED"] = trial.seed
    return {**trial.variables, **ours}


def _assignments(sweep: Sweep, seed: str) -> Iterator[dict[str, str]]:
    """The assignments without replicates, those that are excluded left out."""
    if sweep.trials:
        written = ({name: assignment[name] for name in sorted(assignment)} for assignment in sweep.trials)
        return (one for one in written if not _is_excluded(one, sweep))
    names = sorted(sweep.parameters)
    values = [_values_of(name, sweep.parameters[name], seed) for name in names]
    total = math.prod(map(len, values))
    matrix = sweep.matrix
    if isinstance(matrix, RandomMatrix):
        return _random(sweep, matrix.count, (_combination(number, names, values) for number in _drawn(total, seed)))
    every = (dict(zip(names, one)) for one in product(*values))
    return (one for one in every if not _is_excluded(one, sweep)) if sweep.exclude else every


def _random(sweep: Sweep, wanted: int, drawn: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
    """So many of those that are drawn and not excluded.

    Raises: HpccError: there are not so many.
    """
    draws = islice(drawn, max(_DRAWS_AT_LEAST, _DRAWS_PER_TRIAL * wanted))
    found = 0
    for one in (one for one in draws if not _is_excluded(one, sweep)):
        found += 1
        yield one
        if found == wanted:
            return
    raise HpccError(
        f"random: {wanted} asks for more than `exclude` leaves: {found} combinations were found",
        remedy="Ask for fewer, or exclude less.",
        code="sweep-random",
    )


def _values_of(name: str, values: tuple[str, ...] | ParameterRange, seed: str) -> Sequence[str]:
    return range_values(name, values, seed) if isinstance(values, ParameterRange) else values


def _drawn(total: int, seed: str) -> Iterator[int]:
    """Numbers below `total`, each once: the first 16 bytes of SHA-256(seed, counter) modulo the total."""
    prefix = hashlib.sha256(seed.encode("utf-8", "surrogateescape"))
    seen: set[int] = set()
    for counter in count():
        digest = prefix.copy()
        digest.update(counter.to_bytes(8, "big"))
        number = int.from_bytes(digest.digest()[:16], "big") % total
        if number not in seen:
            seen.add(number)
            yield number
            if len(seen) == total:
                return


def _combination(number: int, names: list[str], values: list[Sequence[str]]) -> dict[str, str]:
    """The combination with this number: the last name varies fastest."""
    places: list[str] = []
    for choices in reversed(values):
        number, place = divmod(number, len(choices))
        places.append(choices[place])
    return dict(zip(names, reversed(places)))


def _is_excluded(assignment: Mapping[str, str], sweep: Sweep) -> bool:
    return any(all(assignment.get(name) == value for name, value in partial.items()) for partial in sweep.exclude)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
