"""The local engine with real processes: every script here is a small bash program in tmp_path."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from compose_core.clock import SystemClock
from compose_core.cluster.engine import (
    Accepted,
    Ambiguous,
    JobRow,
    Refused,
    Rows,
    SubmitRequest,
    Unavailable,
)
from compose_core.cluster.local import KEPT_JOBS, MEMORY_S, LocalEngine
from compose_core.cluster.local_monitor import kill_strays
from compose_core.cluster.runner import CommandRunner, HostRunner, NotStarted, TimedOut
from compose_core.job_state import JobId, JobState
from compose_core.records.token import new_token

DEADLINE_S = 20.0


def token() -> str:
    return new_token(time.time(), os.urandom(10))


@dataclass
class ShiftedClock(SystemClock):
    """The machine's clock, some seconds ahead."""

    ahead_s: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s


class World:
    """A project folder, a state folder and an engine over them."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "my project"
        self.project.mkdir()
        self.state = folder / "state" / "hpc-compose"
        self.clock = ShiftedClock()
        self.environment = {"PATH": os.environ["PATH"], "MY_SETTING": "kept", "HF_TOKEN": "hush", "SLURM_JOB_ID": "7"}
        self.tokens: list[str] = []
        self.engine = self.another()

    def another(self, host: str | None = None, runner: CommandRunner | None = None) -> LocalEngine:
        """Another client of the same user."""
        return LocalEngine(
            state_dir=self.state,
            environment=self.environment,
            user="ada",
            host=host or socket.gethostname(),
            clock=self.clock,
            runner=runner or HostRunner(self.environment),
        )

    def request(self, script: str, *extra_args: str, token_: str | None = None) -> SubmitRequest:
        self.tokens.append(token_ or token())
        path = self.project / f"job-{len(self.tokens)}.sbatch"
        path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        return SubmitRequest(
            token=self.tokens[-1], script=path, project_dir=self.project, job_name="train", extra_args=extra_args
        )

    def submit(self, script: str, *extra_args: str) -> Accepted:
        answer = self.engine.submit(self.request(script, *extra_args))
        assert isinstance(answer, Accepted), answer
        return answer

    def row(self, job_id: JobId) -> JobRow:
        answer = self.engine.accounting([job_id], since_epoch_s=0)
        assert isinstance(answer, Rows)
        (row,) = answer.rows
        return row

    def wait_for(self, job_id: JobId, *states: JobState) -> JobRow:
        wait_until(lambda: self.row(job_id).state in states, f"{job_id} to be {states}, it is {self.row(job_id)}")
        return self.row(job_id)

    def queued(self) -> dict[str, JobState]:
        answer = self.engine.queue()
        assert isinstance(answer, Rows)
        return {row.job_id: row.state for row in answer.rows}

    def record(self, job_id: JobId, name: str) -> Path:
        return self.state / "local" / job_id / name

    def pid(self, job_id: JobId, name: str = "pid") -> int:
        pid = json.loads(self.record(job_id, "started.json").read_bytes())[name]
        assert isinstance(pid, int)
        return pid

    def end_marker(self, job_id: JobId, cause: str, token_: str, exit_code: int | None = None) -> None:
        folder = self.project / ".hpc-compose" / job_id
        folder.mkdir(parents=True)
        marker = {"schema_version": 1, "submission_token": token_, "job_id": job_id, "cause": cause, "at": 1.0}
        (folder / "end.json").write_text(json.dumps({**marker, "exit_code": exit_code}), encoding="utf-8")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for used in world.tokens:
        kill_strays(used)


def test_a_job_runs_to_its_end_and_its_output_is_kept(world: World) -> None:
    job = world.submit("echo hello; echo oops >&2; exit 0")
    row = world.wait_for(job.job_id, JobState.COMPLETED)
    assert (row.exit_code, row.signal, row.name, row.user, row.token) == (0, None, "train", "ada", world.tokens[0])
    assert row.submitted_at is not None
    assert row.started_at is not None
    assert row.ended_at is not None
    assert row.submitted_at <= row.started_at <= row.ended_at
    assert job.batch_log == world.project / f"slurm-{job.job_id}.out"
    assert job.batch_log.read_text(encoding="utf-8") == "hello\noops\n"
    assert job.batch_log.stat().st_mode & 0o777 == 0o600


def test_a_failing_script_is_a_failed_job_with_its_exit_code(world: World) -> None:
    row = world.wait_for(world.submit("exit 17").job_id, JobState.FAILED)
    assert (row.exit_code, row.signal) == (17, None)


def test_a_script_that_a_signal_ends_is_a_failed_job_with_the_signal(world: World) -> None:
    row = world.wait_for(world.submit("kill -SEGV $$").job_id, JobState.FAILED)
    assert (row.exit_code, row.signal) == (0, int(signal.SIGSEGV))


def test_the_script_sees_what_slurm_would_tell_it_and_no_secret(world: World) -> None:
    job = world.submit(
        "#SBATCH --ntasks=3 --cpus-per-task=2\nenv -0 > env; pwd > where; printf '%s' \"$*\" > args; cat > stdin"
    )
    world.wait_for(job.job_id, JobState.COMPLETED)
    entries = (world.project / "env").read_text(encoding="utf-8").split("\0")
    seen = dict(entry.split("=", 1) for entry in entries if entry)
    host = socket.gethostname()
    expected = {
        "SLURM_JOB_ID": job.job_id, "SLURM_JOB_NAME": "train", "SLURM_SUBMIT_DIR": str(world.project),
        "SLURM_JOB_NODELIST": host, "SLURM_NNODES": "1", "SLURM_NTASKS": "3", "SLURM_CPUS_PER_TASK": "2",
        "HPC_COMPOSE_ENGINE": "local", "HPC_COMPOSE_SUBMISSION_TOKEN": world.tokens[0], "MY_SETTING": "kept",
    }  # fmt: skip
    assert {name: seen.get(name) for name in expected} == expected
    assert not seen.keys() & {"HF_TOKEN", "SLURM_RESTART_COUNT", "LC_ALL"}
    assert (world.project / "where").read_text(encoding="utf-8").strip() == str(world.project)
    assert (world.project / "args").read_text(encoding="utf-8") == f"claim:{world.tokens[0]}"
    assert (world.project / "stdin").read_text(encoding="utf-8") == ""


def test_the_script_starts_with_default_signals_and_a_session_of_its_own(world: World) -> None:
    """A parent's ignored SIGPIPE would turn `yes | head` into an endless loop of errors."""
    job = world.submit("grep -E 'SigIgn|SigBlk' /proc/self/status > signals; ps -o pid=,pgid=,sid= -p $$ > ids")
    world.wait_for(job.job_id, JobState.COMPLETED)
    masks = (world.project / "signals").read_text(encoding="utf-8").split()[1::2]
    assert [int(mask, 16) for mask in masks] == [0, 0]
    assert len(set((world.project / "ids").read_text(encoding="utf-8").split())) == 1


