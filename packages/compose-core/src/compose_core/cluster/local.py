"""The engine `local`: the same script on this machine, with real processes, for sites without Slurm and for trying out.

A job belongs to no terminal: its monitor and its script have sessions of their own and live on when the client ends.
Liveness is a fact about this host; of a job that another host runs only what it wrote itself is believed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from compose_core.array_tasks import array_tasks, throttle
from compose_core.clock import Clock
from compose_core.cluster import local_monitor
from compose_core.cluster.batch_log import batch_log_path, with_own_number
from compose_core.cluster.engine import (
    Accepted,
    Ambiguous,
    Answer,
    CallCounter,
    CancelAnswer,
    EngineName,
    JobRow,
    Refused,
    Rows,
    SubmitAnswer,
    SubmitRequest,
    Unavailable,
)
from compose_core.cluster.job_environment import job_environment
from compose_core.cluster.local_rows import LocalRows
from compose_core.cluster.local_table import LocalJob, LocalTable
from compose_core.cluster.local_usage import usage_of
from compose_core.cluster.process_identity import ProcessIdentity
from compose_core.cluster.runner import CommandRunner, Finished, NotFound, NotStarted, RunOutcome
from compose_core.cluster.sbatch_directives import job_options
from compose_core.cluster.token_mark import claim_argument
from compose_core.cluster.usage_rows import RunningSteps, UsageRows
from compose_core.errors import EnvironmentProblem, RecordError
from compose_core.job_state import JobId

MEMORY_S = 300.0
"""How long `queue` still shows a job that has ended, as Slurm's MinJobAge."""
KEPT_JOBS = 1000
_PRUNE_EVERY = 50
_START_TIMEOUT_S = 30.0


