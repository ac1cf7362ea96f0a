"""The members of a task, some at a time, each with a result whatever ends it."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from snakemake_executor_plugin_hpccompose.runner.direct import run_directly
from snakemake_executor_plugin_hpccompose.runner.results import STOPPED_EXIT_CODE, Result, read_result, write_result
from snakemake_executor_plugin_hpccompose.runner.starting import Start
from snakemake_executor_plugin_hpccompose.runner.surroundings import Surroundings
from snakemake_executor_plugin_hpccompose.runner.unit import Member, Unit
from snakemake_executor_plugin_hpccompose.tails import last_lines

GRACE_S = 20
"""From TERM to KILL: less than the supervisor's own 30 s, so that the results are written before it loses patience."""

Say = Callable[[str], None]


@dataclass(slots=True)
class _Running:
    member: Member
    started_at: float


class MemberPool:
    """Runs the members of a unit; `run` gives their results in the order of their ends.

    From the moment it is made it takes the signals that end the job, so that there are results even if that comes early.
    """

    def __init__(self, unit: Unit, surroundings: Surroundings, say: Say) -> None:
        self._unit = unit
        self._around = surroundings
        self._say = say
        self._waiting = deque(unit.members)
        self._running: dict[int, _Running] = {}
        self._results: list[Result] = []
        self._stopped_by: int | None = None
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, self._stop)
        signal.signal(signal.SIGALRM, self._kill)

    def run(self, start: Start) -> list[Result]:
        """When all have ended, or were told to."""
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._unit.parallel and self._stopped_by is None:
                self._begin(self._waiting.popleft(), start)
            if self._running:
                self._reap()
            elif self._stopped_by is not None:
                self._give_up()
        signal.alarm(0)
        return self._results

    @property
    def stopped_by(self) -> int | None:
        """The signal that ended the task early."""
        return self._stopped_by

    def _begin(self, member: Member, start: Start) -> None:
        earlier = read_result(Path(member.result))
        if earlier is not None and self._is_done(earlier):
            self._say(f"{_name(member)}: done before the job was put back into the queue")
            self._results.append(earlier)
            return
        Path(member.result).unlink(missing_ok=True)
        now = time.time()
        try:
            log = _open_log(Path(member.log))
            try:
                pid = self._start(member, start, log)
            finally:
                os.close(log)
        except OSError as error:
            self._finish(member, exit_code=1, ended_at=now, message=f"could not be started: {error}")
            return
        self._running[pid] = _Running(member, now)
        self._say(f"{_name(member)}: started, output in {member.log}")
        if self._stopped_by is not None:
            _signal_group(pid, self._stopped_by)  # the signal came while it was being started

    def _start(self, member: Member, start: Start, log: int) -> int:
        if member.shell is not None:
            return run_directly(member.shell, log)
        return start([*member.argv, *self._unit.general_args], log)

    def _is_done(self, earlier: Result) -> bool:
        """What an earlier run of this very task brought to its end is not run again: others may read its files by now."""
        return earlier.ok and earlier.unit == self._unit.unit and earlier.restart_count < self._around.restart_count

    def _reap(self) -> None:
        pid, status, usage = os.wait4(-1, 0)
        running = self._running.pop(pid, None)
        if running is None:
            return  # a process that a member left behind
        code = os.waitstatus_to_exitcode(status)
        stopped = self._stopped_by is not None and code != 0
        exit_code = STOPPED_EXIT_CODE if stopped else code if code >= 0 else 128 - code
        _signal_group(pid, signal.SIGKILL)  # what it left in the background would take the place of the next member
        self._finish(
            running.member,
            exit_code=exit_code,
            signum=-code if code < 0 else None,
            started_at=running.started_at,
            ended_at=time.time(),
            cpu_s=usage.ru_utime + usage.ru_stime,
            max_rss_bytes=usage.ru_maxrss * 1024,
            message=_why(code, self._stopped_by),
        )

    def _give_up(self) -> None:
        """Those that never started get a result too."""
        while self._waiting:
            member = self._waiting.popleft()
            message = f"not started: {_why(1, self._stopped_by)}"
            self._finish(member, exit_code=STOPPED_EXIT_CODE, ended_at=time.time(), message=message)

    def _finish(
        self,
        member: Member,
        *,
        exit_code: int,
        ended_at: float,
        message: str,
        signum: int | None = None,
        started_at: float | None = None,
        cpu_s: float = 0.0,
        max_rss_bytes: int = 0,
    ) -> None:
        result = Result(
            key=member.key,
            attempt=member.attempt,
            run=self._unit.run,
            unit=self._unit.unit,
            task=self._unit.task,
            ok=exit_code == 0,
            exit_code=exit_code,
            signal=signum,
            started_at=started_at,
            ended_at=ended_at,
            cpu_s=round(cpu_s, 3),
            max_rss_bytes=max_rss_bytes,
            memory_peak_bytes=self._around.memory_peak() if len(self._unit.members) == 1 else None,
            host=self._around.host,
            slurm_job_id=self._around.slurm_job_id,
            restart_count=self._around.restart_count,
            message=message,
        )
        self._results.append(result)
        try:
            write_result(Path(member.result), result)
        except OSError as error:
            self._say(f"{_name(member)}: its result could not be written to {member.result}: {error}")
        self._tell(member, result)

    def _tell(self, member: Member, result: Result) -> None:
        took = f" after {result.ended_at - result.started_at:.1f} s" if result.started_at is not None else ""
        if result.ok:
            self._say(f"{_name(member)}: ok{took}")
            return
        self._say(
            f"{_name(member)}: failed{took}, exit code {result.exit_code}"
            + (f": {result.message}" if result.message else "")
        )
        if result.started_at is not None:
            for line in last_lines(Path(member.log)):
                self._say(f"  | {line}")

    def _stop(self, signum: int, _frame: FrameType | None) -> None:
        """TERM to every member's processes: Snakemake itself would wait for its commands to end by themselves."""
        if self._stopped_by is None:
            signal.alarm(GRACE_S)
        self._stopped_by = signum
        for pid in self._running:
            _signal_group(pid, signal.SIGTERM)

    def _kill(self, _signum: int, _frame: FrameType | None) -> None:
        for pid in self._running:
            _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, signum: int) -> None:
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        pass  # all of it has ended


def _open_log(path: Path, tries: int = 10) -> int:
    """The executor removes a folder with the last log of a job that is over, be it between these two calls."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except (FileNotFoundError, FileExistsError):
        if tries <= 1:
            raise
        return _open_log(path, tries - 1)


def _why(code: int, stopped_by: int | None) -> str:
    """Why it is not well, where the exit code does not say it."""
    if code == 0:
        return ""
    if stopped_by is not None:
        return f"the job was told to end by {signal.Signals(stopped_by).name} (cancelled, time limit or preempted)"
    if code == -signal.SIGKILL:
        return "killed by SIGKILL, as the kernel does when memory runs out"
    if code < 0:
        return f"ended by signal {-code}"
    return ""  # the exit code says it


def _name(member: Member) -> str:
    return f"{member.rule} {member.key[:8]}" + (f" (attempt {member.attempt})" if member.attempt > 1 else "")
