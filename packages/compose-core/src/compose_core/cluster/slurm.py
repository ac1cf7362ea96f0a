"""The engine `slurm`: the site's own tools, asked as seldom as possible, believed only when they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from compose_core.clock import Clock, SystemClock
from compose_core.cluster.batch_log import batch_log_path, make_log_folders
from compose_core.cluster.engine import (
    Accepted,
    Ambiguous,
    Answer,
    CallCounter,
    CancelAnswer,
    EngineName,
    EvidenceSource,
    JobRow,
    Refused,
    Rows,
    SubmitAnswer,
    SubmitRequest,
    Unavailable,
)
from compose_core.cluster.job_environment import job_environment, tool_environment
from compose_core.cluster.job_rows import RowIndex, find_row
from compose_core.cluster.runner import CommandRunner, Finished, NotFound, NotStarted, RunOutcome, TimedOut
from compose_core.cluster.sacct import chunks, parse_sacct, sacct_argv
from compose_core.cluster.sacct_usage import parse_sacct_usage, sacct_usage_argv
from compose_core.cluster.sbatch import parse_sbatch, sbatch_argv
from compose_core.cluster.sbatch_directives import job_options
from compose_core.cluster.scancel import kill_steps_argv, parse_scancel, scancel_argv, scancel_many_argv
from compose_core.cluster.scontrol import (
    parse_ping,
    parse_show_config,
    parse_show_job,
    ping_argv,
    seconds_setting,
    show_config_argv,
    show_job_argv,
)
from compose_core.cluster.sinfo import PartitionRow, parse_sinfo, sinfo_argv
from compose_core.cluster.slurm_text import fault_kind
from compose_core.cluster.slurm_tools import SlurmTools
from compose_core.cluster.squeue import (
    parse_squeue,
    parse_squeue_steps,
    squeue_argv,
    squeue_jobs_argv,
    squeue_steps_argv,
)
from compose_core.cluster.sstat import parse_sstat, sstat_argv
from compose_core.cluster.usage_rows import RunningSteps, UsageRows
from compose_core.job_state import JobId

SBATCH_TIMEOUT_S = 60.0
QUERY_TIMEOUT_S = 30.0
"""A frozen controller costs squeue 20 s; measured with 22.05 and MessageTimeout=10."""
_ACCOUNTING_MARGIN_S = 3600.0
"""How much earlier the accounting is asked from, because hosts' clocks differ."""