def test_options_of_the_script_and_of_the_call_decide_name_folder_and_log(world: World) -> None:
    (world.project / "sub").mkdir()
    job = world.submit("#SBATCH --job-name=x --output=logs/%x-%j.log\npwd", "--chdir=sub", "--job-name=given")
    row = world.wait_for(job.job_id, JobState.COMPLETED)
    assert row.name == "given"
    assert job.batch_log == world.project / "sub" / "logs" / f"given-{job.job_id}.log"
    assert job.batch_log.read_text(encoding="utf-8").strip() == str(world.project / "sub")


def test_a_folder_that_is_not_there_fails_the_job(world: World) -> None:
    row = world.wait_for(world.submit("true", "--chdir=/no/such/folder").job_id, JobState.FAILED)
    assert row.exit_code == 127


def test_the_job_outlives_the_client_that_submitted_it(world: World) -> None:
    """The client is another process here, and its whole process group is killed."""
    script = world.request("while [ ! -e go ]; do sleep 0.05; done; exit 5").script
    code = f"""
import os, signal, socket, sys
from pathlib import Path
from compose_core.clock import SystemClock
from compose_core.cluster.engine import SubmitRequest
from compose_core.cluster.local import LocalEngine
from compose_core.cluster.runner import HostRunner
engine = LocalEngine(state_dir=Path({str(world.state)!r}), environment=dict(os.environ), user="ada",
                     host=socket.gethostname(), clock=SystemClock(), runner=HostRunner())
answer = engine.submit(SubmitRequest(token={world.tokens[0]!r}, script=Path({str(script)!r}),
                                     project_dir=Path({str(world.project)!r}), job_name="train"))
print(answer.job_id, flush=True)
os.killpg(0, signal.SIGKILL)
"""
    client = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True, check=False)
    job_id = JobId(client.stdout.decode().strip())
    assert client.returncode == -signal.SIGKILL
    assert world.queued() == {job_id: JobState.RUNNING}
    (world.project / "go").touch()
    assert world.wait_for(job_id, JobState.FAILED).exit_code == 5


