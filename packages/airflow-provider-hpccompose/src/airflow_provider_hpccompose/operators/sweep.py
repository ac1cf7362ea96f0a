"""The operators of a sweep that runs as job arrays: submit it once, watch it or parts of it, end it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.durations import duration, duration_or_none
from airflow_provider_hpccompose.exceptions import (
    HpcComposeCancelled,
    HpcComposeError,
    HpcComposeRunTimeout,
    HpcComposeSpecError,
    HpcComposeUnreachable,
)
from airflow_provider_hpccompose.identity import TaskIdentity, job_key
from airflow_provider_hpccompose.operators.connected import ConnectedOperator, instance_id
from airflow_provider_hpccompose.operators.job_owner import is_last_try
from airflow_provider_hpccompose.operators.spec_source import SPEC_RENDERERS
from airflow_provider_hpccompose.operators.sweep_source import (
    SOURCE_FIELDS,
    SweepSourceOperator,
    sweeps_of,
)
from airflow_provider_hpccompose.patience import PATIENCE, ask_patiently
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport, SweepRequest
from airflow_provider_hpccompose.sweep_progress import counts
from airflow_provider_hpccompose.sweep_results import sweep_from
from airflow_provider_hpccompose.sweeps import chunks
from compose_core import SystemClock

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

CLOCK = SystemClock()
SWEEP_KEY = "sweep"
"""XCom key of the sweep's handle."""
_GENERATIONS_LOOKED_FOR = 64


