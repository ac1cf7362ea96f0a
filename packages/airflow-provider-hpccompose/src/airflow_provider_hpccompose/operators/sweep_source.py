"""What an operator is told of a sweep's compose file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_hpccompose.exceptions import HpcComposeSpecError
from airflow_provider_hpccompose.identity import TaskIdentity
from airflow_provider_hpccompose.job_requests import absolute_file, folder_name, overrides_of, spec_text, texts
from airflow_provider_hpccompose.operators.connected import ConnectedOperator, instance_id
from airflow_provider_hpccompose.settings import profile_of
from airflow_provider_hpccompose.sweep_doors import SweepCalls, SweepRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

SOURCE_FIELDS = (
    "spec",
    "compose_file",
    "project_dir",
    "variables",
    "environment",
    "service_overrides",
    "hpc_resources",
    "job_name",
    "profile",
    "max_trials",
    "hpccompose_conn_id",
)
SOURCE_RENDERERS = {
    "spec": "yaml",
    "variables": "json",
    "environment": "json",
    "service_overrides": "json",
    "hpc_resources": "json",
}


class SweepSourceOperator(ConnectedOperator):
    """Arguments that say which sweep is meant.

    :param spec: A compose file with a `sweep` as a mapping or as YAML text; it is written into the project folder.
    :param compose_file: Path of one; a relative one starts from the folder of the DAG's file.
    :param project_dir: Folder of an inline spec's relative paths and records; in the workspace, if it is relative.
    :param variables: For `${NAME}` in the file.
    :param environment: Variables that every service of every trial gets.
    :param service_overrides: Service name to keys of that service, over what is written, as `extends` does.
    :param hpc_resources: Keys of `x-slurm`, over what is written: `{"time": "00:10:00", "gres": "gpu:1"}`.
    :param job_name: The name of the job arrays.
    :param profile: Part of a spec that the connection keeps under this name, over what is written and under the other arguments.
    :param max_trials: Allow so many trials, whatever the file says.
    :param stage: The compose file lies on this machine; with transport `ssh` it and what it names are sent.
    """

    template_fields: Sequence[str] = SOURCE_FIELDS
    template_fields_renderers: ClassVar[dict[str, str]] = SOURCE_RENDERERS

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
        max_trials: int | None = None,
        stage: bool = True,
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
        self.max_trials = max_trials
        self.stage = stage

    def request(
        self, context: Context, *, key: str, supersedes: list[str] | None = None, throttle: int | None = None
    ) -> SweepRequest:
        """The sweep under this key.

        Raises: HpcComposeSpecError: an argument is wrong.
        """
        if (self.spec is None) == (self.compose_file is None):
            raise HpcComposeSpecError("Give either `spec` or `compose_file`.")
        is_inline = self.spec is not None
        dag_id, settings = str(context["ti"].dag_id), self.hook.settings
        return SweepRequest(
            key=key,
            spec=spec_text(self.spec) if self.spec is not None else None,
            compose_file=self._file() if self.compose_file is not None else None,
            project_dir=self.project_dir or (folder_name(dag_id) if is_inline else None),
            stage=self.stage,
            variables=texts(self.variables, "variables"),
            environment=texts(self.environment, "environment"),
            overrides=overrides_of(
                self.service_overrides, self.hpc_resources, self.job_name, profile_of(settings, self.profile)
            ),
            defaults={"name": folder_name(f"{dag_id}.{self.task_id}"), **settings.defaults},
            max_trials=int(self.max_trials) if self.max_trials else None,
            throttle=throttle,
            supersedes=supersedes or [],
            labels=TaskIdentity.of(context["ti"], self.retries or 0, instance_id()).labels,
        )

    def _file(self) -> str:
        if not self.stage:
            return str(self.compose_file)
        folder = os.path.dirname(self.dag.fileloc) if self.has_dag() and self.dag.fileloc else None  # noqa: PTH120
        return absolute_file(str(self.compose_file), folder)


def sweeps_of(operator: ConnectedOperator) -> SweepCalls:
    """The operator's door, for its verbs about sweeps."""
    return cast("SweepCalls", operator.door)  # every door is one