def test_the_same_token_is_the_same_job(world: World) -> None:
    """A client that lost the answer may ask again; the work is done once."""
    request = world.request("echo run >> runs; sleep 0.3")
    first, second = world.engine.submit(request), world.another().submit(request)
    assert isinstance(first, Accepted)
    assert first == second
    world.wait_for(first.job_id, JobState.COMPLETED)
    assert world.another().submit(request) == first
    assert (world.project / "runs").read_text(encoding="utf-8") == "run\n"


def test_racing_clients_with_one_token_start_one_job(world: World) -> None:
    request = world.request("echo run >> runs; sleep 0.5")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.another().submit(request), range(8)))
    ids = {answer.job_id for answer in answers if isinstance(answer, Accepted)}
    assert len(ids) == 1
    assert len(answers) == 8
    world.wait_for(ids.pop(), JobState.COMPLETED)
    assert (world.project / "runs").read_text(encoding="utf-8") == "run\n"


def test_many_jobs_run_side_by_side_with_increasing_ids(world: World) -> None:
    jobs = [world.submit("while [ ! -e go ]; do sleep 0.05; done").job_id for _ in range(8)]
    assert [int(job_id) for job_id in jobs] == list(range(1, 9))
    assert world.queued() == dict.fromkeys(jobs, JobState.RUNNING)
    (world.project / "go").touch()
    for job_id in jobs:
        world.wait_for(job_id, JobState.COMPLETED)


def test_an_id_that_the_project_knows_is_not_given_again(world: World) -> None:
    """The table may be lost while the project's records are not."""
    (world.project / ".hpc-compose" / "1").mkdir(parents=True)
    (world.project / ".hpc-compose" / "jobs").mkdir()
    (world.project / ".hpc-compose" / "jobs" / "2.json").write_text("{}", encoding="utf-8")
    assert world.submit("true").job_id == "3"


def test_an_id_in_another_runtime_root_is_not_given_again(world: World, tmp_path: Path) -> None:
    (tmp_path / "runs" / "1").mkdir(parents=True)
    plain = world.request("true")
    request = SubmitRequest(
        token=plain.token,
        script=plain.script,
        project_dir=plain.project_dir,
        job_name="x",
        runtime_root=tmp_path / "runs",
    )
    answer = world.engine.submit(request)
    assert isinstance(answer, Accepted)
    assert answer.job_id == "2"


def test_cancel_sends_term_and_the_job_tears_itself_down(world: World) -> None:
    job = world.submit("trap 'echo bye; exit 143' TERM; echo up; while :; do sleep 0.05; done")
    log = job.batch_log
    assert log is not None
    wait_until(lambda: log.exists() and "up" in log.read_text(encoding="utf-8"), "the script's first line")
    assert world.engine.cancel(job.job_id, token=world.tokens[0]).requested
    row = world.wait_for(job.job_id, JobState.CANCELLED)
    assert row.exit_code == 143
    assert "bye" in log.read_text(encoding="utf-8")


def test_a_job_that_was_told_to_end_is_cancelled_whatever_it_exits_with(world: World) -> None:
    """As under Slurm, where the state says who ended the job and the exit code what the script made of it."""
    job = world.submit("trap 'exit 0' TERM; touch up; while :; do sleep 0.05; done")
    wait_until((world.project / "up").exists, "the script's trap")
    world.engine.cancel(job.job_id)
    assert world.wait_for(job.job_id, JobState.CANCELLED).exit_code == 0


def test_a_forced_cancel_kills_everything_also_what_left_the_session(world: World) -> None:
    job = world.submit("trap '' TERM; setsid -f sleep 300; touch up; while :; do sleep 0.05; done")
    wait_until((world.project / "up").exists, "the script's first line")
    stray = subprocess.run(["pgrep", "-f", "^sleep 300$"], capture_output=True, text=True, check=True).stdout.split()
    mine = [
        int(pid)
        for pid in stray
        if world.tokens[0].encode() in Path(f"/proc/{pid}/environ").read_bytes()
    ]  # fmt: skip
    assert len(mine) == 1
    assert world.engine.cancel(job.job_id, token=world.tokens[0], force=True).requested
    row = world.wait_for(job.job_id, JobState.CANCELLED)
    assert row.signal == signal.SIGKILL
    wait_until(lambda: is_gone(mine[0]), "the stray's end")


