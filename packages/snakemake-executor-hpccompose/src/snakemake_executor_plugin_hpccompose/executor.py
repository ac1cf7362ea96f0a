"""The jobs of one run of a workflow: each is reported to Snakemake exactly once, whatever becomes of it."""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.settings import DeploymentMethod, SharedFSUsage
from snakemake_interface_executor_plugins.utils import format_cli_arg

from snakemake_executor_plugin_hpccompose import failures
from snakemake_executor_plugin_hpccompose.command_words import words_of
from snakemake_executor_plugin_hpccompose.compose_job import ComposeJob, JobOptions, compose_job, mapping_of
from snakemake_executor_plugin_hpccompose.containers import step_aside
from snakemake_executor_plugin_hpccompose.ledger import Ledger
from snakemake_executor_plugin_hpccompose.litter import remove_log, remove_old_logs, remove_old_runs
from snakemake_executor_plugin_hpccompose.log_paths import job_log
from snakemake_executor_plugin_hpccompose.mapping import Mapping
from snakemake_executor_plugin_hpccompose.needed_services import NeededServices
from snakemake_executor_plugin_hpccompose.pending import PendingJobs
from snakemake_executor_plugin_hpccompose.ready_jobs import Placed, ReadyJob
from snakemake_executor_plugin_hpccompose.reattach import Earlier
from snakemake_executor_plugin_hpccompose.rule_facts import facts_of
from snakemake_executor_plugin_hpccompose.run_account import RunAccount, report_options
from snakemake_executor_plugin_hpccompose.runner.results import Result
from snakemake_executor_plugin_hpccompose.runner.unit import Way
from snakemake_executor_plugin_hpccompose.settings_check import wrong_settings
from snakemake_executor_plugin_hpccompose.shell_commands import sets_secrets, shell_command
from snakemake_executor_plugin_hpccompose.status import ResultFiles, Watcher
from snakemake_executor_plugin_hpccompose.submissions import Rules, Submissions
from snakemake_executor_plugin_hpccompose.unit_paths import RunPaths
from snakemake_executor_plugin_hpccompose.unsupported import refuse_unsupported
from snakemake_executor_plugin_hpccompose.workflow_services import WorkflowService, WorkflowServices

if TYPE_CHECKING:
    from compose_core import JobSnapshot, Site
    from snakemake_executor_plugin_hpccompose.runner.direct import ShellCommand

NO_RETRIES_INSIDE = "--preemptible-rules --preemptible-retries 0"
"""An inner Snakemake heeds the `retries:` of a rule whatever `--retries` says, and would run all attempts in the allocation of the first;
of preemptible rules the number of retries is this one. It has no other meaning there."""
_SLICE_S = 0.25
_LONGEST_SLEEP_S = 1.0
_END_OF_SUBMISSION_S = 90.0
_FEW_FILES = 20
_DAY_S = 86400.0


