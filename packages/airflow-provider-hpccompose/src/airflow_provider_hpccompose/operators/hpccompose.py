"""`HpcComposeOperator`: a task that will submit, watch and collect one compose job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, Context

from airflow_provider_hpccompose import __version__

NOT_YET = (
    f"HpcComposeOperator {__version__} cannot run jobs yet: it will submit the compose file as one Slurm job and wait for it. "
    "No job was started. Until then, run the file with a BashOperator that calls `hpcc up --run-key <run id> -f <file>`."
)


class HpcComposeOperator(BaseOperator):
    """One compose job as one task. In this release the task fails at once, without retries, and starts nothing."""

    template_fields: Sequence[str] = ("compose_file",)

    def __init__(self, *, compose_file: str, **task_options: Any) -> None:
        super().__init__(**task_options)
        self.compose_file = compose_file

    def execute(self, context: Context) -> NoReturn:
        """Raises: AirflowFailException: always, so that Airflow does not retry what cannot work."""
        raise AirflowFailException(NOT_YET)