def test_nothing_of_a_job_goes_on_after_its_script_has_ended(world: World) -> None:
    job = world.submit(
        "setsid -f bash -c 'echo $$ > stray; exec sleep 300'; while [ ! -s stray ]; do sleep 0.02; done; exit 3"
    )
    assert world.wait_for(job.job_id, JobState.FAILED).exit_code == 3
    pid = int((world.project / "stray").read_text(encoding="ascii"))
    wait_until(lambda: is_gone(pid), "the stray's end")


def test_a_job_of_another_submission_is_left_alone(world: World) -> None:
    job = world.submit("while [ ! -e go ]; do sleep 0.05; done")
    answer = world.engine.cancel(job.job_id, token=token())
    assert not answer.requested
    assert "left alone" in answer.message
    (world.project / "go").touch()
    world.wait_for(job.job_id, JobState.COMPLETED)


def test_cancelling_what_is_over_or_unknown_says_so(world: World) -> None:
    job = world.submit("true")
    world.wait_for(job.job_id, JobState.COMPLETED)
    assert "ended already" in world.engine.cancel(job.job_id).message
    assert world.wait_for(job.job_id, JobState.COMPLETED).exit_code == 0
    assert "no job 99" in world.engine.cancel(JobId("99")).message
    assert not world.engine.cancel(JobId("../1")).requested


def test_a_cancel_before_the_script_starts_keeps_it_from_starting(world: World) -> None:
    """The mark may fall between the reservation and the start; either side sees the other."""
    request = world.request("touch ran")
    engine = world.another(runner=_RunnerThatNeverStarts())
    assert isinstance(engine.submit(request), Ambiguous)
    assert engine.cancel(JobId("1"), token=request.token).requested
    assert isinstance(world.engine.submit(request), Refused)
    assert world.wait_for(JobId("1"), JobState.CANCELLED).token == request.token
    assert not (world.project / "ran").exists()


def test_a_submission_that_never_started_is_not_there_and_can_be_submitted_again(world: World) -> None:
    """Its client died, or its monitor did not come up: the same token then starts it, once."""
    request = world.request("true")
    engine = world.another(runner=_RunnerThatNeverStarts())
    assert isinstance(engine.submit(request), Ambiguous)
    queued, _ = world.engine.find_token(request.token, since_epoch_s=0)
    assert isinstance(queued, Rows)
    assert [row.state for row in queued.rows] == [JobState.PENDING]
    world.clock.ahead_s = 120
    for answer in (*world.engine.find_token(request.token, since_epoch_s=0), world.engine.queue()):
        assert isinstance(answer, Rows)
        assert answer.rows == ()
    world.clock.ahead_s = 0
    again = world.engine.submit(request)
    assert isinstance(again, Accepted)
    world.wait_for(again.job_id, JobState.COMPLETED)


def test_a_monitor_that_this_machine_cannot_start_leaves_no_job_that_waits(world: World) -> None:
    """No memory, too many processes: it is a refusal, and the same token starts later, once."""
    request = world.request("echo run >> runs")
    engine = world.another(runner=_RunnerWithoutProcesses())
    assert isinstance(engine.submit(request), Refused)
    for answer in (*world.engine.find_token(request.token, since_epoch_s=0), world.engine.queue()):
        assert isinstance(answer, Rows)
        assert answer.rows == ()
    again = world.engine.submit(request)
    assert isinstance(again, Accepted)
    world.wait_for(again.job_id, JobState.COMPLETED)
    assert (world.project / "runs").read_text(encoding="utf-8") == "run\n"


class _RunnerWithoutProcesses:
    """This machine has no process left."""

    def run(self, argv: Sequence[str], **_: object) -> NotStarted:
        return NotStarted(argv=tuple(argv), message="Resource temporarily unavailable")


class _RunnerThatNeverStarts:
    """Gives up on the monitor before it runs."""

    def run(self, argv: Sequence[str], **_: object) -> TimedOut:
        return TimedOut(argv=tuple(argv), timeout_s=0)


def test_a_killed_monitor_does_not_lose_the_running_job(world: World) -> None:
    job = world.submit("while [ ! -e go ]; do sleep 0.05; done")
    os.kill(world.pid(job.job_id, "monitor_pid"), signal.SIGKILL)
    assert world.row(job.job_id).state is JobState.RUNNING
    world.end_marker(job.job_id, "service_failed", world.tokens[0], 9)
    (world.project / "go").touch()
    assert world.wait_for(job.job_id, JobState.FAILED).exit_code == 9


