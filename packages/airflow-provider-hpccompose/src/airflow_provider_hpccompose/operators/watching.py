"""The half of an operator that waits for a job, deferred or in the worker, and decides what its end means."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import JobHandle, JobReport
from airflow_provider_hpccompose.durations import duration, duration_or_none
from airflow_provider_hpccompose.exceptions import HpcComposeRunTimeout, HpcComposeUnreachable
from airflow_provider_hpccompose.failures import (
    FATAL_PENDING_REASONS,
    OnExternalCancel,
    failure_of_event,
    failure_of_report,
    needs_cancel,
)
from airflow_provider_hpccompose.job_results import handle_from
from airflow_provider_hpccompose.links import JOB_KEY
from airflow_provider_hpccompose.log_stream import BYTES_PER_LOOK, LogStream
from airflow_provider_hpccompose.operators.job_owner import JobOperator, is_last_try
from airflow_provider_hpccompose.triggers.waiting import Ignorance, Status, Terms, outcome
from compose_core import SystemClock

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import AirflowException, Context

CLOCK = SystemClock()
_FAIL = "__fail__"
"""What Airflow resumes a task with when its trigger raised an error or its deferral took too long."""
_TRIGGER_TIMEOUT = "Trigger timeout"
_LEAST_POLL_S = 1.0


class WatchingOperator(JobOperator):
    """Arguments that say how a job is waited for.

    Durations are `timedelta`s or seconds.

    :param deferrable: Wait in the triggerer; False: in the worker.
    :param poll_seconds: How often the cluster is asked; the connection's unless it is said.
    :param min_defer_seconds: The deferral lasts so long at least, because Airflow 3.3 can take a task for failed that is resumed at once.
    :param queue_timeout: The job is cancelled when it waits longer than this for its start.
    :param run_timeout: The job is cancelled when the task, waiting included, takes longer than this; `execution_timeout` unless it is said.
    :param outage_timeout: The task fails, and its job goes on, when the cluster does not answer for so long.
    :param fatal_pending_reasons: Reasons of a waiting job that end it, because it would wait for ever.
    :param on_external_cancel: What it means that somebody else cancelled the job: `fail`, `retry` or `skip`.
    :param skip_on_exit_code: Exit codes of the job that skip the task.
    :param log_services: Whose output appears in the task's log: `all`, `none`, or a list of services (`batch` is the batch log).
    """

    def __init__(
        self,
        *,
        deferrable: bool = True,
        poll_seconds: float | None = None,
        min_defer_seconds: float = 10.0,
        queue_timeout: timedelta | float | None = None,
        run_timeout: timedelta | float | None = None,
        outage_timeout: timedelta | float = timedelta(hours=1),
        fatal_pending_reasons: Sequence[str] = FATAL_PENDING_REASONS,
        on_external_cancel: OnExternalCancel = "fail",
        skip_on_exit_code: int | Collection[int] | None = None,
        log_services: Sequence[str] | Literal["all", "none"] = "all",
        on_kill_action: Literal["cancel", "keep"] = "cancel",
        **task_options: Any,
    ) -> None:
        super().__init__(**task_options)
        self.deferrable = deferrable
        self.poll_seconds = poll_seconds
        self.min_defer_seconds = min_defer_seconds
        self.queue_timeout = duration_or_none(queue_timeout, "queue_timeout")
        self.run_timeout = duration_or_none(run_timeout, "run_timeout")
        self.outage_timeout = duration(outage_timeout, "outage_timeout")
        self.fatal_pending_reasons = tuple(fatal_pending_reasons)
        self.on_external_cancel = on_external_cancel
        self.skip_on_exit_code = skip_on_exit_code
        self.log_services = log_services
        self.on_kill_action = on_kill_action
        self._job_file = ""
        self._reported: dict[str, Any] = {}

    def wait_for(self, context: Context, handle: JobHandle, report: JobReport | None = None) -> dict[str, Any]:
        """The result once the job is over; with `deferrable` the task is deferred, and `execute_complete` gives it.

        Raises: HpcComposeError: the job did not end well, or a limit of the wait was reached.  TaskDeferred: the wait begins.
        """
        self._job = handle
        with self.no_orphan(context):
            report = report or self._look(handle)
            if report is not None and report.is_over:
                return self._ended(context, handle, report, {})
            if self.deferrable:
                self._defer(context, handle)  # which raises
            return self._wait_here(context, handle)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """The result, once the trigger has fired.

        Raises: HpcComposeError: the job did not end well, or a limit of the wait was reached.
        """
        handle = JobHandle.from_json(event["job_ref"])
        self._job = handle
        if event["status"] == "done" and event.get("snapshot"):
            return self._ended(context, handle, JobReport.from_json(event["snapshot"]), event.get("log_offsets") or {})
        raise self._given_up(context, handle, event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As Airflow does, but a deferral that took too long, or a broken trigger at the last try, leaves no job behind."""
        if next_method == _FAIL:
            self._clean_up_after_trigger(str((next_kwargs or {}).get("error", "")), context)
        return super().resume_execution(next_method, next_kwargs, context)

    def result(self, context: Context, handle: JobHandle, report: JobReport) -> dict[str, Any]:
        """What the task returns for a job that ended well."""
        raise NotImplementedError

    def interval_s(self) -> float:
        """Seconds from one look at the cluster to the next."""
        asked = self.poll_seconds if self.poll_seconds is not None else self.hook.settings.poll_seconds
        return max(_LEAST_POLL_S, float(asked))

    def _look(self, handle: JobHandle) -> JobReport | None:
        """How the job is; None when the cluster does not say so now, which the wait will bear."""
        try:
            with told_to_airflow():
                report = self.door.observe([handle])[0]
        except HpcComposeUnreachable as error:
            self.log.warning("The cluster does not answer, the wait goes on: %s", error)
            return None
        return None if report.verdict == "unreachable" else report

    def _defer(self, context: Context, handle: JobHandle) -> None:
        from airflow_provider_hpccompose.triggers.hpccompose import HpcComposeTrigger

        now, deadline = CLOCK.now(), self._deadline(context)
        backstop = None if deadline is None else max(0.0, deadline - now) + max(600.0, 4 * self.interval_s())
        self.defer(
            trigger=HpcComposeTrigger(
                hpccompose_conn_id=self.hpccompose_conn_id,
                job_ref=handle.as_json(),
                key=handle.key,
                poll_seconds=self.interval_s(),
                min_defer_seconds=self.min_defer_seconds,
                created_at=now,
                deadline=deadline,
                queue_deadline=self._queue_deadline(handle),
                log_services=self._log_services(),
                on_kill_action=self.on_kill_action,
                outage_timeout=self.outage_timeout.total_seconds(),
                fatal_pending_reasons=self.fatal_pending_reasons,
            ),
            method_name="execute_complete",
            timeout=None if backstop is None else timedelta(seconds=backstop),
        )

    def _wait_here(self, context: Context, handle: JobHandle) -> dict[str, Any]:
        """Look after look in the worker, by the same terms as the trigger."""
        terms = Terms(
            deadline=self._deadline(context),
            queue_deadline=self._queue_deadline(handle),
            fatal_reasons=frozenset(self.fatal_pending_reasons),
            outage_s=self.outage_timeout.total_seconds(),
        )
        stream, heard_at, report = LogStream(write=self._write), CLOCK.monotonic(), None
        ignorance = Ignorance()
        while True:
            news = self._look(handle)
            if news is not None:
                report, heard_at = news, CLOCK.monotonic()
                self._show_logs(handle, stream)
            silent_s = CLOCK.monotonic() - heard_at
            status = outcome(
                terms,
                report,
                now=CLOCK.now(),
                silent_s=silent_s,
                is_silent=news is None,
                unknown_s=ignorance.after(report, heard_at),
            )
            if status is not None:
                break
            CLOCK.sleep(self.interval_s())
        if status == "done" and report is not None:
            return self._ended(context, handle, report, stream.offsets)
        raise self._given_up(context, handle, _event(status, handle, report))

    def _ended(
        self, context: Context, handle: JobHandle, report: JobReport, offsets: Mapping[str, int]
    ) -> dict[str, Any]:
        """The result of a job that is over.

        Raises: HpcComposeError, AirflowSkipException: it did not end well.
        """
        self._job = None  # nothing is left that a kill could end
        self._job_file = handle.compose_file
        self._reported = handle.as_json()
        self._show_logs(handle, LogStream(write=self._write, offsets=dict(offsets)), is_last=True)
        failure = failure_of_report(
            report.as_json(),
            job_id=handle.job_id,
            resumable=report.resumes,
            on_external_cancel=self.on_external_cancel,
            skip_on_exit_code=self.skip_on_exit_code,
        )
        if failure is not None:
            raise failure
        self.log.info("Job %s ended %s.", handle.job_id, report.state)
        self._reported = self.result(context, handle, report)
        return self._reported

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """What OpenLineage is told, also of a task that failed: the compose file as input, exported artifacts as outputs, the job's id."""
        from airflow_provider_hpccompose.openlineage import lineage_of

        return lineage_of(self._reported, compose_file=self._job_file or None)

    def _given_up(self, context: Context, handle: JobHandle, event: Mapping[str, Any]) -> AirflowException:
        """What to raise when the wait ended before the job; that is cancelled where a limit says so or no further try would find it."""
        status = str(event["status"])
        if needs_cancel(status):
            self.end_quietly(handle, f"The wait ended with {status}")
        elif status == "outage" and is_last_try(context) and self.on_kill_action == "cancel":
            self.end_quietly(handle, "This was the last try")
        self._job = None
        failure = failure_of_event({"snapshot": None, **event}, on_external_cancel=self.on_external_cancel)
        return failure or HpcComposeRunTimeout(f"The wait for job {handle.job_id} ended with {status}.")

    def _clean_up_after_trigger(self, error: str, context: Context) -> None:
        """A job whose trigger failed is found again by the next try; without one, or when its time is up, it ends."""
        pushed = context["ti"].xcom_pull(task_ids=self.task_id, key=JOB_KEY, map_indexes=context["ti"].map_index)
        if pushed is None:
            self.log.warning("There is no job in XCom; if there is one on the cluster, the next try finds it.")
            return
        if error == _TRIGGER_TIMEOUT:
            self.end_quietly(handle_from(pushed), "The deferral took too long")
        elif is_last_try(context) and self.on_kill_action == "cancel":
            self.end_quietly(handle_from(pushed), "The trigger failed at the last try")
        else:
            self.log.info("The trigger failed; job %s goes on, and the next try finds it.", pushed["job_id"])

    def _show_logs(self, handle: JobHandle, stream: LogStream, *, is_last: bool = False) -> None:
        """What the services wrote since the last look; a log that cannot be read ends nothing."""
        from compose_core import HpccError

        services = self._log_services()
        if services == []:
            return
        try:
            chunk = self.door.logs(handle, stream.offsets, BYTES_PER_LOOK, services=services, is_last=is_last)
        except HpccError as error:
            self.log.warning("The services' logs cannot be read now: %s", error)
            return
        stream.show(chunk)

    def _log_services(self) -> list[str] | None:
        if self.log_services == "all":
            return None
        return [] if self.log_services == "none" else list(self.log_services)

    def _deadline(self, context: Context) -> float | None:
        limit = self.run_timeout or self.execution_timeout
        if limit is None:
            return None
        start: datetime | None = context["ti"].start_date  # kept over deferrals
        return (start.timestamp() if start is not None else CLOCK.now()) + float(limit.total_seconds())

    def _queue_deadline(self, handle: JobHandle) -> float | None:
        return None if self.queue_timeout is None else handle.submitted_at + self.queue_timeout.total_seconds()

    def _write(self, line: str) -> None:
        self.log.info("%s", line)


def _event(status: Status, handle: JobHandle, report: JobReport | None) -> dict[str, Any]:
    return {
        "v": 1,
        "status": status,
        "job_ref": handle.as_json(),
        "snapshot": report.as_json() if report is not None else None,
    }