class Slurm:
    """The scheduler behind `sbatch`."""

    name: EngineName = "slurm"

    def __init__(
        self,
        runner: CommandRunner,
        *,
        environment: Mapping[str, str],
        user: str,
        tools: SlurmTools | None = None,
        sbatch_timeout_s: float = SBATCH_TIMEOUT_S,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        clock: Clock | None = None,
        counter: CallCounter | None = None,
    ) -> None:
        self.counter = counter if counter is not None else CallCounter()
        self._clock: Clock = clock or SystemClock()
        self._runner = runner
        self._tools = tools or SlurmTools()
        self._user = user
        self._environment = environment
        self._tool_environment = tool_environment(environment)
        self._sbatch_timeout_s = sbatch_timeout_s
        self._query_timeout_s = query_timeout_s

    def submit(self, request: SubmitRequest) -> SubmitAnswer:
        """Run sbatch once in the project folder, with the cleaned environment that the job will inherit."""
        fault = self._prepare_log(request)
        if fault is not None:
            return Refused(kind="permanent", message=fault, remedy="Put %j into the file's name: logs/%x-%j.out.")
        argv = sbatch_argv(self._tools.sbatch, request.token, request.script, request.extra_args)
        environment = job_environment(self._environment, request.secret_variables)
        outcome = self._run(argv, "sbatch", timeout_s=self._sbatch_timeout_s, env=environment, cwd=request.project_dir)
        match outcome:
            case Finished():
                answer = parse_sbatch(outcome)
                return self._with_batch_log(answer, request) if isinstance(answer, Accepted) else answer
            case NotFound():
                return Refused(
                    kind="permanent",
                    message=outcome.message,
                    remedy="Load Slurm, or choose the local engine (`--engine local`).",
                )
            case NotStarted():
                return Refused(kind="limit", message=outcome.message, remedy="Nothing was submitted: try again later.")
            case _:
                return Ambiguous(message=_fault(outcome))

    def queue(self, *, not_before: float | None = None) -> Answer:
        """All jobs of this user that the controller remembers; one squeue."""
        return self._query("squeue", squeue_argv(self._tools.squeue), parse_squeue)

    def find_jobs(self, job_ids: Sequence[JobId]) -> Answer:
        """What the controller knows of these jobs, also of other users' jobs; one squeue.

        Raises: ValueError: no id given.
        """
        outcome = self._ask("squeue", squeue_jobs_argv(job_ids, self._tools.squeue))
        if isinstance(outcome, Finished) and outcome.rc != 0 and "Invalid job id" in outcome.stderr:
            return Rows(rows=(), source="squeue")  # what squeue says of one unknown job; of several it says nothing
        good = _good(outcome, "squeue")
        return good if isinstance(good, Unavailable) else parse_squeue(good.stdout)

    def accounting(
        self,
        job_ids: Sequence[JobId],
        *,
        since_epoch_s: float,
        not_before: float | None = None,
    ) -> Answer:
        """What the accounting knows of these jobs since then; one sacct for every 200 of them.

        Raises: ValueError: no id given.
        """
        if not job_ids:
            raise ValueError("the accounting is asked for given jobs only")
        since = since_epoch_s - _ACCOUNTING_MARGIN_S
        rows = Rows(rows=(), source="sacct")
        for chunk in chunks(job_ids):
            argv = sacct_argv(since_epoch_s=since, job_ids=chunk, program=self._tools.sacct)
            answer = self._query("sacct", argv, parse_sacct)
            if isinstance(answer, Unavailable):
                return answer
            rows = replace(rows, rows=(*rows.rows, *answer.rows), malformed=rows.malformed + answer.malformed)
        return rows

    def usage(self, job_ids: Sequence[JobId], *, since_epoch_s: float) -> UsageRows | Unavailable:
        """What the accounting knows of these jobs and their steps; one sacct for every 200 of them.

        Raises: ValueError: no id given.
        """
        if not job_ids:
            raise ValueError("the accounting is asked for given jobs only")
        found = UsageRows(rows=(), source="sacct")
        for chunk in chunks(job_ids):
            argv = sacct_usage_argv(
                since_epoch_s=since_epoch_s - _ACCOUNTING_MARGIN_S, job_ids=chunk, program=self._tools.sacct
            )
            good = _good(self._ask("sacct", argv), "sacct")
            if isinstance(good, Unavailable):
                return good
            answer = parse_sacct_usage(good.stdout)
            if answer.malformed and not answer.rows:
                return Unavailable(kind="error", source="sacct", message="sacct printed no row that can be read")
            found = replace(found, rows=(*found.rows, *answer.rows), malformed=found.malformed + answer.malformed)
        return found

    def running_usage(self, job_ids: Sequence[JobId]) -> RunningSteps | Unavailable:
        """What the steps that run now use; one sstat, and one squeue for the names of one job's steps.

        Raises: ValueError: no id given.
        """
        if not job_ids:
            raise ValueError("sstat is asked for given jobs only")
        outcome = self._ask("sstat", sstat_argv(job_ids, self._tools.sstat))
        if isinstance(outcome, Finished) and "No steps running" in outcome.stderr:
            return parse_sstat(outcome.stdout)  # of some of them only
        good = _good(outcome, "sstat")
        if isinstance(good, Unavailable):
            return good
        found = parse_sstat(good.stdout)
        return self._with_names(found, job_ids[0]) if len(job_ids) == 1 else found

    def _with_names(self, found: RunningSteps, job_id: JobId) -> RunningSteps:
        """sstat tells no names, by which a step's service is known; without an answer they stay unknown."""
        if not any(step.step.isdigit() for step in found.steps):
            return found
        asked = _good(self._ask("squeue", squeue_steps_argv(job_id, self._tools.squeue)), "squeue")
        rows = () if isinstance(asked, Unavailable) else parse_squeue_steps(asked.stdout)
        names = {row.step_id.rpartition(".")[2]: row.name for row in rows}
        return replace(found, steps=tuple(replace(step, name=names.get(step.step, "")) for step in found.steps))

    def find_token(self, token: str, *, since_epoch_s: float) -> tuple[Answer, Answer]:
        """Jobs of this user that carry the token, in the queue and in the accounting; array tasks one by one."""
        since = since_epoch_s - _ACCOUNTING_MARGIN_S
        argv = sacct_argv(since_epoch_s=since, user=self._user, program=self._tools.sacct)
        answers = (self.queue(), self._query("sacct", argv, parse_sacct))
        queued, accounted = (_carrying(answer, token) for answer in answers)
        return queued, accounted

    def cancel(self, job_id: JobId, *, token: str | None = None, force: bool = False) -> CancelAnswer:
        """Run scancel; with a token only after the queue showed that this id still is that submission's job."""
        if token is not None:
            doubt = self._doubt(job_id, token)
            if doubt is not None:
                return doubt
        if force:
            self._kill_steps(job_id)
        argv = scancel_argv(job_id, program=self._tools.scancel)
        outcome = self._run(argv, "scancel", timeout_s=self._query_timeout_s, env=self._tool_environment)
        if isinstance(outcome, Finished):
            return parse_scancel(outcome)
        return CancelAnswer(requested=False, reachable=isinstance(outcome, NotFound), message=_fault(outcome))

    def cancel_many(self, jobs: Mapping[JobId, str]) -> dict[JobId, CancelAnswer]:
        """The same for many jobs, given with their tokens: one squeue, and one scancel for every 200 of them."""
        answer = self.queue()
        if isinstance(answer, Unavailable):
            silent = CancelAnswer(requested=False, reachable=False, message=answer.message)
            return dict.fromkeys(jobs, silent)
        rows = RowIndex(answer.rows)
        doubts = {job_id: self._doubt_of(rows.find(job_id), job_id, token) for job_id, token in jobs.items()}
        found = {job_id: doubt for job_id, doubt in doubts.items() if doubt is not None}
        for chunk in chunks([job_id for job_id, doubt in doubts.items() if doubt is None]):
            argv = scancel_many_argv(chunk, program=self._tools.scancel)
            outcome = self._run(argv, "scancel", timeout_s=self._query_timeout_s, env=self._tool_environment)
            if isinstance(outcome, Finished):
                said = parse_scancel(outcome)
            else:
                said = CancelAnswer(requested=False, reachable=isinstance(outcome, NotFound), message=_fault(outcome))
            found |= dict.fromkeys(chunk, said)
        return found

    def _kill_steps(self, job_id: JobId) -> None:
        """KILL to what runs in the job's steps, as far as Slurm answers; the cancel that follows ends them in any case."""
        asked = _good(self._ask("squeue", squeue_steps_argv(job_id, self._tools.squeue)), "squeue")
        rows = () if isinstance(asked, Unavailable) else parse_squeue_steps(asked.stdout)
        numbered = [row.step_id for row in rows if row.step_id.rpartition(".")[2].isdigit()]
        if numbered:
            argv = kill_steps_argv(numbered, self._tools.scancel)
            self._run(argv, "scancel", timeout_s=self._query_timeout_s, env=self._tool_environment)

    def show_job(self, job_id: JobId) -> dict[str, str] | Unavailable:
        """All that the controller knows of one job, by Slurm's own keys; empty when it knows none with this id."""
        outcome = self._ask("scontrol", show_job_argv(job_id, self._tools.scontrol))
        if isinstance(outcome, Finished) and outcome.rc != 0 and "Invalid job id" in outcome.stderr:
            return {}
        good = _good(outcome, "scontrol")
        return good if isinstance(good, Unavailable) else parse_show_job(good.stdout)

    def settings(self) -> dict[str, str] | Unavailable:
        """The site's settings, such as `KillWait`."""
        good = _good(self._ask("scontrol", show_config_argv(self._tools.scontrol)), "scontrol")
        return good if isinstance(good, Unavailable) else parse_show_config(good.stdout)

    def kill_wait_s(self) -> int | None:
        """Seconds between TERM and KILL at the end of a job; None when it cannot be asked."""
        settings = self.settings()
        return None if isinstance(settings, Unavailable) else seconds_setting(settings, "KillWait")

    def is_up(self) -> bool:
        """A controller answers."""
        outcome = self._ask("scontrol", ping_argv(self._tools.scontrol))
        return isinstance(outcome, Finished) and parse_ping(outcome.stdout)

    def partitions(self) -> tuple[PartitionRow, ...] | Unavailable:
        """The site's partitions and their nodes."""
        good = _good(self._ask("sinfo", sinfo_argv(self._tools.sinfo)), "scontrol")
        return good if isinstance(good, Unavailable) else parse_sinfo(good.stdout)

    def _prepare_log(self, request: SubmitRequest) -> str | None:
        options = job_options(_text_of(request.script), request.extra_args)
        name = options.get("job-name") or request.job_name
        return make_log_folders(options, job_name=name, user=self._user, project_dir=request.project_dir)

    def _with_batch_log(self, answer: Accepted, request: SubmitRequest) -> Accepted:
        options = job_options(_text_of(request.script), request.extra_args)
        name = options.get("job-name") or request.job_name
        log = batch_log_path(
            options, job_id=answer.job_id, job_name=name, user=self._user, project_dir=request.project_dir
        )
        return replace(answer, batch_log=log)

    def _doubt(self, job_id: JobId, token: str) -> CancelAnswer | None:
        """Why the job must not be signalled; None when it is the token's."""
        answer = self.queue()
        if isinstance(answer, Unavailable):
            return CancelAnswer(requested=False, reachable=False, message=answer.message)
        return self._doubt_of(find_row(answer.rows, job_id), job_id, token)

    def _doubt_of(self, row: JobRow | None, job_id: JobId, token: str) -> CancelAnswer | None:
        if row is None or row.state.is_terminal:
            return CancelAnswer(requested=False, message=f"job {job_id} is not in the queue any more")
        found = row.token or self._accounted_token(job_id, row.submitted_at)
        if found == token:
            return None
        return CancelAnswer(
            requested=False,
            message=f"job {job_id} is another submission's now (ids are reused): it was left alone",
        )

    def _accounted_token(self, job_id: JobId, submitted_at: float | None) -> str | None:
        """The token of a job whose comment somebody else has replaced: its submit line still holds it."""
        answer = self.accounting([job_id], since_epoch_s=submitted_at or 0.0)
        row = None if isinstance(answer, Unavailable) else find_row(answer.rows, job_id)
        return row.token if row else None

    def _query(self, source: EvidenceSource, argv: Sequence[str], parse: Callable[[str], Rows]) -> Answer:
        good = _good(self._ask(source, argv), source)
        if isinstance(good, Unavailable):
            return good
        rows = parse(good.stdout)
        if rows.malformed and not rows.rows:
            return Unavailable(kind="error", source=source, message=f"{source} printed no row that can be read")
        return rows

    def _ask(self, program: str, argv: Sequence[str]) -> RunOutcome:
        return self._run(argv, program, timeout_s=self._query_timeout_s, env=self._tool_environment)

    def _run(
        self, argv: Sequence[str], program: str, *, timeout_s: float, env: Mapping[str, str], cwd: Path | None = None
    ) -> RunOutcome:
        clusters = self._environment.get("SLURM_CLUSTERS", "")
        if clusters and program == "sacct":  # the only one of them that does not read the variable
            argv = [argv[0], f"--clusters={clusters}", *argv[1:]]
        began = self._clock.monotonic()
        try:
            return self._runner.run(argv, timeout_s=timeout_s, env=env, cwd=cwd)
        finally:
            self.counter.count(program, self._clock.monotonic() - began)