@pytest.mark.parametrize(
    ("cause", "state", "exit_code"),
    [
        ("completed", JobState.COMPLETED, 0),
        ("cancelled", JobState.CANCELLED, 143),
        ("time_limit", JobState.TIMEOUT, 143),
    ],
)
def test_where_nobody_saw_the_end_the_jobs_own_marker_tells_it(
    world: World, cause: str, state: JobState, exit_code: int
) -> None:
    job = world.submit("exec sleep 300")
    world.end_marker(job.job_id, cause, world.tokens[0], exit_code)
    _kill_all_of(world, job.job_id)
    assert world.wait_for(job.job_id, state).exit_code == exit_code


def test_where_nothing_tells_the_end_the_node_failed(world: World) -> None:
    """Never completed by absence."""
    job = world.submit("exec sleep 300")
    _kill_all_of(world, job.job_id)
    row = world.wait_for(job.job_id, JobState.NODE_FAIL)
    assert "gone" in row.reason


def test_the_end_marker_of_the_newest_attempt_counts(world: World) -> None:
    """With x-slurm.resume it lies in the attempt's folder, where a link leads."""
    job = world.submit("sleep 0.3; exit 143")
    world.end_marker(job.job_id, "time_limit", world.tokens[0], 143)
    folder = world.project / ".hpc-compose" / job.job_id
    (folder / "attempts/0").mkdir(parents=True)
    (folder / "end.json").rename(folder / "attempts/0/end.json")
    for name in ("end.json", "state.json"):
        (folder / name).symlink_to(f"attempts/0/{name}")
    assert world.wait_for(job.job_id, JobState.TIMEOUT).exit_code == 143


def test_an_end_marker_of_an_earlier_job_is_not_believed(world: World) -> None:
    job = world.submit("exec sleep 300")
    world.end_marker(job.job_id, "completed", token(), 0)
    _kill_all_of(world, job.job_id)
    world.wait_for(job.job_id, JobState.NODE_FAIL)


def test_after_a_reboot_the_job_is_not_taken_for_running(world: World) -> None:
    """Another process may have its pid by then."""
    job = world.submit("exec sleep 300")
    record = world.record(job.job_id, "started.json")
    fields = json.loads(record.read_bytes())
    record.write_text(json.dumps({**fields, "boot_id": "earlier"}), encoding="utf-8")
    assert world.row(job.job_id).state is JobState.NODE_FAIL


def _kill_all_of(world: World, job_id: JobId) -> None:
    os.kill(world.pid(job_id, "monitor_pid"), signal.SIGKILL)
    os.kill(world.pid(job_id), signal.SIGKILL)


def test_a_time_limit_that_the_job_enforced_is_a_timeout(world: World) -> None:
    job = world.submit("exec 3<>fifo 2>/dev/null; while [ ! -e go ]; do sleep 0.05; done; exit 143")
    world.end_marker(job.job_id, "time_limit", world.tokens[0], 143)
    (world.project / "go").touch()
    assert world.wait_for(job.job_id, JobState.TIMEOUT).exit_code == 143


def test_a_job_of_another_host_is_only_reported(world: World) -> None:
    """The state folder may be shared by all login nodes."""
    job = world.submit("while [ ! -e go ]; do sleep 0.05; done")
    elsewhere = world.another(host="other-login")
    answer = elsewhere.queue()
    assert isinstance(answer, Rows)
    assert answer.rows[0].state is JobState.RUNNING
    assert "other-login" in answer.rows[0].reason
    cancelled = elsewhere.cancel(job.job_id)
    assert (cancelled.requested, cancelled.reachable) == (False, False)
    assert world.row(job.job_id).state is JobState.RUNNING
    (world.project / "go").touch()


def test_an_ended_job_leaves_the_queue_after_a_while_and_stays_in_the_accounting(world: World) -> None:
    job = world.submit("true")
    world.wait_for(job.job_id, JobState.COMPLETED)
    assert world.queued() == {job.job_id: JobState.COMPLETED}
    world.clock.ahead_s = MEMORY_S + 60
    assert world.queued() == {}
    assert world.row(job.job_id).state is JobState.COMPLETED
    queued, accounted = world.engine.find_token(world.tokens[0], since_epoch_s=0)
    assert isinstance(accounted, Rows)
    assert [row.job_id for row in accounted.rows] == [job.job_id]
    assert queued == accounted


