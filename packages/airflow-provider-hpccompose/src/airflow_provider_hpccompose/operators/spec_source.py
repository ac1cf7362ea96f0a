"""What is submitted, job or sweep: a compose file or inline spec, and what a task adds to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow_provider_hpccompose.exceptions import HpcComposeSpecError
from airflow_provider_hpccompose.identity import TaskIdentity
from airflow_provider_hpccompose.job_requests import absolute_file, folder_name, overrides_of, spec_text, texts
from airflow_provider_hpccompose.operators.connected import ConnectedOperator, instance_id
from airflow_provider_hpccompose.settings import profile_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

SPEC_FIELDS = (
    "spec",
    "compose_file",
    "project_dir",
    "variables",
    "environment",
    "service_overrides",
    "hpc_resources",
    "job_name",
    "profile",
    "hpccompose_conn_id",
)
"""Those of them that templates are filled in."""
SPEC_RENDERERS = {
    "spec": "yaml",
    "variables": "json",
    "environment": "json",
    "service_overrides": "json",
    "hpc_resources": "json",
}
"""How Airflow shows them."""


class SpecOperator(ConnectedOperator):
    """Arguments that say which spec is meant.

    :param spec: A compose file as a mapping or as YAML text. In text, Airflow replaces `{{ … }}` and compose `${…}`.
    :param compose_file: Path of a compose file; a relative one starts from the folder of the DAG's file.
    :param project_dir: Folder that an inline spec's relative paths start from and that records are kept in; in the workspace, if it is
        relative.
    :param variables: For `${NAME}` in the spec.
    :param environment: Variables that every service gets.
    :param service_overrides: Service name to keys of that service, over what is written, as `extends` does.
    :param hpc_resources: Keys of `x-slurm`, over what is written: `{"time": "00:10:00", "gres": "gpu:1"}`.
    :param job_name: The job's name.
    :param profile: Part of a spec that the connection keeps under this name, over what is written and under the other arguments.
    :param stage: The compose file lies on this machine; with transport `ssh` it and what it names are sent.
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
        self.stage = stage

    def identity(self, context: Context) -> TaskIdentity:
        """The identity of the try that runs."""
        return TaskIdentity.of(context["ti"], self.retries or 0, instance_id())

    def source(self, context: Context) -> dict[str, Any]:
        """The fields by which requests for jobs and for sweeps say it.

        Raises: HpcComposeSpecError: an argument is wrong.
        """
        if (self.spec is None) == (self.compose_file is None):
            raise HpcComposeSpecError("Give either `spec` or `compose_file`.")
        dag_id, settings = str(context["ti"].dag_id), self.hook.settings
        profile = profile_of(settings, self.profile)
        return {
            "spec": spec_text(self.spec) if self.spec is not None else None,
            "compose_file": self._file() if self.compose_file is not None else None,
            "project_dir": self.project_dir or (folder_name(dag_id) if self.spec is not None else None),
            "stage": self.stage,
            "variables": texts(self.variables, "variables"),
            "environment": texts(self.environment, "environment"),
            "overrides": overrides_of(self.service_overrides, self.hpc_resources, self.job_name, profile),
            "defaults": {"name": folder_name(f"{dag_id}.{self.task_id}"), **settings.defaults},
        }

    def _file(self) -> str:
        if not self.stage:
            return str(self.compose_file)
        folder = os.path.dirname(self.dag.fileloc) if self.has_dag() and self.dag.fileloc else None  # noqa: PTH120
        return absolute_file(str(self.compose_file), folder)
