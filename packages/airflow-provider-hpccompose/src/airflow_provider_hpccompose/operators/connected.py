"""What all operators have in common: a connection, its door, and the retry policy."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook
from airflow_provider_hpccompose.policies import default_retry_policy
from airflow_provider_hpccompose.settings import DEFAULT_CONN_ID
from airflow_provider_hpccompose.version_compat import AIRFLOW_V_3_3_PLUS

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door, JobHandle

CONFIG_SECTION = "hpccompose"


class ConnectedOperator(BaseOperator):
    """An operator that works through a connection of type `hpccompose`."""

    def __init__(self, *, hpccompose_conn_id: str = DEFAULT_CONN_ID, **task_options: Any) -> None:
        if not AIRFLOW_V_3_3_PLUS:
            task_options.pop("retry_policy", None)
        elif task_options.get("retry_policy") is None:
            task_options["retry_policy"] = default_retry_policy()
        super().__init__(**task_options)
        self.hpccompose_conn_id = hpccompose_conn_id

    @cached_property
    def hook(self) -> HpcComposeHook:
        """The connection's hook."""
        return HpcComposeHook(self.hpccompose_conn_id)

    @property
    def door(self) -> Door:
        """The way to the cluster.

        Raises: HpcComposeConnectionError: the connection is missing or wrong.
        """
        return self.hook.get_door()

    def end_quietly(self, handle: JobHandle, why: str) -> None:
        """The job is asked to end because its task ends; what goes wrong with that is told and hides no other error."""
        from compose_core import HpccError

        self.log.info("%s: cancelling job %s.", why, handle.job_id)
        try:
            self.door.cancel(handle)
        except HpccError as error:
            self.log.warning("Job %s could not be cancelled and may still run: %s", handle.job_id, error)


def instance_id() -> str:
    """Which Airflow this is: what `[hpccompose] instance_id` says, else a digest of its API's address."""
    named = conf.get(CONFIG_SECTION, "instance_id", fallback="")
    if named:
        return str(named)
    address = conf.get("api", "base_url", fallback="") or "airflow"
    return hashlib.sha256(str(address).encode()).hexdigest()[:12]
