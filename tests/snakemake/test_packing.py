"""How many jobs share a task, and what the task asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hpccompose.packing import Pack, PackRequest, fitted, in_packs, pack_of

pytestmark = pytest.mark.adapters

SHORT = PackRequest(asked=20, threads=2, cpus=8, mem_mb=500, runtime_min=3)


def test_a_pack_asks_for_the_memory_of_those_at_a_time_and_the_time_of_those_in_a_row() -> None:
    """8 CPUs hold four jobs of two threads: five rounds of four."""
    assert pack_of(SHORT) == Pack(size=20, parallel=4, mem_mb=2000, runtime_min=15)


def test_a_last_round_that_is_not_full_counts_as_a_round() -> None:
    """21 jobs, four at a time, are six rounds."""
    assert pack_of(replace(SHORT, asked=21)).runtime_min == 18


def test_the_limit_of_the_partition_bounds_the_pack() -> None:
    """And the reason says so."""
    pack = pack_of(SHORT, max_runtime_min=10)
    assert (pack.size, pack.runtime_min) == (12, 9)
    assert "10 minutes" in pack.reason


def test_a_job_longer_than_the_limit_still_has_its_task() -> None:
    """That it cannot run is for the scheduler to say, and not changed by packing."""
    assert pack_of(SHORT, max_runtime_min=1).size == 4


def test_what_was_not_asked_for_stays_so() -> None:
    """The site's defaults hold for the task as a whole."""
    pack = pack_of(replace(SHORT, mem_mb=None, runtime_min=None))
    assert (pack.size, pack.mem_mb, pack.runtime_min) == (20, None, None)


def test_fewer_ready_jobs_ask_for_less() -> None:
    """Three jobs at a time need the memory of three."""
    assert fitted(SHORT, pack_of(SHORT), 3) == Pack(size=3, parallel=3, mem_mb=1500, runtime_min=3)
    assert fitted(SHORT, pack_of(SHORT), 400) == pack_of(SHORT)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"resources": {"nodes": 2}}, "2 nodes"),
        ({"resources": {"tasks": 4}}, "4 tasks"),
        ({"resources": {"gpu": 1}}, "gpu"),
        ({"resources": {"gres": "gpu:1"}}, "gres"),
        ({"resources": {"mpi": "mpirun"}}, "mpi"),
        ({"sidecars": 1}, "share_sidecars"),
    ],
)
def test_some_jobs_have_a_task_for_themselves(more: dict[str, object], why: str) -> None:
    """They count on the whole allocation, and the reason tells which."""
    pack = pack_of(replace(SHORT, **more))  # type: ignore[arg-type]
    assert (pack.size, pack.parallel, pack.mem_mb, pack.runtime_min) == (1, 1, 500, 3)
    assert why in pack.reason


def test_shared_sidecars_and_single_nodes_are_no_obstacle() -> None:
    """Nor are resources that say zero."""
    shared = replace(SHORT, sidecars=2, shares_sidecars=True, resources={"nodes": 1, "tasks": 1, "gpu": 0})
    assert pack_of(shared).size == 20


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(7, 3, [3, 2, 2]), (6, 3, [3, 3]), (2, 5, [2]), (0, 5, []), (3, 1, [1, 1, 1])]
)
def test_jobs_are_spread_evenly_over_as_few_tasks_as_possible(count: int, size: int, sizes: list[int]) -> None:
    """In order, and none is left out."""
    packs = in_packs(range(count), size)
    assert [len(pack) for pack in packs] == sizes
    assert [item for pack in packs for item in pack] == list(range(count))
