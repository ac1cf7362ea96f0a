"""The half of an operator that submits a job, or finds the one that an earlier try submitted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import JobHandle, SubmitRequest
from airflow_provider_hpccompose.exceptions import HpcComposeCancelled, HpcComposeSpecError
from airflow_provider_hpccompose.identity import OnClear, Resolved, Resolver, TaskIdentity
from airflow_provider_hpccompose.job_requests import (
    absolute_file,
    folder_name,
    overrides_of,
    spec_text,
    texts,
    trial_variables,
)
from airflow_provider_hpccompose.links import JOB_KEY
from airflow_provider_hpccompose.operators.connected import instance_id
from airflow_provider_hpccompose.operators.job_owner import JobOperator
from airflow_provider_hpccompose.patience import PATIENCE, ask_patiently
from airflow_provider_hpccompose.settings import profile_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SUBMIT_FIELDS = (
    "spec",
    "compose_file",
    "project_dir",
    "variables",
    "environment",
    "service_overrides",
    "hpc_resources",
    "job_name",
    "profile",
    "trial",
    "hpccompose_conn_id",
)
RENDERERS = {
    "spec": "yaml",
    "variables": "json",
    "environment": "json",
    "service_overrides": "json",
    "hpc_resources": "json",
    "trial": "json",
}


class SubmittingOperator(JobOperator):
    """Arguments that say what is submitted.

    :param spec: A compose file as a mapping or as YAML text. In text, Airflow replaces `{{ … }}` and compose `${…}`.
    :param compose_file: Path of a compose file; a relative one starts from the folder of the DAG's file.
    :param project_dir: Folder that relative paths start from and that the job's records are kept in; in the workspace, if it is relative.
    :param variables: For `${NAME}` in the spec.
    :param environment: Variables that every service gets.
    :param service_overrides: Service name to keys of that service, over what is written, as `extends` does.
    :param hpc_resources: Keys of `x-slurm`, over what is written: `{"time": "00:10:00", "gres": "gpu:1"}`.
    :param job_name: The job's name.
    :param profile: Part of a spec that the connection keeps under this name, over what is written and under the other arguments.
    :param trial: Parameters of a sweep's trial, which the spec's `sweep` declares.
    :param trial_name: What a mapped task is called: `map_index_template="{{ task.trial_name }}"`.
    :param stage: The compose file lies on this machine; with transport `ssh` it and what it names are sent.
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
        spec: str | dict[str, Any] | None = None,
        compose_file: str | None = None,
        project_dir: str | None = None,
        variables: dict[str, Any] | None = None,
        environment: dict[str, Any] | None = None,
        service_overrides: dict[str, Any] | None = None,
        hpc_resources: dict[str, Any] | None = None,
        job_name: str | None = None,
        profile: str | None = None,
        trial: dict[str, Any] | None = None,
        trial_name: str | None = None,
        stage: bool = True,
        durable: bool = True,
        on_clear: OnClear = "cancel",
        on_kill_action: Literal["cancel", "keep"] = "cancel",
        submit_patience: timedelta = PATIENCE,
        prepare: bool = True,
        preflight: Literal["off", "warn", "strict"] = "warn",
        **task_options: Any,
    ) -> None:
        super().__init__(**task_options)
        self.spec = spec
        self.compose_file = compose_file
        self.project_dir = project_dir
        self.variables = variables
        self.environment = environment
        self.service_overrides = service_overrides
        self.hpc_resources = hpc_resources
        self.job_name = job_name
        self.profile = profile
        self.trial = trial
        self.trial_name = trial_name
        self.stage = stage
        self.durable = durable
        self.on_clear = on_clear
        self.on_kill_action = on_kill_action
        self.submit_patience = submit_patience
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

    def identity(self, context: Context) -> TaskIdentity:
        """The identity of the try that runs."""
        return TaskIdentity.of(context["ti"], self.retries or 0, instance_id())

    def request(self, context: Context) -> SubmitRequest:
        """What is submitted, but for its key.

        Raises: HpcComposeSpecError: an argument is wrong.
        """
        if (self.spec is None) == (self.compose_file is None):
            raise HpcComposeSpecError("Give either `spec` or `compose_file`.")
        task_instance = context["ti"]
        dag_id = str(task_instance.dag_id)
        is_inline = self.spec is not None
        return SubmitRequest(
            key="",
            spec=spec_text(self.spec) if self.spec is not None else None,
            spec_name=f"spec of {dag_id}.{self.task_id}",
            compose_file=self._file() if self.compose_file is not None else None,
            project_dir=self.project_dir or (folder_name(dag_id) if is_inline else None),
            stage=self.stage,
            variables=texts(self.variables, "variables"),
            trial=trial_variables(self.trial),
            environment=texts(self.environment, "environment"),
            overrides=overrides_of(
                self.service_overrides,
                self.hpc_resources,
                self.job_name,
                profile_of(self.hook.settings, self.profile),
            ),
            defaults={"name": folder_name(f"{dag_id}.{self.task_id}"), **self.hook.settings.defaults},
            labels={**self.identity(context).labels, "on_kill": self.on_kill_action, "on_clear": self.on_clear},
            prepare=self.prepare,
            preflight=self.preflight,
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

    def _file(self) -> str:
        if not self.stage:
            return str(self.compose_file)
        folder = os.path.dirname(self.dag.fileloc) if self.has_dag() and self.dag.fileloc else None  # noqa: PTH120
        return absolute_file(str(self.compose_file), folder)


def template_fields_with(*more: str) -> Sequence[str]:
    """The fields of a submitting operator that templates are filled in, and these."""
    return (*SUBMIT_FIELDS, *more)


def renderers_with(more: Mapping[str, str]) -> dict[str, str]:
    """How Airflow shows them."""
    return {**RENDERERS, **more}
