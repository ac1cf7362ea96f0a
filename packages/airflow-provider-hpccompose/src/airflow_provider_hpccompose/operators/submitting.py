"""The half of an operator that submits a job, or finds the one that an earlier try submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import JobHandle, SubmitRequest
from airflow_provider_hpccompose.durations import duration
from airflow_provider_hpccompose.exceptions import HpcComposeCancelled
from airflow_provider_hpccompose.identity import OnClear, Resolved, Resolver
from airflow_provider_hpccompose.job_requests import trial_variables
from airflow_provider_hpccompose.links import JOB_KEY
from airflow_provider_hpccompose.operators.job_owner import JobOperator
from airflow_provider_hpccompose.operators.spec_source import SPEC_FIELDS, SPEC_RENDERERS, SpecOperator
from airflow_provider_hpccompose.patience import PATIENCE, ask_patiently

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SUBMIT_FIELDS = (*SPEC_FIELDS, "trial")
RENDERERS = {**SPEC_RENDERERS, "trial": "json"}


class SubmittingOperator(SpecOperator, JobOperator):
    """Arguments that say what is submitted: those of `SpecOperator`, and

    :param trial: Parameters of a sweep's trial, which the spec's `sweep` declares.
    :param trial_name: What a mapped task is called: `map_index_template="{{ task.trial_name }}"`.
    :param durable: Find the job of an earlier try; False: every try submits.
    :param on_clear: What becomes of a job whose task was cleared: `cancel` it and run anew, `keep` it running beside the new one, or
        `adopt` it or its result.
    :param on_kill_action: What becomes of the job when its task is marked or killed: `cancel` or `keep`.
    :param submit_patience: How long a silent scheduler is asked again before the try fails as unreachable.
    :param prepare: Make images ready before the job is submitted, which may take minutes; False: they have to be.
    :param preflight: `warn`: what a job cannot run without ends the task; `strict`: warnings, too; `off`.
    """

    def __init__(
        self,
        *,
        trial: dict[str, Any] | None = None,
        trial_name: str | None = None,
        durable: bool = True,
        on_clear: OnClear = "cancel",
        on_kill_action: Literal["cancel", "keep"] = "cancel",
        submit_patience: timedelta | float = PATIENCE,
        prepare: bool = True,
        preflight: Literal["off", "warn", "strict"] = "warn",
        **task_options: Any,
    ) -> None:
        super().__init__(**task_options)
        self.trial = trial
        self.trial_name = trial_name
        self.durable = durable
        self.on_clear = on_clear
        self.on_kill_action = on_kill_action
        self.submit_patience = duration(submit_patience, "submit_patience", may_be_zero=True)
        self.prepare = prepare
        self.preflight = preflight

    def job_of_try(self, context: Context) -> Resolved:
        """The one job of this try, in XCom as `job` from then on.

        Raises: HpcComposeError: there is none, or nobody knows, and why.
        """
        request = self.request(context)
        with self.no_orphan(context):
            resolved = ask_patiently(lambda: self._resolved(context, request), self.submit_patience)
            self._job = resolved.handle
            context["ti"].xcom_push(key=JOB_KEY, value=resolved.handle.as_json())
            return resolved

    def request(self, context: Context) -> SubmitRequest:
        """What is submitted, but for its key.

        Raises: HpcComposeSpecError: an argument is wrong.
        """
        return SubmitRequest(
            key="",
            spec_name=f"spec of {context['ti'].dag_id}.{self.task_id}",
            trial=trial_variables(self.trial),
            labels={**self.identity(context).labels, "on_kill": self.on_kill_action, "on_clear": self.on_clear},
            prepare=self.prepare,
            preflight=self.preflight,
            **self.source(context),
        )

    def _resolved(self, context: Context, request: SubmitRequest) -> Resolved:
        with told_to_airflow():
            resolver = Resolver(self.door, self.identity(context), on_clear=self.on_clear, durable=self.durable)
            return resolver.resolve(lambda key, n: self._submitted(request, key, n))

    def _submitted(self, request: SubmitRequest, key: str, n: int) -> JobHandle:
        handle = self.door.submit(SubmitRequest.from_json({**request.as_json(), "key": key, "n": n}))
        self._job = handle  # from here on a kill ends it
        verb = "is found again" if handle.attached else "was submitted"
        self.log.info("Job %s (%s) %s; batch log %s", handle.job_id, handle.name, verb, handle.batch_log)
        if self._is_killed and self.on_kill_action == "cancel":  # in the meantime, when there was no job to end yet
            raise HpcComposeCancelled(f"The task was killed while job {handle.job_id} was submitted.")
        return handle


def template_fields_with(*more: str) -> Sequence[str]:
    """The fields of a submitting operator that templates are filled in, and these."""
    return (*SUBMIT_FIELDS, *more)


def renderers_with(more: Mapping[str, str]) -> dict[str, str]:
    """How Airflow shows them."""
    return {**RENDERERS, **more}
