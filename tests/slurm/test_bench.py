"""The bench is a real cluster while it runs, and nothing at all afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.slurm import bench as bench_module
from tests.slurm.bench import BenchError, SlurmBench
from tests.slurm.bench_processes import processes_touching, start_time

pytestmark = pytest.mark.usefixtures("slurm_programs")

_SCRIPT = bench_module.__file__


@pytest.fixture
def other_bench(slurm_bench: SlurmBench) -> Iterator[SlurmBench]:
    """A second small bench beside the session's."""
    with SlurmBench(accounting=False, nodes=2) as bench:
        yield bench


def test_four_idle_nodes_with_gpus(slurm_bench: SlurmBench) -> None:
    """All nodes are in service and offer two GPUs."""
    rows = slurm_bench.run(["sinfo", "-h", "-N", "-p", "debug", "-o", "%N %T %G"], check=True).stdout.splitlines()
    assert rows == [f"node{number} idle gpu:fake:2" for number in (1, 2, 3, 4)]
    sys.stdout.write(f"start-up, seconds: {slurm_bench.startup_s}\n")


def test_three_partitions(slurm_bench: SlurmBench) -> None:
    """`debug` is the default; `gpu` are the last two nodes."""
    rows = slurm_bench.run(["sinfo", "-h", "-o", "%P %N"], check=True).stdout.splitlines()
    assert rows == ["debug* node[1-4]", "gpu node[3-4]", "preempt node[1-4]"]


def test_each_node_has_its_own_name(slurm_bench: SlurmBench) -> None:
    """A job on four nodes sees four hosts where the kernel lets us make them."""
    names = slurm_bench.run(["srun", "-N4", "hostname"], check=True).stdout.split()
    assert len(names) == 4
    assert len(set(names)) == (4 if slurm_bench.namespaces else 1)


def test_nodes_share_the_shared_folder_and_not_tmp(slurm_bench: SlurmBench, shared_tmp: Path) -> None:
    """What one node writes in the shared folder all see; /tmp is its own."""
    if not slurm_bench.namespaces:
        pytest.skip("nodes need namespaces of their own")
    mark = shared_tmp.name
    slurm_bench.run(["srun", "-w", "node1", "touch", f"{shared_tmp}/{mark}", f"/tmp/{mark}"], check=True)
    seen = slurm_bench.run(["srun", "-w", "node2", "ls", f"{shared_tmp}/{mark}", f"/tmp/{mark}"])
    assert seen.stdout.split() == [f"{shared_tmp}/{mark}"]
    assert not Path(f"/tmp/{mark}").exists()


def test_a_job_sees_the_gpus_it_asked_for(slurm_bench: SlurmBench) -> None:
    """`--gres` sets CUDA_VISIBLE_DEVICES."""
    if not slurm_bench.layout.gpu_files:
        pytest.skip("this host does not let us make character devices")
    shown = slurm_bench.run(["srun", "--gres=gpu:2", "printenv", "CUDA_VISIBLE_DEVICES"], check=True)
    assert shown.stdout == "0,1\n"


def test_a_job_runs_this_python(slurm_bench: SlurmBench) -> None:
    """The interpreter of the tests and the checkout are there on the nodes, wherever they lie."""
    code = f"import pathlib; print(pathlib.Path({_SCRIPT!r}).stat().st_size)"
    shown = slurm_bench.run(["srun", sys.executable, "-c", code], check=True)
    assert int(shown.stdout) == Path(_SCRIPT).stat().st_size


def test_accounting_knows_how_a_job_ended(slurm_bench: SlurmBench) -> None:
    """Exit code 17 is FAILED 17:0, in the queue and, after a while, in the accounts."""
    good, bad = slurm_bench.submit("true"), slurm_bench.submit("exit 17")
    assert slurm_bench.wait_for_state(good, ["COMPLETED", "FAILED"]) == "COMPLETED"
    assert slurm_bench.wait_for_state(bad, ["COMPLETED", "FAILED"]) == "FAILED"
    assert slurm_bench.job(bad)["ExitCode"] == "17:0"
    sacct = ["sacct", "-X", "-n", "-P", "-j", f"{good},{bad}", "-o", "JobID,State,ExitCode"]
    rows = [f"{good}|COMPLETED|0:0", f"{bad}|FAILED|17:0"]
    slurm_bench.wait_for(lambda: slurm_bench.run(sacct).stdout.splitlines() == rows, what="the accounts")


