"""Jobs on their way to the scheduler: a queue that one thread empties, so that Snakemake never waits for `sbatch`.

Every job that was given to it is reported exactly once, as placed or as failed, or is dropped by `stop`. What the scheduler refuses
for now, and what it does not answer, is tried again ever more seldom.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Protocol

from snakemake_executor_plugin_hpccompose.batches import Batch, ForAll, by_shape, chunks, compose_text, manifests
from snakemake_executor_plugin_hpccompose.errors import why_not_submitted
from snakemake_executor_plugin_hpccompose.ledger import Entry, Ledger, Unit
from snakemake_executor_plugin_hpccompose.literal_ports import PortsInUse
from snakemake_executor_plugin_hpccompose.needed_services import NeededServices, with_environment
from snakemake_executor_plugin_hpccompose.packs import tasks_of
from snakemake_executor_plugin_hpccompose.ready_jobs import Placed, ReadyJob
from snakemake_executor_plugin_hpccompose.runner.unit import Way, unit_file
from snakemake_executor_plugin_hpccompose.site_limits import SiteLimits
from snakemake_executor_plugin_hpccompose.unit_paths import RunPaths
from snakemake_executor_plugin_hpccompose.workflow_services import Failed, Ready

if TYPE_CHECKING:
    from compose_core import HpccError, Plan, Site, Submission
    from snakemake_executor_plugin_hpccompose.compose_job import ComposeJob
    from snakemake_executor_plugin_hpccompose.reattach import Earlier

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 120.0
_UNANSWERED = frozenset({"scheduler-unreachable", "submission-unresolved"})
_IDLE_S = 60.0
_HELD_S = 0.5
"""Until it is asked again whether the services of the workflow that a job needs are ready."""


class Reports(Protocol):
    """Who wants to know what became of the jobs."""

    def placed(self, placed: Placed) -> None:
        """The scheduler has it."""
        ...

    def finished(self, ready: ReadyJob) -> None:
        """An earlier run's job has done it, and nobody had noticed."""
        ...

    def failed(self, ready: ReadyJob, message: str) -> None:
        """It cannot be submitted."""
        ...

    def say(self, message: str) -> None:
        """Something that the user wants to know."""
        ...

    def is_open(self, ready: ReadyJob) -> bool:
        """The job has not ended."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How jobs become submissions."""

    array_limit: int = 1000
    array_throttle: int = 0
    no_array: bool = False
    batch_window_s: float = 0.0
    jobname_prefix: str = ""
    pack: int = 1
    runner: Way = "auto"
    umask: int | None = None
    """Of the files that rules make; None: that of the job."""