def test_the_accounting_leaves_out_what_ended_before(world: World) -> None:
    job = world.submit("true")
    world.wait_for(job.job_id, JobState.COMPLETED)
    answer = world.engine.accounting([job.job_id, JobId("77")], since_epoch_s=time.time() + 3600)
    assert answer == Rows(rows=(), source="local")
    with pytest.raises(ValueError, match="given jobs"):
        world.engine.accounting([], since_epoch_s=0)


def test_without_any_job_there_is_nothing_and_nothing_is_written(world: World) -> None:
    assert world.engine.queue() == Rows(rows=(), source="local")
    assert world.engine.find_token(token(), since_epoch_s=0)[0] == Rows(rows=(), source="local")
    assert not world.state.exists()


def test_old_entries_are_pruned_but_never_those_that_run(world: World) -> None:
    running = world.submit("while [ ! -e go ]; do sleep 0.05; done")
    ended = world.submit("true")
    world.wait_for(ended.job_id, JobState.COMPLETED)
    world.clock.ahead_s = MEMORY_S + 60
    assert world.queued() == {running.job_id: JobState.RUNNING}
    for number in range(3, KEPT_JOBS + 50):
        (world.state / "local" / str(number)).mkdir()
    pruner = world.submit("true")
    assert int(pruner.job_id) == KEPT_JOBS + 50
    kept = [path.name for path in (world.state / "local").iterdir() if path.name.isdigit()]
    assert len(kept) == KEPT_JOBS + 1
    assert running.job_id in kept
    assert ended.job_id not in kept
    assert not (world.state / "local" / "tokens" / world.tokens[1]).exists()
    (world.project / "go").touch()


def test_a_state_folder_that_cannot_be_written_refuses_the_job(world: World, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file\n", encoding="utf-8")
    answer = world.engine.submit(world.request("true"))
    assert isinstance(answer, Refused)
    assert str(tmp_path) in answer.message


def test_a_planted_link_is_not_followed(world: World, tmp_path: Path) -> None:
    """The state folder may lie on shared storage."""
    (tmp_path / "elsewhere").mkdir()
    world.state.mkdir(parents=True)
    (world.state / "local").symlink_to(tmp_path / "elsewhere")
    assert isinstance(world.engine.submit(world.request("true")), Refused)
    assert isinstance(world.engine.queue(), Unavailable)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"token": 3}' + b" " * 400_000])
def test_a_spoilt_record_is_counted_and_does_not_hide_the_other_jobs(world: World, garbage: bytes) -> None:
    spoilt, other = world.submit("true"), world.submit("true")
    world.wait_for(spoilt.job_id, JobState.COMPLETED)
    world.wait_for(other.job_id, JobState.COMPLETED)
    world.record(spoilt.job_id, "end.json").write_bytes(garbage)
    for answer in (world.engine.queue(), world.engine.accounting([spoilt.job_id, other.job_id], since_epoch_s=0)):
        assert isinstance(answer, Rows)
        assert ([row.job_id for row in answer.rows], answer.malformed) == ([other.job_id], 1)
    assert isinstance(world.engine.find_token(world.tokens[0], since_epoch_s=0)[0], Unavailable)
    assert not world.engine.cancel(spoilt.job_id).requested


@pytest.mark.parametrize(
    "garbage", [b"[]", b'{"pid": "x"}', b'{"rc": [], "ended_at": {}, "started_at": true, "monitor_pid": -1}']
)
@pytest.mark.parametrize("name", ["job.json", "started.json", "end.json", "cancel_requested.json"])
def test_records_with_the_wrong_fields_break_nothing(world: World, name: str, garbage: bytes) -> None:
    job = world.submit("true")
    world.wait_for(job.job_id, JobState.COMPLETED)
    world.record(job.job_id, name).write_bytes(garbage)
    answer = world.engine.queue()
    assert isinstance(answer, Rows)
    assert len(answer.rows) + answer.malformed == 1
    if name == "end.json":
        assert answer.rows == ()  # above all not completed
    world.engine.find_token(world.tokens[0], since_epoch_s=0)
    world.engine.cancel(job.job_id)


def test_a_missing_script_refuses_the_job(world: World) -> None:
    request = world.request("true")
    request.script.unlink()
    assert isinstance(world.engine.submit(request), Refused)
    assert world.queued() == {}


def test_no_process_of_the_client_is_left_as_a_zombie(world: World) -> None:
    job = world.submit("true")
    world.wait_for(job.job_id, JobState.COMPLETED)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    states = [Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] for pid in children]
    assert "Z" not in states
