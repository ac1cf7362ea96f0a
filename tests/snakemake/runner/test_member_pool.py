"""Members one by one or together, with small shell programs in place of an inner Snakemake."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from snakemake_executor_plugin_hpccompose.runner.member_pool import MemberPool
from snakemake_executor_plugin_hpccompose.runner.results import STOPPED_EXIT_CODE, write_result
from snakemake_executor_plugin_hpccompose.runner.surroundings import surroundings
from snakemake_executor_plugin_hpccompose.runner.unit import Unit
from tests.snakemake.runner.world import UnitWorld

pytestmark = [pytest.mark.adapters, pytest.mark.usefixtures("_signals_as_before")]


def start_shell(argv: Sequence[str], log: int) -> int:
    """`argv[0]` is a program for the shell."""
    actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    return os.posix_spawn("/bin/sh", ["sh", "-c", argv[0]], os.environ, file_actions=actions, setpgroup=0)


def run(unit: Unit, **environment: str) -> tuple[MemberPool, list[str]]:
    """The pool after its run, and what it said."""
    said: list[str] = []
    pool = MemberPool(unit, surroundings(environment), said.append)
    pool.run(start_shell)
    return pool, said


def test_each_member_has_its_own_result_and_output(world: UnitWorld) -> None:
    """One that fails spoils no other."""
    unit = world.unit(
        [
            world.member("well", ["echo fine"]),
            world.member("ill", ["echo broken; exit 3"]),
            world.member("last", ["true"]),
        ]
    )
    _, said = run(unit, SLURM_JOB_ID="41", SLURM_RESTART_COUNT="2")
    assert [world.result(name).exit_code for name in ("well", "ill", "last")] == [0, 3, 0]
    assert world.log("well") == "fine\n"
    found = world.result("ill")
    assert (found.ok, found.slurm_job_id, found.restart_count, found.unit) == (False, "41", 2, "unit")
    assert "  | broken" in said
    assert found.started_at is not None
    assert found.started_at <= found.ended_at


def test_a_killed_member_tells_the_signal(world: UnitWorld) -> None:
    """The kernel's killer of memory leaves nothing else behind."""
    run(world.unit([world.member("big", ["kill -KILL $$"])]))
    found = world.result("big")
    assert (found.signal, found.exit_code, found.ok) == (9, 137, False)
    assert "memory" in found.message


def test_no_more_members_run_at_once_than_asked(world: UnitWorld) -> None:
    """And no fewer: a free place is taken at once."""
    run(world.unit([world.member(name, ["sleep 0.3"]) for name in "abcd"], parallel=2))
    spans = [(world.result(name).started_at or 0.0, world.result(name).ended_at) for name in "abcd"]
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 2


def test_cpu_time_and_memory_are_those_of_the_member(world: UnitWorld) -> None:
    """Children that it waited for are counted with it. The kernel ends a loop after one second of CPU time, however long that takes."""
    run(
        world.unit(
            [
                world.member("busy", ["sh -c 'ulimit -t 1; while :; do :; done'; true"]),
                world.member("idle", ["sleep 0.1"]),
            ]
        )
    )
    assert world.result("busy").cpu_s > 0.8
    assert world.result("idle").cpu_s < 0.5
    assert world.result("busy").max_rss_bytes > 100_000


def test_when_the_job_ends_running_and_waiting_members_get_a_result(world: UnitWorld) -> None:
    """The executor learns of each of them without asking the scheduler; processes in the background end too."""
    stubborn = (
        f"sh -c 'trap \"echo told > {world.root}/told; exit 0\" TERM; while :; do sleep 0.05; done' & echo ready; wait"
    )
    unit = world.unit([world.member("runs", [stubborn]), world.member("waits", ["true"])])
    timer = threading.Thread(target=_term_when_written, args=(world.root / "logs/runs.log",))
    timer.start()
    pool, _ = run(unit)
    timer.join()
    assert pool.stopped_by == signal.SIGTERM
    assert world.result("runs").was_stopped
    assert world.result("waits").was_stopped
    assert world.result("waits").started_at is None
    assert "SIGTERM" in world.result("waits").message


def test_one_that_ends_well_after_the_signal_is_well(world: UnitWorld) -> None:
    """Its files are whole: to run it again would be a waste."""
    unit = world.unit([world.member("quick", ["trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"])])
    timer = threading.Thread(target=_term_when_written, args=(world.root / "logs/quick.log",))
    timer.start()
    run(unit)
    timer.join()
    assert world.result("quick").ok


def test_after_a_requeue_only_what_was_not_done_runs_again(world: UnitWorld) -> None:
    """Others may be reading the files of those that were done."""
    unit = world.unit(
        [world.member(name, [f"touch {world.root}/{name}.ran"]) for name in ("done", "stopped", "foreign")]
    )
    run(world.unit([world.member("done", ["true"])]))
    before = world.result("done")
    write_result(Path(unit.members[1].result), replace(before, key="stopped", ok=False, exit_code=STOPPED_EXIT_CODE))
    write_result(Path(unit.members[2].result), replace(before, key="foreign", unit="another unit"))
    run(unit, SLURM_RESTART_COUNT="1")
    assert [(world.root / f"{name}.ran").exists() for name in ("done", "stopped", "foreign")] == [False, True, True]
    assert world.result("done") == before
    assert world.result("stopped").restart_count == 1


def test_a_program_that_cannot_be_started_is_a_failure_of_its_member(world: UnitWorld) -> None:
    """Its log's folder is a file here."""
    (world.root / "logs").write_text("in the way")
    run(world.unit([world.member("a", ["true"])]))
    assert "could not be started" in world.result("a").message


def _term_when_written(path: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and path.stat().st_size:
            break
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