class Jobs:
    """All that the executor does with jobs."""

    def __init__(
        self, executor: Any, workflow: Any, logger: Any, *, site: Site | None = None, threads: bool = True
    ) -> None:
        self._executor, self._workflow, self._logger = executor, workflow, logger
        refuse_unsupported(workflow)
        self.settings = workflow.executor_settings
        if wrong := wrong_settings(self.settings):
            raise WorkflowError("\n".join(wrong))
        self.paths = RunPaths(Path(".snakemake").absolute().parent, secrets.token_hex(5))
        self._site = site or _site(self.settings)
        self._options, self._mapping = _files(
            self.settings, self._site, self.paths.workdir, containers=_has_containers(workflow)
        )
        self._warned: set[str] = set()
        self._ledger = Ledger(self.paths.ledger)
        self._lock = threading.Lock()
        self._open: dict[ReadyJob, Placed | None] = {}
        """Jobs that Snakemake waits for a report on, and where the scheduler has them."""
        self._units_left: dict[str, int] = {}
        """Members of each unit without a report, by the token of its submission."""
        self._results, self._pending = ResultFiles(), PendingJobs(self._site.clock.now, self.say)
        poll_s = float(self.settings.poll_seconds)
        self.watcher = Watcher(self._site, poll_s=poll_s, warn=self.say, threads=threads)
        take_on = self.settings.reattach == "auto"
        self._earlier = Earlier(self._site, self.paths.workdir, self._ledger, take_on=take_on, say=self.say)
        self._services = WorkflowServices(
            self._site,
            self.paths.workdir,
            self.paths.state / "services.json",
            _workflow_services(self._mapping),
            run=self.paths.run,
            timeout_s=float(self.settings.services_timeout),
            take_on=take_on,
            say=self.say,
        )
        self.submissions = Submissions(
            self._site,
            self.paths,
            _rules(self.settings),
            ledger=self._ledger,
            earlier=self._earlier,
            asks=self._asks,
            services=NeededServices(self._services),
            reports=self,
            threads=threads,
        )
        self._account = RunAccount(self._site, self.paths, report_options(self.settings), self.say)
        self._is_cancelled = False
        self._has_begun = False
        self._direct = False
        """Plain shell commands run without a Snakemake."""
        self._seen: list[str] = []

    # -- from Snakemake -----------------------------------------------------------------------------------------------

    def run(self, jobs: Sequence[Any]) -> None:
        """Submit these; whatever is wrong with one of them is reported as its error."""
        found = []
        for job in jobs:
            try:
                self._begin()
                self._executor.run_job_pre(job)
                found.append(self._ready(job))
            except Exception as error:  # noqa: BLE001  (an exception here would leave the other jobs running, unmanaged)
                self._report_error(SubmittedJobInfo(job), f"{job.name} was not submitted: {_told(error)} ")
        with self._lock:
            self._open.update(dict.fromkeys(found))
        self.submissions.add(found)

    def wait_arguments(self, job: Any) -> str:
        """What the inner Snakemake is told to wait for; nothing of it lies in a folder that ends with this process."""
        if SharedFSUsage.INPUT_OUTPUT not in self._workflow.storage_settings.shared_fs_usage:
            return ""
        files = [str(path) for path in job.get_wait_for_files()]
        if len(files) <= _FEW_FILES:
            return f"--wait-for-files {shlex.join(files)}" if files else ""
        path = self.paths.wait_file(facts_of(job).key, int(job.attempt))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in files), encoding="utf-8")
        return f"--wait-for-files-file {shlex.quote(str(path))}"

    async def check(self, active: list[SubmittedJobInfo]) -> list[SubmittedJobInfo]:
        """Those that go on; the others have been reported."""
        left = []
        try:
            self._services.tick()
            self.submissions.keep_going()
            self.watcher.keep_going()
            self._results.list()
        except Exception as error:  # noqa: BLE001  (an exception here ends the workflow and leaves its jobs behind)
            self.say(f"The results could not be looked at ({_told(error)}); trying again.")
            return active
        for info in active:
            try:
                if self._goes_on(info):
                    left.append(info)
            except Exception as error:  # noqa: BLE001  (as above)
                self.say(f"{info.external_jobid} could not be looked at ({_told(error)}); trying again.")
                left.append(info)
        self._note_seen()
        return left

    async def sleep(self) -> None:
        """Until there may be something new, at most a second."""
        looks, slept_s = self.watcher.looks, 0.0
        while self._executor.wait and slept_s < _LONGEST_SLEEP_S:
            await asyncio.sleep(_SLICE_S)
            slept_s += _SLICE_S
            if self._results.has_changed() or self.watcher.looks != looks:
                return

    def cancel(self) -> None:
        """The workflow was interrupted: its jobs end, or are left alone if the user wants that.

        Our own books say which: Snakemake's list is empty while it looks at its jobs.
        """
        self._is_cancelled = True
        detach = self.settings.on_exit == "detach"
        left = self.submissions.stop(wait_s=_END_OF_SUBMISSION_S)
        with self._lock:
            placed = [one for one in self._open.values() if one is not None]
        if detach:
            self._tell_detached(len(placed), len(left))
        else:
            self._end(placed)
        self._services.stop_all(keep=detach)

    def close(self) -> None:
        """No more jobs come."""
        self.submissions.stop(wait_s=_END_OF_SUBMISSION_S)
        self._services.stop_all()
        self.watcher.stop()
        self._note_seen()
        if not self._is_cancelled:
            self._account.report()
        if self._has_begun and (days := int(self.settings.delete_logfiles_older_than)) > 0:
            before = self._site.clock.now() - days * _DAY_S
            remove_old_logs(self._ledger.logs(), before=before)
            remove_old_runs(self.paths.state, keep={self.paths.run, *self._ledger.open_runs()}, before=before)

    # -- from the submissions -----------------------------------------------------------------------------------------

    def placed(self, placed: Placed) -> None:
        """The scheduler has it."""
        with self._lock:
            if placed.ready not in self._open:
                return
            self._open[placed.ready] = placed
            token = placed.record.submission_token
            self._units_left[token] = self._units_left.get(token, 0) + 1
        info = SubmittedJobInfo(placed.ready.job, external_jobid=placed.external_id, aux={"placed": placed})
        try:
            self._results.follow(placed.result)
            self.watcher.follow([placed.record])
            self._executor.report_job_submission(info)
        except Exception as error:  # noqa: BLE001  (the job runs: what matters is that it is waited for)
            self.say(f"Job {placed.external_id} could not be marked as started ({_told(error)}).")
            with self._executor.lock:
                if info not in self._executor.active_jobs:
                    self._executor.active_jobs.append(info)

    def finished(self, ready: ReadyJob) -> None:
        """An earlier run's job has done it, and nobody had noticed."""
        if self._close_report(ready):
            self.say(f"{ready.facts.title} was done by a job of an earlier run.")
            self._executor.report_job_success(SubmittedJobInfo(ready.job))

    def failed(self, ready: ReadyJob, message: str) -> None:
        """It cannot be submitted."""
        if self._close_report(ready):
            self._report_error(SubmittedJobInfo(ready.job), message.rstrip() + " ")

    def say(self, message: str) -> None:
        """Something that the user wants to know."""
        self._logger.info(message)

    def is_open(self, ready: ReadyJob) -> bool:
        """Snakemake waits for a report on it."""
        with self._lock:
            return ready in self._open

    # -- the end of a job ---------------------------------------------------------------------------------------------

    def _goes_on(self, info: SubmittedJobInfo) -> bool:
        placed: Placed = (info.aux or {})["placed"]
        result = self._results.find(placed.result)
        snapshot = self.watcher.of(placed.place)
        if result is not None and not result.was_stopped:
            self._end_of(info, placed, result, snapshot, ok=result.ok)
            return False
        if snapshot is None or not snapshot.terminal:
            placed.over_since = None
            self._pending.look(placed, snapshot)
            if result is not None:
                self.watcher.hurry()  # it was told to end: Slurm says whether it comes back
            return True
        if result is None and not self._has_waited(placed):
            return True
        self._end_of(info, placed, result, snapshot, ok=result is None and snapshot.succeeded)
        return False

    def _has_waited(self, placed: Placed) -> bool:
        """The result of a job that is over may take its time to be seen here."""
        now = self._site.clock.monotonic()
        if placed.over_since is None:
            placed.over_since = now
        return now - placed.over_since >= float(self._workflow.execution_settings.latency_wait)

    def _end_of(
        self, info: SubmittedJobInfo, placed: Placed, result: Result | None, snapshot: JobSnapshot | None, *, ok: bool
    ) -> None:
        if not self._close_report(placed.ready):
            return
        self._seen.append(placed.ready.facts.key)
        self._forget_unit(placed)
        self._account.add(placed, result, snapshot)
        if ok:
            self._executor.report_job_success(info)
            if not self.settings.keep_successful_logs:
                remove_log(placed.log)
        else:
            if self.settings.exclude_failed_nodes and (nodes := failures.failed_nodes(snapshot)):
                self.submissions.avoid(nodes)
            message = failures.why(placed, result, snapshot)
            self._report_error(info, message, aux_logs=failures.logs(placed, snapshot))

    def _close_report(self, ready: ReadyJob) -> bool:
        """True for the one report that counts."""
        with self._lock:
            is_open = ready in self._open
            self._open.pop(ready, None)
            return is_open

    def _report_error(self, info: SubmittedJobInfo, message: str, **more: Any) -> None:
        """The scheduler hears of it, even if the message cannot be printed."""
        try:
            self._executor.print_job_error(info, message, **more)
        except Exception as error:  # noqa: BLE001  (as above)
            self.say(f"{message} ({_told(error)})")
        self._workflow.scheduler.error_callback(info.job)

    def _forget_unit(self, placed: Placed) -> None:
        token = placed.record.submission_token
        with self._lock:
            self._units_left[token] -= 1
            is_over = not self._units_left[token]
        if is_over:
            self.watcher.forget(placed.record)

    def _note_seen(self) -> None:
        keys, self._seen = self._seen, []
        if not keys:
            return
        try:
            self._ledger.seen(keys)
        except OSError as error:
            self.say(f"{self._ledger.path} could not be written: {error}")

    # -- the rest -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._has_begun:
            return
        self._earlier.read()
        for remark in self._mapping.unmatched([rule.name for rule in getattr(self._workflow, "rules", ())]):
            self.say(remark)
        self.submissions.general_args = self._general_args()
        self.submissions.variables = self._kept_back()
        self._direct = self.settings.runner == "direct" and not sets_secrets(self._site.environment)
        self._has_begun = True

    def _kept_back(self) -> tuple[str, ...]:
        """Variables that the workflow declares and that jobs do not inherit by themselves, because they look secret."""
        from compose_core import looks_secret

        return tuple(name for name in self._workflow.spawned_job_args_factory.envvars() if looks_secret(name))

    @property
    def _log_folder(self) -> Path:
        return Path(self.settings.logdir).resolve() if self.settings.logdir else self.paths.logs

    def _general_args(self) -> tuple[str, ...]:
        """What all inner Snakemakes are told."""
        executor = self._executor
        factory = self._workflow.spawned_job_args_factory
        parts = [
            factory.general_args(executor_common_settings=executor.common_settings),
            NO_RETRIES_INSIDE,
            format_cli_arg("--mode", executor.get_exec_mode().item_to_choice()),
        ]
        return ("--snakefile", str(executor.get_snakefile()), *(word for part in parts for word in words_of(part)))

    def _ready(self, job: Any) -> ReadyJob:
        facts = facts_of(job)
        return ReadyJob(
            job=job,
            facts=facts,
            argv=words_of(self._executor.get_job_args(job)),
            log=job_log(job, self._log_folder),
            result=self.paths.result(facts.key, facts.attempt),
            ready_at=self._site.clock.monotonic(),
            shell=self._shell_command(job),
        )

    def _shell_command(self, job: Any) -> ShellCommand | None:
        """What the job is without a Snakemake, where the user wants that and nothing speaks against it."""
        if not self._direct:
            return None
        try:
            return shell_command(job, self._workflow)
        except (AttributeError, ImportError) as error:
            self._warn(
                f"This Snakemake's shell rules cannot be run directly ({_told(error)}): each job runs a Snakemake."
            )
            return None

    def _asks(self, ready: ReadyJob) -> ComposeJob:
        job = compose_job(ready.facts, self._options, self._mapping)
        for warning in job.warnings:
            self._warn(warning)
        return job

    def _warn(self, warning: str) -> None:
        """Once in a run."""
        if warning not in self._warned:
            self._warned.add(warning)
            self.say(warning)

    def _end(self, placed: Sequence[Placed]) -> None:
        from compose_core import request_ends

        records = list({one.record.submission_token: one.record for one in placed}.values())
        try:
            troubles = request_ends(self._site, records)
        except Exception as error:  # noqa: BLE001  (the end of Snakemake must not hang on this)
            troubles = (f"jobs were not cancelled ({_told(error)})",)
        for trouble in troubles:
            self.say(f"{trouble}. Run `hpcc cancel`, or scancel, when the scheduler answers.")
        self._withdraw()

    def _withdraw(self) -> None:
        """Submissions that nobody knows the fate of must not become jobs later."""
        from compose_core import cancel_submission, resolve_submissions

        try:
            for resolution in resolve_submissions(self._site, self.paths.workdir):
                if str(resolution.run_key).startswith(f"smk-{self.paths.run}-"):
                    cancel_submission(self._site, self.paths.workdir, resolution.token)
        except Exception as error:  # noqa: BLE001  (as above)
            self.say(f"Submissions without an answer could not be withdrawn ({_told(error)}).")

    def _tell_detached(self, running: int, waiting: int) -> None:
        more = f" {waiting} that were not submitted yet are left to the next run." if waiting else ""
        self.say(
            f"{running} jobs go on without Snakemake.{more} Run the same command again, with --rerun-incomplete, to take "
            "them on; `hpcc jobs` in this folder shows them."
        )


