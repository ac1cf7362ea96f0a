"""One plan becomes one job that runs, whatever happens to the client or the scheduler in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose_core.cluster.engine import Accepted, Ambiguous, Refused, SubmitRequest
from compose_core.cluster.token_mark import claim_argument
from compose_core.errors import (
    EnvironmentProblem,
    HpccError,
    RecordError,
    SchedulerRefused,
    SchedulerUnreachable,
    SubmissionUnresolved,
    UsageError,
)
from compose_core.plan.model import Plan
from compose_core.records.atomic import create_file, make_new_folder, names_in, remove_file
from compose_core.records.cancel_mark import cancel_is_requested
from compose_core.records.intent import Intent
from compose_core.records.job_record import JobRecord, SweepPlace
from compose_core.records.journal import JournalEntry, append_journal
from compose_core.records.outcome import Outcome
from compose_core.records.token import RANDOM_BYTES, new_token
from compose_core.submission.context import SubmitContext
from compose_core.submission.dependencies import check_dependency
from compose_core.submission.facts import job_facts, job_record, script_bytes, sha256_of
from compose_core.submission.resolve import (
    Resolution,
    cancel_now,
    close,
    latest_handover,
    look,
    new_handover,
    resolve,
    resolve_pending,
)
from compose_core.submission.resume_drift import refuse_drift
from compose_core.submission.run_keys import take_key, token_of_key
from compose_core.submission.secret_sources import tell_secret_problems
from compose_core.submission.settle import claim_for, finish, read_record, write_outcome

_LONGEST_WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that the scheduler has."""

    record: JobRecord
    attached: bool = False
    """True: the run key stood for this job already; nothing was submitted."""
    how: str = "answer"
    """What said so: the scheduler's `answer`, or a search in `queue`, `accounting` or `claim`."""
    cancelled: bool = False
    """Somebody cancelled it meanwhile."""
    notice: str = ""
    """What the submit command said although it succeeded."""

    @property
    def token(self) -> str:
        """The token of the submission."""
        return self.record.submission_token

    @property
    def job_id(self) -> str:
        """The scheduler's id."""
        return self.record.job_id

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "token": self.token,
            "job_id": self.job_id,
            "cluster": self.record.cluster,
            "attached": self.attached,
            "how": self.how,
            "cancelled": self.cancelled,
            "notice": self.notice,
            "record": self.record.as_json(),
        }


def submit_plan(
    context: SubmitContext,
    plan: Plan,
    script: str,
    *,
    run_key: str | None = None,
    kind: str = "main",
    sweep: SweepPlace | None = None,
    extra_args: Sequence[str] = (),
    allow_resume_changes: bool = False,
) -> Submission:
    """The one job of this plan; with a run key that is in use, the job that it stands for.

    Raises: UsageError: a path or the run key is no text.  SchedulerRefused: there is no job, and why.
    HpccError: it would go on from a run that was configured differently.  SpecError: a secret cannot be had.
    SchedulerUnreachable, SubmissionUnresolved: it is not known yet; the next command finds out.  RecordError: nothing
    was submitted, because it could not be written down.
    """
    _check_texts(plan, run_key)
    _settle_earlier(context)
    while True:
        token, after = token_of_key(context, run_key) if run_key is not None else (None, None)
        if token is not None:
            attached = _attach(context, token)
            if attached is None:
                continue  # it came to nothing meanwhile
            _warn_of_other_script(context, attached, script)
            return attached
        tell_secret_problems(context, plan)
        if not allow_resume_changes:
            refuse_drift(plan)
        if plan.dependency is not None and context.engine.name == "slurm":
            check_dependency(context, plan.dependency)
        intent = _write_intent(
            context, plan, script, run_key=run_key, kind=kind, sweep=sweep, extra_args=tuple(extra_args)
        )
        if run_key is not None and not take_key(context, run_key, intent.token, after=after):
            _discard(context, intent.token)
            continue
        _write_journal(context, intent)
        return _hand_over(context, intent)


def _check_texts(plan: Plan, run_key: str | None) -> None:
    """File names may hold bytes that are no text; records cannot."""
    for what, text in (
        ("the run key", run_key),
        ("the path", plan.compose_file),
        ("the runtime root", plan.runtime_root),
    ):
        try:
            (text or "").encode()
        except UnicodeEncodeError:
            raise UsageError(f"{what} {text!r} is not UTF-8", remedy="Use another name.", code="not-utf-8") from None


