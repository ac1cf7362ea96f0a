"""Which trials a sweep has."""

from __future__ import annotations

import hashlib
from itertools import islice

import pytest

from compose_core.errors import HpccError
from compose_core.spec.models import ParameterRange, RandomMatrix, Sweep
from compose_core.sweep.expansion import Trial, seed_of, sweep_variables, total_combinations, trial_count, trials

GRID = Sweep(parameters={"lr": ("0.1", "0.01"), "batch": ("32", "64")})


def expanded(sweep: Sweep, sweep_id: str = "s1") -> list[Trial]:
    return list(trials(sweep, sweep_id=sweep_id))


def keys(sweep: Sweep, sweep_id: str = "s1") -> list[str]:
    return [trial.config_key for trial in expanded(sweep, sweep_id)]


def test_names_are_sorted_and_the_last_one_varies_fastest() -> None:
    """The order of the file does not matter."""
    assert keys(GRID) == ["batch=32;lr=0.1", "batch=32;lr=0.01", "batch=64;lr=0.1", "batch=64;lr=0.01"]
    assert [trial.trial_id for trial in expanded(GRID)] == ["t000", "t001", "t002", "t003"]
    assert [trial.index for trial in expanded(GRID)] == [0, 1, 2, 3]


def test_ids_have_three_digits_at_least() -> None:
    """A thousandth trial has four."""
    many = Sweep(parameters={"n": tuple(map(str, range(1001)))})
    found = expanded(many)
    assert (found[7].trial_id, found[1000].trial_id) == ("t007", "t1000")


def test_replicates_have_a_number_and_a_seed_each() -> None:
    """The seed is the digest of sweep, configuration and replicate."""
    found = expanded(Sweep(parameters={"lr": ("1", "2")}, replicates=2))
    assert [trial.trial_id for trial in found] == ["t000r0", "t000r1", "t001r0", "t001r1"]
    assert [trial.index for trial in found] == [0, 1, 2, 3]
    assert found[1].seed == hashlib.sha256(b"s1:lr=1:1").hexdigest()


def test_without_replicates_there_is_no_seed() -> None:
    """Nothing is told that means nothing."""
    assert {trial.seed for trial in expanded(GRID)} == {None}


def test_a_random_matrix_draws_by_digest_without_replacement() -> None:
    """Number k is the first 16 bytes of SHA-256(seed, counter) modulo the total; a number seen before is passed over."""
    sweep = Sweep(parameters=GRID.parameters, matrix=RandomMatrix(count=4, seed="text"))
    numbers = []
    for counter in range(100):
        digest = hashlib.sha256(b"text" + counter.to_bytes(8, "big")).digest()
        numbers.append(int.from_bytes(digest[:16], "big") % 4)
    order = list(dict.fromkeys(numbers))
    assert keys(sweep) == [keys(GRID)[number] for number in order]


def test_the_sweep_s_id_is_the_seed_when_none_is_given() -> None:
    """Another sweep draws other trials, the same sweep the same ones."""
    sweep = Sweep(parameters={"n": tuple(map(str, range(1000)))}, matrix=RandomMatrix(count=5))
    assert keys(sweep, "a") == keys(sweep, "a") != keys(sweep, "b")
    assert seed_of(sweep, "a") == "a"


def test_a_few_are_drawn_from_a_million_millions() -> None:
    """The matrix is never built."""
    digits = tuple(map(str, range(10)))
    sweep = Sweep(parameters={f"p{n}": digits for n in range(12)}, matrix=RandomMatrix(count=1000, seed="x"))
    assert total_combinations(sweep) == 10**12
    assert len(set(keys(sweep))) == 1000


def test_partial_assignments_are_left_out() -> None:
    """The ids count what is left."""
    sweep = Sweep(parameters=GRID.parameters, exclude=({"lr": "0.1", "batch": "64"},))
    assert [(trial.trial_id, trial.config_key) for trial in expanded(sweep)] == [
        ("t000", "batch=32;lr=0.1"),
        ("t001", "batch=32;lr=0.01"),
        ("t002", "batch=64;lr=0.01"),
    ]


def test_a_draw_is_of_what_is_not_excluded() -> None:
    """All that is asked for is drawn, as long as there is enough."""
    sweep = Sweep(
        parameters=GRID.parameters, matrix=RandomMatrix(count=3, seed="x"), exclude=({"lr": "0.1", "batch": "64"},)
    )
    assert sorted(keys(sweep)) == ["batch=32;lr=0.01", "batch=32;lr=0.1", "batch=64;lr=0.01"]