def _site(settings: Any) -> Site:
    from compose_core import Site

    return Site.detect(settings.engine)


def _has_containers(workflow: Any) -> bool:
    """Rules run in containers; where they do not, an `apptainer` that a rule calls itself is the machine's own."""
    has = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
    if not has:
        step_aside()
    return has


def _files(settings: Any, site: Site, workdir: Path, *, containers: bool) -> tuple[JobOptions, Mapping]:
    """What the settings and the files that they name say of all jobs.

    Raises: WorkflowError: one of the files is wrong; nothing can be submitted then.
    """
    from compose_core import SpecError

    try:
        options = JobOptions.of(settings, workdir=workdir, environment=site.environment, containers=containers)
        return options, mapping_of(settings)
    except SpecError as error:
        raise WorkflowError(str(error)) from None


def _workflow_services(mapping: Mapping) -> dict[str, WorkflowService]:
    return {
        name: WorkflowService(name=name, compose=entry.compose, service=entry.service or "", variables=entry.variables)
        for name, entry in mapping.services.items()
    }


def _rules(settings: Any) -> Rules:
    return Rules(
        array_limit=int(settings.array_limit),
        array_throttle=int(settings.array_throttle),
        no_array=bool(settings.no_array),
        batch_window_s=float(settings.batch_window),
        jobname_prefix=str(settings.jobname_prefix or ""),
        pack=int(settings.pack),
        runner=cast("Way", settings.runner),
        umask=_umask(),
    )


def _umask() -> int | None:
    """This process's; None: the kernel does not tell.  Source: proc(5)."""
    try:
        found = re.search(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1], 8) if found else None


def _told(error: Exception) -> str:
    from compose_core import HpccError

    return str(error) if isinstance(error, HpccError) else f"{type(error).__name__}: {error}"
