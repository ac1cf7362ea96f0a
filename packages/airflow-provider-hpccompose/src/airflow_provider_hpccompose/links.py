"""Buttons on a task's page: its job in the dashboard, the job's batch log, the script that was submitted.

All of them lead into the dashboard that the connection names; without one, or before there is a job, a link is empty and Airflow shows no
button. Airflow asks for links at the end of every leg of a task, so they are there while the task is deferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

JOB_KEY = "job"
"""XCom key of the job's handle."""


class HpcDashboardLink(BaseOperatorLink):
    """The job's page."""

    name = "HPC job"

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the link; one per kind."""
        return "_link_HpcDashboardLink"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page's address."""
        return link_of(handle_of(ti_key), "dashboard_url")


class HpcBatchLogLink(BaseOperatorLink):
    """What Slurm and the supervisor wrote."""

    name = "Batch log"

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the link; one per kind."""
        return "_link_HpcBatchLogLink"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The log's address."""
        return link_of(handle_of(ti_key), "batch_log_url")


class HpcSubmittedScriptLink(BaseOperatorLink):
    """The script as the scheduler got it."""

    name = "Submitted script"

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the link; one per kind."""
        return "_link_HpcSubmittedScriptLink"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The script's address."""
        return link_of(handle_of(ti_key), "script_url")


def link_of(handle: Mapping[str, Any], which: str) -> str:
    """This address of the job; empty where the connection names none."""
    url = str(handle.get(which) or "")
    return url if url.startswith(("http://", "https://")) else ""  # another scheme could run in the reader's browser


def handle_of(ti_key: Any) -> Mapping[str, Any]:
    """The handle that the task pushed; empty: none yet."""
    value = XCom.get_value(ti_key=ti_key, key=JOB_KEY)
    return value if isinstance(value, Mapping) else {}