class LocalEngine:
    """This machine."""

    name: EngineName = "local"

    def __init__(
        self,
        *,
        state_dir: Path,
        environment: Mapping[str, str],
        user: str,
        host: str,
        clock: Clock,
        runner: CommandRunner,
        counter: CallCounter | None = None,
    ) -> None:
        self.counter = counter if counter is not None else CallCounter()
        self._table = LocalTable(state_dir)
        self._environment = environment
        self._user = user
        self._host = host
        self._clock = clock
        self._runner = runner
        self._rows = LocalRows(self._table, host=host, clock=clock)

    def submit(self, request: SubmitRequest) -> SubmitAnswer:
        """Start the script detached; a second call with the same token answers with the same job."""
        try:
            options = _options(request)
            job = self._entered(request, options)
        except (RecordError, EnvironmentProblem, OSError) as error:
            return Refused(kind="permanent", message=f"the job cannot be entered in the job table: {error}")
        if job is None:
            return Ambiguous(message=f"the job of token {request.token} is in the job table but cannot be read")
        answer = Accepted(job_id=job.job_id, batch_log=None if job.array else Path(job.batch_log))
        if job.started is not None:
            return answer
        self._prune_sometimes(job.job_id)
        outcome = self._start(job, request, options)
        match outcome:
            case Finished(rc=0, stdout="started" | "taken"):
                return answer
            case Finished(rc=0, stdout="cancelled"):
                return Refused(kind="permanent", message=f"job {job.job_id} was cancelled before it began")
            case NotFound() | NotStarted():
                return self._withdrawn(job, outcome.message)
            case Finished():
                return Ambiguous(message=f"the job's monitor did not start: {outcome.first_error_line}")
            case _:
                return Ambiguous(message=f"the job's monitor did not answer: {outcome}")

    def queue(self, *, not_before: float | None = None) -> Answer:
        """The jobs of this user that are waiting, running or ended lately."""
        try:
            job_ids = self._table.active()
        except (RecordError, OSError) as error:
            return _unavailable(error)
        return self._rows_of(job_ids, self._active_rows)

    def find_jobs(self, job_ids: Sequence[JobId]) -> Answer:
        """What the table holds of these jobs.

        Raises: ValueError: no id given.
        """
        return self.accounting(job_ids, since_epoch_s=0.0)

    def accounting(
        self,
        job_ids: Sequence[JobId],
        *,
        since_epoch_s: float,
        not_before: float | None = None,
    ) -> Answer:
        """What the table holds of these jobs, as far as they were there since then.

        Raises: ValueError: no id given.
        """
        if not job_ids:
            raise ValueError("the job table is asked for given jobs only")
        found = self._rows_of(dict.fromkeys(job_ids), self._rows_of_job)
        kept = (row for row in found.rows if row.ended_at is None or row.ended_at >= since_epoch_s)
        return replace(found, rows=tuple(kept))

    def usage(self, job_ids: Sequence[JobId], *, since_epoch_s: float) -> UsageRows | Unavailable:
        """What the jobs used that have ended, as their monitors wrote it down.

        Raises: ValueError: no id given.
        """
        if not job_ids:
            raise ValueError("the job table is asked for given jobs only")
        return usage_of(self._table, self._rows, job_ids)

    def running_usage(self, job_ids: Sequence[JobId]) -> RunningSteps | Unavailable:
        """Nothing: there are no steps here."""
        return Unavailable(kind="disabled", source="local", message="the local engine has no steps to ask about")

    def show_job(self, job_id: JobId) -> dict[str, str] | Unavailable:
        """Nothing: what this machine knows of a job stands in its row."""
        return {}

    def find_token(self, token: str, *, since_epoch_s: float) -> tuple[Answer, Answer]:
        """The token's job, as far as it ever started; the same answer from both sources, since there is one table."""
        try:
            job_id = self._table.job_of_token(token)
            rows = self._rows_of_job(job_id) if job_id is not None else []
        except (RecordError, OSError) as error:
            return _unavailable(error), _unavailable(error)
        found = Rows(rows=tuple(row for row in rows if row.token == token), source="local")
        return found, found

    def cancel(self, job_id: JobId, *, token: str | None = None, force: bool = False) -> CancelAnswer:
        """TERM to the job's supervisor, which ends its services in order; with `force` KILL to all that belongs to it."""
        try:
            job = self._table.read(job_id)
            if job is None:
                return CancelAnswer(requested=False, message=f"this machine has no job {job_id}")
            if token is not None and job.token != token:
                return CancelAnswer(requested=False, message=f"job {job_id} is another submission's: it was left alone")
            if all(row.state.is_terminal for row in self._rows.of(job)):
                return CancelAnswer(requested=False, message=f"job {job_id} has ended already")
            if job.host != self._host:
                return CancelAnswer(
                    requested=False, reachable=False, message=f"job {job_id} runs on {job.host}: cancel it there"
                )
            self._table.request_cancel(job_id, at=self._clock.now(), force=force)
        except (RecordError, OSError) as error:
            return CancelAnswer(requested=False, reachable=False, message=str(error))
        return self._signal(job_id, force=force)

    def _signal(self, job_id: JobId, *, force: bool) -> CancelAnswer:
        # Read again: the script may have started between the first look and the mark, which the monitor heeds.
        job = self._table.read(job_id)
        jobs = [job] if job is not None else []
        if job is not None and job.array is not None:
            jobs = [self._table.read_task(job, task) for task in sorted(self._table.tasks_begun(job_id))]
        processes = [one.process for one in jobs if one.process is not None]
        if not processes:
            return CancelAnswer(requested=True, message="it ends before it begins")
        number = signal.SIGKILL if force else signal.SIGTERM
        delivered = [process.send(number, host=self._host) for process in processes]
        if force and job is not None:
            local_monitor.kill_strays(job.token, job.task)
        return CancelAnswer(requested=True, message="" if any(delivered) or force else "it was ending already")

    def _withdrawn(self, job: LocalJob, why: str) -> SubmitAnswer:
        """This machine could not even start the monitor: the job must not stand in the table as one that waits."""
        try:
            now = self._table.read(job.job_id)
            if now is not None and now.started is not None:  # another client of the same token started it
                return Accepted(job_id=job.job_id, batch_log=Path(job.batch_log))
            self._table.forget(job.job_id)
        except (RecordError, OSError):
            return Ambiguous(message=f"the job's monitor did not start: {why}")
        return Refused(kind="limit", message=f"the job's monitor did not start: {why}")

    def _entered(self, request: SubmitRequest, options: Mapping[str, str]) -> LocalJob | None:
        """The token's job in the table, entered now unless it is there."""
        known = self._table.job_of_token(request.token)
        if known is None:
            job = self._new_job(request, options)
            if job.array is not None:
                self._table.write_array(job.job_id, self._array_of(job, options))
            known = self._table.enter(job)
        return self._table.read(known)

    def _prune_sometimes(self, job_id: JobId) -> None:
        if int(job_id) % _PRUNE_EVERY:
            return
        try:
            self._table.prune(KEPT_JOBS)
        except (RecordError, OSError):
            return  # housekeeping: it must not keep a job from starting, and is tried again later

    def _new_job(self, request: SubmitRequest, options: Mapping[str, str]) -> LocalJob:
        job_dirs = request.runtime_root or request.project_dir / ".hpc-compose"
        job_id = self._table.reserve(request.project_dir, job_dirs)
        name = options.get("job-name") or request.job_name
        log = batch_log_path(
            options,
            job_id=job_id,
            job_name=name,
            user=self._user,
            project_dir=request.project_dir,
            host=self._host.partition(".")[0],
        )
        return LocalJob(
            job_id=job_id,
            token=request.token,
            name=name,
            user=self._user,
            host=self._host,
            project_dir=request.project_dir,
            job_dir=job_dirs / job_id,
            script=str(request.script),
            batch_log=str(log or request.project_dir / f"slurm-{job_id}.out"),
            submitted_at=self._clock.now(),
            client=ProcessIdentity.of(os.getpid(), host=self._host),
            array=options.get("array", options.get("a")),
        )

    def _array_of(self, job: LocalJob, options: Mapping[str, str]) -> dict[str, object]:
        """What the monitor needs to run the tasks. Source: sbatch(1), OUTPUT ENVIRONMENT VARIABLES."""
        tasks = sorted(set(array_tasks(job.array or "")))
        shared = {
            "SLURM_ARRAY_JOB_ID": job.job_id,
            "SLURM_ARRAY_TASK_COUNT": str(len(tasks)),
            "SLURM_ARRAY_TASK_MIN": str(tasks[0]),
            "SLURM_ARRAY_TASK_MAX": str(tasks[-1]),
        }
        return {
            "schema_version": 1,
            "workers": throttle(job.array or "") or len(os.sched_getaffinity(0)),
            "environment": shared,
            "tasks": [
                {
                    "task": task,
                    "batch_log": str(self._task_log(job, task, options)),
                    "environment": {
                        "SLURM_JOB_ID": f"{job.job_id}_{task}",
                        "SLURM_JOBID": f"{job.job_id}_{task}",
                        local_monitor.TASK_VARIABLE: str(task),
                    },
                }
                for task in tasks
            ],
        }

    def _task_log(self, job: LocalJob, task: int, options: Mapping[str, str]) -> Path:
        """Here a task has no number of its own besides `<array>_<task>`, so `%j` is that."""
        job_id = JobId(f"{job.job_id}_{task}")
        pattern = with_own_number(options.get("output", ""), job_id)
        log = batch_log_path(
            {**options, **({"output": pattern} if pattern else {})},
            job_id=job_id,
            job_name=job.name,
            user=self._user,
            project_dir=job.project_dir,
            host=self._host.partition(".")[0],
        )
        return log or job.project_dir / f"slurm-{job_id}.out"

    def _start(self, job: LocalJob, request: SubmitRequest, options: Mapping[str, str]) -> RunOutcome:
        self.counter.count("local_monitor")
        argv = [
            sys.executable,
            "-I",
            "-S",
            local_monitor.__file__,
            str(self._table.folder / job.job_id),
            job.batch_log,
            str(request.project_dir / options.get("chdir", "")),
            job.token,
            "bash",
            job.script,
            claim_argument(job.token),
        ]
        environment = {
            **job_environment(self._environment, request.secret_variables),
            **self._slurm_environment(job, options),
        }
        return self._runner.run(argv, timeout_s=_START_TIMEOUT_S, env=environment, cwd=Path("/"))

    def _slurm_environment(self, job: LocalJob, options: Mapping[str, str]) -> dict[str, str]:
        """What Slurm would tell the script. Source: sbatch(1), OUTPUT ENVIRONMENT VARIABLES."""
        cpus = str(len(os.sched_getaffinity(0)))
        tasks = options.get("ntasks") or options.get("ntasks-per-node") or "1"
        per_task = options.get("cpus-per-task")
        return {
            "SLURM_JOB_ID": job.job_id,
            "SLURM_JOBID": job.job_id,
            "SLURM_JOB_NAME": job.name,
            "SLURM_JOB_USER": job.user,
            "SLURM_JOB_UID": str(os.geteuid()),
            "SLURM_SUBMIT_DIR": str(job.project_dir),
            "SLURM_SUBMIT_HOST": self._host,
            "SLURM_CLUSTER_NAME": "local",
            "SLURM_JOB_NODELIST": self._host,
            "SLURM_NODELIST": self._host,
            "SLURMD_NODENAME": self._host,
            "SLURM_NNODES": "1",
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_NODEID": "0",
            "SLURM_PROCID": "0",
            "SLURM_LOCALID": "0",
            "SLURM_NTASKS": tasks,
            "SLURM_NPROCS": tasks,
            "SLURM_CPUS_ON_NODE": cpus,
            "SLURM_JOB_CPUS_PER_NODE": cpus,
            **({"SLURM_CPUS_PER_TASK": per_task} if per_task else {}),
            "HPC_COMPOSE_ENGINE": "local",
            "HPC_COMPOSE_PYTHON": self._environment.get("HPC_COMPOSE_PYTHON") or sys.executable,
            local_monitor.TOKEN_VARIABLE: job.token,
        }

    def _rows_of(self, job_ids: Iterable[JobId], look_up: Callable[[JobId], list[JobRow]]) -> Rows:
        """The rows of these jobs; one that cannot be read is counted and does not hide the others."""
        rows: list[JobRow] = []
        unreadable = 0
        for job_id in job_ids:
            try:
                rows.extend(look_up(job_id))
            except (RecordError, OSError):
                unreadable += 1
        return Rows(rows=tuple(rows), source="local", malformed=unreadable)

    def _active_rows(self, job_id: JobId) -> list[JobRow]:
        job = self._table.read(job_id)
        rows = self._rows.of(job) if job else []
        forgotten_before = self._clock.now() - MEMORY_S
        ends = [row.ended_at or 0.0 for row in rows] or [job.submitted_at if job is not None else 0.0]
        if all(row.state.is_terminal for row in rows) and max(ends) < forgotten_before:
            self._table.retire(job_id)
            return []
        return rows

    def _rows_of_job(self, job_id: JobId) -> list[JobRow]:
        job = self._table.read(job_id)
        return self._rows.of(job) if job else []


def _options(request: SubmitRequest) -> dict[str, str]:
    return job_options(request.script.read_text(encoding="utf-8", errors="surrogateescape"), request.extra_args)


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(kind="error", source="local", message=f"the job table cannot be read: {error}")
