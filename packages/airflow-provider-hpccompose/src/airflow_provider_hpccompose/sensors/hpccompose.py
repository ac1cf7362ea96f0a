"""Sensors for jobs and sweeps. A sensor never owns what it watches: its timeout or its end cancels nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import JobHandle, JobReport
from airflow_provider_hpccompose.durations import duration
from airflow_provider_hpccompose.exceptions import HpcComposeError, HpcComposeFinalError, HpcComposeUnreachable
from airflow_provider_hpccompose.failures import failure_of_report
from airflow_provider_hpccompose.job_results import handle_from, plain_from
from airflow_provider_hpccompose.open_door import open_door
from airflow_provider_hpccompose.policies import HAS_RETRY_POLICIES, default_retry_policy
from airflow_provider_hpccompose.sweep_doors import SweepReport
from airflow_provider_hpccompose.sweep_progress import Enough, counts, sweep_report
from airflow_provider_hpccompose.triggers.hpccompose import HpcComposeTrigger
from airflow_provider_hpccompose.triggers.sweeps import HpcComposeSweepTrigger
from airflow_provider_hpccompose.triggers.waiting import Terms
from compose_core import SystemClock

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

CLOCK = SystemClock()
_BACK_STOP = timedelta(minutes=10)
"""Airflow's own limit of a deferral lies so much after the sensor's: it would end the task without a word."""


class _HpcComposeSensor(BaseSensorOperator):
    """What the sensors have in common: deferred where that is wanted, else poking."""

    def __init__(
        self,
        *,
        hpccompose_conn_id: str | None = None,
        deferrable: bool = True,
        poll_seconds: float = 60.0,
        outage_timeout: timedelta | float = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("poke_interval", poll_seconds)
        if HAS_RETRY_POLICIES:
            kwargs.setdefault("retry_policy", default_retry_policy())
        super().__init__(**kwargs)
        self.hpccompose_conn_id = hpccompose_conn_id
        self.deferrable = deferrable
        self.poll_seconds = poll_seconds
        self._silent_since: float | None = None
        self.outage_timeout = duration(outage_timeout, "outage_timeout")

    def execute(self, context: Any) -> Any:
        """What the sensor waited for, as XCom."""
        if not self.deferrable:
            return super().execute(context)
        with self._soft():
            found = self.poke(context)
        if found:
            return found.xcom_value
        limit = float(self.timeout)
        self.defer(
            trigger=self.make_trigger(CLOCK.now() + limit),
            method_name="execute_complete",
            timeout=timedelta(seconds=limit) + _BACK_STOP,
        )
        return None

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """The same after a deferral."""
        with self._soft():
            return self.answer_of(event)

    @contextmanager
    def _soft(self) -> Iterator[None]:
        """What fails in here skips the task where `soft_fail` says so."""
        try:
            yield
        except AirflowSkipException:
            raise
        except AirflowException as error:
            if self.soft_fail:
                raise AirflowSkipException(f"soft_fail: {error}") from error
            raise

    def _silence(self, why: str) -> PokeReturnValue:
        """A look that told nothing: another one follows.

        Raises: HpcComposeUnreachable: the cluster has been silent for `outage_timeout`, as far as this process knows.
        """
        self.log.warning("The cluster does not answer: %s", why)
        now = CLOCK.monotonic()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since >= self.outage_timeout.total_seconds():
            self._raise_for("outage", why)
        return PokeReturnValue(is_done=False)

    def _heard(self) -> None:
        self._silent_since = None

    def make_trigger(self, deadline: float) -> BaseTrigger:
        """What waits in the sensor's place."""
        raise NotImplementedError

    def answer_of(self, event: Mapping[str, Any]) -> Any:
        """What the trigger found."""
        raise NotImplementedError

    def _raise_for(self, status: str, message: object) -> None:
        """Raises: AirflowSensorTimeout, HpcComposeUnreachable: as the status says."""
        if status in ("timeout", "queue_timeout"):
            raise AirflowSensorTimeout(f"What {self.task_id} waits for did not come within {self.timeout} s.")
        if status == "outage":
            raise HpcComposeUnreachable(f"The cluster has not answered for {self.outage_timeout}: {message}")