def test_a_cancelled_job_takes_its_daemonised_children_along(slurm_bench: SlurmBench, shared_tmp: Path) -> None:
    """As on a real cluster, a process that left its session and its parent dies with its job."""
    if not slurm_bench.tracks_daemonised_processes:
        pytest.skip("needs the freezer cgroup")
    job = slurm_bench.submit("(setsid sleep 98765 &)\nsleep 600")
    slurm_bench.wait_for_state(job, "RUNNING")
    node = slurm_bench.job(job)["BatchHost"]

    def stray() -> list[int]:
        return [pid for pid, line in slurm_bench.node_processes(node) if line == "sleep 98765"]

    slurm_bench.wait_for(lambda: len(stray()) == 1, what="the stray process")
    slurm_bench.run(["scancel", job], check=True)
    slurm_bench.wait_for(lambda: not stray(), what="the end of the stray process")


def test_without_accounting_sacct_says_so(slurm_bench_without_accounting: SlurmBench) -> None:
    """The queue works, sacct does not."""
    bench = slurm_bench_without_accounting
    sys.stdout.write(f"start-up without accounting, seconds: {bench.startup_s}\n")
    bench.wait_for_state(bench.submit("true"), "COMPLETED")
    refused = bench.run(["sacct"])
    assert (refused.returncode, refused.stderr) == (1, "Slurm accounting storage is disabled\n")


def test_a_frozen_controller_answers_again_when_thawed(other_bench: SlurmBench) -> None:
    """Frozen, it lets its clients wait; thawed, all is as before."""
    other_bench.freeze_controller()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            other_bench.run(["squeue"], timeout=1)
    finally:
        other_bench.thaw_controller()
    other_bench.run(["squeue"], check=True)


def test_a_job_survives_a_crash_of_the_controller(other_bench: SlurmBench) -> None:
    """While it is down `scontrol ping` says so; back, it knows the job from its saved state."""
    job = other_bench.submit("sleep 600")
    other_bench.wait_for_state(job, "RUNNING")
    started = other_bench.job(job)["StartTime"]
    other_bench.save_job(job)
    other_bench.kill_controller()
    assert "is DOWN" in other_bench.run(["scontrol", "ping"]).stdout
    other_bench.start_controller()
    assert other_bench.wait_for_state(job, "RUNNING") == "RUNNING"
    assert other_bench.job(job)["StartTime"] == started


def test_ids_are_used_again_after_a_reset(other_bench: SlurmBench) -> None:
    """Two different jobs, one id."""
    first = other_bench.submit("true", "--job-name=first")
    other_bench.wait_for_state(first, "COMPLETED")
    other_bench.reset_job_ids(int(first))
    assert other_bench.submit("true", "--job-name=second") == first
    assert other_bench.job(first)["JobName"] == "second"


def test_a_killed_node_fails_its_job_and_comes_back(other_bench: SlurmBench) -> None:
    """Power loss: nothing of the node is left, the job is NODE_FAIL; started again, the node takes jobs."""
    job = other_bench.submit("sleep 600", "--no-requeue", "--nodelist=node2")
    other_bench.wait_for_state(job, "RUNNING")
    other_bench.kill_node("node2", mark_down=True)
    assert other_bench.wait_for_state(job, "NODE_FAIL") == "NODE_FAIL"
    assert other_bench.node_processes("node2") == []
    other_bench.start_node("node2")
    other_bench.run(["srun", "--nodelist=node2", "true"], check=True)


def test_the_database_goes_and_comes(slurm_bench: SlurmBench) -> None:
    """Down, sacct fails and jobs run on; up again, the accounts are complete."""
    slurm_bench.stop_database()
    try:
        assert slurm_bench.run(["sacct"]).returncode == 1
        job = slurm_bench.submit("exit 3")
        slurm_bench.wait_for_state(job, "FAILED")
    finally:
        slurm_bench.start_database()
    sacct = ["sacct", "-X", "-n", "-P", "-j", job, "-o", "State"]
    slurm_bench.wait_for(lambda: slurm_bench.run(sacct).stdout == "FAILED\n", what="the account of a job of that time")


