"""The runner as a job starts it, with the real Snakemake inside."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from snakemake_executor_plugin_hpccompose.runner import starting
from snakemake_executor_plugin_hpccompose.runner.unit import read_unit, write_unit
from tests.snakemake.runner.world import UnitWorld

pytestmark = pytest.mark.adapters

TOY = """
rule toy:
    output: "out/{i}.txt"
    params: conf=lambda w: __import__("os").environ.get("SLURM_CONF", "")
    shell: "echo {wildcards.i} {params.conf} > {output}; [ {wildcards.i} != bad ]"
"""
SLOW = """
rule toy:
    output: "out/{i}.txt"
    shell: "echo $$ > {wildcards.i}.pid; touch {output}; sleep 300"
"""


def test_a_pack_shares_one_snakemake_and_keeps_its_members_apart(world: UnitWorld) -> None:
    """Outputs of the failed one are removed by Snakemake, the others stay; SLURM_CONF reaches the rule."""
    folder = world.toy(["1", "bad", "2"], TOY, parallel=2)
    runner = world.start(folder, {"SLURM_CONF": "/etc/here.conf", "SLURM_JOB_ID": "12"})
    said, _ = runner.communicate(timeout=120)
    assert "3 jobs, 2 at a time, forked off one Snakemake" in said, said
    assert "2 of 3 well" in said
    assert runner.returncode == 1
    assert [world.result(i).ok for i in ("1", "bad", "2")] == [True, False, True]
    assert (world.root / "out/2.txt").read_text() == "2 /etc/here.conf\n"
    assert not (world.root / "out/bad.txt").exists()
    assert "Error in rule toy" in world.log("bad")
    assert "returned non-zero exit status" in said
    quick = world.result("1")
    assert quick.started_at is not None
    assert (
        quick.cpu_s < 1.5
    )  # about a tenth of a second on a quiet machine, and two where each imports Snakemake for itself


def test_files_of_rules_have_the_mask_of_who_submitted_them(world: UnitWorld) -> None:
    """A job's own mask keeps everything from everybody else; a group that shares its results could not read them."""
    folder = world.toy(["1"], TOY)
    write_unit(folder, replace(read_unit(folder, 0), umask=0o027))
    process = world.start(folder)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert (world.root / "out/1.txt").stat().st_mode & 0o777 == 0o640
    [log] = [Path(member.log) for member in read_unit(folder, 0).members]
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("runner", ["auto", "subprocess"])
def test_one_member_ends_the_job_with_its_own_exit_code(world: UnitWorld, runner: str) -> None:
    """However it was started."""
    folder = world.toy(["bad"], TOY, runner=runner)  # type: ignore[arg-type]
    process = world.start(folder)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == world.result("bad").exit_code == 1, said
    assert ("each a Snakemake of its own" in said) == (runner == "subprocess")


def test_a_cancelled_job_leaves_results_and_no_process(world: UnitWorld) -> None:
    """Snakemake alone would wait for the command, until the whole job is killed without a word."""
    process = world.start(world.toy(["a", "b", "c"], SLOW, parallel=2))
    pids = [_pid(world.root / f"{name}.pid") for name in ("a", "b")]
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert [world.result(name).was_stopped for name in ("a", "b", "c")] == [True, True, True]
    assert not any(_runs(pid) for pid in pids)
    assert not (world.root / "out/a.txt").exists()  # Snakemake removed what was incomplete


def test_a_unit_that_cannot_be_read_says_why(world: UnitWorld) -> None:
    """Exit code 2, and the file's name."""
    process = world.start(world.root / "nowhere")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "nowhere/0.json: cannot be read" in said


@pytest.mark.parametrize("folder", ["/nowhere", ""])
def test_the_unit_may_be_named_by_the_environment(world: UnitWorld, folder: str) -> None:
    """As jobs of the executor do; an empty one is asked for."""
    process = world.start(None, {"HPCC_UNIT": folder})
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert ("/nowhere/0.json" if folder else "usage:") in said


def test_a_snakemake_without_the_known_entry_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command line is what stays."""
    monkeypatch.setitem(sys.modules, "snakemake", ModuleType("snakemake"))
    monkeypatch.setitem(sys.modules, "snakemake.cli", ModuleType("snakemake.cli"))
    with pytest.raises(starting.CannotFork, match="main"):
        starting.import_once()


def test_a_forked_snakemake_that_does_not_answer_well_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then every member is a program of its own."""
    broken = ModuleType("snakemake.cli")
    broken.main = lambda argv: sys.exit(5)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "snakemake", ModuleType("snakemake"))
    monkeypatch.setitem(sys.modules, "snakemake.cli", broken)
    with pytest.raises(starting.CannotFork, match="exit code 5"):
        starting.try_fork()


def _pid(path: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]


def test_a_forked_snakemake_does_not_wait_for_its_own_timers() -> None:
    """Those of rules are left alone: a program of its own would wait for them."""

    def rate_limit() -> None:
        """As Snakemake's scheduler has one."""

    rate_limit.__module__ = "snakemake.scheduling"
    timers = [
        threading.Timer(60, rate_limit),
        threading.Timer(60, test_a_forked_snakemake_does_not_wait_for_its_own_timers),
    ]
    for timer in timers:
        timer.start()
    try:
        starting._cancel_timers_of_snakemake()
        assert [timer.finished.is_set() for timer in timers] == [True, False]
    finally:
        for timer in timers:
            timer.cancel()