class _JobSensor(_HpcComposeSensor):
    """A sensor of one job."""

    template_fields: Sequence[str] = ("job_ref", "hpccompose_conn_id")

    def __init__(self, *, job_ref: Any, **kwargs: Any) -> None:
        """A wait for the job of this handle, which an operator pushed as XCom `job`."""
        super().__init__(**kwargs)
        self.job_ref = job_ref

    @property
    def wait_for(self) -> str:
        """What the trigger is told to wait for."""
        raise NotImplementedError

    def poke(self, context: Any) -> PokeReturnValue:
        """A look at the job; a cluster that does not answer is asked again."""
        handle = self.handle()
        try:
            with told_to_airflow():
                (report,) = open_door(self.conn_id(handle)).observe([handle])
        except HpcComposeUnreachable as error:
            return self._silence(str(error))
        if report.verdict == "unreachable":
            return self._silence(report.detail or report.reason)
        self._heard()
        if not (report.is_over or Terms(wait_for=self.wait_for).is_reached(report)):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self.answer(handle, report))

    def make_trigger(self, deadline: float) -> BaseTrigger:
        """One that leaves the job alone, whatever happens."""
        handle = self.handle()
        return HpcComposeTrigger(
            hpccompose_conn_id=self.conn_id(handle),
            job_ref=handle.as_json(),
            poll_seconds=self.poll_seconds,
            deadline=deadline,
            wait_for=self.wait_for,
            log_services=[],
            on_kill_action="keep",
            outage_timeout=self.outage_timeout.total_seconds(),
            fatal_pending_reasons=[],
        )

    def answer_of(self, event: Mapping[str, Any]) -> Any:
        """Raises: AirflowException: it did not come, and why."""
        handle = JobHandle.from_json(event["job_ref"])
        self._raise_for(str(event["status"]), event.get("message"))
        return self.answer(handle, JobReport.from_json(event["snapshot"]))

    def answer(self, handle: JobHandle, report: JobReport) -> dict[str, Any]:
        """What the sensor gives for such a job.

        Raises: AirflowException: the job is over, and what is waited for will not come.
        """
        raise NotImplementedError

    def handle(self) -> JobHandle:
        """The job of the rendered `job_ref`.

        Raises: HpcComposeSpecError: it is no handle.
        """
        return handle_from(self.job_ref, "job_ref")

    def conn_id(self, handle: JobHandle) -> str:
        """The sensor's own connection, else the one that the job was submitted through."""
        return self.hpccompose_conn_id or handle.conn_id or "hpccompose_default"


class HpcComposeStateSensor(_JobSensor):
    """Waits until a job is in one of the states; gives the report on it. Fails when the job ends otherwise."""

    def __init__(self, *, target_states: str | Sequence[str] = ("COMPLETED",), **kwargs: Any) -> None:
        """`target_states`: Slurm's words; RUNNING also counts for a job that has run already."""
        super().__init__(**kwargs)
        named = [target_states] if isinstance(target_states, str) else target_states
        self.target_states = sorted({state.upper() for state in named})

    @property
    def wait_for(self) -> str:
        """The states."""
        return f"states:{','.join(self.target_states)}"

    def answer(self, handle: JobHandle, report: JobReport) -> dict[str, Any]:
        """The report; a job that ended in no such state fails the sensor."""
        if Terms(wait_for=self.wait_for).is_reached(report):
            return report.as_json()
        wanted = " or ".join(self.target_states)
        error = failure_of_report(report.as_json(), job_id=handle.job_id)
        raise error or HpcComposeFinalError(f"Job {handle.job_id} ended as {report.state} and will not be {wanted}.")