class Submissions:
    """The queue of one run."""

    def __init__(
        self,
        site: Site,
        paths: RunPaths,
        rules: Rules,
        *,
        ledger: Ledger,
        earlier: Earlier,
        asks: Callable[[ReadyJob], ComposeJob],
        services: NeededServices | None = None,
        reports: Reports,
        general_args: Sequence[str] = (),
        threads: bool = True,
    ) -> None:
        self._site, self._paths, self._rules = site, paths, rules
        self._ledger, self._earlier, self._asks, self._reports = ledger, earlier, asks, reports
        self._services = services or NeededServices(None)
        self.general_args = tuple(general_args)
        self.variables: tuple[str, ...] = ()
        """Names of variables that jobs need although they may be secrets."""
        self._limits, self._ports = SiteLimits(site), PortsInUse(reports.is_open)
        self._failed_nodes: set[str] = set()
        self._threads = threads
        """False: somebody calls `step`."""
        self._condition = threading.Condition()
        self._ready: list[ReadyJob] = []
        self._batches: list[Batch] = []
        self._at_work: dict[ReadyJob, None] = {}
        """Those that `step` has taken and that nothing has become of yet."""
        self._numbers = count(1)
        self._limit = max(1, rules.array_limit)
        self._stopped = False
        self._thread: threading.Thread | None = None

    def add(self, jobs: Iterable[ReadyJob]) -> None:
        """Submit these as soon as it is their time."""
        with self._condition:
            self._ready.extend(jobs)
            self._condition.notify()
        self.keep_going()

    def avoid(self, nodes: str) -> None:
        """Keep later jobs away from these nodes."""
        self._failed_nodes.add(nodes)

    def keep_going(self) -> None:
        """The thread runs; called with every look, so that no job can wait for one that died."""
        with self._condition:
            if self._stopped or (self._thread is not None and self._thread.is_alive()):
                return
            self._ready = [*self._at_work, *self._ready]
            self._at_work = {}
            if self._threads and (self._ready or self._batches):
                thread = threading.Thread(target=self._run, name="hpccompose-submit", daemon=True)
                thread.start()
                self._thread = thread

    def stop(self, *, wait_s: float) -> list[ReadyJob]:
        """Submit no more; the jobs that were not submitted. One submission that is under way may take `wait_s` to end."""
        with self._condition:
            self._stopped = True
            self._condition.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(wait_s)
        with self._condition:
            left = [*self._at_work, *self._ready, *(job for batch in self._batches for job in batch.jobs)]
            self._at_work, self._ready, self._batches = {}, [], []
        return left

    @property
    def waiting(self) -> int:
        """How many jobs are not submitted yet."""
        with self._condition:
            return len(self._ready) + len(self._at_work) + sum(len(batch.jobs) for batch in self._batches)

    def step(self) -> float:
        """Submit what it is time for; seconds until there may be more."""
        now = self._site.clock.monotonic()
        with self._condition:
            due = self._take_due(now)
            self._at_work = dict.fromkeys(due)
            retries = [batch for batch in self._batches if batch.not_before <= now]
        for batch in retries:
            with self._condition:
                if batch not in self._batches:
                    break  # stopped meanwhile
                self._batches.remove(batch)
            self._submit(batch)
        if due:
            self._place(due)
        return self._pause_s()

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._stopped:
                    return
            pause_s = self.step()
            with self._condition:
                if not self._stopped:
                    self._condition.wait(max(0.01, pause_s))

    def _take_due(self, now: float) -> list[ReadyJob]:
        window_s = self._rules.batch_window_s
        fresh = [job for job in self._ready if job.tries == 0]
        is_open = bool(fresh) and now < min(job.ready_at for job in fresh) + window_s
        due = [job for job in self._ready if job.not_before <= now and not (is_open and job.tries == 0)]
        taken = set(due)
        self._ready = [job for job in self._ready if job not in taken]
        return due

    def _pause_s(self) -> float:
        now, window_s = self._site.clock.monotonic(), self._rules.batch_window_s
        with self._condition:
            times = [job.not_before if job.tries else job.ready_at + window_s for job in self._ready]
            times += [batch.not_before for batch in self._batches]
        return max(0.0, min(times, default=now + _IDLE_S) - now)

    def _place(self, due: list[ReadyJob]) -> None:
        """Jobs that an earlier run left behind go on where they are; the others are submitted."""
        try:
            held = [job for job in due if job.is_held]
            new = [*held, *self._not_running([job for job in due if not job.is_held])]
        except Exception as error:  # noqa: BLE001  (a job that is never reported hangs the workflow)
            self._fail(due, error)
            return
        served = self._served([job for job in new if self._is_asked_for(job)])
        for tasks in self._without_clashes([self._tasks(shape) for shape in by_shape(served)]):
            for part in chunks(tasks, 1 if self._rules.no_array else self._limit):
                if self._stopped:
                    return
                self._submit(Batch(unit=f"u{next(self._numbers):05d}", tasks=tuple(part)))

    def _tasks(self, shape: Sequence[ReadyJob]) -> list[tuple[ReadyJob, ...]]:
        return tasks_of(shape, setting=self._rules.pack, longest_min=self._limits.longest_min)

    def _without_clashes(self, shapes: list[list[tuple[ReadyJob, ...]]]) -> list[list[tuple[ReadyJob, ...]]]:
        """Those that can run beside each other; the others have failed."""
        clashes = self._ports.clashes([task for tasks in shapes for task in tasks])
        for job, error in clashes.items():
            self._fail([job], error)
        return [kept for tasks in shapes if (kept := [task for task in tasks if task[0] not in clashes])]

    def _served(self, jobs: list[ReadyJob]) -> list[ReadyJob]:
        """Those whose services of the workflow are there; the others wait here, where they hold no allocation."""
        served, now = [], self._site.clock.monotonic()
        for job in jobs:
            answer = self._services.of(job)
            if isinstance(answer, Ready):
                job.compose = with_environment(job.compose, answer.env) if job.compose is not None else None
                served.append(job)
            elif isinstance(answer, Failed):
                self._failed(job, answer.text)
            else:
                job.is_held, job.not_before, job.tries = True, now + _HELD_S, max(1, job.tries)
                self._again(job)
        return served

    def _not_running(self, due: list[ReadyJob]) -> list[ReadyJob]:
        verdict = self._earlier.look(due)
        for placed in verdict.attached:
            self._has(placed)
        for job in verdict.finished:
            self._at_work.pop(job, None)
            self._reports.finished(job)
        self._later(verdict.wait)
        return verdict.new

    def _is_asked_for(self, job: ReadyJob) -> bool:
        if job.is_held:
            return True
        try:
            job.compose = self._asks(job)
            self._limits.check(job.facts.title, job.compose.shape_key, job.compose.spec.get("x-slurm", {}))
        except Exception as error:  # noqa: BLE001  (as above)
            self._fail([job], error)
            return False
        return True

    def _submit(self, batch: Batch) -> None:
        from compose_core import HpccError

        try:
            submission = self._handed_over(batch)
        except HpccError as error:
            self._not_submitted(batch, error)
        except Exception as error:  # noqa: BLE001  (as above)
            if batch.in_doubt:
                self._ask_again(batch, f"{type(error).__name__}: {error}")
            else:
                self._fail(batch.jobs, error)
        else:
            self._limit = max(1, self._rules.array_limit)
            for placed in self._placed(batch, submission):
                self._has(placed)

    def _handed_over(self, batch: Batch) -> Submission:
        """The one job of this batch.

        Raises: HpccError: there is none, or nobody knows.
        """
        from compose_core import submit

        unit = self._unit(batch)
        plan = batch.plan = batch.plan or self._planned(batch)
        if not batch.in_doubt:
            self._write(batch)
            self._ledger.intend(unit)
        submission = submit(self._site, plan, run_key=unit.run_key)
        try:
            self._ledger.submitted(unit, job_id=submission.job_id, token=submission.token)
        except OSError as error:  # the job is there: its run key finds it again
            self._reports.say(f"{self._ledger.path} could not be written: {error}")
        return submission

    def _planned(self, batch: Batch) -> Plan:
        from compose_core import build_plan, load_spec, plan_context, prepare_images

        text = compose_text(batch, self._paths, self._for_all())
        paths = self._paths.unit(batch.unit)
        variables, workdir = self._site.environment, self._paths.workdir
        loaded = load_spec(paths.compose_file, variables=variables, project_dir=workdir, text=text)
        plan = build_plan(loaded, plan_context(self._site, loaded))
        if plan.images:
            prepare_images(self._site, plan)
        paths.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths.compose_file.write_text(text + "\n", encoding="utf-8")
        return plan

    def _for_all(self) -> ForAll:
        return ForAll(
            prefix=self._rules.jobname_prefix,
            throttle=self._rules.array_throttle,
            excluded=tuple(sorted(self._failed_nodes)),
            variables=self.variables,
        )

    def _write(self, batch: Batch) -> None:
        """What each task has to do. Nobody reads it before the job starts, and a job that misses it says so."""
        self._paths.results.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._paths.batch_log(batch.unit, array=batch.is_array).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for job in batch.jobs:
            job.result.unlink(missing_ok=True)
        for unit in manifests(batch, self._paths, self.general_args, self._rules.runner, self._rules.umask):
            path = unit_file(self._paths.unit(batch.unit).folder, unit.task)
            path.write_text(json.dumps(unit.as_json()), encoding="utf-8")

    def _unit(self, batch: Batch) -> Unit:
        members = [
            Entry(
                key=job.facts.key,
                attempt=job.facts.attempt,
                fingerprint=job.facts.fingerprint,
                request=job.facts.request,
                task=number,
                result=str(job.result),
                log=str(job.log),
                title=job.facts.title,
            )
            for number, task in enumerate(batch.tasks)
            for job in task
        ]
        return Unit(
            run=self._paths.run,
            unit=batch.unit,
            run_key=f"smk-{self._paths.run}-{batch.unit}",
            members=tuple(members),
            at=self._site.clock.now(),
            array=batch.is_array,
        )

    def _placed(self, batch: Batch, submission: Submission) -> list[Placed]:
        return [
            Placed(
                ready=job,
                record=submission.record,
                task=number if batch.is_array else None,
                result=job.result,
                log=job.log,
            )
            for number, task in enumerate(batch.tasks)
            for job in task
        ]

    def _not_submitted(self, batch: Batch, error: HpccError) -> None:
        """Try again what may work later; the other jobs have failed."""
        if error.code in _UNANSWERED:
            self._ask_again(batch, error.message)
            return
        try:
            self._ledger.close(self._unit(batch))
        except OSError as fault:
            self._reports.say(f"{self._ledger.path} could not be written: {fault}")
        too_large = batch.is_array and error.code == "refused-permanent" and "array" in error.message.lower()
        if too_large or error.code == "refused-limit":
            self._limit = max(1, len(batch.tasks) // 2)
            if not too_large and batch.first.tries == 0:
                self._reports.say(f"Slurm takes no more jobs for now ({error.message}): they are submitted later.")
            self._later(batch.jobs, at_once=too_large)
        else:
            self._fail(batch.jobs, error)

    def _ask_again(self, batch: Batch, message: str) -> None:
        """The same unit: it is not known whether the scheduler took it."""
        if batch.tries == 0:
            self._reports.say(f"The scheduler does not answer ({message}): jobs are submitted when it does.")
        not_before = self._site.clock.monotonic() + _pause(batch.tries)
        later = replace(batch, tries=batch.tries + 1, in_doubt=True, not_before=not_before)
        with self._condition:
            for job in batch.jobs:
                self._at_work.pop(job, None)
            self._batches.append(later)

    def _later(self, jobs: Iterable[ReadyJob], *, at_once: bool = False) -> None:
        now = self._site.clock.monotonic()
        for job in jobs:
            job.not_before = now if at_once else now + _pause(job.tries)
            job.tries += 1
            self._again(job)

    def _again(self, job: ReadyJob) -> None:
        """It goes back into the queue."""
        with self._condition:
            self._at_work.pop(job, None)
            self._ready.append(job)

    def _has(self, placed: Placed) -> None:
        """The scheduler has this one: whatever becomes of the report, it is never submitted again."""
        self._at_work.pop(placed.ready, None)
        try:
            self._reports.placed(placed)
        except Exception as error:  # noqa: BLE001  (the other jobs of the batch are still to be reported)
            self._reports.say(f"Job {placed.external_id} could not be reported ({type(error).__name__}: {error}).")

    def _fail(self, jobs: Iterable[ReadyJob], error: Exception) -> None:
        for job in jobs:
            self._failed(job, why_not_submitted(job, error))

    def _failed(self, job: ReadyJob, told: str) -> None:
        self._at_work.pop(job, None)
        self._reports.failed(job, f"{job.facts.title} was not submitted: {told}")


def _pause(tries: int) -> float:
    return float(min(FIRST_PAUSE_S * 2**tries, LONGEST_PAUSE_S))
