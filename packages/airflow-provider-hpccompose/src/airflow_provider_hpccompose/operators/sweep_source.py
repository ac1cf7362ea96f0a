"""What an operator is told of a sweep's compose file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_hpccompose.exceptions import HpcComposeSpecError
from airflow_provider_hpccompose.identity import TaskIdentity
from airflow_provider_hpccompose.job_requests import absolute_file, folder_name, spec_text, texts
from airflow_provider_hpccompose.operators.connected import ConnectedOperator, instance_id
from airflow_provider_hpccompose.sweep_doors import SweepCalls, SweepRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

SOURCE_FIELDS = ("spec", "compose_file", "project_dir", "variables", "max_trials", "hpccompose_conn_id")
SOURCE_RENDERERS = {"spec": "yaml", "variables": "json"}


class SweepSourceOperator(ConnectedOperator):
    """Arguments that say which sweep is meant.

    :param spec: A compose file with a `sweep` as a mapping or as YAML text; it is written into the project folder.
    :param compose_file: Path of one; a relative one starts from the folder of the DAG's file.
    :param project_dir: Folder of an inline spec's relative paths and records; in the workspace, if it is relative.
    :param variables: For `${NAME}` in the file.
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
        max_trials: int | None = None,
        stage: bool = True,
        **task_options: Any,
    ) -> None:
        super().__init__(**task_options)
        self.spec = spec
        self.compose_file = compose_file
        self.project_dir = project_dir
        self.variables = variables
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
        return SweepRequest(
            key=key,
            spec=spec_text(self.spec) if self.spec is not None else None,
            compose_file=self._file() if self.compose_file is not None else None,
            project_dir=self.project_dir or (folder_name(str(context["ti"].dag_id)) if is_inline else None),
            stage=self.stage,
            variables=texts(self.variables, "variables"),
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