def _good(outcome: RunOutcome, source: EvidenceSource | Literal["sstat"]) -> Finished | Unavailable:
    match outcome:
        case Finished(rc=0):
            return outcome
        case Finished():
            kind = fault_kind(f"{outcome.stderr}\n{outcome.stdout}")
            return Unavailable(kind=kind, source=source, message=outcome.first_error_line)
        case NotFound():
            return Unavailable(kind="missing", source=source, message=outcome.message)
        case TimedOut():
            return Unavailable(kind="unreachable", source=source, message=_fault(outcome))
        case _:
            return Unavailable(kind="error", source=source, message=_fault(outcome))


def _fault(outcome: RunOutcome) -> str:
    match outcome:
        case Finished():
            return outcome.first_error_line
        case NotFound() | NotStarted():
            return outcome.message
        case TimedOut():
            return f"{outcome.argv[0]} did not answer within {outcome.timeout_s:g} s"
        case _:
            return f"{outcome.argv[0]} printed more than {outcome.cap} bytes"


def _carrying(answer: Answer, token: str) -> Answer:
    if isinstance(answer, Unavailable):
        return answer
    return replace(answer, rows=tuple(row for row in answer.rows if row.token == token))


def _text_of(script: Path) -> str:
    try:
        return script.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""  # only the place of the batch log is asked for; the job is accepted already