def test_a_wait_in_vain_says_what_for(slurm_bench: SlurmBench) -> None:
    """The message names the job, its state and the wanted one."""
    job = slurm_bench.submit("true", "--hold")
    with pytest.raises(BenchError, match=f"job {job} is PENDING and not COMPLETED after 0.1 s"):
        slurm_bench.wait_for_state(job, "COMPLETED", timeout=0.1)
    slurm_bench.run(["scancel", job], check=True)


def test_nothing_is_left_after_stop() -> None:
    """No process, socket, mount or file, though jobs were running, one of them deaf to TERM."""
    with SlurmBench(accounting=False, nodes=2) as bench:
        root = bench.root
        job = bench.submit("trap '' TERM HUP\n(setsid sleep 600 &)\nsrun sleep 600 &\nsleep 600", "-N2", "-n2")
        bench.wait_for(
            lambda: len(bench.run(["squeue", "-h", "-s", "-j", job]).stdout.splitlines()) == 3, what="the step"
        )
        assert traces(root) != []
    assert traces(root) == []


def test_it_works_without_namespaces() -> None:
    """In a container that forbids them, nodes share the host's name; jobs run, a node can die, nothing is left."""
    with SlurmBench(accounting=False, nodes=2, namespaces=False) as bench:
        root = bench.root
        names = bench.run(["srun", "-N2", "printenv", "SLURMD_NODENAME"], check=True).stdout.split()
        assert sorted(names) == ["node1", "node2"]
        job = bench.submit("sleep 600", "--nodelist=node2", "--no-requeue")
        bench.wait_for_state(job, "RUNNING")
        bench.wait_for(
            lambda: "sleep 600" in [line for _, line in bench.node_processes("node2")], what="the job's process"
        )
        bench.kill_node("node2", mark_down=True)
        assert bench.wait_for_state(job, "NODE_FAIL") == "NODE_FAIL"
        assert len(bench.node_processes("node1")) == 1
    assert traces(root) == []


def test_nothing_is_left_when_the_starter_is_killed(tmp_path: Path) -> None:
    """KILL to the program that uses a bench leaves it no chance to clean up: the guard does."""
    note = tmp_path / "conf"
    argv = [sys.executable, _SCRIPT, "run", "--no-accounting", "--nodes=1", "--"]
    with running(
        [*argv, "bash", "-c", 'echo "$SLURM_CONF" >"$0.new"; mv "$0.new" "$0"; sleep 600', str(note)]
    ) as starter:
        wait_until(note.exists)
        root = Path(note.read_text().strip()).parents[1]
        assert root.is_dir()
        starter.kill()
    wait_until(lambda: traces(root) == [])


def test_up_and_down_from_the_command_line(tmp_path: Path) -> None:
    """`up` returns, the cluster stays; `env` speaks of it; `down` ends it, and a second `down` says that there is none."""
    handle = tmp_path / ("a-folder-with-a-long-name-" * 5)
    start = bench_command("up", "--no-accounting", "--nodes=1", "--dir", str(handle))
    assert start.returncode == 0, start.stderr
    try:
        exports = bench_command("env", "--dir", str(handle)).stdout
        shown = subprocess.run(
            ["bash", "-c", f"{exports}\nsrun hostname; echo $SLURM_CONF"], capture_output=True, text=True, check=True
        )
        root = Path(shown.stdout.split()[-1]).parents[1]
        assert len(shown.stdout.split()) == 2
        again = bench_command("up", "--no-accounting", "--nodes=1", "--dir", str(handle))
        assert again.returncode == 1
        assert "already" in again.stderr
    finally:
        assert bench_command("down", "--dir", str(handle)).returncode == 0
    assert traces(root) == []
    assert bench_command("down", "--dir", str(handle)).returncode == 1


def traces(root: Path) -> list[str]:
    """What is left on this host of the bench in `root`."""
    name = str(root)
    tables = ("/proc/net/unix", "/proc/self/mountinfo")
    groups = Path("/sys/fs/cgroup/freezer") / root.name
    left = [str(groups)] if groups.exists() else []
    left += [f"{table}: {line}" for table in tables for line in Path(table).read_text().splitlines() if name in line]
    left += [f"process {pid}" for pid in processes_touching(root) if start_time(pid) is not None]
    return [*left, name] if root.exists() else left


def bench_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, _SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def wait_until(holds: object, timeout: float = 30.0) -> None:
    assert callable(holds)
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def running(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