def _settle_earlier(context: SubmitContext) -> None:
    """Find out about earlier submissions first.

    Raises: SubmissionUnresolved: the scheduler does not answer, so it would not take a new one either.
    """
    for resolution in resolve_pending(context):
        if resolution.status == "unanswered" and resolution.engine == context.engine.name:
            raise SubmissionUnresolved(
                f"it is not known yet whether submission {resolution.token} was accepted: {resolution.message}",
                remedy="Run the command again when the scheduler answers; nothing was submitted now.",
            )
        if resolution.status in {"unanswered", "doubtful", "broken"}:
            context.tell("warning", f"submission {resolution.token}: {resolution.message}", token=resolution.token)


def _attach(context: SubmitContext, token: str) -> Submission | None:
    """The job that the token became, waiting for the client at work on it; None when it came to nothing."""
    deadline = context.clock.monotonic() + context.patience.deadline_s
    wait_s = context.patience.poll_s
    while True:
        resolution = resolve(context, token)
        if resolution.outcome:
            return attached(context, token, resolution.outcome)
        if resolution.status == "absent":
            intent = _read_intent(context, token)
            return _hand_over(context, intent)
        if resolution.status == "broken":
            raise RecordError(f"submission {token}: {resolution.message}", remedy="Use another run key.")
        if context.clock.monotonic() >= deadline:
            raise SubmissionUnresolved(
                f"it is not known yet what became of submission {token}: {resolution.message}",
                remedy="Run the same command again: with the same run key it never submits twice.",
            )
        context.tell("waiting", f"submission {token}: {resolution.message}", token=token)
        context.clock.sleep(wait_s)
        wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)


def attached(context: SubmitContext, token: str, outcome: Outcome) -> Submission | None:
    """The job that a settled submission became; None when it came to nothing."""
    if outcome.job_id is None:
        return None
    intent = _read_intent(context, token)
    record = read_record(context, outcome.job_id, token) or finish(context, intent, outcome)
    assert record is not None
    context.tell("attached", f"the run key stands for job {record.job_id}", token=token, job_id=record.job_id)
    return Submission(record=record, attached=True, how=outcome.how)


def _warn_of_other_script(context: SubmitContext, attached: Submission, script: str) -> None:
    if sha256_of(script) != attached.record.script_sha256:
        message = f"the run key stands for job {attached.job_id}, which was submitted with another script than this one"
        context.tell("warning", message, token=attached.token, job_id=attached.job_id)


def _write_intent(
    context: SubmitContext,
    plan: Plan,
    script: str,
    *,
    run_key: str | None,
    extra_args: tuple[str, ...],
    kind: str = "main",
    sweep: SweepPlace | None = None,
) -> Intent:
    """What is about to be submitted, on disk.

    Raises: RecordError: it cannot be written; nothing was submitted.
    """
    token = _reserve_token(context)
    paths = context.project.submission(token)
    process = context.client.process
    facts = job_facts(
        context, plan, script, token=token, run_key=run_key, kind=kind, sweep=sweep, extra_args=extra_args
    )
    intent = Intent(
        token=token,
        run_key=run_key,
        engine=context.engine.name,
        kind=facts.kind,
        name=facts.name,
        compose_file=facts.compose_file,
        project_dir=facts.submit_dir,
        spec_sha256=facts.spec_sha256,
        script_sha256=facts.script_sha256,
        submit_argv=(*extra_args, str(paths.script), claim_argument(token)),
        secret_variables=tuple(dict.fromkeys(secret.env for secret in plan.secrets if secret.env is not None)),
        created_at=context.clock.now(),
        host=process.host,
        boot_id=process.boot_id,
        pid=process.pid,
        start_ticks=process.start_ticks,
        user=context.client.user,
        facts=facts,
    )
    try:
        create_file(paths.script, script_bytes(script))
        intent.create(paths.intent)
    except RecordError:
        _discard(context, token)
        raise
    context.tell("intent", f"{plan.name} is about to be submitted", token=token)
    return intent


def _reserve_token(context: SubmitContext) -> str:
    while True:
        token = new_token(context.clock.now(), context.random_bytes(RANDOM_BYTES))
        create_file(context.project.unresolved_mark(token), b"")
        if make_new_folder(context.project.submission(token).folder):
            return token


def _write_journal(context: SubmitContext, intent: Intent) -> None:
    """The second copy, which survives the loss of the project folder; a full home folder does not stop the job."""
    entry = JournalEntry(
        at=intent.created_at,
        token=intent.token,
        run_key=intent.run_key,
        engine=intent.engine,
        project_dir=intent.project_dir,
        compose_file=intent.compose_file,
        name=intent.name,
    )
    try:
        append_journal(context.state.journal, entry)
    except RecordError as error:
        context.tell("warning", f"the journal of all submissions lacks this one: {error.message}", token=intent.token)