class HpcComposeSweepSubmitOperator(SweepSourceOperator):
    """Submits all trials of a sweep as job arrays, once, however often the task is tried; returns the sweep's handle at once.

    The arguments are those of `SweepSourceOperator`, and

    :param throttle: So many trials run at once, whatever the file says.
    :param prepare: Make images ready before anything is submitted, which may take minutes; False: they have to be.
    :param preflight: `warn`: what the trials cannot run without ends the task; `strict`: warnings, too; `off`.
    :param chunk: Return rows for `HpcComposeSweepWatchOperator.expand_kwargs`, one for each so many trials, instead of the handle.
    :param on_clear: What becomes of the sweep when the task was cleared: `cancel` it and submit a new one, or `keep` it running.
    :param on_kill_action: What becomes of it when the task is killed or fails for the last time: `cancel` or `keep`.
    :param submit_patience: How long a silent scheduler is asked again before the try fails as unreachable.

    The handle is XCom `sweep` in any case. Trials that a limit of the account left over fail the task; its next try submits them.
    """

    template_fields: Sequence[str] = (*SOURCE_FIELDS, "throttle")
    template_ext: Sequence[str] = ()
    template_fields_renderers: ClassVar[dict[str, str]] = SPEC_RENDERERS
    ui_color = "#dcecf7"

    def __init__(
        self,
        *,
        throttle: int | None = None,
        chunk: int | None = None,
        prepare: bool = True,
        preflight: Literal["off", "warn", "strict"] = "warn",
        on_clear: Literal["cancel", "keep"] = "cancel",
        on_kill_action: Literal["cancel", "keep"] = "cancel",
        submit_patience: timedelta | float = PATIENCE,
        **source_options: Any,
    ) -> None:
        super().__init__(**source_options)
        self.throttle = throttle
        self.chunk = chunk
        self.prepare = prepare
        self.preflight = preflight
        self.on_clear = on_clear
        self.on_kill_action = on_kill_action
        self.submit_patience = duration(submit_patience, "submit_patience", may_be_zero=True)
        self._sweep: SweepHandle | None = None
        self._is_killed = False

    def execute(self, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
        """The handle, or the parts to watch.

        Raises: HpcComposeError: not all trials were submitted, or nobody knows, and why.
        """
        request = self.keyed_request(context)
        handle = ask_patiently(lambda: self._submitted(request), self.submit_patience)
        self._sweep = handle
        if self._is_killed:  # in the meantime, when there was no sweep to end yet
            self.on_kill()
            raise HpcComposeCancelled(f"The task was killed while sweep {handle.sweep_id} was submitted.")
        context["ti"].xcom_push(key=SWEEP_KEY, value=handle.as_json())
        verb = "is found again" if handle.attached else "was submitted"
        self.log.info(
            "Sweep %s %s: %d trials, job arrays %s",
            handle.sweep_id,
            verb,
            handle.trials,
            ", ".join(handle.jobs) or "none",
        )
        if handle.refused:
            self._refused(context, handle)
        self._sweep = None  # it outlives the task
        return handle.as_json() if self.chunk is None else chunks(handle.trials, self.chunk)

    def keyed_request(self, context: Context) -> SweepRequest:
        """What is submitted, under the key of this generation, instead of those before."""
        identity = self.identity(context)
        generation = identity.trusted_generation(())
        earlier = range(1, generation) if self.on_clear == "cancel" else ()
        request = self.request(
            context,
            key=job_key(identity.base_key, generation),
            supersedes=[job_key(identity.base_key, number) for number in earlier],
            throttle=_whole_number(self.throttle, "throttle"),
        )
        labels = {**request.labels, "on_kill": self.on_kill_action, "on_clear": self.on_clear}
        return replace(request, labels=labels, prepare=self.prepare, preflight=self.preflight)

    def on_kill(self) -> None:
        """The worker is told to stop while it submits; Airflow lets it go on for some seconds after that."""
        self._is_killed = True
        if self._sweep is not None and self.on_kill_action == "cancel":
            stop_quietly(self, self._sweep, "The task was killed")

    def _submitted(self, request: SweepRequest) -> SweepHandle:
        with told_to_airflow():
            return sweeps_of(self).submit_sweep(request)

    def _refused(self, context: Context, handle: SweepHandle) -> NoReturn:
        if is_last_try(context) and self.on_kill_action == "cancel":
            stop_quietly(self, handle, "This was the last try")
        self._sweep = None
        raise HpcComposeError(
            f"{handle.refused} of {handle.trials} trials were not submitted: {'; '.join(handle.refusals)} "
            "The others run; the next try submits what is missing."
        )


class HpcComposeSweepWatchOperator(ConnectedOperator):
    """Waits until a sweep, or a part of it, is over; returns how many trials completed and failed.

    Trials that fail do not fail this task: `HpcComposeSweepCollectOperator` decides how many have to complete.

    :param sweep: The handle, which `HpcComposeSweepSubmitOperator` pushes as XCom `sweep`.
    :param first: The first trial of the part, from 0.
    :param count: How many trials it has; all that follow unless it is said.
    :param chunk_name: What a mapped task is called: `map_index_template="{{ task.chunk_name }}"`.
    :param deferrable: Wait in the triggerer; False: in the worker.
    :param poll_seconds: How often the cluster is asked; the connection's unless it is said.
    :param run_timeout: The task fails when it takes longer; the sweep goes on unless a teardown ends it.
    :param outage_timeout: The task fails, and the sweep goes on, when the cluster does not answer for so long.
    """

    template_fields: Sequence[str] = ("sweep", "first", "count", "hpccompose_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"sweep": "json"}
    ui_color = "#dcecf7"

    def __init__(
        self,
        *,
        sweep: Any,
        first: int = 0,
        count: int | None = None,
        chunk_name: str | None = None,
        deferrable: bool = True,
        poll_seconds: float | None = None,
        min_defer_seconds: float = 10.0,
        run_timeout: timedelta | float | None = None,
        outage_timeout: timedelta | float = timedelta(hours=1),
        **task_options: Any,
    ) -> None:
        super().__init__(**task_options)
        self.sweep = sweep
        self.first = first
        self.count = count
        self.chunk_name = chunk_name
        self.deferrable = deferrable
        self.poll_seconds = poll_seconds
        self.min_defer_seconds = min_defer_seconds
        self.run_timeout = duration_or_none(run_timeout, "run_timeout")
        self.outage_timeout = duration(outage_timeout, "outage_timeout")

    def execute(self, context: Context) -> dict[str, Any]:
        """The counts, when the part is over already or the task does not defer.

        Raises: HpcComposeError: a limit of the wait was reached.  TaskDeferred: the wait begins.
        """
        handle = sweep_from(self.sweep)
        report = self._look(handle)
        if report is not None and report.is_over:
            return self._ended(counts(report))
        if self.deferrable:
            self._defer(context, handle)
        return self._wait_here(context, handle)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """The counts, once the trigger has fired.

        Raises: HpcComposeError: a limit of the wait was reached.
        """
        if event["status"] in ("done", "over") and event.get("progress"):
            return self._ended(event["progress"])
        raise self._failure(str(event["status"]), str(event.get("message") or ""))

    def _look(self, handle: SweepHandle) -> SweepReport | None:
        """How the part is; None when the cluster does not say so now."""
        try:
            with told_to_airflow():
                report = (
                    sweeps_of(self).sweep_state(handle).part(_number(self.first), _whole_number(self.count, "count"))
                )
        except HpcComposeUnreachable as error:
            self.log.warning("The cluster does not answer, the wait goes on: %s", error)
            return None
        return None if report.is_unreachable else report

    def _defer(self, context: Context, handle: SweepHandle) -> NoReturn:
        from airflow_provider_hpccompose.triggers.sweeps import HpcComposeSweepTrigger

        now, deadline = CLOCK.now(), self._deadline(context)
        backstop = None if deadline is None else timedelta(seconds=max(0.0, deadline - now) + 600.0)
        self.defer(
            trigger=HpcComposeSweepTrigger(
                hpccompose_conn_id=self.hpccompose_conn_id,
                project_dir=handle.project_dir,
                sweep_id=handle.sweep_id,
                first=_number(self.first),
                count=_whole_number(self.count, "count"),
                poll_seconds=self._interval_s(),
                min_defer_seconds=self.min_defer_seconds,
                created_at=now,
                deadline=deadline,
                outage_timeout=self.outage_timeout.total_seconds(),
            ),
            method_name="execute_complete",
            timeout=backstop,
        )
        raise AssertionError("defer() raises TaskDeferred")

    def _wait_here(self, context: Context, handle: SweepHandle) -> dict[str, Any]:
        deadline, heard_at = self._deadline(context), CLOCK.monotonic()
        while True:
            report = self._look(handle)
            if report is not None:
                heard_at = CLOCK.monotonic()
                if report.is_over:
                    return self._ended(counts(report))
            elif CLOCK.monotonic() - heard_at >= self.outage_timeout.total_seconds():
                raise self._failure("outage", "")
            if deadline is not None and CLOCK.now() >= deadline:
                raise self._failure("timeout", "")
            CLOCK.sleep(self._interval_s())

    def _ended(self, progress: Mapping[str, Any]) -> dict[str, Any]:
        self.log.info(
            "%s of sweep %s: %s of %s completed, %s failed.",
            self.chunk_name or "The trials",
            progress["sweep_id"],
            progress["completed"],
            progress["total"],
            progress["failed"],
        )
        return {**progress, "first": _number(self.first)}

    def _failure(self, status: str, message: str) -> HpcComposeError:
        if status == "outage":
            return HpcComposeUnreachable(
                f"The cluster has not answered for {self.outage_timeout}, the sweep was left alone: {message}"
            )
        return HpcComposeRunTimeout(f"The sweep was not over within {self.run_timeout}.")

    def _deadline(self, context: Context) -> float | None:
        limit = self.run_timeout or self.execution_timeout
        if limit is None:
            return None
        start = context["ti"].start_date  # kept over deferrals
        return (start.timestamp() if start is not None else CLOCK.now()) + float(limit.total_seconds())

    def _interval_s(self) -> float:
        asked = self.poll_seconds if self.poll_seconds is not None else self.hook.settings.poll_seconds
        return max(1.0, float(asked))


class HpcComposeSweepStopOperator(ConnectedOperator):
    """Ends a sweep that still waits or runs; a teardown: `stop.as_teardown()`.

    :param sweep: The handle; an XComArg of a task that failed would fail this one, so a teardown takes `submit_task_id`.
    :param submit_task_id: Instead: the task that submits. When it has not said what it submitted, as its worker may have died before
        it could, whatever it may have submitted is looked for.
    """

    template_fields: Sequence[str] = ("sweep", "hpccompose_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"sweep": "json"}
    ui_color = "#f7e3dc"

    def __init__(self, *, sweep: Any = None, submit_task_id: str | None = None, **task_options: Any) -> None:
        super().__init__(**task_options)
        self.sweep = sweep
        self.submit_task_id = submit_task_id

    def execute(self, context: Context) -> list[str]:
        """The ids of the sweeps that were asked to end.

        Raises: HpcComposeError: the scheduler did not answer.
        """
        task_instance = context["ti"]
        reason = f"teardown of {task_instance.dag_id}"
        sweep = self.sweep
        if sweep is None and self.submit_task_id is not None:
            sweep = task_instance.xcom_pull(
                task_ids=self.submit_task_id, key=SWEEP_KEY, map_indexes=task_instance.map_index
            )
        with told_to_airflow():
            if sweep not in (None, "", "None"):
                handle = sweep_from(sweep)
                stopped = [handle.sweep_id] if sweeps_of(self).stop_sweep(handle, reason=reason) else []
            elif self.submit_task_id is not None:
                stopped = sweeps_of(self).stop_sweeps_of(self._keys(context), reason=reason)
            else:
                stopped = []
        self.log.info("Ended: %s", ", ".join(stopped) or "nothing, all was over")
        return stopped

    def _keys(self, context: Context) -> list[str]:
        """All that the task may have submitted under: what is not there costs one look at a folder."""
        ours = TaskIdentity.of(context["ti"], 0, instance_id())
        theirs = TaskIdentity(
            instance_id=ours.instance_id,
            dag_id=ours.dag_id,
            run_id=ours.run_id,
            task_id=str(self.submit_task_id),
            map_index=ours.map_index,
        )
        return [job_key(theirs.base_key, number) for number in range(1, _GENERATIONS_LOOKED_FOR)]


def stop_quietly(operator: ConnectedOperator, handle: SweepHandle, why: str) -> None:
    """The sweep is asked to end because its task ends; what goes wrong with that is told and hides no other error."""
    from compose_core import HpccError

    operator.log.info("%s: ending sweep %s.", why, handle.sweep_id)
    try:
        sweeps_of(operator).stop_sweep(handle, reason=why)
    except HpccError as error:
        operator.log.warning("Sweep %s could not be ended and may still run: %s", handle.sweep_id, error)


def _number(value: Any) -> int:
    return _whole_number(value, "first") or 0


def _whole_number(value: Any, what: str) -> int | None:
    """The number, also as the text that a template made of it.

    Raises: HpcComposeSpecError: it is none.
    """
    if value in (None, "", "None"):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise HpcComposeSpecError(f"{what} is {value!r}, which is no whole number.") from None