class HpcComposeServiceReadySensor(_JobSensor):
    """Waits until a service of a job is ready; gives where it can be reached.

    `{"v": 1, "job_id", "service", "state", "host", "ports": {name: port}, "urls": {name: "http://host:port"}}`
    """

    template_fields: Sequence[str] = (*_JobSensor.template_fields, "service")

    def __init__(self, *, service: str, **kwargs: Any) -> None:
        """`service`: as the compose file calls it; it should declare `readiness`."""
        super().__init__(**kwargs)
        self.service = service

    @property
    def wait_for(self) -> str:
        """The service."""
        return f"service:{self.service}:ready"

    def answer(self, handle: JobHandle, report: JobReport) -> dict[str, Any]:
        """The endpoint."""
        service = report.services.get(self.service)
        if service and service.get("ready") and not report.is_over:
            return endpoint(handle, self.service, service)
        raise failure_of_report(report.as_json(), job_id=handle.job_id) or HpcComposeFinalError(
            f"Job {handle.job_id} is over ({report.state}); its service {self.service} was not seen ready. "
            f"Its services: {', '.join(report.services) or 'none'}."
        )


def endpoint(handle: JobHandle, name: str, service: Mapping[str, Any]) -> dict[str, Any]:
    """Where a service can be reached, as small plain JSON."""
    host, ports = str(service.get("host") or ""), dict(service.get("ports") or {})
    return {
        "v": 1,
        "job_id": handle.job_id,
        "service": name,
        "state": service.get("state"),
        "host": host,
        "ports": ports,
        "urls": {port: f"http://{host}:{number}" for port, number in ports.items() if host},
    }


class HpcComposeSweepSensor(_HpcComposeSensor):
    """Waits until a sweep has come far enough, by default until it is over; gives its counts."""

    template_fields: Sequence[str] = ("sweep", "hpccompose_conn_id")

    def __init__(
        self,
        *,
        sweep: Any,
        min_completed: int | None = None,
        fraction: float | None = None,
        any_failed: bool = False,
        **kwargs: Any,
    ) -> None:
        """`sweep`: a mapping with `project_dir` and `sweep_id`, as the sweep operators push it; without an id the folder's newest."""
        super().__init__(**kwargs)
        self.sweep = sweep
        self.min_completed = min_completed
        self.fraction = fraction
        self.any_failed = any_failed
        self.enough = Enough(min_completed=min_completed, fraction=fraction, any_failed=any_failed)

    def poke(self, context: Any) -> PokeReturnValue:
        """A look at the sweep."""
        conn_id, project_dir, sweep_id = self._place()
        try:
            with told_to_airflow():
                progress = sweep_report(open_door(conn_id), project_dir, sweep_id)
        except HpcComposeUnreachable as error:
            return self._silence(str(error))
        if progress.is_unreachable:
            return self._silence("the scheduler does not answer")
        self._heard()
        if not (progress.is_over or self.enough.is_reached(progress)):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._answer(progress))

    def make_trigger(self, deadline: float) -> BaseTrigger:
        """The same from the triggerer."""
        conn_id, project_dir, sweep_id = self._place()
        return HpcComposeSweepTrigger(
            hpccompose_conn_id=conn_id,
            project_dir=project_dir,
            sweep_id=sweep_id,
            min_completed=self.min_completed,
            fraction=self.fraction,
            any_failed=self.any_failed,
            poll_seconds=self.poll_seconds,
            deadline=deadline,
            outage_timeout=self.outage_timeout.total_seconds(),
        )

    def answer_of(self, event: Mapping[str, Any]) -> Any:
        """Raises: AirflowException: it did not come so far, and why."""
        self._raise_for(str(event["status"]), event.get("message"))
        return self._answer(SweepReport.from_json(event["progress"]))

    def _answer(self, progress: SweepReport) -> dict[str, Any]:
        if self.enough.is_reached(progress):
            return counts(progress)
        raise HpcComposeError(
            f"Sweep {progress.sweep_id} is over with {progress.completed} of {progress.total} trials completed and "
            f"{progress.failed} failed, which is not what {self.task_id} waits for."
        )

    def _place(self) -> tuple[str, str, str | None]:
        """Connection, folder and id of the sweep.

        Raises: HpcComposeFinalError: the rendered `sweep` names no folder.
        """
        sweep = plain_from(self.sweep)
        if not isinstance(sweep, Mapping) or not sweep.get("project_dir"):
            raise HpcComposeFinalError(f"sweep of {self.task_id} is no mapping with `project_dir` and `sweep_id`.")
        conn_id = self.hpccompose_conn_id or str(sweep.get("conn_id") or "hpccompose_default")
        return conn_id, str(sweep["project_dir"]), sweep.get("sweep_id")