def _hand_over(context: SubmitContext, intent: Intent) -> Submission:
    """Hand the script to the scheduler, again only when it is known not to have taken it."""
    for _ in range(context.patience.handovers):
        if cancel_is_requested(context.project.submission(intent.token)):
            return _cancelled(context, intent)
        earlier = latest_handover(context, intent.token)
        attempt = earlier.attempt + 1 if earlier else 1
        mark = new_handover(context, intent.token, attempt)
        if not mark.create(context.project.submission(intent.token).handover(attempt)):
            return _after_another(context, intent)
        remove_file(context.project.submission(intent.token).absence)
        context.tell("submitting", f"{intent.name} is handed to the scheduler", token=intent.token)
        submission = _try_once(context, intent, attempt)
        if submission is not None:
            return submission
        context.tell("absent", "the scheduler did not take it; once more", token=intent.token)
    _give_up(context, intent)
    raise SchedulerUnreachable(
        f"the scheduler did not take {intent.name} in {context.patience.handovers} attempts",
        remedy="Run the command again when the scheduler answers.",
    )


def _try_once(context: SubmitContext, intent: Intent, attempt: int) -> Submission | None:
    """The job; None when it is known that the scheduler did not take it."""
    request = SubmitRequest(
        token=intent.token,
        script=context.project.submission(intent.token).script.path,
        project_dir=context.project.project_dir,
        job_name=intent.name,
        extra_args=intent.submit_argv[:-2],
        secret_variables=intent.secret_variables,
        runtime_root=Path(intent.facts.runtime_root),
    )
    engine = context.engine_named(intent.engine)
    if engine is None:
        raise SubmissionUnresolved(
            f"submission {intent.token} went to the {intent.engine} engine",
            remedy=f"Run the command again with --engine {intent.engine}.",
        )
    try:
        answer = engine.submit(request)
    except EnvironmentProblem as error:
        _close_refused(context, intent, error.message)
        raise
    match answer:
        case Accepted():
            return _accepted(context, intent, attempt, answer)
        case Refused(kind="unreachable"):
            return _in_doubt(context, intent, answer.message, unreachable=True, remedy=answer.remedy)
        case Refused():
            return _refused(context, intent, attempt, answer)
        case Ambiguous():
            return _in_doubt(context, intent, answer.message, unreachable=False)


def _accepted(context: SubmitContext, intent: Intent, attempt: int, answer: Accepted) -> Submission:
    """Write down the job; from here on nothing may fail the command, the scheduler has the job."""
    context.tell("accepted", f"job {answer.job_id}", token=intent.token, job_id=answer.job_id)
    now = context.clock.now()
    record = job_record(
        intent.facts,
        answer.job_id,
        submitted_at=now,
        user=intent.user,
        cluster=answer.cluster,
        batch_log=answer.batch_log,
    )
    outcome = Outcome(token=intent.token, outcome="submitted", job_id=answer.job_id, cluster=answer.cluster, at=now)
    try:
        if attempt > 1 and claim_for(context, intent.token, answer.job_id) != answer.job_id:
            return _after_another(context, intent)  # an earlier attempt was taken after all
        newer = latest_handover(context, intent.token)
        if newer and newer.attempt > attempt:
            return _after_another(context, intent)
        outcome = write_outcome(context, outcome)
        if outcome.job_id != answer.job_id:
            return _after_another(context, intent)
    except RecordError as error:
        context.tell("warning", f"{error.message}; the next command writes it", token=intent.token)
        return Submission(record=record, notice=answer.notice)
    finish(context, intent, outcome, record)
    cancelled = cancel_is_requested(context.project.submission(intent.token))
    if cancelled:
        cancel_now(context, intent, answer.job_id)
    return Submission(record=record, notice=answer.notice, cancelled=cancelled)


def _refused(context: SubmitContext, intent: Intent, attempt: int, answer: Refused) -> Submission:
    """Close the submission, unless an earlier attempt was taken after all.

    Raises: SchedulerRefused: there is no job.  SchedulerUnreachable: nor was the scheduler asked for one.
    """
    if attempt > 1:
        resolution = look(context, intent, mine=True)
        if resolution.job_id:
            return _submission(context, intent, resolution)
    closed = _close_refused(context, intent, answer.message)
    if closed is not None and closed.job_id:
        return _submission(context, intent, closed)
    if answer.kind == "unconfigured":
        raise SchedulerUnreachable(answer.message, remedy=answer.remedy)
    raise SchedulerRefused(answer.message, remedy=answer.remedy, code=f"refused-{answer.kind}")