def test_more_than_is_left_cannot_be_drawn() -> None:
    """The error says how many there were."""
    sweep = Sweep(parameters=GRID.parameters, matrix=RandomMatrix(count=4, seed="x"), exclude=({"lr": "0.1"},))
    with pytest.raises(HpccError, match="2 combinations were found"):
        expanded(sweep)


def test_a_sweep_of_nothing_is_refused() -> None:
    """Submitting nothing would look like success."""
    with pytest.raises(HpccError, match="leaves none"):
        expanded(Sweep(parameters={"lr": ("1",)}, exclude=({"lr": "1"},)))


def test_written_trials_keep_their_order() -> None:
    """A list stands instead of a matrix."""
    sweep = Sweep(parameters={}, trials=({"lr": "2", "batch": "1"}, {"lr": "1", "batch": "9"}))
    assert keys(sweep) == ["batch=1;lr=2", "batch=9;lr=1"]
    assert total_combinations(sweep) == 2


@pytest.mark.parametrize(
    "values",
    [
        ParameterRange(start=0, stop=1, samples=50),
        ParameterRange(start=-1, stop=1, samples=7),
        ParameterRange(start=1e-6, stop=1, samples=50, log=True),
        ParameterRange(start=1, stop=1.000001, samples=40),
        ParameterRange(start=1, stop=100, samples=60, integer=True),
        ParameterRange(start=1, stop=100, samples=100, integer=True),
        ParameterRange(start=1, stop=1000, samples=30, integer=True, log=True),
        ParameterRange(start=1, stop=20, samples=20, integer=True, log=True),
    ],
)
def test_a_range_gives_so_many_different_values_that_go_up(values: ParameterRange) -> None:
    """Each lies in the range, and the draw can be repeated."""
    sweep = Sweep(parameters={"x": values}, seed="fixed")
    texts = [trial.variables["x"] for trial in expanded(sweep)]
    numbers = [float(text) for text in texts]
    assert len(set(texts)) == values.samples
    assert numbers == sorted(numbers)
    assert all(values.start <= number <= values.stop for number in numbers)
    assert texts == [trial.variables["x"] for trial in expanded(sweep, "another")]
    if values.integer:
        assert all(text.lstrip("-").isdigit() for text in texts)


def test_another_seed_draws_other_values() -> None:
    """Without a seed, each sweep has its own."""
    sweep = Sweep(parameters={"x": ParameterRange(start=0, stop=1, samples=3)})
    assert keys(sweep, "a") != keys(sweep, "b")


def test_a_range_that_holds_fewer_whole_numbers_is_refused() -> None:
    """The error says how many there are."""
    with pytest.raises(HpccError, match="3 can be had"):
        expanded(Sweep(parameters={"x": ParameterRange(start=1, stop=3.5, samples=4, integer=True)}))


def test_values_of_a_range_are_drawn_when_they_are_needed() -> None:
    """A million places cost nothing when a few are drawn."""
    wide = ParameterRange(start=0, stop=1, samples=10**9)
    sweep = Sweep(parameters={"x": wide, "y": wide}, matrix=RandomMatrix(count=3))
    assert len(set(keys(sweep))) == 3


def test_expansion_is_lazy() -> None:
    """The first trial comes before the last one is thought of."""
    digits = tuple(map(str, range(10)))
    sweep = Sweep(parameters={f"p{n}": digits for n in range(12)})
    assert [trial.trial_id for trial in islice(trials(sweep, sweep_id="s"), 2)] == ["t000", "t001"]


def test_trials_are_counted_up_to_a_limit() -> None:
    """A matrix without exclusions is counted without being walked through."""
    digits = tuple(map(str, range(10)))
    assert trial_count(Sweep(parameters={f"p{n}": digits for n in range(12)}), limit=100) == 10**12
    assert trial_count(Sweep(parameters={"n": digits}, exclude=({"n": "1"},), replicates=2), limit=100) == 18
    assert trial_count(Sweep(parameters={"n": digits}, exclude=({"n": "1"},)), limit=5) == 6


def test_a_trial_is_told_who_it_is() -> None:
    """The parameters and five variables of ours; the seed with replicates alone."""
    plain, replicated = expanded(GRID)[1], expanded(Sweep(parameters={"lr": ("1",)}, replicates=2))[1]
    assert sweep_variables(plain, "s1") == {
        "batch": "32",
        "lr": "0.01",
        "HPC_COMPOSE_SWEEP_ID": "s1",
        "HPC_COMPOSE_SWEEP_TRIAL": "t001",
        "HPC_COMPOSE_SWEEP_TRIAL_INDEX": "1",
        "HPC_COMPOSE_SWEEP_REPLICATE": "0",
    }
    assert sweep_variables(replicated, "s1")["HPC_COMPOSE_SWEEP_SEED"] == replicated.seed