def _close_refused(context: SubmitContext, intent: Intent, message: str) -> Resolution | None:
    try:
        return close(context, intent, "refused", message)
    except RecordError as error:
        context.tell("warning", error.message, token=intent.token)
        return None


def _in_doubt(
    context: SubmitContext, intent: Intent, message: str, *, unreachable: bool, remedy: str = ""
) -> Submission | None:
    """Look for the job until it is found or known to be absent (None).

    Raises: SchedulerUnreachable: no controller took the request and none answers.  SubmissionUnresolved: still not
    known at the deadline.  In both cases the intent is kept.
    """
    context.tell("doubt", f"it is not known whether the scheduler took it: {message}", token=intent.token)
    try:
        resolution = _look_until_known(context, intent, once=unreachable)
    except BaseException:  # also when interrupted: the next command need not wait for this one
        _give_up(context, intent)
        raise
    if resolution.outcome:
        return _submission(context, intent, resolution)
    if resolution.status == "absent":
        return None
    _give_up(context, intent)
    kept = f"The submission is kept as {intent.token}; the next command finds out and never submits it twice."
    if unreachable and resolution.status == "unanswered":
        raise SchedulerUnreachable(message, remedy=f"{remedy} {kept}".strip())
    raise SubmissionUnresolved(f"it is not known whether the scheduler took the job: {message}", remedy=kept)


def _look_until_known(context: SubmitContext, intent: Intent, *, once: bool) -> Resolution:
    """The first look that settles it, or the last one before the deadline; `once`: do not wait for a queue that is silent."""
    deadline = context.clock.monotonic() + context.patience.deadline_s
    wait_s = context.patience.poll_s
    while True:
        resolution = look(context, intent, mine=True)
        if resolution.outcome or resolution.status == "absent":
            return resolution
        if (once and resolution.status == "unanswered") or context.clock.monotonic() >= deadline:
            return resolution
        context.clock.sleep(wait_s)
        wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)


def _after_another(context: SubmitContext, intent: Intent) -> Submission:
    """Another client works on this submission too: what it became is what counts.

    Raises: SchedulerRefused: it came to nothing.
    """
    _give_up(context, intent)
    submission = _attach(context, intent.token)
    if submission is None:
        raise SchedulerRefused(f"submission {intent.token} was closed by another command; there is no job")
    return submission


def _submission(context: SubmitContext, intent: Intent, resolution: Resolution) -> Submission:
    """The job of a settled submission.

    Raises: SchedulerRefused: it was settled without a job.
    """
    outcome = resolution.outcome
    assert outcome is not None
    if outcome.job_id is None:
        raise SchedulerRefused(f"submission {intent.token} was {outcome.outcome}: {outcome.message}")
    record = read_record(context, outcome.job_id, intent.token) or finish(context, intent, outcome)
    assert record is not None
    return Submission(
        record=record, how=outcome.how, cancelled=cancel_is_requested(context.project.submission(intent.token))
    )


def _cancelled(context: SubmitContext, intent: Intent) -> Submission:
    resolution = close(context, intent, "cancelled", "cancelled before it was submitted")
    return _submission(context, intent, resolution)


def _give_up(context: SubmitContext, intent: Intent) -> None:
    """This client does not pursue it any further, so the next command need not wait for it."""
    try:
        mark = latest_handover(context, intent.token)
        if mark and mark.pid == context.client.process.pid and mark.host == context.client.process.host:
            path = context.project.submission(intent.token).handover(mark.attempt)
            mark.model_copy(update={"given_up": True}).replace(path)
    except RecordError as error:
        context.tell("warning", error.message, token=intent.token)


def _discard(context: SubmitContext, token: str) -> None:
    """A folder that this client made and that leads nowhere."""
    folder = context.project.submission(token).folder
    try:
        for name in names_in(folder):
            remove_file(folder / name.name)
        folder.path.rmdir()
        remove_file(context.project.unresolved_mark(token))
    except (RecordError, OSError) as error:
        context.tell("warning", f"{folder} could not be removed: {error}", token=token)


def _read_intent(context: SubmitContext, token: str) -> Intent:
    intent = Intent.read(context.project.submission(token).intent)
    if intent is None:
        raise HpccError(f"submission {token} has no intent.json", remedy="Use another run key.")
    return intent
